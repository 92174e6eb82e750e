/* NPZ archives as numpy.savez writes them: a zip archive of stored NPY arrays. */
#ifndef PARE_DATA_NPZ_WRITE_H
#define PARE_DATA_NPZ_WRITE_H

#include "platform/system.h"

enum { PARE_NPZ_MEMBERS_MAX = 128, PARE_NPZ_NAME_MAX = 32 };

/* An archive being written to an open output. */
typedef struct pare_npz {
    pare_context *ctx;
    FILE *file;
    int64_t position;
    int members;
    struct {
        char name[PARE_NPZ_NAME_MAX];
        uint32_t crc, bytes, offset;
    } member[PARE_NPZ_MEMBERS_MAX];
} pare_npz;

void pare_npz_begin(pare_context *ctx, FILE *file, pare_npz *out);
/* Adds the array `name`: numbers of NumPy's type (such as "<f4") of `size` bytes, row-major, of one
 * dimension (columns 0) or two. Fails beyond 4 GiB. Write errors show at the output's commit. */
pare_status pare_npz_add(pare_npz *npz, const char *name, const char *type, int64_t size,
                         int64_t rows, int64_t columns, const void *data) PARE_MUST_CHECK;
/* The directory at the end. */
void pare_npz_end(pare_npz *npz);

#endif
