/* Reads selection.json. The file may come from anywhere: every member is checked for type and
 * range, and what depends on each other (counts, sizes) for agreement. */
#include "platform/system.h"
#include "base/json.h"
#include "report/names.h"
#include "report/proof.h"
#include "report/report.h"
#include "select/certificate.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define LARGEST_INTEGER INT64_C(9007199254740992) /* 2^53: what every JSON reader keeps exact */

typedef struct reader {
    pare_context *ctx;
    const char *path;
    pare_selection *record;
} reader;

/* An object or array inside the file: "items[3]", or "items" with index -1. */
typedef struct node {
    const json_t *value;
    const char *name;
    int64_t index;
} node;

static pare_status refuse(const reader *r, node at, const char *key, const char *expected) {
    char index[32] = "";
    if (at.index >= 0) {
        snprintf(index, sizeof index, "[%lld]", (long long)at.index);
    }
    return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: %s%s%s%s: expected %s", r->path, at.name, index,
                     at.name[0] && key[0] ? "." : "", key, expected);
}

static pare_status get_node(const reader *r, node at, const char *key, json_type type, node *out) {
    out->value = json_object_get(at.value, key);
    out->name = key;
    out->index = -1;
    if (out->value && json_typeof(out->value) == type) {
        return PARE_OK;
    }
    return refuse(r, at, key, type == JSON_ARRAY ? "an array" : "an object");
}

static pare_status get_integer(const reader *r, node at, const char *key, int64_t low, int64_t high,
                               int64_t *out) {
    const json_t *value = json_object_get(at.value, key);
    if (json_is_integer(value) && json_integer_value(value) >= low &&
        json_integer_value(value) <= high) {
        *out = json_integer_value(value);
        return PARE_OK;
    }
    char expected[96];
    snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)low,
             (long long)high);
    return refuse(r, at, key, expected);
}

static bool real_of(const json_t *value, double *out) {
    if (json_is_null(value)) {
        *out = NAN;
        return true;
    }
    *out = json_number_value(value);
    return json_is_number(value);
}

static pare_status get_real(const reader *r, node at, const char *key, double *out) {
    bool good = real_of(json_object_get(at.value, key), out);
    return good ? PARE_OK : refuse(r, at, key, "a number or null");
}

/* A cost above 0, which may be absent. */
static pare_status get_cost(const reader *r, node at, const char *key, double *out) {
    const json_t *value = json_object_get(at.value, key);
    if (!value) {
        return PARE_OK;
    }
    *out = json_number_value(value);
    return *out > 0 ? PARE_OK : refuse(r, at, key, "a number above 0");
}

/* Copies a string, encoded bytes turned back. */
static pare_status copy_text(const reader *r, const json_t *value, char **out) {
    pare_status status =
        pare_text_copy(r->ctx, json_string_value(value), (int64_t)json_string_length(value), out);
    if (status == PARE_OK) {
        pare_name_decode(*out);
    }
    return status;
}

/* A string, or null where there is nothing to say. */
static pare_status get_text(const reader *r, node at, const char *key, char **out) {
    const json_t *value = json_object_get(at.value, key);
    if (json_is_null(value)) {
        return PARE_OK;
    }
    return json_is_string(value) ? copy_text(r, value, out)
                                 : refuse(r, at, key, "a string or null");
}

/* An array of strings; *count counts those already there, so that a failure can be cleared. */
static pare_status get_texts(const reader *r, node at, const char *key, int64_t *count,
                             char ***out) {
    node list;
    pare_status status = get_node(r, at, key, JSON_ARRAY, &list);
    if (status != PARE_OK) {
        return status;
    }
    int64_t wanted = (int64_t)json_array_size(list.value);
    if (wanted == 0) {
        return PARE_OK;
    }
    status = pare_alloc_zero(r->ctx, wanted, sizeof(char *), out);
    for (int64_t i = 0; status == PARE_OK && i < wanted; i++) {
        const json_t *value = json_array_get(list.value, (size_t)i);
        if (!json_is_string(value)) {
            return refuse(r, at, key, "an array of strings");
        }
        status = copy_text(r, value, &(*out)[i]);
        *count = status == PARE_OK ? i + 1 : i;
    }
    return status;
}

