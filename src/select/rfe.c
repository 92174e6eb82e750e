/*
 * Recursive feature elimination (Guyon, Weston, Barnhill, Vapnik 2002): fit, drop the candidates
 * that matter least, fit again, until k are left. What matters is the norm of a candidate's
 * coefficients on standardised features. A round drops a tenth of the candidates, near k no more
 * than a quarter of what is still to go, always at least one. Models that are trained go on from
 * where they are, under a mask without the dropped; models that are fitted exactly are refitted.
 * Ties: of two equal candidates the one with the higher number is dropped.
 */
#include "select/trainer.h"

#include <math.h>

enum { STEPS_PER_CALL = 16, ROUND_STEPS_MIN = 8 };

/* Of the training steps, those before the first drop. */
static const double first_share = 0.25;
static const double round_share = 0.1;
static const double near_share = 0.25;

typedef struct rfe {
    pare_task task;
    pare_choice *choice;
    pare_trainer trainer;
    bool trains;
    int64_t alive_count;
    int64_t rounds, round; /* planned, done */
    int64_t first_steps;   /* of training before the first drop */
    uint8_t *alive;        /* (count) */
    float *mask;           /* (count) 1 for the alive */
    float *norm;           /* (count) */
    double *score;         /* (count) */
    uint8_t *open;         /* (count) scratch */
    int64_t *selected;     /* (count) the alive, in number order, for fit */
} rfe;

static void rfe_destroy(void *state) {
    rfe *r = state;
    if (!r) {
        return;
    }
    pare_context *ctx = r->task.ctx;
    pare_free(ctx, r->alive);
    pare_free(ctx, r->mask);
    pare_free(ctx, r->norm);
    pare_free(ctx, r->score);
    pare_free(ctx, r->open);
    pare_free(ctx, r->selected);
    pare_free(ctx, r);
}

/* How many a round drops when `alive` are left. */
static int64_t dropped_by_round(int64_t alive, int64_t k) {
    double most = fmin(round_share * (double)alive, near_share * (double)(alive - k));
    return most > 1 ? (int64_t)most : 1;
}

static pare_status rfe_create(const pare_task *task, pare_choice *choice, void **out) {
    *out = NULL;
    rfe *r = NULL;
    int64_t count = task->objective->count;
    pare_status status = pare_alloc_zero(task->ctx, 1, sizeof *r, &r);
    if (status != PARE_OK) {
        return status;
    }
    r->task = *task;
    r->choice = choice;
    r->trains = pare_can_train(task->objective);
    const pare_array_part arrays[] = {
        {&r->alive, sizeof *r->alive}, {&r->mask, sizeof *r->mask},
        {&r->norm, sizeof *r->norm},   {&r->score, sizeof *r->score},
        {&r->open, sizeof *r->open},   {&r->selected, sizeof *r->selected},
    };
    status = pare_alloc_parts(task->ctx, count, sizeof arrays / sizeof arrays[0], arrays);
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t j = 0; j < count; j++) {
        r->alive[j] = !task->barred[j];
        r->mask[j] = task->barred[j] ? 0.0f : 1.0f;
        r->alive_count += r->alive[j];
    }
    for (int64_t left = r->alive_count; left > task->k; r->rounds++) {
        left -= dropped_by_round(left, task->k);
    }
    if (r->trains) {
        status = pare_trainer_start(&r->trainer, task, choice,
                                    (r->rounds + 1) * (ROUND_STEPS_MIN + 1) * 2);
        if (status != PARE_OK) {
            goto fail;
        }
        r->first_steps = (int64_t)(first_share * (double)r->trainer.steps) + 1;
    }
    choice->stage = "eliminate";
    *out = r;
    return PARE_OK;
fail:
    rfe_destroy(r);
    return status;
}

/* Fits on the alive, or trains on. *ready: the round's coefficients are there. */
static pare_status advance(rfe *r, bool *ready) {
    pare_objective *objective = r->task.objective;
    if (r->trains) {
        int64_t end = r->first_steps + (r->trainer.steps - r->first_steps) * r->round /
                                           (r->rounds > 0 ? r->rounds : 1);
        for (int i = 0; i < STEPS_PER_CALL && r->trainer.step < end; i++) {
            pare_status status = pare_trainer_step(&r->trainer, r->mask);
            if (status != PARE_OK) {
                return status;
            }
        }
        *ready = r->trainer.step >= end;
        return PARE_OK;
    }
    int64_t selected = 0;
    for (int64_t j = 0; j < objective->count; j++) {
        if (r->alive[j]) {
            r->selected[selected++] = j;
        }
    }
    *ready = true;
    return objective->slots->fit(objective->self, selected, r->selected);
}

/* Drops this round's candidates. */
static void drop(rfe *r) {
    int64_t count = r->task.objective->count;
    int64_t left = dropped_by_round(r->alive_count, r->task.k);
    for (; left > 0; left--) {
        int64_t worst = -1;
        for (int64_t j = 0; j < count; j++) {
            if (r->alive[j] && !r->task.forced[j] && (worst < 0 || r->norm[j] <= r->norm[worst])) {
                worst = j;
            }
        }
        r->alive[worst] = 0;
        r->mask[worst] = 0;
        r->alive_count--;
    }
}

static pare_status rfe_step(void *state, bool *done) {
    rfe *r = state;
    pare_objective *objective = r->task.objective;
    bool ready = false;
    pare_status status = advance(r, &ready);
    if (status != PARE_OK || !ready) {
        return status;
    }
    status = objective->slots->norms(objective->self, r->norm);
    if (status != PARE_OK) {
        return status;
    }
    if (r->alive_count > r->task.k) {
        drop(r);
        r->round++;
        r->choice->fraction = (double)r->round / (double)(r->rounds + 1);
        return PARE_OK;
    }
    for (int64_t j = 0; j < objective->count; j++) {
        r->score[j] = r->alive[j] ? (double)r->norm[j] : -1;
    }
    pare_choice_largest(&r->task, r->score, r->open, r->choice);
    r->choice->fraction = 1;
    *done = true;
    return PARE_OK;
}

static pare_status rfe_visit(void *state, const pare_visitor *visitor) {
    rfe *r = state;
    int64_t count = r->task.objective->count;
    const pare_saved_part parts[] = {
        {&r->alive_count, sizeof r->alive_count},
        {&r->round, sizeof r->round},
        {r->alive, count * (int64_t)sizeof *r->alive},
        {r->mask, count * (int64_t)sizeof *r->mask},
    };
    pare_status status = pare_visit_parts(visitor, sizeof parts / sizeof parts[0], parts);
    return status == PARE_OK ? pare_trainer_visit(&r->trainer, visitor) : status;
}

const pare_method pare_method_rfe = {
    .name = "rfe",
    .create = rfe_create,
    .step = rfe_step,
    .visit = rfe_visit,
    .destroy = rfe_destroy,
};
