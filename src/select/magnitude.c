/*
 * Magnitude: trains on all candidates, then keeps the k whose rows of the first weight matrix have
 * the largest root mean square norm (with the plain norm a candidate of many features would win by
 * what is left of its start values). Ties: the lower number.
 */
#include "select/trainer.h"

enum { STEPS_PER_CALL = 16 };

typedef struct magnitude {
    pare_task task;
    pare_choice *choice;
    pare_trainer trainer;
    float *mask;   /* (count) 0 for the barred */
    float *norm;   /* (count) */
    double *score; /* (count) */
    uint8_t *open; /* (count) scratch */
} magnitude;

static void magnitude_destroy(void *state) {
    magnitude *m = state;
    if (!m) {
        return;
    }
    pare_context *ctx = m->task.ctx;
    pare_free(ctx, m->mask);
    pare_free(ctx, m->norm);
    pare_free(ctx, m->score);
    pare_free(ctx, m->open);
    pare_free(ctx, m);
}

static pare_status magnitude_create(const pare_task *task, pare_choice *choice, void **out) {
    *out = NULL;
    magnitude *m = NULL;
    int64_t count = task->objective->count;
    pare_status status = pare_alloc_zero(task->ctx, 1, sizeof *m, &m);
    if (status != PARE_OK) {
        return status;
    }
    m->task = *task;
    m->choice = choice;
    const pare_array_part arrays[] = {{&m->mask, sizeof *m->mask},
                                      {&m->norm, sizeof *m->norm},
                                      {&m->score, sizeof *m->score},
                                      {&m->open, sizeof *m->open}};
    status = pare_alloc_parts(task->ctx, count, sizeof arrays / sizeof arrays[0], arrays);
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t j = 0; j < count; j++) {
        m->mask[j] = task->barred[j] ? 0.0f : 1.0f;
    }
    status = pare_trainer_start(&m->trainer, task, choice, 1);
    if (status != PARE_OK) {
        goto fail;
    }
    choice->stage = "train";
    *out = m;
    return PARE_OK;
fail:
    magnitude_destroy(m);
    return status;
}

static pare_status magnitude_step(void *state, bool *done) {
    magnitude *m = state;
    for (int i = 0; i < STEPS_PER_CALL && m->trainer.step < m->trainer.steps; i++) {
        pare_status status = pare_trainer_step(&m->trainer, m->mask);
        if (status != PARE_OK) {
            return status;
        }
    }
    if (m->trainer.step < m->trainer.steps) {
        return PARE_OK;
    }
    pare_objective *objective = m->task.objective;
    pare_status status = objective->slots->norms(objective->self, m->norm);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < objective->count; j++) {
        m->score[j] = (double)m->norm[j] / pare_group_weight(objective, j);
    }
    pare_choice_largest(&m->task, m->score, m->open, m->choice);
    *done = true;
    return PARE_OK;
}

static pare_status magnitude_visit(void *state, const pare_visitor *visitor) {
    magnitude *m = state;
    return pare_trainer_visit(&m->trainer, visitor);
}

const pare_method pare_method_magnitude = {
    .name = "magnitude",
    .costs = true,
    .create = magnitude_create,
    .step = magnitude_step,
    .visit = magnitude_visit,
    .destroy = magnitude_destroy,
};
