"""What goes in: arrays, data frames, sparse matrices, groups, weights, targets."""

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pare
from pare import OMPSelector, Selector, SequentialAttentionSelector, _data
from support import Case, classes, regression


class Interchange:
    """A frame of another library, known by the interchange protocol only."""

    def __init__(self, frame):
        self._frame = frame

    def __dataframe__(self, **how):
        return self._frame.__dataframe__(**how)


class Arrays(Case):
    def test_finds_what_matters(self):
        x, y = regression()
        for selector in (OMPSelector(3), SequentialAttentionSelector(3, epochs=60)):
            selector.fit(x, y)
            self.assertEqual(set(selector.selected_), {2, 5, 7})
            self.assertEqual(selector.selected_[0], 2)
            self.assertEqual(selector.transform(x).shape, (200, 3))
            self.assertEqual(selector.n_features_, 3)
            self.assertTrue(np.isfinite(selector.scores_).all())
            back = selector.inverse_transform(selector.transform(x))
            np.testing.assert_array_equal(back[:, 5], x[:, 5])
            np.testing.assert_array_equal(selector.get_support(True), [2, 5, 7])
            self.assertIsInstance(selector, SelectorMixin)

    def test_layout_does_not_matter(self):
        x, y = regression()
        want = OMPSelector(5).fit(x, y)
        frozen = x.copy()
        frozen.flags.writeable = False
        wide = np.zeros((400, 24), np.float32)
        wide[::2, ::2] = x
        for one in (np.asfortranarray(x), frozen, wide[::2, ::2], x.astype(">f4"),
                    x.astype(np.float64), x.astype(object), x.tolist(), x[::-1][::-1]):
            got = OMPSelector(5).fit(one, y)
            np.testing.assert_array_equal(got.selected_, want.selected_)
            np.testing.assert_array_equal(got.scores_, want.scores_)
        for one in (y.astype(">f8"), y.tolist(), y.astype(object), y[::-1].copy()[::-1]):
            np.testing.assert_array_equal(OMPSelector(5).fit(x, one).scores_, want.scores_)

    def test_borrows(self):
        x, y = regression()
        checked, *_ = OMPSelector(3)._check(x, y, None)
        self.assertTrue(np.shares_memory(checked, x))
        before = x.copy()
        Selector(3, method="group-lasso").fit(x, y)
        np.testing.assert_array_equal(before, x)

    def test_threads_agree(self):
        x, y = classes(count=2)
        one = SequentialAttentionSelector(3, epochs=5, n_jobs=1).fit(x, y)
        two = SequentialAttentionSelector(3, epochs=5, n_jobs=2).fit(x, y)
        np.testing.assert_array_equal(one.scores_, two.scores_)

    def test_seed(self):
        x, y = regression()
        pick = [tuple(Selector(4, method="random", random_state=s).fit(x, y).selected_)
                for s in (1, None, 2, np.random.RandomState(3))]
        self.assertEqual(pick[0], pick[1])
        self.assertEqual(len(set(pick)), 3)

    def test_share_and_auto(self):
        x, y = regression()
        self.assertEqual(OMPSelector(0.5).fit(x, y).n_features_, 6)
        auto = OMPSelector().fit(x, y)
        self.assertGreaterEqual(auto.n_features_, 3)
        self.assertEqual(auto.path_.shape[1], 3)
        self.assertGreater(len(auto.path_), 0)

    def test_targets(self):
        x, y = classes()
        want = OMPSelector(2).fit(x, y)
        self.assertEqual(set(want.selected_), {1, 4})
        text = np.array(["low", "mid", "top"])[y]
        for one in (text, text.astype(object), pd.Series(text, dtype="category"), pd.Series(text)):
            np.testing.assert_array_equal(OMPSelector(2).fit(x, one).selected_, want.selected_)
        two = OMPSelector(2).fit(x, y == 1)
        self.assertEqual(two.selection_.record["task"], "binary")
        both = np.column_stack([3 * x[:, 0], x[:, 6]])
        several = OMPSelector(2).fit(x, both)
        self.assertEqual(set(several.selected_), {0, 6})
        self.assertEqual(several.selection_.record["data"]["outputs"], 2)

    def test_weights(self):
        x, y = regression()
        other = x.copy()
        other[:, [2, 3]] = x[:, [3, 2]]
        both, twice = np.vstack([x, other]), np.concatenate([y, y])
        weight = np.repeat([1.0, 0.0], 200)
        a = OMPSelector(3, validation=0).fit(both, twice, sample_weight=weight)
        b = OMPSelector(3, validation=0).fit(x, y)
        np.testing.assert_allclose(a.scores_, b.scores_, rtol=1e-12)  # sums over other row numbers
        c = OMPSelector(3).fit(both, twice, sample_weight=1 - 0.999 * (1 - weight))
        self.assertIn(2, c.selected_)

    def test_missing(self):
        x, y = regression(400, missing=True)
        self.assertEqual(OMPSelector(3).fit(x, y).selected_[0], 2)


