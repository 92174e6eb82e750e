/*
 * How far a choice within a serving budget can be from the best one, proved. Of a curvature H = G +
 * diag(own) with G positive semidefinite, w'Gw >= 2 v'Gw - v'Gv for any v, so that no set S saves
 * more than
 *
 *   v'Gv / 2 + sum_{j in S} h_j,
 *   h_j = max_{w >= 0} (g - Gv)_j w - own_j w^2 / 2 - rho_j (w - 1)^2 / 2 - price,
 *
 * rho_j the prior's curvature, and what h allows within the budget is at most, for prices l_r >= 0
 * of the resources r (Lagrange), sum_r l_r limit_r + sum_fields max(0, h of a bundle - l' its
 * costs). Both are convex: v moves towards the weights of the set that the prices choose, as the
 * bound's slope by v is G (v - those weights), and prices move against theirs. Fetches have no
 * price: each largest set of groups that can be fetched together has a bound of its own, or, where
 * these are many, the groups that are worth most together are found at every step. The larger own
 * (Dong, Chen, Linderoth 2015), the tighter the bound: it is a share of the diagonal.
 */
#include "select/serving_private.h"

#include "kernels/blas.h"

#include <math.h>
#include <string.h>

#define SHARE_MIN 0.01
enum {
    STEPS = 30,
    MOVES = 8,
    UNITS = 200,
    GROUPS_MAX = 10, /* of a store, whose sets are told apart, */
    SETS_MAX = 16,   /* if there are no more of them */
    CHUNKS_MAX = PARE_SERVING_CHUNKS
};

typedef struct dual {
    const pare_serving *serving;
    const pare_serving_joint *joint;
    int64_t n;
    double *v, *product;  /* (n) weights; H v */
    double *rho, *own;    /* (n) prior's curvature; what of H's diagonal is a candidate's own */
    double *value, *peak; /* (n) h, and the w that has it */
    double *share;        /* (n, PARE_RESOURCES) of the limits, of a field with its first k
                             chunks at place k: at most what any k of them cost */
    double price[PARE_RESOURCES], used[PARE_RESOURCES];
    double *worth;  /* (fields) of the best bundle at the prices */
    double *open;   /* (groups) the sum of it over the group's fields */
    double *table;  /* (groups + 1, UNITS + 1) the worth of the first groups within so many units */
    double *fitted; /* (n) weights fitted to what is kept */
    uint32_t closed; /* bits of groups that are not fetched */
    uint8_t *chosen; /* (n) */
} dual;

/* ---- Costs of bundles ------------------------------------------------------------------------ */

static bool limited(const pare_serving *serving, int resource) {
    return serving->limit[resource] < INT64_MAX;
}

/* The group that must be fetched for the field; -1: none. The second one of a cross is forgone. */
static int64_t group_of(const pare_serving *serving, int64_t field) {
    const int64_t *group = serving->group ? serving->group + 2 * field : NULL;
    return !group ? -1 : group[0] >= 0 ? group[0] : group[1];
}

/* The narrowest k chunks are the last ones. A row waits for the sum of its fields' times but for
 * what is spare. */
static void find_shares(dual *d) {
    const pare_serving *serving = d->serving;
    const pare_serving_times *times = &serving->latency;
    int64_t chunks = serving->chunks;
    for (int64_t f = 0; f < serving->fields; f++) {
        uint8_t kept[CHUNKS_MAX + 1] = {1};
        for (int64_t k = 0; k <= chunks; k++) {
            pare_serving_sums sums = {0};
            int64_t cost[PARE_RESOURCES];
            kept[k > 0 ? chunks + 1 - k : 0] = 1;
            pare_serving_add(serving, kept, 0, f, kept, &sums);
            pare_serving_total(serving, &sums, cost);
            for (int r = 0; r < PARE_RESOURCES; r++) {
                double one = (double)cost[r], limit = (double)serving->limit[r];
                if (r == PARE_RESOURCE_FLOPS) { /* what every plan needs is no field's */
                    one -= (double)serving->later;
                    limit -= (double)serving->later;
                } else if (r == PARE_RESOURCE_FETCH) {
                    one = 0; /* see open_groups */
                } else if (r == PARE_RESOURCE_LATENCY) {
                    one = times->call ? (double)times->each[f] / 1000 : 0;
                    limit += (double)times->spare / 1000;
                }
                d->share[(f * (chunks + 1) + k) * PARE_RESOURCES + r] =
                    limited(serving, r) ? one / fmax(limit, 1) : 0;
            }
        }
    }
}

