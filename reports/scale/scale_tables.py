"""The tables of scaling: a row for each N, what is lost, and what is predicted."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from bench.stats.scaling import ADDITIVE, Share, gap_of, parts_add_up
from reports.cells import Cell, Missing, Quantity
from reports.document import Part, Table, TableKey
from reports.scale.scale_words import SHARED_HOST, efficiency_of, name_of, speed_up_of
from reports.scale.scaling_series import ScaledSize, ScalingSeries, prediction_of
from reports.tables.time_units import TimeUnit, unit_of
from reports.tables.wording import following, interval_notes, with_interval

SCALING = Part("scaling", "Scaling")
GIGA = 1e9

_MEANINGS = (
    ("efficiency", "speed-up over ranks, against the fewest ranks of the table"),
    ("compute", "the mean rank's step without communication"),
    ("skew", "the slowest rank's step without communication minus the mean rank's"),
    ("exposed", "the slowest rank's step minus the step without communication ahead of it"),
    (
        "sum",
        f"compute + skew + exposed over the step; ! where the jobs are off by over {ADDITIVE:.0%} on average",
    ),
    ("link", "bytes that a rank sends over the step's time, in GB/s"),
    ("of ceiling", "the same over the highest bus bandwidth of the sweep"),
)


def key_of(series: ScalingSeries) -> TableKey:
    """By which the plots find the table of a series."""
    return TableKey("scaling", (name_of(series), series.kind))


def size_table(series: ScalingSeries) -> Table:
    """A row for each number of ranks."""
    unit = unit_of(size.time.median for size in series.sizes)
    rows = tuple(_size_row(size, unit) for size in series.sizes)
    notes = [f"Parts in {unit.name}, from other steps than the step's own: the mean over the jobs."]
    if series.shares_a_host:
        notes.append(f"{SHARED_HOST[0].upper()}{SHARED_HOST[1:]}.")
    return Table(
        title=f"{name_of(series)}: by number of ranks",
        columns=(
            *("ranks", "batch", f"step ({unit.name})", "images/s", "speed-up", "efficiency"),
            *("compute", "skew", "exposed", "sum", "link", "of ceiling"),
        ),
        rows=rows,
        key=key_of(series),
        meanings=_MEANINGS,
        notes=(*notes, *interval_notes(cell for row in rows for cell in row)),
        optional=("link", "images/s", "batch", "sum"),
        part=SCALING,
    )


def _size_row(size: ScaledSize, unit: TimeUnit) -> tuple[Cell, ...]:
    rate = size.time.images_per_second
    time = with_interval(size.time.median, size.time.interval, unit.per_second)
    images = None if rate is None else Quantity(value=rate, digits="whole" if rate >= 10 else 1)
    return (
        size.ranks,
        size.case.batch,
        time,
        following(images, size.time),
        speed_up_of(size),
        efficiency_of(size),
        *_part_cells(size, unit),
        *_link_cells(size),
    )


def _part_cells(size: ScaledSize, unit: TimeUnit) -> Iterator[Cell]:
    parts = size.parts
    for name in ("compute", "skew", "exposed"):
        if not parts:
            yield Missing("the parts of a step", size.why_no_parts)
        else:
            value = sum(getattr(each, name) for each in parts) / len(parts)
            yield Quantity(value=value * unit.per_second)
    if parts:
        mark = "" if parts_add_up(parts) else " !"
        yield Quantity(value=100 * (1 + gap_of(parts)), unit=f"%{mark}", digits=0)
    else:
        yield None


def _link_cells(size: ScaledSize) -> tuple[Cell, Cell]:
    if not size.sent_bytes:
        return None, None
    rate = size.sent_bytes / size.time.median
    used = {each.collective for each in size.jobs[0].traffic}
    rates = [size.ceilings[each].bus_bandwidth for each in used if each in size.ceilings]
    share = Quantity(value=100 * rate / max(rates), unit="%", digits=0) if rates else None
    return following(Quantity(value=rate / GIGA), size.time), following(share, size.time)


def loss_table(series: ScalingSeries) -> Iterator[Table]:
    """What each number of ranks loses, in shares of its step, with intervals over the jobs."""
    sizes = [size for size in series.several if size.losses is not None]
    if not sizes:
        return
    rows = tuple(tuple(_loss_cells(size)) for size in sizes)
    yield Table(
        title=f"{name_of(series)}: what is lost of a step (%)",
        columns=("ranks", "efficiency", "exposed communication", "skew", "slower compute", "not explained"),
        rows=rows,
        notes=(
            "Shares of the step; with the efficiency they add up to 100%. Slower compute: beyond the time "
            "that the fewest ranks need for as many images a rank. Intervals: 95%, over jobs.",
            *interval_notes(cell for row in rows for cell in row),
        ),
        part=SCALING,
    )


def _loss_cells(size: ScaledSize) -> Iterator[Cell]:
    efficiency = efficiency_of(size)
    assert size.losses is not None
    assert efficiency is not None
    yield size.ranks
    yield structs.replace(efficiency, unit="")
    for lost in (size.losses.exposed, size.losses.skew, size.losses.compute, size.losses.open):
        yield _share(lost) if efficiency.is_resolved else Quantity(value=lost.value, unresolved=True)


def _share(share: Share) -> Quantity:
    """`4.8 (4.1 to 5.5)`, in percent."""
    interval = share.interval
    return Quantity(
        value=_tenths(share.value),
        low=None if interval is None else _tenths(interval.low),
        high=None if interval is None else _tenths(interval.high),
        of_one=interval is None,
        interval="ends",
        digits=1,
    )


def _tenths(share: float) -> float:
    """In percent, without -0.0."""
    return round(100 * share, 1) + 0.0


def prediction_table(series: ScalingSeries) -> Iterator[Table]:
    """Predicted beside measured, and what is predicted of twice the ranks."""
    prediction = prediction_of(series)
    if prediction is None:
        return
    unit = unit_of(size.time.median for size in series.sizes)
    errors = dict(prediction.errors)
    step = prediction.step
    rows: list[tuple[Cell, ...]] = [
        (size.ranks, size.time.median * unit.per_second, *(None,) * 3, _percent(errors[size.ranks]))
        for size in series.sizes
    ]
    told = (step.step, step.compute, step.skew, step.exposed)
    rows.append((f"{step.ranks} (predicted)", *(each * unit.per_second for each in told), None))
    yield Table(
        title=f"{name_of(series)}: prediction ({unit.name})",
        columns=("ranks", "step", "compute", "skew", "exposed", "formula is off by"),
        rows=tuple(tuple(_time(cell) for cell in row) for row in rows),
        notes=(
            "A prediction, not a measurement. Bandwidth and latency are those of the sweep, not fitted: "
            "docs/scaling.md has the formula.",
        ),
        part=SCALING,
    )


def _percent(share: float) -> Quantity:
    return Quantity(value=_tenths(share), unit="%", digits=1, sign="unless zero")


def _time(cell: Cell) -> Cell:
    return Quantity(value=cell) if isinstance(cell, float) else cell
