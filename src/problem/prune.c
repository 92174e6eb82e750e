#include "problem/allocate.h"
#include "problem/prune_parts.h"

#include <math.h>
#include <string.h>

pare_status pare_prune_tell(const pruning *p, const char *stage, double fraction) {
    if (p->progress && p->progress(p->user, stage, fraction)) {
        return pare_fail(p->ctx, PARE_ERROR_ARGUMENT, "stopped by the caller");
    }
    return PARE_OK;
}

/* Cost of one candidate, and of a half that has any. */
static void set_costs(const pruning *p, prune_part *one) {
    const pare_lm_shape *s = &p->dense->shape;
    int64_t share = one->block / s->head_dim, length = p->calibration.length;
    bool attention = one->half == PARE_LM_ATTENTION;
    one->unit = attention ? (double)((2 * share + 2) * s->head_dim * s->hidden)
                          : (double)((s->activation == PARE_LM_SILU_GATED ? 3 : 2) * s->hidden);
    one->fixed = (double)s->hidden;
    if (p->options->resource == PARE_PRUNE_FLOPS) {
        one->fixed = 0;
        one->unit += attention ? (double)(2 * share * s->head_dim * (length + 1)) : 0;
    }
}

double pare_prune_cost(const pruning *p, const prune_part *one, int64_t kept) {
    const pare_latency *latency = p->options->latency;
    if (p->options->resource == PARE_PRUNE_LATENCY) {
        return one->half == PARE_LM_ATTENTION ? latency->attention[kept] : latency->ffn[kept];
    }
    return kept > 0 ? one->fixed + one->unit * (double)kept : 0;
}

/* What no structure holds. */
static double cost_of_rest(const pruning *p) {
    const pare_lm_shape *s = &p->dense->shape;
    double output = (double)s->hidden * (double)s->vocabulary;
    switch (p->options->resource) {
    case PARE_PRUNE_PARAMETERS:
        return 0;
    case PARE_PRUNE_BYTES:
        return output * (s->tied ? 1 : 2) + (double)s->hidden;
    case PARE_PRUNE_FLOPS:
        return output;
    case PARE_PRUNE_LATENCY:
        break;
    }
    return p->options->latency->rest;
}

static pare_status list_parts(pruning *p) {
    const pare_lm_shape *s = &p->dense->shape;
    const pare_prune_options *o = p->options;
    pare_status status = pare_alloc_zero(p->ctx, 2 * s->layers, sizeof *p->part, &p->part);
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, s->layers, sizeof(double), &p->layer_loss);
    }
    for (int64_t i = 0; status == PARE_OK && i < 2 * s->layers; i++) {
        const pare_lm_layer *layer = &s->layer[i / 2];
        prune_part one = {.layer = i / 2, .half = i % 2 == 0 ? PARE_LM_ATTENTION : PARE_LM_FFN};
        bool attention = one.half == PARE_LM_ATTENTION;
        one.blocks = attention ? layer->kv_heads : layer->ffn;
        if (one.blocks == 0) {
            continue;
        }
        one.block = attention ? layer->heads / layer->kv_heads * s->head_dim : 1;
        one.some = attention ? o->heads : o->ffn;
        one.whole = o->layers || (attention ? o->attention : o->mlp);
        one.start = p->candidates[one.half];
        p->candidates[one.half] += one.blocks;
        set_costs(p, &one);
        status = pare_alloc_zero(p->ctx, one.blocks + 1, sizeof *one.loss, &one.loss);
        if (status == PARE_OK) {
            status = pare_alloc_zero(p->ctx, one.blocks, sizeof *one.order, &one.order);
        }
        p->part[p->parts++] = one;
    }
    return status;
}

static void release_parts(pruning *p) {
    for (int64_t i = 0; p->part && i < p->parts; i++) {
        pare_free(p->ctx, p->part[i].order);
        pare_free(p->ctx, p->part[i].loss);
    }
    pare_free(p->ctx, p->part);
    pare_free(p->ctx, p->layer_loss);
    pare_free(p->ctx, p->hidden_order);
    pare_free(p->ctx, p->hidden_gone);
}

/* ---- Sharing the budget out ------------------------------------------------------------------ */

/* Parts that are cut alike: one, or all of a kind (uniform), or both halves of a layer. */
typedef struct cut_group {
    int64_t levels;
    int64_t *removed; /* (levels) candidates of each part */
    double *cost, *loss;
} cut_group;

