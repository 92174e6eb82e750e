/* Dense arrays of an npz archive, as numpy.savez(path, x=..., y=...) writes them. */
#ifndef PARE_DATA_NPZ_DENSE_H
#define PARE_DATA_NPZ_DENSE_H

#include "data/reader.h"

/*
 * Reads the archive's array `x` (or X, x_train, X_train: a table, or images) and, where there is
 * one, `y` (or y_train, target, labels: a value a row) as the last column, named y. *found: whether
 * there is such an x; without one nothing is read and nothing is refused.
 */
pare_status pare_npz_dense_read(pare_input *input, const unsigned char *bytes, int64_t length,
                                pare_table *table, bool *found) PARE_MUST_CHECK;

#endif
