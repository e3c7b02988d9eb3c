"""Two planted sides of training runs compared: accuracies, times, and what a gate says of lost seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from scipy import stats as oracle

from bench.schema.case import Case
from bench.schema.record import Record
from reports import formats
from reports.compare.compare_report import RunComparison, build
from reports.compare.comparison_rows import ComparisonRow
from reports.compare.gate import gate_fails, gate_reasons
from reports.document import Table
from tests.planted import planted_records
from tests.planted.planted_learning import VGG, diverged, learned, seeds
from tests.planted.shown_cells import row_of, rows_of

BASE = (0.971, 0.968, 0.975, 0.970, 0.973)
LOWER = (0.952, 0.950, 0.949, 0.955, 0.948)

NAME = "VGG-small trained on digits, recipe quick"


def compare(tmp_path: Path, base: Sequence[Record], new: Sequence[Record]) -> RunComparison:
    return build(
        [planted_records.write(tmp_path / "base", base)], [planted_records.write(tmp_path / "new", new)]
    )


def row(comparison: RunComparison, metric: str = "test_accuracy") -> ComparisonRow:
    (found,) = (row for row in comparison.rows if row.metric == metric)
    return found


def table(comparison: RunComparison, title: str) -> Table:
    return next(table for table in comparison.document.tables if table.title == title)


def test_a_lower_accuracy_is_found_seed_by_seed(tmp_path: Path) -> None:
    comparison = compare(tmp_path, seeds(VGG, BASE), seeds(VGG, LOWER))
    test = oracle.ttest_rel(LOWER, BASE)
    expected = test.confidence_interval(0.99)
    found = row(comparison)
    assert (found.verdict, found.paired, found.n_base, found.n_new) == ("lower", True, 5, 5)
    assert (found.base, found.new) == pytest.approx((np.mean(BASE), np.mean(LOWER)))
    assert (found.difference, found.low, found.high, found.p) == pytest.approx(
        (np.mean(LOWER) - np.mean(BASE), expected.low, expected.high, test.pvalue)
    )
    assert found.ratio is None
    (reason,) = gate_reasons(comparison, "slower")
    assert reason == f"{NAME}, test accuracy: is lower by 2.1 (1.1 to 3.0) points"


def test_a_higher_accuracy_fails_only_the_gate_for_any_change(tmp_path: Path) -> None:
    comparison = compare(tmp_path, seeds(VGG, LOWER), seeds(VGG, BASE))
    assert row(comparison).verdict == "higher"
    assert not gate_fails(comparison, "slower")
    (reason,) = gate_reasons(comparison, "any")
    assert reason == f"{NAME}, test accuracy: is higher by 2.1 (1.1 to 3.0) points"


def test_people_read_points(tmp_path: Path) -> None:
    comparison = compare(tmp_path, seeds(VGG, BASE), seeds(VGG, LOWER, rate=50.0))
    accuracy, time = table(comparison, "Accuracy"), table(comparison, "Time of training runs")
    cells = row_of(accuracy)
    assert (cells["BASE, %"], cells["NEW, %"], cells["verdict"]) == ("97.14", "95.08", "▼ lower")
    assert str(cells["difference, points"]).startswith("-2.1 (-")
    assert (cells["dataset"], cells["recipe"], cells["seeds"], cells["compared"]) == (
        "digits",
        "quick",
        5,
        "by seed",
    )
    shown = rows_of(time)
    # the training time is the sum of the loop times, and not compared once more
    assert [(line["what"], line["BASE, s"], line["NEW, s"], line["verdict"]) for line in shown] == [
        ("loop time", "10.00 ±0%", "20.00 ±0%", "▲ slower"),
        ("time to target", "30.00 ±0%", "60.00 ±0%", "▲ slower"),
    ]
    assert comparison.document.answer is not None
    assert "Accuracy: 1 lower (" in " ".join(comparison.document.answer.headlines)


def test_programs_read_the_difference_and_the_recipe(tmp_path: Path) -> None:
    comparison = compare(tmp_path, seeds(VGG, BASE), seeds(VGG, LOWER))
    rows = json.loads(formats.render("json", comparison.document))["rows"]
    found = next(line for line in rows if line["metric"] == "test_accuracy")
    assert (found["unit"], found["ratio"], found["verdict"]) == ("share", None, "lower")
    assert found["low"] < found["difference"] < found["high"] < 0
    assert (found["dataset"], found["recipe"], found["epochs"], found["target"]) == (
        "digits",
        "quick",
        4,
        0.9,
    )


def test_other_seeds_are_compared_by_their_means(tmp_path: Path) -> None:
    found = row(compare(tmp_path, seeds(VGG, BASE), seeds(VGG, LOWER[:3])))
    expected = oracle.ttest_ind(LOWER[:3], BASE, equal_var=False).confidence_interval(0.99)
    assert (found.paired, found.n_base, found.n_new) == (False, 5, 3)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_seeds_are_the_unit_of_several_runs_too(tmp_path: Path) -> None:
    """Two runs of the same seeds are no more seeds."""
    runs = {
        name: planted_records.write(tmp_path / name, seeds(VGG, finals))
        for name, finals in {"b1": BASE, "b2": BASE, "n1": LOWER, "n2": LOWER}.items()
    }
    found = row(build([runs["b1"], runs["b2"]], [runs["n1"], runs["n2"]]))
    assert (found.n_base, found.n_new) == (5, 5)
    assert found.p == pytest.approx(oracle.ttest_rel(LOWER, BASE).pvalue)


def test_one_seed_is_inconclusive(tmp_path: Path) -> None:
    comparison = compare(tmp_path, seeds(VGG, (0.97,)), seeds(VGG, (0.10,)))
    assert (row(comparison).verdict, gate_fails(comparison, "any")) == ("inconclusive", False)
    assert "one seed" in str(row(comparison).reason)


def _partly(lost: int, case: Case = VGG) -> list[Record]:
    """Five seeds of which the last ones diverged."""
    return [
        *seeds(case, BASE[: 5 - lost]),
        *(diverged(case, number, step=number) for number in range(6 - lost, 6)),
    ]


@pytest.mark.parametrize(
    ("base", "new", "slower", "any_change"),
    [(0, 2, True, True), (2, 0, False, True), (1, 2, False, False)],
)
def test_seeds_that_diverge_in_new_alone_fail_the_gate(
    tmp_path: Path, base: int, new: int, slower: bool, any_change: bool
) -> None:
    comparison = compare(tmp_path, _partly(base), _partly(new))
    found = row(comparison)
    assert (found.verdict, found.difference, found.p) == ("diverged", None, None)
    assert (found.diverged_base, found.diverged_new) == (base, new)
    assert gate_fails(comparison, "slower") is slower
    assert gate_fails(comparison, "any") is any_change


def test_a_gate_says_which_seeds_diverged(tmp_path: Path) -> None:
    (reason,) = gate_reasons(compare(tmp_path, _partly(0), _partly(2)), "slower")
    assert reason == f"{NAME}, test accuracy: diverged, NEW: 2 of 5 seeds diverged"


def test_a_side_without_a_seed_left_is_diverged_and_fails_once(tmp_path: Path) -> None:
    comparison = compare(tmp_path, _partly(0), _partly(5))
    found = row(comparison)
    assert (found.verdict, found.new, found.n_new) == ("diverged", None, 0)
    assert found.reason == "NEW: 5 of 5 seeds diverged"
    assert gate_reasons(comparison, "slower") == (f"{NAME} was measured in BASE and failed in NEW",)
    back = compare(tmp_path / "back", _partly(5), _partly(0))
    assert (row(back).verdict, gate_fails(back, "slower")) == ("diverged", False)


def test_a_case_that_is_missing_is_not_compared(tmp_path: Path) -> None:
    other = structs.replace(VGG, batch=64)
    comparison = compare(tmp_path, [*seeds(VGG, BASE), *seeds(other, BASE)], seeds(VGG, BASE))
    missing = [found for found in comparison.rows if found.case.batch == 64]
    assert {(found.verdict, found.reason) for found in missing} == {(None, "only in BASE")}
    assert "test_accuracy" in {found.metric for found in missing}


def test_time_to_a_target_is_that_of_all_seeds_or_none(tmp_path: Path) -> None:
    """The two seeds of NEW that get there are quick; the third never does."""
    new = [*(learned(VGG, [0.95, 0.95], number=n) for n in (1, 2)), learned(VGG, [0.5, 0.5], number=3)]
    found = row(compare(tmp_path, seeds(VGG, BASE[:3]), new), "time_to_target")
    assert (found.verdict, found.reason) == (None, "NEW: 2 of 3 seeds reached the target")
    assert (found.base, found.new) == pytest.approx((30.0, 10.0))


def test_a_gate_corrects_accuracies_with_all_other_rows(tmp_path: Path) -> None:
    """p of about 0.005 holds alone and not beside 30 rows that say nothing."""
    gains = (-0.012, -0.019, -0.008, -0.015, -0.022)
    low = seeds(VGG, [a + gain for a, gain in zip(BASE, gains, strict=True)])
    alone = compare(tmp_path / "alone", seeds(VGG, BASE), low)
    assert row(alone).verdict == "lower"
    assert 0.0005 < (row(alone).p or 0) < 0.01
    assert gate_fails(alone, "slower")
    wobble = (0.002, -0.001, 0.001, -0.002, 0.0)
    quiet, same = [], []
    for batch in range(1, 31):
        case = structs.replace(VGG, batch=batch)
        quiet += seeds(case, BASE)
        same += seeds(case, [a + w for a, w in zip(BASE, wobble, strict=True)])
    many = compare(tmp_path / "many", [*seeds(VGG, BASE), *quiet], [*low, *same])
    assert [found.verdict for found in many.rows].count("lower") == 1
    assert not gate_fails(many, "slower")


@pytest.mark.parametrize("format_", formats.for_any())
def test_every_format_shows_accuracies(tmp_path: Path, format_: str) -> None:
    comparison = compare(tmp_path, _partly(0), _partly(2))
    assert "2 of 5 seeds diverged" in formats.render(format_, comparison.document)
