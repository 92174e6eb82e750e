/* What simpler ways of choosing would have chosen, in the same whitened space. */
#include "problem/genome/analyse.h"

#include <math.h>
#include <stdlib.h>

/* Variants that the lasso chooses among, those largest alone; steps of its path, each this share of
 * the one before; sweeps of coordinate descent at most. */
enum { CONSIDERED = PARE_BASELINE_MOST, STEPS = 80, SWEEPS = 200, VECTORS_A_PASS = 12 };
#define STEP      0.93
#define CONVERGED 1e-6
/* A column with less of its square left is determined by those before it. */
#define DETERMINED 1e-4

typedef struct candidate {
    double gain; /* of the variant alone, or size of its coefficient */
    int64_t kept;
} candidate;

static int largest_first(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    return x->gain != y->gain ? (x->gain < y->gain ? 1 : -1)
                              : (x->kept > y->kept) - (x->kept < y->kept);
}

/* The `most` variants largest alone, or fewer; list (kept) is scratch too. */
static int64_t largest_alone(const struct pare_genome *genome, const pare_choice_made *made,
                             int64_t most, candidate *list) {
    int64_t count = 0;
    for (int64_t j = 0; j < genome->genotypes.kept; j++) {
        if (!genome->forbidden[j] && made->chooser.gain0[j] > 0 && made->square[j] > 0) {
            list[count++] = (candidate){made->dot[j] * made->dot[j] / made->square[j], j};
        }
    }
    qsort(list, (size_t)count, sizeof *list, largest_first);
    return count < most ? count : most;
}

/* z_i'z_j of the listed variants outside the fixed effects: gram (count, count). */
static pare_status products_of(const pare_choice_made *made, int64_t count, const candidate *list,
                               double *gram) {
    pare_context *ctx = made->w.ctx;
    const pare_whiten *w = &made->w;
    const int64_t n = w->n, kept = w->g->kept;
    int64_t *number = NULL;
    float *l = NULL, *whole = NULL, *z = NULL, *square = NULL;
    double *along = NULL;
    pare_status status = pare_alloc(ctx, count, sizeof *number, &number);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, w->g->samples, sizeof *whole, &whole);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count * n, sizeof *z, &z);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, count * count, sizeof *square, &square);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, VECTORS_A_PASS * kept, sizeof *along, &along);
    }
    if (status == PARE_OK) {
        status = pare_whiten_factor_float(w, &l);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t i = 0; i < count; i++) {
        number[i] = list[i].kept;
    }
    pare_whiten_gram(w, l, count, number, whole, z, square, gram);
    for (int64_t k = 0; k < made->count && status == PARE_OK; k += VECTORS_A_PASS) {
        int64_t some = made->count - k < VECTORS_A_PASS ? made->count - k : VECTORS_A_PASS;
        status = pare_chooser_products(&made->chooser, k, some, along);
        for (int64_t v = 0; v < some && status == PARE_OK; v++) {
            pare_gram_take_out(count, number, along + v * kept, gram);
        }
    }
fail:
    pare_free(ctx, number);
    pare_free(ctx, l);
    pare_free(ctx, whole);
    pare_free(ctx, z);
    pare_free(ctx, square);
    pare_free(ctx, along);
    return status;
}

/*
 * Coordinate descent at one penalty for columns of unit length: beta (count), left (count) what
 * each column's product with the residual is. Returns how many are not 0.
 */
static int64_t descend(int64_t count, const double *gram, double penalty, double *beta,
                       double *left) {
    int64_t used = 0;
    double largest = 1;
    for (int sweep = 0; sweep < SWEEPS && largest > CONVERGED * penalty; sweep++) {
        largest = 0;
        for (int64_t j = 0; j < count; j++) {
            const double at = left[j] + beta[j], size = fabs(at) - penalty;
            const double change = (size > 0 ? copysign(size, at) : 0) - beta[j];
            if (change != 0) {
                beta[j] += change;
                for (int64_t i = 0; i < count; i++) {
                    left[i] -= change * gram[j * count + i];
                }
                largest = fmax(largest, fabs(change));
            }
        }
    }
    for (int64_t j = 0; j < count; j++) {
        used += beta[j] != 0;
    }
    return used;
}

