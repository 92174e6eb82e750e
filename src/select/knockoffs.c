#include "select/knockoffs.h"
#include "base/random.h"
#include "kernels/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEPS = 30, POWER_STEPS = 500 };
static const double sweep_tolerance = 1e-3; /* largest relative move of an s_j */
/* Room between s and what would make the joint covariance singular. */
static const double margin = 1e-6;

void pare_knockoff_covariance(int64_t rows, int64_t columns, const double *x, bool plain,
                              double *sigma, double *shrinkage) {
    double n = (double)rows, d = (double)columns;
    pare_gemm_double(true, false, columns, columns, rows, 1 / n, x, columns, x, columns, 0, sigma,
                     columns);
    *shrinkage = 0;
    if (plain) {
        return;
    }
    /* Ledoit and Wolf with the identity as target: the mean variance is 1. */
    double square = 0, trace = 0, fourth = 0;
    for (int64_t a = 0; a < columns; a++) {
        trace += sigma[a * columns + a];
        for (int64_t b = 0; b < columns; b++) {
            square += sigma[a * columns + b] * sigma[a * columns + b];
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        double length = 0;
        for (int64_t j = 0; j < columns; j++) {
            length += x[i * columns + j] * x[i * columns + j];
        }
        fourth += length * length;
    }
    double off = square - 2 * trace + d, noise = (fourth - n * square) / (n * n);
    *shrinkage = off > 0 ? fmax(0, fmin(1, noise / off)) : 1;
    for (int64_t a = 0; a < columns; a++) {
        for (int64_t b = 0; b < columns; b++) {
            sigma[a * columns + b] *= 1 - *shrinkage;
        }
        sigma[a * columns + a] += *shrinkage;
    }
}

/* Fills the inverse of 2 sigma - diag(s) (or sigma where s is NULL), both triangles. */
static bool invert(int64_t n, const double *sigma, const double *s, double *factor,
                   double *inverse) {
    for (int64_t at = 0; at < n * n; at++) {
        factor[at] = (s ? 2 : 1) * sigma[at];
        inverse[at] = 0;
    }
    for (int64_t j = 0; j < n; j++) {
        factor[j * n + j] -= s ? s[j] : 0;
        inverse[j * n + j] = 1;
    }
    if (pare_cholesky(n, factor, n) != 0) {
        return false;
    }
    pare_cholesky_solve(n, n, factor, n, inverse, n);
    return true;
}

/* Smallest eigenvalue of sigma from its inverse by power iteration, a little below the truth. */
static double least_eigenvalue(int64_t n, const double *inverse, double *v, double *w) {
    double value = 0;
    for (int64_t j = 0; j < n; j++) {
        v[j] = 1 + (double)(j % 7) * (j % 2 ? 1 : -1);
    }
    for (int step = 0; step < POWER_STEPS; step++) {
        double length = 0;
        for (int64_t a = 0; a < n; a++) {
            w[a] = 0;
            for (int64_t b = 0; b < n; b++) {
                w[a] += inverse[a * n + b] * v[b];
            }
            length += w[a] * w[a];
        }
        length = sqrt(length);
        for (int64_t a = 0; a < n; a++) {
            v[a] = w[a] / length;
        }
        if (fabs(length - value) < 1e-6 * length) {
            break;
        }
        value = length;
    }
    return value > 0 ? 0.99 / value : 0;
}

/* One sweep over s with rank-one updates of the inverse; the largest relative move. */
static double sweep(int64_t n, double *s, double *inverse, double *v) {
    double largest = 0;
    for (int64_t j = 0; j < n; j++) {
        double length = 0, own = inverse[j * n + j];
        for (int64_t a = 0; a < n; a++) {
            v[a] = inverse[a * n + j];
            length += v[a] * v[a];
        }
        length = sqrt(length);
        double move = (1 - length * s[j]) / (length + own);
        largest = fmax(largest, fabs(move) / s[j]);
        s[j] += move;
        double factor = move / (1 - move * own);
        for (int64_t a = 0; a < n; a++) {
            double scale = factor * v[a];
            for (int64_t b = 0; b < n; b++) {
                inverse[a * n + b] += scale * v[b];
            }
        }
    }
    return largest;
}

pare_status pare_knockoff_distances(pare_context *ctx, int64_t columns, const double *sigma,
                                    bool equicorrelated, double *s) {
    int64_t cells = 0;
    double *factor = NULL, *inverse = NULL, *v = NULL;
    if (!pare_checked_multiply(columns, columns, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: a covariance of %lld columns",
                         (long long)columns);
    }
    pare_status status = pare_alloc(ctx, cells, sizeof *factor, &factor);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, cells, sizeof *inverse, &inverse);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, 2 * columns, sizeof *v, &v);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    if (!invert(columns, sigma, NULL, factor, inverse)) {
        status = pare_fail(ctx, PARE_ERROR_NUMERIC,
                           "knockoffs: the covariance of the columns is singular: some are sums "
                           "of others; leave them out, or use more rows");
        goto fail;
    }
    double least = fmin(1, 2 * least_eigenvalue(columns, inverse, v, v + columns)) * (1 - margin);
    for (int64_t j = 0; j < columns; j++) {
        s[j] = equicorrelated ? least : 0.5 * least;
    }
    for (int n = 0; n < SWEEPS && !equicorrelated; n++) {
        /* Anew in each sweep: updates gather rounding errors. */
        if (!invert(columns, sigma, s, factor, inverse) ||
            sweep(columns, s, inverse, v) < sweep_tolerance) {
            break;
        }
    }
    /* Never at the edge: the copies' conditional covariance must stay positive definite. */
    while (!invert(columns, sigma, s, factor, inverse)) {
        for (int64_t j = 0; j < columns; j++) {
            s[j] *= 0.9;
        }
    }
    for (int64_t j = 0; j < columns; j++) {
        s[j] *= 1 - margin;
    }
