/* The page of `pare panel`: scores beside the baselines, which gene tells which type, and how sure
 * the choice is. */
#include "report/names.h"
#include "report/page.h"
#include "report/panel.h"

#include <math.h>

enum { NAME_LIMIT = 60, LABEL = 150, TOP = 150, ROW = 20, WIDE = 1040, CELL_MOST = 64 };

static const char *const style[] = {
    ".map{max-width:1040px}\n.map text{font-size:12px}\n.map .label{font-size:13px}\n",
    ".map rect{fill:var(--accent)}\n.map .mark{fill:none;stroke:var(--ink);stroke-width:1.5}\n",
    "@media print{.map rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n",
    NULL,
};

static void put_head(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    pare_page_open(out, "Genes that tell", panel->options.label, style);
    pare_text_append(out, "<p class=\"lead\">");
    pare_page_count(out, panel->chosen);
    pare_text_append(out, " of ");
    pare_page_count(out, e->genes);
    pare_text_append(out, " genes for ");
    pare_page_count(out, e->types);
    pare_text_append(out, " types, from ");
    pare_page_count(out, e->cells);
    pare_text_append(out, " cells");
    if (e->batches > 0) {
        pare_text_append(out, " of ");
        pare_page_count(out, e->batches);
        pare_text_append(out, " batches");
    }
    pare_text_append(out, ".</p>\n</header>\n");
}

static void put_tiles(const struct pare_panel *panel, pare_text *out) {
    const char *where = panel->data.batches > 1 ? "in batches held out" : "in cells held out";
    pare_text_append(out, "<dl class=\"tiles\">\n");
    if (panel->scored) {
        pare_page_tile(out, "first", "Accuracy", panel->score[0].accuracy, where);
        pare_page_tile(out, "tile", "Macro F1", panel->score[0].f1, "every type counts the same");
        pare_page_tile(out, "tile", "R<sup>2</sup> of all genes", panel->score[0].r2,
                       "predicted from the panel");
        pare_page_tile(out, "tile", "Agreement", panel->agreement.jaccard_alike,
                       "of panels of other cells");
    } else {
        pare_page_tile(out, "first", "Left to explain", panel->gene[panel->chosen - 1].left,
                       "share of the spread of the types");
    }
    pare_text_append(out, "</dl>\n");
}

/* ---- Which gene tells which type ------------------------------------------------------------ */

static void put_box(pare_text *out, const char *kind, double x, double y, double width,
                    double fill) {
    pare_text_append(out, "<rect%s x=\"", kind);
    pare_text_append_fixed(out, x, 1);
    pare_text_append(out, "\" y=\"");
    pare_text_append_fixed(out, y, 1);
    pare_text_append(out, "\" width=\"");
    pare_text_append_fixed(out, width - 2, 1);
    pare_text_append(out, "\" height=\"%d\"", ROW - 2);
    if (fill >= 0) {
        pare_text_append(out, " fill-opacity=\"");
        pare_text_append_fixed(out, fill, 2);
        pare_text_append(out, "\"");
    }
}

static void put_row(const struct pare_panel *panel, int64_t k, double y, double width,
                    pare_text *out) {
    const pare_expression *e = &panel->data;
    const pare_panel_gene *g = &panel->gene[k];
    const double *mean = panel->mean + k * e->types;
    pare_text_append(out, "<text class=\"end label\" x=\"%d\" y=\"", LABEL - 10);
    pare_text_append_fixed(out, y + ROW - 6, 1);
    pare_text_append(out, "\">");
    pare_name_append_html(out, e->gene[g->gene], 18);
    pare_text_append(out, "</text>\n");
    for (int64_t t = 0; t < e->types; t++) {
        const double x = LABEL + width * (double)t;
        put_box(out, "", x, y, width, g->inside > 0 ? 0.04 + 0.96 * mean[t] / g->inside : 0.04);
        pare_text_append(out, "><title>");
        pare_name_append_html(out, e->gene[g->gene], NAME_LIMIT);
        pare_text_append(out, ", ");
        pare_name_append_html(out, e->type[t], NAME_LIMIT);
        pare_text_append(out, ": ");
        pare_page_number(out, mean[t]);
        pare_text_append(out, "</title></rect>\n");
    }
    put_box(out, " class=\"mark\"", LABEL + width * (double)g->type, y, width, -1);
    pare_text_append(out, "/>\n");
}

