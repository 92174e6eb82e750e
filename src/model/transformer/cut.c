/* Removal of heads, channels, hidden dimensions and whole layers from an owned model. */
#include "model/transformer/transformer.h"

#include <string.h>

/* Keeps the marked rows of a matrix (or entries of a vector), in place. Rows come in blocks. */
static void keep_rows(pare_lm_tensor *t, const uint8_t *keep, int64_t block) {
    int64_t width = t->columns > 0 ? t->columns : 1, kept = 0;
    t->stored = NULL; /* no longer the same */
    for (int64_t row = 0; row < t->rows; row++) {
        if (keep[row / block]) {
            memmove(t->own + kept * width, t->own + row * width, (size_t)width * sizeof *t->own);
            kept++;
        }
    }
    t->rows = kept;
}

static void keep_columns(pare_lm_tensor *t, const uint8_t *keep, int64_t block) {
    int64_t kept = 0, columns = 0;
    t->stored = NULL;
    for (int64_t at = 0; at < t->rows * t->columns; at++) {
        int64_t column = at % t->columns;
        if (keep[column / block]) {
            t->own[kept++] = t->own[at];
        }
        columns += at < t->columns && keep[column / block];
    }
    t->columns = columns;
}

static int64_t count_kept(const uint8_t *keep, int64_t count) {
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        kept += keep[i] != 0;
    }
    return kept;
}

static void release(pare_lm *lm, pare_lm_tensor *t) {
    pare_free(lm->ctx, t->own);
    *t = (pare_lm_tensor){0};
}

static void drop_attention(pare_lm *lm, int64_t index) {
    pare_lm_layer *layer = &lm->shape.layer[index];
    static const pare_lm_slot attention[] = {PARE_LM_Q,
                                             PARE_LM_K,
                                             PARE_LM_V,
                                             PARE_LM_O,
                                             PARE_LM_ATTENTION_NORM,
                                             PARE_LM_Q_BIAS,
                                             PARE_LM_K_BIAS,
                                             PARE_LM_V_BIAS,
                                             PARE_LM_O_BIAS,
                                             PARE_LM_Q_NORM,
                                             PARE_LM_K_NORM,
                                             PARE_LM_ATTENTION_NORM_BIAS};
    for (size_t i = 0; i < sizeof attention / sizeof attention[0]; i++) {
        release(lm, &lm->layer[index][attention[i]]);
    }
    layer->heads = layer->kv_heads = 0;
}

static void cut_groups(pare_lm *lm, int64_t index, const uint8_t *keep) {
    pare_lm_layer *layer = &lm->shape.layer[index];
    pare_lm_tensor *t = lm->layer[index];
    int64_t d = lm->shape.head_dim,
            share = layer->kv_heads > 0 ? layer->heads / layer->kv_heads : 0;
    int64_t kept = count_kept(keep, layer->kv_heads);
    if (layer->heads == 0 || kept == layer->kv_heads) {
        return;
    }
    if (kept == 0) {
        drop_attention(lm, index);
        return;
    }
    static const pare_lm_slot wide[] = {PARE_LM_Q, PARE_LM_Q_BIAS};
    static const pare_lm_slot narrow[] = {PARE_LM_K, PARE_LM_K_BIAS, PARE_LM_V, PARE_LM_V_BIAS};
    for (int i = 0; i < 2; i++) {
        keep_rows(&t[wide[i]], keep, share * d);
    }
    for (int i = 0; i < 4; i++) {
        keep_rows(&t[narrow[i]], keep, d);
    }
    keep_columns(&t[PARE_LM_O], keep, share * d);
    layer->heads = kept * share;
    layer->kv_heads = kept;
}

static pare_status cut_heads(pare_lm *lm, int64_t index, const uint8_t *keep) {
    pare_lm_layer *layer = &lm->shape.layer[index];
    pare_lm_tensor *t = lm->layer[index];
    int64_t d = lm->shape.head_dim, kept = count_kept(keep, layer->heads);
    int64_t share = layer->kv_heads > 0 ? layer->heads / layer->kv_heads : 0;
    if (kept == layer->heads) {
        return PARE_OK;
    }
    if (kept == 0) {
        drop_attention(lm, index);
        return PARE_OK;
    }
    for (int64_t g = 0; g < layer->kv_heads; g++) {
        int64_t own = count_kept(keep + g * share, share);
        if (own * layer->kv_heads != kept) {
            return pare_fail(lm->ctx, PARE_ERROR_ARGUMENT,
                             "layer %lld: key/value head %lld would keep %lld of %lld query heads; "
                             "expected as many as every other one keeps",
                             (long long)index, (long long)g, (long long)own, (long long)share);
        }
    }
    keep_rows(&t[PARE_LM_Q], keep, d);
    keep_rows(&t[PARE_LM_Q_BIAS], keep, d);
    keep_columns(&t[PARE_LM_O], keep, d);
    layer->heads = kept;
    return PARE_OK;
}

