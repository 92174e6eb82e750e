/* Backward elimination: every step takes the column or block of least rise, and the rises are those
 * of a regression solved from scratch. */
#include "support.h"

#include <math.h>

#include "base/random.h"
#include "model/transformer/reconstruct.h"

enum { WIDTH = 84, OUTPUTS = 5, ROWS = 120 };

/* Sums of squares of random activations that hang together, with a ridge. */
static void make(pare_context *ctx, pare_half_problem *p) {
    static double a[ROWS][WIDTH], t[ROWS][OUTPUTS];
    *p = (pare_half_problem){.width = WIDTH, .outputs = OUTPUTS};
    assert_ok(ctx, pare_alloc_zero(ctx, WIDTH * WIDTH, sizeof(double), &p->gram));
    assert_ok(ctx, pare_alloc_zero(ctx, WIDTH * OUTPUTS, sizeof(double), &p->cross));
    for (int64_t r = 0; r < ROWS; r++) {
        for (int64_t j = 0; j < WIDTH; j++) {
            double draw = pare_random_normal(1, PARE_STREAM_TEST, (uint64_t)(r * WIDTH + j));
            a[r][j] = draw * (1 + 0.01 * (double)j) + (j > 0 ? 0.5 * a[r][j - 1] : 0);
        }
        for (int64_t o = 0; o < OUTPUTS; o++) {
            t[r][o] = a[r][o] + a[r][7 * o + 9] +
                      pare_random_normal(2, PARE_STREAM_TEST, (uint64_t)(r * OUTPUTS + o));
        }
    }
    for (int64_t r = 0; r < ROWS; r++) {
        for (int64_t i = 0; i < WIDTH; i++) {
            for (int64_t j = 0; j < WIDTH; j++) {
                p->gram[i * WIDTH + j] += a[r][i] * a[r][j];
            }
            for (int64_t o = 0; o < OUTPUTS; o++) {
                p->cross[i * OUTPUTS + o] += a[r][i] * t[r][o];
            }
        }
    }
    for (int64_t i = 0; i < WIDTH; i++) {
        p->gram[i * WIDTH + i] += 0.1;
    }
}

/* What the columns that stay explain: tr(C_S' G_SS^-1 C_S). */
static double explained(const pare_half_problem *p, const uint8_t *gone, int64_t block) {
    static double gram[WIDTH * WIDTH], cross[WIDTH * OUTPUTS], solution[WIDTH * OUTPUTS];
    int64_t column[WIDTH], n = 0;
    double sum = 0;
    for (int64_t i = 0; i < WIDTH; i++) {
        column[n] = i;
        n += !gone[i / block];
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            gram[i * n + j] = p->gram[column[i] * WIDTH + column[j]];
        }
        memcpy(cross + i * OUTPUTS, p->cross + column[i] * OUTPUTS, OUTPUTS * sizeof *cross);
    }
    memcpy(solution, cross, sizeof cross);
    assert_int_equal(pare_cholesky(n, gram, n), 0);
    pare_cholesky_solve(n, OUTPUTS, gram, n, solution, OUTPUTS);
    for (int64_t i = 0; i < n * OUTPUTS; i++) {
        sum += cross[i] * solution[i];
    }
    return sum;
}

static void check(int64_t block) {
    pare_context *ctx = NULL;
    pare_half_problem p;
    int64_t blocks = WIDTH / block, order[WIDTH];
    double increase[WIDTH];
    uint8_t gone[WIDTH] = {0};
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    make(ctx, &p);
    assert_ok(ctx, pare_half_eliminate(ctx, &p, block, 0, 0, order, increase));
    double all = explained(&p, gone, block), now = all;
    for (int64_t i = 0; i < blocks; i++) {
        double least = INFINITY;
        for (int64_t j = 0; j < blocks; j++) {
            if (!gone[j] && (j == order[i] || i % 16 == 3)) {
                gone[j] = 1;
                least = fmin(least, now - explained(&p, gone, block));
                gone[j] = 0;
            }
        }
        assert_false(gone[order[i]]);
        assert_true(fabs(increase[i] - least) < 1e-9 * all);
        gone[order[i]] = 1;
        now = explained(&p, gone, block);
    }
    assert_true(fabs(now) < 1e-9 * all);
    pare_half_clear(ctx, &p);
    pare_context_destroy(ctx);
}

static void test_columns(void **state) {
    (void)state;
    check(1);
}

static void test_blocks(void **state) {
    (void)state;
    check(4);
}

/* What is asked for and not more; the same for any number of threads; no memory at any place. */
static void test_part(void **state) {
    (void)state;
    int64_t whole[WIDTH], part[WIDTH];
    double rises[WIDTH], some[WIDTH];
    for (int64_t threads = 1; threads <= 3; threads += 2) {
        pare_context *ctx = NULL;
        pare_half_problem p;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, pare_context_set_threads(ctx, threads));
        make(ctx, &p);
        memset(part, 0xff, sizeof part);
        assert_ok(ctx,
                  pare_half_eliminate(ctx, &p, 1, 0, threads == 1 ? 0 : 20,
                                      threads == 1 ? whole : part, threads == 1 ? rises : some));
        pare_half_clear(ctx, &p);
        pare_context_destroy(ctx);
    }
    for (int64_t i = 0; i < WIDTH; i++) {
        assert_int_equal(part[i], i < WIDTH - 20 ? whole[i] : -1);
        assert_true(i >= WIDTH - 20 || memcmp(&rises[i], &some[i], sizeof some[i]) == 0);
    }
}

static void test_memory(void **state) {
    (void)state;
    test_allocator counter = {0, -1, 0};
    pare_allocator allocator = test_allocator_of(&counter);
    pare_context *ctx = NULL;
    pare_half_problem p;
    int64_t order[WIDTH], live = 0;
    double increase[WIDTH];
    assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
    make(ctx, &p);
    live = counter.live;
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status != PARE_OK; at++) {
        counter.count = 0;
        counter.fail_at = at;
        status = pare_half_eliminate(ctx, &p, 1, 0, 0, order, increase);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        assert_int_equal(counter.live, live);
    }
    counter.fail_at = -1;
    p.gram[0] = -1;
    assert_int_equal(pare_half_eliminate(ctx, &p, 1, 0, 0, order, increase), PARE_ERROR_NUMERIC);
    assert_int_equal(counter.live, live);
    pare_half_clear(ctx, &p);
    pare_context_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_part),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
