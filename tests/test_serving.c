/* Serving budgets: costs, exact feasibility on random budgets, optimality on small cases. */
#include "support.h"

#include "base/random.h"
#include "select/serving.h"

#include <math.h>
#include <stdio.h>

enum { FIELDS_MAX = 12, CHUNKS_MAX = 3, GROUPS_MANY = 12, SEEDS = 1000 };

typedef struct problem {
    pare_serving serving;
    int64_t size[FIELDS_MAX], width[CHUNKS_MAX], group[2 * FIELDS_MAX], fetch[GROUPS_MANY];
    const char *name[FIELDS_MAX];
    uint8_t pinned[FIELDS_MAX], banned[FIELDS_MAX], keep[FIELDS_MAX * (CHUNKS_MAX + 1)];
    double gain[FIELDS_MAX * (CHUNKS_MAX + 1)];
} problem;

static int64_t below(uint64_t seed, uint64_t index, int64_t bound) {
    return pare_random_below(seed, PARE_STREAM_TEST, index, bound);
}

static void make(problem *p, pare_context *ctx, uint64_t seed, int64_t fields, int64_t chunks,
                 bool marks) {
    *p = (problem){.serving = {.ctx = ctx, .fields = fields, .chunks = chunks, .groups = 3}};
    for (int64_t f = 0; f < fields; f++) {
        uint64_t at = (uint64_t)f * 64;
        p->name[f] = "field";
        p->size[f] = 1 + below(seed, at, INT64_C(1) << below(seed, at + 1, 20));
        p->group[2 * f] = below(seed, at + 2, 4) - 1;
        p->group[2 * f + 1] = f % 3 ? -1 : below(seed, at + 5, 4) - 1;
        p->pinned[f] = marks && below(seed, at + 3, 12) == 0;
        p->banned[f] = marks && !p->pinned[f] && below(seed, at + 4, 12) == 0;
        for (int64_t c = 0; c <= chunks; c++) {
            p->gain[f * (chunks + 1) + c] =
                pare_random_uniform(seed, PARE_STREAM_TEST, at + 10 + (uint64_t)c);
        }
    }
    for (int64_t c = 0; c < chunks; c++) {
        p->width[c] = 4 << (c > 1);
    }
    p->fetch[0] = 7000;
    p->fetch[1] = 900;
    p->fetch[2] = 0;
    p->serving.size = p->size;
    p->serving.width = p->width;
    p->serving.group = p->group;
    p->serving.fetch = p->fetch;
    p->serving.name = p->name;
    p->serving.pinned = p->pinned;
    p->serving.banned = p->banned;
    p->serving.units = seed % 3 ? 0 : 400;
    int64_t all[PARE_RESOURCES];
    memset(p->keep, 1, sizeof p->keep);
    pare_serving_cost(&p->serving, p->keep, all);
    memset(p->keep, 0, sizeof p->keep);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        uint64_t at = 5000 + 2 * (uint64_t)r;
        p->serving.limit[r] = below(seed, at, 3) ? below(seed, at + 1, all[r] + 2) : INT64_MAX;
    }
}

static void test_costs(void **state) {
    (void)state;
    assert_int_equal(pare_serving_row(0), 1);
    assert_int_equal(pare_serving_row(4), 8);
    assert_int_equal(pare_serving_row(8), 16);
    assert_int_equal(pare_serving_row(15), 16);
    assert_int_equal(pare_serving_row(16), 32);
    int64_t size[2] = {100, 7}, width[2] = {4, 12}, group[4] = {0, -1, 0, -1}, fetch[1] = {500};
    pare_serving serving = {.fields = 2,
                            .chunks = 2,
                            .groups = 1,
                            .size = size,
                            .width = width,
                            .group = group,
                            .fetch = fetch,
                            .units = 10};
    uint8_t keep[6] = {1, 1, 0, 1, 1, 1};
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(&serving, keep, cost);
    assert_int_equal(cost[PARE_RESOURCE_BYTES], 100 * 32 + 7 * 128);
    assert_int_equal(cost[PARE_RESOURCE_LINES], 1 + 2);
    assert_int_equal(cost[PARE_RESOURCE_FLOPS], 1 + 16 + 80 + 1 + 64 + 320);
    assert_int_equal(cost[PARE_RESOURCE_FETCH], 500); /* once for the group */
    size[0] = INT64_MAX / 2;
    pare_serving_cost(&serving, keep, cost);
    assert_true(cost[PARE_RESOURCE_BYTES] == INT64_MAX);
}

