/* Which columns a table holds, and in which order: in place, row by row. */
#include "base/text.h"
#include "data/build.h"

#include <string.h>

static void clear_column(pare_context *ctx, pare_column *column) {
    pare_free(ctx, column->name);
    for (int64_t l = 0; l < column->levels; l++) {
        pare_free(ctx, column->level[l]);
    }
    pare_free(ctx, column->level);
    *column = (pare_column){0};
}

static void squeeze_dense(pare_table *table, const int64_t *kept, int64_t count) {
    for (int64_t i = 0; i < table->rows; i++) {
        const float *from = table->f32 + i * table->columns;
        float *to = table->f32 + i * count; /* never ahead of what is still to be read */
        for (int64_t j = 0; j < count;) {
            int64_t run = 1;
            while (j + run < count && kept[j + run] == kept[j] + run) {
                run++;
            }
            memmove(to + j, from + kept[j], (size_t)run * sizeof *to);
            j += run;
        }
    }
}

/* map: new number of each column or -1; order within rows stays. */
static void squeeze_sparse(pare_table *table, const int64_t *map, int64_t columns) {
    int64_t at = 0, from = table->start[0];
    for (int64_t i = 0; i < table->rows; i++) {
        int64_t to = table->start[i + 1];
        for (int64_t p = from; p < to; p++) {
            int64_t column = table->index[p] < columns ? map[table->index[p]] : -1;
            if (column >= 0) {
                table->index[at] = (int32_t)column;
                table->value[at++] = table->value[p];
            }
        }
        from = to;
        table->start[i + 1] = at;
    }
}

/* Rows of a sparse table in ascending order again, after columns changed places. */
static void sort_sparse(pare_table *table) {
    for (int64_t i = 0; i < table->rows; i++) {
        for (int64_t p = table->start[i] + 1; p < table->start[i + 1]; p++) {
            int32_t index = table->index[p];
            float value = table->value[p];
            int64_t q = p;
            for (; q > table->start[i] && table->index[q - 1] > index; q--) {
                table->index[q] = table->index[q - 1];
                table->value[q] = table->value[q - 1];
            }
            table->index[q] = index;
            table->value[q] = value;
        }
    }
}

pare_status pare_build_squeeze(pare_build *build) {
    pare_context *ctx = build->ctx;
    pare_table *table = &build->data->table;
    int64_t *kept = NULL, *map = NULL, count = 0;
    pare_column_names_clear(&build->names); /* numbers change */
    if (table->storage == PARE_STORAGE_U8 || table->borrowed) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(ctx, table->columns, sizeof *kept, &kept);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, table->columns, sizeof *map, &map);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t j = 0; j < table->columns; j++) {
        map[j] = build->role[j] == PARE_ROLE_FEATURE ? count : -1;
        if (map[j] >= 0) {
            kept[count++] = j;
        }
    }
    if (count == table->columns) {
        goto fail;
    }
    if (table->storage == PARE_STORAGE_CSR) {
        squeeze_sparse(table, map, table->columns);
    } else {
        squeeze_dense(table, kept, count);
    }
    for (int64_t j = 0; j < table->columns; j++) {
        if (map[j] < 0) {
            clear_column(ctx, &table->column[j]);
        } else if (map[j] != j) {
            int64_t to = map[j];
            table->column[to] = table->column[j];
            table->column[j] = (pare_column){0};
            build->role[to] = build->role[j];
            build->gaps[to] = build->gaps[j];
            if (build->group) {
                build->group[to] = build->group[j];
            }
        }
    }
    table->columns = count;
fail:
    pare_free(ctx, kept);
    pare_free(ctx, map);
    return status;
}

/* Where each training column stands in the test table, -1: nowhere. */
static pare_status match_columns(pare_build *build, int64_t *source) {
    const pare_dataset *like = build->data->like;
    const pare_table *table = &build->data->table;
    bool sparse = table->storage == PARE_STORAGE_CSR;
    bool named = table->named || like->table.named;
    if (!named && !sparse && table->columns != like->source_columns &&
        !(build->has_target_table &&
          table->columns == like->source_columns - like->target_columns)) {
        return pare_fail(build->ctx, PARE_ERROR_INPUT,
                         "%.300s has %lld columns; %lld were expected, as %.300s has (columns "
                         "without names are matched by position)",
                         table->source, (long long)table->columns, (long long)like->source_columns,
                         like->table.source);
    }
    for (int64_t c = 0; c < like->table.columns; c++) {
        const char *name = like->table.column[c].name;
        source[c] = pare_column_by_name(&build->names, name, (int64_t)strlen(name));
        if (source[c] < 0 && like->encoding[c].feature >= 0 && !sparse) {
            return pare_fail(build->ctx, PARE_ERROR_INPUT,
                             "%.300s has no column '%.100s'; all columns of %.300s were expected",
                             table->source, name, like->table.source);
        }
    }
    return PARE_OK;
}