static void put_map(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    const double width = fmin((WIDE - LABEL - TOP) / (double)e->types, CELL_MOST);
    double y = TOP;
    pare_text_append(
        out,
        "<h2>Where each gene is high</h2>\n<p>Mean logarithm of a gene in the cells of "
        "a type, as a share of its largest, which is framed; genes by the type in "
        "which they are highest.</p>\n<div class=\"scroll\"><svg class=\"map\" "
        "viewBox=\"0 0 %d %lld\" role=\"img\" aria-label=\"mean of each gene in each "
        "type\">\n",
        WIDE, (long long)(TOP + ROW * panel->chosen + 4));
    for (int64_t t = 0; t < e->types; t++) {
        pare_text_append(out, "<text transform=\"translate(");
        pare_text_append_fixed(out, LABEL + width * ((double)t + 0.5), 1);
        pare_text_append(out, " %d) rotate(-45)\">", TOP - 8);
        pare_name_append_html(out, e->type[t], 24);
        pare_text_append(out, "</text>\n");
    }
    for (int64_t t = 0; t < e->types; t++) {
        for (int64_t k = 0; k < panel->chosen; k++) {
            if (panel->gene[k].type == t) {
                put_row(panel, k, y, width, out);
                y += ROW;
            }
        }
    }
    pare_text_append(out, "</svg></div>\n");
}

/* ---- Tables --------------------------------------------------------------------------------- */

