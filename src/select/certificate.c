/*
 * The certificate of one subset, step by step:
 *
 *   FIT      refit the subset: its loss is the upper side, its residual the first dual point
 *   GLANCE   one pass over the design in float: the value of the dual point, and the candidates
 *            whose gain says that they belong into the working set
 *   SOLVE    the relaxation on the working set; back to GLANCE until nothing new shows up
 *   ROUND    the best integral subset near the relaxation's answer, in case it is better
 *   PROVE    one pass in double: the safe bound and the verdicts
 *   NARROW   where few candidates survived: the relaxation on the survivors alone (the removed can
 *            no longer be among the k largest gains), proved without a pass; repeated while it
 *            removes more
 */
#include "platform/system.h"
#include "select/bound.h"
#include "select/refit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORKING_COLUMNS = 4096,
    ITERATIONS_A_STEP = 25,
    ROUND_ITERATIONS = 1500,
    ROUNDS_MOST = 40,
    NARROWINGS_MOST = 6,
    FIRST_MEMBERS = 256
};
static const int64_t working_floats = INT64_C(1) << 26;
static const double default_gap = 1e-6;
/* The relaxation is solved to this share of the gap that is left. */
static const double inner_share = 0.01;
/* At the end once more, to this share of that. */
static const double polish_share = 0.1;
/* Candidates whose gain reaches this share of the price join the working set. */
static const double near_price = 0.7;

typedef enum stage { FIT, GLANCE, SOLVE, ROUND, PROVE, NARROW, PROVE_NARROW, DONE } stage;

typedef struct ranked {
    double ratio;
    int64_t candidate;
} ranked;

struct pare_certificate {
    pare_certified_problem problem;
    pare_certificate_options options;
    pare_dual dual;
    pare_refit refit;
    pare_relaxation relaxation;
    pare_bound bound;
    int8_t *fixed;   /* (candidates) problem->fixed, and what verdicts have settled */
    int8_t *verdict; /* (candidates) */
    uint8_t *seen;   /* (candidates) scratch */
    ranked *rank;    /* (candidates) scratch */
    int64_t *pick;   /* (candidates) scratch */
    int64_t count, *subset;
    double *alpha;      /* (outputs, rows) in hand */
    double *best_alpha; /* of the best value seen in float */
    double best_value;

    stage stage;
    double start, tolerance;
    int64_t rounds, round_iterations, narrowings;
    bool polished, out_of_time;
    pare_certificate_result result;
};

static double gap_left(const pare_certificate *s, double value) {
    return s->result.best_loss - value;
}

static bool late(pare_certificate *s) {
    s->result.seconds = pare_clock_seconds() - s->start;
    if (s->options.seconds > 0 && s->result.seconds >= s->options.seconds) {
        s->out_of_time = true;
    }
    return s->out_of_time;
}

/* ---- Construction -------------------------------------------------------------------------- */

static int64_t working_capacity(const pare_certified_problem *problem, int64_t subset_columns) {
    const pare_design *design = problem->design;
    int64_t most = working_floats / design->rows, widest = 1;
    for (int64_t c = 0; c < design->candidates; c++) {
        int64_t width = design->start[c + 1] - design->start[c];
        widest = width > widest ? width : widest;
    }
    most = most < WORKING_COLUMNS ? most : WORKING_COLUMNS;
    int64_t least = 2 * subset_columns + widest + 16;
    most = most < least ? least : most;
    return most < design->columns ? most : design->columns;
}

static pare_status create_arrays(pare_certificate *s) {
    int64_t candidates = s->problem.design->candidates;
    int64_t cells = s->problem.design->rows * s->problem.outputs;
    const struct {
        void *out;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&s->fixed, candidates, sizeof *s->fixed}, {&s->verdict, candidates, sizeof *s->verdict},
        {&s->seen, candidates, sizeof *s->seen},   {&s->rank, candidates, sizeof *s->rank},
        {&s->pick, candidates, sizeof *s->pick},   {&s->subset, candidates, sizeof *s->subset},
        {&s->alpha, cells, sizeof *s->alpha},      {&s->best_alpha, cells, sizeof *s->best_alpha},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status =
            pare_alloc_zero(s->problem.ctx, arrays[i].count, arrays[i].size, arrays[i].out);
        if (status != PARE_OK) {
            return status;
        }
    }
    return PARE_OK;
}

