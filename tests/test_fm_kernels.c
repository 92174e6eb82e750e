/* The kernels of factorisation machines at every level, against the sums in double arithmetic. */
#include "support.h"

#include "base/random.h"

#include <math.h>

enum { FIELDS = 9, ROWS = 23, SHAPES = 4 };
#define EPS 0x1p-24

typedef struct machine {
    pare_fm fm;
    pare_fm_row row;
    float *mask, *table, *extra;
    int32_t index[FIELDS];
    float value[FIELDS];
} machine;

static double draw(uint64_t stream, int64_t i) {
    return pare_random_normal(stream, PARE_STREAM_TEST, (uint64_t)i);
}

static float *lines(int64_t count) {
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 64, (size_t)count * sizeof(float)), 0);
    memset(memory, 0, (size_t)count * sizeof(float));
    return memory;
}

/* Shapes: vectors of 5 and of 12 floats in one line, then of two and three lines. */
static int64_t stride_of(int64_t shape) {
    return PARE_FM_LINE * (shape == 0 ? 1 : shape);
}

static int64_t places_of(int64_t shape) {
    return shape == 0 ? 5 : stride_of(shape) - PARE_FM_HEAD;
}

static void machine_make(machine *m, int64_t shape, bool valued) {
    int64_t stride = stride_of(shape), places = places_of(shape);
    m->mask = lines(FIELDS * stride);
    m->table = lines(ROWS * stride);
    m->extra = lines(FIELDS * stride);
    m->fm = (pare_fm){FIELDS, stride, m->mask, m->table, places};
    for (int64_t i = 0; i < ROWS * stride; i++) {
        int64_t place = i % stride;
        m->table[i] = place == 1 || place == 2 ? 1.0f : (float)draw(1, i);
        m->table[i] = place == 3 || place >= PARE_FM_HEAD + places ? 0 : m->table[i];
    }
    for (int64_t i = 0; i < FIELDS * stride; i++) {
        int64_t place = i % stride;
        bool state = (place > 0 && place < PARE_FM_HEAD) || place >= PARE_FM_HEAD + places;
        m->mask[i] = state || i % 5 == 2 ? 0 : (float)fabs(draw(2, i));
        m->extra[i] = state ? 0 : (float)draw(3, i);
    }
    for (int64_t f = 0; f < FIELDS; f++) {
        m->index[f] = f == 4 ? -1 : (int32_t)(f * 2);
        m->value[f] = (float)draw(4, f);
    }
    m->row = (pare_fm_row){m->index, valued ? m->value : NULL};
}

static void machine_free(machine *m) {
    free(m->mask);
    free(m->table);
    free(m->extra);
}

static double embedding(const machine *m, const float *table, int64_t f, int64_t l) {
    if (m->index[f] < 0) {
        return 0;
    }
    double x = m->row.value ? (double)m->value[f] : 1;
    return x * (double)m->mask[f * m->fm.stride + l] *
           (double)table[m->index[f] * m->fm.stride + l];
}

/* The machine as the sum over pairs, plus <extra, e>. */
static double whole(const machine *m, double slope, bool extra) {
    double linear = 0, pairs = 0, other = 0;
    for (int64_t f = 0; f < FIELDS; f++) {
        linear += embedding(m, m->table, f, 0);
        for (int64_t l = 0; l < m->fm.stride; l++) {
            double e = embedding(m, m->table, f, l);
            other += (double)m->extra[f * m->fm.stride + l] * e;
            for (int64_t h = 0; h < f && l >= PARE_FM_HEAD; h++) {
                pairs += e * embedding(m, m->table, h, l);
            }
        }
    }
    return slope * (linear + pairs) + (extra ? other : 0);
}

/* Forward equals the sum over pairs; slopes are its central differences, by mask and by table. */
static void test_slopes(void **state) {
    const pare_cpu_level *level = *state;
    if (pare_cpu_detect() < *level) {
        skip();
    }
    const pare_kernels *k = pare_kernels_at(*level);
    for (int kind = 0; kind < 4 * SHAPES; kind++) {
        int64_t stride = stride_of(kind / 4), places = places_of(kind / 4);
        bool valued = kind & 1, extra = (kind & 2) != 0;
        const float slope = -0.7f;
        machine m;
        machine_make(&m, kind / 4, valued);
        float *sum = lines(stride), *gradient = lines(ROWS * stride);
        float *d_mask = lines(FIELDS * stride);
        double y = (double)k->fm_forward(&m.fm, &m.row, sum);
        assert_true(fabs(y - whole(&m, 1, false)) < 4000 * EPS * (1 + fabs(y)) * (double)stride);
        k->fm_slopes(&m.fm, &m.row, sum, slope, extra ? m.extra : NULL, gradient, d_mask);
        for (int part = 0; part < 2; part++) {
            float *at = part ? m.mask : m.table, *got = part ? d_mask : gradient;
            for (int64_t i = 0; i < (part ? FIELDS : ROWS) * stride; i++) {
                int64_t place = i % stride;
                if ((place > 0 && place < PARE_FM_HEAD) || place >= PARE_FM_HEAD + places) {
                    continue; /* states: the kernels leave them alone; and places not in use */
                }
                /* Quadratic at most: any step gives the derivative. */
                float before = at[i];
                at[i] = before + 0.5f;
                double high = whole(&m, (double)slope, extra);
                at[i] = before - 0.5f;
                double d = (high - whole(&m, (double)slope, extra)) / 1.0;
                at[i] = before;
                assert_true(fabs(d - (double)got[i]) < 4000 * EPS * (1 + fabs(d)));
            }
        }
        machine_free(&m);
        free(sum);
        free(gradient);
        free(d_mask);
    }
}

