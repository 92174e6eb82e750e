/*
 * Language models and their tokenizers. The first byte says what the rest is: 0 a GGUF file, 1 the
 * safetensors of a small Llama, 2 a llama2.c file, 3 SentencePiece, 4 tokenizer.json, 5 a llama2.c
 * tokenizer, 6 config.json and, after the first 0xfe, safetensors. A model that opens takes one
 * step; a tokenizer encodes a sentence and gives it back.
 */
#include "fuzz.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "model/tokenizer/tokenizer.h"
#include "model/transformer/decode.h"

static const char config[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 4, \"num_hidden_layers\": 1, \"vocab_size\": 8,"
    " \"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"intermediate_size\": 6,"
    " \"tie_word_embeddings\": true}";

static void put(const char *path, const void *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
        abort();
    }
}

static void use_model(pare_context *ctx, const char *path) {
    pare_checkpoint checkpoint;
    pare_lm lm = {0};
    pare_lm_decoder *decoder = NULL;
    pare_tokenizer *tokenizer = NULL;
    const int32_t token = 0;
    if (pare_checkpoint_open(ctx, path, &checkpoint) != PARE_OK) {
        return;
    }
    if (pare_lm_open(&checkpoint, &lm) == PARE_OK && pare_lm_check_finite(&lm, path) == PARE_OK &&
        pare_lm_decoder_create(&lm, 1, 2, &decoder) == PARE_OK) {
        (void)pare_lm_decode(decoder, &token, true);
    }
    if (checkpoint.vocabulary.count > 0) {
        (void)!pare_tokenizer_open(&checkpoint, NULL, &tokenizer);
    }
    pare_tokenizer_close(tokenizer);
    pare_lm_decoder_destroy(decoder);
    pare_lm_clear(&lm);
    pare_checkpoint_close(&checkpoint);
}

static void use_tokenizer(pare_context *ctx, const char *path) {
    static const char sentence[] = "It isn't 12 \xc3\xa9t\xc3\xa9s,\n\nis it? \xff";
    pare_checkpoint checkpoint = {.ctx = ctx};
    pare_tokenizer *tokenizer = NULL;
    int32_t *token = NULL;
    int64_t count = 0;
    pare_text text = {.ctx = ctx};
    checkpoint.path = (char[]){"none"};
    checkpoint.shape.vocabulary = 1 << 20;
    checkpoint.shape.bos = checkpoint.shape.eos = -1;
    if (pare_tokenizer_open(&checkpoint, path, &tokenizer) == PARE_OK &&
        pare_tokenizer_encode(tokenizer, sentence, sizeof sentence - 1, true, &token, &count) ==
            PARE_OK) {
        for (int64_t i = 0; i < count; i++) {
            if (token[i] < 0 || token[i] >= pare_tokenizer_size(tokenizer)) {
                abort();
            }
            pare_tokenizer_append(tokenizer, token[i], i == 0, &text);
        }
    }
    pare_text_clear(&text);
    pare_free(ctx, token);
    pare_tokenizer_close(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const char *const names[] = {
        "m.gguf",      "model.safetensors", "m.bin", "t.model", "t.json", "t.bin",
        "config.json", "model.safetensors"};
    static char folder[64];
    char path[8][128];
    size_t used = 0;
    pare_allocator allocator = {sizeof allocator, fuzz_allocate, fuzz_release, &used};
    pare_context *ctx = NULL;
    if (length < 2 || bytes[0] > 6) {
        return 0;
    }
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/pare-fuzz-%ld", (long)getpid());
    }
    (void)mkdir(folder, 0700);
    for (int i = 0; i < 8; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
    }
    int kind = bytes[0];
    const uint8_t *rest = bytes + 1, *end = bytes + length;
    if (kind == 6) {
        const uint8_t *cut = memchr(rest, 0xfe, (size_t)(end - rest));
        put(path[6], rest, (size_t)((cut ? cut : end) - rest));
        put(path[7], cut ? cut + 1 : end, (size_t)(cut ? end - cut - 1 : 0));
    } else {
        put(path[6], config, sizeof config - 1);
        put(path[kind], rest, (size_t)(end - rest));
    }
    if (pare_context_create(&allocator, &ctx) != PARE_OK ||
        pare_context_set_threads(ctx, 1) != PARE_OK) {
        abort();
    }
    if (kind >= 3 && kind <= 5) {
        use_tokenizer(ctx, path[kind]);
    } else {
        use_model(ctx, kind == 1 || kind == 6 ? folder : path[kind]);
    }
    pare_context_destroy(ctx);
    for (int i = 0; i < 8; i++) {
        (void)unlink(path[i]);
    }
    (void)rmdir(folder);
    if (used != 0) {
        abort();
    }
    return 0;
}