static int64_t group_of(const pruning *p, int64_t part) {
    return p->options->layers    ? p->part[part].layer
           : p->options->uniform ? (int64_t)p->part[part].half
                                 : part;
}

/* How many candidates may go: nothing; numbers that leave a multiple of `round`; all. */
static pare_status list_levels(const pruning *p, const prune_part *one, cut_group *group) {
    int64_t blocks = one->blocks, round = one->half == PARE_LM_FFN ? p->options->round : 1;
    pare_status status = pare_alloc(p->ctx, blocks + 2, sizeof(int64_t), &group->removed);
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, blocks + 2, sizeof(double), &group->cost);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, blocks + 2, sizeof(double), &group->loss);
    }
    if (status != PARE_OK) {
        return status;
    }
    group->removed[group->levels++] = 0;
    int64_t kept = blocks / round * round;
    for (kept -= kept == blocks ? round : 0; one->some && kept > 0; kept -= round) {
        group->removed[group->levels++] = blocks - kept;
    }
    if (one->whole) {
        group->removed[group->levels++] = blocks;
    }
    return PARE_OK;
}

double pare_prune_all_cost(const pruning *p) {
    double all = p->rest;
    for (int64_t i = 0; i < p->parts; i++) {
        all += pare_prune_cost(p, &p->part[i], p->part[i].blocks);
    }
    return all;
}

static pare_status fill_groups(const pruning *p, cut_group *groups) {
    for (int64_t i = 0; i < p->parts; i++) {
        const prune_part *one = &p->part[i];
        cut_group *group = &groups[group_of(p, i)];
        if (group->levels == 0) {
            pare_status status = list_levels(p, one, group);
            if (status != PARE_OK) {
                return status;
            }
        }
        for (int64_t level = 0; level < group->levels; level++) {
            bool gone = p->options->layers && level > 0;
            int64_t removed = gone ? one->blocks : group->removed[level];
            group->cost[level] += pare_prune_cost(p, one, one->blocks - removed);
            group->loss[level] += gone ? 0 : one->loss[removed];
            if (gone) {
                group->loss[level] = p->layer_loss[one->layer];
            }
        }
    }
    return PARE_OK;
}

static pare_status allocate_groups(pruning *p, int64_t count, const cut_group *groups,
                                   pare_allocation_part *choice, double keep) {
    double all = pare_prune_all_cost(p), least = p->rest;
    for (int64_t g = 0; g < count; g++) {
        choice[g] = (pare_allocation_part){groups[g].levels, groups[g].cost, groups[g].loss, 0};
        least += groups[g].levels > 0 ? groups[g].cost[groups[g].levels - 1] : 0;
        if (groups[g].levels == 0) { /* a layer without parts */
            static const double none[1] = {0};
            choice[g] = (pare_allocation_part){1, none, none, 0};
        }
    }
    if (!pare_allocate(count, choice, keep * all - p->rest)) {
        return pare_fail(p->ctx, PARE_ERROR_ARGUMENT,
                         "a budget of %.4g cannot be met by the structures that may go; the least "
                         "is %.4g",
                         keep, least / all);
    }
    p->predicted = 0;
    for (int64_t g = 0; g < count; g++) {
        p->predicted += choice[g].loss[choice[g].level];
    }
    for (int64_t i = 0; i < p->parts; i++) {
        int64_t g = group_of(p, i), level = choice[g].level;
        bool gone = p->options->layers && level > 0;
        p->part[i].removed = gone ? p->part[i].blocks : groups[g].removed[level];
    }
    return PARE_OK;
}

/* Shares out, and where time is the resource moves the aim until the shape that comes of it takes
 * the time asked for: the table adds up halves that were measured one kind at a time. */
