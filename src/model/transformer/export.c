#include "model/checkpoint/families.h"
#include "model/transformer/export.h"

#include <stdio.h>
#include <string.h>

/* What the writers ask values from. */
typedef struct source {
    const pare_lm *lm;
    bool turn;        /* the target rotates other pairs than the model in memory */
    bool interleaved; /* the target's convention */
    const pare_lm_tensor **tensor;
    bool *rotated; /* rows of this tensor are rotated by position */
    float *scratch, *turned;
    /* Of a family with other layouts, else NULL: for each tensor of ours its place, and for each of
     * the file the first of ours in it. */
    pare_family_tensor *place;
    int64_t *first;
} source;

/* Rows of a head in the target's order: halves (i, i + d / 2) become neighbours, or back. */
static void turn_rows(const source *s, const pare_lm_tensor *t, const float *from, float *to) {
    int64_t d = s->lm->shape.head_dim, half = d / 2, width = t->columns > 0 ? t->columns : 1;
    for (int64_t row = 0; row < t->rows; row++) {
        int64_t at = row % d, start = row - at;
        int64_t neighbour = at < half ? 2 * at : 2 * (at - half) + 1;
        int64_t split = at % 2 == 0 ? at / 2 : at / 2 + half;
        int64_t place = start + (s->interleaved ? neighbour : split);
        memcpy(to + place * width, from + row * width, (size_t)width * sizeof *to);
    }
}

/* A tensor in a family's layout; query, key and value of a fused one follow each other. */
static const float *placed(source *s, int64_t index) {
    const pare_family_tensor *all = &s->place[index];
    int64_t whole = all->rows * (all->columns > 0 ? all->columns : 1);
    for (int64_t part = 0; part < 3; part++) {
        const pare_lm_tensor *t = s->tensor[index + part];
        const pare_family_tensor *to = &s->place[index + part];
        int64_t width = t->columns > 0 ? t->columns : 1, count = t->rows * width;
        const float *from = pare_lm_values(t, s->scratch);
        for (int64_t i = 0; i < count; i++) {
            s->turned[pare_place_of(&to->place, i / width, i % width)] = from[i];
        }
        if (count == whole) {
            break; /* it fills the whole tensor */
        }
    }
    return s->turned;
}

static const float *values(void *user, int64_t index) {
    source *s = user;
    if (s->place) {
        return placed(s, s->first[index]);
    }
    const pare_lm_tensor *t = s->tensor[index];
    const float *stored = pare_lm_values(t, s->scratch);
    if (!s->turn || !s->rotated[index]) {
        return stored;
    }
    turn_rows(s, t, stored, s->turned);
    return s->turned;
}

static void add(source *s, pare_export_tensor *list, int64_t *count, const char *name,
                const pare_lm_tensor *t, bool rotated) {
    pare_export_tensor *one = &list[*count];
    snprintf(one->name, sizeof one->name, "%s", name);
    one->rank = t->columns > 0 ? 2 : 1;
    one->shape[0] = t->rows;
    one->shape[1] = t->columns;
    s->rotated[*count] = rotated;
    s->tensor[(*count)++] = t;
}

static bool is_rotated(pare_lm_slot slot) {
    return slot == PARE_LM_Q || slot == PARE_LM_K || slot == PARE_LM_Q_BIAS ||
           slot == PARE_LM_K_BIAS || slot == PARE_LM_Q_NORM || slot == PARE_LM_K_NORM;
}

/* The list in the layout of a family: names and shapes of the file, one entry for those that share
 * a tensor. */
