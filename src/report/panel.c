#include "report/panel.h"
#include "report/values.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_scores(const struct pare_panel *panel, pare_text *out) {
    const pare_agreement *a = &panel->agreement;
    pare_text_append(out, "\n%lld folds%s, everything chosen without them; softmax regression:\n",
                     (long long)panel->folds, panel->data.batches > 1 ? " of whole batches" : "");
    for (int s = 0; s < PARE_PANEL_SCORES; s++) {
        pare_text_append(out, "  %-16s accuracy %.4f, macro F1 %.4f, R2 of all genes %.4f\n",
                         panel->score[s].name, panel->score[s].accuracy, panel->score[s].f1,
                         panel->score[s].r2);
    }
    for (int64_t b = 0; b < panel->data.batches; b++) {
        pare_text_append(out, "  batch %-10s accuracy %.4f, macro F1 %.4f\n",
                         panel->by_batch[b].name, panel->by_batch[b].accuracy,
                         panel->by_batch[b].f1);
    }
    pare_text_append(out,
                     "agreement of the folds: Jaccard %.2f, with genes of the same profile %.2f, "
                     "Kuncheva %.2f, Nogueira %.2f\n",
                     a->jaccard, a->jaccard_alike, a->kuncheva, a->nogueira);
}

void pare_panel_report(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    pare_text_append(out, "%lld cells, %lld genes, %lld types", (long long)e->cells,
                     (long long)e->genes, (long long)e->types);
    if (e->batches > 0) {
        pare_text_append(out, ", %lld batches", (long long)e->batches);
    }
    pare_text_append(out, "%s; chosen by %s\n\n",
                     panel->normalised ? ", counts scaled and logarithms taken" : "",
                     panel->way.name);
    pare_text_append(out, "%4s %-16s %-28s %8s %8s %8s %6s%s\n", "rank", "gene", "highest in",
                     "there", "else", "left", "like", panel->scored ? "  again" : "");
    for (int64_t k = 0; k < panel->chosen; k++) {
        const pare_panel_gene *g = &panel->gene[k];
        pare_text_append(out, "%4lld %-16s %-28s %8.3f %8.3f %8.4f %6.2f", (long long)k + 1,
                         e->gene[g->gene], e->type[g->type], g->inside, g->outside, g->left,
                         g->like);
        if (panel->scored) {
            pare_text_append(out, " %5.0f%%", 100 * g->again);
        }
        pare_text_append(out, "%s\n", g->had ? " had" : "");
    }
    pare_text_append(out,
                     "left: share of the spread of the types not yet explained; like: largest "
                     "correlation with another one%s\n",
                     panel->scored ? "; again: folds that chose it too" : "");
    if (panel->scored) {
        put_scores(panel, out);
    }
}

static void render_genes(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    pare_text_append(out,
                     "RANK\tGENE\tHIGHEST_IN\tMEAN_THERE\tMEAN_ELSE\tLEFT\tHAD\tLIKE\tAGAIN\n");
    for (int64_t k = 0; k < panel->chosen; k++) {
        const pare_panel_gene *g = &panel->gene[k];
        pare_text_append(out, "%lld\t%s\t%s\t%.6g\t%.6g\t%.6g\t%d\t%.6g\t", (long long)k + 1,
                         e->gene[g->gene], e->type[g->type], g->inside, g->outside, g->left, g->had,
                         g->like);
        if (panel->scored) {
            pare_text_append(out, "%.6g\n", g->again);
        } else {
            pare_text_append(out, "NA\n");
        }
    }
}

static json_t *real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *score_object(const pare_panel_score *score) {
    return json_pack("{s:o, s:o}", "accuracy", real(score->accuracy), "macro_f1", real(score->f1));
}

static void add_scores(const struct pare_panel *panel, json_t *card) {
    const pare_expression *e = &panel->data;
    const pare_agreement *a = &panel->agreement;
    json_t *scores = json_object(), *types = json_object(), *batches = json_object();
    for (int s = 0; s < PARE_PANEL_SCORES; s++) {
        json_t *one = score_object(&panel->score[s]);
        json_object_set_new(one, "r2_of_all_genes", real(panel->score[s].r2));
        json_object_set_new(scores, panel->score[s].name, one);
    }
    for (int64_t t = 0; t < e->types; t++) {
        json_object_set_new(types, e->type[t], real(panel->type_f1[t]));
    }
    for (int64_t b = 0; b < e->batches; b++) {
        json_object_set_new(batches, e->batch[b], score_object(&panel->by_batch[b]));
    }
    json_object_set_new(card, "scores", scores);
    json_object_set_new(card, "f1_of_types", types);
    json_object_set_new(card, "scores_of_batches", batches);
    json_object_set_new(card, "agreement_of_folds",
                        json_pack("{s:o, s:o, s:o, s:o}", "jaccard", real(a->jaccard),
                                  "jaccard_same_profile", real(a->jaccard_alike), "kuncheva",
                                  real(a->kuncheva), "nogueira", real(a->nogueira)));
}

static pare_status render_card(const struct pare_panel *panel, pare_text *out) {
    const pare_expression *e = &panel->data;
    json_t *genes = json_array(), *types = json_object();
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", PARE_VERSION_MAJOR, PARE_VERSION_MINOR,
             PARE_VERSION_PATCH);
    for (int64_t k = 0; k < panel->chosen; k++) {
        json_array_append_new(genes, json_string(e->gene[panel->gene[k].gene]));
    }
    for (int64_t t = 0; t < e->types; t++) {
        json_object_set_new(types, e->type[t], json_integer((json_int_t)panel->per_type[t]));
    }
    json_t *card = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:I, s:I, s:o, s:o, s:o}", "program",
        "pare panel", "version", version, "pursuit", panel->way.name, "cells", (json_int_t)e->cells,
        "genes_in_file", (json_int_t)e->genes, "batches", (json_int_t)e->batches, "normalised_here",
        panel->normalised, "balanced", panel->options.balanced, "folds", (json_int_t)panel->folds,
        "seed", (json_int_t)panel->options.seed, "genes", genes, "genes_per_type", types,
        "mean_correlation", real(panel->like));
    if (card && panel->scored) {
        add_scores(panel, card);
    }
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
