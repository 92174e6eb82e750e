/* Agreement of choices: against the definitions worked by hand, and what must hold of any. */
#include "dataset_support.h"

#include "base/random.h"
#include "select/agreement.h"

#include <math.h>

enum { CANDIDATES = 20, CHOICES = 6, SIZE = 5 };

static pare_agreement measure(int64_t candidates, int64_t choices, const int64_t *start,
                              const int64_t *member, bool (*alike)(void *, int64_t, int64_t)) {
    pare_context *ctx = NULL;
    pare_agreement out;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx,
              pare_agreement_measure(ctx, candidates, choices, start, member, alike, NULL, &out));
    pare_context_destroy(ctx);
    return out;
}

/* Neighbours 0 1, 2 3, ... can stand for each other. */
static bool neighbours(void *user, int64_t a, int64_t b) {
    (void)user;
    return a / 2 == b / 2;
}

static void test_by_hand(void **state) {
    (void)state;
    const int64_t start[] = {0, 2, 4}, member[] = {0, 2, 2, 1};
    pare_agreement a = measure(10, 2, start, member, neighbours);
    assert_near(a.jaccard, 1.0 / 3, 1e-12);
    assert_near(a.jaccard_alike, 1, 1e-12);
    assert_near(a.kuncheva, (1 - 0.4) / (2 - 0.4), 1e-12);
    /* p = 1 of gene 2, 1/2 of two others: 2 * 2 * 1/4 / 10 over 0.2 * 0.8. */
    assert_near(a.nogueira, 1 - 0.1 / 0.16, 1e-12);
    a = measure(10, 2, start, member, NULL);
    assert_near(a.jaccard_alike, a.jaccard, 1e-12);
}

static void test_ends(void **state) {
    (void)state;
    const int64_t start[] = {0, 3, 6, 9}, same[] = {4, 1, 7, 1, 4, 7, 7, 4, 1};
    pare_agreement a = measure(CANDIDATES, 3, start, same, NULL);
    assert_near(a.jaccard, 1, 1e-12);
    assert_near(a.kuncheva, 1, 1e-12);
    assert_near(a.nogueira, 1, 1e-12);
    const int64_t none[] = {0, 0, 0};
    a = measure(CANDIDATES, 2, none, same, NULL);
    assert_near(a.jaccard, 1, 1e-12);
    assert_true(isnan(a.kuncheva) && isnan(a.nogueira));
    assert_true(isnan(measure(CANDIDATES, 1, start, same, NULL).jaccard));
}

/* Of equal sizes Kuncheva's mean is Nogueira's measure (their theorem 7), and chance scores 0 on
 * average. */
static void test_chance(void **state) {
    (void)state;
    double sum = 0;
    for (uint64_t round = 0; round < 200; round++) {
        int64_t start[CHOICES + 1] = {0}, member[CHOICES * SIZE], order[CANDIDATES];
        for (int64_t s = 0; s < CHOICES; s++) {
            for (int64_t j = 0; j < CANDIDATES; j++) {
                order[j] = j;
            }
            pare_random_shuffle(round, PARE_STREAM_TEST, (uint64_t)s << 20, CANDIDATES, order);
            for (int64_t k = 0; k < SIZE; k++) {
                member[start[s] + k] = order[k];
            }
            start[s + 1] = start[s] + SIZE;
        }
        pare_agreement a = measure(CANDIDATES, CHOICES, start, member, neighbours);
        assert_near(a.kuncheva, a.nogueira, 1e-9);
        assert_true(a.jaccard_alike >= a.jaccard);
        sum += a.kuncheva / 200;
    }
    assert_true(fabs(sum) < 0.02);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