static void put_scores(const struct pare_panel *panel, pare_text *out) {
    static const char *const names[PARE_PANEL_SCORES] = {
        "the panel", "as many of the most variable genes", "as many t-test markers"};
    pare_text_append(out,
                     "<h2>How good it is</h2>\n<p>%lld folds of %s. All three were chosen "
                     "anew without the cells held out, and types are told by a softmax "
                     "regression on the genes.</p>\n<div class=\"scroll\"><table><thead><tr>"
                     "<th>genes</th><th class=\"n\">accuracy</th><th class=\"n\">macro F1</th>"
                     "<th class=\"n\">R<sup>2</sup> of all genes</th></tr></thead>\n<tbody>\n",
                     (long long)panel->folds, panel->data.batches > 1 ? "whole batches" : "cells");
    for (int s = 0; s < PARE_PANEL_SCORES; s++) {
        pare_text_append(out, "<tr><th>%s</th>", names[s]);
        pare_page_number_cell(out, panel->score[s].accuracy);
        pare_page_number_cell(out, panel->score[s].f1);
        pare_page_number_cell(out, panel->score[s].r2);
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

static void put_types(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    pare_text_append(out,
                     "<h2>The types</h2>\n<div class=\"scroll\"><table><thead><tr><th>type"
                     "</th><th class=\"n\">cells</th><th class=\"n\">genes highest in it</th>"
                     "%s</tr></thead>\n<tbody>\n",
                     panel->scored ? "<th class=\"n\">F1, held out</th>" : "");
    for (int64_t t = 0; t < e->types; t++) {
        int64_t cells = 0;
        for (int64_t i = 0; i < e->cells; i++) {
            cells += e->label[i] == t;
        }
        pare_text_append(out, "<tr><th>");
        pare_page_name(out, e->type[t], NAME_LIMIT);
        pare_text_append(out, "</th><td class=\"n\">");
        pare_page_count(out, cells);
        pare_text_append(out, "</td><td class=\"n\">");
        pare_page_count(out, panel->per_type[t]);
        pare_text_append(out, "</td>");
        if (panel->scored) {
            pare_page_number_cell(out, panel->type_f1[t]);
        }
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

static void put_batches(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    pare_text_append(out,
                     "<h2>The batches</h2>\n<p>Scores of the panel in the cells of each, "
                     "%s.</p>\n<div class=\"scroll\"><table><thead><tr><th>batch</th>"
                     "<th class=\"n\">accuracy</th><th class=\"n\">macro F1</th></tr></thead>\n"
                     "<tbody>\n",
                     e->batches > 1 ? "chosen and trained on others" : "held out");
    for (int64_t b = 0; b < e->batches; b++) {
        pare_text_append(out, "<tr><th>");
        pare_page_name(out, e->batch[b], NAME_LIMIT);
        pare_text_append(out, "</th>");
        pare_page_number_cell(out, panel->by_batch[b].accuracy);
        pare_page_number_cell(out, panel->by_batch[b].f1);
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

static void put_genes(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    pare_text_append(out,
                     "<h2>The genes, in order of choice</h2>\n<p>Means are of logarithms. "
                     "Left: share of the spread of the types not yet explained. Like: largest "
                     "correlation with another gene of the panel%s.</p>\n"
                     "<div class=\"scroll\"><table><thead><tr><th class=\"n\">rank</th>"
                     "<th>gene</th><th>highest in</th><th class=\"n\">mean there</th>"
                     "<th class=\"n\">elsewhere</th><th class=\"n\">left</th>"
                     "<th class=\"n\">like</th>%s</tr></thead>\n<tbody>\n",
                     panel->scored ? ". Again: folds that chose it too" : "",
                     panel->scored ? "<th class=\"n\">again</th>" : "");
    for (int64_t k = 0; k < panel->chosen; k++) {
        const pare_panel_gene *g = &panel->gene[k];
        pare_text_append(out, "<tr><td class=\"n\">%lld</td><th>", (long long)k + 1);
        pare_page_name(out, e->gene[g->gene], NAME_LIMIT);
        pare_text_append(out, "%s</th><td>", g->had ? " (had)" : "");
        pare_page_name(out, e->type[g->type], NAME_LIMIT);
        pare_text_append(out, "</td>");
        pare_page_number_cell(out, g->inside);
        pare_page_number_cell(out, g->outside);
        pare_page_number_cell(out, g->left);
        pare_page_number_cell(out, g->like);
        if (panel->scored) {
            pare_text_append(out, "<td class=\"n\">%.0f %%</td>", 100 * g->again);
        }
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

static void put_facts(const struct pare_panel *panel, pare_text *out) {
    const pare_agreement *a = &panel->agreement;
    if (panel->scored) {
        pare_text_append(
            out, "<h2>How sure the choice is</h2>\n<p>Agreement of the panels of the "
                 "folds, which share most of their cells. Panels that differ can be equally "
                 "good: genes whose means over the types correlate by more than 0.9 stand "
                 "for each other in the second line.</p>\n"
                 "<table class=\"facts\"><tbody>\n");
        pare_page_number_row(out, "Jaccard", a->jaccard);
        pare_page_number_row(out, "Jaccard, genes of the same profile as one", a->jaccard_alike);
        pare_page_number_row(out, "Kuncheva (0: chance)", a->kuncheva);
        pare_page_number_row(out, "Nogueira (0: chance)", a->nogueira);
        pare_text_append(out, "</tbody></table>\n");
    }
    pare_text_append(out,
                     "<h2>How it was done</h2>\n<table class=\"facts\"><tbody>\n"
                     "<tr><th>values</th><td>%s</td></tr>\n<tr><th>chosen by</th><td>%s</td></tr>\n"
                     "<tr><th>types</th><td>%s</td></tr>\n",
                     panel->normalised ? "counts, scaled to 10,000 a cell; logarithms of 1 + x"
                                       : "as in the file, taken for logarithms",
                     panel->way.name,
                     panel->options.balanced ? "count alike, small ones at most four times"
                                             : "count by their cells");
    pare_page_number_row(out, "mean correlation of two genes", panel->like);
    pare_text_append(out, "<tr><th>seed</th><td>%lld</td></tr>\n</tbody></table>\n",
                     (long long)panel->options.seed);
}

pare_status pare_panel_page(const struct pare_panel *panel, pare_text *out) {
    put_head(panel, out);
    put_tiles(panel, out);
    if (panel->scored) {
        put_scores(panel, out);
    }
    put_map(panel, out);
    put_genes(panel, out);
    put_types(panel, out);
    if (panel->scored && panel->data.batches > 0) {
        put_batches(panel, out);
    }
    put_facts(panel, out);
    pare_page_close(out);
    return out->status;
}
