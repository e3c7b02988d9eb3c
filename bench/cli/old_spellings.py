"""Options under the names that they had: accepted for one release, in no help, and said to be old."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.cli import output

RENAMED: Mapping[str, Mapping[str, str]] = {"train": {"--seed": "--first-seed"}}
"""Of a command: the old name of an option, and the one that it has now."""


def current(command: str, words: Sequence[str]) -> list[str]:
    """The arguments of a command with today's names; a line on standard error for each old one."""
    renamed = RENAMED.get(command, {})
    return list(_current(command, words, renamed)) if renamed else list(words)


def _current(command: str, words: Sequence[str], renamed: Mapping[str, str]) -> Iterator[str]:
    for word in words:
        name, equals, value = word.partition("=")
        if name in renamed:
            say_old(f"{name} of {command}", renamed[name])
            word = f"{renamed[name]}{equals}{value}"
        yield word


def say_old(old: str, new: str) -> None:
    """That an old spelling still works, and what to write instead."""
    output.complain(f"{old} is now {new}; the old spelling works until the next minor version")
