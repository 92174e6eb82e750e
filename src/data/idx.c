/*
 * IDX (LeCun, MNIST): two zero bytes, element type, number of dimensions, then each dimension as a
 * big-endian 32-bit number, then the elements, big-endian, last dimension fastest. The first
 * dimension counts rows; the others are flattened into columns.
 */
#include "data/reader.h"

enum { IDX_DIMENSIONS_MAX = 4 };

static bool element(unsigned char type, pare_array *out) {
    static const struct {
        unsigned char type;
        char kind;
        int64_t size;
    } types[] = {{0x08, 'u', 1}, {0x09, 'i', 1}, {0x0b, 'i', 2},
                 {0x0c, 'i', 4}, {0x0d, 'f', 4}, {0x0e, 'f', 8}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].type == type) {
            *out = (pare_array){.kind = types[i].kind, .size = types[i].size, .big = true};
            return true;
        }
    }
    return false;
}

pare_status pare_idx_read(pare_input *input, pare_table *table) {
    unsigned char head[4], dimension[4 * IDX_DIMENSIONS_MAX];
    pare_array array;
    int64_t count = pare_input_read(input, head, 4);
    if (count < 0) {
        return pare_input_fail(input);
    }
    if (count < 4 || head[0] != 0 || head[1] != 0 || !element(head[2], &array) || head[3] < 1 ||
        head[3] > IDX_DIMENSIONS_MAX) {
        return pare_fail(
            input->ctx, PARE_ERROR_INPUT,
            "%s: not an IDX file: expected two zero bytes, a type (8, 9, 11 to 14) and 1 to "
            "%d dimensions in front",
            input->name, IDX_DIMENSIONS_MAX);
    }
    count = pare_input_read(input, dimension, 4 * head[3]);
    if (count < 0) {
        return pare_input_fail(input);
    }
    if (count < 4 * head[3]) {
        return pare_fail(input->ctx, PARE_ERROR_INPUT,
                         "%s: the data end within the IDX header; expected %d dimensions",
                         input->name, head[3]);
    }
    int64_t size[IDX_DIMENSIONS_MAX] = {0};
    for (int d = 0; d < head[3]; d++) {
        const unsigned char *at = dimension + 4 * d;
        size[d] = (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
    }
    array.rows = size[0];
    array.cols = 1;
    for (int d = 1; d < head[3]; d++) {
        if (!pare_checked_multiply(array.cols, size[d], &array.cols)) {
            return pare_fail(input->ctx, PARE_ERROR_INPUT,
                             "%s: the dimensions of the IDX header are more than memory can hold",
                             input->name);
        }
    }
    pare_status status = pare_array_read(input, &array, table);
    if (status == PARE_OK && head[3] == 3) {
        table->height = size[1];
        table->width = size[2];
    }
    return status;
}
