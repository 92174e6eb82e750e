/* GGUF v3. Layers that differ make the architecture "deci", the one in llama.cpp that reads heads,
 * key/value heads and feed-forward length layer by layer. */
#include "model/checkpoint/gguf.h"
#include "model/checkpoint/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    FILE *file;
    int64_t at; /* bytes written */
    char prefix[32];
    int64_t pairs; /* counted in the first pass, which writes nothing */
} writer;

static void put(writer *w, const void *bytes, int64_t size) {
    if (w->file) {
        (void)fwrite(bytes, 1, (size_t)size, w->file); /* the commit reports failures */
    }
    w->at += size;
}

static void put_u32(writer *w, uint32_t value) {
    put(w, &value, sizeof value);
}

static void put_text(writer *w, const char *text, int64_t length) {
    uint64_t size = (uint64_t)length;
    put(w, &size, sizeof size);
    put(w, text, length);
}

/* key: with a leading '.', the architecture's prefix is put in front. */
static void put_key(writer *w, const char *key, gguf_kind kind) {
    char full[GGUF_NAME];
    snprintf(full, sizeof full, "%s%s", key[0] == '.' ? w->prefix : "", key);
    put_text(w, full, (int64_t)strlen(full));
    put_u32(w, kind);
    w->pairs++;
}

static void put_integer(writer *w, const char *key, int64_t value) {
    put_key(w, key, GGUF_UINT32);
    put_u32(w, (uint32_t)value);
}

static void put_real(writer *w, const char *key, double value) {
    float single = (float)value;
    put_key(w, key, GGUF_FLOAT32);
    put(w, &single, sizeof single);
}

static void put_string(writer *w, const char *key, const char *value) {
    put_key(w, key, GGUF_STRING);
    put_text(w, value, (int64_t)strlen(value));
}

static void put_flag(writer *w, const char *key, bool value) {
    uint8_t byte = value;
    put_key(w, key, GGUF_BOOL);
    put(w, &byte, 1);
}

static void put_array(writer *w, const char *key, gguf_kind element, int64_t count) {
    uint64_t size = (uint64_t)count;
    put_key(w, key, GGUF_ARRAY);
    put_u32(w, element);
    put(w, &size, sizeof size);
}

/* A quantity of the layers: one number, or with `each` a list. */
static void put_layers(writer *w, const char *key, const pare_lm_shape *s, size_t offset,
                       bool each) {
    if (each) {
        put_array(w, key, GGUF_INT32, s->layers);
    } else {
        put_key(w, key, GGUF_UINT32);
    }
    for (int64_t i = 0; i < (each ? s->layers : 1); i++) {
        int64_t value = 0;
        memcpy(&value, (const char *)&s->layer[i] + offset, sizeof value);
        put_u32(w, (uint32_t)value);
    }
}

static void put_vocabulary(writer *w, const pare_stored_vocabulary *v) {
    put_string(w, "tokenizer.ggml.model", v->model ? v->model : "llama");
    if (v->pre) {
        put_string(w, "tokenizer.ggml.pre", v->pre);
    }
    put_array(w, "tokenizer.ggml.tokens", GGUF_STRING, v->count);
    for (int64_t i = 0; i < v->count; i++) {
        put_text(w, v->piece[i], v->piece_length[i]);
    }
    if (v->score) {
        put_array(w, "tokenizer.ggml.scores", GGUF_FLOAT32, v->count);
        put(w, v->score, v->count * 4);
    }
    if (v->type) {
        put_array(w, "tokenizer.ggml.token_type", GGUF_INT32, v->count);
        put(w, v->type, v->count * 4);
    }
    if (v->merges > 0) {
        put_array(w, "tokenizer.ggml.merges", GGUF_STRING, v->merges);
        for (int64_t i = 0; i < v->merges; i++) {
            put_text(w, v->merge[i], (int64_t)strlen(v->merge[i]));
        }
    }
    if (v->bos >= 0) {
        put_integer(w, "tokenizer.ggml.bos_token_id", v->bos);
    }
    if (v->eos >= 0) {
        put_integer(w, "tokenizer.ggml.eos_token_id", v->eos);
    }
    put_flag(w, "tokenizer.ggml.add_bos_token", v->add_bos);
    put_flag(w, "tokenizer.ggml.add_eos_token", v->add_eos);
}

static void put_metadata(writer *w, const pare_export *export) {
    const pare_lm_shape *s = export->shape;
    bool each = !pare_lm_uniform(s);
    bool llama = strcmp(s->architecture, "llama") == 0 || strcmp(s->architecture, "mistral") == 0;
    snprintf(w->prefix, sizeof w->prefix, "%s", each ? "deci" : llama ? "llama" : s->architecture);
    put_string(w, "general.architecture", w->prefix);
    put_integer(w, ".block_count", s->layers);
    put_integer(w, ".context_length", s->context);
    put_integer(w, ".embedding_length", s->hidden);
    put_integer(w, ".vocab_size", s->vocabulary);
    put_layers(w, ".feed_forward_length", s, offsetof(pare_lm_layer, ffn), each);
    put_layers(w, ".attention.head_count", s, offsetof(pare_lm_layer, heads), each);
    put_layers(w, ".attention.head_count_kv", s, offsetof(pare_lm_layer, kv_heads), each);
    put_integer(w, ".attention.key_length", s->head_dim);
    put_integer(w, ".attention.value_length", s->head_dim);
    put_integer(w, ".rope.dimension_count", s->head_dim);
    put_real(w, ".rope.freq_base", s->rope_base);
    put_real(w, ".attention.layer_norm_rms_epsilon", s->norm_epsilon);
    put_integer(w, "general.file_type",
                export->dtype == PARE_DTYPE_F16    ? 1
                : export->dtype == PARE_DTYPE_BF16 ? 32
                                                   : 0);
    if (export->vocabulary && export->vocabulary->count > 0) {
        put_vocabulary(w, export->vocabulary);
    }
}

