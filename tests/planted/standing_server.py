"""What stands for a fork server that starts in no time."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TypeVar

T = TypeVar("T")


class StandingServer(nullcontext[T]):
    """A context manager that gives what it was made with, and has nothing to begin."""

    def begin(self) -> None:
        """As `bench.forkserver.client.Server` has it."""
