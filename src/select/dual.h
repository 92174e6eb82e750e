/* The losses of certificates and their conjugates: predictions, dual points, values with rounding
 * errors on the safe side. Private to the certificate files; mathematics in certificate.h. */
#ifndef PARE_SELECT_DUAL_H
#define PARE_SELECT_DUAL_H

#include "select/certificate.h"

/* Unit roundoff of double. */
#define PARE_ROUNDOFF 0x1p-53

/* Scratch of the functions below. */
typedef struct pare_dual {
    const pare_certified_problem *problem;
    double *intercept; /* (outputs) warm start and answer of predict */
    int64_t *unit;     /* (outputs, rows) */
    double *newton;    /* (outputs, outputs + 2) */
    double *row;       /* (outputs) */
} pare_dual;

pare_status pare_dual_init(const pare_certified_problem *problem, pare_dual *out) PARE_MUST_CHECK;
void pare_dual_clear(pare_dual *dual);

static inline double pare_row_weight(const pare_certified_problem *problem, int64_t i) {
    return problem->design->weight ? problem->design->weight[i] : 1.0;
}

/*
 * Minimises the loss over the intercept at z = X w: z, p: (outputs, rows); p gets the prediction
 * (squared: z + b, else the probability), dual->intercept b. Returns the loss, not rounded safely.
 */
double pare_dual_predict(pare_dual *dual, const double *z, double *p);

/* alpha = v (p - y); p = alpha allowed. */
void pare_dual_alpha(const pare_dual *dual, const double *p, double *alpha);

/* Moves alpha to the nearest points where all sums that must be zero are exactly zero and p lies in
 * its domain; false if it cannot. */
bool pare_dual_round(pare_dual *dual, double *alpha);

/* A lower bound of -sum_i v_i l*(y_i, alpha_i / v_i) for alpha from pare_dual_round. */
double pare_dual_conjugate(const pare_dual *dual, const double *alpha);

/* <y, alpha> and sum_i |alpha_i|^2 / v_i: for the squared loss the value along t alpha is
 * -t <y, alpha> - t^2 (sum + max / ridge) / 2. */
void pare_dual_products(const pare_dual *dual, const double *alpha, double *linear,
                        double *quadratic);

/* An upper bound of sum_i v_i l(y_i, z_i + b) where z is known to within error (rows), for every
 * output. */
double pare_dual_loss(const pare_dual *dual, const double *z, const double *error);

/* Curvature of the loss in z: 1, 1/4, 1/2. */
double pare_dual_curvature(const pare_certified_problem *problem);

#endif
