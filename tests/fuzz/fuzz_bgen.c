/* The bytes are a .bgen file. */
#include "fuzz.h"

#include "data/genotype/genotype.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    size_t used = 0;
    pare_allocator allocator = {sizeof allocator, fuzz_allocate, fuzz_release, &used};
    pare_context *ctx = NULL;
    pare_genotypes g;
    if (pare_context_create(&allocator, &ctx) != PARE_OK ||
        pare_context_set_threads(ctx, 1) != PARE_OK) {
        abort();
    }
    if (pare_genotypes_read_bgen(ctx, "fuzz", bytes, (int64_t)length, NULL, 0.1, &g) == PARE_OK) {
        if (g.samples < 1 || g.variants < 1 || !(g.mean[0] >= 0 && g.mean[0] <= 2)) {
            abort();
        }
        pare_genotypes_close(&g);
    } else if (!pare_context_error(ctx)[0]) {
        abort();
    }
    pare_context_destroy(ctx);
    if (used != 0) {
        abort();
    }
    return 0;
}
