"""What a file of another tool says, whichever tool that is, and what is accepted of it."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct, structs

from bench.record_lines import UNREADABLE
from bench.schema.plain_text import in_print
from bench.schema.record import Environment
from models.errors import UserError

MOST_BYTES = 256 << 20
"""Of a file. One of pytest-benchmark with a million rounds takes a tenth."""
MOST_BENCHMARKS = 100_000
MOST_SECONDS = 1e9
"""A time of thirty years is none."""
MOST_LETTERS = 200
"""Of a benchmark's name."""
NO_JSON = (*UNREADABLE, OverflowError)
"""What `msgspec.json.decode` raises for a file that is not as its type says."""


class ForeignBenchmark(Struct, frozen=True, kw_only=True):
    """A benchmark of another tool. It has one value, however many times the tool took.

    name     unlike any other of the file
    model    the network, where the tool names one
    seconds  its time; None where there is none
    failed   whether it ran and failed
    """

    name: str
    model: str = ""
    seconds: float | None = None
    failed: bool = False


class ForeignFile(Struct, frozen=True, kw_only=True):
    """What a file says.

    at           when it was measured, as the file has it; "" where it does not say
    machine      the processor; "" where it does not say
    environment  None where it says nothing of it
    """

    benchmarks: tuple[ForeignBenchmark, ...]
    at: str = ""
    machine: str = ""
    environment: Environment | None = None


def one_line(text: object) -> str:
    """Text of a file as a line that a terminal prints as it is; "" for what is no text. Of a long one the
    beginning, and a digest of all of it."""
    if not isinstance(text, str):
        return ""
    line = in_print(text)
    if len(line) <= MOST_LETTERS:
        return line
    return f"{line[: MOST_LETTERS - 13]}... {hashlib.sha256(line.encode()).hexdigest()[:8]}"


def time_of(value: float, name: str, path: Path) -> float | None:
    """A time in s; None of 0, which is less than the tool can time. UserError for what no clock gives."""
    if not math.isfinite(value) or value < 0 or value > MOST_SECONDS:
        raise UserError(f"{path} is damaged: {name or 'a benchmark'} has the time {value:g} s")
    return value or None


def distinct(benchmarks: Iterable[ForeignBenchmark], path: Path) -> tuple[ForeignBenchmark, ...]:
    """The benchmarks of a file; one that has the name of an earlier one is `NAME #2`. UserError for none,
    for too many, and for one without a name."""
    found = tuple(_numbered(benchmarks))
    if not found:
        raise UserError(f"{path} has no benchmarks")
    if len(found) > MOST_BENCHMARKS:
        raise UserError(f"{path} has {len(found):,} benchmarks. Up to {MOST_BENCHMARKS:,} are imported")
    if any(not each.name for each in found):
        raise UserError(f"{path} is damaged: a benchmark has no name")
    return found


def _numbered(benchmarks: Iterable[ForeignBenchmark]) -> Iterator[ForeignBenchmark]:
    counts: Counter[str] = Counter()
    given: set[str] = set()
    for each in benchmarks:
        name = each.name
        while name in given:
            counts[each.name] += 1
            name = f"{each.name} #{counts[each.name] + 1}"
        given.add(name)
        yield structs.replace(each, name=name)
