/* Which column is target, weight, split key, ignored; and what the weights and keys are. */
#include "base/text.h"
#include "data/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const role_names[] = {"a feature",  "the target",    "ignored",
                                         "the weight", "the split key", "empty"};

/* Names some columns, so that a mistyped one is easy to mend. */
static pare_status no_column(const pare_build *build, const char *option, const char *name,
                             int64_t length) {
    const pare_table *table = &build->data->table;
    pare_text list = {.ctx = build->ctx};
    for (int64_t j = 0; j < table->columns && j < 8; j++) {
        pare_text_append(&list, "%s%.40s", j > 0 ? ", " : "", table->column[j].name);
    }
    pare_status status =
        list.status != PARE_OK
            ? list.status
            : pare_fail(build->ctx, PARE_ERROR_ARGUMENT,
                        "option %s: %.200s has no column '%.*s' (its %lld columns: %s%s)", option,
                        table->source, (int)(length < 100 ? length : 100), name,
                        (long long)table->columns, list.bytes ? list.bytes : "",
                        table->columns > 8 ? ", ..." : "");
    pare_text_clear(&list);
    return status;
}

static pare_status give_role(pare_build *build, const char *option, const char *name,
                             int64_t length, pare_role role, int64_t *column) {
    *column = pare_column_find(&build->names, name, length);
    if (*column < 0) {
        return no_column(build, option, name, length);
    }
    if (build->role[*column] == role) {
        return pare_fail(build->ctx, PARE_ERROR_ARGUMENT, "option %s: column '%s' is named twice",
                         option, build->data->table.column[*column].name);
    }
    if (build->role[*column] != PARE_ROLE_FEATURE) {
        return pare_fail(build->ctx, PARE_ERROR_ARGUMENT, "option %s: column '%s' is already %s",
                         option, build->data->table.column[*column].name,
                         role_names[build->role[*column]]);
    }
    build->role[*column] = role;
    return PARE_OK;
}

/* One column by an option that names at most one. */
static pare_status give_single(pare_build *build, const char *option, const char *name,
                               pare_role role, int64_t *column) {
    return *name ? give_role(build, option, name, (int64_t)strlen(name), role, column) : PARE_OK;
}

static pare_status give_targets(pare_build *build) {
    const pare_table *table = &build->data->table;
    const char *list = build->options->target, *item = NULL;
    int64_t length = 0;
    pare_status status =
        pare_alloc(build->ctx, table->columns, sizeof *build->target, &build->target);
    if (status != PARE_OK || build->y || build->has_target_table) {
        return status; /* the target is elsewhere */
    }
    int64_t whole = *list ? pare_column_by_name(&build->names, list, (int64_t)strlen(list)) : -1;
    if (whole >= 0) { /* a name that holds a comma */
        build->role[whole] = PARE_ROLE_TARGET;
        build->target[build->targets++] = whole;
        return PARE_OK;
    }
    while (pare_list_next(&list, &item, &length)) {
        int64_t column = 0;
        status = give_role(build, "target", item, length, PARE_ROLE_TARGET, &column);
        if (status != PARE_OK) {
            return status;
        }
        build->target[build->targets++] = column;
    }
    return PARE_OK;
}

/* Without option target: the last column that has no other role. */
static pare_status give_default_target(pare_build *build) {
    const pare_table *table = &build->data->table;
    if (build->targets > 0 || build->y || build->has_target_table || table->label) {
        return PARE_OK;
    }
    if (table->height > 0) {
        return pare_fail(build->ctx, PARE_ERROR_ARGUMENT,
                         "%s holds images without labels; name their file with option target-file",
                         table->source);
    }
    for (int64_t j = table->columns - 1; j >= 0; j--) {
        if (build->role[j] == PARE_ROLE_FEATURE) {
            build->role[j] = PARE_ROLE_TARGET;
            build->target[build->targets++] = j;
            return PARE_OK;
        }
    }
    return pare_fail(build->ctx, PARE_ERROR_ARGUMENT, "%s: no column is left for the target",
                     table->source);
}

pare_status pare_build_roles(pare_build *build) {
    const pare_options *options = build->options;
    const pare_table *table = &build->data->table;
    build->weight = build->split = -1;
    pare_status status =
        pare_alloc_zero(build->ctx, table->columns, sizeof *build->role, &build->role);
    if (status == PARE_OK) {
        status = pare_column_names_init(build->ctx, table, &build->names);
    }
    if (status == PARE_OK) {
        status = give_targets(build);
    }
    if (status == PARE_OK) {
        status = give_single(build, "weights", options->weights, PARE_ROLE_WEIGHT, &build->weight);
    }
    if (status == PARE_OK && build->w && build->weight >= 0) {
        return pare_fail(build->ctx, PARE_ERROR_ARGUMENT,
                         "option weights: the weights are given as an array already");
    }
    if (status == PARE_OK) {
        status = give_single(build, "split-by", options->split_by, PARE_ROLE_SPLIT, &build->split);
    }
    const char *list = options->ignore, *item = NULL;
    int64_t length = 0;
    while (status == PARE_OK && pare_list_next(&list, &item, &length)) {
        int64_t column = 0;
        status = give_role(build, "ignore", item, length, PARE_ROLE_IGNORED, &column);
    }
    list = options->categorical;
    while (status == PARE_OK && pare_list_next(&list, &item, &length)) {
        if (pare_column_find(&build->names, item, length) < 0) {
            status = no_column(build, "categorical", item, length);
        }
    }
    return status == PARE_OK ? give_default_target(build) : status;
}

