"""What other programs get: each figure once, under a name of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from models.errors import UserError
from reports.document import Document
from reports.pages import run_report
from reports.tables.exported_figures import exported_figures
from tests.planted import planted_records


def test_each_figure_has_a_name_of_its_own(tmp_path: Path) -> None:
    run = planted_records.write(tmp_path / "run", planted_records.example())
    figures = exported_figures(run_report.build([run]))
    keys = [each.key for each in figures]
    assert len(set(keys)) == len(keys)
    found = {each.key: each for each in figures}
    step = found["vgg11/training/cpu/fp32/eager/nchw/b8/t2/step/wall_time"]
    assert (step.processes, step.unit) == (3, "s")
    assert step.value == pytest.approx(1, rel=0.01)
    assert step.low is not None
    assert step.high is not None
    assert step.low < step.value < step.high
    assert {each.unit for each in figures} == {"s", "bytes"}


def test_machines_that_are_not_pooled_are_told_apart(tmp_path: Path) -> None:
    records = planted_records.replicates(Case(model="vgg11"), [0.2, 0.2])
    other = planted_records.record(
        Case(model="vgg11"),
        planted_records.time("forward", 0.3),
        environment=structs.replace(planted_records.MACHINE, cpu="Other CPU", host="other"),
    )
    runs = [planted_records.write(tmp_path / name, own) for name, own in (("one", records), ("two", [other]))]
    keys = [each.key for each in exported_figures(run_report.build(runs))]
    assert len(set(keys)) == len(keys) == 2


def test_without_figures_there_is_nothing_to_write() -> None:
    with pytest.raises(UserError, match="no times of steps"):
        exported_figures(Document(title="Nothing", tables=()))
