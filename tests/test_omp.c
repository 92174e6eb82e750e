/* Orthogonal matching pursuit: the textbook's picks, the theorem, awkward input, exchanges. */
#include "linear_support.h"

static void compare_with_plain(world *w, int64_t k, const char *what) {
    double *columns = plain_columns(w->data), *r = plain_responses(w->data);
    int64_t item[512];
    plain_omp(w->data, columns, w->data->outputs, r, k, item);
    chosen ours = run_omp(w, k, 1, false);
    assert_int_equal(ours.count, k);
    for (int64_t t = 0; t < k; t++) {
        if (ours.item[t] != item[t]) {
            fail_msg("%s: pick %lld is %lld, should be %lld", what, (long long)t,
                     (long long)ours.item[t], (long long)item[t]);
        }
    }
    double left = 0, total = 0;
    for (int64_t i = 0; i < w->data->train_count; i++) {
        total += w->data->weight ? (double)w->data->weight[w->data->train[i]] : 1;
        for (int64_t o = 0; o < w->data->outputs; o++) {
            double one = r[o * w->data->train_count + i];
            left += one * one;
        }
    }
    assert_true(fabs(ours.loss - left / (2 * total)) < 1e-9 * (1 + left / total));
    free(columns);
    free(r);
}

static void test_same_picks_as_textbook(void **state) {
    (void)state;
    static const double correlations[] = {0, 0.5, 0.9, 0.99};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        double correlation = correlations[seed % 4];
        int64_t n = 40 + (int64_t)(seed * 37 % 400), d = 20 + (int64_t)(seed * 101 % 300);
        world *w = open_world(100 * seed, n, d, correlation, 1 + (int64_t)(seed % 3 == 0), 12);
        if (seed % 5 == 0) { /* far from 0: entries cannot be summed as they are stored */
            for (int64_t i = 0; i < n * d; i++) {
                w->x[i] += 100;
            }
        }
        if (seed % 7 == 0) {
            w->weight = zeroed(n, sizeof *w->weight);
            for (int64_t i = 0; i < n; i++) {
                w->weight[i] = (float)(i % 11 == 0 ? 0 : 0.2 + fabs(normal(seed, i)));
            }
        }
        set(w, "validation", seed % 2 ? "0" : "0.3");
        finish_world(w);
        int64_t k = n / 3 < d ? n / 3 : d;
        char what[64];
        snprintf(what, sizeof what, "instance %llu", (unsigned long long)seed);
        compare_with_plain(w, k < 60 ? k : 60, what);
        close_world(w);
    }
}

/* Larger, so that many Gram rows and passes take part; all noise at the end of the path. */
static void test_long_paths(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        world *w = open_world(9000 + seed, 700, 900, seed == 1 ? 0 : 0.95, 1, 20);
        finish_world(w);
        compare_with_plain(w, 150, "long path");
        close_world(w);
    }
}

/* ---- The theorem ----------------------------------------------------------------------------- */

/*
 * min_b |X b - y|^2 / 2 + lambda sum over unselected |b_j|, by coordinate descent on the normal
 * equations: what regularised linear Sequential Attention with an identity mask minimises
 * (Yasuda et al. 2023, section 3: min over w, b of |X (s(w) b) - y|^2 + lambda / 2 (|w|^2 +
 * |b_U|^2)). gram: (d, d), right: (d).
 */
static void solve_penalised(int64_t d, const double *gram, const double *right, double lambda,
                            const uint8_t *free_column, double *b) {
    for (int sweep = 0; sweep < 20000; sweep++) {
        double moved = 0;
        for (int64_t j = 0; j < d; j++) {
            double rest = right[j];
            for (int64_t q = 0; q < d; q++) {
                rest -= q == j ? 0 : gram[j * d + q] * b[q];
            }
            double size = fmax(fabs(rest) - (free_column[j] ? 0 : lambda), 0);
            double now = copysign(size, rest) / gram[j * d + j];
            moved = fmax(moved, fabs(now - b[j]));
            b[j] = now;
        }
        if (moved < 1e-13) {
            return;
        }
    }
}

/* The penalty just below its critical value, where the first unselected column enters, found by
 * halving: at `high` none has entered. Returns the column that enters alone. */
