/* Time of one training step (train + optimiser) at the shapes of MNIST and ISOLET. Prints one JSON
 * object a line. floor_ms: the multiply-adds of the input layer's two products alone, at the
 * single-core sgemm rate of the reference machine. */
#include "base/random.h"
#include "kernels/kernels.h"
#include "nn/graph.h"
#include "platform/system.h"

#include <stdio.h>
#include <stdlib.h>

#define GEMM_RATE 92e9 /* flop/s */

typedef struct shape {
    const char *name;
    int64_t rows, width, hidden, outputs;
    double nonzero; /* share; 0: dense input */
} shape;

typedef struct workload {
    pare_graph *graph;
    pare_optimizer optimizer;
    pare_input input;
    pare_target target;
    float *mask, *d_mask;
} workload;

static void check(pare_context *ctx, pare_status status) {
    if (status != PARE_OK) {
        fprintf(stderr, "%s\n", pare_context_error(ctx));
        exit(1);
    }
}

static double draw(uint64_t index) {
    return pare_random_uniform(1, PARE_STREAM_TEST, index);
}

static void fill_dense(pare_context *ctx, const shape *s, pare_input *input) {
    float *x = NULL;
    check(ctx, pare_alloc(ctx, s->rows * s->width, sizeof *x, &x));
    for (int64_t i = 0; i < s->rows * s->width; i++) {
        x[i] = (float)(2 * draw((uint64_t)i) - 1);
    }
    input->dense = x;
}

static void fill_sparse(pare_context *ctx, const shape *s, pare_input *input) {
    int64_t cells = s->rows * s->width, nonzeros = 0, *start = NULL;
    int32_t *index = NULL;
    float *value = NULL, *shift = NULL, *scale = NULL;
    check(ctx, pare_alloc(ctx, s->rows + 1, sizeof *start, &start));
    check(ctx, pare_alloc(ctx, cells, sizeof *index, &index));
    check(ctx, pare_alloc(ctx, cells, sizeof *value, &value));
    check(ctx, pare_alloc(ctx, s->width, sizeof *shift, &shift));
    check(ctx, pare_alloc(ctx, s->width, sizeof *scale, &scale));
    for (int64_t i = 0; i < s->rows; i++) {
        start[i] = nonzeros;
        for (int64_t j = 0; j < s->width; j++) {
            double u = draw((uint64_t)(i * s->width + j));
            if (u < s->nonzero) {
                index[nonzeros] = (int32_t)j;
                value[nonzeros++] = (float)(u / s->nonzero);
            }
        }
    }
    start[s->rows] = nonzeros;
    for (int64_t j = 0; j < s->width; j++) {
        shift[j] = 0.1f;
        scale[j] = 3;
    }
    input->start = start;
    input->index = index;
    input->value = value;
    input->shift = shift;
    input->scale = scale;
}

static void one_step(workload *work, uint64_t step) {
    (void)pare_graph_train(work->graph, &work->input, &work->target, work->mask, step,
                           work->d_mask);
    pare_optimizer_step(&work->optimizer, 1e-3f, pare_graph_gradient(work->graph),
                        pare_graph_parameter(work->graph));
}

static void measure(pare_context *ctx, const shape *s) {
    workload work = {.input.rows = s->rows};
    int64_t *candidate_start = NULL;
    int32_t *label = NULL;
    check(ctx, pare_alloc(ctx, s->width + 1, sizeof *candidate_start, &candidate_start));
    check(ctx, pare_alloc(ctx, s->rows, sizeof *label, &label));
    check(ctx, pare_alloc(ctx, s->width, sizeof *work.mask, &work.mask));
    check(ctx, pare_alloc(ctx, s->width, sizeof *work.d_mask, &work.d_mask));
    for (int64_t j = 0; j <= s->width; j++) {
        candidate_start[j] = j;
    }
    for (int64_t j = 0; j < s->width; j++) {
        work.mask[j] = j % 2 ? 0.5f : 1;
    }
    for (int64_t i = 0; i < s->rows; i++) {
        label[i] = (int32_t)(i % s->outputs);
    }
    work.target.label = label;
    if (s->nonzero > 0) {
        fill_sparse(ctx, s, &work.input);
    } else {
        fill_dense(ctx, s, &work.input);
    }
    check(ctx, pare_graph_create(ctx, s->width, s->width, candidate_start, s->rows, &work.graph));
    pare_graph_input(work.graph, s->hidden);
    pare_graph_relu(work.graph);
    pare_graph_dense(work.graph, s->outputs);
    check(ctx, pare_graph_finish(work.graph, PARE_NN_SOFTMAX));
    pare_graph_init(work.graph, 1);
    check(ctx, pare_optimizer_init(ctx, PARE_OPTIMIZER_KIND_ADAM, pare_graph_parameters(work.graph),
                                   0, 0, &work.optimizer));

    /* The fastest of several blocks: other work on the machine only ever adds time. */
    enum { BLOCKS = 15, STEPS = 50 };
    double best = 1e9;
    for (int block = 0; block < BLOCKS; block++) {
        double before = pare_cpu_seconds();
        for (int step = 0; step < STEPS; step++) {
            one_step(&work, (uint64_t)step);
        }
        double each = (pare_cpu_seconds() - before) / STEPS;
        best = each < best ? each : best;
    }
    double floor_seconds = 4.0 * (double)(s->rows * s->width * s->hidden) / GEMM_RATE;
    printf("{\"bench\": \"nn step\", \"shape\": \"%s\", \"kernels\": \"%s\", \"ms\": %.4f, "
           "\"floor_ms\": %.4f}\n",
           s->name, ctx->kernels->level, best * 1e3, floor_seconds * 1e3);

    pare_optimizer_clear(&work.optimizer);
    pare_graph_destroy(work.graph);
    const void *owned[] = {candidate_start,  label,
                           work.mask,        work.d_mask,
                           work.input.dense, work.input.start,
                           work.input.index, work.input.value,
                           work.input.shift, work.input.scale};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, (void *)(uintptr_t)owned[i]);
    }
}

int main(void) {
    static const shape shapes[] = {
        {"mnist dense", 349, 784, 67, 10, 0},
        {"mnist sparse", 349, 784, 67, 10, 0.19},
        {"isolet dense", 64, 617, 67, 26, 0},
    };
    pare_context *ctx = NULL;
    if (pare_context_create(NULL, &ctx) != PARE_OK) {
        return 1;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        measure(ctx, &shapes[i]);
    }
    pare_context_destroy(ctx);
    return 0;
}
