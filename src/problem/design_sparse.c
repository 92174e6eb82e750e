/*
 * A sparse dataset as a design matrix. With z_j the standardised zero of column j, X = 1 z' + U
 * where U has the pattern of the table, so X'r = z sum(r) + U'r. A vector that is a multiple of
 * the row weights except in few rows, as every standardised sparse column is, r = b w + u, costs
 * only the rows of u: X'r = b X'w + X'u, and X'w is known. So the Gram column of a sparse column
 * costs the cells of the rows it is set in and not those of the table.
 */
#include "problem/design_private.h"

#include "kernels/kernels.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { ROW_CHUNKS = 4, FETCH_SCAN = 4 };

/* Vectors with at most this share of rows in u are handled one a thread. */
static const double few_rows = 0.125;

typedef struct sparse {
    pare_context *ctx;
    const pare_dataset *data;
    int64_t rows, columns;
    const int64_t *row;   /* row of start[] behind each design row, or NULL: the same */
    const int64_t *start; /* borrowed from the table, or own_* */
    const int32_t *index;
    const float *value;
    int64_t *own_start;
    int32_t *own_index;
    float *own_value;
    float *zero; /* (columns) standardised zero */
    double *sum, *square, *weight;
    int32_t *place; /* (columns) scratch of fetch: 1 + position in the list, else 0 */
    double *part;   /* (ROW_CHUNKS - 1, columns) */
} sparse;

static void sparse_destroy(void *self) {
    sparse *d = self;
    if (!d) {
        return;
    }
    void *const owned[] = {d->own_start, d->own_index, d->own_value, d->zero, d->sum,
                           d->square,    d->weight,    d->place,     d->part};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(d->ctx, owned[i]);
    }
    pare_free(d->ctx, d);
}

static int64_t stored_row(const sparse *d, int64_t i) {
    return d->row ? d->row[i] : i;
}

static double weight_of(const sparse *d, int64_t i) {
    return d->weight ? d->weight[i] : 1;
}

/* As the kernel `standardise` computes it. */
static float standard(const sparse *d, float x, int64_t j) {
    return (x - d->data->shift[j]) * d->data->scale[j];
}

/* ---- Products ------------------------------------------------------------------------------- */

/* r = base w + u. */
typedef struct vector {
    const double *r;
    double base;
    double *out;   /* (columns) */
    double *total; /* of u, one a chunk */
    bool few;      /* u is 0 in most rows */
} vector;

typedef struct product {
    sparse *d;
    pare_precision precision;
    vector *vector;
    int64_t at; /* of the vector in work, where chunks are rows */
    double *chunk_total;
} product;

/* The value most rows have, by pairwise cancellation (Boyer and Moore 1981), and the rows that
 * have another. */
static void find_base(const sparse *d, vector *v) {
    double candidate = 0;
    int64_t lead = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        double w = weight_of(d, i), ratio = w > 0 ? v->r[i] / w : candidate;
        if (lead == 0) {
            candidate = ratio;
        }
        lead += fabs(ratio - candidate) <= 1e-14 * fabs(candidate) ? 1 : -1;
    }
    int64_t others = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        double rest = v->r[i] - candidate * weight_of(d, i);
        others += fabs(rest) > 4e-14 * fabs(v->r[i]);
    }
    v->few = (double)others <= few_rows * (double)d->rows;
    v->base = v->few ? candidate : 0;
}

/* out += U'u over the rows from .. to; returns sum(u). */
static double scatter(const sparse *d, const vector *v, pare_precision precision, int64_t from,
                      int64_t to, double *out) {
    double total = 0;
    for (int64_t i = from; i < to; i++) {
        double u = v->r[i] - v->base * weight_of(d, i);
        if (fabs(u) <= 4e-14 * fabs(v->r[i])) {
            continue;
        }
        total += u;
        int64_t at = stored_row(d, i), end = d->start[at + 1];
        if (precision == PARE_PRECISION_FLOAT) {
            for (int64_t e = d->start[at]; e < end; e++) {
                out[d->index[e]] += u * (double)d->value[e];
            }
        } else {
            for (int64_t e = d->start[at]; e < end; e++) {
                int64_t j = d->index[e];
                out[j] += u * ((double)standard(d, d->value[e], j) - (double)d->zero[j]);
            }
        }
    }
    return total;
}

/* From sums of entries as stored (float) or of U (double) to X'r. */
static void finish(const sparse *d, const vector *v, pare_precision precision, double total) {
    for (int64_t j = 0; j < d->columns; j++) {
        double scale = precision == PARE_PRECISION_FLOAT ? (double)d->data->scale[j] : 1;
        v->out[j] = scale * v->out[j] + (double)d->zero[j] * total + v->base * d->sum[j];
    }
}

