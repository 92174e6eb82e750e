/*
 * Batch normalisation (Ioffe and Szegedy 2015) and layer normalisation (Ba, Kiros, Hinton 2016):
 * y = gain * xhat + offset, xhat = (x - mean) / sqrt(variance + EPSILON), over the rows of the
 * batch or over the columns of a row. Parameters: gain (stride), offset (stride).
 */
#include "nn/operator.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-5
/* Share of the old running statistics that a training step keeps. */
#define KEEP 0.9f

static void append(pare_graph *graph, const pare_operator_kind *kind, int64_t states,
                   int64_t extra) {
    int64_t stride = pare_padded(pare_graph_width(graph));
    int64_t activations = pare_product(graph->batch, stride);
    pare_operator op = {.kind = kind,
                        .parameters = pare_product(2, stride),
                        .states = states,
                        .scratches = activations < 0 || activations > INT64_MAX / 4 || extra < 0
                                         ? -1
                                         : activations + extra};
    pare_graph_append(graph, &op);
}

static void init(const pare_operator *op, uint64_t seed, uint64_t *draws) {
    (void)seed;
    (void)draws;
    for (int64_t o = 0; o < op->outputs; o++) {
        op->parameter[o] = 1;
    }
}

static void apply_gain(const pare_operator *op, const float *xhat, float *y) {
    for (int64_t o = 0; o < op->outputs; o++) {
        y[o] = op->parameter[o] * xhat[o] + op->parameter[op->stride + o];
    }
}

/* Gradients of gain and offset. */
static void backward_gain(const pare_operator *op, int64_t rows) {
    float *d_gain = op->gradient, *d_offset = op->gradient + op->stride;
    memset(op->gradient, 0, (size_t)(2 * op->stride) * sizeof(float));
    for (int64_t i = 0; i < rows; i++) {
        const float *xhat = op->scratch + i * op->stride, *dy = op->dy + i * op->stride;
        for (int64_t o = 0; o < op->outputs; o++) {
            d_gain[o] += dy[o] * xhat[o];
            d_offset[o] += dy[o];
        }
    }
}

/* Batch: scratch holds xhat (batch, stride), then mean, 1 / deviation (stride each), then sums in
 * double (2 * stride). State: running mean and variance (stride each). */

void pare_graph_batch_norm(pare_graph *graph) {
    int64_t stride = pare_padded(pare_graph_width(graph));
    append(graph, &pare_operator_batch_norm, pare_product(2, stride), pare_product(6, stride));
}

static void batch_init(const pare_operator *op, uint64_t seed, uint64_t *draws) {
    init(op, seed, draws);
    for (int64_t o = 0; o < op->outputs; o++) {
        op->state[o] = 0;
        op->state[op->stride + o] = 1;
    }
}

/* Mean and 1 / deviation of this batch, and the running statistics moved towards them (the
 * variance by its unbiased estimate). */
static void batch_statistics(const pare_operator *op, const pare_pass *pass, float *mean,
                             float *inverse) {
    double *sum = (double *)(void *)(inverse + op->stride), *square = sum + op->stride;
    double n = (double)pass->rows;
    memset(sum, 0, (size_t)(2 * op->stride) * sizeof *sum);
    pass->kernels->columns_moments(pass->rows, op->outputs, op->x, op->stride, NULL, NULL, sum,
                                   square);
    for (int64_t o = 0; o < op->outputs; o++) {
        mean[o] = (float)(sum[o] / n);
    }
    memset(sum, 0, (size_t)(2 * op->stride) * sizeof *sum);
    pass->kernels->columns_moments(pass->rows, op->outputs, op->x, op->stride, NULL, mean, sum,
                                   square);
    float *running_mean = op->state, *running_variance = op->state + op->stride;
    for (int64_t o = 0; o < op->outputs; o++) {
        double rest = sum[o] / n, variance = square[o] / n - rest * rest;
        inverse[o] = (float)(1 / sqrt(variance + EPSILON));
        float unbiased = (float)(variance * n / (n > 1 ? n - 1 : 1));
        running_mean[o] = KEEP * running_mean[o] + (1 - KEEP) * mean[o];
        running_variance[o] = KEEP * running_variance[o] + (1 - KEEP) * unbiased;
    }
}

