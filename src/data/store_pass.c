/* Passes over a table in its file: all of it, sums in the order of the file, whole columns. */
#include "data/store_private.h"
#include "platform/cluster.h"

typedef struct passing {
    const pare_store *store;
    void (*work)(void *user, const pare_piece *piece);
    void *user;
} passing;

static void work_item(void *user, pare_file_item *item) {
    const passing *p = user;
    const pare_record *r = &item->record;
    int64_t stride = pare_chunk_stride((pare_chunk_kind)r->kind, r->rows);
    int64_t first = r->column, end = first + r->columns;
    int64_t from = first > p->store->own ? first : p->store->own;
    int64_t to = end < p->store->own_end ? end : p->store->own_end;
    const pare_piece piece = {.row = (int64_t)r->row,
                              .rows = r->rows,
                              .column = from,
                              .columns = to - from,
                              .kind = r->kind,
                              .stride = stride,
                              .cells = item->cells + (from - first) * stride,
                              .map = p->store->map};
    if (from < to) {
        p->work(p->user, &piece);
    }
}

const float *pare_piece_values(const pare_piece *piece, int64_t column, int64_t from, int64_t count,
                               float *scratch) {
    const unsigned char *cells = piece->cells + column * piece->stride;
    if (piece->kind == PARE_CHUNK_F32 && piece->map[piece->column + column].levels == 0) {
        return (const float *)(const void *)(cells + 4 * from);
    }
    pare_chunk_decode((pare_chunk_kind)piece->kind, from, count, cells, scratch);
    pare_store_map(&piece->map[piece->column + column], count, scratch);
    return scratch;
}

/* Groups of a segment; of a rank, the segments one after the other. */
static int64_t segment_begin(const pare_store *s, int64_t segment) {
    return s->groups * segment / PARE_STORE_SEGMENTS;
}

static int64_t rank_segment(int64_t rank) {
    return PARE_STORE_SEGMENTS * rank / pare_cluster_size();
}

/* Segments that this rank reads. */
static int64_t first_segment(const pare_store *s) {
    return s->by_columns ? 0 : rank_segment(pare_cluster_rank());
}

static int64_t last_segment(const pare_store *s) {
    return s->by_columns ? PARE_STORE_SEGMENTS : rank_segment(pare_cluster_rank() + 1);
}

void pare_store_shares(const pare_store *s, int64_t column, int64_t *begin) {
    for (int64_t r = 0; r <= pare_cluster_size(); r++) {
        int64_t row = segment_begin(s, rank_segment(r)) * (int64_t)s->header.group_rows;
        if (s->by_columns) {
            row = r > 0 && column < pare_store_own(s, r) ? (int64_t)s->header.rows : 0;
        }
        begin[r] = row < (int64_t)s->header.rows ? row : (int64_t)s->header.rows;
    }
}

/* A pass in progress over the groups of this rank. */
typedef struct walk {
    pare_store *store;
    pare_input *input;
    pare_pass pass;
    passing p;
    uint8_t *own; /* (columns) wanted ones of this rank; NULL: as the caller says */
    int64_t group, end;
} walk;

static void walk_close(walk *w) {
    pare_free(w->store->ctx, w->own);
    if (w->input) {
        pare_pass_close(&w->pass);
        pare_input_close(w->input);
        pare_free(w->store->ctx, w->input);
    }
}

static pare_status walk_open(pare_store *s, const uint8_t *wanted,
                             void (*work)(void *user, const pare_piece *piece), void *user,
                             walk *w) {
    *w = (walk){.store = s, .p = {s, work, user}};
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
    if (s->by_columns) {
        status = pare_alloc_zero(s->ctx, (int64_t)s->header.columns, 1, &w->own);
        if (status != PARE_OK) {
            return status;
        }
        for (int64_t c = s->own; c < s->own_end; c++) {
            w->own[c] = !wanted || wanted[c];
        }
    }
    w->pass.wanted = w->own ? w->own : wanted;
    w->group = segment_begin(s, first_segment(s));
    w->end = segment_begin(s, last_segment(s));
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
    bool alone = s->by_columns || pare_cluster_size() == 1;
    int64_t first = first_segment(s), last = last_segment(s);
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
    if (status == PARE_OK && s->by_columns) {
        pare_cluster_add(count, total); /* every rank has the sums of its columns, else 0 */
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
    for (int64_t c = 0; status == PARE_OK && c < columns; c++) {
        if (out[c]) {
            pare_store_shares(s, c, begin);
            pare_cluster_share(out[c], begin);
        }
    }
    pare_free(s->ctx, begin);
    pare_free(s->ctx, wanted);
    return status;
}
