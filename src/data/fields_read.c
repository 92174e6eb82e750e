/* Files to field tables: each cell becomes a level of its field, in one pass. */
#include "data/fields_read.h"

#include "base/text.h"
#include "platform/system.h"

#include <stdio.h>

enum { NUMBER_LEVELS = 50, CRITEO_NUMBERS = 13, SHOWN = 40 };

typedef struct reader {
    pare_context *ctx;
    const char *name;
    const pare_options *options;
    pare_fields_format format;
    pare_fields *fields;
    int64_t line, entries, width; /* width: cells of the first libfm line */
    bool negative, zero;          /* labels -1, 0 seen */
    bool optional, missing;       /* rows may lack the label; one does */
    int64_t target;               /* csv: column of the label */
    int64_t columns;              /* csv: cells of a line */
    int32_t *column_field;        /* csv: (columns) field of the column, -1: none */
    /* Entries in file order, and where each row ends. */
    int32_t *field_of, *level_of;
    float *value_of;
    int64_t *last_row; /* (fields) row of the field's last entry */
    int64_t *end;
    bool valued;
    int64_t in_order; /* libffm, libfm: fields 0 .. in_order - 1 are named by their index */
    int64_t field_capacity, level_capacity, value_capacity, last_capacity, end_capacity,
        label_capacity, fields_capacity;
    unsigned char *scratch; /* a quoted cell without its quotes */
    int64_t scratch_capacity;
} reader;

typedef struct shown {
    char text[SHOWN + 4];
} shown;

static shown show(const unsigned char *p, const unsigned char *end) {
    shown out;
    int64_t length = 0;
    for (; p < end && length < SHOWN; p++) {
        out.text[length++] = *p < 0x20 || *p == 0x7f ? '?' : (char)*p;
    }
    out.text[length] = '\0';
    return out;
}

static pare_status refuse(const reader *r, const unsigned char *p, const unsigned char *end,
                          const char *expected) {
    return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s line %lld: '%s': expected %s", r->name,
                     (long long)r->line, show(p, end).text, expected);
}

static pare_status add_field(reader *r, const char *name, int64_t length, pare_field_kind kind) {
    pare_fields *fields = r->fields;
    pare_status status = pare_grow(r->ctx, fields->count + 1, sizeof *fields->field,
                                   &r->fields_capacity, &fields->field);
    if (status == PARE_OK) {
        status = pare_grow(r->ctx, fields->count + 1, sizeof *r->last_row, &r->last_capacity,
                           &r->last_row);
    }
    if (status != PARE_OK) {
        return status;
    }
    pare_field *field = &fields->field[fields->count];
    *field = (pare_field){.kind = kind, .scale = 1};
    status = pare_text_copy(r->ctx, name, length, &field->name);
    if (status == PARE_OK) {
        r->last_row[fields->count++] = -1;
    }
    return status;
}

/* p NULL: the row has none. */
static pare_status add_label(reader *r, const unsigned char *p, const unsigned char *end) {
    double label = 0;
    pare_cell cell = p ? pare_cell_parse_double(p, end, &label) : PARE_CELL_NUMBER;
    r->missing = r->missing || !p;
    if (cell != PARE_CELL_NUMBER || (label != 0 && label != 1 && label != -1)) {
        return refuse(r, p, end, "a label 0 or 1, or -1 or 1");
    }
    r->negative = r->negative || label < 0;
    r->zero = r->zero || (p && label == 0);
    if (r->negative && r->zero) {
        return refuse(r, p, end, "labels 0 and 1, or -1 and 1; not both -1 and 0");
    }
    pare_fields *fields = r->fields;
    pare_status status = pare_grow(r->ctx, fields->rows + 1, sizeof *fields->label,
                                   &r->label_capacity, &fields->label);
    if (status == PARE_OK) {
        status = pare_grow(r->ctx, fields->rows + 1, sizeof *r->end, &r->end_capacity, &r->end);
    }
    if (status == PARE_OK) {
        fields->label[fields->rows] = label > 0;
        r->end[fields->rows++] = r->entries;
    }
    return status;
}

