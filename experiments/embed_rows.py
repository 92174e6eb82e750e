"""Rows shaped like display advertising: 39 fields, 1.3 million ids with popularity falling as
1 / rank, labels from effects of ids, from pairs of fields with effects of their own (crosses) and
from inner products of hidden vectors. Writes NAME.train.libffm, NAME.test.libffm and NAME.json with
the planted pairs.

    python3 experiments/embed_rows.py NAME [--rows 500000] [--crosses 38] [--seed 1]
"""
import argparse
import json

import numpy as np

FIELDS, HIDDEN = 39, 4


def hashed_normal(rng, a, b):
    """A number for each pair of ids, the same wherever the pair occurs."""
    keys = (a.astype(np.uint64) << np.uint64(32)) | b.astype(np.uint64)
    unique, where = np.unique(keys, return_inverse=True)
    return rng.standard_normal(len(unique))[where]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--rows", type=int, default=500000)
    parser.add_argument("--crosses", type=int, default=38)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    sizes = (2.8 * 100000 ** (np.arange(FIELDS) / (FIELDS - 1))).astype(int) + 4
    n = args.rows
    ids = np.minimum(sizes ** rng.random((n, FIELDS)), sizes - 1).astype(np.int32)
    z = np.full(n, -1.0)
    hidden = np.zeros((n, HIDDEN))
    squares = np.zeros((n, HIDDEN))
    for f in range(FIELDS):
        z += 0.15 * rng.standard_normal(sizes[f])[ids[:, f]]
        vectors = 0.12 * rng.standard_normal((sizes[f], HIDDEN))[ids[:, f]]
        hidden += vectors
        squares += vectors ** 2
    z += 0.5 * (hidden ** 2 - squares).sum(1)
    pairs = [(a, b) for a in range(FIELDS) for b in range(a + 1, FIELDS)
             if sizes[a] * sizes[b] <= 200000]
    planted = [pairs[i] for i in rng.choice(len(pairs), args.crosses, replace=False)]
    for k, (a, b) in enumerate(planted):  # strong ones first: effects fall from 0.5 to 0.1
        z += (0.5 - 0.4 * k / max(args.crosses - 1, 1)) * hashed_normal(rng, ids[:, a], ids[:, b])
    ids += (np.cumsum(sizes) - sizes).astype(np.int32)  # some programs share ids between fields
    label = rng.random(n) < 1 / (1 + np.exp(-z))
    for part, rows in ("train", range(n // 10 * 8)), ("test", range(n // 10 * 8, n)):
        with open(f"{args.name}.{part}.libffm", "w") as file:
            for i in rows:
                cells = " ".join(f"{f}:{v}:1" for f, v in enumerate(ids[i]))
                file.write(f"{int(label[i])} {cells}\n")
    with open(f"{args.name}.json", "w") as file:
        json.dump({"planted": [[str(a), str(b)] for a, b in planted]}, file)


if __name__ == "__main__":
    main()
