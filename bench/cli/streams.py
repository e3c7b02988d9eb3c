"""Standard input, output and error as a command finds them: closed, in ASCII, or with a size that is none."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import unicodedata
from pathlib import Path

_PLAIN = "convbench-plain"
"""The name of `_plain` among Python's error handlers."""

_IN_ASCII = {
    **{
        "±": "+/-",
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{MINUS SIGN}": "-",
        "·": ".",
        "•": "*",
        "†": "+",
        "§": "#",
        "█": "#",
        "▓": "=",
        "░": ".",
        "▏": "|",
        "▲": "^",
        "▼": "v",
        "✓": "ok",
        "✗": "x",
        "●": "o",
    },
    **dict(zip("▁▂▃▄▅▆▇", "_.,-=+*", strict=True)),
    **{"°": " deg ", "≤": "<=", "≥": ">=", "≈": "~", "→": "->", "…": "..."},
}
_IN_ASCII_BY_CATEGORY = {"Pd": "-", "Pi": '"', "Pf": '"'}
"""Dashes and quotation marks."""

_STREAMS = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))

_SIZES = ("COLUMNS", "LINES", "TERMINAL_WIDTH")
"""Variables that say how large a terminal is."""


def prepare() -> None:
    """What is closed leads to nowhere, and what a stream cannot encode is written in plain signs.

    The numbers 0, 1 and 2 are filled too, or the next file that is opened would get the program's output.
    """
    closed = [stream for stream in _STREAMS if getattr(sys, stream[1]) is None]
    for number, _, _ in closed:
        _lead_nowhere(number)
    for _, name, mode in closed:
        setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - to the end
    codecs.register_error(_PLAIN, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)
    for name in _SIZES:
        if not _is_size(os.environ.get(name, "1")):
            del os.environ[name]  # `COLUMNS=0` is what some terminals say while they start


def _lead_nowhere(number: int) -> None:
    with contextlib.suppress(OSError):
        os.fstat(number)
        return  # a file that an import keeps open has it
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
    os.set_inheritable(number, True)


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text[:9]) < 10**6


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """The handler: of names that are no UTF-8 the bytes that they have, of other signs something in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    if "\udc80" <= sign <= "\udcff":
        return f"\\x{ord(sign) - 0xDC00:x}", error.start + 1
    return _in_ascii(sign), error.start + 1


def _in_ascii(sign: str) -> str:
    """What stands for a sign where an encoding lacks it: without its accents, or `?`."""
    name = unicodedata.name(sign, "")
    if name.startswith("BOX DRAWINGS"):
        return "-" if name.endswith(" HORIZONTAL") else "|" if name.endswith(" VERTICAL") else "+"
    known = _IN_ASCII.get(sign) or _IN_ASCII_BY_CATEGORY.get(unicodedata.category(sign))
    return known or unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode().strip() or "?"
