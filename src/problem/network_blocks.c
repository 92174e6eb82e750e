/* Blocks of a network's weights as candidates: where they lie, and their masks on the weights. */
#include "kernels/kernels.h"
#include "problem/network.h"

#include <math.h>
#include <string.h>

/* One candidate's place: `rows` segments of `columns` floats, `stride` apart. */
typedef struct block_place {
    int64_t offset, stride, rows, columns;
} block_place;

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static block_place place_of(const pare_network *n, int64_t index, int64_t block) {
    const pare_block_layout *l = &n->blocks.layout;
    pare_graph_matrix m = {0};
    (void)pare_graph_matrix_at(n->graph, l->number[index], &m);
    int64_t row = block / l->wide[index] * l->rows, column = block % l->wide[index] * l->columns;
    return (block_place){m.offset + row * m.stride + column, m.stride,
                         least(l->rows, m.inputs - row), least(l->columns, m.outputs - column)};
}

static double place_dot(const pare_network *n, const block_place *p, const float *a,
                        const float *b) {
    double sum = 0;
    for (int64_t r = 0, at = p->offset; r < p->rows; r++, at += p->stride) {
        sum += (double)n->ctx->kernels->dot(p->columns, a + at, b + at);
    }
    return sum;
}

/* y = factor x + add z on the block. */
static void place_combine(const pare_network *n, const block_place *p, float factor, const float *x,
                          float add, const float *z, float *y) {
    for (int64_t r = 0, at = p->offset; r < p->rows; r++, at += p->stride) {
        n->ctx->kernels->scale(p->columns, factor, x + at, y + at);
        if (add != 0) {
            n->ctx->kernels->axpy(p->columns, add, z + at, y + at);
        }
    }
}

/* Calls `visit` for every candidate, with its place. */
static void for_each(pare_network *n, void (*visit)(pare_network *, int64_t, const block_place *)) {
    const pare_block_layout *l = &n->blocks.layout;
    for (int64_t i = 0; i < l->matrices; i++) {
        for (int64_t g = l->first[i]; g < l->first[i + 1]; g++) {
            block_place place = place_of(n, i, g - l->first[i]);
            visit(n, g, &place);
        }
    }
}

pare_status pare_network_blocks_init(pare_network *n, const pare_network_options *settings) {
    pare_context *ctx = n->ctx;
    pare_block_layout *l = &n->blocks.layout;
    pare_graph_matrix m = {0};
    *l = (pare_block_layout){.rows = settings->block[0], .columns = settings->block[1]};
    int64_t matrices = settings->every_matrix ? PARE_BLOCK_MATRICES_MAX : 1, count = 0;
    for (int64_t i = 0; i < matrices && pare_graph_matrix_at(n->graph, i, &m); i++) {
        int64_t high = (m.inputs + l->rows - 1) / l->rows;
        int64_t wide = (m.outputs + l->columns - 1) / l->columns;
        /* Uniform shares of matrices with few blocks would tear them apart (App. C). */
        if (settings->every_matrix && high * wide < PARE_BLOCKS_LEAST) {
            continue;
        }
        int64_t end = m.offset + m.inputs * m.stride;
        n->blocks.from = l->matrices == 0 ? m.offset : n->blocks.from;
        n->blocks.length = end - n->blocks.from;
        l->number[l->matrices] = i;
        l->high[l->matrices] = high;
        l->wide[l->matrices++] = wide;
        count += high * wide;
        l->first[l->matrices] = count;
    }
    if (count < 2) {
        return pare_fail(
            ctx, PARE_ERROR_ARGUMENT, "option block: %lld x %lld leaves no matrix with %s blocks",
            (long long)l->rows, (long long)l->columns, settings->every_matrix ? "100" : "2");
    }
    n->blocks.power = settings->power > 0 ? settings->power : 1;
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&n->blocks.raw, pare_graph_parameters(n->graph), sizeof(float)},
        {&n->blocks.factor, count, sizeof(float)},
        {&n->blocks.norm, count, sizeof(double)},
        {&n->blocks.along, count, sizeof(double)},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        pare_status status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    l->count = count;
    return PARE_OK;
}

