/* Names as they are shown and stored. A column name is whatever bytes the table held; terminal,
 * JSON and HTML accept less. */
#ifndef PARE_REPORT_NAMES_H
#define PARE_REPORT_NAMES_H

#include "base/text.h"

/*
 * Reads one UTF-8 character of at most `length` >= 1 bytes: its number of bytes, *code its code
 * point; 0 if the first byte begins no valid character (RFC 3629: no overlong forms, surrogates,
 * or numbers beyond U+10FFFF).
 */
int64_t pare_utf8_next(const char *text, int64_t length, uint32_t *code);

/* Appends a name for a terminal in at most `limit` columns, "..." in place of what is cut;
 * controls, marks that turn the direction, and invalid bytes become '?'. Returns the columns taken:
 * 2 for an East Asian wide character, 0 for a combining mark. */
int64_t pare_name_append_plain(pare_text *out, const char *name, int64_t limit);

/* The same in `limit` characters for HTML and SVG: markup characters escaped, control and invalid
 * bytes U+FFFD. */
void pare_name_append_html(pare_text *out, const char *name, int64_t limit);

/*
 * JSON must be UTF-8, but `apply` needs the bytes back. Every byte that is not part of a valid
 * character becomes U+10FE00 + byte (private use plane 16); characters of that range are treated
 * as invalid themselves, so decode(encode(name)) == name for any bytes.
 */
pare_status pare_name_encode(pare_context *ctx, const char *name, char **out) PARE_MUST_CHECK;
/* In place: the text only shrinks. */
void pare_name_decode(char *text);

#endif
