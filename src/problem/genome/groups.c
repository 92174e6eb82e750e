#include "problem/genome/groups.h"
#include "platform/threads.h"
#include "problem/genome/analyse.h"

#include <math.h>
#include <string.h>

/* Groups tried beyond the best extended BIC; columns of fixed effects a pass. */
enum { PATIENCE = 3, LANES = 8, VECTORS_A_PASS = 12 };
/* A member with less of its norm left than this has r2 > 0.9 with picks and members before it. */
#define COLLINEAR 0.1

enum { FREE };

typedef struct group_race {
    const pare_chooser *c;
    const pare_variant_groups *groups;
    int64_t *at;   /* (count) where the products of a group begin in gram */
    double *gram;  /* (size, size) of each group: z_i'z_j outside the picks */
    float *l;      /* of pare_whiten_factor_float */
    float *whole;  /* (LANES, samples) */
    float *z;      /* (LANES, largest, n) */
    float *square; /* (LANES, largest, largest) */
    double *work;  /* (LANES, largest (largest + 2)) */
    bool *used;    /* (LANES, largest) */
    int64_t room;  /* columns that a group may still take */
    double *gain;  /* (count) */
    int64_t *rank; /* (count); 0: cannot be chosen */
} group_race;

static void clear_race(group_race *r) {
    pare_context *ctx = r->c->ctx;
    pare_free(ctx, r->at);
    pare_free(ctx, r->gram);
    pare_free(ctx, r->l);
    pare_free(ctx, r->whole);
    pare_free(ctx, r->z);
    pare_free(ctx, r->square);
    pare_free(ctx, r->work);
    pare_free(ctx, r->used);
    pare_free(ctx, r->gain);
    pare_free(ctx, r->rank);
}

static int64_t size_of(const pare_variant_groups *groups, int64_t k) {
    return groups->start[k + 1] - groups->start[k];
}

/* Products of the whitened members of every LANES-th group. */
static void gram_task(void *argument, int64_t lane) {
    const group_race *r = argument;
    const pare_whiten *w = r->c->w;
    const int64_t most = r->groups->largest;
    float *z = r->z + lane * most * w->n, *square = r->square + lane * most * most;
    for (int64_t k = lane; k < r->groups->count; k += LANES) {
        pare_whiten_gram(w, r->l, size_of(r->groups, k), r->groups->member + r->groups->start[k],
                         r->whole + lane * w->g->samples, z, square, r->gram + r->at[k]);
    }
}

/* Takes a direction out of all products, z_j'q in along (kept). */
static void take_out(group_race *r, const double *along) {
    for (int64_t k = 0; k < r->groups->count; k++) {
        pare_gram_take_out(size_of(r->groups, k), r->groups->member + r->groups->start[k], along,
                           r->gram + r->at[k]);
    }
}

static pare_status open_race(pare_chooser *c, const pare_variant_groups *groups, group_race *r) {
    pare_context *ctx = c->ctx;
    const pare_whiten *w = c->w;
    const int64_t most = groups->largest;
    double *along = NULL;
    int64_t sum = 0;
    *r = (group_race){.c = c, .groups = groups};
    pare_status status = pare_alloc(ctx, groups->count, sizeof *r->at, &r->at);
    for (int64_t k = 0; k < groups->count && status == PARE_OK; k++) {
        r->at[k] = sum;
        sum += size_of(groups, k) * size_of(groups, k);
    }
    const struct {
        int64_t count;
        size_t size;
        void *at;
    } arrays[] = {{sum, sizeof *r->gram, &r->gram},
                  {LANES * w->g->samples, sizeof *r->whole, &r->whole},
                  {LANES * most * w->n, sizeof *r->z, &r->z},
                  {LANES * most * most, sizeof *r->square, &r->square},
                  {LANES * most * (most + 2), sizeof *r->work, &r->work},
                  {LANES * most, sizeof *r->used, &r->used},
                  {groups->count, sizeof *r->gain, &r->gain},
                  {groups->count, sizeof *r->rank, &r->rank},
                  {VECTORS_A_PASS * w->g->kept, sizeof *along, &along}};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0] && status == PARE_OK; i++) {
        status = pare_alloc(ctx, arrays[i].count, arrays[i].size, arrays[i].at);
    }
    if (status == PARE_OK) {
        status = pare_whiten_factor_float(w, &r->l);
    }
    if (status == PARE_OK) {
        pare_pool_run(ctx->pool, LANES, gram_task, r);
    }
    for (int64_t k = 0; k < c->columns && status == PARE_OK; k += VECTORS_A_PASS) {
        int64_t some = c->columns - k < VECTORS_A_PASS ? c->columns - k : VECTORS_A_PASS;
        status = pare_chooser_products(c, k, some, along);
        for (int64_t v = 0; v < some && status == PARE_OK; v++) {
            take_out(r, along + v * w->g->kept);
        }
    }
    pare_free(ctx, along);
    return status;
}

/*
 * Members of a group in the order in which they take most of the residual, as a Cholesky factor
 * with pivots: order (rank) their places in the group, or NULL; returns what they take together.
 * work: (size (size + 2)).
 */
