/*
 * The CSV reader on one thread: MB of text per second, beside the floor of reading the same bytes
 * from memory and adding them up. The CPU seconds tell the same on a machine that is shared.
 */
#include "bench.h"

#include "base/random.h"
#include "data/reader.h"

typedef struct csv_work {
    const char *name;
    pare_context *ctx;
    pare_options options;
    char *text;
    int64_t length;
    double cpu, calls; /* of the reader */
    uint64_t sum;      /* keeps the floor from being optimised away */
} csv_work;

static void run_reader(void *argument) {
    csv_work *work = argument;
    pare_input input;
    pare_table table;
    double start = pare_thread_cpu_seconds();
    pare_status status = pare_input_open_memory(
        work->ctx, work->name, (const unsigned char *)work->text, work->length, &input);
    if (status == PARE_OK) {
        status = pare_table_read_stream(&input, &work->options, &table);
        pare_input_close(&input);
    }
    if (status != PARE_OK) {
        fprintf(stderr, "%s\n", pare_context_error(work->ctx));
        exit(1);
    }
    work->cpu += pare_thread_cpu_seconds() - start;
    work->calls++;
    pare_table_clear(&table);
}

static void run_floor(void *argument) {
    csv_work *work = argument;
    uint64_t sum[8] = {0};
    for (int64_t i = 0; i + 64 <= work->length; i += 64) {
        for (int64_t j = 0; j < 8; j++) {
            uint64_t eight;
            memcpy(&eight, work->text + i + 8 * j, sizeof eight);
            sum[j] += eight;
        }
    }
    for (int64_t j = 0; j < 8; j++) {
        work->sum += sum[j];
    }
}

/* Pixels as in MNIST: one in five is not zero, in strokes of about six. */
static int pixel(uint64_t cell, char *out) {
    bool ink = pare_random_below(1, PARE_STREAM_TEST, cell / 6, 5) == 0;
    return sprintf(out, "%d", ink ? (int)pare_random_below(4, PARE_STREAM_TEST, cell, 256) : 0);
}

static int seven_digits(uint64_t cell, char *out) {
    return sprintf(out, "%.7g", pare_random_normal(2, PARE_STREAM_TEST, cell));
}

static int words(uint64_t cell, char *out) {
    static const char *const text[] = {"red", "green", "Never-married", "\"Doe, Jane\"", ""};
    return sprintf(out, "%s", text[pare_random_below(3, PARE_STREAM_TEST, cell, 5)]);
}

static void bench_csv(const char *name, int64_t rows, int64_t columns,
                      int (*write)(uint64_t, char *)) {
    csv_work work = {.name = name};
    work.text = malloc((size_t)(rows * columns) * 16 + 1);
    if (!work.text || pare_context_create(NULL, &work.ctx) != PARE_OK ||
        pare_context_set_threads(work.ctx, 1) != PARE_OK ||
        pare_options_init(work.ctx, &work.options) != PARE_OK) {
        exit(1);
    }
    for (int64_t cell = 0; cell < rows * columns; cell++) {
        work.length += write((uint64_t)cell, work.text + work.length);
        work.text[work.length++] = (cell + 1) % columns ? ',' : '\n';
    }
    bench_case cases[] = {BENCH_CASE(run_reader, &work), BENCH_CASE(run_floor, &work)};
    bench_measure(2, cases);
    double megabytes = 1e-6 * (double)work.length;
    bench_open(name, "ref");
    bench_value("megabytes", megabytes);
    bench_seconds(cases[0].time);
    bench_value("mb_per_s", megabytes / cases[0].time.median);
    bench_value("mb_per_cpu_s", megabytes * work.calls / work.cpu);
    bench_value("floor_mb_per_s", megabytes / cases[1].time.median);
    bench_close();
    pare_options_clear(&work.options);
    pare_context_destroy(work.ctx);
    free(work.text);
}

int main(void) {
    bench_csv("csv 20000x784 pixels", 20000, 784, pixel);
    bench_csv("csv 1500x5000 floats", 1500, 5000, seven_digits);
    bench_csv("csv 200000x10 words", 200000, 10, words);
    return 0;
}
