/*
 * Time and memory of the dataset at the shapes of MNIST (8 bit, 19 % nonzero) and ISOLET (float):
 * building it from a table in memory, gathering batches in random order, CSR of all rows. Floors,
 * in the same run: reading the cells once (hashing needs that much), and copying as many floats as
 * gather writes. With arguments (file [target-file]): opens those, prints CPU seconds and peak.
 */
#include "bench.h"

#include "base/random.h"
#include "data/dataset.h"
#include "kernels/kernels.h"

enum { BATCH = 349 };

typedef struct shape {
    const char *name;
    int64_t rows, columns;
    bool bytes;
} shape;

typedef struct workload {
    pare_context *ctx;
    const shape *shape;
    uint8_t *u8;
    float *f32;
    double *label;
    pare_options options;
    pare_dataset *data;
    int64_t *rows;
    float *out, *copy;
    uint64_t sum;
} workload;

static void check(pare_context *ctx, pare_status status) {
    if (status != PARE_OK) {
        fprintf(stderr, "%s\n", pare_context_error(ctx));
        exit(1);
    }
}

/* Half of the columns are 0, the others 38 % nonzero, as runs: like strokes of a pen. */
static void fill(workload *w) {
    int64_t cells = w->shape->rows * w->shape->columns;
    check(w->ctx, pare_alloc(w->ctx, cells, w->shape->bytes ? 1 : 4,
                             w->shape->bytes ? (void *)&w->u8 : (void *)&w->f32));
    check(w->ctx, pare_alloc(w->ctx, w->shape->rows, sizeof *w->label, &w->label));
    for (int64_t p = 0; p < cells; p++) {
        if (w->shape->bytes) {
            uint64_t bits = pare_random_bits(1, PARE_STREAM_TEST, (uint64_t)(p / 7));
            w->u8[p] = (uint8_t)(p % w->shape->columns > w->shape->columns / 2 && bits % 100 < 38
                                     ? (uint8_t)(1 + p % 255)
                                     : 0);
        } else {
            w->f32[p] = (float)(p * 2654435761 % 1000003) / 1e6f - 0.5f;
        }
    }
    for (int64_t i = 0; i < w->shape->rows; i++) {
        w->label[i] = (double)(i % 10);
    }
}

/* A table that the dataset takes over. */
static pare_table make_table(workload *w) {
    int64_t rows = w->shape->rows, columns = w->shape->columns;
    pare_table table = {.ctx = w->ctx, .rows = rows, .columns = columns};
    table.storage = w->shape->bytes ? PARE_STORAGE_U8 : PARE_STORAGE_F32;
    size_t size = w->shape->bytes ? 1 : 4;
    void *cells = NULL;
    check(w->ctx, pare_alloc(w->ctx, rows * columns, size, &cells));
    memcpy(cells, w->shape->bytes ? (void *)w->u8 : (void *)w->f32,
           (size_t)(rows * columns) * size);
    table.u8 = w->shape->bytes ? cells : NULL;
    table.f32 = w->shape->bytes ? NULL : cells;
    check(w->ctx, pare_alloc(w->ctx, rows, sizeof *table.label, &table.label));
    memcpy(table.label, w->label, (size_t)rows * sizeof *table.label);
    check(w->ctx, pare_alloc(w->ctx, 8, 1, &table.source));
    strcpy(table.source, "made");
    check(w->ctx, pare_alloc(w->ctx, columns, sizeof *table.column, &table.column));
    for (int64_t j = 0; j < columns; j++) {
        table.column[j] = (pare_column){0};
        check(w->ctx, pare_alloc(w->ctx, 24, 1, &table.column[j].name));
        snprintf(table.column[j].name, 24, "x%lld", (long long)j);
    }
    return table;
}

static void run_copy(void *argument) {
    workload *w = argument;
    pare_table table = make_table(w);
    pare_table_clear(&table);
}

static void run_build(void *argument) {
    workload *w = argument;
    pare_table table = make_table(w);
    pare_dataset *data = NULL;
    check(w->ctx, pare_dataset_from_table(w->ctx, &table, NULL, &w->options, &data));
    pare_dataset_free(w->data);
    w->data = data;
}

static void run_read(void *argument) {
    workload *w = argument;
    int64_t bytes = w->shape->rows * w->shape->columns * (w->shape->bytes ? 1 : 4);
    const unsigned char *at = w->shape->bytes ? w->u8 : (const unsigned char *)w->f32;
    for (int64_t p = 0; p + 8 <= bytes; p += 8) {
        uint64_t word;
        memcpy(&word, at + p, sizeof word);
        w->sum += word;
    }
}

static void run_gather(void *argument) {
    workload *w = argument;
    for (int64_t i = 0; i + BATCH <= w->data->train_count; i += BATCH) {
        pare_dataset_gather(w->data, BATCH, w->rows + i, w->out);
    }
}

static void run_floats(void *argument) {
    workload *w = argument;
    size_t bytes = (size_t)(BATCH * w->data->features) * sizeof(float);
    for (int64_t i = 0; i + BATCH <= w->data->train_count; i += BATCH) {
        memcpy(w->out, w->copy, bytes);
        w->copy[i % 8] = w->out[0];
    }
}

