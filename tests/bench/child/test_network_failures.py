"""Networks that are not "Tensor to Tensor" are measured rightly, or refused in a sentence with the cause."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from bench import devices
from bench.child import weights, worker
from bench.child.live_module import time_live
from bench.child.live_steps import LiveModule
from bench.child.network_failures import named_as_the_networks
from bench.child.output_agreement import compare_outputs
from bench.host import environment
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.job import Job
from bench.schema.record import Record
from bench.tensors import case_context
from models.errors import UserError
from models.user_imports import isolated_imports
from tests.planted import odd_networks

pytestmark = pytest.mark.slow

FILE = Path(odd_networks.__file__)
QUICK = MeasurementProtocol(
    warmup_steps=2,
    warmup_seconds=0.001,
    warmup_limit_seconds=0.1,
    min_samples=6,
    max_samples=6,
    sampling_seconds=0.01,
    energy_seconds=0,
)
SMALL = Case(model="", batch=8, image=16, channels=3, classes=10, threads=1)
NOISE = {"not-stationary", "drifting", "steal", "retaken", "contended"}
FORWARD, BACKWARD = 886_016, 887_296


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    with isolated_imports():
        yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def case_of(factory: str, workload: str = "training", **fields: Any) -> Case:
    named = {"model": f"{FILE}:{factory}", "workload": workload}
    return msgspec.structs.replace(SMALL, **named, **fields)


def measured(factory: str, workload: str = "training", **fields: Any) -> Record:
    job = Job(case=case_of(factory, workload, **fields), protocol=QUICK, environment=environment.describe())
    return worker.run(job, devices.get("cpu"))[0]


def figure(record: Record, phase: str, metric: str) -> float:
    return next(m.samples[0] for m in record.measurements if (m.phase, m.metric) == (phase, metric))


def labels(record: Record) -> dict[str, str]:
    return {warning.label: warning.detail for warning in record.warnings}


def refusal(factory: str, workload: str = "training", **fields: Any) -> str:
    with pytest.raises(UserError) as error:
        measured(factory, workload, **fields)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("workload", ["inference", "training"])
def test_a_train_and_a_to_that_return_nothing_change_nothing(workload: str) -> None:
    record = measured("forgetful", workload)
    assert record.status == "ok"
    assert figure(record, "model", "parameters") == 314
    assert figure(record, "forward", "flops") == FORWARD


@pytest.mark.parametrize("factory", ["as_dict", "two_heads", "as_distribution", "plain"])
def test_the_loss_takes_the_main_output_and_the_record_says_which(factory: str) -> None:
    record = measured(factory)
    told = labels(record)
    assert record.status == "ok"
    taken = {"as_dict": "out", "two_heads": "[0]"}.get(factory)
    expected = f"the loss takes {taken}, one of 2 tensors returned" if taken else None
    assert told.get("main-output") == expected
    # The auxiliary head has a weight and no gradient.
    assert figure(record, "model", "gradients") == 4 * 314
    assert figure(record, "model", "optimizer_state") == 4 * 314
    assert figure(record, "model", "weights") == 4 * (404 if factory == "two_heads" else 314)


def test_labels_are_below_the_number_of_outputs() -> None:
    record = measured("plain", classes=1000)
    assert record.status == "ok"
    assert labels(record)["other-classes"] == (
        "the network has 10 outputs, where --classes is 1,000: the labels lie below 10"
    )
    assert figure(record, "backward", "flops") == BACKWARD


def test_every_pixel_of_a_map_has_a_label() -> None:
    record = measured("segmentation", classes=21)
    assert record.status == "ok"
    assert not {"other-classes", "main-output"} & labels(record).keys()
    assert figure(record, "model", "inputs") == 8 * 16 * 16 * (3 * 4 + 8)


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("all_frozen", "nothing to train: all 4 parameter tensors are frozen"),
        ("without_parameters", "nothing to train: it has no parameters"),
        ("as_detached", "the loss depends on no parameter: the output has no gradient"),
        ("as_labels", "the network returns a tensor of int64 and shape (8,)"),
        ("as_nothing", "the network returns nothing (None)"),
        ("failing", "fails in training on a batch of shape (8, 3, 16, 16) in fp32: RuntimeError: mat1"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(factory: str, words: str) -> None:
    assert words in refusal(factory)


def test_a_failure_says_what_the_network_was_given(tmp_path: Path) -> None:
    """A user's own inputs are no images."""
    net = tmp_path / "net.py"
    net.write_text("def build(): ...\n")
    images, sequences = case_of("any", "inference"), case_of("any", "inference", input="64x4")
    for case in (images, sequences):
        case = msgspec.structs.replace(case, model=f"{net}:build")
        with pytest.raises(UserError) as told, named_as_the_networks(case):
            raise ValueError("no")
        shape = "(8, 3, 16, 16)" if case.input == "" else "(8, 64, 4)"
        assert f"{net}:build fails in inference on a batch of shape {shape} in fp32" in str(told.value)
    net.write_text("def build(): ...\ndef inputs(batch, device): ...\n")
    with pytest.raises(UserError) as told, named_as_the_networks(case):
        raise ValueError("no")
    assert "fails in inference on inputs(8, device) in fp32: ValueError: no" in str(told.value)


