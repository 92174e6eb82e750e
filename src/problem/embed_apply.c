/* A field model saved, and on new rows. */
#include "model/field_file.h"
#include "problem/embed.h"

#include "platform/system.h"

#include <math.h>

enum { BATCH = 1024 };

static pare_status predict(pare_field_model *model, const pare_fields *fields, float *out) {
    int64_t *row = NULL;
    pare_status status = pare_alloc(fields->ctx, fields->rows, sizeof *row, &row);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < fields->rows; i++) {
        row[i] = i;
    }
    pare_field_model_predict(model, fields, fields->rows, row, out);
    for (int64_t i = 0; i < fields->rows; i++) {
        out[i] = (float)(1 / (1 + exp(-(double)out[i])));
    }
    pare_free(fields->ctx, row);
    return PARE_OK;
}

/* Log loss and AUC where every row has a label. */
static pare_status judge(pare_field_model *model, const pare_fields *fields,
                         pare_embed_score *score) {
    int64_t count = 0, *row = NULL;
    *score = (pare_embed_score){(double)NAN, (double)NAN, 0};
    if (!fields->labelled) {
        return PARE_OK;
    }
    pare_status status = pare_fields_rows(fields, true, &count, &row);
    if (status == PARE_OK) {
        status = pare_field_model_score(model, fields, count, row, &score->log_loss, &score->auc);
    }
    pare_free(fields->ctx, row);
    return status;
}

pare_status pare_embed_model_out(const pare_embed *embed, const pare_field_model *model) {
    const char *target = embed->fields.target;
    return embed->options.model_out[0]
               ? pare_field_model_save(model, &embed->fields, target ? target : "",
                                       embed->options.model_out, embed->options.overwrite)
               : PARE_OK;
}

pare_status pare_embed_apply(pare_context *ctx, const char *folder, const char *path,
                             const pare_options *options, int64_t *rows, float **probability,
                             pare_embed_score *score) {
    pare_field_loaded loaded = {0};
    pare_fields fields = {0};
    pare_options own;
    *probability = NULL;
    pare_status status = pare_options_copy(options, &own);
    if (status != PARE_OK) {
        return status;
    }
    double start = pare_cpu_seconds();
    status = pare_field_model_load(ctx, folder, BATCH, &loaded);
    /* Rows may lack the model's label; another one is asked for. */
    bool asked = status == PARE_OK && own.target[0] && strcmp(own.target, loaded.target) != 0;
    if (status == PARE_OK && loaded.target[0] && !own.target[0]) {
        status = pare_options_set(&own, "target", loaded.target);
    }
    if (status == PARE_OK) {
        pare_fields_format format = (pare_fields_format)own.embed_format;
        status = asked ? pare_fields_read(ctx, path, format, &own, &fields)
                       : pare_fields_read_rows(ctx, path, format, &own, &fields);
    }
    if (status == PARE_OK) {
        status = pare_fields_encode_like(&fields, &loaded.fields);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, fields.rows, sizeof **probability, probability);
    }
    if (status == PARE_OK) {
        status = predict(loaded.model, &fields, *probability);
    }
    if (status == PARE_OK) {
        status = judge(loaded.model, &fields, score);
        score->cpu = pare_cpu_seconds() - start;
        *rows = fields.rows;
    }
    if (status != PARE_OK) {
        pare_free(ctx, *probability);
        *probability = NULL;
    }
    pare_field_loaded_clear(&loaded);
    pare_fields_clear(&fields);
    pare_options_clear(&own);
    return status;
}
