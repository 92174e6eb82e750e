#include "base/json.h"

#include <math.h>
#include <string.h>

enum { ESCAPE_BASE = 0x10FE00 };

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
    return pare_name_encode_bytes(ctx, name, (int64_t)strlen(name), out);
}

pare_status pare_name_encode_bytes(pare_context *ctx, const char *name, int64_t length,
                                   char **out) {
    *out = NULL;
    pare_text text = {.ctx = ctx};
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

void pare_put_json_text(pare_text *out, const char *text) {
    if (text) {
        pare_put_json_bytes(out, text, (int64_t)strlen(text));
    } else {
        pare_text_append(out, "null");
    }
}

void pare_put_json_bytes(pare_text *out, const char *text, int64_t length) {
    if (out->status != PARE_OK) {
        return;
    }
    char *encoded = NULL;
    out->status = pare_name_encode_bytes(out->ctx, text, length, &encoded);
    if (out->status != PARE_OK) {
        return;
    }
    pare_text_append_bytes(out, "\"", 1);
    const char *from = encoded;
    const char *at = encoded;
    for (; *at; at++) {
        bool control = (unsigned char)*at < 0x20;
        if (control || *at == '"' || *at == '\\') {
            pare_text_append_bytes(out, from, at - from);
            pare_text_append(out, control ? "\\u%04x" : "\\%c", *at);
            from = at + 1;
        }
    }
    pare_text_append_bytes(out, from, at - from);
    pare_text_append_bytes(out, "\"", 1);
    pare_free(out->ctx, encoded);
}

/* JSON has no NaN or infinity. */
void pare_put_json_real(pare_text *out, double value) {
    char number[PARE_REAL_SIZE];
    pare_text_append(out, "%s", isfinite(value) ? pare_real_text(value, number) : "null");
}
