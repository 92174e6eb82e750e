/* What reads the residual stream, solved anew for the stream as cuts have left it: queries, keys,
 * values, gate and up projections, and the gain of the final norm or the output. */
#include "kernels/blas.h"
#include "problem/prune_parts.h"

#include <string.h>

int pare_prune_readers_of(pare_lm_half half, pare_lm_slot out[PRUNE_READERS]) {
    static const pare_lm_slot readers[2][PRUNE_READERS] = {{PARE_LM_Q, PARE_LM_K, PARE_LM_V},
                                                           {PARE_LM_GATE, PARE_LM_UP}};
    memcpy(out, readers[half == PARE_LM_FFN], sizeof readers[0]);
    return half == PARE_LM_FFN ? 2 : 3;
}

/* W becomes W T: T (hidden, hidden) maps what is left of the normalised stream to all of the dense
 * model's. */
static void multiply(const pruning *p, pare_lm_tensor *t, const float *map, float *copy) {
    enum { ROWS = 64 };
    int64_t hidden = p->dense->shape.hidden;
    for (int64_t row = 0; t->own && row < t->rows; row += ROWS) {
        int64_t rows = t->rows - row < ROWS ? t->rows - row : ROWS;
        memcpy(copy, t->own + row * hidden, (size_t)(rows * hidden) * sizeof *copy);
        pare_gemm(false, false, rows, hidden, hidden, 1, copy, hidden, map, hidden, 0,
                  t->own + row * hidden, hidden);
    }
}

/* E' E of the output matrix, some rows at a time. */
static pare_status square_output(const pruning *p, float *square) {
    enum { ROWS = 256 };
    const pare_lm *lm = p->dense;
    const pare_lm_tensor *e = lm->shape.tied ? &lm->embedding : &lm->head;
    int64_t hidden = lm->shape.hidden;
    float *copy = NULL;
    pare_status status = pare_alloc(p->ctx, ROWS * hidden, sizeof *copy, &copy);
    for (int64_t row = 0; status == PARE_OK && row < e->rows; row += ROWS) {
        int64_t rows = e->rows - row < ROWS ? e->rows - row : ROWS;
        const float *values = e->own ? e->own + row * hidden : copy;
        if (!e->own) {
            pare_dtype dtype = e->stored->dtype;
            pare_dtype_to_float(dtype, rows * hidden,
                                e->stored->bytes + pare_dtype_bytes(dtype, row * hidden), copy);
        }
        pare_gemm(true, false, hidden, hidden, rows, 1, values, hidden, values, hidden, 1, square,
                  hidden);
    }
    pare_free(p->ctx, copy);
    return status;
}

/* p->gain: factors m of the final norm's gain by least squares of the logits, E (m u) against E v:
 * with A = (E' E) . (u' u), b_j = sum_k (E' E)_jk (u' v)_jk. */
static pare_status fit_gain(pruning *p, const pare_half_problem *problem, const uint8_t *keep) {
    int64_t hidden = problem->width, kept = 0, *column = NULL;
    float *square = NULL;
    double *a = NULL, *b = NULL, mean = 0;
    pare_status status = pare_alloc_zero(p->ctx, hidden * hidden, sizeof *square, &square);
    if (status == PARE_OK) {
        status = square_output(p, square);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, hidden * hidden, sizeof *a, &a);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, hidden, sizeof *b, &b);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, hidden, sizeof *column, &column);
    }
    for (int64_t j = 0; status == PARE_OK && j < hidden; j++) {
        column[kept] = j;
        kept += keep[j];
    }
    for (int64_t i = 0; status == PARE_OK && i < kept; i++) {
        int64_t from = column[i] * hidden;
        for (int64_t j = 0; j < kept; j++) {
            a[i * kept + j] = (double)square[from + column[j]] * problem->gram[from + column[j]];
        }
        for (int64_t k = 0; k < hidden; k++) {
            b[i] += (double)square[from + k] * problem->cross[from + k];
        }
        mean += a[i * kept + i] / (double)kept;
    }
    for (int64_t i = 0; status == PARE_OK && i < kept; i++) {
        a[i * kept + i] += p->options->ridge * mean;
        b[i] += p->options->ridge * mean;
    }
    if (status == PARE_OK) {
        pare_free(p->ctx, p->gain);
        status = pare_alloc(p->ctx, kept, sizeof *p->gain, &p->gain);
    }
    bool solved = status == PARE_OK && pare_cholesky(kept, a, kept) == 0;
    if (solved) {
        pare_cholesky_solve(kept, 1, a, kept, b, 1);
    }
    for (int64_t i = 0; status == PARE_OK && i < kept; i++) {
        p->gain[i] = solved ? (float)b[i] : 1;
    }
    pare_free(p->ctx, square);
    pare_free(p->ctx, a);
    pare_free(p->ctx, b);
    pare_free(p->ctx, column);
    return status;
}

