/*
 * Products of rows of a table with a narrow matrix, see kernels.h. Private to x86_*.c, see
 * x86_vectors.h.
 *
 * Everything is cut so that what is read again and again stays in the first-level cache (32 KB):
 * blocks of the narrow matrix for sparse rows, blocks of features and of rows for dense ones.
 */
#ifndef PARE_KERNELS_X86_PRODUCTS_H
#define PARE_KERNELS_X86_PRODUCTS_H

enum {
    SPARSE_VECTORS = 12,  /* of one row's sums, held in registers while its list is walked */
    SPARSE_ROWS = 256,    /* whose places in their lists are kept on the stack */
    SPARSE_BYTES = 20480, /* of the narrow matrix at a time */
    SPARSE_ENTRIES = 4,   /* fewer of a row in a block are not worth the block */
    SPARSE_AHEAD = 8,
    DENSE_VECTORS = 3, /* a tile of sums in registers: 4 rows or features times 3 vectors */
    DENSE_TILE = 4,
    DENSE_FEATURES = 128,
    DENSE_ROWS = 128,
    CACHE_LINE = 16 /* floats */
};

INLINE int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Vectors that cover the columns; the stride has room for them. */
INLINE int64_t vectors_of(int64_t columns) {
    return (columns + LANES - 1) / LANES;
}

INLINE int64_t row_number(const pare_rows_of *x, int64_t i) {
    return x->number ? x->number[i] : i;
}

/* ---- Sparse ------------------------------------------------------------------------------ */

/* Walks the entries p .. end - 1 of a row below feature `limit`; returns where it stopped. */
INLINE int64_t sparse_gather(int vectors, const pare_rows_of *x, int64_t p, int64_t end,
                             int64_t limit, int64_t stride, const float *w, float *out) {
    if (p == end || x->index[p] >= limit) {
        return p;
    }
    vec sum[SPARSE_VECTORS];
#pragma GCC unroll 12
    for (int q = 0; q < vectors; q++) {
        sum[q] = load(out + q * LANES, LANES);
    }
    do {
        const float *source = w + x->index[p] * stride;
        vec factor = fill(x->value[p]);
#pragma GCC unroll 12
        for (int q = 0; q < vectors; q++) {
            sum[q] = multiply_add(factor, load(source + q * LANES, LANES), sum[q]);
        }
        p++;
    } while (p < end && x->index[p] < limit);
#pragma GCC unroll 12
    for (int q = 0; q < vectors; q++) {
        store(out + q * LANES, sum[q], LANES);
    }
    return p;
}

/* The same in the other direction: adds multiples of one row of y to rows of out. */
INLINE int64_t sparse_scatter(int vectors, const pare_rows_of *x, int64_t p, int64_t end,
                              int64_t limit, int64_t stride, const float *y, float *out) {
    if (p == end || x->index[p] >= limit) {
        return p;
    }
    vec row[SPARSE_VECTORS];
#pragma GCC unroll 12
    for (int q = 0; q < vectors; q++) {
        row[q] = load(y + q * LANES, LANES);
    }
    do {
        float *target = out + x->index[p] * stride;
        vec factor = fill(x->value[p]);
#pragma GCC unroll 12
        for (int q = 0; q < vectors; q++) {
            vec sum = multiply_add(factor, row[q], load(target + q * LANES, LANES));
            store(target + q * LANES, sum, LANES);
        }
        p++;
    } while (p < end && x->index[p] < limit);
    return p;
}

