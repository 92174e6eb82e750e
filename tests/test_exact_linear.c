/* The exact linear models: stationary fits, gains, losses, scores, groups, penalties. */
#include "linear_support.h"

static pare_objective make(world *w, bool least_squares) {
    pare_objective objective = {0};
    assert_ok(w->ctx, pare_exact_linear_create(w->data, NULL, NULL, &w->options, least_squares,
                                               &objective));
    return objective;
}

static double train_loss(world *w, pare_objective *o, int64_t count, const int64_t *item) {
    pare_metrics metrics = {0};
    assert_ok(w->ctx, o->slots->fit(o->self, count, item));
    assert_ok(w->ctx, o->slots->evaluate(o->self, NULL, PARE_ROWS_TRAIN, &metrics));
    return metrics.loss;
}

enum { TASKS = 4 };
static const char *const tasks[TASKS] = {"regression", "multi-output", "binary", "multiclass"};

static world *of_task(int task, bool weights, const char *ridge) {
    world *w = open_world(200 + (uint64_t)task, 400, 16, 0.4, task == 1 ? 3 : 1, 5);
    if (task >= 2) {
        make_classes(w, task == 2 ? 2 : 4, tasks[task]);
    }
    if (weights) {
        w->weight = zeroed(w->n, sizeof *w->weight);
        for (int64_t i = 0; i < w->n; i++) {
            w->weight[i] = 0.25f + (float)(i % 4);
        }
    }
    set(w, "ridge", ridge);
    set(w, "validation", "0.2");
    finish_world(w);
    return w;
}

/* What is on the training rows must also come out of the general path, for any mask of ones. */
static void test_scores_agree(void **state) {
    (void)state;
    for (int task = 0; task < TASKS; task++) {
        for (int weights = 0; weights < 2; weights++) {
            world *w = of_task(task, weights, "1e-6");
            pare_objective o = make(w, false);
            int64_t item[] = {3, 9, 1, 12};
            pare_metrics fitted = {0}, again = {0}, valid = {0};
            assert_ok(w->ctx, o.slots->fit(o.self, 4, item));
            assert_ok(w->ctx, o.slots->evaluate(o.self, NULL, PARE_ROWS_TRAIN, &fitted));
            float mask[16];
            for (int j = 0; j < 16; j++) {
                mask[j] = 1;
            }
            mask[3] = 1 - 1e-7f; /* not quite whole: row by row */
            assert_ok(w->ctx, o.slots->evaluate(o.self, mask, PARE_ROWS_TRAIN, &again));
            assert_true(fabs(fitted.loss - again.loss) < 1e-5 * fitted.loss);
            assert_true(fabs(fitted.score - again.score) < 1e-4);
            assert_ok(w->ctx, o.slots->evaluate(o.self, NULL, PARE_ROWS_VALIDATION, &valid));
            assert_int_equal(valid.rows, w->data->validation_count);
            assert_true(isfinite(valid.score) && isfinite(valid.loss) && valid.score_error > 0);
            assert_ok(w->ctx, o.slots->evaluate(o.self, NULL, PARE_ROWS_TEST, &valid));
            assert_int_equal(valid.rows, 0);
            pare_objective_destroy(&o);
            close_world(w);
        }
    }
}

/* At the minimum no step in any coefficient helps: the gain of a chosen column alone, computed as
 * if it were new, is 0; and losing it costs what `losses` says. */
