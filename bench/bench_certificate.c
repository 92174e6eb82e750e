/*
 * Certificates at the sizes they are promised for: proven fraction and seconds, next to the floor
 * the memory sets (one read of the data). The subset is what orthogonal matching pursuit chooses
 * (squared loss) or greedy score selection (logistic); its time is not part of the figures.
 */
#include "bench.h"

#include "base/random.h"
#include "kernels/kernels.h"
#include "platform/threads.h"
#include "select/certificate.h"
#include "select/dense_design.h"

#include <math.h>

typedef struct setting {
    const char *name;
    int64_t rows, columns, k;
    double correlation; /* of neighbouring columns */
    double snr;
    double ridge; /* per row, of (ridge / 2) |w|^2 */
    bool logistic;
} setting;

typedef struct generator {
    const setting *s;
    float *x;
} generator;

/* Columns in blocks of 64 that form an autoregressive chain, so that blocks are independent. */
static void draw_block(void *argument, int64_t block) {
    const generator *g = argument;
    int64_t rows = g->s->rows, first = block * 64, last = first + 64;
    double rho = g->s->correlation, rest = sqrt(1 - rho * rho);
    last = last < g->s->columns ? last : g->s->columns;
    for (int64_t j = first; j < last; j++) {
        float *x = g->x + j * rows;
        for (int64_t i = 0; i < rows; i += 2) {
            /* Both halves of Box-Muller, from one draw of bits. */
            uint64_t bits = pare_random_bits(5, PARE_STREAM_TEST, (uint64_t)(j * rows + i));
            double u = ((double)(bits >> 32) + 0.5) * 0x1p-32;
            double angle = 6.283185307179586 * (double)(bits & 0xffffffff) * 0x1p-32;
            double radius = sqrt(-2 * log(u));
            x[i] = (float)(radius * cos(angle));
            if (i + 1 < rows) {
                x[i + 1] = (float)(radius * sin(angle));
            }
        }
        for (int64_t i = 0; rho > 0 && j > first && i < rows; i++) {
            x[i] = (float)(rho * (double)x[i - rows] + rest * (double)x[i]);
        }
    }
}

static void draw_target(const setting *s, const float *x, double *y) {
    double signal = 0, *z = y;
    for (int64_t i = 0; i < s->rows; i++) {
        z[i] = 0;
    }
    for (int64_t t = 0; t < s->k; t++) {
        int64_t j = pare_random_below(6, PARE_STREAM_TEST, (uint64_t)t, s->columns / s->k);
        const float *column = x + (t * (s->columns / s->k) + j) * s->rows;
        double weight = pare_random_uniform(7, PARE_STREAM_TEST, (uint64_t)t) < 0.5 ? -1 : 1;
        for (int64_t i = 0; i < s->rows; i++) {
            z[i] += weight * (double)column[i];
        }
    }
    for (int64_t i = 0; i < s->rows; i++) {
        signal += z[i] * z[i] / (double)s->rows;
    }
    double noise = sqrt(signal / s->snr);
    for (int64_t i = 0; i < s->rows; i++) {
        double e = pare_random_normal(8, PARE_STREAM_TEST, (uint64_t)i);
        double u = pare_random_uniform(9, PARE_STREAM_TEST, (uint64_t)i);
        y[i] = s->logistic ? (u < 1 / (1 + exp(-z[i]))) : z[i] + noise * e;
    }
}

static void check(pare_context *ctx, pare_status status) {
    if (status != PARE_OK) {
        fprintf(stderr, "bench_certificate: %s\n", pare_context_error(ctx));
        exit(1);
    }
}

/* Greedy by the score |X_j' r| of the residual after each refit: OMP for the squared loss. The
 * residual of a ridge fit is the dual point; here by a few sweeps of coordinate descent. */
static void choose(const setting *s, const pare_certified_problem *problem, int64_t *subset) {
    int64_t rows = s->rows;
    double *z = calloc((size_t)rows, sizeof *z), *r = malloc((size_t)rows * sizeof *r);
    double *score = malloc((size_t)s->columns * sizeof *score), w[256] = {0}, b = 0;
    float *column = malloc((size_t)(rows * s->k) * sizeof *column);
    const pare_design *design = problem->design;
    for (int64_t t = 0; t <= s->k; t++) {
        for (int sweep = 0; sweep < 200; sweep++) {
            double gradient = 0, moved = 0;
            for (int64_t i = 0; i < rows; i++) {
                double p = s->logistic ? 1 / (1 + exp(-(z[i] + b))) : z[i] + b;
                gradient += problem->target[i] - p;
            }
            b += gradient / (double)rows / (s->logistic ? 0.25 : 1);
            for (int64_t q = 0; q < t; q++) {
                const float *x = column + q * rows;
                double product = -problem->ridge * w[q], square = problem->ridge;
                for (int64_t i = 0; i < rows; i++) {
                    double p = s->logistic ? 1 / (1 + exp(-(z[i] + b))) : z[i] + b;
                    product += (double)x[i] * (problem->target[i] - p);
                    square += (double)x[i] * (double)x[i] * (s->logistic ? 0.25 : 1);
                }
                double step = product / square;
                moved = fmax(moved, fabs(step));
                w[q] += step;
                for (int64_t i = 0; i < rows; i++) {
                    z[i] += step * (double)x[i];
                }
            }
            if (moved < 1e-7) {
                break;
            }
        }
        if (t == s->k) {
            break;
        }
        for (int64_t i = 0; i < rows; i++) {
            double p = s->logistic ? 1 / (1 + exp(-(z[i] + b))) : z[i] + b;
            r[i] = problem->target[i] - p;
        }
        check(problem->ctx,
              design->slots->correlate(design->self, PARE_PRECISION_FLOAT, 1, r, score));
        int64_t best = -1;
        for (int64_t j = 0; j < s->columns; j++) {
            bool taken = false;
            for (int64_t q = 0; q < t; q++) {
                taken = taken || subset[q] == j;
            }
            if (!taken && (best < 0 || fabs(score[j]) > fabs(score[best]))) {
                best = j;
            }
        }
        subset[t] = best;
        check(problem->ctx, design->slots->fetch(design->self, 1, &best, column + t * rows));
    }
    free(z);
    free(r);
    free(score);
    free(column);
}

