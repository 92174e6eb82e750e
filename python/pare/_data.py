"""Arrays, data frames and sparse matrices as the library takes them.

A NumPy array that is float32 and C-contiguous is borrowed as it is; everything else is copied
once, to float32.
"""

import ctypes
import numbers
import re
import warnings

import numpy as np
from scipy import sparse

from ._library import encode, library


def is_frame(x):
    """A pandas data frame, without importing pandas."""
    return hasattr(x, "iloc") and hasattr(x, "dtypes") and hasattr(x, "columns")


def to_frame(x):
    """A data frame of another library (polars, ...) as a pandas one, through the interchange
    protocol; anything else as it is."""
    if hasattr(x, "__dataframe__") and not is_frame(x):
        from ._interchange import read
        return read(x)
    return x


def column_names(x):
    """Names of the columns if all are texts, else None, as scikit-learn has it."""
    if not is_frame(x):
        return None
    names = list(x.columns)
    return names if names and all(isinstance(name, str) for name in names) else None


# ---- Features ------------------------------------------------------------------------------------


def _kind(dtype):
    """"number", "category", or None for what cannot be a feature."""
    if isinstance(dtype, np.dtype):
        return {"b": "number", "i": "number", "u": "number", "f": "number", "O": "category",
                "U": "category", "S": "category"}.get(dtype.kind)
    if type(dtype).__name__ in ("CategoricalDtype", "StringDtype"):
        return "category"
    return "number" if getattr(dtype, "_is_numeric", False) or dtype.kind in "biuf" else None


def needs_coding(frame):
    """Whether some column of a data frame is not numeric."""
    return any(_kind(dtype) != "number" for dtype in frame.dtypes)


def _codes(column):
    """Level numbers of a categorical or text column, NaN where it is missing. Levels are numbered
    by first appearance, as the library numbers those of a file."""
    import pandas as pd
    plain = column.astype(object) if hasattr(column, "cat") else column
    try:
        codes, _ = pd.factorize(plain)
    except TypeError as error:
        raise TypeError(f"column {column.name!r}: {error}; numbers, texts or categories were "
                        "expected") from None
    return np.where(codes < 0, np.nan, codes)


_NUMBERS = (int, float, np.number, np.bool_)


def frame_to_array(frame):
    """(n, d) float32 of a data frame, and the positions of its categorical columns."""
    out = np.empty(frame.shape, np.float32)
    categorical = []
    for j in range(frame.shape[1]):
        column = frame.iloc[:, j]
        kind = _kind(column.dtype)
        if kind is None:
            raise TypeError(f"column {frame.columns[j]!r} is of type {column.dtype}; numbers, "
                            "bools, texts or categories were expected")
        if kind == "category" and column.dtype == object:
            filled = column.dropna()
            if len(filled) and all(isinstance(v, _NUMBERS) for v in filled):
                kind = "number"
        if kind == "category":
            categorical.append(j)
            out[:, j] = _codes(column)
        else:
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            out[:, j] = values
            if np.isinf(out[:, j]).any():
                raise ValueError(f"Input X contains infinity or a value too large for "
                                 f"dtype('float32'): column {frame.columns[j]!r}.")
    return out, categorical


class Columns:
    """The columns as the library names them: texts that its lists and files can hold, each once.

    Attributes
    ----------
    unique : list of str, the names handed over
    given : list of str or None, the names of the user's data frame
    """

    def __init__(self, count, given=None):
        self.given = given
        self.unique = unique_names(given if given else [f"x{j}" for j in range(count)])
        self.position = {name: j for j, name in enumerate(self.unique)}

    def find(self, what, column):
        """Position of a column given by name or position."""
        count = len(self.unique)
        if isinstance(column, (bool, np.bool_)):
            raise TypeError(f"{what}: a bool names no column")
        if isinstance(column, (int, np.integer)):
            if not -count <= column < count:
                raise ValueError(f"{what}: there is no column {column}; X has {count} columns")
            return int(column) % count
        if self.given and column in self.given:
            return self.given.index(column)
        raise ValueError(f"{what}: there is no column {column!r}" +
                         ("" if self.given else "; X has no column names"))

    def list(self, what, columns):
        """Positions, in ascending order, of a list of names or positions, or of a bool mask."""
        if columns is None:
            return []
        if isinstance(columns, (str, int, np.integer)):
            columns = [columns]
        columns = list(columns)
        if columns and all(isinstance(c, (bool, np.bool_)) for c in columns):
            if len(columns) != len(self.unique):
                raise ValueError(f"{what}: a mask of {len(columns)} values; X has "
                                 f"{len(self.unique)} columns")
            return [j for j, yes in enumerate(columns) if yes]
        return sorted({self.find(what, c) for c in columns})


