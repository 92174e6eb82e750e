/* The first state of a plan. */
#include "problem/embed_state.h"

#include "base/text.h"

#include <math.h>

enum { CHUNK = 256 };

void pare_embed_window_free(pare_context *ctx, pare_embed_window *window) {
    if (window) {
        void *owned[] = {window->psi_limit, window->psi,    window->unknown,
                         window->usual,     window->fresh,  window->absent,
                         window->audit,     window->before, window->rejected};
        for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
            pare_free(ctx, owned[i]);
        }
        pare_free(ctx, window);
    }
}

pare_status pare_embed_state_check(pare_context *ctx, const pare_options *options) {
    bool usual = options->embed_optimizer == PARE_FIELD_ROW_ADAGRAD && options->l2 < 0 &&
                 options->batch == 0 && options->dropout == 0 &&
                 options->normalise == PARE_NORMALISE_NONE;
    return usual
               ? PARE_OK
               : pare_fail(ctx, PARE_ERROR_INPUT,
                           "state: models that go on learn by row-adagrad with the usual l2 and "
                           "batch, without dropout and normalisation; expected none of optimizer, "
                           "l2, batch, dropout, normalise");
}

/* The vocabulary in the order of rows: level l has row l + 1. */
static pare_status copy_field(pare_context *ctx, const pare_field *field, pare_field *out) {
    int64_t *level = NULL;
    *out = (pare_field){.kind = field->kind,
                        .bucketed = field->bucketed,
                        .first = field->first,
                        .size = field->size,
                        .hash_bits = field->hash_bits,
                        .mean = field->mean,
                        .scale = field->scale,
                        .part = {field->part[0], field->part[1]}};
    pare_status status = pare_text_copy(ctx, field->name, (int64_t)strlen(field->name), &out->name);
    if (status != PARE_OK || field->kind == PARE_FIELD_NUMBER || field->kind == PARE_FIELD_CROSS ||
        field->hash_bits > 0) {
        return status;
    }
    status = pare_alloc_zero(ctx, field->size, sizeof *level, &level);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, field->size, sizeof *out->row, &out->row);
    }
    for (int64_t l = 0; l < field->level.count && status == PARE_OK; l++) {
        level[field->row[l]] = l;
    }
    for (int64_t r = 1; r < field->size && status == PARE_OK; r++) {
        int64_t added = 0, from = level[r];
        int64_t length = 0;
        const unsigned char *text = pare_vocabulary_text(&field->level, from, &length);
        status = pare_vocabulary_add(ctx, &out->level, text, length, &added);
        if (status == PARE_OK) {
            out->row[added] = (int32_t)r;
        }
    }
    pare_free(ctx, level);
    return status;
}

/* What later files are compared with from the first on: log loss and ids without a row of the rows
 * that the model did not learn from. */
static void refer(const pare_embed *embed, pare_embed_state *state) {
    const pare_fields *fields = &embed->fields;
    float logit[CHUNK];
    for (int64_t at = 0; at < embed->held; at += CHUNK) {
        int64_t count = embed->held - at < CHUNK ? embed->held - at : CHUNK;
        pare_field_model_predict(state->machine, fields, count, embed->held_row + at, logit);
        for (int64_t i = 0; i < count; i++) {
            int64_t row = embed->held_row[at + i];
            double loss = (double)pare_embed_row_loss(logit[i], fields->label[row]);
            state->loss += loss;
            state->loss_square += loss * loss;
            for (int64_t f = 0; f < fields->count; f++) {
                const pare_field *field = &fields->field[f];
                int32_t cell = fields->cell[row * fields->count + f];
                bool known = field->kind == PARE_FIELD_NUMBER || cell > field->first;
                state->unknown[2 * f] += cell >= 0 && !known;
                state->unknown[2 * f + 1] += cell >= 0;
            }
        }
    }
    state->loss_rows = (double)embed->held;
}

static pare_status fill(pare_embed *embed, pare_embed_state *state) {
    pare_context *ctx = embed->ctx;
    pare_fields *fields = &state->fields;
    int64_t count = embed->fields.count;
    state->model = embed->options.embed_model;
    state->dimension = embed->options.dimension;
    state->chunk = embed->options.chunk;
    state->minimum_count = embed->options.minimum_count;
    state->hash_bits = embed->options.hash_bits;
    state->cross_rows = embed->options.cross_rows;
    state->windows = 1;
    state->crosses = embed->options.crosses;
    state->weight = 1;
    state->rate = (double)embed->spec.rate;
    state->rates = embed->latency.rates;
    memcpy(state->limit, embed->serving.limit, sizeof state->limit);
    *fields = (pare_fields){.ctx = ctx, .joint = embed->fields.joint};
    pare_status status = pare_alloc_zero(ctx, count, sizeof *fields->field, &fields->field);
    for (; fields->count < count && status == PARE_OK; fields->count++) {
        status =
            copy_field(ctx, &embed->fields.field[fields->count], &fields->field[fields->count]);
    }
    const char *target = embed->fields.target;
    if (status == PARE_OK && embed->schema) {
        status = pare_text_copy(ctx, embed->schema, (int64_t)strlen(embed->schema), &state->schema);
    }
    if (status == PARE_OK && target) {
        status = pare_text_copy(ctx, target, (int64_t)strlen(target), &fields->target);
    }
    if (status != PARE_OK) {
        return status;
    }
    const struct {
        int64_t count;
        size_t size;
        void *array;
    } parts[] = {{embed->candidates, 1, &state->keep},
                 {embed->candidates, sizeof *state->gain, &state->gain},
                 {fields->joint * PARE_EMBED_SKETCH, sizeof *state->sketch, &state->sketch},
                 {count * PARE_EMBED_TRACE, sizeof *state->trace, &state->trace},
                 {count * PARE_EMBED_BINS, sizeof *state->bins, &state->bins},
                 {count * 2, sizeof *state->unknown, &state->unknown}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PARE_OK; i++) {
        status = pare_alloc_zero(ctx, parts[i].count, parts[i].size, parts[i].array);
    }
    if (status != PARE_OK) {
        return status;
    }
    memcpy(state->keep, embed->keep, (size_t)embed->candidates);
    for (int64_t f = 0; f < count; f++) {
        pare_embed_count_bins(&embed->fields, f, state->bins + f * PARE_EMBED_BINS);
    }
    status = pare_embed_train(embed, embed->keep, &state->machine);
    if (status == PARE_OK) {
        refer(embed, state);
    }
    return status;
}

pare_status pare_embed_state_begin(pare_embed *embed, const char *path) {
    pare_embed_state state = {.ctx = embed->ctx};
    pare_status status = fill(embed, &state);
    if (status == PARE_OK) {
        status = pare_embed_model_out(embed, state.machine);
    }
    if (status == PARE_OK && path[0]) {
        status = pare_embed_state_save(&state, path);
    }
    pare_embed_state_clear(&state);
    return status;
}
