"""Names stay in their archive, and stand for the run that they were given to."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.archive import archive_folder, entries, names
from bench.schema.case import Case
from models.errors import UserError
from tests.planted import planted_records


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for number in (1, 2):
        records = planted_records.replicates(Case(model="vgg11"), [number / 10])
        entries.add(tmp_path / "archive", planted_records.write(tmp_path / str(number), records))
    return tmp_path / "archive"


@pytest.fixture
def digests(archive: Path) -> list[str]:
    return sorted(archive_folder.digests(archive))


def test_a_name_stands_for_a_run_until_it_is_moved_or_taken_away(archive: Path, digests: list[str]) -> None:
    names.pin(archive, "v1.0", digests[0])
    names.pin(archive, "v1.0", digests[0])
    assert names.find(archive, "@v1.0") == names.find(archive, "v1.0") == digests[0]
    with pytest.raises(UserError, match=f"pinned to {digests[0][:12]} already. --move"):
        names.pin(archive, "v1.0", digests[1])
    names.pin(archive, "v1.0", digests[1], move=True)
    assert names.pinned(archive) == {"v1.0": digests[1]}
    assert names.unpin(archive, "v1.0") == digests[1]
    with pytest.raises(UserError, match="has a name yet"):
        names.unpin(archive, "v1.0")


def test_the_first_digits_of_a_digest_are_a_name(archive: Path, digests: list[str]) -> None:
    assert names.find(archive, digests[0][:12]) == digests[0]
    assert names.find(archive, f"@{digests[1]}") == digests[1]
    with pytest.raises(UserError):
        names.find(archive, digests[0][:5])


def test_digits_of_no_run_are_no_missing_name(archive: Path) -> None:
    for few in ("00000000", "12"):
        with pytest.raises(UserError, match=rf"no run of .* has the name or id '{few}'. .*at least 6 digits"):
            names.find(archive, few)


def test_digits_of_several_runs_are_refused(archive: Path) -> None:
    for end in "01":
        (archive / "entries" / ("abcdef" + end * 58)).mkdir()
    with pytest.raises(UserError, match=r"2 runs of .* begin with abcdef"):
        names.find(archive, "abcdef")


def test_an_unknown_name_names_the_nearest(archive: Path, digests: list[str]) -> None:
    names.pin(archive, "v1.0", digests[0])
    with pytest.raises(UserError, match=r"unknown archived run '@v1.1'. Did you mean '@v1.0'\?"):
        names.find(archive, "@v1.1")


@pytest.mark.parametrize("name", ["../v1", "/etc/passwd", "..", ".", "", "a/b", "a\0b", "-v", ".hidden", "ä"])
def test_a_name_that_could_leave_the_archive_is_none(archive: Path, digests: list[str], name: str) -> None:
    for ask in (names.find, names.unpin):
        with pytest.raises(UserError, match="no name of a run"):
            ask(archive, name)
    with pytest.raises(UserError, match="no name of a run"):
        names.pin(archive, name, digests[0])


@pytest.mark.parametrize("written", ["{", '{"schema":1,"digest":"../../x","pinned_at":""}', '{"schema":9}'])
def test_a_damaged_name_leads_nowhere(archive: Path, written: str) -> None:
    (archive / "pins" / "v1.json").write_text(written)
    with pytest.raises(UserError, match=r"v1\.json"):
        names.find(archive, "@v1")


def test_what_a_synchronizing_program_left_is_no_name(archive: Path, digests: list[str]) -> None:
    names.pin(archive, "v1", digests[0])
    for copy in ("v1 (conflict).json", "._v1.json", "v1.json~"):
        (archive / "pins" / copy).write_text("{}")
    assert names.pinned(archive) == {"v1": digests[0]}
