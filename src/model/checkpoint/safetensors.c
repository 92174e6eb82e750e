/*
 * safetensors: eight bytes of header length, a JSON object name -> {dtype, shape, data_offsets},
 * then the data. Offsets are relative to the end of the header, must lie inside the file, must fit
 * dtype and shape, and must not overlap.
 */
#include "model/checkpoint/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t header_most = INT64_C(100) << 20;

typedef struct span {
    int64_t from, to;
    const char *name;
} span;

static int by_start(const void *a, const void *b) {
    const span *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static bool read_dtype(const char *text, pare_dtype *out) {
    static const pare_dtype known[] = {PARE_DTYPE_F32, PARE_DTYPE_F16, PARE_DTYPE_BF16};
    for (size_t i = 0; text && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(text, pare_dtype_name(known[i])) == 0) {
            *out = known[i];
            return true;
        }
    }
    return false;
}

/* Dimensions and their product; false if there are too many, one is negative, or they overflow. */
static bool read_shape(json_t *list, int64_t *rank, int64_t *shape, int64_t *values) {
    *rank = (int64_t)json_array_size(list);
    *values = 1;
    if (!json_is_array(list) || *rank > PARE_TENSOR_RANK) {
        return false;
    }
    for (int64_t i = 0; i < *rank; i++) {
        json_t *entry = json_array_get(list, (size_t)i);
        shape[i] = (int64_t)json_integer_value(entry);
        if (!json_is_integer(entry) || !pare_checked_multiply(*values, shape[i], values)) {
            return false;
        }
    }
    return true;
}

static pare_status read_entry(pare_checkpoint *out, const char *path, const pare_map *map,
                              int64_t data, const char *name, json_t *entry, span *place) {
    pare_context *ctx = out->ctx;
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    pare_dtype dtype = PARE_DTYPE_F32;
    if (!read_dtype(type, &dtype)) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: tensor %s has dtype %s, expected F32, F16 or BF16", path, name,
                         type ? type : "none");
    }
    int64_t rank = 0, shape[PARE_TENSOR_RANK] = {0}, values = 0;
    if (!read_shape(json_object_get(entry, "shape"), &rank, shape, &values)) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: tensor %s has no valid shape of at most %d dimensions", path, name,
                         PARE_TENSOR_RANK);
    }
    json_t *offsets = json_object_get(entry, "data_offsets");
    json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    int64_t from = (int64_t)json_integer_value(first), to = (int64_t)json_integer_value(last);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
        from < 0 || to < from || to > map->length - data) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: tensor %s has data_offsets outside the file's %lld data bytes", path,
                         name, (long long)(map->length - data));
    }
    if (pare_dtype_bytes(dtype, values) != to - from) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: tensor %s takes %lld bytes, its shape and dtype ask for %lld", path,
                         name, (long long)(to - from), (long long)pare_dtype_bytes(dtype, values));
    }
    *place = (span){from, to, name};
    return pare_checkpoint_add(out, name, (int64_t)strlen(name), dtype, rank, shape,
                               map->bytes + data + from);
}

static pare_status read_entries(pare_checkpoint *out, const char *path, const pare_map *map,
                                int64_t data, json_t *header) {
    pare_context *ctx = out->ctx;
    span *places = NULL;
    int64_t count = 0;
    pare_status status =
        pare_alloc(ctx, (int64_t)json_object_size(header), sizeof *places, &places);
    if (status != PARE_OK) {
        return status;
    }
    const char *name = NULL;
    json_t *entry = NULL;
    json_object_foreach(header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            continue;
        }
        status = read_entry(out, path, map, data, name, entry, &places[count]);
        if (status != PARE_OK) {
            goto fail;
        }
        count++;
    }
    qsort(places, (size_t)count, sizeof *places, by_start);
    for (int64_t i = 1; i < count; i++) {
        if (places[i].from < places[i - 1].to) {
            status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: tensors %s and %s overlap", path,
                               places[i - 1].name, places[i].name);
            goto fail;
        }
    }
fail:
    pare_free(ctx, places);
    return status;
}

