/*
 * Correlations of all columns with the residual of least squares, without a pass over the data for
 * most changes of the fit. Products of a column with all others (a row of the Gram matrix) are kept
 * once computed; when the coefficient of column s moves by d, X'W residual moves by -d times row s.
 * A column without a row costs a pass, and the pass brings the rows of those columns along that
 * are likely to be selected next, so that k choices cost a few passes instead of k. The rows come
 * from float sums: how far the correlations may have drifted is kept in l->error, and
 * exact_linear.c recomputes in double what that leaves open.
 */
#include "problem/linear.h"

#include "kernels/kernels.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 2048, ROWS_LEAST = 64 };

/* Rows may take this share of the memory of the data. */
static const int64_t data_share = 4;
/* And the vectors of a pass this one. */
static const int64_t vector_share = 12;
/* Correlations are computed afresh when their error bound exceeds this share of the residual. */
static const double drift_most = 1e-2;

struct pare_gram {
    pare_linear *l;
    int64_t count, capacity, most;
    float *row;       /* (capacity, columns) */
    int64_t *feature; /* (capacity) whose row */
    int32_t *row_of;  /* (columns) or -1 */
    double *applied;  /* (columns, outputs) coefficients that l->product accounts for */
    int64_t touched_count;
    int64_t *touched; /* (columns) features with applied != 0 */
    uint8_t *listed;  /* (columns) in touched */
    float *step;      /* (outputs, capacity) */
    double *drift;    /* (outputs) error bounds */
    bool fresh;       /* product is that of the responses */
};

void pare_gram_destroy(pare_gram *gram) {
    if (!gram) {
        return;
    }
    void *const owned[] = {gram->row,     gram->feature, gram->row_of, gram->applied,
                           gram->touched, gram->listed,  gram->step,   gram->drift};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(gram->l->ctx, owned[i]);
    }
    pare_free(gram->l->ctx, gram);
}

pare_status pare_gram_create(pare_linear *l, pare_gram **out) {
    *out = NULL;
    pare_context *ctx = l->ctx;
    int64_t columns = l->design.columns;
    pare_gram *gram = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *gram, &gram);
    if (status != PARE_OK) {
        return status;
    }
    gram->l = l;
    int64_t width = columns > 0 ? columns : 1;
    gram->most = pare_data_bytes(l->train) / data_share / (width * (int64_t)sizeof(float));
    gram->most = gram->most > ROWS_LEAST ? gram->most : ROWS_LEAST;
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {{&gram->row_of, columns, sizeof *gram->row_of},
                  {&gram->applied, columns * l->outputs, sizeof *gram->applied},
                  {&gram->touched, columns, sizeof *gram->touched},
                  {&gram->listed, columns, sizeof *gram->listed},
                  {&gram->drift, l->outputs, sizeof *gram->drift}};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            pare_gram_destroy(gram);
            return status;
        }
    }
    memset(gram->row_of, 0xff, (size_t)columns * sizeof *gram->row_of);
    *out = gram;
    return PARE_OK;
}

static void note_error(pare_gram *gram) {
    double sum = 0;
    for (int64_t o = 0; o < gram->l->outputs; o++) {
        sum += gram->drift[o] * gram->drift[o];
    }
    gram->l->error = sqrt(sum);
}

void pare_gram_note(pare_gram *gram) {
    const pare_linear *l = gram->l;
    int64_t outputs = l->outputs;
    for (int64_t t = 0; t < gram->touched_count; t++) {
        memset(gram->applied + gram->touched[t] * outputs, 0, (size_t)outputs * sizeof(double));
    }
    for (int64_t a = 0; a < l->support.count; a++) {
        int64_t f = l->support.feature[a];
        memcpy(gram->applied + f * outputs, l->b + a * outputs, (size_t)outputs * sizeof *l->b);
        if (!gram->listed[f]) {
            gram->listed[f] = 1;
            gram->touched[gram->touched_count++] = f;
        }
    }
    memset(gram->drift, 0, (size_t)outputs * sizeof *gram->drift);
    gram->fresh = true;
}

