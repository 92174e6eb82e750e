#include "problem/external.h"
#include "base/text.h"
#include "platform/system.h"
#include "problem/defaults.h"

#include <math.h>
#include <string.h>

/* ---- Slots: one callback each ---------------------------------------------------------------- */

static pare_status refuse(pare_external *e, const char *callback, int code) {
    return pare_fail(e->ctx, PARE_ERROR_INPUT,
                     "the external model's %s returned %d; 0 was expected", callback, code);
}

static pare_status reset(void *self, uint64_t seed, int64_t steps) {
    pare_external *e = self;
    int code = e->model.reset ? e->model.reset(e->model.user, seed, steps) : 0;
    return code == 0 ? PARE_OK : refuse(e, "reset", code);
}

static pare_status step(void *self, const float *mask, double *loss, float *d_mask) {
    pare_external *e = self;
    int code = e->model.step(e->model.user, mask, loss, d_mask);
    if (code != 0) {
        return refuse(e, "step", code);
    }
    bool finite = isfinite(*loss);
    for (int64_t j = 0; d_mask && j < e->model.candidates; j++) {
        finite = finite && isfinite(d_mask[j]);
    }
    return finite ? PARE_OK
                  : pare_fail(e->ctx, PARE_ERROR_NUMERIC,
                              "the external model's step gave a loss or derivative that is not "
                              "finite; a smaller learning rate may help");
}

/* Only validation is ever asked of it; rows 0: it has none. */
static pare_status evaluate(void *self, const float *mask, pare_rows rows, pare_metrics *out) {
    pare_external *e = self;
    *out = (pare_metrics){.loss = NAN, .score = NAN, .score_error = NAN, .null_score = NAN};
    if (!e->model.evaluate || rows != PARE_ROWS_VALIDATION) {
        return PARE_OK;
    }
    int code =
        e->model.evaluate(e->model.user, mask, &out->score, &out->score_error, &out->null_score);
    out->rows = 1;
    return code == 0 ? PARE_OK : refuse(e, "evaluate", code);
}

/* What the validation score loses when one of the selected is masked. */
static pare_status losses(void *self, int64_t count, const int64_t *selected, double *loss) {
    pare_external *e = self;
    pare_metrics whole, without;
    memset(e->mask, 0, (size_t)e->model.candidates * sizeof *e->mask);
    for (int64_t i = 0; i < count; i++) {
        e->mask[selected[i]] = 1;
    }
    pare_status status = evaluate(e, e->mask, PARE_ROWS_VALIDATION, &whole);
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        e->mask[selected[i]] = 0;
        status = evaluate(e, e->mask, PARE_ROWS_VALIDATION, &without);
        e->mask[selected[i]] = 1;
        loss[i] = whole.score - without.score;
    }
    return status;
}

static const pare_objective_slots slots = {
    .reset = reset, .step = step, .evaluate = evaluate, .losses = losses};
/* Without validation the method goes by the running mean of the derivatives. */
static const pare_objective_slots blind_slots = {
    .reset = reset, .step = step, .evaluate = evaluate};

/* ---- Life ------------------------------------------------------------------------------------ */

/* Marks the numbers of a comma-separated option. */
static pare_status mark(const pare_external *e, const char *option, const char *list,
                        uint8_t *flag) {
    const char *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&list, &item, &length)) {
        char text[24] = "";
        int64_t j = -1;
        if (length < (int64_t)sizeof text) {
            memcpy(text, item, (size_t)length);
        }
        if (!pare_parse_integer(text, &j) || j < 0 || j >= e->model.candidates) {
            return pare_fail(e->ctx, PARE_ERROR_ARGUMENT,
                             "option %s: '%.*s' is not the number of a candidate, 0 to %lld",
                             option, (int)(length < 100 ? length : 100), item,
                             (long long)e->model.candidates - 1);
        }
        flag[j] = 1;
    }
    return PARE_OK;
}

static pare_status read_k(pare_external *e) {
    int64_t open = 0, forced = 0;
    for (int64_t j = 0; j < e->model.candidates; j++) {
        if (e->forced[j] && e->barred[j]) {
            return pare_fail(e->ctx, PARE_ERROR_ARGUMENT,
                             "options include and exclude: both name candidate %lld", (long long)j);
        }
        open += !e->barred[j];
        forced += e->forced[j];
    }
    if (!pare_parse_integer(e->options.k, &e->task.k) || e->task.k < 1 || e->task.k > open ||
        e->task.k < forced) {
        return pare_fail(e->ctx, PARE_ERROR_ARGUMENT,
                         "option k: '%s' is not a whole number from %lld to %lld, the number of "
                         "candidates",
                         e->options.k, (long long)(forced > 1 ? forced : 1), (long long)open);
    }
    return PARE_OK;
}