static void batch_forward(const pare_operator *op, const pare_pass *pass) {
    float *mean = op->scratch + pass->graph->batch * op->stride, *inverse = mean + op->stride;
    if (pass->training && pass->rows > 0) {
        batch_statistics(op, pass, mean, inverse);
    } else {
        for (int64_t o = 0; o < op->outputs; o++) {
            mean[o] = op->state[o];
            inverse[o] = (float)(1 / sqrt((double)op->state[op->stride + o] + EPSILON));
        }
    }
    for (int64_t i = 0; i < pass->rows; i++) {
        const float *x = op->x + i * op->stride;
        float *xhat = op->scratch + i * op->stride;
        for (int64_t o = 0; o < op->outputs; o++) {
            xhat[o] = (x[o] - mean[o]) * inverse[o];
        }
        apply_gain(op, xhat, op->y + i * op->stride);
    }
}

static void batch_backward(const pare_operator *op, const pare_pass *pass) {
    const float *inverse = op->scratch + (pass->graph->batch + 1) * op->stride;
    const float *d_gain = op->gradient, *d_offset = op->gradient + op->stride;
    backward_gain(op, pass->rows);
    float share = pass->rows > 0 ? 1 / (float)pass->rows : 0;
    for (int64_t i = 0; i < pass->rows; i++) {
        const float *xhat = op->scratch + i * op->stride, *dy = op->dy + i * op->stride;
        float *dx = op->dx + i * op->stride;
        for (int64_t o = 0; o < op->outputs; o++) {
            dx[o] = op->parameter[o] * inverse[o] *
                    (dy[o] - share * (d_offset[o] + xhat[o] * d_gain[o]));
        }
    }
}

const pare_operator_kind pare_operator_batch_norm = {
    .name = "batch norm", .forward = batch_forward, .backward = batch_backward, .init = batch_init};

/* Layer: scratch holds xhat (batch, stride), then 1 / deviation (batch). */

void pare_graph_layer_norm(pare_graph *graph) {
    append(graph, &pare_operator_layer_norm, 0, graph->batch);
}

static void layer_forward(const pare_operator *op, const pare_pass *pass) {
    float *inverse = op->scratch + pass->graph->batch * op->stride;
    for (int64_t i = 0; i < pass->rows; i++) {
        const float *x = op->x + i * op->stride;
        float *xhat = op->scratch + i * op->stride;
        double mean = 0, variance = 0;
        for (int64_t o = 0; o < op->outputs; o++) {
            mean += (double)x[o];
        }
        mean /= (double)op->outputs;
        for (int64_t o = 0; o < op->outputs; o++) {
            variance += ((double)x[o] - mean) * ((double)x[o] - mean);
        }
        variance /= (double)op->outputs;
        inverse[i] = (float)(1 / sqrt(variance + EPSILON));
        for (int64_t o = 0; o < op->outputs; o++) {
            xhat[o] = (x[o] - (float)mean) * inverse[i];
        }
        apply_gain(op, xhat, op->y + i * op->stride);
    }
}

static void layer_backward(const pare_operator *op, const pare_pass *pass) {
    const float *inverse = op->scratch + pass->graph->batch * op->stride;
    backward_gain(op, pass->rows);
    for (int64_t i = 0; i < pass->rows; i++) {
        const float *xhat = op->scratch + i * op->stride, *dy = op->dy + i * op->stride;
        float *dx = op->dx + i * op->stride;
        double mean = 0, along = 0; /* of d_xhat, and of d_xhat * xhat */
        for (int64_t o = 0; o < op->outputs; o++) {
            double d_xhat = (double)(dy[o] * op->parameter[o]);
            mean += d_xhat;
            along += d_xhat * (double)xhat[o];
        }
        float mean_share = (float)(mean / (double)op->outputs);
        float along_share = (float)(along / (double)op->outputs);
        for (int64_t o = 0; o < op->outputs; o++) {
            dx[o] = inverse[i] * (dy[o] * op->parameter[o] - mean_share - xhat[o] * along_share);
        }
    }
}

const pare_operator_kind pare_operator_layer_norm = {
    .name = "layer norm", .forward = layer_forward, .backward = layer_backward, .init = init};
