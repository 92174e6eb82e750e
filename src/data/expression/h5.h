/* What the readers of AnnData and 10x files read an HDF5 file with. One thread at a time. */
#ifndef PARE_DATA_EXPRESSION_H5_H
#define PARE_DATA_EXPRESSION_H5_H

#if defined(PARE_HAVE_HDF5)

#include "data/expression/expression.h"

#include <hdf5.h>

typedef struct pare_h5 {
    pare_context *ctx;
    const char *path;
    hid_t file;
    int64_t memory; /* bytes that may be used */
} pare_h5;

/* "FILE: NAME: WHAT" */
pare_status pare_h5_wrong(const pare_h5 *f, const char *name, const char *what);
bool pare_h5_exists(hid_t at, const char *path);
/* A whole dataset of one or two dimensions as `type`, `size` bytes each; out: address of the
 * pointer. */
pare_status pare_h5_numbers(const pare_h5 *f, const char *name, hid_t type, size_t size, void *out,
                            int64_t *count) PARE_MUST_CHECK;
/* Numbers of such a dataset. */
pare_status pare_h5_count(const pare_h5 *f, const char *name, int64_t *count) PARE_MUST_CHECK;
/* A vector of `count` numbers in pieces, to a scratch file. */
pare_status pare_h5_pieces(const pare_h5 *f, const char *name, hid_t type, size_t size,
                           int64_t count, char *out) PARE_MUST_CHECK;
pare_status pare_h5_texts(const pare_h5 *f, const char *name, char ***out,
                          int64_t *count) PARE_MUST_CHECK;
void pare_h5_free_texts(pare_context *ctx, char **text, int64_t count);
/* A text attribute, "" where there is none. */
void pare_h5_attribute(const pare_h5 *f, const char *object, const char *name, char *out,
                       size_t size);

#endif

#endif
