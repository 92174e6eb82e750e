#include "data/csv.h"
#include "platform/threads.h"

#include <stdio.h>

/*
 * A file is read in blocks of a few megabytes. Each is cut at record ends into chunks that are
 * counted and parsed in parallel straight into the table, while the next block is read. A column
 * is numeric until text turns up in it. If that happens in the first block, the block is parsed
 * again; if later, the whole file is, because texts of earlier cells ("01", "1.0") are the names of
 * levels and floats do not remember them.
 */

/* ---- Rows --------------------------------------------------------------------------------------
 *
 * Cells are held once. How many rows will come is guessed from the share of the file read so far,
 * twice too high: memory that is not touched costs nothing. Without a guess (a pipe), or when it
 * was wrong, another segment is opened, half as large as all before; segments are joined in the
 * end, each freed as soon as it is copied, so that a pipe touches at most 4/3 of the table.
 */

static pare_status open_segment(pare_csv *csv, int64_t capacity) {
    csv_segment *segment = &csv->segment[csv->segments];
    int64_t cells = 0;
    if (csv->segments == CSV_SEGMENTS_MAX ||
        !pare_checked_multiply(capacity, csv->columns, &cells)) {
        return pare_fail(csv->ctx, PARE_ERROR_MEMORY, "%s: out of memory: too many rows",
                         csv->input->name);
    }
    pare_status status = pare_alloc(csv->ctx, cells, sizeof(float), &segment->cells);
    if (status == PARE_OK) {
        segment->capacity = capacity;
        segment->rows = 0;
        csv->segments++;
    }
    return status;
}

/* For a sink one block is held at a time. */
static pare_status place_block(pare_csv *csv, int64_t rows) {
    int64_t cells = 0;
    if (!pare_checked_multiply(rows, csv->columns, &cells)) {
        return pare_fail(csv->ctx, PARE_ERROR_MEMORY, "%s: out of memory: too many rows",
                         csv->input->name);
    }
    pare_status status =
        pare_grow(csv->ctx, cells, sizeof(float), &csv->block_capacity, &csv->segment[0].cells);
    csv->segments = 1;
    csv->cells = csv->segment[0].cells;
    csv->rows += status == PARE_OK ? rows : 0;
    return status;
}

static pare_status place_rows(pare_csv *csv, int64_t rows) {
    if (csv->sink) {
        return place_block(csv, rows);
    }
    csv_segment *segment = csv->segments ? &csv->segment[csv->segments - 1] : NULL;
    if (!segment || segment->capacity - segment->rows < rows) {
        double share = pare_input_share(csv->input);
        double guess = share > 0 ? 2 * (double)(csv->rows + rows) / share : 0;
        int64_t least = rows + csv->rows / 2;
        int64_t capacity = !csv->lines.ended && guess < 1e15 ? (int64_t)guess - csv->rows : 0;
        pare_status status = PARE_ERROR_MEMORY;
        if (capacity > least) {
            status = open_segment(csv, capacity);
        }
        if (status != PARE_OK) {
            status = open_segment(csv, least);
        }
        if (status != PARE_OK) {
            return status;
        }
        segment = &csv->segment[csv->segments - 1];
    }
    csv->cells = segment->cells + segment->rows * csv->columns;
    segment->rows += rows;
    csv->rows += rows;
    return PARE_OK;
}

static void drop_rows(pare_csv *csv) {
    for (int64_t s = 0; s < csv->segments; s++) {
        pare_free(csv->ctx, csv->segment[s].cells);
        csv->segment[s] = (csv_segment){0};
    }
    csv->segments = csv->rows = csv->kept = csv->block_capacity = 0;
}

static pare_status join_rows(pare_csv *csv) {
    pare_table *table = csv->table;
    table->rows = csv->kept;
    if (csv->segments == 1) {
        table->f32 = csv->segment[0].cells;
        csv->segments = 0;
        return PARE_OK;
    }
    pare_status status = pare_alloc(csv->ctx, csv->rows * csv->columns, sizeof(float), &table->f32);
    float *to = table->f32;
    for (int64_t s = 0; s < csv->segments && status == PARE_OK; s++) {
        int64_t cells = csv->segment[s].rows * csv->columns;
        memcpy(to, csv->segment[s].cells, (size_t)cells * sizeof(float));
        to += cells;
        pare_free(csv->ctx, csv->segment[s].cells);
        csv->segment[s].cells = NULL;
    }
    return status;
}

