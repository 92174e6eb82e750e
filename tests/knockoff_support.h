/* Simulated Gaussian data for knockoffs: 600 rows, 200 columns, 20 of them true. */
#ifndef PARE_TESTS_KNOCKOFF_SUPPORT_H
#define PARE_TESTS_KNOCKOFF_SUPPORT_H

#include "base/random.h"
#include "select/gram_lasso.h"
#include "select/knockoffs.h"
#include "support.h"

#include <math.h>
#include <stdio.h>

enum { SIM_ROWS = 600, SIM_COLUMNS = 200, SIM_TRUE = 20 };

/* An autoregressive chain; true columns 5, 15, 25, ... with coefficients of both signs. */
static inline void simulate(uint64_t seed, double rho, double size, float *x, double *y) {
    for (int64_t i = 0; i < SIM_ROWS; i++) {
        double before = 0;
        y[i] = pare_random_normal(seed, PARE_STREAM_TEST, (uint64_t)i);
        for (int64_t j = 0; j < SIM_COLUMNS; j++) {
            double e =
                pare_random_normal(seed, PARE_STREAM_TEST, (uint64_t)(1000 + i * SIM_COLUMNS + j));
            before = j == 0 ? e : rho * before + sqrt(1 - rho * rho) * e;
            x[i * SIM_COLUMNS + j] = (float)before;
            y[i] += j % 10 == 5 ? (j % 20 == 5 ? size : -size) * before : 0;
        }
    }
}

typedef struct sim_result {
    double chosen, wrong; /* numbers of columns */
} sim_result;

static inline double sim_share(sim_result r) {
    return r.chosen > 0 ? r.wrong / r.chosen : 0;
}

/* One data set through the public flow. */
static inline sim_result sim_select(pare_context *ctx, uint64_t seed, double rho, double size,
                                    const char *const (*options)[2]) {
    static float x[SIM_ROWS * SIM_COLUMNS];
    static double y[SIM_ROWS];
    simulate(seed, rho, size, x, y);
    pare_config *config = NULL;
    pare_dataset *data = NULL;
    pare_selection *selection = NULL;
    assert_ok(ctx, pare_config_create(ctx, &config));
    assert_ok(ctx, pare_config_set(config, "validation", "0"));
    assert_ok(ctx, pare_config_set(config, "task", "regression"));
    for (; (*options)[0]; options++) {
        assert_ok(ctx, pare_config_set(config, (*options)[0], (*options)[1]));
    }
    assert_ok(ctx,
              pare_dataset_wrap(ctx, SIM_ROWS, SIM_COLUMNS, x, 1, y, NULL, NULL, config, &data));
    assert_ok(ctx, pare_select(data, NULL, config, NULL, NULL, &selection));
    sim_result r = {(double)pare_selection_count(selection), 0};
    for (int64_t i = 0; i < pare_selection_count(selection); i++) {
        r.wrong += pare_selection_items(selection)[i] % 10 != 5;
    }
    pare_selection_destroy(selection);
    pare_dataset_close(data);
    pare_config_destroy(config);
    return r;
}

/* The lasso with cross-validated penalty on the same data: what it keeps. */
static inline sim_result sim_lasso(pare_context *ctx, uint64_t seed, double rho, double size) {
    static float x[SIM_ROWS * SIM_COLUMNS];
    static double y[SIM_ROWS], z[SIM_ROWS * SIM_COLUMNS], keep[SIM_COLUMNS];
    simulate(seed, rho, size, x, y);
    double center = 0;
    for (int64_t i = 0; i < SIM_ROWS; i++) {
        center += y[i] / SIM_ROWS;
    }
    for (int64_t i = 0; i < SIM_ROWS; i++) {
        y[i] -= center;
    }
    for (int64_t j = 0; j < SIM_COLUMNS; j++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < SIM_ROWS; i++) {
            mean += (double)x[i * SIM_COLUMNS + j] / SIM_ROWS;
        }
        for (int64_t i = 0; i < SIM_ROWS; i++) {
            z[i * SIM_COLUMNS + j] = (double)x[i * SIM_COLUMNS + j] - mean;
            square += z[i * SIM_COLUMNS + j] * z[i * SIM_COLUMNS + j] / SIM_ROWS;
        }
        for (int64_t i = 0; i < SIM_ROWS; i++) {
            z[i * SIM_COLUMNS + j] /= sqrt(square);
        }
    }
    assert_ok(ctx, pare_gram_lasso(ctx, SIM_ROWS, SIM_COLUMNS, z, 1, y, seed, keep));
    sim_result r = {0, 0};
    for (int64_t j = 0; j < SIM_COLUMNS; j++) {
        r.chosen += keep[j] > 0;
        r.wrong += keep[j] > 0 && j % 10 != 5;
    }
    return r;
}

typedef struct sim_rates {
    double fdr, error, power; /* mean false share, its standard error, share of the true found */
} sim_rates;

static inline void sim_add(sim_result r, double *share, double *square, double *power) {
    double now = sim_share(r);
    *share += now;
    *square += now * now;
    *power += (r.chosen - r.wrong) / SIM_TRUE;
}

static inline sim_rates sim_rates_of(double sets, double share, double square, double power) {
    double mean = share / sets, variance = fmax(0, square / sets - mean * mean);
    return (sim_rates){mean, sqrt(variance / sets), power / sets};
}

#endif
