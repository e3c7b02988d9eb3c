"""A module of the caller's, timed in this process: figures that are known, and everything left as it was."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

import convbench
from bench.child.live_module import time_live
from bench.child.live_steps import LiveModule
from bench.devices.fake import FakeDevice
from bench.schema.case import MeasurementProtocol

IMAGES = torch.randn(4, 3, 8, 8)
QUICK: dict[str, Any] = {"target_ci": 0.5, "sampling_seconds": 0.05, "progress": False}


class Sleeping(nn.Module):
    """A step that lasts, and that takes its own time."""

    def __init__(self) -> None:
        super().__init__()
        self.durations: list[float] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        began = time.perf_counter()
        time.sleep(0.02)
        self.durations.append(time.perf_counter() - began)
        return images


class Launching(nn.Module):
    """Work of a known length on a device whose clock is simulated."""

    def __init__(self, device: FakeDevice) -> None:
        super().__init__()
        self.device = device

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.device.launch(host_seconds=0.001, device_seconds=0.004)
        return images


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.ReLU(inplace=True),
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(144, 5),
    )


def test_a_module_that_sleeps_takes_as_long_as_it_sleeps() -> None:
    """By its own clock, since a busy machine wakes it late."""
    module = Sleeping()
    found = convbench.measure(module, IMAGES, target_ci=0.05, progress=False)
    sampled = module.durations[-len(found.samples) :]
    assert found.median == pytest.approx(statistics.median(sampled), rel=0.03)
    assert found.low is not None
    assert found.high is not None
    assert 0.02 <= found.low <= found.median <= found.high
    assert found.median == statistics.median(found.samples)
    assert (found.unit, found.scope, found.device, found.workload) == (
        "s",
        "within-process",
        "cpu",
        "inference",
    )
    assert found.invalid is None


def test_planted_times_are_found_by_every_clock() -> None:
    device = FakeDevice()
    live = LiveModule(Launching(device), (IMAGES,))
    found = time_live(live, MeasurementProtocol(), device=device)
    medians = {
        each.metric: statistics.median(each.samples)
        for each in found.measurements
        if each.metric.endswith("_time")
    }
    assert medians == pytest.approx({"device_time": 0.004, "wall_time": 0.004, "host_time": 0.001}, rel=0.11)


def test_training_has_the_phases_of_a_step() -> None:
    found = convbench.measure(network(), IMAGES, workload="training", **QUICK)
    assert [each.phase for each in found.times] == ["forward", "backward", "optimizer", "step"]
    assert found.median == found.times[-1].median


@pytest.mark.parametrize("workload", ["inference", "training"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_module_and_the_process_are_left_as_they_were(workload: Any, fails: bool) -> None:
    module, images = network(), IMAGES.clone()
    module[2].eval()
    module[1].weight.grad = torch.ones_like(module[1].weight)
    kept = module[1].weight.grad
    before = {name: value.clone() for name, value in module.state_dict().items()}
    modes = [each.training for each in module.modules()]
    random_state, python_state = torch.get_rng_state(), random.getstate()
    wrong = {"loss": lambda outputs: "no number"} if workload == "training" else {"precision": "amp-fp16"}
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            if fails and workload == "training":
                with pytest.raises(convbench.UserError):
                    convbench.measure(module, images, workload=workload, **wrong, **QUICK)
            elif fails:
                with pytest.raises(convbench.UserError):
                    convbench.measure(module, images[:, :1], workload=workload, **QUICK)
            else:
                convbench.measure(module, images, workload=workload, **QUICK)
            assert not torch.is_grad_enabled()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    after = module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert [each.training for each in module.modules()] == modes
    assert module[1].weight.grad is kept
    assert torch.equal(kept, torch.ones_like(kept))
    assert module[5].weight.grad is None
    assert torch.equal(images, IMAGES)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert random.getstate() == python_state


def test_a_training_step_really_learns_while_it_is_measured() -> None:
    """What is put back afterwards was changed before: the optimizer's work is in the step."""
    module = network()
    seen: list[torch.Tensor] = []

    def loss(outputs: torch.Tensor) -> torch.Tensor:
        seen.append(module[5].weight.detach().clone())
        return outputs.square().mean()

    convbench.measure(module, IMAGES, workload="training", loss=loss, **QUICK)
    assert not torch.equal(seen[0], seen[-1])


def test_inference_is_in_eval_mode_without_gradients_and_training_is_not() -> None:
    seen: set[tuple[bool, bool]] = set()

    class Watching(nn.Linear):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            seen.add((self.training, torch.is_grad_enabled()))
            return super().forward(values)

    with torch.inference_mode():
        convbench.measure(Watching(4, 3), torch.ones(2, 4), **QUICK)
    assert seen == {(False, False)}
    with torch.no_grad():
        convbench.measure(Watching(4, 3), torch.ones(2, 4), workload="training", **QUICK)
    assert (True, True) in seen