# What no name may hold, or two blanks where names meet: one begins or ends with a blank, or is "".
_ODD = re.compile(r"[,\r\n\t\0]|\s\s|^\s|\s$|^$")


def unique_names(names, taken=()):
    """Names without commas, line ends and outer blanks, made different by a number at the end."""
    if not taken and len(set(names)) == len(names) and not _ODD.search(" ".join(map(str, names))):
        return [str(name) for name in names]
    out, seen = [], set(taken)
    for j, name in enumerate(names):
        clean = re.sub(r"[,\r\n\t\0]", "_", str(name)).strip() or f"x{j}"
        base, n = clean, 2
        while clean in seen:
            clean, n = f"{base}.{n}", n + 1
        seen.add(clean)
        out.append(clean)
    return out


class Groups:
    """Columns chosen together.

    given: None; {name: columns}; a list of lists of columns; or one label a column, where columns
    of the same label belong together. Columns in no group are candidates of their own.
    """

    def __init__(self, columns, given):
        self.columns = columns
        if given is None:
            given = {}
        if isinstance(given, dict):
            names, lists = list(given), list(given.values())
        else:
            given = list(given)
            if all(isinstance(one, (str, int, float, np.generic)) for one in given):
                if len(given) != len(columns.unique):
                    raise ValueError(f"groups: {len(given)} labels; X has "
                                     f"{len(columns.unique)} columns")
                by_label = {}
                for j, label in enumerate(given):
                    by_label.setdefault(label, []).append(j)
                names, lists = list(by_label), list(by_label.values())
                names = [name if isinstance(name, str) else f"group {name}" for name in names]
            else:
                names, lists = [f"group {g}" for g in range(len(given))], given
        self.members = [self._positions(name, one) for name, one in zip(names, lists)]
        grouped = {j for one in self.members for j in one}
        taken = [n for j, n in enumerate(columns.unique) if j not in grouped]
        clean = [re.sub(r":", "_", str(name)).lstrip("#") for name in names]
        self.names = unique_names(clean, taken)
        self.original = [str(name) for name in names]
        self.of = {j: g for g, one in enumerate(self.members) for j in one}

    def _positions(self, name, given):
        what = f"groups: group {name!r}"
        if isinstance(given, (str, int, np.integer)):
            given = [given]
        return [self.columns.find(what, c) for c in given]

    def text(self):
        """The file that option groups reads."""
        return "".join(f"{name}: {', '.join(self.columns.unique[j] for j in one)}\n"
                       for name, one in zip(self.names, self.members))

    def candidates(self, what, given):
        """Library names of the candidates of a list of columns or groups."""
        if given is None:
            return []
        if isinstance(given, str) or not hasattr(given, "__iter__"):
            given = [given]
        given = list(given)
        named = [g for g in given if isinstance(g, str) and g in self.original
                 and not (self.columns.given and g in self.columns.given)]
        chosen = {self.names[self.original.index(g)]: None for g in named}
        for j in self.columns.list(what, [g for g in given if g not in named]):
            chosen[self.names[self.of[j]] if j in self.of else self.columns.unique[j]] = None
        return list(chosen)


    def costs(self, given):
        """The list that option costs reads: of a {column or group: cost}, or one cost a column."""
        if given is None:
            return ""
        if not isinstance(given, dict):
            values = np.asarray(given)
            if values.shape != (len(self.columns.unique),):
                raise ValueError(f"costs: of shape {values.shape}; a cost for each of the "
                                 f"{len(self.columns.unique)} columns was expected")
            given = dict(enumerate(values.tolist()))
        pieces = []
        for what, cost in given.items():
            if isinstance(cost, bool) or not isinstance(cost, numbers.Real):
                raise TypeError(f"costs: {cost!r} of {what!r} is a {type(cost).__name__}; a number "
                                "was expected")
            group = (isinstance(what, str) and what in self.original
                     and not (self.columns.given and what in self.columns.given))
            name = (self.names[self.original.index(what)] if group
                    else self.columns.unique[self.columns.find("costs", what)])
            if group or cost != 1:  # 1 is what the others cost
                pieces.append(f"{name}:{float(cost)!r}")
        return ",".join(pieces)


