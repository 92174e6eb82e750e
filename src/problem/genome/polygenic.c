#include "problem/genome/polygenic.h"

#include <math.h>

enum { MISSING_CODE = 1 };

void pare_polygenic_free(pare_polygenic *p) {
    if (p) {
        pare_free(p->ctx, p->called);
        pare_free(p->ctx, p->dosage);
        pare_free(p->ctx, p->score);
        pare_free(p->ctx, p->text);
        pare_genotypes_close(&p->g);
        pare_free(p->ctx, p);
    }
}

/* Share of A1 of every variant of the file, of which all are kept. */
static pare_status shares(const pare_genotypes *g, double **out) {
    pare_status status = pare_alloc(g->ctx, g->variants, sizeof **out, out);
    for (int64_t j = 0; j < g->variants && status == PARE_OK; j++) {
        (*out)[j] = g->mean[j] / 2;
    }
    return status;
}

/* Keeps the variants with weights; means that the weights tell replace those of the samples. */
static pare_status keep_weighted(pare_genotypes *g, const pare_weight *weight, int64_t count) {
    for (int64_t k = 0; k < count; k++) {
        g->keep[k] = weight[k].variant;
    }
    g->kept = count;
    pare_status status = pare_genotypes_measure(g);
    for (int64_t k = 0; k < count && status == PARE_OK; k++) {
        double share = weight[k].frequency;
        if (!isnan(share)) {
            g->mean[k] = 2 * (weight[k].swapped ? 1 - share : share);
        }
    }
    return status;
}

static double named_mean(const pare_genotypes *g, const pare_weight *weight, int64_t k) {
    return weight[k].swapped ? 2 - g->mean[k] : g->mean[k];
}

/* Counts missing calls, and takes from dosage what they were counted as: whole numbers are left. */
static void count_called(pare_polygenic *p, const pare_weight *weight) {
    const pare_genotypes *g = &p->g;
    for (int64_t i = 0; i < g->samples; i++) {
        p->called[i] = g->kept;
    }
    for (int64_t k = 0; k < g->kept; k++) {
        const uint8_t *bits = g->packed + g->keep[k] * g->stride;
        const double mean = named_mean(g, weight, k);
        for (int64_t i = 0; i < g->samples && g->missing[k] > 0; i++) {
            if ((bits[i / 4] >> 2 * (i % 4) & 3) == MISSING_CODE) {
                p->called[i]--;
                p->dosage[i] -= mean;
            }
        }
    }
    for (int64_t i = 0; i < g->samples; i++) {
        p->imputed += g->in[i] ? g->kept - p->called[i] : 0;
        p->dosage[i] = nearbyint(p->dosage[i]);
    }
}

/* out[i] = sum of b times copies of the named allele, b (kept) consumed. */
static pare_status add_up(const pare_genotypes *g, const pare_weight *weight, double *b,
                          double *out) {
    double constant = 0;
    for (int64_t k = 0; k < g->kept; k++) {
        constant += b[k] * named_mean(g, weight, k); /* the product is about means */
        b[k] = weight[k].swapped ? -b[k] : b[k];
    }
    pare_status status = pare_genotypes_times(g, b, out);
    for (int64_t i = 0; i < g->samples && status == PARE_OK; i++) {
        out[i] += constant;
    }
    return status;
}

static pare_status compute(pare_polygenic *p, const pare_weight *weight) {
    const pare_genotypes *g = &p->g;
    double *b = NULL;
    pare_status status = pare_alloc(p->ctx, g->kept, sizeof *b, &b);
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, g->samples, sizeof *p->called, &p->called);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, g->samples, sizeof *p->dosage, &p->dosage);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, g->samples, sizeof *p->score, &p->score);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t k = 0; k < g->kept; k++) {
        b[k] = 1;
    }
    status = add_up(g, weight, b, p->dosage);
    if (status == PARE_OK) {
        count_called(p, weight);
    }
    for (int64_t k = 0; k < g->kept && status == PARE_OK; k++) {
        b[k] = weight[k].value;
    }
    if (status == PARE_OK) {
        status = add_up(g, weight, b, p->score);
    }
fail:
    pare_free(p->ctx, b);
    return status;
}

pare_status pare_polygenic_compute(pare_context *ctx, const pare_options *options, const char *path,
                                   pare_polygenic **out) {
    *out = NULL;
    pare_polygenic *p = NULL;
    pare_weight *weight = NULL;
    double *share = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *p, &p);
    if (status != PARE_OK) {
        return status;
    }
    p->ctx = ctx;
    status = pare_genotypes_open_named(ctx, options, &p->g);
    if (status == PARE_OK) {
        status = pare_genotypes_choose(&p->g, options, NULL, 1);
    }
    if (status == PARE_OK) {
        status = pare_genotypes_measure(&p->g);
    }
    if (status == PARE_OK) {
        status = shares(&p->g, &share);
    }
    if (status == PARE_OK) {
        status = pare_weights_read(&p->g, path, options->ambiguous == PARE_AMBIGUOUS_DROP, share,
                                   &weight, &p->counts);
    }
    if (status == PARE_OK) {
        status = keep_weighted(&p->g, weight, p->counts.used);
    }
    if (status == PARE_OK) {
        status = compute(p, weight);
    }
    pare_free(ctx, weight);
    pare_free(ctx, share);
    if (status != PARE_OK) {
        pare_polygenic_free(p);
        return status;
    }
    *out = p;
    return PARE_OK;
}
