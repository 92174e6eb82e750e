/* Speed of the kernels at every level of this CPU, each beside the floor the machine sets. */
#include "bench.h"

#include "base/random.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"

/* ---- The floor: a read of memory ------------------------------------------------------------ */

typedef struct read_work {
    const void *bytes; /* 64-byte aligned */
    int64_t length;    /* a multiple of 512 */
    volatile int64_t sink;
} read_work;

/* Sums a block of memory as 64-bit numbers, eight vectors at a time. */
#define READ_LOOP(name, width, attributes)                                                         \
    typedef int64_t name##_vector __attribute__((vector_size(width)));                             \
    attributes static void name(void *argument) {                                                  \
        read_work *work = argument;                                                                \
        const name##_vector *at = work->bytes;                                                     \
        int64_t vectors = work->length / (width);                                                  \
        name##_vector s0 = {0}, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;     \
        for (int64_t i = 0; i + 8 <= vectors; i += 8) {                                            \
            s0 += at[i], s1 += at[i + 1], s2 += at[i + 2], s3 += at[i + 3];                        \
            s4 += at[i + 4], s5 += at[i + 5], s6 += at[i + 6], s7 += at[i + 7];                    \
        }                                                                                          \
        s0 += s1 + s2 + s3 + s4 + s5 + s6 + s7;                                                    \
        work->sink += s0[0] + s0[1];                                                               \
    }

READ_LOOP(read_base, 16, )
#if defined(__x86_64__)
READ_LOOP(read_avx2, 32, __attribute__((target("avx2"))))
READ_LOOP(read_avx512, 64, __attribute__((target("avx512f"))))
#endif

static void (*read_at(pare_cpu_level level))(void *) {
#if defined(__x86_64__)
    if (level != PARE_CPU_BASE) {
        return level >= PARE_CPU_AVX512 ? read_avx512 : read_avx2;
    }
#endif
    (void)level;
    return read_base;
}

/* ---- Work ----------------------------------------------------------------------------------- */

static void *aligned(int64_t bytes) {
    void *memory = NULL;
    if (posix_memalign(&memory, PARE_ALIGNMENT, (size_t)bytes) != 0) {
        fprintf(stderr, "bench_kernels: out of memory\n");
        exit(1);
    }
    memset(memory, 0, (size_t)bytes);
    return memory;
}

static float *numbers(int64_t count, uint64_t stream) {
    float *out = aligned(count * (int64_t)sizeof *out);
    for (int64_t i = 0; i < count; i++) {
        out[i] = (float)pare_random_uniform(1, stream, (uint64_t)i) - 0.5f;
    }
    return out;
}

typedef struct table_work {
    const pare_kernels *kernels;
    int64_t rows, columns;
    const float *x, *r;
    const uint8_t *u8;
    double *sum, *square;
} table_work;

static void run_columns_dot(void *argument) {
    table_work *work = argument;
    work->kernels->columns_dot(work->rows, work->columns, work->x, work->columns, work->r,
                               work->sum);
}

static void run_columns_dot_u8(void *argument) {
    table_work *work = argument;
    work->kernels->columns_dot_u8(work->rows, work->columns, work->u8, work->columns, work->r,
                                  work->sum);
}

static void run_columns_moments(void *argument) {
    table_work *work = argument;
    work->kernels->columns_moments(work->rows, work->columns, work->x, work->columns, NULL, NULL,
                                   work->sum, work->square);
}

