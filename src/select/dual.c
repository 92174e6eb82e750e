#include "select/dual.h"
#include "kernels/blas.h"

#include <math.h>
#include <string.h>

enum { NEWTON_STEPS = 60 };
/* Newton's method on the intercept stops when its gradient is below this share of the rows. */
static const double newton_tolerance = 1e-13;
static const double newton_longest = 4.0; /* step in the units of z */

pare_status pare_dual_init(const pare_certified_problem *problem, pare_dual *out) {
    int64_t m = problem->outputs;
    *out = (pare_dual){.problem = problem};
    pare_context *ctx = problem->ctx;
    pare_status status = pare_alloc_zero(ctx, m, sizeof *out->intercept, &out->intercept);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc(ctx, m * problem->design->rows, sizeof *out->unit, &out->unit);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc(ctx, m * (m + 2), sizeof *out->newton, &out->newton);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_alloc(ctx, m, sizeof *out->row, &out->row);
    if (status != PARE_OK) {
        goto fail;
    }
    return PARE_OK;
fail:
    pare_dual_clear(out);
    return status;
}

void pare_dual_clear(pare_dual *dual) {
    if (!dual->problem) {
        return;
    }
    pare_context *ctx = dual->problem->ctx;
    pare_free(ctx, dual->intercept);
    pare_free(ctx, dual->unit);
    pare_free(ctx, dual->newton);
    pare_free(ctx, dual->row);
    *dual = (pare_dual){0};
}

double pare_dual_curvature(const pare_certified_problem *problem) {
    return problem->loss == PARE_CERTIFIED_SQUARED    ? 1.0
           : problem->loss == PARE_CERTIFIED_LOGISTIC ? 0.25
                                                      : 0.5;
}

/* ---- Predictions --------------------------------------------------------------------------- */

static double predict_squared(pare_dual *dual, const double *z, double *p) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows;
    double loss = 0;
    for (int64_t c = 0; c < problem->outputs; c++) {
        const double *y = problem->target + c * rows, *zc = z + c * rows;
        double sum = 0, weight = 0;
        for (int64_t i = 0; i < rows; i++) {
            double v = pare_row_weight(problem, i);
            sum += v * (y[i] - zc[i]);
            weight += v;
        }
        double b = problem->intercept ? sum / weight : 0;
        dual->intercept[c] = b;
        for (int64_t i = 0; i < rows; i++) {
            double v = pare_row_weight(problem, i), value = zc[i] + b;
            loss += 0.5 * v * (value - y[i]) * (value - y[i]);
            p[c * rows + i] = value;
        }
    }
    return loss;
}

static double logistic_sums(const pare_dual *dual, const double *z, double b, double *p,
                            double *gradient, double *curvature, double *total) {
    const pare_certified_problem *problem = dual->problem;
    double loss = 0;
    *gradient = *curvature = *total = 0;
    for (int64_t i = 0; i < problem->design->rows; i++) {
        double v = pare_row_weight(problem, i), y = problem->target[i], value = z[i] + b;
        double e = exp(-fabs(value)), q = value >= 0 ? 1 / (1 + e) : e / (1 + e);
        loss += v * (log1p(e) + (value > 0 ? value : 0) - y * value);
        p[i] = q;
        *gradient += v * (q - y);
        *curvature += v * q * (1 - q);
        *total += v;
    }
    return loss;
}

static double predict_logistic(pare_dual *dual, const double *z, double *p) {
    double b = dual->problem->intercept ? dual->intercept[0] : 0, gradient, curvature, total;
    double loss = logistic_sums(dual, z, b, p, &gradient, &curvature, &total);
    for (int step = 0; dual->problem->intercept && step < NEWTON_STEPS; step++) {
        if (fabs(gradient) <= newton_tolerance * total) {
            break;
        }
        double move = -gradient / fmax(curvature, 1e-300);
        move = fmax(-newton_longest, fmin(newton_longest, move));
        b += move;
        double next = logistic_sums(dual, z, b, p, &gradient, &curvature, &total);
        for (int half = 0; next > loss * (1 + 1e-14) && half < 40; half++) {
            move /= 2;
            b -= move;
            next = logistic_sums(dual, z, b, p, &gradient, &curvature, &total);
        }
        loss = next;
    }
    dual->intercept[0] = b;
    return loss;
}

/* Loss and probabilities at intercept b; gradient (outputs) and hessian (outputs, outputs) of the
 * intercept where `hessian` is not NULL. */
