/* What the GGUF reader and writer agree on. */
#ifndef PARE_MODEL_GGUF_H
#define PARE_MODEL_GGUF_H

#include "model/checkpoint/checkpoint.h"

enum { GGUF_VERSION = 3, GGUF_ALIGNMENT = 32 };

/* Kinds of metadata values. */
typedef enum gguf_kind {
    GGUF_UINT8,
    GGUF_INT8,
    GGUF_UINT16,
    GGUF_INT16,
    GGUF_UINT32,
    GGUF_INT32,
    GGUF_FLOAT32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_UINT64,
    GGUF_INT64,
    GGUF_FLOAT64,
    GGUF_KINDS
} gguf_kind;

/* GGUF's number of a dtype, -1 if it has none; and back, false if it is another. */
int64_t pare_gguf_dtype(pare_dtype dtype);
bool pare_gguf_dtype_from(uint32_t number, pare_dtype *out);

enum { GGUF_NAME = 128 };

/* "blk.3.attn_q.weight" <-> "model.layers.3.self_attn.q_proj.weight"; false if unknown. */
bool pare_gguf_name_to_hf(const char *name, int64_t length, char out[GGUF_NAME]);
bool pare_gguf_name_from_hf(const char *name, char out[GGUF_NAME]);

#endif
