/* What sequential attention picks and drops: by logits and usefulness, with costs by gain and
 * usefulness per cost within the budget. */
#include "select/attention.h"

#include <math.h>
#include <string.h>

void pare_attention_pick(pare_attention *a, int64_t j) {
    a->picked[a->picked_count++] = j;
    a->open[j] = 0;
    a->mask[j] = 1;
    a->usefulness[j] = 0;
}

static double spent(const pare_attention *a) {
    return pare_spent(&a->task, a->picked_count, a->picked);
}

int64_t pare_attention_best_open(const pare_attention *a) {
    pare_task task = a->task;
    task.budget = a->allowance;
    double now = spent(a), most = 0;
    int64_t best = -1;
    for (int64_t j = 0; j < task.objective->count; j++) {
        if (!a->open[j] || !pare_fits(&task, now, j)) {
            continue;
        }
        double value = task.cost ? pare_worth(&task, j, a->gain[j]) : (double)a->logit[j];
        if (best < 0 || value > most) {
            best = j;
            most = value;
        }
    }
    return best;
}

void pare_attention_pick_best(pare_attention *a, int64_t wanted) {
    double target = a->task.cost ? a->allowance * (double)(a->phase + 1) / (double)a->phases : 0;
    for (; a->picked_count < a->goal && (wanted > 0 || spent(a) < target); wanted--) {
        int64_t best = pare_attention_best_open(a);
        if (best < 0) {
            return;
        }
        /* A new choice starts with the usefulness of the others, not with 0. */
        double mean = 0;
        for (int64_t i = 0; i < a->picked_count; i++) {
            mean += a->usefulness[a->picked[i]] / (double)a->picked_count;
        }
        pare_attention_pick(a, best);
        a->usefulness[best] = mean;
    }
}

/* The picked one that is least useful (per cost) among those not forced, -1: none. */
static int64_t least_useful(const pare_attention *a) {
    int64_t worst = -1;
    double least = 0;
    for (int64_t i = 0; i < a->picked_count; i++) {
        int64_t j = a->picked[i];
        double value = pare_worth(&a->task, j, a->usefulness[j]);
        if (!a->task.forced[j] && (worst < 0 || value < least)) {
            worst = i;
            least = value;
        }
    }
    return worst;
}

/* Puts the least useful of the picked back among the open, or bars it when `out`; false: there is
 * none that may go. */
static bool drop_one(pare_attention *a, bool out) {
    int64_t worst = least_useful(a);
    if (worst < 0) {
        return false;
    }
    int64_t j = a->picked[worst];
    a->picked_count--;
    memmove(a->picked + worst, a->picked + worst + 1,
            (size_t)(a->picked_count - worst) * sizeof *a->picked);
    a->open[j] = !out;
    a->mask[j] = 0;
    return true;
}

void pare_attention_drop_least(pare_attention *a, int64_t drop, bool out) {
    while (drop > 0 && drop_one(a, out)) {
        drop--;
    }
}

void pare_attention_drop_round(pare_attention *a) {
    if (!a->task.cost) {
        pare_attention_drop_least(
            a, (a->picked_count - a->task.k + a->drop_rounds - 1) / a->drop_rounds, true);
        return;
    }
    double budget = a->task.budget * (1 + 1e-12), over = spent(a) - budget;
    double target = budget + over * (double)(a->drop_rounds - 1) / (double)a->drop_rounds;
    int64_t most =
        a->task.k + (a->picked_count - a->task.k) * (a->drop_rounds - 1) / a->drop_rounds;
    while (((over > 0 && spent(a) > target) || a->picked_count > most) && drop_one(a, true)) {
    }
}

void pare_attention_refill(pare_attention *a) {
    while (a->task.cost && a->picked_count < a->task.k) {
        int64_t best = -1;
        double now = spent(a), most = 0;
        for (int64_t j = 0; j < a->task.objective->count; j++) {
            bool dropped = !a->open[j] && !a->task.barred[j] && a->mask[j] == 0;
            double value = pare_worth(&a->task, j, a->usefulness[j]);
            if (dropped && value > most && pare_fits(&a->task, now, j)) {
                best = j;
                most = value;
            }
        }
        if (best < 0) {
            return;
        }
        double useful = a->usefulness[best];
        pare_attention_pick(a, best);
        a->usefulness[best] = useful;
    }
}

void pare_attention_publish(pare_attention *a) {
    double now = 0;
    a->choice->count = 0;
    for (int64_t i = 0; i < a->picked_count && a->choice->count < a->task.k; i++) {
        int64_t j = a->picked[i];
        if (pare_fits(&a->task, now, j)) {
            pare_choice_add(a->choice, j, a->usefulness[j]);
            now += a->task.cost ? a->task.cost[j] : 0;
        }
    }
}

int64_t pare_attention_surplus_count(const pare_attention *a) {
    int64_t drop = a->picked_count - a->task.k;
    if (a->task.cost && a->picked_count > 0) {
        double sum = spent(a), each = sum / (double)a->picked_count;
        bool over = sum > a->task.budget * (1 + 1e-12);
        int64_t dear = over ? (int64_t)ceil((sum - a->task.budget) / each) : 0;
        drop = dear > drop ? dear : drop;
    }
    return drop;
}
