/* Candidates and their features. */
#include "base/text.h"
#include "data/build.h"

#include <math.h>
#include <string.h>

/* Marks numeric columns without any value in the training rows, and whether each column with gaps
 * has one in the training rows (only then it gets an indicator). */
static pare_status look_at_gaps(pare_build *build, uint8_t *indicator) {
    const pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    if (table->storage == PARE_STORAGE_U8) {
        return PARE_OK;
    }
    int64_t *missing = NULL;
    pare_status status = pare_alloc_zero(build->ctx, table->columns, sizeof *missing, &missing);
    if (status != PARE_OK) {
        return status;
    }
    bool any = false;
    for (int64_t j = 0; j < table->columns; j++) {
        any = any || build->gaps[j];
    }
    for (int64_t i = 0; any && i < data->train_count; i++) {
        int64_t row = data->train[i];
        if (table->storage == PARE_STORAGE_CSR) {
            for (int64_t p = table->start[row]; p < table->start[row + 1]; p++) {
                missing[table->index[p]] += isnan(table->value[p]);
            }
            continue;
        }
        const float *cell = table->f32 + row * table->columns;
        for (int64_t j = 0; j < table->columns; j++) {
            missing[j] += isnan(cell[j]);
        }
    }
    for (int64_t j = 0; j < table->columns; j++) {
        indicator[j] = missing[j] > 0;
        if (build->role[j] == PARE_ROLE_FEATURE && missing[j] == data->train_count) {
            build->role[j] = PARE_ROLE_EMPTY;
        }
    }
    pare_free(build->ctx, missing);
    return PARE_OK;
}

/* Remembers a name that stands for nothing any more. */
static pare_status note_dropped(pare_build *build, const char *name) {
    pare_dataset *data = build->data;
    pare_status status =
        pare_text_copy(build->ctx, name, (int64_t)strlen(name), &data->dropped_name[data->dropped]);
    data->dropped += status == PARE_OK;
    return status;
}

pare_status pare_build_drop_empty(pare_build *build) {
    const pare_table *table = &build->data->table;
    int64_t left = 0, empty = 0;
    for (int64_t j = 0; j < table->columns; j++) {
        left += build->role[j] == PARE_ROLE_FEATURE;
        empty += build->role[j] == PARE_ROLE_EMPTY;
    }
    pare_status status = empty > 0 ? pare_alloc_zero(build->ctx, empty + build->groups,
                                                     sizeof(char *), &build->data->dropped_name)
                                   : PARE_OK;
    for (int64_t j = 0; status == PARE_OK && empty > 0 && j < table->columns; j++) {
        if (build->role[j] == PARE_ROLE_EMPTY) {
            pare_warn(build->ctx,
                      "%.300s: column '%.100s' has no value in the training rows; it is dropped",
                      table->source, table->column[j].name);
            status = note_dropped(build, table->column[j].name);
        }
    }
    if (status != PARE_OK) {
        return status;
    }
    if (left == 0) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s: no column is left to choose from; at least one beside the "
                         "target was expected",
                         table->source);
    }
    return PARE_OK;
}

static void add_feature(pare_dataset *data, pare_feature_kind kind, int64_t column, int64_t level) {
    data->feature[data->features++] =
        (pare_feature){.kind = kind, .column = (int32_t)column, .level = (int32_t)level};
}

static void add_column(pare_dataset *data, int64_t column, bool indicator, bool gaps) {
    int64_t levels = data->table.column[column].levels;
    data->encoding[column] = (pare_encoding){
        .feature = data->features, .levels = (int32_t)levels, .indicator = indicator, .gaps = gaps};
    if (levels == 0) {
        add_feature(data, PARE_FEATURE_NUMBER, column, 0);
    }
    for (int64_t l = 0; l < levels; l++) {
        add_feature(data, PARE_FEATURE_LEVEL, column, l);
    }
    if (indicator) {
        add_feature(data, PARE_FEATURE_MISSING, column, 0);
    }
}

/* next[j]: the following column of the same group, -1 at the end; first: of each group. */
static void link_groups(const pare_build *build, int64_t *first, int64_t *next) {
    for (int64_t g = 0; g < build->groups; g++) {
        first[g] = -1;
    }
    for (int64_t j = build->data->table.columns - 1; j >= 0; j--) {
        int64_t g = build->group && build->role[j] == PARE_ROLE_FEATURE ? build->group[j] : -1;
        next[j] = g >= 0 ? first[g] : -1;
        if (g >= 0) {
            first[g] = j;
        }
    }
}

