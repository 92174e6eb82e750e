/* Inside of the network objective: its state, and what network_rows.c does with rows. */
#ifndef PARE_PROBLEM_NETWORK_H
#define PARE_PROBLEM_NETWORK_H

#include "nn/graph.h"
#include "problem/problem.h"

/* Blocks of weights as candidates. Block g of a matrix multiplies by mask[g], and with `power` p
 * other than 1 its weights are V |V|^(p - 1), V what is trained (Schwarz et al. 2021, for groups).
 */
typedef struct pare_network_blocks {
    pare_block_layout layout;
    double power;
    int64_t from, length; /* of the flat parameters, all matrices with blocks lie in */
    float *raw;           /* (parameters) V while the graph holds the weights in use */
    float *factor;        /* (count) */
    double *norm, *along; /* (count) |V|, <V, dW> */
} pare_network_blocks;

/* Rows as CSR, encoded and not standardised. */
typedef struct pare_network_sparse {
    int64_t *start; /* (rows + 1); NULL: there is none */
    int32_t *index;
    float *value;
} pare_network_sparse;

typedef struct pare_network {
    pare_context *ctx;
    pare_dataset *train;
    const pare_dataset *part[3]; /* by pare_rows; NULL: none */
    const int64_t *rows[3];      /* row numbers in part */
    int64_t row_count[3];
    pare_graph *graph;
    pare_optimizer optimizer;
    pare_schedule schedule;
    double rate;
    bool prefix;

    int64_t candidates;
    int64_t width;    /* features the network sees */
    int64_t *start;   /* (candidates + 1) features of each candidate, in network order */
    int64_t *feature; /* (width) number in the dataset, or NULL: all, in order */
    int64_t batch;

    float *limit;                  /* (width) of blocks: pare_network_input_limit; else NULL */
    float *ready;                  /* (train rows, width), or NULL */
    pare_network_sparse sparse[3]; /* by pare_rows: those of training, of sparse tables all */
    int64_t list_most;             /* features that a dense batch of `batch` rows may have */

    int64_t group_rows, groups; /* of a file that batches are read from; else 0 */
    int64_t *group_rank, *group_start, *regrouped;

    int64_t *order;       /* (train rows) positions, shuffled each epoch */
    int64_t *active;      /* (width) features in use, by the mask */
    int64_t *wanted;      /* (width) the same as numbers of the dataset */
    int64_t *batch_rows;  /* (batch) row numbers */
    float *batch_dense;   /* (batch, list_most), at least (width) */
    float *ablation_mask; /* (candidates) scratch of losses */
    int64_t *ablation_start;
    double *ablation_loss; /* (candidates + 1) both */
    int32_t *batch_label;
    float *batch_target;
    float *batch_weight;

    pare_network_blocks blocks; /* candidates are blocks of weights; count 0: features */

    double null_score;
    uint64_t seed;
    int64_t step, steps;
} pare_network;

/* Which features the network sees, and where each candidate's lie. keep NULL: all. */
pare_status pare_network_lay_out(pare_network *n, int64_t keep_count,
                                 const int64_t *keep) PARE_MUST_CHECK;
/* Rows of the three parts. */
void pare_network_find_rows(pare_network *n, const pare_dataset *valid, const pare_dataset *test);
/* Reserves what batches need, and brings the training rows into the form they are cut from. */
pare_status pare_network_prepare(pare_network *n) PARE_MUST_CHECK;

/* Positions of the next batch: epochs are shuffled as a whole, the last batch of one is short. */
int64_t pare_network_next_batch(pare_network *n, const int64_t **positions);
/* The training rows at these positions, in the cheapest form there is. mask NULL: all ones; whole:
 * features that the mask removes are wanted too. */
pare_input pare_network_train_batch(pare_network *n, int64_t count, const int64_t *positions,
                                    const float *mask, bool whole);
/* Rows from .. from + count of a part, without the features that the mask removes if those are
 * many. Of a sparse table they stay sparse. */
pare_input pare_network_rows(pare_network *n, pare_rows part, int64_t from, int64_t count,
                             const float *mask);
/* Any rows with the listed features only (numbers of the network's own): as many as there is room
 * for, at least 1 and at most count. */
pare_input pare_network_listed_rows(pare_network *n, const pare_dataset *data, int64_t count,
                                    const int64_t *rows, int64_t features, const int64_t *feature);
/* Labels, standardised targets and weights of some rows, into the batch arrays. */
pare_target pare_network_target(pare_network *n, const pare_dataset *data, int64_t count,
                                const int64_t *rows);

/* network_blocks.c: lays out the blocks of settings->block on the built graph. */
pare_status pare_network_blocks_init(pare_network *n,
                                     const pare_network_options *settings) PARE_MUST_CHECK;
void pare_network_blocks_clear(pare_network *n);
/* After fresh parameters: from weights to V. */
void pare_network_blocks_reset(pare_network *n);
/* The graph's parameters become the weights in use; leave gives V back. mask NULL: all ones. */
void pare_network_blocks_enter(pare_network *n, const float *mask);
void pare_network_blocks_leave(pare_network *n);
/* Between a training pass and leave: d_mask (NULL: not wanted), and the gradient by V. */
void pare_network_blocks_fold(pare_network *n, float *d_mask);
/* |W| of each block without its mask. */
void pare_network_blocks_norms(pare_network *n, float *norm);

#endif
