"""Tables in files: what the command line does, from Python."""

import os
from ctypes import byref, c_bool

from . import _library, _options
from ._library import Config, Context, decode, encode, library
from ._selection import Selection, Work, _temporary, read


class Table:
    """A table in a file with the roles of its columns: CSV, TSV (.gz too), NPY, IDX, libsvm, Matrix
    Market, SciPy npz, .pare. Close it, or use it in a ``with`` statement.

    Attributes
    ----------
    rows : int
    candidates : list of str, what can be chosen
    summary : str, one sentence about shape, task and split
    """

    def __init__(self, path, options, threads):
        self._options, self._threads = options, threads
        self._context = Context(threads)
        try:
            config = Config(self._context, options)
            self._handle = self._context.make(
                library.pare_dataset_close, library.pare_dataset_open, self._context.handle,
                encode(path), config.handle)
            self._context.warn(stacklevel=3)
        except BaseException:
            self._context.close()
            raise
        self.path = os.fspath(path)
        self.rows = library.pare_dataset_rows(self._handle)
        self.candidates = [decode(library.pare_dataset_candidate_name(self._handle, j))
                           for j in range(library.pare_dataset_candidates(self._handle))]
        self.summary = decode(library.pare_dataset_summary(self._handle))

    def __repr__(self):
        return f"<pare table {self.summary}>"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Frees the table; it cannot be used after that."""
        self._context.close()

    def select(self, k=None, *, compare=True, certify=False, test=None, verbose=0, **options):
        """Chooses k candidates, as ``pare select`` does.

        Parameters
        ----------
        k : int or "auto"; may be left out with ``fdr``
        compare : bool, whether to score models on the chosen, all and random candidates
        certify : bool, whether to prove how near the choice is to the best
        test : path of test rows, or (path, path of their target), used for scores only
        verbose : int, whether to show progress on standard error
        **options : any option of the library (:func:`pare.options`)

        Returns
        -------
        Selection
        """
        if not self._context.handle:
            raise ValueError("the table is closed")
        if k is not None:
            options["k"] = k
        config = {**self._options, **_options.to_config(options)}
        with Work(config, self._threads, verbose, self._context) as work:
            rows = None
            if test is not None:
                path, target = test if isinstance(test, tuple) else (test, None)
                rows = work.context.make(
                    library.pare_dataset_close, library.pare_dataset_open_like, self._handle,
                    encode(path), encode(target) if target is not None else None)
            selection, _ = work.select(self._handle, test=rows, compare=compare, certify=certify)
        if selection.interrupted and not len(selection):
            raise KeyboardInterrupt
        return selection


    def certify(self, chosen, *, verbose=0, **options):
        """Proves how near a choice is to the best of its size, as ``pare certify`` does.

        Parameters
        ----------
        chosen : Selection, fitted selector, path of a selection.json, or list of candidate names
        **options : certify_ridge, certify_seconds, include, exclude, costs, budget

        Returns
        -------
        Selection
        """
        if not self._context.handle:
            raise ValueError("the table is closed")
        if not isinstance(chosen, (Selection, list, tuple)):
            chosen = getattr(chosen, "selection_", None) or load(chosen)
        config = {**self._options, **_options.to_config(options)}
        names = isinstance(chosen, (list, tuple))
        text = "".join(f"{name}\n" for name in chosen) if names else chosen.json
        with Work(config, self._threads, verbose, self._context) as work, \
                _temporary(text, ".txt" if names else ".json") as path:
            if names:
                handle = work.context.make(
                    library.pare_selection_destroy, library.pare_selection_from_names,
                    self._handle, encode(path), work.config.handle)
            else:
                handle = work.context.make(library.pare_selection_destroy,
                                           library.pare_selection_load, work.context.handle,
                                           encode(path))
            work.certify(handle, self._handle)
            return work.record(handle)

    def compare(self, k, *, methods=None, seeds=5, verbose=0, **options):
        """Compares methods on the table, as ``pare compare`` does: see :func:`pare.compare`; the
        table is opened again for each seed, which draws the split.

        Returns
        -------
        Comparison
        """
        from .functions import compare_runs
        first = int(self._options.get("seed", 1))
        names = list(methods) if methods is not None else list(
            _options.BY_KEYWORD["method"].choices)

        def choose(method, seed):
            with Table(self.path, {**self._options, "seed": str(seed)}, self._threads) as table:
                selection = table.select(k, method=method, verbose=verbose, **options)
            return selection, selection.items

        return compare_runs(choose, names, range(first, first + int(seeds)),
                            len(self.candidates))


def _data_options(options):
    """(those that opening a table needs, the rest)."""
    unknown = [keyword for keyword in options if keyword not in _options.BY_KEYWORD]
    if unknown:
        raise _library.ArgumentError(f"there is no option {unknown[0]}; pare.options() lists all "
                                     "there are")
    data = {k: v for k, v in options.items()
            if _options.BY_KEYWORD[k].section == "data" or k == "seed"}
    return data, {k: v for k, v in options.items() if k not in data}


def open(path, *, threads=0, **options):
    """Opens a table in a file.

    Parameters
    ----------
    path : str or path, "-" is standard input
    threads : int, 0: one per core
    **options : options of section "data", such as target, ignore, split_by, groups, format; seed

    Returns
    -------
    Table

    Raises
    ------
    OSError if the file cannot be read, ValueError for its content or the options.
    """
    return Table(path, _options.to_config(options), threads)


def select(path, k=None, *, threads=0, compare=True, certify=False, test=None, verbose=0,
           **options):
    """Chooses k candidates of a table in a file, as ``pare select`` does: see :func:`open` and
    :meth:`Table.select`.

    >>> import pare
    >>> pare.select("data.csv", 10, target="class").names          # doctest: +SKIP
    """
    data, rest = _data_options(options)
    with open(path, threads=threads, **data) as table:
        return table.select(k, compare=compare, certify=certify, test=test, verbose=verbose,
                            **rest)


def load(path):
    """Reads a selection.json. Raises OSError or ValueError."""
    with Context(1) as context:
        handle = context.make(library.pare_selection_destroy, library.pare_selection_load,
                              context.handle, encode(path))
        return read(context, handle)


def apply(selection, source, path):
    """Copies the chosen columns (and target and weights, where present) of a CSV or TSV file.

    Parameters
    ----------
    selection : Selection, fitted selector, or path of a selection.json
    source, path : paths of the table and of the smaller one to be written

    Raises
    ------
    OSError, ValueError
    """
    if not isinstance(selection, Selection):
        selection = getattr(selection, "selection_", None) or load(selection)
    selection.apply(source, path)


def convert(source, path, *, compress=False, verbose=0, **options):
    """Writes a table as a .pare file, read faster and by parts. Goes on with the beginning that an
    interrupted call left. Returns whether it is complete (False after Ctrl-C)."""
    complete = c_bool(False)
    with Work(_options.to_config(options), 0, verbose) as work:
        work.context.check(library.pare_convert(
            work.context.handle, encode(source), encode(path), work.config.handle, compress,
            work.callback, None, byref(complete)))
    return complete.value


def info():
    """What this build and machine offer: {name: value}, as ``pare info`` prints."""
    with Context() as context:
        return dict(line.split(": ", 1) for line in context.info().splitlines())
