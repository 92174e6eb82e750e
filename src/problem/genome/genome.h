/*
 * Selection of variants for a trait in the space that the mixed model whitens.
 *
 * y = F a + X_S b + g + e with F intercept and covariates, S the chosen variants, g ~ N(0, s2 h K)
 * what relatives and many small effects share, e ~ N(0, s2 (1 - h) I), K = Z Z' / m the
 * relationship matrix of standardised genotypes. With V = h K + (1 - h) I = L L', the columns
 * z_j = L^-1 x_j are uncorrelated again, and orthogonal matching pursuit there is what MLMM
 * (Segura et al. 2012) does step by step. A product z_j'v is x_j'(L^-T v): one pass over the packed
 * genotypes for all j.
 */
#ifndef PARE_PROBLEM_GENOME_GENOME_H
#define PARE_PROBLEM_GENOME_GENOME_H

#include "data/genotype/genotype.h"

/* a'b over n. */
double pare_inner(int64_t n, const double *a, const double *b);
/* v (n) less its part in `count` orthonormal rows of q. */
void pare_project_out(int64_t n, int64_t count, const double *q, double *v);

/* ---- Relationship (relationship.c) ---------------------------------------------------------- */

enum { PARE_RELATIONSHIP_MAX = 12000 }; /* samples: K and its factors are dense */

/* Mean over the kept variants of their variance, by which K is divided. */
double pare_relationship_variance(const pare_genotypes *g);
/* K over the samples in, in their order: (used, used) float, both triangles. */
pare_status pare_relationship(const pare_genotypes *g, float **out) PARE_MUST_CHECK;

/* K of evenly spaced variants, never built: K v is two passes over their packed calls. */
typedef struct pare_background {
    pare_context *ctx;
    pare_genotypes view; /* the genotypes with only these variants kept; its arrays are own */
    int64_t *number;     /* (view.kept) their kept numbers */
    double variance;     /* pare_relationship_variance of them */
    uint64_t seed;       /* of the probes of traces */
} pare_background;

/* At most `most` variants of g, which it borrows. */
pare_status pare_background_create(const pare_genotypes *g, int64_t most, uint64_t seed,
                                   pare_background *out) PARE_MUST_CHECK;
void pare_background_clear(pare_background *b);

/* ---- Variance components (reml.c) ----------------------------------------------------------- */

/* K of some samples as Q T Q', T tridiagonal: REML needs no eigenvalues beyond that, since
 * h T + (1 - h) I is factored in 3 n operations. */
typedef struct pare_spectrum {
    pare_context *ctx;
    int64_t n;
    const double *root; /* (n) borrowed, NULL: 1. Rows of K, fixed effects and y are times it */
    double *a, *diagonal, *off, *tau;
} pare_spectrum;

/* row: (n) numbers into k_all; root: as in pare_whiten. */
pare_status pare_spectrum_create(pare_context *ctx, const float *k_all, int64_t k_stride, int64_t n,
                                 const int64_t *row, const double *root,
                                 pare_spectrum *out) PARE_MUST_CHECK;
void pare_spectrum_clear(pare_spectrum *spectrum);

/* The share h in [0, 0.999] of the least deviance (infinite where it does not exist): a grid, then
 * Brent's method about its best point. False: infinite everywhere. */
bool pare_share_search(double (*deviance)(const void *argument, double h), const void *argument,
                       double *h);
/* h in [0, 0.999] that maximises the restricted likelihood of y given fixed effects (count, n).
 * Cost: 60 factorisations of T. */
pare_status pare_reml(const pare_spectrum *spectrum, int64_t count, const double *fixed,
                      const double *y, double *h) PARE_MUST_CHECK;

/* ---- Whitening (whiten.c) ------------------------------------------------------------------- */

/* The samples of one fit, and L. */
typedef struct pare_whiten {
    pare_context *ctx;
    const pare_genotypes *g;
    int64_t n;
    int64_t *sample; /* (n) samples of the file, ascending */
    int64_t *row;    /* (n) their rows in K */
    double h;
    const double *root; /* (n) borrowed, NULL: 1. Roots of the weights of logistic regression: all
                         * columns, and rows of K, are times it before L^-1 */
    double *l;          /* (n, n) lower; NULL: V = I, or background */
    const pare_background *background; /* borrowed: L^-1 is then the symmetric V^-1/2 by Lanczos */
    double ratio; /* with background: mean of z_j'z_j over that of x_j'x_j, outside fixed effects */
} pare_whiten;

/* some: (samples) marks those of the fit; k: as pare_relationship gave it, NULL: no background. */
pare_status pare_whiten_create(const pare_genotypes *g, const bool *some, const float *k,
                               pare_whiten *out) PARE_MUST_CHECK;
