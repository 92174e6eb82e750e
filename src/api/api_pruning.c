#include "api/config.h"
#include "platform/system.h"
#include "report/prune_report.h"

struct pare_pruning {
    pare_prune_record *record;
};

pare_status pare_pruning_create(pare_model *model, const pare_config *config, const char *text,
                                pare_progress_fn progress, void *user, pare_pruning **out) {
    pare_context *ctx = model->ctx;
    pare_pruning *p = NULL;
    *out = NULL;
    if (!config) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "work on a model needs a config");
    }
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *p, &p);
    if (status == PARE_OK) {
        status =
            pare_prune_record_create(model, &config->options, text, progress, user, &p->record);
    }
    if (status != PARE_OK) {
        pare_free(ctx, p);
        return status;
    }
    *out = p;
    return PARE_OK;
}

pare_status pare_pruning_add(pare_pruning *pruning, pare_model *pruned, const pare_config *config,
                             const double *seconds, pare_progress_fn progress, void *user) {
    if (!config) {
        return pare_fail(pruned->ctx, PARE_ERROR_ARGUMENT, "work on a model needs a config");
    }
    return pare_prune_record_add(pruning->record, pruned, &config->options, seconds, progress,
                                 user);
}

pare_status pare_pruning_report(const pare_pruning *pruning, const char *path) {
    pare_context *ctx = pruning->record->ctx;
    pare_text text = {.ctx = ctx};
    if (pruning->record->points < 2) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "there is no pruned model to report on");
    }
    pare_prune_report_html(pruning->record, &text);
    pare_status status = pare_output_text(&text, path);
    pare_text_clear(&text);
    return status;
}

void pare_pruning_destroy(pare_pruning *pruning) {
    if (pruning) {
        pare_context *ctx = pruning->record->ctx;
        pare_prune_record_free(pruning->record);
        pare_free(ctx, pruning);
    }
}
