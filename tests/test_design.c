/* Datasets as design matrices: every storage gives the products of its standardised entries. */
#include "linear_support.h"

#include "select/design.h"

enum { N = 611, D = 37 };

/* Counts with many zeros, so that the same table can be held as floats, bytes and CSR. */
static world *counts(bool weights, const char *validation) {
    world *w = open_world(3, N, D, 0, 1, 3);
    for (int64_t c = 0; c < w->n * w->d; c++) {
        int64_t draw = pare_random_below(4, PARE_STREAM_TEST, (uint64_t)c, 20);
        w->x[c] = draw < 16 ? 0 : (float)(draw - 15);
    }
    for (int64_t i = 0; i < w->n; i++) {
        w->x[i * w->d + 5] = 3;                          /* constant */
        w->x[i * w->d + 6] = (float)(i % 2 ? 250 : 251); /* far from 0 */
    }
    if (weights) {
        w->weight = zeroed(w->n, sizeof *w->weight);
        for (int64_t i = 0; i < w->n; i++) {
            w->weight[i] = i % 7 ? 0.5f + (float)(i % 5) : 0;
        }
    }
    set(w, "validation", validation);
    finish_world(w);
    return w;
}

/* The dataset with its values in another storage; what it points to is the caller's. */
typedef struct twin {
    pare_dataset data;
    uint8_t *u8;
    int64_t *start;
    int32_t *index;
    float *value;
} twin;

static twin store_as(const pare_dataset *data, pare_storage storage) {
    twin t = {.data = *data};
    int64_t rows = data->table.rows, columns = data->table.columns, cells = rows * columns;
    t.data.table.storage = storage;
    t.data.table.f32 = NULL;
    if (storage == PARE_STORAGE_U8) {
        t.u8 = zeroed(cells, 1);
        for (int64_t c = 0; c < cells; c++) {
            t.u8[c] = (uint8_t)data->table.f32[c];
        }
        t.data.table.u8 = t.u8;
        return t;
    }
    t.start = zeroed(rows + 1, sizeof *t.start);
    t.index = zeroed(cells, sizeof *t.index);
    t.value = zeroed(cells, sizeof *t.value);
    for (int64_t i = 0; i < rows; i++) {
        t.start[i + 1] = t.start[i];
        for (int64_t j = 0; j < columns; j++) {
            if (data->table.f32[i * columns + j] != 0) {
                t.index[t.start[i + 1]] = (int32_t)j;
                t.value[t.start[i + 1]++] = data->table.f32[i * columns + j];
            }
        }
    }
    t.data.table.start = t.start;
    t.data.table.index = t.index;
    t.data.table.value = t.value;
    return t;
}

static void clear_twin(twin *t) {
    free(t->u8);
    free(t->start);
    free(t->index);
    free(t->value);
}

/* Entries as gather gives them are the truth; products, columns, sums and squares follow. */
static void check(pare_dataset *truth, pare_dataset *data) {
    pare_context *ctx = data->ctx;
    pare_design design = {0};
    assert_ok(ctx, pare_design_create(data, &design));
    int64_t rows = design.rows, columns = design.columns;
    assert_int_equal(rows, data->train_count);
    assert_int_equal(columns, data->features);
    assert_int_equal(design.candidates, data->candidates);
    float *x = zeroed(rows * columns, sizeof *x);
    pare_dataset_gather(truth, rows, truth->train, x);

    int64_t *list = zeroed(columns, sizeof *list);
    float *fetched = zeroed(rows * columns, sizeof *fetched);
    for (int64_t j = 0; j < columns; j++) {
        list[j] = columns - 1 - j;
    }
    for (int64_t count = 1; count <= columns; count += columns - 1) {
        assert_ok(ctx, design.slots->fetch(design.self, count, list, fetched));
        for (int64_t c = 0; c < count; c++) {
            for (int64_t i = 0; i < rows; i++) {
                assert_true(fetched[c * rows + i] == x[i * columns + list[c]]);
            }
        }
    }
    for (int64_t j = 0; j < columns; j++) {
        double sum = 0, square = 0;
        for (int64_t i = 0; i < rows; i++) {
            double w = design.weight ? design.weight[i] : 1, one = (double)x[i * columns + j];
            sum += w * one;
            square += w * one * one;
        }
        assert_true(fabs(design.sum[j] - sum) < 2e-6 * (1 + sqrt((double)rows * square)));
        assert_true(fabs(design.square[j] - square) <= 2e-6 * square);
    }
    for (int64_t m = 1; m <= 19; m += m < 3 ? 1 : 8) {
        double *r = zeroed(m * rows, sizeof *r);
        double *out = zeroed(m * columns, sizeof *out);
        for (int64_t v = 0; v < m; v++) {
            for (int64_t i = 0; i < rows; i++) {
                /* Vector 1 is a column, vector 2 is mostly 0: the sparse paths. */
                double w = design.weight ? design.weight[i] : 1;
                double one = v == 1   ? w * (double)x[i * columns + 1]
                             : v == 2 ? (i % 97 == 0)
                                      : normal(7, v * rows + i);
                r[v * rows + i] = one;
            }
        }
        for (int precision = PARE_PRECISION_FLOAT; precision <= PARE_PRECISION_DOUBLE;
             precision++) {
            assert_ok(ctx,
                      design.slots->correlate(design.self, (pare_precision)precision, m, r, out));
            for (int64_t v = 0; v < m; v++) {
                for (int64_t j = 0; j < columns; j++) {
                    double sum = 0, size = 0, length = 0;
                    for (int64_t i = 0; i < rows; i++) {
                        double one = (double)x[i * columns + j], other = r[v * rows + i];
                        sum += one * other;
                        size += one * one;
                        length += other * other;
                    }
                    double share = precision == PARE_PRECISION_FLOAT ? PARE_FLOAT_SHARE : 1e-12;
                    double error = fabs(out[v * columns + j] - sum);
                    if (error > share * sqrt(size * length)) {
                        fail_msg("storage %d precision %d m %lld v %lld j %lld: off by %g of %g",
                                 (int)data->table.storage, precision, (long long)m, (long long)v,
                                 (long long)j, error, sqrt(size * length));
                    }
                }
            }
        }
        free(r);
        free(out);
    }
    free(x);
    free(list);
    free(fetched);
    pare_design_destroy(&design);
}

