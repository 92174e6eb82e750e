/*
 * Orthogonal matching pursuit, selection phase with the data in memory: everything from the
 * dataset to the chosen columns, in CPU seconds of all threads. Data sets (true support 50,
 * signal to noise 3, k = 50):
 *   A   10,000 x 5,000 dense, independent columns        A9  the same, AR(1) 0.9 columns
 *   B   50,000 x 1,000 dense, AR(1) 0.5, two classes     C   100,000 x 200,000 sparse, 0.1 % set
 * Arguments: the data sets to run (default A A9 B); each in a process of its own, so that its peak
 * memory is its own. C needs 2 GB.
 */
#include "bench.h"

#include "base/random.h"
#include "kernels/kernels.h"
#include "platform/threads.h"
#include "problem/linear.h"
#include "select/method.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

enum { K = 50, RUNS = 7, STREAM = PARE_STREAM_TEST };

typedef struct problem {
    const char *name;
    int64_t rows, columns;
    double correlation; /* of neighbouring columns */
    double density;     /* 1: dense */
    bool classes;
} problem;

static const problem problems[] = {
    {"A", 10000, 5000, 0, 1, false},
    {"A9", 10000, 5000, 0.9, 1, false},
    {"B", 50000, 1000, 0.5, 1, true},
    {"C", 100000, 200000, 0, 0.001, false},
};

static void check(pare_context *ctx, pare_status status) {
    if (status != PARE_OK) {
        fprintf(stderr, "bench_omp: %s\n", pare_context_error(ctx));
        exit(1);
    }
}

static void *memory(size_t bytes) {
    void *out = NULL;
    if (posix_memalign(&out, PARE_ALIGNMENT, bytes) != 0) {
        fprintf(stderr, "bench_omp: out of memory\n");
        exit(1);
    }
    return out;
}

/* The true columns, ascending: about evenly spread, at random places. */
static void draw_truth(const problem *p, int64_t *truth) {
    int64_t span = p->columns / K;
    for (int64_t t = 0; t < K; t++) {
        truth[t] = t * span + pare_random_below(3, STREAM, (uint64_t)t, span);
    }
}

typedef struct filling {
    const problem *p;
    float *x;
    double *signal;
    const int64_t *truth;
} filling;

enum { FILL_ROWS = 64 };

static void fill_rows(void *argument, int64_t chunk) {
    const filling *f = argument;
    const problem *p = f->p;
    int64_t end = (chunk + 1) * FILL_ROWS < p->rows ? (chunk + 1) * FILL_ROWS : p->rows;
    double fresh = sqrt(1 - p->correlation * p->correlation);
    for (int64_t i = chunk * FILL_ROWS; i < end; i++) {
        float *row = f->x + i * p->columns;
        double last = 0;
        for (int64_t j = 0; j < p->columns; j++) {
            double draw = pare_random_normal(1, STREAM, (uint64_t)(i * p->columns + j));
            last = j == 0 ? draw : p->correlation * last + fresh * draw;
            row[j] = (float)last;
        }
        f->signal[i] = 0;
        for (int64_t t = 0; t < K; t++) {
            f->signal[i] += (t % 2 ? -1 : 1) * (double)row[f->truth[t]];
        }
    }
}

/* Response: signal to noise 3; classes: logistic of three times the standardised signal. */
static void respond(const problem *p, const double *signal, double *y) {
    double square = 0;
    for (int64_t i = 0; i < p->rows; i++) {
        square += signal[i] * signal[i] / (double)p->rows;
    }
    for (int64_t i = 0; i < p->rows; i++) {
        double noise = sqrt(square / 3) * pare_random_normal(2, STREAM, (uint64_t)i);
        double chance = 1 / (1 + exp(-3 * signal[i] / sqrt(square)));
        y[i] =
            p->classes ? pare_random_uniform(2, STREAM, (uint64_t)i) < chance : signal[i] + noise;
    }
}

