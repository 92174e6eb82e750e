/*
 * Genes one by one: by least squares of the types, one 0/1 column each, or by what a softmax
 * regression on those chosen still gets wrong. Columns are logarithms as they are: to genes seldom
 * seen unit variance would give a weight that noise wins with, and none at all would let the
 * loudest genes win, so a gain is divided by what is left of a gene's variance plus a constant.
 * Where there are many genes a type, a penalty on the chosen leaves room for second genes of the
 * same kind, which average out each other's noise, and after two a type what the pursuit still
 * finds is less than what markers of the types are worth (docs/results/panel.md).
 */
#include "base/random.h"
#include "problem/panel/panel.h"
#include "problem/pursuit.h"

#include <math.h>
#include <string.h>

/* Balanced weights treat a type as at least this share of an average one. */
#define FLOOR 0.25
enum { FIRST_A_TYPE = 2 }; /* genes of the pursuit before markers follow */
enum { PROJECTIONS = 32 }; /* random sums of genes that stand for all of them */

const pare_panel_way pare_panel_ways[PARE_PANEL_WAYS] = {
    [PARE_PANEL_SQUARES] = {.name = "squares", .shrink = 1.0},
    [PARE_PANEL_FOLLOWED] = {.name = "squares, then markers",
                             .markers = true,
                             .shrink = 0.3,
                             .penalty = 0.2},
    [PARE_PANEL_SOFTMAX] = {.name = "softmax", .softmax = true, .shrink = 60.0, .penalty = 3.0},
    [PARE_PANEL_NETWORK] = {.name = "network", .network = true, .shrink = 1.0}};

typedef struct choosing {
    const struct pare_panel *panel;
    const pare_panel_moments *moments;
    pare_panel_way way;
    pare_sparse_rows x;
    int64_t *row;   /* cells marked */
    int32_t *group; /* (rows) their batches, NULL: none */
    double *weight; /* (rows) */
    double *y;      /* (targets, rows) of squares */
    int64_t targets;
    pare_pursuit pursuit;      /* of squares */
    pare_panel_softmax *model; /* of softmax */
    double *gain;              /* (genes) */
    double whole;              /* squares of the responses */
    bool *barred;
    int64_t *need;
    int64_t *marker; /* (wanted) of a way with markers, best first */
} choosing;

static void choosing_clear(choosing *c) {
    pare_context *ctx = c->panel->ctx;
    pare_pursuit_clear(&c->pursuit);
    pare_panel_softmax_destroy(c->model);
    pare_free(ctx, c->row);
    pare_free(ctx, c->group);
    pare_free(ctx, c->weight);
    pare_free(ctx, c->y);
    pare_free(ctx, c->gain);
    pare_free(ctx, c->barred);
    pare_free(ctx, c->need);
    pare_free(ctx, c->marker);
}

static pare_status mark_rows(choosing *c, const bool *some) {
    const pare_expression *e = &c->panel->data;
    double present = 0;
    pare_status status = pare_alloc(e->ctx, e->cells, sizeof *c->row, &c->row);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->cells, sizeof *c->weight, &c->weight);
    }
    if (status == PARE_OK && e->batches > 0) {
        status = pare_alloc(e->ctx, e->cells, sizeof *c->group, &c->group);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < e->cells; i++) {
        c->row[c->x.rows] = i;
        c->x.rows += some[i];
    }
    for (int64_t t = 0; t < e->types; t++) {
        present += c->moments->cells[t] > 0;
    }
    const double average = (double)c->x.rows / present;
    for (int64_t i = 0; i < c->x.rows; i++) {
        double cells = c->moments->cells[e->label[c->row[i]]];
        c->weight[i] = c->panel->options.balanced ? average / fmax(cells, FLOOR * average) : 1;
        if (c->group) {
            c->group[i] = e->batch_of[c->row[i]];
        }
    }
    c->x = (pare_sparse_rows){
        c->x.rows, e->genes, c->row, e->start, e->index, e->value, e->scratch.bytes != NULL};
    return PARE_OK;
}

/* Weighted squares of a response around its mean. */
static double spread(const choosing *c, const double *y) {
    double sum = 0, total = 0, square = 0;
    for (int64_t i = 0; i < c->x.rows; i++) {
        sum += c->weight[i] * y[i];
        total += c->weight[i];
    }
    for (int64_t i = 0; i < c->x.rows; i++) {
        double off = y[i] - sum / total;
        square += c->weight[i] * off * off;
    }
    return square;
}

