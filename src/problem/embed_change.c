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

/* One field in, for others. */
typedef struct exchange {
    int64_t added; /* -1: none */
    int64_t count;
    int64_t *dropped; /* (count) of room for (fields) */
    double mean, bound;
} exchange;

/* Puts a field into the plan with its longest vector that fits; false: none does, and the shortest
 * stands there. */
static bool put_in(const pare_embed_course *c, int64_t f, uint8_t *keep) {
    const pare_embed *e = c->embed;
    int64_t cost[PARE_RESOURCES], least = pare_field_spec_linear(&c->state.machine->spec) ? 0 : 1;
    for (int64_t chunks = e->serving.chunks; chunks >= least; chunks--) {
        for (int64_t j = 0; j < c->width; j++) {
            keep[f * c->width + j] = j <= chunks;
        }
        pare_serving_cost(&e->serving, keep, cost);
        if (pare_serving_fits(&e->serving, cost)) {
            return true;
        }
    }
    return false;
}

/* Within the budget, and not empty. */
static bool is_plan(const pare_embed_course *c, const uint8_t *keep) {
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(&c->embed->serving, keep, cost);
    return pare_serving_fits(&c->embed->serving, cost) && cost[PARE_RESOURCE_BYTES] > 0;
}

/* Whether the plan without what is dropped has room for what is added with its longest vector that
 * fits; the plan: keep. It may not be empty. */
static bool has_room(const pare_embed_course *c, const exchange *x, uint8_t *keep) {
    memcpy(keep, c->embed->keep, (size_t)c->embed->candidates);
    for (int64_t k = 0; k < x->count; k++) {
        memset(keep + x->dropped[k] * c->width, 0, (size_t)c->width);
    }
    return x->added < 0 ? is_plan(c, keep) : put_in(c, x->added, keep) && is_plan(c, keep);
}

/* Which field an exchange changes, one after the other; false past the last. */
static bool changed(const exchange *x, int64_t k, int64_t *field) {
    k -= x->added >= 0;
    *field = k < 0 ? x->added : k < x->count ? x->dropped[k] : -1;
    return *field >= 0;
}

/* Mean gain in the blocks of this window, and its bound. */
static void judge_by_window(const pare_embed_course *c, exchange *x) {
    double sum = 0, square = 0;
    for (int b = 0; b < PARE_EMBED_BLOCKS; b++) {
        double gain = 0;
        for (int64_t k = 0, f = 0; changed(x, k, &f); k++) {
            gain += c->gain[f * PARE_EMBED_BLOCKS + b];
        }
        sum += gain;
        square += gain * gain;
    }
    x->mean = sum / PARE_EMBED_BLOCKS;
    double variance = fmax(square / PARE_EMBED_BLOCKS - x->mean * x->mean, 0);
    x->bound = x->mean - BOUND * sqrt(variance / (PARE_EMBED_BLOCKS - 1));
}

/* The same over all windows since the last change, if they tell more and this window does not speak
 * against it. */
static void judge(const pare_embed_course *c, exchange *x) {
    double mean = 0, variance = 0;
    judge_by_window(c, x);
    for (int64_t k = 0, f = 0; changed(x, k, &f); k++) {
        const double *trace = c->state.trace + f * PARE_EMBED_TRACE;
        mean += trace[1] / trace[0];
        variance += trace[2] / (trace[0] * trace[0]);
    }
    double bound = mean - BOUND * sqrt(variance);
    if (bound > x->bound && x->mean > c->embed->options.switch_cost) {
        x->mean = mean;
        x->bound = bound;
    }
}

static bool may_drop(const pare_embed *e, int64_t f, int64_t width) {
    return e->keep[f * width] && !e->pinned[f];
}

/* The field that costs least to leave out, beside those that the exchange drops; -1: none. */
static int64_t next_dropped(const pare_embed_course *c, const exchange *x) {
    int64_t best = -1;
    double most = 0;
    for (int64_t f = 0; f < c->embed->fields.count; f++) {
        const double *trace = c->state.trace + f * PARE_EMBED_TRACE;
        bool open = may_drop(c->embed, f, c->width);
        for (int64_t k = 0; k < x->count; k++) {
            open = open && x->dropped[k] != f;
        }
        if (open && (best < 0 || trace[1] / trace[0] > most)) {
            best = f;
            most = trace[1] / trace[0];
        }
    }
    return best;
}

