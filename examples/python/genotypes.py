"""Genotypes with linkage: knockoffs keep the share of false discoveries low, where a fixed number
of chosen markers does not; stability selection bounds their expected number."""

import numpy as np

import pare

random = np.random.default_rng(1)
n, markers, causal = 800, 120, np.arange(4, 120, 8)
# Neighbouring markers are correlated; 0, 1 or 2 copies of the rarer allele.
walk = random.standard_normal((n, 2, markers))
for j in range(1, markers):
    walk[:, :, j] = 0.6 * walk[:, :, j - 1] + 0.8 * walk[:, :, j]
X = (walk > 0.4).sum(axis=1).astype(np.float32)
effect = random.choice([-1, 1], len(causal)) * 0.8
y = X[:, causal] @ effect + random.standard_normal(n)


def judge(selected):
    true = len(set(selected) & set(causal))
    return f"{len(selected)} chosen, {true} of {len(causal)} causal, {len(selected) - true} false"


print("knockoffs at 0.2:  ", judge(pare.knockoffs(X, y, 0.2, random_state=3).selected))
stable = pare.stability(X, y, 15, pairs=20)
print("stability:         ", judge(stable.selected), "- expected false ones at most",
      f"{stable.proof['stability']['bound']:.1f}")
print("30 by pursuit:     ", judge(pare.OMPSelector(30).fit(X, y).selected_))
