/* Hugging Face model directories: config.json, and model.safetensors or its shards. */
#include "base/text.h"
#include "model/checkpoint/families.h"
#include "model/checkpoint/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

static const char supported[] = "llama, mistral, qwen2, qwen3, gpt2, gpt_neox";

static pare_status join(pare_context *ctx, const char *directory, const char *file,
                        char out[PATH_SIZE]) {
    int length = snprintf(out, PATH_SIZE, "%s/%s", directory, file);
    return length > 0 && length < PATH_SIZE
               ? PARE_OK
               : pare_fail(ctx, PARE_ERROR_ARGUMENT, "%s: the path is too long", directory);
}

static pare_status load_json(pare_context *ctx, const char *path, json_t **out) {
    *out = NULL;
    pare_map map = {0};
    pare_status status = pare_map_open(ctx, path, true, &map);
    if (status != PARE_OK) {
        return status;
    }
    json_error_t error;
    *out = map.length > 0 ? json_loadb((const char *)map.bytes, (size_t)map.length,
                                       JSON_REJECT_DUPLICATES, &error)
                          : NULL;
    if (!json_is_object(*out)) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s line %d: expected a JSON object: %s", path,
                           *out || map.length == 0 ? 1 : error.line,
                           *out || map.length == 0 ? "there is none" : error.text);
        json_decref(*out);
        *out = NULL;
    }
    pare_map_close(&map);
    return status;
}

typedef struct reading {
    pare_context *ctx;
    const char *path;
    json_t *config;
    pare_status status;
} reading;

/* A whole number of the configuration; `missing` < 0: it must be there. */
static int64_t integer(reading *r, const char *name, int64_t missing) {
    json_t *value = json_object_get(r->config, name);
    if ((!value || json_is_null(value)) && missing >= 0) {
        return missing;
    }
    if (!json_is_integer(value) && r->status == PARE_OK) {
        r->status = pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: %s is %s, expected a whole number",
                              r->path, name, value ? "of another kind" : "missing");
    }
    return (int64_t)json_integer_value(value);
}

static double real(reading *r, const char *name, double missing) {
    json_t *value = json_object_get(r->config, name);
    return json_is_number(value) ? json_number_value(value) : missing;
}

static bool flag(reading *r, const char *name, bool missing) {
    json_t *value = json_object_get(r->config, name);
    return json_is_boolean(value) ? json_is_true(value) : missing;
}

/* "rope_scaling" of Llama 3: low frequencies are divided by factor, high ones stay, and between
 * the two wavelengths the division fades in (Llama 3.1 model card, apply_scaling). */
static void scale_rope(reading *r, pare_lm_shape *s) {
    json_t *scaling = json_object_get(r->config, "rope_scaling");
    if (!json_is_object(scaling)) {
        return;
    }
    const char *type = json_string_value(json_object_get(scaling, "rope_type"));
    type = type ? type : json_string_value(json_object_get(scaling, "type"));
    double factor = json_number_value(json_object_get(scaling, "factor"));
    double low = json_number_value(json_object_get(scaling, "low_freq_factor"));
    double high = json_number_value(json_object_get(scaling, "high_freq_factor"));
    double old = json_number_value(json_object_get(scaling, "original_max_position_embeddings"));
    bool linear = type && strcmp(type, "linear") == 0;
    bool llama3 = type && strcmp(type, "llama3") == 0 && high > low && low > 0 && old > 0;
    if (type && strcmp(type, "default") == 0) {
        return;
    }
    if (!(factor > 0) || (!linear && !llama3)) {
        r->status = pare_fail(r->ctx, PARE_ERROR_UNSUPPORTED,
                              "%s: rope_scaling of type %s is not supported (linear and llama3 "
                              "are)",
                              r->path, type ? type : "none");
        return;
    }
    for (int64_t i = 0; i < s->head_dim / 2; i++) {
        double wavelength = 2 * 3.14159265358979323846 / s->rope_frequency[i];
        double keep = linear ? 0 : (old / wavelength - low) / (high - low);
        keep = fmin(1, fmax(0, keep));
        s->rope_frequency[i] *= keep + (1 - keep) / factor;
    }
}

