/*
 * Kernels of network training. Private to x86_*.c, see x86_vectors.h.
 */
#ifndef PARE_KERNELS_X86_NETWORK_H
#define PARE_KERNELS_X86_NETWORK_H

KERNEL void relu(int64_t n, const float *x, float *y) {
    vec zero = fill(0);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        store(y + i, larger(load(x + i, LANES), zero), LANES);
    }
    if (i < n) {
        store(y + i, larger(load(x + i, n - i), zero), n - i);
    }
}

KERNEL void relu_backward(int64_t n, const float *y, const float *dy, float *dx) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        store(dx + i, where_positive(load(dy + i, LANES), load(y + i, LANES)), LANES);
    }
    if (i < n) {
        store(dx + i, where_positive(load(dy + i, n - i), load(y + i, n - i)), n - i);
    }
}

/*
 * exp(x) = 2^n exp(f), n = round(x / ln 2), |f| <= ln(2) / 2, ln 2 in two parts so that n times
 * the first is exact; the polynomial for exp(f) is Cephes' expf (Moshier 1989), error below 2^-24.
 * Beyond the clamps the result is 0 or infinite; NaN stays NaN.
 */
INLINE vec exponential_step(vec x) {
    x = smaller(fill(89.0f), larger(fill(-104.0f), x));
    vec n = nearest(multiply(x, fill(1.44269504088896341f)));
    vec f = multiply_add(n, fill(-0.693359375f), x);
    f = multiply_add(n, fill(2.12194440e-4f), f);
    vec p = multiply_add(fill(1.9875691500e-4f), f, fill(1.3981999507e-3f));
    p = multiply_add(p, f, fill(8.3334519073e-3f));
    p = multiply_add(p, f, fill(4.1665795894e-2f));
    p = multiply_add(p, f, fill(1.6666665459e-1f));
    p = multiply_add(p, f, fill(5.0000001201e-1f));
    p = multiply_add(p, multiply(f, f), f);
    return times_power(add(p, fill(1)), n);
}

KERNEL void exponential(int64_t n, const float *x, float *y) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        store(y + i, exponential_step(load(x + i, LANES)), LANES);
    }
    if (i < n) {
        store(y + i, exponential_step(load(x + i, n - i)), n - i);
    }
}

INLINE void adam_step(const pare_adam *step, const float *g, float *w, float *m, float *v,
                      int64_t count) {
    vec weight = load(w, count);
    vec gradient = multiply_add(fill(step->decay), weight, load(g, count));
    vec first = multiply(fill(1 - step->beta1), gradient);
    first = multiply_add(fill(step->beta1), load(m, count), first);
    vec second = multiply(multiply(fill(1 - step->beta2), gradient), gradient);
    second = multiply_add(fill(step->beta2), load(v, count), second);
    vec size = divide(multiply(fill(-step->rate), first), add(root(second), fill(step->epsilon)));
    store(w, multiply_add(fill(step->shrink), weight, size), count);
    store(m, first, count);
    store(v, second, count);
}

KERNEL void adam(int64_t n, const pare_adam *step, const float *g, float *w, float *m, float *v) {
    const pare_adam s = *step; /* a copy: stores through w cannot change it */
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        adam_step(&s, g + i, w + i, m + i, v + i, LANES);
    }
    if (i < n) {
        adam_step(&s, g + i, w + i, m + i, v + i, n - i);
    }
}

#include "kernels/x86_fm.h"

#define PARE_X86_ENTRIES                                                                           \
    .dot = dot, .rows_dot = rows_dot, .rows_dot_bf16 = rows_dot_bf16, .dot_double = dot_double,    \
    .axpy = axpy, .scale = scale, .columns_dot = columns_dot, .columns_dot_u8 = columns_dot_u8,    \
    .columns_moments = columns_moments, .standardise = standardise,                                \
    .standardise_u8 = standardise_u8, .sparse_times = sparse_times,                                \
    .sparse_transposed_times = sparse_transposed_times, .dense_times = dense_times,                \
    .dense_transposed_times = dense_transposed_times, .blocks_times = blocks_times,                \
    .finish_gradient = finish_gradient, .relu = relu, .relu_backward = relu_backward,              \
    .exponential = exponential, .adam = adam, .fm_forward = fm_forward, .fm_slopes = fm_slopes,    \
    .fm_update = fm_update, .fm_terms = fm_terms

#endif
