/* The target: where it comes from, which task it makes, labels or real values of each row. */
#include "base/text.h"
#include "data/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AUTO_CLASSES = 100, CLASSES_MAX = 10000 };

/* Copies the name of target column `index`. */
static pare_status add_name(pare_build *build, int64_t index, const char *name) {
    pare_dataset *data = build->data;
    pare_status status =
        pare_text_copy(build->ctx, name, (int64_t)strlen(name), &data->output_name[index]);
    if (status == PARE_OK) {
        data->target_columns = index + 1;
    }
    return status;
}

/* Text of a column of several, or of a regression target, as numbers. */
static pare_status parse_column(pare_build *build, const pare_column *column, int64_t index) {
    pare_raw_target *raw = &build->raw;
    for (int64_t i = 0; i < build->data->table.rows; i++) {
        double *value = &raw->value[i * raw->columns + index];
        const char *text = *value == *value ? column->level[(int64_t)*value] : NULL;
        if (text && !pare_parse_real(text, value)) {
            char place[PARE_PLACE_SIZE];
            return pare_fail(build->ctx, PARE_ERROR_INPUT,
                             "%s: target '%.100s' holds the text '%.60s'; a number was expected",
                             pare_table_place(raw->table, i, place), column->name, text);
        }
    }
    return PARE_OK;
}

/* The named columns of `table` (the data or the target file). */
static pare_status read_columns(pare_build *build, const pare_table *table, int64_t count,
                                const int64_t *column) {
    pare_raw_target *raw = &build->raw;
    pare_status status = PARE_OK;
    for (int64_t o = 0; status == PARE_OK && o < count; o++) {
        const pare_column *one = &table->column[column[o]];
        for (int64_t i = 0; i < table->rows; i++) {
            raw->value[i * count + o] = pare_table_cell(table, i, column[o]);
        }
        if (one->levels > 0 && count == 1) {
            raw->level = one->level;
            raw->levels = one->levels;
        } else if (one->levels > 0) {
            status = parse_column(build, one, o);
        }
        char label[PARE_NUMBER_SIZE + 5] = "label"; /* x0 of a file of labels is no feature x0 */
        if (count > 1) {
            pare_shortest_text((double)o, label + 5);
        }
        bool nameless = build->has_target_table && !table->named;
        if (status == PARE_OK) {
            status = add_name(build, o, nameless ? label : one->name);
        }
    }
    return status;
}

/* Columns of a separate target file: those that option target names, else all. */
static pare_status choose_columns(pare_build *build, int64_t **out, int64_t *count) {
    const pare_table *table = &build->target_table;
    pare_column_names names;
    *count = 0;
    pare_status status = pare_column_names_init(build->ctx, table, &names);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_alloc(build->ctx, table->columns, sizeof **out, out);
    const pare_dataset *like = build->data->like;
    const char *list = build->options->target, *item = NULL;
    int64_t length = 0;
    while (status == PARE_OK && pare_list_next(&list, &item, &length)) {
        int64_t column = pare_column_find(&names, item, length);
        if (column < 0 && like && like->target_columns == table->columns) {
            *count = 0;
            break; /* the option names columns of the training table */
        }
        if (column < 0 || *count == table->columns) {
            status = pare_fail(build->ctx, PARE_ERROR_ARGUMENT,
                               "option target: %.300s has no column '%.*s'", table->source,
                               (int)(length < 100 ? length : 100), item);
            break;
        }
        (*out)[(*count)++] = column;
    }
    for (int64_t j = 0; status == PARE_OK && *count == 0 && j < table->columns; j++) {
        (*out)[j] = j;
    }
    *count = *count == 0 ? table->columns : *count;
    pare_column_names_clear(&names);
    return status;
}

