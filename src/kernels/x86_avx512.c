/* AVX-512 (F, BW, DQ, VL) kernels: the vector operations; the kernels themselves are in x86_*.h. */
#include "kernels/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define KERNEL static __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define INLINE KERNEL inline __attribute__((always_inline))

typedef __m512 vec;
typedef __m512d dvec;
enum { LANES = 16, DLANES = 8 };

/* `count` of load and store is LANES in the loops, a constant, and 1 .. LANES - 1 in the tails;
 * lanes past it are read as 0 and not touched in memory. */

INLINE __mmask16 first_lanes(int64_t count) {
    return (__mmask16)((1u << count) - 1u);
}

INLINE vec load(const float *p, int64_t count) {
    return count == LANES ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first_lanes(count), p);
}

INLINE void store(float *p, vec a, int64_t count) {
    if (count == LANES) {
        _mm512_storeu_ps(p, a);
    } else {
        _mm512_mask_storeu_ps(p, first_lanes(count), a);
    }
}

/* LANES bfloat16 numbers. */
INLINE vec load_bf16(const uint16_t *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

INLINE vec load_u8(const uint8_t *p, int64_t count) {
    __m128i bytes = count == LANES ? _mm_loadu_si128((const __m128i *)(const void *)p)
                                   : _mm_maskz_loadu_epi8(first_lanes(count), p);
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
}

INLINE dvec dload(const double *p, int64_t count) {
    return count == DLANES ? _mm512_loadu_pd(p)
                           : _mm512_maskz_loadu_pd((__mmask8)first_lanes(count), p);
}

INLINE void dstore(double *p, dvec a, int64_t count) {
    if (count == DLANES) {
        _mm512_storeu_pd(p, a);
    } else {
        _mm512_mask_storeu_pd(p, (__mmask8)first_lanes(count), a);
    }
}

/* DLANES floats as doubles. */
INLINE dvec dload_float(const float *p, int64_t count) {
    __m256 a = count == DLANES ? _mm256_loadu_ps(p)
                               : _mm256_maskz_loadu_ps((__mmask8)first_lanes(count), p);
    return _mm512_cvtps_pd(a);
}

INLINE vec fill(float a) {
    return _mm512_set1_ps(a);
}

INLINE vec add(vec a, vec b) {
    return _mm512_add_ps(a, b);
}

INLINE vec subtract(vec a, vec b) {
    return _mm512_sub_ps(a, b);
}

INLINE vec multiply(vec a, vec b) {
    return _mm512_mul_ps(a, b);
}

INLINE vec divide(vec a, vec b) {
    return _mm512_div_ps(a, b);
}

/* a b + c, rounded once. */
INLINE vec multiply_add(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}

/* b if a or b is NaN. */
INLINE vec larger(vec a, vec b) {
    return _mm512_max_ps(a, b);
}

INLINE vec smaller(vec a, vec b) {
    return _mm512_min_ps(a, b);
}

INLINE float lowest(vec a) {
    return _mm512_cvtss_f32(a);
}

INLINE float total(vec a) {
    return _mm512_reduce_add_ps(a);
}

INLINE vec nan_to_zero(vec a) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a);
}

/* a where b > 0, else 0. */
INLINE vec where_positive(vec a, vec b) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(b, _mm512_setzero_ps(), _CMP_GT_OQ), a);
}

INLINE vec nearest(vec a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* a 2^n for whole n. */
INLINE vec times_power(vec a, vec n) {
    return _mm512_scalef_ps(a, n);
}

INLINE vec root(vec a) {
    return _mm512_sqrt_ps(a);
}

INLINE dvec dfill(double a) {
    return _mm512_set1_pd(a);
}

INLINE dvec dadd(dvec a, dvec b) {
    return _mm512_add_pd(a, b);
}

INLINE dvec dsubtract(dvec a, dvec b) {
    return _mm512_sub_pd(a, b);
}

INLINE dvec dmultiply(dvec a, dvec b) {
    return _mm512_mul_pd(a, b);
}

INLINE dvec dmultiply_add(dvec a, dvec b, dvec c) {
    return _mm512_fmadd_pd(a, b, c);
}

INLINE double dtotal(dvec a) {
    return _mm512_reduce_add_pd(a);
}

/* ---- Whole numbers, for x86_packed.h ---- */

enum { PACKED_RUN = 15 }; /* 15 blocks add 15 * 4 products of a pair, each <= 4 * 128 */
#include "kernels/x86_bytes512.h"

/* Sums of pairs of products of unsigned u and signed s, added to 16-bit sums. */
INLINE bytes bproducts(bytes sum, bytes u, const int8_t *s) {
    return _mm512_add_epi16(sum, _mm512_maddubs_epi16(u, _mm512_loadu_si512(s)));
}

/* The sums of a run, added to 32-bit ones. */
INLINE bytes bwiden(bytes sum, bytes run) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(run, _mm512_set1_epi16(1)));
}

#include "kernels/x86_vectors.h"
#include "kernels/x86_rows.h"
#include "kernels/x86_columns.h"
#include "kernels/x86_products.h"
#include "kernels/x86_blocks.h"
#include "kernels/x86_network.h"
#include "kernels/x86_packed.h"

void pare_kernels_fill_avx512(pare_kernels *table) {
    *table = (pare_kernels){
        .level = pare_cpu_level_name(PARE_CPU_AVX512), PARE_X86_ENTRIES, PARE_X86_PACKED_ENTRIES};
}

#endif
