/* Opening, wrapping and closing a dataset: the order in which its parts are built. */
#include "base/text.h"
#include "data/build.h"
#include "platform/system.h"

#include <math.h>
#include <string.h>

static void free_texts(pare_context *ctx, char **text, int64_t count) {
    for (int64_t i = 0; text && i < count; i++) {
        pare_free(ctx, text[i]);
    }
    pare_free(ctx, text);
}

void pare_dataset_free(pare_dataset *data) {
    if (!data) {
        return;
    }
    pare_context *ctx = data->ctx;
    if (!data->like) {
        free_texts(ctx, data->class_name, data->classes);
        free_texts(ctx, data->candidate_name, data->candidates);
        free_texts(ctx, data->dropped_name, data->dropped);
        pare_free(ctx, data->target_mean);
        pare_free(ctx, data->target_scale);
        pare_free(ctx, data->feature);
        pare_free(ctx, data->encoding);
        pare_free(ctx, data->shift);
        pare_free(ctx, data->scale);
        pare_free(ctx, data->zero);
        pare_free(ctx, data->mean);
        pare_free(ctx, data->variance);
        pare_free(ctx, data->candidate_start);
    }
    free_texts(ctx, data->output_name, data->target_columns);
    pare_table_clear(&data->table);
    pare_options_clear(&data->options);
    pare_free(ctx, data->summary);
    pare_free(ctx, data->label);
    pare_free(ctx, data->target);
    pare_free(ctx, data->weight);
    pare_free(ctx, data->weight_name);
    pare_free(ctx, data->train);
    pare_free(ctx, data->validation);
    pare_free(ctx, data);
}

static void clear_build(pare_build *build) {
    pare_context *ctx = build->ctx;
    if (build->has_target_table) {
        pare_table_clear(&build->target_table);
    }
    pare_column_names_clear(&build->names);
    free_texts(ctx, build->group_name, build->groups);
    pare_free(ctx, build->role);
    pare_free(ctx, build->target);
    pare_free(ctx, build->group);
    pare_free(ctx, build->raw.value);
    pare_free(ctx, build->usable);
    pare_free(ctx, build->block);
    pare_free(ctx, build->gaps);
    pare_free(ctx, build->part_weight);
    pare_free(ctx, build->moments);
    pare_free(ctx, build->level_weight);
    pare_free(ctx, build->level_at);
}

static const char *plural(int64_t count) {
    return count == 1 ? "" : "s";
}

static void describe_target(const pare_dataset *data, pare_text *text) {
    pare_text_append(text, ", target '%.60s'", data->output_name[0]);
    if (data->target_columns > 1) {
        pare_text_append(text, " and %lld more", (long long)(data->target_columns - 1));
    }
    switch (data->kind) {
    case PARE_KIND_BINARY:
        pare_text_append(text, ": binary ('%.40s', '%.40s')",
                         (data->like ? data->like : data)->class_name[0],
                         (data->like ? data->like : data)->class_name[1]);
        break;
    case PARE_KIND_MULTICLASS:
        pare_text_append(text, ": multiclass, %lld classes", (long long)data->classes);
        break;
    case PARE_KIND_REGRESSION:
        pare_text_append(text, ": %sregression", data->outputs > 1 ? "multi-output " : "");
        break;
    }
}

static pare_status describe(pare_dataset *data) {
    pare_text text = {.ctx = data->ctx};
    int64_t rows = data->train_count + data->validation_count;
    pare_text_append(&text, "%s: %lld row%s ", data->table.source, (long long)rows, plural(rows));
    if (data->like) {
        pare_text_append(&text, "to test");
    } else {
        pare_text_append(&text, "(%lld to train, %lld to validate)", (long long)data->train_count,
                         (long long)data->validation_count);
    }
    pare_text_append(&text, ", %lld candidate%s", (long long)data->candidates,
                     plural(data->candidates));
    if (data->features != data->candidates) {
        pare_text_append(&text, " (%lld features)", (long long)data->features);
    }
    describe_target(data, &text);
    if (data->weight) {
        pare_text_append(&text, ", weighted");
    }
    if (data->table.rows > rows) {
        pare_text_append(&text, ", %lld rows without target left out",
                         (long long)(data->table.rows - rows));
    }
    if (text.status != PARE_OK) {
        pare_text_clear(&text);
        return text.status;
    }
    data->summary = text.bytes;
    return PARE_OK;
}

