/* Some of the kept variants, seen as genotypes of their own. */
#include "data/genotype/genotype.h"

#include <string.h>

void pare_genotypes_view_clear(pare_genotypes *view) {
    if (view->ctx) {
        pare_free(view->ctx, view->keep);
        pare_free(view->ctx, view->mean);
        pare_free(view->ctx, view->spread);
        pare_free(view->ctx, view->missing);
        pare_free(view->ctx, view->owned);
    }
    *view = (pare_genotypes){0};
}

pare_status pare_genotypes_view(const pare_genotypes *g, int64_t count, const int64_t *number,
                                bool copy, pare_genotypes *out) {
    *out = (pare_genotypes){0};
    pare_genotypes view = *g;
    view.kept = count;
    view.keep = view.missing = NULL;
    view.mean = view.spread = NULL;
    view.owned = NULL;
    pare_status status = pare_alloc(g->ctx, count, sizeof *view.keep, &view.keep);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, count, sizeof *view.mean, &view.mean);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, count, sizeof *view.spread, &view.spread);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, count, sizeof *view.missing, &view.missing);
    }
    if (status == PARE_OK && copy) {
        status = pare_alloc(g->ctx, count, (size_t)g->stride, &view.owned);
    }
    if (status != PARE_OK) {
        pare_genotypes_view_clear(&view);
        return status;
    }
    for (int64_t c = 0; c < count; c++) {
        const int64_t j = number[c];
        view.keep[c] = copy ? c : g->keep[j];
        view.mean[c] = g->mean[j];
        view.spread[c] = g->spread[j];
        view.missing[c] = g->missing[j];
        if (copy) {
            memcpy(view.owned + c * g->stride, g->packed + g->keep[j] * g->stride,
                   (size_t)g->stride);
        }
    }
    view.packed = copy ? view.owned : g->packed;
    *out = view;
    return PARE_OK;
}
