/*
 * Training of a factorisation machine, k = 8, on rows shaped like display advertising: 39 fields,
 * 1.3 million ids with popularity falling as 1 / rank. Rows per CPU-second of one thread, beside
 * the floor of reading and writing the same table rows, fetched ahead, without any arithmetic to
 * speak of. Then DeepFM with three layers of 400 on a part of the rows: arithmetic of its products,
 * 6 for each weight and row, beside what the core reaches in fused multiplications alone.
 */
#include "bench.h"

#include "base/random.h"
#include "model/field_model.h"
#include "platform/system.h"

#include <math.h>

enum { FIELDS = 39, AHEAD = 6, PASSES = 3, DEEP_SHARE = 16 };

static void must(pare_context *ctx, pare_status status) {
    if (status != PARE_OK) {
        fprintf(stderr, "%s\n", ctx ? pare_context_error(ctx) : "no context");
        exit(1);
    }
}

/* Sizes of the tables from 4 to 400,000 ids, 1.3 million together. */
static int64_t size_of(int64_t field) {
    return (int64_t)(4 * pow(100000, (double)field / (FIELDS - 1)) * 0.7) + 4;
}

/* An id of rank r has probability about 1 / (r log size). */
static int64_t draw_id(uint64_t seed, uint64_t index, int64_t size) {
    int64_t id = (int64_t)pow((double)size, pare_random_uniform(seed, PARE_STREAM_TEST, index));
    return id < size ? id : size - 1;
}

static void make(pare_context *ctx, int64_t rows, pare_fields *out) {
    *out = (pare_fields){.ctx = ctx, .rows = rows, .count = FIELDS};
    must(ctx, pare_alloc_zero(ctx, FIELDS, sizeof *out->field, &out->field));
    must(ctx, pare_alloc(ctx, rows * FIELDS, sizeof *out->cell, &out->cell));
    pare_memory_large_pages(out->cell, rows * FIELDS * (int64_t)sizeof *out->cell);
    must(ctx, pare_alloc(ctx, rows, sizeof *out->label, &out->label));
    must(ctx, pare_alloc_zero(ctx, rows, 1, &out->held_out));
    for (int64_t f = 0; f < FIELDS; f++) {
        out->field[f].first = out->joint;
        out->field[f].size = size_of(f);
        out->joint += size_of(f);
    }
    for (int64_t i = 0; i < rows; i++) {
        double z = -1;
        for (int64_t f = 0; f < FIELDS; f++) {
            uint64_t at = (uint64_t)(i * FIELDS + f);
            int64_t id = draw_id(1, at, out->field[f].size);
            out->cell[i * FIELDS + f] = (int32_t)(out->field[f].first + id);
            z +=
                0.3 * pare_random_normal(2, PARE_STREAM_TEST, (uint64_t)(out->field[f].first + id));
        }
        out->label[i] = pare_random_uniform(3, PARE_STREAM_TEST, (uint64_t)i) < 1 / (1 + exp(-z));
        out->held_out[i] = i % 8 == 7;
    }
}

/* Adds to one float of every table row that the rows look up. */
static double floor_seconds(pare_field_model *model, const pare_fields *fields, int64_t count,
                            const int64_t *row) {
    double start = pare_thread_cpu_seconds();
    for (int64_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            const int32_t *next = fields->cell + row[i + AHEAD] * FIELDS;
            for (int64_t f = 0; f < FIELDS; f++) {
                __builtin_prefetch(model->table + next[f] * model->stride, 1);
            }
        }
        if (i + 2 * AHEAD < count) {
            __builtin_prefetch(fields->cell + row[i + 2 * AHEAD] * FIELDS);
            __builtin_prefetch(fields->cell + row[i + 2 * AHEAD] * FIELDS + 16);
            __builtin_prefetch(fields->cell + row[i + 2 * AHEAD] * FIELDS + 32);
        }
        const int32_t *index = fields->cell + row[i] * FIELDS;
        for (int64_t f = 0; f < FIELDS; f++) {
            model->table[index[f] * model->stride + 3] += 1;
        }
    }
    double seconds = pare_thread_cpu_seconds() - start;
    for (int64_t r = 0; r < model->joint; r++) {
        model->table[r * model->stride + 3] = 0;
    }
    return seconds;
}

#if defined __x86_64__
/* Floating-point operations a second of this core in registers, by 8 lanes: twelve sums hide the
 * latency. NAN where there are no such instructions. */
__extension__ typedef float lanes __attribute__((vector_size(32)));
enum { SUMS = 12, LANES = 8 };

