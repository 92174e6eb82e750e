/* The dataset: roles, task, groups, weights, targets, test rows, refusals. */
#include "dataset_support.h"

static const char small[] = SMALL_TEXT;

/* ---- Roles and task ---------------------------------------------------------------------------
 */

static void test_roles(void **state) {
    (void)state;
    static const struct {
        const char *options;
        int64_t candidates;
        const char *first, *target;
        pare_task_kind kind;
    } cases[] = {
        {"validation=0", 4, "a", "class", PARE_KIND_BINARY},
        {"target=class;weights=w;split-by=key", 2, "a", "class", PARE_KIND_BINARY},
        {"target=4;weights=2;ignore=3, 0", 1, "b", "class", PARE_KIND_BINARY},
        {"target=a;ignore=key;task=regression", 3, "b", "a", PARE_KIND_REGRESSION},
        {"target=a,b;ignore=key,class", 1, "w", "a", PARE_KIND_REGRESSION},
        {"target=b;categorical=b;task=auto;ignore=class", 3, "a", "b", PARE_KIND_MULTICLASS},
        {"ignore=class,key", 2, "a", "w", PARE_KIND_BINARY},
        {"task=multiclass", 4, "a", "class", PARE_KIND_MULTICLASS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        begin(&f);
        set_all(&f, cases[i].options);
        const char *path = file_of(&f, small);
        pare_dataset *data = NULL;
        pare_status status = pare_dataset_open(f.ctx, path, f.config, &data);
        if (cases[i].kind == PARE_KIND_MULTICLASS && i == 5) {
            /* Six classes of six rows. */
            assert_int_equal(status, PARE_ERROR_INPUT);
            assert_non_null(strstr(pare_context_error(f.ctx), "6 classes of 6 rows"));
        } else {
            assert_ok(f.ctx, status);
            assert_int_equal(pare_dataset_candidates(data), cases[i].candidates);
            assert_string_equal(pare_dataset_candidate_name(data, 0), cases[i].first);
            assert_null(pare_dataset_candidate_name(data, cases[i].candidates));
            assert_string_equal(data->output_name[0], cases[i].target);
            assert_int_equal(data->kind, cases[i].kind);
            assert_non_null(strstr(pare_dataset_summary(data), cases[i].target));
            assert_int_equal(pare_dataset_rows(data), 6);
            check_views(data);
            check_standard(data);
            pare_dataset_close(data);
        }
        end(&f);
    }
}

static void test_task_of_numbers(void **state) {
    (void)state;
    enum { N = 60 };
    static float x[N];
    static double y[N];
    static const struct {
        int64_t modulus;
        double step, first;
        int64_t classes; /* 0: regression */
    } cases[] = {
        {2, 1, 0, 2},   {2, 2, -1, 2}, {2, 0.5, 0.25, 2}, {26, 1, 1, 26},
        {26, 1, 0, 26}, {26, 1, 7, 0}, {7, 10, 3, 7},     {8, 10, 3, 0},
        {3, 0.5, 0, 0}, {31, 1, 0, 0}, {60, 1, 0, 0},     {3, 1, 5, 3},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        fixture f;
        begin(&f);
        for (int64_t i = 0; i < N; i++) {
            x[i] = (float)i;
            y[i] = cases[c].first + cases[c].step * (double)(i % cases[c].modulus);
        }
        pare_dataset *data = NULL;
        assert_ok(f.ctx, pare_dataset_wrap(f.ctx, N, 1, x, 1, y, NULL, NULL, f.config, &data));
        assert_int_equal(data->classes, cases[c].classes);
        assert_int_equal(data->outputs, cases[c].classes > 2 ? cases[c].classes : 1);
        for (int64_t i = 0; i < N; i++) {
            if (data->label) {
                assert_int_equal(data->label[i], i % cases[c].modulus);
            } else {
                assert_near(data->target[i], (float)y[i], 0);
            }
        }
        pare_dataset_close(data);
        end(&f);
    }
}

static void test_class_order(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "categorical", "y");
    pare_dataset *data = open_text(&f, "x,y\n1,10\n2,9\n3,b\n4,a\n5,10\n6,9\n7,b\n8,a\n");
    static const char *const names[] = {"9", "10", "a", "b"};
    for (int64_t c = 0; c < 4; c++) {
        assert_string_equal(data->class_name[c], names[c]);
    }
    assert_int_equal(data->label[0], 1);
    assert_int_equal(data->label[2], 3);
    pare_dataset_close(data);
    end(&f);
}