static pare_status allocate(pare_external *e) {
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&e->forced, e->model.candidates, 1},
        {&e->barred, e->model.candidates, 1},
        {&e->mask, e->model.candidates, sizeof *e->mask},
        {&e->choice.item, e->model.candidates, sizeof *e->choice.item},
        {&e->choice.score, e->model.candidates, sizeof *e->choice.score},
        {&e->choice.trace_epoch, PARE_TRACE_MAX, sizeof *e->choice.trace_epoch},
        {&e->choice.trace_loss, PARE_TRACE_MAX, sizeof *e->choice.trace_loss},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(e->ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

static pare_status check_method(const pare_external *e) {
    int64_t method = e->options.method;
    if (method == PARE_METHOD_SEQUENTIAL_ATTENTION || method == PARE_METHOD_LLY) {
        return PARE_OK;
    }
    return pare_fail(e->ctx, PARE_ERROR_UNSUPPORTED,
                     "option method: %s needs more of a model than steps; sequential-attention and "
                     "lly are offered for external models",
                     e->method->name);
}

pare_status pare_external_start(pare_context *ctx, const pare_external_model *model,
                                const pare_options *options, pare_external **out) {
    *out = NULL;
    pare_external *e = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *e, &e);
    if (status != PARE_OK) {
        return status;
    }
    e->ctx = ctx;
    e->model = *model;
    status = pare_options_copy(options, &e->options);
    if (status != PARE_OK) {
        goto fail;
    }
    e->method = pare_method_at(e->options.method);
    e->objective = (pare_objective){.slots = model->evaluate ? &slots : &blind_slots,
                                    .self = e,
                                    .count = model->candidates,
                                    .steps_per_epoch = model->steps_per_epoch,
                                    .name = "external"};
    status = check_method(e);
    if (status != PARE_OK) {
        goto fail;
    }
    status = allocate(e);
    if (status != PARE_OK) {
        goto fail;
    }
    status = mark(e, "include", e->options.include, e->forced);
    if (status != PARE_OK) {
        goto fail;
    }
    status = mark(e, "exclude", e->options.exclude, e->barred);
    if (status != PARE_OK) {
        goto fail;
    }
    status = read_k(e);
    if (status != PARE_OK) {
        goto fail;
    }
    e->choice.loss = NAN;
    e->choice.stage = "select";
    e->task.ctx = ctx;
    e->task.objective = &e->objective;
    e->task.forced = e->forced;
    e->task.barred = e->barred;
    e->task.picks_per_phase = e->options.picks;
    e->task.epochs = e->options.epochs > 0 ? e->options.epochs
                                           : pare_default_epochs((double)model->steps_per_epoch);
    e->task.warm_up = e->options.warm_up;
    e->task.mask_rate = e->options.mask_learning_rate;
    e->task.surplus = e->options.surplus;
    e->task.replace = e->options.replace;
    e->task.seed = (uint64_t)e->options.seed;
    status = e->method->create(&e->task, &e->choice, &e->state);
    if (status != PARE_OK) {
        goto fail;
    }
    *out = e;
    return PARE_OK;
fail:
    pare_external_free(e);
    return status;
}

pare_status pare_external_advance(pare_external *e, bool *done) {
    double start = pare_clock_seconds();
    pare_status status = e->done ? PARE_OK : e->method->step(e->state, &e->done);
    e->seconds += pare_clock_seconds() - start;
    *done = status == PARE_OK && e->done;
    return status;
}

void pare_external_free(pare_external *e) {
    if (!e) {
        return;
    }
    pare_context *ctx = e->ctx;
    if (e->state) {
        e->method->destroy(e->state);
    }
    pare_free(ctx, e->forced);
    pare_free(ctx, e->barred);
    pare_free(ctx, e->mask);
    pare_free(ctx, e->choice.item);
    pare_free(ctx, e->choice.score);
    pare_free(ctx, e->choice.trace_epoch);
    pare_free(ctx, e->choice.trace_loss);
    pare_options_clear(&e->options);
    pare_free(ctx, e);
}
