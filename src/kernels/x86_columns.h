/*
 * Kernels that reduce a row-major table to one number a column. Rows are taken several at a time,
 * so that the sums, which stay in the first-level cache, are loaded and stored once for all of
 * them; what remains is one read of the table. Private to x86_*.c, see x86_vectors.h.
 */
#ifndef PARE_KERNELS_X86_COLUMNS_H
#define PARE_KERNELS_X86_COLUMNS_H

enum {
    ROWS_A_RUN = 256,       /* float sums run over at most so many rows, see kernels.h */
    ROWS_A_SWEEP = 16,      /* rows read side by side */
    COLUMNS_A_BLOCK = 8192, /* float sums: 32 KB, read and written once in 16 rows */
    MOMENT_ROWS_A_SWEEP = 8,
    MOMENT_COLUMNS_A_BLOCK = 2048 /* two double sums: 32 KB */
};

/* Lists the rows with a factor other than 0 (NULL: all); the others must not be read. */
INLINE int64_t rows_that_count(int64_t rows, const float *factor, int64_t *kept) {
    int64_t count = 0;
    for (int64_t i = 0; i < rows; i++) {
        kept[count] = i;
        count += !factor || factor[i] != 0;
    }
    return count;
}

typedef struct table_view {
    const float *f32; /* one of the two is NULL */
    const uint8_t *u8;
    int64_t stride;
} table_view;

INLINE vec load_cells(const table_view *x, int64_t at, int64_t count) {
    return x->u8 ? load_u8(x->u8 + at, count) : load(x->f32 + at, count);
}

INLINE vec weigh(int rows, const table_view *x, const int64_t *at, const vec *factor, int64_t j,
                 int64_t count, vec sum) {
#pragma GCC unroll 16
    for (int q = 0; q < rows; q++) {
        sum = multiply_add(factor[q], load_cells(x, at[q] + j, count), sum);
    }
    return sum;
}

/* sum[j] += sum over `rows` listed rows of r times x; rows is a constant. */
INLINE void sweep(int rows, const table_view *x, const int64_t *row, const float *r,
                  int64_t first_column, int64_t columns, float *sum) {
    int64_t at[ROWS_A_SWEEP];
    vec factor[ROWS_A_SWEEP];
#pragma GCC unroll 16
    for (int q = 0; q < rows; q++) {
        at[q] = row[q] * x->stride + first_column;
        factor[q] = fill(r[row[q]]);
    }
    int64_t j = 0;
    for (; j + LANES <= columns; j += LANES) {
        vec now = load(sum + j, LANES);
        store(sum + j, weigh(rows, x, at, factor, j, LANES, now), LANES);
    }
    if (j < columns) {
        vec now = load(sum + j, columns - j);
        store(sum + j, weigh(rows, x, at, factor, j, columns - j, now), columns - j);
    }
}

INLINE void add_to_double(int64_t n, const float *x, double *out) {
    int64_t j = 0;
    for (; j + DLANES <= n; j += DLANES) {
        dstore(out + j, dadd(dload(out + j, DLANES), dload_float(x + j, DLANES)), DLANES);
    }
    if (j < n) {
        dstore(out + j, dadd(dload(out + j, n - j), dload_float(x + j, n - j)), n - j);
    }
}

INLINE void columns_dot_any(int64_t rows, int64_t columns, table_view x, const float *r,
                            double *out) {
    _Alignas(64) float sum[COLUMNS_A_BLOCK];
    int64_t row[ROWS_A_RUN];
    for (int64_t begin = 0; begin < rows; begin += ROWS_A_RUN) {
        int64_t run = rows - begin < ROWS_A_RUN ? rows - begin : ROWS_A_RUN;
        int64_t count = rows_that_count(run, r + begin, row);
        const table_view part = {x.f32 ? x.f32 + begin * x.stride : NULL,
                                 x.u8 ? x.u8 + begin * x.stride : NULL, x.stride};
        for (int64_t c = 0; count > 0 && c < columns; c += COLUMNS_A_BLOCK) {
            int64_t width = columns - c < COLUMNS_A_BLOCK ? columns - c : COLUMNS_A_BLOCK;
            memset(sum, 0, (size_t)width * sizeof *sum);
            int64_t i = 0;
            for (; i + ROWS_A_SWEEP <= count; i += ROWS_A_SWEEP) {
                sweep(ROWS_A_SWEEP, &part, row + i, r + begin, c, width, sum);
            }
            for (; i + 4 <= count; i += 4) {
                sweep(4, &part, row + i, r + begin, c, width, sum);
            }
            for (; i < count; i++) {
                sweep(1, &part, row + i, r + begin, c, width, sum);
            }
            add_to_double(width, sum, out + c);
        }
    }
}

