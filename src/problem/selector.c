#include "problem/selector.h"
#include "base/text.h"
#include "platform/system.h"
#include "problem/defaults.h"
#include "problem/strategy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -k auto looks at this many choices at most. */
static const int64_t automatic_most = 64;
enum { PATH_STEPS = 64 };

/* Marks the candidates of a comma-separated option. */
static pare_status mark(const pare_dataset *data, const char *option, const char *list,
                        uint8_t *flag) {
    const char *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&list, &item, &length)) {
        int64_t j = pare_dataset_find(data, item, length);
        if (j < 0) {
            return pare_fail(data->ctx, PARE_ERROR_ARGUMENT,
                             "option %s: there is no candidate '%.*s'", option, (int)length, item);
        }
        if (flag[j]) {
            return pare_fail(data->ctx, PARE_ERROR_ARGUMENT, "option %s: '%.*s' is named twice",
                             option, (int)length, item);
        }
        flag[j] = 1;
    }
    return PARE_OK;
}

static int compare_costs(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The largest number of candidates within the budget: the forced, then the cheapest. */
static pare_status most_within(pare_selector *s, double forced_cost, int64_t forced, int64_t *out) {
    double *open = NULL, spent = forced_cost;
    int64_t count = 0;
    pare_status status = pare_alloc(s->ctx, s->train->candidates, sizeof *open, &open);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < s->train->candidates; j++) {
        if (!s->barred[j] && !s->forced[j]) {
            open[count++] = s->costs.cost[j];
        }
    }
    qsort(open, (size_t)count, sizeof *open, compare_costs);
    *out = forced;
    for (int64_t i = 0; i < count && spent + open[i] <= s->costs.budget * (1 + 1e-12); i++) {
        spent += open[i];
        (*out)++;
    }
    pare_free(s->ctx, open);
    return PARE_OK;
}

/* Reads options costs and budget: what is too dear beside the forced cannot be chosen. */
static pare_status read_costs(pare_selector *s, int64_t forced, int64_t *most) {
    pare_context *ctx = s->ctx;
    const pare_dataset *data = s->train;
    pare_status status = pare_costs_read(data, &s->options, &s->costs);
    if (status != PARE_OK || !s->costs.cost) {
        return status;
    }
    if (!s->method->costs || (s->strategy && !s->strategy->costs)) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "option budget: %s %s does not look at costs; methods "
                         "sequential-attention, omp, lly, magnitude, mutual-information, anova-f "
                         "and random do",
                         s->method->costs ? "option" : "method",
                         s->method->costs ? s->strategy->name : s->method->name);
    }
    double spent = 0, budget = s->costs.budget;
    for (int64_t j = 0; j < data->candidates; j++) {
        spent += s->forced[j] ? s->costs.cost[j] : 0;
    }
    if (spent > budget * (1 + 1e-12)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option include: the candidates named cost %g, more than the budget %g",
                         spent, budget);
    }
    int64_t cheapest = -1;
    for (int64_t j = 0; j < data->candidates; j++) {
        if (!s->forced[j] && !s->barred[j]) {
            double cost = s->costs.cost[j];
            cheapest = cheapest < 0 || cost < s->costs.cost[cheapest] ? j : cheapest;
            s->barred[j] = spent + cost > budget * (1 + 1e-12);
        }
    }
    if (forced == 0 && cheapest >= 0 && s->barred[cheapest]) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option budget: %g buys nothing; the cheapest candidate, '%.100s', costs "
                         "%g",
                         budget, data->candidate_name[cheapest], s->costs.cost[cheapest]);
    }
    return most_within(s, spent, forced, most);
}

/* Reads option k against what can be chosen. With a budget k may be absent, and is no more than the
 * budget allows. */
static pare_status read_k(pare_selector *s) {
    pare_context *ctx = s->ctx;
    const char *text = s->options.k;
    int64_t open = 0, forced = 0, most = INT64_MAX;
    for (int64_t j = 0; j < s->train->candidates; j++) {
        if (s->forced[j] && s->barred[j]) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "options include and exclude: both name '%s'",
                             s->train->candidate_name[j]);
        }
        open += !s->barred[j];
        forced += s->forced[j];
    }
    pare_status status = read_costs(s, forced, &most);
    if (status != PARE_OK) {
        return status;
    }
    s->automatic = strcmp(text, "auto") == 0;
    if (s->automatic) {
        s->task.k = open < automatic_most ? open : automatic_most;
        s->task.k = s->task.k < most ? s->task.k : most;
        s->task.k = s->task.k < forced ? forced : s->task.k;
        if (s->task.k == 0) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT, "option exclude: leaves nothing to choose");
        }
        if ((s->valid ? s->valid->validation_count : s->train->validation_count) == 0) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "option k: auto needs validation rows (option validation is 0)");
        }
        return PARE_OK;
    }
    if (!*text && s->costs.cost) {
        s->task.k = most;
        return open > 0 ? PARE_OK
                        : pare_fail(ctx, PARE_ERROR_ARGUMENT,
                                    "option exclude: leaves nothing to choose");
    }
    if (!*text) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option k: say how many to choose, a number from 1 to %lld, or auto",
                         (long long)open);
    }
    if (!pare_parse_integer(text, &s->task.k) || s->task.k < 1 || s->task.k > open) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option k: '%s' is not a whole number from 1 to %lld, the number of "
                         "candidates, nor auto",
                         text, (long long)open);
    }
    if (forced > s->task.k) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option include: names %lld candidates, more than k = %lld",
                         (long long)forced, (long long)s->task.k);
    }
    s->task.k = s->task.k < most ? s->task.k : most;
    return PARE_OK;
}

