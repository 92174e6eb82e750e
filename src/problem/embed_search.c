/*
 * Sequential Attention (Yasuda, Bateni, Chen, Fahrbach, Fu, Mirrokni 2023) over fields and chunks
 * under costs: one training run in phases. Open candidates are multiplied by their share in a
 * softmax of logits, scaled to mean 1, after the look-up; at the end of phase p, candidates are
 * committed within p / PHASES of every limit, by what they bring per marginal cost.
 */
#include "problem/embed.h"

#include "base/random.h"

#include <math.h>

enum {
    PHASES = 4,
    JUDGES = 4,  /* one training row in so many judges the masks and teaches the model nothing: on
                    rows it learned from, the largest tables always look best */
    JUDGED = 12, /* one judging row for so many that teach, each step: more only cost */
    STEPS = 512, /* of the logits, about */
    TRAINED = 2, /* one batch of a training in so many, the first ones: the rest only polishes */
    BATCH_MIN = 16,
    COLUMN_SHARE = 8,   /* rows seen in training for each row of the last choice, */
    COLUMNS_MIN = 1024, /* 2 PHASES times as many for the others; */
    COLUMNS_MAX = 32768,
    SMALL = 1000,       /* training rows for each id that comes in unseen */
    TOGETHER_MAX = 1024 /* candidates weighed together; more add up */
};

#define FILL      1e-6 /* nats a row, added to what chunks may bring by their field's gain */
#define MASK_RATE 0.01
#define KEEP      0.98 /* share of the old mean that a step keeps */

typedef struct search {
    pare_embed *embed;
    pare_field_model *model;
    double *logit, *weight, *d, *removal; /* (candidates) */
    int64_t learners;                     /* rows of train_row that teach; the others judge */
    int64_t next;                         /* judging row */
} search;

/* Weights of the masks: 1 for what is kept, n softmax for the n open ones, 0 for banned fields.
 * Returns n. */
static int64_t find_weights(const search *s) {
    const pare_embed *e = s->embed;
    int64_t open = 0, width = e->serving.chunks + 1;
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < e->candidates; i++) {
        s->weight[i] = e->keep[i] ? 1 : 0;
        if (!e->keep[i] && !e->banned[i / width]) {
            top = fmax(top, s->logit[i]);
            open++;
        }
    }
    for (int64_t i = 0; i < e->candidates; i++) {
        if (!e->keep[i] && !e->banned[i / width]) {
            s->weight[i] = exp(s->logit[i] - top);
            sum += s->weight[i];
        }
    }
    for (int64_t i = 0; i < e->candidates; i++) {
        if (!e->keep[i] && !e->banned[i / width]) {
            s->weight[i] *= (double)open / sum;
        }
    }
    return open;
}

/* d loss / d logit_j = w_j (d_j - mean), with the secant of the loss between mask 0 and w_j in
 * place of the tangent d_j at w_j: where the model is fitted the tangents of all useful candidates
 * are 0. w_j times the secant is minus the loss of leaving j out. The step is relative to the root
 * mean square over the open candidates, so that those that bring nothing stay where they are. */
static void step_logits(search *s, int64_t open) {
    const pare_embed *e = s->embed;
    double mean = 0, square = 0;
    for (int64_t i = 0; i < e->candidates; i++) {
        s->removal[i] = KEEP * s->removal[i] + (1 - KEEP) * s->d[i];
        mean += s->weight[i] > 0 && !e->keep[i] ? s->d[i] / (double)open : 0;
    }
    for (int64_t i = 0; i < e->candidates; i++) {
        double away = s->d[i] - mean;
        square += s->weight[i] > 0 && !e->keep[i] ? away * away / (double)open : 0;
    }
    for (int64_t i = 0; i < e->candidates && square > 0; i++) {
        if (s->weight[i] > 0 && !e->keep[i]) {
            s->logit[i] += MASK_RATE * (s->d[i] - mean) / sqrt(square);
        }
    }
}

/* The chunk that comes next of a kept field which brings something: of those not kept the one that
 * would bring most; -1. */
