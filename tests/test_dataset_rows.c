/* The dataset: statistics, leakage, storages, split, determinism, memory. */
#include "dataset_support.h"

static const char small[] = SMALL_TEXT;

/* ---- Statistics and leakage ------------------------------------------------------------------ */

enum { ROWS = 300, COLUMNS = 5 };

static double normal(uint64_t index) {
    return pare_random_normal(3, PARE_STREAM_TEST, index);
}

static void fill(float *x, double *y) {
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            x[i * COLUMNS + j] = (float)normal((uint64_t)(i * COLUMNS + j));
        }
        x[i * COLUMNS + 3] = (float)pare_random_below(4, PARE_STREAM_TEST, (uint64_t)i, 5);
        x[i * COLUMNS + 1] = i % 7 == 0 ? NAN : x[i * COLUMNS + 1];
        y[i] = (double)(i % 3);
    }
}

static pare_dataset *wrap(fixture *f, const float *x, const double *y, const float *weight) {
    pare_dataset *data = NULL;
    assert_ok(f->ctx,
              pare_dataset_wrap(f->ctx, ROWS, COLUMNS, x, 1, y, weight, NULL, f->config, &data));
    return data;
}

static void test_large_offset(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    static float x[ROWS * COLUMNS], shifted[ROWS * COLUMNS];
    static double y[ROWS];
    fill(x, y);
    for (int64_t p = 0; p < ROWS * COLUMNS; p++) {
        x[p] = roundf(x[p] * 16) / 16; /* so that the sum below is exact */
        shifted[p] = x[p] + 524288.0f;
    }
    pare_dataset *a = wrap(&f, x, y, NULL), *b = wrap(&f, shifted, y, NULL);
    for (int64_t j = 0; j < a->features; j++) {
        assert_near(b->scale[j] / a->scale[j], 1, 1e-6);
    }
    check_standard(a);
    pare_dataset_close(a);
    pare_dataset_close(b);
    end(&f);
}

static void test_no_leakage(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "categorical", "x3");
    set(&f, "validation", "0.3");
    static float x[ROWS * COLUMNS], other[ROWS * COLUMNS], weight[ROWS];
    static double y[ROWS];
    fill(x, y);
    for (int weighted = 0; weighted < 2; weighted++) {
        for (int64_t i = 0; i < ROWS; i++) {
            weight[i] = (float)(0.5 + pare_random_uniform(5, PARE_STREAM_TEST, (uint64_t)i));
        }
        pare_dataset *a = wrap(&f, x, y, weighted ? weight : NULL);
        memcpy(other, x, sizeof x);
        for (int64_t i = 0; i < a->validation_count; i++) {
            float *row = other + a->validation[i] * COLUMNS;
            row[0] = 1e9f;
            row[1] = i % 2 ? NAN : -1e9f;
            row[2] = NAN;
            row[3] = (float)(10 + i); /* levels that no training row has */
            weight[a->validation[i]] *= 3;
        }
        pare_dataset *b = wrap(&f, other, y, weighted ? weight : NULL);
        assert_int_equal(a->validation_count, b->validation_count);
        assert_memory_equal(a->validation, b->validation,
                            (size_t)a->validation_count * sizeof(int64_t));
        assert_int_equal(a->features, b->features);
        size_t bytes = (size_t)a->features * sizeof(float);
        assert_memory_equal(a->shift, b->shift, bytes);
        assert_memory_equal(a->scale, b->scale, bytes);
        assert_memory_equal(a->zero, b->zero, bytes);
        assert_true(a->zero_share == b->zero_share);
        assert_true(a->checksum != b->checksum);
        for (int64_t j = 0; j < a->features; j++) {
            assert_memory_equal(&a->feature[j], &b->feature[j], sizeof a->feature[j]);
        }
        check_views(b);
        check_standard(b);
        pare_dataset_close(a);
        pare_dataset_close(b);
    }
    end(&f);
}

