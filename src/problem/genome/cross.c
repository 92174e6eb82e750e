/* Cross-validation: of the whole analysis, and inside it of the number of picks. */
#include "base/random.h"
#include "problem/genome/analyse.h"
#include "select/agreement.h"

#include <math.h>
#include <string.h>

enum { INNER_FOLDS = 5, MARGINAL = 5 };
#define SAME 0.8 /* r2 from which two variants count as the same */

pare_status pare_fold_deal(const pare_genotypes *g, const bool *some, int64_t folds, uint64_t seed,
                           uint64_t deal, int64_t *fold) {
    int64_t *order = NULL, count = 0;
    pare_status status = pare_alloc(g->ctx, g->samples, sizeof *order, &order);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < g->samples; i++) {
        fold[i] = -1;
        if (some[i]) {
            order[count++] = i;
        }
    }
    pare_random_shuffle(seed, PARE_STREAM_SPLIT, deal << 32, count, order);
    for (int64_t i = 0; i < count; i++) {
        fold[order[i]] = i % folds;
    }
    pare_free(g->ctx, order);
    return PARE_OK;
}

/* out (samples): h K V^-1 (y - fit) of the samples with fold[i] == held. */
static pare_status shared_part(const struct pare_genome *genome, const pare_choice_made *made,
                               const pare_mixed_fit *fit, const int64_t *fold, int64_t held,
                               double *out) {
    const pare_genotypes *g = &genome->genotypes;
    if (made->w.h > 0 && made->w.background) {
        pare_status status = pare_background_times(&made->w, fit->residual, out);
        for (int64_t i = 0; i < g->samples && status == PARE_OK; i++) {
            out[i] *= made->w.h;
        }
        return status;
    }
    for (int64_t i = 0, row = 0; i < g->samples; i++) {
        out[i] = 0;
        if (made->w.h > 0 && fold[i] == held) {
            const float *k = genome->k + row * g->used;
            double sum = 0;
            for (int64_t s = 0; s < made->w.n; s++) {
                sum += (double)k[made->w.row[s]] * fit->residual[s];
            }
            out[i] = made->w.h * sum;
        }
        row += g->in[i];
    }
    return PARE_OK;
}

/* Adds squared errors on the samples with fold[i] == held to *error. */
static pare_status add_errors(const struct pare_genome *genome, const pare_choice_made *made,
                              const pare_mixed_fit *fit, const int64_t *pick,
                              const pare_trait *trait, const int64_t *fold, int64_t held,
                              double *error) {
    const pare_genotypes *g = &genome->genotypes;
    float *columns = NULL;
    double *shared = NULL;
    pare_status status = pare_alloc(g->ctx, fit->picks * g->samples, sizeof *columns, &columns);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->samples, sizeof *shared, &shared);
    }
    if (status == PARE_OK) {
        status = shared_part(genome, made, fit, fold, held, shared);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    pare_genotypes_fetch(g, fit->picks, pick, NULL, columns);
    for (int64_t i = 0; i < g->samples; i++) {
        if (fold[i] == held) {
            double value = shared[i];
            for (int64_t c = 0; c < fit->fixed; c++) {
                int64_t number = made->number[c];
                value += fit->effect[c] *
                         (number < 0 ? 1 : genome->traits.covariate_value[number * g->samples + i]);
            }
            for (int64_t k = 0; k < fit->picks; k++) {
                value += fit->effect[fit->fixed + k] * (double)columns[k * g->samples + i];
            }
            value = made->root ? 1 / (1 + exp(-value)) : value; /* the chance of a case */
            double miss = trait->value[i] - value;
            *error += miss * miss;
        }
    }
fail:
    pare_free(g->ctx, columns);
    pare_free(g->ctx, shared);
    return status;
}

/* Fit with the first `picks` under the factor as it stands, and its errors. */
static pare_status score_picks(const struct pare_genome *genome, const pare_choice_made *made,
                               int64_t picks, const pare_trait *trait, const int64_t *fold,
                               int64_t held, double *error) {
    pare_mixed_fit fit;
    pare_status status = pare_mixed_fit_create(&made->w, made->count, made->fixed, picks,
                                               made->chooser.pick, made->y, &fit);
    if (status == PARE_OK) {
        status = add_errors(genome, made, &fit, made->chooser.pick, trait, fold, held, error);
        pare_mixed_fit_clear(&fit);
    }
    return status;
}

void pare_fold_training(const pare_genotypes *g, const int64_t *fold, int64_t held, bool *some) {
    for (int64_t i = 0; i < g->samples; i++) {
        some[i] = fold[i] >= 0 && fold[i] != held;
    }
}

