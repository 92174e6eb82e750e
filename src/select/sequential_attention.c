/*
 * Sequential Attention (Yasuda, Bateni, Chen, Fahrbach, Fu, Mirrokni, ICLR 2023, algorithm 1, the
 * one-pass form), and its one-shot relative lly (Liao, Latty, Yang 2021).
 *
 * One training run: a warm-up in which the mask is all ones, then phases. In a phase the mask is 1
 * for the chosen and softmax(logits) over the open candidates; at its END the candidate with the
 * largest logit is chosen, and logits and their moments start again from 0. Three measured
 * departures from the published code (docs/method.md has the numbers):
 *  - the warm-up goes on while the validation score shows that the network has not learned yet;
 *  - `surplus` * k are chosen; then the network settles on the chosen alone, and those whose
 *    removal costs least are dropped, a few at a time, until k are left;
 *  - with `replace`, the least useful tenth is put back and must win its place again.
 * What a removal costs is the objective's `losses`, or where it has none the running mean of the
 * first-order effect |dL/dm_j| (the mask of a chosen candidate is 1).
 *
 * With costs, gain per cost decides. Logits only order: Adam moves them by sign, not by size. A
 * phase therefore ends with the largest -sum dL/dm_j per cost, which is the first-order gain of
 * opening the candidate; phases spend `surplus` times the budget evenly, and what then is dropped
 * costs least to miss per cost, until the rest is within the budget; dropped ones that still fit
 * come back.
 */
#include "select/attention.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

enum { STEPS_PER_CALL = 16, PHASE_STEPS_MIN = 16, REPLACE_ROUNDS = 3, DROP_ROUNDS = 4 };

/* Measured: docs/method.md, "settings". */
static const double default_mask_rate = 1e-2;
static const double default_warm_up = 0.1;
/* The warm-up may grow to this multiple of the planned run. */
static const double warm_up_cap = 1.5;
/* Learned: the score stands this many standard errors above the constant answer, ... */
static const double learned_errors = 2.0;
/* ... and no look gained more than this share of its lead over the best before: for so many looks,
 * fewer where the lead is beyond doubt. */
static const double learned_gain = 0.05;
static const double sure_errors = 6.0;
enum { PATIENCE = 3, PATIENCE_SURE = 1 };
/* Running mean of |dL/dm_j|: share of the newest step. */
static const double usefulness_rate = 0.02;
/* Steps on the chosen alone while dropping, as a share of those of the phases; and where nothing
 * is dropped, only to score. */
static const double settle_share = 0.2;
static const double settle_share_score = 0.05;

static void set_loss(pare_attention *a, double loss) {
    a->loss = isnan(a->loss) ? loss : a->loss + 0.05 * (loss - a->loss);
    a->choice->loss = a->loss;
    pare_choice *choice = a->choice;
    if (a->step % a->trace_every == 0 && choice->trace_count < PARE_TRACE_MAX) {
        int64_t per_epoch = a->task.objective->steps_per_epoch;
        choice->trace_epoch[choice->trace_count] = (double)a->step / (double)per_epoch;
        choice->trace_loss[choice->trace_count] = a->loss;
        choice->trace_count++;
    }
}

/* Mask of a phase: 1 for picked, softmax over the open, 0 for the rest. */
static void phase_mask(pare_attention *a) {
    int64_t count = a->task.objective->count;
    double highest = -INFINITY;
    for (int64_t j = 0; j < count; j++) {
        if (a->open[j] && (double)a->logit[j] > highest) {
            highest = (double)a->logit[j];
        }
    }
    double sum = 0;
    for (int64_t j = 0; j < count; j++) {
        if (a->open[j]) {
            a->mask[j] = expf(a->logit[j] - (float)highest);
            sum += (double)a->mask[j];
        }
    }
    float factor = sum > 0 ? (float)(1 / sum) : 0;
    for (int64_t j = 0; j < count; j++) {
        if (a->open[j]) {
            a->mask[j] *= factor;
        }
    }
}

