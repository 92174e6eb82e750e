/*
 * Top k by the objective's gains, each candidate alone: filters (mutual information, ANOVA F).
 * Ties: the lower number. What two candidates say twice is not noticed; that is what filters are.
 */
#include "select/choice.h"

typedef struct ranking {
    pare_task task;
    pare_choice *choice;
    uint8_t *open; /* (count) scratch */
    double *gain;  /* (count) */
} ranking;

static void ranking_destroy(void *state) {
    ranking *r = state;
    if (!r) {
        return;
    }
    pare_free(r->task.ctx, r->open);
    pare_free(r->task.ctx, r->gain);
    pare_free(r->task.ctx, r);
}

static pare_status ranking_create(const pare_task *task, pare_choice *choice, void **out) {
    *out = NULL;
    ranking *r = NULL;
    pare_status status = pare_alloc_zero(task->ctx, 1, sizeof *r, &r);
    if (status != PARE_OK) {
        return status;
    }
    r->task = *task;
    r->choice = choice;
    const pare_array_part arrays[] = {{&r->open, sizeof *r->open}, {&r->gain, sizeof *r->gain}};
    status = pare_alloc_parts(task->ctx, task->objective->count, 2, arrays);
    if (status != PARE_OK) {
        ranking_destroy(r);
        return status;
    }
    choice->stage = "rank";
    *out = r;
    return PARE_OK;
}

static pare_status ranking_step(void *state, bool *done) {
    ranking *r = state;
    pare_objective *objective = r->task.objective;
    pare_status status = objective->slots->gains(objective->self, 0, NULL, r->gain);
    if (status != PARE_OK) {
        return status;
    }
    pare_choice_largest(&r->task, r->gain, r->open, r->choice);
    r->choice->fraction = 1;
    *done = true;
    return PARE_OK;
}

const pare_method pare_method_ranking = {
    .name = "ranking",
    .costs = true,
    .create = ranking_create,
    .step = ranking_step,
    .destroy = ranking_destroy,
};
