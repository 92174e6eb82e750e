#include "kernels/blas.h"
#include "problem/genome/genome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEPS = 100, EFFECTS_MAX = 64, SPARE_EFFECTS = 2, PANEL = 256 };
#define COVERAGE 0.95
#define PURITY   0.5
/* Share of |y| below which the mean of an effect is left out of sums over variants: a strong
 * effect has a few variants that count, among all those considered. */
#define NEGLIGIBLE 1e-13

void pare_credible_clear(pare_context *ctx, pare_credible *s) {
    pare_free(ctx, s->start);
    pare_free(ctx, s->member);
    pare_free(ctx, s->chance);
    pare_free(ctx, s->purity);
    pare_free(ctx, s->variant);
    pare_free(ctx, s->pip);
    *s = (pare_credible){0};
}

/* ---- The variants considered ---------------------------------------------------------------- */

typedef struct nearness {
    double r2;
    int64_t kept;
} nearness;

static int closest_first(const void *a, const void *b) {
    const nearness *x = a, *y = b;
    return x->r2 != y->r2 ? (x->r2 < y->r2 ? 1 : -1) : (x->kept > y->kept) - (x->kept < y->kept);
}

/* Puts `one` in its place among the best `*count` of at most `near`, closest first. */
static void insert_near(nearness one, int64_t near, nearness *best, int64_t *count) {
    if (*count == near && closest_first(&one, &best[near - 1]) > 0) {
        return;
    }
    int64_t at = *count < near ? (*count)++ : near - 1;
    for (; at > 0 && closest_first(&one, &best[at - 1]) < 0; at--) {
        best[at] = best[at - 1];
    }
    best[at] = one;
}

/* The `near` variants with the largest squared correlation with the direction of each pick. */
static pare_status gather_near(const pare_chooser *c, int64_t picks, int64_t near, int64_t *out,
                               int64_t *count) {
    const int64_t p = c->w->g->kept;
    nearness *best = NULL;
    bool *seen = NULL;
    pare_status status = pare_alloc(c->ctx, near, sizeof *best, &best);
    if (status == PARE_OK) {
        status = pare_alloc_zero(c->ctx, p, sizeof *seen, &seen);
    }
    *count = 0;
    for (int64_t k = 0; k < picks && status == PARE_OK; k++) {
        const double *along = c->along + k * p;
        int64_t found = 0;
        for (int64_t j = 0; j < p; j++) {
            if (!seen[j] && c->gain0[j] > 0) {
                nearness one = {along[j] * along[j] / c->gain0[j], j};
                insert_near(one, near, best, &found);
            }
        }
        for (int64_t i = 0; i < found; i++) {
            seen[best[i].kept] = true;
            out[(*count)++] = best[i].kept;
        }
    }
    pare_free(c->ctx, best);
    pare_free(c->ctx, seen);
    return status;
}

/* ---- Sum of single effects ------------------------------------------------------------------ */

typedef struct single_effects {
    int64_t p, effects;
    const float *gram;     /* (p, p) unit diagonal */
    const double *product; /* (p) z'y for unit z */
    double yy, n;
    double least;         /* |b| below which an effect adds nothing to the fit */
    double residual;      /* variance */
    double *alpha, *mean; /* (effects, p) */
    double *square;       /* (effects, p) second moment */
    double prior[EFFECTS_MAX];
    double *fit; /* (p) G sum of all effects */
} single_effects;

/* G b for b = alpha mean of one effect; adds `sign` times it to fit. */
static void add_effect(single_effects *s, int64_t l, double sign) {
    for (int64_t j = 0; j < s->p; j++) {
        double b = sign * s->alpha[l * s->p + j] * s->mean[l * s->p + j];
        if (fabs(b) > s->least) {
            for (int64_t i = 0; i < s->p; i++) {
                s->fit[i] += b * (double)s->gram[j * s->p + i];
            }
        }
    }
}

/* Posterior of one effect given the others; its prior variance by one step of EM. */
static void update_effect(single_effects *s, int64_t l) {
    double *alpha = s->alpha + l * s->p, *mean = s->mean + l * s->p, *square = s->square + l * s->p;
    add_effect(s, l, -1);
    double v = s->prior[l], shrunk = 0, most = -INFINITY, total = 0, next = 0;
    shrunk = v / (v + s->residual); /* unit columns: variance of the estimate is `residual` */
    for (int64_t j = 0; j < s->p; j++) {
        double estimate = s->product[j] - s->fit[j];
        alpha[j] = 0.5 * log(1 - shrunk) + 0.5 * shrunk * estimate * estimate / s->residual;
        most = fmax(most, alpha[j]);
        mean[j] = shrunk * estimate;
        square[j] = mean[j] * mean[j] + shrunk * s->residual;
    }
    for (int64_t j = 0; j < s->p; j++) {
        alpha[j] = exp(alpha[j] - most);
        total += alpha[j];
    }
    for (int64_t j = 0; j < s->p; j++) {
        alpha[j] /= total;
        next += alpha[j] * square[j];
    }
    s->prior[l] = next;
    add_effect(s, l, 1);
}

