/* Cross-validation: of the panel beside two baselines, and within a set of cells to find the way
 * that suits the data. Everything is chosen on the cells that train. */
#include "base/random.h"
#include "problem/panel/panel.h"

#include <string.h>

enum { INNER_FOLDS = 5, CELLS_MAX = 20000, SUMS_MAX = 4000000 };
enum { PER_TYPE_MAX = 4 }; /* beyond so many genes a type least squares has always been better */

/* Accuracy and F1 averaged over the types that occur. */
static void score(const pare_expression *e, const bool *some, const int32_t *predicted,
                  int64_t *count, pare_panel_score *out) {
    double right = 0, all = 0, sum = 0, present = 0;
    int64_t *true_of = count, *said = count + e->types, *both = count + 2 * e->types;
    memset(count, 0, (size_t)(3 * e->types) * sizeof *count);
    for (int64_t i = 0; i < e->cells; i++) {
        if (some[i]) {
            bool same = predicted[i] == e->label[i];
            true_of[e->label[i]]++;
            said[predicted[i]]++;
            both[e->label[i]] += same;
            right += same;
            all++;
        }
    }
    for (int64_t t = 0; t < e->types; t++) {
        double total = (double)(true_of[t] + said[t]);
        sum += total > 0 ? 2 * (double)both[t] / total : 0;
        present += true_of[t] > 0;
    }
    out->accuracy = right / all;
    out->f1 = sum / present;
}

typedef struct cross {
    const struct pare_panel *panel;
    int64_t labelled, ways;
    int64_t *order; /* (labelled) shuffled cells */
    int64_t *gene;  /* (wanted) */
    double *left;
    int64_t *count;
    bool *train, *held; /* (cells) */
    int32_t *predicted; /* (ways, cells) */
} cross;

static void cross_clear(cross *c) {
    pare_context *ctx = c->panel->ctx;
    pare_free(ctx, c->order);
    pare_free(ctx, c->gene);
    pare_free(ctx, c->left);
    pare_free(ctx, c->count);
    pare_free(ctx, c->train);
    pare_free(ctx, c->held);
    pare_free(ctx, c->predicted);
}

static pare_status cross_create(const struct pare_panel *panel, const bool *some, int64_t ways,
                                uint64_t first, cross *c) {
    const pare_expression *e = &panel->data;
    *c = (cross){.panel = panel, .ways = ways};
    const struct {
        int64_t count;
        size_t size;
        void *out;
    } table[] = {{e->cells, sizeof *c->order, &c->order},
                 {panel->wanted, sizeof *c->gene, &c->gene},
                 {panel->wanted, sizeof *c->left, &c->left},
                 {3 * e->types, sizeof *c->count, &c->count},
                 {e->cells, sizeof *c->train, &c->train},
                 {e->cells, sizeof *c->held, &c->held},
                 {ways * e->cells, sizeof *c->predicted, &c->predicted}};
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof table / sizeof table[0] && status == PARE_OK; i++) {
        status = pare_alloc_zero(e->ctx, table[i].count, table[i].size, table[i].out);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < e->cells; i++) {
        c->order[c->labelled] = i;
        c->labelled += some[i];
    }
    pare_random_shuffle((uint64_t)panel->options.seed, PARE_STREAM_SPLIT, first, c->labelled,
                        c->order);
    return PARE_OK;
}

static void hold(cross *c, const bool *some, int64_t fold, int64_t folds) {
    const size_t size = (size_t)c->panel->data.cells * sizeof *c->train;
    memcpy(c->train, some, size);
    memset(c->held, 0, size);
    for (int64_t i = fold; i < c->labelled; i += folds) {
        c->train[c->order[i]] = false;
        c->held[c->order[i]] = true;
    }
}

static pare_status predict(cross *c, int64_t way, int64_t count) {
    return pare_panel_predict(c->panel, c->train, c->held, count, c->gene,
                              c->predicted + way * c->panel->data.cells);
}

