#include "model/transformer/internal.h"

#include <math.h>
#include <string.h>

typedef struct norm {
    const pare_lm_run *run;
    int64_t rows, width;
    double size;
    const float *x, *gain;
    float *inverse;
    const float *dy;
    bool add;
    float *y; /* or dx */
    float *d_gain;
} norm;

static void forward(void *argument, int64_t chunk) {
    const norm *n = argument;
    const pare_kernels *kernels = n->run->ctx->kernels;
    int64_t end = (chunk + 1) * ROW_CHUNK < n->rows ? (chunk + 1) * ROW_CHUNK : n->rows;
    for (int64_t row = chunk * ROW_CHUNK; row < end; row++) {
        const float *x = n->x + row * n->width;
        float *y = n->y + row * n->width;
        double square = kernels->dot_double(n->width, x, x) / n->size;
        float inverse = (float)(1 / sqrt(square + n->run->lm->shape.norm_epsilon));
        n->inverse[row] = inverse;
        for (int64_t j = 0; j < n->width; j++) {
            y[j] = x[j] * inverse * n->gain[j];
        }
    }
}

static int64_t chunks(int64_t count, int64_t chunk) {
    return (count + chunk - 1) / chunk;
}

void pare_lm_rms_norm(const pare_lm_run *run, int64_t rows, int64_t width, double size,
                      const float *x, const float *gain, float *inverse, float *y) {
    norm n = {.run = run,
              .rows = rows,
              .width = width,
              .size = size,
              .x = x,
              .gain = gain,
              .inverse = inverse,
              .y = y};
    pare_pool_run(run->ctx->pool, chunks(rows, ROW_CHUNK), forward, &n);
}

/* sum_j dy_j gain_j x_j of one row. */
static double projection(const norm *n, int64_t row) {
    const float *x = n->x + row * n->width, *dy = n->dy + row * n->width;
    double sum = 0;
    for (int64_t j = 0; j < n->width; j++) {
        sum += (double)(dy[j] * n->gain[j]) * (double)x[j];
    }
    return sum;
}

static void gain_columns(void *argument, int64_t chunk) {
    const norm *n = argument;
    int64_t from = chunk * COLUMN_CHUNK;
    int64_t count = n->width - from < COLUMN_CHUNK ? n->width - from : COLUMN_CHUNK;
    double sum[COLUMN_CHUNK] = {0};
    for (int64_t row = 0; row < n->rows; row++) {
        const float *x = n->x + row * n->width + from, *dy = n->dy + row * n->width + from;
        for (int64_t j = 0; j < count; j++) {
            sum[j] += (double)(dy[j] * x[j]) * (double)n->inverse[row];
        }
    }
    for (int64_t j = 0; j < count; j++) {
        n->d_gain[from + j] = (float)sum[j];
    }
}

static void backward(void *argument, int64_t chunk) {
    const norm *n = argument;
    int64_t end = (chunk + 1) * ROW_CHUNK < n->rows ? (chunk + 1) * ROW_CHUNK : n->rows;
    for (int64_t row = chunk * ROW_CHUNK; row < end; row++) {
        const float *x = n->x + row * n->width, *dy = n->dy + row * n->width;
        float *dx = n->y + row * n->width;
        float inverse = n->inverse[row];
        double cube = (double)inverse * (double)inverse * (double)inverse / n->size;
        float along = (float)(projection(n, row) * cube);
        for (int64_t j = 0; j < n->width; j++) {
            float d = inverse * n->gain[j] * dy[j] - along * x[j];
            dx[j] = n->add ? dx[j] + d : d;
        }
    }
}

void pare_lm_rms_norm_back(const pare_lm_run *run, int64_t rows, int64_t width, double size,
                           const float *x, const float *gain, const float *inverse, const float *dy,
                           bool add, float *dx, float *d_gain, double *d_size) {
    norm n = {.run = run,
              .rows = rows,
              .width = width,
              .size = size,
              .x = x,
              .gain = gain,
              .dy = dy,
              .add = add,
              .y = dx,
              .d_gain = d_gain};
    memcpy(&n.inverse, &inverse, sizeof inverse); /* only read here */
    if (d_gain) {
        pare_pool_run(run->ctx->pool, chunks(width, COLUMN_CHUNK), gain_columns, &n);
    }
    for (int64_t row = 0; d_size && row < rows; row++) {
        double r = (double)inverse[row];
        double square = 1 / (r * r) - run->lm->shape.norm_epsilon; /* sum x^2 / size */
        *d_size += projection(&n, row) * 0.5 * r * r * r * square / size;
    }
    pare_pool_run(run->ctx->pool, chunks(rows, ROW_CHUNK), backward, &n);
}
