"""What prune removes: nothing that a rule keeps, nothing that has a name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bench.archive import archive_folder, archive_index, entries, names, pruning
from bench.archive.archive_folder import UNFINISHED
from bench.schema.case import Case
from models.errors import UserError
from tests.planted import planted_records

NIGHTS = 70


@pytest.fixture(scope="module")
def nightly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run each night until yesterday; every tenth is `weekly`, the others are `nightly`."""
    folder = tmp_path_factory.mktemp("nights")
    (record,) = planted_records.replicates(Case(model="vgg11"), [0.1])
    for ago in range(NIGHTS, 0, -1):
        began = (datetime.now(UTC) - timedelta(days=ago, hours=1)).isoformat(timespec="seconds")
        run = planted_records.write(folder / str(ago), [msgspec.structs.replace(record, started_at=began)])
        entries.add(folder / "archive", run, "weekly" if ago % 10 == 0 else "nightly")
    return folder / "archive"


def kept(archive: Path, *rules: str, label: str | None = None) -> list[int]:
    """How many nights ago each was that stays, judged by a dry run, which changes nothing."""
    before = archive_index.listed(archive)
    found = pruning.prune(archive, rules, label=label, dry_run=True)
    assert archive_index.listed(archive) == before
    gone = {row.digest for row in found.removed}
    return sorted(int(Path(row.source).name) for row in before.rows if row.digest not in gone)


def test_the_newest_of_each_label_stay(nightly: Path) -> None:
    assert kept(nightly, "3") == [1, 2, 3, 10, 20, 30]
    assert kept(nightly, "0") == []
    assert kept(nightly, "999") == list(range(1, NIGHTS + 1))


def test_what_is_young_stays(nightly: Path) -> None:
    assert kept(nightly, "5d") == [1, 2, 3, 4]
    assert kept(nightly, "99999d") == list(range(1, NIGHTS + 1))


def test_the_last_of_each_month_and_week_stays(nightly: Path) -> None:
    rows = [row for row in archive_index.listed(nightly).rows if row.label == "nightly"]
    months = {f"{pruning.began(row):%Y-%m}" for row in rows}
    weeks = {f"{pruning.began(row):%G-%V}" for row in rows}
    for rule, groups in (("monthly", months), ("weekly", weeks)):
        stays = [ago for ago in kept(nightly, rule) if ago % 10]
        assert len(stays) == len(groups)
        assert 1 in stays


def test_what_any_rule_keeps_stays_and_other_labels_are_left_alone(nightly: Path) -> None:
    assert kept(nightly, "2", "4d") == [1, 2, 3, 10, 20]
    assert kept(nightly, "0", label="nightly") == list(range(10, NIGHTS + 1, 10))


@pytest.mark.parametrize("rules", [(), ("x",), ("-1",), ("d",), ("123456",), ("5w",)])
def test_nothing_goes_without_a_rule(nightly: Path, rules: Sequence[str]) -> None:
    with pytest.raises(UserError, match="the newest 30 of each label"):
        pruning.prune(nightly, rules)


def test_prune_removes_what_it_said_and_never_a_name(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    digests = []
    for number in (1, 2, 3):
        records = planted_records.replicates(Case(model="vgg11"), [number / 10])
        digests.append(
            entries.add(archive, planted_records.write(tmp_path / str(number), records)).entry.digest
        )
    names.pin(archive, "v1", digests[1])
    (archive / UNFINISHED / "killed").mkdir()
    (archive / UNFINISHED / "killed" / "contents.xz").write_bytes(b"x" * 1000)
    said = pruning.prune(archive, ["0"], dry_run=True)
    done = pruning.prune(archive, ["0"])
    assert done == said
    assert (done.kept, done.pinned, done.left_behind) == (0, 1, 1000)
    assert archive_folder.digests(archive) == {digests[1]}
    assert archive_folder.left_behind(archive) == []
    assert [row.digest for row in archive_index.listed(archive).rows] == [digests[1]]


def test_a_run_whose_clock_was_wrong_is_as_old_as_its_entry(tmp_path: Path) -> None:
    (record,) = planted_records.replicates(Case(model="vgg11"), [0.1])
    for name, began in (("1", "1970-01-01T00:00:05Z"), ("2", "2020-01-01T00:00:00Z")):
        run = planted_records.write(tmp_path / name, [msgspec.structs.replace(record, started_at=began)])
        entries.add(tmp_path / "archive", run)
    assert kept(tmp_path / "archive", "1d") == kept(tmp_path / "archive", "1") == [1]
