#include "kernels/blas.h"
#include "problem/genome/genome.h"

#include <math.h>
#include <string.h>

enum { GRID = 15, BRENT_STEPS = 25, LAPACK_BLOCK = 64 };
#define SHARE_MAX       0.999
#define SHARE_TOLERANCE 1e-4

void pare_spectrum_clear(pare_spectrum *s) {
    if (s->ctx) {
        pare_free(s->ctx, s->a);
        pare_free(s->ctx, s->diagonal);
        pare_free(s->ctx, s->off);
        pare_free(s->ctx, s->tau);
    }
    *s = (pare_spectrum){0};
}

pare_status pare_spectrum_create(pare_context *ctx, const float *k_all, int64_t k_stride, int64_t n,
                                 const int64_t *row, const double *root, pare_spectrum *out) {
    *out = (pare_spectrum){0};
    pare_spectrum s = {.ctx = ctx, .n = n, .root = root};
    double *work = NULL;
    pare_status status = pare_alloc(ctx, n * n, sizeof *s.a, &s.a);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, n, sizeof *s.diagonal, &s.diagonal);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, n, sizeof *s.off, &s.off);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, n, sizeof *s.tau, &s.tau);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, LAPACK_BLOCK * n, sizeof *work, &work);
    }
    if (status != PARE_OK) {
        pare_spectrum_clear(&s);
        return status;
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            double weight = root ? root[i] * root[j] : 1;
            s.a[i * n + j] = weight * (double)k_all[row[i] * k_stride + row[j]];
        }
    }
    pare_tridiagonal(n, s.a, s.diagonal, s.off, s.tau, work);
    pare_free(ctx, work);
    *out = s;
    return PARE_OK;
}

/* ---- The restricted likelihood -------------------------------------------------------------- */

typedef struct likelihood {
    const pare_spectrum *s;
    int64_t count;   /* fixed effects */
    double *turned;  /* (count + 1, n): Q' of the fixed effects and of y */
    double *solved;  /* (count + 1, n) */
    double *pivot;   /* (n) */
    double *product; /* (count + 1, count + 1) */
} likelihood;

/* solved = (h T + (1 - h) I)^-1 turned; returns the log determinant, NaN if not positive. */
static double solve_tridiagonal(const likelihood *w, double h) {
    const pare_spectrum *s = w->s;
    double logarithm = 0;
    for (int64_t i = 0; i < s->n; i++) {
        double low = i > 0 ? h * s->off[i - 1] : 0;
        w->pivot[i] = h * s->diagonal[i] + 1 - h - (i > 0 ? low * low / w->pivot[i - 1] : 0);
        if (!(w->pivot[i] > 1e-12)) {
            return (double)NAN;
        }
        logarithm += log(w->pivot[i]);
    }
    for (int64_t c = 0; c <= w->count; c++) {
        const double *in = w->turned + c * s->n;
        double *x = w->solved + c * s->n;
        x[0] = in[0];
        for (int64_t i = 1; i < s->n; i++) {
            x[i] = in[i] - h * s->off[i - 1] / w->pivot[i - 1] * x[i - 1];
        }
        x[s->n - 1] /= w->pivot[s->n - 1];
        for (int64_t i = s->n - 2; i >= 0; i--) {
            x[i] = x[i] / w->pivot[i] - h * s->off[i] / w->pivot[i] * x[i + 1];
        }
    }
    return logarithm;
}

/* -2 times the restricted log likelihood at its best variance, less constants. */
static double deviance(const void *argument, double h) {
    const likelihood *w = argument;
    const int64_t n = w->s->n, c = w->count, side = c + 1;
    double logarithm = solve_tridiagonal(w, h);
    if (isnan(logarithm)) {
        return INFINITY;
    }
    pare_gemm_double(false, true, side, side, n, 1, w->turned, n, w->solved, n, 0, w->product,
                     side);
    /* With y last, the last pivot of the factor is the root of the sum of squares. */
    if (pare_cholesky(side, w->product, side) != 0) {
        return INFINITY;
    }
    for (int64_t i = 0; i < c; i++) {
        logarithm += 2 * log(w->product[i * side + i]);
    }
    double root = w->product[c * side + c], free = (double)(n - c);
    return free * log(root * root / free) + logarithm;
}

