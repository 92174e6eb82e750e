#include "model/transformer/transformer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int64_t values_of(const pare_lm_tensor *tensor) {
    return tensor->rows * (tensor->columns > 0 ? tensor->columns : 1);
}

static pare_lm_tensor bind(const pare_checkpoint *checkpoint, const char *name, int64_t rows,
                           int64_t columns) {
    return (pare_lm_tensor){
        .stored = pare_checkpoint_find(checkpoint, name), .rows = rows, .columns = columns};
}

pare_status pare_lm_open(const pare_checkpoint *checkpoint, pare_lm *out) {
    pare_context *ctx = checkpoint->ctx;
    const pare_lm_shape *s = &checkpoint->shape;
    *out = (pare_lm){.ctx = ctx};
    pare_status status = pare_lm_shape_copy(ctx, s, &out->shape);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, s->layers, sizeof *out->layer, &out->layer);
    }
    if (status != PARE_OK) {
        pare_lm_clear(out);
        return status;
    }
    for (int64_t i = 0; i < s->layers; i++) {
        for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
            int64_t rows = 0, columns = 0;
            char name[PARE_LM_NAME];
            if (pare_lm_slot_size(s, i, (pare_lm_slot)slot, &rows, &columns)) {
                pare_lm_slot_name(i, (pare_lm_slot)slot, name);
                out->layer[i][slot] = bind(checkpoint, name, rows, columns);
            }
        }
    }
    out->embedding = bind(checkpoint, "model.embed_tokens.weight", s->vocabulary, s->hidden);
    out->norm = bind(checkpoint, "model.norm.weight", s->hidden, 0);
    if (s->layer_norm) {
        out->norm_bias = bind(checkpoint, "model.norm.bias", s->hidden, 0);
    }
    if (s->positions) {
        out->positions = bind(checkpoint, "model.embed_positions.weight", s->context, s->hidden);
    }
    if (!s->tied) {
        out->head = bind(checkpoint, "lm_head.weight", s->vocabulary, s->hidden);
    }
    status = pare_lm_find_blocks(out);
    if (status != PARE_OK) {
        pare_lm_clear(out);
    }
    return status;
}

bool pare_lm_direct(const pare_lm_tensor *tensor) {
    return !tensor->change && (tensor->own || !tensor->stored ||
                               (tensor->stored->dtype == PARE_DTYPE_F32 &&
                                (uintptr_t)tensor->stored->bytes % sizeof(float) == 0));
}

/* to += factor * change, a piece at a time. */
static void add_change(const pare_lm_change *change, int64_t count, float *to) {
    enum { PIECE = 1024 };
    float piece[PIECE];
    const unsigned char *bytes = change->bytes;
    for (int64_t at = 0; change->factor != 0 && at < count; at += PIECE) {
        int64_t size = count - at < PIECE ? count - at : PIECE;
        pare_dtype_to_float(change->dtype, size, bytes + pare_dtype_bytes(change->dtype, at),
                            piece);
        for (int64_t i = 0; i < size; i++) {
            to[at + i] += change->factor * piece[i];
        }
    }
}

const float *pare_lm_values(const pare_lm_tensor *tensor, float *scratch) {
    if (pare_lm_direct(tensor)) {
        return tensor->own || !tensor->stored ? tensor->own
                                              : (const float *)(const void *)tensor->stored->bytes;
    }
    if (tensor->own) {
        memcpy(scratch, tensor->own, (size_t)values_of(tensor) * sizeof *scratch);
    } else {
        pare_dtype_to_float(tensor->stored->dtype, values_of(tensor), tensor->stored->bytes,
                            scratch);
    }
    if (tensor->change) {
        add_change(tensor->change, values_of(tensor), scratch);
    }
    return scratch;
}

/* All tensors in one list; visit stops at the first failure. */
static pare_status each(pare_lm *lm, pare_status (*visit)(pare_lm *, pare_lm_tensor *)) {
    pare_lm_tensor *const whole[] = {&lm->embedding, &lm->norm, &lm->head, &lm->norm_bias,
                                     &lm->positions};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        pare_status status = visit(lm, whole[i]);
        if (status != PARE_OK) {
            return status;
        }
    }
    for (int64_t i = 0; lm->layer && i < lm->shape.layers; i++) {
        for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
            pare_status status = visit(lm, &lm->layer[i][slot]);
            if (status != PARE_OK) {
                return status;
            }
        }
    }
    return PARE_OK;
}

