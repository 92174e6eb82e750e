#include "select/agreement.h"

#include <math.h>

typedef struct sets {
    const int64_t *start, *member;
    bool (*alike)(void *user, int64_t a, int64_t b);
    void *user;
} sets;

/* Members of s that are in t, and those that are or have one alike there. */
static void count_shared(const sets *a, int64_t s, int64_t t, double *exact, double *alike) {
    for (int64_t i = a->start[s]; i < a->start[s + 1]; i++) {
        bool same = false, near = false;
        for (int64_t j = a->start[t]; j < a->start[t + 1]; j++) {
            same = same || a->member[i] == a->member[j];
        }
        for (int64_t j = a->start[t]; a->alike && !same && !near && j < a->start[t + 1]; j++) {
            near = a->alike(a->user, a->member[i], a->member[j]);
        }
        *exact += same;
        *alike += same || near;
    }
}

static double share(double shared, double sizes) {
    return sizes > 0 ? shared / (sizes - shared) : 1;
}

static void compare(const sets *a, int64_t candidates, int64_t choices, pare_agreement *out) {
    const double pairs = (double)(choices * (choices - 1) / 2);
    for (int64_t s = 0; s < choices; s++) {
        for (int64_t t = 0; t < s; t++) {
            double exact = 0, there = 0, back = 0, ignore = 0;
            const double m = (double)(a->start[s + 1] - a->start[s]);
            const double n = (double)(a->start[t + 1] - a->start[t]);
            const double chance = m * n / (double)candidates;
            count_shared(a, s, t, &exact, &there);
            count_shared(a, t, s, &ignore, &back);
            out->jaccard += share(exact, m + n) / pairs;
            out->jaccard_alike += share(0.5 * (there + back), m + n) / pairs;
            out->kuncheva += (exact - chance) / (fmin(m, n) - chance) / pairs;
        }
    }
}

pare_status pare_agreement_measure(pare_context *ctx, int64_t candidates, int64_t choices,
                                   const int64_t *start, const int64_t *member,
                                   bool (*alike)(void *user, int64_t a, int64_t b), void *user,
                                   pare_agreement *out) {
    const sets a = {start, member, alike, user};
    const double times = (double)choices, d = (double)candidates;
    int64_t *count = NULL;
    *out = (pare_agreement){
        .choices = choices, .jaccard = NAN, .jaccard_alike = NAN, .kuncheva = NAN, .nogueira = NAN};
    if (choices < 2) {
        return PARE_OK;
    }
    pare_status status = pare_alloc_zero(ctx, candidates, sizeof *count, &count);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < start[choices]; i++) {
        count[member[i]]++;
    }
    double spread = 0, average = (double)start[choices] / times / d;
    for (int64_t j = 0; j < candidates; j++) {
        double p = (double)count[j] / times;
        spread += times / (times - 1) * p * (1 - p) / d;
    }
    pare_free(ctx, count);
    out->jaccard = out->jaccard_alike = out->kuncheva = 0;
    compare(&a, candidates, choices, out);
    out->kuncheva = isfinite(out->kuncheva) ? out->kuncheva : NAN;
    out->nogueira = average > 0 && average < 1 ? 1 - spread / (average * (1 - average)) : NAN;
    return PARE_OK;
}
