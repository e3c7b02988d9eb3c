"""A finished record is never lost, and a file that is not ours is never touched."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import SCHEMA, Measurement, Record, Status
from bench.store import RECORDS, TORN, Store, read_records
from models.errors import UserError
from tests.planted.commands import ROOT


def record(model: str, status: Status = "ok", samples: int = 1) -> Record:
    """A record whose line is as long as its samples make it."""
    values = [i / 7 for i in range(samples)]
    return Record(
        case=Case(model=model),
        protocol=MeasurementProtocol(),
        status=status,
        reason=None if status == "ok" else 'äöü \n "quoted"',
        measurements=[Measurement(phase="forward", metric="wall_time", unit="s", samples=values)],
        started_at="2026-01-01T00:00:00Z",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of three records, closed again."""
    with Store.create(tmp_path / "run") as store:
        for model in ("lenet5", "alexnet", "vgg16"):
            store.append(record(model))
    return tmp_path / "run"


def models(path: Path) -> list[str]:
    return [record.case.model for record in read_records(path)]


def test_records_come_back_equal_and_numbered(tmp_path: Path) -> None:
    sent = [record("a", samples=100), record("b", "oom"), record("c", "crashed")]
    with Store.create(tmp_path / "new" / "run") as store:
        written = [store.append(one) for one in sent]
        assert list(store.records()) == written
    assert [one.sequence for one in written] == [1, 2, 3]
    assert [msgspec.structs.replace(one, sequence=0) for one in written] == sent


def test_a_line_is_one_record_and_begins_with_the_schema(folder: Path) -> None:
    lines = (folder / RECORDS).read_text().splitlines()
    assert [json.loads(line)["case"]["model"] for line in lines] == ["lenet5", "alexnet", "vgg16"]
    assert all(line.startswith(f'{{"schema":{SCHEMA},') for line in lines)


def test_resume_continues_and_the_last_record_of_a_case_counts(tmp_path: Path) -> None:
    with Store.create(tmp_path) as store:
        store.append(record("a", "crashed"))
        store.append(record("b", "timeout"))
    with Store.resume(tmp_path) as store:
        assert store.warning is None
        assert store.statuses() == {Case(model="a"): "crashed", Case(model="b"): "timeout"}
        assert store.append(record("a")).sequence == 3
        assert store.statuses() == {Case(model="a"): "ok", Case(model="b"): "timeout"}
    with Store.resume(tmp_path) as store:
        assert store.statuses() == {Case(model="a"): "ok", Case(model="b"): "timeout"}


def test_a_run_is_not_begun_over_another(folder: Path) -> None:
    before = (folder / RECORDS).read_bytes()
    with pytest.raises(UserError, match=r"already contains a run. Add --resume to continue it"):
        Store.create(folder)
    assert (folder / RECORDS).read_bytes() == before


def test_a_refusal_releases_the_lock(folder: Path) -> None:
    with pytest.raises(UserError):
        Store.create(folder)
    with Store.resume(folder) as store:
        assert len(store.statuses()) == 3


