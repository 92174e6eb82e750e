#include "problem/prune_block_scores.h"
#include "base/random.h"
#include "select/sparsify.h"

#include <math.h>
#include <string.h>

enum { BATCH = 4 };

pare_status pare_prune_blocks_list(prune_blocks *b) {
    const pare_lm_shape *s = &b->lm->shape;
    int64_t most = s->layers * PARE_LM_MATRICES;
    pare_status status = pare_alloc_zero(b->ctx, most, sizeof *b->matrix, &b->matrix);
    if (status == PARE_OK) {
        status = pare_alloc_zero(b->ctx, most + 1, sizeof *b->first, &b->first);
    }
    if (status == PARE_OK) {
        status = pare_alloc(b->ctx, (s->layers + 1) * PARE_LM_SLOTS, sizeof *b->offset, &b->offset);
    }
    if (status != PARE_OK) {
        return status;
    }
    (void)pare_lm_gradient_layout(s, b->offset);
    for (int64_t i = 0; i < most; i++) {
        int64_t layer = i / PARE_LM_MATRICES, slot = i % PARE_LM_MATRICES;
        pare_lm_tensor *t = &b->lm->layer[layer][slot];
        if (!t->own) {
            continue;
        }
        b->matrix[b->matrices] = (prune_matrix){.tensor = t,
                                                .layer = layer,
                                                .rows = t->rows,
                                                .columns = t->columns,
                                                .offset = b->offset[layer * PARE_LM_SLOTS + slot],
                                                .slot = (pare_lm_slot)slot,
                                                .high = (t->rows + b->block - 1) / b->block,
                                                .wide = (t->columns + b->block - 1) / b->block};
        const prune_matrix *m = &b->matrix[b->matrices++];
        b->first[b->matrices] = b->first[b->matrices - 1] + m->high * m->wide;
    }
    return pare_alloc_zero(b->ctx, b->first[b->matrices], 1, &b->keep);
}

void pare_prune_blocks_release(prune_blocks *b) {
    pare_free(b->ctx, b->matrix);
    pare_free(b->ctx, b->first);
    pare_free(b->ctx, b->offset);
    pare_free(b->ctx, b->keep);
}

/* Score of the blocks of one matrix: sum of w^2 square_j, square NULL: 1. */
static void score_matrix(const prune_blocks *b, int64_t index, const double *square,
                         double *score) {
    const prune_matrix *m = &b->matrix[index];
    for (int64_t r = 0; r < m->rows; r++) {
        const float *w = m->tensor->own + r * m->columns;
        double *to = score + b->first[index] + r / b->block * m->wide;
        for (int64_t c = 0; c < m->columns; c++) {
            to[c / b->block] += (double)w[c] * (double)w[c] * (square ? square[c] : 1);
        }
    }
}

/* Adds the squares of each column of rows, or of the rows after their RMS norm. */
static void add_squares(int64_t rows, int64_t width, const float *x, const float *gain,
                        double epsilon, double *square) {
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * width;
        double factor = 1;
        if (gain) {
            double sum = 0;
            for (int64_t c = 0; c < width; c++) {
                sum += (double)row[c] * (double)row[c];
            }
            factor = 1 / (sum / (double)width + epsilon);
        }
        for (int64_t c = 0; c < width; c++) {
            double g = gain ? (double)gain[c] : 1;
            square[c] += (double)row[c] * (double)row[c] * factor * g * g;
        }
    }
}

