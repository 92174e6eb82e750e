#include "select/trainer.h"

#include <math.h>

/* Share of the newest step in the running mean of the loss. */
static const double loss_rate = 0.05;

pare_status pare_trainer_start(pare_trainer *t, const pare_task *task, pare_choice *choice,
                               int64_t steps_least) {
    pare_objective *objective = task->objective;
    double steps = round(task->epochs * (double)objective->steps_per_epoch);
    *t = (pare_trainer){.objective = objective,
                        .choice = choice,
                        .steps = steps > (double)steps_least ? (int64_t)steps : steps_least,
                        .loss = NAN};
    t->trace_every = t->steps / PARE_TRACE_MAX + 1;
    return objective->slots->reset(objective->self, task->seed, t->steps);
}

pare_status pare_trainer_step(pare_trainer *t, const float *mask) {
    double loss = 0;
    pare_status status = t->objective->slots->step(t->objective->self, mask, &loss, NULL);
    if (status != PARE_OK) {
        return status;
    }
    t->step++;
    t->loss = isnan(t->loss) ? loss : t->loss + loss_rate * (loss - t->loss);
    pare_choice *choice = t->choice;
    choice->loss = t->loss;
    choice->fraction = fmin(0.999, (double)t->step / (double)t->steps);
    if (t->step % t->trace_every == 0 && choice->trace_count < PARE_TRACE_MAX) {
        choice->trace_epoch[choice->trace_count] =
            (double)t->step / (double)t->objective->steps_per_epoch;
        choice->trace_loss[choice->trace_count] = t->loss;
        choice->trace_count++;
    }
    return PARE_OK;
}

pare_status pare_trainer_visit(pare_trainer *t, const pare_visitor *visitor) {
    const pare_saved_part parts[] = {{&t->step, sizeof t->step}, {&t->loss, sizeof t->loss}};
    return pare_visit_parts(visitor, sizeof parts / sizeof parts[0], parts);
}