/* An array of exactly `count` numbers or nulls. */
static pare_status read_reals(const reader *r, node list, int64_t count, double *out) {
    bool good = json_is_array(list.value) && (int64_t)json_array_size(list.value) == count;
    for (int64_t i = 0; good && i < count; i++) {
        good = real_of(json_array_get(list.value, (size_t)i), &out[i]);
    }
    if (good) {
        return PARE_OK;
    }
    char expected[64];
    snprintf(expected, sizeof expected, "an array of %lld numbers or nulls", (long long)count);
    return refuse(r, list, "", expected);
}

static pare_status read_head(const reader *r, node top) {
    pare_selection *s = r->record;
    const json_t *format = json_object_get(top.value, "format");
    if (!json_is_string(format) || strcmp(json_string_value(format), "pare selection") != 0) {
        return refuse(r, top, "format", "\"pare selection\"");
    }
    int64_t version = 0;
    pare_status status = get_integer(r, top, "format_version", 1, 1, &version);
    const struct {
        const char *key;
        char **out;
    } texts[] = {
        {"version", &s->version},  {"created", &s->created}, {"machine", &s->machine},
        {"method", &s->method},    {"model", &s->model},     {"task", &s->task},
        {"score", &s->score_name},
    };
    for (size_t i = 0; status == PARE_OK && i < sizeof texts / sizeof texts[0]; i++) {
        status = get_text(r, top, texts[i].key, texts[i].out);
    }
    if (status == PARE_OK) {
        status = get_integer(r, top, "wanted", 0, LARGEST_INTEGER, &s->wanted);
    }
    if (status == PARE_OK) {
        status = get_cost(r, top, "budget", &s->budget);
    }
    const json_t *stopped = json_object_get(top.value, "stopped");
    if (status == PARE_OK && !json_is_boolean(stopped)) {
        status = refuse(r, top, "stopped", "true or false");
    }
    s->stopped = json_is_true(stopped);
    return status;
}

static pare_status read_data(const reader *r, node top) {
    pare_selection *s = r->record;
    node data;
    pare_status status = get_node(r, top, "data", JSON_OBJECT, &data);
    if (status != PARE_OK) {
        return status;
    }
    const struct {
        const char *key;
        char **out;
    } texts[] = {{"source", &s->data_source},
                 {"summary", &s->data_summary},
                 {"checksum", &s->data_checksum},
                 {"weights", &s->weight_name}};
    for (size_t i = 0; status == PARE_OK && i < sizeof texts / sizeof texts[0]; i++) {
        status = get_text(r, data, texts[i].key, texts[i].out);
    }
    const struct {
        const char *key;
        int64_t *out;
        int64_t high;
    } sizes[] = {
        {"rows", &s->rows, LARGEST_INTEGER},
        {"validation_rows", &s->validation_rows, LARGEST_INTEGER},
        {"test_rows", &s->test_rows, LARGEST_INTEGER},
        {"candidates", &s->candidates, LARGEST_INTEGER},
        {"classes", &s->classes, LARGEST_INTEGER},
        {"outputs", &s->outputs, LARGEST_INTEGER},
        {"height", &s->height, INT32_MAX},
        {"width", &s->width, INT32_MAX},
    };
    for (size_t i = 0; status == PARE_OK && i < sizeof sizes / sizeof sizes[0]; i++) {
        status = get_integer(r, data, sizes[i].key, 0, sizes[i].high, sizes[i].out);
    }
    if (status == PARE_OK && (s->height > 0) != (s->width > 0)) {
        status = refuse(r, data, "width", "height and width both 0 or both positive");
    }
    const char *checksum = s->data_checksum;
    if (status == PARE_OK && checksum &&
        (strlen(checksum) != 16 || strspn(checksum, "0123456789abcdef") != 16)) {
        status = refuse(r, data, "checksum", "16 hexadecimal digits");
    }
    if (status == PARE_OK) {
        status = get_texts(r, data, "targets", &s->target_columns, &s->target_name);
    }
    return status;
}

