/* An independent forward pass of the graph in double, written from the formulas: its central
 * differences are what the graph's gradients are compared with. */
#ifndef PARE_TESTS_NN_REFERENCE_H
#define PARE_TESTS_NN_REFERENCE_H

#include "nn/operator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A batch as the reference sees it: x is (rows, width), standardised. */
typedef struct reference_batch {
    int64_t rows;
    const double *x;
    const pare_target *target;
} reference_batch;

/* y = x diag(m) W + b; m NULL: ones. */
static inline void reference_affine(int64_t rows, int64_t inputs, int64_t outputs, int64_t stride,
                                    const double *x, const double *m, const double *w, double *y) {
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t o = 0; o < outputs; o++) {
            double sum = w[inputs * stride + o];
            for (int64_t j = 0; j < inputs; j++) {
                sum += x[i * inputs + j] * (m ? m[j] : 1) * w[j * stride + o];
            }
            y[i * outputs + o] = sum;
        }
    }
}

/* Normalises the `count` values at distance `step`. */
static inline void reference_normalise(int64_t count, int64_t step, const double *x, double *y) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < count; i++) {
        mean += x[i * step] / (double)count;
    }
    for (int64_t i = 0; i < count; i++) {
        variance += (x[i * step] - mean) * (x[i * step] - mean) / (double)count;
    }
    for (int64_t i = 0; i < count; i++) {
        y[i * step] = (x[i * step] - mean) / sqrt(variance + 1e-5);
    }
}

static inline void reference_operator(const pare_operator *op, int64_t rows, const double *x,
                                      const double *m, const double *w, double *y) {
    const int64_t n = op->outputs;
    if (op->kind == &pare_operator_input || op->kind == &pare_operator_dense) {
        reference_affine(rows, op->inputs, n, op->stride, x,
                         op->kind == &pare_operator_input ? m : NULL, w, y);
        return;
    }
    bool batch = op->kind == &pare_operator_batch_norm;
    if (batch || op->kind == &pare_operator_layer_norm) {
        for (int64_t i = 0; i < (batch ? n : rows); i++) {
            int64_t first = batch ? i : i * n;
            reference_normalise(batch ? rows : n, batch ? n : 1, x + first, y + first);
        }
        for (int64_t i = 0; i < rows * n; i++) {
            y[i] = y[i] * w[i % n] + w[op->stride + i % n];
        }
        return;
    }
    for (int64_t i = 0; i < rows * n; i++) {
        if (op->kind == &pare_operator_relu) {
            y[i] = x[i] > 0 ? x[i] : 0;
        } else if (op->kind == &pare_operator_gelu) {
            double u = sqrt(2 / 3.141592653589793) * (x[i] + 0.044715 * x[i] * x[i] * x[i]);
            y[i] = 0.5 * x[i] * (1 + tanh(u));
        } else { /* dropout: the factors of the last training step */
            y[i] = x[i] * (double)op->scratch[i / n * op->stride + i % n];
        }
    }
}

static inline double reference_row_loss(pare_loss loss, int64_t outputs, const double *z,
                                        int64_t row, const pare_target *target) {
    double total = 0;
    if (loss == PARE_NN_SOFTMAX) {
        for (int64_t c = 0; c < outputs; c++) {
            total += exp(z[c]);
        }
        return log(total) - z[target->label[row]];
    }
    if (loss == PARE_NN_BINARY) {
        return log(1 + exp(z[0])) - target->label[row] * z[0];
    }
    for (int64_t o = 0; o < outputs; o++) {
        double e = z[o] - (double)target->value[row * outputs + o];
        total += loss == PARE_NN_HUBER && fabs(e) > 1 ? fabs(e) - 0.5 : e * e / 2;
    }
    return total;
}

/* Weighted mean loss; parameter: flat, in the graph's layout; m: (width). */
static inline double reference_loss(const pare_graph *graph, const reference_batch *batch,
                                    const double *parameter, const double *m) {
    int64_t widest = graph->width;
    for (int64_t k = 0; k < graph->count; k++) {
        int64_t outputs = graph->operators[k].outputs;
        widest = outputs > widest ? outputs : widest;
    }
    size_t bytes = (size_t)(batch->rows * widest) * sizeof(double);
    double *x = malloc(bytes), *y = malloc(bytes);
    memcpy(x, batch->x, (size_t)(batch->rows * graph->width) * sizeof *x);
    for (int64_t k = 0; k < graph->count; k++) {
        const pare_operator *op = &graph->operators[k];
        reference_operator(op, batch->rows, x, m, parameter + (op->parameter - graph->parameter),
                           y);
        double *swap = x;
        x = y;
        y = swap;
    }
    double total = 0, weights = 0;
    int64_t outputs = graph->operators[graph->count - 1].outputs;
    for (int64_t i = 0; i < batch->rows; i++) {
        double w = batch->target->weight ? (double)batch->target->weight[i] : 1;
        total += w * reference_row_loss(graph->loss, outputs, x + i * outputs, i, batch->target);
        weights += w;
    }
    free(x);
    free(y);
    return total / weights;
}

#endif
