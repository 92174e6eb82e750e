/* Members of a zip archive held in memory (PKWARE APPNOTE 6.3): stored or deflated, zip64 too. */
#ifndef PARE_DATA_ZIP_H
#define PARE_DATA_ZIP_H

#include "base/context.h"

/* A member's bytes; owned: to be freed. */
typedef struct pare_zip_member {
    const unsigned char *bytes; /* NULL: there is no such member */
    unsigned char *owned;
    int64_t length;
} pare_zip_member;

/* Unpacks the member called `wanted` of an archive and checks its CRC-32. name: of the archive, for
 * messages. A member that is not there is no failure. */
pare_status pare_zip_find(pare_context *ctx, const char *name, const unsigned char *bytes,
                          int64_t length, const char *wanted, pare_zip_member *out) PARE_MUST_CHECK;

#endif
