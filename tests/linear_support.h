/* Datasets for the tests of the exact linear models, and plain double arithmetic to compare with.
 */
#ifndef PARE_TESTS_LINEAR_SUPPORT_H
#define PARE_TESTS_LINEAR_SUPPORT_H

#include "support.h"

#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "problem/problem.h"
#include "select/method.h"

static inline double normal(uint64_t seed, int64_t index) {
    return pare_random_normal(seed, PARE_STREAM_TEST, (uint64_t)index);
}

static inline void *zeroed(int64_t count, size_t size) {
    assert_in_range(count, 0, INT32_MAX);
    void *out = calloc((size_t)(uint32_t)count, size);
    assert_non_null(out);
    return out;
}

/* One problem: the caller's arrays and what is made of them. */
typedef struct world {
    pare_context *ctx;
    pare_config *config;
    pare_options options;
    pare_dataset *data;
    int64_t n, d, outputs;
    float *x;
    double *y;
    float *weight; /* or NULL */
} world;

static inline void set(world *w, const char *name, const char *value) {
    assert_ok(w->ctx, pare_config_set(w->config, name, value));
    assert_ok(w->ctx, pare_options_set(&w->options, name, value));
}

/* Columns AR(1) with `correlation`; y from the first columns at random places. */
static inline world *open_world(uint64_t seed, int64_t n, int64_t d, double correlation,
                                int64_t outputs, int64_t truth) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(pare_context_create(NULL, &w->ctx), PARE_OK);
    assert_ok(w->ctx, pare_config_create(w->ctx, &w->config));
    assert_ok(w->ctx, pare_options_init(w->ctx, &w->options));
    set(w, "validation", "0");
    set(w, "task", "regression");
    set(w, "ridge", "0");
    w->n = n;
    w->d = d;
    w->outputs = outputs;
    w->x = zeroed(n * d, sizeof *w->x);
    w->y = zeroed(n * outputs, sizeof *w->y);
    for (int64_t i = 0; i < n; i++) {
        double last = 0;
        for (int64_t j = 0; j < d; j++) {
            double draw = normal(seed, i * d + j);
            last = j ? correlation * last + sqrt(1 - correlation * correlation) * draw : draw;
            w->x[i * d + j] = (float)last;
        }
        for (int64_t o = 0; o < outputs; o++) {
            double sum = 0.7 * normal(seed + 1, i * outputs + o);
            for (int64_t t = 0; t < truth; t++) {
                int64_t j = pare_random_below(seed + 2, PARE_STREAM_TEST, (uint64_t)t, d);
                sum += normal(seed + 3, t * outputs + o) * (double)w->x[i * d + j];
            }
            w->y[i * outputs + o] = sum;
        }
    }
    return w;
}

static inline void finish_world(world *w) {
    assert_ok(w->ctx, pare_dataset_wrap(w->ctx, w->n, w->d, w->x, w->outputs, w->y, w->weight, NULL,
                                        w->config, &w->data));
}

static inline void close_world(world *w) {
    pare_dataset_close(w->data);
    pare_options_clear(&w->options);
    pare_config_destroy(w->config);
    pare_context_destroy(w->ctx);
    free(w->x);
    free(w->y);
    free(w->weight);
    free(w);
}

/* The classes 0 .. classes - 1 instead of numbers, by the first response. */
static inline void make_classes(world *w, int64_t classes, const char *task) {
    for (int64_t i = 0; i < w->n; i++) {
        double level = floor(w->y[i * w->outputs] + (double)classes / 2);
        w->y[i] = fmin(fmax(level, 0), (double)(classes - 1));
    }
    w->outputs = 1;
    set(w, "task", task);
}

/* What a method chose. */
typedef struct chosen {
    int64_t count;
    int64_t item[512];
    double score[512];
    double loss;
} chosen;

static inline chosen run_method(pare_context *ctx, const pare_method *method,
                                pare_objective *objective, int64_t k, int64_t picks, bool replace,
                                const uint8_t *forced, const uint8_t *barred) {
    static double epoch[PARE_TRACE_MAX], loss[PARE_TRACE_MAX];
    uint8_t *none = zeroed(objective->count + 1, 1);
    chosen out = {0};
    pare_choice choice = {
        .item = out.item, .score = out.score, .trace_epoch = epoch, .trace_loss = loss};
    pare_task task = {.ctx = ctx,
                      .objective = objective,
                      .k = k,
                      .forced = forced ? forced : none,
                      .barred = barred ? barred : none,
                      .picks_per_phase = picks,
                      .replace = replace};
    void *state = NULL;
    assert_ok(ctx, method->create(&task, &choice, &state));
    for (bool done = false; !done;) {
        assert_ok(ctx, method->step(state, &done));
    }
    method->destroy(state);
    free(none);
    out.count = choice.count;
    out.loss = choice.loss;
    for (int64_t i = 0; i < out.count; i++) {
        assert_true(isfinite(out.score[i]));
        for (int64_t j = 0; j < i; j++) {
            assert_int_not_equal(out.item[i], out.item[j]);
        }
    }
    return out;
}

