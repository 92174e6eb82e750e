"""Planted truth for `pare embed`: synthetic rows whose informative fields, crosses and useful vector
lengths are known, chosen from under eight budgets by every method. docs/results/embed.md says what
came out. Every choice is trained with a step size and passes of its own.

    python3 experiments/embed_planted.py --pare build/bin/pare [--seeds 5] [--rows 50000]

Fields: twelve informative ones (ids' effects of their own; six of them also meet in inner products of
hidden vectors: 8 floats are useful for these, none for the others), four dear copies (an
informative id and one of twelve that mean nothing, together), eight of noise, and three pairs of
silent ones that matter only together. Planted crosses: the three silent pairs and three of
informative fields. Budgets: the bytes of the planted plan (informative fields at their useful
lengths, planted crosses) times 1/16 to 8, and a feature store's time for the groups in which
the fields lie, in the same proportion of what all take.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile

import numpy as np

METHODS = ["sequential-attention", "frequency", "mutual-information", "permutation", "shark", "sseds",
           "magnitude", "group-lasso", "uniform", "random"]
SHARES = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]
SIZES = [12, 20, 40, 80, 150, 300, 500, 800, 30, 60, 200, 1000]
NOISE = [15, 50, 200, 500, 1000, 2000, 4000, 8000]
SILENT = [24, 30, 20]
HIDDEN, CROSS_ROWS = 6, 4096


class World:
    def __init__(self, seed, count):
        rng = np.random.default_rng(seed)
        sizes = list(rng.permutation(SIZES))
        n = len(sizes)

        def ids(size):  # popularity falls about as 1 / rank
            rank = np.minimum((size + 1) ** rng.random(count) - 1, size - 1).astype(int)
            return rng.permutation(size)[rank]

        cells = {f"x{i}": ids(s) for i, s in enumerate(sizes)}
        z = np.full(count, -0.6)
        for i in range(n):
            z += rng.uniform(0.25, 0.6) * rng.standard_normal(sizes[i])[cells[f"x{i}"]]
        vectors = [rng.standard_normal((sizes[i], HIDDEN))[cells[f"x{i}"]] for i in range(6)]
        total = sum(vectors)
        z += 0.12 * ((total ** 2).sum(1) - sum((v ** 2).sum(1) for v in vectors)) / 2
        self.pairs = []
        for a, b in ((6, 7), (8, 9), (10, 11)):
            small = sizes[a] * sizes[b] <= 20000
            a, b = (a, b) if small else (a, int(np.argmin(sizes)))
            if a != b:
                self.pairs.append((f"x{a}", f"x{b}"))
        for k, size in enumerate(SILENT):
            cells[f"s{k}a"], cells[f"s{k}b"] = ids(size), ids(size)
            self.pairs.append((f"s{k}a", f"s{k}b"))
        width = {f: 1 + int(v.max()) for f, v in cells.items()}
        for a, b in self.pairs:
            table = rng.standard_normal((width[a], width[b]))
            if a[0] == "s":  # nothing left of either alone
                table -= (table @ (np.bincount(cells[b]) / count))[:, None]
                table -= np.bincount(cells[a]) / count @ table
            z += 0.6 * table[cells[a], cells[b]]
        for i in rng.choice(n, 4, replace=False):
            cells[f"copy{i}"] = cells[f"x{i}"] * 12 + rng.integers(0, 12, count)
        for i, size in enumerate(NOISE):
            cells[f"noise{i}"] = ids(size)
        names = list(rng.permutation(list(cells)))
        self.cells = {f: cells[f] for f in names}
        self.informative = [f"x{i}" for i in range(n)]
        self.long = {f"x{i}" for i in range(6)}
        self.group = {f: f"g{i % 5}" for i, f in enumerate(names)}
        self.label = (rng.random(count) < 1 / (1 + np.exp(-z))).astype(int)
        self.bayes = area(z, self.label)

    def write(self, rows, schema):
        names = list(self.cells)
        columns = np.column_stack([self.cells[f] for f in names] + [self.label])
        np.savetxt(rows, columns, fmt="%d", delimiter=",", comments="",
                   header=",".join(names + ["clicked"]))
        groups = {f"g{g}": {"fetch_us": 2 + 3 * g} for g in range(5)}
        fields = {f: {"kind": "category", "group": g} for f, g in self.group.items()}
        with open(schema, "w") as file:
            json.dump({"groups": groups, "fields": fields}, file)


def area(score, label):
    order = np.argsort(score, kind="stable")
    rank = np.empty(len(score))
    rank[order] = np.arange(1, len(score) + 1)
    up = label.sum()
    return (rank[label > 0].sum() - up * (up + 1) / 2) / (up * (len(label) - up))


def row_bytes(floats):
    return 4 * (2 ** math.ceil(math.log2(1 + floats)))


def run(pare, rows, schema, *more):
    command = [pare, "embed", rows, "--target", "clicked", "--schema", schema, "--crosses", "16",
               "--cross-rows", str(CROSS_ROWS), "--threads", "1", "--json", *more]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def planted_bytes(world, plan):
    size = {f["name"]: f["rows"] for f in plan["fields"]}
    total = sum(size[f] * row_bytes(8 if f in world.long else 0) for f in world.informative)
    for a, b in world.pairs:
        total += min(size[a] * size[b], CROSS_ROWS) * row_bytes(0)
    return total


def kept_names(plan):
    kept = {f["name"] for f in plan["fields"] if f["kept"]}
    crosses = {frozenset(c["parts"]) for c in plan.get("crosses", [])
               if "*".join(c["parts"]) in kept}
    return kept, crosses


def one_seed(args, seed, methods, folder):
    world = World(seed, args.rows)
    rows, schema = os.path.join(folder, "rows.csv"), os.path.join(folder, "schema.json")
    world.write(rows, schema)
    base = run(args.pare, rows, schema, "--method", "uniform")
    planted, fetch = planted_bytes(world, base), base["cost_of_all"]["fetch_ns"] / 1000
    print(f"seed {seed}: planted plan {planted} bytes, all {base['cost_of_all']['bytes']}, AUC of all "
          f"{base['held_out']['all']['auc']:.4f}, of the truth {world.bayes:.4f}", flush=True)
    out = {}
    for method in methods:
        for share in SHARES:
            part = min(1, 0.3 + 0.7 * (SHARES.index(share) / 4))
            budget = f"bytes={int(planted * share)},fetch_us={fetch * part:.3f}"
            plan = run(args.pare, rows, schema, "--method", method, "--budget", budget)
            assert all(plan["cost"][r] <= b for r, b in plan["budget"].items() if b is not None)
            kept, crosses = kept_names(plan)
            out[method, share] = {
                "auc": plan["held_out"]["plan"]["auc"],
                "loss": plan["held_out"]["plan"]["log_loss"],
                "informative": float(np.mean([f in kept for f in world.informative])),
                "crosses": float(np.mean([frozenset(p) in crosses for p in world.pairs])),
                "noise": sum(f.startswith(("noise", "copy")) for f in kept),
                "cost": (plan["selecting_cpu_seconds"] + plan["screening_cpu_seconds"])
                        / plan["held_out"]["all"]["cpu_seconds"]}
    return out


def table(results, methods, value, form):
    print("\n| method | " + " | ".join(f"{s:g}" for s in SHARES) + " | area |")
    print("|---" * (len(SHARES) + 2) + "|")
    for m in methods:
        means = [statistics.mean(r[m, s][value] for r in results) for s in SHARES]
        middle = statistics.mean((a + b) / 2 for a, b in zip(means, means[1:]))
        print(f"| {m} | " + " | ".join(form % v for v in means) + f" | {form % middle} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pare", default="build/bin/pare")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--rows", type=int, default=50000)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--keep", help="JSON file of the numbers; seeds in it are not run again")
    args = parser.parse_args()
    methods, kept = args.methods.split(","), {}
    if args.keep and os.path.exists(args.keep):
        with open(args.keep) as file:
            kept = json.load(file)
    for seed in range(args.first, args.first + args.seeds):
        if str(seed) not in kept:
            with tempfile.TemporaryDirectory() as folder:
                numbers = one_seed(args, seed, methods, folder)
            kept[str(seed)] = [[m, s, v] for (m, s), v in numbers.items()]
        if args.keep:
            with open(args.keep, "w") as file:
                json.dump(kept, file)
    results = [{(m, s): v for m, s, v in kept[str(seed)]}
               for seed in range(args.first, args.first + args.seeds)]
    for value, form in (("auc", "%.4f"), ("loss", "%.4f"), ("informative", "%.2f"),
                        ("crosses", "%.2f"), ("noise", "%.1f"), ("cost", "%.2f")):
        print(f"\n{value}")
        table(results, methods, value, form)


if __name__ == "__main__":
    main()
