#include "problem/embed_latency.h"

#include <math.h>

enum { ROUNDS = 3, CALLS = 8000 };

bool pare_embed_latency_wanted(const pare_embed *embed) {
    return embed->options.host || embed->serving.limit[PARE_RESOURCE_LATENCY] < INT64_MAX;
}

static int64_t picoseconds(double seconds) {
    double out = ceil(seconds * 1e12);
    return out < 0x1p61 ? (int64_t)out : INT64_MAX / 4;
}

static pare_status set_times(pare_embed *embed) {
    int64_t fields = embed->fields.count, *times = NULL;
    double *seconds = NULL, spare = 0;
    pare_status status = pare_alloc(embed->ctx, 3 * fields + 1, sizeof *times, &times);
    if (status == PARE_OK) {
        status = pare_alloc(embed->ctx, 3 * fields + 1, sizeof *seconds, &seconds);
    }
    if (status != PARE_OK) {
        pare_free(embed->ctx, times);
        return status;
    }
    pare_field_latency_parts(&embed->latency.rates, &embed->spec, &embed->fields, seconds,
                             seconds + fields + 1, seconds + 2 * fields + 1, &spare);
    for (int64_t i = 0; i < 3 * fields + 1; i++) {
        times[i] = picoseconds(seconds[i]);
    }
    embed->serving.latency =
        (pare_serving_times){times, times + fields + 1, times + 2 * fields + 1, picoseconds(spare)};
    pare_free(embed->ctx, embed->times);
    embed->times = times;
    pare_free(embed->ctx, seconds);
    return PARE_OK;
}

pare_status pare_embed_latency_begin(pare_embed *embed) {
    pare_field_rates *rates = &embed->latency.rates;
    pare_field_spec spec = embed->spec;
    pare_status status = PARE_OK;
    if (!pare_embed_latency_wanted(embed)) {
        return PARE_OK;
    }
    spec.batch = 1;
    spec.dropout = 0;
    for (int64_t round = rates->rounds; round < ROUNDS && status == PARE_OK; round++) {
        status = pare_field_latency_calibrate(embed->ctx, &spec, &embed->fields, rates);
    }
    return status == PARE_OK ? set_times(embed) : status;
}

/* The kept fields as a model of their own, filled with random numbers. */
static pare_status create_kept(const pare_embed *embed, pare_fields *fields,
                               pare_field_model **out) {
    int64_t *size = NULL, *field = NULL, count = 0, width = embed->serving.chunks + 1;
    pare_field_spec spec = embed->spec;
    spec.batch = 1;
    spec.dropout = 0;
    *out = NULL;
    *fields = (pare_fields){0};
    pare_status status = pare_alloc(embed->ctx, 2 * embed->fields.count, sizeof *size, &size);
    if (status != PARE_OK) {
        return status;
    }
    field = size + embed->fields.count;
    for (int64_t f = 0; f < embed->fields.count; f++) {
        if (embed->keep[f * width]) {
            field[count] = f;
            size[count++] = embed->size[f];
        }
    }
    status = pare_field_latency_fields(embed->ctx, count, size, fields);
    if (status == PARE_OK) {
        status = pare_field_model_create(embed->ctx, &spec, fields, 1, out);
    }
    for (int64_t i = 0; i < count && status == PARE_OK; i++) {
        const uint8_t *keep = embed->keep + field[i] * width;
        float *mask = (*out)->mask + i * (*out)->stride + PARE_FM_HEAD;
        for (int64_t c = 0; c < embed->serving.chunks; c++) {
            for (int64_t j = 0; j < embed->width[c]; j++) {
                *mask++ = keep[c + 1];
            }
        }
    }
    pare_free(embed->ctx, size);
    return status;
}

pare_status pare_embed_latency_end(pare_embed *embed) {
    pare_fields fields = {0};
    pare_field_model *model = NULL;
    pare_embed_latency *latency = &embed->latency;
    if (!pare_embed_latency_wanted(embed)) {
        return PARE_OK;
    }
    pare_status status = create_kept(embed, &fields, &model);
    if (status == PARE_OK) {
        latency->measured = (pare_field_time){(double)INFINITY, (double)INFINITY};
        latency->predicted = pare_field_latency_predict(&latency->rates, &model->spec, &fields);
    }
    for (int64_t round = 0; round < ROUNDS && status == PARE_OK; round++) {
        pare_field_time now = {0};
        status = pare_field_latency_measure(model, &fields, true, CALLS, &now);
        pare_field_time_least(&latency->measured, now);
    }
    pare_field_model_destroy(model);
    pare_fields_clear(&fields);
    return status;
}
