/* Sharing the budget out: how many candidates of each part go, by the loss curves. */
#include "problem/allocate.h"
#include "problem/prune_parts.h"

#include <math.h>

/* Parts that are cut alike: one, or all of a kind (uniform), or both halves of a layer. */
typedef struct cut_group {
    int64_t levels;
    int64_t *removed; /* (levels) candidates of each part */
    bool *queries;    /* (levels) of the parts that remove query heads, or of the others */
    double *cost, *loss;
    bool second; /* the levels of second parts are listed */
} cut_group;

static int64_t group_of(const pruning *p, int64_t part) {
    const prune_part *one = &p->part[part];
    return p->whole_layers       ? one->layer
           : p->options->uniform ? (int64_t)one->half
                                 : 2 * one->layer + (int64_t)one->half;
}

/* How many candidates may go: nothing; numbers that leave a multiple of `round`, or of the groups;
 * all. */
static pare_status list_levels(const pruning *p, const prune_part *one, cut_group *group) {
    int64_t blocks = one->blocks, round = one->half == PARE_LM_FFN ? p->options->round : one->step;
    int64_t other = one->half == PARE_LM_ATTENTION ? p->dense->shape.layer[one->layer].heads : 0;
    const struct {
        void *array;
        size_t size;
    } arrays[] = {{&group->removed, sizeof(int64_t)},
                  {&group->queries, sizeof(bool)},
                  {&group->cost, sizeof(double)},
                  {&group->loss, sizeof(double)}};
    pare_status status = PARE_OK;
    for (size_t i = 0; status == PARE_OK && !one->second && i < sizeof arrays / sizeof arrays[0];
         i++) {
        status = pare_alloc_zero(p->ctx, blocks + other + 2, arrays[i].size, arrays[i].array);
    }
    if (status != PARE_OK) {
        return status;
    }
    int64_t kept = blocks / round * round, first = group->levels;
    group->removed[group->levels] = 0;
    group->levels += !one->second;
    for (kept -= kept == blocks ? round : 0; one->some && kept > 0; kept -= round) {
        group->removed[group->levels++] = blocks - kept;
    }
    if (one->whole) {
        group->removed[group->levels++] = blocks;
    }
    for (; first < group->levels; first++) {
        group->queries[first] = one->group > 0;
    }
    group->second = one->second;
    return PARE_OK;
}

/* The costliest level first, as sharing out wants them. */
static void sort_levels(cut_group *group) {
    for (int64_t i = 1; group->second && i < group->levels; i++) {
        for (int64_t j = i; j > 0 && group->cost[j] > group->cost[j - 1]; j--) {
            int64_t removed = group->removed[j];
            bool queries = group->queries[j];
            double cost = group->cost[j], loss = group->loss[j];
            group->removed[j] = group->removed[j - 1];
            group->queries[j] = group->queries[j - 1];
            group->cost[j] = group->cost[j - 1];
            group->loss[j] = group->loss[j - 1];
            group->removed[j - 1] = removed;
            group->queries[j - 1] = queries;
            group->cost[j - 1] = cost;
            group->loss[j - 1] = loss;
        }
    }
}

double pare_prune_all_cost(const pruning *p) {
    double all = p->rest;
    for (int64_t i = 0; i < p->parts; i++) {
        all += p->part[i].second ? 0 : pare_prune_cost(p, &p->part[i], p->part[i].blocks);
    }
    return all;
}

static pare_status fill_groups(const pruning *p, int64_t count, cut_group *groups) {
    for (int64_t i = 0; i < p->parts; i++) {
        const prune_part *one = &p->part[i];
        cut_group *group = &groups[group_of(p, i)];
        if (p->dropped[one->layer]) {
            continue;
        }
        if (group->levels == 0 || one->second > group->second) {
            pare_status status = list_levels(p, one, group);
            if (status != PARE_OK) {
                return status;
            }
        }
        for (int64_t level = 0; level < group->levels; level++) {
            if (group->queries[level] != (one->group > 0)) {
                continue;
            }
            bool gone = p->whole_layers && level > 0;
            int64_t removed = gone ? one->blocks : group->removed[level];
            group->cost[level] += pare_prune_cost(p, one, one->blocks - removed);
            group->loss[level] += gone ? 0 : one->loss[removed];
            if (gone) {
                group->loss[level] = p->layer_loss[one->layer];
            }
        }
    }
    for (int64_t g = 0; g < count; g++) {
        sort_levels(&groups[g]);
    }
    return PARE_OK;
}

