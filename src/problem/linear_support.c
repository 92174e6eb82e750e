#include "problem/linear.h"

#include "kernels/kernels.h"

#include <string.h>

double pare_weighted_products(int64_t n, const double *w, const float *a, const float *b) {
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        s0 += w[i] * ((double)a[i] * (double)b[i]);
        s1 += w[i + 1] * ((double)a[i + 1] * (double)b[i + 1]);
        s2 += w[i + 2] * ((double)a[i + 2] * (double)b[i + 2]);
        s3 += w[i + 3] * ((double)a[i + 3] * (double)b[i + 3]);
    }
    for (; i < n; i++) {
        s0 += w[i] * ((double)a[i] * (double)b[i]);
    }
    return (s0 + s1) + (s2 + s3);
}

double pare_weighted_sum(int64_t n, const double *w, const float *x, const double *r) {
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int64_t i = 0;
    for (; !w && i + 4 <= n; i += 4) {
        s0 += (double)x[i] * r[i];
        s1 += (double)x[i + 1] * r[i + 1];
        s2 += (double)x[i + 2] * r[i + 2];
        s3 += (double)x[i + 3] * r[i + 3];
    }
    for (; i < n; i++) {
        s0 += (w ? w[i] : 1) * ((double)x[i] * r[i]);
    }
    return (s0 + s1) + (s2 + s3);
}

/* Room for `wanted` features; columns and coefficients are kept. */
static pare_status reserve(pare_linear *l, int64_t wanted) {
    pare_support *s = &l->support;
    if (wanted <= s->capacity) {
        return PARE_OK;
    }
    pare_context *ctx = l->ctx;
    int64_t capacity = wanted > s->capacity + s->capacity / 2 ? wanted : s->capacity * 3 / 2;
    capacity = capacity < l->design.columns ? capacity : l->design.columns;
    int64_t cells = 0, coefficients = 0;
    int64_t *feature = NULL, *origin = NULL;
    float *x = NULL;
    double *b = NULL;
    if (!pare_checked_multiply(capacity, l->design.rows, &cells) ||
        !pare_checked_multiply(capacity, l->outputs, &coefficients)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld columns of %lld rows",
                         (long long)capacity, (long long)l->design.rows);
    }
    pare_status status = pare_alloc(ctx, capacity, sizeof *feature, &feature);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, capacity, sizeof *origin, &origin);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, cells, sizeof *x, &x);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, coefficients, sizeof *b, &b);
    }
    if (status != PARE_OK) {
        pare_free(ctx, feature);
        pare_free(ctx, origin);
        pare_free(ctx, x);
        pare_free(ctx, b);
        return status;
    }
    if (s->count > 0) {
        memcpy(feature, s->feature, (size_t)s->count * sizeof *feature);
        memcpy(x, s->x, (size_t)(s->count * l->design.rows) * sizeof *x);
        memcpy(b, l->b, (size_t)(s->count * l->outputs) * sizeof *b);
    }
    pare_free(ctx, s->feature);
    pare_free(ctx, s->origin);
    pare_free(ctx, s->x);
    pare_free(ctx, l->b);
    s->feature = feature;
    s->origin = origin;
    s->x = x;
    l->b = b;
    s->capacity = capacity;
    return PARE_OK;
}

pare_status pare_support_create(pare_linear *l, int64_t capacity) {
    pare_status status =
        pare_alloc(l->ctx, l->design.candidates, sizeof(int64_t), &l->support.candidate);
    capacity = capacity < l->design.columns ? capacity : l->design.columns;
    return status == PARE_OK ? reserve(l, capacity > 1 ? capacity : 1) : status;
}

void pare_support_clear(pare_linear *l) {
    pare_support *s = &l->support;
    pare_free(l->ctx, s->candidate);
    pare_free(l->ctx, s->feature);
    pare_free(l->ctx, s->origin);
    pare_free(l->ctx, s->x);
    pare_free(l->ctx, s->pool_feature);
    pare_free(l->ctx, s->pool_x);
    *s = (pare_support){0};
}

