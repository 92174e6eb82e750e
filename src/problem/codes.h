/* Numbers cut into equal-frequency bins, and the mutual information of two discrete columns. */
#ifndef PARE_PROBLEM_CODES_H
#define PARE_PROBLEM_CODES_H

#include "base/context.h"

enum { PARE_BINS = 16 };

/* A discrete column: code[i] in 0 .. cells - 1. */
typedef struct pare_codes {
    int32_t *code; /* (rows) */
    int64_t cells;
} pare_codes;

/* Scratch for sorting. */
typedef struct pare_coder {
    uint32_t *key[2]; /* (rows) each */
    uint32_t *row[2];
} pare_coder;

pare_status pare_coder_init(pare_context *ctx, int64_t rows, pare_coder *coder) PARE_MUST_CHECK;
void pare_coder_clear(pare_context *ctx, pare_coder *coder);

/*
 * Bins of x (rows): with at most `bins` distinct values each is its own bin; else the bin of a
 * value is that of the middle of its place in the weighted order, so that equal values share a bin
 * and a row of weight 2 counts like two rows. Rows of weight 0 and, where `missing` is not NULL,
 * those with missing[i * stride] > 0 count for nothing and get code 0. weight: (rows). code:
 * (rows), overwritten. rows < 2^32. Cost: 4 passes of a radix sort.
 */
void pare_code_numbers(pare_coder *coder, int64_t rows, const float *x, const float *missing,
                       int64_t stride, const double *weight, int64_t bins, int32_t *code);

/* sum p(a, b) log(p(a, b) / (p(a) p(b))) in nats, p from the weights: the plug-in estimate, >= 0
 * and biased upwards by about (a.cells - 1)(b.cells - 1) / (2 rows). table: scratch of a.cells *
 * b.cells + a.cells + b.cells. */
double pare_mutual_information(int64_t rows, pare_codes a, pare_codes b, const double *weight,
                               double *table);

#endif
