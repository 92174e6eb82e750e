/* Backward elimination of the columns of a half's last matrix, or of blocks of them. */
#include "kernels/blas.h"
#include "model/transformer/reconstruct.h"
#include "platform/threads.h"

#include <math.h>
#include <string.h>

enum { UPDATE_ROWS = 32, PANEL = 32, SOLVE_COLUMNS = 128 };

/* ---- Blocks ---------------------------------------------------------------------------------- */

typedef struct elimination {
    int64_t width, outputs, block;
    double *inverse;  /* (width, width) of the Gram matrix over what is left */
    double *weight;   /* (width, outputs) the solution */
    double *column;   /* (width, block) columns of the block being removed */
    double *row;      /* (block, width) its rows, solved by its own block */
    double *solution; /* (block, outputs) its weights, likewise */
    double *factor;   /* (block, block) */
    double *copy;     /* (block, outputs) scratch */
    uint8_t *gone;    /* (width / block) */
} elimination;

/* Rise of the sum of squares when a block goes: tr(W_b' (M_bb)^-1 W_b). */
static double rise(elimination *e, int64_t block) {
    int64_t b = e->block, from = block * b;
    for (int64_t i = 0; i < b; i++) {
        memcpy(e->factor + i * b, e->inverse + (from + i) * e->width + from,
               (size_t)b * sizeof *e->factor);
    }
    memcpy(e->copy, e->weight + from * e->outputs, (size_t)(b * e->outputs) * sizeof *e->copy);
    if (pare_cholesky(b, e->factor, b) != 0) {
        return INFINITY; /* numerically dependent on the others only by rounding: keep it */
    }
    pare_cholesky_solve(b, e->outputs, e->factor, b, e->copy, e->outputs);
    double sum = 0;
    for (int64_t i = 0; i < b * e->outputs; i++) {
        sum += e->copy[i] * e->weight[from * e->outputs + i];
    }
    return sum;
}

static void update_chunk(void *argument, int64_t chunk) {
    elimination *e = argument;
    int64_t b = e->block, from = chunk * UPDATE_ROWS;
    int64_t count = e->width - from < UPDATE_ROWS ? e->width - from : UPDATE_ROWS;
    const double *column = e->column + from * b;
    pare_gemm_double(false, false, count, e->outputs, b, -1, column, b, e->solution, e->outputs, 1,
                     e->weight + from * e->outputs, e->outputs);
    pare_gemm_double(false, false, count, e->width, b, -1, column, b, e->row, e->width, 1,
                     e->inverse + from * e->width, e->width);
}

/* Takes a block out: the inverse and the solution of what is left, by the block inverse formula. */
static void remove_block(pare_context *ctx, elimination *e, int64_t block) {
    int64_t b = e->block, from = block * b;
    for (int64_t i = 0; i < e->width; i++) {
        memcpy(e->column + i * b, e->inverse + i * e->width + from, (size_t)b * sizeof *e->column);
    }
    memcpy(e->row, e->inverse + from * e->width, (size_t)(b * e->width) * sizeof *e->row);
    memcpy(e->solution, e->weight + from * e->outputs,
           (size_t)(b * e->outputs) * sizeof *e->solution);
    memcpy(e->factor, e->column + from * b, (size_t)(b * b) * sizeof *e->factor);
    if (pare_cholesky(b, e->factor, b) == 0) {
        pare_cholesky_solve(b, e->width, e->factor, b, e->row, e->width);
        pare_cholesky_solve(b, e->outputs, e->factor, b, e->solution, e->outputs);
        pare_pool_run(ctx->pool, (e->width + UPDATE_ROWS - 1) / UPDATE_ROWS, update_chunk, e);
    }
    e->gone[block] = 1;
}

static void elimination_clear(pare_context *ctx, elimination *e) {
    pare_free(ctx, e->inverse);
    pare_free(ctx, e->weight);
    pare_free(ctx, e->column);
    pare_free(ctx, e->row);
    pare_free(ctx, e->solution);
    pare_free(ctx, e->factor);
    pare_free(ctx, e->copy);
    pare_free(ctx, e->gone);
}

