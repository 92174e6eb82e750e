/* From options to pare_prune: budget, structures, calibration windows. */
#include "model/transformer/decode.h"
#include "problem/language.h"

#include <math.h>
#include <string.h>

/* "params=0.75" */
static pare_status read_budget(pare_context *ctx, const char *text, pare_prune_options *out) {
    static const struct {
        const char *name;
        pare_prune_resource resource;
    } resources[] = {{"params", PARE_PRUNE_PARAMETERS},
                     {"bytes", PARE_PRUNE_BYTES},
                     {"flops", PARE_PRUNE_FLOPS},
                     {"latency", PARE_PRUNE_LATENCY}};
    if (!text[0]) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option budget is missing: params=, bytes=, flops= or latency= and the "
                         "share that may stay");
    }
    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++) {
        size_t length = strlen(resources[i].name);
        if (strncmp(text, resources[i].name, length) == 0 && text[length] == '=') {
            out->resource = resources[i].resource;
            if (pare_parse_real(text + length + 1, &out->keep) && out->keep > 0 && out->keep < 1) {
                return PARE_OK;
            }
        }
    }
    return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                     "option budget: '%s' is not params=, bytes=, flops= or latency= and a share "
                     "between 0 and 1",
                     text);
}

static pare_status read_structures(pare_context *ctx, const char *text, pare_prune_options *out) {
    const struct {
        const char *name;
        bool *flag;
    } known[] = {{"layers", &out->layers},
                 {"attention", &out->attention},
                 {"mlp", &out->mlp},
                 {"heads", &out->heads},
                 {"ffn", &out->ffn}};
    const char *cursor = text, *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&cursor, &item, &length)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if ((int64_t)strlen(known[i].name) == length &&
                memcmp(known[i].name, item, (size_t)length) == 0) {
                *known[i].flag = found = true;
            }
        }
        if (!found) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "option structure: '%.*s' is not one of layers, attention, mlp, "
                             "heads, ffn",
                             (int)length, item);
        }
    }
    return PARE_OK;
}

/* Structures that the criterion and uniform shapes can do without being named: the option's
 * default allows everything. */
static void narrow(const pare_options *options, pare_prune_options *out) {
    bool all = out->attention && out->mlp && out->heads && out->ffn && !out->layers;
    if (all && (out->uniform || options->criterion != PARE_PRUNE_RECONSTRUCTION)) {
        out->attention = out->mlp = false;
    }
}

/* Windows that begin with the begin token (if there is one), cut from the text in order. */
static pare_status read_windows(const pare_model *model, const pare_options *options,
                                int64_t context, int64_t *windows, int32_t **out) {
    pare_context *ctx = model->ctx;
    int32_t *token = NULL, *cut = NULL;
    int64_t count = 0, bos = -1;
    pare_status status = pare_language_read(model, options->text, &token, &count);
    if (status != PARE_OK) {
        return status;
    }
    bos = pare_tokenizer_bos(model->tokenizer);
    int64_t first = bos >= 0 ? 1 : 0, step = context - first;
    *windows = (count - first) / step;
    *windows = *windows < options->calibration ? *windows : options->calibration;
    if (*windows < 1) {
        status =
            pare_fail(ctx, PARE_ERROR_INPUT, "%s: %lld tokens are less than one window of %lld",
                      options->text, (long long)count, (long long)context);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, *windows * context, sizeof *cut, &cut);
    }
    for (int64_t i = 0; status == PARE_OK && i < *windows; i++) {
        cut[i * context] = (int32_t)bos;
        memcpy(cut + i * context + first, token + first + i * step, (size_t)step * sizeof *cut);
    }
    pare_free(ctx, token);
    if (status == PARE_OK) {
        *out = cut;
    }
    return status;
}

typedef struct listener {
    pare_progress_fn progress;
    void *user;
    double start;
} listener;

static int relay(void *user, const char *stage, double fraction) {
    listener *l = user;
    if (!l->progress) {
        return 0;
    }
    double seconds = pare_clock_seconds() - l->start;
    double left = fraction > 0 ? seconds * (1 - fraction) / fraction : -1;
    pare_progress state = {sizeof state, stage, fraction, seconds, left, 0, 0, (double)NAN, NULL};
    return l->progress(l->user, &state);
}

static pare_status new_model(const pare_model *model, pare_model **out) {
    pare_model *m = NULL;
    pare_status status = pare_alloc_zero(model->ctx, 1, sizeof *m, &m);
    if (status != PARE_OK) {
        return status;
    }
    m->ctx = model->ctx;
    m->origin = model;
    m->tokenizer = model->tokenizer;
    status = pare_text_copy(m->ctx, model->path, (int64_t)strlen(model->path), &m->path);
    if (status == PARE_OK) {
        status = pare_lm_open(&model->checkpoint, &m->lm);
    }
    if (status == PARE_OK) {
        status = pare_lm_own(&m->lm);
    }
    if (status != PARE_OK) {
        pare_language_close(m);
        return status;
    }
    *out = m;
    return PARE_OK;
}

pare_status pare_language_prune(const pare_model *model, const pare_options *options,
                                pare_progress_fn progress, void *user, pare_model **out) {
    pare_context *ctx = model->ctx;
    pare_prune_options o = {.criterion = (pare_prune_criterion)options->criterion,
                            .uniform = options->uniform,
                            .compensate = options->compensate,
                            .round = options->round,
                            .ridge = 1e-3,
                            .probe = options->probe,
                            .steps = options->mask_steps,
                            .seed = (uint64_t)options->seed};
    int64_t context = 0, windows = 0;
    int32_t *token = NULL;
    pare_model *m = NULL;
    pare_latency latency = {0};
    listener l = {progress, user, pare_clock_seconds()};
    *out = NULL;
    if (model->origin) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "a pruned model must be saved and opened before "
                         "it is pruned again");
    }
    pare_status status = read_budget(ctx, options->budget, &o);
    if (status == PARE_OK) {
        status = read_structures(ctx, options->structure, &o);
    }
    if (status == PARE_OK) {
        status = pare_language_context(model, options, &context);
    }
    if (status == PARE_OK) {
        status = read_windows(model, options, context, &windows, &token);
    }
    if (status == PARE_OK && o.resource == PARE_PRUNE_LATENCY) {
        status = pare_latency_measure(&model->lm, options->sequences,
                                      pare_language_position(model, options), &latency);
        o.latency = &latency;
        o.sequences = options->sequences;
        o.position = pare_language_position(model, options);
    }
    if (status == PARE_OK) {
        status = new_model(model, &m);
    }
    if (status == PARE_OK) {
        narrow(options, &o);
        status = pare_prune(&model->lm, &m->lm, windows, context, token, &o, relay, &l, &m->result);
    }
    pare_latency_clear(ctx, &latency);
    pare_free(ctx, token);
    if (status != PARE_OK) {
        pare_language_close(m);
        return status;
    }
    *out = m;
    return PARE_OK;
}
