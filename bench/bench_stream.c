/*
 * A table larger than memory: bench_stream FILE.pare ROWS COLUMNS MEMORY K [METHOD]. Writes the
 * file if it is not there (float32, uniform columns, y of K of them and noise), reads it once as it
 * lies to measure the disk, then selects K columns within MEMORY and prints passes, rates and peak
 * memory.
 */
#include "bench.h"

#include "data/pare_file.h"
#include "data/store.h"
#include "platform/system.h"
#include "problem/selector.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void check(pare_context *ctx, pare_status status) {
    if (status != PARE_OK) {
        fprintf(stderr, "%s\n", pare_context_error(ctx));
        exit(1);
    }
}

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void generate(pare_context *ctx, const char *path, int64_t rows, int64_t columns,
                     int64_t k) {
    pare_table shape = {.ctx = ctx};
    pare_origin origin = {0};
    pare_writer *writer = NULL;
    float *cells = NULL;
    enum { BLOCK = 64 };
    check(ctx, pare_table_name_columns(&shape, columns + 1));
    check(ctx, pare_writer_create(ctx, path, &shape, NULL, &origin, false, &writer));
    check(ctx, pare_alloc(ctx, BLOCK * (columns + 1), sizeof *cells, &cells));
    uint64_t state = 88172645463325252u;
    for (int64_t i = 0; i < rows; i += BLOCK) {
        int64_t count = rows - i < BLOCK ? rows - i : BLOCK;
        for (int64_t q = 0; q < count; q++) {
            float *row = cells + q * (columns + 1);
            double y = 0;
            for (int64_t j = 0; j + 1 < columns; j += 2) {
                uint64_t bits = next(&state);
                row[j] = (float)(int32_t)(bits >> 32) * 0x1p-31f;
                row[j + 1] = (float)(int32_t)(uint32_t)bits * 0x1p-31f;
            }
            if (columns % 2) {
                row[columns - 1] = (float)(int32_t)(next(&state) >> 32) * 0x1p-31f;
            }
            for (int64_t t = 0; t < k; t++) {
                y += (1 + (double)t / (double)k) * (double)row[t * (columns / k)];
            }
            row[columns] = (float)(y + 4 * (double)(int32_t)(next(&state) >> 32) * 0x1p-31);
        }
        check(ctx, pare_writer_rows(writer, count, cells, NULL, 0));
    }
    check(ctx, pare_writer_finish(writer, 0));
    pare_writer_destroy(writer, false);
    pare_free(ctx, cells);
    pare_table_clear(&shape);
}

/* The file out of the page cache, so that what is measured is the disk. */
static void forget(const char *path) {
    int file = open(path, O_RDONLY);
    (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
}

/* Bytes a second of reading the file front to back, 16 MB at a time. */
static double read_rate(const char *path, double *bytes) {
    enum { BLOCK = 1 << 24 };
    char *buffer = malloc(BLOCK);
    int file = open(path, O_RDONLY);
    double start = pare_clock_seconds();
    ssize_t count = 0;
    *bytes = 0;
    while (buffer && (count = read(file, buffer, BLOCK)) > 0) {
        *bytes += (double)count;
    }
    double seconds = pare_clock_seconds() - start;
    close(file);
    free(buffer);
    return *bytes / seconds;
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: bench_stream FILE.pare ROWS COLUMNS MEMORY K [METHOD]\n");
        return 1;
    }
    const char *path = argv[1];
    pare_context *ctx = NULL;
    pare_options options;
    pare_dataset *data = NULL;
    pare_selector *selector = NULL;
    double size = 0, start = 0, cpu = 0;
    if (pare_context_create(NULL, &ctx) != PARE_OK) {
        return 1;
    }
    if (access(path, F_OK) != 0) {
        start = pare_clock_seconds();
        generate(ctx, path, atoll(argv[2]), atoll(argv[3]), atoll(argv[5]));
        printf("generated in %.1f s\n", pare_clock_seconds() - start);
        return 0; /* peak memory is measured by a run that does not write */
    }
    forget(path);
    double rate = read_rate(path, &size);
    printf("file %.2f GB, sequential read %.0f MB/s\n", size / 1e9, rate / 1e6);
    check(ctx, pare_options_init(ctx, &options));
    check(ctx, pare_options_set(&options, "memory", argv[4]));
    check(ctx, pare_options_set(&options, "k", argv[5]));
    check(ctx, pare_options_set(&options, "method", argc > 6 ? argv[6] : "omp"));
    forget(path);
    start = pare_clock_seconds();
    check(ctx, pare_dataset_read(ctx, path, &options, &data));
    pare_store *store = data->table.stream;
    double bytes = store ? (double)pare_store_bytes_read(store) : 0;
    double seconds = pare_clock_seconds() - start;
    printf("open: %.2f passes, %.1f s, %.0f MB/s (%.0f %% of the disk)\n", bytes / size, seconds,
           bytes / seconds / 1e6, 100 * bytes / seconds / rate);
    start = pare_clock_seconds();
    cpu = pare_cpu_seconds();
    bool done = false;
    check(ctx, pare_selector_start(data, NULL, &options, &selector));
    while (!done) {
        check(ctx, pare_selector_advance(selector, &done));
    }
    seconds = pare_clock_seconds() - start;
    double more = store ? (double)pare_store_bytes_read(store) - bytes : 0;
    int64_t right = 0, k = atoll(argv[5]), step = atoll(argv[3]) / k;
    for (int64_t i = 0; i < selector->choice.count; i++) {
        right += selector->choice.item[i] % step == 0 && selector->choice.item[i] / step < k;
    }
    printf("select: %.2f passes, %.1f s wall, %.1f s CPU, %.0f MB/s (%.0f %% of the disk)\n",
           more / size, seconds, pare_cpu_seconds() - cpu, more / seconds / 1e6,
           100 * more / seconds / rate);
    printf("true columns %lld of %lld, peak memory %.0f MB\n", (long long)right, (long long)k,
           (double)pare_peak_memory() / 1e6);
    pare_selector_destroy(selector);
    pare_dataset_free(data);
    pare_options_clear(&options);
    pare_context_destroy(ctx);
    return 0;
}
