#include "base/text.h"
#include "data/reader.h"

static int64_t find_hashed(const pare_levels *levels, uint64_t hash, const unsigned char *text,
                           int64_t length) {
    if (levels->slots == 0) {
        return -1;
    }
    uint64_t mask = (uint64_t)levels->slots - 1;
    for (uint64_t at = hash & mask;; at = (at + 1) & mask) {
        int64_t level = levels->slot[at];
        if (level < 0) {
            return -1;
        }
        if (levels->hash[level] == hash && levels->length[level] == length &&
            memcmp(levels->text[level], text, (size_t)length) == 0) {
            return level;
        }
    }
}

/* FNV-1a varies least in its high bits, and the slot is taken from the low ones. */
static uint64_t hash_of(const unsigned char *text, int64_t length) {
    return pare_hash(PARE_HASH_START, text, length);
}

int64_t pare_levels_find(const pare_levels *levels, const unsigned char *text, int64_t length) {
    return find_hashed(levels, hash_of(text, length), text, length);
}

static void put(pare_levels *levels, int64_t level) {
    uint64_t mask = (uint64_t)levels->slots - 1;
    uint64_t at = levels->hash[level] & mask;
    while (levels->slot[at] >= 0) {
        at = (at + 1) & mask;
    }
    levels->slot[at] = (int32_t)level;
}

static pare_status widen(pare_context *ctx, pare_levels *levels) {
    int64_t slots = levels->slots ? 2 * levels->slots : 16;
    int32_t *slot = NULL;
    pare_status status = pare_alloc(ctx, slots, sizeof *slot, &slot);
    if (status != PARE_OK) {
        return status;
    }
    memset(slot, 0xff, (size_t)slots * sizeof *slot);
    pare_free(ctx, levels->slot);
    levels->slot = slot;
    levels->slots = slots;
    for (int64_t level = 0; level < levels->count; level++) {
        put(levels, level);
    }
    return PARE_OK;
}

pare_status pare_levels_add(pare_context *ctx, pare_levels *levels, const unsigned char *text,
                            int64_t length, int64_t *out) {
    uint64_t hash = hash_of(text, length);
    *out = find_hashed(levels, hash, text, length);
    if (*out >= 0) {
        return PARE_OK;
    }
    int64_t count = levels->count;
    pare_status status =
        pare_grow(ctx, count + 1, sizeof *levels->text, &levels->text_capacity, &levels->text);
    if (status == PARE_OK) {
        status = pare_grow(ctx, count + 1, sizeof *levels->length, &levels->length_capacity,
                           &levels->length);
    }
    if (status == PARE_OK) {
        status =
            pare_grow(ctx, count + 1, sizeof *levels->hash, &levels->hash_capacity, &levels->hash);
    }
    if (status == PARE_OK && 2 * (count + 1) > levels->slots) {
        status = widen(ctx, levels);
    }
    if (status == PARE_OK) {
        status = pare_text_copy(ctx, (const char *)text, length, &levels->text[count]);
    }
    if (status != PARE_OK) {
        return status;
    }
    levels->length[count] = length;
    levels->hash[count] = hash;
    levels->count++;
    put(levels, count);
    *out = count;
    return PARE_OK;
}

void pare_levels_clear(pare_context *ctx, pare_levels *levels) {
    for (int64_t level = 0; level < levels->count; level++) {
        pare_free(ctx, levels->text[level]);
    }
    pare_free(ctx, levels->text);
    pare_free(ctx, levels->length);
    pare_free(ctx, levels->hash);
    pare_free(ctx, levels->slot);
    *levels = (pare_levels){0};
}
