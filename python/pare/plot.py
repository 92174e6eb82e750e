"""Charts with matplotlib, which is needed only here."""

import numpy as np


def _axes(ax):
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt
    return plt.subplots()[1]


def plot_path(selection, ax=None):
    """Validation score (one standard error shaded) by number of candidates kept; the scores at
    choice where no path was measured. Returns the axes."""
    if not selection.path:
        return plot_scores(selection, ax)
    ax = _axes(ax)
    count, score, error = np.array([[np.nan if v is None else v for v in step]
                                    for step in selection.path], float).T
    ax.plot(count, score, marker="o", markersize=3)
    ax.fill_between(count, score - error, score + error, alpha=0.2)
    ax.set_xlabel("candidates kept")
    ax.set_ylabel(f"validation {selection.record['score'] or 'score'}")
    return ax


def plot_scores(selection, ax=None):
    """Bars of the score of each choice, in order. Returns the axes."""
    ax = _axes(ax)
    names, scores = selection.names, selection.scores
    ax.barh(range(len(names)), scores)
    ax.set_yticks(range(len(names)))
    ax.set_yticklabels(names)
    ax.invert_yaxis()
    ax.set_xlabel("score at choice")
    return ax


def plot_stability(selection, ax=None, most=40):
    """Share of the half samples that chose each candidate, the most frequent first, with the
    threshold. Needs a selection made with ``stability``. Returns the axes."""
    frequencies = selection.record["proof"]["frequencies"][:most]
    ax = _axes(ax)
    ax.barh(range(len(frequencies)), [one["frequency"] for one in frequencies])
    ax.set_yticks(range(len(frequencies)))
    ax.set_yticklabels([one["name"] for one in frequencies])
    ax.invert_yaxis()
    ax.axvline(selection.proof["stability"]["threshold"], linestyle="--", color="black")
    ax.set_xlabel("share of half samples")
    return ax
