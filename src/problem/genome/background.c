/* The random effect without its matrix: products with packed genotypes, and Lanczos' method. */
#include "base/random.h"
#include "kernels/blas.h"
#include "problem/genome/genome.h"

#include <math.h>
#include <string.h>

enum {
    STEPS_MAX = 60,
    PROBES_LEAST = 4,
    PROBES_MOST = 30,
    LIMBS = 3,
    COPY_BYTES = 1 << 29 /* largest copy of variants that are far apart in the file */
};
#define ROOT_TOLERANCE 1e-5
/* Of quadrature, at share QUADRATURE_SHARE: the logarithm forgives more than a solution does. */
#define QUADRATURE_TOLERANCE 1e-3
#define QUADRATURE_SHARE     0.9
/* Samples squared times probes of a trace (Loh et al. 2015, BOLT-LMM). */
#define PROBE_WORK 4e9

void pare_background_clear(pare_background *b) {
    if (b->ctx) {
        pare_genotypes_view_clear(&b->view);
        pare_free(b->ctx, b->number);
    }
    *b = (pare_background){0};
}

pare_status pare_background_create(const pare_genotypes *g, int64_t most, uint64_t seed,
                                   pare_background *out) {
    *out = (pare_background){0};
    const int64_t kept = g->kept < most ? g->kept : most;
    const bool copy = 2 * kept <= g->kept && kept <= COPY_BYTES / g->stride;
    pare_background b = {.ctx = g->ctx, .seed = seed};
    pare_status status = pare_alloc(g->ctx, kept, sizeof *b.number, &b.number);
    for (int64_t c = 0; c < kept && status == PARE_OK; c++) {
        b.number[c] = (int64_t)(((double)c + 0.5) * (double)g->kept / (double)kept);
    }
    if (status == PARE_OK) {
        status = pare_genotypes_view(g, kept, b.number, copy, &b.view);
    }
    if (status != PARE_OK) {
        pare_background_clear(&b);
        return status;
    }
    b.variance = pare_relationship_variance(&b.view);
    *out = b;
    return PARE_OK;
}

pare_status pare_background_times(const pare_whiten *w, const double *r, double *out) {
    const pare_background *b = w->background;
    const int64_t kept = b->view.kept;
    double *products = NULL;
    pare_status status = pare_alloc(w->ctx, kept, sizeof *products, &products);
    if (status != PARE_OK) {
        return status;
    }
    memset(out, 0, (size_t)w->g->samples * sizeof *out);
    for (int64_t i = 0; i < w->n; i++) {
        out[w->sample[i]] = r[i];
    }
    status = pare_genotypes_correlate(&b->view, LIMBS, 1, out, products);
    for (int64_t c = 0; c < kept && status == PARE_OK; c++) {
        products[c] = b->variance > 0 ? products[c] / ((double)kept * b->variance) : 0;
    }
    status = status == PARE_OK ? pare_genotypes_times(&b->view, products, out) : status;
    pare_free(w->ctx, products);
    return status;
}

/* ---- Lanczos' method ------------------------------------------------------------------------ */

/* One run: K on the complement of q, seen from a start vector. */
typedef struct lanczos {
    pare_context *ctx;
    int64_t n, steps;
    double norm;   /* of the start vector */
    double *basis; /* (STEPS_MAX + 1, n) */
    double *whole; /* (samples) */
    double value[STEPS_MAX];
    double vector[STEPS_MAX * STEPS_MAX]; /* row i: eigenvector of value i */
} lanczos;

static void lanczos_clear(lanczos *l) {
    if (l->ctx) {
        pare_free(l->ctx, l->basis);
        pare_free(l->ctx, l->whole);
    }
    pare_free(l->ctx, l);
}

static pare_status lanczos_create(const pare_whiten *w, lanczos **out) {
    lanczos *l = NULL;
    *out = NULL;
    pare_status status = pare_alloc_zero(w->ctx, 1, sizeof *l, &l);
    if (status != PARE_OK) {
        return status;
    }
    l->ctx = w->ctx;
    l->n = w->n;
    status = pare_alloc(w->ctx, (STEPS_MAX + 1) * w->n, sizeof *l->basis, &l->basis);
    if (status == PARE_OK) {
        status = pare_alloc(w->ctx, w->g->samples, sizeof *l->whole, &l->whole);
    }
    if (status != PARE_OK) {
        lanczos_clear(l);
        return status;
    }
    *out = l;
    return PARE_OK;
}