/* The parts in order; each reads what those before it wrote. */
static pare_status build_all(pare_build *build) {
    pare_dataset *data = build->data;
    pare_table *table = &data->table;
    data->source_columns = table->columns;
    if (table->rows < 2 || table->columns < 1) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s: %lld row%s and %lld column%s; at least 2 rows and a column were "
                         "expected",
                         table->source, (long long)table->rows, plural(table->rows),
                         (long long)table->columns, plural(table->columns));
    }
    static pare_status (*const parts[])(pare_build *) = {
        pare_build_roles,        pare_build_groups,       pare_build_categorical,
        pare_build_target,       pare_build_weights,      pare_build_blocks,
        pare_build_split,        pare_build_scan,         pare_build_scale_weights,
        pare_build_target_scale, pare_build_known_levels, pare_build_empty,
        pare_build_squeeze,      pare_build_features,     pare_build_statistics,
    };
    static pare_status (*const file_parts[])(pare_build *) = {
        pare_build_roles,        pare_build_groups, pare_build_hold,     pare_build_target,
        pare_build_weights,      pare_build_blocks, pare_build_split,    pare_build_scale_weights,
        pare_build_target_scale, pare_build_survey, pare_build_features, pare_build_statistics,
    };
    bool file = table->storage == PARE_STORAGE_FILE;
    size_t count = file ? sizeof file_parts / sizeof file_parts[0] : sizeof parts / sizeof parts[0];
    for (size_t i = 0; i < count; i++) {
        pare_status status = (file ? file_parts : parts)[i](build);
        if (status != PARE_OK) {
            return status;
        }
    }
    return describe(data);
}

/* Which columns of the test rows are target and weight. */
static pare_status find_roles_like(pare_build *build) {
    const pare_dataset *data = build->data, *like = data->like;
    const pare_table *table = &data->table;
    build->weight = build->split = -1;
    if (table->rows < 1) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT, "%.300s: no rows; at least 1 was expected",
                         table->source);
    }
    pare_status status = pare_column_names_init(build->ctx, table, &build->names);
    if (status == PARE_OK) {
        status =
            pare_alloc(build->ctx, like->target_columns, sizeof *build->target, &build->target);
    }
    if (status != PARE_OK) {
        return status;
    }
    if (like->weight_name) {
        build->weight = pare_column_by_name(&build->names, like->weight_name,
                                            (int64_t)strlen(like->weight_name));
    }
    for (int64_t o = 0; o < like->target_columns && !build->has_target_table; o++) {
        const char *name = like->output_name[o];
        int64_t column = pare_column_by_name(&build->names, name, (int64_t)strlen(name));
        if (column < 0 && table->label && like->target_columns == 1) {
            break; /* the label of libsvm */
        }
        if (column < 0) {
            return pare_fail(build->ctx, PARE_ERROR_INPUT,
                             "%.300s has no column '%.100s', the target of %.300s", table->source,
                             name, like->table.source);
        }
        build->target[build->targets++] = column;
    }
    return PARE_OK;
}

/* Everything that the training table decided. */
static pare_status borrow_rules(pare_build *build) {
    pare_dataset *data = build->data;
    const pare_dataset *like = data->like;
    data->class_name = like->class_name;
    data->target_mean = like->target_mean;
    data->target_scale = like->target_scale;
    data->features = like->features;
    data->feature = like->feature;
    data->encoding = like->encoding;
    data->shift = like->shift;
    data->scale = like->scale;
    data->zero = like->zero;
    data->direct = like->direct;
    data->candidates = like->candidates;
    data->candidate_name = like->candidate_name;
    data->candidate_start = like->candidate_start;
    data->zero_share = like->zero_share;
    return PARE_OK;
}

static pare_status build_like(pare_build *build) {
    pare_dataset *data = build->data;
    data->source_columns = data->table.columns;
    static pare_status (*const parts[])(pare_build *) = {
        find_roles_like,    pare_build_target, pare_build_weights, pare_build_split,
        pare_build_conform, borrow_rules,      pare_build_scan,    pare_build_scale_weights,
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        pare_status status = parts[i](build);
        if (status != PARE_OK) {
            return status;
        }
    }
    data->plain = data->direct;
    for (int64_t j = 0; j < data->table.columns; j++) {
        data->plain = data->plain && !build->gaps[j];
    }
    return describe(data);
}

