/*
 * Block-sparse products beside the dense ones of the same shape, one thread each: OpenBLAS for many
 * rows, the dot product of each row of W for one (what generating a token costs). Also the rate
 * reached and that of the machine: of the dense product for many rows, of reading memory for one.
 */
#include "bench.h"

#include "base/random.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"

typedef struct work {
    const pare_kernels *kernels;
    int64_t size, n;
    const float *dense, *x;
    const uint16_t *dense_bf16;
    pare_block_matrix w;
    float *y;
} work;

static void *zeros(int64_t bytes) {
    void *memory = NULL;
    if (posix_memalign(&memory, PARE_ALIGNMENT, (size_t)bytes) != 0) {
        fprintf(stderr, "bench_blocks: out of memory\n");
        exit(1);
    }
    memset(memory, 0, (size_t)bytes);
    return memory;
}

static float *numbers(int64_t count, uint64_t stream) {
    float *out = zeros(count * (int64_t)sizeof *out);
    for (int64_t i = 0; i < count; i++) {
        out[i] = (float)pare_random_uniform(1, stream, (uint64_t)i) - 0.5f;
    }
    return out;
}

static uint16_t *halves(int64_t count, const float *from) {
    uint16_t *out = zeros(count * (int64_t)sizeof *out);
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        memcpy(&bits, &from[i], sizeof bits);
        out[i] = (uint16_t)(bits >> 16);
    }
    return out;
}

static void run_dense(void *argument) {
    work *w = argument;
    if (w->n > 1) {
        pare_gemm(false, true, w->n, w->size, w->size, 1, w->x, w->size, w->dense, w->size, 0, w->y,
                  w->size);
        return;
    }
    if (w->dense_bf16) {
        w->kernels->rows_dot_bf16(w->size, w->size, w->dense_bf16, 1, w->x, w->size, w->y);
    } else {
        w->kernels->rows_dot(w->size, w->size, w->dense, 1, w->x, w->size, w->y);
    }
}

static void run_blocks(void *argument) {
    work *w = argument;
    w->kernels->blocks_times(&w->w, 0, w->size / w->w.block, w->n, w->x, w->y);
}

static void measure(const work *base, int64_t block, double sparsity, bool bf16) {
    int64_t side = base->size / block, all = side * side, count = 0;
    int64_t *start = zeros((side + 1) * (int64_t)sizeof *start);
    int32_t *index = zeros(all * (int64_t)sizeof *index);
    for (int64_t i = 0; i < side; i++) {
        for (int64_t j = 0; j < side; j++) {
            if (pare_random_uniform(2, 1, (uint64_t)(i * side + j)) >= sparsity) {
                index[count++] = (int32_t)j;
            }
        }
        start[i + 1] = count;
    }
    float *value = numbers(count * block * block, 3);
    uint16_t *bits = halves(count * block * block, value);
    uint16_t *dense_bits = bf16 ? halves(base->size * base->size, base->dense) : NULL;
    work sparse = *base, dense = *base;
    sparse.w = (pare_block_matrix){base->size, base->size, block, start, index, value, NULL};
    if (bf16) {
        sparse.w.value = NULL;
        sparse.w.bf16 = bits;
        dense.dense_bf16 = dense_bits;
    }
    bench_case cases[] = {BENCH_CASE(run_dense, &dense), BENCH_CASE(run_blocks, &sparse)};
    bench_measure(2, cases);
    double work_dense = 2.0 * (double)(base->size * base->size * base->n);
    double work_sparse = 2.0 * (double)(count * block * block * base->n);
    bench_open(base->n > 1 ? "blocks_times" : "blocks_times_one", base->kernels->level);
    bench_value("size", (double)base->size);
    bench_value("rows", (double)base->n);
    bench_value("block", (double)block);
    bench_value("bf16", bf16);
    bench_value("kept", (double)count / (double)all);
    bench_seconds(cases[1].time);
    bench_value("dense_seconds_median", cases[0].time.median);
    bench_value("times_faster", cases[0].time.median / cases[1].time.median);
    bench_value("times_faster_at_best", cases[0].time.low / cases[1].time.low);
    bench_value("gflop_per_s", 1e-9 * work_sparse / cases[1].time.median);
    bench_value("dense_gflop_per_s", 1e-9 * work_dense / cases[0].time.median);
    /* The kept work at the rate of the dense product. */
    bench_value("floor_seconds", cases[0].time.median * work_sparse / work_dense);
    bench_close();
    free(start);
    free(index);
    free(value);
    free(bits);
    free(dense_bits);
}

int main(void) {
    enum { SIZE = 4096, ROWS = 256 };
    pare_blas_prepare();
    float *dense = numbers((int64_t)SIZE * SIZE, 4), *x = numbers((int64_t)ROWS * SIZE, 5);
    float *y = zeros((int64_t)ROWS * SIZE * (int64_t)sizeof *y);
    work base = {.kernels = pare_kernels_at(pare_cpu_detect()), .size = SIZE, .dense = dense};
    base.x = x;
    base.y = y;
    for (int many = 1; many >= 0; many--) {
        base.n = many ? ROWS : 1;
        for (int64_t block = 16; block <= PARE_BLOCK_MAX; block *= 2) {
            for (int bf16 = 0; bf16 < 2; bf16++) {
                measure(&base, block, 0.9, bf16 == 1);
            }
        }
    }
    free(dense);
    free(x);
    free(y);
    return 0;
}
