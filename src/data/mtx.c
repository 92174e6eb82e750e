/*
 * Matrix Market, coordinate format (NIST, "Matrix Market exchange formats"): a header line
 * `%%MatrixMarket matrix coordinate real|integer|pattern general|symmetric`, comments, a line
 * `rows columns entries`, and a line `row column [value]` for each entry, from 1 on. Of a symmetric
 * matrix the lower triangle is stored.
 */
#include "data/sparse_build.h"

#include <math.h>

typedef struct mtx {
    pare_context *ctx;
    const char *name;
    pare_table *table;
    int64_t line;
    bool pattern, symmetric, sized;
    int64_t rows, columns, entries, seen;
    pare_triplets triplets;
} mtx;

static pare_status refuse(const mtx *reader, const char *expected) {
    return pare_fail(reader->ctx, PARE_ERROR_INPUT, "%s line %lld: expected %s", reader->name,
                     (long long)reader->line, expected);
}

static bool is_blank(unsigned char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* The next word of a line; false: none is left. */
static bool next_word(const unsigned char **p, const unsigned char *end,
                      const unsigned char **word) {
    while (*p < end && is_blank(**p)) {
        ++*p;
    }
    *word = *p;
    while (*p < end && !is_blank(**p)) {
        ++*p;
    }
    return *p > *word;
}

static bool is_word(const unsigned char *word, const unsigned char *end, const char *text) {
    size_t length = strlen(text);
    for (size_t i = 0; i < length && word + i < end; i++) {
        if ((word[i] | 0x20) != (unsigned char)text[i]) {
            return false;
        }
    }
    return (size_t)(end - word) == length;
}

static pare_status read_header(mtx *reader, const unsigned char *p, const unsigned char *end) {
    const unsigned char *word[5], *stop[5];
    for (int i = 0; i < 5; i++) {
        bool there = next_word(&p, end, &word[i]);
        stop[i] = p;
        if (!there ||
            (i == 0 && (p - word[0] != 14 || memcmp(word[0], "%%MatrixMarket", 14) != 0))) {
            return refuse(reader, "%%MatrixMarket matrix coordinate real general, or the like");
        }
    }
    if (!is_word(word[1], stop[1], "matrix") || !is_word(word[2], stop[2], "coordinate")) {
        return refuse(reader, "a matrix in coordinate format");
    }
    reader->pattern = is_word(word[3], stop[3], "pattern");
    reader->symmetric = is_word(word[4], stop[4], "symmetric");
    if (!reader->pattern && !is_word(word[3], stop[3], "real") &&
        !is_word(word[3], stop[3], "integer")) {
        return refuse(reader, "real, integer or pattern entries");
    }
    if (!reader->symmetric && !is_word(word[4], stop[4], "general")) {
        return refuse(reader, "a general or symmetric matrix");
    }
    return PARE_OK;
}

/* A whole number >= 0; false: it is not one, or beyond 18 digits. */
static bool read_whole(const unsigned char *word, const unsigned char *end, int64_t *out) {
    *out = 0;
    for (const unsigned char *p = word; p < end; p++) {
        if (*p < '0' || *p > '9' || p - word >= 18) {
            return false;
        }
        *out = 10 * *out + (*p - '0');
    }
    return end > word;
}

static pare_status read_size(mtx *reader, const unsigned char *p, const unsigned char *end,
                             const pare_input *input) {
    int64_t size[3] = {0};
    const unsigned char *word = NULL;
    for (int i = 0; i < 3; i++) {
        if (!next_word(&p, end, &word) || !read_whole(word, p, &size[i])) {
            return refuse(reader, "rows, columns and entries as three whole numbers");
        }
    }
    if (next_word(&p, end, &word)) {
        return refuse(reader, "three numbers: rows, columns, entries");
    }
    if (size[0] < 1 || size[1] < 1 || size[0] > INT32_MAX || size[1] > INT32_MAX) {
        return refuse(reader, "from 1 to 2147483647 rows and columns");
    }
    if (reader->symmetric && size[0] != size[1]) {
        return refuse(reader, "as many rows as columns, as the matrix is symmetric");
    }
    /* An entry is at least "1 1\n"; rows without entries are not in the file. */
    if (size[2] > pare_input_bound(input) / 4 + 1) {
        return refuse(reader, "no more entries than the file can hold");
    }
    reader->rows = size[0];
    reader->columns = size[1];
    reader->entries = size[2];
    reader->sized = true;
    return pare_triplets_reserve(reader->ctx, size[2] * (reader->symmetric ? 2 : 1),
                                 &reader->triplets);
}

static pare_status read_index(const mtx *reader, const unsigned char *word,
                              const unsigned char *end, int64_t most, const char *what,
                              int32_t *out) {
    int64_t index = 0;
    if (!read_whole(word, end, &index)) {
        return refuse(reader, "row column value");
    }
    if (index < 1 || index > most) {
        return pare_fail(reader->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: %s %lld; expected from 1 to %lld", reader->name,
                         (long long)reader->line, what, (long long)index, (long long)most);
    }
    *out = (int32_t)(index - 1);
    return PARE_OK;
}

static void add(mtx *reader, int32_t row, int32_t column, float value) {
    pare_triplets *t = &reader->triplets;
    t->row[t->count] = row;
    t->column[t->count] = column;
    t->value[t->count++] = value;
}

static pare_status read_entry(mtx *reader, const unsigned char *p, const unsigned char *end) {
    const unsigned char *word = NULL;
    int32_t row = 0, column = 0;
    float value = 1;
    if (reader->seen == reader->entries) {
        return pare_fail(reader->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: more than the %lld entries announced", reader->name,
                         (long long)reader->line, (long long)reader->entries);
    }
    (void)next_word(&p, end, &word);
    pare_status status = read_index(reader, word, p, reader->rows, "row", &row);
    if (status == PARE_OK) {
        (void)next_word(&p, end, &word);
        status = read_index(reader, word, p, reader->columns, "column", &column);
    }
    if (status != PARE_OK) {
        return status;
    }
    if (!reader->pattern) {
        if (!next_word(&p, end, &word) || (pare_number_quick(word, &value) != p &&
                                           pare_cell_parse(word, p, &value) != PARE_CELL_NUMBER)) {
            return refuse(reader, "row column value, the value a finite number");
        }
    }
    if (next_word(&p, end, &word)) {
        return refuse(reader, reader->pattern ? "row column" : "row column value");
    }
    if (reader->symmetric && column > row) {
        return refuse(reader, "an entry of the lower triangle, as the matrix is symmetric");
    }
    reader->seen++;
    add(reader, row, column, value);
    if (reader->symmetric && row != column) {
        add(reader, column, row, value);
    }
    return PARE_OK;
}

static pare_status read_line(mtx *reader, const unsigned char *p, const unsigned char *end,
                             const pare_input *input) {
    while (p < end && is_blank(*p)) {
        p++;
    }
    if (reader->line == 1) {
        return read_header(reader, p, end);
    }
    if (p == end || *p == '%') {
        return PARE_OK;
    }
    return reader->sized ? read_entry(reader, p, end) : read_size(reader, p, end, input);
}

static pare_status read_lines(mtx *reader, pare_lines *lines) {
    while (lines->length > 0) {
        const unsigned char *p = lines->bytes, *limit = p + lines->length, *end = NULL;
        pare_status status = PARE_OK;
        while (p < limit && status == PARE_OK &&
               (end = memchr(p, '\n', (size_t)(limit - p))) != NULL) {
            reader->line++;
            status = read_line(reader, p, end, lines->input);
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

pare_status pare_mtx_read(pare_input *input, pare_table *table) {
    mtx reader = {.ctx = input->ctx, .name = input->name, .table = table};
    pare_lines lines = {0};
    pare_status status = pare_lines_begin(input, &lines);
    if (status == PARE_OK) {
        status = read_lines(&reader, &lines);
    }
    pare_lines_clear(&lines);
    if (status == PARE_OK && reader.seen < reader.entries) {
        status = pare_fail(input->ctx, PARE_ERROR_INPUT,
                           "%s: %lld entries; %lld were announced: the file is truncated",
                           input->name, (long long)reader.seen, (long long)reader.entries);
    }
    if (status == PARE_OK && !reader.sized) {
        status = pare_fail(input->ctx, PARE_ERROR_INPUT,
                           "%s: no line with rows, columns and entries", input->name);
    }
    if (status == PARE_OK) {
        status = pare_triplets_table(&reader.triplets, reader.rows, reader.columns, table);
    }
    pare_triplets_clear(&reader.triplets);
    return status;
}
