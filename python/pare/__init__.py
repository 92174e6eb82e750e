"""pare: choose the subset of features that is worth its cost.

>>> from pare import SequentialAttentionSelector
>>> SequentialAttentionSelector(50).fit(X, y).transform(X)          # doctest: +SKIP
"""

from ._library import (ArgumentError, InputError, NumericError, PareError, PareIOError,
                       PareMemoryError, UnsupportedError)
from ._options import Option, options
from ._selection import Selection
from .selectors import OMPSelector, Selector, SequentialAttentionSelector

__version__ = "0.1.0"
__all__ = ["ArgumentError", "InputError", "NumericError", "OMPSelector", "Option", "PareError",
           "PareIOError", "PareMemoryError", "Selection", "Selector",
           "SequentialAttentionSelector", "UnsupportedError", "options"]