/* The most columns any subset within the budget can have; the refit reserves that much. */
static int64_t refit_capacity(pare_certificate *s) {
    const pare_certified_problem *problem = &s->problem;
    const pare_design *design = problem->design;
    for (int64_t c = 0; c < design->candidates; c++) {
        double width = (double)(design->start[c + 1] - design->start[c]);
        double cost = pare_candidate_cost(problem, c);
        s->bound.item[c] = (pare_knapsack_item){width / cost, width, cost};
    }
    pare_knapsack_sort(design->candidates, s->bound.item);
    double columns = 0, cost = 0;
    for (int64_t c = 0; c < design->candidates && cost < problem->budget; c++) {
        columns += s->bound.item[c].gain;
        cost += s->bound.item[c].cost;
    }
    int64_t forced = pare_subset_columns(problem, s->count, s->subset);
    int64_t most = (int64_t)columns + 1;
    most = most < forced ? forced : most;
    return most < design->columns ? most : design->columns;
}

pare_status pare_certificate_create(const pare_certified_problem *problem,
                                    const pare_certificate_options *options, int64_t count,
                                    const int64_t *subset, pare_certificate **out) {
    *out = NULL;
    pare_context *ctx = problem->ctx;
    pare_status status = pare_certified_check(problem);
    if (status != PARE_OK) {
        return status;
    }
    pare_certificate *s = NULL;
    status = pare_alloc_zero(ctx, 1, sizeof *s, &s);
    if (status != PARE_OK) {
        return status;
    }
    s->problem = *problem;
    s->options = *options;
    s->options.gap = options->gap > 0 ? options->gap : default_gap;
    s->start = pare_clock_seconds();
    status = create_arrays(s);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_certified_check_subset(problem, count, subset, s->seen);
    if (status != PARE_OK) {
        goto fail;
    }
    s->count = count;
    for (int64_t i = 0; i < count; i++) {
        s->subset[i] = subset[i];
    }
    for (int64_t j = 0; problem->fixed && j < problem->design->candidates; j++) {
        s->fixed[j] = problem->fixed[j];
        s->verdict[j] = problem->fixed[j] > 0   ? PARE_VERDICT_EVERY
                        : problem->fixed[j] < 0 ? PARE_VERDICT_NONE
                                                : PARE_VERDICT_UNDECIDED;
    }
    status = pare_dual_init(&s->problem, &s->dual);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_bound_init(&s->problem, &s->dual, &s->bound);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_refit_init(&s->problem, &s->dual, refit_capacity(s), &s->refit);
    if (status != PARE_OK) {
        goto fail;
    }
    status = pare_relaxation_init(
        &s->problem, &s->dual, s->fixed,
        working_capacity(problem, pare_subset_columns(problem, count, subset)), &s->relaxation);
    if (status != PARE_OK) {
        goto fail;
    }
    s->result.ridge = problem->ridge;
    s->result.null_loss = s->result.loss = s->result.best_loss = INFINITY;
    s->best_value = -INFINITY;
    *out = s;
    return PARE_OK;
fail:
    pare_certificate_destroy(s);
    return status;
}

void pare_certificate_destroy(pare_certificate *s) {
    if (!s) {
        return;
    }
    pare_context *ctx = s->problem.ctx;
    pare_relaxation_clear(&s->relaxation);
    pare_refit_clear(&s->refit);
    pare_bound_clear(&s->bound);
    pare_dual_clear(&s->dual);
    void *const owned[] = {s->fixed, s->verdict, s->seen,  s->rank,
                           s->pick,  s->subset,  s->alpha, s->best_alpha};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(ctx, owned[i]);
    }
    pare_free(ctx, s);
}

