/* What the tests of embedding plans share: two temporary files, and a plan in a context of its
 * own. */
#ifndef PARE_TESTS_EMBED_SUPPORT_H
#define PARE_TESTS_EMBED_SUPPORT_H

#include "support.h"

#include "problem/embed.h"

#include <unistd.h>

/* Rows, and a schema, budget or state. */
static char rows_path[64], other_path[64];

static inline int embed_files_make(void) {
    strcpy(rows_path, "/tmp/pare-embed-XXXXXX");
    strcpy(other_path, "/tmp/pare-embed-XXXXXX");
    const int rows = mkstemp(rows_path), other = mkstemp(other_path);
    return rows < 0 || other < 0 || close(rows) || close(other);
}

static inline int embed_files_remove(void **state) {
    (void)state;
    unlink(rows_path);
    return unlink(other_path);
}

typedef struct run {
    pare_context *ctx;
    pare_options options;
    pare_embed *embed;
} run;

/* allocator: may be NULL; set: "name=value" pairs separated by blanks. */
static inline void run_open(run *r, const pare_allocator *allocator, int64_t threads,
                            const char *set) {
    *r = (run){0};
    assert_int_equal(pare_context_create(allocator, &r->ctx), PARE_OK);
    assert_ok(r->ctx, pare_context_set_threads(r->ctx, threads));
    assert_ok(r->ctx, pare_options_init(r->ctx, &r->options));
    assert_ok(r->ctx, test_options_set(&r->options, set));
}

static inline void run_close(run *r) {
    pare_embed_free(r->embed);
    pare_options_clear(&r->options);
    pare_context_destroy(r->ctx);
}

#endif
