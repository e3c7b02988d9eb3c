"""The one exception that reaches a user as a sentence instead of a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_MOST_LISTED = 8
_LISTED_BY = {
    "model": "convbench list models",
    "transformation": "convbench list variants",
    "claim": "convbench claims",
    "recipe field": "convbench train --help",
    "workload": "convbench list axes",
    "precision": "convbench list axes",
    "engine": "convbench list axes",
    "tuning": "convbench list axes",
    "archived run": "convbench archive list",
    "archived case": "convbench trend --full",
    "change": "convbench trend --full",
    "acknowledged change": "convbench trend --section acknowledged",
}
"""The command that shows all names of a kind."""
_SHORT = 4
"""Names of so few characters are near each other by chance."""


class UserError(Exception):
    """Bad input: the message is one clear sentence; the command line prints it and exits with 2."""


def in_one_line(error: BaseException, most: int = 240) -> str:
    """`ValueError: no such weights`: the class and its words without line breaks, cut after so many
    characters; the class alone where it has none."""
    said = " ".join(str(error).split())[:most]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def unknown(kind: str, given: str, accepted: Iterable[str]) -> UserError:
    """What is wrong, the nearest accepted name, and what is accepted: 8 names at most where a command shows
    the rest."""
    names = list(accepted)
    return UserError(f"unknown {kind} {given!r}. {_question(given, names)}Accepted: {_listed(kind, names)}")


def nearest(name: str, known: Sequence[str]) -> str:
    """`. Did you mean 'vgg16'?`, to end a sentence with; empty where no known name is near."""
    return f". {question}".rstrip() if (question := _question(name, known)) else ""


def _question(given: str, names: Sequence[str]) -> str:
    near = _near(given.lower(), names)
    return f"Did you mean {near!r}? " if near else ""


def _listed(kind: str, names: Sequence[str]) -> str:
    command = _LISTED_BY.get(kind)
    if command is None or len(names) <= _MOST_LISTED:
        return ", ".join(names)
    left = len(names) - _MOST_LISTED
    return f"{', '.join(names[:_MOST_LISTED])} and {left} more (see `{command}`)"


def _near(given: str, names: Sequence[str]) -> str | None:
    """Two characters exchanged, then a name that begins so, then one that is alike."""
    swapped = {given[:at] + given[at + 1] + given[at] + given[at + 2 :] for at in range(len(given) - 1)}
    begun = [name for name in names if len(given) > 1 and name.lower().startswith(given)]
    alike = difflib.get_close_matches(given, names, n=1, cutoff=0.7 if len(given) <= _SHORT else 0.5)
    found = [name for name in names if name.lower() in swapped] or begun or alike
    return found[0] if found else None