static void unpack(pare_lm *lm, pare_lm_tensor *tensor) {
    if (tensor->packed) {
        unsigned char *bytes = NULL;
        memcpy(&bytes, &tensor->packed->bytes, sizeof bytes); /* ours, so not const after all */
        pare_free(lm->ctx, bytes);
        pare_free(lm->ctx, tensor->packed);
        tensor->packed = NULL;
        tensor->stored = NULL;
    }
}

static pare_status own(pare_lm *lm, pare_lm_tensor *tensor) {
    if (tensor->own || !tensor->stored) {
        return PARE_OK;
    }
    pare_lm_blocks_free(lm->ctx, tensor->blocks); /* own values may change */
    tensor->blocks = NULL;
    float *copy = NULL;
    pare_status status = pare_alloc(lm->ctx, values_of(tensor), sizeof *copy, &copy);
    if (status == PARE_OK) {
        pare_dtype_to_float(tensor->stored->dtype, values_of(tensor), tensor->stored->bytes, copy);
        tensor->own = copy;
        unpack(lm, tensor);
    }
    return status;
}

pare_status pare_lm_own(pare_lm *lm) {
    return each(lm, own);
}

pare_status pare_lm_own_norm(pare_lm *lm) {
    return own(lm, &lm->norm);
}

static pare_status copy(pare_context *ctx, const pare_lm_tensor *from, pare_lm_tensor *to) {
    *to = (pare_lm_tensor){.rows = from->rows, .columns = from->columns};
    if (!from->own && !from->stored) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(ctx, values_of(from), sizeof *to->own, &to->own);
    if (status == PARE_OK) {
        const float *values = pare_lm_values(from, to->own);
        if (values != to->own) {
            memcpy(to->own, values, (size_t)values_of(from) * sizeof *to->own);
        }
    }
    return status;
}

pare_status pare_lm_copy(const pare_lm *lm, pare_lm *out) {
    *out = (pare_lm){.ctx = lm->ctx};
    const pare_lm_tensor *const from[] = {&lm->embedding, &lm->norm, &lm->head, &lm->norm_bias,
                                          &lm->positions};
    pare_lm_tensor *const to[] = {&out->embedding, &out->norm, &out->head, &out->norm_bias,
                                  &out->positions};
    pare_status status = pare_lm_shape_copy(lm->ctx, &lm->shape, &out->shape);
    if (status == PARE_OK) {
        status = pare_alloc_zero(lm->ctx, lm->shape.layers, sizeof *out->layer, &out->layer);
    }
    for (size_t i = 0; status == PARE_OK && i < sizeof from / sizeof from[0]; i++) {
        status = copy(lm->ctx, from[i], to[i]);
    }
    for (int64_t i = 0; status == PARE_OK && i < lm->shape.layers * PARE_LM_SLOTS; i++) {
        status = copy(lm->ctx, &lm->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS],
                      &out->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS]);
    }
    if (status != PARE_OK) {
        pare_lm_clear(out);
    }
    return status;
}

pare_status pare_lm_own_layer(pare_lm *lm, int64_t index) {
    pare_status status = PARE_OK;
    for (int slot = 0; status == PARE_OK && slot < PARE_LM_SLOTS; slot++) {
        status = own(lm, &lm->layer[index][slot]);
    }
    return status;
}

void pare_lm_disown_layer(pare_lm *lm, int64_t index) {
    for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
        pare_lm_tensor *t = &lm->layer[index][slot];
        if (t->stored) {
            pare_free(lm->ctx, t->own);
            t->own = NULL;
        }
    }
}

static pare_status pack(pare_lm *lm, pare_lm_tensor *t, pare_dtype dtype) {
    unsigned char *bytes = NULL;
    pare_stored *packed = NULL;
    pare_status status = pare_alloc(lm->ctx, pare_dtype_bytes(dtype, values_of(t)), 1, &bytes);
    if (status == PARE_OK) {
        status = pare_alloc_zero(lm->ctx, 1, sizeof *packed, &packed);
    }
    if (status != PARE_OK) {
        pare_free(lm->ctx, bytes);
        return status;
    }
    pare_dtype_from_float(dtype, values_of(t), t->own, bytes);
    *packed = (pare_stored){.dtype = dtype,
                            .rank = 2,
                            .shape = {t->rows, t->columns},
                            .values = values_of(t),
                            .bytes = bytes,
                            .owned = true};
    pare_free(lm->ctx, t->own);
    t->own = NULL;
    t->stored = t->packed = packed;
    return PARE_OK;
}

