/*
 * Selection with a controlled false discovery rate: knockoff copies of all columns compete with
 * them, and the threshold is set by the copies that win (select/knockoffs.h). A candidate of
 * several features is copied and measured as a whole.
 */
#include "select/knockoffs.h"
#include "base/text.h"
#include "problem/strategy.h"
#include "select/gram_lasso.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES_MOST = 6000, ROWS_LEAST = 20, NETWORK_STEPS = 64 };
/* A column this far from the normal law in skewness or excess kurtosis is called so. */
static const double skew_most = 1, kurtosis_most = 3;
static const double same_correlation = 1 - 1e-7;

typedef enum stage { COVARIANCE, DISTANCES, COPIES, IMPORTANCE, NETWORK, DONE } stage;

typedef struct knockoffs {
    pare_selector *s; /* borrowed */
    pare_context *ctx;
    stage stage;
    bool fixed;
    int64_t rows, features, candidates, m;
    int64_t used;     /* features that vary */
    int64_t *feature; /* (used) */
    int64_t *owner;   /* (used) candidate */
    double *x;        /* (rows, used) mean 0, mean square 1 */
    double *copy;     /* (rows, used) */
    double *both;     /* (rows, 2 used) */
    double *y;        /* (rows, m) */
    double *sigma, *distance;
    double *size;    /* (2 used) importance */
    double *w;       /* (candidates) */
    double *scratch; /* (candidates) */
    double shrinkage, threshold;
    /* importance by a network */
    pare_options options;
    bool has_options;
    float *table; /* (rows, 2 used) */
    pare_dataset *doubled;
    pare_trial trial;
} knockoffs;

static void knockoffs_destroy(void *self) {
    knockoffs *t = self;
    if (!t) {
        return;
    }
    pare_context *ctx = t->ctx;
    pare_trial_clear(&t->trial);
    pare_dataset_free(t->doubled);
    if (t->has_options) {
        pare_options_clear(&t->options);
    }
    void *const owned[] = {t->feature, t->owner,    t->x,    t->copy, t->both,    t->y,
                           t->sigma,   t->distance, t->size, t->w,    t->scratch, t->table};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    pare_free(ctx, t);
}

/* ---- Data ---------------------------------------------------------------------------------- */

static pare_status check(const pare_selector *s) {
    const pare_dataset *train = s->train;
    if (train->train_count < ROWS_LEAST) {
        return pare_fail(s->ctx, PARE_ERROR_INPUT,
                         "option fdr: %lld training rows; knockoffs need at least %d",
                         (long long)train->train_count, ROWS_LEAST);
    }
    if (train->features > FEATURES_MOST) {
        return pare_fail(s->ctx, PARE_ERROR_UNSUPPORTED,
                         "option fdr: %lld columns; knockoffs need their full covariance, which "
                         "is offered for up to %d: choose some beforehand, on other rows",
                         (long long)train->features, FEATURES_MOST);
    }
    if (s->options.include[0] || s->options.exclude[0]) {
        return pare_fail(s->ctx, PARE_ERROR_UNSUPPORTED,
                         "option fdr: options include and exclude cannot be used with it; leave "
                         "columns out with option ignore");
    }
    if (train->weight) {
        return pare_fail(s->ctx, PARE_ERROR_UNSUPPORTED,
                         "option fdr: knockoffs with row weights are not offered");
    }
    return PARE_OK;
}

