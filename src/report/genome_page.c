/* The page of `pare genome`. */
#include "report/chart.h"
#include "report/genome.h"
#include "report/names.h"
#include "report/page.h"

#include <math.h>
#include <stdio.h>

enum { NAME_LIMIT = 60, MEMBERS_SHOWN = 12 };

static const char *const style[] = {
    ".manhattan{min-width:720px}\n.manhattan svg text{font-size:12px}\n",
    ".manhattan svg .sub{font-size:9px}\n.manhattan svg .label{font-size:12.5px;font-weight:600}\n",
    "svg .odd{fill:var(--soft);fill-opacity:.85}\nsvg .even{fill:var(--soft);fill-opacity:.45}\n",
    "svg .threshold{stroke:var(--ink);stroke-dasharray:6 5}\n",
    "svg .pick{fill:none;stroke:var(--accent);stroke-width:2.25}\n",
    "svg .member{fill:none;stroke:var(--ink);stroke-width:1}\nsvg .proxy{fill:var(--accent)}\n",
    "h2.trait{font-size:30px;margin-top:72px;border-top:2px solid var(--ink);padding-top:18px}\n",
    "h3{font-size:17px;font-weight:620;margin:36px 0 8px}\n",
    "a{color:var(--accent)}\n.scroll tbody th{white-space:nowrap}\n",
    "td.ids{max-width:44ch;overflow-wrap:anywhere}\n",
    "@media print{svg .odd,svg .even,svg .proxy{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}}\n",
    NULL,
};

static bool has_background(const pare_genome *genome) {
    return genome->k || genome->shared.ctx;
}

/* p as 3.1e-12, which alone is short. */
static void put_p(pare_text *out, double p) {
    if (p == 0) { /* less than a double holds */
        pare_text_append(out, "<td class=\"n\">&lt;1e-307</td>");
    } else if (isfinite(p)) {
        pare_text_append(out, p < 0.001 ? "<td class=\"n\">%.1e</td>" : "<td class=\"n\">%.3f</td>",
                         p);
    } else {
        pare_text_append(out, "<td class=\"n\">-</td>");
    }
}

static void put_count_row(pare_text *out, const char *name, int64_t value) {
    pare_text_append(out, "<tr><th>%s</th><td>", name);
    pare_page_count(out, value);
    pare_text_append(out, "</td></tr>\n");
}

/* ---- Top ------------------------------------------------------------------------------------ */

static void put_tiles(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    const bool background = has_background(genome);
    pare_text_append(out, "<dl class=\"tiles\">\n");
    pare_text_append(out,
                     "<div class=\"first\"><dt>Variants chosen</dt><dd class=\"big\">%lld</dd>"
                     "<dd>%s</dd></div>\n",
                     (long long)a->picks, a->stop_reason);
    if (a->scored) {
        pare_page_tile(out, "tile", "R<sup>2</sup>", a->scores.r2,
                       "in samples held out, with background");
    }
    if (background) {
        pare_page_tile(out, "tile", "Heritability", a->h_null, "of the variants, before the picks");
    }
    if (!a->scored || !background) {
        pare_page_tile(out, "tile", "Lambda GC", a->lambda_mixed,
                       background ? "with background; 1: no inflation" : "1: no inflation");
    }
    if (a->scored) {
        pare_page_tile(out, "tile", "Agreement", a->scores.jaccard_ld,
                       "of the picks of folds, up to r\xC2\xB2 &gt; 0.8");
    }
    pare_text_append(out, "</dl>\n");
}