static double softmax_sums(const pare_dual *dual, const double *z, const double *b, double *p,
                           double *gradient, double *hessian, double *total) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows, m = problem->outputs;
    double loss = 0;
    *total = 0;
    memset(gradient, 0, (size_t)m * sizeof *gradient);
    if (hessian) {
        memset(hessian, 0, (size_t)(m * m) * sizeof *hessian);
    }
    for (int64_t i = 0; i < rows; i++) {
        double v = pare_row_weight(problem, i), highest = -INFINITY, sum = 0, own = 0;
        for (int64_t c = 0; c < m; c++) {
            double value = z[c * rows + i] + b[c];
            highest = value > highest ? value : highest;
            own += problem->target[c * rows + i] * value;
        }
        for (int64_t c = 0; c < m; c++) {
            double e = exp(z[c * rows + i] + b[c] - highest);
            dual->row[c] = e;
            sum += e;
        }
        loss += v * (log(sum) + highest - own);
        *total += v;
        for (int64_t c = 0; c < m; c++) {
            double q = dual->row[c] / sum;
            dual->row[c] = q;
            p[c * rows + i] = q;
            gradient[c] += v * (q - problem->target[c * rows + i]);
        }
        for (int64_t c = 0; hessian && c < m; c++) {
            hessian[c * m + c] += v * dual->row[c];
            for (int64_t e = 0; e <= c; e++) {
                hessian[c * m + e] -= v * dual->row[c] * dual->row[e];
            }
        }
    }
    return loss;
}

static double predict_softmax(pare_dual *dual, const double *z, double *p) {
    const pare_certified_problem *problem = dual->problem;
    int64_t m = problem->outputs;
    double *gradient = dual->newton, *move = dual->newton + m, *hessian = dual->newton + 2 * m;
    double *b = dual->intercept, total = 0;
    if (!problem->intercept) {
        return softmax_sums(dual, z, b, p, gradient, NULL, &total);
    }
    double loss = softmax_sums(dual, z, b, p, gradient, hessian, &total);
    for (int step = 0; step < NEWTON_STEPS; step++) {
        double worst = 0, longest = 0;
        for (int64_t c = 0; c < m; c++) {
            worst = fmax(worst, fabs(gradient[c]));
            move[c] = -gradient[c];
            hessian[c * m + c] += 1e-9 * total; /* the loss does not change along b + constant */
        }
        if (worst <= newton_tolerance * total || pare_cholesky(m, hessian, m) != 0) {
            break;
        }
        pare_cholesky_solve(m, 1, hessian, m, move, 1);
        for (int64_t c = 0; c < m; c++) {
            longest = fmax(longest, fabs(move[c]));
        }
        double scale = longest > newton_longest ? newton_longest / longest : 1;
        for (int64_t c = 0; c < m; c++) {
            move[c] *= scale;
            b[c] += move[c];
        }
        double next = softmax_sums(dual, z, b, p, gradient, hessian, &total);
        for (int half = 0; next > loss * (1 + 1e-14) && half < 40; half++) {
            for (int64_t c = 0; c < m; c++) {
                move[c] /= 2;
                b[c] -= move[c];
            }
            next = softmax_sums(dual, z, b, p, gradient, hessian, &total);
        }
        loss = next;
    }
    return loss;
}

double pare_dual_predict(pare_dual *dual, const double *z, double *p) {
    switch (dual->problem->loss) {
    case PARE_CERTIFIED_SQUARED:
        return predict_squared(dual, z, p);
    case PARE_CERTIFIED_LOGISTIC:
        return predict_logistic(dual, z, p);
    case PARE_CERTIFIED_SOFTMAX:
        break;
    }
    return predict_softmax(dual, z, p);
}

void pare_dual_alpha(const pare_dual *dual, const double *p, double *alpha) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows;
    for (int64_t c = 0; c < problem->outputs; c++) {
        for (int64_t i = 0; i < rows; i++) {
            int64_t at = c * rows + i;
            alpha[at] = pare_row_weight(problem, i) * (p[at] - problem->target[at]);
        }
    }
}

/* ---- Exact zero sums ----------------------------------------------------------------------- */

/* Exponent of the unit: sums over rows and outputs of |alpha| / unit stay below 2^62. */
static int unit_exponent(const pare_certified_problem *problem, const double *alpha) {
    int64_t rows = problem->design->rows;
    double largest = 0;
    for (int64_t at = 0; at < rows * problem->outputs; at++) {
        largest = fmax(largest, fabs(alpha[at]));
    }
    for (int64_t i = 0; problem->loss != PARE_CERTIFIED_SQUARED && i < rows; i++) {
        largest = fmax(largest, pare_row_weight(problem, i));
    }
    int exponent = 0, bits = 61;
    (void)frexp(largest, &exponent);
    for (int64_t n = rows > problem->outputs ? rows : problem->outputs; n > 0; n /= 2) {
        bits--;
    }
    bits = bits > 52 ? 52 : bits;
    return largest > 0 && isfinite(largest) ? exponent - bits : 0;
}