static void test_storages(void **state) {
    (void)state;
    static const char *const shares[] = {"0", "0.2", "0.6"};
    for (int weights = 0; weights < 2; weights++) {
        for (int s = 0; s < 3; s++) {
            world *w = counts(weights, shares[s]);
            check(w->data, w->data);
            for (int storage = PARE_STORAGE_U8; storage <= PARE_STORAGE_CSR; storage++) {
                twin t = store_as(w->data, (pare_storage)storage);
                check(w->data, &t.data);
                clear_twin(&t);
            }
            close_world(w);
        }
    }
}

static void test_encoded(void **state) {
    (void)state;
    for (int weights = 0; weights < 2; weights++) {
        world *w = open_world(5, N, 9, 0.5, 1, 3);
        for (int64_t i = 0; i < w->n; i++) {
            w->x[i * w->d + 2] = (float)(i % 4);
            if (i % 9 == 0) {
                w->x[i * w->d + 4] = NAN;
            }
        }
        if (weights) {
            w->weight = zeroed(w->n, sizeof *w->weight);
            for (int64_t i = 0; i < w->n; i++) {
                w->weight[i] = 0.5f + (float)(i % 5);
            }
        }
        set(w, "categorical", "x2");
        set(w, "validation", "0.25");
        finish_world(w);
        assert_true(w->data->features > w->data->candidates);
        check(w->data, w->data);
        close_world(w);
    }
}

/* Wider than a tile, and far from 0 in some of them. */
static void test_wide(void **state) {
    (void)state;
    world *w = open_world(6, 90, 5003, 0, 1, 3);
    for (int64_t i = 0; i < w->n; i++) {
        w->x[i * w->d + 3000] += 1000;
    }
    finish_world(w);
    check(w->data, w->data);
    close_world(w);
}

static void products_with(int64_t threads, pare_storage storage, double *out) {
    world *w = open_world(8, 3000, 60, 0, 1, 3);
    assert_ok(w->ctx, pare_context_set_threads(w->ctx, threads));
    finish_world(w);
    twin t = store_as(w->data, storage == PARE_STORAGE_F32 ? PARE_STORAGE_CSR : storage);
    pare_design design = {0};
    assert_ok(w->ctx, pare_design_create(storage == PARE_STORAGE_F32 ? w->data : &t.data, &design));
    double *r = calloc(3000 * 4, sizeof *r);
    for (int64_t i = 0; i < 3000 * 4; i++) {
        r[i] = normal(9, i);
    }
    assert_ok(w->ctx, design.slots->correlate(design.self, PARE_PRECISION_FLOAT, 4, r, out));
    memcpy(out + 4 * 60, design.square, 60 * sizeof *out);
    free(r);
    pare_design_destroy(&design);
    clear_twin(&t);
    close_world(w);
}

static void test_threads_do_not_matter(void **state) {
    (void)state;
    for (int storage = PARE_STORAGE_F32; storage <= PARE_STORAGE_CSR; storage++) {
        double one[5 * 60], eight[5 * 60];
        products_with(1, (pare_storage)storage, one);
        products_with(8, (pare_storage)storage, eight);
        assert_memory_equal(one, eight, sizeof one);
    }
}

static void test_sparse_picks(void **state) {
    (void)state;
    world *w = counts(false, "0");
    chosen dense = run_omp(w, 20, 1, false);
    for (int storage = PARE_STORAGE_U8; storage <= PARE_STORAGE_CSR; storage++) {
        twin t = store_as(w->data, (pare_storage)storage);
        pare_dataset *kept = w->data;
        w->data = &t.data;
        chosen other = run_omp(w, 20, 1, false);
        w->data = kept;
        assert_memory_equal(dense.item, other.item, 20 * sizeof(int64_t));
        clear_twin(&t);
    }
    close_world(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_storages),     cmocka_unit_test(test_encoded),
        cmocka_unit_test(test_wide),         cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_sparse_picks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
