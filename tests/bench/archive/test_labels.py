"""A run is given another label, and its entry stays as it was added."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.archive import archive_folder, archive_index, entries, labels
from bench.archive.archive_folder import ENTRIES, LABELS
from bench.schema.case import Case
from models.errors import UserError
from tests.planted import planted_records


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for number in (1, 2):
        records = planted_records.replicates(Case(model="vgg11"), [number / 10])
        entries.add(tmp_path / "archive", planted_records.write(tmp_path / str(number), records), "nightly")
    return tmp_path / "archive"


@pytest.fixture
def digest(archive: Path) -> str:
    return min(archive_folder.digests(archive))


def labeled(archive: Path, label: str) -> list[str]:
    return [row.digest for row in archive_index.listed(archive, label=label).rows]


def test_a_run_has_the_label_that_it_was_given_last(archive: Path, digest: str) -> None:
    for label in ("weekly", "monthly", "weekly"):
        labels.relabel(archive, [digest], label)
        assert labeled(archive, label) == [digest]
        assert entries.read(archive, digest).label == label
    assert len(labeled(archive, "nightly")) == 1
    assert labeled(archive, "monthly") == []
    assert archive_index.rebuild(archive) == archive_index.listed(archive)


def test_a_label_can_be_taken_away(archive: Path, digest: str) -> None:
    labels.relabel(archive, [digest], "")
    assert digest not in labeled(archive, "nightly")
    assert entries.read(archive, digest).label == ""


def test_the_entry_stays_as_it_was_added(archive: Path, digest: str) -> None:
    before = [file.read_bytes() for file in sorted((archive / ENTRIES / digest).iterdir())]
    labels.relabel(archive, [digest], "weekly")
    assert [file.read_bytes() for file in sorted((archive / ENTRIES / digest).iterdir())] == before
    assert entries.problems_of(archive, digest) == []


def test_a_label_goes_with_its_run(archive: Path, digest: str) -> None:
    labels.relabel(archive, [digest], "weekly")
    source = Path(entries.read(archive, digest).source)
    archive_folder.remove_entry(archive, digest)
    assert list((archive / LABELS).iterdir()) == []
    entries.add(archive, source, "nightly")
    assert digest in labeled(archive, "nightly")


def test_a_run_that_was_deleted_by_hand_has_the_label_that_it_is_added_with(
    archive: Path, digest: str
) -> None:
    labels.relabel(archive, [digest], "weekly")
    source = Path(entries.read(archive, digest).source)
    shutil.rmtree(archive / ENTRIES / digest)
    assert entries.add(archive, source, "nightly").entry.label == "nightly"
    assert digest in labeled(archive, "nightly")


def test_a_run_that_is_there_keeps_its_label_when_it_is_added_again(archive: Path, digest: str) -> None:
    labels.relabel(archive, [digest], "weekly")
    again = entries.add(archive, Path(entries.read(archive, digest).source), "nightly")
    assert (again.is_new, again.entry.label) == (False, "weekly")


@pytest.mark.parametrize("label", ["../x", "a b", "-x", "é", "x" * 65])
def test_what_is_no_label_is_refused(archive: Path, digest: str, label: str) -> None:
    with pytest.raises(UserError, match="is no label"):
        labels.relabel(archive, [digest], label)
    assert digest in labeled(archive, "nightly")


def test_a_run_that_is_not_there_changes_no_other(archive: Path, digest: str) -> None:
    with pytest.raises(UserError, match="no run 0000"):
        labels.relabel(archive, [digest, "0" * 64], "weekly")
    assert digest in labeled(archive, "nightly")
    with pytest.raises(UserError, match=r"no run \.\./\.\./x"):
        labels.relabel(archive, ["../../x"], "weekly")


def test_a_damaged_label_hides_no_other_run(archive: Path, digest: str) -> None:
    labels.relabel(archive, [digest], "weekly")
    file = archive / LABELS / f"{digest}.json"
    file.write_text("{")
    listed = archive_index.listed(archive)
    assert len(listed.rows) == 1
    (told,) = listed.damaged
    assert told.endswith("Delete it and label the run again")
    file.unlink()
    assert len(archive_index.listed(archive).rows) == 2