static pare_status read_item(const reader *r, node at, pare_item *item) {
    const pare_selection *s = r->record;
    item->pixel_row = item->pixel_column = -1;
    if (!json_is_object(at.value)) {
        return refuse(r, at, "", "an object");
    }
    const json_t *name = json_object_get(at.value, "name");
    if (!json_is_string(name)) {
        return refuse(r, at, "name", "a string");
    }
    pare_status status = copy_text(r, name, &item->name);
    if (status == PARE_OK) {
        status = get_integer(r, at, "candidate", 0, s->candidates - 1, &item->candidate);
    }
    if (status == PARE_OK) {
        status = get_real(r, at, "score", &item->score);
    }
    if (status == PARE_OK) {
        status = get_cost(r, at, "cost", &item->cost);
    }
    if (status == PARE_OK) {
        status = get_texts(r, at, "columns", &item->columns, &item->column);
    }
    if (status == PARE_OK && item->columns == 0) {
        status = refuse(r, at, "columns", "at least one name");
    }
    const json_t *verdict = json_object_get(at.value, "verdict");
    if (status == PARE_OK && verdict) {
        bool every = json_is_string(verdict) && strcmp(json_string_value(verdict), "every") == 0;
        bool none = json_is_string(verdict) && strcmp(json_string_value(verdict), "none") == 0;
        if (!every && !none) {
            return refuse(r, at, "verdict", "\"every\" or \"none\"");
        }
        item->verdict = every ? PARE_VERDICT_EVERY : PARE_VERDICT_NONE;
    }
    const json_t *pixel = json_object_get(at.value, "pixel");
    if (status != PARE_OK || !pixel) {
        return status;
    }
    const json_t *row = json_array_get(pixel, 0), *column = json_array_get(pixel, 1);
    if (json_array_size(pixel) != 2 || !json_is_integer(row) || !json_is_integer(column) ||
        json_integer_value(row) < 0 || json_integer_value(row) >= s->height ||
        json_integer_value(column) < 0 || json_integer_value(column) >= s->width) {
        return refuse(r, at, "pixel", "row and column inside the image");
    }
    item->pixel_row = json_integer_value(row);
    item->pixel_column = json_integer_value(column);
    return PARE_OK;
}

static pare_status read_items(const reader *r, node top) {
    pare_selection *s = r->record;
    node list;
    pare_status status = get_node(r, top, "items", JSON_ARRAY, &list);
    if (status != PARE_OK) {
        return status;
    }
    int64_t count = (int64_t)json_array_size(list.value);
    if (count > s->candidates) {
        return refuse(r, top, "items", "no more than there are candidates");
    }
    status = pare_alloc_zero(r->ctx, count, sizeof *s->item, &s->item);
    if (status == PARE_OK) {
        status = pare_alloc(r->ctx, count, sizeof *s->number, &s->number);
    }
    for (int64_t i = 0; status == PARE_OK && i < count; i++) {
        s->count = i + 1;
        node at = {json_array_get(list.value, (size_t)i), "items", i};
        status = read_item(r, at, &s->item[i]);
        s->number[i] = s->item[i].candidate;
    }
    return status;
}

static pare_status read_path(const reader *r, node top) {
    pare_selection *s = r->record;
    node list;
    pare_status status = get_node(r, top, "path", JSON_ARRAY, &list);
    if (status != PARE_OK || json_array_size(list.value) == 0) {
        return status;
    }
    int64_t points = (int64_t)json_array_size(list.value);
    status = pare_alloc(r->ctx, points, sizeof *s->path_count, &s->path_count);
    if (status == PARE_OK) {
        status = pare_alloc(r->ctx, points, sizeof *s->path_score, &s->path_score);
    }
    if (status == PARE_OK) {
        status = pare_alloc(r->ctx, points, sizeof *s->path_error, &s->path_error);
    }
    int64_t before = 0;
    for (int64_t i = 0; status == PARE_OK && i < points; i++) {
        node at = {json_array_get(list.value, (size_t)i), "path", i};
        /* Ascending: each count is above the one before. */
        status = get_integer(r, at, "count", before + 1, s->candidates, &s->path_count[i]);
        if (status == PARE_OK) {
            before = s->path_count[i];
            status = get_real(r, at, "score", &s->path_score[i]);
        }
        if (status == PARE_OK) {
            status = get_real(r, at, "error", &s->path_error[i]);
        }
        s->path_points = status == PARE_OK ? i + 1 : i;
    }
    return status;
}

