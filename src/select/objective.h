/*
 * The seam between selectors and models. A selector owns the mask; an objective owns data and
 * parameters. Nothing else passes between the two.
 */
#ifndef PARE_SELECT_OBJECTIVE_H
#define PARE_SELECT_OBJECTIVE_H

#include "base/context.h"

typedef enum pare_rows { PARE_ROWS_TRAIN, PARE_ROWS_VALIDATION, PARE_ROWS_TEST } pare_rows;

/* What evaluate measures over a set of rows; weights of rows are respected. */
typedef struct pare_metrics {
    double loss;        /* mean loss of the objective's own kind, lower is better */
    double score;       /* accuracy for classes, R squared for real targets; higher is better */
    double score_error; /* standard error of score over the rows; NaN if unknown */
    double null_score;  /* score of the best constant answer: the commonest training class, or 0 */
    int64_t rows;
} pare_metrics;

typedef enum pare_gain_kind {
    PARE_GAIN_EXACT, /* decrease of the loss by refitting with the candidate added */
    PARE_GAIN_FILTER /* a score of each candidate alone: `selected` is ignored */
} pare_gain_kind;

/* One function for both directions: the owner lists its state, the visitor reads or writes it. */
typedef struct pare_visitor {
    pare_status (*bytes)(void *user, void *data, int64_t length);
    void *user;
} pare_visitor;

/*
 * Slots; a NULL slot is absent. `self` is the objective's own state. mask: (count); mask[j] = 1
 * leaves candidate j as it is, 0 removes it. selected: `selected_count` candidate numbers,
 * distinct, in order of choice.
 */
typedef struct pare_objective_slots {
    /* Fresh parameters from `seed`, and a learning-rate schedule laid out over `steps` calls. */
    pare_status (*reset)(void *self, uint64_t seed, int64_t steps);

    /* One stochastic step: parameters move, *loss gets the mean loss of the batch, d_mask: (count)
     * its derivative by the mask (overwritten). d_mask NULL: not wanted. Never allocates. */
    pare_status (*step)(void *self, const float *mask, double *loss, float *d_mask);

    /* Metrics under `mask` with the parameters as they are. Unavailable rows give rows = 0. */
    pare_status (*evaluate)(void *self, const float *mask, pare_rows rows, pare_metrics *out);

    /* gain: (count), of adding each candidate to the selected; >= 0; selected ones get 0. */
    pare_status (*gains)(void *self, int64_t selected_count, const int64_t *selected, double *gain);

    /* After gains, which may come from float sums: recomputes in double those that decide which
     * `wanted` of the open candidates (open: (count), not 0) have the largest gain, so that the
     * order of these is the exact one. gain in-out. NULL: gains are as exact as they get. */
    pare_status (*resolve)(void *self, const uint8_t *open, int64_t wanted, double *gain);

    /* Refits on exactly the selected candidates. Metrics then come from evaluate. For exact models
     * the call after one more selected candidate is incremental. */
    pare_status (*fit)(void *self, int64_t selected_count, const int64_t *selected);

    /* norm: (count), Frobenius norm of the parameters each candidate multiplies. */
    pare_status (*norms)(void *self, float *norm);

    /* Shrinks the parameters of each candidate towards 0: with d_mask the gradient of a penalty
     * lambda[j] * |W_j| (proximal step scaled by the current learning rate). lambda: (count). */
    pare_status (*shrink)(void *self, const float *lambda);

    /* Exact models: minimises mean loss + sum_j lambda[j] |W_j|, warm from the last call. lambda:
     * (count), 0 leaves a candidate free, INFINITY holds it at 0. norm: (count) |W_j|, slope:
     * (count) |d loss / d W_j| without the penalty, both Frobenius, at the minimum: a candidate
     * stays at 0 while slope <= lambda. Losses of squares count half: |y - XW|^2 / (2 n). */
    pare_status (*penalise)(void *self, const double *lambda, double *norm, double *slope);

    /* loss: (selected_count), increase of the mean loss when that one of the selected candidates is
     * removed and the others stay, over training rows. Exact models refit without it; networks keep
     * their parameters. */
    pare_status (*losses)(void *self, int64_t selected_count, const int64_t *selected,
                          double *loss);

    /* The optimiser forgets its moments; parameters stay. */
    void (*forget)(void *self);

    /* What `gains` said, or would have in full precision, of the selected candidates of the last
     * fit from number `from` on, when those before it were selected. gain: (selected - from).
     * Without it, gains are the same however the model got there. */
    pare_status (*gained)(void *self, int64_t from, double *gain);

    /* Lists everything that reset, step and fit change, for save and load. */
    pare_status (*visit)(void *self, const pare_visitor *visitor);

    void (*destroy)(void *self);
} pare_objective_slots;

typedef struct pare_objective {
    const pare_objective_slots *slots;
    void *self;
    int64_t count;           /* candidates */
    int64_t steps_per_epoch; /* calls of step that see every training row once; 0 without step */
    pare_gain_kind gain_kind;
    const int64_t *start; /* (count + 1) first feature of each candidate; NULL: one each.
                             Borrowed from self */
    const char *name;     /* "network", "exact linear", ... */
} pare_objective;

/* Calls destroy and clears; accepts a cleared one. */
static inline void pare_objective_destroy(pare_objective *objective) {
    if (objective->slots && objective->slots->destroy) {
        objective->slots->destroy(objective->self);
    }
    *objective = (pare_objective){0};
}

#endif