static void test_permuted_columns(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "categorical", "x3");
    static const char *const names[] = {"x4", "x2", "x3", "x1", "x0"};
    static const int64_t from[] = {4, 2, 3, 1, 0};
    static float x[ROWS * COLUMNS], permuted[ROWS * COLUMNS];
    static double y[ROWS];
    fill(x, y);
    for (int64_t p = 0; p < ROWS * COLUMNS; p++) {
        permuted[p] = x[p / COLUMNS * COLUMNS + from[p % COLUMNS]];
    }
    pare_dataset *a = wrap(&f, x, y, NULL), *b = NULL;
    assert_ok(f.ctx,
              pare_dataset_wrap(f.ctx, ROWS, COLUMNS, permuted, 1, y, NULL, names, f.config, &b));
    assert_int_equal(a->features, b->features);
    for (int64_t c = 0; c < a->candidates; c++) {
        int64_t other = pare_dataset_find(b, a->candidate_name[c], 2);
        int64_t width = a->candidate_start[c + 1] - a->candidate_start[c];
        assert_int_equal(b->candidate_start[other + 1] - b->candidate_start[other], width);
        for (int64_t k = 0; k < width; k++) {
            for (int64_t i = 0; i < ROWS; i++) {
                assert_true(at(a, a->candidate_start[c] + k, i) ==
                            at(b, b->candidate_start[other] + k, i));
            }
        }
    }
    pare_dataset_close(a);
    pare_dataset_close(b);
    end(&f);
}

/* A table of `columns` columns "x0" ... and libsvm-like labels 0, 1, 2, 0, ... */
static pare_table bare_table(fixture *f, int64_t rows, int64_t columns) {
    pare_table table = {.ctx = f->ctx, .rows = rows, .columns = columns};
    assert_ok(f->ctx, pare_alloc_zero(f->ctx, columns, sizeof *table.column, &table.column));
    for (int64_t j = 0; j < columns; j++) {
        assert_ok(f->ctx, pare_alloc_zero(f->ctx, 8, 1, &table.column[j].name));
        snprintf(table.column[j].name, 8, "x%d", (int)j);
    }
    assert_ok(f->ctx, pare_alloc_zero(f->ctx, 8, 1, &table.source));
    strcpy(table.source, "made");
    assert_ok(f->ctx, pare_alloc_zero(f->ctx, rows, sizeof *table.label, &table.label));
    for (int64_t i = 0; i < rows; i++) {
        table.label[i] = (double)(i % 3);
    }
    return table;
}

static pare_dataset *from_table(fixture *f, pare_table *table, const char *ignore,
                                const char *groups, const char *categorical) {
    pare_options options;
    pare_dataset *data = NULL;
    assert_ok(f->ctx, pare_options_init(f->ctx, &options));
    assert_ok(f->ctx, pare_options_set(&options, "ignore", ignore));
    assert_ok(f->ctx, pare_options_set(&options, "groups", groups));
    assert_ok(f->ctx, pare_options_set(&options, "categorical", categorical));
    assert_ok(f->ctx, pare_dataset_from_table(f->ctx, table, NULL, &options, &data));
    pare_options_clear(&options);
    return data;
}

/* The same numbers as float, 8 bit and CSR give the same features. */
static void test_storages(void **state) {
    (void)state;
    enum { N = 70, D = 37 };
    for (int weighted = 0; weighted < 2; weighted++) {
        pare_dataset *data[3] = {NULL};
        fixture f;
        begin(&f);
        if (weighted) {
            set(&f, "weights", "x36");
        }
        for (int storage = 0; storage < 3; storage++) {
            pare_table table = bare_table(&f, N, D);
            table.storage = (pare_storage)storage;
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, sizeof(float), &table.f32));
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, 1, &table.u8));
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N + 1, sizeof(int64_t), &table.start));
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, sizeof(int32_t), &table.index));
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, sizeof(float), &table.value));
            int64_t stored = 0;
            for (int64_t p = 0; p < N * D; p++) {
                int64_t value = pare_random_below(8, PARE_STREAM_TEST, (uint64_t)p, 1000);
                value = value < 255 ? value : 0;
                value = p % D == 5 ? 0 : p % D == 6 ? 17 : p % D == 36 ? 1 + p % 3 : value;
                table.u8[p] = (uint8_t)value;
                table.f32[p] = (float)value;
                if (value != 0) {
                    table.index[stored] = (int32_t)(p % D);
                    table.value[stored++] = (float)value;
                }
                table.start[p / D + 1] = stored;
            }
            pare_options options;
            assert_ok(f.ctx, pare_options_init(f.ctx, &options));
            assert_ok(f.ctx, pare_options_set(&options, "weights", weighted ? "x36" : ""));
            assert_ok(f.ctx,
                      pare_dataset_from_table(f.ctx, &table, NULL, &options, &data[storage]));
            pare_options_clear(&options);
            check_views(data[storage]);
            check_standard(data[storage]);
            const pare_dataset *a = data[0], *b = data[storage];
            assert_int_equal(a->features, b->features);
            assert_int_equal(a->candidates, weighted ? D - 1 : D);
            assert_true(a->scale[5] == 0 && a->scale[6] == 0);
            assert_near(a->zero_share, b->zero_share, 1e-12);
            assert_memory_equal(a->train, b->train, (size_t)a->train_count * sizeof(int64_t));
            for (int64_t j = 0; j < a->features; j++) {
                assert_true(a->scale[j] == b->scale[j] ||
                            fabsf(a->scale[j] / b->scale[j] - 1) < 1e-5f);
                for (int64_t i = 0; i < N; i++) {
                    assert_near(at(a, j, i), at(b, j, i), 1e-5);
                }
            }
        }
        for (int storage = 0; storage < 3; storage++) {
            pare_dataset_close(data[storage]);
        }
        end(&f);
    }
}

