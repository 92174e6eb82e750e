/* What the report on prunings of one model tells: the dense model and each smaller one, scored on
 * the same text by the same protocol. Cost: one scoring and one sample a model. */
#ifndef PARE_PROBLEM_PRUNE_RECORD_H
#define PARE_PROBLEM_PRUNE_RECORD_H

#include "problem/language.h"

enum { PARE_PRUNE_POINTS_MAX = 17, PARE_PRUNE_BUDGET_SIZE = 64 };

/* One model: point 0 is the dense one. */
typedef struct pare_prune_point {
    char budget[PARE_PRUNE_BUDGET_SIZE]; /* as asked, "params=0.8"; "": the dense model or blocks */
    double asked, predicted;             /* share of the resource; NaN: no budget */
    double stand_in;                     /* share of the time, measured with its shape; 0: not */
    double seconds[2];                   /* of a step before and after; 0: not measured */
    int64_t layer_parameters, parameters, bytes, multiply_adds; /* one token at position 0 */
    int64_t hidden;
    double blocks;         /* share of the matrices in blocks that are left; NaN: no blocks */
    int64_t *kept;         /* (layers, 2): query heads, channels */
    pare_perplexity score; /* windows 0: there was no text */
    char *sample;          /* NULL: there was no tokenizer to write it with */
} pare_prune_point;

typedef struct pare_prune_record {
    pare_context *ctx;
    const pare_model *dense;
    char *text, *calibration; /* file that is scored, file the pruning saw; "" none */
    char *prompt, *structure, *recover;
    char criterion[PARE_PRUNE_BUDGET_SIZE], protocol[PARE_PRUNE_BUDGET_SIZE];
    int64_t sequences, position; /* of a timed step */
    bool uniform, compensate;
    int64_t points;
    pare_prune_point point[PARE_PRUNE_POINTS_MAX];
} pare_prune_record;

/* Scores the dense model; text: the file to score, NULL: option text. Borrows the model. */
pare_status pare_prune_record_create(const pare_model *model, const pare_options *options,
                                     const char *text, pare_progress_fn progress, void *user,
                                     pare_prune_record **out) PARE_MUST_CHECK;
/* Scores a model pruned from it by these options; seconds: of a step of the dense and of the pruned
 * model, NULL: not measured. */
pare_status pare_prune_record_add(pare_prune_record *record, const pare_model *pruned,
                                  const pare_options *options, const double *seconds,
                                  pare_progress_fn progress, void *user) PARE_MUST_CHECK;
void pare_prune_record_free(pare_prune_record *record);

#endif
