#include "model/checkpoint/checkpoint.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pare_status pare_checkpoint_add(pare_checkpoint *c, const char *name, int64_t name_length,
                                pare_dtype dtype, int64_t rank, const int64_t *shape,
                                const unsigned char *bytes) {
    pare_status status =
        pare_grow(c->ctx, c->tensors + 1, sizeof *c->tensor, &c->tensor_capacity, &c->tensor);
    if (status != PARE_OK) {
        return status;
    }
    pare_stored entry = {.dtype = dtype, .rank = rank, .values = 1, .bytes = bytes};
    for (int64_t i = 0; i < rank; i++) {
        entry.shape[i] = shape[i];
        entry.values *= shape[i]; /* the reader has checked the product */
    }
    status = pare_text_copy(c->ctx, name, name_length, &entry.name);
    if (status == PARE_OK) {
        c->tensor[c->tensors++] = entry;
    }
    return status;
}

pare_status pare_checkpoint_map(pare_checkpoint *c, const char *path, pare_map *out) {
    pare_status status = pare_grow(c->ctx, c->maps + 1, sizeof *c->map, &c->map_capacity, &c->map);
    if (status == PARE_OK) {
        status = pare_map_open(c->ctx, path, false, out);
    }
    if (status == PARE_OK) {
        c->map[c->maps++] = *out;
    }
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const pare_stored *)a)->name, ((const pare_stored *)b)->name);
}

