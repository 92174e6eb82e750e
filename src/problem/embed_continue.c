/*
 * A plan goes on with a later file: state and rows are brought to the same fields and ids, the rows
 * are scored, one change is made where its lower confidence bound exceeds the switching cost, and
 * the model learns from the rows.
 */
#include "problem/embed_course.h"
#include "problem/embed_latency.h"

#include "platform/system.h"

#include <math.h>

/* ---- Growth ---------------------------------------------------------------------------------- */

/* Where row r of field f, as it was, is now in the joint table. */
static int64_t moved(const pare_embed_course *c, int64_t f, int64_t r) {
    const pare_fields *fields = &c->embed->fields;
    const pare_field *field = &fields->field[f];
    if (field->kind == PARE_FIELD_CROSS) {
        r = pare_cross_moved(fields, field, c->before[field->part[0]], c->before[field->part[1]],
                             c->before[f], r);
    }
    return field->first + r;
}

/* Rows of a cross may fall together when it begins to be hashed: that of more steps stays. */
static void copy_row(const float *from, int64_t stride, bool cross, float *to) {
    if (!cross || from[1] + from[2] >= to[1] + to[2]) {
        memcpy(to, from, (size_t)stride * sizeof *to);
    }
}

/* The networks of the old model with fresh inputs for new fields and those left out. */
static pare_status grow_networks(pare_embed_course *c, const pare_field_model *old,
                                 pare_field_model *model) {
    uint8_t *kept = NULL, *was = NULL;
    float *packed = NULL;
    int64_t fields = c->embed->fields.count;
    pare_status status = pare_embed_kept_fields(c->ctx, fields, c->width, c->embed->keep, &kept);
    if (status == PARE_OK) {
        status = pare_embed_kept_fields(c->ctx, old->fields, c->width, c->state.keep, &was);
    }
    if (status == PARE_OK) {
        int64_t count = pare_field_networks_get(old, was, NULL);
        status = pare_alloc(c->ctx, count, sizeof *packed, &packed);
    }
    if (status == PARE_OK) { /* the kept ones are in the same order */
        (void)pare_field_networks_get(old, was, packed);
        pare_field_networks_put(model, kept, packed, (int64_t)old->steps);
    }
    pare_free(c->ctx, packed);
    pare_free(c->ctx, was);
    pare_free(c->ctx, kept);
    return status;
}

static pare_status grow_model(pare_embed_course *c) {
    pare_embed_state *state = &c->state;
    pare_field_model *old = state->machine, *model = NULL;
    const pare_fields *fields = &c->embed->fields;
    pare_status status = pare_field_model_create(
        c->ctx, &old->spec, fields, (uint64_t)c->embed->options.seed + (uint64_t)state->windows,
        &model);
    if (status == PARE_OK && model->tower) {
        status = grow_networks(c, old, model);
    }
    if (status != PARE_OK) {
        pare_field_model_destroy(model);
        return status;
    }
    model->bias = old->bias;
    model->bias_sum = old->bias_sum;
    size_t row_bytes = (size_t)model->stride * sizeof *model->table;
    for (int64_t f = 0; f < fields->count; f++) {
        float *to = model->table + fields->field[f].first * model->stride;
        const float *first = old->table + c->began[f] * model->stride;
        bool cross = fields->field[f].kind == PARE_FIELD_CROSS;
        if (c->before[f] > 0 && c->embed->keep[f * c->width]) {
            for (int64_t r = 0; r < c->before[f]; r++) {
                copy_row(first + r * model->stride, model->stride, cross,
                         model->table + moved(c, f, r) * model->stride);
            }
            /* A new id begins as all unknown ones were, if ever one was. */
            for (int64_t r = c->before[f];
                 r < fields->field[f].size && first[1] > old->spec.sum && r > 1 && !cross; r++) {
                memcpy(to + r * model->stride, first, row_bytes);
                to[r * model->stride + 1] = to[r * model->stride + 2] = old->spec.sum;
            }
        }
    }
    pare_field_model_destroy(old);
    state->machine = model;
    return PARE_OK;
}

