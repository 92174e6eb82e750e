/* The largest total of u within the budget, relaxed: what the bound subtracts. */
#ifndef PARE_SELECT_KNAPSACK_H
#define PARE_SELECT_KNAPSACK_H

#include "select/certificate.h"

/* A candidate with its gain, cost and gain per cost. */
typedef struct pare_knapsack_item {
    double ratio, gain, cost;
} pare_knapsack_item;

static inline double pare_candidate_cost(const pare_certified_problem *problem, int64_t candidate) {
    return problem->cost ? problem->cost[candidate] : 1.0;
}

/*
 * Upper bound, rounding included, of max sum_j s_j gain_j over s in [0, 1], cost's <= budget, with
 * s_j = 1 where fixed[j] > 0, 0 where fixed[j] < 0 or cost_j exceeds what is left. By Lagrangian
 * duality it is, for any price
 * >= 0, (forced gains) + price * (budget left) + sum_free max(0, gain - price * cost); the price
 * taken is the ratio of the item at which the budget runs out, which is exact. gain[i] >= 0 belongs
 * to candidate member[i] (NULL: i). item: (count) scratch. *price may be NULL. Cost: O(count).
 */
double pare_knapsack_bound(const pare_certified_problem *problem, const int8_t *fixed,
                           int64_t count, const int64_t *member, const double *gain,
                           pare_knapsack_item *item, double *price);

/* Sorts items by falling ratio. */
void pare_knapsack_sort(int64_t count, pare_knapsack_item *item);

#endif
