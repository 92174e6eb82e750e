/* Embedding plans: planted fields are found, budgets hold, bad schemas and budgets are refused. */
#include "embed_support.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>

enum { FIELDS = 8, ROWS = 6000 };

static int setup(void **state) {
    (void)state;
    FILE *file = embed_files_make() == 0 ? fopen(rows_path, "w") : NULL;
    if (!file) {
        return -1;
    }
    /* Fields 0 and 1 only together, 2 and 3 alone; 4 is a copy of 2 in ten times as many ids;
     * 5, 6, 7 are noise, 7 with the most ids. */
    for (int64_t i = 0; i < ROWS; i++) {
        static const int64_t ids[FIELDS] = {8, 8, 20, 10, 20, 50, 8, 400};
        int64_t id[FIELDS];
        for (int64_t f = 0; f < FIELDS; f++) {
            id[f] = pare_random_below(11, PARE_STREAM_TEST, (uint64_t)(i * FIELDS + f), ids[f]);
        }
        id[4] = 10 * id[2] + id[4] % 10;
        double z = ((id[0] + id[1]) % 2 ? 2 : -2) + 0.25 * (double)(id[2] - 10) +
                   0.4 * (double)(id[3] - 5);
        double u = pare_random_uniform(12, PARE_STREAM_TEST, (uint64_t)i);
        fprintf(file, "%d", u < 1 / (1 + exp(-z)));
        for (int64_t f = 0; f < FIELDS; f++) {
            fprintf(file, " %lld:%lld:1", (long long)f, (long long)id[f]);
        }
        fprintf(file, "\n");
    }
    return fclose(file);
}

