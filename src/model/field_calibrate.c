/* Small stand-ins for a field model: what its look-ups and the rest take on this machine. */
#include "model/field_latency_private.h"

#include <math.h>

enum {
    STAND_IN_CALLS = 8000,
    SOME_FIELDS = PARE_LATENCY_SOME,
    MANY_FIELDS = 48,
    FIELDS_MOST = 64, /* of a stand-in */
    MIDDLE = 2        /* a level of the second or third cache */
};
static const int64_t level_bytes[PARE_LATENCY_LEVELS] = {16 << 10, 512 << 10, 2 << 20,  4 << 20,
                                                         8 << 20,  16 << 20,  32 << 20, 128 << 20};
static const int64_t width_fields[PARE_LATENCY_WIDTHS] = {1, 4, 12, 32, 64};

/* Quantiles of calls of a model of `count` tables of the same size, of `bytes` together; out:
 * (shares), lowered, or set in the first round; *reach: the bytes. */
static pare_status stand_in(pare_context *ctx, const pare_field_spec *spec, int64_t count,
                            int64_t bytes, bool first, int64_t shares, const double *share,
                            double *out, double *reach) {
    int64_t size[FIELDS_MOST];
    double now[PARE_LATENCY_QUANTILES];
    pare_field_model *model = NULL;
    pare_fields fields = {0};
    int64_t rows = (int64_t)((double)bytes / ((double)count * pare_field_row_bytes(spec)));
    for (int64_t f = 0; f < count; f++) {
        size[f] = rows > 1 ? rows : 1;
    }
    pare_status status = pare_field_latency_fields(ctx, count, size, &fields);
    if (status == PARE_OK) {
        status = pare_field_model_create(ctx, spec, &fields, 1, &model);
    }
    if (status == PARE_OK) {
        status =
            pare_field_latency_quantiles(model, &fields, true, STAND_IN_CALLS, shares, share, now);
    }
    for (int64_t i = 0; i < shares && status == PARE_OK; i++) {
        out[i] = first ? now[i] : fmin(out[i], now[i]);
    }
    *reach = (double)fields.joint * pare_field_row_bytes(spec);
    pare_field_model_destroy(model);
    pare_fields_clear(&fields);
    return status;
}

/* Where less work took longer, something else ran: it takes no longer than more work. */
static void monotone(int64_t count, pare_field_time *time) {
    for (int64_t i = count - 2; i >= 0; i--) {
        pare_field_time_least(&time[i], time[i + 1]);
    }
}

/* Waits neither fall with the quantile nor with the level: where they did, something else ran. */
static void smooth(pare_field_rates *rates) {
    for (int64_t level = 0; level < rates->levels; level++) {
        for (int64_t i = 0; i < PARE_LATENCY_QUANTILES; i++) {
            double *wait = &rates->wait[level][i], low = i > 0 ? wait[-1] : 0;
            *wait = fmax(*wait, fmax(low, level > 0 ? rates->wait[level - 1][i] : 0));
        }
    }
}

/* The median of the slowest of some look-ups at a level. */
static double slowest_of_some(const pare_field_rates *rates, int64_t level) {
    double low = 0, high = pare_field_usual_wait(rates);
    for (int step = 0; step < 24; step++) {
        double middle = (low + high) / 2;
        *(pow(pare_field_share_within(rates->wait[level], middle), SOME_FIELDS) < 0.5 ? &low
                                                                                      : &high) =
            middle;
    }
    return high;
}

/* From the waits and the calls of some and of many. */
static void solve(pare_field_rates *rates) {
    int64_t last = rates->levels - 1, middle = last < MIDDLE ? last : MIDDLE;
    double mean = pare_field_mean_wait(rates->wait[last]), some = rates->some[2] - rates->some[0];
    double each = (rates->many[2] - rates->many[0] - some) / (MANY_FIELDS - SOME_FIELDS);
    rates->share = mean > 0 ? fmin(fmax(each / mean, 0), 1) : 0;
    double over = some - slowest_of_some(rates, last);
    rates->together = rates->share > 0 ? SOME_FIELDS - over / (rates->share * mean) : SOME_FIELDS;
    rates->together = fmin(fmax(rates->together, 0), SOME_FIELDS);
    double longest = slowest_of_some(rates, middle);
    rates->hidden = fmin(longest - (rates->some[1] - rates->some[0]), longest);
}

