/* AnnData and 10x files through HDF5. Everything is closed on the way out by one list of handles;
 * HDF5 is called from one thread. */
#include "data/expression/expression.h"

#if !defined(PARE_HAVE_HDF5)

pare_status pare_expression_read_h5(pare_expression *e, const char *path,
                                    const char *const name[PARE_CELL_LABELS], int64_t memory,
                                    bool labelled[PARE_CELL_LABELS]) {
    (void)name;
    (void)memory;
    (void)labelled;
    return pare_fail(e->ctx, PARE_ERROR_UNSUPPORTED,
                     "%s: this build was made without HDF5 (libhdf5-dev); expected a MEX folder",
                     path);
}

#else

#include "base/text.h"
#include "data/expression/h5.h"

#include <string.h>

/* ---- Matrix --------------------------------------------------------------------------------- */

static const char misfit[] = "data, indices and indptr do not fit together";

static pare_status check_sparse(const pare_h5 *f, const char *group, int64_t rows, int64_t columns,
                                const int64_t *start, int64_t starts, const int32_t *index,
                                int64_t indices, const float *value, int64_t values, bool scratch) {
    bool good = starts == rows + 1 && indices == values && start[0] == 0 && start[rows] == values;
    for (int64_t i = 0; good && i < rows; i++) {
        good = start[i] <= start[i + 1];
    }
    for (int64_t k = 0, done = 0; good && k < values; k++) {
        good = index[k] >= 0 && index[k] < columns;
        if (scratch) {
            pare_scratch_passed(index, value, &done, k);
        }
    }
    return good ? PARE_OK : pare_h5_wrong(f, group, misfit);
}

/* Whether so many entries are more than half of the memory that may be used. */
static bool too_many(const pare_h5 *f, int64_t entries, int64_t each, int64_t *most) {
    const int64_t free_bytes = pare_memory_free();
    *most = free_bytes > 0 && free_bytes < f->memory ? free_bytes : f->memory;
    return entries > *most / 2 / each;
}

/* Rows of genes become rows of cells in memory. */
static pare_status check_memory(const pare_h5 *f, const char *group, int64_t entries) {
    const int64_t each = 2 * (int64_t)(sizeof(int32_t) + sizeof(float));
    int64_t most = 0;
    if (!too_many(f, entries, each, &most)) {
        return PARE_OK;
    }
    return pare_fail(f->ctx, PARE_ERROR_MEMORY,
                     "%s: %s has %lld entries by gene, which need %lld MB of memory; of %lld MB "
                     "half may be used (by cell, CSR, they would be read in pieces)",
                     f->path, group, (long long)entries, (long long)(entries / 1000000 * each),
                     (long long)(most / 1000000));
}

/* Indices and values; `entries` as indptr says. */
static pare_status read_entries(const pare_h5 *f, const char *group, int64_t entries,
                                pare_expression *e, int64_t *indices, int64_t *values) {
    const int64_t each = (int64_t)(sizeof(int32_t) + sizeof(float));
    char name[600], other[600];
    int64_t most = 0;
    snprintf(name, sizeof name, "%s/indices", group);
    snprintf(other, sizeof other, "%s/data", group);
    if (entries <= 0 || !too_many(f, entries, each, &most)) {
        pare_status status =
            pare_h5_numbers(f, name, H5T_NATIVE_INT32, sizeof *e->index, &e->index, indices);
        return status == PARE_OK ? pare_h5_numbers(f, other, H5T_NATIVE_FLOAT, sizeof *e->value,
                                                   &e->value, values)
                                 : status;
    }
    int64_t bytes = 0;
    pare_status status = pare_h5_count(f, name, indices);
    if (status == PARE_OK) {
        status = pare_h5_count(f, other, values);
    }
    /* Before a file is made of what indptr claims. */
    if (status == PARE_OK && (*indices != entries || *values != entries ||
                              !pare_checked_multiply(entries, each, &bytes))) {
        status = pare_h5_wrong(f, group, misfit);
    }
    if (status != PARE_OK) {
        return status;
    }
    status = pare_scratch_open(f->ctx, bytes, &e->scratch);
    if (status != PARE_OK) {
        return status;
    }
    char *at = (char *)(uintptr_t)e->scratch.bytes;
    e->index = (int32_t *)(void *)at;
    e->value = (float *)(void *)(at + entries * (int64_t)sizeof *e->index);
    status = pare_h5_pieces(f, name, H5T_NATIVE_INT32, sizeof *e->index, entries, at);
    if (status == PARE_OK) {
        status =
            pare_h5_pieces(f, other, H5T_NATIVE_FLOAT, sizeof *e->value, entries, (char *)e->value);
    }
    return status;
}

