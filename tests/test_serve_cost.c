/* What scoring costs: counts follow from the plan, predictions from rates, bad plans are refused.
 * Times depend on the machine, so that only what must hold on any is asserted. */
#include "support.h"

#include "problem/serve_cost.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

static char path[64];

static int setup(void **state) {
    (void)state;
    strcpy(path, "/tmp/pare-serve-XXXXXX");
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int teardown(void **state) {
    (void)state;
    return unlink(path);
}

static void write_plan(const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static const char plan[] =
    "{\"pare_embed\": 1, \"model\": \"%s\", \"chunk\": [4, 4], \"fields\": ["
    "{\"name\": \"a\", \"rows\": 100, \"kept\": true, \"chunks\": [true, false]},"
    "{\"name\": \"b\", \"rows\": 70, \"kept\": false, \"chunks\": [false, false]},"
    "{\"name\": \"c\", \"rows\": 20, \"kept\": true, \"chunks\": [true, true]}]}";

static void write_model(const char *model) {
    char text[600];
    snprintf(text, sizeof text, plan, model);
    write_plan(text);
}

static void test_counts(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_serve_cost cost;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    write_model("fm");
    assert_ok(ctx, pare_serve_cost_run(ctx, path, 1, false, &cost));
    assert_int_equal(cost.fields, 2);
    assert_int_equal(cost.dimension, 8);
    assert_int_equal(cost.lines, 2);
    assert_int_equal(cost.bytes, 100 * 32 + 20 * 64); /* rows of 1 + 4 and of 1 + 8 floats */
    assert_true(cost.flops == 2 + 4 * 12);
    assert_int_equal(cost.loaded_lines, 2);
    assert_int_equal(cost.loaded_bytes, 120 * 64);
    assert_true(cost.loaded_flops == 2 + 4 * 16);
    assert_true(isnan(cost.measured.half) && isnan(cost.predicted.half));
    pare_context_destroy(ctx);
}

static void test_host(void **state) {
    (void)state;
    static const char *const models[] = {"fm", "deepfm"};
    for (size_t i = 0; i < 2; i++) {
        pare_context *ctx = NULL;
        pare_serve_cost cost;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        write_model(models[i]);
        assert_ok(ctx, pare_serve_cost_run(ctx, path, 1 + 3 * (int64_t)i, true, &cost));
        assert_true(cost.predicted.half > 0 && cost.predicted.half < 1);
        assert_true(cost.predicted.most >= cost.predicted.half && cost.predicted.most < 1);
        assert_true(cost.measured.half > 0 && cost.measured.most >= cost.measured.half);
        for (int64_t l = 1; l < cost.rates.levels; l++) {
            assert_true(cost.rates.reach[l] > cost.rates.reach[l - 1]);
            for (int64_t q = 0; q < PARE_LATENCY_QUANTILES; q++) {
                assert_true(cost.rates.wait[l][q] >= cost.rates.wait[l - 1][q]);
            }
        }
        pare_context_destroy(ctx);
    }
}

/* More rows, more fields and more flops never make a prediction shorter. */
static void test_predict(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_field_rates rates = {
        .levels = 2,
        .reach = {1e3, 1e6},
        .share = 0.05,
        .flops = {10, 100, 1000, 1e4, 1e5},
        .rest = {{1e-8, 1e-8}, {2e-8, 3e-8}, {1e-7, 2e-7}, {1e-6, 1e-6}, {1e-5, 1e-5}}};
    const pare_field_spec spec = pare_field_spec_default(PARE_FIELD_MODEL_FM, 8);
    double before = 0;
    for (int64_t q = 0; q < PARE_LATENCY_QUANTILES; q++) {
        rates.wait[1][q] = 1e-7 * (1 + (double)q / PARE_LATENCY_QUANTILES);
    }
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (int64_t step = 0; step < 6; step++) {
        const int64_t size[3] = {10, step < 3 ? 100 << 3 * step : 100000, step < 3 ? 5 : 100000};
        pare_fields fields;
        assert_ok(ctx, pare_field_latency_fields(ctx, step < 4 ? 2 : 3, size, &fields));
        pare_field_time time = pare_field_latency_predict(&rates, &spec, &fields);
        assert_true(time.half >= before && time.most >= time.half);
        assert_true(isfinite(time.most));
        before = time.half;
        pare_fields_clear(&fields);
    }
    pare_context_destroy(ctx);
}

static void test_bad(void **state) {
    (void)state;
    static const char *const bad[] = {
        "[]",
        "{\"pare_embed\": 2, \"model\": \"fm\", \"chunk\": [4], \"fields\": []}",
        "{\"pare_embed\": 1, \"model\": \"tree\", \"chunk\": [4], \"fields\": []}",
        "{\"pare_embed\": 1, \"model\": \"fm\", \"chunk\": [], \"fields\": []}",
        "{\"pare_embed\": 1, \"model\": \"fm\", \"chunk\": [-4], \"fields\": []}",
        "{\"pare_embed\": 1, \"model\": \"fm\", \"chunk\": [300], \"fields\": []}",
        "{\"pare_embed\": 1, \"model\": \"fm\", \"chunk\": [4], \"fields\": []}",
        "{\"pare_embed\": 1, \"model\": \"fm\", \"chunk\": [4], \"fields\": [{\"kept\": false}]}",
        "{\"pare_embed\": 1, \"model\": \"fm\", \"chunk\": [4], \"fields\": [{\"kept\": true, "
        "\"rows\": 0}]}",
        "{\"pare_embed\": 1, \"model\": \"fm\", \"chunk\": [4], \"fields\": [{\"kept\": true, "
        "\"rows\": 4000000000}]}"};
    pare_context *ctx = NULL;
    pare_serve_cost cost;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_plan(bad[i]);
        assert_int_equal(pare_serve_cost_run(ctx, path, 1, false, &cost), PARE_ERROR_INPUT);
        assert_true(strlen(pare_context_error(ctx)) > 10);
    }
    write_model("fm");
    assert_int_equal(pare_serve_cost_run(ctx, path, 0, false, &cost), PARE_ERROR_ARGUMENT);
    assert_int_not_equal(pare_serve_cost_run(ctx, "/nowhere/plan.json", 1, false, &cost), PARE_OK);
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_host),
                                       cmocka_unit_test(test_predict), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
