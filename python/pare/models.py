"""Language models: pruned, scored, run."""

import codecs
import ctypes
import os
from ctypes import POINTER, byref, c_double, c_int, c_int64, c_size_t, c_void_p

from ._library import ArgumentError, decode, encode, library
from ._options import BY_KEYWORD, to_config
from ._selection import Work
from .tasks import _text


class _Perplexity(ctypes.Structure):
    """pare_perplexity of pare.h."""

    _fields_ = [("size", c_size_t), ("perplexity", c_double), ("nats", c_double),
                ("tokens", c_int64), ("windows", c_int64), ("context", c_int64),
                ("stride", c_int64)]


class _Generation(ctypes.Structure):
    """pare_generation of pare.h."""

    _fields_ = [("size", c_size_t), ("prompt", c_int64), ("tokens", c_int64),
                ("prompt_seconds", c_double), ("seconds", c_double)]


_PIECE_FN = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(ctypes.c_char), c_int64)


def _config(task, sections, keywords):
    allowed = [k for k, option in BY_KEYWORD.items() if option.section in (*sections, "run")]
    for keyword in keywords:
        if keyword not in allowed:
            raise ArgumentError(f"there is no option {keyword} of {task}; there are "
                                + ", ".join(allowed))
    return to_config(keywords)


def _open(work, path):
    return work.context.make(library.pare_model_close, library.pare_model_open,
                             work.context.handle, encode(os.fspath(path)), work.config.handle)


def _lines(text):
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def _budget(budget):
    return (",".join(f"{k}={v!r}" for k, v in budget.items()) if isinstance(budget, dict)
            else budget)


def model_info(model, **options):
    """Shape, size and cost of a language model, as ``pare model info`` prints them.

    Parameters
    ----------
    model : path of a Hugging Face folder, a GGUF or a llama2.c file
    **options : tokenizer, seed

    Returns
    -------
    dict of str: str

    Raises
    ------
    OSError, ValueError
    """
    with Work(_config("model_info", ["tokens"], options)) as work:
        return _lines(_text(work, _open(work, model), library.pare_model_text))


def prune(model, out, *, text=None, budget=None, threads=0, verbose=0, **options):
    """Makes a language model smaller and writes it for other programs to load, as ``pare prune``
    does (docs/pruning.md).

    Parameters
    ----------
    model : path of a Hugging Face folder, a GGUF or a llama2.c file
    out : path of the folder to write; one that exists is refused unless ``overwrite``
    text : path of plain text to calibrate on; without it only blocks of weights go, by magnitude
        or at random
    budget : str or dict, the share that may stay: ``{"params": 0.75}`` (the default), or
        "bytes=0.5"
    threads : int, 0: one per core
    verbose : int, whether to show progress on standard error
    **options : of sections "pruning", "blocks", "text", "tokens", "export": structure, criterion,
        uniform, block, sparsity, calibration, compensate, gguf, overwrite, ...

    Returns
    -------
    dict of str: str
        Shape, size and cost of the smaller model and what was kept; "difference": the largest
        difference of a logit when the written folder was read again, a float.

    Raises
    ------
    OSError, ValueError
    KeyboardInterrupt
        After Ctrl-C; nothing is written.
    """
    config = _config("prune", ["pruning", "blocks", "text", "tokens", "latency", "export", "replace"],
                     options)
    if os.path.exists(out) and not options.get("overwrite"):
        raise FileExistsError(f"{os.fspath(out)}: exists already; overwrite=True replaces it")
    named = {"text": text and os.fspath(text), "budget": budget and _budget(budget)}
    config.update(to_config({k: v for k, v in named.items() if v}))
    with Work(config, threads, verbose) as work:
        whole = _open(work, model)
        try:
            small = work.context.make(library.pare_model_close, library.pare_model_prune, whole,
                                      work.config.handle, work.callback, None)
        except Exception:
            if work.stop.hit:
                raise KeyboardInterrupt from None
            raise
        answer, difference = _lines(_text(work, small, library.pare_model_text)), c_double()
        work.context.check(library.pare_model_save(small, work.config.handle,
                                                   encode(os.fspath(out)), byref(difference)))
    return {**answer, "difference": difference.value}


def perplexity(model, text, *, threads=0, verbose=0, **options):
    """Scores a language model on a text, as ``pare perplexity`` does.

    Parameters
    ----------
    model : path of a Hugging Face folder, a GGUF or a llama2.c file
    text : path of plain text
    threads, verbose : as in :func:`prune`
    **options : context, stride, windows, protocol, tokenizer

    Returns
    -------
    dict
        perplexity, nats (mean negative log-likelihood of a scored token), tokens, windows,
        context, stride.

    Raises
    ------
    OSError, ValueError
    KeyboardInterrupt
    """
    config = _config("perplexity", ["text", "tokens", "scoring"], options)
    score = _Perplexity(size=ctypes.sizeof(_Perplexity))
    with Work({**config, "text": os.fspath(text)}, threads, verbose) as work:
        status = library.pare_model_perplexity(_open(work, model), work.config.handle,
                                               work.callback, None, byref(score))
        if work.stop.hit:
            raise KeyboardInterrupt
        work.context.check(status)
    return {name: getattr(score, name) for name, _ in _Perplexity._fields_ if name != "size"}


def generate(model, prompt, tokens=64, *, temperature=0.0, stream=None, seed=1, threads=0,
             **options):
    """Lets a language model go on from a prompt, as ``pare generate`` does.

    Parameters
    ----------
    model : path of a Hugging Face folder, a GGUF or a llama2.c file
    prompt : str
    tokens : int, at most so many new ones
    temperature : float, 0: always the most likely token
    stream : callable or None
        Called with each piece of text as it is made; a true return ends the work.
    seed, threads : int
    **options : tokenizer

    Returns
    -------
    str
        The new text, without the prompt; after Ctrl-C what there is by then.

    Raises
    ------
    OSError, ValueError
        And whatever `stream` raises.
    """
    config = _config("generate", ["tokens"], options)
    config.update(to_config({"prompt": prompt, "generate": tokens, "temperature": temperature,
                             "seed": seed}))
    text, errors = [], []
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(piece):
        text.append(piece)
        return bool(stream(piece)) if stream and piece else False

    with Work(config, threads) as work:
        def piece(_, data, length):
            try:
                return int(add(decoder.decode(ctypes.string_at(data, length))) or work.stop.hit)
            except BaseException as error:  # it must not cross the library
                errors.append(error)
                return 1

        made = _Generation(size=ctypes.sizeof(_Generation))
        status = library.pare_model_generate(_open(work, model), work.config.handle,
                                             _PIECE_FN(piece), None, byref(made))
        if errors:
            raise errors[0]
        work.context.check(status)
    add(decoder.decode(b"", True))
    return "".join(text)


def latency(model, *, threads=0, **options):
    """Measures what the parts of a language model cost on this machine, as ``pare latency`` does.

    Parameters
    ----------
    model : path of a Hugging Face folder, a GGUF or a llama2.c file
    threads : int
    **options : sequences, prompt_tokens, generate

    Returns
    -------
    str, lines for people
    """
    config = _config("latency", ["generation", "latency", "tokens"], options)
    text = ctypes.c_char_p()
    with Work(config, threads) as work:
        work.context.check(library.pare_model_latency(_open(work, model), work.config.handle,
                                                      byref(text)))
        return decode(text.value)


__all__ = ["generate", "latency", "model_info", "perplexity", "prune"]