/* Adam on the logits. d logit_j = m_j (dm_j - sum_i m_i dm_i) over the open candidates. */
static void logit_step(pare_attention *a) {
    int64_t count = a->task.objective->count;
    double mean = 0;
    for (int64_t j = 0; j < count; j++) {
        if (a->open[j]) {
            mean += (double)a->mask[j] * (double)a->d_mask[j];
        }
    }
    double t = (double)(a->phase_step + 1);
    double rate = a->task.mask_rate > 0 ? a->task.mask_rate : default_mask_rate;
    double correction = sqrt(1 - pow(0.999, t)) / (1 - pow(0.9, t));
    pare_adam adam = {
        (float)(rate * correction), 0.9f, 0.999f, (float)(1e-8 * sqrt(1 - pow(0.999, t))), 0, 1};
    for (int64_t j = 0; j < count; j++) {
        a->d_mask[j] = a->open[j] ? a->mask[j] * (a->d_mask[j] - (float)mean) : 0;
    }
    a->task.ctx->kernels->adam(count, &adam, a->d_mask, a->logit, a->first, a->second);
}

static void note_gain(pare_attention *a) {
    for (int64_t j = 0; a->task.cost && j < a->task.objective->count; j++) {
        a->gain[j] -= a->open[j] ? (double)a->d_mask[j] : 0;
    }
}

static void note_usefulness(pare_attention *a) {
    for (int64_t i = 0; i < a->picked_count; i++) {
        int64_t j = a->picked[i];
        a->usefulness[j] += usefulness_rate * (fabs((double)a->d_mask[j]) - a->usefulness[j]);
    }
}

static void start_phase(pare_attention *a) {
    size_t bytes = (size_t)a->task.objective->count * sizeof(float);
    memset(a->logit, 0, bytes);
    memset(a->first, 0, bytes);
    memset(a->second, 0, bytes);
    for (int64_t j = 0; j < a->task.objective->count; j++) {
        a->gain[j] = 0;
    }
    a->phase_step = 0;
}

/* Has the network learned what it can at this point? */
static pare_status look(pare_attention *a, bool *learned) {
    pare_objective *objective = a->task.objective;
    pare_metrics metrics = {0};
    pare_status status =
        objective->slots->evaluate(objective->self, a->mask, PARE_ROWS_VALIDATION, &metrics);
    if (status != PARE_OK) {
        return status;
    }
    if (metrics.rows == 0) {
        *learned = true;
        return PARE_OK;
    }
    double lead = metrics.score - metrics.null_score;
    double error = isnan(metrics.score_error) ? 0 : metrics.score_error;
    bool gained = lead - a->best_lead > learned_gain * fabs(lead);
    a->stale = gained ? 0 : a->stale + 1;
    a->best_lead = fmax(a->best_lead, lead);
    *learned = lead > learned_errors * error &&
               a->stale >= (lead > sure_errors * error ? PATIENCE_SURE : PATIENCE);
    return PARE_OK;
}

static pare_status warm_up(pare_attention *a) {
    pare_objective *objective = a->task.objective;
    for (int i = 0; i < STEPS_PER_CALL; i++) {
        double loss = 0;
        pare_status status = objective->slots->step(objective->self, a->mask, &loss, NULL);
        if (status != PARE_OK) {
            return status;
        }
        a->step++;
        set_loss(a, loss);
        bool over = a->step >= a->warm_steps_most;
        if (!over && a->step >= a->warm_steps - a->window_steps && a->step % a->window_steps == 0) {
            bool learned = false;
            status = look(a, &learned);
            if (status != PARE_OK) {
                return status;
            }
            over = learned && a->step >= a->warm_steps;
        }
        if (over) {
            a->stage = PARE_ATTENTION_SELECT;
            a->choice->stage = "select";
            a->select_start = a->step;
            start_phase(a);
            return PARE_OK;
        }
    }
    return PARE_OK;
}

