/*
 * A dataset as a design matrix. The work is cut into column tiles times row chunks; a chunk adds
 * into its own place and the places are added up in order, so the result does not depend on the
 * threads. Sparse tables are in design_sparse.c.
 */
#include "problem/design_private.h"

#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "platform/threads.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum {
    TILE = 2048,     /* columns a chunk works on */
    BLOCK = 256,     /* rows summed in float, see pare_precision */
    CHUNKS_LEAST = 8 /* row chunks are made until there are so many pieces */
};

/* Up to this ratio of mean to spread, sums over the entries as stored are corrected afterwards;
 * beyond it entries are centred before they are summed. */
static const double raw_ratio = 3.8;
/* Rows as stored are read in place when at least this share of their span is used. */
static const double raw_share = 0.7;

/* What one thread works in. */
typedef struct scratch {
    float *block;  /* (BLOCK, TILE) standardised */
    float *vector; /* (m, BLOCK) */
    float *sum;    /* (m, TILE) */
    atomic_flag busy;
} scratch;

typedef struct dense {
    pare_context *ctx;
    const pare_dataset *data;
    int64_t rows, columns;
    const int64_t *row;
    int64_t first, span; /* rows of the table from the first to the last used */
    bool in_place;       /* most rows of the span are used and the table is plain */
    int64_t tiles;
    uint8_t *raw;     /* (tiles) sums over entries as stored are good enough */
    int64_t *feature; /* (columns) 0, 1, ...: for gathering */
    double *sum, *square, *weight;
    int64_t threads;
    scratch *scratch;
    int64_t vectors; /* that vector and sum have room for */
    float *spread;   /* (vectors, span) r in float, 0 in rows not used */
    double *total;   /* (vectors) sum of each */
} dense;

static void free_scratch(dense *d) {
    for (int64_t t = 0; d->scratch && t < d->threads; t++) {
        pare_free(d->ctx, d->scratch[t].block);
        pare_free(d->ctx, d->scratch[t].vector);
        pare_free(d->ctx, d->scratch[t].sum);
    }
    pare_free(d->ctx, d->scratch);
    pare_free(d->ctx, d->spread);
    pare_free(d->ctx, d->total);
    d->scratch = NULL;
    d->spread = NULL;
    d->total = NULL;
    d->vectors = 0;
}

static void dense_destroy(void *self) {
    dense *d = self;
    if (!d) {
        return;
    }
    pare_context *ctx = d->ctx;
    free_scratch(d);
    pare_free(ctx, d->raw);
    pare_free(ctx, d->feature);
    pare_free(ctx, d->sum);
    pare_free(ctx, d->square);
    pare_free(ctx, d->weight);
    pare_free(ctx, d);
}

/* Room for m vectors at a time. */
static pare_status reserve(dense *d, int64_t m) {
    if (m <= d->vectors) {
        return PARE_OK;
    }
    free_scratch(d);
    int64_t spread = 0;
    if (!pare_checked_multiply(m, d->span, &spread)) {
        return pare_fail(d->ctx, PARE_ERROR_MEMORY, "out of memory: %lld vectors of %lld rows",
                         (long long)m, (long long)d->span);
    }
    pare_status status = pare_alloc_zero(d->ctx, d->threads, sizeof *d->scratch, &d->scratch);
    if (status == PARE_OK && d->in_place) {
        status = pare_alloc(d->ctx, spread, sizeof *d->spread, &d->spread);
    }
    if (status == PARE_OK) {
        status = pare_alloc(d->ctx, m, sizeof *d->total, &d->total);
    }
    int64_t width = d->columns < TILE ? d->columns : TILE;
    for (int64_t t = 0; status == PARE_OK && t < d->threads; t++) {
        scratch *s = &d->scratch[t];
        atomic_flag_clear(&s->busy);
        status = pare_alloc(d->ctx, BLOCK * width, sizeof *s->block, &s->block);
        if (status == PARE_OK) {
            status = pare_alloc(d->ctx, m * BLOCK, sizeof *s->vector, &s->vector);
        }
        if (status == PARE_OK) {
            status = pare_alloc(d->ctx, m * width, sizeof *s->sum, &s->sum);
        }
    }
    if (status != PARE_OK) {
        free_scratch(d);
        return status;
    }
    d->vectors = m;
    return PARE_OK;
}

static scratch *take_scratch(dense *d) {
    for (int64_t t = 0;; t = (t + 1) % d->threads) {
        if (!atomic_flag_test_and_set_explicit(&d->scratch[t].busy, memory_order_acquire)) {
            return &d->scratch[t];
        }
    }
}