static void project(const choosing *c, int64_t projection, double *out) {
    const pare_expression *e = &c->panel->data;
    const uint64_t seed = (uint64_t)c->panel->options.seed;
    double *mix = c->gain; /* not in use yet */
    for (int64_t j = 0; j < e->genes; j++) {
        mix[j] =
            pare_random_normal(seed, PARE_STREAM_METHOD, (uint64_t)(projection * e->genes + j));
    }
    for (int64_t i = 0, done = 0; i < c->x.rows; i++) {
        pare_expression_passed(e, &done, e->start[c->row[i]]);
        out[i] = 0;
        for (int64_t k = e->start[c->row[i]]; k < e->start[c->row[i] + 1]; k++) {
            out[i] += (double)e->value[k] * mix[e->index[k]];
        }
    }
}

/* Responses: a column a type, and random sums of all genes (whose explained squares are on average
 * those of the genes), scaled so that the two together have 1 - mix and mix of the squares. */
static pare_status make_responses(choosing *c) {
    const pare_expression *e = &c->panel->data;
    const double mix = c->panel->options.reconstruct;
    const int64_t n = c->x.rows;
    double part[2] = {0, 0};
    c->targets = (mix < 1 ? e->types : 0) + (mix > 0 ? PROJECTIONS : 0);
    const int64_t types = mix < 1 ? e->types : 0;
    pare_status status = pare_alloc_zero(e->ctx, c->targets * n, sizeof *c->y, &c->y);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t t = 0; t < c->targets; t++) {
        double *y = c->y + t * n;
        for (int64_t i = 0; i < n && t < types; i++) {
            y[i] = e->label[c->row[i]] == t;
        }
        if (t >= types) {
            project(c, t - types, y);
        }
        part[t >= types] += spread(c, y);
    }
    for (int64_t t = 0; t < c->targets && mix > 0; t++) {
        double share = t >= types ? mix : 1 - mix, sum = part[t >= types];
        for (int64_t i = 0; i < n; i++) {
            c->y[t * n + i] *= sum > 0 ? sqrt(share / sum) : 0;
        }
    }
    return PARE_OK;
}

