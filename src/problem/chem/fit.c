/* Ridge and logistic regression on a few columns. */
#include "base/random.h"
#include "kernels/blas.h"
#include "problem/chem/chem.h"

#include <math.h>
#include <string.h>

enum { STEPS = 25, FOLDS = 5, PENALTIES = 11 };
#define TINY 1e-12

/* Columns standardised, their weights applied by the caller. */
typedef struct model {
    pare_context *ctx;
    bool binary;
    int64_t n, d;
    const double *weight; /* (n) */
    double *y;            /* (n) */
    double *x;            /* (n, d) */
    double *mean, *spread;
    double *b; /* (d), of the standardised columns */
    double intercept, center;
    double *scaled; /* (n, d) */
    double *gram;   /* (d + 1, d + 1) */
    double *right;  /* (d + 1) */
    double *eta;    /* (n) */
} model;

static void clear(model *m) {
    double *const all[] = {m->y,      m->x,    m->mean,  m->spread, m->b,
                           m->scaled, m->gram, m->right, m->eta};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        pare_free(m->ctx, all[i]);
    }
}

static void standardise(model *m) {
    double total = 0;
    for (int64_t i = 0; i < m->n; i++) {
        total += m->weight[i];
        m->center += m->weight[i] * m->y[i];
    }
    m->center /= total;
    for (int64_t c = 0; c < m->d; c++) {
        double sum = 0, square = 0;
        for (int64_t i = 0; i < m->n; i++) {
            sum += m->weight[i] * m->x[i * m->d + c];
        }
        m->mean[c] = sum / total;
        for (int64_t i = 0; i < m->n; i++) {
            double off = m->x[i * m->d + c] - m->mean[c];
            square += m->weight[i] * off * off;
        }
        m->spread[c] = sqrt(square / total);
        for (int64_t i = 0; i < m->n; i++) {
            double off = m->x[i * m->d + c] - m->mean[c];
            m->x[i * m->d + c] = m->spread[c] > TINY ? off / m->spread[c] : 0;
        }
    }
}

static pare_status create(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                          const double *weight, int64_t columns, const int64_t *column, model *m) {
    *m = (model){
        .ctx = chem->ctx, .binary = chem->binary, .n = rows, .d = columns, .weight = weight};
    int64_t *place = NULL;
    pare_status status = pare_alloc(m->ctx, rows, sizeof(double), &m->y);
    struct {
        int64_t count;
        void *out;
    } table[] = {{rows * columns, &m->x},      {columns, &m->mean},
                 {columns, &m->spread},        {columns, &m->b},
                 {rows * columns, &m->scaled}, {(columns + 1) * (columns + 1), &m->gram},
                 {columns + 1, &m->right},     {rows, &m->eta}};
    for (size_t i = 0; i < sizeof table / sizeof table[0] && status == PARE_OK; i++) {
        status = pare_alloc_zero(m->ctx, table[i].count, sizeof(double), table[i].out);
    }
    if (status == PARE_OK) {
        status = pare_alloc(m->ctx, chem->columns, sizeof *place, &place);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < chem->columns; j++) {
        place[j] = -1;
    }
    for (int64_t c = 0; c < columns; c++) {
        place[column[c]] = c;
    }
    for (int64_t i = 0; i < rows; i++) {
        m->y[i] = chem->target[row[i]];
        for (int64_t k = chem->start[row[i]]; k < chem->start[row[i] + 1]; k++) {
            if (place[chem->index[k]] >= 0) {
                m->x[i * columns + place[chem->index[k]]] = (double)chem->value[k];
            }
        }
    }
    pare_free(m->ctx, place);
    standardise(m);
    return PARE_OK;
}

static pare_status too_large(const model *m) {
    return pare_fail(m->ctx, PARE_ERROR_NUMERIC, "the values of the chosen columns are too large");
}

/* Weighted Gram matrix with `curve` (n) on top of the weights, and the penalty. */
static void gram(model *m, const double *curve, double penalty) {
    const int64_t d = m->d;
    for (int64_t i = 0; i < m->n; i++) {
        for (int64_t c = 0; c < d; c++) {
            m->scaled[i * d + c] = curve[i] * m->x[i * d + c];
        }
    }
    memset(m->gram, 0, (size_t)((d + 1) * (d + 1)) * sizeof *m->gram);
    if (d > 0) {
        pare_gemm_double(true, false, d, d, m->n, 1, m->scaled, d, m->x, d, 0, m->gram, d + 1);
    }
    for (int64_t c = 0; c < d; c++) {
        double sum = 0;
        for (int64_t i = 0; i < m->n; i++) {
            sum += m->scaled[i * d + c];
        }
        m->gram[d * (d + 1) + c] = m->gram[c * (d + 1) + d] = sum;
        m->gram[c * (d + 1) + c] += penalty;
    }
    for (int64_t i = 0; i < m->n; i++) {
        m->gram[d * (d + 1) + d] += curve[i];
    }
}

