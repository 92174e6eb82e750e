/*
 * Group lasso (Yuan and Lin 2006) with exactly k survivors; a candidate's penalty is weighted by
 * the square root of its number of features.
 *
 * Exact models: down the regularisation path from the penalty at which nothing is chosen, until k
 * candidates are in; the order is that of entry, the score the largest penalty at which the
 * candidate was seen in (at most 40 % below its entry). The next penalty is laid between the two
 * candidates that press hardest, and a step that lets in more than one is halved, so that the
 * order is exact except where entries lie closer than 1e-6. Candidates that leave the path are not
 * in the answer. Below 1e-4 of the first penalty the path ends, and those that press hardest fill
 * the places (glmnet's limit: Friedman, Hastie, Tibshirani 2010).
 *
 * Networks: one training run under a proximal penalty on the rows of the first weight matrix,
 * whose strength is steered so that the rows alive fall in a straight line to `alive_share` of
 * those that must go; then the largest norms. Down to k alone the network would starve: what
 * survives a penalty that strong is what is easily learned, not what is needed (ISOLET, k = 50:
 * 0.80 instead of 0.91).
 */
#include "select/penalty.h"

#include <math.h>

enum { STEPS_PER_CALL = 16, HALVINGS_MAX = 20 };

/* The path: largest step, closest entries, end. */
static const double path_step = 0.6;
static const double path_apart = 1e-6;
static const double path_end = 1e-4;

/* Networks: share of the steps before the penalty; of those that must go, share alive at the end;
 * strength at the start. */
static const double free_share = 0.1;
static const double alive_share = 0.3;
static const double strength_start = 1e-3;

typedef struct lasso {
    pare_task task;
    pare_choice *choice;
    bool trains;
    pare_penalty penalty; /* networks */
    double *score;        /* (count) */
    uint8_t *open;        /* (count) scratch */

    double *lambda; /* (count) for exact models, like all below */
    double *norm;   /* (count) at the last solution */
    double *slope;  /* (count) */
    double *entry;  /* (count) penalty at entry; 0: not in */
    bool begun;
    double first, high; /* penalty of the first entry, and of the last accepted solution */
    double next;        /* to solve at */
    int64_t in;         /* candidates in at `high`, unpenalised ones not counted */
    int64_t halvings;   /* of the present step */
} lasso;

static void lasso_destroy(void *state) {
    lasso *l = state;
    if (!l) {
        return;
    }
    pare_context *ctx = l->task.ctx;
    pare_penalty_clear(&l->penalty);
    pare_free(ctx, l->score);
    pare_free(ctx, l->open);
    pare_free(ctx, l->lambda);
    pare_free(ctx, l->norm);
    pare_free(ctx, l->slope);
    pare_free(ctx, l->entry);
    pare_free(ctx, l);
}

