/* An embedding plan as an HTML page. */
#include "report/embed_report.h"

#include "report/page.h"
#include "report/values.h"

enum { NAME_LIMIT = 80 };

static void html_score(pare_text *out, const char *name, const pare_embed_score *score) {
    pare_text_append(out, "<tr><th scope=\"row\">%s</th><td>", name);
    pare_put_fixed(out, score->log_loss, 5);
    pare_text_append(out, "</td><td>");
    pare_put_fixed(out, score->auc, 5);
    pare_text_append(out, "</td><td>");
    pare_put_fixed(out, score->cpu, 2);
    pare_text_append(out, "</td></tr>\n");
}

/* What one more row of the resource table says. */
static void put_share(pare_text *out, int64_t cost, int64_t all) {
    pare_text_append(out, "<td>");
    if (all > 0) {
        pare_put_fixed(out, 100 * (double)cost / (double)all, 1);
        pare_text_append(out, " %%");
    }
    pare_text_append(out, "</td>");
}

static const char *resource_word(int resource) {
    int64_t unit = 0;
    return pare_resource_word((pare_resource)resource, &unit);
}

/* Of a resource, in the unit of its word. */
static void put_amount(pare_text *out, int resource, int64_t amount) {
    char text[PARE_EMBED_AMOUNT_SIZE];
    int64_t unit = 0;
    (void)pare_resource_word((pare_resource)resource, &unit);
    if (unit == 1 && amount < INT64_MAX) {
        pare_page_count(out, amount);
    } else {
        pare_text_append(out, "%s", pare_embed_amount_text(resource, amount, text));
    }
}

/* What leaving the field out would save, of a resource; groups count where it is the only one. */
static void save_of(const pare_embed *e, int64_t f, uint8_t *scratch, int64_t *saved) {
    int64_t width = e->serving.chunks + 1, cost[PARE_RESOURCES];
    memcpy(scratch, e->keep, (size_t)e->candidates);
    memset(scratch + f * width, 0, (size_t)width);
    pare_serving_cost(&e->serving, scratch, cost);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        saved[r] = e->cost[r] - cost[r];
    }
}

static void put_chunks(const pare_embed *e, int64_t f, pare_text *out) {
    int64_t at = f * (e->serving.chunks + 1);
    pare_text_append(out, "<td>");
    for (int64_t c = 0; c <= e->serving.chunks; c++) {
        pare_text_append(out, c > 0 ? " | " : "");
        if (e->keep[at + c]) {
            pare_put_fixed(out, e->gain[at + c], 4);
        } else {
            pare_text_append(out, "-");
        }
    }
    pare_text_append(out, "</td>");
}