static pare_status allocate_groups(pruning *p, int64_t count, const cut_group *groups,
                                   pare_allocation_part *choice, double keep) {
    double all = pare_prune_all_cost(p), least = p->rest;
    for (int64_t g = 0; g < count; g++) {
        choice[g] = (pare_allocation_part){groups[g].levels, groups[g].cost, groups[g].loss, 0};
        least += groups[g].levels > 0 ? groups[g].cost[groups[g].levels - 1] : 0;
        if (groups[g].levels == 0) { /* a layer without parts, or dropped */
            static const double none[1] = {0};
            choice[g] = (pare_allocation_part){1, none, none, 0};
        }
    }
    if (!pare_allocate(count, choice, keep * all - p->rest)) {
        return pare_fail(p->ctx, PARE_ERROR_ARGUMENT,
                         "a budget of %.4g cannot be met by the structures that may go; the least "
                         "is %.4g",
                         keep, least / all);
    }
    for (int64_t i = 0; i < p->parts; i++) {
        int64_t g = group_of(p, i), level = choice[g].level;
        prune_part *one = &p->part[i];
        bool dropped = p->dropped[one->layer], gone = dropped || (p->whole_layers && level > 0);
        one->unused = dropped ? one->second : groups[g].queries[level] != (one->group > 0);
        one->removed = gone ? one->blocks : groups[g].removed[level];
    }
    return PARE_OK;
}

/* Shares out, and where time is the resource moves the aim until the shape that comes of it takes
 * the time asked for: the table adds up halves that were measured one kind at a time. */
static pare_status meet_budget(pruning *p, int64_t count, const cut_group *groups,
                               pare_allocation_part *choice, double keep) {
    enum { TRIES = 8 };
    const double near = 0.02, over = 10; /* too slow is so many times as bad as too fast */
    double aim = keep, best = keep, least_gap = INFINITY;
    pare_status status = allocate_groups(p, count, groups, choice, aim);
    if (p->options->resource != PARE_PRUNE_LATENCY || keep > p->options->keep) {
        return status;
    }
    for (int i = 0; status == PARE_OK && i < TRIES && aim < 1 && least_gap > near * keep; i++) {
        double measured = 0;
        status = pare_prune_tell(p, "time", 0.6);
        if (status == PARE_OK) {
            status = pare_prune_time(p, &measured);
        }
        double gap = fabs(measured - keep) * (measured > keep * (1 + near) ? over : 1);
        if (status == PARE_OK && gap < least_gap) {
            least_gap = gap;
            best = aim;
            p->measured = measured;
        }
        aim *= keep / measured;
        if (status == PARE_OK && allocate_groups(p, count, groups, choice, aim) != PARE_OK) {
            break; /* all that may go is gone */
        }
    }
    return status == PARE_OK ? allocate_groups(p, count, groups, choice, best) : status;
}

pare_status pare_prune_share_out(pruning *p, double keep) {
    int64_t layers = p->dense->shape.layers;
    int64_t count = p->whole_layers ? layers : p->options->uniform ? 2 : 2 * layers;
    cut_group *groups = NULL;
    pare_allocation_part *choice = NULL;
    pare_status status = pare_alloc_zero(p->ctx, count, sizeof *groups, &groups);
    if (status == PARE_OK) {
        status = pare_alloc_zero(p->ctx, count, sizeof *choice, &choice);
    }
    if (status == PARE_OK) {
        status = fill_groups(p, count, groups);
    }
    if (status == PARE_OK) {
        status = meet_budget(p, count, groups, choice, keep);
    }
    for (int64_t g = 0; groups && g < count; g++) {
        pare_free(p->ctx, groups[g].removed);
        pare_free(p->ctx, groups[g].queries);
        pare_free(p->ctx, groups[g].cost);
        pare_free(p->ctx, groups[g].loss);
    }
    pare_free(p->ctx, groups);
    pare_free(p->ctx, choice);
    return status;
}
