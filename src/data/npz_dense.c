#include "data/npz_dense.h"
#include "base/text.h"
#include "data/zip.h"

static const char *const tables[] = {"x.npy", "X.npy", "x_train.npy", "X_train.npy", NULL};
static const char *const targets[] = {"y.npy", "y_train.npy", "target.npy", "labels.npy", NULL};

/* The first of the names that the archive holds, as a table; `out` stays without columns if it
 * holds none. */
static pare_status read_first(pare_input *archive, const unsigned char *bytes, int64_t length,
                              const char *const *name, pare_table *out) {
    pare_zip_member member = {0};
    pare_status status = PARE_OK;
    for (; status == PARE_OK && !member.bytes && *name; name++) {
        status = pare_zip_find(archive->ctx, archive->name, bytes, length, *name, &member);
    }
    if (status == PARE_OK && member.bytes) {
        pare_input input;
        status = pare_input_open_memory(archive->ctx, archive->name, member.bytes, member.length,
                                        &input);
        if (status == PARE_OK) {
            status = pare_npy_read(&input, out);
            pare_input_close(&input);
        }
    }
    pare_free(archive->ctx, member.owned);
    return status;
}

static float cell(const pare_table *table, int64_t i) {
    return table->storage == PARE_STORAGE_U8 ? (float)table->u8[i] : table->f32[i];
}

/* x with y behind it; bytes stay bytes if both are. */
static pare_status join(const pare_table *x, const pare_table *y, pare_table *out) {
    pare_context *ctx = x->ctx;
    int64_t wide = x->columns + 1;
    bool small = x->storage == PARE_STORAGE_U8 && y->storage == PARE_STORAGE_U8;
    pare_status status = pare_table_name_columns(out, wide);
    if (status == PARE_OK) {
        pare_free(ctx, out->column[wide - 1].name);
        out->column[wide - 1].name = NULL;
        status = pare_text_copy(ctx, "y", 1, &out->column[wide - 1].name);
    }
    if (status == PARE_OK && small) {
        status = pare_alloc(ctx, x->rows * wide, 1, &out->u8);
    } else if (status == PARE_OK) {
        status = pare_alloc(ctx, x->rows * wide, sizeof *out->f32, &out->f32);
    }
    if (status != PARE_OK) {
        return status;
    }
    out->rows = x->rows;
    out->named = true;
    out->storage = small ? PARE_STORAGE_U8 : PARE_STORAGE_F32;
    for (int64_t i = 0; small && i < x->rows; i++) {
        memcpy(out->u8 + i * wide, x->u8 + i * x->columns, (size_t)x->columns);
        out->u8[i * wide + x->columns] = y->u8[i];
    }
    for (int64_t i = 0; !small && i < x->rows; i++) {
        for (int64_t c = 0; c < x->columns; c++) {
            out->f32[i * wide + c] = cell(x, i * x->columns + c);
        }
        out->f32[i * wide + x->columns] = cell(y, i);
    }
    return PARE_OK;
}

pare_status pare_npz_dense_read(pare_input *input, const unsigned char *bytes, int64_t length,
                                pare_table *table, bool *found) {
    pare_context *ctx = input->ctx;
    pare_table x = {.ctx = ctx}, y = {.ctx = ctx};
    pare_status status = read_first(input, bytes, length, tables, &x);
    *found = x.columns > 0;
    if (status == PARE_OK && *found) {
        status = read_first(input, bytes, length, targets, &y);
    }
    if (status == PARE_OK && y.columns > 0 && (y.columns != 1 || y.rows != x.rows)) {
        status = pare_fail(ctx, PARE_ERROR_INPUT,
                           "%s: y holds %lld rows of %lld; expected one value for each of the %lld "
                           "rows of x",
                           input->name, (long long)y.rows, (long long)y.columns, (long long)x.rows);
    }
    if (status == PARE_OK && y.columns > 0) {
        status = join(&x, &y, table);
    } else if (status == PARE_OK && *found) {
        x.source = table->source;
        *table = x;
        x = (pare_table){0};
    }
    pare_table_clear(&x);
    pare_table_clear(&y);
    return status;
}
