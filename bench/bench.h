/*
 * Shared by the benchmarks: timing with a spread, and one JSON line a result. A line names what it
 * needs to be compared later: commit, compiler, CPU, level, the values, and the floor the machine
 * itself sets, measured in the same run.
 */
#ifndef PARE_BENCH_BENCH_H
#define PARE_BENCH_BENCH_H

#include "platform/system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BENCH_RUNS = 9, BENCH_TEXT = 128 };

/* Seconds of one call over BENCH_RUNS runs. */
typedef struct bench_time {
    double median, low, high;
} bench_time;

typedef struct bench_case {
    void (*call)(void *argument);
    void *argument;
    bench_time time; /* result */
} bench_case;

#define BENCH_CASE(function, data)                                                                 \
    { .call = (function), .argument = (data) }

static inline int bench_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Measures the cases in turn, run by run, so that a busy moment of the machine hits all of them.
 * A run repeats its call for at least 10 ms; the first run warms up and does not count. */
static inline void bench_measure(int count, bench_case *cases) {
    enum { CASES_MAX = 8 };
    double sample[CASES_MAX][BENCH_RUNS];
    long repeats[CASES_MAX];
    count = count < CASES_MAX ? count : CASES_MAX;
    for (int c = 0; c < count; c++) {
        repeats[c] = 1;
        for (;;) {
            double start = pare_clock_seconds();
            for (long i = 0; i < repeats[c]; i++) {
                cases[c].call(cases[c].argument);
            }
            if (pare_clock_seconds() - start >= 0.01) {
                break;
            }
            repeats[c] *= 2;
        }
    }
    for (int run = 0; run < BENCH_RUNS; run++) {
        for (int c = 0; c < count; c++) {
            double start = pare_clock_seconds();
            for (long i = 0; i < repeats[c]; i++) {
                cases[c].call(cases[c].argument);
            }
            sample[c][run] = (pare_clock_seconds() - start) / (double)repeats[c];
        }
    }
    for (int c = 0; c < count; c++) {
        qsort(sample[c], BENCH_RUNS, sizeof sample[c][0], bench_compare);
        cases[c].time =
            (bench_time){sample[c][BENCH_RUNS / 2], sample[c][0], sample[c][BENCH_RUNS - 1]};
    }
}

static inline void bench_first_line(FILE *file, char *out) {
    out[0] = '\0';
    if (file && fgets(out, BENCH_TEXT, file)) {
        out[strcspn(out, "\n")] = '\0';
    }
}

/* PARE_COMMIT from the environment, else what git says about the working directory. */
static inline void bench_commit(char *out) {
    const char *given = getenv("PARE_COMMIT");
    if (given) {
        snprintf(out, BENCH_TEXT, "%s", given);
        return;
    }
    FILE *git = popen("git rev-parse --short=12 HEAD 2>/dev/null", "r");
    bench_first_line(git, out);
    if (git) {
        (void)pclose(git);
    }
}

static inline void bench_cpu(char *out) {
    snprintf(out, BENCH_TEXT, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[BENCH_TEXT];
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            snprintf(out, BENCH_TEXT, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (file) {
        (void)fclose(file);
    }
}

/* A line: bench_open, any number of bench_value and bench_seconds, bench_close. */
static inline void bench_open(const char *name, const char *level) {
    char commit[BENCH_TEXT], cpu[BENCH_TEXT];
    bench_commit(commit);
    bench_cpu(cpu);
    printf("{\"bench\": \"%s\", \"commit\": \"%s\", \"compiler\": \"%s\", \"cpu\": \"%s\", "
           "\"level\": \"%s\"",
           name, commit, __VERSION__, cpu, level);
}

static inline void bench_value(const char *name, double value) {
    printf(", \"%s\": %.6g", name, value);
}

static inline void bench_seconds(bench_time time) {
    printf(
        ", \"runs\": %d, \"seconds_median\": %.6g, \"seconds_low\": %.6g, \"seconds_high\": %.6g",
        BENCH_RUNS, time.median, time.low, time.high);
}

static inline void bench_close(void) {
    printf("}\n");
    (void)fflush(stdout);
}

#endif
