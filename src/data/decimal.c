#include "data/decimal.h"

int64_t pare_decimal_text(int64_t decimal, unsigned char *out) {
    uint64_t mantissa = (uint64_t)decimal >> 6;
    int64_t decimals = decimal >> 1 & 31, digits = 0, length = 0;
    unsigned char reversed[PARE_DECIMAL_SIZE];
    while (mantissa > 0 || digits <= decimals) {
        reversed[digits++] = (unsigned char)('0' + mantissa % 10);
        mantissa /= 10;
    }
    if (decimal & 1) {
        out[length++] = '-';
    }
    while (digits > 0) {
        out[length++] = reversed[--digits];
        if (digits == decimals && digits > 0) {
            out[length++] = '.';
        }
    }
    return length;
}

/* A mantissa and a power of ten that are doubles have the nearest one as quotient (Clinger 1990).
 */
double pare_decimal_value(int64_t decimal) {
    uint64_t mantissa = (uint64_t)decimal >> 6;
    double value = 0;
    if (mantissa <= UINT64_C(1) << 53) { /* and at most 17 decimals */
        value = (double)mantissa / pare_power_of_ten[decimal >> 1 & 31];
        return decimal & 1 ? -value : value;
    }
    unsigned char text[PARE_DECIMAL_SIZE];
    int64_t length = pare_decimal_text(decimal, text);
    (void)pare_cell_parse_double(text, text + length, &value);
    return value;
}
