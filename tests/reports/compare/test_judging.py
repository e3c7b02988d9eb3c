"""Planted runs whose GPU had different clocks: what `compare` and `ab` say of the cause."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import Copy, MatrixProduct
from bench.schema.record import Measurement, Record
from bench.studies.ab import pair_rows
from bench.studies.ab.pair_rows import CasePair
from reports import formats
from reports.compare import ab_report
from reports.compare.ab_answer import Trialled
from reports.compare.compare_report import RunComparison, build
from reports.compare.comparison_rows import ComparisonRow
from reports.compare.gate import gate_fails
from tests.planted import planted_records
from tests.planted.shown_cells import row_of

GPU_CASE = Case(model="vgg11", batch=8, threads=2, device="cuda")
BASE = (0.100, 0.101, 0.099, 0.1005, 0.0995)
FAST, SLOW = 1980.0, 1755.0
SLOWED = FAST / SLOW

TRIED = Trialled(labels=("a", "b"), margin=0.02)


def seen(metric: str, unit: str, value: float) -> Measurement:
    return Measurement(phase="window", metric=metric, unit=unit, samples=[value], windows=["wall_time"])


def side(
    factor: float = 1.0,
    sm_clock: float | None = FAST,
    *,
    memory_clock: float = 2619.0,
    intensity: float = 1000.0,
    labels: Sequence[CaseWarning] = (),
    case: Case = GPU_CASE,
) -> list[Record]:
    """Five processes of a step of 5e12 FLOP, half of what the ceiling allows."""
    clocks = [] if sm_clock is None else [seen("sm_clock", "MHz", sm_clock)]
    clocks += [seen("memory_clock", "MHz", memory_clock), seen("power_cap_at_work", "1", 0.0)]
    return [
        planted_records.record(
            structs.replace(case, replicate=number),
            planted_records.time("forward", seconds * factor),
            planted_records.fact("forward", "flops", 5e12, "FLOP"),
            planted_records.fact("forward", "bytes_moved", 5e12 / intensity),
            *clocks,
            environment=planted_records.GPU_MACHINE,
            warnings=labels,
        )
        for number, seconds in enumerate(BASE, start=1)
    ]


def ceilings() -> list[Record]:
    """1e14 FLOP/s and 1e12 byte/s: the ridge is at 100 FLOP/byte."""
    product, copy = MatrixProduct(4096, 4096, 4096), Copy(2**30)
    measured = [
        structs.replace(planted_records.time("product", product.flops / 1e14), product=product),
        structs.replace(planted_records.fact("product", "flops", product.flops, "FLOP"), product=product),
        structs.replace(planted_records.time("product", copy.bytes_moved / 1e12), product=copy),
        structs.replace(planted_records.fact("product", "bytes_moved", copy.bytes_moved), product=copy),
    ]
    case = Case(model="ceilings", workload="ceiling", device="cuda", threads=2, batch=1, replicate=1)
    return [planted_records.record(case, *measured, environment=planted_records.GPU_MACHINE)]


def compare(tmp_path: Path, base: list[Record], new: list[Record]) -> RunComparison:
    return build(
        [planted_records.write(tmp_path / "base", base)], [planted_records.write(tmp_path / "new", new)]
    )


def timed(comparison: RunComparison) -> ComparisonRow:
    (row,) = [row for row in comparison.rows if (row.phase, row.metric) == ("forward", "wall_time")]
    return row


def test_a_slower_clock_is_named_and_the_verdict_in_time_still_decides(tmp_path: Path) -> None:
    comparison = compare(tmp_path, side() + ceilings(), side(SLOWED, SLOW) + ceilings())
    row = timed(comparison)
    assert (row.verdict, row.cause, row.cycles_verdict) == ("slower", "clock", "equivalent")
    assert row.cycles == pytest.approx(1.0)
    assert (row.base_sm_clock, row.new_sm_clock) == pytest.approx((FAST, SLOW))
    assert gate_fails(comparison, "slower")


def test_the_cause_is_in_every_format(tmp_path: Path) -> None:
    document = compare(tmp_path, side() + ceilings(), side(SLOWED, SLOW) + ceilings()).document
    rows = json.loads(formats.render("json", document))["rows"]
    (row,) = [row for row in rows if row["metric"] == "wall_time" and row["phase"] == "forward"]
    assert (row["cause"], row["new_sm_clock"]) == ("clock", pytest.approx(SLOW))
    header = formats.render("csv", document).splitlines()[0].split(",")
    assert {"cause", "cycles", "cycles_verdict", "base_sm_clock", "new_power_cap"} <= set(header)
    shown = row_of(next(table for table in document.tables if table.title == "Time"))
    assert (shown["cause"], shown["SM clock, MHz"]) == ("clock", "1980 / 1755")
    assert shown["memory clock, MHz"] == "2619"
    assert "in cycles (time x SM clock)" in formats.render("md", document)


def test_more_work_at_the_same_clock_is_the_code(tmp_path: Path) -> None:
    row = timed(compare(tmp_path, side(), side(1.1)))
    assert (row.verdict, row.cause, row.cycles_verdict) == ("slower", "code", "slower")


@pytest.mark.parametrize(
    ("new", "measured_ceilings"),
    [
        (side(SLOWED, SLOW), False),
        (side(SLOWED, SLOW, memory_clock=1593.0), True),
        (side(SLOWED, SLOW, intensity=20.0), True),
        (side(SLOWED, SLOW, labels=[CaseWarning("power-cap", "the GPU ran at its power limit")]), True),
    ],
    ids=["no ceilings", "memory clock", "memory-bound", "power-cap"],
)
def test_the_clock_is_not_blamed_where_it_may_be_something_else(
    tmp_path: Path, new: list[Record], measured_ceilings: bool
) -> None:
    more = ceilings() if measured_ceilings else []
    row = timed(compare(tmp_path, side() + more, new + more))
    assert (row.verdict, row.cause, row.cycles_verdict) == ("slower", "unknown", "equivalent")


def test_ceilings_of_one_side_are_enough(tmp_path: Path) -> None:
    assert timed(compare(tmp_path, side() + ceilings(), side(SLOWED, SLOW))).cause == "clock"


def test_without_every_processs_clock_nothing_is_said(tmp_path: Path) -> None:
    new = side(SLOWED, SLOW)
    new[2] = side(SLOWED, None)[2]
    row = timed(compare(tmp_path, side() + ceilings(), new + ceilings()))
    assert row.verdict == "slower"
    assert (row.cause, row.cycles, row.new_sm_clock) == (None, None, None)


def test_what_does_not_differ_has_no_cause(tmp_path: Path) -> None:
    row = timed(compare(tmp_path, side() + ceilings(), side() + ceilings()))
    assert (row.verdict, row.cause, row.cycles_verdict) == ("equivalent", None, "equivalent")


def test_sizes_have_no_cause(tmp_path: Path) -> None:
    base, new = ([*each] for each in (side(), side(1.1)))
    for records, size in ((base, 2**20), (new, 2**21)):
        for record in records:
            record.measurements.append(planted_records.fact("forward", "peak_allocated", size))
    rows = {row.metric: row for row in compare(tmp_path, base, new).rows}
    assert rows["peak_allocated"].verdict == "slower"
    assert rows["peak_allocated"].cause is None
    assert rows["wall_time"].cause == "code"


def pairs(directory: Path, a: list[Record], b: list[Record]) -> pair_rows.PairRow:
    for name, records in (("a", a), ("b", b)):
        numbered = [structs.replace(record, pair=n) for n, record in enumerate(records, start=1)]
        planted_records.write(directory / name, numbered)
    case = GPU_CASE.without_replicate()
    (row,) = pair_rows.rows([CasePair(a=case, b=case)], directory, 0.02)
    return row


def test_pairs_say_the_code_and_never_the_clock(tmp_path: Path) -> None:
    """Whether a case is compute-bound is known by ceilings, which ab does not measure."""
    row = pairs(tmp_path / "code", side(), side(1.1))
    assert (row.verdict.verdict, row.clocks.cause) == ("slower", "code")
    row = pairs(tmp_path / "clock", side(), side(SLOWED, SLOW))
    assert (row.verdict.verdict, row.clocks.cause) == ("slower", "unknown")
    assert row.clocks.cycles == pytest.approx(1.0)
    document = ab_report.document([row], TRIED)
    shown = row_of(document.tables[0])
    assert (shown["cause"], shown["SM clock, MHz"]) == ("unknown", "1980 / 1755")
    assert shown["memory clock, MHz"] == "2619"
    assert ab_report.row_of(row, TRIED.margin)["cycles_verdict"] == "equivalent"


def test_a_table_of_pairs_without_clocks_has_no_columns_for_them(tmp_path: Path) -> None:
    row = pairs(tmp_path, side(sm_clock=None), side(1.1, None))
    assert row.clocks.cause is None
    assert "cause" not in ab_report.document([row], TRIED).tables[0].columns
