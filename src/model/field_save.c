#include "base/json.h"
#include "model/field_file.h"
#include "model/field_private.h"
#include "platform/folder.h"
#include "platform/system.h"

#include <stdio.h>

enum { PATH_SIZE = 4096 };

const char *const pare_field_model_names[PARE_FIELD_MODEL_KINDS] = {"lr", "fm", "deepfm", "dnn",
                                                                    "dcnv2"};
const char *const pare_field_kind_names[PARE_FIELD_CROSS + 1] = {"category", "number", "bucket",
                                                                 "cross"};

typedef struct saver {
    const pare_field_model *model;
    const pare_fields *fields;
    const char *folder;
    pare_text json;
    int64_t *number; /* (fields) place in the file, -1: not there */
    float *row;
} saver;

static pare_status open_file(const saver *s, const char *name, pare_output *out) {
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/%s", s->folder, name);
    return length > 0 && length < PATH_SIZE ? pare_output_open(s->fields->ctx, path, out)
                                            : pare_fail(s->fields->ctx, PARE_ERROR_ARGUMENT,
                                                        "%s: the path is too long", s->folder);
}

/* Little-endian float32 in C order; the host is little-endian wherever the tables are float. */
static void put_head(FILE *file, const char *shape) {
    char text[128];
    int length = snprintf(text, sizeof text,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape);
    int padded = (length + 1 + 10 + 63) / 64 * 64 - 10;
    fputs("\x93NUMPY\x01", file);
    fputc(0, file);
    fputc(padded & 0xff, file);
    fputc(padded >> 8, file);
    fprintf(file, "%s%*s\n", text, padded - length - 1, "");
}

static pare_status save_vector(const saver *s, const char *name, int64_t count, const float *x) {
    pare_output out = {0};
    char shape[32];
    pare_status status = open_file(s, name, &out);
    if (status != PARE_OK) {
        return status;
    }
    snprintf(shape, sizeof shape, "%lld,", (long long)count);
    put_head(out.file, shape);
    (void)fwrite(x, sizeof *x, (size_t)count, out.file);
    return pare_output_commit(&out);
}

static int64_t places_of(const saver *s, int64_t field, int64_t *place) {
    const float *mask = s->model->mask + field * s->model->stride + PARE_FM_HEAD;
    int64_t count = 0;
    for (int64_t j = 0; j < s->model->spec.dimension; j++) {
        if (mask[j] != 0) {
            place[count++] = j;
        }
    }
    return count;
}

static pare_status save_table(const saver *s, int64_t f, const char *name, int64_t floats,
                              const int64_t *place) {
    const pare_field *field = &s->fields->field[f];
    pare_output out = {0};
    char shape[64];
    pare_status status = open_file(s, name, &out);
    if (status != PARE_OK) {
        return status;
    }
    snprintf(shape, sizeof shape, "%lld, %lld", (long long)field->size, (long long)floats + 1);
    put_head(out.file, shape);
    for (int64_t r = 0; r < field->size; r++) {
        const float *row = s->model->table + (field->first + r) * s->model->stride;
        s->row[0] = row[0];
        for (int64_t j = 0; j < floats; j++) {
            s->row[1 + j] = row[PARE_FM_HEAD + place[j]];
        }
        (void)fwrite(s->row, sizeof *s->row, (size_t)floats + 1, out.file);
    }
    return pare_output_commit(&out);
}

/* Ids cannot hold a line end: all readers take rows line by line. */
static pare_status save_ids(const saver *s, int64_t f, const char *name) {
    const pare_field *field = &s->fields->field[f];
    pare_output out = {0};
    int64_t *level = NULL;
    pare_status status = pare_alloc_zero(s->fields->ctx, field->size, sizeof *level, &level);
    if (status == PARE_OK) {
        status = open_file(s, name, &out);
    }
    if (status == PARE_OK) {
        for (int64_t l = 0; l < field->level.count; l++) {
            level[field->row[l]] = l;
        }
        for (int64_t r = 1; r < field->size; r++) {
            int64_t length = 0;
            const unsigned char *text = pare_vocabulary_text(&field->level, level[r], &length);
            (void)fwrite(text, 1, (size_t)length, out.file);
            fputc('\n', out.file);
        }
        status = pare_output_commit(&out);
    }
    pare_free(s->fields->ctx, level);
    return status;
}

