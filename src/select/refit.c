#include "select/refit.h"
#include "kernels/blas.h"

#include <math.h>
#include <string.h>

enum { NEWTON_STEPS = 60, CONJUGATE_STEPS = 200, HALVINGS = 40 };
/* Newton stops when its decrement, a bound of what is left to gain, is this share of the loss. */
static const double newton_tolerance = 1e-15;

int64_t pare_subset_columns(const pare_certified_problem *problem, int64_t count,
                            const int64_t *subset) {
    int64_t columns = 0;
    for (int64_t i = 0; i < count; i++) {
        columns += problem->design->start[subset[i] + 1] - problem->design->start[subset[i]];
    }
    return columns;
}

pare_status pare_refit_init(const pare_certified_problem *problem, pare_dual *dual,
                            int64_t capacity, pare_refit *out) {
    int64_t m = problem->outputs, rows = problem->design->rows;
    *out = (pare_refit){.problem = problem, .dual = dual, .capacity = capacity};
    const struct {
        void *out;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&out->wanted, capacity, sizeof *out->wanted},
        {&out->x, capacity * rows, sizeof *out->x},
        {&out->mean, capacity, sizeof *out->mean},
        {&out->w, capacity * m, sizeof *out->w},
        {&out->z, m * rows, sizeof *out->z},
        {&out->p, m * rows, sizeof *out->p},
        {&out->product, m * rows, sizeof *out->product},
        {&out->error, rows, sizeof *out->error},
        {&out->gram, capacity * capacity, sizeof *out->gram},
        {&out->gradient, capacity * m, sizeof *out->gradient},
        {&out->direction, capacity * m, sizeof *out->direction},
        {&out->residual, capacity * m, sizeof *out->residual},
        {&out->image, capacity * m, sizeof *out->image},
        {&out->solved, capacity * m, sizeof *out->solved},
        {&out->step, capacity * m, sizeof *out->step},
        {&out->block, m * (m + 1), sizeof *out->block},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(problem->ctx, arrays[i].count, arrays[i].size, arrays[i].out);
        if (status != PARE_OK) {
            pare_refit_clear(out);
            return status;
        }
    }
    return PARE_OK;
}

void pare_refit_clear(pare_refit *refit) {
    if (!refit->problem) {
        return;
    }
    void *const owned[] = {
        refit->wanted,    refit->x,        refit->mean,    refit->w,
        refit->z,         refit->p,        refit->product, refit->error,
        refit->gram,      refit->gradient, refit->step,    refit->residual,
        refit->direction, refit->image,    refit->solved,  refit->block,
    };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(refit->problem->ctx, owned[i]);
    }
    *refit = (pare_refit){0};
}

/* ---- Products ------------------------------------------------------------------------------ */

/* out (outputs, rows) = X w. */
static void times(const pare_refit *f, const double *w, double *out) {
    int64_t rows = f->problem->design->rows, m = f->problem->outputs;
    memset(out, 0, (size_t)(rows * m) * sizeof *out);
    for (int64_t j = 0; j < f->columns; j++) {
        const float *x = f->x + j * rows;
        for (int64_t c = 0; c < m; c++) {
            double factor = w[j * m + c], *z = out + c * rows;
            for (int64_t i = 0; factor != 0 && i < rows; i++) {
                z[i] += factor * (double)x[i];
            }
        }
    }
}

/* out (columns, outputs) = X' r, r: (outputs, rows). */
static void transpose_times(const pare_refit *f, const double *r, double *out) {
    int64_t rows = f->problem->design->rows, m = f->problem->outputs;
    for (int64_t j = 0; j < f->columns; j++) {
        const float *x = f->x + j * rows;
        for (int64_t c = 0; c < m; c++) {
            const double *rc = r + c * rows;
            double sum[4] = {0};
            int64_t i = 0;
            for (; i + 4 <= rows; i += 4) {
                for (int q = 0; q < 4; q++) {
                    sum[q] += (double)x[i + q] * rc[i + q];
                }
            }
            for (; i < rows; i++) {
                sum[0] += (double)x[i] * rc[i];
            }
            out[j * m + c] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        }
    }
}

/* Replaces d (outputs, rows), a change of z, by V times the loss's second derivative times the
 * change of z + b, b following z so that the intercept stays optimal. */
