#include "data/csv.h"
#include "platform/threads.h"

#include <math.h>

/* Where in the block a cell stands, for the one who adds new levels afterwards. */
static float pending_cell(const pare_csv *csv, const unsigned char *p) {
    uint32_t bits = CSV_PENDING | (uint32_t)(p - csv->lines.bytes);
    float cell;
    memcpy(&cell, &bits, sizeof cell);
    return cell;
}

static float level_cell(const pare_csv *csv, int64_t column, const csv_field *field,
                        const unsigned char *p, csv_chunk *chunk) {
    if (pare_cell_missing(field->begin, field->end)) {
        return NAN;
    }
    int64_t level = field->knotty ? -1
                                  : pare_levels_find(&csv->levels[column], field->begin,
                                                     field->end - field->begin);
    if (level >= 0) {
        return (float)level;
    }
    chunk->pending++;
    return pending_cell(csv, p);
}

/* A field that is not a plain number. */
static float careful_cell(pare_csv *csv, int64_t column, const csv_field *field,
                          const unsigned char *p, int64_t line, csv_chunk *chunk) {
    if (csv->category[column]) {
        return level_cell(csv, column, field, p, chunk);
    }
    float value = NAN;
    pare_cell cell =
        field->knotty ? PARE_CELL_TEXT : pare_cell_parse(field->begin, field->end, &value);
    if (cell == PARE_CELL_TEXT) {
        atomic_store_explicit(&csv->turned[column], 1, memory_order_relaxed);
    } else if (cell == PARE_CELL_INFINITE && csv->ignored[column]) {
        value = NAN;
    } else if (cell == PARE_CELL_INFINITE && chunk->infinite.kind == CSV_FINE) {
        chunk->infinite = (csv_fault){CSV_INFINITE, line, column, 0};
    }
    return value;
}

/* The case of indicators, genotypes and empty pixels: four cells of one digit each. */
static inline bool four_digits(const unsigned char *p, unsigned char separator,
                               const unsigned char *category, float *row) {
    const uint64_t ones = UINT64_C(0x0001000100010001);
    uint64_t bytes = pare_eight_bytes(p) ^ ones * (0x30 + ((uint64_t)separator << 8));
    uint32_t kinds;
    memcpy(&kinds, category, sizeof kinds);
    if (((bytes | (bytes + ones * 0x76)) & ones * 0xff80) != 0 || kinds != 0) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        row[i] = (float)(int)(bytes >> 16 * i & 0xff);
    }
    return true;
}

/* Parses the record at p into row and returns the byte after it; NULL: the chunk has a fault. */
static const unsigned char *parse_record(pare_csv *csv, const unsigned char *p,
                                         const unsigned char *limit, float *row, int64_t *line,
                                         csv_chunk *chunk) {
    const unsigned char separator = csv->separator, terminator = csv->terminator;
    const unsigned char *category = csv->category, *start = p;
    const int64_t columns = csv->columns, first_line = *line;
    for (int64_t c = 0; c < columns; c++) {
        if (c + 4 < columns && four_digits(p, separator, category + c, row + c)) {
            p += 8;
            c += 3;
            continue;
        }
        if (!category[c]) {
            const unsigned char *q = pare_number_quick(p, &row[c]);
            if (q > p) {
                if (*q == separator && c + 1 < columns) {
                    p = q + 1;
                    continue;
                }
                q += *q == '\r' && q[1] == '\n';
                if (*q == terminator && c + 1 == columns) {
                    ++*line;
                    return q + 1;
                }
            }
        }
        csv_field field = pare_csv_field(csv, p, limit);
        row[c] = careful_cell(csv, c, &field, p, first_line, chunk);
        *line += field.lines;
        p = field.stop + 1;
        bool last = *field.stop == terminator;
        if (last != (c + 1 == columns)) {
            int64_t lines = 0;
            chunk->fault = (csv_fault){CSV_RAGGED, first_line, c, 0};
            (void)pare_csv_record(csv, start, limit, &lines, &chunk->fault.fields);
            return NULL;
        }
    }
    ++*line;
    return p;
}

static void parse_chunk(pare_csv *csv, csv_chunk *chunk) {
    const unsigned char *p = csv->lines.bytes + chunk->begin;
    const unsigned char *end = csv->lines.bytes + chunk->end;
    float *row = csv->cells + chunk->row * csv->columns;
    int64_t line = chunk->line, done = 0;
    const unsigned char *zero = memchr(p, 0, (size_t)(end - p));
    if (zero) {
        for (; p < zero; p++) {
            line += *p == csv->terminator;
        }
        chunk->fault = (csv_fault){CSV_ZERO_BYTE, line, 0, 0};
        return;
    }
    while (p && p < end) {
        const unsigned char *blank = csv_blank_record(csv, p);
        if (blank && csv->columns > 1) {
            p = blank + 1;
            line++;
            continue;
        }
        p = parse_record(csv, p, end, row, &line, chunk);
        row += csv->columns;
        done++;
        chunk->last = blank ? chunk->last : chunk->row + done;
    }
}

static void run(void *argument, int64_t index) {
    pare_csv *csv = argument;
    if (!csv->fills) {
        parse_chunk(csv, &csv->chunk[index]);
    } else if (index == 0) {
        pare_lines_fill(&csv->lines);
    } else {
        parse_chunk(csv, &csv->chunk[index - 1]);
    }
}

void pare_csv_parse(pare_csv *csv) {
    for (int64_t i = 0; i < csv->chunks; i++) {
        csv_chunk *chunk = &csv->chunk[i];
        chunk->pending = chunk->last = 0;
        chunk->fault = chunk->infinite = (csv_fault){.kind = CSV_FINE};
    }
    pare_pool_run(csv->ctx->pool, csv->chunks + csv->fills, run, csv);
}
