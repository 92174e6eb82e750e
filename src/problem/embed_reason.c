/* Why fields are not in a plan. */
#include "problem/embed.h"

/* Prices of a candidate that a field alone has to save before it counts as saying something: of
 * the best of a few candidates of noise, one in some hundreds saves so much. */
#define SAYS 5.0

/* The first limit that the costs exceed; -1: none. */
static int exceeded(const pare_embed *e, const uint8_t *keep) {
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(&e->serving, keep, cost);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        if (cost[r] > e->serving.limit[r]) {
            return r;
        }
    }
    return -1;
}

/* alone: what has to be in any plan; beside: the plan. Both are as they were afterwards. */
static pare_embed_reason reason_of(const pare_embed *e, int64_t f, uint8_t *alone,
                                   uint8_t *beside) {
    int64_t width = e->serving.chunks + 1, at = f * width;
    bool gains = false;
    for (int64_t c = 0; c < width; c++) {
        gains = gains || e->gain[at + c] > 0;
    }
    alone[at] = beside[at] = 1;
    int never = exceeded(e, alone), now = exceeded(e, beside);
    alone[at] = beside[at] = 0;
    if (e->banned[f]) {
        return (pare_embed_reason){
            e->banned[f] == PARE_EMBED_CONSTANT ? PARE_EMBED_SINGLE : PARE_EMBED_BANNED, 0};
    }
    if (e->window && e->window->absent[f]) {
        return (pare_embed_reason){PARE_EMBED_ABSENT, 0};
    }
    if (never >= 0) {
        return (pare_embed_reason){PARE_EMBED_TOO_DEAR, (pare_resource)never};
    }
    if (e->judged ? !(e->alone[f] > SAYS) : !gains) {
        return (pare_embed_reason){PARE_EMBED_NO_GAIN, 0};
    }
    if (e->judged && (!gains || now < 0)) {
        return (pare_embed_reason){PARE_EMBED_SAID, 0};
    }
    return now >= 0 ? (pare_embed_reason){PARE_EMBED_NO_ROOM, (pare_resource)now}
                    : (pare_embed_reason){PARE_EMBED_UNSURE, 0};
}

pare_status pare_embed_reasons(pare_embed *e) {
    int64_t width = e->serving.chunks + 1;
    uint8_t *alone = NULL, *beside = NULL;
    pare_status status = pare_alloc_zero(e->ctx, 2 * e->candidates, 1, &alone);
    if (status != PARE_OK) {
        return status;
    }
    beside = alone + e->candidates;
    memcpy(beside, e->keep, (size_t)e->candidates);
    for (int64_t f = 0; f < e->fields.count; f++) {
        alone[f * width] = e->pinned[f];
    }
    for (int64_t f = 0; f < e->fields.count; f++) {
        e->reason[f] = e->keep[f * width] ? (pare_embed_reason){PARE_EMBED_KEPT, 0}
                                          : reason_of(e, f, alone, beside);
    }
    pare_free(e->ctx, alone);
    return PARE_OK;
}