/* Objective of methods that need only the number of candidates. */
static const pare_objective_slots no_slots = {0};

static pare_status create_objective(pare_selector *s) {
    pare_dataset *train = s->train;
    const pare_options *options = &s->options;
    bool linear = s->model == PARE_MODEL_LINEAR;
    switch (options->method) {
    case PARE_METHOD_RANDOM:
        s->objective =
            (pare_objective){.slots = &no_slots, .count = train->candidates, .name = "none"};
        return PARE_OK;
    case PARE_METHOD_MUTUAL_INFORMATION:
    case PARE_METHOD_ANOVA_F:
        return pare_filter_create(train, options, options->method == PARE_METHOD_MUTUAL_INFORMATION,
                                  &s->objective);
    case PARE_METHOD_OMP:
        return pare_exact_linear_create(train, s->valid, NULL, options, false, &s->objective);
    case PARE_METHOD_GROUP_LASSO:
    case PARE_METHOD_SEQUENTIAL_LASSO:
        if (linear) {
            return pare_exact_linear_create(train, s->valid, NULL, options, true, &s->objective);
        }
        break;
    case PARE_METHOD_RFE:
        if (linear && train->kind == PARE_KIND_REGRESSION) {
            return pare_exact_linear_create(train, s->valid, NULL, options, true, &s->objective);
        }
        break;
    default:
        break;
    }
    pare_network_options settings = pare_select_settings(train, options, &s->task.epochs);
    settings.model = s->model;
    return pare_network_create(train, s->valid, NULL, options, &settings, 0, NULL, &s->objective);
}

static pare_status create_choice(pare_selector *s) {
    const struct {
        void *array;
        int64_t count;
    } arrays[] = {{&s->choice.item, s->task.k},
                  {&s->choice.score, s->task.k},
                  {&s->choice.trace_epoch, PARE_TRACE_MAX},
                  {&s->choice.trace_loss, PARE_TRACE_MAX}};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(s->ctx, arrays[i].count, sizeof(int64_t), arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    s->choice.loss = NAN;
    s->choice.stage = "select";
    return PARE_OK;
}

static pare_status check_arguments(pare_selector *s) {
    const pare_options *options = &s->options;
    if (options->replace && options->method != PARE_METHOD_SEQUENTIAL_ATTENTION &&
        options->method != PARE_METHOD_OMP) {
        return pare_fail(s->ctx, PARE_ERROR_UNSUPPORTED,
                         "option replace: method %s has no exchange of choices; only "
                         "sequential-attention and omp have",
                         s->method->name);
    }
    if (s->train->train_count < 2) {
        return pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: %lld training rows; at least 2 are needed",
                         s->train->table.source, (long long)s->train->train_count);
    }
    return PARE_OK;
}

/* Room for as many choices as there are candidates: the strategy decides how many. */
static pare_status start_strategy(pare_selector *s) {
    int64_t k = s->task.k;
    s->task.k = s->train->candidates;
    pare_status status = create_choice(s);
    s->task.k = k;
    return status == PARE_OK ? s->strategy->create(s, &s->plan) : status;
}