fail:
    pare_free(ctx, factor);
    pare_free(ctx, inverse);
    pare_free(ctx, v);
    return status;
}

/* mean = x - x sigma^-1 S, and root: lower factor of 2 S - S sigma^-1 S. */
static pare_status conditional_law(pare_context *ctx, int64_t rows, int64_t n, const double *x,
                                   const double *sigma, const double *s, double *mean,
                                   double *root) {
    double *inverse = NULL;
    pare_status status = pare_alloc(ctx, n * n, sizeof *inverse, &inverse);
    if (status != PARE_OK) {
        return status;
    }
    if (!invert(n, sigma, NULL, root, inverse)) {
        pare_free(ctx, inverse);
        return pare_fail(ctx, PARE_ERROR_NUMERIC, "knockoffs: the covariance is singular");
    }
    for (int64_t a = 0; a < n; a++) {
        for (int64_t b = 0; b < n; b++) {
            root[a * n + b] = -s[a] * inverse[a * n + b] * s[b];
            inverse[a * n + b] *= s[b]; /* now sigma^-1 S */
        }
        root[a * n + a] += 2 * s[a];
    }
    memcpy(mean, x, (size_t)(rows * n) * sizeof *mean);
    pare_gemm_double(false, false, rows, n, n, -1, x, n, inverse, n, 1, mean, n);
    double add = 1e-12;
    memcpy(inverse, root, (size_t)(n * n) * sizeof *inverse);
    while (pare_cholesky(n, root, n) != 0) { /* positive definite but for rounding */
        memcpy(root, inverse, (size_t)(n * n) * sizeof *inverse);
        for (int64_t j = 0; j < n; j++) {
            root[j * n + j] += add;
        }
        add *= 10;
    }
    for (int64_t a = 0; a < n; a++) {
        for (int64_t b = a + 1; b < n; b++) {
            root[a * n + b] = 0;
        }
    }
    pare_free(ctx, inverse);
    return PARE_OK;
}

