#include "select/relaxation.h"
#include "kernels/kernels.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum {
    ROWS_A_CHUNK = 1024,
    COLUMNS_A_CHUNK = 32,
    CHECK_EVERY = 5,
    POWER_STEPS = 12,
    THETA_STEPS = 200
};
/* Power iteration gives the largest eigenvalue from below. */
static const double lipschitz_margin = 1.05;
/* Budgets are met to this relative error; the bound does not depend on it. */
static const double theta_tolerance = 1e-12;

pare_status pare_relaxation_init(const pare_certified_problem *problem, pare_dual *dual,
                                 const int8_t *fixed, int64_t capacity, pare_relaxation *out) {
    int64_t m = problem->outputs, rows = problem->design->rows;
    *out =
        (pare_relaxation){.problem = problem, .dual = dual, .fixed = fixed, .capacity = capacity};
    const struct {
        void *out;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&out->member, capacity, sizeof *out->member},
        {&out->start, capacity + 1, sizeof *out->start},
        {&out->is_member, problem->design->candidates, sizeof *out->is_member},
        {&out->x, capacity * rows, sizeof *out->x},
        {&out->w, capacity * m, sizeof *out->w},
        {&out->w_old, capacity * m, sizeof *out->w_old},
        {&out->point, capacity * m, sizeof *out->point},
        {&out->gradient, capacity * m, sizeof *out->gradient},
        {&out->eigenvector, capacity * m, sizeof *out->eigenvector},
        {&out->z, rows * m, sizeof *out->z},
        {&out->z_old, rows * m, sizeof *out->z_old},
        {&out->z_point, rows * m, sizeof *out->z_point},
        {&out->alpha, rows * m, sizeof *out->alpha},
        {&out->alpha_float, rows * m, sizeof *out->alpha_float},
        {&out->best, rows * m, sizeof *out->best},
        {&out->share, capacity, sizeof *out->share},
        {&out->norm, capacity, sizeof *out->norm},
        {&out->item, capacity, sizeof *out->item},
        {&out->wanted, capacity, sizeof *out->wanted},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(problem->ctx, arrays[i].count, arrays[i].size, arrays[i].out);
        if (status != PARE_OK) {
            pare_relaxation_clear(out);
            return status;
        }
    }
    return PARE_OK;
}

void pare_relaxation_clear(pare_relaxation *r) {
    if (!r->problem) {
        return;
    }
    void *const owned[] = {
        r->member, r->start, r->is_member, r->x,           r->w,           r->w_old, r->point,
        r->z,      r->z_old, r->z_point,   r->gradient,    r->best,        r->share, r->norm,
        r->alpha,  r->item,  r->wanted,    r->alpha_float, r->eigenvector,
    };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(r->problem->ctx, owned[i]);
    }
    *r = (pare_relaxation){0};
}

/* ---- Members ------------------------------------------------------------------------------- */

pare_status pare_relaxation_add(pare_relaxation *r, int64_t count, const int64_t *candidates) {
    const pare_design *design = r->problem->design;
    int64_t m = r->problem->outputs, first = r->start[r->members], columns = first;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = candidates[i], width = design->start[c + 1] - design->start[c];
        if (r->is_member[c] || columns + width > r->capacity) {
            continue;
        }
        for (int64_t j = 0; j < width; j++) {
            r->wanted[columns - first + j] = design->start[c] + j;
        }
        r->is_member[c] = 1;
        r->member[r->members++] = c;
        columns += width;
        r->start[r->members] = columns;
    }
    size_t bytes = (size_t)((columns - first) * m) * sizeof(double);
    memset(r->w + first * m, 0, bytes);
    for (int64_t at = first * m; at < columns * m; at++) {
        r->eigenvector[at] = 1e-3;
    }
    return columns == first ? PARE_OK
                            : design->slots->fetch(design->self, columns - first, r->wanted,
                                                   r->x + first * design->rows);
}

static bool has_weight(const pare_relaxation *r, int64_t i) {
    int64_t m = r->problem->outputs;
    for (int64_t at = r->start[i] * m; at < r->start[i + 1] * m; at++) {
        if (r->w[at] != 0) {
            return true;
        }
    }
    return false;
}

