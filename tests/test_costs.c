/*
 * Costs and a budget: never above it for any method, the cheap twin before the dear one, unit costs
 * the same as k, another unit of money the same choice, half of the best sum for rankings, states
 * that resume, certificates that hold, and what is refused.
 */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/random.h"

enum { ROWS = 240, COLUMNS = 12 };

static float x[ROWS][COLUMNS];
static double y[ROWS];
static char group_path[] = "/tmp/pare-costs-groups-XXXXXX";
static char file_path[] = "/tmp/pare-costs-XXXXXX";

static const char *const methods[] = {"sequential-attention", "omp",     "lly",   "magnitude",
                                      "mutual-information",   "anova-f", "random"};
enum { METHODS = sizeof methods / sizeof methods[0] };

/* Column 2 carries the response, column 9 is its twin; the others carry less and less. */
static void fill(void) {
    for (uint64_t i = 0; i < ROWS; i++) {
        y[i] = 0.3 * pare_random_normal(42, PARE_STREAM_TEST, i);
        for (uint64_t j = 0; j < COLUMNS; j++) {
            x[i][j] = (float)pare_random_normal(41, PARE_STREAM_TEST, i * COLUMNS + j);
            y[i] += j == 9 ? 0 : (j == 2 ? 3 : 1 / (1.0 + (double)j)) * (double)x[i][j];
        }
        x[i][9] = x[i][2];
    }
}

typedef struct run {
    pare_context *ctx;
    pare_config *config;
    pare_dataset *data;
    pare_selection *selection;
} run;

static void set(run *r, const char *name, const char *value) {
    assert_ok(r->ctx, pare_config_set(r->config, name, value));
}

static void start(run *r, const char *method, const char *costs, const char *budget) {
    *r = (run){0};
    assert_int_equal(pare_context_create(NULL, &r->ctx), PARE_OK);
    assert_ok(r->ctx, pare_config_create(r->ctx, &r->config));
    set(r, "method", method);
    set(r, "costs", costs);
    set(r, "budget", budget);
    set(r, "epochs", "8");
}

static void choose(run *r) {
    assert_ok(r->ctx, pare_dataset_wrap(r->ctx, ROWS, COLUMNS, &x[0][0], 1, y, NULL, NULL,
                                        r->config, &r->data));
    assert_ok(r->ctx, pare_select(r->data, NULL, r->config, NULL, NULL, &r->selection));
}

static void finish(run *r) {
    pare_selection_destroy(r->selection);
    pare_dataset_close(r->data);
    pare_config_destroy(r->config);
    pare_context_destroy(r->ctx);
}