static void give_scratch(scratch *s) {
    atomic_flag_clear_explicit(&s->busy, memory_order_release);
}

/* Standardised entries of `count` rows (positions from `from`) in columns first .. + width. */
static void standard_block(const dense *d, int64_t from, int64_t count, int64_t first,
                           int64_t width, float *out) {
    const pare_dataset *data = d->data;
    const int64_t *row = d->row + from;
    const float *shift = data->shift + first, *scale = data->scale + first;
    int64_t stride = data->table.columns;
    if (!data->plain) {
        pare_dataset_gather_features(data, count, row, width, d->feature + first, out);
    } else if (data->table.storage == PARE_STORAGE_U8) {
        for (int64_t i = 0; i < count; i++) {
            d->ctx->kernels->standardise_u8(width, data->table.u8 + row[i] * stride + first, shift,
                                            scale, out + i * width);
        }
    } else {
        for (int64_t i = 0; i < count; i++) {
            d->ctx->kernels->standardise(width, data->table.f32 + row[i] * stride + first, shift,
                                         scale, out + i * width);
        }
    }
}

/* ---- Products ------------------------------------------------------------------------------- */

typedef struct product {
    dense *d;
    pare_precision precision;
    int64_t m;
    const double *r;
    double *out;  /* (m, columns) */
    double *part; /* (row chunks - 1, m, columns): chunk 0 adds into out */
    int64_t row_chunks;
} product;

static void add_tile(int64_t m, int64_t width, const float *sum, double *out, int64_t stride) {
    for (int64_t v = 0; v < m; v++) {
        for (int64_t j = 0; j < width; j++) {
            out[v * stride + j] += (double)sum[v * width + j];
        }
    }
}

/* Entries as stored, rows from .. to of the span; corrected for the means at the end. */
static void raw_tile(const product *p, scratch *s, int64_t from, int64_t to, int64_t first,
                     int64_t width, double *out) {
    dense *d = p->d;
    const pare_kernels *kernels = d->ctx->kernels;
    const pare_table *table = &d->data->table;
    int64_t stride = table->columns, at = (d->first + from) * stride + first;
    bool bytes = table->storage == PARE_STORAGE_U8;
    for (int64_t v = 0; (bytes || p->m <= 2) && v < p->m; v++) {
        const float *r = d->spread + v * d->span + from;
        double *to_add = out + v * d->columns + first;
        if (bytes) {
            kernels->columns_dot_u8(to - from, width, table->u8 + at, stride, r, to_add);
        } else {
            kernels->columns_dot(to - from, width, table->f32 + at, stride, r, to_add);
        }
    }
    for (int64_t i = from; !bytes && p->m > 2 && i < to; i += BLOCK) {
        int64_t count = to - i < BLOCK ? to - i : BLOCK;
        pare_gemm(false, false, p->m, width, count, 1, d->spread + i, d->span,
                  table->f32 + (d->first + i) * stride + first, stride, 0, s->sum, width);
        add_tile(p->m, width, s->sum, out + first, d->columns);
    }
}

/* Entries standardised block by block, positions from .. to. */
static void standard_tile(const product *p, scratch *s, int64_t from, int64_t to, int64_t first,
                          int64_t width, double *out) {
    dense *d = p->d;
    for (int64_t i = from; i < to; i += BLOCK) {
        int64_t count = to - i < BLOCK ? to - i : BLOCK;
        standard_block(d, i, count, first, width, s->block);
        if (p->precision == PARE_PRECISION_FLOAT) {
            for (int64_t v = 0; v < p->m; v++) {
                for (int64_t q = 0; q < count; q++) {
                    s->vector[v * BLOCK + q] = (float)p->r[v * d->rows + i + q];
                }
            }
            pare_gemm(false, false, p->m, width, count, 1, s->vector, BLOCK, s->block, width, 0,
                      s->sum, width);
            add_tile(p->m, width, s->sum, out + first, d->columns);
            continue;
        }
        for (int64_t v = 0; v < p->m; v++) {
            double *sum = out + v * d->columns + first;
            for (int64_t q = 0; q < count; q++) {
                const double factor = p->r[v * d->rows + i + q];
                const float *x = s->block + q * width;
                for (int64_t j = 0; factor != 0 && j < width; j++) {
                    sum[j] += factor * (double)x[j];
                }
            }
        }
    }
}