static pare_status begin(choosing *c, const bool *some) {
    const pare_expression *e = &c->panel->data;
    pare_status status = mark_rows(c, some);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->genes, sizeof *c->gain, &c->gain);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->genes, sizeof *c->barred, &c->barred);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->types, sizeof *c->need, &c->need);
    }
    if (status != PARE_OK) {
        return status;
    }
    memcpy(c->barred, c->panel->avoid, (size_t)e->genes * sizeof *c->barred);
    if (e->batches > 0) {
        status = pare_panel_bar_unsteady(c->panel, some, c->moments, c->barred);
    }
    if (status != PARE_OK) {
        return status;
    }
    if (c->way.markers) {
        status = pare_alloc_zero(e->ctx, c->panel->wanted, sizeof *c->marker, &c->marker);
        if (status == PARE_OK) {
            status = pare_panel_markers(c->panel, c->moments, c->marker);
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    if (c->way.softmax) {
        return pare_panel_softmax_create(c->panel, &c->x, c->weight, c->way.penalty, c->group,
                                         c->group ? e->batches : 1, c->panel->wanted, &c->model);
    }
    status = make_responses(c);
    if (status == PARE_OK) {
        status = pare_pursuit_create(e->ctx, &c->x, c->weight, c->group, e->batches, c->targets,
                                     c->y, c->panel->wanted, &c->pursuit);
    }
    if (status == PARE_OK) {
        c->pursuit.ridge = c->way.penalty * (double)c->x.rows;
        c->whole = pare_pursuit_spread(&c->pursuit, -1);
    }
    return status;
}

/* Types that still need genes: need[t] > 0; returns their sum. */
static int64_t still_needed(choosing *c, int64_t chosen, const int64_t *gene) {
    const struct pare_panel *panel = c->panel;
    int64_t sum = 0;
    for (int64_t t = 0; t < panel->data.types; t++) {
        c->need[t] = c->moments->cells[t] > 0 ? panel->options.min_per_type : 0;
    }
    for (int64_t k = 0; k < chosen; k++) {
        c->need[pare_panel_type_of(panel, c->moments, gene[k])]--;
    }
    for (int64_t t = 0; t < panel->data.types; t++) {
        sum += c->need[t] > 0 ? c->need[t] : 0;
    }
    return sum;
}

static void find_gains(choosing *c) {
    const pare_pursuit *p = &c->pursuit;
    if (c->way.softmax) {
        pare_panel_softmax_gains(c->model, c->way.shrink, c->gain);
        return;
    }
    for (int64_t j = 0; j < c->x.columns; j++) {
        double size = 0;
        for (int64_t t = 0; t < p->targets; t++) {
            size += p->product[j * p->targets + t] * p->product[j * p->targets + t];
        }
        c->gain[j] = size / (p->left[j] / (double)c->x.rows + c->way.shrink);
    }
}

static int64_t best_gene(const choosing *c, bool only_needed) {
    int64_t best = -1;
    for (int64_t j = 0; j < c->x.columns; j++) {
        if (!c->barred[j] && (best < 0 || c->gain[j] > c->gain[best]) &&
            (!only_needed || c->need[pare_panel_type_of(c->panel, c->moments, j)] > 0)) {
            best = j;
        }
    }
    return best;
}

static int64_t best_marker(const choosing *c, bool only_needed) {
    for (int64_t k = 0; k < c->panel->wanted; k++) {
        const int64_t j = c->marker[k];
        if (!c->barred[j] &&
            (!only_needed || c->need[pare_panel_type_of(c->panel, c->moments, j)] > 0)) {
            return j;
        }
    }
    return -1;
}

/* Takes a gene; *taken: it adds something. */
static pare_status take(choosing *c, int64_t gene, bool *taken, double *left) {
    pare_status status = PARE_OK;
    *taken = true;
    if (c->way.softmax) {
        status = pare_panel_softmax_take(c->model, gene, left);
    } else {
        *taken = pare_pursuit_take(&c->pursuit, gene);
        *left = c->whole > 0 ? pare_pursuit_spread(&c->pursuit, -1) / c->whole : 0;
    }
    return status;
}

static pare_status choose_next(choosing *c, int64_t *chosen, int64_t *gene, double *left,
                               bool *none) {
    const struct pare_panel *panel = c->panel;
    const bool had = *chosen < panel->had;
    int64_t j = had ? panel->have[*chosen] : -1;
    if (!had) {
        const bool only_needed = still_needed(c, *chosen, gene) >= panel->wanted - *chosen;
        if (c->marker && *chosen >= FIRST_A_TYPE * panel->data.types) {
            j = best_marker(c, only_needed);
        }
        if (j < 0) {
            find_gains(c);
            j = best_gene(c, only_needed);
        }
        j = j < 0 ? best_gene(c, false) : j;
    }
    *none = j < 0;
    if (j < 0) {
        return PARE_OK;
    }
    bool taken = false;
    double after = 0;
    c->barred[j] = true;
    pare_status status = take(c, j, &taken, &after);
    if (status == PARE_OK && (taken || had)) {
        left[*chosen] = after;
        gene[(*chosen)++] = j;
    }
    return status;
}

/* The network chooses; what its genes leave is told by least squares. */
static pare_status choose_by_network(choosing *c, int64_t *chosen, int64_t *gene, double *left) {
    double after = 1;
    pare_status status =
        pare_panel_choose_network(c->panel, &c->x, c->weight, c->barred, chosen, gene);
    for (int64_t k = 0; k < *chosen && status == PARE_OK; k++) {
        bool taken = false;
        status = take(c, gene[k], &taken, &after);
        left[k] = after;
    }
    return status;
}

pare_status pare_panel_choose(const struct pare_panel *panel, const bool *some,
                              const pare_panel_moments *moments, pare_panel_way way,
                              int64_t *chosen, int64_t *gene, double *left) {
    choosing c = {.panel = panel, .moments = moments, .way = way};
    bool none = false;
    *chosen = 0;
    pare_status status = begin(&c, some);
    if (status == PARE_OK && way.network) {
        status = choose_by_network(&c, chosen, gene, left);
    }
    while (status == PARE_OK && !way.network && !none && *chosen < panel->wanted) {
        status = choose_next(&c, chosen, gene, left, &none);
    }
    choosing_clear(&c);
    return status;
}