/* One AdaGrad step from the gradient that slopes gives. */
static void test_update(void **state) {
    const pare_cpu_level *level = *state;
    if (pare_cpu_detect() < *level) {
        skip();
    }
    const pare_kernels *k = pare_kernels_at(*level);
    for (int kind = 0; kind < 4 * SHAPES; kind++) {
        int64_t stride = stride_of(kind / 4), places = places_of(kind / 4);
        machine m;
        machine_make(&m, kind / 4, kind & 1);
        const float *extra = kind & 2 ? m.extra : NULL;
        const pare_adagrad step = {0.1f, 0.01f, 1.0f / (float)places};
        float *sum = lines(stride), *gradient = lines(ROWS * stride), *old = lines(ROWS * stride);
        k->fm_forward(&m.fm, &m.row, sum);
        k->fm_slopes(&m.fm, &m.row, sum, 0.3f, extra, gradient, NULL);
        memcpy(old, m.table, (size_t)(ROWS * stride) * sizeof *old);
        k->fm_update(&m.fm, &m.row, sum, 0.3f, extra, &step);
        for (int64_t r = 0; r < ROWS; r++) {
            bool used = false;
            for (int64_t f = 0; f < FIELDS; f++) {
                used = used || m.index[f] == r;
            }
            const float *was = old + r * stride, *now = m.table + r * stride;
            if (!used) {
                assert_memory_equal(was, now, (size_t)stride * sizeof *now);
                continue;
            }
            double square = 0, g[PARE_FM_STRIDE_MAX];
            for (int64_t l = 0; l < stride; l++) {
                g[l] = (double)gradient[r * stride + l] + (double)step.decay * (double)was[l];
                square += l >= PARE_FM_HEAD ? g[l] * g[l] : 0;
            }
            double linear = (double)was[1] + g[0] * g[0];
            double vector = (double)was[2] + (double)step.per_lane * square;
            assert_true(fabs(linear - (double)now[1]) < 1e-5 * linear);
            assert_true(fabs(vector - (double)now[2]) < 1e-5 * vector);
            assert_true(now[3] == 0);
            for (int64_t l = 0; l < stride; l += l ? 1 : PARE_FM_HEAD) {
                double expected =
                    (double)was[l] - (double)step.rate / sqrt(l ? vector : linear) * g[l];
                assert_true(fabs(expected - (double)now[l]) < 1e-5 * (1 + fabs(expected)));
            }
        }
        machine_free(&m);
        free(sum);
        free(gradient);
        free(old);
    }
}

/* The term of a candidate is what the machine loses where its mask is 0. */
static void test_terms(void **state) {
    const pare_cpu_level *level = *state;
    if (pare_cpu_detect() < *level) {
        skip();
    }
    const pare_kernels *k = pare_kernels_at(*level);
    for (int kind = 0; kind < 2 * 3 * SHAPES; kind++) {
        int64_t shape = kind / 6, stride = stride_of(shape), places = places_of(shape);
        int64_t chunk = (int64_t[]){4, 3, 8}[kind / 2 % 3];
        int64_t chunks = (places + chunk - 1) / chunk;
        machine m;
        machine_make(&m, shape, kind & 1);
        float *sum = lines(stride), *out = lines(FIELDS * (1 + places)), *was = lines(stride);
        k->fm_forward(&m.fm, &m.row, sum);
        k->fm_terms(&m.fm, &m.row, sum, m.mask, chunk, out);
        double all = whole(&m, 1, false);
        for (int64_t f = 0; f < FIELDS; f++) {
            for (int64_t c = 0; c <= chunks; c++) {
                int64_t first = c ? PARE_FM_HEAD + (c - 1) * chunk : 0, end = first + 1;
                end = c == 0                                  ? end
                      : first + chunk < PARE_FM_HEAD + places ? first + chunk
                                                              : PARE_FM_HEAD + places;
                size_t bytes = (size_t)(end - first) * sizeof *was;
                memcpy(was, m.mask + f * stride + first, bytes);
                memset(m.mask + f * stride + first, 0, bytes);
                double lost = all - whole(&m, 1, false), got = (double)out[f * (chunks + 1) + c];
                assert_true(fabs(lost - got) < 4000 * EPS * (1 + fabs(all)));
                memcpy(m.mask + f * stride + first, was, bytes);
            }
        }
        machine_free(&m);
        free(sum);
        free(out);
        free(was);
    }
}

int main(void) {
    enum { TESTS = 3 };
    static pare_cpu_level levels[PARE_CPU_LEVELS];
    struct CMUnitTest tests[TESTS * PARE_CPU_LEVELS] = {0};
    for (int level = 0; level < PARE_CPU_LEVELS; level++) {
        levels[level] = (pare_cpu_level)level;
        const struct CMUnitTest each[TESTS] = {cmocka_unit_test(test_slopes),
                                               cmocka_unit_test(test_update),
                                               cmocka_unit_test(test_terms)};
        for (int i = 0; i < TESTS; i++) {
            tests[TESTS * level + i] = each[i];
            tests[TESTS * level + i].initial_state = &levels[level];
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
