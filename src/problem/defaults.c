#include "problem/defaults.h"

#include <math.h>

/* A selection takes about this many steps, but never fewer epochs than the floor. */
static const double select_steps = 4000;
static const double select_epochs_least = 20;
static const double refit_steps = 4000;
static const double refit_epochs_least = 20;
static const double epochs_most = 400;
/* Step size of the refit for batches of 64; it grows with the root of the batch, as the noise of a
 * step shrinks with it. */
static const double refit_rate = 4e-3;
/* Decay of adamw. */
static const double select_decay = 0.5;
static const double refit_decay = 0.1;

int64_t pare_default_model(const pare_options *options) {
    if (options->model != PARE_MODEL_AUTO) {
        return options->model;
    }
    switch (options->method) {
    case PARE_METHOD_OMP:
    case PARE_METHOD_GROUP_LASSO:
    case PARE_METHOD_SEQUENTIAL_LASSO:
    case PARE_METHOD_RFE:
        return PARE_MODEL_LINEAR;
    default:
        return PARE_MODEL_MLP;
    }
}

/* Squares need a ridge only where columns depend on each other. Cross-entropy has no minimum where
 * columns separate the classes, as sparse ones soon do: without a ridge the fit then runs after
 * single rows and so do the next choices (docs/results/sparse.md). 0.01 is the ridge of the
 * certificate. */
double pare_default_ridge(const pare_options *options, bool cross_entropy) {
    return options->ridge >= 0 ? options->ridge : cross_entropy ? 0.03 : 1e-6;
}

static double epochs_for(double rows, double batch, double steps, double least) {
    double per_epoch = ceil(rows / batch);
    return fmin(epochs_most, fmax(least, ceil(steps / per_epoch)));
}

static double decay_for(const pare_options *options, double measured) {
    if (options->weight_decay >= 0) {
        return options->weight_decay;
    }
    return options->optimizer == PARE_OPTIMIZER_ADAMW ? measured : 0;
}

double pare_default_epochs(double steps_per_epoch) {
    return epochs_for(steps_per_epoch, 1, select_steps, select_epochs_least);
}

/* Eight batches an epoch at least, down to eight rows each: where a batch holds all rows, gradients
 * are without noise, Adam moves all logits alike, and what wins is chance. */
static int64_t select_batch(double rows) {
    return rows < 20000 ? (int64_t)fmax(8, fmin(64, ceil(rows / 8))) : 349;
}

pare_network_options pare_select_settings(const pare_dataset *train, const pare_options *options,
                                          double *epochs) {
    double rows = (double)train->train_count;
    int64_t batch = options->batch > 0 ? options->batch : select_batch(rows);
    *epochs = options->epochs > 0
                  ? options->epochs
                  : epochs_for(rows, (double)batch, select_steps, select_epochs_least);
    return (pare_network_options){
        .model = pare_default_model(options),
        .batch = batch,
        .rate = options->learning_rate > 0 ? options->learning_rate : 1e-3,
        .schedule = options->schedule,
        .optimizer = options->optimizer,
        .decay = decay_for(options, select_decay),
    };
}

pare_network_options pare_refit_settings(const pare_dataset *train, const pare_options *options,
                                         double *epochs) {
    double rows = (double)train->train_count;
    int64_t batch = rows < 20000 ? 64 : 256;
    *epochs = options->refit_epochs > 0
                  ? options->refit_epochs
                  : epochs_for(rows, (double)batch, refit_steps, refit_epochs_least);
    return (pare_network_options){
        .model = pare_default_model(options),
        .batch = batch,
        .rate = refit_rate * sqrt((double)batch / 64),
        .schedule = PARE_SCHEDULE_COSINE,
        .optimizer = options->optimizer,
        .decay = decay_for(options, refit_decay),
    };
}
