/*
 * Complementary-pairs stability selection (Shah and Samworth 2013): the method runs on `pairs`
 * random splits of the training rows into two halves; chosen are the candidates that a share
 * `threshold` of the 2 * pairs runs chooses. No assumption on data or method is made by the bound
 * that is printed: it counts the candidates that a half sample chooses no more often than one drawn
 * at random would be.
 */
#include "select/stability.h"
#include "base/random.h"
#include "base/text.h"
#include "problem/strategy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FREQUENCIES_MOST = 100 };

typedef struct ranked {
    int64_t candidate, times;
} ranked;

typedef struct stability {
    pare_selector *s; /* the outer one, borrowed */
    pare_options inner;
    bool has_inner;
    int64_t pairs, runs; /* wanted pairs; runs finished */
    int64_t half;        /* rows of a half */
    int64_t *order;      /* (train rows) of the pair in hand */
    int64_t *rows;       /* (half) ascending */
    int64_t *times;      /* (candidates) chosen */
    int64_t chosen_sum;
    ranked *rank; /* (candidates) by falling times, at the end */
    pare_dataset view;
    pare_selector *run;
} stability;

static void stability_destroy(void *self) {
    stability *t = self;
    if (!t) {
        return;
    }
    pare_context *ctx = t->s->ctx;
    pare_selector_destroy(t->run);
    if (t->has_inner) {
        pare_options_clear(&t->inner);
    }
    pare_free(ctx, t->order);
    pare_free(ctx, t->rows);
    pare_free(ctx, t->times);
    pare_free(ctx, t->rank);
    pare_free(ctx, t);
}

static pare_status stability_create(pare_selector *s, void **out) {
    pare_context *ctx = s->ctx;
    const pare_dataset *train = s->train;
    *out = NULL;
    if (train->train_count < 8) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "option stability: %lld training rows; halves of at least 4 are needed",
                         (long long)train->train_count);
    }
    if (!(s->options.stability_threshold > 0.5)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option stability-threshold: 0.5 proves nothing; more is needed");
    }
    stability *t = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *t, &t);
    if (status != PARE_OK) {
        return status;
    }
    t->s = s;
    t->pairs = s->options.stability;
    t->half = train->train_count / 2;
    const struct {
        void *out;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&t->order, train->train_count, sizeof *t->order},
        {&t->rows, t->half, sizeof *t->rows},
        {&t->times, train->candidates, sizeof *t->times},
        {&t->rank, train->candidates, sizeof *t->rank},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].out);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    status = pare_options_copy(&s->options, &t->inner);
    if (status != PARE_OK) {
        goto fail;
    }
    t->has_inner = true;
    t->inner.stability = 0;
    t->inner.time_limit = 0;
    *out = t;
    return PARE_OK;
fail:
    stability_destroy(t);
    return status;
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Run number t->runs: the first or second half of pair runs / 2. */
static pare_status start_run(stability *t) {
    const pare_dataset *train = t->s->train;
    uint64_t seed = (uint64_t)t->s->options.seed, pair = (uint64_t)(t->runs / 2);
    memcpy(t->order, train->train, (size_t)train->train_count * sizeof *t->order);
    pare_random_shuffle(seed, PARE_STREAM_HALVES, pair * (uint64_t)train->train_count,
                        train->train_count, t->order);
    memcpy(t->rows, t->order + (t->runs % 2) * t->half, (size_t)t->half * sizeof *t->rows);
    qsort(t->rows, (size_t)t->half, sizeof *t->rows, by_number);
    t->view = pare_dataset_view(train, t->half, t->rows);
    t->inner.seed = t->s->options.seed + t->runs + 1;
    return pare_selector_start(&t->view, t->s->valid, &t->inner, &t->run);
}

static int by_times(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->times != y->times) {
        return x->times < y->times ? 1 : -1;
    }
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

/* The stable ones into the outer choice, from the pairs finished so far. */
static void choose(stability *t) {
    pare_selector *s = t->s;
    int64_t runs = t->runs - t->runs % 2;
    for (int64_t c = 0; c < s->train->candidates; c++) {
        t->rank[c] = (ranked){c, t->times[c]};
    }
    qsort(t->rank, (size_t)s->train->candidates, sizeof *t->rank, by_times);
    s->choice.count = 0;
    for (int64_t i = 0; runs > 0 && i < s->train->candidates; i++) {
        double share = (double)t->rank[i].times / (double)runs;
        if (share >= s->options.stability_threshold - 1e-12) {
            pare_choice_add(&s->choice, t->rank[i].candidate, share);
        }
    }
}

static pare_status stability_step(void *self, bool *done) {
    stability *t = self;
    pare_choice *outer = &t->s->choice;
    outer->stage = "stability";
    if (!t->run) {
        return start_run(t);
    }
    bool finished = false;
    pare_status status = pare_selector_advance(t->run, &finished);
    outer->fraction = ((double)t->runs + t->run->choice.fraction) / (double)(2 * t->pairs);
    if (status != PARE_OK || !finished) {
        return status;
    }
    const pare_selector *run = t->run;
    int64_t count = run->fewest > 0 ? run->fewest : run->choice.count;
    for (int64_t i = 0; i < count; i++) {
        t->times[run->choice.item[i]]++;
    }
    t->chosen_sum += count;
    t->runs++;
    pare_selector_destroy(t->run);
    t->run = NULL;
    if (t->runs % 2 == 0) {
        choose(t);
    }
    *done = t->runs == 2 * t->pairs;
    return PARE_OK;
}

static pare_status stability_record(const void *self, pare_selection *record) {
    const stability *t = self;
    pare_context *ctx = record->ctx;
    const pare_dataset *train = t->s->train;
    pare_proof *proof = &record->proof;
    double runs = (double)(t->runs - t->runs % 2);
    if (t->runs < 2) {
        return PARE_OK;
    }
    double each = (double)t->chosen_sum / (double)t->runs, plain = 0;
    proof->stable = true;
    proof->stability.pairs = runs / 2;
    proof->stability.each = each;
    proof->stability.threshold = t->s->options.stability_threshold;
    proof->stability.low = each / (double)train->candidates;
    proof->stability.bound = pare_stability_bound(train->candidates, each, t->runs / 2,
                                                  t->s->options.stability_threshold, &plain);
    proof->stability.plain_bound = plain;
    int64_t count = 0;
    while (count < train->candidates && count < FREQUENCIES_MOST && t->rank[count].times > 0) {
        count++;
    }
    pare_status status =
        pare_alloc_zero(ctx, count, sizeof *proof->frequency_name, &proof->frequency_name);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, count, sizeof *proof->frequency, &proof->frequency);
    }
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        const char *name = train->candidate_name[t->rank[i].candidate];
        proof->frequency[i] = (double)t->rank[i].times / runs;
        status = pare_text_copy(ctx, name, (int64_t)strlen(name), &proof->frequency_name[i]);
        proof->frequencies = status == PARE_OK ? i + 1 : i;
    }
    return status;
}

const struct pare_strategy pare_strategy_stability = {
    .name = "stability",
    .needs_k = true,
    .create = stability_create,
    .step = stability_step,
    .record = stability_record,
    .destroy = stability_destroy,
};
