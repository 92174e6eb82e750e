#include "select/bound.h"

#include <math.h>
#include <string.h>

/* Sums over rows in double, also by designs that centre implicitly, and `square` itself. */
static const double product_margin = 4.01;

pare_status pare_bound_init(const pare_certified_problem *problem, pare_dual *dual,
                            pare_bound *out) {
    const pare_design *design = problem->design;
    *out = (pare_bound){.problem = problem, .dual = dual};
    const struct {
        void *out;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&out->product, problem->outputs * design->columns, sizeof *out->product},
        {&out->gain, design->candidates, sizeof *out->gain},
        {&out->item, design->candidates, sizeof *out->item},
        {&out->total_gain, design->candidates + 1, sizeof *out->total_gain},
        {&out->total_cost, design->candidates + 1, sizeof *out->total_cost},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(problem->ctx, arrays[i].count, arrays[i].size, arrays[i].out);
        if (status != PARE_OK) {
            pare_bound_clear(out);
            return status;
        }
    }
    return PARE_OK;
}

void pare_bound_clear(pare_bound *bound) {
    if (!bound->problem) {
        return;
    }
    pare_context *ctx = bound->problem->ctx;
    pare_free(ctx, bound->product);
    pare_free(ctx, bound->gain);
    pare_free(ctx, bound->item);
    pare_free(ctx, bound->total_gain);
    pare_free(ctx, bound->total_cost);
    *bound = (pare_bound){0};
}

pare_status pare_bound_glance(pare_bound *b, const int8_t *fixed, double *alpha, double *value) {
    const pare_certified_problem *problem = b->problem;
    const pare_design *design = problem->design;
    int64_t m = problem->outputs;
    pare_status status =
        design->slots->correlate(design->self, PARE_PRECISION_FLOAT, m, alpha, b->product);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t c = 0; c < design->candidates; c++) {
        double sum = 0;
        for (int64_t j = design->start[c]; fixed[c] >= 0 && j < design->start[c + 1]; j++) {
            for (int64_t q = 0; q < m; q++) {
                double product = b->product[q * design->columns + j];
                sum += product * product;
            }
        }
        b->gain[c] = sum;
    }
    b->largest =
        pare_knapsack_bound(problem, fixed, design->candidates, NULL, b->gain, b->item, &b->price);
    if (problem->loss != PARE_CERTIFIED_SQUARED) {
        b->conjugate = pare_dual_conjugate(b->dual, alpha);
        *value = b->conjugate - 0.5 * b->largest / problem->ridge;
        return PARE_OK;
    }
    double linear, quadratic;
    pare_dual_products(b->dual, alpha, &linear, &quadratic);
    quadratic += b->largest / problem->ridge;
    double scale = quadratic > 0 ? -linear / quadratic : 0;
    *value = quadratic > 0 ? 0.5 * linear * linear / quadratic : 0;
    for (int64_t at = 0; at < m * design->rows; at++) {
        alpha[at] *= scale;
    }
    for (int64_t c = 0; c < design->candidates; c++) {
        b->gain[c] *= scale * scale;
    }
    b->price *= scale * scale;
    return PARE_OK;
}

/* product (outputs, columns), for the members only, in double. */
static void member_products(const pare_bound *b, const pare_relaxation *members,
                            const double *alpha) {
    const pare_design *design = b->problem->design;
    int64_t rows = design->rows;
    for (int64_t i = 0; i < members->members; i++) {
        int64_t first = members->start[i], to = design->start[members->member[i]];
        for (int64_t j = first; j < members->start[i + 1]; j++) {
            const float *x = members->x + j * rows;
            for (int64_t q = 0; q < b->problem->outputs; q++) {
                const double *a = alpha + q * rows;
                double sum[4] = {0};
                int64_t r = 0;
                for (; r + 4 <= rows; r += 4) {
                    for (int lane = 0; lane < 4; lane++) {
                        sum[lane] += (double)x[r + lane] * a[r + lane];
                    }
                }
                for (; r < rows; r++) {
                    sum[0] += (double)x[r] * a[r];
                }
                b->product[q * design->columns + to + j - first] =
                    (sum[0] + sum[1]) + (sum[2] + sum[3]);
            }
        }
    }
}

/* gain[c] of every candidate not fixed to 0, rounded up. */
static void safe_gains(pare_bound *b, const int8_t *fixed, const double *alpha) {
    const pare_certified_problem *problem = b->problem;
    const pare_design *design = problem->design;
    int64_t m = problem->outputs, rows = design->rows;
    double unit = product_margin * (double)(rows + 8) * PARE_ROUNDOFF;
    for (int64_t c = 0; c < design->candidates; c++) {
        b->gain[c] = 0;
    }
    for (int64_t q = 0; q < m; q++) {
        double square = 0;
        for (int64_t i = 0; i < rows; i++) {
            double v = pare_row_weight(problem, i), a = alpha[q * rows + i];
            square += v > 0 ? a * a / v : 0;
        }
        double length = sqrt(square) * unit;
        for (int64_t c = 0; c < design->candidates; c++) {
            for (int64_t j = design->start[c]; fixed[c] >= 0 && j < design->start[c + 1]; j++) {
                double size =
                    fabs(b->product[q * design->columns + j]) + length * sqrt(design->square[j]);
                b->gain[c] += size * size;
            }
        }
    }
    for (int64_t c = 0; c < design->candidates; c++) {
        int64_t terms = m * (design->start[c + 1] - design->start[c]) + 16;
        b->gain[c] *= 1 + (double)terms * PARE_ROUNDOFF;
    }
}