/* Takes the tables over and builds; clears everything on failure. */
static pare_status build(pare_build *build, pare_dataset *like, pare_table *table,
                         pare_table *target, pare_dataset **out) {
    pare_context *ctx = build->ctx;
    pare_dataset *data = NULL;
    *out = NULL;
    if (target) {
        build->target_table = *target;
        build->has_target_table = true;
        *target = (pare_table){0};
    }
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *data, &data);
    if (status != PARE_OK) {
        pare_table_clear(table);
        clear_build(build);
        return status;
    }
    data->ctx = ctx;
    data->like = like;
    data->table = *table;
    *table = (pare_table){0};
    build->data = data;
    pare_options copy;
    status = pare_options_copy(build->options, &copy);
    if (status == PARE_OK) {
        data->options = copy;
        status = like ? build_like(build) : build_all(build);
    }
    clear_build(build);
    if (status != PARE_OK) {
        pare_dataset_free(data);
        return status;
    }
    *out = data;
    return PARE_OK;
}

pare_status pare_dataset_from_table(pare_context *ctx, pare_table *table, pare_table *target,
                                    const pare_options *options, pare_dataset **out) {
    pare_build new = {.ctx = ctx, .options = options};
    return build(&new, NULL, table, target, out);
}

pare_status pare_dataset_from_table_like(pare_dataset *like, pare_table *table, pare_table *target,
                                         pare_dataset **out) {
    pare_build new = {.ctx = like->ctx, .options = &like->options};
    return build(&new, like, table, target, out);
}

/* Options for another file: `format` and names of categorical columns replaced. */
static pare_status other_options(const pare_options *options, bool any_format,
                                 const char *categorical, pare_options *out) {
    pare_status status = pare_options_copy(options, out);
    if (status == PARE_OK) {
        out->format = any_format ? PARE_FORMAT_AUTO : out->format;
        status = pare_options_set(out, "categorical", categorical);
        if (status != PARE_OK) {
            pare_options_clear(out);
        }
    }
    return status;
}

static pare_status read_target(pare_context *ctx, const char *path, const pare_options *options,
                               const char *categorical, pare_table *out) {
    pare_options own;
    pare_status status = other_options(options, true, categorical, &own);
    if (status == PARE_OK) {
        status = pare_table_read(ctx, path, &own, out);
        pare_options_clear(&own);
    }
    return status;
}

pare_status pare_dataset_read(pare_context *ctx, const char *path, const pare_options *options,
                              pare_dataset **out) {
    *out = NULL;
    double start = pare_clock_seconds();
    pare_table table = {0}, target = {0};
    bool apart = options->target_file[0] != '\0';
    pare_status status = pare_table_open(ctx, path, options, &table);
    if (status == PARE_OK && apart) {
        status = read_target(ctx, options->target_file, options, "", &target);
        if (status != PARE_OK) {
            pare_table_clear(&table);
        }
    }
    if (status != PARE_OK) {
        return status;
    }
    status = pare_dataset_from_table(ctx, &table, apart ? &target : NULL, options, out);
    if (status == PARE_OK) {
        (*out)->seconds = pare_clock_seconds() - start;
    }
    return status;
}

/* Text columns of the training table, so that a test file whose cells happen to look like numbers
 * is read the same way. */
static pare_status list_categorical(const pare_dataset *like, pare_text *list) {
    for (int64_t j = 0; j < like->table.columns; j++) {
        const pare_column *column = &like->table.column[j];
        if (column->levels > 0 && !strchr(column->name, ',')) {
            pare_text_append(list, "%s%s", list->length > 0 ? "," : "", column->name);
        }
    }
    if (list->length == 0) {
        pare_text_append_bytes(list, "", 0);
    }
    return list->status;
}

pare_status pare_dataset_read_like(pare_dataset *like, const char *path, const char *target_path,
                                   pare_dataset **out) {
    *out = NULL;
    pare_context *ctx = like->ctx;
    pare_table table = {0}, target = {0};
    pare_text list = {.ctx = ctx};
    pare_options own;
    pare_status status = list_categorical(like, &list);
    if (status == PARE_OK) {
        status = other_options(&like->options, false, list.bytes, &own);
    }
    if (status == PARE_OK) {
        status = pare_table_read(ctx, path, &own, &table);
        pare_options_clear(&own);
    }
    pare_text_clear(&list);
    if (status == PARE_OK && target_path) {
        status = read_target(ctx, target_path, &like->options, "", &target);
        if (status != PARE_OK) {
            pare_table_clear(&table);
        }
    }
    if (status != PARE_OK) {
        return status;
    }
    return pare_dataset_from_table_like(like, &table, target_path ? &target : NULL, out);
}

