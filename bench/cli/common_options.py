"""The options of every command, declared once: --format, --json, -o, -q, -v and --color."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion, output
from models.errors import UserError, unknown
from reports import formats
from reports.formats.terminal import COLOR

_PLAIN = ("", "txt", "log")
"""Endings of files that get markdown, which reads as text; `/dev/stdout` has none."""
_COLORS = ("auto", "always", "never")


def _declared(
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"{', '.join(formats.names())} (default: by the ending of -o, else terminal).",
            autocompletion=completion.FORMAT,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    file: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to FILE instead of the terminal.")
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show only the answer and errors.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Also show numbers of samples and paths of logs.")
    ] = False,
    color: Annotated[
        str,
        typer.Option(
            help="auto, always or never; auto honors NO_COLOR.",
            autocompletion=completion.of_names(lambda: _COLORS),
        ),
    ] = "auto",
) -> None:
    """Never called: its parameters are the options."""


def with_common_options(command: Callable[..., int]) -> Callable[..., int]:
    """The command with these options in place of its own `format_`; it is called with the chosen format.

    A command with a parameter `file` writes it itself.
    """
    own = inspect.signature(command, eval_str=True)
    common = inspect.signature(_declared, eval_str=True).parameters

    @functools.wraps(command)
    def with_options(**given: object) -> int:
        wished = {name: given.pop(name) for name in common}
        _obey(wished, writes_itself="file" in own.parameters)
        given["format_"] = chosen_format(wished["format_"], wished["file"], is_json=bool(wished["json"]))
        return command(**given, **({"file": wished["file"]} if "file" in own.parameters else {}))

    shown = [each for name, each in own.parameters.items() if name not in common]
    shown += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in common.values()]
    with_options.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in shown}  # typer reads both
    return with_options


def _obey(wished: dict[str, object], *, writes_itself: bool) -> None:
    color = str(wished["color"])
    if color not in _COLORS:
        raise unknown("--color", color, _COLORS)
    if wished["quiet"] and wished["verbose"]:
        raise UserError("give --quiet or --verbose, not both")
    os.environ[COLOR] = color
    file = wished["file"]
    output.settings.is_quiet = bool(wished["quiet"])
    output.settings.is_verbose = bool(wished["verbose"])
    output.settings.file = file if isinstance(file, Path) and not writes_itself else None


def chosen_format(format_: object, file: object, *, is_json: bool) -> str:
    """The format that was named, that of the file's ending, or the terminal's. Raises UserError."""
    if is_json and format_ not in (None, "json"):
        raise UserError(f"give --json or --format {format_}, not both")
    if is_json or format_ is not None:
        chosen = "json" if is_json else str(format_)
    else:
        chosen = _format_of(file) if isinstance(file, Path) else "terminal"
    output.check_format(chosen)
    if file is None and not formats.is_text(chosen) and sys.stdout.isatty():
        raise UserError(f"{chosen} is no text that a terminal shows. Give -o FILE.{chosen}")
    return chosen


def _format_of(file: Path) -> str:
    """The format that a file's name ends with. UserError for an ending that no format has."""
    end = file.suffix.removeprefix(".")
    if end in _PLAIN:
        return "md"
    endings = (*formats.for_any(), *formats.binary())  # others' files end otherwise, with .json or .prom
    if end in endings:
        return end
    known = ", ".join(f".{name}" for name in (*endings, "txt"))
    raise UserError(f"cannot write {file}: no format ends with .{end}. Accepted: {known}; or give --format")
