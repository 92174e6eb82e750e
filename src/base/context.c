#include "base/context.h"

#include <stdio.h>
#include <string.h>

const char *pare_status_text(pare_status status) {
    switch (status) {
#define PARE_STATUS_CASE(code, value, text)                                                        \
    case code:                                                                                     \
        return text;
        PARE_STATUS_LIST(PARE_STATUS_CASE)
#undef PARE_STATUS_CASE
    }
    return "unknown status";
}

pare_status pare_fail(pare_context *ctx, pare_status status, const char *format, ...) {
    /* Formatted aside first: an argument may be the previous message. */
    char text[PARE_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(ctx->message, text, sizeof text);
    return status;
}

void pare_warn(pare_context *ctx, const char *format, ...) {
    char text[PARE_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *copy = NULL;
    if (ctx->warnings < PARE_WARNINGS_MAX) {
        copy = ctx->allocator.allocate(ctx->allocator.user, strlen(text) + 1, PARE_ALIGNMENT);
    }
    if (copy) {
        memcpy(copy, text, strlen(text) + 1);
        ctx->warning[ctx->warnings++] = copy;
    }
    if (ctx->on_warning) {
        ctx->on_warning(ctx->warning_user, text);
    }
}

bool pare_checked_multiply(int64_t a, int64_t b, int64_t *out) {
    return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, out);
}

/* Writes a pointer of any object type through `out` without breaking aliasing rules. */
static void store_pointer(void *out, void *pointer) {
    memcpy(out, &pointer, sizeof pointer);
}

pare_status pare_alloc(pare_context *ctx, int64_t count, size_t size, void *out) {
    store_pointer(out, NULL);
    int64_t bytes = 0;
    if (!pare_checked_multiply(count, (int64_t)size, &bytes) ||
        bytes > (int64_t)(PTRDIFF_MAX / 2)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld items of %zu bytes asked for",
                         (long long)count, size);
    }
    void *memory = ctx->allocator.allocate(
        ctx->allocator.user, bytes > 0 ? (size_t)bytes : (size_t)PARE_ALIGNMENT, PARE_ALIGNMENT);
    if (!memory) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %.1f MB asked for",
                         (double)bytes / 1e6);
    }
    store_pointer(out, memory);
    return PARE_OK;
}

pare_status pare_alloc_zero(pare_context *ctx, int64_t count, size_t size, void *out) {
    pare_status status = pare_alloc(ctx, count, size, out);
    if (status == PARE_OK) {
        void *memory = NULL;
        memcpy(&memory, out, sizeof memory);
        memset(memory, 0, (size_t)count * size);
    }
    return status;
}

void pare_free(pare_context *ctx, void *memory) {
    if (memory) {
        ctx->allocator.release(ctx->allocator.user, memory);
    }
}

pare_status pare_grow(pare_context *ctx, int64_t wanted, size_t size, int64_t *capacity,
                      void *array) {
    if (wanted <= *capacity) {
        return PARE_OK;
    }
    int64_t larger = *capacity + *capacity / 2;
    larger = larger < wanted ? wanted : larger;
    larger = larger < 16 ? 16 : larger;
    void *old = NULL;
    void *new = NULL;
    memcpy(&old, array, sizeof old);
    pare_status status = pare_alloc(ctx, larger, size, &new);
    if (status != PARE_OK) {
        return status;
    }
    if (old) {
        memcpy(new, old, (size_t)*capacity * size);
        pare_free(ctx, old);
    }
    store_pointer(array, new);
    *capacity = larger;
    return PARE_OK;
}