/* ---- Steps --------------------------------------------------------------------------------- */

/* Loss of the empty subset, rounded down: the conjugate at the constant prediction, where every
 * gain counts for nothing. */
static void set_null_loss(pare_certificate *s) {
    int64_t cells = s->problem.design->rows * s->problem.outputs;
    memset(s->relaxation.z, 0, (size_t)cells * sizeof(double));
    memset(s->dual.intercept, 0, (size_t)s->problem.outputs * sizeof(double));
    (void)pare_dual_predict(&s->dual, s->relaxation.z, s->alpha);
    pare_dual_alpha(&s->dual, s->alpha, s->alpha);
    s->result.null_loss =
        pare_dual_round(&s->dual, s->alpha) ? pare_dual_conjugate(&s->dual, s->alpha) : 0;
}

static pare_status fit(pare_certificate *s) {
    set_null_loss(s);
    pare_status status = pare_refit_run(&s->refit, s->count, s->subset, &s->result.loss);
    if (status != PARE_OK) {
        return status;
    }
    s->result.best_loss = s->result.loss;
    pare_dual_alpha(&s->dual, s->refit.p, s->alpha);
    s->stage = GLANCE;
    return PARE_OK;
}

static int by_ratio(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->ratio != y->ratio) {
        return x->ratio < y->ratio ? 1 : -1;
    }
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

/* Candidates outside the working set whose ratio is at least `least`, best first, into s->pick. */
static int64_t rank_outside(pare_certificate *s, double least) {
    int64_t count = 0;
    for (int64_t c = 0; c < s->problem.design->candidates; c++) {
        double ratio = s->bound.gain[c] / pare_candidate_cost(&s->problem, c);
        if (!s->relaxation.is_member[c] && s->fixed[c] >= 0 && ratio > 0 && ratio >= least) {
            s->rank[count++] = (ranked){ratio, c};
        }
    }
    qsort(s->rank, (size_t)count, sizeof *s->rank, by_ratio);
    for (int64_t i = 0; i < count; i++) {
        s->pick[i] = s->rank[i].candidate;
    }
    return count;
}

static pare_status first_members(pare_certificate *s) {
    pare_relaxation *r = &s->relaxation;
    int64_t m = s->problem.outputs, column = 0;
    pare_status status = pare_relaxation_add(r, s->count, s->subset);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < s->count; i++) {
        pare_relaxation_start(r, s->subset[i], s->refit.w + column * m);
        column += pare_subset_columns(&s->problem, 1, s->subset + i);
    }
    int64_t count = rank_outside(s, near_price * s->bound.price);
    int64_t most = 4 * s->count > FIRST_MEMBERS ? 4 * s->count : FIRST_MEMBERS;
    return pare_relaxation_add(r, count < most ? count : most, s->pick);
}

static void start_solving(pare_certificate *s) {
    pare_relaxation_measure(&s->relaxation);
    pare_relaxation_prepare(&s->relaxation);
    double bar = s->options.gap * fmax(s->result.null_loss - s->best_value, 0);
    s->tolerance = fmax(inner_share * gap_left(s, s->best_value), 0.5 * bar);
    s->round_iterations = 0;
}

static bool close_enough(const pare_certificate *s, double value) {
    return gap_left(s, value) <= s->options.gap * (s->result.null_loss - value);
}

