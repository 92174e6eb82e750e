/*
 * Choice of variants for several traits together, on the samples that have all of them.
 *
 * Each trait keeps its own mixed model, and with it its own whitened space. E (n, T) holds the
 * whitened residuals of the traits, S = E'E; u_t = z_tj'e_t / |z_tj| is what variant j explains of
 * trait t. Beside the picks so far it multiplies det S by 1 - u' S^-1 u: exactly so where the
 * traits share one V, as in seemingly unrelated regressions with equal regressors. For residuals
 * without correlation n log(1 - u' S^-1 u) is, to first order, the sum of the traits' own gains;
 * correlated ones do not count twice. A pick costs an effect in every trait and one search:
 * joint extended BIC = f log det(S / f) + k (T log n + 2 gamma log p), f = n less the fixed
 * effects.
 */
#include "kernels/blas.h"
#include "problem/genome/analyse.h"

#include <math.h>
#include <string.h>

/* Picks tried beyond the best joint extended BIC. */
enum { PATIENCE = 3 };
/* Bytes that the factors of all traits may take. */
#define FACTOR_BYTES 8e9
/* A trait whose residual the others determine to less than this share is refused. */
#define DETERMINED 1e-8
/* A forced variant with less than this share outside the picks is in their span. */
#define SPANNED 1e-4

enum { FREE, CHOSEN };

typedef struct spaces {
    const struct pare_genome *genome;
    int64_t traits, n;
    double free;            /* n less the fixed effects */
    pare_choice_made *made; /* (traits) */
    double *factor;         /* (traits, traits) Cholesky factor of S, lower */
    double *u;              /* (traits) */
    double log_det;         /* of S / free */
    double prior_sum;       /* of the picks */
} spaces;

double pare_normal_strength(double z) {
    const double size = fabs(z) / sqrt(2);
    /* erfc(x) is e^(-x^2) / (x root pi) to 1 / 2 x^2 of it. */
    return size < 20 ? -log10(erfc(size))
                     : (size * size + log(size * sqrt(3.14159265358979323846))) / log(10);
}

double pare_chi_square_tail(double x, int64_t degrees) {
    const double half = x / 2;
    const bool even = degrees % 2 == 0;
    if (!(x > 0)) {
        return 1;
    }
    /* Q(k + 2) = Q(k) + (x / 2)^(k / 2) e^(-x / 2) / Gamma(k / 2 + 1). */
    double tail = even ? exp(-half) : erfc(sqrt(half));
    double term = even ? exp(-half) : exp(-half) / sqrt(half * 3.14159265358979323846);
    for (int64_t k = even ? 2 : 1; k < degrees; k += 2) {
        term *= half / ((double)k / 2);
        tail += term;
    }
    return fmin(tail, 1);
}

static void clear_choice(pare_context *ctx, pare_joint_choice *joint) {
    pare_free(ctx, joint->pick);
    pare_free(ctx, joint->ebic);
    pare_free(ctx, joint->p);
    *joint = (pare_joint_choice){0};
}

void pare_joint_clear(struct pare_genome *genome) {
    for (int64_t c = 0; c < genome->joints; c++) {
        clear_choice(genome->ctx, &genome->joint[c]);
    }
    pare_free(genome->ctx, genome->joint);
    genome->joint = NULL;
    genome->joints = 0;
}

static void close_spaces(spaces *s) {
    pare_context *ctx = s->genome->ctx;
    for (int64_t t = 0; s->made && t < s->traits; t++) {
        pare_choice_made_clear(ctx, &s->made[t]);
    }
    pare_free(ctx, s->made);
    pare_free(ctx, s->factor);
    pare_free(ctx, s->u);
}

static pare_status open_spaces(const struct pare_genome *genome, const bool *some, spaces *s) {
    *s = (spaces){.genome = genome, .traits = genome->traits.traits};
    const int64_t all = s->traits;
    pare_status status = pare_alloc_zero(genome->ctx, all, sizeof *s->made, &s->made);
    if (status == PARE_OK) {
        status = pare_alloc(genome->ctx, all * all, sizeof *s->factor, &s->factor);
    }
    if (status == PARE_OK) {
        status = pare_alloc(genome->ctx, all, sizeof *s->u, &s->u);
    }
    for (int64_t t = 0; t < all && status == PARE_OK; t++) {
        status =
            pare_choice_begin(genome, &genome->traits.trait[t], some, true, false, &s->made[t]);
    }
    if (status == PARE_OK) {
        s->n = s->made[0].w.n;
        s->free = (double)(s->n - s->made[0].count);
    }
    return status;
}

