/*
 * Knockoff copies of columns (Barber and Candes 2015; Candes, Fan, Janson, Lv 2018, "model-X") and
 * the threshold that controls the false discovery rate. Everything is dense: meant for up to a few
 * thousand columns.
 */
#ifndef PARE_SELECT_KNOCKOFFS_H
#define PARE_SELECT_KNOCKOFFS_H

#include "base/context.h"

/*
 * Correlations of the columns of x (rows, columns) row-major, each of mean 0 and mean square 1,
 * shrunk towards the identity by the weight of Ledoit and Wolf 2004 (returned in *shrinkage), or
 * not at all (`plain`): sigma (columns, columns). Cost: rows * columns^2.
 */
void pare_knockoff_covariance(int64_t rows, int64_t columns, const double *x, bool plain,
                              double *sigma, double *shrinkage);

/*
 * The diagonal s of the difference between the covariance of a column with itself and with its
 * copy, 0 < s, 2 sigma - diag(s) positive definite. equicorrelated: min(1, 2 lambda_min) for all.
 * Otherwise minimum variance-based reconstructability (Spector and Janson 2022): the least
 * tr((2 sigma - S)^-1) + tr(S^-1) by coordinate descent; with D the inverse and v its column j,
 * s_j moves by (1 - |v| s_j) / (|v| + v_j) (derived by setting the derivative to zero). Errors:
 * PARE_ERROR_NUMERIC where sigma is singular. Cost: columns^3 a sweep.
 */
pare_status pare_knockoff_distances(pare_context *ctx, int64_t columns, const double *sigma,
                                    bool equicorrelated, double *s) PARE_MUST_CHECK;

/*
 * Copies of x: out (rows, columns). Gaussian: row by row from the normal law of the copies given
 * the originals, mean x - x sigma^-1 S, covariance 2 S - S sigma^-1 S. fixed: the same mean plus U
 * C with C'C that matrix times rows and U orthonormal, orthogonal to all columns and to constants
 * (needs rows > 2 columns), so that the Gram matrix of originals and copies is exact.
 */
pare_status pare_knockoff_copies(pare_context *ctx, int64_t rows, int64_t columns, const double *x,
                                 const double *sigma, const double *s, bool fixed, uint64_t seed,
                                 double *out) PARE_MUST_CHECK;

/* The knockoff+ threshold: the least t > 0 among |w| with (1 + #{w <= -t}) <= q #{w >= t};
 * INFINITY if there is none. Cost: count log count and scratch (count). */
double pare_knockoff_threshold(int64_t count, const double *w, double q, double *scratch);

#endif