/* Everything from the residual itself: one pass. */
static pare_status refresh(pare_gram *gram) {
    pare_linear *l = gram->l;
    int64_t rows = l->design.rows, outputs = l->outputs;
    pare_least_squares_residual(l);
    pare_gram_note(gram);
    double *weighted = NULL;
    const double *r = l->residual;
    if (l->design.weight) {
        pare_status status = pare_alloc(l->ctx, outputs * rows, sizeof *weighted, &weighted);
        if (status != PARE_OK) {
            return status;
        }
        r = weighted;
    }
    for (int64_t o = 0; o < outputs; o++) {
        double square = 0;
        for (int64_t i = 0; i < rows; i++) {
            double one = l->residual[o * rows + i];
            double w = l->design.weight ? l->design.weight[i] : 1;
            square += w * one * one;
            if (weighted) {
                weighted[o * rows + i] = w * one;
            }
        }
        gram->drift[o] = PARE_FLOAT_SHARE * sqrt(square);
    }
    pare_status status =
        l->design.slots->correlate(l->design.self, PARE_PRECISION_FLOAT, outputs, r, l->product);
    pare_free(l->ctx, weighted);
    gram->fresh = status == PARE_OK;
    note_error(gram);
    return status;
}

/* Drops the rows of features that account for nothing, to make room. */
static void evict(pare_gram *gram) {
    int64_t columns = gram->l->design.columns, kept = 0;
    for (int64_t g = 0; g < gram->count; g++) {
        int64_t f = gram->feature[g];
        if (!gram->listed[f]) {
            gram->row_of[f] = -1;
            continue;
        }
        if (kept != g) {
            memmove(gram->row + kept * columns, gram->row + g * columns,
                    (size_t)columns * sizeof *gram->row);
        }
        gram->feature[kept] = f;
        gram->row_of[f] = (int32_t)kept++;
    }
    gram->count = kept;
}

static pare_status reserve(pare_gram *gram, int64_t wanted) {
    pare_context *ctx = gram->l->ctx;
    int64_t columns = gram->l->design.columns, outputs = gram->l->outputs;
    if (wanted <= gram->capacity) {
        return PARE_OK;
    }
    int64_t capacity = wanted > gram->capacity * 3 / 2 ? wanted : gram->capacity * 3 / 2;
    int64_t cells = 0, steps = 0;
    if (!pare_checked_multiply(capacity, columns, &cells) ||
        !pare_checked_multiply(capacity, outputs, &steps)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld products of %lld columns",
                         (long long)capacity, (long long)columns);
    }
    float *row = NULL, *step = NULL;
    int64_t *feature = NULL;
    pare_status status = pare_alloc(ctx, cells, sizeof *row, &row);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, steps, sizeof *step, &step);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, capacity, sizeof *feature, &feature);
    }
    if (status != PARE_OK) {
        pare_free(ctx, row);
        pare_free(ctx, step);
        return status;
    }
    if (gram->count > 0) {
        memcpy(row, gram->row, (size_t)(gram->count * columns) * sizeof *row);
        memcpy(feature, gram->feature, (size_t)gram->count * sizeof *feature);
    }
    pare_free(ctx, gram->row);
    pare_free(ctx, gram->step);
    pare_free(ctx, gram->feature);
    gram->row = row;
    gram->step = step;
    gram->feature = feature;
    gram->capacity = capacity;
    return PARE_OK;
}

