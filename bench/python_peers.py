#!/usr/bin/python3
"""pare beside scikit-learn's selectors: quality, CPU time, memory, and the overhead of a Python call
over the command line.

    bench/python_peers.py [FOLDER] > docs/results/python.md
    bench/python_peers.py --overhead

FOLDER holds spambase and fried of PMLB (pmlb_spambase.tsv.gz, ...), HAR
(har_subjects_1to23.csv.gz) and MNIST as IDX files; tables that are not there are left out. Every run is a process of its
own with one thread. Quality: a fresh scikit-learn model (standardised logistic or
ridge regression) on the chosen columns, fitted on the rows the selector saw and scored on others.
"""

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))
PROGRAM = os.environ.get("PARE_PROGRAM", str(ROOT / "build" / "bin" / "pare"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sklearn.feature_selection import (RFE, SelectFromModel, SelectKBest,  # noqa: E402
                                       SequentialFeatureSelector, f_classif, f_regression)
from sklearn.linear_model import (LogisticRegression, OrthogonalMatchingPursuit,  # noqa: E402
                                  Ridge)
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

import pare  # noqa: E402

RUNS = 15


def tables(folder):
    """[(name, X, y, k, is classes)]."""
    from sklearn.datasets import load_breast_cancer, load_digits
    found = []
    for load, k in ((load_breast_cancer, 5), (load_digits, 16)):
        x, y = load(return_X_y=True)
        found.append((load.__name__[5:], x, y, k, True))
    for file, target, drop, k, classes in (
            ("pmlb_spambase.tsv.gz", "target", [], 10, True),
            ("pmlb_564_fried.tsv.gz", "target", [], 5, False),
            ("har_subjects_1to23.csv.gz", "y", ["subject"], 20, True)):
        path = Path(folder or ".") / file
        if folder and path.exists():
            frame = pd.read_csv(path, sep="\t" if ".tsv" in file else ",")
            y = frame.pop(target).to_numpy()
            x = frame.drop(columns=drop).to_numpy()
            found.append((file.split(".")[0], x, y, k, classes))
    return found


def selectors(k, d, classes):
    """[(name, selector)]; those that fit a model per candidate only where d is small."""
    model = LogisticRegression(max_iter=300) if classes else Ridge()
    peers = [("pare sequential attention", pare.SequentialAttentionSelector(k, n_jobs=1)),
             ("pare omp", pare.OMPSelector(k, n_jobs=1)),
             ("SelectKBest(F)", SelectKBest(f_classif if classes else f_regression, k=k)),
             ("SelectFromModel(l1)" if classes else "SelectFromModel(ridge)", SelectFromModel(
                 LogisticRegression(penalty="l1", solver="liblinear", C=0.1) if classes
                 else Ridge(), max_features=k, threshold=-np.inf))]
    if d <= 100:
        peers.append(("RFE", RFE(model, n_features_to_select=k)))
        peers.append(("SequentialFeatureSelector", SequentialFeatureSelector(
            model, n_features_to_select=k, cv=3)))
    else:
        peers.append(("RFE(step=0.2)", RFE(model, n_features_to_select=k, step=0.2)))
    if not classes:
        peers.append(("OrthogonalMatchingPursuit", SelectFromModel(
            OrthogonalMatchingPursuit(n_nonzero_coefs=k), max_features=k, threshold=-np.inf)))
    return peers


def one(selector, x, y, classes):
    """Score, CPU seconds and megabytes beyond the data, in this process."""
    if len(y) > 6000:
        keep = np.random.default_rng(0).permutation(len(y))[:6000]
        x, y = x[keep], y[keep]
    a, b, u, v = train_test_split(x, y, test_size=0.3, random_state=0,
                                  stratify=y if classes else None)
    scale = StandardScaler().fit(a)
    a, b = scale.transform(a).astype(np.float32), scale.transform(b).astype(np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    selector.fit(a, u)
    seconds = time.process_time() - start
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    chosen = selector.get_support()
    judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000) if classes
                          else Ridge())
    score = judge.fit(a[:, chosen], u).score(b[:, chosen], v)
    return {"score": score, "seconds": seconds, "memory": memory, "chosen": int(chosen.sum())}


def forked(function, *arguments):
    """The answer of function in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, json.dumps(function(*arguments)).encode())
            os._exit(0)
        except BaseException as error:
            os.write(write, json.dumps({"error": str(error)[:80]}).encode())
            os._exit(1)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def cpu(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def best(function, repeats=RUNS, who=resource.RUSAGE_SELF):
    """Least CPU seconds of several calls: wall time says little on a machine shared with others."""
    values = []
    for _ in range(repeats):
        start = cpu(who)
        function()
        values.append(cpu(who) - start)
    return min(values)


class Inside:
    """CPU seconds spent inside the functions of the shared library: what a C program would spend."""

    def __init__(self):
        self.seconds, self.plain = 0.0, {}

    def __enter__(self):
        library = pare._library.library
        for name in pare._library._FUNCTIONS:
            self.plain[name] = getattr(library, name)
            setattr(library, name, self.timed(self.plain[name]))
        return self

    def __exit__(self, *_):
        for name, function in self.plain.items():
            setattr(pare._library.library, name, function)

    def timed(self, function):
        def call(*arguments):
            start = time.process_time()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.process_time() - start
        return call


def overhead():
    """Rows of (what, command line or library, Python) in CPU seconds."""
    rows = []
    random = np.random.default_rng(0)
    x = random.standard_normal((4000, 100)).astype(np.float32)
    y = (x[:, :5].sum(axis=1) + random.standard_normal(4000)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        table, arrays, target = (str(Path(folder) / n) for n in ("t.csv", "x.npy", "y.npy"))
        np.save(arrays, x)
        np.save(target, y)
        frame = pd.DataFrame(x, columns=[f"c{j}" for j in range(100)]).assign(y=y)
        frame.to_csv(table, index=False)
        for name, words, how in (
                ("omp, 10 of 100", ["--method", "omp"], dict(method="omp")),
                ("sequential attention, 10 of 100", ["--epochs", "20"], dict(epochs=20))):
            common = ["-k", "10", "--quiet", "--no-compare", "--threads", "1", *words]

            def program(*data):
                subprocess.run([PROGRAM, "select", *data, *common], check=True)

            rows.append((name + ", from CSV: program, and pare.select",
                         best(lambda: program(table, "--target", "y"), RUNS, resource.RUSAGE_CHILDREN),
                         best(lambda: pare.select(table, 10, target="y", threads=1, compare=False,
                                                  **how), RUNS)))
            selector = pare.Selector(10, n_jobs=1, **how)
            rows.append((name + ", from NPY: program, and np.load and fit",
                         best(lambda: program(arrays, "--target-file", target), RUNS,
                              resource.RUSAGE_CHILDREN),
                         best(lambda: selector.fit(np.load(arrays), np.load(target)), RUNS)))
            whole, inside = [], []
            for _ in range(RUNS):
                start = time.process_time()
                selector.fit(x, y)
                whole.append(time.process_time() - start)
                with Inside() as library:
                    selector.fit(x, y)
                inside.append(library.seconds)
            rows.append((name + ", arrays: inside the library, and fit", min(inside), min(whole)))
    return rows


def mnist(folder):
    """50 of 784 pixels, four passes, one thread: program and Python in turns, least of three."""
    images, labels = (Path(folder) / f"train-{name}-ubyte.gz" for name in ("images-idx3",
                                                                           "labels-idx1"))
    if not images.exists():
        return
    x = np.frombuffer(gzip.open(images).read(), np.uint8, offset=16).reshape(-1, 784)
    y = np.frombuffer(gzip.open(labels).read(), np.uint8, offset=8)
    floats = x.astype(np.float32)
    found, rows = {}, {}

    def program():
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.json"
            subprocess.run([PROGRAM, "select", images, "--target-file", labels, "-k", "50",
                            "--epochs", "4", "--threads", "1", "--quiet", "--no-compare", "--out",
                            out], check=True)
            return pare.load(out).items

    how = dict(epochs=4)
    calls = {"`pare select`, from IDX": program,
             "`pare.select`, from IDX": lambda: pare.select(
                 images, 50, target_file=str(labels), threads=1, compare=False, **how).items,
             "`fit`, float32 array": lambda: list(pare.SequentialAttentionSelector(
                 50, n_jobs=1, **how).fit(floats, y).selected_),
             "`fit`, uint8 array": lambda: list(pare.SequentialAttentionSelector(
                 50, n_jobs=1, **how).fit(x, y).selected_)}
    for _ in range(3):
        for what, call in calls.items():
            start = time.perf_counter(), cpu(resource.RUSAGE_SELF) + cpu(resource.RUSAGE_CHILDREN)
            found[what] = call()
            spent = (time.perf_counter() - start[0],
                     cpu(resource.RUSAGE_SELF) + cpu(resource.RUSAGE_CHILDREN) - start[1])
            rows.setdefault(what, []).append(spent)
    print("## MNIST: 50 of 784 pixels, four passes, one thread\n\nIn turns, the least of three. Same "
          "pixels: those of the program, in the same order.\n\n"
          "| | CPU s | wall s | same pixels |\n|---|--:|--:|---|")
    for what, spent in rows.items():
        wall, processor = map(min, zip(*spent))
        same = "yes" if list(found[what]) == list(found["`pare select`, from IDX"]) else "no"
        print(f"| {what} | {processor:.2f} | {wall:.2f} | {same} |")
    print(flush=True)


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    print("# Python: pare beside scikit-learn\n\nWritten by `bench/python_peers.py FOLDER`. One "
          "thread each; CPU seconds of `fit`; MB: growth of the process while fitting.\n")
    print(f"scikit-learn {__import__('sklearn').__version__}, NumPy {np.__version__}, "
          f"{pare.info()['cpu level'].split(' ')[0]}; at most 6,000 rows of each table, 70 % to fit.\n")
    for name, x, y, k, classes in tables(folder):
        print(f"## {name}: {k} of {x.shape[1]} columns, {min(len(y), 6000)} rows\n\n"
              f"| selector | {'accuracy' if classes else 'R squared'} | CPU s | MB |\n|---|--:|--:|--:|")
        for label, selector in selectors(k, x.shape[1], classes):
            got = forked(one, selector, x, y, classes)
            print(f"| {label} | " + (got.get("error") or f"{got['score']:.4f} | "
                  f"{got['seconds']:.2f} | {got['memory']:.0f}") + " |", flush=True)
        every = forked(one, SelectKBest(k="all"), x, y, classes)
        print(f"| all columns | {every['score']:.4f} | | |\n")
    if folder:
        mnist(folder)
    show_overhead()


def show_overhead():
    print(f"## Overhead of a Python call\n\nCPU seconds, the least of {RUNS} runs; 4,000 rows of "
          "100 columns, one thread. The import of the package (once a process) is not counted, the "
          "start of the program is.\n\n"
          "| | command line or library | Python | difference | |\n|---|--:|--:|--:|--:|")
    for name, program, python in overhead():
        more = python - program
        print(f"| {name} | {program:.4f} | {python:.4f} | {1000 * more:+.1f} ms | "
              f"{100 * more / program:+.1f} % |")


if __name__ == "__main__":
    show_overhead() if sys.argv[1:] == ["--overhead"] else main()
