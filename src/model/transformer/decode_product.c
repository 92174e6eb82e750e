/* Weights as stored times the vectors of one decoding step, rows of the weights in chunks. */
#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "model/transformer/internal.h"

#include <string.h>

enum { ROWS_OF_CHUNK = 64, PIECE = 256 };
/* From so many vectors on, packed products of matrices win: in chunks of so many rows where the
 * weights are float32, tile by tile (64 KB) where they must be converted. */
enum { MATRIX_VECTORS = 12, MATRIX_ROWS = 256 };

typedef struct products {
    const pare_kernels *kernels;
    int64_t count, rows;
    const pare_lm_product *list;
    const float *x;
} products;

/* The values where they lie, if they are aligned float32. */
static const float *direct_of(const pare_lm_tensor *w) {
    bool direct = !w->own && w->stored->dtype == PARE_DTYPE_F32 &&
                  (uintptr_t)w->stored->bytes % sizeof(float) == 0;
    return direct ? (const float *)(const void *)w->stored->bytes : w->own;
}

static int64_t chunk_rows(const products *p, const pare_lm_product *one) {
    bool matrix = p->rows >= MATRIX_VECTORS && !one->w->blocks && direct_of(one->w);
    return matrix ? MATRIX_ROWS : ROWS_OF_CHUNK;
}

static int64_t chunks_of(const products *p, const pare_lm_product *one) {
    int64_t rows = chunk_rows(p, one);
    return (one->w->rows + rows - 1) / rows;
}

/* y = x W' for rows from .. from + count of W, at most ROWS_OF_CHUNK, in any format. */
static void stored_matrix(const products *p, const pare_lm_product *one, int64_t from,
                          int64_t count) {
    const pare_stored *stored = one->w->stored;
    int64_t columns = one->w->columns, wide = pare_dtype_bytes(stored->dtype, columns);
    float tile[ROWS_OF_CHUNK * PIECE];
    for (int64_t at = 0; at < columns; at += PIECE) {
        int64_t size = columns - at < PIECE ? columns - at : PIECE;
        const unsigned char *bytes = stored->bytes + pare_dtype_bytes(stored->dtype, at);
        for (int64_t row = 0; row < count; row++) {
            pare_dtype_to_float(stored->dtype, size, bytes + (from + row) * wide,
                                tile + row * PIECE);
        }
        pare_gemm(false, true, p->rows, count, size, 1, p->x + at, columns, tile, PIECE,
                  at > 0 ? 1.0f : 0.0f, one->y + from, one->w->rows);
    }
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
    for (; chunk >= chunks_of(p, one); one++) {
        chunk -= chunks_of(p, one);
    }
    const pare_lm_tensor *w = one->w;
    int64_t most = chunk_rows(p, one), from = chunk * most, columns = w->columns;
    int64_t count = w->rows - from < most ? w->rows - from : most;
    const float *direct = direct_of(w);
    bool matrix = p->rows >= MATRIX_VECTORS;
    if (w->blocks) {
        const pare_block_matrix *m = &w->blocks->matrix; /* ROWS_OF_CHUNK: whole block rows */
        p->kernels->blocks_times(m, from / m->block, (from + count + m->block - 1) / m->block,
                                 p->rows, p->x, one->y);
    } else if (direct && matrix) {
        pare_gemm(false, true, p->rows, count, columns, 1, p->x, columns, direct + from * columns,
                  columns, 0, one->y + from, w->rows);
    } else if (matrix) {
        stored_matrix(p, one, from, count);
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
        chunks += chunks_of(&p, &list[i]);
        work += rows * list[i].w->rows * list[i].w->columns;
    }
    pare_pool_run(work < PARE_LM_FEW ? NULL : ctx->pool, chunks, product_chunk, &p);
}
