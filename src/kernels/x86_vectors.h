/*
 * Kernels over one vector, written once for all x86 levels: the including file defines the vector
 * operations (vec, load, store, fma, ...) of its level, then includes this. Private to x86_*.c.
 */
#ifndef PARE_KERNELS_X86_VECTORS_H
#define PARE_KERNELS_X86_VECTORS_H

/* Four independent sums hide the latency of the fused multiply-add (4 cycles, 2 a cycle). */
KERNEL float dot(int64_t n, const float *a, const float *b) {
    vec s0 = fill(0), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        s0 = multiply_add(load(a + i, LANES), load(b + i, LANES), s0);
        s1 = multiply_add(load(a + i + LANES, LANES), load(b + i + LANES, LANES), s1);
        s2 = multiply_add(load(a + i + 2 * LANES, LANES), load(b + i + 2 * LANES, LANES), s2);
        s3 = multiply_add(load(a + i + 3 * LANES, LANES), load(b + i + 3 * LANES, LANES), s3);
    }
    for (; i + LANES <= n; i += LANES) {
        s0 = multiply_add(load(a + i, LANES), load(b + i, LANES), s0);
    }
    if (i < n) {
        s1 = multiply_add(load(a + i, n - i), load(b + i, n - i), s1);
    }
    return total(add(add(s0, s1), add(s2, s3)));
}

KERNEL double dot_double(int64_t n, const float *a, const float *b) {
    dvec s0 = dfill(0), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * DLANES <= n; i += 4 * DLANES) {
        s0 = dmultiply_add(dload_float(a + i, DLANES), dload_float(b + i, DLANES), s0);
        s1 = dmultiply_add(dload_float(a + i + DLANES, DLANES), dload_float(b + i + DLANES, DLANES),
                           s1);
        s2 = dmultiply_add(dload_float(a + i + 2 * DLANES, DLANES),
                           dload_float(b + i + 2 * DLANES, DLANES), s2);
        s3 = dmultiply_add(dload_float(a + i + 3 * DLANES, DLANES),
                           dload_float(b + i + 3 * DLANES, DLANES), s3);
    }
    for (; i + DLANES <= n; i += DLANES) {
        s0 = dmultiply_add(dload_float(a + i, DLANES), dload_float(b + i, DLANES), s0);
    }
    if (i < n) {
        s1 = dmultiply_add(dload_float(a + i, n - i), dload_float(b + i, n - i), s1);
    }
    return dtotal(dadd(dadd(s0, s1), dadd(s2, s3)));
}

KERNEL void axpy(int64_t n, float a, const float *x, float *y) {
    vec factor = fill(a);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        store(y + i, multiply_add(factor, load(x + i, LANES), load(y + i, LANES)), LANES);
    }
    if (i < n) {
        store(y + i, multiply_add(factor, load(x + i, n - i), load(y + i, n - i)), n - i);
    }
}

KERNEL void scale(int64_t n, float a, const float *x, float *y) {
    vec factor = fill(a);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        store(y + i, multiply(factor, load(x + i, LANES)), LANES);
    }
    if (i < n) {
        store(y + i, multiply(factor, load(x + i, n - i)), n - i);
    }
}

INLINE vec standard(vec x, const float *shift, const float *factor, int64_t count) {
    return multiply(subtract(x, load(shift, count)), load(factor, count));
}

KERNEL void standardise(int64_t n, const float *x, const float *shift, const float *factor,
                        float *out) {
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        vec value = standard(load(x + j, LANES), shift + j, factor + j, LANES);
        store(out + j, nan_to_zero(value), LANES);
    }
    if (j < n) {
        vec value = standard(load(x + j, n - j), shift + j, factor + j, n - j);
        store(out + j, nan_to_zero(value), n - j);
    }
}

KERNEL void standardise_u8(int64_t n, const uint8_t *x, const float *shift, const float *factor,
                           float *out) {
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        store(out + j, standard(load_u8(x + j, LANES), shift + j, factor + j, LANES), LANES);
    }
    if (j < n) {
        store(out + j, standard(load_u8(x + j, n - j), shift + j, factor + j, n - j), n - j);
    }
}

#endif
