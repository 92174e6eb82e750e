/* Small things several methods do the same way. */
#ifndef PARE_SELECT_CHOICE_H
#define PARE_SELECT_CHOICE_H

#include "select/method.h"

/* open[j] = 1 for the candidates that are neither barred nor forced. open: (count). */
void pare_open_candidates(const pare_task *task, uint8_t *open);

/* Among the open candidates, the one with the largest value; -1 if none is open. Ties: the lower
 * number. */
int64_t pare_largest_open(int64_t count, const uint8_t *open, const double *value);

/* The choice anew: the forced in number order, then the largest scores among the others that are
 * not barred until there are k. open: (count) scratch. */
void pare_choice_largest(const pare_task *task, const double *score, uint8_t *open,
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
