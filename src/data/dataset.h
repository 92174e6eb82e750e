/*
 * A table with roles: what a reader delivers (pare_table), and what the rest of the program uses
 * (pare_dataset): target, weights, split, and features encoded on the fly.
 *
 * Values are held once, as read: float32 row-major (NaN = missing; a categorical cell holds its
 * level number), uint8 row-major (images), or CSR (libsvm). Features are computed when rows are
 * gathered: standardised numbers, missing-value indicators, one-hot levels. All features of one
 * candidate are contiguous.
 */
#ifndef PARE_DATA_DATASET_H
#define PARE_DATA_DATASET_H

#include "base/options.h"

typedef enum pare_storage {
    PARE_STORAGE_F32,
    PARE_STORAGE_U8,
    PARE_STORAGE_CSR,
    PARE_STORAGE_FILE /* dense columns that stay in a .pare file: data/store.h */
} pare_storage;

typedef struct pare_store pare_store;

typedef struct pare_column {
    char *name;     /* never NULL */
    int64_t levels; /* 0: numeric; else categorical with cells 0 .. levels - 1 (NaN: missing) */
    char **level;   /* (levels) text of each level, in order of first appearance */
} pare_column;

/* What a reader delivers. Columns include the target and all others, in file order. */
typedef struct pare_table {
    pare_context *ctx;
    char *source; /* path, for messages */
    bool named;   /* the file named its columns (else "x0", "x1", ...) */
    int64_t rows, columns;
    pare_column *column; /* (columns) */
    pare_storage storage;
    float *f32;            /* (rows, columns) when F32 */
    bool borrowed;         /* f32, or the CSR arrays, belong to the caller (wrap) */
    uint8_t *u8;           /* (rows, columns) when U8 */
    int64_t *start;        /* CSR: (rows + 1) */
    int32_t *index;        /* CSR: (start[rows]) ascending within a row */
    float *value;          /* CSR */
    double *label;         /* libsvm: (rows) the label in front of each row; else NULL */
    int64_t first_line;    /* line of row 0 in the file, 1-based; 0 if lines mean nothing */
    int64_t height, width; /* IDX images; 0 otherwise */
    pare_store *stream;    /* FILE */
    float **held;          /* FILE: (columns) cells of columns that are in memory, else NULL */
} pare_table;

void pare_table_clear(pare_table *table);

/* Reads `path` ("-": standard input) by options format, header, categorical. */
pare_status pare_table_read(pare_context *ctx, const char *path, const pare_options *options,
                            pare_table *out) PARE_MUST_CHECK;

/* The same within option memory: a .pare file that does not fit stays a file (storage FILE), any
 * other that does not is refused. */
pare_status pare_table_open(pare_context *ctx, const char *path, const pare_options *options,
                            pare_table *out) PARE_MUST_CHECK;

/*
 * Writes a table as a .pare file (docs/format.md): CSV and TSV in one pass with bounded memory, the
 * other formats from memory. The file grows as `out`.partial and gets its name when it is complete;
 * a call that finds such a beginning of the same source goes on with it. pack: chunks are packed
 * with zstd. progress: may be NULL; nonzero stops, *complete stays false and the beginning is kept,
 * as it is when writing fails.
 */
pare_status pare_table_convert(pare_context *ctx, const char *in, const char *out,
                               const pare_options *options, bool pack, pare_progress_fn progress,
                               void *user, bool *complete) PARE_MUST_CHECK;

/* Who decides what pare_table_copy copies, and who takes it; a failure of either ends the copy. */
typedef struct pare_copy {
    /* Called once, with the names and number of columns; sets keep[j], all false before. */
    pare_status (*choose)(void *user, const pare_table *table, bool *keep);
    /* The next bytes of the result. */
    pare_status (*put)(void *user, const char *bytes, int64_t length);
    void *user;
} pare_copy;

/*
 * Copies some columns of a CSV or TSV file (gz too; "-": standard input) by options format, header:
 * the cells byte for byte with their quotes and blanks, separators, line ends and byte order mark
 * as in the file. Blank lines are left out where a row has several columns. Values are not looked
 * at.
 */
pare_status pare_table_copy(pare_context *ctx, const char *path, const pare_options *options,
                            const pare_copy *copy) PARE_MUST_CHECK;

