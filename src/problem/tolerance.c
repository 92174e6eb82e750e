/*
 * The fewest columns that provably cost little: Learn then Test with a fixed sequence
 * (Angelopoulos, Bates, Candes, Jordan, Lei 2021). A fifth of the training rows is set aside. On
 * the rest the method chooses k candidates, a network is trained on them that works with any first
 * part of them (nested dropout), and one on all candidates. Then, from k down, "with the first j
 * the mean loss is at least `tolerance` above that with all" is tested on the rows set aside at
 * level 1 - confidence; the last j before the first that is not rejected is the answer. No
 * correction for the number of tests is needed, because testing stops at the first failure.
 *
 * Losses of rows are capped, so that a bound exists: cross-entropy at 3 log(classes), half squared
 * errors at 4 (in units of the variance of the target).
 */
#include "base/random.h"
#include "base/text.h"
#include "problem/strategy.h"
#include "select/promise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN_STEPS = 64, ROWS_A_STEP = 64, ROWS_LEAST = 50, POINTS = 32 };
static const double share_aside = 0.2;

typedef enum stage { SELECT, TRAIN, MEASURE, DONE } stage;

typedef struct tolerance {
    pare_selector *s; /* the outer one, borrowed */
    pare_context *ctx;
    stage stage;
    pare_options inner;
    bool has_inner;
    int64_t fit_count, aside;
    int64_t *fit, *promise; /* training rows: ascending; those set aside: in random order */
    pare_dataset view;      /* the rows to fit */
    pare_dataset single;    /* one row set aside: the `test` part of both networks */
    int64_t row;            /* which one: single.validation points here */
    pare_selector *run;
    pare_trial all, path;
    int64_t points, *point; /* numbers of candidates, descending */
    float *mask;            /* (k) */
    double *increase;       /* (points, aside) loss with the first point[p] minus loss with all */
    int8_t *worse;          /* (points, aside) 1: all right and these wrong, -1: the reverse */
    double cap;
    int64_t measured; /* rows */
    int64_t rejected; /* points proved */
} tolerance;

static void tolerance_destroy(void *self) {
    tolerance *t = self;
    if (!t) {
        return;
    }
    pare_context *ctx = t->ctx;
    pare_selector_destroy(t->run);
    pare_trial_clear(&t->all);
    pare_trial_clear(&t->path);
    if (t->has_inner) {
        pare_options_clear(&t->inner);
    }
    void *const owned[] = {t->fit, t->promise, t->point, t->mask, t->increase, t->worse};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    pare_free(ctx, t);
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static pare_status split_rows(tolerance *t) {
    const pare_dataset *train = t->s->train;
    int64_t n = train->train_count;
    pare_status status = pare_alloc(t->ctx, n, sizeof *t->promise, &t->promise);
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, t->fit_count, sizeof *t->fit, &t->fit);
    }
    if (status == PARE_OK) {
        memcpy(t->promise, train->train, (size_t)n * sizeof *t->promise);
        pare_random_shuffle((uint64_t)t->s->options.seed, PARE_STREAM_PROMISE, 0, n, t->promise);
        memcpy(t->fit, t->promise + t->aside, (size_t)t->fit_count * sizeof *t->fit);
        qsort(t->fit, (size_t)t->fit_count, sizeof *t->fit, by_number);
        t->view = pare_dataset_view(train, t->fit_count, t->fit);
        t->single = *train;
        t->single.validation = &t->row;
        t->single.validation_count = 1;
    }
    return status;
}

