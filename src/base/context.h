/* The context every object hangs from: memory, the error sentence, warnings, threads. */
#ifndef PARE_BASE_CONTEXT_H
#define PARE_BASE_CONTEXT_H

#include "pare/pare.h"

#include <stdarg.h>

enum { PARE_MESSAGE_SIZE = 1024, PARE_ALIGNMENT = 64, PARE_WARNINGS_MAX = 32 };

struct pare_pool;    /* platform/threads.h */
struct pare_kernels; /* kernels/kernels.h */

struct pare_context {
    pare_allocator allocator;
    char message[PARE_MESSAGE_SIZE];
    pare_warning_fn on_warning;
    void *warning_user;
    pare_progress_fn on_progress;
    void *progress_user;
    int64_t warnings; /* sentences kept for the record of a selection; later ones only pass */
    char *warning[PARE_WARNINGS_MAX];
    int64_t threads;                    /* as asked for: 0 = one per core */
    struct pare_pool *pool;             /* set by api/, borrowed by all below */
    const struct pare_kernels *kernels; /* set by api/ */
    char *info;                         /* text of pare_context_info, NULL until asked */
    char *json;                         /* of pare_context_json, NULL until asked */
};

/* Stores the sentence and returns `status`, so that a failure is one line:
 * return pare_fail(ctx, PARE_ERROR_INPUT, "%s line %lld: ...", ...); */
pare_status pare_fail(pare_context *ctx, pare_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Keeps a sentence for the record and passes it to the caller's warning function, if any. */
void pare_warn(pare_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Allocates count * size bytes at 64-byte alignment, not cleared. *out = NULL on failure. A
 * product beyond the address range is PARE_ERROR_MEMORY; count = 0 gives a valid pointer that must
 * be freed. The pointer is written through a void *: pass &pointer_of_any_object_type.
 */
pare_status pare_alloc(pare_context *ctx, int64_t count, size_t size, void *out) PARE_MUST_CHECK;
/* The same, set to zero. */
pare_status pare_alloc_zero(pare_context *ctx, int64_t count, size_t size,
                            void *out) PARE_MUST_CHECK;
/* Accepts NULL. */
void pare_free(pare_context *ctx, void *memory);

/*
 * Makes *array (of elements of `size` bytes) hold at least `wanted` elements, keeping the first
 * *capacity; grows by half at least. On failure nothing changes.
 */
pare_status pare_grow(pare_context *ctx, int64_t wanted, size_t size, int64_t *capacity,
                      void *array) PARE_MUST_CHECK;

/* true and *out = a * b unless a or b is negative or the product exceeds INT64_MAX. */
bool pare_checked_multiply(int64_t a, int64_t b, int64_t *out);

#endif
