/* Perplexity by a named protocol. */
#include "problem/language.h"

#include <math.h>

enum { BATCH = 8 };

typedef struct scoring {
    int64_t context, stride, windows, count; /* count: tokens of the text */
    const int32_t *token;
    bool halves; /* the protocol of llama.cpp */
    int32_t bos;
} scoring;

/* One window into a row of the batch; target -1: not scored. */
static void fill(const scoring *s, int64_t window, int32_t *token, int32_t *target) {
    int64_t start = window * s->stride;
    int64_t fresh = window == 0 ? 1 : s->context - s->stride;
    if (s->stride == s->context) {
        fresh = 1;
    }
    for (int64_t j = 0; j < s->context; j++) {
        int64_t at = start + j;
        bool inside = window < s->windows && at < s->count;
        bool last = j + 1 == s->context || at + 1 >= s->count || window >= s->windows;
        token[j] = inside ? s->token[at] : 0;
        target[j] = last ? -1 : s->token[at + 1];
        if (s->halves && (j < s->context / 2)) {
            target[j] = -1;
        } else if (!s->halves && j + 1 < fresh) {
            target[j] = -1;
        }
    }
    if (s->halves) {
        token[0] = s->bos;
    }
}

static pare_status score(const pare_model *model, const scoring *s, pare_progress_fn progress,
                         void *user, pare_perplexity *out) {
    pare_context *ctx = model->ctx;
    int64_t batch = s->windows < BATCH ? s->windows : BATCH, rows = batch * s->context;
    pare_lm_run *run = NULL;
    int32_t *token = NULL, *target = NULL;
    double *loss = NULL, sum = 0, start = pare_clock_seconds();
    int64_t scored = 0;
    pare_status status = pare_lm_run_create(&model->lm, batch, s->context, false, &run);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, rows, sizeof *token, &token);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, rows, sizeof *target, &target);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, rows, sizeof *loss, &loss);
    }
    for (int64_t at = 0; status == PARE_OK && at < s->windows; at += batch) {
        for (int64_t i = 0; i < batch; i++) {
            fill(s, at + i, token + i * s->context, target + i * s->context);
        }
        (void)pare_lm_forward(run, token, NULL);
        (void)pare_lm_loss(run, NULL, target, NULL, loss, NULL);
        for (int64_t i = 0; i < rows; i++) {
            sum += target[i] >= 0 ? loss[i] : 0;
            scored += target[i] >= 0;
        }
        double fraction = (double)(at + batch) / (double)(s->windows + batch);
        double seconds = pare_clock_seconds() - start;
        pare_progress state = {sizeof state,
                               "score",
                               fraction,
                               seconds,
                               seconds * (1 - fraction) / fraction,
                               0,
                               0,
                               sum / (double)(scored > 0 ? scored : 1),
                               NULL};
        if (progress && progress(user, &state)) {
            status = pare_fail(ctx, PARE_ERROR_ARGUMENT, "stopped by the caller");
        }
    }
    if (status == PARE_OK && !isfinite(sum)) {
        status = pare_fail(ctx, PARE_ERROR_NUMERIC, "%s: the loss is not finite", model->path);
    }
    if (status == PARE_OK) {
        out->tokens = scored;
        out->windows = s->windows;
        out->context = s->context;
        out->stride = s->stride;
        out->nats = sum / (double)scored;
        out->perplexity = exp(out->nats);
    }
    pare_lm_run_destroy(run);
    pare_free(ctx, token);
    pare_free(ctx, target);
    pare_free(ctx, loss);
    return status;
}

pare_status pare_language_perplexity(const pare_model *model, const pare_options *options,
                                     pare_progress_fn progress, void *user, pare_perplexity *out) {
    pare_context *ctx = model->ctx;
    scoring s = {.halves = options->protocol == PARE_PROTOCOL_LLAMA_CPP};
    int32_t *token = NULL;
    pare_status status = pare_language_context(model, options, &s.context);
    if (status != PARE_OK) {
        return status;
    }
    s.stride = options->stride > 0 ? options->stride : s.context;
    if (s.stride > s.context || (s.halves && s.stride != s.context)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         s.halves ? "option stride: windows of protocol llama.cpp do not overlap"
                                  : "option stride: %lld tokens is more than a window of %lld",
                         (long long)s.stride, (long long)s.context);
    }
    status = pare_language_read(model, options->text, &token, &s.count);
    if (status != PARE_OK) {
        return status;
    }
    s.token = token;
    s.bos = (int32_t)pare_tokenizer_bos(model->tokenizer);
    if (s.halves && s.bos < 0) {
        status = pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                           "option protocol: llama.cpp needs a begin token, this tokenizer has "
                           "none");
    } else if (s.count < s.context) {
        status =
            pare_fail(ctx, PARE_ERROR_INPUT, "%s: %lld tokens are less than one window of %lld",
                      options->text, (long long)s.count, (long long)s.context);
    }
    if (status == PARE_OK) {
        s.windows = (s.count - s.context) / s.stride + 1;
        s.windows =
            options->windows > 0 && options->windows < s.windows ? options->windows : s.windows;
        status = score(model, &s, progress, user, out);
    }
    pare_free(ctx, token);
    return status;
}
