/*
 * Leave one chromosome out: each chromosome's variants are chosen in a space that the others
 * whiten, so that a variant does not stand in its own background (Listgarten et al. 2012, Yang et
 * al. 2014). V = h K_c + (1 - h) I with the common share h and K_c of all other chromosomes.
 */
#include "problem/genome/analyse.h"

#include <math.h>
#include <string.h>

void pare_loco_clear(pare_context *ctx, pare_loco *loco) {
    for (int64_t c = 0; c < loco->count; c++) {
        pare_chooser_clear(&loco->one[c].chooser);
        pare_whiten_clear(&loco->one[c].w);
        pare_genotypes_view_clear(&loco->one[c].view);
    }
    pare_free(ctx, loco->one);
    *loco = (pare_loco){0};
}

/* Chromosomes are runs of equal names among the kept variants, as the .bim must be sorted. */
static bool same_chromosome(const pare_genotypes *g, int64_t a, int64_t b) {
    return strcmp(pare_genotypes_variant(g, a)->chromosome,
                  pare_genotypes_variant(g, b)->chromosome) == 0;
}

static int64_t count_runs(const pare_genotypes *g) {
    int64_t runs = 0;
    for (int64_t j = 0; j < g->kept; j++) {
        runs += j == 0 || !same_chromosome(g, j - 1, j);
    }
    return runs;
}

pare_status pare_loco_possible(const pare_genotypes *g) {
    const int64_t runs = count_runs(g);
    const double bytes = (double)runs * (double)g->used * (double)g->used * sizeof(double);
    if (runs < 2) {
        return pare_fail(g->ctx, PARE_ERROR_INPUT,
                         "option loco: the variants that pass the filters are on one chromosome");
    }
    for (int64_t j = 1; j < g->kept; j++) {
        for (int64_t first = 0; !same_chromosome(g, j - 1, j) && first < j; first++) {
            if (same_chromosome(g, first, j)) {
                return pare_fail(g->ctx, PARE_ERROR_INPUT,
                                 "option loco: variants of chromosome %s do not stand together",
                                 pare_genotypes_variant(g, j)->chromosome);
            }
        }
    }
    if (bytes > PARE_LOCO_BYTES) {
        return pare_fail(g->ctx, PARE_ERROR_ARGUMENT,
                         "option loco: %lld chromosomes and %lld samples need %.0f GB for their "
                         "factors, more than %.0f",
                         (long long)runs, (long long)g->used, bytes * 1e-9, PARE_LOCO_BYTES * 1e-9);
    }
    return PARE_OK;
}

/* own (used, used), K of the chromosome alone, becomes K of all others. */
static void leave_out(const pare_genotypes *g, const pare_genotypes *view, const float *k,
                      float *own) {
    const double all = (double)g->kept * pare_relationship_variance(g);
    const double part = (double)view->kept * pare_relationship_variance(view);
    const double rest = all - part > 0 ? 1 / (all - part) : 0;
    for (int64_t i = 0; i < g->used * g->used; i++) {
        own[i] = (float)((all * (double)k[i] - part * (double)own[i]) * rest);
    }
}

static pare_status begin_one(const struct pare_genome *genome, const pare_choice_made *made,
                             const bool *some, int64_t first, int64_t count, pare_left_out *one) {
    pare_context *ctx = genome->ctx;
    const pare_genotypes *g = &genome->genotypes;
    int64_t *number = NULL;
    float *k = NULL;
    *one = (pare_left_out){.first = first};
    pare_status status = pare_alloc(ctx, count, sizeof *number, &number);
    for (int64_t c = 0; c < count && status == PARE_OK; c++) {
        number[c] = first + c;
    }
    if (status == PARE_OK) {
        status = pare_genotypes_view(g, count, number, false, &one->view);
    }
    if (status == PARE_OK) {
        status = pare_relationship(&one->view, &k);
    }
    if (status == PARE_OK) {
        leave_out(g, &one->view, genome->k, k);
        status = pare_whiten_create(&one->view, some, k, &one->w);
    }
    if (status == PARE_OK) {
        one->w.root = made->root;
        status = pare_whiten_factor(&one->w, k, made->w.h);
    }
    if (status == PARE_OK) {
        status = pare_chooser_create(&one->w, made->count, made->fixed, made->y,
                                     genome->forbidden + first, genome->options.gamma,
                                     genome->options.max_picks + genome->forced, &one->chooser);
    }
    pare_free(ctx, number);
    pare_free(ctx, k);
    return status;
}

pare_status pare_loco_begin(const struct pare_genome *genome, const bool *some,
                            pare_choice_made *made) {
    const pare_genotypes *g = &genome->genotypes;
    pare_loco *loco = &made->loco;
    pare_status status = pare_alloc_zero(genome->ctx, count_runs(g), sizeof *loco->one, &loco->one);
    for (int64_t first = 0, end; first < g->kept && status == PARE_OK; first = end) {
        for (end = first + 1; end < g->kept && same_chromosome(g, first, end); end++) {
        }
        pare_left_out *one = &loco->one[loco->count++];
        status = begin_one(genome, made, some, first, end - first, one);
        /* In units of the common residual, so that statistics are read off as without. */
        double scale = status == PARE_OK ? made->chooser.rss / one->chooser.rss : 0;
        for (int64_t j = first; j < end && status == PARE_OK; j++) {
            made->dot[j] = scale * one->chooser.dot[j - first];
            made->square[j] = scale * one->chooser.square[j - first];
        }
    }
    return status;
}

int64_t pare_loco_best(const pare_loco *loco, double *left) {
    int64_t best = -1;
    *left = 1;
    for (int64_t c = 0; c < loco->count; c++) {
        const pare_chooser *chooser = &loco->one[c].chooser;
        int64_t j = pare_chooser_best(chooser);
        if (j >= 0) {
            double gain = chooser->dot[j] * chooser->dot[j] / chooser->square[j];
            double rest = fmax(1 - gain / chooser->rss, 1e-300);
            if (best < 0 || rest < *left) {
                *left = rest;
                best = loco->one[c].first + j;
            }
        }
    }
    return best;
}

pare_status pare_loco_add(const pare_whiten *w, pare_loco *loco, int64_t kept) {
    double *v = NULL;
    pare_status status = pare_alloc(w->ctx, w->n, sizeof *v, &v);
    for (int64_t c = 0; c < loco->count && status == PARE_OK; c++) {
        pare_left_out *one = &loco->one[c];
        const int64_t own = kept - one->first;
        const bool inside = own >= 0 && own < one->view.kept;
        bool added = false;
        status = pare_whiten_column(w, kept, v);
        if (status == PARE_OK) {
            status = pare_chooser_add_column(&one->chooser, inside ? own : -1, v, &added);
        }
    }
    pare_free(w->ctx, v);
    return status;
}
