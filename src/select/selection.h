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

/*
 * What was proved about the chosen, part by part: X(field, meaning). Every number is a double, NaN
 * where unknown; the lists also make selection.json (docs/selection_json.md).
 */
#define PARE_CERTIFICATE_NUMBERS(X)                                                                \
    X(fraction, "share of the best achievable loss reduction that is proved to be reached")        \
    X(loss, "of the chosen, refitted, per row")                                                    \
    X(best_loss, "of the best subset met on the way")                                              \
    X(bound, "no subset of that size has a lower loss")                                            \
    X(null_loss, "with no column")                                                                 \
    X(ridge, "of the certified problem, per row")                                                  \
    X(every, "candidates in every optimal subset")                                                 \
    X(none, "candidates in no optimal subset")                                                     \
    X(undecided, "the others")                                                                     \
    X(seconds, "spent")                                                                            \
    X(converged, "1: the bound could not be improved; 0: stopped by the time limit")               \
    X(nodes, "of branch and bound; 0: there was none")
#define PARE_STABILITY_NUMBERS(X)                                                                  \
    X(pairs, "complementary pairs of half samples that were finished")                             \
    X(each, "chosen in each half sample, on average")                                              \
    X(threshold, "share of half samples that must choose a column")                                \
    X(low, "columns chosen less often than this in a half sample count as false")                  \
    X(bound, "expected number of such columns among the stable, r-concave bound")                  \
    X(plain_bound, "the same without the assumption of r-concavity")
#define PARE_KNOCKOFF_NUMBERS(X)                                                                   \
    X(level, "false discovery rate asked for")                                                     \
    X(threshold, "least importance difference chosen; NaN: nothing can be chosen at this level")   \
    X(negative, "columns at or below minus the threshold: the estimate of the false ones")         \
    X(rows, "used")                                                                                \
    X(shrinkage, "weight of the diagonal in the covariance; 0: none needed")                       \
    X(fixed, "1: fixed-X knockoffs, 0: second-order Gaussian")
#define PARE_HELD_OUT_NUMBERS(X)                                                                   \
    X(rows, "never used to choose, to train or to stop")                                           \
    X(confidence, "of each promise")                                                               \
    X(tolerance, "loss increase allowed; NaN: none was asked for")                                 \
    X(fewest, "smallest number of columns with that promise; NaN: none")                           \
    X(loss_increase, "mean loss with the chosen minus with all")                                   \
    X(loss_increase_most, "upper confidence bound of its expectation")                             \
    X(accuracy_drop, "share of rows right with all and wrong with the chosen, minus the reverse")  \
    X(accuracy_drop_most, "upper confidence bound of its expectation; NaN for real targets")

#define PARE_PROOF_FIELD(field, meaning) double field;
typedef struct pare_proof {
    bool certified, stable, knockoff, held_out; /* which parts are there */
    struct {
        PARE_CERTIFICATE_NUMBERS(PARE_PROOF_FIELD)
    } certificate;
    struct {
        PARE_STABILITY_NUMBERS(PARE_PROOF_FIELD)
    } stability;
    struct {
        PARE_KNOCKOFF_NUMBERS(PARE_PROOF_FIELD)
    } knockoffs;
    struct {
        PARE_HELD_OUT_NUMBERS(PARE_PROOF_FIELD)
    } promise;
    /* Stability: the most frequent, chosen or not, by falling frequency. */
    int64_t frequencies;
    char **frequency_name;
    double *frequency;
} pare_proof;
#undef PARE_PROOF_FIELD

typedef struct pare_item {
    int64_t candidate; /* number in the dataset */
    char *name;
    double score;    /* of the method, at its choice */
    double cost;     /* > 0; 0: there was no budget */
    int64_t columns; /* columns of the table that belong to it (1, or the size of a group) */
    char **column;   /* (columns) their names: what `apply` copies */
    int64_t pixel_row, pixel_column; /* IDX images; else -1 */
    int8_t verdict;                  /* pare_verdict of select/certificate.h */
} pare_item;

struct pare_selection {
    pare_context *ctx;
    bool stopped; /* before its end */

    int64_t count;
    pare_item *item; /* (count) in order of choice */
    int64_t *number; /* (count) item[i].candidate, for pare_selection_items */
    int64_t wanted;  /* k asked for; 0: auto, or all that the budget allows */
    double budget;   /* what they may cost; 0: no budget */

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
    pare_proof proof;

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
    char *text, *json;    /* caches of pare_selection_text, pare_selection_json */
    char option_text[64]; /* of pare_selection_option */
};

/* Frees everything in it and itself; accepts NULL and half-filled ones. */
void pare_selection_free(pare_selection *selection);

#endif