static void run_sparse(void *argument) {
    workload *w = argument;
    int64_t *start = NULL;
    int32_t *index = NULL;
    float *value = NULL;
    check(w->ctx, pare_dataset_sparse(w->data, w->data->train_count, w->data->train, &start, &index,
                                      &value));
    pare_free(w->ctx, start);
    pare_free(w->ctx, index);
    pare_free(w->ctx, value);
}

/* CPU seconds of this thread, case by case in turn: the machine may be busy with other work. */
static void measure(int count, bench_case *cases) {
    double sample[8][BENCH_RUNS];
    for (int run = -1; run < BENCH_RUNS; run++) { /* the first warms up */
        for (int c = 0; c < count; c++) {
            double start = pare_thread_cpu_seconds();
            cases[c].call(cases[c].argument);
            sample[c][run < 0 ? 0 : run] = pare_thread_cpu_seconds() - start;
        }
    }
    for (int c = 0; c < count; c++) {
        qsort(sample[c], BENCH_RUNS, sizeof sample[c][0], bench_compare);
        cases[c].time =
            (bench_time){sample[c][BENCH_RUNS / 2], sample[c][0], sample[c][BENCH_RUNS - 1]};
    }
}

static void print(const workload *w, const char *what, bench_time time, double floor) {
    char name[64];
    snprintf(name, sizeof name, "dataset_%s_%s", what, w->shape->name);
    bench_open(name, w->ctx->kernels->level);
    bench_value("rows", (double)w->shape->rows);
    bench_value("columns", (double)w->shape->columns);
    bench_seconds(time);
    bench_value("floor_seconds", floor);
    bench_close();
}

static void run_shape(const shape *s) {
    workload w = {.shape = s};
    check(NULL, pare_context_create(NULL, &w.ctx));
    check(w.ctx, pare_context_set_threads(w.ctx, 1));
    check(w.ctx, pare_options_init(w.ctx, &w.options));
    fill(&w);
    run_build(&w);
    int64_t cells = BATCH * w.data->features;
    check(w.ctx, pare_alloc_zero(w.ctx, cells, sizeof *w.out, &w.out));
    check(w.ctx, pare_alloc_zero(w.ctx, cells, sizeof *w.copy, &w.copy));
    check(w.ctx, pare_alloc(w.ctx, w.data->train_count, sizeof *w.rows, &w.rows));
    memcpy(w.rows, w.data->train, (size_t)w.data->train_count * sizeof *w.rows);
    pare_random_shuffle(1, PARE_STREAM_TEST, 0, w.data->train_count, w.rows);
    bench_case cases[] = {BENCH_CASE(run_copy, &w),   BENCH_CASE(run_build, &w),
                          BENCH_CASE(run_read, &w),   BENCH_CASE(run_gather, &w),
                          BENCH_CASE(run_floats, &w), BENCH_CASE(run_sparse, &w)};
    measure((int)(sizeof cases / sizeof cases[0]), cases);
    bench_time build = cases[1].time;
    build.median -= cases[0].time.median; /* without making the table */
    build.low -= cases[0].time.median;
    build.high -= cases[0].time.median;
    print(&w, "build", build, cases[2].time.median);
    print(&w, "gather", cases[3].time, cases[4].time.median);
    print(&w, "sparse", cases[5].time, cases[2].time.median);
    pare_dataset_free(w.data);
    pare_free(w.ctx, w.u8);
    pare_free(w.ctx, w.f32);
    pare_free(w.ctx, w.label);
    pare_free(w.ctx, w.rows);
    pare_free(w.ctx, w.out);
    pare_free(w.ctx, w.copy);
    pare_options_clear(&w.options);
    pare_context_destroy(w.ctx);
}

static void run_file(const char *path, const char *target_path) {
    pare_context *ctx = NULL;
    pare_options options;
    pare_dataset *data = NULL;
    check(NULL, pare_context_create(NULL, &ctx));
    check(ctx, pare_options_init(ctx, &options));
    check(ctx, pare_options_set(&options, "target-file", target_path));
    double cpu = pare_cpu_seconds();
    check(ctx, pare_dataset_read(ctx, path, &options, &data));
    cpu = pare_cpu_seconds() - cpu;
    fprintf(stderr, "%s\n", data->summary);
    double table = (double)(data->table.rows * data->source_columns) * 4;
    bench_open("dataset_open", ctx->kernels->level);
    bench_value("cpu_seconds", cpu);
    bench_value("float_table_bytes", table);
    bench_value("peak_bytes", (double)pare_peak_memory());
    bench_close();
    pare_dataset_free(data);
    pare_options_clear(&options);
    pare_context_destroy(ctx);
}

int main(int count, char **argument) {
    static const shape shapes[] = {{"mnist", 60000, 784, true}, {"isolet", 6238, 617, false}};
    if (count > 1) {
        run_file(argument[1], count > 2 ? argument[2] : "");
        return 0;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        run_shape(&shapes[i]);
    }
    return 0;
}