/* 1,000 random budgets: never over, pins kept, bans left out, chunks only with their field, and
 * nothing that would still fit is left out. */
static void test_never_over(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    int64_t refused = 0;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        problem p;
        int64_t fields = 1 + below(seed, 9000, FIELDS_MAX), chunks = below(seed, 9001, 4);
        make(&p, ctx, seed, fields, chunks, true);
        pare_status status = pare_serving_choose(&p.serving, p.gain, p.keep);
        int64_t cost[PARE_RESOURCES];
        if (status != PARE_OK) {
            assert_int_equal(status, PARE_ERROR_INPUT);
            assert_true(strstr(pare_context_error(ctx), "needs ") ||
                        strstr(pare_context_error(ctx), "banned"));
            for (size_t i = 0; i < sizeof p.keep; i++) {
                assert_int_equal(p.keep[i], 0);
            }
            for (int64_t f = 0; f < fields; f++) { /* nothing alone fits, or the pins do not */
                bool pins = false;
                for (int64_t g = 0; g < fields; g++) {
                    p.keep[g * (chunks + 1)] = p.pinned[g];
                    pins = pins || p.pinned[g];
                }
                p.keep[f * (chunks + 1)] |= !pins && !p.banned[f];
                pare_serving_cost(&p.serving, p.keep, cost);
                assert_true(!pare_serving_fits(&p.serving, cost) || (!pins && p.banned[f]));
                memset(p.keep, 0, sizeof p.keep);
            }
            refused++;
            continue;
        }
        pare_serving_cost(&p.serving, p.keep, cost);
        for (int r = 0; r < PARE_RESOURCES; r++) {
            assert_true(cost[r] <= p.serving.limit[r]);
        }
        for (int64_t f = 0; f < fields; f++) {
            uint8_t *kept = p.keep + f * (chunks + 1);
            assert_true(!p.pinned[f] || kept[0]);
            assert_true(!p.banned[f] || !kept[0]);
            for (int64_t c = 1; c <= chunks; c++) {
                assert_true(!kept[c] || kept[0]);
            }
            for (int64_t c = 0; c <= chunks; c++) {
                if (!kept[c] && !p.banned[f] && (c == 0 || kept[0])) {
                    kept[c] = 1;
                    pare_serving_cost(&p.serving, p.keep, cost);
                    assert_false(pare_serving_fits(&p.serving, cost));
                    kept[c] = 0;
                }
            }
        }
    }
    assert_in_range(refused, 1, SEEDS / 2);
    pare_context_destroy(ctx);
}

/* Against all subsets of small problems: on average nearly the best, never far below. */
static void test_near_best(void **state) {
    (void)state;
    enum { FIELDS = 5, CHUNKS = 1, BITS = FIELDS * (CHUNKS + 1), CASES = 200 };
    pare_context *ctx = NULL;
    double mean = 0, count = 0;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (uint64_t seed = 0; seed < CASES; seed++) {
        problem p;
        make(&p, ctx, seed + 77000, FIELDS, CHUNKS, false);
        if (pare_serving_choose(&p.serving, p.gain, p.keep) != PARE_OK) {
            continue;
        }
        double got = 0, best = 0;
        for (int i = 0; i < BITS; i++) {
            got += p.keep[i] ? p.gain[i] : 0;
        }
        for (int set = 1; set < 1 << BITS; set++) {
            double total = 0;
            int64_t cost[PARE_RESOURCES];
            for (int i = 0; i < BITS; i++) {
                bool in = (set >> i & 1) && (i % 2 == 0 || (set >> (i - 1) & 1));
                p.keep[i] = in;
                total += in ? p.gain[i] : 0;
            }
            pare_serving_cost(&p.serving, p.keep, cost);
            best = total > best && pare_serving_fits(&p.serving, cost) ? total : best;
        }
        assert_true(got > 0.6 * best);
        mean += got / best;
        count++;
    }
    assert_true(mean / count > 0.98);
    pare_context_destroy(ctx);
}

