/* A design held in memory, each column contiguous. */
#ifndef PARE_SELECT_DENSE_DESIGN_H
#define PARE_SELECT_DENSE_DESIGN_H

#include "select/design.h"

/*
 * x: (columns, rows), start: (candidates + 1) or NULL for one column each, weight: (rows) or NULL;
 * all borrowed until pare_design_destroy. Reads x once, for the squares.
 */
pare_status pare_dense_design_create(pare_context *ctx, int64_t rows, int64_t columns,
                                     const float *x, int64_t candidates, const int64_t *start,
                                     const double *weight, pare_design *out) PARE_MUST_CHECK;

#endif
