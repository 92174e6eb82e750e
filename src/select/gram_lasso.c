#include "select/gram_lasso.h"
#include "base/random.h"
#include "kernels/blas.h"

#include <math.h>
#include <string.h>

enum { FOLDS = 5, LAMBDAS = 30, SWEEPS = 1000, PATIENCE = 5 };
static const double path_end = 1.0 / 100;
static const double tolerance = 1e-4; /* of lambda: the move at which a sweep ends it */

typedef struct problem {
    int64_t columns, m;
    double *gram;    /* (columns, columns) X'X / rows */
    double *product; /* (columns, m) X'y / rows */
    double *b;       /* (columns, m) */
    double *slope;   /* (columns, m) product - gram b */
} problem;

/* Block coordinate descent at one lambda, warm. */
static void solve(problem *p, double lambda) {
    int64_t n = p->columns, m = p->m;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double moved = 0;
        for (int64_t j = 0; j < n; j++) {
            double own = p->gram[j * n + j], size = 0;
            if (!(own > 1e-12)) {
                continue;
            }
            for (int64_t c = 0; c < m; c++) {
                double u = p->slope[j * m + c] + own * p->b[j * m + c];
                size += u * u;
            }
            size = sqrt(size);
            double keep = size > lambda ? (1 - lambda / size) / own : 0;
            for (int64_t c = 0; c < m; c++) {
                double u = p->slope[j * m + c] + own * p->b[j * m + c];
                double step = keep * u - p->b[j * m + c];
                if (step == 0) {
                    continue;
                }
                moved = fmax(moved, fabs(step) * sqrt(own));
                p->b[j * m + c] += step;
                for (int64_t e = 0; e < n; e++) {
                    p->slope[e * m + c] -= step * p->gram[j * n + e];
                }
            }
        }
        if (moved < tolerance * lambda) {
            break;
        }
    }
}

static void restart(problem *p) {
    size_t bytes = (size_t)(p->columns * p->m) * sizeof(double);
    memset(p->b, 0, bytes);
    memcpy(p->slope, p->product, bytes);
}

/* Products over the rows listed, into gram and product. */
static void products(problem *p, int64_t rows, const int64_t *row, const double *x, const double *y,
                     double *part_x, double *part_y) {
    int64_t n = p->columns, m = p->m;
    for (int64_t i = 0; i < rows; i++) {
        memcpy(part_x + i * n, x + row[i] * n, (size_t)n * sizeof *part_x);
        memcpy(part_y + i * m, y + row[i] * m, (size_t)m * sizeof *part_y);
    }
    double scale = 1 / (double)rows;
    pare_gemm_double(true, false, n, n, rows, scale, part_x, n, part_x, n, 0, p->gram, n);
    pare_gemm_double(true, false, n, m, rows, scale, part_x, n, part_y, m, 0, p->product, m);
}

static double squared_error(const problem *p, int64_t rows, const int64_t *row, const double *x,
                            const double *y) {
    double sum = 0;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t c = 0; c < p->m; c++) {
            double off = y[row[i] * p->m + c];
            for (int64_t j = 0; j < p->columns; j++) {
                double b = p->b[j * p->m + c];
                off -= b != 0 ? b * x[row[i] * p->columns + j] : 0;
            }
            sum += off * off;
        }
    }
    return sum;
}

typedef struct workspace {
    problem p;
    double *whole, *whole_product; /* products over all rows */
    double *part_x, *part_y;
    int64_t *order;
} workspace;

static void workspace_clear(pare_context *ctx, workspace *w) {
    void *const owned[] = {w->p.gram,        w->p.product, w->p.b,    w->p.slope, w->whole,
                           w->whole_product, w->part_x,    w->part_y, w->order};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
}

