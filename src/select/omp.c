/*
 * Orthogonal matching pursuit (Pati, Rezaiifar, Krishnaprasad 1993) on any objective with exact
 * gains: choose the candidate with the largest gain, refit on all chosen, again. For least squares
 * that is the classical pursuit, for several responses its simultaneous form (Tropp, Gilbert,
 * Strauss 2006), for candidates of several features group pursuit (Swirszcz, Abe, Lozano 2009),
 * for classes the pursuit by gradients of Lozano, Swirszcz, Abe (2011). `picks_per_phase` are
 * taken at a time. With `replace`, a chosen candidate is then exchanged for another whenever that
 * lowers the loss (as Axiotis and Sviridenko 2021 do, "OMPR"), until no exchange that was tried
 * does: for each chosen one, cheapest to miss first, those with the largest gains after its
 * removal. Equal gains: the lower number. With costs the candidate of largest gain per cost among
 * those that still fit the budget is chosen, until none does; then all over by gain alone, since a
 * cheap early choice may leave no room for a dear one that is worth more; the lower loss stands
 * (Khuller, Moss, Naor 1999; Leskovec et al. 2007). An exchange must fit.
 */
#include "select/choice.h"

#include <math.h>
#include <string.h>

enum { EXCHANGES_TRIED = 3 };

/* An exchange must lower the loss by this share of it: above the rounding of the predictors, or two
 * equal columns would take each other's place for ever. */
static const double improvement = 1e-6;

typedef enum omp_stage { STAGE_FORCED, STAGE_SELECT, STAGE_REPLACE, STAGE_DONE } omp_stage;

typedef struct omp {
    pare_task task;
    pare_choice *choice;
    omp_stage stage;
    int64_t goal;       /* k, or all that can be chosen */
    double *gain;       /* (count) */
    uint8_t *open;      /* (count) can still be chosen */
    uint8_t *near;      /* (count) scratch: may have the largest gain per cost */
    int64_t *trial;     /* (goal) */
    double *cost;       /* (goal) of removing each */
    uint8_t *refused;   /* (goal) its removal was tried in vain since the last exchange */
    double loss;        /* on the training rows, of what is being chosen */
    bool plain;         /* the second pass, by gain alone */
    pare_choice second; /* its choice, of the same size */
    double first_loss;  /* of the first */
} omp;

/* What is being chosen: the choice, or beside it that of the second pass. */
static pare_choice *current(omp *o) {
    return o->plain ? &o->second : o->choice;
}

static pare_status measure_loss(omp *o, double *loss) {
    const pare_objective *objective = o->task.objective;
    pare_metrics metrics = {0};
    pare_status status =
        objective->slots->evaluate(objective->self, NULL, PARE_ROWS_TRAIN, &metrics);
    *loss = metrics.loss;
    return status;
}

/* Refits on the choice and notes its loss. The scores from number `from` on become exact: they must
 * not depend on the rounding by which the gains were found. */
static pare_status refit(omp *o, int64_t from) {
    const pare_objective *objective = o->task.objective;
    pare_choice *choice = current(o);
    pare_status status = objective->slots->fit(objective->self, choice->count, choice->item);
    if (status == PARE_OK) {
        status = measure_loss(o, &o->loss);
    }
    if (status == PARE_OK && objective->slots->gained && from < choice->count) {
        status = objective->slots->gained(objective->self, from, choice->score + from);
    }
    if (status != PARE_OK || o->plain) {
        return status;
    }
    choice->loss = o->loss;
    int64_t every = o->goal / PARE_TRACE_MAX + 1;
    if ((choice->count % every == 0 || choice->count == o->goal) &&
        choice->trace_count < PARE_TRACE_MAX) {
        choice->trace_epoch[choice->trace_count] = (double)choice->count;
        choice->trace_loss[choice->trace_count] = o->loss;
        choice->trace_count++;
    }
    return PARE_OK;
}

/* The open candidate with the largest gain (per cost unless `plain`) among those that fit beside
 * what costs `spent`, -1 if none is open. */
