#include "report/genome.h"
#include "report/values.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* %.6g, "NA" where there is no number. */
static void put_number(pare_text *out, double value) {
    if (isfinite(value)) {
        pare_text_append(out, "%.6g", value);
    } else {
        pare_text_append(out, "NA");
    }
}

/* ---- For people ----------------------------------------------------------------------------- */

static int64_t group_size(const pare_genome *genome, int64_t group) {
    return genome->groups.start[group + 1] - genome->groups.start[group];
}

static void put_groups(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    pare_text_append(out, "  %lld of %lld groups\n", (long long)a->groups,
                     (long long)genome->groups.count);
    if (a->groups > 0) {
        pare_text_append(out, "  %-20s %8s %5s %9s %7s\n", "group", "variants", "rank", "p",
                         "share");
    }
    for (int64_t k = 0; k < a->groups; k++) {
        const pare_group_pick *pick = &a->group[k];
        pare_text_append(out, "  %-20s %8lld %5lld %9.2g %7.4f\n", genome->groups.name[pick->group],
                         (long long)group_size(genome, pick->group), (long long)pick->rank, pick->p,
                         pick->gain);
    }
}

/* The group that brought pick k, NULL: none. */
static const char *group_of(const pare_genome *genome, const pare_analysis *a, int64_t k) {
    for (int64_t i = 0; i < a->group_path; i++) {
        if (k >= a->group[i].first && k < a->group[i].first + a->group[i].rank) {
            return genome->groups.name[a->group[i].group];
        }
    }
    return NULL;
}

/* R2 beside the baselines, and how far folds agree. */
static void put_scores(const pare_genome *genome, const pare_scores *s, pare_text *out) {
    const bool background = genome->k || genome->shared.ctx;
    const char *beside = background ? " and background" : "";
    const struct {
        double r2;
        const char *words, *end;
    } rows[] = {
        {s->r2, "chosen", beside},
        {s->background_r2, background ? "background alone (GBLUP)" : "covariates alone", ""},
        {s->single_r2, "as many, largest one at a time,", beside},
        {s->lasso_r2, "as many, by the lasso,", beside},
        {s->marginal_r2, "five best one at a time alone", ""}};
    pare_text_append(out, "  %lld x %lld-fold, R2 in samples held out, %.1f chosen on average:\n",
                     (long long)genome->options.repeats, (long long)genome->options.folds,
                     s->picks);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pare_text_append(out, "    %7.4f %s%s\n", rows[i].r2, rows[i].words, rows[i].end);
    }
    pare_text_append(out, "  folds agree %.2f exactly, %.2f up to r2 > 0.8", s->jaccard,
                     s->jaccard_ld);
    if (!isnan(s->kuncheva)) {
        pare_text_append(out, "; corrected for chance %.2f (Kuncheva), %.2f (Nogueira)",
                         s->kuncheva, s->nogueira);
    }
    pare_text_append(out, "\n");
}

static void put_trait(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    pare_text_append(out, "\n%s: %lld samples, %lld variants, %lld covariates%s\n", a->trait->name,
                     (long long)a->n, (long long)genome->genotypes.kept,
                     (long long)genome->traits.named, a->trait->binary ? ", case/control" : "");
    if (genome->k || genome->shared.ctx) {
        pare_text_append(out, "  heritability %.3f before, %.3f after the picks; ", a->h_null,
                         a->h_final);
    } else {
        pare_text_append(out, "  no background; ");
    }
    pare_text_append(out, "lambda GC %.3f without, %.3f with it\n", a->lambda_plain,
                     a->lambda_mixed);
    pare_text_append(out, "  %lld chosen (%s)\n", (long long)a->picks, a->stop_reason);
    if (genome->groups.count > 0) {
        put_groups(genome, a, out);
    }
    if (a->clusters > 0) {
        pare_text_append(out,
                         "  claims are about %lld clusters (r2 > 0.5), of which the chosen lead "
                         "one each\n",
                         (long long)a->clusters);
    }
    if (a->picks > 0) {
        pare_text_append(out, "  %-20s %4s %11s A1 %10s %9s %9s %7s %6s %7s\n", "variant", "chr",
                         "position", a->logistic ? "log odds" : "effect", "error", "p", "share",
                         "pip", "proxies");
    }
    for (int64_t k = 0; k < a->picks; k++) {
        const pare_pick *pick = &a->pick[k];
        const pare_variant *v = pare_genotypes_variant(&genome->genotypes, pick->kept);
        pare_text_append(out, "  %-20s %4s %11lld %-2s %10.4g %9.3g", v->id, v->chromosome,
                         (long long)v->position, v->a1, pick->effect, pick->error);
        if (pick->p > 0) {
            pare_text_append(out, " %9.2g %7.4f", pick->p, pick->gain);
        } else { /* less than a double holds */
            pare_text_append(out, "  <1e-307 %7.4f", pick->gain);
        }
        if (isfinite(pick->pip)) {
            pare_text_append(out, " %6.3f", pick->pip);
        } else {
            pare_text_append(out, "      -");
        }
        pare_text_append(out, " %7lld%s\n", (long long)pick->proxies,
                         pick->forced ? " forced" : "");
    }
    for (int64_t s = 0; s < a->credible.sets; s++) {
        int64_t first = a->credible.start[s], count = a->credible.start[s + 1] - first;
        pare_text_append(out, "  95%% set %lld: %lld variants, best %s (%.3f), purity %.2f\n",
                         (long long)s + 1, (long long)count,
                         pare_genotypes_variant(&genome->genotypes, a->credible.member[first])->id,
                         a->credible.chance[first], a->credible.purity[s]);
    }
    if (a->scored) {
        put_scores(genome, &a->scores, out);
    }
}

