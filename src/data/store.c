/* A table that stays in its .pare file: passes over it, single columns, and rows through a window.
 */
#include "base/text.h"
#include "base/xxh64.h"
#include "data/pare_file.h"
#include "data/store_private.h"
#include "platform/cluster.h"
#include "platform/threads.h"

#include <math.h>

void pare_store_close(pare_store *s) {
    if (!s) {
        return;
    }
    pare_context *ctx = s->ctx;
    pare_input_close(&s->input);
    for (int w = 0; w < WINDOWS; w++) {
        pare_free(ctx, s->window[w].column);
        pare_free(ctx, s->window[w].cells);
    }
    for (int64_t j = 0; s->map && j < (int64_t)s->header.columns; j++) {
        pare_free(ctx, s->map[j].to);
    }
    pare_free(ctx, s->map);
    pare_free(ctx, s->stored);
    pare_free(ctx, s->list);
    pare_free(ctx, s->unpacked);
    pare_free(ctx, s->record);
    pare_free(ctx, s->first);
    pare_free(ctx, s->path);
    pare_lock_clear(&s->lock);
    pare_free(ctx, s);
}

static pare_status damaged(pare_store *s, const char *what) {
    return pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: %s: the file is damaged", s->path, what);
}

/* Bytes at a place of the file. */
static pare_status read_at(pare_store *s, uint64_t place, void *out, int64_t length) {
    if (place < s->place) {
        pare_status status = pare_input_rewind(&s->input);
        if (status != PARE_OK) {
            return status;
        }
        s->place = 0;
    }
    int64_t skip = (int64_t)(place - s->place);
    if (pare_input_skip(&s->input, skip) != skip ||
        pare_input_read(&s->input, out, length) != length) {
        return pare_fail(s->ctx, PARE_ERROR_IO, "%s: changed while it was read", s->path);
    }
    s->place = place + (uint64_t)length;
    return PARE_OK;
}

/* Checks the heads in the directory and keeps those of data. */
static pare_status index_records(pare_store *s, int64_t count, pare_table *table,
                                 int64_t *capacity) {
    uint64_t place = sizeof s->header, row = 0, rows = 0;
    int64_t kept = 0, stored = 0;
    pare_status status = pare_alloc_zero(
        s->ctx, (int64_t)(s->header.rows / s->header.group_rows + 2), sizeof *s->first, &s->first);
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        const pare_record r = s->record[i];
        bool full =
            row == (uint64_t)s->groups * s->header.group_rows || r.type == PARE_RECORD_DIRECTORY;
        if (pare_record_fault(&s->header, &r, place, row) || !full) {
            return damaged(s, "the directory contradicts itself");
        }
        place += sizeof r + r.stored;
        if (r.type == PARE_RECORD_LEVELS) {
            unsigned char *payload = NULL;
            status = pare_alloc(s->ctx, (int64_t)r.stored, 1, &payload);
            if (status == PARE_OK) {
                status = read_at(s, r.offset + sizeof r, payload, (int64_t)r.stored);
            }
            if (status == PARE_OK && pare_record_hash(&r, payload) != r.hash) {
                status = damaged(s, "the texts of categories: the checksum does not match");
            }
            if (status == PARE_OK) {
                status = pare_levels_take(s->ctx, s->path, payload, (int64_t)r.length,
                                          (int64_t)s->header.columns, table, capacity, NULL);
            }
            pare_free(s->ctx, payload);
        } else if (r.type == PARE_RECORD_DATA) {
            rows = r.rows;
            stored += (int64_t)(sizeof r + r.stored);
            s->most_stored =
                s->most_stored > (int64_t)r.stored ? s->most_stored : (int64_t)r.stored;
            s->most_length =
                s->most_length > (int64_t)r.length ? s->most_length : (int64_t)r.length;
            s->record[kept++] = r;
        } else if (r.type == PARE_RECORD_MARK) {
            s->first[++s->groups] = kept;
            s->most_group = s->most_group > stored ? s->most_group : stored;
            stored = 0;
            row += rows;
        }
    }
    s->records = kept;
    if (status == PARE_OK && (row != s->header.rows || place != s->header.directory)) {
        return damaged(s, "the directory does not cover all rows");
    }
    return status;
}