static void test_fit_is_a_minimum(void **state) {
    (void)state;
    for (int task = 0; task < TASKS; task++) {
        for (int weights = 0; weights < 2; weights++) {
            world *w = of_task(task, weights, "1e-9");
            pare_objective o = make(w, false);
            int64_t item[] = {3, 9, 1, 12, 5}, swapped[] = {5, 12, 9, 3, 1}, rest[4];
            double whole = train_loss(w, &o, 5, item);
            /* A larger set is never worse, and order does not matter. */
            assert_true(whole <= train_loss(w, &o, 4, item) + 1e-12);
            double close = task == 3 ? 2e-6 : task == 2 ? 2e-7 : 1e-10;
            assert_true(fabs(whole - train_loss(w, &o, 5, swapped)) < close);
            double loss[5];
            assert_ok(w->ctx, o.slots->losses(o.self, 5, item, loss));
            for (int out = 0; out < 5; out++) {
                for (int i = 0, at = 0; i < 5; i++) {
                    if (i != out) {
                        rest[at++] = item[i];
                    }
                }
                double without = train_loss(w, &o, 4, rest);
                assert_true(loss[out] > 0);
                assert_true(fabs(without - whole - loss[out]) < close + 1e-6 * loss[out]);
            }
            pare_objective_destroy(&o);
            close_world(w);
        }
    }
}

/* Gains are a lower bound of what fitting achieves; exact for the first column of least squares. */
static void test_gains(void **state) {
    (void)state;
    for (int task = 0; task < TASKS; task++) {
        for (int weights = 0; weights < 2; weights++) {
            world *w = of_task(task, weights, "0");
            pare_objective o = make(w, false);
            double gain[16];
            double none = train_loss(w, &o, 0, NULL);
            assert_ok(w->ctx, o.slots->gains(o.self, 0, NULL, gain));
            for (int64_t j = 0; j < 16; j++) {
                double fall = none - train_loss(w, &o, 1, &j);
                assert_true(gain[j] >= 0 && fall >= gain[j] - 1e-4 * none);
                assert_true(task >= 2 || fabs(fall - gain[j]) < 1e-4 * none);
            }
            int64_t item[] = {2, 7, 11};
            double before = train_loss(w, &o, 3, item);
            assert_ok(w->ctx, o.slots->gains(o.self, 3, item, gain));
            for (int64_t j = 0; j < 16; j++) {
                int64_t more[] = {2, 7, 11, j};
                if (j == 2 || j == 7 || j == 11) {
                    assert_true(gain[j] == 0);
                    continue;
                }
                double fall = before - train_loss(w, &o, 4, more);
                assert_true(gain[j] >= 0 && fall >= gain[j] - 1e-4 * none);
            }
            pare_objective_destroy(&o);
            close_world(w);
        }
    }
}

/* One hundred refits in any order of selections: the objective keeps nothing it should not. */
static void test_any_sequence(void **state) {
    (void)state;
    for (int task = 0; task < TASKS; task++) {
        world *w = of_task(task, false, "1e-6");
        pare_objective o = make(w, false);
        for (uint64_t round = 0; round < 25; round++) {
            int64_t order[16], count = pare_random_below(5, PARE_STREAM_TEST, round, 9);
            for (int64_t j = 0; j < 16; j++) {
                order[j] = j;
            }
            pare_random_shuffle(6, PARE_STREAM_TEST, round * 16, 16, order);
            double now[16], fresh[16];
            assert_ok(w->ctx, o.slots->gains(o.self, count, order, now));
            pare_objective other = make(w, false);
            assert_ok(w->ctx, other.slots->gains(other.self, count, order, fresh));
            for (int j = 0; j < 16; j++) {
                assert_true(fabs(now[j] - fresh[j]) < 1e-4 * (1e-2 + fresh[j]));
            }
            assert_true(
                fabs(train_loss(w, &o, count, order) - train_loss(w, &other, count, order)) < 1e-8);
            pare_objective_destroy(&other);
        }
        pare_objective_destroy(&o);
        close_world(w);
    }
}

