#include "data/npy.h"
#include "model/field_file.h"
#include "platform/folder.h"
#include "platform/system.h"

#include "base/json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

enum { PATH_SIZE = 4096, SIZE_MAX_UNITS = 1 << 16 };

typedef struct loader {
    pare_context *ctx;
    const char *folder;
    json_t *root;
    pare_field_loaded *out;
    pare_field_spec spec;
} loader;

static pare_status refuse(const loader *l, const char *file, const char *what) {
    return pare_fail(l->ctx, PARE_ERROR_INPUT, "%s/%s: %s", l->folder, file, what);
}

static pare_status path_of(const loader *l, const char *file, char out[PATH_SIZE]) {
    int length = snprintf(out, PATH_SIZE, "%s/%s", l->folder, file);
    return length > 0 && length < PATH_SIZE && !strchr(file, '/')
               ? PARE_OK
               : refuse(l, "model.json", "a file name is too long or leaves the folder");
}

/* A member that is a whole number in low .. high. */
static bool whole(const json_t *object, const char *name, int64_t low, int64_t high, int64_t *out) {
    const json_t *value = json_object_get(object, name);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= low && *out <= high;
}

static int index_of(const char *const *names, int count, const char *name) {
    for (int i = 0; i < count && name; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static pare_status read_npy(const loader *l, const char *file, int64_t rows, int64_t columns,
                            float **out) {
    char path[PATH_SIZE];
    *out = NULL;
    pare_status status = path_of(l, file, path);
    return status == PARE_OK ? pare_npy_floats(l->ctx, path, rows, columns, out) : status;
}

/* Ids, one a line, become levels 0, 1, ... of rows 1, 2, ... */
static pare_status read_ids(const loader *l, const char *file, pare_field *field) {
    char path[PATH_SIZE];
    pare_map map = {0};
    pare_status status = path_of(l, file, path);
    if (status == PARE_OK) {
        status = pare_map_open(l->ctx, path, true, &map);
    }
    for (int64_t at = 0; at < map.length && status == PARE_OK;) {
        const unsigned char *end = memchr(map.bytes + at, '\n', (size_t)(map.length - at));
        int64_t length = (end ? end - map.bytes : map.length) - at, level = 0,
                before = field->level.count;
        status = pare_vocabulary_add(l->ctx, &field->level, map.bytes + at, length, &level);
        if (status == PARE_OK && level < before) {
            status = refuse(l, file, "an id stands there twice");
        }
        at += length + 1;
    }
    pare_map_close(&map);
    if (status == PARE_OK && field->level.count != field->size - 1) {
        status = refuse(l, file, "as many lines as model.json has rows, less one, were expected");
    }
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, field->level.count, sizeof *field->row, &field->row);
    }
    for (int64_t i = 0; i < field->level.count && status == PARE_OK; i++) {
        field->row[i] = (int32_t)(i + 1);
    }
    return status;
}

static pare_status read_field(const loader *l, const json_t *value, pare_field *field) {
    pare_fields *fields = &l->out->fields;
    const char *name = json_string_value(json_object_get(value, "name"));
    const json_t *parts = json_object_get(value, "parts");
    int kind = index_of(pare_field_kind_names, PARE_FIELD_CROSS + 1,
                        json_string_value(json_object_get(value, "kind")));
    if (!name || kind < 0 || !whole(value, "rows", 1, INT32_MAX - fields->joint, &field->size) ||
        pare_fields_find(fields, name, (int64_t)strlen(name)) >= 0) {
        return refuse(l, "model.json", "a field without name, kind or rows, or one named twice");
    }
    field->first = fields->joint;
    field->kind = (pare_field_kind)kind;
    field->scale = 1;
    if (kind == PARE_FIELD_BUCKET) {
        field->kind = PARE_FIELD_CATEGORY;
        field->bucketed = true;
    }
    pare_status status = pare_text_copy(l->ctx, name, (int64_t)strlen(name), &field->name);
    if (status != PARE_OK) {
        return status;
    }
    pare_name_decode(field->name);
    fields->joint += field->size;
    fields->count++;
    if (field->kind == PARE_FIELD_CROSS) {
        for (size_t k = 0; k < 2; k++) {
            field->part[k] = json_integer_value(json_array_get(parts, k));
            if (!json_is_integer(json_array_get(parts, k)) || field->part[k] < 0 ||
                field->part[k] >= fields->count - 1 ||
                fields->field[field->part[k]].kind != PARE_FIELD_CATEGORY) {
                return refuse(l, "model.json", "a cross needs two categories before it as parts");
            }
        }
        return PARE_OK;
    }
    if (fields->count > 1 && fields->field[fields->count - 2].kind == PARE_FIELD_CROSS) {
        return refuse(l, "model.json", "crosses come after all other fields");
    }
    if (field->kind == PARE_FIELD_NUMBER) {
        field->mean = json_number_value(json_object_get(value, "mean"));
        field->scale = json_number_value(json_object_get(value, "scale"));
        return field->size == 1 && isfinite(field->mean) && isfinite(field->scale)
                   ? PARE_OK
                   : refuse(l, "model.json", "a number has one row, a mean and a scale");
    }
    if (json_object_get(value, "hash_bits")) {
        bool good = field->kind == PARE_FIELD_CATEGORY && !field->bucketed &&
                    whole(value, "hash_bits", 1, PARE_FIELD_HASH_MAX, &field->hash_bits) &&
                    field->size == 1 + (INT64_C(1) << field->hash_bits);
        return good ? PARE_OK
                    : refuse(l, "model.json", "hash_bits: a category of 2^hash_bits + 1 rows");
    }
    const char *ids = json_string_value(json_object_get(value, "ids"));
    return ids ? read_ids(l, ids, field) : refuse(l, "model.json", "a category has ids");
}

