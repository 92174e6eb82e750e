/*
 * Random small certified problems, and their answers by trying every subset: a plain Newton
 * method with Gaussian elimination that shares nothing with the code under test.
 */
#ifndef PARE_TESTS_CERTIFICATE_SUPPORT_H
#define PARE_TESTS_CERTIFICATE_SUPPORT_H

#include "base/random.h"
#include "select/certificate.h"
#include "select/dense_design.h"
#include "support.h"

#include <math.h>
#include <stdio.h>

enum { TRY_ROWS = 64, TRY_CANDIDATES = 30, TRY_COLUMNS = 48, TRY_OUTPUTS = 4 };

typedef struct instance {
    uint64_t seed, draw;
    pare_design design;
    pare_certified_problem problem;
    int64_t rows, candidates, columns;
    float x[TRY_COLUMNS * TRY_ROWS];
    double weight[TRY_ROWS];
    double target[TRY_OUTPUTS * TRY_ROWS];
    int64_t start[TRY_CANDIDATES + 1];
    double cost[TRY_CANDIDATES];
    int8_t fixed[TRY_CANDIDATES];
} instance;

static inline double draw_uniform(instance *t) {
    return pare_random_uniform(t->seed, PARE_STREAM_TEST, t->draw++);
}

static inline double draw_normal(instance *t) {
    return pare_random_normal(t->seed, PARE_STREAM_TEST, 100000 + t->draw++);
}

static inline int64_t draw_below(instance *t, int64_t bound) {
    return pare_random_below(t->seed, PARE_STREAM_TEST, t->draw++, bound);
}

static inline void draw_columns(instance *t) {
    double shared = draw_uniform(t) < 0.5 ? 0 : draw_uniform(t);
    double common[TRY_ROWS];
    for (int64_t i = 0; i < t->rows; i++) {
        common[i] = draw_normal(t);
    }
    for (int64_t j = 0; j < t->columns; j++) {
        double scale = draw_uniform(t) < 0.8 ? 1 : exp(2 * draw_normal(t));
        double shift = draw_uniform(t) < 0.8 ? 0 : draw_normal(t);
        bool copy = j > 0 && draw_uniform(t) < 0.05, zero = draw_uniform(t) < 0.03;
        for (int64_t i = 0; i < t->rows; i++) {
            double value = shift + scale * (shared * common[i] + (1 - shared) * draw_normal(t));
            t->x[j * t->rows + i] = copy ? t->x[(j - 1) * t->rows + i] : zero ? 0 : (float)value;
        }
    }
}

static inline void draw_target(instance *t) {
    pare_certified_problem *p = &t->problem;
    double noise = exp(2 * draw_uniform(t) - 1.5), offset = draw_normal(t);
    double z[TRY_OUTPUTS];
    double slope[TRY_OUTPUTS * TRY_COLUMNS];
    for (int64_t at = 0; at < p->outputs * t->columns; at++) {
        slope[at] = draw_uniform(t) < 0.4 ? draw_normal(t) : 0;
    }
    for (int64_t i = 0; i < t->rows; i++) {
        int64_t best = 0;
        for (int64_t c = 0; c < p->outputs; c++) {
            z[c] = offset + noise * draw_normal(t);
            for (int64_t j = 0; j < t->columns; j++) {
                z[c] += slope[c * t->columns + j] * (double)t->x[j * t->rows + i];
            }
            best = z[c] > z[best] ? c : best;
        }
        for (int64_t c = 0; c < p->outputs; c++) {
            t->target[c * t->rows + i] = p->loss == PARE_CERTIFIED_SQUARED    ? z[c]
                                         : p->loss == PARE_CERTIFIED_LOGISTIC ? (z[0] > 0)
                                                                              : (c == best);
        }
    }
    /* At least two classes: the first two rows differ. */
    for (int64_t c = 0; p->loss != PARE_CERTIFIED_SQUARED && c < p->outputs; c++) {
        t->target[c * t->rows] = p->loss == PARE_CERTIFIED_LOGISTIC ? 0 : c == 0;
        t->target[c * t->rows + 1] = p->loss == PARE_CERTIFIED_LOGISTIC ? 1 : c == 1;
    }
}

