#include "kernels/blas.h"
#include "nn/operator.h"

#include <string.h>

int64_t pare_padded(int64_t n) {
    return n < 0 || n > INT64_MAX - PARE_NN_PAD ? -1
                                                : (n + PARE_NN_PAD - 1) / PARE_NN_PAD * PARE_NN_PAD;
}

int64_t pare_product(int64_t a, int64_t b) {
    int64_t product = 0;
    return pare_checked_multiply(a, b, &product) ? product : -1;
}

pare_status pare_graph_create(pare_context *ctx, int64_t width, int64_t candidates,
                              const int64_t *candidate_start, int64_t batch, pare_graph **out) {
    *out = NULL;
    if (width < 1 || candidates < 1 || batch < 1) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "a network needs features, candidates and rows in a batch; got %lld, "
                         "%lld and %lld",
                         (long long)width, (long long)candidates, (long long)batch);
    }
    pare_graph *graph = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *graph, &graph);
    if (status != PARE_OK) {
        return status;
    }
    graph->ctx = ctx;
    graph->width = width;
    graph->candidates = candidates;
    graph->candidate_start = candidate_start;
    graph->batch = batch;
    *out = graph;
    return PARE_OK;
}

void pare_graph_destroy(pare_graph *graph) {
    if (!graph) {
        return;
    }
    pare_free(graph->ctx, graph->arena);
    pare_free(graph->ctx, graph->operators);
    pare_free(graph->ctx, graph);
}

/* The first failure counts; what fails after it is a consequence. */
static void remember(pare_graph *graph, pare_status status) {
    if (graph->status == PARE_OK) {
        graph->status = status;
        memcpy(graph->message, graph->ctx->message, sizeof graph->message);
    }
}

int64_t pare_graph_width(const pare_graph *graph) {
    return graph->count > 0 ? graph->operators[graph->count - 1].outputs : graph->width;
}

void pare_graph_append(pare_graph *graph, const pare_operator *op) {
    if (graph->status != PARE_OK) {
        return;
    }
    if ((graph->count == 0) != (op->kind == &pare_operator_input) || graph->arena ||
        op->outputs < 0) {
        remember(graph, pare_fail(graph->ctx, PARE_ERROR_ARGUMENT,
                                  "network layer %lld (%s): layers have at least one output, the "
                                  "input layer comes first and once, none follows the loss",
                                  (long long)graph->count, op->kind->name));
        return;
    }
    if (op->parameters < 0 || op->states < 0 || op->scratches < 0) {
        remember(graph, pare_fail(graph->ctx, PARE_ERROR_MEMORY,
                                  "out of memory: network layer %lld (%s) is beyond the address "
                                  "range",
                                  (long long)graph->count, op->kind->name));
        return;
    }
    pare_status status =
        pare_grow(graph->ctx, graph->count + 1, sizeof *op, &graph->capacity, &graph->operators);
    if (status != PARE_OK) {
        remember(graph, status);
        return;
    }
    int64_t inputs = pare_graph_width(graph);
    pare_operator *added = &graph->operators[graph->count];
    *added = *op;
    added->number = graph->count;
    added->inputs = inputs;
    added->outputs = op->outputs > 0 ? op->outputs : inputs;
    added->input_stride = pare_padded(inputs);
    added->stride = pare_padded(added->outputs);
    graph->count++;
}

/* Takes `count` floats of the arena, rounded up so that the next piece is aligned too; only
 * measures while arena is NULL. *used < 0: the sum overflowed. */
static float *take(float *arena, int64_t count, int64_t *used) {
    int64_t at = *used, padded = pare_padded(count);
    if (at < 0 || padded < 0 || __builtin_add_overflow(at, padded, used)) {
        *used = -1;
        return NULL;
    }
    return arena ? arena + at : NULL;
}

/* Assigns every array its place; called once to measure and once to set the pointers. */
static int64_t lay_out(pare_graph *graph) {
    float *arena = graph->arena;
    int64_t used = 0;
    graph->parameter = arena;
    for (int64_t i = 0; i < graph->count; i++) {
        graph->operators[i].parameter = take(arena, graph->operators[i].parameters, &used);
    }
    graph->parameters = used;
    graph->gradient = arena ? arena + used : NULL;
    for (int64_t i = 0; i < graph->count; i++) {
        graph->operators[i].gradient = take(arena, graph->operators[i].parameters, &used);
    }
    int64_t before_states = used;
    graph->state = arena ? arena + used : NULL;
    for (int64_t i = 0; i < graph->count; i++) {
        graph->operators[i].state = take(arena, graph->operators[i].states, &used);
    }
    graph->states = used - before_states;
    for (int64_t i = 0; i < graph->count; i++) {
        pare_operator *op = &graph->operators[i];
        const pare_operator *before = i > 0 ? op - 1 : NULL;
        op->x = before ? before->y : NULL;
        op->dx = before ? before->dy : NULL;
        op->scratch = take(arena, op->scratches, &used);
        if (op->kind->in_place) {
            op->y = before->y;
            op->dy = before->dy;
        } else {
            int64_t activations = pare_product(graph->batch, op->stride);
            op->y = take(arena, activations, &used);
            op->dy = take(arena, activations, &used);
        }
    }
    return used;
}

