/* What the files of the tokenizer share. */
#ifndef PARE_MODEL_TOKENIZER_INTERNAL_H
#define PARE_MODEL_TOKENIZER_INTERNAL_H

#include "base/text.h"
#include "model/tokenizer/tokenizer.h"

typedef enum tokenizer_kind {
    TOKENIZER_MERGES,    /* SentencePiece BPE: the adjacent pair whose piece scores highest */
    TOKENIZER_UNIGRAM,   /* SentencePiece unigram: the split with the highest total score */
    TOKENIZER_BYTE_LEVEL /* GPT-2 BPE on words cut by a pattern */
} tokenizer_kind;

/* Types of pieces, as SentencePiece and GGUF number them. */
enum { PIECE_NORMAL = 1, PIECE_UNKNOWN = 2, PIECE_CONTROL = 3, PIECE_USER = 4, PIECE_BYTE = 6 };

/* A merge: two tokens become one. rank: order of application. */
typedef struct tokenizer_merge {
    int32_t left, right, result, rank;
} tokenizer_merge;

struct pare_tokenizer {
    pare_context *ctx;
    char *path;
    tokenizer_kind kind;
    pare_stored_vocabulary vocabulary;
    int64_t unknown; /* -1: none */
    bool dummy_prefix, squeeze_blanks, escape_blanks;
    bool sentencepiece; /* path is a SentencePiece model */
    int32_t *slot;      /* (slots) open hash of pieces: number + 1, 0 = free */
    int64_t slots;
    int32_t byte_token[256];     /* -1: none */
    int64_t longest;             /* bytes of the longest piece */
    tokenizer_merge *merge_slot; /* (merge_slots) open hash; rank -1 = free */
    int64_t merge_slots;
    void *pattern; /* compiled by PCRE2, or NULL */
};

/* Number of a piece, -1 if there is none. */
int32_t pare_piece_find(const pare_tokenizer *t, const char *bytes, int64_t length);
/* NULL if the pair does not merge. */
const tokenizer_merge *pare_merge_find(const pare_tokenizer *t, int32_t left, int32_t right);

/* Growing list of tokens. used: (pieces) or NULL; marks what is pushed and what merges pass by. */
typedef struct token_list {
    pare_context *ctx;
    int32_t *token;
    int64_t count, capacity;
    uint8_t *used;
} token_list;
pare_status pare_token_push(token_list *list, int32_t token) PARE_MUST_CHECK;

/* The three encoders; text is already normalised. */
pare_status pare_encode_merges(const pare_tokenizer *t, const char *text, int64_t length,
                               token_list *out) PARE_MUST_CHECK;
pare_status pare_encode_unigram(const pare_tokenizer *t, const char *text, int64_t length,
                                token_list *out) PARE_MUST_CHECK;
pare_status pare_encode_bytes(const pare_tokenizer *t, const char *text, int64_t length,
                              token_list *out) PARE_MUST_CHECK;

/* Readers: fill vocabulary, kind and flags. */
pare_status pare_tokenizer_read_sentencepiece(pare_tokenizer *t, const char *path) PARE_MUST_CHECK;
pare_status pare_tokenizer_read_llama2c(pare_tokenizer *t, const char *path,
                                        int64_t vocabulary) PARE_MUST_CHECK;
pare_status pare_tokenizer_read_json(pare_tokenizer *t, const char *path) PARE_MUST_CHECK;
/* Adds a piece while reading. */
pare_status pare_piece_add(pare_tokenizer *t, int64_t *capacity, const char *bytes, int64_t length,
                           float score, int32_t type) PARE_MUST_CHECK;

/* Hash of the pieces, and which token stands for each byte. */
pare_status pare_pieces_index(pare_tokenizer *t) PARE_MUST_CHECK;

/* Byte-level: builds the merge table from vocabulary.merge and compiles the pattern. */
pare_status pare_byte_level_prepare(pare_tokenizer *t, const char *pattern) PARE_MUST_CHECK;
void pare_byte_level_release(pare_tokenizer *t);
void pare_byte_level_append(const pare_tokenizer *t, int32_t token, pare_text *out);

/* Bytes of the UTF-8 character at text (1 for an invalid byte). */
int64_t pare_character_length(const char *text, int64_t left);

#endif
