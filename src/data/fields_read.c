/* Files to field tables: blocks of lines, numbers of texts, rows. */
#include "data/fields_read.h"

#include "base/text.h"
#include "platform/system.h"
#include "platform/threads.h"

enum {
    NUMBER_LEVELS = 50,
    CHUNKS = 16,    /* of a block */
    ENTRY_BYTES = 4 /* of the shortest entry " 1:1" */
};

/* ---- Chunks ---------------------------------------------------------------------------------- */

static pare_status add_chunk(pare_fields_reader *r, int64_t begin, int64_t end) {
    pare_status status =
        pare_grow(r->ctx, r->chunks + 1, sizeof *r->chunk, &r->chunk_capacity, &r->chunk);
    if (status != PARE_OK) {
        return status;
    }
    if (r->chunks == r->chunks_made) {
        r->chunk[r->chunks_made++] = (pare_fields_chunk){0};
    }
    pare_fields_chunk *chunk = &r->chunk[r->chunks++];
    chunk->begin = begin;
    chunk->end = end;
    return PARE_OK;
}

/* Whole lines of the block from `begin` on; *whole: where they end. */
static pare_status cut(pare_fields_reader *r, int64_t begin, int64_t *whole) {
    const unsigned char *bytes = r->lines.bytes;
    int64_t length = r->lines.length, step = r->input->block / CHUNKS;
    while (length > begin && bytes[length - 1] != '\n') {
        length--;
    }
    *whole = length;
    while (begin < length) {
        int64_t from = begin + step < length ? begin + step : length - 1;
        const unsigned char *stop = memchr(bytes + from, '\n', (size_t)(length - from));
        int64_t end = stop + 1 - bytes;
        pare_status status = add_chunk(r, begin, end);
        if (status != PARE_OK) {
            return status;
        }
        begin = end;
    }
    return PARE_OK;
}

static void count_lines(void *argument, int64_t index) {
    pare_fields_reader *r = argument;
    pare_fields_chunk *chunk = &r->chunk[index];
    const unsigned char *p = r->lines.bytes + chunk->begin, *end = r->lines.bytes + chunk->end;
    for (chunk->lines = 0; p < end; chunk->lines++) {
        p = (const unsigned char *)memchr(p, '\n', (size_t)(end - p)) + 1;
    }
}

/* Rows of a chunk are no more than its lines, nor than their delimiters allow. An odd number of
 * 64-byte lines, lest the columns of a row meet in one set of the cache. */
static int64_t stride_of(const pare_fields_reader *r, const pare_fields_chunk *chunk) {
    int64_t most = (chunk->end - chunk->begin) / r->columns + 1;
    int64_t lines = ((chunk->lines < most ? chunk->lines : most) + 3) / 4;
    return 4 * (lines | 1);
}

/* Room for whatever a chunk may hold. */
static pare_status make_room(pare_fields_reader *r, pare_fields_chunk *chunk) {
    bool pairs = pare_fields_pairs(r);
    int64_t bytes = chunk->end - chunk->begin, fields = r->fields->count;
    int64_t entries = pairs ? bytes / ENTRY_BYTES + 1 : 0;
    chunk->stride = pairs ? 0 : stride_of(r, chunk);
    const struct {
        int64_t wanted;
        size_t size;
        int64_t *capacity;
        void *array;
    } parts[] = {
        {pairs ? entries : fields * chunk->stride, sizeof *chunk->word, &chunk->word_capacity,
         &chunk->word},
        {entries, sizeof *chunk->tag, &chunk->tag_capacity, &chunk->tag},
        {entries, sizeof *chunk->order, &chunk->order_capacity, &chunk->order},
        {pairs ? fields + 1 : 0, sizeof *chunk->start, &chunk->start_capacity, &chunk->start},
        {pairs ? fields + 1 : 0, sizeof *chunk->last_row, &chunk->last_capacity, &chunk->last_row},
        {pairs ? chunk->lines : 0, sizeof *chunk->row_end, &chunk->end_capacity, &chunk->row_end},
        {chunk->lines, sizeof *chunk->label, &chunk->label_capacity, &chunk->label},
    };
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PARE_OK; i++) {
        status =
            pare_grow(r->ctx, parts[i].wanted, parts[i].size, parts[i].capacity, parts[i].array);
    }
    return status;
}

