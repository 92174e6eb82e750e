"""Shared by the tests: generated tables, and a base class that makes warnings visible."""

import os
import subprocess
import unittest
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PARE_PROGRAM", str(ROOT / "build" / "bin" / "pare"))


def regression(n=200, d=12, seed=0, missing=False):
    """Columns 2, 5 and 7 matter. float32."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, d)).astype(np.float32)
    y = 3 * x[:, 2] - 2 * x[:, 5] + x[:, 7] + 0.1 * random.standard_normal(n)
    if missing:
        x[random.random((n, d)) < 0.05] = np.nan
    return x, y.astype(np.float64)


def classes(n=240, d=10, count=3, seed=0):
    """Columns 1 and 4 decide the class."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, d)).astype(np.float32)
    y = np.digitize(x[:, 1] + 0.8 * x[:, 4], np.linspace(-1, 1, count - 1) if count > 2 else [0])
    return x, y


class Case(unittest.TestCase):
    def setUp(self):
        caught = warnings.catch_warnings()
        caught.__enter__()
        self.addCleanup(caught.__exit__, None, None, None)
        warnings.simplefilter("ignore")

    def refuses(self, kind, words, function, *args, **kwargs):
        """function raises kind with a sentence that holds words."""
        with self.assertRaises(kind) as caught:
            function(*args, **kwargs)
        self.assertIn(words, str(caught.exception))
        return caught.exception


def program(*words, **kwargs):
    return subprocess.run([PROGRAM, *map(str, words)], check=True, capture_output=True, text=True,
                          **kwargs).stdout