/* 400 MB of floats and 100 MB of bytes: far beyond any cache of this class of machine. */
static void bench_columns(pare_cpu_level best) {
    const int64_t rows = 20000, columns = 5000, cells = rows * columns;
    float *r = numbers(rows, 2);
    float *x = aligned(cells * (int64_t)sizeof *x);
    uint8_t *u8 = aligned(cells);
    for (int64_t i = 0; i < cells; i++) {
        x[i] = (float)(i % 1021) - 510.0f;
        u8[i] = (uint8_t)(i % 251);
    }
    double *sum = aligned(columns * 8), *square = aligned(columns * 8);
    for (int level = PARE_CPU_BASE; level <= (int)best; level++) {
        const pare_kernels *kernels = pare_kernels_at((pare_cpu_level)level);
        table_work work = {kernels, rows, columns, x, r, u8, sum, square};
        read_work whole = {x, cells * 4, 0}, bytes = {u8, cells / 512 * 512, 0};
        bench_case cases[] = {BENCH_CASE(read_at((pare_cpu_level)level), &whole),
                              BENCH_CASE(run_columns_dot, &work),
                              BENCH_CASE(run_columns_moments, &work),
                              BENCH_CASE(read_at((pare_cpu_level)level), &bytes),
                              BENCH_CASE(run_columns_dot_u8, &work)};
        bench_measure(5, cases);
        static const char *const names[] = {"", "columns_dot", "columns_moments", "",
                                            "columns_dot_u8"};
        static const int floors[] = {0, 0, 0, 3, 3};
        for (int c = 0; c < 5; c++) {
            if (!names[c][0]) {
                continue;
            }
            double gigabytes = 1e-9 * (double)(cells * (floors[c] == 0 ? 4 : 1));
            double floor = gigabytes / cases[floors[c]].time.median;
            bench_open(names[c], kernels->level);
            bench_value("rows", (double)rows);
            bench_value("columns", (double)columns);
            bench_seconds(cases[c].time);
            bench_value("gb_per_s", gigabytes / cases[c].time.median);
            bench_value("floor_gb_per_s", floor);
            bench_value("share_of_floor", cases[floors[c]].time.median / cases[c].time.median);
            bench_close();
        }
    }
    free(r);
    free(x);
    free(u8);
    free(sum);
    free(square);
}

enum { SPARSE_ROWS = 349, SPARSE_FEATURES = 784, SPARSE_WIDTH = 80, SIDE = 28 };

typedef struct sparse_work {
    const pare_kernels *kernels;
    int64_t *start;
    int32_t *index;
    float *value;
    const float *w;
    float *out;
} sparse_work;

static void run_sparse(void *argument) {
    sparse_work *work = argument;
    const pare_rows_of x = {.rows = SPARSE_ROWS,
                            .features = SPARSE_FEATURES,
                            .start = work->start,
                            .index = work->index,
                            .value = work->value};
    work->kernels->sparse_times(&x, SPARSE_WIDTH, SPARSE_WIDTH, work->w, work->out);
}

/* Like MNIST: a 28 x 28 image with about 150 pixels set, dense in the middle, none at the edge. */
static void bench_sparse(pare_cpu_level best) {
    sparse_work work = {0};
    work.start = aligned((SPARSE_ROWS + 1) * (int64_t)sizeof *work.start);
    work.index = aligned((int64_t)SPARSE_ROWS * SPARSE_FEATURES * (int64_t)sizeof *work.index);
    work.value = numbers((int64_t)SPARSE_ROWS * SPARSE_FEATURES, 3);
    work.w = numbers((int64_t)SPARSE_FEATURES * SPARSE_WIDTH, 4);
    work.out = aligned((int64_t)SPARSE_ROWS * SPARSE_WIDTH * (int64_t)sizeof(float));
    int64_t count = 0;
    for (int64_t i = 0; i < SPARSE_ROWS; i++) {
        for (int j = 0; j < SPARSE_FEATURES; j++) {
            double down = (j / SIDE - 13.5) / 13.5, across = (j % SIDE - 13.5) / 13.5;
            double chance = 0.55 - 0.7 * (down * down + across * across);
            uint64_t draw = (uint64_t)(i * SPARSE_FEATURES + j);
            if (pare_random_uniform(1, 5, draw) < chance) {
                work.index[count++] = j;
            }
        }
        work.start[i + 1] = count;
    }
    double flops = 2.0 * (double)count * SPARSE_WIDTH;
    for (int level = PARE_CPU_BASE; level <= (int)best; level++) {
        work.kernels = pare_kernels_at((pare_cpu_level)level);
        bench_case one = BENCH_CASE(run_sparse, &work);
        bench_measure(1, &one);
        bench_open("sparse_times", work.kernels->level);
        bench_value("rows", SPARSE_ROWS);
        bench_value("nonzeros_per_row", (double)count / SPARSE_ROWS);
        bench_value("width", SPARSE_WIDTH);
        bench_seconds(one.time);
        bench_value("gflop_per_s", 1e-9 * flops / one.time.median);
        bench_close();
    }
    free(work.start);
    free(work.index);
    free(work.value);
    free((void *)(uintptr_t)work.w);
    free(work.out);
}

typedef struct vector_work {
    const pare_kernels *kernels;
    int64_t n;
    const float *g;
    float *w, *m, *v;
} vector_work;

static void run_adam(void *argument) {
    vector_work *work = argument;
    const pare_adam step = {1e-3f, 0.9f, 0.999f, 1e-8f, 0, 1};
    work->kernels->adam(work->n, &step, work->g, work->w, work->m, work->v);
}

