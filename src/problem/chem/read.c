/* The chem object: molecules and their columns, or a table of fingerprints. */
#include "base/text.h"
#include "data/dataset.h"
#include "problem/chem/chem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { K_DEFAULT = 20 };

void pare_chem_free(struct pare_chem *chem) {
    if (!chem) {
        return;
    }
    pare_context *ctx = chem->ctx;
    for (int64_t j = 0; chem->bit && j < chem->columns; j++) {
        pare_free(ctx, chem->bit[j]);
    }
    for (int64_t c = 0; c < chem->chosen; c++) {
        pare_free(ctx, chem->choice[c].name);
        pare_free(ctx, chem->choice[c].pattern);
    }
    pare_molecules_clear(&chem->molecules);
    pare_environments_clear(&chem->environments);
    pare_options_clear(&chem->options);
    pare_free(ctx, chem->path);
    pare_free(ctx, chem->bit);
    pare_free(ctx, chem->target);
    pare_free(ctx, chem->column);
    pare_free(ctx, chem->start);
    pare_free(ctx, chem->index);
    pare_free(ctx, chem->value);
    pare_free(ctx, chem->choice);
    pare_free(ctx, chem->held);
    pare_free(ctx, chem->predicted);
    pare_free(ctx, chem->text);
    pare_free(ctx, chem);
}

/* Two values make classes 0 and 1, the larger is 1. */
static pare_status read_target(struct pare_chem *chem) {
    const pare_molecules *m = &chem->molecules;
    double low = INFINITY, high = -INFINITY;
    bool two = true;
    for (int64_t i = 0; i < m->count; i++) {
        low = fmin(low, m->target[i]);
        high = fmax(high, m->target[i]);
    }
    for (int64_t i = 0; i < m->count; i++) {
        two = two && (m->target[i] == low || m->target[i] == high);
    }
    const int64_t task = chem->options.task;
    if (low == high) {
        return pare_fail(chem->ctx, PARE_ERROR_INPUT, "%s: the target '%s' is %g everywhere",
                         chem->path, chem->options.target, low);
    }
    if (task == PARE_TASK_MULTICLASS || (task == PARE_TASK_BINARY && !two)) {
        return pare_fail(chem->ctx, PARE_ERROR_INPUT,
                         "%s: the target '%s' must be a number, or have exactly two values for "
                         "task binary",
                         chem->path, chem->options.target);
    }
    chem->binary = two && task != PARE_TASK_REGRESSION;
    chem->low_class = low;
    chem->high_class = high;
    for (int64_t i = 0; i < m->count; i++) {
        chem->target[i] = chem->binary ? (double)(m->target[i] == high) : m->target[i];
    }
    return PARE_OK;
}

static float cell(const pare_table *t, int64_t row, int64_t column) {
    return t->storage == PARE_STORAGE_U8 ? (float)t->u8[row * t->columns + column]
                                         : t->f32[row * t->columns + column];
}

/* Entries of the rows of the molecules: of a sparse table as they are, else what is not zero. */
static pare_status take_entries(struct pare_chem *chem, const pare_table *t) {
    const pare_molecules *m = &chem->molecules;
    const bool sparse = t->storage == PARE_STORAGE_CSR;
    int64_t used = 0;
    for (int64_t i = 0; i < m->count; i++) {
        for (int64_t j = 0; j < t->columns && !sparse; j++) {
            used += cell(t, m->row[i], j) != 0;
        }
        used += sparse ? t->start[m->row[i] + 1] - t->start[m->row[i]] : 0;
    }
    pare_status status = pare_alloc(chem->ctx, m->count + 1, sizeof *chem->start, &chem->start);
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, used, sizeof *chem->index, &chem->index);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, used, sizeof *chem->value, &chem->value);
    }
    used = 0;
    for (int64_t i = 0; i < m->count && status == PARE_OK; i++) {
        const int64_t row = m->row[i];
        int64_t k = sparse ? t->start[row] : 0, end = sparse ? t->start[row + 1] : t->columns;
        chem->start[i] = used;
        for (; k < end; k++) {
            float value = sparse ? t->value[k] : cell(t, row, k);
            if (!isfinite(value)) {
                return pare_fail(chem->ctx, PARE_ERROR_INPUT,
                                 "%s: row %lld has a value that is missing or infinite",
                                 chem->options.fingerprints, (long long)row + 1);
            }
            if (value != 0) {
                chem->index[used] = sparse ? t->index[k] : (int32_t)k;
                chem->value[used] = value;
                chem->column[chem->index[used++]].molecules++;
            }
        }
        chem->start[i + 1] = used;
    }
    return status;
}