static pare_status glance(pare_certificate *s) {
    double value = 0;
    pare_status status = pare_bound_glance(&s->bound, s->fixed, s->alpha, &value);
    if (status != PARE_OK) {
        return status;
    }
    s->result.passes++;
    s->rounds++;
    if (value > s->best_value) {
        s->best_value = value;
        memcpy(s->best_alpha, s->alpha,
               (size_t)(s->problem.design->rows * s->problem.outputs) * sizeof(double));
    }
    pare_relaxation *r = &s->relaxation;
    if (r->members == 0) {
        status = first_members(s);
        if (status == PARE_OK) {
            start_solving(s);
            s->stage = close_enough(s, value) || r->members == 0 ? PROVE : SOLVE;
        }
        return status;
    }
    bool settled = fmin(r->primal, s->result.best_loss) - s->best_value <=
                   fmax(3 * s->tolerance, 1e-12 * s->result.null_loss);
    int64_t count = settled ? 0 : rank_outside(s, near_price * s->bound.price);
    bool news = count > 0 && s->rank[0].ratio > s->bound.price;
    if (settled || !news || s->rounds >= ROUNDS_MOST || close_enough(s, s->best_value)) {
        /* Nothing new shows up: what is left to win is on the working set. */
        s->stage = s->polished ? ROUND : SOLVE;
        s->polished = true;
        s->tolerance *= polish_share;
        s->round_iterations = 0;
        return PARE_OK;
    }
    int64_t most = r->members > FIRST_MEMBERS ? r->members : FIRST_MEMBERS;
    if (r->start[r->members] + count > r->capacity) {
        pare_relaxation_drop(r, true);
    }
    int64_t before = r->members;
    status = pare_relaxation_add(r, count < most ? count : most, s->pick);
    if (status == PARE_OK) {
        start_solving(s);
        s->stage = r->members == before ? ROUND : SOLVE;
    }
    return status;
}

/* One bite of the relaxation; true when it is solved well enough or must stop. */
static bool solve(pare_certificate *s) {
    pare_relaxation *r = &s->relaxation;
    bool solved = pare_relaxation_iterate(r, ITERATIONS_A_STEP, s->tolerance);
    s->round_iterations += ITERATIONS_A_STEP;
    if (!solved && s->round_iterations < ROUND_ITERATIONS && !late(s)) {
        return false;
    }
    memcpy(s->alpha, r->best,
           (size_t)(s->problem.design->rows * s->problem.outputs) * sizeof(double));
    return true;
}

/* Takes members by falling share, then weight, while they fit the budget. */
static int64_t round_relaxation(pare_certificate *s) {
    pare_relaxation *r = &s->relaxation;
    int64_t m = s->problem.outputs, count = 0, ranked_count = 0;
    double budget = s->problem.budget;
    for (int64_t i = 0; i < r->members; i++) {
        double square = 0;
        for (int64_t at = r->start[i] * m; at < r->start[i + 1] * m; at++) {
            square += r->w[at] * r->w[at];
        }
        int64_t c = r->member[i];
        double ratio = sqrt(square / pare_candidate_cost(&s->problem, c));
        s->rank[ranked_count++] = (ranked){s->fixed[c] > 0 ? INFINITY : ratio, c};
    }
    qsort(s->rank, (size_t)ranked_count, sizeof *s->rank, by_ratio);
    for (int64_t i = 0; i < ranked_count; i++) {
        double cost = pare_candidate_cost(&s->problem, s->rank[i].candidate);
        if (cost <= budget && s->rank[i].ratio > 0) {
            s->pick[count++] = s->rank[i].candidate;
            budget -= cost;
        }
    }
    return count;
}

static pare_status consider_rounding(pare_certificate *s) {
    int64_t count = round_relaxation(s);
    double loss = 0;
    if (pare_subset_columns(&s->problem, count, s->pick) > s->refit.capacity ||
        pare_certified_check_subset(&s->problem, count, s->pick, s->seen) != PARE_OK) {
        return PARE_OK;
    }
    pare_status status = pare_refit_run(&s->refit, count, s->pick, &loss);
    if (status == PARE_OK && loss < s->result.best_loss) {
        s->result.best_loss = loss;
    }
    return status;
}

/* Fixes what the last proof has settled; the number of candidates it removed. */
static int64_t settle(pare_certificate *s) {
    int64_t removed = 0;
    (void)pare_bound_verdicts(&s->bound, s->fixed, s->result.best_loss, s->verdict);
    for (int64_t c = 0; c < s->problem.design->candidates; c++) {
        if (s->fixed[c] == 0 && s->verdict[c] != PARE_VERDICT_UNDECIDED) {
            s->fixed[c] = s->verdict[c] == PARE_VERDICT_EVERY ? 1 : -1;
            removed += s->verdict[c] == PARE_VERDICT_NONE;
        }
    }
    return removed;
}

