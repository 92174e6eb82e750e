/*
 * Factorisation machines over rows of whole cache lines. Private to x86_*.c, see x86_vectors.h.
 * The time goes into fetching rows from memory: callers prefetch, and each row is read once.
 */
#ifndef PARE_KERNELS_X86_FM_H
#define PARE_KERNELS_X86_FM_H

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

KERNEL float fm_forward(const pare_fm *fm, const pare_fm_row *row, float *sum) {
    vec pairs = fill(0);
    for (int64_t place = 0; place < fm->stride; place += LANES) {
        vec total_of = fill(0), squares = fill(0);
        for (int64_t f = 0; f < fm->fields; f++) {
            if (row->index[f] >= 0) {
                vec e = fm_looked_up(fm, row, f, place);
                total_of = add(total_of, e);
                squares = multiply_add(e, e, squares);
            }
        }
        store(sum + place, total_of, LANES);
        vec both = subtract(multiply(total_of, total_of), squares);
        pairs = multiply_add(both, fm_at_vector(place), pairs);
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

KERNEL void fm_update(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
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

#endif
