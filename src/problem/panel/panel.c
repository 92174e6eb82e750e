/* The panel object: file and lists, choice, cross-validation beside two baselines. */
#include "problem/panel/panel.h"
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
    pare_free(ctx, panel->mean);
    pare_free(ctx, panel->type_f1);
    pare_free(ctx, panel->by_batch);
    pare_free(ctx, panel->fold_start);
    pare_free(ctx, panel->drawn);
    pare_free(ctx, panel->text);
    pare_free(ctx, panel);
}

/* Whole numbers are counts: scaled and logarithms taken. */
static void normalise(struct pare_panel *panel) {
    pare_expression *e = &panel->data;
    bool whole = true;
    for (int64_t k = 0, done = 0; k < e->start[e->cells] && whole; k++) {
        pare_expression_passed(e, &done, k);
        whole = e->value[k] == floorf(e->value[k]);
    }
    panel->normalised = whole;
    for (int64_t i = 0, done = 0; i < e->cells && whole; i++) {
        double sum = 0;
        pare_expression_passed(e, &done, e->start[i]);
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

/* Genes whose mean logarithm is out of bounds are not chosen: probes of loud genes crowd an image,
 * those of silent ones show nothing. */
static pare_status bar_by_mean(struct pare_panel *panel) {
    const pare_expression *e = &panel->data;
    const double low = panel->options.min_mean, high = panel->options.max_mean;
    double *sum = NULL;
    int64_t open = 0;
    pare_status status = pare_alloc_zero(e->ctx, e->genes, sizeof *sum, &sum);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t k = 0, done = 0; k < e->start[e->cells]; k++) {
        pare_expression_passed(e, &done, k);
        sum[e->index[k]] += (double)e->value[k];
    }
    for (int64_t j = 0; j < e->genes; j++) {
        double mean = sum[j] / (double)e->cells;
        panel->avoid[j] = panel->avoid[j] || mean < low || (high > 0 && mean > high);
        open += !panel->avoid[j];
    }
    pare_free(e->ctx, sum);
    return open > 0 ? PARE_OK
                    : pare_fail(e->ctx, PARE_ERROR_ARGUMENT,
                                "options avoid, min-mean and max-mean leave no gene to choose");
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
    if (status == PARE_OK) {
        status = bar_by_mean(panel);
    }
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
    if (options->pursuit == PARE_PURSUIT_NETWORK &&
        (options->min_per_type > 0 || options->reconstruct > 0)) {
        return pare_fail(panel->ctx, PARE_ERROR_ARGUMENT,
                         "option selector: network looks at neither min-per-type nor reconstruct");
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
    const char *const labels[PARE_CELL_LABELS] = {options->label, options->batch_key};
    int64_t memory = 0;
    status = pare_memory_limit(ctx, options->memory, &memory);
    if (status == PARE_OK) {
        status = pare_expression_read(ctx, path, labels, memory, &panel->data);
    }
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

static pare_status describe(struct pare_panel *panel, const pare_panel_moments *m,
                            const int64_t *gene, const double *left) {
    const pare_expression *e = &panel->data;
    pare_status status =
        pare_alloc(panel->ctx, panel->chosen * e->types, sizeof *panel->mean, &panel->mean);
    for (int64_t k = 0; k < panel->chosen && status == PARE_OK; k++) {
        int64_t j = gene[k], type = pare_panel_type_of(panel, m, j);
        double other = 0, cells = 0;
        for (int64_t t = 0; t < e->types; t++) {
            const double sum = m->sum[t * e->genes + j];
            other += t == type ? 0 : sum;
            cells += t == type ? 0 : m->cells[t];
            panel->mean[k * e->types + t] = m->cells[t] > 0 ? sum / m->cells[t] : 0;
        }
        panel->gene[k] = (pare_panel_gene){
            .gene = j,
            .had = k<panel->had, .type = type, .inside = panel->mean[k * e->types + type],
                     .outside = cells> 0
                       ? other / cells
                       : 0,
            .left = left[k]};
        panel->per_type[type]++;
    }
    return status;
}

static pare_status choose_all(struct pare_panel *panel, const bool *some,
                              const pare_panel_moments *m) {
    const pare_expression *e = &panel->data;
    int64_t *gene = NULL;
    double *left = NULL;
    pare_status status = pare_alloc(panel->ctx, panel->wanted, sizeof *gene, &gene);
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
        status = pare_panel_find_way(panel, some, &panel->way);
    }
    if (status == PARE_OK) {
        status = pare_panel_choose(panel, some, m, panel->way, &panel->chosen, gene, left);
    }
    if (status == PARE_OK) {
        status = describe(panel, m, gene, left);
    }
    pare_free(panel->ctx, gene);
    pare_free(panel->ctx, left);
    return status;
}

pare_status pare_panel_analyse(struct pare_panel *panel) {
    const pare_expression *e = &panel->data;
    bool *some = NULL;
    pare_panel_moments m = {0};
    pare_status status = pare_alloc(panel->ctx, e->cells, sizeof *some, &some);
    for (int64_t i = 0; i < e->cells && status == PARE_OK; i++) {
        some[i] = e->label[i] >= 0 && (e->batches == 0 || e->batch_of[i] >= 0);
    }
    if (status == PARE_OK) {
        status = pare_panel_measure(panel, some, &m);
    }
    if (status == PARE_OK) {
        status = choose_all(panel, some, &m);
    }
    if (status == PARE_OK) {
        status = pare_panel_compare_genes(panel, some);
    }
    if (status == PARE_OK && panel->options.score_folds > 1) {
        status = pare_panel_cross_validate(panel, some);
    }
    if (status == PARE_OK && panel->scored) {
        status = pare_panel_agree(panel, &m);
    }
    pare_panel_moments_clear(panel->ctx, &m);
    pare_free(panel->ctx, some);
    return status;
}