static bool chose(const run *r, const char *name) {
    for (int64_t i = 0; i < pare_selection_count(r->selection); i++) {
        if (strcmp(pare_selection_name(r->selection, i), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Costs 0.1 to 10, another set for each number, as the option and as numbers. */
static void draw_costs(uint64_t number, double scale, char *text, size_t size, double *cost) {
    text[0] = '\0';
    for (uint64_t j = 0; j < COLUMNS; j++) {
        double u = pare_random_uniform(43, PARE_STREAM_TEST, number * COLUMNS + j);
        cost[j] = scale * round(10 * pow(100, u)) / 100;
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%sx%d:%.17g", j > 0 ? "," : "", (int)j, cost[j]);
    }
}

static void budgets_are_kept(void **state) {
    (void)state;
    char costs[1024], budget[32];
    double cost[COLUMNS];
    for (int m = 0; m < METHODS; m++) {
        for (uint64_t number = 0; number < 6; number++) {
            run r;
            draw_costs(number, 1, costs, sizeof costs, cost);
            double sum = 0, most = 0;
            for (int j = 0; j < COLUMNS; j++) {
                most += cost[j];
            }
            most *= number % 3 == 0 ? 0.15 : number % 3 == 1 ? 0.4 : 0.8;
            most = fmax(most, cost[5] + 0.1);
            snprintf(budget, sizeof budget, "%.3f", most);
            start(&r, methods[m], costs, budget);
            if (number == 3) {
                set(&r, "include", "x5");
            } else if (number == 4) {
                set(&r, "k", "3");
            } else if (number == 5) {
                set(&r, "replace", m < 2 ? "true" : "false");
                set(&r, "surplus", "3");
            }
            choose(&r);
            int64_t count = pare_selection_count(r.selection);
            const int64_t *item = pare_selection_items(r.selection);
            bool in[COLUMNS] = {false};
            for (int64_t i = 0; i < count; i++) {
                assert_false(in[item[i]]);
                in[item[i]] = true;
                sum += cost[item[i]];
            }
            assert_true(count > 0);
            assert_true(sum <= strtod(budget, NULL) * (1 + 1e-9));
            assert_true(fabs(pare_selection_cost(r.selection) - sum) < 1e-9);
            assert_true(number != 3 || in[5]);
            assert_true(number != 4 || count <= 3);
            if (m >= 3 && number < 3) { /* one greedy pass: nothing that fits is left */
                for (int j = 0; j < COLUMNS; j++) {
                    assert_true(in[j] || sum + cost[j] > strtod(budget, NULL));
                }
            }
            assert_ok(r.ctx, pare_selection_evaluate(r.selection, r.data, NULL, NULL, r.config,
                                                     NULL, NULL));
            finish(&r);
        }
    }
}

static void the_cheap_twin_is_chosen(void **state) {
    (void)state;
    for (int m = 0; m < METHODS - 1; m++) { /* not random */
        run r;
        if (m == 3 || m == 4) {
            continue; /* twins share a norm; mutual information of few rows makes all alike */
        }
        start(&r, methods[m], "x2:5,x9:2", "6");
        choose(&r);
        if (!chose(&r, "x9") || chose(&r, "x2")) {
            fail_msg("%s chose the dear one of two that are the same", methods[m]);
        }
        finish(&r);
    }
    /* Too dear for the budget: never, even where nothing else is as good. */
    for (int m = 0; m < METHODS; m++) {
        run r;
        start(&r, methods[m], "x2:7,x9:7", "6");
        choose(&r);
        assert_false(chose(&r, "x2") || chose(&r, "x9"));
        finish(&r);
    }
}

/* By gain per cost the cheap x0 comes first and leaves no room for x2, which is worth more. */
static void a_cheap_choice_does_not_block_a_dear_one(void **state) {
    (void)state;
    run r;
    start(&r, "omp", "x2:6,x0:0.1,x9:8", "6");
    set(&r, "exclude", "x1,x3,x4,x5,x6,x7,x8,x10,x11");
    choose(&r);
    assert_true(chose(&r, "x2"));
    assert_int_equal(pare_selection_count(r.selection), 1);
    finish(&r);
}

static void same_items(const run *a, const run *b) {
    int64_t count = pare_selection_count(a->selection);
    assert_int_equal(count, pare_selection_count(b->selection));
    assert_memory_equal(pare_selection_items(a->selection), pare_selection_items(b->selection),
                        (size_t)count * sizeof(int64_t));
}

static void units_do_not_matter(void **state) {
    (void)state;
    char costs[1024];
    double cost[COLUMNS];
    for (int m = 0; m < METHODS; m++) {
        run a, b;
        draw_costs(9, 1, costs, sizeof costs, cost);
        start(&a, methods[m], costs, "8");
        set(&a, "threads", "1");
        choose(&a);
        draw_costs(9, 1024, costs, sizeof costs, cost);
        start(&b, methods[m], costs, "8192");
        set(&b, "threads", "3");
        assert_ok(b.ctx, pare_context_set_threads(b.ctx, 3));
        choose(&b);
        same_items(&a, &b);
        finish(&a);
        finish(&b);
    }
    for (int m = 1; m < METHODS; m++) { /* unit costs: k; sequential attention weighs otherwise */
        run a, b;
        if (strcmp(methods[m], "lly") == 0) {
            continue;
        }
        start(&a, methods[m], "", "5");
        choose(&a);
        start(&b, methods[m], "", "");
        set(&b, "k", "5");
        choose(&b);
        same_items(&a, &b);
        assert_true(isnan(pare_selection_cost(b.selection)));
        finish(&a);
        finish(&b);
    }
}

static void rankings_reach_half_of_the_best(void **state) {
    (void)state;
    char costs[1024];
    double cost[COLUMNS], gain[COLUMNS];
    run all;
    start(&all, "anova-f", "", "");
    set(&all, "k", "12");
    choose(&all);
    for (int64_t i = 0; i < COLUMNS; i++) {
        gain[pare_selection_items(all.selection)[i]] = pare_selection_score(all.selection, i);
    }
    finish(&all);
    for (uint64_t number = 0; number < 20; number++) {
        run r;
        draw_costs(100 + number, 1, costs, sizeof costs, cost);
        start(&r, "anova-f", costs, "5");
        choose(&r);
        double sum = 0, best = 0;
        for (int64_t i = 0; i < pare_selection_count(r.selection); i++) {
            sum += pare_selection_score(r.selection, i);
        }
        for (unsigned subset = 0; subset < 1u << COLUMNS; subset++) {
            double spent = 0, reached = 0;
            for (int j = 0; j < COLUMNS; j++) {
                spent += subset >> j & 1 ? cost[j] : 0;
                reached += subset >> j & 1 ? gain[j] : 0;
            }
            best = spent <= 5 ? fmax(best, reached) : best;
        }
        assert_true(sum <= best * (1 + 1e-9) && sum >= best / 2);
        finish(&r);
    }
}

static void groups_cost_their_columns(void **state) {
    (void)state;
    for (int named = 0; named < 2; named++) {
        run r;
        start(&r, "omp", named ? "pair:1.5,x1:4" : "x2:2,x1:4", "4.5");
        set(&r, "groups", group_path); /* pair: x2, x3 */
        set(&r, "exclude", "x9");
        choose(&r);
        assert_true(chose(&r, "pair"));
        double pair = named ? 1.5 : 3;
        assert_true(pare_selection_cost(r.selection) >= pair);
        assert_int_equal(pare_selection_count(r.selection), named ? 4 : 2);
        finish(&r);
    }
}

static void states_resume(void **state) {
    (void)state;
    char costs[1024], path[] = "/tmp/pare-costs-state-XXXXXX";
    double cost[COLUMNS];
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    draw_costs(5, 1, costs, sizeof costs, cost);
    for (int m = 0; m < 2; m++) {
        run a, b;
        start(&a, methods[m], costs, "9");
        choose(&a);
        start(&b, methods[m], costs, "9");
        assert_ok(b.ctx, pare_dataset_wrap(b.ctx, ROWS, COLUMNS, &x[0][0], 1, y, NULL, NULL,
                                           b.config, &b.data));
        bool done = false;
        pare_selector *selector = NULL;
        for (int64_t step = 0; !done; step++) {
            if (step % 2 == 0) {
                pare_selector_destroy(selector);
                assert_ok(b.ctx, pare_selector_create(b.data, NULL, b.config, &selector));
                if (step > 0) {
                    assert_ok(b.ctx, pare_selector_load(selector, path));
                }
            }
            assert_ok(b.ctx, pare_selector_step(selector, &done));
            assert_ok(b.ctx, pare_selector_save(selector, path));
        }
        assert_ok(b.ctx, pare_selector_result(selector, &b.selection));
        pare_selector_destroy(selector);
        same_items(&a, &b);
        finish(&a);
        finish(&b);
    }
    unlink(path);
}

static void certificates_hold(void **state) {
    (void)state;
    char costs[1024];
    double cost[COLUMNS], bound = -1;
    draw_costs(7, 1, costs, sizeof costs, cost);
    /* The bound of one subset holds for every other within the budget. */
    for (int m = 0; m < METHODS; m++) {
        run r;
        start(&r, methods[m], costs, "6");
        choose(&r);
        assert_ok(r.ctx, pare_selection_certify(r.selection, r.data, r.config, NULL, NULL));
        double fraction = pare_selection_proved(r.selection, "certificate.fraction");
        assert_true(fraction >= 0 && fraction <= 1);
        bound = fmax(bound, pare_selection_proved(r.selection, "certificate.bound"));
        assert_true(pare_selection_proved(r.selection, "certificate.loss") >= bound);
        assert_true(m != 1 || fraction > 0.8);
        finish(&r);
    }
}

static void records_keep_costs(void **state) {
    (void)state;
    run r;
    start(&r, "omp", "x2:2.5,x9:2", "4.5");
    choose(&r);
    assert_ok(r.ctx, pare_selection_save(r.selection, file_path));
    pare_selection *again = NULL;
    assert_ok(r.ctx, pare_selection_load(r.ctx, file_path, &again));
    assert_true(pare_selection_cost(again) == pare_selection_cost(r.selection));
    const char *text = NULL, *json = NULL;
    assert_ok(r.ctx, pare_selection_text(again, &text));
    assert_non_null(strstr(text, "of at most 4.5"));
    assert_ok(r.ctx, pare_selection_json(again, &json));
    assert_non_null(strstr(json, "\"budget\": 4.5"));
    pare_selection_destroy(again);
    finish(&r);
}

static void write_costs(const char *text) {
    FILE *file = fopen(file_path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void refuse(const char *method, const char *costs, const char *budget, const char *more,
                   const char *value, const char *says) {
    run r;
    start(&r, method, costs, budget);
    if (more) {
        set(&r, more, value);
    }
    assert_ok(r.ctx, pare_dataset_wrap(r.ctx, ROWS, COLUMNS, &x[0][0], 1, y, NULL, NULL, r.config,
                                       &r.data));
    assert_int_not_equal(pare_select(r.data, NULL, r.config, NULL, NULL, &r.selection), PARE_OK);
    assert_null(r.selection);
    if (!strstr(pare_context_error(r.ctx), says)) {
        fail_msg("'%s' does not say '%s'", pare_context_error(r.ctx), says);
    }
    finish(&r);
}

static void bad_costs_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *method, *costs, *budget, *more, *value, *says;
    } cases[] = {
        {"omp", "x1:-2", "5", NULL, NULL, "'x1:-2' gives a cost that is not a number above 0"},
        {"omp", "x1:0", "5", NULL, NULL, "not a number above 0"},
        {"omp", "x1:nan", "5", NULL, NULL, "not a number above 0"},
        {"omp", "x1:two", "5", NULL, NULL, "'x1:two' is not 'name: cost'"},
        {"omp", ":2", "5", NULL, NULL, "is not 'name: cost'"},
        {"omp", "x77:2", "5", NULL, NULL, "'x77' is no candidate"},
        {"omp", "x1:2,x1:3", "5", NULL, NULL, "'x1' has a cost already"},
        {"omp", "x1:2", "", "k", "3", "option costs: there is no budget"},
        {"omp", "", "lots", NULL, NULL, "option budget: 'lots' is not a number"},
        {"omp", "", "bytes=64M", NULL, NULL, "option budget: 'bytes=64M' is not a number"},
        {"omp", "", "-1", NULL, NULL, "option budget: -1 is not a number above 0"},
        {"omp", "", "inf", NULL, NULL, "is not a number above 0"},
        {"omp", "", "0.5", NULL, NULL, "0.5 buys nothing; the cheapest candidate, 'x0', costs 1"},
        {"omp", "x1:9", "5", "include", "x1", "named cost 9, more than the budget 5"},
        {"rfe", "", "5", NULL, NULL, "method rfe does not look at costs"},
        {"group-lasso", "", "5", NULL, NULL, "method group-lasso does not look at costs"},
        {"omp", "", "5", "fdr", "0.2", "does not look at costs"},
        {"omp", "/nowhere/costs.txt", "5", NULL, NULL, "/nowhere/costs.txt"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(cases[i].method, cases[i].costs, cases[i].budget, cases[i].more, cases[i].value,
               cases[i].says);
    }
    write_costs("# prices\n\nx1: 2\nx2 : -3\n");
    refuse("omp", file_path, "5", NULL, NULL, "line 4: 'x2 : -3' gives a cost");
    write_costs("x1: 2\r\nx77: 3\r\n");
    refuse("omp", file_path, "5", NULL, NULL, "line 2: 'x77' is no candidate");
}

static void files_say_the_same_as_lists(void **state) {
    (void)state;
    run a, b;
    write_costs("# prices\nx2: 5\r\n\n x9 :\t2  \nx0: 1e0");
    start(&a, "omp", file_path, "6");
    choose(&a);
    start(&b, "omp", "x9:2,x2:5", "6");
    choose(&b);
    same_items(&a, &b);
    finish(&a);
    finish(&b);
}

/* A column without a value is dropped with a warning; its cost is then of no concern. */
static void costs_of_dropped_columns_are_passed_over(void **state) {
    (void)state;
    static float gap[ROWS][COLUMNS];
    memcpy(gap, x, sizeof gap);
    for (int i = 0; i < ROWS; i++) {
        gap[i][4] = NAN;
    }
    run r;
    start(&r, "omp", "x4:3,x9:2", "4");
    assert_ok(r.ctx, pare_dataset_wrap(r.ctx, ROWS, COLUMNS, &gap[0][0], 1, y, NULL, NULL, r.config,
                                       &r.data));
    assert_ok(r.ctx, pare_select(r.data, NULL, r.config, NULL, NULL, &r.selection));
    assert_true(chose(&r, "x2"));
    finish(&r);
}

static void out_of_memory_is_survived(void **state) {
    (void)state;
    bool whole = false;
    for (int64_t at = 0; !whole; at++) {
        test_allocator counter = {0, at, 0};
        pare_allocator allocator = test_allocator_of(&counter);
        run r = {0};
        pare_status status = pare_context_create(&allocator, &r.ctx);
        if (status == PARE_OK) {
            status = pare_config_create(r.ctx, &r.config);
        }
        const char *const options[][2] = {
            {"method", "omp"}, {"costs", "x1:2,x2:3"}, {"budget", "4"}, {"threads", "1"}};
        for (size_t i = 0; status == PARE_OK && i < 4; i++) {
            status = pare_config_set(r.config, options[i][0], options[i][1]);
        }
        if (status == PARE_OK) {
            status = pare_dataset_wrap(r.ctx, ROWS, COLUMNS, &x[0][0], 1, y, NULL, NULL, r.config,
                                       &r.data);
        }
        if (status == PARE_OK) {
            status = pare_select(r.data, NULL, r.config, NULL, NULL, &r.selection);
        }
        whole = status == PARE_OK && counter.count <= at;
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        finish(&r);
        assert_int_equal(counter.live, 0);
    }
}

int main(void) {
    static const char text[] = "pair: x2, x3\n";
    int groups = mkstemp(group_path), file = mkstemp(file_path);
    if (groups < 0 || file < 0 || write(groups, text, sizeof text - 1) < 0) {
        return 1;
    }
    close(groups);
    close(file);
    fill();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_are_kept),
        cmocka_unit_test(the_cheap_twin_is_chosen),
        cmocka_unit_test(a_cheap_choice_does_not_block_a_dear_one),
        cmocka_unit_test(units_do_not_matter),
        cmocka_unit_test(rankings_reach_half_of_the_best),
        cmocka_unit_test(groups_cost_their_columns),
        cmocka_unit_test(states_resume),
        cmocka_unit_test(certificates_hold),
        cmocka_unit_test(records_keep_costs),
        cmocka_unit_test(bad_costs_are_refused),
        cmocka_unit_test(files_say_the_same_as_lists),
        cmocka_unit_test(costs_of_dropped_columns_are_passed_over),
        cmocka_unit_test(out_of_memory_is_survived),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(group_path);
    unlink(file_path);
    return failed;
}
