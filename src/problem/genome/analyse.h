/* The genome object, the analysis of a trait and what it gives. */
#ifndef PARE_PROBLEM_GENOME_ANALYSE_H
#define PARE_PROBLEM_GENOME_ANALYSE_H

#include "problem/genome/groups.h"

typedef struct pare_pick {
    int64_t kept;
    double gain;             /* share of the whitened residual sum of squares it took when chosen */
    double ebic;             /* after it */
    double effect, error, p; /* joint refit, a copy of A1; log odds for case/control */
    double pip;
    double joint_p; /* option joint: of its effects on all traits, beside the picks before it */
    bool forced;
    int64_t proxies; /* variants with r2 > 0.8 */
    int64_t *proxy;  /* (proxies) kept numbers, closest first */
    double *proxy_r2;
} pare_pick;

typedef struct pare_scores {    /* of cross-validation, all repeats and folds */
    double r2, r2_spread;       /* chosen and background; standard deviation over repeats */
    double background_r2;       /* background alone (GBLUP) */
    double marginal_r2;         /* the 5 best variants one at a time, ordinary regression */
    double single_r2, lasso_r2; /* background and as many variants as the fold chose: largest one at
                                   a time beside it; by the lasso in its whitened space */
    double picks;               /* mean number */
    double jaccard, jaccard_ld; /* mean over pairs of folds of a repeat; variants with r2 > 0.8
                                   count as the same in the second */
    double kuncheva, nogueira;  /* corrected for chance, mean over the repeats where they exist;
                                   NaN where no fold chose anything */
} pare_scores;

typedef struct pare_analysis {
    const pare_trait *trait;
    int64_t n, fixed;
    double h_null, h_final, lambda_plain, lambda_mixed;
    int64_t picks, path; /* chosen, and tried in all */
    pare_pick *pick;     /* (path) */
    double ebic_null;
    double *fixed_effect;             /* (fixed) intercept and covariates of the final fit */
    int64_t *fixed_number;            /* (fixed) covariate, -1 the intercept */
    bool logistic;                    /* effects of the picks are log odds */
    double *weight;                   /* (kept) */
    double *scan_effect, *scan_error; /* (kept) where option scan, else NULL */
    float *strength; /* (kept) -log10 p of each variant alone beside fixed effects and background;
                        NaN: it does not vary */
    pare_credible credible;
    bool scored;
    pare_scores scores;
    const char *stop_reason;
    int64_t clusters;           /* that stop knockoff chose among, else 0 */
    int64_t groups, group_path; /* option groups: chosen, and tried in all */
    pare_group_pick *group;     /* (group_path) */
    double cpu_seconds;
} pare_analysis;

/* Genotypes, traits, options, and what was found. */
struct pare_genome {
    pare_context *ctx;
    pare_options options;
    pare_genotypes genotypes;
    pare_traits traits;
    float *relationship;    /* NULL: not built */
    const float *k;         /* the same where it is the background, else NULL */
    pare_background shared; /* what stands for it under relationship products; ctx NULL: unused */
    bool *forbidden;
    double *prior; /* (kept) logarithms of prior weights, NULL: none */
    int64_t forced;
    int64_t *force; /* kept numbers */
    pare_variant_groups groups;
    int64_t joints; /* choices in `joint`: of all samples, then of each fold of each repeat */
    struct pare_joint_choice *joint; /* NULL: each trait for itself, or not chosen yet */
    int64_t done;
    pare_analysis *analysis; /* (traits) */
    char *text;
};

/*
 * Fixed effects of the samples of a fit: intercept and covariates, (count, n); number: (count)
 * covariate of each column, -1 the intercept. A covariate that the ones before it determine is left
 * out; `strict`: refused, unless it is a level of a text covariate.
 */
pare_status pare_fixed_effects(const struct pare_genome *genome, const pare_whiten *w, bool strict,
                               int64_t *count, double **fixed, int64_t **number) PARE_MUST_CHECK;
