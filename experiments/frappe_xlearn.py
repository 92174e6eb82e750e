#!/usr/bin/env python3
"""FM and DeepFM of `pare train` beside xLearn on the same splits of frappe_57722.libfm, 80/20 by seed.

    experiments/frappe_xlearn.py PARE XLEARN_FOLDER frappe_57722.libfm [SEEDS]

XLEARN_FOLDER holds xlearn_train and xlearn_predict. Both programs choose step size and passes on an eighth of the
training rows (pare by itself; xLearn among STEPS and EPOCHS), then train on all of them. Prints a table."""
import os
import subprocess
import sys
import tempfile

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

STEPS = (0.1, 0.2, 0.4, 0.8)
EPOCHS = (3, 5, 8, 12, 20, 30)


def call(*command):
    # xLearn aborts without a user to name its log by.
    environment = {"USER": "x", **os.environ}
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, env=environment).stdout


def write(path, lines):
    with open(path, "w", encoding="utf8") as file:
        file.writelines(lines)


def xlearn(folder, train, test, step, epochs, work):
    """Probabilities of `test` by a factorisation machine of 8 floats."""
    model, out = os.path.join(work, "x.model"), os.path.join(work, "x.out")
    call(os.path.join(folder, "xlearn_train"), train, "-s", 1, "-x", "none", "-k", 8, "-r", step, "-e", epochs,
         "-m", model, "--dis-es", "-nthread", 1)
    call(os.path.join(folder, "xlearn_predict"), test, model, "-o", out, "--sigmoid")
    return np.loadtxt(out)


def tuned(folder, lines, labels, work):
    """Step and epochs with the least log loss on the last eighth of `lines`."""
    cut = len(lines) * 7 // 8
    part, rest = os.path.join(work, "part.txt"), os.path.join(work, "rest.txt")
    write(part, lines[:cut])
    write(rest, lines[cut:])
    tries = [(log_loss(labels[cut:], xlearn(folder, part, rest, step, epochs, work)), step, epochs)
             for step in STEPS for epochs in EPOCHS]
    return min(tries)[1:]


def pare_scores(program, model, train, test, seed, work):
    folder, out = os.path.join(work, model), os.path.join(work, "p.csv")
    call(program, "train", train, folder, "--format", "libfm", "--model", model, "--held-out", 0, "--seed", seed,
         "--overwrite")
    call(program, "score", folder, test, "--format", "libfm", "--out", out)
    return np.loadtxt(out, skiprows=1)


def main():
    program, folder, data = sys.argv[1:4]
    seeds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    with open(data, encoding="utf8") as file:
        lines = [line if line.endswith("\n") else line + "\n" for line in file]
    # xLearn's libsvm reader wants labels 0 and 1; frappe says -1.
    lines = ["0" + line[2:] if line.startswith("-1") else line for line in lines]
    label = np.array([float(line.split(" ", 1)[0]) for line in lines])
    found = {}
    with tempfile.TemporaryDirectory() as work:
        train, test = os.path.join(work, "train.txt"), os.path.join(work, "test.txt")
        for seed in range(1, seeds + 1):
            order = np.random.default_rng(seed).permutation(len(lines))
            cut = len(lines) * 4 // 5
            rows = [lines[i] for i in order]
            write(train, rows[:cut])
            write(test, rows[cut:])
            y = label[order]
            step, epochs = tuned(folder, rows[:cut], y[:cut], work)
            scores = {"xLearn FM": xlearn(folder, train, test, step, epochs, work)}
            for model in ("fm", "deepfm"):
                scores["pare " + model] = pare_scores(program, model, train, test, seed, work)
            for name, p in scores.items():
                p = np.clip(p, 1e-7, 1 - 1e-7)
                found.setdefault(name, []).append((log_loss(y[cut:], p), roc_auc_score(y[cut:], p)))
                print(f"seed {seed} {name}: {found[name][-1][0]:.4f} {found[name][-1][1]:.4f}"
                      + (f" (step {step}, {epochs} epochs)" if name == "xLearn FM" else ""), flush=True)
    print("\n| model | log loss | AUC |\n|---|---|---|")
    for name, values in found.items():
        mean, sd = np.mean(values, 0), np.std(values, 0, ddof=1) if seeds > 1 else (0, 0)
        print(f"| {name} | {mean[0]:.4f} ({sd[0]:.4f}) | {mean[1]:.4f} ({sd[1]:.4f}) |")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main()
