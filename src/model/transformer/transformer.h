/*
 * Decoder-only transformers. The Llama family: RMS norm (Zhang and Sennrich 2019), rotary positions
 * (Su et al. 2021), grouped-query attention (Ainslie et al. 2023) computed in blocks (Dao et al.
 * 2022: no T x T matrix is kept), gated feed-forward with SiLU (Shazeer 2020). GPT-2 (Radford et
 * al. 2019): layer norm, learned positions, GELU, biases. GPT-NeoX (Black et al. 2022): layer norm,
 * part of a head rotated, both halves from the layer's input.
 *
 * Weights are used where they lie: float32 tensors inside the mapped file, others converted one
 * layer at a time, so that a model needs little more memory than its file. Every row of a batch is
 * one token; sequences have equal length and stand one after the other.
 */
#ifndef PARE_MODEL_TRANSFORMER_H
#define PARE_MODEL_TRANSFORMER_H

#include "kernels/kernels.h"
#include "model/checkpoint/checkpoint.h"

/* What is added, times `factor`, to a tensor's values when they are read as float32: a mask on the
 * way from one matrix to another, of which no third copy is kept. */
typedef struct pare_lm_change {
    pare_dtype dtype; /* F32, F16 or BF16 */
    const void *bytes;
    float factor;
} pare_lm_change;

/* A tensor of the model: in a checkpoint or packed, or an own float32 copy that may be changed and
 * counts where it is there. Both NULL: the model has no such tensor. */
typedef struct pare_lm_tensor {
    const pare_stored *stored;
    float *own;                    /* (rows, columns) or NULL */
    int64_t rows, columns;         /* columns 0: a vector */
    pare_stored *packed;           /* what stored points to, if it belongs to the model */
    struct pare_lm_blocks *blocks; /* the stored matrix by its blocks that are not zero, or NULL */
    const pare_lm_change *change;  /* borrowed; NULL: none */
} pare_lm_tensor;

/* Mapped tensors of so many values are given back to the system once they are converted. */
enum { PARE_LM_FORGET = 1 << 20 };

/* A matrix of which whole blocks are zero. */
typedef struct pare_lm_blocks {
    pare_block_matrix matrix; /* its arrays are the ones below */
    int64_t *start;
    int32_t *index;
    float *value; /* one of these */
    uint16_t *bf16;
} pare_lm_blocks;

/* The model. Whole-model tensors: embedding, learned positions (context, hidden), final norm and
 * its bias, output; what the shape does not have is absent. */
typedef struct pare_lm {
    pare_context *ctx;
    pare_lm_shape shape;
    pare_lm_tensor (*layer)[PARE_LM_SLOTS]; /* (layers) */
    pare_lm_tensor embedding, norm, head, norm_bias, positions;
} pare_lm;

/* Binds the tensors of a checkpoint, which is borrowed until pare_lm_clear. */
pare_status pare_lm_open(const pare_checkpoint *checkpoint, pare_lm *out) PARE_MUST_CHECK;
/* Makes every tensor an own float32 copy (for training, and for cutting). */
pare_status pare_lm_own(pare_lm *lm) PARE_MUST_CHECK;
/* The same for the final norm alone. */
pare_status pare_lm_own_norm(pare_lm *lm) PARE_MUST_CHECK;
/* The same for one layer, and back: the copies go where the stored values are still there. */
pare_status pare_lm_own_layer(pare_lm *lm, int64_t index) PARE_MUST_CHECK;
void pare_lm_disown_layer(pare_lm *lm, int64_t index);
/* Rounds the own matrices of a layer to F16 or BF16 and keeps only those; F32: nothing happens. */
pare_status pare_lm_pack_layer(pare_lm *lm, int64_t index, pare_dtype dtype) PARE_MUST_CHECK;
/* Other values for one tensor, kept as dtype (F32: an own copy). values: (rows, columns). */
pare_status pare_lm_replace(pare_lm *lm, pare_lm_tensor *tensor, pare_dtype dtype,
                            const float *values) PARE_MUST_CHECK;
void pare_lm_clear(pare_lm *lm);
/* Another model with the same values, every tensor an own copy; to clear. */
pare_status pare_lm_copy(const pare_lm *lm, pare_lm *out) PARE_MUST_CHECK;
/* Where the shape says that whole blocks are zero, and at most half of a matrix of a layer is not:
 * its blocks, for products that skip the rest. Part of pare_lm_open; bfloat16 stays so, the rest
 * becomes float32. Cost: the matrices are read once, kept blocks twice. */
pare_status pare_lm_find_blocks(pare_lm *lm) PARE_MUST_CHECK;
void pare_lm_blocks_free(pare_context *ctx, pare_lm_blocks *blocks);
/* Names the first tensor that holds a NaN or an infinity, if any. */
pare_status pare_lm_check_finite(const pare_lm *lm, const char *path) PARE_MUST_CHECK;
/* Are the values, if any, float32 that can be used in place? */
bool pare_lm_direct(const pare_lm_tensor *tensor);
/* The values as float32: in place where possible, else converted into scratch (rows * columns). */
const float *pare_lm_values(const pare_lm_tensor *tensor, float *scratch);

/*
 * Multipliers of what may be removed; NULL: all 1. head: (sum of heads) on the output of each
 * query head, layer after layer; channel: (sum of ffn) on each feed-forward activation; hidden:
 * (hidden) on each dimension of the residual stream (its RMS norm then divides by the sum of
 * hidden instead of the count, as the model without the dimensions would; not with layer norm).
 */