/* Candidates stand in the order of their first columns. */
static pare_status fill_candidates(pare_build *build, const uint8_t *indicator,
                                   const int64_t *first, const int64_t *next) {
    pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    for (int64_t j = 0; j < table->columns; j++) {
        int64_t g = build->group ? build->group[j] : -1;
        if (build->role[j] != PARE_ROLE_FEATURE || (g >= 0 && first[g] != j)) {
            continue;
        }
        const char *name = g >= 0 ? build->group_name[g] : table->column[j].name;
        pare_status status = pare_text_copy(build->ctx, name, (int64_t)strlen(name),
                                            &data->candidate_name[data->candidates]);
        if (status != PARE_OK) {
            return status;
        }
        data->candidate_start[data->candidates++] = data->features;
        for (int64_t c = j; c >= 0; c = next[c]) {
            add_column(data, c, indicator[c], build->gaps[c] > 0);
        }
        data->candidate_start[data->candidates] = data->features;
    }
    for (int64_t g = 0; g < build->groups; g++) {
        if (first[g] < 0) {
            pare_warn(build->ctx, "%.300s: all columns of group '%.100s' are dropped, so it is too",
                      build->options->groups, build->group_name[g]);
            pare_status status = note_dropped(build, build->group_name[g]);
            if (status != PARE_OK) {
                return status;
            }
        }
    }
    return PARE_OK;
}

static pare_status allocate(pare_build *build, const uint8_t *indicator) {
    pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    int64_t features = 0;
    for (int64_t j = 0; j < table->columns; j++) {
        int64_t levels = table->column[j].levels;
        features += (levels > 0 ? levels : 1) + indicator[j];
    }
    if (table->columns > INT32_MAX || features > INT32_MAX) {
        return pare_fail(build->ctx, PARE_ERROR_UNSUPPORTED,
                         "%.300s: more than %lld features (columns, and levels of text columns)",
                         table->source, (long long)INT32_MAX);
    }
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&data->encoding, table->columns, sizeof *data->encoding},
        {&data->feature, features, sizeof *data->feature},
        {&data->shift, features, sizeof *data->shift},
        {&data->scale, features, sizeof *data->scale},
        {&data->zero, features, sizeof *data->zero},
        {&data->mean, features, sizeof *data->mean},
        {&data->variance, features, sizeof *data->variance},
        {&data->candidate_name, table->columns, sizeof *data->candidate_name},
        {&data->candidate_start, table->columns + 1, sizeof *data->candidate_start},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(build->ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    for (int64_t j = 0; j < table->columns; j++) {
        data->encoding[j].feature = -1;
    }
    return PARE_OK;
}

pare_status pare_build_empty(pare_build *build) {
    uint8_t *indicator = NULL;
    pare_status status = pare_alloc_zero(build->ctx, build->data->table.columns, 1, &indicator);
    if (status == PARE_OK) {
        status = look_at_gaps(build, indicator);
    }
    for (int64_t j = 0; status == PARE_OK && j < build->data->table.columns; j++) {
        build->gaps[j] = indicator[j] ? 2 : build->gaps[j];
    }
    pare_free(build->ctx, indicator);
    return status == PARE_OK ? pare_build_drop_empty(build) : status;
}

pare_status pare_build_features(pare_build *build) {
    pare_context *ctx = build->ctx;
    pare_dataset *data = build->data;
    int64_t columns = data->table.columns;
    uint8_t *indicator = NULL;
    int64_t *first = NULL, *next = NULL;
    pare_status status = pare_alloc_zero(ctx, columns, 1, &indicator);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, build->groups, sizeof *first, &first);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, columns, sizeof *next, &next);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t j = 0; j < columns; j++) {
        indicator[j] = build->gaps[j] == 2;
    }
    status = allocate(build, indicator);
    if (status != PARE_OK) {
        goto fail;
    }
    link_groups(build, first, next);
    status = fill_candidates(build, indicator, first, next);
    if (status != PARE_OK) {
        goto fail;
    }
    data->direct = data->features == columns;
    bool gaps = false;
    for (int64_t j = 0; j < columns; j++) {
        data->direct =
            data->direct && data->encoding[j].feature == j && data->encoding[j].levels == 0;
        gaps = gaps || build->gaps[j];
    }
    data->plain = data->direct && !gaps;
fail:
    pare_free(ctx, indicator);
    pare_free(ctx, first);
    pare_free(ctx, next);
    return status;
}