static void test_threads_agree(void **state) {
    (void)state;
    static float x[ROWS * COLUMNS], out[2][ROWS * COLUMNS * 2];
    static double y[ROWS];
    static int64_t number[ROWS];
    uint64_t checksum[2] = {0};
    fill(x, y);
    for (int64_t i = 0; i < ROWS; i++) {
        number[i] = ROWS - 1 - i;
    }
    for (int run = 0; run < 2; run++) {
        fixture f;
        begin(&f);
        assert_ok(f.ctx, pare_context_set_threads(f.ctx, run == 0 ? 1 : 8));
        pare_dataset *data = wrap(&f, x, y, NULL);
        assert_true(data->features <= 2 * COLUMNS);
        pare_dataset_gather(data, ROWS, number, out[run]);
        checksum[run] = data->checksum;
        pare_dataset_close(data);
        end(&f);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    assert_true(checksum[0] == checksum[1]);
}

/* ---- Storages with gaps, groups, columns left out ----------------------------------------------
 */

static void test_sparse_gaps(void **state) {
    (void)state;
    enum { N = 40, D = 9 };
    fixture f;
    begin(&f);
    const char *groups = file_of(&f, "g: x7, x1\n");
    pare_dataset *data[2] = {NULL};
    for (int sparse = 0; sparse < 2; sparse++) {
        pare_table table = bare_table(&f, N, D);
        table.storage = sparse ? PARE_STORAGE_CSR : PARE_STORAGE_F32;
        assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, sizeof(float), &table.f32));
        assert_ok(f.ctx, pare_alloc_zero(f.ctx, N + 1, sizeof(int64_t), &table.start));
        assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, sizeof(int32_t), &table.index));
        assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, sizeof(float), &table.value));
        int64_t stored = 0;
        for (int64_t p = 0; p < N * D; p++) {
            double draw = pare_random_uniform(9, PARE_STREAM_TEST, (uint64_t)p);
            float value = draw < 0.1 ? NAN : draw < 0.6 ? 0.0f : (float)draw;
            table.f32[p] = value;
            if (value != 0) {
                table.index[stored] = (int32_t)(p % D);
                table.value[stored++] = value;
            }
            table.start[p / D + 1] = stored;
        }
        data[sparse] = from_table(&f, &table, "x0,x4", groups, "");
        assert_int_equal(data[sparse]->table.columns, D - 2);
        check_views(data[sparse]);
        check_standard(data[sparse]);
    }
    assert_int_equal(data[0]->features, data[1]->features);
    assert_int_equal(data[0]->candidates, D - 3);
    for (int64_t j = 0; j < data[0]->features; j++) {
        for (int64_t i = 0; i < N; i++) {
            assert_near(at(data[0], j, i), at(data[1], j, i), 1e-5);
        }
    }
    pare_dataset_close(data[0]);
    pare_dataset_close(data[1]);
    end(&f);
}

/* An image keeps its columns, so that a column number is a pixel number. */
static void test_image_columns(void **state) {
    (void)state;
    enum { N = 24, D = 12 };
    fixture f;
    begin(&f);
    for (int categorical = 0; categorical < 2; categorical++) {
        pare_table table = bare_table(&f, N, D);
        table.storage = PARE_STORAGE_U8;
        assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, 1, &table.u8));
        for (int64_t p = 0; p < N * D; p++) {
            table.u8[p] =
                (uint8_t)pare_random_below(9, PARE_STREAM_TEST, (uint64_t)p, p % D == 5 ? 3 : 256);
        }
        pare_dataset *data = from_table(&f, &table, "x3", "", categorical ? "x5" : "");
        assert_int_equal(data->candidates, D - 1);
        assert_int_equal(data->features, categorical ? D + 1 : D - 1);
        assert_int_equal(data->feature[3].column, categorical ? 3 : 4);
        assert_string_equal(data->candidate_name[3], "x4");
        assert_int_equal(data->table.columns, categorical ? D - 1 : D);
        check_views(data);
        check_standard(data);
        pare_dataset_close(data);
    }
    end(&f);
}

