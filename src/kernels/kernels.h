/*
 * The table of numerical kernels. ref.c fills every entry; a faster level overwrites the entries
 * it wins (x86_avx2.c, x86_avx512.c). Callers hold a const pointer to one table and call through
 * it; nothing else in the project depends on the instruction set.
 *
 * Contract for every entry, unless it says otherwise: sizes >= 0, and 0 touches nothing; pointers
 * need only the alignment of their type; outputs do not overlap inputs except where a parameter is
 * named in-out; a sum of n products differs from the exact one by at most n * eps * sum |a_i b_i|
 * (eps = 2^-24 for float accumulation, 2^-53 for double). Results of one level are deterministic;
 * levels may differ from each other within the bound.
 */
#ifndef PARE_KERNELS_KERNELS_H
#define PARE_KERNELS_KERNELS_H

#include "platform/system.h"

/* Step of Adam or AdamW (Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019). */
typedef struct pare_adam {
    float rate; /* step size, bias correction of both moments folded in */
    float beta1, beta2;
    float epsilon; /* scaled by the bias correction of the second moment */
    float decay;   /* l2 penalty added to the gradient (Adam) */
    float shrink;  /* factor on w before the step (AdamW: 1 - rate * decay), 1 = none */
} pare_adam;

/* Some rows of a table, dense or by their nonzeros: row i is row number[i] of the table, or i
 * itself where number is NULL. */
typedef struct pare_rows_of {
    int64_t rows, features;
    const int64_t *number;
    const float *dense; /* rows are dense_stride apart */
    int64_t dense_stride;
    const int64_t *start; /* CSR, features ascending within a row */
    const int32_t *index;
    const float *value;
} pare_rows_of;

/*
 * Columns of two-bit codes (genotypes as PLINK packs them): code of row i in bits 2 (i mod 4) of
 * byte i / 4 of its column. Columns are `stride` bytes apart and `bytes` long.
 */
typedef struct pare_packed {
    int64_t columns, bytes, stride;
    const uint8_t *bits;
} pare_packed;

/* Rows in a block of planes, and their order in it: row 4 b + p of a block, b < 64, stands at
 * PARE_PACKED_BYTES * p + b. */
enum { PARE_PACKED_BYTES = 64, PARE_PACKED_ROWS = 4 * PARE_PACKED_BYTES };
/* Blocks of one call, so that no sum of 8-bit products leaves an int32. */
enum { PARE_PACKED_BLOCKS_MAX = 1 << 14 };

/*
 * A factorisation machine over rows of one table. A row is `stride` floats, a multiple of
 * PARE_FM_LINE and at most PARE_FM_STRIDE_MAX, at 64-byte alignment: its linear weight, the two
 * sums of squares of AdaGrad (linear weight, vector), one unused, then the vector. Lanes of `mask`
 * multiply a looked-up row; those of the places 1 to 3 are 0.
 */
enum { PARE_FM_LINE = 16, PARE_FM_HEAD = 4, PARE_FM_STRIDE_MAX = 256 };
typedef struct pare_fm {
    int64_t fields, stride;
    const float *mask; /* (fields, stride) */
    float *table;      /* (rows, stride) */
    int64_t places;    /* of the vector in use; in the others table and mask are 0 */
} pare_fm;

/* One row of data: which table row each field looks up (-1: none), and its factor. */
typedef struct pare_fm_row {
    const int32_t *index; /* (fields) */
    const float *value;   /* (fields) or NULL: 1 */
} pare_fm_row;

typedef struct pare_adagrad {
    float rate;
    float decay;    /* l2 penalty of the rows looked up */
    float per_lane; /* 1 / places of the vector in use: AdaGrad's mean of squares */
} pare_adagrad;

/*
 * A matrix (rows, columns) of which only some square blocks of `block` x `block` are kept, in
 * block rows (BCSR): those of block row i are number start[i] .. start[i + 1] - 1, index is the
 * block column, ascending. A block is stored by columns, so that a vector holds rows; what it
 * reaches beyond the edge of the matrix is stored as 0. One of value and bf16 is there.
 */
