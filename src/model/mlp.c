#include "base/text.h"
#include "model/model.h"

#include <string.h>

enum { HIDDEN_MAX = 65536, NUMBER_SIZE = 16 };

/* Next size of the list, 0 at its end, -1 if it is not a size. */
static int64_t next_size(const char **cursor) {
    const char *item = NULL;
    int64_t length = 0, size = 0;
    if (!pare_list_next(cursor, &item, &length)) {
        return 0;
    }
    char number[NUMBER_SIZE];
    if (length >= NUMBER_SIZE) {
        return -1;
    }
    memcpy(number, item, (size_t)length);
    number[length] = '\0';
    return pare_parse_integer(number, &size) && size >= 1 && size <= HIDDEN_MAX ? size : -1;
}

static void append_hidden(pare_graph *graph, const pare_options *options, bool first,
                          int64_t size) {
    if (first) {
        pare_graph_input(graph, size);
    } else {
        pare_graph_dense(graph, size);
    }
    if (options->normalise == PARE_NORMALISE_BATCH) {
        pare_graph_batch_norm(graph);
    } else if (options->normalise == PARE_NORMALISE_LAYER) {
        pare_graph_layer_norm(graph);
    }
    if (options->activation == PARE_ACTIVATION_GELU) {
        pare_graph_gelu(graph);
    } else {
        pare_graph_relu(graph);
    }
    if (options->dropout > 0) {
        pare_graph_dropout(graph, (float)options->dropout);
    }
}

static pare_status append_mlp(pare_context *ctx, pare_graph *graph, const pare_options *options,
                              int64_t outputs) {
    const char *cursor = options->hidden;
    bool first = true;
    for (int64_t size = next_size(&cursor); size != 0 || first; size = next_size(&cursor)) {
        if (size < 1) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "option hidden: '%s' is not a list of layer sizes from 1 to %d, "
                             "separated by commas",
                             options->hidden, (int)HIDDEN_MAX);
        }
        append_hidden(graph, options, first, size);
        first = false;
    }
    pare_graph_dense(graph, outputs);
    return PARE_OK;
}

pare_status pare_model_build(pare_context *ctx, const pare_options *options, int64_t model,
                             int64_t width, int64_t candidates, const int64_t *candidate_start,
                             int64_t batch, int64_t outputs, pare_loss loss, pare_graph **out) {
    *out = NULL;
    pare_graph *graph = NULL;
    pare_status status = pare_graph_create(ctx, width, candidates, candidate_start, batch, &graph);
    if (status != PARE_OK) {
        goto fail;
    }
    if (model == PARE_MODEL_LINEAR) {
        pare_graph_input(graph, outputs);
    } else {
        status = append_mlp(ctx, graph, options, outputs);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    bool huber = loss == PARE_NN_SQUARED && options->loss == PARE_LOSS_HUBER;
    status = pare_graph_finish(graph, huber ? PARE_NN_HUBER : loss);
    if (status != PARE_OK) {
        goto fail;
    }
    *out = graph;
    return PARE_OK;
fail:
    pare_graph_destroy(graph);
    return status;
}
