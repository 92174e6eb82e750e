/* Prior weights of variants. */
#include "base/text.h"
#include "problem/genome/analyse.h"

#include <math.h>

/* Logarithms of the weights of rows first .. of the file into out (kept). */
static pare_status take_rows(const pare_cells *f, int64_t first, const pare_named *list,
                             int64_t kept, double *out, int64_t *found) {
    for (int64_t r = first; r < f->rows; r++) {
        char **cell = f->cell + r * f->columns;
        double weight = 0;
        if (!pare_parse_real(cell[1], &weight) || !(weight > 0) || !isfinite(weight)) {
            return pare_fail(f->ctx, PARE_ERROR_INPUT,
                             "%s row %lld: prior weight '%.40s' of variant '%.60s'; expected a "
                             "number above 0",
                             f->path, (long long)r + 1, cell[1], cell[0]);
        }
        const int64_t at = pare_named_find(kept, list, cell[0]);
        if (at >= 0) {
            out[list[at].number] = log(weight);
            ++*found;
        }
    }
    return PARE_OK;
}

pare_status pare_prior_read(const pare_genotypes *g, const char *path, double **out) {
    *out = NULL;
    pare_cells f = {0};
    pare_named *list = NULL;
    double *prior = NULL, number = 0;
    int64_t found = 0;
    pare_status status = pare_cells_read(g->ctx, path, &f);
    if (status == PARE_OK && f.columns < 2) {
        status =
            pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: one column; expected id and weight", path);
    }
    if (status == PARE_OK) {
        status = pare_genotypes_named(g, &list);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(g->ctx, g->kept, sizeof *prior, &prior);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    const int64_t first = pare_parse_real(f.cell[1], &number) ? 0 : 1; /* names of the columns */
    status = take_rows(&f, first, list, g->kept, prior, &found);
    if (status == PARE_OK && found == 0) {
        status =
            pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: none of its %lld ids is in %s (first: %s)",
                      path, (long long)(f.rows - first), g->variant_file,
                      f.rows > first ? f.cell[first * f.columns] : "none");
    }
    if (status == PARE_OK) {
        *out = prior;
        prior = NULL;
    }
fail:
    pare_free(g->ctx, list);
    pare_free(g->ctx, prior);
    pare_cells_clear(&f);
    return status;
}
