/* Strings: copies owned by a context, a growing text, lists separated by commas, exact numbers. */
#ifndef PARE_BASE_TEXT_H
#define PARE_BASE_TEXT_H

#include "base/context.h"

/* Copies the first `length` bytes of `text` and adds the final zero. */
pare_status pare_text_copy(pare_context *ctx, const char *text, int64_t length,
                           char **out) PARE_MUST_CHECK;

/* A growing text. Zero-initialise with the context; after a failed append the text is unchanged
 * and `status` keeps the failure, so a writer may append freely and check once at the end. */
typedef struct pare_text {
    pare_context *ctx;
    char *bytes; /* zero-terminated once something was appended */
    int64_t length;
    int64_t capacity;
    pare_status status;
} pare_text;

void pare_text_append(pare_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void pare_text_append_bytes(pare_text *text, const char *bytes, int64_t length);
/* Appends a finite number with `decimals` digits after the point, whatever the locale. */
void pare_text_append_fixed(pare_text *text, double value, int decimals);
void pare_text_clear(pare_text *text);

/* Walks a comma-separated list: *item and *length get the next piece, blanks around it removed;
 * false at the end. Start with *cursor = list. Empty pieces are skipped. */
bool pare_list_next(const char **cursor, const char **item, int64_t *length);

/* The whole of `text` as a number: false on empty text, trailing text, or out of range. Reals may
 * be "inf" or "nan" (the caller decides). Independent of the locale. */
bool pare_parse_integer(const char *text, int64_t *out);
bool pare_parse_real(const char *text, double *out);

/* The shortest text of 15 to 17 digits that reads back as the same double, whatever the locale;
 * negative zero is "-0.0", so that a reader of JSON does not take it for an integer. */
enum { PARE_REAL_SIZE = 32 };
const char *pare_real_text(double value, char buffer[PARE_REAL_SIZE]);

/* 64-bit FNV-1a over `length` bytes, continuing from `hash` (start: PARE_HASH_START). */
#define PARE_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t pare_hash(uint64_t hash, const void *bytes, int64_t length);

#endif
