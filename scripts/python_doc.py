#!/usr/bin/python3
"""Writes docs/python.md from the docstrings of the package; --check: fails if it differs.

Options of the library are left to docs/options.md, so that this page changes with the package only.
"""

import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

import pare  # noqa: E402
import pare.plot  # noqa: E402

try:
    import pare.torch  # noqa: E402
except ImportError:
    sys.exit("python_doc.py: skipped, PyTorch is not installed" if "--check" not in sys.argv
             else 0)

INTRO = """# Python

Written by `scripts/python_doc.py` from the docstrings of `python/pare`; do not edit.

    pip install .                # in the source tree; needs no network, only the library's packages

`pip` calls the build backend in `python/backend`, which builds the C library with CMake and packs it
beside the Python files. `scripts/wheel.sh` makes a wheel for other distributions, and
`pip install -e .` uses the source tree itself. Without installing, `PYTHONPATH=python` is enough:
the package then takes `build/libpare.so`. `PARE_LIBRARY` names another library.

Needed are Python 3.9, NumPy, SciPy and scikit-learn 1.2 or newer; pandas for data frames, matplotlib
for plots, PyTorch for `pare.torch`. Examples that run are in `examples/python`. The tests were run with
scikit-learn 1.2.1, NumPy 1.24.2, pandas 1.5.3 and PyTorch 1.13 (Debian 12). What scikit-learn 1.6 to 1.8
renamed (tags, `validate_data`, `ensure_all_finite`) is followed by their documentation, not run; frames of
other libraries (polars, ...) come through the interchange protocol, tested with stand-ins.

Everywhere: float32 C-contiguous arrays are borrowed, other data is copied once; the GIL is released
while the library works; Ctrl-C ends the work and leaves what was chosen by then in the estimator
(`warm_start=True` goes on from there); every refusal is a `pare.PareError` and at the same time the
built-in exception that fits (ValueError, OSError, MemoryError, ArithmeticError), with the library's
sentence. Results are those of the command line with the same seed and data, bit for bit, for any
number of threads.
"""

PAGES = [
    ("Selectors", [pare.SequentialAttentionSelector, pare.OMPSelector, pare.Selector]),
    ("Functions", [pare.certify, pare.compare, pare.knockoffs, pare.stability]),
    ("Tables in files", [pare.open, pare.select, pare.load, pare.apply, pare.convert, pare.Table]),
    ("Recommenders, genomes, panels, molecules", [
        pare.embed, pare.genome, pare.score, pare.panel, pare.chem, pare.EmbeddingPlan,
        pare.Panel, pare.Molecules]),
    ("Language models", [pare.prune, pare.perplexity, pare.generate, pare.model_info,
                         pare.latency]),
    ("Answers", [pare.Selection, pare.Comparison]),
    ("Options, build", [pare.options, pare.Option, pare.info]),
    ("Plots", [pare.plot.plot_path, pare.plot.plot_scores, pare.plot.plot_stability]),
    ("PyTorch", [pare.torch.SequentialAttention, pare.torch.Gate]),
    ("Errors", [pare.PareError, pare.ArgumentError, pare.InputError, pare.PareIOError,
                pare.PareMemoryError, pare.UnsupportedError, pare.NumericError]),
]


def signature(item, owner=None):
    try:
        found = inspect.signature(item)
    except ValueError:
        return ""
    options = set(getattr(item, "_option_keywords", ()))
    shown = [p for name, p in found.parameters.items() if name != "self" and name not in options]
    text = str(found.replace(parameters=shown, return_annotation=inspect.Signature.empty))
    return text[:-1] + ", **options)" if options else text


def to_markdown(text):
    """Sections and definition lists of a numpydoc docstring."""
    lines, out, section = inspect.cleandoc(text or "").split("\n"), [], ""
    i = 0
    while i < len(lines):
        line = lines[i]
        if i + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[i + 1]):
            section = line
            out += [f"**{line}**", ""]
            i += 2
            continue
        if line.startswith(">>>"):
            while i < len(lines) and lines[i].strip():
                out.append("    " + lines[i])
                i += 1
            continue
        definition = re.match(r"([\w*, ]+) : (.*)", line)
        if section in ("Parameters", "Attributes") and definition:
            out.append(f"- `{definition.group(1)}`: {definition.group(2)}")
        elif line.startswith("    ") and section:
            out.append("  " + line.strip())
        else:
            out.append(line)
        i += 1
    return re.sub(r":(meth|func|class):", "", "\n".join(out)).strip().replace("``", "`")


def describe(item, heading, prefix="pare."):
    name = item.__name__
    kind = "class " if inspect.isclass(item) else ""
    error = kind and issubclass(item, Exception)
    apart = item.__module__ in ("pare.plot", "pare.torch")
    module = item.__module__ + "." if apart else prefix
    out = [f"{heading} {kind}{module}{name}", ""]
    if not error and item not in (pare.Table, pare.Selection, pare.Comparison, pare.Option,
                              pare.EmbeddingPlan, pare.Panel, pare.Molecules):
        out += ["    " + name + signature(item), ""]
    text = getattr(item, "_brief_doc", item.__doc__)
    if item in (pare.OMPSelector, pare.Selector):  # the parameters are those of the first
        text = text[:text.index("Parameters\n")]
        text += "Parameters and attributes are those of SequentialAttentionSelector"
        if item is pare.Selector:
            text += ", and `method`: any choice of option method, default \"sequential-attention\""
        text += "."
    if error:
        text += " Also: " + ", ".join(b.__name__ for b in item.__bases__ if b is not pare.PareError)
    out += [to_markdown(text), ""]
    if item is pare.SequentialAttentionSelector:
        out += ["**Options**: all of the library that concern choosing, training and proving, with "
                "underscores for hyphens (docs/options.md); their defaults are the library's.", ""]
    if kind and not error:
        for key, member in sorted(vars(item).items()):
            if not key.startswith("_") and inspect.isfunction(member) and member.__doc__:
                out += [f"{heading}# {name}.{key}{signature(member)}", "",
                        to_markdown(member.__doc__), ""]
    return out


def page():
    out = [INTRO]
    for title, items in PAGES:
        out += [f"## {title}", ""]
        for item in items:
            out += describe(item, "###")
    base = pare.Selector.__mro__[1]
    methods = [f"#### {key}{signature(member)}\n\n{to_markdown(member.__doc__)}\n"
               for key, member in vars(base).items()
               if not key.startswith("_") and inspect.isfunction(member) and member.__doc__]
    text = "\n".join(out)
    return text.replace("## Functions\n", "### Methods of all selectors\n\nAnd those of "
                        "scikit-learn's SelectorMixin and BaseEstimator.\n\n" +
                        "\n".join(methods) + "\n## Functions\n", 1)


def main():
    path = ROOT / "docs" / "python.md"
    text = re.sub(r"\n{3,}", "\n\n", page()).rstrip() + "\n"
    if sys.argv[1:] == ["--check"]:
        if path.read_text() != text:
            sys.exit("docs/python.md is not what the docstrings say: run scripts/python_doc.py")
    elif sys.argv[1:]:
        sys.exit(f"python_doc.py: there is no argument {sys.argv[1]}; there is --check")
    else:
        path.write_text(text)


if __name__ == "__main__":
    main()
