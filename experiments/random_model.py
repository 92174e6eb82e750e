#!/usr/bin/env python3
"""Writes a Hugging Face directory of a Llama shape with random weights and a tokenizer of single
bytes, for measurements of memory and time that do not depend on what the weights say.

    python3 experiments/random_model.py OUT --layers 22 --hidden 2048 --heads 32 --kv-heads 4 --ffn 5632
    python3 experiments/random_model.py OUT --layers 32 --hidden 4096 --heads 32 --kv-heads 32 --ffn 11008
    python3 experiments/random_model.py OUT --layers 12 --hidden 768 --heads 12 --kv-heads 12 --ffn 2048 --dtype F32

The first is the shape of TinyLlama (1.1 B parameters), the second of Llama 2 7B, the third has 110 M.
Needs NumPy.
"""
import argparse
import json
import os
import struct

import numpy


def tensors(o):
    """Names and shapes, in the order in which they are written."""
    keys = o.hidden // o.heads * o.kv_heads
    yield "model.embed_tokens.weight", (o.vocabulary, o.hidden)
    for i in range(o.layers):
        at = f"model.layers.{i}."
        yield at + "input_layernorm.weight", (o.hidden,)
        yield at + "self_attn.q_proj.weight", (o.hidden, o.hidden)
        yield at + "self_attn.k_proj.weight", (keys, o.hidden)
        yield at + "self_attn.v_proj.weight", (keys, o.hidden)
        yield at + "self_attn.o_proj.weight", (o.hidden, o.hidden)
        yield at + "post_attention_layernorm.weight", (o.hidden,)
        yield at + "mlp.gate_proj.weight", (o.ffn, o.hidden)
        yield at + "mlp.up_proj.weight", (o.ffn, o.hidden)
        yield at + "mlp.down_proj.weight", (o.hidden, o.ffn)
    yield "model.norm.weight", (o.hidden,)
    yield "lm_head.weight", (o.vocabulary, o.hidden)


def bfloat16(values):
    """The upper half of float32; random numbers need no rounding."""
    return (values.astype(numpy.float32).view(numpy.uint32) >> 16).astype(numpy.uint16)


def write_weights(path, o):
    table, at = {}, 0
    stored = bfloat16 if o.dtype == "BF16" else (lambda values: values.astype(numpy.float32))
    for name, shape in tensors(o):
        size = (2 if o.dtype == "BF16" else 4) * int(numpy.prod(shape))
        table[name] = {"dtype": o.dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(table).encode()
    head += b" " * (-len(head) % 8)
    # One pool of normal numbers, read from other places for each matrix: quick, and no two alike.
    draw = numpy.random.default_rng(o.seed)
    pool = draw.standard_normal(1 << 22).astype(numpy.float32)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)))
        file.write(head)
        for name, shape in tensors(o):
            count = int(numpy.prod(shape))
            if len(shape) == 1:
                file.write(stored(numpy.ones(count)).tobytes())
                continue
            scaled = stored(pool / numpy.sqrt(shape[1]))
            while count > 0:
                start = int(draw.integers(0, len(pool) // 2))
                part = scaled[start:start + min(count, len(pool) - start)]
                file.write(part.tobytes())
                count -= len(part)


def write_tokenizer(path, o):
    """Byte-level BPE without merges: every byte is a token."""
    shown = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255]
    hidden = [b for b in range(256) if b not in shown]
    letter = {b: chr(b) for b in shown} | {b: chr(256 + i) for i, b in enumerate(hidden)}
    vocabulary = {"<s>": 0, "</s>": 1} | {letter[b]: 2 + b for b in range(256)}
    vocabulary |= {f"<unused{i}>": i for i in range(258, o.vocabulary)}
    special = [{"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for i, text in enumerate(["<s>", "</s>"])]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": True}
    with open(path, "w") as file:
        json.dump({"version": "1.0", "added_tokens": special, "normalizer": None,
                   "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
                   "model": {"type": "BPE", "vocab": vocabulary, "merges": []}}, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    for name, value in (("layers", 22), ("hidden", 2048), ("heads", 32), ("kv-heads", 4),
                        ("ffn", 5632), ("vocabulary", 32000), ("context", 2048), ("seed", 1)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--dtype", choices=["BF16", "F32"], default="BF16")
    o = parser.parse_args()
    os.makedirs(o.out)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
              "hidden_size": o.hidden, "intermediate_size": o.ffn, "num_hidden_layers": o.layers,
              "num_attention_heads": o.heads, "num_key_value_heads": o.kv_heads,
              "max_position_embeddings": o.context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "vocab_size": o.vocabulary, "tie_word_embeddings": False, "bos_token_id": 0,
              "eos_token_id": 1, "torch_dtype": "bfloat16" if o.dtype == "BF16" else "float32"}
    with open(f"{o.out}/config.json", "w") as file:
        json.dump(config, file, indent=1)
    write_weights(f"{o.out}/model.safetensors", o)
    write_tokenizer(f"{o.out}/tokenizer.json", o)


if __name__ == "__main__":
    main()