/* After the last phase of a pass the network settles on the chosen alone; what follows depends on
 * whether a round of replacement is due. */
static void end_of_phases(pare_attention *a) {
    int64_t drop = pare_attention_surplus_count(a);
    a->stage = PARE_ATTENTION_SETTLE;
    a->choice->stage = "settle";
    a->settle_step = 0;
    a->drop_rounds = drop < 1 ? 1 : drop < DROP_ROUNDS ? drop : DROP_ROUNDS;
    double share = drop > 0 ? settle_share : settle_share_score;
    a->settle_steps = 1 + (int64_t)(share * (double)a->select_steps) / a->drop_rounds;
    for (int64_t j = 0; j < a->task.objective->count; j++) {
        a->mask[j] = a->open[j] ? 0 : a->mask[j];
    }
}

static pare_status select_steps(pare_attention *a) {
    pare_objective *objective = a->task.objective;
    for (int i = 0; i < STEPS_PER_CALL; i++) {
        double loss = 0;
        phase_mask(a);
        pare_status status = objective->slots->step(objective->self, a->mask, &loss, a->d_mask);
        if (status != PARE_OK) {
            return status;
        }
        note_usefulness(a);
        note_gain(a);
        logit_step(a);
        a->step++;
        a->phase_step++;
        set_loss(a, loss);
        if (a->step - a->select_start >= (a->phase + 1) * a->select_steps / a->phases) {
            pare_attention_pick_best(a, a->task.picks_per_phase);
            pare_attention_publish(a);
            start_phase(a);
            a->phase++;
            bool full = a->task.cost && pare_attention_best_open(a) < 0;
            if (a->phase >= a->phases || a->picked_count >= a->goal || full) {
                end_of_phases(a);
                return PARE_OK;
            }
        }
    }
    return PARE_OK;
}

/* Cost of removing each of the picked, into usefulness, if the objective can tell. */
static pare_status measure(pare_attention *a) {
    pare_objective *objective = a->task.objective;
    if (!objective->slots->losses) {
        return PARE_OK;
    }
    pare_status status =
        objective->slots->losses(objective->self, a->picked_count, a->picked, a->cost);
    for (int64_t i = 0; status == PARE_OK && i < a->picked_count; i++) {
        a->usefulness[a->picked[i]] = a->cost[i];
    }
    return status;
}

/* The least useful tenth goes back among the open, and phases follow to fill its places. */
static void replace_some(pare_attention *a) {
    int64_t again = (a->picked_count + 9) / 10;
    int64_t phase_steps = a->select_steps / a->phases;
    a->round++;
    pare_attention_drop_least(a, again, false);
    a->stage = PARE_ATTENTION_SELECT;
    a->choice->stage = "replace";
    a->phase = 0;
    int64_t open = a->task.cost ? again : a->goal - a->picked_count;
    a->phases = open > 0 ? open : 1;
    a->select_steps = a->phases * (phase_steps > PHASE_STEPS_MIN ? phase_steps : PHASE_STEPS_MIN);
    a->select_start = a->step;
    start_phase(a);
}

static pare_status settle(pare_attention *a) {
    pare_objective *objective = a->task.objective;
    for (int i = 0; i < STEPS_PER_CALL && a->settle_step < a->settle_steps; i++) {
        double loss = 0;
        /* Without d_mask the objective may leave out what the mask removes. */
        float *d_mask = objective->slots->losses ? NULL : a->d_mask;
        pare_status status = objective->slots->step(objective->self, a->mask, &loss, d_mask);
        if (status != PARE_OK) {
            return status;
        }
        if (d_mask) {
            note_usefulness(a);
        }
        a->settle_step++;
        a->step++;
        set_loss(a, loss);
    }
    if (a->settle_step < a->settle_steps) {
        return PARE_OK;
    }
    pare_status status = measure(a);
    if (status != PARE_OK) {
        return status;
    }
    if (a->task.replace && a->round < REPLACE_ROUNDS) {
        replace_some(a);
        return PARE_OK;
    }
    pare_attention_drop_round(a);
    a->settle_step = 0;
    if (--a->drop_rounds == 0 || pare_attention_surplus_count(a) <= 0) {
        pare_attention_refill(a);
        pare_attention_publish(a);
        a->stage = PARE_ATTENTION_DONE;
    }
    return PARE_OK;
}