static int64_t best_open(const omp *o, double spent, bool plain) {
    int64_t best = -1;
    double most = 0;
    for (int64_t j = 0; j < o->task.objective->count; j++) {
        if (!o->open[j] || !pare_fits(&o->task, spent, j)) {
            continue;
        }
        double value = plain ? o->gain[j] : pare_worth(&o->task, j, o->gain[j]);
        if (best < 0 || value > most) {
            best = j;
            most = value;
        }
    }
    return best;
}

/* Gains from float sums that may hide the largest gain per cost: within this share of it. */
static const double near_share = 1e-3;

/* Marks what may have the largest gain per cost; returns how many. */
static int64_t mark_near(omp *o, double spent) {
    int64_t best = best_open(o, spent, false), near = 0;
    for (int64_t j = 0; j < o->task.objective->count; j++) {
        o->near[j] = best >= 0 && o->open[j] && pare_fits(&o->task, spent, j) &&
                     pare_worth(&o->task, j, o->gain[j]) >=
                         (1 - near_share) * pare_worth(&o->task, best, o->gain[best]);
        near += o->near[j];
    }
    return near;
}

/* gain of every open candidate given the selected, of which `wanted` will be taken. by_worth: per
 * cost. */
static pare_status find_gains(omp *o, int64_t count, const int64_t *selected, int64_t wanted,
                              bool by_worth) {
    const pare_objective *objective = o->task.objective;
    pare_status status = objective->slots->gains(objective->self, count, selected, o->gain);
    if (status != PARE_OK || !objective->slots->resolve) {
        return status;
    }
    if (by_worth && o->task.cost) {
        int64_t near = mark_near(o, pare_spent(&o->task, count, selected));
        return near > 1 ? objective->slots->resolve(objective->self, o->near, near, o->gain)
                        : PARE_OK;
    }
    return objective->slots->resolve(objective->self, o->open, wanted, o->gain);
}

static pare_status choose_forced(omp *o) {
    for (int64_t j = 0; j < o->task.objective->count; j++) {
        if (o->task.forced[j]) {
            o->open[j] = 0;
            pare_choice_add(current(o), j, 0);
        }
    }
    /* Their score is what each gains alone. */
    pare_status status = find_gains(o, 0, NULL, 1, false);
    pare_choice *choice = current(o);
    for (int64_t i = 0; status == PARE_OK && i < choice->count; i++) {
        choice->score[i] = o->gain[choice->item[i]];
    }
    return status == PARE_OK ? refit(o, choice->count) : status;
}

/* *full: nothing more fits. */
static pare_status choose(omp *o, bool *full) {
    pare_choice *choice = current(o);
    int64_t wanted = o->goal - choice->count, before = choice->count;
    wanted = wanted < o->task.picks_per_phase ? wanted : o->task.picks_per_phase;
    double spent = pare_spent(&o->task, choice->count, choice->item);
    *full = best_open(o, spent, true) < 0;
    if (*full) {
        return PARE_OK;
    }
    pare_status status = find_gains(o, choice->count, choice->item, wanted, !o->plain);
    if (status != PARE_OK) {
        return status;
    }
    for (; wanted > 0; wanted--) {
        int64_t best = best_open(o, spent, o->plain);
        if (best < 0) {
            break;
        }
        o->open[best] = 0;
        spent += o->task.cost ? o->task.cost[best] : 0;
        pare_choice_add(choice, best, o->gain[best]);
    }
    return choice->count > before ? refit(o, before) : PARE_OK;
}

/* The chosen one that is cheapest to miss among those not refused, -1: all were. */
static int64_t next_removal(const omp *o) {
    int64_t best = -1;
    for (int64_t i = 0; i < o->choice->count; i++) {
        if (!o->refused[i] && !o->task.forced[o->choice->item[i]] &&
            (best < 0 || o->cost[i] < o->cost[best])) {
            best = i;
        }
    }
    return best;
}

