/*
 * Writes a .pare file in one pass: rows gather in a group; a full group is turned into columns,
 * each in the smallest kind that loses nothing, and written as chunks with a mark behind them.
 * Nothing before a mark is touched again, so what a crash leaves is good up to its last mark; only
 * the header, which holds the number of rows, is written a second time at the end.
 */
#include "base/xxh64.h"
#include "data/pare_write.h"
#include "platform/threads.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

static int64_t group_rows(int64_t columns) {
    int64_t rows = PARE_FILE_GROUP_BYTES / (4 * (columns > 0 ? columns : 1));
    rows = rows < PARE_FILE_GROUP_ROWS ? rows : PARE_FILE_GROUP_ROWS;
    return rows >= 256 ? rows / 256 * 256 : rows >= 8 ? rows / 8 * 8 : 8;
}

static pare_status write_failed(const pare_writer *w) {
    return pare_fail(w->ctx, PARE_ERROR_IO, "%s: cannot be written: %s", w->out.temporary,
                     errno ? strerror(errno) : "write error");
}

static pare_status put_bytes(pare_writer *w, const void *bytes, int64_t length) {
    errno = 0;
    if (length > 0 && fwrite(bytes, 1, (size_t)length, w->out.file) != (size_t)length) {
        return write_failed(w);
    }
    w->at += length;
    return PARE_OK;
}

/* Fills place, stored and hash of a record; payload: stored - padding bytes, those are set. */
static void seal(pare_writer *w, pare_record *record, const void *payload) {
    record->offset = (uint64_t)w->at;
    record->hash = pare_record_hash(record, payload);
}

static void pad(pare_record *record, int64_t used) {
    int64_t least = (int64_t)record->length / PARE_FILE_PACK_MOST;
    int64_t stored = used > least ? used : least;
    stored = (stored + PARE_FILE_ALIGN - 1) / PARE_FILE_ALIGN * PARE_FILE_ALIGN;
    record->stored = (uint64_t)stored;
    record->padding = (uint16_t)(stored - used);
}

static pare_status put_record(pare_writer *w, const pare_record *record, const void *payload) {
    static const unsigned char zeros[1024] = {0};
    pare_status status =
        pare_grow(w->ctx, w->records + 1, sizeof *w->record, &w->record_capacity, &w->record);
    if (status == PARE_OK) {
        status = put_bytes(w, record, sizeof *record);
    }
    if (status == PARE_OK) {
        status = put_bytes(w, payload, (int64_t)(record->stored - record->padding));
    }
    for (int64_t left = record->padding; status == PARE_OK && left > 0;) {
        int64_t some = left < (int64_t)sizeof zeros ? left : (int64_t)sizeof zeros;
        status = put_bytes(w, zeros, some);
        left -= some;
    }
    if (status == PARE_OK) {
        w->record[w->records++] = *record;
    }
    return status;
}

/* A record that is not packed. */
static pare_status put_plain(pare_writer *w, pare_record record, const void *payload) {
    pad(&record, (int64_t)record.length);
    seal(w, &record, payload);
    return put_record(w, &record, payload);
}

/* ---- A dense group -------------------------------------------------------------------------- */

enum { TURN = 16, TURN_ROWS = 512 };

/* TURN columns of the group out of its rows, and the kinds that hold them. */
static void turn_columns(void *argument, int64_t chunk) {
    pare_writer *w = argument;
    int64_t columns = (int64_t)w->header.columns, from = chunk * TURN;
    int64_t width = columns - from < TURN ? columns - from : TURN;
    for (int64_t i = 0; i < w->rows; i += TURN_ROWS) {
        int64_t end = w->rows - i < TURN_ROWS ? w->rows : i + TURN_ROWS;
        for (int64_t c = 0; c < width; c++) {
            const float *in = w->group + from + c;
            float *out = w->turned + (from + c) * w->rows;
            for (int64_t r = i; r < end; r++) {
                out[r] = in[r * columns];
            }
        }
    }
    for (int64_t c = from; c < from + width; c++) {
        w->fits[c] = w->header.storage == PARE_STORAGE_U8
                         ? 1u << PARE_CHUNK_U8
                         : pare_chunk_fits(w->rows, w->turned + c * w->rows);
    }
}

