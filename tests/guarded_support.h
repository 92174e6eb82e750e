/* Kernels of one level, and arrays that show a read or a write beside them. */
#ifndef PARE_TESTS_GUARDED_SUPPORT_H
#define PARE_TESTS_GUARDED_SUPPORT_H

#include "support.h"

enum { GUARD_MARGIN = 64 }; /* bytes */

/* The table under test; skips when this CPU lacks the level. */
static inline const pare_kernels *table_of(void **state) {
    const pare_cpu_level *level = *state;
    if (pare_cpu_detect() < *level) {
        skip();
    }
    return pare_kernels_at(*level);
}

/* An array with a margin on both sides. In inputs the margin holds NaN, so that a lane read past
 * the end shows in the sum; in outputs it must not change. */
typedef struct guarded {
    unsigned char *block;
    size_t bytes, place; /* of the array, and where it begins in the block */
    void *at;
} guarded;

static inline guarded guarded_make(int64_t count, size_t size, int64_t offset) {
    guarded g = {.bytes = (size_t)count * size, .place = GUARD_MARGIN + (size_t)offset * size};
    void *block = NULL;
    assert_int_equal(posix_memalign(&block, 64, g.place + g.bytes + GUARD_MARGIN), 0);
    g.block = block;
    memset(g.block, 0xff, g.place + g.bytes + GUARD_MARGIN);
    g.at = g.block + g.place;
    return g;
}

static inline void guarded_check(guarded *g) {
    for (size_t i = 0; i < g->place; i++) {
        assert_int_equal(g->block[i], 0xff);
    }
    for (size_t i = 0; i < GUARD_MARGIN; i++) {
        assert_int_equal(g->block[g->place + g->bytes + i], 0xff);
    }
    free(g->block);
}

#endif
