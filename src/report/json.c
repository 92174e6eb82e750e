/* Writes selection.json (docs/selection_json.md). Written by hand rather than through a tree of
 * values: one line an item, exact numbers, memory from the context only. */
#include "report/proof.h"
#include "report/report.h"
#include "report/values.h"
#include "select/certificate.h"

#include <math.h>

static void put_reals(pare_text *out, int64_t count, const double *value) {
    pare_text_append(out, "[");
    for (int64_t i = 0; i < count; i++) {
        pare_text_append(out, i > 0 ? ", " : "");
        pare_put_json_real(out, value[i]);
    }
    pare_text_append(out, "]");
}

static void put_texts(pare_text *out, int64_t count, char *const *text) {
    pare_text_append(out, "[");
    for (int64_t i = 0; i < count; i++) {
        pare_text_append(out, i > 0 ? ", " : "");
        pare_put_json_text(out, text[i]);
    }
    pare_text_append(out, "]");
}

static void put_data(const pare_selection *s, pare_text *out) {
    pare_text_append(out, "  \"data\": {\n    \"source\": ");
    pare_put_json_text(out, s->data_source);
    pare_text_append(out, ",\n    \"summary\": ");
    pare_put_json_text(out, s->data_summary);
    pare_text_append(out, ",\n    \"checksum\": ");
    pare_put_json_text(out, s->data_checksum);
    const struct {
        const char *name;
        int64_t value;
    } sizes[] = {
        {"rows", s->rows},           {"validation_rows", s->validation_rows},
        {"test_rows", s->test_rows}, {"candidates", s->candidates},
        {"classes", s->classes},     {"outputs", s->outputs},
        {"height", s->height},       {"width", s->width},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pare_text_append(out, ",\n    \"%s\": %lld", sizes[i].name, (long long)sizes[i].value);
    }
    pare_text_append(out, ",\n    \"targets\": ");
    put_texts(out, s->target_columns, s->target_name);
    pare_text_append(out, ",\n    \"weights\": ");
    pare_put_json_text(out, s->weight_name);
    pare_text_append(out, "\n  },\n");
}

static void put_items(const pare_selection *s, pare_text *out) {
    pare_text_append(out, "  \"items\": [");
    for (int64_t i = 0; i < s->count; i++) {
        const pare_item *item = &s->item[i];
        pare_text_append(out, "%s\n    {\"name\": ", i > 0 ? "," : "");
        pare_put_json_text(out, item->name);
        pare_text_append(out, ", \"candidate\": %lld, \"score\": ", (long long)item->candidate);
        pare_put_json_real(out, item->score);
        if (item->cost > 0) {
            pare_text_append(out, ", \"cost\": ");
            pare_put_json_real(out, item->cost);
        }
        pare_text_append(out, ", \"columns\": ");
        put_texts(out, item->columns, item->column);
        if (item->pixel_row >= 0) {
            pare_text_append(out, ", \"pixel\": [%lld, %lld]", (long long)item->pixel_row,
                             (long long)item->pixel_column);
        }
        if (item->verdict != PARE_VERDICT_UNDECIDED) {
            pare_text_append(out, ", \"verdict\": \"%s\"",
                             item->verdict == PARE_VERDICT_EVERY ? "every" : "none");
        }
        pare_text_append(out, "}");
    }
    pare_text_append(out, "%s],\n", s->count > 0 ? "\n  " : "");
}

static void put_curves(const pare_selection *s, pare_text *out) {
    pare_text_append(out, "  \"path\": [");
    for (int64_t i = 0; i < s->path_points; i++) {
        pare_text_append(out, "%s\n    {\"count\": %lld, \"score\": ", i > 0 ? "," : "",
                         (long long)s->path_count[i]);
        pare_put_json_real(out, s->path_score[i]);
        pare_text_append(out, ", \"error\": ");
        pare_put_json_real(out, s->path_error[i]);
        pare_text_append(out, "}");
    }
    pare_text_append(out,
                     "%s],\n  \"trace\": {\n    \"epoch\": ", s->path_points > 0 ? "\n  " : "");
    put_reals(out, s->trace_points, s->trace_epoch);
    pare_text_append(out, ",\n    \"loss\": ");
    put_reals(out, s->trace_points, s->trace_loss);
    pare_text_append(out, "\n  },\n  \"correlation\": ");
    if (!s->correlation) {
        pare_text_append(out, "null,\n");
        return;
    }
    pare_text_append(out, "[");
    for (int64_t i = 0; i < s->count; i++) {
        pare_text_append(out, "%s\n    ", i > 0 ? "," : "");
        put_reals(out, s->count, s->correlation + i * s->count);
    }
    pare_text_append(out, "\n  ],\n");
}

