#include "api/config.h"
#include "problem/language.h"

/* Threads follow the options of the call. */
static pare_status prepare(pare_context *ctx, const pare_config *config) {
    if (!config) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "work on a model needs a config");
    }
    return config->options.threads != ctx->threads
               ? pare_context_set_threads(ctx, config->options.threads)
               : PARE_OK;
}

pare_status pare_model_open(pare_context *ctx, const char *path, const pare_config *config,
                            pare_model **out) {
    *out = NULL;
    if (!path) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "a model needs a path");
    }
    pare_status status = prepare(ctx, config);
    return status == PARE_OK ? pare_language_open(ctx, path, &config->options, out) : status;
}

void pare_model_close(pare_model *model) {
    pare_language_close(model);
}

pare_status pare_model_text(pare_model *model, const char **out) {
    return pare_language_text(model, out);
}

pare_status pare_model_perplexity(pare_model *model, const pare_config *config,
                                  pare_progress_fn progress, void *user, pare_perplexity *out) {
    if (!out || out->size < sizeof *out) {
        return pare_fail(model->ctx, PARE_ERROR_ARGUMENT, "the size of pare_perplexity is not set");
    }
    pare_status status = prepare(model->ctx, config);
    return status == PARE_OK
               ? pare_language_perplexity(model, &config->options, progress, user, out)
               : status;
}

pare_status pare_model_prune(pare_model *model, const pare_config *config,
                             pare_progress_fn progress, void *user, pare_model **out) {
    *out = NULL;
    pare_status status = prepare(model->ctx, config);
    return status == PARE_OK ? pare_language_prune(model, &config->options, progress, user, out)
                             : status;
}

pare_status pare_model_save(pare_model *model, const pare_config *config, const char *path,
                            double *difference) {
    double unwanted = 0;
    if (!path) {
        return pare_fail(model->ctx, PARE_ERROR_ARGUMENT, "the output needs a folder's name");
    }
    pare_status status = prepare(model->ctx, config);
    return status == PARE_OK ? pare_language_save(model, &config->options, path,
                                                  difference ? difference : &unwanted)
                             : status;
}

pare_status pare_model_generate(pare_model *model, const pare_config *config, pare_piece_fn piece,
                                void *user, pare_generation *out) {
    if (!out || out->size < sizeof *out) {
        return pare_fail(model->ctx, PARE_ERROR_ARGUMENT, "the size of pare_generation is not set");
    }
    pare_status status = prepare(model->ctx, config);
    return status == PARE_OK ? pare_language_generate(model, &config->options, piece, user, out)
                             : status;
}

pare_status pare_model_step_seconds(pare_model *model, pare_model *other, const pare_config *config,
                                    double out[2]) {
    pare_status status = prepare(model->ctx, config);
    return status == PARE_OK ? pare_language_step_seconds(model, other, &config->options, out)
                             : status;
}

pare_status pare_model_latency(pare_model *model, const pare_config *config, const char **out) {
    *out = NULL;
    pare_status status = prepare(model->ctx, config);
    return status == PARE_OK ? pare_language_latency(model, &config->options, out) : status;
}