static pare_status save_field(saver *s, int64_t f, bool last) {
    const pare_field *field = &s->fields->field[f];
    int64_t place[PARE_FM_STRIDE_MAX], floats = places_of(s, f, place);
    bool kept = floats > 0 || s->model->mask[f * s->model->stride] != 0;
    char name[64];
    pare_status status = PARE_OK;
    pare_text_append(&s->json, "    {\"name\": ");
    pare_put_json_text(&s->json, field->name);
    pare_text_append(&s->json, ", \"kind\": \"%s\", \"rows\": %lld, \"kept\": %s",
                     pare_field_kind_names[field->bucketed ? PARE_FIELD_BUCKET : field->kind],
                     (long long)field->size, kept ? "true" : "false");
    if (kept) {
        pare_text_append(&s->json, ", \"places\": [");
        for (int64_t j = 0; j < floats; j++) {
            pare_text_append(&s->json, j > 0 ? ", %lld" : "%lld", (long long)place[j]);
        }
        snprintf(name, sizeof name, "field_%lld.npy", (long long)s->number[f]);
        pare_text_append(&s->json, "], \"table\": \"%s\"", name);
        status = save_table(s, f, name, floats, place);
    }
    if (field->kind == PARE_FIELD_CROSS) {
        pare_text_append(&s->json, ", \"parts\": [%lld, %lld]",
                         (long long)s->number[field->part[0]],
                         (long long)s->number[field->part[1]]);
    } else if (field->kind == PARE_FIELD_NUMBER) {
        pare_text_append(&s->json, ", \"mean\": ");
        pare_put_json_real(&s->json, field->mean);
        pare_text_append(&s->json, ", \"scale\": ");
        pare_put_json_real(&s->json, field->scale);
    } else if (field->hash_bits > 0) {
        pare_text_append(&s->json, ", \"hash_bits\": %lld", (long long)field->hash_bits);
    } else if (status == PARE_OK) {
        snprintf(name, sizeof name, "field_%lld.ids", (long long)s->number[f]);
        pare_text_append(&s->json, ", \"ids\": \"%s\"", name);
        status = save_ids(s, f, name);
    }
    pare_text_append(&s->json, "}%s\n", last ? "" : ",");
    return status;
}

/* Numbers the fields to be written: kept ones and parts of kept crosses. Returns how many. */
static int64_t number_fields(saver *s) {
    int64_t count = 0, place[PARE_FM_STRIDE_MAX];
    for (int64_t f = 0; f < s->fields->count; f++) {
        bool kept = places_of(s, f, place) > 0 || s->model->mask[f * s->model->stride] != 0;
        const pare_field *field = &s->fields->field[f];
        s->number[f] = kept ? 0 : -1;
        if (kept && field->kind == PARE_FIELD_CROSS) {
            s->number[field->part[0]] = s->number[field->part[1]] = 0;
        }
    }
    for (int64_t f = 0; f < s->fields->count; f++) {
        s->number[f] = s->number[f] < 0 ? -1 : count++;
    }
    return count;
}