/* "per_layer_config": {"3": {"num_attention_heads": 6, ...}}, as written by pare_write_hf. */
static void read_layers(reading *r, pare_lm_shape *s) {
    json_t *layers = json_object_get(r->config, "per_layer_config");
    const char *key = NULL;
    json_t *entry = NULL;
    json_object_foreach(layers, key, entry) {
        int64_t index = -1;
        if (!pare_parse_integer(key, &index) || index < 0 || index >= s->layers ||
            !json_is_object(entry)) {
            r->status =
                pare_fail(r->ctx, PARE_ERROR_INPUT, "%s: per_layer_config names layer '%s' of %lld",
                          r->path, key, (long long)s->layers);
            return;
        }
        reading one = {r->ctx, r->path, entry, PARE_OK};
        pare_lm_layer *layer = &s->layer[index];
        layer->heads = integer(&one, "num_attention_heads", layer->heads);
        layer->kv_heads = integer(&one, "num_key_value_heads", layer->kv_heads);
        layer->ffn = integer(&one, "intermediate_size", layer->ffn);
        json_t *skip = json_object_get(entry, "skip");
        size_t i = 0;
        json_t *part = NULL;
        json_array_foreach(skip, i, part) {
            const char *name = json_string_value(part);
            if (name && strcmp(name, "attention") == 0) {
                layer->heads = layer->kv_heads = 0;
            } else if (name && strcmp(name, "mlp") == 0) {
                layer->ffn = 0;
            }
        }
        r->status = one.status != PARE_OK ? one.status : r->status;
    }
}

static pare_status read_config(pare_checkpoint *out, const char *path, json_t *config) {
    pare_context *ctx = out->ctx;
    pare_lm_shape *s = &out->shape;
    reading r = {ctx, path, config, PARE_OK};
    const char *type = json_string_value(json_object_get(config, "model_type"));
    bool known =
        type && (strcmp(type, "llama") == 0 || strcmp(type, "mistral") == 0 ||
                 strcmp(type, "qwen2") == 0 || strcmp(type, "qwen3") == 0 || pare_family_is(type));
    if (!known) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: model_type '%s' is not supported; these are: %s", path,
                         type ? type : "", supported);
    }
    if (pare_family_is(type)) {
        pare_lm_layer every = {0};
        snprintf(s->architecture, sizeof s->architecture, "%s", type);
        pare_status status = pare_family_read_config(ctx, path, config, s, &every);
        if (status == PARE_OK) {
            status = pare_lm_shape_reserve(ctx, s, every, path);
        }
        if (status == PARE_OK) {
            read_layers(&r, s);
        }
        return status == PARE_OK ? r.status : status;
    }
    const char *activation = json_string_value(json_object_get(config, "hidden_act"));
    if (activation && strcmp(activation, "silu") != 0) {
        return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                         "%s: hidden_act '%s' is not supported, only silu", path, activation);
    }
    snprintf(s->architecture, sizeof s->architecture, "%s", type);
    s->hidden = integer(&r, "hidden_size", -1);
    s->layers = integer(&r, "num_hidden_layers", -1);
    s->vocabulary = integer(&r, "vocab_size", -1);
    s->context = integer(&r, "max_position_embeddings", 2048);
    int64_t heads = integer(&r, "num_attention_heads", -1);
    pare_lm_layer every = {heads, integer(&r, "num_key_value_heads", heads),
                           integer(&r, "intermediate_size", -1)};
    if (r.status != PARE_OK) {
        return r.status;
    }
    if (heads < 1) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: num_attention_heads is %lld, expected 1 or "
                         "more",
                         path, (long long)heads);
    }
    s->head_dim = integer(&r, "head_dim", s->hidden / heads);
    s->rope_base = real(&r, "rope_theta", 10000);
    s->norm_epsilon = real(&r, "rms_norm_eps", 1e-6);
    s->tied = flag(&r, "tie_word_embeddings", false);
    s->bos = json_is_integer(json_object_get(config, "bos_token_id"))
                 ? integer(&r, "bos_token_id", -1)
                 : -1;
    s->eos = json_is_integer(json_object_get(config, "eos_token_id"))
                 ? integer(&r, "eos_token_id", -1)
                 : -1;
    s->qk_norm = strcmp(type, "qwen3") == 0;
    bool bias = flag(&r, "attention_bias", false);
    s->qkv_bias = bias || strcmp(type, "qwen2") == 0;
    s->output_bias = bias && strcmp(type, "llama") == 0;
    s->ffn_bias = flag(&r, "mlp_bias", false);
    s->weight_block = integer(&r, "pare_weight_block", 0);
    bool block = s->weight_block == 0 || s->weight_block == 16 || s->weight_block == 32 ||
                 s->weight_block == 64;
    if (r.status == PARE_OK && !block) {
        return pare_fail(ctx, PARE_ERROR_INPUT,
                         "%s: pare_weight_block is %lld, expected 16, 32 or 64", path,
                         (long long)s->weight_block);
    }
    pare_status status = pare_lm_shape_reserve(ctx, s, every, path);
    if (status != PARE_OK) {
        return status;
    }
    scale_rope(&r, s);
    if (r.status == PARE_OK) {
        read_layers(&r, s);
    }
    return r.status;
}

