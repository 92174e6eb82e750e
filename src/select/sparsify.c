/*
 * SequentialAttention++ (Axiotis, Yasuda et al., NeurIPS 2024): every group of N candidates has
 * logits L and the attention A = n softmax(L) over the n that are in, of mean 1; the weights in use
 * are W A mask. (The paper's softmax runs over all N: what stays is then multiplied by up to N / n,
 * and so is each step of its weights; measured, that is worse and wants half the step size.)
 * Phases: a dense start, `phases` equal parts, each sparsification, sparse, dense, the last one
 * sparsification only, a sparse end. In a sparsification phase the share s (1 - e^-ct) / (1 -
 * e^-c), c = 4, of the lowest A is masked; in a sparse one the mask stands. The optimiser forgets
 * its moments at each change of phase; logits decay as weights do; A is held within [1 - s, 1 / (1
 * - s)]. How a part is split is not published: in thirds here. The published Criteo runs are dense
 * for 20 % and sparse for 20 % of 25 passes; training of a few hundred steps wants a longer sparse
 * end. The paper ranks blocks by A alone; here, of those that read the same inputs, the r-th counts
 * A / r^redundancy. With A alone all blocks of the strongest inputs stay before any of others does,
 * since each input's work is split among many equal blocks (docs/results/prune_network.md).
 *
 * The baselines keep their published schedules on the same shares: gradual magnitude raises the
 * sparsity by the cubic of Zhu and Gupta between start and end; ACDC alternates sparse and dense.
 */
#include "select/sparsify.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double curvature = 4, loss_rate = 0.05;
static const double beta1 = 0.9, beta2 = 0.999;
enum { STEPS_PER_CALL = 16 };

typedef enum stage_kind { STAGE_DENSE, STAGE_SPARSIFY, STAGE_SPARSE } stage_kind;

typedef struct stage {
    stage_kind kind;
    int64_t number; /* differs from one phase to the next */
    double share;   /* SPARSIFY: of the final sparsity */
} stage;

typedef struct sparsifier {
    const pare_sparsify_task *task;
    pare_sparsified *out;
    int64_t count, steps, step, adam_steps, trace_every;
    float *attention, *logit, *first, *d_mask, *norm; /* (count) */
    double *second;                                   /* (groups) */
    pare_ranked *order;                               /* (largest group) */
} sparsifier;

static stage stage_at(const pare_sparsify_task *task, double t) {
    double phases = (double)task->phases;
    double at = (t - task->dense_share) / (1 - task->dense_share - task->sparse_share) * phases;
    if (task->method == PARE_SPARSIFY_NONE || t < task->dense_share) {
        return (stage){STAGE_DENSE, 0, 0};
    }
    if (at >= phases || task->method == PARE_SPARSIFY_RANDOM) {
        return (stage){STAGE_SPARSE, -1, 0};
    }
    int64_t part = (int64_t)at;
    double within = at - (double)part;
    switch (task->method) {
    case PARE_SPARSIFY_SEQUENTIAL_ATTENTION:
        if (part == task->phases - 1 || within < 1.0 / 3) {
            double end = part == task->phases - 1 ? 1 : 1.0 / 3;
            double share = (1 - exp(-curvature * within / end)) / (1 - exp(-curvature));
            return (stage){STAGE_SPARSIFY, 3 * part + 1, share};
        }
        return within < 2.0 / 3 ? (stage){STAGE_SPARSE, 3 * part + 2, 0}
                                : (stage){STAGE_DENSE, 3 * part + 3, 0};
    case PARE_SPARSIFY_ACDC:
        return within < 0.5 ? (stage){STAGE_SPARSE, 2 * part + 1, 0}
                            : (stage){STAGE_DENSE, 2 * part + 2, 0};
    default:
        return (stage){STAGE_SPARSIFY, 1, 1 - pow(1 - at / phases, 3)};
    }
}

