"""One network, timed: the figure, its interval, and what holds it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from bench.schema.metrics import CLOCKS
from bench.schema.phases import PHASES
from reports.analysis.further_processes import further, resume_command, with_further
from reports.analysis.measured_ceilings import ceilings_of
from reports.analysis.nominal_limit import Limit, limit_of, rate, whole_time
from reports.analysis.utilisation import Utilisation, reached
from reports.cells import Cell, Quantity, Scalar
from reports.document import Document, Table
from reports.sections.utilisation_tables import flat_rows
from reports.summary.contended import not_alone
from reports.summary.figures import Figure, Summary
from reports.summary.subjects import Figures, by_subject
from reports.tables.case_columns import in_words
from reports.tables.wording import MIB, following, interval_notes, milliseconds, one_line, remarks

GIGA = 1e9
Ended = Literal["narrow enough", "budget spent", "most processes", "interrupted"]
"""Why no further process was run."""
_AXES = ("workload", "device", "precision", "engine", "layout", "tuning", "batch", "threads")


class TimedCase(Struct, frozen=True, kw_only=True):
    """A run of a single case. `until` is the half width (relative) that was asked for, `seconds` what the
    command took, `nominal` the processor's rate in FLOP/s, or None, `kept_in` the folder that keeps the run,
    or None."""

    summary: Summary
    until: float
    seconds: float
    ended: Ended
    nominal: float | None = None
    kept_in: Path | None = None


def build(timed: TimedCase) -> Document | None:
    """None where no process gave a time."""
    figures = timed.summary.figures
    found = reached(figures, ceilings_of(timed.summary))
    whole = whole_time(found)
    if whole is None:
        return None
    of_case = by_subject(figures)[whole.subject]
    limit = limit_of(whole, timed.nominal)
    return Document(
        title=f"convbench time {whole.subject.case.model}",
        remarks=not_alone(figures),
        text=(f"{in_words(whole.subject, _AXES)}.",),
        tables=(_table(timed, whole, of_case, limit),),
        rows=tuple(_rows(timed, found, whole, limit)),
    )


def _rows(
    timed: TimedCase, found: Sequence[Utilisation], whole: Utilisation, limit: Limit
) -> Iterator[dict[str, Scalar]]:
    """Every time as in a report; that of the whole step with what holds it back."""
    times = [figure for figure in timed.summary.figures if figure.metric in CLOCKS]
    rows = with_further(flat_rows(times, found), times, timed.summary.seconds, timed.until)
    for figure, row in zip(times, rows, strict=True):
        if figure is whole.time:
            row |= {"limit": limit.label, "limit_why": limit.why, "nominal_share": limit.nominal_share}
        yield row


def half_width(figure: Figure) -> float | None:
    """Of its interval across processes, relative; None without one."""
    interval = figure.interval
    if interval is None or interval.kind != "across-processes" or interval.low <= 0:
        return None
    return float((interval.high / interval.low) ** 0.5 - 1)


def _table(timed: TimedCase, whole: Utilisation, figures: Figures, limit: Limit) -> Table:
    rows = (*_times(whole, figures), *_reached(whole, limit), *_conditions(timed, whole, figures))
    return Table(
        title="One step",
        columns=("what", "value"),
        rows=tuple((what, cell) for what, cell in rows if cell is not None),
        notes=(
            *interval_notes(cell for _, cell in rows),
            *_prior_note(whole.time),
            *_ended(timed, whole.time),
            *([] if whole.arithmetic else ["convbench run --ceilings measures what the machine can do."]),
        ),
    )


def _times(whole: Utilisation, figures: Figures) -> Iterator[tuple[str, Cell]]:
    """The whole step by every clock, then its phases by the wall's, and what follows."""
    for metric, clock in CLOCKS.items():
        figure = figures.get((whole.time.phase, metric))
        yield ("time (ms)" if metric == "wall_time" else f"{clock} time (ms)"), milliseconds(figure)
    for phase in PHASES:
        if phase != whole.time.phase:
            yield f"of it {phase} (ms)", milliseconds(figures.get((phase, "wall_time")))
    yield "images/s", following(whole.time.images_per_second, whole.time)


def _reached(whole: Utilisation, limit: Limit) -> Iterator[tuple[str, Cell]]:
    arithmetic, traffic = rate(whole.time, whole.flops), rate(whole.time, whole.bytes)
    yield "limit", f"{limit.label}: {limit.why}"
    yield "arithmetic (GFLOP/s)", following(_in_giga(arithmetic), whole.time)
    yield "memory traffic, at most (GB/s)", following(_in_giga(traffic), whole.time)
    yield "arithmetic intensity (FLOP/byte)", whole.intensity


def _in_giga(value: float | None) -> Cell:
    return value / GIGA if value else None


def _conditions(timed: TimedCase, whole: Utilisation, figures: Figures) -> Iterator[tuple[str, Cell]]:
    for metric, words in (("cpu_utilisation", "in use"), ("others_share", "taken by other programs")):
        figure = figures.get(("window", metric))
        yield f"threads' time {words} (%)", Quantity(value=100 * figure.median, digits=1) if figure else None
    for metric in ("peak_allocated", "peak_resident"):
        peak = figures.get((whole.time.phase, metric))
        yield f"{metric.replace('_', ' ')} (MiB)", peak.median / MIB if peak else None
    count, samples = len(whole.time.medians), whole.time.samples
    processes = "1 process" if count == 1 else f"{count} processes"
    yield "measured", f"{processes}, {samples:,} samples, {timed.seconds:.0f} s in all"
    yield "failed", _failed(timed.summary)
    yield "remarks", remarks([whole.time])


def _failed(summary: Summary) -> Cell:
    found = [f"{each.processes} {each.status}: {one_line(each.reason)}" for each in summary.outcomes]
    return "; ".join(found) or None


def _prior_note(time: Figure) -> Sequence[str]:
    """Of one case the other cases of its run say nothing."""
    parts = time.interval and time.interval.parts
    if not parts or parts.cases > 1:
        return ()
    return (
        "The interval leans on how much processes usually differ (the published prior), as no other case was "
        "measured beside it.",
    )


def _ended(timed: TimedCase, time: Figure) -> Sequence[str]:
    half = half_width(time)
    typed = resume_command(timed.kept_in) if timed.kept_in is not None else None
    wanted = f"±{100 * timed.until:g}%"
    if timed.ended == "interrupted":
        return (f"Interrupted: this is what was known by then.{f' To go on: {typed}' if typed else ''}",)
    if half is not None and half <= timed.until:
        return ()
    if timed.ended == "budget spent":
        more = further(time, timed.summary.seconds, timed.until)
        known = more is not None and len(time.medians) > 1
        told = f": {more.in_words}" if more is not None and known else ""
        how = f"{typed} goes on" if typed else "a larger --budget has room for more"
        return (f"The budget was spent before the interval was within {wanted}; {how}{told}.",)
    if timed.ended == "most processes":
        return (f"No more processes are run of one case, though the interval is not within {wanted}.",)
    return ()
