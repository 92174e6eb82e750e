#include "kernels/blas.h"
#include "platform/threads.h"
#include "problem/genome/genome.h"

#include <math.h>

enum { VARIANTS_A_BLOCK = 512, TILE = 256 };

typedef struct relation {
    const pare_genotypes *g;
    int64_t first, count; /* variants of the block */
    int64_t n, tiles;
    float *z;      /* (count, n): genotypes of the samples in, times factor */
    float *whole;  /* (count, samples) */
    float *k;      /* (n, n) */
    double factor; /* that makes the mean diagonal 1 */
    float scale;
} relation;

enum { COLUMNS_A_TASK = 16 };

static void standardise_task(void *argument, int64_t task) {
    const relation *r = argument;
    const pare_genotypes *g = r->g;
    int64_t begin = task * COLUMNS_A_TASK, end = begin + COLUMNS_A_TASK;
    for (int64_t c = begin; c < end && c < r->count; c++) {
        int64_t j = r->first + c;
        double factor = r->factor;
        float *whole = r->whole + c * g->samples, *z = r->z + c * r->n;
        pare_genotypes_fetch(g, 1, &j, &factor, whole);
        for (int64_t i = 0, at = 0; i < g->samples; i++) {
            if (g->in[i]) {
                z[at++] = whole[i];
            }
        }
    }
}

/* One tile of the lower triangle. */
static void product_task(void *argument, int64_t task) {
    const relation *r = argument;
    int64_t row = 0;
    while (task > row) {
        task -= ++row;
    }
    int64_t i = row * TILE, j = task * TILE;
    int64_t m = r->n - i < TILE ? r->n - i : TILE, n = r->n - j < TILE ? r->n - j : TILE;
    pare_gemm(true, false, m, n, r->count, r->scale, r->z + i, r->n, r->z + j, r->n, 1,
              r->k + i * r->n + j, r->n);
}

double pare_relationship_variance(const pare_genotypes *g) {
    double sum = 0;
    for (int64_t j = 0; j < g->kept; j++) {
        sum += g->spread[j] * g->spread[j];
    }
    return sum / (double)g->kept;
}

pare_status pare_relationship(const pare_genotypes *g, float **out) {
    *out = NULL;
    pare_context *ctx = g->ctx;
    relation r = {.g = g, .n = g->used, .scale = 1 / (float)g->kept};
    const double variance = pare_relationship_variance(g);
    r.factor = variance > 0 ? 1 / sqrt(variance) : 0;
    int64_t cells = 0;
    if (!pare_checked_multiply(r.n, r.n, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: relationship matrix");
    }
    pare_status status = pare_alloc_zero(ctx, cells, sizeof *r.k, &r.k);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, VARIANTS_A_BLOCK * r.n, sizeof *r.z, &r.z);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, VARIANTS_A_BLOCK * g->samples, sizeof *r.whole, &r.whole);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    r.tiles = (r.n + TILE - 1) / TILE;
    for (r.first = 0; r.first < g->kept; r.first += r.count) {
        r.count = g->kept - r.first < VARIANTS_A_BLOCK ? g->kept - r.first : VARIANTS_A_BLOCK;
        pare_pool_run(ctx->pool, (r.count + COLUMNS_A_TASK - 1) / COLUMNS_A_TASK, standardise_task,
                      &r);
        pare_pool_run(ctx->pool, r.tiles * (r.tiles + 1) / 2, product_task, &r);
    }
    for (int64_t i = 0; i < r.n; i++) {
        for (int64_t j = i + 1; j < r.n; j++) {
            r.k[i * r.n + j] = r.k[j * r.n + i];
        }
    }
    *out = r.k;
    r.k = NULL;
fail:
    pare_free(ctx, r.k);
    pare_free(ctx, r.z);
    pare_free(ctx, r.whole);
    return status;
}