static int64_t enters_first(int64_t d, const double *gram, const double *right,
                            const uint8_t *free_column, double *b) {
    double low = 0, high = 0;
    for (int64_t j = 0; j < d; j++) {
        high = fmax(high, 2 * fabs(right[j]));
    }
    int64_t entered = -1;
    for (int halving = 0; halving < 60; halving++) {
        double lambda = 0.5 * (low + high);
        memset(b, 0, (size_t)d * sizeof *b);
        solve_penalised(d, gram, right, lambda, free_column, b);
        int64_t count = 0, last = -1;
        for (int64_t j = 0; j < d; j++) {
            if (!free_column[j] && b[j] != 0) {
                count++;
                last = j;
            }
        }
        if (count == 0) {
            high = lambda;
        } else {
            low = lambda;
            entered = count == 1 ? last : entered;
            if (count == 1) {
                break;
            }
        }
    }
    return entered;
}

static void test_critical_penalty_chooses_as_omp(void **state) {
    (void)state;
    enum { INSTANCES = 200, N = 40, D = 12, PICKS = 5 };
    for (uint64_t seed = 0; seed < INSTANCES; seed++) {
        world *w = open_world(20000 + 10 * seed, N, D, seed % 2 ? 0.6 : 0, 1, 5);
        finish_world(w);
        double *columns = plain_columns(w->data), *y = plain_responses(w->data);
        double gram[D * D], right[D], b[D];
        for (int64_t j = 0; j < D; j++) {
            right[j] = 0;
            /* Unit columns: the two agree on what "largest correlation" means. */
            double square = 0;
            for (int64_t i = 0; i < N; i++) {
                square += columns[j * N + i] * columns[j * N + i];
            }
            for (int64_t i = 0; i < N; i++) {
                columns[j * N + i] /= sqrt(square);
                right[j] += columns[j * N + i] * y[i];
            }
            for (int64_t q = 0; q <= j; q++) {
                double sum = 0;
                for (int64_t i = 0; i < N; i++) {
                    sum += columns[j * N + i] * columns[q * N + i];
                }
                gram[j * D + q] = gram[q * D + j] = sum;
            }
        }
        chosen ours = run_omp(w, PICKS, 1, false);
        uint8_t selected[D] = {0};
        for (int t = 0; t < PICKS; t++) {
            int64_t next = enters_first(D, gram, right, selected, b);
            assert_int_equal(next, ours.item[t]);
            selected[next] = 1;
        }
        free(columns);
        free(y);
        close_world(w);
    }
}

/* ---- Awkward input --------------------------------------------------------------------------- */

/* Duplicates, opposites, constants, sums of others, and k = all. */
static void test_dependent_columns(void **state) {
    (void)state;
    for (int ridge = 0; ridge < 2; ridge++) {
        world *w = open_world(31, 60, 14, 0, 1, 4);
        for (int64_t i = 0; i < w->n; i++) {
            float *x = w->x + i * w->d;
            x[3] = x[1];
            x[4] = -x[1];
            x[5] = 7;
            x[6] = x[1] + x[2];
            x[7] = 1e-6f * x[8];
            x[9] = x[8] + 1e5f;
        }
        set(w, "ridge", ridge ? "1e-6" : "0");
        finish_world(w);
        for (int64_t k = 1; k <= w->data->candidates; k++) {
            for (int replace = 0; replace < 2; replace++) {
                chosen ours = run_omp(w, k, 1, replace);
                assert_int_equal(ours.count, k);
                assert_true(isfinite(ours.loss));
            }
        }
        close_world(w);
    }
}

/* Every column twice, two classes: columns that are worth the same to the last digits but one must
 * not take turns for ever. */
static void test_exchanges_of_equal_columns_end(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        world *w = open_world(310 + seed, 300, 40, 0.3, 1, 8);
        for (int64_t i = 0; i < w->n; i++) {
            for (int64_t j = 0; j < w->d / 2; j++) {
                float bit = w->x[i * w->d + j] > 1; /* rare, as in bags of words */
                w->x[i * w->d + j] = w->x[i * w->d + w->d - 1 - j] = bit;
            }
        }
        make_classes(w, 2, "binary");
        set(w, "ridge", seed == 1 ? "1e-6" : "1e-2");
        finish_world(w);
        chosen plain = run_omp(w, 6, 1, false), swapped = run_omp(w, 6, 1, true);
        assert_int_equal(swapped.count, 6);
        assert_true(swapped.loss <= plain.loss * (1 + 1e-6));
        close_world(w);
    }
}

