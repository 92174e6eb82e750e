/*
 * Genotypes of PLINK .bed/.bim/.fam: mapped, never unpacked; those of VCF, BCF and BGEN are packed
 * the same way in memory. Two bits a call (00 two copies of
 * allele A1, 10 one, 11 none, 01 missing), variant after variant. Values are counts of A1 about
 * their mean; a missing call counts as the mean. Samples and variants that filters leave out stay
 * in the map and are skipped.
 */
#ifndef PARE_DATA_GENOTYPE_GENOTYPE_H
#define PARE_DATA_GENOTYPE_GENOTYPE_H

#include "base/options.h"
#include "platform/system.h"

typedef struct pare_sample {
    const char *family, *id;
    const char *sex, *phenotype; /* fifth and sixth field of .fam as text */
} pare_sample;

typedef struct pare_variant {
    const char *chromosome, *id, *a1, *a2;
    int64_t position;
} pare_variant;

/* Why filters leave variants out, the first reason that holds. */
typedef struct pare_left_out_counts {
    int64_t not_extracted, sex, constant, maf, geno, hwe;
} pare_left_out_counts;

struct pare_cells;

typedef struct pare_genotypes {
    pare_context *ctx;
    char *stem;                       /* as the user named them */
    char *sample_file, *variant_file; /* where ids stand, for messages */
    pare_map map;                     /* of the .bed; empty where the bytes are the caller's */
    uint8_t *owned;                   /* packed from another format, else NULL */
    const uint8_t *packed;            /* (variants, stride) */
    int64_t stride;                   /* bytes a variant: samples / 4 rounded up */
    char *fam, *bim;                  /* the texts, cut at blanks and line ends */
    int64_t samples, variants;
    pare_sample *sample;
    pare_variant *variant;
    int64_t *by_id; /* (samples) sample numbers by byte order of id, then family */
    bool families;  /* ids alone do not tell samples apart */

    bool *in;     /* (samples) not left out */
    int64_t used; /* samples in */
    int64_t kept; /* variants that pass the filters, ascending */
    int64_t *keep;
    double *mean;     /* (kept) count of A1 over the calls of samples in */
    double *spread;   /* (kept) root of the mean square about it, missing calls counting 0 */
    int64_t *missing; /* (kept) missing calls among all samples of the file */
    pare_left_out_counts left_out; /* variants, by pare_genotypes_filter */
    int64_t imputed; /* missing calls of kept variants and samples in, which count as the mean */
} pare_genotypes;

/* Opens stem.bed, stem.bim, stem.fam. Everything is kept; refused: a .bed that is not one, that is
 * individual-major, or whose size is not that of .fam and .bim; samples with the same family
 * and id; no rows. */
pare_status pare_genotypes_open(pare_context *ctx, const char *stem,
                                pare_genotypes *out) PARE_MUST_CHECK;
/* The same from bytes in memory, which it borrows (`bed`) or copies. */
pare_status pare_genotypes_from_memory(pare_context *ctx, const char *stem, const uint8_t *bed,
                                       int64_t bed_length, const char *bim, int64_t bim_length,
                                       const char *fam, int64_t fam_length,
                                       pare_genotypes *out) PARE_MUST_CHECK;
void pare_genotypes_close(pare_genotypes *g);

/* The kept variants `number` (count) of g as genotypes of their own: everything but what depends on
 * the variants is borrowed. copy: their packed bytes side by side in memory, as passes want them.
 * Close with pare_genotypes_view_clear. */
pare_status pare_genotypes_view(const pare_genotypes *g, int64_t count, const int64_t *number,
                                bool copy, pare_genotypes *out) PARE_MUST_CHECK;
void pare_genotypes_view_clear(pare_genotypes *view);

/* Variant of a kept number. */
static inline const pare_variant *pare_genotypes_variant(const pare_genotypes *g, int64_t kept) {
    return &g->variant[g->keep[kept]];
}

