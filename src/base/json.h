/* Names, text and numbers as JSON holds them. A name is whatever bytes the data held; JSON is
 * UTF-8. */
#ifndef PARE_BASE_JSON_H
#define PARE_BASE_JSON_H

#include "base/text.h"

/*
 * Reads one UTF-8 character of at most `length` >= 1 bytes: its number of bytes, *code its code
 * point; 0 if the first byte begins no valid character (RFC 3629: no overlong forms, surrogates,
 * or numbers beyond U+10FFFF).
 */
int64_t pare_utf8_next(const char *text, int64_t length, uint32_t *code);

/*
 * JSON must be UTF-8, but `apply` needs the bytes back. Every byte that is not part of a valid
 * character becomes U+10FE00 + byte (private use plane 16); characters of that range are treated
 * as invalid themselves, so decode(encode(name)) == name for any bytes.
 */
pare_status pare_name_encode(pare_context *ctx, const char *name, char **out) PARE_MUST_CHECK;
/* The same of `length` bytes. */
pare_status pare_name_encode_bytes(pare_context *ctx, const char *name, int64_t length,
                                   char **out) PARE_MUST_CHECK;
/* In place: the text only shrinks. */
void pare_name_decode(char *text);

/* A name as a JSON string, bytes that are not UTF-8 encoded; null for NULL. */
void pare_put_json_text(pare_text *out, const char *text);
void pare_put_json_bytes(pare_text *out, const char *text, int64_t length);
/* A number that reads back as the same double; null for NaN and infinities, which JSON lacks. */
void pare_put_json_real(pare_text *out, double value);

#endif
