/*
 * Sequential lasso (Luo and Chen 2014): the penalty is lifted from what has been chosen, and the
 * next choice is the candidate that enters first as the penalty on the others falls.
 *
 * Exact models: with the chosen fitted freely, the others stay at 0 down to the penalty
 * max_j |d loss / d W_j| / sqrt(size_j), at which the candidate that attains it enters; so that
 * candidate is chosen, and the penalty is its score. For least squares this is orthogonal matching
 * pursuit (their theorem 1), group for group.
 *
 * Networks: one training run cut into phases, with a proximal penalty of constant strength on the
 * rows of the first weight matrix of the candidates not chosen yet; at the end of a phase the row
 * with the largest norm is chosen and its penalty lifted.
 */
#include "select/penalty.h"

#include <math.h>

enum { STEPS_PER_CALL = 16, PHASE_STEPS_MIN = 4 };

/* Networks: share of the steps before the first phase, and strength of the penalty. Measured
 * together on ISOLET, HAR and MNIST: docs/baselines.md. */
static const double free_share = 0.1;
static const double strength = 3e-3;

typedef struct sequence {
    pare_task task;
    pare_choice *choice;
    bool trains;
    uint8_t *open; /* (count) can still be chosen */
    double *score; /* (count) */

    double *lambda; /* (count) exact models */
    double *norm;   /* (count) exact models */
    double *slope;  /* (count) exact models */

    pare_penalty penalty;  /* networks */
    int64_t phases, phase; /* networks */
} sequence;

static void sequence_destroy(void *state) {
    sequence *s = state;
    if (!s) {
        return;
    }
    pare_context *ctx = s->task.ctx;
    pare_penalty_clear(&s->penalty);
    pare_free(ctx, s->open);
    pare_free(ctx, s->score);
    pare_free(ctx, s->lambda);
    pare_free(ctx, s->norm);
    pare_free(ctx, s->slope);
    pare_free(ctx, s);
}

static pare_status sequence_create(const pare_task *task, pare_choice *choice, void **out) {
    *out = NULL;
    sequence *s = NULL;
    int64_t count = task->objective->count;
    pare_status status = pare_alloc_zero(task->ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    s->task = *task;
    s->choice = choice;
    s->trains = pare_can_shrink(task->objective);
    if (!s->trains && !task->objective->slots->penalise) {
        status = pare_fail(task->ctx, PARE_ERROR_UNSUPPORTED,
                           "method sequential-lasso: the %s model takes no penalty",
                           task->objective->name);
        goto fail;
    }
    s->penalty.ctx = task->ctx;
    const pare_array_part arrays[] = {
        {&s->open, sizeof *s->open}, {&s->score, sizeof *s->score}, {&s->lambda, sizeof *s->lambda},
        {&s->norm, sizeof *s->norm}, {&s->slope, sizeof *s->slope},
    };
    status = pare_alloc_parts(task->ctx, count, sizeof arrays / sizeof arrays[0], arrays);
    if (status != PARE_OK) {
        goto fail;
    }
    pare_open_candidates(task, s->open);
    int64_t forced = 0;
    for (int64_t j = 0; j < count; j++) {
        forced += task->forced[j];
    }
    s->phases = (task->k - forced + task->picks_per_phase - 1) / task->picks_per_phase;
    s->phases = s->phases < 1 ? 1 : s->phases;
    if (s->trains) {
        int64_t least = (int64_t)((double)(s->phases * PHASE_STEPS_MIN) / (1 - free_share)) + 1;
        status = pare_penalty_init(&s->penalty, task, choice, strength, least);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    choice->stage = "select";
    choice->count = 0;
    for (int64_t j = 0; j < count; j++) {
        if (task->forced[j]) {
            pare_choice_add(choice, j, 0);
        }
    }
    *out = s;
    return PARE_OK;
fail:
    sequence_destroy(s);
    return status;
}

/* Adds the largest scores among the open, picks_per_phase of them; *done when there are k. */
static void pick(sequence *s, bool *done) {
    pare_choice *choice = s->choice;
    /* What is forced ranks above what was chosen first. */
    int64_t forced = 0;
    while (forced < choice->count && s->task.forced[choice->item[forced]]) {
        forced++;
    }
    bool first = forced == choice->count;
    for (int64_t i = 0; i < s->task.picks_per_phase && choice->count < s->task.k; i++) {
        int64_t best = pare_largest_open(s->task.objective->count, s->open, s->score);
        if (best < 0) {
            break;
        }
        s->open[best] = 0;
        pare_choice_add(choice, best, s->score[best]);
    }
    for (int64_t i = 0; first && choice->count > forced && i < forced; i++) {
        choice->score[i] = choice->score[forced];
    }
    bool none = pare_largest_open(s->task.objective->count, s->open, s->score) < 0;
    *done = choice->count >= s->task.k || none;
    choice->fraction = fmin(0.999, (double)choice->count / (double)s->task.k);
}

static pare_status exact_step(sequence *s, bool *done) {
    pare_objective *objective = s->task.objective;
    int64_t count = objective->count;
    for (int64_t j = 0; j < count; j++) {
        s->lambda[j] = INFINITY;
    }
    for (int64_t i = 0; i < s->choice->count; i++) {
        s->lambda[s->choice->item[i]] = 0;
    }
    pare_status status = objective->slots->penalise(objective->self, s->lambda, s->norm, s->slope);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < count; j++) {
        s->score[j] = s->slope[j] / pare_group_weight(objective, j);
    }
    pick(s, done);
    return PARE_OK;
}

static pare_status train_steps(sequence *s, bool *done) {
    pare_penalty *penalty = &s->penalty;
    pare_trainer *trainer = &penalty->trainer;
    int64_t begin = (int64_t)(free_share * (double)trainer->steps);
    for (int i = 0; i < STEPS_PER_CALL; i++) {
        pare_status status = pare_penalty_step(penalty, -1);
        if (status != PARE_OK) {
            return status;
        }
        if (trainer->step - begin < (s->phase + 1) * (trainer->steps - begin) / s->phases) {
            continue;
        }
        status = pare_penalty_measure(penalty);
        if (status != PARE_OK) {
            return status;
        }
        for (int64_t j = 0; j < s->task.objective->count; j++) {
            s->score[j] = (double)penalty->norm[j];
        }
        pick(s, done);
        s->phase++;
        for (int64_t j = 0; j < s->task.objective->count; j++) {
            penalty->open[j] = s->open[j];
        }
        if (*done || s->phase >= s->phases) {
            *done = true;
            return PARE_OK;
        }
    }
    return PARE_OK;
}

static pare_status sequence_step(void *state, bool *done) {
    sequence *s = state;
    if (s->choice->count >= s->task.k) {
        *done = true;
        return PARE_OK;
    }
    return s->trains ? train_steps(s, done) : exact_step(s, done);
}

static pare_status sequence_visit(void *state, const pare_visitor *visitor) {
    sequence *s = state;
    const pare_saved_part parts[] = {
        {s->open, s->task.objective->count * (int64_t)sizeof *s->open},
        {&s->phase, sizeof s->phase},
    };
    pare_status status = pare_visit_parts(visitor, sizeof parts / sizeof parts[0], parts);
    return status == PARE_OK && s->trains ? pare_penalty_visit(&s->penalty, visitor) : status;
}

const pare_method pare_method_sequential_lasso = {
    .name = "sequential-lasso",
    .create = sequence_create,
    .step = sequence_step,
    .visit = sequence_visit,
    .destroy = sequence_destroy,
};
