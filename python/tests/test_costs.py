"""Costs and budgets, and the same on the command line."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import pandas as pd

import pare
from pare import OMPSelector, Selector, SequentialAttentionSelector
from support import Case, program, regression


class Costs(Case):
    def test_budgets_are_kept(self):
        x, y = regression(300)
        costs = np.round(np.random.default_rng(3).uniform(0.5, 4, 12), 2)
        for method in ("sequential-attention", "omp", "magnitude", "mutual-information", "anova-f",
                       "lly", "random"):
            for k in (None, 2, "auto"):
                got = Selector(k, method=method, costs=costs, budget=6, epochs=10).fit(x, y)
                self.assertLessEqual(costs[got.selected_].sum(), 6 + 1e-9)
                self.assertAlmostEqual(got.cost_, costs[got.selected_].sum())
                self.assertAlmostEqual(got.selection_.cost, got.cost_)
                self.assertLessEqual(got.n_features_, 2 if k == 2 else 12)
        self.assertTrue(np.isnan(OMPSelector(2).fit(x, y).cost_))

    def test_forms_of_costs(self):
        x, y = regression()
        x = np.hstack([x, x[:, 2:3]])  # column 12 is column 2 again
        costs = np.ones(13)
        costs[2] = 3
        names = list("abcdefghijklm")
        want = OMPSelector(None, costs=costs, budget=3).fit(x, y)
        self.assertEqual(set(want.selected_), {12, 5, 7})
        for given, table in (({2: 3}, x), ({-11: 3.0}, x), ({"c": 3}, pd.DataFrame(x, columns=names)),
                             (list(costs), pd.DataFrame(x, columns=names))):
            got = OMPSelector(None, costs=given, budget=3).fit(table, y)
            np.testing.assert_array_equal(got.selected_, want.selected_)

    def test_groups(self):
        x, y = regression()
        groups = {"pair": [2, 3], "three": [5, 0, 1]}
        got = OMPSelector(None, groups=groups, costs={"pair": 0.5, 5: 4}, budget=1).fit(x, y)
        self.assertEqual(got.choices_[0], "pair")
        self.assertNotIn("three", got.choices_)
        self.assertEqual(OMPSelector(None, groups=groups, budget=5, forced=["three"]).fit(
            x, y).choices_, ["three", "pair"])

    def test_forced_and_certificate(self):
        x, y = regression()
        costs = {7: 5, 5: 2}
        got = OMPSelector(None, costs=costs, budget=6, forced=[7], certify=True).fit(x, y)
        self.assertEqual(got.selected_[0], 7)
        self.assertLessEqual(got.cost_, 6)
        self.assertGreater(got.certificate_["fraction"], 0)
        proved = pare.certify(x, y, [2, 5], costs=costs, budget=3.5, seconds=5)
        self.assertGreater(proved.proof["certificate"]["fraction"], 0.5)

    def test_same_as_the_command_line(self):
        x, y = regression(150)
        costs = np.round(np.linspace(0.3, 5, 12), 3)
        table = pd.DataFrame(x, columns=[f"c{j}" for j in range(12)])
        with tempfile.TemporaryDirectory() as folder:
            path, prices = Path(folder) / "t.csv", Path(folder) / "prices.txt"
            table.assign(y=y).to_csv(path, index=False)
            prices.write_text("".join(f"c{j}: {c!r}\n" for j, c in enumerate(costs.tolist())))
            for method in ("omp", "sequential-attention"):
                out = Path(folder) / f"{method}.json"
                program("select", path, "--target", "y", "--costs", prices, "--budget", "7",
                        "--method", method, "--epochs", "20", "--quiet", "--no-compare", "--out",
                        out)
                file = pare.load(out)
                got = Selector(None, method=method, costs=costs, budget=7, epochs=20).fit(table, y)
                self.assertEqual(got.selection_.names, file.names)
                self.assertEqual(got.selection_.scores, file.scores)
                self.assertEqual(got.cost_, file.cost)
                self.assertEqual(pare.select(path, target="y", costs=str(prices), budget=7,
                                             method=method, epochs=20, compare=False).names,
                                 file.names)

    def test_refusals(self):
        x, y = regression(60)

        def fit(**how):
            how.setdefault("budget", 3)
            return OMPSelector(None, **how).fit(x, y)

        self.refuses(ValueError, "not a number above 0", fit, costs={1: -2})
        self.refuses(ValueError, "not a number above 0", fit, costs=np.zeros(12))
        self.refuses(ValueError, "not a number above 0", fit, costs={1: np.nan})
        self.refuses(ValueError, "each of the 12 columns", fit, costs=[1, 2])
        self.refuses(ValueError, "no column 12", fit, costs={12: 2})
        self.refuses(ValueError, "no column 'z'", fit, costs={"z": 2})
        self.refuses(TypeError, "a number was expected", fit, costs={1: "2"})
        self.refuses(ValueError, "buys nothing", fit, budget=0.5)
        self.refuses(ValueError, "not a number above 0", fit, budget=-1)
        self.refuses(ValueError, "not a number", fit, budget="bytes=1")
        self.refuses(ValueError, "no budget", OMPSelector(2, costs={1: 2}).fit, x, y)
        self.refuses(TypeError, "NoneType", OMPSelector(None).fit, x, y)
        self.refuses(ValueError, "does not look at costs",
                     Selector(2, method="rfe", budget=3).fit, x, y)

    def test_dropped_columns(self):
        x, y = regression()
        x[:, 4] = np.nan
        got = OMPSelector(None, costs=np.full(12, 2.0), budget=6).fit(x, y)
        self.assertEqual(set(got.selected_), {2, 5, 7})

    def test_clone_and_pipeline_parameters(self):
        selector = SequentialAttentionSelector(3, costs={0: 2}, budget=4)
        self.assertEqual(selector.get_params()["budget"], 4)
        self.assertEqual(selector.set_params(budget=5).budget, 5)


if __name__ == "__main__":
    unittest.main()
