"""A ratio of two figures is what the less sure of them is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs
from scipy import stats as oracle

from bench.schema.case import Case
from reports.analysis.figure_ratios import parts_of, ratio
from reports.summary.figures import Figure
from reports.summary.pooling import summarise
from tests.planted import planted_records

SEVERAL, OTHER, ONE = "vgg11", "vgg13", "vgg19"


def figures(folder: Path, lenders: int, **how: bool) -> dict[str, Figure]:
    """Several processes of two cases, one of another, beside so many more cases of several."""

    def case(model: str) -> Case:
        return Case(model=model, batch=8, threads=2)

    planted: dict[str, Sequence[float]] = {SEVERAL: (0.2, 0.204, 0.207), OTHER: (0.1, 0.101), ONE: (0.3,)}
    planted |= {f"block:{64 + n}:3x3": (0.05, 0.051) for n in range(lenders)}
    records = [
        record
        for model, medians in planted.items()
        for record in planted_records.replicates(case(model), medians)
    ]
    found = summarise([planted_records.write(folder, records)], **how).figures
    return {figure.case.model: figure for figure in found}


def test_both_of_several_processes_give_welchs_with_moderated_variances(tmp_path: Path) -> None:
    found = figures(tmp_path, 0)
    parts = parts_of(found[SEVERAL], found[OTHER])
    assert parts is not None
    errors = [parts[0].variance / 3, parts[1].variance / 2]
    worth = min(each.prior_freedom for each in parts)
    freedom = min(sum(errors) ** 2 / (errors[0] ** 2 / (worth + 2) + errors[1] ** 2 / (worth + 1)), worth + 3)
    half = oracle.t.ppf(0.975, freedom) * math.sqrt(sum(errors))
    of = ratio(found[SEVERAL], found[OTHER])
    assert of.interval is not None
    assert of.value == pytest.approx(oracle.gmean([0.2, 0.204, 0.207]) / oracle.gmean([0.1, 0.101]))
    assert (of.interval.low, of.interval.high) == pytest.approx(
        (of.value * math.exp(-half), of.value * math.exp(half))
    )
    assert (of.interval.kind, of.interval.method) == ("across-processes", "moderated")


def test_plain_variances_give_welchs(tmp_path: Path) -> None:
    found = figures(tmp_path, 0, plain_intervals=True)
    of = ratio(found[SEVERAL], found[OTHER])
    known = oracle.ttest_ind(
        [math.log(each) for each in (0.2, 0.204, 0.207)],
        [math.log(each) for each in (0.1, 0.101)],
        equal_var=False,
    ).confidence_interval(0.95)
    assert of.interval is not None
    assert of.interval.low == pytest.approx(math.exp(known.low))
    assert of.interval.method != "moderated"


def test_a_borrowed_side_makes_a_borrowed_ratio_and_one_process_alone_one_within_it(tmp_path: Path) -> None:
    for lenders, kind, method in ((2, "across-processes", "borrowed"), (0, "within-process", None)):
        found = figures(tmp_path / str(lenders), lenders)
        above, below = found[ONE], found[SEVERAL]
        of = ratio(above, below)
        assert of.interval is not None
        assert (of.interval.kind, of.interval.method) == (kind, method)
        assert above.interval is not None
        assert below.interval is not None
        reach = math.hypot(
            math.log(above.interval.high / above.median), math.log(below.median / below.interval.low)
        )
        assert of.interval.high == pytest.approx(of.value * math.exp(reach))
        assert parts_of(above, below) is None, "what is borrowed is in no verdict"


def test_a_value_of_zero_has_no_interval(tmp_path: Path) -> None:
    found = figures(tmp_path, 0)
    zero = structs.replace(found[SEVERAL], medians=(0.0, 0.1), median=0.05, interval=None)
    assert ratio(zero, found[OTHER]).interval is None
