/* The reference kernels: plain loops, correct first. Every other level is tested against them. */
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

enum { PARTIALS = 8 };

static float dot(int64_t n, const float *a, const float *b) {
    float partial[PARTIALS] = {0};
    int64_t i = 0;
    for (; i + PARTIALS <= n; i += PARTIALS) {
        for (int p = 0; p < PARTIALS; p++) {
            partial[p] += a[i + p] * b[i + p];
        }
    }
    float sum = 0;
    for (int p = 0; p < PARTIALS; p++) {
        sum += partial[p];
    }
    for (; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static float from_bf16(uint16_t w) {
    uint32_t bits = (uint32_t)w << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void rows_dot(int64_t rows, int64_t n, const float *w, int64_t count, const float *x,
                     int64_t y_stride, float *y) {
    for (int64_t i = 0; i < count; i++) {
        for (int64_t r = 0; r < rows; r++) {
            y[i * y_stride + r] = dot(n, w + r * n, x + i * n);
        }
    }
}

static void rows_dot_bf16(int64_t rows, int64_t n, const uint16_t *w, int64_t count, const float *x,
                          int64_t y_stride, float *y) {
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < count; i++) {
            float sum = 0;
            for (int64_t j = 0; j < n; j++) {
                sum += from_bf16(w[r * n + j]) * x[i * n + j];
            }
            y[i * y_stride + r] = sum;
        }
    }
}

static double dot_double(int64_t n, const float *a, const float *b) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

static void axpy(int64_t n, float a, const float *x, float *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] += a * x[i];
    }
}

static void scale(int64_t n, float a, const float *x, float *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = a * x[i];
    }
}

static void columns_dot(int64_t rows, int64_t columns, const float *x, int64_t stride,
                        const float *r, double *out) {
    for (int64_t i = 0; i < rows; i++) {
        double factor = (double)r[i];
        if (factor == 0) {
            continue; /* rows held out cost nothing */
        }
        const float *row = x + i * stride;
        for (int64_t j = 0; j < columns; j++) {
            out[j] += factor * (double)row[j];
        }
    }
}

static void columns_dot_u8(int64_t rows, int64_t columns, const uint8_t *x, int64_t stride,
                           const float *r, double *out) {
    for (int64_t i = 0; i < rows; i++) {
        double factor = (double)r[i];
        if (factor == 0) {
            continue;
        }
        const uint8_t *row = x + i * stride;
        for (int64_t j = 0; j < columns; j++) {
            out[j] += factor * row[j];
        }
    }
}

static void columns_moments(int64_t rows, int64_t columns, const float *x, int64_t stride,
                            const float *w, const float *center, double *sum, double *square) {
    for (int64_t i = 0; i < rows; i++) {
        double weight = w ? (double)w[i] : 1.0;
        if (weight == 0) {
            continue;
        }
        const float *row = x + i * stride;
        for (int64_t j = 0; j < columns; j++) {
            double value = (double)row[j] - (center ? (double)center[j] : 0.0);
            sum[j] += weight * value;
            square[j] += weight * value * value;
        }
    }
}

static void standardise(int64_t n, const float *x, const float *shift, const float *factor,
                        float *out) {
    for (int64_t j = 0; j < n; j++) {
        float value = (x[j] - shift[j]) * factor[j];
        out[j] = value == value ? value : 0.0f;
    }
}

static void standardise_u8(int64_t n, const uint8_t *x, const float *shift, const float *factor,
                           float *out) {
    for (int64_t j = 0; j < n; j++) {
        out[j] = ((float)x[j] - shift[j]) * factor[j];
    }
}

static void add_multiple(int64_t columns, float factor, const float *source, float *target) {
    for (int64_t h = 0; h < columns; h++) {
        target[h] += factor * source[h];
    }
}

static void dense_product(bool transposed, const pare_rows_of *x, int64_t columns, int64_t stride,
                          const float *in, float *out) {
    for (int64_t i = 0; i < x->rows; i++) {
        const float *row = x->dense + (x->number ? x->number[i] : i) * x->dense_stride;
        for (int64_t j = 0; j < x->features; j++) {
            add_multiple(columns, row[j], in + (transposed ? i : j) * stride,
                         out + (transposed ? j : i) * stride);
        }
    }
}

static void dense_times(const pare_rows_of *x, int64_t columns, int64_t stride, const float *w,
                        float *out) {
    dense_product(false, x, columns, stride, w, out);
}

static void dense_transposed_times(const pare_rows_of *x, int64_t columns, int64_t stride,
                                   const float *y, float *out) {
    memset(out, 0, (size_t)(x->features * stride) * sizeof *out);
    dense_product(true, x, columns, stride, y, out);
}

