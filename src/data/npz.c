/*
 * Sparse matrices as scipy.sparse.save_npz writes them: a zip archive of NPY arrays `format` (csr,
 * csc or coo), `shape`, `data`, and `indices` with `indptr`, or `row` with `col`. Without `format`:
 * dense arrays (npz_dense.h).
 */
#include "data/npz_dense.h"
#include "data/sparse_build.h"
#include "data/zip.h"

#include <math.h>

typedef struct npz {
    pare_context *ctx;
    pare_input *input;
    unsigned char *bytes;
    int64_t length;
} npz;

/* One array of the archive, element by element. */
typedef struct vector {
    pare_zip_member member;
    pare_array array;
    const unsigned char *at;
    int64_t count;
} vector;

static pare_status refuse(const npz *reader, const char *what) {
    return pare_fail(reader->ctx, PARE_ERROR_INPUT, "%s: %s", reader->input->name, what);
}

static pare_status read_whole(npz *reader) {
    pare_input *input = reader->input;
    int64_t capacity = 0, wanted = pare_input_bound(input);
    wanted = input->gz || wanted == INT64_MAX ? 1 << 20 : wanted + 1;
    for (;;) {
        pare_status status =
            pare_grow(reader->ctx, reader->length + wanted, 1, &capacity, &reader->bytes);
        if (status != PARE_OK) {
            return status;
        }
        int64_t room = capacity - reader->length;
        int64_t count = pare_input_read(input, reader->bytes + reader->length, room);
        if (count < 0) {
            return pare_input_fail(input);
        }
        reader->length += count;
        if (count < room) {
            return PARE_OK;
        }
        wanted = 1 << 20;
    }
}

/* The array `name`.npy as a vector of numbers; ->at stays NULL if it is not there. */
static pare_status open_vector(npz *reader, const char *name, vector *out) {
    *out = (vector){0};
    pare_status status = pare_zip_find(reader->ctx, reader->input->name, reader->bytes,
                                       reader->length, name, &out->member);
    if (status != PARE_OK || !out->member.bytes) {
        return status;
    }
    pare_input input;
    status = pare_input_open_memory(reader->ctx, reader->input->name, out->member.bytes,
                                    out->member.length, &input);
    if (status != PARE_OK) {
        return status;
    }
    int64_t size[3] = {0};
    int dimensions = 0;
    status = pare_npy_head(&input, &out->array, size, &dimensions);
    int64_t begin = input.source ? input.source->taken - (input.head_end - input.head_begin) : 0;
    pare_input_close(&input);
    if (status != PARE_OK) {
        return status;
    }
    int64_t bytes = 0;
    if (dimensions != 1 || !pare_checked_multiply(size[0], out->array.size, &bytes) ||
        bytes != out->member.length - begin) {
        return refuse(reader, "an array of the archive is not a vector of the length it names");
    }
    out->count = size[0];
    out->at = out->member.bytes + begin;
    return PARE_OK;
}

static void close_vector(npz *reader, vector *of) {
    pare_free(reader->ctx, of->member.owned);
    *of = (vector){0};
}

static uint64_t word(const vector *of, int64_t i) {
    const unsigned char *at = of->at + i * of->array.size;
    uint64_t value = 0;
    for (int64_t b = 0; b < of->array.size; b++) {
        int64_t from = of->array.big ? b : of->array.size - 1 - b;
        value = value << 8 | at[from];
    }
    return value;
}

/* A whole number; floats and numbers that do not fit give -1. */
static int64_t whole(const vector *of, int64_t i) {
    uint64_t bits = word(of, i);
    if (of->array.kind == 'f' || bits > INT64_MAX) {
        return -1;
    }
    if (of->array.kind == 'i' && of->array.size < 8 && bits >> (8 * of->array.size - 1) & 1) {
        return -1;
    }
    return (int64_t)bits;
}

static float real(const vector *of, int64_t i) {
    uint64_t bits = word(of, i);
    if (of->array.kind == 'f' && of->array.size == 4) {
        uint32_t low = (uint32_t)bits;
        float value;
        memcpy(&value, &low, sizeof value);
        return value;
    }
    if (of->array.kind == 'f') {
        double value;
        memcpy(&value, &bits, sizeof value);
        return (float)value;
    }
    if (of->array.kind == 'i') {
        int shift = 64 - 8 * (int)of->array.size;
        return (float)((int64_t)(bits << shift) >> shift);
    }
    return (float)bits;
}