/* Arrays of the state for the fields and ids there are now. */
static pare_status grow(pare_embed_course *c) {
    pare_embed_state *state = &c->state;
    pare_embed *e = c->embed;
    float *sketch = NULL;
    double *gain = NULL, *trace = NULL, *bins = NULL, *unknown = NULL;
    int64_t fields = e->fields.count;
    const struct {
        int64_t count;
        size_t size;
        void *array;
    } parts[] = {{e->fields.joint * PARE_EMBED_SKETCH, sizeof *sketch, &sketch},
                 {e->candidates, sizeof *gain, &gain},
                 {fields * PARE_EMBED_TRACE, sizeof *trace, &trace},
                 {fields * PARE_EMBED_BINS, sizeof *bins, &bins},
                 {fields * 2, sizeof *unknown, &unknown}};
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PARE_OK; i++) {
        status = pare_alloc_zero(c->ctx, parts[i].count, parts[i].size, parts[i].array);
    }
    if (status == PARE_OK) {
        memset(e->keep, 0, (size_t)e->candidates);
        for (int64_t f = 0; f < fields; f++) {
            for (int64_t j = 0; j < c->width && c->was[f] >= 0; j++) {
                e->keep[f * c->width + j] = state->keep[c->was[f] * c->width + j];
                gain[f * c->width + j] = state->gain[c->was[f] * c->width + j];
            }
        }
        status = grow_model(c);
    }
    if (status == PARE_OK) {
        for (int64_t f = 0; f < fields; f++) {
            int64_t was = c->was[f];
            for (int64_t r = 0; r < c->before[f]; r++) {
                const float *from = state->sketch + (c->began[f] + r) * PARE_EMBED_SKETCH;
                float *to = sketch + moved(c, f, r) * PARE_EMBED_SKETCH;
                to[0] += from[0];
                to[1] += from[1];
            }
            if (was >= 0) {
                memcpy(trace + f * PARE_EMBED_TRACE, state->trace + was * PARE_EMBED_TRACE,
                       PARE_EMBED_TRACE * sizeof *trace);
                memcpy(bins + f * PARE_EMBED_BINS, state->bins + was * PARE_EMBED_BINS,
                       PARE_EMBED_BINS * sizeof *bins);
                memcpy(unknown + 2 * f, state->unknown + 2 * was, 2 * sizeof *unknown);
            }
        }
        pare_free(c->ctx, state->sketch);
        pare_free(c->ctx, state->gain);
        pare_free(c->ctx, state->trace);
        pare_free(c->ctx, state->bins);
        pare_free(c->ctx, state->unknown);
        state->sketch = sketch;
        state->gain = gain;
        state->trace = trace;
        state->bins = bins;
        state->unknown = unknown;
        sketch = NULL;
        gain = trace = bins = unknown = NULL;
    }
    pare_free(c->ctx, sketch);
    pare_free(c->ctx, gain);
    pare_free(c->ctx, trace);
    pare_free(c->ctx, bins);
    pare_free(c->ctx, unknown);
    return status;
}

void pare_embed_set_masks(const pare_embed_course *c) {
    const pare_embed *e = c->embed;
    for (int64_t i = 0; i < e->candidates; i++) {
        c->removal[i] = e->keep[i];
    }
    pare_embed_mask(e, c->removal, c->state.machine);
}

/* ---- Learning -------------------------------------------------------------------------------- */

/* One pass, or as many as option passes says, until the caller stops it; sums of AdaGrad fade, so
 * that steps stay large enough to follow. Cells of fields left out become absent: they cost nothing
 * then. */
