#!/usr/bin/env python3
"""Ten random embedding plans, predicted against measured latency of scoring.

    experiments/serving_plans.py PARE [SEED [BATCH [ROUNDS]]]

Writes plans of random field counts, vocabularies, dimensions and models, runs `pare serve-cost
--host --json` on each, and prints a Markdown table. With several rounds the error is the median
over them, each round calibrating anew.
"""
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile

MODELS = ["fm", "deepfm", "fm", "dnn", "fm", "deepfm", "lr", "dcnv2", "fm", "deepfm"]


def plan(rng, model):
    dimension = 0 if model == "lr" else rng.choice([4, 8, 12, 16, 32])
    chunk = [4] * (dimension // 4)
    largest = rng.choice([1e4, 1e5, 1e6])  # rows of the largest tables
    fields = []
    for f in range(rng.randint(5, 45)):
        rows = int(math.exp(rng.uniform(math.log(4), math.log(largest))))
        kept = rng.random() < 0.85
        fields.append({"name": f"f{f}", "kind": "category", "rows": rows, "kept": kept,
                       "chunks": [kept and rng.random() < 0.7 for _ in chunk]})
    fields[0]["kept"] = True
    return {"pare_embed": 1, "model": model, "chunk": chunk, "fields": fields}


def main():
    pare = sys.argv[1]
    seed, batch, rounds = (int(sys.argv[i]) if len(sys.argv) > i else d
                           for i, d in ((2, 1), (3, 1), (4, 1)))
    rng = random.Random(seed)
    print("| model | fields | dimension | tables | p50 predicted, us | p50 measured, us | error "
          "| p99 predicted, us | p99 measured, us |")
    print("|---|---|---|---|---|---|---|---|---|")
    errors = []
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "plan.json")
            with open(path, "w") as file:
                json.dump(plan(rng, model), file)
            command = [pare, "serve-cost", path, "--host", "--json",
                       "--batch", str(batch)]
            runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                    for _ in range(rounds)]

        def median(side, quantile):
            return statistics.median(r[side][quantile] for r in runs)

        error = statistics.median(r["predicted_us"]["p50"] / r["measured_us"]["p50"] - 1
                                  for r in runs)
        errors.append(error)
        one = runs[0]
        print(f"| {model} | {one['fields']} | {one['dimension']} | {one['bytes'] / 2**20:.1f} MiB "
              f"| {median('predicted_us', 'p50'):.3f} | {median('measured_us', 'p50'):.3f} "
              f"| {100 * error:+.0f} % | {median('predicted_us', 'p99'):.2f} "
              f"| {median('measured_us', 'p99'):.2f} |", flush=True)
    print(f"\nwithin 20 %: {sum(abs(e) <= 0.2 for e in errors)} of {len(errors)}; largest "
          f"{100 * max(abs(e) for e in errors):.0f} %")


if __name__ == "__main__":
    main()
