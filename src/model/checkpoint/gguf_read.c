/*
 * GGUF, versions 2 and 3 (little-endian): counts, metadata, tensor descriptions, aligned data. The
 * file is untrusted: every read goes through `take`, which never passes the end of the map, and a
 * count is compared with the bytes that are left before anything is reserved for it.
 */
#include "base/text.h"
#include "model/checkpoint/gguf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct gguf {
    pare_checkpoint *out;
    const unsigned char *bytes;
    int64_t length, at; /* bytes */
    int64_t alignment;
    pare_lm_layer every;
    pare_lm_layer *layer; /* (layer_count) as the lists come in */
    int64_t layer_count;
    int64_t key_length, value_length, rope_dimensions;
    char prefix[32];                  /* "llama." */
    const unsigned char *rope_factor; /* float32 (head_dim / 2), or NULL */
    int64_t rope_factors;
} gguf;

static pare_status cut_short(const gguf *g) {
    return pare_fail(g->out->ctx, PARE_ERROR_INPUT,
                     "%s: the header ends at byte %lld of a file of %lld: cut short or damaged",
                     g->out->path, (long long)g->at, (long long)g->length);
}

static pare_status take(gguf *g, void *to, int64_t size) {
    if (size > g->length - g->at) {
        return cut_short(g);
    }
    memcpy(to, g->bytes + g->at, (size_t)size);
    g->at += size;
    return PARE_OK;
}

static pare_status take_string(gguf *g, const char **text, int64_t *length) {
    uint64_t size = 0;
    pare_status status = take(g, &size, sizeof size);
    if (status == PARE_OK && size > (uint64_t)(g->length - g->at)) {
        status = cut_short(g);
    }
    if (status == PARE_OK) {
        *text = (const char *)g->bytes + g->at;
        *length = (int64_t)size;
        g->at += *length;
    }
    return status;
}

/* A metadata value: a number (as integer and real), a string, or an array left at its place. */
typedef struct value {
    gguf_kind kind, element;
    int64_t integer;
    double real;
    const char *text;
    int64_t length; /* of text, or entries of the array */
    int64_t at;     /* of the first entry */
} value;

static int64_t kind_size(gguf_kind kind) {
    static const int64_t size[GGUF_KINDS] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return kind < GGUF_KINDS ? size[kind] : 0;
}

static pare_status take_number(gguf *g, gguf_kind kind, value *out) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        float f32;
        uint64_t u64;
        int64_t i64;
        double f64;
    } raw = {0};
    pare_status status = take(g, &raw, kind_size(kind));
    if (status != PARE_OK) {
        return status;
    }
    switch (kind) {
    case GGUF_UINT8:
    case GGUF_BOOL:
        out->integer = raw.u8;
        break;
    case GGUF_INT8:
        out->integer = raw.i8;
        break;
    case GGUF_UINT16:
        out->integer = raw.u16;
        break;
    case GGUF_INT16:
        out->integer = raw.i16;
        break;
    case GGUF_UINT32:
        out->integer = raw.u32;
        break;
    case GGUF_INT32:
        out->integer = raw.i32;
        break;
    case GGUF_UINT64:
        out->integer = raw.u64 > INT64_MAX ? INT64_MAX : (int64_t)raw.u64;
        break;
    case GGUF_INT64:
        out->integer = raw.i64;
        break;
    case GGUF_FLOAT32:
        out->real = (double)raw.f32;
        return PARE_OK;
    case GGUF_FLOAT64:
        out->real = raw.f64;
        return PARE_OK;
    default:
        break;
    }
    out->real = (double)out->integer;
    return PARE_OK;
}

