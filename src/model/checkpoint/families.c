#include "model/checkpoint/families.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

typedef enum layout { PLAIN, TURNED, FUSED } layout;

/* One part of a layer, or a tensor of the whole model. */
typedef struct part {
    const char *ours, *stored;
    layout layout;
    int64_t part;
} part;

static const part gpt2_layer[] = {
    {"input_layernorm", "ln_1", PLAIN, 0},          {"self_attn.q_proj", "attn.c_attn", FUSED, 0},
    {"self_attn.k_proj", "attn.c_attn", FUSED, 1},  {"self_attn.v_proj", "attn.c_attn", FUSED, 2},
    {"self_attn.o_proj", "attn.c_proj", TURNED, 0}, {"post_attention_layernorm", "ln_2", PLAIN, 0},
    {"mlp.up_proj", "mlp.c_fc", TURNED, 0},         {"mlp.down_proj", "mlp.c_proj", TURNED, 0},
};
static const part gpt2_whole[] = {
    {"model.embed_tokens", "wte", PLAIN, 0},
    {"model.embed_positions", "wpe", PLAIN, 0},
    {"model.norm", "ln_f", PLAIN, 0},
    {"lm_head", "lm_head", PLAIN, 0},
};
static const part neox_layer[] = {
    {"input_layernorm", "input_layernorm", PLAIN, 0},
    {"self_attn.q_proj", "attention.query_key_value", FUSED, 0},
    {"self_attn.k_proj", "attention.query_key_value", FUSED, 1},
    {"self_attn.v_proj", "attention.query_key_value", FUSED, 2},
    {"self_attn.o_proj", "attention.dense", PLAIN, 0},
    {"post_attention_layernorm", "post_attention_layernorm", PLAIN, 0},
    {"mlp.up_proj", "mlp.dense_h_to_4h", PLAIN, 0},
    {"mlp.down_proj", "mlp.dense_4h_to_h", PLAIN, 0},
};
static const part neox_whole[] = {
    {"model.embed_tokens", "gpt_neox.embed_in", PLAIN, 0},
    {"model.norm", "gpt_neox.final_layer_norm", PLAIN, 0},
    {"lm_head", "embed_out", PLAIN, 0},
};

#define COUNT(list) (int64_t)(sizeof(list) / sizeof(list)[0])

typedef struct family {
    const char *name, *layer_prefix;
    const part *layer, *whole;
    int64_t layer_parts, whole_parts;
} family;

static const family families[] = {
    {"gpt2", "h.", gpt2_layer, gpt2_whole, COUNT(gpt2_layer), COUNT(gpt2_whole)},
    {"gpt_neox", "gpt_neox.layers.", neox_layer, neox_whole, COUNT(neox_layer), COUNT(neox_whole)},
};

static const family *family_of(const char *architecture) {
    for (int64_t i = 0; i < COUNT(families); i++) {
        if (strcmp(architecture, families[i].name) == 0) {
            return &families[i];
        }
    }
    return NULL;
}

bool pare_family_is(const char *architecture) {
    return family_of(architecture) != NULL;
}

int64_t pare_place_of(const pare_place *p, int64_t row, int64_t column) {
    return p->start + row / p->block * p->block_stride + row % p->block * p->row_stride +
           column * p->column_stride;
}

/* ---- Names ----------------------------------------------------------------------------------- */

/* Splits "<prefix><number>.<middle>.<weight or bias>"; number -1 without prefix. */
typedef struct parsed {
    int64_t number;
    const char *middle, *end; /* end: ".weight" */
    size_t length;            /* of middle */
} parsed;

static bool parse(const char *name, const char *prefix, parsed *out) {
    size_t skip = strlen(prefix);
    out->end = strrchr(name, '.');
    if (!out->end || (strcmp(out->end, ".weight") != 0 && strcmp(out->end, ".bias") != 0)) {
        return false;
    }
    out->number = -1;
    out->middle = name;
    if (strncmp(name, prefix, skip) == 0) {
        size_t digits = strspn(name + skip, "0123456789");
        if (digits == 0 || digits > 5 || name[skip + digits] != '.') {
            return false;
        }
        out->number = 0;
        for (size_t i = 0; i < digits; i++) {
            out->number = 10 * out->number + (name[skip + i] - '0');
        }
        out->middle = name + skip + digits + 1;
    }
    if (out->end <= out->middle) {
        return false;
    }
    out->length = (size_t)(out->end - out->middle);
    return true;
}

