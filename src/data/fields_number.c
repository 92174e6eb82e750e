/* Fields of numbers: cells packed as decimals, their texts, their standardised values. */
#include "data/decimal.h"
#include "data/fields.h"
#include "data/reader.h"
#include "platform/system.h"

/* The whole text as a decimal, -1: it is none. */
static int64_t decimal_of(const unsigned char *text, int64_t length) {
    unsigned char copy[PARE_DECIMAL_SIZE + 3 * PARE_NUMBER_PAD] = {0};
    int64_t decimal = -1;
    if (length >= PARE_DECIMAL_SIZE) {
        return -1;
    }
    memcpy(copy, text, (size_t)length);
    const unsigned char *end = pare_decimal_read(copy, &decimal);
    return end > copy && end == copy + length ? decimal : -1;
}

pare_status pare_field_pack(pare_fields *fields, int64_t f, int64_t capacity) {
    pare_context *ctx = fields->ctx;
    pare_field *field = &fields->field[f];
    int64_t *decimal = NULL, *of_level = NULL;
    int32_t *odd = NULL; /* what becomes of levels that are no decimals */
    pare_vocabulary rest = {0};
    if (field->decimal) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(ctx, capacity, sizeof *decimal, &decimal);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, field->level.count, sizeof *of_level, &of_level);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, field->level.count, sizeof *odd, &odd);
    }
    for (int64_t l = 0; l < field->level.count && status == PARE_OK; l++) {
        int64_t length = 0, number = -1;
        const unsigned char *text = pare_vocabulary_text(&field->level, l, &length);
        of_level[l] = decimal_of(text, length);
        if (of_level[l] < 0) {
            status = pare_vocabulary_add(ctx, &rest, text, length, &number);
        }
        odd[l] = (int32_t)number;
    }
    if (status == PARE_OK) {
        for (int64_t i = 0; i < fields->rows; i++) {
            int32_t *cell = &fields->cell[i * fields->count + f];
            decimal[i] = *cell < 0 ? -1 : of_level[*cell];
            *cell = *cell < 0 ? -1 : odd[*cell];
        }
        pare_vocabulary_clear(ctx, &field->level);
        field->level = rest;
        field->decimal = decimal;
        decimal = NULL;
        rest = (pare_vocabulary){0};
    }
    pare_vocabulary_clear(ctx, &rest);
    pare_free(ctx, odd);
    pare_free(ctx, of_level);
    pare_free(ctx, decimal);
    return status;
}

pare_status pare_field_unpack(pare_fields *fields, int64_t f) {
    pare_context *ctx = fields->ctx;
    pare_field *field = &fields->field[f];
    pare_vocabulary all = {0};
    pare_status status = PARE_OK;
    if (!field->decimal) {
        return PARE_OK;
    }
    for (int64_t i = 0; i < fields->rows && status == PARE_OK; i++) {
        int32_t *cell = &fields->cell[i * fields->count + f];
        unsigned char written[PARE_DECIMAL_SIZE];
        const unsigned char *text = written;
        int64_t length = 0, level = -1;
        if (field->decimal[i] >= 0) {
            length = pare_decimal_text(field->decimal[i], written);
        } else if (*cell >= 0) {
            text = pare_vocabulary_text(&field->level, *cell, &length);
        } else {
            continue;
        }
        status = pare_vocabulary_add(ctx, &all, text, length, &level);
        *cell = (int32_t)level;
    }
    if (status != PARE_OK) {
        pare_vocabulary_clear(ctx, &all);
        return status;
    }
    pare_vocabulary_clear(ctx, &field->level);
    field->level = all;
    pare_free(ctx, field->decimal);
    field->decimal = NULL;
    return PARE_OK;
}

/* Whether the text is a whole number that has no double of its own. */
static bool beyond_doubles(const unsigned char *text, int64_t length) {
    int64_t at = length > 0 && (*text == '-' || *text == '+'), number = 0;
    while (at < length && text[at] == '0') {
        at++;
    }
    if (length - at > PARE_DECIMAL_DIGITS + 1) {
        number = INT64_MAX;
    }
    for (; at < length && text[at] - (unsigned)'0' <= 9; at++) {
        number = number < INT64_MAX / 20 ? 10 * number + (text[at] - '0') : INT64_MAX;
    }
    return at == length && number > PARE_WHOLE_MAX;
}

bool pare_field_is_number(const pare_fields *fields, int64_t f, int64_t levels) {
    const pare_field *field = &fields->field[f];
    bool number = field->decimal || field->level.count > levels;
    for (int64_t l = 0; l < field->level.count && number; l++) {
        int64_t length = 0;
        const unsigned char *text = pare_vocabulary_text(&field->level, l, &length);
        double value = 0;
        pare_cell cell = pare_cell_parse_double(text, text + length, &value);
        number = cell == PARE_CELL_MISSING ||
                 (cell == PARE_CELL_NUMBER && !beyond_doubles(text, length));
    }
    for (int64_t i = 0; i < fields->rows && number && field->decimal; i++) {
        int64_t decimal = field->decimal[i];
        number = decimal < 0 || !pare_decimal_whole(decimal) ||
                 pare_decimal_digits(decimal) <= PARE_WHOLE_MAX;
    }
    return number;
}