static pare_status meet_budget(pruning *p, int64_t count, const cut_group *groups,
                               pare_allocation_part *choice, double keep) {
    enum { TRIES = 8 };
    const double near = 0.02, over = 10; /* too slow is so many times as bad as too fast */
    double aim = keep, best = keep, least_gap = INFINITY;
    pare_status status = allocate_groups(p, count, groups, choice, aim);
    if (p->options->resource != PARE_PRUNE_LATENCY || keep > p->options->keep) {
        return status;
    }
    for (int i = 0; status == PARE_OK && i < TRIES && aim < 1 && least_gap > near * keep; i++) {
        double measured = 0;
        status = pare_prune_tell(p, "time", 0.6);
        if (status == PARE_OK) {
            status = pare_prune_time(p, &measured);
        }
        double gap = fabs(measured - keep) * (measured > keep * (1 + near) ? over : 1);
        if (status == PARE_OK && gap < least_gap) {
            least_gap = gap;
            best = aim;
            p->measured = measured;
        }
        aim *= keep / measured;
        if (status == PARE_OK && allocate_groups(p, count, groups, choice, aim) != PARE_OK) {
            break; /* all that may go is gone */
        }
    }
    return status == PARE_OK ? allocate_groups(p, count, groups, choice, best) : status;
}

pare_status pare_prune_share_out(pruning *p, double keep) {
    int64_t count = p->options->layers    ? p->dense->shape.layers
                    : p->options->uniform ? 2
                                          : p->parts;
    cut_group *groups = NULL;
    pare_allocation_part *choice = NULL;
    pare_status status = pare_alloc_zero(p->ctx, count, sizeof *groups, &groups);
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, count, sizeof *choice, &choice);
    }
    if (status == PARE_OK) {
        status = fill_groups(p, groups);
    }
    if (status == PARE_OK) {
        status = meet_budget(p, count, groups, choice, keep);
    }
    for (int64_t g = 0; groups && g < count; g++) {
        pare_free(p->ctx, groups[g].removed);
        pare_free(p->ctx, groups[g].cost);
        pare_free(p->ctx, groups[g].loss);
    }
    pare_free(p->ctx, groups);
    pare_free(p->ctx, choice);
    return status;
}

/* ---- Cutting --------------------------------------------------------------------------------- */

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
            status = pare_half_eliminate(p->ctx, problem, one->block, one->blocks - one->removed,
                                         order, increase);
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
    for (int64_t i = 0; i < p->lm->shape.layers; i++) {
        const pare_lm_layer *layer = &p->lm->shape.layer[i];
        int64_t blocks = one->half == PARE_LM_ATTENTION ? layer->kv_heads : layer->ffn;
        start += i < one->layer ? blocks : 0;
        total += blocks;
    }
    pare_status status = pare_lm_own_layer(p->lm, one->layer);
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
        pare_lm_keep cut = {one->half == PARE_LM_ATTENTION ? all : NULL,
                            one->half == PARE_LM_FFN ? all : NULL, NULL, false};
        status = pare_lm_cut(p->lm, &cut);
    }
    if (status == PARE_OK) {
        status = pare_calibration_advance(&p->calibration, p->lm, one->layer, one->half);
    }
    if (status == PARE_OK && !shares_next_layer(p, one)) {
        status = pare_lm_pack_layer(p->lm, one->layer, p->options->pack);
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
    result->parts = p->parts;
    for (int64_t i = 0; i < p->parts; i++) {
        const prune_part *one = &p->part[i];
        result->part[i] =
            (pare_prune_part){one->layer, one->half, one->blocks, one->blocks - one->removed};
        left += pare_prune_cost(p, one, one->blocks - one->removed);
    }
    const pare_lm_keep nothing = {NULL, NULL, NULL, true};
    status = pare_prune_hidden_cut(p);
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
    pare_lm_run *run = NULL;
    if (status == PARE_OK) {
        status =
            pare_lm_run_create(p->lm, p->calibration.batch, p->calibration.length, false, &run);
    }
    if (status == PARE_OK) {
        result->loss_after = pare_calibration_loss(&p->calibration, run, p->options->probe);
    }
    pare_lm_run_destroy(run);
    return status;
}

