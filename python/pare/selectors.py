"""Selectors with the manners of scikit-learn."""

import contextlib
import inspect
import numbers
import os

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from . import _data
from ._library import ArgumentError
from ._options import TABLE, to_config, to_text, with_options
from ._rows import Rows
from ._selection import Selection, Work, _temporary

# Options that the selectors say in their own words, or that are about files and printing.
_OWN = {"k", "method", "include", "exclude", "seed", "threads", "groups", "categorical", "task",
        "compare", "certify", "costs", "budget"}
_SECTIONS = ("selection", "training", "proof")
_GENERAL = [o for o in TABLE if o.keyword not in _OWN and
            (o.section in _SECTIONS or o.keyword in ("validation", "split_by"))]
_EXACT = [o for o in _GENERAL if o.section == "proof" or o.keyword in (
    "validation", "split_by", "replace", "picks_per_phase", "time_limit", "ridge", "model")]

_COMMON = """\
n_features_to_select : int, float, "auto" or None, default="auto"
    How many candidates to choose (a group or a categorical column is one candidate): a number,
    a share of them (float below 1), or the fewest within one standard error of the best
    validation score. None, with a budget: as many as it allows.
{method}groups : dict, list of lists, or array of shape (n_features,), default=None
    Columns that are chosen together: ``{{name: [columns]}}``, a list of lists of columns, or a
    label for each column. Columns are names or positions; those in no group stand alone.
costs : dict, or array of shape (n_features,), default=None
    What columns cost, above 0: ``{{column or group: cost}}`` or one number a column; others cost
    1, a group what its columns cost or what is said under its name. Needs `budget`.
budget : float, default=None
    What the chosen may cost in all; n_features_to_select then is the most that are chosen. Gain
    per cost decides; "auto" looks for the fewest within the budget.
forced, excluded : list of columns or group names, or bool mask, default=None
    Candidates that must, or must not, be chosen.
categorical : list of columns, or bool mask, default=None
    Number columns to read as categories. Text and categorical columns of a data frame always are.
task : {{"auto", "binary", "multiclass", "regression"}}, default="auto"
    What the target is; "auto" looks at it. Several target columns are always regression.
compare : bool, default=False
    Whether to train and score models on the chosen, on all and on random candidates after
    choosing; fills ``path_`` and ``comparison_``.
certify : bool, default=False
    Whether to prove how near the chosen are to the best subset of their size; fills
    ``certificate_``.
random_state : int, RandomState instance or None, default=None
    Seed of every random draw; an int gives what ``pare select --seed`` gives with it. None is the
    command line's default, 1.
n_jobs : int or None, default=None
    Threads. None and -1: one per core. The answer does not depend on it.
verbose : int, default=0
    Whether to show progress in a line on standard error.
warm_start : bool, default=False
    Whether ``fit`` goes on where an interrupted (Ctrl-C) ``fit`` on the same data stopped.
{options}"""

_ATTRIBUTES = """\
selected_ : ndarray of int
    The chosen columns in order of choice; the columns of a group follow one another.
scores_ : ndarray of float, same shape
    The method's score of each at its choice (larger is better); NaN where it has none.
choices_ : list of str
    The chosen candidates, columns or groups, in order of choice.
support_ : ndarray of bool, shape (n_features_in_,)
    Mask of the chosen columns.
n_features_ : int
    Number of chosen columns.
cost_ : float
    What they cost; NaN without a budget.
path_ : ndarray, shape (m, 3)
    Number of candidates kept, validation score, its standard error, where measured
    (``compare=True`` or "auto"); else no rows.
comparison_ : dict
    Scores of models on the chosen, all and random candidates; empty without ``compare``.
certificate_ : dict or None
    What was proved, with ``certify=True`` (docs/certificates.md).
selection_ : pare.Selection
    The whole record.
stopped_ : bool
    Whether the work ended early (Ctrl-C, ``time_limit``); what was chosen by then stands.
n_features_in_, feature_names_in_ : int, ndarray of str
    As everywhere in scikit-learn."""


def _document(cls, method=""):
    indent = "\n".join
    cls.__doc__ = inspect.cleandoc(cls.__doc__).replace(
        "{common}", _COMMON.format(method=method, options="{options}")).replace(
        "{attributes}", indent(_ATTRIBUTES.split("\n")))
    return cls


