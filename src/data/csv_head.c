#include "base/text.h"
#include "data/csv.h"

#include <string.h>

enum { SAMPLE = 20, SEPARATORS = 3 };

/* Records end with '\n', or with '\r' if the first block has that and no '\n' of its own. */
static pare_status find_terminator(pare_csv *csv) {
    pare_lines *lines = &csv->lines;
    for (;;) {
        size_t length = (size_t)lines->length;
        const unsigned char *newline = memchr(lines->bytes, '\n', length);
        const unsigned char *last = lines->bytes + length - 1;
        const unsigned char *carriage = memchr(lines->bytes, '\r', length);
        if (lines->added && newline == last) {
            newline = NULL;
        }
        if (newline || lines->ended || (carriage && carriage < last)) {
            if (!newline && carriage) {
                csv->terminator = '\r';
                pare_lines_end_with(lines, '\r');
            }
            return PARE_OK;
        }
        pare_status status = pare_lines_extend(lines);
        if (status != PARE_OK) {
            return status;
        }
    }
}

/* Makes at least two records visible, or all of the data. */
static pare_status show_two_records(pare_csv *csv) {
    pare_lines *lines = &csv->lines;
    for (;;) {
        const unsigned char *p = lines->bytes, *limit = p + lines->length;
        int64_t records = 0;
        while (p && p < limit && records < 2) {
            int64_t inside = 0, fields = 0;
            bool blank = csv_blank_record(csv, p) != NULL;
            p = pare_csv_record(csv, p, limit, &inside, &fields);
            records += p && !blank;
        }
        if (records >= 2 || lines->ended) {
            return PARE_OK;
        }
        pare_status status = pare_lines_extend(lines);
        if (status != PARE_OK) {
            return status;
        }
    }
}

/* The separator whose number is the same, and largest, in the first records; if none is in all of
 * them, the most frequent one of the first record. */
static unsigned char find_separator(pare_csv *csv) {
    static const unsigned char candidates[SEPARATORS] = {',', '\t', ';'};
    unsigned char best = ',';
    int64_t best_fields = 1;
    bool best_even = false;
    const unsigned char *limit = csv->lines.bytes + csv->lines.length;
    for (int i = 0; i < SEPARATORS; i++) {
        csv->separator = candidates[i];
        const unsigned char *p = csv->lines.bytes;
        int64_t first = 0;
        bool even = true;
        for (int record = 0; p && p < limit && record < SAMPLE;) {
            int64_t lines = 0, fields = 0;
            bool blank = csv_blank_record(csv, p) != NULL;
            p = pare_csv_record(csv, p, limit, &lines, &fields);
            if (p && !blank) {
                first = record == 0 ? fields : first;
                even = even && fields == first;
                record++;
            }
        }
        if (first > 1 && (even > best_even || (even == best_even && first > best_fields))) {
            best = candidates[i];
            best_fields = first;
            best_even = even;
        }
    }
    return best;
}

/* ---- Is the first record a header? ------------------------------------------------------------
 */

/* What the records below the first say about a column. */
enum { HAS_NUMBER = 1, HAS_TEXT = 2, HAS_BARE = 4, HAS_FIRST = 8 };

static bool same_text(const csv_field *a, const csv_field *b) {
    return a->end - a->begin == b->end - b->begin &&
           memcmp(a->begin, b->begin, (size_t)(a->end - a->begin)) == 0;
}

static void look_below(const pare_csv *csv, const csv_field *first, const unsigned char *p,
                       unsigned char *seen) {
    const unsigned char *limit = csv->lines.bytes + csv->lines.length;
    for (int record = 0; p < limit && record < SAMPLE; record++) {
        if (csv_blank_record(csv, p)) {
            p = csv_blank_record(csv, p) + 1;
            continue;
        }
        for (int64_t c = 0;; c++) {
            csv_field field = pare_csv_field(csv, p, limit);
            if (!field.stop || field.stop >= limit) {
                return;
            }
            p = field.stop + 1;
            if (c < csv->columns) {
                float value;
                pare_cell cell =
                    pare_number_quick(field.begin, &value) == field.end && field.end > field.begin
                        ? PARE_CELL_NUMBER
                        : pare_cell_parse(field.begin, field.end, &value);
                seen[c] |= (unsigned char)((cell == PARE_CELL_TEXT ? HAS_TEXT : 0) |
                                           (cell == PARE_CELL_NUMBER ? HAS_NUMBER : 0) |
                                           (field.quoted ? 0 : HAS_BARE) |
                                           (same_text(&first[c], &field) ? HAS_FIRST : 0));
            }
            if (*field.stop == csv->terminator) {
                break;
            }
        }
    }
}