static pare_status place_tensors(source *s, pare_export_tensor *list, int64_t *count) {
    pare_context *ctx = s->lm->ctx;
    int64_t ours = *count;
    pare_status status = pare_alloc_zero(ctx, ours, sizeof *s->place, &s->place);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, ours, sizeof *s->first, &s->first);
    }
    *count = 0;
    for (int64_t i = 0; status == PARE_OK && i < ours; i++) {
        const pare_lm_tensor *t = s->tensor[i];
        if (!pare_family_tensor_of(&s->lm->shape, list[i].name, t->rows, t->columns,
                                   &s->place[i])) {
            return pare_fail(ctx, PARE_ERROR_UNSUPPORTED, "%s has no tensor %s",
                             s->lm->shape.architecture, list[i].name);
        }
        if (s->place[i].part > 0) {
            continue;
        }
        pare_export_tensor *one = &list[*count];
        snprintf(one->name, sizeof one->name, "%s", s->place[i].name);
        one->rank = t->columns > 0 ? 2 : 1;
        one->shape[0] = s->place[i].rows;
        one->shape[1] = s->place[i].columns;
        s->first[(*count)++] = i;
    }
    return status;
}

/* Lists the tensors and hands them to one of the writers. */
static pare_status write_model(const pare_lm *lm, pare_dtype dtype, bool interleaved,
                               const pare_stored_vocabulary *vocabulary, const char *gguf,
                               const char *directory, const char *config_from) {
    pare_context *ctx = lm->ctx;
    const pare_lm_shape *shape = &lm->shape;
    int64_t most = shape->layers * PARE_LM_SLOTS + 5, count = 0, widest = 0;
    source s = {
        .lm = lm, .turn = interleaved != shape->rope_interleaved, .interleaved = interleaved};
    pare_export_tensor *list = NULL;
    pare_status status = pare_alloc_zero(ctx, most, sizeof *list, &list);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, most, sizeof *s.tensor, &s.tensor);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, most, sizeof *s.rotated, &s.rotated);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    add(&s, list, &count, "model.embed_tokens.weight", &lm->embedding, false);
    for (int64_t i = 0; i < shape->layers * PARE_LM_SLOTS; i++) {
        pare_lm_slot slot = (pare_lm_slot)(i % PARE_LM_SLOTS);
        const pare_lm_tensor *t = &lm->layer[i / PARE_LM_SLOTS][slot];
        char name[PARE_LM_NAME];
        pare_lm_slot_name(i / PARE_LM_SLOTS, slot, name);
        if (t->own || t->stored) {
            add(&s, list, &count, name, t, is_rotated(slot));
        }
    }
    add(&s, list, &count, "model.norm.weight", &lm->norm, false);
    if (shape->layer_norm) {
        add(&s, list, &count, "model.norm.bias", &lm->norm_bias, false);
    }
    if (shape->positions) {
        add(&s, list, &count, "model.embed_positions.weight", &lm->positions, false);
    }
    if (!shape->tied) {
        add(&s, list, &count, "lm_head.weight", &lm->head, false);
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t size = s.tensor[i]->rows * (s.tensor[i]->columns > 0 ? s.tensor[i]->columns : 1);
        widest = size > widest ? size : widest;
    }
    status = pare_alloc(ctx, widest, sizeof *s.scratch, &s.scratch);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, 3 * widest, sizeof *s.turned, &s.turned); /* fused tensors */
    }
    if (status == PARE_OK && pare_family_is(shape->architecture)) {
        status = place_tensors(&s, list, &count);
    }
    if (status == PARE_OK) {
        pare_export export = {ctx, shape, vocabulary, dtype, count, list, values, &s};
        status =
            gguf ? pare_write_gguf(&export, gguf) : pare_write_hf(&export, directory, config_from);
    }
fail:
    pare_free(ctx, list);
    pare_free(ctx, s.tensor);
    pare_free(ctx, s.rotated);
    pare_free(ctx, s.scratch);
    pare_free(ctx, s.turned);
    pare_free(ctx, s.place);
    pare_free(ctx, s.first);
    return status;
}

/* ---- Halves that readers of "deci" want ------------------------------------------------------ */

enum { ZERO_CHANNELS = 32 }; /* whole blocks of q4_0 and q8_0 */

