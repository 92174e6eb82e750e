/* Plans: how many layers and hidden dimensions go besides the other structures. What those cost is
 * not a sum over halves of layers, so each plan is carried out on a copy of the model and judged by
 * the loss on the calibration text. */
#include "problem/prune_parts.h"

#include <math.h>
#include <string.h>

enum { STEPS = 16 }; /* at most so many numbers of dimensions are tried */

typedef struct plans {
    pruning *p;
    pare_lm best;
    pare_prune_result result; /* of the best */
    double loss;
    prune_ranked *layer; /* (layers) by the loss without them */
} plans;

static bool others(const pare_prune_options *o) {
    return o->attention || o->mlp || o->heads || o->queries || o->ffn;
}

bool pare_prune_by_plans(const pare_prune_options *o) {
    return o->hidden || (o->layers && others(o));
}

/* Carries one plan out: so many layers dropped, so many dimensions removed. better: whether it is
 * the best so far. A plan that cannot meet the budget is none. */
static pare_status attempt(plans *t, int64_t layers, int64_t removed, bool *better) {
    pruning *p = t->p;
    int64_t hidden = p->dense->shape.hidden;
    double share = (double)(hidden - removed) / (double)hidden;
    pare_prune_result result = {0};
    pare_lm trial = {0};
    *better = false;
    for (int64_t i = 0; i < p->dense->shape.layers; i++) {
        p->dropped[t->layer[i].item] = i < layers;
    }
    p->hidden_removed = removed;
    pare_status status = pare_prune_share_out(p, fmin(1, p->options->keep / share));
    if (status == PARE_ERROR_ARGUMENT) {
        return pare_prune_tell(p, "cut", 0.6); /* too little may go, or the caller stops */
    }
    if (status == PARE_OK) {
        status = pare_lm_copy(p->dense, &trial);
    }
    pare_lm *lm = p->lm;
    if (status == PARE_OK) {
        p->lm = &trial;
        if (p->options->hidden) {
            pare_prune_hidden_hide(p);
        }
        status = pare_prune_carry_out(p, &result);
        p->trials++;
        p->lm = lm;
    }
    if (status == PARE_OK && result.loss_after < t->loss) {
        pare_lm worse = t->best;
        pare_prune_result old = t->result;
        t->best = trial;
        t->result = result;
        t->loss = result.loss_after;
        *better = true;
        trial = worse;
        result = old;
    }
    pare_lm_clear(&trial);
    pare_prune_result_clear(p->ctx, &result);
    return status;
}

/* So many dimensions go at step i; what is left is a multiple of the option round. */
static int64_t removed_at(const pruning *p, int64_t step) {
    int64_t hidden = p->dense->shape.hidden, round = p->options->round;
    int64_t each = round > 1 ? round : (hidden + STEPS - 1) / STEPS;
    int64_t kept = hidden - step * each;
    return step == 0 ? 0 : kept < round ? hidden : hidden - kept / round * round;
}

/* Dimensions alone: as few as the budget allows. */
static int64_t least_removed(const pruning *p) {
    int64_t hidden = p->dense->shape.hidden, round = p->options->round;
    return hidden - (int64_t)(p->options->keep * (double)hidden + 1e-9) / round * round;
}

static pare_status search(plans *t) {
    pruning *p = t->p;
    const pare_prune_options *o = p->options;
    int64_t hidden = p->dense->shape.hidden, layers = 0;
    bool better = false, free = others(o) || o->layers;
    int64_t first = free ? 0 : least_removed(p);
    pare_status status = first < hidden ? attempt(t, 0, first, &better) : PARE_OK;
    for (int64_t k = 1; status == PARE_OK && o->layers && k < p->dense->shape.layers; k++) {
        status = attempt(t, k, first, &better);
        if (!better && isfinite(t->loss)) {
            break;
        }
        layers = better ? k : layers;
    }
    for (int64_t i = 1; status == PARE_OK && o->hidden && free && removed_at(p, i) < hidden; i++) {
        status = attempt(t, layers, removed_at(p, i), &better);
        if (!better && isfinite(t->loss)) {
            break;
        }
    }
    return status;
}

pare_status pare_prune_plans(pruning *p, pare_prune_result *result) {
    plans t = {.p = p, .loss = INFINITY};
    int64_t layers = p->dense->shape.layers;
    pare_status status = pare_alloc(p->ctx, layers, sizeof *t.layer, &t.layer);
    if (status == PARE_OK && p->options->hidden) {
        status = pare_lm_own(p->lm);
        if (status == PARE_OK) {
            status = pare_prune_hidden_rank(p);
        }
    }
    if (status == PARE_OK) {
        for (int64_t i = 0; i < layers; i++) {
            t.layer[i] = (prune_ranked){p->layer_loss[i], i};
        }
        pare_prune_sort(t.layer, layers);
        status = search(&t);
    }
    if (status == PARE_OK && !isfinite(t.loss)) {
        memset(p->dropped, 0, (size_t)layers);
        status = pare_prune_share_out(p, p->options->keep); /* says what cannot be met */
    }
    if (status == PARE_OK && isfinite(t.loss)) {
        pare_lm_clear(p->lm);
        *p->lm = t.best;
        t.best = (pare_lm){0};
        *result = t.result;
        t.result = (pare_prune_result){0};
    }
    pare_lm_clear(&t.best);
    pare_prune_result_clear(p->ctx, &t.result);
    pare_free(p->ctx, t.layer);
    return status;
}