/* ---- Refusals ---------------------------------------------------------------------------------
 */

typedef struct refusal {
    const char *options, *text, *sentence;
    pare_status status;
} refusal;

static void test_refusals(void **state) {
    (void)state;
    static const refusal cases[] = {
        {"target=nix", small, "no column 'nix'", PARE_ERROR_ARGUMENT},
        {"target=9", small, "no column '9'", PARE_ERROR_ARGUMENT},
        {"ignore=nix", small, "option ignore", PARE_ERROR_ARGUMENT},
        {"weights=nix", small, "option weights", PARE_ERROR_ARGUMENT},
        {"split-by=nix", small, "option split-by", PARE_ERROR_ARGUMENT},
        {"categorical=nix", small, "option categorical", PARE_ERROR_ARGUMENT},
        {"ignore=a,b,a", small, "'a' is named twice", PARE_ERROR_ARGUMENT},
        {"target=a,0", small, "'a' is named twice", PARE_ERROR_ARGUMENT},
        {"target=a;ignore=a", small, "already the target", PARE_ERROR_ARGUMENT},
        {"weights=w;split-by=w", small, "already the weight", PARE_ERROR_ARGUMENT},
        {"task=binary;target=a", small, "takes 6 values", PARE_ERROR_INPUT},
        {"task=regression", small, "line 2: target 'class' holds the text 'yes'", PARE_ERROR_INPUT},
        {"target=a,class", small, "line 2: target 'class' holds the text", PARE_ERROR_INPUT},
        {"target=a,b;task=multiclass", small, "one target column", PARE_ERROR_UNSUPPORTED},
        {"weights=key", small, "line 2: column 'key' is the weight but holds the text 'u'",
         PARE_ERROR_INPUT},
        {"ignore=a,b,w,key", small, "no column is left to choose from", PARE_ERROR_INPUT},
        {"ignore=a,b,w,key,class", small, "no column is left for the target", PARE_ERROR_ARGUMENT},
        {"k=1", "a,y\n1,2\n", "1 row", PARE_ERROR_INPUT},
        {"k=1", "a,y\n1,2\n2,2\n3,2\n", "'y' is constant", PARE_ERROR_INPUT},
        {"k=1", "a,y\n1,u\n2,u\n3,u\n", "'y' is constant", PARE_ERROR_INPUT},
        {"task=regression", "a,y\n1,2\n2,2\n3,2\n", "'y' is constant", PARE_ERROR_INPUT},
        {"k=1", "a,y\n1,\n2,NA\n3,?\n", "missing in all rows", PARE_ERROR_INPUT},
        {"k=1", "a,y\n1,\n2,NA\n3,1\n", "1 row with a target", PARE_ERROR_INPUT},
        {"k=1", "a,y\n1,u\n2,v\n3,w\n", "3 classes of 3 rows", PARE_ERROR_INPUT},
        {"weights=a", "a,b,y\n1,1,0\n-1,2,1\n1,3,0\n1,4,1\n", "line 3: weight 'a' is -1",
         PARE_ERROR_INPUT},
        {"weights=a", "a,b,y\n1,1,0\n1,2,1\n,3,0\n1,4,1\n", "line 4: weight 'a' is missing",
         PARE_ERROR_INPUT},
        {"weights=a", "a,b,y\n0,1,0\n0,2,1\n0,3,0\n0,4,1\n", "weights of the training rows are 0",
         PARE_ERROR_INPUT},
        {"split-by=a", "a,b,y\n1,1,0\n1,2,1\n1,3,0\n1,4,1\n", "one value only", PARE_ERROR_INPUT},
        {"k=1", "a,y\n,1\nNA,0\n?,1\n,0\n", "no column is left", PARE_ERROR_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        begin(&f);
        set_all(&f, cases[i].options);
        pare_dataset *data = NULL;
        pare_status status = pare_dataset_open(f.ctx, file_of(&f, cases[i].text), f.config, &data);
        const char *error = pare_context_error(f.ctx);
        if (status != cases[i].status || !strstr(error, cases[i].sentence)) {
            fail_msg("case %d: status %d, '%s' lacks '%s'", (int)i, (int)status, error,
                     cases[i].sentence);
        }
        assert_null(data);
        end(&f);
    }
}

static void test_infinite(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    float x[] = {1, 2, 3, INFINITY, 5, 6, 7, 8};
    double y[] = {0, 1, 0, 1};
    pare_dataset *data = NULL;
    assert_int_equal(pare_dataset_wrap(f.ctx, 4, 2, x, 1, y, NULL, NULL, f.config, &data),
                     PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(f.ctx), "arrays row 2: column 'x1' is infinite"));
    set(&f, "ignore", "x1");
    assert_ok(f.ctx, pare_dataset_wrap(f.ctx, 4, 2, x, 1, y, NULL, NULL, f.config, &data));
    check_views(data);
    pare_dataset_close(data);
    y[2] = -INFINITY;
    assert_int_equal(pare_dataset_wrap(f.ctx, 4, 2, x, 1, y, NULL, NULL, f.config, &data),
                     PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(f.ctx), "row 3: target 'y' is infinite"));
    end(&f);
}