# ---- Target and weights --------------------------------------------------------------------------


def target(y, task):
    """(n, outputs) float64 C-contiguous, and the task for the library. Texts and bools become class
    numbers in sorted order."""
    y = to_frame(y)
    if sparse.issparse(y):
        raise TypeError("a sparse y was passed, but dense data is required")
    y = np.asarray(y)
    if y.ndim == 0 or y.ndim > 2:
        raise ValueError(f"y should be a 1d or 2d array, got an array of shape {y.shape} instead.")
    if y.ndim == 2 and y.shape[1] == 1:
        from sklearn.exceptions import DataConversionWarning
        warnings.warn("A column-vector y was passed when a 1d array was expected. Please change "
                      "the shape of y to (n_samples,), for example using ravel().",
                      DataConversionWarning, stacklevel=4)
        y = y.ravel()
    if y.dtype.kind == "c":
        raise ValueError("Complex data not supported\ny is complex")
    if y.dtype.kind == "O":
        y = _of_objects(y)
    if y.dtype.kind in "biuf":
        values = np.ascontiguousarray(y, np.float64)
        _refuse_odd(values)
    if y.dtype.kind in "bOUS":
        if y.ndim == 2:
            if y.dtype.kind != "b":
                raise ValueError("y has several columns of texts; several targets must be numbers")
        else:
            labels, values = np.unique(y, return_inverse=True)
            if task == "auto":
                task = "binary" if len(labels) == 2 else "multiclass"
            values = values.astype(np.float64)
            if len(labels) < 2:
                raise ValueError(f"y holds 1 class ({labels[0]!r}); at least 2 were expected")
    elif y.dtype.kind not in "iuf":
        raise ValueError(f"Unknown label type: y is of type {y.dtype}; numbers or class labels "
                         "were expected")
    return np.ascontiguousarray(values.reshape(len(y), -1)), task


def _of_objects(y):
    """Objects that are all numbers, or all texts."""
    missing = [v is None or v != v for v in y.ravel()]
    if any(missing):
        raise ValueError("Input y contains NaN.")
    kinds = {isinstance(v, (bool, np.bool_)) + 2 * isinstance(v, (str, bytes)) +
             4 * (isinstance(v, (int, float, np.number)) and not isinstance(v, bool))
             for v in y.ravel()}
    if kinds == {4}:
        return y.astype(np.float64)
    if kinds == {1}:
        return y.astype(bool)
    if kinds == {2}:
        return y.astype(str)
    raise ValueError("Unknown label type: 'unknown': y mixes numbers, texts or other objects; "
                     "class labels or numbers of one kind were expected")


def _refuse_odd(values):
    if np.isnan(values).any():
        raise ValueError("Input y contains NaN.")
    if np.isinf(values).any():
        raise ValueError("Input y contains infinity or a value too large for dtype('float64').")


# ---- The handle ----------------------------------------------------------------------------------


def _pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def wrap(context, config, x, y, weight, names):
    """The arrays as a dataset of the library; they must live as long as the context.

    x: (n, d) float32 C-contiguous, or CSR float32 in canonical format. y: (n, outputs) float64.
    weight: (n) float32 or None. names: list of str.
    """
    n, d = x.shape
    texts = (ctypes.c_char_p * d)(*[encode(name) for name in names])
    rest = (y.shape[1], _pointer(y), _pointer(weight) if weight is not None else None, texts,
            config.handle)
    if sparse.issparse(x):
        start = np.ascontiguousarray(x.indptr, np.int64)
        index = np.ascontiguousarray(x.indices, np.int32)
        value = np.ascontiguousarray(x.data, np.float32)
        if value.size == 0:
            index, value = np.zeros(1, np.int32), np.zeros(1, np.float32)
        handle = context.make(library.pare_dataset_close, library.pare_dataset_wrap_sparse,
                              context.handle, n, d, _pointer(start), _pointer(index),
                              _pointer(value), *rest)
        keep = (start, index, value)
    else:
        handle = context.make(library.pare_dataset_close, library.pare_dataset_wrap,
                              context.handle, n, d, _pointer(x), *rest)
        keep = (x,)
    context.keep = getattr(context, "keep", []) + [keep, y, weight]
    return handle