static pare_status take_value(gguf *g, value *out) {
    uint32_t kind = 0;
    *out = (value){0};
    pare_status status = take(g, &kind, sizeof kind);
    if (status != PARE_OK) {
        return status;
    }
    if (kind >= GGUF_KINDS) {
        return pare_fail(g->out->ctx, PARE_ERROR_INPUT,
                         "%s: metadata of unknown kind %u at byte %lld", g->out->path, kind,
                         (long long)g->at);
    }
    out->kind = (gguf_kind)kind;
    if (out->kind == GGUF_STRING) {
        return take_string(g, &out->text, &out->length);
    }
    if (out->kind != GGUF_ARRAY) {
        return take_number(g, out->kind, out);
    }
    uint32_t element = 0;
    uint64_t count = 0;
    status = take(g, &element, sizeof element);
    if (status == PARE_OK) {
        status = take(g, &count, sizeof count);
    }
    if (status != PARE_OK) {
        return status;
    }
    int64_t size = element == GGUF_STRING ? 8
                   : element < GGUF_KINDS ? kind_size((gguf_kind)element)
                                          : 0;
    if (size == 0 || count > (uint64_t)((g->length - g->at) / size)) {
        return size == 0 ? pare_fail(g->out->ctx, PARE_ERROR_INPUT,
                                     "%s: array of unknown kind %u at byte %lld", g->out->path,
                                     element, (long long)g->at)
                         : cut_short(g);
    }
    out->element = (gguf_kind)element;
    out->length = (int64_t)count;
    out->at = g->at;
    if (element != GGUF_STRING) {
        g->at += size * out->length;
        return PARE_OK;
    }
    for (int64_t i = 0; status == PARE_OK && i < out->length; i++) {
        const char *text = NULL;
        int64_t length = 0;
        status = take_string(g, &text, &length);
    }
    return status;
}

static bool is(const char *key, int64_t length, const char *name) {
    return (int64_t)strlen(name) == length && memcmp(key, name, (size_t)length) == 0;
}

/* One of three per-layer quantities: a number for all layers or a list over them. */
static pare_status set_layers(gguf *g, const value *v, size_t offset) {
    pare_context *ctx = g->out->ctx;
    if (v->kind != GGUF_ARRAY) {
        memcpy((char *)&g->every + offset, &v->integer, sizeof v->integer);
        for (int64_t i = 0; i < g->layer_count; i++) {
            memcpy((char *)&g->layer[i] + offset, &v->integer, sizeof v->integer);
        }
        return PARE_OK;
    }
    if (g->layer_count == 0) {
        pare_status status = pare_alloc(ctx, v->length, sizeof *g->layer, &g->layer);
        if (status != PARE_OK) {
            return status;
        }
        g->layer_count = v->length;
        for (int64_t i = 0; i < v->length; i++) {
            g->layer[i] = g->every;
        }
    }
    if (v->length != g->layer_count || v->element == GGUF_STRING) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: per-layer lists of %lld and %lld entries",
                         g->out->path, (long long)g->layer_count, (long long)v->length);
    }
    int64_t end = g->at;
    g->at = v->at;
    pare_status status = PARE_OK;
    for (int64_t i = 0; status == PARE_OK && i < v->length; i++) {
        value entry = {0};
        status = take_number(g, v->element, &entry);
        memcpy((char *)&g->layer[i] + offset, &entry.integer, sizeof entry.integer);
    }
    g->at = end;
    return status;
}

static pare_status set_shape(gguf *g, const char *key, int64_t length, const value *v) {
    pare_lm_shape *s = &g->out->shape;
    const struct {
        const char *name;
        int64_t *out;
    } integers[] = {
        {"block_count", &s->layers},
        {"context_length", &s->context},
        {"embedding_length", &s->hidden},
        {"vocab_size", &s->vocabulary},
        {"attention.key_length", &g->key_length},
        {"attention.value_length", &g->value_length},
        {"rope.dimension_count", &g->rope_dimensions},
    };
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        if (is(key, length, integers[i].name)) {
            *integers[i].out = v->integer;
        }
    }
    if (is(key, length, "rope.freq_base")) {
        s->rope_base = v->real;
    } else if (is(key, length, "attention.layer_norm_rms_epsilon")) {
        s->norm_epsilon = v->real;
    } else if (is(key, length, "attention.head_count")) {
        return set_layers(g, v, offsetof(pare_lm_layer, heads));
    } else if (is(key, length, "attention.head_count_kv")) {
        return set_layers(g, v, offsetof(pare_lm_layer, kv_heads));
    } else if (is(key, length, "feed_forward_length")) {
        return set_layers(g, v, offsetof(pare_lm_layer, ffn));
    }
    return PARE_OK;
}

