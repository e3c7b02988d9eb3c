"""When a run was measured, where the clock of its host may have been wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct

MOST_AHEAD = timedelta(hours=1)
"""By which the host that measures may be ahead of the one that adds. Hosts that nobody synchronizes differ by
minutes; runs of two nights do not change places within an hour."""
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""Before the first release of torch, of 2016. A clock without its battery begins at 1970, 1980 or 2000."""


class RunDate(Struct, frozen=True):
    """When a run was measured, ISO 8601 in UTC; where its host's clock was wrong, when it was added."""

    at: str
    is_dated: bool = True


def run_date(started_at: str, added_at: str) -> RunDate:
    """Of a run, by what its records say and its entry.

    A run cannot begin after it was added. That it began long before is no error: history is added late.
    """
    started, added = in_utc(started_at), in_utc(added_at)
    if started is not None and started >= EARLIEST and (added is None or started <= added + MOST_AHEAD):
        return RunDate(_text(started))
    return RunDate(_text(added or started or datetime.fromtimestamp(0, UTC)), is_dated=False)


def in_utc(text: str) -> datetime | None:
    """A time of ISO 8601; one without a zone is in UTC. None of what is no time, or is none in UTC."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