/* A categorical column is one candidate: its gain is what fitting all its levels achieves. */
static void test_groups(void **state) {
    (void)state;
    world *w = open_world(301, 500, 8, 0.2, 1, 3);
    for (int64_t i = 0; i < w->n; i++) {
        int64_t level = pare_random_below(302, PARE_STREAM_TEST, (uint64_t)i, 5);
        w->x[i * w->d + 4] = (float)level;
        w->y[i] += 2 * (level == 1) - 3 * (level == 3);
        if (i % 13 == 0) {
            w->x[i * w->d + 6] = NAN;
        }
    }
    set(w, "categorical", "x4");
    finish_world(w);
    pare_objective o = make(w, false);
    double gain[8], none = train_loss(w, &o, 0, NULL);
    assert_ok(w->ctx, o.slots->gains(o.self, 0, NULL, gain));
    for (int64_t j = 0; j < 8; j++) {
        double fall = none - train_loss(w, &o, 1, &j);
        assert_true(fabs(fall - gain[j]) < 1e-4 * none);
    }
    chosen ours = run_omp(w, 8, 1, false);
    assert_int_equal(ours.count, 8);
    assert_int_equal(ours.item[0], 4);
    float norm[8];
    int64_t item[] = {4, 6};
    assert_ok(w->ctx, o.slots->fit(o.self, 2, item));
    assert_ok(w->ctx, o.slots->norms(o.self, norm));
    for (int j = 0; j < 8; j++) {
        assert_true((norm[j] > 0) == (j == 4 || j == 6));
    }
    pare_objective_destroy(&o);
    close_world(w);
}

/* Two classes that a column separates perfectly: finite coefficients, finite loss. */
static void test_separable(void **state) {
    (void)state;
    world *w = open_world(401, 150, 10, 0, 1, 0);
    for (int64_t i = 0; i < w->n; i++) {
        w->y[i] = w->x[i * w->d + 3] > 0;
    }
    set(w, "task", "binary");
    set(w, "ridge", "1e-6");
    finish_world(w);
    chosen ours = run_omp(w, 10, 1, false);
    assert_int_equal(ours.item[0], 3);
    assert_int_equal(ours.count, 10);
    assert_true(ours.loss >= 0 && ours.loss < 1e-2);
    close_world(w);
}

/* Classes as one-hot responses: least squares on them, accuracy as the score. */
static void test_classes_as_responses(void **state) {
    (void)state;
    for (int task = 2; task < TASKS; task++) {
        world *w = of_task(task, false, "1e-6");
        pare_objective o = make(w, true);
        int64_t item[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        pare_metrics valid = {0};
        assert_non_null(o.slots->penalise);
        assert_ok(w->ctx, o.slots->fit(o.self, 16, item));
        assert_ok(w->ctx, o.slots->evaluate(o.self, NULL, PARE_ROWS_VALIDATION, &valid));
        assert_true(valid.score > valid.null_score);
        pare_objective_destroy(&o);
        close_world(w);
    }
}

/* The penalty of the lasso: none enters above the largest slope, one just below. */
static void test_penalise(void **state) {
    (void)state;
    world *w = of_task(0, true, "1e-6");
    pare_objective o = make(w, true);
    double lambda[16], norm[16], slope[16], most = 0;
    int64_t best = 0, entered = 0;
    for (int j = 0; j < 16; j++) {
        lambda[j] = INFINITY;
    }
    assert_ok(w->ctx, o.slots->penalise(o.self, lambda, norm, slope));
    for (int j = 0; j < 16; j++) {
        best = slope[j] > most ? j : best;
        most = fmax(most, slope[j]);
    }
    for (int j = 0; j < 16; j++) {
        lambda[j] = 0.999 * most;
    }
    assert_ok(w->ctx, o.slots->penalise(o.self, lambda, norm, slope));
    for (int j = 0; j < 16; j++) {
        entered += norm[j] > 0;
    }
    assert_int_equal(entered, 1);
    assert_true(norm[best] > 0);
    pare_objective_destroy(&o);
    close_world(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores_agree), cmocka_unit_test(test_fit_is_a_minimum),
        cmocka_unit_test(test_gains),        cmocka_unit_test(test_any_sequence),
        cmocka_unit_test(test_groups),       cmocka_unit_test(test_separable),
        cmocka_unit_test(test_penalise),     cmocka_unit_test(test_classes_as_responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
