"""Names of changes -> what `trend ack` keeps of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.archive import archive_index
from bench.archive.case_series import CaseSeries
from bench.schema.acknowledgement import Acknowledgement
from models.errors import UserError, unknown
from reports.over_time.found_trend import found_trend
from reports.over_time.new_steps import is_new, told
from reports.over_time.shown_series import shown_of
from reports.over_time.told_groups import groups
from reports.over_time.trended import ToldChange


def answers(
    archive: Path, names: Sequence[str], *, why: str, by: str, same_run: bool = False
) -> dict[str, Acknowledgement]:
    """An answer to each of these changes, or without names to all that nobody has answered for.

    With `same_run` also to those that the report tells in one sentence with them.

    They are looked for among all runs, then among those of each label. Raises UserError for a name that no
    change has, with the nearest, and where there is nothing to answer for.
    """
    there: dict[str, tuple[CaseSeries, ToldChange]] = {}
    together: dict[str, list[str]] = {}
    for label in _views(archive):
        found = found_trend(archive, label=label)
        for each, change in told(found.series):
            there.setdefault(change.name, (each.series, change))
        if same_run:
            for group in groups(shown_of(found)):
                own = [each.change.name for each in group.told]
                together = dict.fromkeys(own, own) | together
        if names and there.keys() >= set(names):
            break
    for name in names:
        if name not in there:
            raise unknown("change", name, there) if there else UserError(f"nothing has changed in {archive}")
    asked = [each for name in names for each in together.get(name, [name])]
    asked = asked or [name for name, (_, change) in there.items() if is_new(change)]
    if not asked:
        raise UserError(f"every change in {archive} is acknowledged already")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return {name: _answer(*there[name], why=why, by=by, at=at) for name in dict.fromkeys(asked)}


def _views(archive: Path) -> Iterator[str | None]:
    """All runs, then the runs of each label, where these are others."""
    yield None
    labels = {row.label for row in archive_index.listed(archive).rows}
    if len(labels) > 1:
        yield from sorted(labels - {""})


def _answer(series: CaseSeries, change: ToldChange, *, why: str, by: str, at: str) -> Acknowledgement:
    run = series.runs[change.at]
    return Acknowledgement(
        case=series.case,
        kind=series.kind,
        fingerprint=series.fingerprint,
        origin=series.origin,
        what=change.what,
        run=run.digest,
        run_at=run.at,
        by=by,
        acknowledged_at=at,
        why=why,
    )
