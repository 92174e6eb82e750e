/* ReLU, and GELU in its tanh form (Hendrycks and Gimpel 2016), written with a sigmoid:
 * y = x s, s = 1 / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3). */
#include "nn/operator.h"

#define GELU_SLOPE   1.5957691216057308f /* 2 sqrt(2 / pi) */
#define GELU_CUBIC   0.044715f
#define EXPONENT_MAX 87.0f /* within the range the kernel promises */

void pare_graph_relu(pare_graph *graph) {
    pare_operator op = {.kind = &pare_operator_relu};
    pare_graph_append(graph, &op);
}

static void relu_forward(const pare_operator *op, const pare_pass *pass) {
    pass->kernels->relu(pass->rows * op->stride, op->x, op->y);
}

static void relu_backward(const pare_operator *op, const pare_pass *pass) {
    pass->kernels->relu_backward(pass->rows * op->stride, op->y, op->dy, op->dx);
}

const pare_operator_kind pare_operator_relu = {
    .name = "relu", .in_place = true, .forward = relu_forward, .backward = relu_backward};

void pare_graph_gelu(pare_graph *graph) {
    pare_operator op = {.kind = &pare_operator_gelu,
                        .scratches =
                            pare_product(graph->batch, pare_padded(pare_graph_width(graph)))};
    pare_graph_append(graph, &op);
}

static void gelu_forward(const pare_operator *op, const pare_pass *pass) {
    int64_t n = pass->rows * op->stride;
    float *sigmoid = op->scratch;
    for (int64_t i = 0; i < n; i++) {
        float x = op->x[i], t = -GELU_SLOPE * (x + GELU_CUBIC * x * x * x);
        t = t > EXPONENT_MAX ? EXPONENT_MAX : t;
        sigmoid[i] = t < -EXPONENT_MAX ? -EXPONENT_MAX : t;
    }
    pass->kernels->exponential(n, sigmoid, sigmoid);
    for (int64_t i = 0; i < n; i++) {
        sigmoid[i] = 1 / (1 + sigmoid[i]);
        op->y[i] = op->x[i] * sigmoid[i];
    }
}

static void gelu_backward(const pare_operator *op, const pare_pass *pass) {
    for (int64_t i = 0; i < pass->rows * op->stride; i++) {
        float x = op->x[i], s = op->scratch[i];
        float slope = GELU_SLOPE * (1 + 3 * GELU_CUBIC * x * x);
        op->dx[i] = op->dy[i] * (s + x * s * (1 - s) * slope);
    }
}

const pare_operator_kind pare_operator_gelu = {
    .name = "gelu", .forward = gelu_forward, .backward = gelu_backward};