static pare_status learn(pare_embed_course *c) {
    pare_embed *e = c->embed;
    pare_field_model *model = c->state.machine;
    double start = pare_thread_cpu_seconds();
    float sum = model->spec.sum;
    for (int64_t r = 0; r < model->joint; r++) {
        for (int k = 1; k <= 2; k++) {
            float *at = model->table + r * model->stride + k;
            *at = sum + (float)PARE_EMBED_DECAY * (*at - sum);
        }
    }
    model->bias_sum = sum + (float)PARE_EMBED_DECAY * (model->bias_sum - sum);
    for (int64_t f = 0; f < e->fields.count; f++) {
        for (int64_t i = 0; i < e->fields.rows && !e->keep[f * c->width]; i++) {
            e->fields.cell[i * e->fields.count + f] = -1;
        }
    }
    pare_embed_set_masks(c);
    (void)pare_field_model_fit_until(model, &e->fields, e->fields.rows, c->row, e->passes, true,
                                     pare_embed_tell, e);
    c->window->cpu_training = pare_thread_cpu_seconds() - start;
    return pare_embed_going(e);
}

/* ---- All ------------------------------------------------------------------------------------- */

static pare_status reserve(pare_embed_course *c) {
    pare_embed *e = c->embed;
    pare_embed_window *w = c->window;
    int64_t fields = e->fields.count, rows = e->fields.rows;
    const pare_field_model *model = c->state.machine;
    int64_t sampled = model->tower ? 0 : rows / PARE_EMBED_SAMPLE + PARE_EMBED_BLOCKS; /* at most */
    int64_t batch = model->tower ? model->spec.batch : 0, terms = 0;
    if (!pare_checked_multiply(batch, e->candidates, &terms)) {
        return pare_fail(c->ctx, PARE_ERROR_MEMORY, "out of memory: too many candidates");
    }
    const struct {
        int64_t count;
        size_t size;
        void *array;
    } parts[] = {{fields, sizeof *w->psi, &w->psi},
                 {fields, sizeof *w->psi_limit, &w->psi_limit},
                 {fields, sizeof *w->unknown, &w->unknown},
                 {fields, sizeof *w->usual, &w->usual},
                 {fields, 1, &w->fresh},
                 {fields, 1, &w->absent},
                 {fields, 1, &w->audit},
                 {fields, 1, &w->before},
                 {fields, sizeof *c->out, &c->out},
                 {fields, sizeof *c->in, &c->in},
                 {fields * PARE_EMBED_BLOCKS, sizeof *c->gain, &c->gain},
                 {rows, sizeof *c->loss, &c->loss},
                 {rows, sizeof *c->probability, &c->probability},
                 {sampled * model->stride, sizeof *c->sums, &c->sums},
                 {terms, sizeof *c->term, &c->term},
                 {batch, sizeof *c->picked, &c->picked},
                 {2 * (rows / PARE_EMBED_BLOCKS + 1), sizeof *c->slope, &c->slope},
                 {rows, sizeof *c->scored, &c->scored},
                 {rows > fields ? rows : fields, sizeof *c->row, &c->row},
                 {e->candidates, sizeof *c->removal, &c->removal}};
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PARE_OK; i++) {
        status = pare_alloc_zero(c->ctx, parts[i].count, parts[i].size, parts[i].array);
    }
    return status;
}

/* Which fields of the state the fields are now: new ones were put before the crosses, those
 * proposed after them. first: (old) rows of the state's. */
static pare_status trace(pare_embed_course *c, int64_t old, const int64_t *first) {
    int64_t fields = c->embed->fields.count, crosses = c->crosses - c->state.proposed;
    int64_t added = fields - c->state.proposed - old;
    pare_status status = pare_alloc(c->ctx, fields, sizeof *c->was, &c->was);
    if (status == PARE_OK) {
        status = pare_alloc_zero(c->ctx, fields, sizeof *c->began, &c->began);
    }
    int64_t first_cross = fields - c->crosses;
    for (int64_t f = 0; f < fields && status == PARE_OK; f++) {
        bool plain = f < old - crosses, cross = f >= first_cross && f < first_cross + crosses;
        c->was[f] = plain ? f : cross ? f - added : -1;
        c->began[f] = c->was[f] >= 0 ? first[c->was[f]] : 0;
    }
    return status;
}