static void sparse_product(bool transposed, const pare_rows_of *x, int64_t columns, int64_t stride,
                           const float *in, float *out) {
    for (int64_t i = 0; i < x->rows; i++) {
        int64_t number = x->number ? x->number[i] : i;
        for (int64_t p = x->start[number]; p < x->start[number + 1]; p++) {
            add_multiple(columns, x->value[p], in + (transposed ? i : x->index[p]) * stride,
                         out + (transposed ? x->index[p] : i) * stride);
        }
    }
}

static void sparse_times(const pare_rows_of *x, int64_t columns, int64_t stride, const float *w,
                         float *out) {
    sparse_product(false, x, columns, stride, w, out);
}

static void sparse_transposed_times(const pare_rows_of *x, int64_t columns, int64_t stride,
                                    const float *y, float *out) {
    memset(out, 0, (size_t)(x->features * stride) * sizeof *out);
    sparse_product(true, x, columns, stride, y, out);
}

static void blocks_times(const pare_block_matrix *w, int64_t first, int64_t last, int64_t n,
                         const float *x, float *y) {
    const int64_t b = w->block;
    for (int64_t i = first * b; i < last * b && i < w->rows; i++) {
        for (int64_t t = 0; t < n; t++) {
            float sum = 0;
            for (int64_t p = w->start[i / b]; p < w->start[i / b + 1]; p++) {
                int64_t from = w->index[p] * b;
                for (int64_t j = 0; j < b && from + j < w->columns; j++) {
                    int64_t at = (p * b + j) * b + i % b;
                    float value = w->value ? w->value[at] : from_bf16(w->bf16[at]);
                    sum += value * x[t * w->columns + from + j];
                }
            }
            y[t * w->rows + i] = sum;
        }
    }
}

static float finish_gradient(int64_t n, float shift, const float *sum, float factor, const float *w,
                             float *gradient) {
    float along = 0;
    for (int64_t i = 0; i < n; i++) {
        float g = sum ? gradient[i] - shift * sum[i] : gradient[i];
        along += w[i] * g;
        gradient[i] = factor * g;
    }
    return along;
}

static void relu(int64_t n, const float *x, float *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[i] > 0 ? x[i] : 0;
    }
}

static void relu_backward(int64_t n, const float *y, const float *dy, float *dx) {
    for (int64_t i = 0; i < n; i++) {
        dx[i] = y[i] > 0 ? dy[i] : 0;
    }
}

static void exponential(int64_t n, const float *x, float *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] = expf(x[i]);
    }
}

static void adam(int64_t n, const pare_adam *step, const float *g, float *w, float *m, float *v) {
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] + step->decay * w[i];
        m[i] = step->beta1 * m[i] + (1 - step->beta1) * gradient;
        v[i] = step->beta2 * v[i] + (1 - step->beta2) * gradient * gradient;
        w[i] = step->shrink * w[i] - step->rate * m[i] / (sqrtf(v[i]) + step->epsilon);
    }
}

static void packed_dot(const pare_packed *x, const uint8_t weight[4], int64_t planes,
                       const int8_t *r, int64_t *out) {
    for (int64_t j = 0; j < x->columns; j++) {
        const uint8_t *column = x->bits + j * x->stride;
        for (int64_t b = 0; b < x->bytes; b++) {
            const int8_t *block = r + b / PARE_PACKED_BYTES * planes * PARE_PACKED_ROWS;
            for (int64_t q = 0; q < planes; q++) {
                const int8_t *at = block + q * PARE_PACKED_ROWS + b % PARE_PACKED_BYTES;
                for (int p = 0; p < 4; p++) {
                    out[j * planes + q] +=
                        weight[column[b] >> 2 * p & 3] * at[PARE_PACKED_BYTES * p];
                }
            }
        }
    }
}

static void packed_add(const pare_packed *x, const int32_t *value, int32_t *out) {
    for (int64_t j = 0; j < x->columns; j++) {
        for (int64_t i = 0; i < 4 * x->bytes; i++) {
            int code = x->bits[j * x->stride + i / 4] >> 2 * (i % 4) & 3;
            out[i] = (int32_t)((uint32_t)out[i] + (uint32_t)value[4 * j + code]);
        }
    }
}

static float fm_forward(const pare_fm *fm, const pare_fm_row *row, float *sum) {
    float pairs = 0;
    for (int64_t l = 0; l < fm->stride; l++) {
        float total = 0, squares = 0;
        for (int64_t f = 0; f < fm->fields; f++) {
            if (row->index[f] >= 0) {
                float e = (row->value ? row->value[f] : 1) * fm->mask[f * fm->stride + l] *
                          fm->table[row->index[f] * fm->stride + l];
                total += e;
                squares += e * e;
            }
        }
        sum[l] = total;
        pairs += l >= PARE_FM_HEAD ? total * total - squares : 0;
    }
    return sum[0] + 0.5f * pairs;
}

