/* The bytes up to the first 0xfe are the .fam, up to the second the .bim, the rest the .bed, which
 * is opened, filtered, multiplied and fetched. */
#include "fuzz.h"

#include "data/genotype/genotype.h"

static void use(pare_context *ctx, pare_genotypes *g, const pare_options *options) {
    double *r = NULL, *out = NULL;
    float *column = NULL;
    if (pare_genotypes_filter(g, options, NULL) != PARE_OK ||
        pare_alloc_zero(ctx, g->samples, sizeof *r, &r) != PARE_OK ||
        pare_alloc(ctx, g->kept, sizeof *out, &out) != PARE_OK ||
        pare_alloc(ctx, g->samples, sizeof *column, &column) != PARE_OK) {
        goto done;
    }
    for (int64_t i = 0; i < g->samples; i++) {
        r[i] = g->in[i];
    }
    if (pare_genotypes_correlate(g, 3, 1, r, out) == PARE_OK) {
        for (int64_t j = 0; j < g->kept; j++) {
            if (!(fabs(out[j]) < 1e-3 * (double)g->samples)) {
                abort(); /* calls about their mean add up to nothing */
            }
            pare_genotypes_fetch(g, 1, &j, NULL, column);
        }
    }
    if (pare_genotypes_find(g, g->sample[0].family, g->sample[0].id) != 0) {
        abort();
    }
done:
    pare_free(ctx, r);
    pare_free(ctx, out);
    pare_free(ctx, column);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    size_t used = 0;
    pare_allocator allocator = {sizeof allocator, fuzz_allocate, fuzz_release, &used};
    pare_context *ctx = NULL;
    pare_options options;
    pare_genotypes g;
    const uint8_t *bim = memchr(bytes, 0xfe, length);
    const uint8_t *bed = bim ? memchr(bim + 1, 0xfe, length - (size_t)(bim + 1 - bytes)) : NULL;
    if (!bed) {
        return 0;
    }
    if (pare_context_create(&allocator, &ctx) != PARE_OK ||
        pare_context_set_threads(ctx, 1) != PARE_OK ||
        pare_options_init(ctx, &options) != PARE_OK ||
        pare_options_set(&options, "maf", "0") != PARE_OK) {
        abort();
    }
    if (pare_genotypes_from_memory(ctx, "fuzz", bed + 1, (int64_t)(bytes + length - bed - 1),
                                   (const char *)bim + 1, bed - bim - 1, (const char *)bytes,
                                   bim - bytes, &g) == PARE_OK) {
        use(ctx, &g, &options);
        pare_genotypes_close(&g);
    } else if (!pare_context_error(ctx)[0]) {
        abort();
    }
    pare_options_clear(&options);
    pare_context_destroy(ctx);
    if (used != 0) {
        abort();
    }
    return 0;
}
