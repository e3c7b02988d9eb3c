"""A report of a busy machine begins by saying so; planted labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Record
from reports import formats
from reports.compare import compare_report
from reports.pages import run_report
from reports.summary.contended import not_alone
from reports.summary.pooling import summarise
from tests.planted import planted_learning, planted_records

CONTENDED = CaseWarning("contended", "other programs took 34% of the time of the 2 threads (wall_time)")
FIRST = "This run shared the machine: other programs took more than 10% of CPU time in 2 of 7 cases"


def record(batch: int, *warnings: CaseWarning, device: str = "cpu", replicate: int = 1) -> Record:
    case = Case(model="vgg11", batch=batch, device=device, threads=2, replicate=replicate)
    made = planted_records.record(case, planted_records.time("forward", 0.1 * batch))
    return structs.replace(made, warnings=list(warnings))


def run(contended: int, quiet: int) -> list[Record]:
    batches = range(1, contended + quiet + 1)
    return [record(batch, *([CONTENDED] * (batch <= contended))) for batch in batches]


def told(directory: Path, records: Sequence[Record]) -> tuple[str, ...]:
    return not_alone(summarise([planted_records.write(directory, list(records))]).figures)


@pytest.mark.parametrize(
    ("contended", "quiet", "said"), [(0, 4, False), (1, 3, False), (2, 5, True), (1, 0, True)]
)
def test_it_is_said_of_more_than_a_quarter_of_the_cases(
    tmp_path: Path, contended: int, quiet: int, said: bool
) -> None:
    assert len(told(tmp_path, run(contended, quiet))) == said


def test_a_case_counts_once_and_one_process_is_enough_to_label_it(tmp_path: Path) -> None:
    processes = [record(1, replicate=number) for number in (1, 2)] + [record(1, CONTENDED, replicate=3)]
    (sentence,) = told(tmp_path, [*processes, record(2), record(3)])
    assert "in 1 of 3 cases" in sentence


def test_what_a_gpu_did_neither_counts_nor_dilutes(tmp_path: Path) -> None:
    on_a_gpu = [record(batch, device="cuda") for batch in range(1, 20)]
    (sentence,) = told(tmp_path, [*run(1, 2), *on_a_gpu])
    assert "in 1 of 3 cases" in sentence


def test_training_runs_of_which_nobody_knows_do_not_dilute(tmp_path: Path) -> None:
    (sentence,) = told(tmp_path, [*run(1, 2), *planted_learning.seeds(planted_learning.VGG, (0.9, 0.91))])
    assert "in 1 of 3 cases" in sentence


def test_it_stands_ahead_of_all_else_in_every_format_with_text(tmp_path: Path) -> None:
    document = run_report.build([planted_records.write(tmp_path, run(2, 5))])
    assert formats.render("md", document).splitlines()[4].startswith(f"**! {FIRST}")
    assert formats.render("terminal", document).split("\n", 2)[1].startswith("! This run shared")
    page = formats.render("html", document)
    assert page.index("This run shared the machine") < page.index("Machine: ")
    assert json.loads(formats.render("json", document))["warnings"][0].startswith(FIRST)


def test_a_quiet_run_says_nothing(tmp_path: Path) -> None:
    document = run_report.build([planted_records.write(tmp_path, run(0, 4))])
    assert "contended" not in formats.render("md", document)
    assert not any(
        "shared the machine" in each for each in json.loads(formats.render("json", document))["warnings"]
    )


def test_a_comparison_names_the_side(tmp_path: Path) -> None:
    base = planted_records.write(tmp_path / "base", run(0, 4))
    new = planted_records.write(tmp_path / "new", run(3, 1))
    (sentence,) = compare_report.build([base], [new]).document.remarks
    assert sentence.startswith("NEW shared the machine: other programs took")
    assert "in 3 of 4 cases" in sentence


def test_two_busy_sides_are_told_in_one_sentence(tmp_path: Path) -> None:
    base = planted_records.write(tmp_path / "base", run(2, 2))
    new = planted_records.write(tmp_path / "new", run(3, 1))
    (sentence,) = compare_report.build([base], [new]).document.remarks
    assert sentence.startswith("In BASE and in NEW other programs were at work: they took more than 10% of ")
    assert "in 2 of 4 cases in BASE and 3 of 4 cases in NEW (contended)" in sentence
