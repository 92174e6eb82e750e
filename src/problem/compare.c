#include "problem/compare.h"
#include "base/random.h"
#include "platform/system.h"
#include "platform/threads.h"
#include "problem/costs.h"
#include "problem/defaults.h"

#include <math.h>
#include <string.h>

enum { PATH_POINTS = 64, SLICE_STEPS = 64 };

pare_status pare_trial_create(pare_dataset *train, const pare_dataset *valid,
                              const pare_dataset *test, const pare_options *options, bool prefix,
                              int64_t keep_count, const int64_t *keep, pare_trial *out) {
    *out = (pare_trial){0};
    double epochs = 0;
    pare_network_options settings = pare_refit_settings(train, options, &epochs);
    settings.prefix = prefix;
    pare_status status = pare_network_create(train, valid, test, options, &settings, keep_count,
                                             keep, &out->objective);
    if (status != PARE_OK) {
        return status;
    }
    out->steps = (int64_t)fmax(1, round(epochs * (double)out->objective.steps_per_epoch));
    status = out->objective.slots->reset(out->objective.self, (uint64_t)options->seed, out->steps);
    if (status != PARE_OK) {
        pare_trial_clear(out);
    }
    return status;
}

void pare_trial_train(pare_trial *trial, int64_t steps) {
    double wall = pare_clock_seconds(), cpu = pare_thread_cpu_seconds();
    for (; steps > 0 && !pare_trial_done(trial); steps--, trial->step++) {
        double loss = 0;
        trial->status = trial->objective.slots->step(trial->objective.self, NULL, &loss, NULL);
    }
    trial->seconds += pare_clock_seconds() - wall;
    trial->cpu_seconds += pare_thread_cpu_seconds() - cpu;
}

void pare_trial_clear(pare_trial *trial) {
    pare_objective_destroy(&trial->objective);
    *trial = (pare_trial){0};
}

pare_status pare_path_measure(const pare_trial *trial, pare_selection *selection) {
    pare_context *ctx = selection->ctx;
    int64_t count = selection->count;
    int64_t points = count < PATH_POINTS ? count : PATH_POINTS;
    float *mask = NULL;
    pare_status status = pare_alloc_zero(ctx, count, sizeof *mask, &mask);
    if (status != PARE_OK) {
        return status;
    }
    pare_free(ctx, selection->path_count);
    pare_free(ctx, selection->path_score);
    pare_free(ctx, selection->path_error);
    selection->path_points = 0;
    selection->path_count = NULL;
    selection->path_score = selection->path_error = NULL;
    status = pare_alloc(ctx, points, sizeof(int64_t), &selection->path_count);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, points, sizeof(double), &selection->path_score);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, points, sizeof(double), &selection->path_error);
    }
    for (int64_t i = 0, kept = 0; status == PARE_OK && i < points; i++) {
        int64_t wanted = (i + 1) * count / points;
        for (; kept < wanted; kept++) {
            mask[kept] = 1;
        }
        pare_metrics metrics = {0};
        status = trial->objective.slots->evaluate(trial->objective.self, mask, PARE_ROWS_VALIDATION,
                                                  &metrics);
        if (status != PARE_OK || metrics.rows == 0) {
            break;
        }
        selection->path_count[i] = kept;
        selection->path_score[i] = metrics.score;
        selection->path_error[i] = metrics.score_error;
        selection->path_points = i + 1;
    }
    pare_free(ctx, mask);
    return status;
}

int64_t pare_path_fewest(const pare_selection *selection) {
    int64_t best = -1;
    for (int64_t i = 0; i < selection->path_points; i++) {
        if (best < 0 || selection->path_score[i] > selection->path_score[best]) {
            best = i;
        }
    }
    if (best < 0) {
        return selection->count;
    }
    double error = selection->path_error[best];
    double enough = selection->path_score[best] - (isnan(error) ? 0 : error);
    for (int64_t i = 0; i < best; i++) {
        if (selection->path_score[i] >= enough) {
            return selection->path_count[i];
        }
    }
    return selection->path_count[best];
}

enum { TRIAL_CHOSEN, TRIAL_PATH, TRIAL_RANDOM, TRIAL_ALL, TRIALS };

static void train_slice(void *argument, int64_t chunk) {
    pare_trial *trial = (pare_trial *)argument + chunk;
    if (trial->objective.slots) {
        pare_trial_train(trial, SLICE_STEPS);
    }
}

