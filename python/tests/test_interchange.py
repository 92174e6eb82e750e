"""Frames known by the interchange protocol only: chunks, packed bits, every kind of missing value."""

import unittest

import numpy as np
import pandas as pd

from pare import OMPSelector, _interchange
from support import Case


class Buffer:
    def __init__(self, array):
        self._array = np.ascontiguousarray(array)
        self.ptr, self.bufsize = self._array.ctypes.data, self._array.nbytes


class Column:
    """What another library might hand over. null: (kind, value) of the protocol."""

    def __init__(self, kind, bits, count, data, null=(0, None), validity=None, offsets=None,
                 offset=0, categories=None, cuts=None, data_type=None):
        self.dtype, self.offset, self.describe_null = (kind, bits, "?", "="), offset, null
        self._count, self._categories, self._cuts = count, categories, cuts
        self._buffers = {"data": (Buffer(data), data_type or (kind, bits, "?", "=")),
                         "validity": validity and (Buffer(validity[0]), (20, validity[1], "b", "=")),
                         "offsets": None if offsets is None else (
                             Buffer(offsets), (0, offsets.itemsize * 8, "l", "="))}

    def size(self):
        return self._count

    def get_buffers(self):
        return self._buffers

    @property
    def describe_categorical(self):
        return {"is_ordered": False, "is_dictionary": True, "categories": self._categories}

    def get_chunks(self, n_chunks=None):
        yield self


class Frame:
    def __init__(self, columns):
        self._columns = columns

    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        return self

    def column_names(self):
        return list(self._columns)

    def get_column(self, j):
        return list(self._columns.values())[j]

    def get_chunks(self, n_chunks=None):
        yield self


class Chunks:
    """A pandas frame that hands itself over in pieces."""

    def __init__(self, frame, cuts):
        self._frame, self._cuts = frame, cuts

    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        return self

    def column_names(self):
        return list(self._frame.columns)

    def get_chunks(self, n_chunks=None):
        for a, b in zip(self._cuts, self._cuts[1:]):
            yield self._frame.iloc[a:b].__dataframe__()


def texts(values, offset_type=np.int64, **how):
    data = [(v or "").encode() for v in values]
    ends = np.concatenate([[0], np.cumsum([len(d) for d in data])]).astype(offset_type)
    return Column(21, 8, len(values), np.frombuffer(b"".join(data) or b"\0", np.uint8),
                  offsets=ends, **how)


class Reading(Case):
    def columns(self):
        """{name: (column, what it says)} of five rows."""
        one = np.array([1, 2, 3, 4, 5])
        bits = np.packbits([1, 0, 1, 1, 0], bitorder="little")
        packed = np.packbits([0, 0, 0, 1, 0, 1, 1, 0], bitorder="little")
        nan = np.nan
        return {
            "plain": (Column(0, 64, 5, one.astype(np.int64)), one),
            "small": (Column(1, 8, 5, one.astype(np.uint8)), one),
            "nan": (Column(2, 32, 5, np.array([1, nan, 3, 4, 5], np.float32), (1, None)),
                    [1, nan, 3, 4, 5]),
            "sentinel": (Column(0, 16, 5, np.array([1, -9, 3, -9, 5], np.int16), (2, -9)),
                         [1, nan, 3, nan, 5]),
            "bitmask": (Column(0, 32, 5, one.astype(np.int32), (3, 0), (bits, 1)),
                        [1, nan, 3, 4, nan]),
            "bytemask": (Column(2, 64, 5, one.astype(float), (4, 1),
                                (np.array([0, 0, 1, 0, 1], np.uint8), 8)), [1, 2, nan, 4, nan]),
            "shifted": (Column(0, 32, 5, np.arange(8, dtype=np.int32), (3, 0), (packed, 1),
                               offset=3), [3, nan, 5, 6, nan]),
            "bool": (Column(20, 8, 5, np.array([1, 0, 1, 1, 0], np.uint8)),
                     [True, False, True, True, False]),
            "packed bool": (Column(20, 1, 5, packed, offset=3), [True, False, True, True, False]),
            "text": (texts(["b", None, "äö", "", "b"], null=(3, 0),
                           validity=(np.packbits([1, 0, 1, 1, 1], bitorder="little"), 1)),
                     ["b", None, "äö", "", "b"]),
            "short offsets": (texts(list("vwxyz"), np.int32), list("vwxyz")),
            "category": (Column(23, 32, 5, np.array([1, 0, 1, 2, 0], np.uint32), (3, 0), (bits, 1),
                                categories=texts(["low", "mid", "high"]),
                                data_type=(1, 32, "I", "=")), ["mid", None, "mid", "high", None]),
            "codes": (Column(23, 8, 5, np.array([1, -1, 1, 0, 0], np.int8), (2, -1),
                             categories=texts(["low", "mid"]), data_type=(0, 8, "c", "=")),
                      ["mid", None, "mid", "low", "low"]),
        }

    def test_every_kind(self):
        columns = self.columns()
        got = _interchange.read(Frame({name: column for name, (column, _) in columns.items()}))
        self.assertEqual(list(got.columns), list(columns))
        for name, (_, want) in columns.items():
            with self.subTest(name):
                values = [None if v is None or v != v else v for v in got[name].tolist()]
                self.assertEqual(values, [None if v is None or v != v else v for v in want])
        for name in ("category", "codes"):
            self.assertEqual(str(got[name].dtype), "category")

    def test_refuses_what_is_no_feature(self):
        self.refuses(TypeError, "'when'", _interchange.read, Frame(
            {"when": Column(22, 64, 2, np.zeros(2, np.int64))}))

    def test_chunks(self):
        random = np.random.default_rng(0)
        n = 120
        frame = pd.DataFrame({
            "number": random.standard_normal(n), "whole": random.integers(0, 9, n),
            "flag": random.random(n) < 0.5,
            "text": np.array(["red", "green"], object)[random.integers(0, 2, n)],
            "kind": pd.Categorical(np.array(["a", "b", "c"])[random.integers(0, 3, n)])})
        frame.loc[::7, "number"] = np.nan
        y = (frame["kind"] == "b") * 2.0 + frame["whole"] + 0.1 * random.standard_normal(n)
        want = OMPSelector(2).fit(frame, y)
        for cuts in ((0, n), (0, 1, 50, n), (0, 40, 41, n)):
            got = OMPSelector(2).fit(Chunks(frame, cuts), y)
            np.testing.assert_array_equal(got.selected_, want.selected_)
            np.testing.assert_array_equal(got.scores_, want.scores_)
            self.assertEqual(list(got.feature_names_in_), list(frame.columns))
        self.assertEqual(list(got.transform(Chunks(frame, cuts)).columns), ["whole", "kind"])


if __name__ == "__main__":
    unittest.main()
