/* From a selection in progress to the self-contained record of it. */
#include "base/text.h"
#include "kernels/kernels.h"
#include "platform/system.h"
#include "platform/threads.h"
#include "problem/defaults.h"
#include "problem/strategy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CORRELATION_ITEMS = 100, CORRELATION_ROWS = 2000 };

static pare_status copy_text(pare_context *ctx, const char *text, char **out) {
    return pare_text_copy(ctx, text, (int64_t)strlen(text), out);
}

static pare_status copy_numbers(pare_context *ctx, const double *from, int64_t count,
                                double **out) {
    pare_status status = pare_alloc(ctx, count, sizeof **out, out);
    if (status == PARE_OK && count > 0) { /* a strategy may leave no trace */
        memcpy(*out, from, (size_t)count * sizeof **out);
    }
    return status;
}

/* Name, columns and pixel of one chosen candidate. */
static pare_status fill_item(const pare_dataset *data, int64_t candidate, double score,
                             pare_item *item) {
    pare_context *ctx = data->ctx;
    item->candidate = candidate;
    item->score = score;
    item->pixel_row = item->pixel_column = -1;
    pare_status status = copy_text(ctx, data->candidate_name[candidate], &item->name);
    if (status != PARE_OK) {
        return status;
    }
    int64_t from = data->candidate_start[candidate], to = data->candidate_start[candidate + 1];
    status = pare_alloc_zero(ctx, to - from, sizeof *item->column, &item->column);
    int32_t last = -1;
    for (int64_t j = from; status == PARE_OK && j < to; j++) {
        int32_t column = data->feature[j].column;
        if (column == last) {
            continue; /* features of one column stand side by side */
        }
        last = column;
        status = copy_text(ctx, data->table.column[column].name, &item->column[item->columns]);
        if (status == PARE_OK) {
            item->columns++;
        }
        if (data->table.width > 0) {
            item->pixel_row = column / data->table.width;
            item->pixel_column = column % data->table.width;
        }
    }
    return status;
}

/* Pearson correlation of the first features, over at most CORRELATION_ROWS training rows. */
static pare_status fill_correlation(const pare_dataset *data, pare_selection *record) {
    pare_context *ctx = data->ctx;
    int64_t count = record->count;
    int64_t rows = data->train_count < CORRELATION_ROWS ? data->train_count : CORRELATION_ROWS;
    if (count < 2 || count > CORRELATION_ITEMS || rows < 3) {
        return PARE_OK;
    }
    int64_t *number = NULL;
    float *column = NULL;
    double *norm = NULL;
    pare_status status = pare_alloc(ctx, rows, sizeof *number, &number);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc(ctx, rows * count, sizeof *column, &column);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc(ctx, count, sizeof *norm, &norm);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc_zero(ctx, count * count, sizeof(double), &record->correlation);
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t i = 0; i < rows; i++) {
        number[i] = data->train[i * data->train_count / rows];
    }
    for (int64_t a = 0; a < count; a++) {
        float *x = column + a * rows;
        pare_dataset_feature(data, data->candidate_start[record->number[a]], rows, number, x);
        double mean = 0, square = 0;
        for (int64_t i = 0; i < rows; i++) {
            mean += (double)x[i] / (double)rows;
        }
        for (int64_t i = 0; i < rows; i++) {
            x[i] -= (float)mean;
            square += (double)x[i] * (double)x[i];
        }
        norm[a] = sqrt(square);
        for (int64_t b = 0; b <= a; b++) {
            double product = 0;
            for (int64_t i = 0; i < rows; i++) {
                product += (double)x[i] * (double)column[b * rows + i];
            }
            double value = norm[a] * norm[b] > 0 ? product / (norm[a] * norm[b]) : 0;
            value = a == b ? 1 : fmax(-1, fmin(1, value));
            record->correlation[a * count + b] = value;
            record->correlation[b * count + a] = value;
        }
    }
fail:
    pare_free(ctx, number);
    pare_free(ctx, column);
    pare_free(ctx, norm);
    return status;
}

static pare_status fill_texts(const pare_selector *s, pare_selection *record) {
    pare_context *ctx = s->ctx;
    const pare_dataset *data = s->train;
    static const char *const kinds[] = {"binary", "multiclass", "regression"};
    char checksum[17], version[32];
    snprintf(checksum, sizeof checksum, "%016llx", (unsigned long long)data->checksum);
    snprintf(version, sizeof version, "%d.%d.%d", PARE_VERSION_MAJOR, PARE_VERSION_MINOR,
             PARE_VERSION_PATCH);
    char method[64];
    pare_option option = {.size = sizeof option};
    pare_status status = pare_option_at(pare_option_index("method"), &option);
    if (status != PARE_OK) {
        return status;
    }
    pare_option_choice(option.choices, s->options.method, method, sizeof method);
    char date[PARE_DATE_SIZE], processor[96], machine[192];
    pare_clock_date(date);
    pare_cpu_name(processor, sizeof processor);
    int64_t threads = pare_pool_threads(ctx->pool);
    snprintf(machine, sizeof machine, "%s%s%s, %lld thread%s", processor, processor[0] ? ", " : "",
             ctx->kernels->level, (long long)threads, threads == 1 ? "" : "s");
    const struct {
        const char *text;
        char **out;
    } texts[] = {
        {method, &record->method},
        {s->model == PARE_MODEL_LINEAR ? "linear" : "mlp", &record->model},
        {kinds[data->kind], &record->task},
        {data->label ? "accuracy" : "R squared", &record->score_name},
        {data->table.source, &record->data_source},
        {data->summary, &record->data_summary},
        {checksum, &record->data_checksum},
        {version, &record->version},
        {machine, &record->machine},
        {date, &record->created},
        {data->weight_name, &record->weight_name},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        status = texts[i].text ? copy_text(ctx, texts[i].text, texts[i].out) : PARE_OK;
        if (status != PARE_OK) {
            return status;
        }
    }
    if (data->output_name && data->target_columns > 0) {
        status = pare_alloc_zero(ctx, data->target_columns, sizeof(char *), &record->target_name);
        for (int64_t i = 0; status == PARE_OK && i < data->target_columns; i++) {
            status = copy_text(ctx, data->output_name[i], &record->target_name[i]);
            record->target_columns = status == PARE_OK ? i + 1 : i;
        }
    }
    if (status == PARE_OK && ctx->warnings > 0) {
        status = pare_alloc_zero(ctx, ctx->warnings, sizeof(char *), &record->warning);
        for (int64_t i = 0; status == PARE_OK && i < ctx->warnings; i++) {
            status = copy_text(ctx, ctx->warning[i], &record->warning[i]);
            record->warnings = status == PARE_OK ? i + 1 : i;
        }
    }
    return status;
}

