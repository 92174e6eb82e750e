#include "problem/pursuit.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { GROUPS = 16 }; /* partial sums, added in order */
/* A column of which less than this share is left adds nothing but rounding. */
#define NOTHING 1e-9

typedef struct sums {
    const pare_pursuit *p;
    const double *r; /* (rows); NULL: weighted squares of the entries */
} sums;

static void sum_group(void *argument, int64_t group) {
    const sums *s = argument;
    const pare_sparse_rows *x = &s->p->x;
    double *out = s->p->part + group * x->columns;
    memset(out, 0, (size_t)x->columns * sizeof *out);
    const int64_t first = group * x->rows / GROUPS, last = (group + 1) * x->rows / GROUPS;
    for (int64_t i = first, done = first < last ? x->start[x->row[first]] : 0; i < last; i++) {
        pare_rows_passed(x, &done, i);
        const int64_t end = x->start[x->row[i] + 1];
        const double r = s->r ? s->r[i] : s->p->weight[i];
        for (int64_t k = x->start[x->row[i]]; k < end; k++) {
            double value = (double)x->value[k];
            out[x->index[k]] += s->r ? value * r : value * value * r;
        }
    }
}

/* out[j * step] = sum_i X[i][j] r[i]. */
static void multiply(const pare_pursuit *p, const double *r, double *out, int64_t step) {
    sums s = {.p = p, .r = r};
    pare_pool_run(p->ctx->pool, GROUPS, sum_group, &s);
    for (int64_t j = 0; j < p->x.columns; j++) {
        double sum = 0;
        for (int64_t group = 0; group < GROUPS; group++) {
            sum += p->part[group * p->x.columns + j];
        }
        out[j * step] = sum;
    }
}

typedef struct fetching {
    const pare_pursuit *p;
    int64_t column;
} fetching;

static void fetch_group(void *argument, int64_t group) {
    const fetching *f = argument;
    const pare_sparse_rows *x = &f->p->x;
    const int64_t first = group * x->rows / GROUPS, last = (group + 1) * x->rows / GROUPS;
    for (int64_t i = first, done = first < last ? x->start[x->row[first]] : 0; i < last; i++) {
        double value = 0;
        pare_rows_passed(x, &done, i);
        for (int64_t k = x->start[x->row[i]]; k < x->start[x->row[i] + 1]; k++) {
            value = x->index[k] == f->column ? (double)x->value[k] : value;
        }
        f->p->v[i] = value;
    }
}

static double weight_of(const pare_pursuit *p, int64_t i) {
    return i < p->x.rows ? p->weight[i] : 1;
}

static double weighted(const pare_pursuit *p, const double *a, const double *b) {
    double sum = 0;
    for (int64_t i = 0; i < p->size; i++) {
        sum += weight_of(p, i) * a[i] * b[i];
    }
    return sum;
}

/* Makes v the next of q and takes its part out of the rest; false: nothing of it is left. */
static bool add_direction(pare_pursuit *p, int64_t before) {
    const int64_t n = p->size;
    const double whole = weighted(p, p->v, p->v);
    for (int turn = 0; turn < 2; turn++) { /* twice is enough (Parlett 1980) */
        for (int64_t c = 0; c < before; c++) {
            const double *q = p->q + c * n, part = weighted(p, q, p->v);
            for (int64_t i = 0; i < n; i++) {
                p->v[i] -= part * q[i];
            }
        }
    }
    const double after = weighted(p, p->v, p->v);
    if (!(after > NOTHING * whole)) {
        return false;
    }
    double *q = p->q + before * n;
    for (int64_t i = 0; i < n; i++) {
        q[i] = p->v[i] / sqrt(after);
        p->v[i] = weight_of(p, i) * q[i];
    }
    return true;
}

static void follow(pare_pursuit *p, int64_t direction, bool products) {
    const int64_t n = p->size;
    const double *q = p->q + direction * n;
    multiply(p, p->v, p->with, 1);
    for (int64_t t = 0; t < p->targets; t++) {
        double part = 0, *rest = p->rest + t * n;
        for (int64_t i = 0; i < n; i++) {
            part += q[i] * rest[i];
        }
        for (int64_t i = 0; i < n; i++) {
            rest[i] -= part * p->v[i];
        }
        for (int64_t j = 0; j < p->x.columns && products; j++) {
            p->product[j * p->targets + t] -= part * p->with[j];
        }
    }
    for (int64_t j = 0; j < p->x.columns; j++) {
        p->left[j] = fmax(p->left[j] - p->with[j] * p->with[j], 0);
    }
}

