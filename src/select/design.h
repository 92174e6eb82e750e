/*
 * A design matrix that can be multiplied but need not be stored: training rows by standardised
 * features. Dense tables, sparse tables that are centred only implicitly, files that stream, rows
 * spread over processes and packed genotypes differ in nothing else, so the exact linear models,
 * orthogonal matching pursuit and the certificates are written once, against this.
 */
#ifndef PARE_SELECT_DESIGN_H
#define PARE_SELECT_DESIGN_H

#include "base/context.h"

typedef enum pare_precision {
    PARE_PRECISION_FLOAT, /* sums in float over at most 256 rows at a time, then in double: wrong by
                             at most PARE_FLOAT_SHARE |X_j| |r|, usually by a hundredth of it */
    PARE_PRECISION_DOUBLE /* every product and sum in double, of the float32 entries of X */
} pare_precision;

/* 2^-14: 256 sums of float products, of entries before their centring where that is at most 3.8
 * times their spread. */
#define PARE_FLOAT_SHARE (1.0 / 16384)

/* Vectors are stored one after the other: r is (m, rows), results are (m, columns). The matrix is
 * the one `fetch` hands out, entry by entry; both calls are deterministic for any thread count. */
typedef struct pare_design_slots {
    /* out (m, columns), overwritten: out[v * columns + j] = sum_i X[i][j] r[v * rows + i]. Cost:
     * one pass over the data however large m is. */
    pare_status (*correlate)(void *self, pare_precision precision, int64_t m, const double *r,
                             double *out);
    /* out (count, rows): the named columns, distinct, each contiguous. */
    pare_status (*fetch)(void *self, int64_t count, const int64_t *column, float *out);
    void (*destroy)(void *self);
} pare_design_slots;

typedef struct pare_design {
    const pare_design_slots *slots;
    void *self;
    int64_t rows, columns;
    int64_t candidates;
    const int64_t *start; /* (candidates + 1): columns start[c] .. start[c + 1] - 1 are those of
                             candidate c */
    const double *weight; /* (rows) weights of the rows, or NULL for 1; not applied by the slots */
    const double *sum;    /* (columns): sum_i weight_i X[i][j]; about 0 */
    const double *square; /* (columns): sum_i weight_i X[i][j]^2 */
} pare_design;

/* Calls destroy and clears; accepts a cleared one. */
static inline void pare_design_destroy(pare_design *design) {
    if (design->slots && design->slots->destroy) {
        design->slots->destroy(design->self);
    }
    *design = (pare_design){0};
}

#endif