/* Fewer rows than columns, and a response that is fitted exactly. */
static void test_perfect_fit(void **state) {
    (void)state;
    world *w = open_world(41, 12, 40, 0, 1, 0);
    for (int64_t i = 0; i < w->n; i++) {
        w->y[i] = 2 * (double)w->x[i * w->d + 5] - (double)w->x[i * w->d + 30];
    }
    finish_world(w);
    chosen ours = run_omp(w, 40, 1, false);
    assert_int_equal(ours.count, 40);
    assert_true(ours.loss < 1e-10);
    close_world(w);
}

static void test_forced_barred_and_phases(void **state) {
    (void)state;
    world *w = open_world(51, 200, 30, 0.3, 1, 6);
    finish_world(w);
    chosen plain = run_omp(w, 8, 1, false);
    pare_objective objective = {0};
    assert_ok(w->ctx,
              pare_exact_linear_create(w->data, NULL, NULL, &w->options, false, &objective));
    uint8_t forced[30] = {0}, barred[30] = {0};
    barred[plain.item[0]] = 1;
    forced[plain.item[7]] = forced[plain.item[3]] = 1;
    for (int64_t picks = 1; picks <= 5; picks++) {
        for (int replace = 0; replace < 2; replace++) {
            chosen ours =
                run_method(w->ctx, &pare_method_omp, &objective, 8, picks, replace, forced, barred);
            assert_int_equal(ours.count, 8);
            bool found[2] = {false, false};
            for (int64_t i = 0; i < 8; i++) {
                assert_int_not_equal(ours.item[i], plain.item[0]);
                found[0] = found[0] || ours.item[i] == plain.item[7];
                found[1] = found[1] || ours.item[i] == plain.item[3];
            }
            assert_true(found[0] && found[1]);
        }
    }
    /* All at once: the best k by their own gains. */
    memset(forced, 0, sizeof forced);
    memset(barred, 0, sizeof barred);
    chosen once = run_method(w->ctx, &pare_method_omp, &objective, 8, 8, false, forced, barred);
    for (int64_t i = 1; i < 8; i++) {
        assert_true(once.score[i] <= once.score[i - 1]);
    }
    /* Nothing that may be chosen is left: all that can be. */
    memset(barred, 1, sizeof barred);
    barred[2] = barred[9] = 0;
    chosen few = run_method(w->ctx, &pare_method_omp, &objective, 8, 1, true, forced, barred);
    assert_int_equal(few.count, 2);
    pare_objective_destroy(&objective);
    close_world(w);
}

/* ---- Exchanges ------------------------------------------------------------------------------- */

static double loss_of(world *w, int64_t count, const int64_t *item) {
    pare_objective objective = {0};
    pare_metrics metrics = {0};
    assert_ok(w->ctx,
              pare_exact_linear_create(w->data, NULL, NULL, &w->options, false, &objective));
    assert_ok(w->ctx, objective.slots->fit(objective.self, count, item));
    assert_ok(w->ctx, objective.slots->evaluate(objective.self, NULL, PARE_ROWS_TRAIN, &metrics));
    pare_objective_destroy(&objective);
    return metrics.loss;
}

static void test_exchanges_lower_the_loss(void **state) {
    (void)state;
    int better = 0, best = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        enum { D = 12, K = 3 };
        world *w = open_world(600 + 10 * seed, 50, D, 0.8, 1, 4);
        finish_world(w);
        chosen plain = run_omp(w, K, 1, false), swapped = run_omp(w, K, 1, true);
        assert_true(swapped.loss <= plain.loss * (1 + 1e-12));
        assert_true(fabs(swapped.loss - loss_of(w, K, swapped.item)) < 1e-12);
        better += swapped.loss < plain.loss * (1 - 1e-9);
        double least = INFINITY;
        for (int64_t a = 0; a < D; a++) {
            for (int64_t b = a + 1; b < D; b++) {
                for (int64_t c = b + 1; c < D; c++) {
                    int64_t item[K] = {a, b, c};
                    least = fmin(least, loss_of(w, K, item));
                }
            }
        }
        assert_true(swapped.loss >= least * (1 - 1e-9));
        best += swapped.loss <= least * (1 + 1e-9);
        close_world(w);
    }
    assert_true(better > 0);
    assert_true(best >= 25); /* exchanges of one do not always reach the best of all */
}

/* ---- Invariants ------------------------------------------------------------------------------ */

