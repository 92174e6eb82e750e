#include "select/serving_private.h"

#include <math.h>
#include <string.h>

enum { LINE_FLOATS = 16, FLOAT_BYTES = 4, SWAP_ROUNDS = 8, GROUP_WORDS = 16 };

const char *pare_resource_name(pare_resource resource) {
    static const char *const names[] = {
#define PARE_RESOURCE_TEXT(code, name) name,
        PARE_RESOURCE_LIST(PARE_RESOURCE_TEXT)
#undef PARE_RESOURCE_TEXT
    };
    return names[resource];
}

/* ---- Costs ----------------------------------------------------------------------------------- */

static int64_t product(int64_t a, int64_t b) {
    int64_t out = 0;
    return pare_checked_multiply(a, b, &out) ? out : INT64_MAX;
}

static int64_t sum(int64_t a, int64_t b) {
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

int64_t pare_serving_row(int64_t width) {
    int64_t floats = 1 + width, row = 1;
    if (floats > LINE_FLOATS) {
        return (floats + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    }
    while (row < floats) {
        row *= 2;
    }
    return row;
}

static const uint8_t *kept_of(const pare_serving *serving, const uint8_t *keep, int64_t field) {
    return keep + field * (serving->chunks + 1);
}

/* Has group `place` of the list been opened by one before it? seen: bits of the first groups. */
static bool opened(const pare_serving *serving, const uint8_t *keep, int64_t place,
                   uint64_t seen[GROUP_WORDS]) {
    int64_t group = serving->group[place];
    if (group < 64 * GROUP_WORDS) {
        uint64_t bit = UINT64_C(1) << group % 64, before = seen[group / 64];
        seen[group / 64] |= bit;
        return before & bit;
    }
    for (int64_t i = 0; i < place; i++) {
        if (serving->group[i] == group && kept_of(serving, keep, i / 2)[0]) {
            return true;
        }
    }
    return false;
}

/* Nanoseconds, rounded up. */
static int64_t latency_of(const pare_serving *serving, const uint8_t *keep) {
    const pare_serving_times *times = &serving->latency;
    int64_t kept = 0, wait = 0, each = 0;
    for (int64_t f = 0; f < serving->fields && times->call; f++) {
        if (kept_of(serving, keep, f)[0]) {
            wait = times->wait[f] > wait ? times->wait[f] : wait;
            each = sum(each, times->each[f]);
            kept++;
        }
    }
    int64_t over = each > times->spare ? each - times->spare : 0;
    return kept > 0 ? (sum(sum(over, wait), times->call[kept]) - 1) / 1000 + 1 : 0;
}

void pare_serving_cost(const pare_serving *serving, const uint8_t *keep,
                       int64_t cost[PARE_RESOURCES]) {
    int64_t all = 0; /* floats of all kept vectors */
    uint64_t seen[GROUP_WORDS] = {0};
    memset(cost, 0, PARE_RESOURCES * sizeof *cost);
    for (int64_t f = 0; f < serving->fields; f++) {
        const uint8_t *kept = kept_of(serving, keep, f);
        int64_t width = 0;
        if (!kept[0]) {
            continue;
        }
        for (int64_t c = 1; c <= serving->chunks; c++) {
            width += kept[c] ? serving->width[c - 1] : 0;
        }
        all += width;
        int64_t row = pare_serving_row(width);
        int64_t bytes = product(serving->size[f], FLOAT_BYTES * row);
        int64_t flops = sum(1 + 4 * width, product(2 * serving->units, width));
        cost[PARE_RESOURCE_BYTES] = sum(cost[PARE_RESOURCE_BYTES], bytes);
        cost[PARE_RESOURCE_LINES] += (row + LINE_FLOATS - 1) / LINE_FLOATS;
        cost[PARE_RESOURCE_FLOPS] = sum(cost[PARE_RESOURCE_FLOPS], flops);
        for (int64_t i = 2 * f; i < 2 * f + 2 && serving->group; i++) {
            if (serving->group[i] >= 0 && !opened(serving, keep, i, seen)) {
                cost[PARE_RESOURCE_FETCH] =
                    sum(cost[PARE_RESOURCE_FETCH], serving->fetch[serving->group[i]]);
            }
        }
    }
    cost[PARE_RESOURCE_FLOPS] =
        sum(cost[PARE_RESOURCE_FLOPS], product(2 * serving->crosses, product(all, all)));
    cost[PARE_RESOURCE_LATENCY] = latency_of(serving, keep);
}

bool pare_serving_fits(const pare_serving *serving, const int64_t cost[PARE_RESOURCES]) {
    for (int r = 0; r < PARE_RESOURCES; r++) {
        if (cost[r] > serving->limit[r]) {
            return false;
        }
    }
    return true;
}

bool pare_serving_keep_fits(const pare_serving *serving, const uint8_t *keep) {
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(serving, keep, cost);
    return pare_serving_fits(serving, cost);
}

double pare_serving_share(const pare_serving *serving, const int64_t before[PARE_RESOURCES],
                          const int64_t after[PARE_RESOURCES]) {
    double total = 0;
    for (int r = 0; r < PARE_RESOURCES; r++) {
        if (serving->limit[r] < INT64_MAX) {
            double limit = serving->limit[r] > 0 ? (double)serving->limit[r] : 1;
            total += ((double)after[r] - (double)before[r]) / limit;
        }
    }
    return total;
}

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
            bool fetch = r == PARE_RESOURCE_FETCH, time = fetch || r == PARE_RESOURCE_LATENCY;
            double unit = time ? 1000 : 1; /* budgets of time are in microseconds */
            const char *name = fetch  ? "fetch_us"
                               : time ? "latency_us"
                                      : pare_resource_name((pare_resource)r);
            return pare_fail(serving->ctx, PARE_ERROR_INPUT,
                             "the budget fits nothing: the cheapest plan (%s) needs %s=%.15g, the "
                             "budget allows %.15g",
                             what, name, (double)cost[r] / unit, (double)serving->limit[r] / unit);
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