/* Samples that have the trait. */
static int64_t count_known(const pare_genome *genome, const pare_trait *trait) {
    int64_t known = 0;
    for (int64_t i = 0; i < genome->genotypes.samples; i++) {
        known += !isnan(trait->value[i]);
    }
    return known;
}

static void put_joint(const pare_genome *genome, pare_text *out) {
    const pare_joint_choice *joint = genome->joint;
    pare_text_append(out, "\n%lld traits together, on the %lld samples that have all of them (",
                     (long long)genome->traits.traits, (long long)genome->genotypes.used);
    for (int64_t t = 0; t < genome->traits.traits; t++) {
        const pare_trait *trait = &genome->traits.trait[t];
        pare_text_append(out, "%s%s: %lld", t > 0 ? ", " : "", trait->name,
                         (long long)count_known(genome, trait));
    }
    pare_text_append(out, ")\n  %lld chosen (%s)\n", (long long)joint->picks, joint->reason);
    if (joint->picks > 0) {
        pare_text_append(out, "  %-20s %4s %11s A1 %9s %14s\n", "variant", "chr", "position",
                         "joint p", "extended BIC");
    }
    for (int64_t k = 0; k < joint->picks; k++) {
        const pare_variant *v = pare_genotypes_variant(&genome->genotypes, joint->pick[k]);
        pare_text_append(out, "  %-20s %4s %11lld %-2s %9.2g %14.2f\n", v->id, v->chromosome,
                         (long long)v->position, v->a1, joint->p[k],
                         joint->ebic[k + 1] - joint->ebic[0]);
    }
}

/* What filters took away, and what stands for missing calls. */
static void put_left_out(const pare_genotypes *g, pare_text *out) {
    const pare_left_out_counts *l = &g->left_out;
    const struct {
        int64_t count;
        const char *why;
    } reasons[] = {
        {l->not_extracted, "not in the list"},    {l->sex, "on sex chromosomes or of mitochondria"},
        {l->constant, "the same in all samples"}, {l->maf, "too rare"},
        {l->geno, "with too many missing calls"}, {l->hwe, "out of equilibrium"}};
    bool any = false;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].count > 0) {
            pare_text_append(out, "%s%lld %s",
                             any ? ", " : "  left out: ", (long long)reasons[i].count,
                             reasons[i].why);
            any = true;
        }
    }
    pare_text_append(out, "%s%lld missing calls (%.2g %%) count as the mean of their variant\n",
                     any ? "\n  " : "  ", (long long)g->imputed,
                     100 * (double)g->imputed / ((double)g->kept * (double)g->used));
}

void pare_genome_report(const pare_genome *genome, pare_text *out) {
    const pare_genotypes *g = &genome->genotypes;
    pare_text_append(out, "%s: %lld of %lld samples, %lld of %lld variants pass the filters\n",
                     g->stem, (long long)g->used, (long long)g->samples, (long long)g->kept,
                     (long long)g->variants);
    put_left_out(g, out);
    if (genome->groups.count > 0) {
        pare_text_append(out, "%lld groups hold %lld of them; the others are not chosen\n",
                         (long long)genome->groups.count, (long long)genome->groups.covered);
    }
    if (genome->joint) {
        put_joint(genome, out);
    }
    for (int64_t t = 0; t < genome->done; t++) {
        put_trait(genome, &genome->analysis[t], out);
    }
}

