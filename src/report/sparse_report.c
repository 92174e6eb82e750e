#include "report/sparse_report.h"

#include "report/chart.h"
#include "report/page.h"
#include "report/values.h"

#include <math.h>
#include <stdio.h>

enum { NAME_LIMIT = 80, WORD_SIZE = 64 };

static const char *option_word(const pare_sparse *s, const char *name, char buffer[WORD_SIZE]) {
    return pare_options_get(&s->options, pare_option_index(name), buffer, WORD_SIZE);
}

static const char *score_name(const pare_sparse *s) {
    return s->train->label ? "accuracy" : "R squared";
}

/* Every score there is: who, on which rows. */
typedef struct score_row {
    const char *who, *rows;
    const pare_network_score *score;
    const pare_network_run *run;
} score_row;

static int list_scores(const pare_sparse *s, score_row out[4]) {
    const score_row all[4] = {{"sparse", "validation", &s->sparse.validation, &s->sparse},
                              {"dense", "validation", &s->dense.validation, &s->dense},
                              {"sparse", "test", &s->sparse.test, &s->sparse},
                              {"dense", "test", &s->dense.test, &s->dense}};
    int count = 0;
    for (int i = 0; i < 4; i++) {
        if (all[i].score->rows > 0) {
            out[count++] = all[i];
        }
    }
    return count;
}

/* Input features of which the network reads nothing any more. */
static bool feature_unused(const pare_sparse *s, int64_t feature) {
    const pare_network_layer *l = &s->layer[0];
    const uint8_t *row = l->keep ? l->keep + feature / s->layout.rows * l->wide : NULL;
    for (int64_t c = 0; row && c < l->wide; c++) {
        if (row[c]) {
            return false;
        }
    }
    return row != NULL;
}

static bool candidate_unused(const pare_sparse *s, int64_t candidate) {
    const pare_dataset *data = s->train;
    for (int64_t j = data->candidate_start[candidate]; j < data->candidate_start[candidate + 1];
         j++) {
        if (!feature_unused(s, j)) {
            return false;
        }
    }
    return true;
}

static int64_t count_unused(const pare_sparse *s) {
    int64_t count = 0;
    for (int64_t c = 0; c < s->train->candidates; c++) {
        count += candidate_unused(s, c);
    }
    return count;
}

/* ---- Text ------------------------------------------------------------------------------------ */

