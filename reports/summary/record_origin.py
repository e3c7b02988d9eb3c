"""By which commands records were made, and when."""

from __future__ import annotations

from bench.schema.record import Record
from reports.document import Origin


class RecordOrigin:
    """Gathers what records say of how they came about, one after the other."""

    def __init__(self) -> None:
        self._commands: dict[str, None] = {}
        self._started: str | None = None
        self._finished: str | None = None

    def take(self, record: Record) -> None:
        """A record, of any status. Of 100,000 none is made into an `Origin` first."""
        if record.command is not None:
            self._commands[record.command] = None
        if self._started is None or record.started_at < self._started:
            self._started = record.started_at
        if record.finished_at is not None and (self._finished is None or record.finished_at > self._finished):
            self._finished = record.finished_at

    def add(self, other: Origin) -> None:
        """What others say."""
        self._commands |= dict.fromkeys(other.commands)
        self._started = min(filter(None, (self._started, other.started_at)), default=None)
        self._finished = max(filter(None, (self._finished, other.finished_at)), default=None)

    def origin(self) -> Origin:
        """Of all of them, without their machines."""
        return Origin(commands=tuple(self._commands), started_at=self._started, finished_at=self._finished)
