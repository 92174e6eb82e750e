/* What the files of block pruning share: the matrices, and scores without training. */
#ifndef PARE_PROBLEM_PRUNE_BLOCK_SCORES_H
#define PARE_PROBLEM_PRUNE_BLOCK_SCORES_H

#include "problem/prune_blocks.h"

/* One matrix of a layer. */
typedef struct prune_matrix {
    pare_lm_tensor *tensor; /* of the pruned model */
    int64_t layer, rows, columns, offset;
    pare_lm_slot slot;
    int64_t high, wide; /* blocks down and across */
} prune_matrix;

typedef struct prune_blocks {
    pare_context *ctx;
    const pare_lm *dense;
    pare_lm *lm;
    const pare_prune_blocks_options *options;
    int64_t block, sequences, length;
    const int32_t *token;
    int64_t matrices;
    prune_matrix *matrix;
    int64_t *first;  /* (matrices + 1) candidates */
    int64_t *offset; /* pare_lm_gradient_layout */
    uint8_t *keep;   /* (candidates) */
    pare_prune_progress progress;
    void *user;
} prune_blocks;

pare_status pare_prune_blocks_list(prune_blocks *b) PARE_MUST_CHECK;
void pare_prune_blocks_release(prune_blocks *b);
/* keep by magnitude, activation (sum of w^2 times the mean square of the input, Sun et al. 2023,
 * over a block) or at random. */
pare_status pare_prune_blocks_score(prune_blocks *b) PARE_MUST_CHECK;

#endif
