/*
 * Variants by knockoff+ (Candes, Fan, Janson, Lv 2018). Neighbours that are close to the same
 * (r2 > 0.5) form clusters, each led by its first variant, whatever the trait: as in their section
 * 6, claims are about clusters. Leaders are copied in blocks of one chromosome, blocks taken as
 * independent of each other, by the second-order Gaussian law given the covariates.
 */
#include "kernels/blas.h"
#include "platform/threads.h"
#include "problem/genome/analyse.h"
#include "select/knockoffs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEADERS_BACK = 64, /* leaders that a variant is compared with */
    BLOCK_LEAST = 150,
    BLOCK_MOST = 300,
    COLUMNS_A_TASK = 128,
    STEPS_MOST = 100
};
#define CLUSTER   0.5
#define CONSTANT  1e-6
#define COLLINEAR 0.1
/* Relationship of second cousins is 1/32, of first cousins 1/8. */
#define RELATED 0.1

typedef struct knockoff {
    pare_context *ctx;
    const pare_whiten *w;
    int64_t n, fixed, leaders, capacity;
    double *q;            /* (fixed, n) orthonormal fixed effects */
    int64_t *leader;      /* (leaders) kept numbers, ascending */
    float *z;             /* (leaders, n) unit columns outside the fixed effects */
    float *copy;          /* (leaders, n) likewise */
    double *rest;         /* (n) */
    double *gain;         /* (leaders) what an original took, or minus what its copy took */
    double *dot, *square; /* (2 leaders) originals, then copies */
} knockoff;

static void knockoff_clear(knockoff *t) {
    void *const owned[] = {t->q, t->leader, t->z, t->copy, t->rest, t->gain, t->dot, t->square};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(t->ctx, owned[i]);
    }
}

/* v less its part in the columns of q; returns the squared norm of what is left. */
static double outside(int64_t n, int64_t columns, const double *q, double *v) {
    double square = 0;
    for (int turn = 0; turn < 2; turn++) {
        for (int64_t k = 0; k < columns; k++) {
            double part = 0;
            for (int64_t i = 0; i < n; i++) {
                part += q[k * n + i] * v[i];
            }
            for (int64_t i = 0; i < n; i++) {
                v[i] -= part * q[k * n + i];
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        square += v[i] * v[i];
    }
    return square;
}

static pare_status take_fixed(knockoff *t, int64_t count, const double *fixed, int64_t forced,
                              const int64_t *force, const double *y) {
    const int64_t n = t->n;
    pare_status status = pare_alloc(t->ctx, (count + forced) * n, sizeof *t->q, &t->q);
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, n, sizeof *t->rest, &t->rest);
    }
    for (int64_t k = 0; k < count + forced && status == PARE_OK; k++) {
        double *v = t->q + t->fixed * n, before = 0;
        if (k < count) {
            memcpy(v, fixed + k * n, (size_t)n * sizeof *v);
        } else {
            status = pare_whiten_column(t->w, force[k - count], v);
        }
        for (int64_t i = 0; i < n; i++) {
            before += v[i] * v[i];
        }
        double after = outside(n, t->fixed, t->q, v);
        for (int64_t i = 0; i < n; i++) {
            v[i] /= sqrt(after);
        }
        t->fixed += after > 1e-12 * before;
    }
    if (status == PARE_OK) {
        memcpy(t->rest, y, (size_t)n * sizeof *y);
        (void)outside(n, t->fixed, t->q, t->rest);
    }
    return status;
}

/* ---- Clusters ------------------------------------------------------------------------------- */