static pare_status reserve(knockoffs *t) {
    int64_t d = t->features, n = t->rows;
    const struct {
        void *out;
        int64_t count;
    } arrays[] = {
        {&t->feature, d},
        {&t->owner, d},
        {&t->x, n * d},
        {&t->copy, n * d},
        {&t->both, 2 * n * d},
        {&t->y, n * t->m},
        {&t->sigma, d * d},
        {&t->distance, d},
        {&t->size, 2 * d},
        {&t->w, t->candidates},
        {&t->scratch, t->candidates},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(t->ctx, arrays[i].count, sizeof(double), arrays[i].out);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* Responses of mean 0: real targets standardised, classes one-hot. */
static void gather_target(knockoffs *t) {
    const pare_dataset *train = t->s->train;
    for (int64_t i = 0; i < t->rows; i++) {
        int64_t row = train->train[i];
        for (int64_t c = 0; c < t->m; c++) {
            t->y[i * t->m + c] =
                train->label
                    ? train->label[row] == (t->m == 1 ? 1 : c)
                    : ((double)train->target[row * t->m + c] - (double)train->target_mean[c]) *
                          (double)train->target_scale[c];
        }
    }
    for (int64_t c = 0; c < t->m; c++) {
        double mean = 0;
        for (int64_t i = 0; i < t->rows; i++) {
            mean += t->y[i * t->m + c] / (double)t->rows;
        }
        for (int64_t i = 0; i < t->rows; i++) {
            t->y[i * t->m + c] -= mean;
        }
    }
}

/* Columns that vary, standardised over the rows used; counts those far from the normal law. */
static pare_status gather_columns(knockoffs *t, int64_t *odd) {
    const pare_dataset *train = t->s->train;
    float *column = NULL;
    double n = (double)t->rows;
    pare_status status = pare_alloc(t->ctx, t->rows, sizeof *column, &column);
    if (status != PARE_OK) {
        return status;
    }
    *odd = 0;
    for (int pass = 0; pass < 2; pass++) { /* first count, so that rows can be laid out */
        int64_t used = 0;
        for (int64_t c = 0; c < t->candidates; c++) {
            for (int64_t j = train->candidate_start[c]; j < train->candidate_start[c + 1]; j++) {
                double mean = 0, second = 0, third = 0, fourth = 0;
                pare_dataset_feature(train, j, t->rows, train->train, column);
                for (int64_t i = 0; i < t->rows; i++) {
                    mean += (double)column[i] / n;
                }
                for (int64_t i = 0; i < t->rows; i++) {
                    double off = (double)column[i] - mean;
                    second += off * off / n;
                    third += off * off * off / n;
                    fourth += off * off * off * off / n;
                }
                if (!(second > 1e-12)) {
                    continue;
                }
                double sd = sqrt(second);
                for (int64_t i = 0; pass == 1 && i < t->rows; i++) {
                    t->x[i * t->used + used] = ((double)column[i] - mean) / sd;
                }
                t->feature[used] = j;
                t->owner[used++] = c;
                *odd += pass == 1 && (fabs(third / (second * sd)) > skew_most ||
                                      fabs(fourth / (second * second) - 3) > kurtosis_most);
            }
        }
        t->used = used;
    }
    pare_free(t->ctx, column);
    return PARE_OK;
}

/* Names pairs of columns that are copies of each other. */
static pare_status find_duplicates(const knockoffs *t) {
    const pare_dataset *train = t->s->train;
    for (int64_t a = 1; a < t->used; a++) {
        for (int64_t b = 0; b < a; b++) {
            if (t->owner[a] != t->owner[b] && fabs(t->sigma[a * t->used + b]) > same_correlation) {
                return pare_fail(t->ctx, PARE_ERROR_INPUT,
                                 "option fdr: columns '%s' and '%s' are the same up to scale; no "
                                 "test can tell which of them matters: leave one out with option "
                                 "ignore",
                                 train->candidate_name[t->owner[b]],
                                 train->candidate_name[t->owner[a]]);
            }
        }
    }
    return PARE_OK;
}

static pare_status covariance(knockoffs *t) {
    int64_t odd = 0;
    pare_status status = gather_columns(t, &odd);
    if (status != PARE_OK) {
        return status;
    }
    gather_target(t);
    if (t->used == 0) {
        return pare_fail(t->ctx, PARE_ERROR_INPUT, "option fdr: no column varies");
    }
    int64_t choice = t->s->options.knockoffs;
    t->fixed = choice == PARE_KNOCKOFFS_FIXED;
    if (t->fixed && t->s->train->label) {
        return pare_fail(t->ctx, PARE_ERROR_UNSUPPORTED,
                         "option knockoffs: fixed-X knockoffs promise something for real targets "
                         "only; use gaussian");
    }
    if (t->fixed && t->rows <= 2 * t->used) {
        return pare_fail(t->ctx, PARE_ERROR_ARGUMENT,
                         "option knockoffs: fixed-X knockoffs need more than 2 rows a column; "
                         "there are %lld rows and %lld columns that vary",
                         (long long)t->rows, (long long)t->used);
    }
    pare_knockoff_covariance(t->rows, t->used, t->x, true, t->sigma, &t->shrinkage);
    status = find_duplicates(t);
    if (status != PARE_OK || t->fixed) {
        return status;
    }
    pare_knockoff_covariance(t->rows, t->used, t->x, false, t->sigma, &t->shrinkage);
    if (t->rows < 2 * t->used) {
        pare_warn(t->ctx,
                  "knockoffs: %lld rows are few for the covariance of %lld columns (it is shrunk "
                  "by %.2g); the false discovery rate may exceed what was asked for",
                  (long long)t->rows, (long long)t->used, t->shrinkage);
    }
    if (odd > 0) {
        pare_warn(t->ctx,
                  "knockoffs: %lld of %lld columns are far from the normal law (skewness above "
                  "%g or excess kurtosis above %g), which the copies assume",
                  (long long)odd, (long long)t->used, skew_most, kurtosis_most);
    }
    return PARE_OK;
}

/* ---- Importance ---------------------------------------------------------------------------- */

static pare_status copies(knockoffs *t) {
    uint64_t seed = (uint64_t)t->s->options.seed;
    int64_t d = t->used;
    pare_status status = pare_knockoff_copies(t->ctx, t->rows, d, t->x, t->sigma, t->distance,
                                              t->fixed, seed, t->copy);
    for (int64_t i = 0; status == PARE_OK && i < t->rows; i++) {
        memcpy(t->both + i * 2 * d, t->x + i * d, (size_t)d * sizeof(double));
        memcpy(t->both + i * 2 * d + d, t->copy + i * d, (size_t)d * sizeof(double));
    }
    return status;
}

/* A table of originals and copies for the network, with none of the roles of the first one. */
static pare_status double_table(knockoffs *t) {
    const pare_dataset *train = t->s->train;
    pare_status status = pare_options_copy(&t->s->options, &t->options);
    if (status != PARE_OK) {
        return status;
    }
    t->has_options = true;
    static const char *const roles[] = {"target", "target-file", "split-by",
                                        "ignore", "categorical", "weights",
                                        "groups", "include",     "exclude"};
    for (size_t i = 0; status == PARE_OK && i < sizeof roles / sizeof roles[0]; i++) {
        status = pare_options_set(&t->options, roles[i], "");
    }
    static const char *const kinds[] = {"binary", "multiclass", "regression"};
    if (status == PARE_OK) {
        status = pare_options_set(&t->options, "task", kinds[train->kind]);
    }
    t->options.fdr = 0;
    t->options.validation = 0;
    int64_t cells = t->rows * 2 * t->used, outputs = train->label ? 1 : t->m;
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, cells, sizeof *t->table, &t->table);
    }
    double *y = NULL;
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, t->rows * outputs, sizeof *y, &y);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t at = 0; at < cells; at++) {
        t->table[at] = (float)t->both[at];
    }
    for (int64_t i = 0; i < t->rows; i++) {
        for (int64_t c = 0; c < outputs; c++) {
            y[i * outputs + c] =
                train->label ? train->label[train->train[i]] : t->y[i * outputs + c];
        }
    }
    status = pare_dataset_from_arrays(t->ctx, t->rows, 2 * t->used, t->table, outputs, y, NULL,
                                      NULL, &t->options, &t->doubled);
    pare_free(t->ctx, y);
    if (status == PARE_OK) {
        t->options.model = PARE_MODEL_MLP;
        status = pare_trial_create(t->doubled, NULL, NULL, &t->options, false, 0, NULL, &t->trial);
    }
    return status;
}

