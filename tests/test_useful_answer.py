"""Intervals from few processes, as a reader of the report gets them: recomputed here from the formulas.

The prior of a run is found by a general optimiser, and not by the scoring steps of `bench.stats`; the
formulas stand in docs/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import betaln, polygamma
from scipy.stats import t

from bench.schema.case import Case
from bench.schema.phases import Phase
from bench.schema.record import Measurement, Record
from tests.planted.commands import Command
from tests.planted.planted_records import MACHINE, fact, record, write

CENTRE, LEVEL, LEVEL_SD = math.log(4e-4), math.log(4e-4), 1.0
SLOPE, SLOPE_SD, FREEDOM, FREEDOM_SD = 0.6, 0.3, 2.0, 0.4
"""Of the published prior, as it was before any of our own records."""


class Planted(NamedTuple):
    """A case by the samples of each of its processes (s)."""

    model: str
    samples: tuple[tuple[float, ...], ...]


def process(median: float, within: float, count: int = 5) -> tuple[float, ...]:
    """`count` samples (odd), symmetric in logs around the median."""
    half = count // 2
    return tuple(median * math.exp(within * step / half) for step in range(-half, half + 1))


RUN = (
    Planted("vgg11", (process(0.100, 0.02), process(0.104, 0.03))),
    Planted("vgg13", (process(0.200, 0.01), process(0.201, 0.01))),
    Planted("vgg16", (process(0.300, 0.05), process(0.320, 0.04), process(0.310, 0.05))),
    Planted("vgg19", (process(0.400, 0.02), process(0.400, 0.02))),
    Planted("alexnet", (process(0.020, 0.10), process(0.026, 0.08), process(0.021, 0.09))),
    Planted("vgg11-bn", (process(0.110, 0.03),)),
)


def records(planted: Sequence[Planted], workload: Any = "inference", batch: int = 1) -> Iterator[Record]:
    phase: Phase = "forward" if workload == "inference" else "step"
    for model, processes in planted:
        case = Case(model=model, workload=workload, batch=batch, threads=2)
        for number, samples in enumerate(processes, start=1):
            measured = Measurement(phase=phase, metric="wall_time", unit="s", samples=list(samples))
            numbered = msgspec.structs.replace(case, replicate=number)
            yield record(numbered, measured, fact("model", "weights", 4096.0))


class Expected(NamedTuple):
    """Of one case: the interval's ends, its degrees of freedom and the prior's."""

    low: float
    high: float
    freedom: float
    prior_freedom: float
    prior_variance: float


class Seen(NamedTuple):
    n: int
    middle: float
    variance: float
    within: float
    floor: float


def seen(samples: Sequence[Sequence[float]]) -> Seen:
    logs = [math.log(float(np.median(each))) for each in samples]
    withins = [float(np.var(np.log(each), ddof=1)) for each in samples]
    floors = [math.pi / 2 * w / len(each) for w, each in zip(withins, samples, strict=True)]
    variance = float(np.var(logs, ddof=1)) if len(logs) > 1 else 0.0
    return Seen(len(logs), float(np.mean(logs)), variance, float(np.mean(withins)), float(np.mean(floors)))


def inverse_trigamma(value: float) -> float:
    low, high = 1e-6, 1e6
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if polygamma(1, middle) > value else (low, middle)
    return low


def prior_of(cases: Sequence[Seen]) -> Any:
    """(a, b, d0) at the mode, and the covariance of (a, b)."""
    used = [case for case in cases if case.n >= 2]

    def loss(line: np.ndarray, d: float) -> float:
        total = (line[0] - LEVEL) ** 2 / (2 * LEVEL_SD**2) + (line[1] - SLOPE) ** 2 / (2 * SLOPE_SD**2)
        for case in used:
            f, s2 = case.n - 1, max(case.variance, 1e-10)
            e = line[0] + line[1] * (math.log(case.within) - CENTRE)
            total -= f / 2 * math.log(f) + d / 2 * math.log(d) - betaln(f / 2, d / 2)
            total -= (f / 2 - 1) * math.log(s2) + d / 2 * e - (f + d) / 2 * math.log(f * s2 + d * math.exp(e))
        return float(total + (math.log(d / FREEDOM) / FREEDOM_SD) ** 2 / 2)

    fits = [
        (d, minimize(loss, [LEVEL, SLOPE], args=(d,), method="BFGS", options={"gtol": 1e-9}))
        for d in (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
    ]
    d0, best = min(fits, key=lambda found: found[1].fun)
    information = np.diag([LEVEL_SD**-2, SLOPE_SD**-2])
    for case in used:
        row = np.array([1.0, math.log(case.within) - CENTRE])
        f = case.n - 1
        information += d0 * f / (2 * (d0 + f + 2)) * np.outer(row, row)
    return best.x, d0, np.linalg.inv(information)


def expected(case: Seen, prior: Any) -> Expected:
    line, d0, covariance = prior
    row = np.array([1.0, math.log(case.within) - CENTRE])
    unsure = float(row @ covariance @ row)
    worth = 2 * inverse_trigamma(float(polygamma(1, d0 / 2)) + unsure)
    s0 = math.exp(float(row @ line) + unsure / 2)
    f = case.n - 1
    variance = max(case.floor, (worth * s0 + f * case.variance) / (worth + f))
    half = t.ppf(0.975, f + worth) * math.sqrt(variance / case.n)
    return Expected(math.exp(case.middle - half), math.exp(case.middle + half), f + worth, worth, s0)


def rows_of(command_line: Command, run: Path, *options: str) -> dict[str, dict[str, Any]]:
    answer = command_line("report", run, "--format", "json", *options)
    assert answer.code == 0, answer.err
    return {row["model"]: row for row in answer.rows() if row.get("metric") == "wall_time"}


def test_every_interval_is_the_moderated_one_and_says_what_it_is_made_of(
    command_line: Command, tmp_path: Path
) -> None:
    run = write(tmp_path / "run", records(RUN))
    rows = rows_of(command_line, run)
    cases = {planted.model: seen(planted.samples) for planted in RUN}
    prior = prior_of(list(cases.values()))
    for model, case in cases.items():
        if case.n == 1:
            continue
        wanted, row = expected(case, prior), rows[model]
        assert row["method"] == "moderated"
        assert (row["low"], row["high"]) == pytest.approx((wanted.low, wanted.high), rel=1e-4), model
        assert row["freedom"] == pytest.approx(wanted.freedom, rel=1e-3)
        assert row["prior_freedom"] == pytest.approx(wanted.prior_freedom, rel=1e-3)
        assert row["prior_sd"] == pytest.approx(math.sqrt(wanted.prior_variance), rel=1e-3)
        assert row["own_sd"] == pytest.approx(math.sqrt(case.variance), abs=1e-9)
        assert row["floor_sd"] == pytest.approx(math.sqrt(case.floor), rel=1e-6)
        assert row["cases"] == 5
        assert row["interval"] == "across-processes"


def test_one_process_borrows_where_four_other_cases_have_several(
    command_line: Command, tmp_path: Path
) -> None:
    rows = rows_of(command_line, write(tmp_path / "run", records(RUN)))
    cases = [seen(planted.samples) for planted in RUN]
    wanted, row = expected(cases[-1], prior_of(cases)), rows["vgg11-bn"]
    assert row["method"] == "borrowed"
    assert (row["low"], row["high"]) == pytest.approx((wanted.low, wanted.high), rel=1e-4)


def test_one_process_beside_three_cases_knows_nothing_of_others(
    command_line: Command, tmp_path: Path
) -> None:
    rows = rows_of(command_line, write(tmp_path / "run", records((*RUN[:3], RUN[-1]))))
    assert rows["vgg11-bn"].get("method") != "borrowed"
    assert rows["vgg11-bn"]["interval"] != "across-processes"


def test_plain_intervals_are_students(command_line: Command, tmp_path: Path) -> None:
    run = write(tmp_path / "run", records(RUN))
    rows = rows_of(command_line, run, "--plain-intervals")
    for planted in RUN[:-1]:
        case = seen(planted.samples)
        half = t.ppf(0.975, case.n - 1) * math.sqrt(case.variance / case.n)
        wanted = (math.exp(case.middle - half), math.exp(case.middle + half))
        assert (rows[planted.model]["low"], rows[planted.model]["high"]) == pytest.approx(wanted, rel=1e-9)
        assert rows[planted.model]["method"] == "t"


def test_sizes_are_never_moderated(command_line: Command, tmp_path: Path) -> None:
    answer = command_line("report", write(tmp_path / "run", records(RUN)), "--format", "json")
    for row in answer.rows():
        if row.get("metric") == "weights" and row["processes"] > 1:
            assert row["low"] == row["high"] == 4096.0
            assert row.get("method") != "moderated"


def test_training_and_inference_share_one_prior(command_line: Command, tmp_path: Path) -> None:
    """One fit for a device and a metric, whatever the workload."""
    both = [*records(RUN[:2]), *records(RUN[2:5], "training", 8)]
    rows = rows_of(command_line, write(tmp_path / "run", both))
    cases = {planted.model: seen(planted.samples) for planted in RUN[:5]}
    prior = prior_of(list(cases.values()))
    for model, case in cases.items():
        wanted = expected(case, prior)
        assert (rows[model]["low"], rows[model]["high"]) == pytest.approx((wanted.low, wanted.high), rel=1e-4)


def test_machines_do_not_borrow_from_each_other(command_line: Command, tmp_path: Path) -> None:
    """Two runs on two machines: each has a prior of its own."""
    one = write(tmp_path / "one", records(RUN[:3]))
    other_machine = msgspec.structs.replace(MACHINE, cpu="Another CPU", host="elsewhere")
    there = [msgspec.structs.replace(each, environment=other_machine) for each in records(RUN[3:5])]
    two = write(tmp_path / "two", there)
    answer = command_line("report", one, two, "--format", "json")
    rows = {row["model"]: row for row in answer.rows() if row.get("metric") == "wall_time"}
    for group in (RUN[:3], RUN[3:5]):
        cases = {planted.model: seen(planted.samples) for planted in group}
        prior = prior_of(list(cases.values()))
        for model, case in cases.items():
            wanted = expected(case, prior)
            found = rows[model]["low"], rows[model]["high"]
            assert found == pytest.approx((wanted.low, wanted.high), rel=1e-4), model


ODD = {
    "identical samples": (Planted("alexnet", ((0.1,) * 5, (0.1,) * 5, (0.1,) * 5)),),
    "one case alone": (Planted("alexnet", (process(0.1, 0.02), process(0.11, 0.02))),),
    "one process": (Planted("alexnet", (process(0.1, 0.02),)),),
    "one sample a process": (Planted("alexnet", ((0.1,), (0.12,))),),
    "one sample of one process": (Planted("alexnet", ((0.1,),)),),
    "zero variance": (*RUN[:4], Planted("alexnet", ((0.1, 0.1, 0.1), (0.1, 0.1, 0.1)))),
    "two kinds of processes": (*RUN[:4], Planted("alexnet", (process(0.1, 0.01), process(0.2, 0.01)))),
    "a level that changes": (
        *RUN[:4],
        Planted("alexnet", tuple(process(level, 0.01) for level in (0.1, 0.1, 0.1, 0.2, 0.2, 0.2))),
    ),
    "a clock that was stepped": (*RUN[:4], Planted("alexnet", ((0.1, -0.2, 0.1), (0.1, 0.1, 0.1)))),
    "a time of zero": (*RUN[:4], Planted("alexnet", ((0.0, 0.0, 0.0), (0.1, 0.1, 0.1)))),
    "a tiny time beside a huge one": (*RUN[:4], Planted("alexnet", ((1e-9,) * 3, (1e6,) * 3))),
}


@pytest.mark.parametrize("format_", ["json", "md", "csv"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_runs_are_reported_without_absurd_figures(
    command_line: Command, tmp_path: Path, odd: str, format_: str
) -> None:
    answer = command_line("report", write(tmp_path / "run", records(ODD[odd])), "--format", format_)
    assert (answer.code, "Traceback" in answer.err) == (0, False)
    assert "nan" not in answer.out.lower().replace("alexnan", "")
    assert "inf " not in answer.out
    assert "Infinity" not in answer.out
    if format_ == "json":
        row = next(row for row in answer.rows() if row["model"] == "alexnet" and row["metric"] == "wall_time")
        if row["low"] is not None and row["median"] > 0:
            assert row["low"] <= row["median"] <= row["high"]


def test_equal_medians_keep_a_width_that_is_not_zero(command_line: Command, tmp_path: Path) -> None:
    """Two processes that agree by chance know nothing of a third one."""
    row = rows_of(command_line, write(tmp_path / "run", records(RUN)))["vgg19"]
    assert row["own_sd"] == 0
    assert row["low"] < row["median"] < row["high"]


def test_a_case_that_differs_more_than_the_others_is_called_restless(
    command_line: Command, tmp_path: Path
) -> None:
    restless = Planted("alexnet", (process(0.1, 0.01), process(0.2, 0.01)))
    rows = rows_of(command_line, write(tmp_path / "run", records((*RUN[:4], restless))))
    assert "restless" in rows["alexnet"]["warnings"]
    assert "restless" not in rows["vgg13"]["warnings"]


def test_a_run_resolves_what_two_processes_of_a_quiet_case_show(
    command_line: Command, tmp_path: Path
) -> None:
    """A plain interval of two processes that differ by 2% is 13% wide; the moderated one is not."""
    quiet = [
        Planted(model, (process(0.1, 0.02), process(0.102, 0.02)))
        for model in ("vgg11", "vgg13", "vgg16", "vgg19", "alexnet", "vgg11-bn", "vgg13-bn", "vgg16-bn")
    ]
    run = write(tmp_path / "run", records(quiet))
    moderated, plain = rows_of(command_line, run), rows_of(command_line, run, "--plain-intervals")
    for model, row in moderated.items():
        assert row["high"] / row["median"] - 1 < 0.06, model
        assert plain[model]["high"] / plain[model]["median"] - 1 > 0.12, model


# ---- comparisons


def compared(command_line: Command, base: Path, new: Path, *options: str) -> dict[str, dict[str, Any]]:
    answer = command_line("compare", base, new, "--format", "json", *options)
    assert answer.code in (0, 1), answer.err
    return {row["model"]: row for row in answer.rows() if row["metric"] == "wall_time"}


def test_a_comparison_counts_the_priors_freedom_once(command_line: Command, tmp_path: Path) -> None:
    """Both sides of one machine are fitted together; the error and freedom are worked out here."""
    faster = tuple(
        Planted(model, tuple(tuple(0.9 * s for s in samples[::-1]) for samples in processes))
        for model, processes in RUN[:5]
    )
    base, new = write(tmp_path / "base", records(RUN[:5])), write(tmp_path / "new", records(faster))
    rows = compared(command_line, base, new)
    sides = [[seen(planted.samples) for planted in side] for side in (RUN[:5], faster)]
    prior = prior_of([*sides[0], *sides[1]])
    for planted, one, two in zip(RUN, *sides, strict=False):
        wide, narrow = expected(one, prior), expected(two, prior)
        variances = [
            max(case.floor, (w.prior_freedom * w.prior_variance + (case.n - 1) * case.variance) / w.freedom)
            for case, w in ((one, wide), (two, narrow))
        ]
        ea, eb = (v / case.n for v, case in zip(variances, (one, two), strict=True))
        d = min(wide.prior_freedom, narrow.prior_freedom)
        fa, fb = one.n - 1, two.n - 1
        freedom = min((ea + eb) ** 2 / (ea**2 / (d + fa) + eb**2 / (d + fb)), d + fa + fb)
        half = t.ppf(0.995, freedom) * math.sqrt(ea + eb)
        ratio = math.exp(two.middle - one.middle)
        row = rows[planted.model]
        assert row["ratio"] == pytest.approx(ratio, rel=1e-9)
        assert (row["low"], row["high"]) == pytest.approx(
            (ratio * math.exp(-half), ratio * math.exp(half)), rel=1e-3
        ), planted.model


def test_one_process_on_a_side_has_no_verdict(command_line: Command, tmp_path: Path) -> None:
    one = [Planted(model, processes[:1]) for model, processes in RUN[:5]]
    base, new = write(tmp_path / "base", records(RUN[:5])), write(tmp_path / "new", records(one))
    for row in compared(command_line, base, new).values():
        assert row["verdict"] in (None, "inconclusive")
        assert row["low"] is None


def test_what_would_decide_stands_beside_what_is_not_decided(command_line: Command, tmp_path: Path) -> None:
    noisy = [
        Planted(model, (process(0.1, 0.02), process(0.112, 0.02)))
        for model in ("vgg11", "vgg13", "vgg16", "vgg19", "alexnet")
    ]
    base, new = write(tmp_path / "base", records(noisy)), write(tmp_path / "new", records(noisy))
    rows = compared(command_line, base, new)
    assert {row["verdict"] for row in rows.values()} == {"inconclusive"}
    answer = command_line("compare", base, new, "--full")
    assert "more than 50 more processes on each side" in answer.out
    assert "inconclusive" in answer.out


def test_a_row_that_is_wide_says_how_many_processes_it_lacks(command_line: Command, tmp_path: Path) -> None:
    """Worked out here: the smallest number at which t, the variance unchanged, is narrow enough."""
    row = rows_of(command_line, write(tmp_path / "run", records(RUN)))["vgg11"]
    cases = {planted.model: seen(planted.samples) for planted in RUN}
    case, prior = cases["vgg11"], prior_of(list(cases.values()))
    wanted = expected(case, prior)
    variance = (wanted.prior_freedom * wanted.prior_variance + case.variance) / wanted.freedom

    def half(more: int) -> float:
        return math.expm1(t.ppf(0.975, wanted.freedom + more) * math.sqrt(variance / (case.n + more)))

    assert row["more_processes"] == next(more for more in range(50) if half(more) <= 0.05)
    assert row["more_target"] == 0.05
