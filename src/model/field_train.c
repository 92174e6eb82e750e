/* Training of field models: row by row, or in batches. */
#include "base/random.h"
#include "model/field_private.h"

#include <math.h>

enum { SETTLE_STEPS = 64 };

/* log(1 + exp(z)) - y z, and its slope: the part that is no logarithm, and the factor (1, 2] whose
 * logarithm is the rest. */
static double log_loss_parts(float z, float label, float *slope, double *factor) {
    double small = exp(-fabs((double)z)), p = 1 / (1 + small);
    *slope = (float)(z < 0 ? small * p : p) - label;
    *factor *= 1 + small;
    return fmax((double)z, 0) - (double)label * (double)z;
}

static double log_loss(float z, float label, float *slope) {
    double factor = 1, rest = log_loss_parts(z, label, slope, &factor);
    return rest + log(factor);
}

/* LR and FM, row by row. */
static double train_online(pare_field_model *model, const pare_fields *fields, int64_t count,
                           const int64_t *row, float *d_mask) {
    const pare_fm fm = pare_field_machine_of(model);
    const pare_kernels *kernels = model->ctx->kernels;
    int64_t dimension = model->spec.dimension;
    const pare_adagrad step = {model->spec.rate, model->spec.decay,
                               1.0f / (float)(dimension > 0 ? dimension : 1)};
    double loss = 0, factor = 1; /* one logarithm for many rows */
    float *sum = model->sums, slope = 0;
    for (int64_t i = 0; i < count; i++) {
        pare_field_look_ahead(model, fields, count, row, i);
        pare_fm_row data = pare_field_row_of(fields, row[i]);
        float z = model->bias + kernels->fm_forward(&fm, &data, sum);
        loss += log_loss_parts(z, fields->label[row[i]], &slope, &factor);
        if (factor > 0x1p512) {
            loss += log(factor);
            factor = 1;
        }
        if (d_mask) {
            kernels->fm_slopes(&fm, &data, sum, slope, NULL, NULL, d_mask);
        }
        kernels->fm_update(&fm, &data, sum, slope, NULL, &step);
        model->bias_sum += slope * slope;
        model->bias -= step.rate / sqrtf(model->bias_sum) * slope;
    }
    return loss + log(factor);
}

double pare_field_batch_slopes(pare_field_model *model, const pare_fields *fields, int64_t count,
                               const int64_t *row) {
    pare_field_forward(model, fields, count, row);
    if (!model->tower) {
        double loss = 0;
        for (int64_t i = 0; i < count; i++) {
            loss += log_loss(model->logit[i], fields->label[row[i]], &model->slope[i]);
            model->slope[i] /= (float)count;
        }
        return loss;
    }
    for (int64_t i = 0; i < count; i++) {
        model->label[i] = fields->label[row[i]] > 0;
    }
    pare_input input = {.rows = count, .dense = model->input};
    pare_target target = {.label = model->label, .offset = model->logit};
    double loss =
        pare_graph_train(model->tower, &input, &target, NULL, model->steps, NULL) * (double)count;
    int64_t stride = 0;
    const float *d = pare_graph_output_gradient(model->tower, &stride);
    for (int64_t i = 0; i < count; i++) {
        model->slope[i] = d[i * stride];
    }
    pare_graph_input_gradient(model->tower, count, model->d_input);
    if (model->cross) {
        pare_cross_net_backward(model->cross, count, model->input, model->slope, model->d_input);
    }
    return loss;
}

const float *pare_field_extra_of(pare_field_model *model, int64_t i, float factor) {
    if (!model->tower) {
        return NULL;
    }
    int64_t dimension = model->spec.dimension;
    for (int64_t f = 0; f < model->fields; f++) {
        const float *from = model->d_input + i * model->width + f * dimension;
        float *to = model->extra + f * model->stride + PARE_FM_HEAD;
        for (int64_t j = 0; j < dimension; j++) {
            to[j] = factor * from[j];
        }
    }
    return model->extra;
}

/* d loss / d logit of row i, for the linear weights and pairs if the model has them. */
static float wide_slope(const pare_field_model *model, int64_t i) {
    return pare_field_spec_linear(&model->spec) ? model->slope[i] : 0;
}

/* Adds `factor` times the gradients of the mean loss. */
static void add_slopes(pare_field_model *model, const pare_fields *fields, int64_t count,
                       const int64_t *row, float factor, float *gradient, float *d_mask) {
    const pare_fm fm = pare_field_machine_of(model);
    for (int64_t i = 0; i < count; i++) {
        pare_fm_row data = pare_field_row_of(fields, row[i]);
        model->ctx->kernels->fm_slopes(&fm, &data, model->sums + i * model->stride,
                                       factor * wide_slope(model, i),
                                       pare_field_extra_of(model, i, factor), gradient, d_mask);
    }
}

double pare_field_model_slopes(pare_field_model *model, const pare_fields *fields, int64_t count,
                               const int64_t *row, float *gradient, float *d_mask) {
    double loss = pare_field_batch_slopes(model, fields, count, row);
    add_slopes(model, fields, count, row, 1, gradient, d_mask);
    return loss;
}