static void html_kept(const pare_embed *e, uint8_t *scratch, pare_text *out) {
    pare_text_append(out, "<section><h2>Kept fields</h2>\n<p>Costs are what leaving the field out "
                          "would save. Gain: in all, then of the linear weight and of each chunk "
                          "of the vector, in the unit of the method; -: not kept.</p>\n"
                          "<div class=\"scroll\"><table><thead><tr><th>field</th><th>kind</th>"
                          "<th>rows</th><th>floats</th>");
    for (int r = 0; r < PARE_RESOURCES; r++) {
        if (e->full_cost[r] > 0) {
            pare_text_append(out, "<th>%s</th>", resource_word(r));
        }
    }
    pare_text_append(out, "<th>gain</th><th>linear | chunks</th></tr></thead>\n<tbody>\n");
    for (int64_t f = 0; f < e->fields.count; f++) {
        pare_embed_facts facts = pare_embed_facts_of(e, f);
        int64_t saved[PARE_RESOURCES];
        if (!facts.kept) {
            continue;
        }
        pare_text_append(out, "<tr><th scope=\"row\">");
        pare_page_name(out, e->fields.field[f].name, NAME_LIMIT);
        pare_text_append(out, "</th><td>%s</td><td>", pare_embed_kind_word(&e->fields.field[f]));
        pare_page_count(out, e->size[f]);
        pare_text_append(out, "</td><td>%lld</td>", (long long)facts.dimension);
        save_of(e, f, scratch, saved);
        for (int r = 0; r < PARE_RESOURCES; r++) {
            if (e->full_cost[r] > 0) {
                pare_text_append(out, "<td>");
                put_amount(out, r, saved[r]);
                pare_text_append(out, "</td>");
            }
        }
        pare_text_append(out, "<td>");
        pare_put_fixed(out, facts.gain, 4);
        pare_text_append(out, "</td>");
        put_chunks(e, f, out);
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div></section>\n");
}

static void html_dropped(const pare_embed *e, pare_text *out) {
    char reason[PARE_EMBED_REASON_SIZE];
    int64_t dropped = 0;
    for (int64_t f = 0; f < e->fields.count; f++) {
        dropped += !pare_embed_facts_of(e, f).kept;
    }
    if (dropped == 0) {
        return;
    }
    pare_text_append(out, "<section><h2>Dropped fields</h2>\n<table><thead><tr><th>field</th>"
                          "<th>kind</th><th>rows</th><th>gain</th><th>reason</th></tr></thead>\n"
                          "<tbody>\n");
    for (int64_t f = 0; f < e->fields.count; f++) {
        pare_embed_facts facts = pare_embed_facts_of(e, f);
        if (facts.kept) {
            continue;
        }
        pare_text_append(out, "<tr><th scope=\"row\">");
        pare_page_name(out, e->fields.field[f].name, NAME_LIMIT);
        pare_text_append(out, "</th><td>%s</td><td>", pare_embed_kind_word(&e->fields.field[f]));
        pare_page_count(out, e->size[f]);
        pare_text_append(out, "</td><td>");
        pare_put_fixed(out, facts.gain, 4);
        pare_text_append(out, "</td><td class=\"text\">%s</td></tr>\n",
                         pare_embed_reason_of(e, f, reason));
    }
    pare_text_append(out, "</tbody></table></section>\n");
}

static void html_latency(const pare_embed *e, pare_text *out) {
    const pare_field_time *predicted = &e->latency.predicted, *measured = &e->latency.measured;
    const double row[2][2] = {{predicted->half, measured->half}, {predicted->most, measured->most}};
    if (e->latency.rates.rounds == 0 || e->window) {
        return;
    }
    pare_text_append(out, "<section><h2>Latency</h2>\n<p>Microseconds of scoring one row on the "
                          "machine that made the plan, ids in hand.</p>\n<table><thead><tr><th>"
                          "quantile</th><th>predicted</th><th>measured</th></tr></thead>\n<tbody>");
    for (int i = 0; i < 2; i++) {
        pare_text_append(out, "<tr><th scope=\"row\">%s</th><td>", i == 0 ? "p50" : "p99");
        pare_put_fixed(out, 1e6 * row[i][0], 3);
        pare_text_append(out, "</td><td>");
        pare_put_fixed(out, 1e6 * row[i][1], 3);
        pare_text_append(out, "</td></tr>\n");
    }
    pare_text_append(out, "</tbody></table></section>\n");
}

/* The lines that `write` writes, as a list; nothing where there are none. */
static void html_lines(const pare_embed *e, const char *title,
                       void (*write)(const pare_embed *e, pare_text *out), pare_text *out) {
    pare_text text = {.ctx = out->ctx};
    write(e, &text);
    out->status = text.status != PARE_OK ? text.status : out->status;
    if (text.length == 0) {
        pare_text_clear(&text);
        return;
    }
    pare_text_append(out, "<section><h2>%s</h2>\n<ul>\n", title);
    for (char *line = text.bytes; line && text.status == PARE_OK && *line;) {
        size_t length = strcspn(line, "\n");
        bool last = line[length] == '\0';
        line[length] = '\0';
        if (length > 0) {
            pare_text_append(out, "<li>");
            pare_page_name(out, line, (int64_t)length);
            pare_text_append(out, "</li>\n");
        }
        line += length + !last;
    }
    pare_text_append(out, "</ul></section>\n");
    pare_text_clear(&text);
}

void pare_embed_report_html(const pare_embed *e, pare_text *out) {
    char model[64], method[64];
    uint8_t *scratch = NULL;
    pare_text_append(out,
                     "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n"
                     "<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
                     "content=\"width=device-width, initial-scale=1\"/>\n"
                     "<title>Embedding plan</title>\n<style>\n");
    for (int64_t i = 0; pare_page_style[i]; i++) {
        pare_text_append(out, "%s", pare_page_style[i]);
    }
    pare_text_append(out,
                     "</style>\n</head>\n<body>\n<main>\n<header><h1>Embedding plan</h1>\n"
                     "<p class=\"lead\">%s, chosen by %s from ",
                     pare_embed_option_word(e, "embed-model", model, sizeof model),
                     pare_embed_option_word(e, "embed-method", method, sizeof method));
    pare_page_name(out, e->fields.source, NAME_LIMIT);
    pare_text_append(out, ".</p></header>\n<section><h2>Held-out rows</h2>\n<table><thead><tr>"
                          "<th>model</th><th>log loss</th><th>AUC</th><th>CPU seconds</th></tr>"
                          "</thead>\n<tbody>\n");
    html_score(out, "plan", &e->chosen);
    html_score(out, "all", &e->full);
    pare_text_append(
        out,
        "</tbody></table></section>\n<section><h2>Cost</h2>\n<table><thead><tr>"
        "<th>resource</th><th>plan</th><th>budget</th><th>all</th><th>plan of all</th></tr></thead>"
        "\n<tbody>\n");
    for (int r = 0; r < PARE_RESOURCES; r++) {
        if (e->full_cost[r] == 0) {
            continue;
        }
        pare_text_append(out, "<tr><th scope=\"row\">%s</th><td>", resource_word(r));
        put_amount(out, r, e->cost[r]);
        pare_text_append(out, "</td><td>");
        put_amount(out, r, e->serving.limit[r]);
        pare_text_append(out, "</td><td>");
        put_amount(out, r, e->full_cost[r]);
        pare_text_append(out, "</td>");
        put_share(out, e->cost[r], e->full_cost[r]);
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></section>\n");
    html_lines(e, "As loaded", pare_embed_loaded_text, out);
    html_lines(e, "Certificate", pare_embed_certificate_text, out);
    html_latency(e, out);
    if (e->points > 0) {
        pare_embed_curve_html(e, out);
    }
    if (out->status == PARE_OK) {
        out->status = pare_alloc(out->ctx, e->candidates, 1, &scratch);
    }
    if (out->status == PARE_OK) {
        html_kept(e, scratch, out);
    }
    pare_free(out->ctx, scratch);
    html_dropped(e, out);
    html_lines(e, "Hashed fields", pare_embed_hashed_text, out);
    if (e->window) {
        html_lines(e, "Changes", pare_embed_window_text, out);
    }
    pare_text_append(out, "<footer>Made by pare %d.%d.%d.</footer>\n</main>\n</body>\n</html>\n",
                     PARE_VERSION_MAJOR, PARE_VERSION_MINOR, PARE_VERSION_PATCH);
}
