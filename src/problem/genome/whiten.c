#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "platform/threads.h"
#include "problem/genome/genome.h"

#include <math.h>
#include <string.h>

double pare_inner(int64_t n, const double *a, const double *b) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

void pare_project_out(int64_t n, int64_t count, const double *q, double *v) {
    for (int64_t k = 0; k < count; k++) {
        double part = pare_inner(n, q + k * n, v);
        for (int64_t i = 0; i < n; i++) {
            v[i] -= part * q[k * n + i];
        }
    }
}

enum { VARIANTS_A_BLOCK = 64, LANES = 8 };

void pare_whiten_clear(pare_whiten *w) {
    if (w->ctx) {
        pare_free(w->ctx, w->sample);
        pare_free(w->ctx, w->row);
        pare_free(w->ctx, w->l);
    }
    *w = (pare_whiten){0};
}

pare_status pare_whiten_create(const pare_genotypes *g, const bool *some, const float *k,
                               pare_whiten *out) {
    *out = (pare_whiten){0};
    pare_whiten w = {.ctx = g->ctx, .g = g};
    pare_status status = pare_alloc(g->ctx, g->samples, sizeof *w.sample, &w.sample);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->samples, sizeof *w.row, &w.row);
    }
    for (int64_t i = 0, row = 0; i < g->samples && status == PARE_OK; i++) {
        if (some[i] && g->in[i]) {
            w.sample[w.n] = i;
            w.row[w.n++] = row;
        }
        row += g->in[i];
    }
    if (status == PARE_OK && k) {
        status = pare_alloc(g->ctx, w.n * w.n, sizeof *w.l, &w.l);
    }
    if (status != PARE_OK) {
        pare_whiten_clear(&w);
        return status;
    }
    *out = w;
    return PARE_OK;
}

pare_status pare_whiten_factor(pare_whiten *w, const float *k, double h) {
    w->h = k || w->background ? h : 0;
    if (w->h == 0 || w->background) {
        return PARE_OK;
    }
    for (int64_t i = 0; i < w->n; i++) {
        const float *row = k + w->row[i] * w->g->used;
        for (int64_t j = 0; j < w->n; j++) {
            double weight = w->root ? h * w->root[i] * w->root[j] : h;
            w->l[i * w->n + j] = weight * (double)row[w->row[j]] + (i == j ? 1 - h : 0);
        }
    }
    if (pare_cholesky(w->n, w->l, w->n) != 0) {
        return pare_fail(w->ctx, PARE_ERROR_NUMERIC,
                         "the covariance of the samples is not positive definite");
    }
    return PARE_OK;
}

static void weigh(const pare_whiten *w, double *v) {
    for (int64_t i = 0; w->root && i < w->n; i++) {
        v[i] *= w->root[i];
    }
}

static pare_status solve(const pare_whiten *w, bool transpose, double *v) {
    if (w->h > 0 && w->background) {
        return pare_background_root(w, v, NULL);
    }
    if (w->h > 0) {
        pare_triangle_solve(transpose, w->n, w->l, w->n, v);
    }
    return PARE_OK;
}

pare_status pare_whiten_apply(const pare_whiten *w, double *v) {
    weigh(w, v);
    return solve(w, false, v);
}

pare_status pare_whiten_back(const pare_whiten *w, double *v) {
    pare_status status = solve(w, true, v);
    weigh(w, v);
    return status;
}

pare_status pare_whiten_both(const pare_whiten *w, double *v, double *back) {
    weigh(w, v);
    pare_status status = pare_background_root(w, v, back);
    weigh(w, back);
    return status;
}

pare_status pare_whiten_correlate_back(const pare_whiten *w, int limbs, int64_t vectors,
                                       const double *back, double *out) {
    const int64_t samples = w->g->samples;
    double *r = NULL;
    pare_status status = pare_alloc_zero(w->ctx, vectors * samples, sizeof *r, &r);
    for (int64_t c = 0; c < vectors && status == PARE_OK; c++) {
        for (int64_t i = 0; i < w->n; i++) {
            r[c * samples + w->sample[i]] = back[c * w->n + i];
        }
    }
    if (status == PARE_OK) {
        status = pare_genotypes_correlate(w->g, limbs, vectors, r, out);
    }
    pare_free(w->ctx, r);
    return status;
}

pare_status pare_whiten_correlate(const pare_whiten *w, int limbs, int64_t vectors, const double *v,
                                  double *out) {
    double *back = NULL;
    pare_status status = pare_alloc(w->ctx, vectors * w->n, sizeof *back, &back);
    for (int64_t c = 0; c < vectors && status == PARE_OK; c++) {
        memcpy(back + c * w->n, v + c * w->n, (size_t)w->n * sizeof *back);
        status = pare_whiten_back(w, back + c * w->n);
    }
    if (status == PARE_OK) {
        status = pare_whiten_correlate_back(w, limbs, vectors, back, out);
    }
    pare_free(w->ctx, back);
    return status;
}

pare_status pare_whiten_column(const pare_whiten *w, int64_t kept, double *out) {
    float *whole = NULL;
    pare_status status = pare_alloc(w->ctx, w->g->samples, sizeof *whole, &whole);
    if (status != PARE_OK) {
        return status;
    }
    pare_genotypes_fetch(w->g, 1, &kept, NULL, whole);
    for (int64_t i = 0; i < w->n; i++) {
        out[i] = (double)whole[w->sample[i]];
    }
    pare_free(w->ctx, whole);
    return PARE_OK;
}

