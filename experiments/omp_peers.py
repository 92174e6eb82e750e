"""Orthogonal matching pursuit by scikit-learn and by a NumPy loop on data like A and A9 of
bench/bench_omp.c (same shapes and laws, other draws): JSON lines with CPU seconds of the selection,
data in memory. Usage: OPENBLAS_NUM_THREADS=1 /usr/bin/python3 experiments/omp_peers.py [runs]"""

import json
import resource
import sys
import time

import numpy as np
from sklearn.linear_model import OrthogonalMatchingPursuit

N, P, K = 10_000, 5_000, 50


def data(rho):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((N, P), dtype=np.float32)
    for j in range(1, P):
        x[:, j] = rho * x[:, j - 1] + np.float32(np.sqrt(1 - rho * rho)) * x[:, j]
    truth = np.arange(K) * (P // K) + rng.integers(0, P // K, K)
    signal = x[:, truth] @ np.where(np.arange(K) % 2, -1.0, 1.0).astype(np.float32)
    noise = rng.standard_normal(N) * np.sqrt(np.mean(signal.astype(float) ** 2) / 3)
    return x, (signal + noise).astype(np.float32), set(truth.tolist())


def numpy_loop(x, y):
    """One X'r a pick, Gram-Schmidt; columns are taken as standardised already."""
    norm = np.sqrt(np.einsum("ij,ij->j", x, x))
    r, chosen, q = y - y.mean(), [], []
    for _ in range(K):
        score = np.abs(r @ x) / norm
        score[chosen] = -1
        j = int(score.argmax())
        chosen.append(j)
        column = x[:, j].astype(np.float64)
        for other in q:
            column -= other * (other @ column)
        column /= np.linalg.norm(column)
        q.append(column)
        r = r - (column * (column @ r)).astype(np.float32)
    return chosen


def scikit(x, y):
    model = OrthogonalMatchingPursuit(n_nonzero_coefs=K).fit(x, y)
    return np.flatnonzero(model.coef_).tolist()


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for name, rho in (("A", 0.0), ("A9", 0.9)):
        x, y, truth = data(rho)
        for label, method in (("numpy loop", numpy_loop), ("scikit-learn", scikit)):
            seconds, chosen = [], []
            for _ in range(runs):
                start = time.process_time()
                chosen = method(x, y)
                seconds.append(time.process_time() - start)
            seconds.sort()
            print(json.dumps({
                "bench": f"{label} {name}", "runs": runs,
                "cpu_seconds_median": round(seconds[runs // 2], 4),
                "cpu_seconds_low": round(seconds[0], 4), "cpu_seconds_high": round(seconds[-1], 4),
                "true_columns": len(truth & set(chosen)),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
            }), flush=True)


if __name__ == "__main__":
    main()
