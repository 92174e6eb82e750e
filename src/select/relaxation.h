/*
 * The perspective relaxation on a working set of candidates, solved from the primal side:
 *
 *   min_w  f(w) + W(w),  f(w) = min_b sum_i v_i l(y_i, x_i' w + b),
 *   W(w) = min { (ridge / 2) sum_j |w_j|^2 / s_j : 0 <= s <= 1, cost's <= budget },
 *
 * by the accelerated proximal gradient method (Beck and Teboulle 2009) with restarts (O'Donoghue,
 * Candes 2015). The gradient of the loss at an iterate IS a dual point alpha, so every iteration
 * gives a bound at no cost; at the minimum it is the best bound there is, where the supergradient
 * method, which steps along one maximiser of the knapsack at a time, only creeps. The proximal
 * step: with t the step, r_j = |w_j - t gradient_j|, kappa = t ridge, the minimiser is w_j
 * scaled by s_j / (s_j + kappa), s_j = clip(theta r_j / sqrt(cost_j) - kappa, 0, 1), theta such
 * that cost's = budget (derived by exchanging the minimisations over w and s).
 */
#ifndef PARE_SELECT_RELAXATION_H
#define PARE_SELECT_RELAXATION_H

#include "select/dual.h"
#include "select/knapsack.h"

typedef struct pare_relaxation {
    const pare_certified_problem *problem;
    pare_dual *dual;     /* borrowed */
    const int8_t *fixed; /* (candidates) borrowed */
    int64_t capacity;    /* columns */
    int64_t members;
    int64_t *member;             /* (members) candidates */
    int64_t *start;              /* (members + 1) first column of each here */
    uint8_t *is_member;          /* (candidates) */
    float *x;                    /* (columns, rows) */
    double *w, *w_old, *point;   /* (columns, outputs) */
    double *gradient;            /* (columns, outputs) X' alpha at point */
    double *z, *z_old, *z_point; /* (outputs, rows) */
    double *alpha;               /* (outputs, rows) at point */
    float *alpha_float;          /* (outputs, rows) */
    double *best;                /* (outputs, rows) alpha of the best bound */
    double *share, *norm;        /* (members) s_j, and r_j or u_j */
    double *eigenvector;         /* (columns, outputs) */
    pare_knapsack_item *item;    /* (members) */
    int64_t *wanted;             /* (capacity) scratch: columns to fetch */
    double lipschitz, momentum, theta;
    double bound;  /* best dual value on the members; not safely rounded */
    double primal; /* least value of the relaxation at a check: an upper bound of its minimum */
    double last;   /* value of the relaxation at the last check */
    bool rose;     /* it had risen since the check before */
    int64_t iteration;
} pare_relaxation;

pare_status pare_relaxation_init(const pare_certified_problem *problem, pare_dual *dual,
                                 const int8_t *fixed, int64_t capacity,
                                 pare_relaxation *out) PARE_MUST_CHECK;
void pare_relaxation_clear(pare_relaxation *r);

/* Adds candidates, whose weights start at 0; those whose columns no longer fit are left out. */
pare_status pare_relaxation_add(pare_relaxation *r, int64_t count,
                                const int64_t *candidates) PARE_MUST_CHECK;
/* Drops members that are fixed to 0, or with `idle` all whose weights are 0 and not forced. */
void pare_relaxation_drop(pare_relaxation *r, bool idle);
/* Weights of one member, for a warm start; missing members are ignored. */
void pare_relaxation_start(pare_relaxation *r, int64_t candidate, const double *w);
/* The step size for the members there are: after add. */
void pare_relaxation_measure(pare_relaxation *r);
/* Starts anew from the weights there are: after add, drop, start or a change of `fixed`. */
void pare_relaxation_prepare(pare_relaxation *r);
/* Iterates; true once primal - bound <= tolerance. */
bool pare_relaxation_iterate(pare_relaxation *r, int64_t iterations, double tolerance);

/* out (outputs, rows) = X w for the members' weights w: (columns, outputs). */
void pare_relaxation_times(pare_relaxation *r, const double *w, double *out);

#endif
