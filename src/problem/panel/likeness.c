/* Which genes of a panel say the same, and how far panels of other cells agree. */
#include "problem/panel/panel.h"

#include <math.h>

/* Means over the types that correlate so much can stand for each other. */
#define ALIKE 0.9

static double correlation(int64_t n, const double *a, const double *b, int64_t step,
                          const bool *some) {
    double count = 0, sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!some || some[i]) {
            const double x = a[i * step], y = b[i * step];
            count++;
            sa += x;
            sb += y;
            aa += x * x;
            bb += y * y;
            ab += x * y;
        }
    }
    const double va = aa - sa * sa / count, vb = bb - sb * sb / count;
    return va > 0 && vb > 0 ? (ab - sa * sb / count) / sqrt(va * vb) : 0;
}

pare_status pare_panel_compare_genes(struct pare_panel *panel, const bool *some) {
    const int64_t k = panel->chosen;
    double *x = NULL;
    int64_t *gene = NULL;
    pare_status status = pare_alloc(panel->ctx, panel->data.cells * k, sizeof *x, &x);
    if (status == PARE_OK) {
        status = pare_alloc(panel->ctx, k, sizeof *gene, &gene);
    }
    for (int64_t c = 0; c < k && status == PARE_OK; c++) {
        gene[c] = panel->gene[c].gene;
    }
    if (status == PARE_OK) {
        status = pare_panel_columns(panel, k, gene, k, x);
    }
    for (int64_t a = 0; a < k && status == PARE_OK; a++) {
        for (int64_t b = 0; b < a; b++) {
            const double r = fabs(correlation(panel->data.cells, x + a, x + b, k, some));
            panel->gene[a].like = fmax(panel->gene[a].like, r);
            panel->gene[b].like = fmax(panel->gene[b].like, r);
            panel->like += r / (double)(k * (k - 1) / 2);
        }
    }
    pare_free(panel->ctx, x);
    pare_free(panel->ctx, gene);
    return status;
}

typedef struct profiles {
    int64_t types;
    double *mean; /* (genes, types) */
} profiles;

static bool alike(void *user, int64_t a, int64_t b) {
    const profiles *p = user;
    return correlation(p->types, p->mean + a * p->types, p->mean + b * p->types, 1, NULL) > ALIKE;
}

pare_status pare_panel_agree(struct pare_panel *panel, const pare_panel_moments *m) {
    const pare_expression *e = &panel->data;
    profiles p = {.types = e->types};
    pare_status status = pare_alloc_zero(panel->ctx, e->genes * e->types, sizeof *p.mean, &p.mean);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < e->genes; j++) {
        for (int64_t t = 0; t < e->types; t++) {
            p.mean[j * e->types + t] = m->cells[t] > 0 ? m->sum[t * e->genes + j] / m->cells[t] : 0;
        }
    }
    status = pare_agreement_measure(panel->ctx, e->genes, panel->folds, panel->fold_start,
                                    panel->drawn, alike, &p, &panel->agreement);
    for (int64_t c = 0; c < panel->chosen && status == PARE_OK; c++) {
        for (int64_t i = 0; i < panel->fold_start[panel->folds]; i++) {
            panel->gene[c].again +=
                panel->drawn[i] == panel->gene[c].gene ? 1 / (double)panel->folds : 0;
        }
    }
    pare_free(panel->ctx, p.mean);
    return status;
}
