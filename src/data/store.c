/* A table that stays in its .pare file: passes over it, single columns, and rows through a window.
 */
#include "base/text.h"
#include "base/xxh64.h"
#include "data/build.h"
#include "data/pare_file.h"
#include "data/store.h"
#include "platform/cluster.h"
#include "platform/threads.h"

#include <math.h>

enum { WINDOWS = 2 };

/* A group, decoded: some columns of it, each contiguous. */
typedef struct window {
    int64_t group; /* -1: empty */
    int64_t count;
    int64_t *column; /* (count) */
    float *cells;    /* (count, rows of the group) */
    int64_t used;    /* when, by the stream's clock */
} window;

struct pare_store {
    pare_context *ctx;
    char *path;
    int64_t memory;
    pare_file_header header;
    uint64_t identity;
    pare_record *record; /* of data, in file order */
    int64_t records;
    int64_t groups;
    int64_t *first; /* (groups + 1) records of each group */
    int64_t most_stored, most_length, most_group;
    int64_t bytes_read;

    pare_lock lock; /* of what is below: rows may be wanted by several threads */
    pare_input input;
    uint64_t place; /* of the input */
    unsigned char *stored, *unpacked;
    window window[WINDOWS];
    int64_t *list; /* (columns) of the rows asked for */
    int64_t clock;
    pare_status trouble; /* of a window that could not be filled */
    char sentence[PARE_MESSAGE_SIZE];
};

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
                    s->most_stored + s->most_length + (int64_t)s->header.rows * 64 +
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
        if (s->header.storage != PARE_STORAGE_F32 || !s->input.rewindable || s->input.gz) {
            status = pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                               "%s: only float32 tables in plain files are read in pieces; leave "
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

/* ---- Passes --------------------------------------------------------------------------------- */

typedef struct passing {
    void (*work)(void *user, const pare_piece *piece);
    void *user;
} passing;

static void work_item(void *user, pare_file_item *item) {
    const passing *p = user;
    const pare_record *r = &item->record;
    const pare_piece piece = {.row = (int64_t)r->row,
                              .rows = r->rows,
                              .column = r->column,
                              .columns = r->columns,
                              .kind = r->kind,
                              .stride = pare_chunk_stride((pare_chunk_kind)r->kind, r->rows),
                              .cells = item->cells};
    p->work(p->user, &piece);
}

const float *pare_piece_values(const pare_piece *piece, int64_t column, int64_t from, int64_t count,
                               float *scratch) {
    const unsigned char *cells = piece->cells + column * piece->stride;
    if (piece->kind == PARE_CHUNK_F32) {
        return (const float *)(const void *)(cells + 4 * from);
    }
    pare_chunk_decode((pare_chunk_kind)piece->kind, from, count, cells, scratch);
    return scratch;
}

/* Groups of a segment; of a rank, the segments one after the other. */
static int64_t segment_begin(const pare_store *s, int64_t segment) {
    return s->groups * segment / PARE_STORE_SEGMENTS;
}

static int64_t rank_segment(int64_t rank) {
    return PARE_STORE_SEGMENTS * rank / pare_cluster_size();
}

void pare_store_shares(const pare_store *s, int64_t *begin) {
    for (int64_t r = 0; r <= pare_cluster_size(); r++) {
        int64_t row = segment_begin(s, rank_segment(r)) * (int64_t)s->header.group_rows;
        begin[r] = row < (int64_t)s->header.rows ? row : (int64_t)s->header.rows;
    }
}

/* A pass in progress over the groups of this rank. */
typedef struct walk {
    pare_store *store;
    pare_input *input;
    pare_pass pass;
    passing p;
    int64_t group, end;
} walk;

static void walk_close(walk *w) {
    if (w->input) {
        pare_pass_close(&w->pass);
        pare_input_close(w->input);
        pare_free(w->store->ctx, w->input);
    }
}

static pare_status walk_open(pare_store *s, const uint8_t *wanted,
                             void (*work)(void *user, const pare_piece *piece), void *user,
                             walk *w) {
    *w = (walk){.store = s, .p = {work, user}};
    pare_status status = pare_alloc_zero(s->ctx, 1, sizeof *w->input, &w->input);
    if (status == PARE_OK) {
        status = pare_input_open(s->ctx, s->path, w->input);
    }
    if (status == PARE_OK) {
        status = pare_pass_open(w->input, NULL, &w->pass);
    }
    if (status == PARE_OK && w->pass.header.hash != s->header.hash) {
        status = pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: changed while it was read", s->path);
    }
    if (status != PARE_OK) {
        return status;
    }
    w->pass.wanted = wanted;
    w->group = segment_begin(s, rank_segment(pare_cluster_rank()));
    w->end = segment_begin(s, rank_segment(pare_cluster_rank() + 1));
    if (w->group < w->end && w->group > 0) {
        uint64_t place = s->record[s->first[w->group]].offset;
        status = pare_pass_seek(&w->pass, place, w->group * (int64_t)s->header.group_rows);
    }
    return status;
}

/* Groups up to `end`. */
static pare_status walk_to(walk *w, int64_t end) {
    pare_status status = PARE_OK;
    for (; status == PARE_OK && w->group < end; w->group++) {
        bool more = false;
        status = pare_pass_turn(&w->pass, &more);
        if (status == PARE_OK && !more) {
            status = pare_fail(w->store->ctx, PARE_ERROR_INPUT, "%s: changed while it was read",
                               w->store->path);
        }
        if (status == PARE_OK) {
            w->store->bytes_read += w->pass.group[w->pass.current].used;
            w->pass.last = w->group + 1 == w->end; /* do not read what another rank has */
            status = pare_pass_work(&w->pass, work_item, &w->p);
        }
    }
    return status;
}

pare_status pare_store_pass(pare_store *s, const uint8_t *wanted,
                            void (*work)(void *user, const pare_piece *piece), void *user) {
    walk w;
    pare_status status = walk_open(s, wanted, work, user, &w);
    if (status == PARE_OK) {
        status = walk_to(&w, w.end);
    }
    walk_close(&w);
    return pare_cluster_agree(s->ctx, status);
}

/* Partials of all ranks into the total, segment by segment; own: (segments of this rank, count). */
static pare_status exchange(pare_store *s, int64_t count, const double *own, double *total) {
    double *all = NULL;
    int64_t ranks = pare_cluster_size(), most = (PARE_STORE_SEGMENTS + ranks - 1) / ranks;
    enum { PIECE = 4096 };
    double *send = NULL;
    pare_status status = pare_alloc(s->ctx, ranks * most * PIECE, sizeof *all, &all);
    if (status == PARE_OK) {
        status = pare_alloc_zero(s->ctx, most * PIECE, sizeof *send, &send);
    }
    status = pare_cluster_agree(s->ctx, status);
    int64_t mine = rank_segment(pare_cluster_rank() + 1) - rank_segment(pare_cluster_rank());
    for (int64_t from = 0; status == PARE_OK && from < count; from += PIECE) {
        int64_t some = count - from < PIECE ? count - from : PIECE;
        for (int64_t g = 0; g < mine; g++) {
            memcpy(send + g * some, own + g * count + from, (size_t)some * sizeof *send);
        }
        pare_cluster_gather(most * some, send, all);
        for (int64_t r = 0; r < ranks; r++) {
            for (int64_t g = 0; g < rank_segment(r + 1) - rank_segment(r); g++) {
                const double *part = all + (r * most + g) * some;
                for (int64_t i = 0; i < some; i++) {
                    total[from + i] += part[i];
                }
            }
        }
    }
    pare_free(s->ctx, all);
    pare_free(s->ctx, send);
    return status;
}

pare_status pare_store_sum(pare_store *s, void (*work)(void *user, const pare_piece *piece),
                           void *user, int64_t count, double *partial, double *total) {
    walk w;
    double *own = NULL;
    bool alone = pare_cluster_size() == 1;
    int64_t first = rank_segment(pare_cluster_rank()), last = rank_segment(pare_cluster_rank() + 1);
    int64_t cells = 0;
    memset(total, 0, (size_t)count * sizeof *total);
    pare_status status = walk_open(s, NULL, work, user, &w);
    if (status == PARE_OK && !alone) {
        status = pare_checked_multiply(last - first, count, &cells)
                     ? pare_alloc(s->ctx, cells, sizeof *own, &own)
                     : pare_fail(s->ctx, PARE_ERROR_MEMORY, "out of memory: sums of all segments");
    }
    for (int64_t g = first; status == PARE_OK && g < last; g++) {
        memset(partial, 0, (size_t)count * sizeof *partial);
        status = walk_to(&w, segment_begin(s, g + 1));
        if (own) {
            memcpy(own + (g - first) * count, partial, (size_t)count * sizeof *own);
        }
        for (int64_t i = 0; alone && i < count; i++) {
            total[i] += partial[i];
        }
    }
    walk_close(&w);
    status = pare_cluster_agree(s->ctx, status);
    if (status == PARE_OK && !alone) {
        status = exchange(s, count, own, total);
    }
    pare_free(s->ctx, own);
    return status;
}

/* ---- Single columns ------------------------------------------------------------------------- */

typedef struct holding {
    float **out; /* (columns) where each goes, NULL: it is not wanted */
} holding;

static void hold_piece(void *user, const pare_piece *piece) {
    const holding *h = user;
    for (int64_t c = 0; c < piece->columns; c++) {
        float *out = h->out[piece->column + c];
        if (!out) {
            continue;
        }
        const float *values = pare_piece_values(piece, c, 0, piece->rows, out + piece->row);
        if (values != out + piece->row) {
            memcpy(out + piece->row, values, (size_t)piece->rows * sizeof *out);
        }
    }
}

pare_status pare_store_columns(pare_store *s, float **out) {
    uint8_t *wanted = NULL;
    holding h = {out};
    int64_t columns = (int64_t)s->header.columns;
    pare_status status = pare_alloc_zero(s->ctx, columns, 1, &wanted);
    for (int64_t c = 0; status == PARE_OK && c < columns; c++) {
        wanted[c] = out[c] != NULL;
    }
    int64_t *begin = NULL;
    if (status == PARE_OK) {
        status = pare_alloc(s->ctx, pare_cluster_size() + 1, sizeof *begin, &begin);
    }
    status = pare_cluster_agree(s->ctx, status);
    if (status == PARE_OK) {
        status = pare_store_pass(s, wanted, hold_piece, &h);
    }
    if (status == PARE_OK) {
        pare_store_shares(s, begin);
    }
    for (int64_t c = 0; status == PARE_OK && c < columns; c++) {
        if (out[c]) {
            pare_cluster_share(out[c], begin);
        }
    }
    pare_free(s->ctx, begin);
    pare_free(s->ctx, wanted);
    return status;
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
            pare_chunk_decode((pare_chunk_kind)r->kind, 0, r->rows, cells + column * stride,
                              w->cells + k * (int64_t)s->header.group_rows);
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
                      const int64_t *column, float *out) {
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
            out[i * wanted + k] = w ? w->cells[k * (int64_t)s->header.group_rows + at] : NAN;
        }
    }
}