/* Crosses of the pairs that the file before brought up: new fields. */
static pare_status add_proposed(pare_embed_course *c) {
    pare_embed *e = c->embed;
    pare_field_pair pair[PARE_EMBED_PROPOSED];
    int64_t count = c->state.proposed, fields = e->fields.count, *before = NULL;
    if (count == 0) {
        return PARE_OK;
    }
    for (int64_t k = 0; k < count; k++) {
        pair[k] =
            (pare_field_pair){{c->state.pair[k][0], c->state.pair[k][1]}, e->options.cross_rows};
    }
    pare_status status = pare_alloc_zero(c->ctx, fields + count, sizeof *before, &before);
    if (status == PARE_OK) {
        memcpy(before, c->before, (size_t)fields * sizeof *before);
        pare_free(c->ctx, c->before);
        c->before = before;
        c->crosses += count;
        status = pare_fields_cross(&e->fields, count, pair);
    }
    return status;
}

/* Reads state and rows; brings both to the same fields. */
static pare_status open_rows(pare_embed_course *c, const char *path) {
    pare_embed *e = c->embed;
    pare_fields rows = {0};
    pare_status status = pare_embed_state_load(c->ctx, e->options.continue_from, &c->state);
    if (status != PARE_OK) {
        return status;
    }
    int64_t old = c->state.fields.count, *first = NULL;
    e->fields = c->state.fields;
    e->schema = c->state.schema;
    c->state.fields = (pare_fields){0};
    c->state.schema = NULL;
    status = pare_embed_state_options(&c->state, e->fields.target, &e->options);
    c->width = pare_embed_state_chunks(&c->state) + 1;
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, old, sizeof *first, &first);
    }
    for (int64_t f = 0; f < old && status == PARE_OK; f++) {
        first[f] = e->fields.field[f].first;
        c->crosses += e->fields.field[f].kind == PARE_FIELD_CROSS;
    }
    if (status == PARE_OK) {
        status = pare_fields_read(c->ctx, path, (pare_fields_format)e->options.embed_format,
                                  &e->options, &rows);
    }
    if (status == PARE_OK) {
        status = pare_embed_schema_counts(e, &rows);
    }
    if (status == PARE_OK) {
        rows.hash_bits = e->options.hash_bits;
        status = pare_fields_continue(&e->fields, &rows, e->options.minimum_count,
                                      e->options.cross_rows, &c->before);
    }
    pare_fields_clear(&rows);
    if (status == PARE_OK) {
        status = add_proposed(c);
    }
    if (status == PARE_OK) {
        status = trace(c, old, first);
    }
    pare_free(c->ctx, first);
    if (status == PARE_OK) {
        status = pare_embed_set_up(e);
    }
    if (status == PARE_OK) {
        pare_embed_list_fields(e);
        status = grow(c);
    }
    return status;
}

/* Budget and schema of this run, or those of the state. */
static pare_status set_limits(pare_embed_course *c) {
    pare_embed *e = c->embed;
    pare_status status = PARE_OK;
    memcpy(c->limit, c->state.limit, sizeof c->limit);
    if (e->options.budget[0]) {
        status = pare_embed_budget(e);
        memcpy(c->state.limit, e->serving.limit, sizeof c->state.limit);
    } else {
        memcpy(e->serving.limit, c->state.limit, sizeof c->state.limit);
    }
    for (int64_t f = 0; f < e->fields.count; f++) { /* a schema's kinds are those of first sight */
        c->row[f] = (int64_t)e->fields.field[f].kind;
    }
    if (status == PARE_OK) {
        status = pare_embed_schema(e);
    }
    for (int64_t f = 0; f < e->fields.count; f++) {
        e->fields.field[f].kind = (pare_field_kind)c->row[f];
    }
    pare_embed_list_fields(e); /* crosses fetch what their parts do */
    return status;
}

