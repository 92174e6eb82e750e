/* Decimal to float: always the nearest, against strtof and strtod (correctly rounded in the C
 * library), on random and on hard decimals. */
#include "readers_support.h"

#include <float.h>

#include "base/random.h"

static uint32_t float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Both ways must agree with strtof; the quick one may decline. */
static void check(const char *text) {
    const unsigned char *begin = (const unsigned char *)text, *end = begin + strlen(text);
    float wanted = strtof(text, NULL), careful = 0, quick = 0;
    double wanted_double = strtod(text, NULL), careful_double = 0;
    pare_cell cell = pare_cell_parse(begin, end, &careful);
    if (cell != (isinf(wanted) ? PARE_CELL_INFINITE : PARE_CELL_NUMBER) ||
        float_bits(careful) != float_bits(wanted)) {
        fail_msg("%s: %.9g, expected %.9g", text, (double)careful, (double)wanted);
    }
    cell = pare_cell_parse_double(begin, end, &careful_double);
    if (cell != (isinf(wanted_double) ? PARE_CELL_INFINITE : PARE_CELL_NUMBER) ||
        memcmp(&careful_double, &wanted_double, sizeof wanted_double) != 0) {
        fail_msg("%s: %.17g, expected %.17g", text, careful_double, wanted_double);
    }
    static unsigned char padded[8192];
    assert_true(end - begin + PARE_NUMBER_PAD < (int64_t)sizeof padded);
    memset(padded, '7', sizeof padded);
    memcpy(padded, text, (size_t)(end - begin));
    padded[end - begin] = ',';
    begin = padded;
    end = padded + strlen(text);
    const unsigned char *stop = pare_number_quick(begin, &quick);
    if (stop != begin && (stop != end || float_bits(quick) != float_bits(wanted))) {
        fail_msg("%s: quick %.9g, expected %.9g", text, (double)quick, (double)wanted);
    }
}

static void test_fixed(void **state) {
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "0.0",
                                        "1",
                                        "-1",
                                        "16777216",
                                        "16777217",
                                        "16777218",
                                        "16777219",
                                        "9007199254740993",
                                        "3.4028235e38",
                                        "3.4028236e38",
                                        "3.4028235677973366e38",
                                        "3.4028235677973367e38",
                                        "1e39",
                                        "1e400",
                                        "-1e400",
                                        "1e-400",
                                        "1.17549435e-38",
                                        "1.1754943e-38",
                                        "1e-45",
                                        "7.0064923216240853e-46",
                                        "7.0064923216240854e-46",
                                        "7.0064923216240862e-46",
                                        "0.000000000000000000000000000000000000000000000000001e50",
                                        "100000000000000000000000000000000000000000000e-44",
                                        "1e0000000000000000001",
                                        "1e99999999999999999999",
                                        "1e-99999999999999999999",
                                        "0e99999999999999999999",
                                        "0.1",
                                        "0.2",
                                        "0.3",
                                        "1e22",
                                        "1e23",
                                        "1e-22",
                                        "1e-23",
                                        "9007199254740991e22",
                                        "123456789012345678",
                                        "1234567890123456789",
                                        "12345678901234567890",
                                        "1.00000005960464477539062500",
                                        "1.00000005960464477539062501",
                                        "1.00000005960464477539062499",
                                        "1.000000178813934326171875",
                                        "1.0000001788139343261718751",
                                        "8388609.5",
                                        "8388610.5",
                                        "8388609.50000000000000000001",
                                        "5e-324",
                                        "2.2250738585072011e-308",
                                        "1.7976931348623159e308",
                                        "4.35",
                                        "0.000001",
                                        "00000000000000000000000000001.5",
                                        "+12.5",
                                        "+.5e+1",
                                        "1.",
                                        "-.25"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        check(texts[i]);
    }
}

static void test_random_decimals(void **state) {
    (void)state;
    char text[64];
    for (uint64_t i = 0; i < 400000; i++) {
        uint64_t bits = pare_random_bits(7, PARE_STREAM_TEST, i);
        int digits = 1 + (int)(bits % 19), point = (int)(bits / 32 % 20);
        uint64_t number = pare_random_bits(8, PARE_STREAM_TEST, i);
        int64_t power = pare_random_below(9, PARE_STREAM_TEST, i, 100) - 55;
        char all[24];
        snprintf(all, sizeof all, "%020llu", (unsigned long long)number);
        point = point < digits ? point : digits;
        int length = snprintf(text, sizeof text, "%s%.*s%s%.*s", bits >> 40 & 1 ? "-" : "", point,
                              all, bits >> 41 & 1 || point == 0 ? "." : "",
                              bits >> 41 & 1 || point == 0 ? digits - point : 0, all + point);
        if (bits >> 42 & 1) {
            snprintf(text + length, sizeof text - (size_t)length, "e%lld", (long long)power);
        }
        check(text);
    }
}