/* ---- Tables --------------------------------------------------------------------------------- */

static void put_place(pare_text *out, const pare_variant *v) {
    pare_text_append(out, "%s\t%s\t%lld\t%s\t%s", v->id, v->chromosome, (long long)v->position,
                     v->a1, v->a2);
}

static void render_path(const pare_genome *genome, pare_text *out) {
    pare_text_append(out,
                     "TRAIT\tSTEP\tID\tCHROM\tPOS\tA1\tA2\tCHOSEN\tFORCED\tBETA\tSE\tP\tSHARE\t"
                     "EBIC\tPIP\tPROXIES%s%s\n",
                     genome->joint ? "\tJOINT_P" : "", genome->groups.count > 0 ? "\tGROUP" : "");
    for (int64_t t = 0; t < genome->done; t++) {
        const pare_analysis *a = &genome->analysis[t];
        pare_text_append(out, "%s\t0\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\t0\t", a->trait->name);
        put_number(out, a->ebic_null);
        pare_text_append(out, "\tNA\tNA%s%s\n", genome->joint ? "\tNA" : "",
                         genome->groups.count > 0 ? "\tNA" : "");
        for (int64_t k = 0; k < a->path; k++) {
            const pare_pick *pick = &a->pick[k];
            pare_text_append(out, "%s\t%lld\t", a->trait->name, (long long)k + 1);
            put_place(out, pare_genotypes_variant(&genome->genotypes, pick->kept));
            pare_text_append(out, "\t%d\t%d", k < a->picks, pick->forced);
            const double values[] = {pick->effect, pick->error, pick->p,
                                     pick->gain,   pick->ebic,  pick->pip};
            for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
                pare_text_append(out, "\t");
                put_number(out, values[i]);
            }
            pare_text_append(out, "\t%lld", (long long)pick->proxies);
            if (genome->joint) {
                pare_text_append(out, "\t");
                put_number(out, pick->joint_p);
            }
            if (genome->groups.count > 0) {
                const char *group = group_of(genome, a, k);
                pare_text_append(out, "\t%s", group ? group : "NA");
            }
            pare_text_append(out, "\n");
        }
    }
}

static void render_proxies(const pare_genome *genome, pare_text *out) {
    pare_text_append(out, "TRAIT\tPICK\tID\tCHROM\tPOS\tA1\tA2\tR2\n");
    for (int64_t t = 0; t < genome->done; t++) {
        const pare_analysis *a = &genome->analysis[t];
        for (int64_t k = 0; k < a->picks; k++) {
            for (int64_t i = 0; i < a->pick[k].proxies; i++) {
                pare_text_append(out, "%s\t%s\t", a->trait->name,
                                 pare_genotypes_variant(&genome->genotypes, a->pick[k].kept)->id);
                put_place(out, pare_genotypes_variant(&genome->genotypes, a->pick[k].proxy[i]));
                pare_text_append(out, "\t%.4f\n", a->pick[k].proxy_r2[i]);
            }
        }
    }
}

static void render_credible(const pare_genome *genome, pare_text *out) {
    pare_text_append(out, "TRAIT\tSET\tPURITY\tID\tCHROM\tPOS\tA1\tA2\tPROBABILITY\n");
    for (int64_t t = 0; t < genome->done; t++) {
        const pare_analysis *a = &genome->analysis[t];
        for (int64_t s = 0; s < a->credible.sets; s++) {
            for (int64_t i = a->credible.start[s]; i < a->credible.start[s + 1]; i++) {
                pare_text_append(out, "%s\t%lld\t%.4f\t", a->trait->name, (long long)s + 1,
                                 a->credible.purity[s]);
                put_place(out, pare_genotypes_variant(&genome->genotypes, a->credible.member[i]));
                pare_text_append(out, "\t%.6g\n", a->credible.chance[i]);
            }
        }
    }
}

