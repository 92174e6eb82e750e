/* The dataset: roles, task, split, encoding, statistics, test rows, refusals. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/random.h"
#include "data/dataset.h"

#define assert_near(a, b, error) assert_true(fabs((double)(a) - (double)(b)) <= (double)(error))

/* ---- Files and options ----------------------------------------------------------------------- */

typedef struct fixture {
    pare_context *ctx;
    pare_config *config;
    char path[4][64]; /* files written by the test */
    int files;
    int64_t warnings;
    char warning[1024];
} fixture;

static void keep_warning(void *user, const char *sentence) {
    fixture *f = user;
    f->warnings++;
    snprintf(f->warning, sizeof f->warning, "%s", sentence);
}

static void begin(fixture *f) {
    *f = (fixture){0};
    assert_int_equal(pare_context_create(NULL, &f->ctx), PARE_OK);
    pare_context_on_warning(f->ctx, keep_warning, f);
    assert_ok(f->ctx, pare_config_create(f->ctx, &f->config));
}

static void end(fixture *f) {
    for (int i = 0; i < f->files; i++) {
        unlink(f->path[i]);
    }
    pare_config_destroy(f->config);
    pare_context_destroy(f->ctx);
}

static void set(fixture *f, const char *name, const char *value) {
    assert_ok(f->ctx, pare_config_set(f->config, name, value));
}

/* Writes a file that `end` removes; returns its path. */
static const char *file_of(fixture *f, const char *text) {
    char *path = f->path[f->files++];
    strcpy(path, "/tmp/pare-dataset-XXXXXX");
    int handle = mkstemp(path);
    assert_true(handle >= 0);
    size_t length = strlen(text);
    assert_int_equal(write(handle, text, length), (ssize_t)length);
    close(handle);
    return path;
}

static pare_dataset *open_text(fixture *f, const char *text) {
    pare_dataset *data = NULL;
    assert_ok(f->ctx, pare_dataset_open(f->ctx, file_of(f, text), f->config, &data));
    return data;
}

/* Options as "name=value;name=value". */
static void set_all(fixture *f, const char *options) {
    char copy[512];
    snprintf(copy, sizeof copy, "%s", options);
    for (char *at = copy; *at;) {
        char *stop = at + strcspn(at, ";");
        char *equal = strchr(at, '=');
        bool last = *stop == '\0';
        *stop = '\0';
        *equal = '\0';
        set(f, at, equal + 1);
        at = last ? stop : stop + 1;
    }
}

/* Standardised value of a feature in a row. */
static double at(const pare_dataset *data, int64_t feature, int64_t row) {
    float value = 0;
    pare_dataset_feature(data, feature, 1, &row, &value);
    return (double)value;
}

/* Encoded, not standardised. */
static double raw(const pare_dataset *data, int64_t feature, int64_t row) {
    return at(data, feature, row) / (double)data->scale[feature] + (double)data->shift[feature];
}

/* gather, gather_features, feature and sparse must agree on every value. */
static void check_views(const pare_dataset *data) {
    int64_t rows = data->table.rows, width = data->features;
    float *all = malloc((size_t)(rows * width) * sizeof *all);
    float *some = malloc((size_t)(rows * width) * sizeof *some);
    int64_t *number = malloc((size_t)(rows + width) * sizeof *number);
    int64_t *reversed = number + rows;
    assert_non_null(all);
    assert_non_null(some);
    assert_non_null(number);
    for (int64_t i = 0; i < rows; i++) {
        number[i] = rows - 1 - i;
    }
    for (int64_t j = 0; j < width; j++) {
        reversed[j] = width - 1 - j;
    }
    pare_dataset_gather(data, rows, number, all);
    pare_dataset_gather_features(data, rows, number, width, reversed, some);
    int64_t *start = NULL;
    int32_t *index = NULL;
    float *value = NULL;
    assert_ok(data->ctx, pare_dataset_sparse(data, rows, number, &start, &index, &value));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < width; j++) {
            float one = all[i * width + j];
            assert_true(isfinite(one));
            assert_true(one == some[i * width + (width - 1 - j)]);
            assert_true((double)one == at(data, j, number[i]));
            float stored = 0;
            for (int64_t p = start[i]; p < start[i + 1]; p++) {
                stored = index[p] == j ? value[p] : stored;
            }
            assert_true(data->scale[j] != 0 || stored == 0);
            assert_near((stored - data->shift[j]) * data->scale[j], one, 1e-5);
        }
    }
    pare_free(data->ctx, start);
    pare_free(data->ctx, index);
    pare_free(data->ctx, value);
    free(all);
    free(some);
    free(number);
}

/* Every feature has mean 0 and variance 1 over the training rows, weighted, or scale 0. */
static void check_standard(const pare_dataset *data) {
    for (int64_t j = 0; j < data->features; j++) {
        double total = 0, sum = 0, square = 0;
        for (int64_t i = 0; i < data->train_count; i++) {
            int64_t row = data->train[i];
            double w = data->weight ? (double)data->weight[row] : 1, x = at(data, j, row);
            total += w;
            sum += w * x;
            square += w * x * x;
        }
        assert_near(sum / total, 0, 1e-4);
        assert_near(square / total, data->scale[j] != 0 ? 1 : 0, 1e-4);
    }
}

/* ---- Roles and task ---------------------------------------------------------------------------
 */

static const char small[] = "a,b,w,key,class\n"
                            "1,5,1,u,yes\n"
                            "2,4,2,u,no\n"
                            "3,3,1,v,yes\n"
                            "4,2,2,v,no\n"
                            "5,1,1,x,yes\n"
                            "6,0,2,x,no\n";

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
            pare_table table = {.ctx = f.ctx, .rows = N, .columns = D};
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, D, sizeof *table.column, &table.column));
            for (int64_t j = 0; j < D; j++) {
                assert_ok(f.ctx, pare_alloc_zero(f.ctx, 8, 1, &table.column[j].name));
                snprintf(table.column[j].name, 8, "x%d", (int)j);
            }
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, 8, 1, &table.source));
            strcpy(table.source, "made");
            table.storage = (pare_storage)storage;
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, sizeof(float), &table.f32));
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, 1, &table.u8));
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N + 1, sizeof(int64_t), &table.start));
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, sizeof(int32_t), &table.index));
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N * D, sizeof(float), &table.value));
            assert_ok(f.ctx, pare_alloc_zero(f.ctx, N, sizeof(double), &table.label));
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
                table.label[p / D] = (double)(p / D % 3);
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
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_task_of_numbers),
        cmocka_unit_test(test_class_order),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_infinite),
        cmocka_unit_test(test_wrap_arguments),
        cmocka_unit_test(test_group_file),
        cmocka_unit_test(test_groups_categories_gaps),
        cmocka_unit_test(test_large_offset),
        cmocka_unit_test(test_no_leakage),
        cmocka_unit_test(test_permuted_columns),
        cmocka_unit_test(test_storages),
        cmocka_unit_test(test_threads_agree),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_by),
        cmocka_unit_test(test_split_few_blocks),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_missing_targets),
        cmocka_unit_test(test_empty_column),
        cmocka_unit_test(test_like),
        cmocka_unit_test(test_target_file),
        cmocka_unit_test(test_multi_output),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
