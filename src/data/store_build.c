/* A dataset over a table that stays in its file: what is held in memory, and what the survey of
 * its cells (store_survey.c) found. */
#include "data/store_survey.h"
#include "platform/cluster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Levels of columns that are held: what a damaged file may get wrong. */
static pare_status check_held(const pare_table *table) {
    for (int64_t j = 0; j < table->columns; j++) {
        int64_t levels = table->column[j].levels;
        for (int64_t i = 0; table->held[j] && levels > 0 && i < table->rows; i++) {
            if (!pare_survey_level(table->held[j][i], levels) && !isnan(table->held[j][i])) {
                return pare_survey_refuse(table, i, j);
            }
        }
    }
    return PARE_OK;
}

/* Columns that are no features are held in memory. */
pare_status pare_build_hold(pare_build *build) {
    pare_table *table = &build->data->table;
    pare_status status = PARE_OK;
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        if (build->role[j] != PARE_ROLE_IGNORED && build->role[j] != PARE_ROLE_FEATURE) {
            status = pare_alloc(build->ctx, table->rows, sizeof(float), &table->held[j]);
        }
    }
    if (status == PARE_OK && build->options->categorical[0]) {
        status =
            pare_fail(build->ctx, PARE_ERROR_UNSUPPORTED,
                      "option categorical: not for a table read in pieces (option memory); text "
                      "columns are categories there too");
    }
    status = pare_cluster_agree(build->ctx, status);
    if (status == PARE_OK) {
        status = pare_store_columns(table->stream, table->held);
    }
    return status == PARE_OK ? check_held(table) : status;
}

/* Numbers: moments about their centres, and who has gaps. */
static void take_numbers(pare_build *build, const pare_survey *s, double weight) {
    const pare_table *table = &build->data->table;
    for (int64_t j = 0; j < table->columns; j++) {
        const double *sum = s->total + s->at[j];
        if (build->role[j] != PARE_ROLE_FEATURE) {
            continue;
        }
        build->gaps[j] = sum[PARE_SURVEY_TRAIN_GAPS] > 0 ? 2 : sum[PARE_SURVEY_GAPS] > 0;
        if (sum[PARE_SURVEY_TRAIN_GAPS] >= (double)build->data->train_count) {
            build->role[j] = PARE_ROLE_EMPTY;
        }
        if (table->column[j].levels > 0) {
            continue;
        }
        pare_moments *m = &build->moments[j];
        *m = (pare_moments){.center = (double)s->center[j],
                            .weight = weight - sum[PARE_SURVEY_GAP_WEIGHT],
                            .sum = sum[PARE_SURVEY_SUM],
                            .square = sum[PARE_SURVEY_SQUARE],
                            .zeros = (int64_t)sum[PARE_SURVEY_ZEROS]};
        double mean = m->weight > 0 ? m->sum / m->weight : 0;
        if (!s->centred[j] && m->square <= (1 + 1e-12) * m->weight * mean * mean) {
            *m = (pare_moments){.center = mean, .weight = m->weight, .zeros = m->zeros};
        }
    }
}

typedef struct seen {
    double row; /* first training row with the level */
    int64_t level;
} seen;

static int by_row(const void *a, const void *b) {
    const seen *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* Levels of a column by their first training row, as a table in memory numbers them. */
static pare_status take_levels(pare_build *build, const pare_survey *s, int64_t column) {
    pare_context *ctx = build->ctx;
    pare_table *table = &build->data->table;
    int64_t levels = table->column[column].levels, known = 0;
    const double *sum = s->total + s->at[column];
    double *weight = build->level_weight + build->level_at[column];
    seen *list = NULL;
    int32_t *map = NULL;
    float *to = NULL;
    pare_status status = pare_alloc(ctx, levels, sizeof *list, &list);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, levels, sizeof *map, &map);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, levels, sizeof *to, &to);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t l = 0; l < levels; l++) {
        double row = s->first[s->level_at[column] + l];
        map[l] = -1;
        to[l] = NAN;
        if (row < (double)table->rows) {
            list[known++] = (seen){row, l};
        }
    }
    qsort(list, (size_t)known, sizeof *list, by_row);
    for (int64_t k = 0; k < known; k++) {
        map[list[k].level] = (int32_t)k;
        to[list[k].level] = (float)k;
        weight[k] = sum[PARE_SURVEY_LEVELS + list[k].level];
    }
    weight[known] = sum[PARE_SURVEY_GAP_WEIGHT];
    if (known < levels && build->gaps[column] == 0) {
        build->gaps[column] = 1; /* rows outside training have levels that count as missing */
    }
    status = pare_store_renumber(table->stream, column, levels, to);
    if (status == PARE_OK) {
        status = pare_build_keep_levels(build, column, known, map);
    }
fail:
    pare_free(ctx, list);
    pare_free(ctx, map);
    pare_free(ctx, to);
    return status;
}

static pare_status take_all_levels(pare_build *build, const pare_survey *s) {
    const pare_table *table = &build->data->table;
    int64_t total = 0;
    pare_status status =
        pare_alloc(build->ctx, table->columns, sizeof *build->level_at, &build->level_at);
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        build->level_at[j] = total;
        total += table->column[j].levels + 1;
    }
    if (status == PARE_OK) {
        status =
            pare_alloc_zero(build->ctx, total, sizeof *build->level_weight, &build->level_weight);
    }
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        if (s->level_at[j + 1] > s->level_at[j]) {
            status = take_levels(build, s, j);
        }
    }
    return status;
}

pare_status pare_build_survey(pare_build *build) {
    pare_context *ctx = build->ctx;
    pare_dataset *data = build->data;
    int64_t columns = data->table.columns;
    double weight = 0;
    pare_survey s = {0};
    pare_status status = pare_alloc_zero(ctx, columns, sizeof *build->moments, &build->moments);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, columns, 1, &build->gaps);
    }
    status = pare_cluster_agree(ctx, status);
    if (status == PARE_OK) {
        status = pare_survey_run(build, &s);
    }
    for (int64_t i = 0; status == PARE_OK && i < data->train_count; i++) {
        weight += (double)build->part_weight[data->train[i]];
    }
    if (status == PARE_OK) {
        take_numbers(build, &s, weight);
        status = take_all_levels(build, &s);
    }
    pare_survey_clear(ctx, &s);
    data->checksum = pare_store_identity(data->table.stream);
    status = pare_cluster_agree(ctx, status);
    return status == PARE_OK ? pare_build_drop_empty(build) : status;
}
