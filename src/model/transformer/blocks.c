/* Matrices of which whole blocks are zero: found when a model is opened, multiplied by blocks. */
#include "kernels/kernels.h"
#include "model/transformer/internal.h"

#include <string.h>

enum { BLOCK_ROWS_OF_CHUNK = 4 };

void pare_lm_blocks_free(pare_context *ctx, pare_lm_blocks *blocks) {
    if (blocks) {
        pare_free(ctx, blocks->start);
        pare_free(ctx, blocks->index);
        pare_free(ctx, blocks->value);
        pare_free(ctx, blocks->bf16);
        pare_free(ctx, blocks);
    }
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Rows of W from `row` on, as float32: (count, columns). */
static void read_rows(const pare_lm_tensor *t, int64_t row, int64_t count, float *out) {
    int64_t columns = t->columns;
    const unsigned char *from =
        t->stored->bytes + pare_dtype_bytes(t->stored->dtype, columns) * row;
    pare_dtype_to_float(t->stored->dtype, count * columns, from, out);
}

static bool any(const float *band, int64_t columns, int64_t count, int64_t from, int64_t width) {
    for (int64_t r = 0; r < count; r++) {
        for (int64_t c = from; c < from + width; c++) {
            if (band[r * columns + c] != 0) {
                return true;
            }
        }
    }
    return false;
}

/* Copies one block by columns; what lies beyond the matrix stays 0. */
static void copy_block(const pare_lm_blocks *b, const float *band, int64_t rows, int64_t from,
                       int64_t width, int64_t number) {
    int64_t block = b->matrix.block, at = number * block * block;
    for (int64_t c = 0; c < width; c++) {
        for (int64_t r = 0; r < rows; r++) {
            float value = band[r * b->matrix.columns + from + c];
            if (b->value) {
                b->value[at + c * block + r] = value;
            } else {
                pare_dtype_from_float(PARE_DTYPE_BF16, 1, &value, &b->bf16[at + c * block + r]);
            }
        }
    }
}

static pare_status reserve(pare_context *ctx, const pare_lm_tensor *t, int64_t block, int64_t kept,
                           pare_lm_blocks **out) {
    int64_t high = (t->rows + block - 1) / block;
    pare_lm_blocks *b = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *b, &b);
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, high + 1, sizeof *b->start, &b->start);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(ctx, kept, sizeof *b->index, &b->index);
    }
    if (status == PARE_OK) {
        status = t->stored->dtype == PARE_DTYPE_BF16
                     ? pare_alloc_zero(ctx, kept * block * block, sizeof *b->bf16, &b->bf16)
                     : pare_alloc_zero(ctx, kept * block * block, sizeof *b->value, &b->value);
    }
    if (status != PARE_OK) {
        pare_lm_blocks_free(ctx, b);
        return status;
    }
    b->matrix =
        (pare_block_matrix){t->rows, t->columns, block, b->start, b->index, b->value, b->bf16};
    *out = b;
    return PARE_OK;
}

/* One pass over a matrix: counts its blocks that are not zero (b NULL), or copies them. */
static int64_t walk(const pare_lm_tensor *t, int64_t block, float *band, pare_lm_blocks *b) {
    int64_t count = 0;
    for (int64_t row = 0; row < t->rows; row += block) {
        int64_t rows = least(block, t->rows - row);
        read_rows(t, row, rows, band);
        for (int64_t from = 0; from < t->columns; from += block) {
            int64_t width = least(block, t->columns - from);
            if (!any(band, t->columns, rows, from, width)) {
                continue;
            }
            if (b) {
                b->index[count] = (int32_t)(from / block);
                copy_block(b, band, rows, from, width, count);
            }
            count++;
        }
        if (b) {
            b->start[row / block + 1] = count;
        }
    }
    return count;
}

pare_status pare_lm_find_blocks(pare_lm *lm) {
    const int64_t block = lm->shape.weight_block;
    pare_status status = PARE_OK;
    for (int64_t i = 0; block > 0 && i < lm->shape.layers * PARE_LM_MATRICES; i++) {
        pare_lm_tensor *t = &lm->layer[i / PARE_LM_MATRICES][i % PARE_LM_MATRICES];
        if (!t->stored || pare_dtype_bytes(t->stored->dtype, t->columns) < 0) {
            continue;
        }
        float *band = NULL;
        status = pare_alloc(lm->ctx, block * t->columns, sizeof *band, &band);
        int64_t all = (t->rows + block - 1) / block * ((t->columns + block - 1) / block);
        int64_t kept = status == PARE_OK ? walk(t, block, band, NULL) : all;
        if (status == PARE_OK && 2 * kept <= all) {
            status = reserve(lm->ctx, t, block, kept, &t->blocks);
        }
        if (status == PARE_OK && t->blocks) {
            (void)walk(t, block, band, t->blocks);
        }
        pare_free(lm->ctx, band);
        if (status != PARE_OK) {
            break;
        }
    }
    return status;
}

typedef struct product {
    const pare_kernels *kernels;
    const pare_block_matrix *w;
    int64_t rows;
    const float *x;
    float *y;
} product;

static int64_t block_rows(const pare_block_matrix *w) {
    return (w->rows + w->block - 1) / w->block;
}

static void chunk(void *argument, int64_t number) {
    const product *p = argument;
    int64_t from = number * BLOCK_ROWS_OF_CHUNK;
    p->kernels->blocks_times(p->w, from, least(from + BLOCK_ROWS_OF_CHUNK, block_rows(p->w)),
                             p->rows, p->x, p->y);
}

void pare_lm_times_blocks(pare_context *ctx, int64_t rows, const float *x,
                          const pare_lm_blocks *blocks, float *y) {
    product p = {ctx->kernels, &blocks->matrix, rows, x, y};
    int64_t chunks = (block_rows(p.w) + BLOCK_ROWS_OF_CHUNK - 1) / BLOCK_ROWS_OF_CHUNK;
    pare_pool_run(ctx->pool, chunks, chunk, &p);
}