/* Expected residual sum of squares over n. */
static double residual_variance(const single_effects *s) {
    double cross = 0, quadratic = 0, spread = 0;
    for (int64_t j = 0; j < s->p; j++) {
        double b = 0;
        for (int64_t l = 0; l < s->effects; l++) {
            b += s->alpha[l * s->p + j] * s->mean[l * s->p + j];
        }
        cross += b * s->product[j];
        quadratic += b * s->fit[j];
    }
    for (int64_t l = 0; l < s->effects; l++) {
        double second = 0, own = 0;
        for (int64_t j = 0; j < s->p; j++) {
            double b = s->alpha[l * s->p + j] * s->mean[l * s->p + j];
            second += s->alpha[l * s->p + j] * s->square[l * s->p + j];
            if (fabs(b) > s->least) {
                for (int64_t i = 0; i < s->p; i++) {
                    own += b * (double)s->gram[j * s->p + i] * s->alpha[l * s->p + i] *
                           s->mean[l * s->p + i];
                }
            }
        }
        spread += second - own;
    }
    return fmax((s->yy - 2 * cross + quadratic + spread) / s->n, 1e-3 * s->yy / s->n);
}

static void iterate(single_effects *s) {
    double before = INFINITY;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        for (int64_t l = 0; l < s->effects; l++) {
            update_effect(s, l);
        }
        s->residual = residual_variance(s);
        if (fabs(before - s->residual) < 1e-8 * s->residual) {
            break;
        }
        before = s->residual;
    }
}

/* ---- Sets ----------------------------------------------------------------------------------- */

/* The smallest set of 95 % of one effect, appended where it is pure and new. */
static void append_set(const single_effects *s, int64_t l, const int64_t *variant, nearness *order,
                       pare_credible *out) {
    int64_t count = 0;
    double sum = 0, purity = 1;
    for (int64_t j = 0; j < s->p; j++) {
        order[j] = (nearness){s->alpha[l * s->p + j], j};
    }
    qsort(order, (size_t)s->p, sizeof *order, closest_first);
    while (count < s->p && sum < COVERAGE) {
        sum += order[count++].r2;
    }
    for (int64_t a = 0; a < count; a++) {
        for (int64_t b = 0; b < a; b++) {
            purity = fmin(purity, (double)fabsf(s->gram[order[a].kept * s->p + order[b].kept]));
        }
    }
    if (purity < PURITY) {
        return;
    }
    int64_t first = out->start[out->sets];
    for (int64_t t = 0; t < out->sets; t++) { /* two effects on one set are one */
        if (out->member[out->start[t]] == variant[order[0].kept]) {
            return;
        }
    }
    for (int64_t a = 0; a < count; a++) {
        out->member[first + a] = variant[order[a].kept];
        out->chance[first + a] = order[a].r2;
    }
    out->purity[out->sets++] = purity;
    out->start[out->sets] = first + count;
}

static pare_status reserve(pare_context *ctx, int64_t p, int64_t effects, single_effects *s,
                           pare_credible *out, nearness **order) {
    pare_status status = pare_alloc_zero(ctx, effects * p, sizeof(double), &s->alpha);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, effects * p, sizeof(double), &s->mean);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, effects * p, sizeof(double), &s->square);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, p, sizeof(double), &s->fit);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, effects + 1, sizeof(int64_t), &out->start);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, effects * p, sizeof(int64_t), &out->member);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, effects * p, sizeof(double), &out->chance);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, effects, sizeof(double), &out->purity);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, p, sizeof(double), &out->pip);
    }
    return status == PARE_OK ? pare_alloc(ctx, p, sizeof **order, order) : status;
}

/*
 * Unit columns of the whitened space outside the fixed effects: (p, n). With the background by
 * products there is no time for so many roots: plain columns about their mean stand for them, as
 * where correlations of genotypes are combined with statistics of a mixed model.
 */