void pare_relaxation_drop(pare_relaxation *r, bool idle) {
    int64_t m = r->problem->outputs, rows = r->problem->design->rows, kept = 0, columns = 0;
    for (int64_t i = 0; i < r->members; i++) {
        int64_t c = r->member[i], first = r->start[i], width = r->start[i + 1] - first;
        if (r->fixed[c] < 0 || (idle && r->fixed[c] == 0 && !has_weight(r, i))) {
            r->is_member[c] = 0;
            continue;
        }
        if (columns != first) {
            memmove(r->x + columns * rows, r->x + first * rows,
                    (size_t)(width * rows) * sizeof *r->x);
            memmove(r->w + columns * m, r->w + first * m, (size_t)(width * m) * sizeof *r->w);
            memmove(r->eigenvector + columns * m, r->eigenvector + first * m,
                    (size_t)(width * m) * sizeof *r->eigenvector);
        }
        r->member[kept] = c;
        r->start[kept] = columns;
        kept++;
        columns += width;
    }
    r->members = kept;
    r->start[kept] = columns;
}

void pare_relaxation_start(pare_relaxation *r, int64_t candidate, const double *w) {
    int64_t m = r->problem->outputs;
    for (int64_t i = 0; i < r->members; i++) {
        if (r->member[i] == candidate) {
            memcpy(r->w + r->start[i] * m, w,
                   (size_t)((r->start[i + 1] - r->start[i]) * m) * sizeof *w);
        }
    }
}

/* ---- Products ------------------------------------------------------------------------------ */

typedef struct product {
    const pare_relaxation *r;
    const double *w;
    double *out;
} product;

static void times_chunk(void *argument, int64_t chunk) {
    const product *p = argument;
    const pare_relaxation *r = p->r;
    int64_t rows = r->problem->design->rows, m = r->problem->outputs;
    int64_t first = chunk * ROWS_A_CHUNK;
    int64_t count = rows - first < ROWS_A_CHUNK ? rows - first : ROWS_A_CHUNK;
    float sum[ROWS_A_CHUNK];
    for (int64_t c = 0; c < m; c++) {
        memset(sum, 0, (size_t)count * sizeof *sum);
        for (int64_t j = 0; j < r->start[r->members]; j++) {
            if (p->w[j * m + c] != 0) {
                r->problem->ctx->kernels->axpy(count, (float)p->w[j * m + c],
                                               r->x + j * rows + first, sum);
            }
        }
        for (int64_t i = 0; i < count; i++) {
            p->out[c * rows + first + i] = (double)sum[i];
        }
    }
}

void pare_relaxation_times(pare_relaxation *r, const double *w, double *out) {
    product p = {r, w, out};
    int64_t rows = r->problem->design->rows;
    pare_pool_run(r->problem->ctx->pool, (rows + ROWS_A_CHUNK - 1) / ROWS_A_CHUNK, times_chunk, &p);
}

static void correlate_chunk(void *argument, int64_t chunk) {
    const product *p = argument;
    const pare_relaxation *r = p->r;
    int64_t rows = r->problem->design->rows, m = r->problem->outputs;
    int64_t end = (chunk + 1) * COLUMNS_A_CHUNK, columns = r->start[r->members];
    for (int64_t j = chunk * COLUMNS_A_CHUNK; j < end && j < columns; j++) {
        for (int64_t c = 0; c < m; c++) {
            p->out[j * m + c] = (double)r->problem->ctx->kernels->dot(rows, r->x + j * rows,
                                                                      r->alpha_float + c * rows);
        }
    }
}

/* out (columns, outputs) = X' alpha_float. */
static void correlate(pare_relaxation *r, double *out) {
    product p = {r, NULL, out};
    pare_pool_run(r->problem->ctx->pool,
                  (r->start[r->members] + COLUMNS_A_CHUNK - 1) / COLUMNS_A_CHUNK, correlate_chunk,
                  &p);
}

/* ---- Knapsack pieces ----------------------------------------------------------------------- */

/* norm[i] = |w_i|^2 over the columns and outputs of each member. */
static void member_squares(const pare_relaxation *r, const double *w, double *norm) {
    int64_t m = r->problem->outputs;
    for (int64_t i = 0; i < r->members; i++) {
        double sum = 0;
        for (int64_t at = r->start[i] * m; at < r->start[i + 1] * m; at++) {
            sum += w[at] * w[at];
        }
        norm[i] = sum;
    }
}

static double share_at(const pare_relaxation *r, int64_t i, double theta, double kappa) {
    int64_t c = r->member[i];
    if (r->fixed[c] != 0) {
        return r->fixed[c] > 0 ? 1 : 0;
    }
    double s = theta * r->norm[i] / sqrt(pare_candidate_cost(r->problem, c)) - kappa;
    return s < 0 ? 0 : s > 1 ? 1 : s;
}

/* Cost of the shares at theta; *slope: its derivative. */
static double spent(const pare_relaxation *r, double theta, double kappa, double *slope) {
    double sum = 0;
    *slope = 0;
    for (int64_t i = 0; i < r->members; i++) {
        double cost = pare_candidate_cost(r->problem, r->member[i]);
        double s = share_at(r, i, theta, kappa);
        sum += cost * s;
        if (s > 0 && s < 1) {
            *slope += cost * (s + kappa) / theta;
        }
    }
    return sum;
}