/* Piece `chunk` of `count` equal ones of `total`, cut at multiples of BLOCK. */
static void piece(int64_t total, int64_t count, int64_t chunk, int64_t *from, int64_t *to) {
    int64_t blocks = (total + BLOCK - 1) / BLOCK;
    *from = blocks * chunk / count * BLOCK;
    *to = blocks * (chunk + 1) / count * BLOCK;
    *to = *to < total ? *to : total;
}

static void product_chunk(void *argument, int64_t chunk) {
    const product *p = argument;
    dense *d = p->d;
    int64_t tile = chunk % d->tiles, rows = chunk / d->tiles;
    int64_t first = tile * TILE;
    int64_t width = d->columns - first < TILE ? d->columns - first : TILE;
    double *out = rows == 0 ? p->out : p->part + (rows - 1) * p->m * d->columns;
    for (int64_t v = 0; v < p->m; v++) {
        memset(out + v * d->columns + first, 0, (size_t)width * sizeof *out);
    }
    scratch *s = take_scratch(d);
    int64_t from = 0, to = 0;
    bool raw = p->precision == PARE_PRECISION_FLOAT && d->in_place && d->raw[tile] &&
               (d->data->table.storage == PARE_STORAGE_F32 || p->m <= 2);
    if (raw) {
        piece(d->span, p->row_chunks, rows, &from, &to);
        raw_tile(p, s, from, to, first, width, out);
    } else {
        piece(d->rows, p->row_chunks, rows, &from, &to);
        standard_tile(p, s, from, to, first, width, out);
    }
    give_scratch(s);
}

/* Row chunks added up in order, and the correction of tiles summed as stored. */
static void finish_chunk(void *argument, int64_t tile) {
    const product *p = argument;
    dense *d = p->d;
    int64_t first = tile * TILE;
    int64_t width = d->columns - first < TILE ? d->columns - first : TILE;
    bool raw = p->precision == PARE_PRECISION_FLOAT && d->in_place && d->raw[tile] &&
               (d->data->table.storage == PARE_STORAGE_F32 || p->m <= 2);
    for (int64_t v = 0; v < p->m; v++) {
        double *out = p->out + v * d->columns + first;
        for (int64_t c = 1; c < p->row_chunks; c++) {
            const double *part = p->part + ((c - 1) * p->m + v) * d->columns + first;
            for (int64_t j = 0; j < width; j++) {
                out[j] += part[j];
            }
        }
        for (int64_t j = 0; raw && j < width; j++) {
            out[j] = (double)d->data->scale[first + j] *
                     (out[j] - (double)d->data->shift[first + j] * d->total[v]);
        }
    }
}

/* r in float over the span, and the sums that the correction needs. */
static void spread_vectors(dense *d, int64_t m, const double *r) {
    for (int64_t v = 0; v < m; v++) {
        float *out = d->spread + v * d->span;
        double total = 0;
        if (d->rows < d->span) {
            memset(out, 0, (size_t)d->span * sizeof *out);
        }
        for (int64_t i = 0; i < d->rows; i++) {
            float one = (float)r[v * d->rows + i];
            out[d->row[i] - d->first] = one;
            total += (double)one;
        }
        d->total[v] = total;
    }
}

/* As many row chunks as keep a few threads busy and their places small beside the data. */
static int64_t row_chunks(const dense *d, int64_t m) {
    int64_t wanted = (CHUNKS_LEAST + d->tiles - 1) / d->tiles;
    int64_t most = 1 + d->rows / 64 / m;
    int64_t blocks = (d->rows + BLOCK - 1) / BLOCK;
    wanted = wanted < most ? wanted : most;
    wanted = wanted < blocks ? wanted : blocks;
    return wanted > 1 ? wanted : 1;
}

static pare_status dense_correlate(void *self, pare_precision precision, int64_t m, const double *r,
                                   double *out) {
    dense *d = self;
    if (m == 0 || d->columns == 0) {
        return PARE_OK;
    }
    pare_status status = reserve(d, m);
    if (status != PARE_OK) {
        return status;
    }
    product p = {d, precision, m, r, out, NULL, row_chunks(d, m)};
    int64_t cells = 0;
    if (!pare_checked_multiply((p.row_chunks - 1) * m, d->columns, &cells)) {
        return pare_fail(d->ctx, PARE_ERROR_MEMORY, "out of memory: %lld vectors of %lld columns",
                         (long long)m, (long long)d->columns);
    }
    status = pare_alloc(d->ctx, cells, sizeof *p.part, &p.part);
    if (status != PARE_OK) {
        return status;
    }
    if (d->in_place && precision == PARE_PRECISION_FLOAT) {
        spread_vectors(d, m, r);
    }
    pare_pool_run(d->ctx->pool, d->tiles * p.row_chunks, product_chunk, &p);
    pare_pool_run(d->ctx->pool, d->tiles, finish_chunk, &p);
    pare_free(d->ctx, p.part);
    return PARE_OK;
}

