/* Softmax regression on a few genes: to predict with, and as the model whose errors say which gene
 * helps next. */
#include "kernels/blas.h"
#include "platform/threads.h"
#include "problem/panel/panel.h"

#include <math.h>
#include <string.h>

enum { STEPS = 200, STEPS_WARM = 20, GROUPS = 8, SUMS = 3 };

typedef struct fit {
    int64_t n, d, stride, types;
    const double *x;         /* (n, stride), d columns of them in use */
    const int32_t *label;    /* (n) */
    const double *weight;    /* (n), or NULL for 1 */
    double penalty;          /* on |w|^2 / 2 */
    double *bound;           /* (stride, stride) factor of X'WX / 2 + penalty, by stride d */
    double *scaled;          /* (n, stride), only with weights */
    double *w, *at, *before; /* (stride, types) */
    double *z;               /* (n, types) */
    double *step;            /* (stride, types) */
    double loss;             /* of `at`, without the penalty */
} fit;

static void fit_clear(pare_context *ctx, fit *f) {
    pare_free(ctx, f->bound);
    pare_free(ctx, f->scaled);
    pare_free(ctx, f->w);
    pare_free(ctx, f->z);
}

static pare_status fit_reserve(pare_context *ctx, fit *f) {
    pare_status status = pare_alloc_zero(ctx, f->stride * f->stride, sizeof(double), &f->bound);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 4 * f->stride * f->types, sizeof(double), &f->w);
    }
    if (status == PARE_OK) {
        f->at = f->w + f->stride * f->types;
        f->before = f->at + f->stride * f->types;
        f->step = f->before + f->stride * f->types;
        status = pare_alloc(ctx, f->n * f->types, sizeof(double), &f->z);
    }
    if (status == PARE_OK && f->weight) {
        status = pare_alloc(ctx, f->n * f->stride, sizeof(double), &f->scaled);
    }
    return status;
}

/* z = (probabilities - one-hot) weights; the gradient with the penalty goes to step. */
static void gradient(fit *f) {
    pare_gemm_double(false, false, f->n, f->types, f->d, 1, f->x, f->stride, f->at, f->types, 0,
                     f->z, f->types);
    f->loss = 0;
    for (int64_t i = 0; i < f->n; i++) {
        double *z = f->z + i * f->types, most = -INFINITY, sum = 0;
        const double weight = f->weight ? f->weight[i] : 1;
        for (int64_t t = 0; t < f->types; t++) {
            most = fmax(most, z[t]);
        }
        for (int64_t t = 0; t < f->types; t++) {
            z[t] = exp(z[t] - most);
            sum += z[t];
        }
        f->loss -= weight * log(fmax(z[f->label[i]] / sum, 1e-300));
        for (int64_t t = 0; t < f->types; t++) {
            z[t] = weight * (z[t] / sum - (f->label[i] == t));
        }
    }
    for (int64_t i = 0; i < f->d * f->types; i++) {
        f->step[i] = f->penalty * f->at[i];
    }
    pare_gemm_double(true, false, f->d, f->types, f->n, 1, f->x, f->stride, f->z, f->types, 1,
                     f->step, f->types);
}

/* Steps from w with a fixed bound of the curvature (Bohning 1992), accelerated (Nesterov 1983) and
 * restarted where a step turns back (O'Donoghue and Candes 2015). False: the bound has no factor.
 */
static bool train(fit *f, int steps) {
    const int64_t size = f->d * f->types, d = f->d;
    const double *left = f->x;
    double momentum = 1;
    for (int64_t i = 0; i < f->n && f->weight; i++) {
        for (int64_t c = 0; c < d; c++) {
            f->scaled[i * f->stride + c] = f->weight[i] * f->x[i * f->stride + c];
        }
        left = f->scaled;
    }
    memset(f->bound, 0, (size_t)(d * d) * sizeof *f->bound);
    for (int64_t c = 0; c < d; c++) {
        f->bound[c * d + c] = f->penalty;
    }
    pare_gemm_double(true, false, d, d, f->n, 0.5, left, f->stride, f->x, f->stride, 1, f->bound,
                     d);
    if (pare_cholesky(d, f->bound, d) != 0) {
        return false;
    }
    memcpy(f->at, f->w, (size_t)size * sizeof *f->at);
    for (int turn = 0; turn < steps; turn++) {
        gradient(f);
        pare_cholesky_solve(d, f->types, f->bound, d, f->step, f->types);
        double forward = 0;
        for (int64_t i = 0; i < size; i++) {
            double next = f->at[i] - f->step[i];
            forward += f->step[i] * (next - f->w[i]);
            f->before[i] = f->w[i];
            f->w[i] = next;
        }
        momentum = forward > 0 ? 1 : momentum;
        double next = (1 + sqrt(1 + 4 * momentum * momentum)) / 2;
        for (int64_t i = 0; i < size; i++) {
            f->at[i] = f->w[i] + (momentum - 1) / next * (f->w[i] - f->before[i]);
        }
        momentum = next;
    }
    return true;
}

