"""A suite and options become cases: the product, each once, in an order that spreads drift and repeats."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from msgspec import structs

from bench import devices
from bench.plan import estimate, expand, feasibility, named_suites
from bench.plan.axes import Value
from bench.plan.suite import Suite
from bench.schema.case import PRECISIONS, Case, MeasurementProtocol
from bench.schema.record import Status
from models import catalogue
from tests.planted import planted_records

ONE = Suite(name="one", summary="", blocks=({"model": ("lenet5",)},), replicates=1)
TWO = Suite(
    name="two",
    summary="",
    blocks=(
        {"model": ("lenet5", "vgg11"), "batch": (1, 2)},
        {"model": ("vgg16",), "workload": ("training",), "batch": (4,)},
    ),
    replicates=2,
)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "auto", lambda: "cpu")


def test_an_absent_axis_takes_the_usual_value_and_the_networks_own_input() -> None:
    (case,) = expand.cases(ONE, {}, threads=3)
    assert case == Case(
        model="lenet5",
        workload="inference",
        device="cpu",
        precision="fp32",
        engine="eager",
        layout="nchw",
        batch=1,
        image=28,
        channels=1,
        classes=10,
        threads=3,
        seed=0,
        replicate=1,
    )


@pytest.mark.parametrize(
    ("model", "image", "channels", "classes"),
    [
        ("lenet5", 28, 1, 10),
        ("alexnet", 224, 3, 1000),
        ("alexnet-grouped", 227, 3, 1000),
        ("alexnet-96", 224, 1, 10),
        ("vgg-small", 224, 1, 10),
        ("vgg16", 224, 3, 1000),
        ("torchvision:resnet18", 224, 3, 1000),
    ],
)
def test_defaults_are_the_networks_own(model: str, image: int, channels: int, classes: int) -> None:
    (case,) = expand.cases(ONE, {"model": (model,)}, threads=1)
    assert (case.image, case.channels, case.classes) == (image, channels, classes)


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "auto", lambda: "cuda")
    assert [c.device for c in expand.cases(ONE, {}, threads=1)] == ["cuda"]
    assert [c.device for c in expand.cases(ONE, {"device": ("auto", "cuda", "cpu")}, threads=1)] == [
        "cuda",
        "cpu",
    ]


def test_whether_the_device_was_left_to_auto() -> None:
    assert expand.left_to_auto(ONE, {})
    assert expand.left_to_auto(ONE, {"device": ("cpu", "auto")})
    assert not expand.left_to_auto(ONE, {"device": ("cuda",)})
    named = structs.replace(ONE, blocks=({"model": ("lenet5",), "device": ("cuda", "cpu")},))
    assert not expand.left_to_auto(named, {})


def test_the_given_axes_multiply_with_the_main_block() -> None:
    given: dict[str, tuple[Value, ...]] = {
        "workload": ("inference", "training"),
        "precision": ("fp32", "bf16"),
        "layout": ("nchw", "channels-last"),
    }
    found = expand.cases(TWO, given, threads=1)
    product = itertools.product(("lenet5", "vgg11"), (1, 2), *given.values())
    assert Counter((c.model, c.batch, c.workload, c.precision, c.layout) for c in found) == Counter(product)


def test_a_given_axis_replaces_the_suites() -> None:
    found = expand.cases(TWO, {"batch": (64,)}, threads=1)
    assert {(c.model, c.batch) for c in found} == {("lenet5", 64), ("vgg11", 64)}


@pytest.mark.parametrize("modifier", expand.MODIFIERS)
def test_a_modifier_changes_every_block_and_adds_no_product_of_models(modifier: str) -> None:
    value: Value = {"device": "cpu", "input": "3x64x80"}.get(modifier, 64)
    found = expand.cases(TWO, {modifier: (value,)}, threads=1)
    assert all(getattr(c, modifier) == value for c in found)
    assert Counter((c.model, c.workload, c.batch) for c in found) == Counter(
        (c.model, c.workload, c.batch) for c in expand.cases(TWO, {}, threads=1)
    )


def test_each_case_is_planned_once_even_when_two_blocks_or_values_give_it() -> None:
    twice = structs.replace(TWO, blocks=(*TWO.blocks, *TWO.blocks))
    assert expand.cases(twice, {}, threads=1) == expand.cases(TWO, {}, threads=1)
    found = expand.cases(ONE, {"device": ("auto", "cpu")}, threads=1)
    assert len(found) == 1


def test_replicates_come_in_rounds_of_the_whole_plan() -> None:
    once = expand.cases(TWO, {"precision": PRECISIONS}, threads=1)
    ordered = expand.interleave_replicates(once, 5)
    rounds = [ordered[i : i + len(once)] for i in range(0, len(ordered), len(once))]
    assert [{c.replicate for c in round_} for round_ in rounds] == [{1}, {2}, {3}, {4}, {5}]
    for round_ in rounds:
        assert Counter(structs.replace(c, replicate=1) for c in round_) == Counter(once)


def test_rounds_are_in_random_orders_that_repeat() -> None:
    once = expand.cases(TWO, {"precision": PRECISIONS, "seed": (0, 1, 2)}, threads=1)
    ordered = expand.interleave_replicates(once, 3)
    orders = [[c.without_replicate() for c in ordered if c.replicate == r] for r in (1, 2, 3)]
    sorted_as_given = [c.without_replicate() for c in once]
    assert all(a != b for a, b in itertools.combinations([sorted_as_given, *orders], 2))
    assert expand.interleave_replicates(once, 3) == ordered
    assert expand.interleave_replicates(once, 2) == ordered[: 2 * len(once)]


def test_resuming_takes_what_is_missing_crashed_or_timed_out() -> None:
    states: list[Status | None] = [None, "ok", "oom", "timeout", "crashed", "skipped", "invalid"]
    planned = [Case(model="lenet5", seed=seed) for seed in range(len(states))]
    timed = planted_records.time("forward", 1.0)
    recorded = [
        planted_records.record(case, timed, status=state)
        for case, state in zip(planned, states, strict=True)
        if state is not None
    ]
    assert [states[c.seed] for c in feasibility.pending(planned, recorded)] == [None, "timeout", "crashed"]
    other = planted_records.record(Case(model="vgg11"), timed)
    assert feasibility.pending(planned, [other]) == planned


def test_resuming_takes_a_network_that_was_refused_before_it_was_measured() -> None:
    case = Case(model="net.py:build")
    refused = planted_records.record(case, status="invalid")
    measured = planted_records.record(case, status="ok")
    assert feasibility.pending([case], [refused]) == [case]
    assert feasibility.pending([case], [refused, measured]) == []


def test_ids_are_unique_and_file_names_too() -> None:
    given: dict[str, tuple[Value, ...]] = {
        "model": ("lenet5", "torchvision:resnet18"),
        "precision": PRECISIONS,
        "engine": ("eager", "compile"),
        "layout": ("nchw", "channels-last"),
        "batch": (1, 11),
        "image": (32, 64),
        "channels": (1, 3),
        "classes": (10, 100),
        "threads": (1, 2),
        "seed": (0, 1),
    }
    found = expand.interleave_replicates(expand.cases(ONE, given, threads=1), 2)
    assert len(found) == 2 * 6 * 2 * 2 * 2**6 * 2
    assert len({(c.id, c.replicate) for c in found}) == len(found)
    assert len({c.file_name for c in found}) == len(found)
    assert all("/" not in c.file_name and len(c.file_name) < 200 for c in found)


def test_a_model_name_cannot_leave_its_folder() -> None:
    name = Case(model="../../etc/x.py:make").file_name
    assert "/" not in name
    assert not name.startswith(".")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"precision": "tf32"}, "tf32 needs an NVIDIA GPU"),
        ({"engine": "cudagraph"}, "needs --device cuda"),
        ({"model": "vgg16", "image": 16}, "nothing is left"),
        ({"model": "torchvision:resnet18", "channels": 1}, "3 channels only"),
        (
            {"device": "cuda", "engine": "cudagraph", "workload": "training", "precision": "amp-fp16"},
            "GradScaler",
        ),
    ],
)
def test_contradictions_are_sentences(fields: dict[str, object], words: str) -> None:
    import msgspec

    case = msgspec.convert({"model": "lenet5", "image": 28, "channels": 1, **fields}, Case)
    assert words in (feasibility.why_impossible(case) or "")
    assert feasibility.why_impossible(Case(model="lenet5", image=28, channels=1, classes=10)) is None


PROTOCOL = MeasurementProtocol()


def seconds(replicates: int = 1, protocol: MeasurementProtocol = PROTOCOL, **fields: object) -> float:
    import msgspec

    given = {"model": "vgg16", "batch": 8, "threads": 2, **fields}
    case = msgspec.convert(given, Case)
    return estimate.estimate_seconds(expand.interleave_replicates([case], replicates), protocol)


def test_the_estimate_grows_with_the_work() -> None:
    one = seconds()
    later = seconds(replicates=2) - one  # without what one process says for all
    assert 0.5 * one < later < one - estimate.REPORT_SECONDS
    three = seconds(replicates=3)  # servers start in pairs, so every second process waits for one
    assert three > one + 2 * later
    assert seconds(replicates=5) == pytest.approx(2 * three - one)
    assert seconds(batch=64) > one
    assert seconds(workload="training") > one
    assert seconds(model="lenet5", image=28, channels=1) < one
    assert seconds(engine="compile") > one
    assert seconds(threads=1) > one
    assert seconds(device="cuda") < one
    assert seconds(protocol=structs.replace(PROTOCOL, sampling_seconds=600.0)) > one
    assert seconds(model="torchvision:resnet18") > 0
    assert seconds(model="vgg16+activation=tanh") == one
    assert estimate.estimate_seconds([], PROTOCOL) == 0


def test_the_estimate_is_linear_in_the_batch_where_the_least_samples_rule() -> None:
    """20 samples of a step that takes seconds: the batch decides alone, beyond what every case costs."""
    fixed = MeasurementProtocol(warmup_seconds=1e-6, warmup_limit_seconds=1e-6, sampling_seconds=1e-6)
    a, b, c = (seconds(protocol=fixed, batch=batch) for batch in (64, 128, 192))
    assert b - a == pytest.approx(c - b, rel=1e-6)


@pytest.mark.parametrize("model", catalogue.MODELS)
def test_every_network_of_ours_can_be_estimated(model: str) -> None:
    (case,) = expand.cases(ONE, {"model": (model,), "workload": ("training",)}, threads=2)
    assert 0 < estimate.estimate_seconds([case], PROTOCOL) < 3600


def test_slow_blocks_are_measured_once_unless_replicates_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "auto", lambda: "cuda")
    standard = named_suites.find("standard", "cuda")
    slow = {
        c
        for c in expand.cases(standard, {}, threads=2)
        if c.device == "cpu" or (c.batch, c.precision) in ((8, "fp32"), (64, "amp-fp16"))
    }
    assert set(expand.of_one_process(standard, {}, threads=2)) == slow
    counts = Counter(c.without_replicate() for c in expand.processes(standard, {}, threads=2))
    for case in expand.cases(standard, {}, threads=2):
        assert counts[case.without_replicate()] == (1 if case in slow else standard.replicates)
    three = Counter(c.without_replicate() for c in expand.processes(standard, {}, threads=2, replicates=3))
    assert set(three.values()) == {3}


def test_a_product_has_the_replicates_of_its_suite() -> None:
    quick = named_suites.find("quick", "cpu")
    given = {"model": ("lenet5",), "workload": ("training",), "device": ("cpu",)}
    assert [c.replicate for c in expand.processes(quick, given, threads=2)] == list(
        range(1, quick.replicates + 1)
    )
