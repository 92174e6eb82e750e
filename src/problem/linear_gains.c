/* Gains of the candidates, and those that decide in double. */
#include "problem/linear.h"

#include <math.h>
#include <string.h>

enum {
    RESOLVE_MOST = 64, /* candidates recomputed one by one */
    RESOLVE_BATCH = 16 /* columns fetched at a time for them */
};

/* W residual of every output. */
static pare_status weigh(const pare_linear *l, double *out) {
    int64_t rows = l->design.rows;
    for (int64_t o = 0; o < l->outputs; o++) {
        for (int64_t i = 0; i < rows; i++) {
            out[o * rows + i] =
                (l->design.weight ? l->design.weight[i] : 1) * l->residual[o * rows + i];
        }
    }
    return PARE_OK;
}

/* Products of all columns with the residual, and a bound on their error. */
static pare_status correlate(pare_linear *l, pare_precision precision) {
    double *r = NULL, square = 0;
    int64_t rows = l->design.rows;
    pare_status status = pare_alloc(l->ctx, l->outputs * rows, sizeof *r, &r);
    if (status != PARE_OK) {
        return status;
    }
    status = weigh(l, r);
    for (int64_t i = 0; i < l->outputs * rows; i++) {
        square += r[i] * l->residual[i];
    }
    if (status == PARE_OK) {
        status = l->design.slots->correlate(l->design.self, precision, l->outputs, r, l->product);
    }
    l->error = precision == PARE_PRECISION_FLOAT ? PARE_FLOAT_SHARE * sqrt(square) : 0;
    pare_free(l->ctx, r);
    return status;
}

static void all_gains(const pare_linear *l, double *gain) {
    /* One response, one feature each: the same arithmetic without a call. */
    bool single = l->outputs == 1 && l->design.columns == l->design.candidates;
    double penalty = l->ridge * l->total;
    for (int64_t c = 0; single && c < l->design.candidates; c++) {
        double square = l->product[c] * l->product[c];
        double sum = l->norm[c] > 0 ? square / (l->norm[c] + penalty) : 0;
        gain[c] = l->curvature * sum / (2 * l->total);
    }
    for (int64_t c = 0; !single && c < l->design.candidates; c++) {
        gain[c] = pare_linear_gain(l, c, l->product + l->design.start[c], l->design.columns);
    }
    for (int64_t c = 0; c < l->support.candidates; c++) {
        gain[l->support.candidate[c]] = 0;
    }
}

/* The columns of a few of the best are fetched together when the best one's are not there: the
 * rest will be wanted soon, and one column costs nearly what many do. */
static pare_status keep_best(pare_linear *l, const double *gain) {
    int64_t best = 0, ahead = l->wanted - l->support.candidates;
    for (int64_t c = 1; c < l->design.candidates; c++) {
        best = gain[c] > gain[best] ? c : best;
    }
    if (ahead <= 1 || pare_support_find(l, l->design.start[best])) {
        return PARE_OK;
    }
    return pare_pool_fill(l, ahead);
}

pare_status pare_linear_gains(pare_linear *l, double *gain) {
    pare_status status =
        l->logistic ? correlate(l, PARE_PRECISION_FLOAT) : pare_least_squares_product(l);
    if (status == PARE_OK) {
        all_gains(l, gain);
        status = l->logistic ? keep_best(l, gain) : PARE_OK;
    }
    return status;
}

/* |P_c r| and how far it may be off. */
static double root_of(const pare_linear *l, double gain) {
    return sqrt(fmax(gain, 0) * 2 * l->total / l->curvature);
}

static double error_of(const pare_linear *l, int64_t candidate) {
    return l->blocks.amplify[candidate] * l->error;
}

/* A root that `wanted` of the open candidates surely reach: all below it by more than their errors
 * are out of the question. most: (wanted) scratch, the best of them, largest gain first. */
static double threshold(const pare_linear *l, const uint8_t *open, const uint8_t *exact,
                        int64_t wanted, const double *gain, int64_t *most) {
    int64_t count = 0;
    for (int64_t c = 0; c < l->design.candidates; c++) {
        if (!open[c] || (count == wanted && gain[c] <= gain[most[count - 1]])) {
            continue;
        }
        int64_t at = count < wanted ? count++ : count - 1;
        for (; at > 0 && gain[most[at - 1]] < gain[c]; at--) {
            most[at] = most[at - 1];
        }
        most[at] = c;
    }
    double least = count == wanted ? INFINITY : -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        double error = exact[most[i]] ? 0 : error_of(l, most[i]);
        least = fmin(least, root_of(l, gain[most[i]]) - error);
    }
    return least;
}

