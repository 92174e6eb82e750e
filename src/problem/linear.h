/*
 * Private to the exact linear models: exact_linear.c (the objective), linear_support.c (columns of
 * the selected), least_squares.c with gram.c and gram_predict.c, logistic.c.
 *
 * Both kinds of model work on columns centred by their weighted means, which stands for a free
 * intercept, and minimise
 *     mean loss + ridge / 2 |B|^2,   mean over the training rows with their weights,
 * where the loss is |y - Bx|^2 / 2, or the cross-entropy. l->total is the sum of the weights.
 */
#ifndef PARE_PROBLEM_LINEAR_H
#define PARE_PROBLEM_LINEAR_H

#include "problem/problem.h"
#include "select/lasso.h"

typedef struct pare_part_rows {
    const pare_dataset *data; /* NULL: none */
    const int64_t *row;
    int64_t count;
} pare_part_rows;

/* Columns of the selected candidates, one after the other in order of choice. */
typedef struct pare_support {
    int64_t candidates; /* selected */
    int64_t *candidate; /* (all candidates) */
    int64_t count;      /* features of them */
    int64_t capacity;
    int64_t *feature; /* (capacity) */
    int64_t *origin;  /* (capacity) position before the last change, -1: new */
    float *x;         /* (capacity, rows) */
    int64_t pool_count;
    int64_t *pool_feature; /* columns fetched ahead: looked at before the data is */
    float *pool_x;
} pare_support;

/* How candidates of several features are measured: the factor of their products. */
typedef struct pare_blocks {
    double *factor;  /* lower triangles, one after the other */
    int64_t *at;     /* (candidates) place in factor, -1: none (one feature, or very many) */
    double *amplify; /* (candidates) bound on how much errors of X'r grow */
} pare_blocks;

typedef struct pare_least_squares pare_least_squares;
typedef struct pare_logistic pare_logistic;

typedef struct pare_linear {
    pare_context *ctx;
    pare_dataset *train;
    pare_part_rows part[3]; /* by pare_rows */
    bool classes;           /* cross-entropy; else squares */
    int64_t outputs;        /* responses; logits: 1 for two classes, else one a class */
    int64_t wanted;         /* candidates that will be selected, as far as known */
    double ridge, total, null_score;
    double curvature; /* the second derivative of the loss is at most 1 / curvature */
    pare_design design;
    double *norm; /* (columns) sum_i w_i (x_ij - mean_j)^2; 0: constant */
    double *mean; /* (columns) */
    pare_blocks blocks;
    pare_support support;
    double *b;         /* (support.capacity, outputs) */
    double *intercept; /* (outputs) */
    double *residual;  /* (outputs, rows) y - prediction; weights not applied */
    double *product;   /* (outputs, columns) X' W residual, from float sums */
    double error;      /* |product_j - exact| <= error * sqrt(norm_j), over the outputs together */
    pare_metrics fitted; /* on the training rows */
    pare_least_squares *squares;
    pare_logistic *logistic;
    pare_lasso *lasso;
} pare_linear;

/* Memory of the table's values. */
int64_t pare_data_bytes(const pare_dataset *data);

/* linear_support.c: makes the support exactly these candidates. Features that stay keep their
 * columns; origin says where they were. */
pare_status pare_support_set(pare_linear *l, int64_t count,
                             const int64_t *selected) PARE_MUST_CHECK;
pare_status pare_support_create(pare_linear *l, int64_t capacity) PARE_MUST_CHECK;
void pare_support_clear(pare_linear *l);
/* Columns of any features, distinct, out: (count, rows); from support and pool where they are. */
pare_status pare_support_columns(pare_linear *l, int64_t count, const int64_t *feature,
                                 float *out) PARE_MUST_CHECK;
/* The column if it is in support or pool, else NULL. */
const float *pare_support_find(const pare_linear *l, int64_t feature);

/* sum_i w_i a_i b_i (w NULL: 1) in double. */
double pare_weighted_products(int64_t n, const double *w, const float *a, const float *b);
double pare_weighted_sum(int64_t n, const double *w, const float *x, const double *r);

