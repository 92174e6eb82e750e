/* What candidates of a field model add to the logit, and what leaving one out costs. */
#include "model/field_private.h"

#include <math.h>

enum {
    ROWS = 16,                 /* of a block, whose losses share logarithms, at most */
    SPAN = PARE_FM_STRIDE_MAX, /* candidates of a block; a field has no more */
    PLACES = ROWS * SPAN
};
/* Below this slope of the loss, the network's share of it is not told from rounding. */
#define SLOPE_MIN 1e-7f

typedef struct block {
    const pare_field_model *model;
    const pare_fields *fields;
    const int64_t *row; /* of the block */
    int64_t first, count, chunks;
    const int64_t *width;
    double now[ROWS]; /* log losses */
    float without[PLACES], y[PLACES];
} block;

/* What the candidates of fields first .. first + count - 1 add to the logit of row i of the batch:
 * with masks `open` for the network, and `paired` for linear weight and products of vectors; both
 * (fields, stride). out: (count, chunks + 1). */
static void contributions(const pare_field_model *model, int64_t i, int64_t first, int64_t count,
                          const pare_fm_row *row, const float *open, const float *paired,
                          int64_t chunks, const int64_t *width, float *out) {
    int64_t stride = model->stride, at = first * stride;
    int64_t chunk = chunks > 0 ? width[0] : 1, places = chunks > 0 ? model->spec.dimension : 0;
    const pare_fm fm = {count, stride, model->mask + at, model->table, places};
    const pare_fm_row cell = {row->index + first, row->value ? row->value + first : NULL};
    if (pare_field_spec_linear(&model->spec)) {
        model->ctx->kernels->fm_terms(&fm, &cell, model->sums + i * stride, paired + at, chunk,
                                      out);
    } else {
        memset(out, 0, (size_t)(count * (chunks + 1)) * sizeof *out);
    }
    if (!model->tower) {
        return;
    }
    float slope = model->slope[i], by_logit = fabsf(slope) > SLOPE_MIN ? 1 / slope : 0;
    for (int64_t f = 0; f < count; f++) {
        const float *d = model->d_input + i * model->width + (first + f) * model->spec.dimension;
        const float *mask = open + at + f * stride + PARE_FM_HEAD;
        const float *v = model->table + cell.index[f] * stride + PARE_FM_HEAD;
        float x = cell.value ? cell.value[f] : 1;
        for (int64_t c = 0, p = 0; c < chunks && cell.index[f] >= 0; c++) {
            float total = 0;
            for (int64_t end = p + width[c]; p < end; p++) {
                total += mask[p] * v[p] * d[p];
            }
            out[f * (chunks + 1) + c + 1] += x * by_logit * total;
        }
    }
}

/* Forward pass of the batch, of a network its slopes too; the logit with the network's part. */
static void prepare(pare_field_model *model, const pare_fields *fields, int64_t count,
                    const int64_t *row) {
    if (!model->tower) {
        pare_field_forward(model, fields, count, row);
        return;
    }
    int64_t stride = 0;
    (void)pare_field_batch_slopes(model, fields, count, row);
    const float *y = pare_graph_output(model->tower, &stride);
    for (int64_t i = 0; i < count; i++) {
        model->logit[i] += y[i * stride];
    }
}

void pare_field_model_terms(pare_field_model *model, const pare_fields *fields, int64_t count,
                            const int64_t *row, const float *open, float shared, int64_t chunks,
                            const int64_t *width, float *out) {
    float *paired = model->extra; /* free between batches */
    int64_t candidates = model->fields * (chunks + 1);
    for (int64_t k = 0; k < model->fields * model->stride; k++) {
        bool both = k % model->stride > 0 && model->mask[k] != 0;
        paired[k] = (both ? shared : 1) * open[k];
    }
    prepare(model, fields, count, row);
    for (int64_t i = 0; i < count; i++) {
        pare_fm_row data = pare_field_row_of(fields, row[i]);
        contributions(model, i, 0, model->fields, &data, open, paired, chunks, width,
                      out + i * candidates);
    }
    /* Training fills the places of vectors only. */
    memset(paired, 0, (size_t)(model->fields * model->stride) * sizeof *paired);
}

/* log(1 + exp(-m)) of margin m is max(-m, 0) + log(1 + exp(-|m|)); the logarithms of a block are
 * one of the product of its 1 + exp(-|m|), each in (1, 2]. */
static void add_fields(block *b, int64_t first, int64_t fields, double *out) {
    const pare_field_model *model = b->model;
    int64_t candidates = fields * (b->chunks + 1);
    double factor[SPAN];
    for (int64_t i = 0; i < b->count; i++) {
        pare_fm_row data = pare_field_row_of(b->fields, b->row[i]);
        float *without = b->without + i * candidates, *y = b->y + i * candidates;
        float z = model->logit[b->first + i], sign = b->fields->label[b->row[i]] > 0 ? 1 : -1;
        contributions(model, b->first + i, first, fields, &data, model->mask, model->mask,
                      b->chunks, b->width, without);
        for (int64_t c = 0; c < candidates; c++) {
            without[c] = sign * (z - without[c]);
            y[c] = -fabsf(without[c]);
        }
    }
    model->ctx->kernels->exponential(b->count * candidates, b->y, b->y);
    for (int64_t c = 0; c < candidates; c++) {
        factor[c] = 1;
    }
    for (int64_t i = 0; i < b->count; i++) {
        for (int64_t c = 0; c < candidates; c++) {
            out[c] += (double)fmaxf(-b->without[i * candidates + c], 0) - b->now[i];
            factor[c] *= 1 + (double)b->y[i * candidates + c];
        }
    }
    for (int64_t c = 0; c < candidates; c++) {
        out[c] += log(factor[c]);
    }
}

void pare_field_model_removals(pare_field_model *model, const pare_fields *fields, int64_t count,
                               const int64_t *row, int64_t chunks, const int64_t *width,
                               double *out) {
    block b; /* its buffers are not cleared */
    b.model = model;
    b.fields = fields;
    b.chunks = chunks;
    b.width = width;
    prepare(model, fields, count, row);
    int64_t most = SPAN / (chunks + 1); /* fields */
    for (b.first = 0; b.first < count; b.first += ROWS) {
        b.count = count - b.first < ROWS ? count - b.first : ROWS;
        b.row = row + b.first;
        for (int64_t i = 0; i < b.count; i++) {
            double z = (double)model->logit[b.first + i];
            z = fields->label[b.row[i]] > 0 ? -z : z;
            b.now[i] = fmax(z, 0) + log1p(exp(-fabs(z)));
        }
        for (int64_t f = 0; f < model->fields; f += most) {
            int64_t left = model->fields - f;
            add_fields(&b, f, left < most ? left : most, out + f * (chunks + 1));
        }
    }
}
