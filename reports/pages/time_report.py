"""One network, timed: the figure, its interval, and what limits it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct, structs

from bench import devices
from bench.plan.suite import MOST_PROCESSES
from bench.schema.case import Case
from bench.schema.metrics import CLOCKS
from bench.schema.phases import PHASES
from bench.schema.plurals import how_many
from reports.analysis.best_measured import is_resolved
from reports.analysis.further_processes import Further, further, resume_command, with_further
from reports.analysis.measured_ceilings import ceilings_of
from reports.analysis.nominal_limit import NOT_KNOWN, Limit, limit_of, rate, whole_time
from reports.analysis.utilisation import Utilisation, reached
from reports.cells import Cell, Quantity, Scalar, brief
from reports.document import Answer, Document, NextStep, Part, Table
from reports.pages.run_headlines import configuration, images_per_second, in_own_unit, of_peak
from reports.sections.machine_line import machine_words
from reports.sections.origin import origin_of
from reports.sections.peak_share import peak_share
from reports.sections.utilisation_tables import flat_rows
from reports.summary.contended import not_alone
from reports.summary.figures import Figure, Summary
from reports.summary.subjects import Figures, by_subject
from reports.tables.case_columns import in_words
from reports.tables.case_command import layers_command
from reports.tables.case_names import case_name
from reports.tables.label_meanings import UNRELIABLE
from reports.tables.wording import MIB, following, interval_notes, milliseconds, one_line, remarks

GIGA = 1e9
DETAILS = Part("details", "One step")
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
    summary = timed.summary
    return Document(
        title=f"{case_name(whole.subject.case)}: {_figure(whole)}",
        answer=_answer(timed, whole, limit),
        text=(f"{in_words(whole.subject, _AXES)}.", *_prior_note(whole.time)),
        tables=(_table(timed, whole, of_case, limit),),
        rows=tuple(_rows(timed, found, whole, limit)),
        origin=origin_of(summary),
    )


def _answer(timed: TimedCase, whole: Utilisation, limit: Limit) -> Answer:
    case, count = whole.subject.case, len(whole.time.medians)
    processes = f"{how_many(count, 'process', 'processes')}, {timed.seconds:.0f} s"
    where = ", ".join(filter(None, (configuration(whole), "" if is_host(case) else case.device)))
    facts = [f"{brief(images_per_second(whole.time))} images/s", *_limit(whole, limit)]
    told = (
        f"{case_name(case)}, {where}: {_figure(whole)} ({processes})"
        f"{'; ' + ', '.join(facts) if is_resolved(whole.time) else ''}."
    )
    labels = [label for label in UNRELIABLE if label in whole.time.tags]
    return Answer(
        about=" · ".join(machine_words(timed.summary)),
        alarms=not_alone(timed.summary.figures),
        headlines=(told, *_ended(timed, whole.time)),
        warnings=" ".join(_warnings(labels, timed.summary)),
        next_step=_next(timed, whole),
    )


def _figure(whole: Utilisation) -> str:
    """The time; how many more processes it needs, which a table says in a sign, follows in words."""
    return brief(structs.replace(in_own_unit(whole.time), more=None))


def _warnings(labels: Sequence[str], summary: Summary) -> Iterator[str]:
    if labels:
        yield f"! The figure may not repeat: {', '.join(labels)}."
    failed = _failed(summary)
    if failed is not None:
        yield f"! Not in the figure: {failed}."


def _limit(whole: Utilisation, limit: Limit) -> Iterator[str]:
    """The share of the measured peak, else of the nominal rate, where the time is resolved."""
    share = peak_share(whole)
    if share is not None:
        yield of_peak(whole, share)
    elif limit.nominal_share is not None and limit.nominal_share <= 1:
        yield f"{limit.nominal_share:.0%} of the CPU's nominal {whole.dtype} rate"
    elif limit.label != NOT_KNOWN:
        yield limit.label


def _next(timed: TimedCase, whole: Utilisation) -> NextStep:
    """The command that narrows the figure; where it is narrow enough, the one that shows where time goes."""
    typed = resume_command(timed.kept_in) if timed.kept_in is not None else None
    if typed and timed.ended in ("budget spent", "interrupted"):
        more = further(whole.time, timed.summary.seconds, timed.until)
        return NextStep(
            command=typed,
            purpose=_purpose(whole.time, timed.until, more),
            seconds=more.seconds if more else None,
        )
    case = whole.subject.case
    return NextStep(command=layers_command(case), purpose="shows where the time goes")


def _purpose(time: Figure, until: float, more: Further | None) -> str:
    """What resuming does: no case gets more than MOST_PROCESSES."""
    if more is not None and more.more is not None and len(time.medians) + more.more <= MOST_PROCESSES:
        return f"narrows it to ±{100 * until:g}%"
    return "narrows it, once no other program runs" if "contended" in time.tags else "narrows it"


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


def is_host(case: Case) -> bool:
    """Whether it runs on the CPU, which needs no naming."""
    return devices.traits(case.device).is_host


def half_width(figure: Figure) -> float | None:
    """Of its interval across processes, relative; None without one."""
    interval = figure.interval
    if interval is None or not interval.is_across or interval.low <= 0:
        return None
    return float((interval.high / interval.low) ** 0.5 - 1)


def _table(timed: TimedCase, whole: Utilisation, figures: Figures, limit: Limit) -> Table:
    rows = (*_times(whole, figures), *_reached(whole, limit), *_conditions(timed, whole, figures))
    return Table(
        title="One step",
        part=DETAILS,
        columns=("what", "value"),
        rows=tuple((what, cell) for what, cell in rows if cell is not None),
        notes=(
            *interval_notes(cell for _, cell in rows),
            *([] if whole.arithmetic else ["% of peak: add --ceilings to convbench run."]),
        ),
    )


def _times(whole: Utilisation, figures: Figures) -> Iterator[tuple[str, Cell]]:
    """The whole step by every clock, then its phases by the wall's, and what follows."""
    for metric, clock in CLOCKS.items():
        figure = figures.get((whole.time.phase, metric))
        yield ("time (ms)" if metric == "wall_time" else f"{clock} time (ms)"), milliseconds(figure)
    for phase in PHASES:
        if phase != whole.time.phase:
            yield f"{phase} (ms)", milliseconds(figures.get((phase, "wall_time")))
    yield "images/s", following(whole.time.images_per_second, whole.time)


