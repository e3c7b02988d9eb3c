"""News from a child while it works, through a named pipe: the parent sleeps until there is some.

A message is one line. The child never waits for the parent: what does not fit into the pipe is dropped, and
so is a line of PIPE_BUF bytes or more, which the kernel may write in parts.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class PipeReader:
    """The parent's end, as a context manager; `descriptor` becomes readable when there is news."""

    def __init__(self, path: Path) -> None:
        """Make the pipe; the folder must exist. Raises OSError."""
        self.path = path
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # Without a writer of its own the pipe would count as closed, and so as readable, between two writers.
        self._writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._writer)
        os.close(self.descriptor)
        self.path.unlink(missing_ok=True)

    def lines(self) -> list[bytes]:
        """The lines that are complete by now; empty when there are none."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.descriptor, 1 << 16):
                self._unread += data
        *lines, self._unread = self._unread.split(b"\n")
        return lines


def open_writer(path: str | None) -> Callable[[bytes], None]:
    """The child's end: a function to tell one line (without its newline); one that does nothing without a
    path, or where nobody listens."""
    if path is None:
        return lambda line: None
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return lambda line: None

    def write(line: bytes) -> None:
        if len(line) >= select.PIPE_BUF:
            return
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(descriptor, line + b"\n")

    return write
