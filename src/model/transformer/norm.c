/* RMS norm and layer norm over rows, forward and backward. */
#include "model/transformer/internal.h"

#include <math.h>
#include <string.h>

typedef struct norm {
    const pare_lm_run *run;
    int64_t rows, width;
    double size;
    const float *x, *gain, *bias;
    float *inverse; /* (2, rows): then the means, with layer norm */
    const float *dy;
    bool add;
    float *y; /* or dx */
    float *d_gain, *d_bias;
} norm;

static bool centred(const norm *n) {
    return n->run->lm->shape.layer_norm;
}

static double mean_of(int64_t count, const float *x) {
    double sum = 0;
    for (int64_t j = 0; j < count; j++) {
        sum += (double)x[j];
    }
    return sum / (double)count;
}

static double square_about(int64_t count, const float *x, double mean) {
    double sum = 0;
    for (int64_t j = 0; j < count; j++) {
        double d = (double)x[j] - mean;
        sum += d * d;
    }
    return sum;
}

static void forward(void *argument, int64_t chunk) {
    const norm *n = argument;
    const pare_kernels *kernels = n->run->ctx->kernels;
    int64_t end = (chunk + 1) * ROW_CHUNK < n->rows ? (chunk + 1) * ROW_CHUNK : n->rows;
    for (int64_t row = chunk * ROW_CHUNK; row < end; row++) {
        const float *x = n->x + row * n->width;
        float *y = n->y + row * n->width;
        double mean = centred(n) ? mean_of(n->width, x) : 0;
        double sum =
            centred(n) ? square_about(n->width, x, mean) : kernels->dot_double(n->width, x, x);
        float inverse = (float)(1 / sqrt(sum / n->size + n->run->lm->shape.norm_epsilon));
        float centre = (float)mean;
        n->inverse[row] = inverse;
        n->inverse[n->rows + row] = centre;
        for (int64_t j = 0; j < n->width; j++) {
            y[j] = (x[j] - centre) * inverse * n->gain[j];
        }
        if (n->bias) {
            kernels->axpy(n->width, 1, n->bias, y);
        }
    }
}

static int64_t chunks(int64_t count, int64_t chunk) {
    return (count + chunk - 1) / chunk;
}

void pare_lm_norm(const pare_lm_run *run, int64_t rows, int64_t width, double size, const float *x,
                  const float *gain, const float *bias, float *inverse, float *y) {
    norm n = {.run = run,
              .rows = rows,
              .width = width,
              .size = size,
              .x = x,
              .gain = gain,
              .bias = bias,
              .inverse = inverse,
              .y = y};
    pare_pool_run(run->ctx->pool, chunks(rows, ROW_CHUNK), forward, &n);
}

/* sum_j dy_j gain_j (x_j - mean) of one row; *plain: without the last factor. */
static double projection(const norm *n, int64_t row, double *plain) {
    const float *x = n->x + row * n->width, *dy = n->dy + row * n->width;
    float centre = n->inverse[n->rows + row];
    double sum = 0;
    *plain = 0;
    for (int64_t j = 0; j < n->width; j++) {
        double d = (double)(dy[j] * n->gain[j]);
        sum += d * (double)(x[j] - centre);
        *plain += d;
    }
    return sum;
}

static void gain_columns(void *argument, int64_t chunk) {
    const norm *n = argument;
    int64_t from = chunk * COLUMN_CHUNK;
    int64_t count = n->width - from < COLUMN_CHUNK ? n->width - from : COLUMN_CHUNK;
    double sum[COLUMN_CHUNK] = {0}, plain[COLUMN_CHUNK] = {0};
    for (int64_t row = 0; row < n->rows; row++) {
        const float *x = n->x + row * n->width + from, *dy = n->dy + row * n->width + from;
        float centre = n->inverse[n->rows + row];
        for (int64_t j = 0; j < count; j++) {
            sum[j] += (double)(dy[j] * (x[j] - centre)) * (double)n->inverse[row];
            plain[j] += (double)dy[j];
        }
    }
    for (int64_t j = 0; j < count; j++) {
        n->d_gain[from + j] = (float)sum[j];
        if (n->d_bias) {
            n->d_bias[from + j] = (float)plain[j];
        }
    }
}

static void backward(void *argument, int64_t chunk) {
    const norm *n = argument;
    int64_t end = (chunk + 1) * ROW_CHUNK < n->rows ? (chunk + 1) * ROW_CHUNK : n->rows;
    for (int64_t row = chunk * ROW_CHUNK; row < end; row++) {
        const float *x = n->x + row * n->width, *dy = n->dy + row * n->width;
        float *dx = n->y + row * n->width;
        float inverse = n->inverse[row], centre = n->inverse[n->rows + row];
        double cube = (double)inverse * (double)inverse * (double)inverse / n->size, plain = 0;
        float along = (float)(projection(n, row, &plain) * cube);
        float shift = centred(n) ? (float)(plain * (double)inverse / n->size) : 0;
        for (int64_t j = 0; j < n->width; j++) {
            float d = inverse * n->gain[j] * dy[j] - along * (x[j] - centre) - shift;
            dx[j] = n->add ? dx[j] + d : d;
        }
    }
}

void pare_lm_norm_back(const pare_lm_run *run, int64_t rows, int64_t width, double size,
                       const float *x, const float *gain, const float *inverse, const float *dy,
                       bool add, float *dx, float *d_gain, float *d_bias, double *d_size) {
    norm n = {.run = run,
              .rows = rows,
              .width = width,
              .size = size,
              .x = x,
              .gain = gain,
              .dy = dy,
              .add = add,
              .y = dx,
              .d_gain = d_gain,
              .d_bias = d_bias};
    memcpy(&n.inverse, &inverse, sizeof inverse); /* only read here */
    if (d_gain) {
        pare_pool_run(run->ctx->pool, chunks(width, COLUMN_CHUNK), gain_columns, &n);
    }
    for (int64_t row = 0; d_size && row < rows; row++) {
        double r = (double)inverse[row], plain = 0;
        double square = 1 / (r * r) - run->lm->shape.norm_epsilon; /* sum x^2 / size */
        *d_size += projection(&n, row, &plain) * 0.5 * r * r * r * square / size;
    }
    pare_pool_run(run->ctx->pool, chunks(rows, ROW_CHUNK), backward, &n);
}