pare_status pare_prune_readers(pruning *p, int64_t index) {
    enum { ROWS = 64 };
    int64_t hidden = p->dense->shape.hidden;
    bool last = index == 2 * p->dense->shape.layers;
    pare_lm_slot reader[PRUNE_READERS];
    int count = pare_prune_readers_of(index % 2 > 0 ? PARE_LM_FFN : PARE_LM_ATTENTION, reader);
    pare_half_problem problem = {0};
    float *map = NULL, *copy = NULL;
    uint8_t *keep = NULL;
    bool same = index == 0 && p->hidden_removed == 0; /* nothing is cut yet */
    if (same || !p->options->compensate || p->dense->shape.layer_norm || p->dense->shape.parallel) {
        return PARE_OK;
    }
    if (last) {
        pare_free(p->ctx, p->gain); /* of an earlier plan */
        p->gain = NULL;
    }
    pare_status status = pare_norm_measure(&p->calibration, index, p->options->ridge, &problem);
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, hidden * hidden, sizeof *map, &map);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, ROWS * hidden, sizeof *copy, &copy);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, hidden, 1, &keep);
    }
    for (int64_t j = 0; status == PARE_OK && j < hidden; j++) {
        keep[j] = !p->hidden_gone || !p->hidden_gone[j];
    }
    if (status == PARE_OK && last && (p->lm->shape.tied || p->hidden_removed == 0)) {
        status = fit_gain(p, &problem, keep);
    } else if (status == PARE_OK) {
        status = pare_half_solve(p->ctx, &problem, 1, keep, map);
        if (status == PARE_OK && last) {
            multiply(p, &p->lm->head, map, copy);
        }
        for (int i = 0; status == PARE_OK && !last && i < count; i++) {
            multiply(p, &p->lm->layer[index / 2][reader[i]], map, copy);
        }
    }
    pare_half_clear(p->ctx, &problem);
    pare_free(p->ctx, map);
    pare_free(p->ctx, copy);
    pare_free(p->ctx, keep);
    return status;
}

pare_status pare_prune_best_gain(pruning *p, double *loss) {
    static const double tried[] = {0, 0.5, 1};
    enum { TRIED = sizeof tried / sizeof tried[0] };
    const pare_calibration *c = &p->calibration;
    int64_t hidden = p->lm->shape.hidden, count = p->gain ? TRIED : 1, best = 0;
    float *old = NULL;
    pare_lm_run *run = NULL;
    pare_status status = pare_alloc(p->ctx, hidden, sizeof *old, &old);
    if (status == PARE_OK && p->gain) {
        status = pare_lm_own_norm(p->lm);
    }
    if (status == PARE_OK) {
        status = pare_lm_run_create(p->lm, c->batch, c->length, false, &run);
    }
    float *norm = p->lm->norm.own;
    if (status == PARE_OK && p->gain) {
        memcpy(old, norm, (size_t)hidden * sizeof *old);
    }
    for (int64_t i = 0; status == PARE_OK && i <= count; i++) {
        double share = tried[i < count ? i : best];
        for (int64_t j = 0; p->gain && j < hidden; j++) {
            norm[j] = old[j] * (float)(1 + share * ((double)p->gain[j] - 1));
        }
        double now = i < count ? pare_calibration_loss(c, run, p->options->probe) : *loss;
        best = i == 0 || now < *loss ? (i < count ? i : best) : best;
        *loss = i == 0 || now < *loss ? now : *loss;
    }
    pare_lm_run_destroy(run);
    pare_free(p->ctx, old);
    return status;
}