/* model.safetensors.index.json: every shard it names, once. */
static pare_status read_shards(pare_checkpoint *out, const char *index_path) {
    pare_context *ctx = out->ctx;
    json_t *index = NULL, *seen = json_object();
    pare_status status = load_json(ctx, index_path, &index);
    if (status != PARE_OK) {
        goto fail;
    }
    json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map) || !seen) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: weight_map is missing", index_path);
        goto fail;
    }
    const char *name = NULL;
    json_t *file = NULL;
    json_object_foreach(map, name, file) {
        const char *shard = json_string_value(file);
        char path[PATH_SIZE];
        if (!shard || strchr(shard, '/')) {
            status = pare_fail(ctx, PARE_ERROR_INPUT,
                               "%s: tensor %s is not assigned to a file of the same directory",
                               index_path, name);
            goto fail;
        }
        if (json_object_get(seen, shard)) {
            continue;
        }
        if (json_object_set_new(seen, shard, json_true()) != 0) {
            status = pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory");
            goto fail;
        }
        status = join(ctx, out->path, shard, path);
        if (status == PARE_OK) {
            status = pare_read_safetensors(out, path);
        }
        if (status != PARE_OK) {
            goto fail;
        }
    }
fail:
    json_decref(index);
    json_decref(seen);
    return status;
}

pare_status pare_read_hf(pare_checkpoint *out) {
    pare_context *ctx = out->ctx;
    char path[PATH_SIZE];
    json_t *config = NULL;
    pare_status status = join(ctx, out->path, "config.json", path);
    if (status == PARE_OK) {
        status = load_json(ctx, path, &config);
    }
    if (status == PARE_OK) {
        status = read_config(out, path, config);
    }
    json_decref(config);
    if (status != PARE_OK) {
        return status;
    }
    status = join(ctx, out->path, "model.safetensors.index.json", path);
    if (status != PARE_OK) {
        return status;
    }
    FILE *index = fopen(path, "rb");
    if (index) {
        (void)fclose(index);
        status = read_shards(out, path);
    } else {
        status = join(ctx, out->path, "model.safetensors", path);
        status = status == PARE_OK ? pare_read_safetensors(out, path) : status;
    }
    return status == PARE_OK && pare_family_is(out->shape.architecture) ? pare_family_adapt(out)
                                                                        : status;
}

