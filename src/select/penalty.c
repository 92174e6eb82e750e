#include "select/penalty.h"

#include <math.h>

/* Steps between looks at the norms. */
enum { CONTROL_STEPS = 4 };

/* At full growth the strength crosses these decades within this share of the steps. */
static const double strength_decades = 3;
static const double crossing_share = 0.1;
/* It falls more slowly than it rises. */
static const double relax = 0.5;

pare_status pare_penalty_init(pare_penalty *p, const pare_task *task, pare_choice *choice,
                              double strength, int64_t steps_least) {
    p->ctx = task->ctx;
    const pare_array_part arrays[] = {
        {&p->open, sizeof *p->open},     {&p->mask, sizeof *p->mask},
        {&p->lambda, sizeof *p->lambda}, {&p->norm, sizeof *p->norm},
        {&p->weight, sizeof *p->weight},
    };
    int64_t count = task->objective->count;
    pare_status status = pare_alloc_parts(p->ctx, count, sizeof arrays / sizeof arrays[0], arrays);
    if (status != PARE_OK) {
        return status;
    }
    pare_open_candidates(task, p->open);
    for (int64_t j = 0; j < count; j++) {
        p->mask[j] = task->barred[j] ? 0.0f : 1.0f;
        p->weight[j] = pare_group_weight(task->objective, j);
    }
    status = pare_trainer_start(&p->trainer, task, choice, steps_least);
    if (status != PARE_OK) {
        return status;
    }
    double controls = fmax(1, crossing_share * (double)p->trainer.steps / CONTROL_STEPS);
    p->strength = strength;
    p->growth = pow(10, strength_decades / controls);
    return PARE_OK;
}

void pare_penalty_clear(pare_penalty *p) {
    pare_free(p->ctx, p->open);
    pare_free(p->ctx, p->mask);
    pare_free(p->ctx, p->lambda);
    pare_free(p->ctx, p->norm);
    pare_free(p->ctx, p->weight);
    *p = (pare_penalty){0};
}

pare_status pare_penalty_measure(pare_penalty *p) {
    pare_objective *objective = p->trainer.objective;
    pare_status status = objective->slots->norms(objective->self, p->norm);
    p->alive = 0;
    for (int64_t j = 0; status == PARE_OK && j < objective->count; j++) {
        p->alive += p->open[j] && p->norm[j] > 0;
    }
    return status;
}

pare_status pare_penalty_step(pare_penalty *p, double wanted) {
    pare_objective *objective = p->trainer.objective;
    pare_status status = pare_trainer_step(&p->trainer, p->mask);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < objective->count; j++) {
        p->lambda[j] = p->open[j] ? (float)(p->strength * p->weight[j]) : 0;
    }
    status = objective->slots->shrink(objective->self, p->lambda);
    if (status != PARE_OK || wanted < 0 || p->trainer.step % CONTROL_STEPS != 0) {
        return status;
    }
    status = pare_penalty_measure(p);
    if ((double)p->alive > wanted) {
        p->strength *= p->growth;
    } else if ((double)p->alive < wanted) {
        p->strength *= pow(p->growth, -relax);
    }
    return status;
}

pare_status pare_penalty_visit(pare_penalty *p, const pare_visitor *visitor) {
    int64_t count = p->trainer.objective->count;
    const pare_saved_part parts[] = {
        {p->open, count * (int64_t)sizeof *p->open},
        {p->norm, count * (int64_t)sizeof *p->norm},
        {&p->strength, sizeof p->strength},
        {&p->alive, sizeof p->alive},
    };
    pare_status status = pare_visit_parts(visitor, sizeof parts / sizeof parts[0], parts);
    return status == PARE_OK ? pare_trainer_visit(&p->trainer, visitor) : status;
}
