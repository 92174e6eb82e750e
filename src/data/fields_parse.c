/* Chunks of lines to texts of fields. Runs on any thread: allocates nothing. */
#include "data/fields_read.h"

/* ---- Faults ---------------------------------------------------------------------------------- */

void pare_fields_refuse(pare_fields_fault *fault, const unsigned char *p, const unsigned char *end,
                        const char *expected) {
    int64_t length = 0;
    fault->kind = PARE_FIELDS_REFUSED;
    fault->expected = expected;
    for (; p < end && length < PARE_FIELDS_SHOWN; p++) {
        fault->text[length++] = *p < 0x20 || *p == 0x7f ? '?' : (char)*p;
    }
    fault->text[length] = '\0';
}

static bool refuse(pare_fields_chunk *chunk, const unsigned char *p, const unsigned char *end,
                   const char *expected) {
    pare_fields_refuse(&chunk->fault, p, end, expected);
    return false;
}

static bool fail(pare_fields_chunk *chunk, pare_fields_fault_kind kind, int64_t number) {
    chunk->fault.kind = kind;
    chunk->fault.number = number;
    return false;
}

pare_status pare_fields_fail(const pare_fields_reader *r, const pare_fields_fault *fault,
                             int64_t before) {
    long long line = (long long)(before + fault->line), number = (long long)fault->number;
    switch (fault->kind) {
    case PARE_FIELDS_REFUSED:
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s line %lld: '%s': expected %s", r->name, line,
                         fault->text, fault->expected);
    case PARE_FIELDS_NO_LABEL:
        return r->fields->target
                   ? pare_fail(r->ctx, PARE_ERROR_INPUT,
                               "%s line %lld: '%s': expected a label 0 or 1, or -1 or 1, in %s "
                               "column '%s'; --target names another",
                               r->name, line, fault->text,
                               r->options->target[0] ? "the" : "the last", r->fields->target)
                   : pare_fail(r->ctx, PARE_ERROR_INPUT,
                               "%s line %lld: '%s': expected a label 0 or 1, or -1 or 1", r->name,
                               line, fault->text);
    case PARE_FIELDS_TWICE:
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: field %s twice; expected at most one id a field and row",
                         r->name, line, r->fields->field[number].name);
    case PARE_FIELDS_WIDTH:
        return pare_fail(r->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: %lld entries, expected %lld: without field numbers the "
                         "n-th entry is field n; write libffm (field:id:value)",
                         r->name, line, number, (long long)r->width);
    case PARE_FIELDS_RAGGED:
        return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s line %lld: %lld columns, expected %lld",
                         r->name, line, number, (long long)r->columns);
    case PARE_FIELDS_FINE:
        break;
    }
    return PARE_OK;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

bool pare_fields_end_row(pare_fields_chunk *chunk, const unsigned char *p,
                         const unsigned char *end) {
    double label = 0;
    bool digit = p && end - p == 1 && (*p == '0' || *p == '1');
    if (digit) {
        label = *p - '0';
    } else if (p && (pare_cell_parse_double(p, end, &label) != PARE_CELL_NUMBER ||
                     (label != 0 && label != 1 && label != -1))) {
        refuse(chunk, p, end, NULL);
        chunk->fault.kind = PARE_FIELDS_NO_LABEL;
        return false;
    }
    chunk->missing = chunk->missing || !p;
    if (label < 0 && !chunk->negative) {
        chunk->negative = chunk->fault.line;
    }
    if (p && label == 0 && !chunk->zero) {
        chunk->zero = chunk->fault.line;
    }
    chunk->label[chunk->rows] = label > 0;
    chunk->rows++;
    return true;
}

/* text is followed by PARE_NUMBER_PAD readable bytes, as all in a block is. */
static bool add_entry(const pare_fields_reader *r, pare_fields_chunk *chunk, int64_t field,
                      const unsigned char *text, int64_t length, float value) {
    if (chunk->last_row[field] == chunk->rows) {
        return fail(chunk, PARE_FIELDS_TWICE, field);
    }
    chunk->last_row[field] = (int32_t)chunk->rows;
    chunk->word[chunk->entries] = pare_word_read(text, length, text - r->lines.bytes);
    chunk->tag[chunk->entries++] = (pare_fields_tag){(int32_t)field, value};
    chunk->start[field + 1]++;
    chunk->valued = chunk->valued || value != 1;
    return true;
}

/* ---- libffm and libfm ------------------------------------------------------------------------ */

static inline bool is_blank(unsigned char byte) {
    return byte == ' ' || byte == '\t';
}

static inline const unsigned char *skip_digits(const unsigned char *p) {
    while (*p - (unsigned)'0' <= 9) {
        p++;
    }
    return p;
}

/* Whether the digits [p, end) are below 2^64; *p: without leading zeros. */
static inline bool below_64_bits(const unsigned char **p, const unsigned char *end) {
    while (*p + 1 < end && **p == '0') {
        (*p)++;
    }
    return end - *p < 20 || (end - *p == 20 && memcmp(*p, "18446744073709551615", 20) <= 0);
}

/* Remembers a number that names no field yet; false: no more can be remembered. */
static bool remember(pare_fields_chunk *chunk, uint64_t number) {
    for (int64_t i = 0; i < chunk->freshes; i++) {
        if (chunk->fresh[i] == number) {
            return true;
        }
    }
    if (chunk->freshes == PARE_FIELDS_FRESH) {
        return false;
    }
    chunk->fresh_line[chunk->freshes] = chunk->fault.line;
    chunk->fresh[chunk->freshes++] = number;
    return true;
}

