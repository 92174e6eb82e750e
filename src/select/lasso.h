/* Exact group lasso for least squares, against a design matrix. */
#ifndef PARE_SELECT_LASSO_H
#define PARE_SELECT_LASSO_H

#include "select/design.h"

/*
 * Minimises over W (columns, m), with n the sum of the row weights,
 *
 *     sum_i weight_i |y_i - x_i W|^2 / (2 n)  +  ridge |W|^2 / 2  +  sum_c lambda_c |W_c|_F
 *
 * (Yuan and Lin 2006; several responses: Obozinski, Taskar, Jordan 2010) by block coordinate
 * descent on the candidates that have ever been active (Friedman, Hastie, Tibshirani 2010,
 * "covariance updates"): only the products of active columns with all columns are kept, so a
 * solution on known columns costs no pass over the data, and new ones cost one pass for up to 16
 * columns. Unpenalised candidates (lambda 0) are solved for together by Cholesky.
 */
typedef struct pare_lasso pare_lasso;

/* design: borrowed until destroy. response: (m, rows), centred, in the rows' order; read here
 * only. ridge >= 0. Cost: one pass over the data. */
pare_status pare_lasso_create(pare_context *ctx, const pare_design *design, int64_t m,
                              const double *response, double ridge,
                              pare_lasso **out) PARE_MUST_CHECK;

/*
 * Solves, warm from the last call. lambda: (candidates), >= 0, INFINITY: held at 0. norm, slope:
 * (candidates), |W_c|_F and the norm of the gradient of the first two terms: slope_c = lambda_c
 * where norm_c > 0, slope_c <= lambda_c elsewhere (to about 1e-6 of the largest). Memory: 8
 * (columns + m) bytes for each column that has been active. Errors: PARE_ERROR_MEMORY.
 */
pare_status pare_lasso_solve(pare_lasso *lasso, const double *lambda, double *norm,
                             double *slope) PARE_MUST_CHECK;

/* Accepts NULL. */
void pare_lasso_destroy(pare_lasso *lasso);

#endif