/* Gains of the listed candidates in double. */
static pare_status exact_gains(pare_linear *l, int64_t count, const int64_t *list, double *gain) {
    pare_context *ctx = l->ctx;
    int64_t rows = l->design.rows, width = 1;
    for (int64_t c = 0; c < count; c++) {
        int64_t one = l->design.start[list[c] + 1] - l->design.start[list[c]];
        width = one > width ? one : width;
    }
    int64_t room = width > RESOLVE_BATCH ? width : RESOLVE_BATCH, cells = 0;
    float *x = NULL;
    double *product = NULL;
    int64_t *column = NULL;
    if (!pare_checked_multiply(room, rows, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld rows", (long long)rows);
    }
    pare_status status = pare_alloc(ctx, cells, sizeof *x, &x);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, room, sizeof *column, &column);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, room * l->outputs, sizeof *product, &product);
    }
    for (int64_t from = 0; status == PARE_OK && from < count;) {
        int64_t to = from, columns = 0;
        for (; to < count; to++) {
            int64_t first = l->design.start[list[to]], last = l->design.start[list[to] + 1];
            if (columns + last - first > room) {
                break;
            }
            for (int64_t j = first; j < last; j++) {
                column[columns++] = j;
            }
        }
        status = pare_support_columns(l, columns, column, x);
        for (int64_t o = 0; status == PARE_OK && o < l->outputs; o++) {
            for (int64_t q = 0; q < columns; q++) {
                product[o * room + q] =
                    pare_weighted_sum(rows, l->design.weight, x + q * rows, l->residual + o * rows);
            }
        }
        int64_t at = 0;
        for (; status == PARE_OK && from < to; from++) {
            gain[list[from]] = pare_linear_gain(l, list[from], product + at, room);
            at += l->design.start[list[from] + 1] - l->design.start[list[from]];
        }
    }
    pare_free(ctx, x);
    pare_free(ctx, column);
    pare_free(ctx, product);
    return status;
}

/* Everything in double: one pass. */
static pare_status all_exact(pare_linear *l, double *gain) {
    pare_status status = correlate(l, PARE_PRECISION_DOUBLE);
    if (status == PARE_OK) {
        all_gains(l, gain);
    }
    if (!l->logistic) {
        pare_least_squares_note_products(l);
    }
    return status;
}

pare_status pare_linear_resolve(pare_linear *l, const uint8_t *open, int64_t wanted, double *gain) {
    int64_t candidates = l->design.candidates, list[RESOLVE_MOST];
    uint8_t *exact = NULL;
    int64_t *most = NULL;
    pare_status status = pare_alloc_zero(l->ctx, candidates, 1, &exact);
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, wanted, sizeof *most, &most);
    }
    for (bool all = false; status == PARE_OK && !all;) {
        double sure = threshold(l, open, exact, wanted, gain, most);
        int64_t near = 0, count = 0, total = 0;
        /* What one feature can lack at most, as a gain: most candidates need no root. */
        double lack = fmax(sure - l->error, 0);
        double low = l->curvature * lack * lack / (2 * l->total) * (1 - 1e-12);
        for (int64_t c = 0; c < candidates; c++) {
            total += open[c] != 0;
            if (gain[c] < low && l->blocks.amplify[c] <= 1) {
                continue;
            }
            if (open[c] && root_of(l, gain[c]) + (exact[c] ? 0 : error_of(l, c)) >= sure) {
                near++;
                if (!exact[c] && count++ < RESOLVE_MOST) {
                    list[count - 1] = c;
                }
            }
        }
        if (count == 0 || (near == 1 && wanted == 1) || total <= 1) {
            break;
        }
        if (!l->logistic) {
            pare_least_squares_residual(l);
        }
        if (count > RESOLVE_MOST) {
            status = all_exact(l, gain);
            all = true;
            continue;
        }
        status = exact_gains(l, count, list, gain);
        for (int64_t c = 0; c < count; c++) {
            exact[list[c]] = 1;
        }
    }
    pare_free(l->ctx, exact);
    pare_free(l->ctx, most);
    return status;
}