/* Column names of an array: the caller's, or x0, x1, ... */
static pare_status name_columns(pare_context *ctx, const char *const *names, pare_table *table,
                                int64_t columns) {
    pare_status status = pare_alloc_zero(ctx, columns, sizeof *table->column, &table->column);
    for (int64_t j = 0; status == PARE_OK && j < columns; j++) {
        pare_text text = {.ctx = ctx};
        if (names && !names[j]) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT, "names: name %lld is NULL", (long long)j);
        }
        if (names) {
            pare_text_append(&text, "%s", names[j]);
        } else {
            pare_text_append(&text, "x%lld", (long long)j);
        }
        status = text.status;
        table->column[j].name = text.bytes;
        table->columns = j + (status == PARE_OK);
    }
    return status;
}

/* What both kinds of arrays share: names, then the ordinary construction. table: storage filled in,
 * taken over. */
static pare_status wrap(pare_context *ctx, pare_table *table, int64_t d, int64_t outputs,
                        const double *y, const float *weight, const char *const *names,
                        const pare_options *options, pare_dataset **out) {
    static const char source[] = "arrays";
    table->ctx = ctx;
    table->named = names != NULL;
    table->borrowed = true;
    pare_status status = pare_text_copy(ctx, source, sizeof source - 1, &table->source);
    if (status == PARE_OK) {
        status = name_columns(ctx, names, table, d);
    }
    if (status != PARE_OK) {
        pare_table_clear(table);
        return status;
    }
    pare_build new = {.ctx = ctx, .options = options, .y = y, .y_columns = outputs, .w = weight};
    return build(&new, NULL, table, NULL, out);
}

static pare_status check_shape(pare_context *ctx, int64_t n, int64_t d, int64_t outputs) {
    int64_t cells = 0;
    if (n < 1 || d < 1 || outputs < 1 || !pare_checked_multiply(n, d, &cells) ||
        cells > INT64_MAX / 8 || !pare_checked_multiply(n, outputs, &cells)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "arrays: %lld rows, %lld columns, %lld outputs; at least 1 of each was "
                         "expected",
                         (long long)n, (long long)d, (long long)outputs);
    }
    return PARE_OK;
}

pare_status pare_dataset_from_arrays(pare_context *ctx, int64_t n, int64_t d, const float *x,
                                     int64_t outputs, const double *y, const float *weight,
                                     const char *const *names, const pare_options *options,
                                     pare_dataset **out) {
    *out = NULL;
    pare_table table = {.rows = n, .storage = PARE_STORAGE_F32, .f32 = (float *)x};
    pare_status status = check_shape(ctx, n, d, outputs);
    return status == PARE_OK ? wrap(ctx, &table, d, outputs, y, weight, names, options, out)
                             : status;
}

/* Everything later trusts the numbers of a sparse table. */
static pare_status check_sparse(pare_context *ctx, int64_t n, int64_t d, const int64_t *start,
                                const int32_t *index) {
    if (start[0] != 0) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "arrays: start[0] is %lld; 0 was expected",
                         (long long)start[0]);
    }
    for (int64_t i = 0; i < n; i++) {
        if (start[i + 1] < start[i]) {
            return pare_fail(ctx, PARE_ERROR_INPUT,
                             "arrays row %lld: ends at %lld, before its start %lld",
                             (long long)i + 1, (long long)start[i + 1], (long long)start[i]);
        }
        int64_t last = -1;
        for (int64_t p = start[i]; p < start[i + 1]; p++) {
            if (index[p] <= last || index[p] >= d) {
                return pare_fail(ctx, PARE_ERROR_INPUT,
                                 "arrays row %lld: column %lld; ascending numbers from 0 to %lld "
                                 "were expected",
                                 (long long)i + 1, (long long)index[p], (long long)d - 1);
            }
            last = index[p];
        }
    }
    return PARE_OK;
}

pare_status pare_dataset_from_sparse(pare_context *ctx, int64_t n, int64_t d, const int64_t *start,
                                     const int32_t *index, const float *value, int64_t outputs,
                                     const double *y, const float *weight, const char *const *names,
                                     const pare_options *options, pare_dataset **out) {
    *out = NULL;
    pare_table table = {.rows = n,
                        .storage = PARE_STORAGE_CSR,
                        .start = (int64_t *)start,
                        .index = (int32_t *)index,
                        .value = (float *)value};
    pare_status status = check_shape(ctx, n, d, outputs);
    if (status == PARE_OK) {
        status = check_sparse(ctx, n, d, start, index);
    }
    return status == PARE_OK ? wrap(ctx, &table, d, outputs, y, weight, names, options, out)
                             : status;
}

int64_t pare_dataset_find(const pare_dataset *data, const char *name, int64_t length) {
    for (int64_t c = 0; c < data->candidates; c++) {
        const char *other = data->candidate_name[c];
        if (strncmp(other, name, (size_t)length) == 0 && other[length] == '\0') {
            return c;
        }
    }
    return -1;
}
