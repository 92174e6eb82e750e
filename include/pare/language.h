/* Language models: opening, scoring, pruning, generating. Part of pare/pare.h, which includes it.
 */
#ifndef PARE_LANGUAGE_H
#define PARE_LANGUAGE_H

#include "pare/pare.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Language models ----------------------------------------------------------------------- */

typedef struct pare_model pare_model;

/*
 * Opens a model of the Llama family, GPT-2 or GPT-NeoX: a Hugging Face directory (config.json and
 * safetensors), a GGUF file, or a llama2.c file, with its tokenizer (option "tokenizer", else the
 * one beside or inside it). Files stay mapped and must not change until close. Cost: the weights
 * are read once, to refuse values that are not finite.
 */
PARE_API PARE_MUST_CHECK pare_status pare_model_open(pare_context *ctx, const char *path,
                                                     const pare_config *config, pare_model **out);
/* A model made by pare_model_prune must be closed before the one it was made of. */
PARE_API void pare_model_close(pare_model *model);
/* Shape, size, cost and what was kept, as lines "name: value\n"; valid until the next such call. */
PARE_API PARE_MUST_CHECK pare_status pare_model_text(pare_model *model, const char **out);

typedef struct pare_perplexity {
    size_t size;             /* set by the caller to sizeof(pare_perplexity) */
    double perplexity, nats; /* exp(nats); mean negative log-likelihood of a scored token */
    int64_t tokens, windows; /* scored tokens, windows */
    int64_t context, stride; /* tokens of a window, between the starts of two */
} pare_perplexity;

/* Scores the file of option "text" by options "context", "stride", "windows", "protocol". */
PARE_API PARE_MUST_CHECK pare_status pare_model_perplexity(pare_model *model,
                                                           const pare_config *config,
                                                           pare_progress_fn progress, void *user,
                                                           pare_perplexity *out);

/*
 * A smaller model: the options of section "pruning" say what may go and how much may stay, option
 * "text" on what to calibrate. Borrows `model` until closed; `model` itself does not change. A
 * nonzero return of progress stops without a result.
 */
PARE_API PARE_MUST_CHECK pare_status pare_model_prune(pare_model *model, const pare_config *config,
                                                      pare_progress_fn progress, void *user,
                                                      pare_model **out);

/*
 * Writes a Hugging Face directory (and model.gguf with option "gguf"; layers that differ need it:
 * stock readers of config.json expect equal ones). Everything is read again and compared before
 * the directory gets its name; difference: the largest difference of a logit, may be NULL. An
 * existing directory is refused unless option "overwrite".
 */
PARE_API PARE_MUST_CHECK pare_status pare_model_save(pare_model *model, const pare_config *config,
                                                     const char *path, double *difference);

/* Bytes of generated text, not necessarily whole characters; nonzero stops. */
typedef int (*pare_piece_fn)(void *user, const char *bytes, int64_t length);

typedef struct pare_generation {
    size_t size;            /* set by the caller to sizeof(pare_generation) */
    int64_t prompt, tokens; /* tokens read and made */
    double prompt_seconds, seconds;
} pare_generation;

/* Goes on from option "prompt" for option "generate" tokens or to the end token. */
PARE_API PARE_MUST_CHECK pare_status pare_model_generate(pare_model *model,
                                                         const pare_config *config,
                                                         pare_piece_fn piece, void *user,
                                                         pare_generation *out);

/* Seconds of a step of two models, in turns: "sequences" sequences after "prompt-tokens" tokens. */
PARE_API PARE_MUST_CHECK pare_status pare_model_step_seconds(pare_model *model, pare_model *other,
                                                             const pare_config *config,
                                                             double out[2]);
/* What structures cost on this machine, as lines; valid until the next text of this model. */
PARE_API PARE_MUST_CHECK pare_status pare_model_latency(pare_model *model,
                                                        const pare_config *config,
                                                        const char **out);

/*
 * A report on one or several prunings of a model: what is left where, perplexity, cost and samples
 * before and after. Create scores the dense model (options "stride", "windows", "protocol") on the
 * file `text` (NULL: option "text"; no text: no perplexity) and lets it write from option "prompt".
 * Add does the same to a model made by pare_model_prune with this config; seconds: what
 * pare_model_step_seconds said of the two, or NULL; at most 16. Borrows the dense model.
 */
typedef struct pare_pruning pare_pruning;
PARE_API PARE_MUST_CHECK pare_status pare_pruning_create(pare_model *model,
                                                         const pare_config *config,
                                                         const char *text,
                                                         pare_progress_fn progress, void *user,
                                                         pare_pruning **out);
PARE_API PARE_MUST_CHECK pare_status pare_pruning_add(pare_pruning *pruning, pare_model *pruned,
                                                      const pare_config *config,
                                                      const double *seconds,
                                                      pare_progress_fn progress, void *user);
/* Writes it as a self-contained HTML file. */
PARE_API PARE_MUST_CHECK pare_status pare_pruning_report(const pare_pruning *pruning,
                                                         const char *path);
PARE_API void pare_pruning_destroy(pare_pruning *pruning);

#ifdef __cplusplus
}
#endif
#endif
