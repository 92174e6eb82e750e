/* Error bounds of complementary-pairs stability selection. */
#ifndef PARE_SELECT_STABILITY_H
#define PARE_SELECT_STABILITY_H

#include <stdint.h>

/*
 * The largest P(X >= at / count) of a random variable X on 0, 1 / count, ..., 1 with mean `mean`
 * whose probability function f is r-concave, r < 0 (f^r is convex): Shah and Samworth 2013,
 * "Variable selection with error control", section 3.3. The extreme f are proportional to
 * (a + i)^(1 / r) for i = 0 .. l and smaller at l + 1; for each l the offset a is searched. 1 where
 * at <= 2 mean count + 1. Cost: about 100 count^2.
 */
double pare_concave_tail(double mean, int64_t count, double r, int64_t at);

/*
 * Upper bounds of the expected number of candidates that are chosen in a share `threshold` > 1/2
 * of 2 * pairs half samples although one half sample chooses them with probability at most low =
 * each / candidates. plain: theorem 1 of the same paper, with no assumption: low * each /
 * (2 threshold - 1). The result is the smaller of it and of the r-concave bound (formula 8),
 * candidates * min(D(low^2, 2 threshold - 1, pairs, -1/2), D(low, threshold, 2 pairs, -1/4)).
 */
double pare_stability_bound(int64_t candidates, double each, int64_t pairs, double threshold,
                            double *plain);

#endif
