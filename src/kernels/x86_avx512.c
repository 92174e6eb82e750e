/* AVX-512 (F, BW, DQ, VL) kernels. Each function carries its own target. */
#include "kernels/kernels.h"

#if defined(__x86_64__)

void pare_kernels_fill_avx512(pare_kernels *table) {
    table->level = pare_cpu_level_name(PARE_CPU_AVX512);
}

#endif
