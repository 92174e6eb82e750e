/* A .pare file as a table in memory. */
#include "data/pare_file.h"

#include <math.h>

enum { WIDE = 16, TALL = 512 };

typedef struct reading {
    pare_pass pass;
    pare_table *table;
    int64_t entries; /* CSR: before the current group */
} reading;

static uint32_t word_at(const unsigned char *in, int64_t index) {
    uint32_t word;
    memcpy(&word, in + 4 * index, sizeof word);
    return word;
}

/* A chunk of columns into the rows of a float table; levels that do not exist are odd. */
static void take_floats(pare_table *table, pare_file_item *item) {
    const pare_record *r = &item->record;
    pare_chunk_kind kind = (pare_chunk_kind)r->kind;
    int64_t stride = pare_chunk_stride(kind, r->rows), columns = table->columns;
    float tile[WIDE * TALL];
    for (int64_t i = 0; i < r->rows; i += TALL) {
        int64_t rows = r->rows - i < TALL ? r->rows - i : TALL;
        for (int64_t c = 0; c < r->columns; c += WIDE) {
            int64_t width = r->columns - c < WIDE ? r->columns - c : WIDE;
            for (int64_t k = 0; k < width; k++) {
                float *cell = tile + k * TALL;
                pare_chunk_decode(kind, i, rows, item->cells + (c + k) * stride, cell);
                int64_t levels = table->column[r->column + c + k].levels;
                for (int64_t q = 0; levels > 0 && q < rows; q++) {
                    bool level =
                        cell[q] >= 0 && cell[q] < (float)levels && floorf(cell[q]) == cell[q];
                    item->odd = item->odd || !(level || isnan(cell[q]));
                }
            }
            float *out = table->f32 + ((int64_t)r->row + i) * columns + r->column + c;
            for (int64_t q = 0; q < rows; q++) {
                for (int64_t k = 0; k < width; k++) {
                    out[q * columns + k] = tile[k * TALL + q];
                }
            }
        }
    }
}

static void take_bytes(pare_table *table, const pare_file_item *item) {
    const pare_record *r = &item->record;
    for (int64_t c = 0; c < r->columns; c++) {
        uint8_t *out = table->u8 + (int64_t)r->row * table->columns + r->column + c;
        for (int64_t q = 0; q < r->rows; q++) {
            out[q * table->columns] = item->cells[c * r->rows + q];
        }
    }
}

static void take_sparse(reading *of, pare_file_item *item) {
    const pare_record *r = &item->record;
    pare_table *table = of->table;
    int64_t rows = r->rows, entries = word_at(item->cells, rows), before = of->entries;
    int64_t parts = r->kind == PARE_CHUNK_CSR ? 2 : 1;
    if (word_at(item->cells, 0) != 0 || (uint64_t)(rows + 1 + parts * entries) * 4 != r->length ||
        entries > (int64_t)of->pass.header.entries - before) {
        item->odd = true;
        return;
    }
    const unsigned char *index = item->cells + 4 * (rows + 1);
    for (int64_t i = 0; i < rows; i++) {
        int64_t from = word_at(item->cells, i), to = word_at(item->cells, i + 1), last = -1;
        item->odd = item->odd || from > to || to > entries;
        for (int64_t p = from; !item->odd && p < to; p++) {
            int64_t column = word_at(index, p);
            item->odd = column <= last || column >= table->columns;
            last = column;
            table->index[before + p] = (int32_t)column;
        }
        table->start[r->row + (uint64_t)i + 1] = before + to;
    }
    if (parts == 2) {
        memcpy(table->value + before, index + 4 * entries, (size_t)entries * sizeof(float));
    } else {
        for (int64_t p = 0; p < entries; p++) {
            table->value[before + p] = 1;
        }
    }
    of->entries += entries; /* one chunk a group: nobody else is here */
}

static void take(void *user, pare_file_item *item) {
    reading *of = user;
    pare_table *table = of->table;
    const pare_record *r = &item->record;
    if (r->kind == PARE_CHUNK_LABEL) {
        memcpy(table->label + r->row, item->cells, (size_t)r->length);
    } else if (table->storage == PARE_STORAGE_F32) {
        take_floats(table, item);
    } else if (table->storage == PARE_STORAGE_U8) {
        take_bytes(table, item);
    } else {
        take_sparse(of, item);
    }
}

static pare_status reserve(const pare_pass *pass, pare_table *table) {
    pare_context *ctx = pass->ctx;
    int64_t cells = table->rows * table->columns, entries = (int64_t)pass->header.entries;
    switch (table->storage) {
    case PARE_STORAGE_F32:
        return pare_alloc(ctx, cells, sizeof *table->f32, &table->f32);
    case PARE_STORAGE_U8:
        return pare_alloc(ctx, cells, 1, &table->u8);
    case PARE_STORAGE_CSR:
    case PARE_STORAGE_FILE: /* no file says so */
        break;
    }
    pare_status status = pare_alloc_zero(ctx, table->rows + 1, sizeof *table->start, &table->start);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, entries, sizeof *table->index, &table->index);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, entries, sizeof *table->value, &table->value);
    }
    if (status == PARE_OK && pass->header.flags & PARE_FILE_LABEL) {
        status = pare_alloc(ctx, table->rows, sizeof *table->label, &table->label);
    }
    return status;
}

pare_status pare_file_read(pare_input *input, pare_table *table) {
    reading of = {.table = table};
    pare_status status = pare_pass_open(input, table, &of.pass);
    if (status == PARE_OK) {
        status = reserve(&of.pass, table);
    }
    bool more = status == PARE_OK;
    while (more) {
        status = pare_pass_turn(&of.pass, &more);
        if (status == PARE_OK && more) {
            status = pare_pass_work(&of.pass, take, &of);
        }
        more = more && status == PARE_OK;
    }
    if (status == PARE_OK && table->storage == PARE_STORAGE_CSR &&
        of.entries != (int64_t)of.pass.header.entries) {
        status = pare_fail(input->ctx, PARE_ERROR_INPUT,
                           "%s: %lld stored values; the header says %llu: the file is damaged",
                           input->name, (long long)of.entries,
                           (unsigned long long)of.pass.header.entries);
    }
    pare_pass_close(&of.pass);
    return status;
}
