/* How long calls of field models take: measured on rows that nobody learns from. */
#include "model/field_latency_private.h"

#include "platform/system.h"

#include <math.h>
#include <stdlib.h>

enum { CALLS_LEAST = 32, CLOCK_CALLS = 501, BLOCKS = 4 };
static const double seconds_most = 0.1;

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

/* Clocks of virtual machines run in steps of up to this many seconds. */
static const double clock_step = 1e-8;

/* Of sorted times, each of which stands for all within half a step of it. */
static double quantile(int64_t count, const double *seconds, double share) {
    int64_t at = (int64_t)((double)count * share), first = at, end = at;
    while (first > 0 && seconds[first - 1] > seconds[at] - clock_step / 2) {
        first--;
    }
    while (end < count && seconds[end] < seconds[at] + clock_step / 2) {
        end++;
    }
    double within = ((double)count * share - (double)first) / (double)(end - first);
    return fmax(seconds[at] + clock_step * (within - 0.5), 0);
}

/* out: (shares); sorts the times. */
static void quantiles(int64_t count, double *seconds, int64_t shares, const double *share,
                      double *out) {
    qsort(seconds, (size_t)count, sizeof *seconds, by_value);
    for (int64_t i = 0; i < shares; i++) {
        out[i] = quantile(count, seconds, share[i]);
    }
}

/* What reading the clock twice takes. */
static double clock_cost(void) {
    double seconds[CLOCK_CALLS], out = 0;
    for (int64_t i = 0; i < CLOCK_CALLS; i++) {
        double start = pare_clock_seconds();
        seconds[i] = pare_clock_seconds() - start;
    }
    quantiles(CLOCK_CALLS, seconds, 1, &pare_latency_shares[PARE_LATENCY_HALF], &out);
    return out;
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
        c->seconds[done++] = pare_clock_seconds() - start - c->clock;
    }
    return done;
}

pare_status pare_field_latency_quantiles(pare_field_model *model, const pare_fields *fields,
                                         bool fill, int64_t calls, int64_t shares,
                                         const double *share, double *out) {
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
        for (int64_t block = 0; block < BLOCKS; block++) {
            double now[PARE_LATENCY_QUANTILES];
            int64_t done = call(&c, (calls + BLOCKS - 1) / BLOCKS, seconds_most / BLOCKS);
            quantiles(done, c.seconds, shares, share, now);
            for (int64_t i = 0; i < shares; i++) {
                out[i] = block == 0 ? now[i] : fmin(out[i], now[i]);
            }
        }
    }
    void *owned[] = {c.rows.cell, c.rows.label, c.row, c.out, c.seconds};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    return status;
}

void pare_field_time_least(pare_field_time *kept, pare_field_time now) {
    kept->half = fmin(kept->half, now.half);
    kept->most = fmin(kept->most, now.most);
}

pare_status pare_field_latency_measure(pare_field_model *model, const pare_fields *fields,
                                       bool fill, int64_t calls, pare_field_time *out) {
    const double share[2] = {0.5, 0.99};
    double seconds[2] = {0};
    pare_status status =
        pare_field_latency_quantiles(model, fields, fill, calls, 2, share, seconds);
    *out = (pare_field_time){seconds[0], seconds[1]};
    return status;
}
