"""Planted causal variants on real genotypes: power and false discovery of pare genome beside plink's
clumping and, on the first replicates, glmnet's lasso; coverage of 95 % credible sets.

    genome_planted.py PARE STEM REPLICATES LASSO_REPLICATES [CAUSAL [H2]]

STEM.bed/.bim/.fam. Each replicate draws CAUSAL variants of frequency 0.05 or more and equal variance,
explaining H2 of the trait. A claim is true where its r2 with a planted variant is above 0.5. Claims: pare's
picks; plink1.9 --assoc then --clump at p < 0.05 / variants, r2 0.1 (its usual thresholds), and at as many
clumps as pare made claims; lasso's variants at lambda.1se, pruned to r2 < 0.5. Writes one line a method.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np

PARE, STEM, REPLICATES, LASSO = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
CAUSAL = int(sys.argv[5]) if len(sys.argv) > 5 else 8
H2 = float(sys.argv[6]) if len(sys.argv) > 6 else 0.6


def read(stem):
    fam = [line.split() for line in open(stem + ".fam")]
    bim = [line.split() for line in open(stem + ".bim")]
    packed = np.fromfile(stem + ".bed", dtype=np.uint8)[3:].reshape(len(bim), -1)
    return fam, bim, packed


fam, bim, packed = read(STEM)
n, position = len(fam), {b[1]: j for j, b in enumerate(bim)}
VALUE = np.array([2, np.nan, 1, 0], dtype=np.float32)


def column(j):
    codes = np.stack([(packed[j] >> 2 * i) & 3 for i in range(4)], -1).reshape(-1)[:n]
    x = VALUE[codes]
    x = np.where(np.isnan(x), np.nanmean(x), x) - np.nanmean(x)
    return x / (np.sqrt((x * x).sum()) + 1e-12)


frequency = np.array([np.nanmean(VALUE[np.stack([(packed[j] >> 2 * i) & 3 for i in range(4)], -1)
                                       .reshape(-1)[:n]]) / 2 for j in range(len(bim))])
autosome = np.array([b[0] not in ("X", "Y", "XY", "MT", "23", "24", "25", "26") for b in bim])
common = np.where((np.minimum(frequency, 1 - frequency) >= 0.05) & autosome)[0]


def judge(claims, truth):
    """True claims, planted variants found."""
    if not claims:
        return 0, 0
    r2 = np.array([[float(column(c) @ column(t)) ** 2 for t in truth] for c in claims]) > 0.5
    return int(r2.any(1).sum()), int(r2.any(0).sum())


def lines(path):
    return [line.split() for line in open(path)][1:]


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def clump(work, p):
    if os.path.exists(work + "/c.clumped"):
        os.remove(work + "/c.clumped")
    run("plink1.9", "--bfile", STEM, "--clump", work + "/a.qassoc", "--clump-p1", str(p), "--clump-p2", "0.01",
        "--clump-r2", "0.1", "--clump-kb", "1000", "--allow-no-sex", "--threads", "1", "--out", work + "/c")
    if not os.path.exists(work + "/c.clumped"):
        return []
    return [position[row[2]] for row in lines(work + "/c.clumped") if len(row) > 2]


LASSO_R = """
suppressMessages(library(glmnet)); a <- commandArgs(TRUE); n <- as.integer(a[2]); p <- as.integer(a[3])
x <- matrix(readBin(a[1], "double", n * p, size = 4), n, p); y <- scan(a[4], quiet = TRUE); set.seed(1)
f <- cv.glmnet(x, y, nfolds = 5); b <- as.numeric(coef(f, s = "lambda.1se"))[-1]
o <- order(-abs(b)); cat(o[abs(b[o]) > 0] - 1, sep = "\\n")
"""


def lasso(work, y, matrix):
    np.savetxt(work + "/y", y)
    out = subprocess.run(["Rscript", "-e", LASSO_R, matrix, str(n), str(len(common)), work + "/y"],
                         check=True, capture_output=True, text=True).stdout
    kept = []
    for word in out.split():
        j = common[int(word)]
        if all((column(j) @ column(k)) ** 2 < 0.5 for k in kept):
            kept.append(j)
    return kept


total = {}


def count(method, claims, truth, replicate):
    right, found = judge(claims, truth)
    row = total.setdefault(method, [0, 0.0, 0.0, 0])
    row[0] += 1
    row[1] += found / len(truth)
    row[2] += (len(claims) - right) / len(claims) if claims else 0
    row[3] += len(claims)


rng = np.random.default_rng(1)
sets = covered = 0
with tempfile.TemporaryDirectory() as work:
    matrix = work + "/x.bin"
    if LASSO:
        np.concatenate([column(j) for j in common]).astype(np.float32).tofile(matrix)
    for replicate in range(REPLICATES):
        truth = rng.choice(common, CAUSAL, replace=False)
        g = sum(rng.choice([-1, 1]) * column(j) for j in truth) * np.sqrt(n)
        y = g / g.std() * np.sqrt(H2) + rng.normal(size=n) * np.sqrt(1 - H2)
        with open(work + "/p.txt", "w") as file:
            file.write("FID IID y\n" + "".join(f"{a[0]} {a[1]} {v:.6f}\n" for a, v in zip(fam, y)))
        run(PARE, "genome", "--bfile", STEM, "--pheno", work + "/p.txt", "--out", work + "/o", "--quiet")
        picks = [position[r[2]] for r in lines(work + "/o.path.tsv") if r[7] == "1"]
        count("pare genome", picks, truth, replicate)
        groups = {}
        for row in lines(work + "/o.credible.tsv"):
            groups.setdefault(row[1], []).append(position[row[3]])
        for members in groups.values():
            sets += 1
            covered += bool(set(members) & set(truth.tolist()))
        run("plink1.9", "--bfile", STEM, "--pheno", work + "/p.txt", "--assoc", "--allow-no-sex", "--threads", "1",
            "--out", work + "/a")
        count("clumps, p < 0.05 / variants", clump(work, 0.05 / len(bim)), truth, replicate)
        count("clumps, as many as pare", clump(work, 1e-4)[: len(picks)], truth, replicate)
        if replicate < LASSO:
            count("lasso, lambda.1se", lasso(work, y, matrix), truth, replicate)
print(f"{STEM}: {n} samples, {len(common)} common variants, {CAUSAL} planted, h2 {H2}")
for method, (count_, power, false, claims) in total.items():
    print(f"{method:30} replicates {count_:4} power {power / count_:.3f} false discovery {false / count_:.3f} "
          f"claims {claims / count_:.2f}")
print(f"credible sets {sets}, holding a planted variant {covered / max(sets, 1):.3f}")
