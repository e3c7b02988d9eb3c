"""The first screen of history: what is said of times here against published ones, and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Record
from reports.document import Answer
from reports.history.history_report import document
from reports.history.then_and_now import case_of, published
from reports.sections.asked import Asked
from reports.summary.pooling import summarise
from tests.planted import planted_records

FASTEST = min(
    (row for row in published() if (row.model, row.precision) == ("alexnet-owt", "fp32")),
    key=lambda row: row.total_ms,
)
CASE = case_of(FASTEST, "cpu", "fp32", 2)


def processes(case: Case, seconds: Sequence[float]) -> list[Record]:
    """Forward and backward take so long together."""
    return [
        planted_records.record(
            structs.replace(case, replicate=number),
            planted_records.time("forward", total / 3),
            planted_records.time("backward", total * 2 / 3),
            planted_records.time("step", total),
        )
        for number, total in enumerate(seconds, start=1)
    ]


def told(folder: Path, seconds: Sequence[float], asked: Asked | None = None) -> Answer:
    page = document(summarise([planted_records.write(folder, processes(CASE, seconds))]), asked)
    assert page.answer is not None
    return page.answer


PUBLISHED = f"{FASTEST.library} on {FASTEST.device} ({FASTEST.year}, {FASTEST.total_ms:g}.0 ms)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ((0.0081, 0.0081, 0.0081), f"10.0x (9.8x to 10.2x) as fast as {PUBLISHED}."),
        ((0.81, 0.81, 0.81), f"; {PUBLISHED} was 10.0x ("),
        ((0.078, 0.081, 0.084), f"not distinguishable from {PUBLISHED}."),
    ],
)
def test_the_headline_says_which_is_faster_only_where_the_interval_does(
    tmp_path: Path, seconds: Sequence[float], words: str
) -> None:
    [headline] = told(tmp_path, seconds).headlines
    assert headline.startswith("AlexNet, batch 128: ")
    if "10.0x (" in words:
        assert "10" in headline
        assert ("as fast as" in headline) == (seconds[0] < 0.081)
        assert PUBLISHED in headline
    else:
        assert headline.endswith(words)


def test_one_process_is_told_without_a_verdict(tmp_path: Path) -> None:
    found = told(tmp_path, (0.81,), Asked(out=Path("runs/h"), is_used=True))
    [headline] = found.headlines
    assert "†" in headline or "§" in headline
    assert "as fast" not in headline
    assert found.next_step is not None
    assert found.next_step.command == "convbench history --run --replicates 3 --resume --out runs/h"


def test_an_unresolved_time_is_no_number(tmp_path: Path) -> None:
    [headline] = told(tmp_path, (0.2, 0.8, 3.2)).headlines
    assert "not resolved" in headline
    assert "as fast" not in headline


def test_without_measurements_it_says_so_and_how_to_measure() -> None:
    found = document(None).answer
    assert found is not None
    assert found.headlines == ("37 published latencies of 5 workloads; none of them was measured here.",)
    assert found.table is None
    assert found.next_step is not None
    assert found.next_step.command == "convbench history --run --out runs/history"
