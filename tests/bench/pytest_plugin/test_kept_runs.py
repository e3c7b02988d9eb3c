"""Which run a session makes, and with which it is compared."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.archive import entries, names
from bench.pytest_plugin import kept_runs
from bench.pytest_plugin.gate_options import GateOptions
from bench.store import RECORDS
from tests.planted import planted_records
from tests.planted.pytest_options import config_with


def config_at(storage: Path) -> pytest.Config:
    return config_with(SimpleNamespace(storage=SimpleNamespace(path=storage)))


def keep(storage: Path, *names: str) -> None:
    for name in names:
        folder = storage / "convbench" / name
        folder.mkdir(parents=True)
        (folder / RECORDS).touch()
        kept_runs.keep_as_base(folder)


def test_runs_are_numbered(tmp_path: Path) -> None:
    config, options = config_at(tmp_path), GateOptions(replicates=2)
    assert kept_runs.new_folder(options, config) == tmp_path / "convbench" / "0001"
    keep(tmp_path, "0001", "0009")
    assert kept_runs.new_folder(options, config) == tmp_path / "convbench" / "0010"


def test_the_last_run_a_number_or_a_folder_is_compared(tmp_path: Path) -> None:
    keep(tmp_path, "0001", "0002")
    config, kept = config_at(tmp_path), tmp_path / "convbench"
    found = [
        kept_runs.compared_with(GateOptions(replicates=2, compare=named), config)
        for named in (None, "", "1", "0002", str(kept / "0001"))
    ]
    assert found == [None, kept / "0002", kept / "0001", kept / "0002", kept / "0001"]


def test_a_named_run_of_the_archive_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, config = tmp_path / "archive", config_at(tmp_path)
    monkeypatch.setenv("CONVBENCH_ARCHIVE", str(archive))
    run = planted_records.write(tmp_path / "run", planted_records.example())
    names.pin(archive, "v1.0", entries.add(archive, run).entry.digest)
    assert kept_runs.compared_with(GateOptions(replicates=2, compare="@v1.0"), config) == Path("@v1.0")
    with pytest.raises(pytest.UsageError, match=r"Did you mean '@v1\.0'"):
        kept_runs.compared_with(GateOptions(replicates=2, compare="@v1.1"), config)


@pytest.mark.parametrize("named", ["", "7", "elsewhere"])
def test_a_run_that_is_not_there_is_an_error(tmp_path: Path, named: str) -> None:
    with pytest.raises(pytest.UsageError, match="is kept in"):
        kept_runs.compared_with(GateOptions(replicates=2, compare=named), config_at(tmp_path))


def test_a_folder_with_a_run_takes_no_second_one(tmp_path: Path) -> None:
    keep(tmp_path, "0001")
    used = tmp_path / "convbench" / "0001"
    with pytest.raises(pytest.UsageError, match="already contains a run"):
        kept_runs.new_folder(GateOptions(replicates=2, out=used), config_at(tmp_path))


def test_a_run_that_failed_its_gate_is_compared_only_by_its_name(tmp_path: Path) -> None:
    """The gate would pass when it is repeated: nothing is slower than the slow run."""
    keep(tmp_path, "0001", "0002")
    config, kept = config_at(tmp_path), tmp_path / "convbench"
    (kept / "0002" / kept_runs.BASE).unlink()
    assert kept_runs.compared_with(GateOptions(replicates=2, compare=""), config) == kept / "0001"
    assert kept_runs.compared_with(GateOptions(replicates=2, compare="2"), config) == kept / "0002"
    assert kept_runs.new_folder(GateOptions(replicates=2), config) == kept / "0003"
    (kept / "0001" / kept_runs.BASE).unlink()
    with pytest.raises(pytest.UsageError, match=r"failed its gate\. Name the one"):
        kept_runs.compared_with(GateOptions(replicates=2, compare=""), config)
