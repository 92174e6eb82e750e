/* Changes of a plan that a later file pays for. */
#include "problem/embed_course.h"

#include "platform/system.h"

#include <math.h>

enum { CHUNK = 256 };

#define BOUND 3.0 /* standard errors: many changes are judged */

static void drop(pare_embed_course *c, int64_t f) {
    const pare_field *field = &c->embed->fields.field[f];
    memset(c->embed->keep + f * c->width, 0, (size_t)c->width);
    memset(c->state.sketch + field->first * PARE_EMBED_SKETCH, 0,
           (size_t)(field->size * PARE_EMBED_SKETCH) * sizeof *c->state.sketch);
}

/* Its linear weights begin at the Newton step that was judged; its vectors as fresh ones. */
static void add(pare_embed_course *c, int64_t f) {
    const pare_field *field = &c->embed->fields.field[f];
    pare_field_model *model = c->state.machine;
    for (int64_t r = field->first; r < field->first + field->size; r++) {
        float *sum = c->state.sketch + r * PARE_EMBED_SKETCH;
        model->table[r * model->stride] =
            -sum[0] / (sum[1] + PARE_EMBED_PRIOR * (float)c->state.weight);
        sum[0] = sum[1] = 0;
    }
}

/* Whether the plan without `dropped` (-1: all of it) has room for `added` with its longest vector
 * that fits; the plan: keep. It may not be empty. */
static bool has_room(const pare_embed_course *c, int64_t added, int64_t dropped, uint8_t *keep) {
    const pare_embed *e = c->embed;
    int64_t cost[PARE_RESOURCES];
    memcpy(keep, e->keep, (size_t)e->candidates);
    if (dropped >= 0) {
        memset(keep + dropped * c->width, 0, (size_t)c->width);
    }
    int64_t least = added < 0 || pare_field_spec_linear(&c->state.machine->spec) ? 0 : 1;
    for (int64_t chunks = added < 0 ? 0 : e->serving.chunks; chunks >= least; chunks--) {
        for (int64_t j = 0; added >= 0 && j < c->width; j++) {
            keep[added * c->width + j] = j <= chunks;
        }
        pare_serving_cost(&e->serving, keep, cost);
        if (pare_serving_fits(&e->serving, cost)) {
            return cost[PARE_RESOURCE_BYTES] > 0;
        }
    }
    return false;
}

typedef struct judged {
    double mean, bound;
} judged;

/* Of adding `added` and dropping `dropped` (-1: neither) in the blocks of this window. */
static judged by_window(const pare_embed_course *c, int64_t added, int64_t dropped) {
    double sum = 0, square = 0;
    for (int b = 0; b < PARE_EMBED_BLOCKS; b++) {
        double x = (added < 0 ? 0 : c->gain[added * PARE_EMBED_BLOCKS + b]) +
                   (dropped < 0 ? 0 : c->gain[dropped * PARE_EMBED_BLOCKS + b]);
        sum += x;
        square += x * x;
    }
    double mean = sum / PARE_EMBED_BLOCKS;
    double variance = fmax(square / PARE_EMBED_BLOCKS - mean * mean, 0) / (PARE_EMBED_BLOCKS - 1);
    return (judged){mean, mean - BOUND * sqrt(variance)};
}

/* The same over all windows since the last change. */
static judged by_trace(const pare_embed_course *c, int64_t added, int64_t dropped) {
    double mean = 0, variance = 0;
    for (int k = 0; k < 2; k++) {
        int64_t f = k ? dropped : added;
        if (f >= 0) {
            const double *trace = c->state.trace + f * PARE_EMBED_TRACE;
            mean += trace[1] / trace[0];
            variance += trace[2] / (trace[0] * trace[0]);
        }
    }
    return (judged){mean, mean - BOUND * sqrt(variance)};
}

/* Many windows tell what one is too short for, unless this one speaks against it. */
static judged judge(const pare_embed_course *c, int64_t added, int64_t dropped) {
    judged now = by_window(c, added, dropped), all = by_trace(c, added, dropped);
    return all.bound > now.bound && now.mean > c->embed->options.switch_cost ? all : now;
}

static bool may_drop(const pare_embed *e, int64_t f, int64_t width) {
    return f < 0 || (e->keep[f * width] && !e->pinned[f]);
}

static bool may_add(const pare_embed *e, int64_t f, int64_t width) {
    return f < 0 || (!e->keep[f * width] && !e->banned[f]);
}

/* What was judged beside another plan says nothing of this one. */
static void forget(pare_embed_course *c) {
    memset(c->state.trace, 0,
           (size_t)(c->embed->fields.count * PARE_EMBED_TRACE) * sizeof *c->state.trace);
}

/* The change of the largest bound, if that exceeds the switching cost; a field put in for another
 * must bring something by itself. One a window: gains of two were not judged together. */
static void change(pare_embed_course *c, uint8_t *keep) {
    pare_embed *e = c->embed;
    pare_embed_window *w = c->window;
    double least = e->options.switch_cost;
    for (int64_t added = -1; added < e->fields.count; added++) {
        if (!may_add(e, added, c->width) || (added >= 0 && judge(c, added, -1).bound <= 0)) {
            continue;
        }
        for (int64_t dropped = -1; dropped < e->fields.count; dropped++) {
            if ((added < 0 && dropped < 0) || !may_drop(e, dropped, c->width)) {
                continue;
            }
            judged change = judge(c, added, dropped);
            if (change.bound > least && has_room(c, added, dropped, keep)) {
                least = w->bound = change.bound;
                w->gain = change.mean;
                w->added = added;
                w->dropped = dropped;
            }
        }
    }
    if (w->dropped >= 0 || w->added >= 0) {
        bool fits = has_room(c, w->added, w->dropped, keep);
        if (w->dropped >= 0) {
            drop(c, w->dropped);
        }
        if (w->added >= 0 && fits) {
            add(c, w->added);
        }
        memcpy(e->keep, keep, (size_t)e->candidates);
        forget(c);
    }
}