pare_status pare_selector_start(pare_dataset *train, const pare_dataset *valid,
                                const pare_options *options, pare_selector **out) {
    *out = NULL;
    pare_context *ctx = train->ctx;
    pare_selector *s = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    s->ctx = ctx;
    s->train = train;
    s->valid = valid;
    s->start = pare_clock_seconds();
    double cpu = pare_cpu_seconds();
    status = pare_options_copy(options, &s->options);
    if (status != PARE_OK) {
        goto fail;
    }
    s->model = pare_default_model(&s->options);
    s->method = pare_method_at(s->options.method);
    status = check_arguments(s);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc_zero(ctx, train->candidates, 1, &s->forced);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc_zero(ctx, train->candidates, 1, &s->barred);
    if (status != PARE_OK) {
        goto fail;
    }
    status = mark(train, "include", s->options.include, s->forced);
    if (status != PARE_OK) {
        goto fail;
    }
    status = mark(train, "exclude", s->options.exclude, s->barred);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_strategy_of(ctx, &s->options, &s->strategy);
    if (status != PARE_OK) {
        goto fail;
    }
    if (!s->strategy || s->strategy->needs_k || s->options.budget[0] || s->options.costs[0]) {
        status = read_k(s);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    if (s->strategy) {
        status = start_strategy(s);
        if (status != PARE_OK) {
            goto fail;
        }
        *out = s;
        return PARE_OK;
    }
    status = create_objective(s);
    if (status != PARE_OK) {
        goto fail;
    }
    status = create_choice(s);
    if (status != PARE_OK) {
        goto fail;
    }
    s->task.ctx = ctx;
    s->task.objective = &s->objective;
    s->task.forced = s->forced;
    s->task.barred = s->barred;
    s->task.cost = s->costs.cost;
    s->task.budget = s->costs.budget;
    s->task.picks_per_phase = s->options.picks;
    s->task.warm_up = s->options.warm_up;
    s->task.mask_rate = s->options.mask_learning_rate;
    s->task.surplus = s->automatic ? 1 : s->options.surplus;
    s->task.replace = s->options.replace;
    s->task.seed = (uint64_t)s->options.seed;
    status = s->method->create(&s->task, &s->choice, &s->state);
    if (status != PARE_OK) {
        goto fail;
    }
    s->seconds = pare_clock_seconds() - s->start;
    s->cpu_seconds = pare_cpu_seconds() - cpu;
    *out = s;
    return PARE_OK;
fail:
    pare_selector_destroy(s);
    return status;
}

void pare_selector_destroy(pare_selector *s) {
    if (!s) {
        return;
    }
    pare_context *ctx = s->ctx;
    if (s->strategy) {
        s->strategy->destroy(s->plan);
    }
    if (s->state) {
        s->method->destroy(s->state);
    }
    pare_trial_clear(&s->path);
    pare_selection_free(s->path_record);
    pare_objective_destroy(&s->objective);
    pare_free(ctx, s->choice.item);
    pare_free(ctx, s->choice.score);
    pare_free(ctx, s->choice.trace_epoch);
    pare_free(ctx, s->choice.trace_loss);
    pare_free(ctx, s->forced);
    pare_free(ctx, s->barred);
    pare_costs_clear(&s->costs);
    pare_options_clear(&s->options);
    pare_free(ctx, s);
}

/* -k auto, after the choice: a prefix network, then the fewest within one standard error. */
static pare_status advance_path(pare_selector *s) {
    if (!s->path.objective.slots) {
        pare_status status = pare_trial_create(s->train, s->valid, NULL, &s->options, true,
                                               s->choice.count, s->choice.item, &s->path);
        s->choice.stage = "path";
        return status;
    }
    pare_trial_train(&s->path, PATH_STEPS);
    if (s->path.status != PARE_OK || !pare_trial_done(&s->path)) {
        return s->path.status;
    }
    pare_status status = pare_alloc_zero(s->ctx, 1, sizeof *s->path_record, &s->path_record);
    if (status != PARE_OK) {
        return status;
    }
    s->path_record->ctx = s->ctx;
    s->path_record->count = s->choice.count;
    status = pare_path_measure(&s->path, s->path_record);
    if (status != PARE_OK) {
        return status;
    }
    int64_t forced = 0;
    for (int64_t j = 0; j < s->train->candidates; j++) {
        forced += s->forced[j];
    }
    s->fewest = pare_path_fewest(s->path_record);
    s->fewest = s->fewest < forced ? forced : s->fewest;
    s->done = true;
    return PARE_OK;
}

pare_status pare_selector_advance(pare_selector *s, bool *done) {
    double wall = pare_clock_seconds(), cpu = pare_cpu_seconds();
    pare_status status = PARE_OK;
    if (!s->done && s->strategy) {
        status = s->strategy->step(s->plan, &s->done);
    } else if (!s->done && !s->chosen) {
        status = s->method->step(s->state, &s->chosen);
        s->done = s->chosen && !s->automatic;
    } else if (!s->done) {
        status = advance_path(s);
    }
    s->seconds += pare_clock_seconds() - wall;
    s->cpu_seconds += pare_cpu_seconds() - cpu;
    if (status != PARE_OK) {
        return status;
    }
    if (!s->done && s->options.time_limit > 0 &&
        pare_cluster_decide(s->seconds >= s->options.time_limit)) {
        s->stopped = true;
        s->done = true;
    }
    *done = s->done;
    return PARE_OK;
}
