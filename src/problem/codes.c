#include "problem/codes.h"

#include <math.h>
#include <string.h>

pare_status pare_coder_init(pare_context *ctx, int64_t rows, pare_coder *coder) {
    uint32_t **const arrays[] = {&coder->key[0], &coder->key[1], &coder->row[0], &coder->row[1]};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status = pare_alloc(ctx, rows, sizeof(uint32_t), arrays[i]);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

void pare_coder_clear(pare_context *ctx, pare_coder *coder) {
    for (int i = 0; i < 2; i++) {
        pare_free(ctx, coder->key[i]);
        pare_free(ctx, coder->row[i]);
    }
    *coder = (pare_coder){0};
}

/* Unsigned integers in the order of the floats; -0 counts as 0. */
static uint32_t ordered_key(float x) {
    uint32_t bits = 0;
    x = x == 0 ? 0 : x;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* Sorts `count` pairs (key, row) by key, stable; the answer is in key[0], row[0]. */
static void sort(pare_coder *c, int64_t count) {
    for (int shift = 0; shift < 32; shift += 8) {
        int64_t place[257] = {0};
        for (int64_t i = 0; i < count; i++) {
            place[(c->key[0][i] >> shift & 255) + 1]++;
        }
        for (int b = 0; b < 256; b++) {
            place[b + 1] += place[b];
        }
        for (int64_t i = 0; i < count; i++) {
            int64_t at = place[c->key[0][i] >> shift & 255]++;
            c->key[1][at] = c->key[0][i];
            c->row[1][at] = c->row[0][i];
        }
        uint32_t *key = c->key[0], *row = c->row[0];
        c->key[0] = c->key[1];
        c->row[0] = c->row[1];
        c->key[1] = key;
        c->row[1] = row;
    }
}

void pare_code_numbers(pare_coder *c, int64_t rows, const float *x, const float *missing,
                       int64_t stride, const double *weight, int64_t bins, int32_t *code) {
    int64_t count = 0;
    for (int64_t i = 0; i < rows; i++) {
        code[i] = 0;
        if (weight[i] > 0 && !(missing && missing[i * stride] > 0)) {
            c->key[0][count] = ordered_key(x[i]);
            c->row[0][count++] = (uint32_t)i;
        }
    }
    sort(c, count);
    int64_t distinct = 0;
    double total = 0;
    for (int64_t i = 0; i < count; i++) {
        distinct += i == 0 || c->key[0][i] != c->key[0][i - 1];
        total += weight[c->row[0][i]];
    }
    double before = 0;
    int64_t number = 0;
    for (int64_t i = 0, end = 0; i < count; i = end, number++) {
        double own = 0;
        for (end = i; end < count && c->key[0][end] == c->key[0][i]; end++) {
            own += weight[c->row[0][end]];
        }
        int64_t bin = number;
        if (distinct > bins) {
            bin = (int64_t)((double)bins * (before + 0.5 * own) / total);
            bin = bin < bins ? bin : bins - 1;
        }
        for (int64_t p = i; p < end; p++) {
            code[c->row[0][p]] = (int32_t)bin;
        }
        before += own;
    }
}

double pare_mutual_information(int64_t rows, pare_codes a, pare_codes b, const double *weight,
                               double *table) {
    double *margin_a = table + a.cells * b.cells, *margin_b = margin_a + a.cells;
    memset(table, 0, (size_t)(a.cells * b.cells + a.cells + b.cells) * sizeof *table);
    double total = 0;
    for (int64_t i = 0; i < rows; i++) {
        table[a.code[i] * b.cells + b.code[i]] += weight[i];
        margin_a[a.code[i]] += weight[i];
        margin_b[b.code[i]] += weight[i];
        total += weight[i];
    }
    double sum = 0;
    for (int64_t p = 0; p < a.cells; p++) {
        for (int64_t q = 0; q < b.cells; q++) {
            double joint = table[p * b.cells + q];
            if (joint > 0) {
                sum += joint / total * log(joint * total / (margin_a[p] * margin_b[q]));
            }
        }
    }
    return fmax(0, sum);
}
