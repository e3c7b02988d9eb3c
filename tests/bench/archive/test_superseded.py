"""A run that was added unfinished, resumed and added again counts once, whoever adds which first."""

from __future__ import annotations

import itertools
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from bench.archive import archive_folder, archive_index, case_series, entries, names, pruning
from bench.archive.archive_folder import CONTENTS, ENTRIES, ENTRY
from bench.archive.archive_index import Listed
from bench.fleet import merging
from bench.schema.case import Case
from bench.schema.record import Record
from bench.store import RECORDS
from tests.planted import planted_records


def records(count: int, seconds: float = 0.2, night: int = 1) -> list[Record]:
    """The first of a run that began at noon, a minute apart."""
    return [
        msgspec.structs.replace(
            record,
            started_at=f"2026-01-{night:02}T12:{at:02}:00+00:00",
            finished_at=f"2026-01-{night:02}T12:{at:02}:30+00:00",
        )
        for at, record in enumerate(planted_records.replicates(Case(model="vgg11"), [seconds] * count))
    ]


def add(archive: Path, run: list[Record], name: str, label: str = "nightly") -> str:
    folder = planted_records.write(archive.parent / name, run)
    return entries.add(archive, folder, label).entry.digest


def counted(listed: Listed) -> list[str]:
    return [row.digest for row in listed.rows]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("looked_between", [True, False])
def test_three_states_of_a_run_count_once(
    tmp_path: Path, order: tuple[int, ...], looked_between: bool
) -> None:
    archive = tmp_path / "archive"
    other = add(archive, records(3, seconds=0.3), "other")
    digests = {}
    for state in order:
        digests[state] = add(archive, records(state + 2), str(state))
        if looked_between:
            archive_index.listed(archive)
    for listed in (archive_index.listed(archive), archive_index.rebuild(archive)):
        assert sorted(counted(listed)) == sorted([other, digests[2]])
        assert {row.digest: row.superseded_by for row in listed.superseded} == {
            digests[0]: digests[2],
            digests[1]: digests[2],
        }


def test_states_that_are_added_and_listed_at_once_count_once(tmp_path: Path) -> None:
    """Each thread opens the archive and its index for itself, as processes do."""
    archive = tmp_path / "archive"

    def added(count: int) -> str:
        digest = add(archive, records(count), str(count))
        archive_index.listed(archive)
        return digest

    for _ in range(3):
        with ThreadPoolExecutor(4) as threads:
            *states, last = list(threads.map(added, range(2, 8)))
        listed = archive_index.listed(archive)
        assert counted(listed) == [last]
        assert {row.digest: row.superseded_by for row in listed.superseded} == dict.fromkeys(states, last)
        assert archive_index.rebuild(archive) == listed
        shutil.rmtree(archive)
        for count in range(2, 8):
            shutil.rmtree(tmp_path / str(count))


def test_a_series_has_the_later_state_in_the_place_of_the_earlier(tmp_path: Path) -> None:
    """Its step keeps its name: the first record stays."""
    archive = tmp_path / "archive"
    add(archive, records(2), "before")
    ((before,),) = (each.runs for each in case_series.read(archive).series)
    second = add(archive, records(3), "after")
    add(archive, records(2, night=2), "another night")
    (series,) = case_series.read(archive, label="nightly").series
    assert [point.processes for point in series.points] == [3, 2]
    assert [point.position for point in series.points] == [0, 1]
    assert series.runs[0].digest == second
    assert series.runs[0].first == before.first != series.runs[1].first