pare_status pare_panel_find_way(const struct pare_panel *panel, const bool *some,
                                pare_panel_way *out) {
    const pare_expression *e = &panel->data;
    const int64_t asked = panel->options.pursuit;
    const bool large = e->cells > CELLS_MAX || e->genes * e->types > SUMS_MAX;
    const bool few = panel->wanted <= PER_TYPE_MAX * e->types;
    const int64_t ways = few ? PARE_PANEL_WAYS : PARE_PANEL_WAYS - 1;
    cross c;
    double most = -1;
    *out = pare_panel_ways[asked == PARE_PURSUIT_SOFTMAX ? PARE_PANEL_WAYS - 1 : 0];
    if (asked != PARE_PURSUIT_AUTO || large || panel->options.reconstruct > 0) {
        return PARE_OK;
    }
    pare_status status = cross_create(panel, some, PARE_PANEL_WAYS, 1u << 20, &c);
    for (int64_t fold = 0; fold < INNER_FOLDS && status == PARE_OK; fold++) {
        pare_panel_moments m = {0};
        hold(&c, some, fold, INNER_FOLDS);
        status = pare_panel_measure(panel, c.train, &m);
        for (int64_t w = 0; w < ways && status == PARE_OK; w++) {
            int64_t chosen = 0;
            status =
                pare_panel_choose(panel, c.train, &m, pare_panel_ways[w], &chosen, c.gene, c.left);
            status = status == PARE_OK ? predict(&c, w, chosen) : status;
        }
        pare_panel_moments_clear(panel->ctx, &m);
    }
    for (int64_t w = 0; w < ways && status == PARE_OK; w++) {
        pare_panel_score got;
        score(e, some, c.predicted + w * e->cells, c.count, &got);
        if (got.accuracy + got.f1 > most) {
            most = got.accuracy + got.f1;
            *out = pare_panel_ways[w];
        }
    }
    cross_clear(&c);
    return status;
}

/* Predictions of one fold by each way to choose. */
static pare_status predict_fold(cross *c) {
    const struct pare_panel *panel = c->panel;
    pare_panel_moments m;
    pare_panel_way way;
    int64_t chosen = 0;
    pare_status status = pare_panel_measure(panel, c->train, &m);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_panel_find_way(panel, c->train, &way);
    if (status == PARE_OK) {
        status = pare_panel_choose(panel, c->train, &m, way, &chosen, c->gene, c->left);
    }
    if (status == PARE_OK) {
        status = predict(c, 0, chosen);
    }
    if (status == PARE_OK) {
        status = pare_panel_variable(panel, &m, c->gene);
    }
    if (status == PARE_OK) {
        status = predict(c, 1, panel->wanted);
    }
    if (status == PARE_OK) {
        status = pare_panel_markers(panel, &m, c->gene);
    }
    if (status == PARE_OK) {
        status = predict(c, 2, panel->wanted);
    }
    pare_panel_moments_clear(panel->ctx, &m);
    return status;
}

pare_status pare_panel_cross_validate(struct pare_panel *panel, const bool *some) {
    static const char *const names[PARE_PANEL_SCORES] = {"panel", "highly variable", "t-test"};
    const int64_t folds = panel->options.score_folds;
    cross c;
    pare_status status = cross_create(panel, some, PARE_PANEL_SCORES, 0, &c);
    for (int64_t fold = 0; fold < folds && status == PARE_OK; fold++) {
        hold(&c, some, fold, folds);
        status = predict_fold(&c);
    }
    for (int s = 0; s < PARE_PANEL_SCORES && status == PARE_OK; s++) {
        panel->score[s].name = names[s];
        score(&panel->data, some, c.predicted + s * panel->data.cells, c.count, &panel->score[s]);
        panel->scored = true;
    }
    cross_clear(&c);
    return status;
}