static void test_wrap_arguments(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    float x[] = {1, 2, 3, 4}, negative[] = {1, -1};
    double y[] = {0, 1};
    const char *const twice[] = {"a", "a"};
    pare_dataset *data = NULL;
    assert_int_equal(pare_dataset_wrap(f.ctx, 2, 2, NULL, 1, y, NULL, NULL, f.config, &data),
                     PARE_ERROR_ARGUMENT);
    assert_int_equal(pare_dataset_wrap(f.ctx, 0, 2, x, 1, y, NULL, NULL, f.config, &data),
                     PARE_ERROR_ARGUMENT);
    assert_int_equal(
        pare_dataset_wrap(f.ctx, INT64_MAX / 2, 4, x, 1, y, NULL, NULL, f.config, &data),
        PARE_ERROR_ARGUMENT);
    assert_int_equal(pare_dataset_wrap(f.ctx, 2, 2, x, 1, y, NULL, twice, f.config, &data),
                     PARE_ERROR_INPUT);
    assert_int_equal(pare_dataset_wrap(f.ctx, 2, 2, x, 1, y, negative, NULL, f.config, &data),
                     PARE_ERROR_INPUT);
    assert_int_equal(pare_dataset_wrap(f.ctx, 1, 2, x, 1, y, NULL, NULL, f.config, &data),
                     PARE_ERROR_INPUT);
    assert_ok(f.ctx, pare_dataset_wrap(f.ctx, 2, 2, x, 1, y, NULL, NULL, f.config, &data));
    assert_int_equal(data->validation_count, 0); /* two training rows are needed */
    assert_int_equal(f.warnings, 1);
    pare_dataset_close(data);
    end(&f);
}

/* ---- Groups -----------------------------------------------------------------------------------
 */

