"""A report of several machines: how many, how they and their processes scatter, and each one's figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from bench.schema.case import Case
from reports import formats
from reports.document import Document, Table
from reports.pages.run_report import build
from reports.sections.unit_tables import FASTEST_SHOWN, SLOWEST_SHOWN, SPREAD_TITLE, UNITS_TITLE
from tests.planted import planted_records
from tests.planted.shown_cells import rows_of

CASE = Case(model="vgg11", batch=8, threads=2)
WOBBLE = (0.99, 1.0, 1.01)


def machine(folder: Path, node: str, seconds: float, **changes: object) -> Path:
    """The run folder of a processor in that node: three processes."""
    here = structs.replace(planted_records.MACHINE, host=node, **changes)
    records = [
        structs.replace(record, environment=here)
        for record in planted_records.replicates(CASE, [seconds * each for each in WOBBLE])
    ]
    return planted_records.write(folder / node, records)


def table_of(document: Document, title: str) -> Table:
    (found,) = [table for table in document.tables if table.title == title]
    return found


def fleet(folder: Path, factors: Sequence[float]) -> Document:
    for at, factor in enumerate(factors, start=1):
        machine(folder, f"n{at}", 0.1 * factor)
    return build([folder])


def test_the_first_lines_say_how_many_machines_and_how_they_scatter(tmp_path: Path) -> None:
    document = fleet(tmp_path, (1.0, 1.01, 0.99, 1.10))
    assert document.answer is not None
    assert document.answer.about.startswith("Test CPU, 2 cores (AVX512), no GPU, 4 machines · torch")
    spread, process = (100 * float(np.std(np.log(of), ddof=1)) for of in ((1.0, 1.01, 0.99, 1.10), WOBBLE))
    above = 100 * (1.10 / float(np.exp(np.mean(np.log((1.0, 1.01, 0.99, 1.10))))) - 1)
    assert (
        f"4 machines scatter by {spread:.1f}% (standard deviation), processes of one machine by "
        f"{process:.1f}%; slowest: n4, {above:.1f}% above the mean."
    ) in document.answer.headlines


def test_the_spread_over_machines_stands_beside_that_over_processes(tmp_path: Path) -> None:
    table = table_of(fleet(tmp_path, (1.0, 1.01, 0.99, 1.10)), SPREAD_TITLE)
    (row,) = rows_of(table)
    assert row["machines"] == 4
    assert "12 processes" in table.shared
    assert (row["over machines"], row["over processes"], row["slowest"]) == ("4.84%", "1.00%", "n4")
    assert "GPUs" not in row


def test_each_machine_has_its_own_figure(tmp_path: Path) -> None:
    """By its own three processes, with what those of the kind show of their scatter."""
    table = table_of(fleet(tmp_path, (1.0, 1.2)), UNITS_TITLE)
    one, other = rows_of(table)
    assert (one["node"], other["node"]) == ("n1", "n2")
    assert str(one["time (ms)"]).startswith("100")
    assert str(other["time (ms)"]).startswith("120")
    assert (one["to mean"], other["to mean"]) == ("-8.7%", "+9.5%")
    assert table.part is not None
    assert table.part.name == "machines"


def test_of_many_machines_the_slowest_are_shown(tmp_path: Path) -> None:
    table = table_of(fleet(tmp_path, [1 + at / 1000 for at in range(40)]), UNITS_TITLE)
    assert len(table.rows) == SLOWEST_SHOWN + FASTEST_SHOWN
    assert {row["node"] for row in rows_of(table)} == {f"n{at}" for at in (*range(1, 9), *range(17, 41))}
    assert "8 units near the mean are hidden." in table.notes


def test_one_machine_has_no_such_part(tmp_path: Path) -> None:
    document = build([machine(tmp_path, "n1", 0.1)])
    assert "machines" not in [part.name for part in document.parts]
    assert document.answer is not None
    assert not any("scatter by" in line for line in document.answer.headlines)


def test_two_kinds_are_never_pooled_and_each_has_its_prior(tmp_path: Path) -> None:
    newer = {"torch": "2.12.0"}
    for node, seconds in (("n1", 0.1), ("n2", 0.11)):
        machine(tmp_path, node, seconds)
        machine(tmp_path, f"{node}-new", seconds / 2, libraries=newer)
    spread = table_of(build([tmp_path]), SPREAD_TITLE)
    assert [row["machines"] for row in rows_of(spread)] == [2, 2]


def test_a_moderated_time_of_a_unit_says_how_it_was_made(tmp_path: Path) -> None:
    text = formats.render("md", fleet(tmp_path, (1.0, 1.2)))
    assert text.count("Intervals of 3 processes are moderated") == 1
    assert text.count("the number of machines is its n") == 1


@pytest.mark.parametrize("count", [8, 9])
def test_fields_of_many_machines_are_counted(tmp_path: Path, count: int) -> None:
    table = table_of(fleet(tmp_path, [1.0] * count), "Where the machines differ")
    wide = ("what", *"ABCDEFGH")
    assert table.columns == (wide if count == 8 else ("what", "values"))
