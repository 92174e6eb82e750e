/* Categorical columns: from numbers or texts to the level numbers that cells hold. */
#include "base/text.h"
#include "data/build.h"

#include <math.h>
#include <string.h>

enum { LEVELS_MAX = 65536, MANY_LEVELS = 20 };

pare_status pare_table_to_float(pare_context *ctx, pare_table *table) {
    if (table->storage != PARE_STORAGE_U8) {
        return PARE_OK;
    }
    int64_t cells = table->rows * table->columns; /* checked by the reader */
    pare_status status = pare_alloc(ctx, cells, sizeof *table->f32, &table->f32);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t p = 0; p < cells; p++) {
        table->f32[p] = table->u8[p];
    }
    pare_free(ctx, table->u8);
    table->u8 = NULL;
    table->storage = PARE_STORAGE_F32;
    return PARE_OK;
}

static void free_levels(pare_context *ctx, char **level, int64_t count) {
    for (int64_t l = 0; level && l < count; l++) {
        pare_free(ctx, level[l]);
    }
    pare_free(ctx, level);
}

/* A value and the level it became; kept in order of the values for the search. */
typedef struct level_value {
    float value;
    int32_t level;
} level_value;

/* Turns a number column into levels, numbered by first appearance. */
static pare_status levels_of_numbers(pare_context *ctx, pare_table *table, int64_t column) {
    level_value *list = NULL;
    char **level = NULL;
    int64_t count = 0, capacity = 0, texts = 0, text_capacity = 0;
    pare_status status = PARE_OK;
    for (int64_t i = 0; i < table->rows; i++) {
        float *cell = &table->f32[i * table->columns + column];
        if (isnan(*cell)) {
            continue;
        }
        int64_t low = 0, high = count;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (list[middle].value < *cell) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (low == count || list[low].value != *cell) {
            if (count == LEVELS_MAX) {
                status = pare_fail(ctx, PARE_ERROR_INPUT,
                                   "%.300s: option categorical: column '%.100s' has more than %d "
                                   "different values",
                                   table->source, table->column[column].name, (int)LEVELS_MAX);
                goto fail;
            }
            char text[PARE_NUMBER_SIZE];
            pare_shortest_text((double)*cell, text);
            status = pare_grow(ctx, count + 1, sizeof *list, &capacity, &list);
            if (status == PARE_OK) {
                status = pare_grow(ctx, count + 1, sizeof *level, &text_capacity, &level);
            }
            if (status == PARE_OK) {
                status = pare_text_copy(ctx, text, (int64_t)strlen(text), &level[texts]);
            }
            if (status != PARE_OK) {
                goto fail;
            }
            texts++;
            memmove(list + low + 1, list + low, (size_t)(count - low) * sizeof *list);
            list[low] = (level_value){*cell, (int32_t)count};
            count++;
        }
        *cell = (float)list[low].level;
    }
    table->column[column].levels = count;
    table->column[column].level = level;
    pare_free(ctx, list);
    return PARE_OK;
fail:
    pare_free(ctx, list);
    free_levels(ctx, level, texts);
    return status;
}

/* Memory of our own for a table whose cells are about to change. */
static pare_status own_table(pare_context *ctx, pare_table *table) {
    if (!table->borrowed) {
        return pare_table_to_float(ctx, table);
    }
    float *copy = NULL;
    int64_t cells = table->rows * table->columns;
    pare_status status = pare_alloc(ctx, cells, sizeof *copy, &copy);
    if (status == PARE_OK) {
        memcpy(copy, table->f32, (size_t)cells * sizeof *copy);
        table->f32 = copy;
        table->borrowed = false;
    }
    return status;
}

pare_status pare_column_categorise(pare_table *table, int64_t column) {
    if (table->column[column].levels > 0) {
        return PARE_OK;
    }
    if (table->storage == PARE_STORAGE_CSR) {
        return pare_fail(table->ctx, PARE_ERROR_UNSUPPORTED,
                         "%.300s: column '%.100s' cannot be categorical: those of sparse tables "
                         "are numbers",
                         table->source, table->column[column].name);
    }
    pare_status status = own_table(table->ctx, table);
    return status == PARE_OK ? levels_of_numbers(table->ctx, table, column) : status;
}

pare_status pare_build_categorical(pare_build *build) {
    pare_table *table = &build->data->table;
    const char *list = build->options->categorical, *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&list, &item, &length)) {
        int64_t column = pare_column_find(&build->names, item, length);
        bool wanted =
            build->role[column] == PARE_ROLE_FEATURE || build->role[column] == PARE_ROLE_TARGET;
        pare_status status = wanted ? pare_column_categorise(table, column) : PARE_OK;
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* Keeps the levels with a place in map (new numbers, -1: dropped), in the new order. */
static pare_status rename_levels(pare_context *ctx, pare_column *column, int64_t known,
                                 const int32_t *map) {
    char **level = NULL;
    pare_status status = pare_alloc_zero(ctx, known, sizeof *level, &level);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t l = 0; l < column->levels; l++) {
        if (map[l] >= 0) {
            level[map[l]] = column->level[l];
        } else {
            pare_free(ctx, column->level[l]);
        }
    }
    pare_free(ctx, column->level);
    column->level = level;
    column->levels = known;
    return PARE_OK;
}

