"""A search finds what is planted, whatever order it tries things in; and what a machine offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from msgspec import structs

from bench.plan import feasibility
from bench.plan.axes import Value
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement, Record, Status, Stopped
from bench.stats.estimates import Interval
from bench.studies.best import candidates, strategy
from bench.studies.best.candidates import first_case, narrowed, space_of
from bench.studies.best.strategy import (
    CandidateResult,
    Failure,
    Space,
    give_up_seconds,
    next_candidate,
    ranked,
    rivals,
)
from models.errors import UserError
from tests.planted import planted_records

Times = Callable[[Case], float | None]
"""Planted seconds of a step; None for a candidate that fails."""

PLANTED = Failure("crashed", "planted")


@pytest.fixture(autouse=True)
def _every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions are about GPUs too, on whatever machine they are tested."""
    monkeypatch.setattr(feasibility, "why_not_here", feasibility.why_impossible)


def space(**given: tuple[Value, ...]) -> Space:
    axes: dict[str, tuple[Value, ...]] = {"model": ("vgg16",), "device": ("cpu",), "batch": (8,), **given}
    return space_of(first_case(axes, threads=2), axes)[0]


def searched(space: Space, times: Times, most: int = 1000) -> dict[Case, CandidateResult]:
    """The whole search, or its first candidates, on a machine without noise."""
    known: dict[Case, CandidateResult] = {}
    while len(known) < most:
        case = next_candidate(space, known, lambda each: feasibility.why_impossible(each) is None)
        if case is None:
            break
        assert case not in known
        seconds = times(case)
        known[case] = CandidateResult(case=case, seconds=seconds, failure=None if seconds else PLANTED)
    return known


def product(factors: Mapping[str, float], base: float = 1.0) -> Times:
    """A step's time as a product of what each value does to it."""

    def seconds(case: Case) -> float:
        found = base
        for value in (case.precision, case.layout, case.engine, *case.tuning.split("+"), f"t{case.threads}"):
            found *= factors.get(value, 1.0)
        return found

    return seconds


VGG_INFERENCE = {
    "bf16": 0.3,
    "amp-bf16": 0.5,
    "channels-last": 0.6,
    "compile": 0.8,
    "compile-max-autotune": 0.9,
}


def test_the_plain_configuration_comes_first() -> None:
    first = next_candidate(space(), {}, lambda case: True)
    assert first == space().base
    assert (first.precision, first.layout, first.engine, first.tuning, first.threads, first.batch) == (
        *("fp32", "nchw", "eager", "", 2, 8),
    )


@pytest.mark.parametrize(
    ("workload", "factors", "found"),
    [
        ("inference", VGG_INFERENCE, ("bf16", "channels-last", "compile", "", 2)),
        (
            "inference",
            {**VGG_INFERENCE, "freezing": 0.7},
            ("bf16", "channels-last", "compile", "freezing", 2),
        ),
        (
            "training",
            {"bf16": 0.4, "channels-last": 0.7, "compile": 1.2, "compile-max-autotune": 1.3},
            ("bf16", "channels-last", "eager", "", 2),
        ),
        (
            "training",
            {"amp-bf16": 0.4, "compile": 1.2, "compile-max-autotune": 1.3, "fused-optimizer": 0.9},
            ("amp-bf16", "nchw", "eager", "fused-optimizer", 2),
        ),
        (
            "inference",
            {"fp16": 0.5, "compile-max-autotune": 0.5},
            ("fp16", "nchw", "compile-max-autotune", "", 2),
        ),
        (
            "inference",
            {"compile": 2.0, "compile-max-autotune": 3.0, "t1": 0.5},
            ("fp32", "nchw", "eager", "", 1),
        ),
        (
            "inference",  # what only compiled code can have makes up for what compiling lost
            {"compile": 1.5, "compile-max-autotune": 2.0, "freezing": 0.4},
            ("fp32", "nchw", "compile", "freezing", 2),
        ),
    ],
)
def test_the_planted_optimum_is_found(
    workload: str, factors: Mapping[str, float], found: tuple[Value, ...]
) -> None:
    known = searched(space(workload=(workload,)), product(factors))
    best = ranked(known)[0].case
    assert (best.precision, best.layout, best.engine, best.tuning, best.threads) == found
    combinations = 5 * 2 * 3 * 2 * 2
    assert len(known) < combinations / 2


