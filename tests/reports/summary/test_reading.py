"""A second process that reads half of the records changes nothing of what a report says of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from bench.host import cpu_cores
from bench.schema.case import Case
from bench.schema.record import Record
from bench.store import RECORDS
from models.errors import UserError
from reports.summary import reading
from reports.summary.figures import Summary
from reports.summary.pooling import summarise
from reports.summary.process_wire import Condensed
from reports.summary.record_stream import Part, parts_of, read_parts
from tests.planted import planted_records
from tests.planted.commands import ROOT

FIXTURES = [
    ROOT / "tests" / "fixtures" / name for name in ("schema_1_planted", "schema_3_layers", "schema_4")
]
Answers = list[Condensed | None]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Every run is big, and what the second process answered is kept."""
    monkeypatch.setattr(reading, "BIG_BYTES", 1)
    monkeypatch.setattr(cpu_cores, "usable_cores", lambda: 2)
    kept: Answers = []
    answer = reading._answer

    def noted(second: object) -> Condensed | None:
        kept.append(answer(second))  # type: ignore[arg-type]
        return kept[-1]

    monkeypatch.setattr(reading, "_answer", noted)
    return kept


def alone(monkeypatch: pytest.MonkeyPatch, directories: list[Path]) -> Summary:
    with monkeypatch.context() as patched:
        patched.setattr(cpu_cores, "usable_cores", lambda: 1)
        return summarise(directories)


def same(one: Summary, other: Summary) -> bool:
    """Sums of seconds are added up in another order."""
    assert one.spent == pytest.approx(other.spent)
    return structs.replace(one, spent={}) == structs.replace(other, spent={})


def many(tmp_path: Path) -> Path:
    records = [structs.replace(record, pair=None) for record in planted_records.example()]
    return planted_records.write(tmp_path / "many", records * 3)


def test_a_report_of_two_halves_is_that_of_the_whole(
    tmp_path: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of every kind and of old schemas; the later of two records of a process counts, across halves."""
    runs = [many(tmp_path), *FIXTURES]
    assert same(summarise(runs), alone(monkeypatch, runs))
    (found,) = answers
    assert found is not None


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_halves_of_a_file_are_whole_lines(tmp_path: Path, count: int) -> None:
    run = planted_records.write(tmp_path, planted_records.example()[:1] * count)
    (part,) = parts_of([run])
    for size in range(0, part.size, 400):
        first, second = part.cut(size)
        assert first.size + second.size == part.size
        halves = [list(read_parts([each], pytest.fail)) for each in (first, second) if each.size]
        assert sum(map(len, halves)) == count


CASE = Case(model="lenet5")


def lines(count: int, record: Record | None = None) -> bytes:
    shown = record or planted_records.record(CASE, planted_records.time("forward", 0.1))
    return (msgspec.json.encode(shown) + b"\n") * count


def test_damage_in_the_second_half_is_named_by_its_line(tmp_path: Path, answers: Answers) -> None:
    (tmp_path / RECORDS).write_bytes(lines(8) + b'{"schema":4, broken\n' + lines(1))
    with pytest.raises(UserError, match=r"line 9 of .* is not a convbench record"):
        summarise([tmp_path])
    assert answers == [None]


def test_damage_beside_other_runs_is_named_and_left_out(tmp_path: Path, answers: Answers) -> None:
    for name, damage in (("a", b""), ("b", b'{"schema":4, broken\n')):
        (tmp_path / name).mkdir()
        (tmp_path / name / RECORDS).write_bytes(lines(8) + damage + lines(1))
    found = summarise([tmp_path / "a", tmp_path / "b"])
    (sentence,) = found.damaged
    assert sentence.startswith(f"line 9 of {tmp_path / 'b' / RECORDS} is not a convbench record")
    assert sentence in found.notes
    assert answers == [None]


def test_a_file_without_any_record_is_refused_beside_others_too(tmp_path: Path, answers: Answers) -> None:
    many(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / RECORDS).write_text("name,seconds\nvgg,1\n")
    with pytest.raises(UserError, match=r"line 1 of .* is not a convbench record"):
        summarise([tmp_path / "many", tmp_path / "notes"])


def test_a_torn_last_line_is_named_by_its_number(tmp_path: Path, answers: Answers) -> None:
    (tmp_path / RECORDS).write_bytes(lines(8) + lines(1)[:100])
    assert any("line 9 of" in note for note in summarise([tmp_path]).notes)
    assert answers == [None]


def test_two_kinds_of_caches_meet_between_the_halves(tmp_path: Path, answers: Answers) -> None:
    warm = planted_records.record(CASE, planted_records.time("forward", 0.1))
    cold = structs.replace(warm, protocol=structs.replace(warm.protocol, flush_l2=True))
    (tmp_path / RECORDS).write_bytes(lines(4, warm) + lines(4, cold))
    with pytest.raises(UserError, match=r"has times with warm caches and .* a cold L2"):
        summarise([tmp_path])


def test_a_node_without_records_leaves_the_second_process_its_half(tmp_path: Path, answers: Answers) -> None:
    many(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / RECORDS).touch()
    assert any("empty" in note for note in summarise([tmp_path]).notes)
    assert None not in answers


def _dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")


def _is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")


def _babbles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ENTER", "print('hello')")


@pytest.mark.parametrize("fate", [_dies, _is_missing, _babbles])
def test_without_a_second_process_the_first_reads_it_all(
    tmp_path: Path,
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
    fate: Callable[[pytest.MonkeyPatch], None],
) -> None:
    runs = [many(tmp_path)]
    expected = alone(monkeypatch, runs)
    fate(monkeypatch)
    assert same(summarise(runs), expected)
    assert answers == [None]


def test_a_small_run_is_read_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_second", pytest.fail)
    assert summarise([many(tmp_path)]).records


def test_halves_of_several_runs_meet_inside_the_middle_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BIG_BYTES", 1)
    monkeypatch.setattr(cpu_cores, "usable_cores", lambda: 2)
    parts = parts_of([planted_records.write(tmp_path / name, planted_records.example()) for name in "abc"])
    mine, others = reading._halves(parts)
    assert [part.run for part in (*mine, *others)] == [0, 1, 1, 2]
    assert (mine[1].end, others[0].end) == (others[0].begin, None)
    assert reading._halves([Part(run=0, name="empty", path=tmp_path)])[1] == []