/* Neighbouring columns of one kind become a chunk. */
static pare_status cut_chunks(pare_writer *w) {
    int64_t columns = (int64_t)w->header.columns;
    w->chunks = 0;
    for (int64_t c = 0; c < columns;) {
        uint32_t fits = w->fits[c];
        int64_t end = c + 1;
        for (; end < columns; end++) {
            pare_chunk_kind kind = pare_chunk_best(fits), next = pare_chunk_best(w->fits[end]);
            int64_t bytes = (end - c) * pare_chunk_stride(kind, w->rows);
            int64_t cells = (end + 1 - c) * w->rows * 4;
            if (cells > PARE_FILE_CHUNK_BYTES ||
                (bytes >= PARE_FILE_CHUNK_LEAST &&
                 (kind != next || pare_chunk_best(fits & w->fits[end]) != kind))) {
                break;
            }
            fits &= w->fits[end];
        }
        pare_status status =
            pare_grow(w->ctx, w->chunks + 1, sizeof *w->chunk, &w->chunk_capacity, &w->chunk);
        if (status != PARE_OK) {
            return status;
        }
        w->chunk[w->chunks++] = (write_chunk){.column = c, .columns = end - c, .fits = fits};
        c = end;
    }
    return PARE_OK;
}

/* Payload of a chunk; its place in the file, which the hash covers, is not known before all are
 * packed, so the hash comes with `hash_chunk`. */
static void pack_chunk(void *argument, int64_t index) {
    pare_writer *w = argument;
    write_chunk *chunk = &w->chunk[index];
    pare_chunk_kind kind = pare_chunk_best(chunk->fits);
    int64_t stride = pare_chunk_stride(kind, w->rows), length = stride * chunk->columns;
    float *turned = w->turned + chunk->column * w->rows;
    unsigned char *area = w->area + chunk->column * w->rows * (int64_t)sizeof(float);
    const void *payload = turned;
    if (kind != PARE_CHUNK_F32) {
        for (int64_t c = 0; c < chunk->columns; c++) {
            pare_chunk_encode(kind, w->rows, turned + c * w->rows, area + c * stride);
        }
        payload = area;
    }
    chunk->record = (pare_record){.type = PARE_RECORD_DATA,
                                  .kind = (uint8_t)kind,
                                  .length = (uint64_t)length,
                                  .row = w->done,
                                  .rows = (uint32_t)w->rows,
                                  .column = (uint32_t)chunk->column,
                                  .columns = (uint32_t)chunk->columns};
    int64_t used = 0;
    if (w->pack) {
        void *out = payload == area ? (void *)turned : (void *)area;
        used = pare_pack(payload, length, out);
        payload = used > 0 ? out : payload;
    }
    chunk->record.packed = used > 0;
    chunk->payload = payload;
    pad(&chunk->record, used > 0 ? used : length);
}

static void hash_chunk(void *argument, int64_t index) {
    pare_writer *w = argument;
    write_chunk *chunk = &w->chunk[index];
    chunk->record.hash = pare_record_hash(&chunk->record, chunk->payload);
}

static pare_status write_dense(pare_writer *w) {
    int64_t columns = (int64_t)w->header.columns;
    pare_pool_run(w->ctx->pool, (columns + TURN - 1) / TURN, turn_columns, w);
    pare_status status = cut_chunks(w);
    if (status != PARE_OK) {
        return status;
    }
    pare_pool_run(w->ctx->pool, w->chunks, pack_chunk, w);
    uint64_t at = (uint64_t)w->at;
    for (int64_t k = 0; k < w->chunks; k++) {
        w->chunk[k].record.offset = at;
        at += sizeof(pare_record) + w->chunk[k].record.stored;
    }
    pare_pool_run(w->ctx->pool, w->chunks, hash_chunk, w);
    for (int64_t k = 0; k < w->chunks && status == PARE_OK; k++) {
        status = put_record(w, &w->chunk[k].record, w->chunk[k].payload);
    }
    return status;
}

static pare_status write_levels(pare_writer *w) {
    if (w->levels.length == 0) {
        return w->levels.status;
    }
    pare_record record = {
        .type = PARE_RECORD_LEVELS, .length = (uint64_t)w->levels.length, .row = w->done};
    pare_status status = put_plain(w, record, w->levels.bytes);
    w->levels.length = 0;
    return status;
}

static pare_status write_mark(pare_writer *w, const pare_mark *mark) {
    pare_record record = {.type = PARE_RECORD_MARK, .length = sizeof *mark, .row = w->done};
    w->done = mark->rows;
    return put_plain(w, record, mark);
}

