/* A model behind callbacks: linear regression, trained here by plain gradient steps. */
#include "support.h"

#include <math.h>
#include <stdio.h>

#include "base/random.h"

enum { ROWS = 80, COLUMNS = 12, K = 3, BATCH = 16 };

typedef struct model {
    double x[ROWS][COLUMNS], y[ROWS], w[COLUMNS];
    int64_t resets, steps;
    int fail_at;            /* step that returns 7; -1: none */
    bool not_finite, blind; /* blind: without evaluate */
} model;

static void fill(model *m) {
    *m = (model){.fail_at = -1};
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            m->x[i][j] = pare_random_normal(8, PARE_STREAM_TEST, (uint64_t)(i * COLUMNS + j));
        }
        m->y[i] = 3 * m->x[i][4] - 2 * m->x[i][9] + m->x[i][1] +
                  0.3 * pare_random_normal(9, PARE_STREAM_TEST, (uint64_t)i);
    }
}

static int reset(void *user, uint64_t seed, int64_t steps) {
    model *m = user;
    (void)seed;
    assert_true(steps > 0);
    memset(m->w, 0, sizeof m->w);
    m->resets++;
    return 0;
}

static double residual(const model *m, int64_t i, const float *mask) {
    double error = -m->y[i];
    for (int64_t j = 0; j < COLUMNS; j++) {
        error += m->x[i][j] * (double)mask[j] * m->w[j];
    }
    return error;
}

/* BATCH rows drawn by the number of the step. */
static int step(void *user, const float *mask, double *loss, float *d_mask) {
    model *m = user;
    double gradient[COLUMNS] = {0};
    if (m->steps++ == m->fail_at) {
        return 7;
    }
    *loss = 0;
    for (int64_t b = 0; b < BATCH; b++) {
        int64_t i =
            (int64_t)pare_random_below(5, PARE_STREAM_TEST, (uint64_t)(m->steps * BATCH + b), ROWS);
        double error = residual(m, i, mask);
        *loss += error * error / 2 / BATCH;
        for (int64_t j = 0; j < COLUMNS; j++) {
            gradient[j] += error * m->x[i][j] / BATCH;
        }
    }
    for (int64_t j = 0; j < COLUMNS; j++) {
        if (d_mask) {
            d_mask[j] = m->not_finite ? NAN : (float)(gradient[j] * m->w[j]);
        }
        m->w[j] -= 0.05 * gradient[j] * (double)mask[j];
    }
    return 0;
}

static int evaluate(void *user, const float *mask, double *score, double *error, double *constant) {
    const model *m = user;
    double sum = 0, square = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        sum += m->y[i] * m->y[i];
        square += residual(m, i, mask) * residual(m, i, mask);
    }
    *score = 1 - square / sum;
    *error = NAN;
    *constant = 0;
    return 0;
}

static pare_external_model callbacks(model *m) {
    return (pare_external_model){.size = sizeof(pare_external_model),
                                 .candidates = COLUMNS,
                                 .steps_per_epoch = 1,
                                 .user = m,
                                 .reset = reset,
                                 .step = step,
                                 .evaluate = m->blind ? NULL : evaluate};
}

static pare_status run(pare_context *ctx, model *m, const char *const *options, int64_t *item,
                       int64_t *count) {
    pare_config *config = NULL;
    pare_external *external = NULL;
    const pare_external_model hooks = callbacks(m);
    pare_status status = pare_config_create(ctx, &config);
    for (int64_t i = 0; status == PARE_OK && options[i]; i += 2) {
        status = pare_config_set(config, options[i], options[i + 1]);
    }
    if (status == PARE_OK) {
        status = pare_external_create(ctx, &hooks, config, &external);
    }
    assert_true((status == PARE_OK) == (external != NULL));
    pare_config_destroy(config);
    for (bool done = false; status == PARE_OK && !done;) {
        pare_progress progress;
        status = pare_external_step(external, &done);
        assert_int_equal(pare_external_progress(external, &progress), PARE_OK);
        assert_true(progress.fraction >= 0 && progress.fraction <= 1);
        assert_int_equal(progress.chosen, pare_external_count(external));
    }
    if (status == PARE_OK) {
        *count = pare_external_count(external);
        memcpy(item, pare_external_items(external), (size_t)*count * sizeof *item);
        assert_true(isfinite(pare_external_score(external, 0)));
        assert_true(isnan(pare_external_score(external, *count)));
    }
    pare_external_destroy(external);
    return status;
}