/* Takes the exchange if it beats the best, more fields going where there is no room. */
static void consider(const pare_embed_course *c, exchange *x, exchange *best, uint8_t *keep) {
    judge(c, x);
    while (x->bound > best->bound) {
        if (has_room(c, x, keep)) {
            memcpy(best->dropped, x->dropped, (size_t)x->count * sizeof *x->dropped);
            *best = (exchange){x->added, x->count, best->dropped, x->mean, x->bound};
            return;
        }
        int64_t next = x->added >= 0 ? next_dropped(c, x) : -1;
        if (next < 0) {
            return;
        }
        x->dropped[x->count++] = next;
        judge(c, x);
    }
}

/* What was judged beside another plan: where returns diminish, fields left out bring no less when
 * others leave (`left`: they do), and kept ones are worth no more when others come in (`came`); the
 * rest is judged anew. Before the exchange is made. */
static void forget(pare_embed_course *c, bool left, bool came) {
    for (int64_t f = 0; f < c->embed->fields.count; f++) {
        if (c->embed->keep[f * c->width] ? left : came) {
            memset(c->state.trace + f * PARE_EMBED_TRACE, 0,
                   PARE_EMBED_TRACE * sizeof *c->state.trace);
        }
    }
}

/* The exchange of the largest bound above that of best. all: also of fields that do not surely
 * bring something by themselves. trial: room for (fields). */
static void find(const pare_embed_course *c, bool all, int64_t *trial, exchange *best,
                 uint8_t *keep) {
    const pare_embed *e = c->embed;
    for (int64_t added = -1; added < e->fields.count; added++) {
        exchange x = {added, 0, trial, 0, 0};
        if (added >= 0) {
            judge(c, &x);
            if (e->keep[added * c->width] || e->banned[added] || (!all && x.bound <= 0)) {
                continue;
            }
            consider(c, &x, best, keep);
        }
        for (int64_t f = 0; f < e->fields.count; f++) {
            if (may_drop(e, f, c->width)) {
                x.count = 1;
                x.dropped[0] = f;
                consider(c, &x, best, keep);
            }
        }
    }
}

/* What comes nearest to paying, for the report. */
static void find_rejected(pare_embed_course *c, int64_t *trial, int64_t *best_dropped,
                          uint8_t *keep) {
    pare_embed_window *w = c->window;
    exchange best = {-1, 0, best_dropped, 0, -(double)INFINITY};
    find(c, true, trial, &best, keep);
    if (best.added >= 0) {
        w->rejected[best.added] = PARE_EMBED_COMES;
    }
    for (int64_t k = 0; k < best.count; k++) {
        w->rejected[best.dropped[k]] = PARE_EMBED_GOES;
    }
    if (best.added >= 0 || best.count > 0) {
        w->gain = best.mean;
        w->bound = best.bound;
    }
}

/* The exchange of the largest bound, if that exceeds the switching cost; a field put in for others
 * must bring something by itself. One a window: gains of two were not judged together. trial, best:
 * room for (fields) each. */
static void change(pare_embed_course *c, int64_t *trial, int64_t *best_dropped, uint8_t *keep) {
    pare_embed *e = c->embed;
    pare_embed_window *w = c->window;
    exchange best = {-1, 0, best_dropped, 0, e->options.switch_cost};
    find(c, false, trial, &best, keep);
    if (best.added < 0 && best.count == 0) {
        find_rejected(c, trial, best_dropped, keep);
        return;
    }
    bool fits = has_room(c, &best, keep);
    forget(c, best.count > 0, best.added >= 0);
    for (int64_t k = 0; k < best.count; k++) {
        drop(c, best.dropped[k]);
    }
    if (best.added >= 0 && fits) {
        add(c, best.added);
    }
    memcpy(e->keep, keep, (size_t)e->candidates);
    w->gain = best.mean;
    w->bound = best.bound;
    w->added = best.added;
    w->dropped = best.count > 0 ? best.dropped[0] : -1;
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
    forget(c, true, true);
    memcpy(e->keep, keep, (size_t)e->candidates);
}

/* ---- Repair ---------------------------------------------------------------------------------- */

/* Why the plan is no longer within the budget; 0: it is. */
static int over_budget(const pare_embed_course *c) {
    const pare_embed *e = c->embed;
    int64_t cost[PARE_RESOURCES];
    int why = 0;
    pare_serving_cost(&e->serving, e->keep, cost);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        if (cost[r] > e->serving.limit[r]) {
            why |= cost[r] <= c->limit[r]     ? PARE_EMBED_SMALLER
                   : r == PARE_RESOURCE_FETCH ? PARE_EMBED_DEARER
                                              : PARE_EMBED_GROWN;
        }
    }
    return why;
}