static pare_status read_directory(pare_store *s, pare_table *table) {
    pare_record head = {0};
    int64_t *capacity = NULL;
    pare_status status = read_at(s, s->header.directory, &head, sizeof head);
    if (status == PARE_OK &&
        (pare_record_fault(&s->header, &head, s->header.directory, s->header.rows) ||
         head.type != PARE_RECORD_DIRECTORY || head.length % sizeof(pare_record) != 0)) {
        status = damaged(s, "there is no directory where one should be");
    }
    if (status == PARE_OK) {
        status = pare_alloc(s->ctx, (int64_t)head.stored, 1, &s->record);
    }
    if (status == PARE_OK) {
        status = read_at(s, head.offset + sizeof head, s->record, (int64_t)head.stored);
    }
    if (status == PARE_OK && pare_record_hash(&head, s->record) != head.hash) {
        status = damaged(s, "the directory's checksum does not match");
    }
    s->identity = pare_xxh64(&head.hash, sizeof head.hash, s->header.hash);
    if (status == PARE_OK) {
        status = pare_alloc_zero(s->ctx, table->columns, sizeof *capacity, &capacity);
    }
    if (status == PARE_OK) {
        status = index_records(s, (int64_t)(head.length / sizeof head), table, capacity);
    }
    pare_free(s->ctx, capacity);
    return status;
}

/* Windows and buffers, within the limit. */
static pare_status reserve(pare_store *s) {
    int64_t columns = (int64_t)s->header.columns, rows = (int64_t)s->header.group_rows;
    int64_t window_bytes = columns * rows * (int64_t)sizeof(float);
    int64_t least = 2 * (s->most_group + s->most_group / 8) + WINDOWS * window_bytes +
                    s->most_stored + s->most_length +
                    (int64_t)s->header.rows * PARE_STORE_ROW_BYTES +
                    s->records * (int64_t)sizeof *s->record + columns * 512;
    if (least > s->memory) {
        return pare_fail(s->ctx, PARE_ERROR_INPUT,
                         "%s: option memory: %lld bytes are too few for its chunks and rows; the "
                         "least that works is %lldM",
                         s->path, (long long)s->memory, (long long)(least / 1048576 + 1));
    }
    pare_status status = pare_alloc(s->ctx, s->most_stored, 1, &s->stored);
    if (status == PARE_OK) {
        status = pare_alloc(s->ctx, s->most_length, 1, &s->unpacked);
    }
    if (status == PARE_OK) {
        status = pare_alloc(s->ctx, columns, sizeof *s->list, &s->list);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(s->ctx, columns, sizeof *s->map, &s->map);
    }
    for (int w = 0; status == PARE_OK && w < WINDOWS; w++) {
        s->window[w].group = -1;
        status = pare_alloc(s->ctx, columns, sizeof(int64_t), &s->window[w].column);
        if (status == PARE_OK) {
            status = pare_alloc(s->ctx, columns * rows, sizeof(float), &s->window[w].cells);
        }
    }
    return status;
}