/* One cell of the current row. */
static pare_status add_entry(reader *r, int64_t field, const unsigned char *text, int64_t length,
                             float value) {
    pare_fields *fields = r->fields;
    if (r->last_row[field] == fields->rows) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: field %s twice; expected at most one id a field and row",
                         r->name, (long long)r->line, fields->field[field].name);
    }
    r->last_row[field] = fields->rows;
    int64_t level = 0;
    pare_status status = pare_levels_add(r->ctx, &fields->field[field].level, text, length, &level);
    if (status == PARE_OK) {
        status = pare_grow(r->ctx, r->entries + 1, sizeof *r->field_of, &r->field_capacity,
                           &r->field_of);
    }
    if (status == PARE_OK) {
        status = pare_grow(r->ctx, r->entries + 1, sizeof *r->level_of, &r->level_capacity,
                           &r->level_of);
    }
    if (status == PARE_OK) {
        status = pare_grow(r->ctx, r->entries + 1, sizeof *r->value_of, &r->value_capacity,
                           &r->value_of);
    }
    if (status == PARE_OK) {
        r->field_of[r->entries] = (int32_t)field;
        r->level_of[r->entries] = (int32_t)level;
        r->value_of[r->entries++] = value;
        r->valued = r->valued || value != 1;
    }
    return status;
}

/* ---- libffm and libfm ------------------------------------------------------------------------ */

/* A whole number in [*p, end) ended by ':' or end; *start: without leading zeros. */
static bool read_id(const unsigned char **p, const unsigned char *end, const unsigned char **start,
                    uint64_t *out) {
    const unsigned char *first = *p, *at = first;
    uint64_t id = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (id > (UINT64_MAX - digit) / 10) {
            return false;
        }
        id = 10 * id + digit;
    }
    if (at == first || (at < end && *at != ':')) {
        return false;
    }
    while (first + 1 < at && *first == '0') {
        first++;
    }
    *start = first;
    *p = at;
    *out = id;
    return true;
}

/* The field named by a number; added when new. Fields usually come in order, so that the number is
 * the index: its name then needs no comparing once it was compared. */
static pare_status numbered_field(reader *r, uint64_t number, int64_t *out) {
    if (number < (uint64_t)r->in_order) {
        *out = (int64_t)number;
        return PARE_OK;
    }
    char name[24];
    int length = snprintf(name, sizeof name, "%llu", (unsigned long long)number);
    *out = pare_fields_find(r->fields, name, length);
    if (*out < 0 && r->fields->count == PARE_FIELDS_MAX) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: more than %d fields; are ids and fields exchanged?",
                         r->name, (long long)r->line, PARE_FIELDS_MAX);
    }
    pare_status status = PARE_OK;
    if (*out < 0) {
        *out = r->fields->count;
        status = add_field(r, name, length, PARE_FIELD_CATEGORY);
    }
    r->in_order += status == PARE_OK && *out == r->in_order && number == (uint64_t)*out;
    return status;
}

static pare_status read_entry(reader *r, const unsigned char *p, const unsigned char *end,
                              int64_t position) {
    bool ffm = r->format == PARE_FIELDS_LIBFFM;
    const char *form = ffm ? "field:id:value" : "id:value";
    const unsigned char *at = p, *start = p, *id_end = NULL;
    uint64_t number = (uint64_t)position, id = 0;
    if (ffm && (!read_id(&at, end, &start, &number) || at == end)) {
        return refuse(r, p, end, form);
    }
    at += ffm;
    if (!read_id(&at, end, &start, &id)) {
        bool digits = at < end && *at >= '0' && *at <= '9';
        return refuse(r, p, end, digits ? "an id below 2^64 followed by :value" : form);
    }
    id_end = at;
    float value = 1;
    bool one = at + 2 == end && at[1] == '1';
    if (at == end || (!one && pare_cell_parse(at + 1, end, &value) != PARE_CELL_NUMBER)) {
        return refuse(r, p, end,
                      ffm ? "field:id:value with a finite number as value"
                          : "id:value with a finite number as value");
    }
    int64_t field = 0;
    pare_status status = numbered_field(r, number, &field);
    return status == PARE_OK ? add_entry(r, field, start, id_end - start, value) : status;
}

static bool is_blank(unsigned char byte) {
    return byte == ' ' || byte == '\t';
}