static pare_status adopt_levels(pare_build *build, const int64_t *source) {
    const pare_dataset *like = build->data->like;
    pare_table *table = &build->data->table;
    for (int64_t c = 0; c < like->table.columns; c++) {
        const pare_column *rules = &like->table.column[c];
        if (like->encoding[c].feature < 0 || source[c] < 0) {
            continue;
        }
        if (rules->levels > 0 && table->storage == PARE_STORAGE_CSR) {
            return pare_fail(build->ctx, PARE_ERROR_UNSUPPORTED,
                             "%.300s: column '%.100s' of the training table is categorical, which "
                             "a libsvm file cannot hold",
                             table->source, rules->name);
        }
        pare_status status = pare_column_adopt(build->ctx, table, source[c], rules);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* Cells of `size` bytes into the order of `source`; columns without a source become 0. */
static pare_status reorder_dense(pare_context *ctx, int64_t rows, int64_t old, int64_t columns,
                                 const int64_t *source, size_t size, bool borrowed, void *array) {
    unsigned char *from = NULL, *to = NULL, *line = NULL;
    memcpy(&from, array, sizeof from);
    bool fresh = borrowed || columns > old;
    int64_t cells = 0;
    if (!pare_checked_multiply(rows, columns, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: the table is too large");
    }
    pare_status status = pare_alloc_zero(ctx, columns, size, &line);
    if (status == PARE_OK && fresh) {
        status = pare_alloc(ctx, cells, size, &to);
    }
    if (status != PARE_OK) {
        pare_free(ctx, line);
        return status;
    }
    to = fresh ? to : from;
    for (int64_t i = 0; i < rows; i++) {
        const unsigned char *row = from + (size_t)(i * old) * size;
        for (int64_t c = 0; c < columns; c++) {
            if (source[c] >= 0) {
                memcpy(line + (size_t)c * size, row + (size_t)source[c] * size, size);
            }
        }
        memcpy(to + (size_t)(i * columns) * size, line, (size_t)columns * size);
    }
    pare_free(ctx, line);
    if (fresh && !borrowed) {
        pare_free(ctx, from);
    }
    memcpy(array, &to, sizeof to);
    return PARE_OK;
}

static pare_status reorder_sparse(pare_context *ctx, pare_table *table, int64_t columns,
                                  const int64_t *source) {
    int64_t *map = NULL;
    pare_status status = pare_alloc(ctx, table->columns, sizeof *map, &map);
    if (status != PARE_OK) {
        return status;
    }
    memset(map, 0xFF, (size_t)table->columns * sizeof *map); /* -1 */
    for (int64_t c = 0; c < columns; c++) {
        if (source[c] >= 0) {
            map[source[c]] = c;
        }
    }
    squeeze_sparse(table, map, table->columns);
    sort_sparse(table);
    pare_free(ctx, map);
    return PARE_OK;
}

/* The columns as the training table names them. */
static pare_status rename_columns(pare_context *ctx, pare_table *table, const pare_table *like) {
    pare_column *column = NULL;
    pare_status status = pare_alloc_zero(ctx, like->columns, sizeof *column, &column);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < table->columns; j++) {
        clear_column(ctx, &table->column[j]);
    }
    pare_free(ctx, table->column);
    table->column = column;
    table->columns = 0;
    for (int64_t c = 0; c < like->columns; c++) {
        const char *name = like->column[c].name;
        status = pare_text_copy(ctx, name, (int64_t)strlen(name), &column[c].name);
        if (status != PARE_OK) {
            return status;
        }
        table->columns = c + 1;
    }
    return PARE_OK;
}

pare_status pare_build_conform(pare_build *build) {
    pare_context *ctx = build->ctx;
    pare_table *table = &build->data->table;
    const pare_table *like = &build->data->like->table;
    int64_t *source = NULL;
    pare_status status = pare_alloc(ctx, like->columns, sizeof *source, &source);
    if (status == PARE_OK) {
        status = match_columns(build, source);
    }
    if (status == PARE_OK) {
        status = adopt_levels(build, source);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    bool same = table->columns == like->columns;
    for (int64_t c = 0; c < like->columns && same; c++) {
        same = source[c] == c;
    }
    pare_column_names_clear(&build->names);
    if (!same && table->storage == PARE_STORAGE_CSR) {
        status = reorder_sparse(ctx, table, like->columns, source);
    } else if (!same) {
        bool u8 = table->storage == PARE_STORAGE_U8;
        status = reorder_dense(ctx, table->rows, table->columns, like->columns, source,
                               u8 ? sizeof *table->u8 : sizeof *table->f32, table->borrowed,
                               u8 ? (void *)&table->u8 : (void *)&table->f32);
        table->borrowed = table->borrowed && status != PARE_OK;
    }
    if (status == PARE_OK) {
        status = rename_columns(ctx, table, like);
    }
fail:
    pare_free(ctx, source);
    return status;
}
