/* Loss against number of removed candidates: the order by elimination, the loss measured with the
 * half refitted at a few points, in proportion to the output error between them. */
#include "problem/prune_parts.h"

#include <math.h>
#include <string.h>

/* Shares of the candidates removed at which the loss is measured. */
static const double probe_share[] = {0.25, 0.5, 0.75, 1};
enum { PROBES = sizeof probe_share / sizeof probe_share[0] };

typedef struct curve {
    pruning *p;
    prune_part *one;
    pare_lm_run *run;
    pare_half_problem problem;
    double *error; /* (blocks + 1) */
    float *cut;    /* last matrix with columns missing */
    uint8_t *keep;
} curve;

pare_lm_tensor *pare_prune_last_matrix(const pruning *p, const prune_part *one) {
    return &p->lm->layer[one->layer][one->half == PARE_LM_ATTENTION ? PARE_LM_O : PARE_LM_DOWN];
}

pare_status pare_prune_cut_matrix(const pruning *p, const prune_part *one,
                                  const pare_half_problem *problem, int64_t removed, uint8_t *keep,
                                  float *out) {
    const pare_lm_tensor *t = pare_prune_last_matrix(p, one);
    int64_t width = problem->width;
    memset(keep, 1, (size_t)one->blocks);
    for (int64_t i = 0; i < removed; i++) {
        keep[one->order[i]] = 0;
    }
    if (removed < one->blocks && p->options->compensate) {
        return pare_half_solve(p->ctx, problem, one->block, keep, out);
    }
    const float *old = pare_lm_values(t, out);
    for (int64_t i = 0; i < t->rows * width; i++) {
        out[i] = keep[i % width / one->block] ? old[i] : 0;
    }
    return PARE_OK;
}

pare_status pare_prune_order(pruning *p, prune_part *one, pare_half_problem *problem,
                             double *error) {
    double *increase = NULL;
    pare_status status = PARE_OK;
    if (!problem->gram) {
        status = pare_half_measure(&p->calibration, p->lm, one->layer, one->half, p->options->ridge,
                                   problem);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, one->blocks, sizeof *increase, &increase);
    }
    if (status == PARE_OK && one->some) {
        status =
            pare_half_eliminate(p->ctx, problem, one->block, one->group, 0, one->order, increase);
    }
    for (int64_t k = 0; status == PARE_OK && k < one->blocks; k++) {
        double rise = one->some && isfinite(increase[k]) ? increase[k] : 0;
        error[k + 1] = error[k] + rise;
        one->order[k] = one->some ? one->order[k] : k;
    }
    pare_free(p->ctx, increase);
    return status;
}

/* Loss with the first `removed` candidates of the order gone. */
static pare_status probe(curve *c, int64_t removed, double *out) {
    pruning *p = c->p;
    const prune_part *one = c->one;
    pare_lm_tensor *t = pare_prune_last_matrix(p, one);
    pare_status status = pare_prune_cut_matrix(p, one, &c->problem, removed, c->keep, c->cut);
    if (status == PARE_OK) {
        float *old = t->own;
        t->own = c->cut;
        *out = pare_calibration_divergence(&p->calibration, c->run, one->layer, one->half);
        t->own = old;
    }
    return status;
}

static pare_status measure(curve *c) {
    prune_part *one = c->one;
    int64_t from = 0;
    for (int i = 0; i < PROBES; i++) {
        int64_t steps = one->blocks / one->step;
        int64_t to = (int64_t)round(probe_share[i] * (double)steps) * one->step;
        if (to <= from || (to < one->blocks ? !one->some : !one->whole)) {
            continue;
        }
        double loss = 0;
        pare_status status = probe(c, to, &loss);
        if (status != PARE_OK) {
            return status;
        }
        double rise = fmax(loss, one->loss[from]);
        double span = c->error[to] - c->error[from];
        for (int64_t k = from + 1; k <= to; k++) {
            double share = span > 0 ? (c->error[k] - c->error[from]) / span : 1;
            one->loss[k] = one->loss[from] + (rise - one->loss[from]) * share;
        }
        from = to;
    }
    /* Past the last measured point the loss follows the error on. */
    double slope = from > 0 && c->error[from] > 0 ? one->loss[from] / c->error[from] : 0;
    for (int64_t k = from + 1; k <= one->blocks; k++) {
        one->loss[k] = one->loss[from] + slope * (c->error[k] - c->error[from]);
    }
    return PARE_OK;
}

/* Loss without a whole layer: the rest of the pass begins at the next one. */
static double without_layer(curve *c, int64_t layer) {
    pare_lm_layer *shape = &c->p->lm->shape.layer[layer], old = *shape;
    *shape = (pare_lm_layer){0};
    double rise = pare_calibration_divergence(&c->p->calibration, c->run, layer, PARE_LM_ATTENTION);
    *shape = old;
    return rise;
}

/* One way to cut a half where the streams stand. */
static pare_status curve_of_part(curve *c) {
    pruning *p = c->p;
    prune_part *one = c->one;
    pare_status status = pare_alloc_zero(p->ctx, one->blocks + 1, sizeof *c->error, &c->error);
    if (status == PARE_OK) {
        status = pare_prune_order(p, one, &c->problem, c->error);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, one->blocks, 1, &c->keep);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, c->problem.width * c->problem.outputs, sizeof *c->cut, &c->cut);
    }
    if (status == PARE_OK && !p->whole_layers) {
        status = measure(c);
    }
    pare_free(p->ctx, c->error);
    pare_free(p->ctx, c->keep);
    pare_free(p->ctx, c->cut);
    c->error = NULL;
    c->keep = NULL;
    c->cut = NULL;
    return status;
}

/* All ways to cut the half of part `*index`, which then is that of the next half. */
static pare_status curves_of_half(curve *c, int64_t *index) {
    pruning *p = c->p;
    const prune_part *one = &p->part[*index];
    int64_t layer = one->layer;
    if (p->options->layers &&
        (one->half == PARE_LM_ATTENTION || p->lm->shape.layer[layer].heads == 0)) {
        p->layer_loss[layer] = without_layer(c, layer);
    }
    pare_status status = pare_lm_own_layer(p->lm, layer);
    do {
        c->one = &p->part[(*index)++];
        status = status == PARE_OK ? curve_of_part(c) : status;
    } while (*index < p->parts && p->part[*index].second);
    if (status == PARE_OK) {
        status = pare_calibration_advance(&p->calibration, p->lm, layer, c->one->half);
    }
    pare_lm_disown_layer(p->lm, layer);
    pare_half_clear(p->ctx, &c->problem);
    return status;
}

pare_status pare_prune_curves(pruning *p) {
    pare_lm_run *run = NULL;
    pare_calibration *calibration = &p->calibration;
    calibration->same = true; /* nothing is cut yet */
    pare_status status =
        pare_lm_run_create(p->lm, calibration->batch, calibration->length, false, &run);
    if (status == PARE_OK) {
        p->loss = pare_calibration_loss(calibration, run, p->options->probe);
    }
    if (status == PARE_OK) {
        status = pare_calibration_teach(calibration, p->options->probe);
    }
    for (int64_t i = 0; status == PARE_OK && i < p->parts;) {
        curve c = {.p = p, .run = run};
        status = pare_prune_tell(p, "measure", 0.6 * (double)i / (double)p->parts);
        if (status == PARE_OK) {
            status = curves_of_half(&c, &i);
        }
    }
    pare_lm_run_destroy(run);
    return status;
}