@pytest.mark.parametrize("exists", [True, False])
def test_there_must_be_a_run_to_resume(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path if exists else tmp_path / "missing"
    with pytest.raises(UserError, match="is not a run folder"):
        Store.resume(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"kept")
    for begin in (Store.create, Store.resume):
        with pytest.raises(UserError, match=r"is a file. Give a folder as --out"):
            begin(path)
    with pytest.raises(UserError, match="Not a directory"):
        Store.create(path / "below")
    assert path.read_bytes() == b"kept"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        Store.create(tmp_path)


def test_a_file_system_that_refuses_every_folder() -> None:
    with pytest.raises(UserError, match="cannot use /proc/run"):
        Store.create(Path("/proc/run"))


def test_a_second_run_on_one_folder_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bench.store import *;"
        "store = Store.create(Path(sys.argv[1]));"
        "print('locked', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        first.stdout.readline()
        for begin in (Store.create, Store.resume):
            with pytest.raises(UserError, match="is in use by another convbench process"):
                begin(tmp_path)
        first.kill()
    with Store.resume(tmp_path) as store:
        assert store.statuses() == {}


def test_the_lock_does_not_pass_to_programs_that_are_started(tmp_path: Path) -> None:
    with Store.create(tmp_path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with Store.resume(tmp_path) as store:
            assert store.warning is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.slow
def test_a_line_torn_at_any_byte_is_repaired(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of repairs, none of them precious
    path, torn = folder / RECORDS, folder / TORN
    whole = path.read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    for end in range(begin, len(whole) + 1):
        path.write_bytes(whole[:end])
        torn.unlink(missing_ok=True)
        unread: list[str] = []
        kept = 3 if end >= len(whole) - 1 else 2
        assert len(list(read_records(path, torn=unread.append))) == kept
        assert len(unread) == (begin < end < len(whole) - 1)
        with Store.resume(folder) as store:
            assert len(store.statuses()) == kept
            assert (store.warning is None) == (end in (begin, len(whole)))
            assert store.append(record("next")).sequence == kept + 1
        assert models(path) == [*["lenet5", "alexnet", "vgg16"][:kept], "next"]
        assert (torn.read_bytes() if torn.exists() else b"") == (whole[begin:end] + b"\n" if unread else b"")


def test_the_warning_names_the_line_and_where_its_bytes_are(folder: Path) -> None:
    with (folder / RECORDS).open("ab") as file:
        file.write(b'{"schema":1,"ca')
    with Store.resume(folder) as store:
        assert store.warning == (
            f"line 4 of {folder / RECORDS} was incomplete: moved its 15 bytes to torn.jsonl"
        )


def test_zeros_after_a_loss_of_power_are_a_torn_line(folder: Path) -> None:
    with (folder / RECORDS).open("ab") as file:
        file.write(b"\0" * 4096)
    with Store.resume(folder) as store:
        assert len(store.statuses()) == 3


@pytest.mark.parametrize("line", [b"-", b"{}", b"nonsense", b'{"schema":1}', b"[1]", b"\xff\xfe", b"\0\0"])
def test_other_corruption_is_named_by_its_line_and_left_alone(folder: Path, line: bytes) -> None:
    path = folder / RECORDS
    lines = path.read_bytes().split(b"\n")
    lines[1] = line
    path.write_bytes(b"\n".join(lines))
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"line 2 of .*records\.jsonl is not a convbench record"):
        Store.resume(folder)
    with pytest.raises(UserError, match=r"line 2 of"):
        list(read_records(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"name,seconds", b"name,seconds\nvgg,1\n", b'{"a": 1}', b'{"schema":1}', b"\x7fELF"]
)
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / RECORDS
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"line 1 of .* is not a convbench record"):
        Store.resume(tmp_path)
    assert path.read_bytes() == content
    assert not (tmp_path / TORN).exists()


@pytest.mark.parametrize("change", [{}, {"case": "other"}, {"later": 1}])
def test_a_newer_schema_is_said_to_be_newer(folder: Path, change: dict[str, object]) -> None:
    path = folder / RECORDS
    first, *others = path.read_text().splitlines()
    newer = {**json.loads(first), "schema": SCHEMA + 1, **change}
    path.write_text("\n".join([first, json.dumps(newer), *others]) + "\n")
    with pytest.raises(
        UserError, match=rf"line 2 of .* newer convbench \(schema {SCHEMA + 1}; this one reads"
    ):
        Store.resume(folder)


def test_files_that_cannot_be_read_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.jsonl: No such file"):
        list(read_records(tmp_path / "missing.jsonl"))
    with pytest.raises(UserError, match="Is a directory"):
        list(read_records(tmp_path))


def test_a_disk_that_fills_in_the_middle_of_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / RECORDS
    before = path.read_bytes()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 400:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[: len(data) // 2])

    with Store.resume(folder) as store:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(UserError, match="No space left on device"):
                store.append(record("lost"))
        assert path.read_bytes() == before
        assert Case(model="lost") not in store.statuses()
        assert store.append(record("next")).sequence == 4
    assert models(path) == ["lenet5", "alexnet", "vgg16", "next"]


def test_a_file_that_the_kernel_stops_in_the_middle_of_a_line(folder: Path) -> None:
    path = folder / RECORDS
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store.resume(folder) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
        try:
            with pytest.raises(UserError, match="File too large"):
                store.append(record("lost"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        store.append(record("next"))
    assert models(path) == ["lenet5", "alexnet", "vgg16", "next"]


def test_a_record_that_could_not_be_read_back_is_not_written(folder: Path) -> None:
    before = (folder / RECORDS).read_bytes()
    nan = Measurement(phase="step", metric="wall_time", unit="s", samples=[float("nan")])
    with Store.resume(folder) as store, pytest.raises(msgspec.ValidationError):
        store.append(msgspec.structs.replace(record("nan"), measurements=[nan]))
    assert (folder / RECORDS).read_bytes() == before


def test_a_record_is_on_the_disk_when_append_returns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    with Store.resume(folder) as store:
        monkeypatch.setattr(os, "fsync", note)
        store.append(record("next"))
        assert synced == [store.path.stat().st_size]


WRITER = """
import sys
from tests.bench.test_store import *
folder = Path(sys.argv[1])
store = Store.resume(folder) if (folder / RECORDS).exists() else Store.create(folder)
for number in range(10**6):
    done = store.append(record(f"m{number}", samples=(10, 1000, 100_000)[number % 3]))
    os.write(1, b"%d\\n" % done.sequence)
"""


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_it_was_told_is_written(tmp_path: Path) -> None:
    sequence = 0
    for seed in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            told = [writer.stdout.readline()]
            time.sleep(random.Random(seed).uniform(0, 0.1))
            writer.kill()
            told += writer.stdout.readlines()
        with Store.resume(tmp_path) as store:
            sequences = [one.sequence for one in store.records()]
        assert sequences == list(range(1, len(sequences) + 1))
        assert len(sequences) - int(told[-1]) in (0, 1)  # the last may have been written and not yet told
        assert len(sequences) > sequence
        sequence = len(sequences)


@pytest.mark.parametrize("schema", [3, SCHEMA])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_nested_too_deeply_is_no_record(tmp_path: Path, schema: int, end: bytes) -> None:
    path = tmp_path / RECORDS
    path.write_bytes(b'{"schema":%d,"x":' % schema + b"[" * 100_000 + b"]" * 100_000 + b"}\n" + end)
    with pytest.raises(UserError, match=f"line 1 of {path} is not a convbench record: nested too deeply"):
        list(read_records(path))