static void curve(const pare_refit *f, double *d) {
    const pare_certified_problem *problem = f->problem;
    int64_t rows = problem->design->rows, m = problem->outputs;
    const double *p = f->p;
    double *shift = f->block + m * m;
    for (int pass = problem->intercept ? 0 : 1; pass < 2; pass++) {
        /* Pass 0: block shift = -1' V H d gives the change of b; pass 1 applies V H. */
        if (pass == 0) {
            memset(f->block, 0, (size_t)(m * (m + 1)) * sizeof(double));
        }
        double total = 0;
        for (int64_t i = 0; i < rows; i++) {
            double v = pare_row_weight(problem, i), mean = 0;
            total += v;
            for (int64_t c = 0; problem->loss == PARE_CERTIFIED_SOFTMAX && c < m; c++) {
                mean += p[c * rows + i] * d[c * rows + i];
            }
            for (int64_t c = 0; c < m; c++) {
                double q = p[c * rows + i], factor;
                switch (problem->loss) {
                case PARE_CERTIFIED_SQUARED:
                    factor = v;
                    break;
                case PARE_CERTIFIED_LOGISTIC:
                    factor = v * q * (1 - q);
                    break;
                default:
                    factor = v * q;
                    break;
                }
                double value = factor * (d[c * rows + i] - mean);
                if (pass == 1) {
                    d[c * rows + i] = value;
                    continue;
                }
                shift[c] -= value;
                f->block[c * m + c] += factor;
                for (int64_t e = 0; problem->loss == PARE_CERTIFIED_SOFTMAX && e <= c; e++) {
                    f->block[c * m + e] -= factor * p[e * rows + i];
                }
            }
        }
        if (pass == 1) {
            break;
        }
        for (int64_t c = 0; c < m; c++) {
            /* b + constant leaves softmax as it is; the term picks one of the solutions. */
            f->block[c * m + c] += 1e-12 * total;
        }
        if (pare_cholesky(m, f->block, m) == 0) {
            pare_cholesky_solve(m, 1, f->block, m, shift, 1);
            for (int64_t at = 0; at < rows * m; at++) {
                d[at] += shift[at / rows];
            }
        }
    }
}

/* image = Hessian times direction. */
static void hessian_times(const pare_refit *f, const double *direction, double *image) {
    times(f, direction, f->product);
    curve(f, f->product);
    transpose_times(f, f->product, image);
    for (int64_t at = 0; at < f->columns * f->problem->outputs; at++) {
        image[at] += f->problem->ridge * direction[at];
    }
}

/* Factor of curvature * (centred) X' V X + ridge. */
static pare_status factorise(pare_refit *f) {
    const pare_certified_problem *problem = f->problem;
    int64_t rows = problem->design->rows, n = f->columns;
    double total = 0, curvature = pare_dual_curvature(problem);
    for (int64_t i = 0; i < rows; i++) {
        total += pare_row_weight(problem, i);
    }
    for (int64_t j = 0; j < n; j++) {
        double sum = 0;
        for (int64_t i = 0; problem->intercept && i < rows; i++) {
            sum += pare_row_weight(problem, i) * (double)f->x[j * rows + i];
        }
        f->mean[j] = sum / total;
    }
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < rows; i++) {
            f->product[i] = pare_row_weight(problem, i) * ((double)f->x[j * rows + i] - f->mean[j]);
        }
        for (int64_t e = 0; e <= j; e++) {
            const float *x = f->x + e * rows;
            double sum = 0, mean = f->mean[e];
            for (int64_t i = 0; i < rows; i++) {
                sum += f->product[i] * ((double)x[i] - mean);
            }
            f->gram[j * n + e] = curvature * sum + (e == j ? problem->ridge : 0);
        }
    }
    if (pare_cholesky(n, f->gram, n) != 0) {
        return pare_fail(problem->ctx, PARE_ERROR_NUMERIC,
                         "certificate: ridge %g is too small for the %lld columns chosen: their "
                         "normal equations are singular in double precision",
                         problem->ridge, (long long)n);
    }
    return PARE_OK;
}

static double product_of(const pare_refit *f, const double *a, const double *b) {
    double sum = 0;
    for (int64_t at = 0; at < f->columns * f->problem->outputs; at++) {
        sum += a[at] * b[at];
    }
    return sum;
}

