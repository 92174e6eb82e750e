/*
 * Factorisation machines whose rows are one line with vectors of at most 8 floats: 4 floats of head
 * and one 8-float vector, read and written as such, so that a row that comes again at once is
 * forwarded from the store. Private to x86_*.c; the 256-bit form is the fastest at every level.
 */
#ifndef PARE_KERNELS_X86_FM_SHORT_H
#define PARE_KERNELS_X86_FM_SHORT_H

enum { FM_SHORT = 8, FM_BLOCK = 8, FM_QUAD = 4 };

INLINE bool fm_is_short(const pare_fm *fm) {
    return fm->stride == PARE_FM_LINE && fm->places > 0 && fm->places <= FM_SHORT;
}

INLINE float fm_short_total(__m256 a) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* One field's part of the sums; the head's places 1 to 3 are masked by 0. */
INLINE void fm_short_add(const pare_fm *fm, const pare_fm_row *row, int64_t f, bool valued,
                         __m128 *head, __m256 *total, __m256 *squares) {
    if (row->index[f] < 0) {
        return;
    }
    const float *v = fm->table + (int64_t)row->index[f] * PARE_FM_LINE;
    const float *mask = fm->mask + f * PARE_FM_LINE;
    __m128 one = _mm_mul_ps(_mm_loadu_ps(v), _mm_loadu_ps(mask));
    __m256 e =
        _mm256_mul_ps(_mm256_loadu_ps(v + PARE_FM_HEAD), _mm256_loadu_ps(mask + PARE_FM_HEAD));
    if (valued) {
        one = _mm_mul_ps(one, _mm_set1_ps(row->value[f]));
        e = _mm256_mul_ps(e, _mm256_set1_ps(row->value[f]));
    }
    *head = _mm_add_ps(*head, one);
    *total = _mm256_add_ps(*total, e);
    *squares = _mm256_fmadd_ps(e, e, *squares);
}

