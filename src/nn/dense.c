/* Dense layer y = x W + b; W: (inputs, stride), then b: (stride). */
#include "base/random.h"
#include "kernels/blas.h"
#include "nn/operator.h"

#include <math.h>
#include <string.h>

void pare_rows_fill(int64_t rows, int64_t stride, const float *row, float *y) {
    for (int64_t i = 0; i < rows; i++) {
        memcpy(y + i * stride, row, (size_t)stride * sizeof *y);
    }
}

void pare_rows_sum(const pare_kernels *kernels, int64_t rows, int64_t stride, const float *x,
                   float *sum) {
    memset(sum, 0, (size_t)stride * sizeof *sum);
    for (int64_t i = 0; i < rows; i++) {
        kernels->axpy(stride, 1, x + i * stride, sum);
    }
}

void pare_init_weights(int64_t rows, int64_t columns, int64_t stride, uint64_t seed,
                       uint64_t *draws, float *w) {
    double limit = sqrt(6.0 / (double)rows);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t o = 0; o < columns; o++) {
            double u = pare_random_uniform(seed, PARE_STREAM_WEIGHTS, (*draws)++);
            w[i * stride + o] = (float)(limit * (2 * u - 1));
        }
    }
}

void pare_graph_dense(pare_graph *graph, int64_t outputs) {
    int64_t stride = pare_padded(outputs);
    pare_operator op = {.kind = &pare_operator_dense,
                        .outputs = outputs > 0 ? outputs : -1,
                        .parameters = pare_product(pare_graph_width(graph) + 1, stride)};
    pare_graph_append(graph, &op);
}

static pare_rows_of rows_of(const pare_operator *op, const pare_pass *pass) {
    return (pare_rows_of){.rows = pass->rows,
                          .features = op->inputs,
                          .dense = op->x,
                          .dense_stride = op->input_stride};
}

static void forward(const pare_operator *op, const pare_pass *pass) {
    const pare_rows_of x = rows_of(op, pass);
    pare_rows_fill(pass->rows, op->stride, op->parameter + op->inputs * op->stride, op->y);
    pass->kernels->dense_times(&x, op->outputs, op->stride, op->parameter, op->y);
}

static void backward(const pare_operator *op, const pare_pass *pass) {
    const pare_rows_of x = rows_of(op, pass);
    pare_rows_sum(pass->kernels, pass->rows, op->stride, op->dy,
                  op->gradient + op->inputs * op->stride);
    pass->kernels->dense_transposed_times(&x, op->outputs, op->stride, op->dy, op->gradient);
    pare_gemm(false, true, pass->rows, op->inputs, op->outputs, 1, op->dy, op->stride,
              op->parameter, op->stride, 0, op->dx, op->input_stride);
}

static void init(const pare_operator *op, uint64_t seed, uint64_t *draws) {
    pare_init_weights(op->inputs, op->outputs, op->stride, seed, draws, op->parameter);
}

const pare_operator_kind pare_operator_dense = {
    .name = "dense", .forward = forward, .backward = backward, .init = init};