/* One removal: the best of what may take its place, if that is better. */
static pare_status exchange(omp *o, bool *done) {
    const pare_objective *objective = o->task.objective;
    pare_choice *choice = o->choice;
    int64_t at = next_removal(o), count = choice->count;
    *done = at < 0;
    if (at < 0) {
        return objective->slots->fit(objective->self, count, choice->item);
    }
    int64_t out = choice->item[at];
    memcpy(o->trial, choice->item, (size_t)at * sizeof *o->trial);
    memcpy(o->trial + at, choice->item + at + 1, (size_t)(count - at - 1) * sizeof *o->trial);
    pare_status status = find_gains(o, count - 1, o->trial, EXCHANGES_TRIED, false);
    double spent = pare_spent(&o->task, count - 1, o->trial);
    int64_t in = -1;
    double loss = o->loss - improvement * fabs(o->loss), score = 0;
    int64_t tried[EXCHANGES_TRIED], tries = 0;
    for (; status == PARE_OK && tries < EXCHANGES_TRIED; tries++) {
        int64_t best = best_open(o, spent, true);
        if (best < 0) {
            break;
        }
        tried[tries] = best;
        o->open[best] = 0;
        o->trial[count - 1] = best;
        double now = 0;
        status = objective->slots->fit(objective->self, count, o->trial);
        if (status == PARE_OK) {
            status = measure_loss(o, &now);
        }
        if (status == PARE_OK && now < loss) {
            loss = now;
            in = best;
            score = o->gain[best];
        }
    }
    for (int64_t t = 0; t < tries; t++) {
        o->open[tried[t]] = 1;
    }
    if (status != PARE_OK || in < 0) {
        o->refused[at] = 1;
        return status;
    }
    o->open[in] = 0;
    o->open[out] = 1;
    memmove(choice->item + at, choice->item + at + 1,
            (size_t)(count - at - 1) * sizeof *choice->item);
    memmove(choice->score + at, choice->score + at + 1,
            (size_t)(count - at - 1) * sizeof *choice->score);
    choice->item[count - 1] = in;
    choice->score[count - 1] = score;
    memset(o->refused, 0, (size_t)o->goal);
    status = refit(o, count - 1);
    o->loss = fmin(o->loss, loss);
    return status == PARE_OK
               ? objective->slots->losses(objective->self, count, choice->item, o->cost)
               : status;
}

/* The first pass is over: the second begins with everything open. */
static void start_again(omp *o) {
    int64_t forced = 0;
    o->plain = true;
    o->first_loss = o->loss;
    o->second.count = 0;
    for (int64_t j = 0; j < o->task.objective->count; j++) {
        o->open[j] = !o->task.barred[j];
        forced += o->task.forced[j];
    }
    o->stage = forced > 0 ? STAGE_FORCED : STAGE_SELECT;
}

/* Both passes are over: the better choice stands, with what it leaves open. */
static pare_status take_better(omp *o) {
    pare_choice *choice = o->choice;
    o->plain = false;
    if (o->loss < o->first_loss - improvement * fabs(o->first_loss)) {
        size_t bytes = (size_t)o->second.count * sizeof *choice->item;
        choice->count = o->second.count;
        memcpy(choice->item, o->second.item, bytes);
        memcpy(choice->score, o->second.score, bytes);
    }
    for (int64_t j = 0; j < o->task.objective->count; j++) {
        o->open[j] = !o->task.barred[j];
    }
    for (int64_t i = 0; i < choice->count; i++) {
        o->open[choice->item[i]] = 0;
    }
    return refit(o, o->choice->count);
}

static pare_status end_of_choosing(omp *o) {
    const pare_objective *objective = o->task.objective;
    if (o->task.cost && !o->plain) {
        start_again(o);
        return PARE_OK;
    }
    if (o->plain) {
        pare_status status = take_better(o);
        if (status != PARE_OK) {
            return status;
        }
    }
    o->stage = STAGE_DONE;
    if (!o->task.replace || !objective->slots->losses || best_open(o, -INFINITY, true) < 0) {
        return PARE_OK;
    }
    o->stage = STAGE_REPLACE;
    o->choice->stage = "replace";
    return objective->slots->losses(objective->self, o->choice->count, o->choice->item, o->cost);
}

