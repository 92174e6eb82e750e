/* Lines of csv, tsv and criteo to the texts and decimals of their fields. */
#include "data/decimal.h"
#include "data/fields_read.h"

enum { QUOTE = '"' };

static inline unsigned char delimiter_of(const pare_fields_reader *r) {
    return r->format == PARE_FIELDS_CSV ? ',' : '\t';
}

bool pare_fields_cell(const pare_fields_reader *r, unsigned char **p, unsigned char *end,
                      unsigned char **cell, int64_t *length) {
    unsigned char delimiter = delimiter_of(r), *at = *p;
    *cell = at;
    if (r->format == PARE_FIELDS_CRITEO || at == end || *at != QUOTE) {
        unsigned char *stop = memchr(at, delimiter, (size_t)(end - at));
        *length = (stop ? stop : end) - at;
        *p = stop ? stop + 1 : NULL;
        return true;
    }
    unsigned char *to = ++at;
    *cell = at;
    for (; at < end; at++, to++) {
        if (*at == QUOTE && (at + 1 == end || at[1] != QUOTE)) {
            break;
        }
        at += *at == QUOTE;
        if (to < at) { /* behind a doubled quote; other threads may read what is as it was */
            *to = *at;
        }
    }
    if (at >= end || (at + 1 < end && at[1] != delimiter)) {
        return false;
    }
    *length = to - *cell;
    *p = at + 1 < end ? at + 2 : NULL;
    return true;
}

static bool unclosed(pare_fields_chunk *chunk, const unsigned char *p, const unsigned char *end) {
    pare_fields_refuse(&chunk->fault, p, end, PARE_FIELDS_UNCLOSED);
    return false;
}

static inline unsigned char *cell_end(unsigned char *p, const unsigned char *end,
                                      unsigned char delimiter) {
    uint64_t wanted = UINT64_C(0x0101010101010101) * delimiter;
    for (;; p += 8) {
        uint64_t eight = pare_eight_bytes(p) ^ wanted;
        uint64_t zero =
            (eight - UINT64_C(0x0101010101010101)) & ~eight & UINT64_C(0x8080808080808080);
        if (zero || end - p <= 8) {
            unsigned char *stop = zero ? p + (__builtin_ctzll(zero) >> 3) : p + 8;
            return stop < end ? stop : p + (end - p);
        }
    }
}

bool pare_fields_parse_cells(const pare_fields_reader *r, pare_fields_chunk *chunk,
                             unsigned char *line, unsigned char *end) {
    const unsigned char delimiter = delimiter_of(r);
    const bool quotes = r->format != PARE_FIELDS_CRITEO;
    const int64_t columns = r->columns, stride = chunk->stride;
    pare_word *word = chunk->word + chunk->rows;
    unsigned char *p = line, *label = NULL, *label_end = NULL;
    int64_t c = 0;
    for (; p; c++) {
        unsigned kind = c < columns ? r->column[c] : PARE_FIELDS_IGNORED;
        unsigned char *cell = p;
        int64_t decimal = 0, length = 0;
        if (*p == QUOTE && quotes) {
            if (!pare_fields_cell(r, &p, end, &cell, &length)) {
                return unclosed(chunk, cell, end);
            }
        } else {
            unsigned char *stop = cell_end(p, end, delimiter);
            length = stop - cell;
            p = stop < end ? stop + 1 : NULL;
            if (kind == PARE_FIELDS_DECIMAL && length > 0 &&
                pare_decimal_read(cell, &decimal) == stop) {
                pare_word *to = &word[r->column_field[c] * stride];
                to->length = (uint32_t)PARE_WORD_DECIMAL;
                memcpy(to->head + 4, &decimal, sizeof decimal);
                continue;
            }
        }
        if (kind <= PARE_FIELDS_DECIMAL) {
            word[r->column_field[c] * stride] = pare_word_read(cell, length, cell - r->lines.bytes);
        } else if (kind == PARE_FIELDS_LABEL) {
            label = cell;
            label_end = cell + length;
        }
    }
    if (c != columns) {
        chunk->fault.kind = PARE_FIELDS_RAGGED;
        chunk->fault.number = c;
        return false;
    }
    return pare_fields_end_row(chunk, label, label_end);
}
