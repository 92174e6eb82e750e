/*
 * Every kernel at every level against the same sum in double arithmetic, within the rounding bound
 * of the contract (or bit for bit where one rounding leaves no freedom): sizes 0 .. 70 and some
 * larger odd ones, unaligned places, extreme values, and no write outside the output.
 */
#include "guarded_support.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>

#define EPS  0x1p-24  /* unit roundoff of float */
#define TINY 0x1p-149 /* least denormal: the error of an underflow */

enum { LARGE = 3001 };

static const int64_t sizes[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,  12,  13,   14,
                                15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,  27,  28,   29,
                                30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,  42,  43,   44,
                                45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56,  57,  58,   59,
                                60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 127, 511, 1027, LARGE};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* Standard normal numbers; with `extreme`, every seventh is a denormal, every eleventh large. */
static guarded guarded_numbers(int64_t count, int64_t offset, uint64_t stream, bool extreme) {
    guarded g = guarded_make(count, sizeof(float), offset);
    float *at = g.at;
    for (int64_t i = 0; i < count; i++) {
        at[i] = (float)pare_random_normal(stream, PARE_STREAM_TEST, (uint64_t)i);
        if (extreme && i % 7 == 3) {
            at[i] *= 1e-39f;
        } else if (extreme && i % 11 == 5) {
            at[i] *= 1e15f;
        }
    }
    return g;
}

static void assert_close(double got, double expected, double bound) {
    if (!(fabs(got - expected) <= bound)) {
        fail_msg("got %.17g, expected %.17g within %.3g", got, expected, bound);
    }
}

static void assert_same_float(float got, float expected) {
    if (memcmp(&got, &expected, sizeof got) != 0) {
        fail_msg("got %.9g, expected %.9g", (double)got, (double)expected);
    }
}

/* ---- One vector ----------------------------------------------------------------------------- */

static void test_dot(void **state) {
    const pare_kernels *k = table_of(state);
    for (int s = 0; s < 2 * SIZES; s++) {
        int64_t n = sizes[s / 2];
        guarded a = guarded_numbers(n, s % 3, 1, s % 2), b = guarded_numbers(n, s % 4, 2, s % 2);
        const float *x = a.at, *y = b.at;
        double exact = 0, magnitude = 0;
        for (int64_t i = 0; i < n; i++) {
            exact += (double)x[i] * (double)y[i];
            magnitude += fabs((double)x[i] * (double)y[i]);
        }
        double count = (double)n;
        assert_close((double)k->dot(n, x, y), exact, count * (EPS * magnitude + TINY));
        assert_close(k->dot_double(n, x, y), exact, 2 * count * 0x1p-53 * magnitude);
        guarded_check(&a);
        guarded_check(&b);
    }
}

static void test_axpy_and_scale(void **state) {
    const pare_kernels *k = table_of(state);
    for (int s = 0; s < 2 * SIZES; s++) {
        int64_t n = sizes[s / 2];
        guarded a = guarded_numbers(n, s % 3, 3, s % 2), b = guarded_numbers(n, s % 4, 4, s % 2);
        guarded c = guarded_numbers(n, s % 4, 4, s % 2), d = guarded_make(n, sizeof(float), 1);
        const float *x = a.at, *before = c.at;
        float *y = b.at, *z = d.at;
        const float factor = 1.7f;
        k->axpy(n, factor, x, y);
        k->scale(n, factor, x, z);
        for (int64_t i = 0; i < n; i++) {
            double product = (double)factor * (double)x[i], sum = product + (double)before[i];
            assert_close((double)y[i], sum, EPS * (fabs(product) + fabs(sum)) * 1.0001 + TINY);
            assert_same_float(z[i], factor * x[i]);
        }
        guarded_check(&a);
        guarded_check(&b);
        guarded_check(&c);
        guarded_check(&d);
    }
}

