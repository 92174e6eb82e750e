/* From options to pare_prune: budget, structures, calibration windows. */
#include "base/random.h"
#include "model/transformer/decode.h"
#include "problem/language.h"
#include "problem/prune_blocks.h"
#include "problem/prune_recover.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "params=0.75"; nothing said: the default. */
static pare_status read_budget(pare_context *ctx, const char *text, pare_prune_options *out) {
    text = text[0] ? text : PARE_PRUNE_BUDGET;
    for (int i = 0; i <= PARE_PRUNE_LATENCY; i++) {
        const char *name = pare_prune_resource_name((pare_prune_resource)i);
        size_t length = strlen(name);
        if (strncmp(text, name, length) == 0 && text[length] == '=') {
            out->resource = (pare_prune_resource)i;
            if (pare_parse_real(text + length + 1, &out->keep) && out->keep > 0 && out->keep < 1) {
                return PARE_OK;
            }
        }
    }
    return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                     "option budget: '%s' is not params=, bytes=, flops= or latency= and a share "
                     "between 0 and 1",
                     text);
}

static pare_status read_structures(pare_context *ctx, const char *text, pare_prune_options *out,
                                   bool *vocabulary) {
    const struct {
        const char *name;
        bool *flag;
    } known[] = {{"layers", &out->layers},   {"attention", &out->attention},
                 {"mlp", &out->mlp},         {"heads", &out->heads},
                 {"ffn", &out->ffn},         {"hidden", &out->hidden},
                 {"vocabulary", vocabulary}, {"query-heads", &out->queries}};
    const char *cursor = text, *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&cursor, &item, &length)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if ((int64_t)strlen(known[i].name) == length &&
                memcmp(known[i].name, item, (size_t)length) == 0) {
                *known[i].flag = found = true;
            }
        }
        if (!found) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "option structure: '%.*s' is not one of layers, attention, mlp, "
                             "heads, query-heads, ffn, hidden, vocabulary, nor blocks alone",
                             (int)length, item);
        }
    }
    return PARE_OK;
}

/* Structures that the criterion and uniform shapes can do without being named: the option's
 * default allows everything. */
static void narrow(const pare_options *options, pare_prune_options *out) {
    if (out->layers && out->attention && out->mlp) {
        out->layers = false; /* both halves of a layer are the layer */
    }
    bool all = out->attention && out->mlp && out->heads && out->ffn && !out->layers;
    bool whole = options->criterion == PARE_PRUNE_PERPLEXITY ||
                 options->criterion == PARE_PRUNE_BLOCK_INFLUENCE;
    if (all && whole) {
        out->heads = out->ffn = false;
    } else if (all && (out->uniform || options->criterion > PARE_PRUNE_BLOCK_INFLUENCE)) {
        out->attention = out->mlp = false;
    }
}

/* "1M-tokens", "500k", "200000": 0 tokens where nothing is said. */
static pare_status read_tokens(pare_context *ctx, const char *text, int64_t *out) {
    char digits[32];
    size_t length = strlen(text), unit = strlen("-tokens");
    int64_t factor = 1;
    *out = 0;
    if (length > unit && strcmp(text + length - unit, "-tokens") == 0) {
        length -= unit;
    }
    if (length > 0 && (text[length - 1] == 'k' || text[length - 1] == 'M')) {
        factor = text[length - 1] == 'k' ? 1000 : 1000000;
        length--;
    }
    if (!text[0]) {
        return PARE_OK;
    }
    if (length < sizeof digits) {
        memcpy(digits, text, length);
        digits[length] = 0;
    }
    if (length >= sizeof digits || !pare_parse_integer(digits, out) || *out < 1 ||
        !pare_checked_multiply(*out, factor, out)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option recover: '%s' is not a number of tokens such as 1M-tokens, 500k "
                         "or 200000",
                         text);
    }
    return PARE_OK;
}

/* All windows of the text, each beginning with the begin token (if there is one). */
static pare_status read_windows(const pare_model *model, const pare_options *options,
                                int64_t context, int64_t *windows, int32_t **out) {
    pare_context *ctx = model->ctx;
    int32_t *token = NULL, *cut = NULL;
    int64_t count = 0, bos = -1;
    pare_status status = pare_language_read(model, options->text, &token, &count);
    if (status != PARE_OK) {
        return status;
    }
    bos = pare_tokenizer_bos(model->tokenizer);
    int64_t first = bos >= 0 ? 1 : 0, step = context - first;
    *windows = (count - first) / step;
    if (*windows < 1) {
        status =
            pare_fail(ctx, PARE_ERROR_INPUT, "%s: %lld tokens are less than one window of %lld",
                      options->text, (long long)count, (long long)context);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, *windows * context, sizeof *cut, &cut);
    }
    for (int64_t i = 0; status == PARE_OK && i < *windows; i++) {
        cut[i * context] = (int32_t)bos;
        memcpy(cut + i * context + first, token + first + i * step, (size_t)step * sizeof *cut);
    }
    pare_free(ctx, token);
    if (status == PARE_OK) {
        *out = cut;
    }
    return status;
}

