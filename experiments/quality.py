#!/usr/bin/env python3
"""Quality table: test accuracy and CPU seconds of every method on every set, by the `pare` program.

    experiments/quality.py --data DIR [--program build/bin/pare] [--sets mnist,isolet] [--methods ...]
                           [--seeds 1-5] [--out docs/results/quality.md]

DIR holds mnist/ (IDX, gz) and tabular/ (CSV, gz); see docs/results/quality.md for what each set is.
Defaults only: nothing but k, the target, the split and the seed is given to the program. A method
chooses with its own default model; all choices are judged by the same network, trained afresh on
the chosen columns (the program's comparison). Results of runs are kept in --cache, so an interrupted
table goes on where it stopped. Needs only the standard library.
"""
import argparse
import csv
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

METHODS = ["sequential-attention", "omp", "group-lasso", "sequential-lasso", "lly", "magnitude",
           "rfe", "mutual-information", "anova-f", "random"]
NETWORK_METHODS = {"sequential-attention", "lly", "magnitude"}
SETS = ["mnist", "isolet", "coil20", "har", "mice", "mice-by-mouse"]
FOLDS = 5


def read_rows(path):
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1:]


def write_rows(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def split_rows(name, header, rows, seed):
    """(training rows, test rows, extra options)."""
    column = {text: i for i, text in enumerate(header)}
    if name == "isolet":
        group = column["group"]
        return ([r for r in rows if r[group] != "4"], [r for r in rows if r[group] == "4"],
                ["--target", "y", "--ignore", "group"])
    if name == "har":
        subject = column["subject"]
        held = {"21", "22", "23"}
        return ([r for r in rows if r[subject] not in held],
                [r for r in rows if r[subject] in held],
                ["--target", "y", "--ignore", "subject"])
    if name == "mice-by-mouse":
        mouse = column["mouse_block"]
        mice = sorted({r[mouse] for r in rows}, key=int)
        random.Random(99).shuffle(mice)
        held = {m for i, m in enumerate(mice) if i % FOLDS == seed % FOLDS}
        return ([r for r in rows if r[mouse] not in held], [r for r in rows if r[mouse] in held],
                ["--target", "class", "--ignore", "Genotype,Treatment,Behavior",
                 "--split-by", "mouse_block"])
    shuffled = rows[:]
    random.Random(seed).shuffle(shuffled)
    cut = len(rows) // 5
    options = ["--target", "y"]
    if name == "mice":
        options = ["--target", "class", "--ignore", "mouse_block,Genotype,Treatment,Behavior"]
    return shuffled[cut:], shuffled[:cut], options


FILES = {"isolet": "isolet_1to4.csv.gz", "coil20": "coil20.csv.gz", "har": "har_subjects_1to23.csv.gz",
         "mice": "mice_protein.csv.gz", "mice-by-mouse": "mice_protein.csv.gz"}


def arguments(data, name, seed, folder):
    """What the program is told about a set: the table and its roles."""
    if name == "mnist":
        part = os.path.join(data, "mnist", "%s-%s-ubyte.gz")
        return [part % ("train", "images-idx3"), "--target-file", part % ("train", "labels-idx1"),
                "--test", part % ("t10k", "images-idx3"),
                "--test-target-file", part % ("t10k", "labels-idx1")]
    fixed = name in ("isolet", "har")
    train = os.path.join(folder, "%s-%d-train.csv" % (name, 0 if fixed else seed))
    test = train.replace("-train", "-test")
    header, rows = read_rows(os.path.join(data, "tabular", FILES[name]))
    train_rows, test_rows, options = split_rows(name, header, rows, seed)
    if not os.path.exists(test):
        write_rows(train, header, train_rows)
        write_rows(test, header, test_rows)
    return [train, "--test", test] + options


def run(program, table, options):
    command = [program, "select"] + table + ["--json", "--quiet"] + options
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(command), done.stderr.strip()))
    return json.loads(done.stdout)


