/*
 * Certificates: how far a chosen subset can be from the best one, proved.
 *
 * The certified problem, over weights w (columns of the design by outputs) and, if `intercept`,
 * an unpenalised intercept b (outputs):
 *
 *   F(w, b) = sum_i v_i l(y_i, x_i' w + b) + (ridge / 2) |w|^2,
 *   only candidates of total cost at most `budget` may have nonzero weights.
 *
 * l is 1/2 |y - z|^2, the logistic loss log(1 + e^z) - y z with y in {0, 1}, or the softmax loss
 * log(sum_c e^{z_c}) - z_y. v are the weights of the rows. The ridge is part of the problem: a
 * certificate speaks about this ridge and no other. (Notation of the literature: 1 / gamma =
 * ridge; with a penalty lambda |w|^2, ridge = 2 lambda.)
 *
 * Lower bound. With the conjugate l*, for ANY alpha (rows by outputs), by Fenchel's inequality
 *
 *   F >= D(alpha) = -sum_i v_i l*(y_i, alpha_i / v_i) - (1 / (2 ridge)) max_s sum_j s_j u_j,
 *   u_j = |X_j' alpha|^2 over the columns and outputs of candidate j, s in [0, 1], c's <= budget;
 *
 * (Bertsimas, Pauphilet, Van Parys 2019, arXiv 1710.01352; Atamturk and Gomez 2020; top-k of u when
 * all costs are 1, the fractional knapsack otherwise). Write alpha_i = v_i (p_i - y_i) with p a
 * prediction: then -l* is (y^2 - p^2) / 2 for the squared loss and the entropy of p for the others,
 * p a probability (vector). The minimum over a free intercept b is -infinity unless sum_i alpha_i =
 * 0 for every output, so alpha must satisfy it EXACTLY, in floating point. It is therefore rounded
 * to integer multiples of a power of two, and the integers are moved until all the sums that must
 * be zero (over rows for the intercept, over classes for softmax) are zero as integers. The same
 * rounding keeps p inside its domain.
 *
 * Rounding errors. Reported numbers are computed in double with PARE_PRECISION_DOUBLE; every sum
 * of n terms is moved by (n + 8) 2^-53 times the sum of their absolute values in the pessimistic
 * direction (columns by Cauchy-Schwarz from `square`, with a factor 4 for designs that centre
 * implicitly), so no floating-point error can make a bound optimistic. The library functions log,
 * log1p, exp are taken to be right to 2 units in the last place.
 */
#ifndef PARE_SELECT_CERTIFICATE_H
#define PARE_SELECT_CERTIFICATE_H

#include "select/design.h"

typedef enum pare_certified_loss {
    PARE_CERTIFIED_SQUARED,
    PARE_CERTIFIED_LOGISTIC,
    PARE_CERTIFIED_SOFTMAX
} pare_certified_loss;

/* All pointers are borrowed. */
typedef struct pare_certified_problem {
    pare_context *ctx;
    const pare_design *design;
    pare_certified_loss loss;
    int64_t outputs;      /* squared: >= 1 responses; logistic: 1; softmax: >= 2 classes */
    const double *target; /* (outputs, rows): responses, 0 or 1, one-hot */
    bool intercept;
    double ridge;        /* > 0, total (not per row) */
    double budget;       /* k where cost is NULL */
    const double *cost;  /* (candidates) > 0, or NULL: 1 each */
    const int8_t *fixed; /* (candidates) +1: must be in, -1: must not, 0: free; NULL: all free */
} pare_certified_problem;

/* Refuses, with a sentence, sizes, ridge <= 0 (the bound would be vacuous), targets that are NaN,
 * out of range or constant, a budget below the forced candidates or above what there is. */
pare_status pare_certified_check(const pare_certified_problem *problem) PARE_MUST_CHECK;

/* Refuses subsets with unknown, repeated, excluded or missing forced candidates, or too dear.
 * seen: (candidates) gets 1 for members. */
