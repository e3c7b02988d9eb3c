"""Share of peak: how much of the machine each step used, and what limits it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from bench.schema.case import Case
from bench.schema.ceiling_product import product_name
from bench.schema.metrics import CLOCKS
from bench.schema.phases import PHASES, WHOLE
from reports.analysis.utilisation import IDLE, SMALL_SHARE, Label, Utilisation
from reports.cells import Cell, Scalar, readable
from reports.document import Table, TableKey
from reports.summary.figures import Figure
from reports.tables.case_columns import AXES, TableLine, TableScope, in_words, table
from reports.tables.wording import following, interval_notes, milliseconds, with_interval

GIGA, TERA = 1e9, 1e12
SHARES_NOTE = (
    "% of peak compute: FLOP/s over the fastest measured matrix product or convolution in the dtype used. % "
    "of peak bandwidth: bytes that the operators move one by one (of an optimizer those of a fused one), per "
    "second, over the fastest measured copy."
)
CACHES_NOTE = (
    "Bandwidth above 100%: caches and fused kernels save memory traffic between operators, and in-place "
    "writes do not read their target first, as a copy does."
)
PHASES_NOTE = (
    "Shortest time that both peaks allow, as a share of the measured time, and what limits the phase."
)
MEANINGS: dict[Label, str] = {
    "compute-bound": "peak compute is the nearer limit",
    "memory-bound": "peak bandwidth is the nearer limit",
    "launch-bound": "the GPU waits for Python to launch its kernels",
    "host-bound": (
        f"the GPU is idle for another reason (wall time above {1 + IDLE:g} x device time), or a CPU is below "
        f"{SMALL_SHARE:.0%} of both peaks: the time goes to Python, dispatch, threads, layout changes, or "
        "slow operators such as pooling and dropout"
    ),
}
NO_CEILINGS = (
    "% of peak is missing for {} of {} cases (peak not measured). Add it: convbench run --resume --ceilings."
)


def key_of(case: Case) -> TableKey:
    """Of the table in which a case has its row."""
    return TableKey("utilisation", (case.workload, case.device))


def without_ceilings(found: Sequence[Utilisation]) -> Iterator[str]:
    """A sentence where ceilings are missing."""
    whole = [each for each in found if each.is_whole]
    missing = [each for each in whole if each.arithmetic is None]
    if missing:
        yield NO_CEILINGS.format(f"{len(missing):,}", f"{len(whole):,}")


def utilisation_tables(found: Sequence[Utilisation], scope: TableScope) -> Iterator[Table]:
    """For each workload and device the whole step, and of training its phases."""
    known = [each for each in found if each.arithmetic or each.bandwidth]
    for key in dict.fromkeys(key_of(each.subject.case) for each in known):
        rows = [each for each in known if key_of(each.subject.case) == key]
        case = rows[0].subject.case
        title = f"Share of peak, {case.workload} on {case.device}"
        whole = [each for each in rows if each.is_whole]
        if whole:
            yield _table(title, key, whole, scope)
        if case.workload == "training":
            yield from _by_phase(f"{title}, by phase", rows, scope)


def _table(title: str, key: TableKey, rows: Sequence[Utilisation], scope: TableScope) -> Table:
    fastest = max((each.flops or 0.0) / each.time.median for each in rows)
    unit, size = ("TFLOP/s", TERA) if fastest >= TERA else ("GFLOP/s", GIGA)
    lines = [TableLine(subject=each.subject, cells=_cells(each, size)) for each in rows]
    return table(
        title,
        ["time (ms)", unit, "% of peak compute", "% of peak bandwidth", "FLOP/byte", "limit"],
        lines,
        scope,
        key=key,
        without=("workload", "device"),
        metrics=("wall_time", "flops", "flops", "bytes_moved", "flops"),
        optional=("FLOP/byte", unit, "time (ms)", "limit"),
        notes=[
            SHARES_NOTE,
            f"Measured peak: {'; '.join(_ceilings(rows))}.",
            *(
                [CACHES_NOTE]
                if any(each.bandwidth_share and each.bandwidth_share.value > 1 for each in rows)
                else []
            ),
            *_meanings(rows),
            *interval_notes(cell for line in lines for cell in line.cells),
        ],
    )


def _cells(each: Utilisation, size: float) -> tuple[Cell, ...]:
    return (
        milliseconds(each.time),
        None if each.flops is None else following(each.flops / each.time.median / size, each.time),
        *(
            with_interval(share.value, share.interval, 100) if share else None
            for share in (each.utilisation, each.bandwidth_share)
        ),
        each.intensity,
        each.bound.label if each.bound else None,
    )


def _ceilings(rows: Sequence[Utilisation]) -> Iterator[str]:
    """Each once; with its machine and threads where these differ."""
    subjects = [row.subject for row in rows]
    axes = [name for name in ("threads", "machine") if len(set(map(AXES[name].value, subjects))) > 1]
    words: dict[str, None] = {}
    for row in rows:
        where = in_words(row.subject, axes)
        for what, rate, unit in (
            (row.dtype, row.arithmetic, "GFLOP/s"),
            ("memory", row.bandwidth, "GB/s"),
        ):
            if rate is not None:
                found = f"{what} {readable(rate.per_second / GIGA)} {unit} ({product_name(rate.what)})"
                words[f"{where}: {found}" if where else found] = None
    yield from words


def _meanings(rows: Sequence[Utilisation]) -> Iterator[str]:
    labels = {each.bound.label for each in rows if each.bound}
    if labels:
        yield ". ".join(f"{label}: {MEANINGS[label]}" for label in get_args(Label) if label in labels) + "."


def _by_phase(title: str, rows: Sequence[Utilisation], scope: TableScope) -> Iterator[Table]:
    """By the device's own clock where there is one, since the wall's waits for the device at every phase."""
    metrics = {each.time.metric for each in rows}
    clock = next(clock for clock in CLOCKS if clock in metrics)
    parts = [phase for phase in PHASES if phase != WHOLE["training"]]
    by_place = {
        (each.subject, each.time.phase): each for each in rows if each.time.metric == clock and each.bound
    }
    subjects = dict.fromkeys(subject for subject, phase in by_place if phase in parts)
    lines = [
        TableLine(subject=subject, cells=tuple(_phase(by_place.get((subject, phase))) for phase in parts))
        for subject in subjects
    ]
    if lines:
        yield table(
            title,
            parts,
            lines,
            scope,
            without=("workload", "device"),
            notes=[PHASES_NOTE, *([CACHES_NOTE] if any(map(_is_above, by_place.values())) else [])],
        )


def _is_above(each: Utilisation) -> bool:
    """A phase that took less than the two ceilings allow."""
    is_phase = each.time.phase != WHOLE["training"]
    return is_phase and each.attainable_seconds is not None and each.attainable_seconds > each.time.median


def _phase(each: Utilisation | None) -> Cell:
    """`62% compute-bound`"""
    if each is None or each.bound is None or each.attainable_seconds is None:
        return None
    return f"{each.attainable_seconds / each.time.median:.0%} {each.bound.label}"


def row_fields(each: Utilisation) -> dict[str, Scalar]:
    """What the flat row of a time adds: counts, ceilings in FLOP/s and byte/s, shares of them, the bound."""
    utilisation, traffic = each.utilisation, each.bandwidth_share
    interval = utilisation.interval if utilisation else None
    return {
        "flops": each.flops,
        "bytes_moved": each.bytes,
        "intensity": each.intensity,
        "arithmetic_dtype": each.dtype,
        "arithmetic_ceiling": each.arithmetic.per_second if each.arithmetic else None,
        "bandwidth_ceiling": each.bandwidth.per_second if each.bandwidth else None,
        "utilisation": utilisation.value if utilisation else None,
        "utilisation_low": interval.low if interval else None,
        "utilisation_high": interval.high if interval else None,
        "bandwidth_share": traffic.value if traffic else None,
        "bound": each.bound.label if each.bound else None,
        "why": each.bound.why if each.bound else None,
    }


def flat_rows(figures: Sequence[Figure], found: Sequence[Utilisation]) -> tuple[dict[str, Scalar], ...]:
    """A row for each figure, in its order; of times with what they reached."""
    fields = {id(each.time): row_fields(each) for each in found}
    return tuple(figure.as_row() | fields.get(id(figure), {}) for figure in figures)
