/*
 * How well a panel tells all genes: Y about A B, A (cells, count + 1) the values of the panel and a
 * 1, B = (A'A + I)^-1 A'Y over the cells that train. The squares left over held cells follow from
 * |y|^2 - 2 a'B y + a'(BB')a, so that no dense row of Y is ever made: one pass over the entries for
 * A'Y, one for B y, each times the size of the panel.
 */
#include "kernels/blas.h"
#include "problem/panel/panel.h"

#include <string.h>

typedef struct regression {
    int64_t d;     /* count + 1 */
    double *a;     /* (cells, d) */
    double *gram;  /* (d, d) factor, then BB' */
    double *b;     /* (d, genes) */
    double *mean;  /* (genes) over the cells that train */
    double *along; /* (d) */
} regression;

static void clear(pare_context *ctx, regression *r) {
    pare_free(ctx, r->a);
    pare_free(ctx, r->gram);
    pare_free(ctx, r->b);
    pare_free(ctx, r->mean);
    pare_free(ctx, r->along);
}

static pare_status fit(const struct pare_panel *panel, const bool *train, int64_t count,
                       const int64_t *gene, regression *r) {
    const pare_expression *e = &panel->data;
    const int64_t d = count + 1;
    double n = 0;
    const struct {
        int64_t count;
        double **out;
    } table[] = {{e->cells * d, &r->a},
                 {d * d, &r->gram},
                 {d * e->genes, &r->b},
                 {e->genes, &r->mean},
                 {d, &r->along}};
    pare_status status = PARE_OK;
    r->d = d;
    for (size_t i = 0; i < sizeof table / sizeof table[0] && status == PARE_OK; i++) {
        status = pare_alloc_zero(e->ctx, table[i].count, sizeof(double), table[i].out);
    }
    if (status == PARE_OK) {
        status = pare_panel_columns(panel, count, gene, d, r->a);
    }
    for (int64_t i = 0, done = 0; i < e->cells && status == PARE_OK; i++) {
        pare_expression_passed(e, &done, e->start[i]);
        double *a = r->a + i * d;
        a[count] = 1;
        n += train[i];
        for (int64_t c = 0; c < d && train[i]; c++) {
            for (int64_t o = 0; o < d; o++) {
                r->gram[c * d + o] += a[c] * a[o];
            }
        }
        for (int64_t k = e->start[i]; k < e->start[i + 1] && train[i]; k++) {
            r->mean[e->index[k]] += (double)e->value[k];
            for (int64_t c = 0; c < d; c++) {
                r->b[c * e->genes + e->index[k]] += a[c] * (double)e->value[k];
            }
        }
    }
    for (int64_t c = 0; c < d && status == PARE_OK; c++) {
        r->gram[c * d + c]++;
    }
    for (int64_t j = 0; j < e->genes && status == PARE_OK; j++) {
        r->mean[j] /= n;
    }
    return status;
}

pare_status pare_panel_reconstruct(const struct pare_panel *panel, const bool *train,
                                   const bool *held, int64_t count, const int64_t *gene,
                                   double *left, double *spread) {
    const pare_expression *e = &panel->data;
    regression r = {0};
    double size = 0;
    pare_status status = fit(panel, train, count, gene, &r);
    if (status == PARE_OK && pare_cholesky(r.d, r.gram, r.d) != 0) {
        status = pare_fail(e->ctx, PARE_ERROR_NUMERIC, "the panel's values are too large");
    }
    if (status != PARE_OK) {
        clear(e->ctx, &r);
        return status;
    }
    pare_cholesky_solve(r.d, e->genes, r.gram, r.d, r.b, e->genes);
    pare_gemm_double(false, true, r.d, r.d, e->genes, 1, r.b, e->genes, r.b, e->genes, 0, r.gram,
                     r.d);
    for (int64_t j = 0; j < e->genes; j++) {
        size += r.mean[j] * r.mean[j];
    }
    for (int64_t i = 0, done = 0; i < e->cells; i++) {
        pare_expression_passed(e, &done, e->start[i]);
        const double *a = r.a + i * r.d;
        if (!held[i]) {
            continue;
        }
        double square = 0, around = size;
        memset(r.along, 0, (size_t)r.d * sizeof *r.along);
        for (int64_t k = e->start[i]; k < e->start[i + 1]; k++) {
            const double y = (double)e->value[k];
            square += y * y;
            around -= 2 * y * r.mean[e->index[k]];
            for (int64_t c = 0; c < r.d; c++) {
                r.along[c] += r.b[c * e->genes + e->index[k]] * y;
            }
        }
        *spread += square + around;
        for (int64_t c = 0; c < r.d; c++) {
            double both = 0;
            for (int64_t o = 0; o < r.d; o++) {
                both += r.gram[c * r.d + o] * a[o];
            }
            square += a[c] * (both - 2 * r.along[c]);
        }
        *left += square;
    }
    clear(e->ctx, &r);
    return PARE_OK;
}