/* Marks the samples where trait (with option joint: every trait) and covariates are known. */
void pare_trait_samples(const struct pare_genome *genome, const pare_trait *trait, bool *some);

/* ---- Leave one chromosome out (loco.c) ------------------------------------------------------ */

#define PARE_LOCO_BYTES 8e9 /* largest factors of all chromosomes together */

/* One chromosome: its variants, the space that all others whiten, and the choice there. */
typedef struct pare_left_out {
    int64_t first; /* kept number of its first variant */
    pare_genotypes view;
    pare_whiten w;
    pare_chooser chooser; /* columns are the picks of all chromosomes, `pick` its own */
} pare_left_out;

typedef struct pare_loco {
    int64_t count; /* 0: not asked for */
    pare_left_out *one;
} pare_loco;

/* What the choice on some samples gives. */
typedef struct pare_choice_made {
    pare_whiten w;
    pare_chooser chooser;
    int64_t count;     /* fixed effects */
    double *fixed, *y; /* y: the trait; working response of logistic regression on fixed effects
                        * where `root` is not NULL */
    double *root;      /* (n) roots of its weights */
    int64_t *number;
    pare_spectrum spectrum;
    double *dot, *square; /* (kept) of the chooser before the first pick */
    int64_t picks;        /* chosen: the first ones of the chooser */
    int64_t clusters;     /* of stop knockoff, else 0 */
    const char *reason;
    int64_t groups, group_path; /* option groups: chosen, tried */
    pare_group_pick *group;     /* (group_path) */
    int64_t turn;               /* option joint: which of genome->joint its samples are */
    pare_loco loco;
} pare_choice_made;

/* Most picks of a choice, those forced too. */
int64_t pare_most_picks(const struct pare_genome *genome);
/* Refuses one chromosome, chromosomes in pieces, and factors of more than PARE_LOCO_BYTES. */
pare_status pare_loco_possible(const pare_genotypes *g) PARE_MUST_CHECK;
/* made->loco, and dot and square of `made` by it. Cost: a factor and n^2 a variant of each
 * chromosome. */
pare_status pare_loco_begin(const struct pare_genome *genome, const bool *some,
                            pare_choice_made *made) PARE_MUST_CHECK;
/* The free variant that leaves the least of the residual of its space, *left; -1: none. */
int64_t pare_loco_best(const pare_loco *loco, double *left);
/* Adds a pick to the spaces of all chromosomes; w: any whitening of all variants. */
pare_status pare_loco_add(const pare_whiten *w, pare_loco *loco, int64_t kept) PARE_MUST_CHECK;
void pare_loco_clear(pare_context *ctx, pare_loco *loco);

/* Fixed effects, share h, whitening and products, no pick yet. `background` false: V = I. */
pare_status pare_choice_begin(const struct pare_genome *genome, const pare_trait *trait,
                              const bool *some, bool background, bool strict,
                              pare_choice_made *out) PARE_MUST_CHECK;

/* ---- Several traits together (joint.c) ------------------------------------------------------ */

typedef struct pare_joint_choice {
    int64_t path, picks; /* tried, chosen */
    int64_t *pick;       /* (path) kept numbers */
    double *ebic;        /* (path + 1) joint extended BIC */
    double *p;           /* (path) of each pick beside those before it */
    const char *reason;
} pare_joint_choice;

/* -log10 P(|normal| > |z|), without underflow. */
double pare_normal_strength(double z);
/* P(chi-square > x), degrees >= 1. */
double pare_chi_square_tail(double x, int64_t degrees);
/* Refuses one trait, and factors of more than 8 GB. */
pare_status pare_joint_possible(const struct pare_genome *genome) PARE_MUST_CHECK;
/* Picks on some samples. Cost: that of each trait's own choice. */
pare_status pare_joint_choose(const struct pare_genome *genome, const bool *some,
                              pare_joint_choice *out) PARE_MUST_CHECK;
/* genome->joint: on all samples and on the training samples of each fold. */
pare_status pare_joint_choose_all(struct pare_genome *genome) PARE_MUST_CHECK;
/* The picks of genome->joint[made->turn] for one trait. */
pare_status pare_joint_replay(const struct pare_genome *genome,
                              pare_choice_made *made) PARE_MUST_CHECK;
