/*
 * libsvm / svmlight text: `label index:value index:value ... # comment`, indices from 1 on and
 * ascending. Explicit zeros are dropped.
 */
#include "data/reader.h"

#include <math.h>

enum { LIBSVM_INDEX_MAX = 1 << 26 };

typedef struct libsvm {
    pare_context *ctx;
    const char *name;
    pare_table *table;
    int64_t line, columns, entries;
    int64_t start_capacity, label_capacity, index_capacity, value_capacity;
} libsvm;

static bool is_blank(unsigned char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* The bytes of a token for a sentence: at most 40, printable. */
typedef struct token_text {
    char text[44];
} token_text;

static token_text show(const unsigned char *p, const unsigned char *end) {
    token_text out;
    int64_t length = 0;
    for (; p < end && length < 40; p++) {
        out.text[length++] = *p < 0x20 || *p == 0x7f ? '?' : (char)*p;
    }
    out.text[length] = '\0';
    return out;
}

static pare_status refuse(const libsvm *reader, const unsigned char *p, const unsigned char *end,
                          const char *expected) {
    return pare_fail(reader->ctx, PARE_ERROR_INPUT, "%s line %lld: '%s': expected %s", reader->name,
                     (long long)reader->line, show(p, end).text, expected);
}

static pare_status add_row(libsvm *reader, double label) {
    pare_table *table = reader->table;
    pare_status status = pare_grow(reader->ctx, table->rows + 2, sizeof *table->start,
                                   &reader->start_capacity, &table->start);
    if (status == PARE_OK) {
        status = pare_grow(reader->ctx, table->rows + 1, sizeof *table->label,
                           &reader->label_capacity, &table->label);
    }
    if (status == PARE_OK) {
        table->start[table->rows] = reader->entries;
        table->label[table->rows++] = label;
    }
    return status;
}

static pare_status add_entry(libsvm *reader, int64_t index, float value) {
    pare_table *table = reader->table;
    pare_status status = pare_grow(reader->ctx, reader->entries + 1, sizeof *table->index,
                                   &reader->index_capacity, &table->index);
    if (status == PARE_OK) {
        status = pare_grow(reader->ctx, reader->entries + 1, sizeof *table->value,
                           &reader->value_capacity, &table->value);
    }
    if (status == PARE_OK) {
        table->index[reader->entries] = (int32_t)(index - 1);
        table->value[reader->entries++] = value;
    }
    return status;
}

/* `index:value`; previous: the index before it in the line, updated. */
static pare_status read_entry(libsvm *reader, const unsigned char *p, const unsigned char *end,
                              int64_t *previous) {
    const unsigned char *colon = memchr(p, ':', (size_t)(end - p));
    if (colon && colon - p == 3 && memcmp(p, "qid", 3) == 0) {
        return refuse(reader, p, end, "index:value; query ids (ranking data) are not supported");
    }
    int64_t index = 0;
    const unsigned char *digit = p;
    for (; digit < end && *digit >= '0' && *digit <= '9' && index <= LIBSVM_INDEX_MAX; digit++) {
        index = 10 * index + (*digit - '0');
    }
    if (index > LIBSVM_INDEX_MAX) {
        return refuse(reader, p, end, "an index up to 67108864");
    }
    if (!colon || digit != colon || colon == p) {
        return refuse(reader, p, end, "index:value");
    }
    if (index < 1) {
        return refuse(reader, p, end, "indices from 1 on");
    }
    if (index <= *previous) {
        return pare_fail(reader->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: index %lld after index %lld; expected ascending indices",
                         reader->name, (long long)reader->line, (long long)index,
                         (long long)*previous);
    }
    *previous = index;
    float value = 0;
    if (colon + 1 == end) {
        return refuse(reader, p, end, "index:value with a number as value");
    }
    if (pare_number_quick(colon + 1, &value) != end) {
        pare_cell cell = pare_cell_parse(colon + 1, end, &value);
        if (cell == PARE_CELL_TEXT) {
            return refuse(reader, p, end, "index:value with a number as value");
        }
        if (cell == PARE_CELL_INFINITE) {
            return refuse(reader, p, end, "a finite number (up to 3.4e38)");
        }
    }
    reader->columns = index > reader->columns ? index : reader->columns;
    return value != 0 ? add_entry(reader, index, value) : PARE_OK;
}

static pare_status read_line(libsvm *reader, const unsigned char *p, const unsigned char *end) {
    const unsigned char *comment = memchr(p, '#', (size_t)(end - p));
    end = comment ? comment : end;
    bool labelled = false;
    int64_t previous = 0;
    for (;;) {
        while (p < end && is_blank(*p)) {
            p++;
        }
        if (p == end) {
            return PARE_OK;
        }
        const unsigned char *start = p;
        while (p < end && !is_blank(*p)) {
            p++;
        }
        pare_status status = PARE_OK;
        if (labelled) {
            status = read_entry(reader, start, p, &previous);
        } else {
            double label = 0;
            if (memchr(start, ',', (size_t)(p - start))) {
                return refuse(reader, start, p, "one label; several are not supported");
            }
            if (pare_cell_parse_double(start, p, &label) != PARE_CELL_NUMBER) {
                return refuse(reader, start, p, "a finite number as label");
            }
            labelled = true;
            status = add_row(reader, label);
        }
        if (status != PARE_OK) {
            return status;
        }
    }
}

/* All whole lines of the block; *whole: where the last one ends. */
static pare_status read_block(libsvm *reader, const pare_lines *lines, int64_t *whole) {
    const unsigned char *p = lines->bytes, *limit = p + lines->length;
    pare_status status = PARE_OK;
    while (p < limit && status == PARE_OK) {
        const unsigned char *end = memchr(p, '\n', (size_t)(limit - p));
        if (!end) {
            break;
        }
        reader->line++;
        status = read_line(reader, p, end);
        p = end + 1;
    }
    *whole = p - lines->bytes;
    return status;
}

static pare_status read_lines(libsvm *reader, pare_lines *lines) {
    while (lines->length > 0) {
        int64_t whole = 0;
        pare_status status = read_block(reader, lines, &whole);
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

pare_status pare_libsvm_read(pare_input *input, pare_table *table) {
    libsvm reader = {.ctx = input->ctx, .name = input->name, .table = table};
    pare_lines lines = {0};
    table->storage = PARE_STORAGE_CSR;
    pare_status status = pare_lines_begin(input, &lines);
    if (status == PARE_OK) {
        status = read_lines(&reader, &lines);
    }
    pare_lines_clear(&lines);
    if (status == PARE_OK && reader.columns == 0) {
        status = pare_fail(input->ctx, PARE_ERROR_INPUT,
                           "%s: no entries; expected lines of label index:value ...", input->name);
    }
    if (status == PARE_OK) {
        table->start[table->rows] = reader.entries;
        /* All entries may be zeros: the arrays exist nevertheless. */
        status =
            pare_grow(input->ctx, 1, sizeof *table->index, &reader.index_capacity, &table->index);
    }
    if (status == PARE_OK) {
        status =
            pare_grow(input->ctx, 1, sizeof *table->value, &reader.value_capacity, &table->value);
    }
    return status == PARE_OK ? pare_table_name_columns(table, reader.columns) : status;
}
