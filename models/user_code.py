"""Running code that is not ours, in a child: whatever it does to end the program is told in one sentence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import torch

from models.errors import UserError
from models.known_causes import known_cause, words_of

OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
"""Told apart from a factory's own errors: a network too large for the machine is a result."""

_BEHIND_MAIN = 'put what runs as a script behind if __name__ == "__main__":'


class FactoryError(UserError):
    """A network that is not ours could not be made; the message is one sentence with its own error."""


@contextmanager
def as_factory_error(name: str) -> Iterator[None]:
    """Turn whatever a user's code raises into a FactoryError with its own words, but for lack of memory."""
    try:
        yield
    except (UserError, *OUT_OF_MEMORY):
        raise
    except BaseException as error:
        if "DefaultCPUAllocator" in str(error):  # torch has no class of its own for the CPU's memory
            raise
        raise FactoryError(f"{name} {_told(error)}") from error


def _told(error: BaseException) -> str:
    """What the code did, after its name."""
    description = words_of(error)
    if isinstance(error, SystemExit):
        asked = _refused_by_argparse(error.__traceback__)
        if asked is not None:
            return (
                f"reads command-line arguments when it is loaded, but convbench passes none: {asked};"
                f" give them defaults, or {_BEHIND_MAIN}"
            )
        return f"ends the program when it is loaded ({description}): {_BEHIND_MAIN}"
    if isinstance(error, EOFError):
        return f"asks for input when it is loaded, but convbench gives none ({description}): {_BEHIND_MAIN}"
    cause = known_cause(error)
    return f"{cause} ({description})" if cause else f"failed with {description}"


def _refused_by_argparse(trace: TracebackType | None) -> str | None:
    """What argparse had to say of missing arguments, where it is what ended the program."""
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code is argparse.ArgumentParser.error.__code__:
            return str(frame.f_locals.get("message", "arguments are required"))
        trace = trace.tb_next
    return None


@contextmanager
def as_program(path: str) -> Iterator[None]:
    """While this lasts, `sys.argv` is that of a program started without arguments, and `os._exit` raises."""
    arguments, leave, process = sys.argv, os._exit, os.getpid()

    def refuse(code: int) -> None:
        if os.getpid() != process:  # a process that the user's code forked
            leave(code)
        raise SystemExit(code)

    sys.argv = [path]
    os._exit = refuse  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.argv, os._exit = arguments, leave


@contextmanager
def running(name: str, path: str) -> Iterator[None]:
    """Around the import of a user's code and the call of his factory. Raises FactoryError, which names it."""
    with as_program(path), as_factory_error(name):
        yield