static int set_layers(json_t *config, const pare_lm_shape *s) {
    json_t *layers = json_object();
    int bad = !layers;
    const pare_lm_layer *first = &s->layer[0];
    for (int64_t i = 0; !bad && i < s->layers; i++) {
        const pare_lm_layer *layer = &s->layer[i];
        char key[24];
        snprintf(key, sizeof key, "%lld", (long long)i);
        json_t *entry = json_object(), *skip = json_array();
        bad = !entry || !skip;
        if (layer->heads == 0) {
            bad |= json_array_append_new(skip, json_string("attention"));
        } else if (layer->heads != first->heads || layer->kv_heads != first->kv_heads) {
            bad |= json_object_set_new(entry, "num_attention_heads", json_integer(layer->heads));
            bad |= json_object_set_new(entry, "num_key_value_heads", json_integer(layer->kv_heads));
        }
        if (layer->ffn == 0) {
            bad |= json_array_append_new(skip, json_string("mlp"));
        } else if (layer->ffn != first->ffn) {
            bad |= json_object_set_new(entry, "intermediate_size", json_integer(layer->ffn));
        }
        if (json_array_size(skip) > 0) {
            bad |= json_object_set(entry, "skip", skip);
        }
        if (json_object_size(entry) > 0) {
            bad |= json_object_set(layers, key, entry);
        }
        json_decref(skip);
        json_decref(entry);
    }
    return bad | json_object_set_new(config, "per_layer_config", layers);
}

/* Frequencies of a model that came without config.json: the plain ones, or all divided alike. */
static pare_status set_rope_scaling(pare_context *ctx, json_t *config, const pare_lm_shape *s) {
    double first = 1 / s->rope_frequency[0];
    for (int64_t i = 0; i < s->head_dim / 2; i++) {
        double plain = pow(s->rope_base, -2.0 * (double)i / (double)s->head_dim);
        if (fabs(plain / s->rope_frequency[i] - first) > 1e-5 * first) {
            return pare_fail(ctx, PARE_ERROR_UNSUPPORTED,
                             "config.json has no form for the rotary frequencies of this model; "
                             "GGUF has");
        }
    }
    if (fabs(first - 1) > 1e-6 &&
        json_object_set_new(config, "rope_scaling",
                            json_pack("{s:s, s:f}", "rope_type", "linear", "factor", first)) != 0) {
        return pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory while writing config.json");
    }
    return PARE_OK;
}

/* What all families have: number format, and the layers if they differ. */
static int set_shapes(const pare_export *export, json_t *config) {
    const char *dtype = export->dtype == PARE_DTYPE_BF16  ? "bfloat16"
                        : export->dtype == PARE_DTYPE_F16 ? "float16"
                                                          : "float32";
    int bad = json_object_set_new(config, "torch_dtype", json_string(dtype));
    if (!pare_lm_uniform(export->shape)) {
        return bad | set_layers(config, export->shape);
    }
    (void)json_object_del(config, "per_layer_config");
    return bad;
}

