/*
 * The worth of a candidate by its products with the residual. One feature: the square of its
 * correlation with the residual, what orthogonal matching pursuit goes by. Several: the part of
 * the residual in the span of its features, by the factor of their products; a candidate of very
 * many features (one-hot with many levels, which are nearly orthogonal) by the sum over them.
 */
#include "problem/linear.h"

#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

/* Wider candidates get no factor; columns fetched at a time. */
enum { WIDTH_MOST = 64, BATCH = 64 };
/* A feature with less than this share of its square outside the others adds nothing. */
static const double dependent = 1e-6;

void pare_blocks_clear(pare_linear *l) {
    pare_free(l->ctx, l->blocks.factor);
    pare_free(l->ctx, l->blocks.at);
    pare_free(l->ctx, l->blocks.amplify);
    l->blocks = (pare_blocks){0};
}

static int64_t width_of(const pare_linear *l, int64_t candidate) {
    return l->design.start[candidate + 1] - l->design.start[candidate];
}

/* Cholesky factor of the candidate's products; a dependent feature has 0 on the diagonal. */
static void factorise(const pare_linear *l, int64_t first, int64_t width, const float *x,
                      double *factor, double *amplify) {
    int64_t rows = l->design.rows;
    double most = 1;
    for (int64_t a = 0; a < width; a++) {
        double *row = factor + a * width;
        for (int64_t b = 0; b <= a; b++) {
            double sum =
                l->design.weight
                    ? pare_weighted_products(rows, l->design.weight, x + a * rows, x + b * rows)
                    : l->ctx->kernels->dot_double(rows, x + a * rows, x + b * rows);
            sum -= l->total * l->mean[first + a] * l->mean[first + b];
            sum += a == b ? l->ridge * l->total : 0;
            double whole = sum;
            for (int64_t q = 0; q < b; q++) {
                sum -= row[q] * factor[b * width + q];
            }
            if (a > b) {
                row[b] = factor[b * width + b] > 0 ? sum / factor[b * width + b] : 0;
            } else if (l->norm[first + a] > 0 && sum > dependent * whole) {
                row[a] = sqrt(sum);
                most = fmax(most, whole / sum);
            } else {
                row[a] = 0;
            }
        }
    }
    *amplify = sqrt((double)width * most);
}

pare_status pare_blocks_create(pare_linear *l) {
    pare_context *ctx = l->ctx;
    int64_t candidates = l->design.candidates, rows = l->design.rows, cells = 0, columns = 0;
    pare_blocks *blocks = &l->blocks;
    pare_status status = pare_alloc(ctx, candidates, sizeof *blocks->at, &blocks->at);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, candidates, sizeof *blocks->amplify, &blocks->amplify);
    }
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t c = 0; c < candidates; c++) {
        int64_t width = width_of(l, c);
        bool square = width > 1 && width <= WIDTH_MOST;
        blocks->at[c] = square ? cells : -1;
        blocks->amplify[c] = sqrt((double)width);
        cells += square ? width * width : 0;
        columns += square ? width : 0;
    }
    if (cells == 0) {
        return PARE_OK;
    }
    int64_t column[BATCH];
    float *x = NULL;
    columns = columns < BATCH ? columns : BATCH;
    status = pare_alloc_zero(ctx, cells, sizeof *blocks->factor, &blocks->factor);
    if (status == PARE_OK && !pare_checked_multiply(columns, rows, &cells)) {
        status = pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld rows", (long long)rows);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, cells, sizeof *x, &x);
    }
    for (int64_t c = 0; status == PARE_OK && c < candidates;) {
        int64_t last = c, count = 0;
        for (; last < candidates && count + width_of(l, last) <= columns; last++) {
            for (int64_t j = l->design.start[last];
                 blocks->at[last] >= 0 && j < l->design.start[last + 1]; j++) {
                column[count++] = j;
            }
        }
        if (last == c) {
            c++; /* too wide for a factor */
            continue;
        }
        status = count > 0 ? l->design.slots->fetch(l->design.self, count, column, x) : PARE_OK;
        int64_t at = 0;
        for (; status == PARE_OK && c < last; c++) {
            if (blocks->at[c] >= 0) {
                factorise(l, l->design.start[c], width_of(l, c), x + at * rows,
                          blocks->factor + blocks->at[c], &blocks->amplify[c]);
                at += width_of(l, c);
            }
        }
    }
    pare_free(ctx, x);
    return status;
}

double pare_linear_gain(const pare_linear *l, int64_t candidate, const double *product,
                        int64_t stride) {
    int64_t first = l->design.start[candidate], width = width_of(l, candidate);
    double penalty = l->ridge * l->total, sum = 0;
    const double *factor =
        l->blocks.at[candidate] >= 0 ? l->blocks.factor + l->blocks.at[candidate] : NULL;
    for (int64_t o = 0; o < l->outputs; o++) {
        const double *c = product + o * stride;
        double z[WIDTH_MOST];
        for (int64_t f = 0; f < width; f++) {
            if (!factor) {
                sum += l->norm[first + f] > 0 ? c[f] * c[f] / (l->norm[first + f] + penalty) : 0;
                continue;
            }
            double rest = c[f];
            for (int64_t q = 0; q < f; q++) {
                rest -= factor[f * width + q] * z[q];
            }
            double diagonal = factor[f * width + f];
            z[f] = diagonal > 0 ? rest / diagonal : 0;
            sum += z[f] * z[f];
        }
    }
    return l->curvature * sum / (2 * l->total);
}