/* Something by its id, in a list for pare_named_find. */
typedef struct pare_named {
    const char *id;
    int64_t number;
} pare_named;

/* By id, equal ones by number. */
void pare_named_sort(int64_t count, pare_named *list);
/* Place of the first of a sorted list with this id, -1 if there is none. */
int64_t pare_named_find(int64_t count, const pare_named *list, const char *id);
/* Kept numbers of the kept variants, sorted. */
pare_status pare_genotypes_named(const pare_genotypes *g, pare_named **out) PARE_MUST_CHECK;

/* Number of the sample with this id, -1 if there is none. The family (or NULL) is looked at only
 * where the same id occurs in several; in VCF, BCF and BGEN the id may also be family_id. */
int64_t pare_genotypes_find(const pare_genotypes *g, const char *family, const char *id);

/*
 * VCF (plain, gz or BGZF) and BCF through htslib. A1 is ALT, A2 is REF; calls are GT, or, where
 * that is missing or absent, DS within option hard-call of a whole number. Haploid calls count as
 * two of a kind; records with several ALT alleles are left out with a warning. Refused: truncated
 * files, records that cannot be read, a build without htslib.
 */
pare_status pare_genotypes_open_vcf(pare_context *ctx, const pare_options *options,
                                    pare_genotypes *out) PARE_MUST_CHECK;
/*
 * BGEN 1.2 and 1.3, layout 2 (bgenformat.org): zlib, zstd or none; 1 to 32 bits, phased or not. A1
 * is the first allele; the expected copies within option hard-call of a whole number make the call,
 * else it is missing. Sample ids from option sample (.sample of Oxford), else from the file.
 */
pare_status pare_genotypes_open_bgen(pare_context *ctx, const pare_options *options,
                                     pare_genotypes *out) PARE_MUST_CHECK;
/* The same from bytes in memory; samples: text of the .sample, or NULL. */
pare_status pare_genotypes_read_bgen(pare_context *ctx, const char *name, const uint8_t *bytes,
                                     int64_t length, const struct pare_cells *samples,
                                     double hard_call, pare_genotypes *out) PARE_MUST_CHECK;
/* Opens the genotypes that the options name: one of bfile, vcf, bgen. */
pare_status pare_genotypes_open_named(pare_context *ctx, const pare_options *options,
                                      pare_genotypes *out) PARE_MUST_CHECK;
/* Computes mean, spread and missing of the kept variants for the samples in; needed after either
 * changed. */
pare_status pare_genotypes_measure(pare_genotypes *g) PARE_MUST_CHECK;
/* Leaves out samples by options keep and remove, and those without `has` (samples; NULL: none);
 * refused where fewer than `least` are left. */
pare_status pare_genotypes_choose(pare_genotypes *g, const pare_options *options, const bool *has,
                                  int64_t least) PARE_MUST_CHECK;
/* False: a sex chromosome, or mitochondria, where what calls count depends on sex. */
bool pare_genotypes_autosome(const char *chromosome);

/*
 * Applies options keep, remove, extract, maf, geno, hwe: samples first, then variants by list, then
 * by frequency of the rarer allele, share of missing calls and p of the exact test of
 * Hardy-Weinberg equilibrium. `has` (samples), or NULL: samples without it are left out too.
 * Variants on sex chromosomes and of mitochondria are left out with a warning. Refused: no sample
 * or no variant left, lists that name nothing in the files.
 */
pare_status pare_genotypes_filter(pare_genotypes *g, const pare_options *options,
                                  const bool *has) PARE_MUST_CHECK;

/*
 * out[v * kept + j] = sum_i x_ij r[v * samples + i], r in fixed point of 8 * limbs bits (1 .. 3) of
 * the largest |r| of each vector, sums exact: the same bits for any number of threads. Samples not
 * in must have r = 0. Cost: one pass over the packed calls for up to 16 limbs in all.
 */
