/* The panel object: file and lists, choice, cross-validation beside two baselines. */
#include "problem/panel/panel.h"
#include "base/random.h"
#include "base/text.h"
#include "data/genotype/genotype.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EXAMPLES = 3, LIST_SIZE = 200 };
/* Counts of a cell are scaled to this sum before the logarithm. */
#define CELL_SUM 1e4

void pare_panel_free(struct pare_panel *panel) {
    if (!panel) {
        return;
    }
    pare_context *ctx = panel->ctx;
    pare_expression_clear(&panel->data);
    pare_options_clear(&panel->options);
    pare_free(ctx, panel->have);
    pare_free(ctx, panel->avoid);
    pare_free(ctx, panel->gene);
    pare_free(ctx, panel->per_type);
    pare_free(ctx, panel->text);
    pare_free(ctx, panel);
}

/* Whole numbers are counts: scaled and logarithms taken. */
static void normalise(struct pare_panel *panel) {
    pare_expression *e = &panel->data;
    bool whole = true;
    for (int64_t k = 0; k < e->start[e->cells] && whole; k++) {
        whole = e->value[k] == floorf(e->value[k]);
    }
    panel->normalised = whole;
    for (int64_t i = 0; i < e->cells && whole; i++) {
        double sum = 0;
        for (int64_t k = e->start[i]; k < e->start[i + 1]; k++) {
            sum += (double)e->value[k];
        }
        for (int64_t k = e->start[i]; k < e->start[i + 1]; k++) {
            e->value[k] = (float)log1p((double)e->value[k] * CELL_SUM / sum);
        }
    }
}

/* Genes of a file, one a line; those not in the data are refused by name. */
static pare_status read_genes(struct pare_panel *panel, const char *path, int64_t **list,
                              int64_t *count) {
    pare_cells cells;
    *count = 0;
    pare_status status = pare_cells_read(panel->ctx, path, &cells);
    if (status != PARE_OK) {
        return status;
    }
    int64_t lost = 0;
    char examples[LIST_SIZE] = "";
    status = pare_alloc(panel->ctx, cells.rows, sizeof **list, list);
    for (int64_t r = 0; r < cells.rows && status == PARE_OK; r++) {
        const char *name = cells.cell[r * cells.columns];
        int64_t j = pare_expression_find(&panel->data, name, (int64_t)strlen(name));
        bool twice = false;
        for (int64_t k = 0; k < *count; k++) {
            twice = twice || (*list)[k] == j;
        }
        if (j >= 0 && !twice) {
            (*list)[(*count)++] = j;
        } else if (j < 0 && lost++ < EXAMPLES) {
            size_t used = strlen(examples);
            snprintf(examples + used, sizeof examples - used, "%s%.40s", used ? ", " : "", name);
        }
    }
    if (status == PARE_OK && lost > 0) {
        status = pare_fail(panel->ctx, PARE_ERROR_INPUT,
                           "%s: %lld of %lld genes are not in the data (first: %s)", path,
                           (long long)lost, (long long)cells.rows, examples);
    }
    pare_cells_clear(&cells);
    return status;
}

