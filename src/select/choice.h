/* Small things several methods do the same way. */
#ifndef PARE_SELECT_CHOICE_H
#define PARE_SELECT_CHOICE_H

#include "select/method.h"

/* open[j] = 1 for the candidates that are neither barred nor forced. open: (count). */
void pare_open_candidates(const pare_task *task, uint8_t *open);

/* Whether candidate j can be added to what costs `spent`. Decimal costs add up to a budget only but
 * for rounding: 0.1 three times fits into 0.3. */
static inline bool pare_fits(const pare_task *task, double spent, int64_t j) {
    return !task->cost || spent + task->cost[j] <= task->budget * (1 + 1e-12);
}

/* Gain per cost; what is worth less than nothing is worth the less the dearer. */
static inline double pare_worth(const pare_task *task, int64_t j, double gain) {
    return !task->cost ? gain : gain > 0 ? gain / task->cost[j] : gain * task->cost[j];
}

/* Sum of the costs of some candidates, in that order; 0 without costs. */
double pare_spent(const pare_task *task, int64_t count, const int64_t *item);

/* Among the open candidates, the one with the largest value; -1 if none is open. Ties: the lower
 * number. */
int64_t pare_largest_open(int64_t count, const uint8_t *open, const double *value);

/*
 * The choice anew: the forced in number order, then the largest scores among the others that are
 * not barred until there are k. open: (count) scratch. With costs, those of largest score per cost
 * that still fit, or where the sum of scores is larger so, those of largest score that still fit:
 * at least half the best sum (Martello and Toth 1990, section 2.4). Ties: the lower number.
 */
void pare_choice_largest(const pare_task *task, const double *score, uint8_t *open,
                         pare_choice *choice);

/* The same with `by_score`: always by score, the cost only limits. */
void pare_choice_take(const pare_task *task, const double *score, bool by_score, uint8_t *open,
                      pare_choice *choice);

/* Weight of a candidate's penalty: square root of its number of features (Yuan and Lin 2006). */
double pare_group_weight(const pare_objective *objective, int64_t candidate);

/* Something to save, for visit slots. */
typedef struct pare_saved_part {
    void *data;
    int64_t length; /* bytes */
} pare_saved_part;

pare_status pare_visit_parts(const pare_visitor *visitor, size_t count,
                             const pare_saved_part *parts) PARE_MUST_CHECK;

/* Arrays of `count` elements each, set to zero. On failure some are allocated. */
typedef struct pare_array_part {
    void *array; /* address of the pointer */
    size_t size; /* of an element */
} pare_array_part;

pare_status pare_alloc_parts(pare_context *ctx, int64_t count, size_t parts,
                             const pare_array_part *part) PARE_MUST_CHECK;

#endif