/* Writes the rows gathered, and the mark behind them. */
static pare_status flush_group(pare_writer *w, const pare_place *place, int64_t skip) {
    if (w->rows == 0) {
        return PARE_OK;
    }
    pare_status status = write_levels(w);
    if (status == PARE_OK) {
        status = write_dense(w);
    }
    if (status != PARE_OK) {
        return status;
    }
    pare_mark mark = {.rows = w->done + (uint64_t)w->rows};
    if (place) {
        mark.offset = (uint64_t)place->offset;
        mark.line = (uint64_t)place->line;
        mark.skip = (uint64_t)skip;
        mark.crooked = place->crooked;
    }
    w->rows = 0;
    return write_mark(w, &mark);
}

pare_status pare_writer_rows(pare_writer *w, int64_t rows, const float *cells,
                             const pare_place *place, int64_t skip) {
    int64_t columns = (int64_t)w->header.columns, most = (int64_t)w->header.group_rows;
    for (int64_t i = 0; i < rows;) {
        int64_t some = rows - i < most - w->rows ? rows - i : most - w->rows;
        memcpy(w->group + w->rows * columns, cells + i * columns,
               (size_t)(some * columns) * sizeof *cells);
        w->rows += some;
        i += some;
        if (w->rows == most) {
            pare_status status = flush_group(w, place, skip + i);
            if (status != PARE_OK) {
                return status;
            }
        }
    }
    return PARE_OK;
}

/* ---- Sparse groups -------------------------------------------------------------------------- */

enum { SPARSE_ENTRIES = 1 << 22 };

/* Rows from .. to of a sparse table. */
static pare_status write_sparse(pare_writer *w, const pare_table *table, int64_t from, int64_t to) {
    int64_t begin = table->start[from], entries = table->start[to] - begin, rows = to - from;
    bool ones = true;
    for (int64_t p = begin; p < begin + entries && ones; p++) {
        ones = table->value[p] == 1;
    }
    int64_t words = rows + 1 + (ones ? 1 : 2) * entries;
    pare_status status = pare_grow(w->ctx, words * 4, 1, &w->sparse_capacity, &w->sparse);
    if (status == PARE_OK && w->pack) {
        status = pare_grow(w->ctx, words * 4, 1, &w->packed_capacity, &w->packed);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i <= rows; i++) {
        uint32_t start = (uint32_t)(table->start[from + i] - begin);
        memcpy(w->sparse + 4 * i, &start, sizeof start);
    }
    unsigned char *at = w->sparse + 4 * (rows + 1);
    memcpy(at, table->index + begin, (size_t)entries * 4);
    if (!ones) {
        memcpy(at + 4 * entries, table->value + begin, (size_t)entries * 4);
    }
    if (table->label) {
        pare_record label = {.type = PARE_RECORD_DATA,
                             .kind = PARE_CHUNK_LABEL,
                             .length = (uint64_t)rows * sizeof(double),
                             .row = w->done,
                             .rows = (uint32_t)rows};
        status = put_plain(w, label, table->label + from);
    }
    pare_record record = {.type = PARE_RECORD_DATA,
                          .kind = ones ? PARE_CHUNK_CSR_ONES : PARE_CHUNK_CSR,
                          .length = (uint64_t)words * 4,
                          .row = w->done,
                          .rows = (uint32_t)rows,
                          .columns = (uint32_t)table->columns};
    int64_t used = w->pack ? pare_pack(w->sparse, words * 4, w->packed) : 0;
    if (used > 0 && used < words * 4 / PARE_FILE_PACK_MOST) {
        used = 0; /* padding could not make up for it */
    }
    record.packed = used > 0;
    pad(&record, used > 0 ? used : words * 4);
    const void *payload = used > 0 ? w->packed : w->sparse;
    if (status == PARE_OK) {
        seal(w, &record, payload);
        status = put_record(w, &record, payload);
    }
    if (status != PARE_OK) {
        return status;
    }
    w->header.entries += (uint64_t)entries;
    pare_mark mark = {.rows = w->done + (uint64_t)rows, .entries = w->header.entries};
    return write_mark(w, &mark);
}

/* ---- Whole tables --------------------------------------------------------------------------- */

