/* Substructures and descriptors that tell a property of molecules. */
#ifndef PARE_PROBLEM_CHEM_CHEM_H
#define PARE_PROBLEM_CHEM_CHEM_H

#include "data/chemistry/chemistry.h"
#include "problem/pursuit.h"
#include "select/agreement.h"

typedef enum pare_chem_kind {
    PARE_CHEM_ENVIRONMENT, /* entries: square root of how often a molecule has it */
    PARE_CHEM_DESCRIPTOR,  /* entries: value over `scale` */
    PARE_CHEM_FINGERPRINT  /* entries: as in the file of option fingerprints */
} pare_chem_kind;

typedef struct pare_chem_column {
    pare_chem_kind kind;
    int64_t of;        /* environment, descriptor, or column of the file */
    double scale;      /* descriptor: its standard deviation */
    int64_t molecules; /* with an entry */
} pare_chem_column;

enum { PARE_CHEM_EXAMPLES = 2 }; /* to each side */

typedef struct pare_chem_choice {
    int64_t column;
    char *name;    /* SMILES of the substructure, or name of the descriptor */
    char *pattern; /* SMARTS that fixes all that is told apart; "" for others */
    /* Of one occurrence against none, or of one standard deviation more of a descriptor: change of
     * the target, or of the logarithm of the odds of 1. */
    double effect, error, low, high; /* standard error, 95 % interval: refits on resamples */
    double chosen;                   /* share of the resamples whose own choice has it */
    double left; /* share of the variance of the target left unexplained with it and those before */
    double with, without; /* mean of the target of molecules with and without an entry */
    int64_t high_count, low_count;
    int64_t high_example[PARE_CHEM_EXAMPLES]; /* molecules with it, of highest target */
    int64_t low_example[PARE_CHEM_EXAMPLES];  /* of lowest */
} pare_chem_choice;

/* On molecules held out. */
typedef struct pare_chem_score {
    const char *name;
    double error;    /* root mean squared error; class: log loss */
    double quality;  /* R2; class: area under the ROC curve */
    double accuracy; /* mean absolute error; class: share right */
} pare_chem_score;

/* The choice; as many columns of largest gain alone; descriptors alone; the mean. */
enum { PARE_CHEM_SCORES = 4 };

struct pare_chem {
    pare_context *ctx;
    pare_options options;
    char *path;
    const pare_toolkit *toolkit; /* NULL with option fingerprints */
    pare_molecules molecules;
    pare_environments environments;
    bool binary; /* target turned into 0 and 1 */
    double low_class, high_class;
    double *target; /* (molecules) */
    int64_t columns, descriptors;
    pare_chem_column *column;
    char **bit; /* (columns) names of fingerprint columns, or NULL */
    int64_t *start;
    int32_t *index;
    float *value;
    int64_t wanted, chosen;
    pare_chem_choice *choice;
    double penalty, intercept;
    pare_agreement agreement; /* of the resamples */
    bool *held;               /* (molecules) in the part that only scores */
    int64_t held_count;
    double *predicted; /* (molecules) of those held: value, or probability of 1; else NaN */
    int64_t scored_chosen, scored_same; /* by the choice that was scored; of them in the choice */
    bool scored;
    pare_chem_score score[PARE_CHEM_SCORES];
    double seconds;
    char *text;
};

/* read.c */
pare_status pare_chem_read(pare_context *ctx, const char *path, const pare_options *options,
                           struct pare_chem **out) PARE_MUST_CHECK;
void pare_chem_free(struct pare_chem *chem);
/* analyse.c */
pare_status pare_chem_analyse(struct pare_chem *chem) PARE_MUST_CHECK;
/* columns.c: environments in at least 3 molecules, descriptors, or fingerprints. */
pare_status pare_chem_columns(struct pare_chem *chem) PARE_MUST_CHECK;

/* A place of a column in a molecule: lists as in pare_part, of a molecule of any size. */
typedef struct pare_chem_places {
    pare_context *ctx;
    int32_t count;
    pare_part *part;
    int32_t *list;
} pare_chem_places;

/* All places of an environment in a molecule. */
pare_status pare_chem_find(const struct pare_chem *chem, int64_t molecule, int64_t environment,
                           pare_chem_places *out) PARE_MUST_CHECK;
void pare_chem_places_clear(pare_chem_places *places);

/* fit.c: a linear model on some columns: ridge regression, or logistic regression with the same
 * penalty, on columns of mean 0 and deviation 1 over the rows with their weights. */
typedef struct pare_chem_fit {
    int64_t columns;
    double *b; /* (columns) by entry of the column */
    double intercept;
} pare_chem_fit;

pare_status pare_chem_fit_columns(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                                  const double *weight, int64_t columns, const int64_t *column,
                                  double penalty, pare_chem_fit *out) PARE_MUST_CHECK;
void pare_chem_fit_clear(pare_context *ctx, pare_chem_fit *fit);
/* Value, or probability of 1, of a molecule. */
double pare_chem_predict(const struct pare_chem *chem, const pare_chem_fit *fit,
                         const int64_t *column, int64_t molecule);
/* How columns are chosen on some rows: chosen, out (wanted), left (wanted) or NULL. */
typedef pare_status (*pare_chem_chooser)(const struct pare_chem *chem, int64_t rows,
                                         const int64_t *row, const double *weight, int64_t wanted,
                                         int64_t *chosen, int64_t *out, double *left);
/* choose.c: pursuit, and the columns of largest gain by themselves (left is not set). */
pare_status pare_chem_choose(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                             const double *weight, int64_t wanted, int64_t *chosen, int64_t *out,
                             double *left) PARE_MUST_CHECK;
pare_status pare_chem_rank(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                           const double *weight, int64_t wanted, int64_t *chosen, int64_t *out,
                           double *left) PARE_MUST_CHECK;

/* The penalty with the least loss in five folds, in which scaffolds stay together. The columns are
 * chosen anew in each (choose NULL: taken as they are): those that were chosen knowing all rows
 * would make any penalty look too strong. */
pare_status pare_chem_penalty(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                              int64_t columns, const int64_t *column, pare_chem_chooser choose,
                              double *out) PARE_MUST_CHECK;
/* agree.c: of choices start[c] .. start[c + 1] - 1 of drawn; columns whose entries correlate by
 * more than 0.8 over the molecules are alike. */
pare_status pare_chem_agree(const struct pare_chem *chem, int64_t choices, const int64_t *start,
                            const int64_t *drawn, pare_agreement *out) PARE_MUST_CHECK;
/* split.c: chem->held by option chem-split. */
pare_status pare_chem_split(struct pare_chem *chem) PARE_MUST_CHECK;

#endif
