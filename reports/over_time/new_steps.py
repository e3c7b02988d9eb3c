"""Changes that nobody answered for: what `--fail-on new-step` fails on, and what `trend ack` takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.archive.case_series import CaseSeries
from reports.over_time.trend_words import sized
from reports.over_time.trended import ToldChange, Trended, TrendedSeries

NEW_STEP = "new-step"
_WORDS = {"step": "since", "boundary": "since", "drift": "in a drift since"}


def reasons(trended: Trended) -> tuple[str, ...]:
    """Why a gate fails, a phrase for each change toward slower that nobody acknowledged, the oldest first;
    none where it passes. Steps, boundaries that changed times, and drifts count alike; what later runs do not
    confirm counts no longer."""
    failing = [
        (each.series, change)
        for each, change in told(trended.series)
        if is_new(change) and change.is_slower and change.is_confirmed
    ]
    failing.sort(key=lambda found: found[0].runs[found[1].at].at)
    return tuple(_phrase(series, change) for series, change in failing)


def told(series: Iterable[TrendedSeries]) -> Iterator[tuple[TrendedSeries, ToldChange]]:
    """All told changes, acknowledged or not."""
    return ((each, change) for each in series for change in each.told)


def is_new(change: ToldChange) -> bool:
    return change.acknowledged is None


def _phrase(series: CaseSeries, change: ToldChange) -> str:
    """`vgg16/inference/... on NVIDIA H100 is 3.1% slower (2.4% to 3.8%) since 2026-03-14 (vgg16-3f0c92ab)`;
    `was 3.1% slower (2.4% to 3.8%) from 2026-03-14 to 2026-03-17` of one that was taken back."""
    since = series.runs[change.at].at[:10]
    of = f"{series.case} on {series.kind}" if series.kind else series.case
    if change.reverted is not None:
        last = series.runs[change.reverted.at - 1].at[:10]
        return f"{of} was {sized(change.shift)} from {since} to {last} ({change.name})"
    return f"{of} is {sized(change.shift)} {_WORDS[change.what]} {since} ({change.name})"