def test_autocast_is_what_was_asked_for_whatever_the_caller_is_in() -> None:
    seen: set[torch.dtype] = set()
    module = nn.Linear(4, 3)
    module.register_forward_hook(lambda _, inputs, output: seen.add(output.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        convbench.measure(module, torch.ones(2, 4), **QUICK)
    assert seen == {torch.float32}


def test_arguments_go_as_a_tuple_and_keywords_as_a_dict() -> None:
    class Adding(nn.Module):
        def forward(self, left: torch.Tensor, right: torch.Tensor, scale: float = 1.0) -> dict[str, Any]:
            return {"sum": left + scale * right, "scale": scale}

    ones = torch.ones(3)
    assert convbench.measure(Adding(), (ones, ones), **QUICK).median > 0
    assert convbench.measure(Adding(), {"left": ones, "right": ones, "scale": 2.0}, **QUICK).median > 0


def test_an_object_that_holds_tensors_is_an_output() -> None:
    @dataclass
    class Output:
        logits: torch.Tensor

    class Wrapping(nn.Module):
        def forward(self, images: torch.Tensor) -> Output:
            return Output(images)

    assert convbench.measure(Wrapping(), IMAGES, **QUICK).median > 0


def test_targets_go_to_the_loss() -> None:
    targets = torch.zeros(4, dtype=torch.long)
    seen: list[torch.Tensor] = []

    def loss(outputs: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        seen.append(wanted)
        return nn.functional.cross_entropy(outputs, wanted)

    convbench.measure(network(), IMAGES, workload="training", loss=loss, targets=targets, **QUICK)
    assert all(torch.equal(wanted, targets) for wanted in seen)
    convbench.measure(network(), IMAGES, workload="training", targets=targets, **QUICK)


class Answering(nn.Module):
    """Returns what it is told to."""

    def __init__(self, answer: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.answer = answer

    def forward(self, images: torch.Tensor) -> Any:
        return self.answer(images * self.weight)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda scores: scores.mean(), "the output is one number: it is the loss"),
        (lambda scores: (scores.detach(), scores), "the loss takes [1], one of 2 tensors returned"),
    ],
)
def test_the_loss_is_that_of_a_run(answer: Callable[[torch.Tensor], Any], told: str) -> None:
    """A network may return its loss, and gradients go through the output that has some."""
    found = convbench.measure(Answering(answer), IMAGES, workload="training", **QUICK)
    assert f"main-output: {told}" in found.warnings
    assert found.invalid is None


def frozen() -> Any:
    return network().requires_grad_(False)


@pytest.mark.parametrize(
    ("module", "inputs", "options", "words"),
    [
        (lambda: "net", IMAGES, {}, "str is no torch.nn.Module"),
        (lambda: network().to("meta"), IMAGES, {}, "the device meta has shapes and no data"),
        (lambda: nn.LazyBatchNorm2d(), IMAGES, {}, "the module is lazy and has no shapes yet: call it once"),
        (network, IMAGES.to("meta"), {}, "the device meta has shapes and no data"),
        (
            network,
            torch.ones(4, 1, 8, 8),
            {},
            "Sequential cannot be measured with these inputs: RuntimeError: ",
        ),
        (network, (IMAGES, IMAGES), {}, "cannot be measured with these inputs: TypeError: "),
        (network, "images", {}, "cannot be measured with these inputs"),
        (
            lambda: Answering(lambda images: "text"),
            IMAGES,
            {},
            "of type str without a tensor",
        ),
        (lambda: Answering(lambda images: None), IMAGES, {}, "returns nothing (None)"),
        (
            lambda: Answering(lambda images: [1]),
            IMAGES,
            {"workload": "training"},
            "an object of type list without a tensor",
        ),
        (
            lambda: Answering(lambda images: images.sum((1, 2, 3))),
            IMAGES,
            {"workload": "training"},
            "not of a tensor of shape (4,) and float32: give",
        ),
        (network, IMAGES, {"workload": "training", "loss": lambda outputs: 1.0}, "the loss is a float: give"),
        (network, IMAGES, {"workload": "training", "loss": torch.square}, "the loss is a tensor of shape"),
        (
            network,
            IMAGES,
            {"workload": "training", "loss": lambda outputs: outputs.detach().sum()},
            "without a gradient",
        ),
        (
            frozen,
            IMAGES,
            {"workload": "training"},
            "all 6 parameter tensors are frozen",
        ),
        (network, IMAGES, {"workload": "train"}, "Did you mean 'training'"),
        (network, IMAGES, {"loss": torch.sum}, "loss and targets are for workload='training'"),
        (network, IMAGES, {"targets": torch.ones(4)}, "loss and targets are for workload='training'"),
        (network, IMAGES, {"engine": "compiled"}, "Did you mean 'compile'"),
        (network, IMAGES, {"engine": "cudagraph"}, "needs --device cuda"),
        (network, IMAGES, {"precision": "fp23"}, "Did you mean 'fp32'"),
        (network, IMAGES, {"precision": "bf16"}, "precision bf16 changes weights"),
        (network, IMAGES, {"target_ci": 0.0}, "target-ci must be a number above 0"),
        (network, IMAGES, {"sampling_seconds": -1.0}, "sampling_seconds must be a number above 0"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    module: Callable[[], Any], inputs: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(convbench.UserError) as error:
        convbench.measure(module(), inputs, **{**QUICK, **options})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_compiled_module_is_measured_as_such() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    found = convbench.measure(module, torch.ones(2, 4), engine="compile", **QUICK)
    assert found.invalid is None
    assert found.engine == "compile"
    assert not any("peak" in warning for warning in found.warnings)


@pytest.mark.cuda
def test_a_module_on_a_gpu_has_three_clocks_and_inputs_elsewhere_are_named() -> None:
    module = network().cuda()
    found = convbench.measure(module, IMAGES.cuda(), **QUICK)
    assert {each.clock for each in found.times} == {"device_time", "wall_time", "host_time"}
    assert found.device == "cuda"
    state = torch.cuda.get_rng_state()
    trained = convbench.measure(module, IMAGES.cuda(), workload="training", precision="amp-fp16", **QUICK)
    assert [each.phase for each in trained.times[:4]] == ["forward", "backward", "optimizer", "step"]
    assert torch.equal(torch.cuda.get_rng_state(), state)
    with pytest.raises(convbench.UserError, match="the module is on cuda:0, an input on cpu: move it there"):
        convbench.measure(module, IMAGES, **QUICK)


def test_the_result_reads_well_in_a_terminal_and_in_a_notebook() -> None:
    class Sandwich(nn.Identity):
        pass

    Sandwich.__name__ = "<b>Sandwich</b>"
    found = convbench.measure(Sandwich(), IMAGES, **QUICK)
    text, page = str(found), found._repr_html_()
    assert "| forward | wall " in text
    assert "in this process; another process may differ by more" in text
    assert "<td>forward</td><td>wall</td>" in page
    assert "&lt;b&gt;Sandwich&lt;/b&gt;, inference, cpu" in page
    assert "<b>Sandwich" not in page
    assert len(repr(found)) < 200, "an echo at a prompt shows no samples"
    assert f"{len(found.samples)} samples" in repr(found)


def test_a_torchscript_module_is_measured_and_left_as_it_was() -> None:
    module = torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = convbench.measure(module, torch.randn(4, 8), workload="training", **QUICK)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert any("the network is TorchScript" in warning for warning in found.warnings)


class MomentumEncoder(nn.Module):
    """Moves a weight that has no gradient, and a buffer that it replaces; another buffer is expanded."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.mean = nn.Parameter(torch.zeros(8), requires_grad=False)
        self.calls: torch.Tensor
        self.register_buffer("calls", torch.zeros(()))
        self.shift: torch.Tensor
        self.register_buffer("shift", torch.zeros(1).expand(8))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.mean.add_(1.0)
            self.calls = self.calls + 1
        return torch.as_tensor(self.linear(images)) + self.shift


def test_weights_without_gradients_and_buffers_of_every_kind_are_put_back() -> None:
    module = MomentumEncoder()
    convbench.measure(module, torch.randn(4, 8), workload="training", **QUICK)
    assert torch.equal(module.mean, torch.zeros(8))
    assert module.calls == 0
    assert torch.equal(module.shift, torch.zeros(8))


@pytest.mark.slow
def test_every_compiled_measurement_compiles_for_its_own_sizes() -> None:
    """A call before, with other sizes or with the same, changes nothing: a new process had none."""
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    for batch in (4, 4, 6, 8):
        found = convbench.measure(module, torch.ones(batch, 8), engine="compile", **QUICK)
        assert found.invalid is None


def test_the_precision_in_effect_is_the_processs_and_the_modules_own() -> None:
    """`fp32` adds nothing to the module: what it really is stands beside it."""
    found = convbench.measure(nn.Linear(8, 8).bfloat16(), torch.ones(4, 8).bfloat16(), **QUICK)
    assert found.effective == {"conv": "ieee", "matmul": "ieee", "weights": "bfloat16"}
    assert "Precision actually used: matmul ieee, conv ieee, weights bfloat16." in str(found)