/* A dataset whose table is CSR, put together by hand; values normal, columns independent. */
static pare_dataset *sparse_dataset(pare_context *ctx, const problem *p, const int64_t *truth,
                                    double *y) {
    int64_t per_row = (int64_t)(p->density * (double)p->columns), cells = p->rows * per_row;
    pare_dataset *data = memory(sizeof *data);
    memset(data, 0, sizeof *data);
    int64_t *start = memory((size_t)(p->rows + 1) * sizeof *start);
    int32_t *index = memory((size_t)cells * sizeof *index);
    float *value = memory((size_t)cells * sizeof *value), *target = memory((size_t)p->rows * 4);
    double *signal = memory((size_t)p->rows * sizeof *signal);
    double *sum = memory((size_t)p->columns * sizeof *sum * 2), *square = sum + p->columns;
    float *shift = memory((size_t)p->columns * 4), *scale = memory((size_t)p->columns * 4);
    int64_t *train = memory((size_t)p->rows * 8), *first = memory((size_t)(p->columns + 1) * 8);
    memset(sum, 0, (size_t)p->columns * sizeof *sum * 2);
    int64_t step = p->columns / per_row;
    for (int64_t i = 0; i < p->rows; i++) {
        start[i] = i * per_row;
        train[i] = i;
        signal[i] = 0;
        for (int64_t q = 0; q < per_row; q++) {
            uint64_t draw = (uint64_t)(i * per_row + q);
            int64_t j = q * step + pare_random_below(4, STREAM, draw, step);
            double x = pare_random_normal(5, STREAM, draw);
            index[start[i] + q] = (int32_t)j;
            value[start[i] + q] = (float)x;
            sum[j] += (double)(float)x;
            square[j] += (double)(float)x * (double)(float)x;
            int64_t t = j / (p->columns / K);
            signal[i] += t < K && truth[t] == j ? (t % 2 ? -x : x) : 0;
        }
    }
    start[p->rows] = cells;
    respond(p, signal, y);
    for (int64_t i = 0; i < p->rows; i++) {
        target[i] = (float)y[i];
    }
    double n = (double)p->rows;
    for (int64_t j = 0; j < p->columns; j++) {
        double mean = sum[j] / n;
        shift[j] = (float)mean;
        scale[j] = (float)(1 / sqrt(square[j] / n - mean * mean));
        first[j] = j;
    }
    first[p->columns] = p->columns;
    free(signal);
    free(sum);
    static float one = 1, none = 0;
    data->ctx = ctx;
    data->table = (pare_table){.ctx = ctx,
                               .rows = p->rows,
                               .columns = p->columns,
                               .storage = PARE_STORAGE_CSR,
                               .start = start,
                               .index = index,
                               .value = value};
    data->kind = PARE_KIND_REGRESSION;
    data->outputs = 1;
    data->target = target;
    data->target_mean = &none;
    data->target_scale = &one;
    data->train = train;
    data->train_count = p->rows;
    data->features = data->candidates = p->columns;
    data->shift = shift;
    data->scale = scale;
    data->plain = true;
    data->candidate_start = first;
    return data;
}

/* ---- Counting passes ------------------------------------------------------------------------ */

static pare_design counted;
static int64_t passes, vectors;

static pare_status count_correlate(void *self, pare_precision precision, int64_t m, const double *r,
                                   double *out) {
    passes++;
    vectors += m;
    return counted.slots->correlate(self, precision, m, r, out);
}

static pare_status count_fetch(void *self, int64_t count, const int64_t *column, float *out) {
    return counted.slots->fetch(self, count, column, out);
}

static void count_destroy(void *self) {
    counted.slots->destroy(self);
}

static const pare_design_slots counting = {
    .correlate = count_correlate, .fetch = count_fetch, .destroy = count_destroy};

/* ---- Runs ----------------------------------------------------------------------------------- */

typedef struct answer {
    int64_t item[K];
    double cpu, wall;
    int64_t passes, vectors;
} answer;

static answer select_columns(pare_dataset *data, const pare_options *options) {
    static double score[K], epoch[PARE_TRACE_MAX], loss[PARE_TRACE_MAX];
    pare_context *ctx = data->ctx;
    answer out = {.cpu = pare_cpu_seconds(), .wall = pare_clock_seconds()};
    passes = vectors = 0;
    pare_objective objective = {0};
    check(ctx, pare_exact_linear_create(data, NULL, NULL, options, false, &objective));
    pare_linear *linear = objective.self;
    counted = linear->design;
    linear->design.slots = &counting;
    uint8_t *none = memory((size_t)objective.count);
    memset(none, 0, (size_t)objective.count);
    pare_choice choice = {
        .item = out.item, .score = score, .trace_epoch = epoch, .trace_loss = loss};
    pare_task task = {.ctx = ctx,
                      .objective = &objective,
                      .k = K,
                      .forced = none,
                      .barred = none,
                      .picks_per_phase = 1};
    void *state = NULL;
    check(ctx, pare_method_omp.create(&task, &choice, &state));
    for (bool done = false; !done;) {
        check(ctx, pare_method_omp.step(state, &done));
    }
    pare_method_omp.destroy(state);
    pare_objective_destroy(&objective);
    free(none);
    out.cpu = pare_cpu_seconds() - out.cpu;
    out.wall = pare_clock_seconds() - out.wall;
    out.passes = passes + 1; /* sums and squares of the columns */
    out.vectors = vectors;
    return out;
}

/* Seconds of one read of the data on one thread: sums of 64-bit words, eight vectors at a time. */
static double read_once(const void *bytes, int64_t length) {
    typedef int64_t words __attribute__((vector_size(32)));
    const words *at = bytes;
    words sum[8] = {{0}};
    double start = pare_cpu_seconds();
    for (int64_t i = 0; i + 8 <= length / 32; i += 8) {
        for (int q = 0; q < 8; q++) {
            sum[q] += at[i + q];
        }
    }
    double seconds = pare_cpu_seconds() - start;
    volatile int64_t sink = 0;
    for (int q = 0; q < 8; q++) {
        sink += sum[q][0];
    }
    return seconds;
}