/* Even and odd fields apart: the additions of one sum would wait for each other. */
INLINE float fm_short_forward(const pare_fm *fm, const pare_fm_row *row, bool valued, float *sum) {
    __m128 head[2] = {_mm_setzero_ps(), _mm_setzero_ps()};
    __m256 total[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    __m256 squares[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    int64_t f = 0;
    for (; f + 2 <= fm->fields; f += 2) {
        fm_short_add(fm, row, f, valued, &head[0], &total[0], &squares[0]);
        fm_short_add(fm, row, f + 1, valued, &head[1], &total[1], &squares[1]);
    }
    if (f < fm->fields) {
        fm_short_add(fm, row, f, valued, &head[0], &total[0], &squares[0]);
    }
    __m128 linear = _mm_add_ps(head[0], head[1]);
    __m256 all = _mm256_add_ps(total[0], total[1]);
    __m256 pairs = _mm256_fmsub_ps(all, all, _mm256_add_ps(squares[0], squares[1]));
    _mm_storeu_ps(sum, linear);
    _mm256_storeu_ps(sum + PARE_FM_HEAD, all);
    _mm_storeu_ps(sum + PARE_FM_HEAD + FM_SHORT, _mm_setzero_ps());
    return _mm_cvtss_f32(linear) + 0.5f * fm_short_total(pairs);
}

/* Sums of eight vectors, in order. */
INLINE __m256 fm_short_totals(const __m256 *a) {
    __m256 ab = _mm256_hadd_ps(a[0], a[1]), cd = _mm256_hadd_ps(a[2], a[3]);
    __m256 ef = _mm256_hadd_ps(a[4], a[5]), gh = _mm256_hadd_ps(a[6], a[7]);
    __m256 low = _mm256_hadd_ps(ab, cd), high = _mm256_hadd_ps(ef, gh);
    return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                         _mm256_permute2f128_ps(low, high, 0x31));
}

/* Lane by lane of eight heads: out[k] has place k of each. */
INLINE void fm_short_columns(const __m128 *head, __m256 *out) {
    __m128 a[4], b[4];
    for (int k = 0; k < 4; k++) {
        a[k] = head[k];
        b[k] = head[4 + k];
    }
    _MM_TRANSPOSE4_PS(a[0], a[1], a[2], a[3]);
    _MM_TRANSPOSE4_PS(b[0], b[1], b[2], b[3]);
    for (int k = 0; k < 4; k++) {
        out[k] = _mm256_insertf128_ps(_mm256_castps128_ps256(a[k]), b[k], 1);
    }
}

INLINE void fm_short_heads(const __m256 *column, __m128 *out) {
    __m128 a[4], b[4];
    for (int k = 0; k < 4; k++) {
        a[k] = _mm256_castps256_ps128(column[k]);
        b[k] = _mm256_extractf128_ps(column[k], 1);
    }
    _MM_TRANSPOSE4_PS(a[0], a[1], a[2], a[3]);
    _MM_TRANSPOSE4_PS(b[0], b[1], b[2], b[3]);
    for (int k = 0; k < 4; k++) {
        out[k] = a[k];
        out[4 + k] = b[k];
    }
}

/* AdaGrad on up to eight fields from `first` on: the roots and quotients of all at once. A field
 * that is absent or beyond the last works on a row of its own. */
INLINE void fm_short_block(const pare_fm *fm, const pare_fm_row *row, const float *sum, float slope,
                           const float *extra, const pare_adagrad *step, bool valued,
                           int64_t first) {
    static const float none[PARE_FM_LINE] = {0};
    float spare[PARE_FM_LINE] = {0, 1, 1}, *at[FM_BLOCK];
    __m128 head[FM_BLOCK], by_head[FM_BLOCK];
    __m256 d[FM_BLOCK], square[FM_BLOCK], column[4], slope_column[4];
    const __m256 sums = _mm256_loadu_ps(sum + PARE_FM_HEAD), slopes = _mm256_set1_ps(slope);
    const __m256 decay = _mm256_set1_ps(step->decay), rate = _mm256_set1_ps(step->rate);
#pragma GCC unroll 8
    for (int j = 0; j < FM_BLOCK; j++) {
        int64_t f = first + j;
        bool there = f < fm->fields && row->index[f] >= 0;
        at[j] = there ? fm->table + (int64_t)row->index[f] * PARE_FM_LINE : spare;
        const float *mask = there ? fm->mask + f * PARE_FM_LINE : none;
        __m256 v = _mm256_loadu_ps(at[j] + PARE_FM_HEAD);
        __m256 m = _mm256_loadu_ps(mask + PARE_FM_HEAD);
        __m128 m_head = _mm_loadu_ps(mask), by_one = _mm256_castps256_ps128(slopes);
        if (valued) {
            float x = there ? row->value[f] : 1;
            m = _mm256_mul_ps(m, _mm256_set1_ps(x));
            m_head = _mm_mul_ps(m_head, _mm_set1_ps(x));
        }
        __m256 by = _mm256_mul_ps(slopes, _mm256_fnmadd_ps(v, m, sums));
        if (extra) {
            const float *more = there ? extra + f * PARE_FM_LINE : none;
            by = _mm256_add_ps(by, _mm256_loadu_ps(more + PARE_FM_HEAD));
            by_one = _mm_add_ps(by_one, _mm_loadu_ps(more));
        }
        d[j] = _mm256_fmadd_ps(decay, v, _mm256_mul_ps(by, m));
        square[j] = _mm256_mul_ps(d[j], d[j]);
        head[j] = _mm_loadu_ps(at[j]);
        by_head[j] = _mm_mul_ps(by_one, m_head);
    }
    fm_short_columns(head, column);
    fm_short_columns(by_head, slope_column);
    __m256 line = _mm256_fmadd_ps(decay, column[0], slope_column[0]);
    column[1] = _mm256_fmadd_ps(line, line, column[1]);
    column[2] = _mm256_fmadd_ps(_mm256_set1_ps(step->per_lane), fm_short_totals(square), column[2]);
    line = _mm256_div_ps(_mm256_mul_ps(rate, line), _mm256_sqrt_ps(column[1]));
    column[0] = _mm256_sub_ps(column[0], line);
    __m256 rates = _mm256_div_ps(rate, _mm256_sqrt_ps(column[2]));
    fm_short_heads(column, head);
#pragma GCC unroll 8
    for (int j = 0; j < FM_BLOCK; j++) {
        __m256 each = _mm256_permutevar8x32_ps(rates, _mm256_set1_epi32(j));
        __m256 v = _mm256_loadu_ps(at[j] + PARE_FM_HEAD);
        _mm_storeu_ps(at[j], head[j]);
        _mm256_storeu_ps(at[j] + PARE_FM_HEAD, _mm256_fnmadd_ps(each, d[j], v));
    }
}

INLINE void fm_short_update(const pare_fm *fm, const pare_fm_row *row, const float *sum,
                            float slope, const float *extra, const pare_adagrad *step) {
    for (int64_t first = 0; first < fm->fields; first += FM_BLOCK) {
        if (row->value || extra) {
            fm_short_block(fm, row, sum, slope, extra, step, row->value != NULL, first);
        } else {
            fm_short_block(fm, row, sum, slope, NULL, step, false, first);
        }
    }
}

/* fm_terms of one field in two chunks of four places. */
INLINE void fm_short_terms(const pare_fm *fm, const pare_fm_row *row, int64_t f, const float *sum,
                           const float *paired, float *out) {
    const float *table = fm->table + (int64_t)row->index[f] * PARE_FM_LINE;
    const float *mask = fm->mask + f * PARE_FM_LINE;
    const float x = row->value ? row->value[f] : 1;
    paired += f * PARE_FM_LINE;
    __m256 v = _mm256_mul_ps(_mm256_loadu_ps(table + PARE_FM_HEAD), _mm256_set1_ps(x));
    __m256 others = _mm256_loadu_ps(sum + PARE_FM_HEAD);
    others = _mm256_sub_ps(others, _mm256_mul_ps(_mm256_loadu_ps(mask + PARE_FM_HEAD), v));
    v = _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(paired + PARE_FM_HEAD), v), others);
    v = _mm256_hadd_ps(v, v);
    v = _mm256_hadd_ps(v, v);
    out[0] = paired[0] * x * table[0];
    out[1] = _mm256_cvtss_f32(v);
    out[2] = _mm_cvtss_f32(_mm256_extractf128_ps(v, 1));
}

#endif
