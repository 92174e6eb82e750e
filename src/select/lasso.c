#include "select/lasso.h"
#include "kernels/blas.h"

#include <math.h>
#include <string.h>

/* Columns whose products are fetched in one pass, and sweeps of one solution at most. */
enum { PASS_COLUMNS = 16, SWEEPS_MAX = 2000 };

/* A sweep that moves the fit by less than this share of the responses' variance is the last. */
static const double converged = 1e-14;
/* A candidate enters when its slope exceeds its penalty by this share. */
static const double violation = 1e-9;

struct pare_lasso {
    pare_context *ctx;
    const pare_design *design;
    int64_t m, columns;
    double ridge, total; /* total: sum of the row weights */
    double variance;     /* sum over responses of mean y^2 */
    double *correlation; /* (m, columns) X' y / n */
    double *residual;    /* (m, columns) X' (y - XW) / n - ridge W: minus the gradient */
    float *fetched;      /* (PASS_COLUMNS, rows) */
    double *weighted;    /* (PASS_COLUMNS, rows) */

    int64_t slots;          /* columns that have been active; those of a candidate together */
    int64_t slot_capacity;  /* of column, w, g, dw */
    int64_t gram_capacity;  /* rows of gram */
    int64_t small_capacity; /* cells of small and of factor */
    int64_t *first;         /* (candidates) first slot, -1: never active */
    int64_t *column;        /* (slots) */
    double *w;              /* (slots, m) */
    double *g;              /* (slots, m) minus the gradient, kept up to date in a sweep */
    double *dw;             /* (slots, m) scratch */
    double *gram;           /* (slots, columns) X' x_s / n, ridge on the diagonal */
    double *small;          /* (slots, slots) the same among the slots */
    double *factor;         /* (free, free) Cholesky factor of the unpenalised */
    int64_t entered;        /* candidates that have been active, in order of entry */
    int64_t *entry;         /* (candidates) their numbers */
    int64_t free_count;     /* unpenalised slots the factor belongs to */
    int64_t *free_slot;     /* (slots) */
    double *bound;          /* (candidates) bound on the largest eigenvalue of the block */
};

void pare_lasso_destroy(pare_lasso *l) {
    if (!l) {
        return;
    }
    void *const owned[] = {l->correlation, l->residual, l->fetched,   l->weighted, l->first,
                           l->column,      l->w,        l->g,         l->dw,       l->gram,
                           l->small,       l->factor,   l->free_slot, l->bound,    l->entry};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(l->ctx, owned[i]);
    }
    pare_free(l->ctx, l);
}

static int64_t width(const pare_lasso *l, int64_t candidate) {
    return l->design->start[candidate + 1] - l->design->start[candidate];
}

/* X' diag(weight) y / n, and the variance of the responses. */
static pare_status correlate_response(pare_lasso *l, const double *response) {
    const pare_design *design = l->design;
    int64_t cells = 0;
    if (!pare_checked_multiply(l->m, design->rows, &cells)) {
        return pare_fail(l->ctx, PARE_ERROR_MEMORY, "out of memory: %lld responses",
                         (long long)l->m);
    }
    double *weighted = NULL;
    pare_status status = pare_alloc(l->ctx, cells, sizeof *weighted, &weighted);
    if (status != PARE_OK) {
        return status;
    }
    double square = 0;
    for (int64_t v = 0; v < l->m; v++) {
        for (int64_t i = 0; i < design->rows; i++) {
            double y = response[v * design->rows + i];
            double weight = design->weight ? design->weight[i] : 1;
            weighted[v * design->rows + i] = weight * y / l->total;
            square += weight * y * y / l->total;
        }
    }
    l->variance = square;
    status = design->slots->correlate(design->self, PARE_PRECISION_DOUBLE, l->m, weighted,
                                      l->correlation);
    pare_free(l->ctx, weighted);
    return status;
}

