/* Between design.c and design_sparse.c. */
#ifndef PARE_PROBLEM_DESIGN_PRIVATE_H
#define PARE_PROBLEM_DESIGN_PRIVATE_H

#include "problem/problem.h"

/* Fills slots, self, sum and square for a dataset held as CSR. weight: (training rows) or NULL,
 * freed by destroy once this has succeeded. */
pare_status pare_design_create_sparse(pare_dataset *train, double *weight,
                                      pare_design *out) PARE_MUST_CHECK;

/* The same for a dataset that stays in its file. */
pare_status pare_design_create_stream(pare_dataset *train, double *weight,
                                      pare_design *out) PARE_MUST_CHECK;

#endif
