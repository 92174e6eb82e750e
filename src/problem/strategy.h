/*
 * A strategy takes the place of a single run of the method: it runs the method several times, or
 * asks a question of its own, and fills the selector's choice and the proof in the record. Options
 * of section "proof" choose it.
 */
#ifndef PARE_PROBLEM_STRATEGY_H
#define PARE_PROBLEM_STRATEGY_H

#include "problem/selector.h"

struct pare_strategy {
    const char *name;
    bool needs_k; /* option k must be given */
    bool costs;   /* it looks at option budget */
    /* After the selector's options, forced and barred candidates are set. */
    pare_status (*create)(pare_selector *selector, void **out);
    /* Bounded work; *done once selector->choice is complete. */
    pare_status (*step)(void *self, bool *done);
    /* Adds what was proved. */
    pare_status (*record)(const void *self, pare_selection *record);
    void (*destroy)(void *self); /* accepts NULL */
};

/* The one that the options ask for, or NULL; refuses two at once. */
pare_status pare_strategy_of(pare_context *ctx, const pare_options *options,
                             const struct pare_strategy **out) PARE_MUST_CHECK;

extern const struct pare_strategy pare_strategy_stability;
extern const struct pare_strategy pare_strategy_knockoffs;
extern const struct pare_strategy pare_strategy_tolerance;
extern const struct pare_strategy pare_strategy_best_subset;

/* The same table with other training rows, borrowed: for runs on part of the rows. */
pare_dataset pare_dataset_view(const pare_dataset *data, int64_t count, int64_t *rows);

#endif
