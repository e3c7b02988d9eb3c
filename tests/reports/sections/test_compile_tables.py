"""What compiling costs, gains, and when it has paid for itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Record
from bench.stats.estimates import Interval, Ratio
from reports.cells import Scalar
from reports.document import Table
from reports.pages.run_report import build
from reports.sections.compile_tables import Range, gain, scaled, steps_until_paid
from tests.planted import planted_records
from tests.planted.shown_cells import row_of

EAGER = Case(model="vgg11", threads=2, batch=8)
COMPILED = structs.replace(EAGER, engine="compile")
TITLE = "Compile time and break-even"


def compiled(seconds: Sequence[float], *, cold: float = 30.0, warm: float = 3.0) -> list[Record]:
    return [
        structs.replace(
            record,
            measurements=[
                *record.measurements,
                planted_records.fact("model", "compile_cold", cold, "s"),
                planted_records.fact("model", "compile_warm", warm, "s"),
            ],
        )
        for record in planted_records.replicates(COMPILED, seconds)
    ]


def payoff(tmp_path: Path, eager: Sequence[float], faster: Sequence[Record]) -> dict[str, Scalar]:
    document = build([planted_records.write(tmp_path, [*planted_records.replicates(EAGER, eager), *faster])])
    table = next(table for table in document.tables if table.title == TITLE)
    return row_of(table)


def test_compiling_pays_when_the_gains_make_up_for_its_seconds(tmp_path: Path) -> None:
    """30 s cold and 3 s warm, at 50 ms a step and 8 images: 597 eager steps take 119.4 s, and so do 30 s for
    the first compiled one and 596 more."""
    row = payoff(tmp_path, [0.2, 0.2], compiled([0.15, 0.15]))
    assert {name: str(cell).split()[0] for name, cell in row.items()} == {
        "model": "vgg11",
        "cold (s)": "30.00",
        "warm (s)": "3.000",
        "gain (ms/step)": "50",
        "steps, cold cache": "597",
        "steps, warm cache": "57",
    }


def test_the_ends_follow_from_the_speed_ups_interval(tmp_path: Path) -> None:
    row = payoff(tmp_path, [0.2], compiled([0.1]))
    # ±3% on both sides in quadrature, ±4.3% of the speed-up of 2: gains of 95.6 to 104.2 ms
    assert row["gain (ms/step)"] == "100 (96 to 104) †"
    assert row["steps, cold cache"] == "299 (288 to 313) †"


def test_what_is_slower_never_pays(tmp_path: Path) -> None:
    row = payoff(tmp_path, [0.1, 0.1], compiled([0.15, 0.15]))
    assert str(row["gain (ms/step)"]).startswith("-50 (")
    assert [row["steps, cold cache"], row["steps, warm cache"]] == ["never", "never"]


def test_a_gain_that_may_be_none_may_never_pay(tmp_path: Path) -> None:
    row = payoff(tmp_path, [0.1, 0.11], compiled([0.1, 0.101]))
    assert str(row["steps, cold cache"]).endswith("to never)")
    assert not str(row["steps, cold cache"]).startswith("never")


def test_without_the_eager_step_there_is_no_gain(tmp_path: Path) -> None:
    other = structs.replace(EAGER, precision="bf16")
    document = build(
        [planted_records.write(tmp_path, [*planted_records.replicates(other, [0.2]), *compiled([0.1])])]
    )
    tables: dict[str, Table] = {table.title: table for table in document.tables}
    assert tables[TITLE].columns == ("model", "cold (s)", "warm (s)")
    assert [*row_of(tables[TITLE]).values()] == ["vgg11", "30.00", "3.000"]


times = st.floats(1e-5, 1e3)


@given(eager=times, ratio=st.floats(0.1, 10), spread=st.floats(1, 2), seconds=times)
def test_after_these_steps_the_gain_has_made_up_for_the_seconds(
    eager: float, ratio: float, spread: float, seconds: float
) -> None:
    faster = Ratio(ratio, Interval(ratio / spread, ratio * spread, "across-processes"))
    gained = gain(eager, faster)
    assert gained.low <= gained.value <= gained.high
    assert eager - gained.value == pytest.approx(eager / ratio)
    steps = steps_until_paid(seconds, gained)
    assert steps.low <= steps.value <= steps.high
    for count, each in ((steps.value, gained.value), (steps.low, gained.high), (steps.high, gained.low)):
        assert math.isinf(count) if each <= 0 else (count - 1) * each < seconds <= count * each * (1 + 1e-6)


def test_a_range_changes_its_unit_with_its_ends() -> None:
    assert scaled(Range(1.0, 0.5, math.inf, True), 8) == Range(8.0, 4.0, math.inf, True)