class _BaseSelector(SelectorMixin, BaseEstimator):
    """What all selectors share. A subclass says which method to use."""

    def __init__(self, n_features_to_select="auto", *, groups=None, costs=None, budget=None,
                 forced=None, excluded=None, categorical=None, task="auto", compare=False,
                 certify=False, random_state=None, n_jobs=None, verbose=0, warm_start=False):
        self.n_features_to_select = n_features_to_select
        self.groups = groups
        self.costs = costs
        self.budget = budget
        self.forced = forced
        self.excluded = excluded
        self.categorical = categorical
        self.task = task
        self.compare = compare
        self.certify = certify
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.warm_start = warm_start

    # ---- Fitting

    def fit(self, X, y, sample_weight=None):
        """Chooses columns.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            Numbers; NaN is a missing value. float32 C-contiguous arrays are borrowed, all others
            copied once. Texts and categories are allowed in data frames.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Class labels or real values.
        sample_weight : array of shape (n_samples,), default=None
            Weights >= 0; rows of weight 0 are left out.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            With the sentence of the library, or scikit-learn's for shapes and types.
        KeyboardInterrupt
            After Ctrl-C; what was chosen by then is in the attributes all the same.
        """
        state = getattr(self, "_state", None) if self.warm_start else None
        self._rows = None
        return self._choose(_Prepared(self, *self._check(X, y, sample_weight)), state)

    def partial_fit(self, X, y, sample_weight=None, final=True):
        """Adds rows, and chooses from all rows added so far: the answer is that of ``fit`` on all of
        them together. Rows of numbers are kept as float32 in an unnamed temporary file, which the
        library reads in place, sparse ones in memory. A call of ``fit`` forgets them.

        Parameters
        ----------
        X : array, data frame of numbers or sparse matrix of shape (n_samples, n_features)
        y, sample_weight : as in ``fit``
        final : bool, default=True
            False: only adds rows. Choosing costs what ``fit`` costs on all rows so far, so say True
            with the last ones.

        Returns
        -------
        self

        Raises
        ------
        As ``fit``, and ValueError for columns of texts or categories, whose levels are known only
        when all rows are.
        """
        rows = getattr(self, "_rows", None)
        x, y, weight, categorical, names = self._check(X, y, sample_weight, reset=rows is None,
                                                       least=1)
        if categorical:
            raise ValueError("partial_fit: X has columns of texts or categories, whose levels are "
                             "known only when all rows are; fit takes them")
        self._rows = rows or Rows(names)
        self._rows.add(x, y, weight)
        if not final:
            return self
        return self._choose(_Prepared(self, *self._rows.all()), None)

    def _choose(self, data, state):
        with data, Work(data.config, self._threads(), self.verbose) as work:
            selection, self._state = work.select(data.wrap(work), state=state,
                                                 compare=self.compare, certify=self.certify)
        self._keep(selection, data.columns, data.groups)
        if selection.interrupted:
            raise KeyboardInterrupt
        return self

    def _check(self, X, y, sample_weight, reset=True, least=2):
        """Features as the library takes them, y, weights or None, categorical positions, names."""
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but "
                             "the target y is None.")
        X = _data.to_frame(X)
        categorical = []
        if _data.is_frame(X) and _data.needs_coding(X):
            _check_names(self, X, reset=reset)
            x, categorical = _data.frame_to_array(X)
            x = check_array(x, dtype=np.float32, order="C", ensure_min_samples=least,
                            estimator=self, **{_FINITE: "allow-nan"})
            if reset:
                self.n_features_in_ = x.shape[1]
        else:
            x = _validate(self, X, dtype=np.float32, order="C", accept_sparse="csr",
                          ensure_min_samples=least, reset=reset)
        if sparse.issparse(x) and not x.has_canonical_format:
            x = x.copy()
            x.sum_duplicates()
        check_consistent_length(x, y)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, x, dtype=np.float64)
            used = weight != 0
            if not used.any():
                raise ValueError("sample_weight: all are 0; some must be greater")
            if not used.all():
                x, weight = x[used], weight[used]
                y = _rows(y, used)
            weight = np.ascontiguousarray(weight, np.float32)
        return x, y, weight, categorical, _data.column_names(X)

    def _config(self, columns, groups, categorical):
        """{option name: text}."""
        given = {keyword: getattr(self, keyword) for keyword in self._option_keywords}
        if given.get("split_by"):
            given["split_by"] = columns.unique[columns.find("split_by", given["split_by"])]
        config = to_config(given)
        config["method"] = self._method()
        config["task"] = self.task
        config["k"] = self._count(len(columns.unique), groups)
        config["seed"] = str(self._seed())
        for option, what, given in (("include", "forced", self.forced),
                                    ("exclude", "excluded", self.excluded)):
            config[option] = ",".join(groups.candidates(what, given))
        config["categorical"] = ",".join(columns.unique[j] for j in categorical)
        config["costs"] = groups.costs(self.costs)
        if self.budget is not None:
            config["budget"] = to_text("budget", self.budget)
        return config

    def _count(self, columns, groups):
        k = self.n_features_to_select
        if isinstance(k, str):
            return k
        if k is None and self.budget is not None:
            return ""
        if isinstance(k, numbers.Real) and not isinstance(k, (bool, numbers.Integral)):
            if not 0 < k < 1:
                raise ValueError(f"n_features_to_select: {k!r}; a whole number, a share between 0 "
                                 "and 1, or 'auto' was expected")
            candidates = columns - len(groups.of) + len(groups.names)
            return str(max(1, int(k * candidates)))
        if not isinstance(k, numbers.Integral) or isinstance(k, bool):
            raise TypeError(f"n_features_to_select: {k!r} is a {type(k).__name__}; a whole number, "
                            "a share between 0 and 1, or 'auto' was expected")
        return str(int(k))

    def _seed(self):
        if self.random_state is None:
            return 1
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _threads(self):
        if self.n_jobs is None:
            return 0
        if not isinstance(self.n_jobs, numbers.Integral) or self.n_jobs == 0:
            raise ValueError(f"n_jobs: {self.n_jobs!r}; a whole number other than 0, or None, was "
                             "expected")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else \
            os.cpu_count() or 1
        return int(self.n_jobs) if self.n_jobs > 0 else max(1, cores + 1 + int(self.n_jobs))

    def _keep(self, selection, columns, groups):
        given = columns.given or columns.unique
        place = {name: members for name, members in zip(groups.names, groups.members)}
        original = dict(zip(groups.names, groups.original))
        chosen, scores, self.choices_ = [], [], []
        for name, score in zip(selection.names, selection.scores):
            members = place.get(name) or [columns.position[name]]
            chosen += members
            scores += [score] * len(members)
            self.choices_.append(original.get(name) or given[members[0]])
        self.selected_ = np.array(chosen, np.int64)
        self.scores_ = np.array(scores, np.float64)
        self.support_ = np.zeros(self.n_features_in_, bool)
        self.support_[self.selected_] = True
        self.n_features_ = int(self.support_.sum())
        self.cost_ = selection.cost
        self.path_ = np.array([[np.nan if v is None else v for v in step]
                               for step in selection.path], np.float64).reshape(-1, 3)
        self.comparison_ = selection.comparison
        self.certificate_ = selection.proof.get("certificate")
        self.selection_ = selection
        self.stopped_ = selection.stopped or selection.interrupted

    # ---- After fitting

    def _get_support_mask(self):
        check_is_fitted(self, "support_")
        return self.support_

    def transform(self, X):
        """The chosen columns of X, in the order X has them. A data frame with texts or categories
        stays a data frame with its types (a pandas one where X comes through the interchange
        protocol); all else as in scikit-learn."""
        X = _data.to_frame(X)
        if _data.is_frame(X) and _data.needs_coding(X):
            check_is_fitted(self, "support_")
            _check_names(self, X, reset=False)
            if X.shape[1] != self.n_features_in_:
                raise ValueError(f"X has {X.shape[1]} features, but {type(self).__name__} is "
                                 f"expecting {self.n_features_in_} features as input.")
            return X.iloc[:, np.flatnonzero(self.support_)]
        return super().transform(X)

    def get_feature_names_out(self, input_features=None):
        """Names of the chosen columns, in the order X has them."""
        check_is_fitted(self, "support_")
        return super().get_feature_names_out(input_features)

    def report(self, path):
        """Writes the HTML report of the fitted selection to `path`."""
        check_is_fitted(self, "support_")
        self.selection_.report(os.fspath(path))

    def plot_path(self, ax=None):
        """Validation score by number of candidates, or the scores in order of choice where no
        path was measured. Needs matplotlib. Returns the axes."""
        check_is_fitted(self, "support_")
        from .plot import plot_path
        return plot_path(self.selection_, ax)

    def plot_scores(self, ax=None):
        """Score of each choice. Needs matplotlib. Returns the axes."""
        check_is_fitted(self, "support_")
        from .plot import plot_scores
        return plot_scores(self.selection_, ax)

    def _repr_html_inner(self):
        html = BaseEstimator._repr_html_inner(self)
        return html + self.selection_._repr_html_() if hasattr(self, "selection_") else html

    def _more_tags(self):
        return {"allow_nan": True, "requires_y": True, "X_types": ["2darray", "sparse"]}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


