/* Private to the readers of Matrix Market and SciPy files. */
#ifndef PARE_DATA_SPARSE_BUILD_H
#define PARE_DATA_SPARSE_BUILD_H

#include "data/reader.h"

/* Entries of a sparse matrix in any order, from 0. */
typedef struct pare_triplets {
    pare_context *ctx;
    int64_t count;
    int32_t *row, *column;
    float *value;
} pare_triplets;

/* Room for `count` entries; none are in it. */
pare_status pare_triplets_reserve(pare_context *ctx, int64_t count,
                                  pare_triplets *out) PARE_MUST_CHECK;
void pare_triplets_clear(pare_triplets *of);
/*
 * The rows of a table with source set; zeros are dropped, an entry that comes twice is refused with
 * its place. Entries are inside the shape. Clears the triplets. Cost: count, and sorting of rows
 * whose columns do not ascend.
 */
pare_status pare_triplets_table(pare_triplets *of, int64_t rows, int64_t columns,
                                pare_table *table) PARE_MUST_CHECK;

/* Completes a table whose start, index and value are filled: orders rows, drops zeros, names
 * columns; refuses an entry that comes twice. */
pare_status pare_rows_table(int64_t rows, int64_t columns, pare_table *table) PARE_MUST_CHECK;

#endif
