/*
 * tokenizer.model: a protocol buffer (ModelProto of SentencePiece). Field 1 repeats a piece {1:
 * text, 2: score, 3: type}; field 2 is the trainer {3: model type, 35: byte fallback, 40..42: ids};
 * field 3 the normaliser {2: character map, 3: dummy prefix, 4: squeeze blanks, 5: escape blanks}.
 * And the tokenizer.bin of llama2.c: float32 score, int32 length, bytes, one token after the other.
 */
#include "model/tokenizer/internal.h"

#include <stdio.h>
#include <string.h>

typedef struct message {
    const unsigned char *at, *end;
} message;

/* One field: its number, and either a number or a range of bytes. */
typedef struct field {
    uint64_t number, kind, value;
    message bytes;
} field;

static bool read_varint(message *m, uint64_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        unsigned char byte = *m->at++;
        *out |= (uint64_t)(byte & 0x7fU) << shift;
        if (!(byte & 0x80U)) {
            return true;
        }
    }
    return false;
}

/* false at the end or where the message is damaged (then at != end). */
static bool next_field(message *m, field *f) {
    message start = *m;
    uint64_t key = 0;
    *f = (field){0};
    if (m->at == m->end || !read_varint(m, &key)) {
        return false;
    }
    f->number = key >> 3;
    f->kind = key & 7;
    uint64_t length = f->kind == 1 ? 8 : f->kind == 5 ? 4 : 0;
    bool good = f->kind == 0   ? read_varint(m, &f->value)
                : f->kind == 2 ? read_varint(m, &length)
                               : length > 0;
    if (!good || length > (uint64_t)(m->end - m->at)) {
        *m = start;
        return false;
    }
    f->bytes = (message){m->at, m->at + length};
    if (f->kind == 1 || f->kind == 5) {
        memcpy(&f->value, m->at, (size_t)length);
    }
    m->at += length;
    return true;
}

static pare_status read_piece(pare_tokenizer *t, message m, int64_t *capacity) {
    field f, text = {0};
    float score = 0;
    int32_t type = PIECE_NORMAL;
    while (next_field(&m, &f)) {
        if (f.number == 1) {
            text = f;
        } else if (f.number == 2 && f.kind == 5) {
            memcpy(&score, &f.value, sizeof score);
        } else if (f.number == 3) {
            type = (int32_t)f.value;
        }
    }
    return pare_piece_add(t, capacity, text.bytes.at ? (const char *)text.bytes.at : "",
                          text.bytes.end - text.bytes.at, score, type);
}

static pare_status read_trainer(pare_tokenizer *t, message m, const char *path) {
    field f;
    while (next_field(&m, &f)) {
        if (f.number == 3 && (f.value < 1 || f.value > 2)) {
            return pare_fail(t->ctx, PARE_ERROR_UNSUPPORTED,
                             "%s: SentencePiece model type %llu is not supported (unigram and bpe "
                             "are)",
                             path, (unsigned long long)f.value);
        }
        if (f.number == 3) {
            t->kind = f.value == 2 ? TOKENIZER_MERGES : TOKENIZER_UNIGRAM;
        }
        int64_t id = (int64_t)(int32_t)(uint32_t)f.value;
        if (f.number == 41) {
            t->vocabulary.bos = id;
        } else if (f.number == 42) {
            t->vocabulary.eos = id;
        }
    }
    return PARE_OK;
}

static void read_normaliser(pare_tokenizer *t, message m, const char *path) {
    field f;
    while (next_field(&m, &f)) {
        if (f.number == 2 && f.bytes.end > f.bytes.at) {
            pare_warn(t->ctx,
                      "%s: its character normalisation (NFKC) is not applied; text outside of "
                      "ASCII may be cut differently",
                      path);
        } else if (f.number == 3) {
            t->dummy_prefix = f.value != 0;
        } else if (f.number == 4) {
            t->squeeze_blanks = f.value != 0;
        } else if (f.number == 5) {
            t->escape_blanks = f.value != 0;
        }
    }
}

static pare_status keep_text(pare_tokenizer *t, const char *text, char **out) {
    return pare_text_copy(t->ctx, text, (int64_t)strlen(text), out);
}

