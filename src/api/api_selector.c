#include "api/config.h"
#include "problem/selector.h"

pare_status pare_selector_create(pare_dataset *train, pare_dataset *valid,
                                 const pare_config *config, pare_selector **out) {
    *out = NULL;
    if (!train || !config) {
        return PARE_ERROR_ARGUMENT;
    }
    pare_context *ctx = train->ctx;
    if (valid && valid->like != train) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "validation rows must be opened with pare_dataset_open_like(train, ...)");
    }
    if (config->options.threads != ctx->threads) {
        pare_status status = pare_context_set_threads(ctx, config->options.threads);
        if (status != PARE_OK) {
            return status;
        }
    }
    return pare_selector_start(train, valid, &config->options, out);
}

pare_status pare_selector_step(pare_selector *selector, bool *done) {
    *done = false;
    return pare_selector_advance(selector, done);
}

pare_status pare_selector_progress(const pare_selector *selector, pare_progress *out) {
    if (!selector || !out) {
        return PARE_ERROR_ARGUMENT;
    }
    const pare_choice *choice = &selector->choice;
    double fraction = selector->done ? 1 : choice->fraction;
    *out = (pare_progress){
        .size = sizeof *out,
        .stage = choice->stage,
        .fraction = fraction,
        .seconds = selector->seconds,
        .seconds_left = fraction > 0 ? selector->seconds * (1 - fraction) / fraction : -1,
        .chosen = choice->count,
        .wanted = selector->task.k,
        .loss = choice->loss,
        .last = choice->count > 0 ? selector->train->candidate_name[choice->item[choice->count - 1]]
                                  : NULL,
    };
    return PARE_OK;
}

pare_status pare_selector_result(pare_selector *selector, pare_selection **out) {
    return pare_selector_record(selector, out);
}

pare_status pare_selector_save(pare_selector *selector, const char *path) {
    return pare_selector_write(selector, path);
}

pare_status pare_selector_load(pare_selector *selector, const char *path) {
    return pare_selector_read(selector, path);
}

pare_status pare_select(pare_dataset *train, pare_dataset *valid, const pare_config *config,
                        pare_progress_fn progress, void *user, pare_selection **out) {
    *out = NULL;
    pare_selector *selector = NULL;
    pare_status status = pare_selector_create(train, valid, config, &selector);
    if (status != PARE_OK) {
        return status;
    }
    double shown = 0;
    for (bool done = false; !done;) {
        status = pare_selector_step(selector, &done);
        if (status != PARE_OK) {
            goto fail;
        }
        pare_progress state;
        bool stop = false;
        if (progress && selector->seconds - shown > 0.1 &&
            pare_selector_progress(selector, &state) == PARE_OK) {
            shown = selector->seconds;
            stop = progress(user, &state) != 0;
        }
        if (pare_cluster_decide(stop)) {
            break;
        }
    }
    status = pare_selector_result(selector, out);
fail:
    pare_selector_destroy(selector);
    return status;
}

pare_status pare_selection_evaluate(pare_selection *selection, pare_dataset *train,
                                    pare_dataset *valid, pare_dataset *test,
                                    const pare_config *config, pare_progress_fn progress,
                                    void *user) {
    if (!selection || !train || !config) {
        return PARE_ERROR_ARGUMENT;
    }
    if ((valid && valid->like != train) || (test && test->like != train)) {
        return pare_fail(selection->ctx, PARE_ERROR_ARGUMENT,
                         "validation and test rows must be opened with "
                         "pare_dataset_open_like(train, ...)");
    }
    for (int64_t i = 0; i < selection->count; i++) {
        if (selection->number[i] < 0 || selection->number[i] >= train->candidates) {
            return pare_fail(selection->ctx, PARE_ERROR_ARGUMENT,
                             "the selection was made on another table: candidate %lld of %lld",
                             (long long)selection->number[i], (long long)train->candidates);
        }
    }
    selection->test_rows = test ? test->validation_count : 0;
    return pare_compare(selection, train, valid, test, &config->options, progress, user);
}
