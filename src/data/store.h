/*
 * Tables that stay in their .pare file (storage FILE): read in passes over all of it, or some rows
 * at a time, within the memory that option memory allows.
 */
#ifndef PARE_DATA_STORE_H
#define PARE_DATA_STORE_H

#include "data/dataset.h"

/* What the work on a table takes for each row beside its cells, about: targets, weights, splits,
 * residuals, the vectors that one pass multiplies with, the certificate. */
enum { PARE_STORE_ROW_BYTES = 220 };

/* Opens path; the table's columns, rows and stream are set, no cells. Refuses a limit too small for
 * two groups of rows, naming the least. */
pare_status pare_store_open(pare_context *ctx, const char *path, int64_t memory,
                            pare_table *table) PARE_MUST_CHECK;
void pare_store_close(pare_store *stream);

int64_t pare_store_memory(const pare_store *stream);
/* Of everything in the file, from the checksums of all its records. */
uint64_t pare_store_identity(const pare_store *stream);
/* Rows that lie together in the file: groups begin at multiples of it. */
int64_t pare_store_group_rows(const pare_store *stream);
/* So far, of chunks. */
int64_t pare_store_bytes_read(const pare_store *stream);

/* What the level numbers of the file stand for from now on: to (levels), NaN: missing. */
typedef struct pare_level_map {
    int64_t levels; /* 0: cells are as the file has them */
    float *to;
} pare_level_map;

/* Gives the levels of a column other numbers, in all that is read from now on. to: (levels),
 * copied. */
pare_status pare_store_renumber(pare_store *stream, int64_t column, int64_t levels,
                                const float *to) PARE_MUST_CHECK;

/* Some columns of some neighbouring rows. */
typedef struct pare_piece {
    int64_t row, rows, column, columns;
    int64_t kind, stride;
    const unsigned char *cells;
    const pare_level_map *map; /* (columns) */
} pare_piece;

/* Cells from .. from + count (from a multiple of 8) of a column of the piece, counted from its
 * first: in place, or decoded into scratch. */
const float *pare_piece_values(const pare_piece *piece, int64_t column, int64_t from, int64_t count,
                               float *scratch);

/*
 * Calls work(user, piece) for all pieces, those of the same columns in the order of their rows, on
 * any thread: two calls at a time never share a column. While it works, the next rows are read. Of
 * several ranks each sees its own share of the rows; of a table with at least as many columns as
 * rows, of the columns.
 * wanted: (columns) pieces without any such column are not read; NULL: all.
 */
pare_status pare_store_pass(pare_store *stream, const uint8_t *wanted,
                            void (*work)(void *user, const pare_piece *piece),
                            void *user) PARE_MUST_CHECK;
/*
 * Sums over all rows in an order that depends on the file alone: it is cut into PARE_STORE_SEGMENTS
 * runs of groups; work(user, piece) adds into partial (count), which is 0 at the start of each run,
 * and total (count, overwritten) is the sum of the partials in order. Ranks share the runs out.
 */
enum { PARE_STORE_SEGMENTS = 64 };
pare_status pare_store_sum(pare_store *stream, void (*work)(void *user, const pare_piece *piece),
                           void *user, int64_t count, double *partial,
                           double *total) PARE_MUST_CHECK;
/* Which rows of a column each rank sees in pare_store_pass. begin: (ranks + 1) first row of each.
 */
void pare_store_shares(const pare_store *stream, int64_t column, int64_t *begin);
/* Whole columns: out[c] (rows), NULL: not wanted. */
pare_status pare_store_columns(pare_store *stream, float **out) PARE_MUST_CHECK;

/* Cells of some rows and columns (at most as many as the table has), out (count, stride). Any
 * thread; cheap when neighbours are asked for together. A failure gives NaN and is told by
 * pare_store_trouble. */
void pare_store_rows(pare_store *stream, int64_t count, const int64_t *rows, int64_t wanted,
                     const int64_t *column, int64_t stride, float *out);
/*
 * The cells that features from, from + 1, .. of a list (NULL: all) of a dataset over the stream
 * are made of, neighbours of the same column once: out (count, stride), of which as many as there
 * are columns are written. Returns where the list goes on: less than wanted if it names more
 * columns than the table has.
 */
int64_t pare_store_features(const pare_dataset *data, int64_t count, const int64_t *rows,
                            int64_t from, int64_t wanted, const int64_t *feature, int64_t stride,
                            float *out);
pare_status pare_store_trouble(pare_store *stream) PARE_MUST_CHECK;
static inline pare_status pare_dataset_trouble(const pare_dataset *data) {
    return data->table.stream ? pare_store_trouble(data->table.stream) : PARE_OK;
}

#endif
