/*
 * The different texts of a field, numbered by first appearance, for fields of millions of ids: a
 * text of up to twelve bytes lies in its entry, longer ones in one array of bytes. Texts are
 * compared whole.
 */
#ifndef PARE_DATA_VOCABULARY_H
#define PARE_DATA_VOCABULARY_H

#include "base/context.h"

#include <string.h>

enum { PARE_WORD_INLINE = 12 };

/* A text: up to PARE_WORD_INLINE bytes and zeros after them, or the first four bytes and then, in
 * eight, where it begins among the bytes of its owner. */
typedef struct pare_word {
    uint32_t length;
    unsigned char head[PARE_WORD_INLINE];
} pare_word;

/* Zero-initialise. */
typedef struct pare_vocabulary {
    int64_t count;
    pare_word *word; /* (count) */
    uint64_t
        *slot; /* (slots) high half of the hash, then number + 1; 0: empty; at most half full */
    unsigned char *bytes; /* (used) of long texts */
    int64_t slots, word_capacity, used, capacity;
} pare_vocabulary;

/* The word of text[0 .. length), length < 2^32; text lies at `offset` of its owner's bytes. */
pare_word pare_word_of(const unsigned char *text, int64_t length, int64_t offset);
/* The same where PARE_WORD_INLINE bytes can be read behind the text's first. */
static inline pare_word pare_word_read(const unsigned char *text, int64_t length, int64_t offset) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (length <= PARE_WORD_INLINE) { /* both halves read whole, the bytes behind the text cut */
        pare_word word = {.length = (uint32_t)length};
        uint32_t first;
        uint64_t rest;
        memcpy(&first, text, sizeof first);
        memcpy(&rest, text + 4, sizeof rest);
        int64_t cut = 8 * (PARE_WORD_INLINE - length), low = cut - 64;
        rest = cut >= 64 ? 0 : rest << cut >> cut;
        first = low >= 32 ? 0 : low > 0 ? first << low >> low : first;
        memcpy(word.head, &first, sizeof first);
        memcpy(word.head + 4, &rest, sizeof rest);
        return word;
    }
#endif
    return pare_word_of(text, length, offset);
}
uint64_t pare_word_hash_long(const pare_word *word, const unsigned char *bytes);
/* bytes: of the word's owner. */
static inline uint64_t pare_word_hash(const pare_word *word, const unsigned char *bytes) {
    uint64_t half[2];
    if (word->length > PARE_WORD_INLINE) {
        return pare_word_hash_long(word, bytes);
    }
    memcpy(half, word, sizeof half);
    uint64_t hash = (half[0] ^ half[0] >> 29) * UINT64_C(0x9e3779b97f4a7c15) ^ half[1];
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9); /* the finaliser of splitmix64 */
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

/* Text of number `at` in [0, count), not terminated; valid until the next addition. */
const unsigned char *pare_vocabulary_text(const pare_vocabulary *v, int64_t at, int64_t *length);
/* Number of the text, -1 if there is none. May be called by several threads at once. */
int64_t pare_vocabulary_find(const pare_vocabulary *v, const unsigned char *text, int64_t length);
/* The same, adding it when new; fails when memory runs out, or at 2^31 - 1 texts. */
pare_status pare_vocabulary_add(pare_context *ctx, pare_vocabulary *v, const unsigned char *text,
                                int64_t length, int64_t *out) PARE_MUST_CHECK;
/* Number of a word with its hash, added when new; -1: there is no room, see reserve. Allocates
 * nothing, so that threads may fill different vocabularies at once. */
int64_t pare_vocabulary_take(pare_vocabulary *v, const pare_word *word, uint64_t hash,
                             const unsigned char *bytes);
/* The same where the word is short and stands in its own slot, else -1: most words do. */
static inline int64_t pare_vocabulary_known(const pare_vocabulary *v, const pare_word *word,
                                            uint64_t hash) {
    uint64_t slot = v->slots > 0 ? v->slot[hash & (uint64_t)(v->slots - 1)] : 0;
    return slot != 0 && slot >> 32 == hash >> 32 && word->length <= PARE_WORD_INLINE &&
                   memcmp(&v->word[(uint32_t)slot - 1], word, sizeof *word) == 0
               ? (int64_t)(uint32_t)slot - 1
               : -1;
}
/* Room for at least one more text of `length` bytes; doubles what it has. */
pare_status pare_vocabulary_reserve(pare_context *ctx, pare_vocabulary *v,
                                    int64_t length) PARE_MUST_CHECK;
void pare_vocabulary_clear(pare_context *ctx, pare_vocabulary *v);

/* Brings what take will look at into the cache: first the slot, some words later the entry. Always
 * inlined: the compiler takes a function of nothing but prefetches for one without effect. */
__attribute__((always_inline)) static inline void
pare_vocabulary_prefetch_slot(const pare_vocabulary *v, uint64_t hash) {
    if (v->slots > 0) {
        __builtin_prefetch(&v->slot[hash & (uint64_t)(v->slots - 1)]);
    }
}
__attribute__((always_inline)) static inline void
pare_vocabulary_prefetch_word(const pare_vocabulary *v, uint64_t hash) {
    if (v->slots > 0) {
        uint64_t slot = v->slot[hash & (uint64_t)(v->slots - 1)];
        __builtin_prefetch(&v->word[(uint32_t)slot - (slot != 0)]);
    }
}

#endif
