/* Objectives: they bind a dataset and a model to the selectors' interface. */
#ifndef PARE_PROBLEM_PROBLEM_H
#define PARE_PROBLEM_PROBLEM_H

#include "data/dataset.h"
#include "select/objective.h"

/* How a network is trained. Zero fields: the defaults of network.c. */
typedef struct pare_network_options {
    int64_t model; /* PARE_MODEL_LINEAR or PARE_MODEL_MLP */
    int64_t batch;
    double rate;
    int64_t schedule;
    bool prefix; /* nested dropout over the candidates, in the order given: for the path */
} pare_network_options;

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

/*
 * Exact linear models on standardised features: least squares with ridge, one or several
 * responses (regression); logistic and softmax regression by Newton's method (classes) on the
 * selected columns. least_squares: treat classes as one-hot responses instead. Slots: gains, fit,
 * evaluate, losses, norms. gains for classes: exact score statistic |X_c' r| scaled by the feature
 * norms (the first-order gain), for least squares: the exact decrease.
 */
pare_status pare_exact_linear_create(pare_dataset *train, const pare_dataset *valid,
                                     const pare_dataset *test, const pare_options *options,
                                     bool least_squares, pare_objective *out) PARE_MUST_CHECK;

/* Filters: gains = mutual information with the target (nats, 16 equal-frequency bins for numbers),
 * or the ANOVA F statistic (classes) / F of the simple regression (real targets). */
pare_status pare_filter_create(pare_dataset *train, const pare_options *options,
                               bool mutual_information, pare_objective *out) PARE_MUST_CHECK;

#endif