/* group/{data,indices,indptr}: compressed rows of cells, or of genes (`by_gene`). */
static pare_status read_sparse(const pare_h5 *f, const char *group, bool by_gene,
                               pare_expression *e) {
    char name[600];
    pare_expression rows = {.ctx = f->ctx};
    int64_t starts = 0, indices = 0, values = 0;
    const int64_t count = by_gene ? e->genes : e->cells, columns = by_gene ? e->cells : e->genes;
    snprintf(name, sizeof name, "%s/indptr", group);
    pare_status status =
        pare_h5_numbers(f, name, H5T_NATIVE_INT64, sizeof *rows.start, &rows.start, &starts);
    const int64_t entries = status == PARE_OK && starts > 0 ? rows.start[starts - 1] : 0;
    if (status == PARE_OK && by_gene) {
        status = check_memory(f, group, entries);
    }
    if (status == PARE_OK) {
        status = read_entries(f, group, entries, &rows, &indices, &values);
    }
    if (status == PARE_OK) {
        status = check_sparse(f, group, count, columns, rows.start, starts, rows.index, indices,
                              rows.value, values, rows.scratch.bytes != NULL);
    }
    if (status == PARE_OK && by_gene) {
        status = pare_expression_transpose(e, rows.start, rows.index, rows.value);
    } else if (status == PARE_OK) {
        e->start = rows.start;
        e->index = rows.index;
        e->value = rows.value;
        e->scratch = rows.scratch;
        return PARE_OK;
    }
    pare_expression_clear(&rows);
    return status;
}

