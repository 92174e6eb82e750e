/* Training an objective on behalf of a method: steps, running mean of the loss, trace. */
#ifndef PARE_SELECT_TRAINER_H
#define PARE_SELECT_TRAINER_H

#include "select/choice.h"

typedef struct pare_trainer {
    pare_objective *objective; /* borrowed */
    pare_choice *choice;       /* borrowed: gets loss, fraction and trace */
    int64_t steps;             /* planned */
    int64_t step;
    int64_t trace_every;
    double loss; /* running mean, NaN before the first step */
} pare_trainer;

/* Plans task->epochs, but at least steps_least steps, and resets the objective. */
pare_status pare_trainer_start(pare_trainer *trainer, const pare_task *task, pare_choice *choice,
                               int64_t steps_least) PARE_MUST_CHECK;

/* One step under `mask`. */
pare_status pare_trainer_step(pare_trainer *trainer, const float *mask) PARE_MUST_CHECK;

pare_status pare_trainer_visit(pare_trainer *trainer, const pare_visitor *visitor) PARE_MUST_CHECK;

/* True if the objective can be trained step by step. */
static inline bool pare_can_train(const pare_objective *objective) {
    return objective->slots->step != NULL && objective->steps_per_epoch > 0;
}

#endif
