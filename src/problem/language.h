/*
 * A language model with its tokenizer: what the public handle pare_model holds. A pruned model
 * keeps its weights itself and borrows files and tokenizer from the model it was made of.
 */
#ifndef PARE_PROBLEM_LANGUAGE_H
#define PARE_PROBLEM_LANGUAGE_H

#include "base/text.h"
#include "model/tokenizer/tokenizer.h"
#include "problem/prune.h"

struct pare_model {
    pare_context *ctx;
    char *path;
    const struct pare_model *origin; /* NULL if it was opened from a file */
    pare_checkpoint checkpoint;
    pare_lm lm;
    pare_tokenizer *tokenizer; /* NULL: none was found; or the origin's, unless: */
    uint8_t *tokens;           /* (vocabulary of the origin) 1: kept, the tokenizer being its own */
    char *tokenizer_error;     /* why there is none */
    pare_prune_result result;  /* of a pruned model */
    int64_t rehearsed;         /* most bytes held by a rehearsal; 0: a real run */
    char *text;                /* handed out by pare_language_text */
};

/* How the opened model stores its numbers: those of the embedding. */
pare_dtype pare_language_dtype(const pare_model *model);
/* How a model made of it is written: option dtype. */
pare_dtype pare_language_export_dtype(const pare_model *model, const pare_options *options);
/* Fails if there is no tokenizer. */
pare_status pare_language_needs_tokenizer(const pare_model *model) PARE_MUST_CHECK;
/* Tokens of a text file, the begin token first if the tokenizer has one. */
pare_status pare_language_read(const pare_model *model, const char *path, int32_t **out,
                               int64_t *count) PARE_MUST_CHECK;
/* Tokens in a window, from option context. */
pare_status pare_language_context(const pare_model *model, const pare_options *options,
                                  int64_t *out) PARE_MUST_CHECK;

pare_status pare_language_open(pare_context *ctx, const char *path, const pare_options *options,
                               pare_model **out) PARE_MUST_CHECK;
void pare_language_close(pare_model *model);
/* Lines "name: value". */
pare_status pare_language_text(pare_model *model, const char **out) PARE_MUST_CHECK;
pare_status pare_language_perplexity(const pare_model *model, const pare_options *options,
                                     pare_progress_fn progress, void *user,
                                     pare_perplexity *out) PARE_MUST_CHECK;
/* Takes the rows of tokens that the text of option text never uses out of a pruned model and gives
 * it a tokenizer of the others. */
pare_status pare_prune_vocabulary(pare_model *model, const pare_options *options) PARE_MUST_CHECK;
pare_status pare_language_prune(const pare_model *model, const pare_options *options,
                                pare_progress_fn progress, void *user,
                                pare_model **out) PARE_MUST_CHECK;
/* difference: largest difference of a logit between the model in memory and what was written and
 * read again, over one window of pseudo-random tokens. */
pare_status pare_language_save(const pare_model *model, const pare_options *options,
                               const char *path, double *difference) PARE_MUST_CHECK;
pare_status pare_language_generate(const pare_model *model, const pare_options *options,
                                   pare_piece_fn piece, void *user,
                                   pare_generation *out) PARE_MUST_CHECK;
/* Lines "what: time": the model's step and what its structures cost. */
pare_status pare_language_latency(pare_model *model, const pare_options *options,
                                  const char **out) PARE_MUST_CHECK;
/* Tokens before the step that is timed: option prompt-tokens, at most half of the context. */
int64_t pare_language_position(const pare_model *model, const pare_options *options);
/* Seconds of one decoding step of two models at that position, measured in turns. */
pare_status pare_language_step_seconds(const pare_model *model, const pare_model *other,
                                       const pare_options *options, double out[2]) PARE_MUST_CHECK;

#endif
