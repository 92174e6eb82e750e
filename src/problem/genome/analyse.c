/* The whole analysis of a trait. */
#include "problem/genome/analyse.h"
#include "platform/system.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Variants about each pick that credible sets are looked for among, and in all. */
enum { NEAR = 200, NEAR_LEAST = 20, CONSIDERED = 2400, PROXY_VECTORS = 16 };
#define PROXY 0.8
/* Lambda GC above which option loco is warned of: unrelated samples give 1.0 to 1.1. */
#define INFLATED 1.2
/* Median of chi-square with one degree of freedom. */
#define CHI_SQUARE_MEDIAN 0.45493642311957

void pare_analysis_clear(pare_context *ctx, pare_analysis *a) {
    for (int64_t k = 0; a->pick && k < a->path; k++) {
        pare_free(ctx, a->pick[k].proxy);
        pare_free(ctx, a->pick[k].proxy_r2);
    }
    pare_free(ctx, a->pick);
    pare_free(ctx, a->fixed_effect);
    pare_free(ctx, a->fixed_number);
    pare_free(ctx, a->weight);
    pare_free(ctx, a->group);
    pare_free(ctx, a->scan_effect);
    pare_free(ctx, a->scan_error);
    pare_free(ctx, a->strength);
    pare_credible_clear(ctx, &a->credible);
    *a = (pare_analysis){0};
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of the statistics of the variants taken alone over that of chi-square. */
static pare_status genomic_control(const pare_choice_made *made, double *lambda) {
    const int64_t p = made->w.g->kept;
    double *list = NULL;
    pare_status status = pare_alloc(made->w.ctx, p, sizeof *list, &list);
    if (status != PARE_OK) {
        return status;
    }
    int64_t count = 0;
    double variance = made->chooser.rss_at[0] / (double)(made->w.n - made->count);
    for (int64_t j = 0; j < p; j++) {
        if (made->chooser.gain0[j] > 0 && made->square[j] > 0) {
            list[count++] = made->dot[j] * made->dot[j] / made->square[j] / variance;
        }
    }
    qsort(list, (size_t)count, sizeof *list, ascending);
    *lambda = count > 0 ? list[count / 2] / CHI_SQUARE_MEDIAN : (double)NAN;
    pare_free(made->w.ctx, list);
    return PARE_OK;
}

static pare_status plain_control(const struct pare_genome *genome, const pare_trait *trait,
                                 const bool *some, double *lambda) {
    pare_choice_made plain;
    pare_status status = pare_choice_begin(genome, trait, some, false, false, &plain);
    if (status == PARE_OK) {
        status = genomic_control(&plain, lambda);
        pare_choice_made_clear(genome->ctx, &plain);
    }
    return status;
}

static pare_status copy_scan(const pare_choice_made *made, pare_analysis *a) {
    const int64_t p = made->w.g->kept;
    pare_status status = pare_alloc(made->w.ctx, p, sizeof(double), &a->scan_effect);
    if (status == PARE_OK) {
        status = pare_alloc(made->w.ctx, p, sizeof(double), &a->scan_error);
    }
    double free = (double)(made->w.n - made->count - 1);
    for (int64_t j = 0; j < p && status == PARE_OK; j++) {
        bool varies = made->chooser.gain0[j] > 0 && made->square[j] > 0;
        double effect = varies ? made->dot[j] / made->square[j] : (double)NAN;
        double rss = made->chooser.rss_at[0] - effect * made->dot[j];
        a->scan_effect[j] = effect;
        a->scan_error[j] = sqrt(rss / free / made->square[j]);
    }
    return status;
}

static pare_status keep_strength(const pare_choice_made *made, pare_analysis *a) {
    const int64_t p = made->w.g->kept;
    const double variance = made->chooser.rss_at[0] / (double)(made->w.n - made->count);
    pare_status status = pare_alloc(made->w.ctx, p, sizeof *a->strength, &a->strength);
    for (int64_t j = 0; j < p && status == PARE_OK; j++) {
        bool varies = made->chooser.gain0[j] > 0 && made->square[j] > 0;
        a->strength[j] =
            varies ? (float)pare_normal_strength(made->dot[j] / sqrt(made->square[j] * variance))
                   : NAN;
    }
    return status;
}

/* ---- Proxies -------------------------------------------------------------------------------- */

typedef struct close_variant {
    double r2;
    int64_t kept;
} close_variant;

static int closest_first(const void *a, const void *b) {
    const close_variant *x = a, *y = b;
    return x->r2 != y->r2 ? (x->r2 < y->r2 ? 1 : -1) : (x->kept > y->kept) - (x->kept < y->kept);
}

static pare_status keep_proxies(pare_context *ctx, int64_t p, const double *product,
                                const double *norm, double own, pare_pick *pick) {
    close_variant *list = NULL;
    pare_status status = pare_alloc(ctx, p, sizeof *list, &list);
    int64_t count = 0;
    for (int64_t j = 0; j < p && status == PARE_OK; j++) {
        double r2 = norm[j] > 0 ? product[j] * product[j] / (norm[j] * own) : 0;
        if (r2 > PROXY && j != pick->kept) {
            list[count++] = (close_variant){fmin(r2, 1), j};
        }
    }
    if (status == PARE_OK) {
        qsort(list, (size_t)count, sizeof *list, closest_first);
        status = pare_alloc(ctx, count, sizeof *pick->proxy, &pick->proxy);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count, sizeof *pick->proxy_r2, &pick->proxy_r2);
    }
    for (int64_t i = 0; i < count && status == PARE_OK; i++) {
        pick->proxy[i] = list[i].kept;
        pick->proxy_r2[i] = list[i].r2;
        pick->proxies = i + 1;
    }
    pare_free(ctx, list);
    return status;
}

