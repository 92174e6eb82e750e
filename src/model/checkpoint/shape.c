#include "model/checkpoint/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* More than any model has; keeps products of header fields far from overflow. */
enum { LAYERS_MOST = 10000 };
static const int64_t dimension_most = INT64_C(1) << 24;

int64_t pare_lm_rotary(const pare_lm_shape *shape) {
    return shape->head_dim - shape->unrotated;
}

bool pare_lm_uniform(const pare_lm_shape *shape) {
    for (int64_t i = 1; i < shape->layers; i++) {
        const pare_lm_layer *a = &shape->layer[0], *b = &shape->layer[i];
        if (a->heads != b->heads || a->kv_heads != b->kv_heads || a->ffn != b->ffn) {
            return false;
        }
    }
    return shape->layers > 0 && shape->layer[0].heads > 0 && shape->layer[0].ffn > 0;
}

bool pare_lm_slot_size(const pare_lm_shape *s, int64_t index, pare_lm_slot slot, int64_t *rows,
                       int64_t *columns) {
    const pare_lm_layer *layer = &s->layer[index];
    int64_t queries = layer->heads * s->head_dim, keys = layer->kv_heads * s->head_dim;
    bool attention = layer->heads > 0, ffn = layer->ffn > 0;
    bool gate = ffn && s->activation == PARE_LM_SILU_GATED;
    const struct {
        int64_t rows, columns;
        bool present;
    } sizes[PARE_LM_SLOTS] = {
        [PARE_LM_Q] = {queries, s->hidden, attention},
        [PARE_LM_K] = {keys, s->hidden, attention},
        [PARE_LM_V] = {keys, s->hidden, attention},
        [PARE_LM_O] = {s->hidden, queries, attention},
        [PARE_LM_GATE] = {layer->ffn, s->hidden, gate},
        [PARE_LM_UP] = {layer->ffn, s->hidden, ffn},
        [PARE_LM_DOWN] = {s->hidden, layer->ffn, ffn},
        [PARE_LM_ATTENTION_NORM] = {s->hidden, 0, attention},
        [PARE_LM_FFN_NORM] = {s->hidden, 0, ffn},
        [PARE_LM_Q_BIAS] = {queries, 0, attention && s->qkv_bias},
        [PARE_LM_K_BIAS] = {keys, 0, attention && s->qkv_bias},
        [PARE_LM_V_BIAS] = {keys, 0, attention && s->qkv_bias},
        [PARE_LM_O_BIAS] = {s->hidden, 0, attention && s->output_bias},
        [PARE_LM_GATE_BIAS] = {layer->ffn, 0, gate && s->ffn_bias},
        [PARE_LM_UP_BIAS] = {layer->ffn, 0, ffn && s->ffn_bias},
        [PARE_LM_DOWN_BIAS] = {s->hidden, 0, ffn && s->ffn_bias},
        [PARE_LM_Q_NORM] = {s->head_dim, 0, attention && s->qk_norm},
        [PARE_LM_K_NORM] = {s->head_dim, 0, attention && s->qk_norm},
        [PARE_LM_ATTENTION_NORM_BIAS] = {s->hidden, 0, attention && s->layer_norm},
        [PARE_LM_FFN_NORM_BIAS] = {s->hidden, 0, ffn && s->layer_norm},
    };
    *rows = sizes[slot].rows;
    *columns = sizes[slot].columns;
    return sizes[slot].present;
}

void pare_lm_slot_name(int64_t index, pare_lm_slot slot, char out[PARE_LM_NAME]) {
    static const char *const names[PARE_LM_SLOTS] = {
        [PARE_LM_Q] = "self_attn.q_proj.weight",
        [PARE_LM_K] = "self_attn.k_proj.weight",
        [PARE_LM_V] = "self_attn.v_proj.weight",
        [PARE_LM_O] = "self_attn.o_proj.weight",
        [PARE_LM_GATE] = "mlp.gate_proj.weight",
        [PARE_LM_UP] = "mlp.up_proj.weight",
        [PARE_LM_DOWN] = "mlp.down_proj.weight",
        [PARE_LM_ATTENTION_NORM] = "input_layernorm.weight",
        [PARE_LM_FFN_NORM] = "post_attention_layernorm.weight",
        [PARE_LM_Q_BIAS] = "self_attn.q_proj.bias",
        [PARE_LM_K_BIAS] = "self_attn.k_proj.bias",
        [PARE_LM_V_BIAS] = "self_attn.v_proj.bias",
        [PARE_LM_O_BIAS] = "self_attn.o_proj.bias",
        [PARE_LM_GATE_BIAS] = "mlp.gate_proj.bias",
        [PARE_LM_UP_BIAS] = "mlp.up_proj.bias",
        [PARE_LM_DOWN_BIAS] = "mlp.down_proj.bias",
        [PARE_LM_Q_NORM] = "self_attn.q_norm.weight",
        [PARE_LM_K_NORM] = "self_attn.k_norm.weight",
        [PARE_LM_ATTENTION_NORM_BIAS] = "input_layernorm.bias",
        [PARE_LM_FFN_NORM_BIAS] = "post_attention_layernorm.bias",
    };
    snprintf(out, PARE_LM_NAME, "model.layers.%lld.%s", (long long)index, names[slot]);
}

int64_t pare_lm_layer_parameters(const pare_lm_shape *shape, int64_t index) {
    int64_t count = 0;
    for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
        int64_t rows = 0, columns = 0;
        if (pare_lm_slot_size(shape, index, (pare_lm_slot)slot, &rows, &columns)) {
            count += rows * (columns > 0 ? columns : 1);
        }
    }
    return count;
}

int64_t pare_lm_parameters(const pare_lm_shape *shape) {
    int64_t count = shape->hidden * (shape->vocabulary * (shape->tied ? 1 : 2) + 1);
    count += shape->layer_norm ? shape->hidden : 0;
    count += shape->positions ? shape->hidden * shape->context : 0;
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
        count += shape->hidden * (2 * queries + 2 * keys);
        count += shape->hidden * (shape->activation == PARE_LM_SILU_GATED ? 3 : 2) * layer->ffn;
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
    if (shape->head_dim % 2 != 0 || shape->unrotated % 2 != 0 || shape->unrotated < 0 ||
        shape->unrotated > shape->head_dim) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: head dimension is %lld with %lld rotated, expected even numbers",
                         path, (long long)shape->head_dim, (long long)pare_lm_rotary(shape));
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
        double rotary = (double)(pare_lm_rotary(shape) > 0 ? pare_lm_rotary(shape) : 1);
        shape->rope_frequency[i] = pow(shape->rope_base, -2.0 * (double)i / rotary);
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
