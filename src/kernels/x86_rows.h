/*
 * Rows of a matrix of weights times a few vectors, see kernels.h. Private to x86_*.c, see
 * x86_vectors.h. With one vector the weights are read from memory once and used once, so nothing
 * counts but the stream, which the CPU asks for ahead better than we do (prefetching by hand cost
 * 15 %); with several, a tile of 2 rows by 4 vectors of sums stays in registers.
 */
#ifndef PARE_KERNELS_X86_ROWS_H
#define PARE_KERNELS_X86_ROWS_H

enum { ROWS_TILE = 2, ROWS_VECTORS = 4 };

/* LANES weights (fewer in the tail) as float32. */
INLINE vec load_weight(bool half, const char *w, int64_t at, int64_t count) {
    if (!half) {
        return load((const float *)(const void *)w + at, count);
    }
    const uint16_t *bits = (const uint16_t *)(const void *)w + at;
    if (count == LANES) {
        return load_bf16(bits);
    }
    uint16_t rest[LANES] = {0};
    memcpy(rest, bits, (size_t)count * sizeof *bits);
    return load_bf16(rest);
}

/* One row, one vector. */
INLINE float row_once(bool half, int64_t n, const char *w, const float *x) {
    vec s0 = fill(0), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        s0 = multiply_add(load_weight(half, w, i, LANES), load(x + i, LANES), s0);
        s1 = multiply_add(load_weight(half, w, i + LANES, LANES), load(x + i + LANES, LANES), s1);
        s2 = multiply_add(load_weight(half, w, i + 2 * LANES, LANES),
                          load(x + i + 2 * LANES, LANES), s2);
        s3 = multiply_add(load_weight(half, w, i + 3 * LANES, LANES),
                          load(x + i + 3 * LANES, LANES), s3);
    }
    for (; i + LANES <= n; i += LANES) {
        s0 = multiply_add(load_weight(half, w, i, LANES), load(x + i, LANES), s0);
    }
    if (i < n) {
        s1 = multiply_add(load_weight(half, w, i, n - i), load(x + i, n - i), s1);
    }
    return total(add(add(s0, s1), add(s2, s3)));
}

/* LANES columns (fewer in the tail) of a tile. */
INLINE void tile_step(bool half, int rows, int vectors, int64_t n, const char *w, const float *x,
                      int64_t at, int64_t count, vec sum[ROWS_TILE][ROWS_VECTORS]) {
    vec weight[ROWS_TILE];
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
        weight[r] = load_weight(half, w + r * n * (half ? 2 : 4), at, count);
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        vec from = load(x + v * n + at, count);
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) {
            sum[r][v] = multiply_add(weight[r], from, sum[r][v]);
        }
    }
}

/* rows (1 or ROWS_TILE) by vectors (1 .. ROWS_VECTORS), both constants. */
INLINE void rows_tile(bool half, int rows, int vectors, int64_t n, const char *w, const float *x,
                      int64_t y_stride, float *y) {
    vec sum[ROWS_TILE][ROWS_VECTORS];
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            sum[r][v] = fill(0);
        }
    }
    int64_t at = 0;
    for (; at + LANES <= n; at += LANES) {
        tile_step(half, rows, vectors, n, w, x, at, LANES, sum);
    }
    if (at < n) {
        tile_step(half, rows, vectors, n, w, x, at, n - at, sum);
    }
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            y[v * y_stride + r] = total(sum[r][v]);
        }
    }
}

INLINE void rows_several(bool half, int rows, int64_t count, int64_t n, const char *w,
                         const float *x, int64_t y_stride, float *y) {
    int64_t v = 0;
    for (; v + ROWS_VECTORS <= count; v += ROWS_VECTORS) {
        rows_tile(half, rows, ROWS_VECTORS, n, w, x + v * n, y_stride, y + v * y_stride);
    }
    switch (count - v) {
    case 3:
        rows_tile(half, rows, 3, n, w, x + v * n, y_stride, y + v * y_stride);
        break;
    case 2:
        rows_tile(half, rows, 2, n, w, x + v * n, y_stride, y + v * y_stride);
        break;
    case 1:
        rows_tile(half, rows, 1, n, w, x + v * n, y_stride, y + v * y_stride);
        break;
    default:
        break;
    }
}

INLINE void rows_all(bool half, int64_t rows, int64_t n, const char *w, int64_t count,
                     const float *x, int64_t y_stride, float *y) {
    int64_t pitch = n * (half ? 2 : 4), r = 0;
    for (; count == 1 && r < rows; r++) {
        y[r] = row_once(half, n, w + r * pitch, x);
    }
    for (; r + ROWS_TILE <= rows; r += ROWS_TILE) {
        rows_several(half, ROWS_TILE, count, n, w + r * pitch, x, y_stride, y + r);
    }
    if (r < rows) {
        rows_several(half, 1, count, n, w + r * pitch, x, y_stride, y + r);
    }
}

KERNEL void rows_dot(int64_t rows, int64_t n, const float *w, int64_t count, const float *x,
                     int64_t y_stride, float *y) {
    rows_all(false, rows, n, (const char *)w, count, x, y_stride, y);
}

KERNEL void rows_dot_bf16(int64_t rows, int64_t n, const uint16_t *w, int64_t count, const float *x,
                          int64_t y_stride, float *y) {
    rows_all(true, rows, n, (const char *)w, count, x, y_stride, y);
}

#endif
