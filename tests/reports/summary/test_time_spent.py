"""What a report says its runs' time went to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from reports import formats
from reports.pages import run_report
from reports.summary.pooling import summarise
from tests.planted import planted_records


def _run(folder: Path, *spent: dict[str, float]) -> Path:
    plain = planted_records.replicates(Case(model="lenet5"), [0.1] * len(spent))
    records = [
        structs.replace(
            record, spent=each, between={"starting": 3.0} if number == 0 else {}, seconds=sum(each.values())
        )
        for number, (record, each) in enumerate(zip(plain, spent, strict=True))
    ]
    return planted_records.write(folder, records)


def test_the_seconds_of_all_processes_and_of_what_was_between_them_are_added(tmp_path: Path) -> None:
    first = _run(tmp_path / "first", {"measuring": 6.0, "building": 1.0}, {"measuring": 5.0})
    second = _run(tmp_path / "second", {"probing": 2.0})
    assert summarise([first, second]).spent == pytest.approx(
        {"measuring": 11.0, "building": 1.0, "starting": 6.0, "probing": 2.0}
    )


def test_report_and_json_say_what_the_time_went_to(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run", {"measuring": 6.0, "building": 1.0})
    document = run_report.build([folder])
    assert "Time spent: 10 s (measuring 60%, starting 30%, building 10%)." in document.text
    found = json.loads(formats.render("json", document))
    assert found["spent"] == {"measuring": 6.0, "building": 1.0, "starting": 3.0}
    assert list(found)[-2:] == ["spent", "rows"]


def test_records_of_earlier_versions_say_nothing_of_it(tmp_path: Path) -> None:
    folder = planted_records.write(tmp_path / "run", planted_records.replicates(Case(model="lenet5"), [0.1]))
    document = run_report.build([folder])
    assert not any("Time spent" in paragraph for paragraph in document.text)
    assert "spent" not in json.loads(formats.render("json", document))
