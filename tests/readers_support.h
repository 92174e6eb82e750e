/* Shared by the tests of the readers: tables from bytes in memory, and what they hold. */
#ifndef PARE_TESTS_READERS_SUPPORT_H
#define PARE_TESTS_READERS_SUPPORT_H

#include "support.h"

#include <math.h>
#include <stdio.h>

#include "data/reader.h"

typedef struct reading {
    pare_context *ctx;
    pare_options options;
    int64_t block; /* 0: the usual size */
    const char *name;
} reading;

/* set: "name=value" pairs separated by blanks, or NULL. */
static inline void reading_open(reading *r, const pare_allocator *allocator, const char *set) {
    memset(r, 0, sizeof *r);
    assert_int_equal(pare_context_create(allocator, &r->ctx), PARE_OK);
    assert_ok(r->ctx, pare_options_init(r->ctx, &r->options));
    r->name = "table.csv";
    assert_ok(r->ctx, test_options_set(&r->options, set));
}

static inline void reading_close(reading *r) {
    pare_options_clear(&r->options);
    pare_context_destroy(r->ctx);
}

static inline pare_status reading_bytes(reading *r, const void *bytes, int64_t length,
                                        pare_table *out) {
    pare_input input;
    *out = (pare_table){0};
    pare_status status = pare_input_open_memory(r->ctx, r->name, bytes, length, &input);
    if (status == PARE_OK) {
        input.block = r->block > 0 ? r->block : input.block;
        status = pare_table_read_stream(&input, &r->options, out);
        pare_input_close(&input);
    }
    return status;
}

static inline pare_status reading_text(reading *r, const char *text, pare_table *out) {
    return reading_bytes(r, text, (int64_t)strlen(text), out);
}

/* Reads text, which must be refused with a sentence that holds every piece of `wanted` (separated
 * by '|'). */
static inline void assert_refused_bytes(reading *r, const void *bytes, int64_t length,
                                        const char *wanted) {
    pare_table table;
    pare_status status = reading_bytes(r, bytes, length, &table);
    const char *sentence = pare_context_error(r->ctx);
    if (status != PARE_ERROR_INPUT || table.rows != 0 || table.ctx) {
        fail_msg("status %d, not refused; expected: %s", status, wanted);
    }
    while (*wanted) {
        char piece[128];
        size_t size = strcspn(wanted, "|");
        snprintf(piece, sizeof piece, "%.*s", (int)size, wanted);
        if (!strstr(sentence, piece)) {
            fail_msg("'%s' lacks '%s'", sentence, piece);
        }
        wanted += size + (wanted[size] == '|');
    }
}

static inline void assert_refused(reading *r, const char *text, const char *wanted) {
    assert_refused_bytes(r, text, (int64_t)strlen(text), wanted);
}

/* One cell as text: a number with %.9g, the level of a category, or "-" when missing. */
static inline void cell_text(const pare_table *table, int64_t row, int64_t c, char *out,
                             size_t size) {
    float value = table->f32[row * table->columns + c];
    if (isnan(value)) {
        snprintf(out, size, "-");
    } else if (table->column[c].levels > 0) {
        snprintf(out, size, "'%s'", table->column[c].level[(int64_t)value]);
    } else {
        snprintf(out, size, "%.9g", (double)value);
    }
}

/* The whole float table as text: "a b|1 'x'|2 -": names, then rows. */
static inline void assert_table(const pare_table *table, const char *wanted) {
    char text[4096] = "", cell[256];
    size_t length = 0;
    for (int64_t row = -1; row < table->rows; row++) {
        for (int64_t c = 0; c < table->columns; c++) {
            if (row < 0) {
                snprintf(cell, sizeof cell, "%s", table->column[c].name);
            } else {
                cell_text(table, row, c, cell, sizeof cell);
            }
            const char *before = c > 0 ? " " : row < 0 ? "" : "|";
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", before, cell);
            assert_true(length < sizeof text);
        }
    }
    assert_string_equal(text, wanted);
}

/* Equal in every respect, bit for bit. */
static inline void assert_same_table(const pare_table *a, const pare_table *b) {
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->columns, b->columns);
    assert_int_equal(a->first_line, b->first_line);
    assert_memory_equal(a->f32, b->f32, (size_t)(a->rows * a->columns) * sizeof(float));
    for (int64_t c = 0; c < a->columns; c++) {
        assert_string_equal(a->column[c].name, b->column[c].name);
        assert_int_equal(a->column[c].levels, b->column[c].levels);
        for (int64_t level = 0; level < a->column[c].levels; level++) {
            assert_string_equal(a->column[c].level[level], b->column[c].level[level]);
        }
    }
}

/* The steps with memory running out at each of their allocations in turn. */
static inline void reading_out_of_memory(pare_status (*steps)(reading *r)) {
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status != PARE_OK; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        reading r;
        reading_open(&r, &allocator, NULL);
        memory.fail_at = memory.count + at;
        status = steps(&r);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        reading_close(&r);
        assert_int_equal(memory.live, 0);
    }
}

#endif
