"""Questions about data, asked with one call."""

import math

import numpy as np

from ._library import encode, library
from ._options import BY_KEYWORD
from ._selection import Work, _temporary
from .selectors import Selector, _Prepared


def _fit(X, y, sample_weight, selector):
    selector.fit(X, y, sample_weight)
    selector.selection_.selected = selector.selected_
    return selector.selection_


def certify(X, y, columns, *, ridge=0.01, seconds=60, sample_weight=None, **parameters):
    """Proves how near given columns are to the best subset of as many candidates, for a linear
    model with an l2 penalty.

    Parameters
    ----------
    X, y, sample_weight : as in :meth:`Selector.fit`
    columns : list of columns (names or positions) or group names, or bool mask
    ridge : float, penalty per row on standardised columns; part of what is certified
    seconds : float, when to stop improving the bound
    **parameters : others of :class:`Selector`: groups, categorical, task, n_jobs, verbose, ...

    Returns
    -------
    Selection
        ``.proof["certificate"]``: fraction of the best achievable loss reduction that is proved to
        be reached, loss, bound, ... (docs/certificates.md).
    """
    selector = Selector(certify_ridge=ridge, certify_seconds=seconds, **parameters)
    with _Prepared(selector, *selector._check(X, y, sample_weight)) as data:
        chosen = data.groups.candidates("columns", columns)
        if not chosen:
            raise ValueError("columns: none is given")
        with Work(data.config, selector._threads(), selector.verbose) as work, \
                _temporary("".join(name + "\n" for name in chosen), ".txt") as path:
            train = data.wrap(work)
            handle = work.context.make(library.pare_selection_destroy,
                                       library.pare_selection_from_names, train, encode(path),
                                       work.config.handle)
            work.certify(handle, train)
            selection = work.record(handle)
        selector._keep(selection, data.columns, data.groups)
    selection.selected = selector.selected_
    return selection


def knockoffs(X, y, fdr=0.1, *, sample_weight=None, **parameters):
    """Chooses as many columns as keep the expected share of false ones at `fdr` or below.

    Source: Barber and Candes 2015 (fixed-X), Candes et al. 2018 (model-X).

    Parameters
    ----------
    X, y, sample_weight : as in :meth:`Selector.fit`
    fdr : float in (0, 1)
    **parameters : others of :class:`Selector`: knockoffs, knockoff_copies, importance, ...

    Returns
    -------
    Selection
        ``.selected``: column numbers, possibly none; ``.proof["knockoffs"]``.
    """
    if not fdr > 0:
        raise ValueError(f"fdr: {fdr!r}; a number between 0 and 1 was expected")
    return _fit(X, y, sample_weight, Selector(fdr=fdr, **parameters))


def stability(X, y, k, *, pairs=50, threshold=0.75, sample_weight=None, method="omp", **parameters):
    """Chooses the columns that most half samples choose, with a bound on false ones.

    Source: Shah and Samworth 2013, complementary pairs stability selection.

    Parameters
    ----------
    X, y, sample_weight : as in :meth:`Selector.fit`
    k : int, chosen in each half sample
    pairs : int, pairs of half samples
    threshold : float in [0.5, 1], share of the half samples that must choose a column
    **parameters : others of :class:`Selector`

    Returns
    -------
    Selection
        ``.selected``: column numbers; ``.proof["stability"]``;
        ``.record["proof"]["frequencies"]``, which ``pare.plot.plot_stability`` draws.
    """
    return _fit(X, y, sample_weight, Selector(k, method=method, stability=pairs,
                                              stability_threshold=threshold, **parameters))


