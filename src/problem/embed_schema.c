/* The schema file and the budget, in words a person writes. */
#include "problem/embed.h"

#include "base/text.h"
#include "platform/system.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

static pare_status refuse(const pare_embed *embed, const char *file, const char *what,
                          const char *name) {
    return pare_fail(embed->ctx, PARE_ERROR_INPUT, "%s: %s '%s'", file, what, name);
}

/* text: "unable to open PATH: reason" */
static pare_status cannot_open(pare_context *ctx, const char *path, const char *text) {
    const char *reason = strrchr(text, ':');
    return pare_fail(ctx, PARE_ERROR_INPUT, "%s: cannot be opened%s", path, reason ? reason : "");
}

/* What a parser made of the file or text called `path`; error: why it made nothing. */
static pare_status take(pare_context *ctx, const char *path, json_t *root,
                        const json_error_t *error, json_t **out) {
    *out = NULL;
    if (!root) {
        return error->line > 0 ? pare_fail(ctx, PARE_ERROR_INPUT, "%s line %d: %s", path,
                                           error->line, error->text)
                               : cannot_open(ctx, path, error->text);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return pare_fail(ctx, PARE_ERROR_INPUT, "%s: expected a JSON object", path);
    }
    *out = root;
    return PARE_OK;
}

static pare_status load(pare_context *ctx, const char *path, json_t **out) {
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    return take(ctx, path, root, &error, out);
}

pare_status pare_embed_json(pare_context *ctx, const char *path, void **out) {
    json_t *root = NULL;
    pare_status status = load(ctx, path, &root);
    *out = root;
    return status;
}

/* ---- Budget ---------------------------------------------------------------------------------- */

/* "64M" and the like: powers of 1024 for bytes, of 1000 else. */
static bool read_amount(const char *text, int64_t length, bool bytes, double *out) {
    char number[64];
    if (length < 1 || length >= (int64_t)sizeof number) {
        return false;
    }
    memcpy(number, text, (size_t)length);
    number[length] = '\0';
    const char *units = "kMGT", *unit = strchr(units, number[length - 1]);
    double factor = 1;
    if (unit && number[length - 1] != '\0') {
        factor = pow(bytes ? 1024 : 1000, (double)(unit - units + 1));
        number[length - 1] = '\0';
    }
    if (!pare_parse_real(number, out) || !isfinite(*out)) {
        return false;
    }
    *out *= factor;
    return true;
}

/* One limit; whole numbers are rounded down, so that none is ever exceeded. */
static pare_status set_limit(pare_embed *embed, const char *name, int64_t length, bool good,
                             double amount) {
    char word[32];
    snprintf(word, sizeof word, "%.*s", (int)(length < 31 ? length : 31), name);
    bool fetch = strcmp(word, "fetch_us") == 0,
         microseconds = fetch || strcmp(word, "latency_us") == 0;
    const char *resource =
        !microseconds ? word
                      : pare_resource_name(fetch ? PARE_RESOURCE_FETCH : PARE_RESOURCE_LATENCY);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        if (strcmp(resource, pare_resource_name((pare_resource)r)) != 0) {
            continue;
        }
        if (!good || amount < 0) {
            return pare_fail(embed->ctx, PARE_ERROR_INPUT,
                             "budget: %s: expected a number >= 0, such as 20 or 64M", word);
        }
        amount = floor(microseconds ? amount * 1000 : amount);
        embed->serving.limit[r] = amount < 0x1p62 ? (int64_t)amount : INT64_MAX;
        return PARE_OK;
    }
    return pare_fail(embed->ctx, PARE_ERROR_INPUT,
                     "budget: there is no resource '%s'; there are bytes, lines, flops, fetch_us, "
                     "latency_us",
                     word);
}

static pare_status budget_file(pare_embed *embed, const char *path) {
    json_t *root = NULL, *value = NULL;
    const char *name = NULL;
    pare_status status = load(embed->ctx, path, &root);
    if (status != PARE_OK) {
        return status;
    }
    json_object_foreach(root, name, value) {
        const char *text = json_string_value(value);
        double amount = json_number_value(value);
        bool good = json_is_number(value);
        if (text) {
            good = read_amount(text, (int64_t)strlen(text), strcmp(name, "bytes") == 0, &amount);
        }
        status = set_limit(embed, name, (int64_t)strlen(name), good, amount);
        if (status != PARE_OK) {
            break;
        }
    }
    json_decref(root);
    return status;
}

/* Whether an earlier item of the list has the name of the one at `item`. */
static bool repeated(const char *list, const char *item, int64_t name) {
    const char *other = NULL;
    int64_t length = 0;
    while (pare_list_next(&list, &other, &length) && other < item) {
        if (length > name && other[name] == '=' && memcmp(other, item, (size_t)name) == 0) {
            return true;
        }
    }
    return false;
}