/* Brent's minimisation (1973, chapter 5) on [low, high] from x. */
static double brent(double (*deviance_of)(const void *, double), const void *w, double low,
                    double high, double x) {
    const double golden = 0.3819660112501051;
    double v = x, u = 0, second = x, step = 0, before = 0;
    double fx = deviance_of(w, x), fv = fx, fw = fx;
    for (int i = 0; i < BRENT_STEPS; i++) {
        double middle = 0.5 * (low + high), tolerance = SHARE_TOLERANCE * 0.5;
        if (fabs(x - middle) <= 2 * tolerance - 0.5 * (high - low)) {
            break;
        }
        double r = (x - second) * (fx - fv), q = (x - v) * (fx - fw);
        double p = (x - v) * q - (x - second) * r;
        q = 2 * (q - r);
        p = q > 0 ? -p : p;
        q = fabs(q);
        if (fabs(before) > tolerance && fabs(p) < fabs(0.5 * q * before) && p > q * (low - x) &&
            p < q * (high - x)) {
            before = step;
            step = p / q;
        } else {
            before = x < middle ? high - x : low - x;
            step = golden * before;
        }
        u = x + (fabs(step) >= tolerance ? step : copysign(tolerance, step));
        double fu = deviance_of(w, u);
        if (fu <= fx) {
            *(u < x ? &high : &low) = x;
            v = second;
            fv = fw;
            second = x;
            fw = fx;
            x = u;
            fx = fu;
        } else {
            *(u < x ? &low : &high) = u;
            if (fu <= fw || second == x) {
                v = second;
                fv = fw;
                second = u;
                fw = fu;
            } else if (fu <= fv || v == x || v == second) {
                v = u;
                fv = fu;
            }
        }
    }
    return x;
}

bool pare_share_search(double (*deviance_of)(const void *argument, double h), const void *argument,
                       double *h) {
    int best = 0;
    double least = INFINITY;
    for (int i = 0; i <= GRID; i++) {
        double value = deviance_of(argument, SHARE_MAX * i / GRID);
        if (value < least) {
            least = value;
            best = i;
        }
    }
    *h = 0;
    if (!isfinite(least)) {
        return false;
    }
    double low = best > 0 ? SHARE_MAX * (best - 1) / GRID : 0;
    double high = best < GRID ? SHARE_MAX * (best + 1) / GRID : SHARE_MAX;
    double x = brent(deviance_of, argument, low, high, SHARE_MAX * best / GRID);
    *h = x < 2 * SHARE_TOLERANCE ? 0 : x;
    return true;
}

pare_status pare_reml(const pare_spectrum *s, int64_t count, const double *fixed, const double *y,
                      double *h) {
    const int64_t n = s->n;
    likelihood w = {.s = s, .count = count};
    double *work = NULL;
    pare_status status = pare_alloc(s->ctx, (count + 1) * n, sizeof(double), &w.turned);
    if (status == PARE_OK) {
        status = pare_alloc(s->ctx, (count + 1) * n, sizeof(double), &w.solved);
    }
    if (status == PARE_OK) {
        status = pare_alloc(s->ctx, n, sizeof(double), &w.pivot);
    }
    if (status == PARE_OK) {
        status = pare_alloc(s->ctx, (count + 1) * (count + 1), sizeof(double), &w.product);
    }
    if (status == PARE_OK) {
        status = pare_alloc(s->ctx, LAPACK_BLOCK * (count + 1), sizeof(double), &work);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    memcpy(w.turned, fixed, (size_t)(count * n) * sizeof(double));
    memcpy(w.turned + count * n, y, (size_t)n * sizeof(double));
    for (int64_t i = 0; s->root && i < (count + 1) * n; i++) {
        w.turned[i] *= s->root[i % n];
    }
    pare_tridiagonal_turn(n, s->a, s->tau, count + 1, w.turned, work);
    (void)pare_share_search(deviance, &w, h); /* no: no more samples than fixed effects */
fail:
    pare_free(s->ctx, w.turned);
    pare_free(s->ctx, w.solved);
    pare_free(s->ctx, w.pivot);
    pare_free(s->ctx, w.product);
    pare_free(s->ctx, work);
    return status;
}