static void test_standardise(void **state) {
    const pare_kernels *k = table_of(state);
    for (int s = 0; s < 2 * SIZES; s++) {
        int64_t n = sizes[s / 2];
        guarded a = guarded_numbers(n, s % 3, 5, s % 2), shifts = guarded_numbers(n, 1, 6, s % 2);
        guarded scales = guarded_numbers(n, 2, 7, s % 2), bytes = guarded_make(n, 1, s % 5);
        guarded b = guarded_make(n, sizeof(float), s % 4), c = guarded_make(n, sizeof(float), 3);
        float *x = a.at, *y = b.at, *z = c.at;
        uint8_t *u8 = bytes.at;
        const float *shift = shifts.at, *scale = scales.at;
        for (int64_t i = 0; i < n; i++) {
            x[i] = i % 5 == 2 ? NAN : x[i];
            u8[i] = (uint8_t)(37 * i + s);
        }
        k->standardise(n, x, shift, scale, y);
        k->standardise_u8(n, u8, shift, scale, z);
        for (int64_t i = 0; i < n; i++) {
            assert_same_float(y[i], isnan(x[i]) ? 0.0f : (x[i] - shift[i]) * scale[i]);
            assert_same_float(z[i], ((float)u8[i] - shift[i]) * scale[i]);
        }
        guarded_check(&a);
        guarded_check(&shifts);
        guarded_check(&scales);
        guarded_check(&bytes);
        guarded_check(&b);
        guarded_check(&c);
    }
}

static void test_relu(void **state) {
    const pare_kernels *k = table_of(state);
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s];
        guarded a = guarded_numbers(n, s % 3, 8, true), b = guarded_make(n, sizeof(float), s % 4);
        guarded c = guarded_numbers(n, 1, 9, true), d = guarded_make(n, sizeof(float), 2);
        float *x = a.at, *y = b.at, *dy = c.at, *dx = d.at;
        for (int64_t i = 0; i < n; i++) {
            x[i] = i % 13 == 6 ? 0.0f : i % 13 == 7 ? -0.0f : i % 13 == 8 ? NAN : x[i];
        }
        k->relu(n, x, y);
        k->relu_backward(n, y, dy, dx);
        for (int64_t i = 0; i < n; i++) {
            assert_same_float(y[i], x[i] > 0 ? x[i] : 0.0f);
            assert_same_float(dx[i], x[i] > 0 ? dy[i] : 0.0f);
        }
        k->relu(n, x, x);
        k->relu_backward(n, y, dy, dy);
        assert_memory_equal(x, y, (size_t)n * sizeof *x);
        assert_memory_equal(dy, dx, (size_t)n * sizeof *dy);
        guarded_check(&a);
        guarded_check(&b);
        guarded_check(&c);
        guarded_check(&d);
    }
}

static void test_exponential(void **state) {
    const pare_kernels *k = table_of(state);
    enum { POINTS = 200003 };
    guarded a = guarded_make(POINTS, sizeof(float), 1), b = guarded_make(POINTS, sizeof(float), 2);
    float *x = a.at, *y = b.at;
    for (int64_t i = 0; i < POINTS; i++) {
        x[i] = i % 3 == 0 ? (float)pare_random_normal(10, PARE_STREAM_TEST, (uint64_t)i) * 1e-3f
                          : -87.0f + 175.0f * (float)i / (POINTS - 1);
    }
    k->exponential(POINTS, x, y);
    for (int64_t i = 0; i < POINTS; i++) {
        double exact = exp((double)x[i]);
        assert_close((double)y[i], exact, 4 * EPS * exact);
    }
    guarded_check(&a);
    guarded_check(&b);
    for (int s = 0; s < SIZES; s++) {
        guarded c = guarded_numbers(sizes[s], s % 3, 11, false);
        guarded d = guarded_numbers(sizes[s], s % 3, 11, false);
        float *in_out = c.at, *before = d.at;
        k->exponential(sizes[s], in_out, in_out);
        for (int64_t i = 0; i < sizes[s]; i++) {
            double exact = exp((double)before[i]);
            assert_close((double)in_out[i], exact, 4 * EPS * exact);
        }
        guarded_check(&c);
        guarded_check(&d);
    }
}

static void test_exponential_extremes(void **state) {
    const pare_kernels *k = table_of(state);
    const float x[] = {-87.5f, -88.0f, -95.0f,  -103.0f, -104.0f, -1e4f, -3e38f,   -INFINITY, 0.0f,
                       -0.0f,  1e-45f, -1e-45f, 89.0f,   1e4f,    3e38f, INFINITY, NAN};
    enum { POINTS = sizeof x / sizeof x[0] };
    float y[POINTS];
    k->exponential(POINTS, x, y);
    for (int i = 0; i < 8; i++) {
        assert_true(y[i] >= 0);
        assert_close((double)y[i], exp((double)x[i]), 4 * EPS * exp(-87.0));
    }
    for (int i = 8; i < 12; i++) {
        assert_same_float(y[i], 1.0f);
    }
    for (int i = 12; i < 16; i++) {
        assert_same_float(y[i], INFINITY);
    }
    assert_true(isnan(y[16]));
}

