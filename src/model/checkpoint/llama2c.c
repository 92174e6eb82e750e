/*
 * The .bin files of llama2.c (Karpathy 2023): version 0 (seven numbers, then float32 arrays) and
 * version 1 (magic "ak42"). An array holds the same matrix of all layers one after the other.
 */
#include "model/checkpoint/checkpoint.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_0 = 28, HEADER_1 = 256 };
static const uint32_t magic_1 = 0x616b3432; /* "ak42" */

typedef struct cursor {
    pare_checkpoint *checkpoint;
    const unsigned char *bytes;
    int64_t length, at; /* bytes */
} cursor;

/* Takes `count` matrices (rows, columns) in a row; name has %lld for the layer when count > 1. */
static pare_status take(cursor *c, const char *name, bool layered, int64_t rows, int64_t columns) {
    pare_checkpoint *out = c->checkpoint;
    int64_t count = layered ? out->shape.layers : 1;
    int64_t values = 0, bytes = 0;
    if (!pare_checked_multiply(rows, columns > 0 ? columns : 1, &values) ||
        !pare_checked_multiply(values, 4, &bytes)) {
        return pare_fail(out->ctx, PARE_ERROR_INPUT, "%s: the sizes in the header overflow",
                         out->path);
    }
    for (int64_t i = 0; i < count; i++) {
        if (bytes > c->length - c->at) {
            return pare_fail(out->ctx, PARE_ERROR_INPUT,
                             "%s: the file ends inside %s; it has %lld bytes, the header promises "
                             "more",
                             out->path, name, (long long)c->length);
        }
        char full[128];
        if (layered) {
            snprintf(full, sizeof full, "model.layers.%lld.%s", (long long)i, name);
        } else {
            snprintf(full, sizeof full, "%s", name);
        }
        const int64_t shape[2] = {rows, columns};
        pare_status status = pare_checkpoint_add(out, full, (int64_t)strlen(full), PARE_DTYPE_F32,
                                                 columns > 0 ? 2 : 1, shape, c->bytes + c->at);
        if (status != PARE_OK) {
            return status;
        }
        c->at += bytes;
    }
    return PARE_OK;
}

typedef struct part {
    const char *name;
    bool layered;
    int64_t rows, columns;
} part;

static pare_status take_all(cursor *c, const part *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        pare_status status =
            take(c, parts[i].name, parts[i].layered, parts[i].rows, parts[i].columns);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

pare_status pare_read_llama2c(pare_checkpoint *out) {
    pare_context *ctx = out->ctx;
    pare_map map = {0};
    pare_status status = pare_checkpoint_map(out, out->path, &map);
    if (status != PARE_OK) {
        return status;
    }
    int32_t field[9] = {0};
    if (map.length < HEADER_1) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: %lld bytes are too few for a llama2.c model",
                         out->path, (long long)map.length);
    }
    memcpy(field, map.bytes, sizeof field);
    bool first = (uint32_t)field[0] == magic_1;
    if (first && field[1] != 1) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: llama2.c version %d is not read (0 and 1 are: float32)", out->path,
                         (int)field[1]);
    }
    const int32_t *n = first ? field + 2 : field;
    pare_lm_shape *s = &out->shape;
    snprintf(s->architecture, sizeof s->architecture, "llama");
    int64_t vocabulary = n[5], heads = n[3];
    s->hidden = n[0];
    s->layers = n[2];
    s->vocabulary = vocabulary < 0 ? -vocabulary : vocabulary;
    s->context = n[6];
    s->tied = first ? map.bytes[8 + 28] != 0 : vocabulary > 0;
    s->rope_base = 10000;
    s->norm_epsilon = 1e-5;
    s->rope_interleaved = true;
    s->bos = 1;
    s->eos = 2;
    if (heads < 1 || s->hidden % heads != 0) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: not a llama2.c model: width %lld does not divide into %lld heads",
                         out->path, (long long)s->hidden, (long long)heads);
    }
    s->head_dim = s->hidden / heads;
    status = pare_lm_shape_reserve(ctx, s, (pare_lm_layer){heads, n[4], n[1]}, out->path);
    if (status != PARE_OK) {
        return status;
    }
    int64_t queries = s->hidden, keys = (int64_t)n[4] * s->head_dim, ffn = n[1];
    if (n[4] < 1 || n[1] < 1) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: a size in the header is not positive",
                         out->path);
    }
    const part embedding = {"model.embed_tokens.weight", false, s->vocabulary, s->hidden};
    const part attention_norm = {"input_layernorm.weight", true, s->hidden, 0};
    const part ffn_norm = {"post_attention_layernorm.weight", true, s->hidden, 0};
    const part norm = {"model.norm.weight", false, s->hidden, 0};
    const part q = {"self_attn.q_proj.weight", true, queries, s->hidden};
    const part k = {"self_attn.k_proj.weight", true, keys, s->hidden};
    const part v = {"self_attn.v_proj.weight", true, keys, s->hidden};
    const part o = {"self_attn.o_proj.weight", true, s->hidden, queries};
    const part gate = {"mlp.gate_proj.weight", true, ffn, s->hidden};
    const part down = {"mlp.down_proj.weight", true, s->hidden, ffn};
    const part up = {"mlp.up_proj.weight", true, ffn, s->hidden};
    const part zero[] = {embedding, attention_norm, q, k, v, o, ffn_norm, gate, down, up, norm};
    const part one[] = {attention_norm, ffn_norm, norm, embedding, q, k, v, o, gate, down, up};
    cursor c = {out, map.bytes, map.length, first ? HEADER_1 : HEADER_0};
    status = take_all(&c, first ? one : zero, sizeof zero / sizeof zero[0]);
    if (status != PARE_OK || s->tied) {
        return status;
    }
    if (!first) {
        c.at += s->context * s->head_dim * 4; /* tables of cosine and sine, not needed */
    }
    if (c.at > c.length) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: the file ends inside its position tables",
                         out->path);
    }
    return take(&c, "lm_head.weight", false, s->vocabulary, s->hidden);
}
