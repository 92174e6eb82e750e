#include "problem/embed_curve.h"

#include <math.h>

/* The limits, or the bytes of everything where there are none, times a share of 2^-halvings. */
static void set_limits(pare_embed *embed, const int64_t *limit, int halvings) {
    bool any = false;
    for (int r = 0; r < PARE_RESOURCES; r++) {
        any = any || limit[r] < INT64_MAX;
        embed->serving.limit[r] =
            pare_embed_part(&embed->serving, r, limit[r], 1, INT64_C(1) << halvings);
    }
    if (!any) {
        embed->serving.limit[PARE_RESOURCE_BYTES] =
            embed->full_cost[PARE_RESOURCE_BYTES] >> halvings;
    }
}

static pare_status choose(pare_embed *embed) {
    memset(embed->keep, 0, (size_t)embed->candidates);
    memset(embed->gain, 0, (size_t)embed->candidates * sizeof *embed->gain);
    pare_status status = pare_serving_choose(&embed->serving, embed->gain, embed->keep);
    memset(embed->keep, 0, (size_t)embed->candidates);
    if (status != PARE_OK) {
        return status;
    }
    return embed->options.embed_method == PARE_EMBED_SEQUENTIAL_ATTENTION ? pare_embed_search(embed)
                                                                          : pare_embed_gains(embed);
}

static pare_status score(pare_embed *embed, pare_embed_point *point) {
    pare_field_model *model = NULL;
    pare_status status = pare_embed_train(embed, embed->keep, &model);
    if (status == PARE_OK) {
        pare_serving_cost(&embed->serving, embed->keep, point->cost);
        status = pare_field_model_score(model, &embed->fields, embed->held, embed->held_row,
                                        &point->log_loss, &point->auc);
    }
    pare_field_model_destroy(model);
    return status;
}

static pare_status draw(pare_embed *embed, const int64_t *limit) {
    for (int64_t method = 0; method < PARE_EMBED_METHODS; method++) {
        for (int halvings = PARE_EMBED_SHARES - 1; halvings >= 0; halvings--) {
            pare_embed_point *point = &embed->curve[embed->points];
            *point = (pare_embed_point){
                .method = method, .share = ldexp(1, -halvings), .log_loss = NAN, .auc = NAN};
            embed->options.embed_method = method;
            set_limits(embed, limit, halvings);
            pare_status status = choose(embed);
            if (status == PARE_OK) {
                status = score(embed, point);
            }
            if (status != PARE_OK && status != PARE_ERROR_INPUT) {
                return status;
            }
            embed->points++; /* INPUT: nothing fits */
        }
    }
    return PARE_OK;
}

pare_status pare_embed_draw_curve(pare_embed *embed) {
    pare_context *ctx = embed->ctx;
    int64_t method = embed->options.embed_method, limit[PARE_RESOURCES];
    double *gain = NULL;
    uint8_t *keep = NULL;
    pare_status status = pare_alloc(ctx, embed->candidates, sizeof *gain, &gain);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, embed->candidates, 1, &keep);
    }
    if (status == PARE_OK) {
        status = pare_alloc(ctx, PARE_EMBED_SHARES * PARE_EMBED_METHODS, sizeof *embed->curve,
                            &embed->curve);
    }
    if (status == PARE_OK) {
        memcpy(limit, embed->serving.limit, sizeof limit);
        memcpy(gain, embed->gain, (size_t)embed->candidates * sizeof *gain);
        memcpy(keep, embed->keep, (size_t)embed->candidates);
        status = draw(embed, limit);
        memcpy(embed->serving.limit, limit, sizeof limit);
        memcpy(embed->gain, gain, (size_t)embed->candidates * sizeof *gain);
        memcpy(embed->keep, keep, (size_t)embed->candidates);
        embed->options.embed_method = method;
    }
    pare_free(ctx, gain);
    pare_free(ctx, keep);
    return status;
}
