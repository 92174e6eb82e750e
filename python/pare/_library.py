"""The shared library: found, declared and turned into Python's manner in this one place.

Only what ``include/pare/pare.h`` promises is used. ctypes releases the GIL while a function of
the library runs.
"""

import ctypes
import os
import signal
import threading
import warnings
from ctypes import (POINTER, byref, c_bool, c_char_p, c_double, c_float, c_int, c_int64, c_size_t,
                    c_uint64, c_void_p)
from pathlib import Path

__all__ = ["ArgumentError", "Config", "Context", "InputError", "NumericError", "OptionInfo",
           "PareError", "PareIOError", "PareMemoryError", "UnsupportedError", "interruptible",
           "library", "option_table"]


# ---- Errors --------------------------------------------------------------------------------------


class PareError(Exception):
    """Whatever the library refused; the message is its sentence. Never raised itself: each kind
    below is also the built-in exception that Python users expect."""


class ArgumentError(PareError, ValueError):
    """An argument or option is outside what the function accepts."""


class InputError(PareError, ValueError):
    """The content of a file or array is not what was promised."""


class PareIOError(PareError, OSError):
    """A file could not be opened, read or written."""


class PareMemoryError(PareError, MemoryError):
    """Out of memory."""


class UnsupportedError(PareError, ValueError):
    """This combination of options is not offered."""


class NumericError(PareError, ArithmeticError):
    """A computation left the range of finite numbers."""


_ERRORS = {1: ArgumentError, 2: InputError, 3: PareIOError, 4: PareMemoryError,
           5: UnsupportedError, 6: NumericError}


# ---- Declarations --------------------------------------------------------------------------------


class OptionInfo(ctypes.Structure):
    """pare_option of pare.h."""

    _fields_ = [("size", c_size_t), ("name", c_char_p), ("section", c_char_p), ("type", c_int),
                ("initial", c_char_p), ("low", c_double), ("high", c_double),
                ("choices", c_char_p), ("help", c_char_p)]


class Progress(ctypes.Structure):
    """pare_progress of pare.h."""

    _fields_ = [("size", c_size_t), ("stage", c_char_p), ("fraction", c_double),
                ("seconds", c_double), ("seconds_left", c_double), ("chosen", c_int64),
                ("wanted", c_int64), ("loss", c_double), ("last", c_char_p)]


PROGRESS_FN = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(Progress))
WARNING_FN = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)

RESET_FN = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint64, c_int64)
STEP_FN = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(c_float), POINTER(c_double), POINTER(c_float))
EVALUATE_FN = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(c_float), POINTER(c_double),
                               POINTER(c_double), POINTER(c_double))


class ExternalModel(ctypes.Structure):
    """pare_external_model of pare.h."""

    _fields_ = [("size", c_size_t), ("candidates", c_int64), ("steps_per_epoch", c_int64),
                ("user", c_void_p), ("reset", RESET_FN), ("step", STEP_FN),
                ("evaluate", EVALUATE_FN)]


_OUT = POINTER(c_void_p)
_STRINGS = POINTER(c_char_p)