static pare_status read_lists(struct pare_panel *panel) {
    const pare_options *options = &panel->options;
    int64_t *avoid = NULL, count = 0, k = 0;
    pare_status status =
        pare_alloc_zero(panel->ctx, panel->data.genes, sizeof *panel->avoid, &panel->avoid);
    if (status == PARE_OK && options->have[0]) {
        status = read_genes(panel, options->have, &panel->have, &panel->had);
    }
    if (status == PARE_OK && options->avoid[0]) {
        status = read_genes(panel, options->avoid, &avoid, &count);
    }
    for (int64_t i = 0; i < count && status == PARE_OK; i++) {
        panel->avoid[avoid[i]] = true;
    }
    pare_free(panel->ctx, avoid);
    if (status != PARE_OK) {
        return status;
    }
    if (options->k[0] && (!pare_parse_integer(options->k, &k) || k < 1)) {
        return pare_fail(panel->ctx, PARE_ERROR_ARGUMENT, "option k: '%s' is not a number of genes",
                         options->k);
    }
    panel->wanted = options->add > 0 ? panel->had + options->add : k;
    if (panel->wanted < 1) {
        return pare_fail(panel->ctx, PARE_ERROR_ARGUMENT,
                         "option k or add is missing: how many genes");
    }
    if (panel->wanted > panel->data.genes) {
        return pare_fail(panel->ctx, PARE_ERROR_ARGUMENT,
                         "%lld genes are wanted, the data has %lld", (long long)panel->wanted,
                         (long long)panel->data.genes);
    }
    if (panel->had > panel->wanted) {
        return pare_fail(panel->ctx, PARE_ERROR_ARGUMENT,
                         "option have lists %lld genes, more than the %lld wanted",
                         (long long)panel->had, (long long)panel->wanted);
    }
    if (options->min_per_type * panel->data.types > panel->wanted) {
        return pare_fail(panel->ctx, PARE_ERROR_ARGUMENT,
                         "option min-per-type: %lld for each of %lld types is more than %lld genes",
                         (long long)options->min_per_type, (long long)panel->data.types,
                         (long long)panel->wanted);
    }
    return PARE_OK;
}

pare_status pare_panel_read(pare_context *ctx, const char *path, const pare_options *options,
                            struct pare_panel **out) {
    *out = NULL;
    struct pare_panel *panel = NULL;
    if (!options->label[0]) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "option label is missing: what to tell apart");
    }
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *panel, &panel);
    if (status != PARE_OK) {
        return status;
    }
    panel->ctx = ctx;
    status = pare_options_copy(options, &panel->options);
    if (status != PARE_OK) {
        pare_free(ctx, panel);
        return status;
    }
    status = pare_expression_read(ctx, path, options->label, &panel->data);
    if (status == PARE_OK) {
        normalise(panel);
        status = read_lists(panel);
    }
    if (status != PARE_OK) {
        pare_panel_free(panel);
        return status;
    }
    *out = panel;
    return PARE_OK;
}

/* ---- Choice --------------------------------------------------------------------------------- */

static pare_status choose_all(struct pare_panel *panel, const bool *some) {
    const pare_expression *e = &panel->data;
    pare_panel_moments m = {0};
    int64_t *gene = NULL;
    double *left = NULL;
    pare_status status = pare_panel_measure(panel, some, &m);
    if (status == PARE_OK) {
        status = pare_alloc(panel->ctx, panel->wanted, sizeof *gene, &gene);
    }
    if (status == PARE_OK) {
        status = pare_alloc(panel->ctx, panel->wanted, sizeof *left, &left);
    }
    if (status == PARE_OK) {
        status = pare_alloc(panel->ctx, panel->wanted, sizeof *panel->gene, &panel->gene);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(panel->ctx, e->types, sizeof *panel->per_type, &panel->per_type);
    }
    if (status == PARE_OK) {
        status = pare_panel_choose(panel, some, &m, &panel->chosen, gene, left);
    }
    for (int64_t k = 0; k < panel->chosen && status == PARE_OK; k++) {
        int64_t j = gene[k], type = pare_panel_type_of(panel, &m, j);
        double other = 0, cells = 0;
        for (int64_t t = 0; t < e->types; t++) {
            other += t == type ? 0 : m.sum[t * e->genes + j];
            cells += t == type ? 0 : m.cells[t];
        }
        panel->gene[k] = (pare_panel_gene){
            .gene = j,
            .had = k<panel->had, .type = type, .inside = m.sum[type * e->genes + j] / m.cells[type],
                     .outside = cells> 0
                       ? other / cells
                       : 0,
            .left = left[k]};
        panel->per_type[type]++;
    }
    pare_panel_moments_clear(panel->ctx, &m);
    pare_free(panel->ctx, gene);
    pare_free(panel->ctx, left);
    return status;
}