static pare_status network_sizes(knockoffs *t) {
    float *norm = NULL;
    pare_status status = pare_alloc(t->ctx, 2 * t->used, sizeof *norm, &norm);
    if (status == PARE_OK) {
        status = t->trial.objective.slots->norms(t->trial.objective.self, norm);
    }
    for (int64_t j = 0; status == PARE_OK && j < 2 * t->used; j++) {
        t->size[j] = (double)norm[j];
    }
    pare_free(t->ctx, norm);
    return status;
}

static pare_status importance(knockoffs *t) {
    uint64_t seed = (uint64_t)t->s->options.seed;
    int64_t d = 2 * t->used;
    switch (t->s->options.importance) {
    case PARE_IMPORTANCE_OMP: {
        int64_t steps = t->rows / 3 < t->used ? t->rows / 3 : t->used;
        return pare_gram_entry(t->ctx, t->rows, d, t->both, t->m, t->y, steps, t->size);
    }
    case PARE_IMPORTANCE_NETWORK:
        return double_table(t);
    default:
        return pare_gram_lasso(t->ctx, t->rows, d, t->both, t->m, t->y, seed, t->size);
    }
}

typedef struct ranked {
    double w;
    int64_t candidate;
} ranked;

static int falling(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->w != y->w) {
        return x->w < y->w ? 1 : -1;
    }
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

