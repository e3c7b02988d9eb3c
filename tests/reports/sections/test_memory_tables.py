"""The memory tables where one process of a case says what all would, and no word of the others."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Record
from reports import formats
from reports.cells import NOT_MEASURED, ONE
from reports.pages import run_report
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.shown_cells import row_of

MIB = 2**20
VGG = Case(model="vgg11", threads=2, batch=8)


def processes(count: int, *, failing: bool = False) -> list[Record]:
    """Times of all of them; sizes of the first alone, or, where that one failed, of the second."""
    records = planted_records.replicates(VGG, [0.2 + 0.001 * number for number in range(count)])
    first = 1 if failing else 0
    sizes = [
        planted_records.fact("model", "weights", 500 * MIB),
        planted_records.fact("forward", "peak_resident", 700 * MIB),
        planted_records.fact("forward", "ledger_weights", 500 * MIB),
        planted_records.fact("forward", "ledger_peak", 600 * MIB),
        planted_records.fact("forward", "flops", 1e12, "FLOP"),
    ]
    said = structs.replace(
        records[first],
        measurements=[*records[first].measurements, *sizes],
        absent={"ledger_workspace": "the allocator of a CPU does not say"},
    )
    later = [structs.replace(record, facts=False) for record in records[first + 1 :]]
    failed = [planted_records.record(VGG, status="crashed", reason="planted")] if failing else []
    return [*failed, said, *later]


def test_the_figures_of_one_process_stand_there_without_a_mark(tmp_path: Path) -> None:
    for name, failing in (("first", False), ("second", True)):
        run = planted_records.write(tmp_path / name, processes(4, failing=failing))
        document = run_report.build([run])
        [memory] = [table for table in document.tables if table.title.startswith("Memory, inference")]
        row = row_of(memory)
        assert (row["weights"], row["peak resident"]) == (500.0, 700.0)
        [ledger] = [table for table in document.tables if table.title.startswith("Peak memory by kind")]
        assert row_of(ledger)["peak"] == 600.0
        assert all("1 process" in each.shared for each in (memory, ledger))
        text = formats.render("md", structs.replace(document, text=(), tables=(memory, ledger)))
        assert ONE not in text
        assert NOT_MEASURED not in text


def test_of_the_other_processes_nothing_is_absent(tmp_path: Path) -> None:
    """The one reason is that of the process that was asked."""
    found = summarise([planted_records.write(tmp_path / "run", processes(4))])
    assert [(each.metric, each.processes) for each in found.absences] == [("ledger_workspace", 1)]
    sizes = {figure.metric: len(figure.medians) for figure in found.figures}
    assert sizes == {
        "wall_time": 4,
        **dict.fromkeys(("weights", "peak_resident", "ledger_weights", "ledger_peak", "flops"), 1),
    }