static pare_status read_raw(pare_build *build) {
    pare_context *ctx = build->ctx;
    pare_dataset *data = build->data;
    const pare_table *table = &data->table;
    pare_raw_target *raw = &build->raw;
    int64_t *chosen = NULL;
    pare_status status = PARE_OK;
    bool label = false;
    raw->table = table;
    if (build->y) {
        raw->columns = build->y_columns;
    } else if (build->has_target_table) {
        raw->table = &build->target_table;
        if (raw->table->rows != table->rows) {
            return pare_fail(ctx, PARE_ERROR_INPUT,
                             "%.300s holds %lld rows; %lld were expected, as %.300s has",
                             raw->table->source, (long long)raw->table->rows,
                             (long long)table->rows, table->source);
        }
        status = choose_columns(build, &chosen, &raw->columns);
    } else {
        label = build->targets == 0;
        raw->columns = label ? 1 : build->targets;
    }
    int64_t cells = 0;
    if (status == PARE_OK && !pare_checked_multiply(table->rows, raw->columns, &cells)) {
        status = pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: the target is too large");
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, cells, sizeof *raw->value, &raw->value);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, raw->columns, sizeof *data->output_name, &data->output_name);
    }
    if (status != PARE_OK) {
        goto done;
    }
    if (chosen) {
        status = read_columns(build, raw->table, raw->columns, chosen);
    } else if (!build->y && !label) {
        status = read_columns(build, table, raw->columns, build->target);
    } else if (label) {
        memcpy(raw->value, table->label, (size_t)cells * sizeof *raw->value);
        status = add_name(build, 0, "label");
    } else {
        memcpy(raw->value, build->y, (size_t)cells * sizeof *raw->value);
        for (int64_t o = 0; status == PARE_OK && o < raw->columns; o++) {
            char name[PARE_NUMBER_SIZE + 1] = "y";
            if (raw->columns > 1) {
                pare_shortest_text((double)o, name + 1);
            }
            status = add_name(build, o, name);
        }
    }
done:
    pare_free(ctx, chosen);
    return status;
}

/* Which rows have the whole target. */
static pare_status find_usable(pare_build *build, int64_t *usable) {
    pare_context *ctx = build->ctx;
    const pare_raw_target *raw = &build->raw;
    int64_t rows = build->data->table.rows, missing = 0, first = 0;
    char place[PARE_PLACE_SIZE];
    pare_status status = pare_alloc(ctx, rows, 1, &build->usable);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < rows; i++) {
        build->usable[i] = 1;
        for (int64_t o = 0; o < raw->columns; o++) {
            double value = raw->value[i * raw->columns + o];
            if (isinf(value)) {
                return pare_fail(ctx, PARE_ERROR_INPUT,
                                 "%s: target '%.100s' is infinite; a finite number was expected",
                                 pare_table_place(raw->table, i, place),
                                 build->data->output_name[o]);
            }
            if (isnan(value)) {
                build->usable[i] = 0;
            }
        }
        if (!build->usable[i] && missing++ == 0) {
            first = i;
        }
    }
    *usable = rows - missing;
    if (missing == rows) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%.300s: target '%.100s' is missing in all rows",
                         raw->table->source, build->data->output_name[0]);
    }
    if (rows - missing < 2 && !build->data->like) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%.300s: 1 row with a target; at least 2 were expected",
                         raw->table->source);
    }
    if (missing > 0) {
        pare_warn(ctx, "%s: target '%.100s' is missing; %lld of %lld rows are left out for that",
                  pare_table_place(raw->table, first, place), build->data->output_name[0],
                  (long long)missing, (long long)rows);
    }
    return PARE_OK;
}