pare_status pare_store_open(pare_context *ctx, const char *path, int64_t memory,
                            pare_table *table) {
    *table = (pare_table){.ctx = ctx};
    pare_store *s = NULL;
    pare_pass pass = {0};
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    pare_lock_init(&s->lock);
    s->ctx = ctx;
    s->memory = memory;
    status = pare_text_copy(ctx, path, (int64_t)strlen(path), &s->path);
    if (status == PARE_OK) {
        status = pare_text_copy(ctx, path, (int64_t)strlen(path), &table->source);
    }
    if (status == PARE_OK) {
        status = pare_input_open(ctx, s->path, &s->input);
    }
    if (status == PARE_OK) {
        status = pare_pass_open(&s->input, table, &pass);
    }
    if (status == PARE_OK) {
        s->header = pass.header;
        s->place = pass.next;
        if (s->header.storage == PARE_STORAGE_CSR || !s->input.rewindable || s->input.gz) {
            status = pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                               "%s: only dense tables in plain files are read in pieces; leave "
                               "the option memory out",
                               path);
        }
    }
    if (status == PARE_OK) {
        status = read_directory(s, table);
    }
    if (status == PARE_OK) {
        status = reserve(s);
    }
    pare_pass_close(&pass);
    status = pare_cluster_agree(ctx, status);
    if (status == PARE_OK && !pare_cluster_same(s->identity)) {
        status = pare_fail(ctx, PARE_ERROR_INPUT,
                           "%s: the ranks have different versions of this file", path);
    }
    if (status == PARE_OK && (uint64_t)pare_cluster_size() > s->header.rows) {
        status =
            pare_fail(ctx, PARE_ERROR_INPUT, "%s: %lld ranks for %llu rows; more than rows", path,
                      (long long)pare_cluster_size(), (unsigned long long)s->header.rows);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, table->columns, sizeof *table->held, &table->held);
    }
    s->by_columns = pare_cluster_size() > 1 && s->header.columns >= s->header.rows;
    s->own = s->by_columns ? pare_store_own(s, pare_cluster_rank()) : 0;
    s->own_end = s->by_columns ? pare_store_own(s, pare_cluster_rank() + 1) : table->columns;
    if (status != PARE_OK) {
        pare_store_close(s);
        pare_table_clear(table);
        return status;
    }
    table->storage = PARE_STORAGE_FILE;
    table->stream = s;
    return PARE_OK;
}

int64_t pare_store_memory(const pare_store *s) {
    return s->memory;
}

uint64_t pare_store_identity(const pare_store *s) {
    return s->identity;
}

int64_t pare_store_group_rows(const pare_store *s) {
    return (int64_t)s->header.group_rows;
}

int64_t pare_store_bytes_read(const pare_store *s) {
    return s->bytes_read;
}

pare_status pare_store_renumber(pare_store *s, int64_t column, int64_t levels, const float *to) {
    pare_level_map *map = &s->map[column];
    pare_status status = pare_alloc(s->ctx, levels, sizeof *to, &map->to);
    if (status == PARE_OK) {
        memcpy(map->to, to, (size_t)levels * sizeof *to);
        map->levels = levels;
        for (int w = 0; w < WINDOWS; w++) {
            s->window[w].group = -1;
        }
    }
    return status;
}

void pare_store_map(const pare_level_map *map, int64_t count, float *cell) {
    for (int64_t i = 0; map->levels > 0 && i < count; i++) {
        bool level = cell[i] >= 0 && cell[i] < (float)map->levels;
        cell[i] = level ? map->to[(int64_t)cell[i]] : NAN;
    }
}

/* ---- Rows ----------------------------------------------------------------------------------- */

static int64_t group_of(const pare_store *s, int64_t row) {
    return row / (int64_t)s->header.group_rows;
}

static pare_status take_record(pare_store *s, const pare_record *r, window *w) {
    pare_status status = read_at(s, r->offset + sizeof *r, s->stored, (int64_t)r->stored);
    if (status != PARE_OK) {
        return status;
    }
    s->bytes_read += (int64_t)r->stored;
    const unsigned char *cells = s->stored;
    bool good = pare_record_hash(r, s->stored) == r->hash;
    if (good && r->packed) {
        good = pare_unpack(s->stored, (int64_t)(r->stored - r->padding), s->unpacked,
                           (int64_t)r->length);
        cells = s->unpacked;
    }
    if (!good) {
        char text[PARE_RECORD_TEXT];
        return damaged(s, pare_record_text(NULL, r, text));
    }
    int64_t stride = pare_chunk_stride((pare_chunk_kind)r->kind, r->rows);
    for (int64_t k = 0; k < w->count; k++) {
        int64_t column = w->column[k] - r->column;
        if (column >= 0 && column < r->columns) {
            float *out = w->cells + k * (int64_t)s->header.group_rows;
            pare_chunk_decode((pare_chunk_kind)r->kind, 0, r->rows, cells + column * stride, out);
            pare_store_map(&s->map[w->column[k]], r->rows, out);
        }
    }
    return PARE_OK;
}

