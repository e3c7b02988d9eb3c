"""Files that are written while a session goes on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.pytest_plugin import failed_benchmarks
from bench.pytest_plugin.early_saving import EarlySaving
from bench.schema.pytest_json import FAILED_BENCHMARKS
from tests.planted.pytest_options import config_with


def saving(folder: Path, benchmarks: list[Any]) -> EarlySaving:
    """Of a session with --benchmark-json and --benchmark-autosave."""
    config: Any = config_with()
    config.stash = pytest.Stash()

    def update(output_json: dict[str, Any], **others: object) -> None:
        failed_benchmarks.pytest_benchmark_update_json(config, output_json)

    def generate(benchmarks: list[Any], **others: object) -> dict[str, Any]:
        return {"benchmarks": [each.fullname for each in benchmarks]}

    config.hook = SimpleNamespace(
        pytest_benchmark_generate_commit_info=lambda config: {},
        pytest_benchmark_update_commit_info=lambda config, commit_info: None,
        pytest_benchmark_generate_json=generate,
        pytest_benchmark_update_json=update,
    )
    storage = SimpleNamespace(path=folder, get=lambda name: folder / name, query=lambda: [])
    session = SimpleNamespace(
        benchmarks=benchmarks,
        json=str(folder / "kept.json"),
        save=None,
        autosave="auto",
        save_data=False,
        storage=storage,
        get_machine_info=dict,
    )
    return EarlySaving(session, config)


def failed(found: EarlySaving, name: str) -> None:
    info = {"status": "oom", "reason": "out of memory"}
    failed_benchmarks.kept_by(found.config).append({"name": name, "fullname": name, "extra_info": info})


def test_failures_are_written_where_nothing_has_a_figure(tmp_path: Path) -> None:
    """pytest-benchmark writes no file then, and an older one would stay in its place."""
    found = saving(tmp_path, [])
    found.save()
    assert not (tmp_path / "kept.json").exists()
    failed(found, "test_big")
    found.save()
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert [each["name"] for each in kept[FAILED_BENCHMARKS]] == ["test_big"]
    assert list(tmp_path.iterdir()) == [tmp_path / "kept.json"], "the next session would compare with it"


def test_a_failure_after_a_benchmark_is_written_at_once(tmp_path: Path) -> None:
    found = saving(tmp_path, [SimpleNamespace(fullname="test_small", has_error=False)])
    found.save()
    failed(found, "test_big")
    found.save()
    for name in ("kept.json", "0001_auto.json"):
        kept = json.loads((tmp_path / name).read_text())
        assert kept["benchmarks"] == ["test_small"]
        assert len(kept[FAILED_BENCHMARKS]) == 1
