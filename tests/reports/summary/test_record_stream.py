"""What is wrong with a records file is one sentence that names the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bench.schema.case import Case
from bench.schema.record import SCHEMA
from bench.store import RECORDS
from models.errors import UserError
from reports.summary.record_stream import read_records
from tests.planted import planted_records

RECORD = planted_records.record(Case(model="lenet5"), planted_records.time("forward", 0.1))
LINE = msgspec.json.encode(RECORD) + b"\n"
NEWER = LINE.replace(b'{"schema":%d' % SCHEMA, b'{"schema":%d' % (SCHEMA + 1))


def _absent(run: Path) -> Path:
    return run / "absent"


def _a_file(run: Path) -> Path:
    file = run / "file"
    file.write_text("hello")
    return file


def _without_records(run: Path) -> Path:
    return run


def _holding(content: bytes) -> Callable[[Path], Path]:
    def make(run: Path) -> Path:
        (run / RECORDS).write_bytes(content)
        return run

    return make


def _a_directory_of_that_name(run: Path) -> Path:
    (run / RECORDS).mkdir()
    return run


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_absent, "no directory"),
        (_a_file, "is a file"),
        (_without_records, "is not a run folder"),
        (_a_directory_of_that_name, "directory"),
        (_holding(b""), "no complete record"),
        (_holding(LINE[:50]), "no complete record"),
        (_holding(LINE + b'{"schema":1, broken\n' + LINE), "line 2"),
        (_holding(LINE + b"\xff\xfe\n"), "line 2"),
        (_holding(LINE.decode().encode("utf-16")), "UTF-16"),
        (_holding(json.dumps([{"name": "x"}]).encode()), "line 1"),
        (_holding(b'{"benchmarks": []}\n'), "not a convbench record"),
        (_holding(LINE + NEWER), "newer"),
        (_holding(b'{"schema":1,"x":' + b"[" * 100_000 + b"\n"), "deeply"),
    ],
)
def test_bad_input_is_named_in_one_sentence(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    directory = make(tmp_path)
    with pytest.raises(UserError, match=words) as raised:
        list(read_records([directory], lambda _: None))
    assert "\n" not in str(raised.value)
    assert str(directory) in str(raised.value)


def test_a_torn_last_line_is_left_out_with_a_warning_and_the_file_stays(tmp_path: Path) -> None:
    content = LINE * 2 + LINE[:100]
    (tmp_path / RECORDS).write_bytes(content)
    warnings: list[str] = []
    assert [record for _, record in read_records([tmp_path], warnings.append)] == [RECORD, RECORD]
    assert len(warnings) == 1
    assert "line 3" in warnings[0]
    assert (tmp_path / RECORDS).read_bytes() == content


def test_records_come_one_at_a_time(tmp_path: Path) -> None:
    """The damage in line 2001 is met only when the 2,000 records before it have been handed out."""
    (tmp_path / RECORDS).write_bytes(LINE * 2000 + b"broken\n")
    records = read_records([tmp_path], lambda _: None)
    for _ in range(2000):
        assert next(records) == (0, RECORD)
    with pytest.raises(UserError, match="line 2001"):
        next(records)


def test_a_directory_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / RECORDS).write_bytes(LINE)
    again = tmp_path / ".." / tmp_path.name
    assert len(list(read_records([tmp_path, again], lambda _: None))) == 1