/* Row-wise AdaGrad takes the rows' own slopes, not those of the mean, so that its rate does not
 * depend on the batch; and a step for each look-up. */
static void update_rows(pare_field_model *model, const pare_fields *fields, int64_t count,
                        const int64_t *row, float *d_mask) {
    const pare_fm fm = pare_field_machine_of(model);
    const pare_kernels *kernels = model->ctx->kernels;
    const pare_adagrad step = {model->spec.rate, model->spec.decay,
                               1.0f /
                                   (float)(model->spec.dimension > 0 ? model->spec.dimension : 1)};
    float each = (float)count;
    for (int64_t i = 0; i < count; i++) {
        pare_field_look_ahead(model, fields, count, row, i);
        pare_fm_row data = pare_field_row_of(fields, row[i]);
        const float *sum = model->sums + i * model->stride,
                    *extra = pare_field_extra_of(model, i, each);
        float slope = each * wide_slope(model, i);
        if (d_mask) {
            kernels->fm_slopes(&fm, &data, sum, slope, extra, NULL, d_mask);
        }
        kernels->fm_update(&fm, &data, sum, slope, extra, &step);
    }
}

/* All rows see the same parameters. */
static double train_batch(pare_field_model *model, const pare_fields *fields, int64_t count,
                          const int64_t *row, float *d_mask) {
    double loss = pare_field_batch_slopes(model, fields, count, row);
    if (model->spec.optimizer == PARE_FIELD_ROW_ADAGRAD) {
        update_rows(model, fields, count, row, d_mask);
    } else {
        if (d_mask) {
            add_slopes(model, fields, count, row, (float)count, NULL, d_mask);
        }
        add_slopes(model, fields, count, row, 1, model->gradient, NULL);
        pare_field_step(model, fields, count, row);
    }
    float rate = model->factor * model->spec.tower_rate;
    if (model->tower) {
        pare_optimizer_step(&model->optimizer, rate, pare_graph_gradient(model->tower),
                            pare_graph_parameter(model->tower));
    }
    if (model->cross) {
        pare_optimizer_step(&model->cross_optimizer, rate, model->cross->gradient,
                            model->cross->parameter);
    }
    model->steps++;
    return loss;
}

double pare_field_model_train(pare_field_model *model, const pare_fields *fields, int64_t count,
                              const int64_t *row, float *d_mask) {
    if (model->tower || model->spec.optimizer >= PARE_FIELD_ADAM) {
        return train_batch(model, fields, count, row, d_mask);
    }
    if (model->spec.optimizer == PARE_FIELD_ROW_ADAGRAD) {
        return train_online(model, fields, count, row, d_mask);
    }
    double loss = 0;
    for (int64_t i = 0; i < count; i++) {
        loss += train_batch(model, fields, 1, row + i, d_mask);
    }
    return loss;
}

/* Of the rates in this pass, the first being 0. */
static float factor_of(const pare_field_spec *spec, int64_t pass) {
    float factor = 1;
    for (int d = 0; d < PARE_FIELD_DROPS; d++) {
        factor *= spec->drop[d] > 0 && spec->drop[d] <= pass ? 0.1f : 1;
    }
    return factor;
}

/* Rows of a call of train: where the step size falls, it does so in SETTLE_STEPS steps at least. */
static int64_t batch_of(const pare_field_model *model, int64_t count, bool settles) {
    int64_t batch = model->spec.batch, steps = (count + SETTLE_STEPS - 1) / SETTLE_STEPS;
    return settles && steps > 0 && steps < batch ? steps : batch;
}

double pare_field_model_fit_until(pare_field_model *model, const pare_fields *fields, int64_t count,
                                  int64_t *row, int64_t epochs, bool settle, pare_field_stop stop,
                                  void *user) {
    double loss = 0, mean = NAN, all = (double)count * (double)epochs;
    float rate = model->spec.rate;
    bool stopped = false;
    for (int64_t epoch = 0; epoch < epochs && !stopped; epoch++) {
        bool settles = settle && pare_field_spec_settles(&model->spec) && epoch == epochs - 1;
        int64_t batch = batch_of(model, count, settles);
        uint64_t first = (uint64_t)epoch * (uint64_t)count;
        pare_random_shuffle(model->seed, PARE_STREAM_SHUFFLE, first, count, row);
        loss = 0;
        model->factor = factor_of(&model->spec, epoch);
        for (int64_t at = 0; at < count && !stopped; at += batch) {
            int64_t rows = count - at < batch ? count - at : batch;
            stopped = stop && stop(user, (double)(epoch * count + at) / all, mean);
            if (settles) {
                model->spec.rate = rate * (1 - (float)at / (float)count);
            }
            loss += stopped ? 0 : pare_field_model_train(model, fields, rows, row + at, NULL);
            mean = stopped ? mean : loss / (double)(at + rows);
        }
    }
    model->spec.rate = rate;
    return mean;
}

double pare_field_model_fit(pare_field_model *model, const pare_fields *fields, int64_t count,
                            int64_t *row, int64_t epochs) {
    return pare_field_model_fit_until(model, fields, count, row, epochs, false, NULL, NULL);
}
