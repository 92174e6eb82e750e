"""What is refused: the class that scikit-learn users expect, and a sentence that says why."""

import unittest

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.exceptions import NotFittedError

from pare import OMPSelector, PareError, Selector, SequentialAttentionSelector
from support import Case, classes, regression


class Bad(Case):
    def setUp(self):
        super().setUp()
        self.x, self.y = regression(60)

    def fit(self, x=None, y=None, weight=None, **how):
        how.setdefault("n_features_to_select", 2)
        return OMPSelector(**how).fit(self.x if x is None else x, self.y if y is None else y,
                                      weight)

    def test_shapes(self):
        self.refuses(ValueError, "2D array", self.fit, self.x[:, 0])
        self.refuses(ValueError, "dim 3", self.fit, self.x.reshape(60, 6, 2))
        self.refuses(ValueError, "0 sample(s)", self.fit, self.x[:0], self.y[:0])
        self.refuses(ValueError, "0 feature(s)", self.fit, self.x[:, :0])
        self.refuses(ValueError, "1 sample", self.fit, self.x[:1], self.y[:1])
        self.refuses(ValueError, "inconsistent", self.fit, self.x, self.y[:-1])
        self.refuses(ValueError, "1d or 2d", self.fit, self.x, self.y.reshape(60, 1, 1))
        self.refuses(ValueError, "", self.fit, sparse.csr_matrix((0, 12), dtype=np.float32),
                     self.y[:0])

    def test_values(self):
        bad = self.x.copy()
        bad[3, 4] = np.inf
        self.refuses(ValueError, "infinity", self.fit, bad)
        self.refuses(ValueError, "infinity", self.fit, sparse.csr_matrix(bad))
        self.refuses(ValueError, "infinity", self.fit, self.x.astype(float) * 1e300)
        self.refuses(ValueError, "could not convert", self.fit, np.full((60, 2), "red"))
        self.refuses(TypeError, "float() argument", self.fit,
                     np.array([[{}] * 2] * 60, dtype=object))
        self.refuses(ValueError, "Complex", self.fit, self.x + 1j)
        self.refuses((TypeError, ValueError), "", self.fit, [[1, 2], [3]] * 30)
        frame = pd.DataFrame({"a": self.y, "when": pd.Timestamp("2020-01-01")})
        self.refuses(TypeError, "'when'", self.fit, frame)
        frame = pd.DataFrame({"a": self.y, "what": [[1]] * 60})
        self.refuses(TypeError, "'what'", self.fit, frame)
        frame = pd.DataFrame({"a": np.where(self.y > 0, np.inf, 1), "t": "x"})
        self.refuses(ValueError, "'a'", self.fit, frame)
        nothing = np.full((60, 2), np.nan, np.float32)
        self.refuses(ValueError, "no column is left", self.fit, nothing)

    def test_target(self):
        self.refuses(ValueError, "requires y", OMPSelector(2).fit, self.x, None)
        y = self.y.copy()
        y[3] = np.nan
        self.refuses(ValueError, "y contains NaN", self.fit, self.x, y)
        y[3] = np.inf
        self.refuses(ValueError, "infinity", self.fit, self.x, y)
        self.refuses(ValueError, "y contains NaN", self.fit, self.x, ["a", None] * 30)
        self.refuses(ValueError, "mixes", self.fit, self.x, np.array(["a", 1] * 30, object))
        self.refuses(ValueError, "1 class", self.fit, self.x, ["a"] * 60)
        self.refuses(ValueError, "", self.fit, self.x, np.zeros(60))
        self.refuses(ValueError, "Complex", self.fit, self.x, self.y + 1j)
        self.refuses(TypeError, "sparse y", self.fit, self.x, sparse.csr_matrix(self.y).T)
        self.refuses(ValueError, "Unknown label", self.fit, self.x,
                     pd.date_range("2020-01-01", periods=60))
        self.refuses(ValueError, "option task", self.fit, task="ranking")
        self.refuses(ValueError, "", self.fit, task="binary")

    def test_count(self):
        for k in (13, 0, -1, "many", 10**30):
            error = self.refuses(ValueError, "option k", self.fit, n_features_to_select=k)
            self.assertIsInstance(error, PareError)
        self.refuses(ValueError, "share", self.fit, n_features_to_select=1.5)
        self.refuses(ValueError, "share", self.fit, n_features_to_select=np.nan)
        self.refuses(TypeError, "NoneType", self.fit, n_features_to_select=None)
        self.refuses(TypeError, "bool", self.fit, n_features_to_select=True)
        self.refuses(TypeError, "list", self.fit, n_features_to_select=[2])

    def test_columns(self):
        self.refuses(ValueError, "in group", self.fit, groups=[[0, 1], [1, 2]])
        self.refuses(ValueError, "no column 12", self.fit, groups=[[0, 12]])
        self.refuses(ValueError, "'name'", self.fit, groups={"g": ["name"]})
        self.refuses(ValueError, "empty", self.fit, groups={"g": []})
        self.refuses(ValueError, "3 labels", self.fit, groups=[0, 1, 1])
        self.refuses(ValueError, "no column 99", self.fit, forced=[99])
        self.refuses(ValueError, "both name", self.fit, forced=[1], excluded=[1])
        self.refuses(ValueError, "names 3 candidates", self.fit, forced=[1, 2, 3])
        self.refuses(ValueError, "mask of 2", self.fit, excluded=[True, False])
        self.refuses(ValueError, "", self.fit, excluded=list(range(12)))
        self.refuses(ValueError, "no column", self.fit, categorical=["x"])
        self.refuses(ValueError, "sparse", self.fit, sparse.csr_matrix(self.x), categorical=[0])
        self.assertEqual(self.fit(groups=[[5, 2], [11, 0]]).selected_[0], 5)  # order is free

    def test_weights(self):
        self.refuses(ValueError, "-1", self.fit, weight=np.where(self.y > 0, 1, -1))
        self.refuses(ValueError, "all are 0", self.fit, weight=np.zeros(60))
        self.refuses(ValueError, "NaN", self.fit, weight=np.full(60, np.nan))
        self.refuses(ValueError, "59", self.fit, weight=np.ones(59))
        self.refuses(ValueError, "1D", self.fit, weight=np.ones((60, 2)))

    def test_settings(self):
        self.refuses(ValueError, "n_jobs", self.fit, n_jobs=0)
        self.refuses(ValueError, "n_jobs", self.fit, n_jobs=1.5)
        self.refuses(ValueError, "threads", self.fit, n_jobs=100000)
        self.refuses(ValueError, "seed", self.fit, random_state=-1)
        self.refuses(ValueError, "", self.fit, random_state="yes")
        self.refuses(TypeError, "depth", SequentialAttentionSelector, depth=3)
        network = SequentialAttentionSelector(2)
        for name, value in (("epochs", -1), ("hidden", "a"), ("activation", "tanh"),
                            ("dropout", np.nan), ("learning_rate", 1e9), ("replace", "maybe")):
            network.set_params(**{name: value})
            self.refuses(ValueError, name.replace("_", "-"), network.fit, self.x, self.y)
            network = SequentialAttentionSelector(2)
        network.set_params(hidden={})
        self.refuses(TypeError, "hidden", network.fit, self.x, self.y)
        self.refuses(ValueError, "option method", Selector(2, method="best").fit, self.x, self.y)
        self.refuses(ValueError, "replace", Selector(2, method="random", replace=True).fit, self.x,
                     self.y)

    def test_unfitted(self):
        for call in ("transform", "inverse_transform", "report"):
            self.refuses(NotFittedError, "not fitted", getattr(OMPSelector(), call), self.x)
        for call in ("get_support", "get_feature_names_out", "plot_path"):
            self.refuses(NotFittedError, "not fitted", getattr(OMPSelector(), call))

    def test_other_columns_at_transform(self):
        fitted = self.fit()
        self.refuses(ValueError, "11 features", fitted.transform, self.x[:, :11])
        frame = pd.DataFrame(self.x, columns=list("abcdefghijkl"))
        fitted = OMPSelector(2).fit(frame, self.y)
        self.refuses(ValueError, "feature names", fitted.transform,
                     frame.rename(columns={"a": "z"}))
        mixed = frame.assign(a="red")
        fitted = OMPSelector(2).fit(mixed, self.y)
        self.refuses(ValueError, "missing", fitted.transform, mixed.drop(columns="b"))

    def test_still_usable_afterwards(self):
        x, y = classes(60)
        selector = OMPSelector(2).fit(x, y)
        before = selector.selected_
        self.refuses(ValueError, "", selector.set_params(n_features_to_select=99).fit, x, y)
        np.testing.assert_array_equal(selector.selected_, before)


if __name__ == "__main__":
    unittest.main()