/* Sorted distinct values of the usable rows; *count = limit + 1 if there are more than limit. */
static pare_status find_distinct(const pare_build *build, int64_t limit, double **out,
                                 int64_t *count) {
    const double *value = build->raw.value;
    pare_status status = pare_alloc(build->ctx, limit + 1, sizeof **out, out);
    if (status != PARE_OK) {
        return status;
    }
    double *list = *out;
    *count = 0;
    for (int64_t i = 0; i < build->data->table.rows && *count <= limit; i++) {
        if (!build->usable[i]) {
            continue;
        }
        int64_t low = 0, high = *count;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (list[middle] < value[i]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (low == *count || list[low] != value[i]) {
            memmove(list + low + 1, list + low, (size_t)(*count - low) * sizeof *list);
            list[low] = value[i];
            (*count)++;
        }
    }
    return PARE_OK;
}

/* The rule of option task auto for numbers; see dataset.h. */
static bool looks_like_classes(const double *distinct, int64_t count, int64_t rows) {
    if (count <= 2) {
        return true;
    }
    if (count > AUTO_CLASSES || 2 * count > rows) {
        return false;
    }
    for (int64_t c = 0; c < count; c++) {
        if (distinct[c] != floor(distinct[c])) {
            return false;
        }
    }
    bool dense = (distinct[0] == 0 || distinct[0] == 1) &&
                 distinct[count - 1] - distinct[0] == (double)(count - 1);
    return dense || count * count <= rows;
}

/* A level with the number that its text is, NaN if it is none. */
typedef struct level_key {
    const char *text;
    double number;
    int64_t level;
} level_key;

/* Numbers ascending, then texts in byte order. */
static int compare_levels(const void *a, const void *b) {
    const level_key *x = a, *y = b;
    if (x->number != y->number && (x->number == x->number || y->number == y->number)) {
        return y->number != y->number || x->number < y->number ? -1 : 1;
    }
    return strcmp(x->text, y->text);
}

static double number_of(const char *text) {
    double number = 0;
    return pare_parse_real(text, &number) ? number : NAN;
}

/* Labels from texts: classes are the levels in order. */
static pare_status label_levels(pare_build *build) {
    pare_dataset *data = build->data;
    const pare_raw_target *raw = &build->raw;
    int32_t *place = NULL;
    level_key *key = NULL;
    pare_status status = pare_alloc(build->ctx, raw->levels, sizeof *place, &place);
    if (status == PARE_OK) {
        status = pare_alloc(build->ctx, raw->levels, sizeof *key, &key);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t l = 0; l < raw->levels; l++) {
        key[l] = (level_key){raw->level[l], number_of(raw->level[l]), l};
    }
    qsort(key, (size_t)raw->levels, sizeof *key, compare_levels);
    for (int64_t c = 0; c < raw->levels; c++) {
        place[key[c].level] = (int32_t)c;
        status = pare_text_copy(build->ctx, key[c].text, (int64_t)strlen(key[c].text),
                                &data->class_name[c]);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    for (int64_t i = 0; i < data->table.rows; i++) {
        data->label[i] = build->usable[i] ? place[(int64_t)raw->value[i]] : 0;
    }
fail:
    pare_free(build->ctx, place);
    pare_free(build->ctx, key);
    return status;
}

static pare_status label_numbers(pare_build *build, const double *distinct) {
    pare_dataset *data = build->data;
    for (int64_t c = 0; c < data->classes; c++) {
        char text[PARE_NUMBER_SIZE];
        pare_shortest_text(distinct[c], text);
        pare_status status =
            pare_text_copy(build->ctx, text, (int64_t)strlen(text), &data->class_name[c]);
        if (status != PARE_OK) {
            return status;
        }
    }
    for (int64_t i = 0; i < data->table.rows; i++) {
        int64_t low = 0, high = data->classes - 1;
        while (build->usable[i] && low < high) {
            int64_t middle = low + (high - low) / 2;
            if (distinct[middle] < build->raw.value[i]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        data->label[i] = (int32_t)low;
    }
    return PARE_OK;
}

static pare_status refuse_constant(const pare_build *build, int64_t output) {
    return pare_fail(build->ctx, PARE_ERROR_INPUT,
                     "%.300s: target '%.100s' is constant; there is nothing to learn from it",
                     build->raw.table->source, build->data->output_name[output]);
}

/* classes: number found; checks it against what was asked and what the rows can carry. */
static pare_status check_classes(const pare_build *build, int64_t classes, int64_t usable) {
    const char *source = build->raw.table->source, *name = build->data->output_name[0];
    if (classes < 2) {
        return refuse_constant(build, 0);
    }
    if (build->options->task == PARE_TASK_BINARY && classes != 2) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s: target '%.100s' takes %s%lld values; option task says binary, "
                         "which has two",
                         source, name, classes > CLASSES_MAX ? "more than " : "",
                         (long long)(classes > CLASSES_MAX ? CLASSES_MAX : classes));
    }
    if (classes > CLASSES_MAX || (classes > 2 && 2 * classes > usable)) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s: target '%.100s' makes %s%lld classes of %lld rows; at least two "
                         "rows a class and at most %d classes were expected",
                         source, name, classes > CLASSES_MAX ? "more than " : "",
                         (long long)(classes > CLASSES_MAX ? CLASSES_MAX : classes),
                         (long long)usable, (int)CLASSES_MAX);
    }
    return PARE_OK;
}

