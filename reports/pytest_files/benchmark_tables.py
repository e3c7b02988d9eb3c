"""Benchmarks as tables: one for each kind of work, since unlike rows have no order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import structs

from reports.cells import Cell, Labels, Quantity
from reports.document import Part, Table
from reports.pytest_files.timed_benchmark import TimedBenchmark
from reports.tables.time_units import TimeUnit, unit_of
from reports.tables.wording import UNRESOLVED_SHORT_NOTE, WITHIN_NOTE, whole_mib, with_interval

FIGURES = Part("pytest-benchmark", "pytest-benchmark, one process")
LEFT_OUT = Part("no-figure", "Benchmarks without a figure")
WITHIN_IN_WORDS = f"In brackets: the 95% interval of the median within the process. {WITHIN_NOTE}"
_PARAMETERS = re.compile(r"\[(.+)\]$")
_PEAK_OF = {
    "datasheet": "of the datasheet's dense rate",
    "nominal": "of the rate that the CPU's vectors and clock allow",
}
_PEAK, _SHARE, _REMARKS, _ROUNDS = "peak (MiB)", "% of peak", "remarks", "rounds"
_TERA, _GIGA = 1e12, 1e9


def tables(benchmarks: Sequence[TimedBenchmark], part: Part | None = FIGURES) -> Iterator[Table]:
    """In the order in which they were taken."""
    groups: dict[str, list[TimedBenchmark]] = {}
    for each in benchmarks:
        groups.setdefault(kind_of(each), []).append(each)
    yield from (_table(title, rows, part) for title, rows in groups.items())


def _notes(rows: Sequence[TimedBenchmark]) -> Iterator[str]:
    if any(each.is_of_one for each in rows):
        yield WITHIN_IN_WORDS
    if not all(with_interval(each.seconds, each.interval).is_resolved for each in rows):
        yield UNRESOLVED_SHORT_NOTE


def kind_of(benchmark: TimedBenchmark) -> str:
    """`inference forward`; of another suite the group that it names."""
    work = benchmark.work
    return f"{work.case.workload} {work.phase}" if work else benchmark.group or "other benchmarks"


def left_out_table(benchmarks: Sequence[TimedBenchmark]) -> Iterator[Table]:
    """Those without a figure, and why."""
    if benchmarks:
        yield Table(
            title=LEFT_OUT.title,
            columns=("benchmark", "status", "reason"),
            rows=tuple((each.fullname, each.outcome, why(each)) for each in benchmarks),
            part=LEFT_OUT,
        )


def why(benchmark: TimedBenchmark) -> str:
    """There is no figure."""
    if benchmark.outcome == "reduced":
        return "it ran once, at a reduced size: nothing was measured"
    return benchmark.reason or "out of memory"


def short_names(benchmarks: Sequence[TimedBenchmark]) -> list[str]:
    """`alexnet-cpu-fp32-eager-b1` or `test_lenet[1]`: what tells a row from the others, its whole name where
    that is needed."""
    shortest = [_shortest(each) for each in benchmarks]
    for longer in ([each.name for each in benchmarks], [each.fullname for each in benchmarks]):
        counts = Counter(shortest)
        shortest = [
            more if counts[short] > 1 else short for short, more in zip(shortest, longer, strict=True)
        ]
    return shortest


def _shortest(benchmark: TimedBenchmark) -> str:
    """The parameters alone where they name the network: without the test's name `1` would say nothing."""
    found, work = _PARAMETERS.search(benchmark.name), benchmark.work
    if found is None or work is None or work.is_module or work.case.model not in found[1]:
        return benchmark.name
    return found[1]


def _table(title: str, rows: Sequence[TimedBenchmark], part: Part | None) -> Table:
    unit = unit_of(each.seconds for each in rows)
    columns = {
        name: cells for name, cells in _columns(rows, unit).items() if any(c is not None for c in cells)
    }
    dropped = (_ROUNDS, _device(unit), _REMARKS, _SHARE, _PEAK, *_rate_names(), "images/s")
    return Table(
        title=title,
        columns=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        meanings=tuple(_meanings(rows)),
        notes=tuple(_notes(rows)),
        optional=tuple(name for name in dropped if name in columns),
        part=part,
    )


def _columns(rows: Sequence[TimedBenchmark], unit: TimeUnit) -> dict[str, list[Cell]]:
    rates = [each.flops_per_second for each in rows]
    rate_name, scale = _rate_unit([rate for rate in rates if rate is not None])
    works = [each.work for each in rows]
    return {
        "benchmark": list(short_names(rows)),
        f"median, {unit.name}": [_median(each, unit) for each in rows],
        "images/s": [_following(each, _plain(each.images_per_second)) for each in rows],
        rate_name: [
            _following(each, _plain(None if rate is None else rate / scale))
            for each, rate in zip(rows, rates, strict=True)
        ],
        _SHARE: [_following(each, _percent(each.share_of_peak)) for each in rows],
        _PEAK: [
            None if not each or each.peak_bytes is None else whole_mib(each.peak_bytes) for each in works
        ],
        _device(unit): [
            None if not each or each.device_seconds is None else _plain(each.device_seconds * unit.per_second)
            for each in works
        ],
        _ROUNDS: [each.rounds for each in rows],
        _REMARKS: [Labels(each.labels) if each.labels else None for each in rows],
    }


def _device(unit: TimeUnit) -> str:
    return f"by the device, {unit.name}"


def _median(each: TimedBenchmark, unit: TimeUnit) -> Quantity:
    found = structs.replace(
        with_interval(each.seconds, each.interval, unit.per_second), of_one=each.is_of_one
    )
    return structs.replace(found, interval="ends") if found.of_one and found.is_resolved else found


def _following(each: TimedBenchmark, cell: Quantity | None) -> Quantity | None:
    """What follows from a time; a mark where that is not resolved."""
    if cell is None or with_interval(each.seconds, each.interval).is_resolved:
        return cell
    return structs.replace(cell, unresolved=True)


def _rate_unit(rates: Sequence[float]) -> tuple[str, float]:
    """One for all rows: TFLOP/s where all reach one."""
    giga, tera = _rate_names()
    return (tera, _TERA) if rates and min(rates) >= _TERA else (giga, _GIGA)


def _rate_names() -> tuple[str, str]:
    return "GFLOP/s", "TFLOP/s"


def _plain(value: float | None) -> Quantity | None:
    return None if value is None else Quantity(value=value)


def _percent(share: float | None) -> Quantity | None:
    return None if share is None else Quantity(value=100 * share, digits=0 if share >= 0.1 else 1)


def _meanings(rows: Sequence[TimedBenchmark]) -> Iterator[tuple[str, str]]:
    works = [each.work for each in rows if each.work]
    sources = {each.peak_source for each in works if each.peak_rate} & set(_PEAK_OF)
    if sources:
        yield _SHARE, " and ".join(_PEAK_OF[source] for source in sorted(sources))
    if any(each.peak_bytes is not None and each.peak_scope == "in-process" for each in works):
        yield _PEAK, "read in the process of all tests, so it depends on what ran before"
