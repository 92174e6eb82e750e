#include "api/config.h"
#include "platform/system.h"
#include "report/embed_report.h"

struct pare_embedding {
    pare_context *ctx;
    pare_embed *embed;
    pare_text text;
};

pare_status pare_embedding_create(pare_context *ctx, const char *path, const pare_config *config,
                                  pare_embedding **out) {
    *out = NULL;
    if (!path || !config) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "an embedding plan needs a path and a config");
    }
    pare_embedding *plan = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *plan, &plan);
    if (status != PARE_OK) {
        return status;
    }
    plan->ctx = ctx;
    plan->text.ctx = ctx;
    status = pare_embed_run(ctx, path, &config->options, &plan->embed);
    if (status != PARE_OK) {
        pare_embedding_destroy(plan);
        return status;
    }
    *out = plan;
    return PARE_OK;
}

pare_status pare_embedding_text(pare_embedding *plan, const char **out) {
    *out = NULL;
    pare_text_clear(&plan->text);
    plan->text = (pare_text){.ctx = plan->ctx};
    pare_embed_report_text(plan->embed, &plan->text);
    if (plan->text.status == PARE_OK) {
        *out = plan->text.bytes;
    }
    return plan->text.status;
}

/* Writes what `put` appends, whole or not at all. */
static pare_status write_file(const pare_embedding *plan, const char *path,
                              void (*put)(const pare_embed *, pare_text *)) {
    pare_text text = {.ctx = plan->ctx};
    pare_output output = {0};
    put(plan->embed, &text);
    pare_status status = text.status;
    if (status == PARE_OK) {
        status = pare_output_open(plan->ctx, path, &output);
    }
    if (status == PARE_OK) {
        (void)fwrite(text.bytes, 1, (size_t)text.length, output.file);
        status = pare_output_commit(&output);
    }
    pare_text_clear(&text);
    return status;
}

pare_status pare_embedding_save(const pare_embedding *plan, const char *path) {
    return write_file(plan, path, pare_embed_report_json);
}

pare_status pare_embedding_report(const pare_embedding *plan, const char *path) {
    return write_file(plan, path, pare_embed_report_html);
}

void pare_embedding_destroy(pare_embedding *plan) {
    if (plan) {
        pare_embed_free(plan->embed);
        pare_text_clear(&plan->text);
        pare_free(plan->ctx, plan);
    }
}