pare_status pare_build_keep_levels(pare_build *build, int64_t column, int64_t known,
                                   const int32_t *map) {
    const pare_dataset *data = build->data;
    if (known == 0) {
        build->role[column] = PARE_ROLE_EMPTY;
    }
    if (known > MANY_LEVELS && 2 * known > data->train_count) {
        pare_warn(build->ctx,
                  "%.300s: column '%.100s' has %lld different texts in %lld training rows; if it "
                  "only names the rows, leave it out with option ignore",
                  data->table.source, data->table.column[column].name, (long long)known,
                  (long long)data->train_count);
    }
    return rename_levels(build->ctx, &build->data->table.column[column], known, map);
}

pare_status pare_build_known_levels(pare_build *build) {
    pare_context *ctx = build->ctx;
    const pare_dataset *data = build->data;
    const pare_table *table = &build->data->table;
    int64_t *column = NULL, *offset = NULL, *known = NULL, count = 0, total = 0;
    int32_t *map = NULL;
    for (int64_t j = 0; j < table->columns; j++) {
        bool categorical = build->role[j] == PARE_ROLE_FEATURE && table->column[j].levels > 0;
        count += categorical;
        total += categorical ? table->column[j].levels : 0;
    }
    if (count == 0) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(ctx, count, sizeof *column, &column);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count, sizeof *offset, &offset);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, count, sizeof *known, &known);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, total, sizeof *map, &map);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    count = total = 0;
    for (int64_t j = 0; j < table->columns; j++) {
        if (build->role[j] == PARE_ROLE_FEATURE && table->column[j].levels > 0) {
            column[count] = j;
            offset[count++] = total;
            total += table->column[j].levels;
        }
    }
    memset(map, 0xFF, (size_t)total * sizeof *map); /* -1 */
    for (int64_t i = 0; i < data->train_count; i++) {
        const float *row = table->f32 + data->train[i] * table->columns;
        for (int64_t c = 0; c < count; c++) {
            float cell = row[column[c]];
            int32_t *place = isnan(cell) ? NULL : &map[offset[c] + (int64_t)cell];
            if (place && *place < 0) {
                *place = (int32_t)known[c]++;
            }
        }
    }
    for (int64_t i = 0; i < table->rows; i++) {
        float *row = table->f32 + i * table->columns;
        for (int64_t c = 0; c < count; c++) {
            float *cell = &row[column[c]];
            int32_t place = isnan(*cell) ? -1 : map[offset[c] + (int64_t)*cell];
            *cell = place < 0 ? NAN : (float)place;
            build->gaps[column[c]] |= place < 0;
        }
    }
    for (int64_t c = 0; status == PARE_OK && c < count; c++) {
        status = pare_build_keep_levels(build, column[c], known[c], map + offset[c]);
    }
fail:
    pare_free(ctx, column);
    pare_free(ctx, offset);
    pare_free(ctx, known);
    pare_free(ctx, map);
    return status;
}

/* Level of the training column that reads like `text`, -1 if none. */
static int32_t level_like(const pare_column *rules, const char *text) {
    double number = 0, other = 0;
    bool is_number = pare_parse_real(text, &number);
    for (int64_t l = 0; l < rules->levels; l++) {
        if (strcmp(rules->level[l], text) == 0) {
            return (int32_t)l;
        }
    }
    for (int64_t l = 0; is_number && l < rules->levels; l++) {
        if (pare_parse_real(rules->level[l], &other) && (float)other == (float)number) {
            return (int32_t)l;
        }
    }
    return -1;
}

/* What each level of a test column becomes: a level, a number, or NaN. */
static pare_status map_levels(pare_context *ctx, const pare_table *table, int64_t column,
                              const pare_column *rules, float *map) {
    const pare_column *own = &table->column[column];
    for (int64_t l = 0; l < own->levels; l++) {
        double number = 0;
        if (rules->levels > 0) {
            int32_t level = level_like(rules, own->level[l]);
            map[l] = level < 0 ? NAN : (float)level;
        } else if (pare_parse_real(own->level[l], &number)) {
            map[l] = (float)number;
        } else {
            char place[PARE_PLACE_SIZE];
            int64_t row = 0;
            while (row < table->rows - 1 && table->f32[row * table->columns + column] != (float)l) {
                row++;
            }
            return pare_fail(ctx, PARE_ERROR_INPUT,
                             "%s: column '%.100s' holds the text '%.60s'; a number was expected, "
                             "as in the training table",
                             pare_table_place(table, row, place), own->name, own->level[l]);
        }
    }
    return PARE_OK;
}

pare_status pare_column_adopt(pare_context *ctx, pare_table *table, int64_t column,
                              const pare_column *rules) {
    pare_column *own = &table->column[column];
    pare_status status = PARE_OK;
    if (rules->levels > 0 && own->levels == 0) {
        status = pare_column_categorise(table, column);
    }
    float *map = NULL;
    if (status == PARE_OK && own->levels > 0) {
        status = pare_alloc(ctx, own->levels, sizeof *map, &map);
    }
    if (status == PARE_OK && own->levels > 0) {
        status = map_levels(ctx, table, column, rules, map);
    }
    for (int64_t i = 0; status == PARE_OK && map && i < table->rows; i++) {
        float *cell = &table->f32[i * table->columns + column];
        if (!isnan(*cell)) {
            *cell = map[(int64_t)*cell];
        }
    }
    pare_free(ctx, map);
    if (status == PARE_OK) { /* cells follow the rules' levels now */
        free_levels(ctx, own->level, own->levels);
        own->level = NULL;
        own->levels = 0;
    }
    return status;
}