/* ---- Adam ----------------------------------------------------------------------------------- */

/* One parameter in double arithmetic, with the error each float result may have. */
static void check_adam(const pare_adam *s, double g, double w, double m, double v, double got_w,
                       double got_m, double got_v) {
    double beta1 = (double)s->beta1, beta2 = (double)s->beta2;
    double rest1 = (double)(1 - s->beta1), rest2 = (double)(1 - s->beta2);
    double gradient = g + (double)s->decay * w;
    double size = fabs(g) + fabs((double)s->decay * w);
    double first = beta1 * m + rest1 * gradient;
    double first_error = 5 * (EPS * (beta1 * fabs(m) + rest1 * size) + TINY);
    double second = beta2 * v + rest2 * gradient * gradient;
    double second_error = 8 * (EPS * (beta2 * v + rest2 * size * size) + TINY);
    assert_close(got_m, first, first_error);
    assert_close(got_v, second, second_error);
    /* The step grows with |first| and falls with second: the corners bound it. */
    double low = sqrt(fmax(second - second_error, 0)) + (double)s->epsilon;
    double middle = sqrt(second) + (double)s->epsilon;
    double step = (double)s->rate * first / middle;
    /* rate * m may be a denormal, exact to TINY only, before it is divided. */
    double largest = ((double)s->rate * (fabs(first) + first_error) + TINY) / low;
    double error = largest - fabs(step) + 6 * EPS * largest;
    assert_close(got_w, (double)s->shrink * w - step,
                 error + 3 * EPS * (fabs((double)s->shrink * w) + largest) + TINY);
}

static void test_adam(void **state) {
    const pare_kernels *k = table_of(state);
    static const pare_adam steps[] = {{1e-3f, 0.9f, 0.999f, 1e-8f, 0, 1},
                                      {0.1f, 0.5f, 0.99f, 1e-6f, 0.01f, 1},
                                      {0.02f, 0, 0, 1e-3f, 0, 0.999f}};
    for (int s = 0; s < 3 * SIZES; s++) {
        const pare_adam *step = &steps[s % 3];
        int64_t n = sizes[s / 3];
        guarded a[8];
        for (uint64_t i = 0; i < 8; i++) {
            a[i] = guarded_numbers(n, (int64_t)(i % 4), 12 + i % 4, s % 2);
        }
        const float *g = a[0].at, *w0 = a[5].at, *m0 = a[6].at;
        float *w = a[1].at, *m = a[2].at, *v = a[3].at, *v0 = a[7].at;
        for (int64_t i = 0; i < n; i++) {
            v[i] = v0[i] = i % 9 == 4 ? 0 : fabsf(v[i]);
        }
        k->adam(n, step, g, w, m, v);
        for (int64_t i = 0; i < n; i++) {
            check_adam(step, (double)g[i], (double)w0[i], (double)m0[i], (double)v0[i],
                       (double)w[i], (double)m[i], (double)v[i]);
        }
        for (int i = 0; i < 8; i++) {
            guarded_check(&a[i]);
        }
    }
}

/* At rest nothing moves: zero gradient and moments leave w as it is. */
static void test_adam_at_rest(void **state) {
    const pare_kernels *k = table_of(state);
    const pare_adam step = {1e-3f, 0.9f, 0.999f, 1e-8f, 0, 1};
    float g[35] = {0}, w[35], m[35] = {0}, v[35] = {0};
    for (int i = 0; i < 35; i++) {
        w[i] = (float)i - 17;
    }
    k->adam(35, &step, g, w, m, v);
    for (int i = 0; i < 35; i++) {
        assert_same_float(w[i], (float)i - 17);
        assert_same_float(v[i], 0.0f);
    }
}

/* ---- Columns of a table --------------------------------------------------------------------- */

