"""What typer says of a command line that it cannot read, in the style of all other errors."""

from __future__ import annotations

from typing import Any

from models.errors import nearest


def sentence(error: Any) -> str:
    """Of an exception of typer's click, whichever of the two it is: what is wrong, and what to do next."""
    wrong, next_ = _wrong(error), _next(error)
    return f"{wrong}{'' if wrong.endswith('?') or not next_ else '.'}{next_ and ' '}{next_}"


def _wrong(error: Any) -> str:
    """By the class's name: newer releases of typer carry a click of their own, older ones use the package."""
    kind = type(error).__name__
    if kind == "NoSuchOption":
        return f"unknown option {error.option_name!r}{nearest(error.option_name, _options_of(error))}"
    if kind == "MissingParameter" and error.param is not None:
        return f"{_name(error.param)} is missing"
    if kind == "BadOptionUsage":
        takes_none = "does not take a value" in error.message
        return f"{error.option_name} takes no value" if takes_none else f"{error.option_name} needs a value"
    if kind == "BadParameter" and error.param is not None:
        return f"{_name(error.param)}: {_without_stop(error.message)}"
    if kind == "UsageError" and "extra argument" in error.message:
        return f"unexpected argument {_in_brackets(error.message)!r}"
    return _without_stop(error.format_message())


def _next(error: Any) -> str:
    """The usage of the command, whose help says more."""
    context = getattr(error, "ctx", None)
    if context is None:
        return ""
    path = context.command_path
    if type(error).__name__ == "MissingParameter":
        return f"Usage: {' '.join([path, *context.command.collect_usage_pieces(context)])}"
    return f"See `{path} --help`"


def _options_of(error: Any) -> list[str]:
    context = getattr(error, "ctx", None)
    known = [name for param in context.command.get_params(context) for name in param.opts] if context else []
    return [name for name in known if name.startswith("--")] or list(error.possibilities or ())


def _name(parameter: Any) -> str:
    """`--out`, or `MODEL...` of an argument."""
    long = [name for name in parameter.opts if name.startswith("--")]
    return str(long[0] if long else parameter.metavar or parameter.name.upper())


def _in_brackets(message: str) -> str:
    """Of `Got unexpected extra argument (surplus)` the argument."""
    return message.rpartition("(")[2].removesuffix(".").removesuffix(")")


def _without_stop(message: str) -> str:
    return message.strip().rstrip(".")
