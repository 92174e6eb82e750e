/* One selection in progress: the method, the objective it asks, and the record it leaves. */
#ifndef PARE_PROBLEM_SELECTOR_H
#define PARE_PROBLEM_SELECTOR_H

#include "problem/compare.h"
#include "problem/costs.h"
#include "select/method.h"

struct pare_strategy; /* problem/strategy.h */

struct pare_selector {
    pare_context *ctx;
    pare_dataset *train;
    const pare_dataset *valid; /* NULL: validation part of train */
    pare_options options;
    int64_t model;  /* PARE_MODEL_LINEAR or _MLP */
    bool automatic; /* -k auto */

    pare_objective objective;
    const pare_method *method;
    pare_task task;
    uint8_t *forced, *barred; /* (candidates) */
    pare_costs costs;
    pare_choice choice;
    void *state;

    const struct pare_strategy *strategy; /* in place of one run of the method, or NULL */
    void *plan;                           /* its state */

    bool chosen;                 /* the method is done */
    bool done;                   /* and so is -k auto's path */
    bool stopped;                /* by the time limit */
    pare_trial path;             /* of -k auto */
    int64_t fewest;              /* what -k auto settled on, 0 before */
    pare_selection *path_record; /* holds the path until result copies it */
    double start, seconds, cpu_seconds;
};

/* Checks the options against the data and reserves everything. Borrows both datasets. */
pare_status pare_selector_start(pare_dataset *train, const pare_dataset *valid,
                                const pare_options *options, pare_selector **out) PARE_MUST_CHECK;

/* For one call of pare_selector_step: bounded work. */
pare_status pare_selector_advance(pare_selector *selector, bool *done) PARE_MUST_CHECK;

/* Saved state: selector_state.c. */
pare_status pare_selector_write(pare_selector *selector, const char *path) PARE_MUST_CHECK;
pare_status pare_selector_read(pare_selector *selector, const char *path) PARE_MUST_CHECK;

/* The record of the choice so far: selector_record.c. */
pare_status pare_selector_record(const pare_selector *selector,
                                 pare_selection **out) PARE_MUST_CHECK;
/* The record of a choice that was not made by a selector; seconds: wall and CPU it took. */
pare_status pare_choice_record(pare_dataset *train, const pare_dataset *valid,
                               const pare_options *options, const pare_choice *choice,
                               double seconds, double cpu_seconds,
                               pare_selection **out) PARE_MUST_CHECK;

#endif
