#include "problem/allocate.h"

#include <math.h>

static double total_cost(int64_t parts, const pare_allocation_part *part) {
    double sum = 0;
    for (int64_t i = 0; i < parts; i++) {
        sum += part[i].cost[part[i].level];
    }
    return sum;
}

/* The move of one part to a higher level that loses least per cost saved: *next is the level. */
static double best_slope(const pare_allocation_part *p, int64_t *next) {
    double best = INFINITY;
    *next = -1;
    for (int64_t level = p->level + 1; level < p->levels; level++) {
        double saved = p->cost[p->level] - p->cost[level];
        double lost = fmax(0, p->loss[level] - p->loss[p->level]);
        if (saved > 0 && lost / saved < best) {
            best = lost / saved;
            *next = level;
        }
    }
    return best;
}

/* Lowers single parts again while that fits, the greatest relief first. */
static void give_back(int64_t parts, pare_allocation_part *part, double budget) {
    for (;;) {
        double room = budget - total_cost(parts, part), most = 0;
        int64_t which = -1, to = -1;
        for (int64_t i = 0; i < parts; i++) {
            const pare_allocation_part *p = &part[i];
            for (int64_t level = 0; level < p->level; level++) {
                double relief = p->loss[p->level] - p->loss[level];
                if (p->cost[level] - p->cost[p->level] <= room && relief > most) {
                    most = relief;
                    which = i;
                    to = level;
                }
            }
        }
        if (which < 0) {
            return;
        }
        part[which].level = to;
    }
}

bool pare_allocate(int64_t parts, pare_allocation_part *part, double budget) {
    for (int64_t i = 0; i < parts; i++) {
        part[i].level = 0;
    }
    while (total_cost(parts, part) > budget) {
        int64_t which = -1, to = -1;
        double best = INFINITY;
        for (int64_t i = 0; i < parts; i++) {
            int64_t next = -1;
            double slope = best_slope(&part[i], &next);
            if (next >= 0 && (which < 0 || slope < best)) {
                best = slope;
                which = i;
                to = next;
            }
        }
        if (which < 0) {
            return false;
        }
        part[which].level = to;
    }
    give_back(parts, part, budget);
    return true;
}
