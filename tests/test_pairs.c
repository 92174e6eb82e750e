/*
 * Every pair of {method, weights, groups, missing, categorical, kind of target} once: users of
 * selection tools stumble over pairs, not over single features. Each run must give exactly k
 * distinct candidates with finite scores and finite comparison, and find a strong signal with the
 * defaults.
 */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/random.h"

enum { ROWS = 160, COLUMNS = 10, K = 3 };

typedef enum kind { BINARY, MULTICLASS, REGRESSION, MULTI_OUTPUT, KINDS } kind;

typedef struct combination {
    const char *method;
    bool weights, groups, missing, categorical;
    kind target;
} combination;

static const char *const methods[] = {
    "sequential-attention", "omp",     "group-lasso", "sequential-lasso", "lly", "magnitude", "rfe",
    "mutual-information",   "anova-f", "random"};

static float x[ROWS][COLUMNS];
static double y[ROWS][2];
static float weight[ROWS];

static double normal(uint64_t index) {
    return pare_random_normal(11, PARE_STREAM_TEST, index);
}

/* Column 2 carries the response; column 5 holds levels 0..3; column 7 has gaps. */
static int64_t fill(const combination *c) {
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            x[i][j] = (float)normal((uint64_t)(i * COLUMNS + j));
        }
        x[i][5] = (float)pare_random_below(12, PARE_STREAM_TEST, (uint64_t)i, 4);
        double signal = 3 * (double)x[i][2] + 0.3 * normal((uint64_t)(9000 + i));
        switch (c->target) {
        case BINARY:
            y[i][0] = signal > 0;
            break;
        case MULTICLASS:
            y[i][0] = signal < -1.5 ? 0 : signal < 1.5 ? 1 : 2;
            break;
        default:
            y[i][0] = signal;
            break;
        }
        weight[i] = (float)(0.5 + pare_random_uniform(13, PARE_STREAM_TEST, (uint64_t)i));
        if (c->missing && i % 9 == 0) {
            x[i][7] = NAN;
        }
    }
    if (c->target == MULTI_OUTPUT) {
        double packed[ROWS][2];
        for (int64_t i = 0; i < ROWS; i++) {
            packed[i][0] = y[i][0];
            packed[i][1] = -y[i][0] + 0.1 * (double)x[i][1];
        }
        memcpy(y, packed, sizeof y);
        return 2;
    }
    double packed[ROWS];
    for (int64_t i = 0; i < ROWS; i++) {
        packed[i] = y[i][0];
    }
    memcpy(y, packed, sizeof packed);
    return 1;
}

static void set(pare_context *ctx, pare_config *config, const char *name, const char *value) {
    assert_ok(ctx, pare_config_set(config, name, value));
}

static char group_path[] = "/tmp/pare-groups-XXXXXX";

static void run(const combination *c) {
    pare_context *ctx = NULL;
    pare_config *config = NULL;
    pare_dataset *data = NULL;
    pare_selection *selection = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, pare_config_create(ctx, &config));
    set(ctx, config, "method", c->method);
    set(ctx, config, "k", "3");
    set(ctx, config, "refit-epochs", "3");
    set(ctx, config, "threads", "1");
    if (c->groups) {
        set(ctx, config, "groups", group_path);
    }
    if (c->categorical) {
        set(ctx, config, "categorical", "x5");
    }
    int64_t outputs = fill(c);
    assert_ok(ctx, pare_dataset_wrap(ctx, ROWS, COLUMNS, &x[0][0], outputs, &y[0][0],
                                     c->weights ? weight : NULL, NULL, config, &data));
    int64_t candidates = c->groups ? COLUMNS - 1 : COLUMNS; /* x8 and x9 are one */
    assert_int_equal(pare_dataset_candidates(data), candidates);
    assert_ok(ctx, pare_select(data, NULL, config, NULL, NULL, &selection));
    assert_int_equal(pare_selection_count(selection), K);
    const int64_t *items = pare_selection_items(selection);
    bool found = false;
    for (int64_t i = 0; i < K; i++) {
        assert_in_range(items[i], 0, candidates - 1);
        for (int64_t j = 0; j < i; j++) {
            assert_int_not_equal(items[i], items[j]);
        }
        assert_true(isfinite(pare_selection_score(selection, i)));
        found = found || strcmp(pare_selection_name(selection, i), "x2") == 0;
    }
    if (!found && strcmp(c->method, "random") != 0) {
        fail_msg("%s missed the strong column (weights %d, groups %d, missing %d, categorical "
                 "%d, target %d)",
                 c->method, c->weights, c->groups, c->missing, c->categorical, (int)c->target);
    }
    assert_ok(ctx, pare_selection_evaluate(selection, data, NULL, NULL, config, NULL, NULL));
    assert_true(isfinite(pare_selection_metric(selection, "chosen", "validation")));
    assert_true(isfinite(pare_selection_metric(selection, "all", "validation")));
    assert_true(isfinite(pare_selection_path(selection, K)));
    pare_selection_destroy(selection);
    pare_dataset_close(data);
    pare_config_destroy(config);
    pare_context_destroy(ctx);
}

static void every_pair_works(void **unused) {
    (void)unused;
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        /* Method with each kind of target, and with each flag under every kind. */
        for (int target = 0; target < KINDS; target++) {
            for (int flag = 0; flag < 4; flag++) {
                run(&(combination){methods[m], flag == 0, flag == 1, flag == 2, flag == 3,
                                   (kind)target});
            }
        }
        /* Each pair of flags. */
        for (int a = 0; a < 4; a++) {
            for (int b = a + 1; b < 4; b++) {
                run(&(combination){methods[m], a == 0, a == 1 || b == 1, a == 2 || b == 2, b == 3,
                                   (kind)((a + b) % KINDS)});
            }
        }
    }
}

int main(void) {
    int file = mkstemp(group_path);
    static const char text[] = "pair: x8, x9\n";
    if (file < 0 || write(file, text, sizeof text - 1) != (ssize_t)(sizeof text - 1)) {
        return 1;
    }
    close(file);
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair_works)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(group_path);
    return failed;
}
