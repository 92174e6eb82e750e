/* NPY arrays of a known shape. */
#ifndef PARE_DATA_NPY_H
#define PARE_DATA_NPY_H

#include "base/context.h"

/* Reads a little-endian float32 array of exactly (rows, columns) in C order, or (rows,) where
 * columns is 0, into a fresh array, the caller's to free. Any other shape or type is refused. */
pare_status pare_npy_floats(pare_context *ctx, const char *path, int64_t rows, int64_t columns,
                            float **out) PARE_MUST_CHECK;

#endif
