#include "base/random.h"
#include "problem/genome/genome.h"

#include <math.h>
#include <string.h>

/* Permuted residuals go with one limb: rounding to 1/254 of the largest adds less than 1e-3 of the
 * noise that the maximum has anyway, and ten of them cost 3 times one vector. Kernels decode once
 * for six limbs. */
enum { VECTORS_A_PASS = 12, LIMBS = 3, PERMUTATION_LIMBS = 1 };
/* A variant whose part outside the picks is less than this share of its norm has r2 > 0.9 with
 * them (the rule of GCTA-COJO) and is not chosen. */
#define COLLINEAR 0.1
/* Less than this share outside the fixed effects: the variant is constant given them. */
#define CONSTANT 1e-6

/* Price of a pick where option gamma leaves it to n and p: at least that of this gamma, and the
 * expected number of picks among variants without any effect at most this (independent variants;
 * fewer in linkage). */
#define LEAST_GAMMA 0.75
#define FALSE_PICKS 0.05

enum { FREE, CHOSEN, BARRED };

void pare_chooser_clear(pare_chooser *c) {
    pare_context *ctx = c->ctx;
    if (ctx) {
        pare_free(ctx, c->q);
        pare_free(ctx, c->back);
        pare_free(ctx, c->rest);
        pare_free(ctx, c->gain0);
        pare_free(ctx, c->dot);
        pare_free(ctx, c->square);
        pare_free(ctx, c->state);
        pare_free(ctx, c->pick);
        pare_free(ctx, c->rss_at);
        pare_free(ctx, c->ebic);
        pare_free(ctx, c->took);
        pare_free(ctx, c->along);
    }
    *c = (pare_chooser){0};
}

/* v less its part in the q columns, twice, so that rounding leaves nothing (Bjorck 1994). */
static void project(const pare_chooser *c, double *v) {
    pare_project_out(c->w->n, c->columns, c->q, v);
    pare_project_out(c->w->n, c->columns, c->q, v);
}

/* L^-1 v in place, and where the chooser keeps them, L^-T L^-1 v as the next `back`. */
static pare_status whiten(pare_chooser *c, double *v) {
    return c->back ? pare_whiten_both(c->w, v, c->back + c->columns * c->w->n)
                   : pare_whiten_apply(c->w, v);
}

/* Makes the v of `whiten` the next column; false where nothing of it is new. */
static bool add_direction(pare_chooser *c, double *v, double least) {
    const int64_t n = c->w->n;
    double before = pare_inner(n, v, v);
    for (int64_t k = 0; c->back && k < c->columns; k++) {
        double part = pare_inner(n, c->q + k * n, v), *next = c->back + c->columns * n;
        for (int64_t i = 0; i < n; i++) {
            next[i] -= part * c->back[k * n + i];
        }
    }
    project(c, v);
    double after = pare_inner(n, v, v);
    if (!(after > least * before) || !(after > 0)) {
        return false;
    }
    double *q = c->q + c->columns * n, scale = 1 / sqrt(after);
    for (int64_t i = 0; i < n; i++) {
        q[i] = scale * v[i];
    }
    for (int64_t i = 0; c->back && i < n; i++) {
        c->back[c->columns * n + i] *= scale;
    }
    c->columns++;
    return true;
}

/* Extended BIC (Chen and Chen 2008) with k log p for the log of p choose k: the price of a pick
 * does not fall with k, which on mice_hs1940 makes folds agree more at the same error. The
 * likelihood is the restricted one: with n in place of n less the fixed effects, covariates of many
 * levels would make every statistic too large. */
static double extended_bic(const pare_chooser *c, int64_t picks) {
    double n = (double)c->w->n, k = (double)picks, p = (double)c->w->g->kept;
    double free = n - (double)c->fixed;
    return free * log(c->rss / free) + k * log(n) + 2 * c->gamma * k * log(p) - 2 * c->prior_sum;
}

/* The x that chi-square with one degree of freedom exceeds with probability `tail`, by bisection.
 */
static double chi_square_above(double tail) {
    double low = 0, high = 1400; /* erfc is 0 there */
    for (int step = 0; step < 60; step++) {
        double middle = (low + high) / 2;
        *(erfc(sqrt(middle / 2)) > tail ? &low : &high) = middle;
    }
    return high;
}

double pare_gamma_for(int64_t n, int64_t p) {
    const double size = log((double)p), price = chi_square_above(FALSE_PICKS / (double)p);
    return p > 1 ? fmax(LEAST_GAMMA, (price - log((double)n)) / (2 * size)) : LEAST_GAMMA;
}