pare_status pare_lm_replace(pare_lm *lm, pare_lm_tensor *t, pare_dtype dtype, const float *values) {
    float *copy = NULL;
    pare_status status = pare_alloc(lm->ctx, values_of(t), sizeof *copy, &copy);
    if (status != PARE_OK) {
        return status;
    }
    memcpy(copy, values, (size_t)values_of(t) * sizeof *copy);
    unpack(lm, t);
    pare_lm_blocks_free(lm->ctx, t->blocks);
    t->blocks = NULL;
    pare_free(lm->ctx, t->own);
    t->own = copy;
    return dtype == PARE_DTYPE_F32 ? PARE_OK : pack(lm, t, dtype);
}

pare_status pare_lm_pack_layer(pare_lm *lm, int64_t index, pare_dtype dtype) {
    pare_status status = PARE_OK;
    for (int slot = 0; dtype != PARE_DTYPE_F32 && slot < PARE_LM_MATRICES; slot++) {
        pare_lm_tensor *t = &lm->layer[index][slot];
        if (status == PARE_OK && t->own && !t->packed) {
            status = pack(lm, t, dtype);
        }
    }
    return status;
}

static pare_status release(pare_lm *lm, pare_lm_tensor *tensor) {
    unpack(lm, tensor);
    pare_lm_blocks_free(lm->ctx, tensor->blocks);
    pare_free(lm->ctx, tensor->own);
    *tensor = (pare_lm_tensor){0};
    return PARE_OK;
}

void pare_lm_clear(pare_lm *lm) {
    if (!lm->ctx) {
        return;
    }
    if (each(lm, release) == PARE_OK) {
        pare_free(lm->ctx, lm->layer);
    }
    pare_lm_shape_clear(lm->ctx, &lm->shape);
    *lm = (pare_lm){0};
}

pare_status pare_lm_check_finite(const pare_lm *lm, const char *path) {
    enum { CHUNK = 1024 };
    float values[CHUNK];
    enum { WHOLE = 5 };
    const pare_lm_tensor *const whole[WHOLE] = {&lm->embedding, &lm->norm, &lm->head,
                                                &lm->norm_bias, &lm->positions};
    for (int64_t i = -WHOLE; i < lm->shape.layers * PARE_LM_SLOTS; i++) {
        const pare_lm_tensor *tensor =
            i < 0 ? whole[WHOLE + i] : &lm->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS];
        if (!tensor->stored) {
            continue;
        }
        int64_t count = values_of(tensor);
        for (int64_t at = 0; at < count; at += CHUNK) {
            int64_t size = count - at < CHUNK ? count - at : CHUNK;
            pare_dtype_to_float(tensor->stored->dtype, size,
                                tensor->stored->bytes + pare_dtype_bytes(tensor->stored->dtype, at),
                                values);
            for (int64_t j = 0; j < size; j++) {
                if (!isfinite(values[j])) {
                    return pare_fail(lm->ctx, PARE_ERROR_INPUT,
                                     "%s: tensor %s holds a value that is not finite (entry %lld)",
                                     path, tensor->stored->name, (long long)(at + j));
                }
            }
        }
        if (!tensor->stored->owned && count >= PARE_LM_FORGET) {
            pare_map_forget(tensor->stored->bytes, pare_dtype_bytes(tensor->stored->dtype, count));
        }
    }
    return PARE_OK;
}

int64_t pare_lm_gradient_layout(const pare_lm_shape *shape, int64_t *offset) {
    int64_t at = 0;
    for (int64_t i = 0; i < shape->layers; i++) {
        for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
            int64_t rows = 0, columns = 0;
            offset[i * PARE_LM_SLOTS + slot] = at;
            if (pare_lm_slot_size(shape, i, (pare_lm_slot)slot, &rows, &columns)) {
                at += rows * (columns > 0 ? columns : 1);
            }
        }
    }
    for (int slot = 0; slot < PARE_LM_SLOTS; slot++) {
        offset[shape->layers * PARE_LM_SLOTS + slot] = at + (slot > 0 ? shape->hidden : 0);
    }
    return at + shape->hidden * (shape->layer_norm ? 2 : 1);
}