/* W (x - mean) of the listed features, out: (count, rows). */
static pare_status centred(pare_linear *l, int64_t count, const int64_t *list, double *out) {
    int64_t rows = l->design.rows;
    float *fetched = NULL;
    pare_status status = pare_alloc(l->ctx, rows, sizeof *fetched, &fetched);
    for (int64_t q = 0; status == PARE_OK && q < count; q++) {
        const float *x = pare_support_find(l, list[q]);
        if (!x) {
            status = l->design.slots->fetch(l->design.self, 1, list + q, fetched);
            x = fetched;
        }
        const double mean = l->mean[list[q]];
        for (int64_t i = 0; status == PARE_OK && i < rows; i++) {
            double w = l->design.weight ? l->design.weight[i] : 1;
            out[q * rows + i] = w * ((double)x[i] - mean);
        }
    }
    pare_free(l->ctx, fetched);
    return status;
}

/* Rows of the listed features: one pass, or a few where vectors are large beside the data. */
static pare_status fetch_rows(pare_gram *gram, int64_t count, const int64_t *list) {
    pare_linear *l = gram->l;
    int64_t rows = l->design.rows, columns = l->design.columns, cells = 0, results = 0;
    pare_status status = reserve(gram, gram->count + count);
    if (status != PARE_OK) {
        return status;
    }
    int64_t most =
        pare_data_bytes(l->train) / vector_share / ((rows + columns) * (int64_t)sizeof(double));
    most = most < count ? most : count;
    most = most > 1 ? most : 1;
    if (!pare_checked_multiply(most, rows, &cells) ||
        !pare_checked_multiply(most, columns, &results)) {
        return pare_fail(l->ctx, PARE_ERROR_MEMORY, "out of memory: %lld rows", (long long)rows);
    }
    double *v = NULL, *result = NULL;
    status = pare_alloc(l->ctx, cells, sizeof *v, &v);
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, results, sizeof *result, &result);
    }
    for (int64_t from = 0; status == PARE_OK && from < count; from += most) {
        int64_t group = count - from < most ? count - from : most;
        status = centred(l, group, list + from, v);
        if (status == PARE_OK) {
            status =
                l->design.slots->correlate(l->design.self, PARE_PRECISION_FLOAT, group, v, result);
        }
        for (int64_t i = 0; status == PARE_OK && i < group * columns; i++) {
            gram->row[gram->count * columns + i] = (float)result[i];
        }
        for (int64_t q = 0; status == PARE_OK && q < group; q++) {
            gram->feature[gram->count] = list[from + q];
            gram->row_of[list[from + q]] = (int32_t)gram->count++;
        }
    }
    pare_free(l->ctx, v);
    pare_free(l->ctx, result);
    return status;
}

typedef struct move {
    pare_gram *gram;
    int64_t rows; /* up to the last with a step */
} move;

static void move_chunk(void *argument, int64_t chunk) {
    const move *m = argument;
    const pare_linear *l = m->gram->l;
    int64_t columns = l->design.columns, first = chunk * CHUNK;
    int64_t width = columns - first < CHUNK ? columns - first : CHUNK;
    for (int64_t o = 0; o < l->outputs; o++) {
        l->ctx->kernels->columns_dot(m->rows, width, m->gram->row + first, columns,
                                     m->gram->step + o * m->gram->capacity,
                                     l->product + o * columns + first);
    }
}

/* Accounts for the coefficient `b` of feature f as far as its row allows. */
static void set_step(pare_gram *gram, int64_t f, const double *b) {
    pare_linear *l = gram->l;
    int64_t g = gram->row_of[f];
    for (int64_t o = 0; g >= 0 && o < l->outputs; o++) {
        double *applied = gram->applied + f * l->outputs + o;
        float step = (float)((b ? b[o] : 0) - *applied);
        gram->step[o * gram->capacity + g] = -step;
        *applied += (double)step;
        gram->drift[o] += PARE_FLOAT_SHARE * fabs((double)step) * sqrt(l->norm[f]);
    }
}