/* most: candidates at most; plain: one column each, equal costs, nothing fixed. */
static inline void instance_draw(pare_context *ctx, uint64_t seed, int64_t most, bool plain,
                                 instance *t) {
    memset(t, 0, sizeof *t);
    t->seed = seed;
    pare_certified_problem *p = &t->problem;
    p->ctx = ctx;
    p->loss = (pare_certified_loss)(seed % 3);
    p->outputs = p->loss == PARE_CERTIFIED_LOGISTIC  ? 1
                 : p->loss == PARE_CERTIFIED_SOFTMAX ? 2 + draw_below(t, 2)
                                                     : 1 + draw_below(t, 3);
    bool groups = !plain && draw_uniform(t) < 0.3, costs = !plain && draw_uniform(t) < 0.3;
    t->rows = 6 + draw_below(t, 40);
    t->candidates = 3 + draw_below(t, (costs || groups ? (most < 9 ? most : 9) : most) - 2);
    for (int64_t c = 0; c < t->candidates; c++) {
        t->start[c + 1] = t->start[c] + (groups ? 1 + draw_below(t, 3) : 1);
        t->cost[c] = 0.25 + draw_uniform(t);
    }
    t->columns = t->start[t->candidates];
    draw_columns(t);
    draw_target(t);
    bool weights = draw_uniform(t) < 0.3;
    for (int64_t i = 0; i < t->rows; i++) {
        t->weight[i] = draw_uniform(t) < 0.1 && i > 1 ? 0 : 0.1 + 2 * draw_uniform(t);
    }
    int64_t k = 1 + draw_below(t, t->candidates < 5 ? t->candidates : 5);
    p->intercept = draw_uniform(t) < 0.7;
    p->ridge = (double)t->rows * exp(-7 * draw_uniform(t));
    p->target = t->target;
    p->cost = costs ? t->cost : NULL;
    p->budget = costs ? 0.5 * (double)k + 0.5 : (double)k;
    if (!plain && draw_uniform(t) < 0.2) {
        p->fixed = t->fixed;
        t->fixed[0] = 1;
        t->fixed[t->candidates - 1] = -1;
        p->budget += costs ? t->cost[0] : 0;
        if (!costs && p->budget > (double)(t->candidates - 1)) {
            p->budget = (double)(t->candidates - 1);
        }
    }
    assert_ok(ctx, pare_dense_design_create(ctx, t->rows, t->columns, t->x, t->candidates, t->start,
                                            weights ? t->weight : NULL, &t->design));
    p->design = &t->design;
}

/* ---- Reference ----------------------------------------------------------------------------- */

enum { TRY_UNKNOWNS = (TRY_COLUMNS + 1) * TRY_OUTPUTS };

typedef struct reference {
    int64_t columns, unknowns;
    int64_t column[TRY_COLUMNS + 1]; /* the last, -1, is the intercept */
    double u[TRY_UNKNOWNS], gradient[TRY_UNKNOWNS], hessian[TRY_UNKNOWNS * TRY_UNKNOWNS];
} reference;

static inline double reference_x(const instance *t, int64_t column, int64_t i) {
    return column < 0 ? 1 : (double)t->x[column * t->rows + i];
}

static inline double reference_value(const instance *t, reference *r, bool derivatives) {
    const pare_certified_problem *p = &t->problem;
    int64_t m = p->outputs, n = r->unknowns;
    double value = 0;
    if (derivatives) {
        memset(r->gradient, 0, sizeof r->gradient);
        memset(r->hessian, 0, (size_t)(n * n) * sizeof(double));
    }
    for (int64_t i = 0; i < t->rows; i++) {
        double v = t->design.weight ? t->design.weight[i] : 1, z[TRY_OUTPUTS] = {0};
        double q[TRY_OUTPUTS], most = 0, sum = 0;
        for (int64_t c = 0; c < m; c++) {
            for (int64_t j = 0; j < r->columns; j++) {
                z[c] += r->u[j * m + c] * reference_x(t, r->column[j], i);
            }
            most = fmax(most, z[c]);
        }
        switch (p->loss) {
        case PARE_CERTIFIED_SQUARED:
            for (int64_t c = 0; c < m; c++) {
                q[c] = z[c];
                double off = z[c] - t->target[c * t->rows + i];
                value += 0.5 * v * off * off;
            }
            break;
        case PARE_CERTIFIED_LOGISTIC:
            q[0] = 1 / (1 + exp(-z[0]));
            value += v * (most + log(exp(-most) + exp(z[0] - most)) - t->target[i] * z[0]);
            break;
        case PARE_CERTIFIED_SOFTMAX:
            for (int64_t c = 0; c < m; c++) {
                q[c] = exp(z[c] - most);
                sum += q[c];
                value -= v * t->target[c * t->rows + i] * z[c];
            }
            value += v * (most + log(sum));
            for (int64_t c = 0; c < m; c++) {
                q[c] /= sum;
            }
            break;
        }
        for (int64_t a = 0; derivatives && a < n; a++) {
            double xa = reference_x(t, r->column[a / m], i);
            r->gradient[a] += v * (q[a % m] - t->target[(a % m) * t->rows + i]) * xa;
            for (int64_t b = 0; b < n; b++) {
                double same = a % m == b % m, h = same;
                if (p->loss != PARE_CERTIFIED_SQUARED) {
                    h = q[a % m] * (same - q[b % m]);
                }
                r->hessian[a * n + b] += v * h * xa * reference_x(t, r->column[b / m], i);
            }
        }
    }
    for (int64_t a = 0; a < n; a++) {
        double ridge = r->column[a / m] < 0 ? 0 : p->ridge;
        value += 0.5 * ridge * r->u[a] * r->u[a];
        if (derivatives) {
            r->gradient[a] += ridge * r->u[a];
            r->hessian[a * n + a] += ridge + (r->column[a / m] < 0 ? 1e-12 : 0);
        }
    }
    return value;
}