/* Without the inputs of fields that are not written. */
static pare_status save_networks(saver *s) {
    const pare_field_model *model = s->model;
    float *state = NULL, *buffer = NULL;
    uint8_t *written = NULL;
    if (!model->tower) {
        return PARE_OK;
    }
    int64_t states = pare_graph_state(model->tower, &state);
    int64_t count = pare_graph_parameters(model->tower);
    int64_t most = model->cross && model->cross->count > count ? model->cross->count : count;
    pare_status status = pare_alloc(s->fields->ctx, most, sizeof *buffer, &buffer);
    if (status == PARE_OK) {
        status = pare_alloc(s->fields->ctx, s->fields->count, 1, &written);
    }
    if (status == PARE_OK) {
        for (int64_t f = 0; f < s->fields->count; f++) {
            written[f] = s->number[f] >= 0;
        }
        int64_t used = pare_field_tower_cut(model, written, buffer);
        status = save_vector(s, "network.npy", used, buffer);
    }
    if (status == PARE_OK) {
        status = save_vector(s, "network_state.npy", states, state);
    }
    if (status == PARE_OK && model->cross) {
        int64_t used = pare_field_cross_cut(model, written, buffer);
        status = save_vector(s, "cross_network.npy", used, buffer);
    }
    pare_free(s->fields->ctx, buffer);
    pare_free(s->fields->ctx, written);
    return status;
}

static pare_status save_all(saver *s, const char *target) {
    const pare_field_spec *spec = &s->model->spec;
    int64_t count = number_fields(s), written = 0;
    if (count == 0) {
        return pare_fail(s->fields->ctx, PARE_ERROR_ARGUMENT, "the model keeps no field");
    }
    pare_text_append(&s->json, "{\n  \"pare_field_model\": 1,\n  \"model\": \"%s\",\n",
                     pare_field_model_names[spec->kind]);
    pare_text_append(&s->json, "  \"dimension\": %lld,\n  \"layers\": %lld,\n  \"units\": %lld,\n",
                     (long long)spec->dimension, (long long)spec->layers, (long long)spec->units);
    pare_text_append(&s->json, "  \"cross_layers\": %lld,\n  \"normalise\": %s,\n  \"bias\": ",
                     (long long)spec->crosses, spec->normalise ? "true" : "false");
    pare_put_json_real(&s->json, (double)s->model->bias);
    pare_text_append(&s->json, ",\n  \"target\": ");
    pare_put_json_text(&s->json, target);
    pare_text_append(&s->json, ",\n  \"fields\": [\n");
    pare_status status = PARE_OK;
    for (int64_t f = 0; f < s->fields->count && status == PARE_OK; f++) {
        if (s->number[f] >= 0) {
            status = save_field(s, f, ++written == count);
        }
    }
    pare_text_append(&s->json, "  ]\n}\n");
    if (status == PARE_OK) {
        status = save_networks(s);
    }
    pare_output out = {0};
    if (status == PARE_OK) {
        status = s->json.status;
    }
    if (status == PARE_OK) {
        status = open_file(s, "model.json", &out);
    }
    if (status == PARE_OK) {
        (void)fwrite(s->json.bytes, 1, (size_t)s->json.length, out.file);
        status = pare_output_commit(&out);
    }
    return status;
}

static const char *const written_files[] = {"model.json",  "field_*.npy",       "field_*.ids",
                                            "network.npy", "network_state.npy", "cross_network.npy",
                                            NULL};

pare_status pare_field_model_check(pare_context *ctx, const char *path, bool replace) {
    return pare_folder_check(ctx, path, replace, written_files);
}

pare_status pare_field_model_save(const pare_field_model *model, const pare_fields *fields,
                                  const char *target, const char *path, bool replace) {
    pare_folder folder = {0};
    saver s = {.model = model, .fields = fields, .json = {.ctx = fields->ctx}};
    pare_status status = pare_alloc(fields->ctx, fields->count, sizeof *s.number, &s.number);
    if (status == PARE_OK) {
        status = pare_alloc(fields->ctx, model->stride, sizeof *s.row, &s.row);
    }
    if (status == PARE_OK) {
        status = pare_folder_open(fields->ctx, path, replace, written_files, &folder);
    }
    if (status == PARE_OK) {
        s.folder = folder.temporary;
        status = save_all(&s, target);
    }
    if (status == PARE_OK) {
        status = pare_folder_commit(&folder);
    }
    pare_folder_abandon(&folder);
    pare_text_clear(&s.json);
    pare_free(fields->ctx, s.number);
    pare_free(fields->ctx, s.row);
    return status;
}
