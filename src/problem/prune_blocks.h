/*
 * Blocks of the weight matrices of a language model that go: the same share of every matrix, the
 * others as they are, trained along, or solved anew by least squares.
 */
#ifndef PARE_PROBLEM_PRUNE_BLOCKS_H
#define PARE_PROBLEM_PRUNE_BLOCKS_H

#include "problem/prune.h"

typedef struct pare_prune_blocks_options {
    pare_prune_criterion criterion; /* reconstruction: as activation. Not taylor */
    int64_t block;                  /* 16, 32 or 64 rows and columns */
    double sparsity;                /* share of the blocks of a matrix that go */
    bool compensate;                /* solve output and down matrices anew (not with tokens > 0) */
    double ridge;                   /* share of the mean diagonal of the Gram matrix */
    int64_t steps;                  /* of the trained mask */
    int64_t tokens;                 /* train the weights too, on so many; 0: frozen */
    int64_t probe;                  /* sequences on which the loss is measured */
    uint64_t seed;
} pare_prune_blocks_options;

/*
 * Zeroes blocks of lm (a copy of dense, made its own) and sets its shape's weight_block. token:
 * (sequences, length), or NULL: then only magnitude and random, nothing is solved, and losses are
 * NaN. sequential-attention: SequentialAttention++ on the divergence from the dense model's
 * predictions (select/sparsify.h); with tokens also magnitude (gradual) and random train the
 * weights. Cost of a step: a pass of the dense model, a pass and its gradients of the other, for up
 * to 4 sequences. Memory: four times the weights of the layers while they train.
 */
pare_status pare_prune_blocks(const pare_lm *dense, pare_lm *lm, int64_t sequences, int64_t length,
                              const int32_t *token, const pare_prune_blocks_options *options,
                              pare_prune_progress progress, void *user,
                              pare_prune_result *result) PARE_MUST_CHECK;

#endif
