/*
 * Orthogonal matching pursuit of the types, one 0/1 column each, on the columns of logarithms. A
 * gene counts by its squared product with what is left over its variance plus a constant: to genes
 * seldom seen unit variance would give a weight that noise wins with, and none at all would let
 * the loudest genes win (docs/results/panel.md).
 */
#include "platform/threads.h"
#include "problem/panel/panel.h"

#include <math.h>
#include <string.h>

enum { GROUPS = 16 }; /* partial sums, added in order */
/* Balanced weights treat a type as at least this share of an average one. */
#define FLOOR   0.25
#define NOTHING 1e-9
/* Squared logarithms: about the variance of a gene that half of the cells show strongly. */
#define SHRINK 1.0

typedef struct pursuit {
    const struct pare_panel *panel;
    int64_t cells, types;
    int64_t *cell;   /* (cells) marked ones */
    double *weight;  /* (cells) */
    double *rest;    /* (cells, types), weights applied */
    double *part;    /* (GROUPS, genes, types) */
    double *product; /* (genes, types) */
    int64_t columns;
    double *q; /* (columns, cells) orthonormal under the weights; the first is constant */
} pursuit;

static void pursuit_clear(pursuit *p) {
    pare_context *ctx = p->panel->ctx;
    pare_free(ctx, p->cell);
    pare_free(ctx, p->weight);
    pare_free(ctx, p->rest);
    pare_free(ctx, p->part);
    pare_free(ctx, p->product);
    pare_free(ctx, p->q);
}

static void product_group(void *argument, int64_t group) {
    const pursuit *p = argument;
    const pare_expression *e = &p->panel->data;
    double *out = p->part + group * e->genes * p->types;
    memset(out, 0, (size_t)(e->genes * p->types) * sizeof *out);
    for (int64_t i = group * p->cells / GROUPS; i < (group + 1) * p->cells / GROUPS; i++) {
        const double *rest = p->rest + i * p->types;
        for (int64_t k = e->start[p->cell[i]]; k < e->start[p->cell[i] + 1]; k++) {
            double value = (double)e->value[k], *to = out + e->index[k] * p->types;
            for (int64_t t = 0; t < p->types; t++) {
                to[t] += value * rest[t];
            }
        }
    }
}

static void multiply(pursuit *p) {
    const int64_t all = p->panel->data.genes * p->types;
    pare_pool_run(p->panel->ctx->pool, GROUPS, product_group, p);
    memcpy(p->product, p->part, (size_t)all * sizeof *p->product);
    for (int64_t group = 1; group < GROUPS; group++) {
        for (int64_t i = 0; i < all; i++) {
            p->product[i] += p->part[group * all + i];
        }
    }
}

/* Makes v (cells) the next column and takes its part out of the rest; false where it adds nothing.
 */
static bool take_column(pursuit *p, double *v) {
    double before = 0, after = 0;
    for (int64_t i = 0; i < p->cells; i++) {
        before += p->weight[i] * v[i] * v[i];
    }
    for (int turn = 0; turn < 2; turn++) {
        for (int64_t c = 0; c < p->columns; c++) {
            const double *q = p->q + c * p->cells;
            double part = 0;
            for (int64_t i = 0; i < p->cells; i++) {
                part += p->weight[i] * q[i] * v[i];
            }
            for (int64_t i = 0; i < p->cells; i++) {
                v[i] -= part * q[i];
            }
        }
    }
    for (int64_t i = 0; i < p->cells; i++) {
        after += p->weight[i] * v[i] * v[i];
    }
    if (!(after > NOTHING * before) || !(after > 0)) {
        return false;
    }
    double *q = p->q + p->columns++ * p->cells;
    for (int64_t i = 0; i < p->cells; i++) {
        q[i] = v[i] / sqrt(after);
    }
    for (int64_t t = 0; t < p->types; t++) {
        double part = 0;
        for (int64_t i = 0; i < p->cells; i++) {
            part += q[i] * p->rest[i * p->types + t];
        }
        for (int64_t i = 0; i < p->cells; i++) {
            p->rest[i * p->types + t] -= part * p->weight[i] * q[i];
        }
    }
    return true;
}

static double spread_left(const pursuit *p) {
    double sum = 0;
    for (int64_t i = 0; i < p->cells * p->types; i++) {
        double weight = p->weight[i / p->types];
        sum += weight > 0 ? p->rest[i] * p->rest[i] / weight : 0;
    }
    return sum;
}

static void gene_column(const pursuit *p, int64_t gene, double *v) {
    const pare_expression *e = &p->panel->data;
    for (int64_t i = 0; i < p->cells; i++) {
        v[i] = 0;
        for (int64_t k = e->start[p->cell[i]]; k < e->start[p->cell[i] + 1]; k++) {
            v[i] = e->index[k] == gene ? (double)e->value[k] : v[i];
        }
    }
}