static pare_status fill_labels(pare_build *build, int64_t classes, int64_t usable,
                               const double *distinct) {
    pare_dataset *data = build->data;
    pare_status status = check_classes(build, classes, usable);
    if (status != PARE_OK) {
        return status;
    }
    bool binary = classes == 2 && build->options->task != PARE_TASK_MULTICLASS;
    data->kind = binary ? PARE_KIND_BINARY : PARE_KIND_MULTICLASS;
    data->classes = classes;
    data->outputs = binary ? 1 : classes;
    status = pare_alloc(build->ctx, data->table.rows, sizeof *data->label, &data->label);
    if (status == PARE_OK) {
        status = pare_alloc_zero(build->ctx, classes, sizeof *data->class_name, &data->class_name);
    }
    if (status != PARE_OK) {
        return status;
    }
    return build->raw.level ? label_levels(build) : label_numbers(build, distinct);
}

static pare_status fill_values(pare_build *build) {
    pare_dataset *data = build->data;
    const pare_raw_target *raw = &build->raw;
    data->kind = PARE_KIND_REGRESSION;
    data->outputs = raw->columns;
    int64_t cells = data->table.rows * raw->columns;
    pare_status status = pare_alloc(build->ctx, cells, sizeof *data->target, &data->target);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < cells; i++) {
        data->target[i] = build->usable[i / raw->columns] ? (float)raw->value[i] : 0;
        if (isinf(data->target[i])) {
            char place[PARE_PLACE_SIZE];
            return pare_fail(build->ctx, PARE_ERROR_INPUT,
                             "%s: target %g is beyond the range of a 32-bit float",
                             pare_table_place(raw->table, i / raw->columns, place), raw->value[i]);
        }
    }
    return PARE_OK;
}

/* Label of one test row, -1 if the training table has no such class. */
static int32_t class_like(const pare_build *build, int64_t row, const double *number) {
    const pare_dataset *like = build->data->like;
    double value = build->raw.value[row];
    char text[PARE_NUMBER_SIZE];
    const char *name = build->raw.level ? build->raw.level[(int64_t)value] : NULL;
    bool is_number = !name || pare_parse_real(name, &value);
    name = name ? name : pare_shortest_text(value, text);
    int64_t low = 0, high = like->classes;
    while (low < high && is_number) { /* number[] ascends, with the texts (NaN) behind */
        int64_t middle = low + (high - low) / 2;
        if ((float)number[middle] < (float)value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (is_number && low < like->classes && (float)number[low] == (float)value) {
        return (int32_t)low;
    }
    for (int64_t c = 0; c < like->classes; c++) {
        if (strcmp(like->class_name[c], name) == 0) {
            return (int32_t)c;
        }
    }
    return -1;
}

static pare_status fill_labels_like(pare_build *build) {
    pare_dataset *data = build->data;
    const pare_dataset *like = data->like;
    double *number = NULL;
    pare_status status =
        pare_alloc(build->ctx, data->table.rows, sizeof *data->label, &data->label);
    if (status == PARE_OK) {
        status = pare_alloc(build->ctx, like->classes, sizeof *number, &number);
    }
    for (int64_t c = 0; status == PARE_OK && c < like->classes; c++) {
        number[c] = number_of(like->class_name[c]);
    }
    for (int64_t i = 0; status == PARE_OK && i < data->table.rows; i++) {
        data->label[i] = build->usable[i] ? class_like(build, i, number) : 0;
        if (data->label[i] < 0) {
            char place[PARE_PLACE_SIZE], text[PARE_NUMBER_SIZE];
            double value = build->raw.value[i];
            status = pare_fail(build->ctx, PARE_ERROR_INPUT,
                               "%s: target '%.100s' is '%.60s', a class that %.200s does not have",
                               pare_table_place(build->raw.table, i, place), data->output_name[0],
                               build->raw.level ? build->raw.level[(int64_t)value]
                                                : pare_shortest_text(value, text),
                               like->table.source);
        }
    }
    pare_free(build->ctx, number);
    return status;
}

static pare_status fill_like(pare_build *build) {
    pare_dataset *data = build->data;
    const pare_dataset *like = data->like;
    data->kind = like->kind;
    data->classes = like->classes;
    if (build->raw.columns != like->target_columns) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s: %lld target columns; %lld were expected",
                         build->raw.table->source, (long long)build->raw.columns,
                         (long long)like->target_columns);
    }
    pare_status status = PARE_OK;
    if (like->label) {
        status = fill_labels_like(build);
    } else {
        status = fill_values(build);
    }
    data->outputs = like->outputs;
    return status;
}

