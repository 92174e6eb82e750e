/* Shared by the test programs: cmocka, a context with threads and kernels, an allocator that
 * fails on demand. */
#ifndef PARE_TESTS_SUPPORT_H
#define PARE_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/options.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "platform/threads.h"

/* Fails the test with the context's sentence. */
#define assert_ok(ctx, call)                                                                       \
    do {                                                                                           \
        pare_status status_ = (call);                                                              \
        if (status_ != PARE_OK) {                                                                  \
            fail_msg("%s: %s", #call, pare_context_error(ctx));                                    \
        }                                                                                          \
    } while (0)

/* Counts allocations and fails the one numbered fail_at (0-based; -1: none). */
typedef struct test_allocator {
    int64_t count, fail_at, live;
} test_allocator;

static inline void *test_allocate(void *user, size_t bytes, size_t alignment) {
    test_allocator *state = user;
    if (state->count++ == state->fail_at) {
        return NULL;
    }
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, bytes) != 0) {
        return NULL;
    }
    state->live++;
    return memory;
}

static inline void test_release(void *user, void *memory) {
    test_allocator *state = user;
    state->live--;
    free(memory);
}

static inline pare_allocator test_allocator_of(test_allocator *state) {
    return (pare_allocator){sizeof(pare_allocator), test_allocate, test_release, state};
}

/* set: "name=value" pairs separated by blanks, or NULL. The first that fails ends it. */
static inline pare_status test_options_set(pare_options *options, const char *set) {
    pare_status status = PARE_OK;
    while (set && *set && status == PARE_OK) {
        char name[64], value[64];
        assert_int_equal(sscanf(set, "%63[^=]=%63s", name, value), 2);
        status = pare_options_set(options, name, value);
        set += strcspn(set, " ");
        set += strspn(set, " ");
    }
    return status;
}

/* The steps, in a context of their own, with memory running out at each of their allocations in
 * turn. */
static inline void test_each_allocation(pare_status (*steps)(pare_context *ctx)) {
    bool failed = true;
    for (int64_t at = 0; failed; at++) {
        test_allocator counter = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&counter);
        pare_context *own = NULL;
        assert_int_equal(pare_context_create(&allocator, &own), PARE_OK);
        counter.fail_at = counter.count + at;
        pare_status status = steps(own);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        failed = status != PARE_OK;
        pare_context_destroy(own);
        assert_int_equal(counter.live, 0);
    }
}

#endif
