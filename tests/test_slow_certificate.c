/*
 * The long run of test_certificate.c: 2,000 random problems against brute force, branch and bound
 * on 500, and 30 candidates, where it must always prove its answer.
 */
#include "certificate_support.h"

static pare_context *ctx;

static void bounds_hold(void **state) {
    (void)state;
    tally sum = {0};
    for (uint64_t seed = 100000; seed < 102000; seed++) {
        check_certificate(ctx, seed, &sum);
    }
    printf("%lld instances, 0 violations; verdicts: %lld every, %lld none, %lld undecided; "
           "bound within 1e-6 of the best in %lld; mean proven fraction %.3f\n",
           (long long)sum.instances, (long long)sum.every, (long long)sum.none,
           (long long)sum.undecided, (long long)sum.tight, sum.fraction / (double)sum.instances);
}

static void run(const instance *t, pare_exact_result *result) {
    pare_exact *exact = NULL;
    pare_exact_options options = {0};
    assert_ok(ctx, pare_exact_create(&t->problem, &options, 0, NULL, &exact));
    for (bool done = false; !done;) {
        assert_ok(ctx, pare_exact_step(exact, &done));
    }
    pare_exact_result_of(exact, result);
    assert_true(result->proved);
    pare_exact_destroy(exact);
}

static void exact_agrees_with_brute_force(void **state) {
    (void)state;
    int64_t nodes = 0;
    for (uint64_t seed = 200000; seed < 200500; seed++) {
        static instance t;
        instance_draw(ctx, seed, 16, false, &t);
        brute answer = brute_force(&t);
        pare_exact_result result = {0};
        run(&t, &result);
        assert_true(result.bound <= answer.best * (1 + 1e-13));
        if (!(fabs(result.loss - answer.best) <= 1e-8 * result.null_loss)) {
            fail_msg("seed %llu: %.17g, brute force %.17g", (unsigned long long)seed, result.loss,
                     answer.best);
        }
        nodes += result.nodes;
        pare_design_destroy(&t.design);
    }
    printf("500 instances, %.1f nodes on average\n", (double)nodes / 500);
}

static void exact_proves_thirty(void **state) {
    (void)state;
    int64_t most = 0, instances = 0;
    double seconds = 0;
    for (uint64_t seed = 300000; instances < 24; seed++) {
        static instance t;
        instance_draw(ctx, seed, TRY_CANDIDATES, true, &t);
        if (t.candidates >= 26) {
            t.problem.budget = (double)(3 + 4 * (instances % 4));
            pare_exact_result result = {0};
            run(&t, &result);
            most = result.nodes > most ? result.nodes : most;
            seconds = fmax(seconds, result.seconds);
            instances++;
        }
        pare_design_destroy(&t.design);
    }
    printf("24 instances of 26 to 30 candidates: at most %lld nodes, %.2f s\n", (long long)most,
           seconds);
}

int main(void) {
    if (pare_context_create(NULL, &ctx) != PARE_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(exact_agrees_with_brute_force),
        cmocka_unit_test(exact_proves_thirty),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pare_context_destroy(ctx);
    return failed;
}
