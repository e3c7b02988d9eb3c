"""A file of another tool is kept as it is, is a series of its own, and is no run."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.archive import (
    archive_folder,
    archive_index,
    archived_runs,
    case_series,
    entries,
    importing,
    names,
    pruning,
    verifying,
)
from bench.archive.importing import Import
from bench.run_folders import located
from bench.schema.case import Case
from models.errors import UserError
from tests.planted import planted_records, planted_sessions

MEASURED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def hyperfine(file: Path, seconds: float = 1.0, *commands: str) -> Path:
    results = [{"command": each, "mean": seconds, "median": seconds} for each in commands or ("make",)]
    file.write_text(json.dumps({"results": results}))
    os.utime(file, (MEASURED.timestamp(), MEASURED.timestamp()))
    return file


def test_the_file_is_kept_byte_by_byte_under_its_checksum(tmp_path: Path) -> None:
    archive, file = tmp_path / "archive", hyperfine(tmp_path / "h.json")
    entry = importing.add(archive, file, Import()).added.entry
    assert entry.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    contents = archive_folder.entry_folder(archive, entry.digest) / archive_folder.CONTENTS
    assert lzma.decompress(contents.read_bytes()).endswith(file.read_bytes())
    assert verifying.verify(archive).damaged == ()


def test_the_same_bytes_are_kept_once_and_stay_as_they_are(tmp_path: Path) -> None:
    archive, file = tmp_path / "archive", hyperfine(tmp_path / "h.json")
    first = importing.add(archive, file, Import(label="nightly"))
    copy = tmp_path / "copy.json"
    copy.write_bytes(file.read_bytes())
    second = importing.add(archive, copy, Import(label="other", machine="Other CPU"))
    assert (first.added.is_new, second.added.is_new) == (True, False)
    assert second.added.entry == first.added.entry


def test_what_the_file_says_of_machine_commit_and_date_counts(tmp_path: Path) -> None:
    benchmarks = [planted_sessions.benchmark("test_a", 0.5)]
    file = planted_sessions.write(tmp_path / "p.json", benchmarks, datetime="2026-01-01T02:00:00+02:00")
    found = importing.add(tmp_path / "archive", file, Import())
    assert not found.is_modification_time
    (series,) = case_series.read(tmp_path / "archive").series
    assert (series.case, series.kind, series.origin) == (
        "tests/test_speed.py::test_a",
        "Test CPU",
        "pytest-benchmark",
    )
    (run,) = series.runs
    assert run.at == "2026-01-01T00:00:00+00:00"
    assert {name: run.conditions[name] for name in ("commit", "host", "Python")} == {
        "commit": "abc1234",
        "host": "lab",
        "Python": "3.11.9",
    }
    assert "memory" not in run.conditions  # the file does not say
    (point,) = series.points
    assert (point.processes, point.scatter) == (1, None)
    assert point.log_seconds == pytest.approx(-0.6931471805599453)  # ln 0.5


def test_what_the_file_does_not_say_is_told_or_unknown(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    plain = importing.add(archive, hyperfine(tmp_path / "a.json", 1.0), Import())
    assert plain.is_modification_time
    told = Import(at="2026-11-30T02:00:00+01:00", machine="Lab 7", variant="amp-nhwc", label="nightly")
    assert not importing.add(archive, hyperfine(tmp_path / "b.json", 2.0), told).is_modification_time
    unknown, lab = archive_index.listed(archive).rows
    assert (unknown.started_at, unknown.kinds, unknown.tool) == (
        "2026-01-02T03:04:05+00:00",
        ("unknown",),
        "hyperfine",
    )
    assert (lab.started_at, lab.kinds, lab.label) == ("2026-11-30T01:00:00+00:00", ("Lab 7",), "nightly")
    assert [each.case for each in case_series.read(archive).series] == ["make", "make [amp-nhwc]"]


def test_a_machine_that_is_named_replaces_that_of_the_file(tmp_path: Path) -> None:
    """Its other conditions stay: the processor is not what a benchmark of a GPU ran on."""
    file = planted_sessions.write(tmp_path / "p.json", [planted_sessions.benchmark("test_a", 0.5)])
    importing.add(tmp_path / "archive", file, Import(machine="Test GPU"))
    (series,) = case_series.read(tmp_path / "archive").series
    assert series.kind == "Test GPU"
    assert series.runs[0].conditions["commit"] == "abc1234"


def test_files_of_many_nights_are_one_series(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for night in range(1, 4):
        file = hyperfine(tmp_path / f"{night}.json", float(night), "make", "make -j")
        importing.add(archive, file, Import(at=f"2026-01-0{night}"))
    series = case_series.read(archive).series
    assert [(each.case, len(each.points)) for each in series] == [("make", 3), ("make -j", 3)]
    assert [point.log_seconds for point in series[0].points] == pytest.approx([0, 0.693147, 1.098612])


def test_it_never_is_of_the_series_of_our_own(tmp_path: Path) -> None:
    """Even where its benchmark has the name of a case, on the same machine."""
    archive = tmp_path / "archive"
    case = Case(model="vgg11")
    entries.add(archive, planted_records.write(tmp_path / "run", planted_records.replicates(case, [0.1])))
    (ours,) = case_series.read(archive).series
    importing.add(archive, hyperfine(tmp_path / "h.json", 1.0, ours.case), Import(machine=ours.kind))
    assert [(each.origin, len(each.points)) for each in case_series.read(archive).series] == [
        ("", 1),
        ("hyperfine", 1),
    ]


def test_it_is_no_run_wherever_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "archive"
    monkeypatch.setenv("CONVBENCH_ARCHIVE", str(archive))
    entry = importing.add(archive, hyperfine(tmp_path / "h.json"), Import()).added.entry
    names.pin(archive, "v1", entry.digest)
    for named in ("@v1", f"@{entry.digest[:12]}", "@v1/a"):
        with pytest.raises(UserError, match="is a file of hyperfine, which is never pooled or compared"):
            located(Path(named))
    archived_runs._unpacked.cache_clear()


def test_a_file_that_was_changed_in_the_archive_is_found(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    entry = importing.add(archive, hyperfine(tmp_path / "h.json"), Import()).added.entry
    folder = archive_folder.entry_folder(archive, entry.digest)
    told = json.loads((folder / archive_folder.ENTRY).read_text())
    told["facts"]["cases"][0]["seconds"] = [0.5]
    (folder / archive_folder.ENTRY).write_text(json.dumps(told))
    assert any("says in entry.json" in each for each in entries.problems_of(archive, entry.digest))


def test_prune_counts_each_tool_separately(tmp_path: Path) -> None:
    """Three files beside each run do not push the runs out."""
    archive = tmp_path / "archive"
    (record,) = planted_records.replicates(Case(model="vgg11"), [0.1])
    entries.add(archive, planted_records.write(tmp_path / "run", [record]), "nightly")
    for night in (1, 2):
        importing.add(
            archive,
            hyperfine(tmp_path / f"{night}.json", night),
            Import(label="nightly", at=f"2026-06-0{night}"),
        )
    removed = pruning.prune(archive, ["1"]).removed
    assert [(row.tool, row.started_at[:10]) for row in removed] == [("hyperfine", "2026-06-01")]


def test_the_tool_is_told_by_the_content_alone(tmp_path: Path) -> None:
    file = hyperfine(tmp_path / "timm.csv")
    assert importing.add(tmp_path / "archive", file, Import()).added.entry.origin == "hyperfine"
    with pytest.raises(UserError, match="no CSV file of timm"):
        importing.add(tmp_path / "archive", file, Import(tool="timm"))
    with pytest.raises(UserError, match="Did you mean 'hyperfine'"):
        importing.add(tmp_path / "archive", file, Import(tool="hyperfin"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hello", "is of no tool that is known. Accepted: hyperfine"),
        (b'{"schema":4,"case":{}}', "is of no tool that is known"),
        (b"\x00" * 100, "is of no tool that is known"),
    ],
)
def test_another_file_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "x"
    file.write_bytes(content)
    with pytest.raises(UserError, match=why):
        importing.add(tmp_path / "archive", file, Import())
    assert not (tmp_path / "archive").exists()


def test_what_is_no_file_or_too_large_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a folder\. `convbench archive add"):
        importing.add(tmp_path / "archive", tmp_path, Import())
    with pytest.raises(UserError, match="is no file that can be copied"):
        importing.add(tmp_path / "archive", Path("/dev/zero"), Import())
    with pytest.raises(UserError, match="No such file"):
        importing.add(tmp_path / "archive", tmp_path / "none", Import())
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 30)  # takes no room on the disk
    with pytest.raises(UserError, match=r"has 1,024 MiB\. Files of up to 256 MiB"):
        importing.add(tmp_path / "archive", tmp_path / "large", Import())


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (Import(at="yesterday"), "--at yesterday is no date. Accepted: 2026-11-30"),
        (Import(at="2999-01-01"), "--at 2999-01-01 is no date of a measurement: 2015-01-01 to today"),
        (Import(at="1970-01-01"), "--at 1970-01-01 is no date of a measurement"),
        (Import(machine="a\nb"), "--machine takes up to 100 characters"),
        (Import(variant="x" * 101), "--variant takes up to 100 characters"),
        (Import(label="../up"), "is no label"),
    ],
)
def test_what_is_said_of_a_file_is_checked(tmp_path: Path, wish: Import, why: str) -> None:
    with pytest.raises(UserError, match=why):
        importing.add(tmp_path / "archive", hyperfine(tmp_path / "h.json"), wish)
    assert not (tmp_path / "archive").exists()


def test_a_date_that_is_none_is_refused_unless_another_is_given(tmp_path: Path) -> None:
    file = planted_sessions.write(
        tmp_path / "p.json", [planted_sessions.benchmark("a", 0.5)], datetime="one day"
    )
    with pytest.raises(UserError, match=r"its date is 'one day'\. --at gives another one"):
        importing.add(tmp_path / "archive", file, Import())
    entry = importing.add(tmp_path / "archive", file, Import(at="2026-01-01")).added.entry
    assert entry.facts.started_at == "2026-01-01T00:00:00+00:00"