static pare_status read_pairs(reader *r, const unsigned char *p, const unsigned char *end) {
    const unsigned char *label = NULL, *label_end = NULL;
    pare_status status = PARE_OK;
    for (int64_t position = -1; status == PARE_OK; position++) {
        while (p < end && is_blank(*p)) {
            p++;
        }
        if (p == end) {
            if (r->format == PARE_FIELDS_LIBFM && r->width >= 0 && position != r->width) {
                return pare_fail(r->ctx, PARE_ERROR_INPUT,
                                 "%s line %lld: %lld entries, expected %lld: without field "
                                 "numbers the n-th entry is field n; write libffm (field:id:value)",
                                 r->name, (long long)r->line, (long long)position,
                                 (long long)r->width);
            }
            r->width = position;
            break;
        }
        const unsigned char *start = p;
        while (p < end && !is_blank(*p)) {
            p++;
        }
        bool entry = r->optional && memchr(start, ':', (size_t)(p - start));
        if (position < 0 && !entry) {
            label = start;
            label_end = p;
        } else {
            position += position < 0;
            status = read_entry(r, start, p, position);
        }
    }
    return status == PARE_OK ? add_label(r, label, label_end) : status;
}

/* ---- csv, tsv, criteo ------------------------------------------------------------------------ */

/* The next cell of [*p, end), without its quotes; *p: after its delimiter, NULL: it was the last.
 */
static pare_status next_cell(reader *r, const unsigned char **p, const unsigned char *end,
                             const unsigned char **cell, int64_t *length) {
    unsigned char delimiter = r->format == PARE_FIELDS_CSV ? ',' : '\t';
    const unsigned char *at = *p;
    if (r->format == PARE_FIELDS_CRITEO || at == end || *at != '"') {
        const unsigned char *stop = memchr(at, delimiter, (size_t)(end - at));
        *cell = at;
        *length = (stop ? stop : end) - at;
        *p = stop ? stop + 1 : NULL;
        return PARE_OK;
    }
    pare_status status = pare_grow(r->ctx, end - at, 1, &r->scratch_capacity, &r->scratch);
    if (status != PARE_OK) {
        return status;
    }
    int64_t used = 0;
    for (at++; at < end; at++) {
        if (*at == '"' && (at + 1 == end || at[1] != '"')) {
            break;
        }
        at += *at == '"';
        r->scratch[used++] = *at;
    }
    if (at == end || (at + 1 < end && at[1] != delimiter)) {
        return refuse(r, *p, end, "a closing quote before the end of the cell and line");
    }
    *cell = r->scratch;
    *length = used;
    *p = at + 1 < end ? at + 2 : NULL;
    return PARE_OK;
}

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

/* The first line: names of the columns, or the first row (*consumed false). */
static pare_status begin_columns(reader *r, const unsigned char *line, const unsigned char *end,
                                 bool *consumed) {
    const unsigned char *p = line, *cell = NULL;
    int64_t length = 0, found = -1, count = 1;
    bool criteo = r->format == PARE_FIELDS_CRITEO;
    const char *target = criteo ? "0" : r->options->target;
    pare_status status = PARE_OK;
    for (count = 0; p && status == PARE_OK; count++) {
        status = next_cell(r, &p, end, &cell, &length);
        if (status == PARE_OK && target[0] && (int64_t)strlen(target) == length &&
            memcmp(target, cell, (size_t)length) == 0 && !criteo) {
            found = count;
        }
    }
    if (status != PARE_OK) {
        return status;
    }
    r->columns = count;
    bool named = found >= 0;
    bool known =
        named || !target[0] || (pare_parse_integer(target, &found) && found >= 0 && found < count);
    bool none = !known && r->optional;
    if (!known && !none) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: there is no column '%s' for the label",
                         r->name, target);
    }
    r->target = none ? -1 : target[0] ? found : count - 1;
    if (criteo && count != PARE_CRITEO_COLUMNS) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s line 1: %lld columns, expected %d: label, I1 .. I13, C1 .. C26",
                         r->name, (long long)count, PARE_CRITEO_COLUMNS);
    }
    if (count > PARE_FIELDS_MAX || count < 2) {
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s line 1: %lld columns, expected 2 to %d",
                         r->name, (long long)count, PARE_FIELDS_MAX);
    }
    status = pare_alloc(r->ctx, count, sizeof *r->column_field, &r->column_field);
    if (status != PARE_OK) {
        return status;
    }
    /* A header is there unless the label's cell is a number. */
    p = line;
    double number = 0;
    bool header = r->options->header == PARE_HEADER_YES || named ||
                  (none && r->options->header == PARE_HEADER_AUTO);
    for (int64_t c = 0; c < count && status == PARE_OK; c++) {
        status = next_cell(r, &p, end, &cell, &length);
        if (status == PARE_OK && c == r->target && r->options->header == PARE_HEADER_AUTO &&
            !criteo) {
            header =
                header || pare_cell_parse_double(cell, cell + length, &number) != PARE_CELL_NUMBER;
        }
    }
    p = line;
    for (int64_t c = 0; c < count && status == PARE_OK; c++) {
        status = next_cell(r, &p, end, &cell, &length);
        if (status != PARE_OK) {
            break;
        }
        char name[256];
        bool counter = criteo && c <= CRITEO_NUMBERS;
        if (criteo) {
            snprintf(name, sizeof name, "%c%lld", counter ? 'I' : 'C',
                     (long long)(counter ? c : c - CRITEO_NUMBERS));
        } else if (header) {
            snprintf(name, sizeof name, "%.*s", (int)(length < 255 ? length : 255),
                     (const char *)cell);
        } else {
            snprintf(name, sizeof name, "x%lld", (long long)c);
        }
        r->column_field[c] = -1;
        if (c == r->target && !criteo) {
            status = pare_text_copy(r->ctx, name, (int64_t)strlen(name), &r->fields->target);
        }
        if (c == r->target || status != PARE_OK ||
            (!criteo && listed(r->options->ignore, name, c))) {
            continue;
        }
        if (pare_fields_find(r->fields, name, (int64_t)strlen(name)) >= 0) {
            return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s line 1: two columns are named '%s'",
                             r->name, name);
        }
        bool category = listed(r->options->categorical, name, c);
        r->column_field[c] = (int32_t)r->fields->count;
        /* NUMBER here: may become one, when all cells are read. */
        status = add_field(r, name, (int64_t)strlen(name),
                           counter              ? PARE_FIELD_BUCKET
                           : criteo || category ? PARE_FIELD_CATEGORY
                                                : PARE_FIELD_NUMBER);
    }
    *consumed = header;
    return status;
}