static pare_status find_leaders(knockoff *t, const bool *forbidden) {
    const pare_genotypes *g = t->w->g;
    const int64_t n = t->n;
    double *v = NULL;
    float *unit = NULL, r[LEADERS_BACK];
    int64_t z_capacity = 0;
    pare_status status = pare_alloc(t->ctx, n, sizeof *v, &v);
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, n, sizeof *unit, &unit);
    }
    const char *chromosome = "";
    int64_t first = 0; /* leader of this chromosome */
    for (int64_t j = 0; j < g->kept && status == PARE_OK; j++) {
        if (forbidden && forbidden[j]) {
            continue;
        }
        if (strcmp(chromosome, pare_genotypes_variant(g, j)->chromosome) != 0) {
            chromosome = pare_genotypes_variant(g, j)->chromosome;
            first = t->leaders;
        }
        status = pare_whiten_column(t->w, j, v);
        double square = status == PARE_OK ? outside(n, t->fixed, t->q, v) : 0;
        if (status != PARE_OK || !(square > CONSTANT * (double)n)) {
            continue;
        }
        for (int64_t i = 0; i < n; i++) {
            unit[i] = (float)(v[i] / sqrt(square));
        }
        int64_t back = t->leaders - first < LEADERS_BACK ? t->leaders - first : LEADERS_BACK;
        pare_gemm(false, false, back, 1, n, 1, t->z + (t->leaders - back) * n, n, unit, 1, 0, r, 1);
        bool led = false;
        for (int64_t b = 0; b < back; b++) {
            led = led || (double)r[b] * (double)r[b] > CLUSTER;
        }
        if (!led) {
            status = pare_grow(t->ctx, t->leaders + 1, sizeof *t->leader, &t->capacity, &t->leader);
            if (status == PARE_OK) {
                status = pare_grow(t->ctx, (t->leaders + 1) * n, sizeof *t->z, &z_capacity, &t->z);
            }
            if (status == PARE_OK) {
                memcpy(t->z + t->leaders * n, unit, (size_t)n * sizeof *unit);
                t->leader[t->leaders++] = j;
            }
        }
    }
    pare_free(t->ctx, v);
    pare_free(t->ctx, unit);
    return status;
}

/* Knockoffs take rows to be independent draws: refuses relatives. What unrelated samples have by
 * chance is about 1 / sqrt(independent variants), of which leaders are the count. */
static pare_status refuse_relatives(const knockoff *t, const float *k) {
    const pare_genotypes *g = t->w->g;
    const float most = (float)(RELATED + 6 / sqrt((double)(t->leaders > 0 ? t->leaders : 1)));
    float closest = 0;
    int64_t pairs = 0, a = 0, b = 0;
    for (int64_t i = 0; k && i < t->n; i++) {
        const float *row = k + t->w->row[i] * g->used;
        for (int64_t j = 0; j < i; j++) {
            float value = row[t->w->row[j]];
            pairs += value > most;
            if (value > closest) {
                closest = value;
                a = j;
                b = i;
            }
        }
    }
    if (pairs == 0) {
        return PARE_OK;
    }
    return pare_fail(t->ctx, PARE_ERROR_INPUT,
                     "option stop: knockoffs take samples to be unrelated, but the relationship of "
                     "%lld pairs is above %.2f (closest: %s and %s, %.2f), so no false discovery "
                     "rate can be claimed; remove relatives, or use ebic or permutation",
                     (long long)pairs, (double)most, g->sample[t->w->sample[a]].id,
                     g->sample[t->w->sample[b]].id, (double)closest);
}

/* ---- Copies --------------------------------------------------------------------------------- */

/* End of the block that begins at leader `first`: between 150 and 300 leaders, where neighbours are
 * least alike; never across chromosomes. */
static int64_t block_end(const knockoff *t, int64_t first) {
    const pare_genotypes *g = t->w->g;
    const char *chromosome = pare_genotypes_variant(g, t->leader[first])->chromosome;
    int64_t best = first + 1;
    double least = INFINITY;
    for (int64_t end = first + 1; end - first <= BLOCK_MOST; end++) {
        if (end == t->leaders ||
            strcmp(chromosome, pare_genotypes_variant(g, t->leader[end])->chromosome) != 0) {
            return end;
        }
        if (end - first >= BLOCK_LEAST) {
            double r = 0;
            for (int64_t i = 0; i < t->n; i++) {
                r += (double)t->z[end * t->n + i] * (double)t->z[(end - 1) * t->n + i];
            }
            if (fabs(r) < least) {
                least = fabs(r);
                best = end;
            }
        }
    }
    return best;
}

