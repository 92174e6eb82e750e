/* SentencePiece (Kudo and Richardson 2018): merges by score, and unigram by Viterbi. */
#include "model/tokenizer/internal.h"

#include <math.h>
#include <string.h>

/* A character that is no piece: its bytes, or the unknown token. */
static pare_status push_unknown(const pare_tokenizer *t, const char *text, int64_t length,
                                token_list *out) {
    bool bytes = true;
    for (int64_t i = 0; i < length; i++) {
        bytes = bytes && t->byte_token[(unsigned char)text[i]] >= 0;
    }
    pare_status status = PARE_OK;
    if (!bytes) {
        return t->unknown >= 0 ? pare_token_push(out, (int32_t)t->unknown) : PARE_OK;
    }
    for (int64_t i = 0; status == PARE_OK && i < length; i++) {
        status = pare_token_push(out, t->byte_token[(unsigned char)text[i]]);
    }
    return status;
}

/* A piece of the text between two merges; a doubly linked list in an array. */
typedef struct symbol {
    int64_t from, length; /* bytes of the text; length 0: merged into another */
    int64_t before, after;
    int32_t token; /* -1: no piece */
} symbol;

/* A pair that could merge. Stale when the lengths have changed since. */
typedef struct candidate {
    float score;
    int64_t left, right, length;
    int32_t result;
} candidate;

typedef struct merging {
    const pare_tokenizer *t;
    const char *text;
    symbol *symbol;
    candidate *heap;
    int64_t count, capacity;
    uint8_t *used; /* as in token_list */
} merging;

/* Higher score first; of equal ones the leftmost, as SentencePiece does. */
static bool before(const candidate *a, const candidate *b) {
    return a->score > b->score || (!(a->score < b->score) && a->left < b->left);
}

/* What two neighbours become, and how eagerly; -1 if they do not merge. */
static int32_t merged(const merging *m, const symbol *left, const symbol *right, float *score) {
    const pare_tokenizer *t = m->t;
    if (t->kind == TOKENIZER_BYTE_LEVEL) {
        const tokenizer_merge *merge = pare_merge_find(t, left->token, right->token);
        *score = merge ? -(float)merge->rank : 0;
        return merge ? merge->result : -1;
    }
    int64_t length = left->length + right->length;
    int32_t piece = length > t->longest ? -1 : pare_piece_find(t, m->text + left->from, length);
    *score = piece >= 0 ? t->vocabulary.score[piece] : 0;
    return piece;
}

static pare_status push(merging *m, int64_t left, int64_t right) {
    float score = 0;
    int32_t result =
        left < 0 || right < 0 ? -1 : merged(m, &m->symbol[left], &m->symbol[right], &score);
    if (result < 0) {
        return PARE_OK;
    }
    pare_status status =
        pare_grow(m->t->ctx, m->count + 1, sizeof *m->heap, &m->capacity, &m->heap);
    if (status != PARE_OK) {
        return status;
    }
    int64_t length = m->symbol[left].length + m->symbol[right].length;
    candidate entry = {score, left, right, length, result};
    int64_t at = m->count++;
    for (; at > 0 && before(&entry, &m->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        m->heap[at] = m->heap[(at - 1) / 2];
    }
    m->heap[at] = entry;
    return PARE_OK;
}

static candidate pop(merging *m) {
    candidate top = m->heap[0], last = m->heap[--m->count];
    int64_t at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= m->count) {
            break;
        }
        if (child + 1 < m->count && before(&m->heap[child + 1], &m->heap[child])) {
            child++;
        }
        if (!before(&m->heap[child], &last)) {
            break;
        }
        m->heap[at] = m->heap[child];
        at = child;
    }
    m->heap[at] = last;
    return top;
}

static pare_status merge_all(merging *m) {
    pare_status status = PARE_OK;
    while (status == PARE_OK && m->count > 0) {
        candidate c = pop(m);
        symbol *left = &m->symbol[c.left], *right = &m->symbol[c.right];
        if (left->length == 0 || right->length == 0 || left->length + right->length != c.length) {
            continue;
        }
        left->length = c.length;
        left->token = c.result;
        if (m->used) {
            m->used[c.result] = 1;
        }
        right->length = 0;
        left->after = right->after;
        if (right->after >= 0) {
            m->symbol[right->after].before = c.left;
        }
        status = push(m, left->before, c.left);
        if (status == PARE_OK) {
            status = push(m, c.left, left->after);
        }
    }
    return status;
}