class _Prepared:
    """Data and options of an estimator as the library takes them; a context manager, since groups
    are handed over as a file."""

    def __init__(self, estimator, x, y, weight, categorical, names):
        self.x, self.weight = x, weight
        self.columns = _data.Columns(x.shape[1], names)
        self.groups = _data.Groups(self.columns, estimator.groups)
        more = self.columns.list("categorical", estimator.categorical)
        self.config = estimator._config(self.columns, self.groups, sorted({*categorical, *more}))
        self.y, self.config["task"] = _data.target(y, self.config["task"])
        self._files = contextlib.ExitStack()

    def __enter__(self):
        for option, text in (("groups", self.groups.text()),):
            if text:
                self.config[option] = self._files.enter_context(_temporary(text, ".txt"))
        return self

    def __exit__(self, *_):
        self._files.close()

    def wrap(self, work):
        return _data.wrap(work.context, work.config, self.x, self.y, self.weight,
                          self.columns.unique)


# Renamed in scikit-learn 1.6, the old name gone in 1.8.
_FINITE = ("ensure_all_finite" if "ensure_all_finite" in inspect.signature(check_array).parameters
           else "force_all_finite")


def _validate(estimator, X, **how):
    """BaseEstimator._validate_data, a function from scikit-learn 1.6 on. NaN is allowed."""
    how[_FINITE] = "allow-nan"
    try:
        from sklearn.utils.validation import validate_data
    except ImportError:
        return estimator._validate_data(X, **how)
    return validate_data(estimator, X, **how)


