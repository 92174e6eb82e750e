/* Parts of the construction of a dataset: private to the files of data/ that share the work. */
#ifndef PARE_DATA_BUILD_H
#define PARE_DATA_BUILD_H

#include "data/dataset.h"

typedef enum pare_role {
    PARE_ROLE_FEATURE,
    PARE_ROLE_TARGET,
    PARE_ROLE_IGNORED,
    PARE_ROLE_WEIGHT,
    PARE_ROLE_SPLIT,
    PARE_ROLE_EMPTY /* a feature without any value in the training rows */
} pare_role;

/* Looks columns up by name: open addressing over the hash of the name. */
typedef struct pare_column_names {
    pare_context *ctx;
    const pare_table *table;
    int64_t slots;
    int64_t *slot; /* (slots) column or -1 */
} pare_column_names;

/* The target before the task is known: numbers, or level numbers of one text column. */
typedef struct pare_raw_target {
    const pare_table *table; /* whose lines the messages name */
    int64_t columns;
    double *value;      /* (rows, columns) NaN = missing */
    char *const *level; /* (levels) texts, borrowed; NULL: numbers */
    int64_t levels;
} pare_raw_target;

/* Sums over the training rows of one column. */
typedef struct pare_moments {
    double center;
    double weight, sum, square; /* of the values that are there, about `center` */
    int64_t zeros;              /* cells that are 0, in rows of weight > 0 */
} pare_moments;

/* A dataset under construction. */
typedef struct pare_build {
    pare_context *ctx;
    pare_dataset *data;
    const pare_options *options;
    pare_table target_table; /* of a separate target file; rows 0: none */
    bool has_target_table;
    const double *y; /* wrap: (rows, y_columns) */
    int64_t y_columns;
    const float *w; /* wrap: (rows) or NULL */

    pare_column_names names;
    pare_role *role;          /* (columns) */
    int64_t targets, *target; /* target columns in the order of the option */
    int64_t weight, split;    /* column or -1 */
    int64_t groups, group_capacity;
    char **group_name; /* (groups) */
    int64_t *group;    /* (columns) number or -1; NULL: no groups */

    pare_raw_target raw;
    uint8_t *usable; /* (rows) 1: the target is there */
    int64_t *block;  /* (rows) number of the row's block in the split, or NULL: each its own */
    int64_t blocks;
    uint8_t *gaps;         /* (columns) 1: some cell is missing; 2: also in the training rows */
    float *part_weight;    /* (rows) weight in the statistics: 0 outside the training rows */
    pare_moments *moments; /* FILE: (columns) */
    double *level_weight;  /* FILE: weights of the levels of each column, then of missing cells */
    int64_t *level_at;     /* FILE: (columns) where those of a column begin */
} pare_build;

/* columns.c: look-up, and "file line 17" (or "file row 17") of a row, as text in `buffer`. */
enum { PARE_PLACE_SIZE = 600 };
const char *pare_table_place(const pare_table *table, int64_t row, char *buffer);
pare_status pare_column_names_init(pare_context *ctx, const pare_table *table,
                                   pare_column_names *out) PARE_MUST_CHECK;
void pare_column_names_clear(pare_column_names *names);
int64_t pare_column_by_name(const pare_column_names *names, const char *name, int64_t length);
/* By name, else by 0-based position; -1 if neither. */
int64_t pare_column_find(const pare_column_names *names, const char *name, int64_t length);
/* The shortest decimal text that reads back as the number (as the float, where it is one). */
enum { PARE_NUMBER_SIZE = 32 };
const char *pare_shortest_text(double value, char *buffer);
/* Place of a cell in index and value of a sparse table, -1 if it is not stored. Binary search. */
int64_t pare_table_stored(const pare_table *table, int64_t row, int64_t column);
/* A cell as number, NaN if missing; of a sparse table by binary search. */
double pare_table_cell(const pare_table *table, int64_t row, int64_t column);

/* roles.c */
pare_status pare_build_roles(pare_build *build) PARE_MUST_CHECK;
pare_status pare_build_weights(pare_build *build) PARE_MUST_CHECK;
pare_status pare_build_blocks(pare_build *build) PARE_MUST_CHECK;
/* Weights to mean 1 over the training rows (test rows: over all), and part_weight. */
pare_status pare_build_scale_weights(pare_build *build) PARE_MUST_CHECK;

/* groups.c: reads option groups. */
pare_status pare_build_groups(pare_build *build) PARE_MUST_CHECK;

/* target.c: raw target, then task, labels or real targets, usable rows. */
pare_status pare_build_target(pare_build *build) PARE_MUST_CHECK;
/* Mean and scale of real targets over the training rows. */
pare_status pare_build_target_scale(pare_build *build) PARE_MUST_CHECK;

/* split.c: training and validation rows. */
pare_status pare_build_split(pare_build *build) PARE_MUST_CHECK;

/* categories.c: text <-> level numbers. */
pare_status pare_build_categorical(pare_build *build) PARE_MUST_CHECK;
/* Keeps the levels of training rows only, numbered as those rows show them. */
pare_status pare_build_known_levels(pare_build *build) PARE_MUST_CHECK;
/* Gives a feature column these levels only: map (its levels) new number or -1, `known` of them. One
 * without any becomes EMPTY. */
pare_status pare_build_keep_levels(pare_build *build, int64_t column, int64_t known,
                                   const int32_t *map) PARE_MUST_CHECK;
/* Gives a column of test rows the levels (or the numbers) of the training column. */
pare_status pare_column_adopt(pare_context *ctx, pare_table *table, int64_t column,
                              const pare_column *rules) PARE_MUST_CHECK;
pare_status pare_table_to_float(pare_context *ctx, pare_table *table) PARE_MUST_CHECK;

/* scan.c: refuses infinite cells of feature columns, finds columns with missing ones, checksum. */
pare_status pare_build_scan(pare_build *build) PARE_MUST_CHECK;

/* layout.c: squeezes out columns; gives test rows the columns of the training table. */
pare_status pare_build_squeeze(pare_build *build) PARE_MUST_CHECK;
pare_status pare_build_conform(pare_build *build) PARE_MUST_CHECK;

/* encode.c: columns without a value in the training rows, then candidates and features;
 * statistics.c: their shift and scale. */
pare_status pare_build_empty(pare_build *build) PARE_MUST_CHECK;
pare_status pare_build_drop_empty(pare_build *build) PARE_MUST_CHECK;
pare_status pare_build_features(pare_build *build) PARE_MUST_CHECK;
pare_status pare_build_statistics(pare_build *build) PARE_MUST_CHECK;

/* store_build.c: columns without a cell to choose from into memory; one pass for moments, gaps,
 * levels and checksum. */
pare_status pare_build_hold(pare_build *build) PARE_MUST_CHECK;
pare_status pare_build_survey(pare_build *build) PARE_MUST_CHECK;

#endif