static void vector_chunk(void *argument, int64_t chunk) {
    const product *p = argument;
    vector *v = &p->vector[chunk];
    find_base(p->d, v);
    if (v->few) {
        memset(v->out, 0, (size_t)p->d->columns * sizeof *v->out);
        finish(p->d, v, p->precision, scatter(p->d, v, p->precision, 0, p->d->rows, v->out));
    }
}

static void rows_chunk(void *argument, int64_t chunk) {
    const product *p = argument;
    sparse *d = p->d;
    const vector *v = &p->vector[p->at];
    double *out = chunk == 0 ? v->out : d->part + (chunk - 1) * d->columns;
    memset(out, 0, (size_t)d->columns * sizeof *out);
    p->chunk_total[chunk] = scatter(d, v, p->precision, d->rows * chunk / ROW_CHUNKS,
                                    d->rows * (chunk + 1) / ROW_CHUNKS, out);
}

static pare_status sparse_correlate(void *self, pare_precision precision, int64_t m,
                                    const double *r, double *out) {
    sparse *d = self;
    double chunk_total[ROW_CHUNKS] = {0};
    product p = {.d = d, .precision = precision, .chunk_total = chunk_total};
    pare_status status = pare_alloc(d->ctx, m, sizeof *p.vector, &p.vector);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t v = 0; v < m; v++) {
        p.vector[v] = (vector){.r = r + v * d->rows, .out = out + v * d->columns};
    }
    pare_pool_run(d->ctx->pool, m, vector_chunk, &p);
    for (p.at = 0; p.at < m; p.at++) {
        const vector *v = &p.vector[p.at];
        if (v->few) {
            continue;
        }
        pare_pool_run(d->ctx->pool, ROW_CHUNKS, rows_chunk, &p);
        double total = chunk_total[0];
        for (int64_t c = 1; c < ROW_CHUNKS; c++) {
            total += chunk_total[c];
            const double *part = d->part + (c - 1) * d->columns;
            for (int64_t j = 0; j < d->columns; j++) {
                v->out[j] += part[j];
            }
        }
        finish(d, v, precision, total);
    }
    pare_free(d->ctx, p.vector);
    return PARE_OK;
}

/* ---- Columns -------------------------------------------------------------------------------- */

typedef struct fetching {
    const sparse *d;
    int64_t count;
    const int64_t *column;
    float *out;
} fetching;

/* Position of `column` in the row's cells, -1 if it is not set. */
static int64_t find_cell(const sparse *d, int64_t row, int64_t column) {
    int64_t low = d->start[row], high = d->start[row + 1];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (d->index[middle] < column) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < d->start[row + 1] && d->index[low] == column ? low : -1;
}

/* Few columns are looked for in each row, many are met by reading all cells. */
static void fetch_chunk(void *argument, int64_t chunk) {
    const fetching *f = argument;
    const sparse *d = f->d;
    int64_t from = d->rows * chunk / ROW_CHUNKS, to = d->rows * (chunk + 1) / ROW_CHUNKS;
    for (int64_t c = 0; c < f->count; c++) {
        float zero = d->zero[f->column[c]];
        for (int64_t i = from; i < to; i++) {
            f->out[c * d->rows + i] = zero;
        }
    }
    for (int64_t i = from; i < to; i++) {
        int64_t at = stored_row(d, i);
        for (int64_t c = 0; f->count < FETCH_SCAN && c < f->count; c++) {
            int64_t e = find_cell(d, at, f->column[c]);
            if (e >= 0) {
                f->out[c * d->rows + i] = standard(d, d->value[e], f->column[c]);
            }
        }
        for (int64_t e = d->start[at]; f->count >= FETCH_SCAN && e < d->start[at + 1]; e++) {
            int64_t j = d->index[e];
            if (d->place[j] > 0) {
                f->out[(d->place[j] - 1) * d->rows + i] = standard(d, d->value[e], j);
            }
        }
    }
}

static pare_status sparse_fetch(void *self, int64_t count, const int64_t *column, float *out) {
    sparse *d = self;
    fetching f = {d, count, column, out};
    for (int64_t c = 0; c < count; c++) {
        d->place[column[c]] = (int32_t)(c + 1);
    }
    pare_pool_run(d->ctx->pool, ROW_CHUNKS, fetch_chunk, &f);
    for (int64_t c = 0; c < count; c++) {
        d->place[column[c]] = 0;
    }
    return PARE_OK;
}

/* ---- Sums and squares ----------------------------------------------------------------------- */

/* Of one column over the cells that are set; 32 bytes, so that a cell touches one cache line. */
typedef struct cell_sums {
    double shift, weight, first, second;
} cell_sums;

