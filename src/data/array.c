#include "data/reader.h"

#include <math.h>

enum { BUFFER = 1 << 20, COLUMN_BUFFER = 1 << 24 };

/* Whether this machine stores the lowest byte first. */
static bool host_is_little(void) {
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static float decode(const pare_array *array, const unsigned char *from) {
    unsigned char bytes[8];
    for (int64_t i = 0; i < array->size; i++) {
        bytes[i] = from[array->big ? array->size - 1 - i : i];
    }
#define PARE_DECODE(type)                                                                          \
    do {                                                                                           \
        type value;                                                                                \
        memcpy(&value, bytes, sizeof value);                                                       \
        return (float)value;                                                                       \
    } while (0)
    bool is_signed = array->kind == 'i';
    if (array->kind == 'f') {
        if (array->size == 4) {
            PARE_DECODE(float);
        }
        PARE_DECODE(double);
    }
    switch (array->size) {
    case 1:
        return is_signed ? (float)(int8_t)bytes[0] : (float)bytes[0];
    case 2:
        if (is_signed) {
            PARE_DECODE(int16_t);
        }
        PARE_DECODE(uint16_t);
    case 4:
        if (is_signed) {
            PARE_DECODE(int32_t);
        }
        PARE_DECODE(uint32_t);
    default:
        if (is_signed) {
            PARE_DECODE(int64_t);
        }
        PARE_DECODE(uint64_t);
    }
#undef PARE_DECODE
}

static pare_status refuse_size(pare_input *input, const pare_array *array, int64_t bytes) {
    return pare_fail(input->ctx, PARE_ERROR_INPUT,
                     "%s: the data end after %lld bytes; expected %lld rows x %lld columns of %lld "
                     "bytes",
                     input->name, (long long)bytes, (long long)array->rows, (long long)array->cols,
                     (long long)array->size);
}

static pare_status read_exactly(pare_input *input, const pare_array *array, void *out,
                                int64_t bytes, int64_t *done) {
    int64_t count = pare_input_read(input, out, bytes);
    if (count < 0) {
        return pare_input_fail(input);
    }
    *done += count;
    return count == bytes ? PARE_OK : refuse_size(input, array, *done);
}

/* Rows of one after the other, through a buffer unless they are stored as they are kept. */
static pare_status read_rows(pare_input *input, const pare_array *array, float *f32) {
    int64_t cells = array->rows * array->cols, done = 0;
    if (array->kind == 'f' && array->size == 4 && !array->big) {
        return read_exactly(input, array, f32, cells * 4, &done);
    }
    unsigned char *buffer = NULL;
    pare_status status = pare_alloc(input->ctx, BUFFER, 1, &buffer);
    for (int64_t at = 0; at < cells && status == PARE_OK;) {
        int64_t count = BUFFER / array->size;
        count = count < cells - at ? count : cells - at;
        status = read_exactly(input, array, buffer, count * array->size, &done);
        for (int64_t i = 0; i < count && status == PARE_OK; i++) {
            f32[at + i] = decode(array, buffer + i * array->size);
        }
        at += count;
    }
    pare_free(input->ctx, buffer);
    return status;
}

/* Stored column after column: as many columns at a time as the buffer holds. */
static pare_status read_columns(pare_input *input, const pare_array *array, float *f32,
                                uint8_t *u8) {
    int64_t rows = array->rows, cols = array->cols, done = 0;
    int64_t column_bytes = rows * array->size;
    int64_t wide = column_bytes < COLUMN_BUFFER ? COLUMN_BUFFER / column_bytes : 1;
    wide = wide < cols ? wide : cols;
    unsigned char *buffer = NULL;
    pare_status status = pare_alloc(input->ctx, wide * column_bytes, 1, &buffer);
    for (int64_t first = 0; first < cols && status == PARE_OK; first += wide) {
        int64_t count = wide < cols - first ? wide : cols - first;
        status = read_exactly(input, array, buffer, count * column_bytes, &done);
        for (int64_t i = 0; i < rows && status == PARE_OK; i++) {
            for (int64_t c = 0; c < count; c++) {
                const unsigned char *from = buffer + c * column_bytes + i * array->size;
                if (u8) {
                    u8[i * cols + first + c] = *from;
                } else {
                    f32[i * cols + first + c] = decode(array, from);
                }
            }
        }
    }
    pare_free(input->ctx, buffer);
    return status;
}

static pare_status refuse_infinite(pare_input *input, const pare_table *table) {
    int64_t cells = table->rows * table->columns;
    for (int64_t i = 0; i < cells; i++) {
        if (isinf(table->f32[i])) {
            return pare_fail(input->ctx, PARE_ERROR_INPUT,
                             "%s row %lld (from 1), column '%s': an infinite number; expected a "
                             "finite one (up to 3.4e38)",
                             input->name, (long long)(i / table->columns) + 1,
                             table->column[i % table->columns].name);
        }
    }
    return PARE_OK;
}

static pare_status refuse_rest(pare_input *input, const pare_array *array) {
    unsigned char rest;
    int64_t count = pare_input_read(input, &rest, 1);
    if (count < 0) {
        return pare_input_fail(input);
    }
    return count == 0 ? PARE_OK
                      : pare_fail(input->ctx, PARE_ERROR_INPUT,
                                  "%s: more bytes than %lld rows x %lld columns of %lld bytes; "
                                  "expected the end of the data",
                                  input->name, (long long)array->rows, (long long)array->cols,
                                  (long long)array->size);
}

pare_status pare_array_read(pare_input *input, const pare_array *array, pare_table *table) {
    int64_t cells = 0, bytes = 0;
    pare_array here = *array;
    here.big = here.size > 1 && array->big == host_is_little();
    if (array->rows < 1 || array->cols < 1) {
        return pare_fail(input->ctx, PARE_ERROR_INPUT,
                         "%s: %lld rows x %lld columns; expected at least one of each", input->name,
                         (long long)array->rows, (long long)array->cols);
    }
    if (!pare_checked_multiply(array->rows, array->cols, &cells) ||
        !pare_checked_multiply(cells, 8, &bytes)) {
        return pare_fail(input->ctx, PARE_ERROR_INPUT,
                         "%s: %lld rows x %lld columns are more than memory can hold", input->name,
                         (long long)array->rows, (long long)array->cols);
    }
    /* Before anything of that size is allocated. */
    if (cells * array->size > pare_input_bound(input)) {
        return refuse_size(input, array, input->size);
    }
    pare_status status = pare_table_name_columns(table, array->cols);
    if (status != PARE_OK) {
        return status;
    }
    table->rows = array->rows;
    bool one_byte = array->size == 1 && array->kind != 'i';
    table->storage = one_byte ? PARE_STORAGE_U8 : PARE_STORAGE_F32;
    status = one_byte ? pare_alloc(input->ctx, cells, 1, &table->u8)
                      : pare_alloc(input->ctx, cells, sizeof(float), &table->f32);
    if (status != PARE_OK) {
        return status;
    }
    int64_t done = 0;
    status = array->columns && array->cols > 1 ? read_columns(input, &here, table->f32, table->u8)
             : one_byte                        ? read_exactly(input, &here, table->u8, cells, &done)
                                               : read_rows(input, &here, table->f32);
    if (status == PARE_OK) {
        status = refuse_rest(input, &here);
    }
    if (status == PARE_OK && !one_byte && array->kind == 'f') {
        status = refuse_infinite(input, table);
    }
    return status;
}