/* A chunk of rows, one block of features, one panel of `vectors` (a constant). */
INLINE void sparse_panel(int vectors, bool transposed, const pare_rows_of *x, int64_t rows,
                         const int64_t *from, const int64_t *end, int64_t limit, int64_t stride,
                         const float *in, float *out, int64_t *stopped) {
    for (int64_t i = 0; i < rows; i++) {
        /* The rows lie anywhere in a long table: their next entries are asked for early. */
        int64_t ahead = from[i + SPARSE_AHEAD < rows ? i + SPARSE_AHEAD : i];
        __builtin_prefetch(x->index + ahead);
        __builtin_prefetch(x->index + ahead + 15);
        __builtin_prefetch(x->value + ahead);
        __builtin_prefetch(x->value + ahead + 15);
        stopped[i] =
            transposed
                ? sparse_scatter(vectors, x, from[i], end[i], limit, stride, in + i * stride, out)
                : sparse_gather(vectors, x, from[i], end[i], limit, stride, in, out + i * stride);
    }
}

INLINE void sparse_block(bool transposed, const pare_rows_of *x, int64_t rows, int64_t *from,
                         const int64_t *end, int64_t limit, int64_t columns, int64_t stride,
                         const float *in, float *out) {
    /* Panels of as equal a number of vectors as can be, so that none is nearly empty. */
    int64_t stopped[SPARSE_ROWS];
    int64_t vectors = vectors_of(columns);
    int64_t panels = (vectors + SPARSE_VECTORS - 1) / SPARSE_VECTORS;
    for (int64_t panel = 0; panel < panels; panel++) {
        int64_t first = vectors * panel / panels, last = vectors * (panel + 1) / panels;
        const float *source = in + first * LANES;
        float *target = out + first * LANES;
        switch (last - first) {
#define SPARSE_CASE(count)                                                                         \
    case count:                                                                                    \
        sparse_panel(count, transposed, x, rows, from, end, limit, stride, source, target,         \
                     stopped);                                                                     \
        break;
            SPARSE_CASE(1)
            SPARSE_CASE(2)
            SPARSE_CASE(3)
            SPARSE_CASE(4)
            SPARSE_CASE(5)
            SPARSE_CASE(6)
            SPARSE_CASE(7)
            SPARSE_CASE(8)
            SPARSE_CASE(9)
            SPARSE_CASE(10)
            SPARSE_CASE(11)
            SPARSE_CASE(12)
#undef SPARSE_CASE
        }
    }
    if (panels > 0) {
        memcpy(from, stopped, (size_t)rows * sizeof *from);
    }
}

INLINE void sparse_product(bool transposed, const pare_rows_of *x, int64_t columns, int64_t stride,
                           const float *in, float *out) {
    int64_t from[SPARSE_ROWS], end[SPARSE_ROWS];
    for (int64_t first = 0; first < x->rows; first += SPARSE_ROWS) {
        int64_t rows = least(SPARSE_ROWS, x->rows - first), entries = 0;
        for (int64_t i = 0; i < rows; i++) {
            int64_t number = row_number(x, first + i);
            from[i] = x->start[number];
            end[i] = x->start[number + 1];
            entries += end[i] - from[i];
        }
        int64_t block = SPARSE_BYTES / (stride * (int64_t)sizeof(float));
        int64_t blocks = block > 0 ? (x->features + block - 1) / block : 0;
        if (blocks * rows * SPARSE_ENTRIES > entries) {
            block = x->features;
        }
        const float *source = transposed ? in + first * stride : in;
        float *target = transposed ? out : out + first * stride;
        for (int64_t j = 0; j < x->features; j += block) {
            sparse_block(transposed, x, rows, from, end, least(j + block, x->features), columns,
                         stride, source, target);
        }
    }
}

KERNEL void sparse_times(const pare_rows_of *x, int64_t columns, int64_t stride, const float *w,
                         float *out) {
    sparse_product(false, x, columns, stride, w, out);
}

KERNEL void sparse_transposed_times(const pare_rows_of *x, int64_t columns, int64_t stride,
                                    const float *y, float *out) {
    memset(out, 0, (size_t)(x->features * stride) * sizeof *out);
    sparse_product(true, x, columns, stride, y, out);
}

/* ---- Dense ------------------------------------------------------------------------------- */

/* sum[a][q] += over `count` steps of x[a] times w; rows of w are stride apart. `tile` rows of x,
 * `vectors` (both constants): steps run along the rows. */
