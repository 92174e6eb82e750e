/* What candidates of a field model add to the logit, and what leaving one out costs. */
#include "model/field_private.h"

#include <math.h>

enum {
    REMOVALS_MAX = PARE_FM_STRIDE_MAX, /* candidates of a field */
    ROWS = 64,                         /* of a block, whose losses share logarithms, at most */
    PLACES = 4096                      /* rows times candidates of one */
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

/* What the candidates of the field add to the logit of row i of the batch: with masks `open` for
 * the linear weight and the network, and `paired` for products of vectors; both (fields, stride).
 */
static void contributions(const pare_field_model *model, int64_t i, int64_t field,
                          const pare_fm_row *row, const float *open, const float *paired,
                          int64_t chunks, const int64_t *width, float *out) {
    const float *mask = model->mask + field * model->stride;
    const float *v = model->table + row->index[field] * model->stride;
    const float *sum = model->sums + i * model->stride;
    float each[PARE_FM_STRIDE_MAX];
    float x = row->value ? row->value[field] : 1, slope = model->slope[i];
    bool linear = pare_field_spec_linear(&model->spec);
    open += field * model->stride;
    paired += field * model->stride;
    for (int64_t line = 0; line < model->stride; line += PARE_FM_LINE) {
        for (int64_t p = 0; p < PARE_FM_LINE; p++) { /* a count that compilers turn to vectors */
            float e = x * v[line + p];
            each[line + p] = paired[line + p] * e * (sum[line + p] - mask[line + p] * e);
        }
    }
    if (model->tower) {
        const float *d =
            model->d_input + i * model->width + field * model->spec.dimension - PARE_FM_HEAD;
        float by_logit = fabsf(slope) > SLOPE_MIN ? x / slope : 0;
        for (int64_t p = PARE_FM_HEAD; p < PARE_FM_HEAD + model->spec.dimension; p++) {
            each[p] = (linear ? each[p] : 0) + open[p] * v[p] * by_logit * d[p];
        }
    }
    out[0] = linear ? x * open[0] * v[0] : 0;
    for (int64_t c = 0, place = PARE_FM_HEAD; c < chunks; c++) {
        float total = 0;
        for (int64_t end = place + width[c]; place < end; place++) {
            total += each[place];
        }
        out[c + 1] = total;
    }
}

/* Forward pass and slopes of the batch; the logit with the network's part. */
static void prepare(pare_field_model *model, const pare_fields *fields, int64_t count,
                    const int64_t *row) {
    (void)pare_field_batch_slopes(model, fields, count, row);
    if (model->tower) {
        int64_t stride = 0;
        const float *y = pare_graph_output(model->tower, &stride);
        for (int64_t i = 0; i < count; i++) {
            model->logit[i] += y[i * stride];
        }
    }
}

void pare_field_model_terms(pare_field_model *model, const pare_fields *fields, int64_t count,
                            const int64_t *row, const float *open, int64_t chunks,
                            const int64_t *width, float *out) {
    float *paired = model->extra; /* free between batches */
    for (int64_t k = 0; k < model->fields * model->stride; k++) {
        paired[k] = (model->mask[k] != 0 ? 0.5f : 1) * open[k];
    }
    prepare(model, fields, count, row);
    for (int64_t i = 0; i < count; i++) {
        pare_fm_row data = pare_field_row_of(fields, row[i]);
        for (int64_t f = 0; f < model->fields; f++, out += chunks + 1) {
            if (data.index[f] >= 0) {
                contributions(model, i, f, &data, open, paired, chunks, width, out);
            } else {
                memset(out, 0, (size_t)(chunks + 1) * sizeof *out);
            }
        }
    }
}

/* log(1 + exp(-m)) of margin m is max(-m, 0) + log(1 + exp(-|m|)); the logarithms of a block are
 * one of the product of its 1 + exp(-|m|), each in (1, 2]. */
static void add_field(block *b, int64_t field, double *out) {
    const pare_field_model *model = b->model;
    double factor[REMOVALS_MAX];
    int64_t used = 0, at[ROWS], candidates = b->chunks + 1;
    for (int64_t i = 0; i < b->count; i++) {
        pare_fm_row data = pare_field_row_of(b->fields, b->row[i]);
        if (data.index[field] >= 0) {
            contributions(model, b->first + i, field, &data, model->mask, model->mask, b->chunks,
                          b->width, b->without + used * candidates);
            at[used++] = i;
        }
    }
    for (int64_t k = 0; k < used; k++) {
        float z = model->logit[b->first + at[k]];
        float sign = b->fields->label[b->row[at[k]]] > 0 ? 1 : -1;
        for (int64_t c = k * candidates; c < (k + 1) * candidates; c++) {
            b->without[c] = sign * (z - b->without[c]);
            b->y[c] = -fabsf(b->without[c]);
        }
    }
    model->ctx->kernels->exponential(used * candidates, b->y, b->y);
    for (int64_t c = 0; c < candidates; c++) {
        factor[c] = 1;
    }
    for (int64_t k = 0; k < used; k++) {
        for (int64_t c = 0; c < candidates; c++) {
            out[c] += (double)fmaxf(-b->without[k * candidates + c], 0) - b->now[at[k]];
            factor[c] *= 1 + (double)b->y[k * candidates + c];
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
    int64_t most = PLACES / (chunks + 1) < ROWS ? PLACES / (chunks + 1) : ROWS;
    for (b.first = 0; b.first < count; b.first += most) {
        b.count = count - b.first < most ? count - b.first : most;
        b.row = row + b.first;
        for (int64_t i = 0; i < b.count; i++) {
            double z = (double)model->logit[b.first + i];
            z = fields->label[b.row[i]] > 0 ? -z : z;
            b.now[i] = fmax(z, 0) + log1p(exp(-fabs(z)));
        }
        for (int64_t f = 0; f < model->fields; f++) {
            add_field(&b, f, out + f * (chunks + 1));
        }
    }
}