static pare_status read_fields(const loader *l) {
    pare_fields *fields = &l->out->fields;
    const json_t *list = json_object_get(l->root, "fields");
    int64_t count = (int64_t)json_array_size(list);
    *fields = (pare_fields){.ctx = l->ctx};
    if (count < 1 || count > PARE_FIELDS_MAX) {
        return refuse(l, "model.json", "expected a list of fields");
    }
    pare_status status =
        pare_text_copy(l->ctx, l->folder, (int64_t)strlen(l->folder), &fields->source);
    if (status == PARE_OK) {
        status = pare_alloc_zero(l->ctx, count, sizeof *fields->field, &fields->field);
    }
    for (int64_t f = 0; f < count && status == PARE_OK; f++) {
        status = read_field(l, json_array_get(list, (size_t)f), &fields->field[f]);
    }
    return status;
}

static pare_status read_spec(loader *l) {
    const json_t *root = l->root, *bias = json_object_get(root, "bias");
    int64_t version = 0, dimension = 0;
    int kind = index_of(pare_field_model_names, PARE_FIELD_MODEL_KINDS,
                        json_string_value(json_object_get(root, "model")));
    if (!whole(root, "pare_field_model", 1, 1, &version) || kind < 0 ||
        !whole(root, "dimension", kind == 0 ? 0 : 1, PARE_FM_STRIDE_MAX - PARE_FM_HEAD,
               &dimension)) {
        return refuse(l, "model.json", "not a model of `pare train`, version 1");
    }
    l->spec = pare_field_spec_default((pare_field_model_kind)kind, dimension);
    if (!whole(root, "layers", 0, 64, &l->spec.layers) ||
        !whole(root, "units", 0, SIZE_MAX_UNITS, &l->spec.units) ||
        !whole(root, "cross_layers", 0, 64, &l->spec.crosses) || !json_is_number(bias) ||
        (pare_field_spec_deep(&l->spec) && (l->spec.layers < 1 || l->spec.units < 1))) {
        return refuse(l, "model.json", "layers, units, cross_layers or bias is wrong");
    }
    l->spec.normalise = json_is_true(json_object_get(root, "normalise"));
    return PARE_OK;
}

