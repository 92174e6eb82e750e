#include "platform/system.h"
#include "select/bound.h"
#include "select/dense_design.h"
#include "select/refit.h"

#include <math.h>
#include <string.h>

enum { ITERATIONS_A_LOOK = 20, ITERATIONS_MOST = 400 };
static const double default_gap = 1e-9;
/* A node's relaxation is solved to this share of its distance from the best loss. */
static const double node_share = 0.2;
static const double relaxation_accuracy = 1e-6; /* of float, relative to the null loss */

struct pare_exact {
    pare_certified_problem problem; /* over the copy below */
    pare_design design;
    pare_exact_options options;
    float *x;
    pare_dual dual;
    pare_refit refit;
    pare_relaxation relaxation;
    pare_bound bound;
    int64_t candidates;

    int8_t *fixed;   /* (candidates) of the node in hand */
    int8_t *verdict; /* (candidates) scratch */
    uint8_t *seen;   /* (candidates) scratch */
    int64_t *pick;   /* (candidates) scratch */
    double *alpha;   /* (outputs, rows) */
    int64_t best_count, *best;

    /* Open nodes: a heap by bound; node i's states are state[slot[i] * candidates ...]. */
    int64_t open, open_capacity, bound_capacity, slot_capacity, state_capacity, slots;
    double *key;
    int64_t *slot;
    int64_t *unused; /* slots free for use */
    int64_t unused_count;
    int8_t *state;

    double start, closed; /* least bound of the nodes closed */
    bool done;
    pare_exact_result result;
};

/* ---- Construction -------------------------------------------------------------------------- */

static pare_status create_arrays(pare_exact *s, const pare_certified_problem *problem) {
    const pare_design *design = problem->design;
    const struct {
        void *out;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&s->x, design->rows * design->columns, sizeof *s->x},
        {&s->fixed, design->candidates, sizeof *s->fixed},
        {&s->verdict, design->candidates, sizeof *s->verdict},
        {&s->seen, design->candidates, sizeof *s->seen},
        {&s->pick, design->columns, sizeof *s->pick},
        {&s->alpha, design->rows * problem->outputs, sizeof *s->alpha},
        {&s->best, design->candidates, sizeof *s->best},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(problem->ctx, arrays[i].count, arrays[i].size, arrays[i].out);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

static pare_status create_parts(pare_exact *s) {
    pare_certified_problem *problem = &s->problem;
    int64_t columns = problem->design->columns;
    pare_status status = pare_dual_init(problem, &s->dual);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_bound_init(problem, &s->dual, &s->bound);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_refit_init(problem, &s->dual, columns, &s->refit);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_relaxation_init(problem, &s->dual, s->fixed, columns, &s->relaxation);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t c = 0; c < s->candidates; c++) {
        s->pick[c] = c;
    }
    status = pare_relaxation_add(&s->relaxation, s->candidates, s->pick);
    pare_relaxation_measure(&s->relaxation);
    return status;
}

/* ---- Open nodes ---------------------------------------------------------------------------- */

static bool earlier(const pare_exact *s, int64_t a, int64_t b) {
    return s->key[a] < s->key[b] || (s->key[a] == s->key[b] && s->slot[a] < s->slot[b]);
}

static void swap_nodes(pare_exact *s, int64_t a, int64_t b) {
    double key = s->key[a];
    int64_t slot = s->slot[a];
    s->key[a] = s->key[b];
    s->slot[a] = s->slot[b];
    s->key[b] = key;
    s->slot[b] = slot;
}

static pare_status push(pare_exact *s, double key, const int8_t *fixed) {
    pare_context *ctx = s->problem.ctx;
    pare_status status = pare_grow(ctx, s->open + 1, sizeof *s->key, &s->bound_capacity, &s->key);
    if (status == PARE_OK) {
        status = pare_grow(ctx, s->open + 1, sizeof *s->slot, &s->open_capacity, &s->slot);
    }
    if (status == PARE_OK) {
        status = pare_grow(ctx, s->slots + 1, sizeof *s->unused, &s->slot_capacity, &s->unused);
    }
    if (status == PARE_OK) {
        status = pare_grow(ctx, (s->slots + 1) * s->candidates, sizeof *s->state,
                           &s->state_capacity, &s->state);
    }
    if (status != PARE_OK) {
        return status;
    }
    int64_t slot = s->unused_count > 0 ? s->unused[--s->unused_count] : s->slots++;
    memcpy(s->state + slot * s->candidates, fixed, (size_t)s->candidates);
    int64_t at = s->open++;
    s->key[at] = key;
    s->slot[at] = slot;
    for (; at > 0 && earlier(s, at, (at - 1) / 2); at = (at - 1) / 2) {
        swap_nodes(s, at, (at - 1) / 2);
    }
    return PARE_OK;
}