static int64_t next_chunk(const pare_embed *e, int64_t field) {
    int64_t at = field * (e->serving.chunks + 1), best = -1;
    bool brings = e->gain[at] > 0;
    for (int64_t k = at + 1; e->keep[at] && k <= at + e->serving.chunks; k++) {
        brings = brings || e->keep[k];
        if (!e->keep[k] && (best < 0 || e->gain[k] > e->gain[best])) {
            best = k;
        }
    }
    return brings ? best : -1;
}

/* What the budget has left goes to longer vectors of the fields that are in, first of those that
 * bring most for their cost: on the judging rows a vector that learns from fewer rows than it will
 * looks worse than it is. */
static void lengthen(search *s) {
    pare_embed *e = s->embed;
    int64_t width = e->serving.chunks + 1, best = 0, before[PARE_RESOURCES], after[PARE_RESOURCES];
    while (best >= 0) {
        double most = 0;
        best = -1;
        pare_serving_cost(&e->serving, e->keep, before);
        for (int64_t f = 0; f < e->serving.fields; f++) {
            int64_t next = next_chunk(e, f);
            if (next < 0) {
                continue;
            }
            e->keep[next] = 1;
            pare_serving_cost(&e->serving, e->keep, after);
            e->keep[next] = 0;
            double ratio = (FILL + e->gain[f * width]) /
                           fmax(pare_serving_share(&e->serving, before, after), 1e-12);
            if (pare_serving_fits(&e->serving, after) && ratio > most) {
                most = ratio;
                best = next;
            }
        }
        if (best >= 0) {
            e->keep[best] = 1;
        }
    }
}

/* The left-out field of fewest ids that fits; -1. */
static int64_t smallest(const pare_embed *e) {
    int64_t best = -1, cost[PARE_RESOURCES];
    for (int64_t f = 0; f < e->serving.fields; f++) {
        int64_t at = f * (e->serving.chunks + 1);
        if (e->keep[at] || e->banned[f] || (best >= 0 && e->size[f] >= e->size[best])) {
            continue;
        }
        e->keep[at] = 1;
        pare_serving_cost(&e->serving, e->keep, cost);
        e->keep[at] = 0;
        best = pare_serving_fits(&e->serving, cost) ? f : best;
    }
    return best;
}

/* Fields of few ids come in by their linear weights where there is room: k weights that mean
 * nothing cost some k / 2 nats over all training rows, which is less than the judging rows can
 * tell, and most fields mean something. */
static void add_small(const pare_embed *e) {
    int64_t left = e->train / SMALL;
    for (int64_t f = smallest(e); f >= 0 && e->size[f] <= left; f = smallest(e)) {
        e->keep[f * (e->serving.chunks + 1)] = 1;
        left -= e->size[f];
    }
}

/* Commits within phase / PHASES of the limits. Early phases may have room for nothing. */
static pare_status commit(search *s, int64_t phase) {
    pare_embed *e = s->embed;
    pare_serving part = e->serving;
    int64_t judges = e->train - s->learners, share = s->learners * e->passes / COLUMN_SHARE;
    bool last = phase == PHASES;
    for (int r = 0; r < PARE_RESOURCES && !last; r++) {
        int64_t limit = part.limit[r] < e->full_cost[r] ? part.limit[r] : e->full_cost[r];
        part.limit[r] = pare_embed_part(&part, r, limit, phase, PHASES);
    }
    (void)find_weights(s);
    pare_embed_mask(e, s->weight, s->model);
    if (last) { /* early commitments had to be cheap; now the whole budget is there */
        memset(e->keep, 0, (size_t)e->candidates);
    }
    share = last ? share : share / (2 * PHASES);
    int64_t rows = share < COLUMNS_MIN ? COLUMNS_MIN : share > COLUMNS_MAX ? COLUMNS_MAX : share;
    const int64_t *row = e->train_row + (judges > 0 ? s->learners : 0);
    judges = judges > 0 ? judges : e->train;
    rows = rows < judges ? rows : judges;
    pare_status status = PARE_OK;
    if (e->candidates <= TOGETHER_MAX && e->serving.chunks <= PARE_SERVING_CHUNKS) {
        status = pare_embed_joint(e, s->model, rows, row, &part, last);
    } else {
        for (int64_t i = 0; i < e->candidates; i++) {
            e->gain[i] = fmax(s->removal[i], 0);
        }
        status = pare_serving_choose(&part, e->gain, e->keep);
    }
    if (last && status == PARE_OK && !e->options.by_time) { /* later rows mean what they say */
        bool longer = pare_embed_kept_chunks(e) > 1; /* products of vectors were seen to help */
        add_small(e);
        if (longer) {
            lengthen(s);
        }
    }
    return !last && status == PARE_ERROR_INPUT ? PARE_OK : status;
}

