/* Training settings that follow from the size of the data: docs/method.md, "settings". */
#ifndef PARE_PROBLEM_DEFAULTS_H
#define PARE_PROBLEM_DEFAULTS_H

#include "problem/problem.h"

/* Model that judges: option "model", or what suits the method. PARE_MODEL_LINEAR or _MLP. */
int64_t pare_default_model(const pare_options *options);

/* Option "ridge", or the default for cross-entropy and for squares. */
double pare_default_ridge(const pare_options *options, bool cross_entropy);

/* Settings of the selection phase, and its epochs. */
pare_network_options pare_select_settings(const pare_dataset *train, const pare_options *options,
                                          double *epochs);

/* Epochs of the selection phase for so many steps in each: about 4000 steps, 20 to 400 epochs. */
double pare_default_epochs(double steps_per_epoch);

/* Settings of the models that are compared at the end. */
pare_network_options pare_refit_settings(const pare_dataset *train, const pare_options *options,
                                         double *epochs);

#endif
