/* Latency of field models from the parts that were measured. */
#include "model/field_latency_private.h"

#include <math.h>

enum { USUAL = 9 }; /* a quantile */
const double pare_latency_shares[PARE_LATENCY_QUANTILES] = {
    0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998};

/* ---- Reach ----------------------------------------------------------------------------------- */

double pare_field_latency_flops(const pare_field_spec *spec, int64_t fields) {
    double width = (double)(fields * spec->dimension), units = (double)spec->units;
    double flops = (double)fields + 4 * width;
    if (pare_field_spec_deep(spec)) {
        flops += 2 * width * units + 2 * (double)(spec->layers - 1) * units * units + 2 * units;
        flops += 2 * (double)spec->crosses * width * width;
    }
    return flops;
}

double pare_field_row_bytes(const pare_field_spec *spec) {
    int64_t lines = (PARE_FM_HEAD + spec->dimension + PARE_FM_LINE - 1) / PARE_FM_LINE;
    return (double)(lines * PARE_FM_LINE) * (double)sizeof(float);
}

/* Share of the rows of a table of `size` that no one of `visits` uniform visits meets. */
static double untouched(int64_t size, double visits) {
    return visits > 0 ? exp(visits * log1p(-1 / (double)size)) : 1;
}

/* Bytes of all tables and of the network that `rows` rows of data touch. */
double pare_field_touched(const pare_field_spec *spec, const pare_fields *fields, double rows) {
    double bytes = 0;
    for (int64_t g = 0; g < fields->count; g++) {
        int64_t size = fields->field[g].size;
        bytes += (double)size * pare_field_row_bytes(spec) * (1 - untouched(size, rows));
    }
    if (pare_field_spec_deep(spec)) {
        double network = (double)pare_field_parameters(spec, 0, fields->count) * sizeof(float);
        bytes += network * fmin(1, rows / (double)spec->batch);
    }
    return bytes;
}

/* The rows of data that touch `bytes`: for a cache of that size the characteristic time of Che,
 * Tung and Wang (2002). INFINITY where all there is takes less. */
static double rows_within(const pare_field_spec *spec, const pare_fields *fields, double bytes) {
    double low = 0, high = 1;
    while (pare_field_touched(spec, fields, high) < bytes) {
        if (high > 0x1p40) {
            return (double)INFINITY;
        }
        low = high;
        high *= 2;
    }
    for (int step = 0; step < 30; step++) {
        double middle = (low + high) / 2;
        *(pare_field_touched(spec, fields, middle) < bytes ? &low : &high) = middle;
    }
    return high;
}

/* ---- Predict --------------------------------------------------------------------------------- */

/* y at x by straight lines through (at[i], y[i]), also beyond the last; the first before it. */
static double between(int64_t count, const double *at, const double *y, int64_t step, double x) {
    int64_t i = 1;
    while (i < count - 1 && at[i] < x) {
        i++;
    }
    if (count < 2 || x <= at[0]) {
        return y[0];
    }
    double share = (x - at[i - 1]) / (at[i] - at[i - 1]);
    return y[(i - 1) * step] + share * (y[i * step] - y[(i - 1) * step]);
}

static pare_field_time time_between(int64_t count, const double *at, const pare_field_time *y,
                                    double x) {
    return (pare_field_time){between(count, at, &y->half, 2, x),
                             between(count, at, &y->most, 2, x)};
}

/* rows[level]: of data until the bytes of `reach` are touched; none beyond the last. */
static void rows_of_levels(const pare_field_rates *rates, const pare_field_spec *spec,
                           const pare_fields *fields, double *rows) {
    for (int64_t level = 0; level < rates->levels; level++) {
        bool last = level == rates->levels - 1;
        rows[level] = last ? (double)INFINITY : rows_within(spec, fields, rates->reach[level]);
    }
}

/* How likely a row of a table of `size` is found beyond the level that `rows` reach. */
static double beyond(int64_t size, double rows) {
    return isinf(rows) ? 0 : untouched(size, floor(rows));
}

/*
 * A look-up in a table of `size` as a mixture of those in tables of reach[level] bytes each, which
 * themselves reach as far as their bytes are spread: level l alone is reach[l] of l less
 * reach[l - 1] of l - 1. weight: (levels), adding up to 1, some below 0.
 */
static void mix(const pare_field_rates *rates, const double *rows, int64_t size, double *weight) {
    double before = 1;
    for (int64_t level = 0; level < rates->levels; level++) {
        double after = beyond(size, rows[level]), nearer = level > 0 ? rates->reach[level - 1] : 0;
        double part = (before - after) / (rates->reach[level] - nearer);
        weight[level] = part * rates->reach[level];
        if (level > 0) {
            weight[level - 1] -= part * nearer;
        }
        before = after;
    }
}

/* Share of the look-ups at a level that wait no longer than `seconds`. */
double pare_field_share_within(const double *wait, double seconds) {
    int64_t i = 0;
    while (i < PARE_LATENCY_QUANTILES && wait[i] <= seconds) {
        i++;
    }
    if (i == 0 || i == PARE_LATENCY_QUANTILES) {
        return i == 0 ? 0 : 1;
    }
    double part = (seconds - wait[i - 1]) / (wait[i] - wait[i - 1]);
    return pare_latency_shares[i - 1] +
           part * (pare_latency_shares[i] - pare_latency_shares[i - 1]);
}

