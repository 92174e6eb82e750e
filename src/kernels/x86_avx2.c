/* AVX2 + FMA kernels: the vector operations; the kernels themselves are in x86_*.h. */
#include "kernels/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define KERNEL static __attribute__((target("avx2,fma")))
#define INLINE KERNEL inline __attribute__((always_inline))

typedef __m256 vec;
typedef __m256d dvec;
enum { LANES = 8, DLANES = 4 };

/* `count` of load and store is LANES in the loops, a constant, and 1 .. LANES - 1 in the tails;
 * lanes past it are read as 0 and not touched in memory. */

INLINE __m256i first_lanes(int64_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE __m256i first_dlanes(int64_t count) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}

INLINE vec load(const float *p, int64_t count) {
    return count == LANES ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first_lanes(count));
}

INLINE void store(float *p, vec a, int64_t count) {
    if (count == LANES) {
        _mm256_storeu_ps(p, a);
    } else {
        _mm256_maskstore_ps(p, first_lanes(count), a);
    }
}

/* LANES bfloat16 numbers. */
INLINE vec load_bf16(const uint16_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

INLINE vec load_u8(const uint8_t *p, int64_t count) {
    uint64_t bytes = 0;
    memcpy(&bytes, p, (size_t)count);
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes)));
}

INLINE dvec dload(const double *p, int64_t count) {
    return count == DLANES ? _mm256_loadu_pd(p) : _mm256_maskload_pd(p, first_dlanes(count));
}

INLINE void dstore(double *p, dvec a, int64_t count) {
    if (count == DLANES) {
        _mm256_storeu_pd(p, a);
    } else {
        _mm256_maskstore_pd(p, first_dlanes(count), a);
    }
}

/* DLANES floats as doubles. */
INLINE dvec dload_float(const float *p, int64_t count) {
    __m128 a = count == DLANES ? _mm_loadu_ps(p)
                               : _mm_maskload_ps(p, _mm256_castsi256_si128(first_lanes(count)));
    return _mm256_cvtps_pd(a);
}

INLINE vec fill(float a) {
    return _mm256_set1_ps(a);
}

INLINE vec add(vec a, vec b) {
    return _mm256_add_ps(a, b);
}

INLINE vec subtract(vec a, vec b) {
    return _mm256_sub_ps(a, b);
}

INLINE vec multiply(vec a, vec b) {
    return _mm256_mul_ps(a, b);
}

INLINE vec divide(vec a, vec b) {
    return _mm256_div_ps(a, b);
}

/* a b + c, rounded once. */
INLINE vec multiply_add(vec a, vec b, vec c) {
    return _mm256_fmadd_ps(a, b, c);
}

/* b if a or b is NaN. */
INLINE vec larger(vec a, vec b) {
    return _mm256_max_ps(a, b);
}

INLINE vec smaller(vec a, vec b) {
    return _mm256_min_ps(a, b);
}

INLINE float lowest(vec a) {
    return _mm256_cvtss_f32(a);
}

INLINE float total(vec a) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

INLINE vec nan_to_zero(vec a) {
    return _mm256_and_ps(_mm256_cmp_ps(a, a, _CMP_ORD_Q), a);
}

/* a where b > 0, else 0. */
INLINE vec where_positive(vec a, vec b) {
    return _mm256_and_ps(_mm256_cmp_ps(b, _mm256_setzero_ps(), _CMP_GT_OQ), a);
}

INLINE vec nearest(vec a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE vec power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* a 2^n for whole |n| <= 252, in two factors so that neither leaves the range of float. */
INLINE vec times_power(vec a, vec n) {
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    vec partly = _mm256_mul_ps(a, power_of_two(half));
    return _mm256_mul_ps(partly, power_of_two(_mm256_sub_epi32(whole, half)));
}

INLINE vec root(vec a) {
    return _mm256_sqrt_ps(a);
}

INLINE dvec dfill(double a) {
    return _mm256_set1_pd(a);
}

INLINE dvec dadd(dvec a, dvec b) {
    return _mm256_add_pd(a, b);
}

INLINE dvec dsubtract(dvec a, dvec b) {
    return _mm256_sub_pd(a, b);
}

INLINE dvec dmultiply(dvec a, dvec b) {
    return _mm256_mul_pd(a, b);
}

INLINE dvec dmultiply_add(dvec a, dvec b, dvec c) {
    return _mm256_fmadd_pd(a, b, c);
}

INLINE double dtotal(dvec a) {
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

/* ---- Whole numbers, for x86_packed.h ---- */

typedef __m256i bytes;
enum { BYTES = 32, PACKED_RUN = 7 }; /* 7 blocks add 7 * 8 products of a pair, each <= 4 * 128 */

INLINE bytes bload(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

INLINE bytes bzero(void) {
    return _mm256_setzero_si256();
}

INLINE bytes btable(const uint8_t entry[16]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)entry));
}

/* table[low or high nibble]. */
INLINE bytes blow(bytes table, bytes a) {
    return _mm256_shuffle_epi8(table, _mm256_and_si256(a, _mm256_set1_epi8(15)));
}

INLINE bytes bshift(bytes a) {
    return _mm256_srli_epi16(a, 4);
}

/* Sums of pairs of products of unsigned u and signed s, added to 16-bit sums. */
INLINE bytes bproducts(bytes sum, bytes u, const int8_t *s) {
    bytes signed_bytes = _mm256_loadu_si256((const __m256i *)(const void *)s);
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(u, signed_bytes));
}

/* The sums of a run, added to 32-bit ones. */
INLINE bytes bwiden(bytes sum, bytes run) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(run, _mm256_set1_epi16(1)));
}

INLINE int64_t btotal(bytes sum) {
    __m256i low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(sum));
    __m256i high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256(sum, 1));
    __m256i four = _mm256_add_epi64(low, high);
    __m128i two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
    return _mm_cvtsi128_si64(two) + _mm_extract_epi64(two, 1);
}

/* Chosen by codes: vector `part` of the values of 16 codes, of which those of a lane are shifted
 * down to its low bits. */
enum { CODED_PARTS = 2 };

INLINE bytes bfour(const int32_t value[4]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)value));
}

INLINE bytes bchoose(bytes four, uint32_t codes, int part) {
    bytes at = part ? _mm256_setr_epi32(16, 18, 20, 22, 24, 26, 28, 30)
                    : _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    bytes code = _mm256_srlv_epi32(_mm256_set1_epi32((int)codes), at);
    return _mm256_castps_si256(_mm256_permutevar_ps(_mm256_castsi256_ps(four), code));
}

INLINE bytes badd(bytes a, bytes b) {
    return _mm256_add_epi32(a, b);
}

INLINE void bstore(int32_t *to, bytes a) {
    _mm256_storeu_si256((__m256i *)(void *)to, a);
}

#include "kernels/x86_vectors.h"
#include "kernels/x86_rows.h"
#include "kernels/x86_columns.h"
#include "kernels/x86_products.h"
#include "kernels/x86_blocks.h"
#include "kernels/x86_network.h"
#include "kernels/x86_packed.h"

void pare_kernels_fill_avx2(pare_kernels *table) {
    *table = (pare_kernels){
        .level = pare_cpu_level_name(PARE_CPU_AVX2), PARE_X86_ENTRIES, PARE_X86_PACKED_ENTRIES};
}

#endif
