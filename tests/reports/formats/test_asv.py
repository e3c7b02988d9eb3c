"""airspeed velocity loads it as results of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from models.errors import UserError
from reports.formats import asv, asv_benchmarks, asv_machine
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


@pytest.mark.slow
def test_asv_publishes_a_commit_with_its_graph(tmp_path: Path) -> None:
    """With the two files beside it that asv wants."""
    pytest.importorskip("asv")
    git = ["git", "-C", str(tmp_path / "project"), "-c", "user.name=A", "-c", "user.email=a@b"]
    (tmp_path / "project").mkdir()
    for words in (("init", "-q", "-b", "main"), ("commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    (record,) = planted_records.replicates(Case(model="vgg11"), [0.25])
    assert record.environment
    known = structs.replace(record, environment=structs.replace(record.environment, commit=commit))
    document = run_report.build([planted_records.write(tmp_path / "run", [known])])
    lab = tmp_path / "results" / "lab"
    lab.mkdir(parents=True)
    (lab / f"{commit[:8]}-convbench.json").write_text(asv.render(document))
    (lab / "machine.json").write_text(asv_machine.render(document))
    (tmp_path / "results" / "benchmarks.json").write_text(asv_benchmarks.render(document))
    settings = {
        "version": 1,
        "project": "p",
        "repo": "project",
        "branches": ["main"],
        "results_dir": "results",
    }
    (tmp_path / "asv.conf.json").write_text(json.dumps(settings | {"html_dir": "html"}))
    command = [sys.executable, "-m", "asv", "publish", "--config", "asv.conf.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (graph,) = (tmp_path / "html" / "graphs" / "summary").iterdir()
    assert "vgg11_inference_cpu" in graph.name
    (listed,) = (tmp_path / "html" / "graphs" / "branch-main").rglob("summary.json")
    assert [row["last_value"] for row in json.loads(listed.read_text())] == [0.25]


def test_uncommitted_changes_are_no_commit(tmp_path: Path) -> None:
    (record,) = planted_records.replicates(Case(model="vgg11"), [0.25])
    assert record.environment
    dirty = structs.replace(record.environment, commit="0123456789ab-dirty")
    run = planted_records.write(tmp_path / "run", [structs.replace(record, environment=dirty)])
    with pytest.raises(UserError, match="with changes that were not committed"):
        asv.render(run_report.build([run]))


def test_a_file_is_of_one_commit(tmp_path: Path) -> None:
    records = planted_records.example()
    without = [
        structs.replace(each, environment=each.environment and structs.replace(each.environment, commit=None))
        for each in records
    ]
    run = planted_records.write(tmp_path / "run", without)
    with pytest.raises(UserError, match="about one commit, and these records name none"):
        asv.render(run_report.build([run]))