static bool is(const parsed *name, const char *text) {
    return strlen(text) == name->length && memcmp(name->middle, text, name->length) == 0;
}

bool pare_family_tensor_of(const pare_lm_shape *s, const char *ours, int64_t rows, int64_t columns,
                           pare_family_tensor *out) {
    const family *f = family_of(s->architecture);
    parsed name;
    if (!f || !parse(ours, "model.layers.", &name)) {
        return false;
    }
    const part *list = name.number >= 0 ? f->layer : f->whole, *found = NULL;
    int64_t count = name.number >= 0 ? f->layer_parts : f->whole_parts;
    for (int64_t i = 0; i < count; i++) {
        found = is(&name, list[i].ours) ? &list[i] : found;
    }
    if (!found) {
        return false;
    }
    if (name.number >= 0) {
        snprintf(out->name, sizeof out->name, "%s%lld.%s%s", f->layer_prefix,
                 (long long)name.number, found->stored, name.end);
    } else {
        snprintf(out->name, sizeof out->name, "%s%s", found->stored, name.end);
    }
    bool vector = columns == 0, turned = strcmp(f->name, "gpt2") == 0;
    int64_t width = vector ? 1 : columns, d = s->head_dim;
    out->part = found->part;
    out->rows = found->layout == FUSED ? 3 * rows : rows;
    out->columns = columns;
    out->place = (pare_place){0, rows, 0, width, 1};
    if (found->layout == FUSED && !turned) { /* query, key, value of one head after the other */
        out->place = (pare_place){found->part * d * width, d, 3 * d * width, width, 1};
    } else if (found->layout == FUSED) {
        out->place = (pare_place){found->part * rows, rows, 0, 1, 3 * rows};
    } else if (found->layout == TURNED) {
        out->place = (pare_place){0, rows, 0, 1, rows};
    }
    if (found->layout != PLAIN && turned && !vector) {
        int64_t swap = out->rows;
        out->rows = out->columns;
        out->columns = swap;
    }
    return true;
}

/* ---- Tensors as read ------------------------------------------------------------------------- */

