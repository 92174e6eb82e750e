/* Weights of variants from a file, matched to genotypes allele by allele. */
#ifndef PARE_DATA_GENOTYPE_WEIGHTS_H
#define PARE_DATA_GENOTYPE_WEIGHTS_H

#include "data/genotype/genotype.h"

typedef struct pare_weight {
    int64_t variant;  /* number in the genotypes' file */
    double value;     /* for a copy of the allele the file of weights names */
    double frequency; /* of that allele where the weights were learned, NaN: not told */
    bool swapped;     /* that allele is A2 of the genotypes */
} pare_weight;

/* What became of the rows of the file; rows = used + absent + mismatched + dropped + sex. */
typedef struct pare_weight_counts {
    int64_t rows, used;
    int64_t swapped;    /* of the used: the allele is A2 here */
    int64_t strand;     /* of the used: named by the complementary bases */
    int64_t ambiguous;  /* A/T or C/G: their strand cannot be told by their names */
    int64_t doubtful;   /* of the ambiguous: frequencies speak for the other strand */
    int64_t absent;     /* ids that are not in the genotypes */
    int64_t mismatched; /* alleles that are not those of the genotypes */
    int64_t dropped;    /* ambiguous, left out by option ambiguous */
    int64_t sex;        /* on sex chromosomes or of mitochondria */
} pare_weight_counts;

/*
 * Reads path: columns by name (ID or SNP or rsID; A1 or effect_allele; WEIGHT, BETA or
 * effect_weight; where present A2 or other_allele, A1_FREQ), or, without such names, the first
 * three as id, allele, weight. out: (counts->used), ascending by variant; the caller frees it.
 * Refused: an id twice, here or among the variants that are used; weights that are not numbers; no
 * row that can be used. `frequency` NULL or (variants of the file): share of A1 here, by which
 * ambiguous variants are doubted.
 */
pare_status pare_weights_read(const pare_genotypes *g, const char *path, bool drop_ambiguous,
                              const double *frequency, pare_weight **out,
                              pare_weight_counts *counts) PARE_MUST_CHECK;

#endif
