"""Recommenders and genomes from Python."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import pandas as pd

import pare
from support import Case


class Tasks(Case):
    def test_embed(self):
        random = np.random.default_rng(0)
        n = 600
        frame = pd.DataFrame({f"f{j}": random.integers(0, 6, n).astype(str) for j in range(4)})
        frame = frame.apply(lambda column: "v" + column)
        frame["click"] = ((frame["f1"] < "v3") ^ (random.random(n) < 0.1)).astype(int)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.csv"
            frame.to_csv(path, index=False)
            plan = pare.embed(path, target="click", passes=2, dimension=4)
        self.assertIn("f1", str(plan))
        self.assertIn("<html", plan.html)
        self.assertTrue(plan.record)
        self.refuses(OSError, "nowhere", pare.embed, "/nowhere.csv")
        self.refuses(ValueError, "embed-model", pare.embed, "/nowhere.csv", model="tree")

    def test_genome(self):
        random = np.random.default_rng(1)
        n, m = 240, 30
        calls = random.binomial(2, 0.4, (m, n))
        trait = 1.5 * calls[7] - 1.2 * calls[20] + random.standard_normal(n)
        codes = np.array([3, 2, 0])[calls]  # copies of the first allele: 2, 1, 0
        codes = codes.reshape(m, n // 4, 4)
        packed = (codes << np.array([0, 2, 4, 6])).sum(axis=2).astype(np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            stem = Path(folder) / "g"
            stem.with_suffix(".bed").write_bytes(b"\x6c\x1b\x01" + packed.tobytes())
            stem.with_suffix(".bim").write_text("".join(
                f"1\trs{j}\t0\t{1000 * j + 1}\tA\tC\n" for j in range(m)))
            stem.with_suffix(".fam").write_text("".join(
                f"F{i}\tI{i}\t0\t0\t1\t{trait[i]:.5f}\n" for i in range(n)))
            card = pare.genome(stem, Path(folder) / "out", background=False)
            self.assertIn("rs7", card["text"])
            self.assertIn("rs20", card["text"])
            self.assertTrue((Path(folder) / "out.path.tsv").exists())
            self.refuses(ValueError, "no option hidden", pare.genome, stem, stem, hidden=3)
        self.refuses(OSError, "nowhere", pare.genome, "/nowhere", "/tmp/out")


if __name__ == "__main__":
    unittest.main()
