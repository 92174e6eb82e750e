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
    double predicted;      /* loss of what was shared out last */
    int64_t hidden_removed, *hidden_order; /* (hidden) in order of removal; NULL: not asked for */
    uint8_t *hidden_gone;                  /* (hidden) */
    double flops;                          /* of the training of the mask, and of passes it needs */
    pare_prune_progress progress;
    void *user;
} pruning;

pare_status pare_prune_tell(const pruning *p, const char *stage, double fraction) PARE_MUST_CHECK;
/* Cost of the whole model. */
double pare_prune_all_cost(const pruning *p);
/* Floating-point operations of one epoch of fine-tuning on 1,000 samples of 512 tokens. */
double pare_prune_tuning_flops(const pare_lm_shape *shape);
/* Cost of a part with `kept` candidates left. */
double pare_prune_cost(const pruning *p, const prune_part *one, int64_t kept);

/* Time of a stand-in of the chosen shape as a share of the dense model's, measured side by side. */
pare_status pare_prune_time(const pruning *p, double *share) PARE_MUST_CHECK;

pare_lm_tensor *pare_prune_last_matrix(const pruning *p, const prune_part *one);
/* The regression of a part's half where the streams stand, its order by elimination, and error:
 * (blocks + 1) of the output with the first so many of the order gone. problem: to clear, also
 * after a failure. */
pare_status pare_prune_order(pruning *p, prune_part *one, pare_half_problem *problem,
                             double *error) PARE_MUST_CHECK;
/* The last matrix with the first `removed` candidates of the order gone, the rest solved anew if
 * that is wanted. keep: (blocks) scratch; out: (outputs, width). */
pare_status pare_prune_cut_matrix(const pruning *p, const prune_part *one,
                                  const pare_half_problem *problem, int64_t removed, uint8_t *keep,
                                  float *out) PARE_MUST_CHECK;

/* Sets removed of every part so that `keep` of the cost is left, by the loss curves. */
pare_status pare_prune_share_out(pruning *p, double keep) PARE_MUST_CHECK;

/* After the loss curves: how many hidden dimensions go, and the rest shared out. They are hidden
 * until pare_prune_hidden_cut takes them out of the tensors. */
pare_status pare_prune_hidden(pruning *p) PARE_MUST_CHECK;
pare_status pare_prune_hidden_cut(pruning *p) PARE_MUST_CHECK;

typedef struct prune_ranked {
    double score;
    int64_t item;
} prune_ranked;
/* Ascending by score, of equal ones by item. */
void pare_prune_sort(prune_ranked *list, int64_t count);

/* Each fills order and loss of every part; the trained mask shares out too. */
pare_status pare_prune_curves(pruning *p) PARE_MUST_CHECK;    /* by reconstruction */
pare_status pare_prune_scores(pruning *p) PARE_MUST_CHECK;    /* by a score of each candidate */
pare_status pare_prune_whole(pruning *p) PARE_MUST_CHECK;     /* of whole halves and layers */
pare_status pare_prune_attention(pruning *p) PARE_MUST_CHECK; /* by a trained mask */

#endif