typedef struct pare_lm_gates {
    float *head, *channel, *hidden;
} pare_lm_gates;

/* The two halves of a layer. */
typedef enum pare_lm_half { PARE_LM_ATTENTION, PARE_LM_FFN } pare_lm_half;

/* What backward accumulates; NULL members are not wanted. Weight gradients go to `weight`, laid
 * out by pare_lm_gradient_layout. */
typedef struct pare_lm_gradients {
    pare_lm_gates gate; /* overwritten */
    float *weight;      /* overwritten */
    /* Called for each half from the last to the first, after the gradient of its last matrix
     * (hidden, width) was written to `last`, which has room for the largest; both NULL otherwise.
     * Goes without `weight`. */
    void (*visit)(void *user, int64_t layer, pare_lm_half half);
    void *user;
    float *last;
} pare_lm_gradients;

/* Offset of each layer's tensors in a flat array of all parameters that train (layers and final
 * norm; the embedding and the output stay as they are), and the total. offset: (layers + 1,
 * PARE_LM_SLOTS); the final norm is offset[layers][0], its bias
 * offset[layers][1]. */
int64_t pare_lm_gradient_layout(const pare_lm_shape *shape, int64_t *offset);

/* A workspace for batches of `sequences` x `length` tokens. Reserves everything. */
typedef struct pare_lm_run pare_lm_run;
/* training: also what backward needs. Borrows lm. */
pare_status pare_lm_run_create(const pare_lm *lm, int64_t sequences, int64_t length, bool training,
                               pare_lm_run **out) PARE_MUST_CHECK;
/* The same for pare_lm_half_forward only: without the output matrix and room for logits. */
pare_status pare_lm_run_create_halves(const pare_lm *lm, int64_t sequences, int64_t length,
                                      pare_lm_run **out) PARE_MUST_CHECK;
void pare_lm_run_destroy(pare_lm_run *run);
/* Bytes the workspace takes, tensors of the whole model and a converted layer included. */
int64_t pare_lm_run_bytes(const pare_lm *lm, int64_t sequences, int64_t length, bool training,
                          bool halves);

/*
 * Hidden states after the last layer, before the final norm: (sequences * length, hidden), valid
 * until the next call. token: (sequences, length), 0 <= token < vocabulary. gates NULL: all 1.
 * Deterministic for any thread count.
 */
const float *pare_lm_forward(pare_lm_run *run, const int32_t *token, const pare_lm_gates *gates);

/*
 * One half of a layer alone, on a residual stream of the caller: attention (x -> middle) or the
 * feed-forward part (middle -> out); both (rows, hidden). entry: the stream before the layer, which
 * a parallel layer's feed-forward part reads; others ignore it. Afterwards pare_lm_inner gives what
 * its last matrix was multiplied by: (rows, heads * head_dim) or (rows, ffn).
 */
void pare_lm_half_forward(pare_lm_run *run, int64_t index, pare_lm_half half,
                          const pare_lm_gates *gates, const float *entry, const float *x,
                          float *out);
const float *pare_lm_inner(const pare_lm_run *run, pare_lm_half half);
/* The rest of the forward pass, from a residual stream of the caller that stands before `half` of
 * layer `index` (the number of layers: after the last); then pare_lm_loss and pare_lm_logits follow
 * as after pare_lm_forward. */
const float *pare_lm_forward_from(pare_lm_run *run, int64_t index, pare_lm_half half,
                                  const float *entry, const float *x);
/* Embeddings of a batch into a residual stream of the caller. */
void pare_lm_embed(const pare_lm_run *run, const int32_t *token, const pare_lm_gates *gates,
                   float *out);
/* The workspace reads its weights from the model at each call; after the embedding, the output or
 * the final norm of the model were replaced, this binds them again. */
pare_status pare_lm_run_rebind(pare_lm_run *run) PARE_MUST_CHECK;

/*
 * Removes parts of an owned model in place. keep arrays hold 0 or 1, NULL: keep all. group: (sum of
 * kv_heads), a key/value head with its query heads; head: (sum of heads), query heads, as many of
 * each key/value head of a layer, not together with group; channel: (sum of ffn); hidden: (hidden);
 * token: (vocabulary), rows of embedding and output, numbered anew in their order. A layer left
 * with no group loses its attention, one left with no channel its feed-forward part; a layer left
 * with neither disappears if `drop_empty`.
 */
typedef struct pare_lm_keep {
    const uint8_t *group, *channel, *hidden;
    bool drop_empty;
    const uint8_t *token, *head;
} pare_lm_keep;
pare_status pare_lm_cut(pare_lm *lm, const pare_lm_keep *keep) PARE_MUST_CHECK;

/* Logits of chosen rows of the last forward pass: out (count, vocabulary). */
void pare_lm_logits(pare_lm_run *run, const pare_lm_gates *gates, int64_t count, const int64_t *row,
                    float *out);

/*
 * Mean loss in nats over the rows whose target is >= 0; target: (rows). nll: (rows) or NULL, the
 * loss of each such row. With `teacher` (a run of another model on the same tokens, after its own
 * forward pass): the Kullback-Leibler divergence of its prediction from ours instead; target then
 * only says which rows count. With gradients (training runs only): the backward pass follows.
 */
double pare_lm_loss(pare_lm_run *run, const pare_lm_gates *gates, const int32_t *target,
                    pare_lm_run *teacher, double *nll, const pare_lm_gradients *gradients);

#endif
