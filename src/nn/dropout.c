/*
 * Inverted dropout (Srivastava et al. 2014): while training, a unit is 0 with probability `share`,
 * else divided by 1 - share; scratch keeps the factors for the way back. A draw is a function of
 * seed, operator, step and place in the batch, so a repeated step repeats its draws.
 */
#include "base/random.h"
#include "nn/operator.h"

enum { WORDS = 4 }; /* of one call of the generator */

void pare_graph_dropout(pare_graph *graph, float share) {
    pare_operator op = {.kind = &pare_operator_dropout,
                        .share = share,
                        .scratches =
                            pare_product(graph->batch, pare_padded(pare_graph_width(graph)))};
    pare_graph_append(graph, &op);
}

static void forward(const pare_operator *op, const pare_pass *pass) {
    if (!pass->training) {
        return;
    }
    const uint64_t seed = pass->graph->seed;
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint64_t stride = (uint64_t)op->stride;
    /* A draw below the threshold drops: probability threshold / 2^32. */
    const uint64_t threshold = (uint64_t)((double)op->share * 0x1p32);
    const float keep = 1 / (1 - op->share);
    uint64_t block = pass->step * ((uint64_t)pass->graph->batch * stride / WORDS);
    for (int64_t i = 0; i < pass->rows * op->stride; i += WORDS, block++) {
        const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), PARE_STREAM_DROPOUT,
                                     (uint32_t)op->number};
        uint32_t words[WORDS];
        pare_philox(counter, key, words);
        for (int64_t w = 0; w < WORDS; w++) {
            op->scratch[i + w] = words[w] < threshold ? 0 : keep;
            op->y[i + w] *= op->scratch[i + w];
        }
    }
}

static void backward(const pare_operator *op, const pare_pass *pass) {
    for (int64_t i = 0; i < pass->rows * op->stride; i++) {
        op->dx[i] = op->dy[i] * op->scratch[i];
    }
}

const pare_operator_kind pare_operator_dropout = {
    .name = "dropout", .in_place = true, .forward = forward, .backward = backward};
