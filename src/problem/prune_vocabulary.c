/* Rows of the vocabulary that a text never uses. */
#include "problem/language.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

/* What numbers tokens and is copied beside the weights as it is. */
static pare_status check_files(const pare_model *origin, bool gguf) {
    static const char *const numbered[] = {"tokenizer.json", "vocab.json", "added_tokens.json"};
    pare_context *ctx = origin->ctx;
    for (size_t i = 0; i < sizeof numbered / sizeof numbered[0]; i++) {
        char path[PATH_SIZE];
        int64_t size = 0, changed = 0;
        int length = snprintf(path, sizeof path, "%s/%s", origin->path, numbered[i]);
        if (length > 0 && length < PATH_SIZE && pare_file_facts(path, &size, &changed)) {
            return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                             "%s numbers the tokens too and cannot be rewritten: structure "
                             "vocabulary needs a model with tokenizer.model alone",
                             path);
        }
    }
    if (!gguf && !pare_tokenizer_is_sentencepiece(origin->tokenizer)) {
        return pare_fail(
            ctx, PARE_ERROR_ARGUMENT,
            "structure vocabulary: the new tokenizer goes into tokenizer.model only if "
            "the old one is such a file; else option gguf is needed, which stores it "
            "with the weights");
    }
    return PARE_OK;
}

pare_status pare_prune_vocabulary(pare_model *m, const pare_options *options) {
    pare_context *ctx = m->ctx;
    const pare_model *origin = m->origin;
    int64_t rows = origin->lm.shape.vocabulary;
    uint8_t *keep = NULL;
    pare_map map = {0};
    pare_tokenizer *tokenizer = NULL;
    pare_status status = check_files(origin, options->gguf);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, rows, 1, &keep);
    }
    if (status == PARE_OK) {
        status = pare_map_open(ctx, options->text, true, &map);
    }
    if (status == PARE_OK) {
        status = pare_tokenizer_used(origin->tokenizer, (const char *)map.bytes, map.length, keep);
    }
    if (status == PARE_OK) {
        status = pare_tokenizer_needed(origin->tokenizer, keep);
    }
    if (status == PARE_OK) {
        status = pare_tokenizer_keep(origin->tokenizer, keep, &tokenizer);
    }
    if (status == PARE_OK) {
        status = pare_lm_own(&m->lm);
    }
    if (status == PARE_OK) {
        const pare_lm_keep cut = {.token = keep};
        status = pare_lm_cut(&m->lm, &cut);
    }
    pare_map_close(&map);
    if (status != PARE_OK) {
        pare_tokenizer_close(tokenizer);
        pare_free(ctx, keep);
        return status;
    }
    m->tokens = keep;
    m->tokenizer = tokenizer;
    return PARE_OK;
}