static pare_status lasso_create(const pare_task *task, pare_choice *choice, void **out) {
    *out = NULL;
    lasso *l = NULL;
    pare_status status = pare_alloc_zero(task->ctx, 1, sizeof *l, &l);
    if (status != PARE_OK) {
        return status;
    }
    l->task = *task;
    l->choice = choice;
    l->trains = pare_can_shrink(task->objective);
    if (!l->trains && !task->objective->slots->penalise) {
        status =
            pare_fail(task->ctx, PARE_ERROR_UNSUPPORTED,
                      "method group-lasso: the %s model takes no penalty", task->objective->name);
        goto fail;
    }
    l->penalty.ctx = task->ctx;
    const pare_array_part arrays[] = {
        {&l->score, sizeof *l->score},   {&l->open, sizeof *l->open},
        {&l->lambda, sizeof *l->lambda}, {&l->norm, sizeof *l->norm},
        {&l->slope, sizeof *l->slope},   {&l->entry, sizeof *l->entry},
    };
    status = pare_alloc_parts(task->ctx, task->objective->count, sizeof arrays / sizeof arrays[0],
                              arrays);
    if (status == PARE_OK && l->trains) {
        status = pare_penalty_init(&l->penalty, task, choice, strength_start, 1);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    choice->stage = l->trains ? "shrink" : "path";
    *out = l;
    return PARE_OK;
fail:
    lasso_destroy(l);
    return status;
}

/* Solves with the penalty `value` on all that are neither forced nor barred. */
static pare_status solve(lasso *l, double value) {
    pare_objective *objective = l->task.objective;
    for (int64_t j = 0; j < objective->count; j++) {
        l->lambda[j] = l->task.barred[j]   ? INFINITY
                       : l->task.forced[j] ? 0
                                           : value * pare_group_weight(objective, j);
    }
    return objective->slots->penalise(objective->self, l->lambda, l->norm, l->slope);
}

static bool penalised(const lasso *l, int64_t j) {
    return !l->task.forced[j] && !l->task.barred[j];
}

/* The two largest weighted slopes among those not in, 0 where there are none. */
static void press(const lasso *l, double *largest, double *second) {
    *largest = *second = 0;
    for (int64_t j = 0; j < l->task.objective->count; j++) {
        if (!penalised(l, j) || l->norm[j] > 0) {
            continue;
        }
        double value = l->slope[j] / pare_group_weight(l->task.objective, j);
        if (value > *largest) {
            *second = *largest;
            *largest = value;
        } else if (value > *second) {
            *second = value;
        }
    }
}

/* What the caller sees: the forced, then those in by entry. `all`: filled up to k with those that
 * press hardest. */
static void publish(lasso *l, bool all) {
    pare_objective *objective = l->task.objective;
    int64_t in = 0;
    for (int64_t j = 0; j < objective->count; j++) {
        bool is_in = l->entry[j] > 0;
        /* Others come after every entry: their pressure is below the last penalty. */
        double pressure = l->slope[j] / pare_group_weight(objective, j);
        l->score[j] = l->task.forced[j] ? l->first
                      : is_in           ? l->entry[j]
                                        : fmin(pressure, l->high) - l->high;
        in += is_in || l->task.forced[j];
    }
    pare_task shown = l->task;
    shown.k = all || in > l->task.k ? l->task.k : in;
    pare_choice_largest(&shown, l->score, l->open, l->choice);
}

/* Accepts the solution at `next`. Ties of entry are told apart by the norm. */
static void accept(lasso *l) {
    int64_t count = l->task.objective->count;
    int64_t places = 0;
    double largest = 0;
    l->in = 0;
    for (int64_t j = 0; j < count; j++) {
        bool is_in = penalised(l, j) && l->norm[j] > 0;
        l->in += is_in;
        places += is_in && l->entry[j] == 0;
        largest = is_in ? fmax(largest, l->norm[j]) : largest;
    }
    for (int64_t j = 0; j < count; j++) {
        bool is_in = penalised(l, j) && l->norm[j] > 0;
        double share = places > 1 && largest > 0 ? path_apart * l->norm[j] / largest : 0;
        l->entry[j] = !is_in ? 0 : l->entry[j] > 0 ? l->entry[j] : l->next * (1 + share);
    }
    l->high = l->next;
    l->halvings = 0;
}

static pare_status path_step_once(lasso *l, bool *done) {
    pare_choice *choice = l->choice;
    int64_t forced = 0;
    for (int64_t j = 0; j < l->task.objective->count; j++) {
        forced += l->task.forced[j];
    }
    pare_status status = solve(l, l->begun ? l->next : INFINITY);
    if (status != PARE_OK) {
        return status;
    }
    double largest = 0, second = 0;
    press(l, &largest, &second);
    if (!l->begun) {
        l->begun = true;
        l->first = l->high = largest;
    } else {
        int64_t entering = 0;
        for (int64_t j = 0; j < l->task.objective->count; j++) {
            entering += penalised(l, j) && l->norm[j] > 0 && l->entry[j] == 0;
        }
        if (entering > 1 && l->halvings < HALVINGS_MAX && l->high > l->next * (1 + path_apart)) {
            l->halvings++;
            l->next = sqrt(l->high * l->next);
            return PARE_OK;
        }
        accept(l);
    }
    *done = forced + l->in >= l->task.k || !(largest > 0) || l->high <= path_end * l->first;
    publish(l, *done);
    if (choice->trace_count < PARE_TRACE_MAX) {
        choice->fraction = fmin(0.999, (double)choice->count / (double)l->task.k);
    }
    double between = 0.5 * (largest + second);
    l->next = fmin(l->high * (1 - path_apart), fmax(path_step * l->high, between));
    return PARE_OK;
}

static pare_status train_steps(lasso *l, bool *done) {
    pare_trainer *trainer = &l->penalty.trainer;
    int64_t all = 0, forced = 0;
    for (int64_t j = 0; j < l->task.objective->count; j++) {
        all += l->penalty.open[j];
        forced += l->task.forced[j];
    }
    double left = (double)(l->task.k - forced);
    for (int i = 0; i < STEPS_PER_CALL && trainer->step < trainer->steps; i++) {
        double at = (double)trainer->step / (double)trainer->steps;
        double u = (at - free_share) / (1 - free_share);
        double wanted = u < 0 ? -1 : left + ((double)all - left) * (1 - (1 - alive_share) * u);
        pare_status status = pare_penalty_step(&l->penalty, wanted);
        if (status != PARE_OK) {
            return status;
        }
    }
    if (trainer->step < trainer->steps) {
        return PARE_OK;
    }
    pare_status status = pare_penalty_measure(&l->penalty);
    for (int64_t j = 0; j < l->task.objective->count; j++) {
        l->score[j] = (double)l->penalty.norm[j];
    }
    pare_choice_largest(&l->task, l->score, l->open, l->choice);
    *done = status == PARE_OK;
    return status;
}

static pare_status lasso_step(void *state, bool *done) {
    lasso *l = state;
    return l->trains ? train_steps(l, done) : path_step_once(l, done);
}

static pare_status lasso_visit(void *state, const pare_visitor *visitor) {
    lasso *l = state;
    if (l->trains) {
        return pare_penalty_visit(&l->penalty, visitor);
    }
    const pare_saved_part parts[] = {
        {l->entry, l->task.objective->count * (int64_t)sizeof *l->entry},
        {&l->begun, sizeof l->begun},
        {&l->first, sizeof l->first},
        {&l->high, sizeof l->high},
        {&l->next, sizeof l->next},
        {&l->in, sizeof l->in},
        {&l->halvings, sizeof l->halvings},
    };
    return pare_visit_parts(visitor, sizeof parts / sizeof parts[0], parts);
}

const pare_method pare_method_group_lasso = {
    .name = "group-lasso",
    .create = lasso_create,
    .step = lasso_step,
    .visit = lasso_visit,
    .destroy = lasso_destroy,
};