/* CPU seconds of one product of all columns with one vector. */
static double pass_once(pare_dataset *data) {
    pare_context *ctx = data->ctx;
    pare_design design = {0};
    check(ctx, pare_design_create(data, &design));
    double *out = memory((size_t)design.columns * sizeof *out);
    double *r = memory((size_t)design.rows * sizeof *r); /* none 0: rows of 0 are not read */
    for (int64_t i = 0; i < design.rows; i++) {
        r[i] = 1 + pare_random_uniform(6, STREAM, (uint64_t)i);
    }
    double least = INFINITY;
    for (int turn = 0; turn < RUNS; turn++) {
        double start = pare_cpu_seconds();
        check(ctx, design.slots->correlate(design.self, PARE_PRECISION_FLOAT, 1, r, out));
        least = fmin(least, pare_cpu_seconds() - start);
    }
    free(out);
    free(r);
    pare_design_destroy(&design);
    return least;
}

static void run(const problem *p) {
    pare_context *ctx = NULL;
    pare_config *config = NULL;
    pare_dataset *data = NULL;
    pare_options options;
    int64_t truth[K];
    if (pare_context_create(NULL, &ctx) != PARE_OK) {
        exit(1);
    }
    check(ctx, pare_config_create(ctx, &config));
    check(ctx, pare_options_init(ctx, &options));
    check(ctx, pare_options_set(&options, "k", "50"));
    check(ctx, pare_config_set(config, "validation", "0"));
    draw_truth(p, truth);
    bool dense = !(p->density < 1);
    float *x = NULL;
    double *y = memory((size_t)p->rows * sizeof *y);
    if (dense) {
        double *signal = memory((size_t)p->rows * sizeof *signal);
        x = memory((size_t)(p->rows * p->columns) * sizeof *x);
        filling f = {p, x, signal, truth};
        pare_pool_run(ctx->pool, (p->rows + FILL_ROWS - 1) / FILL_ROWS, fill_rows, &f);
        respond(p, signal, y);
        free(signal);
        check(ctx, pare_dataset_wrap(ctx, p->rows, p->columns, x, 1, y, NULL, NULL, config, &data));
    } else {
        data = sparse_dataset(ctx, p, truth, y);
    }
    int64_t before = pare_peak_memory(), bytes = pare_data_bytes(data);
    double cpu[RUNS], wall[RUNS], floor[RUNS];
    answer a = {{0}, 0, 0, 0, 0};
    int64_t after = 0;
    for (int r = 0; r < RUNS; r++) {
        floor[r] = read_once(dense ? (const void *)x : data->table.value, bytes / (dense ? 1 : 2));
        a = select_columns(data, &options);
        after = after ? after : pare_peak_memory();
        cpu[r] = a.cpu;
        wall[r] = a.wall;
    }
    int64_t hits = 0;
    for (int64_t i = 0; i < K; i++) {
        for (int64_t t = 0; t < K; t++) {
            hits += a.item[i] == truth[t];
        }
    }
    qsort(cpu, RUNS, sizeof cpu[0], bench_compare);
    qsort(wall, RUNS, sizeof wall[0], bench_compare);
    qsort(floor, RUNS, sizeof floor[0], bench_compare);
    char name[32];
    snprintf(name, sizeof name, "omp %s", p->name);
    bench_open(name, ctx->kernels->level);
    bench_value("rows", (double)p->rows);
    bench_value("columns", (double)p->columns);
    bench_value("threads", (double)pare_pool_threads(ctx->pool));
    bench_value("runs", RUNS);
    bench_value("cpu_seconds_median", cpu[RUNS / 2]);
    bench_value("cpu_seconds_low", cpu[0]);
    bench_value("cpu_seconds_high", cpu[RUNS - 1]);
    bench_value("wall_seconds_median", wall[RUNS / 2]);
    bench_value("passes", (double)a.passes);
    bench_value("vectors", (double)a.vectors);
    bench_value("true_columns", (double)hits);
    bench_value("data_mb", 1e-6 * (double)bytes);
    bench_value("peak_before_mb", 1e-6 * (double)before);
    bench_value("peak_after_mb", 1e-6 * (double)after);
    bench_value("read_gb_per_s", 1e-9 * (double)bytes / (dense ? 1 : 2) / floor[0]);
    bench_value("pass_gb_per_s", 1e-9 * (double)bytes / pass_once(data));
    bench_close();
    exit(0);
}

int main(int count, char **names) {
    for (size_t p = 0; p < sizeof problems / sizeof problems[0]; p++) {
        bool wanted = count == 1 && strcmp(problems[p].name, "C") != 0;
        for (int i = 1; i < count; i++) {
            wanted = wanted || strcmp(names[i], problems[p].name) == 0;
        }
        pid_t child = wanted ? fork() : 0;
        if (wanted && child == 0) {
            run(&problems[p]);
        }
        int status = 0;
        if (wanted && (child < 0 || waitpid(child, &status, 0) != child || status != 0)) {
            return 1;
        }
    }
    return 0;
}
