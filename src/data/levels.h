/* Levels: the different texts of a column, numbered. */
#ifndef PARE_DATA_LEVELS_H
#define PARE_DATA_LEVELS_H

#include "base/context.h"

enum { PARE_LEVELS_MAX = 1 << 24 }; /* a float holds every whole number up to here */

/* The different texts of a column, numbered by first appearance. Zero-initialise. */
typedef struct pare_levels {
    int64_t count;
    char **text; /* (count) zero-terminated */
    int64_t *length;
    uint64_t *hash;
    int32_t *slot; /* (slots) level number or -1; open addressing, at most half full */
    int64_t slots, text_capacity, length_capacity, hash_capacity;
} pare_levels;

/* Number of the level, -1 if there is none yet. May be called by several threads at once. */
int64_t pare_levels_find(const pare_levels *levels, const unsigned char *text, int64_t length);
/* The same, adding it when new; fails when memory runs out. */
pare_status pare_levels_add(pare_context *ctx, pare_levels *levels, const unsigned char *text,
                            int64_t length, int64_t *out) PARE_MUST_CHECK;
void pare_levels_clear(pare_context *ctx, pare_levels *levels);

#endif