static pare_status omp_step(void *state, bool *done) {
    omp *o = state;
    pare_status status = PARE_OK;
    bool over = false;
    switch (o->stage) {
    case STAGE_FORCED:
        status = choose_forced(o);
        o->stage = status == PARE_OK ? STAGE_SELECT : o->stage;
        break;
    case STAGE_SELECT:
        if (current(o)->count < o->goal) {
            status = choose(o, &over);
        }
        if (status == PARE_OK && (over || current(o)->count >= o->goal)) {
            status = end_of_choosing(o);
        }
        break;
    case STAGE_REPLACE:
        status = exchange(o, &over);
        o->stage = over ? STAGE_DONE : o->stage;
        break;
    case STAGE_DONE:
        break;
    }
    double share = (double)o->choice->count / (double)o->goal;
    if (o->task.cost) {
        const pare_choice *now = current(o);
        share = pare_spent(&o->task, now->count, now->item) / o->task.budget;
        share = (share + (o->plain ? 1 : 0)) / 2;
    }
    o->choice->fraction = fmin(0.999, share);
    *done = status == PARE_OK && o->stage == STAGE_DONE;
    return status;
}

static void omp_destroy(void *state) {
    omp *o = state;
    if (!o) {
        return;
    }
    pare_context *ctx = o->task.ctx;
    pare_free(ctx, o->gain);
    pare_free(ctx, o->open);
    pare_free(ctx, o->near);
    pare_free(ctx, o->trial);
    pare_free(ctx, o->cost);
    pare_free(ctx, o->refused);
    pare_free(ctx, o->second.item);
    pare_free(ctx, o->second.score);
    pare_free(ctx, o);
}

static pare_status omp_create(const pare_task *task, pare_choice *choice, void **out) {
    *out = NULL;
    pare_context *ctx = task->ctx;
    int64_t count = task->objective->count, can = 0, forced = 0;
    omp *o = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *o, &o);
    if (status != PARE_OK) {
        return status;
    }
    o->task = *task;
    o->choice = choice;
    for (int64_t j = 0; j < count; j++) {
        can += !task->barred[j];
        forced += task->forced[j];
    }
    o->goal = task->k < can ? task->k : can;
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {{&o->gain, count, sizeof *o->gain},
                  {&o->open, count, sizeof *o->open},
                  {&o->near, count, sizeof *o->near},
                  {&o->trial, o->goal, sizeof *o->trial},
                  {&o->cost, o->goal, sizeof *o->cost},
                  {&o->refused, o->goal, sizeof *o->refused},
                  {&o->second.item, task->cost ? o->goal : 0, sizeof *o->second.item},
                  {&o->second.score, task->cost ? o->goal : 0, sizeof *o->second.score}};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            omp_destroy(o);
            return status;
        }
    }
    for (int64_t j = 0; j < count; j++) {
        o->open[j] = !task->barred[j];
    }
    o->stage = forced > 0 ? STAGE_FORCED : STAGE_SELECT;
    *out = o;
    return PARE_OK;
}

static pare_status omp_visit(void *state, const pare_visitor *visitor) {
    omp *o = state;
    int64_t second = o->task.cost ? o->goal : 0;
    const pare_saved_part parts[] = {
        {&o->stage, sizeof o->stage},
        {o->open, o->task.objective->count},
        {o->cost, o->goal * (int64_t)sizeof *o->cost},
        {o->refused, o->goal},
        {&o->loss, sizeof o->loss},
        {&o->plain, sizeof o->plain},
        {&o->first_loss, sizeof o->first_loss},
        {&o->second.count, sizeof o->second.count},
        {o->second.item, second * (int64_t)sizeof *o->second.item},
        {o->second.score, second * (int64_t)sizeof *o->second.score},
    };
    return pare_visit_parts(visitor, sizeof parts / sizeof parts[0], parts);
}

const pare_method pare_method_omp = {
    .name = "omp",
    .costs = true,
    .create = omp_create,
    .step = omp_step,
    .visit = omp_visit,
    .destroy = omp_destroy,
};