/* ---- Inner: how many picks ------------------------------------------------------------------ */

/* error[k] += of k picks, k <= most, for one fold. */
static pare_status inner_fold(const struct pare_genome *genome, const pare_trait *trait,
                              const bool *train, const int64_t *fold, int64_t held, int64_t most,
                              double *error) {
    pare_choice_made made;
    pare_status status = pare_choice_begin(genome, trait, train, true, false, &made);
    if (status != PARE_OK) {
        return status;
    }
    bool added = true;
    for (int64_t i = 0; i < genome->forced && status == PARE_OK; i++) {
        status = pare_chooser_add(&made.chooser, genome->force[i], &added);
    }
    const int64_t forced = made.chooser.picks;
    for (int64_t k = 0; k <= most && status == PARE_OK; k++) {
        status = score_picks(genome, &made, made.chooser.picks, trait, fold, held, &error[k]);
        int64_t best = pare_chooser_best(&made.chooser);
        while (status == PARE_OK && best >= 0 && made.chooser.picks == forced + k && k < most) {
            status = pare_chooser_add(&made.chooser, best, &added);
            best = added ? -1 : pare_chooser_best(&made.chooser);
        }
    }
    pare_choice_made_clear(genome->ctx, &made);
    return status;
}

pare_status pare_inner_validate(const struct pare_genome *genome, const pare_trait *trait,
                                const bool *some, int64_t *best) {
    const pare_genotypes *g = &genome->genotypes;
    const int64_t most = genome->options.max_picks;
    int64_t *fold = NULL;
    bool *train = NULL;
    double *error = NULL; /* (INNER_FOLDS, most + 1) */
    pare_status status = pare_alloc(g->ctx, g->samples, sizeof *fold, &fold);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->samples, sizeof *train, &train);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(g->ctx, INNER_FOLDS * (most + 1), sizeof *error, &error);
    }
    if (status == PARE_OK) {
        status = pare_fold_deal(g, some, INNER_FOLDS, (uint64_t)genome->options.seed,
                                UINT64_C(1) << 20, fold);
    }
    for (int64_t held = 0; held < INNER_FOLDS && status == PARE_OK; held++) {
        pare_fold_training(g, fold, held, train);
        status = inner_fold(genome, trait, train, fold, held, most, error + held * (most + 1));
    }
    double least = INFINITY, spread = 0;
    int64_t at = 0;
    for (int64_t k = 0; k <= most && status == PARE_OK; k++) {
        double sum = 0, square = 0;
        for (int64_t held = 0; held < INNER_FOLDS; held++) {
            double value = error[held * (most + 1) + k];
            sum += value;
            square += value * value;
        }
        if (sum < least) {
            least = sum;
            at = k;
        }
        (void)square;
    }
    /* One standard error of the difference to the least, fold by fold. */
    for (*best = 0; *best < at && status == PARE_OK; ++*best) {
        double sum = 0, square = 0;
        for (int64_t held = 0; held < INNER_FOLDS; held++) {
            double value = error[held * (most + 1) + *best] - error[held * (most + 1) + at];
            sum += value;
            square += value * value;
        }
        spread = sqrt(fmax(square - sum * sum / INNER_FOLDS, 0) / (INNER_FOLDS - 1) * INNER_FOLDS);
        if (sum <= spread) {
            break;
        }
    }
    pare_free(g->ctx, fold);
    pare_free(g->ctx, train);
    pare_free(g->ctx, error);
    return status;
}

/* ---- Outer: how good, how stable ------------------------------------------------------------ */

typedef struct outer {
    double chosen, background, marginal, total; /* sums of squares of one repeat */
    double other[2];                            /* of pare_baselines, with background */
    int64_t *count;                             /* (folds) picks */
    int64_t *pick;                              /* (folds, most) */
    int64_t most;
    int64_t turn; /* option joint: number of the first fold's choice */
} outer;

