/*
 * Byte-level BPE (Radford et al. 2019): text is cut into words by a pattern, a word is its bytes,
 * and adjacent tokens merge in the order of the merge list. Pieces are stored with every byte as a
 * printable character: bytes that are printable themselves, the others as U+0100 and up.
 */
#include "model/tokenizer/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PARE_HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif

/* GPT-2's own; models that differ say so in tokenizer.json. */
static const char pattern_gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]"
    "+|\\s+(?!\\S)|\\s+";
static const char pattern_llama3[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+"
    "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char pattern_qwen2[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+"
    "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/* The printable character of a byte, as UTF-8. */
static int64_t show_byte(int byte, char out[2]) {
    int code = byte;
    bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    if (!printable) {
        code = 256 + (byte <= 32 ? byte : byte <= 160 ? byte - 127 + 33 : 67);
    }
    if (code < 128) {
        out[0] = (char)code;
        return 1;
    }
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 63));
    return 2;
}

static uint64_t pair_hash(int32_t left, int32_t right) {
    const int32_t pair[2] = {left, right};
    return pare_hash(PARE_HASH_START, pair, sizeof pair);
}

const tokenizer_merge *pare_merge_find(const pare_tokenizer *t, int32_t left, int32_t right) {
    if (left < 0 || right < 0 || t->merge_slots == 0) {
        return NULL;
    }
    for (uint64_t at = pair_hash(left, right);; at++) {
        const tokenizer_merge *m = &t->merge_slot[at & (uint64_t)(t->merge_slots - 1)];
        if (m->rank < 0) {
            return NULL;
        }
        if (m->left == left && m->right == right) {
            return m;
        }
    }
}

static pare_status index_merges(pare_tokenizer *t) {
    const pare_stored_vocabulary *v = &t->vocabulary;
    for (t->merge_slots = 16; t->merge_slots < 2 * v->merges;) {
        t->merge_slots *= 2;
    }
    pare_status status = pare_alloc(t->ctx, t->merge_slots, sizeof *t->merge_slot, &t->merge_slot);
    if (status != PARE_OK) {
        t->merge_slots = 0;
        return status;
    }
    for (int64_t i = 0; i < t->merge_slots; i++) {
        t->merge_slot[i].rank = -1;
    }
    for (int64_t i = 0; i < v->merges; i++) {
        const char *text = v->merge[i], *space = strchr(text, ' ');
        int64_t length = (int64_t)strlen(text), first = space ? space - text : 0;
        char joined[1024];
        if (!space || length >= (int64_t)sizeof joined) {
            return pare_fail(t->ctx, PARE_ERROR_INPUT,
                             "%s: merge %lld is not two pieces separated by a blank", t->path,
                             (long long)i);
        }
        snprintf(joined, sizeof joined, "%.*s%s", (int)first, text, space + 1);
        tokenizer_merge m = {pare_piece_find(t, text, first),
                             pare_piece_find(t, space + 1, length - first - 1),
                             pare_piece_find(t, joined, length - 1), (int32_t)i};
        if (m.left < 0 || m.right < 0 || m.result < 0 || pare_merge_find(t, m.left, m.right)) {
            continue; /* cannot apply, or a repetition */
        }
        uint64_t at = pair_hash(m.left, m.right);
        while (t->merge_slot[at & (uint64_t)(t->merge_slots - 1)].rank >= 0) {
            at++;
        }
        t->merge_slot[at & (uint64_t)(t->merge_slots - 1)] = m;
    }
    return PARE_OK;
}

static const char *pattern_by_name(const char *pre) {
    if (pre && (strcmp(pre, "llama-bpe") == 0 || strcmp(pre, "llama3") == 0)) {
        return pattern_llama3;
    }
    return pre && strcmp(pre, "qwen2") == 0 ? pattern_qwen2 : pattern_gpt2;
}

#ifdef PARE_HAVE_PCRE2