static void test_failing_allocation(void **state) {
    (void)state;
    for (int64_t at = 0; at < 2; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        problem p;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        make(&p, ctx, 4, 5, 2, false);
        for (int r = 0; r < PARE_RESOURCES; r++) {
            p.serving.limit[r] = INT64_MAX;
        }
        memory.fail_at = memory.count + at;
        assert_int_equal(pare_serving_choose(&p.serving, p.gain, p.keep),
                         at == 0 ? PARE_ERROR_MEMORY : PARE_OK);
        assert_int_equal(p.keep[0], at);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
}

/* Curvature and slope of standardised columns of `fields` signals; field 1 repeats field 0. */
static void make_joint(int64_t n, double *slope, double *curvature) {
    for (int64_t i = 0; i < n; i++) {
        slope[i] = 1.0 - 0.1 * (double)i;
        for (int64_t k = 0; k < n; k++) {
            curvature[i * n + k] = i == k || (i < 2 && k < 2) ? 1 : 0;
        }
    }
    slope[1] = slope[0];
    slope[n - 1] = -0.5; /* wrong sign: never */
}

/* Of two fields that say the same one is kept, the cheaper; what has a weight below zero is not;
 * the gains are those of leaving out, found by choosing without. */
static void test_joint(void **state) {
    (void)state;
    enum { FIELDS = 5 };
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    problem p;
    make(&p, ctx, 1, FIELDS, 0, false);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        p.serving.limit[r] = INT64_MAX;
    }
    double slope[FIELDS], curvature[FIELDS * FIELDS], gain[FIELDS];
    make_joint(FIELDS, slope, curvature);
    for (int64_t f = 0; f < FIELDS; f++) {
        p.size[f] = f == 0 ? 100 : 10;
        p.group[2 * f] = p.group[2 * f + 1] = -1;
    }
    p.serving.limit[PARE_RESOURCE_BYTES] = 1000;
    const pare_serving_joint joint = {slope, curvature, 0.001, false};
    assert_ok(ctx, pare_serving_choose_joint(&p.serving, &joint, p.keep, gain));
    static const uint8_t wanted[FIELDS] = {0, 1, 1, 1, 0};
    assert_memory_equal(p.keep, wanted, FIELDS);
    /* max over w of g w - w^2 / 2 - 0.15 (w - 1)^2 - price */
    double w = (slope[2] + 0.3) / 1.3;
    double one = slope[2] * w - w * w / 2 - 0.15 * (w - 1) * (w - 1) - 0.001;
    assert_true(fabs(gain[2] - one) < 1e-9);
    p.pinned[4] = 1;
    memset(p.keep, 0, sizeof p.keep);
    assert_ok(ctx, pare_serving_choose_joint(&p.serving, &joint, p.keep, gain));
    assert_int_equal(p.keep[4], 1);
    pare_context_destroy(ctx);
}

/* H of less than full rank, and slopes, at random. */
static void make_random(uint64_t seed, int64_t n, double *slope, double *curvature) {
    memset(curvature, 0, (size_t)(n * n) * sizeof *curvature);
    for (int64_t k = 0; k < 2 * n / 3 + 1; k++) {
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < n; j++) {
                uint64_t at = 20000 + (uint64_t)(k * n);
                curvature[i * n + j] +=
                    (pare_random_uniform(seed, PARE_STREAM_TEST, at + (uint64_t)i) - 0.5) *
                    (pare_random_uniform(seed, PARE_STREAM_TEST, at + (uint64_t)j) - 0.5);
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        slope[i] = pare_random_uniform(seed, PARE_STREAM_TEST, 70000 + (uint64_t)i) - 0.3;
    }
}

/* Random problems: never over, pins kept, bans left out, chunks only with their field. */
static void test_joint_never_over(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (uint64_t seed = 0; seed < SEEDS / 2; seed++) {
        problem p;
        int64_t fields = 1 + below(seed, 9000, FIELDS_MAX), chunks = below(seed, 9001, 4);
        int64_t n = fields * (chunks + 1), cost[PARE_RESOURCES];
        double curvature[FIELDS_MAX * FIELDS_MAX * 16], slope[FIELDS_MAX * 4], gain[FIELDS_MAX * 4];
        make(&p, ctx, seed, fields, chunks, true);
        make_random(seed, n, slope, curvature);
        const pare_serving_joint joint = {slope, curvature, 1e-3, seed % 2 == 0};
        if (pare_serving_choose_joint(&p.serving, &joint, p.keep, gain) != PARE_OK) {
            continue;
        }
        pare_serving_cost(&p.serving, p.keep, cost);
        assert_true(pare_serving_fits(&p.serving, cost));
        for (int64_t f = 0; f < fields; f++) {
            const uint8_t *kept = p.keep + f * (chunks + 1);
            assert_true(!p.pinned[f] || kept[0]);
            assert_true(!p.banned[f] || !kept[0]);
            for (int64_t c = 0; c <= chunks; c++) {
                assert_true(!kept[c] || kept[0]);
                assert_true(isfinite(gain[f * (chunks + 1) + c]));
            }
        }
    }
    pare_context_destroy(ctx);
}