/* The configuration of the pruned model: that of the original with the sizes changed. */
static pare_status new_config(const pare_export *export, const char *from, json_t **out) {
    const pare_lm_shape *s = export->shape;
    pare_status status = PARE_OK;
    *out = NULL;
    if (from) {
        status = load_json(export->ctx, from, out);
    } else {
        *out = json_pack("{s:[s], s:s, s:s}", "architectures",
                         strcmp(s->architecture, "gpt2") == 0       ? "GPT2LMHeadModel"
                         : strcmp(s->architecture, "gpt_neox") == 0 ? "GPTNeoXForCausalLM"
                         : strcmp(s->architecture, "qwen2") == 0    ? "Qwen2ForCausalLM"
                         : strcmp(s->architecture, "qwen3") == 0    ? "Qwen3ForCausalLM"
                         : strcmp(s->architecture, "mistral") == 0  ? "MistralForCausalLM"
                                                                    : "LlamaForCausalLM",
                         "model_type", s->architecture,
                         pare_family_is(s->architecture) ? "_made_by" : "hidden_act",
                         pare_family_is(s->architecture) ? "pare" : "silu");
    }
    if (status != PARE_OK) {
        return status;
    }
    /* Where the layers differ, the fields hold those of the first layer that has the part. */
    pare_lm_layer common = s->layer[0];
    for (int64_t i = 0; i < s->layers; i++) {
        common.heads = common.heads ? common.heads : s->layer[i].heads;
        common.kv_heads = common.kv_heads ? common.kv_heads : s->layer[i].kv_heads;
        common.ffn = common.ffn ? common.ffn : s->layer[i].ffn;
    }
    if (pare_family_is(s->architecture)) {
        return pare_family_write_config(s, &common, *out) != 0 || set_shapes(export, *out) != 0
                   ? pare_fail(export->ctx, PARE_ERROR_MEMORY,
                               "out of memory while writing config.json")
                   : PARE_OK;
    }
    const struct {
        const char *name;
        json_t *value;
    } fields[] = {
        {"hidden_size", json_integer(s->hidden)},
        {"num_hidden_layers", json_integer(s->layers)},
        {"num_attention_heads", json_integer(common.heads)},
        {"num_key_value_heads", json_integer(common.kv_heads)},
        {"intermediate_size", json_integer(common.ffn)},
        {"head_dim", json_integer(s->head_dim)},
        {"vocab_size", json_integer(s->vocabulary)},
        {"max_position_embeddings", json_integer(s->context)},
        {"rms_norm_eps", json_real(s->norm_epsilon)},
        {"rope_theta", json_real(s->rope_base)},
        {"tie_word_embeddings", json_boolean(s->tied)},
    };
    int bad = !*out;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        bad |= json_object_set_new(*out, fields[i].name, fields[i].value);
    }
    if (!from && s->bos >= 0) {
        bad |= json_object_set_new(*out, "bos_token_id", json_integer(s->bos));
    }
    if (!from && s->eos >= 0) {
        bad |= json_object_set_new(*out, "eos_token_id", json_integer(s->eos));
    }
    if (s->weight_block > 0) {
        bad |= json_object_set_new(*out, "pare_weight_block", json_integer(s->weight_block));
    } else if (*out) {
        (void)json_object_del(*out, "pare_weight_block");
    }
    if (!from && !bad) {
        status = set_rope_scaling(export->ctx, *out, s);
    }
    if (status != PARE_OK) {
        return status;
    }
    bad = bad || set_shapes(export, *out);
    return bad ? pare_fail(export->ctx, PARE_ERROR_MEMORY,
                           "out of memory while writing config.json")
               : PARE_OK;
}

pare_status pare_write_hf(const pare_export *export, const char *directory,
                          const char *config_from) {
    pare_context *ctx = export->ctx;
    char path[PATH_SIZE];
    json_t *config = NULL;
    char *text = NULL;
    pare_output output = {0};
    pare_status status = new_config(export, config_from, &config);
    if (status == PARE_OK) {
        status = join(ctx, directory, "config.json", path);
    }
    if (status == PARE_OK) {
        text = json_dumps(config, JSON_INDENT(2));
        status = text ? pare_output_open(ctx, path, &output)
                      : pare_fail(ctx, PARE_ERROR_MEMORY, "out of memory");
    }
    if (status == PARE_OK) {
        fprintf(output.file, "%s\n", text);
        status = pare_output_commit(&output);
    }
    pare_output_abandon(&output);
    free(text);
    json_decref(config);
    if (status == PARE_OK) {
        status = join(ctx, directory, "model.safetensors", path);
    }
    return status == PARE_OK ? pare_write_safetensors(export, path) : status;
}