static pare_status read_dense(const pare_h5 *f, pare_expression *e) {
    float *dense = NULL;
    int64_t count = 0, at = 0, cells = 0;
    pare_status status = pare_h5_numbers(f, "/X", H5T_NATIVE_FLOAT, sizeof *dense, &dense, &count);
    if (status != PARE_OK) {
        return status;
    }
    if (!pare_checked_multiply(e->cells, e->genes, &cells) || cells != count) {
        pare_free(f->ctx, dense);
        return pare_h5_wrong(f, "/X", "its shape is not that of obs and var");
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
static pare_status read_names(const pare_h5 *f, const char *frame, char ***out, int64_t *count) {
    char index[256], path[512];
    pare_h5_attribute(f, frame, "_index", index, sizeof index);
    if (!index[0]) {
        snprintf(path, sizeof path, "%s/_index", frame);
        snprintf(index, sizeof index, "%s", pare_h5_exists(f->file, path) ? "_index" : "index");
    }
    snprintf(path, sizeof path, "%s/%s", frame, index);
    return pare_h5_texts(f, path, out, count);
}

/* Codes into categories; -1 is missing. */
static pare_status read_codes(const pare_h5 *f, const char *codes, const char *categories,
                              pare_cell_label which, pare_expression *e) {
    int32_t *code = NULL;
    char **name = NULL, **text = NULL;
    static char none[1] = "";
    int64_t count = 0, names = 0;
    pare_status status = pare_h5_numbers(f, codes, H5T_NATIVE_INT32, sizeof *code, &code, &count);
    if (status == PARE_OK) {
        status = pare_h5_texts(f, categories, &name, &names);
    }
    if (status == PARE_OK && count != e->cells) {
        status = pare_h5_wrong(f, codes, "has not one code a cell");
    }
    if (status == PARE_OK) {
        status = pare_alloc(f->ctx, count, sizeof *text, &text);
    }
    for (int64_t i = 0; i < count && status == PARE_OK; i++) {
        if (code[i] >= names) {
            status = pare_h5_wrong(f, codes, "a code is beyond the categories");
        }
        text[i] = status == PARE_OK && code[i] >= 0 ? name[code[i]] : none;
    }
    if (status == PARE_OK) {
        status = pare_expression_set_labels(e, which, text);
    }
    pare_free(f->ctx, code);
    pare_free(f->ctx, text);
    pare_h5_free_texts(f->ctx, name, names);
    return status;
}

/* Categorical group, categories kept apart (before AnnData 0.8), or plain texts. */
static pare_status read_label(const pare_h5 *f, const char *label, pare_cell_label which,
                              pare_expression *e) {
    char path[600], codes[640], categories[640];
    snprintf(path, sizeof path, "/obs/%s", label);
    snprintf(codes, sizeof codes, "%s/codes", path);
    snprintf(categories, sizeof categories, "%s/categories", path);
    if (pare_h5_exists(f->file, codes)) {
        return read_codes(f, codes, categories, which, e);
    }
    snprintf(categories, sizeof categories, "/obs/__categories/%s", label);
    if (pare_h5_exists(f->file, categories)) {
        return read_codes(f, path, categories, which, e);
    }
    char **text = NULL;
    int64_t count = 0;
    pare_status status = pare_h5_texts(f, path, &text, &count);
    if (status == PARE_OK && count != e->cells) {
        status = pare_h5_wrong(f, path, "has not one label a cell");
    }
    if (status == PARE_OK) {
        status = pare_expression_set_labels(e, which, text);
    }
    pare_h5_free_texts(f->ctx, text, count);
    return status;
}

/* Says which columns there are, as many as the sentence holds. */
static pare_status refuse_label(const pare_h5 *f, const char *label) {
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

static pare_status read_anndata(const pare_h5 *f, const char *const label[PARE_CELL_LABELS],
                                pare_expression *e, bool labelled[PARE_CELL_LABELS]) {
    char **cell = NULL, encoding[64], format[64], path[600];
    pare_status status = read_names(f, "/var", &e->gene, &e->genes);
    if (status == PARE_OK) {
        status = read_names(f, "/obs", &cell, &e->cells);
        pare_h5_free_texts(f->ctx, cell, status == PARE_OK ? e->cells : 0);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int w = 0; w < PARE_CELL_LABELS; w++) {
        snprintf(path, sizeof path, "/obs/%s", label[w]);
        labelled[w] = label[w][0] && pare_h5_exists(f->file, path);
        /* A file of labels may stand for it, which is told by its name. */
        if (label[w][0] && !labelled[w] && !strchr(label[w], '.')) {
            return refuse_label(f, label[w]);
        }
    }
    pare_h5_attribute(f, "/X", "encoding-type", encoding, sizeof encoding);
    pare_h5_attribute(f, "/X", "h5sparse_format", format, sizeof format); /* the oldest files */
    if (pare_h5_exists(f->file, "/X/indptr")) {
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
static pare_status read_10x(const pare_h5 *f, pare_expression *e) {
    char group[256] = "/matrix", path[600];
    int32_t *shape = NULL;
    int64_t count = 0;
    if (!pare_h5_exists(f->file, group)) {
        char first[128] = "";
        if (H5Lget_name_by_idx(f->file, ".", H5_INDEX_NAME, H5_ITER_INC, 0, first, sizeof first,
                               H5P_DEFAULT) < 0) {
            return pare_h5_wrong(f, "/", "is empty");
        }
        snprintf(group, sizeof group, "/%s", first);
    }
    snprintf(path, sizeof path, "%s/shape", group);
    pare_status status = pare_h5_numbers(f, path, H5T_NATIVE_INT32, sizeof *shape, &shape, &count);
    if (status != PARE_OK) {
        return status;
    }
    bool good = count == 2 && shape[0] > 0 && shape[1] > 0;
    e->genes = good ? shape[0] : 0;
    e->cells = good ? shape[1] : 0;
    pare_free(f->ctx, shape);
    if (!good) {
        return pare_h5_wrong(f, path, "is not the size of a matrix");
    }
    int64_t genes = e->genes, names = 0;
    static const char *const places[] = {"features/name", "gene_names", "genes"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", group, places[i]);
        if (pare_h5_exists(f->file, path)) {
            break;
        }
    }
    e->genes = 0; /* until there are names to free */
    status = pare_h5_texts(f, path, &e->gene, &names);
    e->genes = names;
    if (status == PARE_OK && names != genes) {
        status = pare_h5_wrong(f, path, "has not one name a gene");
    }
    return status == PARE_OK ? read_sparse(f, group, false, e) : status;
}

pare_status pare_expression_read_h5(pare_expression *e, const char *path,
                                    const char *const name[PARE_CELL_LABELS], int64_t memory,
                                    bool labelled[PARE_CELL_LABELS]) {
    pare_h5 f = {.ctx = e->ctx, .path = path, .memory = memory};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* the library does not print */
    f.file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (f.file < 0) {
        return pare_fail(e->ctx, PARE_ERROR_IO, "%s: cannot be opened as HDF5", path);
    }
    pare_status status = pare_h5_exists(f.file, "/obs") && pare_h5_exists(f.file, "/var")
                             ? read_anndata(&f, name, e, labelled)
                             : read_10x(&f, e);
    H5Fclose(f.file);
    return status;
}

#endif
