/*
 * Training under a group penalty: after each step the parameters of the open candidates are shrunk
 * (proximal step of strength * sqrt(size) * |W_j|). The strength is fixed, or a controller raises
 * it while more of them are alive (norm above 0) than wanted, and lowers it while fewer are.
 */
#ifndef PARE_SELECT_PENALTY_H
#define PARE_SELECT_PENALTY_H

#include "select/trainer.h"

typedef struct pare_penalty {
    pare_context *ctx;
    pare_trainer trainer;
    uint8_t *open;   /* (count) penalised; the owner changes it */
    float *mask;     /* (count) 0 for the barred */
    float *lambda;   /* (count) scratch */
    float *norm;     /* (count) at the last control */
    double *weight;  /* (count) square root of the size */
    double strength; /* of the penalty */
    double growth;   /* factor of one control */
    int64_t alive;   /* open candidates with norm above 0 at the last control */
} pare_penalty;

/* True if the objective can be trained under a penalty. */
static inline bool pare_can_shrink(const pare_objective *objective) {
    return pare_can_train(objective) && objective->slots->shrink && objective->slots->norms;
}

/* penalty: cleared. open: all that are neither barred nor forced. */
pare_status pare_penalty_init(pare_penalty *penalty, const pare_task *task, pare_choice *choice,
                              double strength, int64_t steps_least) PARE_MUST_CHECK;
/* Accepts a cleared one. */
void pare_penalty_clear(pare_penalty *penalty);

/* One training step; wanted: open candidates that should be alive; < 0: the strength stays. */
pare_status pare_penalty_step(pare_penalty *penalty, double wanted) PARE_MUST_CHECK;

/* Norms as they are now, and the count of the alive. */
pare_status pare_penalty_measure(pare_penalty *penalty) PARE_MUST_CHECK;

pare_status pare_penalty_visit(pare_penalty *penalty, const pare_visitor *visitor) PARE_MUST_CHECK;

#endif
