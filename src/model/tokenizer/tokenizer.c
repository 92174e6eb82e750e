#include "model/tokenizer/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SentencePiece writes a blank as U+2581. */
static const char blank[] = "\xe2\x96\x81";
enum { BLANK_LENGTH = 3, PATH_SIZE = 4096 };

static uint64_t piece_hash(const char *bytes, int64_t length) {
    return pare_hash(PARE_HASH_START, bytes, length);
}

int32_t pare_piece_find(const pare_tokenizer *t, const char *bytes, int64_t length) {
    const pare_stored_vocabulary *v = &t->vocabulary;
    for (uint64_t at = piece_hash(bytes, length);; at++) {
        int32_t entry = t->slot[at & (uint64_t)(t->slots - 1)];
        if (entry == 0) {
            return -1;
        }
        if (v->piece_length[entry - 1] == length &&
            memcmp(v->piece[entry - 1], bytes, (size_t)length) == 0) {
            return entry - 1;
        }
    }
}

pare_status pare_piece_add(pare_tokenizer *t, int64_t *capacity, const char *bytes, int64_t length,
                           float score, int32_t type) {
    pare_stored_vocabulary *v = &t->vocabulary;
    const struct {
        void *array;
        size_t size;
    } arrays[] = {{&v->piece, sizeof *v->piece},
                  {&v->piece_length, sizeof *v->piece_length},
                  {&v->score, sizeof *v->score},
                  {&v->type, sizeof *v->type}};
    int64_t grown = *capacity;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        int64_t own = *capacity;
        pare_status status = pare_grow(t->ctx, v->count + 1, arrays[i].size, &own, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
        grown = own;
    }
    *capacity = grown;
    pare_status status = pare_text_copy(t->ctx, bytes, length, &v->piece[v->count]);
    if (status == PARE_OK) {
        v->piece_length[v->count] = length;
        v->score[v->count] = score;
        v->type[v->count] = type;
        v->count++;
    }
    return status;
}

static void put_slot(pare_tokenizer *t, int32_t number) {
    const pare_stored_vocabulary *v = &t->vocabulary;
    uint64_t at = piece_hash(v->piece[number], v->piece_length[number]);
    while (t->slot[at & (uint64_t)(t->slots - 1)] != 0) {
        at++;
    }
    t->slot[at & (uint64_t)(t->slots - 1)] = number + 1;
}

/* The byte that a piece <0x00> to <0xFF> stands for; -1: it reads otherwise. */
static int byte_of(const char *piece, int64_t length) {
    if (length != 6 || strncmp(piece, "<0x", 3) != 0 || piece[5] != '>') {
        return -1;
    }
    char *end = NULL;
    long byte = strtol(piece + 3, &end, 16);
    return end == piece + 5 && byte >= 0 ? (int)byte : -1;
}

/* Hash of the pieces, and which token stands for each byte. */
pare_status pare_pieces_index(pare_tokenizer *t) {
    const pare_stored_vocabulary *v = &t->vocabulary;
    if (v->count < 1 || v->count > INT32_MAX / 4) {
        return pare_fail(t->ctx, PARE_ERROR_INPUT, "%s: the vocabulary has %lld pieces", t->path,
                         (long long)v->count);
    }
    for (t->slots = 16; t->slots < 2 * v->count;) {
        t->slots *= 2;
    }
    pare_status status = pare_alloc_zero(t->ctx, t->slots, sizeof *t->slot, &t->slot);
    if (status != PARE_OK) {
        return status;
    }
    memset(t->byte_token, 0xff, sizeof t->byte_token);
    for (int32_t i = 0; i < v->count; i++) {
        const char *piece = v->piece[i];
        int64_t length = v->piece_length[i];
        int32_t type = v->type ? v->type[i] : PIECE_NORMAL;
        t->longest = length > t->longest ? length : t->longest;
        if (type == PIECE_BYTE) {
            int byte = byte_of(piece, length);
            if (byte < 0) {
                return pare_fail(t->ctx, PARE_ERROR_INPUT,
                                 "%s: piece %d stands for a byte and must read <0x00> to <0xFF>",
                                 t->path, (int)i);
            }
            t->byte_token[byte] = i;
        }
        if (type == PIECE_UNKNOWN && t->unknown < 0) {
            t->unknown = i;
        }
        /* Control and byte pieces are never matched in text; of equal pieces the first counts. */
        bool matched = type == PIECE_NORMAL || type == PIECE_USER;
        if (matched && length > 0 && pare_piece_find(t, piece, length) < 0) {
            put_slot(t, i);
        }
    }
    return PARE_OK;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool exists(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file) {
        (void)fclose(file);
    }
    return file != NULL;
}

