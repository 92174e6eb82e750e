"""Planted causal variants on real genotypes: power and false discovery of pare genome beside plink's
clumping, the lasso (r-cran-glmnet) and SuSiE (r-cran-susier); coverage of 95 % credible sets.

    genome_planted.py PARE STEM REPLICATES PEERS [CAUSAL [H2 [SCREEN]]]

PEERS: the others run on so many of the REPLICATES. pare is given all traits in one command.

STEM.bed/.bim/.fam. Each replicate draws CAUSAL (8) variants of frequency 0.05 or more, at most a tenth of the
calls missing (what pare's filters let through; the peers are given the same ones) and equal variance, explaining
H2 (0.6) of the trait. A claim is true where its r2 with a planted variant is above 0.5; claims of a
method have r2 < 0.5 with each other. Claims: pare's picks; plink1.9 --assoc then --clump at p < 0.05 / variants,
r2 0.1; the lasso's variants at lambda.1se of 5-fold cross-validation; the best variant of each 95 % set of susie
(L = 10). Each of them is also cut to as many claims as pare makes: clumps by p, the lasso's variants in the order
they enter, susie's by probability. The last two are given the SCREEN (5,000) variants most correlated with the
trait, which makes their cross-validation a little too hopeful and saves hours. Writes the table of pare, then the
whole one after every ten of PEERS.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np

PARE, STEM, REPLICATES, PEERS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
CAUSAL = int(sys.argv[5]) if len(sys.argv) > 5 else 8
H2 = float(sys.argv[6]) if len(sys.argv) > 6 else 0.6
SCREEN = int(sys.argv[7]) if len(sys.argv) > 7 else 5000
SAME = 0.5

fam = [line.split() for line in open(STEM + ".fam")]
bim = [line.split() for line in open(STEM + ".bim")]
packed = np.fromfile(STEM + ".bed", dtype=np.uint8)[3:].reshape(len(bim), -1)
n, position = len(fam), {b[1]: j for j, b in enumerate(bim)}
VALUE = np.array([2, np.nan, 1, 0], dtype=np.float32)


def dosage(j):
    return VALUE[np.stack([(packed[j] >> 2 * i) & 3 for i in range(4)], -1).reshape(-1)[:n]]


def column(j):
    x = dosage(j)
    x = np.where(np.isnan(x), np.nanmean(x), x) - np.nanmean(x)
    return x / (np.sqrt((x * x).sum()) + 1e-12)


CODES = np.stack([((np.arange(256)[:, None] >> 2 * np.arange(4)) & 3 == code).sum(1) for code in range(4)], 1)
calls = np.array([np.bincount(row, minlength=256) @ CODES for row in packed])  # (variants, code)
calls[:, 0] -= 4 * packed.shape[1] - n  # the rest of the last byte is 0
frequency = (2 * calls[:, 0] + calls[:, 2]) / np.maximum(2 * (n - calls[:, 1]), 1)
present = calls[:, 1] <= 0.1 * n
autosome = np.array([b[0] not in ("X", "Y", "XY", "MT", "23", "24", "25", "26") for b in bim])
common = np.where((np.minimum(frequency, 1 - frequency) >= 0.05) & present & autosome)[0]
X = np.stack([column(j) for j in common]) if PEERS > 0 else None  # (common, n) unit rows


def judge(claims, truth):
    """True claims, planted variants found."""
    if not claims:
        return 0, 0
    r2 = np.array([[float(column(c) @ column(t)) ** 2 for t in truth] for c in claims]) > SAME
    return int(r2.any(1).sum()), int(r2.any(0).sum())


def pruned(order):
    kept = []
    for j in order:
        if all((column(j) @ column(k)) ** 2 < SAME for k in kept):
            kept.append(j)
    return kept


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


R = """
suppressMessages({library(glmnet); library(susieR)}); a <- commandArgs(TRUE); n <- as.integer(a[2])
x <- matrix(readBin(a[1], "double", n * as.integer(a[3]), size = 4), n); y <- scan(a[4], quiet = TRUE); set.seed(1)
f <- cv.glmnet(x, y, nfolds = 5, dfmax = 150); b <- as.matrix(f$glmnet.fit$beta)
first <- apply(b != 0, 1, function(r) if (any(r)) which(r)[1] else NA)
o <- order(first, -apply(abs(b), 1, max), na.last = NA); at <- which(f$lambda == f$lambda.1se)
cat("path", o - 1, "\\n"); cat("cv", o[b[o, at] != 0] - 1, "\\n")
s <- susie(x, y, L = 10)
for (i in seq_along(s$sets$cs)) { set <- s$sets$cs[[i]]
  cat("mass", s$sets$coverage[i], "\\n"); cat("set", set[order(-s$pip[set])] - 1, "\\n") }
