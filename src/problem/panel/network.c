/* Sequential Attention over the genes: a network tells the types while softmax masks compete
 * (Yasuda et al. 2023); by what pare select does on the cells as a table. */
#include "base/text.h"
#include "data/dataset.h"
#include "pare/pare.h"
#include "problem/panel/panel.h"
#include "problem/selector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct table {
    int64_t rows;
    int64_t *start; /* (rows + 1) */
    int32_t *index; /* ascending within a row */
    float *value;
    double *label; /* (rows) */
    float *weight; /* (rows) */
    float *dense;  /* (genes) one row */
} table;

static void clear(pare_context *ctx, table *t) {
    pare_free(ctx, t->start);
    pare_free(ctx, t->index);
    pare_free(ctx, t->value);
    pare_free(ctx, t->label);
    pare_free(ctx, t->weight);
    pare_free(ctx, t->dense);
}

static int ascending(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static pare_status copy_rows(const pare_expression *e, const pare_sparse_rows *x,
                             const double *weight, table *t) {
    int64_t entries = 0;
    t->rows = x->rows;
    for (int64_t i = 0; i < x->rows; i++) {
        entries += e->start[x->row[i] + 1] - e->start[x->row[i]];
    }
    const struct {
        int64_t count;
        size_t size;
        void *out;
    } arrays[] = {
        {x->rows + 1, sizeof *t->start, &t->start}, {entries, sizeof *t->index, &t->index},
        {entries, sizeof *t->value, &t->value},     {x->rows, sizeof *t->label, &t->label},
        {x->rows, sizeof *t->weight, &t->weight},   {e->genes, sizeof *t->dense, &t->dense}};
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0] && status == PARE_OK; i++) {
        status = pare_alloc_zero(e->ctx, arrays[i].count, arrays[i].size, arrays[i].out);
    }
    for (int64_t i = 0; i < x->rows && status == PARE_OK; i++) {
        const int64_t from = e->start[x->row[i]], count = e->start[x->row[i] + 1] - from;
        int32_t *index = t->index + t->start[i];
        for (int64_t k = 0; k < count; k++) {
            index[k] = e->index[from + k];
            t->dense[index[k]] = e->value[from + k];
        }
        qsort(index, (size_t)count, sizeof *index, ascending);
        for (int64_t k = 0; k < count; k++) {
            t->value[t->start[i] + k] = t->dense[index[k]];
        }
        t->start[i + 1] = t->start[i] + count;
        t->label[i] = (double)e->label[x->row[i]];
        t->weight[i] = (float)weight[i];
    }
    return status;
}

/* Genes by their columns' default names. */
static pare_status list_genes(pare_context *ctx, int64_t count, const int64_t *gene,
                              pare_options *options, const char *option) {
    pare_text list = {.ctx = ctx};
    for (int64_t i = 0; i < count; i++) {
        pare_text_append(&list, i ? ",x%lld" : "x%lld", (long long)gene[i]);
    }
    pare_status status = list.status;
    if (status == PARE_OK && count > 0) {
        status = pare_options_set(options, option, list.bytes);
    }
    pare_text_clear(&list);
    return status;
}

static pare_status set_options(const struct pare_panel *panel, const bool *barred,
                               pare_options *options) {
    const pare_expression *e = &panel->data;
    int64_t *list = NULL, count = 0;
    char number[32];
    pare_status status = pare_alloc(panel->ctx, e->genes, sizeof *list, &list);
    for (int64_t j = 0; j < e->genes && status == PARE_OK; j++) {
        bool had = false;
        for (int64_t k = 0; k < panel->had; k++) {
            had = had || panel->have[k] == j;
        }
        list[count] = j;
        count += barred[j] && !had;
    }
    if (status == PARE_OK) {
        status = list_genes(panel->ctx, count, list, options, "exclude");
    }
    pare_free(panel->ctx, list);
    if (status == PARE_OK) {
        status = list_genes(panel->ctx, panel->had, panel->have, options, "include");
    }
    snprintf(number, sizeof number, "%lld", (long long)panel->wanted);
    if (status == PARE_OK) {
        status = pare_options_set(options, "k", number);
    }
    options->seed = panel->options.seed;
    options->threads = panel->options.threads;
    options->model = PARE_MODEL_MLP;
    return status;
}

/* As least squares does: a variance of nearly nothing must not blow noise up. */
static void soften(pare_dataset *data) {
    for (int64_t f = 0; f < data->features; f++) {
        const double scale = (double)data->scale[f];
        if (scale > 0) {
            data->scale[f] = (float)(1 / sqrt(1 / (scale * scale) + 1));
        }
    }
}

static pare_status run(pare_dataset *data, const pare_options *options, int64_t *chosen,
                       int64_t *gene) {
    pare_selector *selector = NULL;
    bool done = false;
    pare_status status = pare_selector_start(data, NULL, options, &selector);
    while (status == PARE_OK && !done) {
        status = pare_selector_advance(selector, &done);
    }
    for (int64_t k = 0; status == PARE_OK && k < selector->choice.count; k++) {
        gene[(*chosen)++] = selector->choice.item[k];
    }
    pare_selector_destroy(selector);
    return status;
}

pare_status pare_panel_choose_network(const struct pare_panel *panel, const pare_sparse_rows *x,
                                      const double *weight, const bool *barred, int64_t *chosen,
                                      int64_t *gene) {
    const pare_expression *e = &panel->data;
    pare_options options;
    pare_dataset *data = NULL;
    table t = {0};
    *chosen = 0;
    pare_status status = pare_options_init(e->ctx, &options);
    if (status != PARE_OK) {
        return status;
    }
    status = set_options(panel, barred, &options);
    if (status == PARE_OK) {
        status = copy_rows(e, x, weight, &t);
    }
    if (status == PARE_OK) {
        status = pare_dataset_from_sparse(e->ctx, t.rows, e->genes, t.start, t.index, t.value, 1,
                                          t.label, t.weight, NULL, &options, &data);
    }
    if (status == PARE_OK) {
        soften(data);
        status = run(data, &options, chosen, gene);
    }
    pare_dataset_free(data);
    clear(e->ctx, &t);
    pare_options_clear(&options);
    return status;
}
