/* Candidates at random: a draw for each by (seed, number), the largest draws first. */
#include "base/random.h"
#include "select/choice.h"

typedef struct draw {
    pare_task task;
    pare_choice *choice;
    uint8_t *open; /* (count) scratch */
    double *value; /* (count) the draws, in [0, 1) */
} draw;

static void draw_destroy(void *state) {
    draw *d = state;
    if (!d) {
        return;
    }
    pare_free(d->task.ctx, d->open);
    pare_free(d->task.ctx, d->value);
    pare_free(d->task.ctx, d);
}

static pare_status draw_create(const pare_task *task, pare_choice *choice, void **out) {
    *out = NULL;
    draw *d = NULL;
    pare_status status = pare_alloc_zero(task->ctx, 1, sizeof *d, &d);
    if (status != PARE_OK) {
        return status;
    }
    d->task = *task;
    d->choice = choice;
    const pare_array_part arrays[] = {{&d->open, sizeof *d->open}, {&d->value, sizeof *d->value}};
    status = pare_alloc_parts(task->ctx, task->objective->count, 2, arrays);
    if (status != PARE_OK) {
        draw_destroy(d);
        return status;
    }
    choice->stage = "draw";
    *out = d;
    return PARE_OK;
}

static pare_status draw_step(void *state, bool *done) {
    draw *d = state;
    for (int64_t j = 0; j < d->task.objective->count; j++) {
        d->value[j] = pare_random_uniform(d->task.seed, PARE_STREAM_METHOD, (uint64_t)j);
    }
    pare_choice_take(&d->task, d->value, true, d->open, d->choice);
    d->choice->fraction = 1;
    *done = true;
    return PARE_OK;
}

const pare_method pare_method_random = {
    .name = "random",
    .costs = true,
    .create = draw_create,
    .step = draw_step,
    .destroy = draw_destroy,
};
