/* How much of each part stays, so that a sum of costs meets a budget: for prune.c. */
#ifndef PARE_PROBLEM_ALLOCATE_H
#define PARE_PROBLEM_ALLOCATE_H

#include "base/context.h"

/* One part: levels 0 (all stays) .. levels - 1. cost falls and loss rises with the level. */
typedef struct pare_allocation_part {
    int64_t levels;
    const double *cost, *loss; /* (levels) */
    int64_t level;             /* result */
} pare_allocation_part;

/*
 * Chooses levels with sum of costs <= budget and small sum of losses: the multiple-choice knapsack
 * by its Lagrangian (greedy along the lower convex hulls, Sinha and Zoltners 1979), then the last
 * step is undone where a cheaper single move fits. Returns false if even the highest levels exceed
 * the budget.
 */
bool pare_allocate(int64_t parts, pare_allocation_part *part, double budget);

#endif