/* Factorisation machines of one field at each level, and of many at the last. */
static pare_status look_up_rates(pare_context *ctx, const pare_field_spec *spec, double farthest,
                                 pare_field_rates *out) {
    pare_field_spec plain = pare_field_spec_default(
        spec->dimension > 0 ? PARE_FIELD_MODEL_FM : PARE_FIELD_MODEL_LR, spec->dimension);
    const double *shares = pare_latency_shares;
    bool first = out->rounds == 0;
    pare_status status = PARE_OK;
    double reach = 0;
    plain.batch = spec->batch;
    for (int64_t level = 0; level < PARE_LATENCY_LEVELS && status == PARE_OK; level++) {
        if (level > 1 && out->reach[level - 1] >= farthest) {
            break;
        }
        status = stand_in(ctx, &plain, 1, level_bytes[level], first, PARE_LATENCY_QUANTILES, shares,
                          out->one[level], &out->reach[level]);
        out->levels = level + 1;
    }
    for (int64_t i = 0; i < 3 && status == PARE_OK; i++) {
        int64_t last = out->levels - 1, level = i == 1 ? MIDDLE : i == 2 ? last : 0;
        int64_t bytes = level_bytes[level < last ? level : last];
        status = stand_in(ctx, &plain, SOME_FIELDS, bytes, first, 1, shares + PARE_LATENCY_HALF,
                          &out->some[i], &reach);
        if (status == PARE_OK && i != 1) {
            status = stand_in(ctx, &plain, MANY_FIELDS, bytes, first, 1, shares + PARE_LATENCY_HALF,
                              &out->many[i], &reach);
        }
    }
    for (int64_t level = 0; level < out->levels; level++) {
        for (int64_t i = 0; i < PARE_LATENCY_QUANTILES; i++) {
            out->wait[level][i] = fmax(out->one[level][i] - out->one[0][i], 0);
        }
    }
    smooth(out);
    if (status == PARE_OK) {
        solve(out);
    }
    return status;
}

/* The most bytes in use between two visits: all tables and the network, here and in the stand-ins
 * for it. */
static double farthest_of(const pare_field_spec *spec, const pare_fields *fields) {
    double farthest = pare_field_touched(spec, fields, (double)INFINITY);
    for (int64_t i = 0; i < PARE_LATENCY_WIDTHS && pare_field_spec_deep(spec); i++) {
        double network = (double)pare_field_parameters(spec, 0, width_fields[i]);
        farthest = fmax(farthest, network * sizeof(float));
    }
    return farthest;
}

pare_status pare_field_latency_calibrate(pare_context *ctx, const pare_field_spec *spec,
                                         const pare_fields *fields, pare_field_rates *out) {
    const double share[2] = {0.5, 0.99};
    pare_status status = look_up_rates(ctx, spec, farthest_of(spec, fields), out);
    for (int64_t i = 0; i < PARE_LATENCY_WIDTHS && status == PARE_OK; i++) {
        double seconds[2] = {out->whole[i].half, out->whole[i].most}, reach = 0;
        status =
            stand_in(ctx, spec, width_fields[i], 0, out->rounds == 0, 2, share, seconds, &reach);
        out->whole[i] = (pare_field_time){seconds[0], seconds[1]};
        out->flops[i] = pare_field_latency_flops(spec, width_fields[i]);
    }
    if (status == PARE_OK) {
        monotone(PARE_LATENCY_WIDTHS, out->whole);
    }
    for (int64_t i = 0; i < PARE_LATENCY_WIDTHS && status == PARE_OK; i++) {
        int64_t size[FIELDS_MOST];
        pare_fields like = {0};
        for (int64_t f = 0; f < width_fields[i]; f++) {
            size[f] = 1;
        }
        status = pare_field_latency_fields(ctx, width_fields[i], size, &like);
        if (status == PARE_OK) {
            pare_field_time known = pare_field_look_ups(out, spec, &like);
            out->rest[i] = (pare_field_time){fmax(out->whole[i].half - known.half, 0),
                                             fmax(out->whole[i].most - known.most, 0)};
        }
        pare_fields_clear(&like);
    }
    out->rounds += status == PARE_OK;
    return status;
}