/* Factors V for share h; 0: V = I. With background nothing is factored. */
pare_status pare_whiten_factor(pare_whiten *w, const float *k, double h) PARE_MUST_CHECK;
void pare_whiten_clear(pare_whiten *w);
/* v (n) in place: L^-1 v, and L^-T v. Cost with background: 10 to 60 products with K. */
pare_status pare_whiten_apply(const pare_whiten *w, double *v) PARE_MUST_CHECK;
pare_status pare_whiten_back(const pare_whiten *w, double *v) PARE_MUST_CHECK;
/* With background: v (n) in place as pare_whiten_apply, back (n): that given to pare_whiten_back,
 * at the cost of one of them. */
pare_status pare_whiten_both(const pare_whiten *w, double *v, double *back) PARE_MUST_CHECK;
/* pare_whiten_correlate for vectors that pare_whiten_back has had. */
pare_status pare_whiten_correlate_back(const pare_whiten *w, int limbs, int64_t vectors,
                                       const double *back, double *out) PARE_MUST_CHECK;
/* out (vectors, kept): z_j'v for vectors v (vectors, n) of the whitened space. */
pare_status pare_whiten_correlate(const pare_whiten *w, int limbs, int64_t vectors, const double *v,
                                  double *out) PARE_MUST_CHECK;
/* A copy of L in float; NULL where h is 0 or there is background. */
pare_status pare_whiten_factor_float(const pare_whiten *w, float **out) PARE_MUST_CHECK;
/* z (count, n): columns z_j of kept variants `number` in float, wrong by 1e-5 of |z_j| at most;
 * with background root(ratio) x_j. l: of pare_whiten_factor_float; whole (samples) is scratch. */
void pare_whiten_columns(const pare_whiten *w, const float *l, int64_t count, const int64_t *number,
                         float *whole, float *z);
/* gram (count, count): the products of these columns; square (count, count) is scratch too. */
void pare_whiten_gram(const pare_whiten *w, const float *l, int64_t count, const int64_t *number,
                      float *whole, float *z, float *square, double *gram);
/* Takes a direction out of such products: along (kept) holds those of all variants with it. */
void pare_gram_take_out(int64_t count, const int64_t *number, const double *along, double *gram);
/* out[j] = z_j'z_j. Cost: n^2 a variant, or counts where V = I; with background ratio x_j'x_j. */
pare_status pare_whiten_squares(const pare_whiten *w, double *out) PARE_MUST_CHECK;
/* out (samples of the file): K r over all samples, r (n) over those of the fit; with background. */
pare_status pare_background_times(const pare_whiten *w, const double *r,
                                  double *out) PARE_MUST_CHECK;
/* v (n) in place: (h K + (1 - h) I)^-1/2 v; inverse (n), or NULL: (h K + (1 - h) I)^-1 v; by
 * Lanczos' method with full reorthogonalisation until the residual of conjugate gradients on the
 * same space is 1e-5 of |v|. */
pare_status pare_background_root(const pare_whiten *w, double *v, double *inverse) PARE_MUST_CHECK;
/*
 * pare_reml with background: log determinants by stochastic Lanczos quadrature (Ubaru, Chen, Saad
 * 2017) on the complement of the fixed effects, with 4e9 / n^2 random signs as probes, 4 to 30 (the
 * rule of BOLT-LMM). *ratio: as in pare_whiten. Cost: (probes + 1) times up to 60 products.
 */
pare_status pare_background_reml(const pare_whiten *w, int64_t count, const double *fixed,
                                 const double *y, double *h, double *ratio) PARE_MUST_CHECK;
/* x of the kept variant over the samples of the fit, not whitened. */
pare_status pare_whiten_column(const pare_whiten *w, int64_t kept, double *out) PARE_MUST_CHECK;

/* ---- Choice (choose.c) ---------------------------------------------------------------------- */

/* Fixed effects and picks of a fit: orthonormal columns in the whitened space. */
typedef struct pare_chooser {
    pare_context *ctx;
    const pare_whiten *w;
    int64_t fixed; /* columns of F */
    int64_t columns, capacity;
    double gamma;        /* of extended BIC */
    const double *prior; /* (kept) logarithms of prior weights, or NULL; set after create */
    double prior_sum;    /* of the picks */
    double *q;           /* (columns, n): of F, then of the picks */
    double *back;        /* (columns, n): L^-T q, with background by products; else NULL */
    double *rest;        /* (n): y whitened, less its part in q */
    double rss;
    double *gain0; /* (kept) squared norm of z_j outside F: what collinearity is measured by */
    double *dot, *square; /* (kept): z_j'rest, and squared norm of z_j outside q */
    unsigned char *state; /* (kept) 0 free, 1 chosen, 2 forbidden or collinear */
    int64_t picks;
    int64_t *pick;  /* (picks) kept numbers in order of choice */
    double *rss_at; /* (picks + 1) */
    double *ebic;   /* (picks + 1) */
    double *took;   /* (picks) q'rest of the direction each pick added */
    double *along;  /* (picks, kept): z_j'q of the direction each pick added */
} pare_chooser;

