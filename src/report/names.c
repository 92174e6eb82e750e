#include "report/names.h"

#include <stdbool.h>
#include <string.h>

enum { ESCAPE_BASE = 0x10FE00, REPLACEMENT = 0xFFFD };

int64_t pare_utf8_next(const char *text, int64_t length, uint32_t *code) {
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x80) {
        *code = at[0];
        return 1;
    }
    int64_t bytes = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || bytes > length) {
        return 0;
    }
    uint32_t value = at[0] & (0x7Fu >> bytes);
    for (int64_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
        value = value << 6 | (at[i] & 0x3Fu);
    }
    const uint32_t smallest = bytes == 2 ? 0x80 : bytes == 3 ? 0x800 : 0x10000;
    if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return 0;
    }
    *code = value;
    return bytes;
}

/* C0, DEL and C1 controls steer terminals; XML 1.0 does not allow C0 at all. */
static bool is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

static int64_t count_characters(const char *name) {
    int64_t count = 0;
    int64_t length = (int64_t)strlen(name);
    for (int64_t i = 0; i < length; count++) {
        uint32_t code = 0;
        int64_t bytes = pare_utf8_next(name + i, length - i, &code);
        i += bytes > 0 ? bytes : 1;
    }
    return count;
}

/* Walks a name, handing each character that is kept to `put`; returns how many were put. */
static int64_t walk(pare_text *out, const char *name, int64_t limit,
                    void (*put)(pare_text *, const char *, int64_t, uint32_t)) {
    int64_t length = (int64_t)strlen(name);
    bool cut = count_characters(name) > limit;
    int64_t keep = cut ? limit - 3 : limit;
    int64_t count = 0;
    for (int64_t i = 0; i < length && count < keep; count++) {
        uint32_t code = 0;
        int64_t bytes = pare_utf8_next(name + i, length - i, &code);
        if (bytes == 0 || is_control(code)) {
            code = REPLACEMENT;
        }
        bytes = bytes > 0 ? bytes : 1;
        put(out, name + i, bytes, code);
        i += bytes;
    }
    if (cut) {
        pare_text_append_bytes(out, "...", 3);
        count += 3;
    }
    return count;
}

static void put_plain(pare_text *out, const char *bytes, int64_t length, uint32_t code) {
    if (code == REPLACEMENT) {
        pare_text_append_bytes(out, "?", 1);
    } else {
        pare_text_append_bytes(out, bytes, length);
    }
}

static void put_html(pare_text *out, const char *bytes, int64_t length, uint32_t code) {
    switch (code) {
    case '&':
        pare_text_append(out, "&amp;");
        break;
    case '<':
        pare_text_append(out, "&lt;");
        break;
    case '>':
        pare_text_append(out, "&gt;");
        break;
    case '"':
        pare_text_append(out, "&quot;");
        break;
    case '\'':
        pare_text_append(out, "&#39;");
        break;
    case REPLACEMENT:
    case 0xFFFE: /* no XML characters */
    case 0xFFFF:
        pare_text_append(out, "&#xFFFD;");
        break;
    default:
        pare_text_append_bytes(out, bytes, length);
    }
}

int64_t pare_name_append_plain(pare_text *out, const char *name, int64_t limit) {
    return walk(out, name, limit, put_plain);
}

void pare_name_append_html(pare_text *out, const char *name, int64_t limit) {
    (void)walk(out, name, limit, put_html);
}

static void put_escape(pare_text *out, unsigned char byte) {
    uint32_t code = (uint32_t)ESCAPE_BASE + byte;
    const char bytes[4] = {(char)(0xF0 | code >> 18), (char)(0x80 | (code >> 12 & 0x3F)),
                           (char)(0x80 | (code >> 6 & 0x3F)), (char)(0x80 | (code & 0x3F))};
    pare_text_append_bytes(out, bytes, sizeof bytes);
}

static bool is_escape(uint32_t code) {
    return code >= (uint32_t)ESCAPE_BASE && code <= (uint32_t)ESCAPE_BASE + 0xFF;
}

pare_status pare_name_encode(pare_context *ctx, const char *name, char **out) {
    *out = NULL;
    pare_text text = {.ctx = ctx};
    int64_t length = (int64_t)strlen(name);
    pare_text_append_bytes(&text, "", 0);
    for (int64_t i = 0; i < length;) {
        uint32_t code = 0;
        int64_t bytes = pare_utf8_next(name + i, length - i, &code);
        if (bytes == 0 || is_escape(code)) {
            put_escape(&text, (unsigned char)name[i++]);
        } else {
            pare_text_append_bytes(&text, name + i, bytes);
            i += bytes;
        }
    }
    if (text.status != PARE_OK) {
        pare_status status = text.status;
        pare_text_clear(&text);
        return status;
    }
    *out = text.bytes;
    return PARE_OK;
}

void pare_name_decode(char *text) {
    int64_t length = (int64_t)strlen(text);
    char *to = text;
    for (int64_t i = 0; i < length;) {
        uint32_t code = 0;
        int64_t bytes = pare_utf8_next(text + i, length - i, &code);
        if (bytes == 4 && is_escape(code) && code != (uint32_t)ESCAPE_BASE) {
            *to++ = (char)(code - (uint32_t)ESCAPE_BASE);
            i += bytes;
        } else {
            *to++ = text[i++];
        }
    }
    *to = '\0';
}