static pare_status too_alike(pare_context *ctx) {
    return pare_fail(ctx, PARE_ERROR_NUMERIC,
                     "the calibration activations are not finite or too alike: a larger ridge "
                     "helps");
}

static pare_status elimination_init(pare_context *ctx, const pare_half_problem *p, int64_t block,
                                    elimination *e) {
    int64_t w = p->width;
    *e = (elimination){.width = w, .outputs = p->outputs, .block = block};
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&e->inverse, w * w, sizeof(double)},
        {&e->weight, w * p->outputs, sizeof(double)},
        {&e->column, w * block, sizeof(double)},
        {&e->row, block * w, sizeof(double)},
        {&e->solution, block * p->outputs, sizeof(double)},
        {&e->factor, block * block, sizeof(double)},
        {&e->copy, block * p->outputs, sizeof(double)},
        {&e->gone, w / block, 1},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    double *factor = NULL;
    pare_status status = pare_alloc(ctx, w * w, sizeof *factor, &factor);
    if (status != PARE_OK) {
        return status;
    }
    memcpy(factor, p->gram, (size_t)(w * w) * sizeof *factor);
    if (p->rehearsed) {
        memcpy(e->weight, p->cross, (size_t)(w * p->outputs) * sizeof *e->weight);
    } else if (pare_cholesky(w, factor, w) != 0) {
        status = too_alike(ctx);
    } else {
        for (int64_t i = 0; i < w; i++) {
            e->inverse[i * w + i] = 1;
        }
        pare_cholesky_solve(w, w, factor, w, e->inverse, w);
        memcpy(e->weight, p->cross, (size_t)(w * p->outputs) * sizeof *e->weight);
        pare_cholesky_solve(w, p->outputs, factor, w, e->weight, p->outputs);
    }
    pare_free(ctx, factor);
    return status;
}

/* ---- Single columns -------------------------------------------------------------------------- */

/*
 * The same with block 1, where each removal would pass over the whole inverse: with M the inverse,
 * W the solution and N = W W', taking out column b changes
 *     M by -u c',  N by -(u z' + z u'),   c = M e_b, u = c / c_b, z = N e_b - u N_bb / 2,
 * and the next choice needs only the diagonals, since the rise of j is N_jj / M_jj. The changes of
 * PANEL removals are put into the matrices together, as products of matrices, without the columns
 * that are gone.
 */
typedef struct columns {
    int64_t left, stride;            /* columns there are; of the arrays */
    int64_t *name;                   /* (left) their numbers, rising */
    double *inverse;                 /* (left, stride) lower triangle of M, ... */
    double *product;                 /* ... of N, as they were before the removals of this panel */
    double *m, *n;                   /* (left) their diagonals as they are */
    int64_t steps;                   /* removals of this panel, and (PANEL, stride) of each: */
    double *column, *share, *change; /* c, u, z */
    uint8_t *gone;                   /* (left) */
    const double *solution;          /* (left, outputs), while N is made */
    int64_t outputs;
} columns;

static void columns_clear(pare_context *ctx, columns *e) {
    void *const arrays[] = {e->name,   e->inverse, e->product, e->m,   e->n,
                            e->column, e->share,   e->change,  e->gone};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_free(ctx, arrays[i]);
    }
}

static void product_chunk(void *argument, int64_t chunk) {
    columns *e = argument;
    int64_t from = chunk * UPDATE_ROWS, o = e->outputs;
    int64_t count = e->left - from < UPDATE_ROWS ? e->left - from : UPDATE_ROWS;
    pare_gemm_double(false, true, count, from + count, o, 1, e->solution + from * o, o, e->solution,
                     o, 0, e->product + from * e->stride, e->stride);
}

typedef struct solve_work {
    const double *factor;
    double *solution;
    int64_t width, outputs;
} solve_work;

static void solve_chunk(void *argument, int64_t chunk) {
    const solve_work *w = argument;
    int64_t from = chunk * SOLVE_COLUMNS;
    int64_t count = w->outputs - from < SOLVE_COLUMNS ? w->outputs - from : SOLVE_COLUMNS;
    pare_cholesky_solve(w->width, count, w->factor, w->width, w->solution + from, w->outputs);
}