static pare_status copy_strings(gguf *g, const value *v, int64_t *count, char ***out,
                                int64_t **lengths) {
    pare_context *ctx = g->out->ctx;
    if (v->kind != GGUF_ARRAY || v->element != GGUF_STRING || *out) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: the vocabulary is not one list of texts",
                         g->out->path);
    }
    pare_status status = pare_alloc_zero(ctx, v->length, sizeof **out, out);
    *count = v->length;
    if (status == PARE_OK && lengths) {
        status = pare_alloc_zero(ctx, v->length, sizeof **lengths, lengths);
    }
    int64_t end = g->at;
    g->at = v->at;
    for (int64_t i = 0; status == PARE_OK && i < v->length; i++) {
        const char *text = NULL;
        int64_t length = 0;
        status = take_string(g, &text, &length);
        if (status == PARE_OK) {
            status = pare_text_copy(ctx, text, length, &(*out)[i]);
        }
        if (lengths) {
            (*lengths)[i] = length;
        }
    }
    g->at = end;
    return status;
}

static pare_status copy_numbers(gguf *g, const value *v, size_t size, gguf_kind kind, void *out) {
    if (v->kind != GGUF_ARRAY || v->element != kind) {
        return PARE_OK; /* another kind of score is no score */
    }
    void *copy = NULL;
    pare_status status = pare_alloc(g->out->ctx, v->length, size, &copy);
    if (status == PARE_OK) {
        memcpy(copy, g->bytes + v->at, (size_t)v->length * size);
        memcpy(out, &copy, sizeof copy);
    }
    return status;
}

static pare_status set_vocabulary(gguf *g, const char *key, int64_t length, const value *v) {
    pare_stored_vocabulary *o = &g->out->vocabulary;
    pare_context *ctx = g->out->ctx;
    if (is(key, length, "tokens")) {
        return copy_strings(g, v, &o->count, &o->piece, &o->piece_length);
    }
    if (is(key, length, "merges")) {
        return copy_strings(g, v, &o->merges, &o->merge, NULL);
    }
    if (is(key, length, "scores") && !o->score) {
        return copy_numbers(g, v, sizeof *o->score, GGUF_FLOAT32, &o->score);
    }
    if (is(key, length, "token_type") && !o->type) {
        return copy_numbers(g, v, sizeof *o->type, GGUF_INT32, &o->type);
    }
    if (is(key, length, "model") && v->kind == GGUF_STRING && !o->model) {
        return pare_text_copy(ctx, v->text, v->length, &o->model);
    }
    if (is(key, length, "pre") && v->kind == GGUF_STRING && !o->pre) {
        return pare_text_copy(ctx, v->text, v->length, &o->pre);
    }
    if (is(key, length, "bos_token_id")) {
        o->bos = g->out->shape.bos = v->integer;
    } else if (is(key, length, "eos_token_id")) {
        o->eos = g->out->shape.eos = v->integer;
    } else if (is(key, length, "add_bos_token")) {
        o->add_bos = v->integer != 0;
    } else if (is(key, length, "add_eos_token")) {
        o->add_eos = v->integer != 0;
    }
    return PARE_OK;
}

static pare_status set_architecture(gguf *g, const value *v) {
    static const char *const known[] = {"llama", "deci", "qwen2", "qwen3"};
    pare_lm_shape *s = &g->out->shape;
    for (size_t i = 0; v->kind == GGUF_STRING && i < sizeof known / sizeof known[0]; i++) {
        if (is(v->text, v->length, known[i])) {
            snprintf(g->prefix, sizeof g->prefix, "%s.", known[i]);
            snprintf(s->architecture, sizeof s->architecture, "%s", i < 2 ? "llama" : known[i]);
            s->rope_interleaved = i < 2;
            s->qkv_bias = i == 2;
            s->qk_norm = i == 3;
            return PARE_OK;
        }
    }
    return pare_fail(g->out->ctx, PARE_ERROR_UNSUPPORTED,
                     "%s: architecture '%.*s' is not supported; these are: llama, deci, qwen2, "
                     "qwen3",
                     g->out->path, (int)(v->length < 64 ? v->length : 64), v->text ? v->text : "");
}