pare_status pare_lasso_create(pare_context *ctx, const pare_design *design, int64_t m,
                              const double *response, double ridge, pare_lasso **out) {
    *out = NULL;
    pare_lasso *l = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *l, &l);
    if (status != PARE_OK) {
        return status;
    }
    l->ctx = ctx;
    l->design = design;
    l->m = m;
    l->columns = design->columns;
    l->ridge = ridge;
    for (int64_t i = 0; i < design->rows; i++) {
        l->total += design->weight ? design->weight[i] : 1;
    }
    int64_t cells = 0, fetched = 0;
    if (!pare_checked_multiply(m, design->columns, &cells) ||
        !pare_checked_multiply(PASS_COLUMNS, design->rows, &fetched)) {
        status = pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: %lld columns, %lld responses",
                           (long long)design->columns, (long long)m);
        goto fail;
    }
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&l->correlation, cells, sizeof(double)},
        {&l->residual, cells, sizeof(double)},
        {&l->fetched, fetched, sizeof(float)},
        {&l->weighted, fetched, sizeof(double)},
        {&l->first, design->candidates, sizeof(int64_t)},
        {&l->entry, design->candidates, sizeof(int64_t)},
        {&l->bound, design->candidates, sizeof(double)},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    for (int64_t c = 0; c < design->candidates; c++) {
        l->first[c] = -1;
    }
    status = correlate_response(l, response);
    if (status != PARE_OK) {
        goto fail;
    }
    *out = l;
    return PARE_OK;
fail:
    pare_lasso_destroy(l);
    return status;
}

/* Makes room for `wanted` slots. */
static pare_status reserve(pare_lasso *l, int64_t wanted) {
    size_t vector = (size_t)l->m * sizeof(double);
    int64_t capacity = l->slot_capacity;
    const struct {
        void *array;
        size_t size;
    } arrays[] = {{&l->column, sizeof *l->column},
                  {&l->free_slot, sizeof *l->free_slot},
                  {&l->w, vector},
                  {&l->g, vector},
                  {&l->dw, vector}};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        /* A failure half-way leaves some arrays larger than slot_capacity says: harmless. */
        capacity = l->slot_capacity;
        pare_status status = pare_grow(l->ctx, wanted, arrays[i].size, &capacity, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    l->slot_capacity = capacity;
    pare_status status =
        pare_grow(l->ctx, wanted, (size_t)l->columns * sizeof(double), &l->gram_capacity, &l->gram);
    if (status != PARE_OK) {
        return status;
    }
    int64_t cells = 0;
    if (!pare_checked_multiply(wanted, wanted, &cells)) {
        return pare_fail(l->ctx, PARE_ERROR_MEMORY, "out of memory: %lld active columns",
                         (long long)wanted);
    }
    capacity = l->small_capacity;
    status = pare_grow(l->ctx, cells, sizeof(double), &capacity, &l->factor);
    if (status == PARE_OK) {
        status = pare_grow(l->ctx, cells, sizeof(double), &l->small_capacity, &l->small);
    }
    return status;
}

/* Products of the slots from .. from + count - 1 with all columns; count <= PASS_COLUMNS. */
static pare_status fill_gram(pare_lasso *l, int64_t from, int64_t count) {
    const pare_design *design = l->design;
    pare_status status = design->slots->fetch(design->self, count, l->column + from, l->fetched);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t s = 0; s < count; s++) {
        for (int64_t i = 0; i < design->rows; i++) {
            double weight = design->weight ? design->weight[i] : 1;
            l->weighted[s * design->rows + i] =
                weight * (double)l->fetched[s * design->rows + i] / l->total;
        }
    }
    status = design->slots->correlate(design->self, PARE_PRECISION_DOUBLE, count, l->weighted,
                                      l->gram + from * l->columns);
    for (int64_t s = from; s < from + count; s++) {
        l->gram[s * l->columns + l->column[s]] += l->ridge;
    }
    return status;
}

/* The slots' products among themselves, and a bound of each block's largest eigenvalue. */
static void fill_small(pare_lasso *l) {
    int64_t n = l->slots;
    for (int64_t s = 0; s < n; s++) {
        for (int64_t t = 0; t < n; t++) {
            l->small[s * n + t] = l->gram[s * l->columns + l->column[t]];
        }
    }
    for (int64_t e = 0; e < l->entered; e++) {
        int64_t c = l->entry[e], from = l->first[c], size = width(l, c);
        l->bound[c] = 0;
        for (int64_t s = from; s < from + size; s++) {
            double sum = 0;
            for (int64_t t = from; t < from + size; t++) {
                sum += fabs(l->small[s * n + t]);
            }
            l->bound[c] = fmax(l->bound[c], sum);
        }
    }
    l->free_count = -1;
}