void pare_store_rows(pare_store *s, int64_t count, const int64_t *rows, int64_t wanted,
                     const int64_t *column, float *out) {
    pare_lock_take(&s->lock);
    take_rows(s, count, rows, wanted, column, out);
    pare_lock_give(&s->lock);
}

void pare_store_features(const pare_dataset *data, int64_t count, const int64_t *rows,
                         int64_t wanted, const int64_t *feature, float *out) {
    pare_store *s = data->table.stream;
    pare_lock_take(&s->lock);
    for (int64_t f = 0; f < wanted; f++) {
        s->list[f] = data->feature[feature ? feature[f] : f].column;
    }
    take_rows(s, count, rows, wanted, s->list, out);
    pare_lock_give(&s->lock);
}

pare_status pare_store_trouble(pare_store *s) {
    return s->trouble == PARE_OK ? PARE_OK : pare_fail(s->ctx, s->trouble, "%s", s->sentence);
}

/* ---- Construction of a dataset -------------------------------------------------------------- */

/* Columns that are no features are held in memory. */
pare_status pare_build_hold(pare_build *build) {
    pare_table *table = &build->data->table;
    for (int64_t j = 0; j < table->columns; j++) {
        if (build->role[j] == PARE_ROLE_IGNORED) {
            continue;
        }
        if (build->role[j] != PARE_ROLE_FEATURE) {
            pare_status status =
                pare_alloc(build->ctx, table->rows, sizeof(float), &table->held[j]);
            if (status != PARE_OK) {
                return status;
            }
        } else if (table->column[j].levels > 0) {
            return pare_fail(build->ctx, PARE_ERROR_UNSUPPORTED,
                             "%s: column '%.100s' is categorical; a table read in pieces (option "
                             "memory) may have number columns only: ignore it, or leave the "
                             "option out",
                             table->source, table->column[j].name);
        }
    }
    if (build->options->categorical[0]) {
        return pare_fail(build->ctx, PARE_ERROR_UNSUPPORTED,
                         "option categorical: not for a table read in pieces (option memory)");
    }
    return pare_store_columns(table->stream, table->held);
}

