/*
 * Products with packed genotypes, 5,000 samples by 100,000 variants (125 MB), one thread: X'r for
 * one vector and for several at once, exact in 8-bit limbs, and Xb; beside them the read of the
 * same bytes. Seconds are CPU seconds of the thread: a busy machine does not count. `bench_genome
 * x.bed` takes the packed bytes of a PLINK file instead of random ones.
 */
#include "bench.h"

#include "base/random.h"
#include "kernels/kernels.h"

enum { SAMPLES = 5000, VARIANTS = 100000, BYTES = SAMPLES / 4, PLANES_MAX = 30 };

typedef struct work {
    const pare_kernels *kernels;
    pare_packed x;
    int64_t planes;
    const int8_t *r;
    int64_t *out;
    const int32_t *value;
    int32_t *sum;
    uint64_t seen; /* so that the read is not left out */
} work;

static void run_read(void *argument) {
    work *w = argument;
    uint64_t all = 0;
    for (int64_t i = 0; i + 64 <= w->x.columns * w->x.bytes; i += 64) {
        uint64_t eight[8];
        memcpy(eight, w->x.bits + i, sizeof eight);
        for (int q = 0; q < 8; q++) {
            all ^= eight[q];
        }
    }
    w->seen += all;
}

static void run_dot(void *argument) {
    static const uint8_t dosage[4] = {2, 0, 1, 0};
    work *w = argument;
    w->kernels->packed_dot(&w->x, dosage, w->planes, w->r, w->out);
}

static void run_add(void *argument) {
    work *w = argument;
    w->kernels->packed_add(&w->x, w->value, w->sum);
}

static void *reserve(size_t bytes) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes) != 0) {
        exit(1);
    }
    return memory;
}

static uint8_t *packed_bytes(const char *path) {
    const int64_t bytes = (int64_t)VARIANTS * BYTES;
    uint8_t *bits = reserve((size_t)bytes);
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (path && (!file || fseek(file, 3, SEEK_SET) != 0 ||
                 fread(bits, 1, (size_t)bytes, file) != (size_t)bytes)) {
        fprintf(stderr, "%s: not 3 + %lld bytes\n", path, (long long)bytes);
        exit(2);
    }
    if (file) {
        (void)fclose(file);
        return bits;
    }
    for (int64_t i = 0; i < bytes; i += 8) {
        uint64_t draw = pare_random_bits(1, PARE_STREAM_TEST, (uint64_t)i);
        draw |= (draw & UINT64_C(0x5555555555555555)) << 1; /* 01 would be a missing call */
        memcpy(bits + i, &draw, sizeof draw);
    }
    return bits;
}

/* bench_measure with the clock of the thread: a run is one call. */
static void measure(int count, bench_case *cases) {
    double sample[8][BENCH_RUNS];
    for (int run = 0; run < BENCH_RUNS; run++) {
        for (int c = 0; c < count; c++) {
            double start = pare_thread_cpu_seconds();
            cases[c].call(cases[c].argument);
            sample[c][run] = pare_thread_cpu_seconds() - start;
        }
    }
    for (int c = 0; c < count; c++) {
        qsort(sample[c], BENCH_RUNS, sizeof sample[c][0], bench_compare);
        cases[c].time =
            (bench_time){sample[c][BENCH_RUNS / 2], sample[c][0], sample[c][BENCH_RUNS - 1]};
    }
}

int main(int argc, char **argv) {
    const int64_t blocks = (BYTES + PARE_PACKED_BYTES - 1) / PARE_PACKED_BYTES;
    const int64_t r_bytes = blocks * PLANES_MAX * PARE_PACKED_ROWS;
    int8_t *r = reserve((size_t)r_bytes);
    int32_t *value = reserve(4 * VARIANTS * sizeof *value), *sum = reserve(SAMPLES * sizeof *sum);
    int64_t *out = reserve((size_t)VARIANTS * PLANES_MAX * sizeof *out);
    for (int64_t i = 0; i < r_bytes; i++) {
        r[i] = (int8_t)pare_random_bits(2, PARE_STREAM_TEST, (uint64_t)i);
    }
    for (int64_t i = 0; i < 4 * (int64_t)VARIANTS; i++) {
        value[i] = (int32_t)pare_random_below(3, PARE_STREAM_TEST, (uint64_t)i, 1000);
    }
    memset(sum, 0, SAMPLES * sizeof *sum);
    memset(out, 0, (size_t)VARIANTS * PLANES_MAX * sizeof *out);
    static const struct {
        const char *name;
        int64_t vectors, limbs;
    } shapes[] = {{"X'r 1 vector", 1, 3},
                  {"X'R 10 vectors", 10, 1},
                  {"X'R 10 vectors", 10, 2},
                  {"X'R 10 vectors", 10, 3}};
    enum { SHAPES = sizeof shapes / sizeof shapes[0] };
    const pare_packed x = {VARIANTS, BYTES, BYTES, packed_bytes(argc > 1 ? argv[1] : NULL)};
    for (int level = PARE_CPU_AVX2; level < PARE_CPU_LEVELS; level++) {
        if (level > (int)pare_cpu_detect()) {
            break;
        }
        work works[SHAPES + 2];
        bench_case cases[SHAPES + 2];
        for (int i = 0; i < SHAPES + 2; i++) {
            works[i] = (work){pare_kernels_at((pare_cpu_level)level), x, 1, r, out, value, sum, 0};
            works[i].planes = i < SHAPES ? shapes[i].vectors * shapes[i].limbs : 1;
            cases[i].call = i < SHAPES ? run_dot : i == SHAPES ? run_add : run_read;
            cases[i].argument = &works[i];
        }
        measure(SHAPES + 2, cases);
        for (int i = 0; i < SHAPES + 2; i++) {
            bench_open(i < SHAPES    ? shapes[i].name
                       : i == SHAPES ? "Xb"
                                     : "read",
                       works[i].kernels->level);
            if (i < SHAPES) {
                bench_value("limbs", (double)shapes[i].limbs);
                bench_value("times_one_vector", cases[i].time.median / cases[0].time.median);
            }
            bench_seconds(cases[i].time);
            bench_value("packed_gb_per_s", 1e-9 * (double)VARIANTS * BYTES / cases[i].time.median);
            bench_close();
        }
    }
    return 0;
}
