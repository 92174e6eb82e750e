#include "base/xxh64.h"

#include <string.h>

/* The five primes of the specification. */
static const uint64_t p1 = UINT64_C(0x9E3779B185EBCA87), p2 = UINT64_C(0xC2B2AE3D27D4EB4F),
                      p3 = UINT64_C(0x165667B19E3779F9), p4 = UINT64_C(0x85EBCA77C2B2AE63),
                      p5 = UINT64_C(0x27D4EB2F165667C5);

static uint64_t left(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

/* Little-endian words, whatever the host. */
static uint64_t word(const unsigned char *at, int bytes) {
    uint64_t value = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&value, at, (size_t)bytes);
#else
    for (int i = 0; i < bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
#endif
    return value;
}

static uint64_t turn(uint64_t lane, uint64_t input) {
    return left(lane + input * p2, 31) * p1;
}

static uint64_t merge(uint64_t hash, uint64_t lane) {
    return (hash ^ turn(0, lane)) * p1 + p4;
}

uint64_t pare_xxh64(const void *bytes, int64_t length, uint64_t seed) {
    const unsigned char *at = bytes, *end = at + length;
    uint64_t hash = seed + p5;
    if (length >= 32) {
        uint64_t lane[4] = {seed + p1 + p2, seed + p2, seed, seed - p1};
        for (; end - at >= 32; at += 32) {
            for (int k = 0; k < 4; k++) {
                lane[k] = turn(lane[k], word(at + 8 * k, 8));
            }
        }
        hash = left(lane[0], 1) + left(lane[1], 7) + left(lane[2], 12) + left(lane[3], 18);
        for (int k = 0; k < 4; k++) {
            hash = merge(hash, lane[k]);
        }
    }
    hash += (uint64_t)length;
    for (; end - at >= 8; at += 8) {
        hash = left(hash ^ turn(0, word(at, 8)), 27) * p1 + p4;
    }
    if (end - at >= 4) {
        hash = left(hash ^ word(at, 4) * p1, 23) * p2 + p3;
        at += 4;
    }
    for (; at < end; at++) {
        hash = left(hash ^ *at * p5, 11) * p1;
    }
    hash = (hash ^ hash >> 33) * p2;
    hash = (hash ^ hash >> 29) * p3;
    return hash ^ hash >> 32;
}
