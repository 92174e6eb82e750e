#include "problem/panel/panel.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 20 };

void pare_panel_moments_clear(pare_context *ctx, pare_panel_moments *m) {
    pare_free(ctx, m->sum);
    pare_free(ctx, m->square);
    pare_free(ctx, m->plain);
    pare_free(ctx, m->plain_square);
    pare_free(ctx, m->cells);
    *m = (pare_panel_moments){0};
}

pare_status pare_panel_measure(const struct pare_panel *panel, const bool *some,
                               pare_panel_moments *out) {
    const pare_expression *e = &panel->data;
    pare_panel_moments m = {0};
    *out = m;
    pare_status status = pare_alloc_zero(e->ctx, e->types * e->genes, sizeof *m.sum, &m.sum);
    if (status == PARE_OK) {
        status = pare_alloc_zero(e->ctx, e->types * e->genes, sizeof *m.square, &m.square);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(e->ctx, e->genes, sizeof *m.plain, &m.plain);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(e->ctx, e->genes, sizeof *m.plain_square, &m.plain_square);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(e->ctx, e->types, sizeof *m.cells, &m.cells);
    }
    if (status != PARE_OK) {
        pare_panel_moments_clear(e->ctx, &m);
        return status;
    }
    for (int64_t i = 0, done = 0; i < e->cells; i++) {
        pare_expression_passed(e, &done, e->start[i]);
        if (!some[i]) {
            continue;
        }
        double *sum = m.sum + e->label[i] * e->genes, *square = m.square + e->label[i] * e->genes;
        m.cells[e->label[i]]++;
        for (int64_t k = e->start[i]; k < e->start[i + 1]; k++) {
            double value = (double)e->value[k], plain = expm1(value);
            sum[e->index[k]] += value;
            square[e->index[k]] += value * value;
            m.plain[e->index[k]] += plain;
            m.plain_square[e->index[k]] += plain * plain;
        }
    }
    *out = m;
    return PARE_OK;
}

int64_t pare_panel_type_of(const struct pare_panel *panel, const pare_panel_moments *m,
                           int64_t gene) {
    int64_t best = 0;
    double most = -1;
    for (int64_t t = 0; t < panel->data.types; t++) {
        double mean = m->cells[t] > 0 ? m->sum[t * panel->data.genes + gene] / m->cells[t] : -1;
        if (mean > most) {
            most = mean;
            best = t;
        }
    }
    return best;
}

/* ---- Baselines ------------------------------------------------------------------------------ */

typedef struct ranked {
    double value;
    int64_t gene;
} ranked;

static int largest_first(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return x->value != y->value ? (x->value < y->value ? 1 : -1)
                                : (x->gene > y->gene) - (x->gene < y->gene);
}

/* dispersion[j] becomes its distance from the mean of the genes of like mean, in their deviations.
 */
static void within_bins(int64_t genes, const double *mean, ranked *dispersion) {
    double low = INFINITY, high = -INFINITY, sum[BINS] = {0}, square[BINS] = {0}, count[BINS] = {0};
    for (int64_t j = 0; j < genes; j++) {
        low = fmin(low, mean[j]);
        high = fmax(high, mean[j]);
    }
    double width = high > low ? (high - low) / BINS : 1;
    for (int64_t j = 0; j < genes; j++) {
        int bin = (int)fmin((mean[j] - low) / width, BINS - 1);
        if (isfinite(dispersion[j].value)) {
            sum[bin] += dispersion[j].value;
            square[bin] += dispersion[j].value * dispersion[j].value;
            count[bin]++;
        }
    }
    for (int64_t j = 0; j < genes; j++) {
        int bin = (int)fmin((mean[j] - low) / width, BINS - 1);
        double center = sum[bin] / count[bin];
        double spread = sqrt(fmax(square[bin] - sum[bin] * center, 0) / fmax(count[bin] - 1, 1));
        double own = dispersion[j].value;
        /* A gene alone in its bin counts as one deviation out. */
        dispersion[j].value = !isfinite(own) ? -INFINITY : spread > 0 ? (own - center) / spread : 1;
    }
}

pare_status pare_panel_variable(const struct pare_panel *panel, const pare_panel_moments *m,
                                int64_t *gene) {
    const int64_t genes = panel->data.genes;
    ranked *list = NULL;
    double *mean = NULL, n = 0;
    pare_status status = pare_alloc(panel->ctx, genes, sizeof *list, &list);
    if (status == PARE_OK) {
        status = pare_alloc(panel->ctx, genes, sizeof *mean, &mean);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t t = 0; t < panel->data.types; t++) {
        n += m->cells[t];
    }
    for (int64_t j = 0; j < genes; j++) {
        double average = m->plain[j] / n;
        double variance = (m->plain_square[j] - n * average * average) / (n - 1);
        list[j] = (ranked){average > 0 && variance > 0 ? log(variance / average) : -INFINITY, j};
        mean[j] = log1p(average);
    }
    within_bins(genes, mean, list);
    qsort(list, (size_t)genes, sizeof *list, largest_first);
    for (int64_t k = 0; k < panel->wanted; k++) {
        gene[k] = list[k].gene;
    }
fail:
    pare_free(panel->ctx, list);
    pare_free(panel->ctx, mean);
    return status;
}

/* Genes by Welch's t of one type against the rest. */
static void rank_type(const struct pare_panel *panel, const pare_panel_moments *m, int64_t type,
                      ranked *list) {
    const int64_t genes = panel->data.genes, types = panel->data.types;
    double n = m->cells[type], rest = 0;
    for (int64_t t = 0; t < types; t++) {
        rest += t == type ? 0 : m->cells[t];
    }
    for (int64_t j = 0; j < genes; j++) {
        double sum = 0, square = 0;
        for (int64_t t = 0; t < types; t++) {
            sum += t == type ? 0 : m->sum[t * genes + j];
            square += t == type ? 0 : m->square[t * genes + j];
        }
        double a = m->sum[type * genes + j] / n, b = sum / rest;
        double va = fmax(m->square[type * genes + j] - n * a * a, 0) / (n - 1) / n;
        double vb = fmax(square - rest * b * b, 0) / (rest - 1) / rest;
        list[j] = (ranked){va + vb > 0 ? (a - b) / sqrt(va + vb) : -INFINITY, j};
    }
    qsort(list, (size_t)genes, sizeof *list, largest_first);
}

pare_status pare_panel_markers(const struct pare_panel *panel, const pare_panel_moments *m,
                               int64_t *gene) {
    const int64_t genes = panel->data.genes, types = panel->data.types;
    ranked *list = NULL;
    bool *taken = NULL;
    int64_t count = 0;
    pare_status status = pare_alloc(panel->ctx, types * genes, sizeof *list, &list);
    if (status == PARE_OK) {
        status = pare_alloc_zero(panel->ctx, genes, sizeof *taken, &taken);
    }
    for (int64_t t = 0; t < types && status == PARE_OK; t++) {
        if (m->cells[t] > 1) {
            rank_type(panel, m, t, list + t * genes);
        }
    }
    for (int64_t rank = 0; rank < genes && count < panel->wanted && status == PARE_OK; rank++) {
        for (int64_t t = 0; t < types && count < panel->wanted; t++) {
            int64_t j = list[t * genes + rank].gene;
            if (m->cells[t] > 1 && !taken[j]) {
                taken[j] = true;
                gene[count++] = j;
            }
        }
    }
    pare_free(panel->ctx, list);
    pare_free(panel->ctx, taken);
    return status;
}
