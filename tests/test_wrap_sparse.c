/* Sparse arrays: the same dataset as the dense ones, whoever holds the numbers. */
#include "dataset_support.h"

enum { ROWS = 60, COLUMNS = 6 };

typedef struct arrays {
    float x[ROWS * COLUMNS];
    double y[ROWS];
    int64_t start[ROWS + 1];
    int32_t index[ROWS * COLUMNS];
    float value[ROWS * COLUMNS];
} arrays;

/* Two of three cells are zero; column 4 has gaps. */
static void fill(arrays *a) {
    int64_t at = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            uint64_t cell = (uint64_t)(i * COLUMNS + j);
            bool zero = pare_random_below(3, PARE_STREAM_TEST, cell, 3) != 0;
            float value = (float)pare_random_normal(5, PARE_STREAM_TEST, cell);
            a->x[cell] = zero ? 0 : j == 4 && i % 5 == 0 ? NAN : value;
            if (a->x[cell] != 0) {
                a->index[at] = (int32_t)j;
                a->value[at++] = a->x[cell];
            }
        }
        a->y[i] = (double)(i % 3);
        a->start[i + 1] = at;
    }
    a->start[0] = 0;
}

static pare_status wrap(fixture *f, const arrays *a, pare_dataset **out) {
    return pare_dataset_wrap_sparse(f->ctx, ROWS, COLUMNS, a->start, a->index, a->value, 1, a->y,
                                    NULL, NULL, f->config, out);
}

static void compare(fixture *f, const arrays *a) {
    pare_dataset *dense = NULL, *sparse = NULL;
    assert_ok(f->ctx, pare_dataset_wrap(f->ctx, ROWS, COLUMNS, a->x, 1, a->y, NULL, NULL, f->config,
                                        &dense));
    assert_ok(f->ctx, wrap(f, a, &sparse));
    assert_string_equal(dense->summary, sparse->summary);
    assert_int_equal(dense->features, sparse->features);
    int64_t number[ROWS];
    static float one[ROWS * 2 * COLUMNS], other[ROWS * 2 * COLUMNS];
    for (int64_t i = 0; i < ROWS; i++) {
        number[i] = i;
    }
    pare_dataset_gather(dense, ROWS, number, one);
    pare_dataset_gather(sparse, ROWS, number, other);
    for (int64_t p = 0; p < ROWS * dense->features; p++) {
        assert_near(one[p], other[p], 1e-5);
    }
    check_views(sparse);
    check_standard(sparse);
    pare_dataset_close(sparse);
    pare_dataset_close(dense);
}

static void test_same_as_dense(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    static arrays a;
    fill(&a);
    static arrays before;
    before = a;
    compare(&f, &a);
    set(&f, "ignore", "x0,x3");
    compare(&f, &a);
    assert_memory_equal(&a, &before, sizeof a); /* borrowed, so never written to */
    end(&f);
}

/* Groups of columns that stand apart: features are not in the order of the columns. */
static void test_groups_apart(void **state) {
    (void)state;
    static arrays a;
    char path[] = "/tmp/pare-groups-XXXXXX";
    static const char text[] = "ends: x0, x5\nmiddle: x1, x3\n";
    int file = mkstemp(path);
    assert_true(file >= 0 && write(file, text, sizeof text - 1) == (ssize_t)(sizeof text - 1));
    close(file);
    fixture f;
    begin(&f);
    fill(&a);
    for (int64_t i = 0; i < ROWS; i++) {
        a.y[i] = (double)a.x[i * COLUMNS] - 2 * (double)a.x[i * COLUMNS + 3];
    }
    set(&f, "groups", path);
    set(&f, "task", "regression");
    set(&f, "method", "omp");
    set(&f, "k", "3");
    compare(&f, &a);
    pare_dataset *data[2] = {NULL, NULL};
    pare_selection *chosen[2] = {NULL, NULL};
    assert_ok(f.ctx,
              pare_dataset_wrap(f.ctx, ROWS, COLUMNS, a.x, 1, a.y, NULL, NULL, f.config, &data[0]));
    assert_ok(f.ctx, wrap(&f, &a, &data[1]));
    for (int i = 0; i < 2; i++) {
        assert_ok(f.ctx, pare_select(data[i], NULL, f.config, NULL, NULL, &chosen[i]));
    }
    for (int64_t i = 0; i < 3; i++) {
        assert_string_equal(pare_selection_name(chosen[0], i), pare_selection_name(chosen[1], i));
        assert_near(pare_selection_score(chosen[0], i), pare_selection_score(chosen[1], i), 1e-5);
    }
    for (int i = 0; i < 2; i++) {
        pare_selection_destroy(chosen[i]);
        pare_dataset_close(data[i]);
    }
    end(&f);
    unlink(path);
}

static void test_refuses(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    static arrays a;
    pare_dataset *data = NULL;
    fill(&a);
    int64_t row = 0;
    while (a.start[row + 1] - a.start[row] < 2) {
        row++;
    }
    a.index[a.start[row] + 1] = a.index[a.start[row]];
    assert_int_equal(wrap(&f, &a, &data), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(f.ctx), "arrays row "));
    fill(&a);
    a.index[a.start[7] - 1] = COLUMNS;
    assert_int_equal(wrap(&f, &a, &data), PARE_ERROR_INPUT);
    fill(&a);
    a.index[0] = -1;
    assert_int_equal(wrap(&f, &a, &data), PARE_ERROR_INPUT);
    fill(&a);
    a.start[0] = 1;
    assert_int_equal(wrap(&f, &a, &data), PARE_ERROR_INPUT);
    fill(&a);
    a.start[3] = a.start[2] - 1;
    assert_int_equal(wrap(&f, &a, &data), PARE_ERROR_INPUT);
    fill(&a);
    a.value[2] = INFINITY;
    assert_int_equal(wrap(&f, &a, &data), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(f.ctx), "infinite"));
    assert_int_equal(pare_dataset_wrap_sparse(f.ctx, ROWS, COLUMNS, NULL, a.index, a.value, 1, a.y,
                                              NULL, NULL, f.config, &data),
                     PARE_ERROR_ARGUMENT);
    fill(&a);
    set(&f, "categorical", "x1");
    assert_int_equal(wrap(&f, &a, &data), PARE_ERROR_UNSUPPORTED);
    assert_null(data);
    end(&f);
}

static void test_failing_allocations(void **state) {
    (void)state;
    static arrays a;
    fill(&a);
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status == PARE_ERROR_MEMORY; at++) {
        test_allocator counter = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&counter);
        fixture f = {0};
        assert_int_equal(pare_context_create(&allocator, &f.ctx), PARE_OK);
        assert_ok(f.ctx, pare_config_create(f.ctx, &f.config));
        int64_t live = counter.live;
        counter.fail_at = counter.count + at;
        pare_dataset *data = NULL;
        status = wrap(&f, &a, &data);
        assert_true((status == PARE_OK) == (data != NULL));
        pare_dataset_close(data);
        assert_int_equal(counter.live, live);
        end(&f);
    }
    assert_int_equal(status, PARE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_dense),
        cmocka_unit_test(test_groups_apart),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
