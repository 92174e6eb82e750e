#include "model/field_model.h"

#include "base/random.h"
#include "platform/system.h"

#include <math.h>

/* gcc takes a function of nothing but prefetches for one without effect, and drops the call. */
#define FETCH static inline __attribute__((always_inline)) void

enum {
    AHEAD = 6, /* rows fetched before their turn: some 200 looked-up lines at 39 fields */
    REMOVALS_MAX = PARE_FM_STRIDE_MAX /* candidates of a field */
};
/* Below this slope of the loss, the network's share of it is not told from rounding. */
#define SLOPE_MIN 1e-7f

pare_field_spec pare_field_spec_default(pare_field_model_kind kind, int64_t dimension) {
    bool deep = kind == PARE_FIELD_MODEL_DEEPFM;
    return (pare_field_spec){.kind = kind,
                             .dimension = kind == PARE_FIELD_MODEL_LR ? 0 : dimension,
                             .layers = deep ? 3 : 0,
                             .units = deep ? 400 : 0,
                             .normalise = false,
                             .dropout = 0,
                             .rate = deep ? 0.1f : 0.2f,
                             .decay = 1e-3f,
                             .tower_rate = 1e-3f,
                             .scale = 0.1f,
                             .sum = 1.0f,
                             .batch = deep ? 256 : 1024};
}

int64_t pare_field_parameters(const pare_field_spec *spec, int64_t joint, int64_t fields) {
    int64_t dimension = spec->kind == PARE_FIELD_MODEL_LR ? 0 : spec->dimension;
    __int128_t total = (__int128_t)joint * (1 + dimension) + 1;
    __int128_t inputs = (__int128_t)fields * dimension;
    if (spec->kind == PARE_FIELD_MODEL_DEEPFM) {
        for (int64_t layer = 0; layer < spec->layers; layer++) {
            total += (inputs + 1) * spec->units + (spec->normalise ? 2 * spec->units : 0);
            inputs = spec->units;
        }
        total += inputs;
    }
    return total > INT64_MAX ? INT64_MAX : (int64_t)total;
}

/* ---- Create ---------------------------------------------------------------------------------- */

static pare_status create_tower(pare_field_model *model) {
    const pare_field_spec *spec = &model->spec;
    model->edges[1] = model->width;
    pare_status status =
        pare_graph_create(model->ctx, model->width, 1, model->edges, spec->batch, &model->tower);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t layer = 0; layer <= spec->layers; layer++) {
        int64_t outputs = layer < spec->layers ? spec->units : 1;
        if (layer == 0) {
            pare_graph_input(model->tower, outputs);
        } else {
            pare_graph_dense(model->tower, outputs);
        }
        if (layer < spec->layers) {
            if (spec->normalise) {
                pare_graph_batch_norm(model->tower);
            }
            pare_graph_relu(model->tower);
            if (spec->dropout > 0) {
                pare_graph_dropout(model->tower, spec->dropout);
            }
        }
    }
    status = pare_graph_finish(model->tower, PARE_NN_BINARY);
    if (status == PARE_OK) {
        pare_graph_init(model->tower, model->seed);
        status = pare_optimizer_init(model->ctx, PARE_OPTIMIZER_KIND_ADAM,
                                     pare_graph_parameters(model->tower), 0, 0, &model->optimizer);
    }
    return status;
}

/* Which rows of the joint table training rows use. */
static void mark_used(const pare_fields *fields, uint8_t *used) {
    for (int64_t i = 0; i < fields->rows; i++) {
        for (int64_t f = 0; f < fields->count && !fields->held_out[i]; f++) {
            int32_t row = fields->cell[i * fields->count + f];
            if (row >= 0) {
                used[row] = 1;
            }
        }
    }
}

static void init_table(pare_field_model *model, const uint8_t *used) {
    for (int64_t r = 0; r < model->joint; r++) {
        float *row = model->table + r * model->stride;
        row[1] = row[2] = model->spec.dense_exact ? 0 : model->spec.sum;
        for (int64_t j = 0; j < model->spec.dimension && used[r]; j++) {
            uint64_t index = (uint64_t)(r * model->spec.dimension + j);
            row[PARE_FM_HEAD + j] = model->spec.scale * (float)pare_random_normal(
                                                            model->seed, PARE_STREAM_TABLE, index);
        }
    }
    model->bias_sum = model->spec.sum;
    for (int64_t f = 0; f < model->fields; f++) {
        float *mask = model->mask + f * model->stride;
        mask[0] = 1;
        for (int64_t j = 0; j < model->spec.dimension; j++) {
            mask[PARE_FM_HEAD + j] = 1;
        }
    }
}

