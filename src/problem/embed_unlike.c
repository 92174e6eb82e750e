/* Files that are hardly what the state was made for: another data set, a label that went wrong. */
#include "problem/embed_course.h"

#include <math.h>

/* Below that probability by the model, labels all alike are a mistake. */
#define PLAUSIBLE 1e-6

/* More than half of the kept fields without a single cell. */
static pare_status look_at_fields(const pare_embed_course *c) {
    const pare_embed *e = c->embed;
    int64_t kept = 0, absent = 0, first = -1;
    for (int64_t f = 0; f < e->fields.count; f++) {
        bool gone = c->window->before[f] > 0 && c->window->absent[f];
        kept += c->window->before[f] > 0;
        absent += gone;
        first = gone && first < 0 ? f : first;
    }
    return 2 * absent > kept && !e->options.accept
               ? pare_fail(c->ctx, PARE_ERROR_INPUT,
                           "%s: %lld of the %lld kept fields have no cell, such as '%s'; expected "
                           "rows like those before, or option accept",
                           e->fields.source, (long long)absent, (long long)kept, e->name[first])
               : PARE_OK;
}

static pare_status look_at_labels(const pare_embed_course *c) {
    const pare_embed *e = c->embed;
    pare_embed_window *w = c->window;
    int64_t ones = 0, rows = e->fields.rows;
    for (int64_t i = 0; i < rows; i++) {
        ones += e->fields.label[i] > 0;
    }
    if (ones > 0 && ones < rows) {
        return PARE_OK;
    }
    w->alike = true;
    w->label = ones > 0;
    w->likely = exp(-e->chosen.log_loss * (double)rows);
    return w->likely < PLAUSIBLE && !e->options.accept
               ? pare_fail(c->ctx, PARE_ERROR_INPUT,
                           "%s: all %lld rows have the label %d, by the model with a probability "
                           "below 1e-6; expected both, or option accept",
                           e->fields.source, (long long)rows, w->label)
               : PARE_OK;
}

pare_status pare_embed_recognise(pare_embed_course *c) {
    pare_status status = look_at_fields(c);
    return status == PARE_OK ? look_at_labels(c) : status;
}