static pare_status begin(pursuit *p, const bool *some, const pare_panel_moments *moments) {
    const pare_expression *e = &p->panel->data;
    pare_context *ctx = e->ctx;
    double present = 0;
    p->types = e->types;
    pare_status status = pare_alloc(ctx, e->cells, sizeof *p->cell, &p->cell);
    for (int64_t i = 0; i < e->cells && status == PARE_OK; i++) {
        p->cell[p->cells] = i;
        p->cells += some[i];
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, p->cells, sizeof *p->weight, &p->weight);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, p->cells * p->types, sizeof *p->rest, &p->rest);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, GROUPS * e->genes * p->types, sizeof *p->part, &p->part);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, e->genes * p->types, sizeof *p->product, &p->product);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, (p->panel->wanted + 1) * p->cells, sizeof *p->q, &p->q);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t t = 0; t < p->types; t++) {
        present += moments->cells[t] > 0;
    }
    const double average = (double)p->cells / present;
    for (int64_t i = 0; i < p->cells; i++) {
        int32_t label = e->label[p->cell[i]];
        p->weight[i] =
            p->panel->options.balanced ? average / fmax(moments->cells[label], FLOOR * average) : 1;
        p->rest[i * p->types + label] = p->weight[i];
    }
    return PARE_OK;
}

/* Types that still need genes: need[t] > 0; returns their sum. */
static int64_t still_needed(const struct pare_panel *panel, const pare_panel_moments *moments,
                            int64_t chosen, const int64_t *gene, int64_t *need) {
    int64_t sum = 0;
    for (int64_t t = 0; t < panel->data.types; t++) {
        need[t] = moments->cells[t] > 0 ? panel->options.min_per_type : 0;
    }
    for (int64_t k = 0; k < chosen; k++) {
        need[pare_panel_type_of(panel, moments, gene[k])]--;
    }
    for (int64_t t = 0; t < panel->data.types; t++) {
        sum += need[t] > 0 ? need[t] : 0;
    }
    return sum;
}

static double variance_of(const pursuit *p, const pare_panel_moments *moments, int64_t gene) {
    double sum = 0, square = 0, cells = (double)p->cells;
    for (int64_t t = 0; t < p->types; t++) {
        sum += moments->sum[t * p->panel->data.genes + gene];
        square += moments->square[t * p->panel->data.genes + gene];
    }
    return fmax(square / cells - sum / cells * sum / cells, 0);
}

static int64_t best_gene(const pursuit *p, const bool *barred, const pare_panel_moments *moments,
                         const int64_t *need, bool only_needed) {
    int64_t best = -1;
    double most = -1;
    for (int64_t j = 0; j < p->panel->data.genes; j++) {
        if (barred[j] || (only_needed && need[pare_panel_type_of(p->panel, moments, j)] <= 0)) {
            continue;
        }
        double size = 0;
        for (int64_t t = 0; t < p->types; t++) {
            size += p->product[j * p->types + t] * p->product[j * p->types + t];
        }
        size /= variance_of(p, moments, j) + SHRINK;
        if (size > most) {
            most = size;
            best = j;
        }
    }
    return best;
}

pare_status pare_panel_choose(const struct pare_panel *panel, const bool *some,
                              const pare_panel_moments *moments, int64_t *chosen, int64_t *gene,
                              double *left) {
    pare_context *ctx = panel->ctx;
    pursuit p = {.panel = panel};
    double *v = NULL;
    bool *barred = NULL;
    int64_t *need = NULL;
    *chosen = 0;
    pare_status status = begin(&p, some, moments);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, p.cells, sizeof *v, &v);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, panel->data.genes, sizeof *barred, &barred);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, panel->data.types, sizeof *need, &need);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    memcpy(barred, panel->avoid, (size_t)panel->data.genes * sizeof *barred);
    for (int64_t i = 0; i < p.cells; i++) {
        v[i] = 1;
    }
    (void)take_column(&p, v);
    const double whole = spread_left(&p);
    while (*chosen < panel->wanted) {
        int64_t j = -1;
        if (*chosen < panel->had) {
            j = panel->have[*chosen];
        } else {
            int64_t needed = still_needed(panel, moments, *chosen, gene, need);
            multiply(&p);
            j = best_gene(&p, barred, moments, need, needed >= panel->wanted - *chosen);
            j = j < 0 ? best_gene(&p, barred, moments, need, false) : j;
        }
        if (j < 0) {
            break;
        }
        barred[j] = true;
        gene_column(&p, j, v);
        if (take_column(&p, v) || *chosen < panel->had) {
            left[*chosen] = spread_left(&p) / whole;
            gene[(*chosen)++] = j;
        }
    }
fail:
    pursuit_clear(&p);
    pare_free(ctx, v);
    pare_free(ctx, barred);
    pare_free(ctx, need);
    return status;
}