static void cut_channels(pare_lm *lm, int64_t index, const uint8_t *keep) {
    pare_lm_layer *layer = &lm->shape.layer[index];
    pare_lm_tensor *t = lm->layer[index];
    static const pare_lm_slot ffn[] = {PARE_LM_GATE,      PARE_LM_UP,           PARE_LM_DOWN,
                                       PARE_LM_FFN_NORM,  PARE_LM_GATE_BIAS,    PARE_LM_UP_BIAS,
                                       PARE_LM_DOWN_BIAS, PARE_LM_FFN_NORM_BIAS};
    int64_t kept = count_kept(keep, layer->ffn);
    if (kept == layer->ffn) {
        return;
    }
    if (kept == 0) {
        for (size_t i = 0; i < sizeof ffn / sizeof ffn[0]; i++) {
            release(lm, &t[ffn[i]]);
        }
        layer->ffn = 0;
        return;
    }
    static const pare_lm_slot rows[] = {PARE_LM_GATE, PARE_LM_UP, PARE_LM_GATE_BIAS,
                                        PARE_LM_UP_BIAS};
    for (int i = 0; i < 4; i++) {
        if (t[rows[i]].own) {
            keep_rows(&t[rows[i]], keep, 1);
        }
    }
    keep_columns(&t[PARE_LM_DOWN], keep, 1);
    layer->ffn = kept;
}

static void cut_hidden(pare_lm *lm, const uint8_t *keep) {
    static const pare_lm_slot inputs[] = {PARE_LM_Q, PARE_LM_K, PARE_LM_V, PARE_LM_GATE,
                                          PARE_LM_UP};
    static const pare_lm_slot outputs[] = {PARE_LM_O,
                                           PARE_LM_DOWN,
                                           PARE_LM_O_BIAS,
                                           PARE_LM_DOWN_BIAS,
                                           PARE_LM_ATTENTION_NORM,
                                           PARE_LM_FFN_NORM,
                                           PARE_LM_ATTENTION_NORM_BIAS,
                                           PARE_LM_FFN_NORM_BIAS};
    for (int64_t i = 0; i < lm->shape.layers; i++) {
        for (size_t j = 0; j < sizeof inputs / sizeof inputs[0]; j++) {
            if (lm->layer[i][inputs[j]].own) {
                keep_columns(&lm->layer[i][inputs[j]], keep, 1);
            }
        }
        for (size_t j = 0; j < sizeof outputs / sizeof outputs[0]; j++) {
            if (lm->layer[i][outputs[j]].own) {
                keep_rows(&lm->layer[i][outputs[j]], keep, 1);
            }
        }
    }
    keep_columns(&lm->embedding, keep, 1);
    keep_rows(&lm->norm, keep, 1);
    if (lm->norm_bias.own) {
        keep_rows(&lm->norm_bias, keep, 1);
    }
    if (lm->positions.own) {
        keep_columns(&lm->positions, keep, 1);
    }
    if (lm->head.own) {
        keep_columns(&lm->head, keep, 1);
    }
    lm->shape.hidden = count_kept(keep, lm->shape.hidden);
}

static void cut_tokens(pare_lm *lm, const uint8_t *keep) {
    int64_t *const numbers[] = {&lm->shape.bos, &lm->shape.eos};
    for (int i = 0; i < 2; i++) {
        *numbers[i] = *numbers[i] < 0 ? -1 : count_kept(keep, *numbers[i]);
    }
    lm->shape.vocabulary = count_kept(keep, lm->shape.vocabulary);
    keep_rows(&lm->embedding, keep, 1);
    if (lm->head.own) {
        keep_rows(&lm->head, keep, 1);
    }
}

static void drop_layers(pare_lm *lm) {
    pare_lm_shape *s = &lm->shape;
    int64_t kept = 0;
    for (int64_t i = 0; i < s->layers; i++) {
        if (s->layer[i].heads == 0 && s->layer[i].ffn == 0) {
            continue;
        }
        s->layer[kept] = s->layer[i];
        memmove(lm->layer[kept], lm->layer[i], sizeof lm->layer[i]);
        kept++;
    }
    s->layers = kept;
}

pare_status pare_lm_cut(pare_lm *lm, const pare_lm_keep *keep) {
    pare_lm_shape *s = &lm->shape;
    int64_t group = 0, channel = 0, head = 0;
    pare_status status = PARE_OK;
    if (keep->hidden && count_kept(keep->hidden, s->hidden) == 0) {
        return pare_fail(lm->ctx, PARE_ERROR_ARGUMENT, "no hidden dimension is kept");
    }
    for (int64_t i = 0; status == PARE_OK && i < s->layers; i++) {
        int64_t groups = s->layer[i].kv_heads, channels = s->layer[i].ffn;
        int64_t heads = s->layer[i].heads;
        if (keep->head) {
            status = cut_heads(lm, i, keep->head + head);
        }
        if (keep->group) {
            cut_groups(lm, i, keep->group + group);
        }
        if (keep->channel) {
            cut_channels(lm, i, keep->channel + channel);
        }
        group += groups;
        channel += channels;
        head += heads;
    }
    if (status != PARE_OK) {
        return status;
    }
    if (keep->hidden) {
        cut_hidden(lm, keep->hidden);
    }
    if (keep->token) {
        cut_tokens(lm, keep->token);
    }
    if (keep->drop_empty) {
        drop_layers(lm);
    }
    return PARE_OK;
}
