#include "api/config.h"
#include "platform/system.h"
#include "problem/certify.h"
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int64_t pare_selection_count(const pare_selection *selection) {
    return selection->count;
}

const int64_t *pare_selection_items(const pare_selection *selection) {
    return selection->number;
}

const char *pare_selection_name(const pare_selection *selection, int64_t rank) {
    return rank >= 0 && rank < selection->count ? selection->item[rank].name : NULL;
}

double pare_selection_score(const pare_selection *selection, int64_t rank) {
    return rank >= 0 && rank < selection->count ? selection->item[rank].score : (double)NAN;
}

bool pare_selection_stopped(const pare_selection *selection) {
    return selection->stopped;
}

double pare_selection_metric(const pare_selection *selection, const char *which, const char *rows) {
    const struct {
        const char *name;
        const pare_comparison *comparison;
    } models[] = {
        {"chosen", &selection->chosen}, {"all", &selection->all}, {"random", &selection->random}};
    for (size_t i = 0; which && rows && i < sizeof models / sizeof models[0]; i++) {
        if (strcmp(models[i].name, which) == 0) {
            return strcmp(rows, "validation") == 0 ? models[i].comparison->validation_score
                   : strcmp(rows, "test") == 0     ? models[i].comparison->test_score
                                                   : (double)NAN;
        }
    }
    return (double)NAN;
}

double pare_selection_path(const pare_selection *selection, int64_t count) {
    for (int64_t i = 0; i < selection->path_points; i++) {
        if (selection->path_count[i] == count) {
            return selection->path_score[i];
        }
    }
    return (double)NAN;
}

/* Hands rendered text to the selection, which keeps it in *cache. */
static pare_status keep_text(pare_text *text, pare_status status, char **cache, const char **out) {
    if (status != PARE_OK) {
        pare_text_clear(text);
        return status;
    }
    pare_free(text->ctx, *cache);
    *cache = text->bytes;
    *out = *cache;
    return PARE_OK;
}

pare_status pare_selection_text(pare_selection *selection, const char **out) {
    *out = NULL;
    pare_text text = {.ctx = selection->ctx};
    pare_report_text(selection, &text);
    return keep_text(&text, text.status, &selection->text, out);
}

pare_status pare_selection_json(pare_selection *selection, const char **out) {
    *out = NULL;
    pare_text text = {.ctx = selection->ctx};
    pare_status status = pare_report_json(selection, &text);
    return keep_text(&text, status, &selection->json, out);
}

/* Renders the whole document first, so that a failure leaves the file untouched. */
static pare_status write_document(const pare_selection *selection, const char *path,
                                  pare_status (*render)(const pare_selection *, pare_text *)) {
    pare_context *ctx = selection->ctx;
    if (!path || !path[0]) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "the output needs a file name");
    }
    pare_text text = {.ctx = ctx};
    pare_status status = render(selection, &text);
    if (status == PARE_OK) {
        status = pare_output_text(&text, path);
    }
    pare_text_clear(&text);
    return status;
}

pare_status pare_selection_save(const pare_selection *selection, const char *path) {
    return write_document(selection, path, pare_report_json);
}

pare_status pare_selection_report(const pare_selection *selection, const char *path) {
    return write_document(selection, path, pare_report_html);
}

pare_status pare_selection_load(pare_context *ctx, const char *path, pare_selection **out) {
    return pare_report_read_json(ctx, path, out);
}

pare_status pare_selection_apply(const pare_selection *selection, const char *in, const char *out) {
    return pare_report_apply(selection, in, out);
}

void pare_selection_destroy(pare_selection *selection) {
    pare_selection_free(selection);
}

pare_status pare_selection_certify(pare_selection *selection, pare_dataset *train,
                                   const pare_config *config, pare_progress_fn progress,
                                   void *user) {
    if (!selection || !train || !config) {
        return PARE_ERROR_ARGUMENT;
    }
    return pare_certify(selection, train, &config->options, progress, user);
}

pare_status pare_selection_from_names(pare_dataset *dataset, const char *path,
                                      const pare_config *config, pare_selection **out) {
    *out = NULL;
    if (!dataset || !path || !config) {
        return PARE_ERROR_ARGUMENT;
    }
    return pare_selection_read_names(dataset, path, &config->options, out);
}

double pare_selection_proved(const pare_selection *selection, const char *what) {
    return selection && what ? pare_report_proved(selection, what) : (double)NAN;
}

const char *pare_selection_option(pare_selection *selection, const char *name) {
    int64_t index = selection && name ? pare_option_index(name) : -1;
    if (index < 0 || !selection->has_options) {
        return NULL;
    }
    return pare_options_get(&selection->options, index, selection->option_text,
                            sizeof selection->option_text);
}
