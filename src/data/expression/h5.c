/* AnnData and 10x files through HDF5. Everything is closed on the way out by one list of handles;
 * HDF5 is called from one thread. */
#include "data/expression/expression.h"

#if !defined(PARE_HAVE_HDF5)

pare_status pare_expression_read_h5(pare_expression *e, const char *path,
                                    const char *const name[PARE_CELL_LABELS],
                                    bool labelled[PARE_CELL_LABELS]) {
    (void)name;
    (void)labelled;
    return pare_fail(e->ctx, PARE_ERROR_UNSUPPORTED,
                     "%s: this build was made without HDF5 (libhdf5-dev); expected a MEX folder",
                     path);
}

#else

#include "base/text.h"
#include "platform/system.h"

#include <hdf5.h>
#include <string.h>

typedef struct h5_file {
    pare_context *ctx;
    const char *path;
    hid_t file;
} h5_file;

static pare_status wrong(const h5_file *f, const char *name, const char *what) {
    return pare_fail(f->ctx, PARE_ERROR_INPUT, "%s: %s: %s", f->path, name, what);
}

static bool exists(hid_t at, const char *path) {
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
static pare_status check_filters(const h5_file *f, hid_t data, const char *name) {
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

/* A whole dataset of one or two dimensions as `type`, `size` bytes each. */
static pare_status read_numbers(const h5_file *f, const char *name, hid_t type, size_t size,
                                void *out, int64_t *count) {
    hsize_t shape[2] = {0, 1};
    void *memory = NULL;
    hid_t data = exists(f->file, name) ? H5Dopen2(f->file, name, H5P_DEFAULT) : -1;
    if (data < 0) {
        return wrong(f, name, "is not there");
    }
    hid_t space = H5Dget_space(data);
    int rank = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    pare_status status = PARE_OK;
    if (rank < 1 || rank > 2 || H5Sget_simple_extent_dims(space, shape, NULL) < 0) {
        status = wrong(f, name, "is not an array of one or two dimensions");
    }
    if (status == PARE_OK) {
        status = check_filters(f, data, name);
    }
    int64_t all = 0;
    if (status == PARE_OK && (shape[0] > INT64_MAX || shape[1] > INT64_MAX ||
                              !pare_checked_multiply((int64_t)shape[0], (int64_t)shape[1], &all))) {
        status = wrong(f, name, "is too large");
    }
    if (status == PARE_OK) {
        status = pare_alloc(f->ctx, all, size, &memory);
    }
    if (status == PARE_OK && all > 0 &&
        H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, memory) < 0) {
        pare_free(f->ctx, memory);
        memory = NULL;
        status = wrong(f, name, "cannot be read (damaged, or not numbers)");
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    H5Dclose(data);
    if (status == PARE_OK) {
        memcpy(out, &memory, sizeof memory);
        *count = all;
    }
    return status;
}

static void free_texts(pare_context *ctx, char **text, int64_t count) {
    for (int64_t i = 0; text && i < count; i++) {
        pare_free(ctx, text[i]);
    }
    pare_free(ctx, text);
}

/* Copies texts out of the read buffer: pointers, or `size` bytes each. */
static pare_status copy_texts(const h5_file *f, const char *buffer, bool variable, size_t size,
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

static pare_status read_texts(const h5_file *f, const char *name, char ***out, int64_t *count) {
    *out = NULL;
    hid_t data = exists(f->file, name) ? H5Dopen2(f->file, name, H5P_DEFAULT) : -1;
    if (data < 0) {
        return wrong(f, name, "is not there");
    }
    hid_t type = H5Dget_type(data), space = H5Dget_space(data), memory = -1;
    char *buffer = NULL, **text = NULL;
    hssize_t points = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    bool variable = type >= 0 && H5Tis_variable_str(type) > 0;
    size_t size = variable ? sizeof(char *) : type >= 0 ? H5Tget_size(type) : 0;
    pare_status status = PARE_OK;
    if (points < 0 || size == 0 || H5Tget_class(type) != H5T_STRING) {
        status = wrong(f, name, "is not an array of texts");
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
            status = wrong(f, name, "cannot be read");
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
        free_texts(f->ctx, text, points);
        return status;
    }
    *out = text;
    *count = points;
    return PARE_OK;
}

/* A text attribute, "" where there is none. */
static void read_attribute(const h5_file *f, const char *object, const char *name, char *out,
                           size_t size) {
    out[0] = '\0';
    if (!exists(f->file, object) || H5Aexists_by_name(f->file, object, name, H5P_DEFAULT) <= 0) {
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

/* ---- Matrix --------------------------------------------------------------------------------- */

static pare_status check_sparse(const h5_file *f, const char *group, int64_t rows, int64_t columns,
                                const int64_t *start, int64_t starts, const int32_t *index,
                                int64_t indices, int64_t values) {
    bool good = starts == rows + 1 && indices == values && start[0] == 0 && start[rows] == values;
    for (int64_t i = 0; good && i < rows; i++) {
        good = start[i] <= start[i + 1];
    }
    for (int64_t k = 0; good && k < values; k++) {
        good = index[k] >= 0 && index[k] < columns;
    }
    return good ? PARE_OK : wrong(f, group, "data, indices and indptr do not fit together");
}

/* The matrix is held whole: what has no room is refused before it is read. */
static pare_status check_memory(const h5_file *f, const char *group, int64_t entries, bool copied) {
    const int64_t each = (int64_t)(sizeof(int32_t) + sizeof(float)) * (copied ? 2 : 1);
    const int64_t free_bytes = pare_memory_free();
    if (free_bytes > 0 && entries > free_bytes / each) {
        return pare_fail(f->ctx, PARE_ERROR_MEMORY,
                         "%s: %s has %lld entries, which need %lld MB of memory; %lld MB are free",
                         f->path, group, (long long)entries, (long long)(entries / 1000000 * each),
                         (long long)(free_bytes / 1000000));
    }
    return PARE_OK;
}

/* group/{data,indices,indptr}: compressed rows of cells, or of genes (`by_gene`). */
static pare_status read_sparse(const h5_file *f, const char *group, bool by_gene,
                               pare_expression *e) {
    char name[600];
    int64_t *start = NULL, starts = 0, indices = 0, values = 0;
    int32_t *index = NULL;
    float *value = NULL;
    snprintf(name, sizeof name, "%s/indptr", group);
    pare_status status = read_numbers(f, name, H5T_NATIVE_INT64, sizeof *start, &start, &starts);
    if (status == PARE_OK && starts > 0) {
        status = check_memory(f, group, start[starts - 1], by_gene);
    }
    if (status == PARE_OK) {
        snprintf(name, sizeof name, "%s/indices", group);
        status = read_numbers(f, name, H5T_NATIVE_INT32, sizeof *index, &index, &indices);
    }
    if (status == PARE_OK) {
        snprintf(name, sizeof name, "%s/data", group);
        status = read_numbers(f, name, H5T_NATIVE_FLOAT, sizeof *value, &value, &values);
    }
    int64_t rows = by_gene ? e->genes : e->cells, columns = by_gene ? e->cells : e->genes;
    if (status == PARE_OK) {
        status = check_sparse(f, group, rows, columns, start, starts, index, indices, values);
    }
    if (status == PARE_OK && by_gene) {
        status = pare_expression_transpose(e, start, index, value);
    } else if (status == PARE_OK) {
        e->start = start;
        e->index = index;
        e->value = value;
        return PARE_OK;
    }
    pare_free(f->ctx, start);
    pare_free(f->ctx, index);
    pare_free(f->ctx, value);
    return status;
}

static pare_status read_dense(const h5_file *f, pare_expression *e) {
    float *dense = NULL;
    int64_t count = 0, at = 0, cells = 0;
    pare_status status = read_numbers(f, "/X", H5T_NATIVE_FLOAT, sizeof *dense, &dense, &count);
    if (status != PARE_OK) {
        return status;
    }
    if (!pare_checked_multiply(e->cells, e->genes, &cells) || cells != count) {
        pare_free(f->ctx, dense);
        return wrong(f, "/X", "its shape is not that of obs and var");
    }
    for (int64_t i = 0; i < count; i++) {
        at += dense[i] != 0;
    }
    status = pare_alloc(f->ctx, e->cells + 1, sizeof *e->start, &e->start);
    if (status == PARE_OK) {
        status = pare_alloc(f->ctx, at, sizeof *e->index, &e->index);
    }
    if (status == PARE_OK) {
        status = pare_alloc(f->ctx, at, sizeof *e->value, &e->value);
    }
    at = 0;
    for (int64_t i = 0; i < e->cells && status == PARE_OK; i++) {
        e->start[i] = at;
        for (int64_t j = 0; j < e->genes; j++) {
            float value = dense[i * e->genes + j];
            if (value != 0) {
                e->index[at] = (int32_t)j;
                e->value[at++] = value;
            }
        }
        e->start[i + 1] = at;
    }
    pare_free(f->ctx, dense);
    return status;
}

/* ---- AnnData -------------------------------------------------------------------------------- */

/* The index of obs or var: attribute _index names it, else index or _index. */
static pare_status read_names(const h5_file *f, const char *frame, char ***out, int64_t *count) {
    char index[256], path[512];
    read_attribute(f, frame, "_index", index, sizeof index);
    if (!index[0]) {
        snprintf(path, sizeof path, "%s/_index", frame);
        snprintf(index, sizeof index, "%s", exists(f->file, path) ? "_index" : "index");
    }
    snprintf(path, sizeof path, "%s/%s", frame, index);
    return read_texts(f, path, out, count);
}

/* Codes into categories; -1 is missing. */
static pare_status read_codes(const h5_file *f, const char *codes, const char *categories,
                              pare_cell_label which, pare_expression *e) {
    int32_t *code = NULL;
    char **name = NULL, **text = NULL;
    static char none[1] = "";
    int64_t count = 0, names = 0;
    pare_status status = read_numbers(f, codes, H5T_NATIVE_INT32, sizeof *code, &code, &count);
    if (status == PARE_OK) {
        status = read_texts(f, categories, &name, &names);
    }
    if (status == PARE_OK && count != e->cells) {
        status = wrong(f, codes, "has not one code a cell");
    }
    if (status == PARE_OK) {
        status = pare_alloc(f->ctx, count, sizeof *text, &text);
    }
    for (int64_t i = 0; i < count && status == PARE_OK; i++) {
        if (code[i] >= names) {
            status = wrong(f, codes, "a code is beyond the categories");
        }
        text[i] = status == PARE_OK && code[i] >= 0 ? name[code[i]] : none;
    }
    if (status == PARE_OK) {
        status = pare_expression_set_labels(e, which, text);
    }
    pare_free(f->ctx, code);
    pare_free(f->ctx, text);
    free_texts(f->ctx, name, names);
    return status;
}

/* Categorical group, categories kept apart (before AnnData 0.8), or plain texts. */
static pare_status read_label(const h5_file *f, const char *label, pare_cell_label which,
                              pare_expression *e) {
    char path[600], codes[640], categories[640];
    snprintf(path, sizeof path, "/obs/%s", label);
    snprintf(codes, sizeof codes, "%s/codes", path);
    snprintf(categories, sizeof categories, "%s/categories", path);
    if (exists(f->file, codes)) {
        return read_codes(f, codes, categories, which, e);
    }
    snprintf(categories, sizeof categories, "/obs/__categories/%s", label);
    if (exists(f->file, categories)) {
        return read_codes(f, path, categories, which, e);
    }
    char **text = NULL;
    int64_t count = 0;
    pare_status status = read_texts(f, path, &text, &count);
    if (status == PARE_OK && count != e->cells) {
        status = wrong(f, path, "has not one label a cell");
    }
    if (status == PARE_OK) {
        status = pare_expression_set_labels(e, which, text);
    }
    free_texts(f->ctx, text, count);
    return status;
}

/* Says which columns there are, as many as the sentence holds. */
static pare_status refuse_label(const h5_file *f, const char *label) {
    pare_text names = {.ctx = f->ctx};
    char name[128];
    for (hsize_t i = 0;
         names.length < 300 && H5Lget_name_by_idx(f->file, "/obs", H5_INDEX_NAME, H5_ITER_INC, i,
                                                  name, sizeof name, H5P_DEFAULT) >= 0;
         i++) {
        if (name[0] != '_' && strcmp(name, "index") != 0) {
            pare_text_append(&names, "%s%s", names.length > 0 ? ", " : "", name);
        }
    }
    pare_status status = names.status;
    if (status == PARE_OK) {
        status = pare_fail(f->ctx, PARE_ERROR_INPUT, "%s: obs has no column '%s'; it has %s",
                           f->path, label, names.length > 0 ? names.bytes : "none");
    }
    pare_text_clear(&names);
    return status;
}

static pare_status read_anndata(const h5_file *f, const char *const label[PARE_CELL_LABELS],
                                pare_expression *e, bool labelled[PARE_CELL_LABELS]) {
    char **cell = NULL, encoding[64], format[64], path[600];
    pare_status status = read_names(f, "/var", &e->gene, &e->genes);
    if (status == PARE_OK) {
        status = read_names(f, "/obs", &cell, &e->cells);
        free_texts(f->ctx, cell, status == PARE_OK ? e->cells : 0);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int w = 0; w < PARE_CELL_LABELS; w++) {
        snprintf(path, sizeof path, "/obs/%s", label[w]);
        labelled[w] = label[w][0] && exists(f->file, path);
        /* A file of labels may stand for it, which is told by its name. */
        if (label[w][0] && !labelled[w] && !strchr(label[w], '.')) {
            return refuse_label(f, label[w]);
        }
    }
    read_attribute(f, "/X", "encoding-type", encoding, sizeof encoding);
    read_attribute(f, "/X", "h5sparse_format", format, sizeof format); /* the oldest files */
    if (exists(f->file, "/X/indptr")) {
        bool by_gene = strcmp(encoding, "csc_matrix") == 0 || strcmp(format, "csc") == 0;
        status = read_sparse(f, "/X", by_gene, e);
    } else {
        status = read_dense(f, e);
    }
    for (int w = 0; w < PARE_CELL_LABELS && status == PARE_OK; w++) {
        if (labelled[w]) {
            status = read_label(f, label[w], (pare_cell_label)w, e);
        }
    }
    return status;
}

/* 10x: /matrix, or one group a genome. Barcodes are columns, so compressed rows are cells. */
static pare_status read_10x(const h5_file *f, pare_expression *e) {
    char group[256] = "/matrix", path[600];
    int32_t *shape = NULL;
    int64_t count = 0;
    if (!exists(f->file, group)) {
        char first[128] = "";
        if (H5Lget_name_by_idx(f->file, ".", H5_INDEX_NAME, H5_ITER_INC, 0, first, sizeof first,
                               H5P_DEFAULT) < 0) {
            return wrong(f, "/", "is empty");
        }
        snprintf(group, sizeof group, "/%s", first);
    }
    snprintf(path, sizeof path, "%s/shape", group);
    pare_status status = read_numbers(f, path, H5T_NATIVE_INT32, sizeof *shape, &shape, &count);
    if (status != PARE_OK) {
        return status;
    }
    bool good = count == 2 && shape[0] > 0 && shape[1] > 0;
    e->genes = good ? shape[0] : 0;
    e->cells = good ? shape[1] : 0;
    pare_free(f->ctx, shape);
    if (!good) {
        return wrong(f, path, "is not the size of a matrix");
    }
    int64_t genes = e->genes, names = 0;
    static const char *const places[] = {"features/name", "gene_names", "genes"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", group, places[i]);
        if (exists(f->file, path)) {
            break;
        }
    }
    e->genes = 0; /* until there are names to free */
    status = read_texts(f, path, &e->gene, &names);
    e->genes = names;
    if (status == PARE_OK && names != genes) {
        status = wrong(f, path, "has not one name a gene");
    }
    return status == PARE_OK ? read_sparse(f, group, false, e) : status;
}

pare_status pare_expression_read_h5(pare_expression *e, const char *path,
                                    const char *const name[PARE_CELL_LABELS],
                                    bool labelled[PARE_CELL_LABELS]) {
    h5_file f = {.ctx = e->ctx, .path = path};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* the library does not print */
    f.file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (f.file < 0) {
        return pare_fail(e->ctx, PARE_ERROR_IO, "%s: cannot be opened as HDF5", path);
    }
    pare_status status = exists(f.file, "/obs") && exists(f.file, "/var")
                             ? read_anndata(&f, name, e, labelled)
                             : read_10x(&f, e);
    H5Fclose(f.file);
    return status;
}

#endif