/* ---- Columns -------------------------------------------------------------------------------- */

enum { FETCH_ROWS = 16, FETCH_CHUNK = 1024, FETCH_FEATURES = 64 };

typedef struct fetching {
    const dense *d;
    int64_t count;
    const int64_t *column;
    float *out;
} fetching;

/* One entry as the kernels compute it. */
static float entry(const pare_dataset *data, int64_t row, int64_t column) {
    int64_t at = row * data->table.columns + column;
    float x = data->table.f32 ? data->table.f32[at] : (float)data->table.u8[at];
    return (x - data->shift[column]) * data->scale[column];
}

/* Rows are read FETCH_ROWS at a time, so that each column is written a cache line at a time. */
static void fetch_chunk(void *argument, int64_t chunk) {
    const fetching *f = argument;
    const dense *d = f->d;
    int64_t end = (chunk + 1) * FETCH_CHUNK < d->rows ? (chunk + 1) * FETCH_CHUNK : d->rows;
    for (int64_t i = chunk * FETCH_CHUNK; i < end; i += FETCH_ROWS) {
        int64_t count = end - i < FETCH_ROWS ? end - i : FETCH_ROWS;
        if (d->data->plain) {
            for (int64_t c = 0; c < f->count; c++) {
                for (int64_t q = 0; q < count; q++) {
                    f->out[c * d->rows + i + q] = entry(d->data, d->row[i + q], f->column[c]);
                }
            }
            continue;
        }
        float block[FETCH_ROWS * FETCH_FEATURES];
        for (int64_t c = 0; c < f->count; c += FETCH_FEATURES) {
            int64_t width = f->count - c < FETCH_FEATURES ? f->count - c : FETCH_FEATURES;
            pare_dataset_gather_features(d->data, count, d->row + i, width, f->column + c, block);
            for (int64_t q = 0; q < count; q++) {
                for (int64_t w = 0; w < width; w++) {
                    f->out[(c + w) * d->rows + i + q] = block[q * width + w];
                }
            }
        }
    }
}

static pare_status dense_fetch(void *self, int64_t count, const int64_t *column, float *out) {
    dense *d = self;
    fetching f = {d, count, column, out};
    pare_pool_run(d->ctx->pool, (d->rows + FETCH_CHUNK - 1) / FETCH_CHUNK, fetch_chunk, &f);
    return PARE_OK;
}

/* ---- Sums and squares ----------------------------------------------------------------------- */

typedef struct moments {
    dense *d;
    const float *weight; /* (span), 0 in rows not used; NULL: 1 */
    const float *packed; /* (rows) or NULL */
    double *part;        /* (row chunks, 2, columns) */
    int64_t row_chunks;
} moments;

static void moments_chunk(void *argument, int64_t chunk) {
    const moments *m = argument;
    dense *d = m->d;
    const pare_kernels *kernels = d->ctx->kernels;
    const pare_table *table = &d->data->table;
    int64_t tile = chunk % d->tiles, rows = chunk / d->tiles;
    int64_t first = tile * TILE;
    int64_t width = d->columns - first < TILE ? d->columns - first : TILE;
    double *sum = m->part + rows * 2 * d->columns + first, *square = sum + d->columns;
    int64_t from = 0, to = 0;
    if (d->in_place && table->storage == PARE_STORAGE_F32) {
        piece(d->span, m->row_chunks, rows, &from, &to);
        kernels->columns_moments(to - from, width,
                                 table->f32 + (d->first + from) * table->columns + first,
                                 table->columns, m->weight ? m->weight + from : NULL,
                                 d->data->shift + first, sum, square);
        for (int64_t j = 0; j < width; j++) {
            double scale = (double)d->data->scale[first + j];
            sum[j] *= scale;
            square[j] *= scale * scale;
        }
        return;
    }
    piece(d->rows, m->row_chunks, rows, &from, &to);
    scratch *s = take_scratch(d);
    for (int64_t i = from; i < to; i += BLOCK) {
        int64_t count = to - i < BLOCK ? to - i : BLOCK;
        standard_block(d, i, count, first, width, s->block);
        kernels->columns_moments(count, width, s->block, width, m->packed ? m->packed + i : NULL,
                                 NULL, sum, square);
    }
    give_scratch(s);
}

