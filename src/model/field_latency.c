#include "model/field_latency.h"

#include "platform/system.h"

#include <math.h>
#include <stdlib.h>

enum {
    CALLS_LEAST = 32,
    CLOCK_CALLS = 501,
    STAND_IN_CALLS = 8000,
    BLOCKS = 4,
    FEW_FIELDS = 4,
    MANY_FIELDS = 32,
    FIELDS_MOST = 64 /* of a stand-in */
};
static const double seconds_most = 0.1;

static const int64_t level_bytes[PARE_LATENCY_LEVELS] = {16 << 10, 256 << 10, 1 << 20,  2 << 20,
                                                         4 << 20,  8 << 20,   32 << 20, 128 << 20};
static const int64_t width_fields[PARE_LATENCY_WIDTHS] = {1, 4, 12, 32, 64};

/* ---- Random rows ----------------------------------------------------------------------------- */

pare_status pare_field_latency_fields(pare_context *ctx, int64_t count, const int64_t *size,
                                      pare_fields *out) {
    *out = (pare_fields){.ctx = ctx};
    pare_status status = pare_alloc_zero(ctx, count, sizeof *out->field, &out->field);
    for (int64_t f = 0; f < count && status == PARE_OK; f++) {
        out->field[f].first = out->joint;
        out->field[f].size = size[f];
        out->count++;
        if (size[f] < 1 || size[f] > INT32_MAX - out->joint) {
            status = pare_fail(ctx, PARE_ERROR_INPUT,
                               "tables of more than %d rows together are not offered", INT32_MAX);
        } else {
            out->joint += size[f];
        }
    }
    if (status != PARE_OK) {
        pare_fields_clear(out);
    }
    return status;
}

/* Cheap and good enough for ids nobody learns from (Knuth's MMIX generator). */
static uint32_t draw(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

static void draw_rows(const pare_fields *fields, int64_t rows, uint64_t *state, int32_t *cell) {
    for (int64_t i = 0; i < rows * fields->count; i++) {
        const pare_field *field = &fields->field[i % fields->count];
        uint64_t id = (uint64_t)draw(state) * (uint64_t)field->size >> 32;
        cell[i] = (int32_t)(field->first + (int64_t)id);
    }
}

static void fill_table(pare_field_model *model) {
    uint64_t state = 1;
    for (int64_t i = 0; i < model->joint * model->stride; i++) {
        model->table[i] = 0x1p-34f * (float)draw(&state) - 0.125f;
    }
}

/*
 * Reads all tables, the small ones last, so that the caches hold about what they would after many
 * rows: what is visited often. Returns a sum, lest the reads be left out.
 */
static float touch(const pare_field_model *model, const pare_fields *fields) {
    float sum = 0;
    int64_t below = INT64_MAX;
    for (;;) {
        int64_t size = 0;
        for (int64_t f = 0; f < fields->count; f++) {
            int64_t one = fields->field[f].size;
            size = one < below && one > size ? one : size;
        }
        for (int64_t f = 0; f < fields->count && size > 0; f++) {
            const pare_field *field = &fields->field[f];
            const float *table = model->table + field->first * model->stride;
            for (int64_t i = 0; i < size * model->stride && field->size == size;
                 i += PARE_FM_LINE) {
                sum += table[i];
            }
        }
        if (size == 0) {
            return sum;
        }
        below = size;
    }
}

/* ---- Measure --------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static pare_field_time quantiles(int64_t count, double *seconds) {
    qsort(seconds, (size_t)count, sizeof *seconds, by_value);
    return (pare_field_time){seconds[count / 2], seconds[count * 99 / 100]};
}

/* What reading the clock twice takes. */
static double clock_cost(void) {
    double seconds[CLOCK_CALLS];
    for (int64_t i = 0; i < CLOCK_CALLS; i++) {
        double start = pare_clock_seconds();
        seconds[i] = pare_clock_seconds() - start;
    }
    return quantiles(CLOCK_CALLS, seconds).half;
}

typedef struct caller {
    pare_field_model *model;
    pare_fields rows; /* borrows all but cell, label */
    int64_t *row;
    float *out;
    double *seconds;
    uint64_t state;
    double clock;
} caller;

/* Calls until there are `calls`, or the time is over; their number. */
static int64_t call(caller *c, int64_t calls, double limit) {
    int64_t batch = c->model->spec.batch, done = 0;
    double begin = pare_clock_seconds();
    while (done < calls && (done < CALLS_LEAST || pare_clock_seconds() - begin < limit)) {
        draw_rows(&c->rows, batch, &c->state, c->rows.cell);
        double start = pare_clock_seconds();
        pare_field_model_predict(c->model, &c->rows, batch, c->row, c->out);
        for (int64_t i = 0; i < batch; i++) {
            c->out[i] = 1 / (1 + expf(-c->out[i]));
        }
        c->seconds[done++] = fmax(pare_clock_seconds() - start - c->clock, 0);
    }
    return done;
}

pare_status pare_field_latency_measure(pare_field_model *model, const pare_fields *fields,
                                       bool fill, int64_t calls, pare_field_time *out) {
    pare_context *ctx = model->ctx;
    int64_t batch = model->spec.batch, cells = 0;
    caller c = {.model = model, .rows = *fields, .state = 7, .clock = clock_cost()};
    c.rows.rows = batch;
    c.rows.value = NULL;
    c.rows.cell = NULL;
    c.rows.label = NULL;
    if (!pare_checked_multiply(batch, fields->count, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: rows to be scored");
    }
    pare_status status = pare_alloc(ctx, cells, sizeof *c.rows.cell, &c.rows.cell);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, batch, sizeof *c.rows.label, &c.rows.label);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, batch, sizeof *c.row, &c.row);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, batch, sizeof *c.out, &c.out);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, calls, sizeof *c.seconds, &c.seconds);
    }
    if (status == PARE_OK) {
        for (int64_t i = 0; i < batch; i++) {
            c.row[i] = i;
        }
        if (fill) {
            fill_table(model);
        }
        c.out[0] = touch(model, fields);
        (void)call(&c, calls, seconds_most / 4);
        *out = (pare_field_time){(double)INFINITY, (double)INFINITY};
        for (int64_t block = 0; block < BLOCKS; block++) {
            pare_field_time one = quantiles(
                call(&c, (calls + BLOCKS - 1) / BLOCKS, seconds_most / BLOCKS), c.seconds);
            out->half = fmin(out->half, one.half);
            out->most = fmin(out->most, one.most);
        }
    }
    void *owned[] = {c.rows.cell, c.rows.label, c.row, c.out, c.seconds};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    return status;
}

