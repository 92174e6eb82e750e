/*
 * Decimals packed into 63 bits, from which their text comes back byte for byte: [-]digits[.digits]
 * of at most 17 digits, no zero before another digit, none without digits around its point. So a
 * column of numbers takes eight bytes a cell, whether its cells repeat or not, and can still become
 * a column of texts.
 */
#ifndef PARE_DATA_DECIMAL_H
#define PARE_DATA_DECIMAL_H

#include "data/reader.h"

enum { PARE_DECIMAL_DIGITS = 17, PARE_DECIMAL_SIZE = 24 };

/* The decimal that starts at p, which is followed by a byte that cannot belong to a number and by
 * PARE_NUMBER_PAD readable bytes. Returns the byte after it; p: there is none. */
static inline const unsigned char *pare_decimal_read(const unsigned char *p, int64_t *out) {
    const bool negative = *p == '-';
    const unsigned char *start = p + negative;
    uint64_t mantissa = 0;
    const unsigned char *point = pare_digits(start, &mantissa), *q = point;
    int64_t digits = point - start, decimals = 0;
    if (*point == '.') {
        q = pare_digits(point + 1, &mantissa);
        decimals = q - point - 1;
    }
    bool good = digits > 0 && (*point != '.' || decimals > 0) &&
                digits + decimals <= PARE_DECIMAL_DIGITS && (*start != '0' || digits == 1);
    *out = (int64_t)(mantissa << 6 | (uint64_t)decimals << 1 | negative);
    return good ? q : p;
}

/* Writes the text, up to PARE_DECIMAL_SIZE bytes; returns how many. */
int64_t pare_decimal_text(int64_t decimal, unsigned char *out);
/* Whether it is a whole number, and what its digits are. */
static inline bool pare_decimal_whole(int64_t decimal) {
    return (decimal >> 1 & 31) == 0;
}
static inline int64_t pare_decimal_digits(int64_t decimal) {
    return decimal >> 6;
}
/* Beyond this neighbouring whole numbers are one double. */
#define PARE_WHOLE_MAX (INT64_C(1) << 53)
/* The double nearest to it. */
double pare_decimal_value(int64_t decimal);

#endif
