/*
 * Kernels on two-bit codes. A byte of a column is four codes; each nibble of it looks up the
 * weights of two codes in a table of 16, so that four tables turn 32 or 64 bytes into bytes of
 * weights, ready for products with the bytes of r. Private to x86_*.c, which define the
 * operations on bytes.
 */
#ifndef PARE_KERNELS_X86_PACKED_H
#define PARE_KERNELS_X86_PACKED_H

enum {
    PLANES_A_SWEEP = 6,       /* sums kept in registers while a column is decoded once */
    COLUMNS_A_SWEEP = 64,     /* stay in the second-level cache for all planes */
    COLUMNS_AN_ADD = 8,       /* their values stay in registers */
    PACKED_R_BYTES = 24 << 10 /* of r for a run of columns: stays in the first-level cache */
};

typedef struct packed_tables {
    bytes first, second; /* weight of the lower and of the upper code of a nibble */
} packed_tables;

/* sum[q] += products of one run of blocks; planes is a constant. */
INLINE void packed_run(int planes, const packed_tables *table, const uint8_t *x, int64_t blocks,
                       const int8_t *r, int64_t step, bytes *sum) {
    bytes run[PLANES_A_SWEEP];
#pragma GCC unroll 6
    for (int q = 0; q < planes; q++) {
        run[q] = bzero();
    }
    for (int64_t at = 0; at < blocks * PARE_PACKED_BYTES; at += BYTES) {
        bytes codes = bload(x + at), above = bshift(codes);
        bytes w0 = blow(table->first, codes), w1 = blow(table->second, codes);
        bytes w2 = blow(table->first, above), w3 = blow(table->second, above);
        const int8_t *s =
            r + at / PARE_PACKED_BYTES * step + at % PARE_PACKED_BYTES; /* same phase */
#pragma GCC unroll 6
        for (int q = 0; q < planes; q++) {
            run[q] = bproducts(run[q], w0, s + q * PARE_PACKED_ROWS);
            run[q] = bproducts(run[q], w1, s + q * PARE_PACKED_ROWS + PARE_PACKED_BYTES);
            run[q] = bproducts(run[q], w2, s + q * PARE_PACKED_ROWS + 2 * PARE_PACKED_BYTES);
            run[q] = bproducts(run[q], w3, s + q * PARE_PACKED_ROWS + 3 * PARE_PACKED_BYTES);
        }
    }
#pragma GCC unroll 6
    for (int q = 0; q < planes; q++) {
        sum[q] = bwiden(sum[q], run[q]);
    }
}

/* Blocks first .. last of one column; the block behind the last whole one is read from a copy. */
INLINE void packed_column(int planes, const packed_tables *table, const uint8_t *x, int64_t length,
                          int64_t first, int64_t last, const int8_t *r, int64_t step,
                          int64_t *out) {
    bytes sum[PLANES_A_SWEEP];
#pragma GCC unroll 6
    for (int q = 0; q < planes; q++) {
        sum[q] = bzero();
    }
    int64_t whole = length / PARE_PACKED_BYTES;
    whole = whole < last ? whole : last;
    for (int64_t b = first; b < whole; b += PACKED_RUN) {
        int64_t count = whole - b < PACKED_RUN ? whole - b : PACKED_RUN;
        packed_run(planes, table, x + b * PARE_PACKED_BYTES, count, r + b * step, step, sum);
    }
    if (whole < last) {
        uint8_t rest[PARE_PACKED_BYTES] = {0};
        memcpy(rest, x + whole * PARE_PACKED_BYTES, (size_t)(length - whole * PARE_PACKED_BYTES));
        packed_run(planes, table, rest, 1, r + whole * step, step, sum);
    }
#pragma GCC unroll 6
    for (int q = 0; q < planes; q++) {
        out[q] += btotal(sum[q]);
    }
}

#define PACKED_CASE(planes)                                                                        \
    case planes:                                                                                   \
        packed_column(planes, table, x, length, first, last, r, step, out);                        \
        break;