/* Picks whose products with every variant are found in one pass. */
typedef struct proxy_pass {
    const pare_whiten *plain;           /* the samples of the fit, not whitened */
    const double *norm, *one;           /* (kept): squared norm about the mean, and x_j'1 */
    int64_t vectors;                    /* of `v` in use */
    int64_t at[PROXY_VECTORS];          /* of each pick: its dosages less 1 */
    int64_t called_at[PROXY_VECTORS];   /* its calls, 1 or 0; -1: no call of it is missing */
    double mean[PROXY_VECTORS];         /* of x over the samples of the fit */
    double own[PROXY_VECTORS];          /* squared norm about that mean */
    double *column, *v, *dot, *product; /* (n), (PROXY_VECTORS, n), (PROXY_VECTORS, kept), (kept) */
} proxy_pass;

/*
 * Splits x of a pick into vectors of -1, 0 and 1, exact in one limb: x_i is (d_i - 1) + (1 - m)
 * where d_i is called and m is the mean that x is measured from, else 0. An x of 0 that is called
 * has d_i = m, and may pass for missing.
 */
static pare_status add_proxy_vectors(proxy_pass *pass, int64_t kept, int64_t turn) {
    const int64_t n = pass->plain->n;
    const double from = pass->plain->g->mean[kept];
    double *less_one = pass->v + pass->vectors * n, *called = less_one + n, mean = 0, own = 0;
    int64_t missing = 0;
    pare_status status = pare_whiten_column(pass->plain, kept, pass->column);
    for (int64_t i = 0; i < n && status == PARE_OK; i++) {
        double x = pass->column[i];
        called[i] = x != 0;
        less_one[i] = x != 0 ? nearbyint(x + from) - 1 : 0;
        missing += x == 0;
        mean += x / (double)n;
    }
    for (int64_t i = 0; i < n && status == PARE_OK; i++) {
        own += (pass->column[i] - mean) * (pass->column[i] - mean);
    }
    pass->mean[turn] = mean;
    pass->own[turn] = own;
    pass->at[turn] = pass->vectors;
    pass->called_at[turn] = missing > 0 ? pass->vectors + 1 : -1;
    pass->vectors += missing > 0 ? 2 : 1;
    return status;
}

/* Proxies of `some` picks, by the products with their vectors. */
static pare_status keep_pass(pare_context *ctx, proxy_pass *pass, int64_t some, pare_pick *pick) {
    const pare_genotypes *g = pass->plain->g;
    const int64_t p = g->kept;
    pare_status status = pare_whiten_correlate(pass->plain, 1, pass->vectors, pass->v, pass->dot);
    for (int64_t t = 0; t < some && status == PARE_OK; t++) {
        const double *less_one = pass->dot + pass->at[t] * p, *called = pass->one;
        const double rest = 1 - g->mean[pick[t].kept];
        called = pass->called_at[t] < 0 ? called : pass->dot + pass->called_at[t] * p;
        for (int64_t j = 0; j < p; j++) {
            pass->product[j] = less_one[j] + rest * called[j] - pass->mean[t] * pass->one[j];
        }
        status = keep_proxies(ctx, p, pass->product, pass->norm, pass->own[t], &pick[t]);
    }
    return status;
}

