/* Polygenic scores: weights times dosages, sample by sample. */
#ifndef PARE_PROBLEM_GENOME_POLYGENIC_H
#define PARE_PROBLEM_GENOME_POLYGENIC_H

#include "data/genotype/weights.h"

struct pare_polygenic {
    pare_context *ctx;
    pare_genotypes g;
    pare_weight_counts counts;
    int64_t imputed; /* calls that are missing and count as the mean */
    int64_t *called; /* (samples) calls that are not missing */
    double *dosage;  /* (samples) copies of the named alleles among those calls */
    double *score;   /* (samples) sum of weight times copies, missing calls by the mean */
    char *text;
};

/*
 * Scores of the samples in (options keep, remove) of the genotypes that the options name, by the
 * weights in `path`. A missing call counts twice the frequency that the weights tell, so that a
 * sample's score does not depend on the others; where they tell none, the mean over the samples in.
 */
pare_status pare_polygenic_compute(pare_context *ctx, const pare_options *options, const char *path,
                                   struct pare_polygenic **out) PARE_MUST_CHECK;
void pare_polygenic_free(struct pare_polygenic *p);

#endif
