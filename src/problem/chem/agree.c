/* How far the choices of the resamples agree. */
#include "kernels/blas.h"
#include "problem/chem/chem.h"

#include <math.h>

/* Columns that correlate so much over the molecules can stand for each other. */
#define ALIKE 0.8

typedef struct union_columns {
    int64_t count;
    int64_t *place; /* (columns) in the union of all choices, -1: not in it */
    double *like;   /* (count, count) correlations */
} union_columns;

static bool alike(void *user, int64_t a, int64_t b) {
    const union_columns *u = user;
    return fabs(u->like[u->place[a] * u->count + u->place[b]]) > ALIKE;
}

/* x (molecules, count) becomes columns of mean 0 and length 1. */
static void standardise(int64_t n, int64_t count, double *x) {
    for (int64_t c = 0; c < count; c++) {
        double sum = 0, square = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += x[i * count + c];
        }
        for (int64_t i = 0; i < n; i++) {
            x[i * count + c] -= sum / (double)n;
            square += x[i * count + c] * x[i * count + c];
        }
        for (int64_t i = 0; i < n; i++) {
            x[i * count + c] /= square > 0 ? sqrt(square) : 1;
        }
    }
}

static pare_status correlate(const struct pare_chem *chem, union_columns *u) {
    const int64_t n = chem->molecules.count;
    double *x = NULL;
    pare_status status = pare_alloc_zero(chem->ctx, n * u->count, sizeof *x, &x);
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, u->count * u->count, sizeof *u->like, &u->like);
    }
    for (int64_t i = 0; i < n && status == PARE_OK; i++) {
        for (int64_t k = chem->start[i]; k < chem->start[i + 1]; k++) {
            const int64_t place = u->place[chem->index[k]];
            if (place >= 0) {
                x[i * u->count + place] = (double)chem->value[k];
            }
        }
    }
    if (status == PARE_OK) {
        standardise(n, u->count, x);
        pare_gemm_double(true, false, u->count, u->count, n, 1, x, u->count, x, u->count, 0,
                         u->like, u->count);
    }
    pare_free(chem->ctx, x);
    return status;
}

pare_status pare_chem_agree(const struct pare_chem *chem, int64_t choices, const int64_t *start,
                            const int64_t *drawn, pare_agreement *out) {
    union_columns u = {0};
    pare_status status = pare_alloc(chem->ctx, chem->columns, sizeof *u.place, &u.place);
    for (int64_t j = 0; j < chem->columns && status == PARE_OK; j++) {
        u.place[j] = -1;
    }
    for (int64_t i = 0; i < start[choices] && status == PARE_OK; i++) {
        if (u.place[drawn[i]] < 0) {
            u.place[drawn[i]] = u.count++;
        }
    }
    if (status == PARE_OK) {
        status = correlate(chem, &u);
    }
    if (status == PARE_OK) {
        status =
            pare_agreement_measure(chem->ctx, chem->columns, choices, start, drawn, alike, &u, out);
    }
    pare_free(chem->ctx, u.place);
    pare_free(chem->ctx, u.like);
    return status;
}