static int falling(const void *a, const void *b) {
    const pare_ranked *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
                                : (x->number > y->number) - (x->number < y->number);
}

void pare_keep_best(int64_t groups, const int64_t *first, double sparsity, const double *score,
                    pare_ranked *order, uint8_t *keep) {
    for (int64_t g = 0; g < groups; g++) {
        int64_t from = first[g], size = first[g + 1] - from;
        int64_t kept = (int64_t)llround((1 - sparsity) * (double)size);
        for (int64_t i = 0; i < size; i++) {
            order[i] = (pare_ranked){score[from + i], from + i};
        }
        qsort(order, (size_t)size, sizeof *order, falling);
        for (int64_t i = 0; i < size; i++) {
            keep[order[i].number] = i < kept || i == 0;
        }
    }
}

/* The r-th of the blocks that read the same inputs, by attention, counts A / r^redundancy: they can
 * do each other's work, and gradients while all of them are in do not show it. */
static void discount(sparsifier *s) {
    const pare_sparsify_task *task = s->task;
    double *score = s->out->score;
    for (int64_t g = 0; task->redundancy > 0 && g < task->groups; g++) {
        int64_t wide = task->wide[g];
        for (int64_t from = task->first[g]; from < task->first[g + 1]; from += wide) {
            for (int64_t i = 0; i < wide; i++) {
                s->order[i] = (pare_ranked){score[from + i], from + i};
            }
            qsort(s->order, (size_t)wide, sizeof *s->order, falling);
            for (int64_t i = 0; i < wide; i++) {
                score[s->order[i].number] -= task->redundancy * log((double)(i + 1));
            }
        }
    }
}

static pare_status choose(sparsifier *s, double sparsity) {
    const pare_sparsify_task *task = s->task;
    double *score = s->out->score;
    if (task->method == PARE_SPARSIFY_SEQUENTIAL_ATTENTION) {
        for (int64_t i = 0; i < s->count; i++) {
            score[i] = (double)s->logit[i]; /* in the order of A, and not cut off */
        }
        discount(s);
    } else if (task->method != PARE_SPARSIFY_RANDOM) {
        pare_status status = task->objective->slots->norms(task->objective->self, s->norm);
        if (status != PARE_OK) {
            return status;
        }
        for (int64_t i = 0; i < s->count; i++) {
            score[i] = (double)s->norm[i];
        }
    }
    pare_keep_best(task->groups, task->first, sparsity, score, s->order, s->out->keep);
    return PARE_OK;
}

/* A = n softmax(L) over the n candidates of each group that are in, held within its limits, 0 for
 * the others; ones for the other methods. */
static void attend(sparsifier *s) {
    const pare_sparsify_task *task = s->task;
    float low = (float)(1 - task->sparsity), high = 1 / low;
    if (task->method != PARE_SPARSIFY_SEQUENTIAL_ATTENTION) {
        return;
    }
    for (int64_t g = 0; g < task->groups; g++) {
        int64_t from = task->first[g], to = task->first[g + 1];
        const uint8_t *keep = s->out->keep;
        float top = -INFINITY;
        double sum = 0, in = 0;
        for (int64_t i = from; i < to; i++) {
            top = keep[i] && s->logit[i] > top ? s->logit[i] : top;
        }
        for (int64_t i = from; i < to; i++) {
            s->attention[i] = keep[i] ? expf(s->logit[i] - top) : 0;
            sum += (double)s->attention[i];
            in += keep[i];
        }
        for (int64_t i = from; i < to; i++) {
            float a = s->attention[i] * (float)(in / sum);
            s->attention[i] = !keep[i] ? 0 : a < low ? low : a > high ? high : a;
        }
    }
}

/*
 * dL_i = A_i (dA_i - sum_j A_j dA_j / n) over what is in; then Adam with one second
 * moment for the whole group: with one each, blocks that see hardly any gradient (of constant
 * inputs) would move as far as those that matter. Decoupled decay.
 */
