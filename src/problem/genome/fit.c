#include "kernels/blas.h"
#include "problem/genome/genome.h"

#include <math.h>
#include <string.h>

enum { NEWTON_STEPS = 50 };

void pare_mixed_fit_clear(pare_mixed_fit *fit) {
    if (fit->ctx) {
        pare_free(fit->ctx, fit->effect);
        pare_free(fit->ctx, fit->error);
        pare_free(fit->ctx, fit->residual);
    }
    *fit = (pare_mixed_fit){0};
}

/* Columns of fixed effects and picks, whitened: (count + picks, n). */
static pare_status whitened_columns(const pare_whiten *w, int64_t count, const double *fixed,
                                    int64_t picks, const int64_t *pick, double *out) {
    memcpy(out, fixed, (size_t)(count * w->n) * sizeof *out);
    pare_status status = PARE_OK;
    for (int64_t k = 0; k < picks && status == PARE_OK; k++) {
        status = pare_whiten_column(w, pick[k], out + (count + k) * w->n);
    }
    for (int64_t c = 0; c < count + picks && status == PARE_OK; c++) {
        status = pare_whiten_apply(w, out + c * w->n);
    }
    return status;
}

pare_status pare_mixed_fit_create(const pare_whiten *w, int64_t count, const double *fixed,
                                  int64_t picks, const int64_t *pick, const double *y,
                                  pare_mixed_fit *out) {
    *out = (pare_mixed_fit){0};
    pare_context *ctx = w->ctx;
    const int64_t n = w->n, all = count + picks;
    pare_mixed_fit fit = {.ctx = ctx, .h = w->h, .fixed = count, .picks = picks};
    double *columns = NULL, *product = NULL, *inverse = NULL;
    pare_status status = pare_alloc(ctx, all * n, sizeof(double), &columns);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, all * all, sizeof(double), &product);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, all * all, sizeof(double), &inverse);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, all, sizeof(double), &fit.effect);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, all, sizeof(double), &fit.error);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, n, sizeof(double), &fit.residual);
    }
    if (status == PARE_OK) {
        status = whitened_columns(w, count, fixed, picks, pick, columns);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    memcpy(fit.residual, y, (size_t)n * sizeof(double));
    status = pare_whiten_apply(w, fit.residual);
    if (status != PARE_OK) {
        goto fail;
    }
    pare_gemm_double(false, true, all, all, n, 1, columns, n, columns, n, 0, product, all);
    pare_gemm_double(false, true, all, 1, n, 1, columns, n, fit.residual, n, 0, fit.effect, 1);
    if (pare_cholesky(all, product, all) != 0) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "covariates and chosen variants are collinear");
        goto fail;
    }
    pare_cholesky_solve(all, 1, product, all, fit.effect, 1);
    for (int64_t c = 0; c < all; c++) {
        inverse[c * all + c] = 1;
    }
    pare_cholesky_solve(all, all, product, all, inverse, all);
    pare_gemm_double(true, false, n, 1, all, -1, columns, n, fit.effect, 1, 1, fit.residual, 1);
    double rss = 0;
    for (int64_t i = 0; i < n; i++) {
        rss += fit.residual[i] * fit.residual[i];
    }
    fit.sigma2 = rss / (double)(n > all ? n - all : 1);
    for (int64_t c = 0; c < all; c++) {
        fit.error[c] = sqrt(fit.sigma2 * inverse[c * all + c]);
    }
    status = pare_whiten_back(w, fit.residual);
    if (status == PARE_OK) {
        *out = fit;
        fit = (pare_mixed_fit){0};
    }
fail:
    pare_free(ctx, columns);
    pare_free(ctx, product);
    pare_free(ctx, inverse);
    pare_mixed_fit_clear(&fit);
    return status;
}

pare_status pare_mixed_weights(const pare_whiten *w, const pare_mixed_fit *fit, const int64_t *pick,
                               double *weight) {
    const pare_genotypes *g = w->g;
    double *r = NULL;
    memset(weight, 0, (size_t)g->kept * sizeof *weight);
    pare_status status = PARE_OK;
    if (w->h > 0) {
        /* The variants of the background stand at the end of `weight`, then in their places. */
        const pare_background *b = w->background;
        const pare_genotypes *of = b ? &b->view : g;
        double *shared = weight + (g->kept - of->kept);
        status = pare_alloc_zero(w->ctx, g->samples, sizeof *r, &r);
        for (int64_t i = 0; i < w->n && status == PARE_OK; i++) {
            r[w->sample[i]] = fit->residual[i];
        }
        status = status == PARE_OK ? pare_genotypes_correlate(of, 3, 1, r, shared) : status;
        const double variance = pare_relationship_variance(of);
        for (int64_t c = 0; c < of->kept && status == PARE_OK; c++) {
            double value = variance > 0 ? w->h * shared[c] / ((double)of->kept * variance) : 0;
            shared[c] = 0;
            weight[b ? b->number[c] : c] = value; /* number[c] is at most where c stood */
        }
        pare_free(w->ctx, r);
    }
    for (int64_t k = 0; k < fit->picks; k++) {
        weight[pick[k]] += fit->effect[fit->fixed + k];
    }
    return status;
}

pare_status pare_log_odds_fit(pare_context *ctx, int64_t n, int64_t count, const double *x,
                              const double *y, double *effect, double *error, bool *good) {
    double *weighted = NULL, *hessian = NULL, *step = NULL;
    *good = false;
    pare_status status = pare_alloc(ctx, (count + 1) * n, sizeof(double), &weighted);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count * count, sizeof(double), &hessian);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count * (count + 1), sizeof(double), &step);
    }
    for (int64_t c = 0; c < count && status == PARE_OK; c++) {
        effect[c] = 0;
        error[c] = (double)NAN;
    }
    for (int turn = 0; turn < NEWTON_STEPS && status == PARE_OK && !*good; turn++) {
        double *rest = weighted + count * n, largest = 0;
        for (int64_t i = 0; i < n; i++) {
            double eta = 0;
            for (int64_t c = 0; c < count; c++) {
                eta += effect[c] * x[c * n + i];
            }
            double chance = 1 / (1 + exp(-eta)), w = chance * (1 - chance);
            rest[i] = y[i] - chance;
            for (int64_t c = 0; c < count; c++) {
                weighted[c * n + i] = w * x[c * n + i];
            }
        }
        pare_gemm_double(false, true, count, count, n, 1, weighted, n, x, n, 0, hessian, count);
        if (pare_cholesky(count, hessian, count) != 0) {
            break;
        }
        memset(step, 0, (size_t)(count * (count + 1)) * sizeof *step);
        pare_gemm_double(false, true, count, 1, n, 1, x, n, rest, n, 0, step, 1);
        pare_cholesky_solve(count, 1, hessian, count, step, 1);
        for (int64_t c = 0; c < count; c++) {
            effect[c] += step[c];
            largest = fmax(largest, fabs(step[c]));
        }
        *good = largest < 1e-8;
        if (*good) {
            double *inverse = step + count;
            for (int64_t c = 0; c < count; c++) {
                inverse[c * count + c] = 1;
            }
            pare_cholesky_solve(count, count, hessian, count, inverse, count);
            for (int64_t c = 0; c < count; c++) {
                error[c] = sqrt(inverse[c * count + c]);
            }
        }
    }
    pare_free(ctx, weighted);
    pare_free(ctx, hessian);
    pare_free(ctx, step);
    return status;
}