/* Differences by candidate, the threshold, and what lies at or above it. */
static pare_status choose(knockoffs *t) {
    for (int64_t c = 0; c < t->candidates; c++) {
        t->w[c] = t->scratch[c] = 0;
    }
    for (int64_t j = 0; j < t->used; j++) {
        double original = t->size[j], copy = t->size[t->used + j];
        t->w[t->owner[j]] += original * original;
        t->scratch[t->owner[j]] += copy * copy;
    }
    /* Entry times: who came first counts, at the time of the first (a copy that enters late takes
     * nothing from its original). Both forms change sign when original and copy are exchanged. */
    bool entry = t->s->options.importance == PARE_IMPORTANCE_OMP;
    for (int64_t c = 0; c < t->candidates; c++) {
        double original = sqrt(t->w[c]), copy = sqrt(t->scratch[c]);
        t->w[c] = !entry            ? original - copy
                  : original > copy ? original
                  : original < copy ? -copy
                                    : 0;
    }
    t->threshold = pare_knockoff_threshold(t->candidates, t->w, t->s->options.fdr, t->scratch);
    ranked *rank = NULL;
    pare_status status = pare_alloc(t->ctx, t->candidates, sizeof *rank, &rank);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t c = 0; c < t->candidates; c++) {
        rank[c] = (ranked){t->w[c], c};
    }
    qsort(rank, (size_t)t->candidates, sizeof *rank, falling);
    t->s->choice.count = 0;
    for (int64_t i = 0; i < t->candidates && rank[i].w >= t->threshold; i++) {
        pare_choice_add(&t->s->choice, rank[i].candidate, rank[i].w);
    }
    pare_free(t->ctx, rank);
    return PARE_OK;
}

/* ---- Strategy ------------------------------------------------------------------------------ */

static pare_status knockoffs_create(pare_selector *s, void **out) {
    *out = NULL;
    pare_status status = check(s);
    if (status != PARE_OK) {
        return status;
    }
    knockoffs *t = NULL;
    status = pare_alloc_zero(s->ctx, 1, sizeof *t, &t);
    if (status != PARE_OK) {
        return status;
    }
    t->s = s;
    t->ctx = s->ctx;
    t->rows = s->train->train_count;
    t->features = s->train->features;
    t->candidates = s->train->candidates;
    t->m = s->train->kind == PARE_KIND_BINARY ? 1 : s->train->outputs;
    t->threshold = NAN;
    status = reserve(t);
    if (status != PARE_OK) {
        knockoffs_destroy(t);
        return status;
    }
    *out = t;
    return PARE_OK;
}

static pare_status knockoffs_step(void *self, bool *done) {
    knockoffs *t = self;
    pare_status status = PARE_OK;
    t->s->choice.stage = "knockoffs";
    t->s->choice.fraction = (double)t->stage / DONE;
    switch (t->stage) {
    case COVARIANCE:
        status = covariance(t);
        t->stage = DISTANCES;
        break;
    case DISTANCES:
        status = pare_knockoff_distances(t->ctx, t->used, t->sigma,
                                         t->s->options.copies == PARE_COPIES_EQUICORRELATED,
                                         t->distance);
        t->stage = COPIES;
        break;
    case COPIES:
        status = copies(t);
        t->stage = IMPORTANCE;
        break;
    case IMPORTANCE:
        status = importance(t);
        t->stage = t->doubled ? NETWORK : DONE;
        break;
    case NETWORK:
        pare_trial_train(&t->trial, NETWORK_STEPS);
        status = t->trial.status;
        if (status == PARE_OK && pare_trial_done(&t->trial)) {
            status = network_sizes(t);
            t->stage = DONE;
        }
        break;
    case DONE:
        break;
    }
    if (status == PARE_OK && t->stage == DONE) {
        status = choose(t);
        *done = true;
    }
    return status;
}

static pare_status knockoffs_record(const void *self, pare_selection *record) {
    const knockoffs *t = self;
    if (t->stage != DONE) {
        return PARE_OK;
    }
    pare_proof *proof = &record->proof;
    double negative = 0;
    for (int64_t c = 0; c < t->candidates; c++) {
        negative += t->w[c] <= -t->threshold;
    }
    proof->knockoff = true;
    proof->knockoffs.level = t->s->options.fdr;
    proof->knockoffs.threshold = isfinite(t->threshold) ? t->threshold : (double)NAN;
    proof->knockoffs.negative = negative;
    proof->knockoffs.rows = (double)t->rows;
    proof->knockoffs.shrinkage = t->shrinkage;
    proof->knockoffs.fixed = t->fixed;
    return PARE_OK;
}

const struct pare_strategy pare_strategy_knockoffs = {
    .name = "fdr",
    .needs_k = false,
    .create = knockoffs_create,
    .step = knockoffs_step,
    .record = knockoffs_record,
    .destroy = knockoffs_destroy,
};