static void run(pare_context *ctx, const setting *s) {
    float *x = malloc((size_t)(s->rows * s->columns) * sizeof *x);
    double *y = malloc((size_t)s->rows * sizeof *y);
    double *out = malloc((size_t)s->columns * sizeof *out);
    if (!x || !y || !out) {
        fprintf(stderr, "bench_certificate: out of memory\n");
        exit(1);
    }
    generator g = {s, x};
    pare_pool_run(ctx->pool, (s->columns + 63) / 64, draw_block, &g);
    draw_target(s, x, y);
    pare_design design;
    check(ctx,
          pare_dense_design_create(ctx, s->rows, s->columns, x, s->columns, NULL, NULL, &design));
    pare_certified_problem problem = {.ctx = ctx,
                                      .design = &design,
                                      .loss = s->logistic ? PARE_CERTIFIED_LOGISTIC
                                                          : PARE_CERTIFIED_SQUARED,
                                      .outputs = 1,
                                      .target = y,
                                      .intercept = true,
                                      .ridge = s->ridge * (double)s->rows,
                                      .budget = (double)s->k};
    int64_t subset[256];
    choose(s, &problem, subset);

    double pass = INFINITY;
    for (int i = 0; i < 3; i++) {
        double start = pare_clock_seconds();
        check(ctx, design.slots->correlate(design.self, PARE_PRECISION_FLOAT, 1, y, out));
        pass = fmin(pass, pare_clock_seconds() - start);
    }
    double cpu = pare_cpu_seconds();
    pare_certificate *certificate = NULL;
    pare_certificate_options options = {0};
    check(ctx, pare_certificate_create(&problem, &options, s->k, subset, &certificate));
    for (bool done = false; !done;) {
        check(ctx, pare_certificate_step(certificate, &done));
    }
    pare_certificate_result result;
    pare_certificate_result_of(certificate, &result);
    cpu = pare_cpu_seconds() - cpu;
    bench_open("certificate", ctx->kernels->level);
    printf(", \"case\": \"%s\"", s->name);
    bench_value("rows", (double)s->rows);
    bench_value("columns", (double)s->columns);
    bench_value("k", (double)s->k);
    bench_value("ridge_per_row", s->ridge);
    bench_value("fraction", result.fraction);
    bench_value("seconds", result.seconds);
    bench_value("cpu_seconds", cpu);
    bench_value("passes", (double)result.passes);
    bench_value("seconds_a_pass", pass);
    bench_value("gigabytes_a_second", (double)(s->rows * s->columns) * sizeof(float) / pass / 1e9);
    bench_value("every", (double)result.every);
    bench_value("none", (double)result.none);
    bench_value("undecided", (double)result.undecided);
    bench_value("best_gain", (result.loss - result.best_loss) / result.null_loss);
    bench_close();
    pare_certificate_destroy(certificate);
    pare_design_destroy(&design);
    free(x);
    free(y);
    free(out);
}

int main(int argc, char **argv) {
    static const setting settings[] = {
        {"squared, SNR 5", 2000, 100000, 20, 0, 5, 0.1, false},
        {"squared, SNR 5, ridge 0.2", 2000, 100000, 20, 0, 5, 0.2, false},
        {"squared, rho 0.7, SNR 1", 2000, 100000, 20, 0.7, 1, 0.1, false},
        {"squared, rho 0.7, SNR 1, ridge 0.2", 2000, 100000, 20, 0.7, 1, 0.2, false},
        {"logistic", 2000, 20000, 20, 0, 1, 0.01, true},
        {"logistic, ridge 0.02", 2000, 20000, 20, 0, 1, 0.02, true},
    };
    pare_context *ctx = NULL;
    if (pare_context_create(NULL, &ctx) != PARE_OK) {
        return 1;
    }
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (argc < 2 || strtol(argv[1], NULL, 10) == (long)i) {
            run(ctx, &settings[i]);
        }
    }
    pare_context_destroy(ctx);
    return 0;
}