/* Metadata twice: llama.cpp writes keys in any order, so the architecture may come last. */
static pare_status read_metadata(gguf *g, int64_t count, bool architecture) {
    static const char tokenizer[] = "tokenizer.ggml.";
    pare_status status = PARE_OK;
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        const char *key = NULL;
        int64_t length = 0;
        value v = {0};
        status = take_string(g, &key, &length);
        if (status == PARE_OK) {
            status = take_value(g, &v);
        }
        if (status != PARE_OK) {
            break;
        }
        int64_t prefix = (int64_t)strlen(g->prefix), own = (int64_t)strlen(tokenizer);
        if (architecture) {
            if (is(key, length, "general.architecture")) {
                status = set_architecture(g, &v);
            }
        } else if (is(key, length, "general.alignment")) {
            g->alignment = v.integer;
        } else if (length > prefix && memcmp(key, g->prefix, (size_t)prefix) == 0) {
            status = set_shape(g, key + prefix, length - prefix, &v);
        } else if (length > own && memcmp(key, tokenizer, (size_t)own) == 0) {
            status = set_vocabulary(g, key + own, length - own, &v);
        }
    }
    return status;
}

/* A tensor as described; its bytes are found once the start of the data is known. */
static pare_status read_tensor(gguf *g, int64_t data) {
    pare_checkpoint *out = g->out;
    pare_context *ctx = out->ctx;
    const char *name = NULL;
    int64_t length = 0;
    uint32_t rank = 0, type = 0;
    pare_status status = take_string(g, &name, &length);
    if (status == PARE_OK) {
        status = take(g, &rank, sizeof rank);
    }
    if (status != PARE_OK) {
        return status;
    }
    int shown = (int)(length < 64 ? length : 64);
    if (rank > PARE_TENSOR_RANK) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: tensor %.*s has %u dimensions, at most %d are "
                         "expected",
                         out->path, shown, name, rank, PARE_TENSOR_RANK);
    }
    uint64_t size[PARE_TENSOR_RANK] = {0}, offset = 0;
    status = take(g, size, (int64_t)rank * 8);
    if (status == PARE_OK) {
        status = take(g, &type, sizeof type);
    }
    if (status == PARE_OK) {
        status = take(g, &offset, sizeof offset);
    }
    if (status != PARE_OK || data < 0) {
        return status; /* the first walk only finds the end of the descriptions */
    }
    int64_t shape[PARE_TENSOR_RANK] = {0}, values = 1;
    for (uint32_t i = 0; i < rank; i++) {
        shape[i] = size[rank - 1 - i] > INT64_MAX ? -1 : (int64_t)size[rank - 1 - i];
        if (!pare_checked_multiply(values, shape[i], &values)) {
            return pare_fail(ctx, PARE_ERROR_INPUT, "%s: the dimensions of tensor %.*s overflow",
                             out->path, shown, name);
        }
    }
    pare_dtype dtype = PARE_DTYPE_F32;
    if (!pare_gguf_dtype_from(type, &dtype)) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: tensor %.*s has GGUF type %u, expected f32, f16, bf16 or q8_0",
                         out->path, shown, name, type);
    }
    int64_t bytes = pare_dtype_bytes(dtype, values);
    if (bytes < 0 || offset > (uint64_t)(g->length - data) ||
        bytes > g->length - data - (int64_t)offset || offset % (uint64_t)g->alignment != 0) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: tensor %.*s does not lie inside the file, or its %lld values do not "
                         "fill whole blocks",
                         out->path, shown, name, (long long)values);
    }
    const unsigned char *place = g->bytes + data + offset;
    char full[GGUF_NAME];
    if (is(name, length, "rope_freqs.weight") && dtype == PARE_DTYPE_F32) {
        g->rope_factor = place;
        g->rope_factors = values;
        return PARE_OK;
    }
    if (!pare_gguf_name_to_hf(name, length, full)) {
        return PARE_OK; /* nothing a Llama needs: checked by name later */
    }
    return pare_checkpoint_add(out, full, (int64_t)strlen(full), dtype, rank, shape, place);
}

static pare_status read_tensors(gguf *g, int64_t count) {
    int64_t start = g->at;
    pare_status status = PARE_OK;
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        status = read_tensor(g, -1);
    }
    int64_t data = (g->at + g->alignment - 1) / g->alignment * g->alignment;
    if (status == PARE_OK && data > g->length) {
        status = cut_short(g);
    }
    g->at = start;
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        status = read_tensor(g, data);
    }
    return status;
}

