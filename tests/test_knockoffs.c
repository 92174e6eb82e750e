/*
 * Knockoffs: the copies have the joint law they should, fixed-X ones exactly; the threshold is the
 * one of the definition; a few simulated selections keep their promise; refusals, warnings and
 * failing allocations. test_slow_knockoffs.c has the 200 data sets.
 */
#include "knockoff_support.h"

static pare_context *ctx;

enum { ROWS = 4000, COLUMNS = 12 };

/* Columns of mean 0 and mean square 1 with correlation rho^|a - b|, and their sample correlation.
 */
static void make_columns(double rho, double *x, double *sigma) {
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            double e = pare_random_normal(2, PARE_STREAM_TEST, (uint64_t)(i * COLUMNS + j));
            x[i * COLUMNS + j] =
                j == 0 ? e : rho * x[i * COLUMNS + j - 1] + sqrt(1 - rho * rho) * e;
        }
    }
    for (int64_t j = 0; j < COLUMNS; j++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < ROWS; i++) {
            mean += x[i * COLUMNS + j] / ROWS;
        }
        for (int64_t i = 0; i < ROWS; i++) {
            x[i * COLUMNS + j] -= mean;
            square += x[i * COLUMNS + j] * x[i * COLUMNS + j] / ROWS;
        }
        for (int64_t i = 0; i < ROWS; i++) {
            x[i * COLUMNS + j] /= sqrt(square);
        }
    }
    double shrinkage = 0;
    pare_knockoff_covariance(ROWS, COLUMNS, x, true, sigma, &shrinkage);
}

static void copies_have_the_right_law(void **state) {
    (void)state;
    static double x[ROWS * COLUMNS], copy[ROWS * COLUMNS], sigma[COLUMNS * COLUMNS], s[COLUMNS];
    for (int kind = 0; kind < 4; kind++) {
        bool fixed = kind % 2, equicorrelated = kind / 2;
        make_columns(0.6, x, sigma);
        assert_ok(ctx, pare_knockoff_distances(ctx, COLUMNS, sigma, equicorrelated, s));
        assert_ok(ctx, pare_knockoff_copies(ctx, ROWS, COLUMNS, x, sigma, s, fixed, 7, copy));
        double allowed = fixed ? 1e-8 : 5 / sqrt(ROWS);
        for (int64_t a = 0; a < COLUMNS; a++) {
            assert_true(s[a] > 0 && s[a] < 2);
            for (int64_t b = 0; b < COLUMNS; b++) {
                double own = 0, cross = 0, wanted = sigma[a * COLUMNS + b];
                for (int64_t i = 0; i < ROWS; i++) {
                    own += copy[i * COLUMNS + a] * copy[i * COLUMNS + b] / ROWS;
                    cross += copy[i * COLUMNS + a] * x[i * COLUMNS + b] / ROWS;
                }
                assert_true(fabs(own - wanted) < allowed);
                assert_true(fabs(cross - wanted + (a == b ? s[a] : 0)) < allowed);
            }
        }
    }
}

/* No other distances give a smaller objective: small moves of each make it worse. */
static double reconstructability(const double *sigma, const double *s) {
    double m[COLUMNS * COLUMNS], inverse[COLUMNS * COLUMNS] = {0}, sum = 0;
    for (int64_t at = 0; at < COLUMNS * COLUMNS; at++) {
        m[at] = 2 * sigma[at];
    }
    for (int64_t j = 0; j < COLUMNS; j++) {
        m[j * COLUMNS + j] -= s[j];
        inverse[j * COLUMNS + j] = 1;
        sum += 1 / s[j];
    }
    if (pare_cholesky(COLUMNS, m, COLUMNS) != 0) {
        return INFINITY;
    }
    pare_cholesky_solve(COLUMNS, COLUMNS, m, COLUMNS, inverse, COLUMNS);
    for (int64_t j = 0; j < COLUMNS; j++) {
        sum += inverse[j * COLUMNS + j];
    }
    return sum;
}

static void distances_are_optimal(void **state) {
    (void)state;
    static double x[ROWS * COLUMNS], sigma[COLUMNS * COLUMNS], s[COLUMNS];
    make_columns(0.8, x, sigma);
    assert_ok(ctx, pare_knockoff_distances(ctx, COLUMNS, sigma, false, s));
    double best = reconstructability(sigma, s);
    for (int64_t j = 0; j < COLUMNS; j++) {
        for (int side = -1; side <= 1; side += 2) {
            double before = s[j];
            s[j] *= 1 + 0.02 * side;
            assert_true(reconstructability(sigma, s) > best);
            s[j] = before;
        }
    }
    double equal[COLUMNS];
    assert_ok(ctx, pare_knockoff_distances(ctx, COLUMNS, sigma, true, equal));
    assert_true(best < reconstructability(sigma, equal));
}

static void threshold_follows_its_definition(void **state) {
    (void)state;
    const double w[] = {5, 4, 3, 2.5, 2, 1.5, 1, 0.5, -0.5, -1.2, 0, 0};
    double scratch[12];
    /* At 1.5: (1 + 0) / 6 <= 0.2; at 1: (1 + 1) / 7 > 0.2. */
    assert_true(pare_knockoff_threshold(12, w, 0.2, scratch) == 1.5);
    assert_true(pare_knockoff_threshold(12, w, 0.3, scratch) == 0.5 ||
                pare_knockoff_threshold(12, w, 0.3, scratch) == 1);
    assert_true(isinf(pare_knockoff_threshold(12, w, 0.1, scratch)));
}

