/* A table that stays in its .pare file: passes over it, single columns, and rows through a window.
 */
#include "base/text.h"
#include "base/xxh64.h"
#include "data/build.h"
#include "data/pare_file.h"
#include "data/store.h"
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

pare_status pare_store_pass(pare_store *s, const uint8_t *wanted,
                            void (*work)(void *user, const pare_piece *piece), void *user) {
    pare_input *input = NULL;
    pare_pass pass = {0};
    passing p = {work, user};
    pare_status status = pare_alloc(s->ctx, 1, sizeof *input, &input);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_input_open(s->ctx, s->path, input);
    if (status == PARE_OK) {
        status = pare_pass_open(input, NULL, &pass);
    }
    if (status == PARE_OK && pass.header.hash != s->header.hash) {
        status = pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: changed while it was read", s->path);
    }
    pass.wanted = wanted;
    bool more = status == PARE_OK;
    while (more) {
        status = pare_pass_turn(&pass, &more);
        if (status == PARE_OK && more) {
            s->bytes_read += pass.group[pass.current].used;
            status = pare_pass_work(&pass, work_item, &p);
        }
        more = more && status == PARE_OK;
    }
    pare_pass_close(&pass);
    pare_input_close(input);
    pare_free(s->ctx, input);
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
    if (status == PARE_OK) {
        status = pare_store_pass(s, wanted, hold_piece, &h);
    }
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
    pare_moments *of; /* (columns) */
    int64_t *odd;     /* (columns) first row whose cell is missing or infinite, -1: none */
} survey;

enum { TILE = 256, LANES = 8 };

static void add_tile(const float *x, const float *weight, int64_t count, pare_moments *of) {
    double sum[LANES] = {0}, square[LANES] = {0};
    int64_t i = 0, zeros = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            double d = (double)x[i + k] - of->center, w = (double)weight[i + k];
            sum[k] += w * d;
            square[k] += w * d * d;
        }
    }
    for (; i < count; i++) {
        double d = (double)x[i] - of->center, w = (double)weight[i];
        sum[0] += w * d;
        square[0] += w * d * d;
    }
    for (i = 0; i < count; i++) {
        zeros += (x[i] == 0) & (weight[i] > 0);
    }
    for (int k = 0; k < LANES; k++) {
        of->sum += sum[k];
        of->square += square[k];
    }
    of->zeros += zeros;
}

static void survey_piece(void *user, const pare_piece *piece) {
    const survey *s = user;
    float scratch[TILE];
    for (int64_t c = 0; c < piece->columns; c++) {
        int64_t column = piece->column + c;
        if (s->build->role[column] != PARE_ROLE_FEATURE) {
            continue;
        }
        pare_moments *of = &s->of[column];
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
            of->center = piece->row + i == 0 ? (double)x[0] : of->center;
            add_tile(x, s->build->part_weight + piece->row + i, count, of);
        }
    }
}

pare_status pare_build_survey(pare_build *build) {
    pare_dataset *data = build->data;
    pare_table *table = &data->table;
    survey s = {.build = build};
    pare_status status =
        pare_alloc_zero(build->ctx, table->columns, sizeof *build->moments, &build->moments);
    if (status == PARE_OK) {
        status = pare_alloc(build->ctx, table->columns, sizeof *s.odd, &s.odd);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(build->ctx, table->columns, 1, &build->gaps);
    }
    if (status == PARE_OK) {
        s.of = build->moments;
        memset(s.odd, 0xFF, (size_t)table->columns * sizeof *s.odd); /* -1 */
        status = pare_store_pass(table->stream, NULL, survey_piece, &s);
    }
    double total = 0;
    for (int64_t i = 0; status == PARE_OK && i < data->train_count; i++) {
        total += (double)build->part_weight[data->train[i]];
    }
    for (int64_t j = 0; status == PARE_OK && j < table->columns; j++) {
        char place[PARE_PLACE_SIZE];
        build->moments[j].weight = total;
        if (s.odd[j] >= 0) {
            status = pare_fail(build->ctx, PARE_ERROR_UNSUPPORTED,
                               "%s: column '%.100s' is missing or infinite; a table read in pieces "
                               "(option memory) may have finite numbers only",
                               pare_table_place(table, s.odd[j], place), table->column[j].name);
        }
    }
    data->checksum = table->stream->identity;
    pare_free(build->ctx, s.odd);
    return status;
}
