/*
 * What a selection method is. A method is one file: it fills a pare_method and is listed in
 * method.c. It sees candidates only as numbers 0 .. count - 1.
 */
#ifndef PARE_SELECT_METHOD_H
#define PARE_SELECT_METHOD_H

#include "select/objective.h"

struct pare_pool;

/* What is asked of a method. Arrays are borrowed until destroy. */
typedef struct pare_task {
    pare_context *ctx;
    pare_objective *objective; /* borrowed */
    int64_t k;                 /* candidates to choose, forced ones included; with costs: at most */
    const double *cost;        /* (count) > 0 of each, or NULL: k alone counts */
    double budget;             /* what the chosen may cost in all; no single open one exceeds what
                                  the forced leave */
    const uint8_t *forced;     /* (count): 1 = must be chosen; they come first, in number order */
    const uint8_t *barred;     /* (count): 1 = must not be chosen */
    int64_t picks_per_phase;
    double epochs;    /* of the whole selection phase, for methods that train */
    double warm_up;   /* share of the steps; < 0: 0.1, extended while nothing is learned */
    double mask_rate; /* learning rate of the logits; 0: default */
    double surplus;   /* >= 1 */
    bool replace;
    uint64_t seed;
} pare_task;

/* The choice so far, and what the method saw on its way. Owned by the selector. */
typedef struct pare_choice {
    int64_t count;
    int64_t *item; /* (k) candidates in order of choice */
    double *score; /* (k) the method's own score at the moment of the choice; larger is better */
    int64_t trace_count;
    double *trace_epoch; /* position of each trace point: epochs, or picks for methods that do
                            not train */
    double *trace_loss;  /* training loss there */
    const char *stage;
    double fraction; /* of the method's work, 0..1 */
    double loss;     /* latest, NaN if none */
} pare_choice;

enum { PARE_TRACE_MAX = 400 };

typedef struct pare_method {
    const char *name; /* as in the options table */
    bool costs;       /* whether it looks at cost and budget */
    /* Reserves everything; step allocates nothing. choice: arrays of size k ready, count 0. */
    pare_status (*create)(const pare_task *task, pare_choice *choice, void **out);
    /* A bounded piece of work; *done at the end, when choice->count == k (or every candidate that
     * can be chosen is). */
    pare_status (*step)(void *state, bool *done);
    /* Lists the method's state, for save and load; NULL: the method restarts from the choice. */
    pare_status (*visit)(void *state, const pare_visitor *visitor);
    void (*destroy)(void *state);
} pare_method;

/* By index of option "method" (PARE_METHOD_*). */
const pare_method *pare_method_at(int64_t index);

extern const pare_method pare_method_sequential_attention; /* also lly: one phase, no warm-up */
extern const pare_method pare_method_lly;
extern const pare_method pare_method_omp;
extern const pare_method pare_method_group_lasso;
extern const pare_method pare_method_sequential_lasso;
extern const pare_method pare_method_magnitude;
extern const pare_method pare_method_rfe;
extern const pare_method pare_method_ranking; /* top k by gains: mutual-information, anova-f */
extern const pare_method pare_method_random;

/* Adds a candidate to the choice. */
static inline void pare_choice_add(pare_choice *choice, int64_t item, double score) {
    choice->item[choice->count] = item;
    choice->score[choice->count] = score;
    choice->count++;
}

#endif