pare_status pare_build_target(pare_build *build) {
    const pare_options *options = build->options;
    pare_status status = read_raw(build);
    if (status != PARE_OK) {
        return status;
    }
    const pare_dataset *like = build->data->like;
    bool real = like ? !like->label : options->task == PARE_TASK_REGRESSION;
    if (real && build->raw.level) {
        const pare_column column = {build->data->output_name[0], build->raw.levels,
                                    (char **)build->raw.level};
        status = parse_column(build, &column, 0);
        build->raw.level = NULL;
    }
    int64_t usable = 0;
    if (status == PARE_OK) {
        status = find_usable(build, &usable);
    }
    if (status != PARE_OK) {
        return status;
    }
    if (like) {
        return fill_like(build);
    }
    bool forced = options->task == PARE_TASK_BINARY || options->task == PARE_TASK_MULTICLASS;
    if (build->raw.columns > 1) {
        if (forced) {
            return pare_fail(build->ctx, PARE_ERROR_UNSUPPORTED,
                             "option task: classes need one target column; %lld are named",
                             (long long)build->raw.columns);
        }
        return fill_values(build);
    }
    if (real) {
        return fill_values(build);
    }
    if (build->raw.level) {
        return fill_labels(build, build->raw.levels, usable, NULL);
    }
    double *distinct = NULL;
    int64_t count = 0;
    status = find_distinct(build, forced ? CLASSES_MAX : AUTO_CLASSES, &distinct, &count);
    if (status == PARE_OK) {
        status = forced || looks_like_classes(distinct, count, usable)
                     ? fill_labels(build, count, usable, distinct)
                     : fill_values(build);
    }
    pare_free(build->ctx, distinct);
    return status;
}

pare_status pare_build_target_scale(pare_build *build) {
    pare_dataset *data = build->data;
    if (!data->target) {
        return PARE_OK;
    }
    pare_status status =
        pare_alloc(build->ctx, data->outputs, sizeof *data->target_mean, &data->target_mean);
    if (status == PARE_OK) {
        status =
            pare_alloc(build->ctx, data->outputs, sizeof *data->target_scale, &data->target_scale);
    }
    for (int64_t o = 0; status == PARE_OK && o < data->outputs; o++) {
        double first = (double)data->target[data->train[0] * data->outputs + o];
        double total = 0, sum = 0, square = 0;
        for (int pass = 0; pass < 2; pass++) { /* about the mean: large offsets lose nothing */
            first += total > 0 ? sum / total : 0;
            total = sum = square = 0;
            for (int64_t i = 0; i < data->train_count; i++) {
                int64_t row = data->train[i];
                double weight = (double)build->part_weight[row];
                double value = (double)data->target[row * data->outputs + o] - first;
                total += weight;
                sum += weight * value;
                square += weight * value * value;
            }
        }
        double mean = sum / total, variance = square / total - mean * mean;
        if (!(variance > 1e-28 * first * first)) {
            return refuse_constant(build, o);
        }
        data->target_mean[o] = (float)(first + mean);
        data->target_scale[o] = (float)(1 / sqrt(variance));
    }
    return status;
}
