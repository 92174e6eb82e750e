/* What the files of pruning share. */
#ifndef PARE_PROBLEM_PRUNE_PARTS_H
#define PARE_PROBLEM_PRUNE_PARTS_H

#include "problem/prune.h"

/* One half of a layer. */
typedef struct prune_part {
    int64_t layer, blocks, block; /* block: columns of its last matrix in one candidate */
    pare_lm_half half;
    int64_t start; /* of its first candidate among all of this kind */
    int64_t step;  /* candidates go so many at a time, one of each group of `group`: query
                      heads; else 1 and 0 */
    int64_t group;
    bool some, whole; /* single candidates may go; all together may go */
    bool second;      /* another way to cut the half of the part before it: query heads where
                         groups may go too */
    bool unused;      /* the other way was taken */
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
    bool whole_layers;     /* layers and nothing else may go: they are the groups */
    uint8_t *dropped;      /* (layers) gone before the budget is shared out */
    float *gain;           /* factors of the final norm's, of what is left; or NULL */
    int64_t trials;        /* plans carried out so far */
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
/* The regression of a part's half where the streams stand (unless problem holds it already), its
 * order by elimination, and error: (blocks + 1) of the output with the first so many of the order
 * gone. problem: to clear, also after a failure. */
pare_status pare_prune_order(pruning *p, prune_part *one, pare_half_problem *problem,
                             double *error) PARE_MUST_CHECK;
/* The last matrix with the first `removed` candidates of the order gone, the rest solved anew if
 * that is wanted. keep: (blocks) scratch; out: (outputs, width). */
pare_status pare_prune_cut_matrix(const pruning *p, const prune_part *one,
                                  const pare_half_problem *problem, int64_t removed, uint8_t *keep,
                                  float *out) PARE_MUST_CHECK;

/* Sets removed of every part so that `keep` of the cost is left, by the loss curves; nothing is
 * left of a dropped layer. */
pare_status pare_prune_share_out(pruning *p, double keep) PARE_MUST_CHECK;

/* Cuts the model to what was shared out, half after half, and fills the result. */
pare_status pare_prune_carry_out(pruning *p, pare_prune_result *result) PARE_MUST_CHECK;

/* Whether layers or hidden dimensions may go besides other structures, or hidden dimensions alone:
 * what several plans are carried out for. */
bool pare_prune_by_plans(const pare_prune_options *options);
/* After the loss curves: tries how many layers and hidden dimensions go, the rest of the budget
 * shared out among the other structures, and keeps what loses least. */
pare_status pare_prune_plans(pruning *p, pare_prune_result *result) PARE_MUST_CHECK;

/* Reserves and fills hidden_order. */
pare_status pare_prune_hidden_rank(pruning *p) PARE_MUST_CHECK;
/* Makes the (owned) model one without the first hidden_removed dimensions of the order, its tensors
 * still as large; pare_prune_hidden_cut takes them out. */
void pare_prune_hidden_hide(pruning *p);
pare_status pare_prune_hidden_cut(pruning *p) PARE_MUST_CHECK;

/* The matrices that read the stream before a half; returns their number. */
enum { PRUNE_READERS = 3 };
int pare_prune_readers_of(pare_lm_half half, pare_lm_slot out[PRUNE_READERS]);
/*
 * New weights for what reads the stream before half `index` (2 a layer; the number of halves: the
 * output), before the half is measured: ridge least squares from what the stream has become to the
 * dense model's, both normalised. For the output p->gain is solved for, and if it is not tied and
 * dimensions are gone, new weights instead. Nothing happens with layer norm or parallel halves, or
 * if the options do not want it. The layer must be owned.
 */
pare_status pare_prune_readers(pruning *p, int64_t index) PARE_MUST_CHECK;

/* Of the final norm's gain as it is, as p->gain would have it (least squares of the logits, which
 * need not be best for the loss) and half way: that with the least loss on the calibration text,
 * which it gives. After the last cut. */
pare_status pare_prune_best_gain(pruning *p, double *loss) PARE_MUST_CHECK;

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
