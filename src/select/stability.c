#include "select/stability.h"

#include <math.h>

enum { BISECTIONS = 100, GOLDEN_STEPS = 60 };
static const double offset_least = 1e-9, offset_most = 1e9;

/* sum_{i=0}^{last} of (a + i)^-s, and of i times that. */
static void moments(double a, int64_t last, double s, double *total, double *first) {
    *total = *first = 0;
    for (int64_t i = 0; i <= last; i++) {
        double f = pow(1 + (double)i / a, -s);
        *total += f;
        *first += (double)i * f;
    }
}

/* The offset at which (a + i)^-s on 0 .. last has mean `mean`, in steps. */
static double offset_of(double mean, int64_t last, double s) {
    double low = log(offset_least), high = log(offset_most);
    for (int n = 0; n < BISECTIONS; n++) {
        double mid = 0.5 * (low + high), total, first;
        moments(exp(mid), last, s, &total, &first);
        if (first > mean * total) {
            high = mid;
        } else {
            low = mid;
        }
    }
    return exp(low);
}

/* P(X >= at) where f is (a + i)^-s on 0 .. last and what is left at last + 1. */
static double tail_at(double a, int64_t last, double s, double mean, int64_t at) {
    double below = 0, weighted = 0;
    for (int64_t i = 0; i <= last; i++) {
        double f = pow(1 + (double)i / a, -s);
        below += i < at ? f : 0;
        weighted += (double)(last + 1 - i) * f;
    }
    return 1 - ((double)(last + 1) - mean) * below / weighted;
}

/* The largest tail over offsets between low and high, by golden section in the logarithm. */
static double best_tail(double low, double high, int64_t last, double s, double mean, int64_t at) {
    const double golden = 0.6180339887498949;
    double a = log(low), b = log(high);
    double best = fmax(tail_at(low, last, s, mean, at), tail_at(high, last, s, mean, at));
    double x = b - golden * (b - a), y = a + golden * (b - a);
    double fx = tail_at(exp(x), last, s, mean, at), fy = tail_at(exp(y), last, s, mean, at);
    for (int n = 0; n < GOLDEN_STEPS; n++) {
        if (fx > fy) {
            b = y;
            y = x;
            fy = fx;
            x = b - golden * (b - a);
            fx = tail_at(exp(x), last, s, mean, at);
        } else {
            a = x;
            x = y;
            fx = fy;
            y = a + golden * (b - a);
            fy = tail_at(exp(y), last, s, mean, at);
        }
    }
    return fmax(best, fmax(fx, fy));
}

double pare_concave_tail(double mean, int64_t count, double r, int64_t at) {
    double steps = mean * (double)count, s = -1 / r;
    int64_t first = (int64_t)ceil(2 * steps) + 1;
    if (at <= first || !(mean > 0)) {
        return mean > 0 ? 1 : at <= 0;
    }
    if (at > count) {
        return 0;
    }
    double best = 0;
    /* Supports 0 .. last that end below `at` have no tail: start where last + 1 reaches it. */
    double upper = offset_of(steps, at - 1, s);
    for (int64_t last = at - 1; last <= count; last++) {
        if (last == count) { /* no point beyond */
            double below = 0, total, first_moment;
            moments(upper, last, s, &total, &first_moment);
            for (int64_t i = 0; i < at; i++) {
                below += pow(1 + (double)i / upper, -s);
            }
            best = fmax(best, 1 - below / total);
            break;
        }
        double lower = offset_of(steps, last + 1, s);
        best = fmax(best, best_tail(lower, upper, last, s, steps, at));
        upper = lower;
    }
    return fmin(1, best);
}

double pare_stability_bound(int64_t candidates, double each, int64_t pairs, double threshold,
                            double *plain) {
    double low = each / (double)candidates;
    *plain = low * each / (2 * threshold - 1);
    /* The share 2 threshold - 1 of pairs and threshold of half samples, in whole numbers. */
    int64_t both = (int64_t)ceil((2 * threshold - 1) * (double)pairs - 1e-9);
    int64_t single = (int64_t)ceil(2 * threshold * (double)pairs - 1e-9);
    double concave = fmin(pare_concave_tail(low * low, pairs, -0.5, both),
                          pare_concave_tail(low, 2 * pairs, -0.25, single));
    return fmin(*plain, concave * (double)candidates);
}
