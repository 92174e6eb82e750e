/* The fields of a file: by the first line, or by the numbers that name them. */
#include "data/fields_read.h"

#include "base/text.h"

#include <stdio.h>

enum { CRITEO_NUMBERS = 13, NAME_SIZE = 256 };

pare_status pare_fields_add(pare_fields_reader *r, const char *name, int64_t length,
                            pare_field_kind kind) {
    pare_fields *fields = r->fields;
    pare_status status = pare_grow(r->ctx, fields->count + 1, sizeof *fields->field,
                                   &r->fields_capacity, &fields->field);
    if (status == PARE_OK) {
        status =
            pare_grow(r->ctx, fields->count + 1, sizeof *r->place, &r->place_capacity, &r->place);
    }
    if (status != PARE_OK) {
        return status;
    }
    pare_field *field = &fields->field[fields->count];
    *field = (pare_field){.kind = kind, .scale = 1};
    status = pare_text_copy(r->ctx, name, length, &field->name);
    fields->count += status == PARE_OK;
    return status;
}

/* ---- Numbered fields ------------------------------------------------------------------------- */

int64_t pare_fields_numbered(const pare_fields_reader *r, uint64_t number) {
    if (number < PARE_FIELDS_DIRECT) {
        return r->direct[number];
    }
    for (int64_t f = 0; f < r->fields->count; f++) {
        if (r->number[f] == number) {
            return f;
        }
    }
    return -1;
}

pare_status pare_fields_add_number(pare_fields_reader *r, uint64_t number, int64_t line) {
    int64_t f = r->fields->count;
    if (f == PARE_FIELDS_MAX) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: more than %d fields; are ids and fields exchanged?",
                         r->name, (long long)line, PARE_FIELDS_MAX);
    }
    pare_status status =
        pare_grow(r->ctx, f + 1, sizeof *r->number, &r->number_capacity, &r->number);
    if (status != PARE_OK) {
        return status;
    }
    char name[24];
    int length = snprintf(name, sizeof name, "%llu", (unsigned long long)number);
    status = pare_fields_add(r, name, length, PARE_FIELD_CATEGORY);
    if (status == PARE_OK) {
        r->number[f] = number;
        if (number < PARE_FIELDS_DIRECT) {
            r->direct[number] = (int32_t)f;
        }
    }
    return status;
}

/* ---- Columns --------------------------------------------------------------------------------- */

typedef struct cell {
    const unsigned char *text;
    int64_t length;
} cell;

/* Does list `list` name the column? */
static bool listed(const char *list, const char *name, int64_t index) {
    const char *item = NULL;
    int64_t length = 0, number = 0;
    while (pare_list_next(&list, &item, &length)) {
        char digits[24] = "";
        if (length < (int64_t)sizeof digits) {
            memcpy(digits, item, (size_t)length);
            digits[length] = '\0';
        }
        if (((int64_t)strlen(name) == length && memcmp(name, item, (size_t)length) == 0) ||
            (pare_parse_integer(digits, &number) && number == index)) {
            return true;
        }
    }
    return false;
}

/* The cells of a line, which are freed of quotes in place; *count: how many. */
static pare_status split_line(const pare_fields_reader *r, unsigned char *line, unsigned char *end,
                              cell **out, int64_t *count) {
    int64_t capacity = 0;
    *out = NULL;
    *count = 0;
    for (unsigned char *p = line, *start = p; p; start = p) {
        pare_status status = pare_grow(r->ctx, *count + 1, sizeof **out, &capacity, out);
        if (status != PARE_OK) {
            return status;
        }
        unsigned char *text = NULL;
        if (!pare_fields_cell(r, &p, end, &text, &(*out)[*count].length)) {
            pare_fields_fault fault = {.line = 1};
            pare_fields_refuse(&fault, start, end,
                               "a closing quote before the end of the cell and line");
            return pare_fields_fail(r, &fault, r->line);
        }
        (*out)[(*count)++].text = text;
    }
    return PARE_OK;
}

static bool is_text(const cell *c, const char *text) {
    return (int64_t)strlen(text) == c->length && memcmp(text, c->text, (size_t)c->length) == 0;
}