/* Options that do not go together. */
static pare_status check(const pare_lm *dense, const pare_prune_options *o) {
    pare_context *ctx = dense->ctx;
    const pare_lm_shape *s = &dense->shape;
    bool halves = o->attention || o->mlp, single = o->heads || o->ffn;
    if (!(o->keep > 0 && o->keep < 1)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "a budget of %g: expected a share between 0 "
                         "and 1",
                         o->keep);
    }
    if (o->hidden && o->resource != PARE_PRUNE_PARAMETERS && o->resource != PARE_PRUNE_BYTES) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "hidden dimensions go by a budget of params or bytes");
    }
    if (o->hidden && (s->layer_norm || s->parallel)) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "hidden dimensions go only from models of the Llama family, not from %s",
                         s->architecture);
    }
    if (!o->layers && !halves && !single && !o->hidden) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "no structure may go");
    }
    if (o->layers && (halves || single)) {
        return pare_fail(
            ctx, PARE_ERROR_UNSUPPORTED,
            "whole layers go alone: attention and mlp together can take both halves of "
            "a layer");
    }
    bool whole =
        o->criterion == PARE_PRUNE_PERPLEXITY || o->criterion == PARE_PRUNE_BLOCK_INFLUENCE;
    if (whole && single) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "the criteria perplexity and block-influence remove whole layers or "
                         "halves, not heads or channels");
    }
    if (o->criterion > PARE_PRUNE_BLOCK_INFLUENCE && (o->layers || halves)) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "this criterion ranks heads and channels, not whole layers or halves");
    }
    if (o->uniform && (halves || !pare_lm_uniform(s))) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         halves ? "layers stay alike only with the structures heads and ffn, or "
                                  "layers"
                                : "the layers of this model differ already");
    }
    for (int64_t i = 0; o->ffn && i < s->layers; i++) {
        if (s->layer[i].ffn > 0 && s->layer[i].ffn < o->round) {
            return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                             "round %lld: layer %lld has only %lld channels", (long long)o->round,
                             (long long)i, (long long)s->layer[i].ffn);
        }
    }
    return PARE_OK;
}

/* Loss curves by the criterion. */
static pare_status rate(pruning *p) {
    const pare_prune_options *o = p->options;
    if (o->layers || o->attention || o->mlp || o->heads || o->ffn) {
        return o->criterion == PARE_PRUNE_RECONSTRUCTION         ? pare_prune_curves(p)
               : o->criterion == PARE_PRUNE_SEQUENTIAL_ATTENTION ? pare_prune_attention(p)
               : o->criterion <= PARE_PRUNE_BLOCK_INFLUENCE      ? pare_prune_whole(p)
                                                                 : pare_prune_scores(p);
    }
    pare_lm_run *run = NULL; /* only hidden dimensions: they have one order */
    pare_status status =
        pare_lm_run_create(p->lm, p->calibration.batch, p->calibration.length, false, &run);
    if (status == PARE_OK) {
        p->loss = pare_calibration_loss(&p->calibration, run, o->probe);
    }
    pare_lm_run_destroy(run);
    return status;
}

pare_status pare_prune(const pare_lm *dense, pare_lm *lm, int64_t sequences, int64_t length,
                       const int32_t *token, const pare_prune_options *options,
                       pare_prune_progress progress, void *user, pare_prune_result *result) {
    *result = (pare_prune_result){0};
    pruning p = {.ctx = dense->ctx,
                 .dense = dense,
                 .lm = lm,
                 .options = options,
                 .progress = progress,
                 .user = user};
    pare_status status = check(dense, options);
    if (status == PARE_OK) {
        bool outputs = options->hidden || options->criterion != PARE_PRUNE_SEQUENTIAL_ATTENTION;
        status = pare_calibration_init(dense, sequences, length, token, outputs, &p.calibration);
    }
    if (status == PARE_OK) {
        status = list_parts(&p);
    }
    if (status == PARE_OK) {
        p.rest = cost_of_rest(&p);
        status = rate(&p);
    }
    if (status == PARE_OK && options->hidden) {
        status = pare_prune_hidden(&p);
    } else if (status == PARE_OK && options->criterion != PARE_PRUNE_SEQUENTIAL_ATTENTION) {
        status = pare_prune_share_out(&p, options->keep);
    }
    if (status == PARE_OK) {
        pare_calibration_restart(&p.calibration);
    }
    for (int64_t i = 0; status == PARE_OK && i < p.parts; i++) {
        status = pare_prune_tell(&p, "cut", 0.6 + 0.4 * (double)i / (double)p.parts);
        if (status == PARE_OK) {
            status = cut_half(&p, &p.part[i]);
        }
    }
    if (status == PARE_OK) {
        status = record(&p, result);
    }
    release_parts(&p);
    pare_calibration_clear(&p.calibration);
    if (status != PARE_OK) {
        pare_prune_result_clear(dense->ctx, result);
    }
    return status;
}

void pare_prune_result_clear(pare_context *ctx, pare_prune_result *result) {
    pare_free(ctx, result->part);
    *result = (pare_prune_result){0};
}