/* Shares for the norms r_j in r->norm; returns theta, starting from the last one. */
static double set_shares(pare_relaxation *r, double theta, double kappa) {
    double budget = r->problem->budget, low, high, most = 0;
    for (int64_t i = 0; i < r->members; i++) {
        int64_t c = r->member[i];
        if (r->fixed[c] >= 0 && r->norm[i] > 0) {
            most += pare_candidate_cost(r->problem, c);
        }
    }
    theta = theta > 0 && isfinite(theta) ? theta : 1;
    if (most <= budget * (1 + 1e-12)) {
        theta = INFINITY;
        for (int64_t i = 0; i < r->members; i++) {
            int64_t c = r->member[i];
            r->share[i] = r->fixed[c] > 0 || (r->fixed[c] == 0 && r->norm[i] > 0) ? 1 : 0;
        }
        return theta;
    }
    /* Newton's method on a piecewise linear function, kept inside a bracket. */
    low = 0;
    high = INFINITY;
    for (int n = 0; n < THETA_STEPS; n++) {
        double slope, value = spent(r, theta, kappa, &slope);
        if (fabs(value - budget) <= theta_tolerance * budget) {
            break;
        }
        if (value > budget) {
            high = theta;
        } else {
            low = theta;
        }
        double next = slope > 0 ? theta + (budget - value) / slope : NAN;
        if (!(next > low && next < high)) {
            next = isinf(high) ? 2 * theta : low > 0 ? 0.5 * (low + high) : 0.5 * high;
        }
        if (next == theta || (isfinite(high) && high - low <= 1e-15 * high)) {
            break;
        }
        theta = next;
    }
    for (int64_t i = 0; i < r->members; i++) {
        r->share[i] = share_at(r, i, theta, kappa);
    }
    return theta;
}

/* W(w): the same shares with kappa = 0. */
static double penalty(pare_relaxation *r, const double *w) {
    member_squares(r, w, r->norm);
    for (int64_t i = 0; i < r->members; i++) {
        r->norm[i] = sqrt(r->norm[i]);
    }
    (void)set_shares(r, 1, 0);
    double sum = 0;
    for (int64_t i = 0; i < r->members; i++) {
        sum += r->norm[i] > 0 ? r->norm[i] * r->norm[i] / r->share[i] : 0;
    }
    return 0.5 * r->problem->ridge * sum;
}

/* ---- Iteration ----------------------------------------------------------------------------- */

/* Largest eigenvalue of X' V X, from below. */
static double largest_eigenvalue(pare_relaxation *r) {
    int64_t m = r->problem->outputs, rows = r->problem->design->rows;
    int64_t size = r->start[r->members] * m;
    double value = 0;
    for (int step = 0; step < POWER_STEPS; step++) {
        double square = 0;
        for (int64_t at = 0; at < size; at++) {
            square += r->eigenvector[at] * r->eigenvector[at];
        }
        if (!(square > 0)) {
            return 0;
        }
        for (int64_t at = 0; at < size; at++) {
            r->eigenvector[at] /= sqrt(square);
        }
        pare_relaxation_times(r, r->eigenvector, r->z_point);
        for (int64_t at = 0; at < rows * m; at++) {
            r->alpha_float[at] = (float)(pare_row_weight(r->problem, at % rows) * r->z_point[at]);
        }
        correlate(r, r->gradient);
        value = 0;
        for (int64_t at = 0; at < size; at++) {
            value += r->gradient[at] * r->eigenvector[at];
        }
        memcpy(r->eigenvector, r->gradient, (size_t)size * sizeof(double));
    }
    return value;
}

static void restart(pare_relaxation *r) {
    int64_t m = r->problem->outputs, rows = r->problem->design->rows;
    memcpy(r->point, r->w, (size_t)(r->start[r->members] * m) * sizeof(double));
    memcpy(r->z_point, r->z, (size_t)(rows * m) * sizeof(double));
    r->momentum = 1;
}

void pare_relaxation_measure(pare_relaxation *r) {
    /* A constant start may be orthogonal to the leading direction: add the gradient's. */
    int64_t m = r->problem->outputs;
    for (int64_t at = 0; at < r->start[r->members] * m; at++) {
        r->eigenvector[at] += 1e-3 * (1 + (double)(at % 7)) * (at % 2 ? 1 : -1);
    }
    r->lipschitz =
        lipschitz_margin * pare_dual_curvature(r->problem) * largest_eigenvalue(r) + 1e-300;
}

