/* One choice: fixed effects, variance components, picks and where to stop, refit. */
#include "problem/genome/analyse.h"

#include <math.h>
#include <string.h>

/* Picks tried beyond the best extended BIC before giving up. */
enum { PATIENCE = 3 };
/* False discovery rate of stop knockoff where option fdr says none. */
#define DEFAULT_RATE 0.1

void pare_trait_samples(const struct pare_genome *genome, const pare_trait *trait, bool *some) {
    const pare_genotypes *g = &genome->genotypes;
    for (int64_t i = 0; i < g->samples; i++) {
        some[i] = g->in[i] && !isnan(trait->value[i]);
        for (int64_t t = 0; genome->options.joint && t < genome->traits.traits && some[i]; t++) {
            some[i] = !isnan(genome->traits.trait[t].value[i]);
        }
        for (int64_t c = 0; c < genome->traits.covariates && some[i]; c++) {
            some[i] = !isnan(genome->traits.covariate_value[c * g->samples + i]);
        }
    }
}

int64_t pare_most_picks(const struct pare_genome *genome) {
    const int64_t half = genome->genotypes.used / 2 + 1;
    int64_t most = genome->options.max_picks;
    if (genome->groups.count > 0) {
        most = most < half / genome->groups.largest ? most * genome->groups.largest : half;
    }
    return most + genome->forced;
}