class Frames(Case):
    def frame(self, n=300):
        random = np.random.default_rng(1)
        shade = random.choice(["dark", "light", "mid"], n)
        table = pd.DataFrame({
            "size, in m": random.standard_normal(n), "shade": pd.Categorical(shade),
            "text": random.choice(["a", "b"], n), "flag": random.random(n) < 0.5,
            "count": pd.array(random.integers(0, 5, n), dtype="Int64"),
            "noise": random.standard_normal(n).astype(np.float32)})
        table.loc[3, "text"] = None
        table.loc[4, "count"] = pd.NA
        table.loc[5, "shade"] = np.nan
        y = 2.0 * table["size, in m"] + 3 * (shade == "mid") + 0.05 * random.standard_normal(n)
        return table, y

    def test_names_and_categories(self):
        table, y = self.frame()
        selector = OMPSelector(2).fit(table, y)
        self.assertEqual(set(selector.get_feature_names_out()), {"size, in m", "shade"})
        self.assertEqual(set(selector.choices_), {"size, in m", "shade"})
        self.assertEqual(list(selector.feature_names_in_), list(table.columns))
        out = selector.set_output(transform="pandas").transform(table)
        self.assertEqual(list(out.columns), ["size, in m", "shade"])
        self.assertEqual(str(out["shade"].dtype), "category")

    def test_number_codes_as_categories(self):
        table, y = self.frame()
        coded = table[["size, in m", "noise"]].assign(
            shade=table["shade"].cat.codes.replace({0: 7, 1: 2, 2: 5, -1: np.nan}))
        selector = OMPSelector(2, categorical=["shade"]).fit(coded, y)
        self.assertEqual(set(selector.choices_), {"size, in m", "shade"})
        np.testing.assert_allclose(sorted(selector.scores_),
                                   sorted(OMPSelector(2).fit(table, y).scores_), rtol=1e-6)

    def test_interchange(self):
        table, y = self.frame()
        plain = table[["size, in m", "noise", "flag"]]
        selector = OMPSelector(1).fit(Interchange(plain), y)
        self.assertEqual(list(selector.get_feature_names_out()), ["size, in m"])
        np.testing.assert_array_equal(selector.transform(Interchange(plain))[:, 0],
                                      plain["size, in m"])
        table = table[["size, in m", "shade", "flag", "noise"]]  # pandas hands over no others
        want = OMPSelector(3).fit(table, y)
        got = OMPSelector(3).fit(Interchange(table), y)
        np.testing.assert_array_equal(got.selected_, want.selected_)
        np.testing.assert_array_equal(got.scores_, want.scores_)
        self.assertEqual(list(got.transform(Interchange(table)).columns),
                         list(want.transform(table).columns))

    def test_same_names_twice(self):
        x, y = regression()
        table = pd.DataFrame(x, columns=["a"] * 6 + ["b"] * 6)
        np.testing.assert_array_equal(OMPSelector(3).fit(table, y).selected_,
                                      OMPSelector(3).fit(x, y).selected_)

    def test_codes(self):
        column = pd.Series(["b", None, "a", "b"])
        np.testing.assert_array_equal(_data._codes(column), [0, np.nan, 1, 0])