pare_status pare_bound_prove(pare_bound *b, const int8_t *fixed, const pare_relaxation *members,
                             double *alpha, double *value) {
    const pare_certified_problem *problem = b->problem;
    const pare_design *design = problem->design;
    if (!pare_dual_round(b->dual, alpha)) {
        *value = -INFINITY;
        return PARE_OK;
    }
    if (members) {
        member_products(b, members, alpha);
    } else {
        pare_status status = design->slots->correlate(design->self, PARE_PRECISION_DOUBLE,
                                                      problem->outputs, alpha, b->product);
        if (status != PARE_OK) {
            return status;
        }
    }
    safe_gains(b, fixed, alpha);
    b->largest =
        pare_knapsack_bound(problem, fixed, design->candidates, NULL, b->gain, b->item, &b->price);
    b->conjugate = pare_dual_conjugate(b->dual, alpha);
    double half = 0.5 * b->largest / problem->ridge * (1 + 8 * PARE_ROUNDOFF);
    *value = b->conjugate - half - 4 * PARE_ROUNDOFF * (fabs(b->conjugate) + half);
    return PARE_OK;
}

/* D with the knapsack's value replaced; `size` bounds the terms it was summed from. */
static double value_with(const pare_bound *b, double largest, double size) {
    double terms = (double)(b->problem->design->candidates + 32) * PARE_ROUNDOFF;
    double half = 0.5 * (largest + terms * size) / b->problem->ridge;
    return b->conjugate - half - 8 * PARE_ROUNDOFF * (fabs(b->conjugate) + half);
}

/* The knapsack's value without free candidate j, from the items sorted by falling ratio. By the
 * price form with the price of item t: forced + price (budget - cost) + gains of the items before.
 */
static double without(const pare_bound *b, int64_t open, double forced, double budget, double gain,
                      double cost, double *size) {
    int64_t low = 0, high = open; /* first t with the items 0 .. t - 1, less j, at the budget */
    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        if (b->total_cost[mid] - cost >= budget) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    double price = b->total_cost[low] - cost >= budget && low > 0 ? b->item[low - 1].ratio : 0;
    *size = forced + b->total_gain[low] + gain + price * (budget + b->total_cost[low] + cost);
    double sum =
        forced + price * (budget - (b->total_cost[low] - cost)) + b->total_gain[low] - gain;
    return fmax(sum, 0);
}

int64_t pare_bound_verdicts(pare_bound *b, const int8_t *fixed, double upper, int8_t *verdict) {
    const pare_certified_problem *problem = b->problem;
    int64_t candidates = problem->design->candidates, open = 0, set = 0;
    double forced = 0, budget = problem->budget;
    for (int64_t j = 0; j < candidates; j++) {
        if (fixed[j] > 0) {
            forced += b->gain[j];
            budget -= pare_candidate_cost(problem, j);
        }
    }
    budget += problem->cost ? (double)(candidates + 8) * PARE_ROUNDOFF * problem->budget : 0;
    budget = fmax(budget, 0);
    for (int64_t j = 0; j < candidates; j++) {
        double cost = pare_candidate_cost(problem, j), gain = b->gain[j];
        if (fixed[j] != 0) {
            continue;
        }
        if (cost > budget) {
            verdict[j] = PARE_VERDICT_NONE;
            set++;
            continue;
        }
        b->item[open++] = (pare_knapsack_item){gain / cost, gain, cost};
    }
    pare_knapsack_sort(open, b->item);
    b->total_gain[0] = b->total_cost[0] = 0;
    for (int64_t t = 0; t < open; t++) {
        b->total_gain[t + 1] = b->total_gain[t] + b->item[t].gain;
        b->total_cost[t + 1] = b->total_cost[t] + b->item[t].cost;
    }
    for (int64_t j = 0; j < candidates; j++) {
        double cost = pare_candidate_cost(problem, j), gain = b->gain[j];
        if (fixed[j] != 0 || cost > budget) {
            continue;
        }
        double reduced = gain - b->price * cost, size = b->largest + gain + b->price * cost;
        double with = b->largest - b->price * cost + gain - fmax(0, reduced);
        if (value_with(b, with, size) > upper) {
            verdict[j] = PARE_VERDICT_NONE;
            set++;
        } else if (reduced >= 0) {
            double largest = without(b, open, forced, budget, gain, cost, &size);
            if (value_with(b, largest, size) > upper) {
                verdict[j] = PARE_VERDICT_EVERY;
                set++;
            }
        }
    }
    return set;
}