static pare_status read_cells(reader *r, const unsigned char *line, const unsigned char *end) {
    if (r->columns == 0) {
        bool consumed = false;
        pare_status status = begin_columns(r, line, end, &consumed);
        if (status != PARE_OK || consumed) {
            return status;
        }
    }
    const unsigned char *p = line, *cell = NULL;
    int64_t length = 0, c = 0;
    int64_t label_at = -1, label_length = 0;
    for (; p && c < r->columns; c++) {
        const unsigned char *start = p;
        pare_status status = next_cell(r, &p, end, &cell, &length);
        if (status == PARE_OK && c == r->target) {
            label_at = start - line + (cell != start);
            label_length = length;
        } else if (status == PARE_OK && r->column_field[c] >= 0) {
            status = add_entry(r, r->column_field[c], cell, length, 1);
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    if (p || c < r->columns) {
        for (; p; c++) {
            pare_status status = next_cell(r, &p, end, &cell, &length);
            if (status != PARE_OK) {
                return status;
            }
        }
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s line %lld: %lld columns, expected %lld",
                         r->name, (long long)r->line, (long long)c, (long long)r->columns);
    }
    return r->target < 0 ? add_label(r, NULL, NULL)
                         : add_label(r, line + label_at, line + label_at + label_length);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static pare_status read_line(reader *r, const unsigned char *p, const unsigned char *end) {
    end -= end > p && end[-1] == '\r';
    if (p == end) {
        return PARE_OK;
    }
    bool pairs = r->format == PARE_FIELDS_LIBFFM || r->format == PARE_FIELDS_LIBFM;
    return pairs ? read_pairs(r, p, end) : read_cells(r, p, end);
}

static pare_status read_lines(reader *r, pare_lines *lines) {
    while (lines->length > 0) {
        const unsigned char *p = lines->bytes, *limit = p + lines->length, *end = NULL;
        pare_status status = PARE_OK;
        while (status == PARE_OK && p < limit &&
               (end = memchr(p, '\n', (size_t)(limit - p))) != NULL) {
            r->line++;
            status = read_line(r, p, end);
            p = end + 1;
        }
        int64_t whole = p - lines->bytes;
        if (status == PARE_OK && whole == 0) {
            status = pare_lines_extend(lines);
            if (status == PARE_OK) {
                continue;
            }
        }
        if (status == PARE_OK) {
            status = pare_lines_prepare(lines, whole);
        }
        if (status == PARE_OK) {
            pare_lines_fill(lines);
            status = pare_lines_turn(lines);
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* Entries to (rows, count) arrays. */
static pare_status lay_out(reader *r) {
    pare_fields *fields = r->fields;
    int64_t cells = 0;
    if (!pare_checked_multiply(fields->rows, fields->count, &cells)) {
        return pare_fail(r->ctx, PARE_ERROR_MEMORY, "%s: too many cells", r->name);
    }
    pare_status status = pare_alloc(r->ctx, cells, sizeof *fields->cell, &fields->cell);
    if (status == PARE_OK && r->valued) {
        status = pare_alloc_zero(r->ctx, cells, sizeof *fields->value, &fields->value);
    }
    if (status != PARE_OK) {
        return status;
    }
    pare_memory_large_pages(fields->cell, cells * (int64_t)sizeof *fields->cell);
    memset(fields->cell, 0xff, (size_t)cells * sizeof *fields->cell);
    int64_t e = 0;
    for (int64_t i = 0; i < fields->rows; i++) {
        for (; e < r->end[i]; e++) {
            int64_t at = i * fields->count + r->field_of[e];
            fields->cell[at] = r->level_of[e];
            if (fields->value) {
                fields->value[at] = r->value_of[e];
            }
        }
    }
    return PARE_OK;
}

/* A column that might be a number is one if it has many different cells, all numbers. */
static void decide_kinds(reader *r) {
    for (int64_t f = 0; f < r->fields->count; f++) {
        pare_field *field = &r->fields->field[f];
        bool number = field->level.count > NUMBER_LEVELS;
        for (int64_t l = 0; l < field->level.count && number && field->kind == PARE_FIELD_NUMBER;
             l++) {
            const unsigned char *text = (const unsigned char *)field->level.text[l];
            double value = 0;
            pare_cell cell = pare_cell_parse_double(text, text + field->level.length[l], &value);
            number = cell == PARE_CELL_NUMBER || cell == PARE_CELL_MISSING;
        }
        if (field->kind == PARE_FIELD_NUMBER && !number) {
            field->kind = PARE_FIELD_CATEGORY;
        }
    }
}

static void free_reader(reader *r) {
    void *owned[] = {r->column_field, r->field_of, r->level_of, r->value_of,
                     r->last_row,     r->end,      r->scratch};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(r->ctx, owned[i]);
    }
}

static pare_status read_input(pare_input *input, pare_fields_format format,
                              const pare_options *options, bool optional, pare_fields *out) {
    *out = (pare_fields){.ctx = input->ctx};
    reader r = {.ctx = input->ctx,
                .name = input->name,
                .options = options,
                .format = format,
                .fields = out,
                .optional = optional,
                .width = -1};
    pare_lines lines = {0};
    pare_status status = pare_input_look(input);
    if (status == PARE_OK) {
        r.format = format == PARE_FIELDS_AUTO ? pare_fields_guess(input) : format;
        status =
            pare_text_copy(input->ctx, input->name, (int64_t)strlen(input->name), &out->source);
    }
    if (status == PARE_OK) {
        status = pare_lines_begin(input, &lines);
    }
    if (status == PARE_OK) {
        status = read_lines(&r, &lines);
    }
    pare_lines_clear(&lines);
    if (status == PARE_OK && (out->rows == 0 || out->count == 0)) {
        status = pare_fail(input->ctx, PARE_ERROR_INPUT, "%s: no rows; expected a label and fields",
                           input->name);
    }
    if (status == PARE_OK) {
        out->labelled = !r.missing;
        decide_kinds(&r);
        status = lay_out(&r);
    }
    free_reader(&r);
    if (status != PARE_OK) {
        pare_fields_clear(out);
    }
    return status;
}

pare_status pare_fields_read_input(pare_input *input, pare_fields_format format,
                                   const pare_options *options, pare_fields *out) {
    return read_input(input, format, options, false, out);
}

static pare_status read_path(pare_context *ctx, const char *path, pare_fields_format format,
                             const pare_options *options, bool optional, pare_fields *out) {
    pare_input input;
    *out = (pare_fields){0};
    pare_status status = pare_input_open(ctx, path, &input);
    if (status == PARE_OK) {
        status = read_input(&input, format, options, optional, out);
        pare_input_close(&input);
    }
    return status;
}

pare_status pare_fields_read(pare_context *ctx, const char *path, pare_fields_format format,
                             const pare_options *options, pare_fields *out) {
    return read_path(ctx, path, format, options, false, out);
}

pare_status pare_fields_read_rows(pare_context *ctx, const char *path, pare_fields_format format,
                                  const pare_options *options, pare_fields *out) {
    return read_path(ctx, path, format, options, true, out);
}