static void test_group_file(void **state) {
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"g: a, nix\n", "line 1: there is no column 'nix'"},
        {"# c\n\ng: a\nh: b, a\n", "line 4: column 'a' is in group 'g' already"},
        {"g: a\ng: b\n", "line 2: group 'g' is there already"},
        {"g a b\n", "line 1: 'name: column"},
        {": a\n", "line 1: 'name: column"},
        {"g: ,\n", "line 1: group 'g' is empty"},
        {"g: a, class\n", "line 1: column 'class' is the target"},
        {"b: a, w\n", "has the name of a column outside it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        begin(&f);
        set(&f, "groups", file_of(&f, cases[i].text));
        pare_dataset *data = NULL;
        assert_int_equal(pare_dataset_open(f.ctx, file_of(&f, small), f.config, &data),
                         PARE_ERROR_INPUT);
        if (!strstr(pare_context_error(f.ctx), cases[i].sentence)) {
            fail_msg("'%s' lacks '%s'", pare_context_error(f.ctx), cases[i].sentence);
        }
        end(&f);
    }
    fixture f;
    begin(&f);
    set(&f, "groups", "/nowhere/groups");
    pare_dataset *data = NULL;
    assert_int_equal(pare_dataset_open(f.ctx, file_of(&f, small), f.config, &data), PARE_ERROR_IO);
    end(&f);
}

/* A number column with gaps, a text column with gaps and a plain one, in one group or alone. */
static void test_groups_categories_gaps(void **state) {
    (void)state;
    static const char text[] = "n,t,p,q,class\n"
                               "1,red,1,9,yes\n,red,2,8,no\n3,,3,7,yes\n4,blue,4,6,no\n"
                               "5,blue,5,5,yes\n6,red,6,4,no\n7,green,7,3,yes\n,green,8,2,no\n";
    for (int grouped = 0; grouped < 2; grouped++) {
        fixture f;
        begin(&f);
        set(&f, "validation", "0");
        if (grouped) {
            set(&f, "groups", file_of(&f, "mix: q, n ,t\r\n"));
        }
        pare_dataset *data = open_text(&f, text);
        assert_int_equal(data->candidates, grouped ? 2 : 4);
        assert_int_equal(data->features, 2 + 4 + 1 + 1);
        assert_string_equal(data->candidate_name[0], grouped ? "mix" : "n");
        assert_int_equal(data->candidate_start[1], grouped ? 7 : 2);
        assert_int_equal(data->candidate_start[data->candidates], data->features);
        assert_int_equal(data->feature[0].kind, PARE_FEATURE_NUMBER);
        assert_int_equal(data->feature[1].kind, PARE_FEATURE_MISSING);
        assert_int_equal(data->feature[2].kind, PARE_FEATURE_LEVEL);
        assert_true(data->feature[2].fills); /* red */
        assert_int_equal(data->feature[5].kind, PARE_FEATURE_MISSING);
        assert_false(data->plain);
        assert_near(raw(data, 0, 1), 26.0 / 6, 1e-5); /* mean of the six */
        assert_near(raw(data, 1, 1), 1, 1e-5);
        assert_near(raw(data, 2, 2), 1, 1e-5); /* missing counts as red */
        assert_near(raw(data, 3, 2), 0, 1e-5);
        assert_near(raw(data, 5, 2), 1, 1e-5);
        assert_int_equal(pare_dataset_find(data, "mixer", 3), grouped ? 0 : -1);
        assert_int_equal(pare_dataset_find(data, "p", 1), grouped ? 1 : 2);
        check_views(data);
        check_standard(data);
        pare_dataset_close(data);
        end(&f);
    }
}

/* ---- Weights, missing targets, dropped columns --------------------------------------------------
 */