pare_status pare_whiten_factor_float(const pare_whiten *w, float **out) {
    *out = NULL;
    if (w->h == 0 || w->background) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(w->ctx, w->n * w->n, sizeof **out, out);
    for (int64_t i = 0; i < w->n * w->n && status == PARE_OK; i++) {
        (*out)[i] = (float)w->l[i];
    }
    return status;
}

void pare_whiten_columns(const pare_whiten *w, const float *l, int64_t count, const int64_t *number,
                         float *whole, float *z) {
    const float scale = w->h > 0 && w->background ? (float)sqrt(w->ratio) : 1;
    for (int64_t c = 0; c < count; c++) {
        pare_genotypes_fetch(w->g, 1, &number[c], NULL, whole);
        for (int64_t i = 0; i < w->n; i++) {
            z[c * w->n + i] = scale * whole[w->sample[i]] * (w->root ? (float)w->root[i] : 1);
        }
    }
    if (l) {
        pare_rows_solve(count, w->n, l, w->n, z, w->n);
    }
}

void pare_whiten_gram(const pare_whiten *w, const float *l, int64_t count, const int64_t *number,
                      float *whole, float *z, float *square, double *gram) {
    pare_whiten_columns(w, l, count, number, whole, z);
    pare_gemm(false, true, count, count, w->n, 1, z, w->n, z, w->n, 0, square, count);
    for (int64_t i = 0; i < count * count; i++) {
        gram[i] = (double)square[i];
    }
}

void pare_gram_take_out(int64_t count, const int64_t *number, const double *along, double *gram) {
    for (int64_t a = 0; a < count; a++) {
        for (int64_t b = 0; b < count; b++) {
            gram[a * count + b] -= along[number[a]] * along[number[b]];
        }
    }
}

/* ---- Squared norms -------------------------------------------------------------------------- */

typedef struct squares {
    const pare_whiten *w;
    float *l;     /* (n, n) the factor in float: squares are wrong by 1e-5 at most */
    float *whole; /* (LANES, samples) */
    float *z;     /* (LANES, VARIANTS_A_BLOCK, n) */
    double *out;
} squares;

/* Every LANES-th block of variants. */
static void squares_task(void *argument, int64_t lane) {
    const squares *s = argument;
    const pare_whiten *w = s->w;
    const pare_genotypes *g = w->g;
    float *whole = s->whole + lane * g->samples, *z = s->z + lane * VARIANTS_A_BLOCK * w->n;
    int64_t number[VARIANTS_A_BLOCK];
    for (int64_t j = lane * VARIANTS_A_BLOCK; j < g->kept; j += LANES * VARIANTS_A_BLOCK) {
        int64_t count = g->kept - j < VARIANTS_A_BLOCK ? g->kept - j : VARIANTS_A_BLOCK;
        for (int64_t c = 0; c < count; c++) {
            number[c] = j + c;
        }
        pare_whiten_columns(w, s->l, count, number, whole, z);
        for (int64_t c = 0; c < count; c++) {
            s->out[j + c] = w->ctx->kernels->dot_double(w->n, z + c * w->n, z + c * w->n);
        }
    }
}

static pare_status weighted_squares(const pare_whiten *w, double *out) {
    double *weight = NULL;
    pare_status status = pare_alloc_zero(w->ctx, w->g->samples, sizeof *weight, &weight);
    if (status == PARE_OK) {
        for (int64_t i = 0; i < w->n; i++) {
            weight[w->sample[i]] = w->root[i] * w->root[i];
        }
        status = pare_genotypes_weighted_squares(w->g, weight, out);
    }
    pare_free(w->ctx, weight);
    return status;
}

static pare_status plain_squares(const pare_whiten *w, double *out) {
    if (w->root) {
        return weighted_squares(w, out);
    }
    bool *some = NULL;
    pare_status status = pare_alloc_zero(w->ctx, w->g->samples, sizeof *some, &some);
    if (status == PARE_OK) {
        for (int64_t i = 0; i < w->n; i++) {
            some[w->sample[i]] = true;
        }
        status = pare_genotypes_squares(w->g, some, out);
    }
    pare_free(w->ctx, some);
    return status;
}

pare_status pare_whiten_squares(const pare_whiten *w, double *out) {
    if (w->h == 0 || w->background) {
        pare_status status = plain_squares(w, out);
        for (int64_t j = 0; w->h > 0 && status == PARE_OK && j < w->g->kept; j++) {
            out[j] *= w->ratio;
        }
        return status;
    }
    squares s = {.w = w, .out = out};
    pare_status status = pare_whiten_factor_float(w, &s.l);
    if (status == PARE_OK) {
        status = pare_alloc(w->ctx, LANES * w->g->samples, sizeof *s.whole, &s.whole);
    }
    if (status == PARE_OK) {
        status = pare_alloc(w->ctx, LANES * VARIANTS_A_BLOCK * w->n, sizeof *s.z, &s.z);
    }
    if (status == PARE_OK) {
        pare_pool_run(w->ctx->pool, LANES, squares_task, &s);
    }
    pare_free(w->ctx, s.l);
    pare_free(w->ctx, s.whole);
    pare_free(w->ctx, s.z);
    return status;
}