def test_an_optimum_of_a_gpu_with_replayed_graphs_is_found() -> None:
    """Where everything waits for launches the arithmetic shows only once a graph is replayed."""

    def seconds(case: Case) -> float:
        arithmetic = {"bf16": 0.1, "fp16": 0.11, "amp-bf16": 0.12, "amp-fp16": 0.13, "tf32": 0.4, "fp32": 0.8}
        launches = {"eager": 1.0, "compile": 0.6, "compile-reduce-overhead": 0.02, "cudagraph": 0.01}
        return (
            max(arithmetic[case.precision], launches.get(case.engine, 0.3))
            + 1e-3 * arithmetic[case.precision]
        )

    known = searched(space(device=("cuda",), batch=(1,)), seconds)
    best = ranked(known)[0].case
    assert best.precision == "bf16"
    assert best.engine in ("cudagraph", "compile-reduce-overhead")


def test_only_the_fastest_pairs_are_compiled_and_what_fails_is_gone_around() -> None:
    def seconds(case: Case) -> float | None:
        return None if case.precision == "bf16" else product(VGG_INFERENCE)(case)

    known = searched(space(), seconds)
    assert ranked(known)[0].case.precision == "amp-bf16"
    assert [one.failure for one in known.values() if one.case.precision == "bf16"] == [
        Failure("crashed", "planted")
    ] * 2
    compiled = {(case.precision, case.layout) for case in known if case.engine != "eager"}
    assert compiled == {("amp-bf16", "channels-last"), ("amp-bf16", "nchw"), ("fp32", "channels-last")}


def test_a_precision_that_is_far_slower_is_tried_in_one_layout_only() -> None:
    known = searched(space(), product({**VGG_INFERENCE, "amp-fp16": 2.0, "fp16": 0.8}))
    tried = [(case.precision, case.layout) for case in known if case.engine == "eager" and case.threads == 2]
    assert tried[:8] == [
        *[(p, layout) for p in ("fp32", "amp-bf16", "bf16") for layout in ("nchw", "channels-last")],
        ("amp-fp16", "nchw"),
        ("fp16", "nchw"),
    ]
    assert ("amp-fp16", "channels-last") not in tried  # 2.0 against 0.18
    assert ("fp16", "channels-last") in tried  # 0.8


def test_a_precision_that_was_not_done_in_its_time_has_no_second_layout() -> None:
    here = space(precision=("fp16", "fp32"))
    late = CandidateResult(case=here.base, failure=Failure("timeout", "timed out after 120 s"))
    after = next_candidate(here, {here.base: late}, lambda case: True)
    assert after is not None
    assert (after.precision, after.layout) == ("fp32", "nchw")


def test_a_search_in_which_everything_fails_ends() -> None:
    known = searched(space(), lambda case: None)
    assert ranked(known) == []
    assert {case.engine for case in known} == {"eager"}


def test_a_search_that_is_cut_short_knows_its_best_so_far() -> None:
    times = product(VGG_INFERENCE)
    known = searched(space(), times, most=4)
    assert len(known) == 4
    assert ranked(known)[0].seconds == min(times(case) or 0 for case in known)


def test_of_equal_ones_the_plainer_wins_and_both_are_rivals() -> None:
    known = searched(space(precision=("fp32",), engine=("eager",), threads=(2,)), lambda case: 1.0)
    assert [one.case.layout for one in ranked(known)] == ["nchw", "channels-last"]
    assert [one.case.layout for one in rivals(known)] == ["channels-last"]


def test_rivals_are_close_or_overlap_and_have_the_winners_batch() -> None:
    def one(low: float, seconds: float, high: float, **fields: Value) -> CandidateResult:
        case = structs.replace(space().base, **fields)
        return CandidateResult(case=case, seconds=seconds, interval=Interval(low, high, "within-process"))

    winner = one(0.9, 1.0, 1.1)
    overlapping, close = one(1.05, 1.2, 1.3, layout="channels-last"), one(1.03, 1.04, 1.05, engine="compile")
    far, larger = one(1.2, 1.3, 1.4, precision="bf16"), one(1.9, 2.02, 2.1, batch=16)
    known = {each.case: each for each in (far, overlapping, winner, larger, close)}
    assert ranked(known)[:2] == [winner, larger]
    assert list(rivals(known)) == [close, overlapping]


def test_what_a_step_may_take_depends_on_its_images() -> None:
    base = space().base
    assert give_up_seconds(base, {}) is None
    known = {base: CandidateResult(case=base, seconds=2.0)}
    assert give_up_seconds(base, known) == pytest.approx(2.2)
    assert give_up_seconds(structs.replace(base, batch=16), known) == pytest.approx(4.4)


def test_batches_are_searched_for_images_and_not_for_steps() -> None:
    """A larger batch takes longer, and gives more: 8 images in 2 s, 32 in 6."""
    several = space(batch=(8, 32), engine=("eager",), precision=("fp32",), layout=("nchw",), threads=(2,))
    known = searched(several, lambda case: {8: 2.0, 32: 6.0}[case.batch])
    assert ranked(known)[0].case.batch == 32


