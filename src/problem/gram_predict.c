/*
 * Which columns will orthogonal matching pursuit select next? The best candidates by their present
 * correlations are fetched (the pool), their products among each other are computed, and the
 * pursuit is run on the pool alone. A strong column's neighbours, which a list of the best would be
 * full of, drop out as they would in the real run. A wrong guess costs time, never a wrong answer,
 * so products are taken in float, without weights, of at most ROWS_MOST rows.
 */
#include "problem/linear.h"

#include "kernels/blas.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

enum { POOL_LEAST = 16, POOL_MOST = 256, POOL_FACTOR = 4, ROWS_MOST = 16384, AHEAD_LEAST = 8 };

/* The pool may take this share of the memory of the data; sparse columns are
 * fetched by reading all cells, so the more at a time the better. */
static const int64_t sparse_share = 8, dense_share = 20;
/* A feature is spent when so little of its square is left outside those taken. */
static const double spent = 1e-4;

/* A candidate and its gain; heap with the least on top. */
typedef struct entry {
    double gain;
    int64_t candidate;
} entry;

typedef struct pool {
    pare_linear *l;
    int64_t candidates; /* in it */
    entry *heap;        /* (POOL_MOST) */
    int64_t features;   /* in it */
    int64_t *first;     /* (POOL_MOST + 1) position of each candidate's features */
    float *cross;       /* (features, features) products outside the support */
    double *product;    /* (outputs, features) with the residual */
    double *z;          /* (support, features) */
} pool;

static bool before(entry a, entry b) {
    return a.gain < b.gain || (a.gain == b.gain && a.candidate > b.candidate);
}

static void sift_down(entry *heap, int64_t count, int64_t at) {
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) {
            return;
        }
        child += child + 1 < count && before(heap[child + 1], heap[child]);
        if (!before(heap[child], heap[at])) {
            return;
        }
        entry swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

/* The best candidates outside the support (row_of: and that need rows), into the heap, best
 * first. */
static void choose(pool *p, const int32_t *row_of, int64_t size) {
    const pare_linear *l = p->l;
    const int64_t *start = l->design.start;
    for (int64_t c = 0; c < l->design.candidates; c++) {
        bool needs = !row_of;
        for (int64_t j = start[c]; row_of && j < start[c + 1]; j++) {
            needs = needs || row_of[j] < 0;
        }
        /* The support's new features have no rows yet either. */
        for (int64_t s = l->support.candidates - 1; needs && s >= 0; s--) {
            needs = l->support.candidate[s] != c;
        }
        if (!needs) {
            continue;
        }
        entry one = {pare_linear_gain(l, c, l->product + start[c], l->design.columns), c};
        if (p->candidates < size) {
            p->heap[p->candidates++] = one;
            for (int64_t i = p->candidates / 2 - 1; p->candidates == size && i >= 0; i--) {
                sift_down(p->heap, size, i);
            }
        } else if (before(p->heap[0], one)) {
            p->heap[0] = one;
            sift_down(p->heap, size, 0);
        }
    }
    /* Sort: best first. Heap order is kept while taking the least off the top. */
    for (int64_t i = p->candidates / 2 - 1; i >= 0; i--) {
        sift_down(p->heap, p->candidates, i);
    }
    for (int64_t count = p->candidates; count > 1; count--) {
        entry least = p->heap[0];
        p->heap[0] = p->heap[count - 1];
        p->heap[count - 1] = least;
        sift_down(p->heap, count - 1, 0);
    }
}

/* The pool's columns, from the best candidates on while they fit. */
static pare_status fetch_pool(pool *p, int64_t size) {
    pare_linear *l = p->l;
    pare_support *s = &l->support;
    const int64_t *start = l->design.start;
    int64_t kept = 0;
    s->pool_count = 0;
    for (; kept < p->candidates; kept++) {
        int64_t c = p->heap[kept].candidate;
        if (p->features + start[c + 1] - start[c] > size) {
            break;
        }
        p->first[kept] = p->features;
        for (int64_t j = start[c]; j < start[c + 1]; j++) {
            s->pool_feature[p->features++] = j;
        }
    }
    p->candidates = kept;
    p->first[kept] = p->features;
    pare_status status =
        l->design.slots->fetch(l->design.self, p->features, s->pool_feature, s->pool_x);
    s->pool_count = status == PARE_OK ? p->features : 0;
    return status;
}

