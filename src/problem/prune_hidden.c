/* Hidden dimensions: which go, and their cut. */
#include "problem/prune_parts.h"

#include <math.h>
#include <string.h>

/* Adds what a dimension gives to the matrices that read the stream: its mean square after the norm
 * times the squared norm of their columns. */
static void add_readers(const pruning *p, const pare_lm_tensor *gain, const pare_lm_tensor *reader,
                        const double *square, prune_ranked *list) {
    int64_t hidden = p->dense->shape.hidden;
    for (int64_t row = 0; reader->own && row < reader->rows; row++) {
        for (int64_t j = 0; j < hidden; j++) {
            double w = (double)reader->own[row * hidden + j] * (double)gain->own[j];
            list[j].score += square[j] * w * w;
        }
    }
}

static void measure_stream(const pruning *p, const float *x, double *square) {
    const pare_calibration *c = &p->calibration;
    int64_t hidden = p->dense->shape.hidden;
    memset(square, 0, (size_t)hidden * sizeof *square);
    for (int64_t row = 0; row < c->batch * c->length; row++) {
        double sum = 0;
        for (int64_t j = 0; j < hidden; j++) {
            sum += (double)x[row * hidden + j] * (double)x[row * hidden + j];
        }
        for (int64_t j = 0; sum > 0 && j < hidden; j++) {
            double value = (double)x[row * hidden + j];
            square[j] += value * value * (double)hidden / sum;
        }
    }
}

/* All that read the stream before half `index` of the model (2 a layer; then the output). */
static void add_half(const pruning *p, int64_t index, const double *square, prune_ranked *list) {
    if (index == 2 * p->dense->shape.layers) {
        add_readers(p, &p->lm->norm, p->lm->shape.tied ? &p->lm->embedding : &p->lm->head, square,
                    list);
        return;
    }
    const pare_lm_tensor *t = p->lm->layer[index / 2];
    bool ffn = index % 2 > 0;
    const pare_lm_tensor *gain = &t[ffn ? PARE_LM_FFN_NORM : PARE_LM_ATTENTION_NORM];
    pare_lm_slot reader[PRUNE_READERS];
    int count = pare_prune_readers_of(ffn ? PARE_LM_FFN : PARE_LM_ATTENTION, reader);
    for (int i = 0; gain->own && i < count; i++) {
        add_readers(p, gain, &t[reader[i]], square, list);
    }
}

/* The least read dimension first. */
pare_status pare_prune_hidden_rank(pruning *p) {
    const pare_calibration *c = &p->calibration;
    int64_t hidden = p->dense->shape.hidden;
    prune_ranked *list = NULL;
    double *square = NULL;
    float *x = NULL;
    pare_status status = pare_alloc_zero(p->ctx, hidden, sizeof *list, &list);
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, hidden, sizeof *p->hidden_order, &p->hidden_order);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, hidden, 1, &p->hidden_gone);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, hidden, sizeof *square, &square);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, c->batch * c->length * hidden, sizeof *x, &x);
    }
    for (int64_t j = 0; status == PARE_OK && j < hidden; j++) {
        list[j].item = j;
    }
    for (int64_t at = 0;
         status == PARE_OK && at < c->sequences && (at == 0 || at < p->options->probe);
         at += c->batch) {
        pare_lm_embed(c->dense_run, c->token + at * c->length, NULL, x);
        for (int64_t i = 0; i <= 2 * p->dense->shape.layers; i++) {
            measure_stream(p, x, square);
            add_half(p, i, square, list);
            if (i < 2 * p->dense->shape.layers) {
                pare_lm_half_forward(c->dense_run, i / 2,
                                     i % 2 > 0 ? PARE_LM_FFN : PARE_LM_ATTENTION, NULL, x, x, x);
            }
        }
    }
    if (status == PARE_OK) {
        pare_prune_sort(list, hidden);
        for (int64_t j = 0; j < hidden; j++) {
            p->hidden_order[j] = list[j].item;
        }
    }
    pare_free(p->ctx, list);
    pare_free(p->ctx, square);
    pare_free(p->ctx, x);
    return status;
}

/* What writes the dimensions becomes 0, norms divide by the new number. */
void pare_prune_hidden_hide(pruning *p) {
    pare_lm *lm = p->lm;
    int64_t hidden = lm->shape.hidden;
    float scale = (float)sqrt((double)(hidden - p->hidden_removed) / (double)hidden);
    static const pare_lm_slot writers[] = {PARE_LM_O, PARE_LM_DOWN, PARE_LM_O_BIAS,
                                           PARE_LM_DOWN_BIAS};
    static const pare_lm_slot norms[] = {PARE_LM_ATTENTION_NORM, PARE_LM_FFN_NORM};
    for (int64_t i = 0; i < lm->shape.layers * 4; i++) {
        pare_lm_tensor *t = &lm->layer[i / 4][writers[i % 4]];
        int64_t columns = t->columns > 0 ? t->columns : 1;
        for (int64_t j = 0; t->own && j < p->hidden_removed; j++) {
            memset(t->own + p->hidden_order[j] * columns, 0, (size_t)columns * sizeof *t->own);
        }
    }
    for (int64_t i = 0; i < lm->shape.layers * 2; i++) {
        pare_lm_tensor *t = &lm->layer[i / 2][norms[i % 2]];
        for (int64_t j = 0; t->own && j < hidden; j++) {
            t->own[j] *= scale;
        }
    }
    memset(p->hidden_gone, 0, (size_t)hidden);
    for (int64_t j = 0; j < p->hidden_removed; j++) {
        p->hidden_gone[p->hidden_order[j]] = 1;
    }
    p->calibration.gone = p->hidden_gone;
}

pare_status pare_prune_hidden_cut(pruning *p) {
    int64_t hidden = p->lm->shape.hidden;
    if (p->hidden_removed == 0) {
        return PARE_OK;
    }
    for (int64_t j = 0; j < hidden; j++) {
        p->hidden_gone[j] = !p->hidden_gone[j]; /* kept */
    }
    const pare_lm_keep keep = {.hidden = p->hidden_gone};
    pare_status status = pare_lm_cut(p->lm, &keep);
    float scale = (float)sqrt((double)hidden / (double)(hidden - p->hidden_removed));
    for (int64_t i = 0; status == PARE_OK && i < p->lm->shape.layers * 2; i++) {
        pare_lm_tensor *t =
            &p->lm->layer[i / 2][i % 2 > 0 ? PARE_LM_FFN_NORM : PARE_LM_ATTENTION_NORM];
        for (int64_t j = 0; t->own && j < t->rows; j++) {
            t->own[j] *= scale;
        }
    }
    return status;
}