static void test_columns_may_be_permuted(void **state) {
    (void)state;
    enum { D = 90 };
    world *a = open_world(71, 300, D, 0.7, 2, 10), *b = open_world(71, 300, D, 0.7, 2, 10);
    int64_t place[D];
    for (int64_t j = 0; j < D; j++) {
        place[j] = j;
    }
    pare_random_shuffle(72, PARE_STREAM_TEST, 0, D, place);
    for (int64_t i = 0; i < a->n; i++) {
        for (int64_t j = 0; j < D; j++) {
            b->x[i * D + place[j]] = a->x[i * D + j];
        }
    }
    finish_world(a);
    finish_world(b);
    chosen first = run_omp(a, 40, 1, false), second = run_omp(b, 40, 1, false);
    for (int64_t t = 0; t < 40; t++) {
        assert_int_equal(place[first.item[t]], second.item[t]);
    }
    close_world(a);
    close_world(b);
}

static void test_threads_do_not_matter(void **state) {
    (void)state;
    static const char *const tasks[] = {"regression", "binary", "multiclass"};
    for (int task = 0; task < 3; task++) {
        chosen answer[2];
        for (int many = 0; many < 2; many++) {
            world *w = open_world(81, 700, 300, 0.7, 1, 10);
            assert_ok(w->ctx, pare_context_set_threads(w->ctx, many ? 8 : 1));
            if (task > 0) {
                make_classes(w, task == 1 ? 2 : 4, tasks[task]);
            }
            finish_world(w);
            answer[many] = run_omp(w, 15, 1, true);
            close_world(w);
        }
        assert_memory_equal(answer[0].item, answer[1].item, 15 * sizeof(int64_t));
        assert_memory_equal(answer[0].score, answer[1].score, 15 * sizeof(double));
    }
}

/* Every allocation of a run fails once. */
static void test_failing_allocations(void **state) {
    (void)state;
    for (int task = 0; task < 2; task++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        world *w = open_world(91, 60, 20, 0.5, 1, 5);
        pare_config_destroy(w->config);
        pare_options_clear(&w->options);
        pare_context_destroy(w->ctx);
        assert_int_equal(pare_context_create(&allocator, &w->ctx), PARE_OK);
        assert_ok(w->ctx, pare_config_create(w->ctx, &w->config));
        assert_ok(w->ctx, pare_options_init(w->ctx, &w->options));
        set(w, "validation", "0");
        set(w, "k", "6");
        set(w, "task", "regression");
        if (task > 0) {
            make_classes(w, 3, "multiclass");
        }
        finish_world(w);
        int64_t before = memory.live, positions = 0;
        for (bool through = false; !through; positions++) {
            pare_objective objective = {0};
            uint8_t none[20] = {0};
            int64_t item[6];
            double score[6], epoch[PARE_TRACE_MAX], loss[PARE_TRACE_MAX];
            pare_choice choice = {
                .item = item, .score = score, .trace_epoch = epoch, .trace_loss = loss};
            pare_task asked = {.ctx = w->ctx,
                               .objective = &objective,
                               .k = 6,
                               .forced = none,
                               .barred = none,
                               .picks_per_phase = 1,
                               .replace = true};
            void *method = NULL;
            memory.fail_at = memory.count + positions;
            pare_status status =
                pare_exact_linear_create(w->data, NULL, NULL, &w->options, false, &objective);
            if (status == PARE_OK) {
                status = pare_method_omp.create(&asked, &choice, &method);
            }
            for (bool done = false; status == PARE_OK && !done;) {
                status = pare_method_omp.step(method, &done);
            }
            through = status == PARE_OK;
            assert_true(through || status == PARE_ERROR_MEMORY);
            /* The same objective goes on after a failure. */
            memory.fail_at = -1;
            if (objective.slots) {
                double gain[20];
                assert_ok(w->ctx, objective.slots->gains(objective.self, 0, NULL, gain));
            }
            pare_method_omp.destroy(method);
            pare_objective_destroy(&objective);
            assert_int_equal(memory.live, before);
        }
        assert_true(positions > 20);
        close_world(w);
        assert_int_equal(memory.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_picks_as_textbook),
        cmocka_unit_test(test_long_paths),
        cmocka_unit_test(test_critical_penalty_chooses_as_omp),
        cmocka_unit_test(test_dependent_columns),
        cmocka_unit_test(test_exchanges_of_equal_columns_end),
        cmocka_unit_test(test_perfect_fit),
        cmocka_unit_test(test_forced_barred_and_phases),
        cmocka_unit_test(test_exchanges_lower_the_loss),
        cmocka_unit_test(test_columns_may_be_permuted),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
