"""What a command that measures a plan spends, beside its processes and with them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from msgspec import structs

from bench.forkserver.stopwatch import Stopwatch
from bench.schema.record import Record
from bench.schema.spending import Spending, added


class CommandSeconds:
    """From its making on; each record is given what the command spent since the one before it."""

    def __init__(self) -> None:
        self._watch = Stopwatch()
        self._spent: dict[str, float] = {}

    def on(self, what: Spending) -> AbstractContextManager[None]:
        """What is done inside is this, and belongs to no process."""
        return self._watch.on(what)

    def told(self, record: Record) -> Record:
        """The record with the seconds between the process before and its own, whose seconds were `rest`."""
        seconds = record.seconds or 0.0
        between = added((self._watch.lap(), {"rest": -seconds}))
        self._spent = added((self._spent, between, record.spent or {"rest": seconds}))
        return structs.replace(record, between={what: took for what, took in between.items() if took > 0})

    def spent(self) -> dict[str, float]:
        """All seconds so far, by what they went to."""
        self._spent = added((self._spent, self._watch.lap()))
        return dict(self._spent)