/* linear_gains.c: of the fit as it is, the slots of the same names. */
pare_status pare_linear_gains(pare_linear *l, double *gain) PARE_MUST_CHECK;
pare_status pare_linear_resolve(pare_linear *l, const uint8_t *open, int64_t wanted,
                                double *gain) PARE_MUST_CHECK;
/* linear_score.c: the slot. */
pare_status pare_linear_evaluate(pare_linear *l, const float *mask, pare_rows rows,
                                 pare_metrics *out) PARE_MUST_CHECK;

/* linear_visit.c: the slot. */
pare_status pare_linear_visit(pare_linear *l, const pare_visitor *visitor) PARE_MUST_CHECK;

/* linear_blocks.c: gain of a candidate whose products with the residual are product[o * stride],
 * see pare_exact_linear_create. */
pare_status pare_blocks_create(pare_linear *l) PARE_MUST_CHECK;
void pare_blocks_clear(pare_linear *l);
double pare_linear_gain(const pare_linear *l, int64_t candidate, const double *product,
                        int64_t stride);

/* least_squares.c */
pare_status pare_least_squares_create(pare_linear *l) PARE_MUST_CHECK;
void pare_least_squares_destroy(pare_linear *l);
pare_status pare_least_squares_fit(pare_linear *l) PARE_MUST_CHECK;
/* State of the fit; loaded: the support is new here, so what is known about it is not. */
pare_status pare_least_squares_visit(pare_linear *l, const pare_visitor *visitor,
                                     bool loaded) PARE_MUST_CHECK;
/* The slot `gained`. */
pare_status pare_least_squares_gained(pare_linear *l, int64_t from, double *gain) PARE_MUST_CHECK;
/* Brings l->product and l->error up to date with the fit. */
pare_status pare_least_squares_product(pare_linear *l) PARE_MUST_CHECK;
/* Brings l->residual up to date. */
void pare_least_squares_residual(pare_linear *l);
/* Says that l->product has been computed from l->residual in double. */
void pare_least_squares_note_products(pare_linear *l);
/* loss: (selected), what removing each adds to the mean loss. */
pare_status pare_least_squares_losses(pare_linear *l, double *loss) PARE_MUST_CHECK;
const double *pare_least_squares_response(const pare_linear *l);
/* z (count, m): solves L z = z with the factor of the support's products. */
void pare_least_squares_forward(const pare_linear *l, int64_t m, double *z);

/* gram.c: X'W residual of all columns, kept up to date from cached products of columns. */
typedef struct pare_gram pare_gram;
pare_status pare_gram_create(pare_linear *l, pare_gram **out) PARE_MUST_CHECK;
void pare_gram_destroy(pare_gram *gram);
pare_status pare_gram_follow(pare_gram *gram) PARE_MUST_CHECK;
/* l->product has been computed from l->residual, without error. */
void pare_gram_note(pare_gram *gram);

/* gram_predict.c: columns whose products will be wanted next, `missing` (of the support) first.
 * list: room for PARE_GRAM_BATCH; *count: how many, >= missing_count. row_of: (columns) cached
 * products of a column, or -1; rows: (any, columns). */
enum { PARE_GRAM_BATCH = 64 };
pare_status pare_gram_predict(pare_linear *l, const int32_t *row_of, const float *rows,
                              int64_t missing_count, const int64_t *missing, int64_t *list,
                              int64_t *count) PARE_MUST_CHECK;

/* gram_predict.c: fetches up to `wanted` columns of the candidates that are best by l->product. */
pare_status pare_pool_fill(pare_linear *l, int64_t wanted) PARE_MUST_CHECK;

/* logistic.c */
pare_status pare_logistic_create(pare_linear *l) PARE_MUST_CHECK;
void pare_logistic_destroy(pare_linear *l);
/* skip: a selected candidate to leave out, or -1. Fills l->fitted.loss and .score. */
pare_status pare_logistic_fit(pare_linear *l, int64_t skip) PARE_MUST_CHECK;
/* l->residual of coefficients that were loaded. */
pare_status pare_logistic_restore(pare_linear *l) PARE_MUST_CHECK;

#endif
