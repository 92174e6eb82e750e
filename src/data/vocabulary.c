#include "data/vocabulary.h"

#include "base/xxh64.h"
#include "platform/system.h"

#include <string.h>

static int64_t offset_of(const pare_word *word) {
    int64_t offset;
    memcpy(&offset, word->head + 4, sizeof offset);
    return offset;
}

pare_word pare_word_of(const unsigned char *text, int64_t length, int64_t offset) {
    pare_word word = {.length = (uint32_t)length};
    bool longer = length > PARE_WORD_INLINE;
    memcpy(word.head, text, (size_t)(longer ? 4 : length));
    if (longer) {
        memcpy(word.head + 4, &offset, sizeof offset);
    }
    return word;
}

uint64_t pare_word_hash_long(const pare_word *word, const unsigned char *bytes) {
    return pare_xxh64(bytes + offset_of(word), word->length, 0);
}

static bool same(const pare_vocabulary *v, const pare_word *mine, const pare_word *word,
                 const unsigned char *bytes) {
    if (word->length > PARE_WORD_INLINE) {
        return mine->length == word->length &&
               memcmp(v->bytes + offset_of(mine), bytes + offset_of(word), word->length) == 0;
    }
    return memcmp(mine, word, sizeof *word) == 0;
}

/* *at: the slot where it is, or where it would be put. */
static int64_t find(const pare_vocabulary *v, const pare_word *word, uint64_t hash,
                    const unsigned char *bytes, uint64_t *at) {
    uint64_t mask = (uint64_t)v->slots - 1, slot;
    for (*at = hash & mask; (slot = v->slot[*at]) != 0; *at = (*at + 1) & mask) {
        int64_t number = (int64_t)(uint32_t)slot - 1;
        if (slot >> 32 == hash >> 32 && same(v, &v->word[number], word, bytes)) {
            return number;
        }
    }
    return -1;
}

const unsigned char *pare_vocabulary_text(const pare_vocabulary *v, int64_t at, int64_t *length) {
    const pare_word *word = &v->word[at];
    *length = word->length;
    return word->length > PARE_WORD_INLINE ? v->bytes + offset_of(word) : word->head;
}

int64_t pare_vocabulary_find(const pare_vocabulary *v, const unsigned char *text, int64_t length) {
    pare_word word = pare_word_of(text, length, 0);
    uint64_t at;
    return v->slots > 0 ? find(v, &word, pare_word_hash(&word, text), text, &at) : -1;
}

int64_t pare_vocabulary_take(pare_vocabulary *v, const pare_word *word, uint64_t hash,
                             const unsigned char *bytes) {
    uint64_t at = 0;
    int64_t number = v->slots > 0 ? find(v, word, hash, bytes, &at) : -1;
    bool longer = word->length > PARE_WORD_INLINE;
    if (number >= 0) {
        return number;
    }
    if (2 * (v->count + 1) > v->slots || v->count == v->word_capacity ||
        (longer && word->length > v->capacity - v->used)) {
        return -1;
    }
    number = v->count++;
    v->word[number] = *word;
    if (longer) {
        memcpy(v->bytes + v->used, bytes + offset_of(word), word->length);
        memcpy(v->word[number].head + 4, &v->used, sizeof v->used);
        v->used += word->length;
    }
    v->slot[at] = (hash >> 32) << 32 | (uint64_t)(number + 1);
    return number;
}

static pare_status widen(pare_context *ctx, pare_vocabulary *v) {
    int64_t slots = v->slots ? 2 * v->slots : 16;
    uint64_t *slot = NULL, mask = (uint64_t)slots - 1;
    pare_status status = pare_alloc(ctx, slots, sizeof *slot, &slot);
    if (status != PARE_OK) {
        return status;
    }
    pare_memory_large_pages(slot, slots * (int64_t)sizeof *slot);
    memset(slot, 0, (size_t)slots * sizeof *slot);
    for (int64_t number = 0; number < v->count; number++) {
        uint64_t hash = pare_word_hash(&v->word[number], v->bytes), at = hash & mask;
        while (slot[at] != 0) {
            at = (at + 1) & mask;
        }
        slot[at] = (hash >> 32) << 32 | (uint64_t)(number + 1);
    }
    pare_free(ctx, v->slot);
    v->slot = slot;
    v->slots = slots;
    return PARE_OK;
}

pare_status pare_vocabulary_reserve(pare_context *ctx, pare_vocabulary *v, int64_t length) {
    if (v->count >= INT32_MAX) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "a field has more than %d different ids",
                         INT32_MAX);
    }
    pare_status status = PARE_OK;
    if (v->count == v->word_capacity) {
        status = pare_grow(ctx, v->count ? 2 * v->count : 8, sizeof *v->word, &v->word_capacity,
                           &v->word);
    }
    if (status == PARE_OK && length > PARE_WORD_INLINE && length > v->capacity - v->used) {
        status = pare_grow(ctx, v->used + length, 1, &v->capacity, &v->bytes);
    }
    return status == PARE_OK && 2 * (v->count + 1) > v->slots ? widen(ctx, v) : status;
}

pare_status pare_vocabulary_add(pare_context *ctx, pare_vocabulary *v, const unsigned char *text,
                                int64_t length, int64_t *out) {
    pare_word word = pare_word_of(text, length, 0);
    uint64_t hash = pare_word_hash(&word, text);
    *out = pare_vocabulary_take(v, &word, hash, text);
    pare_status status = *out < 0 ? pare_vocabulary_reserve(ctx, v, length) : PARE_OK;
    if (status == PARE_OK && *out < 0) {
        *out = pare_vocabulary_take(v, &word, hash, text);
    }
    return status;
}

void pare_vocabulary_clear(pare_context *ctx, pare_vocabulary *v) {
    pare_free(ctx, v->word);
    pare_free(ctx, v->slot);
    pare_free(ctx, v->bytes);
    *v = (pare_vocabulary){0};
}
