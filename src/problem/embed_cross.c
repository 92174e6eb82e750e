/*
 * Cross screening: which pairs of fields say together what they do not say apart. Residuals of a
 * logistic regression on all fields are summed by pair of ids, in two halves of the training rows;
 * weights learned on one half are judged on the other. One pass over the rows for all pairs, no
 * training of any cross.
 */
#include "problem/embed.h"

#include "base/random.h"
#include "platform/threads.h"

#include <math.h>
#include <stdlib.h>

enum { LR_PASSES = 3, SUMS = 4 };

typedef struct screen {
    pare_embed *embed;
    int64_t rows; /* training rows, padded columns of which follow each other */
    int32_t *id;  /* (fields, rows) row within the field's table, -1: absent */
    float *term;  /* (rows, SUMS) gradient and curvature of the loss, of the row's half */
    int64_t pairs;
    pare_embed_cross *pair; /* (pairs) */
    float **sums;           /* (chunks) tables, (cross_rows, SUMS) each */
    int64_t chunks;         /* pairs are dealt to so many tables */
} screen;

/*
 * With sums G of the gradient and H of the curvature in the halves a and b, a weight w changes the
 * loss of a half by G w + H w^2 / 2. The variance t of the true weights is told by the halves
 * together, E G_a G_b = t H_a H_b; the weight of a half is -G / (H + 1 / t). Returns how much the
 * weights of each half lower the loss of the other, summed over both.
 */
static double judge(int64_t rows, const float *sums) {
    double both = 0, curvature = 0, gain = 0;
    for (int64_t r = 0; r < rows; r++, sums += SUMS) {
        both += (double)sums[0] * (double)sums[2];
        curvature += (double)sums[1] * (double)sums[3];
    }
    if (!(both > 0) || !(curvature > 0)) {
        return 0;
    }
    double prior = curvature / both;
    sums -= rows * SUMS;
    for (int64_t r = 0; r < rows; r++, sums += SUMS) {
        double a = -(double)sums[0] / ((double)sums[1] + prior);
        double b = -(double)sums[2] / ((double)sums[3] + prior);
        gain -= (double)sums[2] * a + (double)sums[3] * a * a / 2;
        gain -= (double)sums[0] * b + (double)sums[1] * b * b / 2;
    }
    return gain;
}

static void score_pair(const screen *s, pare_embed_cross *pair, float *sums) {
    const pare_field *field = s->embed->fields.field;
    const int32_t *a = s->id + pair->part[0] * s->rows, *b = s->id + pair->part[1] * s->rows;
    int64_t a_rows = field[pair->part[0]].size, b_rows = field[pair->part[1]].size;
    memset(sums, 0, (size_t)(pair->rows * SUMS) * sizeof *sums);
    for (int64_t i = 0; i < s->rows; i++) {
        if (a[i] >= 0 && b[i] >= 0) {
            float *at = sums + SUMS * pare_cross_row(a[i], b[i], a_rows, b_rows, pair->rows);
            const float *term = s->term + SUMS * i;
            for (int k = 0; k < SUMS; k++) {
                at[k] += term[k];
            }
        }
    }
    pair->score = judge(pair->rows, sums) / (double)s->rows;
}

static void score_chunk(void *argument, int64_t chunk) {
    const screen *s = argument;
    for (int64_t p = chunk; p < s->pairs; p += s->chunks) {
        score_pair(s, &s->pair[p], s->sums[chunk]);
    }
}

/* Residuals of logistic regression, and ids, column by column. */
static pare_status fill(screen *s) {
    pare_embed *e = s->embed;
    pare_field_spec spec = pare_field_spec_default(PARE_FIELD_MODEL_LR, 0);
    pare_field_model *model = NULL;
    float *logit = NULL;
    pare_status status =
        pare_field_model_create(e->ctx, &spec, &e->fields, (uint64_t)e->options.seed, &model);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, s->rows, sizeof *logit, &logit);
    }
    if (status == PARE_OK) {
        pare_embed_order(e);
        (void)pare_field_model_fit(model, &e->fields, s->rows, e->train_row, LR_PASSES);
        pare_embed_order(e);
        pare_field_model_predict(model, &e->fields, s->rows, e->train_row, logit);
    }
    for (int64_t i = 0; i < s->rows && status == PARE_OK; i++) {
        int64_t row = e->train_row[i];
        double p = 1 / (1 + exp(-(double)logit[i]));
        bool half =
            pare_random_uniform((uint64_t)e->options.seed, PARE_STREAM_HALVES, (uint64_t)i) < 0.5;
        float *term = s->term + SUMS * i + 2 * half;
        term[0] = (float)p - e->fields.label[row];
        term[1] = (float)(p * (1 - p));
        for (int64_t f = 0; f < e->fields.count; f++) {
            int32_t cell = e->fields.cell[row * e->fields.count + f];
            s->id[f * s->rows + i] = cell < 0 ? -1 : cell - (int32_t)e->fields.field[f].first;
        }
    }
    pare_free(e->ctx, logit);
    pare_field_model_destroy(model);
    return status;
}

