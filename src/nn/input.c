/*
 * The masked input layer Z = X diag(m) W + b, dense or sparse.
 *
 * Nothing of the size of X is ever computed: the mask goes into a scaled copy of W, and the
 * gradient of the mask comes from the gradient dW' of that copy, d_m[c] = sum <W_j, dW'_j> over
 * the features j of candidate c. A sparse batch holds raw values v; with x = (v - shift) * scale,
 *     Z   = V W'' + b - sum_j shift_j W''_j,            W'' = diag(m scale) W,
 *     dW'_j = scale_j (sum_i v_ij dZ_i - shift_j sum_i dZ_i),
 * so that only the nonzeros cost anything.
 */
#include "nn/operator.h"

#include <string.h>

/* Places in the scratch. */
typedef struct input_scratch {
    float *weights; /* (width, stride) W' or W'' of the features there are */
    float *factor;  /* (width) mask, times scale if sparse */
    float *start;   /* (stride) b - sum_j shift_j W''_j */
} input_scratch;

static input_scratch scratch_of(const pare_operator *op) {
    input_scratch scratch = {.weights = op->scratch};
    scratch.factor = scratch.weights + op->inputs * op->stride;
    scratch.start = scratch.factor + op->input_stride;
    return scratch;
}

static float *bias_of(const pare_operator *op, float *base) {
    return base + op->inputs * op->stride;
}

static pare_rows_of rows_of(const pare_operator *op, const pare_input *input) {
    int64_t features = input->feature ? input->features : op->inputs;
    return (pare_rows_of){.rows = input->rows,
                          .features = features,
                          .number = input->number,
                          .dense = input->dense,
                          .dense_stride = features,
                          .start = input->start,
                          .index = input->index,
                          .value = input->value};
}

void pare_graph_input(pare_graph *graph, int64_t outputs) {
    int64_t stride = pare_padded(outputs), width = pare_padded(graph->width);
    int64_t weights = pare_product(width, stride);
    bool fits = weights >= 0 && weights < INT64_MAX / 4 && outputs > 0;
    pare_operator op = {.kind = &pare_operator_input,
                        .outputs = outputs > 0 ? outputs : -1,
                        .parameters = fits ? (graph->width + 1) * stride : -1,
                        .scratches = fits ? weights + width + stride : -1};
    pare_graph_append(graph, &op);
}

/* Whether any mask entry differs from 1. */
static bool masked(const pare_pass *pass) {
    for (int64_t c = 0; pass->mask && c < pass->graph->candidates; c++) {
        if (pass->mask[c] != 1.0f) {
            return true;
        }
    }
    return false;
}

/* The factor of each feature's weights: its candidate's mask, times scale if sparse. */
static void find_factors(const pare_operator *op, const pare_pass *pass) {
    float *factor = scratch_of(op).factor;
    const int64_t *start = pass->graph->candidate_start;
    const float *scale = pass->input->scale;
    for (int64_t c = 0; c < pass->graph->candidates; c++) {
        float m = pass->mask ? pass->mask[c] : 1.0f;
        for (int64_t j = start[c]; j < start[c + 1]; j++) {
            factor[j] = scale ? m * scale[j] : m;
        }
    }
}

/* Scaled copies of the rows of W that the input has features for, in the scratch; or W itself. */
static const float *scale_weights(const pare_operator *op, const pare_pass *pass) {
    const pare_input *input = pass->input;
    input_scratch scratch = scratch_of(op);
    if (input->dense && !input->feature && !masked(pass)) {
        return op->parameter;
    }
    find_factors(op, pass);
    int64_t count = input->feature ? input->features : op->inputs;
    for (int64_t a = 0; a < count; a++) {
        int64_t j = input->feature ? input->feature[a] : a;
        pass->kernels->scale(op->stride, scratch.factor[j], op->parameter + j * op->stride,
                             scratch.weights + a * op->stride);
    }
    return scratch.weights;
}