/* The best variants one at a time, in ordinary regression. */
static pare_status marginal_errors(const struct pare_genome *genome, const pare_trait *trait,
                                   const bool *train, const int64_t *fold, int64_t held,
                                   double *error) {
    pare_choice_made plain;
    pare_status status = pare_choice_begin(genome, trait, train, false, false, &plain);
    if (status != PARE_OK) {
        return status;
    }
    while (plain.chooser.picks < MARGINAL && status == PARE_OK) {
        int64_t best = -1;
        double most = 0;
        for (int64_t j = 0; j < genome->genotypes.kept; j++) {
            double gain = plain.square[j] > 0 && plain.chooser.gain0[j] > 0
                              ? plain.dot[j] * plain.dot[j] / plain.square[j]
                              : 0;
            if (gain > most) {
                most = gain;
                best = j;
            }
        }
        if (best < 0) {
            break;
        }
        bool added = false;
        plain.dot[best] = 0;
        status = pare_chooser_add(&plain.chooser, best, &added);
        if (!added && plain.chooser.picks == plain.chooser.capacity) {
            break;
        }
    }
    if (status == PARE_OK) {
        status = score_picks(genome, &plain, plain.chooser.picks, trait, fold, held, error);
    }
    pare_choice_made_clear(genome->ctx, &plain);
    return status;
}

/* Errors with the picks of pare_baselines, as many as the fold chose, under the share of the fit
 * with its own. */
static pare_status other_errors(const struct pare_genome *genome, const pare_choice_made *made,
                                const int64_t *pick, const int64_t picks[2], int64_t want,
                                const pare_trait *trait, const int64_t *fold, int64_t held,
                                double *error) {
    pare_status status = PARE_OK;
    for (int way = 0; way < 2 && status == PARE_OK; way++) {
        pare_mixed_fit fit;
        status = pare_mixed_fit_create(&made->w, made->count, made->fixed, picks[way],
                                       pick + way * want, made->y, &fit);
        if (status == PARE_OK) {
            status =
                add_errors(genome, made, &fit, pick + way * want, trait, fold, held, &error[way]);
            pare_mixed_fit_clear(&fit);
        }
    }
    return status;
}

static pare_status outer_fold(const struct pare_genome *genome, const pare_trait *trait,
                              const bool *train, const int64_t *fold, int64_t held, outer *out) {
    const pare_genotypes *g = &genome->genotypes;
    pare_choice_made made;
    pare_mixed_fit fit;
    int64_t *others = NULL, other_picks[2] = {0, 0}, want = 0;
    pare_status status = pare_choice_begin(genome, trait, train, true, false, &made);
    if (status != PARE_OK) {
        return status;
    }
    double mean = 0;
    for (int64_t i = 0; i < made.w.n; i++) {
        mean += trait->value[made.w.sample[i]] / (double)made.w.n;
    }
    for (int64_t i = 0; i < g->samples; i++) {
        double off = fold[i] == held ? trait->value[i] - mean : 0;
        out->total += off * off;
    }
    status = score_picks(genome, &made, 0, trait, fold, held, &out->background);
    made.turn = out->turn + held;
    if (status == PARE_OK) {
        status = pare_choice_run(genome, trait, train, genome->options.stop, &made);
    }
    if (status == PARE_OK) {
        out->count[held] = made.picks;
        memcpy(out->pick + held * out->most, made.chooser.pick,
               (size_t)made.picks * sizeof *out->pick);
        want = made.picks < PARE_BASELINE_MOST ? made.picks : PARE_BASELINE_MOST;
        status = pare_alloc(g->ctx, 2 * want, sizeof *others, &others);
    }
    if (status == PARE_OK && want > 0) {
        status = pare_baselines(genome, &made, want, others, other_picks);
    }
    if (status == PARE_OK) {
        status = pare_choice_refit(genome, &made, made.picks, &fit);
        if (status == PARE_OK) {
            status =
                add_errors(genome, &made, &fit, made.chooser.pick, trait, fold, held, &out->chosen);
            pare_mixed_fit_clear(&fit);
        }
    }
    if (status == PARE_OK) {
        status =
            other_errors(genome, &made, others, other_picks, want, trait, fold, held, out->other);
    }
    pare_free(g->ctx, others);
    pare_choice_made_clear(g->ctx, &made);
    return status == PARE_OK ? marginal_errors(genome, trait, train, fold, held, &out->marginal)
                             : status;
}

static double correlation_squared(int64_t n, const bool *some, const float *a, const float *b) {
    double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0, count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (some[i]) {
            double x = (double)a[i], y = (double)b[i];
            sa += x;
            sb += y;
            aa += x * x;
            bb += y * y;
            ab += x * y;
            count++;
        }
    }
    double va = aa - sa * sa / count, vb = bb - sb * sb / count, v = ab - sa * sb / count;
    return va > 0 && vb > 0 ? v * v / (va * vb) : 0;
}

/* Two variants over some samples; the column of the first stays for the next question. */
typedef struct likeness {
    const pare_genotypes *g;
    const bool *some;
    float *column; /* (2, samples) */
    int64_t first; /* whose column is there, -1: none */
} likeness;

