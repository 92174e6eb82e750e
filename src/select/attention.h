/* Sequential attention in progress: private to sequential_attention.c, which trains, and
 * attention_choice.c, which picks and drops. */
#ifndef PARE_SELECT_ATTENTION_H
#define PARE_SELECT_ATTENTION_H

#include "select/choice.h"

typedef enum pare_attention_stage {
    PARE_ATTENTION_WARM_UP,
    PARE_ATTENTION_SELECT,
    PARE_ATTENTION_SETTLE,
    PARE_ATTENTION_DONE
} pare_attention_stage;

typedef struct pare_attention {
    pare_task task;
    pare_choice *choice;
    bool sequential; /* false: lly */
    int64_t goal;    /* candidates to pick before dropping to k */
    int64_t picked_count;
    int64_t *picked;    /* (goal) */
    float *mask;        /* (count) */
    float *d_mask;      /* (count) */
    float *logit;       /* (count) */
    float *first;       /* (count) Adam's moments of the logits */
    float *second;      /* (count) */
    double *usefulness; /* (count) of the picked: cost of removal, or running mean of |dL/dm_j| */
    double *cost;       /* (goal) scratch of measure */
    uint8_t *open;      /* (count) can still be picked */
    double *gain;       /* (count) with costs: of this phase, to first order */
    double allowance;   /* with costs: what may be picked before dropping, surplus * budget */

    pare_attention_stage stage;
    int64_t step;       /* objective steps so far */
    int64_t warm_steps; /* planned */
    int64_t warm_steps_most;
    int64_t window_steps; /* between looks at the validation score */
    double best_lead;     /* of the validation score over the constant answer */
    int64_t stale;        /* looks since it last gained */
    int64_t select_steps; /* of all phases */
    int64_t select_start; /* step at which they began */
    int64_t phases, phase;
    int64_t phase_step; /* steps inside the phase */
    int64_t settle_step, settle_steps;
    int64_t round;       /* of replacement */
    int64_t drop_rounds; /* left */
    double loss;         /* running mean */
    int64_t trace_every;
} pare_attention;

void pare_attention_pick(pare_attention *attention, int64_t candidate);
/* The open candidate with the largest logit; with costs, of largest gain per cost among those that
 * fit into the allowance; -1 if none is. */
int64_t pare_attention_best_open(const pare_attention *attention);
/* Picks the `wanted` best open candidates; with costs, as many more as this phase may spend. */
void pare_attention_pick_best(pare_attention *attention, int64_t wanted);
/* Puts the `drop` least useful of the picked that are not forced back among the open (or bars
 * them when `out`). */
void pare_attention_drop_least(pare_attention *attention, int64_t drop, bool out);
/* One round of dropping: an even share of what is too many or too dear. */
void pare_attention_drop_round(pare_attention *attention);
/* With costs: dropped ones that fit beside the rest come back, the most useful per cost first. */
void pare_attention_refill(pare_attention *attention);
/* The choice a caller sees: the first k picked (that fit), scored by usefulness. */
void pare_attention_publish(pare_attention *attention);
/* How many of the picked must go; with costs, about how many. */
int64_t pare_attention_surplus_count(const pare_attention *attention);

#endif