/* The curves: loss while selecting, and the path where -k auto measured it. */
static pare_status fill_curves(const pare_selector *s, pare_selection *record) {
    pare_context *ctx = s->ctx;
    pare_status status =
        copy_numbers(ctx, s->choice.trace_epoch, s->choice.trace_count, &record->trace_epoch);
    if (status == PARE_OK) {
        status =
            copy_numbers(ctx, s->choice.trace_loss, s->choice.trace_count, &record->trace_loss);
    }
    if (status != PARE_OK) {
        return status;
    }
    record->trace_points = s->choice.trace_count;
    const pare_selection *path = s->path_record;
    if (!path || path->path_points == 0) {
        return PARE_OK;
    }
    status = copy_numbers(ctx, path->path_score, path->path_points, &record->path_score);
    if (status == PARE_OK) {
        status = copy_numbers(ctx, path->path_error, path->path_points, &record->path_error);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, path->path_points, sizeof(int64_t), &record->path_count);
    }
    if (status == PARE_OK) {
        memcpy(record->path_count, path->path_count, (size_t)path->path_points * sizeof(int64_t));
        record->path_points = path->path_points;
    }
    return status;
}

pare_status pare_selector_record(const pare_selector *s, pare_selection **out) {
    *out = NULL;
    pare_context *ctx = s->ctx;
    const pare_dataset *data = s->train;
    pare_selection *record = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *record, &record);
    if (status != PARE_OK) {
        return status;
    }
    const pare_comparison unknown = {NAN, NAN, NAN, NAN, 0, 0, 0};
    record->ctx = ctx;
    record->chosen = record->all = record->random = unknown;
    record->stopped = !s->done || s->stopped;
    record->wanted = s->automatic || s->strategy || !s->options.k[0] ? 0 : s->task.k;
    record->budget = s->costs.budget;
    record->rows = data->train_count + data->validation_count;
    record->candidates = data->candidates;
    record->validation_rows = s->valid ? s->valid->validation_count : data->validation_count;
    record->classes = data->classes;
    record->outputs = data->outputs;
    record->height = data->table.height;
    record->width = data->table.width;
    record->seconds_reading = data->seconds;
    record->seconds_selecting = s->seconds;
    record->cpu_selecting = s->cpu_seconds;

    int64_t count = s->fewest > 0 ? s->fewest : s->choice.count;
    status = pare_alloc_zero(ctx, count, sizeof *record->item, &record->item);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc(ctx, count, sizeof *record->number, &record->number);
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t i = 0; i < count; i++) {
        record->count = i + 1;
        record->number[i] = s->choice.item[i];
        status = fill_item(data, s->choice.item[i], s->choice.score[i], &record->item[i]);
        record->item[i].cost = s->costs.cost ? s->costs.cost[s->choice.item[i]] : 0;
        if (status != PARE_OK) {
            goto fail;
        }
    }
    status = fill_texts(s, record);
    if (status != PARE_OK) {
        goto fail;
    }
    status = fill_curves(s, record);
    if (status != PARE_OK) {
        goto fail;
    }
    status = fill_correlation(data, record);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_options_copy(&s->options, &record->options);
    if (status != PARE_OK) {
        goto fail;
    }
    record->has_options = true;
    if (s->strategy && s->plan) {
        status = s->strategy->record(s->plan, record);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    *out = record;
    return PARE_OK;
fail:
    pare_selection_free(record);
    return status;
}

pare_status pare_choice_record(pare_dataset *train, const pare_dataset *valid,
                               const pare_options *options, const pare_choice *choice,
                               double seconds, double cpu_seconds, pare_selection **out) {
    const pare_selector finished = {
        .ctx = train->ctx,
        .train = train,
        .valid = valid,
        .options = *options, /* borrowed: the record copies it */
        .model = pare_default_model(options),
        .task = {.k = choice->count},
        .choice = *choice,
        .chosen = true,
        .done = true,
        .seconds = seconds,
        .cpu_seconds = cpu_seconds,
    };
    return pare_selector_record(&finished, out);
}
