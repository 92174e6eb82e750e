/*
 * SequentialAttention++ with frozen weights (Axiotis et al. 2024, algorithm 1): one logit a
 * candidate, mask = N * softmax (mean 1) over the candidates that are left, trained by Adam on the
 * divergence of the masked model's predictions from the dense model's. Dense phase, sparsification
 * phase in which the share removed follows s (1 - e^{-ct}) / (1 - e^{-c}) with c = 4, and a last
 * phase at the full share; optimiser reset between phases. Departures: the softmax runs over all
 * layers of a kind (heads; channels), since layers may keep different shares, and removal is final.
 */
#include "problem/prune_parts.h"

#include <math.h>
#include <string.h>

static const double dense_share = 0.25, last_share = 0.15, curvature = 4;
static const double rate = 0.05, decay = 1e-3, beta1 = 0.9, beta2 = 0.99;

typedef struct mask_kind {
    int64_t count, open; /* open: still in */
    double *logit, *mask, *gradient, *first, *second;
    double *rank; /* share of the kind removed before; of those in: by the mask at the end */
    uint8_t *in;
} mask_kind;

typedef struct mask {
    pruning *p;
    mask_kind kind[2];
    pare_lm_run *run;
    pare_lm_gates gates;
    pare_lm_gradients gradients;
    int64_t adam_step;
} mask;

static pare_status reserve(mask *m, double *const score[2]) {
    pruning *p = m->p;
    const pare_lm_shape *s = &p->lm->shape;
    int64_t heads = 0;
    for (int64_t i = 0; i < s->layers; i++) {
        heads += s->layer[i].heads;
    }
    const int64_t size[2] = {heads, p->candidates[1]};
    float **const gates[] = {&m->gates.head, &m->gates.channel, &m->gradients.gate.head,
                             &m->gradients.gate.channel};
    pare_status status =
        pare_lm_run_create(p->lm, p->calibration.batch, p->calibration.length, true, &m->run);
    for (int i = 0; status == PARE_OK && i < 4; i++) {
        status = pare_alloc_zero(p->ctx, size[i % 2], sizeof(float), gates[i]);
    }
    for (int i = 0; status == PARE_OK && i < 2; i++) {
        mask_kind *k = &m->kind[i];
        k->count = k->open = p->candidates[i];
        k->rank = score[i];
        double **const arrays[] = {&k->logit, &k->mask, &k->gradient, &k->first, &k->second};
        for (int j = 0; status == PARE_OK && j < 5; j++) {
            status = pare_alloc_zero(p->ctx, k->count, sizeof(double), arrays[j]);
        }
        if (status == PARE_OK) {
            status = pare_alloc(p->ctx, k->count, 1, &k->in);
        }
        if (status == PARE_OK) {
            memset(k->in, 1, (size_t)k->count);
        }
    }
    return status;
}

static void release(mask *m) {
    pare_context *ctx = m->p->ctx;
    for (int i = 0; i < 2; i++) {
        mask_kind *k = &m->kind[i];
        double *const arrays[] = {k->logit, k->mask, k->gradient, k->first, k->second};
        for (int j = 0; j < 5; j++) {
            pare_free(ctx, arrays[j]);
        }
        pare_free(ctx, k->in);
    }
    pare_free(ctx, m->gates.head);
    pare_free(ctx, m->gates.channel);
    pare_free(ctx, m->gradients.gate.head);
    pare_free(ctx, m->gradients.gate.channel);
    pare_lm_run_destroy(m->run);
}

static void soften(mask_kind *k) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < k->count; i++) {
        top = k->in[i] && k->logit[i] > top ? k->logit[i] : top;
    }
    for (int64_t i = 0; i < k->count; i++) {
        k->mask[i] = k->in[i] ? exp(k->logit[i] - top) : 0;
        sum += k->mask[i];
    }
    for (int64_t i = 0; i < k->count; i++) {
        k->mask[i] *= sum > 0 ? (double)k->open / sum : 0;
    }
}

/* Copies masks to the gates of the heads of each group, or (back) sums their gradients. */
static void spread(mask *m, bool back) {
    const pare_lm_shape *s = &m->p->lm->shape;
    int64_t head = 0, group = 0;
    for (int64_t i = 0; i < s->layers; i++) {
        int64_t share = s->layer[i].heads > 0 ? s->layer[i].heads / s->layer[i].kv_heads : 1;
        for (int64_t g = 0; g < s->layer[i].kv_heads; g++, group++) {
            m->kind[0].gradient[group] = 0;
            for (int64_t h = 0; h < share; h++, head++) {
                m->gates.head[head] = (float)m->kind[0].mask[group];
                m->kind[0].gradient[group] += back ? (double)m->gradients.gate.head[head] : 0;
            }
        }
    }
    for (int64_t i = 0; i < m->kind[1].count; i++) {
        m->gates.channel[i] = (float)m->kind[1].mask[i];
        m->kind[1].gradient[i] = back ? (double)m->gradients.gate.channel[i] : 0;
    }
}

