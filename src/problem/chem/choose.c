#include "problem/chem/chem.h"

#include <math.h>
#include <string.h>

/* Penalty on a new coefficient, in squares of entries: a substructure of few molecules must explain
 * more than they do by chance (docs/results/chem.md). */
#define SHRINK 20.0
enum { SUPPORT = 3 }; /* least number of molecules with an entry */

/* allowed[j]: enough rows of weight have an entry. */
static void find_allowed(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                         const double *weight, int64_t *count) {
    memset(count, 0, (size_t)chem->columns * sizeof *count);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t k = chem->start[row[i]]; k < chem->start[row[i] + 1] && weight[i] > 0; k++) {
            count[chem->index[k]]++;
        }
    }
}

static double gain(const pare_pursuit *p, int64_t j) {
    return p->product[j] * p->product[j] / (p->left[j] + SHRINK);
}

static pare_status start(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                         const double *weight, int64_t wanted, int64_t **count, double **y,
                         pare_pursuit *p) {
    pare_status status = pare_alloc(chem->ctx, chem->columns, sizeof **count, count);
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, rows, sizeof **y, y);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < rows; i++) {
        (*y)[i] = chem->target[row[i]];
    }
    find_allowed(chem, rows, row, weight, *count);
    const pare_sparse_rows x = {rows,        chem->columns, row,  chem->start,
                                chem->index, chem->value,   false};
    return pare_pursuit_create(chem->ctx, &x, weight, NULL, 1, 1, *y, wanted, p);
}

pare_status pare_chem_choose(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                             const double *weight, int64_t wanted, int64_t *chosen, int64_t *out,
                             double *left) {
    pare_pursuit p = {0};
    int64_t *count = NULL;
    double *y = NULL, whole = 0;
    *chosen = 0;
    pare_status status = start(chem, rows, row, weight, wanted, &count, &y, &p);
    whole = status == PARE_OK ? pare_pursuit_spread(&p, -1) : 0;
    while (status == PARE_OK && *chosen < wanted) {
        int64_t best = -1;
        for (int64_t j = 0; j < chem->columns; j++) {
            if (count[j] >= SUPPORT && p.left[j] > 1e-3 * p.square[j] &&
                (best < 0 || gain(&p, j) > gain(&p, best))) {
                best = j;
            }
        }
        if (best < 0) {
            break;
        }
        if (pare_pursuit_take(&p, best)) {
            if (left) {
                left[*chosen] = whole > 0 ? pare_pursuit_spread(&p, -1) / whole : 0;
            }
            out[(*chosen)++] = best;
        }
        count[best] = 0;
    }
    pare_pursuit_clear(&p);
    pare_free(chem->ctx, count);
    pare_free(chem->ctx, y);
    return status;
}

pare_status pare_chem_rank(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                           const double *weight, int64_t wanted, int64_t *chosen, int64_t *out,
                           double *left) {
    pare_pursuit p = {0};
    int64_t *count = NULL;
    double *y = NULL;
    (void)left;
    *chosen = 0;
    pare_status status = start(chem, rows, row, weight, 0, &count, &y, &p);
    while (status == PARE_OK && *chosen < wanted) {
        int64_t best = -1;
        for (int64_t j = 0; j < chem->columns; j++) {
            best = count[j] >= SUPPORT && (best < 0 || gain(&p, j) > gain(&p, best)) ? j : best;
        }
        if (best < 0) {
            break;
        }
        count[best] = 0;
        out[(*chosen)++] = best;
    }
    pare_pursuit_clear(&p);
    pare_free(chem->ctx, count);
    pare_free(chem->ctx, y);
    return status;
}