/* ---- Reach ----------------------------------------------------------------------------------- */

double pare_field_latency_flops(const pare_field_spec *spec, int64_t fields) {
    double width = (double)(fields * spec->dimension), units = (double)spec->units;
    double flops = (double)fields + 4 * width;
    if (pare_field_spec_deep(spec)) {
        flops += 2 * width * units + 2 * (double)(spec->layers - 1) * units * units + 2 * units;
        flops += 2 * (double)spec->crosses * width * width;
    }
    return flops;
}

static double row_bytes(const pare_field_spec *spec) {
    int64_t lines = (PARE_FM_HEAD + spec->dimension + PARE_FM_LINE - 1) / PARE_FM_LINE;
    return (double)(lines * PARE_FM_LINE) * (double)sizeof(float);
}

/* Bytes touched until a row of field f is visited again, at ids drawn uniformly. */
static double reach_of(const pare_field_spec *spec, const pare_fields *fields, int64_t f) {
    double after = (double)fields->field[f].size, bytes = 0;
    for (int64_t g = 0; g < fields->count; g++) {
        double size = (double)fields->field[g].size;
        bytes += size * row_bytes(spec) * -expm1(-after / size);
    }
    if (pare_field_spec_deep(spec)) {
        double network = (double)pare_field_parameters(spec, 0, fields->count) * sizeof(float);
        bytes += network * fmin(1, after / (double)spec->batch);
    }
    return bytes;
}

/* ---- Predict --------------------------------------------------------------------------------- */

/* y at x by straight lines through (at[i], y[i]), also beyond the last; the first before it. */
static double between(int64_t count, const double *at, const double *y, int64_t step, double x) {
    int64_t i = 1;
    while (i < count - 1 && at[i] < x) {
        i++;
    }
    if (count < 2 || x <= at[0]) {
        return y[0];
    }
    double share = (x - at[i - 1]) / (at[i] - at[i - 1]);
    return y[(i - 1) * step] + share * (y[i * step] - y[(i - 1) * step]);
}