/* First symbols: a byte each for byte-level BPE, else a character each. */
static int64_t cut(const pare_tokenizer *t, const char *text, int64_t length, symbol *out) {
    int64_t count = 0;
    bool bytes = t->kind == TOKENIZER_BYTE_LEVEL;
    for (int64_t at = 0; at < length; count++) {
        int64_t size = bytes ? 1 : pare_character_length(text + at, length - at);
        int32_t token =
            bytes ? t->byte_token[(unsigned char)text[at]] : pare_piece_find(t, text + at, size);
        out[count] = (symbol){at, size, count - 1, count + 1, token};
        at += size;
    }
    if (count > 0) {
        out[count - 1].after = -1;
    }
    return count;
}

pare_status pare_encode_merges(const pare_tokenizer *t, const char *text, int64_t length,
                               token_list *out) {
    merging m = {.t = t, .text = text, .used = out->used};
    pare_status status = pare_alloc(t->ctx, length, sizeof *m.symbol, &m.symbol);
    int64_t count = status == PARE_OK ? cut(t, text, length, m.symbol) : 0;
    for (int64_t i = 0; m.used && i < count; i++) {
        if (m.symbol[i].token >= 0) {
            m.used[m.symbol[i].token] = 1;
        }
    }
    for (int64_t i = 1; status == PARE_OK && i < count; i++) {
        status = push(&m, i - 1, i);
    }
    if (status == PARE_OK) {
        status = merge_all(&m);
    }
    for (int64_t i = count > 0 ? 0 : -1; status == PARE_OK && i >= 0; i = m.symbol[i].after) {
        const symbol *s = &m.symbol[i];
        status = s->token >= 0 ? pare_token_push(out, s->token)
                               : push_unknown(t, text + s->from, s->length, out);
    }
    pare_free(t->ctx, m.symbol);
    pare_free(t->ctx, m.heap);
    return status;
}

/* Viterbi over byte positions: best[i] is the highest score of a split of the first i bytes. */
pare_status pare_encode_unigram(const pare_tokenizer *t, const char *text, int64_t length,
                                token_list *out) {
    double *best = NULL;
    int64_t *from = NULL;
    double lowest = 0;
    for (int64_t i = 0; i < t->vocabulary.count; i++) {
        lowest = fmin(lowest, (double)t->vocabulary.score[i]);
    }
    pare_status status = pare_alloc(t->ctx, length + 1, sizeof *best, &best);
    if (status == PARE_OK) {
        status = pare_alloc_zero(t->ctx, length + 1, sizeof *from, &from);
    }
    for (int64_t i = 0; status == PARE_OK && i <= length; i++) {
        best[i] = i == 0 ? 0 : -INFINITY;
    }
    for (int64_t i = 0; status == PARE_OK && i < length;) {
        int64_t character = pare_character_length(text + i, length - i);
        for (int64_t size = 1; size <= t->longest && i + size <= length; size++) {
            int32_t piece = pare_piece_find(t, text + i, size);
            double score = piece >= 0 ? (double)t->vocabulary.score[piece] : -INFINITY;
            if (piece < 0 && size == character) {
                score = lowest - 10; /* SentencePiece's penalty of an unknown character */
            }
            if (best[i] + score > best[i + size]) {
                best[i + size] = best[i] + score;
                from[i + size] = i;
            }
        }
        i += character;
    }
    /* The path backwards, then turned round. */
    int64_t count = 0;
    for (int64_t at = length; status == PARE_OK && at > 0; at = from[at]) {
        count++;
    }
    int64_t *cut = NULL;
    if (status == PARE_OK) {
        status = pare_alloc(t->ctx, count + 1, sizeof *cut, &cut);
    }
    for (int64_t at = length, i = count; status == PARE_OK && i >= 0; i--) {
        cut[i] = at;
        at = from[at];
    }
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        const char *piece = text + cut[i];
        int64_t size = cut[i + 1] - cut[i];
        int32_t number = pare_piece_find(t, piece, size);
        status = number >= 0 ? pare_token_push(out, number) : push_unknown(t, piece, size, out);
    }
    pare_free(t->ctx, cut);
    pare_free(t->ctx, best);
    pare_free(t->ctx, from);
    return status;
}
