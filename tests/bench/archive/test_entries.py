"""What goes into an archive is what comes out of it, once, whatever befalls the processes that add."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from bench.archive import archive_folder, entries
from bench.archive.archive_folder import CONTENTS, ENTRIES, ENTRY, SUMS, UNFINISHED
from bench.schema.case import Case
from bench.schema.units import REPLACED
from bench.store import RECORDS, Store
from models.errors import UserError
from tests.planted import planted_fleet, planted_records
from tests.planted.commands import ROOT
from tests.planted.planted_fleet import PlantedFleet


def a_run(folder: Path, seconds: float = 0.2) -> Path:
    return planted_records.write(folder, planted_records.replicates(Case(model="vgg11"), [seconds] * 3))


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


def test_a_run_is_added_once(tmp_path: Path) -> None:
    run, archive = a_run(tmp_path / "run"), tmp_path / "archive"
    first = entries.add(archive, run, "nightly")
    before = files_below(archive)
    again = entries.add(archive, shutil.copytree(run, tmp_path / "copy"), "weekly")
    assert first.is_new
    assert not again.is_new
    assert again.entry == first.entry
    assert files_below(archive) == before
    assert entries.problems_of(archive, first.entry.digest) == []


def test_what_is_known_of_a_run_follows_from_its_records(tmp_path: Path) -> None:
    facts = entries.add(tmp_path / "archive", a_run(tmp_path / "run"), "").entry.facts
    assert (facts.records, facts.started_at) == (3, "2026-01-01T00:00:00Z")
    assert facts.environments == (planted_records.MACHINE,)
    (case,) = facts.cases
    assert (case.case, case.kind, case.processes, case.failed) == (Case(model="vgg11").id, "Test CPU", 3, 0)
    assert case.seconds == (0.2, 0.2, 0.2)


def test_the_digest_is_of_the_records_and_not_of_how_they_are_written(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    other = tmp_path / "other"
    other.mkdir()
    lines = (run / RECORDS).read_text().splitlines()
    spaced = [json.dumps(dict(reversed(json.loads(line).items())), indent=None) for line in lines]
    (other / RECORDS).write_text("\ufeff" + "\n\n".join(spaced))  # no newline at the end
    (other / "plan.json").write_text("{}")
    known = entries.add(tmp_path / "archive", run).entry
    assert not entries.add(tmp_path / "archive", other).is_new
    assert entries.known(tmp_path / "archive", other) == known.digest


def test_an_unfinished_line_is_kept_and_not_counted(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    torn = shutil.copytree(run, tmp_path / "torn")
    with (torn / RECORDS).open("ab") as file:
        file.write(b'{"schema":4,"case":{"mod')
    added = entries.add(tmp_path / "archive", torn).entry
    assert added.facts.records == 3
    assert added.files[0].size == (torn / RECORDS).stat().st_size
    assert not entries.add(tmp_path / "archive", run).is_new


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no complete record"),
        (b"{}\n", "not a convbench record"),
        (b'{"schema":99}\n', "newer convbench"),
        (b'{"a":' * 3000 + b"\n", "not a convbench record"),
    ],
)
def test_what_is_no_run_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes, said: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / RECORDS).write_bytes(content)
    with pytest.raises(UserError, match=said):
        entries.add(tmp_path / "archive", run)
    assert files_below(tmp_path / "archive") == {}
    assert list((tmp_path / "archive" / UNFINISHED).iterdir()) == []


def test_a_run_that_goes_on_is_refused(tmp_path: Path) -> None:
    record = planted_records.replicates(Case(model="vgg11"), [0.2])[0]
    with Store.create(tmp_path / "run") as store:
        store.append(record)
        with pytest.raises(UserError, match="in use"):
            entries.add(tmp_path / "archive", tmp_path / "run")
    assert entries.add(tmp_path / "archive", tmp_path / "run").is_new


def test_old_records_can_be_added(tmp_path: Path) -> None:
    for number in (1, 3):
        fixture = ROOT / "tests" / "fixtures" / f"schema_{number}"
        entry = entries.add(tmp_path / "archive", fixture).entry
        assert entries.problems_of(tmp_path / "archive", entry.digest) == []


def flipped(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    digest = entries.add(archive, a_run(tmp_path / "run")).entry.digest
    folder = archive / ENTRIES / digest
    drawn = random.Random(1)
    for name in (CONTENTS, ENTRY, SUMS):
        file = folder / name
        whole = file.read_bytes()
        # the file names of SHA256SUMS too: its lines are compared as they stand
        for at in drawn.sample(range(len(whole) - 1), 40):
            flipped(file, at)
            assert entries.problems_of(archive, digest), (name, at)
            file.write_bytes(whole)
    assert entries.problems_of(archive, digest) == []


def test_sums_are_those_of_coreutils(tmp_path: Path) -> None:
    digest = entries.add(tmp_path / "archive", a_run(tmp_path / "run")).entry.digest
    folder = tmp_path / "archive" / ENTRIES / digest
    subprocess.run(["sha256sum", "-c", "--strict", SUMS], cwd=folder, check=True, capture_output=True)


def test_records_that_were_changed_with_all_their_sums_are_found(tmp_path: Path) -> None:
    """What is known of a run is compared with its records, and its name too."""
    archive = tmp_path / "archive"
    one = entries.add(archive, a_run(tmp_path / "one", 0.2)).entry
    two = entries.add(archive, a_run(tmp_path / "two", 0.3)).entry
    folder = archive / ENTRIES
    shutil.copy(folder / two.digest / CONTENTS, folder / one.digest / CONTENTS)
    faked = msgspec.structs.replace(two, facts=msgspec.structs.replace(two.facts, digest=one.digest))
    (folder / one.digest / ENTRY).write_bytes(msgspec.json.encode(faked))
    sums = "".join(f"{entries.digest_of(folder / one.digest / name)}  {name}\n" for name in (CONTENTS, ENTRY))
    (folder / one.digest / SUMS).write_text(sums)
    assert entries.problems_of(archive, one.digest) == ["has other records than its name says"]


def test_an_entry_that_says_too_much_is_not_read(tmp_path: Path) -> None:
    digest = entries.add(tmp_path / "archive", a_run(tmp_path / "run")).entry.digest
    with (tmp_path / "archive" / ENTRIES / digest / ENTRY).open("r+b") as file:
        file.truncate(entries.MOST_ENTRY_BYTES + 1)
    with pytest.raises(UserError, match="larger than that of any run"):
        entries.read(tmp_path / "archive", digest)


def test_a_damaged_run_is_not_taken_for_added(tmp_path: Path) -> None:
    run, archive = a_run(tmp_path / "run"), tmp_path / "archive"
    digest = entries.add(archive, run).entry.digest
    flipped(archive / ENTRIES / digest / CONTENTS, 60)
    with pytest.raises(UserError, match="Delete that folder and add it again"):
        entries.add(archive, run)
    shutil.rmtree(archive / ENTRIES / digest)
    assert entries.add(archive, run).is_new


ADDING = """
import sys
from pathlib import Path
from bench.archive import entries
print("ready", flush=True)
sys.stdin.readline()
for run in sys.argv[2:]:
    entries.add(Path(sys.argv[1]), Path(run))