KERNEL void columns_dot(int64_t rows, int64_t columns, const float *x, int64_t stride,
                        const float *r, double *out) {
    columns_dot_any(rows, columns, (table_view){x, NULL, stride}, r, out);
}

KERNEL void columns_dot_u8(int64_t rows, int64_t columns, const uint8_t *x, int64_t stride,
                           const float *r, double *out) {
    columns_dot_any(rows, columns, (table_view){NULL, x, stride}, r, out);
}

INLINE void moments_step(int rows, const float *const *x, const dvec *weight, const float *center,
                         int64_t j, int64_t count, double *sum, double *square) {
    dvec middle = center ? dload_float(center + j, count) : dfill(0);
    dvec first = dload(sum + j, count), second = dload(square + j, count);
#pragma GCC unroll 8
    for (int q = 0; q < rows; q++) {
        dvec value = dsubtract(dload_float(x[q] + j, count), middle);
        dvec weighted = dmultiply(weight[q], value);
        first = dadd(first, weighted);
        second = dmultiply_add(weighted, value, second);
    }
    dstore(sum + j, first, count);
    dstore(square + j, second, count);
}

INLINE void moments_sweep(int rows, int64_t columns, const float *x, int64_t stride,
                          const int64_t *row, const float *w, const float *center, double *sum,
                          double *square) {
    const float *at[MOMENT_ROWS_A_SWEEP];
    dvec weight[MOMENT_ROWS_A_SWEEP];
#pragma GCC unroll 8
    for (int q = 0; q < rows; q++) {
        at[q] = x + row[q] * stride;
        weight[q] = dfill(w ? (double)w[row[q]] : 1.0);
    }
    int64_t j = 0;
    for (; j + DLANES <= columns; j += DLANES) {
        moments_step(rows, at, weight, center, j, DLANES, sum, square);
    }
    if (j < columns) {
        moments_step(rows, at, weight, center, j, columns - j, sum, square);
    }
}

KERNEL void columns_moments(int64_t rows, int64_t columns, const float *x, int64_t stride,
                            const float *w, const float *center, double *sum, double *square) {
    int64_t row[ROWS_A_RUN];
    for (int64_t begin = 0; begin < rows; begin += ROWS_A_RUN) {
        int64_t run = rows - begin < ROWS_A_RUN ? rows - begin : ROWS_A_RUN;
        const float *weight = w ? w + begin : NULL;
        int64_t count = rows_that_count(run, weight, row);
        for (int64_t c = 0; c < columns; c += MOMENT_COLUMNS_A_BLOCK) {
            int64_t width = columns - c;
            width = width < MOMENT_COLUMNS_A_BLOCK ? width : MOMENT_COLUMNS_A_BLOCK;
            const float *part = x + begin * stride + c;
            const float *middle = center ? center + c : NULL;
            int64_t i = 0;
            for (; i + MOMENT_ROWS_A_SWEEP <= count; i += MOMENT_ROWS_A_SWEEP) {
                moments_sweep(MOMENT_ROWS_A_SWEEP, width, part, stride, row + i, weight, middle,
                              sum + c, square + c);
            }
            for (; i < count; i++) {
                moments_sweep(1, width, part, stride, row + i, weight, middle, sum + c, square + c);
            }
        }
    }
}

#endif
