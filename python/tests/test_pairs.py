"""What peers do not combine, each pair once: sparse data, weights, groups, missing values, several
classes, costs, under each method that chooses by training, by exact fits and by ranking."""

import itertools
import unittest

import numpy as np
from scipy import sparse

from pare import Selector
from support import Case

FLAGS = ("sparse", "weights", "groups", "missing", "classes", "costs")
METHODS = ("sequential-attention", "omp", "group-lasso", "rfe", "mutual-information")
COSTLESS = ("group-lasso", "rfe")


def table(flags, n=220, d=9, seed=5):
    """Column 1 carries the target, alone or in the group "pair" with column 6."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, d)).astype(np.float32)
    if "sparse" in flags:
        x[random.random((n, d)) < 0.4] = 0
    signal = 3 * x[:, 1] + 0.3 * random.standard_normal(n)
    y = np.digitize(signal, [-1.5, 1.5]) if "classes" in flags else signal
    if "missing" in flags:
        x[::9, 4] = np.nan
    weight = random.uniform(0.5, 2, n) if "weights" in flags else None
    how = {"groups": {"pair": [1, 6]}} if "groups" in flags else {}
    if "costs" in flags:
        how.update(costs={1: 2, 3: 5}, budget=3)
    return sparse.csr_matrix(x) if "sparse" in flags else x, y, weight, how


class Pairs(Case):
    def check(self, method, flags):
        x, y, weight, how = table(flags)
        selector = Selector(1, method=method, epochs=0 if method == "rfe" else 20,
                            random_state=3, **how)
        if "costs" in flags and method in COSTLESS:
            self.refuses(ValueError, "does not look at costs", selector.fit, x, y, weight)
            return
        selector.fit(x, y, weight)
        self.assertEqual(sorted(selector.selected_), [1, 6] if "groups" in flags else [1])
        self.assertEqual(selector.transform(x).shape[1], 2 if "groups" in flags else 1)
        self.assertEqual(sparse.issparse(selector.transform(x)), "sparse" in flags)
        if "costs" in flags:
            self.assertEqual(selector.cost_, 3 if "groups" in flags else 2)

    def test_pairs(self):
        for method in METHODS:
            for flags in itertools.combinations(FLAGS, 2):
                with self.subTest(method=method, flags=flags):
                    self.check(method, flags)

    def test_all_together(self):
        for method in METHODS:
            with self.subTest(method=method):
                self.check(method, FLAGS)

    def test_sparse_is_dense(self):
        for flags in itertools.combinations([f for f in FLAGS if f != "sparse"], 2):
            with self.subTest(flags=flags):
                x, y, weight, how = table(("sparse", *flags))
                dense = x.toarray()
                a = Selector(2, method="omp", **how).fit(x, y, weight)
                b = Selector(2, method="omp", **how).fit(dense, y, weight)
                np.testing.assert_array_equal(a.selected_, b.selected_)
                np.testing.assert_allclose(a.scores_, b.scores_, rtol=1e-4)


if __name__ == "__main__":
    unittest.main()
