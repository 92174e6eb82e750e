/* Operations on 64 bytes that AVX-512 with and without VNNI share, for x86_packed.h. Private to
 * x86_avx512.c and x86_vnni.c, which define INLINE. */
#ifndef PARE_KERNELS_X86_BYTES512_H
#define PARE_KERNELS_X86_BYTES512_H

typedef __m512i bytes;
enum { BYTES = 64 };

INLINE bytes bload(const uint8_t *p) {
    return _mm512_loadu_si512(p);
}

INLINE bytes bzero(void) {
    return _mm512_setzero_si512();
}

INLINE bytes btable(const uint8_t entry[16]) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)entry));
}

INLINE bytes blow(bytes table, bytes a) {
    return _mm512_shuffle_epi8(table, _mm512_and_si512(a, _mm512_set1_epi8(15)));
}

INLINE bytes bshift(bytes a) {
    return _mm512_srli_epi16(a, 4);
}

INLINE int64_t btotal(bytes sum) {
    __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum));
    __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sum, 1));
    return _mm512_reduce_add_epi64(_mm512_add_epi64(low, high));
}

/* Chosen by codes: the values of 16 codes, of which those of a lane are shifted down to its low
 * bits. */
enum { CODED_PARTS = 1 };

INLINE bytes bfour(const int32_t value[4]) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)value));
}

INLINE bytes bchoose(bytes four, uint32_t codes, int part) {
    (void)part;
    bytes code = _mm512_srlv_epi32(
        _mm512_set1_epi32((int)codes),
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30));
    return _mm512_castps_si512(_mm512_permutevar_ps(_mm512_castsi512_ps(four), code));
}

INLINE bytes badd(bytes a, bytes b) {
    return _mm512_add_epi32(a, b);
}

INLINE void bstore(int32_t *to, bytes a) {
    _mm512_storeu_si512(to, a);
}

#endif