# name: (result, arguments). A result of c_int is a pare_status.
_FUNCTIONS = {
    "pare_status_text": (c_char_p, [c_int]),
    "pare_context_create": (c_int, [c_void_p, _OUT]),
    "pare_context_destroy": (None, [c_void_p]),
    "pare_context_error": (c_char_p, [c_void_p]),
    "pare_context_on_warning": (None, [c_void_p, WARNING_FN, c_void_p]),
    "pare_context_set_threads": (c_int, [c_void_p, c_int64]),
    "pare_context_info": (c_int, [c_void_p, POINTER(c_char_p)]),
    "pare_context_json": (c_int, [c_void_p, c_char_p, c_int64, POINTER(c_char_p)]),
    "pare_option_count": (c_int64, []),
    "pare_option_at": (c_int, [c_int64, POINTER(OptionInfo)]),
    "pare_config_create": (c_int, [c_void_p, _OUT]),
    "pare_config_set": (c_int, [c_void_p, c_char_p, c_char_p]),
    "pare_config_get": (c_int, [c_void_p, c_char_p, POINTER(c_char_p)]),
    "pare_config_destroy": (None, [c_void_p]),
    "pare_dataset_open": (c_int, [c_void_p, c_char_p, c_void_p, _OUT]),
    "pare_dataset_open_like": (c_int, [c_void_p, c_char_p, c_char_p, _OUT]),
    "pare_dataset_wrap": (c_int, [c_void_p, c_int64, c_int64, c_void_p, c_int64, c_void_p,
                                  c_void_p, _STRINGS, c_void_p, _OUT]),
    "pare_dataset_wrap_sparse": (c_int, [c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_void_p,
                                         c_int64, c_void_p, c_void_p, _STRINGS, c_void_p, _OUT]),
    "pare_dataset_close": (None, [c_void_p]),
    "pare_dataset_rows": (c_int64, [c_void_p]),
    "pare_dataset_candidates": (c_int64, [c_void_p]),
    "pare_dataset_candidate_name": (c_char_p, [c_void_p, c_int64]),
    "pare_dataset_summary": (c_char_p, [c_void_p]),
    "pare_convert": (c_int, [c_void_p, c_char_p, c_char_p, c_void_p, c_bool, PROGRESS_FN,
                             c_void_p, POINTER(c_bool)]),
    "pare_selector_create": (c_int, [c_void_p, c_void_p, c_void_p, _OUT]),
    "pare_selector_step": (c_int, [c_void_p, POINTER(c_bool)]),
    "pare_selector_progress": (c_int, [c_void_p, POINTER(Progress)]),
    "pare_selector_result": (c_int, [c_void_p, _OUT]),
    "pare_selector_save": (c_int, [c_void_p, c_char_p]),
    "pare_selector_load": (c_int, [c_void_p, c_char_p]),
    "pare_selector_destroy": (None, [c_void_p]),
    "pare_selection_evaluate": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p,
                                        PROGRESS_FN, c_void_p]),
    "pare_selection_certify": (c_int, [c_void_p, c_void_p, c_void_p, PROGRESS_FN, c_void_p]),
    "pare_selection_from_names": (c_int, [c_void_p, c_char_p, c_void_p, _OUT]),
    "pare_selection_count": (c_int64, [c_void_p]),
    "pare_selection_stopped": (c_bool, [c_void_p]),
    "pare_selection_json": (c_int, [c_void_p, POINTER(c_char_p)]),
    "pare_selection_text": (c_int, [c_void_p, POINTER(c_char_p)]),
    "pare_selection_save": (c_int, [c_void_p, c_char_p]),
    "pare_selection_load": (c_int, [c_void_p, c_char_p, _OUT]),
    "pare_selection_report": (c_int, [c_void_p, c_char_p]),
    "pare_selection_apply": (c_int, [c_void_p, c_char_p, c_char_p]),
    "pare_selection_destroy": (None, [c_void_p]),
    "pare_embedding_create": (c_int, [c_void_p, c_char_p, c_void_p, _OUT]),
    "pare_embedding_text": (c_int, [c_void_p, POINTER(c_char_p)]),
    "pare_embedding_save": (c_int, [c_void_p, c_char_p]),
    "pare_embedding_report": (c_int, [c_void_p, c_char_p]),
    "pare_embedding_destroy": (None, [c_void_p]),
    "pare_genome_open": (c_int, [c_void_p, c_void_p, _OUT]),
    "pare_genome_step": (c_int, [c_void_p, POINTER(c_bool)]),
    "pare_genome_text": (c_int, [c_void_p, POINTER(c_char_p)]),
    "pare_genome_save": (c_int, [c_void_p, c_char_p]),
    "pare_genome_html": (c_int, [c_void_p, c_char_p]),
    "pare_genome_close": (None, [c_void_p]),
    "pare_polygenic_create": (c_int, [c_void_p, c_char_p, c_void_p, _OUT]),
    "pare_polygenic_text": (c_int, [c_void_p, POINTER(c_char_p)]),
    "pare_polygenic_save": (c_int, [c_void_p, c_char_p]),
    "pare_polygenic_destroy": (None, [c_void_p]),
    "pare_panel_open": (c_int, [c_void_p, c_char_p, c_void_p, _OUT]),
    "pare_panel_run": (c_int, [c_void_p]),
    "pare_panel_count": (c_int64, [c_void_p]),
    "pare_panel_gene_name": (c_char_p, [c_void_p, c_int64]),
    "pare_panel_text": (c_int, [c_void_p, POINTER(c_char_p)]),
    "pare_panel_save": (c_int, [c_void_p, c_char_p]),
    "pare_panel_html": (c_int, [c_void_p, c_char_p]),
    "pare_panel_close": (None, [c_void_p]),
    "pare_chem_open": (c_int, [c_void_p, c_char_p, c_void_p, _OUT]),
    "pare_chem_run": (c_int, [c_void_p]),
    "pare_chem_count": (c_int64, [c_void_p]),
    "pare_chem_name": (c_char_p, [c_void_p, c_int64]),
    "pare_chem_text": (c_int, [c_void_p, POINTER(c_char_p)]),
    "pare_chem_save": (c_int, [c_void_p, c_char_p]),
    "pare_chem_html": (c_int, [c_void_p, c_char_p]),
    "pare_chem_close": (None, [c_void_p]),
    "pare_model_open": (c_int, [c_void_p, c_char_p, c_void_p, _OUT]),
    "pare_model_close": (None, [c_void_p]),
    "pare_model_text": (c_int, [c_void_p, POINTER(c_char_p)]),
    "pare_model_perplexity": (c_int, [c_void_p, c_void_p, PROGRESS_FN, c_void_p, c_void_p]),
    "pare_model_prune": (c_int, [c_void_p, c_void_p, PROGRESS_FN, c_void_p, _OUT]),
    "pare_model_save": (c_int, [c_void_p, c_void_p, c_char_p, POINTER(c_double)]),
    "pare_model_generate": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
    "pare_model_latency": (c_int, [c_void_p, c_void_p, POINTER(c_char_p)]),
    "pare_external_create": (c_int, [c_void_p, POINTER(ExternalModel), c_void_p, _OUT]),
    "pare_external_step": (c_int, [c_void_p, POINTER(c_bool)]),
    "pare_external_progress": (c_int, [c_void_p, POINTER(Progress)]),
    "pare_external_count": (c_int64, [c_void_p]),
    "pare_external_items": (POINTER(c_int64), [c_void_p]),
    "pare_external_score": (c_double, [c_void_p, c_int64]),
    "pare_external_destroy": (None, [c_void_p]),
}


