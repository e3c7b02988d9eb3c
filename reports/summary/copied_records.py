"""Records that several runs hold, as a merged run and the runs that it is made of: each counts once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from bench.schema.plurals import how_many


class Copies:
    """What was seen of which run. Two processes never took the same times to the last digit."""

    def __init__(self) -> None:
        self._run_of: dict[int, int] = {}
        self._count = 0

    def is_copy(self, run: int, what: Hashable) -> bool:
        """Whether another run has brought the same."""
        found = self._run_of.setdefault(hash(what), run) != run
        self._count += found
        return found

    def notes(self) -> Iterator[str]:
        """In a sentence, how many there were."""
        if self._count:
            verb = "is a copy" if self._count == 1 else "are copies"
            yield f"{how_many(self._count, 'record')} {verb} of those of another run, and counted once."