/* gradient = hessian^-1 gradient, by elimination with pivots on the diagonal (it is definite). */
static inline void reference_solve(reference *r) {
    int64_t n = r->unknowns;
    double *h = r->hessian, *g = r->gradient;
    for (int64_t a = 0; a < n; a++) {
        for (int64_t b = a + 1; b < n; b++) {
            double factor = h[b * n + a] / h[a * n + a];
            for (int64_t c = a; c < n; c++) {
                h[b * n + c] -= factor * h[a * n + c];
            }
            g[b] -= factor * g[a];
        }
    }
    for (int64_t a = n - 1; a >= 0; a--) {
        for (int64_t b = a + 1; b < n; b++) {
            g[a] -= h[a * n + b] * g[b];
        }
        g[a] /= h[a * n + a];
    }
}

/* The least F with the candidates in `mask`; r: scratch. */
static inline double reference_fit(const instance *t, uint64_t mask, reference *r) {
    r->columns = 0;
    for (int64_t c = 0; c < t->candidates; c++) {
        for (int64_t j = t->start[c]; (mask >> c & 1) && j < t->start[c + 1]; j++) {
            r->column[r->columns++] = j;
        }
    }
    if (t->problem.intercept) {
        r->column[r->columns++] = -1;
    }
    r->unknowns = r->columns * t->problem.outputs;
    memset(r->u, 0, sizeof r->u);
    double value = reference_value(t, r, true);
    for (int step = 0; step < 100 && r->unknowns > 0; step++) {
        reference_solve(r);
        double scale = 1, next = value, before[TRY_UNKNOWNS];
        memcpy(before, r->u, sizeof before);
        for (int half = 0; half < 30; half++) {
            for (int64_t a = 0; a < r->unknowns; a++) {
                r->u[a] = before[a] - scale * r->gradient[a];
            }
            next = reference_value(t, r, false);
            if (next <= value) {
                break;
            }
            scale /= 2;
        }
        double gain = value - next;
        if (!(gain > 0)) {
            memcpy(r->u, before, sizeof before);
            break;
        }
        value = next;
        if (gain < 1e-15 * value) {
            break;
        }
        (void)reference_value(t, r, true);
    }
    return value;
}

static inline bool mask_allowed(const instance *t, uint64_t mask) {
    double cost = 0;
    for (int64_t c = 0; c < t->candidates; c++) {
        bool in = mask >> c & 1;
        if (t->problem.fixed && ((t->fixed[c] > 0 && !in) || (t->fixed[c] < 0 && in))) {
            return false;
        }
        cost += in ? (t->problem.cost ? t->cost[c] : 1) : 0;
    }
    /* Without costs only full subsets matter: more columns never hurt. */
    return t->problem.cost ? cost <= t->problem.budget : fabs(cost - t->problem.budget) < 0.5;
}

typedef struct brute {
    double best;
    uint64_t best_mask, in_every, in_any; /* over all subsets within 1e-11 of the best */
} brute;

static inline brute brute_force(const instance *t) {
    static reference scratch;
    static double value[1 << 16];
    brute b = {INFINITY, 0, ~UINT64_C(0), 0};
    uint64_t count = UINT64_C(1) << t->candidates;
    assert_true(t->candidates <= 16);
    for (uint64_t mask = 0; mask < count; mask++) {
        value[mask] = mask_allowed(t, mask) ? reference_fit(t, mask, &scratch) : (double)INFINITY;
        if (value[mask] < b.best) {
            b.best = value[mask];
            b.best_mask = mask;
        }
    }
    for (uint64_t mask = 0; mask < count; mask++) {
        if (value[mask] <= b.best * (1 + 1e-11)) {
            b.in_every &= mask;
            b.in_any |= mask;
        }
    }
    return b;
}

