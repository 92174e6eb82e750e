#include "kernels/kernels.h"
#include "platform/threads.h"

static pare_kernels tables[PARE_CPU_LEVELS];
static pare_once once = PARE_ONCE_INIT;

static void fill_tables(void) {
    pare_cpu_level best = pare_cpu_detect();
    for (int level = PARE_CPU_BASE; level < PARE_CPU_LEVELS; level++) {
        pare_kernels *table = &tables[level];
        pare_kernels_fill_ref(table);
#if defined(__x86_64__)
        if (level >= PARE_CPU_AVX2 && best >= PARE_CPU_AVX2) {
            pare_kernels_fill_avx2(table);
        }
        if (level >= PARE_CPU_AVX512 && best >= PARE_CPU_AVX512) {
            pare_kernels_fill_avx512(table);
        }
        if (level >= PARE_CPU_VNNI && best >= PARE_CPU_VNNI) {
            pare_kernels_fill_vnni(table);
        }
#else
        (void)best;
#endif
    }
}

const pare_kernels *pare_kernels_at(pare_cpu_level level) {
    pare_once_run(&once, fill_tables);
    return &tables[level];
}
