#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pare_status pare_text_copy(pare_context *ctx, const char *text, int64_t length, char **out) {
    pare_status status = pare_alloc(ctx, length + 1, 1, out);
    if (status == PARE_OK) {
        memcpy(*out, text, (size_t)length);
        (*out)[length] = '\0';
    }
    return status;
}

void pare_text_append_bytes(pare_text *text, const char *bytes, int64_t length) {
    if (text->status != PARE_OK) {
        return;
    }
    int64_t wanted = text->length + length + 1;
    if (wanted > text->capacity && wanted < 2 * text->capacity) {
        wanted = 2 * text->capacity;
    }
    text->status = pare_grow(text->ctx, wanted, 1, &text->capacity, &text->bytes);
    if (text->status != PARE_OK) {
        return;
    }
    memcpy(text->bytes + text->length, bytes, (size_t)length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void pare_text_append(pare_text *text, const char *format, ...) {
    char small[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (length < 0 || text->status != PARE_OK) {
        return;
    }
    if ((size_t)length < sizeof small) {
        pare_text_append_bytes(text, small, length);
        return;
    }
    text->status =
        pare_grow(text->ctx, text->length + length + 1, 1, &text->capacity, &text->bytes);
    if (text->status != PARE_OK) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += length;
}

/* Turns the decimal mark of the locale, of one or more bytes, into a point. */
static void use_point(char *number) {
    char *to = number;
    bool marked = false;
    for (const char *at = number; *at; at++) {
        bool plain =
            (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || *at == '-' || *at == '+';
        if (plain) {
            *to++ = *at;
        } else if (!marked) {
            *to++ = '.';
            marked = true;
        }
    }
    *to = '\0';
}

void pare_text_append_fixed(pare_text *text, double value, int decimals) {
    char number[352]; /* DBL_MAX has 309 digits */
    int length = snprintf(number, sizeof number, "%.*f", decimals < 17 ? decimals : 17, value);
    if (length > 0) {
        use_point(number);
        pare_text_append_bytes(text, number, (int64_t)strlen(number));
    }
}

void pare_text_clear(pare_text *text) {
    if (text->ctx) {
        pare_free(text->ctx, text->bytes);
    }
    *text = (pare_text){.ctx = text->ctx};
}

bool pare_list_next(const char **cursor, const char **item, int64_t *length) {
    const char *at = *cursor;
    while (*at == ',' || *at == ' ') {
        at++;
    }
    if (!*at) {
        return false;
    }
    const char *end = at;
    while (*end && *end != ',') {
        end++;
    }
    *cursor = end;
    while (end > at && end[-1] == ' ') {
        end--;
    }
    *item = at;
    *length = end - at;
    return true;
}

bool pare_parse_integer(const char *text, int64_t *out) {
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno) {
        return false;
    }
    *out = value;
    return true;
}

bool pare_parse_real(const char *text, double *out) {
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || text[0] == ' ' || text[0] == '\t') {
        return false;
    }
    *out = value;
    return true;
}

const char *pare_real_text(double value, char buffer[PARE_REAL_SIZE]) {
    if (value == 0) {
        return signbit(value) ? "-0.0" : "0";
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buffer, PARE_REAL_SIZE, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value) {
            break;
        }
    }
    use_point(buffer);
    return buffer;
}

uint64_t pare_hash(uint64_t hash, const void *bytes, int64_t length) {
    const unsigned char *at = bytes;
    for (int64_t i = 0; i < length; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}