/* ---- The bound ------------------------------------------------------------------------------- */

/* h and its weights; returns v'Gv / 2. */
static double find_values(dual *d) {
    const pare_serving_joint *joint = d->joint;
    double half = 0;
    memset(d->product, 0, (size_t)d->n * sizeof *d->product);
    for (int64_t j = 0; j < d->n; j++) {
        const double *row = joint->curvature + j * d->n;
        for (int64_t i = 0; i < d->n && d->v[j] != 0; i++) {
            d->product[i] += row[i] * d->v[j];
        }
        d->product[j] -= d->own[j] * d->v[j];
    }
    for (int64_t i = 0; i < d->n; i++) {
        half += d->v[i] * d->product[i] / 2;
        double a = joint->slope[i] - d->product[i], rho = d->rho[i], own = d->own[i];
        double w = rho > 0 ? fmax((a + rho) / (rho + own), 0) : 0;
        d->peak[i] = w;
        d->value[i] = (a - own * w / 2) * w - rho * (w - 1) * (w - 1) / 2 - joint->price;
    }
    return half;
}

static bool is_closed(const dual *d, int64_t field) {
    for (int64_t i = 2 * field; i < 2 * field + 2 && d->closed && d->serving->group; i++) {
        if (d->serving->group[i] >= 0 && d->closed >> d->serving->group[i] & 1) {
            return true;
        }
    }
    return false;
}

static int64_t units_of(int64_t fetch, int64_t limit) {
    double share = (double)fetch / fmax((double)limit, 1);
    return limit == INT64_MAX ? 0 : share > 1 ? UNITS + 1 : (int64_t)floor(share * UNITS);
}

/* The best bundle of a field at the prices: its worth, and the candidates of it in `chosen`. */
static double best_bundle(dual *d, int64_t field) {
    int64_t chunks = d->serving->chunks, at = field * (chunks + 1), order[CHUNKS_MAX], count = 0;
    const double *share = d->share + at * PARE_RESOURCES;
    bool pinned = d->serving->pinned && d->serving->pinned[field];
    double best = pinned ? -(double)INFINITY : 0, worth = d->value[at];
    int64_t longest = -1;
    memset(d->chosen + at, 0, (size_t)(chunks + 1));
    if ((d->serving->banned && d->serving->banned[field]) || is_closed(d, field)) {
        return 0;
    }
    for (int64_t k = at + 1; k <= at + chunks; k++, count++) {
        int64_t place = count;
        for (; place > 0 && d->value[order[place - 1]] < d->value[k]; place--) {
            order[place] = order[place - 1];
        }
        order[place] = k;
    }
    for (int64_t k = 0; k <= chunks; k++) {
        worth += k > 0 ? d->value[order[k - 1]] : 0;
        double paid = worth;
        for (int r = 0; r < PARE_RESOURCES; r++) {
            paid -= d->price[r] * share[k * PARE_RESOURCES + r];
        }
        if (paid > best) {
            best = paid;
            longest = k;
        }
    }
    for (int64_t k = 0; k <= longest; k++) {
        d->chosen[k > 0 ? order[k - 1] : at] = 1;
    }
    return best;
}

/* The groups whose fields are worth most together within the limit of fetches, whole: open becomes
 * 1 for these, 0 for others; returns the worth. Times are counted in units of the limit, rounded
 * down, which can only allow more. */
static double open_groups(dual *d) {
    const pare_serving *serving = d->serving;
    int64_t limit = serving->limit[PARE_RESOURCE_FETCH], left = UNITS;
    memset(d->table, 0, (UNITS + 1) * sizeof *d->table);
    for (int64_t g = 0; g < serving->groups; g++) {
        const double *before = d->table + g * (UNITS + 1);
        double *now = d->table + (g + 1) * (UNITS + 1);
        int64_t units = units_of(serving->fetch[g], limit);
        for (int64_t u = 0; u <= UNITS; u++) {
            now[u] = units > u ? before[u] : fmax(before[u], before[u - units] + d->open[g]);
        }
    }
    double worth = d->table[serving->groups * (UNITS + 1) + UNITS];
    for (int64_t g = serving->groups - 1; g >= 0; g--) {
        const double *before = d->table + g * (UNITS + 1) + left;
        bool taken = before[UNITS + 1] > before[0];
        left -= taken ? units_of(serving->fetch[g], limit) : 0;
        d->open[g] = taken;
    }
    return worth;
}

