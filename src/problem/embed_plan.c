/* The plan of `pare embed`, read again to train what it keeps. */
#include "problem/embed.h"

#include "base/json.h"
#include "base/text.h"
#include "model/field_file.h"

#include <jansson.h>
#include <stdio.h>

static pare_status refuse(const pare_embed *e, const char *what, const char *name) {
    return pare_fail(e->ctx, PARE_ERROR_INPUT, "%s: %s '%s'", e->options.plan, what, name);
}

static pare_status load(pare_embed *e, json_t **out) {
    void *root = NULL;
    pare_status status = pare_embed_json(e->ctx, e->options.plan, &root);
    *out = root;
    if (status == PARE_OK && json_integer_value(json_object_get(root, "pare_embed")) != 1) {
        status = pare_fail(e->ctx, PARE_ERROR_INPUT, "%s: not a plan of `pare embed`, version 1",
                           e->options.plan);
    }
    if (status != PARE_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

static pare_status set_whole(pare_embed *e, const char *option, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return pare_options_set(&e->options, option, text);
}

/* How the tables learn; older plans know only the default. */
static pare_status set_training(pare_embed *e, const json_t *root) {
    const char *optimizer = json_string_value(json_object_get(root, "optimizer"));
    const char *normalise = json_string_value(json_object_get(root, "normalise"));
    const json_t *l2 = json_object_get(root, "l2"), *batch = json_object_get(root, "batch");
    pare_status status =
        pare_options_set(&e->options, "embed-optimizer", optimizer ? optimizer : "row-adagrad");
    if (status == PARE_OK && batch && e->options.batch == 0) {
        status = set_whole(e, "batch", json_integer_value(batch));
    }
    if (status == PARE_OK && normalise && e->options.normalise == PARE_NORMALISE_NONE) {
        status = pare_options_set(&e->options, "normalise", normalise);
    }
    if (l2 && e->options.l2 < 0) {
        e->options.l2 = json_number_value(l2);
    }
    if (e->options.dropout == 0) {
        e->options.dropout = json_number_value(json_object_get(root, "dropout"));
    }
    bool fine = e->options.l2 <= 10 && e->options.dropout >= 0 && e->options.dropout <= 0.95;
    return status == PARE_OK && !fine ? refuse(e, "out of range:", "l2 or dropout") : status;
}

/* Where passes are those of the plan, the falls of the rate among them. */
static void set_drops(pare_embed *e, const json_t *root) {
    const json_t *drops = json_object_get(root, "rate_drops");
    if (e->options.passes == json_integer_value(json_object_get(root, "passes"))) {
        for (size_t d = 0; d < PARE_FIELD_DROPS && d < json_array_size(drops); d++) {
            e->spec.drop[d] = json_integer_value(json_array_get(drops, d));
        }
    }
}

pare_status pare_embed_plan_options(pare_embed *e) {
    json_t *root = NULL;
    pare_status status = load(e, &root);
    if (status != PARE_OK) {
        return status;
    }
    const json_t *chunks = json_object_get(root, "chunk"), *width = NULL;
    const char *model = json_string_value(json_object_get(root, "model"));
    const char *target = json_string_value(json_object_get(root, "target"));
    int64_t dimension = 0;
    size_t at = 0;
    json_array_foreach(chunks, at, width) {
        dimension += json_integer_value(width);
    }
    status = pare_options_set(&e->options, "embed-model", model ? model : "");
    if (status == PARE_OK && dimension > 0) {
        status = set_whole(e, "dimension", dimension);
    }
    if (status == PARE_OK && dimension > 0) {
        status = set_whole(e, "chunk", json_integer_value(json_array_get(chunks, 0)));
    }
    if (status == PARE_OK && target && !e->options.target[0]) {
        status = pare_options_set(&e->options, "target", target);
        if (status == PARE_OK) {
            pare_name_decode(e->options.target);
        }
    }
    if (status == PARE_OK) {
        status = set_training(e, root);
    }
    if (status == PARE_OK) {
        status = set_whole(e, "min-count", json_integer_value(json_object_get(root, "min_count")));
    }
    if (status == PARE_OK && e->options.passes == 0) {
        status = set_whole(e, "passes", json_integer_value(json_object_get(root, "passes")));
    }
    if (status == PARE_OK && e->options.rate == 0) {
        e->options.rate = json_number_value(json_object_get(root, "rate"));
    }
    if (status == PARE_OK) {
        status =
            set_whole(e, "crosses", (int64_t)json_array_size(json_object_get(root, "crosses")));
    }
    json_decref(root);
    return status;
}

static pare_status find(const pare_embed *e, const char *name, int64_t *out) {
    char *plain = NULL;
    name = name ? name : "";
    pare_status status = pare_text_copy(e->ctx, name, (int64_t)strlen(name), &plain);
    if (status != PARE_OK) {
        return status;
    }
    pare_name_decode(plain);
    *out = pare_fields_find(&e->fields, plain, (int64_t)strlen(plain));
    pare_free(e->ctx, plain);
    return *out < 0 ? refuse(e, "the rows have no field", name) : PARE_OK;
}

static bool is_cross(const json_t *field) {
    const char *kind = json_string_value(json_object_get(field, "kind"));
    return kind && strcmp(kind, pare_field_kind_names[PARE_FIELD_CROSS]) == 0;
}

pare_status pare_embed_plan_kinds(pare_embed *e) {
    json_t *root = NULL;
    const json_t *field = NULL;
    size_t at = 0;
    pare_status status = load(e, &root);
    set_drops(e, root);
    json_array_foreach(json_object_get(root, "fields"), at, field) {
        const char *kind = json_string_value(json_object_get(field, "kind"));
        int64_t f = 0;
        if (is_cross(field) || status != PARE_OK) {
            continue;
        }
        status = find(e, json_string_value(json_object_get(field, "name")), &f);
        for (int k = 0; k < PARE_FIELD_CROSS && status == PARE_OK; k++) {
            if (kind && strcmp(kind, pare_field_kind_names[k]) == 0) {
                e->fields.field[f].kind = (pare_field_kind)k;
            }
        }
        int64_t bits = json_integer_value(json_object_get(field, "hash_bits"));
        if (status == PARE_OK && (bits < 0 || bits > PARE_FIELD_HASH_MAX)) {
            status = refuse(e, "expected hash_bits from 0 to 30, in", e->fields.field[f].name);
        } else if (status == PARE_OK) {
            e->fields.field[f].hash_bits = bits > 0 ? bits : -1;
            e->fields.field[f].most_rows = json_integer_value(json_object_get(field, "rows"));
            e->fields.field[f].minimum_count =
                json_integer_value(json_object_get(field, "min_count"));
        }
    }
    json_decref(root);
    return status;
}

/* All crosses of the plan are added: its masks name them by their places. */
pare_status pare_embed_plan_crosses(pare_embed *e) {
    json_t *root = NULL;
    const json_t *cross = NULL;
    pare_field_pair *pair = NULL;
    size_t at = 0;
    pare_status status = load(e, &root);
    const json_t *list = json_object_get(root, "crosses");
    int64_t count = (int64_t)json_array_size(list);
    if (status != PARE_OK || count == 0) {
        json_decref(root);
        return status;
    }
    status = pare_alloc(e->ctx, count, sizeof *pair, &pair);
    json_array_foreach(list, at, cross) {
        const json_t *parts = json_object_get(cross, "parts");
        for (size_t k = 0; k < 2 && status == PARE_OK; k++) {
            status = find(e, json_string_value(json_array_get(parts, k)), &pair[at].part[k]);
            if (status == PARE_OK && e->fields.field[pair[at].part[k]].kind == PARE_FIELD_NUMBER) {
                status = refuse(e, "a number cannot be part of a cross:",
                                e->fields.field[pair[at].part[k]].name);
            }
        }
        if (status == PARE_OK) {
            pair[at].rows = json_integer_value(json_object_get(cross, "rows"));
            status = pair[at].rows > 0 ? PARE_OK : refuse(e, "expected rows > 0, in", "crosses");
        }
    }
    if (status == PARE_OK) {
        status = pare_fields_cross(&e->fields, count, pair);
    }
    pare_free(e->ctx, pair);
    json_decref(root);
    return status;
}

pare_status pare_embed_plan_keep(pare_embed *e) {
    json_t *root = NULL;
    const json_t *field = NULL;
    size_t at = 0;
    pare_status status = load(e, &root);
    memset(e->keep, 0, (size_t)e->candidates);
    json_array_foreach(json_object_get(root, "fields"), at, field) {
        const json_t *chunks = json_object_get(field, "chunks");
        int64_t f = 0;
        if (status == PARE_OK) {
            status = find(e, json_string_value(json_object_get(field, "name")), &f);
        }
        if (status != PARE_OK || !json_is_true(json_object_get(field, "kept"))) {
            continue;
        }
        uint8_t *keep = e->keep + f * (e->serving.chunks + 1);
        keep[0] = 1;
        for (int64_t c = 0; c < e->serving.chunks; c++) {
            keep[c + 1] = json_is_true(json_array_get(chunks, (size_t)c));
        }
    }
    json_decref(root);
    return status;
}
