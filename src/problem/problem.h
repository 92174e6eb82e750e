/* Objectives: they bind a dataset and a model to the selectors' interface. */
#ifndef PARE_PROBLEM_PROBLEM_H
#define PARE_PROBLEM_PROBLEM_H

#include "data/dataset.h"
#include "select/design.h"
#include "select/objective.h"

/* How a network is trained. Zero fields: the defaults of network.c. */
typedef struct pare_network_options {
    int64_t model; /* PARE_MODEL_LINEAR or PARE_MODEL_MLP */
    int64_t batch;
    double rate;
    int64_t schedule;
    int64_t optimizer; /* PARE_OPTIMIZER_* */
    double decay;      /* as option weight-decay */
    bool prefix;       /* nested dropout over the candidates, in the order given: for the path */
    int64_t block[2];  /* inputs, outputs: candidates are blocks of weights; 0: features */
    bool every_matrix; /* blocks in all matrices that have enough of them; else in the first */
    double power;      /* block powerpropagation; 1: none */
} pare_network_options;

/* Where the blocks of a network's weights lie: candidates first[i] .. first[i + 1] - 1 are those of
 * matrix number[i], by rows of blocks; at the edges they are smaller. */
enum { PARE_BLOCK_MATRICES_MAX = 16, PARE_BLOCKS_LEAST = 100 };
typedef struct pare_block_layout {
    int64_t rows, columns; /* of a block: inputs, outputs */
    int64_t count;         /* candidates */
    int64_t matrices;
    int64_t number[PARE_BLOCK_MATRICES_MAX]; /* for pare_graph_matrix_at */
    int64_t first[PARE_BLOCK_MATRICES_MAX + 1];
    int64_t high[PARE_BLOCK_MATRICES_MAX], wide[PARE_BLOCK_MATRICES_MAX]; /* blocks down, across */
} pare_block_layout;

/*
 * Network objective on the rows of `train` (its training part; validation part unless `valid` is
 * given, then all of valid). keep: candidate numbers the network sees, in that order, or NULL for
 * all; mask entries are then positions in keep. All pointers borrowed until destroy; `test` NULL:
 * none.
 */
pare_status pare_network_create(pare_dataset *train, const pare_dataset *valid,
                                const pare_dataset *test, const pare_options *options,
                                const pare_network_options *network, int64_t keep_count,
                                const int64_t *keep, pare_objective *out) PARE_MUST_CHECK;

/* Of a network objective whose candidates are blocks: where they lie; and the graph with the
 * weights in use under `mask`, biases too, until the next call of the objective. */
const pare_block_layout *pare_network_block_layout(const pare_objective *network);
struct pare_graph *pare_network_in_use(const pare_objective *network, const float *mask);
/* A network of blocks sees standardised values of feature j held within +- this: 10, or where 0
 * lies farther out, that. A pixel that is set in one training row of 15,000 would else be 27,000 in
 * another image. */
float pare_network_input_limit(const pare_dataset *data, int64_t j);
/* Outputs of the last layer for all rows of a part: out (rows, outputs). */
pare_status pare_network_outputs(const pare_objective *network, const float *mask, pare_rows rows,
                                 float *out) PARE_MUST_CHECK;

/*
 * The training rows of a dataset by its standardised features, in place: dense tables are read as
 * they are stored, sparse ones are centred implicitly and never made dense. Borrows train until
 * destroy. Cost: one pass over the data (sums and squares). One call at a time.
 */
pare_status pare_design_create(pare_dataset *train, pare_design *out) PARE_MUST_CHECK;

/*
 * Exact linear models on standardised features, with a free intercept: least squares with ridge,
 * one or several responses (regression); logistic and softmax regression by Newton's method
 * (classes) on the selected columns. least_squares: treat classes as one-hot responses instead.
 * Slots: gains, resolve, fit, evaluate, losses, norms, and for least squares penalise.
 *
 * gains are those of orthogonal matching pursuit (Pati, Rezaiifar, Krishnaprasad 1993), in the
 * units of the loss: with r the residual y - prediction, W the row weights of sum n, and P_c the
 * projection on the candidate's centred features (one feature: |P_c r| = |x'Wr| / |x|),
 *     gain_c = curvature |P_c r|^2 / (2 n),
 * curvature 1 for squares, 4 for two classes, 2 for more: the decrease of the loss when the
 * candidate is added and all other coefficients stay, exact for squares, a lower bound for classes
 * (Boehning 1992). They are not the decrease after refitting all, which only fit tells. Candidates
 * of more than 64 features are measured by the sum over their features. options: ridge, and k as a
 * hint of how many will be selected, so that columns are fetched ahead in the right number. Cost:
 * see gram.c; memory beyond the data: columns of the selected (4 bytes a cell), at most a quarter
 * of the data for cached products.
 */
pare_status pare_exact_linear_create(pare_dataset *train, const pare_dataset *valid,
                                     const pare_dataset *test, const pare_options *options,
                                     bool least_squares, pare_objective *out) PARE_MUST_CHECK;

/* *out: share of rows[count] of `data`, by weight, that the commonest class of the training rows
 * hits; 0 for real targets and without rows. */
pare_status pare_null_score(const pare_dataset *train, const pare_dataset *data, int64_t count,
                            const int64_t *rows, double *out) PARE_MUST_CHECK;

/* Filters: gains = mutual information with the target (nats, 16 equal-frequency bins for numbers),
 * or the ANOVA F statistic (classes) / F of the simple regression (real targets). */
pare_status pare_filter_create(pare_dataset *train, const pare_options *options,
                               bool mutual_information, pare_objective *out) PARE_MUST_CHECK;

#endif