static pare_status measure(dense *d) {
    pare_context *ctx = d->ctx;
    float *weight = NULL, *packed = NULL;
    moments m = {.d = d, .row_chunks = row_chunks(d, 1)};
    pare_status status =
        pare_alloc_zero(ctx, m.row_chunks * 2 * d->columns, sizeof *m.part, &m.part);
    if (status == PARE_OK && (d->data->weight || d->rows < d->span)) {
        status = pare_alloc_zero(ctx, d->span, sizeof *weight, &weight);
    }
    if (status == PARE_OK && d->data->weight) {
        status = pare_alloc(ctx, d->rows, sizeof *packed, &packed);
    }
    if (status == PARE_OK) {
        for (int64_t i = 0; weight && i < d->rows; i++) {
            float one = d->data->weight ? d->data->weight[d->row[i]] : 1;
            weight[d->row[i] - d->first] = one;
            if (packed) {
                packed[i] = one;
            }
        }
        m.weight = weight;
        m.packed = packed;
        pare_pool_run(ctx->pool, d->tiles * m.row_chunks, moments_chunk, &m);
        for (int64_t c = 0; c < m.row_chunks; c++) {
            for (int64_t j = 0; j < d->columns; j++) {
                d->sum[j] += m.part[c * 2 * d->columns + j];
                d->square[j] += m.part[(c * 2 + 1) * d->columns + j];
            }
        }
    }
    pare_free(ctx, m.part);
    pare_free(ctx, weight);
    pare_free(ctx, packed);
    return status;
}

static const pare_design_slots dense_slots = {
    .correlate = dense_correlate, .fetch = dense_fetch, .destroy = dense_destroy};

static pare_status dense_create(pare_dataset *train, double *weight, pare_design *out) {
    pare_context *ctx = train->ctx;
    dense *d = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *d, &d);
    if (status != PARE_OK) {
        return status;
    }
    d->ctx = ctx;
    d->data = train;
    d->rows = train->train_count;
    d->columns = train->features;
    d->row = train->train;
    d->first = d->rows > 0 ? d->row[0] : 0;
    d->span = d->rows > 0 ? d->row[d->rows - 1] + 1 - d->first : 0;
    d->in_place = train->plain && (double)d->rows >= raw_share * (double)d->span;
    d->tiles = (d->columns + TILE - 1) / TILE;
    d->threads = pare_pool_threads(ctx->pool);
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {{&d->raw, d->tiles, sizeof *d->raw},
                  {&d->feature, d->columns, sizeof *d->feature},
                  {&d->sum, d->columns, sizeof *d->sum},
                  {&d->square, d->columns, sizeof *d->square}};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    memset(d->raw, 1, (size_t)d->tiles);
    for (int64_t j = 0; j < d->columns; j++) {
        d->feature[j] = j;
        if (fabs((double)train->shift[j] * (double)train->scale[j]) > raw_ratio) {
            d->raw[j / TILE] = 0;
        }
    }
    status = reserve(d, 1);
    if (status != PARE_OK) {
        goto fail;
    }
    status = measure(d);
    if (status != PARE_OK) {
        goto fail;
    }
    d->weight = weight;
    *out = (pare_design){.slots = &dense_slots, .self = d, .sum = d->sum, .square = d->square};
    return PARE_OK;
fail:
    dense_destroy(d);
    return status;
}

pare_status pare_design_create(pare_dataset *train, pare_design *out) {
    *out = (pare_design){0};
    pare_context *ctx = train->ctx;
    pare_design design = {0};
    double *weight = NULL;
    pare_status status = PARE_OK;
    if (train->weight) {
        status = pare_alloc(ctx, train->train_count, sizeof *weight, &weight);
        if (status != PARE_OK) {
            return status;
        }
        for (int64_t i = 0; i < train->train_count; i++) {
            weight[i] = (double)train->weight[train->train[i]];
        }
    }
    switch (train->table.storage) {
    case PARE_STORAGE_CSR:
        status = pare_design_create_sparse(train, weight, &design);
        break;
    case PARE_STORAGE_FILE:
        status = pare_design_create_stream(train, weight, &design);
        break;
    default:
        status = dense_create(train, weight, &design);
    }
    if (status != PARE_OK) {
        pare_free(ctx, weight);
        return status;
    }
    design.rows = train->train_count;
    design.columns = train->features;
    design.candidates = train->candidates;
    design.start = train->candidate_start;
    design.weight = weight;
    *out = design;
    return PARE_OK;
}