static pare_status columns_init(pare_context *ctx, const pare_half_problem *p, columns *e) {
    int64_t w = p->width;
    double *solution = NULL;
    *e = (columns){.left = w, .stride = w, .outputs = p->outputs};
    pare_status status = pare_alloc(ctx, w * w, sizeof *e->inverse, &e->inverse);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, w * p->outputs, sizeof *solution, &solution);
    }
    if (status != PARE_OK) {
        return status;
    }
    memcpy(e->inverse, p->gram, (size_t)(w * w) * sizeof *e->inverse);
    memcpy(solution, p->cross, (size_t)(w * p->outputs) * sizeof *solution);
    if (!p->rehearsed && pare_cholesky(w, e->inverse, w) != 0) {
        pare_free(ctx, solution);
        return too_alike(ctx);
    }
    solve_work work = {e->inverse, solution, w, p->outputs};
    if (!p->rehearsed) {
        pare_pool_run(ctx->pool, (p->outputs + SOLVE_COLUMNS - 1) / SOLVE_COLUMNS, solve_chunk,
                      &work);
        pare_cholesky_invert(w, e->inverse, w);
    }
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&e->product, w * w, sizeof(double)},
        {&e->m, w, sizeof(double)},
        {&e->n, w, sizeof(double)},
        {&e->name, w, sizeof(int64_t)},
        {&e->column, PANEL * w, sizeof(double)},
        {&e->share, PANEL * w, sizeof(double)},
        {&e->change, PANEL * w, sizeof(double)},
        {&e->gone, w, 1},
    };
    for (size_t i = 0; status == PARE_OK && i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
    }
    if (status == PARE_OK && !p->rehearsed) {
        e->solution = solution;
        pare_pool_run(ctx->pool, (w + UPDATE_ROWS - 1) / UPDATE_ROWS, product_chunk, e);
    }
    for (int64_t i = 0; status == PARE_OK && i < w; i++) {
        e->name[i] = i;
        e->m[i] = e->inverse[i * w + i];
        e->n[i] = e->product[i * w + i];
    }
    pare_free(ctx, solution);
    return status;
}

/* Column j of a symmetric matrix of which the lower triangle is kept. */
static void read_column(const columns *e, const double *matrix, int64_t j, double *out) {
    memcpy(out, matrix + j * e->stride, (size_t)(j + 1) * sizeof *out);
    for (int64_t i = j + 1; i < e->left; i++) {
        out[i] = matrix[i * e->stride + j];
    }
}

static void subtract(int64_t n, double factor, const double *x, double *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] -= factor * x[i];
    }
}

static void remove_column(columns *e, int64_t j) {
    double *c = e->column + e->steps * e->stride, *u = e->share + e->steps * e->stride;
    double *z = e->change + e->steps * e->stride;
    read_column(e, e->inverse, j, c);
    read_column(e, e->product, j, z);
    for (int64_t q = 0, at = 0; q < e->steps; q++, at += e->stride) {
        subtract(e->left, e->share[at + j], e->column + at, c);
        subtract(e->left, e->share[at + j], e->change + at, z);
        subtract(e->left, e->change[at + j], e->share + at, z);
    }
    double pivot = 1 / c[j], half = z[j] / 2;
    for (int64_t i = 0; i < e->left; i++) {
        u[i] = c[i] * pivot;
        z[i] -= u[i] * half;
        e->m[i] -= u[i] * c[i];
        e->n[i] -= 2 * u[i] * z[i];
    }
    e->gone[j] = 1;
    e->steps++;
}

static void renew_chunk(void *argument, int64_t chunk) {
    columns *e = argument;
    int64_t from = chunk * UPDATE_ROWS, s = e->stride;
    int64_t count = e->left - from < UPDATE_ROWS ? e->left - from : UPDATE_ROWS;
    double *m = e->inverse + from * s, *n = e->product + from * s;
    pare_gemm_double(true, false, count, from + count, e->steps, -1, e->share + from, s, e->column,
                     s, 1, m, s);
    pare_gemm_double(true, false, count, from + count, e->steps, -1, e->share + from, s, e->change,
                     s, 1, n, s);
    pare_gemm_double(true, false, count, from + count, e->steps, -1, e->change + from, s, e->share,
                     s, 1, n, s);
}

