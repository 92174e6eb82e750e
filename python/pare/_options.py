"""The options table of the library as Python keywords and documentation."""

import inspect
import numbers
import textwrap

from ._library import ArgumentError, decode, option_table

_TYPES = ["integer", "real", "bool", "text", "choice"]


class Option:
    """One option of the library.

    Attributes
    ----------
    name : str, as on the command line ("learning-rate")
    keyword : str, as in Python ("learning_rate")
    section : str, "data", "selection", "training", "proof", "output", ...
    type : "integer", "real", "bool", "text" or "choice"
    default : int, float, bool or str
    low, high : float, inclusive bounds of integer and real
    choices : tuple of str
    help : str, one sentence
    """

    def __init__(self, row):
        self.name = decode(row.name)
        self.keyword = self.name.replace("-", "_")
        self.section = decode(row.section)
        self.type = _TYPES[row.type]
        text = decode(row.initial)
        self.default = {"integer": int, "real": float, "bool": lambda t: t == "true"}.get(
            self.type, str)(text)
        self.low, self.high = row.low, row.high
        self.choices = tuple(decode(row.choices).split("|")) if row.choices else ()
        self.help = decode(row.help)

    def __repr__(self):
        return f"<option {self.keyword}={self.default!r}: {self.help}>"

    def range_text(self):
        if self.type == "choice":
            return "{" + ", ".join(repr(c) for c in self.choices) + "}"
        if self.type in ("integer", "real"):
            kind = "int" if self.type == "integer" else "float"
            return f"{kind} in [{self.low:g}, {self.high:g}]"
        return {"bool": "bool", "text": "str"}[self.type]


TABLE = [Option(row) for row in option_table()]
BY_KEYWORD = {option.keyword: option for option in TABLE}


def options(section=None):
    """All options of the library, as a list of :class:`Option`.

    Parameters
    ----------
    section : str or None
        Only those of one section: "data", "selection", "training", "proof", "output".
    """
    return [option for option in TABLE if section in (None, option.section)]


def to_text(keyword, value):
    """A value as the library reads it. The library checks range and choice."""
    if isinstance(value, str):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, numbers.Real):
        return repr(value) if isinstance(value, (int, float)) else repr(float(value))
    if isinstance(value, (list, tuple)):
        return ",".join(to_text(keyword, one) for one in value)
    raise TypeError(f"{keyword}: {value!r} is a {type(value).__name__}; a number, text, bool or a "
                    "list of these was expected")


def to_config(keywords):
    """{keyword: value} as {option name: text}; None means the default and is left out."""
    config = {}
    for keyword, value in keywords.items():
        option = BY_KEYWORD.get(keyword)
        if option is None:
            raise ArgumentError(f"there is no option {keyword}; pare.options() lists all there are")
        if value is not None:
            config[option.name] = to_text(keyword, value)
    return config


def describe(chosen):
    """The lines of a docstring's Parameters section for some options."""
    lines = []
    for option in chosen:
        lines.append(f"{option.keyword} : {option.range_text()}, default={option.default!r}")
        lines += textwrap.wrap(option.help[:1].upper() + option.help[1:] + ".", 88,
                               initial_indent="    ", subsequent_indent="    ")
    return lines


def with_options(chosen):
    """Class decorator: adds options as keyword-only parameters of ``__init__``, with the library's
    defaults, and describes them where the docstring says ``{options}``."""

    def decorate(cls):
        own = cls.__init__
        signature = inspect.signature(own)
        parameters = list(signature.parameters.values())
        taken = set(signature.parameters)
        added = [option for option in chosen if option.keyword not in taken]
        parameters += [inspect.Parameter(option.keyword, inspect.Parameter.KEYWORD_ONLY,
                                         default=option.default) for option in added]

        def __init__(self, *args, **kwargs):
            rest = {option.keyword: kwargs.pop(option.keyword, option.default) for option in added}
            own(self, *args, **kwargs)
            for keyword, value in rest.items():
                setattr(self, keyword, value)

        __init__.__signature__ = signature.replace(parameters=parameters)
        __init__.__doc__ = own.__doc__
        cls.__init__ = __init__
        cls._option_keywords = tuple(option.keyword for option in added)
        if cls.__doc__:
            text = inspect.cleandoc(cls.__doc__)
            cls._brief_doc = text.replace("{options}", "")  # docs/options.md has the options
            cls.__doc__ = text.replace("{options}", "\n".join(describe(added)))
        return cls

    return decorate
