#!/usr/bin/env python3
"""Panels of genes beside the most variable genes and t-test markers, several seeds of 5 folds.

    experiments/panel.py build/bin/pare --data FOLDER [--seeds 1 2 3 4 5] [--k 8 16 32 64]

FOLDER holds pbmc3k_1838genes.h5ad and pbmc3k/. Folds, peers and scores are this script's: pare sees
the training cells only, as AnnData; the most variable genes are those of scanpy's flavour seurat,
the markers those of the largest Welch t of one type against the rest, types in turn; all three
are scored by scikit-learn's logistic regression (C = 1) on the genes. Prints a table for
docs/results/panel.md. Needs python3-numpy, -scipy, -h5py, -pandas and -sklearn.
"""
import argparse
import gzip
import pathlib
import resource
import subprocess
import tempfile

import h5py
import numpy
import pandas
import scipy.io
import scipy.sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

FOLDS, BINS = 5, 20


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_sets(data):
    """Title, logarithms of the cells by genes, and the number of each cell's type."""
    with h5py.File(data / "pbmc3k_1838genes.h5ad") as f:
        group = f["X"]
        x = scipy.sparse.csr_matrix((group["data"][:], group["indices"][:], group["indptr"][:]))
        types = f["obs/celltype"]
        y = types["codes"][:] if isinstance(types, h5py.Group) else types[:]
    yield "pbmc3k_1838genes.h5ad", x.toarray(), pandas.factorize(y)[0]
    folder = data / "pbmc3k"
    with gzip.open(folder / "pbmc3k_hvg2000_lognorm.mtx.gz") as f:
        x = scipy.io.mmread(f).T.toarray()
    types = pandas.read_csv(folder / "pbmc3k_meta.csv.gz")["classified"]
    yield "pbmc3k/", x, pandas.factorize(types)[0]


def most_variable(x, _y, k):
    plain = numpy.expm1(x)
    mean, variance = plain.mean(0), plain.var(0, ddof=1)
    with numpy.errstate(all="ignore"):
        dispersion = numpy.log(numpy.where(variance > 0, variance / mean, numpy.nan))
    table = pandas.DataFrame({"d": dispersion, "bin": pandas.cut(numpy.log1p(mean), BINS)})
    bins = table.groupby("bin", observed=True)["d"]
    spread = bins.transform("std", ddof=1)
    normal = (table["d"] - bins.transform("mean")) / spread
    normal = normal.where(spread.notna(), 1.0)  # alone in its bin
    return numpy.argsort(-normal.fillna(-numpy.inf).to_numpy(), kind="stable")[:k]


def markers(x, y, k):
    orders = []
    for t in range(y.max() + 1):
        a, b = x[y == t], x[y != t]
        if len(a) > 1:
            error = a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b)
            with numpy.errstate(all="ignore"):
                value = (a.mean(0) - b.mean(0)) / numpy.sqrt(error)
            value = numpy.where(error > 0, value, -numpy.inf)
            orders.append(numpy.argsort(-value, kind="stable"))
    chosen = list(dict.fromkeys(numpy.stack(orders, 1).ravel().tolist()))
    return numpy.array(chosen[:k])


class Pare:
    def __init__(self, program, folder, options):
        self.program, self.folder, self.options = program, pathlib.Path(folder), options
        self.seconds = 0.0

    def __call__(self, x, y, k):
        path, stem = self.folder / "cells.h5ad", self.folder / "out"
        sparse = scipy.sparse.csr_matrix(x.astype(numpy.float32))
        with h5py.File(path, "w") as f:
            group = f.create_group("X")
            group.attrs["encoding-type"] = "csr_matrix"
            group.attrs["shape"] = x.shape
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(sparse, name)
            for frame, count in (("obs", x.shape[0]), ("var", x.shape[1])):
                f.create_group(frame).attrs["_index"] = "index"
                f[frame]["index"] = [str(i).encode() for i in range(count)]
            f["obs/type"] = [f"t{t}".encode() for t in y]
        before = children_seconds()
        subprocess.run([self.program, "panel", path, "--label", "type", "-k", str(k), "--out", stem,
                        "--score-folds", "0", "--quiet", *self.options], check=True)
        self.seconds += children_seconds() - before
        lines = stem.with_suffix(".genes.tsv").read_text().splitlines()[1:]
        return numpy.array([int(line.split("\t")[1]) for line in lines])


def score(x, y, folds, choose, k):
    said = numpy.empty_like(y)
    for fold in range(FOLDS):
        held = folds == fold
        genes = choose(x[~held], y[~held], k)
        model = LogisticRegression(C=1.0, max_iter=1000).fit(x[~held][:, genes], y[~held])
        said[held] = model.predict(x[held][:, genes])
    return (said == y).mean(), f1_score(y, said, average="macro")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--k", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--options", default="", help="more options of pare panel")
    arguments = parser.parse_args()
    print("| cells | k | panel | highly variable | t-test markers | above markers | CPU s a choice |"
          "\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for title, x, y in read_sets(arguments.data):
            for k in arguments.k:
                pare = Pare(arguments.program, folder, arguments.options.split())
                sums = numpy.zeros((3, 2))
                for seed in arguments.seeds:
                    folds = numpy.random.default_rng(seed).permutation(len(y)) % FOLDS
                    for i, choose in enumerate((pare, most_variable, markers)):
                        sums[i] += score(x, y, folds, choose, k)
                sums /= len(arguments.seeds)
                cells = " | ".join(f"{a:.4f} / {f:.4f}" for a, f in sums)
                lead = " / ".join(f"{v:+.4f}" for v in sums[0] - sums[2])
                seconds = pare.seconds / len(arguments.seeds) / FOLDS
                print(f"| {title} | {k} | {cells} | {lead} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
