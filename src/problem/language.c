#include "problem/language.h"

#include <math.h>
#include <string.h>

enum { CONTEXT_MOST = 512 };

pare_dtype pare_language_dtype(const pare_model *model) {
    const pare_lm *lm = model->origin ? &model->origin->lm : &model->lm;
    return lm->embedding.stored ? lm->embedding.stored->dtype : PARE_DTYPE_F32;
}

pare_status pare_language_open(pare_context *ctx, const char *path, const pare_options *options,
                               pare_model **out) {
    *out = NULL;
    pare_model *m = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *m, &m);
    if (status != PARE_OK) {
        return status;
    }
    m->ctx = ctx;
    status = pare_text_copy(ctx, path, (int64_t)strlen(path), &m->path);
    if (status == PARE_OK) {
        status = pare_checkpoint_open(ctx, path, &m->checkpoint);
    }
    if (status == PARE_OK) {
        status = pare_lm_open(&m->checkpoint, &m->lm);
    }
    if (status == PARE_OK) {
        status = pare_lm_check_finite(&m->lm, path);
    }
    if (status == PARE_OK) {
        const char *own = options->tokenizer[0] ? options->tokenizer : NULL;
        status = pare_tokenizer_open(&m->checkpoint, own, &m->tokenizer);
        if (status != PARE_OK && status != PARE_ERROR_MEMORY && !own) {
            /* A model can be looked at and measured without text. */
            status = pare_text_copy(ctx, pare_context_error(ctx),
                                    (int64_t)strlen(pare_context_error(ctx)), &m->tokenizer_error);
        }
    }
    if (status != PARE_OK) {
        pare_language_close(m);
        return status;
    }
    *out = m;
    return PARE_OK;
}

void pare_language_close(pare_model *m) {
    if (!m) {
        return;
    }
    pare_prune_result_clear(m->ctx, &m->result);
    pare_lm_clear(&m->lm);
    if (!m->origin || m->tokens) {
        pare_tokenizer_close(m->tokenizer);
    }
    pare_free(m->ctx, m->tokens);
    if (!m->origin) {
        pare_checkpoint_close(&m->checkpoint);
    }
    pare_free(m->ctx, m->tokenizer_error);
    pare_free(m->ctx, m->path);
    pare_free(m->ctx, m->text);
    pare_free(m->ctx, m);
}

pare_status pare_language_needs_tokenizer(const pare_model *model) {
    return model->tokenizer
               ? PARE_OK
               : pare_fail(model->ctx, PARE_ERROR_INPUT, "%s",
                           model->tokenizer_error ? model->tokenizer_error : "no tokenizer");
}

pare_status pare_language_context(const pare_model *model, const pare_options *options,
                                  int64_t *out) {
    int64_t most = model->lm.shape.context, wanted = options->context;
    if (wanted == 1 || wanted > most) {
        return pare_fail(model->ctx, PARE_ERROR_ARGUMENT,
                         "option context: %lld tokens, expected 2 to %lld, what %s was made for",
                         (long long)wanted, (long long)most, model->path);
    }
    *out = wanted > 0 ? wanted : most < CONTEXT_MOST ? most : CONTEXT_MOST;
    return PARE_OK;
}

pare_status pare_language_read(const pare_model *model, const char *path, int32_t **out,
                               int64_t *count) {
    pare_map map = {0};
    *out = NULL;
    if (!path[0]) {
        return pare_fail(model->ctx, PARE_ERROR_ARGUMENT,
                         "option text is missing: a file of plain text");
    }
    pare_status status = pare_language_needs_tokenizer(model);
    if (status == PARE_OK) {
        status = pare_map_open(model->ctx, path, true, &map);
    }
    if (status == PARE_OK && map.length == 0) {
        status = pare_fail(model->ctx, PARE_ERROR_INPUT, "%s: the text is empty", path);
    }
    if (status == PARE_OK) {
        status = pare_tokenizer_encode(model->tokenizer, (const char *)map.bytes, map.length, true,
                                       out, count);
    }
    pare_map_close(&map);
    return status;
}

static void append_layers(pare_text *text, const pare_lm_shape *s) {
    for (int64_t i = 0, next = 0; i < s->layers; i = next) {
        const pare_lm_layer *a = &s->layer[i];
        for (next = i + 1; next < s->layers; next++) {
            const pare_lm_layer *b = &s->layer[next];
            if (a->heads != b->heads || a->kv_heads != b->kv_heads || a->ffn != b->ffn) {
                break;
            }
        }
        pare_text_append(text, "layer %lld", (long long)i);
        if (next > i + 1) {
            pare_text_append(text, " to %lld", (long long)next - 1);
        }
        pare_text_append(text, ": %lld heads, %lld key/value heads, %lld channels\n",
                         (long long)a->heads, (long long)a->kv_heads, (long long)a->ffn);
    }
}