/* Appends v (n) to an orthonormal basis; false where nothing of it is new. */
static bool extend_basis(int64_t n, int64_t *count, double *basis, double *v) {
    double before = 0, after = 0;
    for (int64_t i = 0; i < n; i++) {
        before += v[i] * v[i];
    }
    for (int turn = 0; turn < 2; turn++) {
        for (int64_t k = 0; k < *count; k++) {
            double part = 0;
            for (int64_t i = 0; i < n; i++) {
                part += basis[k * n + i] * v[i];
            }
            for (int64_t i = 0; i < n; i++) {
                v[i] -= part * basis[k * n + i];
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        after += v[i] * v[i];
    }
    if (!(after > 1e-14 * before) || !(after > 0)) {
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        basis[*count * n + i] = v[i] / sqrt(after);
    }
    ++*count;
    return true;
}

pare_status pare_fixed_effects(const struct pare_genome *genome, const pare_whiten *w, bool strict,
                               int64_t *count, double **fixed, int64_t **number) {
    const pare_traits *traits = &genome->traits;
    const int64_t n = w->n, samples = genome->genotypes.samples, most = traits->covariates + 1;
    double *basis = NULL, *v = NULL, *out = NULL;
    int64_t *which = NULL, used = 0;
    pare_status status = PARE_OK;
    *fixed = NULL;
    *number = NULL;
    if (strict && n <= traits->named + 2) {
        return pare_fail(w->ctx, PARE_ERROR_INPUT,
                         "%lld samples with trait and covariates are too few for %lld covariates",
                         (long long)n, (long long)traits->named);
    }
    const int64_t room = most < n ? most : n;
    status = pare_alloc(w->ctx, room * n, sizeof *basis, &basis);
    if (status == PARE_OK) {
        status = pare_alloc(w->ctx, room * n, sizeof *out, &out);
    }
    if (status == PARE_OK) {
        status = pare_alloc(w->ctx, n, sizeof *v, &v);
    }
    if (status == PARE_OK) {
        status = pare_alloc(w->ctx, room, sizeof *which, &which);
    }
    for (int64_t c = -1; c < traits->covariates && status == PARE_OK; c++) {
        for (int64_t i = 0; i < n; i++) {
            v[i] = c < 0 ? 1 : traits->covariate_value[c * samples + w->sample[i]];
        }
        if (used < room) {
            memcpy(out + used * n, v, (size_t)n * sizeof *v);
            which[used] = c;
        }
        bool constant = c >= 0;
        for (int64_t i = 1; i < n && constant; i++) {
            constant = v[i] == v[0];
        }
        if (constant) {
            if (strict && !traits->covariate[c].level) {
                pare_warn(w->ctx, "covariate '%s' is the same for all samples: left out",
                          traits->covariate[c].name);
            }
        } else if (used == room || !extend_basis(n, &used, basis, v)) {
            if (strict && !traits->covariate[c].level) {
                status = pare_fail(w->ctx, PARE_ERROR_INPUT,
                                   "covariate '%s' is determined by the ones before it (collinear)",
                                   traits->covariate[c].name);
            }
        }
    }
    if (status == PARE_OK && used >= n - 2) {
        status = pare_fail(w->ctx, PARE_ERROR_INPUT,
                           "%lld samples with trait and covariates are too few for %lld columns of "
                           "covariates",
                           (long long)n, (long long)used);
    }
    pare_free(w->ctx, basis);
    pare_free(w->ctx, v);
    if (status != PARE_OK) {
        pare_free(w->ctx, out);
        pare_free(w->ctx, which);
        return status;
    }
    *count = used;
    *fixed = out;
    *number = which;
    return PARE_OK;
}

void pare_choice_made_clear(pare_context *ctx, pare_choice_made *made) {
    pare_loco_clear(ctx, &made->loco);
    pare_chooser_clear(&made->chooser);
    pare_whiten_clear(&made->w);
    pare_spectrum_clear(&made->spectrum);
    pare_free(ctx, made->fixed);
    pare_free(ctx, made->root);
    pare_free(ctx, made->y);
    pare_free(ctx, made->number);
    pare_free(ctx, made->dot);
    pare_free(ctx, made->square);
    pare_free(ctx, made->group);
    *made = (pare_choice_made){0};
}

/*
 * Case/control: one step of reweighted least squares at the logistic regression on the fixed
 * effects. With weights w = p (1 - p) and response F a + (y - p) / w the first statistics are those
 * of its score test, with background those of GMMAT (Chen et al. 2016) at these weights. Separated
 * classes, and knockoffs, which are of ordinary regression: y stays 0 and 1.
 */
static pare_status work_response(const struct pare_genome *genome, const pare_trait *trait,
                                 pare_choice_made *made) {
    pare_context *ctx = genome->ctx;
    const int64_t n = made->w.n, count = made->count;
    double *effect = NULL;
    bool good = false;
    if (!trait->binary || genome->options.stop == PARE_STOP_KNOCKOFF) {
        return PARE_OK;
    }
    pare_status status = pare_alloc(ctx, 2 * count, sizeof *effect, &effect);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, n, sizeof *made->root, &made->root);
    }
    if (status == PARE_OK) {
        status =
            pare_log_odds_fit(ctx, n, count, made->fixed, made->y, effect, effect + count, &good);
    }
    for (int64_t i = 0; i < n && status == PARE_OK && good; i++) {
        double eta = 0;
        for (int64_t c = 0; c < count; c++) {
            eta += effect[c] * made->fixed[c * n + i];
        }
        double chance = 1 / (1 + exp(-eta)), weight = fmax(chance * (1 - chance), 1e-6);
        made->root[i] = sqrt(weight);
        made->y[i] = eta + (made->y[i] - chance) / weight;
    }
    if (status == PARE_OK && !good) {
        pare_free(ctx, made->root);
        made->root = NULL;
    }
    made->w.root = made->root;
    pare_free(ctx, effect);
    return status;
}

pare_status pare_choice_begin(const struct pare_genome *genome, const pare_trait *trait,
                              const bool *some, bool background, bool strict,
                              pare_choice_made *made) {
    *made = (pare_choice_made){.reason = "none"};
    pare_context *ctx = genome->ctx;
    const pare_genotypes *g = &genome->genotypes;
    const float *k = background ? genome->k : NULL;
    double h = 0;
    pare_status status = pare_whiten_create(g, some, k, &made->w);
    if (status == PARE_OK) {
        status =
            pare_fixed_effects(genome, &made->w, strict, &made->count, &made->fixed, &made->number);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, made->w.n, sizeof *made->y, &made->y);
    }
    for (int64_t i = 0; i < made->w.n && status == PARE_OK; i++) {
        made->y[i] = trait->value[made->w.sample[i]];
    }
    if (status == PARE_OK) {
        status = work_response(genome, trait, made);
    }
    if (status == PARE_OK && background && genome->shared.ctx) {
        made->w.background = &genome->shared;
        status =
            pare_background_reml(&made->w, made->count, made->fixed, made->y, &h, &made->w.ratio);
    }
    if (status == PARE_OK && k) {
        status = pare_spectrum_create(ctx, k, g->used, made->w.n, made->w.row, made->root,
                                      &made->spectrum);
        if (status == PARE_OK) {
            status = pare_reml(&made->spectrum, made->count, made->fixed, made->y, &h);
        }
    }
    if (status == PARE_OK) {
        status = pare_whiten_factor(&made->w, k, h);
    }
    if (status == PARE_OK) {
        status =
            pare_chooser_create(&made->w, made->count, made->fixed, made->y, genome->forbidden,
                                genome->options.gamma, pare_most_picks(genome), &made->chooser);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, g->kept, sizeof *made->dot, &made->dot);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, g->kept, sizeof *made->square, &made->square);
    }
    if (status != PARE_OK) {
        pare_choice_made_clear(ctx, made);
        return status;
    }
    made->chooser.prior = genome->prior;
    memcpy(made->dot, made->chooser.dot, (size_t)g->kept * sizeof *made->dot);
    memcpy(made->square, made->chooser.square, (size_t)g->kept * sizeof *made->square);
    if (genome->options.loco && background && made->w.h > 0) {
        status = pare_loco_begin(genome, some, made);
    }
    if (status != PARE_OK) {
        pare_choice_made_clear(ctx, made);
    }
    return status;
}

