"""The report of ablations: closed forms, pairs, reasons, verdicts and words, against known answers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.plan import ablations
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.phases import Phase
from bench.schema.record import Effective, Record
from bench.schema.training_task import TrainingTask
from bench.stats.estimates import Interval
from models.blocks import block_name
from models.kernel_stacks import predicted_ratio, single_cost, stack_cost
from reports import formats
from reports.ablations.ablations_report import build
from reports.ablations.explanation import Reason, TimedSide, heading, reason_in_words, why
from reports.ablations.phase_work import case_work
from reports.ablations.predictions import conditions, kernel_side
from reports.cells import Scalar
from reports.document import Document, Table
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.planted_learning import DIGITS, VGG, diverged, learned, seeds
from tests.planted.shown_cells import rows_of

SIZES = ablations.sizes("small")
SINGLE, LINEAR, ACTIVATED = "5x5", "3x3-3x3", "3x3-relu-3x3"
BLOCK = Case(
    model=block_name(64, SINGLE), workload="training", batch=8, image=56, channels=64, classes=64, threads=2
)
STEADY = (1.0, 1.0, 1.0)
WOBBLE = (0.98, 1.0, 1.02)


def block(layers: str, case: Case = BLOCK) -> Case:
    return structs.replace(case, model=block_name(case.channels, layers))


def steps(case: Case, seconds: float, wobble: Sequence[float] = STEADY, **more: object) -> list[Record]:
    """Processes whose forward takes a quarter of the step, and backward a half."""
    shares: dict[Phase, float] = {"forward": 0.25, "backward": 0.5, "optimizer": 0.05, "step": 1.0}
    warnings = more.get("warnings", ())
    assert isinstance(warnings, tuple)
    return [
        planted_records.record(
            structs.replace(case, replicate=number),
            *(planted_records.time(phase, share * seconds * factor) for phase, share in shares.items()),
            planted_records.fact("forward", "saved_activations", 2**20),
            planted_records.fact("step", "peak_resident", 3 * 2**20),
            warnings=warnings,
        )
        for number, factor in enumerate(wobble, start=1)
    ]


def inference(case: Case, seconds: float) -> list[Record]:
    return planted_records.replicates(structs.replace(case, workload="inference"), [seconds] * 3)


def report(folder: Path, name: str, *records: list[Record], plain_intervals: bool = False) -> Document:
    planted_records.write(folder, [record for some in records for record in some])
    return build(ablations.find(name, SIZES), [folder], plain_intervals=plain_intervals)


def table(document: Document, title: str) -> Table:
    return next(each for each in document.tables if each.title == title)


def found_words(document: Document, begin: str) -> str:
    """The paragraph under a table that begins so."""
    notes = (note for each in document.tables for note in each.notes)
    return next(note for note in notes if note.startswith(begin))


def rows(found: Table) -> list[dict[str, Scalar]]:
    return rows_of(found)


def flat(document: Document, metric: str, **fields: object) -> list[dict[str, object]]:
    chosen: list[dict[str, object]] = [{**row} for row in document.rows if row["metric"] == metric]
    return [row for row in chosen if all(row[field] == value for field, value in fields.items())]


# closed forms


@pytest.mark.parametrize("batch", [1, 8])
def test_the_facts_of_blocks_are_those_of_their_closed_form(batch: int) -> None:
    case = structs.replace(BLOCK, batch=batch)
    for layers, cost in (
        (SINGLE, single_cost(5, 64, 64, height=56, width=56)),
        (LINEAR, stack_cost(5, 64, 64, height=56, width=56)),
        (ACTIVATED, stack_cost(5, 64, 64, height=56, width=56)),
    ):
        found = case_work(block(layers, case))
        assert found.parameters == cost.parameters
        assert found.flops_forward == cost.flops
        assert found.work["backward"].flops == 2 * batch * cost.flops
        assert found.work["step"].flops == 3 * batch * cost.flops
        assert found.activation_bytes == 4 * batch * cost.activations


def test_bytes_are_counted_operator_by_operator() -> None:
    case = structs.replace(BLOCK, batch=2, image=4)
    image, weights = 2 * 64 * 4 * 4, 64 * (64 * 9 + 1)
    conv = 2 * image + weights
    relu = 2 * image
    found = case_work(block(ACTIVATED, case)).work
    assert found["forward"].bytes == 4 * (2 * conv + relu)
    # to the weight: input, output's gradient, weight's; to the input: output's, weight, input's
    assert found["backward"].bytes == 4 * (2 * (conv + conv) + 3 * image)
    assert found["optimizer"].bytes == 4 * 5 * 2 * weights
    assert found["step"].bytes == sum(found[phase].bytes for phase in ("forward", "backward", "optimizer"))


def test_the_first_layer_of_a_network_needs_no_gradient_of_its_input() -> None:
    case = Case(model="lenet5", workload="training", image=28, channels=1, classes=10)
    found = case_work(case)
    macs, first = 416_520, 6 * 28 * 28 * 25
    assert found.work["forward"].flops == 2 * macs
    assert found.work["backward"].flops == 2 * (2 * macs - first)


def test_half_precision_halves_activations_and_under_autocast_not_the_optimizer() -> None:
    fp32, amp, bf16 = (
        case_work(structs.replace(BLOCK, precision=precision)) for precision in ("fp32", "amp-bf16", "bf16")
    )
    assert 2 * amp.activation_bytes == 2 * bf16.activation_bytes == fp32.activation_bytes
    assert amp.work["optimizer"].bytes == fp32.work["optimizer"].bytes == 2 * bf16.work["optimizer"].bytes


def test_inference_has_a_forward_alone() -> None:
    assert list(case_work(structs.replace(BLOCK, workload="inference")).work) == ["forward"]


def test_the_kernel_of_a_block_is_its_largest() -> None:
    assert [kernel_side(block_name(64, layers)) for layers in ("11x11", LINEAR, "3x3-relu-1x1")] == [11, 3, 3]


# why


def side(name: str, seconds: float, flops: float, **more: float | bool) -> TimedSide:
    return TimedSide(name=name, seconds=seconds, flops=flops, bytes=more.pop("bytes", flops), **more)  # type: ignore[arg-type]


def narrow(base: TimedSide, new: TimedSide) -> Interval:
    ratio = new.seconds / base.seconds
    return Interval(ratio * 0.99, ratio * 1.01, "across-processes")


def said(base: TimedSide, new: TimedSide, **more: float | bool) -> str:
    return reason_in_words(why(base, new, narrow(base, new), **more))  # type: ignore[arg-type]


def test_a_ratio_near_the_prediction_needs_no_reason() -> None:
    base, new = side("5x5", 1.0, 100e9), side("stack", 0.74, 72e9)
    assert said(base, new) == "as predicted"


def test_an_interval_that_holds_the_prediction_says_nothing_more() -> None:
    base, new = side("5x5", 1.0, 100e9), side("stack", 0.9, 72e9)
    assert reason_in_words(why(base, new, Interval(0.7, 1.2, "across-processes"))) == "within noise"
    assert reason_in_words(why(base, new, None)) != "within noise"


def test_launches_come_before_all_that_the_device_did() -> None:
    base = side("5x5", 1.0, 100e9, is_launch_bound=True)
    new = side("stack", 1.4, 72e9, is_launch_bound=True)
    assert said(base, new) == "launch-bound: 5x5 and stack"
    alone = structs.replace(base, is_launch_bound=False)
    assert said(alone, new) == "launch-bound: stack"


def test_bytes_explain_where_they_fit_better_and_memory_was_busy() -> None:
    base = side("5x5", 1.0, 100e9, bytes=10e9)
    new = side("stack", 1.9, 72e9, bytes=20e9)
    found = said(base, new, best_bandwidth=12e9)
    assert found == "memory-bound: 2.00x the bytes, at 10.0 and 10.5 GB/s or more"
    # elsewhere in the run memory gave ten times as much: it was not the limit here
    assert "memory" not in said(base, new, best_bandwidth=120e9)
    # by the FLOPs it would be 0.72: 0.95 is nearer to that than to 2
    quicker = structs.replace(new, seconds=0.95)
    assert "memory" not in said(base, quicker, best_bandwidth=12e9)


def test_a_rate_beyond_all_other_kernels_suggests_another_algorithm() -> None:
    base = side("5x5", 1.0, 100e9, others_rate=90e9)
    new = side("stack", 0.36, 72e9, others_rate=150e9)
    found = said(base, new)
    assert found.startswith("another algorithm for stack? 200 GFLOP/s")
    assert found.endswith("other kernels at most 150")
    usual = structs.replace(new, others_rate=170e9)
    assert said(base, usual) == "lower FLOP/s for 5x5: 100 vs 200 GFLOP/s"


def test_else_the_side_that_computed_more_slowly_is_named() -> None:
    base, new = side("5x5", 1.0, 100e9), side("stack", 1.44, 72e9)
    assert said(base, new) == "lower FLOP/s for stack: 50.0 vs 100 GFLOP/s"
    assert said(base, new, tensor_cores=True).startswith("lower tensor-core FLOP/s for stack")


def test_reasons_are_counted_by_kind_and_side_whatever_their_names_and_figures() -> None:
    """A colon or a question mark in the name of a form is no end of anything."""
    base = side("a: 5x5?", 1.0, 100e9, others_rate=90e9)
    new = side("b: stack?", 0.36, 72e9, others_rate=150e9)
    found = why(base, new, narrow(base, new))
    assert (found.kind, found.side) == ("another algorithm", "b: stack?")
    assert heading(found) == "another algorithm for b: stack?"
    assert reason_in_words(found).startswith("another algorithm for b: stack?? 200 GFLOP/s")
    assert heading(Reason("within noise")) == reason_in_words(Reason("within noise")) == "within noise"


# blocks


def test_the_measured_ratio_stands_beside_the_predicted_one(tmp_path: Path) -> None:
    document = report(
        tmp_path,
        "kernels",
        steps(block(SINGLE), 1.0),
        steps(block(LINEAR), 0.9),
        steps(block(ACTIVATED), 1.2, WOBBLE),
    )
    linear, activated = rows(table(document, "Kernels, blocks: 5x5"))
    assert linear["new"] == "3x3 stack"
    assert linear["stage"] == "64 channels, 56 px"
    assert linear["predicted"] == f"{float(predicted_ratio(5, 64, 64)):.3f}x" == "0.720x"
    assert str(linear["step"]).startswith("0.900x ±")
    assert str(activated["step"]).startswith("1.2")
    [row] = flat(document, "training step", form="3x3 stack")
    assert row["ratio"] == pytest.approx(0.9)
    assert row["predicted"] == pytest.approx(0.72, rel=1e-3)
    assert (row["base"], row["new"]) == (1.0, pytest.approx(0.9))
    assert (row["base_processes"], row["new_processes"]) == (3, 3)


def test_the_plain_interval_of_a_ratio_is_welchs_over_processes(tmp_path: Path) -> None:
    from scipy import stats

    document = report(
        tmp_path,
        "kernels",
        steps(block(SINGLE), 1.0, WOBBLE),
        steps(block(LINEAR), 0.8, WOBBLE),
        plain_intervals=True,
    )
    [row] = flat(document, "training step")
    logs = [math.log(value) for value in WOBBLE]
    known = stats.ttest_ind([math.log(0.8) + log for log in logs], logs, equal_var=False)
    low, high = known.confidence_interval(0.95)
    assert row["low"] == pytest.approx(math.exp(low))
    assert row["high"] == pytest.approx(math.exp(high))
    assert row["interval"] == "across-processes"


def test_the_interval_of_a_ratio_has_the_moderated_variances_of_both_sides(tmp_path: Path) -> None:
    from scipy import stats

    sides = steps(block(SINGLE), 1.0, WOBBLE), steps(block(LINEAR), 0.8, WOBBLE)
    [row] = flat(report(tmp_path, "kernels", *sides), "training step")
    figures = [figure for figure in summarise([tmp_path]).figures if figure.phase == "step"]
    parts = [figure.interval.parts for figure in figures if figure.interval and figure.interval.parts]
    variances = [
        max(
            each.floor_sd**2,
            (each.prior_freedom * each.prior_sd**2 + (len(WOBBLE) - 1) * float(each.own_sd or 0) ** 2)
            / (each.prior_freedom + len(WOBBLE) - 1),
        )
        for each in parts
    ]
    assert len(variances) == 2
    # equal sides: Satterthwaite's freedom is that of both, and the prior counts once
    freedom = parts[0].prior_freedom + 2 * (len(WOBBLE) - 1)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(variances) / len(WOBBLE))
    assert row["low"] == pytest.approx(0.8 * math.exp(-half))
    assert row["high"] == pytest.approx(0.8 * math.exp(half))
    assert row["interval"] == "across-processes"


def test_what_stands_behind_a_ratio_is_closed_form_over_time(tmp_path: Path) -> None:
    document = report(tmp_path, "kernels", steps(block(SINGLE), 2.0), steps(block(LINEAR), 1.0))
    base, new = rows(table(document, "Kernels, blocks: 5x5: cost and speed"))
    flops = 3 * 8 * single_cost(5, 64, 64, height=56, width=56).flops
    assert base["model"] == "block:64:5x5"
    assert base["parameters"] == 64 * 64 * 25 + 64
    assert base["step GFLOPs"] == pytest.approx(flops / 1e9)
    assert base["step GFLOP/s"] == pytest.approx(flops / 2.0 / 1e9)
    assert base["forward GFLOP/s"] == pytest.approx(flops / 3 / 0.5 / 1e9)
    assert base["activations (MiB)"] == pytest.approx(4 * 8 * 64 * 56 * 56 / 2**20)
    assert new["activations (MiB)"] == pytest.approx(2 * 4 * 8 * 64 * 56 * 56 / 2**20)
    assert new["saved (MiB)"] == 1.0


def test_only_what_was_measured_alike_is_compared(tmp_path: Path) -> None:
    other = structs.replace(planted_records.MACHINE, cpu="Another CPU")
    elsewhere = [structs.replace(record, environment=other) for record in steps(block(LINEAR), 0.5)]
    tf32 = [
        structs.replace(record, effective=Effective(precision={**record.effective.precision, "conv": "tf32"}))
        for record in steps(block(ACTIVATED), 0.5)
    ]
    document = report(
        tmp_path,
        "kernels",
        steps(block(SINGLE), 1.0),
        steps(structs.replace(block(LINEAR), batch=1), 0.5),
        steps(structs.replace(block(LINEAR), precision="bf16"), 0.5),
        steps(structs.replace(block(LINEAR), layout="channels-last"), 0.5),
        elsewhere,
        tf32,
    )
    assert not document.rows
    assert not [each for each in document.tables if each.title.startswith("Kernels")]


def test_the_stages_of_512_channels_are_two(tmp_path: Path) -> None:
    fourth = structs.replace(BLOCK, channels=512, classes=512, image=7)
    fifth = structs.replace(fourth, image=4)
    records = [
        *(steps(block(SINGLE, stage), 1.0) for stage in (fifth, fourth)),
        steps(block(LINEAR, fourth), 0.8),
        steps(block(LINEAR, fifth), 0.6),
    ]
    found = rows(table(report(tmp_path, "kernels", *records), "Kernels, blocks: 5x5"))
    assert [(row["stage"], str(row["step"]).split()[0]) for row in found] == [
        ("512 channels, 7 px", "0.800x"),
        ("512 channels, 4 px", "0.600x"),
    ]


def test_blocks_are_put_into_words_by_their_figures(tmp_path: Path) -> None:
    batch_1 = structs.replace(BLOCK, batch=1)
    document = report(
        tmp_path,
        "kernels",
        *(steps(block(SINGLE, case), 1.0) for case in (BLOCK, batch_1)),
        steps(block(LINEAR), 0.72),
        steps(block(LINEAR, batch_1), 1.44),
        steps(block(ACTIVATED), 0.90),
        steps(block(ACTIVATED, batch_1), 1.44),
    )
    words = found_words(document, "3x3 stack instead of 5x5")
    assert "takes 0.72x to 1.4x the time (geometric mean of 2 comparisons: 1.0x), predicted 0.72x. " in words
    assert "1 faster" in words
    assert "1 slower" in words
    assert (
        "Lowest: 0.72x (64 channels, 56 px, batch 8). Highest: 1.4x (64 channels, 56 px, batch 1)." in words
    )
    assert words.endswith("Compared with the prediction: 1 lower FLOP/s for 3x3 stack, 1 as predicted.")
    relu = found_words(document, "The ReLU inside the stack for 5x5")
    assert relu.endswith("changes the step time to 1.0x to 1.2x (geometric mean 1.1x).")


def test_the_plot_of_a_kernel_has_the_prediction_dashed_beside_each_batch(tmp_path: Path) -> None:
    second = structs.replace(BLOCK, channels=128, classes=128, image=28)
    document = report(
        tmp_path,
        "kernels",
        *(
            steps(block(layers, case), seconds)
            for case in (BLOCK, second)
            for layers, seconds in ((SINGLE, 1.0), (LINEAR, 0.8))
        ),
    )
    [plot] = document.plots
    measured, by_flops = plot.series
    assert (measured.label, measured.x, measured.y) == ("3x3 stack, batch 8", (1.0, 2.0), (0.8, 0.8))
    assert by_flops.dashed
    assert by_flops.y == pytest.approx((0.72, 0.72), rel=1e-3)
    assert [each.title for each in document.tables if plot in document.plots_under(each)] == [
        "Kernels, blocks: 5x5"
    ]


def test_the_reasons_of_a_run_come_from_its_own_best_rates(tmp_path: Path) -> None:
    # the 7x7 does 49/25 of the work in the same time: nearly twice the rate of the 5x5
    stack = "3x3-3x3-3x3"
    document = report(
        tmp_path, "kernels", steps(block(SINGLE), 1.0), steps(block("7x7"), 1.0), steps(block(stack), 1.0)
    )
    [row] = rows(table(document, "Kernels, blocks: 7x7"))
    assert str(row["why"]).startswith("another algorithm for 7x7?")
    launch = report(
        tmp_path / "launch",
        "kernels",
        steps(block("7x7"), 1.0),
        steps(block(stack), 1.0, warnings=(CaseWarning("launch-bound", "host time is 1.2 x device time"),)),
    )
    [row] = rows(table(launch, "Kernels, blocks: 7x7"))
    assert row["why"] == "launch-bound: 3x3 stack"


def test_rates_are_compared_under_the_same_conditions_only() -> None:
    assert conditions(BLOCK) == conditions(structs.replace(BLOCK, batch=1, image=7, model="block:64:7x7"))
    assert conditions(BLOCK) != conditions(structs.replace(BLOCK, precision="bf16"))


# networks

SMALL = Case(model="vgg-small", workload="training", batch=32, image=32, channels=1, classes=10, threads=2)


def variant(change: str, case: Case = SMALL) -> Case:
    return structs.replace(case, model=f"{case.model}+{change}")


def test_a_network_is_compared_with_itself_in_time_and_memory(tmp_path: Path) -> None:
    document = report(
        tmp_path,
        "depth",
        steps(SMALL, 1.0),
        inference(SMALL, 0.2),
        steps(variant("depth=16"), 1.5),
        inference(variant("depth=16"), 0.3),
        plain_intervals=True,
    )
    base, deeper = rows(table(document, "Depth: speed"))
    _, cost = rows(table(document, "Depth: cost"))
    assert (base["form"], base["step"], base["time (ms)"]) == ("11", None, "1,000 ±0%")
    assert deeper["form"] == "16"
    assert deeper["inference"] == "1.500x ±0%"
    assert deeper["step"] == "1.500x ±0%"
    assert (cost["saved"], cost["peak"]) == ("1.000x", "1.000x")
    assert deeper["predicted"] == "1.373x"
    words = found_words(document, "Depth, VGG-small, base 11")
    assert "16: step time 1.500x (1.500x to 1.500x) (predicted 1.4x)" in words


def test_a_ratio_that_is_not_resolved_is_no_number_in_words(tmp_path: Path) -> None:
    wild = (0.5, 1.0, 2.0)
    document = report(
        tmp_path, "depth", steps(SMALL, 1.0, wild), steps(variant("depth=16"), 1.5, tuple(reversed(wild)))
    )
    words = found_words(document, "Depth, VGG-small, base 11")
    assert "16: step time not resolved (" in words
    assert "1.500x" not in words


def test_a_network_that_was_timed_in_inference_alone_has_a_row_too(tmp_path: Path) -> None:
    document = report(
        tmp_path, "norm", inference(SMALL, 0.2), inference(variant("norm=lrn"), 0.5), plain_intervals=True
    )
    base, lrn = rows(table(document, "Norm: speed"))
    assert lrn["inference"] == "2.500x ±0%"
    assert "step" not in lrn
    assert base["time (ms)"] == "200.0 ±0%"


# accuracy


def small_recipe(**fields: object) -> Case:
    recipe = structs.replace(DIGITS.recipe, name="quick", **fields)
    return structs.replace(VGG, task=TrainingTask(dataset="digits", recipe=recipe))


PLAIN = small_recipe(init="he")


def test_accuracies_are_judged_seed_by_seed_against_the_base(tmp_path: Path) -> None:
    document = report(
        tmp_path,
        "activation",
        seeds(PLAIN, (0.95, 0.96, 0.97)),
        seeds(variant("activation=tanh", PLAIN), (0.90, 0.91, 0.92), rate=50.0),
    )
    base, tanh = rows(table(document, "Activation: accuracy"))
    assert base["form"] == "relu"
    assert base["difference (points)"] is None
    assert str(base["test accuracy (%)"]).startswith("96")
    assert str(tanh["difference (points)"]).startswith("-5.0")
    assert tanh["verdict"] == "lower"
    assert tanh["gap (points)"] == "0.50"
    assert tanh["step"] == "2.000x ±0%"
    [row] = flat(document, "test accuracy")
    assert row["difference"] == pytest.approx(-0.05)
    assert row["new_gap"] == pytest.approx(0.005)
    words = found_words(document, "Activation, VGG-small, base relu")
    assert "tanh: test accuracy -5.0" in words
    assert "lower" in words


def test_forms_that_only_guess_are_not_called_equivalent(tmp_path: Path) -> None:
    document = report(
        tmp_path,
        "activation",
        seeds(PLAIN, (0.100, 0.101, 0.102)),
        seeds(variant("activation=tanh", PLAIN), (0.101, 0.102, 0.100)),
    )
    _, tanh = rows(table(document, "Activation: accuracy"))
    assert (tanh["verdict"], tanh["reason"]) == ("inconclusive", "neither side learned more than guessing")


def test_recipes_are_told_apart_by_the_field_that_is_compared(tmp_path: Path) -> None:
    # all of these are in one folder, and only he against xavier and no crops against crops are pairs
    crop = small_recipe(init="he", augment=("crop",))
    xavier = small_recipe(init="xavier")
    both = small_recipe(init="xavier", augment=("crop",), lr=0.5)
    records = [seeds(case, (0.9, 0.91, 0.92)) for case in (PLAIN, crop, xavier, both)]
    init = report(tmp_path / "init", "init", *records)
    assert [row["form"] for row in rows(table(init, "Init: accuracy"))] == ["he", "xavier"]
    augmentation = report(tmp_path / "augmentation", "augmentation", *records)
    assert [row["form"] for row in rows(table(augmentation, "Augmentation: accuracy"))] == ["off", "crop"]
    assert any("mirrored digits are no digits" in text for text in augmentation.text)
    activation = report(tmp_path / "activation", "activation", *records)
    assert not activation.rows


def test_a_form_that_diverged_is_in_no_mean(tmp_path: Path) -> None:
    sigmoid = variant("activation=sigmoid", PLAIN)
    document = report(
        tmp_path,
        "activation",
        seeds(PLAIN, (0.95, 0.96, 0.97)),
        [learned(sigmoid, (0.5, 0.6)), diverged(sigmoid, 2), diverged(sigmoid, 3)],
    )
    _, row = rows(table(document, "Activation: accuracy"))
    assert row["verdict"] == "diverged"
    assert row.get("difference (points)") is None
    assert row["seeds"] == "2 of 3 diverged"
    assert row["reason"] == "sigmoid: 2 of 3 seeds diverged"


def test_the_plot_of_accuracy_has_a_named_point_for_each_form(tmp_path: Path) -> None:
    document = report(
        tmp_path,
        "dropout",
        seeds(PLAIN, (0.95, 0.96, 0.97)),
        seeds(variant("dropout=0", PLAIN), (0.90, 0.91, 0.92), rate=50.0),
    )
    [plot] = document.plots
    assert [series.names for series in plot.series] == [("0.5",), ("0",)]
    assert [series.y[0] for series in plot.series] == pytest.approx([96.0, 91.0])
    # 4 epochs of 1000 images, at 100 and at 50 images/s
    assert [series.x for series in plot.series] == [(40.0,), (80.0,)]


# the whole


def test_a_note_stands_under_the_first_of_its_tables_only(tmp_path: Path) -> None:
    document = report(
        tmp_path,
        "all",
        seeds(PLAIN, (0.95, 0.96, 0.97)),
        *(seeds(variant(change, PLAIN), (0.9, 0.91, 0.92)) for change in ("dropout=0", "activation=tanh")),
    )
    notes = [note for each in document.tables for note in each.notes]
    assert len(set(notes)) == len(notes)
    assert [each.title for each in document.tables if each.title.endswith("accuracy")] == [
        "Activation: accuracy",
        "Dropout: accuracy",
    ]


def test_every_form_of_output_has_the_rows(tmp_path: Path) -> None:
    document = report(
        tmp_path,
        "all",
        steps(block(SINGLE), 1.0),
        steps(block(LINEAR), 0.9),
        seeds(PLAIN, (0.95, 0.96, 0.97)),
        seeds(variant("dropout=0", PLAIN), (0.9, 0.91, 0.92)),
    )
    read = json.loads(formats.render("json", document))["rows"]
    assert read == [dict(row) for row in document.rows]
    assert {row["ablation"] for row in read} == {"kernels", "dropout"}
    assert len(formats.render("csv", document).splitlines()) == 1 + len(read)
    for format_ in ("md", "terminal"):
        assert "5x5" in formats.render(format_, document)


def test_records_of_other_things_make_an_empty_report(tmp_path: Path) -> None:
    document = report(tmp_path, "all", planted_records.example())
    assert not document.rows
    assert not document.plots
    assert summarise([tmp_path]).figures, "there was something to read"