const float *pare_support_find(const pare_linear *l, int64_t feature) {
    const pare_support *s = &l->support;
    for (int64_t i = 0; i < s->count; i++) {
        if (s->feature[i] == feature) {
            return s->x + i * l->design.rows;
        }
    }
    for (int64_t i = 0; i < s->pool_count; i++) {
        if (s->pool_feature[i] == feature) {
            return s->pool_x + i * l->design.rows;
        }
    }
    return NULL;
}

pare_status pare_support_columns(pare_linear *l, int64_t count, const int64_t *feature,
                                 float *out) {
    int64_t rows = l->design.rows;
    for (int64_t i = 0; i < count;) {
        const float *known = pare_support_find(l, feature[i]);
        if (known) {
            memcpy(out + i * rows, known, (size_t)rows * sizeof *out);
            i++;
            continue;
        }
        int64_t run = i + 1;
        while (run < count && !pare_support_find(l, feature[run])) {
            run++;
        }
        pare_status status =
            l->design.slots->fetch(l->design.self, run - i, feature + i, out + i * rows);
        if (status != PARE_OK) {
            return status;
        }
        i = run;
    }
    return PARE_OK;
}

/* Keeps the candidates at the front of the list that are met in its order in the old one, drops
 * the others, in place. Returns how many stayed. */
static int64_t drop(pare_linear *l, int64_t count, const int64_t *selected) {
    pare_support *s = &l->support;
    const int64_t *start = l->design.start;
    int64_t rows = l->design.rows;
    int64_t stay = 0, from = 0, to = 0;
    /* Walk the old list; each old candidate equal to the next wanted one stays. */
    for (int64_t c = 0; c < s->candidates; c++) {
        int64_t candidate = s->candidate[c], width = start[candidate + 1] - start[candidate];
        bool keep = stay < count && selected[stay] == candidate;
        if (keep) {
            for (int64_t f = 0; f < width; f++) {
                s->origin[to + f] = from + f;
                s->feature[to + f] = s->feature[from + f];
            }
            if (to != from) {
                memmove(s->x + to * rows, s->x + from * rows,
                        (size_t)(width * rows) * sizeof *s->x);
                memmove(l->b + to * l->outputs, l->b + from * l->outputs,
                        (size_t)(width * l->outputs) * sizeof *l->b);
            }
            s->candidate[stay++] = candidate;
            to += width;
        }
        from += width;
    }
    s->candidates = stay;
    s->count = to;
    return stay;
}

pare_status pare_support_set(pare_linear *l, int64_t count, const int64_t *selected) {
    pare_support *s = &l->support;
    const int64_t *start = l->design.start;
    int64_t features = 0;
    for (int64_t c = 0; c < count; c++) {
        features += start[selected[c] + 1] - start[selected[c]];
    }
    pare_status status = reserve(l, features);
    if (status != PARE_OK) {
        return status;
    }
    int64_t stayed = drop(l, count, selected), at = s->count;
    int64_t added = features - at;
    for (int64_t c = stayed; c < count; c++) {
        for (int64_t j = start[selected[c]]; j < start[selected[c] + 1]; j++, at++) {
            s->feature[at] = j;
            s->origin[at] = -1;
        }
    }
    /* The new are looked for in the pool and fetched before they count. */
    at = s->count;
    status = pare_support_columns(l, added, s->feature + at, s->x + at * l->design.rows);
    if (status != PARE_OK) {
        s->candidates = s->count = 0; /* nothing is known to others about what was dropped */
        return status;
    }
    memset(l->b + at * l->outputs, 0, (size_t)(added * l->outputs) * sizeof *l->b);
    for (int64_t c = stayed; c < count; c++) {
        s->candidate[c] = selected[c];
    }
    s->candidates = count;
    s->count = features;
    return PARE_OK;
}