/* ---- Categories -------------------------------------------------------------------------------
 */

static void list_categories(pare_csv *csv) {
    csv->categories = 0;
    for (int64_t c = 0; c < csv->columns; c++) {
        if (csv->category[c]) {
            csv->list[csv->categories++] = c;
        }
    }
}

/* Columns that met text become categories; returns whether there were any. */
static bool turn_columns(pare_csv *csv) {
    bool any = false;
    for (int64_t c = 0; c < csv->columns; c++) {
        if (atomic_load_explicit(&csv->turned[c], memory_order_relaxed)) {
            atomic_store_explicit(&csv->turned[c], 0, memory_order_relaxed);
            csv->category[c] = 1;
            any = true;
        }
    }
    if (any) {
        list_categories(csv);
    }
    return any;
}

/* Gives the cells of a chunk whose text is new a level, in the order of the file. */
static pare_status name_levels(pare_csv *csv, const csv_chunk *chunk) {
    const unsigned char *limit = csv->lines.bytes + csv->lines.length;
    for (int64_t i = 0; i < chunk->records; i++) {
        float *row = csv->cells + (chunk->row + i) * csv->columns;
        for (int64_t j = 0; j < csv->categories; j++) {
            float *cell = &row[csv->list[j]];
            uint32_t bits;
            memcpy(&bits, cell, sizeof bits);
            if (!(bits & CSV_PENDING)) {
                continue;
            }
            csv_field field = pare_csv_field(csv, csv->lines.bytes + (bits & ~CSV_PENDING), limit);
            const unsigned char *text = NULL;
            int64_t length = 0, level = 0;
            pare_status status = pare_csv_own_text(csv, &field, &text, &length);
            if (status == PARE_OK) {
                status =
                    pare_levels_add(csv->ctx, &csv->levels[csv->list[j]], text, length, &level);
            }
            if (status != PARE_OK) {
                return status;
            }
            if (level >= PARE_LEVELS_MAX) {
                return pare_fail(
                    csv->ctx, PARE_ERROR_INPUT, "%s: column '%s' has more than %d different texts",
                    csv->input->name, csv->table->column[csv->list[j]].name, PARE_LEVELS_MAX);
            }
            *cell = (float)level;
        }
    }
    return PARE_OK;
}

/* ---- Faults -----------------------------------------------------------------------------------
 */

