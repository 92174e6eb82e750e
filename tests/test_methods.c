/* The baseline methods: what holds for all of them. */
#include "methods_support.h"

static void chooses_exactly_k(void **unused) {
    (void)unused;
    for (int form = 0; form < FORMS; form++) {
        for (int64_t k = 1; k <= COLUMNS; k += k < 6 ? 1 : 6) {
            fixture *f = open_form(form, k, NULL);
            f->task.picks_per_phase = 1 + k % 3;
            start(f);
            finish(f);
            check_choice(f);
            close_fixture(f);
        }
    }
}

static void puts_the_forced_first_and_never_the_barred(void **unused) {
    (void)unused;
    for (int form = 0; form < FORMS; form++) {
        for (int64_t k = 2; k <= COLUMNS - 2; k += 5) {
            fixture *f = open_form(form, k, NULL);
            f->forced[20] = f->forced[2] = 1;
            f->barred[3] = f->barred[0] = 1;
            start(f);
            finish(f);
            check_choice(f);
            close_fixture(f);
        }
    }
}

static void finds_the_strong_ones(void **unused) {
    (void)unused;
    for (int form = 0; form < FORMS; form++) {
        if (forms[form].method == &pare_method_random) {
            continue;
        }
        fixture *f = open_form(form, 3, NULL);
        start(f);
        finish(f);
        check_choice(f);
        uint8_t seen[COLUMNS] = {0};
        for (int64_t i = 0; i < 3; i++) {
            seen[f->item[i]] = 1;
            assert_true(i == 0 || f->score[i] <= f->score[i - 1] * (1 + 1e-9) ||
                        forms[form].method == &pare_method_sequential_lasso);
        }
        assert_true(seen[3] && seen[7]);
        close_fixture(f);
    }
}

static void permuted_columns_permute_the_answer(void **unused) {
    (void)unused;
    int64_t order[COLUMNS];
    for (int64_t j = 0; j < COLUMNS; j++) {
        order[j] = j;
    }
    pare_random_shuffle(3, PARE_STREAM_TEST, 0, COLUMNS, order);
    for (int form = 0; form < FORMS; form++) {
        if (forms[form].method == &pare_method_random) {
            continue;
        }
        fixture *plain = open_form(form, 9, NULL), *moved = open_form(form, 9, order);
        start(plain);
        finish(plain);
        start(moved);
        finish(moved);
        for (int64_t i = 0; i < 9; i++) {
            assert_int_equal(moved->item[i], order[plain->item[i]]);
        }
        close_fixture(plain);
        close_fixture(moved);
    }
}

static void random_follows_the_seed(void **unused) {
    (void)unused;
    int64_t first[COLUMNS];
    int64_t differ = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        for (int again = 0; again < 2; again++) {
            fixture *f = open_form(FORMS - 1, 8, NULL);
            f->task.seed = seed;
            start(f);
            finish(f);
            check_choice(f);
            if (again) {
                assert_memory_equal(f->item, first, 8 * sizeof *first);
            } else {
                differ += seed > 1 && memcmp(f->item, first, 8 * sizeof *first) != 0;
                memcpy(first, f->item, sizeof first);
            }
            close_fixture(f);
        }
    }
    assert_int_equal(differ, 2);
}

typedef struct tape {
    unsigned char bytes[1 << 14];
    int64_t at;
    bool reading;
} tape;

static pare_status tape_bytes(void *user, void *data, int64_t length) {
    tape *t = user;
    assert_true(t->at + length <= (int64_t)sizeof t->bytes);
    if (t->reading) {
        memcpy(data, t->bytes + t->at, (size_t)length);
    } else {
        memcpy(t->bytes + t->at, data, (size_t)length);
    }
    t->at += length;
    return PARE_OK;
}

static void continues_from_a_saved_state(void **unused) {
    (void)unused;
    for (int form = 0; form < FORMS; form++) {
        if (!forms[form].method->visit) {
            continue;
        }
        fixture *whole = open_form(form, 7, NULL), *first = open_form(form, 7, NULL);
        fixture *second = open_form(form, 7, NULL);
        start(whole);
        finish(whole);
        start(first);
        start(second);
        bool done = false;
        for (int i = 0; i < 4; i++) {
            assert_ok(first->ctx, first->method->step(first->state, &done));
        }
        assert_false(done);
        tape *t = calloc(1, sizeof *t);
        const pare_visitor visitor = {tape_bytes, t};
        for (int pass = 0; pass < 2; pass++) {
            fixture *f = pass ? second : first;
            t->at = 0;
            t->reading = pass;
            assert_ok(f->ctx, f->method->visit(f->state, &visitor));
            assert_ok(f->ctx, problem_visit(&f->data, &visitor));
        }
        /* What the selector saves itself. */
        memcpy(second->item, first->item, sizeof first->item);
        memcpy(second->score, first->score, sizeof first->score);
        second->choice.count = first->choice.count;
        finish(second);
        assert_memory_equal(second->item, whole->item, 7 * sizeof(int64_t));
        for (int64_t i = 0; i < 7; i++) {
            /* Exact models start the next solution cold. */
            assert_true(fabs(second->score[i] - whole->score[i]) <= (forms[form].exact ? 1e-6 : 0));
        }
        free(t);
        close_fixture(whole);
        close_fixture(first);
        close_fixture(second);
    }
}

static void survives_every_failing_allocation(void **unused) {
    (void)unused;
    for (int form = 0; form < FORMS; form++) {
        for (int64_t at = 0;; at++) {
            fixture *f = open_form(form, 4, NULL);
            test_allocator counter = {.fail_at = -1};
            pare_allocator allocator = test_allocator_of(&counter);
            pare_context *ctx = NULL;
            assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
            int64_t before = counter.live;
            f->task.ctx = f->data.ctx = ctx;
            counter.fail_at = counter.count + at;
            pare_status status = f->method->create(&f->task, &f->choice, &f->state);
            bool done = false;
            while (status == PARE_OK && !done) {
                status = f->method->step(f->state, &done);
            }
            counter.fail_at = -1;
            f->method->destroy(f->state);
            f->state = NULL;
            pare_lasso_destroy(f->data.lasso);
            f->data.lasso = NULL;
            assert_int_equal(counter.live, before);
            pare_context_destroy(ctx);
            close_fixture(f);
            if (status == PARE_OK) {
                assert_true(at >= 3);
                break;
            }
            assert_int_equal(status, PARE_ERROR_MEMORY);
        }
    }
}

static void refuses_models_that_take_no_penalty(void **unused) {
    (void)unused;
    static const pare_objective_slots none = {.gains = problem_gains};
    for (int form = 0; form < 4; form += 2) {
        fixture *f = open_form(form, 3, NULL);
        f->objective.slots = &none;
        assert_int_equal(f->method->create(&f->task, &f->choice, &f->state),
                         PARE_ERROR_UNSUPPORTED);
        assert_null(f->state);
        close_fixture(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_exactly_k),
        cmocka_unit_test(puts_the_forced_first_and_never_the_barred),
        cmocka_unit_test(finds_the_strong_ones),
        cmocka_unit_test(permuted_columns_permute_the_answer),
        cmocka_unit_test(random_follows_the_seed),
        cmocka_unit_test(continues_from_a_saved_state),
        cmocka_unit_test(survives_every_failing_allocation),
        cmocka_unit_test(refuses_models_that_take_no_penalty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