typedef struct measuring {
    const sparse *d;
    cell_sums *sums; /* (ROW_CHUNKS, columns) */
} measuring;

static void measure_chunk(void *argument, int64_t chunk) {
    const measuring *m = argument;
    const sparse *d = m->d;
    cell_sums *sums = m->sums + chunk * d->columns;
    for (int64_t j = 0; j < d->columns; j++) {
        sums[j] = (cell_sums){.shift = (double)d->data->shift[j]};
    }
    int64_t to = d->rows * (chunk + 1) / ROW_CHUNKS;
    for (int64_t i = d->rows * chunk / ROW_CHUNKS; i < to; i++) {
        int64_t at = stored_row(d, i);
        double w = weight_of(d, i);
        for (int64_t e = d->start[at]; e < d->start[at + 1]; e++) {
            cell_sums *s = &sums[d->index[e]];
            double x = (double)d->value[e] - s->shift;
            s->weight += w;
            s->first += w * x;
            s->second += w * x * x;
        }
    }
}

/* The same from what the dataset has measured on these rows. */
static void take_measures(sparse *d) {
    const pare_dataset *data = d->data;
    double total = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        total += weight_of(d, i);
    }
    for (int64_t j = 0; j < d->columns; j++) {
        double scale = (double)data->scale[j], off = data->mean[j] - (double)data->shift[j];
        d->sum[j] = total * scale * off;
        d->square[j] = total * scale * scale * (data->variance[j] + off * off);
        d->zero[j] = standard(d, 0, j);
    }
}

static pare_status measure(sparse *d) {
    if (d->data->plain && d->data->measured == d->data->train) {
        take_measures(d);
        return PARE_OK;
    }
    measuring m = {.d = d};
    pare_status status = pare_alloc(d->ctx, ROW_CHUNKS * d->columns, sizeof *m.sums, &m.sums);
    if (status != PARE_OK) {
        return status;
    }
    pare_pool_run(d->ctx->pool, ROW_CHUNKS, measure_chunk, &m);
    double total = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        total += weight_of(d, i);
    }
    for (int64_t j = 0; j < d->columns; j++) {
        double shift = (double)d->data->shift[j], scale = (double)d->data->scale[j];
        double unset = total, first = 0, second = 0;
        for (int64_t c = 0; c < ROW_CHUNKS; c++) {
            const cell_sums *s = &m.sums[c * d->columns + j];
            unset -= s->weight;
            first += s->first;
            second += s->second;
        }
        d->sum[j] = scale * (first - unset * shift);
        d->square[j] = scale * scale * (second + unset * shift * shift);
        d->zero[j] = standard(d, 0, j);
    }
    pare_free(d->ctx, m.sums);
    return PARE_OK;
}

static const pare_design_slots sparse_slots = {
    .correlate = sparse_correlate, .fetch = sparse_fetch, .destroy = sparse_destroy};

/* The table's own cells where its columns are the features, else a copy that is encoded. */
static pare_status find_cells(sparse *d) {
    const pare_dataset *data = d->data;
    if (data->plain) {
        d->row = data->train;
        d->start = data->table.start;
        d->index = data->table.index;
        d->value = data->table.value;
        return PARE_OK;
    }
    pare_status status = pare_dataset_sparse(data, d->rows, data->train, &d->own_start,
                                             &d->own_index, &d->own_value);
    d->start = d->own_start;
    d->index = d->own_index;
    d->value = d->own_value;
    return status;
}

pare_status pare_design_create_sparse(pare_dataset *train, double *weight, pare_design *out) {
    pare_context *ctx = train->ctx;
    sparse *d = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *d, &d);
    if (status != PARE_OK) {
        return status;
    }
    d->ctx = ctx;
    d->data = train;
    d->rows = train->train_count;
    d->columns = train->features;
    d->weight = weight;
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {{&d->zero, d->columns, sizeof *d->zero},
                  {&d->sum, d->columns, sizeof *d->sum},
                  {&d->square, d->columns, sizeof *d->square},
                  {&d->place, d->columns, sizeof *d->place},
                  {&d->part, (ROW_CHUNKS - 1) * d->columns, sizeof *d->part}};
    for (size_t i = 0; status == PARE_OK && i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
    }
    if (status == PARE_OK) {
        status = find_cells(d);
    }
    if (status == PARE_OK) {
        status = measure(d);
    }
    if (status != PARE_OK) {
        d->weight = NULL; /* still the caller's */
        sparse_destroy(d);
        return status;
    }
    *out = (pare_design){.slots = &sparse_slots, .self = d, .sum = d->sum, .square = d->square};
    return PARE_OK;
}