pare_status pare_tokenizer_read_sentencepiece(pare_tokenizer *t, const char *path) {
    pare_map map = {0};
    pare_status status = pare_map_open(t->ctx, path, true, &map);
    if (status != PARE_OK) {
        return status;
    }
    message m = {map.bytes, map.bytes + map.length};
    t->kind = TOKENIZER_UNIGRAM;
    t->sentencepiece = true;
    t->dummy_prefix = t->squeeze_blanks = t->escape_blanks = true; /* the format's defaults */
    t->vocabulary.bos = 1;
    t->vocabulary.eos = 2;
    t->vocabulary.add_bos = true;
    int64_t capacity = 0;
    field f;
    while (status == PARE_OK && next_field(&m, &f)) {
        if (f.number == 1 && f.kind == 2) {
            status = read_piece(t, f.bytes, &capacity);
        } else if (f.number == 2 && f.kind == 2) {
            status = read_trainer(t, f.bytes, path);
        } else if (f.number == 3 && f.kind == 2) {
            read_normaliser(t, f.bytes, path);
        }
    }
    if (status == PARE_OK && (m.at != m.end || t->vocabulary.count == 0)) {
        status = pare_fail(t->ctx, PARE_ERROR_INPUT,
                           "%s: not a SentencePiece model, or damaged at byte %lld", path,
                           (long long)(m.at - map.bytes));
    }
    if (status == PARE_OK) {
        status = keep_text(t, t->kind == TOKENIZER_MERGES ? "llama" : "t5", &t->vocabulary.model);
    }
    pare_map_close(&map);
    return status;
}

pare_status pare_tokenizer_write_kept(const pare_tokenizer *t, const uint8_t *keep,
                                      const char *path) {
    pare_map map = {0};
    pare_output output = {0};
    pare_status status = pare_map_open(t->ctx, t->path, true, &map);
    if (status == PARE_OK) {
        status = pare_output_open(t->ctx, path, &output);
    }
    message m = {map.bytes, map.bytes + map.length};
    const unsigned char *from = m.at;
    field f;
    for (int64_t piece = 0; status == PARE_OK && next_field(&m, &f); from = m.at) {
        bool is_piece = f.number == 1 && f.kind == 2;
        if (!is_piece || (piece < t->vocabulary.count && keep[piece])) {
            (void)fwrite(from, 1, (size_t)(m.at - from), output.file);
        }
        piece += is_piece;
    }
    if (status == PARE_OK) {
        status = pare_output_commit(&output);
    }
    pare_output_abandon(&output);
    pare_map_close(&map);
    return status;
}

pare_status pare_tokenizer_read_llama2c(pare_tokenizer *t, const char *path, int64_t vocabulary) {
    pare_map map = {0};
    pare_status status = pare_map_open(t->ctx, path, true, &map);
    if (status != PARE_OK) {
        return status;
    }
    t->kind = TOKENIZER_MERGES;
    t->dummy_prefix = t->escape_blanks = true;
    t->vocabulary.bos = 1;
    t->vocabulary.eos = 2;
    t->vocabulary.add_bos = true;
    int64_t at = 4, capacity = 0; /* behind the length of the longest token */
    while (status == PARE_OK && t->vocabulary.count < vocabulary && at < map.length) {
        float score = 0;
        int32_t length = -1;
        if (map.length - at >= 8) {
            memcpy(&score, map.bytes + at, sizeof score);
            memcpy(&length, map.bytes + at + 4, sizeof length);
        }
        if (length < 0 || length > map.length - at - 8) {
            status = pare_fail(t->ctx, PARE_ERROR_INPUT,
                               "%s: not a llama2.c tokenizer, or cut short at token %lld", path,
                               (long long)t->vocabulary.count);
            break;
        }
        /* The file holds blanks where SentencePiece has U+2581, and line ends around <s>. */
        pare_text piece = {.ctx = t->ctx};
        const char *bytes = (const char *)map.bytes + at + 8;
        int64_t number = t->vocabulary.count;
        for (int32_t i = 0; i < length; i++) {
            if (number >= 3 && bytes[i] == ' ') {
                pare_text_append_bytes(&piece, "\xe2\x96\x81", 3);
            } else if (number >= 3 || bytes[i] != '\n') {
                pare_text_append_bytes(&piece, bytes + i, 1);
            }
        }
        bool byte = length == 6 && strncmp(bytes, "<0x", 3) == 0 && bytes[5] == '>';
        int32_t type = number == 0  ? PIECE_UNKNOWN
                       : number < 3 ? PIECE_CONTROL
                       : byte       ? PIECE_BYTE
                                    : PIECE_NORMAL;
        status = piece.status;
        if (status == PARE_OK) {
            status = pare_piece_add(t, &capacity, piece.bytes ? piece.bytes : "", piece.length,
                                    score, type);
        }
        pare_text_clear(&piece);
        at += 8 + length;
    }
    if (status == PARE_OK) {
        status = keep_text(t, "llama", &t->vocabulary.model);
    }
    pare_map_close(&map);
    return status;
}
