"""Rows that come in parts, for partial_fit."""

import os
import tempfile

import numpy as np
from scipy import sparse


class Rows:
    """Rows added so far: dense ones in an unnamed file that is mapped when asked for, sparse ones
    in memory. Can be pickled; the rows go with it."""

    def __init__(self, names=None):
        self.names = names
        self.parts, self.y, self.weight = [], [], []
        self.count, self.columns, self._file = 0, None, None

    def add(self, x, y, weight):
        """x: (n, d) float32, dense or CSR as before; y as given; weight: (n) float32 or None."""
        if self.count and sparse.issparse(x) != bool(self.parts):
            raise ValueError("partial_fit: dense and sparse rows were mixed; rows of one kind were "
                             "expected")
        if sparse.issparse(x):
            self.parts.append(x.copy())
        else:
            self._file = self._file or tempfile.TemporaryFile(prefix="pare-", suffix=".rows")
            self._file.seek(0, os.SEEK_END)
            self._file.write(memoryview(x).cast("B"))
        self.y.append(np.array(y))
        self.weight.append(None if weight is None else weight.copy())
        self.count += x.shape[0]
        self.columns = x.shape[1]

    def all(self):
        """(x, y, weight or None, no categorical columns, names) of all rows."""
        if self.parts:
            x = sparse.vstack(self.parts, format="csr")
        else:
            self._file.flush()
            x = np.memmap(self._file, np.float32, "r", shape=(self.count, self.columns))
        weight = None
        if any(one is not None for one in self.weight):
            weight = np.concatenate([np.ones(len(y), np.float32) if one is None else one
                                     for one, y in zip(self.weight, self.y)])
        return x, np.concatenate(self.y), weight, [], self.names

    def __getstate__(self):
        state = self.__dict__.copy()
        if self._file is not None:
            self._file.seek(0)
            state["_file"] = self._file.read()
        return state

    def __setstate__(self, state):
        data = state.pop("_file")
        self.__dict__.update(state, _file=None)
        if data is not None:
            self._file = tempfile.TemporaryFile(prefix="pare-", suffix=".rows")
            self._file.write(data)
