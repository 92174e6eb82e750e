/*
 * A language model as it lies on disk: its shape, and named tensors inside mapped files. Readers
 * for Hugging Face directories (config.json and safetensors, in one file or in shards), GGUF and
 * llama2.c; all deliver the same names (those of Hugging Face's Llama) and the same layout, so that
 * nothing behind this header depends on the format.
 */
#ifndef PARE_MODEL_CHECKPOINT_H
#define PARE_MODEL_CHECKPOINT_H

#include "base/context.h"
#include "platform/system.h"

/* How numbers are stored. Q8_0 (GGUF): blocks of 32, one binary16 scale and 32 signed bytes. */
typedef enum pare_dtype {
    PARE_DTYPE_F32,
    PARE_DTYPE_F16,
    PARE_DTYPE_BF16,
    PARE_DTYPE_Q8_0,
    PARE_DTYPES
} pare_dtype;

const char *pare_dtype_name(pare_dtype dtype);
/* Bytes of `count` values, -1 if count does not fill whole blocks or the product overflows. */
int64_t pare_dtype_bytes(pare_dtype dtype, int64_t count);
/* count values as float32. Exact for every dtype (Q8_0: the product of scale and byte). */
void pare_dtype_to_float(pare_dtype dtype, int64_t count, const void *from, float *to);
/* The nearest representable value, ties to even; F32, F16 and BF16 only. */
void pare_dtype_from_float(pare_dtype dtype, int64_t count, const float *from, void *to);

enum { PARE_TENSOR_RANK = 4 };

/* A tensor, row-major, outermost dimension first. bytes: inside a map, or owned. */
typedef struct pare_stored {
    char *name;
    pare_dtype dtype;
    int64_t rank, shape[PARE_TENSOR_RANK];
    int64_t values; /* product of shape */
    const unsigned char *bytes;
    bool owned;
} pare_stored;

/* What one transformer layer has; pruned models differ from layer to layer. heads = 0: no
 * attention, ffn = 0: no feed-forward part. */
typedef struct pare_lm_layer {
    int64_t heads;    /* query heads */
    int64_t kv_heads; /* key and value heads; heads is a multiple */
    int64_t ffn;      /* feed-forward channels */
} pare_lm_layer;

/* What the feed-forward part does between its matrices. GELU: Hendrycks and Gimpel 2016, in its
 * tanh form and exact. */
typedef enum pare_lm_activation {
    PARE_LM_SILU_GATED, /* silu(gate) * up */
    PARE_LM_GELU_TANH,  /* of up; there is no gate */
    PARE_LM_GELU
} pare_lm_activation;

/* Shape of a decoder. As zeros leave it, one of the Llama family: RMS norm, rotary positions,
 * grouped-query attention, gated feed-forward with SiLU. */
typedef struct pare_lm_shape {
    char architecture[16]; /* "llama", "mistral", "qwen2", "qwen3", "gpt2", "gpt_neox" */
    int64_t layers, hidden, head_dim, vocabulary, context;
    pare_lm_layer *layer; /* (layers) */
    double
        *rope_frequency; /* (head_dim / 2) radians per position; half of what is rotated counts */
    double rope_base, norm_epsilon;
    bool rope_interleaved; /* rotates (2i, 2i + 1) as llama2.c and GGUF llama do; else
                              (i, i + head_dim / 2) as Hugging Face does */
    bool tied;             /* the output projection is the embedding */
    int64_t unrotated;     /* last dimensions of a head that positions do not rotate */
    pare_lm_activation activation;
    bool layer_norm; /* mean taken off and a bias added (Ba et al. 2016); else RMS norm */
    bool positions;  /* a learned vector for each position is added to the embedding */
    bool parallel;   /* attention and feed-forward part both start from the layer's input */
    bool qkv_bias, output_bias, ffn_bias, qk_norm;
    int64_t bos, eos; /* token numbers, -1 if unknown */
    /* 16, 32 or 64: whole blocks of so many rows and columns of the layers' matrices are zero, and
     * worth looking for; 0: not known. */
    int64_t weight_block;
} pare_lm_shape;

/* The tensors of a layer. Matrices first, as (outputs, inputs); then vectors. */
typedef enum pare_lm_slot {
    PARE_LM_Q,
    PARE_LM_K,
    PARE_LM_V,
    PARE_LM_O,
    PARE_LM_GATE,
    PARE_LM_UP,
    PARE_LM_DOWN,
    PARE_LM_MATRICES,
    PARE_LM_ATTENTION_NORM = PARE_LM_MATRICES,
    PARE_LM_FFN_NORM,
    PARE_LM_Q_BIAS,
    PARE_LM_K_BIAS,
    PARE_LM_V_BIAS,
    PARE_LM_O_BIAS,
    PARE_LM_GATE_BIAS,
    PARE_LM_UP_BIAS,
    PARE_LM_DOWN_BIAS,
    PARE_LM_Q_NORM,
    PARE_LM_K_NORM,
    PARE_LM_ATTENTION_NORM_BIAS,
    PARE_LM_FFN_NORM_BIAS,
    PARE_LM_SLOTS
} pare_lm_slot;

enum { PARE_LM_NAME = 96 };

/* Size of a tensor of layer `index`, columns 0 for a vector; false if the layer has none. */
bool pare_lm_slot_size(const pare_lm_shape *shape, int64_t index, pare_lm_slot slot, int64_t *rows,
                       int64_t *columns);
/* Its name: "model.layers.3.self_attn.q_proj.weight". */
void pare_lm_slot_name(int64_t index, pare_lm_slot slot, char out[PARE_LM_NAME]);