static pare_status read_table(const loader *l, int64_t f, const json_t *value) {
    pare_field_model *model = l->out->model;
    const pare_field *field = &l->out->fields.field[f];
    const json_t *places = json_object_get(value, "places");
    const char *file = json_string_value(json_object_get(value, "table"));
    float *mask = model->mask + f * model->stride, *table = NULL;
    int64_t floats = (int64_t)json_array_size(places), place[PARE_FM_STRIDE_MAX];
    memset(mask, 0, (size_t)model->stride * sizeof *mask);
    if (!json_is_true(json_object_get(value, "kept"))) {
        return PARE_OK;
    }
    if (!file || floats > model->spec.dimension) {
        return refuse(l, "model.json", "a kept field has a table and places");
    }
    for (int64_t j = 0; j < floats; j++) {
        const json_t *at = json_array_get(places, (size_t)j);
        place[j] = json_integer_value(at);
        if (!json_is_integer(at) || place[j] < (j > 0 ? place[j - 1] + 1 : 0) ||
            place[j] >= model->spec.dimension) {
            return refuse(l, "model.json", "places are rising, from 0 below the dimension");
        }
    }
    pare_status status = read_npy(l, file, field->size, floats + 1, &table);
    if (status != PARE_OK) {
        return status;
    }
    mask[0] = 1;
    for (int64_t j = 0; j < floats; j++) {
        mask[PARE_FM_HEAD + place[j]] = 1;
    }
    for (int64_t r = 0; r < field->size; r++) {
        float *row = model->table + (field->first + r) * model->stride;
        row[0] = table[r * (floats + 1)];
        for (int64_t j = 0; j < floats; j++) {
            row[PARE_FM_HEAD + place[j]] = table[r * (floats + 1) + 1 + j];
        }
    }
    pare_free(l->ctx, table);
    return PARE_OK;
}

static pare_status read_vector(const loader *l, const char *file, int64_t count, float *to) {
    float *x = NULL;
    pare_status status = read_npy(l, file, count, 0, &x);
    if (status == PARE_OK) {
        memcpy(to, x, (size_t)count * sizeof *x);
    }
    pare_free(l->ctx, x);
    return status;
}

static pare_status read_parameters(const loader *l) {
    pare_field_model *model = l->out->model;
    const json_t *list = json_object_get(l->root, "fields");
    pare_status status = PARE_OK;
    model->bias = (float)json_number_value(json_object_get(l->root, "bias"));
    for (int64_t f = 0; f < model->fields && status == PARE_OK; f++) {
        status = read_table(l, f, json_array_get(list, (size_t)f));
    }
    if (status == PARE_OK && model->tower) {
        float *state = NULL;
        int64_t states = pare_graph_state(model->tower, &state);
        status = read_vector(l, "network.npy", pare_graph_parameters(model->tower),
                             pare_graph_parameter(model->tower));
        if (status == PARE_OK && states > 0) {
            status = read_vector(l, "network_state.npy", states, state);
        }
    }
    if (status == PARE_OK && model->cross) {
        status = read_vector(l, "cross_network.npy", model->cross->count, model->cross->parameter);
    }
    return status;
}

pare_status pare_field_model_load(pare_context *ctx, const char *path, int64_t batch,
                                  pare_field_loaded *out) {
    loader l = {.ctx = ctx, .folder = path, .out = out};
    char file[PATH_SIZE];
    json_error_t error;
    *out = (pare_field_loaded){0};
    pare_status status = path_of(&l, "model.json", file);
    if (status == PARE_OK && !pare_folder_is(path)) {
        status = pare_fail(ctx, PARE_ERROR_IO,
                           "%s: no such folder; expected one that `pare train` wrote", path);
    }
    if (status == PARE_OK) {
        l.root = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
        status = l.root           ? read_spec(&l)
                 : error.line > 0 ? pare_fail(ctx, PARE_ERROR_INPUT, "%s line %d: %s", file,
                                              error.line, error.text)
                                  : pare_fail(ctx, PARE_ERROR_INPUT, "%s: %s", path, error.text);
    }
    if (status == PARE_OK) {
        status = read_fields(&l);
    }
    if (status == PARE_OK) {
        const char *target = json_string_value(json_object_get(l.root, "target"));
        target = target ? target : "";
        status = pare_text_copy(ctx, target, (int64_t)strlen(target), &out->target);
    }
    if (status == PARE_OK) {
        pare_name_decode(out->target);
        l.spec.batch = batch;
        l.spec.dropout = 0;
        status = pare_field_model_create(ctx, &l.spec, &out->fields, 1, &out->model);
    }
    if (status == PARE_OK) {
        status = read_parameters(&l);
    }
    json_decref(l.root);
    if (status != PARE_OK) {
        pare_field_loaded_clear(out);
    }
    return status;
}

void pare_field_loaded_clear(pare_field_loaded *loaded) {
    if (loaded->fields.ctx) {
        pare_free(loaded->fields.ctx, loaded->target);
    }
    pare_field_model_destroy(loaded->model);
    pare_fields_clear(&loaded->fields);
    *loaded = (pare_field_loaded){0};
}
