/* Entries in any order as the sparse rows of a table. */
#include "data/sparse_build.h"

#include <stdlib.h>

static pare_status refuse_twice(const pare_table *table, int64_t row, int64_t column) {
    return pare_fail(table->ctx, PARE_ERROR_INPUT,
                     "%s: the entry of row %lld, column %lld comes twice; each may come once",
                     table->source, (long long)row + 1, (long long)column + 1);
}

/* One entry while its row is sorted. */
typedef struct entry {
    int32_t index;
    float value;
} entry;

static int compare_entries(const void *a, const void *b) {
    int32_t x = ((const entry *)a)->index, y = ((const entry *)b)->index;
    return (x > y) - (x < y);
}

/* Sorts the rows that need it; refuses a column that comes twice. */
static pare_status order_rows(pare_table *table) {
    entry *list = NULL;
    int64_t capacity = 0;
    pare_status status = PARE_OK;
    for (int64_t i = 0; status == PARE_OK && i < table->rows; i++) {
        int64_t from = table->start[i], to = table->start[i + 1];
        bool ordered = true;
        for (int64_t p = from + 1; p < to && ordered; p++) {
            ordered = table->index[p] > table->index[p - 1];
        }
        if (ordered) {
            continue;
        }
        status = pare_grow(table->ctx, to - from, sizeof *list, &capacity, &list);
        if (status != PARE_OK) {
            break;
        }
        for (int64_t p = from; p < to; p++) {
            list[p - from] = (entry){table->index[p], table->value[p]};
        }
        qsort(list, (size_t)(to - from), sizeof *list, compare_entries);
        for (int64_t p = from; p < to; p++) {
            table->index[p] = list[p - from].index;
            table->value[p] = list[p - from].value;
            if (p > from && table->index[p] == table->index[p - 1]) {
                status = refuse_twice(table, i, table->index[p]);
                break;
            }
        }
    }
    pare_free(table->ctx, list);
    return status;
}

/* Entries that are 0 are not stored. */
static void drop_zeros(pare_table *table) {
    int64_t at = 0, from = 0;
    for (int64_t i = 0; i < table->rows; i++) {
        int64_t to = table->start[i + 1];
        for (int64_t p = from; p < to; p++) {
            if (table->value[p] != 0) {
                table->index[at] = table->index[p];
                table->value[at++] = table->value[p];
            }
        }
        from = to;
        table->start[i + 1] = at;
    }
}

pare_status pare_rows_table(int64_t rows, int64_t columns, pare_table *table) {
    table->rows = rows;
    pare_status status = order_rows(table);
    if (status == PARE_OK) {
        drop_zeros(table);
        status = pare_table_name_columns(table, columns);
    }
    return status;
}

void pare_triplets_clear(pare_triplets *of) {
    if (of->ctx) {
        pare_free(of->ctx, of->row);
        pare_free(of->ctx, of->column);
        pare_free(of->ctx, of->value);
    }
    *of = (pare_triplets){0};
}

pare_status pare_triplets_reserve(pare_context *ctx, int64_t count, pare_triplets *out) {
    *out = (pare_triplets){.ctx = ctx};
    pare_status status = pare_alloc(ctx, count, sizeof *out->row, &out->row);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count, sizeof *out->column, &out->column);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count, sizeof *out->value, &out->value);
    }
    if (status != PARE_OK) {
        pare_triplets_clear(out);
    }
    return status;
}

pare_status pare_triplets_table(pare_triplets *of, int64_t rows, int64_t columns,
                                pare_table *table) {
    pare_context *ctx = table->ctx;
    table->storage = PARE_STORAGE_CSR;
    pare_status status = pare_alloc_zero(ctx, rows + 1, sizeof *table->start, &table->start);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, of->count, sizeof *table->index, &table->index);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, of->count, sizeof *table->value, &table->value);
    }
    if (status != PARE_OK) {
        return status;
    }
    table->rows = rows;
    /* Stable counting by row: entries that come column by column end up in order. start[i] is
     * where the next entry of row i goes, so that in the end it is where row i + 1 begins. */
    for (int64_t p = 0; p < of->count; p++) {
        table->start[of->row[p] + 1] += of->value[p] != 0;
    }
    for (int64_t i = 0; i < rows; i++) {
        table->start[i + 1] += table->start[i];
    }
    for (int64_t p = 0; p < of->count; p++) {
        if (of->value[p] != 0) {
            int64_t at = table->start[of->row[p]]++;
            table->index[at] = of->column[p];
            table->value[at] = of->value[p];
        }
    }
    memmove(table->start + 1, table->start, (size_t)rows * sizeof *table->start);
    table->start[0] = 0;
    pare_triplets_clear(of);
    status = order_rows(table);
    return status == PARE_OK ? pare_table_name_columns(table, columns) : status;
}