def _places():
    """Where the library may lie, best first."""
    name = "libpare.so"
    here = Path(__file__).resolve().parent
    if os.environ.get("PARE_LIBRARY"):
        yield os.environ["PARE_LIBRARY"]
        return
    yield str(here / name)  # installed with the package
    yield str(here.parent.parent / "build" / name)  # a source tree
    yield "libpare.so.0"  # the system's


def _load():
    tried = []
    for place in _places():
        if os.sep in place and not os.path.exists(place):
            tried.append(place)
            continue
        try:
            lib = ctypes.CDLL(place)
            break
        except OSError as error:
            tried.append(f"{place} ({error})")
    else:
        raise ImportError("the library of pare was not found; looked at " + ", ".join(tried) +
                          "; build it with `cmake --preset release && ninja -C build pare`")
    for name, (result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(lib, name)
        except AttributeError:
            raise ImportError(f"{place} has no function {name}: it is older than this package"
                              ) from None
        function.restype = result
        function.argtypes = arguments
    return lib


library = _load()


def option_table():
    """All options of the library as OptionInfo, in the order of its table."""
    rows = []
    for i in range(library.pare_option_count()):
        row = OptionInfo(size=ctypes.sizeof(OptionInfo))
        if library.pare_option_at(i, byref(row)) == 0:
            rows.append(row)
    return rows


# ---- The host's BLAS -----------------------------------------------------------------------------


class _BlasThreads:
    """The library runs OpenBLAS single-threaded from its own pool, and NumPy may share that
    OpenBLAS: its number of threads is put back when the last context of the process closes."""

    def __init__(self):
        self.lock = threading.Lock()
        self.open = 0
        self.before = None
        try:
            self.get = library.openblas_get_num_threads
            self.set = library.openblas_set_num_threads
        except AttributeError:
            self.get = self.set = None

    def enter(self):
        with self.lock:
            if self.open == 0 and self.get:
                self.before = self.get()
            self.open += 1

    def leave(self):
        with self.lock:
            self.open -= 1
            if self.open == 0 and self.get and self.before is not None:
                self.set(self.before)


_blas = _BlasThreads()


# ---- Objects -------------------------------------------------------------------------------------


def encode(text):
    """Text as the library takes it: UTF-8 bytes, paths too."""
    if not isinstance(text, str):
        text = os.fsdecode(text) if isinstance(text, os.PathLike) else str(text)
    data = text.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise ValueError(f"{text!r} holds a zero byte")
    return data


def decode(data):
    return data.decode("utf-8", "surrogateescape") if data is not None else None


class Context:
    """One pare_context and the handles made with it; a context manager that frees them all, last
    made first. Belongs to one thread at a time; each call of the package makes its own, so
    estimators may be fitted in any thread and after a fork."""

    def __init__(self, threads=0):
        self._handles = []
        self._warned = []
        self._on_warning = WARNING_FN(lambda _, sentence: self._warned.append(decode(sentence)))
        self.handle = c_void_p()
        _blas.enter()
        status = library.pare_context_create(None, byref(self.handle))
        if status != 0:
            _blas.leave()
            raise _ERRORS[status](decode(library.pare_status_text(status)))
        library.pare_context_on_warning(self.handle, self._on_warning, None)
        try:
            self.check(library.pare_context_set_threads(self.handle, threads))
        except PareError:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if not self.handle:
            return
        while self._handles:
            destroy, handle = self._handles.pop()
            destroy(handle)
        library.pare_context_destroy(self.handle)
        self.handle = c_void_p()
        _blas.leave()

    def __del__(self):
        if getattr(self, "handle", None):
            self.close()

    def check(self, status):
        """Raises the exception that belongs to a status, with the library's sentence."""
        if status != 0:
            sentence = decode(library.pare_context_error(self.handle))
            raise _ERRORS.get(status, PareError)(
                sentence or decode(library.pare_status_text(status)))

    def make(self, destroy, create, *arguments):
        """Calls a constructor; the handle it writes is freed when the context closes."""
        handle = c_void_p()
        self.check(create(*arguments, byref(handle)))
        self._handles.append((destroy, handle))
        return handle

    def warn(self, stacklevel=2):
        """Hands what the library wanted to be seen to Python's warnings."""
        sentences, self._warned = self._warned, []
        for sentence in sentences:
            warnings.warn(sentence, UserWarning, stacklevel=stacklevel + 1)

    def info(self):
        text = c_char_p()
        self.check(library.pare_context_info(self.handle, byref(text)))
        return decode(text.value)


class Config:
    """Option values as the library wants them: text by name."""

    def __init__(self, context, values):
        self.handle = context.make(library.pare_config_destroy, library.pare_config_create,
                                   context.handle)
        for name, value in values.items():
            context.check(library.pare_config_set(self.handle, encode(name), encode(value)))


class interruptible:
    """While active, Ctrl-C only sets ``.hit``, so that the work at hand can end with what it has;
    on the way out it becomes a KeyboardInterrupt. Does nothing outside the main thread, and where
    the program has a handler of its own."""

    def __init__(self):
        self.hit = False
        self._before = None

    def __enter__(self):
        if (threading.current_thread() is threading.main_thread()
                and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, *_):
        self.hit = True

    def __exit__(self, kind, *_):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.hit and kind is None:
            raise KeyboardInterrupt
