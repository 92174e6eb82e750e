/*
 * NPY, versions 1 to 3: "\x93NUMPY", version, length of the header (2 or 4 bytes, little-endian),
 * and the header, a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
 */
#include "base/text.h"
#include "data/reader.h"

#include <stdlib.h>

enum { NPY_HEADER_MAX = 1 << 16, NPY_DIMENSIONS_MAX = 3 };

static pare_status refuse(pare_input *input, const char *what) {
    return pare_fail(input->ctx, PARE_ERROR_INPUT, "%s: NPY header: %s", input->name, what);
}

/* The value of a key of the header, NULL if it is not there. */
static const char *value_of(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (!at) {
        return NULL;
    }
    at += strlen(key);
    at += strspn(at, "'\" ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

static bool read_type(const char *text, pare_array *array) {
    if (!text || (*text != '\'' && *text != '"') || !strchr("<>|=", text[1]) || !text[1] ||
        !text[2] || !strchr("fiub", text[2]) || text[3] < '1' || text[3] > '8' ||
        text[4] != *text) {
        return false;
    }
    array->big = text[1] == '>';
    array->kind = text[2];
    array->size = text[3] - '0';
    switch (array->kind) {
    case 'f':
        return array->size == 4 || array->size == 8;
    case 'b':
        return array->size == 1;
    default:
        return array->size == 1 || array->size == 2 || array->size == 4 || array->size == 8;
    }
}

/* Sizes of a tuple such as (60000, 784); returns how many, -1 if it is not such a tuple or has
 * more than NPY_DIMENSIONS_MAX. */
static int read_shape(const char *text, int64_t *size) {
    if (!text || *text++ != '(') {
        return -1;
    }
    for (int count = 0;; count++) {
        text += strspn(text, ", ");
        if (*text == ')') {
            return count;
        }
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 18 || count == NPY_DIMENSIONS_MAX) {
            return -1;
        }
        size[count] = strtoll(text, NULL, 10);
        text += digits + (text[digits] == 'L');
    }
}

static pare_status read_header(pare_input *input, char *header) {
    unsigned char head[12];
    int64_t count = pare_input_read(input, head, 10);
    if (count == 10 && head[6] > 1) {
        int64_t more = pare_input_read(input, head + 10, 2);
        count = more < 0 ? more : count + more;
    }
    if (count < 0) {
        return pare_input_fail(input);
    }
    if (count < 10 || memcmp(head, "\x93NUMPY", 6) != 0 || head[6] < 1 || head[6] > 3 ||
        (head[6] > 1 && count < 12)) {
        return pare_fail(
            input->ctx, PARE_ERROR_INPUT,
            "%s: not an NPY file: expected \\x93NUMPY and a version from 1 to 3 in front",
            input->name);
    }
    int64_t length = head[8] | head[9] << 8;
    if (head[6] > 1) {
        length |= (int64_t)head[10] << 16 | (int64_t)head[11] << 24;
    }
    if (length >= NPY_HEADER_MAX) {
        return refuse(input, "longer than 65535 bytes");
    }
    count = pare_input_read(input, header, length);
    if (count < 0) {
        return pare_input_fail(input);
    }
    header[count] = '\0';
    return count == length ? PARE_OK : refuse(input, "the data end within it");
}

static pare_status parse_header(pare_input *input, const char *header, pare_array *array,
                                int64_t *size, int *dimensions) {
    if (!read_type(value_of(header, "descr"), array)) {
        return refuse(input, "the element type is not one of f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1");
    }
    const char *order = value_of(header, "fortran_order");
    if (!order || (strncmp(order, "True", 4) != 0 && strncmp(order, "False", 5) != 0)) {
        return refuse(input, "fortran_order is not True or False");
    }
    array->columns = *order == 'T';
    *dimensions = read_shape(value_of(header, "shape"), size);
    return PARE_OK;
}

pare_status pare_npy_head(pare_input *input, pare_array *array, int64_t size[3], int *dimensions) {
    char *header = NULL;
    pare_status status = pare_alloc(input->ctx, NPY_HEADER_MAX, 1, &header);
    *array = (pare_array){0};
    if (status == PARE_OK) {
        status = read_header(input, header);
    }
    if (status == PARE_OK) {
        status = parse_header(input, header, array, size, dimensions);
    }
    pare_free(input->ctx, header);
    return status;
}

static pare_status read_array(pare_input *input, pare_array array, const int64_t *size,
                              int dimensions, pare_table *table) {
    if (dimensions < 1 || (dimensions == 3 && array.columns)) {
        return refuse(input, "the shape is not that of a table: expected (rows,), (rows, columns) "
                             "or, in C order, (rows, height, width)");
    }
    array.rows = size[0];
    array.cols = dimensions > 1 ? size[1] : 1;
    if (dimensions == 3 && !pare_checked_multiply(size[1], size[2], &array.cols)) {
        return refuse(input, "the shape is more than memory can hold");
    }
    pare_status status = pare_array_read(input, &array, table);
    if (status == PARE_OK && dimensions == 3) {
        table->height = size[1];
        table->width = size[2];
    }
    return status;
}

pare_status pare_npy_read(pare_input *input, pare_table *table) {
    pare_array array;
    int64_t size[NPY_DIMENSIONS_MAX] = {0};
    int dimensions = 0;
    pare_status status = pare_npy_head(input, &array, size, &dimensions);
    return status == PARE_OK ? read_array(input, array, size, dimensions, table) : status;
}
