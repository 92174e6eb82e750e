/*
 * Factorisation machines over rows of whole cache lines. Private to x86_*.c, see x86_vectors.h.
 * The time goes into fetching rows from memory: callers prefetch, and each row is read once.
 */
#ifndef PARE_KERNELS_X86_FM_H
#define PARE_KERNELS_X86_FM_H

#include "kernels/x86_fm_short.h"

/* 1 at the linear weight; 1 at the vector. */
static const float fm_linear[PARE_FM_LINE] = {1};
static const float fm_vector[PARE_FM_LINE] = {0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

INLINE vec fm_at_linear(int64_t place) {
    return place < PARE_FM_LINE ? load(fm_linear + place, LANES) : fill(0);
}

INLINE vec fm_at_vector(int64_t place) {
    return place < PARE_FM_LINE ? load(fm_vector + place, LANES) : fill(1);
}

/* value_f mask_f * table[index_f] */
INLINE vec fm_looked_up(const pare_fm *fm, const pare_fm_row *row, int64_t f, int64_t place) {
    vec v = load(fm->table + row->index[f] * fm->stride + place, LANES);
    v = multiply(v, load(fm->mask + f * fm->stride + place, LANES));
    return row->value ? multiply(v, fill(row->value[f])) : v;
}

/* fm_forward over one line of 16 places: the loop over its vectors is unrolled. */
INLINE vec fm_line(const pare_fm *fm, const pare_fm_row *row, int64_t first, bool valued,
                   float *sum) {
    enum { PARTS = PARE_FM_LINE / LANES };
    vec totals[PARTS], squares[PARTS], pairs = fill(0);
    for (int p = 0; p < PARTS; p++) {
        totals[p] = squares[p] = fill(0);
    }
    for (int64_t f = 0; f < fm->fields; f++) {
        if (row->index[f] < 0) {
            continue;
        }
        const float *v = fm->table + row->index[f] * fm->stride + first;
        const float *mask = fm->mask + f * fm->stride + first;
        for (int p = 0; p < PARTS; p++) {
            vec e = multiply(load(v + p * LANES, LANES), load(mask + p * LANES, LANES));
            e = valued ? multiply(e, fill(row->value[f])) : e;
            totals[p] = add(totals[p], e);
            squares[p] = multiply_add(e, e, squares[p]);
        }
    }
    for (int p = 0; p < PARTS; p++) {
        store(sum + first + p * LANES, totals[p], LANES);
        vec both = subtract(multiply(totals[p], totals[p]), squares[p]);
        pairs = multiply_add(both, fm_at_vector(first + p * LANES), pairs);
    }
    return pairs;
}

KERNEL float fm_forward(const pare_fm *fm, const pare_fm_row *row, float *sum) {
    if (fm_is_short(fm)) {
        return row->value ? fm_short_forward(fm, row, true, sum)
                          : fm_short_forward(fm, row, false, sum);
    }
    vec pairs = fill(0);
    for (int64_t first = 0; first < fm->stride; first += PARE_FM_LINE) {
        pairs = add(pairs, row->value ? fm_line(fm, row, first, true, sum)
                                      : fm_line(fm, row, first, false, sum));
    }
    return sum[0] + 0.5f * total(pairs);
}

INLINE vec fm_slope(const pare_fm *fm, const pare_fm_row *row, int64_t f, int64_t place,
                    const float *sum, float slope, const float *extra) {
    vec by = subtract(load(sum + place, LANES), fm_looked_up(fm, row, f, place));
    by = multiply_add(by, fm_at_vector(place), fm_at_linear(place));
    return extra ? multiply_add(fill(slope), by, load(extra + f * fm->stride + place, LANES))
                 : multiply(fill(slope), by);
}

KERNEL void fm_slopes(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
                      const float *extra, float *gradient, float *d_mask) {
    for (int64_t f = 0; f < fm->fields; f++) {
        if (row->index[f] < 0) {
            continue;
        }
        int64_t at = row->index[f] * fm->stride;
        for (int64_t place = 0; place < fm->stride; place += LANES) {
            vec d = fm_slope(fm, row, f, place, sum, slope, extra);
            d = row->value ? multiply(d, fill(row->value[f])) : d;
            if (gradient) {
                float *to = gradient + at + place;
                vec mask = load(fm->mask + f * fm->stride + place, LANES);
                store(to, multiply_add(mask, d, load(to, LANES)), LANES);
            }
            if (d_mask) {
                float *to = d_mask + f * fm->stride + place;
                vec v = load(fm->table + at + place, LANES);
                store(to, multiply_add(v, d, load(to, LANES)), LANES);
            }
        }
    }
}

/* Rows of a single line stay in registers. */
INLINE void fm_update_line(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
                           const float *extra, const pare_adagrad *step, bool valued) {
    enum { PARTS = PARE_FM_LINE / LANES };
    const vec decay = fill(step->decay), slopes = fill(slope);
    const float state = step->per_lane;
    vec sums[PARTS], vector[PARTS], linear[PARTS];
    for (int p = 0; p < PARTS; p++) {
        sums[p] = load(sum + p * LANES, LANES);
        vector[p] = load(fm_vector + p * LANES, LANES);
        linear[p] = load(fm_linear + p * LANES, LANES);
    }
    for (int64_t f = 0; f < fm->fields; f++) {
        if (row->index[f] < 0) {
            continue;
        }
        float *at = fm->table + row->index[f] * PARE_FM_LINE;
        const float *mask = fm->mask + f * PARE_FM_LINE;
        vec v[PARTS], d[PARTS], square = fill(0), x = valued ? fill(row->value[f]) : fill(1);
        for (int p = 0; p < PARTS; p++) {
            v[p] = load(at + p * LANES, LANES);
            vec m = load(mask + p * LANES, LANES);
            m = valued ? multiply(m, x) : m;
            vec by = subtract(sums[p], multiply(v[p], m));
            by = multiply(slopes, multiply_add(by, vector[p], linear[p]));
            by = extra ? add(by, load(extra + f * PARE_FM_LINE + p * LANES, LANES)) : by;
            d[p] = multiply_add(decay, v[p], multiply(by, m));
            vec in_vector = multiply(d[p], vector[p]);
            square = multiply_add(in_vector, in_vector, square);
        }
        float first = lowest(d[0]), one = at[1] + first * first;
        float other = at[2] + state * total(square);
        /* Place 0 takes the step of the linear weight; 1 to 3 stay. */
        float rate = -step->rate / sqrtf(other), rate_one = -step->rate / sqrtf(one);
        vec rates = multiply_add(fill(rate_one), linear[0], multiply(fill(rate), vector[0]));
        store(at, multiply_add(rates, d[0], v[0]), LANES);
        for (int p = 1; p < PARTS; p++) {
            store(at + p * LANES, multiply_add(fill(rate), d[p], v[p]), LANES);
        }
        at[1] = one;
        at[2] = other;
    }
}

INLINE void fm_update_long(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
                           const float *extra, const pare_adagrad *step) {
    for (int64_t f = 0; f < fm->fields; f++) {
        if (row->index[f] < 0) {
            continue;
        }
        float *at = fm->table + row->index[f] * fm->stride;
        float gradient[PARE_FM_STRIDE_MAX];
        vec square = fill(0);
        for (int64_t place = 0; place < fm->stride; place += LANES) {
            vec d = fm_slope(fm, row, f, place, sum, slope, extra);
            d = multiply(d, load(fm->mask + f * fm->stride + place, LANES));
            d = row->value ? multiply(d, fill(row->value[f])) : d;
            d = multiply_add(fill(step->decay), load(at + place, LANES), d);
            vec in_vector = multiply(d, fm_at_vector(place));
            square = multiply_add(in_vector, in_vector, square);
            store(gradient + place, d, LANES);
        }
        float linear = at[1] + gradient[0] * gradient[0];
        float vector = at[2] + step->per_lane * total(square);
        vec rates = fill(-step->rate / sqrtf(vector));
        for (int64_t place = 0; place < fm->stride; place += LANES) {
            vec rate = multiply(rates, fm_at_vector(place));
            rate = multiply_add(fill(-step->rate / sqrtf(linear)), fm_at_linear(place), rate);
            vec d = load(gradient + place, LANES);
            store(at + place, multiply_add(rate, d, load(at + place, LANES)), LANES);
        }
        at[1] = linear;
        at[2] = vector;
    }
}

KERNEL void fm_update(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
                      const float *extra, const pare_adagrad *step) {
    if (fm_is_short(fm)) {
        fm_short_update(fm, row, sum, slope, extra, step);
    } else if (fm->stride > PARE_FM_LINE) {
        fm_update_long(fm, row, sum, slope, extra, step);
    } else if (row->value || extra) {
        fm_update_line(fm, row, sum, slope, extra, step, row->value != NULL);
    } else {
        fm_update_line(fm, row, sum, slope, NULL, step, false);
    }
}

INLINE void fm_long_terms(const pare_fm *fm, const pare_fm_row *row, int64_t f, const float *sum,
                          const float *paired, int64_t chunk, float *out) {
    float each[PARE_FM_STRIDE_MAX];
    vec x = fill(row->value ? row->value[f] : 1);
    for (int64_t place = 0; place < fm->stride; place += LANES) {
        int64_t at = f * fm->stride + place;
        vec v = multiply(x, load(fm->table + row->index[f] * fm->stride + place, LANES));
        vec others = subtract(load(sum + place, LANES), multiply(load(fm->mask + at, LANES), v));
        others = multiply_add(others, fm_at_vector(place), fm_at_linear(place));
        store(each + place, multiply(multiply(load(paired + at, LANES), v), others), LANES);
    }
    out[0] = each[0];
    for (int64_t p = 0; p < fm->places; p += chunk) {
        float all = 0;
        for (int64_t l = p; l < fm->places && l < p + chunk; l++) {
            all += each[PARE_FM_HEAD + l];
        }
        out[1 + p / chunk] = all;
    }
}

KERNEL void fm_terms(const pare_fm *fm, const pare_fm_row *row, const float *sum,
                     const float *paired, int64_t chunk, float *out) {
    int64_t width = 1 + (fm->places + chunk - 1) / chunk;
    bool quads = fm_is_short(fm) && chunk == FM_QUAD && width == 3;
    for (int64_t f = 0; f < fm->fields; f++, out += width) {
        if (row->index[f] < 0) {
            memset(out, 0, (size_t)width * sizeof *out);
        } else if (quads) {
            fm_short_terms(fm, row, f, sum, paired, out);
        } else {
            fm_long_terms(fm, row, f, sum, paired, chunk, out);
        }
    }
}

#endif
