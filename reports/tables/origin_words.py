"""The line with which a report says how it was made, so that it can be made again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from reports.document import Origin
from reports.tables.listing import and_more

MOST_COMMANDS, MOST_VERSIONS = 2, 3


def origin_in_words(origin: Origin | None) -> str:
    """`Made by convbench run --model vgg16; convbench 0.1.0, commit abc1234; 2026-01-01 10:00 to 10:07 UTC.`;
    empty where nothing is known."""
    told = "; ".join(_parts(origin)) if origin is not None else ""
    return f"{told[0].upper()}{told[1:]}." if told else ""


def _parts(origin: Origin) -> Iterator[str]:
    if origin.commands:
        yield f"made by {and_more(origin.commands, MOST_COMMANDS)}"
    known = []
    if origin.versions:
        known.append(f"convbench {and_more(origin.versions, MOST_VERSIONS)}")
    if origin.commits:
        known.append(f"commit {and_more(origin.commits, MOST_VERSIONS)}")
    if known:
        by = "made by " if origin.versions and not origin.commands else ""
        yield f"{by}{', '.join(known)}"
    if origin.started_at is not None:
        yield _when(origin.started_at, origin.finished_at)


def _when(started_at: str, finished_at: str | None) -> str:
    """`2026-01-01 10:00 to 10:07 UTC`; what is no time as it is written."""
    try:
        began = datetime.fromisoformat(started_at).astimezone(UTC)
        ended = began if finished_at is None else datetime.fromisoformat(finished_at).astimezone(UTC)
    except ValueError:
        return started_at
    first = f"{began:%Y-%m-%d %H:%M}"
    if f"{ended:%Y-%m-%d %H:%M}" == first:
        return f"{first} UTC"
    last = f"{ended:%H:%M}" if ended.date() == began.date() else f"{ended:%Y-%m-%d %H:%M}"
    return f"{first} to {last} UTC"
