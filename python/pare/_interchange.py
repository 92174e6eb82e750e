"""Data frames of other libraries (polars, ...) through the dataframe interchange protocol.

Source: https://data-apis.org/dataframe-protocol, version 1. Read here, not by pandas, whose readers
of older versions know neither packed booleans nor every kind of missing value.
"""

import ctypes

import numpy as np

_INT, _UINT, _FLOAT, _BOOL, _STRING, _DATETIME, _CATEGORY = 0, 1, 2, 20, 21, 22, 23
_LETTERS = {_INT: "i", _UINT: "u", _FLOAT: "f"}
_NONE, _NAN, _SENTINEL, _BITS, _BYTES = range(5)  # kinds of missing values


def _bytes(buffer):
    """The memory of a buffer, which must live as long as the array."""
    if buffer.bufsize == 0:
        return np.zeros(0, np.uint8)
    memory = (ctypes.c_uint8 * buffer.bufsize).from_address(buffer.ptr)
    return np.frombuffer(memory, np.uint8)


def _bits(memory, offset, count):
    return np.unpackbits(memory, count=offset + count, bitorder="little")[offset:].astype(bool)


def _numbers(memory, kind, bits, offset, count):
    if kind == _BOOL and bits == 1:
        return _bits(memory, offset, count)
    if kind == _BOOL:
        return memory[offset:offset + count].astype(bool)
    size = bits // 8
    return memory[offset * size:(offset + count) * size].view(f"={_LETTERS[kind]}{size}").copy()


def _missing(column, buffers, data, count):
    """Mask of the missing values, None if there are none."""
    kind, value = column.describe_null
    if kind == _NAN or kind == _SENTINEL and value is None:
        return np.isnan(data) if data.dtype.kind == "f" else None
    if kind == _SENTINEL:
        return data == value
    if kind in (_BITS, _BYTES) and buffers.get("validity") is not None:
        buffer, (_, bits, *_) = buffers["validity"]
        mask = (_bits(_bytes(buffer), column.offset, count) if kind == _BITS else
                _bytes(buffer)[column.offset * bits // 8:][:count * bits // 8:max(1, bits // 8)])
        return mask == bool(value)
    return None


def _texts(column, buffers, count):
    """Objects: str, or None where missing."""
    buffer, (_, bits, *_) = buffers["offsets"]
    ends = _numbers(_bytes(buffer), _INT, bits, column.offset, count + 1)
    data = _bytes(buffers["data"][0]).tobytes()
    out = np.empty(count, object)
    out[:] = [data[a:b].decode("utf-8") for a, b in zip(ends[:-1], ends[1:])]
    mask = _missing(column, buffers, np.zeros(count, np.uint8), count)
    if mask is not None:
        out[mask] = None
    return out


def _piece(name, column):
    """One chunk of a column as an array: numbers, NaN where missing; or objects."""
    kind, bits = column.dtype[:2]
    count = column.size() if callable(column.size) else column.size
    kind = int(kind)
    buffers = column.get_buffers()
    if kind == _STRING:
        return _texts(column, buffers, count)
    if kind == _CATEGORY:
        labels = column.describe_categorical
        labels = labels["categories"] if isinstance(labels, dict) else labels[-1]
        labels = np.concatenate([_piece(name, part) for part in labels.get_chunks()])
        stored, physical = int(buffers["data"][1][0]), buffers["data"][1][1]
        stored = stored if stored in (_INT, _UINT) else _UINT if bits == 32 else _INT
        codes = _numbers(_bytes(buffers["data"][0]), stored, physical, column.offset, count)
        mask = _missing(column, buffers, codes, count)
        out = np.empty(count, object)
        known = np.ones(count, bool) if mask is None else ~mask
        out[known] = labels.astype(object)[codes[known]]
        return out
    if kind not in (*_LETTERS, _BOOL):
        raise TypeError(f"column {name!r} is of kind {kind} of the interchange protocol; numbers, "
                        "bools, texts or categories were expected")
    data = _numbers(_bytes(buffers["data"][0]), kind, bits, column.offset, count)
    mask = _missing(column, buffers, data, count)
    if mask is not None and mask.any():
        data = data.astype(np.float64)
        data[mask] = np.nan
    return data


def read(source):
    """A pandas data frame of an object that has ``__dataframe__``."""
    import pandas as pd
    frame = source.__dataframe__(allow_copy=True)
    names = list(frame.column_names())
    pieces, categories = [[] for _ in names], set()
    for chunk in frame.get_chunks():
        for j, name in enumerate(names):
            column = chunk.get_column(j)
            if int(column.dtype[0]) == _CATEGORY:
                categories.add(j)
            pieces[j] += [_piece(name, part) for part in column.get_chunks()]
    columns = [np.concatenate(parts) if parts else np.zeros(0) for parts in pieces]
    out = pd.DataFrame({j: pd.Categorical(column) if j in categories else column
                        for j, column in enumerate(columns)})
    out.columns = names
    return out