static pare_status read_trace(const reader *r, node top) {
    pare_selection *s = r->record;
    node trace;
    pare_status status = get_node(r, top, "trace", JSON_OBJECT, &trace);
    if (status != PARE_OK) {
        return status;
    }
    node epoch = {json_object_get(trace.value, "epoch"), "trace.epoch", -1};
    node loss = {json_object_get(trace.value, "loss"), "trace.loss", -1};
    int64_t points = (int64_t)json_array_size(epoch.value);
    if (points > 0) {
        status = pare_alloc(r->ctx, points, sizeof *s->trace_epoch, &s->trace_epoch);
        if (status == PARE_OK) {
            status = pare_alloc(r->ctx, points, sizeof *s->trace_loss, &s->trace_loss);
        }
    }
    if (status == PARE_OK) {
        status = read_reals(r, epoch, points, s->trace_epoch);
    }
    if (status == PARE_OK) {
        status = read_reals(r, loss, points, s->trace_loss);
    }
    s->trace_points = status == PARE_OK ? points : 0;
    return status;
}

static pare_status read_correlation(const reader *r, node top) {
    pare_selection *s = r->record;
    if (json_is_null(json_object_get(top.value, "correlation"))) {
        return PARE_OK;
    }
    node list;
    pare_status status = get_node(r, top, "correlation", JSON_ARRAY, &list);
    if (status != PARE_OK) {
        return status;
    }
    int64_t cells = 0;
    if ((int64_t)json_array_size(list.value) != s->count || s->count == 0 ||
        !pare_checked_multiply(s->count, s->count, &cells)) {
        return refuse(r, top, "correlation", "null, or a row for each item");
    }
    /* The rows are looked at first: a short file must not ask for count^2 numbers. */
    for (int64_t i = 0; i < s->count; i++) {
        node row = {json_array_get(list.value, (size_t)i), "correlation", i};
        if ((int64_t)json_array_size(row.value) != s->count) {
            return refuse(r, row, "", "an array with a number for each item");
        }
    }
    status = pare_alloc(r->ctx, cells, sizeof *s->correlation, &s->correlation);
    for (int64_t i = 0; status == PARE_OK && i < s->count; i++) {
        node row = {json_array_get(list.value, (size_t)i), "correlation", i};
        status = read_reals(r, row, s->count, s->correlation + i * s->count);
    }
    return status;
}

static pare_status read_comparison(const reader *r, node all, const char *key,
                                   pare_comparison *out) {
    node at;
    pare_status status = get_node(r, all, key, JSON_OBJECT, &at);
    const struct {
        const char *key;
        double *out;
    } reals[] = {
        {"validation_score", &out->validation_score},
        {"validation_loss", &out->validation_loss},
        {"test_score", &out->test_score},
        {"test_loss", &out->test_loss},
        {"seconds", &out->seconds},
        {"cpu_seconds", &out->cpu_seconds},
    };
    if (status == PARE_OK) {
        status = get_integer(r, at, "candidates", 0, LARGEST_INTEGER, &out->candidates);
    }
    for (size_t i = 0; status == PARE_OK && i < sizeof reals / sizeof reals[0]; i++) {
        status = get_real(r, at, reals[i].key, reals[i].out);
    }
    return status;
}

static pare_status read_results(const reader *r, node top) {
    pare_selection *s = r->record;
    node all, seconds;
    pare_status status = get_node(r, top, "comparison", JSON_OBJECT, &all);
    if (status == PARE_OK) {
        status = read_comparison(r, all, "chosen", &s->chosen);
    }
    if (status == PARE_OK) {
        status = read_comparison(r, all, "all", &s->all);
    }
    if (status == PARE_OK) {
        status = read_comparison(r, all, "random", &s->random);
    }
    if (status == PARE_OK) {
        status = get_node(r, top, "seconds", JSON_OBJECT, &seconds);
    }
    if (status == PARE_OK) {
        status = get_real(r, seconds, "reading", &s->seconds_reading);
    }
    if (status == PARE_OK) {
        status = get_real(r, seconds, "selecting", &s->seconds_selecting);
    }
    if (status == PARE_OK) {
        status = get_real(r, seconds, "selecting_cpu", &s->cpu_selecting);
    }
    if (status == PARE_OK) {
        status = get_texts(r, top, "warnings", &s->warnings, &s->warning);
    }
    return status;
}

