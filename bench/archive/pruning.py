"""Which entries go: those that no rule keeps, or that another one supersedes; never one that has a name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

from msgspec import Struct

from bench.archive import archive_folder, archive_index, names
from bench.archive.archive_index import Listed, Row
from models.errors import UserError

ACCEPTED = "30 (the newest 30 of each label), 90d (of the last 90 days), weekly or monthly (the last of each)"
_CALENDAR = {"weekly": "%G-%V", "monthly": "%Y-%m"}


class Pruned(Struct, frozen=True):
    """What goes and what stays.

    removed      entries, the oldest first, with those that another one supersedes
    kept         entries that a rule keeps; `pinned` those that only their name keeps
    left_behind  bytes of what killed processes left
    damaged      what is wrong with entries that are not judged, and stay
    """

    removed: tuple[Row, ...]
    kept: int
    pinned: int
    left_behind: int
    damaged: tuple[str, ...] = ()


def prune(archive: Path, rules: Sequence[str], *, label: str | None = None, dry_run: bool = False) -> Pruned:
    """Remove the entries, of this label or of all, that no rule keeps or that one with the same label
    supersedes, and what killed processes left. With `dry_run` nothing is removed. Raises UserError for a rule
    that is none, and where nothing says what stays.
    """
    if not rules:
        raise UserError(f"prune needs --keep, which says what stays: {ACCEPTED}")
    for rule in rules:
        _check(rule)
    archive_folder.require(archive)
    if dry_run:
        return _chosen(archive, archive_index.listed(archive, label=label), rules)
    listed = archive_index.listed(archive, label=label)
    with archive_folder.alone(archive):
        chosen = _chosen(archive, listed, rules)
        for row in chosen.removed:
            if row.digest in archive_folder.digests(archive):
                archive_folder.remove_entry(archive, row.digest)
        archive_folder.clear_unfinished(archive)
    return chosen


def _chosen(archive: Path, listed: Listed, rules: Sequence[str]) -> Pruned:
    label_of = {row.digest: row.label for row in (*listed.rows, *listed.superseded)}
    judged = [*listed.rows, *(row for row in listed.superseded if label_of[row.superseded_by] != row.label)]
    kept = {row.digest for rule in rules for row in _kept_by(rule, judged)}
    named = set(names.pinned(archive).values())
    rest = [row for row in (*listed.rows, *listed.superseded) if row.digest not in kept]
    rest.sort(key=lambda row: (row.at, row.digest))
    removed = tuple(row for row in rest if row.digest not in named)
    left = sum(map(archive_folder.bytes_of, archive_folder.left_behind(archive)))
    return Pruned(removed, len(kept), len(rest) - len(removed), left, listed.damaged)


def _check(rule: str) -> None:
    if rule not in _CALENDAR and not re.fullmatch(r"[0-9]{1,5}d?", rule):
        raise UserError(f"--keep {rule} is no rule. Accepted: {ACCEPTED}")


def _kept_by(rule: str, rows: Sequence[Row]) -> Iterator[Row]:
    """Of each label for itself, and of each tool whose files were imported; a run's time is when it began."""
    if rule.endswith("d"):
        since = datetime.now(UTC) - timedelta(days=int(rule[:-1]))
        yield from (row for row in rows if began(row) >= since)
        return
    by_label = sorted(rows, key=lambda row: (row.label, row.tool))
    for _, alike in groupby(by_label, key=lambda row: (row.label, row.tool)):
        ordered = sorted(alike, key=began)
        if rule in _CALENDAR:
            yield from {began(row).strftime(_CALENDAR[rule]): row for row in ordered}.values()
        else:
            yield from ordered[len(ordered) - min(int(rule), len(ordered)) :]


def began(row: Row) -> datetime:
    """In UTC; when it was added where the clock of its host was wrong."""
    return datetime.fromisoformat(row.at)