static pare_status create_arrays(pare_field_model *model) {
    const pare_field_spec *spec = &model->spec;
    int64_t cells = 0, input = 0, sums = 0;
    if (!pare_checked_multiply(model->joint, model->stride, &cells) ||
        !pare_checked_multiply(spec->batch, model->width, &input) ||
        !pare_checked_multiply(spec->batch, model->stride, &sums)) {
        return pare_fail(model->ctx, PARE_ERROR_MEMORY, "out of memory: embedding tables");
    }
    bool deep = spec->kind == PARE_FIELD_MODEL_DEEPFM;
    int64_t dense = spec->dense_exact ? cells : 0, cut = deep ? input : 0;
    const struct {
        int64_t count;
        float **array;
    } parts[] = {{model->fields * model->stride, &model->mask},
                 {model->fields * model->stride, &model->extra},
                 {dense, &model->gradient},
                 {dense, &model->first},
                 {dense, &model->second},
                 {sums, &model->sums},
                 {spec->batch, &model->logit},
                 {spec->batch, &model->slope},
                 {cut, &model->input},
                 {cut, &model->d_input}};
    pare_status table = pare_alloc(model->ctx, cells, sizeof *model->table, &model->table);
    if (table != PARE_OK) {
        return table;
    }
    pare_memory_large_pages(model->table, cells * (int64_t)sizeof *model->table);
    memset(model->table, 0, (size_t)cells * sizeof *model->table);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        pare_status status =
            pare_alloc_zero(model->ctx, parts[i].count, sizeof(float), parts[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    return pare_alloc(model->ctx, spec->batch, sizeof *model->label, &model->label);
}

pare_status pare_field_model_create(pare_context *ctx, const pare_field_spec *spec,
                                    const pare_fields *fields, uint64_t seed,
                                    pare_field_model **out) {
    *out = NULL;
    pare_field_model *model = NULL;
    uint8_t *used = NULL;
    int64_t dimension = spec->kind == PARE_FIELD_MODEL_LR ? 0 : spec->dimension;
    if (dimension < 0 || dimension > PARE_FM_STRIDE_MAX - PARE_FM_HEAD || spec->batch < 1) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "dimension: %lld is not from 0 to %d",
                         (long long)dimension, PARE_FM_STRIDE_MAX - PARE_FM_HEAD);
    }
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *model, &model);
    if (status != PARE_OK) {
        return status;
    }
    model->ctx = ctx;
    model->spec = *spec;
    model->spec.dimension = dimension;
    model->seed = seed;
    model->fields = fields->count;
    model->joint = fields->joint;
    model->width = fields->count * dimension;
    model->stride = (PARE_FM_HEAD + dimension + PARE_FM_LINE - 1) / PARE_FM_LINE * PARE_FM_LINE;
    status = create_arrays(model);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, fields->joint, 1, &used);
    }
    if (status == PARE_OK && spec->kind == PARE_FIELD_MODEL_DEEPFM) {
        status = create_tower(model);
    }
    if (status == PARE_OK) {
        mark_used(fields, used);
        init_table(model, used);
        *out = model;
    } else {
        pare_field_model_destroy(model);
    }
    pare_free(ctx, used);
    return status;
}

void pare_field_model_destroy(pare_field_model *model) {
    if (!model) {
        return;
    }
    void *owned[] = {model->table, model->mask,   model->extra,   model->gradient,
                     model->first, model->second, model->sums,    model->logit,
                     model->slope, model->input,  model->d_input, model->label};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(model->ctx, owned[i]);
    }
    pare_graph_destroy(model->tower);
    pare_optimizer_clear(&model->optimizer);
    pare_free(model->ctx, model);
}

/* ---- Forward --------------------------------------------------------------------------------- */

static pare_fm machine_of(const pare_field_model *model) {
    return (pare_fm){model->fields, model->stride, model->mask, model->table,
                     model->spec.dimension};
}

static pare_fm_row row_of(const pare_fields *fields, int64_t row) {
    int64_t at = row * fields->count;
    return (pare_fm_row){fields->cell + at, fields->value ? fields->value + at : NULL};
}

/* Asks for the table rows of a row that comes soon; its own cells were asked for before. */
FETCH fetch(const pare_field_model *model, const pare_fields *fields, int64_t row) {
    const int32_t *index = fields->cell + row * fields->count;
    for (int64_t f = 0; f < model->fields; f++) {
        if (index[f] >= 0) {
            const float *at = model->table + index[f] * model->stride;
            for (int64_t place = 0; place < model->stride; place += PARE_FM_LINE) {
                __builtin_prefetch(at + place, 1);
            }
        }
    }
}

FETCH fetch_cells(const pare_fields *fields, int64_t row) {
    const int32_t *at = fields->cell + row * fields->count;
    for (int64_t f = 0; f < fields->count; f += PARE_FM_LINE) {
        __builtin_prefetch(at + f);
    }
    __builtin_prefetch(at + fields->count - 1); /* rows begin anywhere in a line */
    __builtin_prefetch(fields->label + row);
}

