/* What the files of pruning share. */
#ifndef PARE_PROBLEM_PRUNE_PARTS_H
#define PARE_PROBLEM_PRUNE_PARTS_H

#include "problem/prune.h"

/* One half of a layer. */
typedef struct prune_part {
    int64_t layer, blocks, block; /* block: columns of its last matrix in one candidate */
    pare_lm_half half;
    int64_t start;    /* of its first candidate among all of this kind */
    bool some, whole; /* single candidates may go; all together may go */
    double fixed, unit;
    int64_t *order; /* (blocks) in order of removal */
    double *loss;   /* (blocks + 1) with the first so many of them removed */
    int64_t removed;
} prune_part;

typedef struct pruning {
    pare_context *ctx;
    const pare_lm *dense;
    pare_lm *lm;
    const pare_prune_options *options;
    pare_calibration calibration;
    int64_t parts;
    prune_part *part;
    int64_t candidates[2]; /* groups, channels of the whole model */
    double rest;           /* cost of what no structure holds */
    double *layer_loss;    /* (layers) with the whole layer gone; option `layers` */
    double loss;           /* dense */
    double measured;       /* share of the dense model's time that the chosen shape takes */
    pare_prune_progress progress;
    void *user;
} pruning;

pare_status pare_prune_tell(const pruning *p, const char *stage, double fraction) PARE_MUST_CHECK;
/* Cost of a part with `kept` candidates left. */
double pare_prune_cost(const pruning *p, const prune_part *one, int64_t kept);

/* Time of a stand-in of the chosen shape as a share of the dense model's, measured side by side. */
pare_status pare_prune_time(const pruning *p, double *share) PARE_MUST_CHECK;

/* Each fills order and loss of every part. */
pare_status pare_prune_curves(pruning *p) PARE_MUST_CHECK; /* by reconstruction */
pare_status pare_prune_scores(pruning *p) PARE_MUST_CHECK; /* by a score of each candidate */
/* Removal ranks of a trained mask: score[kind], (candidates[kind]) each, ascending = first to go,
 * as a share of the kind. */
pare_status pare_prune_mask(pruning *p, double *const score[2]) PARE_MUST_CHECK;

#endif
