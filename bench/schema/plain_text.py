"""Text that JSON and UTF-8 can hold: names of files, hosts and variables need not be any."""

from __future__ import annotations

import msgspec


def as_text(name: str) -> str:
    """A name with each byte that is no UTF-8 as `\\xe9`; every other name unchanged.

    Python reads such bytes from a command line, a variable or a folder as halves of pairs that no encoding
    has.
    """
    if name.isascii():  # so a report of 60 MB is not copied twice
        return name
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # such a half from elsewhere: of an exception's message
        return name.encode("utf-8", "backslashreplace").decode()


def printable(text: str, but: str = "") -> str:
    """Text of the same length with a blank for each sign that cannot be printed, but for these: a terminal
    obeys nothing in it, and it is one line."""
    if text.isprintable():
        return text
    return "".join(sign if sign in but or sign.isprintable() else " " for sign in text)


def in_print(text: str) -> str:
    """The same with single blanks."""
    return " ".join(printable(text).split())


def why_no_text(name: str) -> str | None:
    """Why a name cannot stand in a record or a message, in a sentence; None where it can."""
    if not _is_odd(name):
        return None
    return f"{as_text(name)} is not a UTF-8 name. Rename the file"


def encode(message: object) -> bytes:
    """A message as JSON, its texts made such that JSON can hold them."""
    try:
        return msgspec.json.encode(message)
    except UnicodeEncodeError:
        return msgspec.json.encode(_with_text(msgspec.to_builtins(message)))


def _is_odd(name: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in name)


def _with_text(plain: object) -> object:
    if isinstance(plain, str):
        return as_text(plain)
    if isinstance(plain, dict):
        return {_with_text(key): _with_text(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [_with_text(value) for value in plain]
    return plain