/* Applies every change of a coefficient whose row is there. */
static void apply(pare_gram *gram) {
    pare_linear *l = gram->l;
    int64_t outputs = l->outputs;
    if (gram->count == 0) {
        return;
    }
    memset(gram->step, 0, (size_t)(outputs * gram->capacity) * sizeof *gram->step);
    /* What left the support first: its target is 0; the support's own targets then overwrite. */
    for (int64_t t = 0; t < gram->touched_count; t++) {
        gram->listed[gram->touched[t]] = 2;
    }
    for (int64_t a = 0; a < l->support.count; a++) {
        int64_t f = l->support.feature[a];
        if (!gram->listed[f]) {
            gram->touched[gram->touched_count++] = f;
        }
        gram->listed[f] = 1;
        set_step(gram, f, l->b + a * outputs);
    }
    for (int64_t t = 0; t < gram->touched_count; t++) {
        if (gram->listed[gram->touched[t]] == 2) {
            set_step(gram, gram->touched[t], NULL);
            gram->listed[gram->touched[t]] = 1;
        }
    }
    move m = {gram, gram->count};
    pare_pool_run(l->ctx->pool, (l->design.columns + CHUNK - 1) / CHUNK, move_chunk, &m);
    note_error(gram);
}

/* Features whose coefficient is not fully accounted for; list has room for `room`. Returns how
 * many, or room + 1 if there are more. Features that account for nothing leave touched. */
static int64_t find_missing(pare_gram *gram, int64_t room, int64_t *list) {
    const pare_linear *l = gram->l;
    int64_t outputs = l->outputs, count = 0, kept = 0;
    for (int64_t t = 0; t < gram->touched_count; t++) {
        gram->listed[gram->touched[t]] = 2;
    }
    for (int64_t a = 0; a < l->support.count; a++) {
        int64_t f = l->support.feature[a];
        bool moves = false;
        for (int64_t o = 0; o < outputs; o++) {
            moves = moves || l->b[a * outputs + o] != gram->applied[f * outputs + o];
        }
        if (gram->row_of[f] < 0 && moves) {
            if (count < room) {
                list[count] = f;
            }
            count++;
        }
        gram->listed[f] = gram->listed[f] ? 1 : 0;
    }
    for (int64_t t = 0; t < gram->touched_count; t++) {
        int64_t f = gram->touched[t];
        bool accounts = false;
        for (int64_t o = 0; o < outputs; o++) {
            accounts = accounts || gram->applied[f * outputs + o] != 0;
        }
        if (accounts && gram->listed[f] == 2 && gram->row_of[f] < 0) {
            if (count < room) {
                list[count] = f;
            }
            count++;
        }
        bool keep = accounts || gram->listed[f] == 1;
        gram->listed[f] = keep;
        if (keep) {
            gram->touched[kept++] = f;
        }
    }
    gram->touched_count = kept;
    return count <= room ? count : room + 1;
}

pare_status pare_gram_follow(pare_gram *gram) {
    pare_linear *l = gram->l;
    int64_t list[PARE_GRAM_BATCH], missing[PARE_GRAM_BATCH];
    if (!gram->fresh) {
        return refresh(gram);
    }
    int64_t count = find_missing(gram, PARE_GRAM_BATCH, missing);
    if (count > 0 && (count > PARE_GRAM_BATCH || l->support.count + count > gram->most)) {
        return refresh(gram);
    }
    apply(gram);
    if (count > 0) {
        int64_t wanted = count;
        pare_status status =
            pare_gram_predict(l, gram->row_of, gram->row, count, missing, list, &wanted);
        if (status != PARE_OK) {
            return status;
        }
        if (gram->count + wanted > gram->most) {
            evict(gram);
            wanted = gram->count + wanted > gram->most ? count : wanted;
        }
        status = fetch_rows(gram, wanted, list);
        if (status != PARE_OK) {
            return status;
        }
        apply(gram);
    }
    double left = sqrt(2 * l->fitted.loss * l->total);
    return l->error > drift_most * left ? refresh(gram) : PARE_OK;
}