static pare_status attention_step(void *state, bool *done) {
    pare_attention *a = state;
    pare_status status = PARE_OK;
    switch (a->stage) {
    case PARE_ATTENTION_WARM_UP:
        status = warm_up(a);
        break;
    case PARE_ATTENTION_SELECT:
        status = select_steps(a);
        break;
    case PARE_ATTENTION_SETTLE:
        status = settle(a);
        break;
    case PARE_ATTENTION_DONE:
        break;
    }
    double planned = (double)a->warm_steps + (1 + settle_share) * (double)a->select_steps;
    a->choice->fraction = fmin(0.999, (double)a->step / planned);
    *done = status == PARE_OK && a->stage == PARE_ATTENTION_DONE;
    return status;
}

static void attention_destroy(void *state) {
    pare_attention *a = state;
    if (!a) {
        return;
    }
    pare_context *ctx = a->task.ctx;
    pare_free(ctx, a->picked);
    pare_free(ctx, a->mask);
    pare_free(ctx, a->d_mask);
    pare_free(ctx, a->logit);
    pare_free(ctx, a->first);
    pare_free(ctx, a->second);
    pare_free(ctx, a->usefulness);
    pare_free(ctx, a->cost);
    pare_free(ctx, a->open);
    pare_free(ctx, a->gain);
    pare_free(ctx, a);
}

/* Lays the run out: warm-up, phases, and how many to pick. */
static void plan(pare_attention *a) {
    const pare_task *task = &a->task;
    int64_t count = task->objective->count;
    int64_t can = 0, forced = 0;
    for (int64_t j = 0; j < count; j++) {
        a->open[j] = !task->barred[j];
        a->mask[j] = task->barred[j] ? 0.0f : 1.0f;
        can += !task->barred[j];
        forced += task->forced[j];
    }
    double more = a->sequential ? ceil((double)task->k * task->surplus) : (double)task->k;
    a->goal = more < (double)can ? (int64_t)more : can;
    int64_t picks = a->goal - forced;
    if (task->cost) {
        double each = 0, before = 0;
        for (int64_t j = 0; j < count; j++) {
            each += task->barred[j] ? 0 : task->cost[j] / (double)can;
            before += task->forced[j] ? task->cost[j] : 0;
        }
        a->allowance = task->budget * (a->sequential ? task->surplus : 1);
        double about = fmax(1, ceil((a->allowance - before) / each));
        picks = about < (double)picks ? (int64_t)about : picks;
    }
    a->task.picks_per_phase = a->sequential ? task->picks_per_phase : a->goal;
    a->phases = (picks + a->task.picks_per_phase - 1) / a->task.picks_per_phase;

    int64_t per_epoch = task->objective->steps_per_epoch;
    double steps = fmax(1, round(task->epochs * (double)per_epoch));
    double share = task->warm_up < 0 ? default_warm_up : task->warm_up;
    a->warm_steps = (int64_t)(share * steps);
    a->warm_steps_most =
        task->warm_up < 0 && a->sequential ? (int64_t)(warm_up_cap * steps) : a->warm_steps;
    a->window_steps = (int64_t)fmax(1, 0.05 * steps);
    a->select_steps = (int64_t)steps - a->warm_steps;
    if (a->select_steps < a->phases * PHASE_STEPS_MIN) {
        a->select_steps = a->phases * PHASE_STEPS_MIN;
    }
    int64_t longest = a->warm_steps_most + 2 * a->select_steps;
    a->trace_every = longest / PARE_TRACE_MAX + 1;
    a->stage = a->warm_steps > 0 ? PARE_ATTENTION_WARM_UP : PARE_ATTENTION_SELECT;
    a->choice->stage = a->warm_steps > 0 ? "warm-up" : "select";
}

