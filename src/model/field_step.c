/* Steps of the tables by gradients of a batch: AdaGrad, sparse Adam, dense Adam. */
#include "model/field_private.h"

#include <math.h>

/* Rows of the table that the batch looks up, each once, in the order of their first look-up. */
static void find_touched(pare_field_model *model, const pare_fields *fields, int64_t count,
                         const int64_t *row) {
    model->touched = 0;
    for (int64_t i = 0; i < count; i++) {
        const int32_t *index = fields->cell + row[i] * fields->count;
        for (int64_t f = 0; f < model->fields; f++) {
            if (index[f] >= 0 && model->look_ups[index[f]]++ == 0) {
                model->touched_row[model->touched++] = index[f];
            }
        }
    }
}

/* g' = g + decay w;  s = s + g'^2;  w = w - rate g' / sqrt(s), float by float. */
static void adagrad(int64_t n, float rate, float decay, float factor, const float *g, float *w,
                    float *s) {
    for (int64_t l = 0; l < n; l++) {
        float d = factor * g[l] + decay * w[l];
        s[l] += d * d;
        w[l] -= rate / sqrtf(s[l]) * d;
    }
}

/* Kingma and Ba 2015, section 2; both bias corrections folded into rate and epsilon. */
static pare_adam adam_of(const pare_field_model *model) {
    double steps = (double)model->steps + 1, root = sqrt(1 - pow(0.999, steps));
    double rate = (double)model->factor * (double)model->spec.rate;
    return (pare_adam){.rate = (float)(rate * root / (1 - pow(0.9, steps))),
                       .beta1 = 0.9f,
                       .beta2 = 0.999f,
                       .epsilon = (float)(1e-8 * root),
                       .shrink = 1};
}

/* The loss of a data row holds the penalty of the rows it looks up: a table row's gradient that of
 * all its look-ups. AdaGrad sums over the batch, Adam takes the mean. */
static void step_rows(pare_field_model *model, const pare_fields *fields, int64_t count,
                      const int64_t *row) {
    const pare_field_spec *spec = &model->spec;
    int64_t stride = model->stride;
    float each = (float)count;
    pare_adam step = adam_of(model);
    find_touched(model, fields, count, row);
    for (int64_t k = 0; k < model->touched; k++) {
        int64_t r = model->touched_row[k], at = r * stride;
        float decay = spec->decay * (float)model->look_ups[r];
        if (spec->optimizer == PARE_FIELD_ADAGRAD) {
            adagrad(stride, spec->rate, decay, each, model->gradient + at, model->table + at,
                    model->first + at);
        } else {
            step.decay = decay / each;
            model->ctx->kernels->adam(stride, &step, model->gradient + at, model->table + at,
                                      model->first + at, model->second + at);
        }
        memset(model->gradient + at, 0, (size_t)stride * sizeof *model->gradient);
        model->look_ups[r] = 0;
    }
}

static double square_of(int64_t n, const float *g, const float *w, float decay) {
    double square = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)g[i] + (w ? (double)decay * (double)w[i] : 0);
        square += d * d;
    }
    return square;
}

static void scale(int64_t n, float factor, float *g) {
    for (int64_t i = 0; i < n; i++) {
        g[i] *= factor;
    }
}

/* Brings the norm of the whole gradient, penalty and networks included, down to clip; returns the
 * factor. */
static float clip(pare_field_model *model, float bias) {
    int64_t cells = model->joint * model->stride;
    int64_t tower = model->tower ? pare_graph_parameters(model->tower) : 0;
    int64_t cross = model->cross ? model->cross->count : 0;
    float *d_tower = model->tower ? pare_graph_gradient(model->tower) : NULL;
    float *d_cross = model->cross ? model->cross->gradient : NULL;
    double most = (double)model->spec.clip, norm = (double)bias * (double)bias;
    norm += square_of(cells, model->gradient, model->table, model->spec.decay);
    norm = sqrt(norm + square_of(tower, d_tower, NULL, 0) + square_of(cross, d_cross, NULL, 0));
    if (!(most > 0 && norm > most)) {
        return 1;
    }
    float factor = (float)(most / norm);
    scale(cells, factor, model->gradient);
    scale(tower, factor, d_tower);
    scale(cross, factor, d_cross);
    return factor;
}

/* Returns the factor of clipping. */
static float step_dense(pare_field_model *model, float bias) {
    int64_t cells = model->joint * model->stride;
    pare_adam step = adam_of(model);
    float factor = clip(model, bias);
    step.decay = factor * model->spec.decay;
    model->ctx->kernels->adam(cells, &step, model->gradient, model->table, model->first,
                              model->second);
    memset(model->gradient, 0, (size_t)cells * sizeof *model->gradient);
    return factor;
}

static void step_bias(pare_field_model *model, float gradient) {
    if (model->spec.optimizer == PARE_FIELD_ADAGRAD) {
        model->bias_sum += gradient * gradient;
        model->bias -= model->spec.rate / sqrtf(model->bias_sum) * gradient;
    } else {
        pare_adam step = adam_of(model);
        model->ctx->kernels->adam(1, &step, &gradient, &model->bias, &model->bias_first,
                                  &model->bias_second);
    }
}

void pare_field_step(pare_field_model *model, const pare_fields *fields, int64_t count,
                     const int64_t *row) {
    float bias = 0;
    for (int64_t i = 0; i < count && !model->tower; i++) {
        bias += model->slope[i];
    }
    if (model->spec.optimizer == PARE_FIELD_DENSE_ADAM) {
        bias *= step_dense(model, bias);
    } else {
        step_rows(model, fields, count, row);
    }
    if (!model->tower) {
        step_bias(model, bias);
    }
}