/* cross: products of the pool's features outside the span of the support. product: with the
 * residual, the missing features accounted for. */
static pare_status measure(pool *p, const int32_t *row_of, const float *rows) {
    pare_linear *l = p->l;
    const pare_support *s = &l->support;
    int64_t n = l->design.rows, t = p->features, columns = l->design.columns;
    int64_t used = n < ROWS_MOST ? n : ROWS_MOST;
    double share = l->total / (double)used;
    pare_gemm(false, true, t, t, used, (float)share, s->pool_x, n, s->pool_x, n, 0, p->cross, t);
    for (int64_t o = 0; o < l->outputs; o++) {
        for (int64_t f = 0; f < t; f++) {
            p->product[o * t + f] = l->product[o * columns + s->pool_feature[f]];
        }
    }
    float *one = NULL;
    pare_status status = pare_alloc(l->ctx, t, sizeof *one, &one);
    for (int64_t a = 0; status == PARE_OK && a < s->count; a++) {
        int64_t row = row_of[s->feature[a]];
        if (row < 0) {
            pare_gemm(false, true, 1, t, used, (float)share, s->x + a * n, n, s->pool_x, n, 0, one,
                      t);
        }
        for (int64_t f = 0; f < t; f++) {
            double value =
                row < 0 ? (double)one[f] : (double)rows[row * columns + s->pool_feature[f]];
            p->z[a * t + f] = value;
            for (int64_t o = 0; row < 0 && o < l->outputs; o++) {
                p->product[o * t + f] -= l->b[a * l->outputs + o] * value;
            }
        }
    }
    pare_free(l->ctx, one);
    if (status != PARE_OK) {
        return status;
    }
    pare_least_squares_forward(l, t, p->z);
    for (int64_t a = 0; a < s->count; a++) {
        const double *z = p->z + a * t;
        for (int64_t f = 0; f < t; f++) {
            const double factor = z[f];
            for (int64_t g = 0; g < t; g++) {
                p->cross[f * t + g] -= (float)(factor * z[g]);
            }
        }
    }
    return PARE_OK;
}

/* Takes feature f: what it explains leaves cross and product. */
static void sweep(pool *p, int64_t f) {
    int64_t t = p->features;
    double pivot = (double)p->cross[f * t + f];
    if (pivot <= spent * p->l->norm[p->l->support.pool_feature[f]]) {
        return;
    }
    const float *row = p->cross + f * t;
    for (int64_t o = 0; o < p->l->outputs; o++) {
        double factor = p->product[o * t + f] / pivot;
        for (int64_t g = 0; g < t; g++) {
            p->product[o * t + g] -= factor * (double)row[g];
        }
    }
    for (int64_t g = 0; g < t; g++) {
        float factor = (float)((double)p->cross[g * t + f] / pivot);
        if (g != f && factor != 0) {
            p->l->ctx->kernels->axpy(t, -factor, row, p->cross + g * t);
        }
    }
    memset(p->cross + f * t, 0, (size_t)t * sizeof *p->cross);
}

/* Runs the pursuit on the pool; appends to list up to `room` features. */
static int64_t pursue(pool *p, const int32_t *row_of, int64_t wanted, int64_t room, int64_t *list) {
    const pare_linear *l = p->l;
    int64_t count = 0;
    for (; wanted > 0; wanted--) {
        int64_t best = -1;
        double most = 0;
        for (int64_t c = 0; c < p->candidates; c++) {
            if (p->heap[c].candidate < 0) {
                continue;
            }
            double gain =
                pare_linear_gain(l, p->heap[c].candidate, p->product + p->first[c], p->features);
            if (gain > most) {
                most = gain;
                best = c;
            }
        }
        if (best < 0 || count + p->first[best + 1] - p->first[best] > room) {
            break;
        }
        for (int64_t f = p->first[best]; f < p->first[best + 1]; f++) {
            sweep(p, f);
            if (row_of[l->support.pool_feature[f]] < 0) {
                list[count++] = l->support.pool_feature[f];
            }
        }
        p->heap[best].candidate = -1;
    }
    return count;
}

