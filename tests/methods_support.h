/* Shared by the tests of the baseline methods: a small least-squares objective in two forms,
 * trained step by step, and exact. */
#ifndef PARE_TESTS_METHODS_SUPPORT_H
#define PARE_TESTS_METHODS_SUPPORT_H

#include "support.h"

#include <math.h>

#include "base/random.h"
#include "select/dense_design.h"
#include "select/lasso.h"
#include "select/method.h"

enum { ROWS = 90, COLUMNS = 24 };

typedef struct problem {
    pare_context *ctx;
    float x[COLUMNS][ROWS]; /* standardised */
    double y[ROWS], b[COLUMNS];
    int64_t label[COLUMNS]; /* the column's name: start values depend on it, not on its place */
    pare_design design;
    pare_lasso *lasso;
} problem;

static inline double product(const float *a, const float *b) {
    double sum = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

/* Solves the normal equations of the named columns by Gaussian elimination; others get 0. */
static inline void solve_naively(problem *p, int64_t count, const int64_t *selected) {
    double a[COLUMNS][COLUMNS + 1];
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j < count; j++) {
            a[i][j] = product(p->x[selected[i]], p->x[selected[j]]) + (i == j ? 1e-9 : 0);
        }
        a[i][count] = 0;
        for (int64_t r = 0; r < ROWS; r++) {
            a[i][count] += (double)p->x[selected[i]][r] * p->y[r];
        }
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t r = 0; r < count; r++) {
            double factor = r == i ? 0 : a[r][i] / a[i][i];
            for (int64_t j = i; j <= count && factor != 0; j++) {
                a[r][j] -= factor * a[i][j];
            }
        }
    }
    memset(p->b, 0, sizeof p->b);
    for (int64_t i = 0; i < count; i++) {
        p->b[selected[i]] = a[i][count] / a[i][i];
    }
}

static inline pare_status problem_reset(void *self, uint64_t seed, int64_t steps) {
    problem *p = self;
    (void)steps;
    for (int64_t j = 0; j < COLUMNS; j++) {
        p->b[j] = 0.01 * pare_random_normal(seed, PARE_STREAM_TEST, (uint64_t)p->label[j]);
    }
    return PARE_OK;
}

static inline void residual_of(const problem *p, const float *mask, double *residual) {
    for (int64_t i = 0; i < ROWS; i++) {
        residual[i] = p->y[i];
        for (int64_t j = 0; j < COLUMNS; j++) {
            residual[i] -= (double)p->x[j][i] * (double)(mask ? mask[j] : 1) * p->b[j];
        }
    }
}

static inline pare_status problem_step(void *self, const float *mask, double *loss, float *d_mask) {
    problem *p = self;
    double residual[ROWS];
    residual_of(p, mask, residual);
    *loss = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        *loss += residual[i] * residual[i] / (2 * ROWS);
    }
    for (int64_t j = 0; j < COLUMNS; j++) {
        double gradient = 0;
        for (int64_t i = 0; i < ROWS; i++) {
            gradient -= residual[i] * (double)p->x[j][i] / ROWS;
        }
        if (d_mask) {
            d_mask[j] = (float)(gradient * p->b[j]);
        }
        p->b[j] -= 0.1 * gradient * (double)mask[j];
    }
    return PARE_OK;
}

static inline pare_status problem_norms(void *self, float *norm) {
    problem *p = self;
    for (int64_t j = 0; j < COLUMNS; j++) {
        norm[j] = (float)fabs(p->b[j]);
    }
    return PARE_OK;
}

static inline pare_status problem_shrink(void *self, const float *lambda) {
    problem *p = self;
    for (int64_t j = 0; j < COLUMNS; j++) {
        double size = fmax(0, fabs(p->b[j]) - 0.1 * (double)lambda[j]);
        p->b[j] = p->b[j] < 0 ? -size : size;
    }
    return PARE_OK;
}

static inline pare_status problem_gains(void *self, int64_t selected_count, const int64_t *selected,
                                        double *gain) {
    problem *p = self;
    assert_int_equal(selected_count, 0);
    (void)selected;
    for (int64_t j = 0; j < COLUMNS; j++) {
        double sum = 0;
        for (int64_t i = 0; i < ROWS; i++) {
            sum += (double)p->x[j][i] * p->y[i];
        }
        gain[j] = fabs(sum);
    }
    return PARE_OK;
}

static inline pare_status problem_fit(void *self, int64_t selected_count, const int64_t *selected) {
    solve_naively(self, selected_count, selected);
    return PARE_OK;
}

static inline pare_status problem_penalise(void *self, const double *lambda, double *norm,
                                           double *slope) {
    problem *p = self;
    if (!p->lasso) {
        pare_status status = pare_lasso_create(p->ctx, &p->design, 1, p->y, 0, &p->lasso);
        if (status != PARE_OK) {
            return status;
        }
    }
    return pare_lasso_solve(p->lasso, lambda, norm, slope);
}

static inline pare_status problem_visit(void *self, const pare_visitor *visitor) {
    problem *p = self;
    return visitor->bytes(visitor->user, p->b, sizeof p->b);
}

static const pare_objective_slots trained_slots = {.reset = problem_reset,
                                                   .step = problem_step,
                                                   .norms = problem_norms,
                                                   .shrink = problem_shrink,
                                                   .gains = problem_gains,
                                                   .visit = problem_visit};
static const pare_objective_slots exact_slots = {.gains = problem_gains,
                                                 .fit = problem_fit,
                                                 .norms = problem_norms,
                                                 .penalise = problem_penalise};