/* Adds a pick to all spaces; with chromosomes left out, extended BIC goes by the residual that is
 * left in the space of its own. */
static pare_status add_pick(pare_choice_made *made, int64_t kept, double left, bool *added) {
    pare_chooser *c = &made->chooser;
    pare_status status = pare_chooser_add(c, kept, added);
    if (status == PARE_OK && made->loco.count > 0) {
        status = pare_loco_add(&made->w, &made->loco, kept);
        if (*added) {
            double n = (double)made->w.n, p = (double)made->w.g->kept;
            c->ebic[c->picks] = c->ebic[c->picks - 1] + (n - (double)c->fixed) * log(left) +
                                log(n) + 2 * c->gamma * log(p);
        }
    }
    return status;
}

/* Share of the residual of its own space that a variant leaves when it is added. */
static double left_by(const pare_loco *loco, int64_t kept) {
    for (int64_t c = 0; c < loco->count; c++) {
        const pare_chooser *own = &loco->one[c].chooser;
        int64_t j = kept - loco->one[c].first;
        if (j >= 0 && j < loco->one[c].view.kept) {
            return fmax(1 - own->dot[j] * own->dot[j] / own->square[j] / own->rss, 1e-300);
        }
    }
    return 1;
}

/* Adds the best free variant; *added false at the end. */
static pare_status add_best(pare_choice_made *made, bool *added) {
    const pare_chooser *c = &made->chooser;
    *added = false;
    for (;;) {
        double left = 1;
        int64_t best =
            made->loco.count > 0 ? pare_loco_best(&made->loco, &left) : pare_chooser_best(c);
        if (best < 0 || c->picks == c->capacity || c->columns >= c->w->n - 1) {
            return PARE_OK;
        }
        pare_status status = add_pick(made, best, left, added);
        if (status != PARE_OK || *added) {
            return status;
        }
    }
}

static pare_status run_ebic(pare_choice_made *made, int64_t forced) {
    pare_chooser *c = &made->chooser;
    int64_t best = forced;
    bool added = true;
    made->reason = "extended BIC rises";
    while (added && c->picks - best < PATIENCE) {
        pare_status status = add_best(made, &added);
        if (status != PARE_OK) {
            return status;
        }
        best = added && c->ebic[c->picks] < c->ebic[best] ? c->picks : best;
    }
    if (best == c->picks && !added) {
        made->reason = "as many as option max-picks allows";
    }
    made->picks = best;
    return PARE_OK;
}

static pare_status run_permutation(const pare_options *options, pare_choice_made *made) {
    pare_chooser *c = &made->chooser;
    bool added = true;
    made->reason = "no variant beats the permuted residuals";
    while (added) {
        double p = 1;
        pare_status status = pare_chooser_permute(c, options->permutations,
                                                  (uint64_t)(options->seed + c->picks), &p);
        if (status != PARE_OK || p > options->alpha) {
            made->picks = c->picks;
            return status;
        }
        status = add_best(made, &added);
        if (status != PARE_OK) {
            return status;
        }
    }
    made->reason = "as many as option max-picks allows";
    made->picks = c->picks;
    return PARE_OK;
}