/* The stored tensor of a name, with or without the prefix that some files have. */
static const pare_stored *find(const pare_checkpoint *c, int64_t count, const char *name) {
    static const char prefix[] = "transformer.";
    for (int64_t i = 0; i < count; i++) {
        const char *have = c->tensor[i].name;
        have += strncmp(have, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
        if (strcmp(have, name) == 0) {
            return &c->tensor[i];
        }
    }
    return NULL;
}

/* Adds one of our tensors: in place if it lies as ours do, else a copy in our order. */
static pare_status derive(pare_checkpoint *c, int64_t stored, const char *ours, int64_t rows,
                          int64_t columns) {
    pare_family_tensor t;
    if (!pare_family_tensor_of(&c->shape, ours, rows, columns, &t)) {
        return PARE_OK;
    }
    const pare_stored *found = find(c, stored, t.name);
    if (!found) {
        return pare_fail(c->ctx, PARE_ERROR_INPUT, "%s: tensor %s is missing", c->path, t.name);
    }
    pare_stored from = *found;
    if (from.rank != (columns > 0 ? 2 : 1) || from.shape[0] != t.rows ||
        (columns > 0 && from.shape[1] != t.columns)) {
        return pare_fail(c->ctx, PARE_ERROR_INPUT,
                         "%s: tensor %s is not %lld x %lld, as the model's configuration says",
                         c->path, t.name, (long long)t.rows,
                         (long long)(columns > 0 ? t.columns : 1));
    }
    const int64_t shape[2] = {rows, columns};
    int64_t width = columns > 0 ? columns : 1;
    pare_place as_ours = {0, rows, 0, width, 1};
    bool same = memcmp(&as_ours, &t.place, sizeof as_ours) == 0;
    unsigned char *copy = NULL;
    pare_status status = PARE_OK;
    size_t size = (size_t)pare_dtype_bytes(from.dtype, 1);
    if (!same) {
        status = pare_alloc(c->ctx, rows * width, size, &copy);
        for (int64_t i = 0; status == PARE_OK && i < rows * width; i++) {
            memcpy(copy + (size_t)i * size,
                   from.bytes + (size_t)pare_place_of(&t.place, i / width, i % width) * size, size);
        }
    }
    if (status == PARE_OK) {
        status = pare_checkpoint_add(c, ours, (int64_t)strlen(ours), from.dtype,
                                     columns > 0 ? 2 : 1, shape, same ? from.bytes : copy);
    }
    if (status != PARE_OK) {
        pare_free(c->ctx, copy);
        return status;
    }
    c->tensor[c->tensors - 1].owned = !same;
    return PARE_OK;
}

pare_status pare_family_adapt(pare_checkpoint *c) {
    const pare_lm_shape *s = &c->shape;
    int64_t stored = c->tensors;
    const struct {
        const char *name;
        int64_t rows, columns;
        bool present;
    } whole[] = {
        {"model.embed_tokens.weight", s->vocabulary, s->hidden, true},
        {"model.embed_positions.weight", s->context, s->hidden, s->positions},
        {"model.norm.weight", s->hidden, 0, true},
        {"model.norm.bias", s->hidden, 0, true},
        {"lm_head.weight", s->vocabulary, s->hidden, !s->tied},
    };
    pare_status status = PARE_OK;
    for (int64_t i = 0; status == PARE_OK && i < COUNT(whole); i++) {
        /* GPT-2's own output, if a file repeats it, keeps its name. */
        if (whole[i].present && !find(c, stored, whole[i].name)) {
            status = derive(c, stored, whole[i].name, whole[i].rows, whole[i].columns);
        }
    }
    for (int64_t i = 0; status == PARE_OK && i < s->layers * PARE_LM_SLOTS; i++) {
        pare_lm_slot slot = (pare_lm_slot)(i % PARE_LM_SLOTS);
        int64_t rows = 0, columns = 0;
        char name[PARE_LM_NAME];
        if (pare_lm_slot_size(s, i / PARE_LM_SLOTS, slot, &rows, &columns)) {
            pare_lm_slot_name(i / PARE_LM_SLOTS, slot, name);
            status = derive(c, stored, name, rows, columns);
        }
    }
    return status;
}

/* ---- Configuration --------------------------------------------------------------------------- */

/* Names of the sizes in the two kinds of config.json. */
typedef struct field_names {
    const char *hidden, *layers, *heads, *ffn, *context, *epsilon, *activation;
} field_names;

static const field_names gpt2_fields = {"n_embd",
                                        "n_layer",
                                        "n_head",
                                        "n_inner",
                                        "n_positions",
                                        "layer_norm_epsilon",
                                        "activation_function"};
static const field_names neox_fields = {
    "hidden_size",       "num_hidden_layers",       "num_attention_heads",
    "intermediate_size", "max_position_embeddings", "layer_norm_eps",
    "hidden_act"};

static int64_t whole_number(json_t *config, const char *name, int64_t missing) {
    json_t *value = json_object_get(config, name);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : missing;
}

static double number(json_t *config, const char *name, double missing) {
    json_t *value = json_object_get(config, name);
    return json_is_number(value) ? json_number_value(value) : missing;
}

static bool flag(json_t *config, const char *name, bool missing) {
    json_t *value = json_object_get(config, name);
    return json_is_boolean(value) ? json_is_true(value) : missing;
}

static pare_status read_activation(pare_context *ctx, const char *path, const char *name,
                                   pare_lm_shape *s) {
    if (strcmp(name, "gelu") == 0) {
        s->activation = PARE_LM_GELU;
    } else if (strcmp(name, "gelu_new") == 0 || strcmp(name, "gelu_fast") == 0 ||
               strcmp(name, "gelu_pytorch_tanh") == 0) {
        s->activation = PARE_LM_GELU_TANH;
    } else {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: activation '%s' is not supported; these are: gelu, gelu_new, "
                         "gelu_fast, gelu_pytorch_tanh",
                         path, name);
    }
    return PARE_OK;
}

