#include "problem/prune_record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static pare_status copy(pare_context *ctx, const char *text, char **out) {
    return pare_text_copy(ctx, text, (int64_t)strlen(text), out);
}

static int take_piece(void *user, const char *bytes, int64_t length) {
    pare_text_append_bytes(user, bytes, length);
    return 0;
}

/* What the model makes of the prompt; at most half of what it was made for. */
static pare_status take_sample(const pare_model *model, const pare_options *options, char **out) {
    pare_text text = {.ctx = model->ctx};
    pare_generation made = {.size = sizeof made};
    pare_options o = *options;
    int64_t half = model->lm.shape.context / 2;
    o.generate = o.generate < half ? o.generate : half;
    bool begins = model->tokenizer && (o.prompt[0] || pare_tokenizer_bos(model->tokenizer) >= 0);
    if (!begins || o.generate < 1) {
        return PARE_OK;
    }
    pare_status status = pare_language_generate(model, &o, take_piece, &text, &made);
    status = status == PARE_OK ? text.status : status;
    if (status == PARE_OK) {
        status = copy(model->ctx, text.bytes ? text.bytes : "", out);
    }
    pare_text_clear(&text);
    return status;
}

static void count(const pare_model *model, const pare_options *options, pare_prune_point *point) {
    const pare_lm_shape *s = &model->lm.shape;
    for (int64_t i = 0; i < s->layers; i++) {
        point->layer_parameters += pare_lm_layer_parameters(s, i);
    }
    point->parameters = pare_lm_parameters(s);
    point->bytes =
        pare_dtype_bytes(pare_language_export_dtype(model, options), point->parameters / 32 * 32);
    point->multiply_adds = pare_lm_multiply_adds(s, 0);
    point->hidden = s->hidden;
}

static pare_status measure(const pare_prune_record *r, const pare_model *model,
                           const pare_options *options, pare_progress_fn progress, void *user,
                           pare_prune_point *point) {
    pare_options o = *options;
    o.text = r->text;
    pare_status status = PARE_OK;
    if (r->text[0]) {
        point->score.size = sizeof point->score;
        status = pare_language_perplexity(model, &o, progress, user, &point->score);
    }
    return status == PARE_OK ? take_sample(model, options, &point->sample) : status;
}

/* What every half of the dense model has; then what pruning left. */
static pare_status set_kept(const pare_prune_record *r, const pare_prune_result *result,
                            pare_prune_point *point) {
    const pare_lm_shape *s = &r->dense->lm.shape;
    pare_status status = pare_alloc_zero(r->ctx, 2 * s->layers, sizeof *point->kept, &point->kept);
    for (int64_t i = 0; status == PARE_OK && i < s->layers; i++) {
        point->kept[2 * i] = s->layer[i].heads;
        point->kept[2 * i + 1] = s->layer[i].ffn;
    }
    for (int64_t i = 0; status == PARE_OK && i < result->parts; i++) {
        const pare_prune_part *part = &result->part[i];
        bool attention = part->half == PARE_LM_ATTENTION;
        int64_t each = attention ? s->layer[part->layer].heads / part->blocks : 1;
        point->kept[2 * part->layer + (attention ? 0 : 1)] = part->kept * each;
    }
    return status;
}

pare_status pare_prune_record_create(const pare_model *model, const pare_options *options,
                                     const char *text, pare_progress_fn progress, void *user,
                                     pare_prune_record **out) {
    pare_context *ctx = model->ctx;
    pare_prune_record *r = NULL;
    const pare_prune_result nothing = {0};
    *out = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *r, &r);
    if (status != PARE_OK) {
        return status;
    }
    r->ctx = ctx;
    r->dense = model;
    r->sequences = options->sequences;
    r->position = pare_language_position(model, options);
    r->uniform = options->uniform;
    r->compensate = options->compensate;
    (void)pare_options_get(options, pare_option_index("criterion"), r->criterion,
                           sizeof r->criterion);
    (void)pare_options_get(options, pare_option_index("protocol"), r->protocol, sizeof r->protocol);
    const struct {
        const char *from;
        char **to;
    } texts[] = {{text ? text : options->text, &r->text},
                 {options->text, &r->calibration},
                 {options->prompt, &r->prompt},
                 {options->structure, &r->structure},
                 {options->recover, &r->recover}};
    for (size_t i = 0; status == PARE_OK && i < sizeof texts / sizeof texts[0]; i++) {
        status = copy(ctx, texts[i].from, texts[i].to);
    }
    pare_prune_point *point = &r->point[0];
    *point = (pare_prune_point){
        .asked = 1, .predicted = 1, .blocks = (double)NAN, .score = {.size = sizeof point->score}};
    r->points = 1;
    if (status == PARE_OK) {
        status = set_kept(r, &nothing, point);
    }
    if (status == PARE_OK) {
        count(model, options, point);
        status = measure(r, model, options, progress, user, point);
    }
    if (status != PARE_OK) {
        pare_prune_record_free(r);
        return status;
    }
    *out = r;
    return PARE_OK;
}

pare_status pare_prune_record_add(pare_prune_record *r, const pare_model *pruned,
                                  const pare_options *options, const double *seconds,
                                  pare_progress_fn progress, void *user) {
    const pare_prune_result *result = &pruned->result;
    if (pruned->origin != r->dense) {
        return pare_fail(r->ctx, PARE_ERROR_ARGUMENT,
                         "the report is on prunings of %s, this model is none", r->dense->path);
    }
    if (r->points == PARE_PRUNE_POINTS_MAX) {
        return pare_fail(r->ctx, PARE_ERROR_ARGUMENT, "a report has room for %d budgets",
                         PARE_PRUNE_POINTS_MAX - 1);
    }
    pare_prune_point *point = &r->point[r->points];
    bool blocks = pruned->lm.shape.weight_block > 0;
    *point = (pare_prune_point){.asked = (double)NAN,
                                .predicted = blocks ? (double)NAN : result->share,
                                .stand_in = result->measured,
                                .blocks = blocks ? result->share : (double)NAN};
    if (!blocks) {
        pare_prune_budget_text(result, point->budget, sizeof point->budget);
        point->asked = result->asked > 0 ? result->asked : (double)NAN;
    }
    if (seconds) {
        point->seconds[0] = seconds[0];
        point->seconds[1] = seconds[1];
    }
    r->points++; /* from here on freed with the record */
    pare_status status = set_kept(r, result, point);
    if (status == PARE_OK) {
        count(pruned, options, point);
        status = measure(r, pruned, options, progress, user, point);
    }
    return status;
}

void pare_prune_record_free(pare_prune_record *r) {
    if (!r) {
        return;
    }
    for (int64_t i = 0; i < r->points; i++) {
        pare_free(r->ctx, r->point[i].kept);
        pare_free(r->ctx, r->point[i].sample);
    }
    char *texts[] = {r->text, r->calibration, r->prompt, r->structure, r->recover};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        pare_free(r->ctx, texts[i]);
    }
    pare_free(r->ctx, r);
}