static const unsigned char *token_end(const unsigned char *p, const unsigned char *end) {
    while (p < end && !is_blank(*p)) {
        p++;
    }
    return p;
}

/* The entry at p; returns where it ends, NULL: refused, or the chunk is to be parsed again. */
static const unsigned char *read_entry(const pare_fields_reader *r, pare_fields_chunk *chunk,
                                       const unsigned char *p, const unsigned char *end,
                                       int64_t position) {
    bool ffm = r->format == PARE_FIELDS_LIBFFM;
    const char *form = ffm ? "field:id:value" : "id:value";
    const char *valued = ffm ? "field:id:value with a finite number as value"
                             : "id:value with a finite number as value";
    const unsigned char *at = p;
    uint64_t number = (uint64_t)position;
    if (ffm) {
        const unsigned char *first = p;
        at = skip_digits(p);
        if (at == p || *at != ':' || !below_64_bits(&first, at)) {
            refuse(chunk, p, token_end(p, end), form);
            return NULL;
        }
        for (number = 0; first < at; first++) {
            number = 10 * number + (uint64_t)(*first - '0');
        }
        at++;
    }
    const unsigned char *id = at;
    at = skip_digits(id);
    bool stops = *at == ':' || at == end || is_blank(*at);
    if (at == id || !stops || !below_64_bits(&id, at)) {
        refuse(chunk, p, token_end(p, end), at > id ? "an id below 2^64 followed by :value" : form);
        return NULL;
    }
    const unsigned char *id_end = at;
    float value = 1;
    if (*at != ':') {
        refuse(chunk, p, token_end(p, end), valued);
        return NULL;
    }
    at++;
    if (at[0] == '1' && (at + 1 == end || is_blank(at[1]))) {
        at++;
    } else {
        const unsigned char *stop = pare_number_quick(at, &value);
        if (stop == at || (stop != end && !is_blank(*stop))) {
            stop = token_end(at, end);
            if (pare_cell_parse(at, stop, &value) != PARE_CELL_NUMBER) {
                refuse(chunk, p, stop, valued);
                return NULL;
            }
        }
        at = stop;
    }
    int64_t field = pare_fields_numbered(r, number);
    if (field < 0) {
        return remember(chunk, number) ? at : NULL;
    }
    return add_entry(r, chunk, field, id, id_end - id, value) ? at : NULL;
}

static bool read_pairs(const pare_fields_reader *r, pare_fields_chunk *chunk,
                       const unsigned char *p, const unsigned char *end) {
    const unsigned char *label = NULL, *label_end = NULL;
    int64_t position = 0;
    while (p < end && is_blank(*p)) {
        p++;
    }
    const unsigned char *first = token_end(p, end);
    if (first == p) {
        return true;
    }
    if (!(r->optional && memchr(p, ':', (size_t)(first - p)))) {
        label = p;
        label_end = p = first;
    }
    for (;; position++) {
        while (is_blank(*p) && p < end) {
            p++;
        }
        if (p >= end) {
            break;
        }
        p = read_entry(r, chunk, p, end, position);
        if (!p) {
            return false;
        }
    }
    if (r->format == PARE_FIELDS_LIBFM && r->width >= 0 && position != r->width) {
        return fail(chunk, PARE_FIELDS_WIDTH, position);
    }
    chunk->row_end[chunk->rows] = (int32_t)chunk->entries;
    return pare_fields_end_row(chunk, label, label_end);
}

/* ---- A chunk --------------------------------------------------------------------------------- */

/* Entries by field: a counting sort of their places. */
static void sort_entries(const pare_fields_reader *r, pare_fields_chunk *chunk) {
    int64_t fields = r->fields->count;
    for (int64_t f = 0; f < fields; f++) {
        chunk->start[f + 1] += chunk->start[f];
        chunk->last_row[f] = chunk->start[f]; /* the next place of the field */
    }
    for (int64_t e = 0; e < chunk->entries; e++) {
        chunk->order[chunk->last_row[chunk->tag[e].field]++] = (int32_t)e;
    }
}

void pare_fields_parse(const pare_fields_reader *r, pare_fields_chunk *chunk) {
    unsigned char *p = r->lines.bytes + chunk->begin, *limit = r->lines.bytes + chunk->end;
    bool pairs = pare_fields_pairs(r), good = true;
    int64_t fields = pairs ? r->fields->count : 0;
    chunk->rows = chunk->entries = chunk->freshes = chunk->negative = chunk->zero = 0;
    chunk->missing = chunk->valued = false;
    chunk->fault = (pare_fields_fault){0};
    for (int64_t f = 0; f < fields; f++) {
        chunk->start[f] = 0;
        chunk->last_row[f] = -1;
    }
    if (pairs) {
        chunk->start[fields] = 0;
    }
    while (p < limit && good) {
        unsigned char *stop = memchr(p, '\n', (size_t)(limit - p)); /* chunks end with one */
        unsigned char *end = stop - (stop > p && stop[-1] == '\r');
        chunk->fault.line++;
        if (p < end) {
            good = pairs ? read_pairs(r, chunk, p, end) : pare_fields_parse_cells(r, chunk, p, end);
        }
        p = stop + 1;
    }
    if (pairs) {
        sort_entries(r, chunk);
    }
}