/* What bundles in `chosen` take of the limits. */
static void add_used(dual *d, int64_t field) {
    int64_t chunks = d->serving->chunks, at = field * (chunks + 1), longest = -1;
    for (int64_t k = 0; k <= chunks; k++) {
        longest += d->chosen[at + k];
    }
    for (int r = 0; r < PARE_RESOURCES && longest >= 0; r++) {
        d->used[r] += d->share[(at + longest) * PARE_RESOURCES + r];
    }
}

/* sum_r price_r + what the best bundles are worth at the prices, of the groups that can be fetched
 * together; fills chosen and used. */
static double at_prices(dual *d) {
    const pare_serving *serving = d->serving;
    double total = 0;
    memset(d->used, 0, sizeof d->used);
    memset(d->open, 0, (size_t)serving->groups * sizeof *d->open);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        total += d->price[r];
    }
    for (int64_t f = 0; f < serving->fields; f++) {
        int64_t group = group_of(serving, f);
        d->worth[f] = best_bundle(d, f);
        if (group >= 0) {
            d->open[group] += d->worth[f];
        }
    }
    total += open_groups(d);
    for (int64_t f = 0; f < serving->fields; f++) {
        int64_t group = group_of(serving, f);
        total += group < 0 ? d->worth[f] : 0;
        if (group >= 0 && !(d->open[group] > 0)) {
            memset(d->chosen + f * (serving->chunks + 1), 0, (size_t)(serving->chunks + 1));
        }
        add_used(d, f);
    }
    return total;
}

/* Lowers at_prices from the prices there are, towards `target`, which it cannot fall below: steps
 * against its slopes, limit - use, of the length that would reach the target (Polyak 1969). Leaves
 * the best prices and what they choose. */
static double lower_prices(dual *d, double target) {
    double best[PARE_RESOURCES], least = INFINITY;
    for (int step = 0; step <= MOVES; step++) {
        double now = at_prices(d), square = 0, slope[PARE_RESOURCES];
        if (now < least) {
            least = now;
            memcpy(best, d->price, sizeof best);
        }
        for (int r = 0; r < PARE_RESOURCES; r++) {
            bool free = limited(d->serving, r) && (d->price[r] > 0 || d->used[r] > 1);
            slope[r] = free ? 1 - d->used[r] : 0;
            square += slope[r] * slope[r];
        }
        for (int r = 0; r < PARE_RESOURCES && square > 0; r++) {
            double move = fmax(now - target, 0) / square * slope[r] / (1 + 0.2 * step);
            d->price[r] = fmax(d->price[r] - move, 0);
        }
    }
    memcpy(d->price, best, sizeof best);
    return at_prices(d);
}