/*
 * Runs from `start` until conjugate gradients for share h on the same space would leave a residual
 * of `tolerance` (its size is h times the next off-diagonal times the last component of the
 * solution), then takes the eigenvalues of the tridiagonal matrix.
 */
static pare_status lanczos_run(const pare_whiten *w, int64_t count, const double *q, double h,
                               double tolerance, const double *start, lanczos *l) {
    const int64_t n = l->n;
    double diagonal[STEPS_MAX], off[STEPS_MAX], work[2 * STEPS_MAX], pivot = 1, last = 1;
    pare_status status = PARE_OK;
    l->norm = sqrt(pare_inner(n, start, start));
    l->steps = 0;
    for (int64_t i = 0; i < n; i++) {
        l->basis[i] = l->norm > 0 ? start[i] / l->norm : 0;
    }
    while (l->norm > 0 && l->steps < STEPS_MAX && status == PARE_OK) {
        const int64_t s = l->steps;
        double *at = l->basis + s * n, *next = at + n;
        for (int64_t i = 0; i < n; i++) {
            next[i] = w->root ? w->root[i] * at[i] : at[i];
        }
        status = pare_background_times(w, next, l->whole);
        if (status != PARE_OK) {
            break;
        }
        for (int64_t i = 0; i < n; i++) {
            next[i] = l->whole[w->sample[i]] * (w->root ? w->root[i] : 1);
        }
        pare_project_out(n, count, q, next);
        diagonal[s] = pare_inner(n, at, next);
        pare_project_out(n, s + 1, l->basis, next);
        pare_project_out(n, s + 1, l->basis, next);
        off[s] = sqrt(pare_inner(n, next, next));
        double below = s > 0 ? h * off[s - 1] : 0;
        last = s > 0 ? last * below / pivot : 1;
        pivot = h * diagonal[s] + 1 - h - (s > 0 ? below * below / pivot : 0);
        l->steps++;
        if (!(off[s] > 1e-12 * (1 + fabs(diagonal[s]))) ||
            !(h * off[s] * last / pivot > tolerance)) {
            break;
        }
        for (int64_t i = 0; i < n; i++) {
            next[i] /= off[s];
        }
    }
    memcpy(l->value, diagonal, (size_t)l->steps * sizeof *diagonal);
    if (status == PARE_OK &&
        pare_tridiagonal_eigen(l->steps, l->value, off, l->vector, work) != 0) {
        status = pare_fail(w->ctx, PARE_ERROR_NUMERIC, "eigenvalues of the background not found");
    }
    return status;
}

/* h K + 1 - h at eigenvalue i; K has none below 0. */
static double covariance(const lanczos *l, int64_t i, double h) {
    return h * fmax(l->value[i], 0) + 1 - h;
}

pare_status pare_background_root(const pare_whiten *w, double *v, double *inverse) {
    lanczos *l = NULL;
    pare_status status = lanczos_create(w, &l);
    if (status == PARE_OK) {
        status = lanczos_run(w, 0, NULL, w->h, ROOT_TOLERANCE, v, l);
    }
    if (status == PARE_OK) {
        memset(v, 0, (size_t)w->n * sizeof *v);
        if (inverse) {
            memset(inverse, 0, (size_t)w->n * sizeof *inverse);
        }
    }
    for (int64_t s = 0; status == PARE_OK && s < l->steps; s++) {
        double part = 0, whole = 0;
        for (int64_t i = 0; i < l->steps; i++) {
            double both = l->norm * l->vector[i * l->steps] * l->vector[i * l->steps + s];
            part += both / sqrt(covariance(l, i, w->h));
            whole += both / covariance(l, i, w->h);
        }
        for (int64_t i = 0; i < w->n; i++) {
            v[i] += part * l->basis[s * w->n + i];
        }
        for (int64_t i = 0; inverse && i < w->n; i++) {
            inverse[i] += whole * l->basis[s * w->n + i];
        }
    }
    if (l) {
        lanczos_clear(l);
    }
    return status;
}

/* ---- Restricted likelihood ------------------------------------------------------------------ */

/* Quadrature: nodes and weights of the probes, which sum to 1 / probes each, and of y. */
typedef struct quadrature {
    double free, square; /* samples less fixed effects, |y|^2 outside them */
    int64_t nodes;
    double node[PROBES_MOST * STEPS_MAX], weight[PROBES_MOST * STEPS_MAX];
    int64_t own;
    double own_node[STEPS_MAX], own_weight[STEPS_MAX];
} quadrature;