/* factor and log_det of the residuals as they stand. */
static pare_status factor_residuals(spaces *s) {
    s->log_det = 0;
    for (int64_t a = 0; a < s->traits; a++) {
        for (int64_t b = 0; b <= a; b++) {
            s->factor[a * s->traits + b] =
                pare_inner(s->n, s->made[a].chooser.rest, s->made[b].chooser.rest);
        }
    }
    if (pare_cholesky(s->traits, s->factor, s->traits) == 0) {
        int64_t a = 0;
        for (; a < s->traits; a++) {
            double own = s->factor[a * s->traits + a];
            if (!(own * own > DETERMINED * s->made[a].chooser.rss)) {
                break;
            }
            s->log_det += 2 * log(own) - log(s->free);
        }
        if (a == s->traits) {
            return PARE_OK;
        }
    }
    return pare_fail(s->genome->ctx, PARE_ERROR_INPUT,
                     "option joint: the covariates and the other traits determine one of the %lld "
                     "traits on the %lld samples that have all of them; leave it out",
                     (long long)s->traits, (long long)s->n);
}

/* u' S^-1 u of variant j. */
static double share_of(const spaces *s, int64_t j) {
    double sum = 0;
    for (int64_t a = 0; a < s->traits; a++) {
        const pare_chooser *c = &s->made[a].chooser;
        double value = c->dot[j] / sqrt(c->square[j]);
        for (int64_t b = 0; b < a; b++) {
            value -= s->factor[a * s->traits + b] * s->u[b];
        }
        s->u[a] = value / s->factor[a * s->traits + a];
        sum += s->u[a] * s->u[a];
    }
    return fmin(sum, 1 - 1e-15);
}

/* The variant, free in every space, whose addition lowers joint extended BIC most; -1: none. */
static int64_t best_variant(const spaces *s) {
    const double *prior = s->genome->prior;
    int64_t best = -1;
    double most = 0;
    for (int64_t j = 0; j < s->genome->genotypes.kept; j++) {
        bool is_free = true;
        for (int64_t t = 0; t < s->traits && is_free; t++) {
            is_free = s->made[t].chooser.state[j] == FREE;
        }
        if (is_free) {
            double gain = -s->free * log(1 - share_of(s, j)) + (prior ? 2 * prior[j] : 0);
            if (best < 0 || gain > most) {
                most = gain;
                best = j;
            }
        }
    }
    return best;
}

/* Adds j to every space, its p, and joint extended BIC after it. */
static pare_status add_variant(spaces *s, int64_t j, pare_joint_choice *out) {
    const pare_chooser *first = &s->made[0].chooser;
    const double n = (double)s->n, traits = (double)s->traits, share = share_of(s, j);
    const double price =
        traits * log(n) + 2 * first->gamma * log((double)s->genome->genotypes.kept);
    pare_status status = PARE_OK;
    for (int64_t t = 0; t < s->traits && status == PARE_OK; t++) {
        bool added = false;
        status = pare_chooser_add(&s->made[t].chooser, j, &added);
        if (status == PARE_OK && !added) {
            status = pare_fail(s->genome->ctx, PARE_ERROR_NUMERIC,
                               "option joint: a variant has no part of its own in one trait");
        }
    }
    if (status == PARE_OK) {
        status = factor_residuals(s);
    }
    if (status == PARE_OK) {
        /* Bartlett's correction of the likelihood ratio (Mardia, Kent, Bibby 1979, 6.3). */
        double scale = n - (double)first->columns - traits / 2;
        s->prior_sum += s->genome->prior ? s->genome->prior[j] : 0;
        out->p[out->path] = pare_chi_square_tail(-scale * log(1 - share), s->traits);
        out->pick[out->path++] = j;
        out->ebic[out->path] = s->free * s->log_det + (double)out->path * price - 2 * s->prior_sum;
    }
    return status;
}

static pare_status force_variants(spaces *s, pare_joint_choice *out) {
    pare_status status = PARE_OK;
    for (int64_t i = 0; i < s->genome->forced && status == PARE_OK; i++) {
        const int64_t j = s->genome->force[i];
        bool own = true;
        for (int64_t t = 0; t < s->traits && own; t++) {
            const pare_chooser *c = &s->made[t].chooser;
            own = c->state[j] != CHOSEN && c->square[j] > SPANNED * c->gain0[j] && c->gain0[j] > 0;
        }
        status = own ? add_variant(s, j, out) : PARE_OK;
    }
    return status;
}