def test_an_operator_that_must_be_traced_says_which_engine_does_so() -> None:
    """torch.cond with weights from outside, in its own words."""
    case = msgspec.structs.replace(case_of("any", "training"), model="net.py:build")
    with pytest.raises(UserError, match="use --engine compile"), named_as_the_networks(case):
        raise AssertionError("Please convert all Tensors to FakeTensors first or instantiate")


def test_one_image_has_no_batch_statistics() -> None:
    sentence = refusal("normalised", batch=1)
    assert "it gives batch normalization a single value of each channel: use a larger --batch" in sentence
    assert measured("normalised", batch=2).status == "ok"


@pytest.mark.parametrize(
    ("factory", "parameters"),
    [("all_frozen", 314), ("without_parameters", 0), ("as_labels", 314), ("as_distribution", 314)],
)
def test_inference_needs_no_gradient_and_no_parameter(factory: str, parameters: int) -> None:
    record = measured(factory, "inference")
    assert record.status == "ok"
    assert figure(record, "model", "parameters") == parameters
    assert figure(record, "forward", "wall_time") > 0
    assert "non-finite-output" not in labels(record)


def test_inference_that_gives_nothing_is_refused() -> None:
    assert refusal("as_nothing", "inference").startswith("the network returns nothing (None)")


def test_a_frozen_backbone_has_gradients_and_momentum_of_the_head_alone() -> None:
    record = measured("frozen_backbone")
    assert figure(record, "model", "gradients") == figure(record, "model", "optimizer_state") == 4 * 90
    assert figure(record, "backward", "flops") == 1280


def test_an_output_that_is_not_finite_is_told() -> None:
    told = labels(measured("as_infinity", "inference"))
    assert told["non-finite-output"] == "80 of the 80 numbers of the output logits are not finite"
    assert "non-finite-output" not in labels(measured("plain", "inference"))


@pytest.mark.parametrize("workload", ["inference", "training"])
@pytest.mark.parametrize("factory", ["in_place", "hidden"])
def test_images_changed_in_place_are_fresh_at_each_step(factory: str, workload: str) -> None:
    """A hundred steps multiply what is left in place by 1e65."""
    case = case_of(factory, workload)
    device = devices.get("cpu")
    with case_context(case, "cpu"):
        _, steps, *_ = worker.prepare(case, device)
        images = steps.tensors()["inputs"][0]
        for _ in range(100):
            steps.setup()
            assert images.abs().max() < 10
            steps.step()
    assert steps.puts_back()
    assert [warning.label for warning in steps.warnings()] == ["changed-inputs"]