/* By the calibration of the state, or a new one where it has none and the budget asks for it. */
static pare_status set_latency(pare_embed_course *c) {
    pare_embed *e = c->embed;
    e->spec = c->state.machine->spec;
    e->latency.rates = c->state.rates;
    pare_status status = pare_embed_latency_begin(e);
    c->state.rates = e->latency.rates;
    if (status == PARE_OK) {
        uint8_t *all = NULL;
        status = pare_alloc(c->ctx, e->candidates, 1, &all);
        if (status == PARE_OK) {
            memset(all, 1, (size_t)e->candidates);
            pare_serving_cost(&e->serving, all, e->full_cost);
            if (e->options.budget[0] || e->options.schema[0]) { /* said before any work */
                memset(all, 0, (size_t)e->candidates);
                status = pare_serving_choose(&e->serving, e->gain, all);
            }
        }
        pare_free(c->ctx, all);
    }
    return status;
}

static pare_status go_on(pare_embed_course *c, const char *path) {
    pare_embed *e = c->embed;
    pare_embed_window *w = c->window;
    e->began = pare_clock_seconds();
    pare_embed_stage(e, "read", 0, 0.3);
    pare_status status = open_rows(c, path);
    if (status == PARE_OK) {
        status = reserve(c);
    }
    if (status == PARE_OK) {
        status = set_limits(c);
    }
    if (status == PARE_OK) {
        status = set_latency(c);
    }
    if (status != PARE_OK) {
        return status;
    }
    w->number = ++c->state.windows;
    w->added = w->dropped = -1;
    e->train = e->fields.rows;
    e->passes = e->options.passes > 0 ? e->options.passes : 1;
    for (int64_t f = 0; f < e->fields.count; f++) {
        w->before[f] = (uint8_t)pare_embed_kept_of(e, f);
        if (w->before[f]) {
            c->in[f - c->outs] = f;
        } else {
            c->out[c->outs++] = f;
        }
        pare_embed_watch_field(c, f);
    }
    pare_embed_stage(e, "judge", 0.3, 0.5);
    status = pare_embed_watch(c);
    if (status == PARE_OK) {
        status = pare_embed_recognise(c);
    }
    if (status == PARE_OK) {
        status = pare_embed_change(c);
    }
    if (status == PARE_OK) {
        status = pare_embed_propose(c);
    }
    if (status == PARE_OK && e->options.audit) {
        status = pare_embed_audit(c, path);
    }
    if (status == PARE_OK) {
        pare_embed_stage(e, "learn", 0.5, 1);
        status = learn(c);
    }
    if (status == PARE_OK) {
        status = pare_embed_model_out(e, c->state.machine);
    }
    if (status == PARE_OK) {
        memcpy(e->gain, c->state.gain, (size_t)e->candidates * sizeof *e->gain);
        pare_serving_cost(&e->serving, e->keep, e->cost);
        e->cpu_selecting = w->cpu_selecting + w->cpu_audit;
        e->chosen.cpu = w->cpu_training;
        e->full = (pare_embed_score){(double)NAN, (double)NAN, (double)NAN};
        status = pare_embed_reasons(e);
    }
    if (status == PARE_OK) {
        pare_embed_state view = c->state;
        view.keep = e->keep;
        view.fields = e->fields;
        view.schema = e->schema;
        status = pare_embed_state_save(&view, e->options.state[0] ? e->options.state
                                                                  : e->options.continue_from);
    }
    return status;
}

pare_status pare_embed_continue(pare_context *ctx, const char *path, const pare_options *options,
                                pare_embed **out) {
    pare_embed_course c = {.ctx = ctx};
    *out = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *c.embed, &c.embed);
    if (status == PARE_OK) {
        c.embed->ctx = ctx;
        status = pare_options_copy(options, &c.embed->options);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 1, sizeof *c.window, &c.window);
    }
    if (status == PARE_OK) {
        c.embed->window = c.window;
        status = go_on(&c, path);
    }
    void *owned[] = {c.before, c.was,  c.began,  c.out,   c.in,     c.gain, c.loss,   c.probability,
                     c.sums,   c.term, c.picked, c.slope, c.scored, c.row,  c.removal};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    pare_embed_state_clear(&c.state);
    if (status != PARE_OK) {
        pare_embed_free(c.embed);
        return status;
    }
    *out = c.embed;
    return PARE_OK;
}
