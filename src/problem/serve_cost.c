#include "problem/serve_cost.h"

#include "model/field_file.h"
#include "platform/system.h"
#include "problem/embed.h"

#include <jansson.h>
#include <math.h>

enum { BATCH_MOST = 1 << 16, CALLS = 8000, ROUNDS = 5 };

/* ---- A plan ---------------------------------------------------------------------------------- */

static pare_status refuse(pare_context *ctx, const char *path, const char *what) {
    return pare_fail(ctx, PARE_ERROR_INPUT, "%s: %s", path, what);
}

/* Kind and vector length. */
static pare_status read_spec(pare_context *ctx, const char *path, const json_t *root,
                             pare_field_spec *out) {
    const char *model = json_string_value(json_object_get(root, "model"));
    const json_t *width = NULL;
    int64_t dimension = 0, kind = 0;
    size_t at = 0;
    if (json_integer_value(json_object_get(root, "pare_embed")) != 1 || !model) {
        return refuse(ctx, path, "not a plan of `pare embed`, version 1");
    }
    while (kind < PARE_FIELD_MODEL_KINDS && strcmp(pare_field_model_names[kind], model) != 0) {
        kind++;
    }
    json_array_foreach(json_object_get(root, "chunk"), at, width) {
        json_int_t floats = json_integer_value(width);
        if (floats < 1 || floats > PARE_FM_STRIDE_MAX - PARE_FM_HEAD - dimension) {
            return refuse(ctx, path, "chunks of 1 float or more, 252 together, were expected");
        }
        dimension += floats;
    }
    if (kind == PARE_FIELD_MODEL_KINDS || (kind != PARE_FIELD_MODEL_LR && dimension == 0)) {
        return refuse(ctx, path, "model or chunk is wrong");
    }
    *out = pare_field_spec_default((pare_field_model_kind)kind, dimension);
    out->dropout = 0;
    return PARE_OK;
}

/* The kept fields: table sizes, and which chunks (count, chunks). */
static pare_status read_kept(pare_context *ctx, const char *path, const json_t *root,
                             int64_t chunks, int64_t *count, int64_t *size, uint8_t *keep) {
    const json_t *field = NULL;
    size_t at = 0;
    *count = 0;
    json_array_foreach(json_object_get(root, "fields"), at, field) {
        const json_t *rows = json_object_get(field, "rows");
        if (!json_is_true(json_object_get(field, "kept"))) {
            continue;
        }
        if (json_integer_value(rows) < 1) {
            return refuse(ctx, path, "a kept field has 1 row or more");
        }
        size[*count] = json_integer_value(rows);
        for (int64_t c = 0; c < chunks; c++) {
            const json_t *one = json_array_get(json_object_get(field, "chunks"), (size_t)c);
            keep[*count * chunks + c] = json_is_true(one);
        }
        ++*count;
    }
    return *count > 0 ? PARE_OK : refuse(ctx, path, "the plan keeps no field");
}

static void mask_chunks(pare_field_model *model, const json_t *widths, const uint8_t *keep) {
    int64_t chunks = (int64_t)json_array_size(widths);
    for (int64_t f = 0; f < model->fields && model->spec.dimension > 0; f++) {
        float *mask = model->mask + f * model->stride + PARE_FM_HEAD;
        for (int64_t c = 0; c < chunks; c++) {
            int64_t width = json_integer_value(json_array_get(widths, (size_t)c));
            for (int64_t j = 0; j < width; j++) {
                *mask++ = keep[f * chunks + c];
            }
        }
    }
}