static const struct {
    int64_t rows, columns, gap; /* stride = columns + gap */
} shapes[] = {{0, 5, 0},    {5, 0, 3},     {1, 1, 0},    {1, 17, 1},   {2, 33, 0},
              {3, 8, 5},    {4, 70, 0},    {7, 16, 2},   {15, 31, 0},  {16, 15, 1},
              {17, 67, 0},  {37, 100, 3},  {63, 9, 0},   {255, 7, 0},  {256, 40, 0},
              {257, 41, 1}, {300, 131, 0}, {700, 19, 2}, {5, 2100, 0}, {3, 8300, 1}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Rows whose factor is 0 hold NaN: they must not be read. */
static void test_columns_dot(void **state) {
    const pare_kernels *k = table_of(state);
    for (int s = 0; s < 2 * SHAPES; s++) {
        int64_t rows = shapes[s / 2].rows, columns = shapes[s / 2].columns;
        int64_t stride = columns + shapes[s / 2].gap;
        guarded a = guarded_numbers(rows * stride, s % 3, 20, s % 2);
        guarded factors = guarded_numbers(rows, 1, 21, s % 2),
                bytes = guarded_make(rows * stride, 1, 3);
        guarded b = guarded_make(columns, sizeof(double), 1),
                c = guarded_make(columns, sizeof(double), 0);
        float *x = a.at, *r = factors.at;
        uint8_t *u8 = bytes.at;
        double *out = b.at, *out_u8 = c.at;
        for (int64_t i = 0; i < rows; i++) {
            r[i] = i % 3 == 1 ? 0.0f : r[i];
            for (int64_t j = 0; j < stride; j++) {
                x[i * stride + j] = r[i] == 0 || j >= columns ? NAN : x[i * stride + j];
                u8[i * stride + j] = (uint8_t)(11 * i + 7 * j);
            }
        }
        for (int64_t j = 0; j < columns; j++) {
            out[j] = out_u8[j] = (double)j;
        }
        k->columns_dot(rows, columns, x, stride, r, out);
        k->columns_dot_u8(rows, columns, u8, stride, r, out_u8);
        for (int64_t j = 0; j < columns; j++) {
            double exact = (double)j, size = (double)j, exact_u8 = (double)j, size_u8 = (double)j;
            for (int64_t i = 0; i < rows; i++) {
                if (r[i] != 0) {
                    double product = (double)x[i * stride + j] * (double)r[i];
                    double product_u8 = u8[i * stride + j] * (double)r[i];
                    exact += product, size += fabs(product);
                    exact_u8 += product_u8, size_u8 += fabs(product_u8);
                }
            }
            double count = (double)(rows + 1);
            assert_close(out[j], exact, count * (EPS * size + TINY));
            assert_close(out_u8[j], exact_u8, count * (EPS * size_u8 + TINY));
        }
        guarded_check(&a);
        guarded_check(&factors);
        guarded_check(&bytes);
        guarded_check(&b);
        guarded_check(&c);
    }
}

static void test_columns_moments(void **state) {
    const pare_kernels *k = table_of(state);
    for (int s = 0; s < 4 * SHAPES; s++) {
        int64_t rows = shapes[s / 4].rows, columns = shapes[s / 4].columns;
        int64_t stride = columns + shapes[s / 4].gap;
        guarded a = guarded_numbers(rows * stride, s % 3, 22, s % 2);
        guarded weights = guarded_numbers(rows, 1, 23, false),
                centers = guarded_numbers(columns, 2, 24, false);
        guarded b = guarded_make(columns, sizeof(double), 1),
                c = guarded_make(columns, sizeof(double), 0);
        float *x = a.at, *weight = s % 2 ? weights.at : NULL;
        const float *center = s & 2 ? centers.at : NULL;
        double *sum = b.at, *square = c.at;
        for (int64_t i = 0; weight && i < rows; i++) {
            weight[i] = i % 4 == 2 ? 0.0f : fabsf(weight[i]);
            for (int64_t j = 0; weight[i] == 0 && j < stride; j++) {
                x[i * stride + j] = NAN;
            }
        }
        memset(sum, 0, (size_t)columns * sizeof *sum);
        memset(square, 0, (size_t)columns * sizeof *square);
        k->columns_moments(rows, columns, x, stride, weight, center, sum, square);
        for (int64_t j = 0; j < columns; j++) {
            double first = 0, second = 0, size = 0;
            for (int64_t i = 0; i < rows; i++) {
                double w = weight ? (double)weight[i] : 1;
                if (w != 0) {
                    double value = (double)x[i * stride + j] - (center ? (double)center[j] : 0);
                    first += w * value, second += w * value * value, size += fabs(w * value);
                }
            }
            /* Both this sum and the kernel's are rounded. */
            double bound = 2 * (double)(rows + 3) * 0x1p-53;
            assert_close(sum[j], first, bound * size);
            assert_close(square[j], second, bound * second);
        }
        guarded_check(&a);
        guarded_check(&weights);
        guarded_check(&centers);
        guarded_check(&b);
        guarded_check(&c);
    }
}

/* ---- Products ------------------------------------------------------------------------------- */

/* A table with some rows empty and about a quarter of the cells filled, dense and as CSR. */
typedef struct table {
    int64_t rows, features, *start;
    int32_t *index;
    guarded cells, values;
} table;

static table make_table(int64_t rows, int64_t features, bool extreme) {
    table t = {.rows = rows, .features = features};
    t.cells = guarded_numbers(rows * features, 1, 31, extreme);
    t.values = guarded_numbers(rows * features, 1, 31, extreme);
    t.start = calloc((size_t)rows + 1, sizeof *t.start);
    t.index = calloc((size_t)(rows * features) + 1, sizeof *t.index);
    assert_true(t.start && t.index);
    float *cell = t.cells.at, *value = t.values.at;
    int64_t count = 0;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < features; j++) {
            int64_t at = i * features + j;
            if (i % 5 != 3 && pare_random_below(30, PARE_STREAM_TEST, (uint64_t)at, 4) == 0) {
                t.index[count] = (int32_t)j;
                value[count++] = cell[at];
            } else {
                cell[at] = 0;
            }
        }
        t.start[i + 1] = count;
    }
    return t;
}

