/* The choice within a budget where candidates are weighed together: least squares by the sweep
 * operator (Goodnight 1979), which adds or drops a candidate in one pass over the matrix. */
#include "select/serving_private.h"

#include "kernels/blas.h"

#include <math.h>
#include <string.h>

enum { STARTS = 8, SWAP_ROUNDS = 2, CHUNKS_MAX = PARE_SERVING_CHUNKS };

#define TINY 1e-12 /* of a diagonal, below which a candidate says nothing of its own */

/* m: (n + 1)^2. With S swept in, rows outside S hold what S does not say: curvature, and slope in
 * the last column; the last column of rows of S holds weights, the corner twice what S saves,
 * negative. */
typedef struct state {
    double *m;
    uint8_t *keep;  /* (n) swept in */
    double penalty; /* of S */
} state;

typedef struct work {
    const pare_serving *serving;
    const double *cost;  /* (n) penalty of each */
    const double *least; /* (n) diagonals below which nothing is left */
    const uint8_t *fixed;
    uint8_t *barred; /* (fields) */
    double *row;     /* 2 (n + 1) */
    int64_t n;
} work;

typedef struct bundle {
    int64_t field, count; /* so many of the list of the field */
    double gain, ratio;
} bundle;

static double saved(const work *w, const state *s) {
    return -s->m[w->n * (w->n + 1) + w->n] / 2 - s->penalty;
}

static void copy(const work *w, state *to, const state *from) {
    memcpy(to->m, from->m, (size_t)((w->n + 1) * (w->n + 1)) * sizeof *to->m);
    memcpy(to->keep, from->keep, (size_t)w->n);
    to->penalty = from->penalty;
}

/* Adds candidate k, or drops it. One that says nothing of its own is kept without being swept in:
 * the diagonal of those that are is negative. */
static void sweep(const work *w, state *s, int64_t k) {
    int64_t wide = w->n + 1;
    double *pivot = s->m + k * wide, d = pivot[k], sign = s->keep[k] ? -1 : 1;
    s->keep[k] = !s->keep[k];
    if (sign > 0 ? !(d > w->least[k]) : d >= 0) {
        return;
    }
    double *column = w->row, *over = column + wide;
    for (int64_t i = 0; i < wide; i++) {
        column[i] = i == k ? 0 : pivot[i]; /* symmetric */
        over[i] = column[i] / d;
    }
    pare_gemm_double(false, false, wide, wide, 1, -1, column, 1, over, wide, 1, s->m, wide);
    for (int64_t i = 0; i < wide; i++) {
        pivot[i] = s->m[i * wide + k] = sign * over[i];
    }
    pivot[k] = -1 / d;
    s->penalty += sign * w->cost[k];
}

/* ---- Bundles --------------------------------------------------------------------------------- */

/* What candidate k would save on its own; <= 0: nothing. */
static double single(const work *w, const state *s, int64_t k) {
    double d = s->m[k * (w->n + 1) + k], r = s->m[k * (w->n + 1) + w->n];
    return d > w->least[k] && r > 0 ? r * r / d / 2 - w->cost[k] : -1;
}

/* The candidates of the field that may come next, (f, 0) first, then chunks by what they save. */
static int64_t list(const work *w, const state *s, int64_t field, int64_t *order) {
    int64_t chunks = w->serving->chunks, at = field * (chunks + 1), count = 0;
    double value[CHUNKS_MAX + 1];
    if (!s->keep[at]) {
        order[count++] = at;
    }
    int64_t first = count;
    for (int64_t k = at + 1; k <= at + chunks; k++) {
        double one = s->keep[k] ? -1 : single(w, s, k);
        if (one <= 0) {
            continue;
        }
        int64_t place = count++;
        for (; place > first && value[place - 1] < one; place--) {
            value[place] = value[place - 1];
            order[place] = order[place - 1];
        }
        value[place] = one;
        order[place] = k;
    }
    return count;
}

/* total[i]: what the first i + 1 of them save together, by Cholesky; stops before a chunk that
 * cannot be told from the others. Returns how many. */
static int64_t savings(const work *w, const state *s, int64_t count, const int64_t *order,
                       double *total) {
    double l[CHUNKS_MAX + 1][CHUNKS_MAX + 1], half[CHUNKS_MAX + 1], sum = 0;
    for (int64_t i = 0; i < count; i++) {
        const double *row = s->m + order[i] * (w->n + 1);
        double d = row[order[i]], r = row[w->n];
        for (int64_t j = 0; j < i; j++) {
            double c = row[order[j]];
            for (int64_t k = 0; k < j; k++) {
                c -= l[i][k] * l[j][k];
            }
            l[i][j] = c / l[j][j];
            d -= l[i][j] * l[i][j];
            r -= l[i][j] * half[j];
        }
        bool says = d > w->least[order[i]];
        if (!says && order[i] % (w->serving->chunks + 1) != 0) {
            return i;
        }
        l[i][i] = says ? sqrt(d) : 1;
        half[i] = says && r > 0 ? r / l[i][i] : 0;
        sum += half[i] * half[i] / 2 - (says ? w->cost[order[i]] : 0);
        total[i] = sum;
    }
    return count;
}