static void learn(sparsifier *s) {
    const pare_sparsify_task *task = s->task;
    s->adam_steps++;
    double done = (double)s->step / (double)s->steps;
    double rate = task->mask_rate * 0.5 * (1 + cos(3.141592653589793 * done));
    double unbias1 = 1 - pow(beta1, (double)s->adam_steps);
    double unbias2 = 1 - pow(beta2, (double)s->adam_steps);
    for (int64_t g = 0; g < task->groups; g++) {
        int64_t from = task->first[g], to = task->first[g + 1];
        double mean = 0, square = 0, count = 0;
        for (int64_t i = from; i < to; i++) {
            mean += (double)s->attention[i] * (double)s->d_mask[i];
            count += s->out->keep[i];
        }
        mean /= count;
        for (int64_t i = from; i < to; i++) {
            double d = (double)s->attention[i] * ((double)s->d_mask[i] - mean);
            square += d * d / (double)(to - from);
            s->first[i] += (float)((1 - beta1) * (d - (double)s->first[i]));
        }
        s->second[g] += (1 - beta2) * (square - s->second[g]);
        double step = rate / (unbias1 * (sqrt(s->second[g] / unbias2) + 1e-12));
        for (int64_t i = from; i < to; i++) {
            double shrunk = (double)s->logit[i] * (1 - rate * task->mask_decay);
            s->logit[i] = (float)(shrunk - step * (double)s->first[i]);
        }
    }
}

static pare_status change(sparsifier *s, stage_kind kind) {
    const pare_sparsify_task *task = s->task;
    if (task->objective->slots->forget) {
        task->objective->slots->forget(task->objective->self);
    }
    memset(s->first, 0, (size_t)s->count * sizeof *s->first);
    memset(s->second, 0, (size_t)s->task->groups * sizeof *s->second);
    s->adam_steps = 0;
    if (kind == STAGE_DENSE) {
        memset(s->out->keep, 1, (size_t)s->count);
    }
    return kind == STAGE_SPARSE ? choose(s, task->sparsity) : PARE_OK;
}

static void trace(sparsifier *s) {
    pare_sparsified *out = s->out;
    if (s->step % s->trace_every != 0 || out->trace >= PARE_TRACE_POINTS) {
        return;
    }
    int64_t kept = 0;
    for (int64_t i = 0; i < s->count; i++) {
        kept += out->keep[i];
    }
    out->trace_epoch[out->trace] = (double)s->step / (double)s->task->objective->steps_per_epoch;
    out->trace_loss[out->trace] = out->loss;
    out->trace_kept[out->trace++] = (double)kept / (double)s->count;
}

static pare_status one_step(sparsifier *s, const stage *now) {
    const pare_sparsify_task *task = s->task;
    pare_sparsified *out = s->out;
    bool attention = task->method == PARE_SPARSIFY_SEQUENTIAL_ATTENTION;
    double loss = 0;
    attend(s);
    if (now->kind == STAGE_SPARSIFY) {
        pare_status status = choose(s, task->sparsity * now->share);
        if (status != PARE_OK) {
            return status;
        }
    }
    for (int64_t i = 0; i < s->count; i++) {
        out->mask[i] = out->keep[i] ? s->attention[i] : 0;
    }
    pare_status status = task->objective->slots->step(task->objective->self, out->mask, &loss,
                                                      attention ? s->d_mask : NULL);
    if (status != PARE_OK) {
        return status;
    }
    if (attention) {
        learn(s);
    }
    s->step++;
    out->loss = isnan(out->loss) ? loss : out->loss + loss_rate * (loss - out->loss);
    trace(s);
    return PARE_OK;
}

