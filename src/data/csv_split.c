#include "data/csv.h"
#include "platform/threads.h"

/* ---- Counting ---------------------------------------------------------------------------------
 */

static void count_chunk(void *argument, int64_t index) {
    pare_csv *csv = argument;
    csv_chunk *chunk = &csv->chunk[index];
    const unsigned char *p = csv->lines.bytes + chunk->begin;
    const unsigned char *end = csv->lines.bytes + chunk->end;
    if (chunk->records >= 0) {
        return;
    }
    chunk->records = 0;
    while (p < end) {
        const unsigned char *stop = csv->columns > 1 ? csv_blank_record(csv, p) : NULL;
        if (!stop) {
            stop = memchr(p, csv->terminator, (size_t)(end - p));
            chunk->records++;
        }
        chunk->lines++;
        p = stop + 1;
    }
}

/* ---- Cutting ----------------------------------------------------------------------------------
 */

static pare_status add_chunk(pare_csv *csv, const csv_chunk *chunk) {
    pare_status status =
        pare_grow(csv->ctx, csv->chunks + 1, sizeof *chunk, &csv->chunk_capacity, &csv->chunk);
    if (status == PARE_OK) {
        csv->chunk[csv->chunks++] = *chunk;
        csv->whole = chunk->end;
    }
    return status;
}

static int64_t chunk_bytes(const pare_csv *csv) {
    int64_t bytes = csv->input->block / 16;
    return bytes > 0 ? bytes : 1;
}

/* A block without quotes: every terminator ends a record. */
static pare_status cut_plain(pare_csv *csv, int64_t begin) {
    const unsigned char *bytes = csv->lines.bytes;
    int64_t length = csv->lines.length, step = chunk_bytes(csv);
    while (begin < length) {
        int64_t from = begin + step <= length ? begin + step - 1 : length - 1;
        const unsigned char *stop = memchr(bytes + from, csv->terminator, (size_t)(length - from));
        if (!stop) { /* the last chunk: up to the last terminator there is */
            stop = bytes + from;
            while (stop > bytes + begin && *stop != csv->terminator) {
                stop--;
            }
            if (*stop != csv->terminator) {
                return PARE_OK;
            }
        }
        csv_chunk chunk = {.begin = begin, .end = stop + 1 - bytes, .records = -1};
        begin = chunk.end;
        pare_status status = add_chunk(csv, &chunk);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* A block with quotes: only reading it from the front tells which terminators are inside. Lines
 * that end before the next quote are skipped whole. */
static pare_status cut_quoted(pare_csv *csv, int64_t begin) {
    const unsigned char *bytes = csv->lines.bytes, *limit = bytes + csv->lines.length;
    const unsigned char *p = bytes + begin, *quote = p;
    csv_chunk chunk = {.begin = begin};
    int64_t step = chunk_bytes(csv);
    while (p < limit) {
        if (quote && quote <= p) {
            quote = memchr(p, '"', (size_t)(limit - p));
        }
        const unsigned char *stop = memchr(p, csv->terminator, (size_t)(limit - p));
        int64_t lines = 1, fields = 0;
        const unsigned char *end = stop ? stop + 1 : NULL;
        bool blank = csv->columns > 1 && csv_blank_record(csv, p);
        if (stop && quote && quote < stop) {
            end = pare_csv_record(csv, p, limit, &lines, &fields);
        }
        if (!end) {
            break;
        }
        chunk.records += !blank;
        chunk.lines += lines;
        p = end;
        chunk.end = p - bytes;
        if (chunk.end - chunk.begin >= step || p == limit) {
            pare_status status = add_chunk(csv, &chunk);
            if (status != PARE_OK) {
                return status;
            }
            chunk = (csv_chunk){.begin = chunk.end};
        }
    }
    return chunk.end > chunk.begin ? add_chunk(csv, &chunk) : PARE_OK;
}

/* The data ended inside a record, which only an open quote can do. */
static pare_status open_quote(pare_csv *csv, int64_t line) {
    for (int64_t i = 0; i < csv->chunks; i++) {
        line += csv->chunk[i].lines;
    }
    return pare_fail(csv->ctx, PARE_ERROR_INPUT,
                     "%s line %lld: a quoted field is not closed before the end of the data",
                     csv->input->name, (long long)line);
}

pare_status pare_csv_split(pare_csv *csv, int64_t begin, int64_t line) {
    pare_status status = PARE_OK;
    pare_lines *lines = &csv->lines;
    for (;;) {
        csv->chunks = 0;
        csv->whole = begin;
        bool quoted = begin < lines->length &&
                      memchr(lines->bytes + begin, '"', (size_t)(lines->length - begin));
        status = quoted ? cut_quoted(csv, begin) : cut_plain(csv, begin);
        if (status != PARE_OK || csv->chunks > 0 || lines->ended) {
            break;
        }
        status = pare_lines_extend(lines);
        if (status != PARE_OK) {
            break;
        }
    }
    if (status != PARE_OK) {
        return status;
    }
    pare_pool_run(csv->ctx->pool, csv->chunks, count_chunk, csv);
    if (lines->ended && csv->whole < lines->length) {
        return open_quote(csv, line);
    }
    int64_t row = 0;
    for (int64_t i = 0; i < csv->chunks; i++) {
        csv_chunk *chunk = &csv->chunk[i];
        chunk->row = row;
        chunk->line = line;
        row += chunk->records;
        line += chunk->lines;
    }
    return PARE_OK;
}