pare_status pare_language_text(pare_model *model, const char **out) {
    static const char *const formats[] = {"Hugging Face", "GGUF", "llama2.c"};
    const pare_lm_shape *s = &model->lm.shape;
    pare_text text = {.ctx = model->ctx};
    int64_t inner = 0, all = pare_lm_parameters(s);
    for (int64_t i = 0; i < s->layers; i++) {
        inner += pare_lm_layer_parameters(s, i);
    }
    *out = NULL;
    pare_dtype dtype = model->origin ? PARE_DTYPE_F32 : pare_language_dtype(model);
    char budget[64] = "";
    pare_text_append(&text, "model: %s\n", model->path);
    if (model->origin) {
        pare_prune_budget_text(&model->result, budget, sizeof budget);
    }
    if (budget[0]) {
        pare_text_append(&text, "budget: %s\n", budget);
    }
    pare_text_append(&text, "format: %s\n",
                     model->origin ? "in memory" : formats[model->checkpoint.format]);
    pare_text_append(&text, "architecture: %s\n", s->architecture);
    pare_text_append(&text, "numbers: %s\n", pare_dtype_name(dtype));
    pare_text_append(&text, "layers: %lld\nhidden: %lld\nhead dimension: %lld\n",
                     (long long)s->layers, (long long)s->hidden, (long long)s->head_dim);
    pare_text_append(&text, "vocabulary: %lld\ncontext: %lld\noutput: %s\n",
                     (long long)s->vocabulary, (long long)s->context,
                     s->tied ? "tied to the embedding" : "own matrix");
    pare_text_append(&text, "parameters: %lld, in layers %lld\n", (long long)all, (long long)inner);
    int64_t bytes = pare_dtype_bytes(dtype, all / 32 * 32);
    pare_text_append(&text, "bytes: %lld\n", (long long)bytes);
    pare_text_append(&text, "multiply-adds: %lld a token at position 0, %lld at the last\n",
                     (long long)pare_lm_multiply_adds(s, 0),
                     (long long)pare_lm_multiply_adds(s, s->context - 1));
    pare_text_append(&text, "tokenizer: %s\n", model->tokenizer ? "found" : model->tokenizer_error);
    append_layers(&text, s);
    if (model->origin) {
        const pare_prune_result *r = &model->result;
        if (model->tokens) {
            pare_text_append(&text, "vocabulary before: %lld\n",
                             (long long)model->origin->lm.shape.vocabulary);
        }
        pare_text_append(&text,
                         "layer parameters before: %lld\nkept: ", (long long)r->parameters_before);
        pare_text_append_fixed(&text, (double)r->parameters_after / (double)r->parameters_before,
                               4);
        if (s->weight_block > 0) {
            pare_text_append(&text, "\nblocks of %lld x %lld, share of the matrices in them: ",
                             (long long)s->weight_block, (long long)s->weight_block);
        } else {
            pare_text_append(&text, "\nshare of the budgeted resource: ");
        }
        pare_text_append_fixed(&text, r->share, 4);
        if (model->rehearsed > 0) {
            pare_text_append(&text, "\nmost memory resident: ");
            pare_text_append_fixed(&text, (double)model->rehearsed / 1e9, 2);
            pare_text_append(&text, " GB, mapped pages of the model included");
        }
        if (r->measured > 0) {
            pare_text_append(&text, "\nshare of the time, measured with its shape: ");
            pare_text_append_fixed(&text, r->measured, 4);
        }
        if (isfinite(r->loss_after)) {
            pare_text_append(&text, "\ncalibration loss before: ");
            pare_text_append_fixed(&text, r->loss_before, 4);
            pare_text_append(&text, "\ncalibration loss after: ");
            pare_text_append_fixed(&text, r->loss_after, 4);
        }
        if (r->mask_flops > 0) {
            pare_text_append(&text, "\nflops of the mask's training: %.3g, ", r->mask_flops);
            pare_text_append(&text, "1/%.1f of an epoch on 1,000 x 512 tokens",
                             r->tuning_flops / r->mask_flops);
        }
        if (r->recovery[0] > 0) {
            pare_text_append(&text, "\ndivergence at the start of the recovery: ");
            pare_text_append_fixed(&text, r->recovery[0], 4);
            pare_text_append(&text, "\ndivergence at its end: ");
            pare_text_append_fixed(&text, r->recovery[1], 4);
        }
        pare_text_append(&text, "\n");
    }
    if (text.status != PARE_OK) {
        pare_text_clear(&text);
        return text.status;
    }
    pare_free(model->ctx, model->text);
    model->text = text.bytes;
    *out = model->text;
    return PARE_OK;
}
