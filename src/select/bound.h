/* The value of a dual point over the whole design, and what it says about each candidate. Private
 * to the certificate files. */
#ifndef PARE_SELECT_BOUND_H
#define PARE_SELECT_BOUND_H

#include "select/relaxation.h"

typedef struct pare_bound {
    const pare_certified_problem *problem;
    pare_dual *dual;          /* borrowed */
    double *product;          /* (outputs, columns) */
    double *gain;             /* (candidates) u_j of the last evaluation; 0 where fixed to 0 */
    pare_knapsack_item *item; /* (candidates) */
    double *total_gain, *total_cost;  /* (candidates + 1) running totals of sorted items */
    double conjugate, largest, price; /* of the last evaluation */
} pare_bound;

pare_status pare_bound_init(const pare_certified_problem *problem, pare_dual *dual,
                            pare_bound *out) PARE_MUST_CHECK;
void pare_bound_clear(pare_bound *bound);

/* D(alpha) in float, without safe rounding, for the ascent. For the squared loss alpha is scaled to
 * the best point of its ray. One pass over the design. */
pare_status pare_bound_glance(pare_bound *bound, const int8_t *fixed, double *alpha,
                              double *value) PARE_MUST_CHECK;

/*
 * A safe lower bound of D(alpha); alpha is rounded in place (pare_dual_round); -INFINITY where it
 * cannot be. One pass over the design in double; none if `members` is given, which must then hold
 * every candidate that is not fixed to 0.
 */
pare_status pare_bound_prove(pare_bound *bound, const int8_t *fixed, const pare_relaxation *members,
                             double *alpha, double *value) PARE_MUST_CHECK;

/*
 * Verdicts from the last pare_bound_prove with the same `fixed`: verdict[j] is set, for free
 * candidates only, to PARE_VERDICT_NONE (EVERY) where the bound with s_j = 1 (s_j = 0) exceeds
 * `upper`, a value that some subset reaches (Atamturk and Gomez 2020, safe screening). Returns how
 * many were set.
 */
int64_t pare_bound_verdicts(pare_bound *bound, const int8_t *fixed, double upper, int8_t *verdict);

#endif
