/* Shared by the tests of the dataset: files, options, and checks that hold for every dataset. */
#ifndef PARE_TESTS_DATASET_SUPPORT_H
#define PARE_TESTS_DATASET_SUPPORT_H

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/random.h"
#include "base/text.h"
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

static inline void keep_warning(void *user, const char *sentence) {
    fixture *f = user;
    f->warnings++;
    snprintf(f->warning, sizeof f->warning, "%s", sentence);
}

static inline void begin(fixture *f) {
    *f = (fixture){0};
    assert_int_equal(pare_context_create(NULL, &f->ctx), PARE_OK);
    pare_context_on_warning(f->ctx, keep_warning, f);
    assert_ok(f->ctx, pare_config_create(f->ctx, &f->config));
}

static inline void end(fixture *f) {
    for (int i = 0; i < f->files; i++) {
        unlink(f->path[i]);
    }
    pare_config_destroy(f->config);
    pare_context_destroy(f->ctx);
}

static inline void set(fixture *f, const char *name, const char *value) {
    assert_ok(f->ctx, pare_config_set(f->config, name, value));
}

/* Writes a file that `end` removes; returns its path. */
static inline const char *file_of(fixture *f, const char *text) {
    char *path = f->path[f->files++];
    strcpy(path, "/tmp/pare-dataset-XXXXXX");
    int handle = mkstemp(path);
    assert_true(handle >= 0);
    size_t length = strlen(text);
    assert_int_equal(write(handle, text, length), (ssize_t)length);
    close(handle);
    return path;
}

static inline pare_dataset *open_text(fixture *f, const char *text) {
    pare_dataset *data = NULL;
    assert_ok(f->ctx, pare_dataset_open(f->ctx, file_of(f, text), f->config, &data));
    return data;
}

/* Options as "name=value;name=value". */
static inline void set_all(fixture *f, const char *options) {
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
static inline double at(const pare_dataset *data, int64_t feature, int64_t row) {
    float value = 0;
    pare_dataset_feature(data, feature, 1, &row, &value);
    return (double)value;
}

/* Encoded, not standardised. */
static inline double raw(const pare_dataset *data, int64_t feature, int64_t row) {
    return at(data, feature, row) / (double)data->scale[feature] + (double)data->shift[feature];
}

/* gather, gather_features, feature and sparse must agree on every value. */
static inline void check_views(const pare_dataset *data) {
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
static inline void check_standard(const pare_dataset *data) {
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

#define SMALL_TEXT                                                                                 \
    "a,b,w,key,class\n"                                                                            \
    "1,5,1,u,yes\n"                                                                                \
    "2,4,2,u,no\n"                                                                                 \
    "3,3,1,v,yes\n"                                                                                \
    "4,2,2,v,no\n"                                                                                 \
    "5,1,1,x,yes\n"                                                                                \
    "6,0,2,x,no\n"

#endif
