#include "data/npy.h"

#include "data/reader.h"

static pare_status read_floats(pare_input *input, int64_t rows, int64_t columns, float **out) {
    pare_array array;
    int64_t size[3] = {0}, cells = 0;
    int dimensions = 0;
    float *x = NULL;
    pare_status status = pare_npy_head(input, &array, size, &dimensions);
    if (status != PARE_OK) {
        return status;
    }
    bool fits = array.kind == 'f' && array.size == 4 && !array.big && !array.columns &&
                dimensions == (columns > 0 ? 2 : 1) && size[0] == rows &&
                (columns == 0 || size[1] == columns) &&
                pare_checked_multiply(rows, columns > 0 ? columns : 1, &cells);
    if (!fits) {
        return pare_fail(input->ctx, PARE_ERROR_INPUT,
                         "%s: not a float32 array of %lld rows and %lld columns, as expected",
                         input->name, (long long)rows, (long long)columns);
    }
    status = pare_alloc(input->ctx, cells, sizeof *x, &x);
    if (status != PARE_OK) {
        return status;
    }
    int64_t bytes = cells * (int64_t)sizeof *x, got = pare_input_read(input, x, bytes);
    if (got == bytes) {
        *out = x;
        return PARE_OK;
    }
    pare_free(input->ctx, x);
    return got < 0 ? pare_input_fail(input)
                   : pare_fail(input->ctx, PARE_ERROR_INPUT, "%s: the data end early", input->name);
}

pare_status pare_npy_floats(pare_context *ctx, const char *path, int64_t rows, int64_t columns,
                            float **out) {
    pare_input input;
    *out = NULL;
    pare_status status = pare_input_open(ctx, path, &input);
    if (status == PARE_OK) {
        status = read_floats(&input, rows, columns, out);
        pare_input_close(&input);
    }
    return status;
}