/* What the metadata leave open follows from the tensors. */
static pare_status finish_shape(gguf *g) {
    pare_checkpoint *out = g->out;
    pare_lm_shape *s = &out->shape;
    s->tied = true;
    for (int64_t i = 0; i < out->tensors; i++) {
        const pare_stored *tensor = &out->tensor[i];
        s->tied = s->tied && strcmp(tensor->name, "lm_head.weight") != 0;
        if (strcmp(tensor->name, "model.embed_tokens.weight") == 0 && tensor->rank == 2) {
            s->vocabulary = tensor->shape[0];
        }
        size_t length = strlen(tensor->name);
        if (length > 17 && strcmp(tensor->name + length - 17, "self_attn.q_proj.bias") == 0) {
            s->qkv_bias = true;
        }
    }
    pare_lm_layer every = g->every;
    every.kv_heads = every.kv_heads > 0 ? every.kv_heads : every.heads;
    int64_t heads = every.heads;
    for (int64_t i = 0; heads == 0 && i < g->layer_count; i++) {
        heads = g->layer[i].heads;
    }
    s->head_dim = g->key_length > 0 ? g->key_length : heads > 0 ? s->hidden / heads : 0;
    bool odd = (g->value_length > 0 && g->value_length != s->head_dim) ||
               (g->rope_dimensions > 0 && g->rope_dimensions != s->head_dim);
    if (odd) {
        return pare_fail(out->ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: key, value and rotary lengths differ (%lld, %lld, %lld)", out->path,
                         (long long)s->head_dim, (long long)g->value_length,
                         (long long)g->rope_dimensions);
    }
    pare_status status = pare_lm_shape_reserve(out->ctx, s, every, out->path);
    if (status != PARE_OK) {
        return status;
    }
    if (g->layer_count > 0 && g->layer_count != s->layers) {
        return pare_fail(out->ctx, PARE_ERROR_INPUT,
                         "%s: lists over %lld layers, the model has "
                         "%lld",
                         out->path, (long long)g->layer_count, (long long)s->layers);
    }
    for (int64_t i = 0; i < g->layer_count; i++) {
        s->layer[i] = g->layer[i];
    }
    for (int64_t i = 0; i < s->head_dim / 2 && i < g->rope_factors; i++) {
        float factor = 1;
        memcpy(&factor, g->rope_factor + 4 * i, sizeof factor);
        s->rope_frequency[i] /= factor > 0 ? (double)factor : 1;
    }
    return PARE_OK;
}

pare_status pare_read_gguf(pare_checkpoint *out) {
    pare_context *ctx = out->ctx;
    pare_map map = {0};
    pare_status status = pare_checkpoint_map(out, out->path, &map);
    if (status != PARE_OK) {
        return status;
    }
    gguf g = {.out = out, .bytes = map.bytes, .length = map.length, .alignment = GGUF_ALIGNMENT};
    struct {
        char magic[4];
        uint32_t version;
        uint64_t tensors, pairs;
    } header = {{0}, 0, 0, 0};
    out->shape.rope_base = 10000;
    out->shape.norm_epsilon = 1e-5;
    status = take(&g, &header, 24);
    if (status != PARE_OK || memcmp(header.magic, "GGUF", 4) != 0 ||
        (header.version != GGUF_VERSION && header.version != 2)) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: not a GGUF file of version 2 or 3", out->path);
    }
    if (header.tensors > (uint64_t)map.length / 24 || header.pairs > (uint64_t)map.length / 12) {
        return cut_short(&g);
    }
    int64_t start = g.at;
    status = read_metadata(&g, (int64_t)header.pairs, true);
    if (status == PARE_OK && !g.prefix[0]) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: general.architecture is missing", out->path);
    }
    g.at = start;
    if (status == PARE_OK) {
        status = read_metadata(&g, (int64_t)header.pairs, false);
    }
    if (status == PARE_OK && (g.alignment < 1 || g.alignment > 1 << 20)) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: alignment %lld is not from 1 to 1048576",
                           out->path, (long long)g.alignment);
    }
    if (status == PARE_OK) {
        status = read_tensors(&g, (int64_t)header.tensors);
    }
    if (status == PARE_OK) {
        status = finish_shape(&g);
    }
    pare_free(ctx, g.layer);
    return status;
}
