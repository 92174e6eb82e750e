/*
 * A plain network on a table, trained while blocks of its weights go: the objective of blocks bound
 * to a sparsification method, and what comes out of it.
 */
#ifndef PARE_PROBLEM_SPARSE_NETWORK_H
#define PARE_PROBLEM_SPARSE_NETWORK_H

#include "problem/problem.h"
#include "select/sparsify.h"

/* Scores on rows that were not trained on; NaN where there are none. */
typedef struct pare_network_score {
    double loss, score, auc; /* score: accuracy or R squared; auc: two classes only */
    int64_t rows;
} pare_network_score;

/* One weight matrix as it is used: (inputs, outputs) with zeros where blocks went. */
typedef struct pare_network_layer {
    int64_t inputs, outputs;
    float *weight, *bias;
    int64_t high, wide; /* blocks down and across; 0: no blocks went here */
    int64_t kept;
    uint8_t *keep; /* (high, wide) */
} pare_network_layer;

typedef struct pare_network_run {
    pare_network_score validation, test;
    double seconds, cpu_seconds;
} pare_network_run;

typedef struct pare_sparse {
    pare_context *ctx;
    pare_options options; /* a copy */
    const pare_dataset *train;
    pare_block_layout layout;
    pare_sparsified answer;
    int64_t layers;
    pare_network_layer *layer;
    int64_t parameters, kept_parameters; /* all; those that are not masked */
    pare_network_run sparse, dense;      /* dense: the same training without blocks gone */
    bool compared;
    double epochs, rate, decay;
    int64_t batch;
} pare_sparse;

/* Called now and then, with the stage and how far the whole work is; nonzero stops. */
typedef int (*pare_sparse_progress)(void *user, const char *stage, double fraction, double loss);

/*
 * Trains by the options of sections training, blocks and sparsify on the training rows, scores on
 * the validation rows and on test (NULL: none), and with option compare trains the dense network
 * too. train is borrowed until free. Stopped by the caller: an error, there is no result.
 */
pare_status pare_sparse_run(pare_dataset *train, const pare_dataset *test,
                            const pare_options *options, pare_sparse_progress progress, void *user,
                            pare_sparse **out) PARE_MUST_CHECK;
void pare_sparse_free(pare_sparse *sparse);

/*
 * Writes the network as an .npz file: for layer i from 1 on weight_i (inputs, outputs), bias_i and,
 * where blocks went, mask_i (blocks down, across) of 0 and 1; shift and scale of the input
 * features, and of the targets of a regression; block (2). y = act((x - shift) scale weight_1 +
 * bias_1) weight_2 + ...
 */
pare_status pare_sparse_save_network(const pare_sparse *sparse, const char *path) PARE_MUST_CHECK;

#endif