static void write_json(const char *text) {
    FILE *file = fopen(other_path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

#define USUAL "validation=0.25 embed-format=libffm"

static void set(run *r, const char *name, const char *value) {
    assert_ok(r->ctx, pare_options_set(&r->options, name, value));
}

static bool kept(const run *r, int64_t field) {
    return r->embed->keep[field * (r->embed->serving.chunks + 1)];
}

/* Four look-ups: the four fields that matter, not the copy nor the noise. */
static void test_planted(void **state) {
    (void)state;
    for (int seed = 1; seed <= 3; seed++) {
        char text[8];
        run r;
        run_open(&r, NULL, 1, USUAL);
        snprintf(text, sizeof text, "%d", seed);
        set(&r, "seed", text);
        set(&r, "budget", "lines=4");
        assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
        for (int64_t f = 0; f < FIELDS; f++) {
            assert_int_equal(kept(&r, f), f < 4);
        }
        assert_true(r.embed->chosen.auc > r.embed->full.auc - 0.01);
        run_close(&r);
    }
}

/* Every method stays within the budget, whatever the number of threads; everything kept is the
 * model of all. */
static void test_methods(void **state) {
    (void)state;
    static const char *const names[] = {"sequential-attention",
                                        "frequency",
                                        "mutual-information",
                                        "magnitude",
                                        "sseds",
                                        "uniform",
                                        "random",
                                        "permutation",
                                        "shark",
                                        "group-lasso"};
    assert_int_equal(sizeof names / sizeof names[0], PARE_EMBED_METHODS);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (int model = 0; model < 2; model++) {
            run one, many;
            run *both[2] = {&one, &many};
            for (int k = 0; k < 2; k++) {
                run_open(both[k], NULL, k ? 8 : 1, USUAL);
                set(both[k], "embed-method", names[i]);
                set(both[k], "embed-model", model ? "fm" : "lr");
                set(both[k], "passes", "2");
                set(both[k], "budget", "bytes=6k,lines=6");
                assert_ok(both[k]->ctx, pare_embed_run(both[k]->ctx, rows_path, &both[k]->options,
                                                       &both[k]->embed));
            }
            assert_true(one.embed->cost[PARE_RESOURCE_BYTES] <= 6 * 1024);
            assert_true(one.embed->cost[PARE_RESOURCE_LINES] <= 6);
            assert_memory_equal(one.embed->keep, many.embed->keep, (size_t)one.embed->candidates);
            assert_true(one.embed->chosen.log_loss == many.embed->chosen.log_loss);
            run_close(&one);
            run_close(&many);
        }
    }
    run r;
    run_open(&r, NULL, 1, USUAL);
    set(&r, "passes", "2");
    set(&r, "embed-method", "uniform");
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_true(r.embed->chosen.log_loss == r.embed->full.log_loss);
    run_close(&r);
}

static void test_deepfm(void **state) {
    (void)state;
    run r;
    run_open(&r, NULL, 1, USUAL);
    set(&r, "embed-model", "deepfm");
    set(&r, "passes", "1");
    set(&r, "budget", "lines=5");
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_true(r.embed->full.auc > 0.6);
    assert_true(r.embed->cost[PARE_RESOURCE_LINES] <= 5);
    run_close(&r);
}

/* A group is paid once: with its price above what is left, none of its fields comes. */
static void test_schema(void **state) {
    (void)state;
    run r;
    run_open(&r, NULL, 1, USUAL);
    write_json(
        "{\"groups\": {\"user\": {\"fetch_us\": 7}, \"item\": {\"fetch_us\": 3.5}},"
        " \"fields\": {\"0\": {\"group\": \"item\"}, \"1\": {\"group\": \"item\"},"
        " \"2\": {\"group\": \"user\"}, \"3\": {\"banned\": true}, \"6\": {\"pinned\": true}}}");
    set(&r, "schema", other_path);
    set(&r, "budget", "fetch_us=4");
    set(&r, "passes", "3");
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_true(kept(&r, 0) && kept(&r, 1) && kept(&r, 6));
    assert_false(kept(&r, 2) || kept(&r, 3));
    assert_int_equal(r.embed->cost[PARE_RESOURCE_FETCH], 3500);
    run_close(&r);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *budget, *schema, *wanted;
    } bad[] = {
        {"bytes=10", NULL, "the cheapest plan (0) needs bytes=36, the budget allows 10"},
        {"bytes=-1", NULL, "bytes: expected a number >= 0"},
        {"bytes=", NULL, "bytes: expected a number >= 0"},
        {"bytes=1x", NULL, "bytes: expected a number >= 0"},
        {"bites=10", NULL, "there is no resource 'bites'"},
        {"/nowhere.json", NULL, "/nowhere.json"},
        {"", "{", "line 1"},
        {"", "[]", "expected a JSON object"},
        {"", "{\"colour\": {}}", "not 'colour'"},
        {"", "{\"fields\": {\"99\": {}}}", "the rows have no field '99'"},
        {"", "{\"fields\": {\"0\": {\"kind\": \"text\"}}}", "field '0': kind: expected"},
        {"", "{\"fields\": {\"0\": {\"group\": \"a\"}}}", "field '0': group: expected"},
        {"", "{\"fields\": {\"0\": {\"pinned\": true, \"banned\": true}}}", "pinned and banned"},
        {"", "{\"fields\": {\"0\": {\"hash_bits\": 31}}}", "field '0': hash_bits: expected"},
        {"", "{\"fields\": {\"0\": {\"min_count\": 0}}}", "field '0': min_count: expected"},
        {"", "{\"fields\": {\"0\": {\"min_count\": 2, \"kind\": \"number\"}}}",
         "a number has none: '0'"},
        {"", "{\"target\": 7}", "not 'target'"},
        {"", "{\"target\": \"\"}", "not 'target'"},
        {"", "{\"fields\": {\"0\": {\"hash_bits\": 9, \"kind\": \"number\"}}}",
         "hash_bits are for the kind category"},
        {"", "{\"groups\": {\"a\": {\"fetch_us\": -1}}}", "a number >= 0, in group 'a'"},
        {"", "{\"groups\": {\"a\": 7}}", "in group 'a'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        run r;
        run_open(&r, NULL, 1, USUAL);
        set(&r, "budget", bad[i].budget);
        if (bad[i].schema) {
            write_json(bad[i].schema);
            set(&r, "schema", other_path);
        }
        assert_int_equal(pare_embed_run(r.ctx, rows_path, &r.options, &r.embed), PARE_ERROR_INPUT);
        assert_null(r.embed);
        if (!strstr(pare_context_error(r.ctx), bad[i].wanted)) {
            fail_msg("'%s' lacks '%s'", pare_context_error(r.ctx), bad[i].wanted);
        }
        run_close(&r);
    }
}

/* 1,000 budget files: never over, or a sentence that says what the cheapest plan needs. */
static void test_budget_files(void **state) {
    (void)state;
    run r;
    run_open(&r, NULL, 1, USUAL);
    set(&r, "passes", "1");
    set(&r, "embed-method", "random");
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    int64_t refused = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        char text[256];
        pare_embed *e = r.embed;
        snprintf(text, sizeof text, "{\"bytes\": %lld, \"lines\": %lld, \"flops\": \"%lld\"}",
                 (long long)pare_random_below(seed, PARE_STREAM_TEST, 0, 30000),
                 (long long)pare_random_below(seed, PARE_STREAM_TEST, 1, 10),
                 (long long)pare_random_below(seed, PARE_STREAM_TEST, 2, 400));
        write_json(text);
        pare_options budget;
        assert_ok(r.ctx, pare_options_init(r.ctx, &budget));
        assert_ok(r.ctx, pare_options_set(&budget, "budget", other_path));
        pare_options before = e->options;
        e->options = budget;
        assert_ok(r.ctx, pare_embed_budget(e));
        e->options = before;
        pare_options_clear(&budget);
        memset(e->keep, 0, (size_t)e->candidates);
        int64_t cost[PARE_RESOURCES];
        if (pare_serving_choose(&e->serving, e->gain, e->keep) != PARE_OK) {
            assert_non_null(strstr(pare_context_error(r.ctx), "the cheapest plan"));
            refused++;
            continue;
        }
        pare_serving_cost(&e->serving, e->keep, cost);
        assert_true(pare_serving_fits(&e->serving, cost));
    }
    assert_in_range(refused, 50, 500);
    run_close(&r);
}

