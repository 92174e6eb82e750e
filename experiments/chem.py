#!/usr/bin/env python3
"""Molecules: pare's few substructures and descriptors beside a random forest on all bits.

    experiments/chem.py --data FOLDER        # smiles_esol.csv, smiles_bbbp.csv, smiles_bace.csv

The split is pare's own (NAME.molecules.tsv), the same for both; the forest sees 2,048 bits of the
Morgan fingerprint of radius 2 and, for comparison, the same unfolded counts pare chooses from. Needs
python3-rdkit and python3-sklearn. Prints a table for docs/results/chem.md.
"""
import argparse
import json
import pathlib
import resource
import subprocess
import tempfile

import numpy
from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import roc_auc_score

SETS = [
    ("ESOL", "smiles_esol.csv", "smiles", "measured log solubility in mols per litre", (5, 10, 20)),
    ("BBBP", "smiles_bbbp.csv", "smiles", "BBBP", (20, 50, 100)),
    ("BACE", "smiles_bace.csv", "mol", "Class", (20, 50, 100)),
]
FOREST_SEEDS = 3  # of forests with the defaults, 100 trees


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_pare(program, path, smiles, target, k, split, seed, stem):
    before = cpu_of_children()
    subprocess.run(
        [program, "chem", path, "--smiles", smiles, "--target", target, "-k", str(k), "--split",
         split, "--seed", str(seed), "--out", stem, "--resamples", "0", "--quiet"],
        check=True, capture_output=True)
    card = json.loads(pathlib.Path(stem + ".json").read_text())
    score = card["scores"]["chosen"]
    return score.get("rmse", score.get("auc")), card, cpu_of_children() - before


def read_molecules(stem):
    lines = pathlib.Path(stem + ".molecules.tsv").read_text().splitlines()[1:]
    cells = [line.split("\t") for line in lines]
    held = numpy.array([c[5] == "held_out" for c in cells])
    return [c[2] for c in cells], numpy.array([float(c[3]) for c in cells]), held


def fingerprints(smiles):
    bits = numpy.zeros((len(smiles), 2048), numpy.uint8)
    sparse, number = [], {}
    for i, text in enumerate(smiles):
        molecule = Chem.MolFromSmiles(text)
        fingerprint = AllChem.GetMorganFingerprintAsBitVect(molecule, 2, 2048)
        bits[i, list(fingerprint.GetOnBits())] = 1
        sparse.append(AllChem.GetMorganFingerprint(molecule, 2).GetNonzeroElements())
        for key in sparse[-1]:
            number.setdefault(key, len(number))
    counts = numpy.zeros((len(smiles), len(number)), numpy.float32)
    for i, elements in enumerate(sparse):
        for key, count in elements.items():
            counts[i, number[key]] = count
    return bits, counts


def forest(x, y, held, regression):
    scores = []
    for seed in range(FOREST_SEEDS):
        if regression:
            model = RandomForestRegressor(random_state=seed).fit(x[~held], y[~held])
            error = model.predict(x[held]) - y[held]
            scores.append(float(numpy.sqrt(numpy.mean(error**2))))
        else:
            model = RandomForestClassifier(random_state=seed).fit(x[~held], y[~held])
            scores.append(roc_auc_score(y[held], model.predict_proba(x[held])[:, 1]))
    return float(numpy.mean(scores))


def main():
    RDLogger.DisableLog("rdApp.*")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--pare", default="build/bin/pare")
    parser.add_argument("--seed", type=int, default=1, help="of the random split and pare's folds")
    arguments = parser.parse_args()
    print("| data | split | held out | score | pare (k) | alone, same k | forest, bits | forest, "
          "counts | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, file, smiles, target, counts_k in SETS:
        path = str(pathlib.Path(arguments.data) / file)
        for split in ("scaffold", "random"):
            with tempfile.TemporaryDirectory() as folder:
                stem = str(pathlib.Path(folder) / "out")
                runs = [run_pare(arguments.pare, path, smiles, target, k, split,
                                 arguments.seed, stem)
                        for k in counts_k]
                texts, y, held = read_molecules(stem)
            regression = runs[-1][1]["task"] == "regression"
            bits, counts = fingerprints(texts)
            alone = runs[-1][1]["scores"]["best alone"]
            print(f"| {name} | {split} | {held.sum()} of {len(y)} | "
                  f"{'RMSE' if regression else 'AUC'} | "
                  + ", ".join(f"{run[0]:.3f} ({k})" for run, k in zip(runs, counts_k))
                  + f" | {alone['rmse' if regression else 'auc']:.3f} | "
                  f"{forest(bits, y, held, regression):.3f} | "
                  f"{forest(counts, y, held, regression):.3f} | {runs[-1][2]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
