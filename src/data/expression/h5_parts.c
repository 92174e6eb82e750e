/* Numbers, texts and attributes of an HDF5 file. */
#include "data/expression/h5.h"

#if defined(PARE_HAVE_HDF5)

#include "base/text.h"

#include <string.h>

pare_status pare_h5_wrong(const pare_h5 *f, const char *name, const char *what) {
    return pare_fail(f->ctx, PARE_ERROR_INPUT, "%s: %s: %s", f->path, name, what);
}

bool pare_h5_exists(hid_t at, const char *path) {
    char part[512];
    size_t length = strlen(path);
    for (size_t i = 1; i <= length && i < sizeof part; i++) {
        if (path[i] == '/' || !path[i]) {
            memcpy(part, path, i);
            part[i] = '\0';
            if (H5Lexists(at, part, H5P_DEFAULT) <= 0) {
                return false;
            }
        }
    }
    return true;
}

/* A filter of the dataset that this HDF5 lacks. */
static pare_status check_filters(const pare_h5 *f, hid_t data, const char *name) {
    hid_t list = H5Dget_create_plist(data);
    int count = list >= 0 ? H5Pget_nfilters(list) : 0;
    pare_status status = PARE_OK;
    for (int i = 0; i < count && status == PARE_OK; i++) {
        unsigned flags = 0;
        size_t values = 0;
        char filter[64] = "";
        H5Z_filter_t id =
            H5Pget_filter2(list, (unsigned)i, &flags, &values, NULL, sizeof filter, filter, NULL);
        if (id >= 0 && H5Zfilter_avail(id) <= 0) {
            status = pare_fail(f->ctx, PARE_ERROR_UNSUPPORTED,
                               "%s: %s is compressed by filter %d (%s), whose HDF5 plugin is not "
                               "installed",
                               f->path, name, (int)id, filter[0] ? filter : "unnamed");
        }
    }
    if (list >= 0) {
        H5Pclose(list);
    }
    return status;
}

/* Opens a dataset of one or two dimensions and counts its numbers. */
static pare_status open_numbers(const pare_h5 *f, const char *name, hid_t *out, int64_t *count) {
    hsize_t shape[2] = {0, 1};
    hid_t data = pare_h5_exists(f->file, name) ? H5Dopen2(f->file, name, H5P_DEFAULT) : -1;
    if (data < 0) {
        return pare_h5_wrong(f, name, "is not there");
    }
    hid_t space = H5Dget_space(data);
    int rank = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    pare_status status = PARE_OK;
    if (rank < 1 || rank > 2 || H5Sget_simple_extent_dims(space, shape, NULL) < 0) {
        status = pare_h5_wrong(f, name, "is not an array of one or two dimensions");
    }
    if (status == PARE_OK) {
        status = check_filters(f, data, name);
    }
    if (status == PARE_OK &&
        (shape[0] > INT64_MAX || shape[1] > INT64_MAX ||
         !pare_checked_multiply((int64_t)shape[0], (int64_t)shape[1], count))) {
        status = pare_h5_wrong(f, name, "is too large");
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    if (status != PARE_OK) {
        H5Dclose(data);
        return status;
    }
    *out = data;
    return PARE_OK;
}

pare_status pare_h5_count(const pare_h5 *f, const char *name, int64_t *count) {
    hid_t data = -1;
    pare_status status = open_numbers(f, name, &data, count);
    if (status == PARE_OK) {
        H5Dclose(data);
    }
    return status;
}

static const char unreadable[] = "cannot be read (damaged, or not numbers)";

pare_status pare_h5_numbers(const pare_h5 *f, const char *name, hid_t type, size_t size, void *out,
                            int64_t *count) {
    hid_t data = -1;
    int64_t all = 0;
    void *memory = NULL;
    pare_status status = open_numbers(f, name, &data, &all);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_alloc(f->ctx, all, size, &memory);
    if (status == PARE_OK && all > 0 &&
        H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, memory) < 0) {
        pare_free(f->ctx, memory);
        memory = NULL;
        status = pare_h5_wrong(f, name, unreadable);
    }
    H5Dclose(data);
    if (status == PARE_OK) {
        memcpy(out, &memory, sizeof memory);
        *count = all;
    }
    return status;
}