/* "csr", "csc" or "coo", stored as bytes or as UTF-32. */
static pare_status read_format(npz *reader, char out[4]) {
    pare_zip_member member;
    pare_status status = pare_zip_find(reader->ctx, reader->input->name, reader->bytes,
                                       reader->length, "format.npy", &member);
    memset(out, 0, 4);
    if (status == PARE_OK && member.bytes && member.length > 10) {
        int64_t at = 10 + member.bytes[8] + 256 * member.bytes[9];
        for (int n = 0; at < member.length && n < 3; at++) {
            if (member.bytes[at] != 0) {
                out[n++] = (char)member.bytes[at];
            }
        }
    }
    pare_free(reader->ctx, member.owned);
    return status;
}

static pare_status read_shape(npz *reader, int64_t *rows, int64_t *columns) {
    vector shape;
    pare_status status = open_vector(reader, "shape.npy", &shape);
    if (status == PARE_OK) {
        bool good = shape.at && shape.count == 2;
        *rows = good ? whole(&shape, 0) : -1;
        *columns = good ? whole(&shape, 1) : -1;
        if (*rows < 1 || *columns < 1 || *rows > INT32_MAX || *columns > INT32_MAX) {
            status = refuse(reader, "the shape is not that of a matrix with from 1 to 2147483647 "
                                    "rows and columns");
        }
    }
    close_vector(reader, &shape);
    return status;
}

static pare_status check_pointer(npz *reader, const vector *pointer, int64_t lines,
                                 int64_t entries) {
    if (pointer->count != lines + 1 || whole(pointer, 0) != 0 || whole(pointer, lines) != entries) {
        return refuse(reader, "indptr does not fit shape and data");
    }
    for (int64_t i = 0; i < lines; i++) {
        int64_t from = whole(pointer, i), to = whole(pointer, i + 1);
        if (from < 0 || to < from || to > entries) {
            return refuse(reader, "indptr does not ascend");
        }
    }
    return PARE_OK;
}

/* Which of the compressed axis each entry belongs to, out of indptr. */
static pare_status expand(npz *reader, const vector *pointer, int64_t lines, int64_t entries,
                          int32_t *out) {
    pare_status status = check_pointer(reader, pointer, lines, entries);
    for (int64_t i = 0; status == PARE_OK && i < lines; i++) {
        for (int64_t p = whole(pointer, i); p < whole(pointer, i + 1); p++) {
            out[p] = (int32_t)i;
        }
    }
    return status;
}

static pare_status take_indices(npz *reader, const vector *index, int64_t entries, int64_t most,
                                const char *what, int32_t *out) {
    if (index->count != entries) {
        return refuse(reader, "the arrays of indices and data differ in length");
    }
    for (int64_t p = 0; p < entries; p++) {
        int64_t one = whole(index, p);
        if (one < 0 || one >= most) {
            return pare_fail(
                reader->ctx, PARE_ERROR_INPUT, "%s: entry %lld: %s %lld; expected from 0 to %lld",
                reader->input->name, (long long)p, what, (long long)one, (long long)most - 1);
        }
        out[p] = (int32_t)one;
    }
    return PARE_OK;
}

static pare_status take_values(npz *reader, const vector *data, float *out) {
    for (int64_t p = 0; p < data->count; p++) {
        out[p] = real(data, p);
        if (isinf(out[p])) {
            return pare_fail(reader->ctx, PARE_ERROR_INPUT,
                             "%s: entry %lld: an infinite number; expected a finite one (up to "
                             "3.4e38)",
                             reader->input->name, (long long)p);
        }
    }
    return PARE_OK;
}

/* The three arrays of a matrix. */
typedef struct arrays {
    vector data, first, second;
} arrays;

