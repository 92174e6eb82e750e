#include "data/expression/expression.h"
#include "base/text.h"
#include "data/genotype/genotype.h"
#include "data/reader.h"

#include <math.h>
#include <string.h>

void pare_expression_clear(pare_expression *e) {
    pare_context *ctx = e->ctx;
    if (!ctx) {
        return;
    }
    for (int64_t j = 0; e->gene && j < e->genes; j++) {
        pare_free(ctx, e->gene[j]);
    }
    for (int64_t t = 0; e->type && t < e->types; t++) {
        pare_free(ctx, e->type[t]);
    }
    for (int64_t b = 0; e->batch && b < e->batches; b++) {
        pare_free(ctx, e->batch[b]);
    }
    pare_free(ctx, e->batch);
    pare_free(ctx, e->batch_of);
    pare_free(ctx, e->gene);
    pare_free(ctx, e->type);
    pare_free(ctx, e->start);
    if (e->scratch.bytes) {
        pare_map_close(&e->scratch);
    } else {
        pare_free(ctx, e->index);
        pare_free(ctx, e->value);
    }
    pare_free(ctx, e->label);
    *e = (pare_expression){0};
}

int64_t pare_expression_find(const pare_expression *e, const char *gene, int64_t length) {
    for (int64_t j = 0; j < e->genes; j++) {
        if (strncmp(e->gene[j], gene, (size_t)length) == 0 && !e->gene[j][length]) {
            return j;
        }
    }
    return -1;
}

pare_status pare_expression_set_labels(pare_expression *e, pare_cell_label which,
                                       char *const *text) {
    pare_levels levels = {0};
    int32_t **of = which == PARE_CELL_TYPE ? &e->label : &e->batch_of;
    char ***name = which == PARE_CELL_TYPE ? &e->type : &e->batch;
    int64_t *count = which == PARE_CELL_TYPE ? &e->types : &e->batches;
    pare_status status = pare_alloc(e->ctx, e->cells, sizeof **of, of);
    for (int64_t i = 0; i < e->cells && status == PARE_OK; i++) {
        const unsigned char *begin = (const unsigned char *)text[i];
        int64_t level = -1, length = (int64_t)strlen(text[i]);
        if (!pare_cell_missing(begin, begin + length)) {
            status = pare_levels_add(e->ctx, &levels, begin, length, &level);
        }
        (*of)[i] = (int32_t)level;
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(e->ctx, levels.count, sizeof **name, name);
    }
    for (int64_t t = 0; t < levels.count && status == PARE_OK; t++) {
        status = pare_text_copy(e->ctx, levels.text[t], levels.length[t], &(*name)[t]);
        *count = t + 1;
    }
    pare_levels_clear(e->ctx, &levels);
    return status;
}

pare_status pare_expression_transpose(pare_expression *e, const int64_t *start,
                                      const int32_t *index, const float *value) {
    const int64_t entries = start[e->genes];
    pare_status status = pare_alloc_zero(e->ctx, e->cells + 1, sizeof *e->start, &e->start);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, entries, sizeof *e->index, &e->index);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, entries, sizeof *e->value, &e->value);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t k = 0; k < entries; k++) {
        e->start[index[k] + 1]++;
    }
    for (int64_t i = 0; i < e->cells; i++) {
        e->start[i + 1] += e->start[i];
    }
    for (int64_t j = 0; j < e->genes; j++) {
        for (int64_t k = start[j]; k < start[j + 1]; k++) {
            int64_t at = e->start[index[k]]++;
            e->index[at] = (int32_t)j;
            e->value[at] = value[k];
        }
    }
    for (int64_t i = e->cells; i > 0; i--) { /* each start has moved to the next one's */
        e->start[i] = e->start[i - 1];
    }
    e->start[0] = 0;
    return PARE_OK;
}

/* FILE or FILE:COLUMN, one label a cell. */
static pare_status read_label_file(pare_expression *e, pare_cell_label which, const char *label) {
    const char *colon = strrchr(label, ':');
    char *path = NULL, **text = NULL;
    pare_cells cells = {0};
    int64_t length = colon ? colon - label : (int64_t)strlen(label), column = 0;
    pare_status status = pare_text_copy(e->ctx, label, length, &path);
    if (status == PARE_OK) {
        status = pare_cells_read(e->ctx, path, &cells);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (column = 0; colon && column < cells.columns; column++) {
        if (strcmp(cells.cell[column], colon + 1) == 0) {
            break;
        }
    }
    if (column == cells.columns) {
        status =
            pare_fail(e->ctx, PARE_ERROR_INPUT, "%s: there is no column '%s'", path, colon + 1);
        goto fail;
    }
    if (cells.rows - (colon != NULL) != e->cells) {
        status = pare_fail(e->ctx, PARE_ERROR_INPUT, "%s: %lld labels for %lld cells", path,
                           (long long)(cells.rows - (colon != NULL)), (long long)e->cells);
        goto fail;
    }
    status = pare_alloc(e->ctx, e->cells, sizeof *text, &text);
    for (int64_t i = 0; i < e->cells && status == PARE_OK; i++) {
        text[i] = cells.cell[(i + (colon != NULL)) * cells.columns + column];
    }
    if (status == PARE_OK) {
        status = pare_expression_set_labels(e, which, text);
    }
fail:
    pare_free(e->ctx, path);
    pare_free(e->ctx, text);
    pare_cells_clear(&cells);
    return status;
}

static pare_status check(const pare_expression *e, const char *path,
                         const char *const name[PARE_CELL_LABELS]) {
    for (int64_t k = 0, done = 0; k < e->start[e->cells]; k++) {
        pare_expression_passed(e, &done, k);
        if (!(e->value[k] >= 0) || isinf(e->value[k])) {
            return pare_fail(
                e->ctx, PARE_ERROR_INPUT,
                "%s: value %g of gene '%s'; expected counts or their logarithms, which "
                "are >= 0",
                path, (double)e->value[k], e->gene[e->index[k]]);
        }
    }
    if (e->types < 2) {
        return pare_fail(e->ctx, PARE_ERROR_INPUT, "%s: label '%s' has %lld types; at least 2",
                         path, name[PARE_CELL_TYPE], (long long)e->types);
    }
    if (e->batches == 0 && name[PARE_CELL_BATCH][0]) {
        return pare_fail(e->ctx, PARE_ERROR_INPUT, "%s: batch '%s' is missing in every cell", path,
                         name[PARE_CELL_BATCH]);
    }
    return PARE_OK;
}

static bool ends_in(const char *text, const char *ending) {
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

pare_status pare_expression_read(pare_context *ctx, const char *path,
                                 const char *const name[PARE_CELL_LABELS], int64_t memory,
                                 pare_expression *out) {
    *out = (pare_expression){0};
    pare_expression e = {.ctx = ctx};
    bool labelled[PARE_CELL_LABELS] = {false};
    pare_status status = ends_in(path, ".h5ad") || ends_in(path, ".h5")
                             ? pare_expression_read_h5(&e, path, name, memory, labelled)
                             : pare_expression_read_mex(&e, path);
    for (int w = 0; w < PARE_CELL_LABELS && status == PARE_OK; w++) {
        if (!labelled[w] && name[w][0]) {
            status = read_label_file(&e, (pare_cell_label)w, name[w]);
        }
    }
    if (status == PARE_OK) {
        status = check(&e, path, name);
    }
    if (status != PARE_OK) {
        pare_expression_clear(&e);
        return status;
    }
    *out = e;
    return PARE_OK;
}