/* Each method in each form it has. */
static const struct {
    const pare_method *method;
    bool exact;
} forms[] = {
    {&pare_method_group_lasso, true},
    {&pare_method_group_lasso, false},
    {&pare_method_sequential_lasso, true},
    {&pare_method_sequential_lasso, false},
    {&pare_method_rfe, true},
    {&pare_method_rfe, false},
    {&pare_method_magnitude, false},
    {&pare_method_ranking, true},
    {&pare_method_random, true},
};
enum { FORMS = sizeof forms / sizeof forms[0] };

typedef struct fixture {
    pare_context *ctx;
    problem data;
    pare_objective objective;
    uint8_t forced[COLUMNS], barred[COLUMNS];
    pare_task task;
    pare_choice choice;
    int64_t item[COLUMNS];
    double score[COLUMNS], epoch[PARE_TRACE_MAX], loss[PARE_TRACE_MAX];
    const pare_method *method;
    void *state;
} fixture;

static inline void standardise(float *x) {
    double mean = 0, square = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        mean += (double)x[i] / ROWS;
    }
    for (int64_t i = 0; i < ROWS; i++) {
        x[i] -= (float)mean;
        square += (double)x[i] * (double)x[i] / ROWS;
    }
    for (int64_t i = 0; i < ROWS; i++) {
        x[i] *= (float)(1 / sqrt(square));
    }
}

/* Correlated columns; 3, 7, 11 carry the response with falling strength, the others a little.
 * order: place of each column, NULL: as they are. */
static inline void fill(problem *p, uint64_t seed, const int64_t *order) {
    double weight[COLUMNS] = {0};
    double mean = 0;
    weight[3] = 3, weight[7] = 2, weight[11] = 1;
    memset(p->y, 0, sizeof p->y);
    for (int64_t j = 0; j < COLUMNS; j++) {
        int64_t at = order ? order[j] : j;
        float *x = p->x[at];
        p->label[at] = j;
        for (int64_t i = 0; i < ROWS; i++) {
            double shared = pare_random_normal(seed, PARE_STREAM_TEST, (uint64_t)i);
            double own =
                pare_random_normal(seed, PARE_STREAM_TEST, (uint64_t)(1000 + j * ROWS + i));
            x[i] = (float)(0.4 * shared + own);
        }
        standardise(x);
        double more = 0.2 * pare_random_normal(seed + 1, PARE_STREAM_TEST, (uint64_t)j);
        for (int64_t i = 0; i < ROWS; i++) {
            p->y[i] += (weight[j] + more) * (double)x[i];
        }
    }
    for (int64_t i = 0; i < ROWS; i++) {
        mean += p->y[i] / ROWS;
    }
    for (int64_t i = 0; i < ROWS; i++) {
        p->y[i] -= mean;
    }
}

static inline fixture *open_form(int form, int64_t k, const int64_t *order) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(pare_context_create(NULL, &f->ctx), PARE_OK);
    f->data.ctx = f->ctx;
    fill(&f->data, 5, order);
    assert_ok(f->ctx, pare_dense_design_create(f->ctx, ROWS, COLUMNS, f->data.x[0], COLUMNS, NULL,
                                               NULL, &f->data.design));
    bool exact = forms[form].exact;
    f->objective = (pare_objective){.slots = exact ? &exact_slots : &trained_slots,
                                    .self = &f->data,
                                    .count = COLUMNS,
                                    .steps_per_epoch = exact ? 0 : 10,
                                    .name = "test"};
    f->choice = (pare_choice){
        .item = f->item, .score = f->score, .trace_epoch = f->epoch, .trace_loss = f->loss};
    f->task = (pare_task){.ctx = f->ctx,
                          .objective = &f->objective,
                          .k = k,
                          .forced = f->forced,
                          .barred = f->barred,
                          .picks_per_phase = 1,
                          .epochs = 40,
                          .warm_up = -1,
                          .surplus = 1,
                          .seed = 1};
    f->method = forms[form].method;
    return f;
}

static inline void start(fixture *f) {
    assert_ok(f->ctx, f->method->create(&f->task, &f->choice, &f->state));
}

static inline void finish(fixture *f) {
    bool done = false;
    for (int64_t i = 0; !done; i++) {
        assert_true(i < 100000);
        assert_ok(f->ctx, f->method->step(f->state, &done));
    }
}

static inline void close_fixture(fixture *f) {
    f->method->destroy(f->state);
    pare_lasso_destroy(f->data.lasso);
    pare_design_destroy(&f->data.design);
    pare_context_destroy(f->ctx);
    free(f);
}

/* Exactly k, all different, the forced first and in number order, none barred, scores falling. */
static inline void check_choice(const fixture *f) {
    assert_int_equal(f->choice.count, f->task.k);
    uint8_t seen[COLUMNS] = {0};
    int64_t forced = 0;
    for (int64_t j = 0; j < COLUMNS; j++) {
        forced += f->forced[j];
    }
    for (int64_t i = 0; i < f->choice.count; i++) {
        int64_t j = f->choice.item[i];
        assert_in_range(j, 0, COLUMNS - 1);
        assert_false(seen[j]);
        assert_false(f->barred[j]);
        assert_true(isfinite(f->choice.score[i]));
        assert_true(f->forced[j] == (i < forced));
        assert_true(i == 0 || i >= forced || j > f->choice.item[i - 1]);
        seen[j] = 1;
    }
}

#endif