static pare_status solve_squares(model *m, double penalty) {
    const int64_t d = m->d;
    gram(m, m->weight, penalty);
    for (int64_t c = 0; c <= d; c++) {
        m->right[c] = 0;
        for (int64_t i = 0; i < m->n; i++) {
            double x = c < d ? m->x[i * d + c] : 1;
            m->right[c] += m->weight[i] * x * (m->y[i] - m->center);
        }
    }
    if (pare_cholesky(d + 1, m->gram, d + 1) != 0) {
        return too_large(m);
    }
    pare_cholesky_solve(d + 1, 1, m->gram, d + 1, m->right, 1);
    memcpy(m->b, m->right, (size_t)d * sizeof *m->b);
    m->intercept = m->center + m->right[d];
    return PARE_OK;
}

/* Weighted log loss and penalty at eta, which is set from b + step * move. */
static double logistic_loss(model *m, double penalty, double step) {
    const int64_t d = m->d;
    double loss = 0;
    for (int64_t i = 0; i < m->n; i++) {
        double z = m->intercept - step * m->right[d];
        for (int64_t c = 0; c < d; c++) {
            z += m->x[i * d + c] * (m->b[c] - step * m->right[c]);
        }
        m->eta[i] = z;
        loss += m->weight[i] * (fmax(z, 0) - m->y[i] * z + log1p(exp(-fabs(z))));
    }
    for (int64_t c = 0; c < d; c++) {
        double b = m->b[c] - step * m->right[c];
        loss += penalty / 2 * b * b;
    }
    return loss;
}

/* Newton's method from where b is, steps halved until the loss falls. */
static pare_status solve_logistic(model *m, double penalty) {
    const int64_t d = m->d;
    double *curve = NULL;
    pare_status status = pare_alloc(m->ctx, m->n, sizeof *curve, &curve);
    if (status != PARE_OK) {
        return status;
    }
    memset(m->right, 0, (size_t)(d + 1) * sizeof *m->right);
    double loss = logistic_loss(m, penalty, 0);
    for (int turn = 0; turn < STEPS; turn++) {
        for (int64_t i = 0; i < m->n; i++) {
            double p = 1 / (1 + exp(-m->eta[i]));
            curve[i] = m->weight[i] * fmax(p * (1 - p), 1e-9);
            m->eta[i] = m->weight[i] * (p - m->y[i]);
        }
        for (int64_t c = 0; c <= d; c++) {
            m->right[c] = c < d ? penalty * m->b[c] : 0;
            for (int64_t i = 0; i < m->n; i++) {
                m->right[c] += (c < d ? m->x[i * d + c] : 1) * m->eta[i];
            }
        }
        gram(m, curve, penalty);
        if (pare_cholesky(d + 1, m->gram, d + 1) != 0) {
            status = too_large(m);
            break;
        }
        pare_cholesky_solve(d + 1, 1, m->gram, d + 1, m->right, 1);
        double step = 1, next = logistic_loss(m, penalty, step);
        while (next > loss && step > 1e-4) {
            step /= 2;
            next = logistic_loss(m, penalty, step);
        }
        bool better = next < loss - 1e-9 * fabs(loss);
        for (int64_t c = 0; c < d && next <= loss; c++) {
            m->b[c] -= step * m->right[c];
        }
        m->intercept -= next <= loss ? step * m->right[d] : 0;
        loss = fmin(next, loss);
        if (!better) {
            break;
        }
    }
    pare_free(m->ctx, curve);
    return status;
}

void pare_chem_fit_clear(pare_context *ctx, pare_chem_fit *fit) {
    pare_free(ctx, fit->b);
    *fit = (pare_chem_fit){0};
}

/* Coefficients of the entries instead of the standardised columns. */
static void to_entries(const model *m, pare_chem_fit *fit) {
    fit->intercept = m->intercept;
    for (int64_t c = 0; c < m->d; c++) {
        fit->b[c] = m->spread[c] > TINY ? m->b[c] / m->spread[c] : 0;
        fit->intercept -= fit->b[c] * m->mean[c];
    }
}

pare_status pare_chem_fit_columns(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                                  const double *weight, int64_t columns, const int64_t *column,
                                  double penalty, pare_chem_fit *out) {
    model m;
    pare_chem_fit fit = {.columns = columns};
    *out = fit;
    pare_status status = create(chem, rows, row, weight, columns, column, &m);
    if (status == PARE_OK) {
        status = m.binary ? solve_logistic(&m, penalty) : solve_squares(&m, penalty);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, columns, sizeof *fit.b, &fit.b);
    }
    if (status == PARE_OK) {
        to_entries(&m, &fit);
        *out = fit;
    }
    clear(&m);
    return status;
}

