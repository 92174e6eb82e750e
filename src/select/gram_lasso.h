/* Sparse least squares from products alone: lasso with a cross-validated penalty, and the order in
 * which orthogonal matching pursuit takes columns. Dense; for a few thousand columns. */
#ifndef PARE_SELECT_GRAM_LASSO_H
#define PARE_SELECT_GRAM_LASSO_H

#include "base/context.h"

/*
 * size (columns): Euclidean norm over the m responses of the coefficients that minimise
 *     |y - X b|^2 / (2 rows) + lambda sum_j |b_j|,
 * x (rows, columns) row-major with columns of mean 0 and mean square 1, y (rows, m) of mean 0;
 * lambda, from 30 values between that which gives 0 and 1/100 of it, is the one with the least
 * squared error in 5-fold cross-validation (folds by seed; a fold's path
 * ends 5 values after its least error). Coordinate descent on products
 * (Friedman, Hastie, Tibshirani 2010). Memory: 2 columns^2 doubles.
 */
pare_status pare_gram_lasso(pare_context *ctx, int64_t rows, int64_t columns, const double *x,
                            int64_t m, const double *y, uint64_t seed,
                            double *size) PARE_MUST_CHECK;

/* entry (columns): steps - rank for the first `steps` columns that orthogonal matching pursuit
 * takes, rank from 0; 0 for the others. */
pare_status pare_gram_entry(pare_context *ctx, int64_t rows, int64_t columns, const double *x,
                            int64_t m, const double *y, int64_t steps,
                            double *entry) PARE_MUST_CHECK;

#endif
