"""The table of interleaved pairs, from planted records whose ratio is known."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from scipy import stats as oracle

from bench.schema.case import Case
from bench.schema.record import Measurement, Record
from bench.stats import verdicts
from bench.studies.ab.pair_rows import CasePair, PairRow, rows
from reports import formats
from reports.compare.ab_answer import Trialled
from reports.compare.ab_report import document
from tests.planted import planted_records
from tests.planted.shown_cells import row_of

A = Case(model="vgg11", batch=8, threads=2, replicate=0)
B = structs.replace(A, engine="compile")
CASE_PAIR = CasePair(a=A, b=B)
DRIFT = (1.0, 1.3, 1.7, 1.1, 2.0, 1.5, 1.2, 1.9)
WOBBLE = (1.002, 0.998, 1.001, 0.999, 1.003, 0.997, 1.0, 1.0)
LOGS = [math.log(1.05 * wobble) for wobble in WOBBLE]
FIRST = ("forward", "wall_time")
COMPARED = [
    *(name for name in Case.__struct_fields__ if name not in ("replicate", "task")),
    *("phase", "metric", "base", "new", "ratio", "low", "high", "verdict", "detectable", "n_base", "n_new"),
]
"""The fields of `convbench compare`."""


def pair(case: Case, number: int, *measurements: Measurement) -> Record:
    record = planted_records.record(structs.replace(case, replicate=number), *measurements)
    return structs.replace(record, pair=number)


def side(case: Case, seconds: Sequence[float]) -> list[Record]:
    return [pair(case, n, planted_records.time("forward", each)) for n, each in enumerate(seconds, start=1)]


def slower() -> tuple[list[Record], list[Record]]:
    """b takes 1.05 times as long as a, within 0.3%, on a machine that drifts by 100%."""
    b = [0.1 * drift * 1.05 * wobble for drift, wobble in zip(DRIFT, WOBBLE, strict=True)]
    return side(A, [0.1 * drift for drift in DRIFT]), side(B, b)


def tried(a: str = "a", b: str = "b", **known: Any) -> Trialled:
    return Trialled(labels=(a, b), margin=known.pop("margin", 0.02), **known)


def read(
    directory: Path, a: list[Record], b: list[Record], case_pairs: Sequence[CasePair] = (CASE_PAIR,)
) -> Mapping[tuple[str, str], PairRow]:
    planted_records.write(directory / "a", a)
    planted_records.write(directory / "b", b)
    return {(row.phase, row.metric): row for row in rows(case_pairs, directory, 0.02)}


def test_a_known_ratio_with_the_interval_of_a_look(tmp_path: Path) -> None:
    row = read(tmp_path, *slower())[FIRST]
    by_rule = verdicts.interim_verdict(LOGS, last=True)
    assert by_rule is not None
    assert (row.verdict.detectable, row.verdict.p) == pytest.approx((by_rule.detectable, by_rule.p))
    expected = oracle.ttest_1samp(LOGS, 0.0).confidence_interval(0.9975)
    assert row.verdict.low is not None
    assert row.verdict.high is not None
    assert (math.log(row.verdict.low), math.log(row.verdict.high)) == pytest.approx(
        (expected.low, expected.high)
    )
    assert row.verdict.verdict == "slower"
    assert row.verdict.ratio == pytest.approx(1.05, rel=1e-4)
    assert (row.a, row.b) == pytest.approx(
        (0.1 * oracle.gmean(DRIFT), 0.1 * 1.05 * oracle.gmean(DRIFT) * oracle.gmean(WOBBLE))
    )


@pytest.mark.parametrize(("margin", "word"), [(0.04, "slower"), (0.06, "equivalent")])
def test_the_margin_is_the_users(tmp_path: Path, margin: float, word: str) -> None:
    read(tmp_path, *slower())
    assert [row.verdict.verdict for row in rows([CASE_PAIR], tmp_path, margin)] == [word]


def test_pairs_and_not_places_in_the_file_are_compared(tmp_path: Path) -> None:
    a, b = slower()
    row = read(tmp_path, a[::-1], b)[FIRST]
    assert row.verdict.verdict == "slower"
    assert row.verdict.ratio == pytest.approx(1.05, rel=1e-4)


def test_a_pair_with_a_failure_does_not_count(tmp_path: Path) -> None:
    """Its other side is ten times as slow: the ratio would tell."""
    a, b = slower()
    a[2] = structs.replace(a[2], status="crashed", reason="planted")
    b[2] = pair(B, 3, planted_records.time("forward", 10.0))
    b[5] = structs.replace(b[5], pair=None)
    row = read(tmp_path, a, b)[FIRST]
    assert (row.verdict.n_base, row.verdict.n_new) == (6, 6)
    assert row.verdict.ratio == pytest.approx(1.05, rel=2e-3)


def test_training_is_decided_by_the_whole_step(tmp_path: Path) -> None:
    case = structs.replace(A, workload="training")
    times = [planted_records.time(phase, 0.1) for phase in ("forward", "backward", "step")]
    times.append(planted_records.time("step", 0.09, metric="device_time"))
    times.append(planted_records.fact("model", "weights", 4096))
    records = [pair(case, number, *times) for number in (1, 2)]
    found = read(tmp_path, records, records, [CasePair(a=case, b=case)])
    assert {key: row.decides for key, row in found.items()} == {
        ("forward", "wall_time"): False,
        ("backward", "wall_time"): False,
        ("step", "wall_time"): True,
        ("step", "device_time"): False,
    }


def test_a_time_that_some_processes_lack_has_the_pairs_that_have_it(tmp_path: Path) -> None:
    """A clock that is too coarse says 0, which has no ratio."""
    wall, host = (
        planted_records.time("forward", 0.1),
        planted_records.time("forward", 0.05, metric="host_time"),
    )
    zero = planted_records.time("forward", 0.0, metric="host_time")
    a = [pair(A, 1, wall), pair(A, 2, wall, host), pair(A, 3, wall, host), pair(A, 4, wall, zero)]
    b = [pair(B, number, wall, host) for number in (1, 2, 3, 4)]
    found = read(tmp_path, a, b)
    assert {key: row.verdict.n_base for key, row in found.items()} == {FIRST: 4, ("forward", "host_time"): 2}


def test_cases_without_a_pair_have_no_row(tmp_path: Path) -> None:
    a, b = slower()
    other = structs.replace(A, batch=16)
    failed = structs.replace(pair(other, 1), status="oom", reason="planted")
    case_pairs = [CASE_PAIR, CasePair(a=other, b=other)]
    planted_records.write(tmp_path / "a", [*a, failed])
    planted_records.write(tmp_path / "b", [*b, failed])
    assert [row.case_pair for row in rows(case_pairs, tmp_path, 0.02)] == [CASE_PAIR]


def test_programs_read_the_fields_of_compare(tmp_path: Path) -> None:
    found = list(read(tmp_path, *slower()).values())
    shown = document(found, tried("eager", "compile"))
    (row,) = json.loads(formats.render("json", shown))["rows"]
    assert list(row)[: len(COMPARED)] == COMPARED
    assert (row["engine"], row["case_b"], row["decides"]) == ("eager", B.id, True)
    assert (row["verdict"], row["n_base"], row["n_new"]) == ("slower", 8, 8)
    assert row["ratio"] == pytest.approx(row["new"] / row["base"]) == found[0].verdict.ratio
    assert row["low"] < row["ratio"] < row["high"]


def test_the_table_is_read_by_people(tmp_path: Path) -> None:
    trialled = tried("engine=eager", "engine=compile", margin=0.07)
    shown = document(list(read(tmp_path, *slower()).values()), trialled)
    (table,) = shown.tables
    cells = row_of(table)
    assert (cells["case"], cells["time"]) == ("VGG-11 inference, batch 8", "forward wall")
    assert (cells["verdict"], cells["pairs"]) == ("▲ slower", 8)
    assert cells["change"] == "+5.0% (+4.7% to +5.3%)"
    text = " ".join(shown.text)
    assert "A: engine=eager" in text
    assert "B: engine=compile" in text
    assert "within 7% of no change" in text
    assert "99.75%" in text


def test_one_pair_has_a_ratio_and_no_interval(tmp_path: Path) -> None:
    a, b = slower()
    found = list(read(tmp_path, a[:1], b[:1]).values())
    (table,) = document(found, tried()).tables
    cells = row_of(table)
    assert (cells["change"], cells["verdict"], cells["visible from"]) == ("+5.2% †", "? inconclusive", None)


def test_two_pairs_that_say_nothing_of_each_other_are_told_in_few_digits(tmp_path: Path) -> None:
    """Student's t of two pairs that are 30 times apart reaches from nothing to more than anyone reads."""
    found = list(read(tmp_path, side(A, [0.1, 0.1]), side(B, [0.1, 3.0])).values())
    (table,) = document(found, tried()).tables
    cells = row_of(table)
    assert (cells["change"], cells["visible from"]) == ("not resolved", ">1000%")


