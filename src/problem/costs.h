/* What candidates cost, and what may be spent: options costs and budget. */
#ifndef PARE_PROBLEM_COSTS_H
#define PARE_PROBLEM_COSTS_H

#include "data/dataset.h"

typedef struct pare_costs {
    pare_context *ctx;
    double *cost;  /* (candidates) > 0; NULL: there is no budget */
    double budget; /* > 0; 0 without one */
} pare_costs;

/*
 * Reads both options. A column that is not named costs 1; a group costs what its columns cost, or
 * what is said under its own name. Refuses, with file and line or the piece of the list, names that
 * are unknown or come twice and costs that are not positive; costs without a budget; a budget that
 * is not a positive number.
 */
pare_status pare_costs_read(const pare_dataset *data, const pare_options *options,
                            pare_costs *out) PARE_MUST_CHECK;
void pare_costs_clear(pare_costs *costs);

#endif
