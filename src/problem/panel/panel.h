/* Panels of genes that tell cell types apart. */
#ifndef PARE_PROBLEM_PANEL_PANEL_H
#define PARE_PROBLEM_PANEL_PANEL_H

#include "data/expression/expression.h"
#include "problem/pursuit.h"
#include "select/agreement.h"

typedef struct pare_panel_gene {
    int64_t gene;
    bool had;       /* of option have */
    int64_t type;   /* where its mean is highest */
    double inside;  /* mean there */
    double outside; /* mean over all other cells */
    double left;    /* share of the spread of the types left unexplained with it */
    double again;   /* share of the folds that chose it too */
    double like;    /* largest |correlation| with another one chosen */
} pare_panel_gene;

/* Of one way to choose, by cross-validation: accuracy, F1 averaged over the types, and R2 of all
 * genes as ridge regressions on the panel predict them. */
typedef struct pare_panel_score {
    const char *name;
    double accuracy, f1, r2;
} pare_panel_score;

enum { PARE_PANEL_SCORES = 3 }; /* the panel, highly variable genes, t-test markers */

/* A way to choose: least squares of the types, what a softmax regression gets wrong, or a network.
 */
typedef struct pare_panel_way {
    const char *name;
    bool softmax, network;
    bool markers;   /* after two genes a type the rest are markers, types in turn */
    double shrink;  /* added to the denominator of a gain */
    double penalty; /* on the coefficients of the chosen: squares a cell, or whole */
} pare_panel_way;

enum {
    PARE_PANEL_SQUARES,
    PARE_PANEL_FOLLOWED,
    PARE_PANEL_SOFTMAX,
    PARE_PANEL_NETWORK,
    PARE_PANEL_WAYS
};
extern const pare_panel_way pare_panel_ways[PARE_PANEL_WAYS];

struct pare_panel {
    pare_context *ctx;
    pare_options options;
    pare_expression data; /* logarithms */
    bool normalised;      /* counts were scaled and logarithms taken here */
    int64_t wanted;
    int64_t had; /* genes of option have, in order */
    int64_t *have;
    bool *avoid;        /* (genes) */
    pare_panel_way way; /* it was chosen by */
    int64_t chosen;
    pare_panel_gene *gene;
    int64_t *per_type; /* (types) genes chosen whose mean is highest there */
    double *mean;      /* (chosen, types) */
    double like;       /* mean |correlation| of two genes chosen */
    bool scored;
    int64_t folds; /* that were scored: of whole batches, or of cells */
    pare_panel_score score[PARE_PANEL_SCORES];
    double *type_f1;             /* (types) of the panel */
    pare_panel_score *by_batch;  /* (batches) of the panel, r2 not measured */
    int64_t *fold_start, *drawn; /* genes chosen in each fold */
    pare_agreement agreement;    /* of the folds; alike: means over types that correlate by 0.9 */
    char *text;
};

/* Sums of each gene by type over some cells. */
typedef struct pare_panel_moments {
    double *sum, *square;         /* (types, genes) */
    double *plain, *plain_square; /* (genes) of exp(value) - 1 over all cells marked */
    double *cells;                /* (types) */
} pare_panel_moments;

/* Opens the file, takes logarithms of counts, reads lists: pare_panel_open. */
pare_status pare_panel_read(pare_context *ctx, const char *path, const pare_options *options,
                            struct pare_panel **out) PARE_MUST_CHECK;
void pare_panel_free(struct pare_panel *panel);
/* Chooses on all cells and scores by cross-validation: pare_panel_run. */
pare_status pare_panel_analyse(struct pare_panel *panel) PARE_MUST_CHECK;

/* choose.c: marked cells; gene (wanted) and left (wanted). */
pare_status pare_panel_choose(const struct pare_panel *panel, const bool *some,
                              const pare_panel_moments *moments, pare_panel_way way,
                              int64_t *chosen, int64_t *gene, double *left) PARE_MUST_CHECK;
/* cross.c: the way that option pursuit names: squares is followed by markers where more than 4
 * genes a type are wanted; auto is squares there, else the better of squares and softmax in five
 * folds of the marked cells, by the sum of accuracy and macro F1. */
pare_status pare_panel_find_way(const struct pare_panel *panel, const bool *some,
                                pare_panel_way *out) PARE_MUST_CHECK;
