"""pare against the L1 path of liblinear on sparse tables, at equal numbers of columns.

    python3 experiments/sparse_liblinear.py --pare build/bin/pare --data FOLDER > table.md

Needs Debian's liblinear-tools and python3-numpy. Rows are split 70 : 30, by the seeds 1, 2, ..; the
table has means over the splits, and how often pare is not below. Both choose
on the training rows; one judge scores both on the test rows: logistic regression of liblinear
(-s 0, C = 1) on the chosen columns, columns scaled to largest magnitude 1. liblinear's choice at k is
the L1 model (-s 6) with the largest C, found by bisection, that has at most k nonzero weights; its
time is that of the runs of the bisection. CPU seconds of the child processes, reading included.
"""
import argparse, gzip, json, os, resource, subprocess, tempfile
import numpy as np


def cpu():
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


def run(*command):
    before = cpu()
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return out, cpu() - before


def read(name, folder):
    """Rows as lists of (column, value), labels +1 / -1."""
    rows, labels = [], []
    if name == "basehock":
        with gzip.open(f"{folder}/tabular/basehock.csv.gz", "rt") as f:
            next(f)
            for line in f:
                cells = line.rstrip("\n").split(",")
                labels.append(cells[0])
                rows.append([(j, float(c)) for j, c in enumerate(cells[1:]) if c not in ("0", "0.0")])
    elif name == "internetad":
        with gzip.open(f"{folder}/sparse/internetad.svm.gz", "rt") as f:
            for line in f:
                cells = line.split()
                labels.append(cells[0])
                rows.append([(int(c.split(":")[0]) - 1, float(c.split(":")[1])) for c in cells[1:]])
    else:
        with gzip.open(f"{folder}/chemistry/hiv_ecfp4_2048.csr.gz", "rt") as f:
            for line in f:
                cells = line.split()
                labels.append(cells[0])
                rows.append([(int(c), 1.0) for c in cells[1:]])
    kinds = sorted(set(labels))
    assert len(kinds) == 2, kinds
    return rows, np.array([1 if l == kinds[1] else -1 for l in labels])


def write(path, rows, labels, keep=None):
    place = None if keep is None else {j: i for i, j in enumerate(sorted(keep))}
    with open(path, "w") as f:
        for row, label in zip(rows, labels):
            cells = [(j, v) if place is None else (place[j], v) for j, v in row
                     if place is None or j in place]
            f.write(f"{label} " + " ".join(f"{j + 1}:{v:g}" for j, v in sorted(cells)) + "\n")


def judge(folder, train, test, keep):
    """AUC and accuracy on the test rows."""
    write(f"{folder}/a", train[0], train[1], keep)
    write(f"{folder}/b", test[0], test[1], keep)
    run("liblinear-train", "-q", "-s", "0", "-c", "1", "-B", "1", f"{folder}/a", f"{folder}/m")
    run("liblinear-predict", "-b", "1", f"{folder}/b", f"{folder}/m", f"{folder}/p")
    with open(f"{folder}/p") as f:
        order = [int(x) for x in next(f).split()[1:]]
        p = np.array([float(line.split()[1 + order.index(1)]) for line in f])
    y = test[1] == 1
    rank = np.empty(len(p))
    values, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    rank = (ends - (counts - 1) / 2)[inverse]
    auc = (rank[y].sum() - y.sum() * (y.sum() + 1) / 2) / (y.sum() * (~y).sum())
    return auc, np.mean((p > 0.5) == y)


def l1(folder, k):
    """Columns of the L1 model with at most k weights, and the CPU seconds of the search."""
    low, high, best, total = -12.0, 6.0, [], 0.0
    for _ in range(9):
        c = (low + high) / 2
        _, seconds = run("liblinear-train", "-q", "-s", "6", "-B", "1", "-c", str(2.0**c),
                         f"{folder}/train", f"{folder}/l1")
        total += seconds
        with open(f"{folder}/l1") as f:
            weights = f.read().split("w\n")[1].split()
        chosen = [j for j, w in enumerate(weights[:-1]) if float(w) != 0]
        if len(chosen) <= k:
            low, best = c, chosen if len(chosen) >= len(best) else best
        else:
            high = c
        if len(chosen) == k:
            return chosen, total
    return best, total


def choose(folder, program, k, method):
    _, seconds = run(program, "select", f"{folder}/train.svm", "-k", str(k), "--method", method,
                     "--model", "linear", "--validation", "0", "--no-compare", "--quiet", "--out", f"{folder}/s.json")
    with open(f"{folder}/s.json") as f:
        items = json.load(f)["items"]
    return [int(item["name"][1:]) for item in items], seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pare", default="build/bin/pare")
    parser.add_argument("--data", required=True)
    parser.add_argument("--method", default="omp")
    parser.add_argument("--splits", type=int, default=5)
    arguments = parser.parse_args()
    print("| data | k | liblinear L1: AUC | accuracy | CPU s | pare: AUC | accuracy | CPU s | not below |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in ("basehock", "internetad", "hiv_ecfp4_2048"):
        rows, labels = read(name, arguments.data)
        largest = {}
        for row in rows:
            for j, v in row:
                largest[j] = max(largest.get(j, 0), abs(v))
        rows = [[(j, v / largest[j]) for j, v in row if largest[j] > 0] for row in rows]
        found = {}
        for seed in range(1, arguments.splits + 1):
            test = np.random.default_rng(seed).random(len(rows)) < 0.3
            parts = [([r for r, t in zip(rows, test) if t == side], labels[test == side])
                     for side in (False, True)]
            with tempfile.TemporaryDirectory() as folder:
                write(f"{folder}/train", *parts[0])
                os.link(f"{folder}/train", f"{folder}/train.svm")
                for k in (10, 25, 50):
                    theirs, their_seconds = l1(folder, k)
                    ours, our_seconds = choose(folder, arguments.pare, k, arguments.method)
                    found.setdefault(k, []).append(
                        [*judge(folder, *parts, theirs), their_seconds,
                         *judge(folder, *parts, ours), our_seconds])
        for k, cells in found.items():
            mean = np.mean(cells, axis=0)
            kept = sum(c[3] >= c[0] for c in cells)
            print(f"| {name} | {k} | " + " | ".join(f"{v:.{2 if i % 3 == 2 else 4}f}"
                                                      for i, v in enumerate(mean))
                  + f" | {kept} of {len(cells)} |", flush=True)


main()
