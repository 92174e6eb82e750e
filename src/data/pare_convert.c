/* Any table as a .pare file: CSV and TSV block by block, the others from memory. */
#include "base/text.h"
#include "base/xxh64.h"
#include "data/csv.h"
#include "data/pare_file.h"

#include <math.h>

typedef struct converter {
    pare_context *ctx;
    pare_input *input;
    const char *path;
    bool pack;
    pare_progress_fn progress;
    void *user;
    pare_origin origin;
    pare_writer *writer;
    int64_t *written; /* (columns) levels of each that the writer has */
    int64_t columns;
    int64_t skip; /* rows at the place of the start that an earlier run has written */
    int64_t held; /* blank rows of a single column, written once another row follows */
    int64_t data_line;
    bool crooked, stopped, begun;
} converter;

/* What has to be the same for a conversion to be continued. */
static pare_status find_origin(converter *c, const pare_options *options, int64_t format) {
    pare_input *input = c->input;
    const char *rules[] = {options->categorical, options->split_by, options->ignore};
    int64_t numbers[] = {format, options->header};
    uint64_t hash = pare_xxh64(numbers, sizeof numbers, 0);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        hash = pare_xxh64(rules[i], (int64_t)strlen(rules[i]), hash);
    }
    pare_status status = pare_input_look(input);
    int64_t size = 0, changed = 0;
    if (pare_file_facts(input->path, &size, &changed)) {
        hash = pare_xxh64(&changed, sizeof changed, hash);
    }
    c->origin.rules = hash;
    c->origin.size = input->size > 0 ? (uint64_t)input->size : 0;
    c->origin.head =
        pare_xxh64(input->head + input->head_begin, input->head_end - input->head_begin, 0);
    return status;
}

/* ---- Text ----------------------------------------------------------------------------------- */

static pare_status begin(void *user, pare_csv *csv, int64_t *offset, int64_t *line) {
    converter *c = user;
    pare_mark mark = {0};
    pare_status status = PARE_OK;
    c->columns = csv->columns;
    c->data_line = csv->data_line;
    c->skip = c->held = 0;
    c->crooked = false;
    if (!c->written) {
        status = pare_alloc(c->ctx, csv->columns, sizeof *c->written, &c->written);
    }
    for (int64_t j = 0; status == PARE_OK && j < csv->columns; j++) {
        c->written[j] = 0;
    }
    bool again = c->begun;
    c->begun = true;
    pare_writer_destroy(c->writer, false);
    c->writer = NULL;
    if (status != PARE_OK || again || !csv->input->rewindable) {
        return status;
    }
    uint8_t *category = NULL;
    status = pare_alloc_zero(c->ctx, csv->columns, 1, &category);
    if (status == PARE_OK) {
        status = pare_writer_resume(c->ctx, c->path, csv->table, &c->origin, c->pack, category,
                                    csv->levels, &mark, &c->writer);
    }
    if (status == PARE_OK && c->writer && mark.offset == 0) {
        pare_writer_destroy(c->writer, false);
        c->writer = NULL;
        for (int64_t j = 0; j < csv->columns; j++) {
            pare_levels_clear(c->ctx, &csv->levels[j]);
        }
    }
    if (status == PARE_OK && c->writer) {
        memcpy(csv->category, category, (size_t)csv->columns);
        for (int64_t j = 0; j < csv->columns; j++) {
            c->written[j] = csv->levels[j].count;
        }
        c->skip = (int64_t)mark.skip;
        c->crooked = mark.crooked != 0;
        *offset = (int64_t)mark.offset;
        *line = (int64_t)mark.line;
    }
    pare_free(c->ctx, category);
    return status;
}

static pare_status send_levels(converter *c, const pare_csv *csv) {
    for (int64_t k = 0; k < csv->categories; k++) {
        int64_t j = csv->list[k];
        const pare_levels *levels = &csv->levels[j];
        for (; c->written[j] < levels->count; c->written[j]++) {
            int64_t l = c->written[j];
            pare_status status =
                pare_writer_level(c->writer, j, levels->text[l], levels->length[l]);
            if (status != PARE_OK) {
                return status;
            }
        }
    }
    return PARE_OK;
}

/* A single column: blank lines are missing cells, except at the end. */
static pare_status send_column(converter *c, const pare_csv *csv, int64_t rows) {
    int64_t before = csv->rows - rows;
    int64_t good = csv->kept > before ? csv->kept - before : 0;
    const float blank = NAN;
    pare_status status = PARE_OK;
    for (; good > 0 && c->held > 0 && status == PARE_OK; c->held--) {
        status = pare_writer_rows(c->writer, 1, &blank, NULL, 0);
    }
    c->held += rows - good;
    return status == PARE_OK ? pare_writer_rows(c->writer, good, csv->cells, NULL, 0) : status;
}