/* Pairs of categories that vary and are not banned. */
static void list_pairs(screen *s) {
    const pare_embed *e = s->embed;
    const pare_field *field = e->fields.field;
    for (int64_t a = 0; a < e->fields.count; a++) {
        for (int64_t b = a + 1; b < e->fields.count; b++) {
            if (field[a].size > 1 && field[b].size > 1 && !e->banned[a] && !e->banned[b]) {
                int64_t rows = pare_cross_size(field[a].size, field[b].size, e->options.cross_rows);
                s->pair[s->pairs++] = (pare_embed_cross){{a, b}, rows, 0};
            }
        }
    }
}

static int by_score(const void *a, const void *b) {
    const pare_embed_cross *x = a, *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    return x->part[0] != y->part[0] ? (x->part[0] > y->part[0]) - (x->part[0] < y->part[0])
                                    : (x->part[1] > y->part[1]) - (x->part[1] < y->part[1]);
}

static pare_status prepare(screen *s) {
    pare_embed *e = s->embed;
    int64_t cells = 0, terms = 0, pairs = e->fields.count * (e->fields.count - 1) / 2;
    if (!pare_checked_multiply(e->fields.count, s->rows, &cells) ||
        !pare_checked_multiply(SUMS, s->rows, &terms)) {
        return pare_fail(e->ctx, PARE_ERROR_MEMORY, "out of memory: cross screening");
    }
    pare_status status = pare_alloc(e->ctx, cells, sizeof *s->id, &s->id);
    if (status == PARE_OK) {
        status = pare_alloc_zero(e->ctx, terms, sizeof *s->term, &s->term);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, pairs, sizeof *s->pair, &s->pair);
    }
    if (status == PARE_OK) {
        list_pairs(s);
        status = pare_alloc_zero(e->ctx, s->chunks, sizeof *s->sums, &s->sums);
    }
    for (int64_t c = 0; c < s->chunks && status == PARE_OK; c++) {
        status = pare_alloc(e->ctx, SUMS * e->options.cross_rows, sizeof(float), &s->sums[c]);
    }
    return status == PARE_OK ? fill(s) : status;
}

/* The best pairs become fields. */
static pare_status add_best(screen *s) {
    pare_embed *e = s->embed;
    pare_field_pair *best = NULL;
    int64_t count = 0;
    qsort(s->pair, (size_t)s->pairs, sizeof *s->pair, by_score);
    while (count < s->pairs && count < e->options.crosses && s->pair[count].score > 0) {
        count++;
    }
    if (count == 0) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(e->ctx, count, sizeof *best, &best);
    for (int64_t c = 0; c < count && status == PARE_OK; c++) {
        best[c] = (pare_field_pair){{s->pair[c].part[0], s->pair[c].part[1]}, s->pair[c].rows};
    }
    if (status == PARE_OK) {
        status = pare_fields_cross(&e->fields, count, best);
    }
    pare_free(e->ctx, best);
    e->crosses = count;
    e->pairs = s->pairs;
    e->cross = s->pair;
    s->pair = NULL;
    return status;
}

pare_status pare_embed_crosses(pare_embed *embed) {
    screen s = {.embed = embed, .rows = embed->train};
    s.chunks = pare_pool_threads(embed->ctx->pool);
    pare_status status = prepare(&s);
    if (status == PARE_OK) {
        pare_pool_run(embed->ctx->pool, s.chunks, score_chunk, &s);
        status = add_best(&s);
    }
    for (int64_t c = 0; c < s.chunks && s.sums; c++) {
        pare_free(embed->ctx, s.sums[c]);
    }
    void *owned[] = {s.id, s.term, s.pair, s.sums};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(embed->ctx, owned[i]);
    }
    return status;
}
