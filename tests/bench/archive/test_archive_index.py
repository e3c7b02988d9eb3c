"""The index is made from the entries: lost, damaged or behind, it says the same."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from bench.archive import archive_folder, archive_index, case_series, entries
from bench.archive.archive_index import INDEX, Listed
from bench.schema.case import Case
from models.errors import UserError
from tests.planted import planted_nights, planted_records
from tests.planted.planted_nights import YEAR


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for number, model in enumerate(("vgg11", "lenet5", "vgg11"), start=1):
        records = planted_records.replicates(Case(model=model), [number / 10] * 2)
        run = planted_records.write(tmp_path / str(number), records)
        entries.add(tmp_path / "archive", run, "nightly" if number > 1 else "")
    return tmp_path / "archive"


def test_it_answers_by_label_and_by_network(archive: Path) -> None:
    def sources(listed: Listed) -> list[str]:
        return sorted(Path(row.source).name for row in listed.rows)

    assert sources(archive_index.listed(archive)) == ["1", "2", "3"]
    assert sources(archive_index.listed(archive, label="nightly")) == ["2", "3"]
    assert sources(archive_index.listed(archive, model="vgg11")) == ["1", "3"]
    assert sources(archive_index.listed(archive, label="nightly", model="vgg11")) == ["3"]


def test_a_lost_index_is_made_again(archive: Path) -> None:
    before = archive_index.listed(archive)
    (archive / INDEX).unlink()
    assert archive_index.listed(archive) == before
    assert archive_index.rebuild(archive) == before
    assert (archive / INDEX).exists()


@pytest.mark.parametrize("damage", ["text", "cut", "zeros", "another version", "another table"])
def test_a_damaged_index_is_made_again(archive: Path, damage: str) -> None:
    before = archive_index.listed(archive)
    file = archive / INDEX
    whole = file.read_bytes()
    if damage == "text":
        file.write_text("this is no database, and never was one")
    elif damage == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "zeros":
        file.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    else:
        with sqlite3.connect(file) as index:
            index.execute("PRAGMA user_version = 99" if damage == "another version" else "DROP TABLE entries")
        index.close()
    assert archive_index.listed(archive) == before
    with sqlite3.connect(file) as index:  # and the next one needs no more than to read it
        assert index.execute("SELECT count(*) FROM entries").fetchone() == (3,)


def test_an_entry_that_was_never_indexed_is_found(archive: Path, tmp_path: Path) -> None:
    """As after a kill between the entry and the index: `add` itself writes no index."""
    archive_index.listed(archive)
    run = planted_records.write(tmp_path / "4", planted_records.replicates(Case(model="alexnet"), [0.1]))
    added = entries.add(archive, run).entry
    assert added.digest in [row.digest for row in archive_index.listed(archive).rows]


def test_an_entry_that_is_gone_is_forgotten(archive: Path) -> None:
    digest = archive_index.listed(archive).rows[0].digest
    archive_folder.remove_entry(archive, digest)
    assert len(archive_index.listed(archive).rows) == 2
    with sqlite3.connect(archive / INDEX) as index:
        assert index.execute("SELECT count(*) FROM cases WHERE digest = ?", (digest,)).fetchone() == (0,)


def test_a_run_that_was_added_again_is_listed_as_it_is_now(archive: Path, tmp_path: Path) -> None:
    row = archive_index.listed(archive, label="nightly").rows[0]
    archive_folder.remove_entry(archive, row.digest)
    entries.add(archive, Path(row.source), "weekly")
    assert [each.digest for each in archive_index.listed(archive, label="weekly").rows] == [row.digest]
    assert len(archive_index.listed(archive, label="nightly").rows) == 1


def test_a_damaged_entry_hides_no_other(archive: Path) -> None:
    digest = sorted(archive_folder.digests(archive))[0]
    (archive / "entries" / digest / "entry.json").write_text("{")
    listed = archive_index.rebuild(archive)
    assert len(listed.rows) == 2
    assert len(listed.damaged) == 1
    assert digest in listed.damaged[0]


def test_where_the_index_cannot_be_written_the_answer_is_the_same(archive: Path) -> None:
    before = archive_index.listed(archive)
    (archive / INDEX).unlink()
    (archive / INDEX).mkdir()  # root may write everything, but no file over a folder
    assert archive_index.listed(archive) == before


def test_an_index_that_somebody_deletes_meanwhile_changes_no_answer(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite names the journal by its path, so that of another index can undo what is in this one."""
    before = archive_index.listed(archive), case_series.read(archive)
    refresh = archive_index._refresh

    def then_lost(index: sqlite3.Connection, folder: Path) -> list[str]:
        damaged = refresh(index, folder)
        if index.execute("PRAGMA database_list").fetchone()[2]:  # the file's path; "" in memory
            with index:
                for table in ("cases", "entries"):
                    index.execute(f"DROP TABLE {table}")
        return damaged

    monkeypatch.setattr(archive_index, "_refresh", then_lost)
    assert (archive_index.listed(archive), case_series.read(archive)) == before


def test_without_an_archive_there_is_nothing_to_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no archive at"):
        archive_index.listed(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_index_of_an_archive_that_was_copied_is_its_own(archive: Path, tmp_path: Path) -> None:
    before = archive_index.listed(archive)
    assert archive_index.listed(shutil.copytree(archive, tmp_path / "copied")) == before


def test_runs_are_listed_in_the_order_of_time_where_a_clock_was_wrong_too(planted_year: Path) -> None:
    rows = archive_index.listed(planted_year).rows
    nights = [(datetime.fromisoformat(row.at) - planted_nights.FIRST).days for row in rows]
    assert nights == [night for night in range(YEAR.nights) if night not in YEAR.missing]
    undated = [row for row in rows if not row.is_dated]
    assert [row.started_at[:4] for row in undated] == ["1970", "2031"]
    assert [row.at for row in undated] == [row.added_at for row in undated]