/* Ends a panel: columns that are gone leave the arrays, the matrices are brought up to date. */
static void renew(pare_context *ctx, columns *e) {
    int64_t left = 0;
    for (int64_t i = 0; i < e->left; i++) {
        if (e->gone[i]) {
            continue;
        }
        double *m = e->inverse + left * e->stride, *n = e->product + left * e->stride;
        const double *from_m = e->inverse + i * e->stride, *from_n = e->product + i * e->stride;
        for (int64_t j = 0, to = 0; j <= i; j++) {
            if (!e->gone[j]) {
                m[to] = from_m[j];
                n[to++] = from_n[j];
            }
        }
        for (int64_t q = 0, at = 0; q < e->steps; q++, at += e->stride) {
            e->column[at + left] = e->column[at + i];
            e->share[at + left] = e->share[at + i];
            e->change[at + left] = e->change[at + i];
        }
        e->name[left] = e->name[i];
        e->m[left] = e->m[i];
        e->n[left++] = e->n[i];
    }
    e->left = left;
    memset(e->gone, 0, (size_t)left);
    pare_pool_run(ctx->pool, (left + UPDATE_ROWS - 1) / UPDATE_ROWS, renew_chunk, e);
    e->steps = 0;
}

/* A pivot that is not positive is one by rounding only: such a column goes last. */
static double rise_of(const columns *e, int64_t j) {
    return e->m[j] > 0 ? fmax(e->n[j], 0) / e->m[j] : INFINITY;
}

static pare_status eliminate_columns(pare_context *ctx, const pare_half_problem *problem,
                                     int64_t keep, int64_t *order, double *increase) {
    columns e = {0};
    pare_status status = columns_init(ctx, problem, &e);
    for (int64_t i = 0; status == PARE_OK && !problem->rehearsed && i < problem->width - keep;
         i++) {
        int64_t best = -1;
        double least = INFINITY;
        for (int64_t j = 0; j < e.left; j++) {
            double cost = e.gone[j] ? INFINITY : rise_of(&e, j);
            if (!e.gone[j] && (best < 0 || cost < least)) {
                best = j;
                least = cost;
            }
        }
        order[i] = e.name[best];
        increase[i] = least;
        if (isfinite(least)) {
            remove_column(&e, best);
        } else {
            e.gone[best] = 1;
        }
        if (e.steps == PANEL) {
            renew(ctx, &e);
        }
    }
    columns_clear(ctx, &e);
    return status;
}

/* Whether a group of blocks has given up as many as any has, and another is behind. */
static bool must_wait(const elimination *e, int64_t group, int64_t removed, int64_t block) {
    int64_t lost = 0, first = group > 0 ? block / group * group : 0;
    for (int64_t i = 0; i < group; i++) {
        lost += e->gone[first + i];
    }
    return group > 0 && lost > removed / (e->width / e->block / group);
}

pare_status pare_half_eliminate(pare_context *ctx, const pare_half_problem *problem, int64_t block,
                                int64_t group, int64_t keep, int64_t *order, double *increase) {
    elimination e = {0};
    int64_t blocks = problem->width / block;
    for (int64_t i = 0; problem->rehearsed && i < blocks - keep; i++) { /* as they stand */
        order[i] = i;
        increase[i] = 1;
    }
    if (block == 1 && group == 0) {
        return eliminate_columns(ctx, problem, keep, order, increase);
    }
    pare_status status = elimination_init(ctx, problem, block, &e);
    for (int64_t i = 0; status == PARE_OK && !problem->rehearsed && i < blocks - keep; i++) {
        int64_t best = -1;
        double least = INFINITY;
        for (int64_t j = 0; j < blocks; j++) {
            bool free = !e.gone[j] && !must_wait(&e, group, i, j);
            double cost = free ? rise(&e, j) : INFINITY;
            if (free && (best < 0 || cost < least)) {
                best = j;
                least = cost;
            }
        }
        order[i] = best;
        increase[i] = least;
        remove_block(ctx, &e, best);
    }
    elimination_clear(ctx, &e);
    return status;
}
