/*
 * What a scored row costs when some embedding fields and chunks are kept, and which of them to keep
 * within a serving budget. Candidate (f, 0) is field f with its linear weight; (f, c) with c >= 1
 * adds chunk c of its vector, and needs (f, 0).
 */
#ifndef PARE_SELECT_SERVING_H
#define PARE_SELECT_SERVING_H

#include "base/context.h"

/* Resource, name in budgets. All are whole numbers. */
#define PARE_RESOURCE_LIST(X)                                                                      \
    X(BYTES, "bytes")        /* of all tables, rows padded as below */                             \
    X(LINES, "lines")        /* 64-byte lines looked up for a row */                               \
    X(FLOPS, "flops")        /* of the pairs, and of a network */                                  \
    X(FETCH, "fetch_ns")     /* nanoseconds of the feature store, once for each group used */      \
    X(LATENCY, "latency_ns") /* of scoring one row, as `latency` predicts; 0 without it */

typedef enum pare_resource {
#define PARE_RESOURCE_ENUM(code, name) PARE_RESOURCE_##code,
    PARE_RESOURCE_LIST(PARE_RESOURCE_ENUM)
#undef PARE_RESOURCE_ENUM
        PARE_RESOURCES
} pare_resource;
const char *pare_resource_name(pare_resource resource);
/* Its name as people give budgets, and how many of its counts are one of that: times in
 * microseconds. */
const char *pare_resource_word(pare_resource resource, int64_t *unit);

/* Picoseconds of scoring one row: by how many fields are kept, beside that what it waits for the
 * slowest of them, and the sum of each where that is more than spare. All are >= 0, and call does
 * not fall. */
typedef struct pare_serving_times {
    const int64_t *call; /* (fields + 1) */
    const int64_t *each; /* (fields) */
    const int64_t *wait; /* (fields) */
    int64_t spare;
} pare_serving_times;

typedef struct pare_serving {
    pare_context *ctx;
    int64_t fields, chunks, groups;
    const int64_t *size;           /* (fields) rows of the table */
    const char *const *name;       /* (fields) for sentences */
    const int64_t *width;          /* (chunks) floats of each chunk */
    const int64_t *group;          /* (2 fields) groups that fetch the field, -1: none; a cross
                                      has those of both its parts */
    const int64_t *fetch;          /* (groups) nanoseconds */
    int64_t units;                 /* of the network's first layer; 0: none */
    int64_t later;                 /* flops of the later ones, whatever is kept */
    int64_t crosses;               /* layers of a cross network, of 2 width^2 flops each */
    const uint8_t *pinned;         /* (fields) must be kept; NULL: none */
    const uint8_t *banned;         /* (fields) must not be kept; NULL: none */
    pare_serving_times latency;    /* NULLs: not known */
    int64_t limit[PARE_RESOURCES]; /* INT64_MAX: none */
} pare_serving;

static inline int64_t pare_serving_candidates(const pare_serving *serving) {
    return serving->fields * (serving->chunks + 1);
}

/* Floats of a stored row of 1 + width floats: the next power of two up to a line of 16, whole lines
 * above, so that no row straddles a line it need not. */
int64_t pare_serving_row(int64_t width);

/* Costs of what is kept; keep: (fields, chunks + 1). Sums beyond INT64_MAX stay there. */
void pare_serving_cost(const pare_serving *serving, const uint8_t *keep,
                       int64_t cost[PARE_RESOURCES]);
/* Whether nothing exceeds its limit. */
bool pare_serving_fits(const pare_serving *serving, const int64_t cost[PARE_RESOURCES]);
/* Share of the limits that going from `before` to `after` takes, summed over resources. */
double pare_serving_share(const pare_serving *serving, const int64_t before[PARE_RESOURCES],
                          const int64_t after[PARE_RESOURCES]);

/*
 * Keeps what brings most within the budget: whole bundles (a field with its best chunks, or more
 * chunks of a kept field) by gain per share of the budget their marginal cost takes, also with each
 * field put in first; then swaps (one field dropped, the room filled anew) while the sum of gains
 * grows. The result is checked against the limits: it is never over. gain: (fields, chunks + 1) >=
 * 0. keep: in, what must stay (its own pinned fields are added); out, the choice, written only on
 * success. Fails if the pinned, or else every single field, exceeds the budget; the sentence names
 * the cheapest plan. Ties: the lower number. Cost: O(swaps fields (fields chunks)^2).
 */
pare_status pare_serving_choose(const pare_serving *serving, const double *gain,
                                uint8_t *keep) PARE_MUST_CHECK;

/*
 * The same where candidates bring together what a least squares fit says, so that of two that say
 * the same one is kept: a set S saves max over w_S >= 0 of g'w - w'Hw/2 - sum_j prior_j/2 H_jj (w_j
 * - 1)^2
 * - price |S|, candidates, chunks above all, being expected near weight 1; one with a weight below
 * 0 is not added. Forward by bundles, also from each of the best fields, then swaps, as above; what
 * saves nothing is left out even where it fits. slope: g (candidates); curvature: H (candidates,
 * candidates) row-major, symmetric, positive semidefinite; price >= 0. keep: as above. gain:
 * (candidates) what leaving out a kept one, or adding one that is not kept, changes; >= 0. Cost: a
 * rank-1 change of H for each step, about (candidates + 10 fields) of them.
 */
enum { PARE_SERVING_CHUNKS = 64 }; /* chunks of a field, at most */
typedef struct pare_serving_joint {
    const double *slope, *curvature;
    double price;
    bool rough; /* forward once: no starts from the best fields, no swaps */
} pare_serving_joint;
pare_status pare_serving_choose_joint(const pare_serving *serving, const pare_serving_joint *joint,
                                      uint8_t *keep, double *gain) PARE_MUST_CHECK;

/* What the best candidate of each field saves beside nothing, in prices; <= 0: nothing. alone:
 * (fields). */
void pare_serving_alone(const pare_serving *serving, const pare_serving_joint *joint,
                        double *alone);
/* What a set saves, as above (at least so much, where weights below 0 are left out), and an upper
 * bound of what any set within the budget saves (serving_bound.c); *bound >= *saved. Cost: some 30
 * products of H with a vector and a few factorisations of it. */
pare_status pare_serving_bound(const pare_serving *serving, const pare_serving_joint *joint,
                               const uint8_t *keep, double *saved, double *bound) PARE_MUST_CHECK;

#endif
