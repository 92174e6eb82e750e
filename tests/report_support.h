/* Selections made by hand, for the tests of the report. */
#ifndef PARE_TESTS_REPORT_SUPPORT_H
#define PARE_TESTS_REPORT_SUPPORT_H

#include "support.h"

#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "base/text.h"
#include "select/selection.h"

typedef struct sample_shape {
    int64_t count, candidates;
    int64_t height, width; /* images; else 0 */
    bool bare;             /* everything that may be absent is absent */
} sample_shape;

/* Names no reader of terminals, JSON, HTML or CSV should stumble over. */
static const char *const hostile_names[] = {
    "<script>alert(1)</script>",
    "a \"quoted\" & 'single' name",
    "back\\slash/slash",
    "tab\there",
    "line\nbreak",
    "\x1b[31mred",
    "bad \xff\xfe utf-8",
    "\xE2\x80\xAEright to left",
    "\xD7\xA2\xD7\x91\xD7\xA8\xD7\x99\xD7\xAA",
    "\xE6\x9D\xB1\xE4\xBA\xAC\xE3\x81\xAE\xE5\xA4\xA9\xE6\xB0\x97",
    "plane 16: \xF4\x8F\xB8\xA2",
    "]]>-->",
    " blanks ",
    "comma, semicolon; tab",
    "",
    "a name so long that nobody would ever have typed it in, but a program that joins three tables "
    "writes one like this into every header it meets, without a blank at the end_of_the_name_here",
};
enum { HOSTILE_COUNT = sizeof hostile_names / sizeof hostile_names[0] };

static inline double sample_normal(int64_t index) {
    return (double)pare_random_normal(3, PARE_STREAM_TEST, (uint64_t)index);
}

static inline pare_status sample_copy(pare_context *ctx, const char *text, char **out) {
    return pare_text_copy(ctx, text, (int64_t)strlen(text), out);
}

static inline pare_status sample_item(pare_context *ctx, sample_shape shape, int64_t i,
                                      pare_item *item) {
    char name[64];
    const char *text = name;
    snprintf(name, sizeof name, "column_%03d_N", (int)(i * 7 % 1000));
    item->candidate = i * 7 % shape.candidates;
    item->score = exp(-(double)i / (double)shape.count) * (1 + 0.1 * sample_normal(i)) / 3;
    item->pixel_row = item->pixel_column = -1;
    if (shape.height > 0) {
        /* A ring, as digits would give. */
        double angle = 2.399963 * (double)i;
        double radius = 0.36 * sqrt(((double)i + 1) / (double)shape.count);
        item->pixel_row = (int64_t)((0.5 + radius * sin(angle)) * (double)shape.height);
        item->pixel_column = (int64_t)((0.5 + radius * cos(angle)) * (double)shape.width);
        snprintf(name, sizeof name, "pixel_%d_%d", (int)item->pixel_row, (int)item->pixel_column);
    } else if (i % 3 == 2 && i / 3 < HOSTILE_COUNT) {
        text = hostile_names[i / 3];
    }
    pare_status status = sample_copy(ctx, text, &item->name);
    int64_t columns = shape.height == 0 && i % 5 == 4 ? 3 : 1;
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, columns, sizeof(char *), &item->column);
    }
    for (; status == PARE_OK && item->columns < columns; item->columns++) {
        char part[256];
        snprintf(part, sizeof part, columns > 1 ? "%s.%d" : "%s", text, (int)item->columns);
        status = sample_copy(ctx, part, &item->column[item->columns]);
    }
    return status;
}

static inline pare_status sample_curves(pare_selection *s) {
    enum { POINTS = 64, TRACE = 200 };
    pare_context *ctx = s->ctx;
    int64_t points = s->count < POINTS ? s->count : POINTS;
    pare_status status = pare_alloc(ctx, points, sizeof(int64_t), &s->path_count);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, points, sizeof(double), &s->path_score);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, points, sizeof(double), &s->path_error);
    }
    for (int64_t i = 0; status == PARE_OK && i < points; i++) {
        double share = (double)(i + 1) / (double)points;
        s->path_count[i] = (i + 1) * s->count / points;
        s->path_score[i] = 0.93 - 0.6 * exp(-6 * share) + 0.003 * sample_normal(500 + i);
        s->path_error[i] = 0.015;
        s->path_points = i + 1;
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, TRACE, sizeof(double), &s->trace_epoch);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, TRACE, sizeof(double), &s->trace_loss);
    }
    for (int64_t i = 0; status == PARE_OK && i < TRACE; i++) {
        s->trace_epoch[i] = 0.25 * (double)i;
        s->trace_loss[i] = 0.2 + 2 * exp(-(double)i / 30) + 0.02 * sample_normal(900 + i);
        s->trace_points = i + 1;
    }
    if (status == PARE_OK && s->count <= 100) {
        status = pare_alloc(ctx, s->count * s->count, sizeof(double), &s->correlation);
    }
    for (int64_t i = 0; status == PARE_OK && s->correlation && i < s->count; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double value = tanh(0.7 * sample_normal(2000 + i * 100 + j));
            value = i == j ? 1 : value / (1 + 0.05 * (double)(i - j));
            s->correlation[i * s->count + j] = s->correlation[j * s->count + i] = value;
        }
    }
    return status;
}