static pare_status unit_columns(const pare_chooser *c, int64_t p, const int64_t *variant,
                                float *z) {
    const int64_t n = c->w->n;
    const bool plain = c->w->background && c->w->h > 0;
    double *v = NULL;
    pare_status status = pare_alloc(c->ctx, n, sizeof *v, &v);
    for (int64_t j = 0; j < p && status == PARE_OK; j++) {
        double square = 0, mean = 0;
        status = pare_whiten_column(c->w, variant[j], v);
        if (status == PARE_OK && !plain) {
            status = pare_whiten_apply(c->w, v);
        }
        for (int64_t k = 0; k < c->fixed && !plain; k++) {
            const double *q = c->q + k * n;
            double part = 0;
            for (int64_t i = 0; i < n; i++) {
                part += q[i] * v[i];
            }
            for (int64_t i = 0; i < n; i++) {
                v[i] -= part * q[i];
            }
        }
        for (int64_t i = 0; i < n && plain; i++) {
            mean += v[i] / (double)n;
        }
        for (int64_t i = 0; i < n; i++) {
            v[i] -= mean;
            square += v[i] * v[i];
        }
        for (int64_t i = 0; i < n; i++) {
            z[j * n + i] = (float)(v[i] / (square > 0 ? sqrt(square) : 1));
        }
    }
    pare_free(c->ctx, v);
    return status;
}

/* product[i] = z'y for unit z, y outside the fixed effects: what is left plus what picks took. */
static void products_of(const pare_chooser *c, int64_t p, const int64_t *variant, double *product) {
    for (int64_t i = 0; i < p; i++) {
        const int64_t j = variant[i];
        double sum = c->dot[j];
        for (int64_t k = 0; k < c->picks; k++) {
            sum += c->took[k] * c->along[k * c->w->g->kept + j];
        }
        product[i] = sum / sqrt(c->gain0[j]);
    }
}

/* Z Z' in panels of rows up to the diagonal, the rest by symmetry. */
static void gram_of(int64_t p, int64_t n, const float *z, float *gram) {
    for (int64_t i = 0; i < p; i += PANEL) {
        int64_t rows = p - i < PANEL ? p - i : PANEL;
        pare_gemm(false, true, rows, i + rows, n, 1, z + i * n, n, z, n, 0, gram + i * p, p);
    }
    for (int64_t i = 0; i < p; i++) {
        for (int64_t j = 0; j < i; j++) {
            gram[j * p + i] = gram[i * p + j];
        }
    }
}

pare_status pare_credible_create(const pare_chooser *c, int64_t picks, int64_t near,
                                 pare_credible *out) {
    *out = (pare_credible){0};
    pare_context *ctx = c->ctx;
    const int64_t n = c->w->n;
    float *z = NULL, *gram = NULL;
    double *product = NULL;
    nearness *order = NULL;
    pare_credible made = {0};
    single_effects s = {.n = (double)(n - c->fixed)};
    if (picks == 0) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(ctx, picks * near, sizeof *made.variant, &made.variant);
    if (status == PARE_OK) {
        status = gather_near(c, picks, near, made.variant, &made.considered);
    }
    const int64_t p = made.considered;
    s.p = p;
    s.effects = picks + SPARE_EFFECTS < EFFECTS_MAX ? picks + SPARE_EFFECTS : EFFECTS_MAX;
    s.effects = s.effects < p ? s.effects : p;
    if (status == PARE_OK) {
        status = reserve(ctx, p, s.effects, &s, &made, &order);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, p * n, sizeof *z, &z);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, p * p, sizeof *gram, &gram);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, p, sizeof *product, &product);
    }
    if (status == PARE_OK) {
        status = unit_columns(c, p, made.variant, z);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    gram_of(p, n, z, gram);
    products_of(c, p, made.variant, product);
    s.yy = c->rss_at[0];
    s.gram = gram;
    s.product = product;
    s.residual = s.yy / s.n;
    s.least = NEGLIGIBLE * sqrt(s.yy);
    for (int64_t l = 0; l < s.effects; l++) {
        s.prior[l] = 0.1 * s.yy;
    }
    iterate(&s);
    for (int64_t l = 0; l < s.effects; l++) {
        append_set(&s, l, made.variant, order, &made);
    }
    for (int64_t j = 0; j < p; j++) {
        double none = 1;
        for (int64_t l = 0; l < s.effects; l++) {
            none *= s.prior[l] > 1e-9 * s.yy ? 1 - s.alpha[l * p + j] : 1;
        }
        made.pip[j] = 1 - none;
    }
    *out = made;
    made = (pare_credible){0};
fail:
    pare_free(ctx, z);
    pare_free(ctx, gram);
    pare_free(ctx, product);
    pare_free(ctx, order);
    pare_free(ctx, s.alpha);
    pare_free(ctx, s.mean);
    pare_free(ctx, s.square);
    pare_free(ctx, s.fit);
    pare_credible_clear(ctx, &made);
    return status;
}