static pare_status tolerance_create(pare_selector *s, void **out) {
    *out = NULL;
    const pare_dataset *train = s->train;
    int64_t aside = (int64_t)(share_aside * (double)train->train_count);
    if (aside < ROWS_LEAST) {
        return pare_fail(s->ctx, PARE_ERROR_INPUT,
                         "option tolerance: a fifth of the %lld training rows is %lld; at least %d "
                         "rows are needed for a promise",
                         (long long)train->train_count, (long long)aside, ROWS_LEAST);
    }
    tolerance *t = NULL;
    pare_status status = pare_alloc_zero(s->ctx, 1, sizeof *t, &t);
    if (status != PARE_OK) {
        return status;
    }
    t->s = s;
    t->ctx = s->ctx;
    t->aside = aside;
    t->fit_count = train->train_count - aside;
    t->cap = train->label ? 3 * log((double)train->classes) : 4;
    status = split_rows(t);
    if (status == PARE_OK) {
        status = pare_options_copy(&s->options, &t->inner);
        t->has_inner = status == PARE_OK;
    }
    if (status != PARE_OK) {
        tolerance_destroy(t);
        return status;
    }
    t->inner.tolerance = 0;
    t->inner.time_limit = 0;
    *out = t;
    return PARE_OK;
}

/* ---- Steps --------------------------------------------------------------------------------- */

/* The choice is made: the two networks, and which numbers of candidates will be tested. */
static pare_status start_training(tolerance *t) {
    pare_choice *choice = &t->s->choice;
    int64_t k = choice->count;
    t->points = k < POINTS ? k : POINTS;
    const struct {
        void *out;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&t->point, t->points, sizeof *t->point},
        {&t->mask, k, sizeof *t->mask},
        {&t->increase, t->points * t->aside, sizeof *t->increase},
        {&t->worse, t->points * t->aside, sizeof *t->worse},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(t->ctx, arrays[i].count, arrays[i].size, arrays[i].out);
        if (status != PARE_OK) {
            return status;
        }
    }
    for (int64_t p = 0; p < t->points; p++) {
        t->point[p] = (t->points - p) * k / t->points;
    }
    pare_status status = pare_trial_create(&t->view, t->s->valid, &t->single, &t->inner, true, k,
                                           choice->item, &t->path);
    if (status == PARE_OK) {
        status = pare_trial_create(&t->view, t->s->valid, &t->single, &t->inner, false, 0, NULL,
                                   &t->all);
    }
    return status;
}

static pare_status advance_run(tolerance *t) {
    if (!t->run) {
        return pare_selector_start(&t->view, t->s->valid, &t->inner, &t->run);
    }
    bool finished = false;
    pare_status status = pare_selector_advance(t->run, &finished);
    t->s->choice.fraction = 0.5 * t->run->choice.fraction;
    if (status != PARE_OK || !finished) {
        return status;
    }
    int64_t count = t->run->fewest > 0 ? t->run->fewest : t->run->choice.count;
    for (int64_t i = 0; i < count; i++) {
        pare_choice_add(&t->s->choice, t->run->choice.item[i], t->run->choice.score[i]);
    }
    pare_selector_destroy(t->run);
    t->run = NULL;
    t->stage = count > 0 ? TRAIN : DONE;
    return count > 0 ? start_training(t) : PARE_OK;
}

/* Loss, capped, and whether the answer is right, of one model on the row in hand. */
static pare_status one_row(const tolerance *t, const pare_trial *trial, const float *mask,
                           double *loss, bool *right) {
    pare_metrics metrics = {0};
    void *self = trial->objective.self;
    pare_status status = trial->objective.slots->evaluate(self, mask, PARE_ROWS_TEST, &metrics);
    /* The loss of classes is its own measure; that of real targets the mean over outputs. */
    *loss = isfinite(metrics.loss) ? fmin(t->cap, fmax(0, metrics.loss)) : t->cap;
    *right = metrics.score > 0.5;
    return status;
}