static pare_field_time time_between(int64_t count, const double *at, const pare_field_time *y,
                                    double x) {
    return (pare_field_time){between(count, at, &y->half, 2, x),
                             between(count, at, &y->most, 2, x)};
}

/* Beyond look-ups in the first-level cache: what the farthest field waits for, and what every field
 * adds. */
static pare_field_time look_ups(const pare_field_rates *rates, const pare_field_spec *spec,
                                const pare_fields *fields) {
    pare_field_time all = {0}, wait = {0};
    double at[PARE_LATENCY_LEVELS];
    for (int64_t level = 0; level < rates->levels; level++) {
        at[level] = log(rates->reach[level]);
    }
    for (int64_t f = 0; f < fields->count; f++) {
        double reach = fmin(log(reach_of(spec, fields, f)), at[rates->levels - 1]);
        pare_field_time once = time_between(rates->levels, at, rates->once, reach);
        pare_field_time each = time_between(rates->levels, at, rates->each, reach);
        wait.half = fmax(wait.half, once.half);
        wait.most = fmax(wait.most, once.most);
        all.half += each.half;
        all.most += each.most;
    }
    return (pare_field_time){all.half + wait.half, all.most + wait.most};
}

pare_field_time pare_field_latency_predict(const pare_field_rates *rates,
                                           const pare_field_spec *spec, const pare_fields *fields) {
    pare_field_time time = look_ups(rates, spec, fields);
    pare_field_time rest = time_between(PARE_LATENCY_WIDTHS, rates->flops, rates->rest,
                                        pare_field_latency_flops(spec, fields->count));
    time.half += rest.half;
    time.most = fmax(time.most + rest.most, time.half);
    return time;
}

void pare_field_latency_parts(const pare_field_rates *rates, const pare_field_spec *spec,
                              const pare_fields *fields, double *call, double *each, double *wait) {
    double at[PARE_LATENCY_LEVELS], most = 0;
    for (int64_t level = 0; level < rates->levels; level++) {
        at[level] = log(rates->reach[level]);
    }
    for (int64_t f = 0; f < fields->count; f++) {
        double reach = fmin(log(reach_of(spec, fields, f)), at[rates->levels - 1]);
        wait[f] = time_between(rates->levels, at, rates->once, reach).half;
        each[f] = time_between(rates->levels, at, rates->each, reach).half;
    }
    for (int64_t n = 0; n <= fields->count; n++) {
        double flops = pare_field_latency_flops(spec, n);
        double rest = time_between(PARE_LATENCY_WIDTHS, rates->flops, rates->rest, flops).half;
        call[n] = most = fmax(most, rest);
    }
}

/* ---- Calibrate ------------------------------------------------------------------------------- */

/* A model of `count` tables of the same size, of `bytes` together; fields: to be cleared
 * in any case. */
static pare_status stand_in(pare_context *ctx, const pare_field_spec *spec, int64_t count,
                            int64_t bytes, pare_fields *fields, pare_field_time *out) {
    int64_t size[FIELDS_MOST];
    pare_field_model *model = NULL;
    int64_t rows = (int64_t)((double)bytes / ((double)count * row_bytes(spec)));
    for (int64_t f = 0; f < count; f++) {
        size[f] = rows > 1 ? rows : 1;
    }
    pare_status status = pare_field_latency_fields(ctx, count, size, fields);
    if (status == PARE_OK) {
        status = pare_field_model_create(ctx, spec, fields, 1, &model);
    }
    if (status == PARE_OK) {
        status = pare_field_latency_measure(model, fields, true, STAND_IN_CALLS, out);
    }
    pare_field_model_destroy(model);
    return status;
}

static void keep_least(pare_field_time *kept, pare_field_time now, bool first) {
    kept->half = first ? now.half : fmin(kept->half, now.half);
    kept->most = first ? now.most : fmin(kept->most, now.most);
}

