"""`@NAME` is a run folder wherever one is named, and never leaves its entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.archive import archived_runs, entries, names
from bench.run_folders import located, named_run
from bench.schema.case import Case
from bench.store import RECORDS
from models.errors import UserError
from tests.planted import planted_records


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sides of an `ab`, named `pair`, and a run, named `one`."""
    folder = tmp_path / "archive"
    monkeypatch.setenv("CONVBENCH_ARCHIVE", str(folder))
    for side, seconds in (("ab/a", 0.1), ("ab/b", 0.2), ("run", 0.3)):
        records = planted_records.replicates(Case(model="vgg11"), [seconds])
        planted_records.write(tmp_path / side, records)
    names.pin(folder, "pair", entries.add(folder, tmp_path / "ab").entry.digest)
    names.pin(folder, "one", entries.add(folder, tmp_path / "run").entry.digest)
    return folder


def test_a_name_stands_for_the_files_that_were_added(archive: Path, tmp_path: Path) -> None:
    found = located(Path("@one"))
    assert (found / RECORDS).read_bytes() == (tmp_path / "run" / RECORDS).read_bytes()
    assert located(Path("@one")) == found
    assert archive not in found.parents


def test_a_folder_below_a_name_is_named_too(archive: Path, tmp_path: Path) -> None:
    run = named_run(Path("@pair/b"))
    assert (run.run_folders[0] / RECORDS).read_bytes() == (tmp_path / "ab" / "b" / RECORDS).read_bytes()
    assert archived_runs.as_named(run.run_folders[0]) == Path("@pair/b")
    assert archived_runs.as_named(tmp_path) == tmp_path


@pytest.mark.parametrize("named", ["@one/../../run", "@../one", "@one/a/../../../x", "@.."])
def test_no_name_leaves_the_archive(archive: Path, named: str) -> None:
    with pytest.raises(UserError):
        located(Path(named))


def test_another_sign_is_a_folder(archive: Path) -> None:
    for folder in (Path("one"), Path("./runs/@one"), Path(), Path("/@one")):
        assert not archived_runs.is_archived(folder)
        assert located(folder) == folder


def test_a_damaged_entry_says_so(archive: Path) -> None:
    digest = names.find(archive, "one")
    file = archive / "entries" / digest / "contents.xz"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(UserError, match="ends too early"):
        located(Path("@one"))


def test_what_does_not_fit_on_the_disk_is_not_begun(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda path: full)
    with pytest.raises(UserError, match="do not fit into"):
        located(Path("@one"))