pare_status pare_joint_choose(const struct pare_genome *genome, const bool *some,
                              pare_joint_choice *out) {
    pare_context *ctx = genome->ctx;
    const int64_t most = genome->options.max_picks + genome->forced;
    spaces s;
    *out = (pare_joint_choice){.reason = "joint extended BIC rises"};
    pare_status status = pare_alloc(ctx, most, sizeof *out->pick, &out->pick);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, most + 1, sizeof *out->ebic, &out->ebic);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, most, sizeof *out->p, &out->p);
    }
    if (status != PARE_OK) {
        clear_choice(ctx, out);
        return status;
    }
    status = open_spaces(genome, some, &s);
    if (status == PARE_OK) {
        status = factor_residuals(&s);
    }
    if (status == PARE_OK) {
        out->ebic[0] = s.free * s.log_det;
        status = force_variants(&s, out);
        out->picks = out->path;
    }
    while (status == PARE_OK && out->path - out->picks < PATIENCE) {
        int64_t best = best_variant(&s);
        if (best < 0 || out->path == most || s.made[0].chooser.columns + s.traits >= s.n - 1) {
            out->reason =
                out->path == out->picks ? "as many as option max-picks allows" : out->reason;
            break;
        }
        status = add_variant(&s, best, out);
        if (status == PARE_OK && out->ebic[out->path] < out->ebic[out->picks]) {
            out->picks = out->path;
        }
    }
    close_spaces(&s);
    if (status != PARE_OK) {
        clear_choice(ctx, out);
    }
    return status;
}

pare_status pare_joint_replay(const struct pare_genome *genome, pare_choice_made *made) {
    const pare_joint_choice *joint = &genome->joint[made->turn];
    pare_chooser *c = &made->chooser;
    pare_status status = PARE_OK;
    bool added = true;
    c->ebic[0] = joint->ebic[0];
    for (int64_t k = 0; k < joint->path && added && status == PARE_OK; k++) {
        status = pare_chooser_add(c, joint->pick[k], &added);
        if (status == PARE_OK && added) {
            c->ebic[c->picks] = joint->ebic[k + 1];
        }
    }
    made->picks = joint->picks < c->picks ? joint->picks : c->picks;
    made->reason = joint->reason;
    return status;
}

pare_status pare_joint_possible(const struct pare_genome *genome) {
    const double n = (double)genome->genotypes.used, traits = (double)genome->traits.traits;
    if (genome->traits.traits < 2) {
        return pare_fail(genome->ctx, PARE_ERROR_ARGUMENT,
                         "option joint: there is one trait; name two or more with option trait");
    }
    if (genome->k && n * n * traits * (double)sizeof(double) > FACTOR_BYTES) {
        return pare_fail(genome->ctx, PARE_ERROR_ARGUMENT,
                         "option joint: %lld traits and %lld samples need %.0f GB for their "
                         "factors, more than %.0f; relationship products needs none",
                         (long long)genome->traits.traits, (long long)genome->genotypes.used,
                         n * n * traits * (double)sizeof(double) * 1e-9, FACTOR_BYTES * 1e-9);
    }
    return PARE_OK;
}

pare_status pare_joint_choose_all(struct pare_genome *genome) {
    pare_context *ctx = genome->ctx;
    const pare_genotypes *g = &genome->genotypes;
    const int64_t folds = genome->options.folds, repeats = genome->options.repeats;
    bool *some = NULL, *train = NULL;
    int64_t *fold = NULL;
    pare_status status = pare_alloc(ctx, g->samples, sizeof *some, &some);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, g->samples, sizeof *train, &train);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, g->samples, sizeof *fold, &fold);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 1 + folds * repeats, sizeof *genome->joint, &genome->joint);
    }
    if (status == PARE_OK) {
        pare_trait_samples(genome, &genome->traits.trait[0], some);
        status = pare_joint_choose(genome, some, &genome->joint[0]);
        genome->joints = 1;
    }
    for (int64_t repeat = 0; repeat < repeats && folds > 0 && status == PARE_OK; repeat++) {
        status =
            pare_fold_deal(g, some, folds, (uint64_t)genome->options.seed, (uint64_t)repeat, fold);
        for (int64_t held = 0; held < folds && status == PARE_OK; held++) {
            pare_fold_training(g, fold, held, train);
            status = pare_joint_choose(genome, train, &genome->joint[genome->joints++]);
        }
    }
    if (status != PARE_OK) {
        pare_joint_clear(genome);
    }
    pare_free(ctx, some);
    pare_free(ctx, train);
    pare_free(ctx, fold);
    return status;
}
