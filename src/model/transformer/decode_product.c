/* Weights as stored times the vectors of one decoding step, rows of the weights in chunks. */
#include "kernels/kernels.h"
#include "model/transformer/internal.h"

#include <string.h>

enum { ROWS_OF_CHUNK = 64, PIECE = 256 };

typedef struct products {
    const pare_kernels *kernels;
    int64_t count, rows;
    const pare_lm_product *list;
    const float *x;
} products;

static int64_t chunks_of(const pare_lm_product *one) {
    return (one->w->rows + ROWS_OF_CHUNK - 1) / ROWS_OF_CHUNK;
}

/* One row in another format, converted piece by piece. */
static void stored_row(const products *p, const pare_lm_product *one, int64_t row) {
    const pare_stored *stored = one->w->stored;
    int64_t columns = one->w->columns;
    const unsigned char *bytes = stored->bytes + pare_dtype_bytes(stored->dtype, columns) * row;
    float piece[PIECE], *y = one->y + row;
    for (int64_t i = 0; i < p->rows; i++) {
        y[i * one->w->rows] = 0;
    }
    for (int64_t at = 0; at < columns; at += PIECE) {
        int64_t count = columns - at < PIECE ? columns - at : PIECE;
        pare_dtype_to_float(stored->dtype, count, bytes + pare_dtype_bytes(stored->dtype, at),
                            piece);
        for (int64_t i = 0; i < p->rows; i++) {
            y[i * one->w->rows] += p->kernels->dot(count, piece, p->x + i * columns + at);
        }
    }
}

static void product_chunk(void *argument, int64_t chunk) {
    const products *p = argument;
    const pare_lm_product *one = p->list;
    for (; chunk >= chunks_of(one); one++) {
        chunk -= chunks_of(one);
    }
    const pare_lm_tensor *w = one->w;
    int64_t from = chunk * ROWS_OF_CHUNK, columns = w->columns;
    int64_t count = w->rows - from < ROWS_OF_CHUNK ? w->rows - from : ROWS_OF_CHUNK;
    const float *direct = w->own;
    if (!direct && w->stored->dtype == PARE_DTYPE_F32 &&
        (uintptr_t)w->stored->bytes % sizeof(float) == 0) {
        direct = (const float *)(const void *)w->stored->bytes;
    }
    if (w->blocks) {
        const pare_block_matrix *m = &w->blocks->matrix; /* ROWS_OF_CHUNK: whole block rows */
        p->kernels->blocks_times(m, from / m->block, (from + count + m->block - 1) / m->block,
                                 p->rows, p->x, one->y);
    } else if (direct) {
        p->kernels->rows_dot(count, columns, direct + from * columns, p->rows, p->x, w->rows,
                             one->y + from);
    } else if (w->stored->dtype == PARE_DTYPE_BF16 &&
               (uintptr_t)w->stored->bytes % sizeof(uint16_t) == 0) {
        const uint16_t *bits = (const uint16_t *)(const void *)w->stored->bytes;
        p->kernels->rows_dot_bf16(count, columns, bits + from * columns, p->rows, p->x, w->rows,
                                  one->y + from);
    } else {
        for (int64_t row = from; row < from + count; row++) {
            stored_row(p, one, row);
        }
    }
    for (int64_t i = 0; one->bias && i < p->rows; i++) {
        p->kernels->axpy(count, 1, one->bias + from, one->y + i * w->rows + from);
    }
}

void pare_lm_products(pare_context *ctx, int64_t rows, const float *x, int64_t count,
                      const pare_lm_product *list) {
    products p = {ctx->kernels, count, rows, list, x};
    int64_t chunks = 0, work = 0;
    for (int64_t i = 0; i < count; i++) {
        chunks += chunks_of(&list[i]);
        work += rows * list[i].w->rows * list[i].w->columns;
    }
    pare_pool_run(work < PARE_LM_FEW ? NULL : ctx->pool, chunks, product_chunk, &p);
}