/* Leading dimensions of a head that positions rotate; their frequencies are rope_frequency. */
int64_t pare_lm_rotary(const pare_lm_shape *shape);
/* All layers alike? */
bool pare_lm_uniform(const pare_lm_shape *shape);
/* Parameters of layer `index` alone, norms included. */
int64_t pare_lm_layer_parameters(const pare_lm_shape *shape, int64_t index);
/* All parameters; a tied embedding counts once. */
int64_t pare_lm_parameters(const pare_lm_shape *shape);
/* Multiply-adds of one token at position `position` with a key/value cache, output included. */
int64_t pare_lm_multiply_adds(const pare_lm_shape *shape, int64_t position);
pare_status pare_lm_shape_copy(pare_context *ctx, const pare_lm_shape *from,
                               pare_lm_shape *to) PARE_MUST_CHECK;
void pare_lm_shape_clear(pare_context *ctx, pare_lm_shape *shape);

/* Vocabulary as GGUF carries it; others keep it in a file beside the model (tokenizer/). */
typedef struct pare_stored_vocabulary {
    int64_t count;         /* 0: none in the checkpoint */
    char **piece;          /* (count) */
    int64_t *piece_length; /* (count) bytes; a piece may hold zeros */
    float *score;          /* (count) or NULL */
    int32_t *type;         /* (count) or NULL: 1 normal, 2 unknown, 3 control, 6 byte */
    int64_t merges;
    char **merge;      /* (merges) "left right", byte-level BPE */
    char *model, *pre; /* "llama", "gpt2"; name of the pre-tokenizer, or NULL */
    int64_t bos, eos;  /* -1: none */
    bool add_bos, add_eos;
} pare_stored_vocabulary;

typedef enum pare_checkpoint_format {
    PARE_CHECKPOINT_HF,
    PARE_CHECKPOINT_GGUF,
    PARE_CHECKPOINT_LLAMA2C
} pare_checkpoint_format;

typedef struct pare_checkpoint {
    pare_context *ctx;
    char *path;
    pare_checkpoint_format format;
    pare_lm_shape shape;
    int64_t tensors, tensor_capacity;
    pare_stored *tensor; /* (tensors) ascending by name after open */
    int64_t maps, map_capacity;
    pare_map *map;
    pare_stored_vocabulary vocabulary;
} pare_checkpoint;

/*
 * Opens a model: a directory with config.json and safetensors, a .gguf file, or a llama2.c .bin
 * file. Every length, offset and shape is checked against the file and the shape of the model
 * before it is used; a failure names the file and the tensor. Cost: the headers are read, weights
 * stay in the maps.
 */
pare_status pare_checkpoint_open(pare_context *ctx, const char *path,
                                 pare_checkpoint *out) PARE_MUST_CHECK;
void pare_checkpoint_close(pare_checkpoint *checkpoint);

/* NULL if there is none of that name. */
const pare_stored *pare_checkpoint_find(const pare_checkpoint *checkpoint, const char *name);

/* ---- Between the readers ------------------------------------------------------------------- */

/* Adds an entry; name is copied. Refuses a name that is there already only in check. */
pare_status pare_checkpoint_add(pare_checkpoint *checkpoint, const char *name, int64_t name_length,
                                pare_dtype dtype, int64_t rank, const int64_t *shape,
                                const unsigned char *bytes) PARE_MUST_CHECK;
/* Maps a file for as long as the checkpoint lives. */
pare_status pare_checkpoint_map(pare_checkpoint *checkpoint, const char *path,
                                pare_map *out) PARE_MUST_CHECK;
/* Sorts, refuses duplicates, and compares every tensor the shape asks for with what is there. */
pare_status pare_checkpoint_check(pare_checkpoint *checkpoint) PARE_MUST_CHECK;
/* Fills layer[] with equal layers and rope_frequency from rope_base. */
pare_status pare_lm_shape_reserve(pare_context *ctx, pare_lm_shape *shape, pare_lm_layer every,
                                  const char *path) PARE_MUST_CHECK;

pare_status pare_read_hf(pare_checkpoint *out) PARE_MUST_CHECK;
pare_status pare_read_gguf(pare_checkpoint *out) PARE_MUST_CHECK;
pare_status pare_read_llama2c(pare_checkpoint *out) PARE_MUST_CHECK;

/* ---- Writing ------------------------------------------------------------------------------- */

/* A tensor to be written: the caller hands out its values when they are wanted. */
typedef struct pare_export_tensor {
    char name[128]; /* Hugging Face's */
    int64_t rank, shape[PARE_TENSOR_RANK];
} pare_export_tensor;

/* A model about to be written. */
typedef struct pare_export {
    pare_context *ctx;
    const pare_lm_shape *shape;
    const pare_stored_vocabulary *vocabulary; /* GGUF; NULL: none */
    pare_dtype dtype;                         /* of matrices; vectors are always F32 in GGUF */
    int64_t tensors;
    const pare_export_tensor *tensor;
    /* The values of tensor `index`, row-major float32, valid until the next call. */
    const float *(*values)(void *user, int64_t index);
    void *user;
} pare_export;

/* model.safetensors and config.json into an existing directory; other config fields come from
 * config_from (a config.json; NULL: none). Layers that differ are written to "per_layer_config"
 * and stock readers refuse them: use GGUF for those. */
pare_status pare_write_hf(const pare_export *export, const char *directory,
                          const char *config_from) PARE_MUST_CHECK;
/* One GGUF v3 file: architecture "llama" (or "qwen2", "qwen3") when layers are alike, else "deci",
 * whose heads, kv heads and ffn length are arrays over the layers. */
pare_status pare_write_gguf(const pare_export *export, const char *path) PARE_MUST_CHECK;

#endif