enum { PARE_BLOCK_MAX = 64 };
typedef struct pare_block_matrix {
    int64_t rows, columns, block; /* block: 16, 32 or 64 */
    const int64_t *start;         /* (block rows + 1) */
    const int32_t *index;
    const float *value;   /* (blocks, block, block) or NULL */
    const uint16_t *bf16; /* the same as bfloat16 (upper half of a float32), or NULL */
} pare_block_matrix;

typedef struct pare_kernels {
    const char *level;

    /* sum_i a[i] * b[i], float accumulation in at least 8 interleaved partial sums. */
    float (*dot)(int64_t n, const float *a, const float *b);
    /* The same with double accumulation of float inputs. */
    double (*dot_double)(int64_t n, const float *a, const float *b);
    /* y[i * y_stride + r] = sum_j w[r * n + j] x[i * n + j] for r < rows, i < count: rows of a
     * matrix times a few vectors; w as float32, or as bfloat16 (the upper half of a float32). The
     * sum of a row does not depend on `rows`. Cost: one read of w; x should stay in the cache. */
    void (*rows_dot)(int64_t rows, int64_t n, const float *w, int64_t count, const float *x,
                     int64_t y_stride, float *y);
    void (*rows_dot_bf16)(int64_t rows, int64_t n, const uint16_t *w, int64_t count, const float *x,
                          int64_t y_stride, float *y);
    /* y[i] += a * x[i]; y in-out. */
    void (*axpy)(int64_t n, float a, const float *x, float *y);
    /* y[i] = a * x[i]; x = y allowed. */
    void (*scale)(int64_t n, float a, const float *x, float *y);

    /*
     * X'r: out[j] += sum_i x[i * stride + j] * r[i] for j < columns, over rows rows, r and out in
     * double or float as named. The float form accumulates in float over at most 256 rows at a
     * time, then in double. Cost: one read of x.
     */
    void (*columns_dot)(int64_t rows, int64_t columns, const float *x, int64_t stride,
                        const float *r, double *out);
    /* The same for 8-bit tables. */
    void (*columns_dot_u8)(int64_t rows, int64_t columns, const uint8_t *x, int64_t stride,
                           const float *r, double *out);
    /* Weighted sum and sum of squares of each column about `center`[j] (NULL: 0):
     * sum[j] += w_i (x_ij - c_j), square[j] += w_i (x_ij - c_j)^2; w NULL: 1. */
    void (*columns_moments)(int64_t rows, int64_t columns, const float *x, int64_t stride,
                            const float *w, const float *center, double *sum, double *square);

    /* out[j] = (x[j] - shift[j]) * scale[j]; a NaN in x gives 0 (the mean of a standardised
     * column). */
    void (*standardise)(int64_t n, const float *x, const float *shift, const float *scale,
                        float *out);
    void (*standardise_u8)(int64_t n, const uint8_t *x, const float *shift, const float *scale,
                           float *out);

    /*
     * Products of rows x_i of a table with a narrow matrix whose rows are `stride` apart: stride
     * is a multiple of 16, all matrices are 64-byte aligned. Columns from `columns` to the next
     * multiple of 16 may be computed or left alone, so padding that is 0 stays 0.
     *   times:             out_i += sum_j x_ij w_j     w: (features, stride), out: (rows, stride)
     *   transposed_times:  out_j  = sum_i x_ij y_i     y: (rows, stride), out: (features, stride)
     * The sparse forms read only the nonzeros.
     */
    void (*dense_times)(const pare_rows_of *x, int64_t columns, int64_t stride, const float *w,
                        float *out);
    void (*dense_transposed_times)(const pare_rows_of *x, int64_t columns, int64_t stride,
                                   const float *y, float *out);
    void (*sparse_times)(const pare_rows_of *x, int64_t columns, int64_t stride, const float *w,
                         float *out);
    void (*sparse_transposed_times)(const pare_rows_of *x, int64_t columns, int64_t stride,
                                    const float *y, float *out);
    /* g' = gradient - shift sum (sum NULL: 0); gradient = factor g'; returns sum_i w_i g'_i.
     * gradient in-out. */
    float (*finish_gradient)(int64_t n, float shift, const float *sum, float factor, const float *w,
                             float *gradient);

    /* Y = X W' for the block rows first .. last - 1 of w: y_ti = sum_j w_ij x_tj for the rows i of
     * W in them. x: (n, w->columns), y: (n, w->rows). Float sums, block after block. Cost: the
     * kept blocks only; each is read once for n = 1. */
    void (*blocks_times)(const pare_block_matrix *w, int64_t first, int64_t last, int64_t n,
                         const float *x, float *y);

    /* y[i] = max(x[i], 0), and dx[i] = y[i] > 0 ? dy[i] : 0; x = y and dx = dy allowed. */
    void (*relu)(int64_t n, const float *x, float *y);
    void (*relu_backward)(int64_t n, const float *y, const float *dy, float *dx);

    /* y[i] = exp(x[i]); relative error at most 4 * 2^-24 for -87 <= x <= 88; below, 0 or a
     * denormal; x = y allowed. */
    void (*exponential)(int64_t n, const float *x, float *y);

    /* g' = g + decay w;  m = beta1 m + (1 - beta1) g';  v = beta2 v + (1 - beta2) g'^2;
     * w = shrink w - rate m / (sqrt(v) + epsilon);  w, m, v in-out. */
    void (*adam)(int64_t n, const pare_adam *step, const float *g, float *w, float *m, float *v);

    /*
     * e_f = value_f mask_f * table[index_f], sum = sum_f e_f: (stride). Returns sum[0] +
     * (1/2) sum_l (sum[l]^2 - sum_f e_f[l]^2) over the places l of the vector (Rendle 2010,
     * equation 5). Sums run over the fields in order, place by place.
     */
    float (*fm_forward)(const pare_fm *fm, const pare_fm_row *row, float *sum);
    /* With `slope` = d loss / d fm_forward and extra (fields, stride; NULL: 0) other gradients by
     * e_f, d_f = slope (1 at place 0, sum - e_f in the vector) + extra_f:
     *   slopes:  gradient[index_f] += value_f mask_f d_f (NULL: not), d_mask_f += value_f
     *            table[index_f] d_f (NULL: not);
     *   update:  row-wise AdaGrad (Duchi, Hazan, Singer 2011; one sum a row) on the rows looked
     *            up, no two of them the same; both sums must start positive. */
    void (*fm_slopes)(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
                      const float *extra, float *gradient, float *d_mask);
    void (*fm_update)(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
                      const float *extra, const pare_adagrad *step);
    /*
     * What the linear weight and each chunk of `chunk` places of the vector (the last may be
     * shorter) add to fm_forward beside the other fields, without their masks: with v_f = value_f
     * table[index_f], out_f[0] = paired_f v_f at place 0, out_f[c + 1] = sum of paired_f v_f (sum -
     * mask_f v_f) over the places of chunk c; 0 where nothing is looked up. paired: (fields,
     * stride); out: (fields, 1 + chunks of fm->places).
     */
    void (*fm_terms)(const pare_fm *fm, const pare_fm_row *row, const float *sum,
                     const float *paired, int64_t chunk, float *out);

    /*
     * X'R in whole numbers: out[j * planes + q] += sum_i weight[code_ij] r_q[i], exact. weight: 4
     * values 0 .. 2, one for each code; r: (blocks, planes, PARE_PACKED_ROWS),
     * blocks = bytes / PARE_PACKED_BYTES rounded up, at most PARE_PACKED_BLOCKS_MAX; rows past the
     * end are 0. Cost: decoding once for several planes, then 4 products of bytes a plane.
     */
    void (*packed_dot)(const pare_packed *x, const uint8_t weight[4], int64_t planes,
                       const int8_t *r, int64_t *out);
    /* Xb in whole numbers: out[i] += sum_j value[4 j + code_ij] for i < 4 bytes; int32 sums wrap
     * around, so the caller scales value. */
    void (*packed_add)(const pare_packed *x, const int32_t *value, int32_t *out);
} pare_kernels;

/* The table for a level; a level the build or CPU lacks gives the best below it. The tables are
 * constant after the first call in a process; the call is cheap and thread-safe. */
const pare_kernels *pare_kernels_at(pare_cpu_level level);

/* Fill a table: ref.c every entry, the others what they win. For kernels.c and the tests. */
void pare_kernels_fill_ref(pare_kernels *table);
void pare_kernels_fill_avx2(pare_kernels *table);
void pare_kernels_fill_avx512(pare_kernels *table);
void pare_kernels_fill_vnni(pare_kernels *table);

#endif
