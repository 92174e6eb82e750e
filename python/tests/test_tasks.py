"""Recommenders, genomes, polygenic scores, panels and tables from Python."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import pandas as pd

import pare
from support import Case, regression


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
            weights = next(Path(folder).glob("out.*.weights.tsv"))
            said = pare.score(weights, stem, Path(folder) / "scores.tsv")
            self.assertIn("240 of 240 samples", said)
            scores = pd.read_csv(Path(folder) / "scores.tsv", sep="\t").iloc[:, -1]
            self.assertGreater(np.corrcoef(scores, trait)[0, 1], 0.7)
            self.refuses(OSError, "nowhere", pare.score, "/nowhere", stem, stem)
        self.refuses(OSError, "nowhere", pare.genome, "/nowhere", "/tmp/out")


    def test_panel(self):
        random = np.random.default_rng(2)
        cells, genes = 120, 15
        kinds = random.integers(0, 3, cells)
        counts = random.poisson(1.0, (cells, genes))
        for kind in range(3):
            counts[:, 4 + kind] += random.poisson(6 * (kinds == kind))
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            rows, columns = np.nonzero(counts)
            (folder / "matrix.mtx").write_text(
                "%%MatrixMarket matrix coordinate integer general\n"
                f"{genes} {cells} {len(rows)}\n" + "".join(
                    f"{g + 1} {c + 1} {counts[c, g]}\n" for c, g in zip(rows, columns)))
            (folder / "features.tsv").write_text("".join(
                f"ENS{g}\tG{g}\tGene Expression\n" for g in range(genes)))
            (folder / "barcodes.tsv").write_text("".join(f"C{c}\n" for c in range(cells)))
            (folder / "kinds.csv").write_text("kind\n" + "".join(f"T{k}\n" for k in kinds))
            panel = pare.panel(folder, f"{folder}/kinds.csv:kind", 3, score_folds=2)
            self.assertEqual(len(panel.genes), 3)
            self.assertLessEqual({"G4", "G5", "G6"} & set(panel.genes), {"G4", "G5", "G6"})
            self.assertGreaterEqual(len({"G4", "G5", "G6"} & set(panel.genes)), 2)
            self.assertIn(panel.genes[0], panel.table)
            self.assertIn(panel.genes[0], str(panel))
            self.assertTrue(panel.record)
        self.refuses(ValueError, "no option hidden", pare.panel, "/nowhere", "x", 3, hidden=3)
        self.refuses(OSError, "nowhere", pare.panel, "/nowhere", "x", 3)

    def test_chem(self):
        random = np.random.default_rng(4)
        bits = random.integers(0, 2, (120, 8))
        y = ((bits[:, 2] + bits[:, 5] + (random.random(120) < 0.1)) % 3 > 0).astype(int)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            pd.DataFrame({"smiles": ["C" * (1 + i % 9) for i in range(120)], "y": y}).to_csv(
                folder / "m.csv", index=False)
            pd.DataFrame(bits, columns=[f"bit{j}" for j in range(8)]).to_csv(
                folder / "bits.csv", index=False)
            found = pare.chem(folder / "m.csv", "y", 2, fingerprints=str(folder / "bits.csv"),
                              resamples=20, split="random")
        self.assertEqual(set(found.names), {"bit2", "bit5"})
        self.assertIn("bit2", found.files["features.tsv"])
        self.assertIn("<html", found.html)
        self.assertTrue(found.record)
        self.refuses(ValueError, "no option hidden", pare.chem, "/nowhere", "y", hidden=3)
        self.refuses(OSError, "nowhere", pare.chem, "/nowhere.csv", "y", fingerprints="/nowhere.b")

    def test_tables_are_certified_and_compared(self):
        x, y = regression(150)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "t.csv"
            pd.DataFrame(x, columns=[f"c{j}" for j in range(12)]).assign(y=y).to_csv(
                path, index=False)
            with pare.open(path, target="y") as table:
                chosen = table.select(2, method="omp", compare=False)
                proved = table.certify(chosen, certify_seconds=5)
                self.assertEqual(proved.names, chosen.names)
                self.assertGreater(proved.proof["certificate"]["fraction"], 0.9)
                named = table.certify(chosen.names, certify_seconds=5)
                self.assertEqual(named.proof["certificate"]["loss"],
                                 proved.proof["certificate"]["loss"])
                self.refuses(ValueError, "no candidate", table.certify, ["nope"])
                found = table.compare(2, methods=["omp", "random"], seeds=2, epochs=5)
                self.assertGreater(found.methods["omp"]["mean"], found.methods["random"]["mean"])
                self.assertEqual(found.methods["omp"]["overlap"], 1)


if __name__ == "__main__":
    unittest.main()
