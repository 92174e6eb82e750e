#include "select/selection.h"

#include <math.h>

static void free_texts(pare_context *ctx, int64_t count, char **text) {
    for (int64_t i = 0; text && i < count; i++) {
        pare_free(ctx, text[i]);
    }
    pare_free(ctx, text);
}

void pare_selection_free(pare_selection *selection) {
    if (!selection) {
        return;
    }
    pare_context *ctx = selection->ctx;
    for (int64_t i = 0; selection->item && i < selection->count; i++) {
        pare_free(ctx, selection->item[i].name);
        free_texts(ctx, selection->item[i].columns, selection->item[i].column);
    }
    free_texts(ctx, selection->target_columns, selection->target_name);
    free_texts(ctx, selection->warnings, selection->warning);
    free_texts(ctx, selection->proof.frequencies, selection->proof.frequency_name);
    void *const owned[] = {
        selection->item,          selection->number,
        selection->path_count,    selection->path_score,
        selection->path_error,    selection->trace_epoch,
        selection->trace_loss,    selection->correlation,
        selection->method,        selection->model,
        selection->task,          selection->score_name,
        selection->data_source,   selection->data_summary,
        selection->data_checksum, selection->weight_name,
        selection->version,       selection->machine,
        selection->created,       selection->text,
        selection->json,          selection->proof.frequency,
    };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    if (selection->has_options) {
        pare_options_clear(&selection->options);
    }
    pare_free(ctx, selection);
}

double pare_selection_cost(const pare_selection *selection) {
    double cost = 0;
    for (int64_t i = 0; i < selection->count; i++) {
        cost += selection->item[i].cost;
    }
    return selection->budget > 0 ? cost : (double)NAN;
}
