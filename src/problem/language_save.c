/* A model to disk, read again and compared before it gets its name. */
#include "base/random.h"
#include "model/transformer/export.h"
#include "platform/folder.h"
#include "problem/language.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096, CHECK_TOKENS = 32 };

static pare_status join(pare_context *ctx, const char *folder, const char *file,
                        char out[PATH_SIZE]) {
    int length = snprintf(out, PATH_SIZE, "%s/%s", folder, file);
    return length > 0 && length < PATH_SIZE
               ? PARE_OK
               : pare_fail(ctx, PARE_ERROR_ARGUMENT, "%s: the path is too long", folder);
}

/* Files of the tokenizer lie beside the weights. */
static pare_status copy_file(pare_context *ctx, const char *from, const char *to,
                             const char *file) {
    char source[PATH_SIZE], target[PATH_SIZE];
    pare_map map = {0};
    pare_output output = {0};
    int64_t size = 0, changed = 0;
    pare_status status = join(ctx, from, file, source);
    if (status != PARE_OK || !pare_file_facts(source, &size, &changed)) {
        return status;
    }
    status = join(ctx, to, file, target);
    if (status == PARE_OK) {
        status = pare_map_open(ctx, source, true, &map);
    }
    if (status == PARE_OK) {
        status = pare_output_open(ctx, target, &output);
    }
    if (status == PARE_OK) {
        (void)fwrite(map.bytes, 1, (size_t)map.length, output.file);
        status = pare_output_commit(&output);
    }
    pare_output_abandon(&output);
    pare_map_close(&map);
    return status;
}

static pare_status logits_of(const pare_lm *lm, const int32_t *token, int64_t length, float *out) {
    pare_lm_run *run = NULL;
    int64_t row[CHECK_TOKENS];
    pare_status status = pare_lm_run_create(lm, 1, length, false, &run);
    if (status == PARE_OK) {
        for (int64_t i = 0; i < length; i++) {
            row[i] = i;
        }
        (void)pare_lm_forward(run, token, NULL);
        pare_lm_logits(run, NULL, length, row, out);
    }
    pare_lm_run_destroy(run);
    return status;
}

/* Largest difference of logits between the model and the file at `path`. */
static pare_status compare(const pare_model *model, const char *path, double *difference) {
    pare_context *ctx = model->ctx;
    const pare_lm_shape *s = &model->lm.shape;
    int32_t token[CHECK_TOKENS];
    int64_t length = s->context < CHECK_TOKENS ? s->context : CHECK_TOKENS;
    pare_checkpoint checkpoint = {0};
    pare_lm lm = {0};
    float *here = NULL, *there = NULL;
    for (int64_t i = 0; i < length; i++) {
        token[i] = (int32_t)pare_random_below(1, PARE_STREAM_METHOD, (uint64_t)i, s->vocabulary);
    }
    pare_status status = pare_checkpoint_open(ctx, path, &checkpoint);
    if (status == PARE_OK) {
        status = pare_lm_open(&checkpoint, &lm);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, length * s->vocabulary, sizeof *here, &here);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, length * s->vocabulary, sizeof *there, &there);
    }
    if (status == PARE_OK) {
        status = logits_of(&model->lm, token, length, here);
    }
    if (status == PARE_OK) {
        status = logits_of(&lm, token, length, there);
    }
    for (int64_t i = 0; status == PARE_OK && i < length * s->vocabulary; i++) {
        *difference = fmax(*difference, fabs((double)here[i] - (double)there[i]));
    }
    pare_lm_clear(&lm);
    pare_checkpoint_close(&checkpoint);
    pare_free(ctx, here);
    pare_free(ctx, there);
    return status;
}

static pare_status write_gguf(const pare_model *model, pare_dtype dtype, const char *path,
                              double *difference) {
    const pare_stored_vocabulary *vocabulary =
        model->tokenizer ? pare_tokenizer_vocabulary(model->tokenizer) : NULL;
    pare_status status = pare_lm_write_gguf(&model->lm, dtype, vocabulary, path);
    return status == PARE_OK ? compare(model, path, difference) : status;
}

pare_dtype pare_language_export_dtype(const pare_model *model, const pare_options *options) {
    static const pare_dtype dtypes[] = {PARE_DTYPE_F32, PARE_DTYPE_F16, PARE_DTYPE_BF16};
    pare_dtype own = pare_language_dtype(model);
    own = own == PARE_DTYPE_Q8_0 ? PARE_DTYPE_F16 : own;
    return options->dtype > 0 ? dtypes[options->dtype - 1] : own;
}

pare_status pare_language_save(const pare_model *model, const pare_options *options,
                               const char *path, double *difference) {
    static const char *const beside[] = {
        "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "vocab.json",      "merges.txt",     "generation_config.json"};
    static const char *const written[] = {
        "config.json", "model*.safetensors",     "model*.safetensors.index.json",
        "model.gguf",  "tokenizer.model",        "tokenizer.json",
        "vocab.json",  "tokenizer_config.json",  "special_tokens_map.json",
        "merges.txt",  "generation_config.json", NULL};
    pare_context *ctx = model->ctx;
    const pare_model *origin = model->origin ? model->origin : model;
    bool hf = pare_folder_is(origin->path);
    pare_folder folder = {0};
    char config[PATH_SIZE], file[PATH_SIZE];
    double most = 0;
    pare_dtype dtype = pare_language_export_dtype(model, options);
    if (model->rehearsed > 0) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "a rehearsal gives no model to save");
    }
    pare_status status = join(ctx, origin->path, "config.json", config);
    if (status == PARE_OK) {
        status = pare_folder_open(ctx, path, options->overwrite, written, &folder);
    }
    if (status == PARE_OK) {
        status = pare_lm_write_hf(&model->lm, dtype, folder.temporary, hf ? config : NULL);
    }
    if (status == PARE_OK && model->tokens && pare_tokenizer_is_sentencepiece(origin->tokenizer)) {
        status = join(ctx, folder.temporary, beside[0], file);
        if (status == PARE_OK) {
            status = pare_tokenizer_write_kept(origin->tokenizer, model->tokens, file);
        }
    }
    for (size_t i = model->tokens ? 1 : 0;
         hf && status == PARE_OK && i < sizeof beside / sizeof beside[0]; i++) {
        status = copy_file(ctx, origin->path, folder.temporary, beside[i]);
    }
    if (status == PARE_OK) {
        status = compare(model, folder.temporary, &most);
    }
    if (status == PARE_OK && options->gguf) {
        status = join(ctx, folder.temporary, "model.gguf", file);
        if (status == PARE_OK) {
            status = write_gguf(model, dtype, file, &most);
        }
    }
    if (status == PARE_OK) {
        status = pare_folder_commit(&folder);
    }
    pare_folder_abandon(&folder);
    if (status == PARE_OK) {
        *difference = most;
    }
    return status;
}
