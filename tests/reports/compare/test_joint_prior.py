"""What `compare` makes of moderated variances: recomputed from its JSON alone, and by the formulas."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from scipy import stats as oracle

from bench.schema.record import Environment, Record
from bench.stats import moderation
from bench.stats.moderation import ProcessScatter, Scatter, case_scatter
from reports import formats
from reports.compare.compare_report import RunComparison, build
from tests.planted import planted_records, planted_scatter
from tests.planted.planted_scatter import STEP_SECONDS

OTHER_MACHINE = structs.replace(planted_records.MACHINE, cpu="Other CPU")
LOGS = np.random.default_rng(1).normal(0.0, 0.01, (2, 6, 5))
WITHIN = np.random.default_rng(2).uniform(1e-4, 9e-4, (2, 6, 5))
SIZES = (3, 5)
"""Processes of each case of BASE and of NEW."""


def run_of(side: int, environment: Environment = planted_records.MACHINE, later: int = 0) -> list[Record]:
    """Six cases, of which NEW takes 4% longer, and a later run a thousandth."""
    n = SIZES[side]
    return [
        record
        for at, case in enumerate(planted_scatter.cases(6))
        for record in planted_scatter.processes(
            case,
            (LOGS[side, at, :n] + 0.04 * side + 0.001 * later).tolist(),
            WITHIN[side, at, :n].tolist(),
            environment=environment,
        )
    ]


def compare(tmp_path: Path, base: list[Record], new: list[Record], **how: Any) -> RunComparison:
    folders = planted_records.write(tmp_path / "base", base), planted_records.write(tmp_path / "new", new)
    return build([folders[0]], [folders[1]], **how)


def rows_in_json(comparison: RunComparison) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(formats.render("json", comparison.document))["rows"]
    return found


def again(row: dict[str, Any]) -> tuple[float, float]:
    """The interval as a reader makes it from the row alone, by the formulas of docs/statistics.md."""
    squared, freedoms = [], []
    worth = row["prior_freedom"] or 0.0
    for side in ("base", "new"):
        own, n = row[f"own_sd_{side}"], row[f"n_{side}"]
        variance = own**2
        if row["method"] == "moderated":
            d, expected = row[f"prior_freedom_{side}"], row[f"prior_sd_{side}"]
            variance = (d * expected**2 + (n - 1) * own**2) / (d + n - 1)
            variance = max(row[f"floor_sd_{side}"] ** 2, variance)
        squared.append(variance / n)
        freedoms.append(n - 1)
    total = sum(squared)
    freedom = total**2 / sum(e**2 / (worth + f) for e, f in zip(squared, freedoms, strict=True))
    half = oracle.t.ppf((1 + row["level"]) / 2, min(freedom, worth + sum(freedoms))) * math.sqrt(total)
    return row["ratio"] * math.exp(-half), row["ratio"] * math.exp(half)


@pytest.mark.parametrize(("plain", "method"), [(False, "moderated"), (True, "t")])
def test_a_reader_makes_the_interval_again_from_the_json_alone(
    tmp_path: Path, plain: bool, method: str
) -> None:
    rows = rows_in_json(compare(tmp_path, run_of(0), run_of(1), plain_intervals=plain))
    assert [row["method"] for row in rows] == [method] * 6
    for row in rows:
        assert (row["low"], row["high"]) == pytest.approx(again(row))
        half = oracle.t.ppf(0.995, row["freedom"]) * row["error"]
        assert (row["low"], row["high"]) == pytest.approx(
            (row["ratio"] * math.exp(-half), row["ratio"] * math.exp(half))
        )


def scatters(side: int) -> list[Scatter]:
    n = SIZES[side]
    return [
        case_scatter(
            [
                ProcessScatter(log, within, math.pi / 2 * within / 5)
                for log, within in zip(LOGS[side, at, :n], WITHIN[side, at, :n], strict=True)
            ]
        )
        for at in range(6)
    ]


@pytest.mark.parametrize("same", [True, False], ids=["one machine", "two machines"])
def test_both_sides_lend_to_each_other_where_one_machine_measured_them(tmp_path: Path, same: bool) -> None:
    new = run_of(1, planted_records.MACHINE if same else OTHER_MACHINE)
    comparison = compare(tmp_path, run_of(0), new)
    both = [*scatters(0), *scatters(1)]
    for side, name in enumerate(("base", "new")):
        prior = moderation.fit(both if same else scatters(side))
        for row, scatter in zip(rows_in_json(comparison), scatters(side), strict=True):
            parts = moderation.moderate(scatter, prior)
            assert row[f"prior_sd_{name}"] == pytest.approx(parts.prior_sd)
            assert row[f"prior_freedom_{name}"] == pytest.approx(parts.prior_freedom)
            assert row[f"cases_{name}"] == (12 if same else 6)
    for row in rows_in_json(comparison):
        assert row["prior_freedom"] == min(row["prior_freedom_base"], row["prior_freedom_new"])
    words = " ".join(comparison.document.text)
    assert "each side's variance is moderated" in words
    assert ("the machines differ" in words) != same


def test_another_version_on_the_same_machine_lends_all_the_same(tmp_path: Path) -> None:
    upgraded = structs.replace(planted_records.MACHINE, libraries={"torch": "2.12.0"}, commit="fff0000")
    rows = rows_in_json(compare(tmp_path, run_of(0), run_of(1, upgraded)))
    assert {row["cases_base"] for row in rows} == {12}


def test_plain_intervals_are_welchs(tmp_path: Path) -> None:
    rows = rows_in_json(compare(tmp_path, run_of(0), run_of(1), plain_intervals=True))
    for at, row in enumerate(rows):
        test = oracle.ttest_ind(LOGS[1, at, :5] + 0.04, LOGS[0, at, :3], equal_var=False)
        expected = test.confidence_interval(0.99)
        assert (math.log(row["low"]), math.log(row["high"])) == pytest.approx((expected.low, expected.high))
        assert (row["freedom"], row["p"]) == pytest.approx((test.df, test.pvalue))
        assert (row["prior_freedom"], row["cases_base"]) == (None, None)


def test_sizes_keep_their_own_variance(tmp_path: Path) -> None:
    """Equal in every process they are equivalent with certainty, whatever other cases show."""
    base, new = run_of(0), run_of(1)
    for records, factor in ((base, 1.0), (new, 1.1)):
        for record in records:
            record.measurements.append(planted_records.fact("forward", "peak_resident", 2**30 * factor))
    rows = [row for row in rows_in_json(compare(tmp_path, base, new)) if row["metric"] == "peak_resident"]
    assert {(row["method"], row["verdict"], row["error"], row["own_sd_base"]) for row in rows} == {
        ("t", "slower", 0.0, 0.0)
    }
    assert {row["low"] == row["high"] == row["ratio"] for row in rows} == {True}


def test_equal_times_are_a_value_like_any_other(tmp_path: Path) -> None:
    """No process differs from another: the ratio is 1, but what other cases show keeps an interval."""
    case = planted_scatter.cases(1)[0]
    alike = planted_scatter.processes(case, [0.0] * 3, [4e-4] * 3)
    (row,) = rows_in_json(compare(tmp_path, alike, alike))
    assert row["ratio"] == pytest.approx(1.0)
    assert row["low"] < 1 < row["high"]
    assert row["own_sd_base"] == 0
    assert (row["low"], row["high"]) == pytest.approx(again(row))


def test_pairs_and_runs_are_not_moderated_and_the_text_says_so(tmp_path: Path) -> None:
    paired = [
        [structs.replace(record, pair=record.case.replicate) for record in run_of(side)] for side in (0, 1)
    ]
    comparison = compare(tmp_path / "ab", paired[0], paired[1])
    assert {(row["method"], row["paired"], row["own_sd_base"]) for row in rows_in_json(comparison)} == {
        ("t", True, None)
    }
    assert "Their variance is their own." in " ".join(comparison.document.text)
    sides = [
        [planted_records.write(tmp_path / f"{side}{copy}", run_of(side, later=copy)) for copy in (1, 2)]
        for side in (0, 1)
    ]
    comparison = build(sides[0], sides[1])
    assert {row["method"] for row in rows_in_json(comparison)} == {"t"}
    assert "how processes differ does not tell how runs differ" in " ".join(comparison.document.text)


def test_one_process_on_a_side_has_no_verdict_whatever_it_could_borrow(tmp_path: Path) -> None:
    """Five other cases would lend it an interval."""
    base = [record for record in run_of(0) if record.case.batch > 1 or record.case.replicate == 1]
    first, *rest = rows_in_json(compare(tmp_path, base, run_of(1)))
    assert (first["verdict"], first["low"], first["method"], first["n_base"]) == (
        "inconclusive",
        None,
        None,
        1,
    )
    assert first["ratio"] == pytest.approx(math.exp(np.mean(LOGS[1, 0] + 0.04) - LOGS[0, 0, 0]))
    assert {row["cases_new"] for row in rest} == {11}
    assert pytest.approx(first["base"] / math.exp(LOGS[0, 0, 0])) == STEP_SECONDS