cat("pip", head(order(-s$pip), 200) - 1, "\\n")
"""


def peers(work, y, count):
    """Claims of the lasso and of susie on the screened variants, own and `count`; susie's sets."""
    near = np.sort(np.argsort(-np.abs(X @ (y - y.mean())), kind="stable")[:SCREEN])
    X[near].astype(np.float32).tofile(work + "/x.bin")
    np.savetxt(work + "/y", y)
    out = subprocess.run(["Rscript", "-e", R, work + "/x.bin", str(n), str(len(near)), work + "/y"], check=True,
                         capture_output=True, text=True).stdout
    mass = [float(line.split()[1]) for line in out.splitlines() if line.startswith("mass")]
    rows = [(line.split()[0], [common[near[int(w)]] for w in line.split()[1:]]) for line in out.splitlines()
            if not line.startswith("mass")]
    lists = {name: members for name, members in rows if name != "set"}
    sets = [members for name, members in rows if name == "set"]
    best = pruned([members[0] for members in sets])
    return {"lasso, lambda.1se": pruned(lists["cv"]), "lasso, as many as pare": pruned(lists["path"][:100])[:count],
            "susie, its sets": best, "susie, as many as pare": pruned(lists["pip"])[:count]}, sets, mass


total, sets = {}, {}


def count(method, claims, truth):
    right, found = judge(claims, truth)
    row = total.setdefault(method, [0, 0.0, 0.0, 0])
    row[0] += 1
    row[1] += found / len(truth)
    row[2] += (len(claims) - right) / len(claims) if claims else 0
    row[3] += len(claims)


def cover(method, members, mass, truth):
    row = sets.setdefault(method, [0, 0, 0, 0.0])
    for one, stated in zip(members, mass):
        row[3] += stated
        row[0] += 1
        row[1] += bool(set(one) & set(truth.tolist()))
        row[2] += len(one)


def table(done):
    print(f"{STEM}: {n} samples, {len(common)} common variants, {CAUSAL} planted, h2 {H2}, peers on {done}")
    for method, (times, power, false, claims) in total.items():
        print(f"{method:30} replicates {times:4} power {power / times:.3f} false discovery {false / times:.3f} "
              f"claims {claims / times:.2f}")
    for method, (times, covered, members, mass) in sets.items():
        times = max(times, 1)
        print(f"95 % sets of {method}: {times}, holding a planted variant {covered / times:.3f}, probability of "
              f"their members {mass / times:.3f}, variants a set {members / times:.1f}", flush=True)


rng = np.random.default_rng(1)
truths, traits = [], []
for replicate in range(REPLICATES):
    truths.append(rng.choice(common, CAUSAL, replace=False))
    g = sum(rng.choice([-1, 1]) * column(j) for j in truths[-1]) * np.sqrt(n)
    traits.append(g / g.std() * np.sqrt(H2) + rng.normal(size=n) * np.sqrt(1 - H2))
with tempfile.TemporaryDirectory() as work:
    with open(work + "/p.txt", "w") as file:
        file.write("FID IID " + " ".join(f"y{r}" for r in range(REPLICATES)) + "\n")
        for a, row in zip(fam, np.array(traits).T):
            file.write(f"{a[0]} {a[1]} " + " ".join(f"{v:.6f}" for v in row) + "\n")
    run(PARE, "genome", "--bfile", STEM, "--pheno", work + "/p.txt", "--trait", "all", "--out", work + "/o", "--quiet")
    picks, groups, mass = {}, {}, {}
    for row in lines(work + "/o.path.tsv"):
        if row[7] == "1":
            picks.setdefault(row[0], []).append(position[row[2]])
    for row in lines(work + "/o.credible.tsv"):
        groups.setdefault(row[0], {}).setdefault(row[1], []).append(position[row[3]])
        mass.setdefault(row[0], {}).setdefault(row[1], []).append(float(row[8]))
    for replicate, truth in enumerate(truths):
        name = f"y{replicate}"
        picks[name] = pruned(picks.get(name, []))
        count("pare genome", picks[name], truth)
        cover("pare", groups.get(name, {}).values(), map(sum, mass.get(name, {}).values()), truth)
    table(0)
    for replicate in range(PEERS):
        truth, own = truths[replicate], len(picks[f"y{replicate}"])
        run("plink1.9", "--bfile", STEM, "--pheno", work + "/p.txt", "--mpheno", str(replicate + 1), "--assoc",
            "--allow-no-sex", "--threads", "1", "--out", work + "/a")
        count("clumps, p < 0.05 / variants", clump(work, 0.05 / len(bim)), truth)
        count("clumps, as many as pare", clump(work, 1e-4)[:own], truth)
        claims, found, stated = peers(work, traits[replicate], own)
        for method, members in claims.items():
            count(method, members, truth)
        cover("susie", found, stated, truth)
        if replicate % 10 == 9 or replicate + 1 == PEERS:
            table(replicate + 1)