/* The same traffic without arithmetic worth the name: three updates in place and one read. */
static void run_adam_floor(void *argument) {
    vector_work *work = argument;
    work->kernels->axpy(work->n, 1e-9f, work->g, work->w);
    work->kernels->scale(work->n, 0.999f, work->m, work->m);
    work->kernels->scale(work->n, 0.999f, work->v, work->v);
}

static void run_exponential(void *argument) {
    vector_work *work = argument;
    work->kernels->exponential(work->n, work->g, work->m);
}

static void run_relu(void *argument) {
    vector_work *work = argument;
    work->kernels->relu(work->n, work->g, work->m);
}

static void run_dot(void *argument) {
    vector_work *work = argument;
    work->v[0] = work->kernels->dot(work->n, work->g, work->w);
}

static void bench_vectors(pare_cpu_level best) {
    vector_work work = {.n = 52336}; /* parameters of a 617-67-26 network, about */
    float *g = numbers(work.n, 6);
    work.g = g;
    work.w = numbers(work.n, 7);
    work.m = numbers(work.n, 8);
    work.v = aligned(work.n * (int64_t)sizeof(float));
    for (int level = PARE_CPU_BASE; level <= (int)best; level++) {
        work.kernels = pare_kernels_at((pare_cpu_level)level);
        bench_case cases[] = {BENCH_CASE(run_adam_floor, &work), BENCH_CASE(run_adam, &work),
                              BENCH_CASE(run_exponential, &work), BENCH_CASE(run_relu, &work),
                              BENCH_CASE(run_dot, &work)};
        static const char *const names[] = {"adam_floor", "adam", "exponential", "relu", "dot"};
        bench_measure(5, cases);
        for (int c = 1; c < 5; c++) {
            bench_open(names[c], work.kernels->level);
            bench_value("n", (double)work.n);
            bench_seconds(cases[c].time);
            bench_value("ns_per_item", 1e9 * cases[c].time.median / (double)work.n);
            if (c == 1) {
                bench_value("floor_ns_per_item", 1e9 * cases[0].time.median / (double)work.n);
            }
            bench_close();
        }
    }
    free(g);
    free(work.w);
    free(work.m);
    free(work.v);
}

/* ---- Dense products through BLAS ------------------------------------------------------------ */

typedef struct product_work {
    bool transpose;
    int64_t m, n, k, lda, ldb;
    const float *a, *b;
    float *c;
} product_work;

static void run_product(void *argument) {
    product_work *work = argument;
    pare_gemm(work->transpose, false, work->m, work->n, work->k, 1, work->a, work->lda, work->b,
              work->ldb, 0, work->c, work->ldb);
}

/* The products of a first layer of 67 units: forward x W, and the gradient x' d. Padded to 80
 * columns the work counted is still that of 67: the time says which layout is better. */
static void bench_products(void) {
    static const struct {
        const char *name;
        bool transpose;
        int64_t m, k, lda;
    } shapes[] = {{"gemm 349x784 784x67", false, 349, 784, 784},
                  {"gemm 784x349 349x67", true, 784, 349, 784},
                  {"gemm 64x617 617x67", false, 64, 617, 617},
                  {"gemm 617x64 64x67", true, 617, 64, 617}};
    float *a = numbers(349 * 784, 9), *b = numbers(784 * 80, 10), *c = numbers(784 * 80, 11);
    for (int s = 0; s < 4; s++) {
        product_work plain = {
            shapes[s].transpose, shapes[s].m, 67, shapes[s].k, shapes[s].lda, 67, a, b, c};
        product_work padded = plain;
        padded.n = padded.ldb = 80;
        bench_case cases[] = {BENCH_CASE(run_product, &plain), BENCH_CASE(run_product, &padded)};
        bench_measure(2, cases);
        for (int i = 0; i < 2; i++) {
            double flops = 2.0 * (double)(plain.m * plain.n * plain.k);
            bench_open(shapes[s].name, "blas");
            bench_value("columns", i == 0 ? 67 : 80);
            bench_seconds(cases[i].time);
            bench_value("useful_gflop_per_s", 1e-9 * flops / cases[i].time.median);
            bench_close();
        }
    }
    free(a);
    free(b);
    free(c);
}

int main(void) {
    pare_cpu_level best = pare_cpu_detect();
    pare_blas_prepare();
    bench_columns(best);
    bench_sparse(best);
    bench_vectors(best);
    bench_products();
    return 0;
}