/* Makes `keep` the plan. */
static void adopt(pare_embed_course *c, const uint8_t *keep) {
    pare_embed *e = c->embed;
    for (int64_t f = 0; f < e->fields.count; f++) {
        bool was = e->keep[f * c->width], is = keep[f * c->width];
        if (was && !is) {
            drop(c, f);
        } else if (is && !was) {
            add(c, f);
        }
    }
    memcpy(e->keep, keep, (size_t)e->candidates);
    forget(c);
}

/* Where vocabularies have outgrown the budget: the best part of the plan that fits. */
static pare_status repair(pare_embed_course *c, uint8_t *keep) {
    pare_embed *e = c->embed;
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(&e->serving, e->keep, cost);
    if (pare_serving_fits(&e->serving, cost)) {
        return PARE_OK;
    }
    for (int64_t i = 0; i < e->candidates; i++) {
        c->removal[i] = e->keep[i] ? fmax(c->state.gain[i], 0) : 0;
    }
    memset(keep, 0, (size_t)e->candidates);
    pare_status status = pare_serving_choose(&e->serving, c->removal, keep);
    if (status != PARE_OK) {
        return status;
    }
    adopt(c, keep);
    c->window->repaired = true;
    return PARE_OK;
}

pare_status pare_embed_change(pare_embed_course *c) {
    double start = pare_thread_cpu_seconds();
    uint8_t *keep = NULL;
    pare_status status = pare_alloc(c->ctx, c->embed->candidates, 1, &keep);
    if (status == PARE_OK) {
        status = repair(c, keep);
    }
    if (status == PARE_OK && !c->window->repaired) {
        change(c, keep);
    }
    c->window->cpu_selecting += pare_thread_cpu_seconds() - start;
    pare_free(c->ctx, keep);
    return status;
}

/* ---- Audit ----------------------------------------------------------------------------------- */

/* The choice of `fresh` in candidates of the state, fields found by name; whether it fits the
 * budget with the tables of the state. */
static bool translate(const pare_embed_course *c, const pare_embed *fresh, uint8_t *keep) {
    const pare_embed *e = c->embed;
    int64_t cost[PARE_RESOURCES];
    for (int64_t f = 0; f < e->fields.count; f++) {
        const char *name = e->fields.field[f].name;
        int64_t at = pare_fields_find(&fresh->fields, name, (int64_t)strlen(name));
        for (int64_t j = 0; j < c->width; j++) {
            keep[f * c->width + j] = at >= 0 && fresh->keep[at * c->width + j];
        }
        c->window->audit[f] = keep[f * c->width];
    }
    pare_serving_cost(&e->serving, keep, cost);
    return pare_serving_fits(&e->serving, cost);
}

/* Mean gain of a new choice over the rows it did not learn from, and its bound. */
static pare_status compare(pare_embed_course *c, pare_embed *fresh) {
    pare_field_model *model = NULL;
    float logit[CHUNK];
    double sum = 0, square = 0, n = (double)fresh->held;
    pare_status status = pare_embed_train(fresh, fresh->keep, &model);
    for (int64_t at = 0; at < fresh->held && status == PARE_OK; at += CHUNK) {
        int64_t count = fresh->held - at < CHUNK ? fresh->held - at : CHUNK;
        pare_field_model_predict(model, &fresh->fields, count, fresh->held_row + at, logit);
        for (int64_t i = 0; i < count; i++) {
            int64_t row = fresh->held_row[at + i];
            float z = logit[i],
                  loss = fmaxf(z, 0) + log1pf(expf(-fabsf(z))) - fresh->fields.label[row] * z;
            double gain = (double)(c->loss[row] - loss);
            sum += gain;
            square += gain * gain;
        }
    }
    pare_field_model_destroy(model);
    if (status == PARE_OK && n > 1) {
        double mean = sum / n, variance = fmax(square / n - mean * mean, 0) / (n - 1);
        c->window->audit_gain = mean;
        c->window->audit_bound = mean - BOUND * sqrt(variance);
    }
    return status;
}

pare_status pare_embed_audit(pare_embed_course *c, const char *path) {
    pare_embed *e = c->embed, *fresh = NULL;
    pare_embed_window *w = c->window;
    pare_options options;
    uint8_t *keep = NULL;
    double start = pare_cpu_seconds();
    pare_status status = pare_options_copy(&e->options, &options);
    if (status != PARE_OK) {
        return status;
    }
    options.rate = 0; /* its own */
    options.crosses = c->crosses;
    status = pare_embed_run_within(c->ctx, path, &options, e, &fresh);
    pare_options_clear(&options);
    if (status == PARE_OK) {
        status = compare(c, fresh);
    }
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, e->candidates, 1, &keep);
    }
    if (status == PARE_OK) {
        bool fits = translate(c, fresh, keep);
        w->audited = true;
        w->adopted = fits && w->audit_bound > e->options.switch_cost;
        w->cpu_audit = pare_cpu_seconds() - start;
    }
    if (status == PARE_OK && w->adopted) {
        adopt(c, keep);
    }
    pare_free(c->ctx, keep);
    pare_embed_free(fresh);
    return status;
}
