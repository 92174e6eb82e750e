#include "problem/certify.h"
#include "base/text.h"
#include "platform/system.h"
#include "problem/defaults.h"

#include <math.h>
#include <string.h>

void pare_certified_subject_clear(pare_certified_subject *t) {
    pare_design_destroy(&t->design);
    pare_free(t->ctx, t->target);
    pare_free(t->ctx, t->fixed);
    if (t->ctx) {
        pare_costs_clear(&t->costs);
    }
    *t = (pare_certified_subject){0};
}

/* Responses standardised (the proven fraction does not depend on their units), or classes. */
static pare_status fill_target(const pare_dataset *train, pare_certified_subject *t) {
    int64_t rows = t->design.rows, m = t->problem.outputs;
    int64_t cells = 0;
    if (!pare_checked_multiply(rows, m, &cells)) {
        return pare_fail(t->ctx, PARE_ERROR_MEMORY, "out of memory: %lld targets of %lld rows",
                         (long long)m, (long long)rows);
    }
    pare_status status = pare_alloc_zero(t->ctx, cells, sizeof *t->target, &t->target);
    for (int64_t i = 0; status == PARE_OK && i < rows; i++) {
        int64_t row = train->train[i];
        if (t->problem.loss == PARE_CERTIFIED_LOGISTIC) {
            t->target[i] = train->label[row] == 1;
        } else if (t->problem.loss == PARE_CERTIFIED_SOFTMAX) {
            t->target[train->label[row] * rows + i] = 1;
        } else {
            for (int64_t c = 0; c < m; c++) {
                double scale = (double)train->target_scale[c];
                t->target[c * rows + i] =
                    ((double)train->target[row * m + c] - (double)train->target_mean[c]) *
                    (scale > 0 ? scale : 1);
            }
        }
    }
    t->problem.target = t->target;
    return status;
}

/* Candidates of a comma-separated option, if all of them are there. */
static void fix_listed(const pare_dataset *train, const char *list, int8_t value, int8_t *fixed) {
    const char *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&list, &item, &length)) {
        int64_t c = pare_dataset_find(train, item, length);
        if (c >= 0) {
            fixed[c] = value;
        }
    }
}

pare_status pare_certified_subject_init(pare_dataset *train, const pare_options *options, int64_t k,
                                        pare_certified_subject *t) {
    pare_context *ctx = train->ctx;
    *t = (pare_certified_subject){.ctx = ctx};
    pare_status status = pare_design_create(train, &t->design);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < t->design.rows; i++) {
        t->total += t->design.weight ? t->design.weight[i] : 1;
    }
    t->problem = (pare_certified_problem){
        .ctx = ctx,
        .design = &t->design,
        .loss = train->kind == PARE_KIND_REGRESSION ? PARE_CERTIFIED_SQUARED
                : train->kind == PARE_KIND_BINARY   ? PARE_CERTIFIED_LOGISTIC
                                                    : PARE_CERTIFIED_SOFTMAX,
        .outputs = train->kind == PARE_KIND_BINARY ? 1 : train->outputs,
        .intercept = true,
        .ridge = options->certify_ridge * t->total,
        .budget = (double)k,
    };
    status = fill_target(train, t);
    if (status == PARE_OK) {
        status = pare_costs_read(train, options, &t->costs);
    }
    if (status == PARE_OK && t->costs.cost) { /* of all within the budget, however many */
        t->problem.cost = t->costs.cost;
        t->problem.budget = t->costs.budget;
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, train->candidates, sizeof *t->fixed, &t->fixed);
    }
    if (status == PARE_OK) {
        fix_listed(train, options->exclude, -1, t->fixed);
        fix_listed(train, options->include, 1, t->fixed);
        t->problem.fixed = t->fixed;
    } else {
        pare_certified_subject_clear(t);
    }
    return status;
}

/* Numbers of the chosen in `train`, by name. */
static pare_status find_items(const pare_selection *selection, const pare_dataset *train,
                              int64_t **out) {
    pare_context *ctx = train->ctx;
    pare_status status = pare_alloc(ctx, selection->count, sizeof **out, out);
    for (int64_t i = 0; status == PARE_OK && i < selection->count; i++) {
        const char *name = selection->item[i].name;
        int64_t c = selection->item[i].candidate;
        bool same = c >= 0 && c < train->candidates && strcmp(train->candidate_name[c], name) == 0;
        (*out)[i] = same ? c : pare_dataset_find(train, name, (int64_t)strlen(name));
        if ((*out)[i] < 0) {
            return pare_fail(ctx, PARE_ERROR_INPUT,
                             "the selection names '%s', which %s does not have", name,
                             train->table.source);
        }
    }
    return status;
}

