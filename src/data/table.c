#include "base/text.h"
#include "data/pare_file.h"
#include "data/store.h"
#include "platform/cluster.h"

#include <stdio.h>
#include <stdlib.h>

void pare_table_clear(pare_table *table) {
    pare_context *ctx = table->ctx;
    if (!ctx) {
        return;
    }
    for (int64_t c = 0; table->column && c < table->columns; c++) {
        pare_column *column = &table->column[c];
        for (int64_t level = 0; column->level && level < column->levels; level++) {
            pare_free(ctx, column->level[level]);
        }
        pare_free(ctx, column->level);
        pare_free(ctx, column->name);
    }
    pare_free(ctx, table->column);
    if (!table->borrowed) {
        pare_free(ctx, table->f32);
        pare_free(ctx, table->start);
        pare_free(ctx, table->index);
        pare_free(ctx, table->value);
    }
    pare_free(ctx, table->u8);
    pare_free(ctx, table->label);
    for (int64_t c = 0; table->held && c < table->columns; c++) {
        pare_free(ctx, table->held[c]);
    }
    pare_free(ctx, table->held);
    pare_store_close(table->stream);
    pare_free(ctx, table->source);
    *table = (pare_table){0};
}

pare_status pare_table_name_columns(pare_table *table, int64_t columns) {
    pare_status status =
        pare_alloc_zero(table->ctx, columns, sizeof *table->column, &table->column);
    if (status == PARE_OK) {
        table->columns = columns;
    }
    for (int64_t c = 0; c < columns && status == PARE_OK; c++) {
        char name[24];
        int length = snprintf(name, sizeof name, "x%lld", (long long)c);
        status = pare_text_copy(table->ctx, name, length, &table->column[c].name);
    }
    return status;
}

int64_t pare_table_find(const pare_table *table, const char *item, int64_t length) {
    for (int64_t c = 0; c < table->columns; c++) {
        const char *name = table->column[c].name;
        if (strncmp(name, item, (size_t)length) == 0 && !name[length]) {
            return c;
        }
    }
    int64_t number = 0;
    for (int64_t i = 0; i < length; i++) {
        if (item[i] < '0' || item[i] > '9' || number > table->columns) {
            return -1;
        }
        number = 10 * number + (item[i] - '0');
    }
    return length > 0 && number < table->columns ? number : -1;
}

/* ---- Categories ------------------------------------------------------------------------------ */

