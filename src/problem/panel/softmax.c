#include "kernels/blas.h"
#include "problem/panel/panel.h"

#include <math.h>
#include <string.h>

enum { STEPS = 200 };

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
    for (int64_t i = 0; i < e->cells; i++) {
        for (int64_t k = e->start[i]; k < e->start[i + 1]; k++) {
            if (place[e->index[k]] >= 0) {
                out[i * stride + place[e->index[k]]] = (double)e->value[k];
            }
        }
    }
    pare_free(e->ctx, place);
    return PARE_OK;
}

typedef struct softmax {
    int64_t n, d, types;
    double *x;               /* (n, d) training rows, a 1 last */
    double *bound;           /* (d, d) factor of X'X / 2 + I */
    double *w, *at, *before; /* (d, types) */
    double *z;               /* (n, types) */
    double *step;            /* (d, types) */
    const int32_t *label;    /* (n) */
} softmax;

/* z = probabilities - one-hot; the gradient of the loss with penalty |w|^2 / 2 goes to step. */
static void gradient(softmax *s) {
    pare_gemm_double(false, false, s->n, s->types, s->d, 1, s->x, s->d, s->at, s->types, 0, s->z,
                     s->types);
    for (int64_t i = 0; i < s->n; i++) {
        double *z = s->z + i * s->types, most = -INFINITY, sum = 0;
        for (int64_t t = 0; t < s->types; t++) {
            most = fmax(most, z[t]);
        }
        for (int64_t t = 0; t < s->types; t++) {
            z[t] = exp(z[t] - most);
            sum += z[t];
        }
        for (int64_t t = 0; t < s->types; t++) {
            z[t] = z[t] / sum - (s->label[i] == t);
        }
    }
    memcpy(s->step, s->at, (size_t)(s->d * s->types) * sizeof *s->step);
    pare_gemm_double(true, false, s->d, s->types, s->n, 1, s->x, s->d, s->z, s->types, 1, s->step,
                     s->types);
}

/* Steps with a fixed bound of the curvature (Bohning 1992), accelerated (Nesterov 1983) and
 * restarted where a step turns back (O'Donoghue and Candes 2015). */
static void train(softmax *s) {
    const int64_t size = s->d * s->types;
    double momentum = 1;
    for (int turn = 0; turn < STEPS; turn++) {
        gradient(s);
        pare_cholesky_solve(s->d, s->types, s->bound, s->d, s->step, s->types);
        double forward = 0;
        for (int64_t i = 0; i < size; i++) {
            double next = s->at[i] - s->step[i];
            forward += s->step[i] * (next - s->w[i]);
            s->before[i] = s->w[i];
            s->w[i] = next;
        }
        momentum = forward > 0 ? 1 : momentum;
        double next = (1 + sqrt(1 + 4 * momentum * momentum)) / 2;
        for (int64_t i = 0; i < size; i++) {
            s->at[i] = s->w[i] + (momentum - 1) / next * (s->w[i] - s->before[i]);
        }
        momentum = next;
    }
}

static pare_status reserve(pare_context *ctx, softmax *s) {
    pare_status status = pare_alloc(ctx, s->n * s->d, sizeof(double), &s->x);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, s->d * s->d, sizeof(double), &s->bound);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, 4 * s->d * s->types, sizeof(double), &s->w);
    }
    if (status == PARE_OK) {
        s->at = s->w + s->d * s->types;
        s->before = s->at + s->d * s->types;
        s->step = s->before + s->d * s->types;
        status = pare_alloc(ctx, s->n * s->types, sizeof(double), &s->z);
    }
    return status;
}

pare_status pare_panel_predict(const struct pare_panel *panel, const bool *some, int64_t count,
                               const int64_t *gene, int32_t *predicted) {
    const pare_expression *e = &panel->data;
    softmax s = {.d = count + 1, .types = e->types};
    double *all = NULL;
    int32_t *label = NULL;
    pare_status status = pare_alloc(e->ctx, e->cells * s.d, sizeof *all, &all);
    if (status == PARE_OK) {
        status = pare_alloc(e->ctx, e->cells, sizeof *label, &label);
    }
    if (status == PARE_OK) {
        status = pare_panel_columns(panel, count, gene, s.d, all);
    }
    for (int64_t i = 0; i < e->cells && status == PARE_OK; i++) {
        all[i * s.d + count] = 1;
        label[s.n] = e->label[i];
        s.n += some[i];
    }
    status = status == PARE_OK ? reserve(e->ctx, &s) : status;
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t i = 0, row = 0; i < e->cells; i++) {
        if (some[i]) {
            memcpy(s.x + row++ * s.d, all + i * s.d, (size_t)s.d * sizeof *all);
        }
    }
    s.label = label;
    for (int64_t c = 0; c < s.d; c++) {
        s.bound[c * s.d + c] = 1;
    }
    pare_gemm_double(true, false, s.d, s.d, s.n, 0.5, s.x, s.d, s.x, s.d, 1, s.bound, s.d);
    if (pare_cholesky(s.d, s.bound, s.d) != 0) {
        status = pare_fail(e->ctx, PARE_ERROR_NUMERIC, "the panel's values are too large");
        goto fail;
    }
    train(&s);
    for (int64_t i = 0; i < e->cells; i++) {
        double most = -INFINITY;
        for (int64_t t = 0; t < s.types && !some[i]; t++) {
            double z = 0;
            for (int64_t c = 0; c < s.d; c++) {
                z += all[i * s.d + c] * s.w[c * s.types + t];
            }
            if (z > most) {
                most = z;
                predicted[i] = (int32_t)t;
            }
        }
    }
fail:
    pare_free(e->ctx, all);
    pare_free(e->ctx, label);
    pare_free(e->ctx, s.x);
    pare_free(e->ctx, s.bound);
    pare_free(e->ctx, s.w);
    pare_free(e->ctx, s.z);
    return status;
}