static void a_few_selections_keep_their_promise(void **state) {
    (void)state;
    static const char *const importance[] = {"lasso", "omp", "network"};
    for (int kind = 0; kind < 3; kind++) {
        const char *const options[][2] = {{"fdr", "0.2"},
                                          {"importance", importance[kind]},
                                          {"hidden", "16"},
                                          {"refit-epochs", "20"},
                                          {NULL, NULL}};
        double found = 0, share = 0;
        for (uint64_t seed = 1; seed <= 3; seed++) {
            sim_result r = sim_select(ctx, seed, 0.3, 0.4, options);
            found += (r.chosen - r.wrong) / SIM_TRUE / 3;
            share += sim_share(r) / 3;
        }
        if (share > 0.35 || (kind < 2 && found < 0.8)) {
            fail_msg("%s: %g of the true found, %g of the chosen wrong", importance[kind], found,
                     share);
        }
    }
}

static char warned[512];

static void note_warning(void *user, const char *sentence) {
    (void)user;
    snprintf(warned, sizeof warned, "%s", sentence);
}

/* Selects among `columns` columns of `rows` rows; x may be NULL for random ones. */
static pare_status try_select(pare_context *own, int64_t rows, int64_t columns, const float *given,
                              const char *const (*options)[2], int64_t *count) {
    float *x = malloc((size_t)(rows * columns) * sizeof *x);
    double *y = malloc((size_t)rows * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    for (int64_t at = 0; at < rows * columns; at++) {
        x[at] = given ? given[at] : (float)pare_random_normal(4, PARE_STREAM_TEST, (uint64_t)at);
    }
    for (int64_t i = 0; i < rows; i++) {
        y[i] = (double)x[i * columns] + pare_random_normal(5, PARE_STREAM_TEST, (uint64_t)i);
    }
    pare_config *config = NULL;
    pare_dataset *data = NULL;
    pare_selection *selection = NULL;
    pare_status status = pare_config_create(own, &config);
    for (; status == PARE_OK && (*options)[0]; options++) {
        status = pare_config_set(config, (*options)[0], (*options)[1]);
    }
    if (status == PARE_OK) {
        status = pare_dataset_wrap(own, rows, columns, x, 1, y, NULL, NULL, config, &data);
    }
    if (status == PARE_OK) {
        status = pare_select(data, NULL, config, NULL, NULL, &selection);
    }
    if (status == PARE_OK && count) {
        *count = pare_selection_count(selection);
    }
    pare_selection_destroy(selection);
    pare_dataset_close(data);
    pare_config_destroy(config);
    free(x);
    free(y);
    return status;
}

static void refuses(int64_t rows, int64_t columns, const float *x, const char *const (*options)[2],
                    const char *piece) {
    assert_int_not_equal(try_select(ctx, rows, columns, x, options, NULL), PARE_OK);
    if (!strstr(pare_context_error(ctx), piece)) {
        fail_msg("'%s' lacks '%s'", pare_context_error(ctx), piece);
    }
}

static void nonsense_is_refused(void **state) {
    (void)state;
#define BASE                                                                                       \
    {"fdr", "0.2"}, {"task", "regression"}, {                                                      \
        "validation", "0"                                                                          \
    }
    static const char *const plain[][2] = {BASE, {NULL, NULL}};
    static const char *const fixed[][2] = {BASE, {"knockoffs", "fixed"}, {NULL, NULL}};
    static const char *const both[][2] = {BASE, {"stability", "5"}, {"k", "2"}, {NULL, NULL}};
    static const char *const barred[][2] = {BASE, {"exclude", "x1"}, {NULL, NULL}};
    static const char *const one[][2] = {{"fdr", "1"}, {NULL, NULL}};
    static const char *const negative[][2] = {{"fdr", "-0.1"}, {NULL, NULL}};
    refuses(19, 4, NULL, plain, "at least 20");
    refuses(40, 30, NULL, fixed, "more than 2 rows a column");
    refuses(40, 4, NULL, both, "give one of them");
    refuses(40, 4, NULL, barred, "option ignore");
    refuses(40, 4, NULL, one, "option fdr");
    refuses(40, 4, NULL, negative, "option fdr");
    float x[40 * 3];
    for (int64_t i = 0; i < 40; i++) {
        x[i * 3] = (float)pare_random_normal(6, PARE_STREAM_TEST, (uint64_t)i);
        x[i * 3 + 1] = (float)pare_random_normal(7, PARE_STREAM_TEST, (uint64_t)i);
        x[i * 3 + 2] = -3 * x[i * 3];
    }
    refuses(40, 3, x, plain, "'x0' and 'x2' are the same");
    /* Too few rows, and columns that are not normal: said, not refused. */
    pare_context_on_warning(ctx, note_warning, NULL);
    int64_t count = -1;
    assert_ok(ctx, try_select(ctx, 40, 30, NULL, plain, &count));
    assert_non_null(strstr(warned, "few for the covariance"));
    for (int64_t i = 0; i < 40; i++) {
        x[i * 3 + 2] = i % 20 == 0;
    }
    assert_ok(ctx, try_select(ctx, 40, 3, x, plain, &count));
    assert_non_null(strstr(warned, "far from the normal law"));
    pare_context_on_warning(ctx, NULL, NULL);
}

static pare_status one_selection(pare_context *own) {
    static const char *const plain[][2] = {BASE, {NULL, NULL}};
    return try_select(own, 30, 4, NULL, plain, NULL);
}

static void failing_allocations_are_survived(void **state) {
    (void)state;
    test_each_allocation(one_selection);
}

int main(void) {
    if (pare_context_create(NULL, &ctx) != PARE_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_have_the_right_law),
        cmocka_unit_test(distances_are_optimal),
        cmocka_unit_test(threshold_follows_its_definition),
        cmocka_unit_test(a_few_selections_keep_their_promise),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pare_context_destroy(ctx);
    return failed;
}