/* The best bundle of one field that fits, by ratio or by gain; sums: of all that is kept. */
static bool best_of_field(const work *w, const state *s, const pare_serving_sums *sums,
                          int64_t field, bool by_gain, bundle *out) {
    const pare_serving *serving = w->serving;
    int64_t at = field * (serving->chunks + 1), order[CHUNKS_MAX + 1];
    int64_t before[PARE_RESOURCES], after[PARE_RESOURCES];
    double total[CHUNKS_MAX + 1];
    uint8_t kept[CHUNKS_MAX + 1];
    pare_serving_sums rest, one;
    bool found = false;
    if ((serving->banned && serving->banned[field]) || w->barred[field]) {
        return false;
    }
    int64_t count = savings(w, s, list(w, s, field, order), order, total);
    if (count == 0) {
        return false;
    }
    memcpy(kept, s->keep + at, (size_t)(serving->chunks + 1));
    pare_serving_total(serving, sums, before);
    if (kept[0]) {
        pare_serving_sum(serving, s->keep, field, &rest);
        sums = &rest;
    }
    for (int64_t i = 0; i < count; i++) {
        kept[order[i] - at] = 1;
        if (!(total[i] > 0)) {
            continue;
        }
        one = *sums;
        pare_serving_add(serving, s->keep, serving->fields, field, kept, &one);
        pare_serving_total(serving, &one, after);
        if (!pare_serving_fits(serving, after)) {
            continue;
        }
        double ratio = total[i] / fmax(pare_serving_share(serving, before, after), 1e-12);
        if (!found || (by_gain ? total[i] > out->gain : ratio > out->ratio)) {
            *out = (bundle){.field = field, .count = i + 1, .gain = total[i], .ratio = ratio};
            found = true;
        }
    }
    return found;
}

static void add(const work *w, state *s, const bundle *b) {
    int64_t order[CHUNKS_MAX + 1];
    (void)list(w, s, b->field, order);
    for (int64_t i = 0; i < b->count; i++) {
        sweep(w, s, order[i]);
    }
}

static void fill(const work *w, state *s) {
    for (bool found = true; found;) {
        bundle best = {0}, one;
        pare_serving_sums sums;
        pare_serving_sum(w->serving, s->keep, -1, &sums);
        found = false;
        for (int64_t f = 0; f < w->serving->fields; f++) {
            if (best_of_field(w, s, &sums, f, false, &one) && (!found || one.ratio > best.ratio)) {
                best = one;
                found = true;
            }
        }
        if (found) {
            add(w, s, &best);
        }
    }
}

/* ---- Search ---------------------------------------------------------------------------------- */

/* Fills again with each of the fields that save most put in first. */
static void fill_from_best(const work *w, const state *start, state *best, state *other) {
    bundle tried[STARTS];
    int64_t count = 0;
    pare_serving_sums sums;
    pare_serving_sum(w->serving, start->keep, -1, &sums);
    for (int64_t f = 0; f < w->serving->fields; f++) {
        bundle one;
        if (start->keep[f * (w->serving->chunks + 1)] ||
            !best_of_field(w, start, &sums, f, true, &one)) {
            continue;
        }
        int64_t place = count < STARTS ? count++ : STARTS;
        for (; place > 0 && tried[place - 1].gain < one.gain; place--) {
            if (place < STARTS) {
                tried[place] = tried[place - 1];
            }
        }
        if (place < STARTS) {
            tried[place] = one;
        }
    }
    for (int64_t i = 0; i < count; i++) {
        copy(w, other, start);
        add(w, other, &tried[i]);
        fill(w, other);
        if (saved(w, other) > saved(w, best)) {
            copy(w, best, other);
        }
    }
}

/* Drops one field at a time, or its chunks, and fills the room without it, then with it. */
static void swap(const work *w, state *best, state *other) {
    bool better = true;
    for (int64_t round = 0; round < SWAP_ROUNDS && better; round++) {
        better = false;
        for (int64_t i = 0; i < 2 * w->serving->fields; i++) {
            int64_t field = i / 2, at = field * (w->serving->chunks + 1), dropped = 0;
            if (!best->keep[at]) {
                continue;
            }
            copy(w, other, best);
            for (int64_t k = at + w->serving->chunks; k >= at + 1 - i % 2; k--) {
                if (other->keep[k] && !w->fixed[k]) {
                    sweep(w, other, k);
                    dropped++;
                }
            }
            if (dropped == 0) {
                continue;
            }
            w->barred[field] = 1;
            fill(w, other);
            w->barred[field] = 0;
            fill(w, other);
            if (saved(w, other) > saved(w, best) + TINY) {
                copy(w, best, other);
                better = true;
            }
        }
    }
}

