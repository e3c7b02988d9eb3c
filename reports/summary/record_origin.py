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
        """A record, of any status."""
        commands = () if record.command is None else (record.command,)
        self.add(Origin(commands=commands, started_at=record.started_at, finished_at=record.finished_at))

    def add(self, other: Origin) -> None:
        """What others say."""
        self._commands |= dict.fromkeys(other.commands)
        self._started = min(filter(None, (self._started, other.started_at)), default=None)
        self._finished = max(filter(None, (self._finished, other.finished_at)), default=None)

    def origin(self) -> Origin:
        """Of all of them, without their machines."""
        return Origin(commands=tuple(self._commands), started_at=self._started, finished_at=self._finished)
