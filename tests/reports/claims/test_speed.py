"""Claims about speed and memory, on both sides of every boundary."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.phases import WHOLE
from bench.stats.verdicts import unpaired
from reports.claims import claims
from reports.claims.claim import Judgement, judged
from reports.claims.evidence import Setting
from reports.claims.speed import judge_gpu, judge_vgg
from reports.claims.stacks import judge_stacks, overall, tally
from reports.claims.timed_pairs import Compared
from reports.claims.two_gpus import CARD_BYTES, GIB, LiveMemory, judge_memory
from reports.summary.figures import Figure, ReadBack
from tests.planted import planted_records
from tests.planted.planted_claims import ON_CPU, ON_GPU, WOBBLE, evidence, timed

NOISY = (0.7, 1.0, 1.4)


def figure(seconds: float, wobble: tuple[float, ...] = WOBBLE) -> Figure:
    case = claims()["vgg-cost"].needs(ON_CPU)[0]
    return Figure(
        case=case,
        effective=ReadBack(),
        machine=("A",),
        phase="step",
        metric="wall_time",
        unit="s",
        median=seconds,
        interval=None,
        medians=tuple(seconds * factor for factor in wobble),
        replicates=tuple(range(1, len(wobble) + 1)),
        runs=(0,) * len(wobble),
        pairs=(None,) * len(wobble),
        samples=len(wobble),
        tags=(),
    )


def compared(name: str, speed_up: float, wobble: tuple[float, ...] = WOBBLE) -> Compared:
    """A new side that takes one second over the speed-up, a base that takes one."""
    base, new = figure(1.0, wobble), figure(1 / speed_up, tuple(reversed(wobble)))
    return Compared(name, unpaired(base.medians, new.medians), base, new)


FASTER, SLOWER = compared("a", 1.4), compared("b", 0.8)
EQUAL, OPEN = compared("c", 1.0), compared("d", 1.1, NOISY)


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([FASTER, FASTER], "true"),
        ([FASTER, OPEN], "true"),
        ([FASTER, OPEN, OPEN], "undecided"),
        ([EQUAL, OPEN, OPEN], "undecided"),
        ([FASTER, SLOWER, OPEN, OPEN, OPEN], "depends"),
        ([FASTER, SLOWER], "depends"),
        ([FASTER, EQUAL], "depends"),
        ([SLOWER, OPEN], "false"),
        ([EQUAL], "false"),
        ([OPEN], "undecided"),
    ],
)
def test_stacks_on_a_gpu_hold_where_all_that_is_decided_is_faster(rows: list[Compared], word: str) -> None:
    judgement = judge_stacks(rows, "cuda", 40)
    assert judgement.verdict == word
    assert tally(rows).word == word


def test_the_slower_stages_are_named_and_the_figure_is_the_geometric_mean() -> None:
    judgement = judge_stacks([compared("5x5 in conv1", 2.0), compared("7x7 in conv5", 0.5)], "cuda", 40)
    assert judgement.verdict == "depends"
    assert "(7x7 in conv5)" in judgement.reason
    assert judgement.figure == pytest.approx(1.0, rel=1e-3)
    assert judgement.low is not None
    assert judgement.low < 1 < (judgement.high or 0)


def test_a_processor_settles_nothing_about_gpus_but_its_figures_are_shown() -> None:
    judgement = judge_stacks([FASTER, FASTER], "cpu", 40)
    assert (judgement.verdict, judgement.need) == ("not tested", "a GPU")
    assert judgement.figure == pytest.approx(1.4, rel=1e-2)
    assert "On this CPU the claim is true" in judgement.reason


def test_one_false_word_among_many_rows_is_not_made() -> None:
    """A row that alone would be slower at 99% is not when it is one of forty made at once."""
    slower = compared("e", 0.93, (0.99, 1.0, 1.01))
    assert slower.verdict.verdict == "slower"
    assert tally([slower]).word == "false"
    many = tally([*[OPEN] * 39, slower])
    assert many.word == "undecided"
    assert "e" in many.undecided


def test_the_overall_speed_up_takes_a_process_against_its_like() -> None:
    """What slows a whole round down is on both sides: the ratios of the rounds are equal."""
    base, new = figure(2.0, (1.0, 1.5, 0.5)), figure(1.0, (1.0, 1.5, 0.5))
    row = Compared("x", unpaired(base.medians, new.medians), base, new)
    found = overall([row])
    assert (found.ratio, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_the_blocks_of_the_ablation_are_compared_stage_by_stage(tmp_path: Path) -> None:
    claim = claims()["factorise-speed"]
    cases = [case for case in claim.needs(ON_GPU) if case.replicate == 1 and case.precision == "fp32"]
    assert {(case.model, case.image) for case in cases if ":512:5x5" in case.model} == {
        ("block:512:5x5", 28),
        ("block:512:5x5", 14),
    }
    records = [
        record
        for case in cases
        for record in timed(case, 1.0 if "3x3" in case.model or case.image == 14 else 1.5)
    ]
    judgement = judged(claim, evidence(tmp_path, records, ON_GPU))
    assert judgement.verdict == "depends"
    assert "5x5 in conv5 at batch 1 fp32" in judgement.reason
    # 4 of 5 stages gain 1.5
    assert judgement.figure == pytest.approx(1.5**0.8, rel=1e-3)


@pytest.mark.parametrize(
    ("speed_ups", "word"),
    [
        ([501.0, 1999.0], "true"),
        ([499.0, 1000.0], "depends"),
        ([1000.0, 2001.0], "depends"),
        ([60.0, 240.0], "false"),
        ([2001.0], "false"),
        ([60.0, 1000.0], "depends"),
        ([], "not tested"),
    ],
)
def test_about_a_thousand_is_from_500_to_2000(speed_ups: list[float], word: str) -> None:
    rows = [compared(f"alexnet at batch {number}", gain, (1.0, 1.0)) for number, gain in enumerate(speed_ups)]
    judgement = judge_gpu(rows, ON_GPU)
    assert judgement.verdict == word
    if rows:
        assert judgement.figure == pytest.approx(max(speed_ups))


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([compared("a", 1000.0), compared("b", 1000.0)], "true"),
        ([compared("a", 510.0, NOISY)], "undecided"),
        ([compared("a", 490.0, NOISY)], "undecided"),
        ([compared("a", 1000.0), compared("b", 490.0, NOISY)], "undecided"),
        ([compared("a", 1000.0), compared("b", 10.0), compared("c", 490.0, NOISY)], "depends"),
        ([compared("a", 1000.0, (1.0,))], "undecided"),
    ],
)
def test_an_interval_over_the_border_of_a_thousand_settles_nothing(rows: list[Compared], word: str) -> None:
    assert judge_gpu(rows, ON_GPU).verdict == word


def test_the_threads_are_those_of_the_records_and_not_of_the_reader() -> None:
    elsewhere = structs.replace(ON_GPU, threads=64)
    assert "on the CPU with 2 threads" in judge_gpu([compared("a", 1000.0)], elsewhere).reason


def test_gpu_rows_are_compared_with_the_processor_beside_it(tmp_path: Path) -> None:
    claim = claims()["gpu-speedup"]
    cases = [case for case in claim.needs(ON_GPU) if case.replicate == 1 and case.workload == "inference"]
    seconds = {"cpu": 1.0, "cuda": 0.01}
    records = [
        record
        for case in cases
        if case.batch == 1
        for record in timed(case, seconds[case.device], phase="forward")
    ]
    judgement = judged(claim, evidence(tmp_path, records, ON_GPU))
    assert judgement.verdict == "false"
    assert judgement.figure == pytest.approx(100, rel=1e-2)
    assert "inference of alexnet at batch 1: 100" in judgement.reason


@pytest.mark.parametrize(
    ("step", "forward", "word"),
    [
        (15.0, 20.0, "true"),
        (2.1, 2.1, "true"),
        (15.0, 1.5, "depends"),
        (1.9, 1.9, "false"),
        (0.5, 0.5, "false"),
    ],
)
def test_far_more_expensive_is_twice_or_more(step: float, forward: float, word: str) -> None:
    rows = {"training": compared("step", step), "inference": compared("forward", forward)}
    judgement = judge_vgg(rows, 4, "cpu")  # type: ignore[arg-type]
    assert judgement.verdict == word
    assert judgement.figure == pytest.approx(step, rel=1e-2)
    assert judgement.low is not None
    assert judgement.low < step < (judgement.high or 0)


def test_an_interval_around_twice_settles_nothing() -> None:
    rows = {"training": compared("step", 2.0), "inference": compared("forward", 2.0)}
    assert judge_vgg(rows, 4, "cpu").verdict == "undecided"  # type: ignore[arg-type]


def test_a_workload_that_is_undecided_is_no_condition_on_which_it_depends() -> None:
    rows = {"training": compared("step", 15.0), "inference": compared("forward", 2.0, NOISY)}
    judgement = judge_vgg(rows, 4, "cpu")  # type: ignore[arg-type]
    assert judgement.verdict == "undecided"
    assert "An interval crosses the limit" in judgement.reason


def test_vgg_is_measured_against_alexnet(tmp_path: Path) -> None:
    claim = claims()["vgg-cost"]
    records = [
        record
        for case in claim.needs(ON_CPU)
        if case.replicate == 1
        for record in timed(case, 3.0 if case.model == "vgg16" else 0.2, phase=WHOLE[case.workload])
    ]
    judgement = judged(claim, evidence(tmp_path, records))
    assert judgement.verdict == "true"
    assert judgement.figure == pytest.approx(15.0, rel=1e-2)
    assert "21.7x the MACs and 2.3x the parameters" in judgement.reason


def memory(tensors: float, peak: float) -> Judgement:
    """Half of what is alive are weights, half saved activations."""
    kinds = {"weights": tensors / 2, "saved_activations": tensors / 2}
    return judge_memory(LiveMemory(when="then", kinds=kinds), peak, "cpu")


@pytest.mark.parametrize(
    ("tensors", "peak", "word"),
    [
        (1 * GIB, CARD_BYTES, "false"),
        (1 * GIB, CARD_BYTES + 1, "depends"),
        (CARD_BYTES, CARD_BYTES + 1, "depends"),
        (CARD_BYTES + 2, CARD_BYTES + 3, "true"),
    ],
)
def test_the_step_fits_by_its_peak_or_fails_by_what_is_alive(tensors: float, peak: float, word: str) -> None:
    judgement = memory(tensors, peak)
    assert judgement.verdict == word
    assert judgement.figure == pytest.approx(peak / GIB)


@pytest.mark.parametrize(
    ("ledger", "word"),
    [({}, "depends"), ({"weights": 1.0, "gradients": 0.5, "saved_activations": 1.6}, "true")],
)
def test_gradients_count_where_the_ledger_says_that_they_are_alive_at_the_peak(
    tmp_path: Path, ledger: dict[str, float], word: str
) -> None:
    """At their full size they prove nothing: they come as activations go."""
    claim = claims()["two-gpus"]
    [case] = claim.needs(ON_GPU)
    sizes = {"weights": 1.0, "gradients": 1.0}
    record = planted_records.record(
        case,
        planted_records.time("step", 1.0),
        *(planted_records.fact("model", kind, size * GIB) for kind, size in sizes.items()),
        planted_records.fact("forward", "saved_activations", 1.8 * GIB),
        *(planted_records.fact("backward", f"ledger_{kind}", size * GIB) for kind, size in ledger.items()),
        *([planted_records.fact("backward", "ledger_peak", 3.2 * GIB)] if ledger else []),
        planted_records.fact("step", "peak_allocated", 3.2 * GIB),
    )
    judgement = judged(claim, evidence(tmp_path, [record], ON_GPU))
    assert judgement.verdict == word
    assert ("at the peak, during backward" in judgement.reason) == bool(ledger)


@pytest.mark.parametrize(("setting", "metric"), [(ON_CPU, "peak_resident"), (ON_GPU, "peak_allocated")])
def test_the_memory_of_a_step_at_the_papers_batch(tmp_path: Path, setting: Setting, metric: str) -> None:
    claim = claims()["two-gpus"]
    [case] = claim.needs(setting)
    assert (case.model, case.batch, case.image) == ("alexnet-grouped", 128, 227)
    kinds = {"weights": 0.25, "gradients": 0.25, "optimizer_state": 0.25}
    record = planted_records.record(
        case,
        planted_records.time("step", 1.0),
        *(planted_records.fact("model", kind, size * GIB) for kind, size in kinds.items()),
        planted_records.fact("forward", "saved_activations", 1.0 * GIB),
        planted_records.fact("step", metric, 2.5 * GIB),
    )
    judgement = judged(claim, evidence(tmp_path, [record], setting))
    assert judgement.verdict == "false"
    assert judgement.figure == pytest.approx(2.5)
    assert "Alive at the end of forward" in judgement.reason
    assert "together 1.50" in judgement.reason
