"""pare: choose the subset of features that is worth its cost.

>>> from pare import SequentialAttentionSelector
>>> SequentialAttentionSelector(50).fit(X, y).transform(X)          # doctest: +SKIP
"""

from ._library import (ArgumentError, InputError, NumericError, PareError, PareIOError,
                       PareMemoryError, UnsupportedError)
from ._options import Option, options
from ._selection import Selection
from .functions import Comparison, certify, compare, knockoffs, stability
from .models import generate, latency, model_info, perplexity, prune
from .selectors import OMPSelector, Selector, SequentialAttentionSelector
from .table import Table, apply, convert, info, load, open, select
from .tasks import EmbeddingPlan, Molecules, Panel, chem, embed, genome, panel, score

__version__ = "0.1.0"
__all__ = ["ArgumentError", "Comparison", "EmbeddingPlan", "InputError", "Molecules",
           "NumericError", "OMPSelector", "Option", "Panel", "PareError", "PareIOError",
           "PareMemoryError", "Selection", "Selector", "SequentialAttentionSelector", "Table",
           "UnsupportedError", "apply", "certify", "chem", "compare", "convert", "embed",
           "generate", "genome", "info", "knockoffs", "latency", "load", "model_info", "open",
           "options", "panel", "perplexity", "prune", "score", "select", "stability"]