/* Makes u (rows, n) orthonormal and orthogonal to x and to constants, scaled by sqrt(rows). */
static pare_status orthogonalise(pare_context *ctx, int64_t rows, int64_t n, const double *x,
                                 double *u) {
    double *gram = NULL, *product = NULL;
    pare_status status = pare_alloc(ctx, n * n, sizeof *gram, &gram);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, n * n, sizeof *product, &product);
    }
    bool good = status == PARE_OK;
    for (int pass = 0; good && pass < 2; pass++) { /* twice is enough */
        for (int64_t j = 0; j < n; j++) {
            double mean = 0;
            for (int64_t i = 0; i < rows; i++) {
                mean += u[i * n + j] / (double)rows;
            }
            for (int64_t i = 0; i < rows; i++) {
                u[i * n + j] -= mean;
            }
        }
        pare_gemm_double(true, false, n, n, rows, 1, x, n, x, n, 0, gram, n);
        pare_gemm_double(true, false, n, n, rows, 1, x, n, u, n, 0, product, n);
        good = pare_cholesky(n, gram, n) == 0;
        if (good) {
            pare_cholesky_solve(n, n, gram, n, product, n);
            pare_gemm_double(false, false, rows, n, n, -1, x, n, product, n, 1, u, n);
            pare_gemm_double(true, false, n, n, rows, 1 / (double)rows, u, n, u, n, 0, gram, n);
            good = pare_cholesky(n, gram, n) == 0;
        }
        /* u := u L^-T, row by row: L y = u_i. */
        for (int64_t i = 0; good && i < rows; i++) {
            for (int64_t a = 0; a < n; a++) {
                double sum = u[i * n + a];
                for (int64_t b = 0; b < a; b++) {
                    sum -= gram[a * n + b] * u[i * n + b];
                }
                u[i * n + a] = sum / gram[a * n + a];
            }
        }
    }
    pare_free(ctx, gram);
    pare_free(ctx, product);
    return status == PARE_OK && !good
               ? pare_fail(ctx, PARE_ERROR_NUMERIC,
                           "fixed-X knockoffs: the columns are linearly dependent")
               : status;
}

pare_status pare_knockoff_copies(pare_context *ctx, int64_t rows, int64_t columns, const double *x,
                                 const double *sigma, const double *s, bool fixed, uint64_t seed,
                                 double *out) {
    double *root = NULL, *noise = NULL;
    pare_status status = pare_alloc(ctx, columns * columns, sizeof *root, &root);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, rows * columns, sizeof *noise, &noise);
    }
    if (status == PARE_OK) {
        status = conditional_law(ctx, rows, columns, x, sigma, s, out, root);
    }
    for (int64_t at = 0; status == PARE_OK && at < rows * columns; at++) {
        noise[at] = pare_random_normal(seed, PARE_STREAM_KNOCKOFFS, (uint64_t)at);
    }
    if (status == PARE_OK && fixed) {
        status = orthogonalise(ctx, rows, columns, x, noise);
    }
    if (status == PARE_OK) {
        /* noise times L': rows of covariance L L'. */
        pare_gemm_double(false, true, rows, columns, columns, 1, noise, columns, root, columns, 1,
                         out, columns);
    }
    pare_free(ctx, root);
    pare_free(ctx, noise);
    return status;
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double pare_knockoff_threshold(int64_t count, const double *w, double q, double *scratch) {
    for (int64_t j = 0; j < count; j++) {
        scratch[j] = fabs(w[j]);
    }
    qsort(scratch, (size_t)count, sizeof *scratch, rising);
    for (int64_t i = 0; i < count; i++) {
        double t = scratch[i];
        if (!(t > 0) || (i > 0 && t == scratch[i - 1])) {
            continue;
        }
        double above = 0, below = 0;
        for (int64_t j = 0; j < count; j++) {
            above += w[j] >= t;
            below += w[j] <= -t;
        }
        if (above > 0 && 1 + below <= q * above * (1 + 1e-12)) {
            return t;
        }
    }
    return INFINITY;
}