static void free_table(table *t) {
    guarded_check(&t->cells);
    guarded_check(&t->values);
    free(t->start);
    free(t->index);
}

/* Products with the table's rows, as often and in the order `number` says (NULL: all). */
static void check_products(const pare_kernels *k, const table *t, bool sparse, int64_t rows,
                           const int64_t *number, int64_t columns, bool extreme) {
    int64_t stride = (columns + 15) / 16 * 16;
    for (int transposed = 0; transposed < 2; transposed++) {
        int64_t in_rows = transposed ? rows : t->features;
        int64_t out_rows = transposed ? t->features : rows;
        guarded in = guarded_numbers(in_rows * stride, 0, 32, extreme);
        guarded a = guarded_numbers(out_rows * stride, 0, 33, false);
        guarded b = guarded_numbers(out_rows * stride, 0, 33, false);
        const pare_rows_of x = {.rows = rows,
                                .features = t->features,
                                .number = number,
                                .dense = t->cells.at,
                                .dense_stride = t->features,
                                .start = t->start,
                                .index = t->index,
                                .value = t->values.at};
        void (*const products[2][2])(const pare_rows_of *, int64_t, int64_t, const float *,
                                     float *) = {{k->dense_times, k->dense_transposed_times},
                                                 {k->sparse_times, k->sparse_transposed_times}};
        const float *cell = t->cells.at, *source = in.at, *before = b.at;
        float *out = a.at;
        products[sparse][transposed](&x, columns, stride, source, out);
        for (int64_t o = 0; o < out_rows; o++) {
            for (int64_t h = 0; h < columns; h++) {
                double exact = transposed ? 0 : (double)before[o * stride + h], size = fabs(exact);
                for (int64_t q = 0; q < in_rows; q++) {
                    int64_t i = transposed ? q : o, j = transposed ? o : q;
                    i = number ? number[i] : i;
                    double product =
                        (double)cell[i * t->features + j] * (double)source[q * stride + h];
                    exact += product, size += fabs(product);
                }
                assert_close((double)out[o * stride + h], exact,
                             (double)(in_rows + 1) * (EPS * size + TINY));
            }
        }
        guarded_check(&in);
        guarded_check(&a);
        guarded_check(&b);
    }
}