static void record(pare_selection *selection, const pare_certified_subject *t, const int64_t *item,
                   const pare_certificate *certificate, double ridge) {
    pare_certificate_result r;
    pare_certificate_result_of(certificate, &r);
    const int8_t *verdict = pare_certificate_verdicts(certificate);
    for (int64_t i = 0; i < selection->count; i++) {
        selection->item[i].verdict = verdict[item[i]];
        selection->item[i].cost = t->costs.cost ? t->costs.cost[item[i]] : 0;
    }
    selection->budget = t->costs.budget;
    selection->proof.certified = true;
    selection->proof.certificate.fraction = r.fraction;
    selection->proof.certificate.loss = r.loss / t->total;
    selection->proof.certificate.best_loss = r.best_loss / t->total;
    selection->proof.certificate.bound = r.bound / t->total;
    selection->proof.certificate.null_loss = r.null_loss / t->total;
    selection->proof.certificate.ridge = ridge;
    selection->proof.certificate.every = (double)r.every;
    selection->proof.certificate.none = (double)r.none;
    selection->proof.certificate.undecided = (double)r.undecided;
    selection->proof.certificate.seconds = r.seconds;
    selection->proof.certificate.converged = r.converged;
    selection->proof.certificate.nodes = 0;
}

static bool shown(pare_progress_fn progress, void *user, const pare_certificate *certificate,
                  int64_t count, double limit, double *last) {
    pare_certificate_result r;
    pare_certificate_result_of(certificate, &r);
    if (!progress || r.seconds - *last < 0.1) {
        return false;
    }
    *last = r.seconds;
    pare_progress state = {.size = sizeof state,
                           .stage = "certify",
                           .fraction = limit > 0 ? fmin(1, r.seconds / limit) : 0,
                           .seconds = r.seconds,
                           .seconds_left = -1,
                           .chosen = count,
                           .wanted = count,
                           .loss = NAN};
    return progress(user, &state) != 0;
}

pare_status pare_certify(pare_selection *selection, pare_dataset *train,
                         const pare_options *options, pare_progress_fn progress, void *user) {
    pare_context *ctx = selection->ctx;
    pare_certified_subject t = {0};
    int64_t *item = NULL;
    pare_certificate *certificate = NULL;
    if (selection->count == 0) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "nothing is chosen, so there is nothing to certify");
    }
    pare_status status = find_items(selection, train, &item);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_certified_subject_init(train, options, selection->count, &t);
    if (status != PARE_OK) {
        goto fail;
    }
    const pare_certificate_options limits = {.seconds = options->certify_seconds};
    status = pare_certificate_create(&t.problem, &limits, selection->count, item, &certificate);
    if (status != PARE_OK) {
        goto fail;
    }
    double last = 0;
    for (bool done = false, stop = false; !done && !stop;) {
        status = pare_certificate_step(certificate, &done);
        if (status != PARE_OK) {
            goto fail;
        }
        stop =
            shown(progress, user, certificate, selection->count, options->certify_seconds, &last);
    }
    record(selection, &t, item, certificate, options->certify_ridge);
fail:
    pare_certificate_destroy(certificate);
    pare_certified_subject_clear(&t);
    pare_free(train->ctx, item);
    return status;
}

/* ---- A list of names ----------------------------------------------------------------------- */

pare_status pare_selection_read_names(pare_dataset *data, const char *path,
                                      const pare_options *options, pare_selection **out) {
    *out = NULL;
    pare_context *ctx = data->ctx;
    pare_map map = {0};
    pare_choice choice = {.loss = NAN, .stage = "read", .fraction = 1};
    uint8_t *seen = NULL;
    pare_status status = pare_map_open(ctx, path, true, &map);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_alloc(ctx, data->candidates, sizeof *choice.item, &choice.item);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, data->candidates, sizeof *choice.score, &choice.score);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, data->candidates, 1, &seen);
    }
    long long line = 0;
    for (int64_t at = 0; status == PARE_OK && at < map.length;) {
        const char *text = (const char *)map.bytes + at;
        const char *end = memchr(text, '\n', (size_t)(map.length - at));
        int64_t length = end ? end - text : map.length - at;
        at += length + 1;
        line++;
        while (length > 0 && (text[length - 1] == '\r' || text[length - 1] == ' ')) {
            length--;
        }
        if (length == 0) {
            continue;
        }
        int64_t c = pare_dataset_find(data, text, length);
        if (c < 0 || seen[c]) {
            int shown_length = (int)(length < 200 ? length : 200);
            status = pare_fail(ctx, PARE_ERROR_INPUT,
                               c < 0 ? "%s line %lld: '%.*s' is no candidate of the data"
                                     : "%s line %lld: '%.*s' is named twice",
                               path, line, shown_length, text);
            break;
        }
        seen[c] = 1;
        choice.item[choice.count] = c;
        choice.score[choice.count++] = NAN;
    }
    if (status == PARE_OK && choice.count == 0) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: no names; one a line is expected", path);
    }
    if (status == PARE_OK) {
        status = pare_choice_record(data, NULL, options, &choice, 0, 0, out);
    }
    pare_map_close(&map);
    pare_free(ctx, choice.item);
    pare_free(ctx, choice.score);
    pare_free(ctx, seen);
    return status;
}
