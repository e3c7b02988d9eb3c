"""What the time of runs went to, by their records."""

from __future__ import annotations

from collections.abc import Mapping

from bench.schema.record import Record


class TimeSpent:
    """`seconds` of the records that were taken in, by what they went to: their processes', and those of the
    commands between them. Empty where no record says it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def take(self, record: Record) -> None:
        """A record that is one process, whether or not it was run again."""
        for part in (record.spent, record.between):
            if part:
                self.add(part)

    def add(self, seconds: Mapping[str, float]) -> None:
        """What was spent elsewhere, by what it went to."""
        for what, spent in seconds.items():
            self.seconds[what] = self.seconds.get(what, 0.0) + spent