double pare_chem_predict(const struct pare_chem *chem, const pare_chem_fit *fit,
                         const int64_t *column, int64_t molecule) {
    double z = fit->intercept;
    for (int64_t k = chem->start[molecule]; k < chem->start[molecule + 1]; k++) {
        for (int64_t c = 0; c < fit->columns; c++) {
            z += column[c] == chem->index[k] ? fit->b[c] * (double)chem->value[k] : 0;
        }
    }
    return chem->binary ? 1 / (1 + exp(-z)) : z;
}

/* ---- The penalty ---------------------------------------------------------------------------- */

static double penalty_at(int p) {
    return pow(10, 3 - 0.5 * p); /* 1000, 316, ... 0.01 */
}

typedef struct folds {
    const struct pare_chem *chem;
    int64_t rows, columns;
    const int64_t *row;
    pare_chem_chooser choose;
    int64_t *column; /* (columns) */
    int64_t *fold;   /* (rows) */
    int64_t *train;  /* (rows) */
    double *ones;    /* (rows) */
    double loss[PENALTIES];
} folds;

/* Adds the loss on the rows of one fold for every penalty, strongest first. */
static pare_status try_fold(folds *f, int64_t held) {
    const struct pare_chem *chem = f->chem;
    model m = {.ctx = chem->ctx};
    int64_t count = 0, columns = f->columns;
    pare_status status = PARE_OK;
    for (int64_t i = 0; i < f->rows; i++) {
        f->train[count] = f->row[i];
        count += f->fold[i] != held;
    }
    if (count == 0 || count == f->rows) {
        return PARE_OK;
    }
    if (f->choose) {
        status = f->choose(chem, count, f->train, f->ones, columns, &columns, f->column, NULL);
    }
    if (status == PARE_OK) {
        status = create(chem, count, f->train, f->ones, columns, f->column, &m);
    }
    pare_chem_fit fit = {.columns = columns};
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, columns, sizeof *fit.b, &fit.b);
    }
    for (int p = 0; p < PENALTIES && status == PARE_OK; p++) {
        status = m.binary ? solve_logistic(&m, penalty_at(p)) : solve_squares(&m, penalty_at(p));
        to_entries(&m, &fit);
        for (int64_t i = 0; i < f->rows && status == PARE_OK; i++) {
            if (f->fold[i] == held) {
                double got = pare_chem_predict(chem, &fit, f->column, f->row[i]);
                double y = chem->target[f->row[i]];
                f->loss[p] +=
                    m.binary ? -log(fmax(y > 0 ? got : 1 - got, TINY)) : (got - y) * (got - y);
            }
        }
    }
    clear(&m);
    pare_chem_fit_clear(chem->ctx, &fit);
    return status;
}

static pare_status make_folds(folds *f) {
    const struct pare_chem *chem = f->chem;
    const int64_t groups = chem->toolkit ? chem->molecules.scaffolds : chem->molecules.count;
    int64_t *order = NULL;
    pare_status status = pare_alloc(chem->ctx, groups, sizeof *order, &order);
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, f->rows, sizeof *f->fold, &f->fold);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, f->rows, sizeof *f->train, &f->train);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, f->rows, sizeof *f->ones, &f->ones);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, f->columns, sizeof *f->column, &f->column);
    }
    for (int64_t g = 0; g < groups && status == PARE_OK; g++) {
        order[g] = g;
    }
    if (status == PARE_OK) {
        pare_random_shuffle((uint64_t)chem->options.seed, PARE_STREAM_HALVES, 0, groups, order);
    }
    for (int64_t i = 0; i < f->rows && status == PARE_OK; i++) {
        f->fold[i] = order[chem->toolkit ? chem->molecules.scaffold[f->row[i]] : f->row[i]] % FOLDS;
        f->ones[i] = 1;
    }
    pare_free(chem->ctx, order);
    return status;
}

pare_status pare_chem_penalty(const struct pare_chem *chem, int64_t rows, const int64_t *row,
                              int64_t columns, const int64_t *column, pare_chem_chooser choose,
                              double *out) {
    folds f = {.chem = chem, .rows = rows, .columns = columns, .row = row, .choose = choose};
    pare_status status = make_folds(&f);
    if (status == PARE_OK) {
        memcpy(f.column, column, (size_t)columns * sizeof *column);
    }
    for (int64_t held = 0; held < FOLDS && status == PARE_OK; held++) {
        status = try_fold(&f, held);
    }
    int best = 0;
    for (int p = 1; p < PENALTIES; p++) {
        best = f.loss[p] < f.loss[best] ? p : best;
    }
    *out = penalty_at(best);
    pare_free(chem->ctx, f.fold);
    pare_free(chem->ctx, f.train);
    pare_free(chem->ctx, f.ones);
    pare_free(chem->ctx, f.column);
    return status;
}