static pare_status add_levels(pare_writer *w, const pare_table *table) {
    pare_status status = PARE_OK;
    for (int64_t c = 0; w->done == 0 && c < table->columns; c++) {
        for (int64_t l = 0; status == PARE_OK && l < table->column[c].levels; l++) {
            const char *text = table->column[c].level[l];
            status = pare_writer_level(w, c, text, (int64_t)strlen(text));
        }
    }
    return status;
}

/* Some rows from `from` on; *next: the row after them. */
static pare_status add_rows(pare_writer *w, const pare_table *table, int64_t from, int64_t *next) {
    int64_t most = (int64_t)w->header.group_rows;
    int64_t end = table->rows - from < most ? table->rows : from + most;
    int64_t columns = table->columns;
    if (table->storage == PARE_STORAGE_CSR) {
        end = from + 1;
        while (end < table->rows && end - from < most &&
               table->start[end + 1] - table->start[from] <= SPARSE_ENTRIES) {
            end++;
        }
        *next = end;
        return write_sparse(w, table, from, end);
    }
    *next = end;
    if (table->storage == PARE_STORAGE_F32) {
        return pare_writer_rows(w, end - from, table->f32 + from * columns, NULL, 0);
    }
    for (int64_t p = from * columns; p < end * columns; p++) {
        w->group[p - from * columns] = table->u8[p];
    }
    w->rows = end - from;
    return flush_group(w, NULL, 0);
}

pare_status pare_writer_table(pare_writer *w, const pare_table *table, pare_progress_fn progress,
                              void *user, bool *stopped) {
    pare_status status = add_levels(w, table);
    *stopped = false;
    for (int64_t i = (int64_t)w->done; status == PARE_OK && i < table->rows && !*stopped;) {
        status = add_rows(w, table, i, &i);
        pare_progress at = {.size = sizeof at,
                            .stage = "convert",
                            .fraction = (double)i / (double)table->rows,
                            .seconds_left = -1,
                            .loss = NAN};
        *stopped = progress && progress(user, &at) != 0;
    }
    return status;
}

/* ---- Begin and end -------------------------------------------------------------------------- */

pare_status pare_writer_level(pare_writer *w, int64_t column, const char *text, int64_t length) {
    uint32_t head[2] = {(uint32_t)column, (uint32_t)length};
    pare_text_append_bytes(&w->levels, (const char *)head, sizeof head);
    pare_text_append_bytes(&w->levels, text, length);
    return w->levels.status;
}

pare_status pare_schema_build(pare_context *ctx, const pare_table *shape, const uint8_t *category,
                              const pare_origin *origin, pare_text *out) {
    static const char zeros[8] = {0};
    *out = (pare_text){.ctx = ctx};
    pare_text_append_bytes(out, (const char *)origin, sizeof *origin);
    for (int64_t c = 0; c < shape->columns; c++) {
        char kind = (char)((category && category[c]) || shape->column[c].levels > 0);
        pare_text_append_bytes(out, &kind, 1);
    }
    pare_text_append_bytes(out, zeros, (8 - shape->columns % 8) % 8);
    for (int64_t c = 0; shape->named && c < shape->columns; c++) {
        uint32_t length = (uint32_t)strlen(shape->column[c].name);
        pare_text_append_bytes(out, (const char *)&length, sizeof length);
        pare_text_append_bytes(out, shape->column[c].name, length);
    }
    pare_status status = out->status;
    if (status != PARE_OK) {
        pare_text_clear(out);
    }
    return status;
}