/* The column of the label, -1: none. *named: by its name. */
static pare_status find_target(pare_fields_reader *r, const cell *cells, bool *named) {
    bool criteo = r->format == PARE_FIELDS_CRITEO;
    const char *target = criteo ? "0" : r->options->target;
    int64_t found = -1;
    for (int64_t c = 0; c < r->columns && target[0] && !criteo; c++) {
        found = is_text(&cells[c], target) ? c : found;
    }
    *named = found >= 0;
    bool known = *named || !target[0] ||
                 (pare_parse_integer(target, &found) && found >= 0 && found < r->columns);
    if (!known && !r->optional) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: there is no column '%s' for the label",
                         r->name, target);
    }
    r->target = !known ? -1 : target[0] ? found : r->columns - 1;
    if (criteo && r->columns != PARE_CRITEO_COLUMNS) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s line 1: %lld columns, expected %d: label, I1 .. I13, C1 .. C26",
                         r->name, (long long)r->columns, PARE_CRITEO_COLUMNS);
    }
    return r->columns <= PARE_FIELDS_MAX && r->columns >= 2
               ? PARE_OK
               : pare_fail(r->ctx, PARE_ERROR_INPUT, "%s line 1: %lld columns, expected 2 to %d",
                           r->name, (long long)r->columns, PARE_FIELDS_MAX);
}

/* A header is there if it names the label, or unless the label's cell is a number. */
static bool has_header(const pare_fields_reader *r, const cell *cells, bool named) {
    double number = 0;
    if (r->format == PARE_FIELDS_CRITEO || r->options->header == PARE_HEADER_NO) {
        return named;
    }
    if (r->options->header == PARE_HEADER_YES || named || r->target < 0) {
        return true;
    }
    const cell *label = &cells[r->target];
    return pare_cell_parse_double(label->text, label->text + label->length, &number) !=
           PARE_CELL_NUMBER;
}

static pare_status add_column(pare_fields_reader *r, const cell *cells, int64_t c, bool header) {
    bool criteo = r->format == PARE_FIELDS_CRITEO, counter = criteo && c <= CRITEO_NUMBERS;
    char name[NAME_SIZE];
    if (criteo) {
        snprintf(name, sizeof name, "%c%lld", counter ? 'I' : 'C',
                 (long long)(counter ? c : c - CRITEO_NUMBERS));
    } else if (header) {
        int64_t length = cells[c].length < NAME_SIZE - 1 ? cells[c].length : NAME_SIZE - 1;
        snprintf(name, sizeof name, "%.*s", (int)length, (const char *)cells[c].text);
    } else {
        snprintf(name, sizeof name, "x%lld", (long long)c);
    }
    int64_t length = (int64_t)strlen(name);
    r->column_field[c] = -1;
    r->column[c] = c == r->target ? PARE_FIELDS_LABEL : PARE_FIELDS_IGNORED;
    if (c == r->target) {
        return criteo ? PARE_OK : pare_text_copy(r->ctx, name, length, &r->fields->target);
    }
    if (!criteo && listed(r->options->ignore, name, c)) {
        return PARE_OK;
    }
    if (pare_fields_find(r->fields, name, length) >= 0) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s line 1: two columns are named '%s'", r->name,
                         name);
    }
    bool category = criteo || listed(r->options->categorical, name, c);
    r->column_field[c] = (int32_t)r->fields->count;
    r->column[c] = PARE_FIELDS_TEXT;
    /* NUMBER here: may become one, when all cells are read. */
    return pare_fields_add(r, name, length,
                           counter    ? PARE_FIELD_BUCKET
                           : category ? PARE_FIELD_CATEGORY
                                      : PARE_FIELD_NUMBER);
}

pare_status pare_fields_columns(pare_fields_reader *r, const unsigned char *line, int64_t length,
                                bool *consumed) {
    unsigned char *copy = NULL; /* as cells are freed of quotes in place */
    cell *cells = NULL;
    int64_t count = 0;
    bool named = false;
    pare_status status = pare_alloc_zero(r->ctx, length + PARE_NUMBER_PAD, 1, &copy);
    if (status == PARE_OK) {
        memcpy(copy, line, (size_t)length);
        status = split_line(r, copy, copy + length, &cells, &count);
    }
    if (status == PARE_OK) {
        r->columns = count;
        status = find_target(r, cells, &named);
    }
    if (status == PARE_OK) {
        status = pare_alloc(r->ctx, count, sizeof *r->column_field, &r->column_field);
    }
    if (status == PARE_OK) {
        status = pare_alloc(r->ctx, count, 1, &r->column);
    }
    *consumed = status == PARE_OK && has_header(r, cells, named);
    for (int64_t c = 0; c < count && status == PARE_OK; c++) {
        status = add_column(r, cells, c, *consumed);
    }
    pare_free(r->ctx, cells);
    pare_free(r->ctx, copy);
    return status;
}
