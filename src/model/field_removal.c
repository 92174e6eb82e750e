/* What leaving out a candidate of a field model costs. */
#include "model/field_private.h"

#include <math.h>

enum { REMOVALS_MAX = PARE_FM_STRIDE_MAX }; /* candidates of a field */
/* Below this slope of the loss, the network's share of it is not told from rounding. */
#define SLOPE_MIN 1e-7f

/* What the candidates of a field add to the logit of a row. slope: d loss / d logit. */
static void contributions(const pare_field_model *model, const pare_fm_row *row, int64_t field,
                          const float *sum, const float *extra, float slope, int64_t chunks,
                          const int64_t *width, float *out) {
    const float *mask = model->mask + field * model->stride;
    const float *v = model->table + row->index[field] * model->stride;
    float x = row->value ? row->value[field] : 1;
    bool linear = pare_field_spec_linear(&model->spec);
    float by_logit = fabsf(slope) > SLOPE_MIN ? 1 / slope : 0;
    int64_t place = PARE_FM_HEAD;
    out[0] = x * mask[0] * v[0];
    for (int64_t c = 0; c < chunks; c++) {
        float total = 0;
        for (int64_t j = 0; j < width[c]; j++, place++) {
            float e = x * mask[place] * v[place];
            float network = extra ? by_logit * extra[field * model->stride + place] : 0;
            total += e * ((linear ? sum[place] - e : 0) + network);
        }
        out[c + 1] = total;
    }
}

/* out[i] += log loss at logit z - without[i] minus that at z; signed so that the label is 1. */
static void add_losses(const pare_kernels *kernels, int64_t count, float z, float label,
                       const float *without, double *out) {
    float y[REMOVALS_MAX], sign = label > 0 ? 1 : -1;
    float now = fmaxf(-sign * z, 0) + log1pf(expf(-fabsf(z)));
    for (int64_t i = 0; i < count; i++) {
        y[i] = -fabsf(z - without[i]);
    }
    kernels->exponential(count, y, y);
    for (int64_t i = 0; i < count; i++) {
        float margin = sign * (z - without[i]);
        out[i] += (double)(fmaxf(-margin, 0) + log1pf(y[i]) - now);
    }
}

void pare_field_model_removals(pare_field_model *model, const pare_fields *fields, int64_t count,
                               const int64_t *row, int64_t chunks, const int64_t *width,
                               double *out) {
    float without[REMOVALS_MAX];
    (void)pare_field_batch_slopes(model, fields, count, row);
    if (model->tower) {
        int64_t stride = 0;
        const float *y = pare_graph_output(model->tower, &stride);
        for (int64_t i = 0; i < count; i++) {
            model->logit[i] += y[i * stride];
        }
    }
    for (int64_t i = 0; i < count; i++) {
        pare_fm_row data = pare_field_row_of(fields, row[i]);
        const float *extra = pare_field_extra_of(model, i, 1);
        for (int64_t f = 0; f < model->fields; f++) {
            if (data.index[f] >= 0) {
                contributions(model, &data, f, model->sums + i * model->stride, extra,
                              model->slope[i], chunks, width, without);
                add_losses(model->ctx->kernels, chunks + 1, model->logit[i], fields->label[row[i]],
                           without, out + f * (chunks + 1));
            }
        }
    }
}