static int stop_at_once(void *user, const pare_progress *progress) {
    int64_t *calls = user;
    assert_true(progress->fraction >= 0 && progress->fraction <= 1);
    return ++*calls == 1;
}

/* A caller who says stop gets an error and no plan. */
static void test_stop(void **state) {
    (void)state;
    for (int m = 0; m < 2; m++) {
        int64_t calls = 0;
        run r;
        run_open(&r, NULL, 1, USUAL);
        pare_context_on_progress(r.ctx, stop_at_once, &calls);
        pare_status status = m ? pare_embed_fit(r.ctx, rows_path, &r.options, &r.embed)
                               : pare_embed_run(r.ctx, rows_path, &r.options, &r.embed);
        assert_int_equal(status, PARE_ERROR_ARGUMENT);
        assert_non_null(strstr(pare_context_error(r.ctx), "stopped"));
        assert_null(r.embed);
        assert_int_equal(calls, 1);
        run_close(&r);
    }
}

static void test_failing_allocation(void **state) {
    (void)state;
    char path[] = "/tmp/pare-embed-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    for (int i = 0; i < 40; i++) {
        fprintf(file, "%d 0:%d:1 1:%d:1\n", i % 2, i % 3, i % 4);
    }
    assert_int_equal(fclose(file), 0);
    static const char *const methods[] = {"sequential-attention", "permutation", "shark",
                                          "group-lasso"};
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0, m = 0; m < 4; at = status == PARE_OK ? 0 : at + 1) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        run r = {0};
        assert_int_equal(pare_context_create(&allocator, &r.ctx), PARE_OK);
        assert_ok(r.ctx, pare_options_init(r.ctx, &r.options));
        set(&r, "passes", "1");
        write_json("{\"groups\": {\"a\": {\"fetch_us\": 1}}}");
        set(&r, "schema", other_path);
        set(&r, "embed-method", methods[m]);
        memory.fail_at = memory.count + at;
        status = pare_embed_run(r.ctx, path, &r.options, &r.embed);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        assert_true((status == PARE_OK) == (r.embed != NULL));
        m += status == PARE_OK;
        run_close(&r);
        assert_int_equal(memory.live, 0);
    }
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted),  cmocka_unit_test(test_methods),
        cmocka_unit_test(test_deepfm),   cmocka_unit_test(test_schema),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_budget_files),
        cmocka_unit_test(test_stop),     cmocka_unit_test(test_failing_allocation),
    };
    return cmocka_run_group_tests(tests, setup, embed_files_remove);
}
