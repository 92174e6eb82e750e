#include "select/knapsack.h"
#include "select/dual.h"

#include <math.h>
#include <stdlib.h>

static int fall(const void *a, const void *b) {
    const pare_knapsack_item *x = a, *y = b;
    return (x->ratio < y->ratio) - (x->ratio > y->ratio);
}

void pare_knapsack_sort(int64_t count, pare_knapsack_item *item) {
    qsort(item, (size_t)count, sizeof *item, fall);
}

static double middle(double a, double b, double c) {
    return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

/* Ratio of the item at which `budget` runs out when items are taken by falling ratio; 0 if all fit.
 * Quickselect by weight; the items are permuted. */
static double critical_ratio(int64_t count, pare_knapsack_item *item, double budget) {
    int64_t low = 0, high = count; /* the critical item is in here, if anywhere */
    while (low < high) {
        double pivot =
            middle(item[low].ratio, item[low + (high - low) / 2].ratio, item[high - 1].ratio);
        /* low .. above: larger; above .. i: equal; below .. high: smaller. */
        int64_t above = low, below = high;
        double cost_above = 0, cost_equal = 0;
        for (int64_t i = low; i < below;) {
            pare_knapsack_item now = item[i];
            if (now.ratio > pivot) {
                cost_above += now.cost;
                item[i++] = item[above];
                item[above++] = now;
            } else if (now.ratio < pivot) {
                below--;
                item[i] = item[below];
                item[below] = now;
            } else {
                cost_equal += now.cost;
                i++;
            }
        }
        if (cost_above > budget) {
            high = above;
        } else if (cost_above + cost_equal >= budget) {
            return pivot;
        } else {
            budget -= cost_above + cost_equal;
            low = below;
        }
    }
    return 0;
}

double pare_knapsack_bound(const pare_certified_problem *problem, const int8_t *fixed,
                           int64_t count, const int64_t *member, const double *gain,
                           pare_knapsack_item *item, double *price) {
    double forced = 0, budget = problem->budget;
    int64_t open = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t j = member ? member[i] : i;
        if (fixed[j] > 0) {
            forced += gain[i];
            budget -= pare_candidate_cost(problem, j);
        }
    }
    /* Rounding of the costs already spent must not shrink what is left. */
    budget += problem->cost ? (double)(count + 8) * PARE_ROUNDOFF * problem->budget : 0;
    budget = fmax(budget, 0);
    for (int64_t i = 0; i < count; i++) {
        int64_t j = member ? member[i] : i;
        double cost = pare_candidate_cost(problem, j);
        if (fixed[j] == 0 && cost <= budget) { /* what does not fit alone is in no subset */
            item[open++] = (pare_knapsack_item){gain[i] / cost, gain[i], cost};
        }
    }
    double critical = critical_ratio(open, item, budget), sum = forced + critical * budget;
    for (int64_t i = 0; i < open; i++) {
        /* The difference of two numbers near each other is exact or off by one rounding of the
         * product, which the factor below covers because sum holds critical * budget. */
        sum += fmax(0, item[i].gain - critical * item[i].cost);
    }
    if (price) {
        *price = critical;
    }
    double size = sum + critical * budget;
    return sum + (double)(open + count + 16) * PARE_ROUNDOFF * size;
}