static bool holds(const int64_t *item, int64_t count, int64_t wanted) {
    for (int64_t i = 0; i < count; i++) {
        if (item[i] == wanted) {
            return true;
        }
    }
    return false;
}

static void test_finds_what_matters(void **state) {
    (void)state;
    static model m;
    int64_t item[COLUMNS], count = 0;
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    const char *const methods[] = {"sequential-attention", "lly"};
    for (int64_t i = 0; i < 4; i++) {
        fill(&m);
        m.blind = i >= 2;
        const char *const options[] = {"k", "3", "method", methods[i % 2], NULL};
        assert_ok(ctx, run(ctx, &m, options, item, &count));
        assert_int_equal(count, K);
        assert_true(holds(item, count, 4) && holds(item, count, 9) && holds(item, count, 1));
        assert_int_equal(m.resets, 1);
    }
    fill(&m);
    const char *const forced[] = {"k", "3", "include", "7", "exclude", "4, 0", NULL};
    assert_ok(ctx, run(ctx, &m, forced, item, &count));
    assert_true(holds(item, count, 7) && holds(item, count, 9) && !holds(item, count, 4));
    pare_context_destroy(ctx);
}

static void test_refuses(void **state) {
    (void)state;
    static model m;
    int64_t item[COLUMNS], count = 0;
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    const struct {
        const char *name, *value;
        pare_status status;
    } bad[] = {{"k", "13", PARE_ERROR_ARGUMENT},       {"k", "auto", PARE_ERROR_ARGUMENT},
               {"k", "", PARE_ERROR_ARGUMENT},         {"method", "omp", PARE_ERROR_UNSUPPORTED},
               {"include", "12", PARE_ERROR_ARGUMENT}, {"exclude", "-1", PARE_ERROR_ARGUMENT},
               {"include", "x", PARE_ERROR_ARGUMENT},  {"include", "0,1,2,3", PARE_ERROR_ARGUMENT},
               {"include", "1.5", PARE_ERROR_ARGUMENT}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fill(&m);
        const char *const options[] = {"k", "3", bad[i].name, bad[i].value, NULL};
        assert_int_equal(run(ctx, &m, options, item, &count), bad[i].status);
        assert_true(pare_context_error(ctx)[0] != '\0');
    }
    const char *const options[] = {"k", "3", NULL};
    fill(&m);
    m.fail_at = 40;
    assert_int_equal(run(ctx, &m, options, item, &count), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(ctx), "step returned 7"));
    fill(&m);
    m.not_finite = true;
    assert_int_equal(run(ctx, &m, options, item, &count), PARE_ERROR_NUMERIC);
    pare_config *config = NULL;
    pare_external *external = NULL;
    assert_ok(ctx, pare_config_create(ctx, &config));
    pare_external_model hooks = callbacks(&m);
    hooks.candidates = 0;
    assert_int_equal(pare_external_create(ctx, &hooks, config, &external), PARE_ERROR_ARGUMENT);
    hooks = callbacks(&m);
    hooks.step = NULL;
    assert_int_equal(pare_external_create(ctx, &hooks, config, &external), PARE_ERROR_ARGUMENT);
    assert_null(external);
    pare_config_destroy(config);
    pare_context_destroy(ctx);
}

static void test_failing_allocations(void **state) {
    (void)state;
    static model m;
    int64_t item[COLUMNS], count = 0;
    const char *const options[] = {"k", "2", "epochs", "50", NULL};
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status == PARE_ERROR_MEMORY; at++) {
        test_allocator counter = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&counter);
        pare_context *ctx = NULL;
        fill(&m);
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        int64_t live = counter.live;
        counter.fail_at = counter.count + at;
        status = run(ctx, &m, options, item, &count);
        assert_int_equal(counter.live, live);
        pare_context_destroy(ctx);
    }
    assert_int_equal(status, PARE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_matters),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