pare_status pare_h5_pieces(const pare_h5 *f, const char *name, hid_t type, size_t size,
                           int64_t count, char *out) {
    hid_t data = -1;
    int64_t all = 0;
    pare_status status = open_numbers(f, name, &data, &all);
    if (status != PARE_OK) {
        return status;
    }
    hid_t space = H5Dget_space(data);
    if (all != count || H5Sget_simple_extent_ndims(space) != 1) {
        status = pare_h5_wrong(f, name, "does not fit to indptr");
    }
    for (int64_t at = 0; at < count && status == PARE_OK; at += PARE_PIECE) {
        const hsize_t from = (hsize_t)at;
        const hsize_t length = (hsize_t)(count - at < PARE_PIECE ? count - at : PARE_PIECE);
        hid_t piece = H5Screate_simple(1, &length, NULL);
        char *to = out + at * (int64_t)size;
        if (piece < 0 ||
            H5Sselect_hyperslab(space, H5S_SELECT_SET, &from, NULL, &length, NULL) < 0 ||
            H5Dread(data, type, piece, space, H5P_DEFAULT, to) < 0) {
            status = pare_h5_wrong(f, name, unreadable);
        }
        if (piece >= 0) {
            H5Sclose(piece);
        }
        pare_map_forget(to, (int64_t)(length * size));
    }
    H5Sclose(space);
    H5Dclose(data);
    return status;
}

void pare_h5_free_texts(pare_context *ctx, char **text, int64_t count) {
    for (int64_t i = 0; text && i < count; i++) {
        pare_free(ctx, text[i]);
    }
    pare_free(ctx, text);
}

/* Copies texts out of the read buffer: pointers, or `size` bytes each. */
static pare_status copy_texts(const pare_h5 *f, const char *buffer, bool variable, size_t size,
                              int64_t count, char **text) {
    pare_status status = PARE_OK;
    for (int64_t i = 0; i < count && status == PARE_OK; i++) {
        const char *from = buffer + (size_t)i * size;
        size_t length = 0;
        if (variable) {
            memcpy(&from, buffer + (size_t)i * sizeof from, sizeof from);
            from = from ? from : "";
            length = strlen(from);
        } else {
            while (length < size && from[length]) {
                length++;
            }
        }
        status = pare_text_copy(f->ctx, from, (int64_t)length, &text[i]);
    }
    return status;
}

pare_status pare_h5_texts(const pare_h5 *f, const char *name, char ***out, int64_t *count) {
    *out = NULL;
    hid_t data = pare_h5_exists(f->file, name) ? H5Dopen2(f->file, name, H5P_DEFAULT) : -1;
    if (data < 0) {
        return pare_h5_wrong(f, name, "is not there");
    }
    hid_t type = H5Dget_type(data), space = H5Dget_space(data), memory = -1;
    char *buffer = NULL, **text = NULL;
    hssize_t points = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    bool variable = type >= 0 && H5Tis_variable_str(type) > 0;
    size_t size = variable ? sizeof(char *) : type >= 0 ? H5Tget_size(type) : 0;
    pare_status status = PARE_OK;
    if (points < 0 || size == 0 || H5Tget_class(type) != H5T_STRING) {
        status = pare_h5_wrong(f, name, "is not an array of texts");
    }
    if (status == PARE_OK) {
        status = check_filters(f, data, name);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(f->ctx, points, sizeof *text, &text);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(f->ctx, points, size, &buffer);
    }
    if (status == PARE_OK) {
        memory = H5Tcopy(type);
        if (points > 0 && H5Dread(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer) < 0) {
            status = pare_h5_wrong(f, name, "cannot be read");
        } else {
            status = copy_texts(f, buffer, variable, size, points, text);
            if (variable && points > 0) {
                H5Dvlen_reclaim(memory, space, H5P_DEFAULT, buffer);
            }
        }
        H5Tclose(memory);
    }
    pare_free(f->ctx, buffer);
    if (type >= 0) {
        H5Tclose(type);
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    H5Dclose(data);
    if (status != PARE_OK) {
        pare_h5_free_texts(f->ctx, text, points);
        return status;
    }
    *out = text;
    *count = points;
    return PARE_OK;
}

void pare_h5_attribute(const pare_h5 *f, const char *object, const char *name, char *out,
                       size_t size) {
    out[0] = '\0';
    if (!pare_h5_exists(f->file, object) ||
        H5Aexists_by_name(f->file, object, name, H5P_DEFAULT) <= 0) {
        return;
    }
    hid_t attribute = H5Aopen_by_name(f->file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    hid_t type = H5Aget_type(attribute);
    if (type >= 0 && H5Tget_class(type) == H5T_STRING) {
        hid_t space = H5Aget_space(attribute);
        if (H5Tis_variable_str(type) > 0) {
            char *text = NULL;
            hid_t memory = H5Tcopy(type);
            if (H5Aread(attribute, memory, &text) >= 0 && text) {
                snprintf(out, size, "%s", text);
                H5Dvlen_reclaim(memory, space, H5P_DEFAULT, &text);
            }
            H5Tclose(memory);
        } else if (H5Tget_size(type) < size) {
            size_t length = H5Tget_size(type);
            if (H5Aread(attribute, type, out) >= 0) {
                out[length] = '\0';
            }
        }
        H5Sclose(space);
    }
    if (type >= 0) {
        H5Tclose(type);
    }
    H5Aclose(attribute);
}

#else

typedef int pare_h5_absent; /* no empty translation unit */

#endif
