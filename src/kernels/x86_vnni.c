/* AVX-512 VNNI: packed genotypes by products of bytes that add up in 32 bits at once. */
#include "kernels/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define KERNEL                                                                                     \
    static __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#define INLINE KERNEL inline __attribute__((always_inline))

enum { LANES = 16, PACKED_RUN = PARE_PACKED_BLOCKS_MAX };
#include "kernels/x86_bytes512.h"

INLINE bytes bproducts(bytes sum, bytes u, const int8_t *s) {
    return _mm512_dpbusd_epi32(sum, u, _mm512_loadu_si512(s));
}

INLINE bytes bwiden(bytes sum, bytes run) {
    return _mm512_add_epi32(sum, run);
}

#include "kernels/x86_packed.h"

void pare_kernels_fill_vnni(pare_kernels *table) {
    table->level = pare_cpu_level_name(PARE_CPU_VNNI);
    table->packed_dot = packed_dot;
    table->packed_add = packed_add;
}

#endif
