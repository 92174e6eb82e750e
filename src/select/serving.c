#include "select/serving_private.h"

#include <math.h>
#include <string.h>

enum { SWAP_ROUNDS = 8 };

/* ---- Greedy ---------------------------------------------------------------------------------- */

/* The best chunk of the field that is not kept; 0: none. */
static int64_t best_chunk(const pare_serving *serving, const double *gain, const uint8_t *keep,
                          int64_t field) {
    int64_t at = field * (serving->chunks + 1), best = 0;
    for (int64_t c = 1; c <= serving->chunks; c++) {
        if (!keep[at + c] && (best == 0 || gain[at + c] > gain[at + best])) {
            best = c;
        }
    }
    return best;
}

typedef struct bundle {
    int64_t field, count; /* so many candidates of the field: (f, 0) first if not kept */
    double ratio, gain;
} bundle;

/* Adds the next candidate of the field to keep: (f, 0), else its best chunk. Its gain; < 0: there
 * is none. */
static double add_next(const pare_serving *serving, const double *gain, uint8_t *keep,
                       int64_t field) {
    int64_t at = field * (serving->chunks + 1);
    int64_t next = keep[at] ? best_chunk(serving, gain, keep, field) : 0;
    if (keep[at] && next == 0) {
        return -1;
    }
    keep[at + next] = 1;
    return gain[at + next];
}

/* The best bundle that fits, by ratio; false: none. trial: scratch like keep. */
static bool best_bundle(const pare_serving *serving, const double *gain, const uint8_t *keep,
                        uint8_t *trial, bundle *out) {
    int64_t before[PARE_RESOURCES], after[PARE_RESOURCES];
    bool found = false;
    pare_serving_cost(serving, keep, before);
    memcpy(trial, keep, (size_t)pare_serving_candidates(serving));
    for (int64_t f = 0; f < serving->fields; f++) {
        size_t at = (size_t)(f * (serving->chunks + 1)), bytes = (size_t)(serving->chunks + 1);
        double total = 0, one = 0;
        if (serving->banned && serving->banned[f]) {
            continue;
        }
        for (int64_t count = 1; (one = add_next(serving, gain, trial, f)) >= 0; count++) {
            total += one;
            pare_serving_cost(serving, trial, after);
            if (!pare_serving_fits(serving, after)) {
                continue; /* a wider row may be no dearer, but the sum only grows */
            }
            double ratio = total / fmax(pare_serving_share(serving, before, after), 1e-12);
            if (total > 0 && (!found || ratio > out->ratio)) {
                *out = (bundle){f, count, ratio, total};
                found = true;
            }
        }
        memcpy(trial + at, keep + at, bytes);
    }
    return found;
}

/* Adds what fits of the field and brings something, one candidate after the other. */
static void add_each(const pare_serving *serving, const double *gain, uint8_t *keep,
                     int64_t field) {
    int64_t at = field * (serving->chunks + 1);
    if (serving->banned && serving->banned[field]) {
        return;
    }
    for (int64_t c = 0; c <= serving->chunks && (c == 0 || keep[at]); c++) {
        if (!keep[at + c] && gain[at + c] > 0) {
            keep[at + c] = 1;
            keep[at + c] = pare_serving_keep_fits(serving, keep);
        }
    }
}

static void fill(const pare_serving *serving, const double *gain, uint8_t *keep, uint8_t *trial) {
    bundle best = {0};
    while (best_bundle(serving, gain, keep, trial, &best)) {
        for (int64_t i = 0; i < best.count; i++) {
            (void)add_next(serving, gain, keep, best.field);
        }
    }
    for (int64_t f = 0; f < serving->fields; f++) {
        add_each(serving, gain, keep, f);
    }
}

static double total_gain(const pare_serving *serving, const double *gain, const uint8_t *keep) {
    double total = 0;
    for (int64_t i = 0; i < pare_serving_candidates(serving); i++) {
        total += keep[i] ? gain[i] : 0;
    }
    return total;
}

/* Fills again with each field put in first: a dear one that brings much is not crowded out by cheap
 * ones of better ratio (Sviridenko 2004 starts from every three items). */
static void fill_from_each(const pare_serving *serving, const double *gain, const uint8_t *fixed,
                           uint8_t *keep, uint8_t *other, uint8_t *trial) {
    size_t bytes = (size_t)pare_serving_candidates(serving);
    for (int64_t f = 0; f < serving->fields; f++) {
        int64_t at = f * (serving->chunks + 1);
        memcpy(other, fixed, bytes);
        other[at] = 1;
        if ((serving->banned && serving->banned[f]) || !pare_serving_keep_fits(serving, other)) {
            continue;
        }
        fill(serving, gain, other, trial);
        if (total_gain(serving, gain, other) > total_gain(serving, gain, keep)) {
            memcpy(keep, other, bytes);
        }
    }
}

/* Adds the longest bundle of the field that fits, then what fits one by one. */
static void add_most(const pare_serving *serving, const double *gain, uint8_t *keep, uint8_t *trial,
                     int64_t field) {
    size_t bytes = (size_t)pare_serving_candidates(serving);
    double one = 0, total = 0;
    if (serving->banned && serving->banned[field]) {
        return;
    }
    memcpy(trial, keep, bytes);
    for (bool first = true;
         (one = add_next(serving, gain, trial, field)) > 0 || (first && one == 0); first = false) {
        total += one;
        if (total > 0 && pare_serving_keep_fits(serving, trial)) {
            memcpy(keep, trial, bytes);
        }
    }
    add_each(serving, gain, keep, field);
}