static inline pare_status sample_texts(pare_selection *s, sample_shape shape) {
    pare_context *ctx = s->ctx;
    const struct {
        const char *text;
        char **out;
    } texts[] = {
        {"sequential-attention", &s->method},
        {"mlp", &s->model},
        {"multiclass", &s->task},
        {"accuracy", &s->score_name},
        {"some/where/<mice> & men.csv.gz", &s->data_source},
        {"1080 rows x 77 columns, 8 classes; 135 rows held out", &s->data_summary},
        {"0123456789abcdef", &s->data_checksum},
        {"0.1.0", &s->version},
        {"A processor, avx512, 2 threads", &s->machine},
        {"2024-05-01T12:00:00Z", &s->created},
        {"weight \"w\"", &s->weight_name},
    };
    pare_status status = PARE_OK;
    for (size_t i = 0; status == PARE_OK && i < sizeof texts / sizeof texts[0]; i++) {
        status = sample_copy(ctx, texts[i].text, texts[i].out);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 2, sizeof(char *), &s->target_name);
    }
    if (status == PARE_OK) {
        status = sample_copy(ctx, "class", &s->target_name[0]);
        s->target_columns = status == PARE_OK;
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 2, sizeof(char *), &s->warning);
    }
    for (int64_t i = 0; status == PARE_OK && i < 2 && shape.height == 0; i++) {
        status = sample_copy(ctx,
                             i ? "column '<b>' has only missing values and is left out"
                               : "column 'H3MeK4_N' is constant on the training rows",
                             &s->warning[i]);
        s->warnings = status == PARE_OK ? i + 1 : i;
    }
    if (status == PARE_OK) {
        status = pare_options_init(ctx, &s->options);
        s->has_options = status == PARE_OK;
    }
    const char *const set[][2] = {{"k", "10"},
                                  {"target", "class"},
                                  {"validation", "0.1"},
                                  {"learning-rate", "0.0012345678901234567"},
                                  {"ignore", "<script>, \xff, \"x\""}};
    for (size_t i = 0; status == PARE_OK && i < sizeof set / sizeof set[0]; i++) {
        status = pare_options_set(&s->options, set[i][0], set[i][1]);
    }
    return status;
}

/* A selection with every field filled, or (bare) with as little as there can be. */
static inline pare_status sample_selection(pare_context *ctx, sample_shape shape,
                                           pare_selection **out) {
    *out = NULL;
    pare_selection *s = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    s->ctx = ctx;
    s->candidates = shape.candidates;
    s->wanted = shape.count;
    s->height = shape.height;
    s->width = shape.width;
    s->chosen = s->all = s->random = (pare_comparison){NAN, NAN, NAN, NAN, 0, 0, 0};
    status = pare_alloc_zero(ctx, shape.count, sizeof *s->item, &s->item);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, shape.count, sizeof *s->number, &s->number);
    }
    for (int64_t i = 0; status == PARE_OK && i < shape.count; i++) {
        s->count = i + 1;
        status = sample_item(ctx, shape, i, &s->item[i]);
        s->number[i] = s->item[i].candidate;
    }
    if (status == PARE_OK && !shape.bare) {
        s->chosen = (pare_comparison){0.928, 0.21, 0.931, 0.22, 0.8, 0.8, shape.count};
        s->all = (pare_comparison){0.951, 0.12, 0.949, 0.15, 1.7, 1.7, shape.candidates};
        s->random = (pare_comparison){0.802, 0.62, 0.795, 0.66, 0.8, 0.8, shape.count};
        s->rows = 60000;
        s->validation_rows = 7500;
        s->test_rows = 10000;
        s->classes = s->outputs = 8;
        s->seconds_reading = 0.21;
        s->seconds_selecting = 3.08;
        s->cpu_selecting = 5.93;
        status = sample_texts(s, shape);
    }
    if (status == PARE_OK && !shape.bare) {
        status = sample_curves(s);
    }
    if (status != PARE_OK) {
        pare_selection_free(s);
        return status;
    }
    *out = s;
    return PARE_OK;
}

#endif