INLINE void dense_gather(int tile, int vectors, const float *const *x, int64_t count,
                         int64_t stride, const float *w, float *out) {
    vec sum[DENSE_TILE][DENSE_VECTORS];
#pragma GCC unroll 4
    for (int a = 0; a < tile; a++) {
#pragma GCC unroll 3
        for (int q = 0; q < vectors; q++) {
            sum[a][q] = load(out + a * stride + q * LANES, LANES);
        }
    }
    for (int64_t j = 0; j < count; j++) {
        vec weight[DENSE_VECTORS];
#pragma GCC unroll 3
        for (int q = 0; q < vectors; q++) {
            weight[q] = load(w + j * stride + q * LANES, LANES);
        }
#pragma GCC unroll 4
        for (int a = 0; a < tile; a++) {
            vec factor = fill(x[a][j]);
#pragma GCC unroll 3
            for (int q = 0; q < vectors; q++) {
                sum[a][q] = multiply_add(factor, weight[q], sum[a][q]);
            }
        }
    }
#pragma GCC unroll 4
    for (int a = 0; a < tile; a++) {
#pragma GCC unroll 3
        for (int q = 0; q < vectors; q++) {
            store(out + a * stride + q * LANES, sum[a][q], LANES);
        }
    }
}

/* The tile holds `tile` neighbouring features from j on; steps run down the rows. */
INLINE void dense_scatter(int tile, int vectors, const float *const *x, int64_t j, int64_t rows,
                          int64_t stride, const float *y, bool fresh, float *out) {
    vec sum[DENSE_TILE][DENSE_VECTORS];
#pragma GCC unroll 4
    for (int a = 0; a < tile; a++) {
#pragma GCC unroll 3
        for (int q = 0; q < vectors; q++) {
            sum[a][q] = fresh ? fill(0) : load(out + (j + a) * stride + q * LANES, LANES);
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        vec row[DENSE_VECTORS];
#pragma GCC unroll 3
        for (int q = 0; q < vectors; q++) {
            row[q] = load(y + i * stride + q * LANES, LANES);
        }
        const float *at = x[i] + j;
#pragma GCC unroll 4
        for (int a = 0; a < tile; a++) {
            vec factor = fill(at[a]);
#pragma GCC unroll 3
            for (int q = 0; q < vectors; q++) {
                sum[a][q] = multiply_add(factor, row[q], sum[a][q]);
            }
        }
    }
#pragma GCC unroll 4
    for (int a = 0; a < tile; a++) {
#pragma GCC unroll 3
        for (int q = 0; q < vectors; q++) {
            store(out + (j + a) * stride + q * LANES, sum[a][q], LANES);
        }
    }
}

INLINE void dense_gather_rows(int vectors, const float *const *x, int64_t rows, int64_t count,
                              int64_t stride, const float *w, float *out) {
    int64_t i = 0;
    for (; i + DENSE_TILE <= rows; i += DENSE_TILE) {
        dense_gather(DENSE_TILE, vectors, x + i, count, stride, w, out + i * stride);
    }
    for (; i < rows; i++) {
        dense_gather(1, vectors, x + i, count, stride, w, out + i * stride);
    }
}

INLINE void dense_scatter_features(int vectors, const float *const *x, int64_t rows,
                                   int64_t features, int64_t stride, const float *y, bool fresh,
                                   float *out) {
    int64_t j = 0;
    for (; j + DENSE_TILE <= features; j += DENSE_TILE) {
        dense_scatter(DENSE_TILE, vectors, x, j, rows, stride, y, fresh, out);
    }
    for (; j < features; j++) {
        dense_scatter(1, vectors, x, j, rows, stride, y, fresh, out);
    }
}

/* The addresses of up to DENSE_ROWS rows, from feature j on. Rows that lie anywhere in a table are
 * asked for early: `count` features of each. */
INLINE void find_rows(const pare_rows_of *x, int64_t first, int64_t rows, int64_t j, int64_t count,
                      const float **at) {
    for (int64_t i = 0; i < rows; i++) {
        at[i] = x->dense + row_number(x, first + i) * x->dense_stride + j;
        for (int64_t a = 0; x->number && a < count; a += CACHE_LINE) {
            __builtin_prefetch(at[i] + a);
        }
    }
}

KERNEL void dense_times(const pare_rows_of *x, int64_t columns, int64_t stride, const float *w,
                        float *out) {
    const float *at[DENSE_ROWS];
    int64_t vectors = vectors_of(columns);
    for (int64_t first = 0; first < x->rows; first += DENSE_ROWS) {
        int64_t rows = least(DENSE_ROWS, x->rows - first);
        for (int64_t j = 0; j < x->features; j += DENSE_FEATURES) {
            int64_t count = least(DENSE_FEATURES, x->features - j);
            find_rows(x, first, rows, j, count, at);
            for (int64_t v = 0; v < vectors; v += DENSE_VECTORS) {
                const float *source = w + j * stride + v * LANES;
                float *target = out + first * stride + v * LANES;
                switch (least(DENSE_VECTORS, vectors - v)) {
                case 1:
                    dense_gather_rows(1, at, rows, count, stride, source, target);
                    break;
                case 2:
                    dense_gather_rows(2, at, rows, count, stride, source, target);
                    break;
                default:
                    dense_gather_rows(3, at, rows, count, stride, source, target);
                }
            }
        }
    }
}

KERNEL void dense_transposed_times(const pare_rows_of *x, int64_t columns, int64_t stride,
                                   const float *y, float *out) {
    const float *at[DENSE_ROWS];
    int64_t vectors = vectors_of(columns);
    if (x->rows == 0) {
        memset(out, 0, (size_t)(x->features * stride) * sizeof *out);
    }
    for (int64_t first = 0; first < x->rows; first += DENSE_ROWS) {
        int64_t rows = least(DENSE_ROWS, x->rows - first);
        find_rows(x, first, rows, 0, 0, at);
        for (int64_t v = 0; v < vectors; v += DENSE_VECTORS) {
            const float *source = y + first * stride + v * LANES;
            switch (least(DENSE_VECTORS, vectors - v)) {
            case 1:
                dense_scatter_features(1, at, rows, x->features, stride, source, first == 0,
                                       out + v * LANES);
                break;
            case 2:
                dense_scatter_features(2, at, rows, x->features, stride, source, first == 0,
                                       out + v * LANES);
                break;
            default:
                dense_scatter_features(3, at, rows, x->features, stride, source, first == 0,
                                       out + v * LANES);
            }
        }
    }
}

/* ---- Finish ------------------------------------------------------------------------------ */

/* One row of the gradient: see kernels.h. */
KERNEL float finish_gradient(int64_t n, float shift, const float *sum, float factor, const float *w,
                             float *gradient) {
    vec minus = fill(-shift), scaled = fill(factor);
    vec s0 = fill(0), s1 = s0;
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        vec a = load(gradient + i, LANES), b = load(gradient + i + LANES, LANES);
        if (sum) {
            a = multiply_add(minus, load(sum + i, LANES), a);
            b = multiply_add(minus, load(sum + i + LANES, LANES), b);
        }
        s0 = multiply_add(load(w + i, LANES), a, s0);
        s1 = multiply_add(load(w + i + LANES, LANES), b, s1);
        store(gradient + i, multiply(scaled, a), LANES);
        store(gradient + i + LANES, multiply(scaled, b), LANES);
    }
    for (; i < n; i += LANES) {
        int64_t count = least(LANES, n - i);
        vec a = load(gradient + i, count);
        a = sum ? multiply_add(minus, load(sum + i, count), a) : a;
        s0 = multiply_add(load(w + i, count), a, s0);
        store(gradient + i, multiply(scaled, a), count);
    }
    return total(add(s0, s1));
}

#endif
