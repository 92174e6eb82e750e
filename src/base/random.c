#include "base/random.h"

#include <math.h>

void pare_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = UINT64_C(0xD2511F53) * c0;
        uint64_t p1 = UINT64_C(0xCD9E8D57) * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Counter words 0-1: index, 2-3: stream; key: seed. */
static void draw(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]) {
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
                                 (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    pare_philox(counter, key, out);
}

uint64_t pare_random_bits(uint64_t seed, uint64_t stream, uint64_t index) {
    uint32_t words[4];
    draw(seed, stream, index, words);
    return (uint64_t)words[1] << 32 | words[0];
}

double pare_random_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
    return (double)(pare_random_bits(seed, stream, index) >> 11) * 0x1p-53;
}

double pare_random_normal(uint64_t seed, uint64_t stream, uint64_t index) {
    uint32_t words[4];
    draw(seed, stream, index, words);
    double u = ((double)words[0] + 0.5) * 0x1p-32; /* in (0, 1): the logarithm is finite */
    double v = (double)words[2] * 0x1p-32;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

__extension__ typedef unsigned __int128 wide;

int64_t pare_random_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t bound) {
    wide product = (wide)pare_random_bits(seed, stream, index) * (uint64_t)bound;
    return (int64_t)(uint64_t)(product >> 64);
}

void pare_random_shuffle(uint64_t seed, uint64_t stream, uint64_t first, int64_t count,
                         int64_t *items) {
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = pare_random_below(seed, stream, first + (uint64_t)i, i + 1);
        int64_t swap = items[i];
        items[i] = items[j];
        items[j] = swap;
    }
}