typedef struct survey {
    const pare_build *build;
    const float *center; /* (columns) the first row */
    double *partial;     /* (columns, 3): sum, square, zeros */
    int64_t *odd;        /* (columns) first row whose cell is missing or infinite, -1: none */
} survey;

enum { TILE = 256, LANES = 8, SUMS = 3 };

static void add_tile(const float *x, const float *weight, int64_t count, double center,
                     double *out) {
    double sum[LANES] = {0}, square[LANES] = {0};
    int64_t i = 0, zeros = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            double d = (double)x[i + k] - center, w = (double)weight[i + k];
            sum[k] += w * d;
            square[k] += w * d * d;
        }
    }
    for (; i < count; i++) {
        double d = (double)x[i] - center, w = (double)weight[i];
        sum[0] += w * d;
        square[0] += w * d * d;
    }
    for (i = 0; i < count; i++) {
        zeros += (x[i] == 0) & (weight[i] > 0);
    }
    for (int k = 0; k < LANES; k++) {
        out[0] += sum[k];
        out[1] += square[k];
    }
    out[2] += (double)zeros;
}

static void survey_piece(void *user, const pare_piece *piece) {
    const survey *s = user;
    float scratch[TILE];
    for (int64_t c = 0; c < piece->columns; c++) {
        int64_t column = piece->column + c;
        if (s->build->role[column] != PARE_ROLE_FEATURE) {
            continue;
        }
        for (int64_t i = 0; i < piece->rows; i += TILE) {
            int64_t count = piece->rows - i < TILE ? piece->rows - i : TILE;
            const float *x = pare_piece_values(piece, c, i, count, scratch);
            float check = 0;
            for (int64_t q = 0; q < count; q++) {
                check += x[q] - x[q]; /* NaN if any is not finite */
            }
            if (!(check == 0)) {
                for (int64_t q = 0; q < count && s->odd[column] < 0; q++) {
                    s->odd[column] = isfinite(x[q]) ? -1 : piece->row + i + q;
                }
                continue;
            }
            add_tile(x, s->build->part_weight + piece->row + i, count, (double)s->center[column],
                     s->partial + SUMS * column);
        }
    }
}