static void put_overview(const pare_genome *genome, pare_text *out) {
    const bool scored = genome->options.folds > 1;
    pare_text_append(out,
                     "<div class=\"scroll\"><table><thead><tr><th>trait</th>"
                     "<th class=\"n\">samples</th><th class=\"n\">chosen</th>"
                     "<th class=\"n\">heritability before</th><th class=\"n\">after</th>"
                     "<th class=\"n\">lambda GC before</th><th class=\"n\">after</th>%s</tr>"
                     "</thead>\n<tbody>\n",
                     scored ? "<th class=\"n\">R<sup>2</sup></th><th class=\"n\">background "
                              "alone</th><th class=\"n\">agreement</th>"
                            : "");
    for (int64_t t = 0; t < genome->done; t++) {
        const pare_analysis *a = &genome->analysis[t];
        pare_text_append(out, "<tr><th><a href=\"#trait%lld\">", (long long)t);
        pare_page_name(out, a->trait->name, NAME_LIMIT);
        pare_text_append(out, "</a></th><td class=\"n\">");
        pare_page_count(out, a->n);
        pare_text_append(out, "</td><td class=\"n\">%lld</td>", (long long)a->picks);
        pare_page_number_cell(out, a->h_null);
        pare_page_number_cell(out, a->h_final);
        pare_page_number_cell(out, a->lambda_plain);
        pare_page_number_cell(out, a->lambda_mixed);
        if (a->scored) {
            pare_page_number_cell(out, a->scores.r2);
            pare_page_number_cell(out, a->scores.background_r2);
            pare_page_number_cell(out, a->scores.jaccard_ld);
        }
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

static void put_joint(const pare_genome *genome, pare_text *out) {
    const pare_joint_choice *joint = genome->joint;
    pare_text_append(
        out, "<h2>Chosen together</h2>\n<p>For all traits, on the samples that have all of them; "
             "joint p is of the effects on all traits at the step of choice.</p>\n"
             "<div class=\"scroll\"><table><thead><tr><th>variant</th><th>place</th>"
             "<th class=\"n\">joint p</th>");
    for (int64_t t = 0; t < genome->done; t++) {
        pare_text_append(out, "<th class=\"n\">effect on ");
        pare_page_name(out, genome->analysis[t].trait->name, NAME_LIMIT);
        pare_text_append(out, "</th>");
    }
    pare_text_append(out, "</tr></thead>\n<tbody>\n");
    for (int64_t k = 0; k < joint->picks; k++) {
        const pare_variant *v = pare_genotypes_variant(&genome->genotypes, joint->pick[k]);
        pare_text_append(out, "<tr><th>");
        pare_page_name(out, v->id, NAME_LIMIT);
        pare_text_append(out, "</th><td>%s:%lld</td>", v->chromosome, (long long)v->position);
        put_p(out, joint->p[k]);
        for (int64_t t = 0; t < genome->done; t++) {
            pare_page_number_cell(out, k < genome->analysis[t].picks
                                           ? genome->analysis[t].pick[k].effect
                                           : (double)NAN);
        }
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

/* ---- A trait -------------------------------------------------------------------------------- */

static void put_picture(const pare_genome *genome, const pare_analysis *a, int64_t trait,
                        pare_text *out) {
    char id[32];
    snprintf(id, sizeof id, "scan%lld", (long long)trait);
    pare_text_append(out,
                     "<h3>Along the genome</h3>\n<p>p of every variant taken alone%s. Rings: "
                     "chosen; dots: variants with r<sup>2</sup> &gt; 0.8 to a chosen one; thin "
                     "circles: 95 %% sets. Broken line: 0.05 over the number of variants. Later "
                     "picks are chosen beside the earlier ones, and may lie low here.</p>\n",
                     has_background(genome) ? ", beside the background" : "");
    pare_genome_manhattan(genome, a, id, out);
}

static void put_group_table(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    pare_text_append(out,
                     "<h3>Groups</h3>\n<div class=\"scroll\"><table><thead><tr><th>group</th>"
                     "<th class=\"n\">variants</th><th class=\"n\">rank</th><th class=\"n\">p</th>"
                     "<th class=\"n\">share</th></tr></thead>\n<tbody>\n");
    for (int64_t k = 0; k < a->groups; k++) {
        const pare_group_pick *pick = &a->group[k];
        pare_text_append(out, "<tr><th>");
        pare_page_name(out, genome->groups.name[pick->group], NAME_LIMIT);
        pare_text_append(
            out, "</th><td class=\"n\">%lld</td><td class=\"n\">%lld</td>",
            (long long)(genome->groups.start[pick->group + 1] - genome->groups.start[pick->group]),
            (long long)pick->rank);
        put_p(out, pick->p);
        pare_page_number_cell(out, pick->gain);
        pare_text_append(out, "</tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

static void put_picks(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    pare_text_append(out,
                     "<h3>The chosen variants</h3>\n<p>%s of a copy of A1, all of the chosen and "
                     "covariates together; p does not account for the search. Share: of the "
                     "residual sum of squares, at the step of choice. PIP: probability of an "
                     "effect among neighbours.</p>\n<div class=\"scroll\"><table><thead><tr>"
                     "<th>variant</th><th>chromosome</th><th class=\"n\">position</th><th>A1</th>"
                     "<th>A2</th><th class=\"n\">frequency of A1</th><th class=\"n\">%s</th>"
                     "<th class=\"n\">error</th><th class=\"n\">p</th><th class=\"n\">share</th>"
                     "<th class=\"n\">PIP</th><th class=\"n\">proxies</th></tr></thead>\n"
                     "<tbody>\n",
                     a->logistic ? "Log odds" : "Effect", a->logistic ? "log odds" : "effect");
    for (int64_t k = 0; k < a->picks; k++) {
        const pare_pick *pick = &a->pick[k];
        const pare_variant *v = pare_genotypes_variant(&genome->genotypes, pick->kept);
        pare_text_append(out, "<tr><th>");
        pare_page_name(out, v->id, NAME_LIMIT);
        pare_text_append(out, "%s</th><td>", pick->forced ? " (forced)" : "");
        pare_page_name(out, v->chromosome, NAME_LIMIT);
        pare_text_append(out, "</td><td class=\"n\">");
        if (v->position > 0) {
            pare_page_count(out, v->position);
        } else {
            pare_text_append(out, "-");
        }
        pare_text_append(out, "</td><td>");
        pare_page_name(out, v->a1, 12);
        pare_text_append(out, "</td><td>");
        pare_page_name(out, v->a2, 12);
        pare_text_append(out, "</td>");
        pare_page_number_cell(out, genome->genotypes.mean[pick->kept] / 2);
        pare_page_number_cell(out, pick->effect);
        pare_page_number_cell(out, pick->error);
        put_p(out, pick->p);
        pare_page_number_cell(out, pick->gain);
        pare_page_number_cell(out, pick->pip);
        pare_text_append(out, "<td class=\"n\">%lld</td></tr>\n", (long long)pick->proxies);
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

static void put_sets(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    const pare_credible *c = &a->credible;
    pare_text_append(out,
                     "<h3>95 %% sets</h3>\n<p>Each holds, by the model, one variant of effect with "
                     "probability 0.95; purity is the least correlation of two members.</p>\n"
                     "<div class=\"scroll\"><table><thead><tr><th class=\"n\">variants</th>"
                     "<th class=\"n\">purity</th><th>members, most probable first</th></tr>"
                     "</thead>\n<tbody>\n");
    for (int64_t s = 0; s < c->sets; s++) {
        const int64_t from = c->start[s], to = c->start[s + 1];
        pare_text_append(out, "<tr><td class=\"n\">%lld</td>", (long long)(to - from));
        pare_page_number_cell(out, c->purity[s]);
        pare_text_append(out, "<td class=\"ids\">");
        for (int64_t i = from; i < to && i < from + MEMBERS_SHOWN; i++) {
            pare_text_append(out, "%s", i > from ? ", " : "");
            pare_page_name(out, pare_genotypes_variant(&genome->genotypes, c->member[i])->id,
                           NAME_LIMIT);
            pare_text_append(out, " (");
            pare_text_append_fixed(out, c->chance[i], 3);
            pare_text_append(out, ")");
        }
        if (to - from > MEMBERS_SHOWN) {
            pare_text_append(out, " and %lld more", (long long)(to - from - MEMBERS_SHOWN));
        }
        pare_text_append(out, "</td></tr>\n");
    }
    pare_text_append(out, "</tbody></table></div>\n");
}

/* ---- The path ------------------------------------------------------------------------------- */

typedef struct curve {
    const char *id, *title, *caption;
    double *y; /* (path + 1) */
} curve;

static void put_curve(const pare_analysis *a, const curve *c, const double *x, int64_t trait,
                      pare_text *out) {
    char id[48];
    double low = c->y[0], high = c->y[0];
    for (int64_t k = 0; k <= a->path; k++) {
        low = fmin(low, c->y[k]);
        high = fmax(high, c->y[k]);
    }
    snprintf(id, sizeof id, "%s%lld", c->id, (long long)trait);
    pare_text_append(out, "<figure><figcaption><h3>%s</h3><p>%s</p></figcaption>\n", c->title,
                     c->caption);
    pare_svg_open(out, id, PARE_CHART_WIDTH, PARE_CHART_HEIGHT, c->title);
    pare_svg_describe(out, id);
    pare_text_append(out, "%lld steps.", (long long)a->path);
    pare_svg_end_describe(out);
    pare_chart chart = pare_chart_of(out, 14, 0, (double)a->path, low - 0.05 * (high - low),
                                     high + 0.05 * (high - low));
    pare_chart_axes(&chart, "variants", true, NULL);
    pare_chart_line(&chart, "curve", a->path + 1, x, c->y);
    pare_svg_number(out, "<circle class=\"dot\" r=\"5\" cx=\"",
                    pare_chart_x(&chart, (double)a->picks));
    pare_svg_number(out, "\" cy=\"", pare_chart_y(&chart, c->y[a->picks]));
    pare_text_append(out, "\"><title>chosen</title></circle>\n");
    pare_svg_close(out);
    pare_text_append(out, "</figure>\n");
}

static void put_path(const pare_genome *genome, const pare_analysis *a, int64_t trait,
                     pare_text *out) {
    curve curves[] = {{"ebic", "Extended BIC",
                       "Less the one without picks, by number of variants; "
                       "the dot is the choice.",
                       NULL},
                      {"share", "Share explained",
                       "Of the residual sum of squares beside covariates "
                       "and background.",
                       NULL}};
    double *x = NULL;
    pare_status status = pare_alloc(genome->ctx, a->path + 1, sizeof *x, &x);
    for (size_t i = 0; i < 2 && status == PARE_OK; i++) {
        status = pare_alloc_zero(genome->ctx, a->path + 1, sizeof(double), &curves[i].y);
    }
    if (status != PARE_OK) {
        out->status = out->status == PARE_OK ? status : out->status;
        goto fail;
    }
    x[0] = 0;
    for (int64_t k = 0; k < a->path; k++) {
        x[k + 1] = (double)(k + 1);
        curves[0].y[k + 1] = a->pick[k].ebic - a->ebic_null;
        curves[1].y[k + 1] = curves[1].y[k] + a->pick[k].gain;
    }
    pare_text_append(out, "<div class=\"figures\">\n");
    for (size_t i = 0; i < 2; i++) {
        put_curve(a, &curves[i], x, trait, out);
    }
    pare_text_append(out, "</div>\n");
fail:
    pare_free(genome->ctx, x);
    pare_free(genome->ctx, curves[0].y);
    pare_free(genome->ctx, curves[1].y);
}

/* ---- How good, how sure --------------------------------------------------------------------- */

static void put_score(pare_text *out, const char *name, double r2, double picks) {
    pare_text_append(out, "<tr><th>%s</th>", name);
    pare_page_number_cell(out, r2);
    pare_text_append(out, "<td class=\"n\">");
    pare_text_append_fixed(out, picks, 1);
    pare_text_append(out, "</td></tr>\n");
}

static void put_scores(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    const pare_scores *s = &a->scores;
    const bool background = has_background(genome);
    pare_text_append(out,
                     "<h3>How good it is</h3>\n<p>%lld x %lld-fold cross-validation; everything "
                     "was chosen anew without the samples held out. R<sup>2</sup> is of the "
                     "trait, covariates included.</p>\n<div class=\"scroll\"><table><thead><tr>"
                     "<th>model</th><th class=\"n\">R<sup>2</sup></th><th class=\"n\">variants "
                     "chosen</th></tr></thead>\n<tbody>\n",
                     (long long)genome->options.repeats, (long long)genome->options.folds);
    put_score(out, background ? "chosen variants and background" : "chosen variants", s->r2,
              s->picks);
    put_score(out, background ? "background alone (GBLUP)" : "covariates alone", s->background_r2,
              0);
    put_score(out,
              background ? "as many, largest one at a time beside it, and background"
                         : "as many, largest one at a time",
              s->single_r2, s->picks);
    put_score(out, background ? "as many by the lasso, and background" : "as many by the lasso",
              s->lasso_r2, s->picks);
    put_score(out, "the five best one at a time, without background", s->marginal_r2, 5);
    pare_text_append(out,
                     "</tbody></table></div>\n<h3>How sure the choice is</h3>\n<p>Agreement of "
                     "the folds' choices, which share most of their samples. 1: the same; 0: as "
                     "by chance, for Kuncheva and Nogueira.</p>\n<table class=\"facts\"><tbody>\n");
    pare_page_number_row(out, "Jaccard", s->jaccard);
    pare_page_number_row(out, "Jaccard, r<sup>2</sup> &gt; 0.8 the same", s->jaccard_ld);
    pare_page_number_row(out, "Kuncheva", s->kuncheva);
    pare_page_number_row(out, "Nogueira", s->nogueira);
    pare_page_number_row(out, "spread of R<sup>2</sup> over repeats",
                         genome->options.repeats > 1 ? s->r2_spread : (double)NAN);
    pare_text_append(out, "</tbody></table>\n");
}

static void put_structure(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    pare_text_append(out,
                     "<h3>Relatives and many small effects</h3>\n<p>Lambda GC is the median "
                     "statistic of all variants over that expected by chance%s.</p>\n"
                     "<table class=\"facts\"><tbody>\n",
                     has_background(genome)
                         ? "; below 1 beside a background that takes part of each variant's effect"
                         : "");
    if (has_background(genome)) {
        pare_page_number_row(out, "heritability before the picks", a->h_null);
        pare_page_number_row(out, "heritability left after them", a->h_final);
        pare_page_number_row(out, "lambda GC without background", a->lambda_plain);
    }
    pare_page_number_row(out, has_background(genome) ? "lambda GC with it" : "lambda GC",
                         a->lambda_mixed);
    pare_text_append(out, "</tbody></table>\n");
}

static void put_trait(const pare_genome *genome, int64_t trait, pare_text *out) {
    const pare_analysis *a = &genome->analysis[trait];
    if (genome->done > 1) {
        pare_text_append(out, "<h2 class=\"trait\" id=\"trait%lld\">", (long long)trait);
        pare_page_name(out, a->trait->name, NAME_LIMIT);
        pare_text_append(out, "</h2>\n");
    }
    put_tiles(genome, a, out);
    put_picture(genome, a, trait, out);
    if (a->groups > 0) {
        put_group_table(genome, a, out);
    }
    if (a->picks > 0) {
        put_picks(genome, a, out);
    } else {
        pare_text_append(out,
                         "<h3>The chosen variants</h3>\n<p>None: no variant is worth its "
                         "price beside %s.</p>\n",
                         has_background(genome) ? "the background" : "the covariates");
    }
    if (a->credible.sets > 0) {
        put_sets(genome, a, out);
    }
    if (a->path > 0) {
        put_path(genome, a, trait, out);
    }
    if (a->scored) {
        put_scores(genome, a, out);
    }
    put_structure(genome, a, out);
}

/* ---- Bookkeeping ---------------------------------------------------------------------------- */

static void put_book(const pare_genome *genome, pare_text *out) {
    const pare_genotypes *g = &genome->genotypes;
    const pare_left_out_counts *l = &g->left_out;
    const double calls = (double)g->kept * (double)g->used;
    pare_text_append(out, "<h2>What was counted</h2>\n<table class=\"facts\"><tbody>\n");
    put_count_row(out, "samples in the file", g->samples);
    put_count_row(out, "samples used", g->used);
    put_count_row(out, "variants in the file", g->variants);
    put_count_row(out, "not in the list to extract", l->not_extracted);
    put_count_row(out, "on sex chromosomes or of mitochondria", l->sex);
    put_count_row(out, "the same in all samples", l->constant);
    put_count_row(out, "rarer allele too rare", l->maf);
    put_count_row(out, "too many calls missing", l->geno);
    put_count_row(out, "out of Hardy-Weinberg equilibrium", l->hwe);
    put_count_row(out, "variants used", g->kept);
    pare_text_append(out, "<tr><th>missing calls, taken as the mean</th><td>");
    pare_page_count(out, g->imputed);
    pare_text_append(out, " (");
    pare_page_number(out, 100 * (double)g->imputed / calls);
    pare_text_append(out,
                     " %%)</td></tr>\n<tr><th>alleles</th><td>effects are of a copy of A1: %s. No "
                     "allele is swapped here; <code>pare score</code> matches them by name in new "
                     "files</td></tr>\n</tbody></table>\n",
                     genome->options.vcf[0]    ? "ALT of the VCF"
                     : genome->options.bgen[0] ? "the first allele of the BGEN"
                                               : "the fifth column of the .bim");
}

static void put_facts(const pare_genome *genome, pare_text *out) {
    static const char *const stops[] = {"extended BIC", "inner cross-validation", "permutation",
                                        "knockoff+"};
    const pare_options *o = &genome->options;
    pare_text_append(out, "<h2>How it was done</h2>\n<table class=\"facts\"><tbody>\n"
                          "<tr><th>genotypes</th><td>");
    pare_page_name(out, genome->genotypes.stem, 200);
    pare_text_append(out, "</td></tr>\n<tr><th>covariates, never selected</th><td>");
    for (int64_t c = 0; c < genome->traits.covariates; c++) {
        pare_text_append(out, "%s", c > 0 ? ", " : "");
        pare_page_name(out, genome->traits.covariate[c].name, NAME_LIMIT);
    }
    pare_text_append(out, "%s</td></tr>\n<tr><th>background</th><td>%s</td></tr>\n",
                     genome->traits.covariates > 0 ? "" : "none",
                     genome->k            ? "relationship matrix, REML"
                     : genome->shared.ctx ? "products with the packed genotypes, stochastic REML"
                                          : "none");
    pare_text_append(out, "<tr><th>stopped by</th><td>%s</td></tr>\n", stops[o->stop]);
    if (o->stop == PARE_STOP_EBIC) {
        pare_page_number_row(out, "gamma of extended BIC",
                             o->gamma > 0
                                 ? o->gamma
                                 : pare_gamma_for(genome->genotypes.used, genome->genotypes.kept));
    }
    pare_page_number_row(out, "least frequency of the rarer allele", o->maf);
    pare_page_number_row(out, "largest share of missing calls", o->geno);
    pare_page_number_row(out, "least p of Hardy-Weinberg equilibrium", o->hwe);
    put_count_row(out, "seed", o->seed);
    pare_text_append(out, "</tbody></table>\n");
}

pare_status pare_genome_page(const pare_genome *genome, pare_text *out) {
    const pare_genotypes *g = &genome->genotypes;
    char several[48];
    snprintf(several, sizeof several, "%lld traits", (long long)genome->done);
    pare_page_open(out, "Variants that influence",
                   genome->done == 1 ? genome->analysis[0].trait->name : several, style);
    pare_text_append(out, "<p class=\"lead\">");
    pare_page_count(out, g->kept);
    pare_text_append(out, " variants of ");
    pare_page_count(out, genome->done == 1 ? genome->analysis[0].n : g->used);
    pare_text_append(out, " samples%s.</p>\n</header>\n",
                     has_background(genome) ? ", beside a background of relatives and many small "
                                              "effects"
                                            : "");
    if (genome->done > 1) {
        put_overview(genome, out);
    }
    if (genome->joint) {
        put_joint(genome, out);
    }
    for (int64_t t = 0; t < genome->done; t++) {
        put_trait(genome, t, out);
    }
    put_book(genome, out);
    put_facts(genome, out);
    pare_page_close(out);
    return out->status;
}