pare_status pare_family_read_config(pare_context *ctx, const char *path, json_t *config,
                                    pare_lm_shape *s, pare_lm_layer *every) {
    bool gpt2 = strcmp(s->architecture, "gpt2") == 0;
    const field_names *f = gpt2 ? &gpt2_fields : &neox_fields;
    const char *activation = json_string_value(json_object_get(config, f->activation));
    s->hidden = whole_number(config, f->hidden, -1);
    s->layers = whole_number(config, f->layers, -1);
    s->vocabulary = whole_number(config, "vocab_size", -1);
    s->context = whole_number(config, f->context, -1);
    int64_t heads = whole_number(config, f->heads, -1);
    if (s->hidden < 1 || s->layers < 1 || s->vocabulary < 1 || s->context < 1 || heads < 1) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: %s, %s, %s, %s and vocab_size must be whole numbers of 1 or more",
                         path, f->hidden, f->layers, f->heads, f->context);
    }
    *every = (pare_lm_layer){heads, heads, whole_number(config, f->ffn, 4 * s->hidden)};
    s->head_dim = whole_number(config, "head_dim", s->hidden / heads);
    s->norm_epsilon = number(config, f->epsilon, 1e-5);
    s->tied = flag(config, "tie_word_embeddings", gpt2);
    s->bos = whole_number(config, "bos_token_id", -1);
    s->eos = whole_number(config, "eos_token_id", -1);
    s->layer_norm = s->qkv_bias = s->output_bias = s->ffn_bias = true;
    s->rope_base = 10000;
    s->unrotated = s->head_dim;
    if (gpt2) {
        s->positions = true;
        if (flag(config, "scale_attn_by_inverse_layer_idx", false) ||
            !flag(config, "scale_attn_weights", true)) {
            return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                             "%s: attention scaled in another way than by the size of a head",
                             path);
        }
        return read_activation(ctx, path, activation ? activation : "gelu_new", s);
    }
    double share = number(config, "rotary_pct", number(config, "partial_rotary_factor", 0.25));
    s->rope_base = number(config, "rotary_emb_base", number(config, "rope_theta", 10000));
    s->parallel = flag(config, "use_parallel_residual", true);
    s->qkv_bias = s->output_bias = flag(config, "attention_bias", true);
    if (!(share >= 0 && share <= 1) || s->head_dim > INT32_MAX) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: rotary_pct is not between 0 and 1", path);
    }
    s->unrotated = s->head_dim - (int64_t)((double)s->head_dim * share);
    return read_activation(ctx, path, activation ? activation : "gelu", s);
}

int pare_family_write_config(const pare_lm_shape *s, const pare_lm_layer *common, json_t *config) {
    bool gpt2 = strcmp(s->architecture, "gpt2") == 0;
    const field_names *f = gpt2 ? &gpt2_fields : &neox_fields;
    int bad = json_object_set_new(config, f->hidden, json_integer(s->hidden));
    bad |= json_object_set_new(config, f->layers, json_integer(s->layers));
    bad |= json_object_set_new(config, f->heads, json_integer(common->heads));
    bad |= json_object_set_new(config, f->ffn, json_integer(common->ffn));
    bad |= json_object_set_new(config, f->context, json_integer(s->context));
    bad |= json_object_set_new(config, f->epsilon, json_real(s->norm_epsilon));
    bad |= json_object_set_new(config, "head_dim", json_integer(s->head_dim));
    bad |= json_object_set_new(config, "vocab_size", json_integer(s->vocabulary));
    bad |= json_object_set_new(config, "tie_word_embeddings", json_boolean(s->tied));
    if (!json_object_get(config, f->activation)) {
        bad |=
            json_object_set_new(config, f->activation,
                                json_string(s->activation == PARE_LM_GELU ? "gelu" : "gelu_new"));
    }
    if (!gpt2) {
        double share = (double)pare_lm_rotary(s) / (double)s->head_dim;
        bad |= json_object_set_new(config, "rotary_pct", json_real(share));
        bad |= json_object_set_new(config, "rotary_emb_base", json_real(s->rope_base));
        bad |= json_object_set_new(config, "use_parallel_residual", json_boolean(s->parallel));
        bad |= json_object_set_new(config, "attention_bias", json_boolean(s->qkv_bias));
    }
    return bad;
}