/* The open node with the least bound into s->fixed. */
static double pop(pare_exact *s) {
    double key = s->key[0];
    memcpy(s->fixed, s->state + s->slot[0] * s->candidates, (size_t)s->candidates);
    s->unused[s->unused_count++] = s->slot[0];
    s->open--;
    swap_nodes(s, 0, s->open);
    for (int64_t at = 0;;) {
        int64_t child = 2 * at + 1;
        if (child + 1 < s->open && earlier(s, child + 1, child)) {
            child++;
        }
        if (child >= s->open || !earlier(s, child, at)) {
            return key;
        }
        swap_nodes(s, at, child);
        at = child;
    }
}

/* ---- Nodes --------------------------------------------------------------------------------- */

static double allowed(const pare_exact *s) {
    return s->options.gap * fabs(s->result.null_loss);
}

static bool hopeless(const pare_exact *s, double bound) {
    return bound >= s->result.loss - allowed(s);
}

static void close_node(pare_exact *s, double bound) {
    s->closed = fmin(s->closed, bound);
}

static pare_status try_subset(pare_exact *s, int64_t count, double *loss) {
    pare_status status = pare_refit_run(&s->refit, count, s->pick, loss);
    if (status == PARE_OK && *loss < s->result.loss) {
        s->result.loss = *loss;
        s->best_count = count;
        memcpy(s->best, s->pick, (size_t)count * sizeof *s->best);
    }
    return status;
}

/* Bars what no longer fits, and counts what is open, -1 if the forced alone exceed the budget;
 * *all_fit: the open ones fit together. */
static int64_t tidy(pare_exact *s, bool *all_fit) {
    double left = s->problem.budget * (1 + 1e-12), sum = 0;
    int64_t open = 0;
    for (int64_t c = 0; c < s->candidates; c++) {
        left -= s->fixed[c] > 0 ? pare_candidate_cost(&s->problem, c) : 0;
    }
    for (int64_t c = 0; c < s->candidates; c++) {
        double cost = pare_candidate_cost(&s->problem, c);
        if (s->fixed[c] == 0 && cost > left) {
            s->fixed[c] = -1;
        }
        if (s->fixed[c] == 0) {
            open++;
            sum += cost;
        }
    }
    *all_fit = sum <= left;
    return left < 0 ? -1 : open;
}

/* A node with one best subset: everything that is left. Its own residual proves it. */
static pare_status settle_leaf(pare_exact *s, double key) {
    int64_t count = 0;
    for (int64_t c = 0; c < s->candidates; c++) {
        if (s->fixed[c] >= 0) {
            s->pick[count++] = c;
            s->fixed[c] = 1;
        }
    }
    double loss = 0, value = 0;
    pare_status status = try_subset(s, count, &loss);
    if (status == PARE_OK) {
        pare_dual_alpha(&s->dual, s->refit.p, s->alpha);
        status = pare_bound_prove(&s->bound, s->fixed, &s->relaxation, s->alpha, &value);
    }
    if (status == PARE_OK) {
        close_node(s, fmax(key, value));
    }
    return status;
}

/* Solves the relaxation of the node in hand as far as it helps. */
static void relax(pare_exact *s) {
    pare_relaxation *r = &s->relaxation;
    int64_t m = s->problem.outputs;
    for (int64_t i = 0; i < r->members; i++) {
        for (int64_t at = r->start[i] * m; s->fixed[r->member[i]] < 0 && at < r->start[i + 1] * m;
             at++) {
            r->w[at] = 0;
        }
    }
    pare_relaxation_prepare(r);
    double accuracy = relaxation_accuracy * s->result.null_loss;
    for (int64_t n = 0; n < ITERATIONS_MOST; n += ITERATIONS_A_LOOK) {
        if (pare_relaxation_iterate(r, ITERATIONS_A_LOOK, accuracy) ||
            r->bound > s->result.loss + accuracy ||
            r->primal - r->bound <= node_share * (s->result.loss - r->primal)) {
            return;
        }
    }
}