/* Adds what knockoff+ claims; one that the others determine is left out. */
static pare_status run_knockoff(const struct pare_genome *genome, pare_choice_made *made) {
    pare_claims claims;
    const pare_options *o = &genome->options;
    const double q = o->fdr > 0 ? o->fdr : DEFAULT_RATE;
    pare_status status = pare_knockoff_claims(genome, made, q, (uint64_t)o->seed, &claims);
    for (int64_t c = 0; c < claims.count && status == PARE_OK; c++) {
        bool added = false;
        status = pare_chooser_add(&made->chooser, claims.pick[c], &added);
    }
    made->picks = made->chooser.picks;
    made->clusters = claims.clusters;
    made->reason = claims.count > 0 ? "knockoff+" : "knockoff+ claims none";
    pare_free(genome->ctx, claims.pick);
    return status;
}

/* Whole groups; those that are tried after the last chosen one stay on the path. */
static pare_status run_groups(const struct pare_genome *genome, pare_choice_made *made) {
    const int64_t forced = made->chooser.picks;
    pare_status status =
        pare_groups_choose(&made->chooser, &genome->groups, genome->options.max_picks,
                           &made->groups, &made->group_path, &made->group);
    if (status == PARE_OK) {
        const pare_group_pick *last = made->groups > 0 ? &made->group[made->groups - 1] : NULL;
        made->picks = last ? last->first + last->rank : forced;
        made->reason =
            made->group_path == genome->options.max_picks && made->groups == made->group_path
                ? "as many as option max-picks allows"
                : "extended BIC of groups rises";
    }
    return status;
}

pare_status pare_choice_run(const struct pare_genome *genome, const pare_trait *trait,
                            const bool *some, int64_t stop, pare_choice_made *made) {
    pare_status status = PARE_OK;
    bool added = true;
    if (genome->joint) {
        return pare_joint_replay(genome, made);
    }
    for (int64_t i = 0; i < genome->forced && status == PARE_OK; i++) {
        if (made->chooser.state[genome->force[i]] != 1) {
            double left = left_by(&made->loco, genome->force[i]);
            status = add_pick(made, genome->force[i], left, &added);
        }
    }
    const int64_t forced = made->chooser.picks;
    if (status != PARE_OK) {
        return status;
    }
    if (genome->groups.count > 0) {
        return run_groups(genome, made);
    }
    if (stop == PARE_STOP_EBIC) {
        return run_ebic(made, forced);
    }
    if (stop == PARE_STOP_KNOCKOFF) {
        return run_knockoff(genome, made);
    }
    if (stop == PARE_STOP_PERMUTATION) {
        return run_permutation(&genome->options, made);
    }
    int64_t best = 0;
    status = pare_inner_validate(genome, trait, some, &best);
    while (status == PARE_OK && added && made->chooser.picks < forced + best) {
        status = add_best(made, &added);
    }
    made->picks = made->chooser.picks;
    made->reason = "error of inner cross-validation does not fall";
    return status;
}

pare_status pare_choice_refit(const struct pare_genome *genome, pare_choice_made *made,
                              int64_t picks, pare_mixed_fit *fit) {
    const int64_t n = made->w.n;
    const int64_t *pick = made->chooser.pick;
    double *all = NULL, h = 0;
    pare_status status = PARE_OK;
    *fit = (pare_mixed_fit){0};
    if ((made->w.l || made->w.background) && picks > 0) {
        status = pare_alloc(genome->ctx, (made->count + picks) * n, sizeof *all, &all);
        if (status == PARE_OK) {
            memcpy(all, made->fixed, (size_t)(made->count * n) * sizeof *all);
        }
        for (int64_t k = 0; k < picks && status == PARE_OK; k++) {
            status = pare_whiten_column(&made->w, pick[k], all + (made->count + k) * n);
        }
        if (status == PARE_OK) {
            status = made->w.background
                         ? pare_background_reml(&made->w, made->count + picks, all, made->y, &h,
                                                &made->w.ratio)
                         : pare_reml(&made->spectrum, made->count + picks, all, made->y, &h);
        }
        if (status == PARE_OK) {
            status = pare_whiten_factor(&made->w, genome->k, h);
        }
        pare_free(genome->ctx, all);
    }
    return status == PARE_OK ? pare_mixed_fit_create(&made->w, made->count, made->fixed, picks,
                                                     pick, made->y, fit)
                             : status;
}