"""


def adding(archive: Path, runs: list[Path]) -> subprocess.Popen[bytes]:
    """A process that waits for a line, then adds."""
    return subprocess.Popen(
        [sys.executable, "-c", ADDING, str(archive), *map(str, runs)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_processes_that_add_at_once_and_are_killed_leave_whole_entries(tmp_path: Path) -> None:
    """Each of 24 runs is added by two processes at once, which are killed in two of three rounds."""
    runs = [a_run(tmp_path / str(number), 0.1 + number / 1000) for number in range(24)]
    archive, drawn = tmp_path / "archive", random.Random(2)
    killed = 0
    for number in range(3):
        added = [adding(archive, drawn.sample(runs, len(runs))) for _ in range(2)]
        for process in added:
            assert process.stdout is not None
            process.stdout.readline()
        for process in added:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
        if number < 2:
            time.sleep(0.03 + 0.1 * number)
            for process in added:
                process.send_signal(signal.SIGKILL)
        for process in added:
            _, _ = process.communicate()
            killed += process.returncode == -signal.SIGKILL
        for digest in archive_folder.digests(archive) if archive.exists() else ():
            assert entries.problems_of(archive, digest) == []
    assert killed >= 2
    assert len(archive_folder.digests(archive)) == len(runs)
    with archive_folder.alone(archive):
        archive_folder.clear_unfinished(archive)
    assert archive_folder.left_behind(archive) == []


@pytest.fixture
def folder_of_gpus(tmp_path: Path) -> Path:
    for name in ("GPU-a", "GPU-b"):
        a_run(tmp_path / "gpus" / name, 0.2 if name == "GPU-a" else 0.3)
    (tmp_path / "gpus" / "GPU-a" / "logs").mkdir()
    (tmp_path / "gpus" / "GPU-a" / "logs" / "case.log").touch()
    return tmp_path / "gpus"


def test_the_gpus_of_a_host_are_one_run(tmp_path: Path, folder_of_gpus: Path) -> None:
    entry = entries.add(tmp_path / "archive", folder_of_gpus).entry
    assert [file.path for file in entry.files] == ["GPU-a/records.jsonl", "GPU-b/records.jsonl"]
    assert entry.facts.records == 6


def test_a_fleet_is_one_run_with_its_plan_and_the_state_of_its_jobs(tmp_path: Path) -> None:
    planted_fleet.write_fleet(tmp_path / "fleet", PlantedFleet(nodes=2, gpus=1, tests=1, processes=2))
    names = [file.path for file in entries.add(tmp_path / "archive", tmp_path / "fleet").entry.files]
    assert "fleet.json" in names
    assert [name for name in names if name.endswith(RECORDS)]
    assert [name for name in names if name.startswith("jobs/")]
    assert not [name for name in names if name.endswith((".log", ".sh", ".md"))]


def cases_of(archive: Path, run: Path) -> list[tuple[int, int, int]]:
    """Of each case how many processes ended well, how many failed, and how many times there are."""
    facts = entries.add(archive, run).entry.facts
    return [(case.processes, case.failed, len(case.seconds)) for case in facts.cases]


def test_a_process_that_was_run_again_counts_once(tmp_path: Path) -> None:
    """It crashed before it knew its network, and --resume measured it."""
    one, two = planted_records.replicates(Case(model="vgg11"), [0.2, 0.3])
    crashed = msgspec.structs.replace(one, status="crashed", measurements=[], fingerprint=None)
    run = planted_records.write(tmp_path / "run", [crashed, two, one])
    assert cases_of(tmp_path / "archive", run) == [(2, 0, 2)]


def test_processes_of_one_case_are_one_row_though_some_failed(tmp_path: Path) -> None:
    one, two = planted_records.replicates(Case(model="vgg11"), [0.2, 0.3])
    crashed = msgspec.structs.replace(one, status="crashed", measurements=[], fingerprint=None)
    run = planted_records.write(tmp_path / "run", [crashed, two])
    assert cases_of(tmp_path / "archive", run) == [(1, 1, 1)]


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Two GPUs in two nodes, one case, two processes."""
    planted_fleet.write_fleet(tmp_path / "fleet", PlantedFleet(nodes=2, gpus=1, tests=1, processes=2))
    return tmp_path / "fleet"