/* Lowers the penalty until `want` coefficients are not 0. */
static void descend_path(int64_t count, const double *gram, int64_t want, double *beta,
                         double *left) {
    double penalty = 0;
    for (int64_t j = 0; j < count; j++) {
        penalty = fmax(penalty, fabs(left[j]));
    }
    for (int step = 0; step < STEPS; step++) {
        penalty *= STEP;
        if (descend(count, gram, penalty, beta, left) >= want) {
            return;
        }
    }
}

/*
 * Takes candidates in their order until `want` are there, without those that the ones before them
 * determine: row k of the factor (want, want) of what is taken, by Cholesky.
 */
static int64_t take_first(int64_t count, const double *gram, const candidate *order, int64_t want,
                          double *factor, int64_t *at) {
    int64_t taken = 0;
    for (int64_t c = 0; c < count && taken < want && order[c].gain > 0; c++) {
        const int64_t j = order[c].kept;
        double *row = factor + taken * want, rest = gram[j * count + j];
        for (int64_t k = 0; k < taken; k++) {
            row[k] = gram[j * count + at[k]];
            for (int64_t s = 0; s < k; s++) {
                row[k] -= row[s] * factor[k * want + s];
            }
            row[k] /= factor[k * want + k];
            rest -= row[k] * row[k];
        }
        if (rest > DETERMINED) {
            row[taken] = sqrt(rest);
            at[taken++] = j;
        }
    }
    return taken;
}

typedef struct arrays {
    candidate *list, *order;
    double *gram, *beta, *left, *factor;
} arrays;

static pare_status reserve(pare_context *ctx, int64_t kept, int64_t want, arrays *a) {
    const struct {
        int64_t count;
        size_t size;
        void *at;
    } all[] = {{kept, sizeof *a->list, &a->list},
               {CONSIDERED, sizeof *a->order, &a->order},
               {CONSIDERED * CONSIDERED, sizeof *a->gram, &a->gram},
               {CONSIDERED, sizeof *a->beta, &a->beta},
               {CONSIDERED, sizeof *a->left, &a->left},
               {want * want, sizeof *a->factor, &a->factor}};
    pare_status status = PARE_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && status == PARE_OK; i++) {
        status = pare_alloc_zero(ctx, all[i].count, all[i].size, all[i].at);
    }
    return status;
}

/* Columns of unit length, and their products with what the fixed effects leave of y. */
static void scale_columns(const pare_choice_made *made, int64_t count, arrays *a) {
    for (int64_t i = 0; i < count; i++) {
        a->beta[i] = 1 / sqrt(fmax(a->gram[i * count + i], 1e-300));
    }
    for (int64_t i = 0; i < count * count; i++) {
        a->gram[i] *= a->beta[i / count] * a->beta[i % count];
    }
    for (int64_t i = 0; i < count; i++) {
        a->left[i] = made->dot[a->list[i].kept] * a->beta[i];
        a->beta[i] = 0;
    }
}

pare_status pare_baselines(const struct pare_genome *genome, const pare_choice_made *made,
                           int64_t want, int64_t *pick, int64_t picks[2]) {
    arrays a = {0};
    picks[0] = picks[1] = 0;
    pare_status status = reserve(genome->ctx, genome->genotypes.kept, want, &a);
    int64_t count = 0;
    if (status == PARE_OK) {
        count = largest_alone(genome, made, CONSIDERED, a.list);
        status = products_of(made, count, a.list, a.gram);
    }
    if (status == PARE_OK) {
        scale_columns(made, count, &a);
        for (int way = 0; way < 2; way++) {
            int64_t *to = pick + way * want;
            if (way == 1) {
                descend_path(count, a.gram, want, a.beta, a.left);
            }
            for (int64_t j = 0; j < count; j++) {
                a.order[j] = (candidate){way == 0 ? a.list[j].gain : fabs(a.beta[j]), j};
            }
            qsort(a.order, (size_t)count, sizeof *a.order, largest_first);
            picks[way] = take_first(count, a.gram, a.order, want, a.factor, to);
            for (int64_t k = 0; k < picks[way]; k++) {
                to[k] = a.list[to[k]].kept;
            }
        }
    }
    pare_free(genome->ctx, a.list);
    pare_free(genome->ctx, a.order);
    pare_free(genome->ctx, a.gram);
    pare_free(genome->ctx, a.beta);
    pare_free(genome->ctx, a.left);
    pare_free(genome->ctx, a.factor);
    return status;
}