/* Rows as they are stored. */
static pare_status read_rows(npz *reader, const arrays *of, int64_t rows, int64_t columns,
                             pare_table *table) {
    pare_context *ctx = reader->ctx;
    int64_t entries = of->data.count;
    table->storage = PARE_STORAGE_CSR;
    pare_status status = check_pointer(reader, &of->first, rows, entries);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, rows + 1, sizeof *table->start, &table->start);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, entries, sizeof *table->index, &table->index);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, entries, sizeof *table->value, &table->value);
    }
    if (status == PARE_OK) {
        status = take_indices(reader, &of->second, entries, columns, "column", table->index);
    }
    if (status == PARE_OK) {
        status = take_values(reader, &of->data, table->value);
    }
    for (int64_t i = 0; status == PARE_OK && i <= rows; i++) {
        table->start[i] = whole(&of->first, i);
    }
    return status;
}

/* Columns, or single entries. */
static pare_status read_entries(npz *reader, const arrays *of, bool pairs, int64_t rows,
                                int64_t columns, pare_triplets *out) {
    int64_t entries = of->data.count;
    pare_status status = pare_triplets_reserve(reader->ctx, entries, out);
    if (status != PARE_OK) {
        return status;
    }
    out->count = entries;
    status = pairs ? take_indices(reader, &of->first, entries, rows, "row", out->row)
                   : expand(reader, &of->first, columns, entries, out->column);
    if (status == PARE_OK) {
        status = pairs ? take_indices(reader, &of->second, entries, columns, "column", out->column)
                       : take_indices(reader, &of->second, entries, rows, "row", out->row);
    }
    return status == PARE_OK ? take_values(reader, &of->data, out->value) : status;
}

static pare_status read_matrix(npz *reader, const char *format, int64_t rows, int64_t columns,
                               pare_table *table) {
    bool pairs = strcmp(format, "coo") == 0, by_row = strcmp(format, "csr") == 0;
    arrays of = {0};
    pare_triplets triplets = {0};
    pare_status status = open_vector(reader, "data.npy", &of.data);
    if (status == PARE_OK) {
        status = open_vector(reader, pairs ? "row.npy" : "indptr.npy", &of.first);
    }
    if (status == PARE_OK) {
        status = open_vector(reader, pairs ? "col.npy" : "indices.npy", &of.second);
    }
    if (status == PARE_OK && (!of.data.at || !of.first.at || !of.second.at)) {
        status = refuse(reader, "not a sparse matrix of SciPy: data, indices or indptr is missing");
    }
    if (status == PARE_OK) {
        status = by_row ? read_rows(reader, &of, rows, columns, table)
                        : read_entries(reader, &of, pairs, rows, columns, &triplets);
    }
    close_vector(reader, &of.data);
    close_vector(reader, &of.first);
    close_vector(reader, &of.second);
    pare_free(reader->ctx, reader->bytes);
    reader->bytes = NULL;
    if (status == PARE_OK) {
        status = by_row ? pare_rows_table(rows, columns, table)
                        : pare_triplets_table(&triplets, rows, columns, table);
    }
    pare_triplets_clear(&triplets);
    return status;
}

pare_status pare_npz_read(pare_input *input, pare_table *table) {
    npz reader = {.ctx = input->ctx, .input = input};
    char format[4] = "";
    int64_t rows = 0, columns = 0;
    bool dense = false;
    pare_status status = read_whole(&reader);
    if (status == PARE_OK) {
        status = read_format(&reader, format);
    }
    if (status == PARE_OK && !format[0]) {
        status = pare_npz_dense_read(input, reader.bytes, reader.length, table, &dense);
    }
    if (status != PARE_OK || dense) {
        pare_free(reader.ctx, reader.bytes);
        return status;
    }
    if (strcmp(format, "csr") != 0 && strcmp(format, "csc") != 0 && strcmp(format, "coo") != 0) {
        status = refuse(&reader, "neither a sparse matrix of SciPy in format csr, csc or coo nor "
                                 "arrays x and y");
    }
    if (status == PARE_OK) {
        status = read_shape(&reader, &rows, &columns);
    }
    if (status == PARE_OK) {
        status = read_matrix(&reader, format, rows, columns, table);
    }
    pare_free(reader.ctx, reader.bytes);
    return status;
}
