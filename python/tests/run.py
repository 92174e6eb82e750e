"""Runs the tests; ends with 77 (skipped) where a package they need is not installed."""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent

try:
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import sklearn  # noqa: F401
except ImportError as error:
    print(f"skipped: {error}; python3-numpy, python3-sklearn and python3-pandas are needed")
    sys.exit(77)

sys.path[:0] = [str(HERE.parent), str(HERE)]
names = sys.argv[1:] or [p.stem for p in sorted(HERE.glob("test_*.py"))
                         if p.stem != "test_examples"]  # a test of its own
result = unittest.TextTestRunner(verbosity=1).run(
    unittest.defaultTestLoader.loadTestsFromNames(names))
sys.exit(0 if result.wasSuccessful() else 1)