def test_the_largest_batch_and_its_parts_are_tried_where_they_are_larger() -> None:
    assert strategy.enlarged(space(), 40).values["batch"] == (8, 40, 20, 10)
    assert strategy.enlarged(space(batch=(8, 16)), 40).values["batch"] == (8, 16, 40, 20)
    assert strategy.enlarged(space(), 8).values["batch"] == (8,)
    assert strategy.enlarged(space(), None) == space()


def record_of(
    *values: float,
    stopped: Stopped = "target",
    status: Status = "ok",
    reason: str | None = None,
    warnings: Sequence[CaseWarning] = (),
) -> Record:
    """What a process of the plain case left."""
    wall = Measurement(phase="forward", metric="wall_time", unit="s", samples=list(values), stopped=stopped)
    case = structs.replace(space().base, replicate=1)
    return planted_records.record(case, wall, status=status, reason=reason, warnings=warnings)


def test_a_record_says_what_was_tried() -> None:
    found = strategy.result_of(record_of(3.0, 1.0, 2.0, 5.0, 4.0, 6.0, 7.0))
    assert (found.case, found.seconds, found.samples, found.given_up) == (space().base, 4.0, 7, False)
    assert found.interval == Interval(1.0, 7.0, "within-process")
    assert found.images_per_second == 2.0
    assert strategy.result_of(record_of(1.0, stopped="worse")).given_up


def test_a_time_that_stands_for_nothing_is_a_failure() -> None:
    crashed = strategy.result_of(record_of(1.0, status="oom", reason="out of memory"))
    assert (crashed.seconds, crashed.failure) == (None, Failure("oom", "out of memory"))
    useless = strategy.result_of(record_of(1.0, warnings=[CaseWarning("non-finite-loss", "no number")]))
    assert (useless.seconds, useless.failure) == (None, Failure("non-finite-loss", "no number"))


def test_another_work_in_the_same_folder_is_none_of_this_search() -> None:
    base = space().base
    assert strategy.is_same_work(structs.replace(base, precision="bf16", threads=1, replicate=3), base)
    assert not strategy.is_same_work(structs.replace(base, workload="training"), base)
    assert not strategy.is_same_work(structs.replace(base, image=64), base)


def test_what_the_machine_cannot_run_is_left_out_with_its_reason() -> None:
    def why_not(cases: Sequence[Case]) -> Mapping[Case, str]:
        reasons = {"bf16": "no bf16 here", "compile": "no compiler"}
        return {
            case: reason
            for case in cases
            for value, reason in reasons.items()
            if value in (case.precision, case.engine)
        }

    axes: dict[str, tuple[Value, ...]] = {"model": ("vgg16",), "device": ("cpu",)}
    offered, _ = space_of(first_case(axes, threads=4), axes)
    found, left_out = narrowed(offered, why_not)
    assert left_out == {"bf16": "no bf16 here", "compile": "no compiler"}
    assert found.values["precision"] == ("fp32", "amp-bf16", "amp-fp16", "fp16")
    assert found.values["engine"] == ("eager", "compile-max-autotune")
    assert found.values["threads"] == (4, 2)
    assert found.values["batch"] == (candidates.BATCH["small"],)
    with pytest.raises(UserError, match="no configuration can run on this machine: no bf16 here"):
        narrowed(space(precision=("bf16",)), why_not)


@pytest.mark.parametrize(
    ("given", "tunings"),
    [
        ({}, ("", "freezing")),
        ({"engine": ("eager",)}, ("",)),
        ({"workload": ("training",)}, ("", "fused-optimizer")),
        (
            {"workload": ("training",), "device": ("cuda",)},
            (
                *("", "cudnn-exhaustive", "cudnn-heuristics", "fused-optimizer"),
                *("cudnn-exhaustive+fused-optimizer", "cudnn-heuristics+fused-optimizer"),
            ),
        ),
        ({"tuning": ("freezing", "")}, ("", "freezing")),
    ],
)
def test_tunings_are_those_that_mean_something(
    given: Mapping[str, tuple[Value, ...]], tunings: tuple[str, ...]
) -> None:
    assert space(**given).values["tuning"] == tunings


def test_a_tuning_without_an_engine_for_it_is_refused() -> None:
    with pytest.raises(
        UserError, match="no configuration can run on this machine: freezing is for engines that compile"
    ):
        space(tuning=("freezing",), engine=("eager",))


def test_several_values_of_what_is_not_searched_are_refused() -> None:
    with pytest.raises(UserError, match="best needs a single workload, got 2"):
        space(workload=("inference", "training"))


def test_the_plain_case_is_the_same_work() -> None:
    found = space()
    winner = structs.replace(
        found.base, precision="bf16", layout="channels-last", engine="compile", tuning="freezing", threads=1
    )
    assert strategy.plain(found, structs.replace(winner, batch=32)) == structs.replace(found.base, batch=32)