/* Brings the survivors, if they all fit, into the working set. */
static pare_status narrow(pare_certificate *s) {
    const pare_design *design = s->problem.design;
    pare_relaxation *r = &s->relaxation;
    int64_t columns = 0, count = 0;
    for (int64_t c = 0; c < design->candidates; c++) {
        columns += s->fixed[c] >= 0 ? design->start[c + 1] - design->start[c] : 0;
    }
    if (columns > r->capacity || columns == 0) {
        s->stage = DONE;
        return PARE_OK;
    }
    pare_relaxation_drop(r, false);
    for (int64_t c = 0; c < design->candidates; c++) {
        if (s->fixed[c] >= 0 && !r->is_member[c]) {
            s->pick[count++] = c;
        }
    }
    pare_status status = pare_relaxation_add(r, count, s->pick);
    start_solving(s);
    s->narrowings++;
    s->stage = NARROW;
    return status;
}

static pare_status prove(pare_certificate *s, double *alpha, const pare_relaxation *members) {
    double value = 0;
    pare_status status = pare_bound_prove(&s->bound, s->fixed, members, alpha, &value);
    if (status != PARE_OK) {
        return status;
    }
    s->result.passes += members ? 0 : 1;
    s->stage = DONE;
    if (!(value > -INFINITY)) {
        return PARE_OK;
    }
    double before = s->result.bound;
    s->result.bound = fmax(before, value);
    int64_t removed = settle(s);
    double gained = s->result.bound - before;
    bool worth =
        members == NULL ? removed > 0 : removed > 0 || gained > 0.02 * gap_left(s, s->result.bound);
    if (!close_enough(s, s->result.bound) && worth && s->narrowings < NARROWINGS_MOST && !late(s)) {
        s->best_value = s->result.bound;
        return narrow(s);
    }
    return PARE_OK;
}

pare_status pare_certificate_step(pare_certificate *s, bool *done) {
    pare_status status = PARE_OK;
    switch (s->stage) {
    case FIT:
        status = fit(s);
        break;
    case GLANCE:
        status = glance(s);
        if (status == PARE_OK && late(s) && s->stage != DONE) {
            s->stage = PROVE;
        }
        break;
    case SOLVE:
        if (solve(s)) {
            s->stage = GLANCE;
        }
        break;
    case ROUND:
        status = consider_rounding(s);
        s->stage = PROVE;
        break;
    case PROVE:
        status = prove(s, s->best_alpha, NULL);
        break;
    case NARROW:
        if (solve(s)) {
            status = consider_rounding(s);
            s->stage = PROVE_NARROW;
        }
        break;
    case PROVE_NARROW:
        status = prove(s, s->alpha, &s->relaxation);
        break;
    case DONE:
        *done = true;
        return PARE_OK;
    }
    s->result.seconds = pare_clock_seconds() - s->start;
    *done = s->stage == DONE;
    return status;
}

/* ---- Result -------------------------------------------------------------------------------- */

void pare_certificate_result_of(const pare_certificate *s, pare_certificate_result *out) {
    *out = s->result;
    out->converged = s->stage == DONE && !s->out_of_time;
    out->bound = fmin(out->bound, out->best_loss);
    double reach = out->null_loss - out->bound, reached = out->null_loss - out->loss;
    out->fraction = reach > 0 && reached > 0 ? fmin(1, reached / reach) : 0;
    for (int64_t c = 0; c < s->problem.design->candidates; c++) {
        out->every += s->verdict[c] == PARE_VERDICT_EVERY;
        out->none += s->verdict[c] == PARE_VERDICT_NONE;
        out->undecided += s->verdict[c] == PARE_VERDICT_UNDECIDED;
    }
}

const int8_t *pare_certificate_verdicts(const pare_certificate *s) {
    return s->verdict;
}
