/*
 * Text to tokens and back: SentencePiece models (byte-pair merges by score, and unigram) from
 * tokenizer.model, GGUF vocabularies and llama2.c files; byte-level BPE (GPT-2, Llama 3, Qwen) from
 * tokenizer.json, vocab.json with merges.txt, and GGUF, where PCRE2 was found at build time.
 */
#ifndef PARE_MODEL_TOKENIZER_H
#define PARE_MODEL_TOKENIZER_H

#include "model/checkpoint/checkpoint.h"

typedef struct pare_tokenizer pare_tokenizer;

/*
 * The tokenizer that belongs to a model: `path` if given, else the GGUF vocabulary, else
 * tokenizer.model or tokenizer.json in the model's directory, else (llama2.c) tokenizer.bin beside
 * the model. A vocabulary larger than the model's is refused; a smaller one is a warning.
 */
pare_status pare_tokenizer_open(const pare_checkpoint *checkpoint, const char *path,
                                pare_tokenizer **out) PARE_MUST_CHECK;
void pare_tokenizer_close(pare_tokenizer *tokenizer);

int64_t pare_tokenizer_size(const pare_tokenizer *tokenizer);
int64_t pare_tokenizer_bos(const pare_tokenizer *tokenizer);
int64_t pare_tokenizer_eos(const pare_tokenizer *tokenizer);
/* As GGUF stores it, for the export; valid until close. */
const pare_stored_vocabulary *pare_tokenizer_vocabulary(const pare_tokenizer *tokenizer);

/*
 * Tokens of `length` bytes of text; bos: the begin token comes first. *out: (*count), for the
 * caller to free. Every byte is represented where the vocabulary has byte tokens; else unknown
 * characters become the unknown token. Special tokens are not recognised inside text. Cost:
 * n log n.
 */
pare_status pare_tokenizer_encode(const pare_tokenizer *tokenizer, const char *text, int64_t length,
                                  bool bos, int32_t **out, int64_t *count) PARE_MUST_CHECK;

/*
 * Smaller vocabularies, of SentencePiece kind only. Used marks the pieces that the text is cut into
 * and those that merges pass by on the way: used (size), entries become 1. With those and the ones
 * that pare_tokenizer_needed marks kept, the text is cut as before.
 */
pare_status pare_tokenizer_used(const pare_tokenizer *tokenizer, const char *text, int64_t length,
                                uint8_t *used) PARE_MUST_CHECK;
/* Marks what no text can do without: control, byte, unknown and user-defined pieces, and single
 * characters unless every byte has a piece. Fails for other kinds of tokenizers, and where a piece
 * that is not marked stands before one with a meaning of its own, whose number would change. */
pare_status pare_tokenizer_needed(const pare_tokenizer *tokenizer, uint8_t *used) PARE_MUST_CHECK;
/* A tokenizer of the marked pieces, numbered anew in their order. */
pare_status pare_tokenizer_keep(const pare_tokenizer *tokenizer, const uint8_t *keep,
                                pare_tokenizer **out) PARE_MUST_CHECK;
/* Was it read from a SentencePiece model? Then that file with the marked pieces only: */
bool pare_tokenizer_is_sentencepiece(const pare_tokenizer *tokenizer);
pare_status pare_tokenizer_write_kept(const pare_tokenizer *tokenizer, const uint8_t *keep,
                                      const char *path) PARE_MUST_CHECK;

/* Appends the bytes a token stands for; first: it opens the text (the leading blank that
 * SentencePiece adds is left out). Control tokens append nothing. */
struct pare_text;
void pare_tokenizer_append(const pare_tokenizer *tokenizer, int32_t token, bool first,
                           struct pare_text *out);

#endif
