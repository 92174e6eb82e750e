/* Cutting the model to what was decided, and the record of it. */
#include "problem/prune_parts.h"

#include <math.h>
#include <string.h>

/* Marks what stays in one half: by elimination on the streams as earlier cuts left them, or in the
 * order of the scores. */
static pare_status choose(pruning *p, const prune_part *one, const pare_half_problem *problem,
                          uint8_t *keep) {
    int64_t *order = NULL;
    double *increase = NULL;
    pare_status status = PARE_OK;
    bool again =
        p->options->criterion <= PARE_PRUNE_SEQUENTIAL_ATTENTION && one->removed < one->blocks;
    if (again) {
        status = pare_alloc(p->ctx, one->blocks, sizeof *order, &order);
        if (status == PARE_OK) {
            status = pare_alloc(p->ctx, one->blocks, sizeof *increase, &increase);
        }
        if (status == PARE_OK) {
            status = pare_half_eliminate(p->ctx, problem, one->block, one->group,
                                         one->blocks - one->removed, order, increase);
        }
    }
    for (int64_t i = 0; status == PARE_OK && i < one->removed; i++) {
        keep[again ? order[i] : one->order[i]] = 0;
    }
    pare_free(p->ctx, order);
    pare_free(p->ctx, increase);
    return status;
}

/* Is the next part of the same layer? */
static bool shares_next_layer(const pruning *p, const prune_part *one) {
    return one + 1 < p->part + p->parts && one[1].layer == one->layer;
}

/* Cuts one half of the model to what was decided. */
static pare_status cut_half(pruning *p, const prune_part *one) {
    pare_half_problem problem = {0};
    uint8_t *all = NULL;
    int64_t total = 0, start = 0;
    bool queries = one->group > 0;
    for (int64_t i = 0; i < p->lm->shape.layers; i++) {
        const pare_lm_layer *layer = &p->lm->shape.layer[i];
        int64_t blocks = queries                          ? layer->heads
                         : one->half == PARE_LM_ATTENTION ? layer->kv_heads
                                                          : layer->ffn;
        start += i < one->layer ? blocks : 0;
        total += blocks;
    }
    pare_status status = pare_lm_own_layer(p->lm, one->layer);
    if (status == PARE_OK && one->removed < one->blocks) {
        status = pare_prune_readers(p, 2 * one->layer + (one->half == PARE_LM_FFN));
    }
    if (status == PARE_OK) {
        status = pare_half_measure(&p->calibration, p->lm, one->layer, one->half, p->options->ridge,
                                   &problem);
    }
    if (status == PARE_OK) {
        status = pare_alloc(p->ctx, total, 1, &all);
    }
    if (status == PARE_OK) {
        memset(all, 1, (size_t)total);
        status = choose(p, one, &problem, all + start);
    }
    if (status == PARE_OK && p->options->compensate && one->removed < one->blocks) {
        pare_lm_slot last = one->half == PARE_LM_ATTENTION ? PARE_LM_O : PARE_LM_DOWN;
        status = pare_half_solve(p->ctx, &problem, one->block, all + start,
                                 p->lm->layer[one->layer][last].own);
    }
    if (status == PARE_OK) {
        pare_lm_keep cut = {.group = one->half == PARE_LM_ATTENTION && !queries ? all : NULL,
                            .head = queries ? all : NULL,
                            .channel = one->half == PARE_LM_FFN ? all : NULL};
        status = pare_lm_cut(p->lm, &cut);
    }
    if (status == PARE_OK) {
        status = pare_calibration_advance(&p->calibration, p->lm, one->layer, one->half);
    }
    pare_half_clear(p->ctx, &problem);
    pare_free(p->ctx, all);
    return status;
}

static int64_t layer_parameters(const pare_lm_shape *shape) {
    int64_t sum = 0;
    for (int64_t i = 0; i < shape->layers; i++) {
        sum += pare_lm_layer_parameters(shape, i);
    }
    return sum;
}

static pare_status record(pruning *p, pare_prune_result *result) {
    pare_status status = pare_alloc_zero(p->ctx, p->parts, sizeof *result->part, &result->part);
    if (status != PARE_OK) {
        return status;
    }
    double left = p->rest;
    for (int64_t i = 0; i < p->parts; i++) {
        const prune_part *one = &p->part[i];
        if (one->unused) {
            continue;
        }
        result->part[result->parts++] =
            (pare_prune_part){one->layer, one->half, one->blocks, one->blocks - one->removed};
        left += pare_prune_cost(p, one, one->blocks - one->removed);
    }
    const pare_lm_keep nothing = {.drop_empty = true};
    status = pare_prune_readers(p, 2 * p->dense->shape.layers);
    if (status == PARE_OK) {
        status = pare_prune_hidden_cut(p);
    }
    if (status == PARE_OK) {
        status = pare_lm_cut(p->lm, &nothing); /* layers that have nothing left */
    }
    result->parameters_before = layer_parameters(&p->dense->shape);
    result->parameters_after = layer_parameters(&p->lm->shape);
    result->loss_before = p->loss;
    result->measured = p->measured;
    result->mask_flops = p->flops;
    result->tuning_flops = pare_prune_tuning_flops(&p->dense->shape);
    int64_t hidden = p->dense->shape.hidden;
    left *= (double)(hidden - p->hidden_removed) / (double)hidden;
    result->share = left / pare_prune_all_cost(p);
    return status == PARE_OK ? pare_prune_best_gain(p, &result->loss_after) : status;
}

pare_status pare_prune_carry_out(pruning *p, pare_prune_result *result) {
    pare_status status = PARE_OK;
    double left = 0.4 * pow(0.7, (double)p->trials); /* of the whole, if more plans follow */
    double share = pare_prune_by_plans(p->options) ? 0.3 : 1;
    pare_calibration_restart(&p->calibration);
    for (int64_t i = 0; status == PARE_OK && i < p->parts; i++) {
        double done = share * (double)i / (double)p->parts;
        const prune_part *one = &p->part[i];
        status = pare_prune_tell(p, "cut", 1 - left * (1 - done));
        if (status == PARE_OK && !one->unused) {
            status = cut_half(p, one);
        }
        if (status == PARE_OK && !shares_next_layer(p, one)) {
            status = pare_lm_pack_layer(p->lm, one->layer, p->options->pack);
        }
    }
    return status == PARE_OK ? record(p, result) : status;
}