/* CSV does this while it reads, from the texts themselves. */
static pare_status make_categories(pare_table *table, const char *list) {
    const char *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&list, &item, &length)) {
        int64_t c = pare_table_find(table, item, length);
        if (c < 0) {
            continue; /* the dataset refuses it, knowing all roles */
        }
        pare_status status = pare_column_categorise(table, c);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* ---- Format -----------------------------------------------------------------------------------
 */

/* Whether the name ends in one of the '|'-separated endings, with or without ".gz" after it. */
static bool ends_in(const char *name, const char *endings) {
    size_t length = strlen(name);
    if (length > 3 && strcmp(name + length - 3, ".gz") == 0) {
        length -= 3;
    }
    while (*endings) {
        size_t piece = strcspn(endings, "|");
        if (piece <= length && memcmp(name + length - piece, endings, piece) == 0) {
            return true;
        }
        endings += piece + (endings[piece] == '|');
    }
    return false;
}

/* Whether the first line with content is `number index:number ...`. */
static bool looks_libsvm(const unsigned char *p, const unsigned char *end) {
    while (p < end && (*p == '\n' || *p == '\r' || *p == '#')) {
        if (*p == '#') {
            p = memchr(p, '\n', (size_t)(end - p));
            if (!p) {
                return false;
            }
        }
        p++;
    }
    const unsigned char *start = p;
    while (p < end && *p != ' ' && *p != '\t' && *p != '\n') {
        p++;
    }
    float label;
    if (pare_cell_parse(start, p, &label) != PARE_CELL_NUMBER) {
        return false;
    }
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    start = p;
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p > start && p < end && *p == ':';
}

static int64_t find_format(const pare_input *input) {
    const unsigned char *head = input->head + input->head_begin;
    int64_t length = input->head_end - input->head_begin;
    if (length >= 6 && memcmp(head, "\x93NUMPY", 6) == 0) {
        return PARE_FORMAT_NPY;
    }
    if (length >= 4 && head[0] == 0 && head[1] == 0 && head[2] >= 0x08 && head[2] <= 0x0e &&
        head[3] >= 1 && head[3] <= 4) {
        return PARE_FORMAT_IDX;
    }
    if (length >= 8 && memcmp(head, PARE_FILE_MAGIC, 8) == 0) {
        return PARE_FORMAT_PARE;
    }
    if ((length >= 14 && memcmp(head, "%%MatrixMarket", 14) == 0) || ends_in(input->path, ".mtx")) {
        return PARE_FORMAT_MTX;
    }
    if ((length >= 4 && memcmp(head, "PK\3\4", 4) == 0) || ends_in(input->path, ".npz")) {
        return PARE_FORMAT_NPZ;
    }
    if (ends_in(input->path, ".pare")) {
        return PARE_FORMAT_PARE;
    }
    if (ends_in(input->path, ".npy")) {
        return PARE_FORMAT_NPY;
    }
    if (ends_in(input->path, "-ubyte|.idx|.idx1|.idx3")) {
        return PARE_FORMAT_IDX;
    }
    if (ends_in(input->path, ".svm|.libsvm|.svmlight|.libfm")) {
        return PARE_FORMAT_LIBSVM;
    }
    if (ends_in(input->path, ".tsv|.tab")) {
        return PARE_FORMAT_TSV;
    }
    return !ends_in(input->path, ".csv") && looks_libsvm(head, head + length) ? PARE_FORMAT_LIBSVM
                                                                              : PARE_FORMAT_CSV;
}

pare_status pare_table_format(pare_input *input, const pare_options *options, int64_t *out) {
    *out = options->format;
    pare_status status = pare_input_look(input);
    if (status == PARE_OK && input->head_end == input->head_begin) {
        status = pare_fail(input->ctx, PARE_ERROR_INPUT, "%s: the file is empty; expected a table",
                           input->name);
    }
    if (status == PARE_OK && *out == PARE_FORMAT_AUTO) {
        *out = find_format(input);
    }
    return status;
}

pare_status pare_table_read_stream(pare_input *input, const pare_options *options,
                                   pare_table *out) {
    *out = (pare_table){0};
    pare_table table = {.ctx = input->ctx};
    int64_t format = 0;
    pare_status status =
        pare_text_copy(input->ctx, input->name, (int64_t)strlen(input->name), &table.source);
    if (status == PARE_OK) {
        status = pare_table_format(input, options, &format);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    switch (format) {
    case PARE_FORMAT_NPY:
        status = pare_npy_read(input, &table);
        break;
    case PARE_FORMAT_IDX:
        status = pare_idx_read(input, &table);
        break;
    case PARE_FORMAT_LIBSVM:
        status = pare_libsvm_read(input, &table);
        break;
    case PARE_FORMAT_PARE:
        status = pare_file_read(input, &table);
        break;
    case PARE_FORMAT_MTX:
        status = pare_mtx_read(input, &table);
        break;
    case PARE_FORMAT_NPZ:
        status = pare_npz_read(input, &table);
        break;
    default:
        status = pare_csv_read(input, options, format == PARE_FORMAT_TSV, &table);
    }
    if (status == PARE_OK) {
        status = make_categories(&table, options->categorical);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    *out = table;
    return PARE_OK;
fail:
    pare_table_clear(&table);
    return status;
}

pare_status pare_table_read(pare_context *ctx, const char *path, const pare_options *options,
                            pare_table *out) {
    *out = (pare_table){0};
    pare_input *input = NULL;
    pare_status status = pare_alloc(ctx, 1, sizeof *input, &input);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_input_open(ctx, path, input);
    if (status == PARE_OK) {
        status = pare_table_read_stream(input, options, out);
        pare_input_close(input);
    }
    pare_free(ctx, input);
    return status;
}

/* Bytes of the cells of a .pare file in memory (-1: not such a file), and its rows. */
static pare_status file_cells(pare_context *ctx, const char *path, int64_t *out, int64_t *rows) {
    pare_input *input = NULL;
    pare_status status = pare_alloc(ctx, 1, sizeof *input, &input);
    *out = -1;
    *rows = 0;
    if (status != PARE_OK) {
        return status;
    }
    status = pare_input_open(ctx, path, input);
    if (status == PARE_OK) {
        status = pare_input_look(input);
        pare_file_header header;
        if (status == PARE_OK && input->head_end - input->head_begin >= 8 &&
            memcmp(input->head + input->head_begin, PARE_FILE_MAGIC, 8) == 0) {
            status = pare_file_head(input, &header);
            if (status == PARE_OK) {
                *rows = (int64_t)header.rows;
                *out = header.storage == PARE_STORAGE_CSR
                           ? (int64_t)(header.entries + header.rows) * 8
                           : (int64_t)(header.rows * header.columns) *
                                 (header.storage == PARE_STORAGE_U8 ? 1 : 4);
            }
        }
        pare_input_close(input);
    }
    pare_free(ctx, input);
    return status;
}

/* Cells may take this share of the memory, the rest is for the work on them. */
enum { TABLE_SHARE = 2 };

pare_status pare_table_open(pare_context *ctx, const char *path, const pare_options *options,
                            pare_table *out) {
    int64_t limit = 0, cells = 0, rows = 0, size = 0, changed = 0;
    *out = (pare_table){0};
    pare_status status = pare_memory_limit(ctx, options->memory, &limit);
    bool several = pare_cluster_size() > 1;
    if (status != PARE_OK || (limit == INT64_MAX && !several) || strcmp(path, "-") == 0) {
        return status == PARE_OK ? pare_table_read(ctx, path, options, out) : status;
    }
    status = file_cells(ctx, path, &cells, &rows);
    if (status != PARE_OK) {
        return status;
    }
    int64_t beside = rows < limit / PARE_STORE_ROW_BYTES ? rows * PARE_STORE_ROW_BYTES : limit;
    if (cells > (limit - beside) / TABLE_SHARE || (several && cells >= 0)) {
        return pare_store_open(ctx, path, limit, out);
    }
    if (cells < 0 && pare_file_facts(path, &size, &changed) && size > limit / TABLE_SHARE) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: %lld bytes do not fit into option memory; pare convert makes a "
                         ".pare file of it, which is read in pieces",
                         path, (long long)size);
    }
    return pare_table_read(ctx, path, options, out);
}