pare_status pare_embed_budget(pare_embed *embed) {
    const char *cursor = embed->options.budget, *item = NULL;
    int64_t length = 0;
    if (cursor[0] && !strchr(cursor, '=')) {
        return budget_file(embed, cursor);
    }
    while (pare_list_next(&cursor, &item, &length)) {
        const char *equals = memchr(item, '=', (size_t)length);
        int64_t name = equals ? equals - item : length;
        double amount = 0;
        bool bytes = name == 5 && memcmp(item, "bytes", 5) == 0;
        bool good = equals && read_amount(equals + 1, length - name - 1, bytes, &amount);
        pare_status status = set_limit(embed, item, name, good, amount);
        if (status == PARE_OK && repeated(embed->options.budget, item, name)) {
            status = pare_fail(embed->ctx, PARE_ERROR_INPUT, "budget: %.*s is given twice",
                               (int)name, item);
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* ---- Schema ---------------------------------------------------------------------------------- */

static pare_status read_groups(pare_embed *embed, const char *path, const json_t *groups) {
    const char *name = NULL;
    json_t *value = NULL;
    int64_t count = (int64_t)json_object_size(groups);
    pare_status status = pare_alloc_zero(embed->ctx, count, sizeof *embed->fetch, &embed->fetch);
    if (status == PARE_OK) {
        status = pare_alloc_zero(embed->ctx, count, sizeof *embed->group_name, &embed->group_name);
    }
    embed->serving.fetch = embed->fetch;
    json_object_foreach((json_t *)(uintptr_t)groups, name, value) {
        if (status != PARE_OK) {
            break;
        }
        const json_t *fetch = json_object_get(value, "fetch_us");
        double amount = json_number_value(fetch);
        if (!json_is_number(fetch) || !(amount >= 0) || amount > 1e12) {
            return refuse(embed, path, "expected fetch_us, a number >= 0, in group", name);
        }
        if (json_object_size(value) != 1) {
            return refuse(embed, path,
                          "expected fetch_us alone (groups hold fields, never groups: there are no "
                          "cycles) in group",
                          name);
        }
        int64_t at = embed->serving.groups++;
        embed->fetch[at] = (int64_t)ceil(amount * 1000);
        status = pare_text_copy(embed->ctx, name, (int64_t)strlen(name), &embed->group_name[at]);
    }
    return status;
}

static pare_status read_field(pare_embed *embed, const char *path, int64_t f, json_t *value) {
    static const char *const kinds[] = {"category", "number", "bucket"};
    pare_field *field = &embed->fields.field[f];
    const char *member = NULL;
    json_t *setting = NULL;
    if (!json_is_object(value)) {
        return refuse(embed, path, "expected a JSON object for field", field->name);
    }
    json_object_foreach(value, member, setting) {
        const char *text = json_string_value(setting);
        bool known = false;
        if (strcmp(member, "pinned") == 0 && json_is_boolean(setting)) {
            embed->pinned[f] = json_is_true(setting);
            known = true;
        } else if (strcmp(member, "banned") == 0 && json_is_boolean(setting)) {
            embed->banned[f] = json_is_true(setting);
            known = true;
        } else if (strcmp(member, "kind") == 0 && text) {
            for (int k = 0; k < 3; k++) {
                if (strcmp(text, kinds[k]) == 0) {
                    field->kind = (pare_field_kind)k;
                    known = true;
                }
            }
        } else if (strcmp(member, "hash_bits") == 0 && json_is_integer(setting)) {
            int64_t bits = json_integer_value(setting);
            known = bits >= 0 && bits <= PARE_FIELD_HASH_MAX;
            field->hash_bits = bits > 0 ? bits : -1;
        } else if (strcmp(member, "min_count") == 0 && json_is_integer(setting)) {
            field->minimum_count = json_integer_value(setting);
            known = field->minimum_count >= 1;
        } else if (strcmp(member, "group") == 0 && text) {
            for (int64_t g = 0; g < embed->serving.groups; g++) {
                if (strcmp(text, embed->group_name[g]) == 0) {
                    embed->group[2 * f] = g;
                    known = true;
                }
            }
        }
        if (!known) {
            return pare_fail(
                embed->ctx, PARE_ERROR_INPUT,
                "%s: field '%s': %s: expected kind (category, number, bucket), group "
                "(one of groups), hash_bits (0 to 30), min_count (1 or more), pinned or "
                "banned (true, false)",
                path, field->name, member);
        }
    }
    if (field->hash_bits > 0 && field->kind != PARE_FIELD_CATEGORY) {
        return refuse(embed, path, "hash_bits are for the kind category, which is not that of",
                      field->name);
    }
    if (field->minimum_count > 0 && field->kind == PARE_FIELD_NUMBER && !embed->within) {
        return refuse(embed, path,
                      "min_count is for ids, of which a number has none:", field->name);
    }
    if (embed->pinned[f] && embed->banned[f]) {
        return refuse(embed, path, "pinned and banned:", field->name);
    }
    return PARE_OK;
}

/* Keeps the text of the schema file, if there is one. */
static pare_status keep_text(pare_embed *embed) {
    const char *path = embed->options.schema;
    pare_map map = {0};
    if (!path[0] || embed->within) {
        return PARE_OK;
    }
    pare_status status = pare_map_open(embed->ctx, path, true, &map);
    if (status == PARE_OK) {
        pare_free(embed->ctx, embed->schema);
        embed->schema = NULL;
        status = pare_text_copy(embed->ctx, (const char *)map.bytes, map.length, &embed->schema);
    }
    pare_map_close(&map);
    return status;
}

/* Numbers that may be ids, unless the schema says what they are. */
static pare_status note_numbers(const pare_embed *embed, const json_t *root) {
    const pare_options *options = &embed->options;
    const json_t *fields = json_object_get(root, "fields");
    pare_text names = {.ctx = embed->ctx};
    bool wanted = !embed->within && !options->continue_from[0] && !options->plan[0];
    for (int64_t f = 0; f < embed->fields.count && wanted; f++) {
        const pare_field *field = &embed->fields.field[f];
        const json_t *said = json_object_get(json_object_get(fields, field->name), "kind");
        if (field->kind == PARE_FIELD_NUMBER && !said && !embed->banned[f] &&
            pare_field_like_ids(&embed->fields, f)) {
            pare_text_append(&names, "%s%s", names.length > 0 ? "," : "", field->name);
        }
    }
    pare_status status = names.status;
    if (status == PARE_OK && names.length > 0) {
        pare_warn(embed->ctx,
                  "%s: whole numbers are read as numbers; where they are ids, say --categorical %s",
                  embed->fields.source, names.bytes);
    }
    pare_text_clear(&names);
    return status;
}

static const char *path_of(const pare_embed *embed) {
    return embed->options.schema[0] ? embed->options.schema : embed->options.continue_from;
}

/* *out: NULL where there is no schema. */
static pare_status parse(pare_embed *embed, json_t **out) {
    json_error_t error;
    pare_status status = keep_text(embed);
    *out = NULL;
    if (status != PARE_OK || !embed->schema) {
        return status;
    }
    json_t *root = json_loads(embed->schema, JSON_REJECT_DUPLICATES, &error);
    return take(embed->ctx, path_of(embed), root, &error, out);
}

pare_status pare_embed_schema_target(pare_embed *embed) {
    json_t *root = NULL;
    pare_status status = parse(embed, &root);
    const char *target = json_string_value(json_object_get(root, "target"));
    if (status == PARE_OK && target && !embed->options.target[0]) {
        status = pare_options_set(&embed->options, "target", target);
    }
    json_decref(root);
    return status;
}

pare_status pare_embed_schema_counts(pare_embed *embed, pare_fields *rows) {
    json_t *root = NULL, *value = NULL;
    const char *name = NULL;
    pare_status status = parse(embed, &root);
    json_object_foreach(json_object_get(root, "fields"), name, value) {
        const json_t *count = json_object_get(value, "min_count");
        int64_t f = pare_fields_find(rows, name, (int64_t)strlen(name));
        if (f >= 0 && json_integer_value(count) > 0) {
            rows->field[f].minimum_count = json_integer_value(count);
        }
    }
    json_decref(root);
    return status;
}

pare_status pare_embed_schema(pare_embed *embed) {
    const char *path = path_of(embed), *name = NULL;
    json_t *root = NULL, *value = NULL;
    pare_status status = parse(embed, &root);
    if (status != PARE_OK || !root) {
        return status == PARE_OK ? note_numbers(embed, NULL) : status;
    }
    json_object_foreach(root, name, value) {
        bool parts = strcmp(name, "fields") == 0 || strcmp(name, "groups") == 0;
        bool target = strcmp(name, "target") == 0;
        if (status == PARE_OK && !(parts && json_is_object(value)) &&
            !(target && json_string_length(value) > 0)) {
            status = refuse(embed, path,
                            "expected the objects fields and groups, and target, a column's name, "
                            "not",
                            name);
        }
    }
    if (status == PARE_OK && json_object_get(root, "groups")) {
        status = read_groups(embed, path, json_object_get(root, "groups"));
    }
    json_object_foreach(json_object_get(root, "fields"), name, value) {
        if (status != PARE_OK) {
            break;
        }
        int64_t f = pare_fields_find(&embed->fields, name, (int64_t)strlen(name));
        if (f >= 0) {
            status = read_field(embed, path, f, value);
        } else if (!embed->within) {
            status = refuse(embed, path, "the rows have no field", name);
        }
    }
    if (status == PARE_OK) {
        status = note_numbers(embed, root);
    }
    json_decref(root);
    return status;
}

pare_status pare_embed_leave_constant(pare_embed *embed) {
    for (int64_t f = 0; f < embed->fields.count; f++) {
        if (pare_field_varies(&embed->fields.field[f], embed->train)) {
            continue;
        }
        if (embed->pinned[f]) {
            return pare_fail(
                embed->ctx, PARE_ERROR_INPUT,
                "%s: field '%s' is pinned, but has a single value in the training rows",
                embed->fields.source, embed->name[f]);
        }
        embed->banned[f] = PARE_EMBED_CONSTANT;
    }
    return PARE_OK;
}