/* The planned model, its tables unfilled. */
static pare_status from_plan(pare_context *ctx, const char *path, int64_t batch,
                             pare_field_loaded *out) {
    void *object = NULL;
    int64_t *size = NULL, count = 0;
    uint8_t *keep = NULL;
    pare_field_spec spec;
    pare_status status = pare_embed_json(ctx, path, &object);
    json_t *root = object;
    if (status == PARE_OK) {
        status = read_spec(ctx, path, root, &spec);
    }
    const json_t *widths = json_object_get(root, "chunk");
    int64_t chunks = (int64_t)json_array_size(widths);
    int64_t fields = (int64_t)json_array_size(json_object_get(root, "fields"));
    if (status == PARE_OK && (fields < 1 || fields > PARE_FIELDS_MAX)) {
        status = refuse(ctx, path, "expected a list of fields");
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, fields, sizeof *size, &size);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, fields * (chunks + 1), 1, &keep);
    }
    if (status == PARE_OK) {
        status = read_kept(ctx, path, root, chunks, &count, size, keep);
    }
    if (status == PARE_OK) {
        status = pare_field_latency_fields(ctx, count, size, &out->fields);
    }
    if (status == PARE_OK) {
        spec.batch = batch;
        status = pare_field_model_create(ctx, &spec, &out->fields, 1, &out->model);
    }
    if (status == PARE_OK) {
        mask_chunks(out->model, widths, keep);
    }
    pare_free(ctx, size);
    pare_free(ctx, keep);
    json_decref(root);
    return status;
}

/* ---- The calibration of a plan ----------------------------------------------------------------
 */

static bool read_times(const json_t *from, const char *name, pare_field_time *out) {
    const json_t *value = json_object_get(from, name);
    const json_t *half = json_object_get(value, "p50"), *most = json_object_get(value, "p99");
    *out = (pare_field_time){1e-6 * json_number_value(half), 1e-6 * json_number_value(most)};
    return json_is_number(half) && json_is_number(most) && out->half >= 0 && out->most >= 0;
}

static bool read_waits(const json_t *from, double *out) {
    bool good = json_array_size(from) == PARE_LATENCY_QUANTILES;
    for (size_t i = 0; i < PARE_LATENCY_QUANTILES && good; i++) {
        const json_t *wait = json_array_get(from, i);
        out[i] = 1e-6 * json_number_value(wait);
        good = json_is_number(wait) && out[i] >= (i > 0 ? out[i - 1] : 0);
    }
    return good;
}

/* What `pare embed --host` wrote; rounds stay 0 where there is nothing, or another batch. */
static pare_status read_rates(pare_context *ctx, const char *path, int64_t batch,
                              pare_field_rates *out) {
    void *object = NULL;
    pare_status status = pare_embed_json(ctx, path, &object);
    json_t *root = object;
    const json_t *latency = json_object_get(root, "latency"), *one = NULL;
    const json_t *look_ups = json_object_get(latency, "look_ups");
    const json_t *rest = json_object_get(latency, "rest");
    size_t at = 0;
    if (status != PARE_OK || json_integer_value(json_object_get(latency, "batch")) != batch) {
        json_decref(root);
        return status;
    }
    int64_t levels = (int64_t)json_array_size(look_ups);
    out->share = json_number_value(json_object_get(latency, "share"));
    out->together = json_number_value(json_object_get(latency, "together"));
    out->hidden = 1e-6 * json_number_value(json_object_get(latency, "hidden_us"));
    bool good = out->share >= 0 && out->share <= 1 && out->together >= 0 && levels >= 2 &&
                levels <= PARE_LATENCY_LEVELS && json_array_size(rest) == PARE_LATENCY_WIDTHS;
    json_array_foreach(look_ups, at, one) {
        if (good) {
            out->reach[at] = json_number_value(json_object_get(one, "bytes"));
            good = out->reach[at] > (at > 0 ? out->reach[at - 1] : 0) &&
                   read_waits(json_object_get(one, "wait_us"), out->wait[at]);
        }
    }
    json_array_foreach(rest, at, one) {
        if (good) {
            out->flops[at] = json_number_value(json_object_get(one, "flops"));
            good = out->flops[at] > (at > 0 ? out->flops[at - 1] : 0) &&
                   read_times(one, "us", &out->rest[at]);
        }
    }
    out->levels = levels;
    out->rounds = 1;
    json_decref(root);
    return good ? PARE_OK : refuse(ctx, path, "the calibration in `latency` is damaged");
}

/* ---- Costs ----------------------------------------------------------------------------------- */

/* As a plan counts, every place of a vector being a chunk of its own; and as scoring lays it out,
 * all rows as long as the longest, also of fields that are only parts of crosses. */
