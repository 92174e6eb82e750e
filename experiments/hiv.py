#!/usr/bin/env python3
"""Knockoffs on HIV-1 protease mutations (Rhee et al. 2006): per drug, `pare select --fdr 0.2` on the
logarithm of the fold change, discoveries compared with the positions known from treated patients
(Rhee et al. 2005). Prepared as in Barber and Candes 2015, section 4: rows without a measurement are
left out, then mutations seen in fewer than three of the rows, then columns that equal another.

    experiments/hiv.py PARE FOLDER [OPTION...]     FOLDER holds hiv_PI.csv.gz and hiv_PI_truth.csv
    experiments/hiv.py PARE FOLDER simulate N      N made traits per drug in place of the measured one
    experiments/hiv.py PARE FOLDER entry           knockoffs of that paper, by scikit-learn, in place of pare

A made trait keeps the rows and columns of its drug: only mutations at positions of the list have effects (ridge
regression on them), and normal noise of the size of what that leaves. What is found elsewhere is then false for
certain, so that the share is that of the copies and the filter, not of the list. `entry`: equicorrelated fixed-X
copies, the point at which a column enters the lasso path (signed maximum), knockoff+ at 0.2.
"""
import csv
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np

DRUGS = ["APV", "ATV", "IDV", "LPV", "NFV", "RTV", "SQV"]


def prepare(rows, drug, path):
    """Writes the table of one drug; returns rows, columns, and names merged into another."""
    kept = [r for r in rows if r[drug] not in ("", "NA")]
    names = [n for n in kept[0] if n not in DRUGS]
    columns, same = {}, {}
    for name in names:
        values = tuple(int(float(r[name] or 0)) for r in kept)
        if not 3 <= sum(values) <= len(kept) - 3:
            continue
        if values in columns:
            same.setdefault(columns[values], []).append(name)
        else:
            columns[values] = name
    chosen = list(columns.values())
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(chosen + ["y"])
        for r in kept:
            out.writerow([int(float(r[n] or 0)) for n in chosen] + [math.log(float(r[drug]))])
    return len(kept), len(chosen), same


def select(pare, table, options):
    """Names that pare chooses."""
    out = table + ".json"
    subprocess.run([pare, "select", table, "--target", "y", "--task", "regression", "--fdr", "0.2", "--validation",
                    "0", "--no-compare", "--quiet", "--out", out] + options, check=True)
    with open(out) as file:
        names = [item["name"] for item in json.load(file)["items"]]
    os.remove(out)
    return names


def copies(x, rng):
    """Unit columns about their means and their equicorrelated fixed-X copies."""
    n, p = x.shape
    x = x - x.mean(0)
    x = x / np.linalg.norm(x, axis=0)
    _, root, right = np.linalg.svd(x, full_matrices=False)
    inverse = (right.T / root**2) @ right
    s = min(1, 2 * root.min() ** 2)
    free = np.linalg.qr(np.hstack([np.ones((n, 1)), x, rng.normal(size=(n, p))]))[0][:, p + 1:]
    value, vector = np.linalg.eigh(2 * s * np.eye(p) - s * s * inverse)
    return x, x - s * x @ inverse + free @ ((vector * np.sqrt(np.maximum(value, 0))) @ vector.T)


def entry(table, rng):
    """Names that knockoff+ chooses by the order in which columns enter the lasso path."""
    from sklearn.linear_model import lars_path

    names, x, y = read(table)
    p = len(names)
    level, _, path = lars_path(np.hstack(copies(x, rng)), y - y.mean(), method="lasso", max_iter=2 * p)
    first = np.array([level[max(np.flatnonzero(c)[0] - 1, 0)] if c.any() else 0 for c in path])
    w = np.maximum(first[:p], first[p:]) * np.sign(first[:p] - first[p:])
    for t in np.sort(np.abs(w[w != 0])):
        if 1 + (w <= -t).sum() <= 0.2 * max(1, (w >= t).sum()):
            return [names[j] for j in np.flatnonzero(w >= t)]
    return []


def read(table):
    with open(table) as file:
        rows = list(csv.reader(file))
    numbers = np.array(rows[1:], dtype=float)
    return rows[0][:-1], numbers[:, :-1], numbers[:, -1]


def position(name):
    return int(name[1:].split(".")[0])


def simulate(pare, table, truth, times, rng):
    """Mean shares outside the list of mutations and of positions, each method, over made traits."""
    names, x, y = read(table)
    listed = [j for j, name in enumerate(names) if position(name) in truth]
    z = x[:, listed] - x[:, listed].mean(0)
    effect = np.linalg.solve(z.T @ z + 2 * np.eye(len(listed)), z.T @ (y - y.mean()))
    left = y - y.mean() - z @ effect
    size = np.sqrt((left @ left) / (len(y) - len(listed) - 1))
    methods = {"Gaussian, lasso": lambda t: select(pare, t, []),
               "fixed-X, lasso": lambda t: select(pare, t, ["--knockoffs", "fixed"]),
               "Gaussian, matching pursuit": lambda t: select(pare, t, ["--importance", "omp"]),
               "fixed-X, lasso entry": lambda t: entry(t, rng)}
    shares = {method: np.zeros(4) for method in methods}
    for _ in range(times):
        made = z @ effect + rng.normal(size=len(y)) * size
        with open(table + ".made.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(names + ["y"])
            out.writerows([int(v) for v in row] + [f"{value:.6f}"] for row, value in zip(x, made))
        for method, choose in methods.items():
            found = [position(name) for name in choose(table + ".made.csv")]
            for at, list_ in ((0, found), (2, sorted(set(found)))):
                shares[method][at] += len(list_) / times
                shares[method][at + 1] += sum(p not in truth for p in list_) / max(len(list_), 1) / times
    return shares


def main():
    pare, folder, options = sys.argv[1], sys.argv[2], sys.argv[3:]
    with gzip.open(os.path.join(folder, "hiv_PI.csv.gz"), "rt") as file:
        rows = list(csv.DictReader(file))
    with open(os.path.join(folder, "hiv_PI_truth.csv")) as file:
        truth = {int(r["position"]) for r in csv.DictReader(file) if r["tsm_position"] == "1"}
    rng = np.random.default_rng(3)
    print(f"{len(truth)} of the positions are in the list")
    if options[:1] == ["simulate"]:
        print("| drug | method | mutations | false | positions | false |\n|---|---|---|---|---|---|")
    else:
        print("| drug | rows | mutations | discoveries | positions | in the list | elsewhere | share |")
        print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        for drug in DRUGS:
            table = os.path.join(work, "t.csv")
            n, d, _ = prepare(rows, drug, table)
            if options[:1] == ["simulate"]:
                for method, row in simulate(pare, table, truth, int(options[1]), rng).items():
                    print(f"| {drug} | {method} | {row[0]:.1f} | {row[1]:.3f} | {row[2]:.1f} | {row[3]:.3f} |",
                          flush=True)
                continue
            names = entry(table, rng) if options == ["entry"] else select(pare, table, options)
            found = sorted({position(name) for name in names})
            right = [p for p in found if p in truth]
            wrong = [p for p in found if p not in truth]
            share = f"{len(wrong) / len(found):.2f}" if found else "-"
            print(f"| {drug} | {n} | {d} | {len(names)} | {len(found)} | {len(right)} | "
                  f"{len(wrong)} {wrong if wrong else ''} | {share} |", flush=True)


if __name__ == "__main__":
    main()
