#include "select/dense_design.h"
#include "kernels/kernels.h"
#include "platform/threads.h"

#include <string.h>

enum { COLUMNS_A_CHUNK = 64, ROWS_A_RUN = 256 };

typedef struct dense {
    pare_context *ctx;
    int64_t rows, columns;
    const float *x;
    const double *weight;
    int64_t *start; /* when the caller gave none */
    double *square;
    float *r_float; /* (rows) scratch, grown to the vectors asked for */
    int64_t r_capacity;
} dense;

typedef struct job {
    const dense *d;
    pare_precision precision;
    int64_t m;
    const double *r;
    double *out;
} job;

static double dot_double(int64_t n, const float *x, const double *r) {
    double sum[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int q = 0; q < 8; q++) {
            sum[q] += (double)x[i + q] * r[i + q];
        }
    }
    for (; i < n; i++) {
        sum[0] += (double)x[i] * r[i];
    }
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static double dot_float(const dense *d, const float *x, const float *r) {
    double sum = 0;
    for (int64_t i = 0; i < d->rows; i += ROWS_A_RUN) {
        int64_t run = d->rows - i < ROWS_A_RUN ? d->rows - i : ROWS_A_RUN;
        sum += (double)d->ctx->kernels->dot(run, x + i, r + i);
    }
    return sum;
}

static void correlate_chunk(void *argument, int64_t chunk) {
    const job *work = argument;
    const dense *d = work->d;
    int64_t end = (chunk + 1) * COLUMNS_A_CHUNK;
    for (int64_t j = chunk * COLUMNS_A_CHUNK; j < end && j < d->columns; j++) {
        const float *x = d->x + j * d->rows;
        for (int64_t v = 0; v < work->m; v++) {
            work->out[v * d->columns + j] = work->precision == PARE_PRECISION_FLOAT
                                                ? dot_float(d, x, d->r_float + v * d->rows)
                                                : dot_double(d->rows, x, work->r + v * d->rows);
        }
    }
}

static pare_status dense_correlate(void *self, pare_precision precision, int64_t m, const double *r,
                                   double *out) {
    dense *d = self;
    if (precision == PARE_PRECISION_FLOAT) {
        pare_status status =
            pare_grow(d->ctx, m * d->rows, sizeof *d->r_float, &d->r_capacity, &d->r_float);
        if (status != PARE_OK) {
            return status;
        }
        for (int64_t i = 0; i < m * d->rows; i++) {
            d->r_float[i] = (float)r[i];
        }
    }
    job work = {d, precision, m, r, out};
    pare_pool_run(d->ctx->pool, (d->columns + COLUMNS_A_CHUNK - 1) / COLUMNS_A_CHUNK,
                  correlate_chunk, &work);
    return PARE_OK;
}

static pare_status dense_fetch(void *self, int64_t count, const int64_t *column, float *out) {
    const dense *d = self;
    for (int64_t j = 0; j < count; j++) {
        memcpy(out + j * d->rows, d->x + column[j] * d->rows, (size_t)d->rows * sizeof *out);
    }
    return PARE_OK;
}

static void dense_destroy(void *self) {
    dense *d = self;
    if (d) {
        pare_free(d->ctx, d->start);
        pare_free(d->ctx, d->square);
        pare_free(d->ctx, d->r_float);
        pare_free(d->ctx, d);
    }
}

static const pare_design_slots dense_slots = {
    .correlate = dense_correlate, .fetch = dense_fetch, .destroy = dense_destroy};

static void square_chunk(void *argument, int64_t chunk) {
    dense *d = argument;
    int64_t end = (chunk + 1) * COLUMNS_A_CHUNK;
    for (int64_t j = chunk * COLUMNS_A_CHUNK; j < end && j < d->columns; j++) {
        const float *x = d->x + j * d->rows;
        double sum = d->weight ? 0 : d->ctx->kernels->dot_double(d->rows, x, x);
        for (int64_t i = 0; d->weight && i < d->rows; i++) {
            sum += d->weight[i] * (double)x[i] * (double)x[i];
        }
        d->square[j] = sum;
    }
}

pare_status pare_dense_design_create(pare_context *ctx, int64_t rows, int64_t columns,
                                     const float *x, int64_t candidates, const int64_t *start,
                                     const double *weight, pare_design *out) {
    *out = (pare_design){0};
    dense *d = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *d, &d);
    if (status != PARE_OK) {
        return status;
    }
    *d = (dense){.ctx = ctx, .rows = rows, .columns = columns, .x = x, .weight = weight};
    if (!start) {
        status = pare_alloc(ctx, candidates + 1, sizeof *d->start, &d->start);
        for (int64_t j = 0; status == PARE_OK && j <= candidates; j++) {
            d->start[j] = j;
        }
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, columns, sizeof *d->square, &d->square);
    }
    if (status != PARE_OK) {
        dense_destroy(d);
        return status;
    }
    pare_pool_run(ctx->pool, (columns + COLUMNS_A_CHUNK - 1) / COLUMNS_A_CHUNK, square_chunk, d);
    *out = (pare_design){.slots = &dense_slots,
                         .self = d,
                         .rows = rows,
                         .columns = columns,
                         .candidates = candidates,
                         .start = start ? start : d->start,
                         .weight = weight,
                         .square = d->square};
    return PARE_OK;
}