/* Members by falling weight while they fit, into s->pick. */
static int64_t round_weights(pare_exact *s) {
    pare_relaxation *r = &s->relaxation;
    int64_t m = s->problem.outputs, count = 0;
    double left = s->problem.budget * (1 + 1e-12);
    for (int64_t i = 0; i < r->members; i++) {
        double square = 0;
        for (int64_t at = r->start[i] * m; at < r->start[i + 1] * m; at++) {
            square += r->w[at] * r->w[at];
        }
        r->norm[i] = square / pare_candidate_cost(&s->problem, r->member[i]);
        if (s->fixed[r->member[i]] > 0) {
            s->pick[count++] = r->member[i];
            left -= pare_candidate_cost(&s->problem, r->member[i]);
            r->norm[i] = -1;
        }
    }
    for (;;) {
        int64_t most = -1;
        for (int64_t i = 0; i < r->members; i++) {
            bool fits = pare_candidate_cost(&s->problem, r->member[i]) <= left;
            if (fits && s->fixed[r->member[i]] == 0 && r->norm[i] >= 0 &&
                (most < 0 || r->norm[i] > r->norm[most])) {
                most = i;
            }
        }
        if (most < 0) {
            return count;
        }
        s->pick[count++] = r->member[most];
        left -= pare_candidate_cost(&s->problem, r->member[most]);
        r->norm[most] = -1;
    }
}

/* The open candidate whose share is nearest a half. */
static int64_t most_fractional(const pare_exact *s) {
    const pare_relaxation *r = &s->relaxation;
    int64_t chosen = -1;
    double best = -1;
    for (int64_t i = 0; i < r->members; i++) {
        double share = r->share[i], fraction = 0.5 - fabs(share - 0.5);
        if (s->fixed[r->member[i]] == 0 && fraction > best) {
            best = fraction;
            chosen = r->member[i];
        }
    }
    return chosen;
}

