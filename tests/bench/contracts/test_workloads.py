"""What every workload must keep, whatever the package lists; and that training is SGD with momentum."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import get_args

import msgspec
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench import devices, engines
from bench import tensors as precision
from bench.contracts.steps import Steps
from bench.outputs.optimizer import LEARNING_RATE, MOMENTUM
from bench.schema.case import LAYOUTS, PRECISIONS, TIMED, Case, Workload
from bench.tensors import memory_format, random_images, random_labels, weight_dtype
from bench.workloads import workloads
from models.load import load
from models.network import Network

CPU = devices.get("cpu")
USABLE = [
    name
    for name in PRECISIONS
    if not CPU.why_unsupported(Case(model="lenet5", precision=name))
    and not CPU.why_unusable(Case(model="lenet5", precision=name))
]


def case_of(workload: str, **fields: object) -> Case:
    small = {"model": "lenet5", "batch": 3, "image": 28, "channels": 1, "classes": 10}
    return msgspec.convert({**small, "workload": workload, **fields}, Case)


def prepared(case: Case, module: nn.Module | None = None) -> tuple[nn.Module, Steps]:
    torch.manual_seed(case.seed)
    if module is None:
        module = load("lenet5", channels=1, image=28, classes=10).module
    module = module.to(weight_dtype(case.precision)).to(memory_format=memory_format(case))
    torch.manual_seed(case.seed + 1)
    return module, workloads()[case.workload].prepare(Network(module), case, engines.get("eager"), "cpu")


def one(steps: Steps) -> None:
    steps.setup()
    steps.step()


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


@pytest.fixture(params=tuple(workloads()))
def workload(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_workloads_are_known_by_their_names() -> None:
    assert set(workloads()) == set(TIMED) == set(get_args(Workload)) - {"accuracy", "ceiling"}
    assert all(workload.name == name for name, workload in workloads().items())


def test_listing_workloads_needs_no_torch() -> None:
    code = "import sys; from bench import workloads; workloads.workloads(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_steps_run_in_every_precision_and_layout(workload: str, name: str, layout: str) -> None:
    case = case_of(workload, precision=name, layout=layout)
    with precision.case_context(case, "cpu"):
        _, steps = prepared(case)
        for _ in range(2):
            one(steps)
        for _, phase in steps.phases:
            phase()
    assert steps.why_invalid() is None
    assert steps.warnings() == []
    assert steps.whole_phase not in [phase for phase, _ in steps.phases]
    tensors = steps.tensors()
    assert {"weights", "buffers", "inputs"} <= set(tensors)
    assert all(isinstance(t, Tensor) for several in tensors.values() for t in several)
    assert all(t.dtype == weight_dtype(case.precision) for t in tensors["weights"])


@pytest.mark.parametrize("name", USABLE)
def test_images_are_noise_in_the_dtype_and_layout_of_the_weights(name: str) -> None:
    case = case_of("inference", precision=name, layout="channels-last", channels=3, batch=64)
    images = random_images(case, "cpu")
    assert images.shape == (64, 3, 28, 28)
    assert images.dtype == weight_dtype(case.precision)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images.float().mean().item() == pytest.approx(0, abs=0.02)
    assert images.float().std().item() == pytest.approx(1, abs=0.02)
    labels = random_labels(case_of("training", batch=500), "cpu")
    assert (labels.shape, set(labels.tolist())) == ((500,), set(range(10)))


def test_inference_changes_nothing_and_is_in_eval_mode() -> None:
    case = case_of("inference")
    with precision.case_context(case, "cpu"):
        module, steps = prepared(case, load("lenet5", channels=1, image=28, classes=10).module.train())
        before = weights(module)
        one(steps)
    assert not module.training
    assert all(torch.equal(a, b) for a, b in zip(before, weights(module), strict=True))
    assert all(p.grad is None for p in module.parameters())
    assert all(p.requires_grad for p in module.parameters()), "autocast keeps casts only of such weights"


@pytest.mark.slow
def test_training_is_sgd_with_momentum_on_cross_entropy() -> None:
    """Three steps against the formulas: v = 0.9 v + g, w = w - 0.0001 v."""
    assert (LEARNING_RATE, MOMENTUM) == (1e-4, 0.9)
    module, steps = prepared(
        case_of("training"), load("lenet5", channels=1, image=28, classes=10).module.eval()
    )
    assert module.training
    reference = copy.deepcopy(module)
    images, labels = steps.tensors()["inputs"]
    velocity = [torch.zeros_like(p) for p in reference.parameters()]
    for _ in range(3):
        gradients = torch.autograd.grad(
            cross_entropy(reference(images), labels), list(reference.parameters())
        )
        with torch.no_grad():
            for p, v, g in zip(reference.parameters(), velocity, gradients, strict=True):
                v.mul_(0.9).add_(g)
                p.sub_(1e-4 * v)
        one(steps)
    for ours, theirs in zip(module.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=3e-7, atol=1e-9)  # a step moves weights by 1e-6


@pytest.mark.slow
def test_a_step_changes_every_weight_and_zero_grad_is_outside() -> None:
    module, steps = prepared(case_of("training"))
    before = weights(module)
    one(steps)
    assert all(not torch.equal(a, b) for a, b in zip(before, weights(module), strict=True))
    first = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    assert len(first) == len(before), "the step itself must not clear the gradients"
    steps.phases[0][1]()
    steps.phases[1][1]()
    summed = [p.grad for p in module.parameters() if p.grad is not None]
    assert not any(torch.equal(a, b) for a, b in zip(first, summed, strict=True)), "they add up"
    steps.setup()
    assert all(p.grad is None for p in module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", USABLE)
def test_the_phases_one_after_the_other_are_the_step(name: str) -> None:
    case = case_of("training", precision=name)
    module, steps = prepared(case)
    other, parts = prepared(case)
    for _ in range(3):
        one(steps)
        parts.setup()
        for _, phase in parts.phases:
            phase()
    assert all(torch.equal(a, b) for a, b in zip(weights(module), weights(other), strict=True))
    assert [phase for phase, _ in parts.phases] == ["forward", "backward", "optimizer"]


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    first, second, other = (weights(prepared(case_of("training", seed=s))[0]) for s in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.skipif("amp-fp16" not in USABLE, reason="this CPU has no fp16")
def test_a_skipped_step_makes_its_window_invalid_and_not_the_next() -> None:
    """A weight that overflows fp16 makes infinite gradients, and GradScaler then skips the step."""
    module, steps = prepared(case_of("training", precision="amp-fp16"))
    one(steps)
    assert steps.why_invalid() is None
    good = copy.deepcopy(module.state_dict())
    with torch.no_grad():
        next(module.parameters()).fill_(float("inf"))
    one(steps)
    assert "GradScaler skipped" in (steps.why_invalid() or "")
    module.load_state_dict(good)
    one(steps)
    assert steps.why_invalid() is None


def test_a_loss_that_is_no_number_is_told() -> None:
    module, steps = prepared(case_of("training"))
    with torch.no_grad():
        next(module.parameters()).fill_(float("nan"))
    one(steps)
    assert [warning.label for warning in steps.warnings()] == ["non-finite-loss"]


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["5x5", "3x3-relu-3x3", "3x3-3x3-3x3-3x3-3x3"])
def test_the_weights_of_a_block_stay_where_they_were(layers: str) -> None:
    """Its output's gradient never changes: at the rate of networks this stack is not finite in 14 steps."""
    model = f"block:8:{layers}"
    case = case_of("training", model=model, batch=8, image=28, channels=8, classes=8)
    torch.manual_seed(0)
    module, steps = prepared(case, load(model, channels=8, image=28, classes=8).module)
    before = weights(module)
    for _ in range(20):
        one(steps)
    for first, last in zip(before, weights(module), strict=True):
        torch.testing.assert_close(last, first, rtol=0, atol=0)
    assert steps.warnings() == []