const pare_stored *pare_checkpoint_find(const pare_checkpoint *c, const char *name) {
    int64_t low = 0, high = c->tensors;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(c->tensor[middle].name, name);
        if (order == 0) {
            return &c->tensor[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* The tensor must be there with rows x columns values (columns 0: a vector). */
static pare_status expect(const pare_checkpoint *c, const char *name, int64_t rows,
                          int64_t columns) {
    const pare_stored *tensor = pare_checkpoint_find(c, name);
    if (!tensor) {
        return pare_fail(c->ctx, PARE_ERROR_INPUT, "%s: tensor %s is missing", c->path, name);
    }
    int64_t rank = columns > 0 ? 2 : 1;
    if (tensor->rank != rank || tensor->shape[0] != rows ||
        (columns > 0 && tensor->shape[1] != columns)) {
        char found[96] = "", wanted[64];
        for (int64_t i = 0, at = 0; i < tensor->rank; i++) {
            at += snprintf(found + at, sizeof found - (size_t)at, "%s%lld", i ? " x " : "",
                           (long long)tensor->shape[i]);
        }
        snprintf(wanted, sizeof wanted, columns > 0 ? "%lld x %lld" : "%lld", (long long)rows,
                 (long long)columns);
        return pare_fail(c->ctx, PARE_ERROR_INPUT,
                         "%s: tensor %s is %s, expected %s by the model's configuration", c->path,
                         name, found, wanted);
    }
    return PARE_OK;
}

static pare_status expect_layer(const pare_checkpoint *c, int64_t index) {
    for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
        int64_t rows = 0, columns = 0;
        char name[PARE_LM_NAME];
        if (!pare_lm_slot_size(&c->shape, index, (pare_lm_slot)slot, &rows, &columns)) {
            continue;
        }
        pare_lm_slot_name(index, (pare_lm_slot)slot, name);
        pare_status status = expect(c, name, rows, columns);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

static pare_status check_layers(const pare_checkpoint *c) {
    const pare_lm_shape *s = &c->shape;
    for (int64_t i = 0; i < s->layers; i++) {
        const pare_lm_layer *layer = &s->layer[i];
        const int64_t most = INT64_C(1) << 24;
        if (layer->heads < 0 || layer->kv_heads < 0 || layer->ffn < 0 || layer->heads > most ||
            layer->ffn > most ||
            (layer->heads > 0 && (layer->kv_heads < 1 || layer->heads % layer->kv_heads != 0))) {
            return pare_fail(c->ctx, PARE_ERROR_INPUT,
                             "%s: layer %lld has %lld heads on %lld key/value heads and %lld "
                             "feed-forward channels; heads must be a multiple of key/value heads",
                             c->path, (long long)i, (long long)layer->heads,
                             (long long)layer->kv_heads, (long long)layer->ffn);
        }
        pare_status status = expect_layer(c, i);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

pare_status pare_checkpoint_check(pare_checkpoint *c) {
    pare_lm_shape *s = &c->shape;
    if (c->tensors > 1) {
        qsort(c->tensor, (size_t)c->tensors, sizeof *c->tensor, by_name);
    }
    for (int64_t i = 1; i < c->tensors; i++) {
        if (strcmp(c->tensor[i].name, c->tensor[i - 1].name) == 0) {
            return pare_fail(c->ctx, PARE_ERROR_INPUT, "%s: tensor %s occurs twice", c->path,
                             c->tensor[i].name);
        }
    }
    pare_status status = expect(c, "model.embed_tokens.weight", s->vocabulary, s->hidden);
    if (status == PARE_OK) {
        status = expect(c, "model.norm.weight", s->hidden, 0);
    }
    if (status == PARE_OK && !s->tied) {
        status = expect(c, "lm_head.weight", s->vocabulary, s->hidden);
    }
    if (status == PARE_OK && s->layer_norm) {
        status = expect(c, "model.norm.bias", s->hidden, 0);
    }
    if (status == PARE_OK && s->positions) {
        status = expect(c, "model.embed_positions.weight", s->context, s->hidden);
    }
    return status == PARE_OK ? check_layers(c) : status;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

pare_status pare_checkpoint_open(pare_context *ctx, const char *path, pare_checkpoint *out) {
    *out = (pare_checkpoint){.ctx = ctx};
    out->shape.bos = out->shape.eos = -1;
    out->vocabulary.bos = out->vocabulary.eos = -1;
    pare_status status = pare_text_copy(ctx, path, (int64_t)strlen(path), &out->path);
    if (status == PARE_OK) {
        if (ends_with(path, ".gguf")) {
            out->format = PARE_CHECKPOINT_GGUF;
            status = pare_read_gguf(out);
        } else if (ends_with(path, ".bin")) {
            out->format = PARE_CHECKPOINT_LLAMA2C;
            status = pare_read_llama2c(out);
        } else {
            out->format = PARE_CHECKPOINT_HF;
            status = pare_read_hf(out);
        }
    }
    if (status == PARE_OK) {
        status = pare_checkpoint_check(out);
    }
    if (status != PARE_OK) {
        pare_checkpoint_close(out);
    }
    return status;
}

void pare_checkpoint_close(pare_checkpoint *c) {
    pare_context *ctx = c->ctx;
    if (!ctx) {
        return;
    }
    for (int64_t i = 0; i < c->tensors; i++) {
        pare_free(ctx, c->tensor[i].name);
        if (c->tensor[i].owned) {
            unsigned char *bytes = NULL;
            memcpy(&bytes, &c->tensor[i].bytes, sizeof bytes); /* ours, so not const after all */
            pare_free(ctx, bytes);
        }
    }
    pare_free(ctx, c->tensor);
    for (int64_t i = 0; i < c->maps; i++) {
        pare_map_close(&c->map[i]);
    }
    pare_free(ctx, c->map);
    pare_stored_vocabulary *v = &c->vocabulary;
    for (int64_t i = 0; v->piece && i < v->count; i++) {
        pare_free(ctx, v->piece[i]);
    }
    for (int64_t i = 0; v->merge && i < v->merges; i++) {
        pare_free(ctx, v->merge[i]);
    }
    pare_free(ctx, v->piece);
    pare_free(ctx, v->piece_length);
    pare_free(ctx, v->score);
    pare_free(ctx, v->type);
    pare_free(ctx, v->merge);
    pare_free(ctx, v->model);
    pare_free(ctx, v->pre);
    pare_lm_shape_clear(ctx, &c->shape);
    pare_free(ctx, c->path);
    *c = (pare_checkpoint){0};
}
