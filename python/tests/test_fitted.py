"""What comes out: reports, pickles, proofs, plots; interruption; agreement with the program."""

import ctypes
import json
import pickle
import signal
import tempfile
import threading
import time
import unittest
from pathlib import Path

import numpy as np
from sklearn.base import clone

from pare import OMPSelector, Selection, Selector, SequentialAttentionSelector
from pare import _library, _selection
from support import Case, classes, program, regression


class Results(Case):
    def test_pickle_and_report(self):
        x, y = regression()
        selector = OMPSelector(3, compare=True).fit(x, y)
        again = pickle.loads(pickle.dumps(selector))
        np.testing.assert_array_equal(again.transform(x), selector.transform(x))
        self.assertEqual(again.selection_.record, selector.selection_.record)
        self.assertIn("chosen", again.comparison_)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.html"
            again.report(path)
            self.assertIn("<svg", path.read_text())
            again.selection_.save(Path(folder) / "selection.json")
            text = (Path(folder) / "selection.json").read_text()
            self.assertEqual(json.loads(text), again.selection_.record)
            self.refuses(OSError, "nowhere", again.report, "/nowhere/report.html")
        self.assertIn("x2", again.selection_.text())
        self.assertIn("<td>x2</td>", again.selection_._repr_html_())
        self.assertIn("<td>x2</td>", again._repr_html_())

    def test_certificate(self):
        x, y = regression()
        selector = OMPSelector(3, certify=True).fit(x, y)
        self.assertGreater(selector.certificate_["fraction"], 0.999)
        self.assertIsNone(OMPSelector(3).fit(x, y).certificate_)

    def test_plots(self):
        try:
            import matplotlib
        except ImportError:
            self.skipTest("matplotlib is not installed")
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        x, y = regression()
        auto = OMPSelector().fit(x, y)
        self.assertEqual(len(auto.plot_path().lines), 1)
        self.assertEqual(len(OMPSelector(3).fit(x, y).plot_path().patches), 3)
        self.assertEqual(len(auto.plot_scores(plt.subplots()[1]).patches), auto.n_features_)
        plt.close("all")

    def test_warnings_are_seen(self):
        import warnings
        x, y = regression(60)
        x[:, 3] = np.nan
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            OMPSelector(2).fit(x, y)
        self.assertTrue(any("x3" in str(w.message) and w.category is UserWarning for w in seen))

    def test_progress_line(self):
        import contextlib
        import io
        seen = io.StringIO()
        with contextlib.redirect_stderr(seen):
            view = _selection.View(1)
            view.show(_library.Progress(stage=b"select", fraction=0.5, chosen=3, wanted=6,
                                        seconds=2, seconds_left=2, last=b"x4"))
            view.end()
            OMPSelector(2, verbose=1).fit(*regression(60))
        self.assertIn("select [##########..........] 3/6, last x4, 2 s, 2 s left",
                      seen.getvalue())

    def test_threads_of_the_caller(self):
        x, y = regression()
        want = OMPSelector(3).fit(x, y).scores_
        got, errors = [], []

        def work():
            try:
                got.append(OMPSelector(3, n_jobs=1).fit(x, y).scores_)
            except Exception as error:
                errors.append(error)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        for one in got:
            np.testing.assert_array_equal(one, want)

    def test_blas_threads_are_put_back(self):
        get = _library._blas.get
        if get is None:
            self.skipTest("the library has another BLAS")
        before = get()
        OMPSelector(2).fit(*regression(60))
        self.assertEqual(get(), before)