static pare_status branch(pare_exact *s, double bound) {
    int64_t chosen = most_fractional(s);
    for (int8_t side = -1; side <= 1; side = (int8_t)(side + 2)) {
        s->fixed[chosen] = side;
        pare_status status = push(s, bound, s->fixed);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

static pare_status expand(pare_exact *s, double key) {
    bool all_fit = false;
    int64_t open = tidy(s, &all_fit);
    if (open < 0) {
        return PARE_OK; /* branching forced more than the budget: no subset is left */
    }
    if (open == 0 || all_fit) {
        return settle_leaf(s, key);
    }
    relax(s);
    double value = 0, loss = 0;
    memcpy(s->alpha, s->relaxation.best,
           (size_t)(s->design.rows * s->problem.outputs) * sizeof(double));
    pare_status status = pare_bound_prove(&s->bound, s->fixed, &s->relaxation, s->alpha, &value);
    if (status != PARE_OK) {
        return status;
    }
    double bound = fmax(key, value);
    status = try_subset(s, round_weights(s), &loss);
    if (status != PARE_OK) {
        return status;
    }
    if (hopeless(s, bound)) {
        close_node(s, bound);
        return PARE_OK;
    }
    if (value > -INFINITY) {
        memset(s->verdict, PARE_VERDICT_UNDECIDED, (size_t)s->candidates);
        (void)pare_bound_verdicts(&s->bound, s->fixed, s->result.loss, s->verdict);
        for (int64_t c = 0; c < s->candidates; c++) {
            if (s->fixed[c] == 0 && s->verdict[c] != PARE_VERDICT_UNDECIDED) {
                s->fixed[c] = s->verdict[c] == PARE_VERDICT_EVERY ? 1 : -1;
            }
        }
    }
    open = tidy(s, &all_fit);
    if (open < 0) { /* whatever leaves one of them out is worse than the best already known */
        close_node(s, fmax(bound, s->result.loss));
        return PARE_OK;
    }
    return open == 0 || all_fit ? settle_leaf(s, bound) : branch(s, bound);
}

/* ---- Object -------------------------------------------------------------------------------- */

static pare_status begin(pare_exact *s, int64_t count, const int64_t *subset) {
    double loss = 0;
    memset(s->relaxation.z, 0, (size_t)(s->design.rows * s->problem.outputs) * sizeof(double));
    (void)pare_dual_predict(&s->dual, s->relaxation.z, s->alpha);
    pare_dual_alpha(&s->dual, s->alpha, s->alpha);
    s->result.null_loss =
        pare_dual_round(&s->dual, s->alpha) ? pare_dual_conjugate(&s->dual, s->alpha) : 0;
    for (int64_t i = 0; i < count; i++) {
        s->pick[i] = subset[i];
    }
    /* An empty start must still respect forced candidates: they alone are a subset. */
    for (int64_t c = 0; count == 0 && c < s->candidates; c++) {
        if (s->fixed[c] > 0) {
            s->pick[s->best_count++] = c;
        }
    }
    pare_status status = try_subset(s, count > 0 ? count : s->best_count, &loss);
    return status == PARE_OK ? push(s, 0, s->fixed) : status;
}

pare_status pare_exact_create(const pare_certified_problem *problem,
                              const pare_exact_options *options, int64_t count,
                              const int64_t *subset, pare_exact **out) {
    *out = NULL;
    pare_context *ctx = problem->ctx;
    const pare_design *design = problem->design;
    pare_status status = pare_certified_check(problem);
    if (status != PARE_OK) {
        return status;
    }
    pare_exact *s = NULL;
    status = pare_alloc_zero(ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    s->problem = *problem;
    s->options = *options;
    s->options.gap = options->gap > 0 ? options->gap : default_gap;
    s->start = pare_clock_seconds();
    s->candidates = design->candidates;
    s->result.loss = s->closed = INFINITY;
    status = create_arrays(s, problem);
    if (status != PARE_OK) {
        goto fail;
    }
    if (count > 0) {
        status = pare_certified_check_subset(problem, count, subset, s->seen);
        if (status != PARE_OK) {
            goto fail;
        }
    }
    for (int64_t c = 0; problem->fixed && c < s->candidates; c++) {
        s->fixed[c] = problem->fixed[c];
    }
    for (int64_t j = 0; j < design->columns; j++) {
        s->pick[j] = j;
    }
    status = design->slots->fetch(design->self, design->columns, s->pick, s->x);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_dense_design_create(ctx, design->rows, design->columns, s->x, s->candidates,
                                      design->start, design->weight, &s->design);
    if (status != PARE_OK) {
        goto fail;
    }
    s->problem.design = &s->design;
    status = create_parts(s);
    if (status != PARE_OK) {
        goto fail;
    }
    status = begin(s, count, subset);
    if (status != PARE_OK) {
        goto fail;
    }
    *out = s;
    return PARE_OK;
fail:
    pare_exact_destroy(s);
    return status;
}

pare_status pare_exact_step(pare_exact *s, bool *done) {
    *done = true;
    if (s->done) {
        return PARE_OK;
    }
    s->result.seconds = pare_clock_seconds() - s->start;
    bool out = (s->options.nodes > 0 && s->result.nodes >= s->options.nodes) ||
               (s->options.seconds > 0 && s->result.seconds >= s->options.seconds);
    if (s->open == 0 || out || hopeless(s, s->key[0])) {
        s->done = true;
        return PARE_OK;
    }
    double key = pop(s);
    s->result.nodes++;
    pare_status status = expand(s, key);
    if (status != PARE_OK) {
        return status;
    }
    s->result.seconds = pare_clock_seconds() - s->start;
    *done = false;
    return PARE_OK;
}

void pare_exact_result_of(const pare_exact *s, pare_exact_result *out) {
    *out = s->result;
    double least = s->open > 0 ? s->key[0] : INFINITY;
    out->bound = fmin(out->loss, fmin(s->closed, least));
    out->proved = hopeless(s, out->bound);
}

const int64_t *pare_exact_best(const pare_exact *s, int64_t *count) {
    *count = s->best_count;
    return s->best;
}

void pare_exact_destroy(pare_exact *s) {
    if (!s) {
        return;
    }
    pare_context *ctx = s->problem.ctx;
    pare_relaxation_clear(&s->relaxation);
    pare_refit_clear(&s->refit);
    pare_bound_clear(&s->bound);
    pare_dual_clear(&s->dual);
    pare_design_destroy(&s->design);
    void *const owned[] = {s->x,    s->fixed, s->verdict, s->seen,   s->pick, s->alpha,
                           s->best, s->key,   s->slot,    s->unused, s->state};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    pare_free(ctx, s);
}
