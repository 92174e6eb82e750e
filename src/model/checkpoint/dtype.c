#include "model/checkpoint/checkpoint.h"

#include <string.h>

enum { Q8_BLOCK = 32, Q8_BYTES = 34 };

const char *pare_dtype_name(pare_dtype dtype) {
    static const char *const names[PARE_DTYPES] = {"F32", "F16", "BF16", "Q8_0"};
    return dtype < PARE_DTYPES ? names[dtype] : "?";
}

int64_t pare_dtype_bytes(pare_dtype dtype, int64_t count) {
    int64_t bytes = -1;
    switch (dtype) {
    case PARE_DTYPE_F32:
        return pare_checked_multiply(count, 4, &bytes) ? bytes : -1;
    case PARE_DTYPE_F16:
    case PARE_DTYPE_BF16:
        return pare_checked_multiply(count, 2, &bytes) ? bytes : -1;
    case PARE_DTYPE_Q8_0:
        return count % Q8_BLOCK == 0 && pare_checked_multiply(count / Q8_BLOCK, Q8_BYTES, &bytes)
                   ? bytes
                   : -1;
    default:
        return -1;
    }
}

static float from_bits(uint32_t bits) {
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t to_bits(float value) {
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* IEEE 754 binary16 to binary32: exact. */
static float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000U) << 16;
    uint32_t exponent = (half >> 10) & 0x1fU, fraction = half & 0x3ffU;
    if (exponent == 0x1f) {
        return from_bits(sign | 0x7f800000U | fraction << 13);
    }
    if (exponent > 0) {
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    }
    float magnitude = (float)fraction * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

/* Binary32 to binary16, to nearest, ties to even; too large becomes infinite. */
static uint16_t float_to_half(float value) {
    uint32_t bits = to_bits(value);
    uint32_t sign = (bits >> 16) & 0x8000U, magnitude = bits & 0x7fffffffU;
    if (magnitude > 0x7f800000U) {
        return (uint16_t)(sign | 0x7e00U);
    }
    if (magnitude >= 0x477ff000U) { /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00U);
    }
    if (magnitude < 0x38800000U) { /* below 2^-14: a multiple of 2^-24 */
        /* Adding 0.5 shifts the fraction so that its unit is 2^-24; the sum rounds to even. */
        return (uint16_t)(sign | (to_bits(from_bits(magnitude) + 0.5f) - to_bits(0.5f)));
    }
    uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
    return (uint16_t)(sign | ((rounded >> 13) - (112U << 10)));
}

static uint16_t float_to_bfloat(float value) {
    uint32_t bits = to_bits(value);
    if ((bits & 0x7fffffffU) > 0x7f800000U) {
        return (uint16_t)(bits >> 16 | 0x40U);
    }
    return (uint16_t)((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

void pare_dtype_to_float(pare_dtype dtype, int64_t count, const void *from, float *to) {
    const unsigned char *bytes = from;
    uint16_t word = 0;
    switch (dtype) {
    case PARE_DTYPE_F32:
        memcpy(to, from, (size_t)count * sizeof *to);
        return;
    case PARE_DTYPE_F16:
        for (int64_t i = 0; i < count; i++) {
            memcpy(&word, bytes + 2 * i, sizeof word);
            to[i] = half_to_float(word);
        }
        return;
    case PARE_DTYPE_BF16:
        for (int64_t i = 0; i < count; i++) {
            memcpy(&word, bytes + 2 * i, sizeof word);
            to[i] = from_bits((uint32_t)word << 16);
        }
        return;
    case PARE_DTYPE_Q8_0:
        for (int64_t block = 0; block < count / Q8_BLOCK; block++) {
            const unsigned char *at = bytes + block * Q8_BYTES;
            memcpy(&word, at, sizeof word);
            float scale = half_to_float(word);
            for (int64_t i = 0; i < Q8_BLOCK; i++) {
                int8_t quantum = 0;
                memcpy(&quantum, at + 2 + i, 1);
                to[block * Q8_BLOCK + i] = scale * (float)quantum;
            }
        }
        return;
    default:
        return;
    }
}

void pare_dtype_from_float(pare_dtype dtype, int64_t count, const float *from, void *to) {
    unsigned char *bytes = to;
    if (dtype == PARE_DTYPE_F32) {
        memcpy(to, from, (size_t)count * sizeof *from);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        uint16_t word = dtype == PARE_DTYPE_F16 ? float_to_half(from[i]) : float_to_bfloat(from[i]);
        memcpy(bytes + 2 * i, &word, sizeof word);
    }
}