class Interrupted(Case):
    """Ctrl-C, sent from the loop itself, so that no test depends on the machine's speed."""

    @staticmethod
    def fit_counting(selector, x, y, signal_at=None):
        """Fits, and sends Ctrl-C at the so-many-th step; returns the number of steps."""
        count = 0

        class Counting:
            def __getattr__(self, name):
                return getattr(_library.library, name)

            def pare_selector_step(self, *arguments):
                nonlocal count
                count += 1
                if count == signal_at:
                    signal.raise_signal(signal.SIGINT)
                return _library.library.pare_selector_step(*arguments)
        _selection.library = Counting()  # Work looks it up there
        try:
            selector.fit(x, y)
        finally:
            _selection.library = _library.library
        return count

    def test_partial_then_resumed(self):
        x, y = regression()
        want = SequentialAttentionSelector(6, epochs=40, warm_start=True, random_state=3)
        steps = self.fit_counting(want, x, y)
        selector = clone(want)
        with self.assertRaises(KeyboardInterrupt):
            self.fit_counting(selector, x, y, max(2, steps // 2))
        self.assertTrue(selector.stopped_)
        self.assertLess(selector.n_features_, 6)
        self.assertEqual(selector.transform(x).shape[1], selector.n_features_)
        again = pickle.loads(pickle.dumps(selector)).fit(x, y)
        np.testing.assert_array_equal(again.selected_, want.selected_)
        np.testing.assert_array_equal(again.scores_, want.scores_)
        self.assertFalse(again.stopped_)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_other_threads_run(self):
        """fit releases the GIL: a thread goes on counting meanwhile."""
        x, y = classes(2000, 40)
        ticks, done = [0], threading.Event()

        def count():
            while not done.is_set():
                ticks[0] += 1
                time.sleep(0.001)
        thread = threading.Thread(target=count)
        thread.start()
        SequentialAttentionSelector(3, epochs=20, n_jobs=1).fit(x, y)
        done.set()
        thread.join()
        self.assertGreater(ticks[0], 5)


class Program(Case):
    """The same seed and data: the same columns as the command line, bit for bit."""

    def compare(self, x, y, selector, *words, **fit):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            names = [f"c{j}" for j in range(x.shape[1])]
            with open(folder / "table.csv", "w") as file:
                file.write(",".join(names) + ",y\n")
                for row, target in zip(x, y):
                    file.write(",".join("" if np.isnan(v) else repr(float(v)) for v in row) +
                               f",{target!r}\n")
            out = folder / "out.json"
            program("select", folder / "table.csv", "--target", "y", "--out", out, "--no-compare",
                    *words)
            want = Selection(out.read_text())
        import pandas as pd
        got = selector.fit(pd.DataFrame(x, columns=names), y, **fit).selection_
        self.assertEqual(got.names, want.names)
        self.assertEqual(got.scores, want.scores)
        self.assertEqual(got.record["task"], want.record["task"])

    def test_regression(self):
        x, y = regression(missing=True)
        self.compare(x, y, OMPSelector(5), "--method", "omp", "-k", 5)
        self.compare(x, y, SequentialAttentionSelector(4, epochs=10, random_state=7), "-k", 4,
                     "--epochs", 10, "--seed", 7)

    def test_classes(self):
        x, y = classes()
        self.compare(x, y, SequentialAttentionSelector(3, epochs=10, random_state=2, hidden="8"),
                     "-k", 3, "--epochs", 10, "--seed", 2, "--hidden", "8", "--threads", 1)
        self.compare(x, y, OMPSelector(forced=["c3"]), "--method", "omp", "-k", "auto",
                     "--include", "c3")
        self.compare(x, y, Selector(4, method="mutual-information"), "-k", 4, "--method",
                     "mutual-information")


class Library(Case):
    def test_declares_what_the_header_does(self):
        folder = Path(__file__).resolve().parents[2] / "include/pare"
        header = "".join(path.read_text() for path in folder.glob("*.h"))
        for name in _library._FUNCTIONS:
            self.assertIn(f"{name}(", header)

    def test_errors(self):
        with _library.Context(1) as context:
            self.refuses(ValueError, "no-such", _library.Config, context, {"no-such": "1"})
            self.refuses(ValueError, "'-1'", _library.Config, context, {"seed": "-1"})
            config = _library.Config(context, {})
            self.refuses(OSError, "nowhere.csv", context.make, _library.library.pare_dataset_close,
                         _library.library.pare_dataset_open, context.handle, b"/nowhere.csv",
                         config.handle)
        self.refuses(ValueError, "", _library.Context, 1000)
        self.assertTrue(issubclass(_library.PareMemoryError, MemoryError))
        self.assertEqual(ctypes.sizeof(_library.Progress), 72)


if __name__ == "__main__":
    unittest.main()
