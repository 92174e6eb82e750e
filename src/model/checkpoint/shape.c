#include "model/checkpoint/checkpoint.h"

#include <math.h>
#include <string.h>

/* More than any model has; keeps products of header fields far from overflow. */
enum { LAYERS_MOST = 10000 };
static const int64_t dimension_most = INT64_C(1) << 24;

bool pare_lm_uniform(const pare_lm_shape *shape) {
    for (int64_t i = 1; i < shape->layers; i++) {
        const pare_lm_layer *a = &shape->layer[0], *b = &shape->layer[i];
        if (a->heads != b->heads || a->kv_heads != b->kv_heads || a->ffn != b->ffn) {
            return false;
        }
    }
    return shape->layers > 0 && shape->layer[0].heads > 0 && shape->layer[0].ffn > 0;
}

int64_t pare_lm_layer_parameters(const pare_lm_shape *shape, int64_t index) {
    const pare_lm_layer *layer = &shape->layer[index];
    int64_t queries = layer->heads * shape->head_dim, keys = layer->kv_heads * shape->head_dim;
    int64_t count = 0;
    if (layer->heads > 0) {
        count += shape->hidden * (2 * queries + 2 * keys + 1);
        count += shape->qkv_bias ? queries + 2 * keys : 0;
        count += shape->output_bias ? shape->hidden : 0;
        count += shape->qk_norm ? 2 * shape->head_dim : 0;
    }
    if (layer->ffn > 0) {
        count += shape->hidden * (3 * layer->ffn + 1);
        count += shape->ffn_bias ? 2 * layer->ffn + shape->hidden : 0;
    }
    return count;
}

int64_t pare_lm_parameters(const pare_lm_shape *shape) {
    int64_t count = shape->hidden * (shape->vocabulary * (shape->tied ? 1 : 2) + 1);
    for (int64_t i = 0; i < shape->layers; i++) {
        count += pare_lm_layer_parameters(shape, i);
    }
    return count;
}

int64_t pare_lm_multiply_adds(const pare_lm_shape *shape, int64_t position) {
    int64_t count = shape->hidden * shape->vocabulary;
    for (int64_t i = 0; i < shape->layers; i++) {
        const pare_lm_layer *layer = &shape->layer[i];
        int64_t queries = layer->heads * shape->head_dim, keys = layer->kv_heads * shape->head_dim;
        count += shape->hidden * (2 * queries + 2 * keys + 3 * layer->ffn);
        count += 2 * queries * (position + 1);
    }
    return count;
}

pare_status pare_lm_shape_reserve(pare_context *ctx, pare_lm_shape *shape, pare_lm_layer every,
                                  const char *path) {
    const struct {
        const char *name;
        int64_t value, most;
    } fields[] = {
        {"number of layers", shape->layers, LAYERS_MOST},
        {"hidden size", shape->hidden, dimension_most},
        {"head dimension", shape->head_dim, dimension_most},
        {"vocabulary size", shape->vocabulary, dimension_most},
        {"context length", shape->context, INT64_C(1) << 40},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].value < 1 || fields[i].value > fields[i].most) {
            return pare_fail(ctx, PARE_ERROR_INPUT, "%s: %s is %lld, expected 1 to %lld", path,
                             fields[i].name, (long long)fields[i].value, (long long)fields[i].most);
        }
    }
    if (shape->head_dim % 2 != 0) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: head dimension is %lld, expected an even number", path,
                         (long long)shape->head_dim);
    }
    if (!(shape->rope_base > 0) || !isfinite(shape->rope_base)) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: the rotary base is not a positive number",
                         path);
    }
    pare_status status = pare_alloc(ctx, shape->layers, sizeof *shape->layer, &shape->layer);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, shape->head_dim / 2, sizeof *shape->rope_frequency,
                            &shape->rope_frequency);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < shape->layers; i++) {
        shape->layer[i] = every;
    }
    for (int64_t i = 0; i < shape->head_dim / 2; i++) {
        shape->rope_frequency[i] =
            pow(shape->rope_base, -2.0 * (double)i / (double)shape->head_dim);
    }
    return PARE_OK;
}

pare_status pare_lm_shape_copy(pare_context *ctx, const pare_lm_shape *from, pare_lm_shape *to) {
    *to = *from;
    to->layer = NULL;
    to->rope_frequency = NULL;
    pare_status status = pare_alloc(ctx, from->layers, sizeof *to->layer, &to->layer);
    if (status == PARE_OK) {
        status =
            pare_alloc(ctx, from->head_dim / 2, sizeof *to->rope_frequency, &to->rope_frequency);
    }
    if (status != PARE_OK) {
        pare_lm_shape_clear(ctx, to);
        return status;
    }
    memcpy(to->layer, from->layer, (size_t)from->layers * sizeof *to->layer);
    memcpy(to->rope_frequency, from->rope_frequency,
           (size_t)(from->head_dim / 2) * sizeof *to->rope_frequency);
    return PARE_OK;
}

void pare_lm_shape_clear(pare_context *ctx, pare_lm_shape *shape) {
    pare_free(ctx, shape->layer);
    pare_free(ctx, shape->rope_frequency);
    *shape = (pare_lm_shape){0};
}
