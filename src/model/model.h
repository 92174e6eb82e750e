/* Builders: they put a graph together from the options of a run. */
#ifndef PARE_MODEL_MODEL_H
#define PARE_MODEL_MODEL_H

#include "base/options.h"
#include "nn/graph.h"

/*
 * Builds a finished, uninitialised graph. PARE_MODEL_LINEAR: the masked input layer alone.
 * PARE_MODEL_MLP: for each size in options->hidden a layer, its normalisation, activation and
 * dropout as the options say, then a layer of `outputs`. loss PARE_NN_SQUARED becomes
 * PARE_NN_HUBER where options->loss says so. candidate_start is borrowed until the graph's destroy.
 * Errors: a hidden list that is empty, or holds anything but whole numbers from 1 to 65536.
 */
pare_status pare_model_build(pare_context *ctx, const pare_options *options, int64_t model,
                             int64_t width, int64_t candidates, const int64_t *candidate_start,
                             int64_t batch, int64_t outputs, pare_loss loss,
                             pare_graph **out) PARE_MUST_CHECK;

#endif