@pytest.mark.parametrize("format_", formats.for_any())
def test_every_format_shows_pairs_or_none(tmp_path: Path, format_: str) -> None:
    found = list(read(tmp_path, *slower()).values())
    assert "slower" in formats.render(format_, document(found, tried()))
    formats.render(format_, document([], tried()))


def test_remarks_stand_ahead_of_all_else(tmp_path: Path) -> None:
    found = list(read(tmp_path, *slower()).values())
    shown = document(found, tried(alarms=("Others were at work.",)))
    assert formats.render("md", shown).splitlines()[4] == "**! Others were at work.**"


def test_an_inconclusive_pair_says_what_would_decide_it(tmp_path: Path) -> None:
    """Log ratios of 1% that scatter by 2.1%: with so many pairs, and not one less, 2% is detectable."""
    logs = [0.03, -0.01] * 4
    seconds = [0.1] * 8, [0.1 * math.exp(log) for log in logs]
    timed = [
        [structs.replace(record, seconds=taken) for record in side(case, values)]
        for case, values, taken in zip((A, B), seconds, (4.0, 8.0), strict=True)
    ]
    row = read(tmp_path, timed[0], timed[1])[FIRST]
    assert row.verdict.verdict == "inconclusive"
    report = document([row], tried())
    told = str(row_of(report.tables[0])["to decide"])
    more = int(told.split()[0])
    assert told == f"{more} more pairs for 2.0%, about {more * 17 / 60:.0f} minutes"
    scatter = math.sqrt(sum((log - 0.01) ** 2 for log in logs) / 7)

    def power(n: int) -> float:
        effect = math.log(1.02) / (scatter / math.sqrt(n))
        return float(oracle.nct.sf(oracle.t.ppf(1 - 0.0025 / 2, n - 1), n - 1, effect))

    assert power(7 + more) < 0.99 <= power(8 + more)
    words = " ".join(report.text)
    assert "a larger --budget, for up to 64 pairs" in words
    assert "other cases do not count" in words
    (fields,) = json.loads(formats.render("json", report))["rows"]
    assert (fields["more_of"], fields["more_processes"]) == ("pair", more)
    assert (fields["more_seconds"], fields["more_target"]) == pytest.approx((17.0 * more, 0.02))
    assert (fields["method"], fields["level"], fields["freedom"]) == ("t", 0.9975, 7)
    half = oracle.t.ppf(1 - 0.0025 / 2, 7) * fields["error"]
    assert fields["high"] == pytest.approx(fields["ratio"] * math.exp(half))


def test_a_decided_pair_has_no_column_for_it(tmp_path: Path) -> None:
    report = document([read(tmp_path, *slower())[FIRST]], tried())
    assert "to decide" not in report.tables[0].columns
    (fields,) = report.rows
    assert {fields[f"more_{name}"] for name in ("of", "processes", "seconds", "target")} == {None}
