/*
 * Stability selection: the r-concave bound is an upper bound of what r-concave distributions can
 * do, and never looser than the plain one; on simulated data the bound holds, and the strong
 * columns are found.
 */
#include "support.h"

#include <math.h>

#include "base/random.h"
#include "select/stability.h"

enum { COUNT_MOST = 40 };

/* A random r-concave probability function with the given mean: f = g^(1 / r), g convex, positive;
 * the mean is set by tilting g with a linear term (which keeps it convex). False if it cannot. */
static bool draw_concave(uint64_t draw, double r, int64_t count, double mean, double *f) {
    double curve[COUNT_MOST + 1], slope = 0, value = 0;
    for (int64_t i = 0; i <= count; i++) {
        double u = pare_random_uniform(3, PARE_STREAM_TEST, draw * 1000 + (uint64_t)i);
        slope += u < 0.7 ? 0 : u * u * u;
        curve[i] = value;
        value += slope;
    }
    double start = exp(6 * pare_random_uniform(4, PARE_STREAM_TEST, draw) - 4);
    double low = -50, high = 50;
    for (int n = 0; n < 200; n++) {
        double tilt = 0.5 * (low + high), total = 0, first = 0, least = INFINITY;
        for (int64_t i = 0; i <= count; i++) {
            least = fmin(least, curve[i] + tilt * (double)i);
        }
        for (int64_t i = 0; i <= count; i++) {
            f[i] = pow(curve[i] + tilt * (double)i - least + start, 1 / r);
            total += f[i];
            first += (double)i * f[i];
        }
        for (int64_t i = 0; i <= count; i++) {
            f[i] /= total;
        }
        if (fabs(first / total - mean * (double)count) < 1e-9) {
            return true;
        }
        if (first / total > mean * (double)count) {
            low = tilt; /* steeper g: mass moves to the left */
        } else {
            high = tilt;
        }
    }
    return false;
}

static void no_concave_distribution_beats_the_bound(void **state) {
    (void)state;
    static const double roots[] = {-0.5, -0.25};
    int64_t drawn = 0;
    for (uint64_t draw = 0; draw < 400; draw++) {
        double f[COUNT_MOST + 1], r = roots[draw % 2];
        int64_t count = 10 + (int64_t)(draw % 30);
        double mean = 0.2 * pare_random_uniform(5, PARE_STREAM_TEST, draw) + 0.005;
        if (!draw_concave(draw, r, count, mean, f)) {
            continue;
        }
        drawn++;
        for (int64_t at = count; at > count / 2; at--) {
            double tail = 0;
            for (int64_t i = at; i <= count; i++) {
                tail += f[i];
            }
            double bound = pare_concave_tail(mean, count, r, at);
            if (!(tail <= bound + 1e-7)) {
                fail_msg("draw %llu: P(X >= %lld / %lld) = %g above the bound %g",
                         (unsigned long long)draw, (long long)at, (long long)count, tail, bound);
            }
        }
    }
    assert_true(drawn > 200);
}

static void bounds_are_ordered(void **state) {
    (void)state;
    double before = INFINITY;
    for (int i = 0; i < 9; i++) {
        double plain = 0, threshold = 0.55 + 0.05 * i;
        double bound = pare_stability_bound(1000, 20, 50, threshold, &plain);
        assert_true(bound > 0 && bound <= plain + 1e-12);
        assert_true(bound <= before + 1e-12);
        before = bound;
    }
    /* Markov's inequality never promises less than a concave tail. */
    for (int64_t at = 6; at <= 20; at++) {
        assert_true(pare_concave_tail(0.05, 20, -0.5, at) <= 0.05 * 20 / (double)at + 1e-9);
    }
}

/* ---- A whole selection --------------------------------------------------------------------- */

enum { ROWS = 120, COLUMNS = 60, TRUE_COLUMNS = 4 };

static void stable_columns_are_the_true_ones(void **state) {
    (void)state;
    static float x[ROWS * COLUMNS];
    static double y[ROWS];
    for (int64_t i = 0; i < ROWS; i++) {
        y[i] = pare_random_normal(8, PARE_STREAM_TEST, (uint64_t)i);
        for (int64_t j = 0; j < COLUMNS; j++) {
            x[i * COLUMNS + j] =
                (float)pare_random_normal(9, PARE_STREAM_TEST, (uint64_t)(i * COLUMNS + j));
            y[i] += j < TRUE_COLUMNS ? 2 * (double)x[i * COLUMNS + j] : 0;
        }
    }
    pare_context *ctx = NULL;
    pare_config *config = NULL;
    pare_dataset *data = NULL;
    pare_selection *selection = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, pare_config_create(ctx, &config));
    static const char *const options[][2] = {{"k", "8"},
                                             {"method", "omp"},
                                             {"stability", "20"},
                                             {"validation", "0"},
                                             {"task", "regression"}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        assert_ok(ctx, pare_config_set(config, options[i][0], options[i][1]));
    }
    assert_ok(ctx, pare_dataset_wrap(ctx, ROWS, COLUMNS, x, 1, y, NULL, NULL, config, &data));
    assert_ok(ctx, pare_select(data, NULL, config, NULL, NULL, &selection));
    int64_t count = pare_selection_count(selection), found = 0;
    for (int64_t i = 0; i < count; i++) {
        assert_true(pare_selection_score(selection, i) >= 0.75);
        found += pare_selection_items(selection)[i] < TRUE_COLUMNS;
    }
    assert_int_equal(found, TRUE_COLUMNS);
    assert_true(count <= TRUE_COLUMNS + 2);
    assert_true(pare_selection_proved(selection, "stability.pairs") == 20);
    assert_true(pare_selection_proved(selection, "stability.each") == 8);
    double bound = pare_selection_proved(selection, "stability.bound");
    assert_true(bound > 0 && bound <= pare_selection_proved(selection, "stability.plain_bound"));
    const char *text = NULL;
    assert_ok(ctx, pare_selection_text(selection, &text));
    assert_non_null(strstr(text, "stability: chosen in at least 0.75 of 40 half samples"));
    pare_selection_destroy(selection);
    pare_dataset_close(data);
    pare_config_destroy(config);
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_concave_distribution_beats_the_bound),
        cmocka_unit_test(bounds_are_ordered),
        cmocka_unit_test(stable_columns_are_the_true_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
