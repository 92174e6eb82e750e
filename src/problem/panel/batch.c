#include "problem/panel/panel.h"

enum { CELLS_LEAST = 5 };

typedef struct batch_sums {
    double *inside, *all; /* (batches, genes): over cells of the gene's own type, and over all */
    double *cells;        /* (batches, types) */
    int64_t *type;        /* (genes) own type */
} batch_sums;

static void add_cells(const pare_expression *e, const bool *some, batch_sums *s) {
    for (int64_t i = 0, done = 0; i < e->cells; i++) {
        pare_expression_passed(e, &done, e->start[i]);
        if (!some[i]) {
            continue;
        }
        const int64_t b = e->batch_of[i];
        s->cells[b * e->types + e->label[i]]++;
        for (int64_t k = e->start[i]; k < e->start[i + 1]; k++) {
            const int64_t j = e->index[k];
            s->all[b * e->genes + j] += (double)e->value[k];
            s->inside[b * e->genes + j] += s->type[j] == e->label[i] ? (double)e->value[k] : 0;
        }
    }
}

static bool holds(const pare_expression *e, const batch_sums *s, int64_t batch, int64_t gene) {
    const double *cells = s->cells + batch * e->types;
    double mine = cells[s->type[gene]], rest = -mine;
    for (int64_t t = 0; t < e->types; t++) {
        rest += cells[t];
    }
    const double inside = s->inside[batch * e->genes + gene];
    return mine < CELLS_LEAST || rest < CELLS_LEAST ||
           inside / mine > (s->all[batch * e->genes + gene] - inside) / rest;
}

pare_status pare_panel_bar_unsteady(const struct pare_panel *panel, const bool *some,
                                    const pare_panel_moments *moments, bool *barred) {
    const pare_expression *e = &panel->data;
    batch_sums s = {0};
    pare_status status =
        pare_alloc_zero(e->ctx, e->batches * e->genes, sizeof *s.inside, &s.inside);
    if (status == PARE_OK) {
        status = pare_alloc_zero(e->ctx, e->batches * e->genes, sizeof *s.all, &s.all);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(e->ctx, e->batches * e->types, sizeof *s.cells, &s.cells);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->genes, sizeof *s.type, &s.type);
    }
    if (status == PARE_OK) {
        for (int64_t j = 0; j < e->genes; j++) {
            s.type[j] = pare_panel_type_of(panel, moments, j);
        }
        add_cells(e, some, &s);
        for (int64_t j = 0; j < e->genes; j++) {
            for (int64_t b = 0; b < e->batches; b++) {
                barred[j] = barred[j] || !holds(e, &s, b, j);
            }
        }
    }
    pare_free(e->ctx, s.inside);
    pare_free(e->ctx, s.all);
    pare_free(e->ctx, s.cells);
    pare_free(e->ctx, s.type);
    return status;
}