static pare_status compile(pare_tokenizer *t, const char *pattern) {
    int error = 0;
    PCRE2_SIZE at = 0;
    t->pattern = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                               &error, &at, NULL);
    if (!t->pattern) {
        return pare_fail(t->ctx, PARE_ERROR_INPUT,
                         "%s: the pattern that cuts words is not valid at character %lld", t->path,
                         (long long)at);
    }
    (void)pcre2_jit_compile(t->pattern, PCRE2_JIT_COMPLETE);
    return PARE_OK;
}

void pare_byte_level_release(pare_tokenizer *t) {
    pcre2_code_free(t->pattern);
    t->pattern = NULL;
}

pare_status pare_encode_bytes(const pare_tokenizer *t, const char *text, int64_t length,
                              token_list *out) {
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(t->pattern, NULL);
    pare_status status =
        match ? PARE_OK : pare_fail(t->ctx, PARE_ERROR_MEMORY, "out of memory while cutting words");
    for (int64_t at = 0; status == PARE_OK && at < length;) {
        int found = pcre2_match(t->pattern, (PCRE2_SPTR)text, (PCRE2_SIZE)length, (PCRE2_SIZE)at,
                                at > 0 ? PCRE2_NO_UTF_CHECK : 0, match, NULL);
        if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
            status = pare_fail(t->ctx, PARE_ERROR_INPUT,
                               "the text is not valid UTF-8 near byte %lld", (long long)at);
            break;
        }
        PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
        int64_t from = found < 0 ? length : (int64_t)span[0];
        int64_t to = found < 0 ? length : (int64_t)span[1];
        if (from > at) { /* what no alternative takes is a word too */
            status = pare_encode_merges(t, text + at, from - at, out);
        }
        to = to > at || from > at ? to : at + 1;
        if (status == PARE_OK && to > from) {
            status = pare_encode_merges(t, text + from, to - from, out);
        }
        at = to;
    }
    pcre2_match_data_free(match);
    return status;
}

#else

static pare_status refuse(const pare_tokenizer *t) {
    return pare_fail(t->ctx, PARE_ERROR_UNSUPPORTED,
                     "%s: a byte-level tokenizer needs PCRE2, which this build lacks", t->path);
}

static pare_status compile(pare_tokenizer *t, const char *pattern) {
    (void)pattern;
    return refuse(t);
}

void pare_byte_level_release(pare_tokenizer *t) {
    (void)t;
}

pare_status pare_encode_bytes(const pare_tokenizer *t, const char *text, int64_t length,
                              token_list *out) {
    (void)text;
    (void)length;
    (void)out;
    return refuse(t);
}

#endif

pare_status pare_byte_level_prepare(pare_tokenizer *t, const char *pattern) {
    const pare_stored_vocabulary *v = &t->vocabulary;
    pare_status status = pare_pieces_index(t);
    for (int byte = 0; status == PARE_OK && byte < 256; byte++) {
        char shown[2];
        int64_t length = show_byte(byte, shown);
        t->byte_token[byte] = pare_piece_find(t, shown, length);
    }
    if (status == PARE_OK) {
        status = index_merges(t);
    }
    return status == PARE_OK ? compile(t, pattern ? pattern : pattern_by_name(v->pre)) : status;
}

void pare_byte_level_append(const pare_tokenizer *t, int32_t token, pare_text *out) {
    const pare_stored_vocabulary *v = &t->vocabulary;
    const char *piece = v->piece[token];
    int64_t length = v->piece_length[token];
    if (v->type && v->type[token] == PIECE_CONTROL) {
        return;
    }
    for (int64_t i = 0; i < length;) {
        int64_t size = pare_character_length(piece + i, length - i);
        for (int byte = 0; byte < 256; byte++) {
            char shown[2];
            if (show_byte(byte, shown) == size && memcmp(shown, piece + i, (size_t)size) == 0) {
                char raw = (char)byte;
                pare_text_append_bytes(out, &raw, 1);
                break;
            }
        }
        i += size;
    }
}