static pare_status find_in_passes(pare_context *ctx, proxy_pass *pass, int64_t picks,
                                  pare_pick *pick) {
    pare_status status = PARE_OK;
    for (int64_t k = 0, some = 0; k < picks && status == PARE_OK; k += some) {
        pass->vectors = 0;
        for (some = 0; k + some < picks && pass->vectors + 2 <= PROXY_VECTORS && status == PARE_OK;
             some++) {
            status = add_proxy_vectors(pass, pick[k + some].kept, some);
        }
        status = status == PARE_OK ? keep_pass(ctx, pass, some, pick + k) : status;
    }
    return status;
}

/* r2 of the dosages over the samples of the fit, of each pick with every variant. */
static pare_status find_proxies(const pare_choice_made *made, pare_analysis *a) {
    pare_context *ctx = made->w.ctx;
    const int64_t p = made->w.g->kept, n = made->w.n;
    pare_whiten plain = made->w; /* the same samples, not whitened */
    plain.h = 0;
    plain.root = NULL;
    proxy_pass pass = {.plain = &plain};
    double *norm = NULL, *one = NULL;
    const struct {
        int64_t count;
        double **at;
    } arrays[] = {{p, &norm},
                  {p, &one},
                  {p, &pass.product},
                  {n, &pass.column},
                  {PROXY_VECTORS * n, &pass.v},
                  {PROXY_VECTORS * p, &pass.dot}};
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0] && status == PARE_OK; i++) {
        status = pare_alloc(ctx, arrays[i].count, sizeof(double), arrays[i].at);
    }
    if (status == PARE_OK) {
        status = pare_whiten_squares(&plain, norm);
    }
    for (int64_t i = 0; i < n && status == PARE_OK; i++) {
        pass.column[i] = 1;
    }
    if (status == PARE_OK) {
        status = pare_whiten_correlate(&plain, 1, 1, pass.column, one);
    }
    for (int64_t j = 0; j < p && status == PARE_OK; j++) {
        norm[j] -= one[j] * one[j] / (double)n;
        norm[j] = norm[j] > 1e-9 * (double)n ? norm[j] : 0;
    }
    pass.norm = norm;
    pass.one = one;
    if (status == PARE_OK) {
        status = find_in_passes(ctx, &pass, a->picks, a->pick);
    }
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_free(ctx, *arrays[i].at);
    }
    return status;
}

/* ---- Fit ------------------------------------------------------------------------------------ */

/* Effects of a case/control trait as log odds, without background. */
static pare_status log_odds(const pare_choice_made *made, pare_analysis *a) {
    pare_context *ctx = made->w.ctx;
    const int64_t n = made->w.n, all = made->count + a->picks;
    double *x = NULL, *effect = NULL, *error = NULL, *y = NULL;
    bool good = false;
    pare_status status = pare_alloc(ctx, all * n, sizeof *x, &x);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, all, sizeof *effect, &effect);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, all, sizeof *error, &error);
    }
    if (status == PARE_OK) {
        memcpy(x, made->fixed, (size_t)(made->count * n) * sizeof *x);
    }
    for (int64_t k = 0; k < a->picks && status == PARE_OK; k++) {
        status = pare_whiten_column(&made->w, a->pick[k].kept, x + (made->count + k) * n);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, n, sizeof *y, &y);
    }
    for (int64_t i = 0; i < n && status == PARE_OK; i++) {
        y[i] = a->trait->value[made->w.sample[i]];
    }
    if (status == PARE_OK) {
        status = pare_log_odds_fit(ctx, n, all, x, y, effect, error, &good);
    }
    a->logistic = good;
    for (int64_t k = 0; k < a->picks && status == PARE_OK && good; k++) {
        a->pick[k].effect = effect[made->count + k];
        a->pick[k].error = error[made->count + k];
    }
    pare_free(ctx, x);
    pare_free(ctx, y);
    pare_free(ctx, effect);
    pare_free(ctx, error);
    return status;
}

static void copy_path(const struct pare_genome *genome, const pare_choice_made *made,
                      pare_analysis *a) {
    const pare_chooser *c = &made->chooser;
    for (int64_t k = 0; k < a->path; k++) {
        pare_pick *pick = &a->pick[k];
        pick->kept = c->pick[k];
        pick->gain = (c->rss_at[k] - c->rss_at[k + 1]) / c->rss_at[0];
        pick->ebic = c->ebic[k + 1];
        pick->effect = pick->error = pick->p = pick->pip = (double)NAN;
        pick->joint_p = genome->joint ? genome->joint[0].p[k] : (double)NAN;
        for (int64_t i = 0; i < genome->forced; i++) {
            pick->forced = pick->forced || genome->force[i] == pick->kept;
        }
        for (int64_t i = 0; i < a->credible.considered; i++) {
            pick->pip = a->credible.variant[i] == pick->kept ? a->credible.pip[i] : pick->pip;
        }
    }
}

