#!/usr/bin/python3
"""What a budget buys, by method, beside the order of the same method without costs.

    bench/costs.py [FOLDER]

FOLDER holds spambase of PMLB (pmlb_spambase.tsv.gz). Costs are log-uniform from 1 to 20, two draws;
budgets 5 and 15 % of all columns; score: four-fold cross-validated linear model on the chosen.
"""

import os
import sys
from pathlib import Path

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_digits  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

import pare  # noqa: E402

METHODS = ("sequential-attention", "omp", "magnitude", "mutual-information", "random")


def tables(folder):
    yield "breast cancer", *load_breast_cancer(return_X_y=True), True
    yield "digits", *load_digits(return_X_y=True), True
    path = Path(folder or ".") / "pmlb_spambase.tsv.gz"
    if path.exists():
        frame = pd.read_csv(path, sep="\t")
        y = frame.pop("target").to_numpy()
        yield "spambase", frame.to_numpy(), y, True
    random = np.random.default_rng(0)
    x, weight = random.standard_normal((1500, 60)), np.zeros(60)
    weight[:20] = random.uniform(0.2, 2, 20)
    yield "20 of 60 linear effects", x, x @ weight + random.standard_normal(1500), False


def by_order(x, y, costs, budget, method):
    """The choice without costs, in its order, as far as the budget reaches."""
    k = x.shape[1] if method == "omp" else min(x.shape[1], 40)
    chosen, spent = [], 0
    for j in pare.Selector(k, method=method, n_jobs=1).fit(x, y).selected_:
        if spent + costs[j] <= budget:
            chosen.append(j)
            spent += costs[j]
    return chosen


def main():
    for name, x, y, classes in tables(sys.argv[1] if len(sys.argv) > 1 else None):
        x = StandardScaler().fit_transform(x).astype(np.float32)
        x = x[:, x.std(axis=0) > 0]
        judge = make_pipeline(LogisticRegression(max_iter=500) if classes else Ridge())
        scores = {}
        for seed in range(2):
            random = np.random.default_rng(seed)
            costs = np.round(np.exp(random.uniform(0, np.log(20), x.shape[1])), 1)
            for budget in (0.05 * costs.sum(), 0.15 * costs.sum()):
                def note(what, chosen):
                    score = cross_val_score(judge, x[:, chosen], y, cv=4).mean()
                    scores.setdefault(what, []).append(score)

                for method in METHODS:
                    selector = pare.Selector(None, method=method, costs=costs, budget=budget,
                                             n_jobs=1).fit(x, y)
                    assert selector.cost_ <= budget * (1 + 1e-9)
                    note(method, selector.selected_)
                for method in METHODS[:2]:
                    note(method + " by order", by_order(x, y, costs, budget, method))
        print(name, {what: round(float(np.mean(s)), 3) for what, s in scores.items()}, flush=True)


if __name__ == "__main__":
    main()