pare_status pare_genotypes_correlate(const pare_genotypes *g, int limbs, int64_t vectors,
                                     const double *r, double *out) PARE_MUST_CHECK;
/* out[i] = sum_j x_ij b[j], all samples; each term rounded to 2^-30 of the sum of |x b| over its
 * block of 256 variants. */
pare_status pare_genotypes_times(const pare_genotypes *g, const double *b,
                                 double *out) PARE_MUST_CHECK;
/* out[j] = sum of x_ij^2 over the samples marked in `some`, j < kept. */
pare_status pare_genotypes_squares(const pare_genotypes *g, const bool *some,
                                   double *out) PARE_MUST_CHECK;
/* out[j] = sum_i weight[i] x_ij^2, weight >= 0 in fixed point of 24 bits, 0 for samples not in. */
pare_status pare_genotypes_weighted_squares(const pare_genotypes *g, const double *weight,
                                            double *out) PARE_MUST_CHECK;
/* out[j * samples + i] = x_ij of kept variants column[j], times factor[j] where not NULL. */
void pare_genotypes_fetch(const pare_genotypes *g, int64_t count, const int64_t *column,
                          const double *factor, float *out);

/* p of the exact test of Hardy-Weinberg equilibrium (Wigginton, Cutler, Abecasis 2005) for counts
 * of the two homozygotes and the heterozygotes. Cost: the rarer allele's count. */
double pare_hardy_weinberg(int64_t homozygotes1, int64_t heterozygotes, int64_t homozygotes2);

/* ---- Text files of samples (cells.c) ------------------------------------------------------- */

/* A text in rows of equal length; separated by commas where the first line holds one, else by
 * blanks. Double quotes around a cell are removed. */
typedef struct pare_cells {
    pare_context *ctx;
    char *path, *text;
    int64_t rows, columns;
    char **cell; /* (rows, columns) */
    bool commas;
} pare_cells;

pare_status pare_cells_read(pare_context *ctx, const char *path, pare_cells *out) PARE_MUST_CHECK;
void pare_cells_clear(pare_cells *fields);
/* The whole of a file (gz too) with a final zero. */
pare_status pare_text_read(pare_context *ctx, const char *path, char **out,
                           int64_t *length) PARE_MUST_CHECK;

/* ---- Traits and covariates (traits.c) ------------------------------------------------------- */

typedef struct pare_trait {
    char *name;
    double *value; /* (samples) NaN: missing */
    bool binary;   /* case/control: 0 / 1 */
} pare_trait;

typedef struct pare_covariate {
    char *name;
    bool level; /* 1 where a text covariate has a certain level, which the name tells */
} pare_covariate;

typedef struct pare_traits {
    pare_context *ctx;
    int64_t traits;
    pare_trait *trait;
    int64_t covariates; /* columns of numbers: levels of a text covariate but the first, each one */
    pare_covariate *covariate;
    double *covariate_value; /* (covariates, samples) NaN: missing */
    int64_t named;           /* covariates as the user counts them */
} pare_traits;

/*
 * Reads options pheno, trait, covar, covar-file for the samples of g. Files: PLINK text (FID IID
 * values, with or without a first line of names) or CSV whose first column, or column IID, holds
 * the sample's id; where no id occurs and there is one row a sample, the order is that of .fam.
 * Without pheno: sixth column of .fam. trait: names separated by commas, or all: every column of
 * numbers that is no covariate. Values -9 (PLINK text), NA and the like are missing. Exactly two
 * values, 0 and 1 or 1 and 2, make a case/control trait. Refused: ids that do not match, twice the
 * same id, unknown names, a trait that is constant, all missing or text.
 */
pare_status pare_traits_read(const pare_genotypes *g, const pare_options *options,
                             pare_traits *out) PARE_MUST_CHECK;
void pare_traits_clear(pare_traits *traits);

#endif
