/* What can be certified: checks of the problem and of subsets. */
#include "select/certificate.h"
#include "select/knapsack.h"

#include <math.h>

static pare_status check_targets(const pare_certified_problem *problem) {
    pare_context *ctx = problem->ctx;
    int64_t rows = problem->design->rows;
    const double *weight = problem->design->weight;
    bool varies = false;
    for (int64_t c = 0; c < problem->outputs; c++) {
        const double *y = problem->target + c * rows;
        double first = NAN;
        for (int64_t i = 0; i < rows; i++) {
            if (!isfinite(y[i])) {
                return pare_fail(ctx, PARE_ERROR_INPUT,
                                 "certificate: the target of row %lld is not a finite number",
                                 (long long)i);
            }
            if (problem->loss != PARE_CERTIFIED_SQUARED && y[i] != 0 && y[i] != 1) {
                return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                                 "certificate: the target of row %lld is %g; classes are 0 or 1",
                                 (long long)i, y[i]);
            }
            if (!weight || weight[i] > 0) {
                varies = varies || (!isnan(first) && y[i] != first);
                first = isnan(first) ? y[i] : first;
            }
        }
    }
    if (!varies) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "certificate: the target is the same in every row, so there is no loss "
                         "to reduce and nothing to prove");
    }
    return PARE_OK;
}

static pare_status check_costs(const pare_certified_problem *problem) {
    pare_context *ctx = problem->ctx;
    int64_t candidates = problem->design->candidates;
    double forced = 0;
    for (int64_t j = 0; j < candidates; j++) {
        double cost = pare_candidate_cost(problem, j);
        if (!(cost > 0) || !isfinite(cost)) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "certificate: the cost of candidate %lld is %g; costs are positive",
                             (long long)j, cost);
        }
        forced += problem->fixed && problem->fixed[j] > 0 ? cost : 0;
    }
    if (!(problem->budget > 0) || !isfinite(problem->budget)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "certificate: the budget is %g, not positive",
                         problem->budget);
    }
    if (!problem->cost && problem->budget > (double)candidates) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "certificate: k = %.0f is more than the %lld candidates", problem->budget,
                         (long long)candidates);
    }
    if (forced > problem->budget * (1 + 1e-12)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "certificate: the candidates that must be in cost %g, more than the "
                         "budget %g",
                         forced, problem->budget);
    }
    return PARE_OK;
}

pare_status pare_certified_check(const pare_certified_problem *problem) {
    pare_context *ctx = problem->ctx;
    const pare_design *design = problem->design;
    if (design->rows < 2 || design->candidates < 1) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "certificate: %lld rows and %lld candidates; at least 2 rows and 1 "
                         "candidate are needed",
                         (long long)design->rows, (long long)design->candidates);
    }
    if (!(problem->ridge > 0) || !isfinite(problem->ridge)) {
        return pare_fail(
            ctx, PARE_ERROR_ARGUMENT,
            "certificate: the ridge is %g; it must be positive, because the bound "
            "divides by it and says nothing without it: give option certify-ridge, for "
            "example 0.01",
            problem->ridge);
    }
    bool softmax = problem->loss == PARE_CERTIFIED_SOFTMAX;
    bool logistic = problem->loss == PARE_CERTIFIED_LOGISTIC;
    if (problem->outputs < (softmax ? 2 : 1) || (logistic && problem->outputs != 1)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "certificate: %lld outputs do not fit the loss",
                         (long long)problem->outputs);
    }
    double total = 0;
    for (int64_t i = 0; design->weight && i < design->rows; i++) {
        if (!(design->weight[i] >= 0) || !isfinite(design->weight[i])) {
            return pare_fail(ctx, PARE_ERROR_INPUT, "certificate: the weight of row %lld is %g",
                             (long long)i, design->weight[i]);
        }
        total += design->weight[i];
    }
    if (design->weight && !(total > 0)) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "certificate: all row weights are 0");
    }
    pare_status status = check_targets(problem);
    return status == PARE_OK ? check_costs(problem) : status;
}

pare_status pare_certified_check_subset(const pare_certified_problem *problem, int64_t count,
                                        const int64_t *subset, uint8_t *seen) {
    pare_context *ctx = problem->ctx;
    int64_t candidates = problem->design->candidates;
    double cost = 0;
    for (int64_t j = 0; j < candidates; j++) {
        seen[j] = 0;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t j = subset[i];
        if (j < 0 || j >= candidates) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "certificate: the subset names candidate %lld of %lld", (long long)j,
                             (long long)candidates);
        }
        if (seen[j] || (problem->fixed && problem->fixed[j] < 0)) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT, "certificate: candidate %lld is %s",
                             (long long)j, seen[j] ? "named twice" : "excluded, yet in the subset");
        }
        seen[j] = 1;
        cost += pare_candidate_cost(problem, j);
    }
    for (int64_t j = 0; problem->fixed && j < candidates; j++) {
        if (problem->fixed[j] > 0 && !seen[j]) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "certificate: candidate %lld must be in, but is not in the subset",
                             (long long)j);
        }
    }
    if (cost > problem->budget * (1 + 1e-12)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "certificate: the subset costs %g, more than the budget %g", cost,
                         problem->budget);
    }
    return PARE_OK;
}
