/* Tokenizers of some pieces of another. */
#include "model/tokenizer/internal.h"

#include <string.h>

/* Has it a meaning beside its text? */
static bool special(const pare_tokenizer *t, int64_t i) {
    const pare_stored_vocabulary *v = &t->vocabulary;
    return i == v->bos || i == v->eos || i == t->unknown || (v->type && v->type[i] != PIECE_NORMAL);
}

bool pare_tokenizer_is_sentencepiece(const pare_tokenizer *t) {
    return t->sentencepiece;
}

pare_status pare_tokenizer_needed(const pare_tokenizer *t, uint8_t *used) {
    const pare_stored_vocabulary *v = &t->vocabulary;
    bool bytes = true;
    int64_t gap = -1;
    if (t->kind == TOKENIZER_BYTE_LEVEL) {
        return pare_fail(t->ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: rows of the vocabulary go only with SentencePiece tokenizers, not "
                         "with byte-level BPE",
                         t->path);
    }
    for (int i = 0; i < 256; i++) {
        bytes = bytes && t->byte_token[i] >= 0;
    }
    for (int64_t i = 0; i < v->count; i++) {
        bool character =
            pare_character_length(v->piece[i], v->piece_length[i]) >= v->piece_length[i];
        used[i] = used[i] || special(t, i) || (character && !bytes);
        if (special(t, i) && gap >= 0) {
            return pare_fail(t->ctx, PARE_ERROR_UNSUPPORTED,
                             "%s: piece %lld, which may go, stands before piece %lld, which has a "
                             "meaning of its own: its number would change",
                             t->path, (long long)gap, (long long)i);
        }
        gap = gap < 0 && !used[i] ? i : gap;
    }
    return PARE_OK;
}

static int64_t number_of(const uint8_t *keep, int64_t old) {
    int64_t number = 0;
    for (int64_t i = 0; i < old; i++) {
        number += keep[i] != 0;
    }
    return old < 0 ? -1 : number;
}

pare_status pare_tokenizer_keep(const pare_tokenizer *from, const uint8_t *keep,
                                pare_tokenizer **out) {
    pare_context *ctx = from->ctx;
    const pare_stored_vocabulary *v = &from->vocabulary;
    pare_tokenizer *t = NULL;
    int64_t capacity = 0;
    *out = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *t, &t);
    if (status != PARE_OK) {
        return status;
    }
    t->ctx = ctx;
    t->kind = from->kind;
    t->unknown = -1;
    t->dummy_prefix = from->dummy_prefix;
    t->squeeze_blanks = from->squeeze_blanks;
    t->escape_blanks = from->escape_blanks;
    t->vocabulary.bos = number_of(keep, v->bos);
    t->vocabulary.eos = number_of(keep, v->eos);
    t->vocabulary.add_bos = v->add_bos;
    t->vocabulary.add_eos = v->add_eos;
    const char *const texts[] = {from->path, v->model, v->pre};
    char **const places[] = {&t->path, &t->vocabulary.model, &t->vocabulary.pre};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == PARE_OK; i++) {
        status = texts[i] ? pare_text_copy(ctx, texts[i], (int64_t)strlen(texts[i]), places[i])
                          : PARE_OK;
    }
    for (int64_t i = 0; status == PARE_OK && i < v->count; i++) {
        if (keep[i]) {
            status =
                pare_piece_add(t, &capacity, v->piece[i], v->piece_length[i],
                               v->score ? v->score[i] : 0, v->type ? v->type[i] : PIECE_NORMAL);
        }
    }
    if (status == PARE_OK) {
        status = pare_pieces_index(t);
    }
    if (status != PARE_OK) {
        pare_tokenizer_close(t);
        return status;
    }
    *out = t;
    return PARE_OK;
}
