"""partial_fit: the answer of fit on all rows together."""

import copy
import pickle
import unittest

import numpy as np
import pandas as pd
from scipy import sparse

from pare import OMPSelector, SequentialAttentionSelector
from support import Case, classes, regression


class Partial(Case):
    def same(self, a, b):
        np.testing.assert_array_equal(a.selected_, b.selected_)
        np.testing.assert_array_equal(a.scores_, b.scores_)
        self.assertEqual(a.selection_.record["data"], b.selection_.record["data"])

    def parts(self, n, cuts=(0, 1, 70, 71, 150)):
        return [slice(a, b) for a, b in zip(cuts, (*cuts[1:], n))]

    def test_same_as_fit(self):
        x, y = regression(missing=True)
        weight = np.linspace(0, 2, 200)
        labels = np.array(["low", "high"])[(y > 0).astype(int)]
        tables = (x, x.astype(np.float64), np.asfortranarray(x), sparse.csr_matrix(
            np.where(np.abs(x) < 0.7, 0, x)), pd.DataFrame(x, columns=list("abcdefghijkl")))
        for table in tables:
            for target, w in ((y, None), (y, weight), (labels, None), (y > 0, weight)):
                whole = OMPSelector(3).fit(table, target, w)
                parted = OMPSelector(3)
                for part in self.parts(200):
                    rows = table.iloc[part] if hasattr(table, "iloc") else table[part]
                    last = part.stop == 200
                    one = None if w is None else np.maximum(w[part], 1e-9 if part.start == 0 else 0)
                    parted.partial_fit(rows, target[part], one, final=last)
                    self.assertEqual(hasattr(parted, "support_"), last)
                if w is not None:
                    whole = OMPSelector(3).fit(table, target, np.maximum(w, 1e-9 * (
                        np.arange(200) < 1)))
                self.same(whole, parted)
                self.assertEqual(list(getattr(parted, "feature_names_in_", [])),
                                 list(getattr(table, "columns", [])))

    def test_each_call_chooses(self):
        x, y = classes(count=2)
        selector = SequentialAttentionSelector(2, epochs=10)
        for part in self.parts(240, (0, 100, 200)):
            selector.partial_fit(x[part], y[part])
            self.same(SequentialAttentionSelector(2, epochs=10).fit(x[:part.stop], y[:part.stop]),
                      selector)
        self.assertEqual(selector.transform(x).shape, (240, 2))

    def test_fit_forgets(self):
        x, y = regression()
        selector = OMPSelector(3).partial_fit(x[:50], y[:50])
        self.same(selector.fit(x[50:], y[50:]), OMPSelector(3).fit(x[50:], y[50:]))
        selector.partial_fit(x[:100], y[:100])
        self.same(selector, OMPSelector(3).fit(x[:100], y[:100]))

    def test_goes_on_from_a_pickle(self):
        for make in (np.asarray, sparse.csr_matrix):
            x, y = regression()
            selector = OMPSelector(3).partial_fit(make(x[:80]), y[:80], final=False)
            for again in (pickle.loads(pickle.dumps(selector)), copy.deepcopy(selector)):
                again.partial_fit(make(x[80:]), y[80:])
                self.same(again, OMPSelector(3).fit(make(x), y))

    def test_refusals(self):
        x, y = regression(60)
        selector = OMPSelector(2).partial_fit(x, y)
        self.refuses(ValueError, "11 features", selector.partial_fit, x[:, :11], y)
        self.refuses(ValueError, "dense and sparse", selector.partial_fit, sparse.csr_matrix(x), y)
        self.refuses(ValueError, "inconsistent", selector.partial_fit, x, y[:5])
        frame = pd.DataFrame({"a": y, "t": np.where(y > 0, "p", "n")})
        self.refuses(ValueError, "levels are known only when", OMPSelector(1).partial_fit, frame, y)
        self.refuses(ValueError, "at least 2 rows", OMPSelector(1).partial_fit, x[:1], y[:1])
        self.same(selector, OMPSelector(2).fit(x, y))  # refused rows were not added


if __name__ == "__main__":
    unittest.main()
