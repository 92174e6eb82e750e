/* Cross-validation: of the panel beside two baselines, and within a set of cells to find the way
 * that suits the data. Everything is chosen on the cells that train. Where batches are known whole
 * ones are held out: cells of a batch the panel was not chosen on are what it will meet. */
#include "base/random.h"
#include "problem/panel/panel.h"

#include <string.h>

enum { INNER_FOLDS = 5, CELLS_MAX = 20000, SUMS_MAX = 4000000 };
enum { PER_TYPE_MAX = 4 }; /* beyond so many genes a type least squares beat softmax always */
enum { WAYS = 2 };         /* that auto compares */

/* Accuracy and F1 averaged over the types that occur; type_f1 (types): may be NULL. batch -1: all
 * cells marked. */
static void score(const pare_expression *e, const bool *some, int64_t batch,
                  const int32_t *predicted, int64_t *count, pare_panel_score *out,
                  double *type_f1) {
    double right = 0, all = 0, sum = 0, present = 0;
    int64_t *true_of = count, *said = count + e->types, *both = count + 2 * e->types;
    memset(count, 0, (size_t)(3 * e->types) * sizeof *count);
    for (int64_t i = 0; i < e->cells; i++) {
        if (some[i] && (batch < 0 || e->batch_of[i] == batch)) {
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
        double f1 = total > 0 ? 2 * (double)both[t] / total : 0;
        sum += f1;
        present += true_of[t] > 0;
        if (type_f1) {
            type_f1[t] = f1;
        }
    }
    out->accuracy = right / all;
    out->f1 = sum / present;
}

typedef struct cross {
    const struct pare_panel *panel;
    int64_t ways, folds;
    int64_t *fold; /* (cells) -1: not among them */
    int64_t *gene; /* (wanted) */
    double *left;
    int64_t *count;
    bool *train, *held;                                        /* (cells) */
    int32_t *predicted;                                        /* (ways, cells) */
    double rest[PARE_PANEL_SCORES], spread[PARE_PANEL_SCORES]; /* squares of all genes */
} cross;

static void cross_clear(cross *c) {
    pare_context *ctx = c->panel->ctx;
    pare_free(ctx, c->fold);
    pare_free(ctx, c->gene);
    pare_free(ctx, c->left);
    pare_free(ctx, c->count);
    pare_free(ctx, c->train);
    pare_free(ctx, c->held);
    pare_free(ctx, c->predicted);
}

/* Cells, or batches that occur among them, in shuffled order; their number in `list`. */
static int64_t list_units(const pare_expression *e, const bool *some, bool by_batch,
                          int64_t *list) {
    int64_t count = 0;
    if (!by_batch) {
        for (int64_t i = 0; i < e->cells; i++) {
            list[count] = i;
            count += some[i];
        }
        return count;
    }
    for (int64_t b = 0; b < e->batches; b++) {
        bool occurs = false;
        for (int64_t i = 0; i < e->cells && !occurs; i++) {
            occurs = some[i] && e->batch_of[i] == b;
        }
        list[count] = b;
        count += occurs;
    }
    return count;
}

static void deal_folds(cross *c, const bool *some, uint64_t first, int64_t *list) {
    const pare_expression *e = &c->panel->data;
    bool by_batch = e->batches > 1;
    int64_t units = list_units(e, some, by_batch, list);
    if (by_batch && units < 2) {
        by_batch = false;
        units = list_units(e, some, false, list);
    }
    c->folds = units < c->folds ? units : c->folds;
    pare_random_shuffle((uint64_t)c->panel->options.seed, PARE_STREAM_SPLIT, first, units, list);
    for (int64_t i = 0; i < e->cells; i++) {
        c->fold[i] = -1;
    }
    for (int64_t u = 0; u < units && !by_batch; u++) {
        c->fold[list[u]] = u % c->folds;
    }
    for (int64_t i = 0; i < e->cells && by_batch; i++) {
        for (int64_t u = 0; u < units && some[i] && c->fold[i] < 0; u++) {
            c->fold[i] = list[u] == e->batch_of[i] ? u % c->folds : -1;
        }
    }
}

static pare_status cross_create(const struct pare_panel *panel, const bool *some, int64_t ways,
                                int64_t folds, uint64_t first, cross *c) {
    const pare_expression *e = &panel->data;
    int64_t *list = NULL;
    *c = (cross){.panel = panel, .ways = ways, .folds = folds};
    const struct {
        int64_t count;
        size_t size;
        void *out;
    } table[] = {{e->cells + e->batches, sizeof *list, &list},
                 {e->cells, sizeof *c->fold, &c->fold},
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
    if (status == PARE_OK) {
        deal_folds(c, some, first, list);
    }
    pare_free(e->ctx, list);
    return status;
}

static void hold(cross *c, int64_t fold) {
    for (int64_t i = 0; i < c->panel->data.cells; i++) {
        c->train[i] = c->fold[i] >= 0 && c->fold[i] != fold;
        c->held[i] = c->fold[i] == fold;
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
    const bool many = panel->wanted > PER_TYPE_MAX * e->types;
    static const int candidates[WAYS] = {PARE_PANEL_SQUARES, PARE_PANEL_SOFTMAX};
    cross c;
    double most = -1;
    *out = pare_panel_ways[asked == PARE_PURSUIT_SOFTMAX             ? PARE_PANEL_SOFTMAX
                           : asked == PARE_PURSUIT_NETWORK           ? PARE_PANEL_NETWORK
                           : many && panel->options.reconstruct == 0 ? PARE_PANEL_FOLLOWED
                                                                     : PARE_PANEL_SQUARES];
    if (asked != PARE_PURSUIT_AUTO || large || many || panel->options.reconstruct > 0) {
        return PARE_OK;
    }
    pare_status status = cross_create(panel, some, WAYS, INNER_FOLDS, 1u << 20, &c);
    for (int64_t fold = 0; fold < c.folds && status == PARE_OK; fold++) {
        pare_panel_moments m = {0};
        hold(&c, fold);
        status = pare_panel_measure(panel, c.train, &m);
        for (int w = 0; w < WAYS && status == PARE_OK; w++) {
            int64_t chosen = 0;
            status = pare_panel_choose(panel, c.train, &m, pare_panel_ways[candidates[w]], &chosen,
                                       c.gene, c.left);
            status = status == PARE_OK ? predict(&c, w, chosen) : status;
        }
        pare_panel_moments_clear(panel->ctx, &m);
    }
    for (int w = 0; w < WAYS && status == PARE_OK; w++) {
        pare_panel_score got;
        score(e, some, -1, c.predicted + w * e->cells, c.count, &got, NULL);
        if (got.accuracy + got.f1 > most) {
            most = got.accuracy + got.f1;
            *out = pare_panel_ways[candidates[w]];
        }
    }
    cross_clear(&c);
    return status;
}

/* Genes chosen are judged on the cells held: types predicted, all genes reconstructed. */
static pare_status judge(cross *c, int64_t way, int64_t count) {
    pare_status status = predict(c, way, count);
    return status == PARE_OK ? pare_panel_reconstruct(c->panel, c->train, c->held, count, c->gene,
                                                      &c->rest[way], &c->spread[way])
                             : status;
}

/* One fold by the panel and the baselines. */
static pare_status judge_fold(cross *c, int64_t *chosen, int64_t *drawn) {
    const struct pare_panel *panel = c->panel;
    pare_panel_moments m;
    pare_panel_way way;
    pare_status status = pare_panel_measure(panel, c->train, &m);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_panel_find_way(panel, c->train, &way);
    if (status == PARE_OK) {
        status = pare_panel_choose(panel, c->train, &m, way, chosen, c->gene, c->left);
    }
    if (status == PARE_OK) {
        memcpy(drawn, c->gene, (size_t)*chosen * sizeof *drawn);
        status = judge(c, 0, *chosen);
    }
    if (status == PARE_OK) {
        status = pare_panel_variable(panel, &m, c->gene);
    }
    if (status == PARE_OK) {
        status = judge(c, 1, panel->wanted);
    }
    if (status == PARE_OK) {
        status = pare_panel_markers(panel, &m, c->gene);
    }
    if (status == PARE_OK) {
        status = judge(c, 2, panel->wanted);
    }
    pare_panel_moments_clear(panel->ctx, &m);
    return status;
}

static pare_status reserve_scores(struct pare_panel *panel, int64_t folds) {
    const pare_expression *e = &panel->data;
    pare_status status =
        pare_alloc_zero(e->ctx, folds + 1, sizeof *panel->fold_start, &panel->fold_start);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, folds * panel->wanted, sizeof *panel->drawn, &panel->drawn);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->types, sizeof *panel->type_f1, &panel->type_f1);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->batches, sizeof *panel->by_batch, &panel->by_batch);
    }
    return status;
}

