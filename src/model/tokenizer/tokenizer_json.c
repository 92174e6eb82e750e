/*
 * tokenizer.json of Hugging Face: byte-level BPE only (model.type "BPE"); the pattern is the Regex
 * of the first Split pre-tokenizer, GPT-2's if there is none. Its SentencePiece-like variants come
 * with a tokenizer.model, which is read instead. A bare object of token numbers (vocab.json,
 * encoder.json) is read together with its merge list.
 */
#include "model/tokenizer/internal.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static pare_status wrong(pare_tokenizer *t, const char *what) {
    return pare_fail(t->ctx, PARE_ERROR_INPUT, "%s: %s", t->path, what);
}

/* Puts a piece at its number; the lists are made large enough beforehand. */
static pare_status place(pare_tokenizer *t, const char *text, int64_t number, int32_t type) {
    pare_stored_vocabulary *v = &t->vocabulary;
    if (number < 0 || number >= v->count) {
        return wrong(t, "a token number is outside of the vocabulary");
    }
    pare_free(t->ctx, v->piece[number]);
    v->piece[number] = NULL;
    v->piece_length[number] = (int64_t)strlen(text);
    v->type[number] = type;
    return pare_text_copy(t->ctx, text, v->piece_length[number], &v->piece[number]);
}

static pare_status reserve(pare_tokenizer *t, int64_t count) {
    pare_stored_vocabulary *v = &t->vocabulary;
    pare_status status = pare_alloc_zero(t->ctx, count, sizeof *v->piece, &v->piece);
    if (status == PARE_OK) {
        v->count = count;
        status = pare_alloc_zero(t->ctx, count, sizeof *v->piece_length, &v->piece_length);
    }
    return status == PARE_OK ? pare_alloc_zero(t->ctx, count, sizeof *v->type, &v->type) : status;
}

static pare_status read_vocabulary(pare_tokenizer *t, json_t *pieces, json_t *added) {
    int64_t count = 0;
    const char *text = NULL;
    json_t *entry = NULL;
    size_t i = 0;
    json_object_foreach(pieces, text, entry) {
        int64_t number = (int64_t)json_integer_value(entry);
        count = number >= count && number < INT32_MAX ? number + 1 : count;
    }
    json_array_foreach(added, i, entry) {
        int64_t number = (int64_t)json_integer_value(json_object_get(entry, "id"));
        count = number >= count && number < INT32_MAX ? number + 1 : count;
    }
    int64_t listed = (int64_t)(json_object_size(pieces) + json_array_size(added));
    if (count == 0 || count > 4 * listed + 1024) {
        return wrong(t, "the token numbers do not fit the number of tokens");
    }
    pare_status status = reserve(t, count);
    json_object_foreach(pieces, text, entry) {
        if (status == PARE_OK) {
            status =
                place(t, text, json_is_integer(entry) ? (int64_t)json_integer_value(entry) : -1,
                      PIECE_NORMAL);
        }
    }
    json_array_foreach(added, i, entry) {
        const char *content = json_string_value(json_object_get(entry, "content"));
        json_t *id = json_object_get(entry, "id");
        bool special = json_is_true(json_object_get(entry, "special"));
        if (status == PARE_OK && content && json_is_integer(id)) {
            status = place(t, content, (int64_t)json_integer_value(id),
                           special ? PIECE_CONTROL : PIECE_USER);
        }
    }
    for (int64_t n = 0; status == PARE_OK && n < count; n++) {
        if (!t->vocabulary.piece[n]) {
            status = place(t, "", n, PIECE_CONTROL); /* a number nothing uses */
        }
    }
    return status;
}

static pare_status read_merges(pare_tokenizer *t, json_t *merges) {
    pare_stored_vocabulary *v = &t->vocabulary;
    int64_t count = (int64_t)json_array_size(merges);
    pare_status status = pare_alloc_zero(t->ctx, count, sizeof *v->merge, &v->merge);
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        json_t *entry = json_array_get(merges, (size_t)i);
        const char *left = json_string_value(json_array_get(entry, 0));
        const char *right = json_string_value(json_array_get(entry, 1));
        const char *both = json_string_value(entry);
        pare_text text = {.ctx = t->ctx};
        if (both) {
            pare_text_append(&text, "%s", both);
        } else if (left && right) {
            pare_text_append(&text, "%s %s", left, right);
        } else {
            return wrong(t, "a merge is neither a text nor a pair of texts");
        }
        status = text.status;
        v->merge[i] = text.bytes;
        v->merges = i + 1;
    }
    return status;
}