static pare_status too_large(pare_context *ctx) {
    return pare_fail(ctx, PARE_ERROR_NUMERIC, "the panel's values are too large");
}

/* ---- Prediction ----------------------------------------------------------------------------- */

pare_status pare_panel_columns(const struct pare_panel *panel, int64_t count, const int64_t *gene,
                               int64_t stride, double *out) {
    const pare_expression *e = &panel->data;
    int64_t *place = NULL;
    pare_status status = pare_alloc(e->ctx, e->genes, sizeof *place, &place);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < e->genes; j++) {
        place[j] = -1;
    }
    for (int64_t c = 0; c < count; c++) {
        place[gene[c]] = c;
    }
    memset(out, 0, (size_t)(e->cells * stride) * sizeof *out);
    for (int64_t i = 0, done = 0; i < e->cells; i++) {
        pare_expression_passed(e, &done, e->start[i]);
        for (int64_t k = e->start[i]; k < e->start[i + 1]; k++) {
            if (place[e->index[k]] >= 0) {
                out[i * stride + place[e->index[k]]] = (double)e->value[k];
            }
        }
    }
    pare_free(e->ctx, place);
    return PARE_OK;
}

/* Most likely types of the cells that are wanted. */
static void predict_cells(const fit *f, int64_t cells, const bool *wanted, const double *x,
                          int32_t *predicted) {
    for (int64_t i = 0; i < cells; i++) {
        double most = -INFINITY;
        for (int64_t t = 0; t < f->types && wanted[i]; t++) {
            double z = 0;
            for (int64_t c = 0; c < f->d; c++) {
                z += x[i * f->stride + c] * f->w[c * f->types + t];
            }
            if (z > most) {
                most = z;
                predicted[i] = (int32_t)t;
            }
        }
    }
}

pare_status pare_panel_predict(const struct pare_panel *panel, const bool *some, const bool *wanted,
                               int64_t count, const int64_t *gene, int32_t *predicted) {
    const pare_expression *e = &panel->data;
    fit f = {.d = count + 1, .stride = count + 1, .types = e->types, .penalty = 1};
    double *all = NULL, *x = NULL;
    int32_t *label = NULL;
    pare_status status = pare_alloc(e->ctx, e->cells * f.d, sizeof *all, &all);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->cells, sizeof *label, &label);
    }
    if (status == PARE_OK) {
        status = pare_panel_columns(panel, count, gene, f.d, all);
    }
    for (int64_t i = 0; i < e->cells && status == PARE_OK; i++) {
        all[i * f.d + count] = 1;
        label[f.n] = e->label[i];
        f.n += some[i];
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, f.n * f.d, sizeof *x, &x);
    }
    if (status == PARE_OK) {
        status = fit_reserve(e->ctx, &f);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t i = 0, row = 0; i < e->cells; i++) {
        if (some[i]) {
            memcpy(x + row++ * f.d, all + i * f.d, (size_t)f.d * sizeof *all);
        }
    }
    f.x = x;
    f.label = label;
    if (!train(&f, STEPS)) {
        status = too_large(e->ctx);
        goto fail;
    }
    predict_cells(&f, e->cells, wanted, all, predicted);
fail:
    pare_free(e->ctx, all);
    pare_free(e->ctx, x);
    pare_free(e->ctx, label);
    fit_clear(e->ctx, &f);
    return status;
}

/* ---- Which gene helps next ------------------------------------------------------------------ */

struct pare_panel_softmax {
    pare_context *ctx;
    const pare_sparse_rows *rows;
    fit f;
    double *x;      /* (n, groups + capacity) first 1 in the column of the group */
    int32_t *label; /* (n) */
    double *r, *h;  /* (n, types) weighted errors and curvatures */
    double *part;   /* (GROUPS, genes, types, SUMS) */
    double first;   /* loss without genes */
};

void pare_panel_softmax_destroy(pare_panel_softmax *s) {
    if (s) {
        pare_context *ctx = s->ctx;
        fit_clear(ctx, &s->f);
        pare_free(ctx, s->x);
        pare_free(ctx, s->label);
        pare_free(ctx, s->r);
        pare_free(ctx, s->h);
        pare_free(ctx, s->part);
        pare_free(ctx, s);
    }
}

/* Errors y - p and curvatures p (1 - p) at w. */
static void note_errors(pare_panel_softmax *s) {
    fit *f = &s->f;
    memcpy(f->at, f->w, (size_t)(f->d * f->types) * sizeof *f->at);
    gradient(f);
    for (int64_t i = 0; i < f->n; i++) {
        for (int64_t t = 0; t < f->types; t++) {
            double off = f->z[i * f->types + t], weight = f->weight[i];
            double p = off / weight + (f->label[i] == t);
            s->r[i * f->types + t] = -off;
            s->h[i * f->types + t] = weight * p * (1 - p);
        }
    }
}