void pare_joint_clear(struct pare_genome *genome);

/* What knockoff+ claims. */
typedef struct pare_claims {
    int64_t clusters; /* of variants with r2 > 0.5 with the one that leads them */
    double threshold; /* of the squared part of the residual that a leader takes */
    int64_t count;
    int64_t *pick; /* (count) leaders, kept numbers, largest gain first; to be freed */
} pare_claims;

/*
 * Leaders of clusters whose expected share of false ones is at most q (knockoff.c), by ordinary
 * regression: the background of relatives has no place in it, and relatives are refused. Cost:
 * products of 2 clusters x samples, up to 100 times, and (300 clusters)^3 a block.
 */
pare_status pare_knockoff_claims(const struct pare_genome *genome, const pare_choice_made *made,
                                 double q, uint64_t seed, pare_claims *out) PARE_MUST_CHECK;
/* Picks, those forced first, and how many of them to use, by rule `stop`. */
pare_status pare_choice_run(const struct pare_genome *genome, const pare_trait *trait,
                            const bool *some, int64_t stop, pare_choice_made *made) PARE_MUST_CHECK;
void pare_choice_made_clear(pare_context *ctx, pare_choice_made *made);
/* Refits with the first `picks`, share h anew, factor of V in made->w changed with it. */
pare_status pare_choice_refit(const struct pare_genome *genome, pare_choice_made *made,
                              int64_t picks, pare_mixed_fit *fit) PARE_MUST_CHECK;

pare_status pare_analyse(const struct pare_genome *genome, int64_t trait,
                         pare_analysis *out) PARE_MUST_CHECK;
void pare_analysis_clear(pare_context *ctx, pare_analysis *analysis);
/* fold[i] (samples) of the marked ones, -1 of the others: a shuffle, dealt out in turn. */
pare_status pare_fold_deal(const pare_genotypes *g, const bool *some, int64_t folds, uint64_t seed,
                           uint64_t deal, int64_t *fold) PARE_MUST_CHECK;
/* Marks the samples of all folds but one. */
void pare_fold_training(const pare_genotypes *g, const int64_t *fold, int64_t held, bool *some);
/* Cross-validation of the whole analysis (cross.c): options folds, repeats, seed. */
pare_status pare_cross_validate(const struct pare_genome *genome, const pare_trait *trait,
                                const bool *some, pare_scores *out) PARE_MUST_CHECK;
/* Mean squared error of predictions with 0 .. most picks, over inner folds; *best: the fewest
 * within one standard error of the least. */
pare_status pare_inner_validate(const struct pare_genome *genome, const pare_trait *trait,
                                const bool *some, int64_t *best) PARE_MUST_CHECK;

enum { PARE_BASELINE_MOST = 500 };
/*
 * What simpler ways would have chosen in the space of `made`: pick (2, want) the `want` variants
 * largest alone, and those that the lasso (coordinate descent on the 500 largest alone, its penalty
 * lowered until `want` are in) gives the largest coefficients; picks: how many there are of each.
 * want: at most PARE_BASELINE_MOST. Without those that the ones before determine.
 */
pare_status pare_baselines(const struct pare_genome *genome, const pare_choice_made *made,
                           int64_t want, int64_t *pick, int64_t picks[2]) PARE_MUST_CHECK;

/* Logarithms (kept) of the weights in a file of `ID weight`; 0 for variants that it does not name.
 * Refused: weights that are not above 0, no id that passes the filters. */
pare_status pare_prior_read(const pare_genotypes *g, const char *path,
                            double **out) PARE_MUST_CHECK;
/* Opens files, reads traits, filters, builds the relationship matrix: pare_genome_open. */
pare_status pare_genome_read(pare_context *ctx, const pare_options *options,
                             struct pare_genome **out) PARE_MUST_CHECK;
void pare_genome_free(struct pare_genome *genome);

#endif
