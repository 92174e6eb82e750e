#!/usr/bin/env python3
"""Knockoffs on HIV-1 protease mutations (Rhee et al. 2006): per drug, `pare select --fdr 0.2` on the
logarithm of the fold change, discoveries compared with the positions known from treated patients
(Rhee et al. 2005). Prepared as in Barber and Candes 2015, section 4: rows without a measurement are
left out, then mutations seen in fewer than three of the rows, then columns that equal another.

    experiments/hiv.py PARE FOLDER [OPTION...]     FOLDER holds hiv_PI.csv.gz and hiv_PI_truth.csv
"""
import csv
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile

DRUGS = ["APV", "ATV", "IDV", "LPV", "NFV", "RTV", "SQV"]


def prepare(rows, drug, path):
    """Writes the table of one drug; returns rows, columns, and names merged into another."""
    kept = [r for r in rows if r[drug] not in ("", "NA")]
    names = [n for n in kept[0] if n not in DRUGS]
    columns, same = {}, {}
    for name in names:
        values = tuple(int(float(r[name] or 0)) for r in kept)
        if not 3 <= sum(values) <= len(kept) - 3:
            continue
        if values in columns:
            same.setdefault(columns[values], []).append(name)
        else:
            columns[values] = name
    chosen = list(columns.values())
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(chosen + ["y"])
        for r in kept:
            out.writerow([int(float(r[n] or 0)) for n in chosen] + [math.log(float(r[drug]))])
    return len(kept), len(chosen), same


def main():
    pare, folder, options = sys.argv[1], sys.argv[2], sys.argv[3:]
    with gzip.open(os.path.join(folder, "hiv_PI.csv.gz"), "rt") as file:
        rows = list(csv.DictReader(file))
    with open(os.path.join(folder, "hiv_PI_truth.csv")) as file:
        truth = {int(r["position"]) for r in csv.DictReader(file) if r["tsm_position"] == "1"}
    print(f"{len(truth)} of the positions are in the list")
    print("| drug | rows | mutations | discoveries | positions | in the list | elsewhere | share |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        for drug in DRUGS:
            table, out = os.path.join(work, "t.csv"), os.path.join(work, "s.json")
            n, d, _ = prepare(rows, drug, table)
            subprocess.run([pare, "select", table, "--target", "y", "--task", "regression",
                            "--fdr", "0.2", "--validation", "0", "--no-compare", "--quiet",
                            "--out", out] + options, check=True)
            with open(out) as file:
                names = [i["name"] for i in json.load(file)["items"]]
            found = sorted({int(name[1:].split(".")[0]) for name in names})
            right = [p for p in found if p in truth]
            wrong = [p for p in found if p not in truth]
            share = f"{len(wrong) / len(found):.2f}" if found else "-"
            print(f"| {drug} | {n} | {d} | {len(names)} | {len(found)} | {len(right)} | "
                  f"{len(wrong)} {wrong if wrong else ''} | {share} |")


if __name__ == "__main__":
    main()