static pare_status rows(void *user, pare_csv *csv, int64_t count, bool *stop) {
    converter *c = user;
    pare_status status = PARE_OK;
    c->crooked = c->crooked || csv->crooked;
    if (!c->writer) {
        status = pare_writer_create(c->ctx, c->path, csv->table, csv->category, &c->origin, c->pack,
                                    &c->writer);
    }
    if (status == PARE_OK) {
        status = send_levels(c, csv);
    }
    if (status != PARE_OK) {
        return status;
    }
    int64_t skip = c->skip < count ? c->skip : count;
    pare_place place = {csv->offset, csv->line, c->crooked};
    c->skip -= skip;
    status = csv->columns == 1 ? send_column(c, csv, count)
                               : pare_writer_rows(c->writer, count - skip,
                                                  csv->cells + skip * csv->columns, &place, skip);
    pare_progress at = {.size = sizeof at,
                        .stage = "convert",
                        .fraction = pare_input_share(c->input),
                        .seconds_left = -1,
                        .loss = NAN};
    c->stopped = c->progress && c->progress(c->user, &at) != 0;
    *stop = c->stopped;
    return status;
}

static pare_status convert_text(converter *c, const pare_options *options, bool tabs) {
    pare_table table = {.ctx = c->ctx};
    const pare_csv_sink sink = {begin, rows, c};
    pare_status status =
        pare_text_copy(c->ctx, c->input->name, (int64_t)strlen(c->input->name), &table.source);
    if (status == PARE_OK) {
        status = pare_csv_stream(c->input, options, tabs, &sink, &table);
    }
    if (status == PARE_OK && !c->stopped && !c->writer) {
        status = pare_fail(c->ctx, PARE_ERROR_INPUT,
                           "%s: no rows below the header; expected at least one", c->input->name);
    }
    pare_table_clear(&table);
    return status;
}

/* ---- Everything else ------------------------------------------------------------------------ */

static pare_status convert_table(converter *c, const pare_options *options) {
    pare_table table = {0};
    pare_mark mark = {0};
    uint8_t *category = NULL;
    pare_status status = pare_table_read_stream(c->input, options, &table);
    if (status == PARE_OK) {
        status = pare_alloc_zero(c->ctx, table.columns, 1, &category);
    }
    if (status == PARE_OK) {
        status = pare_writer_resume(c->ctx, c->path, &table, &c->origin, c->pack, category, NULL,
                                    &mark, &c->writer);
    }
    if (status == PARE_OK && !c->writer) {
        status = pare_writer_create(c->ctx, c->path, &table, NULL, &c->origin, c->pack, &c->writer);
    }
    if (status == PARE_OK) {
        status = pare_writer_table(c->writer, &table, c->progress, c->user, &c->stopped);
    }
    c->data_line = table.first_line;
    pare_free(c->ctx, category);
    pare_table_clear(&table);
    return status;
}

pare_status pare_table_convert(pare_context *ctx, const char *in, const char *out,
                               const pare_options *options, bool pack, pare_progress_fn progress,
                               void *user, bool *complete) {
    converter c = {.ctx = ctx, .path = out, .pack = pack, .progress = progress, .user = user};
    int64_t format = 0;
    *complete = false;
    pare_status status = pare_alloc(ctx, 1, sizeof *c.input, &c.input);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_input_open(ctx, in, c.input);
    if (status != PARE_OK) {
        pare_free(ctx, c.input);
        return status;
    }
    status = pare_table_format(c.input, options, &format);
    if (status == PARE_OK) {
        status = find_origin(&c, options, format);
    }
    if (status == PARE_OK && (format == PARE_FORMAT_CSV || format == PARE_FORMAT_TSV)) {
        status = convert_text(&c, options, format == PARE_FORMAT_TSV);
    } else if (status == PARE_OK) {
        status = convert_table(&c, options);
    }
    if (status == PARE_OK && !c.stopped) {
        status = pare_writer_finish(c.writer, c.crooked ? 0 : c.data_line);
        *complete = status == PARE_OK;
    }
    /* What was written is worth keeping unless the source itself is at fault or cannot be gone on
     * with. */
    pare_writer_destroy(c.writer, status == PARE_ERROR_INPUT || !c.input->rewindable);
    pare_free(ctx, c.written);
    pare_input_close(c.input);
    pare_free(ctx, c.input);
    return status;
}