def measure(program, table, method, k, seed):
    common = ["-k", str(k), "--seed", str(seed)]
    chosen = run(program, table, common + ["--method", method]
                 + ([] if method in NETWORK_METHODS else ["--no-compare"]))
    judged = chosen
    if method not in NETWORK_METHODS:
        # The same judge for all: the choice is forced, and the comparison trains the network on it.
        names = ",".join(item["name"] for item in chosen["items"])
        judged = run(program, table, common + ["--method", "random", "--model", "mlp",
                                               "--include", names])
    comparison = judged["comparison"]
    return {"test": comparison["chosen"]["test_score"],
            "validation": comparison["chosen"]["validation_score"],
            "all": comparison["all"]["test_score"],
            "random": comparison["random"]["test_score"],
            "cpu": chosen["seconds"]["selecting_cpu"],
            "cpu_refit": comparison["chosen"]["cpu_seconds"]}


def mean_and_deviation(values):
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.mean(values), deviation


def ranks(scores):
    """Average ranks, 1 the best; ties share."""
    return {m: statistics.mean([1 + sum(o > s for o in scores.values()),
                                sum(o >= s for o in scores.values())])
            for m, s in scores.items()}


def table(results, sets, methods, seeds, k):
    lines = ["# Quality", "",
             "Written by `experiments/quality.py`; see `experiments/quality.py --help`.", "",
             "Test accuracy of one network (67 hidden units) trained afresh on the %d columns that "
             "each method chose," % k,
             "mean ± standard deviation over the seeds; CPU seconds of the choice. Defaults only.", ""]
    present = [s for s in sets if any((s, m, x) in results for m in methods for x in seeds)]
    lines[-2] += " Ranks compare the seeds that all methods of a set have."
    lines.append("| method | " + " | ".join(present) + " | average rank |")
    lines.append("|---" * (len(present) + 2) + "|")
    place = {m: [] for m in methods}
    cell = {}
    for s in present:
        there = {m: [x for x in seeds if (s, m, x) in results] for m in methods}
        shared = [x for x in seeds if all(x in there[m] for m in methods)]
        for m in methods:
            if there[m]:
                mean, deviation = mean_and_deviation([results[s, m, x]["test"] for x in there[m]])
                cell[s, m] = "%.4f ± %.4f (n %d, %.2f s)" % (
                    mean, deviation, len(there[m]),
                    statistics.mean(results[s, m, x]["cpu"] for x in there[m]))
        if shared:
            means = {m: statistics.mean(results[s, m, x]["test"] for x in shared) for m in methods}
            for m, rank in ranks(means).items():
                place[m].append(rank)
    for m in methods:
        if any((s, m) in cell for s in present):
            lines.append("| %s | %s | %s |" % (
                m, " | ".join(cell.get((s, m), "") for s in present),
                "%.2f (%d sets)" % (statistics.mean(place[m]), len(place[m])) if place[m] else ""))
    for key in ("all", "random"):
        row = []
        for s in present:
            values = [r[key] for (t, _, _), r in results.items() if t == s and r[key] is not None]
            row.append("%.4f" % statistics.mean(values) if values else "")
        name = "all columns" if key == "all" else "%d random columns" % k
        lines.append("| *%s* | %s | |" % (name, " | ".join(row)))
    return "\n".join(lines) + "\n"


def parse_seeds(text):
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--program", default="build/bin/pare")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", default="1-5")
    parser.add_argument("-k", type=int, default=50)
    parser.add_argument("--cache", default=os.path.join(tempfile.gettempdir(), "pare-quality"))
    parser.add_argument("--out", default="docs/results/quality.md")
    given = parser.parse_args()
    sets, methods = given.sets.split(","), given.methods.split(",")
    seeds = parse_seeds(given.seeds)
    os.makedirs(given.cache, exist_ok=True)
    results = {}
    for name in sets:
        for seed in seeds:
            prepared = None
            for method in methods:
                path = os.path.join(given.cache, "%s-%s-%d-%d.json" % (name, method, given.k, seed))
                if not os.path.exists(path):
                    prepared = prepared or arguments(given.data, name, seed, given.cache)
                    try:
                        result = measure(given.program, prepared, method, given.k, seed)
                    except RuntimeError as failure:
                        print("%s, %s, seed %d: %s" % (name, method, seed, failure), file=sys.stderr)
                        continue
                    with open(path, "w") as file:
                        json.dump(result, file)
                with open(path) as file:
                    results[name, method, seed] = json.load(file)
                print(name, method, seed, results[name, method, seed]["test"], flush=True)
    with open(given.out, "w") as file:
        file.write(table(results, sets, methods, seeds, given.k))


if __name__ == "__main__":
    main()