static pare_status measure(tolerance *t) {
    for (int64_t n = 0; n < ROWS_A_STEP && t->measured < t->aside; n++, t->measured++) {
        double all = 0, some = 0;
        bool all_right = false, right = false;
        t->row = t->promise[t->measured];
        pare_status status = one_row(t, &t->all, NULL, &all, &all_right);
        for (int64_t p = 0; status == PARE_OK && p < t->points; p++) {
            for (int64_t c = 0; c < t->point[0]; c++) {
                t->mask[c] = c < t->point[p] ? 1 : 0;
            }
            status = one_row(t, &t->path, t->mask, &some, &right);
            t->increase[p * t->aside + t->measured] = some - all;
            t->worse[p * t->aside + t->measured] = (int8_t)(all_right - right);
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* The fixed sequence; what is proved stays chosen, else all k. */
static void test_sequence(tolerance *t) {
    double error = 1 - t->s->options.confidence;
    for (t->rejected = 0; t->rejected < t->points; t->rejected++) {
        double p = pare_betting_p(t->aside, t->increase + t->rejected * t->aside, t->cap,
                                  t->s->options.tolerance, error);
        if (!(p <= error)) {
            break;
        }
    }
    if (t->rejected > 0) {
        t->s->choice.count = t->point[t->rejected - 1];
    }
}

static pare_status tolerance_step(void *self, bool *done) {
    tolerance *t = self;
    pare_choice *choice = &t->s->choice;
    static const char *const names[] = {"select", "train", "promise", "promise"};
    choice->stage = names[t->stage];
    pare_status status = PARE_OK;
    switch (t->stage) {
    case SELECT:
        status = advance_run(t);
        break;
    case TRAIN:
        pare_trial_train(&t->path, TRAIN_STEPS);
        pare_trial_train(&t->all, TRAIN_STEPS);
        status = t->path.status != PARE_OK ? t->path.status : t->all.status;
        choice->fraction = 0.5 + 0.3 * (double)t->all.step / (double)(t->all.steps + 1);
        if (status == PARE_OK && pare_trial_done(&t->path) && pare_trial_done(&t->all)) {
            t->stage = MEASURE;
        }
        break;
    case MEASURE:
        status = measure(t);
        choice->fraction = 0.8 + 0.2 * (double)t->measured / (double)t->aside;
        if (status == PARE_OK && t->measured == t->aside) {
            test_sequence(t);
            t->stage = DONE;
        }
        break;
    case DONE:
        break;
    }
    *done = status == PARE_OK && t->stage == DONE;
    return status;
}

static pare_status tolerance_record(const void *self, pare_selection *record) {
    const tolerance *t = self;
    if (t->stage != DONE || t->points == 0) {
        return PARE_OK;
    }
    pare_proof *proof = &record->proof;
    /* The choice among tested numbers is paid for: by the sequence for the loss, by the number of
     * tests for the accuracy. With none proved, all k stand, which no row set aside decided. */
    int64_t at = t->rejected > 0 ? t->rejected - 1 : 0;
    int64_t tests = t->rejected > 0 ? t->points : 1;
    double error = 1 - t->s->options.confidence, sum = 0;
    const double *increase = t->increase + at * t->aside;
    const int8_t *worse = t->worse + at * t->aside;
    int64_t lost = 0, won = 0;
    for (int64_t i = 0; i < t->aside; i++) {
        sum += increase[i];
        lost += worse[i] > 0;
        won += worse[i] < 0;
    }
    proof->held_out = true;
    proof->promise.rows = (double)t->aside;
    proof->promise.confidence = t->s->options.confidence;
    proof->promise.tolerance = t->s->options.tolerance;
    proof->promise.fewest = t->rejected > 0 ? (double)t->point[at] : (double)NAN;
    proof->promise.loss_increase = sum / (double)t->aside;
    proof->promise.loss_increase_most = t->rejected > 0
                                            ? t->s->options.tolerance
                                            : pare_betting_upper(t->aside, increase, t->cap, error);
    proof->promise.accuracy_drop = proof->promise.accuracy_drop_most = NAN;
    if (t->s->train->label) {
        double each = error / (2 * (double)tests);
        proof->promise.accuracy_drop = (double)(lost - won) / (double)t->aside;
        proof->promise.accuracy_drop_most =
            pare_binomial_upper(lost, t->aside, each) - pare_binomial_lower(won, t->aside, each);
    }
    return PARE_OK;
}

const struct pare_strategy pare_strategy_tolerance = {
    .name = "tolerance",
    .needs_k = true,
    .create = tolerance_create,
    .step = tolerance_step,
    .record = tolerance_record,
    .destroy = tolerance_destroy,
};