/* d_f at one place, without the factor of the field. */
static float fm_slope(int64_t place, float sum, float e, float slope, const float *extra) {
    float by = place == 0 ? 1 : place < PARE_FM_HEAD ? 0 : sum - e;
    return slope * by + (extra ? extra[place] : 0);
}

static void fm_slopes(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
                      const float *extra, float *gradient, float *d_mask) {
    for (int64_t f = 0; f < fm->fields; f++) {
        if (row->index[f] < 0) {
            continue;
        }
        float x = row->value ? row->value[f] : 1;
        const float *mask = fm->mask + f * fm->stride;
        const float *v = fm->table + row->index[f] * fm->stride;
        for (int64_t l = 0; l < fm->stride; l++) {
            float d = x * fm_slope(l, sum[l], x * mask[l] * v[l], slope,
                                   extra ? extra + f * fm->stride : NULL);
            if (gradient) {
                gradient[row->index[f] * fm->stride + l] += mask[l] * d;
            }
            if (d_mask) {
                d_mask[f * fm->stride + l] += v[l] * d;
            }
        }
    }
}

static void fm_update(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
                      const float *extra, const pare_adagrad *step) {
    for (int64_t f = 0; f < fm->fields; f++) {
        if (row->index[f] < 0) {
            continue;
        }
        float x = row->value ? row->value[f] : 1, gradient[PARE_FM_STRIDE_MAX], square = 0;
        const float *mask = fm->mask + f * fm->stride;
        float *v = fm->table + row->index[f] * fm->stride;
        for (int64_t l = 0; l < fm->stride; l++) {
            float d = fm_slope(l, sum[l], x * mask[l] * v[l], slope,
                               extra ? extra + f * fm->stride : NULL);
            gradient[l] = x * mask[l] * d + step->decay * v[l];
            square += l >= PARE_FM_HEAD ? gradient[l] * gradient[l] : 0;
        }
        v[1] += gradient[0] * gradient[0];
        v[2] += step->per_lane * square;
        float rate = step->rate / sqrtf(v[2]);
        v[0] -= step->rate / sqrtf(v[1]) * gradient[0];
        for (int64_t l = PARE_FM_HEAD; l < fm->stride; l++) {
            v[l] -= rate * gradient[l];
        }
    }
}

static void fm_terms(const pare_fm *fm, const pare_fm_row *row, const float *sum,
                     const float *paired, int64_t chunk, float *out) {
    int64_t width = 1 + (fm->places + chunk - 1) / chunk;
    for (int64_t f = 0; f < fm->fields; f++, out += width) {
        float x = row->value ? row->value[f] : 1;
        const float *factor = paired + f * fm->stride, *mask = fm->mask + f * fm->stride;
        memset(out, 0, (size_t)width * sizeof *out);
        if (row->index[f] < 0) {
            continue;
        }
        const float *table = fm->table + row->index[f] * fm->stride;
        out[0] = factor[0] * x * table[0];
        for (int64_t p = 0; p < fm->places; p++) {
            int64_t l = PARE_FM_HEAD + p;
            float v = x * table[l];
            out[1 + p / chunk] += factor[l] * v * (sum[l] - mask[l] * v);
        }
    }
}

void pare_kernels_fill_ref(pare_kernels *table) {
    *table = (pare_kernels){
        .level = "ref",
        .dot = dot,
        .dot_double = dot_double,
        .rows_dot = rows_dot,
        .rows_dot_bf16 = rows_dot_bf16,
        .axpy = axpy,
        .scale = scale,
        .columns_dot = columns_dot,
        .columns_dot_u8 = columns_dot_u8,
        .columns_moments = columns_moments,
        .standardise = standardise,
        .standardise_u8 = standardise_u8,
        .dense_times = dense_times,
        .dense_transposed_times = dense_transposed_times,
        .sparse_times = sparse_times,
        .sparse_transposed_times = sparse_transposed_times,
        .blocks_times = blocks_times,
        .finish_gradient = finish_gradient,
        .relu = relu,
        .relu_backward = relu_backward,
        .exponential = exponential,
        .adam = adam,
        .fm_forward = fm_forward,
        .fm_slopes = fm_slopes,
        .fm_update = fm_update,
        .fm_terms = fm_terms,
        .packed_dot = packed_dot,
        .packed_add = packed_add,
    };
}