static int64_t values_of(const pare_export_tensor *tensor) {
    int64_t values = 1;
    for (int64_t r = 0; r < tensor->rank; r++) {
        values *= tensor->shape[r];
    }
    return values;
}

static pare_dtype dtype_of(const pare_export *export, const pare_export_tensor *tensor) {
    return tensor->rank < 2 ? PARE_DTYPE_F32 : export->dtype;
}

static void pad(writer *w) {
    static const char zero[GGUF_ALIGNMENT] = {0};
    put(w, zero, (GGUF_ALIGNMENT - w->at % GGUF_ALIGNMENT) % GGUF_ALIGNMENT);
}

/* Do the rotary frequencies differ from those of the base? Then GGUF carries what divides them. */
static bool has_rope_factors(const pare_lm_shape *s) {
    for (int64_t i = 0; i < s->head_dim / 2; i++) {
        double plain = pow(s->rope_base, -2.0 * (double)i / (double)s->head_dim);
        if (fabs(s->rope_frequency[i] - plain) > 1e-6 * plain) {
            return true;
        }
    }
    return false;
}

static void put_description(writer *w, const char *name, int64_t rank, const int64_t *shape,
                            pare_dtype dtype, int64_t offset) {
    put_text(w, name, (int64_t)strlen(name));
    put_u32(w, (uint32_t)rank);
    for (int64_t r = rank - 1; r >= 0; r--) {
        put(w, &shape[r], 8);
    }
    put_u32(w, (uint32_t)pare_gguf_dtype(dtype));
    put(w, &offset, 8);
}

static void put_rope_factors(writer *w, const pare_lm_shape *s) {
    for (int64_t i = 0; i < s->head_dim / 2; i++) {
        double plain = pow(s->rope_base, -2.0 * (double)i / (double)s->head_dim);
        float factor = (float)(plain / s->rope_frequency[i]);
        put(w, &factor, sizeof factor);
    }
    pad(w);
}

static pare_status put_descriptions(writer *w, const pare_export *export) {
    int64_t offset = 0;
    if (has_rope_factors(export->shape)) {
        int64_t half = export->shape->head_dim / 2;
        put_description(w, "rope_freqs.weight", 1, &half, PARE_DTYPE_F32, 0);
        offset = (4 * half + GGUF_ALIGNMENT - 1) / GGUF_ALIGNMENT * GGUF_ALIGNMENT;
    }
    for (int64_t i = 0; i < export->tensors; i++) {
        const pare_export_tensor *tensor = &export->tensor[i];
        char name[GGUF_NAME];
        if (!pare_gguf_name_from_hf(tensor->name, name)) {
            return pare_fail(export->ctx, PARE_ERROR_UNSUPPORTED, "tensor %s has no name in GGUF",
                             tensor->name);
        }
        put_description(w, name, tensor->rank, tensor->shape, dtype_of(export, tensor), offset);
        int64_t bytes = pare_dtype_bytes(dtype_of(export, tensor), values_of(tensor));
        offset += (bytes + GGUF_ALIGNMENT - 1) / GGUF_ALIGNMENT * GGUF_ALIGNMENT;
    }
    return PARE_OK;
}

pare_status pare_write_gguf(const pare_export *export, const char *path) {
    pare_output output = {0};
    pare_status status = pare_output_open(export->ctx, path, &output);
    if (status != PARE_OK) {
        return status;
    }
    writer count = {0}, w = {.file = output.file};
    put_metadata(&count, export);
    bool factors = has_rope_factors(export->shape);
    uint64_t tensors = (uint64_t)(export->tensors + factors), pairs = (uint64_t)count.pairs;
    put(&w, "GGUF", 4);
    put_u32(&w, GGUF_VERSION);
    put(&w, &tensors, 8);
    put(&w, &pairs, 8);
    put_metadata(&w, export);
    status = put_descriptions(&w, export);
    pad(&w);
    if (factors) {
        put_rope_factors(&w, export->shape);
    }
    for (int64_t i = 0; status == PARE_OK && i < export->tensors; i++) {
        pare_dtype dtype = dtype_of(export, &export->tensor[i]);
        status = pare_write_values(export, dtype, i, output.file);
        w.at += pare_dtype_bytes(dtype, values_of(&export->tensor[i]));
        pad(&w);
    }
    if (status == PARE_OK) {
        status = pare_output_commit(&output);
    }
    pare_output_abandon(&output);
    return status;
}