static void clear(pool *p) {
    pare_context *ctx = p->l->ctx;
    pare_free(ctx, p->heap);
    pare_free(ctx, p->first);
    pare_free(ctx, p->cross);
    pare_free(ctx, p->product);
    pare_free(ctx, p->z);
}

/* Memory for a pool of `size` features; the columns stay until the next prediction. */
static pare_status reserve(pool *p, int64_t size) {
    pare_linear *l = p->l;
    pare_context *ctx = l->ctx;
    int64_t cells = 0, below = 0;
    if (!pare_checked_multiply(size, l->design.rows, &cells) ||
        !pare_checked_multiply(size, l->support.count, &below)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld columns of %lld rows",
                         (long long)size, (long long)l->design.rows);
    }
    pare_support *s = &l->support;
    pare_free(ctx, s->pool_feature);
    pare_free(ctx, s->pool_x);
    s->pool_feature = NULL;
    s->pool_x = NULL;
    s->pool_count = 0;
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {{&s->pool_feature, size, sizeof *s->pool_feature},
                  {&s->pool_x, cells, sizeof *s->pool_x},
                  {&p->heap, size, sizeof *p->heap},
                  {&p->first, size + 1, sizeof *p->first},
                  {&p->cross, size * size, sizeof *p->cross},
                  {&p->product, size * l->outputs, sizeof *p->product},
                  {&p->z, below, sizeof *p->z}};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status = pare_alloc(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* Columns the pool may hold, at most `wanted`. */
static int64_t pool_size(const pare_linear *l, int64_t wanted) {
    bool sparse = l->train->table.storage == PARE_STORAGE_CSR;
    int64_t most = pare_data_bytes(l->train) / (sparse ? sparse_share : dense_share) /
                   (l->design.rows * (int64_t)sizeof(float));
    most = most < POOL_MOST ? most : POOL_MOST;
    most = wanted < most ? wanted : most;
    return most > POOL_LEAST ? most : POOL_LEAST;
}

pare_status pare_pool_fill(pare_linear *l, int64_t wanted) {
    int64_t size = pool_size(l, wanted);
    pool p = {.l = l};
    pare_status status = reserve(&p, size);
    if (status == PARE_OK) {
        choose(&p, NULL, size);
        status = fetch_pool(&p, size);
    }
    clear(&p);
    return status;
}

pare_status pare_gram_predict(pare_linear *l, const int32_t *row_of, const float *rows,
                              int64_t missing_count, const int64_t *missing, int64_t *list,
                              int64_t *count) {
    memcpy(list, missing, (size_t)missing_count * sizeof *list);
    *count = missing_count;
    /* The last one to be selected needs no products. */
    int64_t ahead = l->wanted - l->support.candidates - 1;
    ahead = ahead < 0 && l->wanted > 1 ? AHEAD_LEAST : ahead;
    int64_t room = PARE_GRAM_BATCH - missing_count;
    int64_t size = pool_size(l, POOL_FACTOR * (ahead < room ? ahead : room));
    if (ahead <= 0 || room <= 0) {
        return PARE_OK;
    }
    pool p = {.l = l};
    pare_status status = reserve(&p, size);
    if (status == PARE_OK) {
        choose(&p, row_of, size);
        status = fetch_pool(&p, size);
    }
    if (status == PARE_OK && p.features > 0) {
        status = measure(&p, row_of, rows);
    }
    if (status == PARE_OK && p.features > 0) {
        *count += pursue(&p, row_of, ahead, room, list + missing_count);
    }
    clear(&p);
    return status;
}