void pare_network_blocks_clear(pare_network *n) {
    pare_free(n->ctx, n->blocks.raw);
    pare_free(n->ctx, n->blocks.factor);
    pare_free(n->ctx, n->blocks.norm);
    pare_free(n->ctx, n->blocks.along);
}

static void measure_norm(pare_network *n, int64_t g, const block_place *place) {
    const float *v = pare_graph_parameter(n->graph);
    n->blocks.norm[g] = sqrt(place_dot(n, place, v, v));
}

/* V = W |W|^(1/p - 1), so that the network starts from the same weights. */
static void raise_block(pare_network *n, int64_t g, const block_place *place) {
    float *v = pare_graph_parameter(n->graph);
    double norm = n->blocks.norm[g];
    float factor = norm > 0 ? (float)pow(norm, 1 / n->blocks.power - 1) : 1;
    place_combine(n, place, factor, v, 0, v, v);
}

void pare_network_blocks_reset(pare_network *n) {
    if (n->blocks.layout.count > 0 && n->blocks.power != 1) {
        for_each(n, measure_norm);
        for_each(n, raise_block);
    }
}

static void use_block(pare_network *n, int64_t g, const block_place *place) {
    float *w = pare_graph_parameter(n->graph);
    if (n->blocks.factor[g] != 1) {
        place_combine(n, place, n->blocks.factor[g], n->blocks.raw, 0, w, w);
    }
}

void pare_network_blocks_enter(pare_network *n, const float *mask) {
    bool powered = n->blocks.power != 1;
    if (powered) {
        for_each(n, measure_norm);
    }
    for (int64_t g = 0; g < n->blocks.layout.count; g++) {
        float own = powered ? (float)pow(n->blocks.norm[g], n->blocks.power - 1) : 1;
        n->blocks.factor[g] = own * (mask ? mask[g] : 1);
    }
    memcpy(n->blocks.raw + n->blocks.from, pare_graph_parameter(n->graph) + n->blocks.from,
           (size_t)n->blocks.length * sizeof(float));
    for_each(n, use_block);
}

void pare_network_blocks_leave(pare_network *n) {
    memcpy(pare_graph_parameter(n->graph) + n->blocks.from, n->blocks.raw + n->blocks.from,
           (size_t)n->blocks.length * sizeof(float));
}

/* dV = f dW + (p - 1) f / |V|^2 <V, dW> V, with f = mask |V|^(p - 1). */
static void fold_block(pare_network *n, int64_t g, const block_place *place) {
    float *d = pare_graph_gradient(n->graph), factor = n->blocks.factor[g];
    double along = place_dot(n, place, n->blocks.raw, d), add = 0;
    n->blocks.along[g] = along;
    if (n->blocks.power != 1 && n->blocks.norm[g] > 0) {
        add = (n->blocks.power - 1) * (double)factor * along /
              (n->blocks.norm[g] * n->blocks.norm[g]);
    }
    if (factor != 1 || add != 0) {
        place_combine(n, place, factor, d, (float)add, n->blocks.raw, d);
    }
}

void pare_network_blocks_fold(pare_network *n, float *d_mask) {
    for_each(n, fold_block);
    for (int64_t g = 0; d_mask && g < n->blocks.layout.count; g++) {
        double own = n->blocks.power != 1 ? pow(n->blocks.norm[g], n->blocks.power - 1) : 1;
        d_mask[g] = (float)(own * n->blocks.along[g]);
    }
}

void pare_network_blocks_norms(pare_network *n, float *norm) {
    for_each(n, measure_norm);
    for (int64_t g = 0; g < n->blocks.layout.count; g++) {
        norm[g] = (float)pow(n->blocks.norm[g], n->blocks.power);
    }
}