static pare_status refuse(pare_csv *csv, const csv_fault *fault) {
    const char *name = csv->input->name;
    long long line = (long long)fault->line;
    switch (fault->kind) {
    case CSV_RAGGED:
        return pare_fail(csv->ctx, PARE_ERROR_INPUT, "%s line %lld: %lld field%s, expected %lld",
                         name, line, (long long)fault->fields, fault->fields == 1 ? "" : "s",
                         (long long)csv->columns);
    case CSV_ZERO_BYTE:
        return pare_fail(csv->ctx, PARE_ERROR_INPUT,
                         "%s line %lld: a zero byte; expected text (ASCII or UTF-8)", name, line);
    case CSV_INFINITE:
        return pare_fail(
            csv->ctx, PARE_ERROR_INPUT,
            "%s line %lld, column '%s': an infinite number; expected a finite one of up "
            "to 3.4e38, or the column among those to ignore",
            name, line, csv->table->column[fault->column].name);
    case CSV_FINE:
        break;
    }
    return PARE_OK;
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* The chunks of the current block, parsed, into the table. *again: see read_pass. */
static pare_status take_block(pare_csv *csv, bool first, bool *again) {
    int64_t rows = 0;
    for (int64_t i = 0; i < csv->chunks; i++) {
        rows += csv->chunk[i].records;
        csv->crooked = csv->crooked || csv->chunk[i].records != csv->chunk[i].lines;
    }
    int64_t before = csv->rows;
    pare_status status = place_rows(csv, rows);
    if (status == PARE_OK) {
        status = pare_lines_prepare(&csv->lines, csv->whole);
    }
    if (status != PARE_OK) {
        return status;
    }
    csv->fills = true;
    pare_csv_parse(csv);
    if (turn_columns(csv)) {
        *again = *again || !first;
        if (csv->sink && *again) {
            return PARE_OK;
        }
        csv->fills = false;
        pare_csv_parse(csv);
    }
    for (int64_t i = 0; i < csv->chunks && status == PARE_OK; i++) {
        csv_chunk *chunk = &csv->chunk[i];
        status = refuse(csv, &chunk->fault);
        if (csv->infinite.kind == CSV_FINE) {
            csv->infinite = chunk->infinite;
        }
        if (status == PARE_OK && chunk->pending > 0) {
            status = name_levels(csv, chunk);
        }
        csv->kept = chunk->last > 0 ? before + chunk->last : csv->kept;
    }
    if (status == PARE_OK && csv->sink) {
        status = refuse(csv, &csv->infinite);
        if (status == PARE_OK) {
            status = csv->sink->rows(csv->sink->user, csv, rows, &csv->stopped);
        }
    }
    return status;
}

/* Reads all rows. *again: text was met in a column whose earlier cells are stored as numbers. */
static pare_status read_pass(pare_csv *csv, bool *again) {
    int64_t begin = csv->resumed ? 0 : csv->data_begin;
    int64_t line = csv->resumed ? csv->line : csv->data_line;
    *again = false;
    csv->crooked = false;
    csv->infinite = (csv_fault){.kind = CSV_FINE};
    list_categories(csv);
    for (bool first = true;; first = false, begin = 0) {
        pare_status status = pare_csv_split(csv, begin, line);
        csv->line = line;
        csv->offset += begin;
        if (status == PARE_OK && csv->chunks > 0) {
            status = take_block(csv, first && !csv->resumed, again);
        }
        if (status != PARE_OK || csv->chunks == 0 || csv->stopped || (csv->sink && *again)) {
            return status;
        }
        csv->offset += csv->whole - begin;
        line = csv->chunk[csv->chunks - 1].line + csv->chunk[csv->chunks - 1].lines;
        status = pare_lines_turn(&csv->lines);
        if (status != PARE_OK) {
            return status;
        }
    }
}

/* Back to the first row, with nothing read. */
static pare_status start_again(pare_csv *csv) {
    if (!csv->input->rewindable) {
        return pare_fail(csv->ctx, PARE_ERROR_INPUT,
                         "%s: a column turns from numbers to text far below the first rows, and "
                         "this input cannot be read twice; read it from a file or name the column "
                         "in the option categorical",
                         csv->input->name);
    }
    drop_rows(csv);
    csv->offset = 0;
    csv->resumed = false;
    for (int64_t c = 0; c < csv->columns; c++) {
        pare_levels_clear(csv->ctx, &csv->levels[c]);
    }
    pare_lines_clear(&csv->lines);
    pare_status status = pare_input_rewind(csv->input);
    if (status == PARE_OK) {
        status = pare_lines_begin(csv->input, &csv->lines);
    }
    if (status != PARE_OK) {
        return status;
    }
    pare_lines_end_with(&csv->lines, csv->terminator);
    while (status == PARE_OK && csv->lines.length < csv->data_begin && !csv->lines.ended) {
        status = pare_lines_extend(&csv->lines);
    }
    if (status == PARE_OK && csv->lines.length < csv->data_begin) {
        status = pare_fail(csv->ctx, PARE_ERROR_IO, "%s: the file changed while it was read",
                           csv->input->name);
    }
    return status;
}

/* To a record that an earlier run had come to. */
static pare_status jump(pare_csv *csv, int64_t offset, int64_t line) {
    pare_lines_clear(&csv->lines);
    pare_status status = pare_input_rewind(csv->input);
    if (status == PARE_OK && pare_input_skip(csv->input, offset) < offset) {
        status =
            pare_fail(csv->ctx, PARE_ERROR_IO, "%s: shorter than it was before", csv->input->name);
    }
    if (status == PARE_OK) {
        status = pare_lines_begin(csv->input, &csv->lines);
    }
    if (status == PARE_OK) {
        pare_lines_end_with(&csv->lines, csv->terminator);
        csv->offset = offset;
        csv->line = line;
        csv->resumed = true;
    }
    return status;
}

/* One pass to a sink, from where it wants to begin. */
static pare_status stream_pass(pare_csv *csv, bool *again) {
    int64_t offset = 0, line = 0;
    pare_status status = csv->sink->begin(csv->sink->user, csv, &offset, &line);
    if (status == PARE_OK && offset > 0) {
        status = jump(csv, offset, line);
    }
    return status == PARE_OK ? read_pass(csv, again) : status;
}

static pare_status finish(pare_csv *csv) {
    pare_table *table = csv->table;
    if (csv->columns > 1) {
        csv->kept = csv->rows;
    }
    if (csv->kept == 0) {
        return pare_fail(csv->ctx, PARE_ERROR_INPUT,
                         "%s: no rows below the header; expected at least one", csv->input->name);
    }
    pare_status status = refuse(csv, &csv->infinite);
    if (status == PARE_OK) {
        status = join_rows(csv);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t c = 0; c < csv->columns; c++) {
        pare_levels *levels = &csv->levels[c];
        if (levels->count > 0) {
            table->column[c].levels = levels->count;
            table->column[c].level = levels->text;
            levels->text = NULL;
            levels->count = 0;
        }
    }
    table->storage = PARE_STORAGE_F32;
    table->first_line = csv->crooked ? 0 : csv->data_line;
    return PARE_OK;
}

void pare_csv_clear(pare_csv *csv) {
    drop_rows(csv);
    for (int64_t c = 0; csv->levels && c < csv->columns; c++) {
        pare_levels_clear(csv->ctx, &csv->levels[c]);
    }
    pare_lines_clear(&csv->lines);
    pare_free(csv->ctx, csv->category);
    pare_free(csv->ctx, csv->ignored);
    pare_free(csv->ctx, csv->turned);
    pare_free(csv->ctx, csv->levels);
    pare_free(csv->ctx, csv->list);
    pare_free(csv->ctx, csv->chunk);
    pare_free(csv->ctx, csv->text);
}

static pare_status read_all(pare_input *input, const pare_options *options, bool tabs,
                            const pare_csv_sink *sink, pare_table *table) {
    pare_status (*const pass)(pare_csv *, bool *) = sink ? stream_pass : read_pass;
    pare_csv csv = {.ctx = input->ctx, .input = input, .table = table, .sink = sink};
    bool again = false;
    pare_status status = pare_lines_begin(input, &csv.lines);
    if (status == PARE_OK) {
        status = pare_csv_head(&csv, options, tabs);
    }
    if (status == PARE_OK) {
        status = pass(&csv, &again);
    }
    /* A second pass knows all columns with text, so that a third would mean that the file changed;
     * a sink has the pass end at the first one. */
    for (int64_t passes = 1; status == PARE_OK && again; passes++) {
        if (passes == (sink ? csv.columns + 1 : 2)) {
            status = pare_fail(input->ctx, PARE_ERROR_IO, "%s: the file changed while it was read",
                               input->name);
            break;
        }
        status = start_again(&csv);
        if (status == PARE_OK) {
            status = pass(&csv, &again);
        }
    }
    if (status == PARE_OK && !sink) {
        status = finish(&csv);
    }
    pare_csv_clear(&csv);
    return status;
}

pare_status pare_csv_read(pare_input *input, const pare_options *options, bool tabs,
                          pare_table *table) {
    return read_all(input, options, tabs, NULL, table);
}

pare_status pare_csv_stream(pare_input *input, const pare_options *options, bool tabs,
                            const pare_csv_sink *sink, pare_table *table) {
    return read_all(input, options, tabs, sink, table);
}