/* A text cell where a number was promised. */
static pare_status refuse_text(pare_build *build, int64_t column, const char *what) {
    const pare_table *table = &build->data->table;
    char place[PARE_PLACE_SIZE];
    for (int64_t i = 0; i < table->rows; i++) {
        double cell = pare_table_cell(table, i, column);
        double number = 0;
        if (cell == cell && !pare_parse_real(table->column[column].level[(int64_t)cell], &number)) {
            return pare_fail(build->ctx, PARE_ERROR_INPUT,
                             "%s: column '%.100s' is %s but holds the text '%.60s'; a number was "
                             "expected",
                             pare_table_place(table, i, place), table->column[column].name, what,
                             table->column[column].level[(int64_t)cell]);
        }
    }
    return PARE_OK;
}

pare_status pare_build_weights(pare_build *build) {
    pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    if (!build->w && build->weight < 0) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(build->ctx, table->rows, sizeof *data->weight, &data->weight);
    const char *name = "weight";
    const pare_column *column = NULL;
    if (status == PARE_OK && build->weight >= 0) {
        column = &table->column[build->weight];
        name = column->name;
        status = pare_text_copy(build->ctx, name, (int64_t)strlen(name), &data->weight_name);
        if (status == PARE_OK && column->levels > 0) {
            status = refuse_text(build, build->weight, "the weight");
        }
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < table->rows; i++) {
        double value = build->w ? (double)build->w[i] : pare_table_cell(table, i, build->weight);
        if (column && column->levels > 0 && value == value &&
            !pare_parse_real(column->level[(int64_t)value], &value)) {
            value = NAN;
        }
        if (!(value >= 0) || isinf(value)) {
            char place[PARE_PLACE_SIZE];
            pare_table_place(table, i, place);
            if (isnan(value)) {
                return pare_fail(build->ctx, PARE_ERROR_INPUT,
                                 "%s: weight '%.100s' is missing; a number >= 0 was expected",
                                 place, name);
            }
            return pare_fail(build->ctx, PARE_ERROR_INPUT,
                             "%s: weight '%.100s' is %g; a finite number >= 0 was expected", place,
                             name, value);
        }
        data->weight[i] = (float)value;
    }
    return PARE_OK;
}

pare_status pare_build_scale_weights(pare_build *build) {
    pare_dataset *data = build->data;
    const int64_t *list = data->like ? data->validation : data->train;
    int64_t count = data->like ? data->validation_count : data->train_count;
    pare_status status = pare_alloc_zero(build->ctx, data->table.rows, sizeof *build->part_weight,
                                         &build->part_weight);
    if (status != PARE_OK) {
        return status;
    }
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += data->weight ? (double)data->weight[list[i]] : 1;
    }
    if (!(sum > 0)) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%s: all weights of the %s rows are 0; some must be greater",
                         data->table.source, data->like ? "test" : "training");
    }
    if (data->weight) {
        double factor = (double)count / sum;
        for (int64_t i = 0; i < data->table.rows; i++) {
            data->weight[i] = (float)((double)data->weight[i] * factor);
        }
    }
    for (int64_t i = 0; i < data->train_count; i++) {
        build->part_weight[data->train[i]] = data->weight ? data->weight[data->train[i]] : 1;
    }
    return PARE_OK;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Rows whose split key is missing are one block: nothing shows that they are apart. */
pare_status pare_build_blocks(pare_build *build) {
    const pare_table *table = &build->data->table;
    if (build->split < 0) {
        return PARE_OK;
    }
    double *key = NULL;
    pare_status status = pare_alloc(build->ctx, table->rows, sizeof *key, &key);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_alloc(build->ctx, table->rows, sizeof *build->block, &build->block);
    if (status != PARE_OK) {
        goto fail;
    }
    int64_t count = 0;
    for (int64_t i = 0; i < table->rows; i++) {
        double cell = pare_table_cell(table, i, build->split);
        key[i] = isnan(cell) ? -INFINITY : cell;
    }
    qsort(key, (size_t)table->rows, sizeof *key, compare_doubles);
    for (int64_t i = 0; i < table->rows; i++) {
        if (i == 0 || key[i] != key[count - 1]) {
            key[count++] = key[i];
        }
    }
    build->blocks = count;
    for (int64_t i = 0; i < table->rows; i++) {
        double cell = pare_table_cell(table, i, build->split);
        double wanted = isnan(cell) ? -INFINITY : cell;
        int64_t low = 0, high = count - 1;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (key[middle] < wanted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        build->block[i] = low;
    }
    if (count == 1) {
        status = pare_fail(build->ctx, PARE_ERROR_INPUT,
                           "%s: option split-by: column '%.100s' holds one value only; rows with "
                           "different values were expected",
                           table->source, table->column[build->split].name);
    }
fail:
    pare_free(build->ctx, key);
    return status;
}
