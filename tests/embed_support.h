/* What the tests of embedding plans share: two temporary files, and a plan in a context of its
 * own. */
#ifndef PARE_TESTS_EMBED_SUPPORT_H
#define PARE_TESTS_EMBED_SUPPORT_H

#include "support.h"

#include "base/random.h"
#include "problem/embed.h"

#include <math.h>
#include <stdio.h>
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

static inline bool kept_field(const run *r, const char *name) {
    const pare_embed *e = r->embed;
    int64_t f = pare_fields_find(&e->fields, name, (int64_t)strlen(name));
    assert_true(f >= 0);
    return e->keep[f * (e->serving.chunks + 1)];
}

/* What drives the label: field a, or b. c to e are noise. */
typedef struct day {
    int rows;
    bool by_b, without_a, with_new;
    int shift;     /* of the ids of c */
    double effect; /* of the driving field on the logit; 0: 1.5 */
} day;

static inline void write_day(uint64_t seed, day d) {
    FILE *file = fopen(rows_path, "w");
    assert_non_null(file);
    fprintf(file, "%sb,c,d,e%s,y\n", d.without_a ? "" : "a,", d.with_new ? ",new" : "");
    for (int i = 0; i < d.rows; i++) {
        int64_t id[6];
        for (int f = 0; f < 6; f++) {
            id[f] = pare_random_below(seed, PARE_STREAM_TEST, (uint64_t)(7 * i + f), 10);
        }
        int64_t cause = d.with_new ? id[5] : id[d.by_b];
        double effect = d.effect > 0 ? d.effect : 1.5, z = cause % 2 ? effect : -effect;
        double u = pare_random_uniform(seed, PARE_STREAM_TEST, (uint64_t)(7 * i + 6));
        if (!d.without_a) {
            fprintf(file, "%lld,", (long long)id[0]);
        }
        fprintf(file, "%lld,%lld,%lld,%lld", (long long)id[1], (long long)id[2] + d.shift,
                (long long)id[3], (long long)id[4]);
        if (d.with_new) {
            fprintf(file, ",%lld", (long long)id[5]);
        }
        fprintf(file, ",%d\n", u < 1 / (1 + exp(-z)));
    }
    assert_int_equal(fclose(file), 0);
}

/* The file's bytes, and how many. */
static inline int64_t file_size(const char *path, unsigned char *bytes, int64_t most) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    int64_t length = (int64_t)fread(bytes, 1, (size_t)most, file);
    fclose(file);
    return length;
}

#endif