static void put_comparison(pare_text *out, const char *name, const pare_comparison *value,
                           const char *end) {
    const struct {
        const char *name;
        double value;
    } reals[] = {
        {"validation_score", value->validation_score},
        {"validation_loss", value->validation_loss},
        {"test_score", value->test_score},
        {"test_loss", value->test_loss},
        {"seconds", value->seconds},
        {"cpu_seconds", value->cpu_seconds},
    };
    pare_text_append(out, "    \"%s\": {\"candidates\": %lld", name, (long long)value->candidates);
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        pare_text_append(out, ", \"%s\": ", reals[i].name);
        pare_put_json_real(out, reals[i].value);
    }
    pare_text_append(out, "}%s\n", end);
}

static void put_options(const pare_selection *s, pare_text *out) {
    pare_text_append(out, "  \"options\": ");
    if (!s->has_options) {
        pare_text_append(out, "null\n");
        return;
    }
    pare_text_append(out, "{");
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        if (pare_option_at(i, &option) != PARE_OK || !pare_option_recorded(&option)) {
            continue;
        }
        char buffer[64];
        const char *value = pare_options_get(&s->options, i, buffer, sizeof buffer);
        pare_text_append(out, "%s\n    \"%s\": ", i > 0 ? "," : "", option.name);
        if (option.type == PARE_OPTION_TEXT || option.type == PARE_OPTION_CHOICE) {
            pare_put_json_text(out, value);
        } else {
            pare_text_append(out, "%s", value);
        }
    }
    pare_text_append(out, "\n  }\n");
}

pare_status pare_report_json(const pare_selection *s, pare_text *out) {
    const struct {
        const char *name;
        const char *value;
    } texts[] = {
        {"version", s->version},  {"created", s->created}, {"machine", s->machine},
        {"method", s->method},    {"model", s->model},     {"task", s->task},
        {"score", s->score_name},
    };
    pare_text_append(out, "{\n  \"format\": \"pare selection\",\n  \"format_version\": 1");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        pare_text_append(out, ",\n  \"%s\": ", texts[i].name);
        pare_put_json_text(out, texts[i].value);
    }
    pare_text_append(out, ",\n  \"wanted\": %lld,\n  ", (long long)s->wanted);
    if (s->budget > 0) {
        pare_text_append(out, "\"budget\": ");
        pare_put_json_real(out, s->budget);
        pare_text_append(out, ",\n  ");
    }
    pare_text_append(out, "\"stopped\": %s,\n", s->stopped ? "true" : "false");
    put_data(s, out);
    put_items(s, out);
    put_curves(s, out);
    pare_text_append(out, "  \"comparison\": {\n");
    put_comparison(out, "chosen", &s->chosen, ",");
    put_comparison(out, "all", &s->all, ",");
    put_comparison(out, "random", &s->random, "");
    pare_text_append(out, "  },\n");
    pare_report_put_proof(s, out);
    pare_text_append(out, "  \"seconds\": {\"reading\": ");
    pare_put_json_real(out, s->seconds_reading);
    pare_text_append(out, ", \"selecting\": ");
    pare_put_json_real(out, s->seconds_selecting);
    pare_text_append(out, ", \"selecting_cpu\": ");
    pare_put_json_real(out, s->cpu_selecting);
    pare_text_append(out, "},\n  \"warnings\": ");
    put_texts(out, s->warnings, s->warning);
    pare_text_append(out, ",\n");
    put_options(s, out);
    pare_text_append(out, "}\n");
    return out->status;
}