static pare_status attention_create(const pare_task *task, pare_choice *choice, bool sequential,
                                    void **out) {
    *out = NULL;
    pare_context *ctx = task->ctx;
    int64_t count = task->objective->count;
    pare_attention *a = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *a, &a);
    if (status != PARE_OK) {
        return status;
    }
    a->task = *task;
    a->choice = choice;
    a->sequential = sequential;
    a->loss = NAN;
    a->best_lead = -INFINITY;
    const struct {
        void *array;
        size_t size;
    } arrays[] = {{&a->picked, sizeof *a->picked},
                  {&a->mask, sizeof *a->mask},
                  {&a->d_mask, sizeof *a->d_mask},
                  {&a->logit, sizeof *a->logit},
                  {&a->first, sizeof *a->first},
                  {&a->second, sizeof *a->second},
                  {&a->usefulness, sizeof *a->usefulness},
                  {&a->cost, sizeof *a->cost},
                  {&a->open, sizeof *a->open},
                  {&a->gain, sizeof *a->gain}};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    plan(a);
    for (int64_t j = 0; j < count; j++) {
        if (task->forced[j]) {
            pare_attention_pick(a, j);
        }
    }
    pare_attention_publish(a);
    if (a->picked_count >= a->goal) {
        a->stage = PARE_ATTENTION_DONE;
    }
    pare_objective *objective = task->objective;
    status = objective->slots->reset(objective->self, task->seed, a->warm_steps + a->select_steps);
    if (status != PARE_OK) {
        goto fail;
    }
    *out = a;
    return PARE_OK;
fail:
    attention_destroy(a);
    return status;
}

static pare_status sequential_create(const pare_task *task, pare_choice *choice, void **out) {
    return attention_create(task, choice, true, out);
}

static pare_status lly_create(const pare_task *task, pare_choice *choice, void **out) {
    return attention_create(task, choice, false, out);
}

static pare_status attention_visit(void *state, const pare_visitor *visitor) {
    pare_attention *a = state;
    int64_t count = a->task.objective->count;
    int64_t vector = count * (int64_t)sizeof(float);
    const struct {
        void *data;
        int64_t length;
    } parts[] = {
        {&a->picked_count, sizeof a->picked_count},
        {a->picked, count * (int64_t)sizeof *a->picked},
        {a->mask, vector},
        {a->logit, vector},
        {a->first, vector},
        {a->second, vector},
        {a->usefulness, count * (int64_t)sizeof *a->usefulness},
        {a->open, count},
        {a->gain, count * (int64_t)sizeof *a->gain},
        {&a->stage, sizeof a->stage},
        {&a->step, sizeof a->step},
        {&a->best_lead, sizeof a->best_lead},
        {&a->stale, sizeof a->stale},
        {&a->select_steps, sizeof a->select_steps},
        {&a->select_start, sizeof a->select_start},
        {&a->phases, sizeof a->phases},
        {&a->phase, sizeof a->phase},
        {&a->phase_step, sizeof a->phase_step},
        {&a->settle_step, sizeof a->settle_step},
        {&a->settle_steps, sizeof a->settle_steps},
        {&a->drop_rounds, sizeof a->drop_rounds},
        {&a->round, sizeof a->round},
        {&a->loss, sizeof a->loss},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        pare_status status = visitor->bytes(visitor->user, parts[i].data, parts[i].length);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

const pare_method pare_method_sequential_attention = {
    .name = "sequential-attention",
    .costs = true,
    .create = sequential_create,
    .step = attention_step,
    .visit = attention_visit,
    .destroy = attention_destroy,
};

const pare_method pare_method_lly = {
    .name = "lly",
    .costs = true,
    .create = lly_create,
    .step = attention_step,
    .visit = attention_visit,
    .destroy = attention_destroy,
};
