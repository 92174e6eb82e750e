/*
 * Products with block-sparse matrices, see kernels.h. Private to x86_*.c, see x86_vectors.h.
 *
 * Sums of some rows of W and some rows of X stay in registers over all blocks of a block row: a
 * column of a block is a few vectors, each element of X a broadcast.
 */
#ifndef PARE_KERNELS_X86_BLOCKS_H
#define PARE_KERNELS_X86_BLOCKS_H

enum {
    BLOCK_SUMS = 12,   /* vectors of sums held at a time, for many rows of X */
    BLOCK_VECTORS = 2, /* of them of one row of X */
    BLOCK_ROWS = BLOCK_SUMS / BLOCK_VECTORS,
    BLOCK_SUMS_ONE = 8 /* the same for one row of X: vectors times columns */
};

INLINE vec block_load(bool bf16, const pare_block_matrix *w, int64_t at) {
    return bf16 ? load_bf16(w->bf16 + at) : load(w->value + at, LANES);
}

/* Columns of W in block p; fewer at the edge. */
INLINE int64_t block_width(const pare_block_matrix *w, int64_t p) {
    return least(w->block, w->columns - w->index[p] * w->block);
}

/* Blocks lie anywhere in a row of X: what block p needs is asked for while another is worked on. */
INLINE void block_ahead(int count, const pare_block_matrix *w, int64_t p, int64_t end,
                        const float *x) {
    const float *from = x + (p < end ? w->index[p] * w->block : 0);
#pragma GCC unroll 6
    for (int t = 0; t < count; t++) {
        for (int64_t j = 0; j < w->block; j += CACHE_LINE) {
            _mm_prefetch((const char *)(from + t * w->columns + j), _MM_HINT_T0);
        }
    }
}

/* Stores `vectors` vectors of sums as rows row .. of y, without those beyond the edge. */
INLINE void block_store(int vectors, const pare_block_matrix *w, int64_t row, const vec *sum,
                        float *y) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
        int64_t left = w->rows - row - v * LANES;
        if (left > 0) {
            store(y + row + v * LANES, sum[v], least(left, LANES));
        }
    }
}

/* `count` rows of X and the rows inside .. inside + vectors * LANES - 1 of one block row. */
INLINE void block_tile(bool bf16, int count, int vectors, const pare_block_matrix *w,
                       int64_t block_row, int64_t inside, const float *x, float *y) {
    vec sum[BLOCK_SUMS];
#pragma GCC unroll 12
    for (int s = 0; s < count * vectors; s++) {
        sum[s] = fill(0);
    }
    for (int64_t p = w->start[block_row]; p < w->start[block_row + 1]; p++) {
        const float *from = x + w->index[p] * w->block;
        int64_t at = p * w->block * w->block + inside, width = block_width(w, p);
        block_ahead(count, w, p + 1, w->start[block_row + 1], x);
        for (int64_t j = 0; j < width; j++, at += w->block) {
            vec column[BLOCK_VECTORS];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                column[v] = block_load(bf16, w, at + v * LANES);
            }
#pragma GCC unroll 6
            for (int t = 0; t < count; t++) {
                vec factor = fill(from[t * w->columns + j]);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    sum[t * vectors + v] = multiply_add(factor, column[v], sum[t * vectors + v]);
                }
            }
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < count; t++) {
        block_store(vectors, w, block_row * w->block + inside, sum + t * vectors, y + t * w->rows);
    }
}

/* One row of X: `columns` columns at a time, so that sums do not wait for each other. */
INLINE void block_line(bool bf16, int vectors, const pare_block_matrix *w, int64_t block_row,
                       const float *x, float *y) {
    const int columns = BLOCK_SUMS_ONE / vectors;
    vec sum[BLOCK_SUMS_ONE];
#pragma GCC unroll 8
    for (int s = 0; s < BLOCK_SUMS_ONE; s++) {
        sum[s] = fill(0);
    }
    for (int64_t p = w->start[block_row]; p < w->start[block_row + 1]; p++) {
        const float *from = x + w->index[p] * w->block;
        int64_t at = p * w->block * w->block, width = block_width(w, p), j = 0;
        for (; j + columns <= width; j += columns, at += columns * w->block) {
#pragma GCC unroll 8
            for (int c = 0; c < columns; c++) {
                vec factor = fill(from[j + c]);
#pragma GCC unroll 8
                for (int v = 0; v < vectors; v++) {
                    vec column = block_load(bf16, w, at + c * w->block + v * LANES);
                    vec *one = &sum[c * vectors + v];
                    *one = multiply_add(factor, column, *one);
                }
            }
        }
        for (; j < width; j++, at += w->block) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) {
                sum[v] = multiply_add(fill(from[j]), block_load(bf16, w, at + v * LANES), sum[v]);
            }
        }
    }
#pragma GCC unroll 8
    for (int s = vectors; s < BLOCK_SUMS_ONE; s++) {
        sum[s % vectors] = add(sum[s % vectors], sum[s]);
    }
    block_store(vectors, w, block_row * w->block, sum, y);
}

#define BLOCK_TILE(count)                                                                          \
    for (; t + (count) <= n; t += (count)) {                                                       \
        for (int64_t inside = 0; inside < w->block; inside += vectors * LANES) {                   \
            block_tile(bf16, count, vectors, w, block_row, inside, x + t * w->columns,             \
                       y + t * w->rows);                                                           \
        }                                                                                          \
    }

INLINE void block_row_times(bool bf16, int vectors, const pare_block_matrix *w, int64_t block_row,
                            int64_t n, const float *x, float *y) {
    int64_t t = 0;
    BLOCK_TILE(BLOCK_ROWS)
    BLOCK_TILE(4)
    BLOCK_TILE(2)
    BLOCK_TILE(1)
}

INLINE void blocks_all(bool bf16, const pare_block_matrix *w, int64_t first, int64_t last,
                       int64_t n, const float *x, float *y) {
    for (int64_t i = first; i < last; i++) {
        if (n == 1 && w->block == 16) {
            block_line(bf16, 16 / LANES, w, i, x, y);
        } else if (n == 1 && w->block == 32) {
            block_line(bf16, 32 / LANES, w, i, x, y);
        } else if (n == 1) {
            block_line(bf16, 64 / LANES, w, i, x, y);
        } else if (w->block >= BLOCK_VECTORS * LANES) {
            block_row_times(bf16, BLOCK_VECTORS, w, i, n, x, y);
        } else {
            block_row_times(bf16, 1, w, i, n, x, y);
        }
    }
}

KERNEL void blocks_times(const pare_block_matrix *w, int64_t first, int64_t last, int64_t n,
                         const float *x, float *y) {
    if (w->bf16) {
        blocks_all(true, w, first, last, n, x, y);
    } else {
        blocks_all(false, w, first, last, n, x, y);
    }
}

#endif