/* What leaving out each candidate costs the next few judging rows, in nats a row. */
static void judge(search *s, int64_t rows) {
    const pare_embed *e = s->embed;
    int64_t judges = e->train - s->learners, left = judges - s->next;
    int64_t count = rows < left ? rows : left;
    memset(s->d, 0, (size_t)e->candidates * sizeof *s->d);
    pare_field_model_removals(s->model, &e->fields, count, e->train_row + s->learners + s->next,
                              e->serving.chunks, e->width, s->d);
    s->next = (s->next + count) % judges;
    for (int64_t i = 0; i < e->candidates; i++) {
        s->d[i] /= (double)count;
    }
}

static pare_status run(search *s) {
    pare_embed *e = s->embed;
    uint64_t seed = (uint64_t)e->options.seed;
    int64_t batch = s->learners * e->passes / STEPS;
    batch = batch < BATCH_MIN ? BATCH_MIN : batch;
    batch = batch > e->spec.batch ? e->spec.batch : batch;
    int64_t batches = (s->learners + batch - 1) / batch, done = 0;
    int64_t total = (batches * e->passes + TRAINED - 1) / TRAINED;
    int64_t drawn = e->options.by_time ? s->learners : 0; /* by time, the last rows judge */
    pare_random_shuffle(seed, PARE_STREAM_METHOD, 0, e->train - drawn, e->train_row + drawn);
    for (int64_t pass = 1; pass <= e->passes; pass++) {
        pare_random_shuffle(seed, PARE_STREAM_METHOD, (uint64_t)(pass * e->train), s->learners,
                            e->train_row);
        for (int64_t at = 0; at < s->learners && done < total; at += batch) {
            int64_t rows = s->learners - at < batch ? s->learners - at : batch;
            int64_t open = find_weights(s);
            pare_embed_mask(e, s->weight, s->model);
            if (pare_embed_tell(e, (double)done / (double)total, (double)NAN)) {
                return pare_embed_going(e);
            }
            (void)pare_field_model_train(s->model, &e->fields, rows, e->train_row + at, NULL);
            if (open > 0 && s->learners < e->train) {
                judge(s, (rows + JUDGED - 1) / JUDGED);
                step_logits(s, open);
            }
            done++;
            int64_t phase = done * PHASES / total, before = (done - 1) * PHASES / total;
            pare_status status = phase > before ? commit(s, phase) : PARE_OK;
            if (status != PARE_OK) {
                return status;
            }
        }
    }
    return PARE_OK;
}

pare_status pare_embed_search(pare_embed *embed) {
    pare_context *ctx = embed->ctx;
    search s = {.embed = embed};
    double *block = NULL;
    memset(embed->keep, 0, (size_t)embed->candidates);
    memset(embed->gain, 0, (size_t)embed->candidates * sizeof *embed->gain);
    s.learners = embed->train - (embed->train + JUDGES - 1) / JUDGES;
    s.learners = s.learners > 0 ? s.learners : embed->train;
    pare_embed_order(embed);
    pare_status status = pare_embed_create(
        embed, NULL, embed->options.by_time ? s.learners : embed->train, &s.model);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 4 * embed->candidates, sizeof *block, &block);
    }
    if (status == PARE_OK) {
        s.logit = block;
        s.weight = s.logit + embed->candidates;
        s.d = s.weight + embed->candidates;
        s.removal = s.d + embed->candidates;
        status = run(&s);
    }
    pare_free(ctx, block);
    pare_field_model_destroy(s.model);
    return status;
}
