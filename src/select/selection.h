/*
 * The answer of a selection: a self-contained record that refers to no dataset, so that it can be
 * saved, loaded, shown and applied later. Names and numbers only.
 */
#ifndef PARE_SELECT_SELECTION_H
#define PARE_SELECT_SELECTION_H

#include "base/options.h"

/* Scores of one model on one candidate set; NaN where not computed. */
typedef struct pare_comparison {
    double validation_score, validation_loss;
    double test_score, test_loss;
    double seconds; /* wall */
    double cpu_seconds;
    int64_t candidates; /* it was trained on */
} pare_comparison;

typedef struct pare_item {
    int64_t candidate; /* number in the dataset */
    char *name;
    double score;    /* of the method, at its choice */
    int64_t columns; /* columns of the table that belong to it (1, or the size of a group) */
    char **column;   /* (columns) their names: what `apply` copies */
    int64_t pixel_row, pixel_column; /* IDX images; else -1 */
} pare_item;

struct pare_selection {
    pare_context *ctx;
    bool stopped; /* before its end */

    int64_t count;
    pare_item *item; /* (count) in order of choice */
    int64_t *number; /* (count) item[i].candidate, for pare_selection_items */
    int64_t wanted;  /* k asked for; 0: auto */

    /* Path: validation score with the first path_count[i] choices; ascending counts. */
    int64_t path_points;
    int64_t *path_count;
    double *path_score;
    double *path_error; /* standard error, NaN if unknown */

    int64_t trace_points; /* training loss while selecting */
    double *trace_epoch, *trace_loss;

    double *correlation; /* (count, count) Pearson, of the first feature of each choice, training
                            rows; NULL if not computed */

    pare_comparison chosen, all, random;

    char *method, *model, *task; /* task: "binary", "multiclass", "regression" */
    char *score_name;            /* "accuracy", "R squared" */
    char *data_source, *data_summary;
    char *data_checksum; /* 16 hex digits */
    int64_t rows, candidates, validation_rows, test_rows, classes, outputs;
    int64_t target_columns;
    char **target_name;    /* (target_columns) */
    char *weight_name;     /* or NULL */
    int64_t height, width; /* IDX images */
    char *version;         /* of the library */
    char *machine;         /* processor, kernel level, threads */
    char *created;         /* UTC, "2024-05-01T12:00:00Z" */
    double seconds_reading, seconds_selecting, cpu_selecting;
    int64_t warnings;
    char **warning; /* sentences shown while this answer was made */
    bool has_options;
    pare_options options; /* as used */
    char *text;           /* cache of pare_selection_text */
};

/* Frees everything in it and itself; accepts NULL and half-filled ones. */
void pare_selection_free(pare_selection *selection);

#endif