/* Weights fitted to what is kept, those below 0 left out, and what it saves. a: (n + 1) n. */
static double fit(dual *d, const uint8_t *keep, double *a) {
    const pare_serving_joint *joint = d->joint;
    int64_t n = d->n, count = 0;
    double *right = a + n * n, saved = 0;
    memset(d->v, 0, (size_t)n * sizeof *d->v);
    for (int64_t i = 0; i < n; i++) {
        if (!keep[i] || !(d->rho[i] > 0)) {
            continue;
        }
        for (int64_t j = 0, column = 0; j <= i; j++) {
            if (keep[j] && d->rho[j] > 0) {
                a[count * n + column++] = joint->curvature[i * n + j] + (i == j ? d->rho[i] : 0);
            }
        }
        right[count++] = joint->slope[i] + d->rho[i];
    }
    if (count > 0 && pare_cholesky(count, a, n) == 0) {
        pare_cholesky_solve(count, 1, a, n, right, 1);
        for (int64_t i = 0, place = 0; i < n; i++) {
            d->v[i] = keep[i] && d->rho[i] > 0 ? fmax(right[place++], 0) : 0;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        double away = d->v[i] - 1;
        saved += (joint->slope[i] - d->own[i] * d->v[i] / 2) * d->v[i];
        saved -= keep[i] ? d->rho[i] * away * away / 2 + joint->price : 0;
    }
    return saved - find_values(d);
}

/* The largest share of the diagonal, of some, without which H is still positive definite. */
static void find_own(dual *d, double *a) {
    const double *curvature = d->joint->curvature;
    int64_t n = d->n;
    double share = 1;
    for (bool definite = false; !definite && share > SHARE_MIN;) {
        share /= 2;
        for (int64_t i = 0; i < n; i++) {
            memcpy(a + i * n, curvature + i * n, (size_t)(i + 1) * sizeof *a);
            a[i * n + i] = d->rho[i] > 0 ? (1 - share) * a[i * n + i] : 1;
        }
        definite = pare_cholesky(n, a, n) == 0;
        share = definite || share > SHARE_MIN ? share : 0;
    }
    for (int64_t i = 0; i < n; i++) {
        d->own[i] = share * curvature[i * n + i];
    }
}

/* From weights fitted to a set; ends once the bound is no more than `enough`. */
static double descend(dual *d, double enough) {
    double least = INFINITY;
    memset(d->price, 0, sizeof d->price);
    memcpy(d->v, d->fitted, (size_t)d->n * sizeof *d->v);
    for (int64_t step = 0; step < STEPS && least > enough; step++) {
        double half = find_values(d), share = 2 / (double)(step + 3);
        least = fmin(least, half + lower_prices(d, enough - half));
        for (int64_t i = 0; i < d->n; i++) {
            d->v[i] += share * ((d->chosen[i] ? d->peak[i] : 0) - d->v[i]);
        }
    }
    return least;
}

/* Sets of groups that can be fetched together and of which none is part of another, as bits; 0:
 * there are too many. */
static int64_t list_sets(const pare_serving *serving, uint32_t set[SETS_MAX]) {
    int64_t count = 0;
    if (serving->groups > GROUPS_MAX) {
        return 0;
    }
    for (int64_t one = (INT64_C(1) << serving->groups) - 1; one >= 0; one--) {
        int64_t time = 0;
        bool part = false;
        for (int64_t g = 0; g < serving->groups; g++) {
            time += one >> g & 1 ? serving->fetch[g] : 0;
        }
        for (int64_t i = 0; i < count; i++) {
            part = part || (one & ~(int64_t)set[i]) == 0;
        }
        if (part || time > serving->limit[PARE_RESOURCE_FETCH]) {
            continue;
        }
        if (count == SETS_MAX) {
            return 0;
        }
        set[count++] = (uint32_t)one;
    }
    return count;
}

/* The most that the bounds of all sets of groups say; each ends once it says no more than those
 * before. */
static double bound_all(dual *d, double saved) {
    uint32_t set[SETS_MAX];
    int64_t count = list_sets(d->serving, set);
    double bound = saved;
    d->closed = 0;
    for (int64_t i = 0; i < count; i++) {
        d->closed = ~set[i];
        bound = fmax(bound, descend(d, bound));
    }
    return count > 0 ? bound : fmax(bound, descend(d, bound));
}

pare_status pare_serving_bound(const pare_serving *serving, const pare_serving_joint *joint,
                               const uint8_t *keep, double *saved, double *bound) {
    pare_context *ctx = serving->ctx;
    int64_t n = pare_serving_candidates(serving), cells = 0;
    dual d = {.serving = serving, .joint = joint, .n = n};
    double *real = NULL;
    if (serving->chunks > CHUNKS_MAX || !pare_checked_multiply(n, n, &cells)) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory: too many candidates");
    }
    pare_status status = pare_alloc(ctx,
                                    cells + (8 + PARE_RESOURCES) * n + serving->fields +
                                        serving->groups + (UNITS + 1) * (serving->groups + 1),
                                    sizeof *real, &real);
    if (status == PARE_OK) {
        status = pare_alloc(ctx, n, 1, &d.chosen);
    }
    if (status == PARE_OK) {
        double *next = real + cells + n;
        double **part[] = {&d.v,   &d.fitted, &d.product, &d.rho,
                           &d.own, &d.value,  &d.peak,    &d.share};
        for (size_t i = 0; i < sizeof part / sizeof part[0]; i++, next += n) {
            *part[i] = next;
        }
        d.worth = d.share + PARE_RESOURCES * n;
        d.open = d.worth + serving->fields;
        d.table = d.open + serving->groups;
        for (int64_t i = 0; i < n; i++) {
            double diagonal = joint->curvature[i * n + i];
            d.rho[i] = diagonal > 0 ? pare_serving_prior(serving, i) * diagonal : 0;
        }
        find_shares(&d);
        find_own(&d, real);
        *saved = fit(&d, keep, real);
        memcpy(d.fitted, d.v, (size_t)n * sizeof *d.v);
        *bound = bound_all(&d, *saved);
    }
    pare_free(ctx, real);
    pare_free(ctx, d.chosen);
    return status;
}