/* What each candidate changes: a kept one by weight^2 / 2 over its place in the inverse. */
static void list_gains(const work *w, const state *s, double *gain) {
    for (int64_t k = 0; k < w->n; k++) {
        double d = s->m[k * (w->n + 1) + k], r = s->m[k * (w->n + 1) + w->n];
        double one = !s->keep[k] ? single(w, s, k) : d < 0 ? r * r / -d / 2 - w->cost[k] : 0;
        gain[k] = fmax(one, 0);
    }
}

static void begin(const work *w, const pare_serving_joint *joint, double *cost, double *least,
                  state *s) {
    int64_t n = w->n, wide = n + 1;
    for (int64_t i = 0; i < n; i++) {
        double d = joint->curvature[i * n + i];
        double prior = pare_serving_prior(w->serving, i);
        memcpy(s->m + i * wide, joint->curvature + i * n, (size_t)n * sizeof *s->m);
        s->m[i * wide + i] = (1 + prior) * d;
        s->m[i * wide + n] = s->m[n * wide + i] = joint->slope[i] + prior * d;
        cost[i] = prior * d / 2 + joint->price;
        least[i] = TINY + 1e-6 * d;
    }
    s->m[n * wide + n] = 0;
    s->penalty = 0;
    for (int64_t k = 0; k < n; k++) {
        if (w->fixed[k]) {
            sweep(w, s, k);
        }
    }
}

void pare_serving_alone(const pare_serving *serving, const pare_serving_joint *joint,
                        double *alone) {
    int64_t n = pare_serving_candidates(serving), width = serving->chunks + 1;
    for (int64_t i = 0; i < n; i++) {
        double d = joint->curvature[i * n + i], prior = pare_serving_prior(serving, i);
        double r = joint->slope[i] + prior * d, one = -1;
        if (d > 0 && r > 0) {
            one = (r * r / ((1 + prior) * d) - prior * d) / 2 / joint->price - 1;
        }
        double *best = &alone[i / width];
        *best = i % width == 0 || one > *best ? one : *best;
    }
}

pare_status pare_serving_choose_joint(const pare_serving *serving, const pare_serving_joint *joint,
                                      uint8_t *keep, double *gain) {
    pare_context *ctx = serving->ctx;
    int64_t n = pare_serving_candidates(serving), cells = 0;
    double *real = NULL;
    uint8_t *bytes = NULL;
    if (serving->chunks > CHUNKS_MAX || !pare_checked_multiply(n + 1, n + 1, &cells) ||
        !pare_checked_multiply(cells, 3, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: too many candidates");
    }
    pare_status status = pare_alloc(ctx, cells + 2 * (n + 1) + 2 * n, sizeof *real, &real);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 5 * n + serving->fields, 1, &bytes);
    }
    if (status != PARE_OK) {
        pare_free(ctx, real);
        return status;
    }
    int64_t each = cells / 3;
    state start = {real, bytes, 0}, best = {real + each, bytes + n, 0},
          other = {real + 2 * each, bytes + 2 * n, 0};
    double *row = real + cells, *cost = row + 2 * (n + 1), *least = cost + n;
    uint8_t *fixed = bytes + 3 * n;
    work w = {.serving = serving, .cost = cost, .least = least, .fixed = fixed, .n = n, .row = row};
    uint8_t *trial = fixed + n;
    w.barred = trial + n;
    memcpy(fixed, keep, (size_t)n);
    for (int64_t f = 0; f < serving->fields && serving->pinned; f++) {
        fixed[f * (serving->chunks + 1)] |= serving->pinned[f];
    }
    status = pare_serving_possible(serving, fixed, trial);
    if (status == PARE_OK) {
        begin(&w, joint, cost, least, &start);
        copy(&w, &best, &start);
        fill(&w, &best);
        if (!joint->rough) {
            fill_from_best(&w, &start, &best, &other);
            swap(&w, &best, &other);
        }
        list_gains(&w, &best, gain);
        if (!pare_serving_keep_fits(serving,
                                    best.keep)) { /* cannot happen: every step was checked */
            status = pare_fail(ctx, PARE_ERROR_NUMERIC, "the choice exceeds the budget");
        }
    }
    if (status == PARE_OK) {
        memcpy(keep, best.keep, (size_t)n);
    }
    pare_free(ctx, bytes);
    pare_free(ctx, real);
    return status;
}
