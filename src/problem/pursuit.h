/*
 * Forward pursuit of several responses on the columns of a sparse matrix, under weights of the
 * rows. A column that is taken is made orthonormal to those before; what its product with every
 * other column is tells how all gains change, so that a step costs one pass over the entries
 * however many responses there are. The caller ranks columns by `product` and `left`:
 *     sum_t product[j][t]^2 / (left[j] + s)
 * is how much column j lowers the weighted squares where its own coefficient is penalised by s
 * (s = 0: orthogonal least squares; Chen, Billings and Luo 1989). With a ridge the coefficients of
 * the columns taken are penalised too, so that more is left for columns like them: each has a row
 * of its own, sqrt(ridge) there and 0 in all others.
 */
#ifndef PARE_PROBLEM_PURSUIT_H
#define PARE_PROBLEM_PURSUIT_H

#include "platform/system.h"

/* Some rows of compressed rows: entries start[row[i]] .. start[row[i] + 1] - 1. */
typedef struct pare_sparse_rows {
    int64_t rows, columns;
    const int64_t *row;   /* (rows) */
    const int64_t *start; /* by row[i] */
    const int32_t *index; /* columns, each at most once in a row */
    const float *value;
    bool scratch; /* index and value lie in a scratch file (platform/system.h) */
} pare_sparse_rows;

/* Called behind a pass at row i; *done: the entry where it began. */
static inline void pare_rows_passed(const pare_sparse_rows *x, int64_t *done, int64_t i) {
    if (x->scratch) {
        pare_scratch_passed(x->index, x->value, done, x->start[x->row[i]]);
    }
}

typedef struct pare_pursuit {
    pare_context *ctx;
    pare_sparse_rows x; /* borrowed */
    const double *weight;
    int64_t targets, capacity;
    double ridge;    /* 0 after create; may be set before the first column is taken */
    int64_t size;    /* rows + capacity, the second for the ridge */
    int64_t base;    /* directions taken out before any column: a constant of each group */
    int64_t taken;   /* columns */
    double *rest;    /* (targets, size) what is left of the responses, weights applied */
    double *product; /* (columns, targets) of X with rest */
    double *left;    /* (columns) weighted squares of what is left of each column */
    double *square;  /* (columns) the same before any column was taken */
    double *q;       /* (base + capacity, size) orthonormal under the weights */
    double *part;    /* partial sums */
    double *v;       /* (size) */
    double *with;    /* (columns) products of the latest column with all */
} pare_pursuit;

/* Borrows x and weight (rows; >= 0, not all 0) until clear; y (targets, rows) is copied.
 * group: (rows) 0 .. groups - 1; means are taken out within each (NULL: one group of all).
 * capacity: columns that may be taken. Cost: targets + groups + 1 passes. Works over the threads of
 * the context; the answer does not depend on their number. */
pare_status pare_pursuit_create(pare_context *ctx, const pare_sparse_rows *x, const double *weight,
                                const int32_t *group, int64_t groups, int64_t targets,
                                const double *y, int64_t capacity,
                                pare_pursuit *out) PARE_MUST_CHECK;
void pare_pursuit_clear(pare_pursuit *p);
/* Takes a column; false: nothing of it is left, and nothing has changed. */
bool pare_pursuit_take(pare_pursuit *p, int64_t column);
/* Weighted squares of the responses that are left, of one or (target -1) of all, and with a ridge
 * its penalty. */
double pare_pursuit_spread(const pare_pursuit *p, int64_t target);

#endif
