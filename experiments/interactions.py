#!/usr/bin/env python3
"""Interaction table: how many of the true columns each method finds where none shows alone.

    experiments/interactions.py --data DIR [--program build/bin/pare] [--seeds 1-5] [--out FILE]

DIR holds the *.tsv.gz tables: columns named M... are the truth; of mux* every column is, and random
binary columns are appended. k is the number of true columns; defaults otherwise. Standard library.
"""
import argparse
import csv
import gzip
import json
import os
import random
import subprocess
import tempfile

SETS = [("epi2_a20_h0.4_01", 0), ("epi2_a100_h0.4_01", 0), ("xor2_a20_01", 0), ("mux6_500_01", 94),
        ("epi2_a20_h0.2_01", 0), ("epi2_a20_h0.1_01", 0), ("epi2_a20_h0.05_01", 0),
        ("epi2_a1000_h0.4_01", 0), ("mux11_1000_01", 500), ("mux20_2000_01", 500)]
METHODS = ["sequential-attention", "mutual-information", "anova-f", "omp", "random"]


def prepare(data, name, extra, folder):
    with gzip.open(os.path.join(data, name + ".tsv.gz"), "rt", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    header = rows[0]
    truth = [c for c in header if c.startswith("M")]
    if extra:
        truth = [c for c in header if c != "Class"]
        draw = random.Random(7)
        rows = [["X%d" % i for i in range(extra)] + header] + [
            [str(draw.getrandbits(1)) for _ in range(extra)] + row for row in rows[1:]]
    path = os.path.join(folder, name + ".csv")
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path, truth


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--program", default="build/bin/pare")
    parser.add_argument("--seeds", default="1-5")
    parser.add_argument("--out", default="docs/results/interactions.md")
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    lines = ["# Interactions", "", "Written by `experiments/interactions.py`. True columns found with "
             "k = their number, seeds %s, defaults only;" % given.seeds,
             "in brackets the mean CPU seconds of the choice.", "",
             "| table | true of all | " + " | ".join(METHODS) + " |",
             "|---" * (len(METHODS) + 2) + "|"]
    with tempfile.TemporaryDirectory() as folder:
        for name, extra in SETS:
            path, truth = prepare(given.data, name, extra, folder)
            cells, columns = [], 0
            for method in METHODS:
                found, cpu = [], 0.0
                for seed in seeds:
                    done = subprocess.run(
                        [given.program, "select", path, "--target", "Class", "-k", str(len(truth)),
                         "--seed", str(seed), "--method", method, "--no-compare", "--json",
                         "--quiet"], capture_output=True, text=True, check=True)
                    answer = json.loads(done.stdout)
                    found.append(sum(item["name"] in truth for item in answer["items"]))
                    cpu += answer["seconds"]["selecting_cpu"] / len(seeds)
                    columns = answer["data"]["candidates"]
                cells.append("%s (%.2f s)" % (" ".join(map(str, found)), cpu))
            lines.append("| %s | %d of %d | %s |" % (name, len(truth), columns, " | ".join(cells)))
            print(lines[-1], flush=True)
    with open(given.out, "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
