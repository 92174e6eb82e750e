#include "model/field_private.h"

#include "base/random.h"
#include "platform/system.h"

#include <math.h>

pare_field_spec pare_field_spec_default(pare_field_model_kind kind, int64_t dimension) {
    bool deep = kind >= PARE_FIELD_MODEL_DEEPFM;
    return (pare_field_spec){.kind = kind,
                             .dimension = kind == PARE_FIELD_MODEL_LR ? 0 : dimension,
                             .layers = deep ? 3 : 0,
                             .units = deep ? 400 : 0,
                             .crosses = kind == PARE_FIELD_MODEL_DCNV2 ? 2 : 0,
                             .normalise = false,
                             .dropout = 0, /* a few passes do not overfit: 0.2 cost 0.006 nats */
                             .rate = deep ? 0.2f : 0.4f,
                             .decay = 1e-3f,
                             .tower_rate = 1e-4f,
                             .scale = 0.03f,
                             .sum = 1.0f,
                             .batch = deep ? 64 : 1024};
}

void pare_field_spec_optimizer(pare_field_spec *spec, pare_field_optimizer optimizer) {
    bool deep = pare_field_spec_deep(spec);
    spec->optimizer = optimizer;
    if (optimizer == PARE_FIELD_ADAGRAD) {
        spec->decay = 1e-2f;
    } else if (optimizer == PARE_FIELD_ADAM) {
        spec->rate = 0.02f;
        spec->decay = 0.03f;
        spec->batch = deep ? 64 : 256;
    } else if (optimizer == PARE_FIELD_DENSE_ADAM) {
        spec->rate = spec->tower_rate = 1e-3f;
        spec->decay = 3e-4f;
        spec->scale = 1e-4f;
        spec->batch = 4096;
        spec->clip = 10;
    }
}

int64_t pare_field_parameters(const pare_field_spec *spec, int64_t joint, int64_t fields) {
    int64_t dimension = spec->kind == PARE_FIELD_MODEL_LR ? 0 : spec->dimension;
    __int128_t total = (__int128_t)joint * (pare_field_spec_linear(spec) + dimension) + 1;
    __int128_t inputs = (__int128_t)fields * dimension;
    if (spec->crosses > 0) {
        total += spec->crosses * inputs * (inputs + 1) + inputs;
    }
    if (pare_field_spec_deep(spec)) {
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
    if (status == PARE_OK && spec->crosses > 0) {
        status = pare_cross_net_create(model->ctx, model->width, spec->crosses, spec->batch,
                                       model->seed, &model->cross);
    }
    if (status == PARE_OK && spec->crosses > 0) {
        status = pare_optimizer_init(model->ctx, PARE_OPTIMIZER_KIND_ADAM, model->cross->count, 0,
                                     0, &model->cross_optimizer);
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
        row[1] = row[2] = model->spec.optimizer == PARE_FIELD_ROW_ADAGRAD ? model->spec.sum : 0;
        for (int64_t j = 0; j < model->spec.dimension && used[r]; j++) {
            uint64_t index = (uint64_t)(r * model->spec.dimension + j);
            row[PARE_FM_HEAD + j] = model->spec.scale * (float)pare_random_normal(
                                                            model->seed, PARE_STREAM_TABLE, index);
        }
    }
    for (int64_t i = 0;
         model->spec.optimizer == PARE_FIELD_ADAGRAD && i < model->joint * model->stride; i++) {
        model->first[i] = model->spec.sum;
    }
    model->bias_sum = model->spec.sum;
    model->factor = 1;
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
    int64_t cells = 0, input = 0, sums = 0, looked_up = 0;
    if (!pare_checked_multiply(model->joint, model->stride, &cells) ||
        !pare_checked_multiply(spec->batch, model->width, &input) ||
        !pare_checked_multiply(spec->batch, model->fields, &looked_up) ||
        !pare_checked_multiply(spec->batch, model->stride, &sums)) {
        return pare_fail(model->ctx, PARE_ERROR_MEMORY, "out of memory: embedding tables");
    }
    bool deep = pare_field_spec_deep(spec);
    bool sparse = spec->optimizer == PARE_FIELD_ADAGRAD || spec->optimizer == PARE_FIELD_ADAM;
    int64_t beside = spec->optimizer != PARE_FIELD_ROW_ADAGRAD ? cells : 0;
    int64_t moments = spec->optimizer >= PARE_FIELD_ADAM ? cells : 0, cut = deep ? input : 0;
    int64_t touched = looked_up < model->joint ? looked_up : model->joint;
    const struct {
        int64_t count;
        float **array;
    } parts[] = {{model->fields * model->stride, &model->mask},
                 {model->fields * model->stride, &model->extra},
                 {beside, &model->gradient},
                 {beside, &model->first},
                 {moments, &model->second},
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
    pare_status status = pare_alloc(model->ctx, spec->batch, sizeof *model->label, &model->label);
    if (status == PARE_OK && sparse) {
        status = pare_alloc(model->ctx, touched, sizeof *model->touched_row, &model->touched_row);
    }
    if (status == PARE_OK && sparse) {
        status =
            pare_alloc_zero(model->ctx, model->joint, sizeof *model->look_ups, &model->look_ups);
    }
    return status;
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
    if (status == PARE_OK && pare_field_spec_deep(spec)) {
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
    void *owned[] = {model->table,       model->mask,    model->extra,   model->gradient,
                     model->first,       model->second,  model->sums,    model->logit,
                     model->slope,       model->input,   model->d_input, model->label,
                     model->touched_row, model->look_ups};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(model->ctx, owned[i]);
    }
    pare_graph_destroy(model->tower);
    pare_cross_net_destroy(model->cross);
    pare_optimizer_clear(&model->optimizer);
    pare_optimizer_clear(&model->cross_optimizer);
    pare_free(model->ctx, model);
}

/* ---- Forward --------------------------------------------------------------------------------- */

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

void pare_field_forward(pare_field_model *model, const pare_fields *fields, int64_t count,
                        const int64_t *row) {
    const pare_fm fm = pare_field_machine_of(model);
    /* A call of one row waits for all its table rows at once, not for one after the other. */
    for (int64_t i = 0; i < count && i < PARE_FIELD_AHEAD; i++) {
        pare_field_fetch(model, fields, row[i]);
    }
    for (int64_t i = 0; i < count; i++) {
        pare_field_look_ahead(model, fields, count, row, i);
        pare_fm_row data = pare_field_row_of(fields, row[i]);
        model->logit[i] = 0;
        if (pare_field_spec_linear(&model->spec)) {
            model->logit[i] = model->bias + model->ctx->kernels->fm_forward(
                                                &fm, &data, model->sums + i * model->stride);
        }
        if (model->tower) {
            gather(model, &data, model->input + i * model->width);
        }
    }
    if (model->cross) {
        pare_cross_net_forward(model->cross, count, model->input, model->logit);
    }
}

void pare_field_model_predict(pare_field_model *model, const pare_fields *fields, int64_t count,
                              const int64_t *row, float *out) {
    for (int64_t first = 0; first < count; first += model->spec.batch) {
        int64_t rows = count - first < model->spec.batch ? count - first : model->spec.batch;
        pare_field_forward(model, fields, rows, row + first);
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