/* A random choice of the windows, by the seed; all if there are no more. */
static pare_status choose_windows(const pare_model *model, const pare_options *options,
                                  int64_t context, int64_t windows, const int32_t *from,
                                  int64_t *chosen, int32_t **out) {
    pare_context *ctx = model->ctx;
    int64_t *order = NULL, count = windows < options->calibration ? windows : options->calibration;
    pare_status status = pare_alloc(ctx, windows, sizeof *order, &order);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count * context, sizeof **out, out);
    }
    if (status == PARE_OK) {
        for (int64_t i = 0; i < windows; i++) {
            order[i] = i;
        }
        pare_random_shuffle((uint64_t)options->seed, PARE_STREAM_SPLIT, 0, windows, order);
        for (int64_t i = 0; i < count; i++) {
            memcpy(*out + i * context, from + order[i] * context, (size_t)context * sizeof **out);
        }
        *chosen = count;
    }
    pare_free(ctx, order);
    return status;
}

typedef struct listener {
    pare_progress_fn progress;
    void *user;
    double start;
} listener;

static int relay(void *user, const char *stage, double fraction) {
    listener *l = user;
    if (!l->progress) {
        return 0;
    }
    double seconds = pare_clock_seconds() - l->start;
    double left = fraction > 0 ? seconds * (1 - fraction) / fraction : -1;
    pare_progress state = {sizeof state, stage, fraction, seconds, left, 0, 0, (double)NAN, NULL};
    return l->progress(l->user, &state);
}

static pare_status new_model(const pare_model *model, pare_model **out) {
    pare_model *m = NULL;
    pare_status status = pare_alloc_zero(model->ctx, 1, sizeof *m, &m);
    if (status != PARE_OK) {
        return status;
    }
    m->ctx = model->ctx;
    m->origin = model;
    m->tokenizer = model->tokenizer;
    status = pare_text_copy(m->ctx, model->path, (int64_t)strlen(model->path), &m->path);
    if (status == PARE_OK) {
        status = pare_lm_open(&model->checkpoint, &m->lm);
    }
    if (status != PARE_OK) {
        pare_language_close(m);
        return status;
    }
    *out = m;
    return PARE_OK;
}

/* Says what pruning needs before it begins, and refuses what cannot be had. */
static pare_status announce(const pare_model *model, int64_t windows, int64_t context,
                            const pare_prune_options *o, bool usual, listener *l) {
    const double gigabyte = 1e9;
    double needs = (double)pare_prune_bytes(&model->lm, windows, context, o) / gigabyte;
    double free = (double)pare_memory_free() / gigabyte;
    char stage[96];
    if (free > 0 && needs > free) {
        return pare_fail(
            model->ctx, PARE_ERROR_MEMORY,
            "pruning needs %.1f GB and %.1f GB are free: fewer windows (--calibration) "
            "or shorter ones (--context) need less",
            needs, free);
    }
    snprintf(stage, sizeof stage, "%sneeds %.2f GB, %.1f GB free",
             usual ? "budget " PARE_PRUNE_BUDGET " (the default), " : "", needs, free);
    return relay(l, stage, 0) == 0
               ? PARE_OK
               : pare_fail(model->ctx, PARE_ERROR_ARGUMENT, "stopped by the caller");
}

/* "32" or "32x32": the sizes there are kernels for. */
static pare_status read_block(pare_context *ctx, const char *text, int64_t *out) {
    static const int64_t sizes[] = {16, 32, 64};
    char both[16];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int64_t size = 0;
        snprintf(both, sizeof both, "%lldx%lld", (long long)sizes[i], (long long)sizes[i]);
        bool one = pare_parse_integer(text, &size) && size == sizes[i];
        if (one || strcmp(text, both) == 0) {
            *out = sizes[i];
            return PARE_OK;
        }
    }
    return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                     "option block: '%s' is none of 16x16, 32x32 and 64x64, which a language model "
                     "can be served with",
                     text);
}

/* Blocks of the weights. Without a text: by magnitude or at random. */
static pare_status prune_blocks(const pare_model *model, const pare_options *options,
                                int64_t tokens, int64_t windows, int64_t context,
                                const int32_t *text, listener *l, pare_model *m) {
    pare_prune_blocks_options o = {.criterion = (pare_prune_criterion)options->criterion,
                                   .sparsity = options->sparsity,
                                   .compensate = options->compensate,
                                   .ridge = 1e-3,
                                   .steps = options->mask_steps,
                                   .tokens = tokens,
                                   .probe = options->probe,
                                   .seed = (uint64_t)options->seed};
    if (!text && o.criterion == PARE_PRUNE_RECONSTRUCTION) {
        o.criterion = PARE_PRUNE_MAGNITUDE;
        if (relay(l, "no text: blocks by magnitude, nothing is solved anew", 0) != 0) {
            return pare_fail(model->ctx, PARE_ERROR_ARGUMENT, "stopped by the caller");
        }
    }
    bool simple = o.criterion == PARE_PRUNE_MAGNITUDE || o.criterion == PARE_PRUNE_RANDOM;
    bool measured = o.criterion == PARE_PRUNE_ACTIVATION ||
                    o.criterion == PARE_PRUNE_RECONSTRUCTION ||
                    o.criterion == PARE_PRUNE_SEQUENTIAL_ATTENTION;
    if (!simple && (!measured || !text)) {
        return pare_fail(model->ctx, PARE_ERROR_ARGUMENT,
                         "option criterion: blocks are chosen by magnitude or random, and with "
                         "option text by activation, reconstruction or sequential-attention");
    }
    pare_status status = read_block(model->ctx, options->block, &o.block);
    return status == PARE_OK ? pare_prune_blocks(&model->lm, &m->lm, windows, context, text, &o,
                                                 relay, l, &m->result)
                             : status;
}

