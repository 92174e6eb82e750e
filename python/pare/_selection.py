"""The answer of a selection, and the work that makes one."""

import ctypes
import json
import os
import sys
import tempfile
from ctypes import byref, c_bool

from ._library import (PROGRESS_FN, Config, Context, Progress, decode, encode, interruptible,
                       library)


class Selection:
    """What was chosen: the record that ``selection.json`` holds (docs/selection_json.md). Can be
    pickled; holds no handle of the library.

    Attributes
    ----------
    record : dict, the whole record
    names : list of str, the chosen candidates in order of choice
    columns : list of list of str, the columns of each
    items : list of int, their candidate numbers
    scores : list of float, the method's score of each at its choice (NaN: none)
    cost : float, what the chosen cost in all (NaN: there was no budget)
    path : list of (count, validation score, standard error), where it was measured
    comparison : dict of dict, models on the chosen, all and random candidates, where made
    proof : dict, what was proved: "certificate", "stability", "knockoffs", "held_out"
    stopped : bool, whether the work ended early
    """

    interrupted = False  # by Ctrl-C, in this process

    def __init__(self, text):
        self.json = text
        self.record = json.loads(text)

    def __getstate__(self):
        return {"json": self.json}

    def __setstate__(self, state):
        self.__init__(state["json"])

    @property
    def names(self):
        return [item["name"] for item in self.record["items"]]

    @property
    def columns(self):
        return [item["columns"] for item in self.record["items"]]

    @property
    def items(self):
        return [item["candidate"] for item in self.record["items"]]

    @property
    def scores(self):
        return [float("nan") if item["score"] is None else item["score"]
                for item in self.record["items"]]

    @property
    def cost(self):
        return (sum(item["cost"] for item in self.record["items"]) if "budget" in self.record
                else float("nan"))

    @property
    def path(self):
        return [(step["count"], step["score"], step["error"]) for step in self.record["path"]]

    @property
    def comparison(self):
        return {which: one for which, one in (self.record.get("comparison") or {}).items()
                if one and one["candidates"]}

    @property
    def proof(self):
        return {which: one for which, one in (self.record.get("proof") or {}).items() if one}

    @property
    def stopped(self):
        return self.record["stopped"]

    def __len__(self):
        return len(self.record["items"])

    def __repr__(self):
        shown = ", ".join(self.names[:8]) + (", ..." if len(self) > 8 else "")
        return f"<pare selection by {self.record['method']}: {len(self)} chosen: {shown}>"

    def __str__(self):
        return self.text()

    def _use(self, function):
        """Runs function(context, handle) on the record read back by the library."""
        with Context(1) as context, _temporary(self.json) as path:
            handle = context.make(library.pare_selection_destroy, library.pare_selection_load,
                                  context.handle, encode(path))
            return function(context, handle)

    def text(self):
        """The table that the command line prints."""
        def get(context, handle):
            out = ctypes.c_char_p()
            context.check(library.pare_selection_text(handle, byref(out)))
            return decode(out.value)
        return self._use(get)

    def save(self, path):
        """Writes selection.json. Raises OSError if the file cannot be written."""
        self._use(lambda c, h: c.check(library.pare_selection_save(h, encode(path))))

    def report(self, path):
        """Writes the self-contained HTML report. Raises OSError if it cannot be written."""
        self._use(lambda c, h: c.check(library.pare_selection_report(h, encode(path))))

    def apply(self, source, path):
        """Copies the chosen columns (and target and weights) of the CSV or TSV file `source` to
        `path`, cells byte for byte."""
        self._use(lambda c, h: c.check(
            library.pare_selection_apply(h, encode(source), encode(path))))

    def _repr_html_(self):
        from html import escape
        rows = "".join(f"<tr><td>{r}</td><td>{escape(n)}</td><td>{s:.4g}</td></tr>"
                       for r, (n, s) in enumerate(zip(self.names, self.scores), 1))
        return (f"<table><caption>{escape(self.record['method'] or '')}: {len(self)} chosen"
                f"{', stopped early' if self.stopped else ''}</caption>"
                f"<tr><th></th><th>name</th><th>score</th></tr>{rows}</table>")


class _temporary:
    """A file with some text, removed in the end; without text only its name."""

    def __init__(self, text=None, suffix=".json"):
        self.text, self.suffix = text, suffix

    def __enter__(self):
        handle, self.path = tempfile.mkstemp(prefix="pare-", suffix=self.suffix)
        with os.fdopen(handle, "wb") as file:
            if self.text is not None:
                file.write(self.text if isinstance(self.text, bytes) else encode(self.text))
        return self.path

    def __exit__(self, *_):
        if os.path.exists(self.path):
            os.remove(self.path)