FETCH look_ahead(const pare_field_model *model, const pare_fields *fields, int64_t count,
                 const int64_t *row, int64_t i) {
    if (i + AHEAD < count) {
        fetch(model, fields, row[i + AHEAD]);
    }
    if (i + 2 * AHEAD < count) {
        fetch_cells(fields, row[i + 2 * AHEAD]);
    }
}

/* The masked vectors of a row, one after the other: the network's input. */
static void gather(const pare_field_model *model, const pare_fm_row *row, float *input) {
    int64_t dimension = model->spec.dimension;
    for (int64_t f = 0; f < model->fields; f++) {
        float *to = input + f * dimension;
        if (row->index[f] < 0) {
            memset(to, 0, (size_t)dimension * sizeof *to);
            continue;
        }
        const float *v = model->table + row->index[f] * model->stride + PARE_FM_HEAD;
        const float *mask = model->mask + f * model->stride + PARE_FM_HEAD;
        float x = row->value ? row->value[f] : 1;
        for (int64_t j = 0; j < dimension; j++) {
            to[j] = x * mask[j] * v[j];
        }
    }
}

/* logit and sums of up to `batch` rows, without the network; its inputs too. */
static void forward(pare_field_model *model, const pare_fields *fields, int64_t count,
                    const int64_t *row) {
    const pare_fm fm = machine_of(model);
    for (int64_t i = 0; i < count; i++) {
        look_ahead(model, fields, count, row, i);
        pare_fm_row data = row_of(fields, row[i]);
        model->logit[i] = model->bias + model->ctx->kernels->fm_forward(
                                            &fm, &data, model->sums + i * model->stride);
        if (model->tower) {
            gather(model, &data, model->input + i * model->width);
        }
    }
}

void pare_field_model_predict(pare_field_model *model, const pare_fields *fields, int64_t count,
                              const int64_t *row, float *out) {
    for (int64_t first = 0; first < count; first += model->spec.batch) {
        int64_t rows = count - first < model->spec.batch ? count - first : model->spec.batch;
        forward(model, fields, rows, row + first);
        if (model->tower) {
            const float *y = NULL;
            int64_t stride = 0;
            pare_input input = {.rows = rows, .dense = model->input};
            pare_graph_predict(model->tower, &input, NULL, &y, &stride);
            for (int64_t i = 0; i < rows; i++) {
                model->logit[i] += y[i * stride];
            }
        }
        memcpy(out + first, model->logit, (size_t)rows * sizeof *out);
    }
}

