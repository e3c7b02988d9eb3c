"""airspeed velocity loads it as results of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from models.errors import UserError
from reports.formats import asv
from reports.pages import run_report
from tests.planted import planted_records


def test_asv_loads_it(tmp_path: Path) -> None:
    results = pytest.importorskip("asv.results")
    run = planted_records.write(tmp_path / "run", planted_records.example())
    file = tmp_path / "results" / "lab" / "abc1234-convbench.json"
    file.parent.mkdir(parents=True)
    file.write_text(asv.render(run_report.build([run])))
    loaded = results.Results.load(str(file))
    name = "vgg11/training/cpu/fp32/eager/nchw/b8/t2/step/wall_time"
    assert loaded.get_result_value(name, []) == [pytest.approx(1, rel=0.01)]
    assert (loaded.commit_hash, loaded.env_name, loaded.date) == ("abc1234", "convbench", 1767225600000)


def test_a_file_is_of_one_commit(tmp_path: Path) -> None:
    records = planted_records.example()
    without = [
        structs.replace(each, environment=each.environment and structs.replace(each.environment, commit=None))
        for each in records
    ]
    run = planted_records.write(tmp_path / "run", without)
    with pytest.raises(UserError, match="about one commit, and these records name none"):
        asv.render(run_report.build([run]))
