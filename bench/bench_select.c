/*
 * CPU seconds of the whole selection phase (selector created, stepped until done), beside the floor
 * that the machine sets: the two products of the input layer, as sgemm, for every planned step.
 *
 *   bench_select                                  generated tables of the shapes of MNIST and
 * ISOLET bench_select FILE BATCH EPOCHS [NAME VALUE].. a table, with options by name
 */
#include "bench.h"

#include "base/random.h"
#include "kernels/blas.h"

#include <pare/pare.h>

#include <math.h>

enum { SELECT_RUNS = 5, K = 50, HIDDEN = 67, FLOOR_RUNS = 15 };

typedef struct job {
    const char *name;
    int64_t batch, epochs;
    double seconds[SELECT_RUNS];
} job;

static pare_context *ctx;

static void check(pare_status status) {
    if (status != PARE_OK) {
        fprintf(stderr, "%s\n", pare_context_error(ctx));
        exit(1);
    }
}

static void set_number(pare_config *config, const char *name, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    check(pare_config_set(config, name, text));
}

static double select_once(pare_dataset *data, const pare_config *config) {
    pare_selector *selector = NULL;
    double start = pare_cpu_seconds();
    check(pare_selector_create(data, NULL, config, &selector));
    for (bool done = false; !done;) {
        check(pare_selector_step(selector, &done));
    }
    double seconds = pare_cpu_seconds() - start;
    pare_selector_destroy(selector);
    return seconds;
}

/* Fastest of several pairs of products. */
static double floor_of_step(int64_t batch, int64_t width) {
    int64_t sizes[] = {batch * width, width * HIDDEN, batch * HIDDEN};
    float *array[3];
    double best = INFINITY;
    for (int i = 0; i < 3; i++) {
        array[i] = malloc((size_t)sizes[i] * sizeof(float));
        if (!array[i]) {
            exit(1);
        }
        for (int64_t j = 0; j < sizes[i]; j++) {
            array[i][j] = (float)(j % 7) - 3;
        }
    }
    for (int run = 0; run < FLOOR_RUNS; run++) {
        double start = pare_cpu_seconds();
        enum { REPEATS = 10 };
        for (int repeat = 0; repeat < REPEATS; repeat++) {
            pare_gemm(false, false, batch, HIDDEN, width, 1, array[0], width, array[1], HIDDEN, 0,
                      array[2], HIDDEN);
            pare_gemm(true, false, width, HIDDEN, batch, 1, array[0], width, array[2], HIDDEN, 0,
                      array[1], HIDDEN);
        }
        best = fmin(best, (pare_cpu_seconds() - start) / REPEATS);
    }
    for (int i = 0; i < 3; i++) {
        free(array[i]);
    }
    return best;
}

static void measure(pare_dataset *data, pare_config *config, job *j) {
    check(pare_config_set(config, "k", "50"));
    check(pare_config_set(config, "hidden", "67"));
    set_number(config, "batch", j->batch);
    set_number(config, "epochs", j->epochs);
    for (int run = 0; run < SELECT_RUNS; run++) {
        j->seconds[run] = select_once(data, config);
    }
    qsort(j->seconds, SELECT_RUNS, sizeof j->seconds[0], bench_compare);
    int64_t rows = pare_dataset_rows(data), width = pare_dataset_candidates(data);
    double train = 0.875 * (double)rows;
    double steps = ceil(train / (double)j->batch) * (double)j->epochs;
    double floor_seconds = steps * floor_of_step(j->batch, width);
    double median = j->seconds[SELECT_RUNS / 2];
    bench_open("select", pare_cpu_level_name(pare_cpu_detect()));
    printf(", \"table\": \"%s\"", j->name);
    bench_value("rows", (double)rows);
    bench_value("columns", (double)width);
    bench_value("k", K);
    bench_value("batch", (double)j->batch);
    bench_value("epochs", (double)j->epochs);
    bench_value("runs", SELECT_RUNS);
    bench_value("cpu_seconds_median", median);
    bench_value("cpu_seconds_low", j->seconds[0]);
    bench_value("cpu_seconds_high", j->seconds[SELECT_RUNS - 1]);
    bench_value("floor_seconds", floor_seconds);
    bench_value("times_floor", median / floor_seconds);
    bench_close();
}

/* Classes shift the first columns; a share of the cells is 0. */
static void measure_generated(job *j, int64_t rows, int64_t width, int64_t classes, double zeros) {
    float *x = malloc((size_t)(rows * width) * sizeof *x);
    double *y = malloc((size_t)rows * sizeof *y);
    pare_config *config = NULL;
    pare_dataset *data = NULL;
    if (!x || !y) {
        exit(1);
    }
    for (int64_t i = 0; i < rows; i++) {
        y[i] = (double)(i % classes);
        for (int64_t c = 0; c < width; c++) {
            uint64_t at = (uint64_t)(i * width + c);
            double value = pare_random_uniform(1, PARE_STREAM_TEST, at);
            double signal = c % classes == i % classes ? 0.3 : 0;
            x[at] = value < zeros ? 0 : (float)(value - zeros + signal);
        }
    }
    check(pare_config_create(ctx, &config));
    check(pare_config_set(config, "task", "multiclass"));
    check(pare_dataset_wrap(ctx, rows, width, x, 1, y, NULL, NULL, config, &data));
    measure(data, config, j);
    pare_dataset_close(data);
    pare_config_destroy(config);
    free(x);
    free(y);
}

static void measure_file(int count, char **argument) {
    const char *slash = strrchr(argument[0], '/');
    job j = {slash ? slash + 1 : argument[0],
             strtoll(argument[1], NULL, 10),
             strtoll(argument[2], NULL, 10),
             {0}};
    pare_config *config = NULL;
    pare_dataset *data = NULL;
    check(pare_config_create(ctx, &config));
    for (int i = 3; i + 1 < count; i += 2) {
        check(pare_config_set(config, argument[i], argument[i + 1]));
    }
    check(pare_dataset_open(ctx, argument[0], config, &data));
    measure(data, config, &j);
    pare_dataset_close(data);
    pare_config_destroy(config);
}

int main(int count, char **argument) {
    if (pare_context_create(NULL, &ctx) != PARE_OK) {
        return 1;
    }
    if (count >= 4) {
        measure_file(count - 1, argument + 1);
    } else {
        job mnist = {"generated, shape of MNIST", 349, 20, {0}};
        job isolet = {"generated, shape of ISOLET", 64, 50, {0}};
        measure_generated(&mnist, 60000, 784, 10, 0.81);
        measure_generated(&isolet, 6238, 617, 26, 0);
    }
    pare_context_destroy(ctx);
    return 0;
}