/* Accuracy and F1 averaged over the types that occur. */
static void score(const pare_expression *e, const int32_t *predicted, int64_t *count,
                  pare_panel_score *out) {
    double right = 0, all = 0, sum = 0, present = 0;
    int64_t *true_of = count, *said = count + e->types, *both = count + 2 * e->types;
    memset(count, 0, (size_t)(3 * e->types) * sizeof *count);
    for (int64_t i = 0; i < e->cells; i++) {
        if (e->label[i] >= 0) {
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

/* Predictions of one fold by each way to choose. */
static pare_status predict_fold(const struct pare_panel *panel, const bool *train, int64_t *gene,
                                double *left, int32_t *predicted) {
    pare_panel_moments m;
    const int64_t cells = panel->data.cells;
    int64_t chosen = 0;
    pare_status status = pare_panel_measure(panel, train, &m);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_panel_choose(panel, train, &m, &chosen, gene, left);
    if (status == PARE_OK) {
        status = pare_panel_predict(panel, train, chosen, gene, predicted);
    }
    if (status == PARE_OK) {
        status = pare_panel_variable(panel, &m, gene);
    }
    if (status == PARE_OK) {
        status = pare_panel_predict(panel, train, panel->wanted, gene, predicted + cells);
    }
    if (status == PARE_OK) {
        status = pare_panel_markers(panel, &m, gene);
    }
    if (status == PARE_OK) {
        status = pare_panel_predict(panel, train, panel->wanted, gene, predicted + 2 * cells);
    }
    pare_panel_moments_clear(panel->ctx, &m);
    return status;
}

static pare_status cross_validate(struct pare_panel *panel, const bool *some) {
    static const char *const names[PARE_PANEL_SCORES] = {"panel", "highly variable", "t-test"};
    const pare_expression *e = &panel->data;
    const int64_t folds = panel->options.score_folds;
    int64_t *order = NULL, *gene = NULL, *count = NULL, labelled = 0;
    bool *train = NULL;
    double *left = NULL;
    int32_t *predicted = NULL;
    pare_status status = pare_alloc(e->ctx, e->cells, sizeof *order, &order);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, panel->wanted, sizeof *gene, &gene);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, 3 * e->types, sizeof *count, &count);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->cells, sizeof *train, &train);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, panel->wanted, sizeof *left, &left);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(e->ctx, 3 * e->cells, sizeof *predicted, &predicted);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t i = 0; i < e->cells; i++) {
        order[labelled] = i;
        labelled += some[i];
    }
    pare_random_shuffle((uint64_t)panel->options.seed, PARE_STREAM_SPLIT, 0, labelled, order);
    for (int64_t held = 0; held < folds && status == PARE_OK; held++) {
        memcpy(train, some, (size_t)e->cells * sizeof *train);
        for (int64_t i = held; i < labelled; i += folds) {
            train[order[i]] = false;
        }
        int32_t *own = NULL;
        status = pare_alloc_zero(e->ctx, 3 * e->cells, sizeof *own, &own);
        if (status == PARE_OK) {
            status = predict_fold(panel, train, gene, left, own);
        }
        for (int64_t i = held; i < labelled && status == PARE_OK; i += folds) {
            for (int64_t s = 0; s < 3; s++) {
                predicted[s * e->cells + order[i]] = own[s * e->cells + order[i]];
            }
        }
        pare_free(e->ctx, own);
    }
    for (int s = 0; s < PARE_PANEL_SCORES && status == PARE_OK; s++) {
        panel->score[s].name = names[s];
        score(e, predicted + s * e->cells, count, &panel->score[s]);
        panel->scored = true;
    }
fail:
    pare_free(e->ctx, order);
    pare_free(e->ctx, gene);
    pare_free(e->ctx, count);
    pare_free(e->ctx, train);
    pare_free(e->ctx, left);
    pare_free(e->ctx, predicted);
    return status;
}

pare_status pare_panel_analyse(struct pare_panel *panel) {
    bool *some = NULL;
    pare_status status = pare_alloc(panel->ctx, panel->data.cells, sizeof *some, &some);
    for (int64_t i = 0; i < panel->data.cells && status == PARE_OK; i++) {
        some[i] = panel->data.label[i] >= 0;
    }
    if (status == PARE_OK) {
        status = choose_all(panel, some);
    }
    if (status == PARE_OK && panel->options.score_folds > 1) {
        status = cross_validate(panel, some);
    }
    pare_free(panel->ctx, some);
    return status;
}