static pare_status count(const pare_field_loaded *loaded, pare_serve_cost *out) {
    const pare_field_model *model = loaded->model;
    int64_t dimension = model->spec.dimension, fields = model->fields, candidates = 0;
    int64_t *size = NULL, cost[PARE_RESOURCES];
    uint8_t *keep = NULL;
    out->model = pare_field_model_names[model->spec.kind];
    out->dimension = dimension;
    out->batch = model->spec.batch;
    out->loaded_bytes = model->joint * model->stride * (int64_t)sizeof *model->table;
    out->loaded_lines = fields * (model->stride / PARE_FM_LINE);
    out->loaded_flops = pare_field_latency_flops(&model->spec, fields);
    if (!pare_checked_multiply(fields, dimension + 1, &candidates)) {
        return pare_fail(model->ctx, PARE_ERROR_MEMORY, "out of memory: too many candidates");
    }
    pare_status status = pare_alloc(model->ctx, fields + dimension, sizeof *size, &size);
    if (status == PARE_OK) {
        status = pare_alloc_zero(model->ctx, candidates, 1, &keep);
    }
    if (status == PARE_OK) {
        pare_serving serving = {.ctx = model->ctx,
                                .fields = fields,
                                .chunks = dimension,
                                .size = size,
                                .width = size + fields};
        for (int64_t f = 0; f < fields; f++) {
            const float *mask = model->mask + f * model->stride;
            uint8_t *at = keep + f * (dimension + 1);
            size[f] = loaded->fields.field[f].size;
            at[0] = mask[0] != 0;
            out->fields += at[0];
            for (int64_t j = 0; j < dimension; j++) {
                at[j + 1] = mask[PARE_FM_HEAD + j] != 0;
                size[fields + j] = 1;
            }
        }
        pare_embed_network(&model->spec, &serving);
        pare_serving_cost(&serving, keep, cost);
        out->bytes = cost[PARE_RESOURCE_BYTES];
        out->lines = cost[PARE_RESOURCE_LINES];
        out->flops = (double)cost[PARE_RESOURCE_FLOPS];
    }
    pare_free(model->ctx, size);
    pare_free(model->ctx, keep);
    return status;
}

/* Calibration and measurement take turns, so that both see the same machine; the least counts,
 * since other work on it only adds. */
static pare_status measure(const pare_field_loaded *loaded, bool fill, pare_serve_cost *out) {
    pare_field_model *model = loaded->model;
    pare_field_time now = {0};
    pare_status status = PARE_OK;
    out->measured = (pare_field_time){(double)INFINITY, (double)INFINITY};
    for (int64_t round = 0; round < ROUNDS && status == PARE_OK; round++) {
        status =
            pare_field_latency_calibrate(model->ctx, &model->spec, &loaded->fields, &out->rates);
        if (status == PARE_OK) {
            status = pare_field_latency_measure(model, &loaded->fields, fill, CALLS, &now);
            pare_field_time_least(&out->measured, now);
        }
    }
    out->predicted = pare_field_latency_predict(&out->rates, &model->spec, &loaded->fields);
    return status;
}

pare_status pare_serve_cost_run(pare_context *ctx, const char *path, int64_t batch, bool host,
                                pare_serve_cost *out) {
    pare_field_loaded loaded = {0};
    int64_t length = 0, changed = 0;
    const pare_field_time unknown = {(double)NAN, (double)NAN};
    *out = (pare_serve_cost){.predicted = unknown, .measured = unknown};
    if (batch < 1 || batch > BATCH_MOST) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "batch: %lld is not from 1 to %d",
                         (long long)batch, BATCH_MOST);
    }
    bool plan = pare_file_facts(path, &length, &changed);
    pare_status status = plan ? from_plan(ctx, path, batch, &loaded)
                              : pare_field_model_load(ctx, path, batch, &loaded);
    if (status == PARE_OK) {
        status = count(&loaded, out);
    }
    if (status == PARE_OK && plan && !host) {
        status = read_rates(ctx, path, batch, &out->rates);
    }
    if (status == PARE_OK && out->rates.rounds > 0) {
        out->predicted =
            pare_field_latency_predict(&out->rates, &loaded.model->spec, &loaded.fields);
    }
    if (status == PARE_OK && host) {
        status = measure(&loaded, plan, out);
    }
    pare_field_loaded_clear(&loaded);
    return status;
}