static void forward(const pare_operator *op, const pare_pass *pass) {
    const pare_input *input = pass->input;
    const pare_rows_of x = rows_of(op, input);
    const float *weights = scale_weights(op, pass), *bias = bias_of(op, op->parameter);
    if (input->dense) {
        pare_rows_fill(pass->rows, op->stride, bias, op->y);
        pass->kernels->dense_times(&x, op->outputs, op->stride, weights, op->y);
        return;
    }
    float *start = scratch_of(op).start;
    memcpy(start, bias, (size_t)op->stride * sizeof *start);
    for (int64_t j = 0; j < op->inputs; j++) {
        pass->kernels->axpy(op->stride, -input->shift[j], weights + j * op->stride, start);
    }
    pare_rows_fill(pass->rows, op->stride, start, op->y);
    pass->kernels->sparse_times(&x, op->outputs, op->stride, weights, op->y);
}

void pare_input_negate(const pare_graph *graph, const pare_input *input) {
    const pare_operator *op = &graph->operators[0];
    float *weights = scratch_of(op).weights;
    graph->ctx->kernels->scale(input->features * op->stride, -1, weights, weights);
}

void pare_input_add(const pare_graph *graph, const pare_input *input, int64_t first, int64_t last,
                    float *z) {
    const pare_operator *op = &graph->operators[0];
    pare_rows_of x = rows_of(op, input);
    x.dense += first;
    x.features = last - first;
    graph->ctx->kernels->dense_times(&x, op->outputs, op->stride,
                                     scratch_of(op).weights + first * op->stride, z);
}

/* From the raw gradient rows, sum_i x_ij dZ_i, to those of W, and the mask's on the way:
 * d_m[c] = sum_j <W_j, dW'_j> over the features of c. */
static void finish_rows(const pare_operator *op, const pare_pass *pass) {
    const pare_input *input = pass->input;
    const float *factor = scratch_of(op).factor, *sum = bias_of(op, op->gradient);
    const int64_t *start = pass->graph->candidate_start;
    bool scaled = input->scale || masked(pass);
    if (!scaled && !pass->d_mask) {
        return;
    }
    for (int64_t c = 0; c < pass->graph->candidates; c++) {
        float along = 0;
        for (int64_t j = start[c]; j < start[c + 1]; j++) {
            float shift = input->scale ? input->shift[j] : 0;
            float one = pass->kernels->finish_gradient(
                op->stride, shift, input->scale ? sum : NULL, scaled ? factor[j] : 1,
                op->parameter + j * op->stride, op->gradient + j * op->stride);
            along += input->scale ? input->scale[j] * one : one;
        }
        if (pass->d_mask) {
            pass->d_mask[c] = along;
        }
    }
}

/* Gradient of the few features the input has; of the others it is 0. */
static void backward_listed(const pare_operator *op, const pare_pass *pass, const pare_rows_of *x) {
    input_scratch scratch = scratch_of(op);
    pass->kernels->dense_transposed_times(x, op->outputs, op->stride, op->dy, scratch.weights);
    memset(op->gradient, 0, (size_t)(op->inputs * op->stride) * sizeof(float));
    for (int64_t a = 0; a < x->features; a++) {
        int64_t j = pass->input->feature[a];
        pass->kernels->scale(op->stride, scratch.factor[j], scratch.weights + a * op->stride,
                             op->gradient + j * op->stride);
    }
}

static void backward(const pare_operator *op, const pare_pass *pass) {
    const pare_rows_of x = rows_of(op, pass->input);
    pare_rows_sum(pass->kernels, pass->rows, op->stride, op->dy, bias_of(op, op->gradient));
    if (pass->input->feature) {
        backward_listed(op, pass, &x);
        return;
    }
    void (*times)(const pare_rows_of *, int64_t, int64_t, const float *, float *) =
        pass->input->dense ? pass->kernels->dense_transposed_times
                           : pass->kernels->sparse_transposed_times;
    times(&x, op->outputs, op->stride, op->dy, op->gradient);
    finish_rows(op, pass);
}

static void init(const pare_operator *op, uint64_t seed, uint64_t *draws) {
    pare_init_weights(op->inputs, op->outputs, op->stride, seed, draws, op->parameter);
}

const pare_operator_kind pare_operator_input = {
    .name = "input", .forward = forward, .backward = backward, .init = init};
