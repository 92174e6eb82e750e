#include "api/config.h"
#include "base/text.h"
#include "model/field_file.h"
#include "platform/system.h"
#include "report/embed_report.h"

#include <math.h>
#include <string.h>

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
    const pare_options *options = &config->options;
    bool state = options->continue_from[0] || options->state[0];
    status = state ? pare_embed_state_check(ctx, options) : PARE_OK;
    if (status == PARE_OK && options->continue_from[0]) {
        status = pare_embed_continue(ctx, path, options, &plan->embed);
    } else if (status == PARE_OK) {
        status = pare_embed_run(ctx, path, options, &plan->embed);
        if (status == PARE_OK && (options->state[0] || options->model_out[0])) {
            status = pare_embed_state_begin(plan->embed, options->state);
        }
    }
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
    put(plan->embed, &text);
    pare_status status = pare_output_text(&text, path);
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

/* Fills what fits into the caller's struct. */
static void give_scores(const pare_embed_score *score, int64_t rows, const pare_fields *fields,
                        pare_embedding_scores *out) {
    if (out) {
        pare_embedding_scores all = {.size = sizeof all,
                                     .rows = rows,
                                     .log_loss = score->log_loss,
                                     .auc = score->auc,
                                     .cpu_seconds = score->cpu};
        for (int64_t f = 0; fields && f < fields->count; f++) {
            all.hashed_ids += fields->field[f].ids;
            all.shared_ids += fields->field[f].shared;
            all.crowded_ids += fields->field[f].crowded;
        }
        size_t size = out->size < sizeof all ? out->size : sizeof all;
        memcpy(out, &all, size);
        out->size = size;
    }
}

pare_status pare_embedding_train(pare_context *ctx, const char *path, const pare_config *config,
                                 const char *folder, pare_embedding_scores *scores) {
    if (!path || !config || !folder) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "training needs rows, a config and a folder");
    }
    pare_embed *embed = NULL;
    pare_status status = pare_field_model_check(ctx, folder, config->options.overwrite);
    if (status == PARE_OK) {
        status = pare_embed_fit(ctx, path, &config->options, &embed);
    }
    if (status == PARE_OK) {
        const char *target = embed->fields.target;
        status = pare_field_model_save(embed->model, &embed->fields, target ? target : "", folder,
                                       config->options.overwrite);
    }
    if (status == PARE_OK) {
        if (embed->held == 0) {
            embed->chosen.log_loss = embed->chosen.auc = (double)NAN;
        }
        give_scores(&embed->chosen, embed->train, &embed->fields, scores);
    }
    pare_embed_free(embed);
    return status;
}

static pare_status write_probabilities(pare_context *ctx, const char *path, int64_t rows,
                                       const float *probability) {
    pare_text text = {.ctx = ctx};
    pare_text_append(&text, "probability\n");
    for (int64_t i = 0; i < rows; i++) {
        char number[PARE_REAL_SIZE];
        pare_text_append(&text, "%s\n", pare_real_text((double)probability[i], number));
    }
    pare_status status = pare_output_text(&text, path);
    pare_text_clear(&text);
    return status;
}

pare_status pare_embedding_score(pare_context *ctx, const char *folder, const char *path,
                                 const pare_config *config, const char *out,
                                 pare_embedding_scores *scores) {
    if (!folder || !path || !config || !out) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "scoring needs a folder, rows, config and output");
    }
    int64_t rows = 0;
    float *probability = NULL;
    pare_embed_score score;
    pare_status status =
        pare_embed_apply(ctx, folder, path, &config->options, &rows, &probability, &score);
    if (status == PARE_OK) {
        status = write_probabilities(ctx, out, rows, probability);
    }
    if (status == PARE_OK) {
        give_scores(&score, rows, NULL, scores);
    }
    pare_free(ctx, probability);
    return status;
}