static pare_status reserve(pare_chooser *c, int64_t fixed, int64_t most) {
    const int64_t n = c->w->n, kept = c->w->g->kept;
    pare_status status = pare_alloc(c->ctx, (fixed + most) * n, sizeof *c->q, &c->q);
    if (status == PARE_OK && c->w->background && c->w->h > 0) {
        status = pare_alloc(c->ctx, (fixed + most) * n, sizeof *c->back, &c->back);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, n, sizeof *c->rest, &c->rest);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, kept, sizeof *c->gain0, &c->gain0);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, kept, sizeof *c->dot, &c->dot);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, kept, sizeof *c->square, &c->square);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(c->ctx, kept, 1, &c->state);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, most, sizeof *c->pick, &c->pick);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, most + 1, sizeof *c->rss_at, &c->rss_at);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, most + 1, sizeof *c->ebic, &c->ebic);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, most, sizeof *c->took, &c->took);
    }
    return status;
}

pare_status pare_chooser_products(const pare_chooser *c, int64_t k, int64_t count, double *out) {
    const int64_t n = c->w->n;
    return c->back ? pare_whiten_correlate_back(c->w, LIMBS, count, c->back + k * n, out)
                   : pare_whiten_correlate(c->w, LIMBS, count, c->q + k * n, out);
}

/* dot and square for the fixed effects: z'rest, and z'z less the squares of z'q. */
static pare_status first_products(pare_chooser *c) {
    const int64_t kept = c->w->g->kept;
    double *out = NULL;
    pare_status status = pare_whiten_squares(c->w, c->square);
    if (status == PARE_OK) {
        status = pare_whiten_correlate(c->w, LIMBS, 1, c->rest, c->dot);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, VECTORS_A_PASS * kept, sizeof *out, &out);
    }
    if (status != PARE_OK) {
        return status;
    }
    memcpy(c->gain0, c->square, (size_t)kept * sizeof *c->gain0);
    for (int64_t k = 0; k < c->columns && status == PARE_OK; k += VECTORS_A_PASS) {
        int64_t some = c->columns - k < VECTORS_A_PASS ? c->columns - k : VECTORS_A_PASS;
        status = pare_chooser_products(c, k, some, out);
        for (int64_t j = 0; j < some * kept && status == PARE_OK; j++) {
            c->square[j % kept] -= out[j] * out[j];
        }
    }
    pare_free(c->ctx, out);
    for (int64_t j = 0; j < kept && status == PARE_OK; j++) {
        bool constant = !(c->square[j] > CONSTANT * c->gain0[j]) || !(c->gain0[j] > 0);
        c->state[j] = constant ? BARRED : FREE;
        c->gain0[j] = c->square[j];
    }
    return status;
}

pare_status pare_chooser_create(const pare_whiten *w, int64_t count, const double *fixed,
                                const double *y, const bool *forbidden, double gamma, int64_t most,
                                pare_chooser *out) {
    *out = (pare_chooser){0};
    const int64_t n = w->n;
    pare_chooser c = {.ctx = w->ctx, .w = w, .fixed = count, .gamma = gamma, .capacity = most};
    c.gamma = gamma > 0 ? gamma : pare_gamma_for(n, w->g->kept);
    double *v = NULL;
    pare_status status = reserve(&c, count, most);
    if (status == PARE_OK) {
        status = pare_alloc(c.ctx, n, sizeof *v, &v);
    }
    for (int64_t k = 0; k < count && status == PARE_OK; k++) {
        memcpy(v, fixed + k * n, (size_t)n * sizeof *v);
        status = whiten(&c, v);
        if (status == PARE_OK && !add_direction(&c, v, 1e-12)) {
            status = pare_fail(c.ctx, PARE_ERROR_INPUT, "covariates are collinear");
        }
    }
    if (status != PARE_OK) {
        goto fail;
    }
    memcpy(c.rest, y, (size_t)n * sizeof *v);
    status = pare_whiten_apply(w, c.rest);
    if (status != PARE_OK) {
        goto fail;
    }
    project(&c, c.rest);
    c.rss = pare_inner(n, c.rest, c.rest);
    status = first_products(&c);
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t j = 0; forbidden && j < w->g->kept; j++) {
        c.state[j] = forbidden[j] ? BARRED : c.state[j];
    }
    c.rss_at[0] = c.rss;
    c.ebic[0] = extended_bic(&c, 0);
    pare_free(c.ctx, v);
    *out = c;
    return PARE_OK;
fail:
    pare_free(c.ctx, v);
    pare_chooser_clear(&c);
    return status;
}

/* Monotone in what a pick of this gain and prior takes from extended BIC before its price. */
static double prior_gain(const pare_chooser *c, double gain, double prior) {
    return exp(prior / (double)(c->w->n - c->fixed) * 2) / fmax(1 - gain / c->rss, 1e-300);
}

int64_t pare_chooser_best(const pare_chooser *c) {
    int64_t best = -1;
    double most = 0;
    for (int64_t j = 0; j < c->w->g->kept; j++) {
        if (c->state[j] == FREE) {
            double gain = c->dot[j] * c->dot[j] / c->square[j];
            gain = c->prior ? prior_gain(c, gain, c->prior[j]) : gain;
            if (gain > most) {
                most = gain;
                best = j;
            }
        }
    }
    return best;
}