def test_an_entry_stays_as_it_was(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    first = add(archive, records(2), "first")
    before = (archive / ENTRIES / first / "entry.json").read_bytes()
    add(archive, records(3), "second")
    archive_index.listed(archive)
    assert (archive / ENTRIES / first / "entry.json").read_bytes() == before
    assert entries.problems_of(archive, first) == []


def test_runs_that_share_only_some_records_both_count(tmp_path: Path) -> None:
    """Two copies of an unfinished run that were both resumed."""
    archive = tmp_path / "archive"
    begun = add(archive, records(2), "begun")
    ours = add(archive, records(4), "ours")
    theirs = add(archive, [*records(2), *records(5, seconds=0.3)[2:]], "theirs")
    listed = archive_index.listed(archive)
    assert sorted(counted(listed)) == sorted([ours, theirs])
    assert [row.digest for row in listed.superseded] == [begun]


def test_runs_of_other_nights_and_the_same_case_both_count(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for night in (1, 2, 3):
        add(archive, records(night, night=night), str(night))
    assert len(archive_index.listed(archive).rows) == 3


def test_an_unfinished_last_line_is_no_record(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    folder = planted_records.write(tmp_path / "torn", records(2))
    with (folder / RECORDS).open("ab") as file:
        file.write(b'{"schema":4,"case":{"mod')
    entries.add(archive, folder, "nightly")
    whole = add(archive, records(3), "whole")
    assert counted(archive_index.listed(archive)) == [whole]


def test_a_run_is_superseded_only_among_those_that_were_asked_for(tmp_path: Path) -> None:
    """The resumed run has another label: neither label loses its run, and all runs count it once."""
    archive = tmp_path / "archive"
    first = add(archive, records(2), "first", "nightly")
    second = add(archive, records(3), "second", "hand")
    assert counted(archive_index.listed(archive, label="nightly")) == [first]
    assert counted(archive_index.listed(archive, label="hand")) == [second]
    assert counted(archive_index.listed(archive)) == [second]


def test_when_the_later_state_is_removed_the_earlier_one_counts_again(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    first, second = (add(archive, records(count), str(count)) for count in (2, 3))
    assert counted(archive_index.listed(archive)) == [second]
    archive_folder.remove_entry(archive, second)
    assert counted(archive_index.listed(archive)) == [first]


def test_a_damaged_run_supersedes_none(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    first, second = (add(archive, records(count), str(count)) for count in (2, 3))
    (archive / ENTRIES / second / CONTENTS).write_bytes(b"damaged")
    assert sorted(counted(archive_index.listed(archive))) == sorted([first, second])


def test_a_state_that_was_damaged_before_the_last_one_came_stops_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    first, second = (add(archive, records(count), str(count)) for count in (2, 3))
    archive_index.listed(archive)
    (archive / ENTRIES / first / CONTENTS).write_bytes(b"damaged")
    third = add(archive, records(4), "4")
    listed = archive_index.listed(archive)
    assert counted(listed) == [third]
    assert {row.digest: row.superseded_by for row in listed.superseded} == {first: second, second: third}
    assert [row.digest for row in pruning.prune(archive, ["1"]).removed] == sorted([first, second])


def test_a_run_that_was_damaged_after_it_was_listed_supersedes_none(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    second = add(archive, records(3), "second")
    archive_index.listed(archive)
    (archive / ENTRIES / second / ENTRY).write_text("{")
    first = add(archive, records(2), "first")
    assert sorted(counted(archive_index.listed(archive))) == sorted([first, second])


def test_the_same_records_in_another_folder_count_once(tmp_path: Path) -> None:
    """As a run of one GPU and the folder above it; which of them counts depends on both alone."""
    archive = tmp_path / "archive"
    run = planted_records.write(tmp_path / "runs" / "GPU-1", records(3))
    for folder in (run, run.parent):
        entries.add(archive, folder, "nightly")
    listed = archive_index.listed(archive)
    assert (len(listed.rows), len(listed.superseded)) == (1, 1)
    assert listed.rows == archive_index.rebuild(archive).rows


def test_a_folder_of_gpus_whose_run_was_resumed_counts_once(tmp_path: Path) -> None:
    archive, runs = tmp_path / "archive", tmp_path / "runs"
    planted_records.write(runs / "GPU-1", records(3))
    first = entries.add(archive, runs, "nightly").entry.digest
    planted_records.write(runs / "GPU-2", records(3, seconds=0.3))
    second = entries.add(archive, runs, "nightly").entry.digest
    listed = archive_index.listed(archive)
    assert counted(listed) == [second]
    assert [row.digest for row in listed.superseded] == [first]


def test_runs_that_were_merged_count_once(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    folders = [
        planted_records.write(tmp_path / "a", records(2)),
        planted_records.write(tmp_path / "b", records(5)[2:]),
    ]
    parts = [entries.add(archive, each, "nightly").entry.digest for each in folders]
    merging.merge(folders, tmp_path / "merged", resume=False)
    whole = entries.add(archive, tmp_path / "merged", "nightly").entry.digest
    listed = archive_index.listed(archive)
    assert counted(listed) == [whole]
    assert sorted(row.digest for row in listed.superseded) == sorted(parts)


def test_prune_removes_what_is_superseded_but_no_name(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    first, second, third = (add(archive, records(count), str(count)) for count in (2, 3, 4))
    last_night = add(archive, records(2, night=2), "night")
    names.pin(archive, "v1", second)
    found = pruning.prune(archive, ["2"])
    assert [row.digest for row in found.removed] == [first]
    assert (found.kept, found.pinned) == (2, 1)
    assert archive_folder.digests(archive) == {second, third, last_night}


def test_prune_never_lets_a_label_lose_its_run_to_another_label(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    add(archive, records(2), "first", "nightly")
    add(archive, records(3), "second", "hand")
    assert pruning.prune(archive, ["1"]).removed == ()


def test_a_run_of_several_machines_supersedes_that_of_one(tmp_path: Path) -> None:
    """Whichever of them: the machines of a run are compared before anything is read."""
    archive, runs = tmp_path / "archive", tmp_path / "runs"
    digests = {}
    for name in ("n1", "n12", "n2"):
        machine = msgspec.structs.replace(planted_records.MACHINE, host=name)
        own = [
            msgspec.structs.replace(each, environment=machine) for each in records(2, seconds=len(name) / 10)
        ]
        planted_records.write(runs / f"GPU-{name}", own)
        digests[name] = entries.add(archive, runs / f"GPU-{name}", "nightly").entry.digest
    assert len(counted(archive_index.listed(archive))) == 3
    whole = entries.add(archive, runs, "nightly").entry.digest
    listed = archive_index.listed(archive)
    assert counted(listed) == [whole]
    assert {row.digest for row in listed.superseded} == set(digests.values())


def test_a_run_whose_records_another_program_wrote_again_is_the_same(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    add(archive, records(2), "first")
    folder = planted_records.write(tmp_path / "second", records(3))
    lines = (folder / RECORDS).read_text().splitlines()
    (folder / RECORDS).write_text("".join(f"{json.dumps(json.loads(line), indent=None)}\n" for line in lines))
    whole = entries.add(archive, folder, "nightly").entry.digest
    assert counted(archive_index.listed(archive)) == [whole]