/* The pattern of the first Split step with one. */
static const char *find_pattern(json_t *step) {
    json_t *inner = json_object_get(step, "pretokenizers");
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach(inner, i, entry) {
        const char *found = find_pattern(entry);
        if (found) {
            return found;
        }
    }
    return json_string_value(json_object_get(json_object_get(step, "pattern"), "Regex"));
}

/* merges.txt or vocab.bpe beside a bare vocabulary (GPT-2's first form): a merge a line, lines
 * that begin with "#version" do not count. */
static pare_status read_merge_file(pare_tokenizer *t) {
    static const char *const names[] = {"merges.txt", "vocab.bpe"};
    const char *slash = strrchr(t->path, '/');
    int directory = slash ? (int)(slash - t->path + 1) : 0;
    pare_map map = {0};
    pare_status status = PARE_ERROR_IO;
    for (int i = 0; status != PARE_OK && i < 2; i++) {
        pare_text name = {.ctx = t->ctx};
        pare_text_append(&name, "%.*s%s", directory, t->path, names[i]);
        status =
            name.status == PARE_OK ? pare_map_open(t->ctx, name.bytes, true, &map) : name.status;
        pare_text_clear(&name);
    }
    if (status != PARE_OK) {
        return wrong(t, "a bare vocabulary needs merges.txt or vocab.bpe beside it");
    }
    pare_stored_vocabulary *v = &t->vocabulary;
    int64_t capacity = 0;
    const char *text = (const char *)map.bytes, *end = text + map.length;
    while (status == PARE_OK && text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        line_end = line_end ? line_end : end;
        int64_t length = line_end - text;
        length -= length > 0 && text[length - 1] == '\r';
        bool comment = length >= 8 && memcmp(text, "#version", 8) == 0;
        if (length > 0 && !comment) {
            status = pare_grow(t->ctx, v->merges + 1, sizeof *v->merge, &capacity, &v->merge);
            if (status == PARE_OK) {
                status = pare_text_copy(t->ctx, text, length, &v->merge[v->merges]);
            }
            v->merges += status == PARE_OK;
        }
        text = line_end + 1;
    }
    pare_map_close(&map);
    return status;
}

static pare_status read_bare(pare_tokenizer *t, json_t *root) {
    t->kind = TOKENIZER_BYTE_LEVEL;
    pare_status status = read_vocabulary(t, root, NULL);
    if (status == PARE_OK) {
        status = read_merge_file(t);
    }
    if (status == PARE_OK) {
        status = pare_text_copy(t->ctx, "gpt2", 4, &t->vocabulary.model);
    }
    return status == PARE_OK ? pare_byte_level_prepare(t, NULL) : status;
}

static pare_status read_root(pare_tokenizer *t, json_t *root) {
    json_t *model = json_object_get(root, "model"), *pieces = json_object_get(model, "vocab");
    const char *type = json_string_value(json_object_get(model, "type"));
    json_t *merges = json_object_get(model, "merges");
    if ((type && strcmp(type, "BPE") != 0) || !json_is_object(pieces) || !json_is_array(merges)) {
        return pare_fail(t->ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: tokenizer model '%s' is not supported, expected BPE with vocab and "
                         "merges",
                         t->path, type ? type : "");
    }
    t->kind = TOKENIZER_BYTE_LEVEL;
    pare_status status = read_vocabulary(t, pieces, json_object_get(root, "added_tokens"));
    if (status == PARE_OK) {
        status = read_merges(t, merges);
    }
    if (status == PARE_OK) {
        status = pare_text_copy(t->ctx, "gpt2", 4, &t->vocabulary.model);
    }
    return status == PARE_OK
               ? pare_byte_level_prepare(t, find_pattern(json_object_get(root, "pre_tokenizer")))
               : status;
}

pare_status pare_tokenizer_read_json(pare_tokenizer *t, const char *path) {
    pare_map map = {0};
    pare_status status = pare_map_open(t->ctx, path, true, &map);
    if (status != PARE_OK) {
        return status;
    }
    json_error_t error;
    json_t *root =
        map.length > 0 ? json_loadb((const char *)map.bytes, (size_t)map.length, 0, &error) : NULL;
    if (!root) {
        status = pare_fail(t->ctx, PARE_ERROR_INPUT, "%s line %d: not JSON: %s", path,
                           map.length > 0 ? error.line : 1, map.length > 0 ? error.text : "empty");
    } else {
        status = json_is_object(json_object_get(root, "model")) ? read_root(t, root)
                                                                : read_bare(t, root);
    }
    json_decref(root);
    pare_map_close(&map);
    return status;
}