/* The window of a group with exactly these columns. */
static window *find_window(pare_store *s, int64_t group, int64_t count, const int64_t *column) {
    window *oldest = &s->window[0];
    for (int k = 0; k < WINDOWS; k++) {
        window *w = &s->window[k];
        if (w->group == group && w->count == count &&
            memcmp(w->column, column, (size_t)count * sizeof *column) == 0) {
            w->used = s->clock++;
            return w;
        }
        oldest = w->used < oldest->used ? w : oldest;
    }
    oldest->group = -1;
    oldest->count = count;
    oldest->used = s->clock++;
    memcpy(oldest->column, column, (size_t)count * sizeof *column);
    for (int64_t i = s->first[group]; i < s->first[group + 1]; i++) {
        const pare_record *r = &s->record[i];
        bool wanted = false;
        for (int64_t k = 0; k < count && !wanted; k++) {
            wanted = column[k] >= r->column && column[k] < (int64_t)r->column + r->columns;
        }
        if (wanted && take_record(s, r, oldest) != PARE_OK) {
            return NULL;
        }
    }
    oldest->group = group;
    return oldest;
}

/* Under the lock. */
static void take_rows(pare_store *s, int64_t count, const int64_t *rows, int64_t wanted,
                      const int64_t *column, int64_t stride, float *out) {
    const window *w = NULL;
    for (int64_t i = 0; i < count; i++) {
        int64_t group = group_of(s, rows[i]);
        if (s->trouble == PARE_OK && (!w || w->group != group)) {
            w = find_window(s, group, wanted, column);
            if (!w) { /* nobody here can fail: pare_store_trouble tells */
                s->trouble = PARE_ERROR_INPUT;
                memcpy(s->sentence, s->ctx->message, sizeof s->sentence);
            }
        }
        int64_t at = rows[i] - group * (int64_t)s->header.group_rows;
        for (int64_t k = 0; k < wanted; k++) {
            out[i * stride + k] = w ? w->cells[k * (int64_t)s->header.group_rows + at] : NAN;
        }
    }
}

void pare_store_rows(pare_store *s, int64_t count, const int64_t *rows, int64_t wanted,
                     const int64_t *column, int64_t stride, float *out) {
    pare_lock_take(&s->lock);
    take_rows(s, count, rows, wanted, column, stride, out);
    pare_lock_give(&s->lock);
}

int64_t pare_store_features(const pare_dataset *data, int64_t count, const int64_t *rows,
                            int64_t from, int64_t wanted, const int64_t *feature, int64_t stride,
                            float *out) {
    pare_store *s = data->table.stream;
    int64_t columns = 0, f = from;
    pare_lock_take(&s->lock);
    for (; f < wanted; f++) {
        int64_t column = data->feature[feature ? feature[f] : f].column;
        if (columns > 0 && s->list[columns - 1] == column) {
            continue;
        }
        if (columns == (int64_t)s->header.columns) {
            break;
        }
        s->list[columns++] = column;
    }
    take_rows(s, count, rows, columns, s->list, stride, out);
    pare_lock_give(&s->lock);
    return f;
}

pare_status pare_store_trouble(pare_store *s) {
    return s->trouble == PARE_OK ? PARE_OK : pare_fail(s->ctx, s->trouble, "%s", s->sentence);
}
