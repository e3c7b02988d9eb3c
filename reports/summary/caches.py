"""Times with warm caches, times with a cold L2: of which kind records are, and that they are never mixed."""

from __future__ import annotations

from bench.schema.case import TIMED, Caches
from bench.schema.metrics import is_of
from bench.schema.record import Record
from models.errors import UserError

IN_WORDS: dict[Caches, str] = {
    "warm": (
        "Caches: warm. A timed step follows others and uses what they left in the L2 and in the allocator's "
        "cache."
    ),
    "cold L2": (
        "Caches: cold L2, warm allocator (--flush-l2). Before each sample a buffer twice as large as the L2 "
        "(on a CPU the last cache) is overwritten, untimed; a sample is one step."
    ),
}


def caches_of(record: Record) -> Caches | None:
    """What the steps of a record found; None where no step was timed."""
    timed = record.case.workload in TIMED and record.status == "ok" and record.protocol.max_samples > 0
    return record.protocol.caches if timed else None


def of_metric(caches: Caches | None, metric: str) -> Caches | None:
    """For which metrics of such a record this matters: its latencies."""
    return caches if is_of(metric, "time") or is_of(metric, "layer") else None


class OneKind:
    """Takes the records of several folders and raises UserError at the first of another kind."""

    def __init__(self) -> None:
        self.caches: Caches | None = None
        self._folder = ""

    def take(self, record: Record, folder: str) -> None:
        """`folder` is where the record stands, for the sentence."""
        found = caches_of(record)
        if found is not None and found != self.caches:
            self.take_found((found, folder))

    @property
    def found(self) -> tuple[Caches, str] | None:
        """The kind, and the folder of the first record that has it; None where no step was timed."""
        return None if self.caches is None else (self.caches, self._folder)

    def take_found(self, found: tuple[Caches, str] | None) -> None:
        """What another one has found, in records that follow."""
        if found is None or found[0] == self.caches:
            return
        if self.caches is not None:
            raise refusal((self.caches, self._folder), found)
        self.caches, self._folder = found


def refusal(one: tuple[Caches, str], other: tuple[Caches, str]) -> UserError:
    """The sentence for two kinds, each with where it stands."""
    of = {"warm": "warm caches", "cold L2": "a cold L2 (--flush-l2)"}
    return UserError(
        f"{one[1]} has times with {of[one[0]]} and {other[1]} times with {of[other[0]]}, which are never "
        "pooled, compared or ranked together"
    )
