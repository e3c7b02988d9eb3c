"""A figure that could not be measured is marked in its table, with the reason below, in every format."""

from __future__ import annotations

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Record, single
from reports import formats
from reports.cells import NOT_MEASURED, Missing, readable
from reports.document import Document, Table
from reports.pages import run_report
from reports.tables.missing import marked
from tests.planted import planted_records

CASE = Case(model="lenet5", batch=4, image=28, channels=1, classes=10, threads=1)
WHY = "the pass that asks for it failed (FLOPs): ValueError: no shapes"


def test_a_mark_is_a_number_to_the_layout_and_its_reasons_stand_once_below() -> None:
    rows = ((1.0, Missing("flops", WHY)), (2.0, Missing("flops", WHY)), (3.0, Missing("energy", "no RAPL")))
    table = Table(title="t", columns=("a", "b"), rows=rows, notes=("first",))
    assert table.numeric == (True, True)
    assert readable(rows[0][1]) == NOT_MEASURED
    assert table.footnotes == (
        "first",
        f"{NOT_MEASURED} not measured (flops): {WHY}",
        f"{NOT_MEASURED} not measured (energy): no RAPL",
    )


def test_only_an_empty_cell_with_a_reason_is_marked() -> None:
    reasons = {(CASE, "energy"): "no RAPL"}
    assert marked(1.0, CASE, "energy", reasons) == 1.0
    assert marked(None, CASE, "flops", reasons) is None
    assert marked(None, CASE, "peak_power", reasons) == Missing("peak power", "no RAPL")
    assert marked(None, structs.replace(CASE, batch=8), "energy", reasons) is None


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """A training case whose FLOPs and saved activations are missing, and its inference beside it."""
    training = planted_records.record(
        structs.replace(CASE, workload="training"),
        planted_records.time("step", 0.002),
        planted_records.time("forward", 0.001),
        single("model", "parameters", 61_706, "count"),
        single("model", "weights", 246_824, "bytes"),
        single("step", "peak_resident", 2**20, "bytes"),
    )
    absent = {"flops": WHY, "saved_activations": "killed by SIGSEGV", "bytes_moved": WHY}
    inference = planted_records.record(
        structs.replace(CASE, image=32),
        planted_records.time("forward", 0.001),
        single("model", "parameters", 61_706, "count"),
        single("forward", "flops", 3e6, "FLOP"),
        single("forward", "saved_activations", 5e6, "bytes"),
    )
    records: list[Record] = [structs.replace(training, absent=absent), inference]
    return run_report.build([planted_records.write(tmp_path_factory.mktemp("run"), records)])


def table_of(document: Document, title: str) -> Table:
    return next(table for table in document.tables if table.title.startswith(title))


def test_the_cost_table_marks_what_was_not_counted(document: Document) -> None:
    table = table_of(document, "Parameters and FLOPs per image")
    missing = Missing("flops", WHY)
    (trained,) = [row for row in table.rows if row[1] == "1x28x28"]
    (inferred,) = [row for row in table.rows if row[1] == "1x32x32"]
    assert trained[3:] == (61_706, missing, missing, missing)
    assert inferred[-1] is None, "of inference no backward was to be counted"
    assert table.footnotes[-1] == f"{NOT_MEASURED} not measured (flops): {WHY}"


def test_the_memory_table_marks_what_is_unknown_of_a_row(document: Document) -> None:
    table = table_of(document, "Memory, training")
    at = table.columns.index("saved activations")
    assert table.rows[0][at] == Missing("saved activations", "killed by SIGSEGV")
    assert "gradients" not in table.columns, "no row has any, and none says why"


@pytest.mark.parametrize("name", formats.for_any())
def test_every_format_has_the_reason_and_those_for_people_the_mark(document: Document, name: str) -> None:
    text = " ".join(formats.render(name, structs.replace(document, whole=True)).split())
    if name == "csv":
        assert "no shapes" not in text, "it has figures only"
        return
    assert "ValueError: no shapes" in text
    assert "killed by SIGSEGV" in text
    assert (NOT_MEASURED in text) == (name != "json")