static inline chosen run_omp(world *w, int64_t k, int64_t picks, bool replace) {
    pare_objective objective = {0};
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)k);
    assert_ok(w->ctx, pare_options_set(&w->options, "k", text));
    assert_ok(w->ctx,
              pare_exact_linear_create(w->data, NULL, NULL, &w->options, false, &objective));
    chosen out = run_method(w->ctx, &pare_method_omp, &objective, k, picks, replace, NULL, NULL);
    pare_objective_destroy(&objective);
    return out;
}

/* ---- Plain arithmetic ------------------------------------------------------------------------ */

/* Standardised columns of the training rows, (features, rows) in double, centred by weight. */
static inline double *plain_columns(const pare_dataset *data) {
    int64_t rows = data->train_count, d = data->features;
    float *block = zeroed(rows * d, sizeof *block);
    double *x = zeroed(rows * d, sizeof *x);
    pare_dataset_gather(data, rows, data->train, block);
    for (int64_t j = 0; j < d; j++) {
        double sum = 0, total = 0;
        for (int64_t i = 0; i < rows; i++) {
            double w = data->weight ? (double)data->weight[data->train[i]] : 1;
            x[j * rows + i] = (double)block[i * d + j];
            sum += w * x[j * rows + i];
            total += w;
        }
        for (int64_t i = 0; i < rows; i++) {
            x[j * rows + i] -= sum / total;
        }
    }
    free(block);
    return x;
}

/* Orthogonal matching pursuit as in a textbook, by modified Gram-Schmidt done twice. r: (outputs,
 * rows), centred responses; left as the residual. */
static inline void plain_omp(const pare_dataset *data, const double *columns, int64_t outputs,
                             double *r, int64_t k, int64_t *item) {
    int64_t rows = data->train_count, d = data->features;
    double *q = zeroed(k * rows, sizeof *q);
    double *root = zeroed(rows, sizeof *root);
    uint8_t *taken = zeroed(d, 1);
    for (int64_t i = 0; i < rows; i++) {
        root[i] = sqrt(data->weight ? (double)data->weight[data->train[i]] : 1);
        for (int64_t o = 0; o < outputs; o++) {
            r[o * rows + i] *= root[i];
        }
    }
    for (int64_t t = 0; t < k; t++) {
        int64_t best = -1;
        double most = -1;
        for (int64_t j = 0; j < d; j++) {
            double square = 0, gain = 0;
            for (int64_t i = 0; i < rows; i++) {
                double x = root[i] * columns[j * rows + i];
                square += x * x;
            }
            for (int64_t o = 0; o < outputs; o++) {
                double sum = 0;
                for (int64_t i = 0; i < rows; i++) {
                    sum += root[i] * columns[j * rows + i] * r[o * rows + i];
                }
                gain += square > 0 ? sum * sum / square : 0;
            }
            if (!taken[j] && gain > most) {
                most = gain;
                best = j;
            }
        }
        taken[best] = 1;
        item[t] = best;
        double *one = q + t * rows;
        for (int64_t i = 0; i < rows; i++) {
            one[i] = root[i] * columns[best * rows + i];
        }
        for (int64_t s = 0; s < 2 * t; s++) {
            double sum = 0;
            for (int64_t i = 0; i < rows; i++) {
                sum += q[s % t * rows + i] * one[i];
            }
            for (int64_t i = 0; i < rows; i++) {
                one[i] -= sum * q[s % t * rows + i];
            }
        }
        double square = 0;
        for (int64_t i = 0; i < rows; i++) {
            square += one[i] * one[i];
        }
        for (int64_t i = 0; i < rows; i++) {
            one[i] = square > 1e-16 ? one[i] / sqrt(square) : 0;
        }
        for (int64_t o = 0; o < outputs; o++) {
            double sum = 0;
            for (int64_t i = 0; i < rows; i++) {
                sum += one[i] * r[o * rows + i];
            }
            for (int64_t i = 0; i < rows; i++) {
                r[o * rows + i] -= sum * one[i];
            }
        }
    }
    free(q);
    free(root);
    free(taken);
}

/* (outputs, rows) standardised responses of the training rows, centred by weight. */
static inline double *plain_responses(const pare_dataset *data) {
    int64_t rows = data->train_count, outputs = data->outputs;
    double *y = zeroed(rows * outputs, sizeof *y);
    for (int64_t o = 0; o < outputs; o++) {
        double sum = 0, total = 0;
        for (int64_t i = 0; i < rows; i++) {
            int64_t row = data->train[i];
            double w = data->weight ? (double)data->weight[row] : 1;
            y[o * rows + i] =
                ((double)data->target[row * outputs + o] - (double)data->target_mean[o]) *
                (double)data->target_scale[o];
            sum += w * y[o * rows + i];
            total += w;
        }
        for (int64_t i = 0; i < rows; i++) {
            y[o * rows + i] -= sum / total;
        }
    }
    return y;
}

#endif
