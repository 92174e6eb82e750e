/* Texts of a block to numbers of levels: field by field, in the order of the file. */
#include "data/fields_read.h"

#include "platform/threads.h"

enum {
    RING = 32,      /* texts hashed ahead of the look-up; a power of two */
    WORD_AHEAD = 16 /* of which so many have their slot at hand */
};

/* The texts of one field in one chunk, in order. */
typedef struct texts {
    const int32_t *order; /* NULL: they lie one after another, and levels take their place */
    pare_word *word;
    int32_t *level; /* order NULL */
    const unsigned char *bytes;
    int64_t count;
} texts;

static inline pare_word *text_at(const texts *t, int64_t i) {
    return &t->word[t->order ? t->order[i] : i];
}

static inline void put_level(const texts *t, int64_t i, int64_t level) {
    if (t->order) {
        t->word[t->order[i]].length = (uint32_t)level;
    } else {
        int32_t small = (int32_t)level;
        memcpy(&t->level[i], &small, sizeof small); /* of a word that was read */
    }
}

/* From text `from` on; returns where it ended: at a text that found no room, or count. Hashes run
 * ahead, so that slots and entries are in the cache when they are looked at. */
static int64_t look_up_texts(pare_vocabulary *v, const texts *t, int64_t from) {
    uint64_t hash[RING];
    for (int64_t i = from; i < t->count + RING; i++) {
        int64_t slot = i - WORD_AHEAD, at = i - RING;
        if (at >= from) {
            const pare_word *word = text_at(t, at);
            int64_t level = pare_vocabulary_known(v, word, hash[at % RING]);
            if (level < 0) {
                level = pare_vocabulary_take(v, word, hash[at % RING], t->bytes);
            }
            if (level < 0) {
                return at;
            }
            put_level(t, at, level);
        }
        if (slot >= from && slot < t->count) {
            pare_vocabulary_prefetch_word(v, hash[slot % RING]);
        }
        if (i < t->count) {
            hash[i % RING] = pare_word_hash(text_at(t, i), t->bytes);
            pare_vocabulary_prefetch_slot(v, hash[i % RING]);
        }
    }
    return t->count;
}

/* The same for a field whose decimals are kept as they are; few texts are left. */
static int64_t look_up_decimals(pare_vocabulary *v, const texts *t, int64_t from,
                                int64_t *decimal) {
    for (int64_t i = from; i < t->count; i++) {
        const pare_word *word = &t->word[i];
        int64_t level = -1;
        decimal[i] = -1;
        if (word->length == (uint32_t)PARE_WORD_DECIMAL) {
            memcpy(&decimal[i], word->head + 4, sizeof decimal[i]);
        } else {
            level = pare_vocabulary_take(v, word, pare_word_hash(word, t->bytes), t->bytes);
            if (level < 0) {
                return i;
            }
        }
        put_level(t, i, level);
    }
    return t->count;
}

/* Field `index` of all chunks, until its vocabulary has no room. */
static void look_up(void *argument, int64_t index) {
    pare_fields_reader *r = argument;
    pare_field *field = &r->fields->field[index];
    pare_fields_place *place = &r->place[index];
    for (; place->wanted >= 0 && place->chunk < r->chunks; place->chunk++, place->at = 0) {
        pare_fields_chunk *chunk = &r->chunk[place->chunk];
        texts t = {.word = chunk->word, .bytes = r->lines.bytes};
        if (pare_fields_pairs(r)) {
            t.order = chunk->order + chunk->start[index];
            t.count = chunk->start[index + 1] - chunk->start[index];
        } else {
            t.word += index * chunk->stride;
            t.level = pare_fields_levels(chunk, index);
            t.count = chunk->rows;
        }
        place->at = field->decimal ? look_up_decimals(&field->level, &t, place->at,
                                                      field->decimal + chunk->first_row)
                                   : look_up_texts(&field->level, &t, place->at);
        if (place->at < t.count) {
            place->wanted = text_at(&t, place->at)->length;
            return;
        }
    }
    place->wanted = -1;
}

pare_status pare_fields_look_up(pare_fields_reader *r) {
    pare_fields *fields = r->fields;
    for (int64_t f = 0; f < fields->count; f++) {
        r->place[f] = (pare_fields_place){0};
    }
    for (bool again = true; again;) {
        pare_pool_run(r->ctx->pool, fields->count, look_up, r);
        again = false;
        for (int64_t f = 0; f < fields->count; f++) {
            pare_vocabulary *v = &fields->field[f].level;
            if (r->place[f].wanted < 0) {
                continue;
            }
            again = true;
            if (v->count == INT32_MAX) {
                return pare_fail(r->ctx, PARE_ERROR_INPUT,
                                 "%s: field %s has more than %d different ids", r->name,
                                 fields->field[f].name, INT32_MAX);
            }
            pare_status status = pare_vocabulary_reserve(r->ctx, v, r->place[f].wanted);
            if (status != PARE_OK) {
                return status;
            }
        }
    }
    return PARE_OK;
}
