/* Files to field tables: blocks of lines, numbers of texts, rows. */
#include "data/fields_read.h"

#include "base/text.h"
#include "platform/system.h"
#include "platform/threads.h"

enum {
    NUMBER_LEVELS = 50,
    CHUNKS = 16,     /* of a block */
    ENTRY_BYTES = 4, /* of the shortest entry " 1:1" */
    RING = 32,       /* entries hashed ahead of the look-up; a power of two */
    WORD_AHEAD = 16  /* of which so many have their slot at hand */
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

/* Room for whatever a chunk may hold. */
static pare_status make_room(pare_fields_reader *r, pare_fields_chunk *chunk) {
    int64_t bytes = chunk->end - chunk->begin, fields = r->fields->count, entries = 0;
    bool pairs = r->format == PARE_FIELDS_LIBFFM || r->format == PARE_FIELDS_LIBFM;
    if (pairs || !pare_checked_multiply(chunk->lines, fields, &entries) || entries > bytes) {
        entries = pairs ? bytes / ENTRY_BYTES + 1 : bytes;
    }
    const struct {
        int64_t wanted;
        size_t size;
        int64_t *capacity;
        void *array;
    } parts[] = {
        {entries, sizeof *chunk->entry, &chunk->entry_capacity, &chunk->entry},
        {entries, sizeof *chunk->order, &chunk->order_capacity, &chunk->order},
        {fields + 1, sizeof *chunk->start, &chunk->start_capacity, &chunk->start},
        {fields + 1, sizeof *chunk->last_row, &chunk->last_capacity, &chunk->last_row},
        {chunk->lines, sizeof *chunk->row_end, &chunk->end_capacity, &chunk->row_end},
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

/* ---- Numbers of texts ------------------------------------------------------------------------ */

/* Field `index` of all chunks, until its vocabulary has no room. Hashes run ahead, so that slots
 * and entries are in the cache when they are looked at. */
static void look_up(void *argument, int64_t index) {
    pare_fields_reader *r = argument;
    pare_vocabulary *v = &r->fields->field[index].level;
    pare_fields_place *place = &r->place[index];
    const unsigned char *bytes = r->lines.bytes;
    uint64_t hash[RING];
    for (; place->wanted >= 0 && place->chunk < r->chunks; place->chunk++, place->at = 0) {
        pare_fields_chunk *chunk = &r->chunk[place->chunk];
        const int32_t *order = chunk->order + chunk->start[index];
        int64_t count = chunk->start[index + 1] - chunk->start[index];
        for (int64_t i = place->at; i < count + RING; i++) {
            int64_t slot = i - WORD_AHEAD, at = i - RING;
            if (at >= place->at) {
                pare_fields_entry *entry = &chunk->entry[order[at]];
                int64_t level = pare_vocabulary_take(v, &entry->word, hash[at % RING], bytes);
                if (level < 0) {
                    place->at = at;
                    place->wanted = entry->word.length;
                    return;
                }
                entry->word.length = (uint32_t)level;
            }
            if (slot >= place->at && slot < count) {
                pare_vocabulary_prefetch_word(v, hash[slot % RING]);
            }
            if (i < count) {
                hash[i % RING] = pare_word_hash(&chunk->entry[order[i]].word, bytes);
                pare_vocabulary_prefetch_slot(v, hash[i % RING]);
            }
        }
    }
    place->wanted = -1;
}

static pare_status number_texts(pare_fields_reader *r) {
    pare_fields *fields = r->fields;
    for (int64_t f = 0; f < fields->count; f++) {
        r->place[f] = (pare_fields_place){0};
    }
    for (bool again = true; again;) {
        pare_pool_run(r->ctx->pool, fields->count, look_up, r);
        again = false;
        for (int64_t f = 0; f < fields->count; f++) {
            pare_vocabulary *v = &fields->field[f].level;
            if (r->place[f].wanted < 0) {
                continue;
            }
            again = true;
            if (v->count == INT32_MAX) {
                return pare_fail(r->ctx, PARE_ERROR_INPUT,
                                 "%s: field %s has more than %d different ids", r->name,
                                 fields->field[f].name, INT32_MAX);
            }
            pare_status status = pare_vocabulary_reserve(r->ctx, v, r->place[f].wanted);
            if (status != PARE_OK) {
                return status;
            }
        }
    }
    return PARE_OK;
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
    if (status == PARE_OK && rows > r->label_capacity) {
        status =
            pare_grow(r->ctx, wanted, sizeof *fields->label, &r->label_capacity, &fields->label);
    }
    return status;
}

static void place_chunk(void *argument, int64_t index) {
    pare_fields_reader *r = argument;
    pare_fields *fields = r->fields;
    const pare_fields_chunk *chunk = &r->chunk[index];
    int64_t e = 0, count = fields->count;
    for (int64_t i = 0; i < chunk->rows; i++) {
        int64_t row = chunk->first_row + i;
        int32_t *cell = fields->cell + row * count;
        float *value = fields->value ? fields->value + row * count : NULL;
        fields->label[row] = chunk->label[i];
        if (chunk->row_end[i] - e < count) {
            memset(cell, 0xff, (size_t)count * sizeof *cell);
        }
        if (value) {
            memset(value, 0, (size_t)count * sizeof *value);
        }
        for (; e < chunk->row_end[i]; e++) {
            const pare_fields_entry *entry = &chunk->entry[e];
            cell[entry->field] = (int32_t)entry->word.length;
            if (value) {
                value[entry->field] = entry->value;
            }
        }
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
        status = number_texts(r);
    }
    if (status == PARE_OK) {
        status = widen(r);
    }
    if (status == PARE_OK) {
        status = reserve_rows(r, rows);
    }
    if (status == PARE_OK) {
        pare_pool_run(r->ctx->pool, r->chunks, place_chunk, r);
        r->fields->rows = rows;
    }
    return status;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* The first line that is not empty: columns of csv; entries of libfm. *begin: where rows begin,
 * *end: of the first chunk, which is that line alone: it names most fields. */
static pare_status read_head(pare_fields_reader *r, int64_t *begin, int64_t *end) {
    const unsigned char *bytes = r->lines.bytes, *limit = bytes + r->lines.length, *p = bytes;
    bool pairs = r->format == PARE_FIELDS_LIBFFM || r->format == PARE_FIELDS_LIBFM;
    *begin = *end = 0;
    for (const unsigned char *stop;
         p < limit && (stop = memchr(p, '\n', (size_t)(limit - p))) != NULL; p = stop + 1) {
        int64_t length = stop - p - (stop > p && stop[-1] == '\r');
        bool consumed = false;
        *begin = p - bytes;
        *end = stop + 1 - bytes;
        if (length > 0 && !pairs) {
            pare_status status = pare_fields_columns(r, p, length, &consumed);
            if (status != PARE_OK) {
                return status;
            }
            r->line += consumed;
            *begin = consumed ? *end : *begin;
        }
        if (length > 0) {
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
        r->chunks = 0;
    }
    if (status == PARE_OK) {
        status = cut(r, end, &whole);
    }
    if (status == PARE_OK) {
        status = pare_lines_prepare(&r->lines, whole);
    }
    return status == PARE_OK ? read_chunks(r, true) : status;
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
static void decide_kinds(pare_fields_reader *r) {
    for (int64_t f = 0; f < r->fields->count; f++) {
        pare_field *field = &r->fields->field[f];
        bool number = field->level.count > NUMBER_LEVELS;
        for (int64_t l = 0; l < field->level.count && number && field->kind == PARE_FIELD_NUMBER;
             l++) {
            int64_t length = 0;
            const unsigned char *text = pare_vocabulary_text(&field->level, l, &length);
            double value = 0;
            pare_cell cell = pare_cell_parse_double(text, text + length, &value);
            number = cell == PARE_CELL_NUMBER || cell == PARE_CELL_MISSING;
        }
        if (field->kind == PARE_FIELD_NUMBER && !number) {
            field->kind = PARE_FIELD_CATEGORY;
        }
    }
}

static void free_reader(pare_fields_reader *r) {
    for (int64_t c = 0; c < r->chunks_made; c++) {
        pare_fields_chunk *chunk = &r->chunk[c];
        void *owned[] = {chunk->entry,    chunk->order,   chunk->start,
                         chunk->last_row, chunk->row_end, chunk->label};
        for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
            pare_free(r->ctx, owned[i]);
        }
    }
    void *owned[] = {r->chunk, r->column_field, r->direct, r->number, r->place};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(r->ctx, owned[i]);
    }
    pare_lines_clear(&r->lines);
}

/* ---- A file ---------------------------------------------------------------------------------- */

static pare_status open_reader(pare_fields_reader *r, pare_fields_format format) {
    pare_status status = pare_input_look(r->input);
    if (status != PARE_OK) {
        return status;
    }
    r->format = format == PARE_FIELDS_AUTO ? pare_fields_guess(r->input) : format;
    status = pare_text_copy(r->ctx, r->name, (int64_t)strlen(r->name), &r->fields->source);
    if (status == PARE_OK && (r->format == PARE_FIELDS_LIBFFM || r->format == PARE_FIELDS_LIBFM)) {
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
        decide_kinds(&r);
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
