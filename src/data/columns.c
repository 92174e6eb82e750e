/* Finding columns, cells and places in a table. */
#include "base/text.h"
#include "data/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *pare_table_place(const pare_table *table, int64_t row, char *buffer) {
    if (table->first_line > 0) {
        snprintf(buffer, PARE_PLACE_SIZE, "%.500s line %lld", table->source,
                 (long long)(table->first_line + row));
    } else {
        snprintf(buffer, PARE_PLACE_SIZE, "%.500s row %lld", table->source, (long long)(row + 1));
    }
    return buffer;
}

pare_status pare_column_names_init(pare_context *ctx, const pare_table *table,
                                   pare_column_names *out) {
    *out = (pare_column_names){.ctx = ctx, .table = table, .slots = 16};
    while (out->slots < 2 * table->columns) {
        out->slots *= 2;
    }
    pare_status status = pare_alloc(ctx, out->slots, sizeof *out->slot, &out->slot);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t s = 0; s < out->slots; s++) {
        out->slot[s] = -1;
    }
    for (int64_t j = 0; j < table->columns; j++) {
        const char *name = table->column[j].name;
        int64_t length = (int64_t)strlen(name);
        if (pare_column_by_name(out, name, length) >= 0) {
            pare_column_names_clear(out);
            return pare_fail(ctx, PARE_ERROR_INPUT,
                             "%s: two columns are named '%s'; names must differ", table->source,
                             name);
        }
        uint64_t mask = (uint64_t)out->slots - 1;
        uint64_t at = pare_hash(PARE_HASH_START, name, length) & mask;
        while (out->slot[at] >= 0) {
            at = (at + 1) & mask;
        }
        out->slot[at] = j;
    }
    return PARE_OK;
}

void pare_column_names_clear(pare_column_names *names) {
    if (names->ctx) {
        pare_free(names->ctx, names->slot);
    }
    *names = (pare_column_names){0};
}

int64_t pare_column_by_name(const pare_column_names *names, const char *name, int64_t length) {
    uint64_t mask = (uint64_t)names->slots - 1;
    uint64_t at = pare_hash(PARE_HASH_START, name, length) & mask;
    for (; names->slot[at] >= 0; at = (at + 1) & mask) {
        const char *other = names->table->column[names->slot[at]].name;
        if (strncmp(other, name, (size_t)length) == 0 && other[length] == '\0') {
            return names->slot[at];
        }
    }
    return -1;
}

int64_t pare_column_find(const pare_column_names *names, const char *name, int64_t length) {
    int64_t column = pare_column_by_name(names, name, length);
    if (column >= 0 || length == 0 || length > 18) {
        return column;
    }
    column = 0;
    for (int64_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return -1;
        }
        column = 10 * column + (name[i] - '0');
    }
    return column < names->table->columns ? column : -1;
}

const char *pare_shortest_text(double value, char *buffer) {
    bool single = value == (double)(float)value;
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(buffer, PARE_NUMBER_SIZE, "%.*g", digits, value);
        double back = 0;
        if (pare_parse_real(buffer, &back) &&
            (single ? (float)back == (float)value : back == value)) {
            break;
        }
    }
    return buffer;
}

int64_t pare_table_stored(const pare_table *table, int64_t row, int64_t column) {
    int64_t low = table->start[row], high = table->start[row + 1];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (table->index[middle] < column) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < table->start[row + 1] && table->index[low] == column ? low : -1;
}

double pare_table_cell(const pare_table *table, int64_t row, int64_t column) {
    switch (table->storage) {
    case PARE_STORAGE_F32:
        return (double)table->f32[row * table->columns + column];
    case PARE_STORAGE_U8:
        return table->u8[row * table->columns + column];
    case PARE_STORAGE_CSR: {
        int64_t place = pare_table_stored(table, row, column);
        return place < 0 ? 0 : (double)table->value[place];
    }
    case PARE_STORAGE_FILE:
        return table->held[column] ? (double)table->held[column][row] : NAN;
    }
    return NAN;
}