/* Of a model whose layers stay as they are. */
static pare_prune_result untouched(const pare_lm_shape *shape) {
    pare_prune_result result = {.share = 1, .loss_after = (double)NAN};
    for (int64_t i = 0; i < shape->layers; i++) {
        result.parameters_before += pare_lm_layer_parameters(shape, i);
    }
    result.parameters_after = result.parameters_before;
    return result;
}

pare_status pare_language_prune(const pare_model *model, const pare_options *options,
                                pare_progress_fn progress, void *user, pare_model **out) {
    pare_context *ctx = model->ctx;
    pare_prune_options o = {
        .criterion = (pare_prune_criterion)options->criterion,
        .uniform = options->uniform,
        .compensate = options->compensate,
        .round = options->round,
        .ridge = 1e-3,
        .probe = options->probe,
        .steps = options->mask_steps,
        .rehearse = options->rehearse,
        .seed = (uint64_t)options->seed,
        .pack = options->recover[0] ? PARE_DTYPE_F32 : pare_language_export_dtype(model, options)};
    int64_t context = 0, windows = 0, chosen = 0, recovery = 0;
    int32_t *text = NULL, *token = NULL;
    pare_model *m = NULL;
    pare_latency latency = {0};
    listener l = {progress, user, pare_clock_seconds()};
    *out = NULL;
    if (model->origin) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "a pruned model must be saved and opened before "
                         "it is pruned again");
    }
    bool blocks = strcmp(options->structure, "blocks") == 0, vocabulary = false;
    if (options->rehearse && (blocks || options->recover[0])) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "option rehearse: not with structure blocks or option recover");
    }
    bool alone = strcmp(options->structure, "vocabulary") == 0 && !options->budget[0];
    pare_status status = blocks || alone ? PARE_OK : read_budget(ctx, options->budget, &o);
    if (status == PARE_OK && !blocks) {
        status = read_structures(ctx, options->structure, &o, &vocabulary);
    }
    o.pack = o.hidden ? PARE_DTYPE_F32 : o.pack; /* dimensions go at the end */
    if (status == PARE_OK) {
        status = pare_language_context(model, options, &context);
    }
    if (status == PARE_OK) {
        status = read_tokens(ctx, options->recover, &recovery);
    }
    bool calibrate = !blocks || options->text[0] || recovery > 0;
    if (status == PARE_OK && calibrate) {
        status = read_windows(model, options, context, &windows, &text);
    }
    if (status == PARE_OK && calibrate) {
        status = choose_windows(model, options, context, windows, text, &chosen, &token);
    }
    if (status == PARE_OK && o.resource == PARE_PRUNE_LATENCY) {
        status = pare_latency_measure(&model->lm, o.queries, options->sequences,
                                      pare_language_position(model, options), &latency);
        o.latency = &latency;
        o.sequences = options->sequences;
        o.position = pare_language_position(model, options);
    }
    if (status == PARE_OK) {
        status = new_model(model, &m);
    }
    if (status == PARE_OK && blocks) {
        bool whole = recovery > 0; /* weights learn from all of the text */
        status = prune_blocks(model, options, recovery, whole ? windows : chosen, context,
                              whole ? text : token, &l, m);
    } else if (status == PARE_OK && !alone) {
        narrow(options, &o);
        status = announce(model, chosen, context, &o, !options->budget[0], &l);
    }
    if (status == PARE_OK && !blocks && !alone) {
        status = pare_prune(&model->lm, &m->lm, chosen, context, token, &o, relay, &l, &m->result);
    }
    if (status == PARE_OK && recovery > 0 && !blocks) {
        status = pare_lm_own(&m->lm);
    }
    if (status == PARE_OK && recovery > 0 && !blocks) {
        l.start = pare_clock_seconds();
        status = pare_prune_recover(&model->lm, &m->lm, windows, context, text, recovery, o.seed,
                                    relay, &l, m->result.recovery);
    }
    if (status == PARE_OK && alone) {
        m->result = untouched(&m->lm.shape);
    }
    if (status == PARE_OK && vocabulary) {
        status = pare_prune_vocabulary(m, options);
    }
    if (status == PARE_OK && options->rehearse) {
        m->rehearsed = pare_peak_memory();
    }
    pare_latency_clear(ctx, &latency);
    pare_free(ctx, text);
    pare_free(ctx, token);
    if (status != PARE_OK) {
        pare_language_close(m);
        return status;
    }
    *out = m;
    return PARE_OK;
}