enum { ID_ROWS = 100000, ID_VALUES = 256, ID_SLOTS = 1024 };

bool pare_field_like_ids(const pare_fields *fields, int64_t f) {
    const int64_t *decimal = fields->field[f].decimal;
    int64_t slot[ID_SLOTS], values = 0, rows = fields->rows < ID_ROWS ? fields->rows : ID_ROWS;
    bool whole = decimal != NULL;
    memset(slot, 0xff, sizeof slot);
    for (int64_t i = 0; i < rows && whole && values < ID_VALUES; i++) {
        if (decimal[i] < 0) {
            continue;
        }
        uint64_t at = (uint64_t)decimal[i] * UINT64_C(0x9e3779b97f4a7c15) >> 54;
        while (slot[at] >= 0 && slot[at] != decimal[i]) {
            at = (at + 1) % ID_SLOTS;
        }
        values += slot[at] < 0;
        slot[at] = decimal[i];
        whole = pare_decimal_whole(decimal[i]) && !(decimal[i] & 1);
    }
    return whole && values == ID_VALUES;
}

pare_status pare_field_refuse(const pare_fields *fields, int64_t f, int64_t level,
                              const char *expected) {
    const pare_field *field = &fields->field[f];
    int64_t row = 0, length = 0;
    const unsigned char *text = pare_vocabulary_text(&field->level, level, &length);
    while (row < fields->rows && fields->cell[row * fields->count + f] != (int32_t)level) {
        row++;
    }
    return pare_fail(fields->ctx, PARE_ERROR_INPUT, "%s %s %lld: '%.*s' in field %s: expected %s",
                     fields->source, fields->head < 0 ? "row" : "line",
                     (long long)(row + 1 + (fields->head < 0 ? 0 : fields->head)),
                     (int)(length < 40 ? length : 40), (const char *)text, field->name, expected);
}

pare_status pare_field_numbers(pare_fields *fields, int64_t f) {
    pare_context *ctx = fields->ctx;
    pare_field *field = &fields->field[f];
    double *odd = NULL;
    pare_status status = pare_field_pack(fields, f, fields->rows);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, field->level.count, sizeof *odd, &odd);
    }
    for (int64_t l = 0; l < field->level.count && status == PARE_OK; l++) {
        int64_t length = 0;
        const unsigned char *text = pare_vocabulary_text(&field->level, l, &length);
        pare_cell cell = pare_cell_parse_double(text, text + length, &odd[l]);
        if (cell != PARE_CELL_NUMBER && cell != PARE_CELL_MISSING) {
            status = pare_field_refuse(fields, f, l, "a finite number");
        }
    }
    if (status == PARE_OK) {
        /* The same memory: each decimal is read before its number is written. */
        double *number = (void *)field->decimal;
        for (int64_t i = 0; i < fields->rows; i++) {
            int64_t decimal = field->decimal[i], level = -1;
            if (decimal >= 0) {
                number[i] = pare_decimal_value(decimal);
                continue;
            }
            level = fields->cell[i * fields->count + f];
            number[i] = level >= 0 ? odd[level] : (double)NAN;
        }
        field->number = number;
        field->decimal = NULL;
        pare_vocabulary_clear(ctx, &field->level);
    }
    pare_free(ctx, odd);
    return status;
}

pare_status pare_fields_need_values(pare_fields *fields) {
    if (fields->value) {
        return PARE_OK;
    }
    int64_t cells = fields->rows * fields->count; /* fits: cell has as many */
    pare_status status = pare_alloc(fields->ctx, cells, sizeof *fields->value, &fields->value);
    if (status == PARE_OK) {
        pare_memory_large_pages(fields->value, cells * (int64_t)sizeof *fields->value);
    }
    for (int64_t i = 0; status == PARE_OK && i < cells; i++) {
        fields->value[i] = 1;
    }
    return status;
}

void pare_field_standardise(pare_fields *fields, int64_t f) {
    pare_field *field = &fields->field[f];
    double sum = 0, square = 0;
    field->present = 0;
    for (int64_t i = 0; i < fields->rows; i++) {
        const double part[2] = {0, field->number[i]}; /* which rows count is not foreseen */
        bool counts = !fields->held_out[i] & !isnan(part[1]);
        sum += part[counts];
        field->present += counts;
    }
    field->mean = field->present > 0 ? sum / (double)field->present : 0;
    for (int64_t i = 0; i < fields->rows; i++) {
        const double part[2] = {0, field->number[i] - field->mean};
        bool counts = !fields->held_out[i] & !isnan(part[1]);
        square += part[counts] * part[counts];
    }
    field->scale = square > 0 ? 1 / sqrt(square / (double)field->present) : 0;
    field->size = 1;
}

pare_status pare_field_number(pare_fields *fields, int64_t f) {
    pare_field *field = &fields->field[f];
    pare_status status = pare_fields_need_values(fields);
    if (status == PARE_OK) {
        status = pare_field_numbers(fields, f);
    }
    if (status == PARE_OK) {
        pare_field_standardise(fields, f);
    }
    for (int64_t i = 0; i < fields->rows && status == PARE_OK; i++) {
        pare_field_put_number(fields, f, i, field);
    }
    return status;
}