static pare_status copy_strings(pare_context *ctx, char *const *from, const int64_t *length,
                                int64_t count, char ***out) {
    pare_status status = pare_alloc_zero(ctx, count, sizeof **out, out);
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        status =
            pare_text_copy(ctx, from[i], length ? length[i] : (int64_t)strlen(from[i]), &(*out)[i]);
    }
    return status;
}

static pare_status copy_array(pare_context *ctx, const void *from, int64_t count, size_t size,
                              void *out) {
    if (!from) {
        return PARE_OK;
    }
    void *copy = NULL;
    pare_status status = pare_alloc(ctx, count, size, &copy);
    if (status == PARE_OK) {
        memcpy(copy, from, (size_t)count * size);
        memcpy(out, &copy, sizeof copy);
    }
    return status;
}

/* The vocabulary inside a GGUF file, copied. */
static pare_status take_stored(pare_tokenizer *t, const pare_stored_vocabulary *from) {
    pare_context *ctx = t->ctx;
    pare_stored_vocabulary *v = &t->vocabulary;
    v->bos = from->bos;
    v->eos = from->eos;
    v->add_bos = from->add_bos;
    v->add_eos = from->add_eos;
    v->count = from->count;
    v->merges = from->merges;
    bool bytes = from->model && strcmp(from->model, "gpt2") == 0;
    t->kind = bytes ? TOKENIZER_BYTE_LEVEL : TOKENIZER_MERGES;
    t->dummy_prefix = t->escape_blanks = !bytes;
    const char *const texts[] = {from->model, from->pre};
    char **const places[] = {&v->model, &v->pre};
    pare_status status = copy_strings(ctx, from->piece, from->piece_length, from->count, &v->piece);
    if (status == PARE_OK && from->merges > 0) {
        status = copy_strings(ctx, from->merge, NULL, from->merges, &v->merge);
    }
    if (status == PARE_OK) {
        status =
            copy_array(ctx, from->piece_length, from->count, sizeof(int64_t), &v->piece_length);
    }
    if (status == PARE_OK) {
        status = copy_array(ctx, from->score, from->count, sizeof(float), &v->score);
    }
    if (status == PARE_OK) {
        status = copy_array(ctx, from->type, from->count, sizeof(int32_t), &v->type);
    }
    for (int i = 0; status == PARE_OK && i < 2; i++) {
        status = texts[i] ? pare_text_copy(ctx, texts[i], (int64_t)strlen(texts[i]), places[i])
                          : PARE_OK;
    }
    if (status == PARE_OK && !bytes && !v->score) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: the vocabulary has no scores", t->path);
    }
    return status == PARE_OK && bytes ? pare_byte_level_prepare(t, NULL) : status;
}

static pare_status read_file(pare_tokenizer *t, const pare_checkpoint *checkpoint,
                             const char *path) {
    if (ends_with(path, ".json")) {
        return pare_tokenizer_read_json(t, path);
    }
    return ends_with(path, ".bin")
               ? pare_tokenizer_read_llama2c(t, path, checkpoint->shape.vocabulary)
               : pare_tokenizer_read_sentencepiece(t, path);
}

/* Where a tokenizer is by custom; "" if it is in the model file itself. */
static pare_status find_file(const pare_checkpoint *c, char out[PATH_SIZE]) {
    static const char *const names[] = {"tokenizer.model", "tokenizer.json"};
    out[0] = '\0';
    if (c->vocabulary.count > 0) {
        return PARE_OK;
    }
    if (c->format == PARE_CHECKPOINT_HF) {
        for (int i = 0; i < 2; i++) {
            int length = snprintf(out, PATH_SIZE, "%s/%s", c->path, names[i]);
            if (length > 0 && length < PATH_SIZE && exists(out)) {
                return PARE_OK;
            }
        }
    } else {
        const char *slash = strrchr(c->path, '/');
        int directory = slash ? (int)(slash - c->path + 1) : 0;
        int length = snprintf(out, PATH_SIZE, "%.*stokenizer.bin", directory, c->path);
        if (length > 0 && length < PATH_SIZE && exists(out)) {
            return PARE_OK;
        }
    }
    return pare_fail(c->ctx, PARE_ERROR_INPUT,
                     "%s: no tokenizer: expected tokenizer.model or tokenizer.json in the model's "
                     "directory, or option tokenizer",
                     c->path);
}