bool pare_pursuit_take(pare_pursuit *p, int64_t column) {
    fetching f = {.p = p, .column = column};
    if (p->taken >= p->capacity) {
        return false;
    }
    pare_pool_run(p->ctx->pool, GROUPS, fetch_group, &f);
    memset(p->v + p->x.rows, 0, (size_t)p->capacity * sizeof *p->v);
    p->v[p->x.rows + p->taken] = sqrt(p->ridge);
    if (!add_direction(p, p->base + p->taken)) {
        p->left[column] = 0;
        return false;
    }
    follow(p, p->base + p->taken++, true);
    p->left[column] = 0;
    return true;
}

double pare_pursuit_spread(const pare_pursuit *p, int64_t target) {
    double sum = 0;
    for (int64_t t = 0; t < p->targets; t++) {
        for (int64_t i = 0; (target < 0 || t == target) && i < p->size; i++) {
            double rest = p->rest[t * p->size + i], weight = weight_of(p, i);
            sum += weight > 0 ? rest * rest / weight : 0;
        }
    }
    return sum;
}

void pare_pursuit_clear(pare_pursuit *p) {
    if (p->ctx) {
        pare_free(p->ctx, p->rest);
        pare_free(p->ctx, p->product);
        pare_free(p->ctx, p->left);
        pare_free(p->ctx, p->square);
        pare_free(p->ctx, p->q);
        pare_free(p->ctx, p->part);
        pare_free(p->ctx, p->v);
        pare_free(p->ctx, p->with);
    }
    *p = (pare_pursuit){0};
}

static pare_status reserve(pare_pursuit *p) {
    const int64_t n = p->size, d = p->x.columns;
    const struct {
        int64_t count, times;
        void *out;
    } table[] = {{n, p->targets, &p->rest},
                 {d, p->targets, &p->product},
                 {d, 1, &p->left},
                 {d, 1, &p->square},
                 {n, p->base + p->capacity, &p->q},
                 {d, GROUPS, &p->part},
                 {n, 1, &p->v},
                 {d, 1, &p->with}};
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof table / sizeof table[0] && status == PARE_OK; i++) {
        int64_t count = 0;
        status = pare_checked_multiply(table[i].count, table[i].times, &count)
                     ? pare_alloc(p->ctx, count, sizeof(double), table[i].out)
                     : pare_fail(p->ctx, PARE_ERROR_MEMORY, "out of memory");
    }
    return status;
}

pare_status pare_pursuit_create(pare_context *ctx, const pare_sparse_rows *x, const double *weight,
                                const int32_t *group, int64_t groups, int64_t targets,
                                const double *y, int64_t capacity, pare_pursuit *out) {
    pare_pursuit p = {.ctx = ctx,
                      .x = *x,
                      .weight = weight,
                      .targets = targets,
                      .capacity = capacity,
                      .size = x->rows + capacity,
                      .base = group ? groups : 1};
    *out = (pare_pursuit){0};
    pare_status status = reserve(&p);
    if (status != PARE_OK) {
        pare_pursuit_clear(&p);
        return status;
    }
    multiply(&p, NULL, p.left, 1);
    for (int64_t i = 0; i < p.size; i++) {
        for (int64_t t = 0; t < targets; t++) {
            p.rest[t * p.size + i] = i < x->rows ? weight[i] * y[t * x->rows + i] : 0;
        }
    }
    int64_t directions = 0; /* of groups that have weight */
    for (int64_t g = 0; g < p.base; g++) {
        for (int64_t i = 0; i < p.size; i++) {
            p.v[i] = i < x->rows && (!group || group[i] == g);
        }
        if (add_direction(&p, directions)) {
            follow(&p, directions++, false); /* centres the responses and the columns */
        }
    }
    p.base = directions;
    memcpy(p.square, p.left, (size_t)x->columns * sizeof *p.square);
    for (int64_t t = 0; t < targets; t++) {
        multiply(&p, p.rest + t * p.size, p.product + t, targets);
    }
    *out = p;
    return PARE_OK;
}
