#include "data/reader.h"

#include <math.h>
#include <stdlib.h>

const double pare_power_of_ten[PARE_POWER_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11, 1e12,
    1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25,
    1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38,
    1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50, 1e51,
    1e52, 1e53, 1e54, 1e55, 1e56, 1e57, 1e58, 1e59, 1e60, 1e61, 1e62, 1e63, 1e64,
};
const uint64_t pare_power_small[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};

static bool is_blank(unsigned char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void trim(const unsigned char **begin, const unsigned char **end) {
    while (*begin < *end && is_blank(**begin)) {
        (*begin)++;
    }
    while (*begin < *end && is_blank((*end)[-1])) {
        (*end)--;
    }
}

static bool same_word(const unsigned char *begin, int64_t length, const char *word) {
    if ((int64_t)strlen(word) != length) {
        return false;
    }
    for (int64_t i = 0; i < length; i++) {
        unsigned char byte = begin[i];
        byte = byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
        if (byte != (unsigned char)word[i]) {
            return false;
        }
    }
    return true;
}

bool pare_cell_missing(const unsigned char *begin, const unsigned char *end) {
    static const char *const words[] = {"?", "na", "nan", "n/a", "null", "#n/a", "<na>", "-nan"};
    trim(&begin, &end);
    int64_t length = end - begin;
    if (length == 0) {
        return true;
    }
    /* Nearly all texts are told by their length or their first byte. */
    if (length > 4 || !strchr("?nN#<-", *begin)) {
        return false;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (same_word(begin, length, words[i])) {
            return true;
        }
    }
    return false;
}

/*
 * A decimal rewritten as [-]digits e exponent, without a point: what strtod reads the same in
 * every locale. The middle between two neighbouring doubles has at most 768 significant digits
 * (floats: 113), so longer ones only need to be known as "a little more": their tail becomes one
 * digit.
 */
enum { DIGITS_MAX = 800 };

typedef struct decimal {
    char text[DIGITS_MAX + 32];
} decimal;

/* "e-123" and the final zero. */
static void write_exponent(int64_t exponent, char *out) {
    char digits[24];
    int count = 0;
    *out++ = 'e';
    if (exponent < 0) {
        *out++ = '-';
        exponent = -exponent;
    }
    do {
        digits[count++] = (char)('0' + exponent % 10);
        exponent /= 10;
    } while (exponent > 0);
    while (count > 0) {
        *out++ = digits[--count];
    }
    *out = '\0';
}

static bool read_decimal(const unsigned char *p, const unsigned char *end, decimal *out) {
    const int64_t far = INT64_C(100000000);
    int64_t length = 0, kept = 0, exponent = 0, digits = 0;
    bool point = false, tail = false;
    if (p < end && (*p == '+' || *p == '-')) {
        if (*p == '-') {
            out->text[length++] = '-';
        }
        p++;
    }
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        if (*p < '0' || *p > '9') {
            break;
        }
        digits++;
        if (kept == 0 && *p == '0') {
            exponent -= point; /* a leading zero */
        } else if (kept < DIGITS_MAX) {
            out->text[length++] = (char)*p;
            kept++;
            exponent -= point;
        } else {
            tail = tail || *p != '0';
            exponent += !point;
        }
    }
    if (digits == 0) {
        return false;
    }
    if (tail) {
        out->text[length++] = '1';
        exponent--;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        bool down = p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        if (p == end) {
            return false;
        }
        int64_t power = 0;
        for (; p < end && *p >= '0' && *p <= '9'; p++) {
            power = power < far ? 10 * power + (*p - '0') : power;
        }
        exponent += down ? -power : power;
    }
    if (p != end) {
        return false;
    }
    if (kept == 0) {
        out->text[length++] = '0';
    }
    write_exponent(exponent, out->text + length);
    return true;
}

static pare_cell classify(const unsigned char *begin, const unsigned char *end, decimal *number) {
    if (pare_cell_missing(begin, end)) {
        return PARE_CELL_MISSING;
    }
    trim(&begin, &end);
    if (read_decimal(begin, end, number)) {
        return PARE_CELL_NUMBER;
    }
    begin += *begin == '+' || *begin == '-';
    return same_word(begin, end - begin, "inf") || same_word(begin, end - begin, "infinity")
               ? PARE_CELL_INFINITE
               : PARE_CELL_TEXT;
}

pare_cell pare_cell_parse(const unsigned char *begin, const unsigned char *end, float *out) {
    decimal number;
    pare_cell cell = classify(begin, end, &number);
    *out = cell == PARE_CELL_INFINITE ? INFINITY : NAN;
    if (cell == PARE_CELL_NUMBER) {
        *out = strtof(number.text, NULL);
        cell = isinf(*out) ? PARE_CELL_INFINITE : PARE_CELL_NUMBER;
    }
    return cell;
}

/* [-]digits[.digits] of at most 15 digits: both the whole number of all of them and the power of
 * ten are doubles, so that their quotient is the nearest one (Clinger 1990). */
static bool exact_quotient(const unsigned char *p, const unsigned char *end, double *out) {
    bool negative = p < end && *p == '-';
    int64_t mantissa = 0, digits = 0, decimals = 0;
    bool point = false;
    for (p += negative; p < end && digits <= 15; p++) {
        if (*p == '.' && !point) {
            point = true;
        } else if (*p >= '0' && *p <= '9') {
            mantissa = 10 * mantissa + (*p - '0');
            digits++;
            decimals += point;
        } else {
            return false;
        }
    }
    if (p < end || digits == 0 || digits > 15) {
        return false;
    }
    double value = (double)mantissa / pare_power_of_ten[decimals];
    *out = negative ? -value : value;
    return true;
}

pare_cell pare_cell_parse_double(const unsigned char *begin, const unsigned char *end,
                                 double *out) {
    decimal number;
    if (exact_quotient(begin, end, out)) {
        return PARE_CELL_NUMBER;
    }
    pare_cell cell = classify(begin, end, &number);
    *out = cell == PARE_CELL_INFINITE ? (double)INFINITY : (double)NAN;
    if (cell == PARE_CELL_NUMBER) {
        *out = strtod(number.text, NULL);
        cell = isinf(*out) ? PARE_CELL_INFINITE : PARE_CELL_NUMBER;
    }
    return cell;
}