/* Gives the candidates entry[entered .. entered + count - 1] their slots. */
static pare_status enter(pare_lasso *l, int64_t count) {
    int64_t more = 0;
    for (int64_t e = l->entered; e < l->entered + count; e++) {
        more += width(l, l->entry[e]);
    }
    pare_status status = reserve(l, l->slots + more);
    if (status != PARE_OK) {
        return status;
    }
    int64_t slots = l->slots;
    for (int64_t e = l->entered; e < l->entered + count; e++) {
        for (int64_t j = 0; j < width(l, l->entry[e]); j++) {
            l->column[slots++] = l->design->start[l->entry[e]] + j;
        }
    }
    for (int64_t from = l->slots; from < slots; from += PASS_COLUMNS) {
        int64_t left = slots - from;
        status = fill_gram(l, from, left < PASS_COLUMNS ? left : PASS_COLUMNS);
        if (status != PARE_OK) {
            return status;
        }
    }
    memset(l->w + l->slots * l->m, 0, (size_t)(more * l->m) * sizeof(double));
    for (int64_t e = l->entered; e < l->entered + count; e++) {
        l->first[l->entry[e]] = l->slots;
        l->slots += width(l, l->entry[e]);
    }
    l->entered += count;
    fill_small(l);
    return PARE_OK;
}

/* g -= small[:, from ..] dw for `size` slots from `from`, dw (size, m). */
static void apply(pare_lasso *l, int64_t from, int64_t size, const double *dw) {
    int64_t n = l->slots, m = l->m;
    for (int64_t s = from; s < from + size; s++) {
        const double *row = l->small + s * n;
        const double *d = dw + (s - from) * m;
        for (int64_t t = 0; t < n; t++) {
            for (int64_t v = 0; v < m; v++) {
                l->g[t * m + v] -= row[t] * d[v];
            }
        }
    }
}

static double norm_of(int64_t n, const double *x) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i] * x[i];
    }
    return sqrt(sum);
}

/* One proximal step of a block: exact where it has one column. Returns how far the fit moved. */
static double move_block(pare_lasso *l, int64_t candidate, double lambda) {
    int64_t from = l->first[candidate], size = width(l, candidate), cells = size * l->m;
    double curvature = l->bound[candidate];
    double *w = l->w + from * l->m;
    const double *g = l->g + from * l->m;
    if (!(curvature > 0)) {
        return 0;
    }
    double *dw = l->dw;
    for (int64_t i = 0; i < cells; i++) {
        dw[i] = curvature * w[i] + g[i];
    }
    double norm = norm_of(cells, dw);
    double factor = norm > lambda ? (1 - lambda / norm) / curvature : 0;
    double moved = 0;
    for (int64_t i = 0; i < cells; i++) {
        double next = factor * dw[i];
        dw[i] = next - w[i];
        w[i] = next;
        moved += dw[i] * dw[i];
    }
    if (moved > 0) {
        apply(l, from, size, dw);
    }
    return curvature * moved;
}

/* Factor of the products of the unpenalised slots; false if they are dependent. */
static bool factorise_free(pare_lasso *l, const double *lambda) {
    int64_t count = 0;
    bool same = l->free_count >= 0;
    for (int64_t e = 0; e < l->entered; e++) {
        int64_t c = l->entry[e];
        for (int64_t j = 0; lambda[c] == 0 && j < width(l, c); j++, count++) {
            same = same && count < l->free_count && l->free_slot[count] == l->first[c] + j;
            l->free_slot[count] = l->first[c] + j;
        }
    }
    if (same && count == l->free_count) {
        return true;
    }
    for (int64_t s = 0; s < count; s++) {
        for (int64_t t = 0; t <= s; t++) {
            l->factor[s * count + t] = l->small[l->free_slot[s] * l->slots + l->free_slot[t]];
        }
    }
    l->free_count = count;
    if (count > 0 && pare_cholesky(count, l->factor, count) != 0) {
        l->free_count = -1;
        return false;
    }
    return true;
}