INLINE void packed_planes(int planes, const packed_tables *table, const uint8_t *x, int64_t length,
                          int64_t first, int64_t last, const int8_t *r, int64_t step,
                          int64_t *out) {
    switch (planes) {
        PACKED_CASE(1)
        PACKED_CASE(2)
        PACKED_CASE(3)
        PACKED_CASE(4)
        PACKED_CASE(5)
    default:
        packed_column(PLANES_A_SWEEP, table, x, length, first, last, r, step, out);
    }
}

KERNEL void packed_dot(const pare_packed *x, const uint8_t weight[4], int64_t planes,
                       const int8_t *r, int64_t *out) {
    uint8_t entry[2][16];
    for (int i = 0; i < 16; i++) {
        entry[0][i] = weight[i & 3];
        entry[1][i] = weight[i >> 2];
    }
    const packed_tables table = {btable(entry[0]), btable(entry[1])};
    const int64_t blocks = (x->bytes + PARE_PACKED_BYTES - 1) / PARE_PACKED_BYTES;
    const int64_t step = planes * PARE_PACKED_ROWS;
    for (int64_t j = 0; j < x->columns; j += COLUMNS_A_SWEEP) {
        int64_t end = x->columns - j < COLUMNS_A_SWEEP ? x->columns : j + COLUMNS_A_SWEEP;
        for (int64_t q = 0; q < planes; q += PLANES_A_SWEEP) {
            int64_t some = planes - q < PLANES_A_SWEEP ? planes - q : PLANES_A_SWEEP;
            int64_t reach = PACKED_R_BYTES / (some * PARE_PACKED_ROWS);
            for (int64_t b = 0; b < blocks; b += reach) {
                int64_t last = blocks - b < reach ? blocks : b + reach;
                for (int64_t c = j; c < end; c++) {
                    packed_planes((int)some, &table, x->bits + c * x->stride, x->bytes, b, last,
                                  r + q * PARE_PACKED_ROWS, step, out + c * planes + q);
                }
            }
        }
    }
}

/* `columns` of x at once, a constant: sums are loaded and stored once for all of them. */
INLINE void add_columns(int columns, const uint8_t *x, int64_t stride, int64_t length,
                        const int32_t *value, int32_t *out) {
    bytes four[COLUMNS_AN_ADD];
    int64_t b = 0;
#pragma GCC unroll 8
    for (int c = 0; c < columns; c++) {
        four[c] = bfour(value + 4 * c);
    }
    for (; b + 4 <= length; b += 4) {
        bytes sum[CODED_PARTS];
#pragma GCC unroll 2
        for (int p = 0; p < CODED_PARTS; p++) {
            sum[p] = bload((const uint8_t *)(out + 4 * b + p * LANES));
        }
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++) {
            uint32_t codes = 0;
            memcpy(&codes, x + c * stride + b, sizeof codes);
#pragma GCC unroll 2
            for (int p = 0; p < CODED_PARTS; p++) {
                sum[p] = badd(sum[p], bchoose(four[c], codes, p));
            }
        }
#pragma GCC unroll 2
        for (int p = 0; p < CODED_PARTS; p++) {
            bstore(out + 4 * b + p * LANES, sum[p]);
        }
    }
    for (; b < length; b++) {
        for (int64_t i = 0; i < 4 * columns; i++) {
            int64_t c = i / 4, p = i % 4;
            uint32_t more = (uint32_t)value[4 * c + (x[c * stride + b] >> 2 * p & 3)];
            out[4 * b + p] = (int32_t)((uint32_t)out[4 * b + p] + more);
        }
    }
}

KERNEL void packed_add(const pare_packed *x, const int32_t *value, int32_t *out) {
    int64_t j = 0;
    for (; j + COLUMNS_AN_ADD <= x->columns; j += COLUMNS_AN_ADD) {
        add_columns(COLUMNS_AN_ADD, x->bits + j * x->stride, x->stride, x->bytes, value + 4 * j,
                    out);
    }
    for (; j < x->columns; j++) {
        add_columns(1, x->bits + j * x->stride, x->stride, x->bytes, value + 4 * j, out);
    }
}

#define PARE_X86_PACKED_ENTRIES .packed_dot = packed_dot, .packed_add = packed_add

#endif
