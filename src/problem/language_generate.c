/* Text from a prompt, and what a step costs. */
#include "base/random.h"
#include "model/transformer/decode.h"
#include "problem/language.h"

#include <math.h>
#include <string.h>

/* The most likely token, or one drawn from the softmax of logits / temperature. */
static int32_t choose(const float *logits, int64_t count, double temperature, uint64_t seed,
                      int64_t index) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    if (temperature <= 0) {
        return (int32_t)best;
    }
    double sum = 0, top = (double)logits[best];
    for (int64_t i = 0; i < count; i++) {
        sum += exp(((double)logits[i] - top) / temperature);
    }
    double left = sum * pare_random_uniform(seed, PARE_STREAM_METHOD, (uint64_t)index);
    for (int64_t i = 0; i < count; i++) {
        left -= exp(((double)logits[i] - top) / temperature);
        if (left < 0) {
            return (int32_t)i;
        }
    }
    return (int32_t)best;
}

/* Tokens of the prompt; at least one. */
static pare_status read_prompt(const pare_model *model, const pare_options *options,
                               int32_t **token, int64_t *count) {
    pare_status status = pare_language_needs_tokenizer(model);
    if (status == PARE_OK) {
        status = pare_tokenizer_encode(model->tokenizer, options->prompt,
                                       (int64_t)strlen(options->prompt), true, token, count);
    }
    if (status == PARE_OK && *count == 0) {
        status = pare_fail(model->ctx, PARE_ERROR_ARGUMENT,
                           "option prompt is missing, and the tokenizer has no begin token");
    }
    if (status == PARE_OK && *count + options->generate > model->lm.shape.context) {
        status = pare_fail(model->ctx, PARE_ERROR_ARGUMENT,
                           "option generate: %lld tokens after a prompt of %lld, but %s was made "
                           "for %lld",
                           (long long)options->generate, (long long)*count, model->path,
                           (long long)model->lm.shape.context);
    }
    return status;
}

pare_status pare_language_generate(const pare_model *model, const pare_options *options,
                                   pare_piece_fn piece, void *user, pare_generation *out) {
    int32_t *prompt = NULL, token = 0;
    int64_t count = 0, made = 0;
    const float *logits = NULL;
    pare_lm_decoder *decoder = NULL;
    pare_text text = {.ctx = model->ctx};
    pare_status status = read_prompt(model, options, &prompt, &count);
    if (status == PARE_OK) {
        status = pare_lm_decoder_create(&model->lm, 1, count + options->generate, &decoder);
    }
    double start = pare_clock_seconds();
    if (status == PARE_OK) {
        logits = pare_lm_prefill(decoder, count, prompt, true);
    }
    double read = pare_clock_seconds();
    while (status == PARE_OK && made < options->generate) {
        token = choose(logits, model->lm.shape.vocabulary, options->temperature,
                       (uint64_t)options->seed, made);
        made++;
        if (token == pare_tokenizer_eos(model->tokenizer)) {
            break;
        }
        text.length = 0;
        pare_tokenizer_append(model->tokenizer, token, false, &text);
        status = text.status;
        if (status != PARE_OK ||
            (piece && text.length > 0 && piece(user, text.bytes, text.length) != 0) ||
            made == options->generate) {
            break;
        }
        logits = pare_lm_decode(decoder, &token, true);
    }
    double end = pare_clock_seconds();
    if (status == PARE_OK) {
        out->prompt = count;
        out->tokens = made;
        out->prompt_seconds = read - start;
        out->seconds = end - read;
    }
    pare_lm_decoder_destroy(decoder);
    pare_text_clear(&text);
    pare_free(model->ctx, prompt);
    return status;
}

pare_status pare_language_latency(pare_model *model, const pare_options *options,
                                  const char **out) {
    pare_context *ctx = model->ctx;
    int64_t position = options->prompt_tokens + options->generate / 2;
    pare_latency table = {0};
    pare_text text = {.ctx = ctx};
    double whole = 0;
    *out = NULL;
    if (position >= model->lm.shape.context) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "options prompt-tokens and generate: position %lld, but %s was made for "
                         "%lld tokens",
                         (long long)position, model->path, (long long)model->lm.shape.context);
    }
    const pare_lm *models[] = {&model->lm};
    pare_status status = pare_latency_of_models(1, models, options->sequences, position, &whole);
    if (status == PARE_OK) {
        status = pare_latency_measure(&model->lm, false, options->sequences, position, &table);
    }
    if (status != PARE_OK) {
        return status;
    }
    double sum = table.rest;
    for (int64_t i = 0; i < model->lm.shape.layers; i++) {
        sum += table.attention[model->lm.shape.layer[i].kv_heads];
        sum += table.ffn[model->lm.shape.layer[i].ffn];
    }
    pare_text_append(&text, "sequences: %lld\nposition: %lld\n", (long long)options->sequences,
                     (long long)position);
    const struct {
        const char *name;
        double seconds;
    } rows[] = {
        {"one step of the model, measured", whole},
        {"the same, from the table", sum},
        {"embedding, norm and output", table.rest},
        {"attention with one key/value head", table.groups > 0 ? table.attention[1] : 0},
        {"attention with all of them", table.attention[table.groups]},
        {"feed-forward with half the channels", table.ffn[table.channels / 2]},
        {"feed-forward with all channels", table.ffn[table.channels]},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pare_text_append(&text, "%s: ", rows[i].name);
        pare_text_append_fixed(&text, rows[i].seconds * 1e6, 1);
        pare_text_append(&text, " us\n");
    }
    pare_latency_clear(ctx, &table);
    if (text.status != PARE_OK) {
        pare_text_clear(&text);
        return text.status;
    }
    pare_free(ctx, model->text);
    model->text = text.bytes;
    *out = model->text;
    return PARE_OK;
}

int64_t pare_language_position(const pare_model *model, const pare_options *options) {
    int64_t half = model->lm.shape.context / 2;
    return options->prompt_tokens < half ? options->prompt_tokens : half;
}

pare_status pare_language_step_seconds(const pare_model *model, const pare_model *other,
                                       const pare_options *options, double out[2]) {
    const pare_lm *models[] = {&model->lm, &other->lm};
    int64_t position = pare_language_position(other, options);
    return pare_latency_of_models(2, models, options->sequences, position, out);
}