/*
 * The first record is a header if some column has text there over numbers below. Where no column
 * shows that: if it holds a number it is data; if all of it is text, it is a header unless a text
 * comes twice in it or again below in the same column.
 */
static pare_status find_header(pare_csv *csv, const csv_field *first, const unsigned char *below,
                               bool *out) {
    *out = false;
    unsigned char *seen = NULL;
    pare_levels names = {0};
    pare_status status = pare_alloc_zero(csv->ctx, csv->columns, 1, &seen);
    if (status != PARE_OK) {
        return status;
    }
    look_below(csv, first, below, seen);
    int64_t texts = 0;
    bool number = false, again = false;
    for (int64_t c = 0; c < csv->columns && status == PARE_OK; c++) {
        float value;
        pare_cell cell = pare_cell_parse(first[c].begin, first[c].end, &value);
        bool text = cell == PARE_CELL_TEXT ||
                    (first[c].quoted && (seen[c] & HAS_BARE) && cell != PARE_CELL_MISSING);
        if (text && (seen[c] & HAS_NUMBER) && !(seen[c] & HAS_TEXT)) {
            *out = true;
            goto done;
        }
        number = number || (!text && cell != PARE_CELL_MISSING);
        if (text) {
            int64_t level = 0;
            status = pare_levels_add(csv->ctx, &names, first[c].begin,
                                     first[c].end - first[c].begin, &level);
            again = again || level < texts || (seen[c] & HAS_FIRST);
            texts++;
        }
    }
    *out = texts > 0 && !number && !again;
done:
    pare_levels_clear(csv->ctx, &names);
    pare_free(csv->ctx, seen);
    return status;
}

/* ---- Names ------------------------------------------------------------------------------------
 */

static pare_status take_names(pare_csv *csv, const csv_field *first) {
    pare_table *table = csv->table;
    pare_levels names = {0};
    pare_status status = PARE_OK;
    int64_t *owner = NULL; /* (columns) the column that has the name first */
    status = pare_alloc(csv->ctx, csv->columns, sizeof *owner, &owner);
    for (int64_t c = 0; c < csv->columns && status == PARE_OK; c++) {
        const unsigned char *text = NULL;
        int64_t length = 0, level = 0, known = names.count;
        char *name = NULL;
        status = pare_csv_own_text(csv, &first[c], &text, &length);
        if (status == PARE_OK && length > 0) {
            status = pare_text_copy(csv->ctx, (const char *)text, length, &name);
            if (status == PARE_OK) {
                pare_free(csv->ctx, table->column[c].name);
                table->column[c].name = name;
            }
        }
        if (status == PARE_OK) {
            name = table->column[c].name;
            status = pare_levels_add(csv->ctx, &names, (const unsigned char *)name,
                                     (int64_t)strlen(name), &level);
        }
        if (status == PARE_OK && level < known) {
            status = pare_fail(csv->ctx, PARE_ERROR_INPUT,
                               "%s line %lld: two columns are named '%s' (number %lld and %lld); "
                               "expected different names",
                               csv->input->name, (long long)csv->data_line, name,
                               (long long)owner[level] + 1, (long long)c + 1);
        }
        if (status == PARE_OK) {
            owner[level] = c;
        }
    }
    table->named = true;
    pare_levels_clear(csv->ctx, &names);
    pare_free(csv->ctx, owner);
    return status;
}

/* Sets the mark of the columns in a comma-separated list. A name that is not in this file is left
 * to the caller: the same options also read files with fewer columns. */
