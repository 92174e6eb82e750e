/*
 * Sparsification while training: which candidates (blocks of weights) a model keeps, decided on
 * the way of one training run, a fixed share of each group (matrix).
 */
#ifndef PARE_SELECT_SPARSIFY_H
#define PARE_SELECT_SPARSIFY_H

#include "select/objective.h"

/* The option `block-method`, in its order. */
typedef enum pare_sparsifier {
    PARE_SPARSIFY_SEQUENTIAL_ATTENTION, /* SequentialAttention++ (Axiotis et al. 2024) */
    PARE_SPARSIFY_MAGNITUDE,            /* gradual, by norm (Zhu and Gupta 2017) */
    PARE_SPARSIFY_POWERPROPAGATION,     /* the same; the objective trains in its own power */
    PARE_SPARSIFY_ACDC,                 /* sparse and dense in turn, by norm (Peste et al. 2021) */
    PARE_SPARSIFY_RANDOM,               /* after the dense phase, for good */
    PARE_SPARSIFY_NONE,                 /* keeps all */
    PARE_SPARSIFIERS
} pare_sparsifier;

typedef struct pare_sparsify_task {
    pare_context *ctx;
    pare_objective *objective; /* borrowed; slots step, and norms, forget where needed */
    pare_sparsifier method;
    int64_t groups;
    const int64_t *first; /* (groups + 1) first candidate of each group */
    const int64_t *wide;  /* (groups) how many neighbours read the same inputs, a row of blocks;
                             NULL where redundancy is 0 */
    double sparsity;      /* share of each group that goes, 0 < sparsity < 1 */
    double dense_share, sparse_share; /* of the training: the dense start, the sparse end */
    int64_t phases;                   /* sparse-dense phases between them */
    double epochs;
    double mask_rate;  /* step size of the logits, falls to 0 as a cosine */
    double mask_decay; /* decoupled weight decay of the logits */
    double redundancy; /* the r-th of a row of `wide` counts A / r^redundancy; 0: A */
    uint64_t seed;
} pare_sparsify_task;

typedef struct pare_sparsified {
    uint8_t *keep; /* (count) */
    float *mask;   /* (count) what the weights are multiplied by: 0, or 1 or the attention */
    double *score; /* (count) by which it was decided */
    double loss;   /* running mean at the end */
    bool stopped;  /* by the caller, before the end */
    int64_t trace; /* points, at most PARE_TRACE_POINTS */
    double *trace_epoch, *trace_loss, *trace_kept; /* kept: share of the candidates */
} pare_sparsified;

typedef struct pare_ranked {
    double score;
    int64_t number;
} pare_ranked;
/* Keeps the candidates of largest score of each group, all but the share `sparsity`, at least one;
 * ties: the lower number. order: scratch of the largest group's size. */
void pare_keep_best(int64_t groups, const int64_t *first, double sparsity, const double *score,
                    pare_ranked *order, uint8_t *keep);

enum { PARE_TRACE_POINTS = 200 };

/* Called now and then; nonzero stops. */
typedef int (*pare_sparsify_progress)(void *user, const char *stage, double fraction, double loss);

/* One training run from fresh parameters. Arrays of out are the caller's to clear. Cost beside the
 * steps of the objective: the norms at each step of a sparsification phase. */
pare_status pare_sparsify(const pare_sparsify_task *task, pare_sparsify_progress progress,
                          void *user, pare_sparsified *out) PARE_MUST_CHECK;
void pare_sparsified_clear(pare_context *ctx, pare_sparsified *out);

#endif