static pare_status read_fingerprints(struct pare_chem *chem) {
    pare_table t = {0};
    pare_status status = pare_table_read(chem->ctx, chem->options.fingerprints, &chem->options, &t);
    if (status != PARE_OK) {
        return status;
    }
    if (t.rows != chem->molecules.rows) {
        status = pare_fail(chem->ctx, PARE_ERROR_INPUT, "%s: %lld rows for %lld molecules of %s",
                           chem->options.fingerprints, (long long)t.rows,
                           (long long)chem->molecules.rows, chem->path);
    }
    for (int64_t j = 0; j < t.columns && status == PARE_OK; j++) {
        if (t.column[j].levels > 0) {
            status = pare_fail(chem->ctx, PARE_ERROR_INPUT,
                               "%s: column '%s' is text; fingerprints are numbers",
                               chem->options.fingerprints, t.column[j].name);
        }
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(chem->ctx, t.columns, sizeof *chem->column, &chem->column);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(chem->ctx, t.columns, sizeof *chem->bit, &chem->bit);
    }
    chem->columns = status == PARE_OK ? t.columns : 0;
    for (int64_t j = 0; j < chem->columns && status == PARE_OK; j++) {
        chem->column[j] = (pare_chem_column){.kind = PARE_CHEM_FINGERPRINT, .of = j, .scale = 1};
        status = pare_text_copy(chem->ctx, t.column[j].name, (int64_t)strlen(t.column[j].name),
                                &chem->bit[j]);
    }
    if (status == PARE_OK) {
        status = take_entries(chem, &t);
    }
    pare_table_clear(&t);
    return status;
}

static pare_status read_all(struct pare_chem *chem, const char *path) {
    const pare_options *o = &chem->options;
    pare_status status = pare_text_copy(chem->ctx, path, (int64_t)strlen(path), &chem->path);
    chem->wanted = K_DEFAULT;
    if (status == PARE_OK && o->k[0] &&
        (!pare_parse_integer(o->k, &chem->wanted) || chem->wanted < 1)) {
        return pare_fail(chem->ctx, PARE_ERROR_ARGUMENT, "option k: '%s' is not a count", o->k);
    }
    if (status == PARE_OK && !o->target[0]) {
        return pare_fail(chem->ctx, PARE_ERROR_ARGUMENT,
                         "option target is missing: the column or tag to explain");
    }
    if (status == PARE_OK && !o->fingerprints[0]) {
        status = pare_toolkit_load(chem->ctx, o->toolkit, &chem->toolkit);
    }
    if (status == PARE_OK) {
        status = pare_molecules_read(chem->ctx, path, o->smiles, o->target, chem->toolkit,
                                     &chem->molecules);
    }
    const int64_t n = chem->molecules.count;
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, n, sizeof *chem->target, &chem->target);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(chem->ctx, n, sizeof *chem->held, &chem->held);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, n, sizeof *chem->predicted, &chem->predicted);
    }
    for (int64_t i = 0; i < n && status == PARE_OK; i++) {
        chem->predicted[i] = NAN;
    }
    if (status == PARE_OK) {
        status = read_target(chem);
    }
    if (status == PARE_OK) {
        status = chem->toolkit ? pare_chem_columns(chem) : read_fingerprints(chem);
    }
    return status;
}

pare_status pare_chem_read(pare_context *ctx, const char *path, const pare_options *options,
                           struct pare_chem **out) {
    struct pare_chem *chem = NULL;
    *out = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *chem, &chem);
    if (status != PARE_OK) {
        return status;
    }
    chem->ctx = ctx;
    status = pare_options_copy(options, &chem->options);
    if (status != PARE_OK) {
        pare_free(ctx, chem);
        return status;
    }
    status = read_all(chem, path);
    if (status != PARE_OK) {
        pare_chem_free(chem);
        return status;
    }
    *out = chem;
    return PARE_OK;
}
