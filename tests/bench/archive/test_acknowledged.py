"""Who answered for a change is kept once, whole, and in its folder."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from msgspec import structs

from bench.archive import acknowledged, archive_folder
from bench.schema.acknowledgement import Acknowledgement
from models.errors import UserError

DRIVER = Acknowledgement(
    case="vgg16/training/cuda/fp32/eager/nchw/b8",
    kind="NVIDIA H100",
    fingerprint="f" * 16,
    what="step",
    run="a" * 64,
    run_at="2026-03-14T02:00:00+00:00",
    by="ada",
    acknowledged_at="2026-03-15T09:00:00+00:00",
    why="driver 575",
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    archive_folder.make(tmp_path / "archive")
    return tmp_path / "archive"


def test_it_is_kept_until_it_is_taken_back(archive: Path) -> None:
    assert acknowledged.read_all(archive) == {}
    other = structs.replace(DRIVER, what="drift")
    acknowledged.acknowledge(archive, {"vgg16-3f0c92ab": DRIVER, "lenet5-00000000": other})
    assert acknowledged.read_all(archive) == {"lenet5-00000000": other, "vgg16-3f0c92ab": DRIVER}
    assert acknowledged.withdraw(archive, ["vgg16-3f0c92ab"]) == {"vgg16-3f0c92ab": DRIVER}
    assert acknowledged.read_all(archive) == {"lenet5-00000000": other}


def test_an_answer_is_not_replaced_and_none_of_several_is_written(archive: Path) -> None:
    acknowledged.acknowledge(archive, {"vgg16-3f0c92ab": DRIVER})
    with pytest.raises(UserError, match=r"acknowledged by ada on 2026-03-15: driver 575. .*trend unack"):
        acknowledged.acknowledge(
            archive, {"new-1": DRIVER, "vgg16-3f0c92ab": structs.replace(DRIVER, by="b")}
        )
    assert acknowledged.read_all(archive) == {"vgg16-3f0c92ab": DRIVER}


def test_an_unknown_name_is_told_with_the_nearest_and_nothing_is_removed(archive: Path) -> None:
    with pytest.raises(UserError, match=r"no change in .* is acknowledged"):
        acknowledged.withdraw(archive, ["vgg16-3f0c92ab"])
    acknowledged.acknowledge(archive, {"vgg16-3f0c92ab": DRIVER})
    with pytest.raises(UserError, match=r"'vgg16-3f0c92aa'. Did you mean 'vgg16-3f0c92ab'\?"):
        acknowledged.withdraw(archive, ["vgg16-3f0c92ab", "vgg16-3f0c92aa"])
    assert list(acknowledged.read_all(archive)) == ["vgg16-3f0c92ab"]


@pytest.mark.parametrize("name", ["../v1", "/etc/passwd", "..", "", "a/b", "a\0b", "-v", ".hidden"])
def test_a_name_that_could_leave_the_folder_is_none(archive: Path, name: str) -> None:
    with pytest.raises(UserError, match="no name of a change"):
        acknowledged.acknowledge(archive, {name: DRIVER})
    assert [each.name for each in archive.parent.iterdir()] == ["archive"]


@pytest.mark.parametrize(
    ("written", "words"), [("{", "damaged"), ('{"schema":1}', "damaged"), ('{"schema":2}', "newer convbench")]
)
def test_what_cannot_be_read_is_one_sentence(archive: Path, written: str, words: str) -> None:
    acknowledged.acknowledge(archive, {"a-1": DRIVER})
    (archive / "acknowledged" / "b-2.json").write_text(written)
    with pytest.raises(UserError, match=rf"b-2\.json.*{words}"):
        acknowledged.read_all(archive)


def test_a_reason_is_one_line_of_a_readable_length() -> None:
    assert acknowledged.check_reason(" driver\n 575 ") == "driver 575"
    with pytest.raises(UserError, match="needs a reason"):
        acknowledged.check_reason(" \n")
    with pytest.raises(UserError, match="up to 500 characters, got 501"):
        acknowledged.check_reason("x" * 501)
    with pytest.raises(UserError, match="control characters"):
        acknowledged.check_reason("\x1b[31mred")


def _answer(archive: Path, number: int) -> str:
    try:
        acknowledged.acknowledge(archive, {"shared": structs.replace(DRIVER, by=f"user {number}")})
    except UserError:
        acknowledged.acknowledge(archive, {f"own-{number}": DRIVER})
        return ""
    return f"user {number}"


@pytest.mark.slow
def test_of_several_at_once_one_is_first_and_none_is_lost(archive: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        first = pool.starmap(_answer, [(archive, number) for number in range(12)])
    winners = [name for name in first if name]
    there = acknowledged.read_all(archive)
    assert [there["shared"].by] == winners
    assert len(there) == 12
    assert [each for each in (archive / "acknowledged").iterdir() if each.name.startswith(".")] == []


def test_what_a_synchronizing_program_left_is_no_answer(archive: Path) -> None:
    acknowledged.acknowledge(archive, {"vgg16-3f0c92ab": DRIVER})
    (archive / "acknowledged" / "vgg16-3f0c92ab (1).json").write_text("{}")
    assert acknowledged.read_all(archive) == {"vgg16-3f0c92ab": DRIVER}