/* Least value of a unit: alpha >= -v y where p must be >= 0. Exact: the unit is a power of 2. */
static int64_t unit_low(const pare_certified_problem *problem, int64_t c, int64_t i, int scale) {
    if (problem->loss == PARE_CERTIFIED_SQUARED) {
        return INT64_MIN / 4;
    }
    double v = pare_row_weight(problem, i);
    return -(int64_t)floor(ldexp(v * problem->target[c * problem->design->rows + i], -scale));
}

static int64_t unit_high(const pare_certified_problem *problem, int64_t c, int64_t i, int scale) {
    if (problem->loss == PARE_CERTIFIED_SQUARED) {
        return INT64_MAX / 4;
    }
    double v = pare_row_weight(problem, i);
    double rest = v * (1 - problem->target[c * problem->design->rows + i]);
    return (int64_t)floor(ldexp(rest, -scale));
}

/* Makes each row of a softmax point sum to 0 by moving the class with the most room. */
static bool balance_rows(pare_dual *dual, int scale) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows;
    for (int64_t i = 0; i < rows; i++) {
        int64_t sum = 0, most = -1, roomy = 0;
        for (int64_t c = 0; c < problem->outputs; c++) {
            int64_t room = dual->unit[c * rows + i] - unit_low(problem, c, i, scale);
            sum += dual->unit[c * rows + i];
            if (room > most) {
                most = room;
                roomy = c;
            }
        }
        if (sum > most) {
            return false;
        }
        dual->unit[roomy * rows + i] -= sum;
    }
    return true;
}

/* Moves `left` units out of output `from` (and into output `into`, unless it is -1). */
static bool move_units(pare_dual *dual, int64_t from, int64_t into, int64_t left, int scale) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows;
    int64_t sign = left < 0 ? -1 : 1;
    left *= sign;
    int64_t quota = left / rows + 1;
    while (left > 0) {
        int64_t moved = 0;
        for (int64_t i = 0; i < rows && left > 0; i++) {
            if (pare_row_weight(problem, i) <= 0) {
                continue;
            }
            int64_t *unit = dual->unit + from * rows + i;
            int64_t room = sign > 0 ? *unit - unit_low(problem, from, i, scale)
                                    : unit_high(problem, from, i, scale) - *unit;
            int64_t step = room < quota ? room : quota;
            step = step < left ? step : left;
            if (step > 0) {
                *unit -= sign * step;
                if (into >= 0) {
                    dual->unit[into * rows + i] += step;
                }
                left -= step;
                moved += step;
            }
        }
        if (moved == 0) {
            return false;
        }
        quota = quota > INT64_MAX / 16 ? quota : quota * 8;
    }
    return true;
}

static int64_t unit_sum(const pare_dual *dual, int64_t c) {
    int64_t rows = dual->problem->design->rows, sum = 0;
    for (int64_t i = 0; i < rows; i++) {
        sum += dual->unit[c * rows + i];
    }
    return sum;
}

static bool balance_outputs(pare_dual *dual, int scale) {
    const pare_certified_problem *problem = dual->problem;
    if (problem->loss != PARE_CERTIFIED_SOFTMAX) {
        for (int64_t c = 0; c < problem->outputs; c++) {
            if (!move_units(dual, c, -1, unit_sum(dual, c), scale)) {
                return false;
            }
        }
        return true;
    }
    /* Rows sum to 0 already, so what one class has too much others have too little. */
    for (int64_t c = 0; c < problem->outputs; c++) {
        int64_t much = unit_sum(dual, c);
        for (int64_t e = 0; much > 0 && e < problem->outputs; e++) {
            int64_t little = -unit_sum(dual, e);
            int64_t step = much < little ? much : little;
            if (step > 0) {
                if (!move_units(dual, c, e, step, scale)) {
                    return false;
                }
                much -= step;
            }
        }
    }
    return true;
}

bool pare_dual_round(pare_dual *dual, double *alpha) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows, m = problem->outputs;
    int scale = unit_exponent(problem, alpha);
    double factor = ldexp(1, -scale);
    if (!isfinite(factor)) {
        return false;
    }
    for (int64_t c = 0; c < m; c++) {
        for (int64_t i = 0; i < rows; i++) {
            double value = alpha[c * rows + i] * factor;
            if (!isfinite(value)) {
                return false;
            }
            int64_t unit = pare_row_weight(problem, i) > 0 ? llround(value) : 0;
            int64_t low = unit_low(problem, c, i, scale), high = unit_high(problem, c, i, scale);
            unit = unit < low ? low : unit > high ? high : unit;
            dual->unit[c * rows + i] = unit;
        }
    }
    if (problem->loss == PARE_CERTIFIED_SOFTMAX && !balance_rows(dual, scale)) {
        return false;
    }
    if (problem->intercept && !balance_outputs(dual, scale)) {
        return false;
    }
    for (int64_t at = 0; at < rows * m; at++) {
        alpha[at] = ldexp((double)dual->unit[at], scale);
    }
    return true;
}

