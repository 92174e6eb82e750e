/*
 * The best subset itself: branch and bound on the problem that certificates speak about, from what
 * the method chose. Where it ends before its limits nothing is better; else the gap is known. Each
 * choice is scored by what the loss grows without it.
 */
#include "base/text.h"
#include "platform/cluster.h"
#include "problem/certify.h"
#include "problem/strategy.h"

#include <math.h>
#include <string.h>

typedef struct best_subset {
    pare_selector *s; /* the outer one, borrowed */
    pare_options inner;
    bool has_inner;
    pare_selector *run; /* of the method, then NULL */
    pare_certified_subject subject;
    pare_exact *exact;
    double loss; /* of the choice, to see when a better one was met */
    bool ended;  /* within the limits */
} best_subset;

static void best_subset_destroy(void *self) {
    best_subset *b = self;
    if (!b) {
        return;
    }
    pare_context *ctx = b->s->ctx;
    pare_selector_destroy(b->run);
    pare_exact_destroy(b->exact);
    pare_certified_subject_clear(&b->subject);
    if (b->has_inner) {
        pare_options_clear(&b->inner);
    }
    pare_free(ctx, b);
}

static pare_status best_subset_create(pare_selector *s, void **out) {
    best_subset *b = NULL;
    *out = NULL;
    pare_status status = pare_alloc_zero(s->ctx, 1, sizeof *b, &b);
    if (status != PARE_OK) {
        return status;
    }
    b->s = s;
    status = pare_options_copy(&s->options, &b->inner);
    if (status != PARE_OK) {
        best_subset_destroy(b);
        return status;
    }
    b->has_inner = true;
    b->inner.exact = false;
    b->inner.time_limit = 0;
    *out = b;
    return PARE_OK;
}

/* The method's own choice, where the search begins. */
static pare_status advance_run(best_subset *b) {
    pare_choice *choice = &b->s->choice;
    if (!b->run) {
        return pare_selector_start(b->s->train, b->s->valid, &b->inner, &b->run);
    }
    bool finished = false;
    pare_status status = pare_selector_advance(b->run, &finished);
    if (status != PARE_OK || !finished) {
        return status;
    }
    const int64_t count = b->run->fewest > 0 ? b->run->fewest : b->run->choice.count;
    for (int64_t i = 0; i < count; i++) {
        pare_choice_add(choice, b->run->choice.item[i], NAN);
    }
    pare_selector_destroy(b->run);
    b->run = NULL;
    status = pare_certified_subject_init(b->s->train, &b->s->options, count, &b->subject);
    if (status != PARE_OK) {
        return status;
    }
    const pare_exact_options limits = {.nodes = b->s->options.exact_nodes};
    status = pare_exact_create(&b->subject.problem, &limits, count, choice->item, &b->exact);
    b->loss = INFINITY;
    return status;
}

static void take_best(best_subset *b, double loss) {
    pare_choice *choice = &b->s->choice;
    int64_t count = 0;
    const int64_t *best = pare_exact_best(b->exact, &count);
    b->loss = loss;
    choice->count = 0;
    for (int64_t i = 0; i < count; i++) {
        pare_choice_add(choice, best[i], NAN);
    }
}

/* Scores, and by them the order. */
static pare_status rank(best_subset *b) {
    pare_choice *choice = &b->s->choice;
    int64_t *other = NULL;
    pare_status status = pare_alloc(b->s->ctx, choice->count, sizeof *other, &other);
    for (int64_t i = 0; i < choice->count && status == PARE_OK; i++) {
        int64_t count = 0;
        double without = 0;
        for (int64_t c = 0; c < choice->count; c++) {
            if (c != i) {
                other[count++] = choice->item[c];
            }
        }
        status = pare_certified_refit(&b->subject.problem, count, other, &without);
        choice->score[i] = (without - b->loss) / b->subject.total;
    }
    for (int64_t i = 1; i < choice->count && status == PARE_OK; i++) {
        const int64_t item = choice->item[i];
        const double score = choice->score[i];
        int64_t at = i;
        for (; at > 0 && choice->score[at - 1] < score; at--) {
            choice->item[at] = choice->item[at - 1];
            choice->score[at] = choice->score[at - 1];
        }
        choice->item[at] = item;
        choice->score[at] = score;
    }
    pare_free(b->s->ctx, other);
    return status;
}

static double fraction_of(const pare_exact_result *r) {
    const double reach = r->null_loss - r->bound, reached = r->null_loss - r->loss;
    return reach > 0 && reached > 0 ? fmin(1, reached / reach) : 0;
}

static pare_status best_subset_step(void *self, bool *done) {
    best_subset *b = self;
    pare_choice *choice = &b->s->choice;
    const double limit = b->s->options.certify_seconds;
    *done = false;
    choice->stage = b->exact ? "branch" : "select";
    if (!b->exact) {
        return advance_run(b);
    }
    bool over = false;
    pare_exact_result r;
    pare_status status = pare_exact_step(b->exact, &over);
    if (status != PARE_OK) {
        return status;
    }
    pare_exact_result_of(b->exact, &r);
    if (r.loss < b->loss) {
        take_best(b, r.loss);
    }
    choice->loss = r.loss / b->subject.total;
    choice->fraction = fraction_of(&r);
    if (!over && !(limit > 0 && pare_cluster_decide(r.seconds >= limit))) {
        return PARE_OK;
    }
    b->ended = r.proved;
    *done = true;
    return rank(b);
}

static pare_status best_subset_record(const void *self, pare_selection *record) {
    const best_subset *b = self;
    if (!b->exact) {
        return PARE_OK;
    }
    pare_exact_result r;
    pare_exact_result_of(b->exact, &r);
    pare_proof *proof = &record->proof;
    proof->certified = true;
    proof->certificate.fraction = fraction_of(&r);
    proof->certificate.loss = proof->certificate.best_loss = r.loss / b->subject.total;
    proof->certificate.bound = r.bound / b->subject.total;
    proof->certificate.null_loss = r.null_loss / b->subject.total;
    proof->certificate.ridge = b->s->options.certify_ridge;
    proof->certificate.undecided = (double)b->s->train->candidates;
    proof->certificate.seconds = r.seconds;
    proof->certificate.converged = b->ended;
    proof->certificate.nodes = (double)r.nodes;
    return PARE_OK;
}

const struct pare_strategy pare_strategy_best_subset = {
    .name = "exact",
    .needs_k = true,
    .costs = true,
    .create = best_subset_create,
    .step = best_subset_step,
    .record = best_subset_record,
    .destroy = best_subset_destroy,
};