/* Copies of leaders first .. first + m - 1. x, out: (n, m) scratch; sigma (m, m), s (m), v (n). */
static pare_status copy_block(knockoff *t, int64_t first, int64_t m, uint64_t seed, double *x,
                              double *out, double *sigma, double *s, double *v) {
    const int64_t n = t->n;
    const double root = sqrt((double)n);
    double shrinkage = 0;
    for (int64_t c = 0; c < m; c++) {
        for (int64_t i = 0; i < n; i++) {
            x[i * m + c] = root * (double)t->z[(first + c) * n + i];
        }
    }
    pare_knockoff_covariance(n, m, x, false, sigma, &shrinkage);
    pare_status status = pare_knockoff_distances(t->ctx, m, sigma, false, s);
    if (status == PARE_OK) {
        status = pare_knockoff_copies(t->ctx, n, m, x, sigma, s, false,
                                      seed + UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)first, out);
    }
    for (int64_t c = 0; c < m && status == PARE_OK; c++) {
        for (int64_t i = 0; i < n; i++) {
            v[i] = out[i * m + c];
        }
        double scale = 1 / sqrt(outside(n, t->fixed, t->q, v));
        for (int64_t i = 0; i < n; i++) {
            t->copy[(first + c) * n + i] = (float)(scale * v[i]);
        }
    }
    return status;
}

static pare_status make_copies(knockoff *t, uint64_t seed) {
    const int64_t n = t->n;
    double *x = NULL, *out = NULL, *sigma = NULL, *s = NULL, *v = NULL;
    pare_status status = pare_alloc(t->ctx, t->leaders * n, sizeof *t->copy, &t->copy);
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, BLOCK_MOST * n, sizeof *x, &x);
    }
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, BLOCK_MOST * n, sizeof *out, &out);
    }
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, BLOCK_MOST * BLOCK_MOST, sizeof *sigma, &sigma);
    }
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, BLOCK_MOST, sizeof *s, &s);
    }
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, n, sizeof *v, &v);
    }
    for (int64_t first = 0, end; first < t->leaders && status == PARE_OK; first = end) {
        end = block_end(t, first);
        status = copy_block(t, first, end - first, seed, x, out, sigma, s, v);
    }
    pare_free(t->ctx, x);
    pare_free(t->ctx, out);
    pare_free(t->ctx, sigma);
    pare_free(t->ctx, s);
    pare_free(t->ctx, v);
    return status;
}

/* ---- The race of originals and copies ------------------------------------------------------- */

typedef struct product {
    const knockoff *t;
    const float *v; /* (n) */
    float *out;     /* (2 leaders) */
} product;

static void product_task(void *argument, int64_t task) {
    const product *p = argument;
    const knockoff *t = p->t;
    for (int half = 0; half < 2; half++) {
        int64_t first = task * COLUMNS_A_TASK, last = first + COLUMNS_A_TASK;
        last = last < t->leaders ? last : t->leaders;
        pare_gemm(false, false, last - first, 1, t->n, 1, (half ? t->copy : t->z) + first * t->n,
                  t->n, p->v, 1, 0, p->out + half * t->leaders + first, 1);
    }
}

static void multiply(const knockoff *t, const double *v, float *single, float *out) {
    for (int64_t i = 0; i < t->n; i++) {
        single[i] = (float)v[i];
    }
    product p = {t, single, out};
    pare_pool_run(t->ctx->pool, (t->leaders + COLUMNS_A_TASK - 1) / COLUMNS_A_TASK, product_task,
                  &p);
}

