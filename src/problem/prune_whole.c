/* Whole halves and layers by what they do to the stream or to the loss: the baselines. */
#include "problem/prune_parts.h"

#include <math.h>

/* ---- Block influence ------------------------------------------------------------------------- */

/* Mean over the tokens of 1 - cosine between the stream before and after (Men et al. 2024,
 * equation 1). */
static double influence(const pare_calibration *c) {
    int64_t hidden = c->dense->shape.hidden, rows = c->sequences * c->length;
    double sum = 0;
    for (int64_t row = 0; row < rows; row++) {
        const float *a = c->stream + row * hidden, *b = c->dense_stream + row * hidden;
        double ab = 0, aa = 0, bb = 0;
        for (int64_t j = 0; j < hidden; j++) {
            ab += (double)a[j] * (double)b[j];
            aa += (double)a[j] * (double)a[j];
            bb += (double)b[j] * (double)b[j];
        }
        sum += 1 - ab / (sqrt(aa * bb) + 1e-30);
    }
    return sum / (double)rows;
}

static pare_status block_influence(pruning *p) {
    bool layers = p->options->layers;
    pare_status status = PARE_OK;
    for (int64_t i = 0; status == PARE_OK && i < p->parts; i++) {
        prune_part *one = &p->part[i];
        pare_half_problem problem = {0};
        bool last = !layers || i + 1 == p->parts || p->part[i + 1].layer != one->layer;
        status = pare_prune_tell(p, "measure", 0.6 * (double)i / (double)p->parts);
        if (status == PARE_OK) {
            status = pare_half_measure(&p->calibration, p->lm, one->layer, one->half, 0, &problem);
        }
        if (status == PARE_OK && last) {
            one->loss[one->blocks] = p->layer_loss[one->layer] = influence(&p->calibration);
            status = pare_calibration_advance(&p->calibration, p->lm, one->layer, one->half);
        }
        pare_half_clear(p->ctx, &problem);
    }
    return status;
}

/* ---- Perplexity ------------------------------------------------------------------------------ */

static bool belongs(const pruning *p, int64_t i, int64_t target) {
    return p->options->layers ? p->part[i].layer == p->part[target].layer : i == target;
}

/* Takes the parts that go with `target` out of the model's shape, or puts them back. */
static void take(pruning *p, int64_t target, bool back) {
    for (int64_t i = 0; i < p->parts; i++) {
        const prune_part *one = &p->part[i];
        pare_lm_layer *to = &p->lm->shape.layer[one->layer];
        const pare_lm_layer *from = &p->dense->shape.layer[one->layer];
        if (!belongs(p, i, target)) {
            continue;
        }
        if (one->half == PARE_LM_ATTENTION) {
            to->heads = back ? from->heads : 0;
            to->kv_heads = back ? from->kv_heads : 0;
        } else {
            to->ffn = back ? from->ffn : 0;
        }
    }
}

static double cost_of(const pruning *p, int64_t target) {
    double sum = 0;
    for (int64_t i = 0; i < p->parts; i++) {
        sum += belongs(p, i, target) ? pare_prune_cost(p, &p->part[i], p->part[i].blocks) : 0;
    }
    return sum;
}

/* One after the other, always that without which the loss is least, until the budget is met (Zhong
 * et al. 2024); the loss of a part becomes its cost times its place in that order. */
static pare_status perplexity(pruning *p, pare_lm_run *run) {
    double left = pare_prune_all_cost(p), all = left;
    pare_status status = PARE_OK;
    int64_t place = 1;
    for (; status == PARE_OK && left > p->options->keep * all; place++) {
        int64_t best = -1;
        double least = INFINITY;
        for (int64_t i = 0; status == PARE_OK && i < p->parts; i++) {
            const prune_part *one = &p->part[i];
            bool gone = one->loss[one->blocks] > 0;
            if (gone || !one->whole || (p->options->layers && i > 0 && belongs(p, i - 1, i))) {
                continue;
            }
            take(p, i, false);
            double loss = pare_calibration_loss(&p->calibration, run, p->options->probe);
            take(p, i, true);
            best = best < 0 || loss < least ? i : best;
            least = fmin(least, loss);
            status = pare_prune_tell(p, "measure", 0.6 * fmin(1, (all - left) / all));
        }
        if (best < 0) {
            break; /* nothing is left; sharing out says so */
        }
        take(p, best, false);
        left -= cost_of(p, best);
        for (int64_t i = 0; i < p->parts; i++) {
            if (belongs(p, i, best)) {
                p->part[i].loss[p->part[i].blocks] =
                    (double)place * pare_prune_cost(p, &p->part[i], p->part[i].blocks);
            }
        }
    }
    for (int64_t i = 0; i < p->parts; i++) {
        prune_part *one = &p->part[i];
        take(p, i, true);
        if (one->loss[one->blocks] <= 0) {
            one->loss[one->blocks] = (double)place * pare_prune_cost(p, one, one->blocks);
        }
        p->layer_loss[one->layer] += one->loss[one->blocks];
    }
    return status;
}

pare_status pare_prune_whole(pruning *p) {
    pare_lm_run *run = NULL;
    p->calibration.same = true; /* nothing is cut yet */
    pare_status status =
        pare_lm_run_create(p->lm, p->calibration.batch, p->calibration.length, false, &run);
    for (int64_t i = 0; i < p->parts; i++) {
        for (int64_t k = 0; k < p->part[i].blocks; k++) {
            p->part[i].order[k] = k;
        }
    }
    if (status == PARE_OK) {
        p->loss = pare_calibration_loss(&p->calibration, run, p->options->probe);
        status = p->options->criterion == PARE_PRUNE_PERPLEXITY ? perplexity(p, run)
                                                                : block_influence(p);
    }
    pare_lm_run_destroy(run);
    return status;
}