def test_what_leaves_its_images_alone_gets_no_copy() -> None:
    case = case_of("plain")
    _, steps, *_ = worker.prepare(case, devices.get("cpu"))
    for _ in range(3):
        steps.setup()
        steps.step()
    assert not steps.puts_back()
    assert steps.warnings() == []


@pytest.mark.parametrize(("precision", "width"), [("fp32", 4), ("bf16", 2)])
def test_complex_weights_stay_complex_and_whole_numbers_whole(precision: str, width: int) -> None:
    record = measured("spectral", precision=precision)
    assert record.status == "ok"
    assert figure(record, "model", "parameters") == 754
    assert figure(record, "model", "weights") == 432 * 8 + 8 * 8 + 314 * width
    real = {"fp32": "float32", "bf16": "bfloat16"}[precision]
    assert record.effective.precision["weights"] == ", ".join(sorted(["complex64", "int64", real]))


def test_the_numbers_of_complex_weights_are_kept() -> None:
    module = odd_networks.spectral()
    before = module.state_dict()["filter"].clone()
    weights.place(module, SMALL)
    after = module.state_dict()["filter"]
    assert torch.equal(after, before.to(torch.complex64))
    assert after.imag.abs().min() > 0


def test_weights_of_five_dimensions_have_a_layout_of_their_own() -> None:
    record = measured("volumes", layout="channels-last")
    assert record.status == "ok"
    assert figure(record, "forward", "flops") == FORWARD
    assert "channels_last_3d" in labels(record)["conv-layout"]
    module = odd_networks.volumes()
    weights.place(module, msgspec.structs.replace(SMALL, layout="channels-last"))
    assert module.state_dict()["conv.weight"].is_contiguous(memory_format=torch.channels_last_3d)


def test_a_layout_that_no_weight_can_have_is_told() -> None:
    assert "no weight has four dimensions" in labels(measured("lines", layout="channels-last"))["conv-layout"]
    assert "conv-layout" not in labels(measured("plain", layout="channels-last"))
    assert "conv-layout" not in labels(measured("lines"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_shared_weight_counts_once_and_stays_shared(precision: str) -> None:
    record = measured("tied", precision=precision)
    parameters = 768 * 768 + 768 * 10 + 10
    width = {"fp32": 4, "bf16": 2}[precision]
    assert figure(record, "model", "parameters") == parameters
    for metric in ("weights", "gradients", "optimizer_state"):
        assert figure(record, "model", metric) == width * parameters


@pytest.mark.parametrize("factory", ["as_dict", "as_distribution", "in_place", "volumes"])
def test_outputs_agree_with_themselves(factory: str) -> None:
    found = compare_outputs(case_of(factory, "inference"))
    assert (found.images, found.agreeing, found.relative_error) == (64, 64, 0)


def test_outputs_that_are_no_numbers_are_not_compared() -> None:
    with pytest.raises(UserError, match="not all outputs of fp32 are finite numbers"):
        compare_outputs(case_of("as_infinity", "inference"))


def test_lazy_layers_of_training_alone_take_their_shapes_from_the_whole_batch() -> None:
    record = measured("lazy_head")
    assert record.status == "ok"
    assert figure(record, "model", "parameters") == 404
    sentence = refusal("lazy_for_ever")
    assert sentence == "no call gives a shape to what is lazy: spare.weight, spare.bias"


def test_a_live_module_keeps_its_inputs_and_says_which_output_is_trained() -> None:
    images = torch.randn(8, 3, 16, 16)
    before = images.clone()
    found = time_live(LiveModule(odd_networks.in_place(), (images,)), QUICK)
    assert {warning.label for warning in found.warnings} - NOISE == {"changed-inputs"}
    assert torch.equal(images, before)
    trained = time_live(LiveModule(odd_networks.two_heads(), (images,), workload="training"), QUICK)
    details = [warning.detail for warning in trained.warnings if warning.label == "main-output"]
    assert details == ["the loss takes [0], one of 2 tensors returned"]