/* The time within which the slowest of the look-ups in fields first .. end - 1 has ended, with this
 * probability; `limit` at most. */
static double slowest(const pare_field_rates *rates, const double *rows, const pare_fields *fields,
                      int64_t first, int64_t end, double probability, double limit) {
    double low = 0, high = limit;
    for (int step = 0; step < 24; step++) {
        double middle = (low + high) / 2, within = 1;
        double share[PARE_LATENCY_LEVELS], weight[PARE_LATENCY_LEVELS];
        for (int64_t level = 0; level < rates->levels; level++) {
            share[level] = pare_field_share_within(rates->wait[level], middle);
        }
        for (int64_t f = first; f < end; f++) {
            double one = 0;
            mix(rates, rows, fields->field[f].size, weight);
            for (int64_t level = 0; level < rates->levels; level++) {
                one += weight[level] * share[level];
            }
            within *= fmin(fmax(one, 0), 1);
        }
        *(within < probability ? &low : &high) = middle;
    }
    return high;
}

double pare_field_mean_wait(const double *wait) {
    double sum = 0, before = 0;
    for (int64_t i = 0; i < PARE_LATENCY_QUANTILES; i++) {
        bool last = i == PARE_LATENCY_QUANTILES - 1;
        double after = last ? 1 : (pare_latency_shares[i] + pare_latency_shares[i + 1]) / 2;
        sum += (after - before) * wait[i];
        before = after;
    }
    return sum;
}

double pare_field_latency_wait(const pare_field_rates *rates, int64_t level) {
    return rates->wait[level][PARE_LATENCY_HALF];
}

double pare_field_latency_each(const pare_field_rates *rates, int64_t level) {
    return rates->share * pare_field_mean_wait(rates->wait[level]);
}

/* What a look-up in a table of `size` takes of a call where many are under way. */
static double by_field(const pare_field_rates *rates, const double *rows, int64_t size) {
    double weight[PARE_LATENCY_LEVELS], sum = 0;
    mix(rates, rows, size, weight);
    for (int64_t level = 0; level < rates->levels; level++) {
        sum += weight[level] * pare_field_latency_each(rates, level);
    }
    return fmax(sum, 0);
}

/* Waits beyond those of nine look-ups in ten at the last level come to all look-ups of a call
 * together (refreshes, other work), so that a median does not see more of them in longer rows. */
double pare_field_usual_wait(const pare_field_rates *rates) {
    return rates->wait[rates->levels - 1][USUAL];
}

/* Of the longest wait, by the number of look-ups. */
static double hidden_by(const pare_field_rates *rates, int64_t fields) {
    return rates->hidden * fmin((double)(fields - 1) / (PARE_LATENCY_SOME - 1), 1);
}

static double spare_of(const pare_field_rates *rates) {
    return rates->together * pare_field_latency_each(rates, rates->levels - 1);
}

/* Beyond look-ups in the nearest cache. */
pare_field_time pare_field_look_ups(const pare_field_rates *rates, const pare_field_spec *spec,
                                    const pare_fields *fields) {
    double rows[PARE_LATENCY_LEVELS], all = 0, hidden = hidden_by(rates, fields->count);
    double limit = rates->wait[rates->levels - 1][PARE_LATENCY_QUANTILES - 1];
    rows_of_levels(rates, spec, fields, rows);
    for (int64_t f = 0; f < fields->count; f++) {
        all += by_field(rates, rows, fields->field[f].size);
    }
    double over = fmax(all - spare_of(rates), 0);
    double half = slowest(rates, rows, fields, 0, fields->count, 0.5, pare_field_usual_wait(rates));
    double most = slowest(rates, rows, fields, 0, fields->count, 0.99, limit);
    return (pare_field_time){fmax(half - hidden, 0) + over, fmax(most - hidden, 0) + over};
}

pare_field_time pare_field_latency_predict(const pare_field_rates *rates,
                                           const pare_field_spec *spec, const pare_fields *fields) {
    pare_field_time time = pare_field_look_ups(rates, spec, fields);
    pare_field_time rest = time_between(PARE_LATENCY_WIDTHS, rates->flops, rates->rest,
                                        pare_field_latency_flops(spec, fields->count));
    time.half += rest.half;
    time.most = fmax(time.most + rest.most, time.half);
    return time;
}

void pare_field_latency_parts(const pare_field_rates *rates, const pare_field_spec *spec,
                              const pare_fields *fields, double *call, double *each, double *wait,
                              double *spare) {
    double rows[PARE_LATENCY_LEVELS], most = 0;
    /* Where every look-up has ended with this probability, all of them have with 1/2. */
    double alone = exp(log(0.5) / (double)fields->count);
    *spare = spare_of(rates);
    rows_of_levels(rates, spec, fields, rows);
    for (int64_t f = 0; f < fields->count; f++) {
        wait[f] = slowest(rates, rows, fields, f, f + 1, alone, pare_field_usual_wait(rates));
        each[f] = by_field(rates, rows, fields->field[f].size);
    }
    for (int64_t n = 0; n <= fields->count; n++) {
        double flops = pare_field_latency_flops(spec, n);
        double rest = time_between(PARE_LATENCY_WIDTHS, rates->flops, rates->rest, flops).half;
        call[n] = most = fmax(most, rest);
    }
}