void pare_sparse_report_text(const pare_sparse *s, pare_text *out) {
    char word[WORD_SIZE];
    score_row row[4];
    int rows = list_scores(s, row);
    pare_text_append(out,
                     "%s\nblocks of %lld x %lld chosen by %s while training: ", s->train->summary,
                     (long long)s->layout.rows, (long long)s->layout.columns,
                     option_word(s, "block-method", word));
    pare_put_fixed(out, s->epochs, 2);
    pare_text_append(out, " epochs, batches of %lld\n\n%-8s %-14s %10s %10s\n", (long long)s->batch,
                     "layer", "size", "blocks", "kept");
    for (int64_t i = 0; i < s->layers; i++) {
        const pare_network_layer *l = &s->layer[i];
        char size[48];
        snprintf(size, sizeof size, "%lld x %lld", (long long)l->inputs, (long long)l->outputs);
        pare_text_append(out, "%-8lld %-14s ", (long long)i + 1, size);
        if (l->keep) {
            pare_text_append(out, "%10lld %10lld\n", (long long)(l->high * l->wide),
                             (long long)l->kept);
        } else {
            pare_text_append(out, "%10s %10s\n", "-", "all");
        }
    }
    pare_text_append(out,
                     "\nparameters: %lld of %lld\ninputs no block reads: %lld of %lld\n\n%-8s "
                     "%-12s %8s %10s %10s %8s %12s\n",
                     (long long)s->kept_parameters, (long long)s->parameters,
                     (long long)count_unused(s), (long long)s->train->candidates, "network", "rows",
                     "count", "loss", score_name(s), "AUC", "CPU seconds");
    for (int i = 0; i < rows; i++) {
        pare_text_append(out, "%-8s %-12s %8lld     ", row[i].who, row[i].rows,
                         (long long)row[i].score->rows);
        pare_put_fixed(out, row[i].score->loss, 5);
        pare_text_append(out, "    ");
        pare_put_fixed(out, row[i].score->score, 5);
        pare_text_append(out, "  ");
        pare_put_fixed(out, row[i].score->auc, 5);
        pare_text_append(out, "        ");
        pare_put_fixed(out, row[i].run->cpu_seconds, 2);
        pare_text_append(out, "\n");
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_member(pare_text *out, const char *name, double value) {
    pare_text_append(out, "\"%s\": ", name);
    pare_put_json_real(out, value);
}

static void json_layer(const pare_network_layer *l, pare_text *out) {
    pare_text_append(out, "    {\"inputs\": %lld, \"outputs\": %lld", (long long)l->inputs,
                     (long long)l->outputs);
    if (l->keep) {
        pare_text_append(out, ", \"blocks\": %lld, \"kept\": %lld, \"mask\": [",
                         (long long)(l->high * l->wide), (long long)l->kept);
        for (int64_t r = 0; r < l->high; r++) {
            pare_text_append(out, r > 0 ? ",\n      \"" : "\n      \"");
            for (int64_t c = 0; c < l->wide; c++) {
                pare_text_append(out, l->keep[r * l->wide + c] ? "1" : "0");
            }
            pare_text_append(out, "\"");
        }
        pare_text_append(out, "]");
    }
    pare_text_append(out, "}");
}

static void json_names(const pare_sparse *s, pare_text *out) {
    const char *separator = "";
    pare_text_append(out, "  \"unused_inputs\": [");
    for (int64_t c = 0; c < s->train->candidates; c++) {
        if (candidate_unused(s, c)) {
            pare_text_append(out, "%s", separator);
            pare_put_json_text(out, s->train->candidate_name[c]);
            separator = ", ";
        }
    }
    pare_text_append(out, "],\n  \"classes\": [");
    for (int64_t c = 0; s->train->label && c < s->train->classes; c++) {
        pare_text_append(out, c > 0 ? ", " : "");
        pare_put_json_text(out, s->train->class_name[c]);
    }
    pare_text_append(out, "],\n");
}

void pare_sparse_report_json(const pare_sparse *s, pare_text *out) {
    char word[WORD_SIZE];
    score_row row[4];
    int rows = list_scores(s, row);
    pare_text_append(out, "{\n  \"pare_network\": 1,\n  \"data\": ");
    pare_put_json_text(out, s->train->table.source ? s->train->table.source : "");
    pare_text_append(out, ",\n  \"method\": \"%s\",\n", option_word(s, "block-method", word));
    pare_text_append(out, "  \"activation\": \"%s\",\n", option_word(s, "activation", word));
    pare_text_append(out, "  \"block\": [%lld, %lld],\n  ", (long long)s->layout.rows,
                     (long long)s->layout.columns);
    json_member(out, "sparsity", s->options.sparsity);
    pare_text_append(out, ",\n  ");
    json_member(out, "epochs", s->epochs);
    pare_text_append(out, ",\n  ");
    json_member(out, "learning_rate", s->rate);
    pare_text_append(out,
                     ",\n  \"batch\": %lld,\n  \"seed\": %lld,\n  \"parameters\": %lld,\n"
                     "  \"kept_parameters\": %lld,\n",
                     (long long)s->batch, (long long)s->options.seed, (long long)s->parameters,
                     (long long)s->kept_parameters);
    json_names(s, out);
    pare_text_append(out, "  \"layers\": [\n");
    for (int64_t i = 0; i < s->layers; i++) {
        json_layer(&s->layer[i], out);
        pare_text_append(out, i + 1 < s->layers ? ",\n" : "\n");
    }
    pare_text_append(out, "  ],\n  \"scores\": [\n");
    for (int i = 0; i < rows; i++) {
        pare_text_append(out, "    {\"network\": \"%s\", \"rows\": \"%s\", \"count\": %lld, ",
                         row[i].who, row[i].rows, (long long)row[i].score->rows);
        json_member(out, "loss", row[i].score->loss);
        pare_text_append(out, ", ");
        json_member(out, s->train->label ? "accuracy" : "r_squared", row[i].score->score);
        pare_text_append(out, ", ");
        json_member(out, "auc", row[i].score->auc);
        pare_text_append(out, ", ");
        json_member(out, "cpu_seconds", row[i].run->cpu_seconds);
        pare_text_append(out, i + 1 < rows ? "},\n" : "}\n");
    }
    pare_text_append(out, "  ]\n}\n");
}

/* ---- HTML ------------------------------------------------------------------------------------ */

/* The blocks of a matrix that are left: inputs from top to bottom, units from left to right. */
static void html_blocks(const pare_network_layer *l, int64_t number, pare_text *out) {
    double cell = (double)PARE_CHART_WIDTH / (double)l->wide;
    double tall = fmin(cell, 2.0 * PARE_CHART_WIDTH / (double)l->high);
    pare_text_append(out,
                     "<figure><figcaption><h2>Layer %lld</h2>\n<p>%lld of %lld blocks are left: "
                     "inputs from top to bottom, units from left to right.</p></figcaption>\n"
                     "<svg viewBox=\"0 0 %d ",
                     (long long)number, (long long)l->kept, (long long)(l->high * l->wide),
                     (int)PARE_CHART_WIDTH);
    pare_text_append_fixed(out, tall * (double)l->high, 1);
    pare_text_append(out,
                     "\" role=\"img\"><title>Blocks of layer %lld</title>\n"
                     "<path fill=\"currentColor\" d=\"",
                     (long long)number);
    for (int64_t g = 0; g < l->high * l->wide; g++) {
        if (!l->keep[g]) {
            continue;
        }
        pare_svg_number(out, "M", cell * (double)(g % l->wide));
        pare_svg_number(out, " ", tall * (double)(g / l->wide));
        pare_svg_number(out, "h", cell);
        pare_svg_number(out, "v", tall);
        pare_svg_number(out, "h", -cell);
        pare_text_append(out, "z");
    }
    pare_text_append(out, "\"/></svg></figure>\n");
}

static void html_trace(const pare_sparse *s, const char *title, const double *y, pare_text *out) {
    const pare_sparsified *a = &s->answer;
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < a->trace; i++) {
        low = fmin(low, y[i]);
        high = fmax(high, y[i]);
    }
    if (a->trace < 2 || !(high > low)) {
        return;
    }
    pare_text_append(out,
                     "<figure><figcaption><h2>%s</h2></figcaption>\n<svg viewBox=\"0 0 %d %d\" "
                     "role=\"img\"><title>%s</title>\n",
                     title, (int)PARE_CHART_WIDTH, (int)PARE_CHART_HEIGHT, title);
    pare_chart chart = pare_chart_of(out, 16, 0, a->trace_epoch[a->trace - 1], low, high);
    pare_chart_axes(&chart, "epochs", false, NULL);
    pare_chart_line(&chart, "line", a->trace, a->trace_epoch, y);
    pare_text_append(out, "</svg></figure>\n");
}

static void html_scores(const pare_sparse *s, pare_text *out) {
    score_row row[4];
    int rows = list_scores(s, row);
    pare_text_append(out,
                     "<section><h2>Scores</h2>\n<table><thead><tr><th>network</th><th>rows</th>"
                     "<th>count</th><th>loss</th><th>%s</th><th>AUC</th><th>CPU seconds</th></tr>"
                     "</thead>\n<tbody>\n",
                     score_name(s));
    for (int i = 0; i < rows; i++) {
        pare_text_append(out, "<tr><th scope=\"row\">%s</th><td>%s</td><td>", row[i].who,
                         row[i].rows);
        pare_page_count(out, row[i].score->rows);
        const double values[] = {row[i].score->loss, row[i].score->score, row[i].score->auc};
        for (int v = 0; v < 3; v++) {
            pare_text_append(out, "</td><td>");
            pare_put_fixed(out, values[v], 5);
        }
        pare_text_append(out, "</td><td>");
        pare_put_fixed(out, row[i].run->cpu_seconds, 2);
        pare_text_append(out, "</td></tr>\n");
    }
    pare_text_append(out, "</tbody></table></section>\n");
}

void pare_sparse_report_html(const pare_sparse *s, pare_text *out) {
    char word[WORD_SIZE];
    pare_text_append(out,
                     "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n"
                     "<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
                     "content=\"width=device-width, initial-scale=1\"/>\n"
                     "<title>Block-sparse network</title>\n<style>\n");
    for (int64_t i = 0; pare_page_style[i]; i++) {
        pare_text_append(out, "%s", pare_page_style[i]);
    }
    pare_text_append(out,
                     "</style>\n</head>\n<body>\n<main>\n<header><h1>Block-sparse network</h1>\n"
                     "<p class=\"lead\">Blocks of %lld x %lld weights chosen by %s while training "
                     "on ",
                     (long long)s->layout.rows, (long long)s->layout.columns,
                     option_word(s, "block-method", word));
    pare_page_name(out, s->train->table.source, NAME_LIMIT);
    pare_text_append(out, "; ");
    pare_page_count(out, s->kept_parameters);
    pare_text_append(out, " of ");
    pare_page_count(out, s->parameters);
    pare_text_append(out, " parameters are left, and ");
    pare_page_count(out, count_unused(s));
    pare_text_append(out, " of ");
    pare_page_count(out, s->train->candidates);
    pare_text_append(out, " inputs are not read.</p></header>\n");
    html_scores(s, out);
    pare_text_append(out, "<div class=\"figures\">\n");
    for (int64_t i = 0; i < s->layers; i++) {
        if (s->layer[i].keep) {
            html_blocks(&s->layer[i], i + 1, out);
        }
    }
    html_trace(s, "Share of the blocks in use", s->answer.trace_kept, out);
    html_trace(s, "Training loss", s->answer.trace_loss, out);
    pare_text_append(out,
                     "</div>\n<footer>Made by pare %d.%d.%d.</footer>\n</main>\n</body>\n</html>\n",
                     PARE_VERSION_MAJOR, PARE_VERSION_MINOR, PARE_VERSION_PATCH);
}
