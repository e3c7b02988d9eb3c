"""The first screen of `history`: for each network this machine against the fastest published latency."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from bench.schema.plurals import how_many
from reports.bar_rows import BarChart, BarRow
from reports.cells import Quantity, brief
from reports.document import Answer, NextStep, Table
from reports.history.then_and_now import MeasuredToday, Published, Work, same_precision
from reports.sections.asked import Asked
from reports.sections.machine_line import in_short
from reports.summary.contended import not_alone
from reports.summary.figures import Summary
from reports.tables.wording import with_interval

NAMES: Mapping[str, str] = {
    "alexnet-owt": "AlexNet",
    "alexnet-grouped": "AlexNet, two towers",
    "vgg-a": "VGG-11",
    "vgg16": "VGG-16",
    "vgg19": "VGG-19",
}
"""By the name in the published tables."""
OUT = "runs/history"
MOST_HEADLINES, MOST_CHARTED = 4, 3
"""Of more networks the first screen has no room for a chart."""
ENOUGH = 3
"""Processes that give a usable interval."""


class Match(Struct, frozen=True, kw_only=True):
    """Work of a published table that was measured here: the fastest of both sides at the same precision.

    row  None where nothing of the precision was published
    """

    work: Work
    row: Published | None
    here: MeasuredToday

    @property
    def name(self) -> str:
        """`VGG-16, batch 64`"""
        return f"{NAMES[self.work[0]]}, batch {self.work[1]}"

    @property
    def total(self) -> Quantity:
        """In milliseconds."""
        found = with_interval(self.here.total, self.here.interval, 1e3, unit=" ms")
        return structs.replace(found, of_one=True) if self.here.interval is None else found

    @property
    def speed_up(self) -> Quantity | None:
        """Published time over the time here."""
        if self.row is None:
            return None
        ratio = self.here.speed_up(self.row)
        found = with_interval(ratio.value, ratio.interval, unit="x")
        return structs.replace(found, of_one=True) if ratio.interval is None else found


def answer(
    groups: Mapping[Work, Sequence[Published]],
    found: Mapping[Work, Sequence[MeasuredToday]],
    summary: Summary | None,
    asked: Asked,
) -> Answer:
    """What a reader came for: how many times as fast this machine is."""
    matches = [_match(work, rows, found[work]) for work, rows in groups.items() if found.get(work)]
    return Answer(
        about=in_short(summary) if summary else "published figures only, nothing measured",
        alarms=not_alone(summary.figures if summary else ()),
        headlines=_headlines(matches, groups),
        chart=_chart(matches),
        table=_table(matches) if matches else None,
        next_step=next_step(matches, asked),
    )


def _match(work: Work, rows: Sequence[Published], here: Sequence[MeasuredToday]) -> Match:
    """`here` has the fastest first."""
    for each in here:
        alike = [row for row in rows if same_precision(row, each)]
        if alike:
            return Match(work=work, row=min(alike, key=lambda row: row.total_ms), here=each)
    return Match(work=work, row=None, here=here[0])


def _headlines(matches: Sequence[Match], groups: Mapping[Work, Sequence[Published]]) -> tuple[str, ...]:
    if not matches:
        rows = sum(map(len, groups.values()))
        return (f"{rows} published latencies of {len(groups)} workloads; none of them was measured here.",)
    told = [_headline(match) for match in matches[:MOST_HEADLINES]]
    more = len(matches) - MOST_HEADLINES
    return (*told, *([f"And {more} more."] if more > 0 else []))


def _headline(match: Match) -> str:
    """`VGG-16, batch 64: 53 ms per training step here, 8.9x (8.7x to 9.1x) as fast as ...`

    Times of one process get no verdict.
    """
    total, speed_up = match.total, match.speed_up
    if not total.is_resolved:
        return f"{match.name}: the time per training step here is {brief(total)}."
    told = f"{match.name}: {brief(total)} per training step here ({match.here.name})"
    if match.row is None or speed_up is None:
        return f"{told}; nothing at this precision was published."
    row = match.row
    published = f"{row.library} on {row.device} ({row.year}, {brief(row.total_ms)} ms)"
    if speed_up.of_one or speed_up.borrowed:
        return f"{told}; published: {published}."
    if not speed_up.is_resolved or _includes_one(speed_up):
        return f"{told}, not distinguishable from {published}."
    if speed_up.value >= 1:
        return f"{told}, {_ratio(speed_up)} as fast as {published}."
    return f"{told}; {published} was {_ratio(_inverse(speed_up))} as fast."


def _includes_one(ratio: Quantity) -> bool:
    return ratio.low is not None and ratio.high is not None and ratio.low <= 1 <= ratio.high


def _inverse(ratio: Quantity) -> Quantity:
    return Quantity(
        value=1 / ratio.value,
        low=None if ratio.high is None else 1 / ratio.high,
        high=None if ratio.low is None else 1 / ratio.low,
        unit=ratio.unit,
    )


def _ratio(ratio: Quantity) -> str:
    """`8.9x (8.7x to 9.1x)`"""
    return brief(structs.replace(ratio, interval="ends"))


def _chart(matches: Sequence[Match]) -> BarChart | None:
    """Milliseconds of both sides; nothing for a single row."""
    drawn = [match for match in matches if match.row is not None and match.total.is_resolved]
    if not 2 <= len(drawn) <= MOST_CHARTED:
        return None
    return BarChart(
        title="Milliseconds per training step",
        series=("fastest published", "here"),
        rows=tuple(
            BarRow(match.name, (Quantity(value=match.row.total_ms), structs.replace(match.total, unit="")))
            for match in drawn
            if match.row is not None
        ),
    )


def _table(matches: Sequence[Match]) -> Table:
    rows = [
        (
            match.name,
            structs.replace(match.total, unit=""),
            match.here.name,
            match.row.total_ms if match.row else None,
            f"{match.row.device}, {match.row.library}, {match.row.year}" if match.row else None,
            match.speed_up,
        )
        for match in matches
    ]
    columns = ("network", "here (ms)", "configuration", "published (ms)", "fastest published", "speed-up")
    shared = {match.here.name for match in matches}
    shown = [at for at, name in enumerate(columns) if name != "configuration" or len(shared) > 1]
    where = shared.pop() if len(shared) == 1 else "same precision"
    return Table(
        title=f"Training step, forward and backward, {where}",
        columns=tuple(columns[at] for at in shown),
        rows=tuple(tuple(row[at] for at in shown) for row in rows),
    )


def next_step(matches: Sequence[Match], asked: Asked) -> NextStep | None:
    """A first run where nothing was measured; more processes where a time has too few."""
    if not matches:
        return NextStep(
            command=asked.command(("history", "--run"), OUT), purpose="measures the same work on this machine"
        )
    weak = [match for match in matches if len(match.here.forward) < ENOUGH or not match.total.is_resolved]
    if not weak:
        case = matches[0].here.subject.case
        best = ("convbench", "best", case.model, "--workload", "training", "--batch", str(case.batch))
        return NextStep(command=shlex.join(best), purpose="finds a faster configuration")
    most = max(len(match.here.forward) for match in weak)
    count = ENOUGH if most < ENOUGH else 2 * most
    folders = [word for folder in asked.folders for word in ("--from", str(folder))]
    words = ("history", *folders, "--run", "--replicates", str(count))
    return NextStep(
        command=asked.command(words, OUT), purpose=f"narrows the interval of {how_many(len(weak), 'time')}"
    )