pare_status pare_tokenizer_open(const pare_checkpoint *checkpoint, const char *path,
                                pare_tokenizer **out) {
    *out = NULL;
    pare_context *ctx = checkpoint->ctx;
    char found[PATH_SIZE] = "";
    pare_tokenizer *t = NULL;
    pare_status status = path && *path ? PARE_OK : find_file(checkpoint, found);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 1, sizeof *t, &t);
    }
    if (status != PARE_OK) {
        return status;
    }
    t->ctx = ctx;
    t->unknown = t->vocabulary.bos = t->vocabulary.eos = -1;
    const char *file = path && *path ? path : found;
    const char *named = *file ? file : checkpoint->path;
    status = pare_text_copy(ctx, named, (int64_t)strlen(named), &t->path);
    if (status == PARE_OK) {
        status = *file ? read_file(t, checkpoint, file) : take_stored(t, &checkpoint->vocabulary);
    }
    if (status == PARE_OK && t->kind != TOKENIZER_BYTE_LEVEL) {
        status = pare_pieces_index(t);
    }
    if (t->vocabulary.bos < 0) {
        t->vocabulary.bos = checkpoint->shape.bos;
    }
    if (t->vocabulary.eos < 0) {
        t->vocabulary.eos = checkpoint->shape.eos;
    }
    int64_t size = t->vocabulary.count, model = checkpoint->shape.vocabulary;
    if (status == PARE_OK && (t->vocabulary.bos >= model || t->vocabulary.eos >= model ||
                              (t->vocabulary.add_bos && t->vocabulary.bos >= size))) {
        status =
            pare_fail(ctx, PARE_ERROR_INPUT,
                      "%s: begin token %lld or end token %lld is beyond the vocabulary of %lld",
                      t->path, (long long)t->vocabulary.bos, (long long)t->vocabulary.eos,
                      (long long)(size < model ? size : model));
    }
    if (status == PARE_OK && size > model) {
        status = pare_fail(ctx, PARE_ERROR_INPUT,
                           "%s: %lld tokens, but the model has a vocabulary of %lld: another "
                           "model's tokenizer",
                           t->path, (long long)size, (long long)model);
    }
    if (status != PARE_OK) {
        pare_tokenizer_close(t);
        return status;
    }
    if (size < model) {
        pare_warn(ctx, "%s: %lld tokens; the model's last %lld rows are never used", t->path,
                  (long long)size, (long long)(model - size));
    }
    *out = t;
    return PARE_OK;
}

void pare_tokenizer_close(pare_tokenizer *t) {
    if (!t) {
        return;
    }
    pare_context *ctx = t->ctx;
    pare_byte_level_release(t);
    pare_checkpoint holder = {.ctx = ctx, .vocabulary = t->vocabulary};
    pare_checkpoint_close(&holder); /* frees a vocabulary */
    pare_free(ctx, t->slot);
    pare_free(ctx, t->merge_slot);
    pare_free(ctx, t->path);
    pare_free(ctx, t);
}

int64_t pare_tokenizer_size(const pare_tokenizer *t) {
    return t->vocabulary.count;
}

int64_t pare_tokenizer_bos(const pare_tokenizer *t) {
    return t->vocabulary.bos;
}

int64_t pare_tokenizer_eos(const pare_tokenizer *t) {
    return t->vocabulary.eos;
}

const pare_stored_vocabulary *pare_tokenizer_vocabulary(const pare_tokenizer *t) {
    return &t->vocabulary;
}

pare_status pare_token_push(token_list *list, int32_t token) {
    pare_status status =
        pare_grow(list->ctx, list->count + 1, sizeof *list->token, &list->capacity, &list->token);
    if (status == PARE_OK) {
        list->token[list->count++] = token;
        if (list->used) {
            list->used[token] = 1;
        }
    }
    return status;
}

int64_t pare_character_length(const char *text, int64_t left) {
    unsigned char first = (unsigned char)text[0];
    int64_t length = first < 0x80   ? 1
                     : first < 0xc2 ? 1
                     : first < 0xe0 ? 2
                     : first < 0xf0 ? 3
                     : first < 0xf5 ? 4
                                    : 1;
    for (int64_t i = 1; i < length; i++) {
        if (i >= left || ((unsigned char)text[i] & 0xc0) != 0x80) {
            return 1;
        }
    }
    return length;
}

