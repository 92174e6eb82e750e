#include "problem/costs.h"
#include "base/text.h"
#include "platform/system.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 100 };

typedef struct cost_reader {
    const pare_dataset *data;
    const char *where; /* file, or "option costs" */
    int64_t line;      /* of the file; 0: a list */
    int64_t next;      /* candidate after the last found: lists mostly follow the table */
    double *column;    /* (columns) cost, 0: not named */
    double *cost;      /* (candidates) named as such, else 0 */
} cost_reader;

static pare_status refuse(const cost_reader *r, const char *at, int64_t length, const char *what) {
    char line[32] = "";
    if (r->line > 0) {
        snprintf(line, sizeof line, " line %lld", (long long)r->line);
    }
    return pare_fail(r->data->ctx, r->line > 0 ? PARE_ERROR_INPUT : PARE_ERROR_ARGUMENT,
                     "%.300s%s: '%.*s' %s", r->where, line, (int)(length < SHOWN ? length : SHOWN),
                     at, what);
}

static bool is_named(const char *name, const char *at, int64_t length) {
    return strncmp(name, at, (size_t)length) == 0 && name[length] == '\0';
}

/* Where the cost of a name belongs: a candidate, or a column inside a group; NULL if unknown. */
static double *place_of(cost_reader *r, const char *at, int64_t length) {
    const pare_dataset *data = r->data;
    int64_t c = r->next;
    if (c >= data->candidates || !is_named(data->candidate_name[c], at, length)) {
        c = pare_dataset_find(data, at, length);
    }
    if (c >= 0) {
        r->next = c + 1;
        return &r->cost[c];
    }
    for (int64_t j = 0; j < data->table.columns; j++) {
        if (data->encoding[j].feature >= 0 && is_named(data->table.column[j].name, at, length)) {
            return &r->column[j];
        }
    }
    return NULL;
}

static bool is_dropped(const pare_dataset *data, const char *at, int64_t length) {
    for (int64_t i = 0; i < data->dropped; i++) {
        if (is_named(data->dropped_name[i], at, length)) {
            return true;
        }
    }
    return false;
}

/* One "name: cost"; the last colon counts, so that a name may hold one. */
static pare_status read_piece(cost_reader *r, const char *at, int64_t length) {
    int64_t colon = length - 1;
    while (colon >= 0 && at[colon] != ':') {
        colon--;
    }
    int64_t end = colon, value = colon + 1;
    while (end > 0 && (at[end - 1] == ' ' || at[end - 1] == '\t')) {
        end--;
    }
    while (value < length && (at[value] == ' ' || at[value] == '\t')) {
        value++;
    }
    char text[64] = "";
    double cost = 0;
    if (length - value < (int64_t)sizeof text) {
        memcpy(text, at + value, (size_t)(length - value));
    }
    if (end <= 0 || !pare_parse_real(text, &cost)) {
        return refuse(r, at, length, "is not 'name: cost'");
    }
    if (!(cost > 0) || !isfinite(cost)) {
        return refuse(r, at, length, "gives a cost that is not a number above 0");
    }
    double *place = place_of(r, at, end);
    if (!place && is_dropped(r->data, at, end)) {
        return PARE_OK;
    }
    if (!place) {
        return refuse(r, at, end, "is no candidate, nor a column of one");
    }
    if (*place > 0) {
        return refuse(r, at, end, "has a cost already");
    }
    *place = cost;
    return PARE_OK;
}

static pare_status read_list(cost_reader *r, const char *list) {
    const char *item = NULL;
    int64_t length = 0;
    pare_status status = PARE_OK;
    r->where = "option costs";
    while (status == PARE_OK && pare_list_next(&list, &item, &length)) {
        status = read_piece(r, item, length);
    }
    return status;
}

static pare_status read_file(cost_reader *r, const char *path) {
    pare_map map = {0};
    pare_status status = pare_map_open(r->data->ctx, path, true, &map);
    r->where = path;
    for (int64_t at = 0; status == PARE_OK && at < map.length;) {
        const char *text = (const char *)map.bytes + at;
        const char *end = memchr(text, '\n', (size_t)(map.length - at));
        int64_t length = end ? end - text : map.length - at;
        at += length + 1;
        r->line++;
        while (length > 0 && strchr(" \t\r", text[length - 1])) {
            length--;
        }
        while (length > 0 && (*text == ' ' || *text == '\t')) {
            text++;
            length--;
        }
        status = length > 0 && *text != '#' ? read_piece(r, text, length) : PARE_OK;
    }
    pare_map_close(&map);
    return status;
}

static pare_status read_budget(pare_context *ctx, const char *text, double *out) {
    if (!pare_parse_real(text, out)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "option budget: '%.100s' is not a number, in the units of option costs",
                         text);
    }
    if (!(*out > 0) || !isfinite(*out)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "option budget: %.100s is not a number above 0",
                         text);
    }
    return PARE_OK;
}

/* The cost of each candidate: its own, or the sum over its columns. */
static void add_up(cost_reader *r) {
    const pare_dataset *data = r->data;
    for (int64_t c = 0; c < data->candidates; c++) {
        int32_t last = -1;
        double sum = 0;
        for (int64_t j = data->candidate_start[c]; j < data->candidate_start[c + 1]; j++) {
            int32_t column = data->feature[j].column;
            if (column != last) { /* features of one column stand side by side */
                sum += r->column[column] > 0 ? r->column[column] : 1;
            }
            last = column;
        }
        r->cost[c] = r->cost[c] > 0 ? r->cost[c] : sum > 0 ? sum : 1;
    }
}

pare_status pare_costs_read(const pare_dataset *data, const pare_options *options,
                            pare_costs *out) {
    pare_context *ctx = data->ctx;
    *out = (pare_costs){.ctx = ctx};
    if (!options->budget[0]) {
        return options->costs[0]
                   ? pare_fail(ctx, PARE_ERROR_ARGUMENT,
                               "option costs: there is no budget for them; give option budget")
                   : PARE_OK;
    }
    cost_reader r = {.data = data};
    double budget = 0;
    pare_status status = read_budget(ctx, options->budget, &budget);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_alloc_zero(ctx, data->table.columns, sizeof *r.column, &r.column);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc_zero(ctx, data->candidates, sizeof *r.cost, &r.cost);
    if (status != PARE_OK) {
        goto fail;
    }
    if (strchr(options->costs, ':')) {
        status = read_list(&r, options->costs);
    } else if (options->costs[0]) {
        status = read_file(&r, options->costs);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    add_up(&r);
    out->cost = r.cost;
    out->budget = budget;
    r.cost = NULL;
fail:
    pare_free(ctx, r.column);
    pare_free(ctx, r.cost);
    return status;
}

void pare_costs_clear(pare_costs *costs) {
    if (costs->ctx) {
        pare_free(costs->ctx, costs->cost);
    }
    *costs = (pare_costs){0};
}