pare_status pare_graph_finish(pare_graph *graph, pare_loss loss) {
    pare_context *ctx = graph->ctx;
    if (graph->status != PARE_OK) {
        return pare_fail(ctx, graph->status, "%s", graph->message);
    }
    if (graph->count == 0 || graph->arena) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "a network is finished once, after its input layer was added");
    }
    if (loss == PARE_NN_BINARY && pare_graph_width(graph) != 1) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "binary cross-entropy takes one output; the network has %lld",
                         (long long)pare_graph_width(graph));
    }
    int64_t total = lay_out(graph);
    if (total < 0) {
        return pare_fail(ctx, PARE_ERROR_MEMORY,
                         "out of memory: the network is beyond the address range");
    }
    /* Cleared: padding starts as zero, and nothing ever writes anything else into it. */
    pare_status status = pare_alloc_zero(ctx, total, sizeof(float), &graph->arena);
    if (status != PARE_OK) {
        return status;
    }
    (void)lay_out(graph);
    graph->loss = loss;
    return PARE_OK;
}

void pare_graph_init(pare_graph *graph, uint64_t seed) {
    uint64_t draws = 0;
    graph->seed = seed;
    memset(graph->parameter, 0, (size_t)graph->parameters * sizeof(float));
    memset(graph->gradient, 0, (size_t)graph->parameters * sizeof(float));
    for (int64_t i = 0; i < graph->count; i++) {
        const pare_operator *op = &graph->operators[i];
        if (op->kind->init) {
            op->kind->init(op, seed, &draws);
        }
    }
}

int64_t pare_graph_parameters(const pare_graph *graph) {
    return graph->parameters;
}

float *pare_graph_parameter(pare_graph *graph) {
    return graph->parameter;
}

float *pare_graph_gradient(pare_graph *graph) {
    return graph->gradient;
}

int64_t pare_graph_input_stride(const pare_graph *graph) {
    return graph->operators[0].stride;
}

bool pare_graph_matrix_at(const pare_graph *graph, int64_t index, pare_graph_matrix *out) {
    for (int64_t i = 0; i < graph->count; i++) {
        const pare_operator *op = &graph->operators[i];
        bool matrix = op->kind == &pare_operator_input || op->kind == &pare_operator_dense;
        if (matrix && index-- == 0) {
            *out = (pare_graph_matrix){op->inputs, op->outputs, op->stride,
                                       op->parameter - graph->parameter};
            return true;
        }
    }
    return false;
}

int64_t pare_graph_state(pare_graph *graph, float **out) {
    *out = graph->state;
    return graph->states;
}

static void forward(const pare_pass *pass, int64_t first) {
    for (int64_t i = first; i < pass->graph->count; i++) {
        const pare_operator *op = &pass->graph->operators[i];
        op->kind->forward(op, pass);
    }
}

void pare_graph_predict(pare_graph *graph, const pare_input *input, const float *mask,
                        const float **out, int64_t *stride) {
    const pare_operator *last = &graph->operators[graph->count - 1];
    pare_pass pass = {.graph = graph,
                      .kernels = graph->ctx->kernels,
                      .input = input,
                      .mask = mask,
                      .rows = input->rows};
    forward(&pass, 0);
    *out = last->y;
    *stride = last->stride;
}

void pare_graph_ablate(pare_graph *graph, const pare_input *input, const pare_target *target,
                       const float *mask, int64_t groups, const int64_t *start, double *loss,
                       double *weight) {
    const pare_operator *input_op = &graph->operators[0];
    const pare_operator *last = &graph->operators[graph->count - 1];
    pare_pass pass = {.graph = graph,
                      .kernels = graph->ctx->kernels,
                      .input = input,
                      .mask = mask,
                      .rows = input->rows};
    /* Nothing else uses the gradient of the first layer's output in inference. */
    size_t bytes = (size_t)(input->rows * input_op->stride) * sizeof(float);
    float *whole = input_op->dy;
    double score = 0, unused = 0;
    input_op->kind->forward(input_op, &pass);
    memcpy(whole, input_op->y, bytes);
    pare_input_negate(graph, input);
    for (int64_t g = 0; g <= groups; g++) {
        if (g > 0) {
            memcpy(input_op->y, whole, bytes);
        }
        if (g < groups) {
            pare_input_add(graph, input, start[g], start[g + 1], input_op->y);
        }
        forward(&pass, 1);
        pare_graph_score(graph, input->rows, last->y, last->stride, target, &loss[g], &score,
                         g < groups ? &unused : weight);
    }
}

double pare_graph_train(pare_graph *graph, const pare_input *input, const pare_target *target,
                        const float *mask, uint64_t step, float *d_mask) {
    const pare_operator *last = &graph->operators[graph->count - 1];
    pare_pass pass = {.graph = graph,
                      .kernels = graph->ctx->kernels,
                      .input = input,
                      .mask = mask,
                      .d_mask = d_mask,
                      .rows = input->rows,
                      .step = step,
                      .training = true};
    forward(&pass, 0);
    double loss = pare_loss_gradient(graph, input->rows, last->y, target, last->dy);
    for (int64_t i = graph->count - 1; i >= 0; i--) {
        const pare_operator *op = &graph->operators[i];
        op->kind->backward(op, &pass);
    }
    return loss;
}

const float *pare_graph_output(const pare_graph *graph, int64_t *stride) {
    const pare_operator *last = &graph->operators[graph->count - 1];
    *stride = last->stride;
    return last->y;
}

const float *pare_graph_output_gradient(const pare_graph *graph, int64_t *stride) {
    const pare_operator *last = &graph->operators[graph->count - 1];
    *stride = last->stride;
    return last->dy;
}

void pare_graph_input_gradient(const pare_graph *graph, int64_t rows, float *dx) {
    const pare_operator *op = &graph->operators[0];
    pare_gemm(false, true, rows, op->inputs, op->outputs, 1, op->dy, op->stride, op->parameter,
              op->stride, 0, dx, op->inputs);
}