__attribute__((target("avx2,fma"), noinline)) static float multiply_add(int64_t rounds) {
    lanes sum[SUMS], factor, total = {0};
    for (int l = 0; l < LANES; l++) {
        factor[l] = 0.999f;
    }
    for (int i = 0; i < SUMS; i++) {
        sum[i] = factor;
    }
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++) {
            sum[i] = __builtin_ia32_vfmaddps256(sum[i], factor, factor);
        }
    }
    for (int i = 0; i < SUMS; i++) {
        total += sum[i];
    }
    return total[0];
}

static double peak_flops(void) {
    const int64_t rounds = 10000000;
    volatile float sink = 0;
    double best = 0;
    if (pare_cpu_detect() < PARE_CPU_AVX2) {
        return (double)NAN;
    }
    for (int run = 0; run < PASSES; run++) {
        double start = pare_thread_cpu_seconds();
        sink = multiply_add(rounds);
        best =
            fmax(best, 2.0 * SUMS * LANES * (double)rounds / (pare_thread_cpu_seconds() - start));
    }
    (void)sink;
    return best;
}
#else
static double peak_flops(void) {
    return (double)NAN;
}
#endif

static void deep(pare_context *ctx, const pare_fields *fields, int64_t count, const int64_t *row) {
    pare_field_spec spec = pare_field_spec_default(PARE_FIELD_MODEL_DEEPFM, 8);
    pare_field_model *model = NULL;
    int64_t *part = NULL;
    double best = 1e9, weights = 0, width = (double)(FIELDS * spec.dimension);
    must(ctx, pare_field_model_create(ctx, &spec, fields, 1, &model));
    must(ctx, pare_alloc(ctx, count, sizeof *part, &part));
    for (int64_t layer = 0; layer < spec.layers; layer++) {
        weights += width * (double)spec.units;
        width = (double)spec.units;
    }
    weights += width;
    for (int pass = 0; pass < PASSES; pass++) {
        memcpy(part, row, (size_t)count * sizeof *part);
        double start = pare_thread_cpu_seconds();
        (void)pare_field_model_fit(model, fields, count, part, 1);
        best = fmin(best, pare_thread_cpu_seconds() - start);
    }
    double reached = 6 * weights * (double)count / best, peak = peak_flops();
    bench_open("deepfm_training_pass", ctx->kernels->level);
    bench_value("rows", (double)count);
    bench_value("rows_per_cpu_second", (double)count / best);
    bench_value("gflop_per_s", reached / 1e9);
    bench_value("peak_gflop_per_s", peak / 1e9);
    bench_value("share_of_peak", reached / peak);
    bench_close();
    pare_free(ctx, part);
    pare_field_model_destroy(model);
}

/* Rows of the table, or a number given on the command line. */
int main(int argc, char **argv) {
    int64_t rows = argc > 1 ? strtoll(argv[1], NULL, 10) : 200000;
    pare_context *ctx = NULL;
    pare_fields fields;
    pare_field_model *model = NULL;
    int64_t count = 0, held = 0, *row = NULL, *held_row = NULL;
    must(NULL, pare_context_create(NULL, &ctx));
    must(ctx, pare_context_set_threads(ctx, 1));
    make(ctx, rows, &fields);
    pare_field_spec spec = pare_field_spec_default(PARE_FIELD_MODEL_FM, 8);
    spec.rate = 0.03f;
    must(ctx, pare_field_model_create(ctx, &spec, &fields, 1, &model));
    must(ctx, pare_fields_rows(&fields, false, &count, &row));
    must(ctx, pare_fields_rows(&fields, true, &held, &held_row));
    double loss = 0, auc = 0, best = 1e9, floor = 1e9;
    for (int pass = 0; pass < PASSES; pass++) {
        double start = pare_thread_cpu_seconds();
        (void)pare_field_model_fit(model, &fields, count, row, 1);
        double seconds = pare_thread_cpu_seconds() - start;
        best = seconds < best ? seconds : best;
        must(ctx, pare_field_model_score(model, &fields, held, held_row, &loss, &auc));
        seconds = floor_seconds(model, &fields, count, row);
        floor = seconds < floor ? seconds : floor;
        bench_open("fm_training_pass", ctx->kernels->level);
        bench_value("rows", (double)count);
        bench_value("ids", (double)fields.joint);
        bench_value("rows_per_cpu_second", (double)count / best);
        bench_value("floor_rows_per_cpu_second", (double)count / floor);
        bench_value("held_out_log_loss", loss);
        bench_value("held_out_auc", auc);
        bench_close();
    }
    deep(ctx, &fields, count / DEEP_SHARE, row);
    pare_free(ctx, row);
    pare_free(ctx, held_row);
    pare_field_model_destroy(model);
    pare_fields_clear(&fields);
    pare_context_destroy(ctx);
    return 0;
}