static double deviance(const void *argument, double h) {
    const quadrature *s = argument;
    double logarithm = 0, square = 0;
    for (int64_t i = 0; i < s->nodes; i++) {
        logarithm += s->weight[i] * log(h * s->node[i] + 1 - h);
    }
    for (int64_t i = 0; i < s->own; i++) {
        square += s->own_weight[i] / (h * s->own_node[i] + 1 - h);
    }
    return s->free * (log(s->square * square / s->free) + logarithm);
}

static int64_t take_nodes(const lanczos *l, double share, double *node, double *weight) {
    for (int64_t i = 0; i < l->steps; i++) {
        double first = l->vector[i * l->steps];
        node[i] = fmax(l->value[i], 0);
        weight[i] = share * first * first;
    }
    return l->steps;
}

/* Orthonormal rows that span the fixed effects. */
static void orthonormal(int64_t n, int64_t count, double *q) {
    for (int64_t k = 0; k < count; k++) {
        double *v = q + k * n;
        pare_project_out(n, k, q, v);
        pare_project_out(n, k, q, v);
        double norm = sqrt(pare_inner(n, v, v));
        for (int64_t i = 0; i < n; i++) {
            v[i] /= norm > 0 ? norm : 1;
        }
    }
}

static pare_status run_probes(const pare_whiten *w, int64_t count, const double *q, double *v,
                              lanczos *l, quadrature *s) {
    const int64_t n = w->n;
    const double wanted = PROBE_WORK / ((double)n * (double)n);
    const int64_t probes = wanted > PROBES_MOST    ? PROBES_MOST
                           : wanted < PROBES_LEAST ? PROBES_LEAST
                                                   : (int64_t)wanted;
    pare_status status = PARE_OK;
    for (int64_t p = 0; p < probes && status == PARE_OK; p++) {
        for (int64_t i = 0; i < n; i++) {
            uint64_t draw = pare_random_bits(w->background->seed, PARE_STREAM_METHOD,
                                             (uint64_t)(p * w->g->samples + w->sample[i]));
            v[i] = draw >> 63 ? 1 : -1;
        }
        pare_project_out(n, count, q, v);
        status = lanczos_run(w, count, q, QUADRATURE_SHARE, QUADRATURE_TOLERANCE, v, l);
        if (status == PARE_OK) {
            s->nodes += take_nodes(l, 1 / (double)probes, s->node + s->nodes, s->weight + s->nodes);
        }
    }
    return status;
}

pare_status pare_background_reml(const pare_whiten *w, int64_t count, const double *fixed,
                                 const double *y, double *h, double *ratio) {
    const int64_t n = w->n;
    double *q = NULL, *v = NULL;
    lanczos *l = NULL;
    quadrature *s = NULL;
    *h = 0;
    *ratio = 1;
    pare_status status = pare_alloc(w->ctx, count * n, sizeof *q, &q);
    if (status == PARE_OK) {
        status = pare_alloc(w->ctx, n, sizeof *v, &v);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(w->ctx, 1, sizeof *s, &s);
    }
    if (status == PARE_OK) {
        status = lanczos_create(w, &l);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    memcpy(q, fixed, (size_t)(count * n) * sizeof *q);
    memcpy(v, y, (size_t)n * sizeof *v);
    for (int64_t i = 0; w->root && i < (count + 1) * n; i++) {
        *(i < n ? &v[i] : &q[i - n]) *= w->root[i % n];
    }
    orthonormal(n, count, q);
    pare_project_out(n, count, q, v);
    pare_project_out(n, count, q, v);
    s->free = (double)(n - count);
    status = lanczos_run(w, count, q, QUADRATURE_SHARE, ROOT_TOLERANCE, v, l);
    if (status == PARE_OK) {
        s->square = l->norm * l->norm;
        s->own = take_nodes(l, 1, s->own_node, s->own_weight);
        status = run_probes(w, count, q, v, l, s);
    }
    if (status == PARE_OK && s->square > 0 && pare_share_search(deviance, s, h)) {
        double whitened = 0, plain = 0;
        for (int64_t i = 0; i < s->nodes; i++) {
            plain += s->weight[i] * s->node[i];
            whitened += s->weight[i] * s->node[i] / (*h * s->node[i] + 1 - *h);
        }
        *ratio = plain > 0 ? whitened / plain : 1;
    }
fail:
    pare_free(w->ctx, q);
    pare_free(w->ctx, v);
    pare_free(w->ctx, s);
    if (l) {
        lanczos_clear(l);
    }
    return status;
}