pare_status pare_read_safetensors(pare_checkpoint *out, const char *path) {
    pare_context *ctx = out->ctx;
    pare_map map = {0};
    pare_status status = pare_checkpoint_map(out, path, &map);
    if (status != PARE_OK) {
        return status;
    }
    uint64_t length = 0;
    if (map.length < 8) {
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: %lld bytes are too few for safetensors", path,
                         (long long)map.length);
    }
    memcpy(&length, map.bytes, sizeof length);
    if (length > (uint64_t)header_most || (int64_t)length > map.length - 8) {
        return pare_fail(
            ctx, PARE_ERROR_INPUT,
            "%s: not safetensors, or cut short: the header claims %llu bytes of a file "
            "of %lld",
            path, (unsigned long long)length, (long long)map.length);
    }
    json_error_t error;
    json_t *header = json_loadb((const char *)map.bytes + 8, (size_t)length,
                                JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &error);
    if (!json_is_object(header)) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: the header is not a JSON object: %s", path,
                           header ? "it is of another kind" : error.text);
    } else {
        status = read_entries(out, path, &map, 8 + (int64_t)length, header);
    }
    json_decref(header);
    return status;
}

/* Appends the JSON header of all tensors and returns the bytes of data. */
static pare_status describe(const pare_export *export, json_t **out) {
    json_t *header = json_object();
    *out = header;
    int64_t at = 0;
    bool good = header && json_object_set_new(header, "__metadata__",
                                              json_pack("{s:s}", "format", "pt")) == 0;
    for (int64_t i = 0; good && i < export->tensors; i++) {
        const pare_export_tensor *tensor = &export->tensor[i];
        json_t *shape = json_array();
        int64_t values = 1;
        for (int64_t r = 0; r < tensor->rank; r++) {
            good = good && json_array_append_new(shape, json_integer(tensor->shape[r])) == 0;
            values *= tensor->shape[r];
        }
        int64_t bytes = pare_dtype_bytes(export->dtype, values);
        good = good && json_object_set_new(header, tensor->name,
                                           json_pack("{s:s, s:o, s:[I, I]}", "dtype",
                                                     pare_dtype_name(export->dtype), "shape", shape,
                                                     "data_offsets", (json_int_t)at,
                                                     (json_int_t)(at + bytes))) == 0;
        at += bytes;
    }
    return good ? PARE_OK
                : pare_fail(export->ctx, PARE_ERROR_MEMORY,
                            "out of memory while describing the tensors");
}

pare_status pare_write_values(const pare_export *export, pare_dtype dtype, int64_t index,
                              FILE *file) {
    enum { CHUNK = 4096 };
    const pare_export_tensor *tensor = &export->tensor[index];
    int64_t values = 1;
    for (int64_t r = 0; r < tensor->rank; r++) {
        values *= tensor->shape[r];
    }
    const float *from = export->values(export->user, index);
    unsigned char bytes[CHUNK * 4];
    for (int64_t at = 0; at < values; at += CHUNK) {
        int64_t count = values - at < CHUNK ? values - at : CHUNK;
        pare_dtype_from_float(dtype, count, from + at, bytes);
        size_t size = (size_t)pare_dtype_bytes(dtype, count);
        if (fwrite(bytes, 1, size, file) != size) {
            return pare_fail(export->ctx, PARE_ERROR_IO, "writing tensor %s failed", tensor->name);
        }
    }
    return PARE_OK;
}

pare_status pare_write_safetensors(const pare_export *export, const char *path) {
    pare_context *ctx = export->ctx;
    pare_output output = {0};
    char *text = NULL;
    json_t *header = NULL;
    pare_status status = describe(export, &header);
    if (status != PARE_OK) {
        goto fail;
    }
    text = json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (!text) {
        status = pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory while describing the tensors");
        goto fail;
    }
    status = pare_output_open(ctx, path, &output);
    if (status != PARE_OK) {
        goto fail;
    }
    uint64_t length = strlen(text), padded = (length + 7) / 8 * 8;
    fwrite(&padded, sizeof padded, 1, output.file);
    fprintf(output.file, "%s%*s", text, (int)(padded - length), "");
    for (int64_t i = 0; i < export->tensors; i++) {
        status = pare_write_values(export, export->dtype, i, output.file);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    status = pare_output_commit(&output);
fail:
    pare_output_abandon(&output);
    free(text);
    json_decref(header);
    return status;
}
