/* How far several choices from the same candidates agree: of resamples, of folds. */
#ifndef PARE_SELECT_AGREEMENT_H
#define PARE_SELECT_AGREEMENT_H

#include "base/context.h"

/* 1: all the same. NaN: fewer than two choices; kuncheva and nogueira also where all candidates or
 * none were chosen. */
typedef struct pare_agreement {
    int64_t choices;
    /* Means over pairs of choices A and B; two empty ones agree. */
    double jaccard; /* |A and B| / |A or B| */
    /* The same where a member counts as shared that has one alike in the other, averaged over both
     * directions; equal to jaccard without `alike`. */
    double jaccard_alike;
    /* (|A and B| - e) / (min(|A|, |B|) - e), e = |A| |B| / candidates what chance shares: Kuncheva
     * 2007 for equal sizes, Wald et al. 2013 for others. */
    double kuncheva;
    /* 1 - mean over candidates of the unbiased variance of being chosen, over the variance of
     * being chosen at random: Nogueira, Sechidis and Brown 2018, definition 4. */
    double nogueira;
} pare_agreement;

/*
 * choices s: member start[s] .. start[s + 1] - 1 of 0 .. candidates - 1, each once. alike: whether
 * two candidates could stand for each other (symmetric; NULL: none could), called with user. Cost:
 * choices squared times sizes squared.
 */
pare_status pare_agreement_measure(pare_context *ctx, int64_t candidates, int64_t choices,
                                   const int64_t *start, const int64_t *member,
                                   bool (*alike)(void *user, int64_t a, int64_t b), void *user,
                                   pare_agreement *out) PARE_MUST_CHECK;

#endif