# ---- Doing the work ------------------------------------------------------------------------------


class View:
    """One line on standard error that says how far the work is."""

    def __init__(self, verbose):
        self.verbose = verbose
        self.shown = False

    def show(self, progress):
        if not self.verbose:
            return
        left = f", {progress.seconds_left:.0f} s left" if progress.seconds_left >= 0 else ""
        last = f", last {decode(progress.last)}" if progress.last else ""
        filled = int(20 * max(0.0, min(1.0, progress.fraction)))
        line = (f"{decode(progress.stage) or ''} [{'#' * filled}{'.' * (20 - filled)}] "
                f"{progress.chosen}/{progress.wanted}{last}, {progress.seconds:.0f} s{left}")
        sys.stderr.write("\r" + line[:100].ljust(100))
        sys.stderr.flush()
        self.shown = True

    def end(self):
        if self.shown:
            sys.stderr.write("\n")
            sys.stderr.flush()


def _callback(view, stop):
    """A progress callback that shows and, after Ctrl-C, stops."""
    def progress(_, state):
        view.show(state.contents)
        return 1 if stop.hit else 0
    return PROGRESS_FN(progress)


def read(context, handle):
    """The record of a selection of the library."""
    text = ctypes.c_char_p()
    context.check(library.pare_selection_json(handle, byref(text)))
    return Selection(text.value.decode("utf-8"))


class Work:
    """One piece of work of the library in a context of its own; a context manager.

    options: {option name: text}. After Ctrl-C, .stop.hit is set and the work at hand ends with what
    it has; what to do about it is left to the caller.
    """

    def __init__(self, options, threads=0, verbose=0, context=None):
        self.options = dict(options, threads=str(threads))
        self.threads, self.view = threads, View(verbose)
        self.own = context is None
        self.context = context

    def __enter__(self):
        self.context = self.context or Context(self.threads)
        self.stop = Stopped()
        self.stop.__enter__()
        try:
            self.config = Config(self.context, self.options)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        self.callback = _callback(self.view, self.stop)
        return self

    def __exit__(self, kind, *_):
        self.view.end()
        self.stop.__exit__(kind)
        if kind is None:
            self.context.warn(stacklevel=4)
        if self.own:
            self.context.close()

    def select(self, train, valid=None, test=None, state=None, compare=False, certify=False):
        """Chooses, and compares and certifies where asked for. state: bytes that an interrupted
        call returned. Returns (Selection, state); state is None unless Ctrl-C came while choosing,
        and then the selection is partial."""
        check, config = self.context.check, self.config.handle
        selector = self.context.make(library.pare_selector_destroy, library.pare_selector_create,
                                     train, valid, config)
        if state is not None:
            with _temporary(state, ".state") as path:
                check(library.pare_selector_load(selector, encode(path)))
        done, shown, progress = c_bool(False), 0.0, Progress()
        while not done.value and not self.stop.hit:
            check(library.pare_selector_step(selector, byref(done)))
            if self.view.verbose and library.pare_selector_progress(
                    selector, byref(progress)) == 0 and progress.seconds - shown > 0.1:
                shown = progress.seconds
                self.view.show(progress)
        state = None if done.value else self._state(selector)
        selection = self.context.make(library.pare_selection_destroy,
                                      library.pare_selector_result, selector)
        if compare and not self.stop.hit:
            check(library.pare_selection_evaluate(selection, train, valid, test, config,
                                                  self.callback, None))
        if certify and library.pare_selection_count(selection) > 0:
            self.certify(selection, train)
        return self.record(selection), state

    def certify(self, selection, train):
        if not self.stop.hit:
            self.context.check(library.pare_selection_certify(
                selection, train, self.config.handle, self.callback, None))

    def _state(self, selector):
        """The selector's state, or None for what cannot be resumed."""
        with _temporary(None, ".state") as path:
            if library.pare_selector_save(selector, encode(path)) != 0:
                return None
            with open(path, "rb") as file:
                return file.read()

    def record(self, handle):
        """The selection behind a handle."""
        answer = read(self.context, handle)
        answer.interrupted = self.stop.hit
        return answer


class Stopped(interruptible):
    """Ctrl-C ends the work and raises nothing."""

    def __exit__(self, kind, *_):
        hit, self.hit = self.hit, False
        super().__exit__(kind)
        self.hit = hit
        return False