static bool alike(void *user, int64_t a, int64_t b) {
    likeness *l = user;
    float *other = l->column + l->g->samples;
    if (l->first != a) {
        pare_genotypes_fetch(l->g, 1, &a, NULL, l->column);
        l->first = a;
    }
    pare_genotypes_fetch(l->g, 1, &b, NULL, other);
    return correlation_squared(l->g->samples, l->some, l->column, other) > SAME;
}

/* How far the choices of the folds agree. */
static pare_status measure_stability(const struct pare_genome *genome, const bool *some,
                                     const outer *o, int64_t folds, pare_agreement *out) {
    const pare_genotypes *g = &genome->genotypes;
    likeness l = {g, some, NULL, -1};
    int64_t *start = NULL, *member = NULL;
    pare_status status = pare_alloc_zero(g->ctx, folds + 1, sizeof *start, &start);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, folds * o->most, sizeof *member, &member);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, 2 * g->samples, sizeof *l.column, &l.column);
    }
    for (int64_t s = 0; s < folds && status == PARE_OK; s++) {
        memcpy(member + start[s], o->pick + s * o->most, (size_t)o->count[s] * sizeof *member);
        start[s + 1] = start[s] + o->count[s];
    }
    if (status == PARE_OK) {
        status = pare_agreement_measure(g->ctx, g->kept, folds, start, member, alike, &l, out);
    }
    pare_free(g->ctx, start);
    pare_free(g->ctx, member);
    pare_free(g->ctx, l.column);
    return status;
}

pare_status pare_cross_validate(const struct pare_genome *genome, const pare_trait *trait,
                                const bool *some, pare_scores *out) {
    const pare_genotypes *g = &genome->genotypes;
    const int64_t folds = genome->options.folds, repeats = genome->options.repeats;
    outer o = {.most = pare_most_picks(genome)};
    int64_t *fold = NULL;
    bool *train = NULL;
    pare_scores scores = {0};
    double square = 0, times = (double)repeats;
    double corrected[2] = {0}, counted[2] = {0}; /* kuncheva, nogueira: sums, repeats */
    pare_status status = pare_alloc(g->ctx, g->samples, sizeof *fold, &fold);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->samples, sizeof *train, &train);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(g->ctx, folds, sizeof *o.count, &o.count);
    }
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, folds * o.most, sizeof *o.pick, &o.pick);
    }
    for (int64_t repeat = 0; repeat < repeats && status == PARE_OK; repeat++) {
        status =
            pare_fold_deal(g, some, folds, (uint64_t)genome->options.seed, (uint64_t)repeat, fold);
        o.turn = 1 + repeat * folds;
        o.chosen = o.background = o.marginal = o.total = o.other[0] = o.other[1] = 0;
        for (int64_t held = 0; held < folds && status == PARE_OK; held++) {
            pare_fold_training(g, fold, held, train);
            status = outer_fold(genome, trait, train, fold, held, &o);
            scores.picks += (double)o.count[held] / (double)folds / times;
        }
        double r2 = 1 - o.chosen / o.total;
        scores.r2 += r2 / times;
        square += r2 * r2 / times;
        scores.background_r2 += (1 - o.background / o.total) / times;
        scores.marginal_r2 += (1 - o.marginal / o.total) / times;
        scores.single_r2 += (1 - o.other[0] / o.total) / times;
        scores.lasso_r2 += (1 - o.other[1] / o.total) / times;
        pare_agreement agreement = {0};
        if (status == PARE_OK) {
            status = measure_stability(genome, some, &o, folds, &agreement);
        }
        scores.jaccard += agreement.jaccard / times;
        scores.jaccard_ld += agreement.jaccard_alike / times;
        const double each[2] = {agreement.kuncheva, agreement.nogueira};
        for (int i = 0; i < 2; i++) {
            corrected[i] += isnan(each[i]) ? 0 : each[i];
            counted[i] += !isnan(each[i]);
        }
    }
    scores.kuncheva = counted[0] > 0 ? corrected[0] / counted[0] : (double)NAN;
    scores.nogueira = counted[1] > 0 ? corrected[1] / counted[1] : (double)NAN;
    scores.r2_spread = sqrt(fmax(square - scores.r2 * scores.r2, 0));
    pare_free(g->ctx, fold);
    pare_free(g->ctx, train);
    pare_free(g->ctx, o.count);
    pare_free(g->ctx, o.pick);
    if (status == PARE_OK) {
        *out = scores;
    }
    return status;
}