/* Chunk 0 is the reading of the next block, where that is wanted. */
static void parse_chunk(void *argument, int64_t index) {
    pare_fields_reader *r = argument;
    if (r->fills && index == 0) {
        pare_lines_fill(&r->lines);
    } else {
        pare_fields_parse(r, &r->chunk[index - r->fills]);
    }
}

/* Fields whose numbers were met for the first time, in the order of the file. */
static pare_status add_fresh(pare_fields_reader *r, bool *any) {
    int64_t line = r->line;
    *any = false;
    for (int64_t c = 0; c < r->chunks; c++) {
        pare_fields_chunk *chunk = &r->chunk[c];
        for (int64_t i = 0; i < chunk->freshes; i++) {
            *any = true;
            if (pare_fields_numbered(r, chunk->fresh[i]) >= 0) {
                continue;
            }
            pare_status status =
                pare_fields_add_number(r, chunk->fresh[i], line + chunk->fresh_line[i]);
            if (status != PARE_OK) {
                return status;
            }
        }
        if (chunk->freshes == PARE_FIELDS_FRESH) {
            break; /* the chunk was left; what follows it must not come first */
        }
        line += chunk->lines;
    }
    return PARE_OK;
}

/* Labels -1 and 0 in one file, else the fault of the chunk. */
static pare_status check(pare_fields_reader *r, const pare_fields_chunk *chunk) {
    pare_fields_fault fault = chunk->fault;
    int64_t negative = r->negative ? 1 : chunk->negative, zero = r->zero ? 1 : chunk->zero;
    if (negative > 0 && zero > 0) {
        int64_t line = negative > zero ? negative : zero;
        fault = (pare_fields_fault){.line = line};
        const char *text = line == chunk->negative ? "-1" : "0";
        pare_fields_refuse(&fault, (const unsigned char *)text,
                           (const unsigned char *)text + strlen(text),
                           "labels 0 and 1, or -1 and 1; not both -1 and 0");
    }
    r->negative = negative > 0;
    r->zero = zero > 0;
    r->missing = r->missing || chunk->missing;
    r->valued = r->valued || chunk->valued;
    return pare_fields_fail(r, &fault, r->line);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* Rows that were read get columns for fields that turned up since. */
static pare_status widen(pare_fields_reader *r) {
    pare_fields *fields = r->fields;
    int64_t before = r->wide, after = fields->count, cells = 0;
    int32_t *cell = NULL;
    float *value = NULL;
    if (before == after) {
        return PARE_OK;
    }
    if (!pare_checked_multiply(fields->rows, after, &cells)) {
        return pare_fail(r->ctx, PARE_ERROR_MEMORY, "%s: too many cells", r->name);
    }
    pare_status status = pare_alloc(r->ctx, cells, sizeof *cell, &cell);
    if (status == PARE_OK && fields->value) {
        status = pare_alloc_zero(r->ctx, cells, sizeof *value, &value);
    }
    if (status != PARE_OK) {
        pare_free(r->ctx, cell);
        return status;
    }
    memset(cell, 0xff, (size_t)cells * sizeof *cell);
    for (int64_t i = 0; i < fields->rows && before > 0; i++) {
        memcpy(cell + i * after, fields->cell + i * before, (size_t)before * sizeof *cell);
        if (value) {
            memcpy(value + i * after, fields->value + i * before, (size_t)before * sizeof *value);
        }
    }
    pare_free(r->ctx, fields->cell);
    pare_free(r->ctx, fields->value);
    fields->cell = cell;
    fields->value = value;
    r->cell_capacity = cells;
    r->value_capacity = value ? cells : 0;
    r->wide = after;
    return PARE_OK;
}

/* Room for `rows` rows, or for as many as the share of the file that was read lets expect. */
static pare_status reserve_rows(pare_fields_reader *r, int64_t rows) {
    pare_fields *fields = r->fields;
    double share = r->lines.ended ? 1 : pare_input_share(r->input);
    double guess = share > 0 ? 1.05 * (double)rows / share : 0;
    int64_t wanted = guess > (double)rows && guess < 1e12 ? (int64_t)guess : rows, cells = 0;
    if (!pare_checked_multiply(rows, fields->count, &cells)) {
        return pare_fail(r->ctx, PARE_ERROR_MEMORY, "%s: too many cells", r->name);
    }
    pare_status status = PARE_OK;
    if (cells > r->cell_capacity) {
        int64_t expected = 0;
        cells = pare_checked_multiply(wanted, fields->count, &expected) ? expected : cells;
        status = pare_grow(r->ctx, cells, sizeof *fields->cell, &r->cell_capacity, &fields->cell);
        if (status == PARE_OK) {
            pare_memory_large_pages(fields->cell, r->cell_capacity * (int64_t)sizeof *fields->cell);
        }
    }
    bool had = fields->value != NULL;
    if (status == PARE_OK && r->valued && r->value_capacity < r->cell_capacity) {
        status = pare_grow(r->ctx, r->cell_capacity, sizeof *fields->value, &r->value_capacity,
                           &fields->value);
    }
    for (int64_t i = 0; i < fields->rows * fields->count && status == PARE_OK && r->valued && !had;
         i++) {
        fields->value[i] = fields->cell[i] < 0 ? 0 : 1;
    }
    if (status == PARE_OK && rows > r->decimal_capacity) {
        int64_t capacity = r->decimal_capacity;
        for (int64_t f = 0; f < fields->count && status == PARE_OK; f++) {
            int64_t *decimal = fields->field[f].decimal;
            if (decimal) {
                capacity = r->decimal_capacity;
                status = pare_grow(r->ctx, wanted, sizeof *decimal, &capacity,
                                   &fields->field[f].decimal);
            }
        }
        r->decimal_capacity = capacity > wanted ? capacity : wanted;
    }
    if (status == PARE_OK && rows > r->label_capacity) {
        status =
            pare_grow(r->ctx, wanted, sizeof *fields->label, &r->label_capacity, &fields->label);
    }
    return status;
}

static void place_pairs(pare_fields *fields, const pare_fields_chunk *chunk) {
    int64_t e = 0, count = fields->count;
    for (int64_t i = 0; i < chunk->rows; i++) {
        int64_t row = chunk->first_row + i;
        int32_t *cell = fields->cell + row * count;
        float *value = fields->value ? fields->value + row * count : NULL;
        if (chunk->row_end[i] - e < count) {
            memset(cell, 0xff, (size_t)count * sizeof *cell);
        }
        if (value) {
            memset(value, 0, (size_t)count * sizeof *value);
        }
        for (; e < chunk->row_end[i]; e++) {
            int32_t field = chunk->tag[e].field;
            cell[field] = (int32_t)chunk->word[e].length;
            if (value) {
                value[field] = chunk->tag[e].value;
            }
        }
    }
}

static void place_cells(pare_fields *fields, const pare_fields_chunk *chunk) {
    int64_t count = fields->count;
    for (int64_t i = 0; i < chunk->rows; i++) {
        int32_t *cell = fields->cell + (chunk->first_row + i) * count;
        for (int64_t f = 0; f < count; f++) {
            cell[f] = pare_fields_levels(chunk, f)[i];
        }
    }
}

static void place_chunk(void *argument, int64_t index) {
    pare_fields_reader *r = argument;
    const pare_fields_chunk *chunk = &r->chunk[index];
    for (int64_t i = 0; i < chunk->rows; i++) {
        r->fields->label[chunk->first_row + i] = chunk->label[i];
    }
    if (pare_fields_pairs(r)) {
        place_pairs(r->fields, chunk);
    } else {
        place_cells(r->fields, chunk);
    }
}

static pare_status take_rows(pare_fields_reader *r) {
    int64_t rows = r->fields->rows;
    pare_status status = PARE_OK;
    for (int64_t c = 0; c < r->chunks && status == PARE_OK; c++) {
        r->chunk[c].first_row = rows;
        rows += r->chunk[c].rows;
        status = check(r, &r->chunk[c]);
        r->line += r->chunk[c].lines;
    }
    if (status == PARE_OK) {
        status = widen(r);
    }
    if (status == PARE_OK) {
        status = reserve_rows(r, rows);
    }
    if (status == PARE_OK) {
        status = pare_fields_look_up(r);
    }
    if (status == PARE_OK) {
        pare_pool_run(r->ctx->pool, r->chunks, place_chunk, r);
        r->fields->rows = rows;
    }
    return status;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* Where the first chunk, which is read alone, ends if it begins with the line that ends at `end`:
 * with libffm and libfm after that line, since it names most fields; else later, as it also tells
 * which columns are numbers. */
static int64_t first_end(const pare_fields_reader *r, int64_t begin, int64_t end) {
    int64_t step = begin + r->input->block / CHUNKS;
    if (pare_fields_pairs(r) || step < end) {
        return end;
    }
    const unsigned char *bytes = r->lines.bytes;
    for (end = step < r->lines.length ? step : r->lines.length; bytes[end - 1] != '\n';) {
        end--;
    }
    return end;
}

/* The first line that is not empty: columns of csv; entries of libfm. *begin: where rows begin,
 * *end: of the first chunk. */
static pare_status read_head(pare_fields_reader *r, int64_t *begin, int64_t *end) {
    const unsigned char *bytes = r->lines.bytes, *limit = bytes + r->lines.length, *p = bytes;
    *begin = *end = 0;
    for (const unsigned char *stop;
         p < limit && (stop = memchr(p, '\n', (size_t)(limit - p))) != NULL; p = stop + 1) {
        int64_t length = stop - p - (stop > p && stop[-1] == '\r');
        bool consumed = false;
        *begin = p - bytes;
        *end = stop + 1 - bytes;
        if (length > 0 && !pare_fields_pairs(r)) {
            pare_status status = pare_fields_columns(r, p, length, &consumed);
            if (status != PARE_OK) {
                return status;
            }
            r->line += consumed;
            r->head = r->line;
            *begin = consumed ? *end : *begin;
        }
        if (length > 0) {
            *end = first_end(r, *begin, *end);
            return PARE_OK;
        }
        r->line++;
        *begin = *end;
    }
    return PARE_OK;
}

/* The chunks that were cut become rows. */
static pare_status read_chunks(pare_fields_reader *r, bool last) {
    pare_status status = PARE_OK;
    pare_pool_run(r->ctx->pool, r->chunks, count_lines, r);
    for (bool any = true, fills = last; status == PARE_OK && any; fills = false) {
        for (int64_t c = 0; c < r->chunks && status == PARE_OK; c++) {
            status = make_room(r, &r->chunk[c]);
        }
        if (status == PARE_OK) {
            r->fills = fills;
            pare_pool_run(r->ctx->pool, r->chunks + fills, parse_chunk, r);
            status = add_fresh(r, &any);
        }
    }
    return status == PARE_OK ? take_rows(r) : status;
}

/* Columns that are numbers so far keep no levels from now on. */
static pare_status pack_numbers(pare_fields_reader *r) {
    pare_status status = PARE_OK;
    for (int64_t c = 0; c < r->columns && status == PARE_OK; c++) {
        int32_t f = r->column_field[c];
        pare_field *field = &r->fields->field[f < 0 ? 0 : f];
        if (f < 0 || field->kind != PARE_FIELD_NUMBER || field->decimal ||
            field->level.count <= NUMBER_LEVELS) {
            continue;
        }
        if (!pare_field_is_number(r->fields, f, NUMBER_LEVELS)) {
            field->kind = PARE_FIELD_CATEGORY;
            continue;
        }
        if (r->decimal_capacity < r->fields->rows) {
            r->decimal_capacity = r->fields->rows;
        }
        status = pare_field_pack(r->fields, f, r->decimal_capacity);
        r->column[c] = PARE_FIELDS_DECIMAL;
    }
    return status;
}

static pare_status read_block(pare_fields_reader *r, bool first) {
    int64_t begin = 0, end = 0, whole = 0;
    r->chunks = 0;
    pare_status status = first ? read_head(r, &begin, &end) : PARE_OK;
    if (status == PARE_OK && begin < end) {
        status = add_chunk(r, begin, end);
        if (status == PARE_OK) {
            status = read_chunks(r, false);
        }
        if (status == PARE_OK && r->format == PARE_FIELDS_LIBFM) {
            r->width = r->chunk[0].entries;
        }
        if (status == PARE_OK) {
            status = pack_numbers(r);
        }
        r->chunks = 0;
    }
    if (status == PARE_OK) {
        status = cut(r, end, &whole);
    }
    if (status == PARE_OK) {
        status = pare_lines_prepare(&r->lines, whole);
    }
    if (status == PARE_OK) {
        status = read_chunks(r, true);
    }
    return status == PARE_OK ? pack_numbers(r) : status;
}

static pare_status read_blocks(pare_fields_reader *r) {
    bool first = true;
    while (r->lines.length > 0) {
        pare_status status = PARE_OK;
        if (!memchr(r->lines.bytes, '\n', (size_t)r->lines.length)) {
            status = pare_lines_extend(&r->lines);
        } else {
            status = read_block(r, first);
            if (status == PARE_OK) {
                status = pare_lines_turn(&r->lines);
            }
            first = first && r->fields->count == 0 && r->fields->rows == 0;
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* A column that might be a number is one if it has many different cells, all numbers. */
static pare_status decide_kinds(pare_fields *fields) {
    pare_status status = PARE_OK;
    for (int64_t f = 0; f < fields->count && status == PARE_OK; f++) {
        pare_field *field = &fields->field[f];
        if (field->kind == PARE_FIELD_NUMBER) {
            bool number = pare_field_is_number(fields, f, NUMBER_LEVELS);
            field->kind = number ? PARE_FIELD_NUMBER : PARE_FIELD_CATEGORY;
            status = number ? PARE_OK : pare_field_unpack(fields, f);
        }
    }
    return status;
}

static void free_reader(pare_fields_reader *r) {
    for (int64_t c = 0; c < r->chunks_made; c++) {
        pare_fields_chunk *chunk = &r->chunk[c];
        void *owned[] = {chunk->word,     chunk->tag,     chunk->order, chunk->start,
                         chunk->last_row, chunk->row_end, chunk->label};
        for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
            pare_free(r->ctx, owned[i]);
        }
    }
    void *owned[] = {r->chunk, r->column_field, r->column, r->direct, r->number, r->place};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(r->ctx, owned[i]);
    }
    pare_lines_clear(&r->lines);
}

/* ---- A file ---------------------------------------------------------------------------------- */

static pare_status open_reader(pare_fields_reader *r, pare_fields_format format) {
    static const unsigned char mark[3] = {0xef, 0xbb, 0xbf}; /* of UTF-8 */
    pare_input *input = r->input;
    pare_status status = pare_input_look(input);
    if (status != PARE_OK) {
        return status;
    }
    if (input->head_end - input->head_begin >= 3 &&
        memcmp(input->head + input->head_begin, mark, 3) == 0) {
        input->head_begin += 3;
    }
    r->format = format == PARE_FIELDS_AUTO ? pare_fields_guess(r->input) : format;
    status = pare_text_copy(r->ctx, r->name, (int64_t)strlen(r->name), &r->fields->source);
    if (status == PARE_OK && pare_fields_pairs(r)) {
        status = pare_alloc(r->ctx, PARE_FIELDS_DIRECT, sizeof *r->direct, &r->direct);
        if (status == PARE_OK) {
            memset(r->direct, 0xff, PARE_FIELDS_DIRECT * sizeof *r->direct);
        }
    }
    return status == PARE_OK ? pare_lines_begin(r->input, &r->lines) : status;
}

static pare_status read_input(pare_input *input, pare_fields_format format,
                              const pare_options *options, bool optional, pare_fields *out) {
    *out = (pare_fields){.ctx = input->ctx};
    pare_fields_reader r = {.ctx = input->ctx,
                            .name = input->name,
                            .input = input,
                            .options = options,
                            .fields = out,
                            .optional = optional,
                            .width = -1};
    pare_status status = open_reader(&r, format);
    if (status == PARE_OK) {
        status = read_blocks(&r);
    }
    if (status == PARE_OK && (out->rows == 0 || out->count == 0)) {
        status = pare_fail(input->ctx, PARE_ERROR_INPUT, "%s: no rows; expected a label and fields",
                           input->name);
    }
    if (status == PARE_OK) {
        out->labelled = !r.missing;
        out->head = r.line == r.head + out->rows ? r.head : -1;
        status = decide_kinds(out);
    }
    free_reader(&r);
    if (status != PARE_OK) {
        pare_fields_clear(out);
    }
    return status;
}

pare_status pare_fields_read_input(pare_input *input, pare_fields_format format,
                                   const pare_options *options, pare_fields *out) {
    return read_input(input, format, options, false, out);
}

static pare_status read_path(pare_context *ctx, const char *path, pare_fields_format format,
                             const pare_options *options, bool optional, pare_fields *out) {
    pare_input input;
    *out = (pare_fields){0};
    pare_status status = pare_input_open(ctx, path, &input);
    if (status == PARE_OK) {
        status = read_input(&input, format, options, optional, out);
        pare_input_close(&input);
    }
    return status;
}

pare_status pare_fields_read(pare_context *ctx, const char *path, pare_fields_format format,
                             const pare_options *options, pare_fields *out) {
    return read_path(ctx, path, format, options, false, out);
}

pare_status pare_fields_read_rows(pare_context *ctx, const char *path, pare_fields_format format,
                                  const pare_options *options, pare_fields *out) {
    return read_path(ctx, path, format, options, true, out);
}
