/*
 * Recovery of a pruned model by distillation (Hinton et al. 2015): all weights of its layers and
 * the final norm learn by the Kullback-Leibler divergence of its predictions from the dense
 * model's; embedding and output stay.
 */
#ifndef PARE_PROBLEM_PRUNE_RECOVER_H
#define PARE_PROBLEM_PRUNE_RECOVER_H

#include "problem/prune.h"

/*
 * Trains lm (owned) on at least `tokens` tokens, the windows of token: (sequences, length) in a
 * fresh order each time round. AdamW, the rate rising over the first twentieth and then falling by
 * a cosine; gradients longer than 1 are shortened. divergence: mean over the first and over the
 * last tenth of the steps, in nats per token. Cost: ten times a pass of the dense model or less.
 * Memory: four times the weights of the layers, and the activations of 8 windows. Deterministic for
 * any number of threads. A stop by `progress` is an error.
 */
pare_status pare_prune_recover(const pare_lm *dense, pare_lm *lm, int64_t sequences, int64_t length,
                               const int32_t *token, int64_t tokens, uint64_t seed,
                               pare_prune_progress progress, void *user,
                               double divergence[2]) PARE_MUST_CHECK;

#endif
