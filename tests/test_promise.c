/*
 * Promises on held-out rows: Clopper-Pearson limits by their definition, the betting test by
 * simulation at the edge of its hypothesis, and the choice of the fewest columns end to end.
 */
#include "support.h"

#include <math.h>

#include "base/random.h"
#include "select/promise.h"

static void binomial_limits_are_exact(void **state) {
    (void)state;
    /* 0 of n: 1 - error^(1 / n). */
    assert_true(fabs(pare_binomial_upper(0, 20, 0.05) - (1 - pow(0.05, 1.0 / 20))) < 1e-9);
    assert_true(pare_binomial_upper(20, 20, 0.05) == 1);
    assert_true(fabs(pare_binomial_lower(20, 20, 0.05) - pow(0.05, 1.0 / 20)) < 1e-9);
    assert_true(fabs(pare_binomial_lower(0, 20, 0.05)) < 1e-9);
    /* 3 of 10, error 0.05: 0.60662 (tables of Clopper and Pearson, one-sided). */
    assert_true(fabs(pare_binomial_upper(3, 10, 0.05) - 0.6066) < 1e-3);
    for (int64_t hits = 0; hits <= 1000; hits += 50) {
        double up = pare_binomial_upper(hits, 1000, 0.025);
        double low = pare_binomial_lower(hits, 1000, 0.025);
        assert_true(low <= (double)hits / 1000 + 1e-12 && (double)hits / 1000 <= up + 1e-12);
        assert_true(up - low < 0.07);
    }
}

/* Differences of losses: mostly small, now and then large, with expectation exactly `mean`. */
static void draw(uint64_t set, int64_t n, double mean, double *x) {
    for (int64_t i = 0; i < n; i++) {
        double u = pare_random_uniform(21, PARE_STREAM_TEST, set * 4096 + (uint64_t)i);
        double v = pare_random_uniform(22, PARE_STREAM_TEST, set * 4096 + (uint64_t)i);
        x[i] = mean + (u < 0.05 ? 1.9 * (2 * v - 1) : 0.2 * (2 * v - 1));
    }
}

static void betting_keeps_its_level(void **state) {
    (void)state;
    enum { ROWS = 400, SETS = 2000 };
    double x[ROWS];
    int64_t wrong = 0, useful = 0;
    for (uint64_t set = 0; set < SETS; set++) {
        draw(set, ROWS, 0.05, x);
        wrong += pare_betting_p(ROWS, x, 2, 0.05, 0.1) <= 0.1;
        useful += pare_betting_p(ROWS, x, 2, 0.15, 0.1) <= 0.1;
    }
    /* Level 0.1 with 3 standard errors of 2,000 draws. */
    assert_true((double)wrong / SETS <= 0.1 + 3 * sqrt(0.1 * 0.9 / SETS));
    assert_true((double)useful / SETS > 0.7);
    draw(1, ROWS, 0.05, x);
    double upper = pare_betting_upper(ROWS, x, 2, 0.1);
    assert_true(upper > 0.05 && upper < 0.3);
    assert_true(pare_betting_p(ROWS, x, 2, upper + 1e-6, 0.1) <= 0.1);
    /* Constant 0 with a range of 2: no more than about range log(1 / error) / n. */
    memset(x, 0, sizeof x);
    assert_true(pare_betting_upper(ROWS, x, 2, 0.1) < 0.1);
}

enum { ROWS = 2000, COLUMNS = 12, STRONG = 3 };

static void the_fewest_are_found(void **state) {
    (void)state;
    static float x[ROWS * COLUMNS];
    static double y[ROWS];
    for (int64_t i = 0; i < ROWS; i++) {
        double sum = 0;
        for (int64_t j = 0; j < COLUMNS; j++) {
            x[i * COLUMNS + j] =
                (float)pare_random_normal(31, PARE_STREAM_TEST, (uint64_t)(i * COLUMNS + j));
            sum += j < STRONG ? (double)x[i * COLUMNS + j] : 0;
        }
        y[i] = sum > 0;
    }
    pare_context *ctx = NULL;
    pare_config *config = NULL;
    pare_dataset *data = NULL;
    pare_selection *selection = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, pare_config_create(ctx, &config));
    static const char *const options[][2] = {{"k", "8"},
                                             {"method", "omp"},
                                             {"tolerance", "0.2"},
                                             {"hidden", "16"},
                                             {"refit-epochs", "30"}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        assert_ok(ctx, pare_config_set(config, options[i][0], options[i][1]));
    }
    assert_ok(ctx, pare_dataset_wrap(ctx, ROWS, COLUMNS, x, 1, y, NULL, NULL, config, &data));
    assert_ok(ctx, pare_select(data, NULL, config, NULL, NULL, &selection));
    int64_t count = pare_selection_count(selection);
    if (count < STRONG || count > STRONG + 2) {
        const char *text = NULL;
        assert_ok(ctx, pare_selection_text(selection, &text));
        fail_msg("%s", text);
    }
    assert_true(pare_selection_proved(selection, "held_out.fewest") == (double)count);
    assert_true(pare_selection_proved(selection, "held_out.rows") >= 300);
    assert_true(pare_selection_proved(selection, "held_out.accuracy_drop_most") < 0.3);
    pare_selection_destroy(selection);

    /* Too few rows for any promise. */
    pare_dataset *small = NULL;
    assert_ok(ctx, pare_dataset_wrap(ctx, 100, COLUMNS, x, 1, y, NULL, NULL, config, &small));
    assert_int_not_equal(pare_select(small, NULL, config, NULL, NULL, &selection), PARE_OK);
    assert_non_null(strstr(pare_context_error(ctx), "at least 50 rows"));
    pare_dataset_close(small);
    pare_dataset_close(data);
    pare_config_destroy(config);
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binomial_limits_are_exact),
        cmocka_unit_test(betting_keeps_its_level),
        cmocka_unit_test(the_fewest_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
