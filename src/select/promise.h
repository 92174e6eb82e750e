/* Statements about expectations from rows that nothing else has seen, valid for any sample size. */
#ifndef PARE_SELECT_PROMISE_H
#define PARE_SELECT_PROMISE_H

#include <stdint.h>

/* The largest (smallest) probability at which `hits` or fewer (more) of n have probability at
 * least `error`: one-sided limits of Clopper and Pearson 1934. 0 <= hits <= n, 0 < error < 1. */
double pare_binomial_upper(int64_t hits, int64_t n, double error);
double pare_binomial_lower(int64_t hits, int64_t n, double error);

/*
 * p-value of "the expectation of x is at least m", x (n) in [-range, range], by betting against it
 * (Waudby-Smith and Ramdas 2024, section 4): with z = (x + range) / (2 range) and m scaled the
 * same way, the wealth prod_i (1 + lambda_i (m - z_i)) with stakes lambda_i that look at earlier
 * rows only is a supermartingale under the hypothesis, so 1 / (its largest value) is a p-value
 * (Ville). Uses the variance of x, like an empirical Bernstein bound, and is tighter. error: the
 * level the stakes are tuned for. Rows must be in random order.
 */
double pare_betting_p(int64_t n, const double *x, double range, double m, double error);
/* The least m that this test rejects at level `error`; range if there is none. */
double pare_betting_upper(int64_t n, const double *x, double range, double error);

#endif