static pare_status read_proof(const reader *r, node top) {
    return pare_report_read_proof(r->ctx, r->path, top.value, r->record);
}

/* One option by the rules of the options table, which explains what it refuses. */
static pare_status read_option(const reader *r, node at, const char *key, const json_t *value) {
    char number[PARE_REAL_SIZE];
    pare_options *options = &r->record->options;
    pare_status status = PARE_OK;
    if (json_is_string(value)) {
        char *text = NULL;
        status = copy_text(r, value, &text);
        if (status == PARE_OK) {
            status = pare_options_set(options, key, text);
        }
        pare_free(r->ctx, text);
    } else if (json_is_boolean(value)) {
        status = pare_options_set(options, key, json_is_true(value) ? "true" : "false");
    } else if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        status = pare_options_set(options, key, number);
    } else if (json_is_real(value)) {
        status = pare_options_set(options, key, pare_real_text(json_real_value(value), number));
    } else {
        status = refuse(r, at, key, "a string, a number, true or false");
    }
    return status;
}

static pare_status read_options(const reader *r, node top) {
    pare_selection *s = r->record;
    if (json_is_null(json_object_get(top.value, "options"))) {
        return PARE_OK;
    }
    node at;
    pare_status status = get_node(r, top, "options", JSON_OBJECT, &at);
    if (status == PARE_OK) {
        status = pare_options_init(r->ctx, &s->options);
    }
    if (status != PARE_OK) {
        return status;
    }
    s->has_options = true;
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        status = pare_option_at(i, &option);
        if (status != PARE_OK) {
            return status;
        }
        const json_t *value =
            pare_option_recorded(&option) ? json_object_get(at.value, option.name) : NULL;
        status = value ? read_option(r, at, option.name, value) : PARE_OK;
        if (status == PARE_ERROR_ARGUMENT) {
            return pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: options: %s", r->path, r->ctx->message);
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* The parser's own sentence, which may quote bytes of the file. */
static pare_status refuse_syntax(pare_context *ctx, const char *path, const json_error_t *error) {
    if (json_error_code(error) == json_error_out_of_memory) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory while reading %s", path);
    }
    pare_text text = {.ctx = ctx};
    pare_name_append_plain(&text, error->text, JSON_ERROR_TEXT_LENGTH);
    pare_status status = text.status;
    if (status == PARE_OK) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s line %d column %d: %s, expected JSON", path,
                           error->line > 0 ? error->line : 1, error->column > 0 ? error->column : 1,
                           text.bytes ? text.bytes : "unreadable");
    }
    pare_text_clear(&text);
    return status;
}

pare_status pare_report_parse_json(pare_context *ctx, const char *path, const char *bytes,
                                   int64_t length, pare_selection **out) {
    *out = NULL;
    json_error_t error;
    json_t *file = json_loadb(bytes, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!file) {
        return refuse_syntax(ctx, path, &error);
    }
    reader r = {.ctx = ctx, .path = path};
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *r.record, &r.record);
    if (status != PARE_OK) {
        goto fail;
    }
    r.record->ctx = ctx;
    static pare_status (*const parts[])(const reader *, node) = {
        read_head,        read_data,    read_items, read_path,    read_trace,
        read_correlation, read_results, read_proof, read_options,
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        status = parts[i](&r, (node){file, "", -1});
        if (status != PARE_OK) {
            goto fail;
        }
    }
    *out = r.record;
    r.record = NULL;
fail:
    json_decref(file);
    pare_selection_free(r.record);
    return status;
}

pare_status pare_report_read_json(pare_context *ctx, const char *path, pare_selection **out) {
    *out = NULL;
    pare_map map;
    pare_status status = pare_map_open(ctx, path, true, &map);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_report_parse_json(ctx, path, map.length > 0 ? (const char *)map.bytes : "",
                                    map.length, out);
    pare_map_close(&map);
    return status;
}
