#include "select/choice.h"

#include <math.h>

void pare_open_candidates(const pare_task *task, uint8_t *open) {
    for (int64_t j = 0; j < task->objective->count; j++) {
        open[j] = !task->barred[j] && !task->forced[j];
    }
}

int64_t pare_largest_open(int64_t count, const uint8_t *open, const double *value) {
    int64_t best = -1;
    for (int64_t j = 0; j < count; j++) {
        if (open[j] && (best < 0 || value[j] > value[best])) {
            best = j;
        }
    }
    return best;
}

double pare_spent(const pare_task *task, int64_t count, const int64_t *item) {
    double spent = 0;
    for (int64_t i = 0; task->cost && i < count; i++) {
        spent += task->cost[item[i]];
    }
    return spent;
}

/* Among the open candidates that fit, the one of largest score or worth; -1 if there is none. */
static int64_t largest_fitting(const pare_task *task, const uint8_t *open, const double *score,
                               bool by_score, double spent) {
    int64_t best = -1;
    double most = 0;
    for (int64_t j = 0; j < task->objective->count; j++) {
        if (!open[j] || !pare_fits(task, spent, j)) {
            continue;
        }
        double value = by_score ? score[j] : pare_worth(task, j, score[j]);
        if (best < 0 || value > most) {
            best = j;
            most = value;
        }
    }
    return best;
}

void pare_choice_take(const pare_task *task, const double *score, bool by_score, uint8_t *open,
                      pare_choice *choice) {
    int64_t count = task->objective->count;
    pare_open_candidates(task, open);
    choice->count = 0;
    for (int64_t j = 0; j < count && choice->count < task->k; j++) {
        if (task->forced[j]) {
            pare_choice_add(choice, j, score[j]);
        }
    }
    double spent = pare_spent(task, choice->count, choice->item);
    while (choice->count < task->k) {
        int64_t best = largest_fitting(task, open, score, by_score, spent);
        if (best < 0) {
            return;
        }
        open[best] = 0;
        pare_choice_add(choice, best, score[best]);
        spent += task->cost ? task->cost[best] : 0;
    }
}

static double total(const pare_choice *choice) {
    double sum = 0;
    for (int64_t i = 0; i < choice->count; i++) {
        sum += choice->score[i];
    }
    return sum;
}

void pare_choice_largest(const pare_task *task, const double *score, uint8_t *open,
                         pare_choice *choice) {
    pare_choice_take(task, score, false, open, choice);
    if (task->cost) {
        double sum = total(choice);
        pare_choice_take(task, score, true, open, choice);
        if (!(total(choice) > sum)) {
            pare_choice_take(task, score, false, open, choice);
        }
    }
}

double pare_group_weight(const pare_objective *objective, int64_t candidate) {
    int64_t size =
        objective->start ? objective->start[candidate + 1] - objective->start[candidate] : 1;
    return size > 1 ? sqrt((double)size) : 1;
}

pare_status pare_visit_parts(const pare_visitor *visitor, size_t count,
                             const pare_saved_part *parts) {
    for (size_t i = 0; i < count; i++) {
        if (parts[i].length == 0) {
            continue;
        }
        pare_status status = visitor->bytes(visitor->user, parts[i].data, parts[i].length);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

pare_status pare_alloc_parts(pare_context *ctx, int64_t count, size_t parts,
                             const pare_array_part *part) {
    for (size_t i = 0; i < parts; i++) {
        pare_status status = pare_alloc_zero(ctx, count, part[i].size, part[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}
