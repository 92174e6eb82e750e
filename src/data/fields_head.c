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
            pare_fields_refuse(&fault, start, end, PARE_FIELDS_UNCLOSED);
            return pare_fields_fail(r, &fault, r->line);
        }
        (*out)[(*count)++].text = text;
    }
    return PARE_OK;
}

static bool is_text(const cell *c, const char *text) {
    return (int64_t)strlen(text) == c->length && memcmp(text, c->text, (size_t)c->length) == 0;
}

/* The number in the name that a column without a header has, x3; -1: another text. */
static int64_t headless(const char *name) {
    int64_t index = -1;
    bool digits = name[0] == 'x' && name[1] >= '0' && name[1] <= '9';
    return digits && pare_parse_integer(name + 1, &index) ? index : -1;
}

/* Whether every cell of the line is its own index, as in the header of a frame without names. */
static bool counts_up(const cell *cells, int64_t count) {
    bool good = true;
    for (int64_t c = 0; c < count && good; c++) {
        char digits[24];
        snprintf(digits, sizeof digits, "%lld", (long long)c);
        good = is_text(&cells[c], digits);
    }
    return good;
}

/* The column of the label, -1: none. *named: by its name, in the first line. A whole number names
 * a column by its text only where the line is known to be a header: labels are such numbers. */
static pare_status find_target(pare_fields_reader *r, const cell *cells, bool *named) {
    bool criteo = r->format == PARE_FIELDS_CRITEO;
    const char *target = criteo ? "0" : r->options->target;
    int64_t found = -1, index = -1;
    bool whole = pare_parse_integer(target, &index);
    bool names = !criteo && r->options->header != PARE_HEADER_NO &&
                 (r->options->header == PARE_HEADER_YES || !whole || counts_up(cells, r->columns));
    for (int64_t c = 0; c < r->columns && target[0] && names; c++) {
        found = is_text(&cells[c], target) ? c : found;
    }
    *named = found >= 0;
    if (!*named && target[0]) {
        /* A model of rows without a header calls its label x3. */
        found = whole ? index : r->options->header != PARE_HEADER_YES ? headless(target) : -1;
    }
    bool known = !target[0] || (found >= 0 && found < r->columns);
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

/* A header is there if it names the label, or unless the label's cell is a number. Rows without
 * label have one unless the model's had none. */
static bool has_header(const pare_fields_reader *r, const cell *cells, bool named) {
    double number = 0;
    if (r->format == PARE_FIELDS_CRITEO || r->options->header == PARE_HEADER_NO) {
        return false;
    }
    if (r->options->header == PARE_HEADER_YES || named) {
        return true;
    }
    if (r->target < 0) {
        return headless(r->options->target) < 0 || is_text(&cells[0], "x0");
    }
    const cell *label = &cells[r->target];
    return pare_cell_parse_double(label->text, label->text + label->length, &number) !=
           PARE_CELL_NUMBER;
}

/* The name of column c, into name[NAME_SIZE]. */
static void name_column(const pare_fields_reader *r, const cell *cells, int64_t c, bool header,
                        char *name) {
    bool criteo = r->format == PARE_FIELDS_CRITEO, counter = c <= CRITEO_NUMBERS;
    if (criteo) {
        snprintf(name, NAME_SIZE, "%c%lld", counter ? 'I' : 'C',
                 (long long)(counter ? c : c - CRITEO_NUMBERS));
    } else if (header) {
        int64_t length = cells[c].length < NAME_SIZE - 1 ? cells[c].length : NAME_SIZE - 1;
        snprintf(name, NAME_SIZE, "%.*s", (int)length, (const char *)cells[c].text);
    } else {
        snprintf(name, NAME_SIZE, "x%lld", (long long)c);
    }
}

/* Refuses a list that names a column that is not there. */
static pare_status check_list(const pare_fields_reader *r, const cell *cells, bool header,
                              const char *option, const char *list) {
    const char *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&list, &item, &length)) {
        char one[NAME_SIZE], name[NAME_SIZE];
        bool found = length >= NAME_SIZE;
        snprintf(one, sizeof one, "%.*s", (int)length, item);
        for (int64_t c = 0; c < r->columns && !found; c++) {
            name_column(r, cells, c, header, name);
            found = listed(one, name, c);
        }
        if (!found) {
            return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: option %s: there is no column '%s'",
                             r->name, option, one);
        }
    }
    return PARE_OK;
}

static pare_status add_column(pare_fields_reader *r, const cell *cells, int64_t c, bool header) {
    bool criteo = r->format == PARE_FIELDS_CRITEO, counter = criteo && c <= CRITEO_NUMBERS;
    char name[NAME_SIZE];
    name_column(r, cells, c, header, name);
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
    /* Fields of a later file come and go. */
    if (status == PARE_OK && r->format != PARE_FIELDS_CRITEO && !r->options->continue_from[0]) {
        status = check_list(r, cells, *consumed, "ignore", r->options->ignore);
        if (status == PARE_OK) {
            status = check_list(r, cells, *consumed, "categorical", r->options->categorical);
        }
    }
    for (int64_t c = 0; c < count && status == PARE_OK; c++) {
        status = add_column(r, cells, c, *consumed);
    }
    pare_free(r->ctx, cells);
    pare_free(r->ctx, copy);
    return status;
}
