#include "model/checkpoint/gguf.h"

#include <stdio.h>
#include <string.h>

static const char *const layer_names[][2] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};
static const char *const model_names[][2] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
};
enum {
    LAYER_NAMES = sizeof layer_names / sizeof layer_names[0],
    MODEL_NAMES = sizeof model_names / sizeof model_names[0]
};

/* "<prefix><number>.<part>.<weight or bias>" with a known part: writes it with the other prefix
 * and the part's other name. side: column of `text` in layer_names. */
static bool translate(const char *text, const char *prefix, const char *other, int side,
                      char out[GGUF_NAME]) {
    size_t skip = strlen(prefix);
    if (strncmp(text, prefix, skip) != 0) {
        return false;
    }
    const char *number = text + skip;
    size_t digits = strspn(number, "0123456789");
    const char *part = number + digits + 1, *end = strrchr(text, '.');
    if (digits == 0 || digits > 5 || number[digits] != '.' || !end || end < part ||
        (strcmp(end, ".weight") != 0 && strcmp(end, ".bias") != 0)) {
        return false;
    }
    for (int i = 0; i < LAYER_NAMES; i++) {
        const char *known = layer_names[i][side];
        if (strlen(known) == (size_t)(end - part) && strncmp(part, known, strlen(known)) == 0) {
            snprintf(out, GGUF_NAME, "%s%.*s.%s%s", other, (int)digits, number,
                     layer_names[i][1 - side], end);
            return true;
        }
    }
    return false;
}

static bool find(const char *text, int side, char out[GGUF_NAME]) {
    for (int i = 0; i < MODEL_NAMES; i++) {
        if (strcmp(text, model_names[i][side]) == 0) {
            snprintf(out, GGUF_NAME, "%s", model_names[i][1 - side]);
            return true;
        }
    }
    return side == 0 ? translate(text, "blk.", "model.layers.", 0, out)
                     : translate(text, "model.layers.", "blk.", 1, out);
}

bool pare_gguf_name_to_hf(const char *name, int64_t length, char out[GGUF_NAME]) {
    char text[GGUF_NAME];
    if (length >= GGUF_NAME) {
        return false;
    }
    snprintf(text, sizeof text, "%.*s", (int)length, name);
    return find(text, 0, out);
}

bool pare_gguf_name_from_hf(const char *name, char out[GGUF_NAME]) {
    return find(name, 1, out);
}

static const int64_t numbers[PARE_DTYPES] = {0, 1, 30, 8};

int64_t pare_gguf_dtype(pare_dtype dtype) {
    return dtype < PARE_DTYPES ? numbers[dtype] : -1;
}

bool pare_gguf_dtype_from(uint32_t number, pare_dtype *out) {
    for (int i = 0; i < PARE_DTYPES; i++) {
        if (numbers[i] == (int64_t)number) {
            *out = (pare_dtype)i;
            return true;
        }
    }
    return false;
}
