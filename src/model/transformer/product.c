/* Products over the rows of a batch, cut into fixed chunks for the pool. */
#include "kernels/blas.h"
#include "model/transformer/internal.h"

typedef struct product {
    int64_t rows, outputs, inputs;
    const float *a, *b;
    float *c;
    float beta;
} product;

static int64_t chunks(int64_t count, int64_t chunk) {
    return (count + chunk - 1) / chunk;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* A tile of the result: both factors of it are packed anew for each, so small tiles cost time. */
enum { TILE = 256 };

static void times(void *argument, int64_t chunk) {
    const product *p = argument;
    int64_t wide = chunks(p->outputs, TILE), from = chunk / wide * TILE, at = chunk % wide * TILE;
    pare_gemm(false, true, least(p->rows - from, TILE), least(p->outputs - at, TILE), p->inputs, 1,
              p->a + from * p->inputs, p->inputs, p->b + at * p->inputs, p->inputs, p->beta,
              p->c + from * p->outputs + at, p->outputs);
}

void pare_lm_times(pare_pool *pool, int64_t rows, int64_t outputs, int64_t inputs, const float *x,
                   const float *w, bool add, float *y) {
    product p = {rows, outputs, inputs, x, w, y, add ? 1.0f : 0.0f};
    pare_pool_run(pool, chunks(rows, TILE) * chunks(outputs, TILE), times, &p);
}

static void times_back(void *argument, int64_t chunk) {
    const product *p = argument;
    int64_t wide = chunks(p->inputs, TILE), from = chunk / wide * TILE, at = chunk % wide * TILE;
    pare_gemm(false, false, least(p->rows - from, TILE), least(p->inputs - at, TILE), p->outputs, 1,
              p->a + from * p->outputs, p->outputs, p->b + at, p->inputs, p->beta,
              p->c + from * p->inputs + at, p->inputs);
}

void pare_lm_times_back(pare_pool *pool, int64_t rows, int64_t outputs, int64_t inputs,
                        const float *dy, const float *w, bool add, float *dx) {
    product p = {rows, outputs, inputs, dy, w, dx, add ? 1.0f : 0.0f};
    pare_pool_run(pool, chunks(rows, TILE) * chunks(inputs, TILE), times_back, &p);
}

static void times_weight(void *argument, int64_t chunk) {
    const product *p = argument;
    int64_t from = chunk * COLUMN_CHUNK, count = least(p->outputs - from, COLUMN_CHUNK);
    pare_gemm(true, false, count, p->inputs, p->rows, 1, p->a + from, p->outputs, p->b, p->inputs,
              0, p->c + from * p->inputs, p->inputs);
}

void pare_lm_times_weight(pare_pool *pool, int64_t rows, int64_t outputs, int64_t inputs,
                          const float *dy, const float *x, float *dw) {
    product p = {rows, outputs, inputs, dy, x, dw, 0};
    pare_pool_run(pool, chunks(outputs, COLUMN_CHUNK), times_weight, &p);
}