/* A feasible subset: forced ones, then at random. */
static inline int64_t random_subset(instance *t, int64_t *subset) {
    int64_t order[TRY_CANDIDATES], count = 0;
    double left = t->problem.budget;
    for (int64_t c = 0; c < t->candidates; c++) {
        order[c] = c;
    }
    pare_random_shuffle(t->seed, PARE_STREAM_TEST, 500000, t->candidates, order);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < t->candidates; i++) {
            int64_t c = order[i];
            double cost = t->problem.cost ? t->cost[c] : 1;
            int8_t fixed = t->problem.fixed ? t->fixed[c] : 0;
            if ((pass == 0 ? fixed > 0 : fixed == 0) && cost <= left) {
                subset[count++] = c;
                left -= cost;
            }
        }
    }
    return count;
}

static inline int64_t mask_subset(const instance *t, uint64_t mask, int64_t *subset) {
    int64_t count = 0;
    for (int64_t c = 0; c < t->candidates; c++) {
        if (mask >> c & 1) {
            subset[count++] = c;
        }
    }
    return count;
}

/* What one instance showed; the test fails on the spot where something is wrong. */
typedef struct tally {
    int64_t instances, every, none, undecided, tight;
    double fraction;
} tally;

static inline void check_certificate(pare_context *ctx, uint64_t seed, tally *sum) {
    static instance t;
    instance_draw(ctx, seed, 16, false, &t);
    brute answer = brute_force(&t);
    int64_t subset[TRY_CANDIDATES];
    int64_t count =
        seed % 2 ? random_subset(&t, subset) : mask_subset(&t, answer.best_mask, subset);
    pare_certificate *certificate = NULL;
    pare_certificate_options options = {0};
    pare_certificate_result result = {0};
    assert_ok(ctx, pare_certificate_create(&t.problem, &options, count, subset, &certificate));
    bool done = false;
    for (int64_t steps = 0; !done; steps++) {
        assert_true(steps < 100000);
        assert_ok(ctx, pare_certificate_step(certificate, &done));
        pare_certificate_result_of(certificate, &result);
        if (!(result.bound <= answer.best * (1 + 1e-13))) {
            fail_msg("seed %llu: bound %.17g above the optimum %.17g", (unsigned long long)seed,
                     result.bound, answer.best);
        }
        if (!(result.loss >= answer.best * (1 - 1e-13) &&
              result.best_loss >= answer.best * (1 - 1e-13) && result.best_loss <= result.loss)) {
            fail_msg("seed %llu: loss %.17g, best %.17g, optimum %.17g", (unsigned long long)seed,
                     result.loss, result.best_loss, answer.best);
        }
    }
    assert_true(result.converged);
    assert_true(result.fraction >= 0 && result.fraction <= 1);
    static reference scratch;
    uint64_t mask = 0;
    for (int64_t i = 0; i < count; i++) {
        mask |= UINT64_C(1) << subset[i];
    }
    double loss = reference_fit(&t, mask, &scratch);
    if (!(fabs(result.loss - loss) <= 1e-9 * result.null_loss)) {
        fail_msg("seed %llu: refit %.17g, reference %.17g", (unsigned long long)seed, result.loss,
                 loss);
    }
    double null_loss = reference_fit(&t, 0, &scratch);
    assert_true(fabs(result.null_loss - null_loss) <= 1e-9 * null_loss);
    const int8_t *verdict = pare_certificate_verdicts(certificate);
    for (int64_t c = 0; c < t.candidates; c++) {
        if (verdict[c] == PARE_VERDICT_EVERY && !(answer.in_every >> c & 1)) {
            fail_msg("seed %llu: candidate %lld is not in every optimum", (unsigned long long)seed,
                     (long long)c);
        }
        if (verdict[c] == PARE_VERDICT_NONE && (answer.in_any >> c & 1)) {
            fail_msg("seed %llu: candidate %lld is in an optimum", (unsigned long long)seed,
                     (long long)c);
        }
    }
    sum->instances++;
    sum->every += result.every;
    sum->none += result.none;
    sum->undecided += result.undecided;
    sum->tight += result.best_loss - result.bound <= 1e-6 * null_loss;
    sum->fraction += result.fraction;
    pare_certificate_destroy(certificate);
    pare_design_destroy(&t.design);
}

#endif