pare_status pare_writer_open(pare_context *ctx, const char *path, const pare_table *shape,
                             bool pack, pare_writer **out, int64_t *length) {
    *out = NULL;
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                     "%s: .pare files are little-endian, which this machine is not", path);
#endif
    if (pack && !pare_can_pack()) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: this build has no zstd (libzstd-dev); leave the compression out",
                         path);
    }
    pare_writer *w = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *w, &w);
    if (status != PARE_OK) {
        return status;
    }
    w->ctx = ctx;
    w->pack = pack;
    w->levels.ctx = ctx;
    bool sparse = shape->storage == PARE_STORAGE_CSR;
    int64_t columns = shape->columns;
    w->header = (pare_file_header){
        .version = PARE_FILE_VERSION,
        .storage = (uint32_t)shape->storage,
        .columns = (uint64_t)columns,
        .height = (uint32_t)shape->height,
        .width = (uint32_t)shape->width,
        .flags = (shape->named ? PARE_FILE_NAMED : 0u) | (shape->label ? PARE_FILE_LABEL : 0u) |
                 (pack ? PARE_FILE_ZSTD : 0u),
        .group_rows = (uint64_t)(sparse ? PARE_FILE_GROUP_ROWS : group_rows(columns)),
    };
    memcpy(w->header.magic, PARE_FILE_MAGIC, sizeof w->header.magic);
    int64_t cells = 0;
    if (!sparse) {
        cells = (int64_t)w->header.group_rows * columns;
        status = pare_alloc(ctx, cells, sizeof(float), &w->group);
    }
    if (!sparse && status == PARE_OK) {
        status = pare_alloc(ctx, cells, sizeof(float), &w->turned);
    }
    if (!sparse && status == PARE_OK) {
        status = pare_alloc(ctx, cells, sizeof(float), &w->area);
    }
    if (!sparse && status == PARE_OK) {
        status = pare_alloc(ctx, columns, sizeof *w->fits, &w->fits);
    }
    if (status == PARE_OK) {
        status = pare_output_reopen(ctx, path, &w->out, length);
    }
    if (status != PARE_OK) {
        pare_writer_destroy(w, false);
        return status;
    }
    *out = w;
    return PARE_OK;
}

static pare_status put_header(pare_writer *w) {
    w->header.hash = pare_header_hash(&w->header);
    return put_bytes(w, &w->header, sizeof w->header);
}

pare_status pare_writer_create(pare_context *ctx, const char *path, const pare_table *shape,
                               const uint8_t *category, const pare_origin *origin, bool pack,
                               pare_writer **out) {
    pare_writer *w = NULL;
    pare_text schema = {0};
    int64_t length = 0;
    *out = NULL;
    pare_status status = pare_writer_open(ctx, path, shape, pack, &w, &length);
    if (status == PARE_OK) {
        status = pare_schema_build(ctx, shape, category, origin, &schema);
    }
    if (status == PARE_OK) {
        status = pare_output_cut(&w->out, 0);
    }
    if (status == PARE_OK) {
        status = put_header(w);
    }
    if (status == PARE_OK) {
        pare_record record = {.type = PARE_RECORD_SCHEMA, .length = (uint64_t)schema.length};
        status = put_plain(w, record, schema.bytes);
    }
    pare_text_clear(&schema);
    if (status != PARE_OK) {
        pare_writer_destroy(w, false);
        return status;
    }
    *out = w;
    return PARE_OK;
}

pare_status pare_writer_finish(pare_writer *w, int64_t first_line) {
    pare_status status = flush_group(w, NULL, 0);
    int64_t directory = w->at;
    if (status == PARE_OK) { /* now, so that the payload does not move while it is written */
        status =
            pare_grow(w->ctx, w->records + 1, sizeof *w->record, &w->record_capacity, &w->record);
    }
    if (status == PARE_OK) {
        pare_record record = {.type = PARE_RECORD_DIRECTORY,
                              .length = (uint64_t)w->records * sizeof *w->record,
                              .row = w->done};
        pad(&record, (int64_t)record.length);
        seal(w, &record, w->record);
        status = put_record(w, &record, w->record);
    }
    if (status != PARE_OK) {
        return status;
    }
    w->header.rows = w->done;
    w->header.directory = (uint64_t)directory;
    w->header.length = (uint64_t)w->at;
    w->header.first_line = (uint64_t)first_line;
    errno = 0;
    if (fseek(w->out.file, 0, SEEK_SET) != 0) {
        return write_failed(w);
    }
    status = put_header(w);
    return status == PARE_OK ? pare_output_commit(&w->out) : status;
}

void pare_writer_destroy(pare_writer *w, bool remove) {
    if (!w) {
        return;
    }
    if (remove) {
        pare_output_abandon(&w->out);
    } else {
        pare_output_keep(&w->out);
    }
    pare_free(w->ctx, w->group);
    pare_free(w->ctx, w->turned);
    pare_free(w->ctx, w->area);
    pare_free(w->ctx, w->fits);
    pare_free(w->ctx, w->chunk);
    pare_free(w->ctx, w->record);
    pare_free(w->ctx, w->sparse);
    pare_free(w->ctx, w->packed);
    pare_text_clear(&w->levels);
    pare_free(w->ctx, w);
}