/* Where bans have left nothing, the field that is judged to bring most goes in. */
static void put_in_best(const pare_embed_course *c, uint8_t *keep) {
    const pare_embed *e = c->embed;
    int64_t best = -1;
    for (int64_t f = 0; f < e->fields.count; f++) {
        const double *gain = c->state.gain;
        bool better = best < 0 || gain[f * c->width] > gain[best * c->width];
        if (better && !e->banned[f] && put_in(c, f, keep)) {
            best = f;
        }
        memset(keep + f * c->width, 0, (size_t)c->width);
    }
    if (best >= 0) {
        (void)put_in(c, best, keep);
    }
}

/* What the schema bans goes, what it pins comes. Returns whether that changes anything. */
static bool obey(const pare_embed_course *c, uint8_t *keep) {
    const pare_embed *e = c->embed;
    bool changed = false;
    int64_t kept = 0;
    memcpy(keep, e->keep, (size_t)e->candidates);
    for (int64_t f = 0; f < e->fields.count; f++) {
        if (keep[f * c->width] && e->banned[f]) {
            memset(keep + f * c->width, 0, (size_t)c->width);
            changed = true;
        }
        kept += keep[f * c->width];
    }
    for (int64_t f = 0; f < e->fields.count; f++) {
        if (e->pinned[f] && !keep[f * c->width]) {
            (void)put_in(c, f, keep);
            changed = true;
            kept++;
        }
    }
    if (kept == 0) {
        put_in_best(c, keep);
    }
    return changed;
}

/* What choosing anew goes by: losses of leaving out, of newly pinned fields the mean of these. */
static void worth(const pare_embed_course *c, double *gain) {
    const pare_embed *e = c->embed;
    double sum = 0, count = 0;
    for (int64_t i = 0; i < e->candidates; i++) {
        gain[i] = e->keep[i] ? fmax(c->state.gain[i], 0) : 0;
        sum += gain[i];
        count += e->keep[i];
    }
    for (int64_t i = 0; i < e->candidates; i++) {
        int64_t f = i / c->width;
        gain[i] = e->pinned[f] && !e->keep[f * c->width] && count > 0 ? sum / count : gain[i];
    }
}

/* Where vocabularies have outgrown the budget, or budget and schema are others: what the schema
 * wants, or the best part of it that fits. */
static pare_status repair(pare_embed_course *c, uint8_t *keep) {
    pare_embed *e = c->embed;
    int why = over_budget(c) | (obey(c, keep) ? PARE_EMBED_SCHEMA : 0);
    if (why == 0) {
        return PARE_OK;
    }
    if (!is_plan(c, keep)) {
        worth(c, c->removal);
        memset(keep, 0, (size_t)e->candidates);
        pare_status status = pare_serving_choose(&e->serving, c->removal, keep);
        if (status != PARE_OK) {
            return status;
        }
    }
    adopt(c, keep);
    c->window->repaired = why;
    return PARE_OK;
}

pare_status pare_embed_change(pare_embed_course *c) {
    double start = pare_thread_cpu_seconds();
    uint8_t *keep = NULL;
    int64_t *dropped = NULL, fields = c->embed->fields.count;
    pare_status status = pare_alloc(c->ctx, c->embed->candidates, 1, &keep);
    if (status == PARE_OK) {
        status = pare_alloc(c->ctx, 2 * fields, sizeof *dropped, &dropped);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(c->ctx, fields, 1, &c->window->rejected);
    }
    if (status == PARE_OK) {
        status = repair(c, keep);
    }
    if (status == PARE_OK && !c->window->repaired) {
        change(c, dropped, dropped + fields, keep);
    }
    c->window->cpu_selecting += pare_thread_cpu_seconds() - start;
    pare_free(c->ctx, dropped);
    pare_free(c->ctx, keep);
    return status;
}

/* ---- Audit ----------------------------------------------------------------------------------- */

/* The choice of `fresh` in candidates of the state, fields found by name; whether it fits the
 * budget with the tables of the state. */
static bool translate(const pare_embed_course *c, const pare_embed *fresh, uint8_t *keep) {
    const pare_embed *e = c->embed;
    int64_t cost[PARE_RESOURCES];
    bool allowed = true;
    for (int64_t f = 0; f < e->fields.count; f++) {
        const char *name = e->fields.field[f].name;
        int64_t at = pare_fields_find(&fresh->fields, name, (int64_t)strlen(name));
        for (int64_t j = 0; j < c->width; j++) {
            keep[f * c->width + j] = at >= 0 && fresh->keep[at * c->width + j];
        }
        c->window->audit[f] = keep[f * c->width];
        allowed = allowed && (keep[f * c->width] || !e->pinned[f]); /* the file may lack it */
    }
    pare_serving_cost(&e->serving, keep, cost);
    return allowed && pare_serving_fits(&e->serving, cost);
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
            float loss = pare_embed_row_loss(logit[i], fresh->fields.label[row]);
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