/* Around the middle of two neighbouring floats, where rounding twice goes wrong: the exact middle,
 * and one unit of a far digit above and below it. */
static void test_middles(void **state) {
    (void)state;
    char text[400];
    for (uint64_t i = 0; i < 60000; i++) {
        uint32_t bits = (uint32_t)pare_random_bits(10, PARE_STREAM_TEST, i) & 0x7fffffff;
        if (i % 4 == 0) {
            bits &= 0x00ffffff; /* small and denormal */
        } else if (i % 4 == 1) {
            bits = 0x3f800000 + (bits & 0x0fffffff) / 3; /* the sizes of data */
        }
        float low, high;
        memcpy(&low, &bits, sizeof low);
        bits++;
        memcpy(&high, &bits, sizeof high);
        if (!isfinite(low) || !isfinite(high)) {
            continue;
        }
        double middle = 0.5 * ((double)low + (double)high);
        int length = snprintf(text, sizeof text, "%.170e", middle);
        check(text);
        /* The digits of a middle end early or after 113; the last of 170 is a free one. */
        char *last = strchr(text, 'e') - 1;
        assert_true(length > 170);
        *last = '1';
        check(text);
        snprintf(text, sizeof text, "%.170e", nextafter(middle, 0));
        check(text);
        double near = middle;
        for (int step = 0; step < 7; step++) {
            for (int digits = 16; digits <= 19; digits++) {
                snprintf(text, sizeof text, "%.*g", digits, near);
                check(text);
            }
            near = nextafter(near, i % 2 ? 0 : INFINITY);
        }
        snprintf(text, sizeof text, "%.9g", (double)low);
        check(text);
        assert_int_equal(float_bits(strtof(text, NULL)), float_bits(low));
    }
}

/* More digits than any buffer: only whether something follows matters. */
static void test_long(void **state) {
    (void)state;
    enum { DIGITS = 5000 };
    char *text = malloc(DIGITS + 64);
    assert_non_null(text);
    for (int tail = 0; tail < 2; tail++) {
        /* 1 + 2^-24 is the middle between 1 and the next float. */
        int length = sprintf(text, "1.000000059604644775390625");
        memset(text + length, '0', DIGITS);
        sprintf(text + DIGITS, tail ? "1" : "0");
        check(text);
        memset(text, '9', DIGITS);
        sprintf(text + DIGITS, "e-%d", DIGITS - 3);
        check(text);
        memset(text, '0', DIGITS);
        sprintf(text + DIGITS, "12.5");
        check(text);
        sprintf(text, "0.");
        memset(text + 2, '0', DIGITS);
        sprintf(text + DIGITS + 2, "125e%d", DIGITS);
        check(text);
    }
    free(text);
}

static void test_not_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        pare_cell cell;
    } cases[] = {{"", PARE_CELL_MISSING},      {" \t ", PARE_CELL_MISSING},
                 {"?", PARE_CELL_MISSING},     {"NA", PARE_CELL_MISSING},
                 {"n/a", PARE_CELL_MISSING},   {"#N/A", PARE_CELL_MISSING},
                 {"NULL", PARE_CELL_MISSING},  {" NaN ", PARE_CELL_MISSING},
                 {"-nan", PARE_CELL_MISSING},  {"inf", PARE_CELL_INFINITE},
                 {"+Inf", PARE_CELL_INFINITE}, {"-INFINITY", PARE_CELL_INFINITE},
                 {"1e39", PARE_CELL_INFINITE}, {"0x10", PARE_CELL_TEXT},
                 {"1,000", PARE_CELL_TEXT},    {"1_000", PARE_CELL_TEXT},
                 {"1 2", PARE_CELL_TEXT},      {"1e", PARE_CELL_TEXT},
                 {"1e+", PARE_CELL_TEXT},      {"e5", PARE_CELL_TEXT},
                 {".", PARE_CELL_TEXT},        {"-", PARE_CELL_TEXT},
                 {"+", PARE_CELL_TEXT},        {"1d5", PARE_CELL_TEXT},
                 {"1f", PARE_CELL_TEXT},       {"1.5.2", PARE_CELL_TEXT},
                 {"--1", PARE_CELL_TEXT},      {"infinite", PARE_CELL_TEXT},
                 {"nan(0)", PARE_CELL_TEXT},   {"None", PARE_CELL_TEXT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float value;
        const unsigned char *text = (const unsigned char *)cases[i].text;
        pare_cell cell = pare_cell_parse(text, text + strlen(cases[i].text), &value);
        if (cell != cases[i].cell) {
            fail_msg("'%s': %d, expected %d", cases[i].text, cell, cases[i].cell);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),       cmocka_unit_test(test_random_decimals),
        cmocka_unit_test(test_middles),     cmocka_unit_test(test_long),
        cmocka_unit_test(test_not_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