static void render_weights(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    pare_text_append(out, "ID\tA1\tWEIGHT\tA2\tCHROM\tPOS\tA1_FREQ\n");
    for (int64_t j = 0; j < genome->genotypes.kept; j++) {
        const pare_variant *v = pare_genotypes_variant(&genome->genotypes, j);
        if (a->weight[j] != 0) {
            pare_text_append(out, "%s\t%s\t%.9g\t%s\t%s\t%lld\t%.6g\n", v->id, v->a1, a->weight[j],
                             v->a2, v->chromosome, (long long)v->position,
                             genome->genotypes.mean[j] / 2);
        }
    }
}

static void render_scan(const pare_genome *genome, const pare_analysis *a, pare_text *out) {
    pare_text_append(out, "ID\tCHROM\tPOS\tA1\tA2\tBETA\tSE\tP\n");
    for (int64_t j = 0; j < genome->genotypes.kept; j++) {
        put_place(out, pare_genotypes_variant(&genome->genotypes, j));
        const double values[] = {a->scan_effect[j], a->scan_error[j],
                                 erfc(fabs(a->scan_effect[j] / a->scan_error[j]) / sqrt(2))};
        for (int i = 0; i < 3; i++) {
            pare_text_append(out, "\t");
            put_number(out, values[i]);
        }
        pare_text_append(out, "\n");
    }
}

/* ---- Card ----------------------------------------------------------------------------------- */

static json_t *real_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *card_of_groups(const pare_genome *genome, const pare_analysis *a) {
    json_t *groups = json_array();
    for (int64_t k = 0; k < a->groups; k++) {
        const pare_group_pick *pick = &a->group[k];
        json_array_append_new(groups, json_pack("{s:s, s:I, s:I, s:o, s:o}", "name",
                                                genome->groups.name[pick->group], "variants",
                                                (json_int_t)group_size(genome, pick->group), "rank",
                                                (json_int_t)pick->rank, "p", real_or_null(pick->p),
                                                "share", real_or_null(pick->gain)));
    }
    return groups;
}

static json_t *card_of_trait(const pare_genome *genome, const pare_analysis *a) {
    json_t *picks = json_array(), *fixed = json_object();
    for (int64_t k = 0; k < a->picks; k++) {
        const pare_variant *v = pare_genotypes_variant(&genome->genotypes, a->pick[k].kept);
        json_array_append_new(
            picks,
            json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:o*, s:s*}", "id", v->id,
                      "chromosome", v->chromosome, "position", (json_int_t)v->position, "a1", v->a1,
                      "a2", v->a2, "effect", real_or_null(a->pick[k].effect), "error",
                      real_or_null(a->pick[k].error), "p", real_or_null(a->pick[k].p), "pip",
                      real_or_null(a->pick[k].pip), "forced", a->pick[k].forced, "joint_p",
                      genome->joint ? real_or_null(a->pick[k].joint_p) : NULL, "group",
                      group_of(genome, a, k)));
    }
    for (int64_t c = 0; c < a->fixed; c++) {
        int64_t number = a->fixed_number[c];
        json_object_set_new(fixed, number < 0 ? "intercept" : genome->traits.covariate[number].name,
                            real_or_null(a->fixed_effect[c]));
    }
    json_t *card = json_pack(
        "{s:s, s:I, s:b, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:f}", "trait", a->trait->name,
        "samples", (json_int_t)a->n, "case_control", a->trait->binary, "heritability_before",
        real_or_null(a->h_null), "heritability_after", real_or_null(a->h_final), "lambda_gc_before",
        real_or_null(a->lambda_plain), "lambda_gc_after", real_or_null(a->lambda_mixed), "stop",
        a->stop_reason, "effects", a->logistic ? "log odds" : "linear", "fixed_effects", fixed,
        "picks", picks, "cpu_seconds", a->cpu_seconds);
    if (card && genome->groups.count > 0) {
        json_object_set_new(card, "groups", card_of_groups(genome, a));
    }
    if (card && a->scored) {
        const pare_scores *s = &a->scores;
        json_object_set_new(
            card, "cross_validation",
            json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:o, s:o}", "folds",
                      (json_int_t)genome->options.folds, "repeats",
                      (json_int_t)genome->options.repeats, "r2", real_or_null(s->r2),
                      "r2_spread_of_repeats", real_or_null(s->r2_spread), "r2_background_alone",
                      real_or_null(s->background_r2), "r2_as_many_one_at_a_time",
                      real_or_null(s->single_r2), "r2_as_many_by_lasso", real_or_null(s->lasso_r2),
                      "r2_five_best_one_at_a_time", real_or_null(s->marginal_r2), "picks", s->picks,
                      "jaccard", s->jaccard, "jaccard_r2_0.8", s->jaccard_ld, "kuncheva",
                      real_or_null(s->kuncheva), "nogueira", real_or_null(s->nogueira)));
    }
    return card;
}