/* No set within the budget saves more than the bound; all sets of small problems are tried. */
static void test_bound_holds(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    int64_t tried = 0;
    double shares = 0;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    for (uint64_t seed = 0; seed < 60; seed++) {
        problem p;
        int64_t chunks = below(seed, 9001, 3), fields = 1 + below(seed, 9000, chunks ? 3 : 7);
        int64_t n = fields * (chunks + 1), cost[PARE_RESOURCES];
        double slope[16], curvature[16 * 16], gain[16], saved = 0, bound = 0, best = -1;
        make(&p, ctx, seed, fields, chunks, true);
        make_random(seed, n, slope, curvature);
        p.serving.groups = seed % 2 ? GROUPS_MANY : 3; /* more than are told apart set by set */
        const pare_serving_joint joint = {slope, curvature, 1e-3, false};
        if (pare_serving_choose_joint(&p.serving, &joint, p.keep, gain) != PARE_OK) {
            continue;
        }
        assert_ok(ctx, pare_serving_bound(&p.serving, &joint, p.keep, &saved, &bound));
        for (int64_t set = 0; set < INT64_C(1) << n; set++) {
            uint8_t keep[16] = {0};
            bool sound = true;
            double other = 0, same = 0;
            for (int64_t i = 0; i < n; i++) {
                keep[i] = set >> i & 1;
                sound = sound &&
                        (!keep[i] || (keep[i - i % (chunks + 1)] && !p.banned[i / (chunks + 1)]));
            }
            for (int64_t f = 0; f < fields; f++) {
                sound = sound && (!p.pinned[f] || keep[f * (chunks + 1)]);
            }
            pare_serving_cost(&p.serving, keep, cost);
            if (sound && pare_serving_fits(&p.serving, cost)) {
                assert_ok(ctx, pare_serving_bound(&p.serving, &joint, keep, &other, &same));
                assert_true(other <= bound + 1e-9);
                best = fmax(best, other);
            }
        }
        assert_true(saved <= best + 1e-9);
        shares += best > 0 ? best / bound : 1;
        tried++;
    }
    assert_true(tried > 20);
    assert_true(shares / (double)tried > 0.6);
    pare_context_destroy(ctx);
}

/* Without limits and with columns that do not overlap, the bound is what the choice saves. */
static void test_bound_tight(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    enum { COUNT = 6 };
    problem p;
    double slope[COUNT], curvature[COUNT * COUNT] = {0}, gain[COUNT], saved = 0, bound = 0;
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    make(&p, ctx, 3, COUNT, 0, false);
    for (int64_t f = 0; f < COUNT; f++) {
        slope[f] = 0.1 * (double)(f - 2);
        curvature[f * COUNT + f] = 0.2;
    }
    for (int r = 0; r < PARE_RESOURCES; r++) {
        p.serving.limit[r] = INT64_MAX;
    }
    const pare_serving_joint joint = {slope, curvature, 1e-3, false};
    assert_ok(ctx, pare_serving_choose_joint(&p.serving, &joint, p.keep, gain));
    assert_ok(ctx, pare_serving_bound(&p.serving, &joint, p.keep, &saved, &bound));
    assert_true(saved > 0 && bound - saved < 1e-4 * saved);
    pare_context_destroy(ctx);
}

static pare_status choose_and_bound(pare_context *ctx) {
    enum { COUNT = 5, CANDIDATES = COUNT * 3 };
    problem p;
    double slope[CANDIDATES], curvature[CANDIDATES * CANDIDATES], gain[CANDIDATES];
    double saved = 0, bound = 0;
    make(&p, ctx, 4, COUNT, 2, false);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        p.serving.limit[r] = INT64_MAX;
    }
    make_random(4, CANDIDATES, slope, curvature);
    const pare_serving_joint joint = {slope, curvature, 1e-3, false};
    pare_status status = pare_serving_choose_joint(&p.serving, &joint, p.keep, gain);
    return status == PARE_OK ? pare_serving_bound(&p.serving, &joint, p.keep, &saved, &bound)
                             : status;
}

static void test_joint_allocation(void **state) {
    (void)state;
    test_each_allocation(choose_and_bound);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joint),
        cmocka_unit_test(test_joint_never_over),
        cmocka_unit_test(test_costs),
        cmocka_unit_test(test_never_over),
        cmocka_unit_test(test_near_best),
        cmocka_unit_test(test_failing_allocation),
        cmocka_unit_test(test_bound_holds),
        cmocka_unit_test(test_bound_tight),
        cmocka_unit_test(test_joint_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