/* cross.c: scores of the panel and the baselines. Folds are of cells, or where batches are known
 * of whole batches. */
pare_status pare_panel_cross_validate(struct pare_panel *panel, const bool *some) PARE_MUST_CHECK;
/* moments.c */
pare_status pare_panel_measure(const struct pare_panel *panel, const bool *some,
                               pare_panel_moments *out) PARE_MUST_CHECK;
void pare_panel_moments_clear(pare_context *ctx, pare_panel_moments *moments);
/* Type in which the mean of a gene is highest. */
int64_t pare_panel_type_of(const struct pare_panel *panel, const pare_panel_moments *moments,
                           int64_t gene);
/* Baselines: the `wanted` most variable genes (dispersion for their mean, Satija et al. 2015), and
 * the genes with the largest t of one type against the rest, types in turn. */
pare_status pare_panel_variable(const struct pare_panel *panel, const pare_panel_moments *moments,
                                int64_t *gene) PARE_MUST_CHECK;
pare_status pare_panel_markers(const struct pare_panel *panel, const pare_panel_moments *moments,
                               int64_t *gene) PARE_MUST_CHECK;
/* softmax.c: regression of the types on the genes, trained on marked cells: predicted (cells) of
 * those wanted. */
pare_status pare_panel_predict(const struct pare_panel *panel, const bool *some, const bool *wanted,
                               int64_t count, const int64_t *gene,
                               int32_t *predicted) PARE_MUST_CHECK;
/* softmax.c: a weighted regression with a penalty on half the squares of its weights that genes
 * are added to, with a constant for each group of rows (group (rows), NULL: one); borrows rows and
 * weight. gain of a gene: the sum over types of squared slope over curvature plus shrink, at zero
 * of its weights. left: log loss over that without genes. */
typedef struct pare_panel_softmax pare_panel_softmax;
pare_status pare_panel_softmax_create(const struct pare_panel *panel, const pare_sparse_rows *rows,
                                      const double *weight, double penalty, const int32_t *group,
                                      int64_t groups, int64_t capacity,
                                      pare_panel_softmax **out) PARE_MUST_CHECK;
void pare_panel_softmax_destroy(pare_panel_softmax *s);
pare_status pare_panel_softmax_take(pare_panel_softmax *s, int64_t gene,
                                    double *left) PARE_MUST_CHECK;
void pare_panel_softmax_gains(pare_panel_softmax *s, double shrink, double *gain);
/* network.c: Sequential Attention on rows x with weights; gene (wanted), those of option have
 * first.
 */
pare_status pare_panel_choose_network(const struct pare_panel *panel, const pare_sparse_rows *x,
                                      const double *weight, const bool *barred, int64_t *chosen,
                                      int64_t *gene) PARE_MUST_CHECK;
/* reconstruct.c: adds the squares of all genes over the cells held: what ridge regressions on the
 * genes given, fitted to the cells that train, leave of them, and those around the means there. */
pare_status pare_panel_reconstruct(const struct pare_panel *panel, const bool *train,
                                   const bool *held, int64_t count, const int64_t *gene,
                                   double *left, double *spread) PARE_MUST_CHECK;
/* batch.c: bars genes that do not hold in every batch of the cells marked: in one that has 5 cells
 * of the type in which the gene's mean is highest and 5 others, the mean of that type must be above
 * the others'. */
pare_status pare_panel_bar_unsteady(const struct pare_panel *panel, const bool *some,
                                    const pare_panel_moments *moments,
                                    bool *barred) PARE_MUST_CHECK;
/* likeness.c: `like` of panel and genes, by correlations over the cells marked; agreement of the
 * folds, and how often each gene was chosen. */
pare_status pare_panel_compare_genes(struct pare_panel *panel, const bool *some) PARE_MUST_CHECK;
pare_status pare_panel_agree(struct pare_panel *panel,
                             const pare_panel_moments *moments) PARE_MUST_CHECK;
/* Values of some genes: (cells, stride) row-major, column c is gene[c]. */
pare_status pare_panel_columns(const struct pare_panel *panel, int64_t count, const int64_t *gene,
                               int64_t stride, double *out) PARE_MUST_CHECK;

#endif