/* Makes a number column categorical, levels by first appearance; one that is categorical stays as
 * it is. A borrowed table is copied first, an 8-bit one becomes float32. Refuses sparse tables and
 * more than 65,536 levels. Cost: rows * log(levels). */
pare_status pare_column_categorise(pare_table *table, int64_t column) PARE_MUST_CHECK;

typedef enum pare_task_kind {
    PARE_KIND_BINARY,     /* label 0 / 1 */
    PARE_KIND_MULTICLASS, /* label 0 .. classes - 1 */
    PARE_KIND_REGRESSION  /* target (rows, outputs) */
} pare_task_kind;

typedef enum pare_feature_kind {
    PARE_FEATURE_NUMBER,  /* the value itself; missing: the training mean */
    PARE_FEATURE_MISSING, /* 1 where the value is missing, else 0 */
    PARE_FEATURE_LEVEL    /* 1 where the cell holds `level`, else 0; missing: the training mode */
} pare_feature_kind;

typedef struct pare_feature {
    pare_feature_kind kind;
    int32_t column; /* of the compacted table */
    int32_t level;  /* LEVEL: the level number */
    bool fills;     /* LEVEL: this level is the mode, so missing cells count as it */
} pare_feature;

/* How the cells of one column become features: NUMBER or one LEVEL each, then MISSING. */
typedef struct pare_encoding {
    int64_t feature; /* first feature of the column; -1: the column is not a feature */
    int32_t levels;  /* 0: numeric */
    int32_t mode;    /* level that a missing cell counts as */
    bool indicator;  /* a MISSING feature follows */
    bool gaps;       /* some cell of the table is missing, maybe outside the training rows */
} pare_encoding;

struct pare_dataset {
    pare_context *ctx;
    const struct pare_dataset *like; /* rules come from there (test rows): everything from
                                        class_name to candidate_start is its memory; else NULL */
    pare_options options;            /* as they were at open */
    /* Only feature columns are left; the others are squeezed out in place. Images (8-bit tables)
     * and borrowed tables keep all their columns, those without a role at encoding -1. Rows
     * without a target stay in the table but are in neither part. */
    pare_table table;
    char *summary;
    double seconds;    /* wall, that reading and encoding took; 0 for arrays */
    uint64_t checksum; /* of all cells, target and names: identifies the data in selection.json */

    pare_task_kind kind;
    int64_t classes;    /* >= 2 for classes, 0 for regression */
    char **class_name;  /* (classes) numbers ascending, texts in byte order */
    int32_t *label;     /* (rows) for classes; 0 where the target is missing */
    int64_t outputs;    /* regression: >= 1; classes: 1 for binary, classes for multiclass */
    float *target;      /* (rows, outputs) regression, as read, 0 where missing; NULL for classes */
    char **output_name; /* names of the target columns */
    int64_t target_columns;
    float *target_mean, *target_scale; /* (outputs) regression: from training rows */
    float *weight;                     /* (rows) mean 1 over training rows, or NULL */
    char *weight_name;                 /* column name or NULL */

    int64_t train_count, validation_count;
    int64_t *train, *validation; /* row numbers, ascending */

    int64_t source_columns; /* of the table as read */
    int64_t features;       /* encoded width */
    pare_feature *feature;
    float *shift, *scale; /* (features): training mean and 1 / sd of the encoded feature; a feature
                             constant over the training rows has scale 0 */
    double *mean, *variance; /* (features) what shift and scale are rounded from */
    const int64_t *measured; /* the rows they are of: `train` as it was at open */
    pare_encoding *encoding; /* (table.columns) */
    float *zero;             /* (features): standardised value of an encoded 0 */
    bool direct;             /* every feature is NUMBER and feature j is column j */
    bool plain; /* every feature is NUMBER, feature j is column j, and no value is missing */

    int64_t candidates;
    char **candidate_name;
    int64_t *candidate_start; /* (candidates + 1) first feature of each candidate */
    int64_t dropped;          /* columns and groups without any value in the training rows */
    char **dropped_name;      /* (dropped) */
    double zero_share;        /* share of encoded, unscaled values that are zero, training rows */
};