static void mark(const pare_csv *csv, const char *list, unsigned char *marks) {
    const char *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&list, &item, &length)) {
        int64_t c = pare_table_find(csv->table, item, length);
        if (c >= 0) {
            marks[c] = 1;
        }
    }
}

static pare_status refuse_zero_byte(pare_csv *csv, const unsigned char *zero) {
    int64_t line = 1;
    for (const unsigned char *p = csv->lines.bytes; p < zero; p++) {
        line += *p == csv->terminator;
    }
    return pare_fail(csv->ctx, PARE_ERROR_INPUT,
                     "%s line %lld: a zero byte; expected text (ASCII or UTF-8)", csv->input->name,
                     (long long)line);
}

static pare_status allocate_columns(pare_csv *csv) {
    int64_t columns = csv->columns;
    pare_status status = pare_table_name_columns(csv->table, columns);
    if (status == PARE_OK) {
        status = pare_alloc_zero(csv->ctx, columns, 1, &csv->category);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(csv->ctx, columns, 1, &csv->ignored);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(csv->ctx, columns, sizeof *csv->turned, &csv->turned);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(csv->ctx, columns, sizeof *csv->levels, &csv->levels);
    }
    if (status == PARE_OK) {
        status = pare_alloc(csv->ctx, columns, sizeof *csv->list, &csv->list);
    }
    return status;
}

pare_status pare_csv_head(pare_csv *csv, const pare_options *options, bool tabs) {
    pare_lines *lines = &csv->lines;
    csv_field *first = NULL;
    int64_t begin = 0;
    const unsigned char *zero = memchr(lines->bytes, 0, (size_t)lines->length);
    csv->separator = tabs ? '\t' : ',';
    csv->terminator = '\n';
    if (zero) {
        return refuse_zero_byte(csv, zero);
    }
    pare_status status = find_terminator(csv);
    if (status != PARE_OK) {
        return status;
    }
    if (lines->length >= 3 && memcmp(lines->bytes, "\xef\xbb\xbf", 3) == 0) {
        memset(lines->bytes, ' ', 3); /* the byte order mark of UTF-8 */
        begin = 3;
    }
    status = show_two_records(csv);
    if (status != PARE_OK) {
        return status;
    }
    if (!tabs) {
        csv->separator = find_separator(csv);
    }
    const unsigned char *p = lines->bytes + begin, *limit = lines->bytes + lines->length, *blank;
    csv->data_line = 1;
    while (p < limit && (blank = csv_blank_record(csv, p)) != NULL) {
        p = blank + 1;
        csv->data_line++;
    }
    if (p >= limit) {
        return pare_fail(csv->ctx, PARE_ERROR_INPUT,
                         "%s: the file is empty; expected rows of fields", csv->input->name);
    }
    int64_t inside = 0;
    const unsigned char *below = pare_csv_record(csv, p, limit, &inside, &csv->columns);
    if (!below) {
        return pare_fail(csv->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: a quoted field is not closed before the end of the data",
                         csv->input->name, (long long)csv->data_line);
    }
    status = pare_alloc(csv->ctx, csv->columns, sizeof *first, &first);
    if (status != PARE_OK) {
        return status;
    }
    const unsigned char *at = p;
    for (int64_t c = 0; c < csv->columns; c++) {
        first[c] = pare_csv_field(csv, at, limit);
        at = first[c].stop + 1;
    }
    bool header = options->header == PARE_HEADER_YES;
    if (options->header == PARE_HEADER_AUTO) {
        status = find_header(csv, first, below, &header);
    }
    if (status == PARE_OK) {
        status = allocate_columns(csv);
    }
    if (status == PARE_OK && header) {
        status = take_names(csv, first);
        csv->data_line += inside;
        p = below;
    }
    if (status == PARE_OK) {
        csv->data_begin = p - lines->bytes;
        mark(csv, options->categorical, csv->category);
        /* Only as texts are large numbers of rows or persons all different. */
        mark(csv, options->split_by, csv->category);
        mark(csv, options->ignore, csv->ignored);
    }
    pare_free(csv->ctx, first);
    return status;
}
