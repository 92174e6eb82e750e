/* Losses: value and gradient by the output of the last layer, and the totals of an evaluation. */
#include "nn/operator.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 64 };

static double row_weight(const pare_target *target, int64_t row) {
    return target->weight ? (double)target->weight[row] : 1.0;
}

static int64_t largest(const float *z, int64_t count) {
    int64_t best = 0;
    for (int64_t c = 1; c < count; c++) {
        best = z[c] > z[best] ? c : best;
    }
    return best;
}

/* log(1 + exp(z)) - y z, without overflow. */
static double binary_loss(double z, int32_t label) {
    return (z > 0 ? z : 0) + log1p(exp(-fabs(z))) - (label ? z : 0);
}

/* Half the square, or linear beyond a distance of 1 (Huber 1964). */
static double error_loss(pare_loss loss, double error) {
    double distance = fabs(error);
    return loss == PARE_NN_HUBER && distance > 1 ? distance - 0.5 : 0.5 * error * error;
}

/* d_output becomes factor * (softmax - one-hot). */
static double softmax_row(const pare_kernels *kernels, int64_t outputs, const float *z,
                          int32_t label, float factor, float *d_output) {
    float top = z[largest(z, outputs)];
    for (int64_t c = 0; c < outputs; c++) {
        d_output[c] = z[c] - top;
    }
    double chosen = (double)d_output[label], sum = 0;
    kernels->exponential(outputs, d_output, d_output);
    for (int64_t c = 0; c < outputs; c++) {
        sum += (double)d_output[c];
    }
    float share = factor / (float)sum;
    for (int64_t c = 0; c < outputs; c++) {
        d_output[c] *= share;
    }
    d_output[label] -= factor;
    return log(sum) - chosen;
}

static double errors_row(pare_loss loss, int64_t outputs, const float *z, const float *value,
                         float factor, float *d_output) {
    double total = 0;
    for (int64_t o = 0; o < outputs; o++) {
        float error = z[o] - value[o], slope = error;
        if (loss == PARE_NN_HUBER) {
            slope = error > 1 ? 1 : error < -1 ? -1 : error;
        }
        d_output[o] = factor * slope;
        total += error_loss(loss, (double)error);
    }
    return total;
}

double pare_loss_gradient(const pare_graph *graph, int64_t rows, const float *output,
                          const pare_target *target, float *d_output) {
    int64_t outputs = pare_graph_width(graph), stride = pare_padded(outputs);
    double total_weight = 0, total = 0;
    for (int64_t i = 0; i < rows; i++) {
        total_weight += row_weight(target, i);
    }
    if (!(total_weight > 0)) {
        memset(d_output, 0, (size_t)(rows * stride) * sizeof *d_output);
        return 0;
    }
    for (int64_t i = 0; i < rows; i++) {
        double weight = row_weight(target, i), loss = 0, logit = 0;
        float factor = (float)(weight / total_weight);
        const float *z = output + i * stride;
        float *d = d_output + i * stride;
        switch (graph->loss) {
        case PARE_NN_SOFTMAX:
            loss = softmax_row(graph->ctx->kernels, outputs, z, target->label[i], factor, d);
            break;
        case PARE_NN_BINARY:
            logit = (double)z[0] + (target->offset ? (double)target->offset[i] : 0);
            loss = binary_loss(logit, target->label[i]);
            d[0] = factor * (float)(1 / (1 + exp(-logit)) - (target->label[i] ? 1 : 0));
            break;
        case PARE_NN_SQUARED:
        case PARE_NN_HUBER:
            loss = errors_row(graph->loss, outputs, z, target->value + i * outputs, factor, d);
            break;
        }
        total += weight * loss;
    }
    return total / total_weight;
}

/* -log softmax(z)[label]. */
static double softmax_loss(const pare_kernels *kernels, int64_t outputs, const float *z,
                           int64_t best, int32_t label) {
    double sum = 0;
    for (int64_t first = 0; first < outputs; first += CHUNK) {
        float part[CHUNK];
        int64_t count = outputs - first < CHUNK ? outputs - first : CHUNK;
        for (int64_t c = 0; c < count; c++) {
            part[c] = z[first + c] - z[best];
        }
        kernels->exponential(count, part, part);
        for (int64_t c = 0; c < count; c++) {
            sum += (double)part[c];
        }
    }
    return log(sum) - (double)(z[label] - z[best]);
}

void pare_graph_score(const pare_graph *graph, int64_t rows, const float *output, int64_t stride,
                      const pare_target *target, double *loss, double *score, double *weight) {
    int64_t outputs = pare_graph_width(graph);
    for (int64_t i = 0; i < rows; i++) {
        const float *z = output + i * stride;
        double row_loss = 0, row_score = 0;
        if (graph->loss == PARE_NN_SOFTMAX) {
            int64_t best = largest(z, outputs);
            row_loss = softmax_loss(graph->ctx->kernels, outputs, z, best, target->label[i]);
            row_score = best == target->label[i] ? 1 : 0;
        } else if (graph->loss == PARE_NN_BINARY) {
            row_loss = binary_loss((double)z[0], target->label[i]);
            row_score = (z[0] > 0) == (target->label[i] != 0) ? 1 : 0;
        } else {
            const float *value = target->value + i * outputs;
            for (int64_t o = 0; o < outputs; o++) {
                double error = (double)z[o] - (double)value[o];
                row_loss += error_loss(graph->loss, error);
                row_score += error * error;
            }
        }
        double w = row_weight(target, i);
        *loss += w * row_loss;
        *score += w * row_score;
        *weight += w;
    }
}
