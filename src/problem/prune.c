#include "problem/prune_parts.h"

#include <math.h>
#include <stdio.h>
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
    bool attention = one->half == PARE_LM_ATTENTION, queries = one->group > 0;
    int64_t keys = 2 * s->head_dim * s->hidden; /* and values, of a group */
    one->unit = attention ? (double)(2 * share * s->head_dim * s->hidden + (queries ? 0 : keys))
                          : (double)((s->activation == PARE_LM_SILU_GATED ? 3 : 2) * s->hidden);
    one->fixed = (double)s->hidden;
    if (p->options->resource == PARE_PRUNE_FLOPS) {
        one->fixed = 0;
        one->unit += attention ? (double)(2 * share * s->head_dim * (length + 1)) : 0;
    }
    one->fixed += queries ? (double)(one->step * keys) : 0;
}

double pare_prune_cost(const pruning *p, const prune_part *one, int64_t kept) {
    const pare_latency *latency = p->options->latency;
    if (p->options->resource == PARE_PRUNE_LATENCY) {
        return one->half == PARE_LM_ATTENTION ? latency->attention[kept / one->step]
                                              : latency->ffn[kept];
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

/* Groups, or query heads, or channels. */
static pare_status add_part(pruning *p, int64_t index, pare_lm_half half, bool queries,
                            bool second) {
    const pare_lm_shape *s = &p->dense->shape;
    const pare_prune_options *o = p->options;
    const pare_lm_layer *layer = &s->layer[index];
    prune_part one = {.layer = index, .half = half, .second = second};
    bool attention = half == PARE_LM_ATTENTION;
    one.blocks = queries ? layer->heads : attention ? layer->kv_heads : layer->ffn;
    one.block = attention ? layer->heads / one.blocks * s->head_dim : 1;
    one.step = queries ? layer->kv_heads : 1;
    one.group = queries ? layer->heads / layer->kv_heads : 0;
    one.some = attention ? o->heads || o->queries : o->ffn;
    one.whole = !second && (p->whole_layers || (attention ? o->attention : o->mlp));
    one.start = p->candidates[half];
    p->candidates[half] += one.blocks;
    set_costs(p, &one);
    pare_status status = pare_alloc_zero(p->ctx, one.blocks + 1, sizeof *one.loss, &one.loss);
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, one.blocks, sizeof *one.order, &one.order);
    }
    p->part[p->parts++] = one;
    return status;
}

static pare_status list_parts(pruning *p) {
    const pare_lm_shape *s = &p->dense->shape;
    const pare_prune_options *o = p->options;
    pare_status status = pare_alloc_zero(p->ctx, 3 * s->layers, sizeof *p->part, &p->part);
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, s->layers, sizeof(double), &p->layer_loss);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, s->layers, 1, &p->dropped);
    }
    for (int64_t i = 0; status == PARE_OK && i < 2 * s->layers; i++) {
        pare_lm_half half = i % 2 == 0 ? PARE_LM_ATTENTION : PARE_LM_FFN;
        const pare_lm_layer *layer = &s->layer[i / 2];
        bool attention = half == PARE_LM_ATTENTION;
        bool queries = attention && o->queries;
        bool both = queries && o->heads && layer->heads > layer->kv_heads;
        if ((attention ? layer->heads : layer->ffn) > 0) {
            status = add_part(p, i / 2, half, queries && !o->heads, false);
        }
        if (status == PARE_OK && both) {
            status = add_part(p, i / 2, half, true, true);
        }
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
    pare_free(p->ctx, p->dropped);
    pare_free(p->ctx, p->gain);
    pare_free(p->ctx, p->hidden_order);
    pare_free(p->ctx, p->hidden_gone);
}

/* Options that do not go together. */
static pare_status check(const pare_lm *dense, const pare_prune_options *o) {
    pare_context *ctx = dense->ctx;
    const pare_lm_shape *s = &dense->shape;
    bool halves = o->attention || o->mlp, single = o->heads || o->ffn || o->queries;
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
    bool whole =
        o->criterion == PARE_PRUNE_PERPLEXITY || o->criterion == PARE_PRUNE_BLOCK_INFLUENCE;
    if (whole && (single || (o->layers && (halves || o->hidden)))) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "the criteria perplexity and block-influence remove whole layers alone or "
                         "halves, not heads or channels");
    }
    if (o->criterion > PARE_PRUNE_BLOCK_INFLUENCE && (o->layers || halves)) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "this criterion ranks heads and channels, not whole layers or halves");
    }
    if (o->uniform && (halves || !pare_lm_uniform(s))) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         halves ? "layers stay alike only with the structures layers, heads, ffn "
                                  "and hidden"
                                : "the layers of this model differ already");
    }
    if (o->queries && o->heads &&
        (o->criterion != PARE_PRUNE_RECONSTRUCTION || o->resource == PARE_PRUNE_LATENCY)) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "heads and query heads together go by the criterion reconstruction and a "
                         "budget of params, bytes or flops: name one of the two structures");
    }
    bool grouped = false;
    for (int64_t i = 0; i < s->layers; i++) {
        grouped = grouped || s->layer[i].heads > s->layer[i].kv_heads;
    }
    if (o->queries && !grouped) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "query heads cannot go alone: every key/value head of this model has one "
                         "query head, so that the structure heads removes both");
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
    if (o->layers || o->attention || o->mlp || o->heads || o->queries || o->ffn) {
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
                 .whole_layers = options->layers && !pare_prune_by_plans(options),
                 .progress = progress,
                 .user = user};
    pare_status status = check(dense, options);
    if (status == PARE_OK) {
        bool outputs = options->hidden || options->criterion != PARE_PRUNE_SEQUENTIAL_ATTENTION;
        status = pare_calibration_init(dense, sequences, length, token, outputs, &p.calibration);
    }
    if (status == PARE_OK) {
        p.calibration.walked = options->rehearse ? p.calibration.batch : p.calibration.sequences;
        status = list_parts(&p);
    }
    if (status == PARE_OK) {
        p.rest = cost_of_rest(&p);
        status = rate(&p);
    }
    bool plans = pare_prune_by_plans(options);
    if (status == PARE_OK && !plans && options->criterion != PARE_PRUNE_SEQUENTIAL_ATTENTION) {
        status = pare_prune_share_out(&p, options->keep);
    }
    if (status == PARE_OK) {
        status = plans ? pare_prune_plans(&p, result) : pare_prune_carry_out(&p, result);
    }
    release_parts(&p);
    pare_calibration_clear(&p.calibration);
    result->resource = options->resource;
    result->asked = options->keep;
    if (status != PARE_OK) {
        pare_prune_result_clear(dense->ctx, result);
    }
    return status;
}

const char *pare_prune_resource_name(pare_prune_resource resource) {
    static const char *const names[] = {"params", "bytes", "flops", "latency"};
    return names[resource];
}

void pare_prune_budget_text(const pare_prune_result *result, char *out, size_t size) {
    out[0] = 0;
    if (result->asked > 0) {
        snprintf(out, size, "%s=%.10g", pare_prune_resource_name(result->resource), result->asked);
    }
}

void pare_prune_result_clear(pare_context *ctx, pare_prune_result *result) {
    pare_free(ctx, result->part);
    *result = (pare_prune_result){0};
}