/* The unpenalised together, given the others. */
static double move_free(pare_lasso *l) {
    int64_t count = l->free_count, m = l->m;
    double moved = 0;
    for (int64_t s = 0; s < count; s++) {
        memcpy(l->dw + s * m, l->g + l->free_slot[s] * m, (size_t)m * sizeof(double));
    }
    pare_cholesky_solve(count, m, l->factor, count, l->dw, m);
    for (int64_t s = 0; s < count; s++) {
        for (int64_t v = 0; v < m; v++) {
            double d = l->dw[s * m + v];
            l->w[l->free_slot[s] * m + v] += d;
            moved += d * l->g[l->free_slot[s] * m + v];
        }
    }
    for (int64_t s = 0; s < count; s++) {
        apply(l, l->free_slot[s], 1, l->dw + s * m);
    }
    return moved;
}

/* Block coordinate descent on the slots until nothing moves. */
static void descend(pare_lasso *l, const double *lambda) {
    int64_t m = l->m;
    for (int64_t s = 0; s < l->slots; s++) {
        for (int64_t v = 0; v < m; v++) {
            l->g[s * m + v] = l->correlation[v * l->columns + l->column[s]];
        }
    }
    for (int64_t s = 0; s < l->slots; s++) {
        apply(l, s, 1, l->w + s * m);
    }
    bool together = factorise_free(l, lambda);
    for (int sweep = 0; sweep < SWEEPS_MAX; sweep++) {
        double moved = together && l->free_count > 0 ? move_free(l) : 0;
        for (int64_t e = 0; e < l->entered; e++) {
            int64_t c = l->entry[e];
            if (lambda[c] > 0 || !together) {
                moved += move_block(l, c, lambda[c]);
            }
        }
        if (moved <= converged * l->variance) {
            return;
        }
    }
}

/* Minus the gradient on every column. */
static void fill_residual(pare_lasso *l) {
    memcpy(l->residual, l->correlation, (size_t)(l->m * l->columns) * sizeof(double));
    if (l->slots > 0) {
        pare_gemm_double(true, false, l->m, l->columns, l->slots, -1, l->w, l->m, l->gram,
                         l->columns, 1, l->residual, l->columns);
    }
}

static void measure(const pare_lasso *l, double *norm, double *slope) {
    const int64_t *start = l->design->start;
    for (int64_t c = 0; c < l->design->candidates; c++) {
        double sum = 0;
        for (int64_t v = 0; v < l->m; v++) {
            const double *row = l->residual + v * l->columns;
            for (int64_t j = start[c]; j < start[c + 1]; j++) {
                sum += row[j] * row[j];
            }
        }
        slope[c] = sqrt(sum);
        norm[c] = l->first[c] < 0 ? 0 : norm_of(width(l, c) * l->m, l->w + l->first[c] * l->m);
    }
}

/* Puts the candidates whose slope most exceeds their penalty at the end of `entry`: all of the
 * unpenalised, else up to PASS_COLUMNS. Returns how many. */
static int64_t find_violators(pare_lasso *l, const double *lambda, const double *slope) {
    int64_t count = 0;
    int64_t *found = l->entry + l->entered;
    for (int64_t c = 0; c < l->design->candidates; c++) {
        if (l->first[c] < 0 && lambda[c] == 0 && width(l, c) > 0) {
            found[count++] = c;
        }
    }
    while (count < PASS_COLUMNS) {
        int64_t best = -1;
        for (int64_t c = 0; c < l->design->candidates; c++) {
            bool taken = l->first[c] >= 0 || !(lambda[c] > 0) || isinf(lambda[c]);
            for (int64_t i = 0; !taken && i < count; i++) {
                taken = found[i] == c;
            }
            if (!taken && slope[c] > lambda[c] * (1 + violation) &&
                (best < 0 || slope[c] * lambda[best] > slope[best] * lambda[c])) {
                best = c;
            }
        }
        if (best < 0) {
            break;
        }
        found[count++] = best;
    }
    return count;
}

pare_status pare_lasso_solve(pare_lasso *l, const double *lambda, double *norm, double *slope) {
    for (;;) {
        descend(l, lambda);
        fill_residual(l);
        measure(l, norm, slope);
        int64_t count = find_violators(l, lambda, slope);
        if (count == 0) {
            return PARE_OK;
        }
        pare_status status = enter(l, count);
        if (status != PARE_OK) {
            return status;
        }
    }
}