/* The first row, which every rank has at hand. */
static pare_status find_centers(pare_table *table, float *center) {
    int64_t *all = NULL;
    const int64_t row = 0;
    pare_status status = pare_alloc(table->ctx, table->columns, sizeof *all, &all);
    for (int64_t c = 0; status == PARE_OK && c < table->columns; c++) {
        all[c] = c;
    }
    if (status == PARE_OK) {
        pare_store_rows(table->stream, 1, &row, table->columns, all, center);
        status = pare_store_trouble(table->stream);
    }
    pare_free(table->ctx, all);
    return pare_cluster_agree(table->ctx, status);
}

static pare_status refuse_odd(const pare_table *table, const int64_t *odd) {
    for (int64_t j = 0; j < table->columns; j++) {
        char place[PARE_PLACE_SIZE];
        if (odd[j] >= 0) {
            return pare_fail(table->ctx, PARE_ERROR_UNSUPPORTED,
                             "%s: column '%.100s' is missing or infinite; a table read in pieces "
                             "(option memory) may have finite numbers only",
                             pare_table_place(table, odd[j], place), table->column[j].name);
        }
    }
    return PARE_OK;
}

pare_status pare_build_survey(pare_build *build) {
    pare_context *ctx = build->ctx;
    pare_dataset *data = build->data;
    pare_table *table = &data->table;
    float *center = NULL;
    double *total = NULL;
    survey s = {.build = build};
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {{&build->moments, table->columns, sizeof *build->moments},
                  {&build->gaps, table->columns, 1},
                  {&s.odd, table->columns, sizeof *s.odd},
                  {&center, table->columns, sizeof *center},
                  {&s.partial, SUMS * table->columns, sizeof *s.partial},
                  {&total, SUMS * table->columns, sizeof *total}};
    pare_status status = PARE_OK;
    for (size_t i = 0; status == PARE_OK && i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
    }
    status = pare_cluster_agree(ctx, status);
    if (status == PARE_OK) {
        memset(s.odd, 0xFF, (size_t)table->columns * sizeof *s.odd); /* -1 */
        status = find_centers(table, center);
    }
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        center[j] = isfinite(center[j]) ? center[j] : 0;
    }
    if (status == PARE_OK) {
        s.center = center;
        status = pare_store_sum(table->stream, survey_piece, &s, SUMS * table->columns, s.partial,
                                total);
    }
    if (status == PARE_OK) {
        status = pare_cluster_agree(ctx, refuse_odd(table, s.odd));
    }
    double weight = 0;
    for (int64_t i = 0; status == PARE_OK && i < data->train_count; i++) {
        weight += (double)build->part_weight[data->train[i]];
    }
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        build->moments[j] = (pare_moments){.center = (double)center[j],
                                           .weight = weight,
                                           .sum = total[SUMS * j],
                                           .square = total[SUMS * j + 1],
                                           .zeros = (int64_t)total[SUMS * j + 2]};
    }
    data->checksum = table->stream->identity;
    pare_free(ctx, s.odd);
    pare_free(ctx, center);
    pare_free(ctx, s.partial);
    pare_free(ctx, total);
    return status;
}