void pare_relaxation_prepare(pare_relaxation *r) {
    pare_relaxation_times(r, r->w, r->z);
    restart(r);
    r->bound = -INFINITY;
    r->primal = r->last = INFINITY;
    r->rose = false;
    r->iteration = 0;
}

/* The bound of alpha at the point; for the squared loss along the whole ray t alpha. */
static void note_bound(pare_relaxation *r) {
    const pare_certified_problem *problem = r->problem;
    member_squares(r, r->gradient, r->norm);
    double largest =
        pare_knapsack_bound(problem, r->fixed, r->members, r->member, r->norm, r->item, NULL);
    double value, scale = 1;
    if (problem->loss == PARE_CERTIFIED_SQUARED) {
        double linear, quadratic;
        pare_dual_products(r->dual, r->alpha, &linear, &quadratic);
        quadratic += largest / problem->ridge;
        scale = quadratic > 0 ? -linear / quadratic : 0;
        value = quadratic > 0 ? 0.5 * linear * linear / quadratic : 0;
    } else {
        value = pare_dual_conjugate(r->dual, r->alpha) - 0.5 * largest / problem->ridge;
    }
    if (value > r->bound) {
        r->bound = value;
        for (int64_t at = 0; at < problem->design->rows * problem->outputs; at++) {
            r->best[at] = scale * r->alpha[at];
        }
    }
}

/* w = prox(point - gradient / lipschitz). */
static void proximal_step(pare_relaxation *r) {
    int64_t m = r->problem->outputs;
    double step = 1 / r->lipschitz, kappa = step * r->problem->ridge;
    for (int64_t at = 0; at < r->start[r->members] * m; at++) {
        r->w_old[at] = r->w[at];
        r->w[at] = r->point[at] - step * r->gradient[at];
    }
    member_squares(r, r->w, r->norm);
    for (int64_t i = 0; i < r->members; i++) {
        r->norm[i] = sqrt(r->norm[i]);
    }
    r->theta = set_shares(r, r->theta, kappa);
    for (int64_t i = 0; i < r->members; i++) {
        double factor = r->share[i] / (r->share[i] + kappa);
        for (int64_t at = r->start[i] * m; at < r->start[i + 1] * m; at++) {
            r->w[at] *= factor;
        }
    }
}

static void advance(pare_relaxation *r) {
    int64_t m = r->problem->outputs, size = r->start[r->members] * m;
    int64_t cells = r->problem->design->rows * m;
    (void)pare_dual_predict(r->dual, r->z_point, r->alpha);
    pare_dual_alpha(r->dual, r->alpha, r->alpha);
    for (int64_t at = 0; at < cells; at++) {
        r->alpha_float[at] = (float)r->alpha[at];
    }
    correlate(r, r->gradient);
    note_bound(r);
    proximal_step(r);
    double *swap = r->z_old;
    r->z_old = r->z;
    r->z = swap;
    pare_relaxation_times(r, r->w, r->z);
    double against = 0;
    for (int64_t at = 0; at < size; at++) {
        against += (r->point[at] - r->w[at]) * (r->w[at] - r->w_old[at]);
    }
    if (against > 0) {
        restart(r);
        return;
    }
    double next = 0.5 * (1 + sqrt(1 + 4 * r->momentum * r->momentum));
    double beta = (r->momentum - 1) / next;
    r->momentum = next;
    for (int64_t at = 0; at < size; at++) {
        r->point[at] = r->w[at] + beta * (r->w[at] - r->w_old[at]);
    }
    for (int64_t at = 0; at < cells; at++) {
        r->z_point[at] = r->z[at] + beta * (r->z[at] - r->z_old[at]);
    }
}

bool pare_relaxation_iterate(pare_relaxation *r, int64_t iterations, double tolerance) {
    for (int64_t n = 0; n < iterations; n++) {
        advance(r);
        r->iteration++;
        if (r->iteration % CHECK_EVERY == 0 || n + 1 == iterations) {
            /* alpha is free until the next step: the prediction at w goes there. */
            double primal = pare_dual_predict(r->dual, r->z, r->alpha) + penalty(r, r->w);
            if (primal > r->last * (1 + 1e-9)) {
                /* Momentum overshot; twice in a row, the eigenvalue was underestimated. */
                r->lipschitz *= r->rose ? 1.5 : 1;
                r->rose = true;
                restart(r);
            } else {
                r->rose = false;
            }
            r->last = primal;
            r->primal = fmin(r->primal, primal);
            if (r->primal - r->bound <= tolerance) {
                return true;
            }
        }
    }
    return false;
}