pare_status pare_certified_check_subset(const pare_certified_problem *problem, int64_t count,
                                        const int64_t *subset, uint8_t *seen) PARE_MUST_CHECK;

typedef enum pare_verdict {
    PARE_VERDICT_UNDECIDED,
    PARE_VERDICT_EVERY, /* in every optimal subset */
    PARE_VERDICT_NONE   /* in no optimal subset */
} pare_verdict;

typedef struct pare_certificate_options {
    double gap;     /* stop when (loss - bound) <= gap * (null_loss - bound); 0: 1e-6 */
    double seconds; /* stop ascending after so many; 0: no limit */
} pare_certificate_options;

/* What is proved. Losses are values of F. */
typedef struct pare_certificate_result {
    double null_loss; /* of the empty subset, rounded down */
    double loss;      /* of the given subset, refitted, rounded up */
    double best_loss; /* of the best subset met on the way, <= loss */
    double bound;     /* no subset within the budget is below this */
    double fraction;  /* (null_loss - loss) / (null_loss - bound): of the best achievable loss
                         reduction this share is proved to be reached; in [0, 1] */
    double ridge;
    double seconds;
    int64_t every, none, undecided; /* candidates by verdict */
    int64_t passes;                 /* over the whole design */
    bool converged;                 /* false: stopped by the time limit; the bound is still valid */
} pare_certificate_result;

typedef struct pare_certificate pare_certificate;

/*
 * Starts a certificate for the candidates subset[count], whose cost must lie within the budget.
 * Everything is borrowed until destroy. Memory: a working set of at most 4096 columns or 256 MB,
 * and a few vectors of the length of rows and of columns, times outputs.
 */
pare_status pare_certificate_create(const pare_certified_problem *problem,
                                    const pare_certificate_options *options, int64_t count,
                                    const int64_t *subset, pare_certificate **out) PARE_MUST_CHECK;
/* At most one pass over the design or 25 iterations on the working set; never allocates. A result
 * can be had after any step. */
pare_status pare_certificate_step(pare_certificate *certificate, bool *done) PARE_MUST_CHECK;
void pare_certificate_result_of(const pare_certificate *certificate, pare_certificate_result *out);
/* (candidates) pare_verdict of each; valid until destroy. */
const int8_t *pare_certificate_verdicts(const pare_certificate *certificate);
void pare_certificate_destroy(pare_certificate *certificate);

/*
 * The least F on exactly the given candidates, rounded up, to *loss: squared loss by Cholesky of
 * the normal equations, the others by Newton's method. Reads the columns of the subset once.
 */
pare_status pare_certified_refit(const pare_certified_problem *problem, int64_t count,
                                 const int64_t *subset, double *loss) PARE_MUST_CHECK;

typedef struct pare_exact_options {
    double gap;     /* proved when loss - bound <= gap * null_loss; 0: 1e-9 */
    int64_t nodes;  /* stop after so many; 0: no limit */
    double seconds; /* 0: no limit */
} pare_exact_options;

typedef struct pare_exact_result {
    double loss;  /* of the best subset found, rounded up */
    double bound; /* proved lower bound of the optimum */
    double null_loss;
    double seconds;
    int64_t nodes;
    bool proved; /* bound and loss agree within the gap */
} pare_exact_result;

/*
 * Exact best subset by best-first branch and bound on the perspective relaxation; all columns are
 * held in memory (rows * columns * 4 bytes). Starts from subset[count] (may be empty). Open nodes
 * are the only memory that grows while stepping.
 */
typedef struct pare_exact pare_exact;
pare_status pare_exact_create(const pare_certified_problem *problem,
                              const pare_exact_options *options, int64_t count,
                              const int64_t *subset, pare_exact **out) PARE_MUST_CHECK;
/* One node. */
pare_status pare_exact_step(pare_exact *exact, bool *done) PARE_MUST_CHECK;
void pare_exact_result_of(const pare_exact *exact, pare_exact_result *out);
const int64_t *pare_exact_best(const pare_exact *exact, int64_t *count);
void pare_exact_destroy(pare_exact *exact);

#endif