/* step = -H^-1 gradient, approximately. */
static void solve_newton(pare_refit *f, double tolerance) {
    int64_t m = f->problem->outputs, size = f->columns * m;
    size_t bytes = (size_t)size * sizeof(double);
    memset(f->step, 0, bytes);
    for (int64_t at = 0; at < size; at++) {
        f->residual[at] = -f->gradient[at];
    }
    double first = 0, before = 0;
    for (int n = 0; n < CONJUGATE_STEPS; n++) {
        memcpy(f->solved, f->residual, bytes);
        pare_cholesky_solve(f->columns, m, f->gram, f->columns, f->solved, m);
        double now = product_of(f, f->residual, f->solved);
        first = n == 0 ? now : first;
        if (!(now > tolerance * tolerance * first)) {
            return;
        }
        double beta = n == 0 ? 0 : now / before;
        for (int64_t at = 0; at < size; at++) {
            f->direction[at] = f->solved[at] + beta * f->direction[at];
        }
        hessian_times(f, f->direction, f->image);
        double curvature = product_of(f, f->direction, f->image);
        if (!(curvature > 0)) {
            return;
        }
        for (int64_t at = 0; at < size; at++) {
            f->step[at] += now / curvature * f->direction[at];
            f->residual[at] -= now / curvature * f->image[at];
        }
        before = now;
        if (f->problem->loss == PARE_CERTIFIED_SQUARED && n >= 2) {
            return; /* the preconditioner is the Hessian: more only stirs rounding errors */
        }
    }
}

static double objective(pare_refit *f) {
    times(f, f->w, f->z);
    return pare_dual_predict(f->dual, f->z, f->p) +
           0.5 * f->problem->ridge * product_of(f, f->w, f->w);
}

/* Upper bound of F at w and the intercept found. */
static double safe_objective(pare_refit *f) {
    int64_t rows = f->problem->design->rows, m = f->problem->outputs;
    times(f, f->w, f->z);
    memset(f->error, 0, (size_t)rows * sizeof *f->error);
    for (int64_t j = 0; j < f->columns; j++) {
        double largest = 0;
        for (int64_t c = 0; c < m; c++) {
            largest = fmax(largest, fabs(f->w[j * m + c]));
        }
        for (int64_t i = 0; i < rows; i++) {
            f->error[i] += largest * fabs((double)f->x[j * rows + i]);
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        f->error[i] *= (double)(f->columns + 4) * (2 * PARE_ROUNDOFF);
    }
    double square = product_of(f, f->w, f->w);
    return (pare_dual_loss(f->dual, f->z, f->error) + 0.5 * f->problem->ridge * square) *
           (1 + (double)(f->columns * m + 16) * PARE_ROUNDOFF);
}

pare_status pare_refit_run(pare_refit *f, int64_t count, const int64_t *subset, double *loss) {
    const pare_certified_problem *problem = f->problem;
    const pare_design *design = problem->design;
    int64_t m = problem->outputs;
    f->columns = 0;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = design->start[subset[i]]; j < design->start[subset[i] + 1]; j++) {
            f->wanted[f->columns++] = j;
        }
    }
    if (f->columns > 0) {
        pare_status status = design->slots->fetch(design->self, f->columns, f->wanted, f->x);
        if (status == PARE_OK) {
            status = factorise(f);
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    memset(f->w, 0, (size_t)(f->columns * m) * sizeof *f->w);
    double value = objective(f);
    for (int n = 0; n < NEWTON_STEPS && f->columns > 0; n++) {
        pare_dual_alpha(f->dual, f->p, f->product);
        transpose_times(f, f->product, f->gradient);
        for (int64_t at = 0; at < f->columns * m; at++) {
            f->gradient[at] += problem->ridge * f->w[at];
        }
        solve_newton(f, problem->loss == PARE_CERTIFIED_SQUARED ? 1e-14 : n < 4 ? 1e-2 : 1e-6);
        double decrement = -product_of(f, f->gradient, f->step);
        if (!(decrement > newton_tolerance * fabs(value))) {
            break;
        }
        double scale = 1, next = value;
        for (int half = 0; half < HALVINGS; half++) {
            for (int64_t at = 0; at < f->columns * m; at++) {
                f->w[at] += (half == 0 ? 1 : -scale) * f->step[at];
            }
            next = objective(f);
            if (next <= value - 1e-4 * scale * decrement || decrement < 1e-12 * fabs(value)) {
                break;
            }
            scale /= 2;
        }
        bool settled = next >= value;
        value = next;
        if (settled) {
            break;
        }
    }
    *loss = safe_objective(f);
    return PARE_OK;
}

pare_status pare_certified_refit(const pare_certified_problem *problem, int64_t count,
                                 const int64_t *subset, double *loss) {
    pare_dual dual = {0};
    pare_refit refit = {0};
    pare_status status = pare_dual_init(problem, &dual);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_refit_init(problem, &dual, pare_subset_columns(problem, count, subset), &refit);
    if (status != PARE_OK) {
        goto fail;
    }
    double value = 0;
    status = pare_refit_run(&refit, count, subset, &value);
    if (status == PARE_OK) {
        *loss = value;
    }
fail:
    pare_refit_clear(&refit);
    pare_dual_clear(&dual);
    return status;
}
