/* What a selection is worth: models on the chosen, on all, on random candidates; and the path. */
#ifndef PARE_PROBLEM_COMPARE_H
#define PARE_PROBLEM_COMPARE_H

#include "problem/problem.h"
#include "select/selection.h"

/* One model in training. */
typedef struct pare_trial {
    pare_objective objective;
    int64_t steps, step;
    double seconds, cpu_seconds;
    pare_status status; /* of the training */
} pare_trial;

/* A fresh model on some candidates (keep NULL: all), ready to train. prefix: nested dropout. */
pare_status pare_trial_create(pare_dataset *train, const pare_dataset *valid,
                              const pare_dataset *test, const pare_options *options, bool prefix,
                              int64_t keep_count, const int64_t *keep,
                              pare_trial *out) PARE_MUST_CHECK;
/* Trains `steps` more steps at most; never allocates, so trials may run side by side. */
void pare_trial_train(pare_trial *trial, int64_t steps);
static inline bool pare_trial_done(const pare_trial *trial) {
    return trial->status != PARE_OK || trial->step >= trial->steps;
}
void pare_trial_clear(pare_trial *trial);

/*
 * Path of a trained prefix trial into the selection: validation score with the first 1, 2, ...
 * choices (all counts up to 64, then about 64 spread evenly). The one network has seen every
 * prefix while training, so a point costs one evaluation.
 */
pare_status pare_path_measure(const pare_trial *trial, pare_selection *selection) PARE_MUST_CHECK;
/* The fewest choices whose score lies within one standard error of the best of the path. */
int64_t pare_path_fewest(const pare_selection *selection);

/* pare_selection_evaluate of pare.h. */
pare_status pare_compare(pare_selection *selection, pare_dataset *train, const pare_dataset *valid,
                         const pare_dataset *test, const pare_options *options,
                         pare_progress_fn progress, void *user) PARE_MUST_CHECK;

#endif
