/* The exact linear models as an objective. */
#include "problem/linear.h"

#include "base/text.h"
#include "data/store.h"
#include "problem/defaults.h"

#include <math.h>
#include <string.h>

enum {
    WANTED_UNKNOWN = 64,   /* candidates that will be selected, where options do not say */
    SUPPORT_COLUMNS = 256, /* room made at the start at most */
    FILE_FACTOR = 3
};

int64_t pare_data_bytes(const pare_dataset *data) {
    const pare_table *table = &data->table;
    switch (table->storage) {
    case PARE_STORAGE_U8:
        return table->rows * table->columns;
    case PARE_STORAGE_CSR:
        return table->start[table->rows] * (int64_t)(sizeof(float) + sizeof(int32_t));
    case PARE_STORAGE_FILE: /* what its columns and products may take, times their shares */
        return FILE_FACTOR * pare_store_memory(table->stream);
    case PARE_STORAGE_F32:
        break;
    }
    return table->rows * table->columns * (int64_t)sizeof(float);
}

static void linear_destroy(void *self) {
    pare_linear *l = self;
    if (!l) {
        return;
    }
    pare_context *ctx = l->ctx;
    pare_lasso_destroy(l->lasso);
    pare_least_squares_destroy(l);
    pare_logistic_destroy(l);
    pare_support_clear(l);
    pare_blocks_clear(l);
    pare_design_destroy(&l->design);
    pare_free(ctx, l->norm);
    pare_free(ctx, l->mean);
    pare_free(ctx, l->b);
    pare_free(ctx, l->intercept);
    pare_free(ctx, l->residual);
    pare_free(ctx, l->product);
    pare_free(ctx, l);
}

/* ---- Fit ------------------------------------------------------------------------------------ */

static pare_status linear_fit(void *self, int64_t count, const int64_t *selected) {
    pare_linear *l = self;
    bool same = l->fitted.rows > 0 && count == l->support.candidates;
    for (int64_t c = 0; same && c < count; c++) {
        same = l->support.candidate[c] == selected[c];
    }
    if (same) {
        return PARE_OK;
    }
    l->fitted.rows = 0;
    pare_status status = pare_support_set(l, count, selected);
    if (status == PARE_OK) {
        status = l->logistic ? pare_logistic_fit(l, -1) : pare_least_squares_fit(l);
    }
    if (status == PARE_OK) {
        l->fitted.rows = l->design.rows;
    }
    return status;
}

static pare_status linear_norms(void *self, float *norm) {
    pare_linear *l = self;
    memset(norm, 0, (size_t)l->design.candidates * sizeof *norm);
    int64_t at = 0;
    for (int64_t c = 0; c < l->support.candidates; c++) {
        int64_t candidate = l->support.candidate[c];
        int64_t cells = (l->design.start[candidate + 1] - l->design.start[candidate]) * l->outputs;
        double sum = 0;
        for (int64_t q = 0; q < cells; q++) {
            sum += l->b[at + q] * l->b[at + q];
        }
        norm[candidate] = (float)sqrt(sum);
        at += cells;
    }
    return PARE_OK;
}

static pare_status linear_losses(void *self, int64_t count, const int64_t *selected, double *loss) {
    pare_linear *l = self;
    pare_status status = linear_fit(l, count, selected);
    if (status != PARE_OK || !l->logistic) {
        return status == PARE_OK ? pare_least_squares_losses(l, loss) : status;
    }
    double whole = l->fitted.loss;
    int64_t cells = l->support.count * l->outputs;
    double *kept = NULL;
    status = pare_alloc(l->ctx, cells + l->outputs, sizeof *kept, &kept);
    for (int64_t c = 0; status == PARE_OK && c <= count; c++) {
        /* Every refit starts from the coefficients of all; the last one is of all again. */
        if (c == 0) {
            memcpy(kept, l->b, (size_t)cells * sizeof *kept);
            memcpy(kept + cells, l->intercept, (size_t)l->outputs * sizeof *kept);
        } else {
            memcpy(l->b, kept, (size_t)cells * sizeof *kept);
            memcpy(l->intercept, kept + cells, (size_t)l->outputs * sizeof *kept);
        }
        status = pare_logistic_fit(l, c < count ? selected[c] : -1);
        if (status == PARE_OK && c < count) {
            loss[c] = l->fitted.loss - whole;
        }
    }
    pare_free(l->ctx, kept);
    return status;
}

/* ---- Penalties ------------------------------------------------------------------------------ */

static pare_status linear_penalise(void *self, const double *lambda, double *norm, double *slope) {
    pare_linear *l = self;
    if (!l->lasso) {
        pare_status status = pare_lasso_create(l->ctx, &l->design, l->outputs,
                                               pare_least_squares_response(l), l->ridge, &l->lasso);
        if (status != PARE_OK) {
            return status;
        }
    }
    return pare_lasso_solve(l->lasso, lambda, norm, slope);
}

/* ---- Making ---------------------------------------------------------------------------------- */

static pare_status linear_gains(void *self, int64_t count, const int64_t *selected, double *gain) {
    pare_status status = linear_fit(self, count, selected);
    return status == PARE_OK ? pare_linear_gains(self, gain) : status;
}

static pare_status linear_resolve(void *self, const uint8_t *open, int64_t wanted, double *gain) {
    return pare_linear_resolve(self, open, wanted, gain);
}

static pare_status linear_evaluate(void *self, const float *mask, pare_rows rows,
                                   pare_metrics *out) {
    return pare_linear_evaluate(self, mask, rows, out);
}