/* dl_j = m_j (d_j - sum m_i d_i / N), then a step of Adam with decay. */
static void learn(mask_kind *k, int64_t step) {
    double mean = 0;
    for (int64_t i = 0; i < k->count; i++) {
        mean += k->mask[i] * k->gradient[i] / (double)(k->open > 0 ? k->open : 1);
    }
    double unbias1 = 1 - pow(beta1, (double)step), unbias2 = 1 - pow(beta2, (double)step);
    for (int64_t i = 0; i < k->count; i++) {
        double g = k->mask[i] * (k->gradient[i] - mean);
        if (!k->in[i]) {
            continue;
        }
        k->first[i] = beta1 * k->first[i] + (1 - beta1) * g;
        k->second[i] = beta2 * k->second[i] + (1 - beta2) * g * g;
        k->logit[i] -= rate * (k->first[i] / unbias1 / (sqrt(k->second[i] / unbias2) + 1e-12) +
                               decay * k->logit[i]);
    }
}

/* Takes out the smallest masks until `share` of the kind is gone. */
static void remove_share(mask_kind *k, double share) {
    int64_t left = (int64_t)ceil((1 - share) * (double)k->count);
    while (k->open > left) {
        int64_t least = -1;
        for (int64_t i = 0; i < k->count; i++) {
            if (k->in[i] && (least < 0 || k->mask[i] < k->mask[least])) {
                least = i;
            }
        }
        k->rank[least] = (double)(k->count - k->open) / (double)k->count;
        k->in[least] = 0;
        k->open--;
    }
}

static void forget(mask *m) {
    m->adam_step = 0;
    for (int i = 0; i < 2; i++) {
        memset(m->kind[i].first, 0, (size_t)m->kind[i].count * sizeof(double));
        memset(m->kind[i].second, 0, (size_t)m->kind[i].count * sizeof(double));
    }
}

static pare_status train(mask *m) {
    pruning *p = m->p;
    const pare_calibration *c = &p->calibration;
    int64_t steps = p->options->steps, batches = c->sequences / c->batch;
    int64_t dense = (int64_t)(dense_share * (double)steps);
    int64_t last = steps - (int64_t)(last_share * (double)steps);
    bool open[2] = {p->options->heads, p->options->ffn};
    for (int64_t step = 0; step < steps; step++) {
        const int32_t *token = c->token + step % batches * c->batch * c->length;
        pare_status status = pare_prune_tell(p, "train mask", 0.6 * (double)step / (double)steps);
        if (status != PARE_OK) {
            return status;
        }
        for (int64_t i = 0; i < c->batch * c->length; i++) {
            c->target[i] = (i + 1) % c->length == 0 ? -1 : token[i + 1];
        }
        for (int i = 0; i < 2; i++) {
            soften(&m->kind[i]);
        }
        spread(m, false);
        (void)pare_lm_forward(c->dense_run, token, NULL);
        (void)pare_lm_forward(m->run, token, &m->gates);
        (void)pare_lm_loss(m->run, &m->gates, c->target, c->dense_run, NULL, &m->gradients);
        spread(m, true);
        if (step == dense || step == last) {
            forget(m);
        }
        m->adam_step++;
        double t = fmin(1, fmax(0, (double)(step + 1 - dense) / (double)(last - dense)));
        double gone = (1 - exp(-curvature * t)) / (1 - exp(-curvature));
        for (int i = 0; i < 2; i++) {
            if (open[i]) {
                learn(&m->kind[i], m->adam_step);
                remove_share(&m->kind[i], (1 - p->options->keep) * gone);
            }
        }
    }
    return PARE_OK;
}

pare_status pare_prune_mask(pruning *p, double *const score[2]) {
    mask m = {.p = p};
    pare_status status = reserve(&m, score);
    if (status == PARE_OK) {
        status = train(&m);
    }
    for (int i = 0; status == PARE_OK && i < 2; i++) {
        soften(&m.kind[i]);
        remove_share(&m.kind[i], 1); /* what is left is ranked by its mask */
    }
    release(&m);
    return status;
}
