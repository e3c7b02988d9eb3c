"""The ledger's table, from planted records: what is alive at the peak adds up to it, with the residual."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.phases import Phase
from bench.schema.record import Measurement, Record
from reports.analysis.peak_ledger import Ledger, ledger_of
from reports.cells import Scalar
from reports.document import Table
from reports.pages import run_report
from reports.summary.pooling import summarise
from reports.summary.subjects import by_subject
from tests.planted import planted_records
from tests.planted.shown_cells import rows_of

MIB = 2**20
ON_CPU = Case(model="vgg11", workload="training", threads=2, batch=8)
ON_GPU = structs.replace(ON_CPU, device="cuda")
TENSORS = {"weights": 500, "buffers": 0, "gradients": 300, "saved_activations": 700, "other_tensors": 40}


def entries(phase: Phase = "backward", **sizes: float) -> list[Measurement]:
    """In MiB."""
    named = {**TENSORS, **sizes}
    return [planted_records.fact(phase, f"ledger_{name}", size * MIB) for name, size in named.items()]


def on_gpu(number: int = 1) -> Record:
    """A workspace of 256 MiB, one of cuBLAS of 32, and a residual of 4."""
    return planted_records.record(
        structs.replace(ON_GPU, replicate=number),
        *entries(workspace=256, library_workspace=32, rounding=2, residual=4, peak=1834),
        environment=planted_records.GPU_MACHINE,
    )


def on_cpu(number: int = 1, phase: Phase = "backward", peak: float = 1540) -> Record:
    return planted_records.record(
        structs.replace(ON_CPU, replicate=number),
        *entries(phase, peak=peak),
        planted_records.fact("step", "peak_resident", 1700 * MIB),
    )


def tables(tmp_path: Path, *records: Record) -> dict[str, Table]:
    document = run_report.build([planted_records.write(tmp_path / "run", records)])
    return {table.title: table for table in document.tables}


def row(table: Table) -> dict[str, Scalar]:
    [only] = rows_of(table)
    return only


def ledger(tmp_path: Path, *records: Record) -> Ledger | None:
    summary = summarise([planted_records.write(tmp_path / "run", records)])
    [figures] = by_subject(summary.figures).values()
    return ledger_of(figures)


def test_on_a_gpu_the_sum_and_the_residual_are_the_allocators_peak(tmp_path: Path) -> None:
    table = tables(tmp_path, on_gpu())["Peak memory by kind, training on cuda (MiB)"]
    assert row(table) == {
        "model": "vgg11",
        "weights": 500,
        "gradients": 300,
        "saved activations": 700,
        "other tensors": 40,
        "workspace": 256,
        "library workspace": 32,
        "rounding": 2,
        "sum": 1830,
        "residual": 4,
        "peak": 1834,
        "peak in": "backward",
    }
    assert "1 process" in table.shared
    beginnings = [note.partition(":")[0] for note in table.notes]
    assert beginnings[1:] == ["workspace", "library workspace", "rounding", "residual"]


def test_of_a_record_that_knows_only_the_operators_workspace_the_rest_is_residual(tmp_path: Path) -> None:
    record = planted_records.record(
        ON_GPU, *entries(workspace=256, peak=1830), environment=planted_records.GPU_MACHINE
    )
    table = tables(tmp_path, record)["Peak memory by kind, training on cuda (MiB)"]
    assert not {"library workspace", "rounding"}.intersection(table.columns)
    assert row(table)["residual"] == 1830 - 1796


def test_on_a_cpu_the_peak_of_tensors_stands_beside_that_of_the_process(tmp_path: Path) -> None:
    table = tables(tmp_path, on_cpu())["Peak memory by kind, training on cpu (MiB)"]
    found = row(table)
    assert (found["peak"], found["peak resident"], found["non-tensor"]) == (1540, 1700, 160)
    assert not {"workspace", "sum", "residual"}.intersection(table.columns)


def test_the_ledger_is_not_among_the_full_sizes(tmp_path: Path) -> None:
    found = tables(tmp_path, on_cpu())
    assert "weights" not in found["Memory, training on cpu (MiB)"].columns
    assert "Memory, training on cpu (MiB)" not in tables(tmp_path / "other", on_gpu())


def test_processes_that_peak_in_different_phases_are_not_mixed(tmp_path: Path) -> None:
    found = ledger(tmp_path, on_cpu(1), on_cpu(2, "forward", 9000), on_cpu(3))
    assert found is not None
    assert (found.phase, found.peak) == ("backward", 1540 * MIB)
    assert found.total == sum(TENSORS.values()) * MIB
    assert found.residual is None


@pytest.mark.parametrize("recorded", [-3, 77])
def test_the_residual_follows_from_the_rest(tmp_path: Path, recorded: float) -> None:
    """Whatever a record says of it: it may be below zero, and of several processes it is no mean."""
    measured = entries(workspace=256, peak=1793, residual=recorded)
    found = ledger(
        tmp_path, planted_records.record(ON_GPU, *measured, environment=planted_records.GPU_MACHINE)
    )
    assert found is not None
    assert found.residual == pytest.approx(-3 * MIB)


def test_records_without_a_ledger_have_no_table(tmp_path: Path) -> None:
    assert not [title for title in tables(tmp_path, *planted_records.example()) if "instant" in title]