static pare_status workspace_init(pare_context *ctx, int64_t rows, int64_t columns, int64_t m,
                                  workspace *w) {
    *w = (workspace){.p = {.columns = columns, .m = m}};
    const struct {
        void *out;
        int64_t count;
    } arrays[] = {
        {&w->p.gram, columns * columns},
        {&w->p.product, columns * m},
        {&w->p.b, columns * m},
        {&w->p.slope, columns * m},
        {&w->part_x, rows * columns},
        {&w->part_y, rows * m},
        {&w->order, rows},
        {&w->whole, columns * columns},
        {&w->whole_product, columns * m},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status = pare_alloc_zero(ctx, arrays[i].count, sizeof(double), arrays[i].out);
        if (status != PARE_OK) {
            workspace_clear(ctx, w);
            return status;
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        w->order[i] = i;
    }
    return PARE_OK;
}

/* Products over all rows but those of a fold: a fifth of the work of summing the others. */
static void leave_out(workspace *w, int64_t rows, int64_t held, const int64_t *row, const double *x,
                      const double *y) {
    problem *p = &w->p;
    products(p, held, row, x, y, w->part_x, w->part_y);
    double all = (double)rows / (double)(rows - held), fold = (double)held / (double)(rows - held);
    for (int64_t at = 0; at < p->columns * p->columns; at++) {
        p->gram[at] = all * w->whole[at] - fold * p->gram[at];
    }
    for (int64_t at = 0; at < p->columns * p->m; at++) {
        p->product[at] = all * w->whole_product[at] - fold * p->product[at];
    }
}

pare_status pare_gram_lasso(pare_context *ctx, int64_t rows, int64_t columns, const double *x,
                            int64_t m, const double *y, uint64_t seed, double *size) {
    workspace w;
    pare_status status = workspace_init(ctx, rows, columns, m, &w);
    if (status != PARE_OK) {
        return status;
    }
    double lambda[LAMBDAS], error[LAMBDAS] = {0}, most = 0;
    products(&w.p, rows, w.order, x, y, w.part_x, w.part_y);
    memcpy(w.whole, w.p.gram, (size_t)(columns * columns) * sizeof *w.whole);
    memcpy(w.whole_product, w.p.product, (size_t)(columns * m) * sizeof *w.whole_product);
    for (int64_t j = 0; j < columns; j++) {
        double square = 0;
        for (int64_t c = 0; c < m; c++) {
            square += w.p.product[j * m + c] * w.p.product[j * m + c];
        }
        most = fmax(most, sqrt(square));
    }
    for (int l = 0; l < LAMBDAS; l++) {
        lambda[l] = most * pow(path_end, (double)(l + 1) / LAMBDAS);
    }
    pare_random_shuffle(seed, PARE_STREAM_KNOCKOFFS, UINT64_C(1) << 60, rows, w.order);
    for (int64_t fold = 0; most > 0 && fold < FOLDS; fold++) {
        int64_t from = rows * fold / FOLDS, held = rows * (fold + 1) / FOLDS - from;
        leave_out(&w, rows, held, w.order + from, x, y);
        restart(&w.p);
        double least = INFINITY;
        int at = 0;
        for (int l = 0; l < LAMBDAS; l++) {
            /* Smaller penalties only overfit once the error has risen for a while. */
            double now = INFINITY;
            if (l <= at + PATIENCE) {
                solve(&w.p, lambda[l]);
                now = squared_error(&w.p, held, w.order + from, x, y);
            }
            if (now < least) {
                least = now;
                at = l;
            }
            error[l] += now;
        }
    }
    int best = 0;
    for (int l = 1; l < LAMBDAS; l++) {
        best = error[l] < error[best] ? l : best;
    }
    memcpy(w.p.gram, w.whole, (size_t)(columns * columns) * sizeof *w.whole);
    memcpy(w.p.product, w.whole_product, (size_t)(columns * m) * sizeof *w.whole_product);
    restart(&w.p);
    for (int l = 0; most > 0 && l <= best; l++) {
        solve(&w.p, lambda[l]);
    }
    for (int64_t j = 0; j < columns; j++) {
        double square = 0;
        for (int64_t c = 0; c < m; c++) {
            square += w.p.b[j * m + c] * w.p.b[j * m + c];
        }
        size[j] = sqrt(square);
    }
    workspace_clear(ctx, &w);
    return PARE_OK;
}

pare_status pare_gram_entry(pare_context *ctx, int64_t rows, int64_t columns, const double *x,
                            int64_t m, const double *y, int64_t steps, double *entry) {
    workspace w;
    double *factor = NULL, *b = NULL;
    int64_t *taken = NULL;
    pare_status status = workspace_init(ctx, rows, columns, m, &w);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_alloc(ctx, steps * steps, sizeof *factor, &factor);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, steps * m, sizeof *b, &b);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, steps, sizeof *taken, &taken);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    products(&w.p, rows, w.order, x, y, w.part_x, w.part_y);
    restart(&w.p);
    memset(entry, 0, (size_t)columns * sizeof *entry);
    for (int64_t t = 0; t < steps; t++) {
        int64_t best = -1;
        double best_gain = 0;
        for (int64_t j = 0; j < columns; j++) {
            double own = w.p.gram[j * columns + j], square = 0;
            for (int64_t c = 0; c < m; c++) {
                square += w.p.slope[j * m + c] * w.p.slope[j * m + c];
            }
            double gain = entry[j] == 0 && own > 1e-12 ? square / own : 0;
            if (gain > best_gain) {
                best = j;
                best_gain = gain;
            }
        }
        if (best < 0) {
            break;
        }
        entry[best] = (double)(steps - t);
        taken[t] = best;
        int64_t count = t + 1;
        for (int64_t a = 0; a < count; a++) {
            for (int64_t e = 0; e < count; e++) {
                factor[a * count + e] = w.p.gram[taken[a] * columns + taken[e]];
            }
            memcpy(b + a * m, w.p.product + taken[a] * m, (size_t)m * sizeof *b);
        }
        if (pare_cholesky(count, factor, count) != 0) {
            break; /* the rest depends linearly on what was taken */
        }
        pare_cholesky_solve(count, m, factor, count, b, m);
        restart(&w.p);
        for (int64_t a = 0; a < count; a++) {
            for (int64_t j = 0; j < columns; j++) {
                for (int64_t c = 0; c < m; c++) {
                    w.p.slope[j * m + c] -= w.p.gram[taken[a] * columns + j] * b[a * m + c];
                }
            }
        }
    }
fail:
    pare_free(ctx, factor);
    pare_free(ctx, b);
    pare_free(ctx, taken);
    workspace_clear(ctx, &w);
    return status;
}
