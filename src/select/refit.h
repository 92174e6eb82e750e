/* The least value of the certified problem on a given subset. Private to the certificate files. */
#ifndef PARE_SELECT_REFIT_H
#define PARE_SELECT_REFIT_H

#include "select/dual.h"

typedef struct pare_refit {
    const pare_certified_problem *problem;
    pare_dual *dual; /* borrowed; its intercept is that of the last fit */
    int64_t capacity, columns;
    int64_t *wanted; /* (capacity) */
    float *x;        /* (capacity, rows) */
    double *mean;    /* (capacity) weighted column means where there is an intercept, else 0 */
    double *w;       /* (capacity, outputs) answer */
    double *z, *p;   /* (outputs, rows): X w without intercept; prediction */
    double *product; /* (outputs, rows) scratch */
    double *error;   /* (rows) of z */
    double *gram;    /* (capacity, capacity) factor of the preconditioner */
    double *gradient, *direction, *residual, *image, *solved, *step; /* (capacity, outputs) */
    double *block; /* (outputs, outputs + 1) intercept block of the Hessian */
} pare_refit;

pare_status pare_refit_init(const pare_certified_problem *problem, pare_dual *dual,
                            int64_t capacity, pare_refit *out) PARE_MUST_CHECK;
void pare_refit_clear(pare_refit *refit);

/*
 * Fits the subset, whose columns must fit the capacity. Newton's method on the problem with the
 * intercept minimised out; each step by conjugate gradients, preconditioned with the Cholesky
 * factor of curvature * X' V X + ridge (centred). For the squared loss that factor is exact: one
 * step, and no iteration. *loss: F, rounded up: valid for the w found, whether or not Newton's
 * method has converged.
 */
pare_status pare_refit_run(pare_refit *refit, int64_t count, const int64_t *subset,
                           double *loss) PARE_MUST_CHECK;

/* Columns of the given candidates together. */
int64_t pare_subset_columns(const pare_certified_problem *problem, int64_t count,
                            const int64_t *subset);

#endif