/* One half of a layer: its text goes through, the inputs of its matrices are measured. x in-out. */
static void measure_half(prune_blocks *b, pare_lm_run *run, int64_t batch, int64_t layer,
                         pare_lm_half half, float *x, float *out, double *square, double *score) {
    const pare_lm_shape *s = &b->lm->shape;
    bool attention = half == PARE_LM_ATTENTION;
    int64_t rows = batch * b->length, hidden = s->hidden;
    int64_t inner = attention ? s->layer[layer].heads * s->head_dim : s->layer[layer].ffn;
    const pare_lm_slot norm = attention ? PARE_LM_ATTENTION_NORM : PARE_LM_FFN_NORM;
    double *inner_square = square + hidden;
    memset(square, 0, (size_t)(hidden + inner) * sizeof *square);
    for (int64_t at = 0; inner > 0 && at + batch <= b->sequences; at += batch) {
        float *from = x + at * b->length * hidden;
        add_squares(rows, hidden, from, b->lm->layer[layer][norm].own, s->norm_epsilon, square);
        pare_lm_half_forward(run, layer, half, NULL, from, from, out);
        add_squares(rows, inner, pare_lm_inner(run, half), NULL, 0, inner_square);
        memcpy(from, out, (size_t)(rows * hidden) * sizeof *from);
    }
    for (int64_t i = 0; i < b->matrices; i++) {
        const prune_matrix *m = &b->matrix[i];
        bool first = m->slot == PARE_LM_GATE || m->slot == PARE_LM_UP;
        bool last = m->slot == (attention ? PARE_LM_O : PARE_LM_DOWN);
        first = attention ? m->slot <= PARE_LM_V : first;
        if (m->layer == layer && (first || last)) {
            score_matrix(b, i, last ? inner_square : square, score);
        }
    }
}

static pare_status measure_activations(prune_blocks *b, double *score) {
    const pare_lm_shape *s = &b->lm->shape;
    int64_t batch = b->sequences < BATCH ? b->sequences : BATCH, inner = 0;
    float *x = NULL, *out = NULL;
    double *square = NULL;
    pare_lm_run *run = NULL;
    for (int64_t i = 0; i < s->layers; i++) {
        int64_t wide = s->layer[i].heads * s->head_dim;
        wide = wide > s->layer[i].ffn ? wide : s->layer[i].ffn;
        inner = wide > inner ? wide : inner;
    }
    pare_status status = pare_lm_run_create(b->lm, batch, b->length, false, &run);
    if (status == PARE_OK) {
        status = pare_alloc(b->ctx, b->sequences * b->length * s->hidden, sizeof *x, &x);
    }
    if (status == PARE_OK) {
        status = pare_alloc(b->ctx, batch * b->length * s->hidden, sizeof *out, &out);
    }
    if (status == PARE_OK) {
        status = pare_alloc(b->ctx, s->hidden + inner, sizeof *square, &square);
    }
    if (status == PARE_OK) {
        for (int64_t at = 0; at + batch <= b->sequences; at += batch) {
            pare_lm_embed(run, b->token + at * b->length, NULL, x + at * b->length * s->hidden);
        }
        for (int64_t i = 0; i < 2 * s->layers; i++) {
            measure_half(b, run, batch, i / 2, i % 2 == 0 ? PARE_LM_ATTENTION : PARE_LM_FFN, x, out,
                         square, score);
        }
    }
    pare_lm_run_destroy(run);
    pare_free(b->ctx, x);
    pare_free(b->ctx, out);
    pare_free(b->ctx, square);
    return status;
}

pare_status pare_prune_blocks_score(prune_blocks *b) {
    int64_t count = b->first[b->matrices];
    double *score = NULL;
    pare_ranked *order = NULL;
    pare_status status = pare_alloc_zero(b->ctx, count, sizeof *score, &score);
    if (status == PARE_OK) {
        status = pare_alloc(b->ctx, count, sizeof *order, &order);
    }
    if (status == PARE_OK) {
        switch (b->options->criterion) {
        case PARE_PRUNE_RANDOM:
            for (int64_t i = 0; i < count; i++) {
                score[i] = pare_random_uniform(b->options->seed, PARE_STREAM_METHOD, (uint64_t)i);
            }
            break;
        case PARE_PRUNE_MAGNITUDE:
            for (int64_t i = 0; i < b->matrices; i++) {
                score_matrix(b, i, NULL, score);
            }
            break;
        default:
            status = measure_activations(b, score);
        }
    }
    if (status == PARE_OK) {
        pare_keep_best(b->matrices, b->first, b->options->sparsity, score, order, b->keep);
    }
    pare_free(b->ctx, score);
    pare_free(b->ctx, order);
    return status;
}
