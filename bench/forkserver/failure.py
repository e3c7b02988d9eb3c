"""In the child: what was free when a job failed, which tells memory that ran out from other errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class JobError(Exception):
    """The exception that ended a job is its cause; `free_bytes` could still be taken then."""

    def __init__(self, free_bytes: int) -> None:
        super().__init__(f"{free_bytes:,} bytes were free")
        self.free_bytes = free_bytes


@contextmanager
def free_memory_told(free_memory: Callable[[], int]) -> Iterator[None]:
    """An exception leaves as the cause of a JobError, or as it is where its device cannot be asked."""
    try:
        yield
    except Exception as error:
        free_bytes = _asked(free_memory)
        if free_bytes is None:
            raise
        raise JobError(free_bytes) from error


def _asked(free_memory: Callable[[], int]) -> int | None:
    try:
        return free_memory()
    except (RuntimeError, OSError):  # after some errors a GPU answers nothing more
        return None