/*
 * gamma for n samples and p variants. log n + 2 gamma log p grows slower than the largest of p
 * statistics, 2 log p, where gamma is below 1 - log n / (2 log p) (Chen and Chen 2008): 0.75, or
 * what makes the price the chi-square quantile of 0.05 / p where that is more.
 */
double pare_gamma_for(int64_t n, int64_t p);
/* fixed: (count, n) not whitened; forbidden (kept) or NULL; gamma 0: pare_gamma_for. */
pare_status pare_chooser_create(const pare_whiten *w, int64_t count, const double *fixed,
                                const double *y, const bool *forbidden, double gamma, int64_t most,
                                pare_chooser *out) PARE_MUST_CHECK;
void pare_chooser_clear(pare_chooser *c);
/* The free variant whose addition lowers the sum of squares, or with prior weights extended BIC,
 * most; -1 if none. */
int64_t pare_chooser_best(const pare_chooser *c);
/* Adds it. *added: false where it lies in the span of the others. */
pare_status pare_chooser_add(pare_chooser *c, int64_t kept, bool *added) PARE_MUST_CHECK;
/* The same for a column (n, changed) that is not whitened; kept -1: of no variant of the whitened
 * genotypes, and the lists of picks stay as they are. */
pare_status pare_chooser_add_column(pare_chooser *c, int64_t kept, double *column,
                                    bool *added) PARE_MUST_CHECK;
/* out (count, kept): z_j'q of columns k .. k + count - 1, count <= 12. */
pare_status pare_chooser_products(const pare_chooser *c, int64_t k, int64_t count,
                                  double *out) PARE_MUST_CHECK;
/* p of the largest statistic among permutations of the residual. */
pare_status pare_chooser_permute(const pare_chooser *c, int64_t permutations, uint64_t seed,
                                 double *p) PARE_MUST_CHECK;

/* ---- Fit with the chosen (fit.c) ------------------------------------------------------------ */

/* Generalised least squares of y on fixed effects and picks: effects with their errors, and
 * V^-1 (y - fit), from which the background follows. */
typedef struct pare_mixed_fit {
    pare_context *ctx;
    double h, sigma2;
    int64_t fixed, picks;
    double *effect, *error; /* (fixed + picks) */
    double *residual;       /* (n): V^-1 (y - fixed part) */
} pare_mixed_fit;

pare_status pare_mixed_fit_create(const pare_whiten *w, int64_t count, const double *fixed,
                                  int64_t picks, const int64_t *pick, const double *y,
                                  pare_mixed_fit *out) PARE_MUST_CHECK;
void pare_mixed_fit_clear(pare_mixed_fit *fit);
/* weight (kept): effect of one copy of A1 about its mean, picks and background together. */
pare_status pare_mixed_weights(const pare_whiten *w, const pare_mixed_fit *fit, const int64_t *pick,
                               double *weight) PARE_MUST_CHECK;
/* Logistic regression by Newton's method; x (count, n), y 0 / 1; effect and error (count). Not
 * converged (separated classes): *good false. */
pare_status pare_log_odds_fit(pare_context *ctx, int64_t n, int64_t count, const double *x,
                              const double *y, double *effect, double *error,
                              bool *good) PARE_MUST_CHECK;

/* ---- Credible sets (credible.c) ------------------------------------------------------------- */

typedef struct pare_credible {
    int64_t sets;
    int64_t *start;  /* (sets + 1) */
    int64_t *member; /* kept numbers, most probable first within a set */
    double *chance;  /* of each member within its set */
    double *purity;  /* (sets) least |correlation| of two members */
    int64_t considered;
    int64_t *variant; /* (considered) kept numbers */
    double *pip;      /* (considered) probability of an effect */
} pare_credible;

/*
 * Sum of single effects (Wang, Sarkar, Carbonetto, Stephens 2020) in the whitened space on the
 * `near` variants most correlated with each pick: 95 % sets of purity >= 0.5.
 */
pare_status pare_credible_create(const pare_chooser *c, int64_t picks, int64_t near,
                                 pare_credible *out) PARE_MUST_CHECK;
void pare_credible_clear(pare_context *ctx, pare_credible *credible);

#endif
