#include "report/panel.h"
#include "report/values.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

void pare_panel_report(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    pare_text_append(out, "%lld cells, %lld genes, %lld types%s; chosen by %s\n\n",
                     (long long)e->cells, (long long)e->genes, (long long)e->types,
                     panel->normalised ? ", counts scaled and logarithms taken" : "",
                     panel->way.name);
    pare_text_append(out, "%4s %-16s %-28s %8s %8s %8s\n", "rank", "gene", "highest in", "there",
                     "else", "left");
    for (int64_t k = 0; k < panel->chosen; k++) {
        const pare_panel_gene *g = &panel->gene[k];
        pare_text_append(out, "%4lld %-16s %-28s %8.3f %8.3f %8.4f%s\n", (long long)k + 1,
                         e->gene[g->gene], e->type[g->type], g->inside, g->outside, g->left,
                         g->had ? " had" : "");
    }
    if (panel->scored) {
        pare_text_append(out, "\n%lld-fold, softmax regression:\n",
                         (long long)panel->options.score_folds);
        for (int s = 0; s < PARE_PANEL_SCORES; s++) {
            pare_text_append(out, "  %-16s accuracy %.4f, macro F1 %.4f\n", panel->score[s].name,
                             panel->score[s].accuracy, panel->score[s].f1);
        }
    }
}

static void render_genes(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    pare_text_append(out, "RANK\tGENE\tHIGHEST_IN\tMEAN_THERE\tMEAN_ELSE\tLEFT\tHAD\n");
    for (int64_t k = 0; k < panel->chosen; k++) {
        const pare_panel_gene *g = &panel->gene[k];
        pare_text_append(out, "%lld\t%s\t%s\t%.6g\t%.6g\t%.6g\t%d\n", (long long)k + 1,
                         e->gene[g->gene], e->type[g->type], g->inside, g->outside, g->left,
                         g->had);
    }
}

static pare_status render_card(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    json_t *genes = json_array(), *types = json_object(), *scores = json_object();
    for (int64_t k = 0; k < panel->chosen; k++) {
        json_array_append_new(genes, json_string(e->gene[panel->gene[k].gene]));
    }
    for (int64_t t = 0; t < e->types; t++) {
        json_object_set_new(types, e->type[t], json_integer((json_int_t)panel->per_type[t]));
    }
    for (int s = 0; s < PARE_PANEL_SCORES && panel->scored; s++) {
        json_object_set_new(scores, panel->score[s].name,
                            json_pack("{s:f, s:f}", "accuracy", panel->score[s].accuracy,
                                      "macro_f1", panel->score[s].f1));
    }
    json_t *card = json_pack(
        "{s:s, s:s, s:I, s:I, s:b, s:b, s:I, s:I, s:o, s:o, s:o}", "program", "pare panel",
        "pursuit", panel->way.name, "cells", (json_int_t)e->cells, "genes_in_file",
        (json_int_t)e->genes, "normalised_here", panel->normalised, "balanced",
        panel->options.balanced, "folds", (json_int_t)panel->options.score_folds, "seed",
        (json_int_t)panel->options.seed, "genes", genes, "genes_per_type", types, "scores", scores);
    return pare_put_card(out, card);
}

pare_status pare_panel_write(const struct pare_panel *panel, const char *stem) {
    pare_text genes = {.ctx = panel->ctx}, card = {.ctx = panel->ctx};
    pare_status status = render_card(panel, &card); /* may fail: before any file is there */
    render_genes(panel, &genes);
    if (status == PARE_OK) {
        status = pare_save_part(&genes, stem, "genes.tsv");
    }
    if (status == PARE_OK) {
        status = pare_save_part(&card, stem, "json");
    }
    pare_text_clear(&genes);
    pare_text_clear(&card);
    return status;
}