def test_attempts_of_a_fleet_and_what_confirm_measured_count_once(tmp_path: Path, fleet: Path) -> None:
    before = cases_of(tmp_path / "archive", fleet)
    assert before == [(4, 0, 4)]
    first = next((fleet / "nodes").iterdir())
    shutil.copytree(first / "1", first / "2")
    shutil.copytree(first / "1", fleet / "confirm" / first.name / "GPU-a" / "1" / "nodes" / first.name / "1")
    assert cases_of(tmp_path / "archive", fleet) == before


def test_a_gpu_that_was_replaced_is_not_counted(tmp_path: Path, fleet: Path) -> None:
    gpu = next(next((fleet / "nodes").iterdir()).rglob(RECORDS)).parent
    (gpu / REPLACED).touch()
    assert cases_of(tmp_path / "archive", fleet) == [(2, 0, 2)]


def test_a_damaged_line_of_one_node_does_not_keep_a_fleet_out(tmp_path: Path, fleet: Path) -> None:
    file = next(fleet.rglob(RECORDS))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([b"#!" + lines[0], *lines[1:]]))
    entry = entries.add(tmp_path / "archive", fleet).entry
    assert (entry.facts.records, entry.facts.damaged) == (3, 1)
    assert entries.problems_of(tmp_path / "archive", entry.digest) == []


def test_a_disk_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    run = a_run(tmp_path / "run")
    monkeypatch.setattr("fcntl.flock", refused)
    with pytest.raises(UserError, match=r"cannot use .*archive/.lock: No locks available"):
        entries.add(tmp_path / "archive", run)


def test_several_runs_are_to_be_named_one_by_one(tmp_path: Path) -> None:
    for name in ("1", "2", "3", "4"):
        a_run(tmp_path / "runs" / name)
    with pytest.raises(UserError, match=r"holds several runs. Name each: .*runs/1 .*runs/2 .*runs/3 \.\.\."):
        entries.add(tmp_path / "archive", tmp_path / "runs")


@pytest.mark.parametrize("label", ["../up", "a b", "x" * 65, "-x", "@x"])
def test_labels_are_names(tmp_path: Path, label: str) -> None:
    with pytest.raises(UserError, match="no label"):
        entries.add(tmp_path / "archive", a_run(tmp_path / "run"), label)