static void test_weights(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "weights", "w");
    set(&f, "ignore", "key");
    set(&f, "validation", "0");
    pare_dataset *data = open_text(&f, small);
    assert_string_equal(data->weight_name, "w");
    double sum = 0;
    for (int64_t i = 0; i < data->train_count; i++) {
        sum += (double)data->weight[data->train[i]];
    }
    assert_near(sum, 6, 1e-5);
    assert_near(data->weight[1] / data->weight[0], 2, 1e-6);
    assert_near(data->shift[0], (1 + 4 + 3 + 8 + 5 + 12) / 9.0, 1e-6);
    /* The same as every row repeated as often as its weight says. */
    pare_dataset_close(data);
    set(&f, "weights", "");
    set(&f, "ignore", "key,w");
    pare_dataset *plain = open_text(&f, "a,b,w,key,class\n1,5,1,u,yes\n2,4,2,u,no\n2,4,2,u,no\n"
                                        "3,3,1,v,yes\n4,2,2,v,no\n4,2,2,v,no\n5,1,1,x,yes\n"
                                        "6,0,2,x,no\n6,0,2,x,no\n");
    set(&f, "weights", "w");
    set(&f, "ignore", "key");
    pare_dataset *weighted = open_text(&f, small);
    for (int64_t j = 0; j < 2; j++) {
        assert_near(plain->shift[j], weighted->shift[j], 1e-6);
        assert_near(plain->scale[j] / weighted->scale[j], 1, 1e-6);
    }
    pare_dataset_close(plain);
    pare_dataset_close(weighted);
    end(&f);
}

static void test_missing_targets(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "validation", "0");
    pare_dataset *data = open_text(&f, "a,y\n1,u\n2,\n3,v\n4,u\n5,NA\n6,v\n");
    assert_int_equal(pare_dataset_rows(data), 4);
    assert_int_equal(f.warnings, 1);
    assert_non_null(strstr(f.warning, "line 3: target 'y' is missing; 2 of 6 rows"));
    static const int64_t expected[] = {0, 2, 3, 5};
    assert_memory_equal(data->train, expected, sizeof expected);
    assert_near(data->shift[0], 3.5, 1e-6);
    for (int64_t i = 0; i < 6; i++) {
        assert_in_range(data->label[i], 0, 1);
    }
    pare_dataset_close(data);
    end(&f);
}

static void test_empty_column(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "validation", "0");
    set(&f, "groups", file_of(&f, "gone: a\nrest: b,c\n"));
    pare_dataset *data = open_text(&f, "a,b,c,y\n,1,7,u\nNA,2,7,v\n?,3,7,u\n,4,7,v\n");
    assert_int_equal(f.warnings, 2);
    assert_non_null(strstr(f.warning, "group 'gone'"));
    assert_int_equal(data->candidates, 1);
    assert_true(data->scale[1] == 0); /* constant, but still there */
    assert_true(at(data, 1, 0) == 0);
    check_views(data);
    pare_dataset_close(data);
    end(&f);
}

/* ---- Test rows --------------------------------------------------------------------------------
 */

static void test_like(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "ignore", "id");
    set(&f, "weights", "w");
    set(&f, "validation", "0");
    pare_dataset *train = open_text(&f, "id,n,t,w,class\n1,1,red,1,b\n2,2,red,1,a\n3,3,7,1,b\n"
                                        "4,,7,1,a\n5,5,,1,b\n6,6,red,1,a\n");
    pare_dataset *test = NULL;
    /* Other order, another column, an unseen level, no weights, levels that look like numbers. */
    const char *path = file_of(&f, "class,t,more,n\na,7,0,1\nb,blue,0,\na,,0,3\nb,red,0,6\n");
    assert_ok(f.ctx, pare_dataset_open_like(train, path, NULL, &test));
    assert_ptr_equal(test->like, train);
    assert_int_equal(test->validation_count, 4);
    assert_int_equal(test->train_count, 0);
    assert_int_equal(test->label[0], 0);
    assert_int_equal(test->label[1], 1);
    assert_null(test->weight);
    assert_int_equal(test->features, train->features);
    assert_true(at(test, 0, 0) == at(train, 0, 0));
    assert_true(at(test, 0, 1) == 0);
    assert_true(at(test, 1, 1) == at(train, 1, 3)); /* indicator of n */
    int64_t red = 2, seven = 3, missing = 4;
    assert_true(at(test, seven, 0) == at(train, seven, 2));
    assert_true(at(test, red, 1) == at(train, red, 0)); /* blue counts as missing: the mode */
    assert_true(at(test, missing, 1) == at(train, missing, 4));
    assert_true(at(test, red, 3) == at(train, red, 5));
    check_views(test);
    assert_non_null(strstr(pare_dataset_summary(test), "4 rows to test"));
    pare_dataset_close(test);
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"t,class\nred,a\n", "has no column 'n'"},
        {"t,n\nred,1\n", "has no column 'class', the target"},
        {"t,n,class\nred,1,a\nred,2,c\n", "line 3: target 'class' is 'c', a class that"},
        {"t,n,class\nred,1,a\nred,many,b\n", "line 3: column 'n' holds the text 'many'"},
        {"t,n,class\nred,1,\nred,2,\n", "missing in all rows"},
        {"t,n,class,w\nred,1,a,-2\n", "line 2: weight 'w' is -2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        path = file_of(&f, cases[i].text);
        assert_int_equal(pare_dataset_open_like(train, path, NULL, &test), PARE_ERROR_INPUT);
        if (!strstr(pare_context_error(f.ctx), cases[i].sentence)) {
            fail_msg("'%s' lacks '%s'", pare_context_error(f.ctx), cases[i].sentence);
        }
        unlink(path);
        f.files--;
    }
    pare_dataset_close(train);
    end(&f);
}