static void test_libsvm(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "format", "libsvm");
    set(&f, "validation", "0");
    pare_dataset *train = open_text(&f, "1 1:2 3:1\n-1 2:4\n1 1:1 2:1 3:5\n-1 3:2\n");
    pare_dataset *test = NULL;
    assert_string_equal(train->output_name[0], "label");
    assert_string_equal(train->class_name[0], "-1");
    check_views(train);
    /* Fewer columns are zeros, further ones are not looked at. */
    assert_ok(f.ctx,
              pare_dataset_open_like(train, file_of(&f, "-1 1:2\n1 2:4 9:7\n"), NULL, &test));
    assert_int_equal(test->label[1], 1);
    assert_true(at(test, 0, 0) == at(train, 0, 0));
    assert_true(at(test, 1, 1) == at(train, 1, 1));
    check_views(test);
    pare_dataset_close(test);
    pare_dataset_close(train);
    end(&f);
}

static void test_names_of_rows(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "validation", "0");
    pare_text text = {.ctx = f.ctx};
    pare_text_append(&text, "id,x,y\n");
    for (int i = 0; i < 60; i++) {
        pare_text_append(&text, "row%d,%d,%d\n", i, i * i % 7, i % 2);
    }
    pare_dataset *data = open_text(&f, text.bytes);
    assert_int_equal(f.warnings, 1);
    assert_non_null(strstr(f.warning, "'id' has 60 different texts in 60 training rows"));
    assert_int_equal(data->features, 60 + 1);
    check_views(data);
    pare_dataset_close(data);
    pare_text_clear(&text);
    end(&f);
}

/* ---- Split ------------------------------------------------------------------------------------
 */

static void test_split(void **state) {
    (void)state;
    static float x[ROWS * COLUMNS];
    static double y[ROWS];
    static const char *const shares[] = {"0", "0.05", "0.125", "0.5", "0.9"};
    fill(x, y);
    for (int64_t i = 0; i < ROWS; i++) {
        y[i] = i < 200 ? 0 : i < 298 ? 1 : 2; /* 200, 98, 2 rows */
    }
    for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++) {
        for (int seed = 1; seed <= 3; seed++) {
            fixture f;
            begin(&f);
            char text[8];
            snprintf(text, sizeof text, "%d", seed);
            set(&f, "seed", text);
            set(&f, "validation", shares[s]);
            pare_dataset *data = wrap(&f, x, y, NULL);
            double share = atof(shares[s]);
            assert_int_equal(data->train_count + data->validation_count, ROWS);
            int64_t held[3] = {0}, count[3] = {200, 98, 2};
            uint8_t seen[ROWS] = {0};
            for (int64_t i = 0; i < data->validation_count; i++) {
                held[data->label[data->validation[i]]]++;
                seen[data->validation[i]]++;
            }
            for (int64_t i = 0; i < data->train_count; i++) {
                seen[data->train[i]]++;
            }
            for (int64_t i = 0; i < ROWS; i++) {
                assert_int_equal(seen[i], 1);
            }
            for (int c = 0; c < 3; c++) {
                assert_true(fabs((double)held[c] - share * (double)count[c]) <= 1.01);
                assert_true(held[c] < count[c]);
            }
            pare_dataset_close(data);
            end(&f);
        }
    }
}

static void test_split_by(void **state) {
    (void)state;
    static float x[ROWS * COLUMNS];
    static double y[ROWS];
    fill(x, y);
    int64_t block_of[ROWS];
    for (int64_t i = 0; i < ROWS; i++) {
        block_of[i] = i * 37 % ROWS / 8; /* 38 blocks, rows apart */
        x[i * COLUMNS + 4] = (float)(1000 - 3 * block_of[i]);
        y[i] = (double)(block_of[i] % 2);
    }
    for (int seed = 1; seed <= 5; seed++) {
        fixture f;
        begin(&f);
        char text[8];
        snprintf(text, sizeof text, "%d", seed);
        set(&f, "seed", text);
        set(&f, "split-by", "x4");
        set(&f, "validation", "0.25");
        pare_dataset *data = wrap(&f, x, y, NULL);
        assert_int_equal(data->candidates, COLUMNS - 1);
        int part[64] = {0};
        int64_t held[2] = {0};
        for (int64_t i = 0; i < data->validation_count; i++) {
            part[block_of[data->validation[i]]] = 1;
            held[data->label[data->validation[i]]]++;
        }
        for (int64_t i = 0; i < data->train_count; i++) {
            assert_int_equal(part[block_of[data->train[i]]], 0);
        }
        assert_in_range(held[0], 30, 45);
        assert_in_range(held[1], 30, 45);
        pare_dataset_close(data);
        end(&f);
    }
}

