/* What a scored row costs when some fields and chunks are kept. */
#include "select/serving_private.h"

#include <string.h>

enum { LINE_FLOATS = 16, FLOAT_BYTES = 4 };

const char *pare_resource_name(pare_resource resource) {
    static const char *const names[] = {
#define PARE_RESOURCE_TEXT(code, name) name,
        PARE_RESOURCE_LIST(PARE_RESOURCE_TEXT)
#undef PARE_RESOURCE_TEXT
    };
    return names[resource];
}

const char *pare_resource_word(pare_resource resource, int64_t *unit) {
    bool fetch = resource == PARE_RESOURCE_FETCH, time = fetch || resource == PARE_RESOURCE_LATENCY;
    *unit = time ? 1000 : 1;
    return fetch ? "fetch_us" : time ? "latency_us" : pare_resource_name(resource);
}

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

/* Has a kept field of the first `fields`, other than the group's own, opened group `place` of the
 * list? seen: bits of the first groups that the sums hold. */
static bool opened(const pare_serving *serving, const uint8_t *keep, int64_t fields, int64_t place,
                   uint64_t seen[PARE_SERVING_SEEN]) {
    int64_t group = serving->group[place];
    if (group < 64 * PARE_SERVING_SEEN) {
        uint64_t bit = UINT64_C(1) << group % 64, before = seen[group / 64];
        seen[group / 64] |= bit;
        return before & bit;
    }
    if (place % 2 == 1 && serving->group[place - 1] == group) {
        return true;
    }
    for (int64_t i = 0; i < 2 * fields; i++) {
        if (serving->group[i] == group && i / 2 != place / 2 && kept_of(serving, keep, i / 2)[0]) {
            return true;
        }
    }
    return false;
}

void pare_serving_add(const pare_serving *serving, const uint8_t *keep, int64_t fields,
                      int64_t field, const uint8_t *kept, pare_serving_sums *sums) {
    const pare_serving_times *times = &serving->latency;
    int64_t width = 0;
    for (int64_t c = 1; c <= serving->chunks; c++) {
        width += kept[c] ? serving->width[c - 1] : 0;
    }
    int64_t row = pare_serving_row(width);
    int64_t bytes = product(serving->size[field], FLOAT_BYTES * row);
    sums->kept++;
    sums->width += width;
    sums->bytes = sum(sums->bytes, bytes);
    sums->lines += (row + LINE_FLOATS - 1) / LINE_FLOATS;
    sums->flops = sum(sums->flops, sum(1 + 4 * width, product(2 * serving->units, width)));
    for (int64_t i = 2 * field; i < 2 * field + 2 && serving->group; i++) {
        if (serving->group[i] >= 0 && !opened(serving, keep, fields, i, sums->seen)) {
            sums->fetch = sum(sums->fetch, serving->fetch[serving->group[i]]);
        }
    }
    if (times->call) {
        sums->wait = times->wait[field] > sums->wait ? times->wait[field] : sums->wait;
        sums->each = sum(sums->each, times->each[field]);
    }
}

/* Nanoseconds, rounded up. */
static int64_t latency_of(const pare_serving_times *times, const pare_serving_sums *sums) {
    int64_t over = sums->each > times->spare ? sums->each - times->spare : 0;
    int64_t call = times->call ? times->call[sums->kept] : 0;
    return sums->kept > 0 ? (sum(sum(over, sums->wait), call) - 1) / 1000 + 1 : 0;
}

void pare_serving_total(const pare_serving *serving, const pare_serving_sums *sums,
                        int64_t cost[PARE_RESOURCES]) {
    int64_t square = product(2 * serving->crosses, product(sums->width, sums->width));
    cost[PARE_RESOURCE_BYTES] = sums->bytes;
    cost[PARE_RESOURCE_LINES] = sums->lines;
    cost[PARE_RESOURCE_FLOPS] = sum(sums->flops, sum(square, serving->later));
    cost[PARE_RESOURCE_FETCH] = sums->fetch;
    cost[PARE_RESOURCE_LATENCY] = serving->latency.call ? latency_of(&serving->latency, sums) : 0;
}

void pare_serving_sum(const pare_serving *serving, const uint8_t *keep, int64_t except,
                      pare_serving_sums *sums) {
    memset(sums, 0, sizeof *sums);
    for (int64_t f = 0; f < serving->fields; f++) {
        const uint8_t *kept = kept_of(serving, keep, f);
        if (kept[0] && f != except) {
            pare_serving_add(serving, keep, f, f, kept, sums);
        }
    }
}

void pare_serving_cost(const pare_serving *serving, const uint8_t *keep,
                       int64_t cost[PARE_RESOURCES]) {
    pare_serving_sums sums;
    pare_serving_sum(serving, keep, -1, &sums);
    pare_serving_total(serving, &sums, cost);
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
