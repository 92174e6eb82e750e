/* A selection whose model the caller trains: callbacks in place of an objective of the library. */
#ifndef PARE_PROBLEM_EXTERNAL_H
#define PARE_PROBLEM_EXTERNAL_H

#include "base/options.h"
#include "select/method.h"

struct pare_external {
    pare_context *ctx;
    pare_external_model model;
    pare_options options;
    pare_objective objective; /* slots that call the model */
    const pare_method *method;
    pare_task task;
    uint8_t *forced, *barred; /* (candidates) */
    float *mask;              /* (candidates) scratch */
    pare_choice choice;
    void *state;
    bool done;
    double seconds;
};

/* The bodies of pare_external_create, _step and _destroy (pare.h). */
pare_status pare_external_start(pare_context *ctx, const pare_external_model *model,
                                const pare_options *options, pare_external **out) PARE_MUST_CHECK;
pare_status pare_external_advance(pare_external *external, bool *done) PARE_MUST_CHECK;
void pare_external_free(pare_external *external);

#endif