/* Three blocks: one is held out although it is more than the share. */
static void test_split_few_blocks(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "split-by", "key");
    set(&f, "target", "b");
    set(&f, "task", "regression");
    pare_dataset *data = open_text(&f, small);
    assert_int_equal(data->validation_count, 2);
    assert_int_equal(data->validation[1], data->validation[0] + 1);
    pare_dataset_close(data);
    end(&f);
}

/* ---- Memory -----------------------------------------------------------------------------------
 */

static void test_failing_allocations(void **state) {
    (void)state;
    char path[] = "/tmp/pare-dataset-XXXXXX";
    char groups[] = "/tmp/pare-dataset-XXXXXX";
    static const char text[] = "n,t,p,q,w,k,class\n1,red,1,9,1,u,yes\n,red,2,8,1,u,no\n"
                               "3,,3,7,1,v,yes\n4,blue,4,6,2,v,no\n5,blue,5,5,1,x,yes\n"
                               "6,red,6,4,1,x,no\n7,green,7,3,1,y,\n,green,8,2,1,y,no\n";
    static const char grouping[] = "g: p, q\nh: n\n";
    int file = mkstemp(path);
    assert_true(write(file, text, sizeof text - 1) > 0);
    close(file);
    file = mkstemp(groups);
    assert_true(write(file, grouping, sizeof grouping - 1) > 0);
    close(file);
    for (int test = 0; test < 3; test++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        pare_config *config = NULL;
        pare_dataset *like = NULL;
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        assert_ok(ctx, pare_config_create(ctx, &config));
        assert_ok(ctx, pare_config_set(config, "groups", groups));
        assert_ok(ctx, pare_config_set(config, "weights", "w"));
        assert_ok(ctx, pare_config_set(config, "split-by", "k"));
        assert_ok(ctx, pare_config_set(config, "categorical", test == 1 ? "p,t,class" : "p"));
        if (test == 1) {
            assert_ok(ctx, pare_config_set(config, "target-file", path));
        }
        if (test == 2) {
            assert_ok(ctx, pare_dataset_open(ctx, path, config, &like));
        }
        int64_t before = memory.live, warned = ctx->warnings;
        for (int64_t position = 0;; position++) {
            pare_dataset *data = NULL;
            memory.fail_at = memory.count + position;
            pare_status status = like ? pare_dataset_open_like(like, path, NULL, &data)
                                      : pare_dataset_open(ctx, path, config, &data);
            int64_t *start = NULL;
            int32_t *index = NULL;
            float *value = NULL;
            if (status == PARE_OK) {
                status = pare_dataset_sparse(data, data->validation_count, data->validation, &start,
                                             &index, &value);
            }
            bool beyond = memory.count <= memory.fail_at;
            pare_free(ctx, start);
            pare_free(ctx, index);
            pare_free(ctx, value);
            pare_dataset_close(data);
            assert_int_equal(memory.live - (ctx->warnings - warned), before);
            if (beyond) {
                assert_int_equal(status, test == 1 ? PARE_ERROR_INPUT : PARE_OK);
                assert_true(position > 30);
                break;
            }
            /* Only the copy of a warning may be lost without harm. */
            assert_true(status == PARE_ERROR_MEMORY || status == PARE_OK);
        }
        memory.fail_at = -1;
        pare_dataset_close(like);
        pare_config_destroy(config);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
    unlink(path);
    unlink(groups);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_offset),
        cmocka_unit_test(test_no_leakage),
        cmocka_unit_test(test_permuted_columns),
        cmocka_unit_test(test_storages),
        cmocka_unit_test(test_threads_agree),
        cmocka_unit_test(test_sparse_gaps),
        cmocka_unit_test(test_image_columns),
        cmocka_unit_test(test_libsvm),
        cmocka_unit_test(test_names_of_rows),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_by),
        cmocka_unit_test(test_split_few_blocks),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
