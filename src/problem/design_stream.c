/*
 * A dataset that stays in its file as a design matrix. A product is one pass: every piece of
 * columns is multiplied with the rows it has, in the order of the file, so the sums do not depend
 * on threads.
 */
#include "problem/design_private.h"

#include "data/store.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "platform/cluster.h"
#include "platform/threads.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { BLOCK = 256, WIDE = 64 };

/* As in design.c: beyond this ratio of mean to spread, entries are centred before they are summed.
 */
static const double raw_ratio = 3.8;

typedef struct scratch {
    float x[WIDE * BLOCK];
    float *sum; /* (vectors, WIDE) */
    atomic_flag busy;
} scratch;

typedef struct streamed {
    pare_context *ctx;
    const pare_dataset *data;
    pare_store *stream;
    int64_t rows, columns; /* training rows, features */
    int64_t *feature_of;   /* (table columns) or -1 */
    double *sum, *square, *weight;
    int64_t threads, vectors;
    scratch *scratch;
    float *spread; /* (vectors, table rows): r, 0 outside the training rows */
    double *total; /* (vectors) */
} streamed;

static void free_scratch(streamed *d) {
    for (int64_t t = 0; d->scratch && t < d->threads; t++) {
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

static void streamed_destroy(void *self) {
    streamed *d = self;
    if (!d) {
        return;
    }
    free_scratch(d);
    pare_free(d->ctx, d->feature_of);
    pare_free(d->ctx, d->sum);
    pare_free(d->ctx, d->square);
    pare_free(d->ctx, d->weight);
    pare_free(d->ctx, d);
}

static pare_status reserve(streamed *d, int64_t m) {
    if (m <= d->vectors) {
        return PARE_OK;
    }
    free_scratch(d);
    int64_t cells = 0;
    if (!pare_checked_multiply(m, d->data->table.rows, &cells)) {
        return pare_fail(d->ctx, PARE_ERROR_MEMORY, "out of memory: %lld vectors", (long long)m);
    }
    pare_status status = pare_alloc_zero(d->ctx, d->threads, sizeof *d->scratch, &d->scratch);
    if (status == PARE_OK) {
        status = pare_alloc_zero(d->ctx, cells, sizeof *d->spread, &d->spread);
    }
    if (status == PARE_OK) {
        status = pare_alloc(d->ctx, m, sizeof *d->total, &d->total);
    }
    for (int64_t t = 0; status == PARE_OK && t < d->threads; t++) {
        atomic_flag_clear(&d->scratch[t].busy);
        status = pare_alloc(d->ctx, m * WIDE, sizeof(float), &d->scratch[t].sum);
    }
    if (status != PARE_OK) {
        free_scratch(d);
        return status;
    }
    d->vectors = m;
    return PARE_OK;
}

static scratch *take_scratch(streamed *d) {
    for (int64_t t = 0;; t = (t + 1) % d->threads) {
        if (!atomic_flag_test_and_set_explicit(&d->scratch[t].busy, memory_order_acquire)) {
            return &d->scratch[t];
        }
    }
}

/* ---- Products ------------------------------------------------------------------------------- */

typedef struct product {
    streamed *d;
    pare_precision precision;
    int64_t m;
    const double *r;         /* (m, rows) */
    double *out;             /* (m, columns) */
    const int64_t *position; /* double: (table rows) training position or -1 */
} product;

static bool needs_centring(const pare_dataset *data, int64_t f) {
    return data->feature[f].kind == PARE_FEATURE_NUMBER &&
           fabs((double)data->shift[f] * (double)data->scale[f]) > raw_ratio;
}

/* Columns c .. c + width of the piece, BLOCK rows at a time, entries as stored or less the mean. */
static void float_columns(const product *p, scratch *s, const pare_piece *piece, int64_t c,
                          int64_t width) {
    const streamed *d = p->d;
    const pare_dataset *data = d->data;
    int64_t rows = data->table.rows, first = d->feature_of[piece->column + c];
    bool centre = needs_centring(data, first);
    for (int64_t i = 0; i < piece->rows; i += BLOCK) {
        int64_t count = piece->rows - i < BLOCK ? piece->rows - i : BLOCK, stride = BLOCK;
        const float *x = pare_piece_values(piece, c, i, count, s->x);
        if (x != s->x) {
            stride = piece->stride / (int64_t)sizeof(float);
        } else {
            for (int64_t k = 1; k < width; k++) {
                (void)pare_piece_values(piece, c + k, i, count, s->x + k * BLOCK);
            }
        }
        if (centre) {
            for (int64_t k = 0; k < width; k++) {
                float shift = data->shift[d->feature_of[piece->column + c + k]];
                for (int64_t q = 0; q < count; q++) {
                    s->x[k * BLOCK + q] = x[k * stride + q] - shift;
                }
            }
            x = s->x;
            stride = BLOCK;
        }
        const float *r = d->spread + piece->row + i;
        if (p->m <= 2) {
            for (int64_t v = 0; v < p->m; v++) {
                for (int64_t k = 0; k < width; k++) {
                    s->sum[v * WIDE + k] =
                        d->ctx->kernels->dot(count, x + k * stride, r + v * rows);
                }
            }
        } else {
            pare_gemm(false, true, p->m, width, count, 1, r, rows, x, stride, 0, s->sum, WIDE);
        }
        for (int64_t v = 0; v < p->m; v++) {
            for (int64_t k = 0; k < width; k++) {
                p->out[v * d->columns + first + k] += (double)s->sum[v * WIDE + k];
            }
        }
    }
}

/* Sums of one vector over the rows of a block by what the cell holds: by_level (levels), the last
 * returned is over missing cells. */
static double sum_levels(const float *x, const float *r, int64_t count, double *by_level) {
    double missing = 0;
    for (int64_t q = 0; q < count; q++) {
        if (isnan(x[q])) {
            missing += (double)r[q];
        } else if (by_level) {
            by_level[(int64_t)x[q]] += (double)r[q];
        }
    }
    return missing;
}

/* A column with levels or gaps: sums over the encoded, unscaled entries. */
static void coded_column(const product *p, scratch *s, const pare_piece *piece, int64_t c) {
    const streamed *d = p->d;
    const pare_dataset *data = d->data;
    const pare_encoding *encoding = &data->encoding[piece->column + c];
    int64_t first = encoding->feature, rows = data->table.rows;
    bool centre = needs_centring(data, first);
    float shift = data->shift[first];
    for (int64_t i = 0; i < piece->rows; i += BLOCK) {
        int64_t count = piece->rows - i < BLOCK ? piece->rows - i : BLOCK;
        const float *x = pare_piece_values(piece, c, i, count, s->x);
        float *full = s->x + BLOCK; /* numbers: the mean in place of missing cells */
        for (int64_t q = 0; encoding->levels == 0 && q < count; q++) {
            float value = isnan(x[q]) ? shift : x[q];
            full[q] = centre ? value - shift : value;
        }
        for (int64_t v = 0; v < p->m; v++) {
            const float *r = d->spread + v * rows + piece->row + i;
            double *out = p->out + v * d->columns + first;
            double missing = sum_levels(x, r, count, encoding->levels > 0 ? out : NULL);
            if (encoding->levels == 0) {
                out[0] += (double)d->ctx->kernels->dot(count, full, r);
            } else {
                out[encoding->mode] += missing;
            }
            if (encoding->indicator) {
                out[encoding->levels > 0 ? encoding->levels : 1] += missing;
            }
        }
    }
}

/* What a flag's standardised value gains when it is set. */
static double step_of(const pare_dataset *data, int64_t f) {
    return (double)((1 - data->shift[f]) * data->scale[f]) - (double)data->zero[f];
}

/* The features of a column, entries as they are fetched. */
static void double_column(const product *p, scratch *s, const pare_piece *piece, int64_t c) {
    const streamed *d = p->d;
    const pare_dataset *data = d->data;
    const pare_encoding *encoding = &data->encoding[piece->column + c];
    int64_t first = encoding->feature, levels = encoding->levels;
    int64_t flag = levels > 0 ? levels : 1, width = flag + encoding->indicator;
    for (int64_t i = 0; i < piece->rows; i += BLOCK) {
        int64_t count = piece->rows - i < BLOCK ? piece->rows - i : BLOCK;
        const float *x = pare_piece_values(piece, c, i, count, s->x);
        const int64_t *position = p->position + piece->row + i;
        for (int64_t v = 0; v < p->m; v++) {
            const double *r = p->r + v * d->rows;
            double *out = p->out + v * d->columns + first, whole = 0;
            for (int64_t q = 0; q < count; q++) {
                double one = position[q] >= 0 ? r[position[q]] : 0;
                bool missing = isnan(x[q]);
                whole += one;
                if (levels > 0) {
                    int64_t f = missing ? encoding->mode : (int64_t)x[q];
                    out[f] += one * step_of(data, first + f);
                } else {
                    out[0] += one * (double)pare_dataset_value(data, first, x[q]);
                }
                if (missing && encoding->indicator) {
                    out[flag] += one * step_of(data, first + flag);
                }
            }
            for (int64_t f = levels > 0 ? 0 : 1; f < width; f++) {
                out[f] += whole * (double)data->zero[first + f];
            }
        }
    }
}

static bool is_coded(const pare_dataset *data, int64_t column) {
    return data->encoding[column].levels > 0 || data->encoding[column].gaps;
}

/* Neighbouring columns that are features in the same order, of the same treatment. */
static int64_t run_length(const streamed *d, const pare_piece *piece, int64_t c) {
    const int64_t *f = d->feature_of + piece->column;
    int64_t width = 1;
    while (c + width < piece->columns && width < WIDE && f[c + width] == f[c] + width &&
           !is_coded(d->data, piece->column + c + width) &&
           needs_centring(d->data, f[c + width]) == needs_centring(d->data, f[c])) {
        width++;
    }
    return width;
}

static void product_piece(void *user, const pare_piece *piece) {
    const product *p = user;
    scratch *s = take_scratch(p->d);
    for (int64_t c = 0; c < piece->columns;) {
        int64_t width = 1;
        if (p->d->feature_of[piece->column + c] < 0) {
            c++;
            continue;
        }
        if (p->precision == PARE_PRECISION_FLOAT && is_coded(p->d->data, piece->column + c)) {
            coded_column(p, s, piece, c);
        } else if (p->precision == PARE_PRECISION_FLOAT) {
            width = run_length(p->d, piece, c);
            float_columns(p, s, piece, c, width);
        } else {
            double_column(p, s, piece, c);
        }
        c += width;
    }
    atomic_flag_clear_explicit(&s->busy, memory_order_release);
}

static void spread_vectors(streamed *d, int64_t m, const double *r) {
    for (int64_t v = 0; v < m; v++) {
        double total = 0;
        for (int64_t i = 0; i < d->rows; i++) {
            float one = (float)r[v * d->rows + i];
            d->spread[v * d->data->table.rows + d->data->train[i]] = one;
            total += (double)one;
        }
        d->total[v] = total;
    }
}

static pare_status streamed_correlate(void *self, pare_precision precision, int64_t m,
                                      const double *r, double *out) {
    streamed *d = self;
    const pare_dataset *data = d->data;
    int64_t *position = NULL;
    product p = {.d = d, .precision = precision, .m = m, .r = r};
    if (m == 0 || d->columns == 0) {
        return PARE_OK;
    }
    pare_status status = reserve(d, precision == PARE_PRECISION_FLOAT ? m : 1);
    if (status == PARE_OK && precision == PARE_PRECISION_DOUBLE) {
        status = pare_alloc(d->ctx, data->table.rows, sizeof *position, &position);
    }
    if (status == PARE_OK) {
        status = pare_alloc(d->ctx, m * d->columns, sizeof *p.out, &p.out);
    }
    status = pare_cluster_agree(d->ctx, status);
    if (status != PARE_OK) {
        pare_free(d->ctx, position);
        pare_free(d->ctx, p.out);
        return status;
    }
    for (int64_t i = 0; position && i < data->table.rows; i++) {
        position[i] = -1;
    }
    for (int64_t i = 0; position && i < d->rows; i++) {
        position[data->train[i]] = i;
    }
    p.position = position;
    if (precision == PARE_PRECISION_FLOAT) {
        spread_vectors(d, m, r);
    }
    status = pare_store_sum(d->stream, product_piece, &p, m * d->columns, p.out, out);
    for (int64_t v = 0; v < m && precision == PARE_PRECISION_FLOAT; v++) {
        for (int64_t f = 0; f < d->columns; f++) {
            double shift = needs_centring(data, f) ? 0 : (double)data->shift[f] * d->total[v];
            out[v * d->columns + f] = (double)data->scale[f] * (out[v * d->columns + f] - shift);
        }
    }
    pare_free(d->ctx, position);
    pare_free(d->ctx, p.out);
    return status;
}

/* ---- Columns -------------------------------------------------------------------------------- */

typedef struct fetching {
    const streamed *d;
    const int64_t *place; /* (features) 1 + position in the list */
    const int64_t *position;
    float *out;
} fetching;

static void fetch_piece(void *user, const pare_piece *piece) {
    const fetching *f = user;
    const streamed *d = f->d;
    float decoded[BLOCK];
    for (int64_t c = 0; c < piece->columns; c++) {
        const pare_encoding *encoding = &d->data->encoding[piece->column + c];
        int64_t first = encoding->feature;
        int64_t width = (encoding->levels > 0 ? encoding->levels : 1) + encoding->indicator;
        for (int64_t feature = first; first >= 0 && feature < first + width; feature++) {
            int64_t place = f->place[feature] - 1;
            for (int64_t i = 0; place >= 0 && i < piece->rows; i += BLOCK) {
                int64_t count = piece->rows - i < BLOCK ? piece->rows - i : BLOCK;
                const float *x = pare_piece_values(piece, c, i, count, decoded);
                for (int64_t q = 0; q < count; q++) {
                    int64_t at = f->position[piece->row + i + q];
                    if (at >= 0) {
                        f->out[place * d->rows + at] = pare_dataset_value(d->data, feature, x[q]);
                    }
                }
            }
        }
    }
}

/* What the other ranks have read: other columns, or neighbouring training rows. */
static pare_status share_columns(const streamed *d, int64_t count, const int64_t *column,
                                 const int64_t *position, float *out) {
    int64_t ranks = pare_cluster_size(), *begin = NULL;
    if (ranks == 1) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(d->ctx, ranks + 1, sizeof *begin, &begin);
    status = pare_cluster_agree(d->ctx, status);
    for (int64_t c = 0; status == PARE_OK && c < count; c++) {
        pare_store_shares(d->stream, d->data->feature[column[c]].column, begin);
        for (int64_t r = 0; r <= ranks; r++) {
            int64_t row = begin[r];
            while (row < d->data->table.rows && position[row] < 0) {
                row++;
            }
            begin[r] = row < d->data->table.rows ? position[row] : d->rows;
        }
        pare_cluster_share(out + c * d->rows, begin);
    }
    pare_free(d->ctx, begin);
    return status;
}

static pare_status streamed_fetch(void *self, int64_t count, const int64_t *column, float *out) {
    const streamed *d = self;
    const pare_dataset *data = d->data;
    int64_t columns = data->table.columns, rows = data->table.rows;
    int64_t *place = NULL, *position = NULL;
    uint8_t *wanted = NULL;
    fetching f = {.d = d, .out = out};
    pare_status status = pare_alloc_zero(d->ctx, d->columns, sizeof *place, &place);
    if (status == PARE_OK) {
        status = pare_alloc_zero(d->ctx, columns, 1, &wanted);
    }
    if (status == PARE_OK) {
        status = pare_alloc(d->ctx, rows, sizeof *position, &position);
    }
    if (status == PARE_OK) {
        for (int64_t c = 0; c < count; c++) {
            place[column[c]] = c + 1;
            wanted[data->feature[column[c]].column] = 1;
        }
        memset(position, 0xFF, (size_t)rows * sizeof *position); /* -1 */
        for (int64_t i = 0; i < d->rows; i++) {
            position[data->train[i]] = i;
        }
        f.place = place;
        f.position = position;
        status = pare_store_pass(d->stream, wanted, fetch_piece, &f);
    }
    if (status == PARE_OK) {
        status = share_columns(d, count, column, position, out);
    }
    pare_free(d->ctx, place);
    pare_free(d->ctx, wanted);
    pare_free(d->ctx, position);
    return status;
}

static const pare_design_slots streamed_slots = {
    .correlate = streamed_correlate, .fetch = streamed_fetch, .destroy = streamed_destroy};

pare_status pare_design_create_stream(pare_dataset *train, double *weight, pare_design *out) {
    pare_context *ctx = train->ctx;
    streamed *d = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *d, &d);
    if (status != PARE_OK) {
        return status;
    }
    *d = (streamed){.ctx = ctx,
                    .data = train,
                    .stream = train->table.stream,
                    .rows = train->train_count,
                    .columns = train->features,
                    .threads = pare_pool_threads(ctx->pool)};
    status = pare_alloc(ctx, train->table.columns, sizeof *d->feature_of, &d->feature_of);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, d->columns, sizeof *d->sum, &d->sum);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, d->columns, sizeof *d->square, &d->square);
    }
    if (status != PARE_OK) {
        streamed_destroy(d);
        return status;
    }
    double total = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        total += weight ? weight[i] : 1;
    }
    for (int64_t j = 0; j < train->table.columns; j++) {
        d->feature_of[j] = train->encoding[j].feature;
    }
    /* The survey has measured the columns: standardised, they have mean 0 and variance 1 up to the
     * rounding of shift and scale to float, whose effect is of second order. */
    for (int64_t f = 0; f < d->columns; f++) {
        d->sum[f] = 0;
        d->square[f] = train->scale[f] > 0 ? total : 0;
    }
    d->weight = weight;
    *out = (pare_design){.slots = &streamed_slots, .self = d, .sum = d->sum, .square = d->square};
    return PARE_OK;
}