/* Where less work took longer, something else ran: it takes no longer than more work. */
static void monotone(int64_t count, pare_field_time *time) {
    for (int64_t i = count - 2; i >= 0; i--) {
        keep_least(&time[i], time[i + 1], false);
    }
}

/* What `few` and `many` fields take beyond first-level look-ups: by call and by field. */
static void split(double few, double many, double *once, double *each) {
    few = fmax(few, 0);
    *each = fmax(many - few, 0) / (MANY_FIELDS - FEW_FIELDS);
    *once = fmax(few - FEW_FIELDS * *each, 0);
}

/* Factorisation machines of few and of many fields at each level: the difference is by field. */
static pare_status look_up_rates(pare_context *ctx, const pare_field_spec *spec, double farthest,
                                 pare_field_rates *out) {
    pare_field_spec plain = pare_field_spec_default(
        spec->dimension > 0 ? PARE_FIELD_MODEL_FM : PARE_FIELD_MODEL_LR, spec->dimension);
    const int64_t counts[2] = {FEW_FIELDS, MANY_FIELDS};
    pare_field_time *const kept[2] = {out->few, out->many};
    plain.batch = spec->batch;
    for (int64_t level = 0; level < PARE_LATENCY_LEVELS; level++) {
        for (int64_t k = 0; k < 2; k++) {
            pare_fields fields = {0};
            pare_field_time now = {0};
            pare_status status =
                stand_in(ctx, &plain, counts[k], level_bytes[level], &fields, &now);
            if (status == PARE_OK) {
                out->reach[level] = reach_of(&plain, &fields, 0);
                keep_least(&kept[k][level], now, out->rounds == 0);
            }
            pare_fields_clear(&fields);
            if (status != PARE_OK) {
                return status;
            }
        }
        out->levels = level + 1;
        if (out->reach[level] >= farthest && level > 0) {
            break;
        }
    }
    monotone(out->levels, out->few);
    monotone(out->levels, out->many);
    for (int64_t level = 0; level < out->levels; level++) {
        const pare_field_time *few = &out->few[level], *many = &out->many[level];
        split(few->half - out->few[0].half, many->half - out->many[0].half, &out->once[level].half,
              &out->each[level].half);
        split(few->most - out->few[0].most, many->most - out->many[0].most, &out->once[level].most,
              &out->each[level].most);
    }
    return PARE_OK;
}

/* The most bytes in use between two visits, in `fields` and in the stand-ins for the network. */
static double farthest_of(const pare_field_spec *spec, const pare_fields *fields) {
    double farthest = 0;
    for (int64_t f = 0; f < fields->count; f++) {
        farthest = fmax(farthest, reach_of(spec, fields, f));
    }
    for (int64_t i = 0; i < PARE_LATENCY_WIDTHS && pare_field_spec_deep(spec); i++) {
        double network = (double)pare_field_parameters(spec, 0, width_fields[i]);
        farthest = fmax(farthest, network * sizeof(float));
    }
    return farthest;
}

pare_status pare_field_latency_calibrate(pare_context *ctx, const pare_field_spec *spec,
                                         const pare_fields *fields, pare_field_rates *out) {
    pare_field_time known[PARE_LATENCY_WIDTHS] = {{0}};
    pare_status status = look_up_rates(ctx, spec, farthest_of(spec, fields), out);
    for (int64_t i = 0; i < PARE_LATENCY_WIDTHS && status == PARE_OK; i++) {
        pare_fields like = {0};
        pare_field_time now = {0};
        status = stand_in(ctx, spec, width_fields[i], 0, &like, &now);
        if (status == PARE_OK) {
            keep_least(&out->whole[i], now, out->rounds == 0);
            out->flops[i] = pare_field_latency_flops(spec, width_fields[i]);
            known[i] = look_ups(out, spec, &like);
        }
        pare_fields_clear(&like);
    }
    if (status == PARE_OK) {
        monotone(PARE_LATENCY_WIDTHS, out->whole);
    }
    for (int64_t i = 0; i < PARE_LATENCY_WIDTHS && status == PARE_OK; i++) {
        out->rest[i] = (pare_field_time){fmax(out->whole[i].half - known[i].half, 0),
                                         fmax(out->whole[i].most - known[i].most, 0)};
    }
    out->rounds += status == PARE_OK;
    return status;
}
