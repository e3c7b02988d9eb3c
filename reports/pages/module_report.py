"""A module that was timed in the caller's process, as a document and as a piece of a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from bench.schema.metrics import CLOCKS
from bench.stats import estimates
from reports.cells import Cell, Quantity, readable
from reports.document import Document, Table
from reports.summary.caches import IN_WORDS
from reports.tables.time_words import in_words

if TYPE_CHECKING:
    from bench.schema.record import Measurement

_MS = 1000.0


class PhaseTime(Struct, frozen=True, kw_only=True):
    """How long one phase of a step takes, by one clock, in seconds.

    phase      forward, backward, optimizer; step is all three of training
    clock      wall_time; on a GPU also device_time and host_time
    median     of the samples
    low, high  the 95% interval of the median within this process; None for fewer than six samples
    samples    seconds, in the order in which they were taken
    """

    phase: str
    clock: str
    median: float
    low: float | None
    high: float | None
    samples: tuple[float, ...]


def phase_time(measurement: Measurement) -> PhaseTime:
    """The median and its interval from the samples of a measurement."""
    ordered = sorted(measurement.samples)
    interval = estimates.within_process(ordered)
    return PhaseTime(
        phase=measurement.phase,
        clock=measurement.metric,
        median=estimates.median_of_sorted(ordered),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        samples=tuple(measurement.samples),
    )


class Measured(Struct, frozen=True, kw_only=True):
    """What `measure` found: the whole step's wall time here, and every phase by every clock in `times`.

    median     seconds of a whole step (`forward` for inference, `step` for training)
    low, high  its 95% interval within this process, in seconds; None for fewer than six samples
    samples    seconds, in the order in which they were taken
    unit       s
    scope      within-process: another process may be faster or slower than this interval says
    effective  the precision that was in force: `conv` and `matmul` (how fp32 tensors are multiplied: ieee,
               tf32, bf16), `weights` (their dtypes), and what else the device says
    threads    CPU threads of torch
    warnings   labels with their sentences, such as `drifting: ...` (docs/method.md, "What a label means")
    invalid    why the figures must not be used, or None
    """

    module: str
    workload: str
    device: str
    precision: str
    effective: dict[str, str]
    engine: str
    threads: int
    times: tuple[PhaseTime, ...]
    warnings: tuple[str, ...]
    invalid: str | None
    unit: Literal["s"] = "s"
    scope: Literal["within-process"] = "within-process"

    @property
    def whole(self) -> PhaseTime:
        """The wall time of the whole step, which is the last that is timed."""
        return next(each for each in reversed(self.times) if each.clock == "wall_time")

    @property
    def median(self) -> float:
        """Seconds of a whole step."""
        return self.whole.median

    @property
    def low(self) -> float | None:
        """Where the interval of the median begins, in seconds."""
        return self.whole.low

    @property
    def high(self) -> float | None:
        """Where it ends."""
        return self.whole.high

    @property
    def samples(self) -> tuple[float, ...]:
        """Seconds of a whole step, in the order in which they were taken."""
        return self.whole.samples

    def __repr__(self) -> str:
        """One line without the samples, of which there are hundreds."""
        ends = f", low={self.low!r}, high={self.high!r}" if self.low is not None else ""
        said = ", ".join((self.module, self.workload, self.device, self.precision, self.engine))
        return f"<Measured {said}: median={self.median!r}{ends} s, {len(self.samples)} samples>"

    def __str__(self) -> str:
        """The table of `times` in markdown, with what to know about it."""
        from reports import formats

        return formats.render("md", document(self))

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return html(document(self))


def document(timed: Measured) -> Document:
    """Every phase by every clock in ms, with the interval that one process can give."""
    said = ", ".join((timed.module, timed.workload, timed.device, timed.precision, timed.engine))
    invalid = (f"Do not use these figures: {timed.invalid}.",) if timed.invalid else ()
    effective = ", ".join(f"{what} {value}" for what, value in timed.effective.items())
    return Document(
        title=f"{said}, {timed.threads} CPU threads",
        text=(
            *invalid,
            headline(timed),
            f"Precision actually used: {effective}.",
            IN_WORDS["warm"],
            *timed.warnings,
        ),
        tables=(
            Table(
                title="Times",
                columns=("phase", "clock", "median (ms)", "95% low", "95% high", "samples"),
                rows=tuple(_row(each) for each in timed.times),
            ),
        ),
    )


def headline(timed: Measured) -> str:
    """`One inference step takes 12.3 ms (12.1 to 12.6 ms in this process; another may differ more).`"""
    whole = timed.whole
    interval = (
        f"95% interval {in_words(Quantity(value=whole.low))} to {in_words(Quantity(value=whole.high))} in "
        "this process"
        if whole.low is not None and whole.high is not None
        else f"{len(whole.samples)} samples, too few for an interval"
    )
    time = in_words(Quantity(value=whole.median))
    return f"One {timed.workload} step takes {time} ({interval}; another process may differ by more)."


def _row(each: PhaseTime) -> tuple[Cell, ...]:
    times = (each.median, each.low, each.high)
    shown = (None if value is None else value * _MS for value in times)
    return each.phase, CLOCKS[each.clock], *shown, len(each.samples)


def html(shown: Document) -> str:
    """Its text and tables for a cell of a notebook; a page of its own is `reports.formats.html`."""
    parts = [f"<p><b>{escape(shown.title)}</b></p>"]
    parts += [f"<p>{escape(paragraph)}</p>" for paragraph in shown.paragraphs]
    parts += [_table(table) for table in shown.tables]
    return "\n".join(parts)


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = ["".join(f"<td>{escape(readable(cell))}</td>" for cell in row) for row in table.rows]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