class Sparse(Case):
    def test_same_as_dense(self):
        random = np.random.default_rng(2)
        x = random.standard_normal((300, 20)).astype(np.float32)
        x[random.random(x.shape) < 0.8] = 0
        y = 2 * x[:, 3] - x[:, 9] + 0.05 * random.standard_normal(300)
        want = OMPSelector(2).fit(x, y)
        for make in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix):
            got = OMPSelector(2).fit(make(x), y)
            np.testing.assert_array_equal(got.selected_, want.selected_)
            np.testing.assert_allclose(got.scores_, want.scores_, rtol=1e-4)
            self.assertTrue(sparse.issparse(got.transform(make(x))))
        network = SequentialAttentionSelector(2, epochs=40).fit(sparse.csr_matrix(x), y)
        self.assertEqual(set(network.selected_), {3, 9})

    def test_odd_matrices(self):
        x, y = regression(60, 8)
        entries = sparse.coo_matrix(x)
        unsorted = sparse.csr_matrix(x)
        unsorted.indices = unsorted.indices.reshape(60, 8)[:, ::-1].ravel().copy()
        unsorted.data = unsorted.data.reshape(60, 8)[:, ::-1].ravel().copy()
        unsorted.has_sorted_indices = False
        unsorted.has_canonical_format = False
        doubled = sparse.csr_matrix((np.tile(entries.data / 2, 2), (
            np.tile(entries.row, 2), np.tile(entries.col, 2))), shape=x.shape)
        for one in (unsorted, doubled):
            np.testing.assert_array_equal(OMPSelector(2).fit(one, y).selected_,
                                          OMPSelector(2).fit(x, y).selected_)
        OMPSelector(1).fit(sparse.csr_matrix(x), y, sample_weight=np.arange(60))

    def test_missing_classes_weights_groups(self):
        x, y = classes(300)
        x[np.abs(x) < 0.5] = 0
        x[5, 6] = np.nan
        weight = np.linspace(0.5, 2, 300)
        groups = {"pair": [1, 4], "other": [0, 7, 9]}
        for method in ("sequential-attention", "omp", "group-lasso"):
            for one in (x, sparse.csr_matrix(x)):
                got = Selector(1, method=method, groups=groups, epochs=30).fit(one, y, weight)
                self.assertEqual(got.choices_, ["pair"], method)
                self.assertEqual(sorted(got.selected_), [1, 4])


class Candidates(Case):
    def test_groups(self):
        x, y = regression()
        named = {"first: the best": [2, 3], "#second": [5, 11, 0]}
        labels = ["a", "b", "a", "a", "b", "c", "c", "d", "d", "d", "d", "d"]
        for groups in (named, list(named.values())):
            got = OMPSelector(2, groups=groups).fit(x, y)
            self.assertEqual(list(got.selected_), [2, 3, 5, 11, 0])
            self.assertEqual(got.scores_[0], got.scores_[1])
            self.assertEqual(got.n_features_, 5)
        self.assertEqual(OMPSelector(2, groups=named).fit(x, y).choices_,
                         ["first: the best", "#second"])
        got = OMPSelector(2, groups=labels).fit(x, y)
        self.assertEqual(got.choices_, ["a", "c"])

    def test_forced_and_excluded(self):
        x, y = regression()
        got = OMPSelector(3, forced=[9], excluded=[2]).fit(x, y)
        self.assertIn(9, got.selected_)
        self.assertNotIn(2, got.selected_)
        mask = np.zeros(12, bool)
        mask[9] = True
        np.testing.assert_array_equal(got.selected_,
                                      OMPSelector(3, forced=mask, excluded=2).fit(x, y).selected_)
        table = pd.DataFrame(x, columns=list("abcdefghijkl"))
        np.testing.assert_array_equal(
            got.selected_, OMPSelector(3, forced=["j"], excluded="c").fit(table, y).selected_)
        group = OMPSelector(2, groups={"g": ["a", "b"]}, forced="g").fit(table, y)
        self.assertIn("g", group.choices_)


class Together(Case):
    def test_pipeline_and_search(self):
        x, y = classes(count=2)
        table = pd.DataFrame(x, columns=[f"c{j}" for j in range(10)])
        pipe = make_pipeline(ColumnTransformer([("scale", StandardScaler(), list(table.columns))]),
                             OMPSelector(), LogisticRegression())
        search = GridSearchCV(pipe, {"ompselector__n_features_to_select": [1, 2]}, cv=3, n_jobs=2)
        search.fit(table, y)
        self.assertEqual(search.best_params_["ompselector__n_features_to_select"], 2)
        names = search.best_estimator_[:-1].get_feature_names_out()
        self.assertEqual(set(names), {"scale__c1", "scale__c4"})
        pipe.fit(table, y, ompselector__sample_weight=np.ones(len(y)))

    def test_clone_keeps_options(self):
        selector = SequentialAttentionSelector(4, hidden=(8, 4), learning_rate=0.01,
                                               groups=[[0, 1]])
        again = clone(selector)
        self.assertEqual(again.get_params(), selector.get_params())
        self.assertIn("hidden", repr(selector))
        x, y = regression(80)
        again.set_params(epochs=2).fit(x, y)
        self.assertEqual(again.selection_.record["options"]["hidden"], "8,4")
        self.assertEqual(again.selection_.record["options"]["learning-rate"], 0.01)


if __name__ == "__main__":
    import unittest
    unittest.main()