static pare_status fit_chosen(const struct pare_genome *genome, pare_choice_made *made,
                              pare_analysis *a) {
    pare_mixed_fit fit = {0};
    pare_status status = pare_choice_refit(genome, made, a->picks, &fit);
    if (status == PARE_OK) {
        status = pare_alloc(genome->ctx, genome->genotypes.kept, sizeof(double), &a->weight);
    }
    if (status == PARE_OK) {
        status = pare_mixed_weights(&made->w, &fit, made->chooser.pick, a->weight);
    }
    if (status == PARE_OK) {
        a->h_final = fit.h;
        for (int64_t k = 0; k < a->picks; k++) {
            a->pick[k].effect = fit.effect[made->count + k];
            a->pick[k].error = fit.error[made->count + k];
        }
        a->fixed = made->count;
        a->fixed_effect = fit.effect;
        a->fixed_number = made->number;
        fit.effect = NULL;
        made->number = NULL;
    }
    if (status == PARE_OK && a->trait->binary) {
        status = log_odds(made, a);
    }
    for (int64_t k = 0; k < a->picks && status == PARE_OK; k++) {
        a->pick[k].p = erfc(fabs(a->pick[k].effect / a->pick[k].error) / sqrt(2));
    }
    pare_mixed_fit_clear(&fit);
    return status;
}

pare_status pare_analyse(const struct pare_genome *genome, int64_t trait, pare_analysis *out) {
    *out = (pare_analysis){0};
    pare_context *ctx = genome->ctx;
    const double start = pare_cpu_seconds();
    pare_analysis a = {.trait = &genome->traits.trait[trait]};
    pare_choice_made made = {0};
    bool *some = NULL;
    pare_status status = pare_alloc(ctx, genome->genotypes.samples, sizeof *some, &some);
    if (status != PARE_OK) {
        return status;
    }
    pare_trait_samples(genome, a.trait, some);
    status = pare_choice_begin(genome, a.trait, some, true, true, &made);
    if (status != PARE_OK) {
        goto fail;
    }
    a.n = made.w.n;
    a.h_null = made.w.h;
    status = genomic_control(&made, &a.lambda_mixed);
    a.lambda_plain = a.lambda_mixed;
    if (status == PARE_OK && made.w.h > 0) { /* without background it is the same */
        status = plain_control(genome, a.trait, some, &a.lambda_plain);
    }
    if (genome->options.loco && a.lambda_mixed > INFLATED) {
        pare_warn(ctx,
                  "trait '%s': with option loco lambda GC is %.2f, so that too much is chosen; "
                  "relatives share long pieces of chromosomes, which only the background of all "
                  "chromosomes accounts for: leave option loco out",
                  a.trait->name, a.lambda_mixed);
    }
    if (status == PARE_OK) {
        status = keep_strength(&made, &a);
    }
    if (status == PARE_OK && genome->options.scan) {
        status = copy_scan(&made, &a);
    }
    if (status == PARE_OK) {
        status = pare_choice_run(genome, a.trait, some, genome->options.stop, &made);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    a.path = made.chooser.picks;
    a.picks = made.picks;
    a.ebic_null = made.chooser.ebic[0];
    a.stop_reason = made.reason;
    a.clusters = made.clusters;
    a.groups = made.groups;
    a.group_path = made.group_path;
    a.group = made.group;
    made.group = NULL;
    status = pare_alloc_zero(ctx, a.path, sizeof *a.pick, &a.pick);
    if (status == PARE_OK) {
        int64_t near = CONSIDERED / (a.picks > 0 ? a.picks : 1);
        near = near > NEAR ? NEAR : near < NEAR_LEAST ? NEAR_LEAST : near;
        /* A group is chosen for what its members do together: no single effects to look for. */
        status = pare_credible_create(&made.chooser, genome->groups.count > 0 ? 0 : a.picks, near,
                                      &a.credible);
    }
    if (status == PARE_OK) {
        copy_path(genome, &made, &a);
        status = find_proxies(&made, &a);
    }
    if (status == PARE_OK) {
        status = fit_chosen(genome, &made, &a);
    }
    if (status == PARE_OK && genome->options.folds > 1) {
        status = pare_cross_validate(genome, a.trait, some, &a.scores);
        a.scored = true;
    }
    if (status != PARE_OK) {
        goto fail;
    }
    a.cpu_seconds = pare_cpu_seconds() - start;
    *out = a;
    a = (pare_analysis){0};
fail:
    pare_choice_made_clear(ctx, &made);
    pare_analysis_clear(ctx, &a);
    pare_free(ctx, some);
    return status;
}