pare_status pare_chooser_add(pare_chooser *c, int64_t kept, bool *added) {
    double *v = NULL;
    *added = false;
    pare_status status = pare_alloc(c->ctx, c->w->n, sizeof *v, &v);
    if (status == PARE_OK) {
        status = pare_whiten_column(c->w, kept, v);
    }
    if (status == PARE_OK) {
        status = pare_chooser_add_column(c, kept, v, added);
    }
    pare_free(c->ctx, v);
    return status;
}

pare_status pare_chooser_add_column(pare_chooser *c, int64_t kept, double *v, bool *added) {
    const int64_t n = c->w->n, p = c->w->g->kept, picks = c->columns - c->fixed;
    *added = false;
    if (picks == c->capacity || c->columns >= n - 1) {
        return PARE_OK;
    }
    int64_t capacity = picks * p;
    pare_status status = pare_grow(c->ctx, (picks + 1) * p, sizeof *c->along, &capacity, &c->along);
    if (status == PARE_OK) {
        status = whiten(c, v);
    }
    if (status != PARE_OK) {
        return status;
    }
    if (kept >= 0) {
        c->state[kept] = BARRED;
    }
    if (!add_direction(c, v, CONSTANT)) {
        return PARE_OK;
    }
    double *q = c->q + (c->columns - 1) * n, *along = c->along + picks * p;
    double part = pare_inner(n, q, c->rest);
    status = pare_chooser_products(c, c->columns - 1, 1, along);
    if (status != PARE_OK) {
        c->columns--;
        return status;
    }
    for (int64_t i = 0; i < n; i++) {
        c->rest[i] -= part * q[i];
    }
    c->rss = pare_inner(n, c->rest, c->rest);
    for (int64_t j = 0; j < p; j++) {
        c->dot[j] -= part * along[j];
        c->square[j] -= along[j] * along[j];
        if (c->state[j] == FREE && c->square[j] < COLLINEAR * c->gain0[j]) {
            c->state[j] = BARRED;
        }
    }
    *added = true;
    if (kept < 0) {
        return PARE_OK;
    }
    c->state[kept] = CHOSEN;
    c->prior_sum += c->prior ? c->prior[kept] : 0;
    c->took[c->picks] = part;
    c->pick[c->picks++] = kept;
    c->rss_at[c->picks] = c->rss;
    c->ebic[c->picks] = extended_bic(c, c->picks);
    return PARE_OK;
}

/* The largest share of |v|^2 that one free variant explains, for each of `vectors` vectors. */
static pare_status largest_shares(const pare_chooser *c, int64_t vectors, const double *v,
                                  double *products, double *share) {
    const int64_t p = c->w->g->kept;
    pare_status status = pare_whiten_correlate(c->w, PERMUTATION_LIMBS, vectors, v, products);
    for (int64_t b = 0; b < vectors && status == PARE_OK; b++) {
        share[b] = 0;
        for (int64_t j = 0; j < p; j++) {
            if (c->state[j] == FREE) {
                double product = products[b * p + j];
                share[b] = fmax(share[b], product * product / c->square[j]);
            }
        }
        share[b] /= pare_inner(c->w->n, v + b * c->w->n, v + b * c->w->n);
    }
    return status;
}

pare_status pare_chooser_permute(const pare_chooser *c, int64_t permutations, uint64_t seed,
                                 double *p) {
    const int64_t n = c->w->n;
    double *v = NULL, *products = NULL, share[VECTORS_A_PASS];
    int64_t *order = NULL, larger = 0;
    pare_status status = pare_alloc(c->ctx, VECTORS_A_PASS * n, sizeof *v, &v);
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, VECTORS_A_PASS * c->w->g->kept, sizeof *products, &products);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, n, sizeof *order, &order);
    }
    int64_t best = pare_chooser_best(c);
    if (status != PARE_OK || best < 0) {
        *p = 1;
        goto fail;
    }
    double observed = c->dot[best] * c->dot[best] / c->square[best] / c->rss;
    for (int64_t b = 0; b < permutations && status == PARE_OK; b += VECTORS_A_PASS) {
        int64_t some = permutations - b < VECTORS_A_PASS ? permutations - b : VECTORS_A_PASS;
        for (int64_t t = 0; t < some; t++) {
            double *to = v + t * n;
            for (int64_t i = 0; i < n; i++) {
                order[i] = i;
            }
            pare_random_shuffle(seed, PARE_STREAM_METHOD, (uint64_t)((b + t) * n), n, order);
            for (int64_t i = 0; i < n; i++) {
                to[i] = c->rest[order[i]];
            }
            project(c, to);
        }
        status = largest_shares(c, some, v, products, share);
        for (int64_t t = 0; t < some && status == PARE_OK; t++) {
            larger += share[t] >= observed;
        }
    }
    *p = (double)(1 + larger) / (double)(1 + permutations);
fail:
    pare_free(c->ctx, v);
    pare_free(c->ctx, products);
    pare_free(c->ctx, order);
    return status;
}
