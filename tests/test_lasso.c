/* The exact lasso: the solver, and the two methods that stand on it. */
#include "methods_support.h"

enum { GROUPS = 10, RESPONSES = 3 };
/* Groups of 1 to 4 columns. */
static const int64_t group_start[GROUPS + 1] = {0, 1, 3, 4, 8, 10, 13, 14, 18, 20, 24};

/* Proximal gradient with a fixed small step: slow and plain. w: (COLUMNS, RESPONSES). */
static void solve_by_proximal_gradient(const problem *p, const double *response,
                                       const double *weight, const double *lambda, double *w) {
    double total = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        total += weight[i];
    }
    memset(w, 0, COLUMNS * RESPONSES * sizeof *w);
    for (int iteration = 0; iteration < 3000; iteration++) {
        double gradient[COLUMNS][RESPONSES] = {{0}};
        for (int64_t i = 0; i < ROWS; i++) {
            for (int64_t v = 0; v < RESPONSES; v++) {
                double residual = response[v * ROWS + i];
                for (int64_t j = 0; j < COLUMNS; j++) {
                    residual -= (double)p->x[j][i] * w[j * RESPONSES + v];
                }
                for (int64_t j = 0; j < COLUMNS; j++) {
                    gradient[j][v] -= weight[i] * residual * (double)p->x[j][i] / total;
                }
            }
        }
        for (int64_t g = 0; g < GROUPS; g++) {
            double norm = 0;
            int64_t from = group_start[g] * RESPONSES, end = group_start[g + 1] * RESPONSES;
            for (int64_t i = from; i < end; i++) {
                w[i] -= 0.1 * gradient[i / RESPONSES][i % RESPONSES];
                norm += w[i] * w[i];
            }
            norm = sqrt(norm);
            double factor = norm > 0.1 * lambda[g] ? 1 - 0.1 * lambda[g] / norm : 0;
            for (int64_t i = from; i < end; i++) {
                w[i] *= factor;
            }
        }
    }
}

static void lasso_agrees_with_proximal_gradient(void **unused) {
    (void)unused;
    fixture *f = open_form(0, 1, NULL);
    double response[RESPONSES * ROWS], weight[ROWS], w[COLUMNS * RESPONSES];
    for (int64_t i = 0; i < ROWS; i++) {
        weight[i] = 0.5 + (double)(i % 3);
        for (int64_t v = 0; v < RESPONSES; v++) {
            response[v * ROWS + i] =
                f->data.y[i] * (double)(v + 1) +
                3 * pare_random_normal(8, PARE_STREAM_TEST, (uint64_t)(v * ROWS + i));
        }
    }
    pare_design design;
    assert_ok(f->ctx, pare_dense_design_create(f->ctx, ROWS, COLUMNS, f->data.x[0], GROUPS,
                                               group_start, weight, &design));
    pare_lasso *lasso = NULL;
    assert_ok(f->ctx, pare_lasso_create(f->ctx, &design, RESPONSES, response, 0, &lasso));
    for (double strength = 8; strength > 0.02; strength /= 2) {
        double lambda[GROUPS], norm[GROUPS], slope[GROUPS];
        for (int64_t g = 0; g < GROUPS; g++) {
            lambda[g] = strength * sqrt((double)(group_start[g + 1] - group_start[g]));
        }
        lambda[4] = 0;
        lambda[5] = INFINITY;
        assert_ok(f->ctx, pare_lasso_solve(lasso, lambda, norm, slope));
        solve_by_proximal_gradient(&f->data, response, weight, lambda, w);
        for (int64_t g = 0; g < GROUPS; g++) {
            double expected = 0;
            for (int64_t i = group_start[g] * RESPONSES; i < group_start[g + 1] * RESPONSES; i++) {
                expected += w[i] * w[i];
            }
            assert_true(fabs(norm[g] - sqrt(expected)) < 1e-5 * (1 + sqrt(expected)));
            assert_true(slope[g] <= lambda[g] + 1e-5);
            assert_true(norm[g] == 0 || fabs(slope[g] - lambda[g]) < 1e-5);
        }
    }
    pare_lasso_destroy(lasso);
    pare_design_destroy(&design);
    close_fixture(f);
}

/* A choice is in at its score, and not yet in at the score before. */
static void group_lasso_scores_order_the_path(void **unused) {
    (void)unused;
    fixture *f = open_form(0, 8, NULL);
    start(f);
    finish(f);
    double lambda[COLUMNS], norm[COLUMNS], slope[COLUMNS];
    for (int64_t i = 0; i < 8; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            lambda[j] = f->score[i];
        }
        assert_ok(f->ctx, problem_penalise(&f->data, lambda, norm, slope));
        for (int64_t p = 0; p < 8; p++) {
            assert_true((norm[f->item[p]] > 0) == (p <= i));
        }
    }
    close_fixture(f);
}

/* Luo and Chen's theorem, on instances of correlated columns. */
static void sequential_lasso_is_matching_pursuit(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        fixture *f = open_form(2, 10, NULL);
        fill(&f->data, 100 * seed, NULL);
        start(f);
        finish(f);
        int64_t chosen[COLUMNS];
        for (int64_t count = 0; count < 10; count++) {
            double residual[ROWS], best_value = -1;
            int64_t best = -1;
            solve_naively(&f->data, count, chosen);
            residual_of(&f->data, NULL, residual);
            for (int64_t j = 0; j < COLUMNS; j++) {
                double sum = 0;
                for (int64_t i = 0; i < ROWS; i++) {
                    sum += (double)f->data.x[j][i] * residual[i];
                }
                bool taken = false;
                for (int64_t i = 0; i < count; i++) {
                    taken = taken || chosen[i] == j;
                }
                if (!taken && fabs(sum) > best_value) {
                    best_value = fabs(sum);
                    best = j;
                }
            }
            assert_int_equal(f->item[count], best);
            assert_true(fabs(f->score[count] - best_value / ROWS) < 1e-6);
            chosen[count] = best;
        }
        close_fixture(f);
    }
}

static void equal_columns_do_not_stop_the_path(void **unused) {
    (void)unused;
    for (int form = 0; form < 4; form++) {
        fixture *f = open_form(form, COLUMNS, NULL);
        for (int64_t j = 0; j + 1 < COLUMNS; j += 2) {
            memcpy(f->data.x[j + 1], f->data.x[j], sizeof f->data.x[j]);
        }
        memset(f->data.x[5], 0, sizeof f->data.x[5]); /* and a constant one */
        start(f);
        finish(f);
        check_choice(f);
        close_fixture(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lasso_agrees_with_proximal_gradient),
        cmocka_unit_test(group_lasso_scores_order_the_path),
        cmocka_unit_test(sequential_lasso_is_matching_pursuit),
        cmocka_unit_test(equal_columns_do_not_stop_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
