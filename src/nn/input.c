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
#include "kernels/blas.h"
#include "nn/operator.h"

#include <string.h>

/* Features whose gradient rows are finished together while they are in the first-level cache. */
enum { BLOCK = 32 };

/* Places in the scratch. */
typedef struct input_scratch {
    float *weights; /* (width, stride) W' or W'' forward, raw gradient rows backward */
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

/* Writes diag(factor) W to the scratch. */
static void scale_weights(const pare_operator *op, const pare_pass *pass) {
    input_scratch scratch = scratch_of(op);
    const int64_t *start = pass->graph->candidate_start;
    const float *scale = pass->input->scale;
    for (int64_t c = 0; c < pass->graph->candidates; c++) {
        float m = pass->mask ? pass->mask[c] : 1.0f;
        for (int64_t j = start[c]; j < start[c + 1]; j++) {
            scratch.factor[j] = scale ? m * scale[j] : m;
            pass->kernels->scale(op->stride, scratch.factor[j], op->parameter + j * op->stride,
                                 scratch.weights + j * op->stride);
        }
    }
}

static void forward_dense(const pare_operator *op, const pare_pass *pass) {
    const float *weights = op->parameter;
    if (masked(pass)) {
        scale_weights(op, pass);
        weights = op->scratch;
    }
    pare_rows_fill(pass->rows, op->stride, bias_of(op, op->parameter), op->y);
    pare_gemm(false, false, pass->rows, op->outputs, op->inputs, 1, pass->input->dense, op->inputs,
              weights, op->stride, 1, op->y, op->stride);
}

static void forward_sparse(const pare_operator *op, const pare_pass *pass) {
    const pare_input *input = pass->input;
    input_scratch scratch = scratch_of(op);
    scale_weights(op, pass);
    memcpy(scratch.start, bias_of(op, op->parameter), (size_t)op->stride * sizeof(float));
    for (int64_t j = 0; j < op->inputs; j++) {
        pass->kernels->axpy(op->stride, -input->shift[j], scratch.weights + j * op->stride,
                            scratch.start);
    }
    pare_rows_fill(pass->rows, op->stride, scratch.start, op->y);
    pass->kernels->sparse_rows_times(pass->rows, input->start, input->index, input->value,
                                     op->stride, scratch.weights, op->y);
}

static void forward(const pare_operator *op, const pare_pass *pass) {
    if (pass->input->dense) {
        forward_dense(op, pass);
    } else {
        forward_sparse(op, pass);
    }
}

/* d_m of each candidate: the sum of along_j = <W_j, raw_j> over its features first .. last - 1, in
 * the units of dW'_j = scale_j raw_j. */
static void add_mask_gradient(const pare_operator *op, const pare_pass *pass, const float *raw,
                              int64_t first, int64_t last, int64_t *candidate) {
    const int64_t *start = pass->graph->candidate_start;
    const float *scale = pass->input->scale;
    for (int64_t j = first; pass->d_mask && j < last; j++) {
        while (start[*candidate + 1] <= j) {
            ++*candidate;
        }
        float along =
            pass->kernels->dot(op->stride, op->parameter + j * op->stride, raw + j * op->stride);
        pass->d_mask[*candidate] += scale ? scale[j] * along : along;
    }
}

/* dW_j = factor_j raw_j for features first .. last - 1. */
static void scale_gradient(const pare_operator *op, const pare_pass *pass, int64_t first,
                           int64_t last) {
    input_scratch scratch = scratch_of(op);
    for (int64_t j = first; j < last; j++) {
        pass->kernels->scale(op->stride, scratch.factor[j], scratch.weights + j * op->stride,
                             op->gradient + j * op->stride);
    }
}

static void backward_dense(const pare_operator *op, const pare_pass *pass) {
    bool scaled = masked(pass);
    float *raw = scaled ? op->scratch : op->gradient;
    int64_t candidate = 0;
    pare_gemm(true, false, op->inputs, op->outputs, pass->rows, 1, pass->input->dense, op->inputs,
              op->dy, op->stride, 0, raw, op->stride);
    add_mask_gradient(op, pass, raw, 0, op->inputs, &candidate);
    if (scaled) {
        scale_gradient(op, pass, 0, op->inputs);
    }
}

/* The batch by columns: counting sort, rows ascending within a column. */
static void transpose(const pare_operator *op, const pare_pass *pass) {
    const pare_input *input = pass->input;
    const pare_transpose *columns = &pass->graph->transpose;
    int64_t nonzeros = input->start[pass->rows] - input->start[0];
    /* Counted two places on and filled one place on, start ends up where it belongs. */
    int64_t *start = columns->start;
    memset(start, 0, (size_t)(op->inputs + 2) * sizeof *start);
    for (int64_t p = 0; p < nonzeros; p++) {
        start[input->index[p] + 2]++;
    }
    for (int64_t j = 2; j <= op->inputs; j++) {
        start[j] += start[j - 1];
    }
    for (int64_t i = 0; i < pass->rows; i++) {
        for (int64_t p = input->start[i] - input->start[0];
             p < input->start[i + 1] - input->start[0]; p++) {
            int64_t at = start[input->index[p] + 1]++;
            columns->row[at] = (int32_t)i;
            columns->value[at] = input->value[p];
        }
    }
}

static void backward_sparse(const pare_operator *op, const pare_pass *pass) {
    const pare_transpose *columns = &pass->graph->transpose;
    const float *sum = bias_of(op, op->gradient);
    float *raw = op->scratch;
    int64_t candidate = 0;
    transpose(op, pass);
    for (int64_t first = 0; first < op->inputs; first += BLOCK) {
        int64_t last = first + BLOCK < op->inputs ? first + BLOCK : op->inputs;
        for (int64_t j = first; j < last; j++) {
            pass->kernels->scale(op->stride, -pass->input->shift[j], sum, raw + j * op->stride);
        }
        pass->kernels->sparse_rows_times(
            last - first, columns->start + first, columns->row + columns->start[first],
            columns->value + columns->start[first], op->stride, op->dy, raw + first * op->stride);
        add_mask_gradient(op, pass, raw, first, last, &candidate);
        scale_gradient(op, pass, first, last);
    }
}

static void backward(const pare_operator *op, const pare_pass *pass) {
    if (pass->d_mask) {
        memset(pass->d_mask, 0, (size_t)pass->graph->candidates * sizeof *pass->d_mask);
    }
    pare_rows_sum(pass->kernels, pass->rows, op->stride, op->dy, bias_of(op, op->gradient));
    if (pass->input->dense) {
        backward_dense(op, pass);
    } else {
        backward_sparse(op, pass);
    }
}

static void init(const pare_operator *op, uint64_t seed, uint64_t *draws) {
    pare_init_weights(op->inputs, op->outputs, op->stride, seed, draws, op->parameter);
}

const pare_operator_kind pare_operator_input = {
    .name = "input", .forward = forward, .backward = backward, .init = init};
