/*
 * Certificates are valid: on random problems of every kind no bound lies above the true optimum,
 * no refit below the true loss of its subset, no verdict is wrong (test_slow_certificate.c has the
 * long run). Branch and bound finds the optimum. Refusals, failing allocations, threads.
 */
#include "certificate_support.h"

static pare_context *ctx;

static void bounds_hold(void **state) {
    (void)state;
    tally sum = {0};
    for (uint64_t seed = 0; seed < 240; seed++) {
        check_certificate(ctx, seed, &sum);
    }
    /* The bounds are not only valid but worth something. */
    assert_true(sum.none > sum.instances);
    assert_true(sum.every > sum.instances / 8);
    assert_true(sum.tight > sum.instances / 8);
}

static void exact_finds_the_optimum(void **state) {
    (void)state;
    for (uint64_t seed = 7000; seed < 7060; seed++) {
        static instance t;
        instance_draw(ctx, seed, 14, false, &t);
        brute answer = brute_force(&t);
        pare_exact *exact = NULL;
        pare_exact_options options = {0};
        pare_exact_result result = {0};
        assert_ok(ctx, pare_exact_create(&t.problem, &options, 0, NULL, &exact));
        for (bool done = false; !done;) {
            assert_ok(ctx, pare_exact_step(exact, &done));
            pare_exact_result_of(exact, &result);
            assert_true(result.bound <= answer.best * (1 + 1e-13));
        }
        assert_true(result.proved);
        assert_true(fabs(result.loss - answer.best) <=
                    1e-8 * answer.best + 1e-8 * result.null_loss);
        pare_exact_destroy(exact);
        pare_design_destroy(&t.design);
    }
}

static void limits_leave_a_valid_bound(void **state) {
    (void)state;
    static instance t;
    instance_draw(ctx, 30003, 14, true, &t);
    brute answer = brute_force(&t);
    int64_t subset[TRY_CANDIDATES], count = random_subset(&t, subset);
    pare_certificate *certificate = NULL;
    pare_certificate_result result = {0};
    pare_certificate_options hurried = {0, 1e-9};
    assert_ok(ctx, pare_certificate_create(&t.problem, &hurried, count, subset, &certificate));
    for (bool done = false; !done;) {
        assert_ok(ctx, pare_certificate_step(certificate, &done));
    }
    pare_certificate_result_of(certificate, &result);
    assert_false(result.converged);
    assert_true(result.bound > 0 && result.bound <= answer.best * (1 + 1e-13));
    pare_certificate_destroy(certificate);

    pare_exact *exact = NULL;
    pare_exact_options one = {0, 1, 0};
    pare_exact_result found = {0};
    assert_ok(ctx, pare_exact_create(&t.problem, &one, count, subset, &exact));
    for (bool done = false; !done;) {
        assert_ok(ctx, pare_exact_step(exact, &done));
    }
    pare_exact_result_of(exact, &found);
    assert_int_equal(found.nodes, 1);
    assert_true(found.bound <= answer.best * (1 + 1e-13));
    assert_true(found.loss >= answer.best * (1 - 1e-13));
    pare_exact_destroy(exact);
    pare_design_destroy(&t.design);
}

static void run_certificate(pare_context *context, const instance *t, int64_t count,
                            const int64_t *subset, pare_certificate_result *result) {
    pare_certificate *certificate = NULL;
    pare_certificate_options options = {0};
    assert_ok(context, pare_certificate_create(&t->problem, &options, count, subset, &certificate));
    for (bool done = false; !done;) {
        assert_ok(context, pare_certificate_step(certificate, &done));
    }
    pare_certificate_result_of(certificate, result);
    result->seconds = 0;
    pare_certificate_destroy(certificate);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    for (uint64_t seed = 50; seed < 53; seed++) {
        pare_certificate_result result[2];
        for (int i = 0; i < 2; i++) {
            static instance t;
            assert_ok(ctx, pare_context_set_threads(ctx, i == 0 ? 1 : 8));
            instance_draw(ctx, seed, 20, false, &t);
            int64_t subset[TRY_CANDIDATES], count = random_subset(&t, subset);
            run_certificate(ctx, &t, count, subset, &result[i]);
            pare_design_destroy(&t.design);
        }
        assert_memory_equal(&result[0], &result[1], sizeof result[0]);
    }
    assert_ok(ctx, pare_context_set_threads(ctx, 0));
}

/* The create call must be refused, with a sentence that holds `word`. */
static void refused(const instance *t, int64_t count, const int64_t *subset, const char *word) {
    pare_certificate *certificate = NULL;
    pare_certificate_options options = {0};
    pare_status status =
        pare_certificate_create(&t->problem, &options, count, subset, &certificate);
    assert_int_not_equal(status, PARE_OK);
    assert_null(certificate);
    if (!strstr(pare_context_error(ctx), word)) {
        fail_msg("'%s' lacks '%s'", pare_context_error(ctx), word);
    }
}

static void nonsense_is_refused(void **state) {
    (void)state;
    static instance t;
    instance_draw(ctx, 3, 10, true, &t); /* squared loss */
    int64_t subset[TRY_CANDIDATES], count = random_subset(&t, subset);
    pare_certified_problem good = t.problem;
    t.problem.ridge = 0;
    refused(&t, count, subset, "ridge");
    t.problem = good;
    t.problem.budget = (double)t.candidates + 1;
    refused(&t, count, subset, "more than the");
    t.problem = good;
    int64_t unknown = t.candidates, twice[2] = {0, 0};
    refused(&t, 1, &unknown, "names candidate");
    t.problem.budget = 2;
    refused(&t, 2, twice, "twice");
    t.problem.budget = 1;
    int64_t two[2] = {0, 1};
    refused(&t, 2, two, "budget");
    t.problem = good;
    double before = t.target[4];
    t.target[4] = NAN;
    refused(&t, count, subset, "row 4");
    t.target[4] = before;
    for (int64_t at = 0; at < t.rows * t.problem.outputs; at++) {
        t.target[at] = 7;
    }
    refused(&t, count, subset, "same in every row");
    pare_design_destroy(&t.design);
}

static void failing_allocations_are_survived(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        bool failed = true;
        for (int64_t at = 0; failed; at++) {
            test_allocator counter = {.fail_at = -1};
            pare_allocator allocator = test_allocator_of(&counter);
            pare_context *own = NULL;
            assert_int_equal(pare_context_create(&allocator, &own), PARE_OK);
            static instance t;
            instance_draw(own, 4, 10, true, &t);
            int64_t subset[TRY_CANDIDATES], count = random_subset(&t, subset);
            counter.fail_at = counter.count + at;
            pare_certificate *certificate = NULL;
            pare_exact *exact = NULL;
            pare_certificate_options options = {0};
            pare_exact_options limits = {0};
            pare_status status =
                kind == 0
                    ? pare_certificate_create(&t.problem, &options, count, subset, &certificate)
                    : pare_exact_create(&t.problem, &limits, count, subset, &exact);
            for (bool done = false; status == PARE_OK && !done;) {
                status = kind == 0 ? pare_certificate_step(certificate, &done)
                                   : pare_exact_step(exact, &done);
            }
            failed = status != PARE_OK;
            assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
            pare_certificate_destroy(certificate);
            pare_exact_destroy(exact);
            pare_design_destroy(&t.design);
            pare_context_destroy(own);
            assert_int_equal(counter.live, 0);
        }
    }
}

int main(void) {
    if (pare_context_create(NULL, &ctx) != PARE_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(exact_finds_the_optimum),
        cmocka_unit_test(limits_leave_a_valid_bound),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pare_context_destroy(ctx);
    return failed;
}