/* Drops one field at a time and fills the room without it, then with it; keeps what is better. */
static void swap(const pare_serving *serving, const double *gain, const uint8_t *fixed,
                 uint8_t *keep, uint8_t *other, uint8_t *trial) {
    size_t bytes = (size_t)pare_serving_candidates(serving);
    bool better = true;
    for (int64_t round = 0; round < SWAP_ROUNDS && better; round++) {
        better = false;
        for (int64_t f = 0; f < serving->fields; f++) {
            int64_t at = f * (serving->chunks + 1);
            if (!keep[at]) {
                continue;
            }
            /* Without the field's chunks, then without the field. */
            for (int64_t from = 1; from >= 0; from--) {
                memcpy(other, keep, bytes);
                for (int64_t c = from; c <= serving->chunks; c++) {
                    other[at + c] = fixed[at + c];
                }
                for (int64_t g = 0; g < serving->fields; g++) {
                    /* The field itself comes last. */
                    add_most(serving, gain, other, trial, (f + 1 + g) % serving->fields);
                }
                if (total_gain(serving, gain, other) > total_gain(serving, gain, keep)) {
                    memcpy(keep, other, bytes);
                    better = true;
                }
            }
        }
    }
}

/* ---- Choice ---------------------------------------------------------------------------------- */

/* What the cheapest plan needs where the budget is too small, by the first resource exceeded. */
static pare_status too_small(const pare_serving *serving, const uint8_t *keep, const char *what) {
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(serving, keep, cost);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        if (cost[r] > serving->limit[r]) {
            int64_t unit = 0;
            const char *word = pare_resource_word((pare_resource)r, &unit);
            return pare_fail(serving->ctx, PARE_ERROR_INPUT,
                             "the budget fits nothing: the cheapest plan (%s) needs %s=%.15g, the "
                             "budget allows %.15g",
                             what, word, (double)cost[r] / (double)unit,
                             (double)serving->limit[r] / (double)unit);
        }
    }
    return pare_fail(serving->ctx, PARE_ERROR_INPUT, "every field is banned");
}

pare_status pare_serving_possible(const pare_serving *serving, const uint8_t *fixed,
                                  uint8_t *trial) {
    int64_t count = pare_serving_candidates(serving), cheapest = -1;
    bool any = false;
    double least = 0;
    for (int64_t i = 0; i < count; i++) {
        any = any || fixed[i];
    }
    if (any) {
        return pare_serving_keep_fits(serving, fixed)
                   ? PARE_OK
                   : too_small(serving, fixed, "the pinned fields");
    }
    const int64_t nothing[PARE_RESOURCES] = {0};
    for (int64_t f = 0; f < serving->fields; f++) {
        int64_t cost[PARE_RESOURCES];
        if (serving->banned && serving->banned[f]) {
            continue;
        }
        trial[f * (serving->chunks + 1)] = 1;
        pare_serving_cost(serving, trial, cost);
        trial[f * (serving->chunks + 1)] = 0;
        if (pare_serving_fits(serving, cost)) {
            return PARE_OK;
        }
        double one = pare_serving_share(serving, nothing, cost);
        if (cheapest < 0 || one < least) {
            cheapest = f;
            least = one;
        }
    }
    if (cheapest >= 0) {
        trial[cheapest * (serving->chunks + 1)] = 1;
    }
    return too_small(serving, trial, cheapest >= 0 ? serving->name[cheapest] : "");
}

pare_status pare_serving_choose(const pare_serving *serving, const double *gain, uint8_t *keep) {
    int64_t count = pare_serving_candidates(serving);
    size_t bytes = (size_t)count;
    uint8_t *block = NULL; /* fixed, chosen, two scratches */
    pare_status status = pare_alloc_zero(serving->ctx, 4 * count, 1, &block);
    if (status != PARE_OK) {
        return status;
    }
    uint8_t *fixed = block, *chosen = fixed + count, *other = chosen + count;
    uint8_t *trial = other + count;
    memcpy(fixed, keep, bytes);
    for (int64_t f = 0; f < serving->fields && serving->pinned; f++) {
        fixed[f * (serving->chunks + 1)] |= serving->pinned[f];
    }
    status = pare_serving_possible(serving, fixed, trial);
    if (status == PARE_OK) {
        memcpy(chosen, fixed, bytes);
        fill(serving, gain, chosen, trial);
        fill_from_each(serving, gain, fixed, chosen, other, trial);
        swap(serving, gain, fixed, chosen, other, trial);
        if (!pare_serving_keep_fits(serving, chosen)) { /* cannot happen: every step was checked */
            status = pare_fail(serving->ctx, PARE_ERROR_NUMERIC, "the choice exceeds the budget");
        }
    }
    if (status == PARE_OK) {
        memcpy(keep, chosen, bytes);
    }
    pare_free(serving->ctx, block);
    return status;
}