static pare_status linear_gained(void *self, int64_t from, double *gain) {
    return pare_least_squares_gained(self, from, gain);
}

static pare_status linear_visit(void *self, const pare_visitor *visitor) {
    return pare_linear_visit(self, visitor);
}

static const pare_objective_slots squares_slots = {
    .evaluate = linear_evaluate,
    .gains = linear_gains,
    .resolve = linear_resolve,
    .fit = linear_fit,
    .norms = linear_norms,
    .penalise = linear_penalise,
    .losses = linear_losses,
    .gained = linear_gained,
    .visit = linear_visit,
    .destroy = linear_destroy,
};

static const pare_objective_slots logistic_slots = {
    .evaluate = linear_evaluate,
    .gains = linear_gains,
    .resolve = linear_resolve,
    .fit = linear_fit,
    .norms = linear_norms,
    .losses = linear_losses,
    .visit = linear_visit,
    .destroy = linear_destroy,
};

/* Weighted means and centred squares of the columns, from the sums of the design. */
static pare_status centre(pare_linear *l) {
    const pare_design *design = &l->design;
    pare_status status = pare_alloc(l->ctx, design->columns, sizeof *l->norm, &l->norm);
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, design->columns, sizeof *l->mean, &l->mean);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < design->rows; i++) {
        l->total += design->weight ? design->weight[i] : 1;
    }
    if (!(l->total > 0)) {
        return pare_fail(l->ctx, PARE_ERROR_INPUT, "%s: the weights of the training rows are all 0",
                         l->train->table.source ? l->train->table.source : "data");
    }
    for (int64_t j = 0; j < design->columns; j++) {
        double mean = design->sum[j] / l->total;
        double norm = design->square[j] - l->total * mean * mean;
        l->mean[j] = mean;
        l->norm[j] = norm > 1e-12 * design->square[j] ? norm : 0;
    }
    return PARE_OK;
}

static pare_status reserve(pare_linear *l) {
    int64_t rows = 0, columns = 0;
    if (!pare_checked_multiply(l->outputs, l->design.rows, &rows) ||
        !pare_checked_multiply(l->outputs, l->design.columns, &columns)) {
        return pare_fail(l->ctx, PARE_ERROR_MEMORY, "out of memory: %lld outputs",
                         (long long)l->outputs);
    }
    pare_status status = pare_alloc_zero(l->ctx, l->outputs, sizeof *l->intercept, &l->intercept);
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, rows, sizeof *l->residual, &l->residual);
    }
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, columns, sizeof *l->product, &l->product);
    }
    if (status == PARE_OK) {
        int64_t features =
            l->design.columns / (l->design.candidates > 0 ? l->design.candidates : 1);
        int64_t room = l->wanted * (features > 1 ? features : 1);
        status = pare_support_create(l, room < SUPPORT_COLUMNS ? room : SUPPORT_COLUMNS);
    }
    return status;
}

pare_status pare_exact_linear_create(pare_dataset *train, const pare_dataset *valid,
                                     const pare_dataset *test, const pare_options *options,
                                     bool least_squares, pare_objective *out) {
    *out = (pare_objective){0};
    pare_linear *l = NULL;
    pare_status status = pare_alloc_zero(train->ctx, 1, sizeof *l, &l);
    if (status != PARE_OK) {
        return status;
    }
    l->ctx = train->ctx;
    l->train = train;
    l->classes = train->label && !least_squares;
    l->outputs = !train->label ? train->outputs : train->classes > 2 ? train->classes : 1;
    l->curvature = !l->classes ? 1 : l->outputs == 1 ? 4 : 2;
    l->ridge = pare_default_ridge(options, l->classes);
    if (!pare_parse_integer(options->k, &l->wanted) || l->wanted < 1) {
        l->wanted = WANTED_UNKNOWN;
    }
    l->wanted = l->wanted < train->candidates ? l->wanted : train->candidates;
    l->part[PARE_ROWS_TRAIN] = (pare_part_rows){train, train->train, train->train_count};
    l->part[PARE_ROWS_VALIDATION] =
        valid ? (pare_part_rows){valid, valid->validation, valid->validation_count}
              : (pare_part_rows){train, train->validation, train->validation_count};
    if (test) {
        l->part[PARE_ROWS_TEST] = (pare_part_rows){test, test->validation, test->validation_count};
    }
    status = pare_null_score(l->train, l->part[PARE_ROWS_VALIDATION].data,
                             l->part[PARE_ROWS_VALIDATION].count, l->part[PARE_ROWS_VALIDATION].row,
                             &l->null_score);
    if (status == PARE_OK) {
        status = pare_design_create(train, &l->design);
    }
    if (status == PARE_OK) {
        status = centre(l);
    }
    if (status == PARE_OK) {
        status = reserve(l);
    }
    if (status == PARE_OK) {
        status = pare_blocks_create(l);
    }
    if (status == PARE_OK) {
        status = l->classes ? pare_logistic_create(l) : pare_least_squares_create(l);
    }
    if (status != PARE_OK) {
        linear_destroy(l);
        return status;
    }
    l->fitted = (pare_metrics){.score_error = NAN, .null_score = l->null_score};
    *out = (pare_objective){
        .slots = l->classes ? &logistic_slots : &squares_slots,
        .self = l,
        .count = train->candidates,
        .start = train->candidate_start,
        .gain_kind = PARE_GAIN_EXACT,
        .name = l->classes ? "exact logistic" : "exact linear",
    };
    return PARE_OK;
}