def _check_names(estimator, X, reset):
    try:
        from sklearn.utils.validation import _check_feature_names
    except ImportError:
        return estimator._check_feature_names(X, reset=reset)
    return _check_feature_names(estimator, X, reset=reset)


def _rows(y, mask):
    y = _data.to_frame(y)
    return y.loc[mask] if hasattr(y, "loc") else np.asarray(y)[mask]


@with_options(_GENERAL)
@_document
class SequentialAttentionSelector(_BaseSelector):
    """Chooses features by sequential attention: a network with a softmax mask over the candidates
    is trained once, and the candidate of largest weight is committed to, phase by phase.

    Source: Yasuda et al., "Sequential Attention for Feature Selection", ICLR 2023.
    Cost: one training of the model.

    Parameters
    ----------
    {common}

    Attributes
    ----------
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from pare import SequentialAttentionSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> SequentialAttentionSelector(2, epochs=5).fit(X, y).transform(X).shape
    (150, 2)
    """

    def _method(self):
        return "sequential-attention"


@with_options(_EXACT)
@_document
class OMPSelector(_BaseSelector):
    """Chooses features by orthogonal matching pursuit on an exact linear model: at every step the
    candidate that lowers the loss of the refitted model most (classes: the logistic loss).

    Unlike scikit-learn's OrthogonalMatchingPursuit it takes groups, weights, missing values,
    sparse data, categories and class targets.

    Parameters
    ----------
    {common}

    Attributes
    ----------
    {attributes}
    """

    def _method(self):
        return "omp"


class _Methods:
    """The choices of option method."""

    option = next(o for o in TABLE if o.keyword == "method")


@with_options(_GENERAL)
class Selector(_BaseSelector):
    __doc__ = _document(type("Selector", (), {"__doc__": """
    Chooses features by any method of the library.

    Parameters
    ----------
    {common}

    Attributes
    ----------
    {attributes}
    """}), "method : {" + ", ".join(repr(c) for c in _Methods.option.choices) +
        "}, default='sequential-attention'\n    How to choose.\n").__doc__

    def __init__(self, n_features_to_select="auto", *, method="sequential-attention", groups=None,
                 costs=None, budget=None, forced=None, excluded=None, categorical=None,
                 task="auto", compare=False, certify=False, random_state=None, n_jobs=None,
                 verbose=0, warm_start=False):
        super().__init__(n_features_to_select, groups=groups, costs=costs, budget=budget,
                         forced=forced, excluded=excluded, categorical=categorical, task=task,
                         compare=compare, certify=certify, random_state=random_state,
                         n_jobs=n_jobs, verbose=verbose, warm_start=warm_start)
        self.method = method

    def _method(self):
        if self.method not in _Methods.option.choices:
            raise ArgumentError(f"option method: {self.method!r} is not one of "
                                f"{'|'.join(_Methods.option.choices)}")
        return self.method


__all__ = ["OMPSelector", "Selection", "Selector", "SequentialAttentionSelector"]