static void test_target_file(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "validation", "0");
    set(&f, "header", "no");
    set(&f, "target-file", file_of(&f, "3\n9\n3\n9\n"));
    const char *path = file_of(&f, "1,2\n2,2\n3,1\n4,0\n");
    pare_dataset *train = NULL, *test = NULL;
    assert_ok(f.ctx, pare_dataset_open(f.ctx, path, f.config, &train));
    assert_int_equal(train->candidates, 2);
    assert_int_equal(train->kind, PARE_KIND_BINARY);
    assert_string_equal(train->class_name[1], "9");
    const char *labels = file_of(&f, "9\n9\n3\n3\n");
    assert_ok(f.ctx, pare_dataset_open_like(train, path, labels, &test));
    assert_int_equal(test->label[0], 1);
    assert_int_equal(test->label[3], 0);
    pare_dataset_close(test);
    const char *few = file_of(&f, "9\n9\n3\n");
    assert_int_equal(pare_dataset_open_like(train, path, few, &test), PARE_ERROR_INPUT);
    assert_non_null(strstr(pare_context_error(f.ctx), "holds 3 rows; 4 were expected"));
    pare_dataset_close(train);
    end(&f);
}

static void test_multi_output(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    set(&f, "target", "b,a");
    set(&f, "ignore", "key,class");
    set(&f, "validation", "0");
    pare_dataset *data = open_text(&f, small), *test = NULL;
    assert_int_equal(data->outputs, 2);
    assert_string_equal(data->output_name[1], "a");
    assert_near(data->target[2 * 1], 4, 0);
    assert_near(data->target[2 * 1 + 1], 2, 0);
    assert_near(data->target_mean[0], 2.5, 1e-6);
    assert_near(data->target_scale[1], 1 / sqrt(35.0 / 12), 1e-6);
    assert_ok(f.ctx, pare_dataset_open_like(data, file_of(&f, "a,w,b\n9,1,8\n"), NULL, &test));
    assert_near(test->target[0], 8, 0);
    assert_near(test->target[1], 9, 0);
    assert_ptr_equal(test->target_mean, data->target_mean);
    pare_dataset_close(test);
    pare_dataset_close(data);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),        cmocka_unit_test(test_task_of_numbers),
        cmocka_unit_test(test_class_order),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_infinite),     cmocka_unit_test(test_wrap_arguments),
        cmocka_unit_test(test_group_file),   cmocka_unit_test(test_groups_categories_gaps),
        cmocka_unit_test(test_weights),      cmocka_unit_test(test_missing_targets),
        cmocka_unit_test(test_empty_column), cmocka_unit_test(test_like),
        cmocka_unit_test(test_target_file),  cmocka_unit_test(test_multi_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