/* ---- Values -------------------------------------------------------------------------------- */

static double entropy_term(double p) {
    return p > 0 ? -p * log(p) : 0;
}

double pare_dual_conjugate(const pare_dual *dual, const double *alpha) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows, m = problem->outputs;
    double sum = 0, size = 0, slack = 0;
    for (int64_t c = 0; c < m; c++) {
        for (int64_t i = 0; i < rows; i++) {
            double v = pare_row_weight(problem, i), a = alpha[c * rows + i];
            double y = problem->target[c * rows + i], first, second;
            if (v <= 0) {
                continue;
            }
            switch (problem->loss) {
            case PARE_CERTIFIED_SQUARED:
                first = -a * a / (2 * v);
                second = -y * a;
                break;
            case PARE_CERTIFIED_LOGISTIC: {
                /* |alpha| / v is p where y = 0 and 1 - p where y = 1: no cancellation. */
                double minor = fabs(a) / v;
                first = v * entropy_term(minor);
                second = minor < 1 ? -v * (1 - minor) * log1p(-minor) : 0;
                slack += 128 * PARE_ROUNDOFF * v;
                break;
            }
            default: {
                double p = y + a / v;
                first = v * entropy_term(p);
                second = 0;
                slack += 256 * PARE_ROUNDOFF * v;
                break;
            }
            }
            sum += first + second;
            size += fabs(first) + fabs(second);
        }
    }
    return sum - slack - (double)(2 * rows * m + 8) * PARE_ROUNDOFF * (size + slack);
}

void pare_dual_products(const pare_dual *dual, const double *alpha, double *linear,
                        double *quadratic) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows;
    *linear = *quadratic = 0;
    for (int64_t c = 0; c < problem->outputs; c++) {
        for (int64_t i = 0; i < rows; i++) {
            double v = pare_row_weight(problem, i), a = alpha[c * rows + i];
            if (v > 0) {
                *linear += problem->target[c * rows + i] * a;
                *quadratic += a * a / v;
            }
        }
    }
}

/* Upper bounds of one row's loss, where every value of z is known to within `error`. */
static double row_loss(const pare_dual *dual, const double *z, int64_t i, double error) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows, m = problem->outputs;
    const double *y = problem->target, *b = dual->intercept;
    double sum = 0, highest = -INFINITY, own = 0;
    switch (problem->loss) {
    case PARE_CERTIFIED_SQUARED:
        for (int64_t c = 0; c < m; c++) {
            double value = z[c * rows + i] + b[c];
            double off = fabs(value - y[c * rows + i]) +
                         (4 * PARE_ROUNDOFF) *
                             (fabs(value) + fabs(z[c * rows + i]) + fabs(y[c * rows + i])) +
                         error;
            sum += 0.5 * off * off;
        }
        return sum;
    case PARE_CERTIFIED_LOGISTIC: {
        double value = z[i] + b[0];
        sum = log1p(exp(-fabs(value))) + (value > 0 ? value : 0) - y[i] * value;
        return sum + error + 16 * PARE_ROUNDOFF * (1 + fabs(value) + fabs(z[i]));
    }
    case PARE_CERTIFIED_SOFTMAX:
        break;
    }
    double size = 0;
    for (int64_t c = 0; c < m; c++) {
        double value = z[c * rows + i] + b[c];
        highest = fmax(highest, value);
        size = fmax(size, fabs(value) + fabs(z[c * rows + i]));
        own += y[c * rows + i] * value;
    }
    for (int64_t c = 0; c < m; c++) {
        sum += exp(z[c * rows + i] + b[c] - highest);
    }
    return log(sum) + highest - own + 2 * error + 16 * PARE_ROUNDOFF * (double)(m + 2) * (1 + size);
}

double pare_dual_loss(const pare_dual *dual, const double *z, const double *error) {
    const pare_certified_problem *problem = dual->problem;
    int64_t rows = problem->design->rows;
    double sum = 0;
    for (int64_t i = 0; i < rows; i++) {
        sum += pare_row_weight(problem, i) * fmax(0, row_loss(dual, z, i, error[i]));
    }
    return sum * (1 + (double)(rows + problem->outputs + 16) * PARE_ROUNDOFF);
}