static pare_status train(sparsifier *s, pare_sparsify_progress progress, void *user) {
    static const char *const names[] = {"dense", "sparsification", "sparse"};
    stage before = {STAGE_DENSE, 0, 0};
    while (s->step < s->steps) {
        stage now = stage_at(s->task, (double)s->step / (double)s->steps);
        if (now.number != before.number) {
            pare_status status = change(s, now.kind);
            if (status != PARE_OK) {
                return status;
            }
        }
        before = now;
        if (s->step % STEPS_PER_CALL == 0 && progress &&
            progress(user, names[now.kind], (double)s->step / (double)s->steps, s->out->loss)) {
            s->out->stopped = true;
            return PARE_OK;
        }
        pare_status status = one_step(s, &now);
        if (status != PARE_OK) {
            return status;
        }
    }
    if (s->task->method != PARE_SPARSIFY_NONE && before.kind != STAGE_SPARSE) {
        pare_status status = choose(s, s->task->sparsity); /* a few steps miss the last phase */
        if (status != PARE_OK) {
            return status;
        }
    }
    attend(s); /* the last step of the logits counts too */
    for (int64_t i = 0; i < s->count; i++) {
        s->out->mask[i] = s->out->keep[i] ? s->attention[i] : 0;
    }
    return PARE_OK;
}

static pare_status reserve(sparsifier *s) {
    pare_context *ctx = s->task->ctx;
    pare_sparsified *out = s->out;
    int64_t widest = 0;
    for (int64_t g = 0; g < s->task->groups; g++) {
        int64_t size = s->task->first[g + 1] - s->task->first[g];
        widest = size > widest ? size : widest;
    }
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&out->keep, s->count, sizeof *out->keep},
        {&out->mask, s->count, sizeof *out->mask},
        {&out->score, s->count, sizeof *out->score},
        {&out->trace_epoch, PARE_TRACE_POINTS, sizeof *out->trace_epoch},
        {&out->trace_loss, PARE_TRACE_POINTS, sizeof *out->trace_loss},
        {&out->trace_kept, PARE_TRACE_POINTS, sizeof *out->trace_kept},
        {&s->attention, s->count, sizeof *s->attention},
        {&s->logit, s->count, sizeof *s->logit},
        {&s->first, s->count, sizeof *s->first},
        {&s->second, s->task->groups, sizeof *s->second},
        {&s->d_mask, s->count, sizeof *s->d_mask},
        {&s->norm, s->count, sizeof *s->norm},
        {&s->order, widest, sizeof *s->order},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    for (int64_t i = 0; i < s->count; i++) {
        out->keep[i] = 1;
        s->attention[i] = 1;
        out->score[i] = pare_random_uniform(s->task->seed, PARE_STREAM_METHOD, (uint64_t)i);
    }
    return PARE_OK;
}

static void release(sparsifier *s) {
    void *const arrays[] = {s->attention, s->logit, s->first, s->second,
                            s->d_mask,    s->norm,  s->order};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_free(s->task->ctx, arrays[i]);
    }
}

pare_status pare_sparsify(const pare_sparsify_task *task, pare_sparsify_progress progress,
                          void *user, pare_sparsified *out) {
    pare_objective *objective = task->objective;
    *out = (pare_sparsified){.loss = NAN};
    sparsifier s = {.task = task, .out = out, .count = objective->count};
    double steps = round(task->epochs * (double)objective->steps_per_epoch);
    s.steps = steps > 1 ? (int64_t)steps : 1;
    s.trace_every = s.steps / PARE_TRACE_POINTS + 1;
    pare_status status = reserve(&s);
    if (status == PARE_OK) {
        status = objective->slots->reset(objective->self, task->seed, s.steps);
    }
    if (status == PARE_OK) {
        status = train(&s, progress, user);
    }
    release(&s);
    if (status != PARE_OK) {
        pare_sparsified_clear(task->ctx, out);
    }
    return status;
}

void pare_sparsified_clear(pare_context *ctx, pare_sparsified *out) {
    void *const arrays[] = {out->keep,        out->mask,       out->score,
                            out->trace_epoch, out->trace_loss, out->trace_kept};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_free(ctx, arrays[i]);
    }
    *out = (pare_sparsified){0};
}
