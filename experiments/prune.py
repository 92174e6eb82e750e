#!/usr/bin/env python3
"""Quality of pruned language models: every criterion at equal kept layer parameters.

    experiments/prune.py PARE DATA OUT.jsonl [MODEL ...]

PARE: the program; DATA: the folder `llm` of models and texts (docs/pruning.md names them). Each run
appends one line to OUT.jsonl; runs that are there already are skipped, so that it can be stopped.
With --table the lines are written as a Markdown table to standard output."""
import json
import math
import os
import resource
import subprocess
import sys
import tempfile

CALIBRATION = 128
MODELS = {
    "books-llama-3m": dict(
        path="books-llama-3m", context=256, calibration="text/books_calibration.txt",
        evaluation=["text/books_eval/Dracula.txt", "text/books_eval/Emma.txt",
                    "text/books_eval/Treasure_Island.txt"],
        keep=[0.8333, 0.75, 0.6667, 0.5]),
    "stories260K": dict(
        path="stories260K/hf", context=256, calibration="text/tinystories/tinystories_1000.txt",
        evaluation=["text/tinystories/tinystories_1000.txt"], keep=[0.8, 0.75, 0.6, 0.5],
        split=200),
    "babyllama105": dict(
        path="babyllama105/hf", context=256, calibration="text/tinystories/tinystories_1000.txt",
        evaluation=["text/tinystories/tinystories_1000.txt"], keep=[0.75, 0.5], split=200),
}
# name: options, seeds
RUNS = {
    "reconstruction, all structures": ("", [1]),
    "reconstruction, heads and channels": ("--structure heads,ffn", [1]),
    "reconstruction, whole halves, no compensation (BlockPruner's choice in one shot)":
        ("--structure attention,mlp --no-compensate", [1]),
    "whole layers, no compensation (ShortGPT's structure)":
        ("--structure layers --no-compensate", [1]),
    "sequential-attention, compensated": ("--criterion sequential-attention", [1]),
    "sequential-attention": ("--criterion sequential-attention --no-compensate", [1]),
    "taylor": ("--criterion taylor --no-compensate", [1]),
    "activation": ("--criterion activation --no-compensate", [1]),
    "magnitude": ("--criterion magnitude --no-compensate", [1]),
    "random": ("--criterion random --no-compensate", [1, 2, 3]),
    "random, compensated": ("--criterion random", [1, 2, 3]),
}


def field(text, name):
    for line in text.splitlines():
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    return ""


def texts(data, model, folder):
    """Calibration and evaluation files; a single text is split in two by stories."""
    spec = MODELS[model]
    calibration = os.path.join(data, spec["calibration"])
    evaluation = [os.path.join(data, e) for e in spec["evaluation"]]
    if "split" not in spec:
        return calibration, evaluation
    stories = open(calibration, encoding="utf8").read()
    paragraphs = stories.split("\n\n")
    if model == "babyllama105":
        paragraphs = [p.replace("\n", " ") for p in paragraphs]
    cut = max(1, len(paragraphs) * 4 // 5)
    parts = []
    for name, some in (("calibration", paragraphs[:cut]), ("evaluation", paragraphs[cut:])):
        path = os.path.join(folder, name + ".txt")
        open(path, "w", encoding="utf8").write("\n\n".join(some)[:400000])
        parts.append(path)
    return parts[0], [parts[1]]


def perplexity(pare, model, files, context):
    nats = tokens = 0
    for path in files:
        out = subprocess.run([pare, "perplexity", model, "--text", path, "--context", str(context),
                              "--windows", "400", "--quiet"], check=True, capture_output=True,
                             text=True).stdout
        n = int(field(out, "tokens scored"))
        nats += float(field(out, "nats per token")) * n
        tokens += n
    return math.exp(nats / tokens), tokens


def run(pare, data, out, models):
    done = set()
    if os.path.exists(out):
        for line in open(out):
            r = json.loads(line)
            done.add((r["model"], r["keep"], r["run"], r["seed"]))
    with tempfile.TemporaryDirectory() as folder, open(out, "a") as log:
        for model in models:
            spec = MODELS[model]
            path = os.path.join(data, spec["path"])
            calibration, evaluation = texts(data, model, folder)
            jobs = [(1.0, "dense", "", 1)]
            jobs += [(k, name, options, seed) for name, (options, seeds) in RUNS.items()
                     for seed in seeds for k in spec["keep"]]
            for keep, name, options, seed in jobs:
                if (model, keep, name, seed) in done:
                    continue
                record = dict(model=model, keep=keep, run=name, seed=seed)
                target = os.path.join(folder, "pruned")
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                if name != "dense":
                    command = [pare, "prune", path, "--text", calibration, "--budget",
                               f"params={keep}", "--context", str(spec["context"]),
                               "--calibration", str(CALIBRATION), "--seed", str(seed), "--out",
                               target, "--overwrite", "--quiet", *options.split()]
                    result = subprocess.run(command, capture_output=True, text=True)
                    if result.returncode != 0:
                        record["error"] = result.stderr.strip()
                        print(json.dumps(record), file=log, flush=True)
                        continue
                    record["kept"] = float(field(result.stdout, "kept"))
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                record["cpu_seconds"] = round(after.ru_utime + after.ru_stime - before.ru_utime -
                                              before.ru_stime, 1)
                record["perplexity"], record["tokens"] = perplexity(
                    pare, target if name != "dense" else path, evaluation, spec["context"])
                print(json.dumps(record), file=log, flush=True)


def table(out):
    rows = [json.loads(line) for line in open(out)]
    for model in dict.fromkeys(r["model"] for r in rows):
        own = [r for r in rows if r["model"] == model]
        keeps = [k for k in dict.fromkeys(r["keep"] for r in own) if k < 1]
        dense = [r for r in own if r["run"] == "dense"]
        print(f"\n## {model}\n\nDense: {dense[0]['perplexity']:.2f} on {dense[0]['tokens']} tokens.\n")
        print("| | " + " | ".join(f"keep {k:g}" for k in keeps) + " | CPU s |")
        print("|---" * (len(keeps) + 2) + "|")
        for name in RUNS:
            cells, cpu = [], []
            for k in keeps:
                found = [r for r in own if r["run"] == name and r["keep"] == k]
                good = [r["perplexity"] for r in found if "perplexity" in r]
                cpu += [r["cpu_seconds"] for r in found if "cpu_seconds" in r]
                if not good:
                    cells.append("-" if not found else "cannot")
                    continue
                mean = sum(good) / len(good)
                spread = f" ({min(good):.2f} to {max(good):.2f})" if len(good) > 1 else ""
                kept = [r["kept"] for r in found if "kept" in r]
                note = f" [{kept[0]:.3f}]" if abs(kept[0] - k) > 0.005 else ""
                cells.append(f"{mean:.2f}{spread}{note}")
            print(f"| {name} | " + " | ".join(cells) +
                  f" | {sum(cpu) / len(cpu):.0f} |" if cpu else f"| {name} | - |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--table"]:
        table(sys.argv[2])
    elif len(sys.argv) < 4:
        sys.exit(__doc__)
    else:
        run(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:] or list(MODELS))