def _reached(whole: Utilisation, limit: Limit) -> Iterator[tuple[str, Cell]]:
    arithmetic, traffic = rate(whole.time, whole.flops), rate(whole.time, whole.bytes)
    yield "limit", f"{limit.label}: {limit.why}"
    yield "compute (GFLOP/s)", following(_in_giga(arithmetic), whole.time)
    yield "memory traffic, upper bound (GB/s)", following(_in_giga(traffic), whole.time)
    yield "arithmetic intensity (FLOP/byte)", whole.intensity


def _in_giga(value: float | None) -> Cell:
    return value / GIGA if value else None


def _conditions(timed: TimedCase, whole: Utilisation, figures: Figures) -> Iterator[tuple[str, Cell]]:
    for metric, words in (("cpu_utilisation", "CPU use"), ("others_share", "CPU use of other programs")):
        figure = figures.get(("window", metric))
        yield f"{words} (%)", Quantity(value=100 * figure.median, digits=1) if figure else None
    for metric in ("peak_allocated", "peak_resident"):
        peak = figures.get((whole.time.phase, metric))
        yield f"{metric.replace('_', ' ')} (MiB)", peak.median / MIB if peak else None
    count, samples = len(whole.time.medians), whole.time.samples
    processes = how_many(count, "process", "processes")
    yield "measured", f"{processes}, {samples:,} samples, {timed.seconds:.0f} s"
    yield "failed", _failed(timed.summary)
    yield "remarks", remarks([whole.time])


def _failed(summary: Summary) -> str | None:
    found = [f"{each.processes} {each.status}: {one_line(each.reason)}" for each in summary.outcomes]
    return "; ".join(found) or None


def _prior_note(time: Figure) -> Sequence[str]:
    """Of one case the other cases of its run say nothing."""
    parts = time.interval and time.interval.parts
    if not parts or parts.cases > 1:
        return ()
    return (
        "The interval uses the published prior of how much processes differ, as this run has no other case.",
    )


def _ended(timed: TimedCase, time: Figure) -> Sequence[str]:
    half = half_width(time)
    wanted = f"±{100 * timed.until:g}%"
    if timed.ended == "interrupted":
        return ("Interrupted: this is the figure so far.",)
    if half is not None and half <= timed.until:
        return ()
    if timed.ended == "budget spent":
        more = further(time, timed.summary.seconds, timed.until)
        known = more is not None and len(time.medians) > 1
        several = f"{more.in_words} more" if more is not None and more.more is None else ""
        told = f" (needs {several or more.in_words})" if more is not None and known else ""
        how = "" if timed.kept_in else "; raise --budget"
        return (f"Time budget used up before the interval was within {wanted}{how}{told}.",)
    if timed.ended == "most processes":
        return (f"{MOST_PROCESSES} processes did not bring the interval within {wanted}.",)
    return ()
