#include "select/promise.h"

#include <math.h>

enum { BISECTIONS = 60 };
static const double boldest = 0.75; /* of the stake that could lose everything */

/* P(X <= hits) of a binomial, p strictly inside (0, 1). */
static double binomial_below(int64_t hits, int64_t n, double p) {
    double term = (double)n * log1p(-p), ratio = log(p) - log1p(-p), sum = exp(term);
    for (int64_t i = 1; i <= hits; i++) {
        term += log((double)(n - i + 1) / (double)i) + ratio;
        sum += exp(term);
    }
    return fmin(1, sum);
}

double pare_binomial_upper(int64_t hits, int64_t n, double error) {
    double low = (double)hits / (double)n, high = 1;
    for (int i = 0; hits < n && i < BISECTIONS; i++) {
        double mid = 0.5 * (low + high);
        if (binomial_below(hits, n, mid) > error) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return high;
}

double pare_binomial_lower(int64_t hits, int64_t n, double error) {
    return 1 - pare_binomial_upper(n - hits, n, error);
}

double pare_betting_p(int64_t n, const double *x, double range, double m, double error) {
    double limit = (m + range) / (2 * range);
    if (!(limit > 0)) {
        return 1;
    }
    if (limit >= 1) {
        return 0; /* no such x has that expectation */
    }
    double wealth = 0, most = 0, mean = 0.5, square = 0.25;
    double most_stake = boldest / (1 - limit);
    for (int64_t i = 0; i < n; i++) {
        double z = (x[i] + range) / (2 * range);
        z = z < 0 ? 0 : z > 1 ? 1 : z;
        double variance = square / (double)(i + 1);
        double stake = sqrt(2 * log(1 / error) / ((double)n * variance));
        stake = fmin(stake, most_stake);
        wealth += log1p(stake * (limit - z));
        most = fmax(most, wealth);
        double off = z - mean;
        mean += off / (double)(i + 2);
        square += off * (z - mean);
    }
    return exp(-most);
}

double pare_betting_upper(int64_t n, const double *x, double range, double error) {
    double low = -range, high = range;
    for (int i = 0; i < BISECTIONS; i++) {
        double mid = 0.5 * (low + high);
        if (pare_betting_p(n, x, range, mid, error) > error) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return high;
}
