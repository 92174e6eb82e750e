/* AVX2 + FMA kernels. Each function carries its own target, so the file builds for any x86-64. */
#include "kernels/kernels.h"

#if defined(__x86_64__)

void pare_kernels_fill_avx2(pare_kernels *table) {
    table->level = pare_cpu_level_name(PARE_CPU_AVX2);
}

#endif
