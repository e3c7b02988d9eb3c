"""A file that hyperfine 1.15 wrote is read as it is; what it did not measure is no time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.archive.foreign_file import ForeignBenchmark
from bench.archive.importers import hyperfine_json
from models.errors import UserError

WRITTEN = Path(__file__).parents[3] / "fixtures" / "imports" / "hyperfine.json"
"""By `hyperfine -N -r 3 --export-json FILE -P t 1 2 'sleep 0.0{t}' true`."""


def result(command: str = "sleep 1", **fields: Any) -> dict[str, Any]:
    return {
        "command": command,
        "mean": 1.1,
        "median": 1.0,
        "times": [1.0, 1.2],
        "exit_codes": [0, 0],
    } | fields


def read(*results: dict[str, Any]) -> list[ForeignBenchmark]:
    content = json.dumps({"results": results}).encode()
    assert hyperfine_json.is_of(content)
    return list(hyperfine_json.read(content, Path("x.json")).benchmarks)


def test_a_file_of_hyperfine() -> None:
    content = WRITTEN.read_bytes()
    assert hyperfine_json.is_of(content)
    found = hyperfine_json.read(content, WRITTEN)
    assert [each.name for each in found.benchmarks] == [
        "sleep 0.01 [t=1]",
        "true [t=1]",
        "sleep 0.02 [t=2]",
        "true [t=2]",
    ]
    assert [round(each.seconds or 0, 2) for each in found.benchmarks] == [0.01, 0.0, 0.02, 0.0]
    assert (found.at, found.machine, found.environment) == ("", "", None)


def test_the_value_is_the_median() -> None:
    (found,) = read(result())
    assert (found.name, found.seconds, found.failed) == ("sleep 1", 1.0, False)
    (old,) = read({"command": "a", "mean": 3.0, "times": [1.0, 2.0, 6.0]})
    assert old.seconds == 2.0
    (oldest,) = read({"command": "a", "mean": 3.0})
    assert oldest.seconds == 3.0


@pytest.mark.parametrize("codes", [[0, 1], [None, 0], [1, 1]])
def test_a_command_that_failed_has_no_time(codes: list[int | None]) -> None:
    (found,) = read(result(exit_codes=codes))
    assert (found.seconds, found.failed) == (None, True)


def test_what_is_too_fast_to_be_timed_has_no_time() -> None:
    (found,) = read(result(median=0.0))
    assert (found.seconds, found.failed) == (None, False)


def test_the_same_command_twice_is_two_benchmarks() -> None:
    assert [each.name for each in read(result(), result())] == ["sleep 1", "sleep 1 #2"]


def test_a_command_that_is_called_like_a_second_one_is_another() -> None:
    found = read(result("a"), result("a"), result("a #2"), result("a"), result("a #2"))
    assert [each.name for each in found] == ["a", "a #2", "a #2 #2", "a #3", "a #2 #3"]


def test_names_are_lines_of_a_readable_length() -> None:
    (odd,) = read(result("echo \x1b[31m\n  a\t\u202eb"))
    assert odd.name == "echo [31m a b"
    long, other = read(result("x" * 500), result("x" * 499 + "y"))
    assert max(len(long.name), len(other.name)) <= 200
    assert long.name != other.name


@pytest.mark.parametrize("median", [-1.0, 1e10])
def test_an_impossible_time_is_refused(median: float) -> None:
    with pytest.raises(UserError, match=r"x\.json is damaged: sleep 1 has the time"):
        read(result(median=median))


@pytest.mark.parametrize(
    "content",
    [
        b'{"results": [{"command": "a", "mean": NaN, "median": NaN}]}',
        b'{"results": [{"command": "a"}]}',
        b'{"results": []}',
        b'{"benchmarks": []}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_another_file_is_refused(content: bytes) -> None:
    assert not hyperfine_json.is_of(content)
    with pytest.raises(UserError, match=r"x\.json (is no JSON file of hyperfine|has no benchmarks)"):
        hyperfine_json.read(content, Path("x.json"))
