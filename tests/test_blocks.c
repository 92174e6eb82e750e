/* Products with block-sparse matrices at every level, against sums in double arithmetic: sizes
 * that are no multiple of the block, empty block rows, both number formats, no write elsewhere. */
#include "support.h"

#include "base/random.h"

#include <math.h>

#define EPS 0x1p-24

enum { LINES_MAX = 15, GUARD = 32 };

typedef struct sparse {
    pare_block_matrix w;
    int64_t *start;
    int32_t *index;
    float *value;
    uint16_t *bf16;
    float *dense; /* (rows, columns), of the values as bfloat16 */
} sparse;

static float draw(uint64_t stream, int64_t i) {
    return (float)pare_random_normal(stream, PARE_STREAM_TEST, (uint64_t)i);
}

/* About a third of the blocks; block row 1 is empty. Values are exact in bfloat16. */
static sparse sparse_make(int64_t rows, int64_t columns, int64_t block) {
    int64_t high = (rows + block - 1) / block, wide = (columns + block - 1) / block, count = 0;
    sparse s = {.w = {.rows = rows, .columns = columns, .block = block}};
    s.start = calloc((size_t)high + 1, sizeof *s.start);
    s.index = calloc((size_t)(high * wide), sizeof *s.index);
    s.value = calloc((size_t)(high * wide * block * block), sizeof *s.value);
    s.bf16 = calloc((size_t)(high * wide * block * block), sizeof *s.bf16);
    s.dense = calloc((size_t)(rows * columns), sizeof *s.dense);
    assert_true(s.start && s.index && s.value && s.bf16 && s.dense);
    for (int64_t i = 0; i < high; i++) {
        for (int64_t j = 0; j < wide; j++) {
            if (i == 1 || (i * wide + j) % 3 != 0) {
                continue;
            }
            s.index[count] = (int32_t)j;
            for (int64_t c = 0; c < block && j * block + c < columns; c++) {
                for (int64_t r = 0; r < block && i * block + r < rows; r++) {
                    int64_t at = (count * block + c) * block + r;
                    float value = draw(1, at);
                    uint32_t bits = 0;
                    memcpy(&bits, &value, sizeof bits);
                    bits &= 0xffff0000u;
                    memcpy(&value, &bits, sizeof value);
                    s.value[at] = value;
                    s.bf16[at] = (uint16_t)(bits >> 16);
                    s.dense[(i * block + r) * columns + j * block + c] = value;
                }
            }
            count++;
        }
        s.start[i + 1] = count;
    }
    s.w.start = s.start;
    s.w.index = s.index;
    return s;
}

static void sparse_free(sparse *s) {
    free(s->start);
    free(s->index);
    free(s->value);
    free(s->bf16);
    free(s->dense);
}

/* The product in two halves of the block rows, as two threads would compute it. */
static void check_product(const pare_kernels *k, const sparse *s, int64_t n) {
    int64_t rows = s->w.rows, columns = s->w.columns;
    int64_t high = (rows + s->w.block - 1) / s->w.block;
    float *x = calloc((size_t)(n * columns) + 1, sizeof *x);
    float *y = calloc((size_t)(n * rows + GUARD), sizeof *y);
    assert_true(x && y);
    for (int64_t i = 0; i < n * columns; i++) {
        x[i] = draw(2, i);
    }
    for (int64_t i = 0; i < n * rows + GUARD; i++) {
        y[i] = 7;
    }
    k->blocks_times(&s->w, 0, high / 2, n, x, y);
    k->blocks_times(&s->w, high / 2, high, n, x, y);
    for (int64_t t = 0; t < n; t++) {
        for (int64_t i = 0; i < rows; i++) {
            double exact = 0, size = 0;
            for (int64_t j = 0; j < columns; j++) {
                double product = (double)s->dense[i * columns + j] * (double)x[t * columns + j];
                exact += product;
                size += fabs(product);
            }
            double error = fabs((double)y[t * rows + i] - exact);
            assert_true(error <= (double)columns * EPS * size);
        }
    }
    for (int64_t i = n * rows; i < n * rows + GUARD; i++) {
        assert_true(y[i] == 7);
    }
    free(x);
    free(y);
}

static void test_products(void **state) {
    static const int64_t sizes[][2] = {{16, 16}, {64, 128}, {130, 90}, {5, 200}, {161, 33}};
    const pare_cpu_level *level = *state;
    if (pare_cpu_detect() < *level) {
        skip();
    }
    const pare_kernels *k = pare_kernels_at(*level);
    assert_non_null(k->blocks_times);
    for (int64_t block = 16; block <= PARE_BLOCK_MAX; block *= 2) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            sparse s = sparse_make(sizes[i][0], sizes[i][1], block);
            for (int64_t n = 0; n <= LINES_MAX; n += n < 3 ? 1 : 4) {
                s.w.value = s.value;
                s.w.bf16 = NULL;
                check_product(k, &s, n);
                s.w.value = NULL;
                s.w.bf16 = s.bf16;
                check_product(k, &s, n);
            }
            sparse_free(&s);
        }
    }
}

int main(void) {
    static pare_cpu_level levels[PARE_CPU_LEVELS];
    struct CMUnitTest tests[PARE_CPU_LEVELS] = {0};
    for (int level = 0; level < PARE_CPU_LEVELS; level++) {
        levels[level] = (pare_cpu_level)level;
        tests[level] = (struct CMUnitTest)cmocka_unit_test(test_products);
        tests[level].initial_state = &levels[level];
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
