"""Functions and tables in files."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import pandas as pd

import pare
from support import ROOT, Case, classes, program, regression

MICE = ROOT / "examples" / "data" / "mice_protein.csv.gz"


class Functions(Case):
    def test_certify(self):
        x, y = regression()
        good = pare.certify(x, y, [7, 2, 5])
        self.assertGreater(good.proof["certificate"]["fraction"], 0.999)
        self.assertEqual(sorted(good.selected), [2, 5, 7])
        bad = pare.certify(x, y, [0, 1, 3])
        self.assertLess(bad.proof["certificate"]["fraction"], 0.3)
        table = pd.DataFrame(x, columns=list("abcdefghijkl"))
        same = pare.certify(table, y, ["c", "f", "h"])
        self.assertAlmostEqual(same.proof["certificate"]["loss"], good.proof["certificate"]["loss"])
        groups = pare.certify(x, y, ["g"], groups={"g": [2, 5]}, ridge=0.1)
        self.assertEqual(list(groups.selected), [2, 5])
        self.assertEqual(groups.proof["certificate"]["ridge"], 0.1)
        self.refuses(ValueError, "none is given", pare.certify, x, y, [])
        self.refuses(ValueError, "no column 99", pare.certify, x, y, [99])

    def test_knockoffs(self):
        random = np.random.default_rng(0)
        x = random.standard_normal((400, 40)).astype(np.float32)
        y = x[:, :12] @ np.full(12, 1.5) + random.standard_normal(400)
        found = pare.knockoffs(x, y, 0.2)
        self.assertGreaterEqual(len(set(found.selected) & set(range(12))), 10)
        self.assertEqual(found.proof["knockoffs"]["level"], 0.2)
        nothing = pare.knockoffs(x, random.standard_normal(400), 0.05)
        self.assertLess(len(nothing.selected), 5)
        self.refuses(ValueError, "fdr", pare.knockoffs, x, y, 2)
        self.refuses(ValueError, "fdr", pare.knockoffs, x, y, 0)

    def test_stability(self):
        x, y = regression(300)
        found = pare.stability(x, y, 4, pairs=20)
        self.assertLessEqual({2, 5, 7}, set(found.selected))
        self.assertEqual(found.proof["stability"]["pairs"], 20)
        self.assertEqual(found.record["proof"]["frequencies"][0]["frequency"], 1)
        try:
            import matplotlib
        except ImportError:
            return
        matplotlib.use("Agg")
        from pare.plot import plot_stability
        self.assertEqual(len(plot_stability(found, most=7).patches), 7)

    def test_compare(self):
        x, y = classes(count=2)
        result = pare.compare(x, y, 2, methods=["omp", "random"], seeds=3, epochs=20)
        self.assertEqual(result.methods["omp"]["overlap"], 1)
        self.assertGreater(result.methods["omp"]["mean"], result.methods["random"]["mean"])
        self.assertIn("random columns", str(result))
        self.assertIn("<td>omp</td>", result._repr_html_())
        self.refuses(ValueError, "method", pare.compare, x, y, 2, methods=["best"])
        self.refuses(ValueError, "seeds", pare.compare, x, y, 2, seeds=0)
        self.refuses(ValueError, "none", pare.compare, x, y, 2, methods=[])

    def test_options_and_info(self):
        names = {option.keyword: option for option in pare.options()}
        self.assertEqual(names["surplus"].low, 1)
        self.assertIn("omp", names["method"].choices)
        self.assertIn("surplus=", repr(names["surplus"]))
        self.assertTrue(all(o.section == "training" for o in pare.options("training")))
        for option in pare.options():
            self.assertTrue(option.help)
            if option.section == "training":
                self.assertIn(option.keyword, pare.Selector().get_params())
                self.assertIn(option.keyword + " : ", pare.Selector.__doc__)
        self.assertEqual(pare.info()["version"], pare.__version__)


class Tables(Case):
    def test_same_as_program(self):
        words = ("--target", "class", "-k", 5, "--ignore", "Genotype,Treatment,Behavior",
                 "--split-by", "mouse_block", "--method", "omp")
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.json"
            program("select", MICE, *words, "--out", out)
            want = pare.load(out)
        how = dict(target="class", ignore=["Genotype", "Treatment", "Behavior"],
                   split_by="mouse_block")
        got = pare.select(MICE, 5, method="omp", **how)
        self.assertEqual(got.names, want.names)
        self.assertEqual(got.scores, want.scores)
        self.assertEqual(got.comparison["chosen"]["validation_score"],
                         want.comparison["chosen"]["validation_score"])
        with pare.open(MICE, **how) as table:
            self.assertEqual(table.rows, 1080)
            self.assertIn("1080 rows", table.summary)
            again = table.select(5, method="omp", compare=False)
            self.assertEqual(again.names, want.names)
            self.assertEqual(again.comparison, {})
        self.refuses(ValueError, "closed", table.select, 5)

    def test_files(self):
        x, y = regression()
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            frame = pd.DataFrame(x, columns=[f"c{j}" for j in range(12)]).assign(y=y)
            frame.to_csv(folder / "a.csv", index=False)
            chosen = pare.select(folder / "a.csv", 2, target="y", method="omp",
                                 test=folder / "a.csv", certify=True)
            self.assertGreater(chosen.comparison["chosen"]["test_score"], 0.5)
            self.assertIn("certificate", chosen.proof)
            pare.apply(chosen, folder / "a.csv", folder / "b.csv")
            self.assertEqual(list(pd.read_csv(folder / "b.csv").columns), ["c2", "c5", "y"])
            chosen.save(folder / "s.json")
            pare.apply(folder / "s.json", folder / "a.csv", folder / "c.csv")
            self.assertEqual((folder / "b.csv").read_bytes(), (folder / "c.csv").read_bytes())
            pare.apply(pare.OMPSelector(1).fit(frame.drop(columns="y"), y), folder / "a.csv",
                       folder / "d.csv")
            self.assertTrue(pare.convert(folder / "a.csv", folder / "a.pare"))
            packed = pare.select(folder / "a.pare", 2, target="y", method="omp")
            self.assertEqual(packed.scores, chosen.scores)

    def test_bad(self):
        self.refuses(OSError, "nowhere.csv", pare.open, "/nowhere.csv")
        self.refuses(ValueError, "no option tarjet", pare.open, MICE, tarjet="class")
        self.refuses(ValueError, "no option kay", pare.select, MICE, kay=3)
        self.refuses(ValueError, "option k", pare.select, MICE, target="class")
        self.refuses(ValueError, "option target", pare.open, MICE, target="nothing")
        self.refuses(OSError, "nowhere.json", pare.load, "/nowhere.json")
        self.refuses(ValueError, "", pare.load, MICE)
        self.refuses(OSError, "", pare.convert, "/nowhere.csv", "/tmp/out.pare")
        self.refuses(ValueError, "zero byte", pare.open, "a\0b")


if __name__ == "__main__":
    unittest.main()
