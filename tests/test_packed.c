/* The kernels on two-bit codes at every level: whole numbers leave no freedom, so each gives the
 * sum itself, for odd sizes, unaligned places and the largest values, and writes nothing else. */
#include "guarded_support.h"

#include "base/random.h"

enum { COLUMNS = 3, PLANES = 8 };

static const int64_t sizes[] = {0,  1,  2,  3,  15,  16,  31,  32,   33,
                                63, 64, 65, 66, 127, 128, 513, 1027, 3001};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void test_packed(void **state) {
    const pare_kernels *k = table_of(state);
    static const uint8_t tables[3][4] = {{2, 0, 1, 0}, {0, 0, 1, 0}, {0, 1, 0, 0}};
    for (int s = 0; s < 3 * SIZES; s++) {
        int64_t bytes = sizes[s / 3], stride = bytes + s % 3, planes = 1 + s % PLANES;
        int64_t blocks = (bytes + PARE_PACKED_BYTES - 1) / PARE_PACKED_BYTES;
        guarded bits = guarded_make(COLUMNS * stride, 1, s % 5);
        guarded planes_of = guarded_make(blocks * planes * PARE_PACKED_ROWS, 1, s % 7);
        guarded dots = guarded_make(COLUMNS * planes, sizeof(int64_t), 0);
        guarded values = guarded_make(4 * COLUMNS, sizeof(int32_t), s % 3);
        guarded sums = guarded_make(4 * bytes, sizeof(int32_t), s % 4);
        uint8_t *x = bits.at;
        int8_t *r = planes_of.at;
        int64_t *dot = dots.at;
        int32_t *value = values.at, *sum = sums.at;
        for (int64_t i = 0; i < COLUMNS * stride; i++) {
            x[i] = (uint8_t)pare_random_bits(20, PARE_STREAM_TEST, (uint64_t)i);
        }
        for (int64_t i = 0; i < blocks * planes * PARE_PACKED_ROWS; i++) {
            r[i] = (int8_t)(s % 2 ? -128 : (int)pare_random_below(21, 9, (uint64_t)i, 256) - 128);
            r[i] = i / PARE_PACKED_ROWS / planes * PARE_PACKED_BYTES + i % PARE_PACKED_BYTES < bytes
                       ? r[i]
                       : 0;
        }
        for (int64_t i = 0; i < COLUMNS * planes; i++) {
            dot[i] = i;
        }
        for (int i = 0; i < 4 * COLUMNS; i++) {
            value[i] = (int32_t)(i * 1000003 - 5000000);
        }
        memset(sum, 0, (size_t)(4 * bytes) * sizeof *sum);
        const pare_packed view = {COLUMNS, bytes, stride, x};
        k->packed_dot(&view, tables[s % 3], planes, r, dot);
        k->packed_add(&view, value, sum);
        for (int64_t j = 0; j < COLUMNS; j++) {
            for (int64_t q = 0; q < planes; q++) {
                int64_t exact = j * planes + q;
                for (int64_t i = 0; i < 4 * bytes; i++) {
                    int code = x[j * stride + i / 4] >> 2 * (i % 4) & 3;
                    int64_t block = i / PARE_PACKED_ROWS * planes + q;
                    int64_t place = i % 4 * PARE_PACKED_BYTES + i / 4 % PARE_PACKED_BYTES;
                    exact += tables[s % 3][code] * r[block * PARE_PACKED_ROWS + place];
                }
                assert_int_equal(dot[j * planes + q], exact);
            }
        }
        for (int64_t i = 0; i < 4 * bytes; i++) {
            int32_t exact = 0;
            for (int64_t j = 0; j < COLUMNS; j++) {
                exact += value[4 * j + (x[j * stride + i / 4] >> 2 * (i % 4) & 3)];
            }
            assert_int_equal(sum[i], exact);
        }
        guarded_check(&bits);
        guarded_check(&planes_of);
        guarded_check(&dots);
        guarded_check(&values);
        guarded_check(&sums);
    }
}

int main(void) {
    static pare_cpu_level levels[PARE_CPU_LEVELS];
    struct CMUnitTest tests[PARE_CPU_LEVELS] = {{0}};
    for (int level = 0; level < PARE_CPU_LEVELS; level++) {
        levels[level] = (pare_cpu_level)level;
        tests[level] = (struct CMUnitTest){.name = pare_cpu_level_name(levels[level]),
                                           .test_func = test_packed,
                                           .initial_state = &levels[level]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
