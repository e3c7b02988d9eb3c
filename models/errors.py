"""The one exception that reaches a user as a sentence instead of a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input: the message is one clear sentence; the command line prints it and exits with 2."""


def unknown(kind: str, given: str, accepted: Iterable[str]) -> UserError:
    """What was wrong, the nearest accepted name, and all that is accepted."""
    names = list(accepted)
    near = difflib.get_close_matches(given.lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"unknown {kind} {given!r}: {hint}accepted are {', '.join(names)}")


def nearest(name: str, known: list[str]) -> str:
    """A question for the nearest known name, to end a sentence with; empty where none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f": did you mean {near[0]!r}?" if near else ""