/* Trains all trials side by side, in slices, so that a caller can watch and stop. */
static pare_status train_all(pare_context *ctx, pare_trial *trials, pare_progress_fn progress,
                             void *user, bool *stopped) {
    double start = pare_clock_seconds(), shown = 0;
    for (;;) {
        int64_t step = 0, steps = 0;
        bool done = true;
        for (int64_t i = 0; i < TRIALS; i++) {
            if (trials[i].status != PARE_OK) {
                return trials[i].status;
            }
            step += trials[i].step;
            steps += trials[i].steps;
            done = done && pare_trial_done(&trials[i]);
        }
        if (done) {
            return PARE_OK;
        }
        double now = pare_clock_seconds() - start;
        if (progress && now - shown > 0.1) {
            shown = now;
            double fraction = (double)step / (double)steps;
            pare_progress state = {.size = sizeof state,
                                   .stage = "compare",
                                   .fraction = fraction,
                                   .seconds = now,
                                   .seconds_left = fraction > 0 ? now / fraction - now : -1,
                                   .loss = NAN};
            if (progress(user, &state)) {
                *stopped = true;
                return PARE_OK;
            }
        }
        pare_pool_run(ctx->pool, TRIALS, train_slice, trials);
    }
}

static pare_status score_trial(const pare_trial *trial, pare_comparison *out) {
    if (!trial->objective.slots) {
        return PARE_OK;
    }
    pare_metrics metrics = {0};
    void *self = trial->objective.self;
    pare_status status =
        trial->objective.slots->evaluate(self, NULL, PARE_ROWS_VALIDATION, &metrics);
    if (status != PARE_OK) {
        return status;
    }
    out->validation_score = metrics.score;
    out->validation_loss = metrics.loss;
    status = trial->objective.slots->evaluate(self, NULL, PARE_ROWS_TEST, &metrics);
    if (status != PARE_OK) {
        return status;
    }
    out->test_score = metrics.score;
    out->test_loss = metrics.loss;
    out->seconds = trial->seconds;
    out->cpu_seconds = trial->cpu_seconds;
    out->candidates = trial->objective.count;
    return PARE_OK;
}

/* *count distinct candidates drawn at random; with a budget, as many of them as fit. */
static pare_status draw_random(const pare_dataset *train, const pare_options *options,
                               int64_t *count, int64_t **out) {
    pare_context *ctx = train->ctx;
    int64_t candidates = train->candidates;
    pare_costs costs = {0};
    pare_status status = pare_costs_read(train, options, &costs);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, candidates, sizeof(int64_t), out);
    }
    if (status == PARE_OK) {
        for (int64_t i = 0; i < candidates; i++) {
            (*out)[i] = i;
        }
        pare_random_shuffle((uint64_t)options->seed, PARE_STREAM_COMPARE, 0, candidates, *out);
    }
    if (status == PARE_OK && costs.cost) {
        double spent = 0;
        int64_t kept = 0;
        for (int64_t i = 0; i < candidates && kept < *count; i++) {
            double cost = costs.cost[(*out)[i]];
            if (spent + cost <= costs.budget * (1 + 1e-12)) {
                spent += cost;
                (*out)[kept++] = (*out)[i];
            }
        }
        *count = kept;
    }
    pare_costs_clear(&costs);
    return status;
}

pare_status pare_compare(pare_selection *selection, pare_dataset *train, const pare_dataset *valid,
                         const pare_dataset *test, const pare_options *options,
                         pare_progress_fn progress, void *user) {
    pare_context *ctx = selection->ctx;
    if (selection->count == 0) {
        return PARE_OK;
    }
    pare_trial trials[TRIALS] = {{{0}, 0, 0, 0, 0, PARE_OK}};
    int64_t *random = NULL;
    bool stopped = false;
    int64_t count = selection->count, drawn = count;
    pare_status status = draw_random(train, options, &drawn, &random);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_trial_create(train, valid, test, options, false, count, selection->number,
                               &trials[TRIAL_CHOSEN]);
    if (status != PARE_OK) {
        goto fail;
    }
    bool has_validation = (valid ? valid->validation_count : train->validation_count) > 0;
    if (has_validation && selection->path_points == 0) {
        status = pare_trial_create(train, valid, NULL, options, true, count, selection->number,
                                   &trials[TRIAL_PATH]);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    if (drawn > 0) {
        status = pare_trial_create(train, valid, test, options, false, drawn, random,
                                   &trials[TRIAL_RANDOM]);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    status = pare_trial_create(train, valid, test, options, false, 0, NULL, &trials[TRIAL_ALL]);
    if (status != PARE_OK) {
        goto fail;
    }
    status = train_all(ctx, trials, progress, user, &stopped);
    if (status != PARE_OK || stopped) {
        goto fail;
    }
    pare_comparison *const results[TRIALS] = {&selection->chosen, NULL, &selection->random,
                                              &selection->all};
    for (int64_t i = 0; i < TRIALS; i++) {
        status = results[i] ? score_trial(&trials[i], results[i]) : PARE_OK;
        if (status != PARE_OK) {
            goto fail;
        }
    }
    if (trials[TRIAL_PATH].objective.slots) {
        status = pare_path_measure(&trials[TRIAL_PATH], selection);
    }
fail:
    for (int64_t i = 0; i < TRIALS; i++) {
        pare_trial_clear(&trials[i]);
    }
    pare_free(ctx, random);
    return status;
}