static double span_gain(const group_race *r, int64_t k, bool *used, double *work, int64_t *order,
                        int64_t *rank) {
    const pare_chooser *c = r->c;
    const int64_t size = size_of(r->groups, k);
    const int64_t *member = r->groups->member + r->groups->start[k];
    const double *gram = r->gram + r->at[k];
    double *dot = work, *norm = work + size, *factor = work + 2 * size, sum = 0;
    *rank = 0;
    for (int64_t i = 0; i < size; i++) {
        dot[i] = c->dot[member[i]];
        norm[i] = gram[i * size + i];
        used[i] = c->state[member[i]] != FREE;
    }
    while (*rank < size) {
        int64_t best = -1;
        for (int64_t i = 0; i < size; i++) {
            if (!used[i] && norm[i] > COLLINEAR * c->gain0[member[i]] &&
                (best < 0 || dot[i] * dot[i] * norm[best] > dot[best] * dot[best] * norm[i])) {
                best = i;
            }
        }
        if (best < 0) {
            return sum;
        }
        double root = sqrt(norm[best]), part = dot[best] / root;
        double *column = factor + *rank * size;
        for (int64_t i = 0; i < size; i++) {
            double value = gram[best * size + i];
            for (int64_t s = 0; s < *rank; s++) {
                value -= factor[s * size + best] * factor[s * size + i];
            }
            column[i] = value / root;
        }
        for (int64_t i = 0; i < size; i++) {
            dot[i] -= column[i] * part;
            norm[i] -= column[i] * column[i];
        }
        used[best] = true;
        if (order) {
            order[*rank] = best;
        }
        ++*rank;
        sum += part * part;
    }
    return sum;
}

static void gain_task(void *argument, int64_t lane) {
    const group_race *r = argument;
    const int64_t most = r->groups->largest;
    for (int64_t k = lane; k < r->groups->count; k += LANES) {
        int64_t rank = 0;
        r->gain[k] =
            span_gain(r, k, r->used + lane * most, r->work + lane * most * (most + 2), NULL, &rank);
        r->rank[k] = rank <= r->room && r->gain[k] < r->c->rss ? rank : 0;
    }
}

/* The group that lowers extended BIC most; -1: none can be chosen. */
static int64_t best_group(group_race *r) {
    const double n = (double)r->c->w->n, free_samples = n - (double)r->c->fixed;
    int64_t best = -1;
    double least = 0;
    pare_pool_run(r->c->ctx->pool, LANES, gain_task, r);
    for (int64_t k = 0; k < r->groups->count; k++) {
        double change =
            free_samples * log(1 - r->gain[k] / r->c->rss) + (double)r->rank[k] * log(n);
        if (r->rank[k] > 0 && (best < 0 || change < least)) {
            least = change;
            best = k;
        }
    }
    return best;
}

/* Adds the members of group k, best first. */
static pare_status add_group(group_race *r, pare_chooser *c, int64_t k, pare_group_pick *pick) {
    const double before = c->rss;
    const int64_t *member = r->groups->member + r->groups->start[k], columns = c->columns;
    int64_t *order = NULL, rank = 0;
    pare_status status = pare_alloc(c->ctx, size_of(r->groups, k), sizeof *order, &order);
    if (status != PARE_OK) {
        return status;
    }
    span_gain(r, k, r->used, r->work, order, &rank);
    *pick = (pare_group_pick){.group = k, .first = c->picks};
    for (int64_t i = 0; i < rank && status == PARE_OK; i++) {
        bool added = false;
        status = pare_chooser_add(c, member[order[i]], &added);
        if (status == PARE_OK && added) {
            pick->rank++;
            take_out(r, c->along + (c->columns - 1 - c->fixed) * c->w->g->kept);
        }
    }
    /* Bartlett's correction, as in joint.c. */
    double scale = (double)(c->w->n - columns - 1) - (double)pick->rank / 2;
    pick->gain = (before - c->rss) / c->rss_at[0];
    pick->p = pick->rank > 0 ? pare_chi_square_tail(-scale * log(c->rss / before), pick->rank) : 1;
    pare_free(c->ctx, order);
    return status;
}

pare_status pare_groups_choose(pare_chooser *c, const pare_variant_groups *groups, int64_t most,
                               int64_t *chosen, int64_t *path, pare_group_pick **list) {
    const double n = (double)c->w->n, free_samples = n - (double)c->fixed;
    const int64_t forced = c->picks;
    double least = c->ebic[forced];
    group_race r;
    *chosen = *path = 0;
    *list = NULL;
    pare_status status = open_race(c, groups, &r);
    if (status == PARE_OK) {
        status = pare_alloc_zero(c->ctx, most, sizeof **list, list);
    }
    while (status == PARE_OK && *path < most && *path - *chosen < PATIENCE) {
        const int64_t half = (c->w->n - c->columns) / 2, left = c->capacity - c->picks;
        r.room = half < left ? half : left;
        int64_t best = best_group(&r);
        if (best < 0) {
            break;
        }
        pare_group_pick *pick = &(*list)[*path];
        status = add_group(&r, c, best, pick);
        ++*path;
        pick->ebic = free_samples * log(c->rss / free_samples) + (double)c->picks * log(n) +
                     2 * c->gamma *
                         ((double)*path * log((double)groups->count) +
                          (double)forced * log((double)c->w->g->kept));
        for (int64_t k = pick->first; k < c->picks; k++) {
            c->ebic[k + 1] = pick->ebic;
        }
        if (status == PARE_OK && pick->ebic < least) {
            least = pick->ebic;
            *chosen = *path;
        }
    }
    clear_race(&r);
    if (status != PARE_OK) {
        pare_free(c->ctx, *list);
        *list = NULL;
    }
    return status;
}