static pare_status render_card(const pare_genome *genome, pare_text *out) {
    static const char *const stops[] = {"ebic", "cv", "permutation", "knockoff"};
    const pare_genotypes *g = &genome->genotypes;
    char date[PARE_DATE_SIZE], version[32];
    pare_clock_date(date);
    snprintf(version, sizeof version, "%d.%d.%d", PARE_VERSION_MAJOR, PARE_VERSION_MINOR,
             PARE_VERSION_PATCH);
    json_t *traits = json_array();
    for (int64_t t = 0; t < genome->done; t++) {
        json_array_append_new(traits, card_of_trait(genome, &genome->analysis[t]));
    }
    json_t *card = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:s, s:b, s:b, s:I, s:I, s:o}",
        "program", "pare genome", "version", version, "date", date, "genotypes", g->stem,
        "samples_in_file", (json_int_t)g->samples, "samples", (json_int_t)g->used,
        "variants_in_file", (json_int_t)g->variants, "variants", (json_int_t)g->kept, "maf",
        genome->options.maf, "geno", genome->options.geno, "hwe", genome->options.hwe, "stop",
        stops[genome->options.stop], "joint", genome->joint != NULL, "background",
        genome->k || genome->shared.ctx, "covariates", (json_int_t)genome->traits.named, "seed",
        (json_int_t)genome->options.seed, "traits", traits);
    const pare_left_out_counts *l = &g->left_out;
    json_t *counts =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "not_extracted", (json_int_t)l->not_extracted,
                  "sex_chromosomes", (json_int_t)l->sex, "constant", (json_int_t)l->constant, "maf",
                  (json_int_t)l->maf, "geno", (json_int_t)l->geno, "hwe", (json_int_t)l->hwe);
    if (card) {
        json_object_set_new(card, "variants_left_out", counts);
        json_object_set_new(card, "missing_calls_imputed", json_integer((json_int_t)g->imputed));
    } else {
        json_decref(counts);
    }
    return pare_put_card(out, card);
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* Writes text to STEM.TRAIT.ENDING and empties it. */
static pare_status write_of_trait(pare_text *text, const char *stem, const char *trait,
                                  const char *ending) {
    pare_text name = {.ctx = text->ctx};
    for (const char *p = trait; *p; p++) { /* a trait's name may hold anything */
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || *p == '_' || *p == '-' || *p == '.';
        pare_text_append(&name, "%c", plain ? *p : '_');
    }
    pare_text_append(&name, "%s%s", trait[0] ? "." : "", ending);
    pare_status status =
        name.status == PARE_OK ? pare_save_part(text, stem, name.bytes) : name.status;
    pare_text_clear(&name);
    return status;
}

pare_status pare_genome_write(const pare_genome *genome, const char *stem) {
    static const struct {
        void (*render)(const pare_genome *, pare_text *);
        const char *ending;
    } tables[] = {{render_path, "path.tsv"},
                  {render_proxies, "proxies.tsv"},
                  {render_credible, "credible.tsv"}};
    pare_text text = {.ctx = genome->ctx};
    if (!stem || !stem[0]) {
        return pare_fail(genome->ctx, PARE_ERROR_ARGUMENT, "the output needs a name");
    }
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && status == PARE_OK; i++) {
        tables[i].render(genome, &text);
        status = pare_save_part(&text, stem, tables[i].ending);
    }
    for (int64_t t = 0; t < genome->done && status == PARE_OK; t++) {
        const pare_analysis *a = &genome->analysis[t];
        render_weights(genome, a, &text);
        status = write_of_trait(&text, stem, a->trait->name, "weights.tsv");
        if (status == PARE_OK && a->scan_effect) {
            render_scan(genome, a, &text);
            status = write_of_trait(&text, stem, a->trait->name, "scan.tsv");
        }
    }
    if (status == PARE_OK) {
        status = render_card(genome, &text);
    }
    if (status == PARE_OK) {
        status = pare_save_part(&text, stem, "json");
    }
    pare_text_clear(&text);
    return status;
}