static void test_products(void **state) {
    const pare_kernels *k = table_of(state);
    static const int64_t table_sizes[][2] = {{0, 7},  {1, 1},     {9, 50},
                                             {6, 33}, {130, 131}, {300, 150}};
    for (size_t s = 0; s < sizeof table_sizes / sizeof table_sizes[0]; s++) {
        bool extreme = s == 3;
        int64_t rows = table_sizes[s][0], number[400];
        table t = make_table(rows, table_sizes[s][1], extreme);
        for (int64_t i = 0; i < rows + 5; i++) {
            number[i] = rows > 0 ? (i * 7 + 3) % rows : 0;
        }
        int64_t most = rows > 9 ? 40 : 304;
        for (int64_t columns = 1; columns <= most; columns += columns < 10 ? 3 : 15) {
            for (int sparse = 0; sparse < 2; sparse++) {
                check_products(k, &t, sparse, rows, NULL, columns, extreme);
                check_products(k, &t, sparse, rows > 0 ? rows + 5 : 0, number, columns, extreme);
            }
        }
        free_table(&t);
    }
}

static void test_finish_gradient(void **state) {
    const pare_kernels *k = table_of(state);
    for (int64_t n = 0; n < 70; n++) {
        for (int shifted = 0; shifted < 2; shifted++) {
            guarded sum = guarded_numbers(n, 1, 41, false), w = guarded_numbers(n, 2, 42, false);
            guarded a = guarded_numbers(n, 3, 43, false), b = guarded_numbers(n, 3, 43, false);
            const float *sums = sum.at, *weight = w.at, *before = b.at;
            float *g = a.at, shift = shifted ? 0.75f : 0, factor = -1.5f;
            double exact = 0, size = 0;
            float along = k->finish_gradient(n, shift, shifted ? sums : NULL, factor, weight, g);
            for (int64_t i = 0; i < n; i++) {
                double raw = (double)before[i] - (double)shift * (double)sums[i];
                double rough = fabs((double)before[i]) + fabs((double)shift * (double)sums[i]);
                exact += (double)weight[i] * raw, size += fabs((double)weight[i]) * rough;
                assert_close((double)g[i], (double)factor * raw, 4 * EPS * 1.5 * rough + TINY);
            }
            assert_close((double)along, exact, (double)(n + 3) * (EPS * size + TINY));
            guarded_check(&sum);
            guarded_check(&w);
            guarded_check(&a);
            guarded_check(&b);
        }
    }
}

/* ---- All levels ----------------------------------------------------------------------------- */

/* A level fills every entry and says its name. */
static void test_table(void **state) {
    const pare_cpu_level *level = *state;
    const pare_kernels *k = table_of(state);
    assert_string_equal(k->level, pare_cpu_level_name(*level));
    assert_true(k->dot && k->rows_dot && k->rows_dot_bf16 && k->dot_double && k->axpy && k->scale &&
                k->columns_dot);
    assert_true(k->columns_dot_u8 && k->columns_moments && k->standardise && k->standardise_u8);
    assert_true(k->dense_times && k->dense_transposed_times && k->finish_gradient);
    assert_true(k->sparse_times && k->sparse_transposed_times);
    assert_true(k->relu && k->relu_backward && k->exponential && k->adam);
    assert_true(k->packed_dot && k->packed_add);
}

int main(void) {
    static const struct {
        const char *name;
        CMUnitTestFunction function;
    } kinds[] = {{"table", test_table},
                 {"dot", test_dot},
                 {"axpy and scale", test_axpy_and_scale},
                 {"standardise", test_standardise},
                 {"relu", test_relu},
                 {"exponential", test_exponential},
                 {"exponential extremes", test_exponential_extremes},
                 {"adam", test_adam},
                 {"adam at rest", test_adam_at_rest},
                 {"columns_dot", test_columns_dot},
                 {"columns_moments", test_columns_moments},
                 {"products", test_products},
                 {"finish_gradient", test_finish_gradient}};
    enum { KINDS = sizeof kinds / sizeof kinds[0], LEVELS = PARE_CPU_LEVELS };
    static pare_cpu_level levels[LEVELS];
    static char names[LEVELS * KINDS][64];
    struct CMUnitTest tests[LEVELS * KINDS] = {0};
    for (int level = 0; level < LEVELS; level++) {
        levels[level] = (pare_cpu_level)level;
        for (int i = 0; i < KINDS; i++) {
            int at = level * KINDS + i;
            snprintf(names[at], sizeof names[at], "%s: %s", pare_cpu_level_name(levels[level]),
                     kinds[i].name);
            tests[at].name = names[at];
            tests[at].test_func = kinds[i].function;
            tests[at].initial_state = &levels[level];
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