/* Forward selection among originals and copies; the first of a pair to enter decides its sign. */
static pare_status race(knockoff *t) {
    const int64_t n = t->n, all = 2 * t->leaders;
    const int64_t steps = STEPS_MOST < n / 4 ? STEPS_MOST : n / 4;
    double *q = NULL, *v = NULL;
    float *single = NULL, *out = NULL;
    pare_status status = pare_alloc_zero(t->ctx, t->leaders, sizeof *t->gain, &t->gain);
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, all, sizeof *t->dot, &t->dot);
    }
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, all, sizeof *t->square, &t->square);
    }
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, (steps + 1) * n, sizeof *q, &q);
    }
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, n, sizeof *v, &v);
    }
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, n, sizeof *single, &single);
    }
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, all, sizeof *out, &out);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    multiply(t, t->rest, single, out);
    for (int64_t j = 0; j < all; j++) {
        t->dot[j] = (double)out[j];
        t->square[j] = 1;
    }
    for (int64_t step = 0; step < steps; step++) {
        int64_t best = -1;
        double most = 0, part = 0;
        for (int64_t j = 0; j < all; j++) {
            double gain = t->square[j] > COLLINEAR ? t->dot[j] * t->dot[j] / t->square[j] : 0;
            best = gain > most ? j : best;
            most = fmax(most, gain);
        }
        if (best < 0) {
            break;
        }
        const int64_t pair = best % t->leaders;
        const float *column = (best < t->leaders ? t->z : t->copy) + pair * n;
        for (int64_t i = 0; i < n; i++) {
            v[i] = (double)column[i];
        }
        double scale = 1 / sqrt(outside(n, step, q, v));
        for (int64_t i = 0; i < n; i++) {
            q[step * n + i] = scale * v[i];
            part += scale * v[i] * t->rest[i];
        }
        for (int64_t i = 0; i < n; i++) {
            t->rest[i] -= part * q[step * n + i];
        }
        multiply(t, q + step * n, single, out);
        for (int64_t j = 0; j < all; j++) {
            t->dot[j] -= part * (double)out[j];
            t->square[j] -= (double)out[j] * (double)out[j];
        }
        t->square[best] = 0;
        if (t->gain[pair] == 0) {
            t->gain[pair] = best < t->leaders ? part * part : -part * part;
        }
    }
fail:
    pare_free(t->ctx, q);
    pare_free(t->ctx, v);
    pare_free(t->ctx, single);
    pare_free(t->ctx, out);
    return status;
}

/* ---- Claims --------------------------------------------------------------------------------- */

typedef struct claim {
    double gain;
    int64_t kept;
} claim;

static int largest_first(const void *a, const void *b) {
    const claim *x = a, *y = b;
    return x->gain != y->gain ? (x->gain < y->gain ? 1 : -1)
                              : (x->kept > y->kept) - (x->kept < y->kept);
}

static pare_status claims_of(const knockoff *t, double q, pare_claims *out) {
    double *scratch = NULL;
    claim *list = NULL;
    pare_status status = pare_alloc(t->ctx, t->leaders, sizeof *scratch, &scratch);
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, t->leaders, sizeof *list, &list);
    }
    if (status == PARE_OK) {
        out->threshold = pare_knockoff_threshold(t->leaders, t->gain, q, scratch);
        for (int64_t j = 0; j < t->leaders; j++) {
            if (t->gain[j] >= out->threshold) {
                list[out->count++] = (claim){t->gain[j], t->leader[j]};
            }
        }
        qsort(list, (size_t)out->count, sizeof *list, largest_first);
        status = pare_alloc(t->ctx, out->count, sizeof *out->pick, &out->pick);
    }
    for (int64_t c = 0; c < out->count && status == PARE_OK; c++) {
        out->pick[c] = list[c].kept;
    }
    out->clusters = t->leaders;
    pare_free(t->ctx, scratch);
    pare_free(t->ctx, list);
    return status;
}

pare_status pare_knockoff_claims(const struct pare_genome *genome, const pare_choice_made *made,
                                 double q, uint64_t seed, pare_claims *out) {
    *out = (pare_claims){0};
    pare_claims claims = {0};
    knockoff t = {.ctx = genome->ctx, .w = &made->w, .n = made->w.n};
    pare_status status =
        take_fixed(&t, made->count, made->fixed, genome->forced, genome->force, made->y);
    if (status == PARE_OK) {
        status = find_leaders(&t, genome->forbidden);
    }
    if (status == PARE_OK) {
        status = refuse_relatives(&t, genome->relationship);
    }
    if (status == PARE_OK) {
        status = make_copies(&t, seed);
    }
    if (status == PARE_OK) {
        status = race(&t);
    }
    if (status == PARE_OK) {
        status = claims_of(&t, q, &claims);
    }
    knockoff_clear(&t);
    if (status != PARE_OK) {
        pare_free(genome->ctx, claims.pick);
        return status;
    }
    *out = claims;
    return PARE_OK;
}
