/* Shared by the tests of the network: a small batch, dense and sparse, and graphs over it. */
#ifndef PARE_TESTS_NN_SUPPORT_H
#define PARE_TESTS_NN_SUPPORT_H

#include "support.h"

#include "base/random.h"
#include "nn/operator.h"

#include <math.h>

enum { ROWS = 9, WIDTH = 11, HIDDEN = 7, CANDIDATES = 6, OUTPUTS = 3, BATCH = 12 };

/* Candidates of one, two and three features. */
static const int64_t groups[CANDIDATES + 1] = {0, 1, 3, 4, 7, 9, WIDTH};

static inline double uniform(uint64_t index) {
    return 2 * pare_random_uniform(7, PARE_STREAM_TEST, index) - 1;
}

/* The same rows dense and sparse, with every kind of target. */
typedef struct data {
    float dense[ROWS * WIDTH];
    double exact[ROWS * WIDTH];
    int64_t start[ROWS + 1];
    int32_t index[ROWS * WIDTH];
    float value[ROWS * WIDTH];
    float shift[WIDTH], scale[WIDTH];
    int32_t label[ROWS], bit[ROWS];
    float target[ROWS * OUTPUTS], weight[ROWS];
    float mask[CANDIDATES];
} data;

static inline void fill(data *d) {
    int64_t nonzeros = 0;
    for (int64_t j = 0; j < WIDTH; j++) {
        d->shift[j] = (float)(0.3 * uniform((uint64_t)(1000 + j)));
        d->scale[j] = (float)(1.5 + uniform((uint64_t)(2000 + j)));
    }
    for (int64_t i = 0; i < ROWS; i++) {
        d->start[i] = nonzeros;
        for (int64_t j = 0; j < WIDTH; j++) {
            int64_t at = i * WIDTH + j;
            float raw = (float)uniform((uint64_t)at);
            if (fabsf(raw) < 0.5f) {
                raw = 0;
            } else {
                d->index[nonzeros] = (int32_t)j;
                d->value[nonzeros++] = raw;
            }
            d->dense[at] = (raw - d->shift[j]) * d->scale[j];
            d->exact[at] = (double)d->dense[at];
        }
        d->label[i] = (int32_t)(i % OUTPUTS);
        d->bit[i] = (int32_t)(i % 2);
        d->weight[i] = (float)(i % 3) + 0.5f;
        for (int64_t o = 0; o < OUTPUTS; o++) {
            /* Some beyond Huber's bend, some not. */
            d->target[i * OUTPUTS + o] = (float)(3 * uniform((uint64_t)(3000 + i * OUTPUTS + o)));
        }
    }
    d->start[ROWS] = nonzeros;
    for (int64_t c = 0; c < CANDIDATES; c++) {
        d->mask[c] = (float)(0.7 + 0.5 * uniform((uint64_t)(4000 + c)));
    }
}

static inline pare_input input_of(const data *d, bool sparse) {
    if (!sparse) {
        return (pare_input){.rows = ROWS, .dense = d->dense};
    }
    return (pare_input){.rows = ROWS,
                        .start = d->start,
                        .index = d->index,
                        .value = d->value,
                        .shift = d->shift,
                        .scale = d->scale};
}

static inline pare_target target_of(const data *d, pare_loss loss) {
    return (pare_target){.label = loss == PARE_NN_BINARY ? d->bit : d->label,
                         .value = d->target,
                         .weight = d->weight};
}

/* "i" input layer of HIDDEN, "d" dense of HIDDEN, "o" dense of the outputs, "O" input layer of the
 * outputs; the others stand for themselves: relu, gelu, batch, layer, "x" dropout. */
static inline void append(pare_graph *graph, const char *layers, int64_t outputs) {
    for (const char *at = layers; *at; at++) {
        switch (*at) {
        case 'i':
            pare_graph_input(graph, HIDDEN);
            break;
        case 'O':
            pare_graph_input(graph, outputs);
            break;
        case 'd':
            pare_graph_dense(graph, HIDDEN);
            break;
        case 'o':
            pare_graph_dense(graph, outputs);
            break;
        case 'r':
            pare_graph_relu(graph);
            break;
        case 'g':
            pare_graph_gelu(graph);
            break;
        case 'b':
            pare_graph_batch_norm(graph);
            break;
        case 'l':
            pare_graph_layer_norm(graph);
            break;
        default:
            pare_graph_dropout(graph, 0.4f);
        }
    }
}

static inline bool is_padding(const pare_graph *graph, int64_t index) {
    for (int64_t k = 0; k < graph->count; k++) {
        const pare_operator *op = &graph->operators[k];
        int64_t at = index - (op->parameter - graph->parameter);
        if (op->parameters > 0 && at >= 0 && at < op->parameters) {
            return at % op->stride >= op->outputs;
        }
    }
    return true;
}

/* A finished graph with every parameter (biases and gains too) away from its initial value. */
static inline pare_graph *graph_of(pare_context *ctx, const char *layers, pare_loss loss,
                                   int64_t batch) {
    pare_graph *graph = NULL;
    assert_ok(ctx, pare_graph_create(ctx, WIDTH, CANDIDATES, groups, batch, &graph));
    append(graph, layers, loss == PARE_NN_BINARY ? 1 : OUTPUTS);
    assert_ok(ctx, pare_graph_finish(graph, loss));
    pare_graph_init(graph, 3);
    float *parameter = pare_graph_parameter(graph);
    for (int64_t i = 0; i < pare_graph_parameters(graph); i++) {
        if (!is_padding(graph, i)) {
            parameter[i] += (float)(0.3 * uniform((uint64_t)(5000 + i)));
        }
    }
    return graph;
}

static inline pare_context *context(void) {
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    return ctx;
}

#endif
