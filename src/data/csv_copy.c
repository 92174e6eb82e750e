/* Copies columns of a text table without reading their values. */
#include "data/csv.h"
#include "base/text.h"

typedef struct copier {
    pare_csv csv;
    const pare_copy *copy;
    bool *keep;    /* (columns) */
    pare_text out; /* of the current block */
    int64_t line;  /* of the next record */
} copier;

/*
 * Appends the kept fields of the record at p; returns the byte after the record, or NULL if the
 * block ends first. *fields: how many the record has.
 */
static const unsigned char *copy_record(copier *c, const unsigned char *p,
                                        const unsigned char *limit, int64_t *fields) {
    const pare_csv *csv = &c->csv;
    int64_t lines = 1, start = c->out.length;
    bool first = true;
    for (*fields = 0;; (*fields)++) {
        csv_field field = pare_csv_field(csv, p, limit);
        if (!field.stop || field.stop >= limit) {
            c->out.length = start;
            return NULL;
        }
        lines += field.lines;
        bool last = *field.stop == csv->terminator;
        bool carriage = last && csv->terminator == '\n' && field.stop > p && field.stop[-1] == '\r';
        if (*fields < csv->columns && c->keep[*fields]) {
            if (!first) {
                pare_text_append_bytes(&c->out, (const char *)&csv->separator, 1);
            }
            first = false;
            pare_text_append_bytes(&c->out, (const char *)p, field.stop - carriage - p);
        }
        p = field.stop + 1;
        if (last) {
            pare_text_append_bytes(&c->out, (const char *)field.stop - carriage, 1 + carriage);
            ++*fields;
            c->line += lines;
            return p;
        }
    }
}

/* Copies the whole records of the block from p on; *whole: where the rest begins. */
static pare_status copy_block(copier *c, const unsigned char *p, int64_t *whole) {
    const pare_csv *csv = &c->csv;
    const unsigned char *limit = csv->lines.bytes + csv->lines.length;
    while (p < limit) {
        const unsigned char *blank = csv->columns > 1 ? csv_blank_record(csv, p) : NULL;
        if (blank && blank < limit) {
            p = blank + 1;
            c->line++;
            continue;
        }
        int64_t fields = 0, line = c->line;
        const unsigned char *next = copy_record(c, p, limit, &fields);
        if (!next) {
            break;
        }
        if (fields != csv->columns) {
            return pare_fail(csv->ctx, PARE_ERROR_INPUT, "%s line %lld: %lld fields, expected %lld",
                             csv->input->name, (long long)line, (long long)fields,
                             (long long)csv->columns);
        }
        p = next;
    }
    *whole = p - csv->lines.bytes;
    return c->out.status;
}

/* Makes more of the file visible; the bytes from `whole` on come first. */
static pare_status next_block(copier *c, int64_t whole) {
    pare_lines *lines = &c->csv.lines;
    if (lines->ended) {
        return pare_fail(c->csv.ctx, PARE_ERROR_INPUT,
                         "%s line %lld: a quoted field is not closed before the end of the data",
                         c->csv.input->name, (long long)c->line);
    }
    if (whole == 0) {
        return pare_lines_extend(lines);
    }
    pare_status status = pare_lines_prepare(lines, whole);
    if (status == PARE_OK) {
        pare_lines_fill(lines);
        status = pare_lines_turn(lines);
    }
    return status;
}

static pare_status copy_all(copier *c, bool marked) {
    pare_lines *lines = &c->csv.lines;
    int64_t begin = marked ? 3 : 0;
    if (marked) {
        pare_text_append_bytes(&c->out, "\xEF\xBB\xBF", 3);
    }
    for (;;) {
        int64_t whole = 0;
        pare_status status = copy_block(c, lines->bytes + begin, &whole);
        if (status == PARE_OK && c->out.length > 0) {
            status = c->copy->put(c->copy->user, c->out.bytes, c->out.length);
            c->out.length = 0;
        }
        if (status != PARE_OK || (lines->ended && whole >= lines->length)) {
            return status;
        }
        /* The head reader has made the first record whole, so the mark is behind us now. */
        begin = 0;
        status = next_block(c, whole);
        if (status != PARE_OK) {
            return status;
        }
    }
}

pare_status pare_table_copy(pare_context *ctx, const char *path, const pare_options *options,
                            const pare_copy *copy) {
    pare_input *input = NULL;
    pare_table table = {.ctx = ctx};
    copier c = {.csv = {.ctx = ctx, .table = &table}, .copy = copy, .out = {.ctx = ctx}, .line = 1};
    pare_status status = pare_alloc(ctx, 1, sizeof *input, &input);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_input_open(ctx, path, input);
    if (status != PARE_OK) {
        pare_free(ctx, input);
        return status;
    }
    c.csv.input = input;
    status = pare_text_copy(ctx, input->name, (int64_t)strlen(input->name), &table.source);
    if (status == PARE_OK) {
        status = pare_lines_begin(input, &c.csv.lines);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    /* The head reader blanks a byte order mark. */
    bool marked = c.csv.lines.length >= 3 && memcmp(c.csv.lines.bytes, "\xEF\xBB\xBF", 3) == 0;
    status = pare_csv_head(&c.csv, options, options->format == PARE_FORMAT_TSV);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, c.csv.columns, sizeof *c.keep, &c.keep);
    }
    if (status == PARE_OK) {
        status = copy->choose(copy->user, &table, c.keep);
    }
    if (status == PARE_OK) {
        status = copy_all(&c, marked);
    }
fail:
    pare_text_clear(&c.out);
    pare_free(ctx, c.keep);
    pare_csv_clear(&c.csv);
    pare_table_clear(&table);
    pare_input_close(input);
    pare_free(ctx, input);
    return status;
}