class Comparison:
    """Methods side by side, each on the same splits.

    Attributes
    ----------
    methods : dict of method: dict with mean, sd (of the validation score of a fresh model on the
        chosen columns), overlap of the choices between splits (Kuncheva 2007: 1 the same, 0 as by
        chance), seconds (CPU, mean), and runs: list of dict with seed, score, selected
    all, random : float, mean score of models on all and on as many random candidates
    """

    def __init__(self, methods, every, random, score):
        self.methods, self.all, self.random, self.score = methods, every, random, score

    def rows(self):
        """[(method, mean, sd, overlap, CPU seconds)]."""
        return [(name, one["mean"], one["sd"], one["overlap"], one["seconds"])
                for name, one in self.methods.items()]

    def __str__(self):
        lines = [f"{'method':<22} {'mean':>8} {'sd':>8} {'overlap':>8} {'CPU s':>8} ({self.score})"]
        lines += [f"{n:<22} {m:8.4f} {s:8.4f} {o:8.3f} {t:8.3f}" for n, m, s, o, t in self.rows()]
        lines += [f"{'all columns':<22} {self.all:8.4f}",
                  f"{'random columns':<22} {self.random:8.4f}"]
        return "\n".join(lines)

    def _repr_html_(self):
        body = "".join(f"<tr><td>{n}</td>" + "".join(f"<td>{v:.4g}</td>" for v in rest) + "</tr>"
                       for n, *rest in self.rows())
        return ("<table><tr><th>method</th><th>mean</th><th>sd</th><th>overlap</th><th>CPU s</th>"
                f"</tr>{body}</table>")


def _overlap(a, b, candidates):
    chance, most = len(a) * len(b) / candidates, min(len(a), len(b))
    return (len(a & b) - chance) / (most - chance) if most > chance else math.nan


def compare(X, y, k, *, methods=None, seeds=5, sample_weight=None, random_state=1, **parameters):
    """Compares methods: each chooses k candidates on the same splits, and a fresh model trained on
    them is scored on the held-out rows.

    Parameters
    ----------
    X, y, sample_weight : as in :meth:`Selector.fit`
    k : int or "auto"
    methods : list of str, default all that the data allows
    seeds : int, splits into training and validation rows, from seed `random_state` on
    **parameters : others of :class:`Selector`, for all methods

    Returns
    -------
    Comparison
    """
    names = list(methods) if methods is not None else list(BY_KEYWORD["method"].choices)
    if not names:
        raise ValueError("methods: none is named")
    if not 1 <= int(seeds) <= 1000:
        raise ValueError(f"seeds: {seeds!r}; a whole number from 1 to 1000 was expected")
    columns = np.shape(X)[1] if not hasattr(X, "shape") else X.shape[1]

    def choose(method, seed):
        selector = Selector(k, method=method, random_state=seed, compare=True, **parameters)
        return _fit(X, y, sample_weight, selector), selector.selected_

    return compare_runs(choose, names, range(int(random_state), int(random_state) + int(seeds)),
                        columns)


def compare_runs(choose, names, seeds, candidates):
    """The Comparison of choose(method, seed) -> (Selection with a comparison, chosen numbers)."""
    out, every, random, score = {}, [], [], "score"
    for name in names:
        runs = []
        for seed in seeds:
            selection, selected = choose(name, seed)
            scores = {w: one["validation_score"] for w, one in selection.comparison.items()}
            score = selection.record["score"]
            every.append(scores.get("all", math.nan))
            random.append(scores.get("random", math.nan))
            runs.append({"seed": seed, "score": scores.get("chosen", math.nan),
                         "selected": selected,
                         "seconds": selection.record["seconds"]["selecting_cpu"]})
        values = np.array([run["score"] for run in runs])
        pairs = [_overlap(set(a["selected"]), set(b["selected"]), candidates)
                 for i, a in enumerate(runs) for b in runs[:i]]
        out[name] = {"mean": values.mean(),
                     "sd": values.std(ddof=1) if len(values) > 1 else math.nan,
                     "overlap": float(np.mean(pairs)) if pairs else math.nan,
                     "seconds": float(np.mean([run["seconds"] for run in runs])), "runs": runs}
    return Comparison(out, float(np.mean(every)), float(np.mean(random)), score)