pare_status pare_panel_softmax_create(const struct pare_panel *panel, const pare_sparse_rows *rows,
                                      const double *weight, double penalty, const int32_t *group,
                                      int64_t groups, int64_t capacity, pare_panel_softmax **out) {
    const pare_expression *e = &panel->data;
    const int64_t n = rows->rows, types = e->types;
    pare_panel_softmax *s = NULL;
    *out = NULL;
    pare_status status = pare_alloc_zero(e->ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    s->ctx = e->ctx;
    s->rows = rows;
    s->f = (fit){.n = n,
                 .d = groups,
                 .stride = groups + capacity,
                 .types = types,
                 .weight = weight,
                 .penalty = penalty};
    status = pare_alloc_zero(e->ctx, n * s->f.stride, sizeof *s->x, &s->x);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, n, sizeof *s->label, &s->label);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, n * types, sizeof *s->r, &s->r);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, n * types, sizeof *s->h, &s->h);
    }
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, GROUPS * e->genes * types * SUMS, sizeof *s->part, &s->part);
    }
    if (status == PARE_OK) {
        status = fit_reserve(e->ctx, &s->f);
    }
    if (status != PARE_OK) {
        pare_panel_softmax_destroy(s);
        return status;
    }
    for (int64_t i = 0; i < n; i++) {
        s->x[i * s->f.stride + (group ? group[i] : 0)] = 1;
        s->label[i] = e->label[rows->row[i]];
    }
    s->f.x = s->x;
    s->f.label = s->label;
    (void)train(&s->f, STEPS_WARM); /* constants of groups have a factor */
    note_errors(s);
    s->first = s->f.loss;
    *out = s;
    return PARE_OK;
}

pare_status pare_panel_softmax_take(pare_panel_softmax *s, int64_t gene, double *left) {
    fit *f = &s->f;
    const pare_sparse_rows *x = s->rows;
    for (int64_t i = 0, done = 0; i < f->n; i++) {
        double value = 0;
        pare_rows_passed(x, &done, i);
        for (int64_t k = x->start[x->row[i]]; k < x->start[x->row[i] + 1]; k++) {
            value = x->index[k] == gene ? (double)x->value[k] : value;
        }
        s->x[i * f->stride + f->d] = value;
    }
    memset(f->w + f->d * f->types, 0, (size_t)f->types * sizeof *f->w);
    f->d++;
    if (!train(f, STEPS_WARM)) {
        return too_large(s->ctx);
    }
    note_errors(s);
    *left = s->first > 0 ? f->loss / s->first : 0;
    return PARE_OK;
}

static void sum_group(void *argument, int64_t group) {
    pare_panel_softmax *s = argument;
    const pare_sparse_rows *x = s->rows;
    const int64_t types = s->f.types;
    double *out = s->part + group * x->columns * types * SUMS;
    memset(out, 0, (size_t)(x->columns * types * SUMS) * sizeof *out);
    const int64_t first = group * x->rows / GROUPS, last = (group + 1) * x->rows / GROUPS;
    for (int64_t i = first, done = first < last ? x->start[x->row[first]] : 0; i < last; i++) {
        pare_rows_passed(x, &done, i);
        const double *r = s->r + i * types, *h = s->h + i * types;
        for (int64_t k = x->start[x->row[i]]; k < x->start[x->row[i] + 1]; k++) {
            double value = (double)x->value[k], *to = out + x->index[k] * types * SUMS;
            for (int64_t t = 0; t < types; t++) {
                to[SUMS * t] += value * r[t];
                to[SUMS * t + 1] += value * h[t];
                to[SUMS * t + 2] += value * value * h[t];
            }
        }
    }
}

void pare_panel_softmax_gains(pare_panel_softmax *s, double shrink, double *gain) {
    const int64_t types = s->f.types, all = s->rows->columns * types * SUMS;
    pare_pool_run(s->ctx->pool, GROUPS, sum_group, s);
    for (int64_t group = 1; group < GROUPS; group++) {
        for (int64_t i = 0; i < all; i++) {
            s->part[i] += s->part[group * all + i];
        }
    }
    memset(gain, 0, (size_t)s->rows->columns * sizeof *gain);
    for (int64_t t = 0; t < types; t++) {
        double total = 0;
        for (int64_t i = 0; i < s->f.n; i++) {
            total += s->h[i * types + t];
        }
        for (int64_t j = 0; j < s->rows->columns && total > 0; j++) {
            const double *sum = s->part + (j * types + t) * SUMS;
            double curve = fmax(sum[2] - sum[1] * sum[1] / total, 0);
            gain[j] += sum[0] * sum[0] / (curve + shrink);
        }
    }
}