pare_status pare_panel_cross_validate(struct pare_panel *panel, const bool *some) {
    static const char *const names[PARE_PANEL_SCORES] = {"panel", "highly variable", "t-test"};
    const pare_expression *e = &panel->data;
    cross c;
    pare_status status =
        cross_create(panel, some, PARE_PANEL_SCORES, panel->options.score_folds, 0, &c);
    if (status == PARE_OK) {
        panel->folds = c.folds;
        status = reserve_scores(panel, c.folds);
    }
    for (int64_t fold = 0; fold < c.folds && status == PARE_OK; fold++) {
        int64_t chosen = 0, *start = panel->fold_start + fold;
        hold(&c, fold);
        status = judge_fold(&c, &chosen, panel->drawn + *start);
        start[1] = start[0] + chosen;
    }
    for (int s = 0; s < PARE_PANEL_SCORES && status == PARE_OK; s++) {
        score(e, some, -1, c.predicted + s * e->cells, c.count, &panel->score[s],
              s == 0 ? panel->type_f1 : NULL);
        panel->score[s].name = names[s];
        panel->score[s].r2 = 1 - c.rest[s] / c.spread[s];
        panel->scored = true;
    }
    for (int64_t b = 0; b < e->batches && status == PARE_OK; b++) {
        score(e, some, b, c.predicted, c.count, &panel->by_batch[b], NULL);
        panel->by_batch[b].name = e->batch[b];
    }
    cross_clear(&c);
    return status;
}