/* ---- Training -------------------------------------------------------------------------------- */

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
    const pare_fm fm = machine_of(model);
    const pare_kernels *kernels = model->ctx->kernels;
    int64_t dimension = model->spec.dimension;
    const pare_adagrad step = {model->spec.rate, model->spec.decay,
                               1.0f / (float)(dimension > 0 ? dimension : 1)};
    double loss = 0, factor = 1; /* one logarithm for many rows */
    float *sum = model->sums, slope = 0;
    for (int64_t i = 0; i < count; i++) {
        look_ahead(model, fields, count, row, i);
        pare_fm_row data = row_of(fields, row[i]);
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

/* Slopes of the batch by the logits, and by the network's input; the sum of the loss. The network
 * sees the mean loss. */
static double batch_slopes(pare_field_model *model, const pare_fields *fields, int64_t count,
                           const int64_t *row) {
    forward(model, fields, count, row);
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
    return loss;
}

/* The network's gradients of row i, in the places of the vectors; NULL without a network. */
static const float *extra_of(pare_field_model *model, int64_t i, float factor) {
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

double pare_field_model_slopes(pare_field_model *model, const pare_fields *fields, int64_t count,
                               const int64_t *row, float *gradient, float *d_mask) {
    const pare_fm fm = machine_of(model);
    double loss = batch_slopes(model, fields, count, row);
    for (int64_t i = 0; i < count; i++) {
        pare_fm_row data = row_of(fields, row[i]);
        model->ctx->kernels->fm_slopes(&fm, &data, model->sums + i * model->stride, model->slope[i],
                                       extra_of(model, i, 1), gradient, d_mask);
    }
    return loss;
}

/* What the candidates of a field add to the logit of a row. slope: d loss / d logit. */
static void contributions(const pare_field_model *model, const pare_fm_row *row, int64_t field,
                          const float *sum, const float *extra, float slope, int64_t chunks,
                          const int64_t *width, float *out) {
    const float *mask = model->mask + field * model->stride;
    const float *v = model->table + row->index[field] * model->stride;
    float x = row->value ? row->value[field] : 1;
    float by_logit = fabsf(slope) > SLOPE_MIN ? 1 / slope : 0;
    int64_t place = PARE_FM_HEAD;
    out[0] = x * mask[0] * v[0];
    for (int64_t c = 0; c < chunks; c++) {
        float total = 0;
        for (int64_t j = 0; j < width[c]; j++, place++) {
            float e = x * mask[place] * v[place];
            float network = extra ? by_logit * extra[field * model->stride + place] : 0;
            total += e * (sum[place] - e + network);
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
    (void)batch_slopes(model, fields, count, row);
    if (model->tower) {
        int64_t stride = 0;
        const float *y = pare_graph_output(model->tower, &stride);
        for (int64_t i = 0; i < count; i++) {
            model->logit[i] += y[i * stride];
        }
    }
    for (int64_t i = 0; i < count; i++) {
        pare_fm_row data = row_of(fields, row[i]);
        const float *extra = extra_of(model, i, 1);
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

static void adam_bias(pare_field_model *model, const pare_adam *step, float gradient) {
    model->ctx->kernels->adam(1, step, &gradient, &model->bias, &model->bias_first,
                              &model->bias_second);
}

/* Adam with its l2 penalty on every parameter of the tables (Kingma and Ba 2015). */
static void step_dense(pare_field_model *model, int64_t count) {
    const pare_field_spec *spec = &model->spec;
    double steps = (double)model->steps + 1;
    double second = sqrt(1 - pow(0.999, steps));
    pare_adam step = {.rate = (float)((double)spec->rate * second / (1 - pow(0.9, steps))),
                      .beta1 = 0.9f,
                      .beta2 = 0.999f,
                      .epsilon = (float)(1e-8 * second),
                      .decay = spec->decay,
                      .shrink = 1};
    model->ctx->kernels->adam(model->joint * model->stride, &step, model->gradient, model->table,
                              model->first, model->second);
    if (!model->tower) {
        float gradient = 0;
        for (int64_t i = 0; i < count; i++) {
            gradient += model->slope[i];
        }
        step.decay = 0;
        adam_bias(model, &step, gradient);
    }
}

/* All rows see the same parameters. AdaGrad takes the rows' own slopes, not those of the mean, so
 * that its rate does not depend on the batch. */
static double train_batch(pare_field_model *model, const pare_fields *fields, int64_t count,
                          const int64_t *row, float *d_mask) {
    const pare_fm fm = machine_of(model);
    const pare_kernels *kernels = model->ctx->kernels;
    const pare_adagrad step = {model->spec.rate, model->spec.decay,
                               1.0f /
                                   (float)(model->spec.dimension > 0 ? model->spec.dimension : 1)};
    float each = (float)count;
    double loss = 0;
    if (model->spec.dense_exact) {
        memset(model->gradient, 0, (size_t)(model->joint * model->stride) * sizeof(float));
        float *masks = d_mask;
        loss = pare_field_model_slopes(model, fields, count, row, model->gradient, masks);
        step_dense(model, count);
    } else {
        loss = batch_slopes(model, fields, count, row);
        for (int64_t i = 0; i < count; i++) {
            look_ahead(model, fields, count, row, i);
            pare_fm_row data = row_of(fields, row[i]);
            const float *sum = model->sums + i * model->stride, *extra = extra_of(model, i, each);
            float slope = each * model->slope[i];
            if (d_mask) {
                kernels->fm_slopes(&fm, &data, sum, slope, extra, NULL, d_mask);
            }
            kernels->fm_update(&fm, &data, sum, slope, extra, &step);
        }
    }
    if (model->tower) {
        pare_optimizer_step(&model->optimizer, model->spec.tower_rate,
                            pare_graph_gradient(model->tower), pare_graph_parameter(model->tower));
    }
    model->steps++;
    return loss;
}

double pare_field_model_train(pare_field_model *model, const pare_fields *fields, int64_t count,
                              const int64_t *row, float *d_mask) {
    bool online = !model->tower && !model->spec.dense_exact;
    return online ? train_online(model, fields, count, row, d_mask)
                  : train_batch(model, fields, count, row, d_mask);
}

double pare_field_model_fit(pare_field_model *model, const pare_fields *fields, int64_t count,
                            int64_t *row, int64_t epochs) {
    double loss = 0;
    for (int64_t epoch = 0; epoch < epochs; epoch++) {
        uint64_t first = (uint64_t)epoch * (uint64_t)count;
        pare_random_shuffle(model->seed, PARE_STREAM_SHUFFLE, first, count, row);
        loss = 0;
        for (int64_t at = 0; at < count; at += model->spec.batch) {
            int64_t rows = count - at < model->spec.batch ? count - at : model->spec.batch;
            loss += pare_field_model_train(model, fields, rows, row + at, NULL);
        }
    }
    return count > 0 ? loss / (double)count : 0;
}