static void clear_filled(const pare_lm *lm, pare_lm *filled) {
    for (int64_t i = 0; filled->layer && i < lm->shape.layers * PARE_LM_SLOTS; i++) {
        const pare_lm_tensor *from = &lm->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS];
        if (!from->own && !from->stored) {
            pare_free(lm->ctx, filled->layer[i / PARE_LM_SLOTS][i % PARE_LM_SLOTS].own);
        }
    }
    pare_free(lm->ctx, filled->layer);
    pare_lm_shape_clear(lm->ctx, &filled->shape);
}

/* llama.cpp takes the size of a head from layer 0, so that one must have attention, and (in 2025)
 * asks every layer for a feed-forward part: what is missing there becomes zeros, which add nothing
 * to the stream. Everything else is borrowed. */
static pare_status fill(const pare_lm *lm, pare_lm *out) {
    pare_context *ctx = lm->ctx;
    *out = *lm;
    out->layer = NULL;
    pare_status status = pare_lm_shape_copy(ctx, &lm->shape, &out->shape);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, lm->shape.layers, sizeof *out->layer, &out->layer);
    }
    if (status != PARE_OK) {
        clear_filled(lm, out);
        return status;
    }
    memcpy(out->layer, lm->layer, (size_t)lm->shape.layers * sizeof *out->layer);
    for (int64_t i = 0; i < lm->shape.layers; i++) {
        pare_lm_layer *layer = &out->shape.layer[i];
        if (i == 0 && layer->heads == 0) {
            layer->heads = layer->kv_heads = 1;
        }
        layer->ffn = layer->ffn > 0 ? layer->ffn : ZERO_CHANNELS;
        for (int slot = 0; status == PARE_OK && slot < PARE_LM_SLOTS; slot++) {
            pare_lm_tensor *t = &out->layer[i][slot];
            if (!t->own && !t->stored &&
                pare_lm_slot_size(&out->shape, i, (pare_lm_slot)slot, &t->rows, &t->columns)) {
                status = pare_alloc_zero(ctx, t->rows * (t->columns > 0 ? t->columns : 1),
                                         sizeof *t->own, &t->own);
            }
        }
    }
    if (status != PARE_OK) {
        clear_filled(lm, out);
    }
    return status;
}

bool pare_lm_gguf_interleaved(const pare_lm_shape *shape) {
    return strcmp(shape->architecture, "llama") == 0 || strcmp(shape->architecture, "mistral") == 0;
}

pare_status pare_lm_write_hf(const pare_lm *lm, pare_dtype dtype, const char *directory,
                             const char *config_from) {
    return write_model(lm, dtype, false, NULL, NULL, directory, config_from);
}

pare_status pare_lm_write_gguf(const pare_lm *lm, pare_dtype dtype,
                               const pare_stored_vocabulary *vocabulary, const char *path) {
    bool interleaved = pare_lm_gguf_interleaved(&lm->shape);
    if (pare_family_is(lm->shape.architecture)) {
        return pare_fail(lm->ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: GGUF is written for llama, mistral, qwen2 and qwen3; %s becomes a "
                         "Hugging Face directory only",
                         path, lm->shape.architecture);
    }
    if (!interleaved && !pare_lm_uniform(&lm->shape)) {
        return pare_fail(
            lm->ctx, PARE_ERROR_UNSUPPORTED,
            "%s: GGUF has no form for %s with layers that differ; prune with --uniform", path,
            lm->shape.architecture);
    }
    if (pare_lm_uniform(&lm->shape)) {
        return write_model(lm, dtype, interleaved, vocabulary, path, NULL, NULL);
    }
    pare_lm filled = {0};
    pare_status status = fill(lm, &filled);
    if (status == PARE_OK) {
        status = write_model(&filled, dtype, interleaved, vocabulary, path, NULL, NULL);
        clear_filled(lm, &filled);
    }
    return status;
}