/* Encoded and standardised rows: out (count, features) row-major. */
void pare_dataset_gather(const pare_dataset *data, int64_t count, const int64_t *rows, float *out);

/* The same for some features only: out (count, wanted). */
void pare_dataset_gather_features(const pare_dataset *data, int64_t count, const int64_t *rows,
                                  int64_t wanted, const int64_t *features, float *out);

/*
 * Encoded but NOT standardised rows as CSR, features ascending: row i of the result is rows[i]; a
 * standardised value is (value - shift[j]) * scale[j]. Arrays are the caller's to free. Missing
 * numbers appear as their training mean. Features constant over the training rows are left out.
 */
pare_status pare_dataset_sparse(const pare_dataset *data, int64_t count, const int64_t *rows,
                                int64_t **start, int32_t **index, float **value) PARE_MUST_CHECK;

/* What one feature makes of a cell, standardised. */
float pare_dataset_value(const pare_dataset *data, int64_t feature, float cell);

/* One encoded, standardised feature of the given rows, out: (count). */
void pare_dataset_feature(const pare_dataset *data, int64_t feature, int64_t count,
                          const int64_t *rows, float *out);

/*
 * Opens, wraps, closes: the bodies of pare_dataset_open, _open_like, _wrap and _close (pare.h).
 *
 * Rules that pare.h leaves open:
 *   names      an option names a column by its name or, where no column has that name, by its
 *              0-based position. Without option target: the label of libsvm, all columns of
 *              option target-file, else the last column that has no other role.
 *   task auto  text is classes; so is a number target that takes exactly two values, or only
 *              whole numbers, at most 100 different ones in at least twice as many rows, and
 *              either without a gap from 0 or 1 on, or at most sqrt(rows) of them. Else
 *              regression; several target columns are always regression.
 *   target     rows where it is missing are left out of both parts, with a warning. Refused: all
 *              missing, constant, infinite, more classes than half the rows, a class of the test
 *              rows that the training table does not have.
 *   weights    >= 0, none missing, not all zero over the training rows.
 *   missing    filled and scaled by training rows only: the mean, or the commonest level. A level
 *              that no training row has counts as missing. A column without any value in the
 *              training rows is dropped with a warning. Infinite values are refused.
 *   test rows  all are in `validation`; a weight column may be absent, a feature may not.
 *   label      is the name of the label of libsvm and of a target file without names.
 *   arrays     options target, target-file, format and header are not looked at.
 * Memory beside the table: about 40 bytes a row and 100 bytes a feature.
 */
pare_status pare_dataset_read(pare_context *ctx, const char *path, const pare_options *options,
                              pare_dataset **out) PARE_MUST_CHECK;
pare_status pare_dataset_read_like(pare_dataset *like, const char *path, const char *target_path,
                                   pare_dataset **out) PARE_MUST_CHECK;
pare_status pare_dataset_from_arrays(pare_context *ctx, int64_t n, int64_t d, const float *x,
                                     int64_t outputs, const double *y, const float *weight,
                                     const char *const *names, const pare_options *options,
                                     pare_dataset **out) PARE_MUST_CHECK;
/* The same from CSR arrays; start, index and value are borrowed as x is. Option categorical is
 * refused. */
pare_status pare_dataset_from_sparse(pare_context *ctx, int64_t n, int64_t d, const int64_t *start,
                                     const int32_t *index, const float *value, int64_t outputs,
                                     const double *y, const float *weight, const char *const *names,
                                     const pare_options *options,
                                     pare_dataset **out) PARE_MUST_CHECK;
/* The same from tables already read; both are taken over (cleared on failure too). target: NULL if
 * it is in the table. */
pare_status pare_dataset_from_table(pare_context *ctx, pare_table *table, pare_table *target,
                                    const pare_options *options,
                                    pare_dataset **out) PARE_MUST_CHECK;
pare_status pare_dataset_from_table_like(pare_dataset *like, pare_table *table, pare_table *target,
                                         pare_dataset **out) PARE_MUST_CHECK;
void pare_dataset_free(pare_dataset *dataset);

/* Candidate by name, -1 if there is none. */
int64_t pare_dataset_find(const pare_dataset *data, const char *name, int64_t length);

#endif
