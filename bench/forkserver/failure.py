"""In the child: an exception as it is sent, with what was free when a job failed, which tells memory that ran
out from other errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.forkserver.wire import MESSAGE_LIMIT, ChildError


class SpokenError(Exception):
    """Its message is the whole sentence, without the name of its class."""


class LateError(SpokenError):
    """A job that gave itself up because its time was over."""


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


def told(error: BaseException) -> ChildError:
    """As it is sent."""
    free = None
    if isinstance(error, JobError) and error.__cause__ is not None:
        free, error = error.free_bytes, error.__cause__
    types = [cls.__name__ for cls in type(error).__mro__]
    if error.__cause__ is not None:  # a sentence may have been made of memory that ran out
        types += [cls.__name__ for cls in type(error.__cause__).__mro__ if cls.__name__ not in types]
    return ChildError(types=types, message=str(error)[:MESSAGE_LIMIT], free_bytes=free)
