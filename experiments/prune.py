#!/usr/bin/env python3
"""Quality of pruned language models: every criterion at equal kept layer parameters.

    experiments/prune.py PARE DATA OUT.jsonl [MODEL[:SEEDS[:KEEP,KEEP[:RUN+RUN]]] ...]
    experiments/prune.py --table OUT.jsonl

PARE: the program; DATA: the folder `llm` of models and texts (docs/pruning.md names them); SEEDS: 1
unless said, each another choice of calibration windows; KEEP: shares of the layer parameters; RUN:
names of rows as far as a bracket, all but recovery unless said. What removes one kind of structure
only, or recovers, is run with the first seed. Each run appends one line to OUT.jsonl;
runs that are there already are skipped, so that it can be stopped. --table writes them as Markdown:
mean and, in brackets, standard deviation over the seeds and their number."""
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile

CALIBRATION = 128
STORIES = "text/tinystories/tinystories_1000.json"
MODELS = {
    "stories260K": dict(path="stories260K/hf", stories=STORIES, keep=[0.8, 0.75, 0.5]),
    "books-llama-3m": dict(
        path="books-llama-3m", calibration="text/books_calibration.txt",
        evaluation=["text/books_eval/Dracula.txt", "text/books_eval/Emma.txt",
                    "text/books_eval/Treasure_Island.txt"],
        keep=[0.8333, 0.75, 0.6667, 0.5]),
    "babyllama105": dict(path="babyllama105/hf", stories=STORIES, one_line=True, keep=[0.75, 0.5]),
}
CONTEXT = 256
HELD_OUT = slice(400, 600)  # stories for evaluation; the others are for calibration
WHOLE = "--structure attention,mlp"
RUNS = {
    "sequential-attention": "--criterion sequential-attention",
    "reconstruction": "",
    "magnitude": "--criterion magnitude",
    "activation (Wanda's score)": "--criterion activation",
    "taylor": "--criterion taylor",
    "fluctuation (FLAP's score)": "--criterion fluctuation",
    "random": "--criterion random",
    "perplexity, halves (BlockPruner)": f"--criterion perplexity {WHOLE} --no-compensate",
    "block-influence, layers (ShortGPT)":
        "--criterion block-influence --structure layers --no-compensate",
}
ONE_SEED = {
    "perplexity, halves, refitted": f"--criterion perplexity {WHOLE}",
    "sequential-attention, heads": "--criterion sequential-attention --structure heads",
    "sequential-attention, ffn": "--criterion sequential-attention --structure ffn",
    "sequential-attention, halves": f"--criterion sequential-attention {WHOLE}",
    "sequential-attention, layers": "--criterion sequential-attention --structure layers",
    "sequential-attention, hidden": "--criterion sequential-attention --structure hidden",
}
NAMED = {  # long: only where they are asked for
    "recovery (reconstruction, then 1M tokens)": "--recover 1M",
}


def field(text, name):
    for line in text.splitlines():
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    return ""


def texts(data, model, folder):
    """Calibration and evaluation files; a list of stories is split in two."""
    spec = MODELS[model]
    if "stories" not in spec:
        return (os.path.join(data, spec["calibration"]),
                [os.path.join(data, e) for e in spec["evaluation"]])
    with open(os.path.join(data, spec["stories"]), encoding="utf8") as file:
        stories = json.load(file)
    if "one_line" in spec:
        stories = [" ".join(s.split()) for s in stories]
    held_out = stories[HELD_OUT]
    parts = []
    for name, some in (("calibration", [s for s in stories if s not in set(held_out)]),
                       ("evaluation", held_out)):
        path = os.path.join(folder, f"{model}-{name}.txt")
        with open(path, "w", encoding="utf8") as file:
            file.write((" " if "one_line" in spec else "\n\n").join(some))
        parts.append(path)
    return parts[0], [parts[1]]


def perplexity(pare, model, files):
    nats = tokens = 0
    for path in files:
        out = subprocess.run([pare, "perplexity", model, "--text", path, "--context", str(CONTEXT),
                              "--windows", "400", "--quiet"], check=True, capture_output=True,
                             text=True).stdout
        n = int(field(out, "tokens scored"))
        nats += float(field(out, "nats per token")) * n
        tokens += n
    return math.exp(nats / tokens), tokens


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def one_run(pare, path, calibration, evaluation, target, record, options):
    """Prunes and scores; fills the record."""
    if record["run"] == "dense":
        record["perplexity"], record["tokens"] = perplexity(pare, path, evaluation)
        return
    before = cpu_seconds()
    command = [pare, "prune", path, "--text", calibration, "--budget", f"params={record['keep']}",
               "--context", str(CONTEXT), "--calibration", str(CALIBRATION), "--seed",
               str(record["seed"]), "--out", target, "--overwrite", "--quiet", *options.split()]
    result = subprocess.run(command, capture_output=True, text=True)
    record["cpu_seconds"] = round(cpu_seconds() - before, 1)
    if result.returncode != 0:
        record["error"] = result.stderr.strip()
        return
    record["kept"] = float(field(result.stdout, "kept"))
    record["perplexity"], record["tokens"] = perplexity(pare, target, evaluation)


def run(pare, data, out, models):
    done = set()
    if os.path.exists(out):
        for line in open(out):
            r = json.loads(line)
            done.add((r["model"], r["keep"], r["run"], r["seed"]))
    wanted, keeps, names = {}, {}, {}
    for model in models:
        name, seeds, shares, runs = (model + ":::").split(":")[:4]
        wanted[name] = int(seeds or 1)
        names[name] = [r for r in RUNS | ONE_SEED | NAMED
                       if (r.split(" (")[0] in runs.split("+") if runs else r not in NAMED)]
        keeps[name] = [float(k) for k in shares.split(",") if k] or MODELS[name]["keep"]
    with tempfile.TemporaryDirectory() as folder, open(out, "a") as log:
        jobs = [(m, 1.0, "dense", "", 1) for m in wanted]
        jobs += [(m, k, name, options, seed) for seed in range(1, max(wanted.values()) + 1)
                 for m in wanted if seed <= wanted[m] for name, options in RUNS.items()
                 if name in names[m] for k in keeps[m]]
        jobs += [(m, k, name, options, 1) for m in wanted
                 for name, options in (ONE_SEED | NAMED).items() if name in names[m]
                 for k in keeps[m]]
        for model, keep, name, options, seed in jobs:
            if (model, keep, name, seed) in done:
                continue
            record = dict(model=model, keep=keep, run=name, seed=seed)
            calibration, evaluation = texts(data, model, folder)
            one_run(pare, os.path.join(data, MODELS[model]["path"]), calibration, evaluation,
                    os.path.join(folder, "pruned"), record, options)
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
        for name in RUNS | ONE_SEED | NAMED:
            if not any(r["run"] == name for r in own):
                continue
            cells, cpu = [], []
            for k in keeps:
                found = [r for r in own if r["run"] == name and r["keep"] == k]
                good = [r["perplexity"] for r in found if "perplexity" in r]
                cpu += [r["cpu_seconds"] for r in found if "cpu_seconds" in r]
                if not good:
                    cells.append("-" if not found else "cannot")
                    continue
                mean = sum(good) / len(good)
                spread = f" ({statistics.stdev(good):.2f}, {len(good)})" if len(good) > 1 else ""
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
