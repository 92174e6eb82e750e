#include "base/json.h"
#include "base/text.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "platform/cluster.h"
#include "platform/threads.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <jansson.h>
#if defined(PARE_HAVE_HDF5)
#include <hdf5.h>
#endif
#if defined(PARE_HAVE_HTS)
#include <htslib/hts.h>
#endif

static void *standard_allocate(void *user, size_t bytes, size_t alignment) {
    (void)user;
    void *memory = NULL;
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

static void standard_release(void *user, void *memory) {
    (void)user;
    free(memory);
}

pare_status pare_context_create(const pare_allocator *allocator, pare_context **out) {
    *out = NULL;
    pare_allocator chosen = {sizeof(pare_allocator), standard_allocate, standard_release, NULL};
    if (allocator) {
        if (allocator->size < sizeof(pare_allocator) || !allocator->allocate ||
            !allocator->release) {
            return PARE_ERROR_ARGUMENT;
        }
        chosen = *allocator;
    }
    pare_context *ctx = chosen.allocate(chosen.user, sizeof *ctx, PARE_ALIGNMENT);
    if (!ctx) {
        return PARE_ERROR_MEMORY;
    }
    memset(ctx, 0, sizeof *ctx);
    ctx->allocator = chosen;
    ctx->kernels = pare_kernels_at(PARE_CPU_VNNI);
    pare_blas_prepare();
    pare_status status = pare_pool_create(ctx, 0, &ctx->pool);
    if (status != PARE_OK) {
        pare_context_destroy(ctx);
        return status;
    }
    *out = ctx;
    return PARE_OK;
}

void pare_context_destroy(pare_context *ctx) {
    if (!ctx) {
        return;
    }
    pare_pool_destroy(ctx->pool);
    pare_free(ctx, ctx->info);
    pare_free(ctx, ctx->json);
    for (int64_t i = 0; i < ctx->warnings; i++) {
        pare_free(ctx, ctx->warning[i]);
    }
    pare_allocator allocator = ctx->allocator;
    allocator.release(allocator.user, ctx);
}

const char *pare_context_error(const pare_context *ctx) {
    return ctx ? ctx->message : "out of memory: the context could not be created";
}

void pare_context_on_warning(pare_context *ctx, pare_warning_fn fn, void *user) {
    ctx->on_warning = fn;
    ctx->warning_user = user;
}

void pare_context_on_progress(pare_context *ctx, pare_progress_fn fn, void *user) {
    ctx->on_progress = fn;
    ctx->progress_user = user;
}

pare_status pare_context_set_threads(pare_context *ctx, int64_t threads) {
    if (threads < 0 || threads > 256) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "threads: %lld is not from 0 to 256",
                         (long long)threads);
    }
    pare_pool *pool = NULL;
    pare_status status = pare_pool_create(ctx, threads, &pool);
    if (status != PARE_OK) {
        return status;
    }
    pare_pool_destroy(ctx->pool);
    ctx->pool = pool;
    ctx->threads = threads;
    return PARE_OK;
}

pare_status pare_context_info(pare_context *ctx, const char **out) {
    *out = NULL;
    pare_text text = {.ctx = ctx};
    pare_text_append(&text, "version: %d.%d.%d\n", PARE_VERSION_MAJOR, PARE_VERSION_MINOR,
                     PARE_VERSION_PATCH);
    pare_text_append(&text, "cpu level: %s (of ref, avx2+fma, avx512, avx512+vnni)\n",
                     ctx->kernels->level);
    pare_text_append(&text, "threads: %lld of %lld cores\n",
                     (long long)pare_pool_threads(ctx->pool), (long long)pare_core_count());
    pare_text_append(&text, "blas: %s\n", pare_blas_name());
    if (pare_cpu_detect() >= PARE_CPU_AVX2 && strstr(pare_blas_name(), "Prescott")) {
        pare_text_append(&text,
                         "blas does not know this CPU: with OPENBLAS_CORETYPE=%s in the "
                         "environment its products are several times as fast\n",
                         pare_cpu_detect() >= PARE_CPU_AVX512 ? "SKYLAKEX" : "HASWELL");
    }
    pare_text_append(&text, "zlib: %s\n", zlibVersion());
    pare_text_append(&text, "jansson: %s\n", jansson_version_str());
    pare_text_append(&text, "mpi: %s\n", pare_cluster_name());
#if defined(PARE_HAVE_HDF5)
    pare_text_append(&text, "hdf5: %d.%d.%d\n", H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE);
#else
    pare_text_append(&text, "hdf5: absent (pare panel reads .h5ad and .h5 through it)\n");
#endif
#if defined(PARE_HAVE_HTS)
    pare_text_append(&text, "htslib: %s\n", hts_version());
#else
    pare_text_append(&text, "htslib: absent (pare genome reads VCF and BCF through it)\n");
#endif
    pare_text_append(&text, "cuda: absent (no part needs it in this version)\n");
    pare_status status = text.status;
    if (status != PARE_OK) {
        pare_text_clear(&text);
        return status;
    }
    pare_free(ctx, ctx->info);
    ctx->info = text.bytes;
    *out = ctx->info;
    return PARE_OK;
}

pare_status pare_context_json(pare_context *ctx, const char *bytes, int64_t length,
                              const char **out) {
    *out = NULL;
    pare_text text = {.ctx = ctx};
    pare_put_json_bytes(&text, bytes, length);
    pare_status status = text.status;
    if (status != PARE_OK) {
        pare_text_clear(&text);
        return status;
    }
    pare_free(ctx, ctx->json);
    ctx->json = text.bytes;
    *out = ctx->json;
    return PARE_OK;
}