/* SentencePiece's normalisation of this kind of model: blanks become U+2581, one in front. */
static void normalise(const pare_tokenizer *t, const char *text, int64_t length, pare_text *out) {
    int64_t from = 0;
    while (t->squeeze_blanks && from < length && text[from] == ' ') {
        from++;
    }
    while (t->squeeze_blanks && length > from && text[length - 1] == ' ') {
        length--;
    }
    if (t->dummy_prefix && length > from) {
        pare_text_append_bytes(out, t->escape_blanks ? blank : " ",
                               t->escape_blanks ? BLANK_LENGTH : 1);
    }
    for (int64_t i = from; i < length;) {
        if (text[i] == ' ') {
            if (!t->squeeze_blanks || text[i - 1] != ' ') {
                pare_text_append_bytes(out, t->escape_blanks ? blank : " ",
                                       t->escape_blanks ? BLANK_LENGTH : 1);
            }
            i++;
            continue;
        }
        const char *next = memchr(text + i, ' ', (size_t)(length - i));
        int64_t end = next ? next - text : length;
        pare_text_append_bytes(out, text + i, end - i);
        i = end;
    }
}

static pare_status encode(const pare_tokenizer *t, const char *text, int64_t length, bool bos,
                          uint8_t *used, int32_t **out, int64_t *count) {
    *out = NULL;
    *count = 0;
    token_list list = {.ctx = t->ctx, .used = used};
    pare_text plain = {.ctx = t->ctx};
    pare_status status = PARE_OK;
    if (bos && t->vocabulary.bos >= 0) {
        status = pare_token_push(&list, (int32_t)t->vocabulary.bos);
    }
    if (status == PARE_OK && t->kind == TOKENIZER_BYTE_LEVEL) {
        status = pare_encode_bytes(t, text, length, &list);
    } else if (status == PARE_OK) {
        normalise(t, text, length, &plain);
        status = plain.status;
        if (status == PARE_OK && plain.length > 0) {
            status = t->kind == TOKENIZER_MERGES
                         ? pare_encode_merges(t, plain.bytes, plain.length, &list)
                         : pare_encode_unigram(t, plain.bytes, plain.length, &list);
        }
    }
    pare_text_clear(&plain);
    if (status != PARE_OK) {
        pare_free(t->ctx, list.token);
        return status;
    }
    *out = list.token;
    *count = list.count;
    return PARE_OK;
}

pare_status pare_tokenizer_encode(const pare_tokenizer *t, const char *text, int64_t length,
                                  bool bos, int32_t **out, int64_t *count) {
    return encode(t, text, length, bos, NULL, out, count);
}

pare_status pare_tokenizer_used(const pare_tokenizer *t, const char *text, int64_t length,
                                uint8_t *used) {
    int32_t *token = NULL;
    int64_t count = 0;
    pare_status status = encode(t, text, length, true, used, &token, &count);
    pare_free(t->ctx, token);
    return status;
}

void pare_tokenizer_append(const pare_tokenizer *t, int32_t token, bool first, pare_text *out) {
    const pare_stored_vocabulary *v = &t->vocabulary;
    if (token < 0 || token >= v->count) {
        return;
    }
    if (t->kind == TOKENIZER_BYTE_LEVEL) {
        pare_byte_level_append(t, token, out);
        return;
    }
    const char *piece = v->piece[token];
    int64_t length = v->piece_length[token];
    int32_t type = v->type ? v->type[token] : PIECE_NORMAL;
    if (type == PIECE_CONTROL) {
        return;
    }
    if (type == PIECE_BYTE) {
        char byte = (char)byte_of(piece, length);
        pare_text_append_bytes(out, &byte, 1);
        return;
    }
    for (int64_t i = 0; i < length;) {
        if (length - i >= BLANK_LENGTH && memcmp(piece + i, blank, BLANK_LENGTH) == 0) {
            if (!(first && i == 0 && t->dummy_prefix)) {
                pare_text_append_bytes(out, " ", 1);
            }
            i += BLANK_LENGTH;
        } else {
            pare_text_append_bytes(out, piece + i, 1);
            i++;
        }
    }
}
